"""Pictures: frontiers as staircases of cost over speed, and an objective over a field."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.analysis.frontier import Frontier, cost_of, speed_of
from planner.analysis.parameter_sweep import Over
from planner.plans.plan import Plan
from planner.reporting import number_format
from planner.reporting.plots.style import (
    COLOURS,
    COLUMN_WIDTH,
    GREY,
    LINES,
    MARKERS,
    figure,
    put_legend,
    put_title,
    root,
)
from planner.reporting.words import UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

DOTTED_POINTS = 80
"""Points of a frontier above which a dot for each would hide the staircases."""
MOST_LIMITS = 4
"""Targets or ceilings that are all named."""
LIMIT: dict[str, Any] = {"color": GREY, "lw": 0.7, "ls": (0, (2, 2))}
MOST_LABELS = 7
"""Lines above which those of a field's values share one scale of colours, and few are named."""


@dataclass(frozen=True, slots=True)
class Line:
    """One frontier of a picture, and what the legend calls it."""

    label: str
    frontier: Frontier


def frontier_lines(frontiers: Sequence[Frontier]) -> list[Line]:
    """Return one line per frontier that has points, called by its instance."""
    return [Line(found.instance.name, found) for found in frontiers if found.points]


def over_lines(found: Sequence[Over]) -> list[Line]:
    """Return one line per value of a field, called by the value."""
    several = len(found) > 1
    return [
        Line(_short(value, one.instance.name if several else ""), one)
        for over in found
        for value, one in zip(over.values, over.answers, strict=True)
        if isinstance(one, Frontier) and one.points
    ]


def _short(value: Any, name: str) -> str:
    text = f"{value:,.6g}" if isinstance(value, int | float) else str(value)
    return f"{name}, {text}" if name else text


def plot_frontiers(
    path: str | Path, lines: Sequence[Line], field: str = "", width: float = COLUMN_WIDTH
) -> None:
    """Draw frontiers: cost over speed, both logarithmic.

    Between two points only the dearer one buys the speed, so each line is a staircase.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    lines : sequence of Line
        What to draw, at least one.
    field : str
        Path of the field whose values are the labels; empty where they are instances.
    width : float
        Inches; the size of letters does not change with it.

    Raises
    ------
    InputError
        Where the file has another suffix.
    OutputError
        Where it cannot be written.
    """
    with figure(path, width) as axes:
        graded = bool(field) and len(lines) > MOST_LABELS
        dots = all(len(line.frontier.points) <= DOTTED_POINTS for line in lines)
        marks = []
        for index, line in enumerate(lines):
            style = _style(index, len(lines), graded)
            drawn = _staircase(axes, line.frontier, style, dots)
            if len(lines) > 1 and (not graded or index in _picks(len(lines))):
                marks.append((drawn, line.label))
        axes.set_xscale("log")
        axes.set_yscale("log")
        _decimals(axes)
        axes.set_xlabel(UNITS["tokens_per_second_per_request"])
        axes.set_ylabel(UNITS["dollars_per_million_tokens"])
        names = dict.fromkeys(line.frontier.points[0].instance for line in lines)
        put_title(axes, "Cost and speed", next(iter(names)) if len(names) == 1 else "")
        marks += [*_points(axes, len(lines) > 1), *_limits(axes, [one.frontier for one in lines])]
        put_legend(root(axes), marks, UNITS.get(_key(field), field))


def plot_best(path: str | Path, found: Sequence[Over], width: float = COLUMN_WIDTH) -> None:
    """Draw the objective of the best plan over the values of a field.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    found : sequence of Over
        Plans of one instance each, all over the same field; the legend calls them by instance.
    width : float
        Inches.

    Raises
    ------
    InputError
        Where the file has another suffix.
    OutputError
        Where it cannot be written.
    """
    plans = [plan for over in found for _, plan in _pairs(over)]
    aims = {plan.objective_name for plan in plans}
    aim = aims.pop() if len(aims) == 1 else "dollars_per_million_tokens"
    with figure(path, width) as axes:
        marks = []
        for index, over in enumerate(found):
            pairs = _pairs(over)
            style = _style(index, len(found), False) | {"marker": MARKERS[index % len(MARKERS)]}
            x, y = [value for value, _ in pairs], [_worth(plan, aim) for _, plan in pairs]
            (line,) = axes.plot(x, y, ms=3, **style)
            marks.append((line, pairs[0][1].instance))
        field = found[0].field
        _scale(axes.set_xscale, [value for over in found for value, _ in _pairs(over)])
        _scale(axes.set_yscale, [_worth(plan, aim) for plan in plans])
        _decimals(axes)
        axes.set_xlabel(UNITS.get(_key(field), field))
        axes.set_ylabel(UNITS[aim])
        put_title(axes, "The best plan", plans[0].instance if len(found) == 1 else "")
        put_legend(root(axes), marks if len(found) > 1 else [])


