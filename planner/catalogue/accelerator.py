"""Accelerators: the machines that run the arithmetic, hold the memory and send the messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PRECISIONS: Mapping[str, float] = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5, "int4": 0.5}
"""Bytes of one number in each precision (block scales not counted)."""
CACHE_PRECISIONS: Mapping[str, float] = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "nvfp4": 0.5625}
"""Bytes of one cached number: nvfp4 has 4 bits and, for every 16 numbers, a scale of 8."""


@dataclass(frozen=True, slots=True)
class Link:
    """The fast links among the accelerators of one domain (NVLink, Infinity Fabric, ICI, PCIe)."""

    technology: str
    """Name of the link, for example `NVLink4`."""
    bytes_per_second: float
    """Bytes one accelerator can send per second over all its links, one direction."""
    gpus: int
    """Accelerators that reach one another over these links."""


@dataclass(frozen=True, slots=True)
class Node:
    """One server: what is bought or rented as a whole, and its door to the others."""

    gpus: int
    """Accelerators in one server."""
    network_bytes_per_second: float | None = None
    """Network bytes per second of one accelerator to other servers, one direction."""


@dataclass(frozen=True, slots=True)
class Price:
    """One dated quote for one accelerator and hour."""

    dollars_per_gpu_hour: float
    kind: str
    """`on-demand`, `rental`, `marketplace`, `TCO`, `index`, `capacity block` or `assumption`."""
    provider: str
    date: str
    """Day or month of the quote, ISO 8601."""
    source: str

    @property
    def quote(self) -> str:
        """Who asks it, in which way, and when."""
        return f"{self.provider}, {self.kind}, {self.date}"

    """Key into the accelerator's `sources`."""
    default: bool = False
    """Whether instances that state no price use this one."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a number was read, and when it was published or read."""

    title: str
    date: str


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One accelerator as its data sheet describes it; every number is plain SI."""

    name: str
    """Lower-case slug, also the name of its file."""
    title: str
    vendor: str
    family: str
    """Micro-architecture, for example `hopper`; calibration constants are kept per family."""
    flop_per_second: Mapping[str, float]
    """Dense peak per precision (never the sparse figure)."""
    memory_bytes: float
    """Memory as the device reports it where that is known, else the nominal size."""
    memory_bytes_per_second: float
    link: Link
    node: Node
    origin: Mapping[str, str]
    """Field name to key of `sources`; the key `default` stands for every field not named."""
    sources: Mapping[str, Source]
    power_watts: float | None = None
    prices: tuple[Price, ...] = ()
    aliases: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    """Fields whose number was not read from a primary source."""
    notes: str = ""

    @property
    def price(self) -> Price | None:
        """The dated default price, or None where no quote is trustworthy."""
        return next((price for price in self.prices if price.default), None)

    def source_of(self, name: str) -> Source:
        """Return the source of one field."""
        return self.sources[self.origin.get(name, self.origin["default"])]
