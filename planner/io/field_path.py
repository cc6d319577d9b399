"""Paths of fields as sweeps and commands write them: `workload.input_tokens`, `pools[eu].gpus`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from planner.errors import InputError, Problem, hint
from planner.io.document import Location, dotted, shortened
from planner.problem.instance import SWEEP

_PIECE = r"[A-Za-z_]\w*(?:\[[^\[\]]{1,200}\])*"
_PATH = re.compile(rf"{_PIECE}(?:\.{_PIECE})*")
_PARTS = re.compile(r"\[([^\[\]]+)\]|(\w+)")
_NUMBER = re.compile(r"0|[1-9]\d{0,6}")
NAMED_BY = ("name", "transformer", "accelerator")
"""Keys by which an entry of a list is known: its name, or what stands for it."""


def is_path(path: str) -> bool:
    """Tell whether a text has the form of a path."""
    return _PATH.fullmatch(path) is not None


def keys_of(path: str) -> tuple[str, ...]:
    """Return the keys on a path, without the numbers and names of entries."""
    return tuple(key for _, key in _PARTS.findall(path) if key)


def located(path: str, value: Any) -> Location:
    """Return the location that a path names in what a file says.

    Parameters
    ----------
    path : str
        Such as `pools[0].gpus`, or by the name of an entry `pools[eu].gpus`.
    value : any
        What the file says, as plain mappings and lists. One entry stands for a list of one.

    Raises
    ------
    InputError
        Where it is no path of a field that can be swept; file and line are not known here.
    """
    if not is_path(path):
        expected = "the path of a field, such as workload.input_tokens or pools[0].gpus"
        fix = "Put a dot before each key, and the number or name of an entry in brackets."
        raise InputError(Problem(expected, f"'{shortened(path)}'", path, fix))
    found = tuple(_parts(path, value))
    if found[0] in ("name", SWEEP):
        fix = "Remove it; points are named after the values they have."
        raise InputError(Problem("a field of the instance", f"`{found[0]}`", path, fix))
    return found


def _parts(path: str, node: Any) -> Iterator[int | str]:
    """Yield keys and numbers of entries."""
    before: Location = ()
    for entry, key in _PARTS.findall(path):
        if key:
            part: int | str | None = key
        elif isinstance(node, list | tuple):
            part = _number(entry, node, before, path)
        else:
            part = _of_one_entry(entry, node)
        if part is None:
            continue
        yield part
        before = (*before, part)
        node = _inner(node, part)


def _of_one_entry(entry: str, node: Any) -> int | str | None:
    """Return nothing where a mapping stands for a list of one, whose entry it is."""
    if isinstance(node, dict) and (entry == "0" or entry in _names(node)):
        return None
    return int(entry) if _NUMBER.fullmatch(entry) else entry


def _number(entry: str, node: Any, before: Location, path: str) -> int:
    """Return the number of an entry, which may be named."""
    if _NUMBER.fullmatch(entry):
        return int(entry)
    named = [_names(one) for one in node]
    places = [at for at, names in enumerate(named) if entry in names]
    if len(places) == 1:
        return places[0]
    known = [name for names in named for name in names[:1]]
    found = f"'{shortened(entry)}'" + (" in several entries" if places else "")
    expected = f"the number or name of an entry of `{dotted(before)}`"
    raise InputError(Problem(expected, found, path, hint(entry, known)))


def _names(entry: Any) -> list[str]:
    said = [entry.get(key) for key in NAMED_BY] if isinstance(entry, dict) else []
    return [name for name in said if isinstance(name, str)]


def _inner(node: Any, part: int | str) -> Any:
    try:
        return node[part]
    except (LookupError, TypeError):
        return None
