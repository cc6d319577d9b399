"""What fleets lack: applied it is enough, one less is not, and who is refused is proved least."""

import random
from dataclasses import replace

import fleet_plans
import fleets_by_hand
import numpy as np
import pytest
from random_fleets import random_figures
from small_fleets import by, small_fleet

from planner.api import solve_fleet
from planner.formulations.column_generation import elastic as elastic_blocks
from planner.formulations.column_generation.subproblems import unsupported
from planner.formulations.fleet import elastic, milp, relaxed_limits
from planner.infeasibility.fleet_deficits import percent
from planner.infeasibility.fleet_shortage import refusing, shortage, supplied
from planner.problem.fleet import Fleet

SEEDS = range(150)
FEATURES = (
    *("n_plus_1", "no_mixing", "min_replicas", "shed", "spot", "reserved", "nodes", "own_price"),
    *("budget", "power", "carbon", "scenarios"),
)
NAN = float("nan")


def impossible(seeds, **kind):
    """Random fleets that cannot be had, by seed."""
    for seed in seeds:
        data = random_figures(seed, **kind)
        if milp.solve(data).decisions is None:
            yield seed, data


def more(data, gpus):
    pool_supply = data.pool_supply
    ways = {
        f"{way}_gpus": getattr(pool_supply, f"{way}_gpus") + gpus for way in relaxed_limits.WAYS
    }
    return replace(data, pool_supply=replace(pool_supply, gpus=pool_supply.gpus + gpus, **ways))


def test_accelerators_missing_are_enough_and_one_less_is_not():
    known = 0
    for seed, data in impossible(SEEDS):
        missing = elastic.least_missing(data, ("gpus",))
        if not missing.found:
            continue
        known += 1
        assert fleets_by_hand.cheapest(more(data, missing.gpus)) is not None, seed
        for pool in np.flatnonzero(missing.gpus):
            fewer = missing.gpus.copy()
            fewer[pool] -= 1
            assert fleets_by_hand.cheapest(more(data, fewer)) is None, seed
    assert known >= 6


def test_nothing_is_missing_of_fleets_that_can_be_had():
    for seed in range(20):
        data = random_figures(seed)
        if milp.solve(data).decisions is None:
            continue
        for kind in relaxed_limits.limited(data):
            assert elastic.least_missing(data, (kind,)).value == pytest.approx(0, abs=1e-6)


def test_the_missing_budget_is_what_the_cheapest_plan_costs_beyond_it():
    known = 0
    for _, data in impossible(SEEDS, features=frozenset({"budget"})):
        free = replace(data, limits=replace(data.limits, dollars=np.inf))
        cheapest = fleets_by_hand.cheapest(free)
        missing = elastic.least_missing(data, ("dollars",))
        assert missing.found == (cheapest is not None)
        if cheapest is not None:
            known += 1
            assert missing.dollars == pytest.approx(cheapest - data.limits.dollars, rel=1e-6)
    assert known >= 3


def test_both_formulations_miss_the_same():
    known = 0
    for seed in range(90):
        rng = random.Random(seed)
        features = frozenset(name for name in FEATURES if rng.random() < 0.35)
        data = random_figures(seed, features=features)
        if milp.solve(data).decisions is not None or unsupported(data):
            continue
        for kind in relaxed_limits.limited(data):
            plain = elastic.least_missing(data, (kind,))
            apart = elastic_blocks.least_missing(data, (kind,))
            assert apart.found == plain.found, (seed, kind)
            if plain.found:
                known += 1
                slack = 1e-3 + 1e-4 * plain.value
                assert apart.bound <= plain.value + slack, (seed, kind)
                assert apart.value >= plain.value - slack, (seed, kind)
                if apart.status == "optimal":
                    least = 0.5 * relaxed_limits.worth(data)["gpus"].min()
                    assert apart.value <= plain.value + least + slack, (seed, kind)
    assert known >= 10


def for_free(data, price):
    """The figures where nothing costs but refusing a request for an hour, so much by workload."""
    pool_supply, choices = data.pool_supply, data.choices
    free = {
        f"{way}_dollars": getattr(pool_supply, f"{way}_dollars") * 0 for way in relaxed_limits.WAYS
    }
    return replace(
        data,
        pool_supply=replace(pool_supply, **free),
        choices=replace(
            choices,
            dollars_per_hour=choices.dollars_per_hour * 0,
            startup_dollars=choices.startup_dollars * 0,
        ),
        wanted=replace(data.wanted, shed_dollars=price / 3600),
    )


def test_refusals_are_least_priority_by_priority():
    known = 0
    features = frozenset(("n_plus_1", "no_mixing", "nodes", "roles", "shed"))
    for seed, data in impossible(range(120), features=features):
        workloads = len(data.wanted.least)
        priority = 1 + np.arange(workloads) % 2
        found = elastic.least_refused(data, priority)
        if found.decisions is None:
            continue
        known += 1
        hours = data.horizon.hours
        first, second = ((found.decisions.shed @ hours) @ (priority == rank) for rank in (1, 2))
        every = np.ones(workloads)
        open_ = replace(data, wanted=replace(data.wanted, shed_at_most=every))
        least = fleets_by_hand.cheapest(for_free(open_, (priority == 1) * 1.0))
        assert first == pytest.approx(least, abs=1e-6), seed
        if least == 0 and workloads > 1:
            held = replace(open_.wanted, shed_at_most=(priority == 2) * 1.0)
            least = fleets_by_hand.cheapest(for_free(replace(open_, wanted=held), every))
            assert second == pytest.approx(least, abs=1e-6), seed
    assert known >= 8


