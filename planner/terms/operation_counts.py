"""Work of a pass: FLOP and numbers moved by one rank, on whatever accelerator, in any precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from planner.catalogue.profile import Switches
from planner.catalogue.transformer import LayerGroup, Transformer
from planner.terms import attention, feedforward
from planner.terms.forward_pass import Floats, ForwardPass, stack_factor

BLOCK_WEIGHTS = ("dense", "experts", "shared", "router")
ATTENTION_WEIGHTS = ("attention", "recurrent")
"""Parts of the weights that layers read; `planner/catalogue/checkpoint.py` says what they are."""
WORDS = ("feedforward_activations", "attention_activations", "cache", "states")
"""What else one rank moves for every layer."""


@dataclass(frozen=True, slots=True)
class OperationCounts:
    """What one rank does in a pass through the whole transformer."""

    flop: Mapping[str, Floats]
    """FLOP by part, of a stack in which every stage is as deep as the fullest."""
    words: Mapping[str, Floats]
    """Numbers moved for all layers by part, before `stack`: of weights, of activations, of the
    cache; of recurrent states, bytes."""
    output_words: Floats
    """Weights of the output projection."""
    stack: Floats
    """How much longer the stack is when every stage takes as long as the fullest."""


def operation_counts(llm: Transformer, switches: Switches, step: ForwardPass) -> OperationCounts:
    """Count the FLOP and the numbers that one rank moves.

    Parameters
    ----------
    llm : Transformer
        Layers of any kind.
    switches : Switches
        The profile's answers where models of inference differ.
    step : ForwardPass
        Degrees, micro-batch, new positions and context; arrays that broadcast together.
    """
    names = (*BLOCK_WEIGHTS, *ATTENTION_WEIGHTS, *WORDS)
    words: dict[str, Floats] = {name: np.asarray(0.0) for name in names}
    for group in llm.layers:
        for name, moved in _words(llm, group, switches, step).items():
            words[name] = words[name] + group.count * moved
    stack = stack_factor(llm, step.pp, whole_layers=switches.whole_layers)
    output_ranks = step.tp if switches.data_parallel_splits else step.width
    output = llm.embedding_parameters / output_ranks
    return OperationCounts(_flop(llm, switches, step, stack), words, output, stack)


def _flop(
    llm: Transformer, switches: Switches, step: ForwardPass, stack: Floats
) -> Mapping[str, Floats]:
    blocks = projections = scores = np.asarray(0.0)
    for group in llm.layers:
        if group.feedforward is not None:
            flop = feedforward.block_flop(group.feedforward, llm.hidden, step, switches)
            blocks = blocks + group.count * flop
        if group.attention is not None:
            flop = attention.projection_flop(group.attention, llm.hidden, step, switches)
            projections = projections + group.count * flop
            flop = attention.score_flop(group.attention, step, switches)
            scores = scores + group.count * flop
    tokens = step.group_tokens(switches)
    embeddings = 2.0 * switches.embeddings_multiplied * llm.embedding_parameters * tokens / step.tp
    return {
        "feedforward": stack * blocks,
        "projections": stack * projections + embeddings,
        "attention": stack * scores,
    }


def _words(
    llm: Transformer, group: LayerGroup, switches: Switches, step: ForwardPass
) -> Mapping[str, Floats]:
    """Numbers that one rank moves for one layer, by part."""
    read = step.context if switches.attention_context == "cached" else step.context + step.positions
    found: dict[str, Floats] = {}
    if (block := group.feedforward) is not None:
        found |= feedforward.weights_read(block, llm.hidden, step, switches)
        found["feedforward_activations"] = feedforward.activation_elements(
            block, llm.hidden, step, switches
        )
    if (heads := group.attention) is not None:
        held = attention.weights_per_rank(heads, llm.hidden, step.tp, switches)
        found[attention.weight_part(heads)] = held
        found["attention_activations"] = attention.activation_elements(
            heads, llm.hidden, step, switches
        )
        moved = attention.cache_elements_moved(heads, read, step.tp, switches)
        found["cache"] = moved * step.group_sequences(switches)
        states = attention.state_bytes_moved(heads, step.tp)
        found["states"] = states * step.group_sequences(switches)
    return found
