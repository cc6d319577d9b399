"""Charts of a fleet's plan: use of every pool, who occupies it, and what each workload gets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from planner.plans.fleet_plan import FleetPlan, Floats, Ints
from planner.reporting import number_format
from planner.reporting.html.svg import LETTER, Scale, Size, drawn, line, path
from planner.reporting.html.svg import tag as element
from planner.reporting.html.svg import text as words

FILLS = ("arithmetic", "memory", "network", "latency", "stall")
"""Patterns of workloads that have one of their own."""
OTHERS = "others"
MOST_POOLS = 12
MOST_WRITTEN = 24
"""Periods up to which cells of the heat map have numbers."""
DARK = 0.55
"""Part from which a cell is so dark that its number is light."""
CELL, CELL_NARROW = 24.0, 20.0
LONGEST = 26
"""Letters of a name beside a chart."""
AREA = Size(340, 200, 46, 10, 26, 42, narrow=False), Size(340, 200, 46, 10, 26, 42, narrow=True)
SERVED = Size(720, 190, 62, 24, 26, 42, narrow=False), Size(340, 190, 48, 14, 26, 42, narrow=True)


@dataclass(frozen=True, slots=True)
class Groups:
    """Workloads by the pattern that stands for them: the largest ones, and all others."""

    names: tuple[str, ...]
    fills: tuple[str, ...]
    of: Ints
    """(W,) index of each workload's group."""


def groups_of(plan: FleetPlan) -> Groups:
    """Return the workloads with most GPU-hours, each with a pattern, and the others."""
    rows = plan.replicas
    weight = np.bincount(
        rows.workload, rows.gpus * plan.hours[rows.period], minlength=len(plan.workloads)
    )
    named = len(weight) if len(weight) <= len(FILLS) else len(FILLS)
    order = np.argsort(-weight, kind="stable")
    of = np.full(len(weight), named)
    of[order[:named]] = np.arange(named)
    names = [plan.workloads[w] for w in order[:named].tolist()]
    fills = list(FILLS[:named])
    if named < len(weight):
        names.append(f"{len(weight) - named:,} others")
        fills.append(OTHERS)
    return Groups(tuple(names), tuple(fills), of)


def used_by(plan: FleetPlan, groups: Groups) -> Floats:
    """Return the accelerators that groups occupy: (groups, pools, periods)."""
    rows = plan.replicas
    used = np.zeros((len(groups.names), len(plan.pools), len(plan.periods)))
    np.add.at(used, (groups.of[rows.workload], rows.pool, rows.period), rows.gpus)
    return used


def use_map(plan: FleetPlan) -> str:
    """Draw a heat map: the part of each pool's accelerators in use, period by period."""
    used = used_by(plan, Groups(("all",), ("",), np.zeros(len(plan.workloads), dtype=np.int64)))[0]
    pools = _most_used(used @ plan.hours)
    busiest = int((used @ plan.hours).argmax())
    said = (
        f"Accelerators in use of {len(pools)} pools in {len(plan.periods):,} periods; most in "
        f"{plan.pools[busiest]}, with {used[busiest].max():,.0f} at the peak."
    )
    sizes = tuple(
        Size(width, 54 + cell * len(pools), left, 10, 14, 40, narrow=narrow)
        for width, left, cell, narrow in (
            (720.0, 210.0, CELL, False),
            (340.0, 112.0, CELL_NARROW, True),
        )
    )
    return drawn(lambda size: _cells(plan, used, pools, size), said, sizes)


def _most_used(weight: Floats) -> Ints:
    """Return the places of the largest values, in the order in which they stand."""
    return np.sort(np.argsort(-weight, kind="stable")[:MOST_POOLS])


def _cells(plan: FleetPlan, used: Floats, pools: Ints, size: Size) -> Markup:
    left, right, top, bottom = size.inner
    x = Scale(0, len(plan.periods), left, right, log=False)
    height = (bottom - top) / len(pools)
    room = int(left / (LETTER * 0.85))
    found = []
    for row, pool in enumerate(pools.tolist()):
        y = top + row * height
        name = _short(plan.pools[pool], room)
        found.append(words(left - 6, y + height / 2 + 4, name, "tick", "end"))
        found += [_cell(plan, used[pool], (pool, t), (x, y, height)) for t in range(int(x.high))]
    found.append(_periods(plan.periods, x, bottom))
    found.append(words((left + right) / 2, size.height - 6, "period", "name", "middle"))
    return Markup("").join(found)


def _cell(
    plan: FleetPlan, used: Floats, at: tuple[int, int], place: tuple[Scale, float, float]
) -> Markup:
    """Draw how full one pool is in one period."""
    (pool, t), (x, y, height) = at, place
    limited = math.isfinite(plan.supply[pool])
    there = float(plan.supply[pool] if limited else used.max())
    part = float(used[t]) / there if there > 0 else 0.0
    told = (
        f"{plan.pools[pool]}, {plan.periods[t]}\n{used[t]:,.0f} of {there:,.0f} GPUs in use"
        f"{'' if limited else ' (of its own peak)'}: {number_format.share(part)}"
    )
    start, width = x.at(t), x.at(t + 1) - x.at(t)
    drawing = element(
        "rect",
        element("title", told),
        x=start,
        y=y,
        width=max(width - 1.0, 0.5),
        height=height - 1.0,
        class_="pt heat",
        fill_opacity=round(0.06 + 0.94 * part, 3),
    )
    if len(plan.periods) > MOST_WRITTEN or width < 3 * LETTER:
        return drawing
    kind = "over-dark" if part > DARK else "on-light"
    number = f"{100 * part:.0f}"
    return drawing + words(start + width / 2, y + height / 2 + 4, number, kind, "middle")


