"""Charts of one plan: the frontier of cost and speed, the time of a token, the tornado."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from planner.analysis.explanation.time_breakdown import TERMS, TimePart
from planner.analysis.frontier import Frontier, cost_of, speed_of
from planner.plans.plan import Plan
from planner.reporting import number_format
from planner.reporting.explanation_text import TERM_WORDS, exposed_by, value
from planner.reporting.html.svg import Scale, Size, axes, drawn, fitted, line, mark, path
from planner.reporting.html.svg import tag as element
from planner.reporting.html.svg import text as words
from planner.reporting.tornado import Bar, Tornado
from planner.reporting.words import UNITS

APART = 3.0
"""Pixels by which points must lie apart to be drawn as dots of their own."""
BAR = Size(720, 84, 0, 0, 0, 0, narrow=False), Size(340, 84, 0, 0, 0, 0, narrow=True)
ROW = 38
LONGEST_NAME = 24
"""Letters of an assumption's name that have room; the rest is told by the mark."""


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
    names = (UNITS["tokens_per_second_per_request"], UNITS["dollars_per_million_tokens"])
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


def tornado_chart(found: Tornado) -> str:
    """Draw how far each assumption moves the objective when it is lowered and raised."""
    lines = len(found.rows)
    name, low, high = found.rows[0]
    said = (
        f"{lines} assumptions, each {100 * found.by:.3g} % lower and higher. {name} "
        f"matters most: {low.text or 'no change'} and {high.text or 'no change'}."
    )
    sizes = (
        Size(720, 64 + lines * ROW, 262, 92, 30, 24, narrow=False),
        Size(340, 64 + lines * (ROW + 16), 84, 92, 30, 24, narrow=True),
    )
    return drawn(lambda size: _tornado(found, size), said, sizes)


def _tornado(found: Tornado, size: Size) -> Markup:
    left, right, top, bottom = size.inner
    high = max([found.high, *(bar.to for bar in found.bars)])
    x = Scale(found.low, high, left, right, log=False)
    step = ROW + (16 if size.narrow else 0)
    zero = x.at(found.objective)
    now = f"now {value(found.plan, found.objective)}"
    drawing = [words(zero, 18, now, "label", "middle")]
    for number, (name, lower, higher) in enumerate(found.rows):
        y = top + 4.0 + number * step
        short = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
        drawing.append(words(0, y + (10 if size.narrow else 20), short, "row"))
        y += 16 if size.narrow else 0
        drawing.append(_side(name, lower, "lower", (x, zero, y)))
        drawing.append(_side(name, higher, "higher", (x, zero, y + 15)))
    drawing.append(line((zero, top - 4), (zero, bottom), "axis"))
    return Markup("").join(drawing)


def _side(name: str, bar: Bar, side: str, place: tuple[Scale, float, float]) -> Markup:
    """Draw one end of one assumption, its value, and a mark where another layout is best."""
    x, zero, y = place
    start, stop = sorted((zero, x.at(bar.to)))
    moved = ", with another layout" if bar.moves else ""
    drawing = element(
        "rect",
        element("title", f"{name}, {side}\n{bar.text or 'no change'}{moved}"),
        x=start,
        y=y,
        width=max(stop - start, 1.0),
        height=14.0,
        class_=f"pt seg fill-{'impossible' if bar.impossible else side}",
    )
    if not bar.text:
        return drawing
    rises = x.at(bar.to) >= zero
    label = f"{bar.text}{' ◆' if bar.moves else ''}"
    at = x.at(bar.to) + (5 if rises else -5)
    return drawing + words(at, y + 11, label, "value", "start" if rises else "end")
