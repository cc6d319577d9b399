"""Fleets with plans worked out by hand, for the tests of plans, their checker and pictures."""

import numpy as np

from planner.candidates.fleet.model_data import (
    Choices,
    Decisions,
    Horizon,
    Limits,
    ModelData,
    PoolSupply,
    SolveResult,
)
from planner.candidates.fleet.model_data import Wanted as Wants
from planner.plans.build_fleet import build_fleet_plan
from planner.plans.fleet_plan import ShadowPrices
from planner.problem.fleet import Fleet
from planner.problem.offers import Offers

SHOP = {
    "name": "shop",
    "periods": [{"name": "day", "hours": 8.0}, {"name": "night", "hours": 16.0}],
    "prediction": {"prefill_rate": 0.9, "decode_rate": 0.92, "time_to_first_token": 1.5},
    "round_trip_seconds": {"eu": {"us": 0.1}, "asia": {"eu": 0.5}},
    "pools": [
        {
            "name": "h100-eu",
            "region": "eu",
            "gpus": 32,
            "gpus_per_node": 8,
            "reserved": {"dollars_per_gpu_hour": 2.0, "gpus": 16},
            "on_demand": {"dollars_per_gpu_hour": 3.0, "gpus": 24},
            "watts_per_gpu": 700.0,
            "watts_at_most": 20e3,
            "carbon_grams_per_kilowatt_hour": 400.0,
        },
        {
            "name": "l40s-us",
            "region": "us",
            "gpus": 20,
            "on_demand": {"dollars_per_gpu_hour": 1.5},
            "spot": {"dollars_per_gpu_hour": 1.0, "interruptions_per_hour": 0.1, "gpus": 10},
            "watts_per_gpu": 400.0,
            "carbon_grams_per_kilowatt_hour": 500.0,
        },
    ],
    "workloads": [
        {
            "name": "chat",
            "requests_per_second": [20.0, 6.0],
            "tokens_per_second_per_request": 20.0,
            "time_to_first_token_seconds": 1.0,
            "users_in": "eu",
            "regions": ["eu"],
            "headroom": 0.1,
            "n_plus_1": True,
            "max_deployments": 1,
            "spot": False,
            "quality": {"at_least": 0.9},
            "startup_seconds": 360.0,
            "startup_dollars": 5.0,
        },
        {
            "name": "batch, nightly",
            "max_deployments": "any",
            "tokens_per_second": [5000.0, 2500.0],
            "output_tokens": 500,
            "users_in": "eu",
            "priority": 2,
            "startup_seconds": 360.0,
            "shed_at_most": 0.1,
            "shed_dollars_per_1000_requests": 2.0,
        },
        {"name": "split", "requests_per_second": 4.0, "max_deployments": 1, "min_replicas": 1},
    ],
    "running": [
        {"workload": "chat", "pool": "h100-eu", "label": "tp2", "replicas": 5},
        {"workload": "split", "pool": "l40s-us", "label": "d", "replicas": 1, "spot": True},
    ],
    "dollars_per_hour_at_most": 50.0,
    "watts_at_most": 18e3,
    "carbon_kilograms_at_most": 121.0,
}
OBJECTIVE = 1147.266
"""384 reserved + 384 and 180 on demand + 128 spot + 20 own + 13.25 starts + 38.016 refused."""


def offers():
    """Return what is on offer: chat, batch, split; rows 1 and 2 are too slow and too far."""
    nan = np.nan
    rows = [  # workload, pool, label, gpus, role, rate, tpot, ttft, own price, quality
        (0, 0, "tp2", 2, 0, 4.0, 0.04, 0.4, nan, 0.95),
        (0, 0, "slow", 2, 0, 9.0, 0.20, 0.4, nan, 0.95),
        (0, 1, "tp2", 2, 0, 4.0, 0.04, 0.4, nan, 0.95),
        (1, 1, "a1", 1, 0, 1.0, 0.09, nan, nan, nan),
        (1, 0, "tp3", 3, 0, 2.0, 0.05, 2.0, nan, nan),
        (1, 1, "rented", 2, 0, 1.5, 0.05, 2.0, 2.5, nan),
        (2, 1, "p", 1, 1, 5.0, nan, 0.3, nan, nan),
        (2, 1, "d", 2, 2, 2.5, 0.02, nan, nan, nan),
    ]
    return offers_of(rows)


