"""The command line: solve, batch, check, estimate, catalogue, schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from planner.version import __version__

if TYPE_CHECKING:
    from planner.instance import Instance
    from planner.plan import Plan

WRONG_INPUT, NOT_SOLVED, INFEASIBLE = 2, 1, 3
LONG_SEARCH = 2_000_000
"""Deployments from which a search is long enough for a progress bar."""
EXIT_CODES = (
    "Exit code 0: all solved; 2: wrong input; 3: infeasible; 1: not solved in time, or an error."
)

app = typer.Typer(
    help="Find the cheapest way to serve a language model that is still fast enough.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"inference-planner {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find the cheapest way to serve a language model that is still fast enough."""


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
    plans = []
    for path in _instance_files(instances):
        plan = _solve_one(path, solver)
        plans.append(plan)
        _show(plan, quiet)
    _write(plans, csv, json_)
    raise typer.Exit(_exit_code(plans))


def _instance_files(paths: list[Path]) -> list[Path]:
    """Let a folder with an instance file stand for that file."""
    found = []
    for path in paths:
        homes = [path / f"instance{suffix}" for suffix in (".yaml", ".yml", ".json")]
        found.append(next((home for home in homes if home.is_file()), path))
    return found


def _solve_one(path: Path, solver: str | None) -> Plan:
    """Solve one file; a failure is told at once and kept as a plan without a deployment."""
    from planner.api import solve as solve_instance
    from planner.batch import failure
    from planner.errors import PlannerError
    from planner.reading import read_instance

    try:
        instance = read_instance(path)
        if solver is not None:
            chosen = instance.solver.model_copy(update={"name": solver})
            instance = instance.model_copy(update={"solver": chosen})
        with _progress(instance) as advance:
            return solve_instance(instance, advance)
    except PlannerError as error:
        typer.echo(str(error), err=True)
        return failure(str(path), error)


@contextmanager
def _progress(instance: Instance) -> Iterator[Callable[[int], None] | None]:
    """Show how far a long search is; a short one needs no bar."""
    from planner.candidates import count
    from planner.question import ask

    total = count(ask(instance))
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

    from planner.screen import show_plan

    if plan.status not in ("input_error", "error") and not (quiet and plan.found):
        show_plan(plan, Console(stderr=quiet))


def _write(plans: list[Plan], csv: Path | None, json_: Path | None) -> None:
    from planner.plan import write_csv, write_text

    if csv is not None:
        write_csv(plans, csv)
    if json_ is not None:
        rows = [plan.to_row() for plan in plans]
        content: Any = rows[0] if len(rows) == 1 else rows
        write_text(json_, json.dumps(content, indent=2, allow_nan=False) + "\n")


def _exit_code(plans: list[Plan]) -> int:
    statuses = {plan.status for plan in plans}
    if "input_error" in statuses:
        return WRONG_INPUT
    if statuses & {"error", "no_solution_in_time"}:
        return NOT_SOLVED
    return INFEASIBLE if "infeasible" in statuses else 0


@app.command(epilog=f"Example: planner batch instances --csv plans.csv. {EXIT_CODES}")
def batch(
    paths: Annotated[list[Path], typer.Argument(help="Instance files, or folders of them.")],
    csv: Annotated[Path, typer.Option(help="Write one row per instance.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Solve many instances into one CSV; a failure becomes a row and stops nothing."""
    from rich.console import Console
    from rich.progress import Progress

    from planner.batch import find_instances, solve_many
    from planner.plan import COLUMNS, csv_lines, header, open_result
    from planner.screen import show_failures

    files = find_instances(paths)
    console = Console(stderr=True, quiet=quiet)
    plans = []
    with open_result(csv) as result, Progress(console=console, disable=quiet) as progress:
        result.write(header())
        for plan in progress.track(solve_many(files), total=len(files), description="solving"):
            result.write(csv_lines([plan.to_row()], COLUMNS))
            result.flush()
            plans.append(plan)
    show_failures(plans, console)
    solved = sum(plan.found for plan in plans)
    console.print(f"{solved} of {len(plans)} solved; plans in {csv}")
    raise typer.Exit(_exit_code(plans))


@app.command(epilog="Example: planner check plan.csv instances/llama-70b-chat/instance.yaml")
def check(
    plan: Annotated[Path, typer.Argument(help="CSV of plans.")],
    instances: Annotated[list[Path], typer.Argument(help="The instances they answer.")],
) -> None:
    """Recompute plans from their rows and the instances alone; exit code 1 if any is wrong."""
    from planner.check import check_file
    from planner.reading import read_instance

    wrong = 0
    for name, findings in check_file(plan, map(read_instance, _instance_files(instances))):
        wrong += bool(findings)
        typer.echo(f"{name}: {'holds' if not findings else 'does not hold'}")
        for finding in findings:
            typer.echo(f"  {finding}", err=True)
    raise typer.Exit(NOT_SOLVED if wrong else 0)


@app.command(epilog="Example: planner estimate deployments.csv --csv times.csv")
def estimate(
    deployments: Annotated[Path, typer.Argument(help="CSV, one deployment per row.")],
    csv: Annotated[Path | None, typer.Option(help="Write the estimates as CSV.")] = None,
) -> None:
    """Time given deployments: columns transformer, accelerator, tensor_parallel, batch and more."""
    from planner.estimating import estimate as time_all
    from planner.estimating import read_deployments
    from planner.plan import csv_lines, header, write_text

    table = time_all(read_deployments(deployments))
    columns = [str(name) for name in table.columns]
    rows = [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
    text = header(columns) + csv_lines(rows, columns)
    if csv is None:
        typer.echo(text, nl=False)
    else:
        write_text(csv, text)


@app.command(name="catalogue", epilog="Example: planner catalogue h100-sxm")
def catalogue_(
    name: Annotated[
        str, typer.Argument(help="accelerators, transformers, profiles, or the name of one.")
    ] = "all",
) -> None:
    """List what the catalogue holds, or show one entry with its sources."""
    from rich.console import Console

    from planner.shelves import show

    show(name, Console())


@app.command(
    name="import-model", epilog="Example: planner import-model config.json > my-model.yaml"
)
def import_model(
    config: Annotated[Path, typer.Argument(help="A Hugging Face config.json.")],
    name: Annotated[str | None, typer.Option(help="Slug of the entry.")] = None,
) -> None:
    """Describe a transformer from its config.json as a file of the catalogue."""
    from dataclasses import replace
    from datetime import date

    from planner.catalogue.huggingface import read_config
    from planner.catalogue.writing import as_yaml

    read = replace(read_config(config), date=date.today().isoformat())
    typer.echo(as_yaml(read, name), nl=False)


@app.command(epilog="Example: planner schema > instance.schema.json")
def schema() -> None:
    """Print the JSON Schema of instance files."""
    from planner.instance import Instance

    typer.echo(json.dumps(Instance.model_json_schema(by_alias=True), indent=2))


def main() -> None:
    """Run the command line; what the user can mend is one message, never a traceback."""
    from planner.errors import InputError, MissingExtraError, OutputError, PlannerError

    try:
        app()
    except (InputError, MissingExtraError, OutputError) as error:
        typer.echo(str(error), err=True)
        sys.exit(WRONG_INPUT)
    except PlannerError as error:
        typer.echo(str(error), err=True)
        sys.exit(NOT_SOLVED)


if __name__ == "__main__":
    main()
