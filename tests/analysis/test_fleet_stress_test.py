"""Plans under more demand than planned; and what must not get dearer when a question is eased."""

import random

import fleet_plans
import numpy as np
import pytest
from small_fleets import by, for_all, shuffled, small_fleet

from planner.analysis.fleet.stress_test import compare_headrooms, stress
from planner.api import solve_fleet
from planner.errors import InputError
from planner.formulations.column_generation.subproblems import unsupported
from planner.problem.fleet import Fleet
from planner.reporting.plots.fleet_what_if import plot_headrooms, plot_stress

METHODS = ("milp", "decomposition")
SEEDS = range(14)
SEPARATE = frozenset({"limits", "nodes", "guarantees", "spot", "shed"})
"""What both formulations know."""
NAN = float("nan")


def one_pool(*workloads, **changed):
    document = {
        "name": "by hand",
        "pools": [{"name": "h100", "on_demand": {"dollars_per_gpu_hour": 1.0}}],
        "workloads": [{"name": f"w{w}"} | one for w, one in enumerate(workloads)],
    }
    rows = [(w, 0, "tp1", 1, 0, 1.0, NAN, NAN, NAN, NAN) for w in range(len(workloads))]
    return Fleet.model_validate(document | changed), fleet_plans.offers_of(rows)


def test_shares_worked_out_by_hand():
    fleet, offers = one_pool(
        {"requests_per_second": [3.5, 2.0]},
        {"requests_per_second": [4.0, 0.0], "headroom": 0.5},
        periods=[{"name": "day", "hours": 1.0}, {"name": "night", "hours": 3.0}],
    )
    found = stress(solve_fleet(fleet, offers), fleet, [1.0, 2.0, 4.0])
    # 4 and 2 replicas of the first; 8 of the second, which may use what they kept free.
    expected = [[[1, 1], [1, np.nan]], [[4 / 7, 0.5], [1, np.nan]], [[4 / 14, 0.25], [0.5, np.nan]]]
    assert found.share == pytest.approx(np.array(expected), nan_ok=True)
    assert found.fully == pytest.approx([1, 1 / 3, 0])
    # At twice the demand 7 + 8 and 4 requests a second, of which 4 + 8 and 2 are served.
    assert found.served[1] == pytest.approx((12 + 3 * 2) / (15 + 3 * 4))
    assert found.worst[1] == ("w0", "night")
    assert found.table()["least_served"].tolist() == pytest.approx([1, 0.5, 0.25])
    assert len(found.cells()) == 3 * 2 * 2
    assert "x 2: 66.7% served, 33% of workloads and periods in full" in found.text


def test_plans_without_headroom_break_and_others_do_not():
    fleet, offers = one_pool(*({"requests_per_second": rate} for rate in (30.0, 60.0, 90.0)))
    found = compare_headrooms(fleet, offers, (0.0, 0.2, 0.5), 1.5)
    assert [row.served for row in found.rows] == pytest.approx([1 / 1.5, 227 / 270, 1], rel=1e-2)
    assert [row.fully_served for row in found.rows] == [0, 0, 1]
    assert [row.dollars_per_hour for row in found.rows] == pytest.approx([180, 226, 360])
    assert found.table()["headroom"].tolist() == [0.0, 0.2, 0.5]


def test_headroom_that_supply_has_no_room_for_is_told():
    pools = [{"name": "h100", "gpus": 40, "on_demand": {"dollars_per_gpu_hour": 1.0}}]
    fleet, offers = one_pool({"requests_per_second": 30.0}, pools=pools)
    found = compare_headrooms(fleet, offers, (0.0, 0.5))
    assert [row.status for row in found.rows] == ["optimal", "infeasible"]
    assert found.text.splitlines()[1] == "head-room 50%: infeasible"


def test_classes_keep_their_split():
    fleet, _, plan = fleet_plans.classy()
    found = stress(plan, fleet, [1.0, 1.25])
    assert found.share[0, 0, 0] == pytest.approx(1.0)
    # All of the one `big` is busy.
    assert found.share[1, 0, 0] == pytest.approx(0.8)


def test_planned_demand_is_served_in_full():
    for seed in SEEDS:
        fleet, offers = small_fleet(seed, frozenset({"guarantees", "nodes", "starts", "spot"}))
        plan = solve_fleet(fleet, offers)
        if plan.found:
            found = stress(plan, fleet)
            assert found.fully[0] == 1.0 and found.served[0] == pytest.approx(1.0)
            assert np.all(np.diff(found.served) <= 1e-12)
            kept = np.array([one.headroom for one in fleet.workloads])
            alive = np.minimum(1 / np.asarray(found.factors)[:, None] / (1 - kept), 1)
            assert np.all(np.nanmin(found.share, axis=2) >= alive - 1e-9)


def test_what_cannot_be_stressed_is_refused():
    fleet, offers = one_pool({"requests_per_second": 2.0})
    plan = solve_fleet(fleet, offers)
    with pytest.raises(InputError, match="positive factor"):
        stress(plan, fleet, [0.0])
    pools = [{"name": "h100", "gpus": 1, "on_demand": {"dollars_per_gpu_hour": 1.0}}]
    fleet, offers = one_pool({"requests_per_second": 2.0}, pools=pools)
    with pytest.raises(InputError, match="a plan that was found"):
        stress(solve_fleet(fleet, offers), fleet)
    with pytest.raises(InputError, match="below 1"):
        compare_headrooms(fleet, offers, (1.0,))


