"""A fleet in figures: every rule with numbers worked by hand, and known optima."""

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from fleet_candidates import fleet, inferno, least_cost

from planner.candidates.fleet.build_model_data import build_model_data, feasible_offers
from planner.candidates.fleet.dominance import undominated
from planner.candidates.fleet.feasibility import packed
from planner.candidates.fleet.gather import offers as on_offer
from planner.candidates.fleet.what_runs import what_runs
from planner.errors import InputError
from planner.infeasibility.fleet_unservable import Refusal, unservable
from planner.problem.offers import ROLES, Offers

NAN = float("nan")


def offered(*rows, classes=1):
    """Return offers from mappings; what is left out is not stated."""

    def column(name, default, kind):
        return np.asarray([row.get(name, default) for row in rows], dtype=kind)

    rates = np.zeros((len(rows), classes))
    for at, row in enumerate(rows):
        rate = np.atleast_1d(row.get("rate", 1.0))
        rates[at, : len(rate)] = rate
    return Offers(
        workload=column("workload", 0, np.int64),
        pool=column("pool", 0, np.int64),
        label=tuple(row.get("label", f"o{at}") for at, row in enumerate(rows)),
        gpus=column("gpus", 1, np.int64),
        role=np.asarray(
            [ROLES.index(row.get("role", "colocated")) for row in rows], dtype=np.int64
        ),
        rates=rates,
        tpot_seconds=column("tpot", NAN, np.float64),
        ttft_seconds=column("ttft", NAN, np.float64),
        dollars_per_hour=column("own", NAN, np.float64),
        quality=column("quality", NAN, np.float64),
    )


def chat(**changes):
    """Return the workloads of a fleet that has one."""
    return [{"name": "chat", "requests_per_second": 10.0, **changes}]


def pool(**changes):
    """Return the pools of a fleet that has one, at 2 dollars an hour."""
    return [{"name": "h100", "on_demand": {"dollars_per_gpu_hour": 2.0}, **changes}]


SPOT = {"dollars_per_gpu_hour": 0.5, "interruptions_per_hour": 0.1}
PARTS = {"rate": 10.0, "gpus": 2}


# Rates and accelerators.


def test_rates_are_derated_by_prediction_headroom_and_interruptions():
    wanted = fleet(
        workloads=chat(headroom=0.2, startup_seconds=1800.0),
        pools=pool(spot=SPOT),
        prediction={"prefill_rate": 0.9, "decode_rate": 0.5, "colocated_rate": 0.75},
    )
    found = build_model_data(wanted, offered(*({**PARTS, "role": role} for role in ROLES))).choices
    assert found.spot.tolist() == [False] * 3 + [True] * 3
    assert found.role.tolist() == [0, 1, 2] * 2
    # 10 x factor x 0.8; on spot accelerators x (1 - 0.1 x 1800 / 3600) besides.
    np.testing.assert_allclose(
        found.rates[:, 0], [6.0, 7.2, 4.0, 6.0 * 0.95, 7.2 * 0.95, 4.0 * 0.95]
    )


def test_spot_that_never_gets_to_serve_is_no_choice():
    wanted = fleet(
        workloads=chat(startup_seconds=7200.0),
        pools=pool(spot={"dollars_per_gpu_hour": 1.0, "interruptions_per_hour": 0.6}),
    )
    assert build_model_data(wanted, offered(PARTS)).choices.spot.tolist() == [False]


@pytest.mark.parametrize(
    ("node", "gpus", "found"),
    [
        (8, [1, 2, 3, 4, 5, 8, 9, 16, 17], [1, 2, 4, 4, 8, 8, 16, 16, 24]),
        (12, [1, 5, 7, 12, 13], [1, 6, 12, 12, 24]),
        (1, [1, 3, 5], [1, 3, 5]),
    ],
)
def test_replicas_pack_into_nodes(node, gpus, found):
    size = np.full(len(gpus), node)
    assert packed(np.asarray(gpus), size).tolist() == found
    wanted = fleet(pools=pool(gpus_per_node=node))
    rows = [{"gpus": each, "rate": 10.0 * each} for each in gpus]
    assert set(build_model_data(wanted, offered(*rows)).choices.gpus.tolist()) == set(found)


def test_accelerators_are_rounded_down_to_nodes():
    ways = {"dollars_per_gpu_hour": 1.0, "gpus": 15}
    found = build_model_data(
        fleet(pools=pool(gpus=31, gpus_per_node=8, on_demand=ways, reserved=ways, spot=ways)),
        offered(PARTS),
    ).pool_supply
    assert found.increment.tolist() == [8]
    assert found.gpus.tolist() == [24]
    limits = (found.on_demand_gpus, found.reserved_gpus, found.spot_gpus)
    assert [limit.tolist() for limit in limits] == [[8], [8], [8]]


