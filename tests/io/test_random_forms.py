"""Whatever is put where in an instance file, of one kind or the other: a message with its place."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from planner.errors import InputError
from planner.io.instance_file import asks_fleet, read_instance

INSTANCES = Path(__file__).parents[2] / "instances"
FILES = ("smallest", "qwen-service", "qwen-two-kinds", "day-and-night", "deepseek-v3-speculative")
BASES = [YAML(typ="safe").load(INSTANCES / name / "instance.yaml") for name in FILES]
KEYS = (
    *("workload", "workloads", "pools", "search", "engine", "owned", "reserved", "spot"),
    *("on_demand", "dollars_per_gpu_hour", "requests_per_second", "tokens_per_second", "periods"),
    *("demand", "running", "quality", "max_deployments", "headroom", "roles", "solver", "name"),
    *("objective", "deployments", "drafts", "classes", "region", "gpus", "sweep", "mixing"),
    *("prefill", "candidates", "transformer"),
)
VALUES: tuple[Any, ...] = (
    *(None, 5, -1, 0, 1.5, True, "x", "10%", "25 req/s", "any", "", float("nan"), 1e300),
    *([], [[]], [None], [1, 2], [{"a": None}], {}, {"a": 1}, {"gpus": 8}, {"p50": 1}),
    {"dollars_per_gpu_hour": 2},
)


def containers(value: Any) -> list[Any]:
    """Every mapping and list, however deep."""
    if not isinstance(value, dict | list):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [value, *(found for one in inner for found in containers(one))]


def spoilt(seed: int) -> dict[str, Any]:
    """An instance in which one to three places hold something else."""
    rng = random.Random(seed)
    content: dict[str, Any] = copy.deepcopy(rng.choice(BASES))
    for _ in range(rng.randint(1, 3)):
        place, value = rng.choice(containers(content)), copy.deepcopy(rng.choice(VALUES))
        if isinstance(place, dict):
            place[rng.choice([*KEYS, *place])] = value
        elif place:
            place[rng.randrange(len(place))] = value
    return content


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_what_is_wrong_is_told_with_its_place(first, tmp_path):
    yaml, path = YAML(), tmp_path / "file.yaml"
    yaml.representer.ignore_aliases = lambda *_: True
    refused = 0
    for seed in range(first, first + 50):
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(spoilt(seed), file)
        asks_fleet(path)
        try:
            read_instance(path)
        except InputError as error:
            refused += 1
            assert all(problem.file and problem.line for problem in error.problems), seed
    assert refused > 25
