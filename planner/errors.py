"""What can go wrong, as one tree.

PlannerError
├── InputError            a file or a value the user gave cannot be used (exit code 2)
│   └── UnknownNameError  a name the catalogue does not hold; the nearest names are suggested
├── MissingExtraError     an optional package is needed and not installed (exit code 2)
├── OutputError           a result cannot be written where the user asked (exit code 2)
├── SolverError           the solver stopped without an answer that can be trusted (exit code 1)
├── CheckError            a plan failed the independent checker and is not shown (exit code 1)
└── WorkersError          nobody is left to work on a batch (exit code 1)

An infeasible instance is no error: it is a `Plan` whose status says so (exit code 3).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches


def reason_of(error: Exception | str) -> str:
    """Return why the system refused something, in its words and in lower case."""
    return str(getattr(error, "strerror", None) or error).lower()


CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""Characters that drive a terminal, break a line or turn its direction, as a regular expression."""
_CONTROL = re.compile(rf"[{CONTROLS}\ud800-\udfff]")


def printable(text: str, keep: str = "") -> str:
    r"""Return a text that drives no terminal: control characters by their escapes, as `\x1b`.

    Parameters
    ----------
    text : str
        Such as the name of somebody's file.
    keep : str
        Control characters that stay.
    """
    return _CONTROL.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


class PlannerError(Exception):
    """Base of every error the planner raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the input: where, what was found, what was expected, what to do."""

    expected: str
    """What would have been right."""
    found: str = ""
    """What stands there instead, as the user wrote it."""
    field: str = ""
    """Dotted path of the field, for example `workload.input_tokens`."""
    fix: str = ""
    """What to do about it."""
    file: str = ""
    """File the field was read from; empty when the value came through the API."""
    line: int = 0
    """Line of the field, counted from 1; 0 when unknown."""

    def __str__(self) -> str:
        file = printable(self.file)
        place = f"{file}:{self.line}" if self.line else file
        head = ": ".join(part for part in (place, printable(self.field)) if part)
        found = f"found {printable(self.found)}, " if self.found else ""
        text = (
            f"{head}: {found}expected {self.expected}."
            if head
            else f"{found}expected {self.expected}."
        )
        return f"{text} {self.fix}" if self.fix else text

    def at(self, file: str, line: int = 0) -> Problem:
        """Return the same problem with its place filled in."""
        return replace(self, file=file, line=line)


class InputError(PlannerError):
    """The input cannot be used; `problems` lists every reason found."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class UnknownNameError(InputError):
    """A name that is not in the catalogue."""


class MissingExtraError(PlannerError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"{package} is not installed. Install it with: pip install 'inference-planner[{extra}]'"
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (self.package, self.extra)


class OutputError(PlannerError):
    """A result could not be written."""

    @classmethod
    def at(cls, path: object, error: Exception | str, other: str = "file") -> OutputError:
        """Return the error of a path that cannot be written, with what to do."""
        return cls(
            f"{printable(str(path))}: cannot write here ({reason_of(error)}). Name another {other}."
        )


class SolverError(PlannerError):
    """The solver gave no answer that can be trusted."""


class CheckError(PlannerError):
    """A plan did not pass the independent checker."""


class WorkersError(PlannerError):
    """The workers of a batch cannot be had, or are lost."""


SOME, MANY = 8, 1000
"""Names that are few enough to list, and too many to look for the nearest."""


def nearest(name: str, known: Sequence[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return the known names that are most like one, whatever their case; none of too many."""
    if len(known) > MANY:
        return []
    lower = {entry.lower(): entry for entry in known}
    return [lower[entry] for entry in get_close_matches(name.lower(), list(lower), most, cutoff)]


def did_you_mean(
    name: str, known: Sequence[str], *, listed: bool = False, otherwise: str = ""
) -> str:
    """Return a sentence that suggests the known names nearest to one.

    Parameters
    ----------
    name : str
        What was found.
    known : sequence of str
        What could stand there.
    listed : bool
        Whether to list all of them where none is near and they are few.
    otherwise : str
        What to say where there is nothing to suggest.

    Examples
    --------
    >>> did_you_mean("h10", ["h100", "b200"])
    'Did you mean h100?'
    >>> did_you_mean("tpu", ["h100", "b200"], listed=True)
    'There are h100, b200.'
    """
    if close := nearest(name, known):
        return f"Did you mean {', '.join(close)}?"
    return f"There are {', '.join(known)}." if listed and 0 < len(known) <= SOME else otherwise


def few(problems: Iterable[Problem], most: int = 5) -> list[Problem]:
    """Return the first problems of each kind, and for each kind that there are more.

    Parameters
    ----------
    problems : iterable of Problem
        In order.
    most : int
        How many of one kind, alike in file, field and expectation, are told one by one.
    """
    told: list[Problem] = []
    counts: Counter[tuple[str, str, str]] = Counter()
    for problem in problems:
        field = re.sub(r"\[\d+\]", "[]", problem.field)
        kind = (problem.file, field, problem.expected)
        counts[kind] += 1
        if counts[kind] <= most:
            told.append(problem)
        elif counts[kind] == most + 1:
            told.append(replace(problem, found="others like it from here on"))
    return told


def hint(name: str, known: Sequence[str]) -> str:
    """Return what to do about a name that is not known: the nearest ones, or to check it."""
    return did_you_mean(name, known, listed=True, otherwise="Check the name.")
