"""Sweeps: one file that stands for many instances, each drawn up only when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

from pydantic import ValidationError

from planner.errors import InputError, Problem
from planner.io.document import Document, Location, Place, Said
from planner.io.fleet.fleet_file import fleet_of, fleet_with_origin
from planner.io.long_form import LongForm, is_fleet, long_form, name_of, stem
from planner.io.own_catalogue import OwnCatalogue, own_catalogue
from planner.io.published_precision import with_published
from planner.io.schema_errors import placed, schema_problems
from planner.io.sweep_axes import Axis, axes, labels, shown, values
from planner.io.yaml_json import Source
from planner.problem.fleet import Fleet
from planner.problem.instance import LONGEST_NAME, SWEEP, Instance, Pool
from planner.problem.resolve import resolve

__all__ = ["Sweep", "sweep", "values"]


@dataclass(frozen=True)
class Point:
    """What a file says at one point of its sweep."""

    file: str
    value: dict[str, Any]
    draw: Callable[[], Document]
    """Draws up the file as if it said this point."""

    @cached_property
    def document(self) -> Document:
        """The file as if it said this point."""
        return self.draw()


@dataclass(frozen=True, eq=False)
class Sweep(Sequence[Instance | Fleet]):
    """The instances of one file, in order; the last field swept varies fastest.

    Points are drawn up and checked when they are asked for: `len`, `name` and `swept` cost next
    to nothing, whatever the number of points.
    """

    source: Source
    folder: Path
    """Where relative paths of config.json files start."""
    axes: tuple[Axis, ...]
    """What is swept; none where the file is a single instance."""
    only: Instance | Fleet | None = None
    """The instance of a file without a sweep."""

    def __len__(self) -> int:
        """Return the number of points."""
        return math.prod(len(axis.values) for axis in self.axes)

    @overload
    def __getitem__(self, index: int) -> Instance | Fleet: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Instance | Fleet]: ...

    def __getitem__(self, index: int | slice) -> Instance | Fleet | Sequence[Instance | Fleet]:
        """Return the instance at one point, or those of a slice.

        Raises
        ------
        IndexError
            Where there is no such point.
        InputError
            With every problem of this point, each with file, line and field.
        """
        if isinstance(index, slice):
            return tuple(self[one] for one in range(len(self))[index])
        picks = self._picks(index)
        return self._instance(picks) if self.only is None else self.only

    @cached_property
    def asks_fleet(self) -> bool:
        """Whether one of the points asks for a fleet, so that all are planned as fleets."""
        first = [0] * len(self.axes)
        if is_fleet(self._value(first)):
            return True
        for at, axis in enumerate(self.axes):
            last = len(axis.values) - 1
            for pick in (last,) if axis.is_range else range(1, last + 1):
                if is_fleet(self._value([*first[:at], pick, *first[at + 1 :]])):
                    return True
        return False

    def name(self, index: int) -> str:
        """Return the name of a point, which may itself be wrong: `chat[input_tokens=1000]`."""
        base, picks = str(self._base["name"]), self._picks(index)
        return self._name(base, picks) if self.axes else base

    def swept(self, index: int) -> dict[str, Any]:
        """Return field to value of one point, which may itself be wrong."""
        return self._swept(self._picks(index))

    def _swept(self, picks: Sequence[int]) -> dict[str, Any]:
        paired = zip(self.axes, picks, strict=True)
        return {axis.path: axis.values[pick] for axis, pick in paired}

    def _picks(self, index: int) -> tuple[int, ...]:
        """Return the number of the value on every axis."""
        left = range(len(self))[index]
        picks = []
        for axis in reversed(self.axes):
            left, pick = divmod(left, len(axis.values))
            picks.append(pick)
        return tuple(reversed(picks))

    def _number(self, picks: Sequence[int]) -> int:
        """Return the number of a point, counted from 1."""
        number = 0
        for axis, pick in zip(self.axes, picks, strict=True):
            number = number * len(axis.values) + pick
        return number + 1

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        return labels(self.axes)

    @cached_property
    def _base(self) -> dict[str, Any]:
        """What the file says outside the sweep."""
        said = {key: value for key, value in self.source.value.items() if key != SWEEP}
        return {"name": self._file_name, **said}

    @property
    def _file_name(self) -> str:
        """What the instance is called where the file does not say it."""
        path = Path(self.source.file)
        line = f":{self.source.line}" if self.source.line > 1 else ""
        return f"{name_of(path)}{line}"

    def _name(self, base: str, picks: Sequence[int]) -> str:
        triples = zip(self._labels, self.axes, picks, strict=True)
        parts = [f"{label}={shown(axis.values[n], n + 1)}" for label, axis, n in triples]
        name = f"{base}[{','.join(parts)}]"
        if len(name) <= LONGEST_NAME:
            return name
        number = f"[#{self._number(picks)}]"
        return f"{base[: LONGEST_NAME - len(number)]}{number}"

    def _value(self, picks: Sequence[int]) -> dict[str, Any]:
        """Return what a file of this one point would say."""
        value: Any = self._base
        for axis, pick in zip(self.axes, picks, strict=True):
            value = put(value, axis.location, axis.values[pick])
        # A name that is none, or too long, is refused as it stands.
        base = value.get("name")
        if self.axes and isinstance(base, str) and 1 <= len(base) <= LONGEST_NAME:
            value = {**value, "name": self._name(base, picks)}
        found: dict[str, Any] = value
        return found

    def _instance(self, picks: Sequence[int]) -> Instance | Fleet:
        value = self._value(picks)
        found = self._fleet(picks, value) if self.asks_fleet else self._one(picks, value)
        return found.at(self._swept(picks)) if self.axes else found

    def _one(self, picks: Sequence[int], value: dict[str, Any]) -> Instance:
        """Return the instance of one deployment that a point asks for."""
        form = None
        try:
            form = long_form(value, fleet=False)
            own = own_catalogue(value, self.folder)
            instance = _with_own_files(Instance.model_validate(form.value), own)
            resolve(instance)
        except ValidationError as error:
            problems = schema_problems(error, self._document(picks, value, form))
            raise InputError(self._numbered(problems, picks)) from None
        except InputError as error:
            problems = placed(error.problems, self._document(picks, value, form))
            raise InputError(self._numbered(problems, picks)) from None
        return instance

    def _fleet(self, picks: Sequence[int], value: dict[str, Any]) -> Fleet:
        """Return the fleet that a point asks for."""
        try:
            return fleet_of(self._said(picks, value), self.folder)
        except InputError as error:
            raise InputError(self._numbered(error.problems, picks)) from None

    def _said(self, picks: Sequence[int], value: dict[str, Any]) -> Said:
        """Return a point as a file that says it."""
        if not self.axes:
            return self.source
        return Point(self.source.file, value, partial(self._document, picks, value, None))

    def located(self, index: int, problems: Iterable[Problem]) -> list[Problem]:
        """Return what was found to be wrong with a fleet later, with files and lines."""
        picks = self._picks(index)
        said = self._said(picks, self._value(picks))
        placed_there = fleet_with_origin(said, self.folder)[1].placed(problems)
        return list(self._numbered(placed_there, picks))

    def _document(
        self, picks: Sequence[int], value: dict[str, Any], form: LongForm | None
    ) -> Document:
        """Return the file as if it said this one point: swept fields stand in the sweep's lines."""
        known = self.source.document.places
        places = {location: place for location, place in known.items() if location[:1] != (SWEEP,)}
        for axis, pick in zip(self.axes, picks, strict=True):
            there, one = axis.origin(pick), axis.values[pick]
            line = known[there].line
            for depth in range(1, len(axis.location) + isinstance(one, dict)):
                places.setdefault(axis.location[:depth], Place(line, "a mapping"))
            for inner in _spots(one, ()):
                place = Place(line, f"{one:g}") if axis.is_range else known[there + inner]
                places[axis.location + inner] = place
        held = {location: place for location, place in places.items() if _has(value, location)}
        return Document(self.source.file, value, held, form.moved if form is not None else {})

    def _numbered(self, problems: Iterable[Problem], picks: Sequence[int]) -> Iterator[Problem]:
        """Yield problems, with the point's number where they stand outside the sweep."""
        origins = [axis.origin(pick) for axis, pick in zip(self.axes, picks, strict=True)]
        places = self.source.document.places if origins else {}
        lines = {
            place.line
            for location, place in places.items()
            if any(location[: len(origin)] == origin for origin in origins)
        }
        for problem in problems:
            here = problem.file == self.source.file and problem.line in lines
            if not self.axes or not problem.found or here:
                yield problem
            else:
                where = f"in point {self._number(picks)} of the sweep"
                yield replace(problem, found=f"{problem.found} ({where})")

    def _mistakes(self) -> list[Problem]:
        """Return what is wrong at every point, whatever the values: paths, and what is not swept.

        Of one deployment only the schema is asked, since the rest depends on values; of a fleet
        the first and the last point are, and what both of them lack is told.
        """
        picks = (0,) * len(self.axes)
        value, form = self._value(picks), None
        if self.asks_fleet:
            return self._mistakes_of_fleets()
        try:
            form = long_form(value, fleet=False)
            Instance.model_validate(form.value)
        except ValidationError as error:
            document = self._document(picks, value, form)
            return schema_problems(error, document, self._at_every_point)
        except InputError as error:
            return placed(error.problems, self._document(picks, value, form))
        return []

    def _mistakes_of_fleets(self) -> list[Problem]:
        """Return what is wrong at the first point and at the last one."""
        found: list[dict[tuple[str, int, str, str], Problem]] = []
        for number in (0, len(self) - 1):
            picks = self._picks(number)
            try:
                fleet_of(self._said(picks, self._value(picks)), self.folder)
            except InputError as error:
                found.append({(p.file, p.line, p.field, p.expected): p for p in error.problems})
            else:
                return []
        return [problem for key, problem in found[0].items() if key in found[1]]

    def _at_every_point(self, location: Location) -> bool:
        """Tell whether pydantic's complaint about `location` is not about a swept value."""
        return not any(location[: len(axis.location)] == axis.location for axis in self.axes)


