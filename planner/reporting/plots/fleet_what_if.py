"""What a fleet withstands, as pictures: stress, head-room, robustness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.analysis.fleet.robustness import PriceOfRobustness
from planner.analysis.fleet.stress_test import Headroom, Headrooms, Stress
from planner.reporting.plots.style import (
    COLOURS,
    GREY,
    LEGEND_SIZE,
    MARGIN,
    breadth,
    figure,
    put_legend,
    put_title,
    root,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 3.5
"""Inches of a page's column."""
ALL, WORST, WORST_PERIOD = "all requests", "the worst workload and period", "the worst period"
THIN: dict[str, Any] = {"lw": 0.8, "ls": (0, (3, 1.5))}


def plot_stress(
    path: str | Path, found: Sequence[tuple[str, Stress]], width: float = WIDTH
) -> None:
    """Draw what plans serve over the factor on demand.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    found : sequence of (name, Stress)
        One line each, for all requests, and a thin one for the worst workload and period.
    width : float
        Inches.

    Raises
    ------
    InputError
        Where the file has another suffix.
    OutputError
        Where it cannot be written.
    """
    with figure(path, width) as axes:
        marks: list[tuple[Any, str]] = []
        for index, (name, each) in enumerate(found):
            several = len(each.workloads) > 1
            colour = COLOURS[index % len(COLOURS)]
            lead = f"{name}, " if len(found) > 1 else ""
            (line,) = axes.plot(each.factors, 100 * each.served, color=colour)
            marks.append((line, f"{lead}{ALL if several else each.workloads[0]}"))
            if several or len(each.periods) > 1:
                (line,) = axes.plot(each.factors, 100 * each.least, color=colour, **THIN)
                marks.append((line, f"{lead}{WORST if several else WORST_PERIOD}"))
        axes.set_xlabel("demand over what was planned for")
        axes.xaxis.set_major_formatter("{x:g} ×")
        axes.set_ylabel("% of requests served in time")
        axes.set_ylim(top=102)
        put_title(axes, "Served when demand is higher than planned", found[0][1].fleet)
        put_legend(root(axes), marks)


def plot_headrooms(path: str | Path, found: Headrooms, width: float = WIDTH) -> None:
    """Draw what plans with several head-rooms cost and serve.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    found : Headrooms
        Those without a plan are left out.
    width : float
        Inches.

    Raises
    ------
    InputError
        Where the file has another suffix.
    OutputError
        Where it cannot be written.
    """
    rows = [row for row in found.rows if not math.isnan(row.dollars_per_hour)]
    with figure(path, width) as axes:
        cost = [row.dollars_per_hour for row in rows]
        lines: tuple[tuple[str, list[float], str], ...] = (
            ("of all requests", [100 * row.served for row in rows], "o"),
            ("of the worst workload and period", [100 * row.least_served for row in rows], "s"),
            ("workloads and periods served in full", [100 * row.fully_served for row in rows], "^"),
        )
        marks = [
            (axes.plot(cost, values, marker=marker, ms=3, color=colour)[0], name)
            for (name, values, marker), colour in zip(lines, COLOURS, strict=False)
        ]
        _name_rooms(axes, rows)
        axes.set_xlabel("$ per hour, with the head-room written above")
        axes.set_ylabel(f"% served at {found.factor:g} × the demand")
        put_title(axes, "What head-room buys", found.fleet)
        put_legend(root(axes), marks)


def _name_rooms(axes: Axes, rows: Sequence[Headroom]) -> None:
    """Write head-rooms above the picture; where several would overlap, those in between go."""
    root(axes).draw_without_rendering()
    names: dict[float, list[str]] = {}
    for row in rows:
        names.setdefault(row.dollars_per_hour, []).append(f"{row.headroom:.0%}")
    taken = -math.inf
    for cost, several in sorted(names.items()):
        text = several[0] if len(several) == 1 else f"{several[0]}–{several[-1]}"
        at = axes.transData.transform((cost, 0.0))[0] / root(axes).dpi
        half = breadth(text, LEGEND_SIZE) / 2
        if at - half > taken + MARGIN:
            axes.annotate(
                text,
                (cost, 1),
                (0, 2),
                xycoords=axes.get_xaxis_transform(),
                textcoords="offset points",
                ha="center",
                va="bottom",
                color=GREY,
                fontsize=LEGEND_SIZE,
            )
            taken = at + half


def plot_robustness(path: str | Path, found: PriceOfRobustness, width: float = WIDTH) -> None:
    """Draw the price of robustness over the number of workloads that may rise.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    found : PriceOfRobustness
        Those without a plan are left out.
    width : float
        Inches.

    Raises
    ------
    InputError
        Where the file has another suffix.
    OutputError
        Where it cannot be written.
    """
    rows = [row for row in found.rows if not math.isnan(row.price)]
    with figure(path, width) as axes:
        number = [row.workloads for row in rows]
        low, high = [100 * row.least for row in rows], [100 * row.most for row in rows]
        band = axes.fill_between(number, low, high, color=COLOURS[0], alpha=0.2, lw=0)
        (line,) = axes.plot(number, [100 * row.price for row in rows], "o-", ms=3, color=COLOURS[0])
        axes.set_ylim(bottom=0)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel(f"workloads that may rise by {found.rise:.0%} at once")
        axes.set_ylabel("% more dollars over the horizon")
        put_title(axes, "Price of robustness", found.fleet)
        marks = [(line, "the plans found"), (band, "between their proven bounds")]
        put_legend(root(axes), marks if high > low else marks[:1])
