"""Serving engines: which deployments their flags can launch, and whose all-reduce they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from planner.catalogue.accelerator import Source
from planner.catalogue.engine_memory import EngineMemory, MemoryRelease, memory_at

Degrees = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Split = Literal["none", "none-or-width", "divides-width"]
"""Values of a degree: 1 alone; 1 or the stage's width; everything that divides the width."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One serving engine. The width of a stage is tensor times attention data parallelism."""

    name: str
    """Lower-case slug, also the name of its file."""
    title: str
    version: str
    """Release that the rules were read from."""
    vendors: tuple[str, ...]
    """Makers of accelerators it runs on."""
    data_parallel: Split
    """Degrees of attention data parallelism."""
    expert_parallel: Split
    """Degrees of expert parallelism; experts are tensor-parallel over the rest of the width."""
    weights: tuple[str, ...]
    """Weight precisions it loads."""
    kv: tuple[str, ...]
    """Cache precisions it keeps."""
    collectives: str
    """Implementation of all-reduce that it runs by default."""
    origin: Mapping[str, str]
    """Field name to key of `sources`; the key `default` stands for every field not named."""
    sources: Mapping[str, Source]
    tensor_parallel: tuple[int, ...] = ()
    """Tensor-parallel degrees; empty: all that divide the heads."""
    whole_kv_heads: bool = True
    """Whether the tensor-parallel degree must divide the key/value heads or be a multiple."""
    pipeline_with_experts: bool = True
    """Whether pipeline stages combine with expert parallelism."""
    pipeline_with_data_parallel: bool = True
    """Whether pipeline stages combine with attention data parallelism."""
    pipeline_with_speculation: bool = True
    """Whether pipeline stages combine with speculative decoding."""
    draft_models: bool = True
    """Whether a smaller transformer may draft."""
    draft_models_with_data_parallel: bool = True
    """Whether it may draft for a target with attention data parallelism."""
    mtp: bool = True
    """Whether the transformer's own multi-token-prediction layers may draft."""
    memory: tuple[MemoryRelease, ...] = ()
    """What it takes of a GPU beside weights and cache, by release; empty where it is not known."""
    aliases: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    """Fields that no document or check of the engine states."""
    notes: str = ""

    def launches(self, tp: Degrees, pp: Degrees, dp: Degrees, ep: Degrees) -> Booleans:
        """Tell which deployments can be launched without speculation.

        Parameters
        ----------
        tp, pp, dp, ep : array of int
            Tensor-, pipeline-, attention-data- and expert-parallel degrees that broadcast
            together, with `ep` a divisor of `tp * dp`.
        """
        width = tp * dp
        fits = _splits(self.data_parallel, dp, width) & _splits(self.expert_parallel, ep, width)
        if self.tensor_parallel:
            fits = fits & np.isin(tp, self.tensor_parallel)
        experts = (pp == 1) | (ep == 1) | self.pipeline_with_experts
        groups = (pp == 1) | (dp == 1) | self.pipeline_with_data_parallel
        return np.asarray(fits & experts & groups)

    def drafts(self, pp: Degrees, dp: Degrees, *, own: bool) -> Booleans:
        """Tell where speculation can be launched; `own` is by the target's own layers."""
        known = self.mtp if own else self.draft_models
        stages = (pp == 1) | self.pipeline_with_speculation
        groups = (dp == 1) | own | self.draft_models_with_data_parallel
        return np.asarray(stages & groups & known)

    def shares(self, tp: Degrees, kv_heads: int) -> Booleans:
        """Tell which tensor-parallel degrees hold equally many of `kv_heads`, or of their copies.

        Parameters
        ----------
        tp : array of int
            Tensor-parallel degrees.
        kv_heads : int
            Key/value heads of a layer of grouped-query attention.
        """
        if not self.whole_kv_heads:
            return np.ones(np.shape(tp), dtype=bool)
        return np.asarray((kv_heads % tp == 0) | (tp % kv_heads == 0))

    @property
    def memory_taken(self) -> EngineMemory | None:
        """What this version takes of a GPU beside weights and cache; None: not known."""
        return memory_at(self.name, self.memory, self.version) if self.memory else None

    def source_of(self, name: str) -> Source:
        """Return the source of one field."""
        return self.sources[self.origin.get(name, self.origin["default"])]


def _splits(rule: Split, degree: Degrees, width: Degrees) -> Booleans:
    if rule == "none":
        return np.asarray((degree == 1) & (width >= 1))
    if rule == "none-or-width":
        return np.asarray((degree == 1) | (degree == width))
    return np.asarray(width % degree == 0)
