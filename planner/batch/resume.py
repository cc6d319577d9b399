"""A CSV of plans that a batch did not finish: who writes it, what it holds, where it breaks off."""

from __future__ import annotations

import csv
import os
import time
import weakref
from array import array
from collections.abc import Iterator
from io import FileIO, StringIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from planner.errors import OutputError
from planner.io.output import header
from planner.plans.plan import COLUMNS
from planner.version import __version__

try:
    import fcntl
except ImportError:  # Not everywhere; without it two batches are not kept apart.
    fcntl = None  # type: ignore[assignment]

PROVED = ("optimal", "infeasible")
"""Statuses that another run could not better; every other one is worth trying again."""
LONGEST_ROW = 1 << 24
"""Bytes. What goes on for longer is no row that broke off, and is not to be cut away."""


class LockFile:
    """A file beside a CSV of plans, there while its batch is not finished, locked while it runs.

    The lock dies with its process: a marker that nobody locks belongs to a batch that was ended.

    Parameters
    ----------
    csv_file : Path
        The CSV itself, no link to it.
    shown : str
        The CSV as the user named it.

    Raises
    ------
    OutputError
        Where another process writes the CSV.
    OSError
        Where no file can be made there.
    """

    def __init__(self, csv_file: Path, shown: str) -> None:
        self.path = marker_of(csv_file)
        self._file = _opened(self.path)
        while not self._lock(shown):
            self._file = _opened(self.path)
        _held.add(self)
        self.found = os.fstat(self._file.fileno()).st_size > 0
        """Whether an earlier batch signed it; one that did not, had not touched the CSV either."""

    def _lock(self, shown: str) -> bool:
        """Return False where the marker was removed, by the batch that had it, before the lock."""
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            writer = self._writer()
            self._file.close()
            raise OutputError(
                f"{shown}: {writer} is writing it. Wait until that is done, or name another file."
            ) from error
        except OSError:  # A file system without locks.
            return True
        try:
            if os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
                return True
        except FileNotFoundError:
            pass
        self._file.close()
        return False

    def _writer(self) -> str:
        self._file.seek(0)
        pid, _, since = self._file.read(100).decode(errors="replace").strip().partition(" ")
        return f"process {pid} (since {since})" if since else "another process"

    def sign(self) -> None:
        """Write down which process it is, and since when."""
        text = f"{os.getpid()} {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode()
        self._file.write(text)  # Over an old one: a full disk must not leave the marker unsigned.
        self._file.truncate(len(text))

    def leave(self) -> None:
        """Give up the lock; the marker stays and says that the batch is not finished."""
        self._file.close()

    def remove(self) -> None:
        """Say that the batch is finished."""
        if fcntl is None:
            self._file.close()  # Where nothing locks, an open file may not be removable.
        self.path.unlink(missing_ok=True)  # The lock is to outlive the name.
        self._file.close()


def marker_of(csv_file: Path) -> Path:
    """Return where the marker of a CSV is, if there is one."""
    return csv_file.with_name(f".{csv_file.name}.unfinished")


def _opened(path: Path) -> FileIO:
    """Open a file to read and write, as it is; make it where there is none."""
    return FileIO(path, "r+", opener=lambda name, how: os.open(name, how | os.O_CREAT, 0o666))


_held: weakref.WeakSet[LockFile] = weakref.WeakSet()


def _forget_markers() -> None:
    """Close markers in a forked worker: it would keep them locked after the death of its parent."""
    for marker in _held:
        marker.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_markers)


