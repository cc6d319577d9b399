"""Attention: the arithmetic, the weights, the cache and the activations of one layer.

One rank of a tensor-parallel group is looked at; `planner/terms/forward_pass.py` says what a pass
is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.catalogue.attention import Attention, GroupedQuery, Latent, Recurrent
from planner.catalogue.profile import Switches
from planner.terms.forward_pass import Floats, ForwardPass
from planner.terms.matmul import per_rank_elements, shared_split_elements

STATE_PASSES = 2.0
"""A recurrent state is read and written in every pass."""
CONVOLUTION_BYTES = 2
"""Bytes of one number of a convolution's earlier positions, which are activations."""
STATE_FLOP = 6.0
"""FLOP per number of a recurrent state and token: decay, update and read."""


def attended(window: int | None, step: ForwardPass, switches: Switches) -> Floats:
    """Mean number of positions one new position attends to (T2).

    A causal position attends to what was cached and to the new ones up to itself, at most its
    window; the source paper's program counts only what was cached.
    """
    cached, new = step.context, step.positions
    if switches.attention_context == "cached":
        return cached * np.ones_like(new)
    if window is None:
        return cached + (new + 1.0) / 2.0
    growing = np.clip(window - cached, 0.0, new)
    total = growing * cached + growing * (growing + 1.0) / 2.0
    return (total + (new - growing) * window) / new


def score_flop(attention: Attention, step: ForwardPass, switches: Switches) -> Floats:
    """FLOP of one rank for scores and weighted values of one layer (T3).

    Every attention group works on its own sequences, in the paper's program too.
    """
    ranks = step.tp
    tokens = step.tokens / step.dp
    if switches.data_parallel_splits:
        tokens = step.group_tokens(switches)
    if isinstance(attention, Recurrent):
        return STATE_FLOP * attention.state_elements() * tokens / ranks
    if isinstance(attention, GroupedQuery):
        width = attention.query_width + attention.output_width
        return 2.0 * width * attended(attention.window, step, switches) * tokens / ranks
    return _latent_score_flop(attention, step, switches) * tokens


def _latent_score_flop(attention: Latent, step: ForwardPass, switches: Switches) -> Floats:
    """FLOP of one rank and token: absorbed when decoding, expanded when reading prompts (T49).

    Absorbed, every head attends over the cached vector itself, of `kv_latent` and `rotary_dim`;
    an indexer scores all positions and keeps some.
    """
    if step.prefill:
        width = attention.nope_dim + attention.rotary_dim + attention.value_dim
    else:
        width = 2 * attention.kv_latent + attention.rotary_dim
    kept = attention.indexer.kept if attention.indexer else None
    scores = 2.0 * attention.query_heads * width * attended(kept, step, switches) / step.tp
    if attention.indexer is None:
        return scores
    indexer = 2.0 * attention.indexer.heads * attention.indexer.head_dim
    return scores + indexer * attended(None, step, switches)


def projection_flop(
    attention: Attention, hidden: int, step: ForwardPass, switches: Switches
) -> Floats:
    """FLOP of one rank for the projections of one layer (T4)."""
    weights = weights_per_rank(attention, hidden, step.tp, switches, traffic=False)
    if not (switches.heads_replicated and isinstance(attention, Latent)):
        weights = attention.parameters(hidden) / step.tp
    return 2.0 * weights * step.group_tokens(switches)


def kv_heads_per_rank(attention: GroupedQuery, tp: Floats, *, replicated: bool) -> Floats:
    """Key/value heads one rank holds; ranks beyond their number hold copies (T5)."""
    share = attention.kv_heads / tp
    return np.maximum(share, 1.0) if replicated else share


def cached_positions(window: int | None, length: Floats) -> Floats:
    """Positions of a sequence of `length` that one layer keeps (T6)."""
    return length if window is None else np.minimum(length, window)


def cache_elements_per_rank(
    attention: Attention, length: Floats, tp: Floats, switches: Switches
) -> Floats:
    """Cached numbers of one sequence of `length` in one layer of one rank (T7).

    Every rank holds the whole latent vector. Recurrent layers cache nothing per position: T73.
    """
    if isinstance(attention, Recurrent):
        return np.zeros_like(length / tp)
    if isinstance(attention, Latent):
        share = np.ones_like(tp) if switches.heads_replicated else 1.0 / tp
        return length * attention.cache_elements() * share
    heads = kv_heads_per_rank(attention, tp, replicated=switches.heads_replicated)
    per_head = attention.cache_elements() / attention.kv_heads
    return cached_positions(attention.window, length) * heads * per_head


def state_bytes_per_rank(attention: Attention, tp: Floats) -> Floats:
    """Bytes of one sequence in one recurrent layer of one rank, however long it is (T73).

    The state and the last positions of the convolution, each in its own format and not in that of
    the cache; both are split by heads.
    """
    if not isinstance(attention, Recurrent):
        return np.zeros_like(tp)
    state = attention.state_elements() * attention.state_number_bytes
    return (state + attention.convolution_elements() * CONVOLUTION_BYTES) / tp


