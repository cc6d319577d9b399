"""What is scarce in a fleet's plan: pools that are full, and requests that are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.plans.fleet_plan import FleetPlan
from planner.problem.tolerances import ROUNDING

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class FullPool:
    """A pool that is used up in some periods."""

    pool: str
    gpus: float
    """Accelerators there are."""
    periods: int
    """Periods in which all of them are occupied, or no replica fits into what is left."""
    shadow_price: float
    """Dollars that one more accelerator would save in an hour of the period where it saves most;
    NaN where that is not known. It is the value of a part of a replica: a whole one may need
    several."""
    period: str
    """That period."""


@dataclass(frozen=True, slots=True)
class RefusedRequests:
    """Requests of one workload that the plan refuses."""

    workload: str
    priority: int
    requests: float
    """Requests refused over the horizon."""
    part: float
    """As a part of all that are asked."""
    period: str
    """Where most a second are refused."""
    requests_per_second: float
    """How many that is."""


def full_pools(plan: FleetPlan) -> Iterator[FullPool]:
    """Yield the pools that are full in some period, or where one more accelerator would help."""
    rows, size = plan.replicas, (len(plan.pools), len(plan.periods))
    used = np.zeros(size)
    np.add.at(used, (rows.pool, rows.period), rows.gpus)
    full = used >= plan.supply[:, None] * (1.0 - ROUNDING)
    known = plan.prices is not None and plan.prices.pools.shape == size
    prices = plan.prices.pools if plan.prices is not None and known else np.full(size, np.nan)
    worth = np.nan_to_num(prices, nan=-1.0)
    for at, name in enumerate(plan.pools):
        best = int(worth[at].argmax())
        if full[at].any() or worth[at, best] > ROUNDING:
            price, period = float(prices[at, best]), plan.periods[best]
            periods = int((full[at] | (worth[at] > ROUNDING)).sum())
            yield FullPool(name, float(plan.supply[at]), periods, price, period)


def refused_requests(plan: FleetPlan) -> Iterator[RefusedRequests]:
    """Yield the workloads of which requests are refused, most first."""
    shed, demand = plan.service.shed, plan.service.demand
    seconds = plan.hours * SECONDS_PER_HOUR
    refused, asked = shed @ seconds, demand @ seconds
    for at in np.argsort(-refused, kind="stable").tolist():
        if refused[at] <= 0:
            return
        worst = int(shed[at].argmax())
        yield RefusedRequests(
            plan.workloads[at],
            int(plan.service.priority[at]),
            float(refused[at]),
            float(refused[at] / asked[at]),
            plan.periods[worst],
            float(shed[at, worst]),
        )