def sweep(source: Source, folder: Path) -> Sweep:
    """Return the instances of a file.

    Parameters
    ----------
    source : Source
        Text of the file.
    folder : Path
        Where relative paths of config.json files start.

    Raises
    ------
    InputError
        With every problem of the text, of its `sweep` block, of what stands outside the block
        and, where there is none, of the one instance.
    """
    found = Sweep(source, folder, axes(source))
    if not found.axes:
        return replace(found, only=found._instance(()))
    if problems := found._mistakes():
        raise InputError(problems)
    return found


def put(node: Any, location: Sequence[int | str], value: Any) -> Any:
    """Return `node` with `value` at `location`; mappings are merged into what is there."""
    if location:
        part, rest = location[0], location[1:]
        if isinstance(part, int):
            return [*node[:part], put(node[part], rest, value), *node[part + 1 :]]
        return {**(node or {}), part: put((node or {}).get(part), rest, value)}
    if not isinstance(value, dict) or not isinstance(node, dict):
        return value
    return {**node, **{key: put(node.get(key), (), inner) for key, inner in value.items()}}


def _spots(value: Any, location: Location) -> Iterator[Location]:
    """Yield the location of every value below `value`; of itself too, unless it is a mapping."""
    if not isinstance(value, dict):
        yield location
    inner: Mapping[Any, Any] = dict(enumerate(value)) if isinstance(value, list) else {}
    for key, one in (value if isinstance(value, dict) else inner).items():
        here = (*location, key)
        if isinstance(one, dict):
            yield here
        yield from _spots(one, here)


