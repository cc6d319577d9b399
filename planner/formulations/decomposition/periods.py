"""Whole patterns period by period, once it is settled what is reserved for the horizon (G6)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from planner.fleets.figures import Floats, Ints
from planner.formulations.decomposition.blocks import Blocks
from planner.formulations.decomposition.generating import NEGLIGIBLE, Generated, generate
from planner.formulations.decomposition.integral import (
    Chosen,
    Goal,
    distinct_in_use,
    met,
    solve_whole,
)
from planner.formulations.decomposition.market import Market, period_of
from planner.formulations.decomposition.patterns import (
    Patterns,
    Prices,
    best_patterns,
    joined,
    patterns_near,
    priced,
    worth,
)
from planner.formulations.decomposition.rounding import rounded

SHARE = 0.6
"""Part of the gap that single periods may use up."""
PRECISE = 0.1
"""Part of the gap to which the relaxation of a period is solved."""
QUICK_SECONDS = 1.0
"""Time for whole patterns of one period, at first; twice as much with a thousand blocks."""
PATIENT_SECONDS, AT_ALL = 30.0, 100.0
"""Time where that finds none, and how many times farther from the bound any will do."""
ROUNDS = ((10, 3.0), (40, 15.0))
"""Patterns of each block, and time, with which periods are tried again."""
NOTHING = 1e-3
"""Price that stands for none, relative to that of other accelerators."""


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
    parts, found = [], []
    for period in range(blocks.periods):
        parts.append(_relaxed(fleet, period))
        found.append(_first(fleet, parts[-1]))
        _tell(goal, f"period {period + 1} of {blocks.periods}", None)
    total = _total(fleet, found)
    excess = [
        chosen.objective - part.relaxed.bound for part, chosen in zip(parts, found, strict=True)
    ]
    for number, seconds in ROUNDS:
        for period in np.argsort(excess)[::-1].tolist():
            if goal.met(total) or goal.left <= 0:
                return total
            found[period] = _again(fleet, parts[period], found[period], number, seconds)
            total = _total(fleet, found)
            _tell(goal, f"period {period + 1} again", total)
    return total


@dataclass(frozen=True, slots=True)
class _Part:
    """One period, relaxed."""

    blocks: Blocks
    market: Market
    relaxed: Generated

    @property
    def possible(self) -> bool:
        """Whether what is reserved leaves enough to buy."""
        return self.relaxed.finished and float(self.relaxed.overuse.sum()) <= NEGLIGIBLE


def _reserved(market: Market, relaxed: Generated) -> Floats:
    """Return whole granules to reserve of each pool."""
    there = market.reserved >= 0
    amounts = np.zeros(len(market.reserved))
    amounts[there] = np.rint(relaxed.bought[market.reserved[there]])
    return amounts


def _relaxed(fleet: _Fleet, period: int) -> _Part:
    """Solve the relaxation of one period, from the patterns known already."""
    blocks, goal, known = fleet.blocks, fleet.goal, fleet.relaxed.patterns
    mine, shared = blocks.at(period), period_of(fleet.market, period, fleet.reserved)
    met = known.take(np.flatnonzero(blocks.period[known.block] == period))
    met = replace(met, block=_places(blocks, period)[met.block])
    gap = PRECISE * goal.gap
    return _Part(
        mine, shared, generate(mine, shared, gap=gap, seconds=max(goal.left, 0.1), known=met)
    )


def _first(fleet: _Fleet, part: _Part) -> Chosen:
    """Choose among the patterns that the relaxation met."""
    if not part.possible:
        return Chosen(None, math.inf, part.relaxed.bound)
    quick = QUICK_SECONDS * (1 + part.blocks.number / 1000)
    chosen = met(part.blocks, part.market, part.relaxed, _aim(fleet, quick))
    if chosen.patterns is None:
        chosen = rounded(part.blocks, part.market, part.relaxed, fleet.goal)
    if chosen.patterns is None:
        patient = _aim(fleet, PATIENT_SECONDS, AT_ALL)
        chosen = met(part.blocks, part.market, part.relaxed, patient)
    return chosen


def _aim(fleet: _Fleet, seconds: float, times: float = 1.0) -> Goal:
    """Return a goal for one period: a distance relative to what is allowed, and time."""
    until = time.perf_counter() + max(min(seconds, fleet.goal.left), 0.1)
    return Goal(0.0, until, dollars=times * fleet.allowed)


def _again(fleet: _Fleet, part: _Part, before: Chosen, number: int, seconds: float) -> Chosen:
    """Choose among more patterns, so many of each block, of which none alone costs too much."""
    if not part.possible:
        return before
    blocks, market, relaxed = part.blocks, part.market, part.relaxed
    most = fleet.allowed * AT_ALL
    excess = min(before.objective - relaxed.bound, most)
    patterns = joined([relaxed.patterns, _beside(part, excess, number)])
    price = priced(blocks, relaxed.duals.prices(market), worth(blocks, patterns))
    paying = price - relaxed.block_prices[patterns.block] <= excess
    useful = distinct_in_use(blocks, patterns.take(np.flatnonzero(paying)))
    found = solve_whole(blocks, market, useful, before, _aim(fleet, seconds), few=True)
    return found if found.objective < before.objective else before


def _beside(part: _Part, excess: float, number: int) -> Patterns:
    """Return patterns beside those of the relaxation.

    Where accelerators are left over and cost nothing, patterns that take more of them would be
    found in great numbers: they are looked for at prices a little above nothing.
    """
    prices = part.relaxed.duals.prices(part.market)
    dear = prices.lane[prices.lane > 0]
    least = NOTHING * float(np.median(dear)) if len(dear) else 1.0
    prices = Prices(np.maximum(prices.lane, least), prices.dollar)
    cheapest = best_patterns(part.blocks, prices)[2]
    limit = np.where(np.isfinite(cheapest), cheapest, 0.0) + max(excess, 0.0)
    return patterns_near(part.blocks, prices, limit, number)


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
