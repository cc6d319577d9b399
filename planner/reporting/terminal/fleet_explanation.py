"""Explanations of fleets on the terminal: a short table per question."""

from __future__ import annotations

import math

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from planner.analysis.fleet.break_even import PoolPrice
from planner.analysis.fleet.explain import FleetExplanation
from planner.analysis.fleet.guarantees import Guarantees
from planner.analysis.fleet.workload_detail import WorkloadDetail
from planner.reporting.number_format import per_cent
from planner.reporting.terminal.explanation import deployment_table, time_table
from planner.reporting.terminal.fleet_plan import plain_table
from planner.reporting.terminal.fleet_what_if import show_answer


def show_section(found: FleetExplanation, section: str, console: Console) -> None:
    """Print one section of an explanation; nothing is wider than 80 columns.

    Parameters
    ----------
    found : FleetExplanation
        One with a plan.
    section : str
        Name of its field.
    console : Console
        Where it goes.
    """
    if section == "guarantees":
        plan = found.plan
        costs = Guarantees(plan.fleet, plan.status, plan.objective, plan.gap, found.guarantees)
        show_answer(costs, console)
        return
    tables = {"full_pools": _full, "refused": _refused, "workloads": _details, "prices": _prices}
    for part in tables[section](found):
        console.print(part)


def _full(found: FleetExplanation) -> list[RenderableType]:
    if not found.full_pools:
        return [Text("No pool is full: more accelerators would save nothing.")]
    table = plain_table(
        "Pools that are full",
        ("pool", False),
        ("there\nare", True),
        ("in\nperiods", True),
        ("one more\nsaves", True),
        ("where most", False),
    )
    for one in found.full_pools:
        worth = "" if math.isnan(one.shadow_price) else f"${one.shadow_price:,.2f}/h"
        there = f"{one.gpus:,.0f}" if math.isfinite(one.gpus) else "no limit"
        table.add_row(Text(one.pool), there, f"{one.periods:,}", worth, Text(one.period))
    note = "`one more saves`: what a GPU is worth at the margin; a whole replica may need several."
    return [table, Text(note, style="dim")]


def _refused(found: FleetExplanation) -> list[RenderableType]:
    if not found.refused:
        return [Text("No request is refused.")]
    table = plain_table(
        "Requests that are refused",
        ("workload", False),
        ("priority", True),
        ("requests", True),
        ("of all", True),
        ("most in", False),
    )
    for one in found.refused:
        most = Text(f"{one.period}: {one.requests_per_second:,.4g} requests/s")
        row = str(one.priority), f"{one.requests:,.0f}", per_cent(one.part)
        table.add_row(Text(one.workload), *row, most)
    return [table]


def _prices(found: FleetExplanation) -> list[RenderableType]:
    table = plain_table(
        "Prices at which the choice changes",
        ("pool", False),
        ("paid", False),
        ("now", False),
        ("today", True),
        ("used up to", True),
        ("plan\nwithout it", True),
    )
    for one in found.prices:
        without = "" if math.isnan(one.without) else f"${one.without:,.2f}/h"
        today = f"${one.dollars_per_gpu_hour:,.2f}" if one.dollars_per_gpu_hour else "nothing"
        used = "used" if one.used else ""
        table.add_row(Text(one.pool), one.market, used, today, _limit(one), without)
    note = "Each price alone changes. `any price`: no plan does without it."
    return [table, Text(note, style="dim")]


def _limit(one: PoolPrice) -> str:
    if math.isnan(one.break_even):
        return "not known" if one.used else "not sought"
    if math.isinf(one.break_even):
        return "any price"
    least = "at least " if one.at_least else ""
    return "no price" if one.break_even <= 0 else f"{least}${one.break_even:,.2f}"


def _details(found: FleetExplanation) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for one in found.workloads:
        parts += [Text(), *_detail(one)]
    return parts or [Text("None of its deployments is one that the planner draws up.")]


def _detail(one: WorkloadDetail) -> list[RenderableType]:
    plan = one.deployment
    title = (
        f"{one.workload}: {one.label}, {one.gpu_hours:,.0f} GPU-hours, "
        f"{plan.tokens_per_second_per_request:,.1f} tok/s, "
        f"${plan.dollars_per_million_tokens:,.3f}/Mtok when busy"
    )
    near: Table = deployment_table(plan, one.runner_ups)
    return [
        Text(title, style="bold"),
        Text("Where the time of a token goes", style="bold underline"),
        time_table(plan, one.time),
        Text("The best deployments that differ, busy", style="bold underline"),
        near,
    ]
