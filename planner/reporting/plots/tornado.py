"""Tornado plots: how far each assumption moves the objective, the widest swing on top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.analysis.explanation.explain import Explanation
from planner.analysis.explanation.sensitivity import Sensitivity
from planner.reporting.explanation_text import assumed, copies, negligible, value
from planner.reporting.plots.style import (
    COLOURS,
    COLUMN_WIDTH,
    GREY,
    figure,
    make_room,
    put_legend,
    put_title,
    root,
    shortened,
)
from planner.reporting.tornado import Bar, Tornado, tornado
from planner.reporting.words import UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Annotation

LOW, HIGH = COLOURS[0], COLOURS[1]
BAR = 0.36
"""Height of one bar; two of them make a row."""
ROW_INCHES, FRAME_INCHES = 0.3, 0.95
NAME_SIZE = 6.5
"""Points of the letters of rows."""
NAME_SHARE = 0.36
"""Most of the picture's width that names of rows take."""


def plot_tornado(path: str | Path, found: Explanation, width: float = COLUMN_WIDTH) -> None:
    """Draw the sensitivities of an explanation, the same bytes for the same explanation.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    found : Explanation
        One with a plan.
    width : float
        Inches; the size of letters does not change with it.

    Raises
    ------
    InputError
        Where the file has another suffix.
    OutputError
        Where it cannot be written.
    """
    chart = tornado(found)
    height = FRAME_INCHES + ROW_INCHES * max(len(chart.rows), 2)
    with figure(path, width, height) as axes:
        texts = _draw(axes, chart, _stated(found), width)
        put_legend(root(axes), list(_explained(chart)), _omitted(found, chart.left_out))
        make_room(axes, texts)


def _draw(axes: Axes, chart: Tornado, stated: Mapping[str, str], width: float) -> list[Annotation]:
    """Draw all bars, and return the texts at their ends."""
    plan = chart.plan
    texts = [
        _bar(axes, index + shift, chart.objective, bar, colour)
        for index, (_, lower, higher) in enumerate(chart.rows)
        for shift, bar, colour in ((-BAR / 2, lower, LOW), (BAR / 2, higher, HIGH))
    ]
    axes.axvline(chart.objective, color="black", lw=0.7, zorder=4)
    names = (_row_name(name, stated.get(name, ""), width) for name, _, _ in chart.rows)
    axes.set_yticks(range(len(chart.rows)), list(names), fontsize=NAME_SIZE, linespacing=1.1)
    axes.set_ylim(max(len(chart.rows), 2) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(chart.low - 0.1 * chart.span, chart.high + 0.1 * chart.span)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(UNITS[plan.objective_name])
    put_title(axes, plan.instance, f"{value(plan, chart.objective)}, {copies(plan)}")
    return texts


def _row_name(name: str, stated: str, width: float) -> str:
    """Return the name of a row and, below it, the value that is lowered and raised."""
    lines = (name, stated) if stated else (name,)
    return "\n".join(shortened(line, NAME_SHARE * width, NAME_SIZE) for line in lines)


def _stated(found: Explanation) -> dict[str, str]:
    """Return by assumption what the instance says of it, in its unit; of a price, for which GPU."""
    accelerators = {f"price of {one.pool}": one.accelerator for one in found.prices}
    return {
        row.assumption: ", ".join(filter(None, (_gpu(row.assumption, accelerators), _now(row))))
        for row in found.sensitivities
    }


def _gpu(assumption: str, accelerators: Mapping[str, str]) -> str:
    """Return the accelerator whose price it is, unless the pool is called like it."""
    name = accelerators.get(assumption, "")
    return "" if assumption == f"price of {name}" else name


def _now(row: Sensitivity) -> str:
    """Return the value that an assumption has in the instance; empty for rates of hardware."""
    for end, factor in ((row.low, row.low_factor), (row.high, row.high_factor)):
        for path, changed in end.changes.items():
            if factor:
                return assumed(path.rpartition(".")[2], changed / factor)
    return ""


def _bar(axes: Axes, y: float, objective: float, bar: Bar, colour: str) -> Annotation:
    """Draw one end of an assumption and a mark where the plan changes; return its value's text."""
    style: dict[str, Any] = {"hatch": "//////", "facecolor": "white"} if bar.impossible else {}
    style = {"facecolor": colour} | style
    width = bar.to - objective
    axes.barh(y, width, BAR, left=objective, edgecolor=colour, lw=0.5, zorder=2, **style)
    side = 1 if width >= 0 else -1
    moved = bar.moves or bar.differs
    if moved:
        axes.plot([bar.to], [y], "D", **_diamond(bar.moves), zorder=5)
    return axes.annotate(
        bar.text,
        (bar.to, y),
        xytext=(side * (4 if moved else 2), 0),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="center",
        fontsize=6,
    )


def _diamond(moves: bool) -> dict[str, Any]:
    """Return the look of a mark: full for another layout, hollow for another batch."""
    return {"ms": 3, "mfc": "black" if moves else "white", "mec": "black", "mew": 0.6}


def _explained(chart: Tornado) -> Iterator[tuple[Patch | Line2D, str]]:
    """Yield each mark that the picture has, and what it means."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    yield Patch(facecolor=LOW), f"{100 * chart.by:.3g} % lower"
    yield Patch(facecolor=HIGH), f"{100 * chart.by:.3g} % higher"
    for moves, name in ((True, "another layout"), (False, "another batch")):
        if any(bar.moves == moves and (moves or bar.differs) for bar in chart.bars):
            yield Line2D([], [], ls="", marker="D", **_diamond(moves)), name
    if any(bar.impossible for bar in chart.bars):
        yield Patch(facecolor="white", edgecolor=GREY, hatch="//////"), "no deployment would do"


def _omitted(found: Explanation, left_out: int) -> str:
    """Name what changes nothing, and tell how many rows there was no room for."""
    names = negligible(found, most=3)
    parts = [f"No effect: {names}." if names else "", f"{left_out} not shown." if left_out else ""]
    return " ".join(part for part in parts if part)
