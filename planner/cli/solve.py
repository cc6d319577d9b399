"""The command `solve`: instances in, plans on the screen and in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from planner.cli.app import EXIT_CODES, app, exit_code, instance_files

if TYPE_CHECKING:
    from planner.batch.tasks import Task
    from planner.plans.plan import Plan
    from planner.problem.instance import Instance

LONG_SEARCH = 2_000_000
"""Deployments from which a search is long enough for a progress bar."""


@app.command(epilog=f"Example: planner solve instances/llama-70b-chat --csv plan.csv. {EXIT_CODES}")
def solve(
    instances: Annotated[list[Path], typer.Argument(help="Instance files (YAML or JSON).")],
    csv: Annotated[Path | None, typer.Option(help="Write the plans as CSV.")] = None,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the plans as JSON.")] = None,
    solver: Annotated[
        Literal["highs", "scip", "exhaustive"] | None,
        typer.Option(help="Use this solver, whatever the instance says."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no plans.")] = False,
) -> None:
    """Solve instances and show each plan with its proof."""
    from planner.batch.tasks import Tasks

    if csv is not None:
        from planner.batch.results_csv import refuse_unfinished

        refuse_unfinished(csv)
    plans = []
    for task in Tasks(instance_files(instances)):
        plan = _solve_one(task, solver)
        plans.append(plan)
        _show(plan, quiet)
    _write(plans, csv, json_)
    raise typer.Exit(exit_code(plan.status for plan in plans))


def _solve_one(task: Task, solver: str | None) -> Plan:
    """Solve one instance; a failure is told at once and kept as a plan without a deployment."""
    from planner.api import solve as solve_instance
    from planner.batch.tasks import failure
    from planner.errors import PlannerError

    try:
        instance = task.instance()
        if solver is not None:
            chosen = instance.solver.model_copy(update={"name": solver})
            instance = instance.model_copy(update={"solver": chosen})
        with search_progress(instance) as advance:
            return replace(solve_instance(instance, advance), source=task.source)
    except PlannerError as error:
        typer.echo(str(error), err=True)
        return failure(task, error)


@contextmanager
def search_progress(instance: Instance, times: int = 1) -> Iterator[Callable[[int], None] | None]:
    """Show how far a search is, or several as long; a short one needs no bar."""
    from planner.candidates.table import count
    from planner.problem.resolve import resolve

    total = times * count(resolve(instance))
    if total < LONG_SEARCH:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{total:,} deployments of {instance.name}", total=total)
        yield lambda done: bar.update(task, completed=done)


def _show(plan: Plan, quiet: bool) -> None:
    from rich.console import Console

    from planner.reporting.terminal.plan import show_plan

    if plan.status not in ("input_error", "error") and not (quiet and plan.found):
        show_plan(plan, Console(stderr=quiet))


def _write(plans: list[Plan], csv: Path | None, json_: Path | None) -> None:
    from planner.io.output import write_json
    from planner.plans.plan import write_csv

    if csv is not None:
        write_csv(plans, csv)
    if json_ is not None:
        rows = [plan.to_row() for plan in plans]
        content: Any = rows[0] if len(rows) == 1 else rows
        write_json(content, json_)