# The market.


def test_the_market_as_it_is_stated():
    wanted = fleet(
        pools=[
            {
                "name": "a",
                "gpus": 20,
                "reserved": {"dollars_per_gpu_hour": 1.0, "gpus": 4},
                "watts_per_gpu": 500.0,
                "watts_at_most": 9000.0,
                "carbon_grams_per_kilowatt_hour": 400.0,
            },
            {"name": "b", "spot": {"dollars_per_gpu_hour": 0.7}, "gpus": 0},
        ]
    )
    found = build_model_data(wanted, offered(PARTS)).pool_supply
    np.testing.assert_array_equal(found.gpus, [20, 0])
    np.testing.assert_array_equal(found.on_demand_dollars, [NAN, NAN])
    np.testing.assert_array_equal(found.reserved_dollars, [1, NAN])
    np.testing.assert_array_equal(found.spot_dollars, [NAN, 0.7])
    np.testing.assert_array_equal(found.on_demand_gpus, [0, 0])
    np.testing.assert_array_equal(found.reserved_gpus, [4, 0])
    np.testing.assert_array_equal(found.spot_gpus, [0, np.inf])
    np.testing.assert_array_equal(found.watts, [500, 0])
    np.testing.assert_array_equal(found.watts_at_most, [9000, np.inf])
    # 500 W x 400 g/kWh = 200 g an hour.
    np.testing.assert_allclose(found.kilograms_per_hour, [0.2, 0])


def test_the_catalogue_fills_in_price_and_power():
    found = build_model_data(
        fleet(pools=[{"name": "x", "accelerator": "h100-sxm"}]), offered(PARTS)
    ).pool_supply
    from planner import catalogue

    record = catalogue.accelerator("h100-sxm")
    assert found.on_demand_dollars.tolist() == [record.price.dollars_per_gpu_hour]
    assert found.watts.tolist() == [record.power_watts]
    assert found.gpus.tolist() == found.on_demand_gpus.tolist() == [np.inf]
    stated = pool(accelerator="h100-sxm", on_demand=None, spot=SPOT)
    found = build_model_data(fleet(pools=stated), offered(PARTS)).pool_supply
    assert np.isnan(found.on_demand_dollars).all()


def test_prices_and_powers_that_are_not_to_be_had():
    def message(rows=PARTS, **changes):
        with pytest.raises(InputError) as caught:
            build_model_data(fleet(**changes), offered(rows))
        return str(caught.value)

    plain = [{"name": "x"}]
    assert message(pools=plain).startswith("pools[0].on_demand: found no way of paying")
    assert "no accelerator zx81" in message(pools=[{"name": "x", "accelerator": "zx81"}])
    assert message(pools=pool(watts_at_most=9.0)).startswith("pools[0].watts_per_gpu: found noth")
    assert message(pools=pool(), watts_at_most=9.0).startswith("pools[0].watts_per_gpu")
    carbon = message(pools=pool(watts_per_gpu=1.0), carbon_kilograms_at_most=9.0)
    assert carbon.startswith("pools[0].carbon_grams_per_kilowatt_hour: found nothing")
    # None of it is needed where replicas have a price of their own, or nothing runs.
    assert len(build_model_data(fleet(pools=plain), offered({**PARTS, "own": 3.0})).choices) == 1
    build_model_data(fleet(pools=[*pool(), *plain], watts_at_most=9.0), offered())


def test_what_a_start_costs():
    wanted = fleet(
        workloads=chat(startup_seconds=1800.0, startup_dollars=0.25),
        pools=[
            *pool(reserved={"dollars_per_gpu_hour": 1.0}, spot={"dollars_per_gpu_hour": 0.5}),
            {"name": "r", "reserved": {"dollars_per_gpu_hour": 3.0}},
        ],
    )
    rows = ({**PARTS}, {**PARTS, "own": 7.0}, {**PARTS, "pool": 1})
    found = build_model_data(wanted, offered(*rows)).choices
    assert found.spot.tolist() == [False, False, False, True]
    # Half an hour of 2 accelerators at 2, of the replica at 7, and of 2 at 0.5 dollars. What is
    # reserved is paid for while replicas start, too.
    np.testing.assert_allclose(found.startup_dollars, [2.25, 3.75, 0.25, 0.75])
    np.testing.assert_array_equal(found.dollars_per_hour, [NAN, 7, NAN, NAN])


