"""Profiles: how a forward pass is timed, as data; every switch and every fitted constant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from planner.catalogue.accelerator import Source
from planner.catalogue.engine_memory import EngineMemory


@dataclass(frozen=True, slots=True)
class Switches:
    """The questions on which the source paper's program and first principles differ.

    The defaults are what serving engines do; `docs/paper.md` gives the reason and the effect of
    each.
    """

    arithmetic_rate: Literal["operands", "weights"] = "operands"
    """Rate of attention scores: of their 16-bit operands, or that of the weights as well."""
    embeddings_multiplied: int = 1
    """Embedding matrices one token is multiplied with (the paper counts the look-up too)."""
    attention_context: Literal["causal", "cached"] = "causal"
    """Whether a pass attends to its own positions or only to what was cached before it."""
    activation_traffic: Literal["per-rank", "shared-split"] = "per-rank"
    """Matrix inputs read by every rank that needs them, or by the best split among the ranks."""
    heads_replicated: bool = True
    """Whether ranks beyond the number of key/value heads hold copies of the cache."""
    weights_by_part: bool = True
    """Whether parts have the bits that checkpoints hold, scales included, or all those of the
    weight precision."""
    parallel_attention: bool = True
    """Whether parallel attention saves one of two all-reduces."""
    whole_layers: bool = True
    """Whether pipeline stages hold whole layers and micro-batches whole sequences."""
    data_parallel_splits: bool = True
    """Whether attention groups share out the tokens, or each works on all of them."""
    experts_add_locally: bool = True
    """Whether a rank adds up its experts' outputs before they travel."""
    expert_group: Literal["all", "reached"] = "all"
    """Ranks of a dispatch: every group of experts, or only as many as a token reaches."""
    whole_sparsity: bool = False
    """Whether experts over active experts is rounded down before use."""
    bonus_token: bool = True
    """Whether a verified draft yields one token more than were accepted."""
    prefill: Literal["colocated", "elsewhere"] = "colocated"
    """Whether prompts are read on the same accelerators, stalling decoding."""
    engine_memory: EngineMemory | None = None
    """What the engine takes of a GPU beside weights and cache; None counts nothing."""


@dataclass(frozen=True, slots=True)
class NcclTree:
    """Collectives by NCCL's tree algorithm: the fastest of its three protocols at each size."""

    intra_bytes_per_second: float
    """All-reduce bandwidth inside a node."""
    inter_bytes_per_second: float
    """All-reduce bandwidth of one accelerator between nodes."""
    node_gpus: int
    overlapped: bool
    """Whether traffic inside and between nodes overlaps (the paper) or adds up."""
    kind: Literal["nccl-tree"] = "nccl-tree"


@dataclass(frozen=True, slots=True)
class Ring:
    """Collectives on a torus: one hop after another round a ring (the paper's TPU and LPU)."""

    bytes_per_second: float
    hop_seconds: float
    kind: Literal["ring"] = "ring"


@dataclass(frozen=True, slots=True)
class MeasuredCurve:
    """A measured all-reduce: seconds at a few payloads and the bandwidth of large ones."""

    seconds: tuple[float, ...]
    """Seconds at each of the table's payloads."""
    bytes_per_second: float
    """Payload bytes per second when the payload is large."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All-reduces inside a node by measurement; between nodes by latency and bandwidth."""

    payload_bytes: tuple[float, ...]
    """Payloads of every curve, ascending; the first stands for the fixed latency."""
    curves: Mapping[int, MeasuredCurve]
    """Curve by number of ranks."""
    node_gpus: int
    """Accelerators that reach one another over the measured links."""
    send_seconds: float
    """Latency of one message between pipeline stages of one node."""
    send_bytes_per_second: float
    dispatch_seconds: float
    """Latency of sending tokens to their experts inside a node."""
    network_seconds: float
    """Latency of one message between nodes."""
    network_bytes_per_second: float
    kind: Literal["measured"] = "measured"


