"""Formulation F of fleets: HiGHS, SCIP and brute force agree on small random ones."""

import csv
import math
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import crafted_fleets
import fleets_by_hand
import numpy as np
import pytest
from crafted_fleets import CRAFTED, offered, pools, row, wanted
from random_fleets import ASKED, FEATURES, random_figures

from planner.candidates.fleet.model_data import Described, ModelData
from planner.formulations.fleet import costs, milp

SEEDS = range(200)
SCIP_SEEDS = range(30)
DATA = os.environ.get("PLANNER_DATA")

by_hand = cache(lambda seed: fleets_by_hand.cheapest(random_figures(seed)))


def assert_same(result, expected: float | None) -> None:
    if expected is None:
        assert (result.status, result.decisions) == ("infeasible", None)
        assert math.isnan(result.objective)
        return
    assert result.status == "optimal"
    assert result.objective == pytest.approx(expected, rel=1e-7)
    assert result.bound == pytest.approx(expected, rel=1e-7)
    assert result.bound <= result.objective


@pytest.mark.parametrize("seed", SEEDS)
def test_formulation_and_brute_force_agree(seed: int) -> None:
    assert_same(milp.solve(random_figures(seed)), by_hand(seed))


@pytest.mark.parametrize("seed", SCIP_SEEDS)
def test_scip_agrees(seed: int) -> None:
    pytest.importorskip("pyscipopt", reason="the extra `scip` is not installed")
    result = milp.solve(random_figures(seed), solver="scip")
    assert result.solver.startswith("scip")
    assert_same(result, by_hand(seed))


def described(data: ModelData, labels: Sequence[str]) -> ModelData:
    """A fleet whose choices are called so, and are all as fast."""
    count = len(data.choices)
    said = Described(tuple(labels), np.zeros(count), np.ones(count, dtype=int))
    return replace(data, described=said)


@pytest.mark.parametrize("seed", range(60))
def test_ties_are_broken_so_that_solvers_choose_the_same_plan(seed: int) -> None:
    pytest.importorskip("pyscipopt", reason="the extra `scip` is not installed")
    data = random_figures(seed)
    labels = [f"deployment {offer}" for offer in data.choices.offer]
    data = described(data, labels)
    plans = [milp.solve(data, solver=name) for name in ("highs", "scip")]
    assert_same(plans[0], by_hand(seed))
    first, second = (plan.decisions for plan in plans)
    if first is None or second is None:
        assert first is second
        return
    for name in ("replicas", "reserved", "on_demand", "spot", "extra"):
        assert_equal_parts(getattr(first, name), getattr(second, name))
    np.testing.assert_allclose(first.shed, second.shed, atol=1e-6)


def assert_equal_parts(one: np.ndarray | None, other: np.ndarray | None) -> None:
    assert (one is None) == (other is None)
    if one is not None:
        np.testing.assert_array_equal(one, other)


def chosen(labels: tuple[str, ...], *deployments: dict) -> list[int]:
    """Replicas of each deployment on a pool of $1 per accelerator and hour, for 6 requests/s."""
    data = crafted_fleets.fleet(offered(*deployments), wanted({"demand": (6.0,)}), pools(1))
    return milp.solve(described(data, labels)).decisions.replicas[:, 0].tolist()


def test_the_first_label_is_chosen_among_equals() -> None:
    assert chosen(("b", "a", "c"), *[row(0, 0, 2, 3.0)] * 3) == [0, 2, 0]
    assert chosen(("b", "c", "a"), *[row(0, 0, 2, 3.0)] * 3) == [0, 0, 2]


def test_fewer_replicas_are_chosen_at_equal_cost() -> None:
    assert chosen(("a", "b"), row(0, 0, 1, 1.5), row(0, 0, 4, 6.0)) == [0, 1]


def test_fewer_accelerators_are_chosen_at_equal_cost() -> None:
    own = {"dollars_per_hour": 4.0}
    assert chosen(("a", "b"), row(0, 0, 8, 6.0, **own), row(0, 0, 4, 6.0, **own)) == [0, 1]


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_each_feature_alone_agrees_with_brute_force(feature: str) -> None:
    for seed in range(8):
        data = random_figures(seed, features=frozenset({feature}))
        assert_same(milp.solve(data), fleets_by_hand.cheapest(data))


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize(
    "asked",
    [{"changes"}, {"padded", "power", "carbon"}, {"both_lanes", "spot", "no_mixing"}, ASKED],
)
def test_what_is_asked_beside_anything_else_agrees_with_brute_force(seed: int, asked: set) -> None:
    chosen = random.Random(seed)
    others = sorted(FEATURES - ASKED)
    features = {*asked, *(name for name in others if chosen.random() < 0.25)}
    data = random_figures(seed, features=frozenset(features))
    assert_same(milp.solve(data), fleets_by_hand.cheapest(data))


