"""A fleet's plan as one row among the plans of a batch."""

from __future__ import annotations

from typing import cast

from planner.plans.fleet_columns import hourly_objective
from planner.plans.fleet_plan import FleetPlan
from planner.plans.plan import Plan, Status
from planner.problem.fleet import Fleet


def summary_row(fleet: Fleet, plan: FleetPlan) -> Plan:
    """Return what a fleet's plan costs an hour, proved, as a row of a batch.

    Refused requests count at their price, as in the objective. What runs where and when is in the
    tables that `planner solve --folder` writes.

    Parameters
    ----------
    fleet : Fleet
        What was asked.
    plan : FleetPlan
        Its answer.
    """
    objective, bound, gap = hourly_objective(plan) if plan.found else (None, None, None)
    counts = f"{len(plan.workloads):,} workloads, {len(plan.periods):,} periods"
    return Plan(
        instance=plan.fleet,
        status=cast("Status", plan.status),
        objective_name=fleet.objective,
        objective=objective,
        bound=bound,
        gap=gap,
        formulation=plan.method,
        solver=plan.solver,
        solve_seconds=plan.seconds,
        dollars_per_hour=plan.dollars_per_hour if plan.found else None,
        profile=fleet.profile,
        planner_version=plan.planner_version,
        instance_digest=plan.fleet_digest,
        message=plan.message or f"{counts}; `planner solve --folder` writes the whole plan.",
    )
