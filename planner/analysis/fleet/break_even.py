"""Break-even prices of a fleet's pools: below which a pool is used, above which it is not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from planner.analysis.fleet.changes import within
from planner.analysis.fleet.workload_instance import stated_price
from planner.api import solve_fleet
from planner.candidates.fleet.supply import on_demand
from planner.errors import PlannerError
from planner.formulations.column_generation.pricing_loop import Progress
from planner.plans.fleet_columns import MARKETS
from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import Fleet, FleetPool
from planner.problem.offers import Offers

Way = Literal["reserved", "on_demand", "spot"]
WAYS: tuple[Way, ...] = ("reserved", "on_demand", "spot")
"""Ways of paying as pools call them, in the order of `fleet_columns.MARKETS`."""
LOWEST = 1e-3
"""Part of today's price from which the search starts where a pool is not used today."""
MOST_STEPS = 12
"""Plans that are sought for one price."""
QUICK = 2.0
"""Seconds that the plan of a fleet may take for its prices to be searched to the end."""
LEAST_PART = 1e-6
"""Part of the cost from which a saving counts, where plans are proved more closely."""


@dataclass(frozen=True, slots=True)
class PoolPrice:
    """The price of one way of paying for a pool at which the fleet stops using it."""

    pool: str
    market: str
    """`reserved`, `on-demand` or `spot`."""
    dollars_per_gpu_hour: float
    """Today's price, in the mean of the horizon; 0 of accelerators that are paid for already."""
    used: bool
    """Whether the plan buys or uses any at today's price."""
    break_even: float
    """Price up to which a plan with it is cheaper than one without; infinite where there is no
    plan without it, 0 where no price makes it worth having, NaN where that is not known."""
    without: float
    """Dollars an hour of the plan without it; NaN where there is none."""
    at_least: bool
    """Whether the true price may be higher."""


def break_even_prices(
    fleet: Fleet, plan: FleetPlan, offers: Offers, progress: Progress | None = None
) -> Iterator[PoolPrice]:
    """Find for each way of paying the price from which the fleet is as cheap without it.

    The cost of a fleet as a function of one price is concave and piecewise linear, since each plan
    pays the price for so many GPU-hours. The line of the plan at one price meets the cost of the
    fleet without that way of paying at a higher price; the plan there has a flatter line. After a
    few lines nothing is saved any more (Newton's method, which never goes too far). What runs may
    change for any saving. Of a fleet whose plan took long, only the first line is drawn: the plan
    is cheaper than any without the pool at least up to there.

    Parameters
    ----------
    fleet : Fleet
        What was asked: the least cost.
    plan : FleetPlan
        Its answer.
    offers : Offers
        Deployments on offer.
    progress : callable, optional
        Told which plan is sought and how far it is.

    Yields
    ------
    PoolPrice
        One per pool and way of paying.

    Raises
    ------
    SolverError, CheckError
        As `planner.solve` does.
    """
    pools = tuple(pool.model_copy(update={"on_demand": on_demand(pool)}) for pool in fleet.pools)
    fleet = fleet.model_copy(update={"pools": pools, "changes": None})
    for at, pool in enumerate(pools):
        for way in WAYS:
            if getattr(pool, way) is not None:
                part = within(progress, f"the price of {pool.name}")
                yield _PriceSearch(fleet, offers, part, at, way).found(plan)


@dataclass(frozen=True, slots=True)
class _PriceSearch:
    """The search for one price."""

    fleet: Fleet
    offers: Offers
    progress: Progress | None
    pool: int
    way: Way

    @property
    def market(self) -> int:
        return WAYS.index(self.way)

    @property
    def today(self) -> float:
        return stated_price(self.fleet, self.fleet.pools[self.pool], self.way)

    def found(self, plan: FleetPlan) -> PoolPrice:
        name, used = self.fleet.pools[self.pool].name, self._hours(plan) > 0
        quick = plan.seconds <= QUICK
        limit, cost, at_least = math.nan, math.nan, True
        if used or quick:
            without = self._without()
            if without is None or without.status == "infeasible":
                limit, at_least = math.inf, False
            elif without.found:
                cost = _hourly(without.objective, without)
                start = plan if used else None
                limit, at_least = self._limit(start, without, MOST_STEPS if quick else 1)
        return PoolPrice(name, MARKETS[self.market], self.today, used, limit, cost, at_least)

    def _limit(self, plan: FleetPlan | None, without: FleetPlan, steps: int) -> tuple[float, bool]:
        """Return the price, and whether the true one may be higher."""
        # Where it is not proved, what costs no less is certain of its bound alone.
        dearest = _hourly(without.bound, without)
        lowest = self.today * LOWEST
        price = lowest if plan is None else self.today
        least = max(self.fleet.solver.relative_gap, LEAST_PART) * dearest
        for _ in range(steps):
            plan = self._at(price) if plan is None else plan
            if plan is None or not plan.found:
                return price, True
            hours, saved = self._hours(plan), dearest - _hourly(plan.objective, plan)
            if hours <= 0 or saved <= least:
                return (price if price > lowest else 0.0), False
            price, plan = price + saved / hours, None
        return price, True

    def _hours(self, plan: FleetPlan) -> float:
        """Return the accelerators that a plan pays for so, in the mean of the horizon's hours."""
        rows = plan.purchases
        mine = (rows.pool == self.pool) & (rows.market == self.market)
        always = rows.period < 0
        hours = np.where(always, plan.hours.sum(), plan.hours[rows.period])
        return float((rows.gpus * hours)[mine].sum() / plan.hours.sum())

    def _without(self) -> FleetPlan | None:
        """Plan the fleet without this way of paying; none where nothing is left to choose from."""
        pool = self.fleet.pools[self.pool]
        others = any(getattr(pool, way) is not None for way in WAYS if way != self.way)
        return self._planned(pool.model_copy(update={self.way: None} if others else {"gpus": 0}))

    def _at(self, price: float) -> FleetPlan | None:
        pool = self.fleet.pools[self.pool]
        way = getattr(pool, self.way)
        stated = way.dollars_per_gpu_hour
        by_period = isinstance(stated, tuple)
        new = tuple(one * price / self.today for one in stated) if by_period else price
        changed = way.model_copy(update={"dollars_per_gpu_hour": new})
        return self._planned(pool.model_copy(update={self.way: changed}))

    def _planned(self, pool: FleetPool) -> FleetPlan | None:
        pools = (*self.fleet.pools[: self.pool], pool, *self.fleet.pools[self.pool + 1 :])
        try:
            changed = self.fleet.model_copy(update={"pools": pools})
            return solve_fleet(changed, self.offers, self.progress)
        except PlannerError:
            return None


def _hourly(dollars: float, plan: FleetPlan) -> float:
    """Return dollars over the horizon of a plan by the hour."""
    return dollars / float(plan.hours.sum())
