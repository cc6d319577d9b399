"""Explanations of instances of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

from planner.analysis.explanation.explain import Explanation, explain_one
from planner.analysis.explanation.sensitivity import DEFAULT_CHANGE
from planner.analysis.fleet.explain import FleetExplanation, explain_fleet
from planner.candidates.shortlist_cache import ShortlistCache
from planner.formulations.column_generation.pricing_loop import Progress
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance
from planner.problem.offers import Offers


@overload
def explain(
    instance: Instance,
    *,
    progress: Callable[[float], None] | None = None,
    shortlists: ShortlistCache | None = None,
    added: Sequence[str] = (),
    by: float = DEFAULT_CHANGE,
) -> Explanation: ...
@overload
def explain(
    instance: Fleet,
    *,
    progress: Progress | None = None,
    offers: Offers | None = None,
    workloads: Iterable[str] = (),
) -> FleetExplanation: ...


def explain(
    instance: Instance | Fleet,
    *,
    progress: Any = None,
    shortlists: ShortlistCache | None = None,
    added: Sequence[str] = (),
    by: float = DEFAULT_CHANGE,
    offers: Offers | None = None,
    workloads: Iterable[str] = (),
) -> Explanation | FleetExplanation:
    """Solve an instance and explain the plan; every number is from another solve or exact.

    Parameters
    ----------
    instance : Instance or Fleet
        What is asked.
    progress : callable, optional
        Told which part of the work is done, from 0 to 1; of a fleet, what is worked out and how
        far the solver is.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances, from which one deployment is answered where it can be.
    added : sequence of str
        Accelerators of the catalogue whose break-even prices are told although the instance has no
        pool of them; of one deployment.
    by : float
        Part by which each assumption is lowered and raised, between 0 and 1; of one deployment.
    offers : Offers, optional
        Deployments on offer to a fleet.
    workloads : iterable of str
        Workloads of a fleet whose deployments are looked at; then what guarantees cost and where
        prices would change is left out.

    Returns
    -------
    Explanation or FleetExplanation
        Where the instance is infeasible, why.

    Raises
    ------
    InputError, SolverError, CheckError
        As `planner.solve` does, for added accelerators that are unknown or there already, and for
        workloads that are unknown.
    ValueError
        Where `by` is not between 0 and 1.

    Examples
    --------
    >>> import planner
    >>> found = planner.explain(planner.read_instance("instances/llama-8b-smallest"))
    >>> sorted({part.term for part in found.time})
    ['arithmetic', 'latency', 'memory', 'network', 'stall']
    >>> found = planner.explain(planner.read_instance("instances/melange"))
    >>> [row.name for row in found.guarantees]
    []
    """
    if isinstance(instance, Fleet):
        return explain_fleet(instance, offers, workloads, progress)
    return explain_one(instance, shortlists=shortlists, progress=progress, added=added, by=by)
