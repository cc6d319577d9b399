"""The forward pass: arithmetic, memory, network and latency, the four causes of time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from planner.catalogue.profile import Rates, Ring, Switches
from planner.catalogue.transformer import Dense, GroupedQuery, LayerGroup, Transformer
from planner.errors import InputError, Problem
from planner.terms import attention, feedforward
from planner.terms.collectives import Message, all_reduce, stage_hops
from planner.terms.passes import Floats, Pass, Precision, stack_factor

Parts = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds of one pass by cause; every part under its own name.

    `arithmetic` and `memory` overlap on the accelerator; `network` and `latency` do not.
    """

    arithmetic_parts: Parts
    memory_parts: Parts
    network_parts: Parts
    latency_parts: Parts
    combine_power: float

    @property
    def arithmetic(self) -> Floats:
        """Seconds of arithmetic."""
        return _sum(self.arithmetic_parts)

    @property
    def memory(self) -> Floats:
        """Seconds of reading and writing memory."""
        return _sum(self.memory_parts)

    @property
    def network(self) -> Floats:
        """Seconds in which payload crosses links."""
        return _sum(self.network_parts)

    @property
    def latency(self) -> Floats:
        """Seconds that no payload explains: launches, overheads, the fixed part of messages."""
        return _sum(self.latency_parts)

    @property
    def step(self) -> Floats:
        """Seconds of the whole pass."""
        return step_seconds(
            self.arithmetic, self.memory, self.network, self.latency, self.combine_power
        )


def _sum(parts: Parts) -> Floats:
    total: Floats = np.asarray(0.0)
    for part in parts.values():
        total = total + part
    return total


def step_seconds(
    arithmetic: Floats, memory: Floats, network: Floats, latency: Floats, power: float
) -> Floats:
    """Network + latency + combined arithmetic and memory (T22)."""
    return network + latency + overlap(arithmetic, memory, power)


def overlap(arithmetic: Floats, memory: Floats, power: float) -> Floats:
    """(x^p + y^p)^(1/p): the maximum for p = infinity, the sum for p = 1 (T23)."""
    if math.isinf(power):
        return np.maximum(arithmetic, memory)
    if power == 1.0:
        return arithmetic + memory
    larger = np.maximum(np.maximum(arithmetic, memory), np.finfo(float).tiny)
    smaller = np.minimum(arithmetic, memory)
    return larger * (1.0 + (smaller / larger) ** power) ** (1.0 / power)


def forward(
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
) -> Terms:
    """Time one pass of one micro-batch through the whole transformer.

    Parameters
    ----------
    llm : Transformer
        A dense transformer with grouped-query attention.
    precision : Precision
        Formats of weights, activations and cache.
    rates : Rates
        The accelerator as the profile sees it.
    switches : Switches
        The profile's answers where models of inference differ.
    step : Pass
        Degrees, micro-batch, new positions and context; arrays that broadcast together.

    Returns
    -------
    Terms
        Seconds by cause, each part an array of the broadcast shape or one that broadcasts to it.

    Raises
    ------
    InputError
        Where the transformer has layers that these terms do not describe.
    """
    require_supported(llm)
    network, latency = _messages(llm, precision, rates, switches, step)
    return Terms(
        arithmetic_parts=_arithmetic(llm, precision, rates, switches, step),
        memory_parts=_memory(llm, precision, rates, switches, step),
        network_parts=network,
        latency_parts=latency,
        combine_power=rates.combine_power,
    )


def unsupported(llm: Transformer) -> str:
    """Name what these terms cannot time in `llm`; empty where they can time all of it."""
    kinds = [kind for kind in llm.kinds if kind not in ("grouped-query", "dense")]
    return " and ".join(sorted(kinds))


def require_supported(llm: Transformer) -> None:
    """Raise where `llm` has layers that these terms do not describe."""
    if kinds := unsupported(llm):
        raise InputError(
            Problem(
                expected="a dense transformer with grouped-query attention",
                found=f"{llm.name} with {kinds} layers",
                fix="This version cannot time such layers; it describes them in the catalogue.",
            )
        )


def _blocks(group: LayerGroup) -> tuple[GroupedQuery, Dense]:
    assert isinstance(group.attention, GroupedQuery)
    assert isinstance(group.feedforward, Dense)
    return group.attention, group.feedforward


def matrix_rate(precision: Precision, rates: Rates) -> float:
    """FLOP/s of matrix products with these weights (T24).

    Where the accelerator has a rate for the weights' precision, activations are narrowed to it for
    the product (W8A8, W4A4) and travel in 16 bits between products. Where it has none, the weights
    are widened instead (W8A16, W4A16) and the product runs at the 16-bit rate.
    """
    return rates.flop_per_second.get(precision.weights, rates.flop_per_second["bf16"])


