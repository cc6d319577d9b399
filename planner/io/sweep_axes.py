"""Axes of a sweep: which fields of an instance file take which values, one after another."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel

from planner.errors import InputError, Problem
from planner.io.document import Location, dotted, shortened
from planner.io.field_path import is_path, keys_of, located
from planner.io.long_form import FOR_ALL, WORKLOAD, WORKLOADS
from planner.io.schema_errors import model_in
from planner.io.yaml_json import Source
from planner.problem.fleet import Fleet
from planner.problem.instance import LARGEST_QUANTITY, SWEEP, Instance

MOST_POINTS = 10_000_000
MOST_STEPS = 1_000_000
SIGNIFICANT_DIGITS = 12
"""Digits of the values inside a range, so that names and plans can be read."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?[kM]?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*:\s*({_NUMBER})\s*:\s*(log\s*:)?\s*(\d{{1,9}})\s*")
_PREFIXES = {"k": 1e3, "M": 1e6}

Fault = tuple[Location, Problem]
"""Something wrong in the block, and where in the file."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One swept field and its values."""

    path: str
    """The field as the file writes it, for example `pools[0].gpus`."""
    location: Location
    values: Sequence[Any]
    is_range: bool
    """Whether the file writes the values as a range, in one place for all."""

    def origin(self, pick: int) -> Location:
        """Return where in the file value number `pick` (from 0) stands."""
        return (SWEEP, self.path) if self.is_range else (SWEEP, self.path, pick)


def values(text: str, *, whole: bool = False) -> tuple[float | int, ...]:
    """Return the values of a range.

    Parameters
    ----------
    text : str
        `from:to:steps` for equal differences, `from:to:log:steps` for equal ratios. Ends may
        have the suffix k or M, for 1e3 and 1e6.
    whole : bool
        Whether to round to whole numbers.

    Returns
    -------
    tuple of float or int
        Both ends exactly as written and what lies between; int where all are whole numbers.
        Values that are equal after rounding come once.

    Raises
    ------
    InputError
        Where the text is no such range; field, file and line are not known here.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise _no_range(text, "Write numbers without unit, between colons.")
    first, last, steps = _number(match[1]), _number(match[2]), int(match[4])
    if obstacle := _range_obstacle(first, last, steps, logarithmic=bool(match[3])):
        raise _no_range(text, obstacle)
    inner = _geometric if match[3] else _arithmetic
    between = (_tidy(inner(first, last, step / (steps - 1))) for step in range(1, steps - 1))
    low, high = min(first, last), max(first, last)
    found = [first, *(min(max(value, low), high) for value in between), last]
    if whole:
        found = [float(math.floor(value + 0.5)) for value in found]
    distinct = tuple(dict.fromkeys(found))
    return tuple(map(int, distinct)) if all(map(float.is_integer, distinct)) else distinct


def _number(text: str) -> float:
    prefix = _PREFIXES.get(text[-1])
    # Digits and prefix together are read exactly: 1.1k is 1100, not 1100.0000000000002.
    return float(text) if prefix is None else float(_scaled(text[:-1], 3 if prefix == 1e3 else 6))


def _scaled(text: str, power: int) -> str:
    digits, _, exponent = text.lower().partition("e")
    return f"{digits}e{int(exponent or 0) + power}"


def _range_obstacle(first: float, last: float, steps: int, *, logarithmic: bool) -> str:
    """Say what to do about a range that can have no values; nothing where it can."""
    if max(abs(first), abs(last)) > LARGEST_QUANTITY:
        return f"Write ends of at most {LARGEST_QUANTITY:g}.".replace("e+", "e")
    if logarithmic and min(first, last) <= 0:
        return "Both ends of a logarithmic range must be above 0."
    if first == last:
        return "Write two ends that differ, or a list of one value."
    if not 2 <= steps <= MOST_STEPS:
        return f"Write 2 to {MOST_STEPS:,} steps; both ends count."
    return ""


def _no_range(text: str, fix: str) -> InputError:
    expected = "a range from:to:steps or from:to:log:steps, such as 1:4:7 or 1k:128k:log:8"
    return InputError(Problem(expected, f"'{shortened(text)}'", fix=fix))


def _arithmetic(first: float, last: float, share: float) -> float:
    return first * (1.0 - share) + last * share


def _geometric(first: float, last: float, share: float) -> float:
    return math.exp(_arithmetic(math.log(first), math.log(last), share))


def _tidy(number: float) -> float:
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")


def is_whole(path: str) -> bool:
    """Tell whether the field on a path takes whole numbers only."""
    keys = keys_of(path)
    inner = keys[1:] if keys[0] == WORKLOAD else keys
    in_fleet = (WORKLOADS, *inner) if keys[0] in (WORKLOAD, *FOR_ALL) else keys
    return _is_whole(Instance, keys) or _is_whole(Fleet, in_fleet)


def _is_whole(model: Any, keys: Sequence[str]) -> bool:
    found: Any = model
    for key in keys:
        inner = model_in(found)
        fields = {} if inner is None else inner.model_fields
        named = {field.alias or name: field.annotation for name, field in fields.items()}
        found = named.get(key)
    return _kinds(found) - {NoneType} == {int}


def _kinds(annotation: Any) -> set[type]:
    """Return the types of the plain values that an annotation leaves room for."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inner = [field.annotation for field in annotation.model_fields.values()]
    else:
        inner = list(get_args(annotation))
        if not inner:
            return {annotation} if isinstance(annotation, type) else set()
    return set().union(*map(_kinds, inner))


