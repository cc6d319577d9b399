"""Frontiers of a fleet: of each workload by itself, and the whole over the values of a field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from planner.analysis.fleet.changes import within
from planner.analysis.fleet.workload_instance import numbers_of, workload_instance
from planner.analysis.frontier import Frontier, frontier
from planner.analysis.parameter_sweep import Over
from planner.api import solve_fleet
from planner.batch.tasks import Task, failure
from planner.candidates.shortlist_cache import ShortlistCache
from planner.errors import InputError, PlannerError
from planner.formulations.column_generation.pricing_loop import Progress
from planner.io.overrides import changed
from planner.plans.plan import Plan
from planner.plans.summary_row import summary_row
from planner.problem.fleet import Fleet


def frontiers(
    fleet: Fleet,
    names: tuple[str, ...] = (),
    *,
    speed_exponent: float | None = None,
    shortlists: ShortlistCache | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Frontier | Plan]:
    """Find the frontier of each workload of a fleet, as if it were alone.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    names : tuple of str
        Workloads that are looked at; left out, all of them.
    speed_exponent : float, optional
        Exponent of speed in what a token is worth.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances.
    progress : callable, optional
        Told how many deployments of a workload were evaluated so far.

    Yields
    ------
    Frontier or Plan
        Points name the fleet as their instance, and the workload. Of a workload that takes its
        deployments from files, a plan that says why it has none.

    Raises
    ------
    InputError
        Where there is no such workload.

    Examples
    --------
    >>> import planner
    >>> from planner.analysis.fleet.frontiers import frontiers
    >>> fleet = planner.read_instance("instances/day")
    >>> [found.points[0].workload for found in frontiers(fleet)]
    ['chat', 'code']
    """
    shortlists = shortlists or ShortlistCache()
    for which in numbers_of(fleet, names):
        name = fleet.workloads[which].name
        try:
            asked = workload_instance(fleet, which)
            asked = asked.model_copy(update={"speed_exponent": speed_exponent})
            found = frontier(asked, shortlists=shortlists, progress=progress)
        except InputError as error:
            yield _named(failure(Task(given=fleet), error), fleet, name)
            continue
        points = tuple(_named(point, fleet, name) for point in found.points)
        nothing = None if found.nothing is None else _named(found.nothing, fleet, name)
        yield replace(found, points=points, nothing=nothing)


def _named(plan: Plan, fleet: Fleet, workload: str) -> Plan:
    """Return a point with the names of its fleet and its workload."""
    return replace(plan, instance=fleet.name, workload=workload, instance_digest=fleet.digest)


def frontiers_over(
    fleet: Fleet,
    field: str,
    values: Iterable[Any],
    names: tuple[str, ...] = (),
    *,
    shortlists: ShortlistCache | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Over]:
    """Find the frontier of each workload for every value of one field.

    Parameters
    ----------
    fleet, names, shortlists, progress
        As for `frontiers`.
    field : str
        Path of a field, as sweeps write it.
    values : iterable
        What a file would hold there.

    Yields
    ------
    Over
        One per workload.

    Raises
    ------
    InputError
        Where there is no such workload, or the fleet is wrong with every value.
    """
    wanted, shortlists = tuple(values), shortlists or ShortlistCache()
    asked = each_changed(fleet, field, wanted)
    for which in numbers_of(fleet, names):
        name = fleet.workloads[which].name
        found: list[Frontier | Plan] = []
        for one in asked:
            if isinstance(one, InputError):
                found.append(_named(failure(Task(given=fleet), one), fleet, name))
            else:
                found += frontiers(one, (name,), shortlists=shortlists, progress=progress)
        yield Over(field, wanted, tuple(found))


def best_over(
    fleet: Fleet, field: str, values: Iterable[Any], progress: Progress | None = None
) -> Over:
    """Solve a fleet for every value of one field.

    Parameters
    ----------
    fleet, field, values
        As for `frontiers_over`.
    progress : callable, optional
        Told which value is solved and how far the solver is.

    Returns
    -------
    Over
        A row for each value: what the fleet's plan costs an hour, proved.

    Raises
    ------
    InputError
        Where the fleet is wrong with every value.
    """
    wanted = tuple(values)
    plans = []
    for value, one in zip(wanted, each_changed(fleet, field, wanted), strict=True):
        if isinstance(one, InputError):
            plans.append(failure(Task(given=fleet), one))
            continue
        try:
            plan = solve_fleet(one, None, within(progress, f"{field} = {value}"))
            plans.append(summary_row(one, plan))
        except PlannerError as error:
            plans.append(failure(Task(given=fleet), error))
    return Over(field, wanted, tuple(plans))


def each_changed(fleet: Fleet, field: str, values: tuple[Any, ...]) -> list[Fleet | InputError]:
    """Return a fleet with each value in a field, or why it cannot be there.

    Raises
    ------
    InputError
        Where it can have none of them.
    """
    found: list[Fleet | InputError] = []
    wrong: list[InputError] = []
    for value in values:
        try:
            found.append(changed(fleet, {field: value}))
        except InputError as error:
            wrong.append(error)
            found.append(error)
    if wrong and len(wrong) == len(found):
        raise wrong[0]
    return found
