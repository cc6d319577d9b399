"""Catalogue files of a user's own: read by their path, every mistake told with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.errors import InputError, Problem, reason_of

SUFFIXES = (".yaml", ".yml")
"""Suffixes by which the path of a catalogue file is told from a name."""
FIX = "docs/adding.md lists what such files say."


def is_own_file(name: str) -> bool:
    """Tell whether a name is the path of a catalogue file."""
    return name.endswith(SUFFIXES)


def is_file(path: Path) -> bool:
    """Tell whether a path is a file; one that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def text_of(path: str) -> str:
    """Return the text of a catalogue file, or say why there is none.

    Raises
    ------
    InputError
        Where no file is, or what is there cannot be read.
    """
    file = Path(path)
    if not is_file(file):
        fix = "Paths start at the folder of the instance file."
        found = f"{path}, where no file is"
        raise InputError(Problem("the path of a catalogue file", found, fix=fix))
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem("a catalogue file", reason_of(error), file=path)) from None


def content_of(path: str, text: str) -> dict[str, Any]:
    """Return what a catalogue file says.

    Raises
    ------
    InputError
        Where it is no YAML, or no mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 0 if mark is None else mark.line + 1
        reason = str(getattr(error, "problem", None) or "text that cannot be read")
        raise InputError(Problem("YAML", reason, file=path, line=line)) from None
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise InputError(Problem("a mapping, as catalogue files are", found, file=path, line=1))
    return content


def complaints(path: str, text: str, errors: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """Yield what is wrong in a catalogue file, by what pydantic says.

    Parameters
    ----------
    path, text : str
        The file.
    errors : sequence of mapping
        From `ValidationError.errors()`.
    """
    from ruamel.yaml import YAML

    lines = YAML(typ="rt").load(text)
    told = set()
    found_at = []
    for details in errors:
        # A union's member stands in the location as if it were a part of the file.
        location, line = _in_file(lines, details["loc"])
        field = ".".join(map(str, location))
        if (field, details["type"]) in told:
            continue
        told.add((field, details["type"]))
        missing = details["type"] == "missing"
        unknown = details["type"] in {"unexpected_keyword_argument", "extra_forbidden"}
        found = "nothing" if missing else "an unknown key" if unknown else _shown(details["input"])
        expected = "a key that such files have" if unknown else _expected(details)
        found_at.append(Problem(expected, found, field, FIX, path, line))
    yield from sorted(found_at, key=lambda problem: problem.line)


def _in_file(node: Any, location: Sequence[int | str]) -> tuple[list[int | str], int]:
    """Return the parts of a location that the file has, and the last one it lacks; and the line."""
    line = 1
    kept: list[int | str] = []
    for place, part in enumerate(location):
        if isinstance(node, list) and isinstance(part, int) and part < len(node):
            line, node = _places(node).item(part)[0] + 1, node[part]
        elif isinstance(node, dict) and part in node:
            line, node = _places(node).key(part)[0] + 1, node[part]
        elif place == len(location) - 1 and isinstance(node, dict):
            return [*kept, part], line
        else:
            continue
        kept.append(part)
    return kept, line


def _places(node: Any) -> Any:
    """Return where the parts of a list or mapping stand."""
    return node.lc


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _expected(details: Mapping[str, Any]) -> str:
    """Return pydantic's sentence as what was expected."""
    if details["type"] == "missing":
        return "a value, since there is no default"
    text = str(details["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    text, _, _ = text.partition(", unable")
    return text[:1].lower() + text[1:]
