"""Surveying the search space block by block: what could be best, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.candidates import Candidates, blocks, concatenate, label
from planner.question import Question
from planner.requirements import (
    Requirement,
    objective_values,
    requirements,
    undominated,
    violations,
)
from planner.terms.passes import Floats


@dataclass(frozen=True, slots=True)
class Miss:
    """The deployment that comes nearest among those that miss the same requirements."""

    requirements: tuple[str, ...]
    attained: tuple[float, ...]
    limits: tuple[float, ...]
    at_most: tuple[bool, ...]
    units: tuple[str, ...]
    deployment: str
    worst: float
    """How many times too much, or too little, the worst of them is."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a walk over the whole search space found."""

    evaluated: int
    """Deployments that were evaluated."""
    possible: int
    """Those that meet every requirement."""
    choices: Candidates | None
    """Those that some price, demand or taste could make the best; None where none is possible."""
    best_without: dict[str, float]
    """Best objective, to be minimised, once one requirement is dropped."""


def survey(question: Question, progress: Callable[[int], None] | None = None) -> Survey:
    """Evaluate every deployment, in blocks that are forgotten again.

    Parameters
    ----------
    question : Question
        What is asked.
    progress : callable, optional
        Told how many deployments were evaluated so far, after every block.
    """
    kept: list[Candidates] = []
    evaluated = possible = 0
    best: Floats = np.zeros(0)
    names: list[str] = []
    for table in blocks(question):
        found = requirements(question, table)
        names = [requirement.name for requirement in found]
        missed = violations(found)
        if not len(best):
            best = np.full(1 << len(found), np.inf)
        np.minimum.at(best, missed, objective_values(question, table))
        qualified = np.flatnonzero(missed == 0)
        if len(qualified):
            choices = table.take(qualified)
            kept.append(choices.take(undominated(question, choices)))
        evaluated += len(table)
        possible += len(qualified)
        if progress is not None:
            progress(evaluated)
    choices_left = None
    if kept:
        together = concatenate(kept)
        choices_left = together.take(undominated(question, together))
    without = {
        name: float(min(best[0], best[1 << bit])) for bit, name in enumerate(names) if len(best)
    }
    return Survey(evaluated, possible, choices_left, without)


def nearest_misses(question: Question) -> dict[int, Miss]:
    """Return, for every set of requirements that some deployments miss, the nearest of them.

    The keys have one bit per requirement, in their order.
    """
    nearest: dict[int, Miss] = {}
    for table in blocks(question):
        found = requirements(question, table)
        missed = violations(found)
        for pattern in np.unique(missed):
            rows = np.flatnonzero(missed == pattern)
            dropped = [r for bit, r in enumerate(found) if int(pattern) >> bit & 1]
            miss = _nearest(question, table, rows, dropped)
            known = nearest.get(int(pattern))
            if known is None or miss.worst < known.worst:
                nearest[int(pattern)] = miss
    return nearest


def _nearest(
    question: Question,
    table: Candidates,
    rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    dropped: list[Requirement],
) -> Miss:
    worst = np.ones(len(rows))
    for requirement in dropped:
        limit = np.broadcast_to(requirement.limit, len(table))[rows]
        attained = requirement.attained[rows]
        ratio = attained / limit if requirement.at_most else limit / attained
        worst = np.maximum(worst, ratio)
    at = int(np.argmin(worst))
    row = int(rows[at])
    return Miss(
        tuple(requirement.name for requirement in dropped),
        tuple(float(requirement.attained[row]) for requirement in dropped),
        tuple(float(np.broadcast_to(r.limit, len(table))[row]) for r in dropped),
        tuple(requirement.at_most for requirement in dropped),
        tuple(requirement.unit for requirement in dropped),
        label(question, table, row),
        float(worst[at]),
    )
