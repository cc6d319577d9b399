"""A cache of shortlists: instances that differ in targets, demand or price evaluate once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from planner.candidates.shortlist import Shortlist, shortlist
from planner.candidates.table import Candidates
from planner.problem.resolve import ResolvedInstance

MEMORY_BYTES = 256 * 2**20
"""Memory of the shortlists one cache keeps, those not used for longest going first."""
ASKED_OF: dict[str, Any] = {
    "name": True,
    "pools": True,
    "objective": True,
    "dollars_per_million_tokens_at_most": True,
    "dollars_per_hour_at_most": True,
    "speed_exponent": True,
    "solver": True,
    "workload": {
        "tokens_per_second_per_request",
        "tokens_per_second",
        "time_to_first_token_seconds",
        "max_replicas",
    },
}
"""Fields of an instance that ask something of deployments and change none of their numbers.

Every other field is part of a shortlist's key, those to come included.
"""


class ShortlistCache:
    """Shortlists by content, in memory and, if a folder is given, on disk.

    Several processes may share the folder: files appear whole, and what cannot be read is made
    again.
    """

    def __init__(self, folder: str | Path | None = None, memory_bytes: int = MEMORY_BYTES) -> None:
        self._folder = None if folder is None else Path(folder)
        self._memory_bytes = memory_bytes
        self._held: OrderedDict[str, Shortlist] = OrderedDict()
        self._held_bytes = 0

    def shortlist(
        self, resolved: ResolvedInstance, pool: int, progress: Callable[[int], None] | None = None
    ) -> Shortlist:
        """Return the shortlist of one pool, evaluating its deployments only if that is new."""
        key = content_key(resolved, pool)
        found = self._held.get(key) or self._read(key)
        if found is None:
            found = shortlist(resolved, pool, progress)
            self._write(key, found)
        elif progress is not None:
            progress(found.evaluated)
        self._hold(key, found)
        return found

    def _hold(self, key: str, found: Shortlist) -> None:
        if key not in self._held:
            self._held_bytes += _bytes(found)
        self._held[key] = found
        self._held.move_to_end(key)
        while self._held_bytes > self._memory_bytes:
            self._held_bytes -= _bytes(self._held.popitem(last=False)[1])

    def _file(self, key: str) -> Path | None:
        return None if self._folder is None else self._folder / key[:2] / f"{key}.npz"

    def _read(self, key: str) -> Shortlist | None:
        file = self._file(key)
        if file is None:
            return None
        try:
            # NumPy leaves a file open that it cannot read.
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                columns = [stored[field.name] for field in fields(Candidates)]
                return Shortlist(int(stored["evaluated"]), Candidates(*columns))
        except Exception:  # Not there, damaged, or something else altogether.
            return None

    def _write(self, key: str, found: Shortlist) -> None:
        """Keep a shortlist on disk; where that fails, it is only not kept."""
        file = self._file(key)
        if file is None:
            return
        columns = {field.name: getattr(found.table, field.name) for field in fields(Candidates)}
        partial = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as stream:
                np.savez(stream, evaluated=np.asarray(found.evaluated), **columns)
            partial.replace(file)
        except OSError:
            with suppress(OSError):
                partial.unlink()


def content_key(resolved: ResolvedInstance, pool: int) -> str:
    """Return hexadecimal digits that name everything the numbers of a pool's shortlist rest on."""
    instance, supply = resolved.instance, resolved.pools[pool]
    content = (
        instance.model_dump(mode="json", by_alias=True, exclude=ASKED_OF),
        instance.workload.time_to_first_token_seconds is not None,
        resolved.llm,
        resolved.drafts,
        resolved.engine,
        resolved.switches,
        resolved.degrees,
        supply.accelerator,
        supply.rates,
    )
    text = f"{_program()}\n{content!r}"
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _program() -> str:
    """Name the code that evaluates: another version's shortlists are not this one's."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _bytes(found: Shortlist) -> int:
    return sum(getattr(found.table, field.name).nbytes for field in fields(Candidates))