def _has(value: Any, location: Location) -> bool:
    """Tell whether there is something at `location`."""
    for part in location:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return False
    return True


def _with_own_files(instance: Instance, own: OwnCatalogue) -> Instance:
    """Let paths start at the instance file's folder, and names stand for files of its catalogue."""
    workload = instance.workload
    drafts = tuple(
        draft.model_copy(update={"transformer": own.transformer(draft.transformer)})
        for draft in workload.drafts
    )
    changes: dict[str, Any] = {
        "transformer": own.transformer(workload.transformer),
        "drafts": drafts,
    }
    return instance.model_copy(
        update={
            "workload": workload.model_copy(update=changes),
            "search": with_published(instance.search, changes["transformer"]),
            "pools": tuple(_with_own_accelerator(pool, own) for pool in instance.pools),
            "engine": own.engine(instance.engine),
            "profile": own.profile(instance.profile),
        }
    )


def _with_own_accelerator(pool: Pool, own: OwnCatalogue) -> Pool:
    """Return a pool with the path of its accelerator; it keeps the name that the file gives it."""
    path = own.accelerator(pool.accelerator)
    if path == pool.accelerator:
        return pool
    name = pool.name or stem(pool.accelerator)
    return pool.model_copy(update={"accelerator": path, "name": name})
