"""Why no deployment satisfies an instance: the fewest requirements in the way, and the nearest."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from itertools import combinations

import numpy as np

from planner.candidates import Candidates, Integers, label
from planner.question import Question
from planner.requirements import Mask, Requirement, all_met
from planner.terms.passes import Floats

FIXED = "memory_capacity"


@dataclass(frozen=True, slots=True)
class Relaxation:
    """One requirement and the nearest value at which it could be met."""

    requirement: str
    asked: float
    nearest: float
    at_most: bool
    unit: str

    def __str__(self) -> str:
        safe = ROUND_CEILING if self.at_most else ROUND_FLOOR  # What is shown can be met.
        asked, nearest = show(self.asked, self.unit), show(self.nearest, self.unit, safe)
        if self.at_most:
            return f"{self.requirement}: at most {asked} asked, at least {nearest} needed"
        return f"{self.requirement}: at least {asked} asked, at most {nearest} possible"


@dataclass(frozen=True, slots=True)
class Way:
    """A smallest set of requirements to relax together, and a deployment that then remains."""

    relaxations: tuple[Relaxation, ...]
    deployment: str

    def __str__(self) -> str:
        return " and ".join(map(str, self.relaxations)) + f" ({self.deployment})"


def show(value: float, unit: str, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return a value with its unit, short."""
    exact = Decimal(repr(value))
    if unit == "B":
        return f"{(exact / 10**9).quantize(Decimal('0.1'), rounding)} GB"
    if unit in ("GPUs", "replicas"):
        return f"{value:,.0f} {unit}"
    return f"{float(Context(prec=4, rounding=rounding).plus(exact)):,.4g} {unit}"


def diagnose(question: Question, table: Candidates, found: list[Requirement]) -> list[Way]:
    """Return every smallest set of requirements whose relaxation leaves a deployment.

    Requirements are dropped one at a time, then in pairs, and so on until something remains; the
    memory of an accelerator is relaxed only where nothing fits at all.
    """
    if not len(table):
        return []
    movable = [requirement for requirement in found if requirement.name != FIXED]
    fixed = [requirement for requirement in found if requirement.name == FIXED]
    if not all_met(fixed).any():
        return [_way(question, table, tuple(fixed), np.ones(len(table), dtype=bool))]
    for size in range(1, len(movable) + 1):
        ways = []
        for dropped in combinations(movable, size):
            kept = [requirement for requirement in found if requirement not in dropped]
            remaining = all_met(kept)
            if remaining.any():
                ways.append(_way(question, table, dropped, remaining))
        if ways:
            return ways
    return []


def _way(
    question: Question, table: Candidates, dropped: tuple[Requirement, ...], remaining: Mask
) -> Way:
    """Among what remains, take the deployment whose worst relative miss is least."""
    rows = np.flatnonzero(remaining)
    misses = np.max([_miss(requirement, rows) for requirement in dropped], axis=0)
    row = int(rows[int(np.argmin(misses))])
    relaxations = tuple(
        Relaxation(
            requirement.name,
            float(np.broadcast_to(requirement.limit, len(table))[row]),
            float(requirement.attained[row]),
            requirement.at_most,
            requirement.unit,
        )
        for requirement in dropped
    )
    return Way(relaxations, label(question, table, row))


def _miss(requirement: Requirement, rows: Integers) -> Floats:
    """How many times too much, or too little, each row attains."""
    limit = np.broadcast_to(requirement.limit, requirement.attained.shape)[rows]
    attained = requirement.attained[rows]
    ratio: Floats = attained / limit if requirement.at_most else limit / attained
    return ratio


def explain(question: Question, ways: list[Way]) -> str:
    """Say in one paragraph what cannot be met and what could."""
    if not ways:
        return "No deployment of the search space is admissible: widen `search`."
    text = "; or ".join(map(str, ways))
    alone = len(ways[0].relaxations) == 1
    lead = "" if alone else "No single change suffices: "
    pools = ", ".join(pool.label for pool in question.pools)
    return f"{lead}{text}. Searched: {pools}."
