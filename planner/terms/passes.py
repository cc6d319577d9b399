"""One forward pass of one micro-batch, described by arrays that broadcast together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from planner.catalogue.accelerator import PRECISIONS
from planner.catalogue.transformer import Transformer

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Precision:
    """Number formats of one deployment: weights, activations and cache."""

    weights: str = "bf16"
    cache: str = "bf16"
    activations: str = "bf16"

    @property
    def weight_bytes(self) -> float:
        """Bytes of one weight."""
        return PRECISIONS[self.weights]

    @property
    def cache_bytes(self) -> float:
        """Bytes of one cached number."""
        return PRECISIONS[self.cache]

    @property
    def activation_bytes(self) -> float:
        """Bytes of one activation between matrix products."""
        return PRECISIONS[self.activations]


@dataclass(frozen=True, slots=True)
class Pass:
    """A micro-batch going once through every layer; all arrays broadcast together.

    Degrees and counts are real numbers here: the source paper's program uses fractional ones.
    """

    tp: Floats
    """Tensor-parallel ranks of one pipeline stage."""
    pp: Floats
    """Pipeline stages."""
    sequences: Floats
    """Sequences of the micro-batch."""
    positions: Floats
    """New positions of each sequence: 1 when decoding, the prompt's length when reading it."""
    context: Floats
    """Positions of each sequence cached before this pass."""
    layout: Literal["1d", "2d"] = "1d"
    """Tensor parallelism by columns and rows of whole layers, or the paper's square grid."""

    @property
    def tokens(self) -> Floats:
        """New positions of the whole micro-batch."""
        return self.sequences * self.positions


def stack_factor(llm: Transformer, pp: Floats, *, whole_layers: bool) -> Floats:
    """How much longer the stack is when every stage takes as long as the fullest (T1).

    Stages hold whole layers, so `pp` stages of the fullest one's depth are timed.
    """
    if not whole_layers:
        return np.ones_like(pp)
    return pp * np.ceil(llm.layer_count / pp) / llm.layer_count
