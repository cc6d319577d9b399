"""Cache pool: what is left for caches on a GPU, and how many sequences it holds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Transformer
from planner.terms import cache_layout
from planner.terms.engine_memory import engine_bytes
from planner.terms.forward_pass import Floats, ForwardPass, Precision
from planner.terms.memory_capacity import stage_weights
from planner.terms.pipeline_stages import on_stage


class Beside(NamedTuple):
    """What a draft takes of the same GPU."""

    weights: Floats
    """Bytes of its weights."""
    cache: Floats
    """Bytes of its cache for one sequence of an attention group of the target."""


class CachePool(NamedTuple):
    """What lies on the GPU with the smallest pool, and what the pools hold."""

    weights: Floats
    """Bytes of weights, the draft's among them, on the GPU that has most."""
    pool: Floats
    """Bytes left for caches there; 0 where nothing is left."""
    sequences: Floats
    """Sequences of full length that the pools of all stages hold, over all attention groups."""


def cache_pool(
    llm: Transformer,
    precision: Precision,
    switches: Switches,
    step: ForwardPass,
    *,
    usable: float,
    beside: Beside | None = None,
) -> CachePool:
    """Divide the memory of a GPU that is not taken otherwise among sequences (T77) (T78).

    Parameters
    ----------
    step : ForwardPass
        Degrees; the batch as its sequences, and the length of a full sequence as its context.
    usable : float
        Bytes that may be filled.
    beside : Beside, optional
        The draft.
    """
    drafted = beside or Beside(np.asarray(0.0), np.asarray(0.0))
    free = usable - engine_bytes(llm, precision, switches, step) - drafted.weights
    layers = cache_layout.layer_bytes(llm, precision, switches, step)
    most, fewest = np.asarray(0.0), np.asarray(np.inf)
    for stage, weights in stage_weights(llm, precision, switches, step):
        laid = cache_layout.laid_layers(llm, switches, stage)
        each = on_stage(laid, layers) + drafted.cache
        most = np.maximum(most, weights)
        fewest = np.minimum(fewest, np.floor(np.maximum(free - weights, 0.0) / each))
    return CachePool(most + drafted.weights, np.maximum(free - most, 0.0), fewest * step.dp)
