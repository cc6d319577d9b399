"""What a fleet that cannot be had lacks: limits taken away, and what is missing without them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from planner.fleets.figures import Figures, Floats, Market

Kind = Literal["gpus", "dollars", "watts", "kilograms"]
KINDS: tuple[Kind, ...] = ("gpus", "dollars", "watts", "kilograms")
"""What there may be too little of."""
WAYS = ("reserved", "on_demand", "spot")
UNPRICED = 1.0
"""Dollars of an accelerator that is sold in no way."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What must be added so that all demand can be served."""

    status: str
    """`optimal`, `time_limit`, `infeasible` or `no_solution_in_time`."""
    gpus: Floats
    """(P,) accelerators to be added to the pool and to each of its ways of paying."""
    short: Floats
    """(P, T) those of them that are used in each period."""
    dollars: float
    pool_watts: Floats
    """(P,) to be added to the cap of the pool."""
    watts: float
    kilograms: float
    value: float
    """What is missing, in dollars over the horizon; see `worth`."""
    bound: float
    """Proven least of it."""

    @property
    def found(self) -> bool:
        """Whether anything could be found that helps."""
        return self.status in ("optimal", "time_limit")


def without(status: str, pools: int, periods: int) -> Missing:
    """Return that nothing helps, or that nothing was found in time."""
    none = np.zeros(pools)
    nan = math.nan
    return Missing(status, none, np.zeros((pools, periods)), nan, none, nan, nan, nan, nan)


def limited(figures: Figures) -> tuple[Kind, ...]:
    """Return of what there is a limit."""
    market, limits = figures.market, figures.limits
    ways = [getattr(market, f"{way}_gpus")[_sold(market, way)] for way in WAYS]
    gpus = np.concatenate([market.gpus, *ways])
    held: dict[Kind, Floats] = {
        "gpus": gpus,
        "dollars": np.array([limits.dollars]),
        "watts": np.append(market.watts_at_most, limits.watts),
        "kilograms": np.array([limits.kilograms]),
    }
    return tuple(kind for kind in KINDS if np.isfinite(held[kind]).any())


def loosened(figures: Figures, kinds: tuple[Kind, ...]) -> Figures:
    """Return a fleet without the limits of some kinds."""
    market, limits = figures.market, figures.limits
    none = np.full(len(market.gpus), np.inf)
    if "gpus" in kinds:
        ways: dict[str, Any] = {f"{way}_gpus": none for way in WAYS}
        market = replace(market, gpus=none, **ways)
    if "dollars" in kinds:
        limits = replace(limits, dollars=math.inf)
    if "watts" in kinds:
        market, limits = replace(market, watts_at_most=none), replace(limits, watts=math.inf)
    if "kilograms" in kinds:
        limits = replace(limits, kilograms=math.inf)
    return replace(figures, market=market, limits=limits)


def worth(figures: Figures) -> dict[Kind, Floats]:
    """Return what one more of each kind counts for, in dollars over the horizon.

    An accelerator counts for its price, on demand where it is sold so; a watt and a kilogram for
    the mean price of the accelerators that use it.
    """
    market, hours = figures.market, float(figures.horizon.hours.sum())
    price = np.full(len(market.gpus), np.nan)
    for way in ("on_demand", "reserved", "spot"):
        price = np.where(np.isnan(price), getattr(market, f"{way}_dollars"), price)
    price = np.where(np.isnan(price) | (price <= 0), UNPRICED, price) * hours
    watt, kilogram = (
        float(price.sum() / used.sum()) if used.sum() > 0 else 1.0
        for used in (market.watts, market.kilograms_per_hour * hours)
    )
    pools = np.ones(len(price))
    return {
        "gpus": price,
        "dollars": np.ones(1),
        "watts": np.append(watt * pools, watt),
        "kilograms": np.full(1, kilogram),
    }


def limit_of(market: Market, way: str) -> Floats:
    """Return (P,) most accelerators that one way sells; infinite where it sells none at all."""
    limit: Floats = np.where(_sold(market, way), getattr(market, f"{way}_gpus"), np.inf)
    return np.floor(limit)


def _sold(market: Market, way: str) -> Any:
    return ~np.isnan(getattr(market, f"{way}_dollars"))
