"""Files that an instance reads: itself and those that it names, which no result may overwrite."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from planner.errors import InputError
from planner.io.text_file import SUFFIXES, file_of, read_text
from planner.io.yaml_json import Source

TABLE = ".csv"
READ = (TABLE, ".json")
"""How files end that instances name."""
PIECES = re.compile(r"""["'\[\]{},;]|:\s|-\s|\s\#""")
"""What parts texts from each other, in YAML, JSON and CSV; more parts than need be do no harm."""


def files_read(path: Path, suspects: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that reading an instance may open.

    Parameters
    ----------
    path : Path
        An instance, a table, or a folder with an instance or with llm-inferno's files.
    suspects : iterable of Path
        Results that are there already, whose names are looked for whatever they end with.
    """
    file = file_of(path)
    if file.is_dir():
        yield from (each for each in sorted(file.iterdir()) if each.is_file())
        return
    yield file
    names = {name for one in suspects for name in (one.name, one.resolve().name)}
    yield from _named_by(file, names, {file.resolve()})


def _named_by(file: Path, names: set[str], seen: set[Path]) -> Iterator[Path]:
    """Yield the files that a file names, and those that they name."""
    for text in _texts(file, names):
        other = file.parent / text
        if _is_file(other) and other.resolve() not in seen:
            seen.add(other.resolve())
            yield other
            yield from _named_by(other, names, seen)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # A text that can be no path.
        return False


def _texts(file: Path, names: set[str]) -> Iterator[str]:
    """Yield the texts of a file that may be names of others; nothing of one that is no text."""
    endings = tuple(name for name in (*READ, *names) if name)
    try:
        if file.suffix.lower() not in (*SUFFIXES, TABLE):
            return
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                pieces = (*PIECES.split(line), line.partition(": ")[2])
                yield from (text for text in map(_bare, pieces) if text.endswith(endings))
                # What is written with escapes is known once it is read.
                if "\\" in line and file.suffix.lower() != TABLE:
                    yield from _strings(Source(read_text(file), str(file)).value)
                    return
    except (InputError, OSError):
        return  # It is told when it is read.


def _bare(piece: str) -> str:
    return piece.strip().strip("\"'")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
