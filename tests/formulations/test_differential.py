"""Fleets of every feature and size against a second model that shares no code with the planner.

`python benchmarks/differential.py` goes through a thousand of them.
"""

import dataclasses
import math
from collections import Counter
from functools import cache

import pytest
import second_model
from differential import Compared, compared
from mixed_fleets import FEATURES, mixed_fleet
from three_solvers import disagreement

from planner.api import solve_fleet
from planner.problem.fleet import Fleet

FLEETS = 80
BLOCK = 10
"""Fleets of one test, so that workers share them out."""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, FLEETS, BLOCK))
def test_the_planner_and_the_second_model_contradict_each_other_nowhere(first: int) -> None:
    found = [compared(seed) for seed in range(first, first + BLOCK)]
    wrong = [f"seed {one.seed}, {one.size}: {one.outcome}" for one in found if not one.agrees]
    assert not wrong
    assert sum(one.outcome == "undecided" for one in found) <= BLOCK // 3


@pytest.mark.slow
@pytest.mark.parametrize("first", range(300, 400, 50))
def test_three_solvers_agree_with_plain_python_on_more_instances(first: int) -> None:
    pytest.importorskip("pyscipopt", reason="the extra `scip` is not installed")
    wrong = {seed: words for seed in range(first, first + 50) if (words := disagreement(seed))}
    assert not wrong


WITHOUT = {
    "n_plus_1": {"n_plus_1": False},
    "kinds": {"max_deployments": "any"},
    "max_replicas": {"max_replicas": None},
    "min_replicas": {"min_replicas": 0},
    "shed": {"shed_at_most": None, "shed_dollars_per_1000_requests": None},
    "headroom": {"headroom": 0.0},
    "starts": {"startup_dollars": 0.0, "startup_seconds": 0.0},
    "regions": {"regions": None, "users_in": None},
    "limits": {
        "tokens_per_second_per_request": None,
        "time_to_first_token_seconds": None,
        "quality": None,
    },
}
"""Features of workloads, and what a fleet without them says."""
OF_ALL = {
    "budget": {"dollars_per_hour_at_most": None},
    "power": {"watts_at_most": None},
    "carbon": {"carbon_kilograms_at_most": None},
    "scenarios": {"scenarios": ()},
    "robust": {"robustness": None},
    "running": {"running": None, "changes": None},
    "changes": {"changes": None},
}
OF_POOLS = {
    "spot": {"spot": None},
    "reserved": {"reserved": None},
    "nodes": {"gpus_per_node": None},
    "scarce": {"gpus": None},
}


def _without(fleet: Fleet, feature: str) -> Fleet:
    changes = dict(OF_ALL.get(feature, {}))
    for key, of in (("workloads", WITHOUT), ("pools", OF_POOLS)):
        parts = (one.model_copy(update=of.get(feature, {})) for one in getattr(fleet, key))
        changes[key] = tuple(parts)
    return fleet.model_copy(update=changes)


@cache
def _small(seed: int) -> tuple | None:
    """A fleet that the second model solves at once; None where it is larger."""
    fleet, offers = mixed_fleet(seed)
    if len(fleet.workloads) * len(fleet.periods) > 4:
        return None
    return fleet, offers, second_model.solve(fleet, offers, 2.0)


@pytest.mark.parametrize("feature", sorted((*WITHOUT, *OF_ALL, *OF_POOLS)))
def test_the_second_model_knows_every_feature(feature: str) -> None:
    """Some fleet has another cost, or none, without it; else nothing could be compared of it."""
    assert feature in FEATURES
    for seed in range(150):
        known = _small(seed)
        if known is None:
            continue
        fleet, offers, answer = known
        bare = _without(fleet, feature)
        if bare == fleet:
            continue
        other = second_model.solve(bare, offers, 2.0)
        if not math.isclose(answer.objective, other.objective, rel_tol=1e-4):
            return
    raise AssertionError(f"{feature} makes no difference")


def test_the_random_fleets_are_of_all_sizes() -> None:
    sizes = Counter()
    for seed in range(1000):
        fleet, _ = mixed_fleet(seed)
        sizes[len(fleet.workloads), len(fleet.periods)] += 1
    assert sum(sizes[w, t] for w in range(1, 4) for t in (1, 2)) > 500
    assert sum(number for (w, t), number in sizes.items() if w >= 10 and t >= 8) >= 15
    assert max(w for w, _ in sizes) == 20
    assert max(t for _, t in sizes) == 24


@pytest.mark.parametrize("seed", [6, 11, 55])
def test_breaking_ties_leaves_what_is_proved(seed: int) -> None:
    """What is refused is continuous, and takes up all the room that ties have."""
    plan = solve_fleet(*mixed_fleet(seed))
    assert plan.status == "optimal"
    assert plan.gap <= 0.6e-9


def test_a_contradiction_is_seen() -> None:
    told = Compared(0, "1 x 1", "the plan's bound 2 is above the other's objective 1", 0.1)
    assert not told.agrees
    assert dataclasses.replace(told, outcome="equal").agrees
