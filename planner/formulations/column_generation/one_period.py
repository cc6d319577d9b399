"""One period of a fleet at a time, once it is settled what is reserved for the horizon (G6)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints
from planner.formulations.column_generation.integer_master import Chosen, Goal, met
from planner.formulations.column_generation.linking_constraints import LinkingConstraints, period_of
from planner.formulations.column_generation.patterns import joined
from planner.formulations.column_generation.pricing_loop import Generated, generate
from planner.formulations.column_generation.rounding import rounded
from planner.formulations.column_generation.subproblems import Subproblems
from planner.problem.tolerances import NEGLIGIBLE

SHARE = 0.6
"""Part of the gap that single periods may use up."""
PRECISE = 0.1
"""Part of the gap to which the relaxation of a period is solved."""
QUICK_SECONDS = 1.0
"""Time for whole patterns of one period, at first; twice as much with a thousand blocks."""
PATIENT_SECONDS, AT_ALL = 30.0, 100.0
"""Time where that finds none, and how many times farther from the bound any will do."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A fleet whose reservations are settled."""

    subproblems: Subproblems
    linking: LinkingConstraints
    relaxed: Generated
    reserved: Floats
    """(P,) purchase increments."""
    allowed: float
    """Dollars by which a period may exceed its part of the relaxation."""
    goal: Goal


@dataclass(frozen=True, slots=True)
class Part:
    """One period, relaxed."""

    subproblems: Subproblems
    linking: LinkingConstraints
    relaxed: Generated

    @property
    def possible(self) -> bool:
        """Whether what is reserved leaves enough to buy."""
        return self.relaxed.finished and float(self.relaxed.overuse.sum()) <= NEGLIGIBLE


def settled(
    subproblems: Subproblems, linking: LinkingConstraints, relaxed: Generated, goal: Goal
) -> Settled:
    """Reserve as the relaxation does, in whole purchase increments.

    Parameters
    ----------
    subproblems, linking : Subproblems, LinkingConstraints
        A fleet in which nothing but reservations ties periods together.
    relaxed : Generated
        Its relaxation, solved.
    goal : Goal
        When to stop.
    """
    there = linking.reserved >= 0
    amounts = np.zeros(len(linking.reserved))
    amounts[there] = np.rint(relaxed.bought[linking.reserved[there]])
    allowed = SHARE * goal.gap * abs(relaxed.bound) / subproblems.periods
    return Settled(subproblems, linking, relaxed, amounts, allowed, goal)


def relaxed_part(fleet: Settled, period: int) -> Part:
    """Solve the relaxation of one period, from the patterns known already."""
    subproblems, goal, known = fleet.subproblems, fleet.goal, fleet.relaxed.patterns
    mine, shared = subproblems.at(period), period_of(fleet.linking, period, fleet.reserved)
    met = known.take(np.flatnonzero(subproblems.period[known.block] == period))
    met = replace(met, block=_places(subproblems, period)[met.block])
    gap = PRECISE * goal.gap
    return Part(
        mine, shared, generate(mine, shared, gap=gap, seconds=max(goal.left, 0.1), known=met)
    )


def first_choice(fleet: Settled, part: Part) -> Chosen:
    """Choose among the patterns that the relaxation met."""
    if not part.possible:
        return Chosen(None, math.inf, part.relaxed.bound)
    quick = QUICK_SECONDS * (1 + part.subproblems.number / 1000)
    chosen = met(part.subproblems, part.linking, part.relaxed, aim(fleet, quick))
    if chosen.patterns is None:
        chosen = rounded(part.subproblems, part.linking, part.relaxed, fleet.goal)
    if chosen.patterns is None:
        patient = aim(fleet, PATIENT_SECONDS, AT_ALL)
        chosen = met(part.subproblems, part.linking, part.relaxed, patient)
    return chosen


def aim(fleet: Settled, seconds: float, times: float = 1.0) -> Goal:
    """Return a goal for one period: a distance relative to what is allowed, and time."""
    until = time.perf_counter() + max(min(seconds, fleet.goal.left), 0.1)
    return Goal(0.0, until, dollars=times * fleet.allowed)


def together(fleet: Settled, found: list[Chosen]) -> Chosen:
    """Put the periods together."""
    there = fleet.linking.reserved >= 0
    spent = float(fleet.linking.cost[fleet.linking.reserved[there]] @ fleet.reserved[there])
    bound = fleet.relaxed.bound
    parts = []
    for period, chosen in enumerate(found):
        if chosen.patterns is None:
            return Chosen(None, math.inf, bound)
        rows = np.flatnonzero(fleet.subproblems.period == period)
        parts.append(replace(chosen.patterns, block=rows[chosen.patterns.block]))
    total = spent + sum(chosen.objective for chosen in found)
    return Chosen(joined(parts), total, min(bound, total))


def _places(subproblems: Subproblems, period: int) -> Ints:
    """Return the index of every block among those of a period."""
    place = np.full(subproblems.number, -1, dtype=np.int64)
    mine = np.flatnonzero(subproblems.period == period)
    place[mine] = np.arange(len(mine))
    return place


def tell(goal: Goal, stage: str, total: Chosen | None) -> None:
    """Say how far it is, if somebody listens."""
    if goal.progress is not None:
        objective, bound = (total.objective, total.bound) if total else (math.nan, math.nan)
        goal.progress(stage, objective, bound)
