"""Bounds that follow from a fleet's figures: fewest and most replicas, most accelerators bought."""

from __future__ import annotations

import numpy as np

from planner.fleets.figures import Bools, Figures, Floats, Ints
from planner.fleets.offers import ROLES

TOLERANCE = 1e-9
"""Part of the demand that may be missing: a shortfall below it buys no replica."""
STAGES = {"prefill": ("colocated", "prefill"), "decode": ("colocated", "decode")}
"""Roles that serve each stage of a request."""


def alike(figures: Figures) -> Bools:
    """(W,) whether the requests of a workload are of one class."""
    return np.asarray((figures.wanted.shares > 0).sum(axis=1) <= 1)


def rate(figures: Figures) -> Floats:
    """(C,) requests per second of a replica where requests are alike."""
    only = figures.wanted.shares.argmax(axis=1)[figures.choices.workload]
    return np.asarray(figures.choices.rates[np.arange(len(only)), only])


def has_own_price(figures: Figures) -> Bools:
    """(C,) whether a replica has its own price and buys nothing from the pool."""
    return np.isfinite(figures.choices.dollars_per_hour)


def stages_of(figures: Figures, workload: int) -> dict[str, list[int]]:
    """Choices that serve each stage of a workload; one stage where no choice serves only half."""
    rows = np.flatnonzero(figures.choices.workload == workload)
    roles = {int(row): ROLES[figures.choices.role[row]] for row in rows}
    if all(role == "colocated" for role in roles.values()):
        return {"whole": list(roles)}
    return {
        stage: [row for row, role in roles.items() if role in serving]
        for stage, serving in STAGES.items()
    }


def fewest_alone(figures: Figures, demand: Floats) -> Ints:
    """(C, T) replicas of each choice that meet `demand` with no other choice beside them.

    Classes that a choice cannot serve are left out, which keeps this no more than what suffices.
    """
    shares = figures.wanted.shares[figures.choices.workload]
    rates = figures.choices.rates
    load = np.divide(shares, rates, out=np.zeros_like(shares), where=rates > 0).sum(axis=1)
    wanted = demand[figures.choices.workload] * load[:, None]
    return np.asarray(np.ceil(wanted * (1.0 - TOLERANCE)), dtype=np.int64)


def most_replicas(figures: Figures) -> Ints:
    """(C, T) replicas of which more are never worth having, or cannot be had.

    Any plan stays a plan when its replicas are cut down to this: what is left of the choice serves
    all by itself, with one to spare for N+1. A choice that costs something to start may wait for
    a busier period.
    """
    choices, wanted = figures.choices, figures.wanted
    rise = figures.limits.rise if figures.limits.rising else 0.0
    most = fewest_alone(figures, wanted.demand * (1.0 + rise))
    most += (most > 0) & wanted.survives[choices.workload][:, None]
    most = np.maximum(most, wanted.least[choices.workload][:, None])
    waits = choices.startup_dollars > 0
    most[waits] = most[waits].max(axis=1, keepdims=True)
    supply = np.floor(_available(figures) / choices.gpus)
    return np.asarray(np.minimum(most, supply[:, None]), dtype=np.int64)


def _available(figures: Figures) -> Floats:
    """(C,) accelerators that the replicas of a choice could occupy at most."""
    market, choices = figures.market, figures.choices
    whole = np.floor(market.gpus / market.granule) * market.granule
    steady = _on_offer(figures, "reserved") + _on_offer(figures, "on_demand")
    lanes = np.where(
        choices.spot,
        _on_offer(figures, "spot")[choices.pool],
        np.minimum(steady, whole)[choices.pool],
    )
    return np.where(has_own_price(figures), market.gpus[choices.pool], lanes)


def _on_offer(figures: Figures, way: str) -> Floats:
    """(P,) accelerators that can be bought in one way: whole granules, infinite without limit."""
    market = figures.market
    limit = np.minimum(market.gpus, getattr(market, f"{way}_gpus"))
    whole = np.floor(limit / market.granule) * market.granule
    return np.where(np.isnan(getattr(market, f"{way}_dollars")), 0.0, whole)


def most_granules(figures: Figures, most: Ints, way: str) -> Ints:
    """(P,) granules of one way of paying that could be of use at once."""
    choices, market = figures.choices, figures.market
    paying = ~has_own_price(figures) & (choices.spot == (way == "spot"))
    times = 2 if figures.limits.rising else 1
    gpus = np.where(paying, choices.gpus * most.max(axis=1, initial=0) * times, 0)
    used = np.bincount(choices.pool, gpus, minlength=len(market.gpus))
    useful = np.ceil(used / market.granule)
    return np.minimum(useful, _on_offer(figures, way) / market.granule).astype(np.int64)
