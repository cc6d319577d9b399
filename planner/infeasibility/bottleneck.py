"""What holds a deployment back: the largest of its causes of time, and the largest part of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from planner.candidates.table import Candidates
from planner.problem.resolve import ResolvedInstance
from planner.terms import serving
from planner.terms.forward import Terms, forward
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.speculation import Drafted, drafting, verified_positions

CAUSES = ("arithmetic", "memory", "network", "latency")
STALL, DRAFT = "stall", "draft"
PARTS: Mapping[tuple[str, str], str] = {
    ("arithmetic", "feedforward"): "feed-forward products",
    ("arithmetic", "projections"): "projections of attention and output",
    ("arithmetic", "attention"): "attention scores",
    ("memory", "weights"): "reading weights",
    ("memory", "activations"): "reading and writing activations",
    ("memory", "cache"): "reading the cache",
    ("network", "all_reduce"): "all-reduce payload",
    ("network", "experts"): "payload to experts and back",
    ("network", "stage_hops"): "payload between stages",
    ("latency", "launches"): "launches and overheads",
    ("latency", "all_reduce"): "all-reduce latency",
    ("latency", "experts"): "latency of messages to experts and back",
    ("latency", "stage_hops"): "latency between stages",
}
"""What the parts of the terms are called; drafting is a part of each."""
MEMORY_PARTS: Mapping[str, str] = {
    "feedforward_weights": "weights",
    "attention_weights": "weights",
    "output_projection": "weights",
    "feedforward_activations": "activations",
    "attention_activations": "activations",
    "cache": "cache",
}

Seconds = dict[str, dict[str, float]]
"""Cause to part to seconds."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest part of the largest cause of a time."""

    cause: str
    """`arithmetic`, `memory`, `network`, `latency`, or `stall`: reading other users' prompts."""
    part: str
    """What of it takes longest, in words."""
    share: float
    """Seconds of the part over the whole time, from 0 to 1; arithmetic and memory overlap."""


def speed_limit(resolved: ResolvedInstance, table: Candidates, row: int) -> Limit:
    """Return what takes longest of the time per output token of one deployment."""
    one = table.take(np.asarray([row]))
    verify, drafted = _passes(resolved, one)
    found = _of_pass(resolved, one, verify)
    _add_draft(found, drafted, int(one.gamma[0]))
    stall = float(one.stall_seconds[0] * one.tokens_per_round[0])
    found[STALL] = {STALL: stall}
    return _largest(found, float(one.tpot_seconds[0] * one.tokens_per_round[0]))


def first_token_limit(resolved: ResolvedInstance, table: Candidates, row: int) -> Limit:
    """Return what takes longest of the time to the first token of one deployment.

    The prompt and the first step count together; what the draft takes to read it counts as
    arithmetic of drafting.
    """
    one = table.take(np.asarray([row]))
    verify, drafted = _passes(resolved, one)
    prompt = replace(
        verify,
        sequences=verify.dp,
        positions=np.asarray(float(resolved.instance.workload.input_tokens)),
        context=np.asarray(0.0),
        prefill=True,
    )
    found, reading = _of_pass(resolved, one, verify), _of_pass(resolved, one, prompt)
    for cause, parts in reading.items():
        for part, seconds in parts.items():
            found[cause][part] += seconds
    _add_draft(found, drafted, int(one.gamma[0]))
    if drafted is not None:
        found["arithmetic"][DRAFT] += float(drafted.prefill)
    return _largest(found, float(one.time_to_first_token_seconds[0]))


def _largest(found: Seconds, whole: float) -> Limit:
    cause = max(found, key=lambda name: sum(found[name].values()))
    part = max(found[cause], key=found[cause].__getitem__)
    words = {STALL: "reading other users' prompts", DRAFT: f"{cause} of drafting"}
    return Limit(cause, words.get(part) or PARTS[cause, part], found[cause][part] / whole)


def _add_draft(found: Seconds, drafted: Drafted | None, gamma: int) -> None:
    if drafted is not None:
        for cause in CAUSES:
            found[cause][DRAFT] = gamma * float(getattr(drafted.sums, cause))


def _of_pass(resolved: ResolvedInstance, one: Candidates, step: ForwardPass) -> Seconds:
    """Return the seconds of a pass by cause and part."""
    rates = resolved.pools[one.pool[0]].rates
    timed = forward(resolved.llm, _precision(resolved, one), rates, resolved.switches, step)
    return {cause: _parts(timed, cause) for cause in CAUSES}


def _parts(timed: Terms, cause: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, seconds in getattr(timed, f"{cause}_parts").items():
        part = MEMORY_PARTS[name] if cause == "memory" else name
        found[part] = found.get(part, 0.0) + float(np.max(seconds))
    return found


def _precision(resolved: ResolvedInstance, one: Candidates) -> Precision:
    search = resolved.instance.search
    return Precision(search.weights[one.weights[0]], search.kv[one.kv[0]])


def _passes(resolved: ResolvedInstance, one: Candidates) -> tuple[ForwardPass, Drafted | None]:
    """Return the pass that decodes or verifies, and the draft where there is one."""
    workload, switches = resolved.instance.workload, resolved.switches
    tp, pp, dp, ep, batch = (
        np.asarray(float(column[0]))
        for column in (
            one.tensor_parallel,
            one.pipeline_parallel,
            one.data_parallel,
            one.expert_parallel,
            one.batch,
        )
    )
    verify = ForwardPass(
        tp,
        pp,
        serving.micro_batch(batch, pp, whole=switches.whole_layers),
        np.asarray(float(verified_positions(int(one.gamma[0]), switches))),
        np.asarray(serving.context_while_decoding(workload.input_tokens, workload.output_tokens)),
        dp=dp,
        ep=ep,
        imbalance=workload.expert_imbalance,
    )
    if not one.draft[0]:
        return verify, None
    chosen = resolved.drafts[one.draft[0] - 1]
    return verify, drafting(
        chosen.llm,
        _precision(resolved, one),
        resolved.pools[one.pool[0]].rates,
        switches,
        target=replace(verify, positions=np.asarray(1.0)),
        batch=batch,
        prompt=float(workload.input_tokens),
        longest=float(workload.input_tokens + workload.output_tokens),
        own=chosen.own,
    )