def axes(source: Source) -> tuple[Axis, ...]:
    """Return the axes of a file, in its order; none where it sweeps nothing.

    Raises
    ------
    InputError
        With every mistake in the block, each with file, line and field.
    """
    if SWEEP not in source.value:
        return ()
    block = source.value[SWEEP]
    if not isinstance(block, dict) or not block:
        expected = "a mapping from fields to their values"
        fix = "Write one line per field, such as workload.input_tokens: [1000, 8000]."
        found = "an empty mapping" if block == {} else _text(source, (SWEEP,))
        raise _told(source, [((SWEEP,), Problem(expected, found, fix=fix))])
    if faults := list(_far_too_many(block)):
        raise _told(source, faults)
    faults = []
    found_axes = [_axis(path, written, source, faults) for path, written in block.items()]
    known = tuple(axis for axis in found_axes if axis is not None)
    faults += [fault for axis in known for fault in (*_obstacles(axis, source), *_twice(axis))]
    faults += [*_conflicts(known), *_too_many(known)]
    if faults:
        raise _told(source, faults)
    return known


def _told(source: Source, faults: list[Fault]) -> InputError:
    """Return the error that tells faults with their fields and lines."""
    lined = [
        Problem(
            problem.expected,
            problem.found,
            dotted(location),
            problem.fix,
            source.file,
            source.document.line(location),
        )
        for location, problem in faults
    ]
    return InputError(sorted(lined, key=lambda problem: problem.line))


def _text(source: Source, location: Location) -> str:
    return source.document.places[location].text


def _axis(path: str, written: Any, source: Source, faults: list[Fault]) -> Axis | None:
    """Return the axis that one line of the block describes, or note what is wrong with it."""
    here = (SWEEP, path)
    location = _collect(faults, here, lambda: located(path, source.value))
    if isinstance(written, str):
        whole = location is not None and is_whole(path)
        found = _collect(faults, here, lambda: values(written, whole=whole))
        return Axis(path, location, found, True) if location and found else None
    if not isinstance(written, list) or not written:
        found_text = "an empty list" if written == [] else _text(source, here)
        fix = "Write values in square brackets, or a range such as 1k:128k:log:8."
        faults.append((here, Problem("a list of values, or a range", found_text, fix=fix)))
        return None
    return Axis(path, location, written, False) if location else None


def _collect(faults: list[Fault], here: Location, look: Callable[[], Any]) -> Any:
    try:
        return look()
    except InputError as error:
        faults.extend((here, problem) for problem in error.problems)
        return None


def _obstacles(axis: Axis, source: Source) -> Iterator[Fault]:
    """Yield why no value can be put where the axis wants it."""
    node: Any = source.value
    for depth, part in enumerate(axis.location):
        if problem := _obstacle(node, dotted(axis.location[:depth]), part):
            yield (SWEEP, axis.path), problem
            return
        node = node[part] if isinstance(part, int) else (node or {}).get(part)


