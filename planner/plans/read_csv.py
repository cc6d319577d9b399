"""Results: plans read back as a table, joined with what was swept to get them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.errors import InputError, Problem
from planner.io.csv_table import Table, read_table
from planner.plans.plan import COLUMNS, Plan

if TYPE_CHECKING:
    import pandas as pd

SWEPT = "sweep"


def read_plans(path: str | Path) -> pd.DataFrame:
    """Read a CSV of plans as `planner` writes it.

    Parameters
    ----------
    path : str or Path
        The CSV; columns that a plan does not have are kept as text.

    Returns
    -------
    pandas.DataFrame
        One row per plan. Counts are nullable integers, other numbers floats with NaN where a
        cell is empty, text is never NaN. Units are those of the columns of a plan. What the
        column `sweep` holds stands in columns of its own too, one per swept field, named by its
        path: `workload.input_tokens`; a field named like a column of a plan gets `sweep.` before
        it. Where a sweep sets mappings, each of their keys is a column.

    Raises
    ------
    InputError
        Where the file cannot be read, is no CSV of plans, or a cell is not what its column holds.

    Examples
    --------
    >>> import planner
    >>> instance = planner.read_instance("instances/llama-8b-smallest/instance.yaml")
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "plans.csv"
    >>> text = planner.solve(instance).to_csv(path)
    >>> planner.read_plans(path).accelerator.tolist()
    ['h100-sxm']
    """
    import pandas as pd

    table = read_plans_table(Path(path))
    columns = dict(zip(table.header, zip(*table.rows, strict=True), strict=True))
    found = {name: _series(table, name, cells) for name, cells in columns.items()}
    swept = [_swept(table, row, cell) for row, cell in enumerate(columns.get(SWEPT, ()))]
    for field in dict.fromkeys(field for values in swept for field in values):
        name = f"{SWEPT}.{field}" if field in columns else field
        found[name] = _inferred([values.get(field) for values in swept])
    return pd.DataFrame(found)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV of plans, column to cell, also those that were cut off.

    Raises
    ------
    InputError
        Where the file cannot be read or is no CSV of plans.
    """
    return read_plans_table(path, cut=True).records()


def read_plans_table(path: Path, *, cut: bool = False) -> Table:
    """Return a CSV of plans as text, with the line of every row.

    Raises
    ------
    InputError
        As `read_rows` does.
    """
    table = read_table(path, "a CSV of plans, as `planner` writes it", cut=cut)
    if not table.rows or not {"instance", "status"} <= set(table.header):
        expected = "a header with `instance` and `status`, and at least one row"
        raise InputError(Problem(expected, "no plans", file=str(path), line=1))
    return table


def _unusable(table: Table, row: int, found: str, expected: str) -> InputError:
    name = table.rows[row][table.header.index("instance")]
    fix = f"Look at the row of {name}."
    return InputError(Problem(expected, found, "", fix, table.file, table.lines[row]))


def _series(table: Table, name: str, cells: Sequence[str]) -> Any:
    """Return the cells of one column in the type that a plan has there."""
    import pandas as pd

    kind = str(Plan.__annotations__[name]) if name in COLUMNS else "str"
    read = int if kind.startswith("int") else float if kind.startswith("float") else None
    if read is None:
        return pd.Series(list(cells), dtype=object)
    numbers = []
    for row, cell in enumerate(cells):
        try:
            numbers.append(read(cell) if cell else None)
        except ValueError:
            expected = "a whole number" if read is int else "a number"
            raise _unusable(table, row, f"'{cell}' as {name}", expected) from None
    return pd.Series(numbers, dtype="Int64" if read is int else "float64")


def _swept(table: Table, row: int, cell: str) -> dict[str, Any]:
    """Return path to value of what was swept for one plan."""
    try:
        swept = json.loads(cell or "{}")
    except ValueError:
        swept = None
    if not isinstance(swept, dict):
        raise _unusable(table, row, f"'{cell[:60]}' as {SWEPT}", "a JSON object")
    return dict(_spread("", swept))


def _spread(before: str, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return paths and values of everything in mappings; lists stay whole, as JSON."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += _spread(f"{before}{key}.", value)
        else:
            text = json.dumps(value, separators=(",", ":")) if isinstance(value, list) else value
            found.append((f"{before}{key}", text))
    return found


def _inferred(values: list[Any]) -> Any:
    """Return swept values as integers, numbers or, where they are neither, text."""
    import pandas as pd

    given = [value for value in values if value is not None]
    if given and all(type(value) is int for value in given):
        return pd.Series(values, dtype="Int64")
    if given and all(type(value) in (int, float) for value in given):
        return pd.Series(values, dtype="float64")
    return pd.Series(["" if value is None else str(value) for value in values], dtype=object)
