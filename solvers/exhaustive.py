"""The exhaustive solver: tries every assignment of the discrete variables, for small models.

It shares the model with the other solvers and nothing else: no relaxation, no bound on the
objective, only propagation of linear rows over intervals.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

import pyomo.environ as pyo

from solvers.linear import Row, Score, linear_form
from solvers.outcome import Outcome, Status

TOLERANCE = 1e-9
TIE = 1e-7


class TooLargeError(RuntimeError):
    """The model is not one that can be enumerated."""


Box = list[tuple[float, float]]


def enumerate_all(
    model: pyo.ConcreteModel, objectives: Sequence[pyo.Objective], *, limit: int = 2_000_000
) -> Outcome:
    """Try every assignment and keep the best, ties broken by the next objective.

    Parameters
    ----------
    model : ConcreteModel
        Linear, discrete variables bounded; continuous ones must follow from them.
    objectives : sequence of Objective
        In the order in which they break ties.
    limit : int
        Most partial assignments to visit.

    Returns
    -------
    Outcome
        Optimal or infeasible, always proved; the model's variables hold the solution.

    Raises
    ------
    TooLargeError
        Where the limit is passed, or continuous variables stay free when all discrete ones are
        fixed.
    NotLinearError
        Where the model is not linear.
    """
    started = time.perf_counter()
    form = linear_form(model, objectives)
    rows = form.rows
    box: Box = [_bounds(variable) for variable in form.variables]
    discrete = [column for column, v in enumerate(form.variables) if not v.is_continuous()]
    best: tuple[list[float], list[float]] | None = None
    for values in _assignments(box, rows, discrete, limit):
        marks = [_mark(score, values) for score in form.scores]
        if best is None or _precedes(marks, best[0]):
            best = (marks, values)
    seconds = time.perf_counter() - started
    if best is None:
        return Outcome(Status.INFEASIBLE, math.nan, math.nan, seconds, "exhaustive")
    form.load(best[1])
    objective = best[0][0] * (-1 if form.scores[0].maximised else 1)
    return Outcome(Status.OPTIMAL, objective, objective, seconds, "exhaustive")


def _mark(score: Score, values: list[float]) -> float:
    """Value of an objective, to be minimised."""
    pairs = zip(score.columns, score.coefficients, strict=True)
    value = score.constant + sum(coefficient * values[column] for column, coefficient in pairs)
    return -value if score.maximised else value


def _bounds(variable: pyo.Var) -> tuple[float, float]:
    lower, upper = variable.bounds
    if lower is None or upper is None:
        raise TooLargeError(f"{variable.name} has no bounds")
    return float(lower), float(upper)


def _precedes(marks: list[float], others: list[float]) -> bool:
    for mark, other in zip(marks, others, strict=True):
        if abs(mark - other) > TIE * abs(other):
            return mark < other
    return False


def _assignments(
    box: Box, rows: list[Row], discrete: list[int], limit: int
) -> Iterator[list[float]]:
    """Yield every assignment that satisfies all rows, depth first."""
    whole = set(discrete)
    rows_of = _rows_of(rows, len(box))
    root = _propagate(box, rows, rows_of, whole, set(range(len(rows))))
    stack = [] if root is None else [root]
    visited = 0
    while stack:
        current = stack.pop()
        visited += 1
        if visited > limit:
            raise TooLargeError(f"more than {limit:,} partial assignments")
        free = next((j for j in discrete if current[j][0] < current[j][1]), None)
        if free is None:
            yield _settled(current)
            continue
        low, high = (int(side) for side in current[free])
        for value in range(high, low - 1, -1):
            child = [*current[:free], (float(value), float(value)), *current[free + 1 :]]
            tight = _propagate(child, rows, rows_of, whole, set(rows_of[free]))
            if tight is not None:
                stack.append(tight)


def _rows_of(rows: list[Row], variables: int) -> list[list[int]]:
    """List, for every variable, the rows it stands in."""
    found: list[list[int]] = [[] for _ in range(variables)]
    for number, row in enumerate(rows):
        for column in row.columns:
            found[column].append(number)
    return found


def _settled(box: Box) -> list[float]:
    if any(high - low > TOLERANCE for low, high in box):
        raise TooLargeError("continuous variables do not follow from the discrete ones")
    return [low for low, _ in box]


def _propagate(
    box: Box, rows: list[Row], rows_of: list[list[int]], discrete: set[int], waiting: set[int]
) -> Box | None:
    """Tighten bounds by the waiting rows and those they touch; None where a row cannot hold."""
    box = list(box)
    while waiting:
        changed = _tighten(box, rows[waiting.pop()], discrete)
        if changed is None:
            return None
        for column in changed:
            waiting.update(rows_of[column])
    return box


def _tighten(box: Box, row: Row, discrete: set[int]) -> list[int] | None:
    """Tighten the bounds of one row's variables and list them; None where it cannot hold."""
    terms = list(zip(row.columns, row.coefficients, strict=True))
    slack = TOLERANCE * max((1e-3, *map(abs, row.coefficients)))
    least = sum(min(c * box[j][0], c * box[j][1]) for j, c in terms)
    most = sum(max(c * box[j][0], c * box[j][1]) for j, c in terms)
    if least > row.upper + slack or most < row.lower - slack:
        return None
    changed = []
    for j, c in terms:
        if c == 0.0 or box[j][0] == box[j][1]:
            continue
        low, high = sorted((c * box[j][0], c * box[j][1]))
        sides = sorted(((row.lower - (most - high)) / c, (row.upper - (least - low)) / c))
        tight = _within(box[j], (sides[0], sides[1]), whole=j in discrete)
        if tight is None:
            return None
        if tight != box[j]:
            box[j] = tight
            changed.append(j)
            least = sum(min(k * box[i][0], k * box[i][1]) for i, k in terms)
            most = sum(max(k * box[i][0], k * box[i][1]) for i, k in terms)
    return changed


def _within(
    bounds: tuple[float, float], sides: tuple[float, float], *, whole: bool
) -> tuple[float, float] | None:
    low, high = max(bounds[0], sides[0]), min(bounds[1], sides[1])
    if whole:
        low, high = math.ceil(low - 1e-6), math.floor(high + 1e-6)
    elif high - bounds[0] < TOLERANCE and low <= bounds[0]:
        high = bounds[0]
    elif bounds[1] - low < TOLERANCE and high >= bounds[1]:
        low = bounds[1]
    else:
        low, high = bounds
    return None if low > high + TOLERANCE else (float(low), float(max(low, high)))
