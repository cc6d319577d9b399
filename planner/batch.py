"""Batches: many instances, one plan each; a failure is a row, never an end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from planner.api import solve
from planner.errors import InputError, PlannerError, Problem
from planner.instance import Instance
from planner.plan import Plan
from planner.reading import read_instance
from planner.version import __version__

SUFFIXES = (".yaml", ".yml", ".json")
IN_FOLDER = "instance"
"""Stem of the instance file in a folder that holds one instance and what belongs to it."""


def find_instances(paths: Iterable[str | Path]) -> list[Path]:
    """Return the instance files that paths name; folders are searched, sorted, all the way down.

    A folder that has a file called `instance.yaml` (or `.yml`, `.json`) is one instance.

    Raises
    ------
    InputError
        Where a folder holds no instance. A path that does not exist is kept: it fails alone.
    """
    found: list[Path] = []
    problems: list[Problem] = []
    for path in map(Path, paths):
        files = [path] if not path.is_dir() else _in_folder(path)
        if not files:
            expected = f"instance files ({', '.join(SUFFIXES)})"
            problems.append(Problem(file=str(path), found="a folder with none", expected=expected))
        found += files
    if problems:
        raise InputError(problems)
    return found


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    homes = {path.parent for path in files if path.stem == IN_FOLDER}
    return [path for path in files if path.parent not in homes or path.stem == IN_FOLDER]


def solve_many(instances: Iterable[Instance | str | Path]) -> Iterator[Plan]:
    """Solve instances one after another and yield a plan for each, in order.

    Parameters
    ----------
    instances : iterable of Instance, str or Path
        Instances, or the files to read them from.

    Yields
    ------
    Plan
        A failed one has the status `input_error` or `error` and says why in `message`.
    """
    for item in instances:
        name = item.name if isinstance(item, Instance) else str(item)
        try:
            yield solve(item if isinstance(item, Instance) else read_instance(item))
        except PlannerError as error:
            yield failure(name, error)


def failure(name: str, error: PlannerError) -> Plan:
    """Return the plan that stands for an instance that could not be solved."""
    return Plan(
        instance=name,
        status="input_error" if isinstance(error, InputError) else "error",
        message=" ".join(str(error).split()),
        planner_version=__version__,
    )
