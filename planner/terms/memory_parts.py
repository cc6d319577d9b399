"""Memory by part: what lies in the fullest GPU of one deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from planner.catalogue.checkpoint import PARTS
from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Transformer
from planner.terms.engine_memory import activation_bytes, communication_bytes
from planner.terms.forward_pass import Floats, ForwardPass, Precision
from planner.terms.memory_capacity import (
    caches_and_states,
    embedding_bytes,
    first_stage_bytes,
    layer_weights,
)
from planner.terms.pipeline_stages import StageArrays, fullest_stages, on_stage
from planner.terms.weight_formats import TOWER_BYTES, weight_bits

Layers = Mapping[str, list[Floats]]

MEMORY_PARTS = (*PARTS, "towers", "cache", "states", "activations", "communication")
"""What a GPU may hold, in order: parts of the weights, then what lies beside them."""


def memory_parts(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> dict[str, float]:
    """Return the bytes of every part on the fullest GPU; they sum to T32.

    Parameters
    ----------
    step : ForwardPass
        One deployment: its degrees, the batch as its sequences, and the length of a full sequence
        as its context.
    """
    layers = _of_layers(llm, precision, switches, step)
    engine = dict(_engine(llm, precision, switches, step))
    found = [
        {
            **{part: float(on_stage(stage.layers, of)) for part, of in layers.items()},
            **dict(_ends(llm, precision, switches, step, stage)),
            **engine,
        }
        for stage in fullest_stages(llm, step.pp, switches)
    ]
    fullest = max(found, key=lambda parts: sum(parts.values()))
    return {part: fullest[part] for part in MEMORY_PARTS if fullest.get(part)}


def _of_layers(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Layers:
    """Return the bytes of every part of one layer of each group; caches are those of the batch."""
    bits = weight_bits(llm, precision.weights, switches)
    weights = layer_weights(llm, bits, switches, step)
    nothing: Floats = np.asarray(0.0)
    found = {part: [held.get(part, nothing) for held in weights] for part in PARTS}
    held, sequences = (
        caches_and_states(llm, precision, switches, step),
        step.group_sequences(switches),
    )
    for part, of in zip(("cache", "states"), zip(*held, strict=True), strict=True):
        found[part] = [one * sequences for one in of]
    return found


def _ends(
    llm: Transformer,
    precision: Precision,
    switches: Switches,
    step: ForwardPass,
    stage: StageArrays,
) -> Iterator[tuple[str, float]]:
    """Yield what the first and the last stage hold beside layers."""
    bits = weight_bits(llm, precision.weights, switches)
    look_up, head = (embedding_bytes(llm, bits, part, step.tp) for part in ("embeddings", "head"))
    towers = stage.towers * TOWER_BYTES * llm.tower_parameters / step.tp
    layers = stage.towers * first_stage_bytes(llm, bits, step.tp) - towers
    yield "embeddings", float(stage.look_up * look_up + layers)
    yield "head", float(stage.head * head)
    yield "towers", float(towers)


def _engine(
    llm: Transformer, precision: Precision, switches: Switches, step: ForwardPass
) -> Iterator[tuple[str, float]]:
    """Yield what the engine takes besides."""
    if (engine := switches.engine_memory) is not None:
        sequences = step.group_sequences(switches)
        yield "activations", float(activation_bytes(llm, precision, engine, step, sequences))
        yield "communication", float(communication_bytes(engine, step))
