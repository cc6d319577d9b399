"""Whether files of a plan say what the plan that was read from them says, cell by cell."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.errors import InputError, Problem
from planner.io.column_csv import Column, Named
from planner.io.csv_table import read_table
from planner.io.output import cell
from planner.problem.tolerances import CHECKED_FLEET

if TYPE_CHECKING:
    import pandas as pd

EXPECTED = "the plan of a fleet, as the planner writes it"


def insist_on_whole_rows(path: Path) -> None:
    """Refuse a CSV of which a row has more or fewer cells than the header.

    Raises
    ------
    InputError
        With file and line; nothing is said of a file that cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            columns = len(next(reader, []))
            odd = next((len(row) for row in reader if len(row) != columns), columns)
            line = reader.line_num
    except (OSError, ValueError, csv.Error):
        return
    if odd != columns:
        told = f"a row of {odd} cells, where the header has {columns}"
        raise InputError(Problem(EXPECTED, told, file=str(path), line=line))


def insist_on_columns(path: Path, columns: Mapping[str, Column], rows: int) -> None:
    """Refuse a CSV whose columns are others, or a cell of which says other than the plan.

    Parameters
    ----------
    path : Path
        The file.
    columns : mapping
        Columns as the plan has them.
    rows : int
        How many rows it has.

    Raises
    ------
    InputError
        With file, line, column, what was found and what the rest of the plan says.
    """
    import pandas as pd

    header = tuple(pd.read_csv(path, nrows=1, header=None, dtype="str").iloc[0])
    if header != tuple(columns):
        pairs = zip((*columns, "nothing more"), (*header, "nothing more"), strict=False)
        right, found = next(pair for pair in pairs if pair[0] != pair[1])
        told = f"{right} not in the place where plans have it, but {found}"
        raise InputError(Problem(EXPECTED, told, file=str(path), line=1))
    texts = pd.read_csv(path, dtype="str", keep_default_na=False).fillna("nothing")
    if len(texts) != rows:
        told = f"{len(texts)} rows, where the rest says {rows}"
        raise InputError(Problem(EXPECTED, told, file=str(path)))
    for name, column in columns.items():
        wrong = _wrong(texts[name], column)
        if wrong.any():
            row = int(np.argmax(wrong))
            right = _text(column, row)
            told = f"{name} {texts[name][row]!r} in row {row + 1}, where the rest says {right!r}"
            line = read_table(path, cut=True).lines[row]
            raise InputError(Problem(EXPECTED, told, file=str(path), line=line))


def insist_on_summary(path: Path, found: Any, right: Any, name: str = "") -> None:
    """Refuse a summary that has other keys, or values of another kind, than the plan.

    Raises
    ------
    InputError
        With file, key, what was found and what the rest of the plan says.
    """
    if isinstance(right, dict) and isinstance(found, dict):
        for key in [*right, *(key for key in found if key not in right)]:
            nothing = object()
            values = found.get(key, nothing), right.get(key, nothing)
            path_of = f"{name}.{key}" if name else str(key)
            if nothing in values:
                told = f"{path_of}, which plans do not have" if key in found else f"no {path_of}"
                raise InputError(Problem(EXPECTED, told, file=str(path)))
            insist_on_summary(path, *values, path_of)
    elif isinstance(right, list) and isinstance(found, list) and len(right) == len(found):
        for number, values in enumerate(zip(found, right, strict=True)):
            insist_on_summary(path, *values, f"{name}[{number}]")
    elif isinstance(found, bool) != isinstance(right, bool) or found != right:
        told = f"{name} {found!r}, where the rest says {right!r}"
        raise InputError(Problem(EXPECTED, told, file=str(path)))


def _text(column: Column, row: int) -> str:
    """Return a cell of a column."""
    if isinstance(column, Named):
        code = int(column.codes[row])
        return cell(column.names[code]) if code >= 0 else ""
    if isinstance(column, np.ndarray):
        return cell(column[row].item())
    return column[row] if isinstance(column, list) else cell(column)


def _wrong(texts: pd.Series[str], column: Column) -> Any:
    """Tell which cells are not those of a column; numbers may differ by rounding."""
    if isinstance(column, Named):
        names = [*column.names, None]
        if any(isinstance(name, str) for name in names) or len(names) == 1:
            return (
                texts.to_numpy() != np.array([cell(name) for name in names], object)[column.codes]
            )
        column = np.array(names, dtype=float)[column.codes]
    if isinstance(column, list):
        return texts.to_numpy() != np.array(column, dtype=object)
    if not isinstance(column, np.ndarray | float):
        return (texts != cell(column)).to_numpy()
    import pandas as pd

    right = np.broadcast_to(np.asarray(column, dtype=float), len(texts))
    stated = pd.to_numeric(texts, errors="coerce").to_numpy(float)
    near = np.isfinite(stated) & np.isclose(stated, right, rtol=CHECKED_FLEET, atol=0.0)
    return ~(near | ((texts == "").to_numpy() & ~np.isfinite(right)))
