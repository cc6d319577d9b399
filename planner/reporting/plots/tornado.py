"""Tornado plots: how far each assumption moves the objective, the widest swing on top."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.analysis.explanation.explain import Explanation
from planner.reporting.explanation_text import negligible, value
from planner.reporting.plots.style import COLOURS, COLUMN_WIDTH, GREY, figure
from planner.reporting.tornado import Bar, Tornado, tornado
from planner.reporting.words import UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOW, HIGH = COLOURS[0], COLOURS[1]
BAR = 0.36
"""Height of one bar; two of them make a row."""
ROW_INCHES, FRAME_INCHES = 0.27, 1.15


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
        _draw(axes, chart)
        whole = axes.get_figure(root=True)
        assert whole is not None
        whole.supxlabel(_omitted(found, chart.left_out), fontsize=6, color=GREY)


def _draw(axes: Axes, chart: Tornado) -> None:
    for index, (_, lower, higher) in enumerate(chart.rows):
        _bar(axes, index - BAR / 2, chart.objective, lower, LOW)
        _bar(axes, index + BAR / 2, chart.objective, higher, HIGH)
    axes.axvline(chart.objective, color="black", lw=0.7, zorder=4)
    axes.set_yticks(range(len(chart.rows)), [name for name, _, _ in chart.rows])
    axes.set_ylim(max(len(chart.rows), 2) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(chart.low - 0.3 * chart.span, chart.high + 0.3 * chart.span)
    axes.set_xlabel(UNITS[chart.plan.objective_name])
    axes.set_title(f"{chart.plan.instance}: {value(chart.plan, chart.objective)}", loc="left")
    _legend(axes, chart)


def _bar(axes: Axes, y: float, objective: float, bar: Bar, colour: str) -> None:
    """Draw one end of one assumption, its value, and a mark where the plan changes."""
    style: dict[str, Any] = {"hatch": "//////", "facecolor": "white"} if bar.impossible else {}
    style = {"facecolor": colour} | style
    width = bar.to - objective
    axes.barh(y, width, BAR, left=objective, edgecolor=colour, lw=0.5, zorder=2, **style)
    side = 1 if width >= 0 else -1
    moved = bar.moves or bar.differs
    if moved:
        axes.plot([bar.to], [y], "D", **_diamond(bar.moves), zorder=5)
    axes.annotate(
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


def _legend(axes: Axes, chart: Tornado) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Patch | Line2D] = [
        Patch(facecolor=LOW, label=f"{100 * chart.by:.3g} % lower"),
        Patch(facecolor=HIGH, label=f"{100 * chart.by:.3g} % higher"),
    ]
    for moves, name in ((True, "another layout"), (False, "another batch")):
        if any(bar.moves == moves and (moves or bar.differs) for bar in chart.bars):
            handles.append(Line2D([], [], ls="", marker="D", label=name, **_diamond(moves)))
    axes.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.4, 1.1),
        ncols=2,
        frameon=False,
        handlelength=1.2,
        borderaxespad=0.0,
        columnspacing=1.2,
        labelspacing=0.3,
    )


def _omitted(found: Explanation, left_out: int) -> str:
    """Name what changes nothing, and tell how many rows there was no room for."""
    names = negligible(found, most=3)
    parts = [f"No effect: {names}." if names else "", f"{left_out} not shown." if left_out else ""]
    return " ".join(part for part in parts if part)