Collectives = NcclTree | Ring | Measured


@dataclass(frozen=True, slots=True)
class Rates:
    """One accelerator as a profile sees it: rates that are achieved, not promised."""

    flop_per_second: Mapping[str, float]
    """Achieved arithmetic per precision."""
    memory_bytes: float
    """Memory a deployment may fill."""
    memory_bytes_per_second: float
    """Achieved bandwidth."""
    layer_seconds: float
    """Serial overhead of one layer: launches, norms, and what else does not overlap."""
    step_seconds: float
    """Overhead of one step: scheduling, sampling."""
    collectives: Collectives
    combine_power: float = math.inf
    """Arithmetic x and memory y take (x^p + y^p)^(1/p); infinity is their maximum, 1 their sum."""
    estimated: bool = False
    """Whether constants were carried over from another family for want of measurements."""


@dataclass(frozen=True, slots=True)
class PaperAccelerator:
    """Constants the source paper's program gives one accelerator."""

    flop_per_second: Mapping[str, float]
    memory_bytes: float
    memory_bytes_per_second: float
    arithmetic_efficiency: float
    memory_efficiency: float
    collectives: NcclTree | Ring
    dollars_per_gpu_hour: float
    layer_seconds: float = 16e-6


@dataclass(frozen=True, slots=True)
class Family:
    """Constants fitted to measurements of one family of accelerators."""

    arithmetic_efficiency: float
    """Part of the data-sheet FLOP/s that 16-bit matrix products reach."""
    memory_efficiency: float
    """Part of the data-sheet bandwidth that decoding reaches."""
    layer_seconds: float
    step_seconds: float
    combine_power: float
    source: str
    """What was fitted to what."""
    arithmetic_efficiency_by_precision: Mapping[str, float] = field(default_factory=dict)
    """Where a precision reaches another part of its own peak."""
    samples: int = 0
    """Measured configurations behind the numbers; 0 where they were carried over."""
    median_error: float | None = None
    """Median relative error of time per output token on those measurements."""
    left_out_error: float | None = None
    """The same on the worst transformer, fitted without it."""


@dataclass(frozen=True, slots=True)
class CollectiveTable:
    """Measured all-reduces of one accelerator and implementation."""

    curves: Mapping[int, MeasuredCurve]
    source: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A named way to time forward passes."""

    name: str
    title: str
    switches: Switches
    usable_memory_fraction: float
    sources: Mapping[str, Source]
    accelerators: Mapping[str, PaperAccelerator] = field(default_factory=dict)
    """Accelerators with constants of their own; a profile without `families` knows no others."""
    families: Mapping[str, Family] = field(default_factory=dict)
    payload_bytes: tuple[float, ...] = ()
    """Payloads at which `collectives` were measured."""
    collectives: Mapping[str, Mapping[str, CollectiveTable]] = field(default_factory=dict)
    """Measured all-reduces by accelerator and implementation."""
    default_collectives: str = ""
    """Implementation whose curves count where neither instance nor engine names one."""
    memory_of_engine: str = "vllm"
    """Engine whose memory counts where the instance names none; empty: no engine's ever counts."""
    rings: Mapping[str, float] = field(default_factory=dict)
    """Link technology (its first letters) that forms a torus, to the seconds of one hop."""
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    """Link technology (its first letters) to the accelerator whose curves stand in for it."""
    link_efficiency: float = 1.0
    """Part of the data-sheet link bandwidth reached where nothing was measured."""
    link_seconds: float = 0.0
    """All-reduce latency of two ranks where nothing was measured."""
    link_seconds_per_doubling: float = 0.0
    """What each doubling of the ranks adds to it."""
    dispatch_seconds: float = 0.0
    """Latency of an all-to-all inside a node."""
    network_seconds: float = 0.0
    """Latency of one message between nodes."""
    network_efficiency: float = 1.0
    default_network_bytes_per_second: float = 0.0
    """Network of an accelerator whose data sheet names none (PCIe-attached Ethernet)."""
