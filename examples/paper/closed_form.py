"""The source paper's closed form: the fastest token when latency meets memory bandwidth."""

from __future__ import annotations

from typing import NamedTuple

HOP_SECONDS = 1e-6
REDUCES_PER_LAYER = 4


class Fastest(NamedTuple):
    """The instance size that makes a token fastest, and how fast."""

    gpus: float
    seconds: float


def fastest(
    weight_bytes: float,
    layers: int,
    memory_bytes_per_second: float,
    hop_seconds: float = HOP_SECONDS,
    reduces_per_layer: int = REDUCES_PER_LAYER,
) -> Fastest:
    """Balance hops over a square grid of accelerators against reading the weights (T46).

    The paper's Eqs. 12 to 14: a layer's reductions take 2 t_hop (sqrt(N) - 1) each, the weights
    are read in W / (N B); their sum is least at N = (W / (B L n t_hop))^(2/3).

    Parameters
    ----------
    weight_bytes : float
        All weights.
    layers : int
        Layers, each with `reduces_per_layer` reductions of `hop_seconds` per hop.
    memory_bytes_per_second : float
        Bandwidth of one accelerator.
    """
    hops = layers * reduces_per_layer * hop_seconds
    reading = weight_bytes / memory_bytes_per_second
    gpus = (reading / hops) ** (2.0 / 3.0)
    return Fastest(gpus, 3.0 * hops ** (2.0 / 3.0) * reading ** (1.0 / 3.0) - 2.0 * hops)
