"""Engine memory: what an engine takes of a device beside weights and cache, by release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class EngineMemory:
    """What one release of an engine takes, and what it fills by default."""

    engine: str
    """Engine and release whose numbers these are."""
    utilisation: float
    """Part of what the device reports that is filled."""
    prompt_tokens: int
    """Tokens of the largest pass, which is measured when the engine starts."""
    sequences: int
    """Sequences of the largest pass."""
    layer_streams: float
    """Hidden vectors of a token alive beside the widest block."""
    stage_streams: float
    """Those that a pipeline stage keeps for the next one besides."""
    sampling_streams: float
    """Hidden vectors of a token alive while tokens are sampled."""
    logit_bytes: float
    """Bytes of one logit in all its copies: 16 and 32 bits, and those that sampling makes."""
    activation_factor: float
    """Peak of activations over what the form gives."""
    alone_bytes: float
    """Outside of the framework's memory, on a device alone."""
    pipeline_bytes: float
    """The same of a stage with one device."""
    collectives_bytes: float
    """The same of a device among several of a stage, with the buffers of their collectives."""


NUMBERS = tuple(field.name for field in fields(EngineMemory) if field.name != "engine")
"""What a release may state."""


@dataclass(frozen=True, slots=True)
class MemoryRelease:
    """What changed with one release; the rest is as in the release before."""

    release: str
    source: str
    """Key into the engine's `sources`."""
    utilisation: float | None = None
    prompt_tokens: int | None = None
    sequences: int | None = None
    layer_streams: float | None = None
    stage_streams: float | None = None
    sampling_streams: float | None = None
    logit_bytes: float | None = None
    activation_factor: float | None = None
    alone_bytes: float | None = None
    pipeline_bytes: float | None = None
    collectives_bytes: float | None = None


def memory_at(engine: str, releases: Sequence[MemoryRelease], version: str) -> EngineMemory:
    """Return what an engine takes in one version: the sum of all changes up to it.

    Versions before the first release are taken to be as that one.

    Parameters
    ----------
    engine : str
        Name of the engine.
    releases : sequence of MemoryRelease
        Changes, from the oldest to the newest; the first states everything.
    version : str
        Release in question, such as `0.25`.
    """
    known = _stated(releases[0])
    name = releases[0].release
    for release in releases[1:]:
        if _parts(release.release) <= _parts(version):
            known |= _stated(release)
            name = release.release
    return EngineMemory(f"{engine} {name}", **known)


def _stated(release: MemoryRelease) -> dict[str, Any]:
    found = {name: getattr(release, name) for name in NUMBERS}
    return {name: value for name, value in found.items() if value is not None}


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
