"""A first whole choice: what the relaxation takes whole is kept, and few blocks may change."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints
from planner.formulations.column_generation.integer_master import Chosen, Goal, solve_whole
from planner.formulations.column_generation.linking_constraints import LinkingConstraints
from planner.formulations.column_generation.patterns import priced, worth
from planner.formulations.column_generation.pricing_loop import Generated
from planner.formulations.column_generation.subproblems import Subproblems
from planner.problem.tolerances import RELAXED

FREE = (20, 80, 320)
"""Blocks that may change beside those the relaxation leaves undecided, one try after the other."""
SECONDS = 2.0
"""Time for each of these."""


def rounded(
    subproblems: Subproblems, linking: LinkingConstraints, relaxed: Generated, goal: Goal
) -> Chosen:
    """Return a first whole choice among the patterns of a relaxation, if one is found.

    Parameters
    ----------
    subproblems, linking : Subproblems, LinkingConstraints
        The fleet taken apart.
    relaxed : Generated
        Its relaxation, solved.
    goal : Goal
        When to stop.
    """
    patterns = relaxed.patterns
    price = priced(subproblems, relaxed.duals.prices(linking), worth(subproblems, patterns))
    reduced = price - relaxed.block_prices[patterns.block]
    nothing = Chosen(None, math.inf, relaxed.bound)
    for free in FREE:
        kept = _free_to_change(patterns.block, relaxed.weights, reduced, subproblems.number, free)
        until = min(goal.until, time.perf_counter() + SECONDS)
        part = replace(goal, until=until, progress=None)
        found = solve_whole(subproblems, linking, patterns.take(kept), nothing, part)
        if found.patterns is not None or free >= subproblems.number:
            return replace(found, bound=min(relaxed.bound, found.objective))
    return nothing


def _free_to_change(block: Ints, weights: Floats, reduced: Floats, number: int, free: int) -> Ints:
    """Return the patterns left to choose from, if so many blocks may change beside undecided ones.

    The others keep the pattern that the relaxation takes whole.
    """
    whole = weights > 1 - RELAXED
    decided = np.zeros(number, dtype=bool)
    decided[block[whole]] = True
    change = np.full(number, np.inf)  # What changing a decided block costs at least.
    np.minimum.at(change, block[~whole], reduced[~whole])
    change[~decided] = -np.inf
    loose = np.zeros(number, dtype=bool)
    loose[np.argsort(change, kind="stable")[: free + int((~decided).sum())]] = True
    return np.flatnonzero(whole | loose[block])
