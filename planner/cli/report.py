"""The command `report`: one page about an instance or about many plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from planner.cli.app import EXIT_CODES, app, exit_code

PLANS = ".csv"
EXAMPLES = (
    "Example: planner report instances/llama-70b-chat -o report.html",
    "planner report plans.csv -o plans.html --title 'All services'",
)


@app.command(epilog="\n\n".join([*EXAMPLES, EXIT_CODES]))
def report(
    subject: Annotated[
        Path,
        typer.Argument(
            metavar="INSTANCE|PLANS.csv",
            help="Instance file (YAML or JSON), or a CSV of plans.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write the page here (.html).")
    ],
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Heading. Default: the instance's name.")
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Date to print. Default: none, so that pages compare."),
    ] = None,
) -> None:
    """Write one self-contained page: the answer, why, what else could run, and what it rests on.

    It opens in any browser, prints, and loads nothing from the network.
    """
    from planner.cli.fleet_plans import fleet_plan
    from planner.cli.outputs import check_places
    from planner.io.output import write_text
    from planner.reporting.html.page import report_of_plans, written, written_fleet
    from planner.reporting.html.report_data import gathered

    check_places([output], (), [subject])
    if subject.suffix.lower() == PLANS:
        write_text(output, report_of_plans(subject, title=title, date=date))
        return
    from planner.io.instance_file import asks_fleet, read_instance
    from planner.io.text_file import file_of

    file = file_of(subject)
    if asks_fleet(file):
        *_, plan = fleet_plan(file)
        write_text(output, written_fleet(plan, title=title, date=date, source=str(subject)))
        raise typer.Exit(exit_code([plan.status]))
    from planner.problem.instance import Instance

    instance = read_instance(file)
    assert isinstance(instance, Instance)
    with _progress(instance.name) as tell:
        found = gathered(instance, tell)
    write_text(output, written(found, title=title, date=date, source=str(subject)))
    raise typer.Exit(exit_code([found.plan.status]))


@contextmanager
def _progress(name: str) -> Iterator[Callable[[float], None]]:
    """Show how far the work is; only a terminal sees it."""
    from planner.reporting.terminal.console import progress_bar

    with progress_bar() as bar:
        task = bar.add_task(f"Explaining {name}", total=1.0)
        yield lambda done: bar.update(task, completed=done)
