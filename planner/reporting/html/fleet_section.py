"""The answer for a fleet in words, figures and tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.io.output import cell
from planner.plans.fleet_columns import CAPACITY_TYPES, MARKETS, market_word
from planner.plans.fleet_plan import FleetPlan, Floats, Ints
from planner.problem.tolerances import PROVED
from planner.reporting import number_format
from planner.reporting.html.plan_section import Figure
from planner.reporting.html.tables import Row, Table, table

MOST_WORKLOADS = 20
"""Workloads with a section of their own."""
MOST_ROWS = 40
"""Rows of a table; files have all."""
HOURS_PER_DAY = 24.0


@dataclass(frozen=True, slots=True)
class WorkloadSection:
    """What is told of one workload."""

    index: int
    name: str
    sentence: str
    deployments: Table


def headline(plan: FleetPlan) -> str:
    """Return the answer in a sentence that needs no glossary."""
    if not plan.found:
        return f"Not possible as asked: {plan.message}"
    gpus = _by_period(plan, plan.replicas.gpus)
    running = _by_period(plan, plan.replicas.replicas)
    workloads = "one workload" if len(plan.workloads) == 1 else f"{len(plan.workloads):,} workloads"
    cost = f"{number_format.dollars(plan.dollars_per_hour)} an hour"
    where = f"{workloads} on {_span(gpus)} GPUs in {_span(running)} replicas"
    if plan.traffic is None:
        return f"Run {where}: {cost}, {_proved(plan)}."
    most = f"{plan.traffic.requests_per_second:,.4g} requests a second"
    return f"Serve {most}: {where}, {cost}, {_proved(plan)}."


def _proved(plan: FleetPlan) -> str:
    gap = plan.gap if plan.traffic is None else plan.traffic.gap
    aim = "the cheapest possible" if plan.traffic is None else "the most possible"
    if math.isnan(gap):
        return "with nothing proved in the time allowed"
    if plan.status == "optimal" and gap <= PROVED:
        return f"proved {aim}"
    return f"proved to be within {number_format.share(gap)} of {aim}"


def _by_period(plan: FleetPlan, values: Ints) -> Floats:
    return np.bincount(plan.replicas.period, values, minlength=len(plan.periods)).astype(float)


def _span(values: Floats) -> str:
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    return f"{high:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"


def figures(plan: FleetPlan) -> list[Figure]:
    """Return the numbers that people ask for."""
    gpus = _by_period(plan, plan.replicas.gpus)
    demand, shed = plan.service.demand @ plan.hours, plan.service.shed @ plan.hours
    asked = float(demand.sum())
    served = 1.0 if asked == 0 else 1.0 - float(shed.sum()) / asked
    hours, peak = float(plan.hours.sum()), float(gpus.max(initial=0.0))
    per_hour, column = plan.dollars_per_hour, "dollars_per_hour"
    span, gpu_hours = f"horizon: {hours:,.6g} h", f"{float(gpus @ plan.hours):,.0f} GPU-hours"
    requests = f"of {asked * 3600.0:,.0f}"
    rows: tuple[tuple[str, Callable[[float], str], float, str, str], ...] = (
        ("Cost per hour", number_format.dollars, per_hour, "mean of the horizon", column),
        ("Cost per day", number_format.dollars, per_hour * HOURS_PER_DAY, span, column),
        ("GPUs at the peak", number_format.plain, peak, gpu_hours, "gpus"),
        ("Requests served", _nearly_all, served, requests, "shed"),
    )
    return [
        Figure(name, write(value), cell(value), note, column)
        for name, write, value, note, column in rows
    ]


def _nearly_all(part: float) -> str:
    """Write a part; what is not all is never written as all."""
    if 0.99 <= part < 1:
        return f"{100 * part:.2f}{number_format.SPACE}%"
    return number_format.share(part)


def workloads(plan: FleetPlan) -> Table:
    """Return what runs for each workload, those first that take most accelerators."""
    size = len(plan.workloads), len(plan.periods)
    rows = plan.replicas
    at = rows.workload * size[1] + rows.period
    gpus, running = (
        np.bincount(at, values, minlength=size[0] * size[1]).reshape(size)
        for values in (rows.gpus, rows.replicas)
    )
    order = np.argsort(-(gpus @ plan.hours), kind="stable")[:MOST_ROWS]
    told = []
    for w in order.tolist():
        use = plan.service.utilisation[w]
        busiest = float(np.nanmax(use)) if np.isfinite(use).any() else math.nan
        demand = float(plan.service.demand[w].max(initial=0.0))
        values = (
            None,
            demand,
            float(running[w].max()),
            float(gpus[w].max()),
            float(gpus[w] @ plan.hours),
            busiest,
        )
        told.append(
            Row(
                (
                    plan.workloads[w],
                    f"{demand:,.4g}",
                    _span(running[w]),
                    _span(gpus[w]),
                    f"{gpus[w] @ plan.hours:,.0f}",
                    "" if math.isnan(busiest) else number_format.share(busiest),
                ),
                values=values,
            )
        )
    columns = "Workload | Requests/s at peak | Replicas | GPUs | GPU-hours | Used at most"
    return table(
        _caption("Workloads", len(told), len(plan.workloads)),
        columns,
        told,
        range(1, 6),
        sortable=True,
    )


def _caption(what: str, shown: int, all_of_them: int) -> str:
    return what if shown == all_of_them else f"{what}: the {shown} largest of {all_of_them:,}"


def deployments(plan: FleetPlan, workload: int | None = None) -> Table:
    """Return the deployments that run, of one workload or of all, by their GPU-hours."""
    rows = plan.replicas
    mine = np.ones(len(rows), dtype=bool) if workload is None else rows.workload == workload
    key = np.stack([rows.workload, rows.label, rows.pool, rows.spot.astype(np.int64)])[:, mine]
    known, place = np.unique(key, axis=1, return_inverse=True)
    hours = rows.gpus[mine] * plan.hours[rows.period[mine]]
    weight = np.bincount(place, hours, minlength=known.shape[1])
    told = []
    for at in np.argsort(-weight, kind="stable")[:MOST_ROWS].tolist():
        w, label, pool, spot = known[:, at].tolist()
        counts = np.zeros(len(plan.periods))
        one = place == at
        counts[rows.period[mine][one]] = rows.replicas[mine][one]
        first = np.flatnonzero(mine)[one][0]
        where = f"{plan.pools[pool]}, {CAPACITY_TYPES[1]}" if spot else plan.pools[pool]
        name = () if workload is not None else (plan.workloads[w],)
        told.append(
            Row(
                (
                    *name,
                    rows.labels[label],
                    where,
                    _span(counts),
                    f"{weight[at]:,.0f}",
                    _time(rows.tpot_seconds[first]),
                    _time(rows.ttft_seconds[first]),
                )
            )
        )
    columns = "Deployment | In | Replicas | GPU-hours | Time per token | First token, idle replica"
    columns = columns if workload is not None else f"Workload | {columns}"
    start = 2 if workload is not None else 3
    caption = _caption("Deployments", len(told), known.shape[1])
    return table(caption, columns, told, range(start, start + 4))


def _time(value: float) -> str:
    return "" if math.isnan(value) else number_format.seconds(float(value))


def pools(plan: FleetPlan) -> Table:
    """Return what is bought in each pool, how much of it is used, and what one more would save."""
    bought = plan.purchases
    rows = plan.replicas
    used = np.zeros((len(plan.pools), len(plan.periods)))
    np.add.at(used, (rows.pool, rows.period), rows.gpus)
    dollars = np.bincount(bought.pool, bought.dollars, minlength=len(plan.pools))
    dollars = dollars + np.bincount(rows.pool, plan.own_dollars, minlength=len(plan.pools))
    worth = None
    if plan.prices is not None and plan.prices.pools.size and plan.traffic is None:
        worth = np.nan_to_num(plan.prices.pools).max(axis=1)
    told = []
    for p in np.argsort(-dollars, kind="stable")[:MOST_ROWS].tolist():
        supply = plan.supply[p]
        cells = (
            plan.pools[p],
            f"{supply:,.0f}" if math.isfinite(supply) else "no limit",
            _bought_in(plan, p),
            _span(used[p]),
            number_format.dollars(float(dollars[p])),
        )
        more = () if worth is None else (_saves(float(worth[p])),)
        told.append(Row((*cells, *more)))
    columns = "Pool | There are | Bought | In use | Cost over the horizon"
    columns += "" if worth is None else " | One more saves per hour, at most"
    numeric = (1, 3, 4, 5) if worth is not None else (1, 3, 4)
    return table(_caption("Pools", len(told), len(plan.pools)), columns, told, numeric)


def _saves(dollars: float) -> str:
    return number_format.dollars(dollars) if dollars >= 0.005 else ""


def _bought_in(plan: FleetPlan, pool: int) -> str:
    """Say how many accelerators are bought in each way of paying."""
    rows = plan.purchases
    told = []
    for market in range(len(MARKETS)):
        mine = (rows.pool == pool) & (rows.market == market)
        if not mine.any():
            continue
        if (rows.period[mine] < 0).all():
            amounts = rows.gpus[mine]
        else:
            amounts = np.zeros(len(plan.periods))
            amounts[rows.period[mine]] = rows.gpus[mine]
        told.append(f"{_span(amounts)} {market_word(market, rows.dollars[mine])}")
    return ", ".join(told) or "none"


def refused(plan: FleetPlan) -> Table | None:
    """Return whose requests are refused, most first; None where nobody's are."""
    seconds = plan.hours * 3600.0
    shed, asked = plan.service.shed @ seconds, plan.service.demand @ seconds
    order = [w for w in np.argsort(-shed, kind="stable").tolist() if shed[w] > 0][:MOST_ROWS]
    if not order:
        return None
    told = [
        Row(
            (
                plan.workloads[w],
                str(plan.service.priority[w]),
                f"{shed[w]:,.0f}",
                number_format.share(float(shed[w] / asked[w])),
                plan.periods[int(plan.service.shed[w].argmax())],
            )
        )
        for w in order
    ]
    columns = "Workload | Priority | Requests | Of all | Most in"
    return table("Refused requests", columns, told, (1, 2, 3), told=False)


