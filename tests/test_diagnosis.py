"""Why nothing qualifies: what is in the way is named, with the nearest that could be met."""

import re
from functools import cache
from typing import NamedTuple

import pytest
from random_instances import random_instance

import planner
from planner.diagnosis import diagnose, sentence, show
from planner.instance import Instance
from planner.question import ask
from planner.survey import Miss

SEEDS = range(150)
BASE = {
    "name": "base",
    "workload": {
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": 20,
        "tokens_per_second": 5000,
        "time_to_first_token_seconds": 5,
    },
    "pools": [{"accelerator": "h100-sxm", "gpus": 64, "dollars_per_gpu_hour": 2.0}],
    "search": {"batch": [1, 16, 64], "tensor_parallel": [1, 2], "pipeline_parallel": 1},
    "dollars_per_hour_at_most": 100,
    "dollars_per_million_tokens_at_most": 100,
}
WITHIN_WORKLOAD = ("tokens_per_second_per_request", "time_to_first_token_seconds")


def changed(content: dict, name: str, value: float) -> dict:
    """The content of an instance with one requirement set to another value."""
    if name in WITHIN_WORKLOAD:
        return {**content, "workload": {**content["workload"], name: value}}
    if name == "max_replicas":
        return {**content, "search": {**content["search"], name: round(value)}}
    if name == "gpus":
        pools = [{**pool, name: round(value)} for pool in content["pools"]]
        return {**content, "pools": pools}
    if name == "memory_capacity":
        return {**content, "usable_memory_fraction": value}
    return {**content, name: value}


class Relaxation(NamedTuple):
    """One requirement of a miss, and the value nearest to what was asked."""

    requirement: str
    nearest: float
    asked: float
    at_most: bool
    unit: str


class Way(NamedTuple):
    """Requirements to relax together."""

    relaxations: tuple[Relaxation, ...]
    miss: Miss


def ways(instance: Instance) -> list[Way]:
    return [
        Way(
            tuple(
                map(
                    Relaxation,
                    miss.requirements,
                    miss.attained,
                    miss.limits,
                    miss.at_most,
                    miss.units,
                )
            ),
            miss,
        )
        for miss in diagnose(ask(instance))
    ]


def test_the_base_is_feasible():
    assert planner.solve(Instance.model_validate(BASE)).found


