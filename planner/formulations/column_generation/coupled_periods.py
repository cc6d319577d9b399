"""Whole patterns of a day in which starts cost: each period is chosen beside its neighbours (G8).

A first pass goes through the periods in order, each beside the one before. Further passes choose
each anew beside both its neighbours, until nothing becomes cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints
from planner.formulations.column_generation.covering_items import ranked
from planner.formulations.column_generation.integer_master import Chosen, Goal, solve_whole
from planner.formulations.column_generation.linking_constraints import LinkingConstraints
from planner.formulations.column_generation.one_period import (
    Part,
    Settled,
    aim,
    first_choice,
    relaxed_part,
    settled,
    tell,
    together,
)
from planner.formulations.column_generation.pattern_neighbours import covering, variations
from planner.formulations.column_generation.patterns import Patterns, joined, priced, worth
from planner.formulations.column_generation.pricing_loop import Generated
from planner.formulations.column_generation.startup_costs import (
    Starts,
    Valued,
    replica_prices,
)
from planner.formulations.column_generation.subproblems import Subproblems

NUMBER = 8
"""Patterns of each block among which a period is chosen."""
SECONDS = 2.0
"""Time for one period; twice as much with a thousand blocks."""
MOST_PASSES = 6
VALUING = 0.15
"""Part of the time for the value of running replicas."""
STARTING = 0.1
"""Part of what a start costs that counts where patterns near others are looked for."""

Extra = Callable[[Patterns], Floats]
"""What patterns cost beside what they take."""


@dataclass(slots=True)
class _Day:
    """A day while it is chosen."""

    fleet: Settled
    starts: Starts
    valued: Valued
    parts: list[Part]
    found: list[Chosen] = field(default_factory=list)
    """Choice of each period, with its cost but for starts."""

    def counts(self, period: int) -> Ints | None:
        """Return the replicas of a period, (W, m); None where they are not known yet."""
        if not 0 <= period < len(self.found) or self.found[period].patterns is None:
            return None
        patterns = self.found[period].patterns
        assert patterns is not None
        counts = np.zeros_like(self.fleet.subproblems.choice)
        counts[patterns.block] = patterns.counts
        return counts

    def before(self, period: int) -> Ints | None:
        """Return the replicas that run when a period begins; None where starts are free."""
        earlier = int(self.starts.before[period])
        return self.counts(earlier) if earlier >= 0 else self.starts.running

    def after(self, period: int) -> Ints | None:
        """Return the replicas of the period after; None where there is none, or not yet."""
        return self.counts(int(self.starts.after[period]))

    def starting(self) -> float:
        """Return what all starts cost."""
        total = 0.0
        for period in range(len(self.found)):
            before, now = self.before(period), self.counts(period)
            if before is not None and now is not None:
                total += float(self.starts.between(period, before, now).sum())
        return total

    def total(self) -> Chosen:
        """Put the periods together, with their starts."""
        whole = together(self.fleet, self.found)
        value = whole.objective + self.starting()
        return Chosen(whole.patterns, value, min(self.fleet.relaxed.bound, value))


def choose_beside(
    subproblems: Subproblems,
    linking: LinkingConstraints,
    relaxed: Generated,
    worth_of: Valued,
    goal: Goal,
) -> Chosen:
    """Choose whole patterns of a day in which starts cost (G8).

    Parameters
    ----------
    subproblems, linking : Subproblems, LinkingConstraints
        A fleet in which nothing but reservations and starts ties periods together.
    relaxed : Generated
        Its relaxation without starts, solved.
    worth_of : Valued
        What starts cost, and what replicas that run already are worth.
    goal : Goal
        When to stop.
    """
    fleet = settled(subproblems, linking, replace(relaxed, bound=worth_of.bound), goal)
    day = _Day(fleet, worth_of.starts, worth_of, [])
    for period in range(subproblems.periods):
        day.parts.append(relaxed_part(fleet, period))
        found = _beside(day, period, None)
        if found.patterns is None:
            found = first_choice(fleet, day.parts[period])
        day.found.append(found)
        tell(goal, f"period {period + 1} of {subproblems.periods}", None)
    total = day.total()
    for turn in range(MOST_PASSES):
        before = total.objective
        for period in range(subproblems.periods):
            if goal.met(total) or goal.left <= 0 or total.patterns is None:
                return total
            day.found[period] = _beside(day, period, day.found[period])
            total = day.total()
            tell(goal, f"period {period + 1}, pass {turn + 2}", total)
        if total.objective >= before - fleet.allowed:
            break
    return total


def _beside(day: _Day, period: int, known: Chosen | None) -> Chosen:
    """Choose a period beside its neighbours, as far as they are known."""
    part, fleet = day.parts[period], day.fleet
    if not part.possible:
        return Chosen(None, math.inf, part.relaxed.bound)
    before, after = day.before(period), day.after(period)

    def extra(patterns: Patterns) -> Floats:
        found = day.starts.of(patterns, period, before, after)
        # What comes later is not known in the first pass.
        return found if after is not None else found - day.valued.kept(day.starts, patterns, period)

    start = Chosen(None, math.inf, -math.inf)
    if known is not None and known.patterns is not None:
        start = replace(known, objective=known.objective + float(extra(known.patterns).sum()))
    patterns = _candidates(day, period, [before, after, day.counts(period)], extra)
    goal = aim(fleet, SECONDS * (1 + part.subproblems.number / 1000))
    found = solve_whole(
        part.subproblems, part.linking, patterns, start, goal, few=True, extra=extra
    )
    if found.patterns is None or (known is not None and found.objective >= start.objective):
        return known or found
    return replace(found, objective=found.objective - float(extra(found.patterns).sum()))


def _candidates(day: _Day, period: int, near: list[Ints | None], extra: Extra) -> Patterns:
    """Return patterns to choose a period among: those met, and the cheapest near its neighbours."""
    part = day.parts[period]
    subproblems, prices = part.subproblems, part.relaxed.duals.prices(part.linking)
    price = replica_prices(subproblems, prices)[:, :, 0] + STARTING * day.starts.dollars
    if day.starts.layout is not None and near[0] is not None:
        near = [*near, day.starts.best_batches(near[0], subproblems.rate)]
    found = [
        variations(subproblems, counts, price, NUMBER) for counts in near if counts is not None
    ]
    found += [_kept(subproblems, *near[:3])]
    patterns = joined(found)
    cost = priced(subproblems, prices, worth(subproblems, patterns)) + extra(patterns)
    order, rank = ranked(patterns.block, cost)
    return joined([part.relaxed.patterns, patterns.take(np.sort(order[rank < NUMBER]))])


def _kept(
    subproblems: Subproblems, before: Ints | None, after: Ints | None, now: Ints | None
) -> Patterns:
    """Return what ran before, where it still suffices, and what may run through a period."""
    everything = np.arange(subproblems.number)
    tries = [] if before is None else [before]
    if before is not None and after is not None and now is not None:
        tries.append(np.maximum(now, np.minimum(before, after)))
    found = [covering(subproblems, everything, counts) for counts in tries]
    nothing = np.zeros((0, subproblems.choice.shape[1]), dtype=np.int64)
    return joined([covering(subproblems, everything[:0], nothing), *found])
