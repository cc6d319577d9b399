"""Packing replicas into nodes, by counts: how many nodes their accelerators need."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def nodes_needed(counts: Ints, most: Ints) -> Ints:
    """Pack replicas into as few nodes as two heuristics find.

    The first puts the largest replicas into the fullest nodes that still have room. Where that
    takes more nodes than there are, the second fills one node after the other as full as it
    goes. A packing that is found is a proof; none found is no proof of the contrary, except
    where the sizes divide one another, for then the first is exact.

    Parameters
    ----------
    counts : array of int
        (N, g) replicas of 1, 2, ..., g accelerators in each of N places with nodes of g.
    most : array of int
        (N,) nodes there are.

    Returns
    -------
    array of int
        (N,) nodes that suffice.
    """
    needed = _fullest_first(counts)
    for place in np.flatnonzero(needed > most).tolist():
        needed[place] = min(needed[place], _node_by_node(counts[place]))
    return needed


def _fullest_first(counts: Ints) -> Ints:
    """Pack by best fit, largest first, in all places at once."""
    places, size = counts.shape
    room = np.zeros((places, size + 1), dtype=np.int64)  # Nodes by what is free in them.
    for item in range(size, 0, -1):
        left = counts[:, item - 1].copy()
        for free in range(item, size):
            each = free // item
            # Nodes that take as many as they can, and one that takes what is left over.
            full = np.minimum(room[:, free], left // each)
            _move(room, free, free - each * item, full)
            left -= full * each
            some = np.where((left > 0) & (left < each) & (room[:, free] > 0), left, 0)
            for few in range(1, each):
                _move(room, free, free - few * item, (some == few).astype(np.int64))
            left -= some
        each = size // item
        room[:, size - each * item] += left // each
        rest = left % each
        opened = np.flatnonzero(rest)
        room[opened, size - rest[opened] * item] += 1
    total: Ints = room.sum(axis=1)
    return total


def _move(room: Ints, before: int, after: int, nodes: Ints) -> None:
    room[:, before] -= nodes
    room[:, after] += nodes


def _node_by_node(counts: Ints) -> int:
    """Fill each node as full as it goes, beginning with the largest replica that is left."""
    left, nodes = [int(count) for count in counts], 0
    while any(left):
        largest = max(item for item, count in enumerate(left, start=1) if count)
        bounded = [min(count, len(left) // item) for item, count in enumerate(left, start=1)]
        bounded[largest - 1] -= 1
        pattern = list(_fill(len(left) - largest, tuple(bounded)))
        pattern[largest - 1] += 1
        times = min(count // part for count, part in zip(left, pattern, strict=True) if part)
        left = [count - times * part for count, part in zip(left, pattern, strict=True)]
        nodes += times
    return nodes


@lru_cache(maxsize=4096)
def _fill(free: int, counts: tuple[int, ...]) -> tuple[int, ...]:
    """Return how many replicas of each size fill so much room best, large ones first."""
    best: dict[int, tuple[int, ...]] = {0: (0,) * len(counts)}
    for item in range(len(counts), 0, -1):
        for _ in range(counts[item - 1]):
            for filled, pattern in list(best.items()):
                more = filled + item
                if more <= free and more not in best and pattern[item - 1] < counts[item - 1]:
                    best[more] = (*pattern[: item - 1], pattern[item - 1] + 1, *pattern[item:])
        if free in best:
            break
    return best[max(best)]
