"""Files as text: where the file of an instance is, and what it holds, or why it cannot be read."""

from __future__ import annotations

from pathlib import Path

from planner.errors import InputError, Problem
from planner.io.yaml_json import JSON_SUFFIXES

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
    try:
        return next((path / name for name in INSTANCE_FILES if (path / name).is_file()), path)
    except (OSError, ValueError):  # A path that no file can have: whoever reads it is told.
        return path


def is_folder(path: Path) -> bool:
    """Tell whether a path is a directory; one that no file can have is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


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
