"""Patterns: whole numbers of replicas that cover one block, with what they occupy and cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from planner.candidates.fleet.model_data import Floats, Ints
from planner.formulations.column_generation.covering_items import Task
from planner.formulations.column_generation.covering_search import Covers, cheapest, near, within
from planner.formulations.column_generation.subproblems import Subproblems
from planner.problem.tolerances import ROUNDING

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
    capacity_type: Ints
    """(Z,) capacity type row of the market."""
    gpus: Floats
    """(Z,)"""


def worth(subproblems: Subproblems, patterns: Patterns) -> Worth:
    """Return what patterns take."""
    workload, period = subproblems.workload[patterns.block], subproblems.period[patterns.block]
    own = np.where(np.isfinite(subproblems.dollars), subproblems.dollars, 0.0)[workload]
    dollars = (own * patterns.counts).sum(axis=1) * subproblems.hours[period]
    penalty = patterns.shed * subproblems.shed_dollars[patterns.block]
    pattern, item = np.nonzero(patterns.counts)
    gpus = subproblems.gpus[workload[pattern], item] * patterns.counts[pattern, item]
    capacity_type = (
        subproblems.capacity_type[workload[pattern], item] * subproblems.periods + period[pattern]
    )
    # Several choices of one capacity type make one entry.
    rows = subproblems.capacity_types * subproblems.periods
    key, place = np.unique(pattern * rows + capacity_type, return_inverse=True)
    total = np.bincount(place, weights=gpus, minlength=len(key))
    return Worth(dollars, penalty, key // rows, key % rows, np.asarray(total, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Prices:
    """What a pattern costs: dual values of the market."""

    capacity_type: Floats
    """(capacity types x periods,) dollars of one accelerator."""
    dollar: float
    """Dollars of one dollar of the budget: 1 where it does not bind."""
    replica: Floats | None = None
    """(W, m, T) dollars of one replica beside what it occupies; None where there are none."""


def priced(subproblems: Subproblems, prices: Prices, worth_of: Worth) -> Floats:
    """Return the price of patterns."""
    used = np.bincount(
        worth_of.pattern,
        weights=worth_of.gpus * prices.capacity_type[worth_of.capacity_type],
        minlength=len(worth_of.dollars),
    )
    return np.asarray(worth_of.dollars * prices.dollar + worth_of.penalty + used)


def best_patterns(subproblems: Subproblems, prices: Prices) -> tuple[Patterns, Floats, Floats]:
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
    bound = np.full(subproblems.number, np.inf)
    for rows in _slices(subproblems):
        block, task = _tasks(subproblems, prices, rows)
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
    patterns, total = joined(parts), np.concatenate(totals)
    if subproblems.kept is None:
        return patterns, total, bound
    return _kept_priced(subproblems, prices, patterns, bound)


def _kept_priced(
    subproblems: Subproblems, prices: Prices, patterns: Patterns, bound: Floats
) -> tuple[Patterns, Floats, Floats]:
    """Put what runs in the place of what blocks that keep it would rather have, and price it."""
    patterns = with_kept(subproblems, patterns)
    patterns = patterns.take(np.argsort(patterns.block, kind="stable"))
    total = priced(subproblems, prices, worth(subproblems, patterns))
    if prices.replica is not None:
        workload, period = subproblems.workload, subproblems.period
        beside = prices.replica[workload[patterns.block], :, period[patterns.block]]
        total = total + (beside * patterns.counts).sum(axis=1)
    keeps = subproblems.kept_blocks
    bound = np.where(keeps, np.inf, bound)
    mine = keeps[patterns.block]
    bound[patterns.block[mine]] = total[mine]
    return patterns, total, bound


def patterns_within(
    subproblems: Subproblems, prices: Prices, limit: Floats, most: int, until: float = math.inf
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
    for rows in _slices(subproblems):
        block, task = _tasks(subproblems, prices, rows)
        covers: Covers = within(task, limit[block], most, until)
        parts.append(Patterns(block[covers.task], covers.counts, covers.shed))
    # Cases of one block overlap.
    patterns = joined(parts) if _is_plain(subproblems) else _distinct(joined(parts))
    return with_kept(subproblems, patterns)


def patterns_near(subproblems: Subproblems, prices: Prices, limit: Floats, number: int) -> Patterns:
    """Return for every block about so many of its cheapest patterns within a limit.

    Parameters
    ----------
    blocks, prices, limit
        As for `patterns_within`.
    number : int
        Most patterns of one case of a block.
    """
    parts = []
    for rows in _slices(subproblems):
        block, task = _tasks(subproblems, prices, rows)
        covers = near(task, limit[block], number)
        parts.append(Patterns(block[covers.task], covers.counts, covers.shed))
    return with_kept(subproblems, joined(parts))


def with_kept(subproblems: Subproblems, patterns: Patterns) -> Patterns:
    """Return patterns, those of blocks that keep what runs replaced by it, where it suffices."""
    if subproblems.kept is None:
        return patterns
    block = np.flatnonzero(subproblems.kept_blocks)
    counts = subproblems.kept[block]
    workload, demand = subproblems.workload[block], subproblems.demand[block]
    rate = subproblems.rate[workload]
    largest = np.where(counts > 0, rate, 0.0).max(axis=1, initial=0.0)
    lost = np.where(subproblems.survives[workload] & (demand > 0), largest, 0.0)
    short = demand - (rate * counts).sum(axis=1) + lost
    shed = np.where(short > ROUNDING * demand, short, 0.0)
    holds = (
        (shed <= subproblems.shed_most[block] * (1 + ROUNDING))
        & subproblems.alone(workload, counts)
        & (counts <= subproblems.most[workload]).all(axis=1)
        & (counts.sum(axis=1) >= subproblems.least[workload])
    )
    free = patterns.take(np.flatnonzero(~subproblems.kept_blocks[patterns.block]))
    return joined([free, Patterns(block[holds], counts[holds], shed[holds])])


def _distinct(patterns: Patterns) -> Patterns:
    """Drop what is there twice."""
    key = np.column_stack((patterns.block, patterns.counts))
    _, first = np.unique(key, axis=0, return_index=True)
    return patterns.take(np.sort(first))


def _is_plain(subproblems: Subproblems) -> bool:
    """Tell whether every block is one covering problem."""
    return bool(subproblems.mixes.all() and not subproblems.survives.any())


def _slices(subproblems: Subproblems) -> list[Ints]:
    cases = 1 if _is_plain(subproblems) else subproblems.choice.shape[1]
    size = max(LARGEST_TASK // cases, 1)
    return [
        np.arange(start, min(start + size, subproblems.number))
        for start in range(0, subproblems.number, size)
    ]


def _tasks(subproblems: Subproblems, prices: Prices, rows: Ints) -> tuple[Ints, Task]:
    """Return the covering problems of some blocks, and which block each belongs to.

    A block is one problem, unless any one replica may be lost or choices may not be mixed. Then
    it is one for each choice that may be the largest in use, or of the only kind (G4).
    """
    workload = subproblems.workload[rows]
    plain = subproblems.mixes[workload] & ~subproblems.survives[workload]
    block, largest = rows[plain], np.full(int(plain.sum()), ANY)
    if not plain.all():
        others = rows[~plain]
        which, item = np.nonzero(subproblems.choice[subproblems.workload[others]] >= 0)
        idle = others[subproblems.shed_most[others] >= subproblems.demand[others]]
        block = np.concatenate((block, others[which], idle))
        largest = np.concatenate((largest, item, np.full(len(idle), NONE)))
    return block, _task(subproblems, prices, block, largest)


def _task(subproblems: Subproblems, prices: Prices, block: Ints, largest: Ints) -> Task:
    workload, period = subproblems.workload[block], subproblems.period[block]
    capacity_type = prices.capacity_type[
        subproblems.capacity_type[workload] * subproblems.periods + period[:, None]
    ]
    own = subproblems.dollars[workload] * (subproblems.hours[period] * prices.dollar)[:, None]
    price = own + subproblems.gpus[workload] * capacity_type
    if prices.replica is not None:
        price = price + prices.replica[workload, :, period]
    rate = subproblems.rate[workload]
    demand = subproblems.demand[block]
    if np.any(largest != ANY):
        price, demand = _narrowed(subproblems, block, largest, price, demand)
    # A replica covers no more than all: the relaxation is tighter so.
    rate = np.where(demand[:, None] > 0, np.minimum(rate, demand[:, None]), rate)
    shed_most = np.minimum(subproblems.shed_most[block], subproblems.demand[block])
    return Task(
        price,
        rate,
        subproblems.most[workload],
        demand,
        subproblems.least[workload].astype(np.float64),
        shed_most,
        subproblems.shed_dollars[block],
    )


def _narrowed(
    subproblems: Subproblems, block: Ints, largest: Ints, price: Floats, demand: Floats
) -> tuple[Floats, Floats]:
    """Leave each case its choices, and let it cover the loss of the largest."""
    workload = subproblems.workload[block]
    case = np.flatnonzero(largest >= 0)
    rate = subproblems.rate[workload[case]]
    top = rate[np.arange(len(case)), largest[case]]
    single = ~subproblems.mixes[workload[case]]
    allowed = rate <= top[:, None]
    kind = subproblems.kind[workload[case]]
    mine = kind == kind[np.arange(len(case)), largest[case]][:, None]
    allowed &= ~single[:, None] | mine
    price = price.copy()
    price[case] = np.where(allowed, price[case], np.inf)
    price[largest == NONE] = np.inf
    demand = demand.copy()
    demand[case] += np.where(subproblems.survives[workload[case]] & (demand[case] > 0), top, 0.0)
    return price, demand