def offers_of(rows):
    """Return offers from rows; a rate may be a list by class."""
    columns = list(zip(*rows, strict=True))
    workload, pool, gpus, role = (np.array(columns[at], dtype=np.int64) for at in (0, 1, 3, 4))
    rates = np.array([np.atleast_1d(rate) for rate in columns[5]], dtype=float)
    tpot, ttft, own, quality = (np.array(column, dtype=float) for column in columns[6:])
    return Offers(workload, pool, tuple(columns[2]), gpus, role, rates, tpot, ttft, own, quality)


def pool_supply(**columns):
    """Return a market without limits but those given."""
    pools = len(columns["gpus"])
    plain = {
        "increment": np.ones(pools, dtype=np.int64),
        "on_demand_dollars": np.full(pools, np.nan),
        "reserved_dollars": np.full(pools, np.nan),
        "spot_dollars": np.full(pools, np.nan),
        "on_demand_gpus": np.full(pools, np.inf),
        "reserved_gpus": np.full(pools, np.inf),
        "spot_gpus": np.full(pools, np.inf),
        "watts": np.zeros(pools),
        "watts_at_most": np.full(pools, np.inf),
        "kilograms_per_hour": np.zeros(pools),
    }
    return PoolSupply(**plain | {name: np.array(values) for name, values in columns.items()})


def shop_figures():
    """Return the shop in figures: chat tp2, batch a1 on spot, tp3, rented, split p and d."""
    running = np.array([5, 0, 0, 0, 0, 0])
    return ModelData(
        horizon=Horizon(("day", "night"), np.array([8.0, 16.0]), np.ones(2), np.array([-1, 0])),
        pool_supply=pool_supply(
            gpus=[32.0, 20.0],
            increment=[8, 1],
            on_demand_dollars=[3.0, 1.5],
            reserved_dollars=[2.0, np.nan],
            spot_dollars=[np.nan, 1.0],
            on_demand_gpus=[24.0, np.inf],
            reserved_gpus=[16.0, 0.0],
            spot_gpus=[0.0, 10.0],
        ),
        choices=Choices(
            workload=np.array([0, 1, 1, 1, 2, 2]),
            pool=np.array([0, 1, 0, 1, 1, 1]),
            spot=np.array([False, True, False, False, False, False]),
            offer=np.array([0, 3, 4, 5, 6, 7]),
            gpus=np.array([2, 1, 4, 2, 1, 2]),
            rates=np.array([3.6, 0.99, 2.0, 1.5, 4.5, 2.3])[:, None],
            role=np.array([0, 0, 0, 0, 1, 2]),
            dollars_per_hour=np.array([np.nan, np.nan, np.nan, 2.5, np.nan, np.nan]),
            startup_dollars=np.array([5.6, 0.1, 1.2, 0.25, 0.0, 0.0]),
            running=running,
            working=np.array([2, 1, 3, 2, 1, 2]),
        ),
        wanted=Wants(
            demand=np.array([[20.0, 6.0], [10.0, 5.0], [4.0, 4.0]]),
            shares=np.ones((3, 1)),
            least=np.array([0, 0, 1]),
            survives=np.array([True, False, False]),
            most=np.full(3, np.inf),
            kinds=np.array([1.0, np.inf, 1.0]),
            shed_at_most=np.array([0.0, 0.1, 0.0]),
            shed_dollars=np.array([0.0, 0.002, 0.0]),
        ),
        limits=Limits(1200.0, 18e3, 121.0, 0, 0.0),
        has_running=True,
    )


