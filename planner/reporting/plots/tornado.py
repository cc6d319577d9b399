"""Tornado plots: how far each assumption moves the objective, the widest swing on top."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.analysis.explanation.explain import Explanation
from planner.analysis.explanation.sensitivity import Sensitivity
from planner.analysis.explanation.what_if import WhatIf
from planner.problem.tolerances import ROUNDING
from planner.reporting.plots.style import COLOURS, COLUMN_WIDTH, GREY, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOW, HIGH = COLOURS[0], COLOURS[1]
BAR = 0.36
"""Height of one bar; two of them make a row."""
ROW_INCHES, FRAME_INCHES = 0.27, 1.15
MOST_ROWS = 14
BEYOND = 0.14
"""How far a bar without an end goes, as a part of the others' span."""
UNITS = {
    "dollars_per_hour": "$ per hour",
    "dollars_per_million_tokens": "$ per million output tokens",
    "tokens_per_second_per_request": "tokens/s per request",
}


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
    noticeable = [one for one in found.sensitivities if not one.negligible]
    rows = noticeable[:MOST_ROWS]
    height = FRAME_INCHES + ROW_INCHES * max(len(rows), 2)
    with figure(path, width, height) as axes:
        _draw(axes, found, rows)
        whole = axes.get_figure(root=True)
        assert whole is not None
        whole.supxlabel(_negligible(found, len(noticeable) - len(rows)), fontsize=6, color=GREY)


def _draw(axes: Axes, found: Explanation, rows: Sequence[Sensitivity]) -> None:
    objective = found.plan.objective or 0.0
    ends = [end.objective for row in rows for end in (row.low, row.high)]
    known = [end for end in ends if end is not None] + [objective]
    span = (max(known) - min(known)) or abs(objective) * 0.1
    for index, row in enumerate(rows):
        _bar(axes, index - BAR / 2, objective, row.low, colour=LOW, span=span)
        _bar(axes, index + BAR / 2, objective, row.high, colour=HIGH, span=span)
    axes.axvline(objective, color="black", lw=0.7, zorder=4)
    axes.set_yticks(range(len(rows)), [row.assumption for row in rows])
    axes.set_ylim(max(len(rows), 2) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(min(known) - 0.3 * span, max(known) + 0.3 * span)
    axes.set_xlabel(UNITS[found.plan.objective_name])
    axes.set_title(f"{found.plan.instance}: {objective:,.4g}", loc="left")
    _legend(axes, found.by, rows)


def _bar(axes: Axes, y: float, objective: float, end: WhatIf, *, colour: str, span: float) -> None:
    """Draw one end of one assumption, its value, and a mark where the plan changes."""
    impossible = end.objective is None
    to = objective + BEYOND * span if end.objective is None else end.objective
    style: dict[str, Any] = (
        {"hatch": "//////", "facecolor": "white"} if impossible else {"facecolor": colour}
    )
    axes.barh(y, to - objective, BAR, left=objective, edgecolor=colour, lw=0.5, zorder=2, **style)
    text = "impossible" if impossible else f"{to:,.4g}"
    if not impossible and abs(to - objective) <= ROUNDING * abs(objective):
        text = ""
    side = 1 if to >= objective else -1
    moved = end.moves or (bool(end.differs_in) and bool(text))
    if moved:
        face = "black" if end.moves else "white"
        axes.plot([to], [y], "D", ms=2.8, mfc=face, mec="black", mew=0.6, zorder=5)
    axes.annotate(
        text,
        (to, y),
        xytext=(side * (4 if moved else 2), 0),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="center",
        fontsize=6,
    )


def _legend(axes: Axes, by: float, rows: Sequence[Sensitivity]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    ends = [end for row in rows for end in (row.low, row.high)]
    handles: list[Patch | Line2D] = [
        Patch(facecolor=LOW, label=f"{100 * by:.3g} % lower"),
        Patch(facecolor=HIGH, label=f"{100 * by:.3g} % higher"),
    ]
    for moves, name in ((True, "another layout"), (False, "another batch")):
        if any(end.differs_in and end.moves == moves for end in ends):
            face = "black" if moves else "white"
            handles.append(
                Line2D([], [], ls="", marker="D", ms=3, mfc=face, mec="black", mew=0.6, label=name)
            )
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


def _negligible(found: Explanation, left_out: int) -> str:
    """Name what changes nothing, and tell how many rows there was no room for."""
    names = [one.assumption for one in found.sensitivities if one.negligible]
    told = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    parts = [f"No effect: {told}." if names else "", f"{left_out} not shown." if left_out else ""]
    return " ".join(part for part in parts if part)
