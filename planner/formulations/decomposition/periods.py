"""Whole patterns period by period, once it is settled what is reserved for the horizon (G6)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from planner.fleets.figures import Floats, Ints
from planner.formulations.decomposition.blocks import Blocks
from planner.formulations.decomposition.generating import NEGLIGIBLE, Generated, generate
from planner.formulations.decomposition.integral import Chosen, Goal, choose
from planner.formulations.decomposition.market import Market, period_of
from planner.formulations.decomposition.patterns import joined
from planner.formulations.decomposition.rounding import rounded

SHARE = 0.6
"""Part of the gap that single periods may use up."""
PRECISE = 0.1
"""Part of the gap to which the relaxation of a period is solved."""
QUICK_SECONDS = 3.0
"""Time for whole patterns of one period, at first."""


@dataclass(frozen=True, slots=True)
class _Fleet:
    """A fleet whose reservations are settled."""

    blocks: Blocks
    market: Market
    relaxed: Generated
    reserved: Floats
    """(P,) granules."""
    allowed: float
    """Dollars by which a period may exceed its part of the relaxation."""
    goal: Goal


def choose_by_period(blocks: Blocks, market: Market, relaxed: Generated, goal: Goal) -> Chosen:
    """Choose whole patterns in each period alone, with the reservations of the relaxation (G6).

    The bound is the relaxation's: it holds for any reservations. Periods that took too long are
    tried again, the dearest excess first, where the whole is not good enough.

    Parameters
    ----------
    blocks, market : Blocks, Market
        A fleet in which nothing but reservations ties periods together.
    relaxed : Generated
        Its relaxation, solved.
    goal : Goal
        When to stop.
    """
    allowed = SHARE * goal.gap * abs(relaxed.bound) / blocks.periods
    fleet = _Fleet(blocks, market, relaxed, _reserved(market, relaxed), allowed, goal)
    found = []
    for period in range(blocks.periods):
        found.append(_one(fleet, period, QUICK_SECONDS))
        _tell(goal, f"period {period + 1} of {blocks.periods}", None)
    total = _total(fleet, found)
    excess = [chosen.objective - chosen.bound for chosen in found]
    for period in np.argsort(excess)[::-1].tolist():
        if goal.met(total) or goal.left <= 0:
            break
        better = _one(fleet, period, math.inf)
        if better.objective < found[period].objective:
            found[period] = better
            total = _total(fleet, found)
        _tell(goal, f"period {period + 1} again", total)
    return total


def _reserved(market: Market, relaxed: Generated) -> Floats:
    """Return whole granules to reserve of each pool."""
    there = market.reserved >= 0
    amounts = np.zeros(len(market.reserved))
    amounts[there] = np.rint(relaxed.bought[market.reserved[there]])
    return amounts


def _one(fleet: _Fleet, period: int, seconds: float) -> Chosen:
    """Choose the patterns of one period."""
    blocks, relaxed, goal = fleet.blocks, fleet.relaxed, fleet.goal
    mine, shared = blocks.at(period), period_of(fleet.market, period, fleet.reserved)
    met = relaxed.patterns.take(np.flatnonzero(blocks.period[relaxed.patterns.block] == period))
    met = replace(met, block=_places(blocks, period)[met.block])
    part = generate(mine, shared, gap=PRECISE * goal.gap, seconds=max(goal.left, 0.1), known=met)
    if not part.finished or part.overuse.sum() > NEGLIGIBLE:
        return Chosen(None, math.inf, part.bound)
    until = time.perf_counter() + max(min(seconds, goal.left), 0.1)
    aim = Goal(0.0, until, dollars=fleet.allowed)
    chosen = choose(mine, shared, part, aim)
    return chosen if chosen.patterns is not None else rounded(mine, shared, part, fleet.goal)


def _total(fleet: _Fleet, found: list[Chosen]) -> Chosen:
    """Put the periods together."""
    there = fleet.market.reserved >= 0
    spent = float(fleet.market.cost[fleet.market.reserved[there]] @ fleet.reserved[there])
    bound = fleet.relaxed.bound
    parts = []
    for period, chosen in enumerate(found):
        if chosen.patterns is None:
            return Chosen(None, math.inf, bound)
        rows = np.flatnonzero(fleet.blocks.period == period)
        parts.append(replace(chosen.patterns, block=rows[chosen.patterns.block]))
    total = spent + sum(chosen.objective for chosen in found)
    return Chosen(joined(parts), total, min(bound, total))


def _places(blocks: Blocks, period: int) -> Ints:
    """Return the index of every block among those of a period."""
    place = np.full(blocks.number, -1, dtype=np.int64)
    mine = np.flatnonzero(blocks.period == period)
    place[mine] = np.arange(len(mine))
    return place


def _tell(goal: Goal, stage: str, total: Chosen | None) -> None:
    if goal.progress is not None:
        objective, bound = (total.objective, total.bound) if total else (math.nan, math.nan)
        goal.progress(stage, objective, bound)
