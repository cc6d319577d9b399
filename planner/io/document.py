"""Files as values with their places: every key's line, every value as the user wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from planner.errors import InputError, Problem

Location = tuple[int | str, ...]
Node = Any
"""A node of ruamel.yaml, whose own types do not know the attributes of its kinds."""

LONGEST_EXCERPT = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands in its file."""

    line: int
    """Line of its key or, in a list, of the value itself; counted from 1."""
    text: str
    """The value as the user wrote it, shortened; of mappings and lists only the kind."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and where it says it."""

    file: str
    value: Any
    """Plain dicts, lists, numbers and text."""
    places: Mapping[Location, Place]
    moved: Mapping[Location, Location] = field(default_factory=dict)
    """Locations inside the program to those of the file, where short forms were written out."""

    def written(self, location: Location) -> Location:
        """Return `location` as it reads in this file.

        Inside the program `batch: [0]` is `batch.values[0]`, and one value is a list of one.
        """
        location = self._moved(location)
        node = self.value
        kept: Location = ()
        for index, part in enumerate(location):
            if (*kept, part) in self.places:
                node, kept = node[part], (*kept, part)
            elif isinstance(node, dict):
                return (*kept, *location[index:])
        return kept

    def _moved(self, location: Location) -> Location:
        """Return a location with its longest known beginning replaced, until none is known."""
        for length in range(len(location), 0, -1):
            start = self.moved.get(location[:length])
            if start is not None:
                return self._moved(start + location[length:])
        return location

    def line(self, location: Location) -> int:
        """Return the line of the deepest part of `location` that the file has."""
        while location and location not in self.places:
            location = location[:-1]
        return self.places[location].line


class Said(Protocol):
    """What a file says, or one point of it: its lines are looked for only where they are needed."""

    @property
    def file(self) -> str:
        """Name of the file, for messages."""

    @property
    def value(self) -> dict[str, Any]:
        """What is said, as plain mappings, lists, numbers and text."""

    @property
    def document(self) -> Document:
        """The same with the places of everything in it."""


def dotted(location: Sequence[int | str]) -> str:
    """Return a location as people write it: `pools[0].gpus`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in location]
    return "".join(parts).lstrip(".")


def document(root: Node, file: str, first: int = 1) -> Document:
    """Return the values under `root`, the root of a parsed file whose text starts at line `first`.

    Raises
    ------
    InputError
        Where keys are no text or come twice, or a value cannot be read; with every such place.
    """
    draft = _Draft(file, first)
    value = draft.add(root, (), draft.line(root))
    if draft.problems:
        raise InputError(sorted(draft.problems, key=lambda problem: problem.line))
    return Document(file, value, draft.places)


@dataclass(slots=True)
class _Draft:
    """A document while it is put together."""

    file: str
    first: int
    places: dict[Location, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, node: Node) -> int:
        """Return the line of the file on which `node` starts."""
        line: int = node.start_mark.line + self.first
        return line

    def add(self, node: Node, location: Location, line: int) -> Any:
        """Note the place of `node` and of all below it; return its value."""
        self.places[location] = Place(line, excerpt(node))
        if node.id == "mapping":
            return self._mapping(node, location)
        if node.id == "sequence":
            return [
                self.add(item, (*location, index), self.line(item))
                for index, item in enumerate(node.value)
            ]
        return self._scalar(node, location, line)

    def _mapping(self, node: Node, location: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            line = self.line(key)
            if key.id != "scalar" or not key.value:
                before = excerpt(key) if key.value else "nothing"
                self._complain(location, line, f"{before} before the colon", *_NO_KEY)
                continue
            here = (*location, joined(key.value))
            if here in self.places:
                first = self.places[here].line
                self._complain(here, line, f"the same key as on line {first}", *_TWICE)
                continue
            values[joined(key.value)] = self.add(value, here, line)
        return values

    def _scalar(self, node: Node, location: Location, line: int) -> Any:
        if node.style is not None:
            return joined(node.value)
        try:
            return _READERS.get(node.tag.rpartition(":")[2], joined)(node.value)
        except ValueError:
            # Python reads whole numbers of at most 4300 digits, to stay quick.
            self._complain(location, line, excerpt(node), "a number of fewer digits", _SMALLER)
            return None

    def _complain(self, location: Location, line: int, found: str, expected: str, fix: str) -> None:
        self.problems.append(Problem(expected, found, dotted(location), fix, self.file, line))


_NO_KEY = ("`key: value`", "Write the name of a field before the colon.")
_TWICE = ("every key once", "Remove one of the two.")
_SMALLER = "Write a smaller number."


@dataclass(frozen=True, slots=True)
class Dated:
    """A date without quotes: neither text nor number, and no field of an instance takes one."""

    text: str


def _whole(text: str) -> int:
    digits = text.lstrip("+-")
    number = int(digits, 0) if digits[:2] in ("0b", "0o", "0x") else int(digits)
    return -number if text.startswith("-") else number


def _decimal(text: str) -> float:
    special = text.lower().lstrip("+-").removeprefix(".")
    if special in ("inf", "nan"):
        return float(f"{'-' if text.startswith('-') else ''}{special}")
    return float(text)


_READERS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _whole,
    "float": _decimal,
    "timestamp": Dated,
}
"""How plain words of YAML 1.2 become values; every other word is text."""


def joined(text: str) -> str:
    r"""Return `text` with the halves of characters that JSON writes as `\ud83d\ude00` joined."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def excerpt(node: Node) -> str:
    """Return the value at `node` as the user wrote it, on one line and not too long."""
    if node.id != "scalar":
        return "a mapping" if node.id == "mapping" else "a list"
    if node.tag.endswith(":null") and node.style is None:
        return "nothing"
    text = shortened(joined(node.value))
    return f"'{text}'" if node.style is not None or node.tag.endswith(":str") else text


def shortened(text: str) -> str:
    """Return `text` on one line and not too long."""
    if len(text) > LONGEST_EXCERPT:
        text = f"{text[: LONGEST_EXCERPT - 3]}..."
    # Control characters could drive the terminal; what is left can stand in one line.
    return text if text.isprintable() else text.encode("unicode_escape").decode()
