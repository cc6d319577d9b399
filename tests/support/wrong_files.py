"""The wrong files, a good instance to spoil, and what reading them raises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.io.instance_file import read_instance

WRONG = Path(__file__).parents[1] / "data" / "wrong"
FILES = sorted(path.name for path in WRONG.iterdir() if path.suffix in (".yaml", ".json"))

GOOD = {
    "name": "chat",
    "workload": {
        "transformer": "llama-3.1-8b",
        "input_tokens": 1000,
        "output_tokens": 500,
        "tokens_per_second_per_request": "40 tok/s",
        "tokens_per_second": 2000,
        "time_to_first_token_seconds": "2 s",
        "roles": "colocated",
        "max_replicas": 64,
    },
    "pools": [
        {"accelerator": "h100-sxm", "gpus": 16},
        {"accelerator": "l40s", "name": "spare", "dollars_per_gpu_hour": "1.1 $/h"},
    ],
    "search": {
        "tensor_parallel": [1, 2],
        "pipeline_parallel": 1,
        "batch": {"from": 1, "to": 64},
        "weights": ["bf16", "fp8"],
        "kv": "bf16",
    },
    "objective": "dollars_per_hour",
    "dollars_per_hour_at_most": 100,
    "usable_memory_fraction": 0.9,
    "profile": "calibrated",
    "solver": {"name": "highs", "time_limit_seconds": 20, "relative_gap": 0.0},
}


def refusal(path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_instance(path)
    return caught.value


def written(folder: Path, content: object, suffix: str = ".json") -> Path:
    path = folder / f"instance{suffix}"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
