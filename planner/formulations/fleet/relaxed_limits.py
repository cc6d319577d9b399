"""What a fleet that cannot be had lacks: limits taken away, and what is missing without them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from planner.candidates.fleet.model_data import Floats, ModelData, PoolSupply

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
    """`optimal`, `feasible`, `time_limit`, `infeasible` or `no_solution_in_time`."""
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
        return self.status in ("optimal", "feasible", "time_limit")


def without(status: str, pools: int, periods: int) -> Missing:
    """Return that nothing helps, or that nothing was found in time."""
    none = np.zeros(pools)
    nan = math.nan
    return Missing(status, none, np.zeros((pools, periods)), nan, none, nan, nan, nan, nan)


def limited(data: ModelData) -> tuple[Kind, ...]:
    """Return of what there is a limit."""
    pool_supply, limits = data.pool_supply, data.limits
    ways = [getattr(pool_supply, f"{way}_gpus")[_sold(pool_supply, way)] for way in WAYS]
    gpus = np.concatenate([pool_supply.gpus, *ways])
    held: dict[Kind, Floats] = {
        "gpus": gpus,
        "dollars": np.array([limits.dollars]),
        "watts": np.append(pool_supply.watts_at_most, limits.watts),
        "kilograms": np.array([limits.kilograms]),
    }
    return tuple(kind for kind in KINDS if np.isfinite(held[kind]).any())


def loosened(data: ModelData, kinds: tuple[Kind, ...]) -> ModelData:
    """Return a fleet without the limits of some kinds."""
    pool_supply, limits = data.pool_supply, data.limits
    none = np.full(len(pool_supply.gpus), np.inf)
    if "gpus" in kinds:
        ways: dict[str, Any] = {f"{way}_gpus": none for way in WAYS}
        pool_supply = replace(pool_supply, gpus=none, **ways)
    if "dollars" in kinds:
        limits = replace(limits, dollars=math.inf)
    if "watts" in kinds:
        pool_supply, limits = (
            replace(pool_supply, watts_at_most=none),
            replace(limits, watts=math.inf),
        )
    if "kilograms" in kinds:
        limits = replace(limits, kilograms=math.inf)
    return replace(data, pool_supply=pool_supply, limits=limits)


def worth(data: ModelData) -> dict[Kind, Floats]:
    """Return what one more of each kind counts for, in dollars over the horizon.

    An accelerator counts for its price, on demand where it is sold so; a watt and a kilogram for
    the mean price of the accelerators that use it.
    """
    pool_supply, hours = data.pool_supply, float(data.horizon.hours.sum())
    price = np.full(len(pool_supply.gpus), np.nan)
    for way in ("on_demand", "reserved", "spot"):
        price = np.where(np.isnan(price), getattr(pool_supply, f"{way}_dollars"), price)
    price = np.where(np.isnan(price) | (price <= 0), UNPRICED, price) * hours
    watt, kilogram = (
        float(price.sum() / used.sum()) if used.sum() > 0 else 1.0
        for used in (pool_supply.watts, pool_supply.kilograms_per_hour * hours)
    )
    pools = np.ones(len(price))
    return {
        "gpus": price,
        "dollars": np.ones(1),
        "watts": np.append(watt * pools, watt),
        "kilograms": np.full(1, kilogram),
    }


def limit_of(pool_supply: PoolSupply, way: str) -> Floats:
    """Return (P,) most accelerators that one way sells; infinite where it sells none at all."""
    limit: Floats = np.where(_sold(pool_supply, way), getattr(pool_supply, f"{way}_gpus"), np.inf)
    return np.floor(limit)


def _sold(pool_supply: PoolSupply, way: str) -> Any:
    return ~np.isnan(getattr(pool_supply, f"{way}_dollars"))