# Admission.


def admitted(wanted, *rows):
    """Return the labels of what may be chosen."""
    found = offered(*({"label": str(at), **row} for at, row in enumerate(rows)))
    return [found.label[at] for at in build_model_data(wanted, found).choices.offer]


def test_speed_is_asked_of_what_decodes():
    wanted = fleet(workloads=chat(tokens_per_second_per_request=50))
    assert admitted(
        wanted,
        {"tpot": 0.02},
        {"tpot": 0.0201, "rate": 5.0},
        {"tpot": 0.02 * (1 + 1e-12), "role": "decode"},
        {"tpot": 0.03, "role": "decode", "rate": 5.0},
        {"role": "prefill"},
    ) == ["0", "2", "4"]


def test_the_first_token_is_asked_of_what_prefills():
    wanted = fleet(
        workloads=chat(time_to_first_token_seconds=1.0, users_in="eu"),
        pools=[
            {**pool()[0], "name": "near", "region": "eu"},
            {**pool()[0], "name": "far", "region": "us"},
            {**pool()[0], "name": "anywhere"},
        ],
        round_trip_seconds={"eu": {"us": 0.1}},
        prediction={"time_to_first_token": 1.8},
    )
    assert admitted(
        wanted,
        {"ttft": 0.55},
        {"ttft": 0.56, "rate": 9.0},
        {"ttft": 0.5, "pool": 1},
        {"ttft": 0.51, "pool": 1, "rate": 9.0},
        {"ttft": 0.55, "pool": 2},
        {"role": "decode"},
        {"ttft": 0.9, "role": "prefill"},
    ) == ["0", "2", "4", "5"]


def test_a_round_trip_that_matters_must_be_known():
    far = pool(region="us")
    for workload, fits in (
        (chat(time_to_first_token_seconds=1.0, users_in="eu"), False),
        (chat(users_in="eu"), True),
        (chat(time_to_first_token_seconds=1.0), True),
        (chat(time_to_first_token_seconds=1.0, users_in="eu", regions=["eu"]), True),
    ):
        wanted = fleet(workloads=workload, pools=far)
        if fits:
            build_model_data(wanted, offered({"ttft": 0.1}))
        else:
            with pytest.raises(InputError, match=r"^round_trip_seconds\.eu\.us: found nothing"):
                build_model_data(wanted, offered({"ttft": 0.1}))


def test_regions_quality_and_rates():
    regions = [{**pool()[0], "name": name, "region": name} for name in ("eu", "us")]
    everywhere = [*regions, {**pool()[0], "name": "nowhere"}]
    rows = [{"pool": 0}, {"pool": 1}, {"pool": 2}]
    assert admitted(fleet(workloads=chat(regions=["us"]), pools=everywhere), *rows) == ["1"]
    assert admitted(fleet(workloads=chat(), pools=everywhere), *rows) == ["0", "1", "2"]
    good = fleet(workloads=chat(quality={"at_least": 0.9}))
    assert admitted(good, {"quality": 0.9}, {"quality": 0.89, "rate": 9.0}) == ["0"]
    assert admitted(fleet(), {"rate": 0.0}, {"rate": 1.0, "gpus": 2}) == ["1"]


def test_spot_only_where_both_allow_it():
    for workload, ways, capacity_types in (
        (chat(), pool(spot=SPOT), [False, True]),
        (chat(spot=False), pool(spot=SPOT), [False]),
        (chat(), pool(), [False]),
        (chat(), pool(on_demand=None, spot=SPOT), [True]),
    ):
        found = build_model_data(fleet(workloads=workload, pools=ways), offered(PARTS)).choices
        assert found.spot.tolist() == capacity_types


@pytest.mark.parametrize(
    ("column", "limit", "role"),
    [
        ("tpot_seconds", {"tokens_per_second_per_request": 50}, "decode"),
        ("ttft_seconds", {"time_to_first_token_seconds": 1.0}, "prefill"),
        ("quality", {"quality": {"at_least": 0.9}}, "prefill"),
    ],
)
def test_what_a_limit_applies_to_must_be_stated(column, limit, role):
    known = {"tpot": 0.01, "ttft": 0.1, "quality": 1.0}
    del known[column.removesuffix("_seconds")]
    wanted = fleet(workloads=chat(**limit), deployments="mine.csv")
    with pytest.raises(InputError) as caught:
        build_model_data(wanted, offered(known, {**known, "role": role}))
    (problem,) = caught.value.problems
    assert (problem.file, problem.field) == ("mine.csv", column)
    assert problem.found == "nothing for 2 deployments of chat, o0 in h100 the first"
    assert f"`{next(iter(limit))}`" in problem.expected
    # Where it stands elsewhere, nobody asks.
    away = fleet(workloads=chat(**limit, regions=["eu"]), deployments="mine.csv")
    assert len(build_model_data(away, offered(known)).choices) == 0


