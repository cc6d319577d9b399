"""Patterns near others: those that differ in one choice, or keep what runs before and after."""

from __future__ import annotations

import numpy as np

from planner.candidates.fleet.model_data import Bools, Floats, Ints
from planner.formulations.column_generation.patterns import Patterns
from planner.formulations.column_generation.subproblems import Subproblems
from planner.problem.tolerances import ROUNDING


def variations(subproblems: Subproblems, counts: Ints, price: Floats, number: int) -> Patterns:
    """Return patterns that differ from given ones in the number of one choice.

    Parameters
    ----------
    subproblems : Subproblems
        Those of one period, one per workload.
    counts : ndarray, shape (W, m)
        Replicas to start from; they need not cover what is wanted now.
    price : ndarray, shape (W, m)
        Of one replica: the cheapest variations are kept.
    number : int
        How many of each block.
    """
    cover = (subproblems.rate * counts).sum(axis=1)
    with np.errstate(invalid="ignore"):
        step = np.ceil((subproblems.demand - cover)[:, None] / subproblems.rate - ROUNDING)
    found = [
        _changed(subproblems, counts, step + more, price, number)
        for more in ((0, 1) if subproblems.survives.any() else (0,))
    ]
    block, changed = (np.concatenate(subproblems) for subproblems in zip(*found, strict=True))
    return covering(subproblems, block, changed)


def _changed(
    subproblems: Subproblems, counts: Ints, step: Floats, price: Floats, number: int
) -> tuple[Ints, Ints]:
    """Return blocks and counts of the cheapest changes of one choice by so many replicas."""
    after = np.clip(counts + step, 0, subproblems.most)
    change = after - counts
    there = (subproblems.choice >= 0) & (change != 0)
    with np.errstate(invalid="ignore"):
        cost = np.where(there, change * price, np.inf)
        short = subproblems.demand - (subproblems.rate * counts).sum(axis=1)
        room = ROUNDING * (1.0 + np.abs(short))
        cost[(subproblems.rate * change) < (short - room)[:, None]] = np.inf
    item = np.argsort(cost, axis=1, kind="stable")[:, :number]
    block = np.repeat(np.arange(len(counts)), item.shape[1])
    item = item.ravel()
    kept = np.isfinite(cost[block, item])
    block, item = block[kept], item[kept]
    changed = counts[block]
    changed[np.arange(len(block)), item] = after[block, item].astype(np.int64)
    return block, changed


def covering(subproblems: Subproblems, block: Ints, counts: Ints) -> Patterns:
    """Return those of some counts that cover their blocks, without refusing requests."""
    free = ~subproblems.kept_blocks[block]
    kept = np.flatnonzero(_covers(subproblems, block, counts) & free)
    return Patterns(block[kept], counts[kept], np.zeros(len(kept)))


def _covers(subproblems: Subproblems, block: Ints, counts: Ints) -> Bools:
    workload = subproblems.workload[block]
    rate, demand = subproblems.rate[workload], subproblems.demand[block]
    served = (rate * counts).sum(axis=1)
    largest = np.where(counts > 0, rate, 0.0).max(axis=1, initial=0.0)
    served = served - np.where(subproblems.survives[workload] & (demand > 0), largest, 0.0)
    alone = subproblems.alone(workload, counts)
    fits = (counts <= subproblems.most[workload]).all(axis=1)
    enough = counts.sum(axis=1) >= subproblems.least[workload]
    covered: Bools = (served >= demand * (1 - ROUNDING)) & alone & fits & enough
    return covered
