"""Results: plans read back as a table, joined with what was swept to get them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.errors import InputError, Problem, reason_of
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

    path = Path(path)
    rows = read_rows(path)
    _check_width(path, rows)
    columns = {name: [row[name] or "" for row in rows] for name in rows[0]}
    table = {name: _series(path, name, cells, columns) for name, cells in columns.items()}
    swept = [_swept(path, row) for row in rows] if SWEPT in columns else []
    for field in dict.fromkeys(field for values in swept for field in values):
        name = f"{SWEPT}.{field}" if field in columns else field
        table[name] = _inferred([values.get(field) for values in swept])
    return pd.DataFrame(table)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV of plans, column to cell.

    Raises
    ------
    InputError
        Where the file cannot be read or is no CSV of plans.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = reason_of(error)
        raise InputError(
            Problem(file=str(path), found=reason, expected="a CSV of plans, as `planner` writes it")
        ) from None
    if not rows or not {"instance", "status"} <= set(rows[0]):
        raise InputError(
            Problem(
                file=str(path),
                line=1,
                found="no plans",
                expected="a header with `instance` and `status`, and at least one row",
            )
        )
    return rows


def _check_width(path: Path, rows: list[dict[str, str]]) -> None:
    """Refuse rows with more or fewer cells than the header; they were cut or are no plans."""
    for row in rows:
        if None in row or None in row.values():
            raise _unusable(path, row, "a row with other cells than the header", "one per column")


def _unusable(path: Path, row: Mapping[str, str], found: str, expected: str) -> InputError:
    fix = f"Look at the row of {row['instance']}."
    return InputError(Problem(expected, found, fix=fix, file=str(path)))


def _series(path: Path, name: str, cells: list[str], columns: Mapping[str, list[str]]) -> Any:
    """Return the cells of one column in the type that a plan has there."""
    import pandas as pd

    kind = str(Plan.__annotations__[name]) if name in COLUMNS else "str"
    read = int if kind.startswith("int") else float if kind.startswith("float") else None
    if read is None:
        return pd.Series(cells, dtype=object)
    numbers = []
    for cell, instance in zip(cells, columns["instance"], strict=True):
        try:
            numbers.append(read(cell) if cell else None)
        except ValueError:
            expected = "a whole number" if read is int else "a number"
            row = {"instance": instance}
            raise _unusable(path, row, f"'{cell}' as {name}", expected) from None
    return pd.Series(numbers, dtype="Int64" if read is int else "float64")


def _swept(path: Path, row: Mapping[str, str]) -> dict[str, Any]:
    """Return path to value of what was swept for one plan."""
    try:
        swept = json.loads(row[SWEPT] or "{}")
    except ValueError:
        swept = None
    if not isinstance(swept, dict):
        raise _unusable(path, row, f"'{row[SWEPT][:60]}' as {SWEPT}", "a JSON object")
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
