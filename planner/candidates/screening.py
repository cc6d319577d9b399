"""Surveying the search space: what could be best, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from planner.candidates.dominance import undominated
from planner.candidates.requirements import objective_values, requirements, violations
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import Candidates, concatenate
from planner.problem.resolve import ResolvedInstance


@dataclass(frozen=True, slots=True)
class Screening:
    """What a walk over the whole search space found."""

    evaluated: int
    """Deployments that were evaluated."""
    choices: Candidates | None
    """Those that the objective or its ties could prefer; None where none is possible."""
    best_without: dict[str, float]
    """Best objective, to be minimised, once one requirement is dropped."""
    missing: Candidates | None = None
    """Where none is possible, the shortlists of all pools, from which follows what could be."""


def screen(
    resolved: ResolvedInstance,
    progress: Callable[[int], None] | None = None,
    shortlists: ShortlistCache | None = None,
) -> Screening:
    """Shortlist the deployments of every pool and screen them.

    Parameters
    ----------
    resolved : ResolvedInstance
        What is asked.
    progress : callable, optional
        Told how many deployments were evaluated so far.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances.
    """
    evaluated, table = all_shortlists(resolved, progress, shortlists)
    found = requirements(resolved, table)
    missed = violations(found)
    scores = objective_values(resolved, table)
    best = np.full(1 << len(found), np.inf)
    np.minimum.at(best, missed, scores)
    qualified = np.flatnonzero(missed == 0)
    choices = None
    if len(qualified):
        possible = table.take(qualified)
        choices = possible.take(undominated(resolved, possible))
    without = {
        requirement.name: float(min(best[0], best[1 << bit]))
        for bit, requirement in enumerate(found)
    }
    return Screening(evaluated, choices, without, table if choices is None else None)


def all_shortlists(
    resolved: ResolvedInstance,
    progress: Callable[[int], None] | None = None,
    shortlists: ShortlistCache | None = None,
) -> tuple[int, Candidates]:
    """Return how many deployments were evaluated, and the shortlists of all pools as one table."""
    shortlist_of = (shortlists or ShortlistCache()).shortlist
    evaluated = 0
    found: list[Candidates] = []
    for pool in range(len(resolved.pools)):
        told = None if progress is None else partial(_tell, progress, evaluated)
        short = shortlist_of(resolved, pool, told)
        evaluated += short.evaluated
        found.append(short.in_pool(resolved, pool))
    return evaluated, concatenate(found)


def _tell(progress: Callable[[int], None], before: int, done: int) -> None:
    progress(before + done)
