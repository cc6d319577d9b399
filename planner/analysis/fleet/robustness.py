"""The price of robustness: what a fleet costs when more and more workloads may rise at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.analysis.fleet.changes import plan_each
from planner.candidates.fleet.gather import offers as offers_of
from planner.errors import InputError, Problem
from planner.formulations.column_generation.pricing_loop import Progress
from planner.io.column_csv import records
from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import Fleet, Robustness
from planner.problem.instance import LARGEST_QUANTITY
from planner.problem.offers import Offers

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 3.5
"""Inches of a page's column."""


@dataclass(frozen=True, slots=True)
class Robust:
    """A plan for which so many workloads may rise at once."""

    workloads: int
    """Most workloads that rise; 0 plans for none."""
    status: str
    objective: float
    """Dollars over the horizon, with what refused requests cost."""
    bound: float
    gap: float
    price: float
    """Part by which it is dearer than the plan for which none rises."""
    least: float
    """Least that the price may be, by the bounds of both."""
    most: float
    """Most that it may be."""


@dataclass(frozen=True, slots=True)
class PriceOfRobustness:
    """Cost over the number of workloads that may rise."""

    fleet: str
    rise: float
    """By how much a workload rises: 0.5 is half as much again."""
    rows: tuple[Robust, ...]

    def table(self) -> pd.DataFrame:
        """Return one row per number of workloads."""
        return records(Robust, self.rows)

    @property
    def text(self) -> str:
        """One line per number of workloads."""
        return "\n".join(_line(row, self.rise) for row in self.rows)


def _line(row: Robust, rise: float) -> str:
    lead = f"{row.workloads} may rise by {rise:.0%}" if row.workloads else "none rises"
    if math.isnan(row.objective):
        return f"{lead}: {row.status}"
    price = f", {row.price:.1%} more" if row.workloads and not math.isnan(row.price) else ""
    return f"{lead}: ${row.objective:,.2f}{price}"


def price_of_robustness(
    fleet: Fleet,
    offers: Offers | None = None,
    most_workloads: int | None = None,
    rise: float | None = None,
    progress: Progress | None = None,
) -> PriceOfRobustness:
    """Plan a fleet for which 0, 1, ... workloads may rise at once.

    Parameters
    ----------
    fleet : Fleet
        What is asked. Only the plain formulation knows robustness: fleets of some dozens of
        workloads.
    offers : Offers, optional
        Deployments on offer. Left out: from the fleet's files, or tabulated.
    most_workloads : int, optional
        Left out: all.
    rise : float, optional
        By how much they rise. Left out: as the fleet's `robustness` says, or by half.
    progress : callable, optional
        Told which plan is sought and how far it is, as by `solve_fleet`.

    Raises
    ------
    InputError
        Where there are fewer workloads, the rise is none, or the fleet insists on the
        decomposition; and as `planner.api.solve_fleet` does.
    SolverError, CheckError
        As `solve_fleet` does.
    """
    count = len(fleet.workloads)
    most = count if most_workloads is None else most_workloads
    if not 0 <= most <= count:
        expected = f"a number from 0 to {count}, the workloads there are"
        raise InputError(Problem(expected, str(most), "most_workloads"))
    if rise is None:
        rise = fleet.robustness.rise if fleet.robustness is not None else 0.5
    if not 0 <= rise <= LARGEST_QUANTITY:
        raise InputError(Problem("a rise from 0, such as 0.5", f"{rise:g}", "rise"))
    offers = offers_of(fleet) if offers is None else offers
    changes = []
    for rising in range(most + 1):
        asked = Robustness(workloads=rising, rise=rise) if rising else None
        changes.append((f"{rising} rising", fleet.model_copy(update={"robustness": asked})))
    plans = [plan for plan in plan_each(changes, offers, progress) if plan is not None]
    rows = tuple(_row(rising, plan, plans[0]) for rising, plan in enumerate(plans))
    return PriceOfRobustness(fleet.name, rise, rows)


def _row(rising: int, plan: FleetPlan, none: FleetPlan) -> Robust:
    def part(of: float, beside: float) -> float:
        return of / beside - 1.0 if beside > 0 else math.nan

    return Robust(
        workloads=rising,
        status=plan.status,
        objective=plan.objective,
        bound=plan.bound,
        gap=plan.gap,
        price=part(plan.objective, none.objective),
        # What may rise costs nothing less.
        least=max(part(plan.bound, none.objective), 0.0) if plan.found and none.found else math.nan,
        most=part(plan.objective, none.bound),
    )