def test_replicas_larger_than_their_pool_are_no_choice():
    rows = [{"gpus": 4, "rate": 9.0}, {"gpus": 8, "rate": 20.0}]
    wanted = fleet(pools=pool(gpus=7, gpus_per_node=None))
    assert admitted(wanted, *rows) == ["0"]
    capacity_types = pool(gpus=8, spot={**SPOT, "gpus": 4})
    assert admitted(fleet(pools=capacity_types), *rows) == ["0", "1", "0"]


# Dominance.


def test_dominated_rows_go_within_workload_pool_role_and_way_of_paying():
    two = [*chat(), {"name": "code", "requests_per_second": 1.0}]
    wanted = fleet(workloads=two, pools=[*pool(), {**pool()[0], "name": "other"}])
    assert admitted(
        wanted,
        {"gpus": 2, "rate": 5.0},
        {"gpus": 2, "rate": 4.0},
        {"gpus": 3, "rate": 5.0},
        {"gpus": 2, "rate": 5.0},
        {"gpus": 4, "rate": 6.0},
        {"gpus": 4, "rate": 1.0, "pool": 1},
        {"gpus": 4, "rate": 1.0, "role": "decode"},
        {"gpus": 4, "rate": 1.0, "own": 9.0},
        {"gpus": 4, "rate": 1.0, "own": 8.0},
        {"gpus": 3, "rate": 1.0, "own": 10.0},
        {"gpus": 4, "rate": 1.0, "workload": 1},
    ) == ["0", "4", "5", "6", "8", "9", "10"]


def test_what_runs_is_never_dropped():
    running = [
        {"workload": "chat", "pool": "h100", "label": "o1", "replicas": 2},
        {"workload": "chat", "pool": "h100", "label": "o1", "replicas": 3, "spot": True},
        {"workload": "chat", "pool": "h100", "label": "o1", "replicas": 4, "spot": True},
    ]
    rows = ({"gpus": 1, "rate": 9.0}, {"gpus": 8, "rate": 1.0}, {"gpus": 8, "rate": 0.5})
    found = build_model_data(fleet(pools=pool(spot=SPOT, gpus=4), running=running), offered(*rows))
    assert found.has_running
    assert found.choices.offer.tolist() == [0, 1, 0, 1]
    assert found.choices.running.tolist() == [0, 2, 0, 7]
    assert not build_model_data(fleet(), offered(*rows)).has_running
    assert build_model_data(fleet(running=[]), offered(*rows)).has_running


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"workload": "caht"}, "running[0]: found o0 of caht in h100, expected a workload and a"),
        ({"pool": "h20"}, "running[0]: found o0 of chat in h20, expected a workload and a pool"),
    ],
)
def test_what_runs_has_a_workload_and_a_pool(entry, message):
    running = [{"workload": "chat", "pool": "h100", "label": "o0", "replicas": 1, **entry}]
    wanted = fleet(workloads=chat(tokens_per_second_per_request=10), running=running)
    with pytest.raises(InputError) as caught:
        build_model_data(wanted, offered({"tpot": 0.01}, {"tpot": 1.0}))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "reason", "elsewhere"),
    [
        ({"label": "o9"}, "not on offer", 1),
        ({"label": "o1"}, "too slow", 1),
        ({"spot": True}, "no such accelerators there", 1),
        ({"label": "tp2 fp8 b16"}, "too slow", 0),
        ({"label": "tp2 fp8 b99"}, "not on offer; did you mean tp2 fp8 b8?", 0),
    ],
)
def test_what_runs_and_may_not_go_on_is_told_and_counted(entry, reason, elsewhere):
    running = [{"workload": "chat", "pool": "h100", "label": "o0", "replicas": 1, **entry}]
    asked = fleet(workloads=chat(tokens_per_second_per_request=10), running=running)
    offers = offered(
        {"tpot": 0.01},
        {"tpot": 1.0},
        {"tpot": 0.01, "rate": 9.0, "label": "tp2 fp8 b8"},
        {"tpot": 1.0, "label": "tp2 fp8 b16"},
    )
    known = feasible_offers(asked, offers)
    _, ended = what_runs(asked, offers, known.feasibility)
    assert [one.reason for one in ended] == [reason]
    data = build_model_data(asked, offers)
    assert not data.all_may_go_on
    assert data.layouts.elsewhere == elsewhere
    assert data.layouts.running.sum() == 1 - elsewhere


