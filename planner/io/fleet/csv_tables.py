"""CSV tables of workloads, pools and running replicas: rows as an instance file would say them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from planner.errors import InputError, Problem, did_you_mean
from planner.io.csv_table import FROM_FLEET, Table, read_table
from planner.io.document import Document, Location, Place, shortened

SEPARATOR = ";"
"""Stands between the entries of a list in one cell."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A table whose rows are parts of a fleet."""

    table: Table
    columns: tuple[Column, ...]
    values: list[dict[str, Any]]
    """What the instance file would say in place of each row."""

    def document(self, row: int) -> Document:
        """Return one row as a document of its own."""
        line = self.table.lines[row]
        places: dict[Location, Place] = {(): Place(line, "a row")}
        for column, text in zip(self.columns, self.table.rows[row], strict=True):
            for location, piece in column.spots(text.strip()):
                for depth in range(1, len(location)):
                    places.setdefault(location[:depth], Place(line, "several cells"))
                places[location] = Place(line, _excerpt(piece))
        return Document(self.table.file, self.values[row], places)


def _excerpt(text: str) -> str:
    return shortened(text) if _scalar(text) is not text else f"'{shortened(text)}'"


def read_listing(path: Path, model: type[BaseModel]) -> Listing:
    """Read a table whose columns are the fields of a part of a fleet.

    Parameters
    ----------
    path : Path
        A CSV file. Fields of inner parts are named with a dot, entries of lists separated by
        semicolons; an empty cell leaves a field out.
    model : type
        What each row is.

    Raises
    ------
    InputError
        Where the file cannot be read, or has columns that are no fields.
    """
    table = read_table(path, missing=FROM_FLEET)
    columns = [_column(model, tuple(name.split("."))) for name in table.header]
    problems = [
        _unknown(table.file, name, model)
        for name, column in zip(table.header, columns, strict=True)
        if column is None
    ]
    if problems := problems or list(_overlaps(table)):
        raise InputError(problems)
    known = tuple(column for column in columns if column is not None)
    return Listing(table, known, _values(table, known))


def _unknown(file: str, name: str, model: type[BaseModel]) -> Problem:
    fix = did_you_mean(name, list(_names(model))) or "Remove it."
    fields = ", ".join(model.model_fields)
    return Problem(f"one of {fields}", "an unknown column", name, fix, file, 1)


def _overlaps(table: Table) -> Iterator[Problem]:
    """Yield columns that stand for a whole field of which others are parts."""
    for name in table.header:
        if parts := [other for other in table.header if other.startswith(f"{name}.")]:
            expected = f"either {name} or {', '.join(parts)}"
            yield Problem(expected, "both", name, "Remove one of the two.", table.file, 1)


def _names(model: type[BaseModel]) -> Iterator[str]:
    """Yield the columns that rows can have; of inner parts all their fields."""
    for name, field in model.model_fields.items():
        inner = _part_of(field.annotation)
        if inner is None:
            yield field.alias or name
        else:
            yield from (f"{name}.{below}" for below in _names(inner))


def _part_of(annotation: Any) -> type[BaseModel] | None:
    for option in _options(annotation):
        entry = get_args(option)[0] if get_origin(option) is tuple else option
        if isinstance(entry, type) and issubclass(entry, BaseModel):
            return entry
    return None


@dataclass(frozen=True, slots=True)
class Column:
    """How the cells of one column are to be read."""

    path: tuple[str, ...]
    read: Callable[[str], Any]
    """Turns one entry of a cell into a value."""
    many: bool
    """Whether cells are lists."""
    depth: int
    """Parts of the path before a list whose entries have the rest of it; else all of them."""

    def value(self, text: str) -> Any:
        """Return what a cell that is not empty says."""
        if not self.many:
            return self.read(text)
        return [self.read(piece.strip()) for piece in text.split(SEPARATOR)]

    def spots(self, text: str) -> Iterator[tuple[Location, str]]:
        """Yield location and text of what a cell says, and of each entry of a list."""
        if text and self.depth == len(self.path):
            yield self.path, text
        if text and self.many:
            for at, piece in enumerate(text.split(SEPARATOR)):
                yield (*self.path[: self.depth], at, *self.path[self.depth :]), piece.strip()


def _values(table: Table, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return rows as the instance file would say them."""
    values: list[dict[str, Any]] = [{} for _ in table.rows]
    for at, column in enumerate(columns):
        known: dict[str, Any] = {}
        for value, row in zip(values, table.rows, strict=True):
            text = row[at].strip()
            if text:
                if text not in known:
                    known[text] = column.value(text)
                _put(value, column, known[text])
    return values


def _put(value: dict[str, Any], column: Column, found: Any) -> None:
    """Set a cell's value in its row."""
    *outer, last = column.path[: column.depth]
    for name in outer:
        value = value.setdefault(name, {})
    rest = column.path[column.depth :]
    if not rest:
        value[last] = found
        return
    entries = value.setdefault(last, [])
    entries += [{} for _ in range(len(found) - len(entries))]
    for entry, one in zip(entries, found, strict=False):
        entry[rest[0]] = one


def _column(model: type[BaseModel], path: tuple[str, ...]) -> Column | None:
    """Return how to read the column of a field; None where there is no such field."""
    annotation: Any = model
    depth, many = len(path), False
    for step, name in enumerate(path):
        found = _step(annotation, name)
        if found is None:
            return None
        annotation, listed = found
        if listed:
            depth, many = step, True
    return _leaf(annotation, path, depth, many=many)


def _step(annotation: Any, name: str) -> tuple[Any, bool] | None:
    """Return the annotation of a field of a part, a list of parts or a mapping; and if a list."""
    for option in _options(annotation):
        entry = get_args(option)[0] if get_origin(option) is tuple else option
        if isinstance(entry, type) and issubclass(entry, BaseModel):
            for key, field in entry.model_fields.items():
                if name == (field.alias or key):
                    return field.annotation, entry is not option
        elif get_origin(option) is dict and name:
            return get_args(option)[1], False
    return None


def _leaf(annotation: Any, path: tuple[str, ...], depth: int, *, many: bool) -> Column:
    options = list(_options(annotation))
    listed = [get_args(option)[0] for option in options if get_origin(option) is tuple]
    inner = [entry for option in listed for entry in _options(option)] or options
    text = any(entry is str or get_origin(entry) is Literal for entry in inner)
    whole = int in inner
    reader = _same if text else _whole if whole else _scalar
    # A part may itself be written as a list: batch sizes.
    parts = any(isinstance(entry, type) and issubclass(entry, BaseModel) for entry in inner)
    return Column(path, _whole if parts else reader, many or bool(listed) or parts, depth)


def _options(annotation: Any) -> Iterator[Any]:
    """Yield what a field may be, without notes and without nothing."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _options(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    elif annotation is not NoneType:
        yield annotation


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def _same(text: str) -> str:
    return text


def _scalar(text: str) -> Any:
    """Return the number or truth that a text is; the text itself where it is neither."""
    if _NUMBER.fullmatch(text):
        return int(text) if text.lstrip("+-").isdigit() and len(text) < 300 else float(text)
    truth = {"true": True, "false": False}.get(text.lower())
    return text if truth is None else truth


def _whole(text: str) -> Any:
    """Return a whole number that a table may have written with decimals: 3.0."""
    value = _scalar(text)
    return int(value) if isinstance(value, float) and value.is_integer() else value
