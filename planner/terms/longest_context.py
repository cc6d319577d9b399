"""Longest context: how many tokens every sequence of a batch may have before memory is full."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from planner.terms.forward_pass import Floats

HALVINGS = 40
"""Enough to tell apart whole numbers up to 10^12."""


def longest_context(resident_at: Callable[[Floats], Floats], usable: float, most: float) -> Floats:
    """Return the most tokens at which everything fits; 0 where nothing does (T81).

    Memory grows with the length, so that halving finds it.

    Parameters
    ----------
    resident_at : callable
        Bytes on the fullest GPU of every deployment, T32, each at its own length.
    usable : float
        Bytes that may be filled.
    most : float
        Tokens that the transformer supports.
    """
    shape = np.shape(resident_at(np.asarray(1.0)))
    low, high = np.zeros(shape), np.full(shape, most + 1.0)
    for _ in range(HALVINGS):
        middle = np.floor((low + high) / 2.0)
        fits = (resident_at(middle) <= usable) & (middle > low)
        low, high = np.where(fits, middle, low), np.where(fits | (middle <= low), high, middle)
    return low
