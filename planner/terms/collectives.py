"""Collectives: the fixed latency and the transfer time of messages among ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from planner.catalogue.profile import Collectives, Measured, MeasuredCurve, NcclTree, Ring
from planner.terms.forward_pass import Floats


class Message(NamedTuple):
    """The two parts of one message's time, in seconds; arrays of one shape."""

    latency: Floats
    transfer: Floats


class Protocol(NamedTuple):
    """One of NCCL's protocols: seconds per rank, per doubling of nodes, at least; bandwidth."""

    rank_seconds: float
    node_seconds: float
    base_seconds: float
    bandwidth: float


# Tree latencies of NCCL's tuning.cc (baseLat, hwLat), as the source paper uses them.
PROTOCOLS = {
    "LL": Protocol(0.6e-6, 5.0e-6, 6.8e-6, 0.5),
    "LL128": Protocol(1.25e-6, 8.5e-6, 14.0e-6, 0.95),
    "Simple": Protocol(28e-6, 28e-6, 0.0, 1.0),
}


def all_reduce(net: Collectives, ranks: Floats, nodes: Floats, payload: Floats) -> Message:
    """Sum `payload` bytes over `ranks` ranks on `nodes` nodes; one rank sends nothing (T15)."""
    if isinstance(net, NcclTree):
        return _nccl(net, ranks, nodes, payload, passes=2.0)
    if isinstance(net, Ring):
        return _ring(net, ranks, payload, passes=2.0)
    return _measured(net, ranks, payload)


def _nccl(net: NcclTree, ranks: Floats, nodes: Floats, payload: Floats, passes: float) -> Message:
    """Take the fastest of the protocols; `passes` is 2 for an all-reduce, else 1 (T16).

    Latency p(s_rank (R/n - 1) + s_node log2 n) + base. Bandwidth: a part inside nodes and a part
    between them, overlapped or summed; half of it when the collective is no all-reduce.
    """
    ranks, nodes, payload = np.broadcast_arrays(ranks, nodes, payload)
    inside = nodes * np.maximum(0.0, ranks / nodes - 1.0) / (ranks * net.intra_bytes_per_second)
    between = (nodes - 1.0) / (ranks * net.inter_bytes_per_second)
    per_byte = np.maximum(inside, between) if net.overlapped else inside + between
    transfer = per_byte * payload * (passes / 2.0)
    best: Message | None = None
    for protocol in PROTOCOLS.values():
        local = protocol.rank_seconds * (ranks / nodes - 1.0)
        latency = passes * (local + protocol.node_seconds * np.log2(nodes)) + protocol.base_seconds
        message = Message(latency, transfer / protocol.bandwidth)
        best = message if best is None else _faster(best, message)
    assert best is not None
    alone = ranks <= 1.0
    return Message(np.where(alone, 0.0, best.latency), np.where(alone, 0.0, best.transfer))


def _faster(one: Message, other: Message) -> Message:
    wins = one.latency + one.transfer <= other.latency + other.transfer
    return Message(
        np.where(wins, one.latency, other.latency), np.where(wins, one.transfer, other.transfer)
    )


def _ring(net: Ring, ranks: Floats, payload: Floats, passes: float) -> Message:
    """Send round a ring of `ranks`, as the source paper does for TPU and LPU (T17)."""
    latency = passes * np.maximum(ranks - 1.0, 0.0) * net.hop_seconds
    share = np.maximum(ranks - 1.0, 0.0) / ranks
    return Message(
        latency * np.ones_like(payload), share * payload / net.bytes_per_second * (passes / 2.0)
    )


def _measured(net: Measured, ranks: Floats, payload: Floats) -> Message:
    """Read the measured curve inside a node; add the same over the nodes' network (T18).

    Beyond one node the sum runs over three legs: inside the node (the curve), between nodes
    (2 (M-1)/M of each rank's share over the network) and their latencies.
    """
    nodes = np.ceil(ranks / net.node_gpus)
    local = ranks / nodes
    latency, transfer = _inside(net, np.asarray(local), payload)
    between = 2.0 * (nodes - 1.0) / nodes * (payload / local) / net.network_bytes_per_second
    return Message(
        latency + 2.0 * np.log2(nodes) * net.network_seconds,
        transfer + between,
    )


def _inside(net: Measured, ranks: Floats, payload: Floats) -> tuple[Floats, Floats]:
    """Latency and transfer of all-reduces inside a node, read from the curve of their ranks."""
    shape = np.broadcast_shapes(ranks.shape, payload.shape)
    payload = np.broadcast_to(payload, shape)
    latency, transfer = np.zeros(shape), np.zeros(shape)
    # Where all of a row has the same ranks, rows are read at once, which is several times faster.
    by_row = 1 <= ranks.ndim == len(shape) and ranks.size == len(ranks)
    keys = ranks.reshape(-1) if by_row else np.broadcast_to(ranks, shape)
    for size in np.unique(keys):
        if size > 1.0:
            where = keys == size
            curve = curve_of(net, float(size))
            latency[where] = curve.seconds[0]
            transfer[where] = _interpolate(net, curve, payload[where]) - curve.seconds[0]
    return latency, transfer


