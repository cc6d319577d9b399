"""Whole patterns: the best of those whose reduced cost is small, and what that proves (G5).

Let a relaxation prove the bound L. A fleet that uses any pattern of reduced cost above d costs more
than L + d. So the best fleet of the patterns within d, which a mixed-integer program finds and
bounds, is the best of all where it costs no more than L + d; and in any case nothing is cheaper
than the lesser of L + d and the program's own bound.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints
from planner.formulations.column_generation.covering_search import TooManyError
from planner.formulations.column_generation.linking_constraints import LinkingConstraints
from planner.formulations.column_generation.patterns import (
    Patterns,
    joined,
    patterns_within,
    priced,
    worth,
)
from planner.formulations.column_generation.pricing_loop import Generated, Progress
from planner.formulations.column_generation.restricted_master import add_patterns, new_program
from planner.formulations.column_generation.subproblems import Subproblems
from planner.problem.tolerances import PROVED
from solvers import trusted_runs

FIRST_EXTRA = 500
"""Patterns beyond one per block with which the search for whole ones begins."""
GROWTH = 3.0
"""How much wider each round looks."""
MOST_PATTERNS = 400_000
"""Patterns above which a round is not tried."""
FEW_PATTERNS, EXACT = 20_000, 1e-9
"""Patterns up to which looking for needless ones pays, and rows hold more exactly than HiGHS's
default, with which it may overspend a budget by a millionth."""
MOST_STATES = 600_000
"""States above which looking for patterns gives up."""
HARDLY_ANY_SECONDS = 0.1
"""Time in which nothing more is begun."""
ENOUGH = 0.5
"""Part of the allowed distance at which one round stops."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whole patterns, one per block, and what is proved about them."""

    patterns: Patterns | None
    """None where no feasible choice was found."""
    objective: float
    bound: float


@dataclass(frozen=True, slots=True)
class Goal:
    """When to stop."""

    gap: float
    """Relative distance of plan and bound."""
    until: float
    """`time.perf_counter()` at which time is out."""
    dollars: float = 0.0
    """Distance that counts as none."""
    progress: Progress | None = None
    """Told the stage, the objective and the bound."""

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.until - time.perf_counter()

    def status(self, chosen: Chosen) -> str:
        """Return `optimal`, `feasible` where the search ended before its time, or `time_limit`."""
        if self.met(chosen):
            return "optimal"
        return "time_limit" if self.left <= HARDLY_ANY_SECONDS else "feasible"

    def allowed(self, objective: float) -> float:
        """Return the distance at which to stop."""
        return max(max(self.gap, PROVED) * abs(objective), self.dollars)

    def met(self, chosen: Chosen) -> bool:
        """Tell whether a choice is good enough."""
        if chosen.patterns is None:
            return False
        return chosen.objective - chosen.bound <= self.allowed(chosen.objective)


def choose(
    subproblems: Subproblems,
    linking: LinkingConstraints,
    relaxed: Generated,
    goal: Goal,
    start: Chosen | None = None,
) -> Chosen:
    """Choose whole patterns, until the goal is met or patterns are too many (G5).

    Parameters
    ----------
    subproblems, linking : Subproblems, LinkingConstraints
        The fleet taken apart.
    relaxed : Generated
        Its relaxation, solved.
    goal : Goal
        When to stop.
    start : Chosen, optional
        A choice that is known.
    """
    best = start or Chosen(None, math.inf, relaxed.bound)
    width = _first_width(subproblems, linking, relaxed)
    while goal.left > 0 and not goal.met(best):
        needed = best.objective - relaxed.bound
        if math.isfinite(needed) and needed <= width * GROWTH:
            width = needed * (1 + 1e-9) + 1e-12 * abs(relaxed.bound)
        try:
            patterns = _within(subproblems, linking, relaxed, width, goal.until)
        except TooManyError:
            return best if best.patterns is not None else met(subproblems, linking, relaxed, goal)
        found = solve_whole(subproblems, linking, patterns, best, goal)
        if math.isinf(width) and found.patterns is None:
            return found  # Its bound is infinite where it is proved that there is none.
        best = _better(best, found, relaxed.bound, width)
        if goal.progress is not None:
            goal.progress("whole patterns", best.objective, best.bound)
        if width >= needed and best.patterns is not None:
            return best
        nowhere_near = best.patterns is None and width > abs(relaxed.bound)
        width = math.inf if nowhere_near else width * GROWTH
    return best


def met(
    subproblems: Subproblems, linking: LinkingConstraints, relaxed: Generated, goal: Goal
) -> Chosen:
    """Choose among the patterns a relaxation met, which proves nothing about others."""
    nothing = Chosen(None, math.inf, relaxed.bound)
    patterns = distinct_in_use(subproblems, relaxed.patterns)
    few = len(patterns) <= FEW_PATTERNS
    found = solve_whole(subproblems, linking, patterns, nothing, goal, few=few)
    return Chosen(found.patterns, found.objective, relaxed.bound)


def _first_width(
    subproblems: Subproblems, linking: LinkingConstraints, relaxed: Generated
) -> float:
    """Return the reduced cost below which there are a few more patterns than blocks."""
    price = priced(subproblems, relaxed.duals.prices(linking), worth(subproblems, relaxed.patterns))
    reduced = np.sort(price - relaxed.block_prices[relaxed.patterns.block])
    place = min(subproblems.number + FIRST_EXTRA, len(reduced) - 1)
    scale = abs(relaxed.bound)
    return min(max(float(reduced[place]), 1e-7 * scale), 1e-4 * scale)


