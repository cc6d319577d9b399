"""What a fleet withstands, as pictures: stress, head-room, robustness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from planner.analysis.fleet.robustness import PriceOfRobustness
from planner.analysis.fleet.stress_test import INFLATION, Headrooms, Stress
from planner.reporting.plots.style import COLOURS, GREY, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 3.5
"""Inches of a page's column."""


def plot_stress(
    path: str | Path, found: Sequence[tuple[str, Stress]], width: float = WIDTH
) -> None:
    """Draw what plans serve over the factor on demand.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    found : sequence of (name, Stress)
        One line each, for all requests, and a thin one for the worst workload.
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
        for index, (name, each) in enumerate(found):
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(each.factors, 100 * each.served, color=colour, label=name)
            axes.plot(each.factors, 100 * each.least, color=colour, lw=0.8, ls=(0, (3, 1.5)))
        _mark(axes, INFLATION)
        axes.plot([], [], color=GREY, lw=0.8, ls=(0, (3, 1.5)), label="worst workload")
        axes.set_xlabel("demand, times the planned one")
        axes.set_ylabel("% served within targets")
        axes.set_ylim(top=102)
        axes.set_title(f"Served when demand is higher, {found[0][1].fleet}", loc="left")
        axes.legend(frameon=False, loc="lower left")


def _mark(axes: Axes, at: float) -> None:
    low, high = axes.get_xlim()
    if low < at < high:
        axes.axvline(at, color=GREY, lw=0.7, ls=(0, (2, 2)), zorder=1)


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
            ("of the worst workload", [100 * row.least_served for row in rows], "s"),
            ("served in full", [100 * row.fully_served for row in rows], "^"),
        )
        for (name, values, marker), colour in zip(lines, COLOURS, strict=False):
            axes.plot(cost, values, marker=marker, ms=3, color=colour, label=name)
        top = max(max(values) for _, values, _ in lines) if rows else 100.0
        for row in rows:
            at = row.dollars_per_hour, top
            axes.annotate(
                f"{row.headroom:.0%}",
                at,
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                color=GREY,
                fontsize=6.5,
            )
        axes.set_ylim(top=top + 9)
        axes.set_xlabel("$/h, with head-room as written above")
        axes.set_ylabel(f"% served at {found.factor:g} times the demand")
        axes.set_title(f"What head-room buys, {found.fleet}", loc="left")
        axes.legend(frameon=False, loc="lower right")


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
        axes.fill_between(number, low, high, color=COLOURS[0], alpha=0.2, lw=0)
        axes.plot(number, [100 * row.price for row in rows], marker="o", ms=3, color=COLOURS[0])
        axes.set_ylim(bottom=0)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel(f"workloads that may rise by {found.rise:.0%} at once")
        axes.set_ylabel("% dearer")
        axes.set_title(f"Price of robustness, {found.fleet}", loc="left")