def _worth(plan: Plan, aim: str) -> float:
    """Return what a plan attains of an aim; of its own, that of a whole fleet too."""
    value = plan.objective if plan.objective_name == aim else getattr(plan, aim)
    return float(value or 0.0)


def _key(field: str) -> str:
    return field.rpartition(".")[2]


def _pairs(over: Over) -> list[tuple[Any, Plan]]:
    """Return the values that have a plan, each with it."""
    pairs = zip(over.values, over.answers, strict=True)
    return [(value, plan) for value, plan in pairs if isinstance(plan, Plan) and plan.found]


def _style(index: int, lines: int, graded: bool) -> dict[str, Any]:
    """Return colour and dashes of a line, so that each differs in both as long as they last."""
    if graded:
        from matplotlib import colormaps

        return {"color": colormaps["viridis"](0.92 * index / (lines - 1)), "ls": "-"}
    return {"color": COLOURS[index % len(COLOURS)], "ls": LINES[index % len(LINES)]}


def _picks(lines: int) -> set[int]:
    """Return which of many values' lines are named: the ends and some between."""
    return {round((lines - 1) * part / (MOST_LABELS - 1)) for part in range(MOST_LABELS)}


def _staircase(axes: Axes, found: Frontier, style: dict[str, Any], dots: bool) -> Line2D:
    """Draw a frontier and the points of it that were asked for; return its line."""
    speeds = [speed_of(point) for point in found.points]
    costs = [cost_of(point) for point in found.points]
    (line,) = axes.plot(speeds, costs, drawstyle="steps-pre", zorder=3, **style)
    if dots:
        axes.plot(speeds, costs, "o", ms=1.8, color=style["color"], zorder=3)
    target = found.instance.workload.tokens_per_second_per_request
    chosen = found.cheapest_at(target) if target is not None else None
    for point, marker, size in ((chosen, "o", 5.5), (found.preferred(), "*", 8.5)):
        if point is not None:
            at = [speed_of(point)], [cost_of(point)]
            axes.plot(*at, marker, ms=size, color=style["color"], mec="white", mew=0.7, zorder=4)
    return line


def _limits(axes: Axes, frontiers: Sequence[Frontier]) -> Iterator[tuple[Line2D, str]]:
    """Draw every target and ceiling once; yield them, and what the legend says of them."""
    asked = [found.instance for found in frontiers]
    targets = {one.workload.tokens_per_second_per_request for one in asked}
    if known := sorted(target for target in targets if target is not None):
        line, *_ = [axes.axvline(target, zorder=1, **LIMIT) for target in known]
        yield line, f"target {_all([f'{target:,.4g}' for target in known])} tokens/s"
    ceilings = {one.dollars_per_million_tokens_at_most for one in asked}
    if prices := sorted(ceiling for ceiling in ceilings if ceiling is not None):
        line, *_ = [axes.axhline(price, zorder=1, **LIMIT) for price in prices]
        yield line, f"at most {_all([f'${price:,.6g}' for price in prices])} per million tokens"


def _all(values: Sequence[str]) -> str:
    """Name all of a few values, the ends of many."""
    few = len(values) <= MOST_LIMITS
    return number_format.listed(list(values)) if few else f"{values[0]} to {values[-1]}"


def _points(axes: Axes, several: bool) -> Iterator[tuple[Line2D, str]]:
    """Yield the marks at points that occur, and what they mean."""
    from matplotlib.lines import Line2D

    drawn = axes.get_lines()
    # With one line, a mark has its colour; with several, each has its own line's.
    colour = GREY if several else drawn[0].get_color()
    marks = {line.get_marker() for line in drawn if line.get_markersize() > 5}
    for marker, size, name in (("o", 5.5, "cheapest at the target"), ("*", 8.5, "preferred")):
        if marker in marks:
            yield Line2D([], [], ls="", marker=marker, ms=size, color=colour, mec="white"), name


def _scale(put: Callable[[str], None], values: Sequence[Any]) -> None:
    """Make an axis logarithmic where its values span more than a factor of ten."""
    if all(isinstance(value, int | float) for value in values) and values:
        low, high = min(values), max(values)
        if low > 0 and math.log10(high / low) > 1:
            put("log")


def _decimals(axes: Axes) -> None:
    """Write numbers out: 20 and 0.5 rather than powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() != "log":
            continue
        low, high = axis.get_view_interval()
        decades = math.log10(high / low)
        subs = (1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)
        axis.set_major_locator(LogLocator(subs=subs, numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda number, _: _number(number)))
        axis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def _number(number: float) -> str:
    for factor, suffix in ((1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:g}{suffix}"
    return f"{number:,.4g}"