def _interpolate(net: Measured, curve: MeasuredCurve, payload: Floats) -> Floats:
    last = net.payload_bytes[-1]
    beyond = np.maximum(payload - last, 0.0) / curve.bytes_per_second
    return np.interp(payload, net.payload_bytes, curve.seconds) + beyond


def curve_of(net: Measured, ranks: float) -> MeasuredCurve:
    """Return the curve of `ranks` ranks: measured, between two measured ones, or beyond them.

    Beyond the largest, latency grows per doubling as it last did, and the bandwidth of the links
    stays what it was, so that a payload takes 2 (R-1)/R of itself (T19).
    """
    if ranks in net.curves:
        return net.curves[int(ranks)]
    sizes = sorted(net.curves)
    smaller = [size for size in sizes if size < ranks] or sizes[:1]
    larger = [size for size in sizes if size > ranks]
    low = net.curves[smaller[-1]]
    if larger:
        return _between(low, net.curves[larger[0]], smaller[-1], larger[0], ranks)
    return _beyond(net.curves, smaller[-1], ranks)


def _between(
    low: MeasuredCurve, high: MeasuredCurve, small: int, large: int, ranks: float
) -> MeasuredCurve:
    weight = float(np.log2(ranks / small) / np.log2(large / small))
    seconds = tuple(
        (1 - weight) * a + weight * b for a, b in zip(low.seconds, high.seconds, strict=True)
    )
    per_byte = (1 - weight) / low.bytes_per_second + weight / high.bytes_per_second
    return MeasuredCurve(seconds, 1.0 / per_byte)


def _beyond(curves: Mapping[int, MeasuredCurve], largest: int, ranks: float) -> MeasuredCurve:
    sizes = sorted(curves)
    last = curves[largest]
    before = curves[sizes[-2]] if len(sizes) > 1 else last
    doublings = float(np.log2(ranks / largest))
    steps = float(np.log2(largest / sizes[-2])) if len(sizes) > 1 else 1.0
    growth = max(0.0, last.seconds[0] - before.seconds[0]) / steps * doublings
    ring = ((ranks - 1) / ranks) / ((largest - 1) / largest)
    seconds = tuple(
        last.seconds[0] + growth + (second - last.seconds[0]) * ring for second in last.seconds
    )
    return MeasuredCurve(seconds, last.bytes_per_second / ring)


def dispatch(net: Collectives, ranks: Floats, span: Floats, payload: Floats) -> Message:
    """Send tokens to the ranks of their experts; once there and once back is two of these (T57).

    Parameters
    ----------
    ranks : array of float
        Groups of experts that exchange.
    span : array of float
        Accelerators over which these groups lie; beyond a node a part crosses the network.
    payload : array of float
        Bytes that leave one rank.
    """
    if isinstance(net, NcclTree):
        return _nccl(net, ranks, np.ceil(ranks / net.node_gpus), payload, passes=1.0)
    if isinstance(net, Ring):
        return _ring(net, ranks, payload, passes=1.0)
    outside = 1.0 - np.minimum(span, net.node_gpus) / span
    per_byte = (1.0 - outside) / net.send_bytes_per_second + outside / net.network_bytes_per_second
    latency = net.dispatch_seconds + np.where(outside > 0.0, net.network_seconds, 0.0)
    many = ranks > 1.0
    ones = np.ones_like(payload)
    return Message(np.where(many, latency * ones, 0.0), np.where(many, per_byte * payload, 0.0))


def stage_hops(net: Collectives, width: Floats, pp: Floats, payload: Floats) -> Message:
    """Hand a micro-batch on through `pp` stages; `payload` bytes leave each rank (T20)."""
    if isinstance(net, Measured):
        return _measured_hops(net, width, pp, payload)
    two = np.full(np.shape(payload), 2.0)
    if isinstance(net, NcclTree):
        hop = _nccl(net, two, two, payload, passes=1.0)
    else:
        hop = _ring(net, two, payload, passes=1.0)
    return Message((pp - 1.0) * hop.latency, (pp - 1.0) * hop.transfer)


def _measured_hops(net: Measured, width: Floats, pp: Floats, payload: Floats) -> Message:
    """Hops inside a node and between nodes, and the token's way back to the first stage (T21)."""
    stages_per_node = np.maximum(1.0, np.floor(net.node_gpus / width))
    crossing = np.ceil(pp / stages_per_node) - 1.0
    inside = pp - 1.0 - crossing
    back = np.where(pp > 1.0, np.where(crossing > 0.0, net.network_seconds, net.send_seconds), 0.0)
    latency = inside * net.send_seconds + crossing * net.network_seconds + back
    per_byte = inside / net.send_bytes_per_second + crossing / net.network_bytes_per_second
    return Message(latency * np.ones_like(payload), per_byte * payload)
