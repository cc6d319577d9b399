"""What each answer of the `paper` profile costs: flip one at a time towards `calibrated`.

Prints the tables of docs/paper.md: the least dollars per million output tokens on H100 SXM, prompts
of 1000 and answers of 500 tokens, first of Llama 3.1 70B in bf16 at 40 tokens per second per
request, then of PaLM 540B in int4 at 20 in four pipeline stages, then of Qwen3.5 397B-A17B in fp8
at 60 with its own prediction layer drafting, where those switches act that the first case leaves
idle.

    python examples/switches.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np

from planner import Instance, catalogue
from planner.candidates.requirements import all_met, requirements
from planner.candidates.table import tabulate
from planner.catalogue.engine_memory import EngineMemory
from planner.catalogue.profile import NcclTree, Switches
from planner.problem.engine_support import engine_memory
from planner.problem.resolve import ResolvedInstance, experts, resolve
from planner.terms.calibration import rates

CASES = (
    ("llama-3.1-70b", "bf16", 40, (1, 2, 3, 4), None),
    ("palm-540b", "int4", 20, (4,), None),
    ("qwen3.5-397b-a17b", "fp8", 60, (1,), 0.8),
)
"""Transformer, precision of its weights, tokens per second per request, pipeline degrees, and the
probability that a token of its own prediction layer is accepted; None drafts nothing."""
CALIBRATED_RATES = {
    "achieved arithmetic": ("flop_per_second",),
    "achieved bandwidth": ("memory_bytes_per_second",),
    "usable memory": ("memory_bytes",),
    "overhead": ("layer_seconds", "step_seconds"),
    "collectives": ("collectives",),
    "combine": ("combine_power",),
}
"""What else the profiles differ in: name in the table, and fields of the rates."""


def asked(
    llm: str, weights: str, speed: float, stages: tuple[int, ...], acceptance: float | None
) -> ResolvedInstance:
    """Return the question of one case, under the `paper` profile."""
    drafts = [] if acceptance is None else [{"transformer": "mtp", "acceptance": acceptance}]
    dense = not experts(catalogue.transformer(llm))
    content = {
        "name": "switches",
        "workload": {
            "transformer": llm,
            "input_tokens": 1000,
            "output_tokens": 500,
            "tokens_per_second_per_request": speed,
            "drafts": drafts,
        },
        "pools": [{"accelerator": "h100-sxm", "dollars_per_gpu_hour": 2.1}],
        "search": {
            "tensor_parallel": [1, 2, 4, 8],
            "pipeline_parallel": list(stages),
            "data_parallel": [1] if dense else [1, 2, 4, 8],
            "gamma": [0, 2, 4],
            "batch": {"from": 1, "to": 4096},
            "weights": [weights],
        },
        "profile": "paper",
    }
    return resolve(Instance.model_validate(content))


def cheapest(resolved: ResolvedInstance) -> tuple[float, str]:
    """Return the least dollars per million tokens and the deployment that costs them."""
    table = tabulate(resolved)
    table = table.take(all_met(requirements(resolved, table)))
    row = int(np.argmin(table.dollars_per_million_tokens))
    degrees = f"tp {table.tensor_parallel[row]}, pp {table.pipeline_parallel[row]}"
    if experts(resolved.llm):
        degrees += f", dp {table.data_parallel[row]}, ep {table.expert_parallel[row]}"
    if resolved.drafts:
        degrees += f", gamma {table.gamma[row]}"
    cost = float(table.dollars_per_million_tokens[row])
    return cost, f"{degrees}, batch {table.batch[row]}"


def shown(value: object) -> str:
    """Return an answer in few words: of an engine's memory, whose it is."""
    return value.engine if isinstance(value, EngineMemory) else str(value)


def variants(paper: ResolvedInstance) -> Iterator[tuple[str, str, str, ResolvedInstance]]:
    """Yield what changes, from what, to what, and the question that results."""
    supply, ours = paper.pools[0], catalogue.profile("calibrated")
    fitted = rates(supply.accelerator, ours)
    theirs = replace(ours.switches, engine_memory=engine_memory(None, ours))
    for field in fields(Switches):
        old, new = (getattr(switches, field.name) for switches in (paper.switches, theirs))
        changed = replace(paper.switches, **{field.name: new})
        yield field.name, shown(old), shown(new), replace(paper, switches=changed)
    yield "all switches", "paper", "calibrated", replace(paper, switches=theirs)
    net = supply.rates.collectives
    assert isinstance(net, NcclTree)
    summed = replace(supply.rates, collectives=replace(net, overlapped=False))
    pools = (replace(supply, rates=summed),)
    yield "overlapped", "True", "False", replace(paper, pools=pools)
    for name, changing in CALIBRATED_RATES.items():
        changed_rates = replace(
            supply.rates, **{field: getattr(fitted, field) for field in changing}
        )
        pools = (replace(supply, rates=changed_rates),)
        yield name, "paper", "calibrated", replace(paper, pools=pools)
    everything = replace(paper, switches=theirs, pools=(replace(supply, rates=fitted),))
    yield "everything", "paper", "calibrated", everything


def show(paper: ResolvedInstance) -> None:
    """Print the table of one case, the `paper` profile first."""
    workload = paper.instance.workload
    print(f"{workload.transformer}, weights {paper.instance.search.weights[0]}, ", end="")
    print(f"{workload.tokens_per_second_per_request:g} tok/s per request, ", end="")
    print(f"pipeline parallel {', '.join(map(str, paper.pipeline_parallel))}", end="")
    for draft in workload.drafts:
        print(f", draft {draft.transformer} accepted at {draft.acceptance:g}", end="")
    print(":\n")
    print("| changed alone | from | to | $/Mtok | change | cheapest deployment |")
    print("|---|---|---|---|---|---|")
    base, deployment = cheapest(paper)
    print(f"| nothing | | | {base:.4f} | | {deployment} |")
    for name, old, new, resolved in variants(paper):
        cost, deployment = cheapest(resolved)
        change = cost / base - 1.0
        print(f"| {name} | {old} | {new} | {cost:.4f} | {change:+.2%} | {deployment} |")


def main() -> None:
    """Print one table per case."""
    for case in CASES:
        show(asked(*case))
        print()


if __name__ == "__main__":
    main()
