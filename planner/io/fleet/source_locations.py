"""The origin of a fleet: in which file, and on which line of it, everything was said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from planner.errors import Problem, few
from planner.io.document import Document, Location, Said, dotted
from planner.io.fleet.csv_tables import Listing
from planner.io.fleet.demand_csv import DemandTable
from planner.io.schema_errors import FLEETS, Schema, in_words, placed
from planner.problem.fleet import (
    FleetPool,
    FleetWorkload,
    Running,
)

TABLES: dict[str, type[BaseModel]] = {
    "workloads": FleetWorkload,
    "pools": FleetPool,
    "running": Running,
}
"""Keys that may name a table, and what its rows are."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The file of a fleet and its tables: where everything in it was said."""

    source: Said
    """The file itself; lines of JSON are looked for only where a message needs them."""
    listings: Mapping[str, Listing]
    demand: DemandTable | None = None
    moved: Mapping[Location, Location] = field(default_factory=dict)
    """Locations of the fleet to those of the file, where short forms were written out."""

    @property
    def document(self) -> Document:
        """The file itself."""
        found = self.source.document
        return Document(found.file, found.value, found.places, self.moved)

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Return problems that know their field with file and line too."""
        return _ordered(problem for one in problems for problem in self._placed(one))

    def _placed(self, problem: Problem) -> list[Problem]:
        if problem.file:
            return [problem]
        parts = re.findall(r"[^.\[\]]+", problem.field)
        location = tuple(int(part) if part.isdigit() else part for part in parts)
        if document := self._row(location):
            return placed([replace(problem, field=dotted(location[2:]))], document)
        if self.demand is not None and self._is_demand(location):
            line = self.demand.line(int(location[1]))
            return [replace(problem, file=self.demand.table.file, line=line)]
        return placed([problem], self.document)

    def _row(self, location: Location) -> Document | None:
        """Return the row of a table that a location lies in."""
        listing = self.listings.get(str(location[0])) if len(location) > 1 else None
        if listing is None or self._is_demand(location):
            return None
        return listing.document(int(location[1]))

    def _is_demand(self, location: Location) -> bool:
        """Tell whether a location was filled from the table of demand."""
        return (
            self.demand is not None
            and len(location) > 2
            and location[0] == "workloads"
            and location[1] in self.demand.series
            and location[2] == self.demand.field
        )

    def schema_problems(self, error: ValidationError) -> list[Problem]:
        """Return what the schema objects to, in the words of the file it stands in."""
        told: list[Problem] = []
        for details in _of_one_branch(error.errors(include_url=False)):
            location = details["loc"]
            if document := self._row(location):
                moved: ErrorDetails = {**details, "loc": location[2:]}
                schema = Schema(TABLES[str(location[0])], FLEETS.parts)
                told += in_words([moved], document, schema)
            else:
                told += map(_of_periods, in_words([details], self.document, FLEETS))
        return _ordered(told)


def _ordered(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems by line, file after file, a few of each kind."""
    by_file: dict[str, list[Problem]] = {}
    for problem in dict.fromkeys(problems):
        by_file.setdefault(problem.file, []).append(problem)
    return [
        problem
        for told in by_file.values()
        for problem in few(sorted(told, key=lambda problem: problem.line))
    ]


def _of_periods(problem: Problem) -> Problem:
    """Say that a number may stand for periods, which the schema takes for a list."""
    if problem.field != "periods" or problem.expected != "a list":
        return problem
    fix = "Write how many hours there are, or a list of periods."
    return replace(problem, expected="a list, or a whole number from 1 to 100,000", fix=fix)


def _of_one_branch(complaints: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Yield complaints, of demand only those about the form in which it was written.

    It may be a series, or one series per quantile; pydantic complains of both, and names the form
    as if it were a part of the location.
    """
    series = {
        details["loc"][:-1]
        for details in complaints
        if details["type"] == "dict_type" and _is_form(details["loc"][-1])
    }
    for details in complaints:
        location = details["loc"]
        at = next((at for at, part in enumerate(location) if _is_form(part)), None)
        if at is None:
            yield details
            continue
        is_series = location[:at] in series
        if is_series is not str(location[at]).startswith("dict["):
            kept = tuple(part for part in location if not _is_form(part))
            yield {**details, "loc": kept}


def _is_form(part: int | str) -> bool:
    return isinstance(part, str) and part.startswith(("dict[", "function-"))
