"""The forward pass: arithmetic, memory, network and latency, the four causes of time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from planner.catalogue.profile import Rates, Ring, Switches
from planner.catalogue.transformer import Dense, Experts, LayerGroup, Transformer
from planner.terms import attention, feedforward
from planner.terms.collectives import Message, all_reduce, dispatch, stage_hops
from planner.terms.passes import Floats, Pass, Precision, stack_factor

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
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
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
    step : Pass
        Degrees, micro-batch, new positions and context; arrays that broadcast together.

    Returns
    -------
    Terms
        Seconds by cause, each part an array of the broadcast shape or one that broadcasts to it.
    """
    network, latency = _messages(llm, precision, rates, switches, step)
    return Terms(
        arithmetic_parts=_arithmetic(llm, precision, rates, switches, step),
        memory_parts=_memory(llm, precision, rates, switches, step),
        network_parts=network,
        latency_parts=latency,
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
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
) -> Parts:
    """FLOP of one rank over its rate: blocks, projections with the embeddings, attention (T25)."""
    stack = stack_factor(llm, step.pp, whole_layers=switches.whole_layers)
    per_flop = 1.0 / matrix_rate(precision, rates)
    scores_per_flop = per_flop
    if switches.arithmetic_rate == "operands":
        scores_per_flop = 1.0 / rates.flop_per_second["bf16"]
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
        "feedforward": stack * blocks * per_flop,
        "projections": (stack * projections + embeddings) * per_flop,
        "attention": stack * scores * scores_per_flop,
    }


def _memory(
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
) -> Parts:
    """Bytes of one rank over its bandwidth: weights, activations, cache and output (T26)."""
    per_byte = stack_factor(llm, step.pp, whole_layers=switches.whole_layers)
    per_byte = per_byte / rates.memory_bytes_per_second
    parts = {name: np.asarray(0.0) for name in MEMORY_PARTS}
    for group in llm.layers:
        for name, words in _words(llm, group, switches, step).items():
            parts[name] = parts[name] + group.count * words
    weights, activations = precision.weight_bytes, precision.activation_bytes
    embedding_bytes = switches.embedding_bytes or weights
    output_ranks = step.tp if switches.data_parallel_splits else step.width
    output = llm.embedding_parameters * embedding_bytes / output_ranks
    return {
        "feedforward_weights": parts["feedforward_weights"] * weights * per_byte,
        "feedforward_activations": parts["feedforward_activations"] * activations * per_byte,
        "attention_weights": parts["attention_weights"] * weights * per_byte,
        "attention_activations": parts["attention_activations"] * activations * per_byte,
        "cache": parts["cache"] * precision.cache_bytes * per_byte,
        "output_projection": output / rates.memory_bytes_per_second,
    }


MEMORY_PARTS = (
    "feedforward_weights",
    "feedforward_activations",
    "attention_weights",
    "attention_activations",
    "cache",
)


def _words(llm: Transformer, group: LayerGroup, switches: Switches, step: Pass) -> Parts:
    """Numbers that one rank moves for one layer, by part."""
    read = step.context if switches.attention_context == "cached" else step.context + step.positions
    found: dict[str, Floats] = {}
    if (block := group.feedforward) is not None:
        found["feedforward_weights"] = feedforward.weights_read(block, llm.hidden, step, switches)
        found["feedforward_activations"] = feedforward.activation_words(
            block, llm.hidden, step, switches
        )
    if (heads := group.attention) is not None:
        held = attention.weights_per_rank(heads, llm.hidden, step.tp, switches)
        found["attention_weights"] = held
        found["attention_activations"] = attention.activation_words(
            heads, llm.hidden, step, switches
        )
        moved = attention.cache_elements_moved(heads, read, step.tp, switches)
        found["cache"] = moved * step.group_sequences(switches)
    return found


def _messages(
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
) -> tuple[Parts, Parts]:
    """Split every message into payload time and latency; add the overheads (T27)."""
    stack = stack_factor(llm, step.pp, whole_layers=switches.whole_layers)
    per_token = llm.hidden * precision.activation_bytes
    net = rates.collectives
    hops = stage_hops(net, step.width, step.pp, per_token * step.tokens / step.width)
    reduces = _all_reduces(llm, precision, rates, switches, step)
    dispatches = _dispatches(llm, precision.activation_bytes, rates, switches, step)
    network = {
        "all_reduce": stack * reduces.transfer,
        "experts": stack * dispatches.transfer,
        "stage_hops": hops.transfer,
    }
    latency = {
        "launches": stack * llm.layer_count * rates.layer_seconds + rates.step_seconds,
        "all_reduce": stack * reduces.latency,
        "experts": stack * dispatches.latency,
        "stage_hops": hops.latency,
    }
    return network, latency


class Reduce(NamedTuple):
    """An all-reduce of some layers: ranks, and words of one token times tokens."""

    ranks: Floats
    words: Floats


