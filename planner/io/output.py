"""The one place that writes results: CSV, JSON and text, with one way to refuse a path."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from planner.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANT_DIGITS = 12
STDOUT = "-"
"""A path that stands for standard output."""


def cell(value: Any) -> str:
    """Return a value as a CSV cell: numbers with twelve significant digits, None empty."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{SIGNIFICANT_DIGITS}g}" if math.isfinite(value) else ""
    return str(value)


def csv_lines(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    """Return rows as CSV lines without a header."""
    lines = _Lines()
    # The writer quotes a cell that has a character of the line's end: so a lone \r is quoted too.
    writer = csv.writer(lines, lineterminator="\r\n")
    for row in rows:
        writer.writerow([cell(row.get(name)) for name in columns])
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


class _Lines(list[str]):
    """Takes what a CSV writer writes, a row at a time."""

    write = list.append


def header(columns: Sequence[str]) -> str:
    """Return the CSV header."""
    return ",".join(columns) + "\n"


def write_text(path: str | Path, text: str) -> None:
    """Write a result, or say why it cannot be written.

    Raises
    ------
    OutputError
        Where the path cannot be written.
    """
    with open_result(path) as result:
        result.write(text)


@contextmanager
def open_result(path: str | Path) -> Iterator[TextIO]:
    """Open a file for results; whatever was written stays, also when writing fails later.

    `-` is standard output.

    Raises
    ------
    OutputError
        Where the path cannot be written.
    """
    if str(path) == STDOUT:
        if isinstance(sys.stdout, TextIOWrapper):
            # Files are UTF-8 whatever the terminal knows, and so is what takes their place.
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        return
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as result:
            yield result
    except OSError as error:
        raise OutputError.at(path, error) from error


def write_rows(
    rows: Iterable[dict[str, Any]], columns: Sequence[str], path: str | Path | None = None
) -> str:
    """Return rows as CSV with a header, and write it to `path` if one is given."""
    text = header(columns) + csv_lines(rows, columns)
    if path is not None:
        write_text(path, text)
    return text


def write_json(content: Any, path: str | Path | None = None) -> str:
    """Return content as indented JSON, and write it to `path` if one is given."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if path is not None:
        write_text(path, text)
    return text


def compact_json(content: Any) -> str:
    """Return content as JSON on one line, for a cell; what is no JSON is written as text."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, default=str)


def as_table(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a pandas table."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))