def sections(plan: FleetPlan) -> list[WorkloadSection]:
    """Return a section for each of the largest workloads."""
    rows = plan.replicas
    hours = rows.gpus * plan.hours[rows.period]
    weight = np.bincount(rows.workload, hours, minlength=len(plan.workloads))
    order = np.argsort(-weight, kind="stable")[:MOST_WORKLOADS]
    return [
        WorkloadSection(w, plan.workloads[w], _sentence(plan, w), deployments(plan, w))
        for w in order.tolist()
    ]


def _sentence(plan: FleetPlan, w: int) -> str:
    """Say what a workload asks for, and how full its replicas are."""
    demand, use = plan.service.demand[w], plan.service.utilisation[w]
    asked = f"{demand.max(initial=0.0):,.4g} requests/s"
    if len(demand) > 1 and demand.min() < demand.max():
        asked = f"{demand.min():,.4g} to {asked}"
    if not np.isfinite(use).any():
        return f"Asks for {asked}; nothing runs."
    busiest = int(np.nanargmax(use))
    when = "" if len(demand) == 1 else f", most in {plan.periods[busiest]}"
    return (
        f"Asks for {asked}. Its replicas are {number_format.share(float(use[busiest]))} used{when}."
    )


def _without_a_solver(plan: FleetPlan) -> list[tuple[str, str]]:
    if math.isnan(plan.safe_bound):
        return []
    return [("Nor below, with no solver trusted", number_format.dollars(plan.safe_bound))]


def proof(plan: FleetPlan) -> Table:
    """Return what is proved, by whom, and of which question."""
    rows = [("Status", plan.status)]
    if plan.found and plan.traffic is not None:
        rows += [
            ("Requests/s", f"{plan.traffic.requests_per_second:.9g}"),
            ("No plan serves more than", f"{plan.traffic.bound:.9g} requests/s"),
        ]
    if plan.found:
        rows += [
            ("Cost over the horizon, refusals included", number_format.dollars(plan.objective)),
            ("No plan is below", number_format.dollars(plan.bound)),
            *_without_a_solver(plan),
            ("Gap", f"{plan.gap:.3g}"),
        ]
    if plan.solver:
        rows += [("Formulation", plan.method), ("Solver", plan.solver)]
    rows += [("Planner version", plan.planner_version), ("Instance digest", plan.fleet_digest)]
    return table("Proof", "What | Value", [Row(cells) for cells in rows], told=False)
