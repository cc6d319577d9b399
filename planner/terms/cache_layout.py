"""Cache layout: what an engine sets aside for one sequence of full length when it admits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from planner.catalogue.attention import Attention, GroupedQuery
from planner.catalogue.engine_memory import EngineMemory
from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Transformer
from planner.terms.forward_pass import Floats, ForwardPass, Precision
from planner.terms.memory_capacity import layer_caches
from planner.terms.pipeline_stages import StageArrays

NEARLY_EQUAL = 1.25
"""Kinds whose numbers of layers differ by less lie in groups of the larger number."""


def layer_bytes(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> list[Floats]:
    """Return what one rank sets aside in one layer of every group (T79).

    A window holds its positions and a chunk of prompts, since blocks are let go between passes.
    """
    chunked = tuple(
        replace(group, attention=_with_chunk(group.attention, switches.engine_memory))
        for group in llm.layers
    )
    return layer_caches(replace(llm, layers=chunked), precision, switches, step)


def _with_chunk(heads: Attention | None, engine: EngineMemory | None) -> Attention | None:
    """Return attention whose window is longer by a chunk of prompts."""
    if engine is None or not isinstance(heads, GroupedQuery) or heads.window is None:
        return heads
    return replace(heads, window=heads.window - 1 + engine.prompt_tokens)


def laid_layers(llm: Transformer, switches: Switches, stage: StageArrays) -> list[Floats]:
    """Return the layers of every group that a stage sets aside memory for (T80).

    Engines lay caches of several kinds out in groups of equally many layers, those of the rarest
    kind, and fill the last group of each kind up. That holds where a position takes as many bytes
    in every layer.
    """
    counts = list(stage.layers)
    kinds = _kinds(llm)
    if switches.engine_memory is None or len(kinds) < 2:
        return counts
    totals = {kind: np.sum([counts[index] for index in of], axis=0) for kind, of in kinds.items()}
    size = _group_size(list(totals.values()))
    for kind, of in kinds.items():
        total = totals[kind]
        whole = np.ceil(total / size) * size
        factor = np.divide(whole, total, out=np.ones_like(whole), where=total > 0.0)
        for index in of:
            counts[index] = counts[index] * factor
    return counts


def _kinds(llm: Transformer) -> Mapping[int | None, list[int]]:
    """Return the groups of layers by window, where all cache alike and by themselves."""
    kinds: dict[int | None, list[int]] = {}
    sizes = set()
    for index, group in enumerate(llm.layers):
        heads = group.attention
        if heads is None or (isinstance(heads, GroupedQuery) and heads.shares_cache):
            continue
        if not isinstance(heads, GroupedQuery):
            return {}
        kinds.setdefault(heads.window, []).append(index)
        sizes.add(heads.cache_elements())
    return kinds if len(sizes) == 1 else {}


def _group_size(totals: list[Floats]) -> Floats:
    """Layers of a group: as many as the rarest kind has, of those that the stage has."""
    most: Floats = np.max(totals, axis=0)
    fewest = np.min([np.where(total > 0.0, total, most) for total in totals], axis=0)
    size = np.where(most < NEARLY_EQUAL * fewest, most, fewest)
    return np.asarray(np.maximum(size, 1.0))
