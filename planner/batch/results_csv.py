"""The CSV of plans while a batch writes it: valid after every row, in order when it is finished."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from array import array
from collections import Counter
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np

from planner.batch.resume import Earlier, LockFile, first_cells, marker_of
from planner.errors import OutputError, reason_of
from planner.io.output import header
from planner.plans.plan import COLUMNS, TIME_COLUMNS, Plan, rewritten
from planner.problem.tolerances import RELAXED

NO_FILES = tuple(map(Path, ("/dev", "/dev/fd", "/proc/self/fd")))
"""Folders of names that stand for something that is open already, be it a file or not."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ResultsFile:
    """The CSV of plans of one batch.

    Plans are written as they come, all rows of each at once, and put in the order of the batch in
    the end. Until then a marker stands beside the file, which says that the batch is not finished.
    Memory is 24 bytes a plan. What is no file (/dev/stdout, a pipe) gets rows as they come, and
    neither order nor marker.

    Parameters
    ----------
    path : str or Path
        The CSV; an earlier one is overwritten if its batch was finished.
    resume : bool
        Go on from the rows that the file holds.
    times : bool
        Whether to write `planner.plans.plan.TIME_COLUMNS`, which differ from run to run.

    Attributes
    ----------
    rows_written, rows_kept : int
        Plans of this run, and of an earlier one that were kept.
    statuses : Counter of str
        How many plans of either kind have each status.

    Raises
    ------
    OutputError
        Where the path cannot be written, another batch writes it or did not finish it, or `resume`
        is asked of something that it cannot go on from.

    Examples
    --------
    >>> with ResultsFile("plans.csv", resume=True) as results:  # doctest: +SKIP
    ...     for order, instance in enumerate(instances):
    ...         if results.kept(instance.digest):
    ...             results.keep(order, instance.digest, source=instance.name)
    ...         else:
    ...             results.append(order, solve(instance))
    """

    def __init__(self, path: str | Path, resume: bool = False, times: bool = True) -> None:
        self.rows_written = 0
        self.rows_kept = 0
        self.statuses: Counter[str] = Counter()
        self._shown = str(path)
        self._real = Path(os.path.realpath(path))  # A link stays one: its target is replaced.
        self._ordered = self._real.with_name(f".{self._real.name}.ordered")
        self._left_out = () if times else tuple(TIME_COLUMNS)
        self._orders, self._places, self._lengths = array("q"), array("q"), array("q")
        self._marker: LockFile | None = None
        self._earlier: Earlier | None = None
        self._total = self._end = 0  # Whole rows in the file, and where they end.
        try:
            if passes_on(path):
                self._open_stream(resume)
            else:
                self._open_file(resume)
        except OSError as error:
            raise OutputError.at(self._shown, error) from error

    def _open_stream(self, resume: bool) -> None:
        if resume:
            raise OutputError(
                f"{self._shown}: not a file, so it holds no rows to go on from. "
                "Name a file, or leave out --resume."
            )
        self._file = FileIO(self._shown, "a")
        self._start()

    def _open_file(self, resume: bool) -> None:
        self._marker = LockFile(self._real, self._shown)
        try:
            if resume or self._marker.found:
                self._look_back(resume)
            self._marker.sign()
            self._file = FileIO(self._real, "a+")
            self._file.truncate(self._end)
            self._ordered.unlink(missing_ok=True)
        except BaseException:
            self._marker.leave() if self._marker.found else self._marker.remove()
            raise
        if self._end == 0:
            self._start()

    def _look_back(self, resume: bool) -> None:
        earlier = Earlier(self._real, self._shown)
        if resume:
            self._earlier, self._total, self._end = earlier, earlier.total, earlier.end
        elif earlier.total:
            raise _unfinished(self._shown, earlier.total)

    def _start(self) -> None:
        try:
            self._put(header(COLUMNS).encode())
        except BaseException:
            self._abandon()
            raise

    def __enter__(self) -> ResultsFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    @property
    def resumes(self) -> bool:
        """Whether there may be rows of an earlier run to go on from."""
        return self._earlier is not None

    def append(self, order: int, plan: Plan) -> None:
        """Write the plan of the instance at a place of the batch, counted from 0.

        Raises
        ------
        OutputError
            Where it cannot be written; the file then holds the rows before it.
        """
        self._write(order, self._encoded(plan.to_lines()))
        self.rows_written += 1
        self.statuses[plan.status] += 1

    def kept(self, digest: str, gap: float = 1.0) -> bool:
        """Return whether an earlier run left a row for an instance that needs no solving again.

        That is one of this version, with the instance's digest, `infeasible` or `optimal` within
        the relative gap at which a solver may stop now.
        """
        kept = self._kept(digest)
        return kept is not None and float(kept[2]["gap"] or 0) <= gap + RELAXED

    def keep(self, order: int, digest: str, **changed: str) -> dict[str, str]:
        """Use an earlier run's row for the instance at a place of the batch.

        Parameters
        ----------
        order : int
            Place in the batch.
        digest : str
            Digest of the instance, one that is `kept`.
        **changed : str
            Columns that say where the instance came from, such as `source`, as they are now.

        Returns
        -------
        dict of str to str
            Its row; of a fleet's plan the first one.

        Raises
        ------
        KeyError
            Where there is no such row or column.
        OutputError
            Where a changed row cannot be written.
        """
        kept = self._kept(digest)
        if kept is None or not changed.keys() <= set(COLUMNS):
            raise KeyError(digest if kept is None else min(changed.keys() - set(COLUMNS)))
        place, old, row = kept
        row |= changed
        new = self._encoded(rewritten(old.decode(), changed))
        if new == old:
            self._note(order, place, len(old))
        else:
            self._write(order, new)
        self.rows_kept += 1
        self.statuses[row["status"]] += 1
        return row

    def close(self) -> None:
        """Put the rows in the order of the batch, and call it finished.

        Raises
        ------
        OutputError
            Where there is no room for the ordered file; the file as it was stays.
        """
        if self._file.closed:
            return
        try:
            if self._marker is not None:
                self._sort()
                self._marker.remove()
        except OSError as error:
            raise OutputError(
                f"{self._shown}: {reason_of(error)} while its {_plans(len(self._orders))} were put "
                f"in order; it holds them all, in the order they came. {_next_step(error)}"
            ) from error
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Leave everything as it is."""
        self._file.close()
        if self._marker is not None:
            self._marker.leave()

    def _encoded(self, lines: str) -> bytes:
        if self._left_out:
            lines = rewritten(lines, dict.fromkeys(self._left_out, ""))
        return lines.encode(errors="backslashreplace")  # A file's name need not be text.

    def _kept(self, digest: str) -> tuple[int, bytes, dict[str, str]] | None:
        found = self._earlier.find(digest) if self._earlier else None
        if found is None:
            return None
        old = self._read(*found)
        row = first_cells(old)
        return (found[0], old, row) if row and row["instance_digest"] == digest else None

    def _read(self, place: int, length: int) -> bytes:
        self._file.seek(place)
        return self._file.read(length)

    def _write(self, order: int, row: bytes) -> None:
        place = self._end
        self._put(row)
        self._total += 1
        self._note(order, place, len(row))

    def _note(self, order: int, place: int, length: int) -> None:
        self._orders.append(order)
        self._places.append(place)
        self._lengths.append(length)

    def _put(self, row: bytes) -> None:
        """Write all of a row or nothing; without a buffer, so that a kill loses nothing."""
        rest = memoryview(row)
        try:
            while rest:  # A full disk takes a part, and says why when it is asked again.
                rest = rest[self._file.write(rest) :]
        except BaseException as error:
            if self._marker is not None:
                with suppress(OSError):
                    self._file.truncate(self._end)
            if isinstance(error, OSError):
                raise OutputError(self._cannot_append(error)) from error
            raise
        self._end += len(row)

    def _sort(self) -> None:
        """Replace the file by one in order, unless it is; it is whole at every moment."""
        if self._is_in_order():
            os.fsync(self._file.fileno())
            return
        try:
            self._copy_in_order()
            self._file.close()
            self._ordered.replace(self._real)
        except BaseException:
            self._ordered.unlink(missing_ok=True)
            raise

    def _is_in_order(self) -> bool:
        """Whether every row of the file is one of this batch, after those that it comes after."""
        length = len(header(COLUMNS).encode()) + sum(self._lengths)
        rises = [bool((np.diff(np.asarray(a)) > 0).all()) for a in (self._orders, self._places)]
        return length == self._end and all(rises)

    def _copy_in_order(self) -> None:
        with self._ordered.open("wb") as file:
            shutil.copymode(self._real, self._ordered)
            file.write(header(COLUMNS).encode())
            for index in np.argsort(np.asarray(self._orders), kind="stable"):
                file.write(self._read(self._places[index], self._lengths[index]))
            file.flush()
            os.fsync(file.fileno())

    def _cannot_append(self, error: OSError) -> str:
        if self._marker is None:
            return str(OutputError.at(self._shown, error))
        return f"{self._shown}: {reason_of(error)}; it holds {_plans(self._total)}. " + _next_step(
            error
        )


def refuse_unfinished(path: str | Path) -> None:
    """Leave a CSV alone that a batch is writing, or did not finish.

    Raises
    ------
    OutputError
        Where that is so.
    """
    real = Path(os.path.realpath(path))
    if passes_on(path) or not marker_of(real).exists():
        return
    try:
        marker = LockFile(real, str(path))
    except OSError:
        return  # Nothing can be written there: whoever tries is told.
    try:
        if marker.found and (total := Earlier(real, str(path)).total):
            raise _unfinished(str(path), total)
        marker.remove()
    finally:
        marker.leave()


def _unfinished(shown: str, total: int) -> OutputError:
    return OutputError(
        f"{shown}: holds {_plans(total)} of a batch that did not finish. Go on from them with "
        "`planner batch --resume`, or delete the file to start again."
    )


def passes_on(path: str | Path) -> bool:
    """Whether what is written there goes elsewhere, so that it cannot be read or put in order."""
    path = Path(path)
    if path.absolute().parent in NO_FILES:
        return True
    try:
        kind = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def _plans(count: int) -> str:
    return f"{count:,} whole plan{'' if count == 1 else 's'}"


def _next_step(error: OSError) -> str:
    first = "Make room" if error.errno in NO_ROOM else "Put that right"
    return f"{first}, then run the same command with --resume."