def shop_decisions():
    """Return what is decided for the shop, with a solver's rounding in it."""
    return Decisions(
        replicas=np.array([[7, 3], [6, 5], [1, 0], [1, 0], [1, 1], [2, 2]]),
        shed=np.array([[1e-12, 0.0], [0.56 - 1e-9, 0.05], [0.0, 0.0]]),
        served=None,
        reserved=np.array([8.0, 0.0]),
        on_demand=np.array([[16.0 - 1e-8, 0.0], [5.0, 5.0 + 1e-8]]),
        spot=np.array([[0.0, 0.0], [6.0, 5.0]]),
    )


def shop():
    """Return the shop's fleet, offers and plan."""
    fleet = Fleet.model_validate(SHOP)
    result = SolveResult(
        "optimal", shop_decisions(), OBJECTIVE, OBJECTIVE - 0.05, 1.5, "highs 1.15"
    )
    prices = ShadowPrices(np.array([[0.75, 0.0], [0.25, 0.1]]), 0.02)
    return fleet, offers(), build_fleet_plan(fleet, offers(), shop_figures(), result, prices)


CLASSY = {
    "name": "classy",
    "periods": [{"name": "all", "hours": 2.0}],
    "pools": [{"name": "here", "on_demand": {"dollars_per_gpu_hour": 1.0}}],
    "workloads": [
        {
            "name": "mixed",
            "max_deployments": "any",
            "requests_per_second": 10.0,
            "classes": [{"name": "short", "share": 0.8}, {"name": "long", "share": 0.2}],
        },
        {"name": "alike", "requests_per_second": 3.0, "max_deployments": "any"},
    ],
}


def classy():
    """Return a fleet with classes: 8 short and 2 long requests a second, on two deployments.

    One `big` serves 2 long (half its time) and 5 short (the other half), two `small` serve 3
    short of 4, and nothing long.
    """
    nan = np.nan
    fleet = Fleet.model_validate(CLASSY)
    on_offer = offers_of(
        [
            (0, 0, "big", 4, 0, [10.0, 4.0], nan, nan, nan, nan),
            (0, 0, "small", 1, 0, [2.0, 0.0], nan, nan, nan, nan),
            (1, 0, "small", 1, 0, [3.0, 0.0], nan, nan, nan, nan),
        ]
    )
    data = ModelData(
        horizon=Horizon(("all",), np.array([2.0]), np.ones(1), np.array([-1])),
        pool_supply=pool_supply(gpus=[np.inf], on_demand_dollars=[1.0]),
        choices=Choices(
            workload=np.array([0, 0, 1]),
            pool=np.zeros(3, dtype=np.int64),
            spot=np.zeros(3, dtype=bool),
            offer=np.arange(3),
            gpus=np.array([4, 1, 1]),
            rates=np.array([[10.0, 4.0], [2.0, 0.0], [3.0, 0.0]]),
            role=np.zeros(3, dtype=np.int64),
            dollars_per_hour=np.full(3, nan),
            startup_dollars=np.zeros(3),
            running=np.zeros(3, dtype=np.int64),
            working=np.array([4, 1, 1]),
        ),
        wanted=Wants(
            demand=np.array([[10.0], [3.0]]),
            shares=np.array([[0.8, 0.2], [1.0, 0.0]]),
            least=np.zeros(2, dtype=np.int64),
            survives=np.zeros(2, dtype=bool),
            most=np.full(2, np.inf),
            kinds=np.full(2, np.inf),
            shed_at_most=np.zeros(2),
            shed_dollars=np.zeros(2),
        ),
        limits=Limits(np.inf, np.inf, np.inf, 0, 0.0),
        has_running=False,
    )
    decisions = Decisions(
        replicas=np.array([[1], [2], [1]]),
        shed=np.zeros((2, 1)),
        served=np.array([[[5.0], [2.0 - 1e-9]], [[3.0], [1e-12]], [[3.0], [0.0]]]),
        reserved=np.zeros(1),
        on_demand=np.array([[7.0]]),
        spot=np.zeros((1, 1)),
    )
    result = SolveResult("optimal", decisions, 14.0, 14.0, 0.1, "highs 1.15")
    return fleet, on_offer, build_fleet_plan(fleet, on_offer, data, result, method="decomposition")
