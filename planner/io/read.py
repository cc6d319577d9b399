"""Instances of every kind: a file or folder in; one deployment's instance, or a fleet's, out."""

from __future__ import annotations

from pathlib import Path

from planner.errors import InputError
from planner.io.fleet.fleet_file import read_fleet
from planner.io.instance_file import LINES, file_of, read_text
from planner.io.instance_file import read_instance as read_one
from planner.io.llm_inferno.json_files import is_inferno
from planner.io.long_form import is_fleet
from planner.io.yaml_json import Source
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance


def read_instance(path: str | Path) -> Instance | Fleet:
    """Read an instance and check that it makes sense.

    Parameters
    ----------
    path : str or Path
        A YAML or JSON file, or a folder with `instance.yaml` or llm-inferno's files.

    Returns
    -------
    Instance or Fleet
        An `Instance` where one deployment of one workload is asked for, in one period and at one
        price for each pool. Everything else is a `Fleet`. `planner.solve` takes both.

    Raises
    ------
    InputError
        With every problem found, each with file, line and field.

    Examples
    --------
    >>> import planner
    >>> planner.read_instance("instances/llama-8b-smallest").name
    'llama-3.1-8b-smallest'
    >>> fleet = planner.read_instance("instances/melange")
    >>> fleet.name, [pool.name for pool in fleet.pools]
    ('melange', ['a10g', 'a100-80gb'])
    """
    file = file_of(path)
    return read_fleet(file) if asks_fleet(file) else read_one(file)


def asks_fleet(path: str | Path) -> bool:
    """Tell whether a file or folder asks for a fleet; whatever cannot be read does not."""
    path = file_of(path)
    if path.is_dir():
        return is_inferno(path)
    if path.suffix in LINES or not path.is_file():
        return False
    try:
        return is_fleet(Source(read_text(path), str(path)).value)
    except InputError:
        return False
