"""Published weights: how a checkpoint holds each part of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How published weights are quantised, as their configuration says."""

    method: str
    """Name of the quantiser or of its method, as the configuration has it."""
    bits: float | None = None
    """Bits of one quantised weight, scales not counted; None where nothing is said."""
    group: int | None = None
    """Weights of one row that share a scale; None where a row or a block has one."""
    block: tuple[int, ...] = ()
    """Rows and columns of a block of weights that shares a scale; empty where none is said."""
    ignored: tuple[str, ...] = ()
    """What stays in 16 bits, as the configuration names it: modules, parts of names, patterns
    (`re:`)."""
