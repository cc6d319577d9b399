"""Messages of a pass: all-reduces, experts' dispatches and hops between pipeline stages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from planner.catalogue.feedforward import Dense, Experts
from planner.catalogue.profile import Rates, Ring, Switches
from planner.catalogue.transformer import LayerGroup, Transformer
from planner.terms import attention, feedforward
from planner.terms.collectives import Message, all_reduce, dispatch, stage_hops
from planner.terms.forward_pass import Floats, ForwardPass, stack_factor


class Communication(NamedTuple):
    """Seconds of the messages of one pass, by cause, and the overheads beside them."""

    network: Mapping[str, Floats]
    """Payload crossing links."""
    latency: Mapping[str, Floats]
    """What no payload explains: launches, overheads, the fixed part of messages."""


def communication(
    llm: Transformer, element_bytes: float, rates: Rates, switches: Switches, step: ForwardPass
) -> Communication:
    """Split every message into payload time and latency; add the overheads (T27).

    Parameters
    ----------
    llm : Transformer
        Layers of any kind.
    element_bytes : float
        Bytes of one activation as it travels.
    rates : Rates
        The accelerator as the profile sees it.
    switches : Switches
        The profile's answers where models of inference differ.
    step : ForwardPass
        Degrees, micro-batch and new positions; arrays that broadcast together.
    """
    stack = stack_factor(llm, step.pp, whole_layers=switches.whole_layers)
    per_token = llm.hidden * element_bytes
    net = rates.collectives
    hops = stage_hops(net, step.width, step.pp, per_token * step.tokens / step.width)
    reduces = _all_reduces(llm, element_bytes, rates, switches, step)
    dispatches = _dispatches(llm, element_bytes, rates, switches, step)
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
    return Communication(network, latency)


class Reduce(NamedTuple):
    """An all-reduce of some layers: ranks, and words of one token times tokens."""

    ranks: Floats
    words: Floats


def _all_reduces(
    llm: Transformer, element_bytes: float, rates: Rates, switches: Switches, step: ForwardPass
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
            message = all_reduce(net, ranks, nodes, words * element_bytes)
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


def _reduces(
    llm: Transformer, group: LayerGroup, switches: Switches, step: ForwardPass
) -> list[Reduce]:
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
    block: Dense, hidden: float, switches: Switches, step: ForwardPass, after: Reduce
) -> list[Reduce]:
    if switches.data_parallel_splits and step.layout == "1d":
        return [after]
    ranks, tokens = feedforward.dense_ranks(step, switches), step.tokens
    into = [Reduce(ranks, block.matrices_in * block.width * tokens)] if step.layout == "2d" else []
    return [*into, Reduce(ranks, hidden * tokens)]


def _expert_reduces(
    block: Experts, hidden: float, switches: Switches, step: ForwardPass, after: Reduce
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
    llm: Transformer, element_bytes: float, rates: Rates, switches: Switches, step: ForwardPass
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
