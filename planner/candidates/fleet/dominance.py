"""Thinning of offers: those of a workload and pool that no other one there is better than."""

from __future__ import annotations

import numpy as np

from planner.candidates.fleet.model_data import Bools
from planner.problem.offers import Floats, Ints


def undominated(group: Ints, gpus: Ints, rates: Floats, price: Floats) -> Bools:
    """Tell which rows no other row of their group is better than.

    A row goes where another one of its group takes no more accelerators, costs no more and serves
    no fewer requests of each class, and is better in one of these or comes earlier. What a start
    costs need not be looked at: within a group it grows with accelerators or price alone.

    Parameters
    ----------
    group : array of int
        (rows,) rows are compared with those of the same group.
    gpus : array of int
        (rows,) accelerators.
    rates : array of float
        (rows, classes) requests per second.
    price : array of float
        (rows,) dollars per hour of a replica; 0 where it is a matter of accelerators alone.

    Returns
    -------
    array of bool
        (rows,) exactly the rows that stay.
    """
    total = rates.sum(axis=1)
    keys = [-total, price, gpus, group] if price.any() else [-total, gpus, group]
    # Whatever beats a row comes before it: the first one left of a group is beaten by nothing.
    left = np.lexsort(keys)
    kept = np.zeros(len(group), dtype=bool)
    while len(left):
        first = np.diff(group[left], prepend=-1) != 0
        kept[left[first]] = True
        best = left[first][np.cumsum(first) - 1]
        beaten = (gpus[best] <= gpus[left]) & (price[best] <= price[left])
        for column in rates.T:
            beaten &= column[best] >= column[left]
        left = left[~beaten]
    return kept