def _short(name: str, room: int = LONGEST) -> str:
    return name if len(name) <= room else f"{name[: max(room - 1, 1)]}…"


def _periods(names: Sequence[str], x: Scale, bottom: float) -> Markup:
    """Name as many periods as there is room for."""
    each = LETTER * (max(len(_short(name, 12)) for name in names) + 1)
    fits = max(1, int((x.end - x.start) / each))
    step = math.ceil(len(names) / fits)
    return Markup("").join(
        words(x.at(t + 0.5), bottom + 16, _short(names[t], 12), "tick", "middle")
        for t in range(0, len(names), step)
    )


def areas(plan: FleetPlan, groups: Groups) -> list[tuple[str, str]]:
    """Return, for each of the pools used most, its name and who occupies it through the periods."""
    used = used_by(plan, groups)
    pools = _most_used(used.sum(axis=0) @ plan.hours)
    return [
        (_pool_title(plan, pool), _area(plan, groups, pool, used[:, pool]))
        for pool in pools.tolist()
        if used[:, pool].any()
    ]


def _pool_title(plan: FleetPlan, pool: int) -> str:
    supply = plan.supply[pool]
    there = f"{supply:,.0f} GPUs" if math.isfinite(supply) else "no limit"
    return f"{plan.pools[pool]}, {there}"


def _area(plan: FleetPlan, groups: Groups, pool: int, used: Floats) -> str:
    total = used.sum(axis=0)
    said = f"{plan.pools[pool]}: {total.min():,.0f} to {total.max():,.0f} GPUs in use."
    return drawn(lambda size: _bars(plan, groups, used, size), said, AREA)


def _bars(plan: FleetPlan, groups: Groups, used: Floats, size: Size) -> Markup:
    left, right, top, bottom = size.inner
    x = Scale(0, len(plan.periods), left, right, log=False)
    y = Scale(0, max(float(used.sum(axis=0).max()), 1.0) * 1.05, bottom, top, log=False)
    found = [_height(y, left, right)]
    for t, period in enumerate(plan.periods):
        base = 0.0
        for group, gpus in enumerate(used[:, t].tolist()):
            if gpus <= 0:
                continue
            found.append(
                element(
                    "rect",
                    element("title", f"{groups.names[group]}, {period}\n{gpus:,.0f} GPUs"),
                    x=x.at(t),
                    y=y.at(base + gpus),
                    width=max(
                        x.at(t + 1) - x.at(t) - (0.5 if len(plan.periods) < 60 else 0.0), 0.5
                    ),
                    height=y.at(base) - y.at(base + gpus),
                    class_=f"pt seg fill-{groups.fills[group]}",
                )
            )
            base += gpus
    found.append(line((left, bottom), (right, bottom), "axis"))
    found.append(_periods(plan.periods, x, bottom))
    found.append(words(4, 14, "GPUs", "name"))
    found.append(words((left + right) / 2, size.height - 6, "period", "name", "middle"))
    return Markup("").join(found)


def _height(y: Scale, left: float, right: float) -> Markup:
    """Draw the grid and numbers of a vertical axis."""
    return Markup("").join(
        line((left, y.at(value)), (right, y.at(value)), "grid")
        + words(left - 7, y.at(value) + 4, number_format.plain(value), "tick", "end")
        for value in y.ticks(5)
    )


def service_chart(plan: FleetPlan, workload: int) -> str:
    """Draw what a workload asks for and what its replicas can serve, period by period."""
    demand, capacity = plan.service.demand[workload], plan.service.capacity[workload]
    said = (
        f"{plan.workloads[workload]}: demand up to {demand.max():,.4g} requests/s, capacity up to "
        f"{capacity.max():,.4g}."
    )
    return drawn(lambda size: _service(plan, workload, size), said, SERVED)


def _service(plan: FleetPlan, workload: int, size: Size) -> Markup:
    left, right, top, bottom = size.inner
    demand, capacity = plan.service.demand[workload], plan.service.capacity[workload]
    shed = plan.service.shed[workload]
    x = Scale(0, len(plan.periods), left, right, log=False)
    highest = max(float(demand.max()), float(capacity.max()), 1e-12)
    y = Scale(0, highest * 1.08, bottom, top, log=False)
    found = [_height(y, left, right)]
    for t, period in enumerate(plan.periods):
        told = (
            f"{period}\n{demand[t]:,.4g} requests/s asked for\n{capacity[t]:,.4g} can be served"
            + (f"\n{shed[t]:,.4g} refused" if shed[t] > 0 else "")
        )
        found.append(
            element(
                "rect",
                element("title", told),
                x=x.at(t),
                y=y.at(float(demand[t])),
                width=max(x.at(t + 1) - x.at(t) - 0.5, 0.5),
                height=y.at(0.0) - y.at(float(demand[t])),
                class_="pt seg fill-lower",
            )
        )
    steps = [
        (x.at(edge), y.at(float(value)))
        for t, value in enumerate(capacity.tolist())
        for edge in (t, t + 1)
    ]
    found.append(path(steps, "capacity"))
    found.append(line((left, bottom), (right, bottom), "axis"))
    found.append(_periods(plan.periods, x, bottom))
    found.append(words(4, 14, "requests/s", "name"))
    found.append(words((left + right) / 2, size.height - 6, "period", "name", "middle"))
    return Markup("").join(found)
