"""Prices of what is scarce, with which anybody can work out a lower bound on what a plan costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StartValues:
    """What a running replica of one layout is worth at the beginning of each period."""

    workload: str
    pool: str
    spot: bool
    layout: str
    """What the labels say but for the batch."""
    dollars: tuple[float, ...]
    """One per period."""


@dataclass(frozen=True, slots=True, eq=False)
class Multipliers:
    """Prices of P pools in T periods: Lagrangian multipliers of what workloads share, all >= 0.

    Any prices prove a bound; those of a relaxation's optimum prove a high one.
    """

    occupied: Floats
    """(2, P, T) dollars of an accelerator that a replica occupies in a period, steady and spot."""
    supply: Floats
    """(P, T) dollars of an accelerator of the pool, beyond what it costs."""
    pool_watts: Floats
    """(P, T) dollars of a watt in the pool."""
    watts: Floats
    """(T,) dollars of a watt in all pools together."""
    kilogram: float
    """Dollars of a kilogram of carbon."""
    dollar: float
    """Dollars of one more dollar of the budget."""
    starts: tuple[StartValues, ...] = ()

    def summary(self) -> dict[str, Any]:
        """Return them as a mapping that JSON can hold; what is worth nothing is left out."""
        of_pools = {
            "steady": self.occupied[0],
            "spot": self.occupied[1],
            "supply": self.supply,
            "watts": self.pool_watts,
        }
        pools = [
            {name: each[p].tolist() for name, each in of_pools.items() if each[p].any()}
            for p in range(len(self.supply))
        ]
        starts = [
            {
                "workload": one.workload,
                "pool": one.pool,
                "market": "spot" if one.spot else "steady",
                "layout": one.layout,
                "dollars": list(one.dollars),
            }
            for one in self.starts
        ]
        return {
            "pools": pools,
            "watts": self.watts.tolist() if self.watts.any() else [],
            "carbon_kilogram": self.kilogram,
            "budget_dollar": self.dollar,
            "starts": starts,
        }


def read_multipliers(said: Mapping[str, Any] | None, periods: int) -> Multipliers | None:
    """Read what `Multipliers.summary` returned.

    Raises
    ------
    KeyError, TypeError, ValueError
        Where it is something else.
    """
    if said is None:
        return None
    pools = said["pools"]
    steady, spot, supply, watts = (
        np.array([_series(pool.get(name, ()), periods) for pool in pools]).reshape(-1, periods)
        for name in ("steady", "spot", "supply", "watts")
    )
    starts = tuple(
        StartValues(
            str(one["workload"]),
            str(one["pool"]),
            {"steady": False, "spot": True}[one["market"]],
            str(one["layout"]),
            tuple(_series(one["dollars"], periods)),
        )
        for one in said["starts"]
    )
    return Multipliers(
        np.stack([steady, spot]),
        supply,
        watts,
        np.array(_series(said["watts"], periods)),
        _price(said["carbon_kilogram"]),
        _price(said["budget_dollar"]),
        starts,
    )


def _series(values: Sequence[Any], periods: int) -> list[float]:
    found = [_price(value) for value in values] or [0.0] * periods
    if len(found) != periods:
        raise ValueError(f"{len(found)} multipliers for {periods} periods")
    return found


def _price(value: Any) -> float:
    price = float(value)
    if not (math.isfinite(price) and price >= 0):
        raise ValueError(f"a multiplier of {value}, which is no price")
    return price
