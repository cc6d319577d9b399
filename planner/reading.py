"""Instance files: YAML or JSON in, an instance or every problem with its line out."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from planner.complaints import placed, schema_problems
from planner.errors import InputError, Problem
from planner.instance import Instance
from planner.markup import parse
from planner.question import ask, is_config

LARGEST_FILE_BYTES = 5_000_000


def read_instance(path: str | Path) -> Instance:
    """Read one instance file and check it against the catalogue.

    Parameters
    ----------
    path : str or Path
        A YAML or JSON file.

    Returns
    -------
    Instance
        One that `planner.question.ask` has no objection to.

    Raises
    ------
    InputError
        With every problem found, each with file, line and field.
    """
    path = Path(path)
    document = parse(read_text(path), str(path))
    try:
        instance = _with_configs_beside(Instance.model_validate(document.value), path.parent)
    except ValidationError as error:
        raise InputError(schema_problems(error, document)) from None
    try:
        ask(instance)
    except InputError as error:
        raise InputError(placed(error.problems, document)) from None
    return instance


def _with_configs_beside(instance: Instance, folder: Path) -> Instance:
    """Let paths of config.json files start at the instance file's folder."""

    def found(name: str) -> str:
        return str(folder / name) if is_config(name) else name

    workload = instance.workload
    drafts = tuple(
        draft.model_copy(update={"transformer": found(draft.transformer)})
        for draft in workload.drafts
    )
    changes = {"transformer": found(workload.transformer), "drafts": drafts}
    return instance.model_copy(update={"workload": workload.model_copy(update=changes)})


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
