"""The forward pass: arithmetic, memory, network and latency, the four causes of time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from planner.catalogue.checkpoint import PartBits
from planner.catalogue.profile import Rates, Switches
from planner.catalogue.transformer import Transformer
from planner.terms.communication import Communication, communication
from planner.terms.forward_pass import Floats, ForwardPass, Precision
from planner.terms.operation_counts import (
    ATTENTION_WEIGHTS,
    BLOCK_WEIGHTS,
    OperationCounts,
    operation_counts,
)
from planner.terms.weight_formats import weight_bits

Parts = Mapping[str, Floats]


class Sums(NamedTuple):
    """The four terms of a pass and their combination, in seconds."""

    arithmetic: Floats
    memory: Floats
    network: Floats
    latency: Floats
    step: Floats


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
        return self.sums().step

    def sums(self) -> Sums:
        """Add the parts up once, where several of the sums are needed."""
        terms = (self.arithmetic, self.memory, self.network, self.latency)
        return Sums(*terms, step_seconds(*terms, self.combine_power))


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
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: ForwardPass
) -> Terms:
    """Time one pass of one micro-batch through the whole transformer.

    Parameters
    ----------
    llm : Transformer
        Layers of any kind.
    precision : Precision
        Formats of weights, activations and cache.
    rates : Rates
        The accelerator as the profile sees it.
    switches : Switches
        The profile's answers where models of inference differ.
    step : ForwardPass
        Degrees, micro-batch, new positions and context; arrays that broadcast together.

    Returns
    -------
    Terms
        Seconds by cause, each part an array of the broadcast shape or one that broadcasts to it.
    """
    sent = communication(llm, precision.activation_bytes, rates, switches, step)
    done = operation_counts(llm, switches, step)
    return timed(done, sent, precision, rates, switches, llm=llm)


def timed(
    done: OperationCounts,
    sent: Communication,
    precision: Precision,
    rates: Rates,
    switches: Switches,
    *,
    llm: Transformer,
) -> Terms:
    """Time what was counted: the part of `forward` that the precision decides.

    Parameters
    ----------
    done : OperationCounts
        FLOP and numbers moved by one rank.
    sent : Communication
        Messages, with this accelerator and the precision of activations.
    precision, rates, switches, llm
        As for `forward`; the checkpoint says what a weight of each part takes.
    """
    return Terms(
        arithmetic_parts=_arithmetic(done, precision, rates, switches),
        memory_parts=_memory(done, precision, rates, weight_bits(llm, precision.weights, switches)),
        network_parts=sent.network,
        latency_parts=sent.latency,
        combine_power=rates.combine_power,
    )


def matrix_rate(precision: Precision, rates: Rates) -> float:
    """FLOP/s of matrix products with these weights (T24).

    Where the accelerator has a rate for the weights' precision, activations are narrowed to it for
    the product (W8A8, W4A4) and travel in 16 bits between products. Where it has none, the weights
    are widened instead (W8A16, W4A16) and the product runs at the 16-bit rate.
    """
    return rates.flop_per_second.get(precision.weights, rates.flop_per_second["bf16"])


def _arithmetic(
    done: OperationCounts, precision: Precision, rates: Rates, switches: Switches
) -> Parts:
    """FLOP of one rank over its rate: blocks, projections with the embeddings, attention (T25)."""
    per_flop = scores_per_flop = 1.0 / matrix_rate(precision, rates)
    if switches.arithmetic_rate == "operands":
        scores_per_flop = 1.0 / rates.flop_per_second["bf16"]
    return {
        "feedforward": done.flop["feedforward"] * per_flop,
        "projections": done.flop["projections"] * per_flop,
        "attention": done.flop["attention"] * scores_per_flop,
    }


def _memory(done: OperationCounts, precision: Precision, rates: Rates, bits: PartBits) -> Parts:
    """Bytes of one rank over its bandwidth: weights, activations, cache and output (T26)."""
    per_byte = done.stack / rates.memory_bytes_per_second
    activations = precision.activation_bytes
    moved = {
        "feedforward_weights": _weights(done, BLOCK_WEIGHTS, bits),
        "feedforward_activations": done.words["feedforward_activations"] * activations,
        "attention_weights": _weights(done, ATTENTION_WEIGHTS, bits),
        "attention_activations": done.words["attention_activations"] * activations,
        "cache": done.words["cache"] * precision.cache_bytes,
        "states": done.words["states"],
    }
    parts = {name: size * per_byte for name, size in moved.items()}
    output = done.output_words * bits.bytes_of("head")
    return {**parts, "output_projection": output / rates.memory_bytes_per_second}


def _weights(done: OperationCounts, parts: Sequence[str], bits: PartBits) -> Floats:
    """Return the bytes of weights that one rank reads of some parts."""
    total: Floats = np.asarray(0.0)
    for part in parts:
        total = total + done.words[part] * bits.bytes_of(part)
    return total
