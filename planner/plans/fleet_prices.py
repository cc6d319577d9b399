"""What every row of a fleet's plan costs, and at which price of an accelerator."""

from __future__ import annotations

import math

import numpy as np

from planner.candidates.fleet.model_data import HOURLY, Floats, Ints, ModelData
from planner.candidates.fleet.supply import price_sources
from planner.plans.fleet_plan import OWN_PRICE
from planner.plans.fleet_rows import Runs
from planner.problem.fleet import Fleet
from planner.problem.offers import ROLES, Offers


def used_gpus(data: ModelData, runs: Runs, spot: bool) -> Floats:
    """Return the accelerators of a capacity type that replicas occupy, by pool and period."""
    choices = data.choices
    shape = len(data.pool_supply.gpus), len(data.horizon)
    mine = np.isnan(choices.dollars_per_hour[runs.choice]) & (choices.spot[runs.choice] == spot)
    gpus = (choices.gpus[runs.choice] * runs.count)[mine].astype(float)
    at = (choices.pool[runs.choice] * shape[1] + runs.period)[mine]
    added = np.bincount(at, gpus, shape[0] * shape[1])
    return np.asarray(added, dtype=np.float64).reshape(shape)


def tokens_of(fleet: Fleet, offers: Offers) -> Floats:
    """Return the output tokens of a request that a row of the offers answers; NaN unknown."""
    known = [
        one.output_tokens
        if one.tokens_per_second is not None or not (one.deployments or fleet.deployments)
        else math.nan
        for one in fleet.workloads
    ]
    writes = offers.role != ROLES.index("prefill")
    return np.where(writes, np.array(known, dtype=float)[offers.workload], math.nan)


def paid(data: ModelData, runs: Runs, reserved: Floats) -> Floats:
    """(N,) mean price of an accelerator in an hour; what is reserved is used first."""
    supply, choices, periods = data.pool_supply, data.choices, len(data.horizon)
    on_demand, spot = (np.nan_to_num(supply.hourly(way, periods)) for way in HOURLY)
    used = used_gpus(data, runs, spot=False)
    part = np.minimum(used, reserved[:, None]) / np.where(used > 0, used, 1.0)
    steady = part * np.nan_to_num(supply.reserved_dollars)[:, None] + (1.0 - part) * on_demand
    place = choices.pool[runs.choice], runs.period
    price = np.where(choices.spot[runs.choice], spot[place], steady[place])
    own = choices.dollars_per_hour[runs.choice] / choices.gpus[runs.choice]
    price = np.where(np.isnan(own), price, own)
    return np.where(runs.count > 0, price, math.nan)


def sources_of(fleet: Fleet, data: ModelData, runs: Runs) -> tuple[tuple[str, ...], Ints]:
    """Return where prices come from, and which of these each row has."""
    by_pool = price_sources(fleet)
    names = (OWN_PRICE, *dict.fromkeys(by_pool))
    choices = data.choices
    places = np.array([names.index(name) for name in by_pool], dtype=np.int64)
    own = ~np.isnan(choices.dollars_per_hour[runs.choice])
    each = np.where(own, 0, places[choices.pool[runs.choice]])
    used, first, codes = np.unique(each, return_index=True, return_inverse=True)
    order = np.argsort(first)  # Sources in the order in which rows name them.
    return tuple(names[used[place]] for place in order.tolist()), np.argsort(order)[codes]


def hourly_cost(data: ModelData, runs: Runs, price: Floats, starts: Ints) -> Floats:
    """(N,) what replicas cost in an hour of their period, with what it costs to start them."""
    occupied = data.choices.gpus[runs.choice] * runs.count
    starting = data.choices.startup_dollars[runs.choice] * data.horizon.weight[runs.period]
    begun = np.where(starts > 0, starting, 0.0) * starts / data.horizon.hours[runs.period]
    running: Floats = np.where(runs.count > 0, occupied * price, 0.0) + begun
    return running


def own_dollars(data: ModelData, runs: Runs) -> float:
    """Return what replicas with a price of their own cost over the horizon."""
    own = data.choices.dollars_per_hour[runs.choice] * runs.count
    return float(np.nansum(own * data.horizon.hours[runs.period]))