def better(one, other, rates, at, than):
    """Tell by its definition whether a row beats another; `one`, `other`: gpus and price."""
    no_worse = (one <= other).all() and (rates[at] >= rates[than]).all()
    return no_worse and ((one < other).any() or (rates[at] > rates[than]).any() or at < than)


@pytest.mark.parametrize("seed", range(40))
def test_thinning_is_what_it_says(seed):
    chance = np.random.default_rng(seed)
    count, classes = int(chance.integers(0, 40)), int(chance.integers(1, 4))
    group = chance.integers(0, 4, count)
    gpus = chance.integers(1, 5, count)
    rates = chance.integers(0, 4, (count, classes)).astype(float)
    price = chance.integers(0, 3, count) * float(seed % 2)
    sizes = np.column_stack([gpus, price])
    expected = [
        not any(
            better(sizes[at], sizes[than], rates, at, than)
            for at in range(count)
            if at != than and group[at] == group[than]
        )
        for than in range(count)
    ]
    assert undominated(group, gpus, rates, price).tolist() == expected


def cheapest(rows, demand, supply, prices):
    """Return the least cost of up to 4 replicas of every row, by trying all."""
    counts = np.indices((5,) * len(rows)).reshape(len(rows), -1)
    gpus, rate, own = (np.asarray([row[key] for row in rows]) for key in ("gpus", "rate", "own"))
    pools = np.asarray([row["pool"] for row in rows])
    role = np.asarray([ROLES.index(row["role"]) for row in rows])
    good = np.ones(counts.shape[1], dtype=bool)
    for other in (2, 1):
        good &= rate[role != other] @ counts[role != other] >= demand * (1 - 1e-9)
    for at, most in enumerate(supply):
        good &= gpus[pools == at] @ counts[pools == at] <= most
    cost = np.where(np.isnan(own), gpus * np.asarray(prices)[pools], own) @ counts
    return cost[good].min(initial=np.inf)


@pytest.mark.parametrize("seed", range(60))
def test_thinning_never_changes_the_best_cost(seed):
    chance = np.random.default_rng(seed)
    roles = ROLES if seed % 3 == 0 else ROLES[:1]
    rows = [
        {
            "gpus": int(chance.integers(1, 5)),
            "rate": float(chance.integers(1, 9)),
            "pool": int(chance.integers(0, 2)),
            "role": roles[chance.integers(0, len(roles))],
            "own": float(chance.integers(2, 9)) if chance.random() < 0.2 else NAN,
        }
        for _ in range(6)
    ]
    supply, prices, demand = (7, 9), (2.0, 3.0), 14.0
    wanted = fleet(
        workloads=chat(requests_per_second=demand),
        pools=[
            {"name": str(at), "gpus": most, "on_demand": {"dollars_per_gpu_hour": price}}
            for at, (most, price) in enumerate(zip(supply, prices, strict=True))
        ],
    )
    kept = build_model_data(wanted, offered(*rows)).choices.offer
    left = [rows[at] for at in kept]
    assert len(left) <= len(rows)
    best = cheapest(rows, demand, supply, prices)
    assert (cheapest(left, demand, supply, prices) if left else np.inf) == best


# What is wanted.


def test_demand_over_periods_and_scenarios():
    wanted = fleet(
        workloads=[
            {"name": "chat", "requests_per_second": [1.0, 2.0]},
            {"name": "code", "tokens_per_second": {"p50": [100.0], "p95": [200.0, 400.0]},
             "output_tokens": 50},
        ],
        periods=[{"name": "day", "hours": 16.0}, {"name": "night", "hours": 8.0}],
        demand_quantile="p95",
        scenarios=[
            {"name": "usual", "probability": 0.75},
            {"name": "launch", "probability": 0.25, "factor": 2.0, "factors": {"code": 0.5}},
        ],
    )  # fmt: skip
    found = build_model_data(wanted, offered(PARTS))
    assert found.horizon.names == ("usual/day", "usual/night", "launch/day", "launch/night")
    assert found.horizon.hours.tolist() == [12.0, 6.0, 4.0, 2.0]
    assert found.horizon.weight.tolist() == [0.75, 0.75, 0.25, 0.25]
    assert found.horizon.before.tolist() == [-1, 0, -1, 2]
    assert found.wanted.demand.tolist() == [[1, 2, 2, 4], [4, 8, 2, 4]]


