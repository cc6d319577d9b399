"""Short and long forms ask the same, and what is asked decides which formulation answers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from random_instances import random_instance
from ruamel.yaml import YAML

import planner
from planner.errors import InputError
from planner.io.fleet.fleet_file import read_fleet
from planner.io.instance_file import asks_fleet, read_instance
from planner.io.long_form import is_fleet
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance

WORKLOAD: dict[str, Any] = {
    "transformer": "qwen3-32b",
    "output_tokens": 400,
    "requests_per_second": 25,
    "tokens_per_second_per_request": 35,
}
POOL = {"accelerator": "h100-sxm", "dollars_per_gpu_hour": 2.2}
ONE = {"name": "one", "workload": WORKLOAD, "pools": [POOL]}
MANY = {"name": "many", "workload": {**WORKLOAD, "headroom": 0.1}, "pools": [POOL]}


def written(folder: Path, content: dict[str, Any], name: str = "file.yaml") -> Path:
    path = folder / name
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
    return path


def without(part: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key not in keys}


SAME = {
    "a list of one workload": lambda file: {
        **without(file, "workload"),
        "workloads": [file["workload"]],
    },
    "workloads that are one": lambda file: {
        **without(file, "workload"),
        "workloads": file["workload"],
    },
    "one pool": lambda file: {**file, "pools": POOL},
    "an on-demand price": lambda file: {
        **file,
        "pools": [{"accelerator": "h100-sxm", "on_demand": {"dollars_per_gpu_hour": 2.2}}],
    },
    "no drafts": lambda file: {**file, "workload": {**file["workload"], "drafts": []}},
    "requests a minute": lambda file: {
        **file,
        "workload": {**file["workload"], "requests_per_second": "1500 req/min"},
    },
}


@pytest.mark.parametrize("file", [ONE, MANY], ids=["one", "many"])
@pytest.mark.parametrize("form", SAME)
def test_short_and_long_forms_are_one_question(file, form, tmp_path):
    first = read_instance(written(tmp_path, file))
    second = read_instance(written(tmp_path, SAME[form](file)))
    assert type(first) is type(second)
    assert first.digest == second.digest


@pytest.mark.parametrize("file", [ONE, MANY], ids=["one", "many"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("search", {"tensor_parallel": [2, 4]}),
        ("engine", "vllm"),
        ("quality", {"at_least": 0.9}),
        ("usable_memory_fraction", 0.8),
        ("max_replicas", 30),
        ("roles", "colocated"),
    ],
)
def test_what_stands_at_the_top_holds_for_the_workload(file, key, value, tmp_path):
    top = {**file, key: value}
    inside = {**file, "workload": {**file["workload"], key: value}}
    found = [read_instance(written(tmp_path, content)).digest for content in (top, inside)]
    assert found[0] == found[1] != read_instance(written(tmp_path, file)).digest


def test_a_workloads_own_word_wins_and_its_search_is_merged(tmp_path):
    inside = {**WORKLOAD, "search": {"weights": "bf16"}, "engine": "sglang"}
    content = {
        **ONE,
        "workload": inside,
        "search": {"weights": "fp8", "batch": 8},
        "engine": "vllm",
    }
    one = read_instance(written(tmp_path, content))
    assert isinstance(one, Instance)
    assert (one.engine, one.search.weights, one.search.batch.sizes()) == ("sglang", ("bf16",), (8,))
    many = read_instance(written(tmp_path, {**content, "periods": 2}))
    assert isinstance(many, Fleet)
    assert many.workloads[0].engine == "sglang"
    assert many.workloads[0].search == one.search


ASKS_FOR_MORE: list[dict[str, Any]] = [
    {"workloads": [WORKLOAD, {**WORKLOAD, "name": "two"}]},
    {"workload": {**WORKLOAD, "requests_per_second": [20, 30]}},
    {"workload": {**WORKLOAD, "max_deployments": "any"}},
    {"workload": {**WORKLOAD, "n_plus_1": True}},
    {"workload": {**WORKLOAD, "deployments": "d.csv"}},
    {"workload": WORKLOAD, "periods": 24},
    {"workload": WORKLOAD, "demand": "d.csv"},
    {"workload": WORKLOAD, "headroom": 0.1},
    {"workload": WORKLOAD, "pools": [{**POOL, "region": "eu"}]},
    {"workload": WORKLOAD, "pools": [{"accelerator": "l40s", "spot": {}}]},
    {"workload": WORKLOAD, "pools": "pools.csv"},
]


@pytest.mark.parametrize("more", ASKS_FOR_MORE, ids=repr)
def test_what_only_fleets_know_makes_a_fleet(more):
    assert is_fleet({"pools": [POOL], **more})


def test_the_shape_of_a_file_makes_no_fleet():
    for form in SAME.values():
        assert not is_fleet(form(ONE))
    assert not is_fleet({**ONE, "max_deployments": 1})
    assert not is_fleet({**ONE, "workload": {**WORKLOAD, "name": "w", "max_deployments": 1}})


def test_a_file_without_a_name_is_called_as_itself_or_its_folder(tmp_path):
    assert read_instance(written(tmp_path, without(ONE, "name"), "chat.yaml")).name == "chat"
    folder = tmp_path / "service"
    folder.mkdir()
    written(folder, without(MANY, "name"), "instance.yaml")
    assert read_instance(folder).name == "service"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            {**ONE, "workloads": [{"transformer": "gemma-2-9b"}]},
            "workloads: found both, expected workload or workloads.",
        ),
        (
            {**without(ONE, "workload"), "workloads": [{**WORKLOAD, "input_token": 3}]},
            "workloads[0].input_token: found an unknown key",
        ),
        (
            {**ONE, "workload": {**WORKLOAD, "search": {"kv": "fp9"}}},
            "workload.search.kv: found 'fp9', expected one of bf16, fp8, int8, nvfp4. Did you mean",
        ),
        ({**ONE, "pools": {**POOL, "gpus": -1}}, "pools.gpus: found -1, expected"),
        (
            {**ONE, "pools": {"accelerator": "l40s", "on_demand": {"dollars_per_gpu_hour": "x"}}},
            "pools.on_demand.dollars_per_gpu_hour: found 'x', expected a number of dollars",
        ),
        (
            {**ONE, "workload": {**WORKLOAD, "requests_per_second": "25 tok/s"}},
            "workload.requests_per_second: found '25 tok/s', expected a number of requests",
        ),
        ({**MANY, "pools": {**POOL, "gpus": -1}}, "pools.gpus: found -1, expected"),
        (
            {**MANY, "workload": {**MANY["workload"], "headroom": 3}},
            "workload.headroom: found 3, expected a number below 1.",
        ),
        (
            {**MANY, "pools": {**POOL, "dollars_per_gpu_hour": "x"}},
            "pools.dollars_per_gpu_hour: found 'x', expected a number of dollars",
        ),
        (
            {**ONE, "objective": "dollars_per_million_tokens", "periods": 2},
            "objective: found dollars_per_million_tokens, expected dollars_per_hour or requests",
        ),
    ],
)
def test_messages_name_fields_as_the_file_does(content, told, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(InputError) as refused:
        read_instance(path)
    (problem,) = refused.value.problems
    assert str(problem).partition(": ")[2].startswith(told)
    assert problem.line > 0


def test_every_shipped_instance_is_read_by_one_function():
    instances = Path(__file__).parents[2] / "instances"
    kinds = {asks_fleet(path): read_instance(path) for path in instances.glob("*/instance.*")}
    assert isinstance(kinds[False], Instance)
    assert isinstance(kinds[True], Fleet)


@pytest.mark.parametrize("seed", range(60))
def test_where_both_answer_they_give_the_same_cost(seed, tmp_path):
    instance = random_instance(seed)
    demand = random.Random(seed).uniform(50, 3000)
    content = instance.model_dump(mode="json", by_alias=True, exclude_unset=True)
    content["objective"] = "dollars_per_hour"
    content["workload"] |= {"tokens_per_second": demand, "max_replicas": 512}
    for name in ("dollars_per_million_tokens_at_most", "speed_exponent", "solver"):
        content.pop(name, None)
    path = written(tmp_path, content)
    one = planner.solve(read_instance(path))
    many = planner.solve(read_fleet(path).model_copy(update={"solver": EXACT}))
    assert isinstance(one, planner.Plan)
    assert one.found == many.found
    if one.found:
        assert many.dollars_per_hour == pytest.approx(one.dollars_per_hour, rel=1e-9)


EXACT = Fleet.model_fields["solver"].default.model_copy(update={"relative_gap": 0.0})