@pytest.mark.slow
@pytest.mark.parametrize("method", ["milp", "decomposition"])
def test_what_is_said_of_fleets_holds(method):
    known = 0
    features = frozenset({"limits", "guarantees", "nodes"})
    for seed in range(18):
        fleet, offers = small_fleet(seed, features, scarce=0.3)
        fleet = by(fleet, method)
        plan = solve_fleet(fleet, offers)
        if plan.status != "infeasible":
            assert shortage(fleet, offers).remedies == ()
            continue
        known += 1
        found = shortage(fleet, offers)
        assert plan.message == found.text
        # That there is a plan needs no proof that it is the best.
        fleet = by(fleet, "milp")
        for remedy in found.remedies:
            assert solve_fleet(supplied(fleet, remedy), offers).found, (seed, remedy)
        if found.refused:
            assert solve_fleet(refusing(fleet, found), offers).found, seed
    assert known >= 4


SHORT = {
    "name": "short",
    "periods": [{"name": f"{hour}:00"} for hour in (17, 18)],
    "pools": [{"name": "h100", "gpus": 8, "on_demand": {"dollars_per_gpu_hour": 3.0}}],
    "workloads": [
        {"name": "chat", "requests_per_second": [4.0, 8.0], "max_deployments": "any"},
        {"name": "batch-summaries", "requests_per_second": [4.0, 12.0], "priority": 2},
    ],
}


def short(**changed):
    """Two workloads on replicas of one accelerator, one request a second each."""
    rows = [(w, 0, "tp1", 1, 0, 1.0, NAN, NAN, NAN, NAN) for w in (0, 1)]
    return Fleet.model_validate(SHORT | changed), fleet_plans.offers_of(rows)


def test_the_sentence_of_a_fleet_worked_out_by_hand():
    found = shortage(*short())
    # 20 of 8 in the evening; of 16 requests of the batch 12 are too many.
    expected = "12 h100 short in period 18:00; or refuse 75 % of batch-summaries."
    assert found.text == expected
    table = found.table()
    assert table["what"].tolist() == ["gpus", "refusals"]
    assert table["amount"].tolist() == pytest.approx([12, 0.75])
    assert found.refused[0].at_most == pytest.approx(1.0)
    assert found.exact and found.remedies[0].proved


def test_a_budget_that_is_short():
    pools = [{"name": "h100", "on_demand": {"dollars_per_gpu_hour": 3.0}}]
    found = shortage(*short(pools=pools, dollars_per_hour_at_most=30.0))
    # 28 accelerator hours cost 84 dollars; 20 are paid for.
    assert found.text == "Budget short by $24.00; or refuse 50 % of batch-summaries."


def test_two_limits_that_are_in_the_way_together():
    found = shortage(*short(dollars_per_hour_at_most=30.0))
    # As it is, 8 + 8 requests and thus 48 dollars; all would cost 84.
    assert found.text.startswith("12 h100 short in period 18:00 and budget short by $24.00; or ")
    (remedy,) = found.remedies
    fleet, offers = short(dollars_per_hour_at_most=30.0)
    assert solve_fleet(supplied(fleet, remedy), offers).dollars == pytest.approx(84)


def test_power_and_carbon():
    pool = SHORT["pools"][0] | {
        "gpus": 100,
        "watts_per_gpu": 500.0,
        "carbon_grams_per_kilowatt_hour": 400.0,
    }
    found = shortage(*short(pools=[pool | {"watts_at_most": 8000.0}]))
    assert found.text.startswith("Power of h100 short by 2,000 W; or ")
    found = shortage(*short(pools=[pool], carbon_kilograms_at_most=5.0))
    # 28 accelerator hours of 0.2 kg.
    assert found.text.startswith("Carbon short by 0.600 kg; or ")


def test_rooms_that_are_too_small_for_one_replica_are_told_in_accelerators():
    fleet, _ = short()
    rows = [(w, 0, "tp16", 16, 0, 20.0, NAN, NAN, NAN, NAN) for w in (0, 1)]
    found = shortage(fleet, fleet_plans.offers_of(rows))
    assert found.text.startswith("24 h100 short in period 17:00 and 1 other")
    message = solve_fleet(fleet, fleet_plans.offers_of(rows)).message
    assert "the smallest takes 16" in message and message.endswith(found.text)


def test_physics_is_told_apart_from_supply():
    fleet, offers = short()
    slow = replace(offers, tpot_seconds=np.array([0.1, 0.1]))
    quick = {"tokens_per_second_per_request": 100.0}
    workloads = tuple(one.model_copy(update=quick) for one in fleet.workloads)
    fleet = fleet.model_copy(update={"workloads": workloads})
    found = shortage(fleet, slow)
    assert not found.remedies and not found.refused
    assert "is fast enough: the fastest gives 100 ms per token" in found.text


def test_nothing_is_lacking_where_the_fleet_can_be_had():
    found = shortage(*short(pools=[SHORT["pools"][0] | {"gpus": 20}]))
    assert found.text == "Nothing is lacking."
    assert len(found.table()) == 0


def test_replicas_that_exclude_each_other_are_not_helped():
    # A budget of nothing and no accelerator: with the fewest replicas, no refusal helps.
    pools = [{"name": "h100", "gpus": 1, "on_demand": {"dollars_per_gpu_hour": 3.0}}]
    workloads = [one | {"min_replicas": 1} for one in SHORT["workloads"]]
    found = shortage(*short(pools=pools, workloads=workloads))
    assert found.refused == ()
    assert found.text == "19 h100 short in period 18:00 and 1 other."


@pytest.mark.parametrize(
    ("part", "text"), [(1.0, "all"), (0.75, "75 %"), (0.0301, "3.1 %"), (0.00012, "0.012 %")]
)
def test_percentages_are_rounded_up(part, text):
    assert percent(part) == text
