"""CSV files as tables of text that know the line of every row: the one reader of CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from planner.errors import InputError, Problem, few, reason_of

LARGEST_TABLE_BYTES = 1_000_000_000
QUOTES = "Put quotes round cells that contain commas or line breaks."
CHECK_PATH = "Check the path."
FROM_FLEET = "Check the path; it starts at the instance file's folder."


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file as text."""

    file: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    """Cells, as many in each row as in the header."""
    lines: Sequence[int]
    """Line of the file on which each row starts."""

    def records(self) -> list[dict[str, str]]:
        """Return the rows, column to cell."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]


def read_table(
    path: Path, expected: str = "a CSV file", missing: str = CHECK_PATH, *, cut: bool = False
) -> Table:
    """Read a CSV file with a header; blank rows are left out.

    Parameters
    ----------
    path : Path
        The file.
    expected : str
        What it should be, for messages.
    missing : str
        What to do where there is no such file.
    cut : bool
        Whether rows may have too few cells, which are then empty, or too many, which are left
        out: for whoever looks at every row by itself.

    Raises
    ------
    InputError
        Where there is no such file, it is no text, or rows have too few or too many cells.
    """
    file = str(path)
    stream = csv.reader(StringIO(_text(path, expected, missing), newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for row in stream:
            if any(map(str.strip, row)):
                rows.append(row)
                lines.append(line)
            line = stream.line_num + 1
    except csv.Error as error:
        problem = Problem(expected, f"a row that is none ({error})", "", QUOTES, file, line)
        raise InputError(problem) from None
    if not rows:
        fix = "Write the names of its columns on the first line."
        raise InputError(Problem(f"{expected} with a header", "an empty file", "", fix, file, 1))
    header = tuple(map(str.strip, rows[0]))
    body = [_fitted(row, len(header)) for row in rows[1:]] if cut else rows[1:]
    table = Table(file, header, body, lines[1:])
    if problems := list(_shape_problems(table)):
        raise InputError(few(problems))
    return table


def _fitted(row: list[str], cells: int) -> list[str]:
    return [*row[:cells], *[""] * (cells - len(row))]


def _text(path: Path, expected: str, missing: str) -> str:
    """Return what a file says, or say why it cannot."""
    line = 0
    try:
        if path.is_file() and path.stat().st_size > LARGEST_TABLE_BYTES:
            found, fix = f"more than {LARGEST_TABLE_BYTES:,} bytes", "Split it."
        elif path.is_file():
            return path.read_bytes().decode("utf-8-sig")
        else:
            found, fix = "no such file", missing
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found, fix = "bytes that are not UTF-8", "Save the file as UTF-8."
    except (OSError, ValueError) as error:
        found, fix = f"no readable file ({reason_of(error)})", "Check path and permissions."
    raise InputError(Problem(expected, found, "", fix, str(path), line))


def _shape_problems(table: Table) -> Iterator[Problem]:
    """Yield columns that have no name or come twice, and rows of another length."""
    for at, name in enumerate(table.header):
        if not name:
            found, fix = f"no name of column {at + 1}", "Name it, or remove the column."
            yield Problem("a name in every cell of the header", found, "", fix, table.file, 1)
        elif name in table.header[:at]:
            found, fix = "the column twice", "Remove one of the two."
            yield Problem("every column once", found, name, fix, table.file, 1)
    for row, line in zip(table.rows, table.lines, strict=True):
        if len(row) != len(table.header):
            expected = f"{len(table.header)} cells, as in the header"
            yield Problem(expected, f"{len(row)} cells", "", QUOTES, table.file, line)
