"""Memory capacity: what must lie in the memory of one accelerator of the fullest stage."""

from __future__ import annotations

import numpy as np

from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Dense, GroupedQuery, Transformer
from planner.terms import attention, feedforward
from planner.terms.passes import Floats, Precision


def resident_bytes(
    llm: Transformer,
    precision: Precision,
    switches: Switches,
    *,
    tp: Floats,
    pp: Floats,
    batch: Floats,
    length: Floats,
) -> Floats:
    """Bytes on one accelerator of the fullest stage: weights, cache, workspace (T32).

    Parameters
    ----------
    tp, pp, batch : array of float
        Degrees, and sequences of the whole replica; all stages together hold their caches.
    length : array of float
        Positions of the longest sequence: prompt and answer.
    """
    weights = weight_bytes(llm, precision, switches, tp=tp, pp=pp)
    cache = cache_bytes(llm, precision, switches, tp=tp, pp=pp, length=length) * batch
    work = workspace_bytes(llm, precision, switches, tp=tp, pp=pp, batch=batch, length=length)
    return weights + cache + work


def layers_of_fullest_stage(llm: Transformer, pp: Floats, switches: Switches) -> Floats:
    """Layers of the stage that holds most, as a part of all (T33)."""
    share = llm.layer_count / pp
    return (np.ceil(share) if switches.whole_layers else share) / llm.layer_count


def weight_bytes(
    llm: Transformer, precision: Precision, switches: Switches, *, tp: Floats, pp: Floats
) -> Floats:
    """Weights of one rank: its part of the stage's layers and of an embedding (T34).

    Without stages both embeddings lie together (one where they are tied); with stages the first
    holds the look-up and the last the output projection, and one of them is taken to hold the
    most layers too.
    """
    words: Floats = np.asarray(0.0)
    for group in llm.layers:
        heads, block = group.attention, group.feedforward
        assert isinstance(heads, GroupedQuery)
        assert isinstance(block, Dense)
        words = words + group.count * (
            attention.weights_per_rank(heads, llm.hidden, tp, switches)
            + feedforward.weights_per_rank(block, llm.hidden, tp)
        )
    embeddings = _embeddings_of_a_stage(llm, pp, switches) * llm.embedding_parameters / tp
    embedding_bytes = switches.embedding_bytes or precision.weight_bytes
    layers = words * layers_of_fullest_stage(llm, pp, switches) * precision.weight_bytes
    return layers + embeddings * embedding_bytes


def _embeddings_of_a_stage(llm: Transformer, pp: Floats, switches: Switches) -> Floats:
    held = 1.0 if llm.tied_embeddings else 2.0
    return np.where(pp > 1.0, 1.0, held) if switches.whole_layers else held / pp


def cache_bytes(
    llm: Transformer,
    precision: Precision,
    switches: Switches,
    *,
    tp: Floats,
    pp: Floats,
    length: Floats,
) -> Floats:
    """Cache of one sequence of `length` on one rank of the fullest stage (T35)."""
    words: Floats = np.asarray(0.0)
    for group in llm.layers:
        heads = group.attention
        assert isinstance(heads, GroupedQuery)
        per_layer = attention.cache_elements_per_rank(heads, length, tp, switches)
        words = words + group.count * per_layer
    return words * layers_of_fullest_stage(llm, pp, switches) * precision.cache_bytes


def workspace_bytes(
    llm: Transformer,
    precision: Precision,
    switches: Switches,
    *,
    tp: Floats,
    pp: Floats,
    batch: Floats,
    length: Floats,
) -> Floats:
    """Activations while a chunk of prompts is read, and 32-bit logits of a micro-batch (T36).

    Two residual streams of `hidden` and the widest block stay alive at once.
    """
    tokens = np.minimum(float(switches.workspace_tokens), np.maximum(length, 1.0) * batch)
    widest = max(
        group.feedforward.width * group.feedforward.matrices_in
        for group in llm.layers
        if isinstance(group.feedforward, Dense)
    )
    activations = tokens * (2.0 * llm.hidden + widest / tp) * precision.activation_bytes
    if switches.workspace_tokens == 0:
        return np.zeros_like(activations)
    return activations + np.ceil(batch / pp) * llm.vocabulary / tp * 4.0
