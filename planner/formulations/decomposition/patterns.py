"""Patterns: whole numbers of replicas that cover one block, with what they occupy and cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from planner.fleets.figures import Floats, Ints
from planner.formulations.decomposition.blocks import Blocks
from planner.formulations.decomposition.covering import Covers, cheapest, near, within
from planner.formulations.decomposition.items import Task

LARGEST_TASK = 200_000
"""Covering problems that are solved together."""
ANY, NONE = -1, -2
"""Cases of a block in which any choice may be in use, and in which none is."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """N patterns of some blocks."""

    block: Ints
    """(N,)"""
    counts: Ints
    """(N, m) replicas of each choice of the workload."""
    shed: Floats
    """(N,) requests per second refused."""

    def __len__(self) -> int:
        return len(self.block)

    def take(self, rows: Ints) -> Patterns:
        """Return some of them."""
        return Patterns(self.block[rows], self.counts[rows], self.shed[rows])


def joined(parts: list[Patterns]) -> Patterns:
    """Return patterns one after the other."""
    return Patterns(
        np.concatenate([part.block for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.shed for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class Worth:
    """What patterns take: the columns of the master."""

    dollars: Floats
    """(N,) own prices of replicas through the period, which count for the budget."""
    penalty: Floats
    """(N,) cost of refused requests, which does not."""
    pattern: Ints
    """(Z,) of the accelerators occupied; so for the next two."""
    lane: Ints
    """(Z,) lane row of the market."""
    gpus: Floats
    """(Z,)"""


def worth(blocks: Blocks, patterns: Patterns) -> Worth:
    """Return what patterns take."""
    workload, period = blocks.workload[patterns.block], blocks.period[patterns.block]
    own = np.where(np.isfinite(blocks.dollars), blocks.dollars, 0.0)[workload]
    dollars = (own * patterns.counts).sum(axis=1) * blocks.hours[period]
    penalty = patterns.shed * blocks.shed_dollars[patterns.block]
    pattern, item = np.nonzero(patterns.counts)
    gpus = blocks.gpus[workload[pattern], item] * patterns.counts[pattern, item]
    lane = blocks.lane[workload[pattern], item] * blocks.periods + period[pattern]
    # Several choices of one lane make one entry.
    rows = blocks.lanes * blocks.periods
    key, place = np.unique(pattern * rows + lane, return_inverse=True)
    total = np.bincount(place, weights=gpus, minlength=len(key))
    return Worth(dollars, penalty, key // rows, key % rows, np.asarray(total, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Prices:
    """What a pattern costs: dual values of the market."""

    lane: Floats
    """(lanes x periods,) dollars of one accelerator."""
    dollar: float
    """Dollars of one dollar of the budget: 1 where it does not bind."""
    replica: Floats | None = None
    """(W, m, T) dollars of one replica beside what it occupies; None where there are none."""


def priced(blocks: Blocks, prices: Prices, worth_of: Worth) -> Floats:
    """Return the price of patterns."""
    used = np.bincount(
        worth_of.pattern,
        weights=worth_of.gpus * prices.lane[worth_of.lane],
        minlength=len(worth_of.dollars),
    )
    return np.asarray(worth_of.dollars * prices.dollar + worth_of.penalty + used)


def best_patterns(blocks: Blocks, prices: Prices) -> tuple[Patterns, Floats, Floats]:
    """Return a cheapest pattern of every block that has one (G3).

    Returns
    -------
    Patterns
        Sorted by block.
    ndarray, shape (N,)
        Their prices.
    ndarray, shape (B,)
        Proven lower bound on the price of any pattern of each block; infinite where there is none.
    """
    parts, totals = [], []
    bound = np.full(blocks.number, np.inf)
    for rows in _slices(blocks):
        block, task = _tasks(blocks, prices, rows)
        covers, below = cheapest(task)
        np.minimum.at(bound, block, below)
        # Of the cases of one block, the cheapest.
        order = np.lexsort((covers.price, block[covers.task]))
        owner = block[covers.task][order]
        first = np.ones(len(order), dtype=bool)
        first[1:] = owner[1:] != owner[:-1]
        kept = order[first]
        parts.append(Patterns(owner[first], covers.counts[kept], covers.shed[kept]))
        totals.append(covers.price[kept])
    return joined(parts), np.concatenate(totals), bound


def patterns_within(
    blocks: Blocks, prices: Prices, limit: Floats, most: int, until: float = math.inf
) -> Patterns:
    """Return every pattern that may cost no more than its block's limit (G5).

    Parameters
    ----------
    blocks, prices
        As for `best_patterns`.
    limit : ndarray, shape (B,)
        Highest price.
    most : int
        Number above which the search gives up.
    until : float
        `time.perf_counter()` at which it does, too.

    Raises
    ------
    TooManyError
        Where there are more, or time is out.
    """
    parts = []
    for rows in _slices(blocks):
        block, task = _tasks(blocks, prices, rows)
        covers: Covers = within(task, limit[block], most, until)
        parts.append(Patterns(block[covers.task], covers.counts, covers.shed))
    # Cases of one block overlap.
    return joined(parts) if _is_plain(blocks) else _distinct(joined(parts))


def patterns_near(blocks: Blocks, prices: Prices, limit: Floats, number: int) -> Patterns:
    """Return for every block about so many of its cheapest patterns within a limit.

    Parameters
    ----------
    blocks, prices, limit
        As for `patterns_within`.
    number : int
        Most patterns of one case of a block.
    """
    parts = []
    for rows in _slices(blocks):
        block, task = _tasks(blocks, prices, rows)
        covers = near(task, limit[block], number)
        parts.append(Patterns(block[covers.task], covers.counts, covers.shed))
    return joined(parts)


def _distinct(patterns: Patterns) -> Patterns:
    """Drop what is there twice."""
    key = np.column_stack((patterns.block, patterns.counts))
    _, first = np.unique(key, axis=0, return_index=True)
    return patterns.take(np.sort(first))


def _is_plain(blocks: Blocks) -> bool:
    """Tell whether every block is one covering problem."""
    return bool(blocks.mixes.all() and not blocks.survives.any())


def _slices(blocks: Blocks) -> list[Ints]:
    cases = 1 if _is_plain(blocks) else blocks.choice.shape[1]
    size = max(LARGEST_TASK // cases, 1)
    return [
        np.arange(start, min(start + size, blocks.number))
        for start in range(0, blocks.number, size)
    ]


def _tasks(blocks: Blocks, prices: Prices, rows: Ints) -> tuple[Ints, Task]:
    """Return the covering problems of some blocks, and which block each belongs to.

    A block is one problem, unless any one replica may be lost or choices may not be mixed. Then
    it is one for each choice that may be the largest in use, or the only one (G4).
    """
    workload = blocks.workload[rows]
    plain = blocks.mixes[workload] & ~blocks.survives[workload]
    block, largest = rows[plain], np.full(int(plain.sum()), ANY)
    if not plain.all():
        others = rows[~plain]
        which, item = np.nonzero(blocks.choice[blocks.workload[others]] >= 0)
        idle = others[blocks.shed_most[others] >= blocks.demand[others]]
        block = np.concatenate((block, others[which], idle))
        largest = np.concatenate((largest, item, np.full(len(idle), NONE)))
    return block, _task(blocks, prices, block, largest)


def _task(blocks: Blocks, prices: Prices, block: Ints, largest: Ints) -> Task:
    workload, period = blocks.workload[block], blocks.period[block]
    lane = prices.lane[blocks.lane[workload] * blocks.periods + period[:, None]]
    own = blocks.dollars[workload] * (blocks.hours[period] * prices.dollar)[:, None]
    price = own + blocks.gpus[workload] * lane
    if prices.replica is not None:
        price = price + prices.replica[workload, :, period]
    rate = blocks.rate[workload]
    demand = blocks.demand[block]
    if np.any(largest != ANY):
        price, demand = _narrowed(blocks, block, largest, price, demand)
    # A replica covers no more than all: the relaxation is tighter so.
    rate = np.where(demand[:, None] > 0, np.minimum(rate, demand[:, None]), rate)
    shed_most = np.minimum(blocks.shed_most[block], blocks.demand[block])
    return Task(
        price,
        rate,
        blocks.most[workload],
        demand,
        blocks.least[workload].astype(np.float64),
        shed_most,
        blocks.shed_dollars[block],
    )


def _narrowed(
    blocks: Blocks, block: Ints, largest: Ints, price: Floats, demand: Floats
) -> tuple[Floats, Floats]:
    """Leave each case its choices, and let it cover the loss of the largest."""
    workload = blocks.workload[block]
    case = np.flatnonzero(largest >= 0)
    rate = blocks.rate[workload[case]]
    top = rate[np.arange(len(case)), largest[case]]
    single = ~blocks.mixes[workload[case]]
    allowed = rate <= top[:, None]
    allowed &= ~single[:, None] | (np.arange(rate.shape[1])[None, :] == largest[case][:, None])
    price = price.copy()
    price[case] = np.where(allowed, price[case], np.inf)
    price[largest == NONE] = np.inf
    demand = demand.copy()
    demand[case] += np.where(blocks.survives[workload[case]] & (demand[case] > 0), top, 0.0)
    return price, demand
