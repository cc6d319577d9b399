"""Engine memory: what an engine takes of a device beside weights and cache."""

from __future__ import annotations

import numpy as np

from planner.catalogue.engine_memory import EngineMemory
from planner.catalogue.feedforward import Dense, FeedForward
from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Transformer
from planner.terms.forward_pass import Floats, ForwardPass, Precision


def engine_bytes(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Floats:
    """Activations at their peak, and what lies outside of the framework's own memory (T36 + T76).

    Nothing where the profile counts no engine.
    """
    engine = switches.engine_memory
    if engine is None:
        return np.zeros_like(step.sequences)
    activations = activation_bytes(llm, precision, engine, step, step.group_sequences(switches))
    return activations + communication_bytes(engine, step)


def activation_bytes(
    llm: Transformer,
    precision: Precision,
    engine: EngineMemory,
    step: ForwardPass,
    sequences: Floats,
) -> Floats:
    """Peak of activations in a pass of as many tokens and sequences as the engine allows (T36).

    Engines measure it when they start, whatever then runs: the larger of what the widest layer
    keeps alive, and of what sampling does for the last position of every sequence. Logits are
    gathered whole on every rank.

    Parameters
    ----------
    sequences : array of float
        Sequences of an attention group, which may be more than the engine's default.
    """
    tokens, size = engine.prompt_tokens, precision.activation_bytes
    streams = engine.layer_streams + engine.stage_streams * (step.pp > 1.0)
    widest = max(_block_width(group.feedforward, llm.hidden) for group in llm.layers)
    layer = tokens * (streams * llm.hidden + widest / step.tp) * size
    logits = np.maximum(sequences, engine.sequences) * llm.vocabulary * engine.logit_bytes
    sampling = tokens * engine.sampling_streams * llm.hidden * size + logits
    return engine.activation_factor * np.maximum(layer, sampling)


def _block_width(block: FeedForward | None, hidden: int) -> int:
    """Numbers of one token alive inside a block; experts keep their outputs apart."""
    if block is None:
        return 0
    if isinstance(block, Dense):
        return (block.matrices_in + 1) * block.width
    outputs = max(block.matrices_in * block.width, block.latent or hidden)
    return block.active * (outputs + block.width) + (block.matrices_in + 1) * block.shared_width


def communication_bytes(engine: EngineMemory, step: ForwardPass) -> Floats:
    """Bytes outside of the framework's memory: contexts, buffers of collectives (T76)."""
    alone = np.where(step.pp > 1.0, engine.pipeline_bytes, engine.alone_bytes)
    return np.where(step.width > 1.0, engine.collectives_bytes, alone)
