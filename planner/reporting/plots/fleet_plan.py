"""Pictures of a fleet's plan: how full pools are, and for whom, through the periods."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.errors import InputError, Problem
from planner.plans.fleet_columns import MARKETS
from planner.plans.fleet_plan import FleetPlan, Floats, Ints
from planner.reporting.plots.style import (
    COLOURS,
    GREY,
    LEGEND_SIZE,
    breadth,
    figure,
    put_legend,
    put_title,
    root,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE_WIDTH = 7.0
"""Inches of a page's two columns."""
LETTERS = 7.0
"""Points of the letters of axes."""
LONGEST_PERIOD = 1.3
"""Inches of a period's name."""
LONGEST_WORKLOAD = 2.0
"""Inches of a workload's name."""
NAME_SHARE = 0.3
"""Most of the picture's width that names of pools take."""
MOST_NAMED = 6
"""Workloads with a colour of their own."""
OTHERS = "#C8C8C8"
MOST_POOLS = 12
"""Pools with an area of their own."""
MOST_ROWS = 40
"""Pools of the heat map."""
NUMBERS = 6.0
"""Points of the numbers in the heat map, which has them where its cells are wide enough."""
MOST_SEPARATED = 72
"""Periods up to which cells of the heat map are set apart."""
STEPS = (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 96, 120, 168, 336)
"""Periods between two that are named on an axis: parts and multiples of a day."""
LINES: tuple[Any, ...] = ((0, (1, 1)), (0, (4, 1.5)), "-")
"""What is bought, by way of paying."""
LIMIT, LIMIT_LINE = GREY, (0, (7, 2, 1, 2))
NEAR = 1.25
"""Times the highest of a pool up to which its limit is drawn."""


def plot_use(
    path: str | Path,
    plan: FleetPlan,
    width: float = PAGE_WIDTH,
    accelerators: Sequence[str] = (),
) -> None:
    """Draw a heat map: the part of each pool's accelerators in use, period by period.

    Where a pool has no limit, the part of its own peak is drawn.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    plan : FleetPlan
        A plan that was found.
    width : float
        Inches; the size of letters does not change with it.
    accelerators : sequence of str
        That of each pool, named beside pools that are called otherwise.

    Raises
    ------
    InputError
        Where the file has another suffix, or there is no plan.
    OutputError
        Where it cannot be written.
    """
    _insist(path, plan)
    used = _used(plan, np.zeros(len(plan.workloads), dtype=np.int64), 1)[0]
    pools = _largest(used @ plan.hours, MOST_ROWS)
    used, peak = used[pools], used[pools].max(axis=1)
    limit = np.where(np.isfinite(plan.supply[pools]), plan.supply[pools], peak)
    share = 100.0 * used / np.where(limit > 0, limit, 1.0)[:, None]
    with figure(path, width, 0.24 * len(pools) + 1.15) as axes:
        cells = axes.imshow(share, aspect="auto", cmap="YlGnBu", vmin=0, vmax=100)
        called = _called(plan, accelerators)
        names = [
            _fitted(called[p], f", {_size(plan, p, most)}", NAME_SHARE * width, LETTERS)
            for p, most in zip(pools.tolist(), peak, strict=True)
        ]
        axes.set_yticks(range(len(pools)), names)
        room = width - 1.2 - max(breadth(name, LETTERS) for name in names)
        _name_periods(axes, plan.periods, room, 0.0)
        _separate(axes, share.shape)
        if room / share.shape[1] >= breadth("100", NUMBERS) + 0.03:
            _write_numbers(axes, share)
        axes.set_xlabel("period")
        root(axes).colorbar(cells, ax=axes, label="% of GPUs in use", pad=0.02, fraction=0.04)
        put_title(axes, f"GPUs in use, {plan.fleet}", _left_out(len(pools), len(plan.pools)))