def test_a_single_value_stands_for_all_periods():
    found = build_model_data(fleet(periods=3), offered(PARTS))
    assert found.wanted.demand.tolist() == [[10, 10, 10]]
    assert found.horizon.names == ("0", "1", "2")
    assert found.horizon.weight.tolist() == [1, 1, 1]
    assert found.horizon.before.tolist() == [-1, 0, 1]
    assert sum(found.horizon.hours) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "workloads[0]: found no demand"),
        ({"requests_per_second": 1.0, "tokens_per_second": 1.0}, "workloads[0]: found requests_p"),
        ({"requests_per_second": [1.0, 2.0]}, "workloads[0].requests_per_second: found 2 values"),
        ({"tokens_per_second": {"p5": 1.0}}, "tokens_per_second: found p5, expected p50 among"),
        ({"tokens_per_second": {"p50": [1.0] * 2}}, "tokens_per_second.p50: found 2 values"),
    ],
)
def test_demand_that_cannot_be_read(changes, message):
    wanted = fleet(workloads=[{"name": "chat", **changes}], periods=3, demand_quantile="p50")
    with pytest.raises(InputError) as caught:
        build_model_data(wanted, offered(PARTS))
    assert message in str(caught.value)


def test_one_quantile_needs_no_choice_and_two_do():
    one = fleet(workloads=[{"name": "chat", "requests_per_second": {"p50": 3.0}}])
    assert build_model_data(one, offered(PARTS)).wanted.demand.tolist() == [[3]]
    two = fleet(workloads=[{"name": "chat", "requests_per_second": {"p50": 3.0, "p95": 4.0}}])
    with pytest.raises(InputError, match=r"found the quantiles p50, p95, expected a quantile"):
        build_model_data(two, offered(PARTS))


def test_guarantees_and_limits():
    wanted = fleet(
        workloads=[
            {"name": "a", "requests_per_second": 1.0, "min_replicas": 2, "n_plus_1": True,
             "max_deployments": 1, "shed_at_most": 0.1, "shed_dollars_per_1000_requests": 5.0},
            {"name": "b", "requests_per_second": 1.0, "max_deployments": "any"},
        ],
        dollars_per_hour_at_most=100.0,
        robustness={"workloads": 1, "rise": 0.5},
    )  # fmt: skip
    found = build_model_data(wanted, offered(PARTS))
    assert found.wanted.least.tolist() == [2, 0]
    assert found.wanted.survives.tolist() == [True, False]
    assert found.wanted.mixes.tolist() == [False, True]
    assert found.wanted.shed_at_most.tolist() == [0.1, 0.0]
    assert found.wanted.shed_dollars.tolist() == [0.005, 0.0]
    assert found.wanted.shares.tolist() == [[1], [1]]
    limits = found.limits
    assert (limits.dollars, limits.watts, limits.kilograms) == (100.0, np.inf, np.inf)
    assert (limits.rising, limits.rise) == (1, 0.5)
    none = build_model_data(fleet(), offered(PARTS)).limits
    assert (none.dollars, none.rising) == (np.inf, 0)


KINDS = [{"name": "short", "share": 0.75}, {"name": "long", "share": 0.25}]


def test_classes():
    wanted = fleet(workloads=[*chat(classes=KINDS), {"name": "code", "requests_per_second": 1.0}])
    rows = [
        {"gpus": 1, "rate": [4.0, 0.0]},
        {"gpus": 1, "rate": [1.0, 1.0]},
        {"gpus": 2, "rate": [1.0, 1.0]},
        {"workload": 1, "rate": [2.0]},
    ]
    found = build_model_data(wanted, offered(*rows, classes=2))
    assert found.wanted.shares.tolist() == [[0.75, 0.25], [1, 0]]
    assert found.choices.rates.tolist() == [[4, 0], [1, 1], [2, 0]]


def test_classes_do_not_go_with_everything():
    divided = fleet(workloads=chat(classes=KINDS))
    with pytest.raises(InputError, match="found prefill and decode deployments in a fleet with"):
        build_model_data(divided, offered({"role": "decode"}, classes=2))
    safe = fleet(workloads=chat(classes=KINDS, n_plus_1=True))
    with pytest.raises(InputError, match=r"^workloads\[0\]\.n_plus_1: found true in a fleet with"):
        build_model_data(safe, offered(PARTS, classes=2))


# Refusals.


def reasons(wanted, *rows):
    return [refusal.reason for refusal in unservable(wanted, offered(*rows))]


def test_nothing_is_refused_that_can_be_served():
    assert unservable(fleet(), offered(PARTS)) == ()
    none_wanted = fleet(workloads=chat(requests_per_second=0.0))
    assert reasons(none_wanted) == []
    assert len(reasons(fleet(workloads=chat(requests_per_second=0.0, min_replicas=1)))) == 1


