"""Joining candidate files to a fleet: for which workload, pool and class each row holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from planner.catalogue.spellings import slug
from planner.errors import InputError, did_you_mean
from planner.io.candidate_files.cell_errors import CellError, alike, problems
from planner.io.candidate_files.read_csv import CandidateTable, Named
from planner.problem.fleet import Fleet
from planner.problem.offers import Ints


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one file, one per workload and pool that each holds for."""

    csv_table: CandidateTable
    entry: Ints
    """Entry of the sheet."""
    workload: Ints
    pool: Ints
    request_class: Ints
    """Class of the workload's requests; -1 for every one."""


def looked_up(csv_table: CandidateTable, fleet: Fleet, users: Sequence[int]) -> Rows:
    """Look the names of a file up in a fleet.

    Parameters
    ----------
    csv_table : CandidateTable
        What the file says.
    fleet : Fleet
        What is asked.
    users : sequence of int
        Workloads that take this file; rows of others hold for nobody.

    Raises
    ------
    InputError
        Where the fleet has no such workload, pool or class.
    """
    workloads = {workload.name: at for at, workload in enumerate(fleet.workloads)}
    known = np.asarray([workloads.get(name, -1) for name in (*csv_table.workload.names, "")])
    cell_errors = [
        *_unknown(csv_table, csv_table.workload, "workload", known, list(workloads)),
        *_unknown(csv_table, csv_table.place, *_places(csv_table, fleet)),
    ]
    if cell_errors:
        raise InputError(problems(csv_table.file, cell_errors))
    entry, workload = _by_workload(
        known[csv_table.workload.codes], np.asarray(users, dtype=np.int64)
    )
    entry, workload, pool = _by_pool(csv_table, fleet, entry, workload)
    classes = _class_of(csv_table, fleet, entry, workload)
    if cell_errors := list(_unknown_classes(csv_table, fleet, entry, workload, classes)):
        raise InputError(problems(csv_table.file, cell_errors))
    return Rows(csv_table, entry, workload, pool, classes)


def _pools_of(csv_table: CandidateTable, fleet: Fleet) -> list[list[int]]:
    """Return the pools that each name stands for: of an accelerator, all that hold it."""
    found = []
    for name in csv_table.place.names:
        pools = [at for at, pool in enumerate(fleet.pools) if pool.name == name]
        if csv_table.by_accelerator:
            pools += [
                at
                for at, pool in enumerate(fleet.pools)
                if pool.name != name and pool.accelerator and slug(pool.accelerator) == slug(name)
            ]
        found.append(sorted(pools))
    return found


def _places(csv_table: CandidateTable, fleet: Fleet) -> tuple[str, Ints, list[str]]:
    """Return the column of pools, whether each name is known, and what could stand there."""
    known = np.asarray(
        [0 if pools else -1 for pools in _pools_of(csv_table, fleet)], dtype=np.int64
    )
    names = [pool.name for pool in fleet.pools]
    if not csv_table.by_accelerator:
        return "pool", known, names
    return "accelerator", known, [pool.accelerator or pool.name for pool in fleet.pools]


def _unknown(
    csv_table: CandidateTable, named: Named, column: str, known: Ints, names: list[str]
) -> Iterator[CellError]:
    """Object to names that the fleet does not have."""
    expected = f"{'an' if column == 'accelerator' else 'a'} {column} of the fleet"
    for at, name in enumerate(named.names):
        if known[at] < 0:
            rows = csv_table.row[named.codes == at]
            fix = (
                did_you_mean(name, list(dict.fromkeys(names)), listed=True)
                or "Add it to the fleet."
            )
            yield from alike(rows[:1], column, expected, fix)


def _by_workload(named: Ints, users: Ints) -> tuple[Ints, Ints]:
    """Return entry and workload of every row: those for all once for each that takes the file."""
    taken = np.isin(named, users)
    every = np.flatnonzero(named < 0)
    entry = np.concatenate([np.flatnonzero(taken), np.tile(every, len(users))])
    workload = np.concatenate([named[taken], np.repeat(users, len(every))])
    order = np.lexsort((entry, workload))
    return entry[order], workload[order]


def _by_pool(
    csv_table: CandidateTable, fleet: Fleet, entry: Ints, workload: Ints
) -> tuple[Ints, Ints, Ints]:
    """Return entry, workload and pool of every row: those of an accelerator for all its pools."""
    pools = _pools_of(csv_table, fleet)
    counts = np.asarray([len(found) for found in pools])[csv_table.place.codes[entry]]
    first = np.cumsum([0, *(len(found) for found in pools)])[csv_table.place.codes[entry]]
    flat = np.asarray([at for found in pools for at in found], dtype=np.int64)
    repeated = np.repeat(np.arange(len(entry)), counts)
    turn = np.arange(len(repeated)) - np.repeat(np.cumsum(counts) - counts, counts)
    return entry[repeated], workload[repeated], flat[first[repeated] + turn]


def _class_of(csv_table: CandidateTable, fleet: Fleet, entry: Ints, workload: Ints) -> Ints:
    """Return the class of each row's requests among those of its workload; -2 if unknown."""
    if not csv_table.request_class.names:
        return np.full(len(entry), -1, dtype=np.int64)
    kinds: dict[tuple[str, ...], int] = {}
    kind_of = np.asarray(
        [
            kinds.setdefault(tuple(found.name for found in one.classes), len(kinds))
            for one in fleet.workloads
        ]
    )
    table = np.asarray(
        [
            [
                *(
                    kind.index(name) if name in kind else -2
                    for name in csv_table.request_class.names
                ),
                -1,
            ]
            for kind in kinds
        ]
    )
    found: Ints = table[kind_of[workload], csv_table.request_class.codes[entry]]
    return found


def _unknown_classes(
    csv_table: CandidateTable, fleet: Fleet, entry: Ints, workload: Ints, classes: Ints
) -> Iterator[CellError]:
    """Object to classes that a row's workload does not have."""
    wrong = np.flatnonzero(classes == -2)
    _, first = np.unique(csv_table.request_class.codes[entry[wrong]], return_index=True)
    for row in wrong[first]:
        one = fleet.workloads[workload[row]]
        names = [found.name for found in one.classes]
        fix = did_you_mean(
            csv_table.request_class.names[csv_table.request_class.codes[entry[row]]],
            names,
            listed=True,
        )
        expected = (
            f"a class of the workload {one.name}"
            if names
            else (f"nothing, since the workload {one.name} has no classes")
        )
        yield from alike(
            csv_table.row[entry[row : row + 1]],
            "request_class",
            expected,
            (fix if names else "") or "Add it to the workload's `classes`.",
        )
