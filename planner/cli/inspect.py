"""The commands `check`, `estimate`, `catalogue`, `import-model` and `schema`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.app import NOT_SOLVED, WRONG_INPUT, app, say

if TYPE_CHECKING:
    import pandas as pd

    from planner.problem.instance import Instance


@app.command(
    epilog="Example: planner check plan.csv instances/llama-70b-chat/instance.yaml\n\n"
    "planner check plan instances/day"
)
def check(
    plan: Annotated[
        Path,
        typer.Argument(
            help="CSV of plans, or the folder that `planner solve --folder` wrote; of a fleet, "
            "that folder."
        ),
    ],
    instances: Annotated[list[Path], typer.Argument(help="The instances, or fleet, they answer.")],
) -> None:
    """Recompute plans from their rows and the instances alone; exit code 1 if any is wrong."""
    from planner.cli.fleet_plans import check_folder, folder_of
    from planner.io.instance_file import asks_fleet
    from planner.plans.folder import PLAN_FILE
    from planner.verification.check_plan import check_file

    folder = folder_of(plan)
    if folder is not None and any(map(asks_fleet, instances)):
        raise typer.Exit(NOT_SOLVED if check_folder(folder, instances) else 0)
    plan = plan / PLAN_FILE if plan.is_dir() else plan

    wrong = 0
    told: set[str] = set()
    unread: dict[str, str] = {}
    for name, findings in check_file(plan, _readable(instances, unread)):
        if name in unread:
            if name not in told:
                say(f"{name}: not checked{unread[name]}")
            told.add(name)
            continue
        wrong += bool(findings)
        say(f"{name}: {'holds' if not findings else 'does not hold'}")
        for finding in findings:
            say(f"  {finding}", err=True)
    raise typer.Exit(WRONG_INPUT if unread else NOT_SOLVED if wrong else 0)


ROWS_ALONE = (
    "; rows of a fleet alone do not say what is bought: `planner solve --folder` writes what can "
    "be checked"
)


def _readable(paths: list[Path], unread: dict[str, str]) -> Iterator[Instance]:
    """Yield the instances of files, every point of a sweep; note those that cannot be checked."""
    from planner.batch.tasks import Tasks
    from planner.errors import InputError
    from planner.io.text_file import file_of
    from planner.problem.instance import Instance

    for task in Tasks(list(map(file_of, paths))):
        try:
            found = task.instance()
        except InputError as error:
            say(str(error), err=True)
            unread[task.name()[0]] = ""
            continue
        if isinstance(found, Instance):
            yield found
        else:
            unread[found.name] = ROWS_ALONE


@app.command(
    epilog="Example: planner estimate deployments.csv --csv times.csv\n\n"
    "planner estimate instances/day --csv on-offer.csv"
)
def estimate(
    subject: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="CSV with one deployment per row, or an instance."),
    ],
    csv: Annotated[
        Path | None, typer.Option(help="Write the estimates as CSV. Default: print them.")
    ] = None,
) -> None:
    """Time given deployments, or list those on offer to an instance.

    Of a CSV: columns transformer, accelerator, tensor_parallel, batch and more; the times, memory
    and cost of each row. Of an instance: what the planner chooses from, as a table that the key
    `deployments` of an instance reads. Edit it, measure, and give it back.
    """
    from planner.cli.outputs import check_places
    from planner.io.output import write_rows
    from planner.io.text_file import SUFFIXES, file_of

    check_places([csv] if csv is not None else [], (), [subject])
    file = file_of(subject)
    table = _on_offer(file) if file.is_dir() or file.suffix in SUFFIXES else _timed(file)
    columns = [str(name) for name in table.columns]
    rows = [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
    text = write_rows(rows, columns, csv)
    if csv is None:
        typer.echo(text, nl=False)


def _timed(file: Path) -> pd.DataFrame:
    """Return the times of deployments that a CSV lists."""
    from planner.analysis.estimate import estimate as time_all
    from planner.analysis.estimate import read_deployments

    return time_all(read_deployments(file))


def _on_offer(file: Path) -> pd.DataFrame:
    """Return the deployments on offer to an instance."""
    from planner.analysis.on_offer import deployments_on_offer
    from planner.io.instance_file import read_instance

    return deployments_on_offer(read_instance(file))


@app.command(name="catalogue", epilog="Example: planner catalogue h100-sxm")
def catalogue_(
    name: Annotated[
        str, typer.Argument(help="accelerators, transformers, profiles, or the name of one.")
    ] = "all",
) -> None:
    """List what the catalogue holds, or show one entry with its sources."""
    from planner.reporting.terminal.catalogue import show
    from planner.reporting.terminal.console import PlainConsole

    show(name, PlainConsole())


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
    from planner.catalogue.to_yaml import as_yaml

    read = replace(read_config(config), date=date.today().isoformat())
    typer.echo(as_yaml(read, name), nl=False)


@app.command(epilog="Example: planner schema > instance.schema.json")
def schema() -> None:
    """Print the JSON Schema of instance files."""
    from planner.io.json_schema import instance_schema
    from planner.io.output import write_json

    typer.echo(write_json(instance_schema()), nl=False)
