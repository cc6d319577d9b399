"""What guarantees and robustness cost, in fleets worked out by hand and in random ones."""

import math

import fleet_plans
import numpy as np
import pytest
from small_fleets import for_all, small_fleet

from planner.analysis.fleet.guarantees import guarantees
from planner.analysis.fleet.robustness import price_of_robustness
from planner.api import solve_fleet
from planner.errors import InputError
from planner.problem.fleet import Fleet
from planner.reporting.plots.fleet_what_if import plot_robustness

NAN = float("nan")
POOLS = [
    {
        "name": "eu",
        "region": "eu",
        "on_demand": {"dollars_per_gpu_hour": 2.0},
        "spot": {"dollars_per_gpu_hour": 1.0},
    },
    {"name": "us", "region": "us", "on_demand": {"dollars_per_gpu_hour": 0.5}},
]


def fleet_of(*workloads, **changed):
    """Workloads that each may run on single accelerators, one request a second, in two regions."""
    document = {"name": "by hand", "pools": POOLS, "solver": {"relative_gap": 0.0}} | changed
    document["workloads"] = [
        {"name": f"w{w}", "regions": ["eu"], "spot": False, "max_deployments": "any"} | one
        for w, one in enumerate(workloads)
    ]
    rows = [
        (w, p, "tp1", 1, 0, 1.0, NAN, NAN, NAN, NAN) for w in range(len(workloads)) for p in (0, 1)
    ]
    return Fleet.model_validate(document), fleet_plans.offers_of(rows)


def costs(found):
    return {row.name: row.dollars for row in found.rows}


def test_dollarsof_guarantees_worked_out_by_hand():
    fleet, offers = fleet_of(
        {"requests_per_second": {"p50": [2.0], "p95": [4.0]}, "headroom": 0.2, "n_plus_1": True},
        demand_quantile="p95",
    )
    found = guarantees(fleet, offers)
    # 4 / 0.8 = 5 replicas and one to spare, at 2 dollars.
    assert found.objective == pytest.approx(12)
    assert costs(found) == pytest.approx(
        {
            "head-room": 2.0,
            "N+1": 2.0,
            "residency": 9.0,
            "no spot": 6.0,
            "confidence": 4.0,  # 2 / 0.8 = 3 and one to spare.
            "all of them": 11.0,  # 2 replicas at half a dollar.
        }
    )
    assert all(row.least == pytest.approx(row.dollars) for row in found.rows)
    assert "head-room: $2.00 (16.7% of the plan); 1 of 1 workloads have 20% kept free" in found.text
    assert found.table()["guarantee"].tolist() == [row.name for row in found.rows]


def test_fewest_replicas_and_no_mixing():
    fleet, offers = fleet_of(
        {"requests_per_second": 1.0, "min_replicas": 3, "spot": True, "regions": ["eu", "us"]},
        {"requests_per_second": 2.5, "max_deployments": 1, "regions": ["us"]},
    )
    found = guarantees(fleet, offers)
    assert costs(found)["replicas"] == pytest.approx(1.0)
    assert costs(found)["few kinds"] == pytest.approx(0.0)
    assert set(costs(found)) == {"replicas", "few kinds", "residency", "no spot", "all of them"}


def test_a_fleet_without_guarantees_says_so():
    fleet, offers = fleet_of({"requests_per_second": 1.0, "regions": None, "spot": True})
    found = guarantees(fleet, offers)
    assert found.rows == ()
    assert found.text == "by hand asks for no guarantee."


def test_guarantees_of_a_fleet_without_a_plan_say_what_would_be():
    pools = [POOLS[0] | {"gpus": 4}]
    fleet, offers = fleet_of({"requests_per_second": 4.0, "headroom": 0.2}, pools=pools)
    offers = fleet_plans.offers_of([(0, 0, "tp1", 1, 0, 1.0, NAN, NAN, NAN, NAN)])
    fleet = for_all(fleet, regions=None, spot=True)
    found = guarantees(fleet, offers)
    (row,) = found.rows
    assert (found.status, row.status) == ("infeasible", "optimal")
    assert row.without == pytest.approx(4.0)
    assert math.isnan(row.dollars) and math.isnan(row.least)
    assert "without it: optimal" in found.text


def test_what_a_guarantee_made_needless_need_not_be_known():
    fleet, _ = fleet_of(
        {"requests_per_second": 1.0, "users_in": "eu", "time_to_first_token_seconds": 1.0}
    )
    rows = [(0, p, "tp1", 1, 0, 1.0, NAN, 0.5, NAN, NAN) for p in (0, 1)]
    found = guarantees(fleet, fleet_plans.offers_of(rows))
    # The round trip to the other region is not stated.
    assert {row.name: row.status for row in found.rows}["residency"] == "unknown"


def test_gaps_make_dollarsuncertain():
    for seed in range(8):
        fleet, offers = small_fleet(seed)
        exact = guarantees(fleet, offers)
        solver = fleet.solver.model_copy(update={"relative_gap": 0.3})
        rough = guarantees(fleet.model_copy(update={"solver": solver}), offers)
        for one, other in zip(exact.rows, rough.rows, strict=True):
            if not math.isnan(one.dollars):
                slack = 1e-6 * exact.objective
                assert other.least - slack <= one.dollars <= other.most + slack
                assert one.dollars >= -slack


def robust_fleet():
    fleet, offers = fleet_of(
        *({"requests_per_second": rate} for rate in (2.0, 4.0, 6.0)), name="rising"
    )
    return fleet, offers


def test_price_of_robustness_worked_out_by_hand():
    found = price_of_robustness(*robust_fleet(), rise=0.5)
    # 12 accelerators; those that rise most need 3, 2 and 1 more.
    assert [row.objective for row in found.rows] == pytest.approx([24, 30, 34, 36])
    assert [row.price for row in found.rows] == pytest.approx([0, 6 / 24, 10 / 24, 12 / 24])
    assert found.text.splitlines()[1] == "1 may rise by 50%: $30.00, 25.0% more"
    assert found.table()["workloads"].tolist() == [0, 1, 2, 3]


def test_robustness_is_a_guarantee():
    fleet, offers = robust_fleet()
    fleet = Fleet.model_validate(
        fleet.model_dump(exclude_none=True) | {"robustness": {"workloads": 1, "rise": 0.5}}
    )
    found = guarantees(for_all(fleet, spot=True, regions=None), offers)
    # In the cheaper region: 3 accelerators at half a dollar.
    assert costs(found) == pytest.approx({"robustness": 1.5})


def test_robustness_never_gets_cheaper():
    for seed in range(12):
        fleet, offers = small_fleet(seed, frozenset({"nodes", "guarantees"}), scarce=3.0)
        objectives = [row.objective for row in price_of_robustness(fleet, offers, rise=0.4).rows]
        # Where there is no plan, there is none for more that rise.
        dollars = np.nan_to_num(objectives, nan=np.inf)
        assert np.all(dollars[1:] >= dollars[:-1] * (1 - 1e-6))
        alone = solve_fleet(fleet, offers).objective
        assert objectives[0] == pytest.approx(alone, nan_ok=True)


def test_more_workloads_than_there_are_cannot_rise():
    with pytest.raises(InputError, match="from 0 to 3"):
        price_of_robustness(*robust_fleet(), most_workloads=4)


def test_the_price_of_robustness_is_drawn(tmp_path):
    path = tmp_path / "robust.svg"
    plot_robustness(path, price_of_robustness(*robust_fleet(), most_workloads=1))
    assert path.read_text().count("<svg") == 1
