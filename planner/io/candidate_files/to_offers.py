"""Gathering rows of candidate files into offers: one per deployment, its classes side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError
from planner.io.candidate_files.cell_errors import CellError, problems
from planner.io.candidate_files.match_names import Rows
from planner.problem.fleet import Fleet
from planner.problem.offers import ROLES, Floats, Ints, Offers

MOST_TOLD = 20
"""Rows that do not go together and are told one by one."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows of all files together, sorted by workload; one per class where they are stated so."""

    origin: Ints
    """File."""
    row: Ints
    workload: Ints
    pool: Ints
    label: Ints
    role: Ints
    request_class: Ints
    """-1 for every one."""
    gpus: Ints
    rate: Floats
    """Requests per second."""
    tpot_seconds: Floats
    ttft_seconds: Floats
    dollars_per_hour: Floats
    quality: Floats

    def __len__(self) -> int:
        return len(self.workload)

    def take(self, rows: Ints) -> _Table:
        """Return some rows, in their order."""
        return _Table(*(getattr(self, field.name)[rows] for field in fields(self)))


def gathered(found: Sequence[Rows], fleet: Fleet) -> Offers:
    """Gather the rows of files into offers.

    Parameters
    ----------
    found : sequence of Rows
        One entry per file.
    fleet : Fleet
        What is asked.

    Returns
    -------
    Offers
        Sorted by workload, then in the order of the files.

    Raises
    ------
    InputError
        Where two rows state the same rate, or the rows of one offer contradict each other.
    """
    names = list(dict.fromkeys(name for rows in found for name in rows.csv_table.label.names))
    table = _together(found, fleet, names)
    sizes = (len(fleet.workloads), len(fleet.pools), max(len(names), 1), len(ROLES))
    key = np.ravel_multi_index((table.workload, table.pool, table.label, table.role), sizes)
    order = np.lexsort((table.request_class, key))
    first = np.diff(key[order], prepend=-1) != 0
    if not first.all():
        _object(found, fleet, names, table.take(order), first)
    rates = table.rate[:, None]
    if any(one.classes for one in fleet.workloads):
        table, rates = _side_by_side(table, fleet, order, first)
    return _offers(table, rates, _labels(table, names))


def _together(found: Sequence[Rows], fleet: Fleet, names: list[str]) -> _Table:
    """Put the rows of all files into one table."""
    place = {name: at for at, name in enumerate(names)}
    tokens = np.asarray([one.output_tokens for one in fleet.workloads], dtype=np.float64)
    parts: dict[str, list[NDArray[Any]]] = {field.name: [] for field in fields(_Table)}
    for origin, rows in enumerate(found):
        csv_table, entry = rows.csv_table, rows.entry
        own = np.asarray([place[name] for name in csv_table.label.names], dtype=np.int64)
        made = {
            "origin": np.full(len(entry), origin),
            "workload": rows.workload,
            "pool": rows.pool,
            "label": own[csv_table.label.codes[entry]],
            "request_class": rows.request_class,
            "rate": csv_table.rate[entry] / (tokens[rows.workload] if csv_table.per_token else 1.0),
        }
        for name, column in parts.items():
            column.append(made[name] if name in made else getattr(csv_table, name)[entry])
    table = _Table(*(np.concatenate(column) for column in parts.values()))
    if len(found) > 1:
        table = table.take(np.argsort(table.workload, kind="stable"))
    return table


def _object(
    found: Sequence[Rows], fleet: Fleet, names: list[str], table: _Table, first: NDArray[np.bool_]
) -> None:
    """Raise where rows of one offer, which follow one another, do not go together."""
    cell_errors = list(islice(_contradictions(fleet, names, table, first), MOST_TOLD))
    if cell_errors:
        raise InputError(
            problem
            for origin in sorted({origin for origin, _ in cell_errors})
            for problem in problems(
                found[origin].csv_table.file,
                [cell_error for at, cell_error in cell_errors if at == origin],
            )
        )


