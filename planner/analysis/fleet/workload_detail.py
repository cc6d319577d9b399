"""The deployments of one workload in a fleet's plan: where their time goes, and what comes near."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.analysis.explanation.runner_ups import RunnerUp, runner_ups, walk
from planner.analysis.explanation.time_breakdown import TimePart, breakdown
from planner.analysis.fleet.workload_instance import numbers_of, workload_instance
from planner.candidates.requirements import objective_values
from planner.candidates.screening import Screening, all_shortlists
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import Candidates, label_of
from planner.plans import build
from planner.plans.fleet_plan import FleetPlan
from planner.plans.plan import Plan
from planner.problem.fleet import Fleet
from planner.problem.resolve import ResolvedInstance, resolve
from solvers import Outcome
from solvers import Status as Proof

MOST_DEPLOYMENTS = 3
"""Deployments that are looked at, those with most GPU-hours first."""


@dataclass(frozen=True, slots=True)
class WorkloadDetail:
    """One deployment that runs for a workload."""

    workload: str
    label: str
    """Pool and label of the deployment."""
    deployment: Plan
    """One busy replica of it at the pool's price."""
    gpu_hours: float
    """GPU-hours that it takes over the horizon."""
    time: tuple[TimePart, ...]
    """Where the time of a token goes, part by part."""
    runner_ups: tuple[RunnerUp, ...]
    """The best deployments that differ, by dollars per million tokens of a busy replica."""


def workload_details(
    fleet: Fleet, plan: FleetPlan, name: str, shortlists: ShortlistCache
) -> Iterator[WorkloadDetail]:
    """Yield what runs for one workload, that with most GPU-hours first.

    Parameters
    ----------
    fleet : Fleet
        What was asked.
    plan : FleetPlan
        Its answer.
    name : str
        Name of the workload.
    shortlists : ShortlistCache
        Shortlists of the fleet's other workloads, from which this one's is taken where it can be.

    Raises
    ------
    InputError
        Where there is no such workload, or its deployments come from files.
    """
    (which,) = numbers_of(fleet, (name,))
    resolved = resolve(workload_instance(fleet, which))
    _, table = all_shortlists(resolved, shortlists=shortlists)
    walked = walk(resolved)
    rows = plan.replicas
    mine = rows.workload == which
    keys = np.column_stack((rows.pool, rows.label))[mine]
    kinds, place = np.unique(keys, axis=0, return_inverse=True)
    hours = np.bincount(place.ravel(), (rows.gpus * plan.hours[rows.period])[mine], len(kinds))
    for at in np.argsort(-hours, kind="stable")[:MOST_DEPLOYMENTS].tolist():
        pool, label = plan.pools[kinds[at, 0]], rows.labels[kinds[at, 1]]
        chosen = _row(resolved, table, pool, label)
        if chosen is not None:
            one = _replica(resolved, table.take(np.asarray([chosen])))
            near = runner_ups(resolved, one, walked)
            time, said = breakdown(resolved, one), f"{pool} {label}"
            yield WorkloadDetail(name, said, one, float(hours[at]), time, near)


def _row(resolved: ResolvedInstance, table: Candidates, pool: str, label: str) -> int | None:
    """Return the row of a deployment; none of one that is not among the planner's own."""
    places = [at for at, supply in enumerate(resolved.pools) if supply.label == pool]
    for row in np.flatnonzero(np.isin(table.pool, places)).tolist():
        if label_of(resolved, table, row, pool=False) == label:
            return int(row)
    return None


def _replica(resolved: ResolvedInstance, chosen: Candidates) -> Plan:
    """Return the plan of one busy replica."""
    cost = float(objective_values(resolved, chosen)[0])
    outcome = Outcome(Proof.OPTIMAL, cost, cost, 0.0, "")
    found = Screening(0, chosen, {})
    return build.plan(resolved, found, chosen=chosen, replicas=1, outcome=outcome)
