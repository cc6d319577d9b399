"""Explanations of fleets: prices against enumeration, sections, what is left to files."""

import json
import math

import fleet_plans
import numpy as np
import pytest

import planner
from planner.analysis.fleet.break_even import QUICK, break_even_prices
from planner.analysis.fleet.explain import explain_fleet
from planner.analysis.fleet.scarcity import full_pools, refused_requests
from planner.api import solve_fleet
from planner.errors import InputError
from planner.problem.fleet import Fleet

NAN = float("nan")
RATES = {0: 3.0, 1: 2.0}
"""Requests per second of a replica of one accelerator, by pool."""


def fleet_of(demand=10.0, **pools):
    """One workload on single accelerators of two pools at $3 and $1.9, or as said."""
    document = {
        "name": "by hand",
        "solver": {"relative_gap": 0.0},
        "workloads": [{"name": "w", "requests_per_second": [demand], "max_deployments": "any"}],
        "pools": [
            {"name": name, "on_demand": {"dollars_per_gpu_hour": price}} | pools.get(name, {})
            for name, price in (("fast", 3.0), ("slow", 1.9))
        ],
    }
    rows = [(0, p, "tp1", 1, 0, rate, NAN, NAN, NAN, NAN) for p, rate in RATES.items()]
    return Fleet.model_validate(document), fleet_plans.offers_of(rows)


def cheapest(demand, fast, slow):
    """Least cost by trying every number of replicas of both."""
    return min(
        fast * a + slow * b
        for a in range(8)
        for b in range(12)
        if a * RATES[0] + b * RATES[1] >= demand - 1e-9
    )


@pytest.mark.parametrize("demand", [4.0, 7.0, 10.0, 11.5])
def test_below_the_price_the_pool_is_used_and_above_it_is_not(demand):
    fleet, offers = fleet_of(demand)
    fast, slow = break_even_prices(fleet, solve_fleet(fleet, offers), offers)
    for limit, cost in (
        (fast.break_even, lambda price: cheapest(demand, price, 1.9)),
        (slow.break_even, lambda price: cheapest(demand, 3.0, price)),
    ):
        without = cost(1e6)
        assert cost(limit * 0.999) < without - 1e-9
        assert cost(limit * 1.001) == pytest.approx(without)
    assert fast.without == pytest.approx(cheapest(demand, 1e6, 1.9))
    assert not fast.at_least and fast.used == (cheapest(demand, 3.0, 1.9) < fast.without - 1e-9)


def test_what_nothing_does_without_has_no_limit_and_what_never_pays_has_none():
    fleet, offers = fleet_of(10.0, slow={"gpus": 1})
    fast, _ = break_even_prices(fleet, solve_fleet(fleet, offers), offers)
    assert math.isinf(fast.break_even) and math.isnan(fast.without)


def test_of_a_plan_that_took_long_only_a_price_that_is_safe_is_told():
    fleet, offers = fleet_of(10.0)
    plan = solve_fleet(fleet, offers)
    object.__setattr__(plan, "seconds", QUICK + 1.0)
    exact = dict(zip("ab", break_even_prices(*fleet_and_plan(fleet, offers), offers), strict=True))
    rough = dict(zip("ab", break_even_prices(fleet, plan, offers), strict=True))
    for name, one in rough.items():
        if one.used:
            assert one.at_least and one.break_even <= exact[name].break_even * (1 + 1e-9)
        else:
            assert math.isnan(one.break_even)


def fleet_and_plan(fleet, offers):
    return fleet, solve_fleet(fleet, offers)


def test_prices_that_change_by_period_are_scaled_together():
    document = fleet_of()[0].model_dump(exclude_unset=True)
    document["periods"] = [{"name": "night"}, {"name": "day"}]
    document["workloads"][0]["requests_per_second"] = [10.0, 10.0]
    document["pools"][0]["on_demand"] = {"dollars_per_gpu_hour": [2.0, 4.0]}
    fleet, offers = Fleet.model_validate(document), fleet_of()[1]
    fast, _ = break_even_prices(fleet, solve_fleet(fleet, offers), offers)
    factor = fast.break_even / 3.0
    halves = [cheapest(10.0, price * factor * 0.999, 1.9) for price in (2.0, 4.0)]
    assert sum(halves) < 2 * cheapest(10.0, 1e6, 1.9)
    halves = [cheapest(10.0, price * factor * 1.001, 1.9) for price in (2.0, 4.0)]
    assert sum(halves) == pytest.approx(2 * cheapest(10.0, 1e6, 1.9))


def test_full_pools_and_refused_requests_are_those_of_the_plan():
    fleet = planner.read_instance("instances/day")
    offers = planner.candidates.fleet.gather.offers(fleet)
    plan = solve_fleet(fleet, offers)
    full = {one.pool: one for one in full_pools(plan)}
    used = np.zeros((len(plan.pools), len(plan.periods)))
    np.add.at(used, (plan.replicas.pool, plan.replicas.period), plan.replicas.gpus)
    for at, name in enumerate(plan.pools):
        if (used[at] >= plan.supply[at]).any():
            assert full[name].periods >= (used[at] >= plan.supply[at]).sum()
    refused = {one.workload: one.requests for one in refused_requests(plan)}
    total = plan.service.shed @ (plan.hours * 3600.0)
    assert refused == {
        name: pytest.approx(total[at]) for at, name in enumerate(plan.workloads) if total[at] > 0
    }


def test_an_explanation_has_its_sections_in_json_and_csv(tmp_path):
    found = planner.explain(planner.read_instance("instances/melange"))
    said = json.loads(found.to_json(tmp_path / "why.json"))
    assert said["plan"]["status"] == "optimal"
    assert [row["pool"] for row in said["prices"]] == ["a10g", "a100-80gb"]
    rows = found.to_csv(tmp_path / "why.csv").splitlines()
    assert rows[0] == "section,item,quantity,value"
    assert any(row.startswith("prices,a10g: on-demand,break_even,3.67") for row in rows)


def test_a_workload_is_explained_by_its_deployments():
    fleet = planner.read_instance("instances/day")
    found = planner.explain(fleet, workloads=["code"])
    assert found.workloads and not found.prices and not found.guarantees
    for one in found.workloads:
        assert sum(part.exposed_seconds for part in one.time) == pytest.approx(
            one.deployment.tpot_seconds
        )
        for other in one.runner_ups:
            if other.loses is not None:
                more = other.choice.objective - one.deployment.dollars_per_million_tokens
                assert other.loses == pytest.approx(more)
    hours = [one.gpu_hours for one in found.workloads]
    assert hours == sorted(hours, reverse=True)
    labels = {f"{one.label}" for one in found.workloads}
    table = found.plan.table()
    ran = table[table["workload"] == "code"]
    assert labels <= set(ran["pool"] + " " + ran["label"])


def test_workloads_that_are_unknown_or_from_files_are_told():
    with pytest.raises(InputError, match="Did you mean code"):
        planner.explain(planner.read_instance("instances/day"), workloads=["cod"])
    with pytest.raises(InputError, match="`deployments` from files"):
        planner.explain(planner.read_instance("instances/melange"), workloads=["service"])


def test_where_there_is_no_plan_the_message_says_why():
    fleet, offers = fleet_of(10.0, fast={"gpus": 1}, slow={"gpus": 1})
    found = explain_fleet(fleet, offers)
    assert found.plan.status == "infeasible" and found.plan.message and not found.prices