@pytest.mark.parametrize("seed", SEEDS)
def test_decisions_keep_what_was_promised(seed: int) -> None:
    data = random_figures(seed)
    decided = milp.solve(data).decisions
    if decided is None:
        assert by_hand(seed) is None
        return
    pool_supply, demand = data.pool_supply, data.wanted.demand
    for w, t in np.ndindex(demand.shape):
        rows = np.flatnonzero(data.choices.workload == w)
        served = fleets_by_hand.serves(data, w, rows, decided.replicas[rows, t])
        assert served + decided.shed[w, t] >= demand[w, t] * (1 - 2e-9)
        assert decided.replicas[rows, t].sum() >= data.wanted.least[w]
    bought = decided.reserved[:, None] + decided.on_demand + decided.spot
    own = np.isfinite(data.choices.dollars_per_hour)
    owned = np.zeros_like(bought)
    np.add.at(owned, data.choices.pool, (data.choices.gpus * own)[:, None] * decided.replicas)
    assert (bought + owned <= pool_supply.gpus[:, None]).all()
    assert not (bought % pool_supply.increment[:, None]).any()
    for way in ("reserved", "on_demand", "spot"):
        amount = getattr(decided, way).reshape(len(pool_supply.gpus), -1).max(axis=1)
        offered_most = np.nan_to_num(getattr(pool_supply, f"{way}_dollars") * 0 + 1)
        assert (amount <= np.where(offered_most > 0, getattr(pool_supply, f"{way}_gpus"), 0)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_each_deployment_serves_adds_up(seed: int) -> None:
    data = random_figures(seed, features=frozenset({"classes", "shed"}))
    decided = milp.solve(data).decisions
    if decided is None or decided.served is None:
        assert decided is None or (data.wanted.shares > 0).sum(axis=1).max() == 1
        return
    rates = data.choices.rates[:, :, None]
    load = np.divide(decided.served, rates, out=np.zeros_like(decided.served), where=rates > 0)
    assert (load.sum(axis=1) <= decided.replicas + 2e-9).all()
    for w, shares in enumerate(data.wanted.shares):
        if (shares > 0).sum() > 1:
            served = decided.served[data.choices.workload == w].sum(axis=0)
            asked = shares[:, None] * (data.wanted.demand[w] - decided.shed[w])
            assert (served >= asked - 2e-9 * data.wanted.demand[w]).all()


def test_the_random_fleets_are_of_every_kind() -> None:
    answers = [by_hand(seed) for seed in SEEDS]
    fleets = [random_figures(seed) for seed in SEEDS]
    assert 0.1 < sum(answer is None for answer in answers) / len(answers) < 0.5
    assert len({answer for answer in answers if answer}) > 100
    assert sum(len(data.horizon) > 1 for data in fleets) > 60
    assert sum(len(data.wanted.demand) > 1 for data in fleets) > 60
    assert sum(len(data.choices) > 3 for data in fleets) > 40


def test_brute_force_on_a_fleet_worked_out_by_hand() -> None:
    """7 requests/s: 2 x 5 on dear accelerators cost 12, 4 x 2 cost 4, 3 x 2 and 1 refused 3.5."""
    data = crafted_fleets.fleet(
        offered(row(0, 0, 1, 2.0), row(0, 1, 2, 5.0)),
        wanted({"demand": (7.0,), "shed_at_most": 0.2, "shed_dollars": 0.5 / 3600}),
        pools(2),
    )
    assert fleets_by_hand.cheapest(data) == pytest.approx(3.5)
    dear = replace(data.wanted, shed_dollars=np.array([1.1 / 3600]))
    assert fleets_by_hand.cheapest(replace(data, wanted=dear)) == pytest.approx(4.0)
    strict = replace(data.wanted, survives=np.array([True]), shed_at_most=np.zeros(1))
    assert fleets_by_hand.cheapest(replace(data, wanted=strict)) == pytest.approx(5.0)


def test_mixture_of_classes_worked_out_by_hand() -> None:
    """One serves (4, 0) or (0, 1), one (1, 0) or (0, 2): each to its own is (4, 2)."""
    rates = np.array([[4.0, 1.0], [1.0, 2.0]])
    assert fleets_by_hand.mixture(rates, np.array([2 / 3, 1 / 3])) == pytest.approx(6.0)
    # Three quarters of the second's time for 1.5 of the second class, the rest for the first.
    assert fleets_by_hand.mixture(rates, np.array([4.25, 1.5]) / 5.75) == pytest.approx(5.75)
    assert fleets_by_hand.mixture(np.array([[4.0, 0.0]]), np.array([0.5, 0.5])) == 0.0


def test_n_plus_1_of_request_classes_is_refused() -> None:
    data = CRAFTED["classes"]
    asked = replace(data.wanted, survives=np.array([True]))
    with pytest.raises(ValueError, match="several request classes"):
        milp.build(replace(data, wanted=asked))


def test_no_time_is_no_solution_in_time() -> None:
    result = milp.solve(CRAFTED["purchases"], time_limit_seconds=0.0)
    assert (result.status, result.decisions) == ("no_solution_in_time", None)


def test_all_variables_are_bounded() -> None:
    for data in CRAFTED.values():
        variables = milp.build(data).component_data_objects(milp.pyo.Var)
        assert all(None not in v.bounds and max(v.bounds) < math.inf for v in variables)


def test_dollars_and_starts_of_decisions_are_those_of_the_model() -> None:
    data = CRAFTED["starts"]
    decided = milp.solve(data).decisions
    started = data.started(decided.replicas)
    # Two run already; 16 requests/s by day are 8 small replicas, 6 of which start.
    assert decided.replicas.tolist() == [[2, 8], [0, 0]]
    assert started.tolist() == [[0, 6], [0, 0]]
    assert costs.dollars(data, decided) == pytest.approx(8 * 2 + 16 * 8 + 6 * 0.75)


def inferno(path: Path, *, mixes: bool):
    """Fifteen workloads over four pools, as another planner's table of columns states them."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda found: found["server"])
    supply = {"L4": 1024.0, "A100": 768.0, "AIU2": 1024.0, "G2": 512.0}
    accelerators, servers = list(supply), sorted({found["server"] for found in rows})
    cents = {
        found["type"]: float(found["cost_cents_per_h_per_replica"])
        / float(found["units_per_replica"])
        for found in rows
    }
    demand = {found["server"]: float(found["arrival_rate_rpm"]) for found in rows}
    choices = offered(
        *(
            row(
                servers.index(found["server"]),
                accelerators.index(found["type"]),
                int(found["units_per_replica"]),
                float(found["max_rpm_per_replica"]),
            )
            for found in rows
        )
    )
    pool_supply = pools(
        4, gpus=tuple(supply.values()), on_demand_dollars=tuple(cents[a] for a in accelerators)
    )
    asked = wanted(
        *({"demand": (demand[server],), "kinds": np.inf if mixes else 1.0} for server in servers)
    )
    return crafted_fleets.fleet(choices, asked, pool_supply)


@pytest.mark.parametrize(("mixes", "cents"), [(False, 22564.0), (True, 22343.5)])
def test_another_planners_fleet_is_proved(mixes: bool, cents: float) -> None:
    if not DATA:
        pytest.skip("PLANNER_DATA is unset: other planners' fleets are no part of the project")
    data = inferno(Path(DATA) / "fleet" / "inferno_small_columns.csv", mixes=mixes)
    assert (len(data.wanted.demand), len(data.choices)) == (15, 55)
    result = milp.solve(data, time_limit_seconds=60.0)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(cents, abs=1e-6)
    assert result.bound == pytest.approx(cents, rel=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_next_to_no_demand_is_served_like_a_little(seed: int) -> None:
    """A billionth of a request per second needs a replica, and upsets nothing else."""
    data = random_figures(seed)
    demand = data.wanted.demand.copy()
    demand[:, -1] *= 1e-9
    data = replace(data, wanted=replace(data.wanted, demand=demand))
    counted = fleets_by_hand.cheapest(data)
    found = milp.solve(data)
    if counted is None:
        assert found.status == "infeasible"
        return
    assert found.status == "optimal"
    assert found.objective == pytest.approx(counted, rel=1e-6, abs=1e-9)