def state_bytes_moved(attention: Attention, tp: Floats) -> Floats:
    """Bytes of one sequence's state that one rank reads and writes in one pass (T74)."""
    return STATE_PASSES * state_bytes_per_rank(attention, tp)


def cache_elements_moved(
    attention: Attention, length: Floats, tp: Floats, switches: Switches
) -> Floats:
    """Cached numbers of one sequence that one rank reads and writes in one pass (T50).

    An indexer reads its own keys at every position and the latent vector where it keeps one.
    Layers that share the cache of another read it once more.
    """
    if isinstance(attention, GroupedQuery) and attention.shares_cache:
        attention = replace(attention, shares_cache=False)
    moved = cache_elements_per_rank(attention, length, tp, switches)
    if isinstance(attention, Latent) and attention.indexer is not None:
        latent = attention.kv_latent + attention.rotary_dim
        kept = np.minimum(length, attention.indexer.kept)
        return moved - (length - kept) * latent
    return moved


def weight_part(attention: Attention) -> str:
    """Return the part of the weights that an attention's projections belong to."""
    return "recurrent" if isinstance(attention, Recurrent) else "attention"


def weights_per_rank(
    attention: Attention, hidden: int, tp: Floats, switches: Switches, *, traffic: bool = True
) -> Floats:
    """Projection weights of one layer that one rank holds and reads (T8).

    Key/value heads and the way down to latent vectors are copied where they cannot be split. The
    source paper's program splits everything, and reads other latent matrices than it holds.
    """
    if isinstance(attention, GroupedQuery):
        heads = kv_heads_per_rank(attention, tp, replicated=switches.heads_replicated)
        per_head = hidden * attention.cache_elements() / attention.kv_heads
        split = attention.parameters(hidden) - per_head * attention.kv_heads
        return split / tp + per_head * heads
    if isinstance(attention, Latent):
        if switches.heads_replicated:
            shared = attention.shared_parameters(hidden)
            return shared + attention.split_parameters(hidden) / tp
        if traffic and switches.activation_traffic == "shared-split":
            return sum(rows * columns for rows, columns in _merged(attention, hidden)) / tp
    return attention.parameters(hidden) / tp


def _merged(attention: Latent, hidden: int) -> list[tuple[float, float]]:
    """Matrices of the source paper's latent attention: down together, up together, out."""
    latent = attention.kv_latent + (attention.query_latent or 0)
    up = attention.query_width + attention.query_heads * (attention.nope_dim + attention.value_dim)
    return [(latent, hidden), (up, latent), (hidden, attention.output_width)]


def activation_elements(
    attention: Attention, hidden: int, step: ForwardPass, switches: Switches
) -> Floats:
    """Matrix inputs and outputs one rank reads and writes in one layer's projections (T9)."""
    tokens = step.group_tokens(switches)
    if switches.activation_traffic == "shared-split":
        words: Floats = np.asarray(0.0)
        for rows, columns in _matrices(attention, hidden):
            words = words + shared_split_elements(rows, columns, tokens, step.tp)
        return words
    words = per_rank_elements(hidden, _output_width(attention) / step.tp, tokens)
    return words + per_rank_elements(_input_width(attention, step, switches), hidden, tokens)


def _matrices(attention: Attention, hidden: int) -> list[tuple[float, float]]:
    if isinstance(attention, Latent):
        return _merged(attention, hidden)
    return [(reduced_width(attention), hidden), (hidden, _output_width(attention))]


def _output_width(attention: Attention) -> int:
    """Numbers of one token that enter the output projection."""
    return attention.value_width if isinstance(attention, Recurrent) else attention.output_width


def _input_width(attention: Attention, step: ForwardPass, switches: Switches) -> Floats:
    """Numbers of one token that one rank's projections from the hidden state yield."""
    if isinstance(attention, Recurrent):
        return attention.convolved_width / step.tp
    if isinstance(attention, Latent):
        latent = attention.kv_latent + attention.rotary_dim + (attention.query_latent or 0)
        return latent + attention.query_width / step.tp
    heads = kv_heads_per_rank(attention, step.tp, replicated=switches.heads_replicated)
    per_head = attention.cache_elements() / attention.kv_heads
    return (attention.query_width + attention.gate_width) / step.tp + per_head * heads


def reduced_width(attention: Attention) -> float:
    """Words of one token that two-dimensional tensor parallelism reduces after projecting (T51)."""
    if isinstance(attention, Recurrent):
        return attention.convolved_width
    if isinstance(attention, Latent):
        expanded = attention.query_heads * (attention.nope_dim + attention.value_dim)
        return attention.query_width + expanded
    return attention.query_width + attention.cache_elements()
