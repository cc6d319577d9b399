"""Memory capacity: what must lie in the memory of one accelerator of the fullest stage."""

from __future__ import annotations

import numpy as np

from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Dense, Transformer
from planner.terms import attention, feedforward
from planner.terms.forward_pass import ONE, Floats, ForwardPass, Precision


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
    """Bytes on one accelerator of the fullest stage: weights, cache, workspace (T32).

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
    weights = weight_bytes(llm, precision, switches, step)
    cache = cache_bytes(llm, precision, switches, step) * step.group_sequences(switches)
    return weights + cache + workspace_bytes(llm, precision, switches, step)


def layers_of_fullest_stage(llm: Transformer, pp: Floats, switches: Switches) -> Floats:
    """Layers of the stage that holds most, as a part of all (T33)."""
    share = llm.layer_count / pp
    return (np.ceil(share) if switches.whole_layers else share) / llm.layer_count


def weight_bytes(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Floats:
    """Weights of one rank: its part of the stage's layers and of an embedding (T34).

    Without stages both embeddings lie together (one where they are tied); with stages the first
    holds the look-up and the last the output projection, and one of them is taken to hold the
    most layers too.
    """
    words: Floats = np.asarray(0.0)
    for group in llm.layers:
        if group.attention is not None:
            held = attention.weights_per_rank(
                group.attention, llm.hidden, step.tp, switches, traffic=False
            )
            words = words + group.count * held
        if group.feedforward is not None:
            held = feedforward.weights_held(group.feedforward, llm.hidden, step, switches)
            words = words + group.count * held
    embeddings = _embeddings_of_a_stage(llm, step.pp, switches) * llm.embedding_parameters / step.tp
    embedding_bytes = switches.embedding_bytes or precision.weight_bytes
    layers = words * layers_of_fullest_stage(llm, step.pp, switches) * precision.weight_bytes
    return layers + embeddings * embedding_bytes


def _embeddings_of_a_stage(llm: Transformer, pp: Floats, switches: Switches) -> Floats:
    held = 1.0 if llm.tied_embeddings else 2.0
    return np.where(pp > 1.0, 1.0, held) if switches.whole_layers else held / pp


def cache_bytes(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Floats:
    """Cache and states of one sequence of `step.context` on a rank of the fullest stage (T35)."""
    held: Floats = np.asarray(0.0)
    for group in llm.layers:
        if group.attention is not None:
            words = attention.cache_elements_per_rank(
                group.attention, step.context, step.tp, switches
            )
            states = attention.state_bytes_per_rank(group.attention, step.tp)
            held = held + group.count * (words * precision.cache_bytes + states)
    return held * layers_of_fullest_stage(llm, step.pp, switches)


def workspace_bytes(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Floats:
    """Activations while a chunk of prompts is read, and 32-bit logits of a micro-batch (T36).

    Two residual streams of `hidden` and the widest block stay alive at once.
    """
    if switches.workspace_tokens == 0:
        return np.zeros_like(step.sequences)
    sequences = step.group_sequences(switches)
    tokens = np.minimum(float(switches.workspace_tokens), np.maximum(step.context, 1.0) * sequences)
    activations = tokens * (2.0 * llm.hidden + _widest(llm) / step.tp)
    logits = np.ceil(sequences / step.pp) * llm.vocabulary / step.tp * 4.0
    return activations * precision.activation_bytes + logits


def _widest(llm: Transformer) -> int:
    """Numbers of one token inside the widest block: of experts, the active and shared ones."""
    widths = [0]
    for group in llm.layers:
        block = group.feedforward
        if isinstance(block, Dense):
            widths.append(block.matrices_in * block.width)
        elif block is not None:
            widths.append(block.matrices_in * (block.active * block.width + block.shared_width))
    return max(widths)