def _all_reduces(
    llm: Transformer, precision: Precision, rates: Rates, switches: Switches, step: Pass
) -> Message:
    """Every all-reduce of the stack, over the ranks and nodes that it spans (T28)."""
    net = rates.collectives
    node_gpus = math.inf if isinstance(net, Ring) else float(net.node_gpus)
    latency = transfer = np.asarray(0.0)
    for group in llm.layers:
        for reduce, times in _distinct(_reduces(llm, group, switches, step)):
            nodes = np.maximum(1.0, np.ceil(reduce.ranks / node_gpus))
            ranks, words = reduce.ranks, reduce.words
            if step.layout == "2d":
                ranks, nodes, words = np.sqrt(ranks), np.sqrt(nodes), words / np.sqrt(ranks)
            message = all_reduce(net, ranks, nodes, words * precision.activation_bytes)
            latency = latency + group.count * times * message.latency
            transfer = transfer + group.count * times * message.transfer
    return Message(latency, transfer)


def _distinct(reduces: list[Reduce]) -> list[tuple[Reduce, int]]:
    """Count all-reduces that are the same arrays, so that each is timed once."""
    found: dict[tuple[int, int], tuple[Reduce, int]] = {}
    for reduce in reduces:
        key = (id(reduce.ranks), id(reduce.words))
        found[key] = (reduce, found.get(key, (reduce, 0))[1] + 1)
    return list(found.values())


def _reduces(llm: Transformer, group: LayerGroup, switches: Switches, step: Pass) -> list[Reduce]:
    """List the all-reduces of one layer (T58).

    1-D: `hidden` words after attention and after the block, once where both run side by side.
    2-D, the paper: before and after each, of the widths there. Experts add up over the ranks that
    split one, for the tokens that reach the group.
    """
    hidden = float(llm.hidden)
    grid = step.layout == "2d"
    tokens = step.group_tokens(switches)
    after = Reduce(step.tp, hidden * tokens)
    found: list[Reduce] = []
    if group.attention is not None:
        if grid:
            width = attention.reduced_width(group.attention)
            found.append(Reduce(step.tp, width * tokens))
        found.append(after)
    block = group.feedforward
    if isinstance(block, Dense):
        beside = llm.parallel_attention and switches.parallel_attention and not grid
        if not (beside and found):
            found += _dense_reduces(block, hidden, switches, step, after)
    elif isinstance(block, Experts):
        found += _expert_reduces(block, hidden, switches, step, after)
    return found


def _dense_reduces(
    block: Dense, hidden: float, switches: Switches, step: Pass, after: Reduce
) -> list[Reduce]:
    if switches.data_parallel_splits and step.layout == "1d":
        return [after]
    ranks, tokens = feedforward.dense_ranks(step, switches), step.tokens
    into = [Reduce(ranks, block.matrices_in * block.width * tokens)] if step.layout == "2d" else []
    return [*into, Reduce(ranks, hidden * tokens)]


def _expert_reduces(
    block: Experts, hidden: float, switches: Switches, step: Pass, after: Reduce
) -> list[Reduce]:
    """Experts' partial sums, and those of the shared experts where they are split otherwise."""
    ranks = step.expert_tp
    if not switches.experts_add_locally:
        pairs = block.active * step.tokens / step.ep
        into = [Reduce(ranks, block.matrices_in * block.width * pairs)]
        return [*(into if step.layout == "2d" else []), Reduce(ranks, hidden * pairs)]
    reached = (1.0 - (1.0 - 1.0 / step.ep) ** block.active) * feedforward.busiest(step)
    found = [Reduce(ranks, (block.latent or hidden) * step.tokens * reached)]
    # Where one group of experts spans several attention groups, their tokens are gathered first;
    # that is half an all-reduce, and gathering and scattering back make one.
    if not block.shared_width:
        return found
    # One group of experts on one attention group adds both outputs before they travel.
    apart = np.where(step.dp * step.ep > 1.0, step.tp, 1.0)
    return [*found, Reduce(apart, after.words)]


def _dispatches(
    llm: Transformer, element_bytes: float, rates: Rates, switches: Switches, step: Pass
) -> Message:
    """Tokens on their way to their experts and back, two all-to-alls a layer (T59).

    A token goes to each group of experts it needs, once: to `ep (1 - (1 - 1/ep)^k)` of them on
    average; its own group's part stays. The source paper's program sends min(k, ep) copies among
    as many ranks.
    """
    latency = transfer = np.asarray(0.0)
    for group in llm.layers:
        block = group.feedforward
        if not isinstance(block, Experts):
            continue
        width = feedforward.routed_width(block, llm.hidden)
        own = step.tokens / step.width * width * element_bytes
        if switches.expert_group == "reached":
            ranks = np.minimum(block.active, step.ep)
            payload = own * ranks
        else:
            ranks = step.ep
            reached = step.ep * (1.0 - (1.0 - 1.0 / step.ep) ** block.active)
            payload = own * reached * (step.ep - 1.0) / step.ep
            payload = payload * feedforward.busiest(step)
        message = dispatch(rates.collectives, ranks, step.width, payload)
        latency = latency + 2.0 * group.count * message.latency
        transfer = transfer + 2.0 * group.count * message.transfer
    return Message(latency, transfer)