def _within(
    subproblems: Subproblems,
    linking: LinkingConstraints,
    relaxed: Generated,
    width: float,
    until: float,
) -> Patterns:
    """Return the patterns of small reduced cost, each use of accelerators once."""
    prices = relaxed.duals.prices(linking)
    limit = relaxed.block_prices + width + 1e-9 * np.abs(relaxed.block_prices)
    return distinct_in_use(
        subproblems, patterns_within(subproblems, prices, limit, MOST_STATES, until)
    )


def distinct_in_use(subproblems: Subproblems, patterns: Patterns) -> Patterns:
    """Keep one of patterns that occupy and cost the same: the one that a person would run.

    That is the fastest; of those the one of fewest kinds, then stages, then replicas, then the
    first.
    """
    taken = worth(subproblems, patterns)
    # What a pattern occupies, as one number: with weights drawn at random, whole numbers of
    # accelerators in other capacity types do not come to the same sum.
    weight = np.random.default_rng(0).uniform(
        1.0, 2.0, subproblems.capacity_types * subproblems.periods
    )
    occupied = np.bincount(
        taken.pattern, weights=taken.gpus * weight[taken.capacity_type], minlength=len(patterns)
    )
    keys = (taken.penalty, taken.dollars, occupied, patterns.block)
    order = np.lexsort((*_by_rule(subproblems, patterns), *keys))
    same = np.ones(len(order), dtype=bool)
    same[:1] = False
    for values in keys:
        same[1:] &= values[order][1:] == values[order][:-1]
    kept = patterns.take(order[~same])
    if len(kept) > MOST_PATTERNS:
        raise TooManyError(f"{len(kept):,} patterns")
    return kept


def _by_rule(subproblems: Subproblems, patterns: Patterns) -> tuple[Ints | Floats, ...]:
    """Return what breaks ties among patterns, the most important last."""
    workload, used = subproblems.workload[patterns.block], patterns.counts > 0
    kind = np.sort(np.where(used, subproblems.kind[workload], -1), axis=1)
    several = (kind[:, 1:] != kind[:, :-1]).sum(axis=1) + (kind[:, :1] >= 0).sum(axis=1)
    return (
        patterns.counts.sum(axis=1),
        (patterns.counts * subproblems.stages[workload]).sum(axis=1),
        several,
        np.where(used, subproblems.tpot[workload], 0.0).max(axis=1, initial=0.0),
    )


def solve_whole(
    subproblems: Subproblems,
    linking: LinkingConstraints,
    patterns: Patterns,
    best: Chosen,
    goal: Goal,
    *,
    few: bool = False,
    extra: Callable[[Patterns], Floats] | None = None,
) -> Chosen:
    """Choose among some patterns, to which those of a known choice are added.

    Parameters
    ----------
    subproblems, linking : Subproblems, LinkingConstraints
        The fleet taken apart.
    patterns : Patterns
        Those to choose among.
    best : Chosen
        A choice that is known.
    goal : Goal
        When to stop.
    few : bool
        Whether there are so few patterns that looking for needless ones pays, where that may be
        trusted.
    extra : callable, optional
        What patterns cost beside what they take.

    Returns
    -------
    Chosen
        With a bound that holds for these patterns alone.
    """
    import highspy

    known = 0
    if best.patterns is not None:
        known = len(best.patterns)
        patterns = joined([best.patterns, patterns])
    highs, first = new_program(subproblems.number, linking, most=1.0)
    beside = 0.0 if extra is None else extra(patterns)
    add_patterns(highs, subproblems, linking, patterns, upper=1.0, extra=beside)
    whole = _whole(linking, first, len(patterns))
    kinds = np.full(len(whole), highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(len(whole), whole, kinds)
    # In large fleets HiGHS would find nothing that is so exact.
    exact = len(patterns) <= FEW_PATTERNS and goal.gap == goal.dollars == 0
    if exact:
        highs.setOptionValue("mip_feasibility_tolerance", EXACT)
    if few and not exact and not known:  # Beside either, presolve was seen to lie.
        highs.setOptionValue("presolve", "on")
    highs.setOptionValue("time_limit", max(goal.left, HARDLY_ANY_SECONDS))
    highs.setOptionValue("mip_rel_gap", ENOUGH * goal.gap)
    highs.setOptionValue("mip_abs_gap", 0.9 * goal.dollars)
    if known:
        places = np.arange(first, first + len(patterns), dtype=np.int32)
        highs.setSolution(len(places), places, (places < first + known).astype(np.float64))
    trusted_runs.run(highs, started=known > 0)
    return _read(highs, patterns, first)


def _whole(linking: LinkingConstraints, first: int, patterns: int) -> Ints:
    """Return the columns that are whole numbers; single accelerators come out whole anyway."""
    nodes = linking.whole & (linking.increment > 1)
    found = np.concatenate((np.flatnonzero(nodes), first + np.arange(patterns)))
    return found.astype(np.int32)


def _read(highs: Any, patterns: Patterns, first: int) -> Chosen:
    """Return the best choice found, with a bound for the patterns there were."""
    import highspy

    info = highs.getInfo()
    if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return Chosen(None, math.inf, math.inf)
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Chosen(None, math.inf, float(info.mip_dual_bound))
    values = np.array(highs.getSolution().col_value)[first:]
    rows: Ints = np.flatnonzero(values > 0.5)
    value = trusted_runs.cost_of_solution(highs)
    return Chosen(patterns.take(rows), value, min(float(info.mip_dual_bound), value))


def _better(before: Chosen, found: Chosen, relaxed: float, width: float) -> Chosen:
    """Return the cheaper choice, with the bound that holds for all patterns."""
    beyond = min(found.bound, relaxed + width)
    bound = max(before.bound, relaxed, beyond if math.isfinite(beyond) else relaxed)
    cheaper = found if found.objective < before.objective else before
    return Chosen(cheaper.patterns, cheaper.objective, min(bound, cheaper.objective))
