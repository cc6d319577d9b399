"""Instance files: YAML or JSON in, an instance or every problem with its line out."""

from __future__ import annotations

from pathlib import Path

from planner.errors import InputError, Problem
from planner.io.fleet.fleet_file import read_fleet
from planner.io.llm_inferno.json_files import is_inferno
from planner.io.sweep import Sweep, sweep
from planner.io.sweep_axes import axes
from planner.io.text_file import LINES, file_of, is_folder, read_text
from planner.io.yaml_json import Source
from planner.problem.fleet import Fleet
from planner.problem.instance import SWEEP, Instance


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
    path = file_of(path)
    if is_folder(path):
        return read_fleet(path)
    found = read_instances(path)
    if found.axes:
        line = found.source.document.line((SWEEP,))
        points = f"a sweep of {len(found):,} points"
        fix = "Use planner.read_instances, or planner batch."
        raise InputError(Problem("one instance", points, SWEEP, fix, found.source.file, line))
    return found[0]


def asks_fleet(path: str | Path) -> bool:
    """Tell whether a file or folder asks for a fleet; whatever cannot be read does not."""
    path = file_of(path)
    if is_folder(path):
        return is_inferno(path)
    try:
        if path.suffix in LINES or not path.is_file():  # A pipe can be read only once.
            return False
        return _not_drawn_up(path).asks_fleet
    except (InputError, OSError, ValueError):
        return False


def points_in(path: Path) -> int:
    """Return how many instances a file stands for, without drawing up any.

    Raises
    ------
    InputError
        Where the text or its `sweep` block is wrong.
    """
    return len(_not_drawn_up(path))


def _not_drawn_up(path: Path) -> Sweep:
    """Return the points of a file of which none was checked."""
    source = Source(read_text(path), str(path))
    return Sweep(source, path.parent, axes(source))


def read_instances(path: str | Path) -> Sweep:
    """Read an instance file that may sweep fields, and check it against the catalogue.

    Parameters
    ----------
    path : str or Path
        A YAML or JSON file, with or without a `sweep` block.

    Returns
    -------
    Sweep
        A sequence of instances, one where the file sweeps nothing. Each point of a sweep is
        drawn up and checked when it is asked for; a wrong one raises InputError then, and leaves
        the others alone.

    Raises
    ------
    InputError
        With every problem of the file that is one at every point, each with file, line and field.

    Examples
    --------
    >>> import planner
    >>> len(planner.read_instances("instances/llama-8b-smallest/instance.yaml"))
    1
    """
    path = Path(path)
    return open_instances(read_text(path), str(path), folder=path.parent)


def open_instances(text: str, file: str, line: int = 1, folder: str | Path | None = None) -> Sweep:
    """Return the instances of a text that was read before.

    Parameters
    ----------
    text : str
        YAML, or JSON where `file` ends in `.json`, `.jsonl` or `.ndjson`.
    file : str
        Name of the file, for messages.
    line : int
        Line of the file on which the text starts, counted from 1.
    folder : str or Path, optional
        Where relative paths of config.json files start; the folder of `file` by default.

    Returns
    -------
    Sweep
        As `read_instances` gives it.

    Raises
    ------
    InputError
        As `read_instances` does.
    """
    home = Path(file).parent if folder is None else Path(folder)
    return sweep(Source(text, file, line), home)
