"""The least that replicas for one workload in one period cost at given prices, never too high.

Best first: of all partial covers the one whose bound is least is looked at next, so that the least
bound at hand holds whenever the search stops. Every number is a sum of a few thousand terms of one
sign at most; `lowered` takes off more than rounding can have added to such a sum (Higham, Accuracy
and Stability of Numerical Algorithms, 2002, section 3.1).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.problem.tolerances import CHECKED_FLEET
from planner.verification.fleet.inputs import Bools, Floats, Ints

ROOM = 2.0**-40
"""Part of a sum that rounding of its terms cannot exceed: eight thousand units in the last
place."""
COVERED = 1.0 - CHECKED_FLEET - ROOM
"""Part of a demand with which the checker is content."""


def lowered(value: float) -> float:
    """Return a number that is surely no more than a sum of terms of one sign, rounded."""
    return value - abs(value) * ROOM if math.isfinite(value) else value


@dataclass(frozen=True, slots=True)
class Block:
    """What one workload asks for in one period, and n deployments at their prices."""

    price: Floats
    """(n,) dollars of one replica, >= 0."""
    rate: Floats
    """(n,) requests per second of one replica, > 0."""
    most: Floats
    """(n,) replicas for which there are accelerators."""
    offer: Ints
    """(n,) deployment; the same on steady and on spot accelerators."""
    demand: float
    least: int
    """Fewest replicas."""
    survives: bool
    """Whether any one replica may be lost."""
    single: bool
    """Whether all replicas are of one deployment."""
    shed_most: float
    """Requests per second that may be refused."""
    shed_price: float
    """Dollars of refusing one request per second."""


def least_cost(block: Block, most_nodes: int) -> float:
    """Return a lower bound on what whole replicas for a block cost.

    Parameters
    ----------
    block : Block
        What is asked.
    most_nodes : int
        Partial covers after which the search stops with the bound that it has.

    Returns
    -------
    float
        Dollars: the least cost itself, less what rounding may have added, where the search ends
        before; infinite where nothing serves the block.
    """
    if block.demand <= 0 and block.least <= 0:
        return 0.0
    heap: list[_Node] = []
    count = 0
    for bound, case in _cases(block):
        heap.append((bound, count, None, case))
        count += 1
    if block.demand <= block.shed_most and block.least <= 0:
        heap.append((block.demand * block.shed_price, count, None, None))
    heapq.heapify(heap)
    for _ in range(most_nodes):
        if not heap:
            return math.inf
        bound, _, state, within = heapq.heappop(heap)
        if within is None:
            return lowered(bound)
        items = _items(block, within) if isinstance(within, _Case) else within
        state = _State(0.0, items.demand, block.least, 0, -1) if state is None else state
        for found in _after(items, state):
            count += 1
            heapq.heappush(heap, (max(found[0], bound), count, *found[1:]))
    return lowered(heap[0][0]) if heap else math.inf


@dataclass(frozen=True, slots=True)
class _Case:
    """Deployments of which the replicas may be, and how much they must cover."""

    mine: Bools | Ints
    demand: float


@dataclass(frozen=True, slots=True)
class _Items:
    """Deployments in the order of price per request, for the search."""

    price: list[float]
    rate: list[float]
    most: list[float]
    ratio: list[float]
    """Dollars of a request per second; what shedding costs behind the last one."""
    cheapest: list[float]
    """Least price of a replica from here on."""
    demand: float
    shed_most: float
    shed_price: float


@dataclass(frozen=True, slots=True)
class _State:
    """A partial cover: what it costs, what is left to cover, and from which item on."""

    paid: float
    rest: float
    need: int
    level: int
    number: int
    """Replicas of this level's item with which to go on, fewer later; -1: not decided."""


_Node = tuple[float, int, _State | None, "_Case | _Items | None"]
"""Bound, number of the node, partial cover, and where it goes on; None where it is complete."""
_Found = tuple[float, _State | None, "_Items | None"]


def _cases(block: Block) -> Iterator[tuple[float, _Case]]:
    """Yield bounds and cases: one; or one for each deployment that may be the largest in use.

    Where all replicas are of one deployment, each of these has its own cases. A replica that may be
    lost must be covered beside the demand.
    """
    needed, lossy = block.demand * COVERED, block.survives and block.demand > 0
    if not (len(block.price) and (block.single or lossy)):
        yield 0.0, _Case(np.arange(len(block.price)), needed)
        return
    group = block.offer if block.single else np.zeros(len(block.offer), dtype=np.int64)
    order = np.lexsort((block.rate, group))
    price, rate, group = block.price[order], block.rate[order], group[order]
    begin = np.searchsorted(group, group, side="left")
    last = np.diff(group, append=-1) != 0
    places = np.flatnonzero((lossy & (np.diff(rate, append=math.inf) != 0)) | last)
    lost = rate[places] * COVERED if lossy else np.zeros(len(places))
    ratio = price / rate
    if block.single:  # At most two of a deployment: on steady accelerators, and on spot ones.
        second = np.flatnonzero(begin < np.arange(len(ratio)))
        ratio[second] = np.minimum(ratio[second], ratio[second - 1])
    else:
        ratio = np.minimum.accumulate(ratio)
    ratio = ratio[places]
    bounds = np.maximum((needed + lost) * (1.0 - ROOM) - block.shed_most, 0.0) * ratio
    for place, bound, more in zip(places.tolist(), bounds.tolist(), lost.tolist(), strict=True):
        yield bound, _Case(order[begin[place] : place + 1], needed + more)


