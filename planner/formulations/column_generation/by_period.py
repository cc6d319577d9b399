"""Whole patterns period by period, once it is settled what is reserved for the horizon (G6)."""

from __future__ import annotations

import numpy as np

from planner.formulations.column_generation.integer_master import (
    Chosen,
    Goal,
    distinct_in_use,
    solve_whole,
)
from planner.formulations.column_generation.linking_constraints import LinkingConstraints
from planner.formulations.column_generation.one_period import (
    AT_ALL,
    Part,
    Settled,
    aim,
    first_choice,
    relaxed_part,
    settled,
    tell,
    together,
)
from planner.formulations.column_generation.patterns import (
    Patterns,
    Prices,
    best_patterns,
    joined,
    patterns_near,
    priced,
    worth,
)
from planner.formulations.column_generation.pricing_loop import Generated
from planner.formulations.column_generation.subproblems import Subproblems

ROUNDS = ((10, 3.0), (40, 15.0))
"""Patterns of each block, and time, with which periods are tried again."""
NOTHING = 1e-3
"""Price that stands for none, relative to that of other accelerators."""


def choose_by_period(
    subproblems: Subproblems, linking: LinkingConstraints, relaxed: Generated, goal: Goal
) -> Chosen:
    """Choose whole patterns in each period alone, with the reservations of the relaxation (G6).

    The bound is the relaxation's: it holds for any reservations. Where the whole is not good
    enough, periods are tried again with more patterns, the dearest excess first.

    Parameters
    ----------
    subproblems, linking : Subproblems, LinkingConstraints
        A fleet in which nothing but reservations ties periods together.
    relaxed : Generated
        Its relaxation, solved.
    goal : Goal
        When to stop.
    """
    fleet = settled(subproblems, linking, relaxed, goal)
    parts, found = [], []
    for period in range(subproblems.periods):
        parts.append(relaxed_part(fleet, period))
        found.append(first_choice(fleet, parts[-1]))
        tell(goal, f"period {period + 1} of {subproblems.periods}", None)
    total = together(fleet, found)
    excess = [
        chosen.objective - part.relaxed.bound for part, chosen in zip(parts, found, strict=True)
    ]
    for number, seconds in ROUNDS:
        for period in np.argsort(excess)[::-1].tolist():
            if goal.met(total) or goal.left <= 0:
                return total
            found[period] = _again(fleet, parts[period], found[period], number, seconds)
            total = together(fleet, found)
            tell(goal, f"period {period + 1} again", total)
    return total


def _again(fleet: Settled, part: Part, before: Chosen, number: int, seconds: float) -> Chosen:
    """Choose among more patterns, so many of each block, of which none alone costs too much."""
    if not part.possible:
        return before
    subproblems, linking, relaxed = part.subproblems, part.linking, part.relaxed
    most = fleet.allowed * AT_ALL
    excess = min(before.objective - relaxed.bound, most)
    patterns = joined([relaxed.patterns, _beside(part, excess, number)])
    price = priced(subproblems, relaxed.duals.prices(linking), worth(subproblems, patterns))
    paying = price - relaxed.block_prices[patterns.block] <= excess
    useful = distinct_in_use(subproblems, patterns.take(np.flatnonzero(paying)))
    found = solve_whole(subproblems, linking, useful, before, aim(fleet, seconds), few=True)
    return found if found.objective < before.objective else before


def _beside(part: Part, excess: float, number: int) -> Patterns:
    """Return patterns beside those of the relaxation.

    Where accelerators are left over and cost nothing, patterns that take more of them would be
    found in great numbers: they are looked for at prices a little above nothing.
    """
    prices = part.relaxed.duals.prices(part.linking)
    dear = prices.capacity_type[prices.capacity_type > 0]
    least = NOTHING * float(np.median(dear)) if len(dear) else 1.0
    prices = Prices(np.maximum(prices.capacity_type, least), prices.dollar)
    cheapest = best_patterns(part.subproblems, prices)[2]
    limit = np.where(np.isfinite(cheapest), cheapest, 0.0) + max(excess, 0.0)
    return patterns_near(part.subproblems, prices, limit, number)
