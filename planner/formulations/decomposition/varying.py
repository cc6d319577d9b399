"""Patterns near others: those that differ in one choice, or keep what runs before and after."""

from __future__ import annotations

import numpy as np

from planner.fleets.figures import Bools, Floats, Ints
from planner.formulations.decomposition.blocks import Blocks
from planner.formulations.decomposition.items import ROUNDING
from planner.formulations.decomposition.patterns import Patterns


def variations(blocks: Blocks, counts: Ints, price: Floats, number: int) -> Patterns:
    """Return patterns that differ from given ones in the number of one choice.

    Parameters
    ----------
    blocks : Blocks
        Those of one period, one per workload.
    counts : ndarray, shape (W, m)
        Replicas to start from; they need not cover what is wanted now.
    price : ndarray, shape (W, m)
        Of one replica: the cheapest variations are kept.
    number : int
        How many of each block.
    """
    cover = (blocks.rate * counts).sum(axis=1)
    with np.errstate(invalid="ignore"):
        step = np.ceil((blocks.demand - cover)[:, None] / blocks.rate - ROUNDING)
    found = [
        _changed(blocks, counts, step + more, price, number)
        for more in ((0, 1) if blocks.survives.any() else (0,))
    ]
    block, changed = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return covering(blocks, block, changed)


def _changed(
    blocks: Blocks, counts: Ints, step: Floats, price: Floats, number: int
) -> tuple[Ints, Ints]:
    """Return blocks and counts of the cheapest changes of one choice by so many replicas."""
    after = np.clip(counts + step, 0, blocks.most)
    change = after - counts
    there = (blocks.choice >= 0) & (change != 0)
    with np.errstate(invalid="ignore"):
        cost = np.where(there, change * price, np.inf)
        short = blocks.demand - (blocks.rate * counts).sum(axis=1)
        cost[(blocks.rate * change) < short[:, None] * (1 - ROUNDING) - ROUNDING] = np.inf
    item = np.argsort(cost, axis=1, kind="stable")[:, :number]
    block = np.repeat(np.arange(len(counts)), item.shape[1])
    item = item.ravel()
    kept = np.isfinite(cost[block, item])
    block, item = block[kept], item[kept]
    changed = counts[block]
    changed[np.arange(len(block)), item] = after[block, item].astype(np.int64)
    return block, changed


def covering(blocks: Blocks, block: Ints, counts: Ints) -> Patterns:
    """Return those of some counts that cover their blocks, without refusing requests."""
    kept = np.flatnonzero(_covers(blocks, block, counts))
    return Patterns(block[kept], counts[kept], np.zeros(len(kept)))


def _covers(blocks: Blocks, block: Ints, counts: Ints) -> Bools:
    workload = blocks.workload[block]
    rate, demand = blocks.rate[workload], blocks.demand[block]
    served = (rate * counts).sum(axis=1)
    largest = np.where(counts > 0, rate, 0.0).max(axis=1, initial=0.0)
    served = served - np.where(blocks.survives[workload] & (demand > 0), largest, 0.0)
    alone = blocks.mixes[workload] | ((counts > 0).sum(axis=1) <= 1)
    fits = (counts <= blocks.most[workload]).all(axis=1)
    enough = counts.sum(axis=1) >= blocks.least[workload]
    covered: Bools = (served >= demand * (1 - ROUNDING)) & alone & fits & enough
    return covered
