"""Answers to what-if questions on the terminal."""

from __future__ import annotations

import math

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from planner.analysis.fleet.guarantees import Guarantees
from planner.analysis.fleet.robustness import PriceOfRobustness
from planner.analysis.fleet.stress_test import Headrooms, Stress
from planner.reporting.terminal.fleet_plan import plain_table

Answer = Guarantees | Stress | Headrooms | PriceOfRobustness


def show_answer(found: Answer, console: Console) -> None:
    """Print the answer to a what-if question.

    Parameters
    ----------
    found : Guarantees, Stress, Headrooms or PriceOfRobustness
        The answer.
    console : Console
        Where to.
    """
    if isinstance(found, Guarantees):
        console.print(_guarantees(found))
    elif isinstance(found, Stress):
        console.print(_stress(found))
    elif isinstance(found, Headrooms):
        console.print(_headrooms(found))
    else:
        console.print(_robustness(found))


def _guarantees(found: Guarantees) -> RenderableType:
    if not found.rows:
        return Text(found.text)
    # Statuses are told where they say something.
    proved = all(row.status == "optimal" for row in found.rows)
    table = plain_table(
        f"{found.fleet}: what guarantees cost",
        ("guarantee", False),
        ("dollars", True),
        ("at least", True),
        ("at most", True),
        ("of the\nplan", True),
        *(() if proved else (("plan\nwithout", False),)),
        ("what is guaranteed", False),
    )
    for row in found.rows:
        table.add_row(
            Text(row.name),
            *map(_dollars, (row.dollars, row.least, row.most)),
            _percent(row.part),
            *(() if proved else (row.status,)),
            Text(row.detail),
        )
    return table


def _stress(found: Stress) -> Table:
    table = plain_table(
        f"{found.fleet}: what its plan serves of higher demand",
        ("demand", True),
        ("of all\nrequests", True),
        ("workloads and\nperiods in full", True),
        ("least", True),
        ("of", False),
        ("in period", False),
    )
    rows = zip(found.factors, found.served, found.fully, found.least, found.worst, strict=True)
    for factor, served, fully, least, (workload, period) in rows:
        parts = map(_percent, (served, fully, least))
        table.add_row(f"x {factor:g}", *parts, Text(workload), Text(period))
    return table


def _headrooms(found: Headrooms) -> Table:
    table = plain_table(
        f"{found.fleet}: what head-room serves of {found.factor:g} times the demand",
        ("head-room", True),
        ("plan", False),
        ("$/h", True),
        ("of all\nrequests", True),
        ("workloads and\nperiods in full", True),
        ("least", True),
    )
    for row in found.rows:
        parts = map(_percent, (row.served, row.fully_served, row.least_served))
        table.add_row(
            f"{100 * row.headroom:.3g}%", row.status, _dollars(row.dollars_per_hour), *parts
        )
    return table


def _robustness(found: PriceOfRobustness) -> Table:
    table = plain_table(
        f"{found.fleet}: workloads that may rise by {found.rise:.0%} at once",
        ("workloads", True),
        ("plan", False),
        ("dollars", True),
        ("dearer", True),
        ("at least", True),
        ("at most", True),
    )
    for row in found.rows:
        parts = map(_percent, (row.price, row.least, row.most))
        table.add_row(str(row.workloads), row.status, _dollars(row.objective), *parts)
    return table


def _dollars(amount: float) -> str:
    return "" if math.isnan(amount) else f"${amount:,.2f}"


def _percent(part: float) -> str:
    return "" if math.isnan(part) else f"{part:.1%}"
