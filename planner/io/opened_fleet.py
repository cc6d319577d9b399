"""Fleets as commands open them: a file, a point of a file that sweeps, or llm-inferno's folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from planner.errors import InputError, Problem
from planner.io.fleet.fleet_file import open_fleet
from planner.io.instance_file import points_in, read_instances
from planner.io.sweep import Sweep
from planner.io.text_file import file_of, is_folder
from planner.problem.fleet import Fleet
from planner.problem.instance import SWEEP
from planner.problem.offers import Offers


@dataclass(frozen=True, slots=True)
class OpenedFleet:
    """A fleet that was read, and where it was said."""

    fleet: Fleet
    offers: Offers | None
    """Deployments that came with it."""
    source: str
    """Its file or folder."""
    sweep: Sweep | None = None
    point: int = 0

    def located(self, problems: Iterable[Problem]) -> list[Problem]:
        """Return what was found to be wrong later, with the files and lines of its fields."""
        return list(problems) if self.sweep is None else self.sweep.located(self.point, problems)


def points_of(path: str | Path) -> int:
    """Return how many fleets a file stands for; one of a file that cannot be read.

    What is wrong with it is told when it is opened.
    """
    file = file_of(path)
    try:
        return 1 if is_folder(file) else points_in(file)
    except InputError:
        return 1


def opened(path: str | Path, point: int | None = None) -> OpenedFleet:
    """Open a fleet.

    Parameters
    ----------
    path : str or Path
        As `planner.read_instance` takes it.
    point : int, optional
        Number of the point of a sweep, from 0. Left out: the file must not sweep.

    Raises
    ------
    InputError
        With every problem found, each with file, line and field; where the file sweeps and no
        point is named; and where what it asks for is one deployment.
    """
    file = file_of(path)
    if is_folder(file):
        return OpenedFleet(*open_fleet(file), str(path))
    found = read_instances(file)
    if point is None and found.axes:
        line, count = found.source.document.line((SWEEP,)), f"a sweep of {len(found):,} points"
        fix = "`planner solve` and `planner batch` take sweeps."
        raise InputError(Problem("one instance", count, SWEEP, fix, str(file), line))
    fleet = found[point or 0]
    if isinstance(fleet, Fleet):
        return OpenedFleet(fleet, None, str(path), found, point or 0)
    fix = "`planner explain` says what decides it."
    raise InputError(Problem("a fleet", "one deployment of one workload", "", fix, str(file)))
