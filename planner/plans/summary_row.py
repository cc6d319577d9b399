"""A fleet's plan among the plans of a batch: one row that sums it up, and the rows that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from planner.io.column_csv import column_lines, constant_line
from planner.plans.fleet_columns import hourly_objective, hourly_safe_bound, replica_columns
from planner.plans.fleet_plan import FleetPlan
from planner.plans.plan import COLUMNS, Plan, Status
from planner.problem.fleet import Fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSummary(Plan):
    """What a fleet's plan costs an hour, proved, and its rows as lines of plan.csv."""

    lines: str

    def to_lines(self) -> str:
        """Return the rows of the fleet's plan as CSV lines without a header."""
        return self.lines


def summary_row(fleet: Fleet, plan: FleetPlan, source: str = "") -> FleetSummary:
    """Return a fleet's plan as one among the plans of a batch.

    Refused requests count at their price, as in the objective.

    Parameters
    ----------
    fleet : Fleet
        What was asked.
    plan : FleetPlan
        Its answer.
    source : str
        File, and line where it holds several, for the rows.
    """
    objective, bound, gap = hourly_objective(plan) if plan.found else (None, None, None)
    return FleetSummary(
        instance=plan.fleet,
        status=cast("Status", plan.status),
        objective_name=fleet.objective,
        objective=objective,
        bound=bound,
        safe_bound=hourly_safe_bound(plan) if plan.found else None,
        gap=gap,
        formulation=plan.method,
        solver=plan.solver,
        solve_seconds=plan.seconds,
        dollars_per_hour=plan.dollars_per_hour if plan.found else None,
        profile=fleet.profile,
        planner_version=plan.planner_version,
        instance_digest=plan.fleet_digest,
        sweep=plan.sweep,
        source=source,
        message=plan.message,
        rows=max(len(plan.replicas), 1),
        lines=_lines(plan, source),
    )


def _lines(plan: FleetPlan, source: str) -> str:
    """Return the rows of plan.csv with the columns that plans of every kind have."""
    every = replica_columns(plan) | {"source": source}
    columns = {name: every[name] for name in COLUMNS}
    if not len(plan.replicas):
        return constant_line(columns)
    return "".join(column_lines(columns, len(plan.replicas)))