IMPOSSIBLE = {
    "tokens_per_second_per_request": 1e5,
    "time_to_first_token_seconds": 1e-6,
    "dollars_per_hour_at_most": 1e-3,
    "dollars_per_million_tokens_at_most": 1e-6,
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_one_requirement_is_named_with_the_nearest_value(name):
    instance = Instance.model_validate(changed(BASE, name, IMPOSSIBLE[name]))
    plan = planner.solve(instance)
    assert plan.status == "infeasible"
    (way,) = ways(instance)
    (relaxation,) = way.relaxations
    assert relaxation.requirement == name
    assert relaxation.asked == IMPOSSIBLE[name]
    assert relaxation.at_most is (name != "tokens_per_second_per_request")
    assert plan.message.startswith(f"{name}: ")
    assert show(relaxation.asked, relaxation.unit) in plan.message
    assert f"({way.miss.deployment})" in plan.message
    assert "h100-sxm" in plan.message
    relaxed = Instance.model_validate(changed(BASE, name, relaxation.nearest))
    assert planner.solve(relaxed).found


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_nothing_nearer_than_the_nearest_can_be_met(name):
    (way,) = ways(Instance.model_validate(changed(BASE, name, IMPOSSIBLE[name])))
    (relaxation,) = way.relaxations
    nearer = relaxation.nearest * (1 - 1e-6 if relaxation.at_most else 1 + 1e-6)
    assert not planner.solve(Instance.model_validate(changed(BASE, name, nearer))).found


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_the_value_that_is_shown_can_be_met(name):
    instance = Instance.model_validate(changed(BASE, name, IMPOSSIBLE[name]))
    message = planner.solve(instance).message
    told = re.search(r"asked, at (least|most) (\S+)", message)
    assert told, message
    shown = float(told[2].replace(",", ""))
    relaxed = planner.solve(Instance.model_validate(changed(BASE, name, shown)))
    assert relaxed.found, relaxed.message


def test_replicas_that_are_too_few_are_named():
    content = changed(BASE, "max_replicas", 1)
    content["workload"] = {**content["workload"], "tokens_per_second": 1e5}
    content |= {"dollars_per_hour_at_most": 1e6, "pools": [{"accelerator": "h100-sxm"}]}
    (way,) = ways(Instance.model_validate(content))
    (relaxation,) = way.relaxations
    assert relaxation.requirement == "max_replicas"
    assert "max_replicas: at most 1 replicas asked" in sentence(way.miss)
    for replicas, found in ((relaxation.nearest, True), (relaxation.nearest - 1, False)):
        again = Instance.model_validate(changed(content, "max_replicas", replicas))
        assert planner.solve(again).found is found


def test_accelerators_that_are_too_few_are_named():
    content = {**changed(BASE, "gpus", 1), "dollars_per_hour_at_most": 1e6}
    content["workload"] = {**content["workload"], "tokens_per_second": 1e5}
    (way,) = ways(Instance.model_validate(content))
    (relaxation,) = way.relaxations
    assert relaxation.requirement == "gpus"
    assert "gpus: at most 1 GPUs asked" in sentence(way.miss)
    for gpus, found in ((relaxation.nearest, True), (relaxation.nearest - 1, False)):
        again = Instance.model_validate(changed(content, "gpus", gpus))
        assert planner.solve(again).found is found


def test_memory_is_named_where_nothing_fits():
    content = {**BASE, "workload": {**BASE["workload"], "transformer": "llama-3.1-405b"}}
    content["search"] = {**BASE["search"], "tensor_parallel": 1}
    plan = planner.solve(Instance.model_validate(content))
    assert plan.message.startswith("memory_capacity: ")
    assert "GB asked" in plan.message
    (way,) = ways(Instance.model_validate(content))
    assert way.relaxations[0].nearest > 405e9  # in fp8


def test_memory_that_could_be_filled_further_is_the_nearest():
    content = {**BASE, "usable_memory_fraction": 0.05}
    (way,) = ways(Instance.model_validate(content))
    (relaxation,) = way.relaxations
    fraction = 0.05 * relaxation.nearest / relaxation.asked
    for factor, found in ((1 + 1e-9, True), (1 - 1e-6, False)):
        content["usable_memory_fraction"] = fraction * factor
        plan = planner.solve(Instance.model_validate(content))
        assert plan.found is found or "memory_capacity" not in plan.message


def test_either_of_two_that_exclude_each_other_is_named():
    """Fast requests need small batches, cheap tokens large ones: each could give way."""
    content = changed(BASE, "tokens_per_second_per_request", 150)
    content["search"] = {**BASE["search"], "batch": [1, 512]}
    content["dollars_per_million_tokens_at_most"] = 0.5
    found = ways(Instance.model_validate(content))
    names = [tuple(r.requirement for r in way.relaxations) for way in found]
    assert sorted(names) == [
        ("dollars_per_million_tokens_at_most",),
        ("tokens_per_second_per_request",),
    ]
    message = planner.solve(Instance.model_validate(content)).message
    assert "; or " in message
    for way in found:
        (relaxation,) = way.relaxations
        again = changed(content, relaxation.requirement, relaxation.nearest)
        assert planner.solve(Instance.model_validate(again)).found


def test_a_pair_is_named_where_no_single_change_suffices():
    content = changed(BASE, "tokens_per_second_per_request", 1e5)
    content["dollars_per_hour_at_most"] = 1e-3
    instance = Instance.model_validate(content)
    message = planner.solve(instance).message
    assert message.startswith("No single change suffices: ")
    assert " and " in message
    (way,) = ways(instance)
    assert {relaxation.requirement for relaxation in way.relaxations} == {
        "tokens_per_second_per_request",
        "dollars_per_hour_at_most",
    }
    for relaxation in way.relaxations:
        assert relaxation.requirement in message
        content = changed(content, relaxation.requirement, relaxation.nearest)
    assert planner.solve(Instance.model_validate(content)).found


def test_an_empty_search_is_told():
    content = {**BASE, "search": {"batch": 1, "pipeline_parallel": 4}}
    plan = planner.solve(Instance.model_validate(content))
    assert plan.status == "infeasible"
    assert plan.candidates == 0
    assert "widen `search`" in plan.message


@cache
def solved(seed: int) -> planner.Plan:
    return planner.solve(random_instance(seed))


def test_some_random_instances_are_infeasible():
    some = [solved(seed).status for seed in SEEDS[::3]]
    assert 5 < some.count("infeasible") < 45


@pytest.mark.parametrize("seed", SEEDS)
def test_each_way_leads_to_a_plan(seed):
    instance, plan = random_instance(seed), solved(seed)
    if plan.found:
        assert not plan.message
        return
    assert plan.status == "infeasible"
    found = ways(instance)
    assert found
    assert len({len(way.relaxations) for way in found}) == 1
    for way in found:
        content = instance.model_dump(by_alias=True, exclude_unset=True)
        for relaxation in way.relaxations:
            name, nearest = relaxation.requirement, relaxation.nearest
            assert name in plan.message
            worse = nearest > relaxation.asked if relaxation.at_most else nearest < relaxation.asked
            assert worse
            if name == "memory_capacity":
                fraction = ask(instance).profile.usable_memory_fraction
                nearest = fraction * nearest / relaxation.asked * (1 + 1e-9)
                if nearest > 1:
                    return
            content = changed(content, name, nearest)
        relaxed = planner.solve(Instance.model_validate(content))
        if way.relaxations[0].requirement == "memory_capacity":
            assert relaxed.found or "memory_capacity" not in relaxed.message
        else:
            assert relaxed.found, relaxed.message


@pytest.mark.parametrize(
    ("asked", "nearest", "at_most", "unit", "shown"),
    [
        (50, 38.4567, False, "tok/s", "at most 38.45 tok/s possible"),
        (1, 38.4512, True, "s", "at least 38.46 s needed"),
        (0.1, 0.3, True, "s", "at least 0.3 s needed"),
        (80e9, 140.01e9, True, "B", "at least 140.1 GB needed"),
        (8, 16.0, True, "GPUs", "at least 16 GPUs needed"),
    ],
)
def test_the_nearest_is_rounded_to_the_side_that_can_be_met(asked, nearest, at_most, unit, shown):
    miss = Miss(("x",), (nearest,), (asked,), (at_most,), (unit,), "there", 1.0)
    assert shown in sentence(miss)