@pytest.mark.parametrize(
    ("workload", "ways", "row", "reason"),
    [
        (
            {"tokens_per_second_per_request": 50},
            {},
            {"tpot": 0.031},
            "is fast enough: the fastest gives 31 ms per token, asked 20 ms.",
        ),
        (
            {"time_to_first_token_seconds": 0.5},
            {},
            {"ttft": 0.75},
            "answers soon enough: the soonest gives the first token after 0.75 s, asked 0.5 s.",
        ),
        (
            {"regions": ["eu"]},
            {"region": "us"},
            {},
            "stands where it may be served: they stand in us, allowed eu.",
        ),
        (
            {"quality": {"at_least": 0.9}},
            {},
            {"quality": 0.8},
            "is good enough: the best has 0.8, asked 0.9.",
        ),
        ({}, {}, {"rate": 0.0}, "serves any request: rates are 0, or head-room leaves nothing."),
        (
            {"spot": False},
            {"on_demand": None, "spot": SPOT},
            {},
            "can be bought: their pools are sold as spot alone, which it may not use or cannot "
            "hold.",
        ),
        (
            {},
            {"gpus": 6, "gpus_per_node": 4},
            {"gpus": 5},
            "finds accelerators for a replica: the smallest takes 8 accelerators, the largest "
            "pool has 4.",
        ),
    ],
)
def test_refusals_say_what_stands_in_the_way(workload, ways, row, reason):
    wanted = fleet(workloads=chat(**workload), pools=pool(**ways))
    slower = {**row, "tpot": row.get("tpot", NAN) * 2, "quality": row.get("quality", NAN) / 2}
    assert reasons(wanted, row, slower) == [f"no deployment of `chat` {reason}"]


def test_refusals_where_several_limits_share_the_blame():
    wanted = fleet(
        workloads=chat(tokens_per_second_per_request=50, time_to_first_token_seconds=0.5)
    )
    rows = [
        {"tpot": 0.01, "ttft": 0.7},
        {"tpot": 0.005, "ttft": 0.8},
        {"tpot": 0.04, "ttft": 0.3},
        {"tpot": 0.03, "ttft": 0.6},
    ]
    # What is nearest to a limit counts among those that meet all others.
    assert reasons(wanted, *rows) == [
        "no deployment of `chat` meets every limit: "
        "2 of 4 are too slow (the fastest gives 40 ms per token, asked 20 ms); "
        "3 of 4 answer too late (the soonest gives the first token after 0.7 s, asked 0.5 s)."
    ]
    both = [{"tpot": 0.04, "ttft": 0.7}]
    assert reasons(wanted, *both) == [
        "no deployment of `chat` is fast enough: the fastest gives 40 ms per token, asked 20 ms, "
        "and none answers soon enough: the soonest gives the first token after 0.7 s, asked 0.5 s."
    ]


def test_refusals_of_a_stage_or_of_everything():
    wanted = fleet(workloads=chat(tokens_per_second_per_request=50), deployments="mine.csv")
    prefill, decode = {"role": "prefill"}, {"role": "decode", "tpot": 0.04}
    assert unservable(wanted, offered(prefill, decode)) == (
        Refusal(
            "chat",
            "no decode deployment of `chat` is fast enough: the fastest gives 40 ms per token, "
            "asked 20 ms.",
        ),
    )
    assert reasons(wanted, prefill) == ["no decode deployment of `chat` is on offer: mine.csv has "
                                        "no row for it."]  # fmt: skip
    assert reasons(wanted, {**decode, "tpot": 0.01}) == [
        "no prefill deployment of `chat` is on offer: mine.csv has no row for it."
    ]
    assert reasons(wanted) == ["no deployment of `chat` is on offer: mine.csv has no row for it."]
    assert reasons(wanted, prefill, {"tpot": 0.01}) == []


def test_the_planners_own_tables_say_how_near_they_come():
    fast = chat(transformer="llama-3.1-8b", tokens_per_second_per_request=1e5)
    wanted = fleet(workloads=fast, pools=[{"name": "p", "accelerator": "h100-sxm"}])
    (refusal,) = unservable(wanted, on_offer(wanted))
    assert refusal.reason.startswith("no deployment of `chat` is fast enough: the fastest gives ")
    large = chat(
        transformer="llama-3.1-405b",
        tokens_per_second_per_request=1,
        search={"tensor_parallel": 1, "pipeline_parallel": 1},
    )
    wanted = fleet(workloads=large, pools=[{"name": "p", "accelerator": "h100-sxm"}])
    (refusal,) = unservable(wanted, on_offer(wanted))
    assert refusal.reason == (
        "no deployment of `chat` is on offer: none fits into the memory of the pools' accelerators."
    )


