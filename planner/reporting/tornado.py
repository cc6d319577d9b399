"""What a tornado chart shows: the bars of each assumption, and the range that they span."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from planner.analysis.explanation.explain import Explanation
from planner.analysis.explanation.what_if import WhatIf
from planner.plans.plan import Plan
from planner.problem.tolerances import ROUNDING
from planner.reporting.explanation_text import end_value, ends_of, noticeable

MOST_ROWS = 14
BEYOND = 0.14
"""How far a bar without an end goes, as a part of the others' span."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One end of an assumption: where its bar ends and what is written there."""

    to: float
    """Value of the objective at which the bar ends."""
    text: str
    """Empty where the objective does not move."""
    impossible: bool
    moves: bool
    """Whether another layout is best then."""
    differs: bool
    """Whether another layout or another batch is best then."""


@dataclass(frozen=True, slots=True)
class Tornado:
    """The assumptions that matter most, the widest swing first, each with two bars."""

    plan: Plan
    objective: float
    by: float
    """Part by which assumptions were lowered and raised."""
    rows: tuple[tuple[str, Bar, Bar], ...]
    """Name of the assumption, the bar of the lower value, the bar of the higher one."""
    low: float
    high: float
    """The least and the greatest value that is possible, the plan's own among them."""
    left_out: int
    """Assumptions that matter and have no room."""

    @property
    def span(self) -> float:
        """How far the values lie apart; a tenth of the objective where they are all the same."""
        return (self.high - self.low) or abs(self.objective) * 0.1 or 1.0

    @property
    def bars(self) -> Iterator[Bar]:
        """Every bar."""
        return (bar for _, *both in self.rows for bar in both)


def tornado(found: Explanation) -> Tornado:
    """Return what a tornado chart of an explanation shows.

    Parameters
    ----------
    found : Explanation
        One with a plan.
    """
    every = noticeable(found)
    rows = every[:MOST_ROWS]
    plan, objective = found.plan, found.plan.objective or 0.0
    known = [end.objective for end in ends_of(rows) if end.objective is not None]
    low, high = min([objective, *known]), max([objective, *known])
    left_out = len(every) - len(rows)
    empty = Tornado(plan, objective, found.by, (), low, high, left_out)
    shown = tuple((row.assumption, *_bars(empty, (row.low, row.high))) for row in rows)
    return Tornado(plan, objective, found.by, shown, low, high, left_out)


def _bars(chart: Tornado, ends: Sequence[WhatIf]) -> tuple[Bar, Bar]:
    low, high = (_bar(chart, end) for end in ends)
    return low, high


def _bar(chart: Tornado, end: WhatIf) -> Bar:
    beyond = chart.objective + BEYOND * chart.span
    to = beyond if end.objective is None else end.objective
    still = abs(to - chart.objective) <= ROUNDING * abs(chart.objective)
    text = end_value(chart.plan, end)
    if end.objective is not None and still and not end.moves:
        text = ""
    return Bar(to, text, end.objective is None, end.moves, bool(end.differs_in) and bool(text))