def plot_workloads(
    path: str | Path,
    plan: FleetPlan,
    width: float = PAGE_WIDTH,
    accelerators: Sequence[str] = (),
) -> None:
    """Draw, for each pool, which workloads occupy how many accelerators, and what is bought.

    Parameters
    ----------
    path : str or Path
        File to write, ending in .svg, .png or .pdf.
    plan : FleetPlan
        A plan that was found.
    width : float
        Inches; the size of letters does not change with it.
    accelerators : sequence of str
        That of each pool, named beside pools that are called otherwise.

    Raises
    ------
    InputError
        Where the file has another suffix, or there is no plan.
    OutputError
        Where it cannot be written.
    """
    _insist(path, plan)
    labels, groups, colours = _grouped(plan)
    used = _used(plan, groups, len(labels))
    weight = used.sum(axis=0) @ plan.hours
    taken = weight > 0
    taken[plan.purchases.pool[plan.purchases.gpus > 0]] = True
    pools = np.intersect1d(_largest(np.where(taken, weight, -1.0), MOST_POOLS), *taken.nonzero())
    columns = 1 if len(pools) <= 3 else 2
    rows = max(1, math.ceil(len(pools) / columns))
    called = _called(plan, accelerators)
    with figure(path, width, 1.35 * rows + 0.75) as axes:
        unused = [called[p] for p in np.flatnonzero(~taken).tolist()]
        notes = (_left_out(len(pools), int(taken.sum())), f"unused: {', '.join(unused)}")
        put_title(axes, f"GPUs by workload, {plan.fleet}", *notes[: 1 + bool(unused)])
        if not len(pools):
            axes.set_axis_off()
            axes.text(0.5, 0.5, "no GPUs", ha="center", va="center")
            return
        whole = root(axes)
        axes.remove()
        grid = whole.subplots(rows, columns, sharex=True, squeeze=False)
        limited = False
        for place, pool in zip(grid.flat, pools.tolist(), strict=False):
            limited |= _area(place, plan, pool, used[:, pool], colours)
            supply = plan.supply[pool]
            size = f", {supply:,.0f} GPUs" if math.isfinite(supply) else ""
            name = _fitted(called[pool], size, width / columns - 0.6, LETTERS)
            place.set_title(name, loc="left", fontsize=LETTERS)
        for place in list(grid.flat)[len(pools) :]:
            place.remove()
        for column in range(columns):
            last = grid[(len(pools) - 1 - column) // columns][column]
            _name_periods(last, plan.periods, width / columns - 0.7, 0.5)
            last.tick_params(labelbottom=True)
            last.set_xlabel("period")
        markets = np.unique(plan.purchases.market[plan.purchases.gpus > 0]).tolist()
        put_legend(whole, _marks(labels, colours, markets, limited))


def _insist(path: str | Path, plan: FleetPlan) -> None:
    if not plan.found:
        raise InputError(
            Problem(expected="a plan that was found", found=plan.status, file=str(path))
        )


def _used(plan: FleetPlan, groups: Ints, count: int) -> Floats:
    """Return the accelerators that groups of workloads occupy: (groups, pools, periods)."""
    rows, shape = plan.replicas, (count, len(plan.pools), len(plan.periods))
    used = np.zeros(shape)
    np.add.at(used, (groups[rows.workload], rows.pool, rows.period), rows.gpus)
    return used


def _largest(weight: Floats, most: int) -> Ints:
    """Return the places of the largest values, in the order in which they stand."""
    return np.sort(np.argsort(-weight, kind="stable")[:most])


def _left_out(shown: int, pools: int) -> str:
    return f"the {shown} most used of {pools} pools" if shown < pools else ""


def _called(plan: FleetPlan, accelerators: Sequence[str]) -> list[str]:
    """Return what pools are called: name and, where it is another word, the accelerator."""
    known = accelerators or plan.pools
    return [
        name if name == accelerator else f"{name} ({accelerator})"
        for name, accelerator in zip(plan.pools, known, strict=True)
    ]


def _fitted(name: str, rest: str, inches: float, size: float) -> str:
    """Return a name and what follows it; where room is short, the name is cut."""
    return shortened(name, inches - breadth(rest, size), size) + rest


def _size(plan: FleetPlan, pool: int, peak: float) -> str:
    supply = plan.supply[pool]
    if math.isfinite(supply):
        return f"of {supply:,.0f}"
    return f"of peak {peak:,.0f}" if peak else "unused"


def _name_periods(axes: Axes, names: Sequence[str], room: float, offset: float) -> None:
    """Name as many periods as there is room for, at regular distances."""
    letters = [shortened(name, min(LONGEST_PERIOD, room), LETTERS) for name in names]
    each = max(breadth(text, LETTERS) for text in letters) + 0.12
    fits = max(1, int(room / each))
    steps = (step for step in STEPS if math.ceil(len(names) / step) <= fits)
    step = next(steps, math.ceil(len(names) / fits))
    places = range(0, len(names), step)
    axes.set_xticks([place + offset for place in places], [letters[place] for place in places])


def _separate(axes: Axes, shape: tuple[int, ...]) -> None:
    """Put white lines between rows, and between columns where they are wide enough."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_yticks(np.arange(1, shape[0]) - 0.5, minor=True)
    if shape[1] <= MOST_SEPARATED:
        axes.set_xticks(np.arange(1, shape[1]) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    axes.tick_params(axis="y", length=0)


def _write_numbers(axes: Axes, share: Floats) -> None:
    for (row, column), value in np.ndenumerate(share):
        colour = "white" if value > 62 else "black"
        text = f"{value:.0f}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=NUMBERS)


def _grouped(plan: FleetPlan) -> tuple[list[str], Ints, list[str]]:
    """Return names, group of each workload and colours: the largest ones, and all others."""
    rows = plan.replicas
    weight = np.zeros(len(plan.workloads))
    np.add.at(weight, rows.workload, rows.gpus * plan.hours[rows.period])
    named = len(weight) if len(weight) <= MOST_NAMED + 1 else MOST_NAMED
    order = np.argsort(-weight, kind="stable")
    groups = np.full(len(weight), named)
    groups[order[:named]] = np.arange(named)
    labels = [
        shortened(plan.workloads[w], LONGEST_WORKLOAD, LEGEND_SIZE) for w in order[:named].tolist()
    ]
    colours = list(COLOURS[:named])
    if named < len(weight):
        labels.append(f"{len(weight) - named:,} others")
        colours.append(OTHERS)
    return labels, groups, colours


def _steps(values: Floats) -> Floats:
    """Repeat the last value, so that the last period has a width too."""
    return np.concatenate([values, values[..., -1:]], axis=-1)


def _area(axes: Axes, plan: FleetPlan, pool: int, used: Floats, colours: list[str]) -> bool:
    """Draw one pool, and say whether its limit is drawn: only where it is near."""
    edges = np.arange(len(plan.periods) + 1)
    thin = 0.3 if len(edges) <= 60 else 0.0
    axes.stackplot(
        edges, _steps(used), colors=colours, step="post", edgecolor="white", linewidth=thin
    )
    top = used.sum(axis=0).max()
    for market, bought in _bought(plan, pool):
        axes.step(edges, _steps(bought), where="post", color="black", lw=0.9, ls=LINES[market])
        top = max(top, bought.max())
    supply = plan.supply[pool]
    near = bool(supply <= NEAR * top)
    if near:
        axes.axhline(supply, color=LIMIT, lw=1.0, ls=LIMIT_LINE)
        top = max(top, supply)
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(0, max(top, 1.0) * 1.06)
    axes.set_ylabel("GPUs")
    axes.locator_params(axis="y", nbins=5, integer=True)
    return near


def _bought(plan: FleetPlan, pool: int) -> Iterator[tuple[int, Floats]]:
    """Yield what is bought in a pool through the periods, one way of paying on top of the other."""
    table = plan.purchases
    total = np.zeros(len(plan.periods))
    for market in range(len(MARKETS)):
        mine = (table.pool == pool) & (table.market == market)
        if mine.any():
            always = mine & (table.period < 0)
            total = total + table.gpus[always].sum()
            np.add.at(total, table.period[mine & ~always], table.gpus[mine & ~always])
            yield market, total


def _marks(
    labels: list[str], colours: list[str], markets: list[int], limited: bool
) -> list[tuple[Any, str]]:
    """Return what the legend explains: colours, and the lines that occur."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    pairs = zip(labels, colours, strict=True)
    marks: list[tuple[Any, str]] = [(Patch(color=colour), label) for label, colour in pairs]
    for market in markets:
        line = Line2D([], [], color="black", lw=0.9, ls=LINES[market])
        word = "bought" if market == markets[0] else "with"
        marks.append((line, f"{word} {MARKETS[market].replace('-', ' ')}"))
    if limited:
        marks.append((Line2D([], [], color=LIMIT, lw=1.0, ls=LIMIT_LINE), "all there are"))
    return marks
