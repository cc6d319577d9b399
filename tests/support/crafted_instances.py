"""Tiny instances in which one term, requirement or tie decides; also those of the golden models."""

from planner.problem.instance import Instance

SMALL = {"transformer": "llama-3-8b", "input_tokens": 10, "output_tokens": 10}
LARGE = {"transformer": "llama-3-70b", "input_tokens": 10, "output_tokens": 10}
H100, A100 = {"accelerator": "h100-sxm"}, {"accelerator": "a100-80gb-sxm"}
BASE = {
    "profile": "paper",
    "objective": "dollars_per_hour",
    "pools": [H100],
    "search": {"tensor_parallel": 1, "pipeline_parallel": 1, "weights": "bf16", "batch": 16},
}


def search(**values: object) -> dict[str, object]:
    return {**BASE["search"], **values}


def at(speed: float, demand: float | None = None) -> dict[str, float]:
    targets = {"tokens_per_second_per_request": speed}
    return targets if demand is None else {**targets, "tokens_per_second": demand}


CONTENT = {
    # A batch of 1500 is bound by arithmetic and too slow; of 256 by memory, and fast enough.
    "arithmetic": {
        "workload": {**SMALL, **at(45)},
        "search": search(batch=[64, 256, 1500]),
        "objective": "dollars_per_million_tokens",
    },
    # Without its network time a batch of 512 on 8 ranks would pass.
    "network": {
        "workload": {**LARGE, **at(48)},
        "search": search(tensor_parallel=[8, 16], batch=[32, 512]),
        "objective": "dollars_per_million_tokens",
    },
    # On one accelerator the weights do not fit; nothing else speaks against it.
    "memory": {
        "workload": {**LARGE, **at(5, 10)},
        "search": search(tensor_parallel=[1, 2, 4]),
    },
    # Fewer, dearer accelerators cost more than many cheap ones.
    "price": {
        "workload": {**SMALL, **at(5, 3000)},
        "pools": [
            {**H100, "dollars_per_gpu_hour": 9.0},
            {**A100, "dollars_per_gpu_hour": 1.0},
        ],
    },
    # Two cheap accelerators or one at twice the price: the same cost, fewer win.
    "accelerators": {
        "workload": {**SMALL, **at(5, 1700)},
        "pools": [
            {**H100, "dollars_per_gpu_hour": 2.0},
            {**A100, "dollars_per_gpu_hour": 1.0},
        ],
    },
    # One replica fits the budget, the three that the demand needs do not.
    "budget": {
        "workload": {**SMALL, **at(5, 5000)},
        "pools": [{**H100, "dollars_per_gpu_hour": 2.0}],
        "objective": "dollars_per_million_tokens",
        "dollars_per_hour_at_most": 5.0,
    },
    # Each pass of a round has a ceiling of its own; the ceilings of their sums would let it pass.
    "rounds": {
        "workload": {
            **LARGE,
            **at(85),
            "drafts": [{"transformer": "llama-3.1-8b", "acceptance": 0.8}],
        },
        "search": search(tensor_parallel=8, batch=[16, 128], gamma=4),
        "objective": "dollars_per_million_tokens",
    },
    # Every ceiling there is, on a scarce pool.
    "fastest": {
        "workload": {
            **SMALL,
            **at(5),
            "input_tokens": 200,
            "output_tokens": 100,
            "roles": "colocated",
            "time_to_first_token_seconds": 0.009,
        },
        "pools": [{**H100, "gpus": 1}, A100],
        "search": search(tensor_parallel=[1, 2], batch=[8, 64], weights=["bf16", "fp8"]),
        "objective": "tokens_per_second_per_request",
        "dollars_per_million_tokens_at_most": 0.15,
        "dollars_per_hour_at_most": 4.0,
    },
    # Arithmetic and memory add up in part, so that the step is tabulated.
    "combined": {
        "workload": {**SMALL, **at(60, 4000)},
        "pools": [{**H100, "gpus": 8, "dollars_per_gpu_hour": 2.0}],
        "search": search(tensor_parallel=[1, 2], batch=[8, 64]),
        "profile": "calibrated",
    },
}


def crafted(name: str) -> Instance:
    """One of the instances by name."""
    return Instance.model_validate({**BASE, "name": name, **CONTENT[name]})
