"""Memory capacity: what must lie in the memory of one accelerator of the fullest stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce

import numpy as np

from planner.catalogue.checkpoint import PartBits
from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Transformer
from planner.terms import attention, feedforward
from planner.terms.engine_memory import engine_bytes
from planner.terms.forward_pass import ONE, Floats, ForwardPass, Precision
from planner.terms.pipeline_stages import StageArrays, fullest_stages, on_stage
from planner.terms.weight_formats import TOWER_BYTES, weight_bits


def resident_bytes(
    llm: Transformer,
    precision: Precision,
    switches: Switches,
    *,
    tp: Floats,
    pp: Floats,
    batch: Floats,
    length: Floats,
    dp: Floats = ONE,
    ep: Floats = ONE,
    redundant: int = 0,
) -> Floats:
    """Bytes on one accelerator of the fullest stage: weights, cache, engine (T32).

    Parameters
    ----------
    tp, pp, dp, ep, batch : array of float
        Degrees, and sequences of the whole replica; all stages together hold their caches.
    length : array of float
        Positions of the longest sequence: prompt and answer.
    redundant : int
        Copies of experts that a layer holds beside its own, where they are spread.
    """
    step = ForwardPass(tp, pp, batch, ONE, length, dp=dp, ep=ep, redundant=redundant)
    caches = layer_caches(llm, precision, switches, step)
    sequences, held = step.group_sequences(switches), np.asarray(0.0)
    for stage, weights in stage_weights(llm, precision, switches, step):
        held = np.maximum(held, weights + on_stage(stage.layers, caches) * sequences)
    return held + engine_bytes(llm, precision, switches, step)


def weight_bytes(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Floats:
    """Weights of one rank of the stage that holds most: layers, embeddings, towers."""
    found = (weights for _, weights in stage_weights(llm, precision, switches, step))
    return reduce(np.maximum, found)


def stage_weights(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Iterator[tuple[StageArrays, Floats]]:
    """Yield stages of which one is the fullest, and the weights of a rank of each (T34)."""
    bits = weight_bits(llm, precision.weights, switches)
    layers = [_total(parts.values()) for parts in layer_weights(llm, bits, switches, step)]
    look_up, head = (embedding_bytes(llm, bits, part, step.tp) for part in ("embeddings", "head"))
    towers = first_stage_bytes(llm, bits, step.tp)
    for stage in fullest_stages(llm, step.pp, switches):
        ends = stage.look_up * look_up + stage.head * head + stage.towers * towers
        yield stage, on_stage(stage.layers, layers) + ends


def _total(parts: Iterable[Floats]) -> Floats:
    """Add numbers up; nothing is 0."""
    total: Floats = np.asarray(0.0)
    for part in parts:
        total = total + part
    return total


def embedding_bytes(llm: Transformer, bits: PartBits, part: str, tp: Floats) -> Floats:
    """Bytes that one rank holds of the look-up (`embeddings`) or the output projection (`head`)."""
    return llm.embedding_parameters * bits.bytes_of(part) / tp


def first_stage_bytes(llm: Transformer, bits: PartBits, tp: Floats) -> Floats:
    """Bytes that one rank of the first stage holds beside layers and words.

    Towers, and embeddings that layers have of their own.
    """
    look_ups = llm.look_up_parameters * bits.bytes_of("embeddings")
    return (TOWER_BYTES * llm.tower_parameters + look_ups) / tp


def layer_weights(
    llm: Transformer, bits: PartBits, switches: Switches, step: ForwardPass
) -> list[dict[str, Floats]]:
    """Return the bytes of weights that one rank holds of one layer of every group, by part."""
    found = []
    for group in llm.layers:
        words: dict[str, Floats] = {}
        if (heads := group.attention) is not None:
            held = attention.weights_per_rank(heads, llm.hidden, step.tp, switches, traffic=False)
            words[attention.weight_part(heads)] = held
        if group.feedforward is not None:
            words |= feedforward.weights_held(group.feedforward, llm.hidden, step, switches)
        found.append({part: held * bits.bytes_of(part) for part, held in words.items()})
    return found


def cache_bytes(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Floats:
    """Cache and states of one sequence of `step.context` on a rank of the fullest stage (T35)."""
    layers = layer_caches(llm, precision, switches, step)
    found = (on_stage(stage.layers, layers) for stage in fullest_stages(llm, step.pp, switches))
    return reduce(np.maximum, found)


def layer_caches(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> list[Floats]:
    """Return the bytes that one rank keeps of one sequence in one layer of every group."""
    return [cache + states for cache, states in caches_and_states(llm, precision, switches, step)]


def caches_and_states(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Iterator[tuple[Floats, Floats]]:
    """Yield the same of every group, the cache of positions and what does not grow apart."""
    nothing: Floats = np.asarray(0.0)
    for group in llm.layers:
        if (heads := group.attention) is None:
            yield nothing, nothing
        else:
            words = attention.cache_elements_per_rank(heads, step.context, step.tp, switches)
            yield words * precision.cache_bytes, attention.state_bytes_per_rank(heads, step.tp)
