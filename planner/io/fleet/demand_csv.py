"""Demand from CSV tables: one row per workload and period, or one column per workload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError, Problem, did_you_mean, few, hint
from planner.io.csv_table import FROM_FLEET, Table, read_table
from planner.io.document import shortened
from planner.problem.instance import LARGEST_QUANTITY

RATES = ("requests_per_second", "tokens_per_second")
LONG = ("workload", "period", *RATES, "quantile")
"""Columns of the long form."""
Series = list[float]
MOST_LOOKED_AT = 20
"""Rows of one kind of mistake that are looked at."""


@dataclass(frozen=True, slots=True)
class DemandTable:
    """Demand of the workloads that a table names."""

    table: Table
    field: str
    """Field of a workload that it fills: one of `RATES`."""
    series: dict[int, Series | dict[str, Series]]
    """By workload."""
    rows: dict[int, int]
    """First row of each workload; in the wide form 0."""
    is_long: bool

    def line(self, workload: int) -> int:
        """Return the line on which a workload's demand starts."""
        if not self.is_long:
            return 1
        return self.table.lines[self.rows[workload]]


def read_demand(path: Path, workloads: Sequence[str], periods: Sequence[str]) -> DemandTable:
    """Read a table of demand.

    Parameters
    ----------
    path : Path
        A CSV file with the columns workload, period, requests_per_second (or tokens_per_second)
        and perhaps quantile; or with the column period and one of requests per second for each
        workload.
    workloads : sequence of str
        Names of the fleet's workloads.
    periods : sequence of str
        Names of its periods.

    Raises
    ------
    InputError
        With every problem of the file, each with line and column.
    """
    table = read_table(path, missing=FROM_FLEET)
    if "period" not in table.header:
        fix = "Name the period of each row, as the instance does."
        found = f"the columns {', '.join(table.header)}"
        raise InputError(Problem("the column period", found, "", fix, table.file, 1))
    if not table.rows:
        fix = "Write one for every period."
        problem = Problem("rows under the header", "none", "", fix, table.file, 1)
        raise InputError(problem)
    is_long = "workload" in table.header and bool(set(RATES) & set(table.header))
    return _long(table, workloads, periods) if is_long else _wide(table, workloads, periods)


@dataclass(frozen=True, slots=True)
class _Names:
    """Where names of a column stand among those of the fleet; -1 is nowhere."""

    codes: NDArray[np.int64]
    problems: list[Problem]


def _looked_up(table: Table, column: str, known: Sequence[str]) -> _Names:
    at = table.header.index(column)
    places = {name: place for place, name in enumerate(known)}
    codes = np.fromiter((places.get(row[at].strip(), -1) for row in table.rows), dtype=np.int64)
    wrong = np.flatnonzero(codes < 0).tolist()
    return _Names(codes, [_unknown(table, row, column, known) for row in wrong[:MOST_LOOKED_AT]])


def _unknown(table: Table, row: int, column: str, known: Sequence[str]) -> Problem:
    name = table.rows[row][table.header.index(column)].strip()
    found = f"'{shortened(name)}'" if name else "nothing"
    return Problem(
        f"a {column} of the instance",
        found,
        column,
        hint(name, known),
        table.file,
        table.lines[row],
    )


