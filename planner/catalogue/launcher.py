"""Launchers: the program and the flags by which one release of an engine is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from planner.catalogue.accelerator import Source


@dataclass(frozen=True, slots=True)
class Launcher:
    """How one serving engine is started."""

    name: str
    """Slug of the engine, also the name of its file."""
    release: str
    """Release whose flags these are."""
    program: tuple[str, ...]
    """Words before the name of the model."""
    flags: Mapping[str, str]
    """What is set to its flag."""
    origin: Mapping[str, str]
    """What is set to key of `sources`; the key `default` stands for all that is not named."""
    sources: Mapping[str, Source]
    weights: Mapping[str, str] = field(default_factory=dict)
    """Precision to which weights in 16 bits are brought while they are loaded, to its word."""
    kv: Mapping[str, str] = field(default_factory=dict)
    """Precision of the cache to its word; 16 bits need none."""
    notes: str = ""