def test_pictures_are_drawn(tmp_path):
    fleet, offers = one_pool({"requests_per_second": 30.0})
    plot_headrooms(tmp_path / "h.svg", compare_headrooms(fleet, offers))
    plot_stress(tmp_path / "s.svg", [("plan", stress(solve_fleet(fleet, offers), fleet))])
    for name in ("h.svg", "s.svg"):
        assert (tmp_path / name).read_text().count("<svg") == 1


def cost(fleet, offers, method):
    """Dollars of the best plan; infinite where there is none."""
    plan = solve_fleet(by(fleet, method), offers)
    assert plan.status in ("optimal", "infeasible")
    return plan.objective if plan.found else np.inf


def with_pools(fleet, change):
    return fleet.model_copy(update={"pools": tuple(map(change, fleet.pools))})


def with_ways(pool, change):
    ways = ("on_demand", "reserved", "spot")
    sold = {way: getattr(pool, way) for way in ways if getattr(pool, way) is not None}
    return pool.model_copy(update={way: change(how) for way, how in sold.items()})


def repriced(how, factor):
    stated = how.dollars_per_gpu_hour
    prices = tuple(factor * one for one in stated) if isinstance(stated, tuple) else factor * stated
    return how.model_copy(update={"dollars_per_gpu_hour": prices})


def looser(one):
    return one.model_copy(
        update={
            "tokens_per_second_per_request": one.tokens_per_second_per_request / 2,
            "time_to_first_token_seconds": one.time_to_first_token_seconds * 2,
        }
    )


EASED = {
    "more supply": lambda fleet: with_pools(
        fleet, lambda pool: pool.model_copy(update={"gpus": pool.gpus + 5})
    ),
    "lower price": lambda fleet: with_pools(
        fleet, lambda pool: with_ways(pool, lambda how: repriced(how, 0.9))
    ),
    "one lower price": lambda fleet: fleet.model_copy(
        update={
            "pools": (with_ways(fleet.pools[0], lambda how: repriced(how, 0.8)), *fleet.pools[1:])
        }
    ),
    "looser latency": lambda fleet: fleet.model_copy(
        update={"workloads": tuple(map(looser, fleet.workloads))}
    ),
    "no guarantees": lambda fleet: for_all(
        fleet, headroom=0.0, n_plus_1=False, max_deployments="any", min_replicas=0, spot=True
    ),
    "less demand": lambda fleet: fleet.model_copy(
        update={
            "workloads": tuple(
                one.model_copy(
                    update={
                        "requests_per_second": tuple(0.8 * rate for rate in one.requests_per_second)
                    }
                )
                for one in fleet.workloads
            )
        }
    ),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change", EASED)
def test_what_is_eased_never_costs_more(change, method):
    cheaper = 0
    for seed in SEEDS:
        fleet, offers = small_fleet(seed, SEPARATE)
        before, after = cost(fleet, offers, method), cost(EASED[change](fleet), offers, method)
        assert after <= before * (1 + 1e-7), seed
        cheaper += after < before * (1 - 1e-7)
    assert cheaper >= 2


def doubled(fleet):
    """Twice of everything there is of an amount: demand, supply, budget."""
    budget = {
        "dollars_per_hour_at_most": fleet.dollars_per_hour_at_most
        and 2 * fleet.dollars_per_hour_at_most,
    }
    fleet = with_pools(fleet, lambda pool: pool.model_copy(update={"gpus": 2 * pool.gpus}))
    workloads = tuple(
        one.model_copy(
            update={"requests_per_second": tuple(2 * rate for rate in one.requests_per_second)}
        )
        for one in fleet.workloads
    )
    return fleet.model_copy(update={"workloads": workloads} | budget)


@pytest.mark.parametrize("method", METHODS)
def test_twice_the_demand_never_costs_more_than_twice_the_plan(method):
    """With twice the supply and twice the budget, two of every replica are a plan."""
    saved = 0
    for seed in SEEDS:
        fleet, offers = small_fleet(seed, SEPARATE)
        once, twice = cost(fleet, offers, method), cost(doubled(fleet), offers, method)
        assert twice <= 2 * once * (1 + 1e-7), seed
        saved += twice < 2 * once * (1 - 1e-7)
    assert saved >= 2


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_workloads_pools_and_offers_changes_nothing(method):
    for seed in SEEDS:
        fleet, offers = small_fleet(seed, SEPARATE)
        other = shuffled(fleet, offers, seed)
        before = cost(fleet, offers, method)
        assert cost(*other, method) == pytest.approx(before, rel=1e-7), seed


def test_start_ups_too_never_cost_more_when_eased():
    """Only the plain formulation knows them."""
    for seed in SEEDS:
        fleet, offers = small_fleet(seed)
        change = random.Random(seed).choice(sorted(EASED))
        after = cost(EASED[change](fleet), offers, "milp")
        assert after <= cost(fleet, offers, "milp") * (1 + 1e-7), (seed, change)


def test_both_methods_know_these_fleets():
    from planner.candidates.fleet.build_model_data import build_model_data

    for seed in SEEDS:
        assert not unsupported(build_model_data(*small_fleet(seed, SEPARATE)))
