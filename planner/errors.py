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
        place = f"{self.file}:{self.line}" if self.line else self.file
        head = ": ".join(part for part in (place, self.field) if part)
        found = f"found {self.found}, " if self.found else ""
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


class SolverError(PlannerError):
    """The solver gave no answer that can be trusted."""


class CheckError(PlannerError):
    """A plan did not pass the independent checker."""


class WorkersError(PlannerError):
    """The workers of a batch cannot be had, or are lost."""


def near_misses(name: str, known: Sequence[str]) -> str:
    """Return a sentence suggesting the known names closest to `name`."""
    close = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    return f"Did you mean {', '.join(close)}?" if close else ""


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return a sentence that names what is there: the nearest, or all where they are few."""
    lower = {entry.lower(): entry for entry in known}
    close = get_close_matches(name.lower(), list(lower), n=3, cutoff=0.6)
    if close:
        return f"Did you mean {', '.join(lower[entry] for entry in close)}?"
    return f"There are {', '.join(known)}." if len(known) <= 8 else ""


SOME, MANY = 8, 1000
"""Names that are few enough to list, and too many to look for the nearest."""


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
    """Return which of the known names may be meant, or all of them where they are few."""
    if len(known) > MANY:
        return "Check the name."
    listed = f"There are {', '.join(known)}." if 0 < len(known) <= SOME else "Check the name."
    return near_misses(name, known) or listed
