"""Charts of one plan: the frontier of cost and speed, the time of a token, the tornado."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from planner.analysis.explanation.sensitivity import Sensitivity
from planner.analysis.explanation.time_breakdown import TERMS, TimePart
from planner.analysis.explanation.what_if import WhatIf
from planner.analysis.frontier import Frontier, cost_of, speed_of
from planner.plans.plan import Plan
from planner.problem.tolerances import ROUNDING
from planner.reporting.html import number_format
from planner.reporting.html.svg import Scale, Size, axes, drawn, fitted, line, mark, path
from planner.reporting.html.svg import tag as element
from planner.reporting.html.svg import text as words

APART = 3.0
"""Pixels by which points must lie apart to be drawn as dots of their own."""
TERM_WORDS: Mapping[str, str] = {
    "arithmetic": "arithmetic",
    "memory": "reading memory",
    "network": "sending data between accelerators",
    "latency": "launches and message latency",
    "stall": "other users’ prompts",
}
BAR = Size(720, 84, 0, 0, 0, 0, narrow=False), Size(340, 84, 0, 0, 0, 0, narrow=True)
MOST_ROWS = 14
ROW = 38
LONGEST_NAME = 24
"""Letters of an assumption's name that have room; the rest is told by the mark."""
BEYOND = 0.14
"""How far a bar without an end goes, as a part of the others' span."""


def frontier_chart(found: Frontier, plan: Plan | None) -> str:
    """Draw cost over speed of every point, what is asked, the plan and the preferred point.

    Parameters
    ----------
    found : Frontier
        One with points.
    plan : Plan or None
        The answer, where there is one.
    """
    first, last = found.points[0], found.points[-1]
    said = (
        f"Cost against speed of {len(found.points):,} deployments: from "
        f"{_told(first).splitlines()[1]} at {_told(first).splitlines()[0]} "
        f"to {_told(last).splitlines()[1]} at {_told(last).splitlines()[0]}."
    )
    return drawn(lambda size: _frontier(found, plan, size), said)


def _told(point: Plan) -> str:
    return (
        f"{number_format.speed(speed_of(point))} tokens/s for each user\n"
        f"{number_format.per_million(cost_of(point))} per million tokens\n"
        f"{number_format.layout(point)}"
    )


def _frontier(found: Frontier, plan: Plan | None, size: Size) -> Markup:
    left, right, top, bottom = size.inner
    target = found.instance.workload.tokens_per_second_per_request
    ceiling = found.instance.dollars_per_million_tokens_at_most
    shown = [*found.points, *([plan] if plan is not None else [])]
    speeds = [*map(speed_of, shown), *([target] if target else [])]
    costs = [*map(cost_of, shown), *([ceiling] if ceiling else [])]
    x = fitted(speeds, left, right, log=True, pad=0.04)
    y = fitted(costs, bottom, top, log=True)
    names = ("tokens per second for each user", "$ per million output tokens")
    parts = [axes(size, x, y, names, number_format.plain)]
    parts += _limits(size, (x, y), target, ceiling)
    stairs = [(x.at(speed_of(one)), y.at(cost_of(one))) for one in found.points]
    parts.append(path(_staircase(stairs), "front"))
    parts += [
        mark("dot", at, "pt dot", _told(point))
        for at, point in _thinned(list(zip(stairs, found.points, strict=True)))
    ]
    parts += _named(found, plan, (x, y), size)
    return Markup("").join(parts)