def _obstacle(node: Any, before: str, part: int | str) -> Problem | None:
    if isinstance(part, int):
        entries = len(node) if isinstance(node, list) else 0
        if part < entries:
            return None
        counted = f"{entries} {'entry' if entries == 1 else 'entries'}"
        found = f"`{before}` with {counted}" if isinstance(node, list) else f"no list `{before}`"
        fix = "Entries are counted from 0; write the list outside the sweep first."
        return Problem("an entry that the file has", found, fix=fix)
    if isinstance(node, list):
        expected = f"the number of an entry, such as {before}[0].{part}"
        return Problem(expected, f"`{before}`, which is a list", fix="Entries are counted from 0.")
    if node is not None and not isinstance(node, dict):
        fix = f"Sweep `{before}` itself, or write a mapping there."
        return Problem("a path through mappings", f"`{before}`, which has no keys", fix=fix)
    return None


def shown(value: Any, number: int) -> str:
    """Return a value as names of points show it; what is long or has parts by its number."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    # Signs that separate values in a name would make two points' names alike.
    plain = isinstance(value, str) and re.fullmatch(r"[\w.$/%+-][\w.$/%+ -]{,59}", value)
    return str(value) if plain else f"#{number}"


def _twice(axis: Axis) -> Iterator[Fault]:
    """Yield values that come again; those of a range never do."""
    if axis.is_range:
        return
    found: set[str] = set()
    for pick, value in enumerate(axis.values):
        name = shown(value, pick + 1)
        if name in found:
            fix = "Take one of them out."
            yield axis.origin(pick), Problem("every value once", f"{name} a second time", fix=fix)
        found.add(name)


def _conflicts(axes_: Sequence[Axis]) -> Iterator[Fault]:
    """Yield axes that set what an axis before them sets too."""
    leaves = [_leaves(axis) for axis in axes_]
    for index, axis in enumerate(axes_):
        for other in range(index):
            if any(_overlap(one, two) for one in leaves[index] for two in leaves[other]):
                yield (
                    (SWEEP, axis.path),
                    Problem(
                        "every field set once",
                        f"a field that `{axes_[other].path}` sets too",
                        fix="Keep one of the two, or move both into one list of mappings.",
                    ),
                )


def _leaves(axis: Axis) -> set[Location]:
    return {leaf for value in axis.values for leaf in _set_by(value, axis.location)}


def _set_by(value: Any, location: Location) -> Iterator[Location]:
    """Yield every location that a value sets; mappings are merged into what is there."""
    if not isinstance(value, dict):
        yield location
        return
    for key, inner in value.items():
        here = (*location, key)
        yield from [here] if inner == {} else _set_by(inner, here)


def _overlap(one: Location, two: Location) -> bool:
    return all(left == right for left, right in zip(one, two, strict=False))


def _far_too_many(block: dict[str, Any]) -> Iterator[Fault]:
    """Yield that there are too many points, by the lengths of ranges that are not drawn up yet."""
    yield from _beyond(math.prod(_length(path, written) for path, written in block.items()))


def _length(path: str, written: Any) -> int:
    """Return how many values a line of the block has at most; 1 of what is none."""
    if isinstance(written, list):
        return max(1, len(written))
    match = _RANGE.fullmatch(written) if isinstance(written, str) else None
    if match is None or not is_path(path):
        return 1
    steps = max(1, int(match[4]))
    if not is_whole(path):
        return steps
    # Values that are equal after rounding come once.
    return min(steps, int(min(abs(_number(match[2]) - _number(match[1])), MOST_STEPS)) + 2)


def _too_many(axes_: Sequence[Axis]) -> Iterator[Fault]:
    yield from _beyond(math.prod(len(axis.values) for axis in axes_))


def _beyond(points: int) -> Iterator[Fault]:
    if points > MOST_POINTS:
        expected = f"at most {MOST_POINTS:,}"
        fix = "Sweep fewer fields or values, or split the file."
        yield (SWEEP,), Problem(expected, f"{points:,} points", fix=fix)


def labels(axes_: Sequence[Axis]) -> tuple[str, ...]:
    """Return what names of points call each axis: its last key, or its path where two share it."""
    last = [axis.path.rpartition(".")[2] for axis in axes_]
    counts = Counter(last)
    paired = zip(axes_, last, strict=True)
    return tuple(name if counts[name] == 1 else axis.path for axis, name in paired)
