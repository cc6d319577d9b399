"""Instance files: YAML or JSON in, an instance or every problem with its line out."""

from __future__ import annotations

from pathlib import Path

from planner.errors import InputError, Problem
from planner.io.sweep import Sweep, sweep
from planner.io.yaml_json import JSON_SUFFIXES, Source
from planner.problem.instance import SWEEP, Instance

LARGEST_FILE_BYTES = 5_000_000
SUFFIXES = (".yaml", ".yml", ".json")
"""Suffixes of files with one instance, or one sweep."""
LINES = JSON_SUFFIXES[1:]
"""Suffixes of files with an instance on every line."""
IN_FOLDER = "instance"
"""Stem of the instance file in a folder that holds one instance and what belongs to it."""
INSTANCE_FILES = tuple(f"{IN_FOLDER}{suffix}" for suffix in SUFFIXES)
"""Names under which a folder's instance is looked for."""


def file_of(path: str | Path) -> Path:
    """Return the instance file of a folder that has one; every other path as it is."""
    path = Path(path)
    return next((path / name for name in INSTANCE_FILES if (path / name).is_file()), path)


def read_instance(path: str | Path) -> Instance:
    """Read one instance file and check it against the catalogue.

    Parameters
    ----------
    path : str or Path
        A YAML or JSON file.

    Returns
    -------
    Instance
        One that `planner.problem.resolve.resolve` has no objection to.

    Raises
    ------
    InputError
        With every problem found, each with file, line and field.

    Examples
    --------
    >>> import planner
    >>> planner.read_instance("instances/llama-8b-smallest/instance.yaml").name
    'llama-3.1-8b-smallest'
    """
    found = read_instances(path)
    if found.axes:
        line = found.source.document.line((SWEEP,))
        points = f"a sweep of {len(found):,} points"
        fix = "Use planner.read_instances, or planner batch."
        raise InputError(Problem("one instance", points, SWEEP, fix, found.source.file, line))
    return found[0]


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


def read_text(path: Path) -> str:
    """Return the text of a file, or say why it has none.

    Raises
    ------
    InputError
        Where the path is missing, a directory, unreadable, too large, binary or not UTF-8.
    """
    content = _read_bytes(path)
    if len(content) > LARGEST_FILE_BYTES:
        found = f"more than {LARGEST_FILE_BYTES:,} bytes"
        raise _unusable(path, found, "Check that this is the right file.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unusable(path, "UTF-16 text", "Save the file as UTF-8.", 1)
    if b"\x00" in content:
        line = content.count(b"\n", 0, content.index(b"\x00")) + 1
        raise _unusable(path, "binary data", "Check that this is the right file.", line)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{content[error.start]:02x}, which is not UTF-8"
        raise _unusable(path, found, "Save the file as UTF-8.", line) from None


def _read_bytes(path: Path) -> bytes:
    """Read a little more than the limit, so that endless files end too."""
    try:
        if path.is_dir():
            raise _unusable(path, "a directory", "`planner batch` solves all files of a directory.")
        with path.open("rb") as stream:
            return stream.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise _unusable(path, "nothing", "Check the path.") from None
    except NotADirectoryError:
        raise _unusable(path, "a path that leads through a file", "Check the path.") from None
    except PermissionError:
        found, fix = "a file you may not read", "Ask for read permission: `chmod u+r`."
        raise _unusable(path, found, fix) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unusable(path, f"no readable file ({reason.lower()})", "Check the path.") from None


def _unusable(path: Path, found: str, fix: str, line: int = 0) -> InputError:
    return InputError(Problem("a YAML or JSON file", found, "", fix, str(path), line))