def _items(block: Block, case: _Case) -> _Items:
    """Drop deployments beside which another costs no more and serves no less; sort the others.

    The other one must be enough by itself.
    """
    price, rate, most = (of[case.mine] for of in (block.price, block.rate, block.most))
    if case.demand > 0:
        rate = np.minimum(rate, case.demand)
    enough = most >= np.maximum(np.ceil(max(case.demand, 0.0) / rate), block.least)
    order = np.lexsort((-rate, price))
    beside = np.maximum.accumulate(np.where(enough, rate, 0.0)[order])
    kept = order[rate[order] > np.concatenate(([0.0], beside[:-1]))]
    kept = kept[np.argsort(price[kept] / rate[kept], kind="stable")]
    price, rate, most = price[kept], rate[kept], most[kept]
    shed = block.shed_price if block.shed_most > 0 else math.inf
    later = np.append(price / rate, math.inf)
    cheapest = np.append(np.minimum.accumulate(price[::-1])[::-1], math.inf)
    ratio = np.minimum(later, shed)
    return _Items(
        *(price.tolist(), rate.tolist(), most.tolist(), ratio.tolist(), cheapest.tolist()),
        *(case.demand, block.shed_most, block.shed_price),
    )


def _after(items: _Items, state: _State) -> Iterator[_Found]:
    """Yield the covers that follow from a partial one, with their bounds."""
    if state.number < 0:
        yield from _complete(items, state)
        if state.level >= len(items.price):
            return
        fewer = min(_enough(items, state) - 1, items.most[state.level])
        if fewer >= 0:
            yield from _fewer(items, state, int(fewer))
        return
    yield _next(items, state, state.number)
    if state.number > 0:
        yield from _fewer(items, state, state.number - 1)


def _complete(items: _Items, state: _State) -> Iterator[_Found]:
    """Yield what completes a cover: refusing the rest, or replicas of this level that cover it.

    Replicas that the least number asks for beyond these are the cheapest ones.
    """
    if state.rest <= items.shed_most:
        paid = state.paid + max(state.rest, 0.0) * items.shed_price
        if state.need <= 0:
            yield paid, None, None
        elif math.isfinite(items.cheapest[state.level]):
            yield paid + state.need * items.cheapest[state.level], None, None
    if state.level < len(items.price):
        number = _enough(items, state)
        if 0 < number <= items.most[state.level]:
            more = max(state.need - number, 0) * items.cheapest[state.level]
            yield state.paid + number * items.price[state.level] + more, None, None


def _enough(items: _Items, state: _State) -> int:
    """Return how many replicas of this level cover the rest."""
    return max(math.ceil(state.rest / items.rate[state.level]), 0)


def _fewer(items: _Items, state: _State, number: int) -> Iterator[_Found]:
    """Yield so many replicas of this level or fewer: the fewer, the higher the bound.

    What these leave costs at least the next price per request, which is no less than this one's.
    """
    rest = max(state.rest - number * items.rate[state.level], 0.0)
    later = items.ratio[state.level + 1]
    if rest > 0 and math.isinf(later):
        return
    bound = state.paid + number * items.price[state.level] + (rest * later if rest > 0 else 0.0)
    if items.ratio[state.level] < items.price[state.level] / items.rate[state.level]:
        bound = state.paid + state.rest * items.ratio[state.level]  # Refusing is cheaper.
    yield bound, _State(state.paid, state.rest, state.need, state.level, number), items


def _next(items: _Items, state: _State, number: int) -> _Found:
    """Return the partial cover with so many replicas of this level, at the next one."""
    level = state.level + 1
    paid = state.paid + number * items.price[state.level]
    rest, need = state.rest - number * items.rate[state.level], max(state.need - number, 0)
    more = 0.0
    if rest > 0:
        more = rest * items.ratio[level]
        if rest > items.shed_most:
            more = max(more, items.cheapest[level])
    if need > 0:
        more = max(more, need * items.cheapest[level])
    return paid + more, _State(paid, rest, need, level, -1), items
