"""What a solver returns: a status that says what is proved, and the numbers of the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class SolverFailedError(RuntimeError):
    """The solver ended in a way that leaves nothing to trust."""


class SolverMissingError(RuntimeError):
    """The solver's package is not installed."""


class Status(StrEnum):
    """What is known about a model after solving it."""

    OPTIMAL = "optimal"
    """The best solution was found and proved, within the gap asked for."""
    FEASIBLE = "time_limit"
    """Time ran out; there is a solution and a bound, but no proof."""
    INFEASIBLE = "infeasible"
    """It was proved that no solution exists."""
    UNKNOWN = "no_solution_in_time"
    """Time ran out before any solution was found."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one solve; the values are left in the model's variables."""

    status: Status
    objective: float
    """Value of the first objective; NaN where there is no solution."""
    bound: float
    """Proven bound on it; NaN where none is known."""
    seconds: float
    """Wall time in the solver."""
    solver: str
    """Name and version."""
    duals: Mapping[Any, float] | None = None
    """Dual value of every constraint in the relaxation; None where nobody asked, or time ran out.
    Values are a solver's, right within its tolerances."""

    @property
    def gap(self) -> float:
        """|objective - bound| relative to the objective."""
        return abs(self.objective - self.bound) / max(abs(self.objective), 1e-12)

    @property
    def has_solution(self) -> bool:
        """Whether the model's variables hold a solution."""
        return self.status in (Status.OPTIMAL, Status.FEASIBLE)
