"""The cheapest replicas that cover one block's demand, exactly, for very many blocks at once.

Items are taken in the order of their price per unit of demand. A state is a block with some items
decided; all states of a level are extended together. What cannot beat the limit is dropped: the
rest of the demand costs at least its amount times the next item's price per unit, and at least one
more replica (G3).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.candidates.fleet.model_data import Bools, Floats, Ints
from planner.formulations.column_generation.covering_items import (
    Sorted,
    Task,
    in_order,
    pruned,
    ranked,
    wholes,
)
from planner.problem.tolerances import ROUNDING

TIE = 1e-12
NARROW, WIDE = 12, 3_000
"""States per problem and level of the first search and the second."""
MOST_STATES = 20_000_000


class TooManyError(RuntimeError):
    """There are more patterns within the limit than can be handled, or handled in time."""


@dataclass(frozen=True, slots=True)
class Covers:
    """Covers that were found."""

    task: Ints
    """(N,) which problem each covers."""
    price: Floats
    """(N,)"""
    counts: Ints
    """(N, m) replicas of each item."""
    shed: Floats
    """(N,) demand left uncovered."""


@dataclass(slots=True)
class _States:
    """Partial covers of one level."""

    task: Ints
    rest: Floats
    need: Floats
    """Replicas still needed for the least number."""
    price: Floats
    counts: Ints

    def take(self, rows: Ints | Bools) -> _States:
        return _States(
            self.task[rows], self.rest[rows], self.need[rows], self.price[rows], self.counts[rows]
        )


def cheapest(task: Task) -> tuple[Covers, Floats]:
    """Return one cheapest cover of every problem that has one, and how cheap one can be at best.

    A narrow search finds covers that are hard to beat; a wide one proves them, to a relative 1e-9.
    Where even that is too narrow, the bound says by how much the cover may be too dear.

    Returns
    -------
    Covers
        Sorted by task.
    ndarray, shape (K,)
        Proven lower bound on the price of any cover; infinite where there is none.
    """
    ordered = in_order(task)
    simple = _simple(task, ordered)
    limit = np.full(len(task.demand), np.inf)
    limit[simple.task] = simple.price
    ordered = pruned(task, ordered, limit)
    dropped = np.full(len(limit), np.inf)
    first = _Search(task, ordered, limit, NARROW, dropped.copy(), falling=True)
    second = _Search(task, ordered, limit, WIDE, dropped, falling=True)
    covers = _joined([simple, *_descend(first), *_descend(second)])
    order = np.lexsort((covers.price, covers.task))
    best = np.ones(len(order), dtype=bool)
    best[1:] = covers.task[order][1:] != covers.task[order][:-1]
    return _taken(covers, order[best]), np.minimum(limit, dropped)


def within(task: Task, limit: Floats, most: int, until: float = math.inf) -> Covers:
    """Return every cover that costs no more than a limit and has no replica too many at its end.

    Parameters
    ----------
    task : Task
        K problems.
    limit : ndarray, shape (K,)
        Highest price.
    most : int
        Number of states above which the search gives up.
    until : float
        `time.perf_counter()` at which it does, too.

    Raises
    ------
    TooManyError
        Where there are more, or time is out.
    """
    search = _Search(task, in_order(task), limit, most, until=until)
    return _joined(list(_descend(search)))


def near(task: Task, limit: Floats, number: int) -> Covers:
    """Return some covers of every problem that cost no more than a limit: about the cheapest.

    Parameters
    ----------
    task : Task
        K problems.
    limit : ndarray, shape (K,)
        Highest price.
    number : int
        Most covers of one problem; so many states of each are looked at, too.
    """
    search = _Search(task, in_order(task), limit, number, np.full(len(limit), np.inf))
    covers = _joined(list(_descend(search)))
    order, rank = ranked(covers.task, covers.price)
    return _taken(covers, order[rank < number])


def _simple(task: Task, ordered: Sorted) -> Covers:
    """Return for each problem the best cover of at most two items, where there is one."""
    number = np.maximum(wholes(task.demand[:, None], ordered.rate), task.least[:, None])
    tries = [
        _two_kinds(task, ordered, number, column, fewer)
        for column in range(min(4, ordered.price.shape[1]))
        for fewer in (0, 1, 2)
    ]
    best = np.argmin(np.stack([price for price, *_ in tries]), axis=0)
    rows = np.arange(len(task.demand))
    price, base, item, more = (
        np.stack(subproblems)[best, rows] for subproblems in zip(*tries, strict=True)
    )
    counts = np.zeros(task.price.shape, dtype=np.int64)
    column = best // 3
    counts[rows, ordered.order[rows, column]] += base.astype(np.int64)
    counts[rows, ordered.order[rows, item]] += more.astype(np.int64)
    there = np.flatnonzero(np.isfinite(price))
    return Covers(there, price[there], counts[there], np.zeros(len(there)))


def _two_kinds(
    task: Task, ordered: Sorted, number: Floats, column: int, fewer: int
) -> tuple[Floats, Floats, Ints, Floats]:
    """Return price, replicas of one item, the best other item and replicas of that."""
    price, rate, most = ordered.price, ordered.rate, ordered.most
    base = np.clip(number[:, column] - fewer, 0, most[:, column])
    rest = task.demand - base * rate[:, column]
    more = np.maximum(wholes(rest[:, None], rate), np.maximum(task.least - base, 0.0)[:, None])
    together = more.copy()
    together[:, column] += base
    fits = (together <= most) & np.isfinite(price) & np.isfinite(price[:, column])[:, None]
    with np.errstate(invalid="ignore"):
        total = np.where(fits, (base * price[:, column])[:, None] + more * price, np.inf)
    item = total.argmin(axis=1)
    rows = np.arange(len(total))
    taken = np.where(np.isfinite(total[rows, item]), more[rows, item], 0.0)
    return total[rows, item], base, item, taken


@dataclass(frozen=True, slots=True)
class _Search:
    """What a search looks for."""

    task: Task
    ordered: Sorted
    limit: Floats
    width: int
    """States of a level: for each problem, or for all together where every cover is wanted."""
    dropped: Floats | None = None
    """(K,) least bound of the states given up; None where every cover is wanted."""
    falling: bool = False
    """Whether only the best counts: limits fall on the way."""
    until: float = math.inf

    @property
    def keep_all(self) -> bool:
        return self.dropped is None

    def room(self, states: _States) -> Floats:
        """Return what states may still spend; where only the best counts, ties are no use."""
        slack = -ROUNDING if self.falling else ROUNDING
        limit = self.limit[states.task]
        return limit * (1 + slack) + math.copysign(TIE, slack) - states.price

    def admit(self, states: _States, price: Floats) -> Ints:
        """Return which covers of these prices are wanted, and lower the limits to them."""
        limit = self.limit[states.task]
        if not self.falling:
            return np.flatnonzero(price <= limit)
        better = np.flatnonzero(price < limit * (1 - ROUNDING) - TIE)
        np.minimum.at(self.limit, states.task[better], price[better])
        return better[price[better] <= self.limit[states.task[better]]]


def _descend(search: _Search) -> Iterator[Covers]:
    """Go through the items, from the cheapest per unit of demand on, yielding covers."""
    task = search.task
    number, items = search.ordered.price.shape
    counts = np.zeros(task.price.shape, dtype=np.int64)
    rows = np.arange(number)
    states = _States(rows, task.demand.copy(), task.least.copy(), np.zeros(number), counts)
    yield _idle(search, states)
    for level in range(items):
        yield _shed(search, states)
        states = states.take(np.isfinite(search.ordered.price[states.task, level]))
        if not len(states.task):
            return
        yield _finished(search, states, level)
        states = _extended(search, states, level)
    yield _shed(search, states)


def _idle(search: _Search, states: _States) -> Covers:
    """Return the covers of problems without items in which nothing is wanted."""
    nothing = (states.rest <= 0) & (states.need <= 0)
    chosen = states.take(nothing & ~np.isfinite(search.ordered.price[:, 0]))
    kept = search.admit(chosen, chosen.price)
    return Covers(chosen.task[kept], chosen.price[kept], chosen.counts[kept], np.zeros(len(kept)))


def _shed(search: _Search, states: _States) -> Covers:
    """Return covers that leave the rest of the demand uncovered."""
    task, rest = search.task, np.maximum(states.rest, 0.0)
    may = (rest <= task.shed_most[states.task]) & (states.need <= 0) & (rest > 0)
    chosen, rest = states.take(may), rest[may]
    price = chosen.price + rest * task.shed_price[chosen.task]
    kept = search.admit(chosen, price)
    return Covers(chosen.task[kept], price[kept], chosen.counts[kept], rest[kept])


def _finished(search: _Search, states: _States, level: int) -> Covers:
    """Return covers whose last item is that of this level."""
    ordered, task = search.ordered, states.task
    number = np.maximum(wholes(states.rest, ordered.rate[task, level]), states.need)
    fits = number <= ordered.most[task, level]
    price = np.where(fits, states.price + number * ordered.price[task, level], np.inf)
    kept = search.admit(states, price)
    kept = kept[fits[kept]]
    counts = states.counts[kept]
    items = ordered.order[task[kept], level]
    counts[np.arange(len(kept)), items] += number[kept].astype(np.int64)
    return Covers(task[kept], price[kept], counts, np.zeros(len(kept)))


def _extended(search: _Search, states: _States, level: int) -> _States:
    """Return the states of the next level: every number of this item that may still pay."""
    low, high = _range(search, states, level)
    number = np.where(high >= low, high - low + 1, 0.0)
    total = int(number.sum())
    if total > (search.width if search.keep_all else MOST_STATES):
        raise TooManyError(f"{total:,} states")
    if time.perf_counter() > search.until:
        raise TooManyError("time is out")
    counted = number.astype(np.int64)
    row = np.repeat(np.arange(len(counted)), counted)
    start = np.repeat(np.cumsum(counted) - counted, counted)
    taken = low[row] + (np.arange(total) - start)
    task, ordered = states.task[row], search.ordered
    rest = states.rest[row] - taken * ordered.rate[task, level]
    price = states.price[row] + taken * ordered.price[task, level]
    kept = _promising(search, task, price + np.maximum(rest, 0.0) * ordered.next_ratio[task, level])
    task, row, taken = task[kept], row[kept], taken[kept]
    counts = states.counts[row]
    counts[np.arange(len(kept)), ordered.order[task, level]] += taken.astype(np.int64)
    return _States(task, rest[kept], states.need[row] - taken, price[kept], counts)


def _promising(search: _Search, task: Ints, bound: Floats) -> Ints:
    """Return the states of least bound, as many for each problem as the search is wide."""
    rows = np.arange(len(task))
    if search.dropped is None or not len(task) or np.bincount(task).max() <= search.width:
        return rows
    order, rank = ranked(task, bound)
    over = order[rank >= search.width]
    np.minimum.at(search.dropped, task[over], bound[over])
    return np.sort(order[rank < search.width])


def _range(search: _Search, states: _States, level: int) -> tuple[Floats, Floats]:
    """Return the least and the greatest number of this level's item that may still pay."""
    task, ordered = states.task, search.ordered
    price, rate = ordered.price[task, level], ordered.rate[task, level]
    later, one = ordered.next_ratio[task, level], ordered.next_price[task, level]
    room = search.room(states)
    rest = np.maximum(states.rest, 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # Each replica fewer costs the difference between this item's price and what comes later.
        saving = rate * later - price
        tied = ~(saving > TIE * (price + TIE))
        few = np.where(
            tied,
            np.where(rest * later <= room, 0.0, np.inf),
            np.ceil((rest * later - room) / np.where(tied, 1.0, saving) - ROUNDING),
        )
        many = np.where(price > 0, np.floor((room - one) / price + ROUNDING), np.inf)
    many = np.where(room >= one, many, -1.0)
    full = np.maximum(wholes(states.rest, rate), states.need)
    high = np.minimum(np.minimum(full - 1, ordered.most[task, level]), many)
    low = np.where(np.isfinite(later), np.maximum(few, 0.0), np.inf)
    return low, np.where(np.isfinite(high), high, -1.0)


def _joined(found: list[Covers]) -> Covers:
    return Covers(
        np.concatenate([covers.task for covers in found]),
        np.concatenate([covers.price for covers in found]),
        np.concatenate([covers.counts for covers in found]),
        np.concatenate([covers.shed for covers in found]),
    )


def _taken(covers: Covers, rows: Ints) -> Covers:
    return Covers(covers.task[rows], covers.price[rows], covers.counts[rows], covers.shed[rows])
