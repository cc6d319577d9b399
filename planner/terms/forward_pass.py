"""One forward pass of one micro-batch, described by arrays that broadcast together."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from planner.catalogue.accelerator import CACHE_PRECISIONS, PRECISIONS
from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Transformer

Floats = npt.NDArray[np.float64]

ONE: Floats = np.asarray(1.0)


@dataclass(frozen=True, slots=True)
class Precision:
    """Number formats of one deployment: weights, activations and cache."""

    weights: str = "bf16"
    cache: str = "bf16"
    activations: str = "bf16"

    @property
    def cache_bytes(self) -> float:
        """Bytes of one cached number."""
        return CACHE_PRECISIONS[self.cache]

    @property
    def activation_bytes(self) -> float:
        """Bytes of one activation between matrix products."""
        return PRECISIONS[self.activations]


@dataclass(frozen=True, eq=False)
class ForwardPass:
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
    dp: Floats = field(default_factory=lambda: ONE)
    """Attention data parallelism: groups of `tp` ranks that share out the sequences."""
    ep: Floats = field(default_factory=lambda: ONE)
    """Groups of ranks that share out the experts."""
    prefill: bool = False
    """Whether prompts are read, so that latent attention expands what it caches."""
    imbalance: float = 1.0
    """Tokens of the busiest group of experts over the mean."""
    redundant: int = 0
    """Copies of experts that a layer holds beside its own, where they are spread."""

    @cached_property
    def tokens(self) -> Floats:
        """New positions of the whole micro-batch."""
        return self.sequences * self.positions

    @cached_property
    def width(self) -> Floats:
        """Ranks of one pipeline stage."""
        return self.tp * self.dp

    @property
    def expert_tp(self) -> Floats:
        """Ranks that split one expert."""
        return self.width / self.ep

    def group_sequences(self, switches: Switches) -> Floats:
        """Sequences of the largest attention group (T47)."""
        return self._whole_share if switches.whole_layers else self._share

    @cached_property
    def _share(self) -> Floats:
        return self.sequences / self.dp

    @cached_property
    def _whole_share(self) -> Floats:
        return np.ceil(self._share)

    def group_tokens(self, switches: Switches) -> Floats:
        """New positions that one attention group works on (T48).

        The source paper's program lets every group work on all of them.
        """
        if not switches.data_parallel_splits:
            return self.tokens
        return self._whole_tokens if switches.whole_layers else self._shared_tokens

    @cached_property
    def _whole_tokens(self) -> Floats:
        return self._whole_share * self.positions

    @cached_property
    def _shared_tokens(self) -> Floats:
        return self._share * self.positions


def stack_factor(llm: Transformer, pp: Floats, *, whole_layers: bool) -> Floats:
    """How much longer the stack is when every stage takes as long as the fullest (T1).

    Stages hold whole layers, so `pp` stages of the fullest one's depth are timed.
    """
    if not whole_layers:
        return np.ones_like(pp)
    return pp * np.ceil(llm.layer_count / pp) / llm.layer_count
