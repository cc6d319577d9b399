"""The command `launch`: a plan in, what is typed to run it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from planner.cli.app import INFEASIBLE, WRONG_INPUT, app, say

if TYPE_CHECKING:
    from planner.launch.of_plan import Jobs
    from planner.problem.fleet import Fleet
    from planner.problem.instance import Instance

EXAMPLES = (
    "Example: planner launch instances/qwen3-235b-vllm",
    "planner launch instances/llama-70b-chat --engine sglang > run.sh",
    "planner launch plan.csv instances/llama-70b-chat",
)


@app.command(epilog="\n\n".join(EXAMPLES))
def launch(
    subject: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="An instance, which is solved, or a plan: its CSV, or the folder that `planner "
            "solve --folder` wrote.",
        ),
    ],
    instance: Annotated[
        Path | None,
        typer.Argument(help="What the plan answers: it knows how long requests are."),
    ] = None,
    engine: Annotated[
        Literal["vllm", "sglang", "tensorrt-llm"] | None,
        typer.Option(help="Use this engine, whatever the instance says. Default: vllm."),
    ] = None,
) -> None:
    """Print the commands that run a plan, one for each kind of replica, for a shell.

    Flags are those of the release that is named above each command. What an engine cannot express
    is refused with the reason.
    """
    from planner.errors import InputError
    from planner.launch.launch import script

    jobs = _jobs(subject, instance, engine)
    if jobs is None:
        raise typer.Exit(INFEASIBLE)
    refused = 0
    for number, one in enumerate(jobs):
        try:
            text = script([one])
        except InputError as error:  # The others can be started all the same.
            say(str(error), err=True)
            refused += 1
            continue
        typer.echo(text if number == refused else f"\n{text}")
    raise typer.Exit(WRONG_INPUT if refused else 0)


def _jobs(subject: Path, instance: Path | None, engine: str | None) -> Jobs | None:
    """Return what is to be started; nothing where there is no plan."""
    from planner.io.instance_file import read_instance
    from planner.io.text_file import file_of
    from planner.launch.of_plan import jobs_of_file
    from planner.plans.folder import PLAN_FILE

    file = file_of(subject)
    plan = file / PLAN_FILE
    if file.suffix == ".csv" or plan.is_file():
        asked = [] if instance is None else [read_instance(instance)]
        return jobs_of_file(plan if plan.is_file() else file, asked, engine)
    if instance is not None:
        from planner.errors import InputError, Problem

        fix = "Name the plan first, or the instance alone."
        raise InputError(Problem("a plan before the instance", str(subject), fix=fix))
    return _solved(read_instance(subject), engine)


def _solved(asked: Instance | Fleet, engine: str | None) -> Jobs | None:
    """Solve an instance, and return what its plan starts."""
    from planner.api import solve_fleet, solve_one
    from planner.launch.of_plan import jobs_of_fleet, jobs_of_plan
    from planner.problem.fleet import Fleet

    if isinstance(asked, Fleet):
        fleet_plan = solve_fleet(asked)
        if fleet_plan.found:
            return jobs_of_fleet(fleet_plan, asked, engine)
        say(f"{asked.name}: {fleet_plan.status}: {fleet_plan.message}", err=True)
        return None
    plan = solve_one(asked)
    if plan.found:
        return jobs_of_plan(plan, asked, engine)
    say(f"{asked.name}: {plan.status}: {plan.message}", err=True)
    return None