def _contradictions(
    fleet: Fleet, names: list[str], table: _Table, first: NDArray[np.bool_]
) -> Iterator[tuple[int, CellError]]:
    starts = np.flatnonzero(first)[np.cumsum(first) - 1]
    classes = table.request_class
    twice = ~first & ((classes == np.roll(classes, 1)) | (classes[starts] < 0))
    for at in np.flatnonzero(twice).tolist():
        name = f"{names[table.label[at]]} of {fleet.workloads[table.workload[at]].name}"
        if table.role[at] or classes[at] >= 0:
            name += " in the same role and class"
        cell_error = CellError(
            row=int(table.row[at]),
            column="label",
            expected="every deployment once",
            fix="Give it a label of its own, or take one of the two rows out.",
            found=f"{name} in {fleet.pools[table.pool[at]].name} a second time",
        )
        yield int(table.origin[at]), cell_error
    for column in ("gpus", "dollars_per_hour"):
        values = getattr(table, column)
        other = ~first & ~twice & ~_same(values, values[starts])
        for at in np.flatnonzero(other).tolist():
            cell_error = CellError(
                row=int(table.row[at]),
                column=column,
                expected="one value for all classes of a deployment",
                fix="Write the same in both rows, or give them labels of their own.",
                found=f"{values[at]:g}, and {values[starts[at]]:g} for another class",
            )
            yield int(table.origin[at]), cell_error


def _same(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (left == right) | (np.isnan(left) & np.isnan(right))
    return same


def _side_by_side(
    table: _Table, fleet: Fleet, order: Ints, first: NDArray[np.bool_]
) -> tuple[_Table, Floats]:
    """Return one row per offer, and its rate of every class; times are of the slowest class."""
    sorted_rows, starts, group = table.take(order), np.flatnonzero(first), np.cumsum(first) - 1
    counts = np.asarray([max(1, len(one.classes)) for one in fleet.workloads])
    columns = np.arange(counts.max())
    mine = sorted_rows.request_class[:, None]
    holds = np.where(mine < 0, columns < counts[sorted_rows.workload][:, None], columns == mine)
    rates = np.zeros((len(starts), len(columns)))
    np.add.at(rates, group, np.where(holds, sorted_rows.rate[:, None], 0.0))
    serves = sorted_rows.rate > 0

    def worst(values: Floats, sign: float) -> Floats:
        found = np.maximum.reduceat(np.where(serves, sign * values, -np.inf), starts)
        return np.where(found == -np.inf, np.nan, sign * found)

    together = replace(
        sorted_rows.take(starts),
        tpot_seconds=worst(sorted_rows.tpot_seconds, 1.0),
        ttft_seconds=worst(sorted_rows.ttft_seconds, 1.0),
        quality=worst(sorted_rows.quality, -1.0),
    )
    back = np.argsort(np.minimum.reduceat(order, starts))
    return together.take(back), rates[back]


def _labels(table: _Table, names: list[str]) -> tuple[str, ...]:
    """Return the label of every offer; those that several roles share are told apart by role."""
    texts = np.asarray(names, dtype=object)[table.label]
    if table.role.any():
        key = np.lexsort((table.label, table.pool, table.workload))
        same = np.ones(len(key) - 1, dtype=bool)
        for column in (table.label, table.pool, table.workload):
            same &= column[key][1:] == column[key][:-1]
        for at in key[np.append(same, False) | np.append(False, same)]:
            if table.role[at]:
                texts[at] = f"{texts[at]} ({ROLES[table.role[at]]})"
    return tuple(texts.tolist())


def _offers(table: _Table, rates: Floats, label: tuple[str, ...]) -> Offers:
    return Offers(
        workload=table.workload,
        pool=table.pool,
        label=label,
        gpus=table.gpus,
        role=table.role,
        rates=rates,
        tpot_seconds=table.tpot_seconds,
        ttft_seconds=table.ttft_seconds,
        dollars_per_hour=table.dollars_per_hour,
        quality=table.quality,
    )
