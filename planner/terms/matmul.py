"""Matrix products: the inputs and outputs that cross the memory bus beside the weights."""

from __future__ import annotations

import numpy as np

from planner.terms.forward_pass import Floats


def per_rank_elements(rows: Floats | float, columns: Floats | float, tokens: Floats) -> Floats:
    """Words one rank reads and writes for its own `rows x columns` part of a product (T10)."""
    return (rows + columns) * tokens


def shared_split_elements(rows: float, columns: float, tokens: Floats, ranks: Floats) -> Floats:
    """Words one of `ranks` moves for a `rows x columns` product under the best split (T11).

    The source paper's program, version F: inputs are read by t1 ranks and outputs written by
    ranks/t1, where t1 = clip(sqrt(rows ranks / columns), 1, ranks) makes their sum least.
    """
    readers = np.clip(np.sqrt(rows * ranks / columns), 1.0, ranks)
    words: Floats = (readers * columns + ranks / readers * rows) * tokens / ranks
    return words
