"""Tasks of a batch: the instances that paths, patterns, lines and sweeps stand for, one by one."""

from __future__ import annotations

import codecs
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from planner.errors import InputError, PlannerError, Problem, reason_of
from planner.io.sweep import Sweep, sweep
from planner.io.text_file import IN_FOLDER, LINES, SUFFIXES, read_text
from planner.io.yaml_json import Source
from planner.plans.plan import Plan, swept_text
from planner.problem.fleet import Fleet
from planner.problem.instance import SWEEP, Instance
from planner.version import __version__

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Task:
    """One instance of a batch, as little read as can be: workers read the rest."""

    file: str = ""
    """Where it stands; empty for an instance built in code."""
    text: str = ""
    line: int = 0
    """Line of the file, counted from 1, where it holds an instance on every line."""
    folder: str = ""
    """Where relative paths start."""
    point: int = 0
    """Number of the point where the text sweeps, counted from 0."""
    given: Instance | Fleet | None = None
    """The instance where it was built in code."""
    problem: InputError | None = None
    """Why there is no text."""

    @property
    def source(self) -> str:
        """File, and line where it holds several."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def instance(self) -> Instance | Fleet:
        """Return the instance.

        Raises
        ------
        InputError
            With every problem of it.
        """
        if self.problem is not None:
            raise self.problem
        if self.given is not None:
            return self.given
        return self.sweep()[self.point]

    def sweep(self) -> Sweep:
        """Return all instances of the text.

        Raises
        ------
        InputError
            With every problem that is one at every point.
        """
        return _opened(self.text, self.file, self.line or 1, self.folder)

    def name(self) -> tuple[str, str]:
        """Return what a row calls an instance that was not solved, and what swept it, if known."""
        if self.given is not None:
            return self.given.name, swept_text(self.given.swept)
        if SWEEP in self.text:
            with suppress(InputError):
                found = self.sweep()
                if found.axes:
                    return found.name(self.point), swept_text(found.swept(self.point))
        return self.source, ""


@lru_cache(maxsize=4)
def _opened(text: str, file: str, line: int, folder: str) -> Sweep:
    """Parse a text once for all points of its sweep."""
    return sweep(Source(text, file, line), Path(folder))


def failure(task: Task, error: PlannerError | str) -> Plan:
    """Return the plan that stands for a task that was not solved."""
    name, swept = task.name()
    return Plan(
        instance=name,
        status="input_error" if isinstance(error, InputError) else "error",
        message=" ".join(str(error).split()),
        planner_version=__version__,
        source=task.source,
        sweep=swept,
    )


class Tasks:
    """The tasks of a batch, found while it runs; memory holds the paths and one file's text."""

    def __init__(
        self, items: Iterable[Instance | Fleet | str | Path], stdin: BinaryIO | None = None
    ) -> None:
        """Note what to read.

        Parameters
        ----------
        items : iterable of Instance, str or Path
            Instances, instance files, files with an instance per line, or `-` for standard input,
            whose lines are instances in JSON or whatever `find_instances` takes.
        stdin : file, optional
            What `-` reads.
        """
        self._items, self._stdin = items, stdin
        self._listed_items: int | None = None
        """Items, where they can be counted before they are read."""
        if isinstance(items, Sequence) and STANDARD_INPUT not in map(str, items):
            self._listed_items = len(items)
        self._more = 0
        """Tasks beyond one per item that were found."""

    def __iter__(self) -> Iterator[Task]:
        for item in self._items:
            if isinstance(item, Instance | Fleet):
                yield Task(given=item)
            elif str(item) == STANDARD_INPUT:
                yield from self._listed(self._stdin or sys.stdin.buffer)
            else:
                yield from self._read(Path(item))

    @property
    def known(self) -> int | None:
        """Tasks in all, as far as is known by now; None where nobody can tell."""
        return None if self._listed_items is None else self._listed_items + self._more

    def _read(self, path: Path) -> Iterator[Task]:
        yield from self._lines(path) if path.suffix in LINES else self._file(path)

    def _file(self, path: Path) -> Iterator[Task]:
        try:
            text = read_text(path)
        except InputError as error:
            yield Task(str(path), problem=error)
            return
        yield from self._points(Task(str(path), text, folder=str(path.parent)))

    def _points(self, task: Task) -> Iterator[Task]:
        """Yield a task per point; texts without a sweep are left for workers to parse."""
        if SWEEP not in task.text:
            yield task
            return
        try:
            count = len(task.sweep())
        except InputError:
            count = 1  # The worker finds the same problems.
        self._more += count - 1
        for point in range(count):
            yield replace(task, point=point)

    def _lines(self, path: Path) -> Iterator[Task]:
        try:
            with path.open("rb") as stream:
                self._more += sum(1 for line in stream if line.strip()) - 1
                stream.seek(0)
                yield from self._listed(stream, path)
        except OSError as error:
            reason = reason_of(error)
            problem = Problem("a file with an instance per line", reason, file=str(path))
            yield Task(str(path), problem=InputError(problem))

    def _listed(self, stream: BinaryIO, path: Path | None = None) -> Iterator[Task]:
        """Yield the instances of lines; on standard input a line may also say where they are."""
        for number, line in enumerate(stream, start=1):
            content = line.removeprefix(codecs.BOM_UTF8).strip()
            if path is None and content and not content.startswith(b"{"):
                yield from self._found(os.fsdecode(content))
            elif content:
                file = STANDARD_INPUT if path is None else str(path)
                folder = "" if path is None else str(path.parent)
                yield from self._decoded(Task(file, line=number, folder=folder), content)

    def _found(self, path: str) -> Iterator[Task]:
        try:
            files = find_instances([path])
        except InputError as error:
            yield Task(path, problem=error)
            return
        for file in files:
            yield from self._read(Path(file))

    def _decoded(self, task: Task, content: bytes) -> Iterator[Task]:
        try:
            yield from self._points(replace(task, text=content.decode()))
        except UnicodeDecodeError as error:
            found = f"the byte 0x{content[error.start]:02x}, which is not UTF-8"
            problem = Problem("an instance in JSON", found, file=task.file, line=task.line)
            yield replace(task, problem=InputError(problem))


def find_instances(paths: Iterable[str | Path]) -> list[str]:
    """Return the files that paths, folders and patterns name, in their order, each sorted.

    A folder that has a file called `instance.yaml` (or `.yml`, `.json`) is one instance.

    Raises
    ------
    InputError
        Where a folder or pattern holds no instance. A path that does not exist is kept: it fails
        alone.
    """
    found: list[str] = []
    problems: list[Problem] = []
    expected = f"instance files ({', '.join((*SUFFIXES, *LINES))})"
    for path in map(Path, paths):
        files = _named(path)
        if not files:
            kind = "a folder with none" if path.is_dir() else "a pattern that matches nothing"
            problems.append(Problem(file=str(path), found=kind, expected=expected))
        found += map(str, files)
    if problems:
        raise InputError(problems)
    return found


def _named(path: Path) -> list[Path]:
    if path.is_dir():
        return _in_folder(path)
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    # Path.glob takes no absolute patterns.
    matches = map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207
    found = (_in_folder(match) if match.is_dir() else [match] for match in matches)
    return [file for files in found for file in files]


def _in_folder(folder: Path) -> list[Path]:
    suffixes = (*SUFFIXES, *LINES)
    files = sorted(path for path in folder.rglob("*") if path.suffix in suffixes and path.is_file())
    homes = {path.parent for path in files if path.stem == IN_FOLDER}
    return [path for path in files if path.parent not in homes or path.stem == IN_FOLDER]