class Earlier:
    """What a CSV holds already: plans that need no solving again by digest, 24 bytes for each.

    A fleet's plan has several rows, which stand together; its column `rows` says how many.

    Parameters
    ----------
    csv_file : Path
        A CSV of plans; where there is none, there are no rows.
    shown : str
        The same as the user named it.

    Raises
    ------
    OutputError
        Where it is something else, or was written by another version.
    OSError
        Where it cannot be read.
    """

    def __init__(self, csv_file: Path, shown: str) -> None:
        self.end = 0
        """Bytes of whole plans, with the header; 0 where not even the header is whole."""
        self.total = 0
        """Number of whole plans."""
        digests, places, lengths = array("q"), array("q"), array("q")
        for place, rows, found in _whole_plans(_whole_rows(csv_file, shown)):
            self.end = place + len(rows)
            self.total += place > 0
            if found and _worth_keeping(found):
                digests.append(hash(found["instance_digest"]))
                places.append(place)
                lengths.append(len(rows))
        order = np.argsort(np.asarray(digests), kind="stable")
        self._digests, self._places, self._lengths = (
            np.asarray(column)[order] for column in (digests, places, lengths)
        )

    def find(self, digest: str) -> tuple[int, int] | None:
        """Return place and length of the last row kept for a digest, in bytes.

        Look at its digest: of two digests with the same hash, only one is found.
        """
        at = int(np.searchsorted(self._digests, hash(digest), side="right")) - 1
        if at < 0 or self._digests[at] != hash(digest):
            return None
        return int(self._places[at]), int(self._lengths[at])


def _worth_keeping(row: dict[str, str]) -> bool:
    return row["planner_version"] == __version__ and row["status"] in PROVED


def first_cells(rows: bytes) -> dict[str, str] | None:
    """Return the cells of the first of some encoded rows by column; None where it is no plan's."""
    try:
        values = next(csv.reader(StringIO(rows.decode(), newline=""), strict=True))
        return dict(zip(COLUMNS, values, strict=True))
    except (ValueError, csv.Error, StopIteration):
        return None


_SHARED = ("instance_digest", "source", "sweep", "rows")
"""Columns by which rows of one plan are known to belong together."""


def _whole_plans(
    rows: Iterator[tuple[int, bytes]],
) -> Iterator[tuple[int, bytes, dict[str, str] | None]]:
    """Yield place and bytes of the header and of each whole plan, with its first row's cells.

    A row that is no plan's stands for itself. Where the rows of a plan break off, they are left
    out.
    """
    plan, head, start = bytearray(), None, 0
    left = 0
    for place, row in rows:
        found = first_cells(row) if place else None
        same = left and found and head and all(found[key] == head[key] for key in _SHARED)
        if not same:
            plan, head, start = bytearray(), found, place
            left = int(found["rows"]) if found and found["rows"].isdigit() else 1
        plan += row
        left -= 1
        if left <= 0:
            yield start, bytes(plan), head


def _whole_rows(csv_file: Path, shown: str) -> Iterator[tuple[int, bytes]]:
    """Yield place and bytes of the header and of each whole row; what breaks off is left out."""
    expected = header(COLUMNS).encode()
    try:
        file = csv_file.open("rb")
    except FileNotFoundError:
        return
    with file:
        first = file.read(len(expected))
        if first != expected:
            if expected.startswith(first):  # Nothing, or a header that breaks off.
                return
            raise OutputError(
                f"{shown}: its columns are not those of planner {__version__}: another version "
                "wrote it, or it is no CSV of plans. Name another file, or delete it."
            )
        yield 0, first
        yield from _rows(file, len(first), shown)


def _rows(file: BinaryIO, place: int, shown: str) -> Iterator[tuple[int, bytes]]:
    row, quotes = bytearray(), 0
    while line := file.readline(LONGEST_ROW):
        row += line
        quotes += line.count(b'"')
        if quotes % 2 == 0 and line.endswith(b"\n"):  # Between quotes, a line ends no row.
            yield place, bytes(row)
            place += len(row)
            row, quotes = bytearray(), 0
        elif len(row) >= LONGEST_ROW:
            raise OutputError(
                f"{shown}: damaged after byte {place:,}, where a row does not end. "
                "Mend it there, name another file, or delete it."
            )
