"""Bounds that follow from a fleet's data: fewest and most replicas, most accelerators bought."""

from __future__ import annotations

import numpy as np

from planner.candidates.fleet.model_data import HOURLY, Bools, Floats, Ints, ModelData
from planner.problem.offers import ROLES
from planner.problem.tolerances import ROUNDING

STAGES = {"prefill": ("colocated", "prefill"), "decode": ("colocated", "decode")}
"""Roles that serve each stage of a request."""


def alike(data: ModelData) -> Bools:
    """(W,) whether the requests of a workload are of one class."""
    return np.asarray((data.wanted.shares > 0).sum(axis=1) <= 1)


def rate(data: ModelData) -> Floats:
    """(C,) requests per second of a replica where requests are alike."""
    only = data.wanted.shares.argmax(axis=1)[data.choices.workload]
    return np.asarray(data.choices.rates[np.arange(len(only)), only])


def has_own_price(data: ModelData) -> Bools:
    """(C,) whether a replica has its own price and buys nothing from the pool."""
    return np.isfinite(data.choices.dollars_per_hour)


def stages_of(data: ModelData, workload: int) -> dict[str, list[int]]:
    """Choices that serve each stage of a workload; one stage where no choice serves only half."""
    rows = np.flatnonzero(data.choices.workload == workload)
    roles = {int(row): ROLES[data.choices.role[row]] for row in rows}
    if all(role == "colocated" for role in roles.values()):
        return {"whole": list(roles)}
    return {
        stage: [row for row, role in roles.items() if role in serving]
        for stage, serving in STAGES.items()
    }


def fewest_alone(data: ModelData, demand: Floats) -> Ints:
    """(C, T) replicas of each choice that meet `demand` with no other choice beside them.

    Classes that a choice cannot serve are left out, which keeps this no more than what suffices.
    """
    shares = data.wanted.shares[data.choices.workload]
    rates = data.choices.rates
    load = np.divide(shares, rates, out=np.zeros_like(shares), where=rates > 0).sum(axis=1)
    wanted = demand[data.choices.workload] * load[:, None]
    return np.asarray(np.ceil(wanted * (1.0 - ROUNDING)), dtype=np.int64)


def most_replicas(data: ModelData) -> Ints:
    """(C, T) replicas of which more are never worth having, or cannot be had.

    Any plan stays a plan when its replicas are cut down to this: what is left of the choice serves
    all by itself, with one to spare for N+1. A choice that costs something to start may wait for
    a busier period.
    """
    choices, wanted = data.choices, data.wanted
    rise = data.limits.rise if data.limits.rising else 0.0
    most = fewest_alone(data, wanted.demand * (1.0 + rise))
    most += (most > 0) & wanted.survives[choices.workload][:, None]
    most = np.maximum(most, wanted.least[choices.workload][:, None])
    waits = choices.startup_dollars > 0
    most[waits] = most[waits].max(axis=1, keepdims=True)
    supply = np.floor(_available(data) / choices.gpus)
    most = np.asarray(np.minimum(most, supply[:, None]), dtype=np.int64)
    runs = choices.running[:, None]
    if np.isfinite(data.limits.changes):
        # More than enough may have to go on where little may change.
        return np.where(data.first, np.maximum(most, runs), most)
    return np.where(data.first & data.kept, runs, most)


def _available(data: ModelData) -> Floats:
    """(C,) accelerators that the replicas of a choice could occupy at most."""
    pool_supply, choices = data.pool_supply, data.choices
    whole = np.floor(pool_supply.gpus / pool_supply.increment) * pool_supply.increment
    steady = _on_offer(data, "reserved") + _on_offer(data, "on_demand")
    capacity_types = np.where(
        choices.spot,
        _on_offer(data, "spot")[choices.pool],
        np.minimum(steady, whole)[choices.pool],
    )
    return np.where(has_own_price(data), pool_supply.gpus[choices.pool], capacity_types)


def _on_offer(data: ModelData, way: str) -> Floats:
    """(P,) accelerators that can be bought in one way, in whole increments; may be infinite."""
    pool_supply = data.pool_supply
    limit = np.minimum(pool_supply.gpus, getattr(pool_supply, f"{way}_gpus"))
    whole = np.floor(limit / pool_supply.increment) * pool_supply.increment
    return np.where(np.isnan(getattr(pool_supply, f"{way}_dollars")), 0.0, whole)


def most_increments(data: ModelData, most: Ints, way: str) -> Ints:
    """(P,) purchase increments of one way of paying that could be of use at once."""
    choices, pool_supply = data.choices, data.pool_supply
    paying = ~has_own_price(data) & (choices.spot == (way == "spot"))
    times = 2 if data.limits.rising else 1
    gpus = np.where(paying, choices.gpus * most.max(axis=1, initial=0) * times, 0)
    used = np.bincount(choices.pool, gpus, minlength=len(pool_supply.gpus))
    useful = np.ceil(used / pool_supply.increment)
    return np.minimum(useful, _on_offer(data, way) / pool_supply.increment).astype(np.int64)


def most_growth(data: ModelData) -> float:
    """Return a factor beyond which no plan can serve all demands; infinity where there is none.

    Every class of every workload in every period by itself, as if it had all accelerators and all
    money, each accelerator at the best rate that it can have in its pool and capacity type.
    """
    choices, wanted = data.choices, data.wanted
    limited = np.minimum(_available(data), wanted.most[choices.workload] * choices.gpus)
    gpus = np.minimum(limited[:, None], _affordable(data))
    factors = [np.inf]
    for w, t in np.argwhere(wanted.demand > 0):
        rows = np.flatnonzero(choices.workload == w)
        place = choices.pool[rows] * 2 + choices.spot[rows]
        for k in np.flatnonzero(wanted.shares[w] > 0):
            rate = choices.rates[rows, k] / choices.gpus[rows]
            most = np.zeros(2 * len(data.pool_supply.gpus))
            able = rate > 0
            np.maximum.at(most, place[able], rate[able] * gpus[rows[able], t])
            factors.append(float(most.sum() / (wanted.demand[w, t] * wanted.shares[w, k])))
    return min(factors)


def _affordable(data: ModelData) -> Floats:
    """(C, T) accelerators that all money could pay for a choice in each period; may be infinite."""
    choices, pool_supply = data.choices, data.pool_supply
    on_demand, at_risk = (pool_supply.hourly(way, len(data.horizon)) for way in HOURLY)
    steady = np.fmin(on_demand, pool_supply.reserved_dollars[:, None])
    spot, own = choices.spot[:, None], has_own_price(data)[:, None]
    pool = np.where(spot, at_risk[choices.pool], steady[choices.pool])
    price = np.where(own, (choices.dollars_per_hour / choices.gpus)[:, None], pool)
    cost = price * data.horizon.hours[None, :]
    paid = np.full(cost.shape, np.inf)
    return np.asarray(np.divide(data.limits.dollars, cost, out=paid, where=cost > 0))