def _amounts(table: Table, column: str) -> tuple[NDArray[np.float64], list[Problem]]:
    """Return the numbers of a column, and what is wrong with those that are none."""
    at = table.header.index(column)
    texts = [row[at] for row in table.rows]
    try:
        values = np.asarray(texts, dtype=np.float64)
    except ValueError:
        values = np.asarray([_number(text) for text in texts])
    wrong = np.flatnonzero(~((values >= 0) & (values <= LARGEST_QUANTITY)))
    problems = [
        Problem(
            f"a number from 0 to {LARGEST_QUANTITY:g}",
            f"'{shortened(texts[row].strip())}'" if texts[row].strip() else "nothing",
            column,
            "Write a plain number; 0 where there is no demand.",
            table.file,
            table.lines[row],
        )
        for row in wrong[:MOST_LOOKED_AT].tolist()
    ]
    return values, problems


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _long(table: Table, workloads: Sequence[str], periods: Sequence[str]) -> DemandTable:
    """Read one row per workload, period and perhaps quantile."""
    if problems := list(_header_problems(table)):
        raise InputError(problems)
    field = next(name for name in RATES if name in table.header)
    workload = _looked_up(table, "workload", workloads)
    period = _looked_up(table, "period", periods)
    values, problems = _amounts(table, field)
    if problems := [*workload.problems, *period.problems, *problems]:
        raise InputError(few(problems))
    quantiles, quantile = _quantiles(table)
    key = (workload.codes * len(quantiles) + quantile) * len(periods) + period.codes
    order = np.argsort(key, kind="stable")
    if problems := [
        *_twice(table, key, order),
        *_left_out(table, key, workloads, periods, quantiles),
    ]:
        raise InputError(few(problems))
    grid = values[order].reshape(-1, len(periods)).tolist()
    groups = (key[order] // len(periods))[:: len(periods)].tolist()
    series: dict[int, Any] = {}
    for group, row in zip(groups, grid, strict=True):
        at, which = divmod(group, len(quantiles))
        if quantiles[which]:
            series.setdefault(at, {})[quantiles[which]] = row
        else:
            series[at] = row
    named, first = np.unique(workload.codes, return_index=True)
    rows = dict(zip(named.tolist(), first.tolist(), strict=True))
    return DemandTable(table, field, series, rows, is_long=True)


def _header_problems(table: Table) -> Iterator[Problem]:
    if set(RATES) <= set(table.header):
        fix = "Remove one of the two columns."
        yield Problem("one of the two", " and ".join(RATES), RATES[0], fix, table.file, 1)
    for name in table.header:
        if name not in LONG:
            fix = did_you_mean(name, LONG) or "Remove it."
            found = "an unknown column"
            yield Problem(f"one of {', '.join(LONG)}", found, name, fix, table.file, 1)


def _quantiles(table: Table) -> tuple[list[str], NDArray[np.int64]]:
    """Return the quantiles there are, `""` for none, and the one of each row."""
    if "quantile" not in table.header:
        return [""], np.zeros(len(table.rows), dtype=np.int64)
    at = table.header.index("quantile")
    texts = [row[at].strip() for row in table.rows]
    names = list(dict.fromkeys(texts))
    if "" in names:
        row = texts.index("")
        problem = Problem(
            "the name of a quantile in every row",
            "nothing",
            "quantile",
            "Fill it in, or remove the column.",
            table.file,
            table.lines[row],
        )
        raise InputError(problem)
    places = {name: place for place, name in enumerate(names)}
    return names, np.fromiter((places[text] for text in texts), dtype=np.int64)


def _twice(table: Table, key: NDArray[np.int64], order: NDArray[np.int64]) -> Iterator[Problem]:
    """Yield rows that say again what one above says."""
    ordered = key[order]
    repeated = np.sort(order[1:][ordered[1:] == ordered[:-1]]).tolist()
    for again in repeated[:MOST_LOOKED_AT]:
        first = int(np.flatnonzero(key == key[again])[0])
        found = f"the same workload and period as on line {table.lines[first]}"
        fix = "Remove one of the two."
        yield Problem("one row for each", found, "period", fix, table.file, table.lines[again])


def _left_out(
    table: Table,
    key: NDArray[np.int64],
    workloads: Sequence[str],
    periods: Sequence[str],
    quantiles: Sequence[str],
) -> Iterator[Problem]:
    """Yield the first period that is missing of each workload and quantile that is named."""
    count = len(periods)
    there = np.unique(key)
    groups, sizes = np.unique(there // count, return_counts=True)
    for group in groups[sizes < count].tolist()[:MOST_LOOKED_AT]:
        have = set((there[there // count == group] % count).tolist())
        missing = next(period for period in range(count) if period not in have)
        at, which = divmod(group, len(quantiles))
        of = f" of {quantiles[which]}" if quantiles[which] else ""
        row = int(np.flatnonzero(key // count == group)[0])
        yield Problem(
            f"a row{of} for each of the {count} periods",
            f"none for the period {periods[missing]} of {workloads[at]}",
            "period",
            "Add it; 0 where there is no demand.",
            table.file,
            table.lines[row],
        )


def _wide(table: Table, workloads: Sequence[str], periods: Sequence[str]) -> DemandTable:
    """Read one row per period with a column for each workload."""
    places = {name: at for at, name in enumerate(workloads)}
    columns = [name for name in table.header if name != "period"]
    unknown = [name for name in columns if name not in places]
    if unknown:
        raise InputError(few(_no_workload(table, name, workloads) for name in unknown))
    period = _looked_up(table, "period", periods)
    read = {name: _amounts(table, name) for name in columns}
    problems = [*period.problems, *(problem for _, found in read.values() for problem in found)]
    if problems:
        raise InputError(few(problems))
    order = np.argsort(period.codes, kind="stable")
    if problems := [
        *_twice(table, period.codes, order),
        *_left_out(table, period.codes, ["the demand"], periods, [""]),
    ]:
        raise InputError(few(problems))
    series: dict[int, Any] = {
        places[name]: values[order].tolist() for name, (values, _) in read.items()
    }
    return DemandTable(table, RATES[0], series, dict.fromkeys(series, 0), is_long=False)


def _no_workload(table: Table, name: str, workloads: Sequence[str]) -> Problem:
    expected = "the name of a workload"
    fix = f"{hint(name, workloads)} Or remove the column."
    if name in LONG:
        expected = "the columns workload, period and requests_per_second, or names of workloads"
        fix = "Add the column that is missing."
    return Problem(expected, "another column", name, fix, table.file, 1)
