"""Offers: the deployments that files and the planner's own tables hold for a fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from planner.candidates.fleet.tabulate import tabulated
from planner.candidates.shortlist_cache import ShortlistCache
from planner.errors import InputError, Problem
from planner.io.candidate_files.match_names import Rows, looked_up
from planner.io.candidate_files.read_csv import read_candidate_table
from planner.io.candidate_files.to_offers import gathered
from planner.problem.fleet import Fleet
from planner.problem.offers import Offers


def offers(
    fleet: Fleet,
    progress: Callable[[int], None] | None = None,
    shortlists: ShortlistCache | None = None,
) -> Offers:
    """Return every deployment on offer to a fleet.

    A workload takes its own candidate files; else those of the fleet; else the planner tabulates.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    progress : callable, optional
        Told how many deployments the planner evaluated so far.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances.

    Returns
    -------
    Offers
        Sorted by workload.

    Raises
    ------
    InputError
        With every problem of the files, or of what is to be tabulated.
    """
    own = [
        w for w, found in enumerate(fleet.workloads) if not (found.deployments or fleet.deployments)
    ]
    paths = dict.fromkeys(path for w in range(len(fleet.workloads)) for path in _files(fleet, w))
    parts = []
    if paths:
        parts.append(read_offers(tuple(paths), fleet))
    if own:
        parts.append(tabulated(fleet, own, progress, shortlists))
    return merged(parts)


def read_offers(paths: Iterable[str | Path], fleet: Fleet) -> Offers:
    """Read candidate files.

    Parameters
    ----------
    paths : iterable of str or Path
        CSV files; `docs/fleet-candidates.md` has their columns. A file that the fleet or one of
        its workloads names holds for the workloads that take it, any other file for all.
    fleet : Fleet
        What is asked.

    Returns
    -------
    Offers
        Sorted by workload, then in the order of the files.

    Raises
    ------
    InputError
        With every problem of every file, each with line and column.
    """
    problems: list[Problem] = []
    found: list[Rows] = []
    users, everyone = _users(fleet), range(len(fleet.workloads))
    for path in paths:
        try:
            found.append(
                looked_up(read_candidate_table(path), fleet, users.get(str(path), everyone))
            )
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return gathered(found, fleet)


def merged(parts: Sequence[Offers]) -> Offers:
    """Return the offers of several sources together, sorted by workload."""
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([part.workload for part in parts]), kind="stable")
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])[order]
        for field in fields(Offers)
        if field.name not in ("label", "deployment")
    }
    labels = [label for part in parts for label in part.label]
    known = [one for part in parts for one in part.deployment or ({},) * len(part)]
    places = order.tolist()
    return Offers(
        label=tuple(labels[place] for place in places),
        deployment=tuple(known[place] for place in places),
        **columns,
    )


def _files(fleet: Fleet, workload: int) -> tuple[str, ...]:
    return fleet.workloads[workload].deployments or fleet.deployments


def _users(fleet: Fleet) -> dict[str, list[int]]:
    """Return the workloads that take each file."""
    users: dict[str, list[int]] = {path: [] for path in fleet.deployments}
    for w in range(len(fleet.workloads)):
        for path in dict.fromkeys(_files(fleet, w)):
            users.setdefault(path, []).append(w)
    return users
