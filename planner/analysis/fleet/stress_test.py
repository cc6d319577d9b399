"""Stress: what a plan still serves when demand is higher than it was planned for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from planner.analysis.fleet.changes import plan_each, with_workloads
from planner.candidates.fleet.gather import offers as offers_of
from planner.errors import InputError, Problem
from planner.formulations.column_generation.pricing_loop import Progress
from planner.io.column_csv import records
from planner.plans.fleet_plan import FleetPlan, Floats
from planner.problem.fleet import Fleet
from planner.problem.offers import Offers

if TYPE_CHECKING:
    import pandas as pd

FACTORS = tuple(round(1.0 + 0.1 * step, 1) for step in range(11))
"""Factors on demand: 1.0, 1.1, ... 2.0."""
HEADROOMS = (0.0, 0.1, 0.2, 0.33, 0.5)
INFLATION = 1.5
"""The factor at which plans of several head-rooms are compared."""
FULLY = 1.0 - 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Stress:
    """What a plan serves of inflated demand, within its latency targets."""

    fleet: str
    workloads: tuple[str, ...]
    periods: tuple[str, ...]
    factors: tuple[float, ...]
    share: Floats
    """(F, W, T) part of the inflated demand that is served; NaN where there is none."""
    served: Floats
    """(F,) part of all requests over the horizon."""
    fully: Floats
    """(F,) part of the workloads and periods with demand that is served in full."""
    worst: tuple[tuple[str, str], ...]
    """(F,) workload and period of which the least part is served."""

    @property
    def least(self) -> Floats:
        """(F,) the least part that any workload is served in any period."""
        return np.asarray(np.nanmin(self.share, axis=(1, 2)))

    def table(self) -> pd.DataFrame:
        """Return one row per factor."""
        import pandas as pd

        return pd.DataFrame(
            {
                "factor": self.factors,
                "served": self.served,
                "fully_served": self.fully,
                "least_served": self.least,
                "workload": [workload for workload, _ in self.worst],
                "period": [period for _, period in self.worst],
            }
        )

    def cells(self) -> pd.DataFrame:
        """Return one row per factor, workload and period."""
        import pandas as pd

        factors, workloads, periods = self.share.shape
        return pd.DataFrame(
            {
                "factor": np.repeat(self.factors, workloads * periods),
                "workload": np.tile(np.repeat(self.workloads, periods), factors),
                "period": np.tile(self.periods, factors * workloads),
                "served": self.share.ravel(),
            }
        )

    @property
    def text(self) -> str:
        """One line per factor."""
        rows = zip(self.factors, self.served, self.fully, self.least, self.worst, strict=True)
        return "\n".join(
            f"x {factor:g}: {served:.1%} served, {fully:.0%} of workloads and periods in full; "
            f"least {least:.0%}, {worst[0]} in {worst[1]}"
            for factor, served, fully, least, worst in rows
        )


def stress(plan: FleetPlan, fleet: Fleet, factors: Sequence[float] = FACTORS) -> Stress:
    """Say what the replicas of a plan serve when all demand is higher than planned.

    Replicas stay as they are. Head-room is there to be used, so rates are those without it, still
    within the latency targets; what is beyond them is not served. Of workloads with request
    classes the deployments keep their shares of each class, which is the least that they can do.

    Parameters
    ----------
    plan : FleetPlan
        A plan that was found.
    fleet : Fleet
        What it answers.
    factors : sequence of float
        Factors on the demand of every workload and period.

    Raises
    ------
    InputError
        Where there is no plan, or a factor is not positive.
    """
    if not plan.found:
        raise InputError(Problem("a plan that was found", plan.status, plan.fleet))
    if wrong := [factor for factor in factors if not 0 < factor < math.inf]:
        raise InputError(Problem("a positive factor", f"{wrong[0]:g}", "factors"))
    demand = plan.service.demand
    full = _capacity(plan, fleet)
    wanted = np.asarray(factors)[:, None, None] * demand
    with np.errstate(invalid="ignore"):
        share = np.where(wanted > 0, np.minimum(full / wanted, 1.0), np.nan)
    share = np.where(share >= FULLY, 1.0, share)
    requests = wanted * plan.hours
    # Demand that is nowhere is served everywhere.
    total = np.maximum(requests.sum(axis=(1, 2)), 1e-300)
    served = np.nansum(share * requests, axis=(1, 2)) / total
    busy = demand > 0
    if not busy.any():
        raise InputError(Problem("a plan with some demand", "none", plan.fleet))
    place = [np.unravel_index(int(np.nanargmin(part)), part.shape) for part in share]
    return Stress(
        fleet=plan.fleet,
        workloads=plan.workloads,
        periods=plan.periods,
        factors=tuple(factors),
        share=share,
        served=served,
        fully=(share >= FULLY).sum(axis=(1, 2)) / busy.sum(),
        worst=tuple((plan.workloads[int(w)], plan.periods[int(t)]) for w, t in place),
    )


def _capacity(plan: FleetPlan, fleet: Fleet) -> Floats:
    """(W, T) requests per second that replicas serve when they keep nothing free."""
    kept = np.array([one.headroom for one in fleet.workloads])
    full: Floats = plan.service.capacity / (1.0 - kept)[:, None]
    rows = plan.replicas
    if rows.served is None:
        return full
    classed = np.array([bool(names) for names in plan.classes])
    served = rows.served.sum(axis=1)
    mine = classed[rows.workload] & (served > 0)
    busy, total = np.zeros(full.shape), np.zeros(full.shape)
    at = rows.workload[mine], rows.period[mine]
    np.maximum.at(busy, at, served[mine] / rows.requests_per_second[mine])
    np.add.at(total, at, served[mine])
    scaled = np.divide(total, busy, out=np.zeros_like(total), where=busy > 0)
    return np.where(classed[:, None], scaled / (1.0 - kept)[:, None], full)


@dataclass(frozen=True, slots=True)
class Headroom:
    """A plan with the same head-room for all workloads, and what it serves when demand is high."""

    headroom: float
    status: str
    dollars_per_hour: float
    gap: float
    served: float
    """Part of the requests served at the inflated demand."""
    least_served: float
    """Least part that any workload is served in any period."""
    fully_served: float
    """Part of workloads and periods that are served in full."""


@dataclass(frozen=True, slots=True)
class Headrooms:
    """Cost of head-room beside what it buys."""

    fleet: str
    factor: float
    rows: tuple[Headroom, ...]

    def table(self) -> pd.DataFrame:
        """Return one row per head-room."""
        return records(Headroom, self.rows)

    @property
    def text(self) -> str:
        """One line per head-room."""
        return "\n".join(_headroom_line(row, self.factor) for row in self.rows)


def _headroom_line(row: Headroom, factor: float) -> str:
    if math.isnan(row.dollars_per_hour):
        return f"head-room {row.headroom:.0%}: {row.status}"
    return (
        f"head-room {row.headroom:.0%}: ${row.dollars_per_hour:,.2f}/h; at {factor:g} times the "
        f"demand {row.served:.1%} served, {row.fully_served:.0%} of workloads and periods in full"
    )


def compare_headrooms(
    fleet: Fleet,
    offers: Offers | None = None,
    headrooms: Sequence[float] = HEADROOMS,
    factor: float = INFLATION,
    progress: Progress | None = None,
) -> Headrooms:
    """Plan a fleet with several head-rooms, and stress each plan.

    Parameters
    ----------
    fleet : Fleet
        What is asked; the head-room of every workload is replaced.
    offers : Offers, optional
        Deployments on offer. Left out: from the fleet's files, or tabulated.
    headrooms : sequence of float
        Parts of every replica's throughput kept free, from 0 to below 1.
    factor : float
        On all demand.
    progress : callable, optional
        Told which plan is sought and how far it is, as by `solve_fleet`.

    Raises
    ------
    InputError, SolverError, CheckError
        As `planner.api.solve_fleet` does.
    """
    if wrong := [part for part in headrooms if not 0 <= part < 1]:
        raise InputError(Problem("a head-room from 0 to below 1", f"{wrong[0]:g}", "headrooms"))
    offers = offers_of(fleet) if offers is None else offers
    changed = [with_workloads(fleet, headroom=float(part)) for part in headrooms]
    words = [f"head-room {part:.0%}" for part in headrooms]
    plans = plan_each(list(zip(words, changed, strict=True)), offers, progress)
    rows = tuple(
        _headroom(plan, one, float(part), factor)
        for plan, one, part in zip(plans, changed, headrooms, strict=True)
        if plan is not None
    )
    return Headrooms(fleet.name, factor, rows)


def _headroom(plan: FleetPlan, fleet: Fleet, part: float, factor: float) -> Headroom:
    nan = math.nan
    if not plan.found:
        return Headroom(part, plan.status, nan, nan, nan, nan, nan)
    found = stress(plan, fleet, [factor])
    return Headroom(
        headroom=part,
        status=plan.status,
        dollars_per_hour=plan.dollars_per_hour,
        gap=plan.gap,
        served=float(found.served[0]),
        least_served=float(found.least[0]),
        fully_served=float(found.fully[0]),
    )
