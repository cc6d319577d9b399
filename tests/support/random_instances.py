"""Small random instances whose targets lie where deployments differ."""

import random
from typing import Any

import numpy as np

from planner.candidates.table import tabulate
from planner.problem.instance import Instance
from planner.problem.resolve import resolve

TRANSFORMERS = ("llama-3-8b", "llama-3.1-70b", "qwen2.5-14b", "gpt-j-6b", "gemma-2-27b")
MIXTURES = ("mixtral-8x7b", "gpt-oss-20b", "qwen3-30b-a3b", "deepseek-v3")
DRAFTS = {"llama-3.1-70b": "llama-3.2-1b", "qwen2.5-14b": "qwen2.5-0.5b", "deepseek-v3": "mtp"}
PAPER_POOLS = ("h100-sxm", "a100-80gb-sxm", "h200-sxm", "v100-sxm", "h20")
POOLS = (*PAPER_POOLS, "l40s", "b200-sxm", "mi300x", "rtx-4090", "gb200-nvl72")


def random_instance(seed: int) -> Instance:
    """Draw one instance that has deployments; equal seeds give equal instances."""
    rng = random.Random(seed)
    while (found := _drawn(rng, seed)) is None:
        pass
    return found


def _drawn(rng: random.Random, seed: int) -> Instance | None:
    """Draw an instance; None where no deployment runs at all, whatever the targets."""
    profile = rng.choice(("paper", "calibrated"))
    content: dict[str, Any] = {
        "name": f"random-{seed}",
        "workload": {
            "transformer": rng.choice(TRANSFORMERS if rng.random() < 0.7 else MIXTURES),
            "input_tokens": rng.choice((100, 1000, 1500)),
            "output_tokens": rng.choice((50, 200, 500)),
            "tokens_per_second_per_request": 1e-3,
            "roles": rng.choice(("colocated", "colocated", "decode")),
        },
        "pools": _pools(rng, profile),
        "search": {
            "tensor_parallel": sorted(rng.sample((1, 2, 4, 8), rng.randint(1, 3))),
            "pipeline_parallel": sorted(rng.sample((1, 2, 4), rng.randint(1, 2))),
            "batch": sorted({rng.choice((5, 16)), *rng.sample((1, 2, 48, 130, 300), 2)}),
            "weights": rng.choice((["bf16"], ["fp8"], ["bf16", "int4"])),
            "kv": rng.choice((["bf16"], ["fp8"])),
        },
        "max_replicas": rng.randint(2, 9),
        "profile": profile,
    }
    content["workload"]["max_replicas"] = content.pop("max_replicas")
    _spread(rng, content)
    if not len(tabulate(resolve(Instance.model_validate(content)))):
        return None
    _targets(rng, content)
    return Instance.model_validate(content)


def _pools(rng: random.Random, profile: str) -> list[dict[str, Any]]:
    names = PAPER_POOLS if profile == "paper" else POOLS
    return [
        {
            "accelerator": name,
            "gpus": rng.choice((None, 4, 8, 16, 64)),
            "dollars_per_gpu_hour": rng.choice((1.0, 2.0, 2.5)) * rng.choice((1, 1, 1.3)),
        }
        for name in rng.sample(names, rng.randint(1, 3))
    ]


def _spread(rng: random.Random, content: dict[str, Any]) -> None:
    """Spread experts and attention, draft tokens, and set a floor on quality, now and then."""
    workload, search = content["workload"], content["search"]
    name = workload["transformer"]
    if name in MIXTURES:
        search["data_parallel"] = sorted(rng.sample((1, 2, 4), rng.randint(1, 2)))
        search["expert_parallel"] = [1, rng.choice((2, 4, 8))]
        search["batch"] = [16, 64, rng.choice((130, 300))]
        workload["expert_imbalance"] = rng.choice((1.0, 1.3))
    if name in DRAFTS and rng.random() < 0.7:
        draft = {"transformer": DRAFTS[name], "acceptance": rng.choice((0.3, 0.7, 0.9))}
        workload["drafts"] = [draft]
        search["gamma"] = rng.choice(([1, 3], [2]))
        search["batch"] = search["batch"][:2]
    if len(search["weights"]) > 1 and rng.random() < 0.3:
        content["quality"] = {"at_least": 0.97, "weights": {"int4": rng.choice((0.96, 0.98))}}


def _targets(rng: random.Random, content: dict[str, Any]) -> None:
    """Set targets at quantiles of what the deployments attain."""
    table = tabulate(resolve(Instance.model_validate(content)))

    def some(values: np.ndarray) -> float:
        return float(f"{np.quantile(values, rng.uniform(0.1, 0.95)):.4g}")

    workload = content["workload"]
    objective = rng.choice(
        ("dollars_per_hour", "dollars_per_million_tokens", "tokens_per_second_per_request")
    )
    content["objective"] = objective
    workload["tokens_per_second_per_request"] = some(table.tokens_per_second_per_request)
    if objective == "dollars_per_hour" or rng.random() < 0.5:
        factor = rng.choice((0.7, 1.5, 4.0))
        workload["tokens_per_second"] = factor * some(table.replica_tokens_per_second)
    if workload["roles"] == "colocated" and rng.random() < 0.6:
        workload["time_to_first_token_seconds"] = some(table.time_to_first_token_seconds)
    if objective == "tokens_per_second_per_request" or rng.random() < 0.3:
        ceiling = some(table.dollars_per_million_tokens)
        content["dollars_per_million_tokens_at_most"] = ceiling
    if rng.random() < 0.3:
        content["dollars_per_hour_at_most"] = rng.choice((4.0, 15.0, 60.0))
