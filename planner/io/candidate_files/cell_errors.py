"""Flaws of a table: cells that cannot be used, told with their line as the user wrote them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.errors import Problem
from planner.io.document import shortened

MOST_ALIKE = 5
"""Flaws of one kind that are told one by one; the others are counted."""


@dataclass(frozen=True, slots=True)
class CellError:
    """One cell, or one row, that cannot be used."""

    row: int
    """Row of the table under its header, counted from 0."""
    column: str
    """Column as the file calls it."""
    expected: str
    fix: str
    found: str = ""
    """What is there; empty: the cell as it is written."""


def alike(
    rows: NDArray[np.int64], column: str, expected: str, fix: str, found: str = ""
) -> list[CellError]:
    """Return flaws of one kind, the first of them one by one and a last one for the others."""
    told = [CellError(int(row), column, expected, fix, found) for row in rows[:MOST_ALIKE]]
    if (more := len(rows) - MOST_ALIKE) > 0:
        told.append(CellError(int(rows[MOST_ALIKE]), column, expected, fix, f"{more:,} more such"))
    return told


def problems(file: str, cell_errors: Iterable[CellError]) -> list[Problem]:
    """Return what is wrong with a file, by line, with its cells as they are written."""
    cell_errors = sorted(cell_errors, key=lambda cell_error: cell_error.row)
    cells = _cells(file, {cell_error.row for cell_error in cell_errors})
    told = []
    for cell_error in cell_errors:
        line, row = cells.get(cell_error.row, (0, {}))
        written = row.get(cell_error.column, "").strip()
        found = cell_error.found or (f"'{shortened(written)}'" if written else "nothing")
        told.append(
            Problem(cell_error.expected, found, cell_error.column, cell_error.fix, file, line)
        )
    return told


def _cells(file: str, wanted: set[int]) -> dict[int, tuple[int, dict[str, str]]]:
    """Return line and cells of some rows, which quoted line breaks may have moved."""
    found: dict[int, tuple[int, dict[str, str]]] = {}
    with suppress(csv.Error), Path(file).open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        header = [name.strip() for name in next(reader)]
        line = reader.line_num
        for index, row in enumerate(reader):
            if index in wanted:
                found[index] = line + 1, dict(zip(header, row, strict=False))
                if len(found) == len(wanted):
                    break
            line = reader.line_num
    return found


def widest(file: str) -> tuple[int, int]:
    """Return line and cells of the first row that is wider than the header; zeros for none."""
    # A cell may be too long for the reader, where quotes do not close.
    with suppress(csv.Error), Path(file).open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        width = len(next(reader))
        line = reader.line_num
        for row in reader:
            if len(row) > width:
                return line + 1, len(row)
            line = reader.line_num
    return 0, 0