def _arithmetic(
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
) -> Parts:
    """FLOP of one rank over its rate: blocks, projections with the embeddings, attention (T25)."""
    stack = stack_factor(llm, step.pp, whole_layers=switches.whole_layers)
    per_flop = 1.0 / (step.tp * matrix_rate(precision, rates))
    scores_per_flop = per_flop
    if switches.arithmetic_rate == "operands":
        scores_per_flop = 1.0 / (step.tp * rates.flop_per_second["bf16"])
    blocks = projections = scores = np.asarray(0.0)
    for group in llm.layers:
        heads, block = _blocks(group)
        blocks = blocks + group.count * feedforward.block_flop(block, llm.hidden, step)
        projections = projections + group.count * attention.projection_flop(heads, llm.hidden, step)
        scores = scores + group.count * attention.score_flop(heads, step, switches)
    embeddings = 2.0 * switches.embeddings_multiplied * llm.embedding_parameters * step.tokens
    return {
        "feedforward": stack * blocks * per_flop,
        "projections": (stack * projections + embeddings) * per_flop,
        "attention": stack * scores * scores_per_flop,
    }


def _memory(
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
) -> Parts:
    """Bytes of one rank over its bandwidth: weights, activations, cache and output (T26)."""
    stack = stack_factor(llm, step.pp, whole_layers=switches.whole_layers)
    per_byte = stack / rates.memory_bytes_per_second
    ff_weights = ff_words = att_weights = att_words = cache = np.asarray(0.0)
    read = step.context if switches.attention_context == "cached" else step.context + step.positions
    for group in llm.layers:
        heads, block = _blocks(group)
        n = group.count
        ff_weights = ff_weights + n * feedforward.weights_per_rank(block, llm.hidden, step.tp)
        ff_words = ff_words + n * feedforward.activation_words(block, llm.hidden, step, switches)
        att_weights = att_weights + n * attention.weights_per_rank(
            heads, llm.hidden, step.tp, switches
        )
        att_words = att_words + n * attention.activation_words(heads, llm.hidden, step, switches)
        cache = cache + n * attention.cache_elements_per_rank(heads, read, step.tp, switches)
    embedding_bytes = switches.embedding_bytes or precision.weight_bytes
    output = llm.embedding_parameters * embedding_bytes / step.tp
    return {
        "feedforward_weights": ff_weights * precision.weight_bytes * per_byte,
        "feedforward_activations": ff_words * precision.activation_bytes * per_byte,
        "attention_weights": att_weights * precision.weight_bytes * per_byte,
        "attention_activations": att_words * precision.activation_bytes * per_byte,
        "cache": cache * step.sequences * precision.cache_bytes * per_byte,
        "output_projection": output / rates.memory_bytes_per_second,
    }


def _messages(
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
) -> tuple[Parts, Parts]:
    """Split all-reduces and stage hops into payload time and latency; add the overheads (T27)."""
    stack = stack_factor(llm, step.pp, whole_layers=switches.whole_layers)
    reduces = _all_reduces(llm, precision, rates, switches, step)
    hops = stage_hops(
        rates.collectives,
        step.tp,
        step.pp,
        llm.hidden * step.tokens * precision.activation_bytes / step.tp,
    )
    network = {"all_reduce": stack * reduces.transfer, "stage_hops": hops.transfer}
    latency = {
        "launches": stack * llm.layer_count * rates.layer_seconds + rates.step_seconds,
        "all_reduce": stack * reduces.latency,
        "stage_hops": hops.latency,
    }
    return network, latency


def _all_reduces(
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
) -> Message:
    """Every all-reduce of the stack: words by layout, ranks and nodes that they span (T28).

    1-D: after attention and after the block, `hidden` words over all ranks (once where both run
    side by side). 2-D, the paper: four over sqrt(tp) ranks on sqrt(ceil(tp / node)) nodes, of the
    projections' width, `hidden`, the widths into the block, `hidden`, each divided by sqrt(tp).
    """
    net = rates.collectives
    node_gpus = float("inf") if isinstance(net, Ring) else net.node_gpus
    nodes = np.maximum(1.0, np.ceil(step.tp / node_gpus))
    ranks = step.tp
    if step.layout == "2d":
        ranks, nodes = np.sqrt(step.tp), np.sqrt(nodes)
    latency = transfer = np.asarray(0.0)
    for group in llm.layers:
        for words, times in Counter(_reduced_words(llm, group, step.layout, switches)).items():
            payload = words * step.tokens * precision.activation_bytes
            if step.layout == "2d":
                payload = payload / ranks
            message = all_reduce(net, ranks, nodes, payload)
            latency = latency + group.count * times * message.latency
            transfer = transfer + group.count * times * message.transfer
    return Message(latency, transfer)


def _reduced_words(
    llm: Transformer, group: LayerGroup, layout: str, switches: Switches
) -> tuple[float, ...]:
    heads, block = _blocks(group)
    if layout == "2d":
        width = heads.query_heads * heads.head_dim + heads.cache_elements()
        return (width, llm.hidden, block.matrices_in * block.width, llm.hidden)
    if llm.parallel_attention and switches.parallel_attention:
        return (llm.hidden,)
    return (llm.hidden, llm.hidden)