def _staircase(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield the corners: between two points only the dearer one buys the speed."""
    for number, (x, y) in enumerate(points):
        if number:
            yield points[number - 1][0], y
        yield x, y


def _thinned(
    points: list[tuple[tuple[float, float], Plan]],
) -> Iterator[tuple[tuple[float, float], Plan]]:
    """Leave out dots that would cover the one before; the last stays."""
    kept: tuple[float, float] | None = None
    for number, (at, point) in enumerate(points):
        if kept is None or math.dist(kept, at) >= APART or number == len(points) - 1:
            kept = at
            yield at, point


def _limits(
    size: Size, scales: tuple[Scale, Scale], target: float | None, ceiling: float | None
) -> Iterator[Markup]:
    left, right, top, bottom = size.inner
    x, y = scales
    if target is not None:
        at = x.at(target)
        late = at > (left + right) / 2
        yield line((at, top), (at, bottom), "limit")
        told = f"asked: {number_format.plain(target)}"
        yield words(at + (-5 if late else 5), top + 10, told, "note", "end" if late else "start")
    if ceiling is not None:
        at = y.at(ceiling)
        yield line((left, at), (right, at), "limit")
        yield words(left + 5, at - 5, f"at most {number_format.per_million(ceiling)}", "note")


def _named(
    found: Frontier, plan: Plan | None, scales: tuple[Scale, Scale], size: Size
) -> Iterator[Markup]:
    """Yield the points with a name, each with its label where the line is not."""
    x, y = scales
    preferred = found.preferred()
    rows = [(preferred, "star", "preferred"), (plan, "ring", "the plan")]
    for point, shape, name in rows:
        if point is None:
            continue
        at = (x.at(speed_of(point)), y.at(cost_of(point)))
        yield mark(shape, at, f"pt {shape}", f"{name}\n{_told(point)}")
        # The line rises to the right, so there is room below it on the right, above on the left.
        _, right, _, bottom = size.inner
        if shape == "ring" and right - at[0] > 90:
            low = bottom - at[1] < 28
            yield words(at[0] + 10, at[1] + (-11 if low else 16), name, "label")
        else:
            yield words(at[0] - 10, at[1] - 10, name, "label", "end")


def time_bar(parts: Sequence[TimePart], whole: float) -> str:
    """Draw the time of a token as one bar, term by term; the list below it is its legend."""
    shares = [(term, exposed_by(parts, term) / whole) for term in TERMS]
    said = "Time of one token: " + ", ".join(
        f"{TERM_WORDS[term]} {number_format.share(part)}" for term, part in shares
    )
    return drawn(lambda size: _bar(shares, whole, size), f"{said}.", BAR)


def exposed_by(parts: Sequence[TimePart], term: str) -> float:
    """Return the seconds of a token that a user waits for one term."""
    return sum(part.exposed_seconds for part in parts if part.term == term)


def _bar(shares: Sequence[tuple[str, float]], whole: float, size: Size) -> Markup:
    at, found = 1.0, []
    for term, part in shares:
        width = part * (size.width - 2)
        took = f"{number_format.seconds(part * whole)}, {number_format.share(part)}"
        told = f"{TERM_WORDS[term]}\n{took}"
        found.append(
            element(
                "rect",
                element("title", told),
                x=at,
                y=26.0,
                width=max(width, 0.0),
                height=44.0,
                class_=f"pt seg fill-{term}",
            )
        )
        if width > 46:
            found.append(words(at + width / 2, 18, number_format.share(part), "label", "middle"))
        at += width
    return Markup("").join(found)


def tornado(rows: Sequence[Sensitivity], aim: str, value: float, by: float) -> str:
    """Draw how far each assumption moves the objective when it is lowered and raised.

    Parameters
    ----------
    rows : sequence of Sensitivity
        The widest swing first; only the first `MOST_ROWS` are drawn.
    aim : str
        Name of the objective.
    value : float
        The plan's.
    by : float
        Part by which assumptions were changed.
    """
    shown = rows[:MOST_ROWS]
    first = shown[0]
    said = (
        f"{len(shown)} assumptions, each {100 * by:.3g} % lower and higher. {first.assumption} "
        f"matters most: {_end(first.low, aim)} and {_end(first.high, aim)}."
    )
    lines = len(shown)
    sizes = (
        Size(720, 64 + lines * ROW, 262, 92, 30, 24, narrow=False),
        Size(340, 64 + lines * (ROW + 16), 84, 92, 30, 24, narrow=True),
    )
    return drawn(lambda size: _tornado(shown, aim, value, size), said, sizes)


def _end(end: WhatIf, aim: str) -> str:
    return "impossible" if end.objective is None else number_format.objective(aim, end.objective)


def _tornado(rows: Sequence[Sensitivity], aim: str, value: float, size: Size) -> Markup:
    left, right, top, bottom = size.inner
    ends = [end.objective for row in rows for end in (row.low, row.high)]
    known = [*(end for end in ends if end is not None), value]
    span = (max(known) - min(known)) or abs(value) * 0.1 or 1.0
    impossible = any(end is None for end in ends)
    high = max([*known, *([value + BEYOND * span] if impossible else [])])
    x = Scale(min(known), high, left, right, log=False)
    step = ROW + (16 if size.narrow else 0)
    zero = x.at(value)
    found = [words(zero, 18, f"now {number_format.objective(aim, value)}", "label", "middle")]
    for number, row in enumerate(rows):
        y = top + 4.0 + number * step
        name = row.assumption
        name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
        if size.narrow:
            found.append(words(0, y + 10, name, "row"))
            y += 16
        else:
            found.append(words(0, y + 20, name, "row"))
        ends_of = ((row.low, "lower", y), (row.high, "higher", y + 15))
        for end, side, at in ends_of:
            found.append(_side(row, end, side, (x, at), (aim, value, BEYOND * span)))
    found.append(line((zero, top - 4), (zero, bottom), "axis"))
    return Markup("").join(found)


def _side(
    row: Sensitivity,
    end: WhatIf,
    side: str,
    place: tuple[Scale, float],
    measure: tuple[str, float, float],
) -> Markup:
    """Draw one end of one assumption, its value, and a mark where another layout is best."""
    (x, y), (aim, value, beyond) = place, measure
    to = value + beyond if end.objective is None else end.objective
    start, stop = sorted((x.at(value), x.at(to)))
    moved = ", with another layout" if end.moves else ""
    told = f"{row.assumption}, {side}\n{_end(end, aim)}{moved}"
    kind = "impossible" if end.objective is None else side
    bar = element(
        "rect",
        element("title", told),
        x=start,
        y=y,
        width=max(stop - start, 1.0),
        height=14.0,
        class_=f"pt seg fill-{kind}",
    )
    if end.objective is not None and abs(to - value) <= ROUNDING * abs(value) and not end.moves:
        return bar
    rises = to >= value
    symbol = " ◆" if end.moves else ""
    label = f"{_end(end, aim)}{symbol}"
    at = x.at(to) + (5 if rises else -5)
    return bar + words(at, y + 11, label, "value", "start" if rises else "end")
