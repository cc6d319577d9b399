"""Attention: the arithmetic, the weights, the cache and the activations of one layer."""

from __future__ import annotations

import numpy as np

from planner.catalogue.profile import Switches
from planner.catalogue.transformer import GroupedQuery
from planner.terms.matrix import per_rank_words, shared_split_words
from planner.terms.passes import Floats, Pass


def attended(attention: GroupedQuery, step: Pass, switches: Switches) -> Floats:
    """Mean number of positions one new position attends to (T2).

    A causal position attends to what was cached and to the new ones up to itself, at most its
    window; the source paper's program counts only what was cached.
    """
    cached, new = step.context, step.positions
    if switches.attention_context == "cached":
        return cached * np.ones_like(new)
    if attention.window is None:
        return cached + (new + 1.0) / 2.0
    growing = np.clip(attention.window - cached, 0.0, new)
    total = growing * cached + growing * (growing + 1.0) / 2.0
    return (total + (new - growing) * attention.window) / new


def score_flop(attention: GroupedQuery, step: Pass, switches: Switches) -> Floats:
    """FLOP of scores and weighted values of one layer, all ranks together (T3)."""
    per_position = 4.0 * attention.query_heads * attention.head_dim
    return per_position * attended(attention, step, switches) * step.tokens


def projection_flop(attention: GroupedQuery, hidden: int, step: Pass) -> Floats:
    """FLOP of the query, key, value and output projections of one layer, all ranks (T4)."""
    return 2.0 * attention.parameters(hidden) * step.tokens


def kv_heads_per_rank(attention: GroupedQuery, tp: Floats, *, replicated: bool) -> Floats:
    """Key/value heads one rank holds; ranks beyond their number hold copies (T5)."""
    share = attention.kv_heads / tp
    return np.maximum(share, 1.0) if replicated else share


def cached_positions(attention: GroupedQuery, length: Floats) -> Floats:
    """Positions of a sequence of `length` that one layer keeps (T6)."""
    if attention.window is None:
        return length
    return np.minimum(length, attention.window)


def cache_elements_per_rank(
    attention: GroupedQuery, length: Floats, tp: Floats, switches: Switches
) -> Floats:
    """Cached numbers of one sequence of `length` in one layer of one rank (T7)."""
    heads = kv_heads_per_rank(attention, tp, replicated=switches.heads_replicated)
    per_head = attention.cache_elements() / attention.kv_heads
    return cached_positions(attention, length) * heads * per_head


def weights_per_rank(
    attention: GroupedQuery, hidden: int, tp: Floats, switches: Switches
) -> Floats:
    """Projection weights one rank holds and reads of one layer (T8)."""
    heads = kv_heads_per_rank(attention, tp, replicated=switches.heads_replicated)
    keys_values = attention.cache_elements() / attention.kv_heads * heads
    queries = attention.query_heads * attention.head_dim / tp
    return hidden * (2.0 * queries + keys_values)


def activation_words(
    attention: GroupedQuery, hidden: int, step: Pass, switches: Switches
) -> Floats:
    """Matrix inputs and outputs one rank reads and writes in one layer's projections (T9)."""
    queries = attention.query_heads * attention.head_dim
    width = queries + attention.cache_elements()
    if switches.activation_traffic == "shared-split":
        qkv = shared_split_words(width, hidden, step.tokens, step.tp)
        return qkv + shared_split_words(hidden, queries, step.tokens, step.tp)
    heads = kv_heads_per_rank(attention, step.tp, replicated=switches.heads_replicated)
    local_queries = queries / step.tp
    local_width = local_queries + attention.cache_elements() / attention.kv_heads * heads
    qkv = per_rank_words(local_width, hidden, step.tokens)
    return qkv + per_rank_words(hidden, local_queries, step.tokens)