# Known optima.


@pytest.fixture
def data():
    if "PLANNER_DATA" not in os.environ:
        pytest.skip("PLANNER_DATA is not set: the other planners' instances lie there")
    return Path(os.environ["PLANNER_DATA"], "fleet")


@pytest.mark.parametrize(
    ("file", "accelerator", "gpus"),
    [
        ("cand_llama70_h100_50rps.csv", "h100-sxm", 48),
        ("cand_qwen3_32b_h200_50rps.csv", "h200-sxm", 26),
    ],
)
def test_fewest_accelerators_of_prefill_and_decode_workers(data, file, accelerator, gpus):
    wanted = fleet(
        workloads=chat(
            requests_per_second=50.0,
            max_deployments="any",
            tokens_per_second_per_request=1 / 0.03,
            time_to_first_token_seconds=1.0,
        ),
        pools=pool(accelerator=accelerator, on_demand={"dollars_per_gpu_hour": 1.0}),
        deployments=str(data / file),
        prediction={"prefill_rate": 0.9, "decode_rate": 0.92, "time_to_first_token": 1.8},
    )
    assert least_cost(build_model_data(wanted, on_offer(wanted))) == pytest.approx(gpus)


@pytest.mark.parametrize(("most", "dollars"), [(1, 225.64), ("any", 223.435)])
def test_least_cost_of_another_planners_servers(data, tmp_path, most, dollars):
    wanted = inferno(
        data / "inferno_small_columns.csv",
        data / "inferno_small" / "capacity-data.json",
        tmp_path,
        most=most,
    )
    found = on_offer(wanted)
    assert unservable(wanted, found) == ()
    assert least_cost(build_model_data(wanted, found)) == pytest.approx(dollars)


def test_every_workload_of_a_large_fleet_keeps_its_best():
    """Vectorised numbers are those of every workload by itself."""
    chance = np.random.default_rng(5)
    names = [f"w{at}" for at in range(20)]
    rows = [
        {
            "workload": w,
            "pool": int(chance.integers(0, 3)),
            "gpus": int(chance.integers(1, 12)),
            "rate": float(chance.integers(1, 9)),
            "tpot": float(chance.choice([0.01, 0.03])),
        }
        for w, _ in product(range(20), range(9))
    ]
    workloads = [
        {
            "name": name,
            "requests_per_second": 1.0,
            "headroom": 0.01 * at,
            "startup_seconds": 60.0 * at,
            "tokens_per_second_per_request": 50 + at,
            "spot": at % 2 == 0,
        }
        for at, name in enumerate(names)
    ]
    pools = [
        {"name": "a", "gpus_per_node": 8, "on_demand": {"dollars_per_gpu_hour": 2.0}},
        {"name": "b", "spot": SPOT},
        {"name": "c", "on_demand": {"dollars_per_gpu_hour": 2.0}, "spot": SPOT, "gpus": 9},
    ]
    whole = build_model_data(fleet(workloads=workloads, pools=pools), offered(*rows)).choices
    assert (np.diff(whole.workload) >= 0).all()
    for w, name in enumerate(names):
        mine = [{**row, "workload": 0} for row in rows if row["workload"] == w]
        alone = build_model_data(
            fleet(workloads=workloads[w : w + 1], pools=pools), offered(*mine)
        ).choices
        part = whole.workload == w
        for column in ("pool", "spot", "gpus", "rates", "startup_dollars", "role", "running"):
            np.testing.assert_array_equal(getattr(whole, column)[part], getattr(alone, column))
        assert (whole.offer[part] - 9 * w).tolist() == alone.offer.tolist(), name


def test_of_offers_that_take_and_serve_the_same_the_best_by_the_rule_of_ties_stays():
    same = {"gpus": 2, "rate": 3.0}
    slow, fast = {**same, "tpot": 0.02}, {**same, "tpot": 0.01}
    staged, plain = ({**fast, "label": label} for label in ("a tp1 pp2", "b tp2"))
    first = {**plain, "label": "a"}
    for rows, kept in (
        ((slow, fast), 1),
        ((fast, slow), 0),
        ((slow, staged, plain), 2),
        ((plain, first), 1),
        (({**slow, "rate": 3.1}, first), 0),
    ):
        assert build_model_data(fleet(), offered(*rows)).choices.offer.tolist() == [kept]
