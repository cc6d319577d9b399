"""Tables held by column: written as CSV by the million rows, and shown as pandas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from planner.io.output import cell, csv_lines, header, open_result

if TYPE_CHECKING:
    import pandas as pd

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._:/+-]*[A-Za-z0-9])?")
"""Texts that no CSV needs to quote."""
CHUNK = 100_000
"""Rows put into words at a time."""


@dataclass(frozen=True, slots=True)
class Named:
    """A column of names, or of numbers, that occur again and again."""

    names: Sequence[str | float | None]
    codes: NDArray[np.int64]
    """Index into the names; -1 for an empty cell, as None is."""


Column = Named | NDArray[Any] | list[str] | str | float | None
"""Names, numbers, texts, or one value for all rows."""


def write_columns(path: str | Path, columns: Mapping[str, Column], rows: int) -> None:
    """Write columns as CSV with a header.

    Parameters
    ----------
    path : str or Path
        File to write.
    columns : mapping
        Column by name, in the order of the file.
    rows : int
        Rows of every column.

    Raises
    ------
    OutputError
        Where the path cannot be written.
    """
    with open_result(path) as result:
        result.write(header(tuple(columns)))
        for text in column_lines(columns, rows):
            result.write(text)


def column_lines(columns: Mapping[str, Column], rows: int) -> Iterator[str]:
    """Yield columns as CSV lines without a header, some at a time.

    Parameters
    ----------
    columns : mapping
        Column by name, in the order of the file.
    rows : int
        Rows of every column.
    """
    groups = [list(group) for _, group in groupby(columns.values(), _alike)]
    for first in range(0, rows, CHUNK):
        last = min(rows, first + CHUNK)
        texts = [_joined(group, slice(first, last)) for group in groups]
        if not all(isinstance(text, repeat) for text in texts):
            yield "\n".join(map(",".join, zip(*texts, strict=False))) + "\n"


def write_constants(path: str | Path, columns: Mapping[str, Column]) -> None:
    """Write a CSV of one row: what is the same in all rows, and nothing else.

    Raises
    ------
    OutputError
        Where the path cannot be written.
    """
    with open_result(path) as result:
        result.write(header(tuple(columns)) + constant_line(columns))


def constant_line(columns: Mapping[str, Column]) -> str:
    """Return the CSV line of what is the same in all rows, and nothing else."""
    same = [column if is_value(column) else None for column in columns.values()]
    return ",".join(next(iter(_texts(column, slice(0, 1)))) for column in same) + "\n"


def frame(columns: Mapping[str, Column], rows: int) -> pd.DataFrame:
    """Return columns as a pandas table; empty names are None."""
    import pandas as pd

    values = {name: _values(column, rows) for name, column in columns.items()}
    return pd.DataFrame(values, columns=list(columns))


def records(kind: type, rows: Sequence[Any]) -> pd.DataFrame:
    """Return records of one kind as a pandas table: a row each, and a column for every field."""
    import pandas as pd

    names = [field.name for field in fields(kind)]
    return pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)


def write_frame(path: str | Path, table: pd.DataFrame) -> None:
    """Write a pandas table of numbers and names as CSV.

    Raises
    ------
    OutputError
        Where the path cannot be written.
    """
    columns: dict[str, Column] = {
        str(name): values.to_numpy() if values.dtype.kind in "if" else list(values)
        for name, values in table.items()
    }
    write_columns(path, columns, len(table))


def is_value(column: Column) -> bool:
    """Tell whether a column is one value for all rows."""
    return column is None or isinstance(column, str | float)


def _values(column: Column, rows: int) -> Any:
    if isinstance(column, Named):
        numbers = column.names and not any(isinstance(name, str) for name in column.names)
        return np.array([*column.names, None], dtype=float if numbers else object)[column.codes]
    return [column] * rows if is_value(column) else column


def _alike(column: Column) -> int:
    """Return what neighbours share that are put into words together: values, or their places."""
    if is_value(column):
        return 0
    return id(column.codes if isinstance(column, Named) else column)


def _joined(group: Sequence[Column], part: slice) -> Any:
    """Return the cells of neighbours, joined: of one value each, or of names in the same places."""
    first = group[0]
    if len(group) == 1:
        return _texts(first, part)
    if is_value(first):
        return repeat(",".join(next(_texts(column, part)) for column in group))
    if not isinstance(first, Named):
        return list(map(",".join, zip(*(_texts(column, part) for column in group), strict=True)))
    used, places = np.unique(first.codes[part], return_inverse=True)
    names = [_named(column, used) for column in group if isinstance(column, Named)]
    return _picked([",".join(cells) for cells in zip(*names, strict=True)], places)


def _texts(column: Column, part: slice) -> Any:
    """Return the cells of some rows, quoted where they must be."""
    if isinstance(column, Named):
        return _named_texts(column, part)
    if isinstance(column, np.ndarray):
        return _number_texts(column[part])
    if isinstance(column, list):
        return [quoted(text) for text in column[part]]
    return repeat(quoted(cell(column)))


def _named_texts(column: Named, part: slice) -> list[str]:
    used, places = np.unique(column.codes[part], return_inverse=True)
    return _picked(_named(column, used), places)


def _named(column: Named, codes: NDArray[np.int64]) -> list[str]:
    return [quoted(cell(column.names[code])) if code >= 0 else "" for code in codes.tolist()]


def _number_texts(values: NDArray[Any]) -> list[str]:
    """Put each number that occurs into words once; most occur many times."""
    unique, places = np.unique(values, return_inverse=True)
    return _picked([cell(value) for value in unique.tolist()], places)


def _picked(texts: list[str], places: NDArray[np.int64]) -> list[str]:
    picked: list[str] = np.array(texts, dtype=object)[places].tolist()
    return picked


def quoted(text: str) -> str:
    """Return a text as a cell of a CSV."""
    if not text or _PLAIN.fullmatch(text):
        return text
    return csv_lines([{"": text}], ("",))[:-1]
