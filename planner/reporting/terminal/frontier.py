"""Frontiers on the terminal: a few points of each, or what each value of a field gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from planner.analysis.frontier import Frontier
from planner.analysis.parameter_sweep import Over
from planner.plans.plan import Plan
from planner.reporting.terminal.plan import show_plan

Answer = Frontier | Over | Plan
"""What one instance is answered with: a plan where it could not be asked."""
POINT = (("tok/s", "$/Mtok", "GPUs"), "deployment")
"""Columns of a point: numbers, then what runs."""


def plans_of(one: Answer) -> Iterator[Plan]:
    """Yield the points of an answer, or the plans that say why there are none."""
    for answer in one.answers if isinstance(one, Over) else (one,):
        yield from (answer,) if isinstance(answer, Plan) else answer.plans()


def show_frontiers(found: Iterable[Answer], console: Console) -> None:
    """Print a few points of every frontier, or the best plan at every value."""
    for one in found:
        if isinstance(one, Over):
            console.print(_values_table(one))
        elif isinstance(one, Frontier) and one.nothing is not None:
            show_plan(one.nothing, console)
        elif isinstance(one, Frontier):
            console.print(_points_table(one))


def _points_table(found: Frontier) -> Table:
    """Tell the points that answer the usual questions, by rising speed."""
    instance, first, last = found.instance, found.points[0], found.points[-1]
    target = instance.workload.tokens_per_second_per_request
    ceiling = instance.dollars_per_million_tokens_at_most
    names: dict[str, Plan | None] = {"cheapest": first}
    if target is not None:
        names[f"cheapest at {target:g} tok/s"] = found.cheapest_at(target)
    if ceiling is not None:
        names[f"fastest at ${ceiling:g}/Mtok"] = found.fastest_at(ceiling)
    names |= {"knee": found.knee, "fastest": last}
    if instance.speed_exponent is not None:
        names[f"preferred (speed^{instance.speed_exponent:g}/$)"] = found.preferred()
    title = f"{_title(found)}: {len(found.points):,} points of {found.evaluated:,} deployments"
    table = _table(title, "", *POINT)
    for name, point in names.items():
        table.add_row(name, *_cells(point))
    return table


def _title(one: Frontier | Over) -> str:
    """Return what a table is about: an instance, or a workload of a fleet."""
    name = next(plans_of(one)).instance
    fronts = [one] if isinstance(one, Frontier) else one.answers
    alone = next((each.instance.name for each in fronts if isinstance(each, Frontier)), name)
    # A point is called by its instance or fleet, a question of a workload by the workload.
    return name if alone == name else f"{name}, {alone}"


def _values_table(found: Over) -> Table:
    """Tell the best plan at every value, or how far its frontier reaches."""
    plans = list(plans_of(found))
    title, first = f"{_title(found)} over {found.field}", found.field.rpartition(".")[2]
    if any(plan.found and not plan.label for plan in plans):
        return _costs_table(found, title, first)
    table = _table(title, first, *POINT)
    for value, one in zip(found.values, found.answers, strict=True):
        text = _value_text(value)
        if isinstance(one, Plan):
            table.add_row(text, *_cells(one))
        elif one.points:
            table.add_row(f"{text}: cheapest", *_cells(one.points[0]))
            table.add_row(f"{text}: fastest", *_cells(one.points[-1]))
        else:
            table.add_row(text, *_cells(one.nothing))
    return table


def _costs_table(found: Over, title: str, first: str) -> Table:
    """Tell what a fleet's plan costs at every value."""
    plans = list(plans_of(found))
    traffic = plans[0].objective_name == "requests_per_second"
    table = _table(title, first, ("requests/s" if traffic else "$/h", "gap"), "status")
    for value, plan in zip(found.values, plans, strict=True):
        if plan.found:
            text = f"{plan.objective:,.2f}"
            table.add_row(_value_text(value), text, f"{plan.gap:.2g}", plan.status)
        else:
            table.add_row(_value_text(value), "", "", f"{plan.status}: {plan.message}")
    return table


def _value_text(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, int | float) else str(value)


def _table(title: str, first: str, numbers: Iterable[str], last: str) -> Table:
    """Return a table of words, numbers and words."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    table.add_column(last)
    return table


def _cells(point: Plan | None) -> tuple[str, str, str, str]:
    if point is None:
        return ("", "", "", "none")
    if not point.found:
        return ("", "", "", f"{point.status}: {point.message}")
    return (
        f"{point.tokens_per_second_per_request:,.1f}",
        f"{point.dollars_per_million_tokens:,.3f}",
        f"{point.gpus_per_replica}",
        f"{point.pool} {point.label}",
    )
