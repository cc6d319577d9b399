"""The command `solve`: instances in, plans on the screen and in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from planner.cli.app import EXIT_CODES, app, exit_code, say
from planner.cli.fleet_options import Gap, How, Method, TimeLimit

if TYPE_CHECKING:
    from planner.batch.tasks import Task
    from planner.candidates.shortlist_cache import ShortlistCache
    from planner.cli.fleet_plans import Results
    from planner.plans.plan import Plan
    from planner.problem.instance import Instance

LONG_SEARCH = 2_000_000
"""Deployments from which a search is long enough for a progress bar."""


EXAMPLES = (
    "Example: planner solve instances/llama-70b-chat --csv plan.csv",
    "planner solve instances/day --folder plan --plot use.svg --stack areas.svg",
    "planner solve instances/* --folder plans",
)


@app.command(epilog="\n\n".join([*EXAMPLES, EXIT_CODES]))
def solve(
    instances: Annotated[
        list[Path],
        typer.Argument(
            help="Instance files (YAML or JSON), or folders with instance.yaml or llm-inferno's "
            "files."
        ),
    ],
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the plans as CSV; - prints only that."),
    ] = None,
    json_: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the plans as JSON; - prints only that."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write plan.csv, purchases.csv, service.csv and summary.json here; of several "
            "instances, in one folder each.",
        ),
    ] = None,
    purchases: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what is bought as CSV.")
    ] = None,
    service: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what each workload gets as CSV.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw how full the pools are (.svg, .png or .pdf)."),
    ] = None,
    stack: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw which workloads occupy each pool."),
    ] = None,
    solver: Annotated[
        Literal["highs", "scip", "exhaustive"] | None,
        typer.Option(help="Use this solver, whatever the instance says."),
    ] = None,
    method: Method = None,
    gap: Gap = None,
    time_limit: TimeLimit = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no plans.")] = False,
) -> None:
    """Solve instances and show each plan with its proof.

    One deployment of one workload in one period is answered by formulation D, everything else as
    a fleet by F or G. Each plan has a bound that no plan can beat, and has passed an independent
    checker.
    """
    from planner.batch.tasks import Tasks
    from planner.cli.fleet_plans import Results, answer, wanted
    from planner.io.instance_file import asks_fleet
    from planner.io.output import STDOUT
    from planner.plans.folder import write_plans

    instances = _files(instances)
    fleets = [path for path in instances if asks_fleet(path)]
    results = Results(csv, purchases, service, plot, stack, folder)
    _insist(instances, fleets, results, json_)
    asked = wanted(instances, fleets, results)
    quiet = quiet or STDOUT in {str(csv), str(json_)}
    how, statuses, plans = How(method, gap, time_limit), [], []
    for one in asked:
        if one.path in fleets:
            statuses.append(answer(one, results, how, quiet))
            continue
        found = [_answered(task, solver, how, quiet) for task in Tasks([one.path])]
        if one.home is not None:
            write_plans(found, one.home)
        plans += found
        statuses += [plan.status for plan in found]
    _write(plans, None if fleets else csv, json_)
    raise typer.Exit(exit_code(statuses))


def _insist(
    instances: list[Path], fleets: list[Path], results: Results, json_: Path | None
) -> None:
    """Refuse results that cannot be written, or not for such instances, before solving."""
    from planner.errors import InputError, Problem

    if fleets and len(instances) > 1 and results.single():
        fix = "With several instances, some of many workloads or periods, use --folder."
        raise InputError(
            Problem("one instance beside it", f"{len(instances)}", option, fix)
            for option in results.single()
        )
    if fleets and json_ is not None:
        fix = "Use --folder, which writes summary.json, or --csv."
        raise InputError(Problem("instances of one deployment", "others", "--json", fix))
    if not fleets:
        fix = "Use --csv or --json: the plan of one deployment is one row."
        wrong = [option for option in results.single() if option != "--csv"]
        if wrong:
            found = "one deployment of one workload in one period"
            raise InputError(Problem("a fleet", found, option, fix) for option in wrong)
        _check_csv(instances, results.csv, json_)


def _check_csv(instances: list[Path], csv: Path | None, json_: Path | None) -> None:
    from planner.batch.results_csv import refuse_unfinished
    from planner.cli.outputs import check_places

    check_places([path for path in (csv, json_) if path is not None], (), instances)
    if csv is not None:
        refuse_unfinished(csv)


def _files(paths: list[Path]) -> list[Path]:
    """Return the instance files that paths stand for; a folder without one stands for all in it."""
    from planner.batch.tasks import find_instances
    from planner.io.instance_file import asks_fleet
    from planner.io.text_file import file_of

    found: list[Path] = []
    for path in map(file_of, paths):
        several = path.is_dir() and not asks_fleet(path)
        found += map(Path, find_instances([path])) if several else [path]
    return found


def _answered(task: Task, solver: str | None, how: How, quiet: bool) -> Plan:
    """Solve one instance and show its plan."""
    from planner.candidates.shortlist_cache import ShortlistCache

    shortlists = ShortlistCache()
    plan = _solve_one(task, solver, how, shortlists)
    _show(plan, quiet, "" if quiet else _command(task, plan))
    if not quiet:
        _show_more_kinds(task, plan, shortlists)
    return plan


def _solve_one(task: Task, solver: str | None, how: How, shortlists: ShortlistCache) -> Plan:
    """Solve one instance; a failure is told at once and kept as a plan without a deployment."""
    from planner.api import solve as solve_instance
    from planner.batch.tasks import failure
    from planner.errors import PlannerError
    from planner.problem.instance import Instance

    try:
        instance = task.instance()
        assert isinstance(instance, Instance)  # Of fleets, all points are.
        said = how.said() | ({} if solver is None else {"name": solver})
        chosen = instance.solver.model_copy(update=said)
        instance = instance.model_copy(update={"solver": chosen})
        with search_progress(instance) as advance:
            plan = solve_instance(instance, advance, shortlists)
        return replace(plan, source=task.source)
    except PlannerError as error:
        say(str(error), err=True)
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
    from planner.reporting.terminal.console import progress_bar

    with progress_bar() as bar:
        task = bar.add_task(f"{total:,} deployments of {instance.name}", total=total)
        yield lambda done: bar.update(task, completed=done)


def _command(task: Task, plan: Plan) -> str:
    """Return the command that runs a plan, or why there is none."""
    from planner.errors import InputError
    from planner.launch.launch import command_of
    from planner.launch.of_plan import jobs_of_plan
    from planner.problem.instance import Instance
    from planner.reporting.terminal.plan import INSIDE

    instance = task.instance() if plan.found else None
    if not isinstance(instance, Instance):
        return ""
    try:
        (job, engine), *_ = jobs_of_plan(plan, instance)
        return command_of(job, engine).text(INSIDE)
    except InputError as error:
        return "".join(f"{p.expected}: not this one, {p.found}." for p in error.problems)


def _show(plan: Plan, quiet: bool, command: str) -> None:
    from planner.reporting.terminal.console import PlainConsole
    from planner.reporting.terminal.plan import show_plan

    if plan.status not in ("input_error", "error") and not (quiet and plan.found):
        show_plan(plan, PlainConsole(stderr=quiet), command)


def _show_more_kinds(task: Task, plan: Plan, shortlists: ShortlistCache) -> None:
    """Say what several kinds of deployments side by side would save."""
    from planner.analysis.more_kinds import mixed_plan
    from planner.cli.fleet_plans import more_kinds_line
    from planner.errors import PlannerError
    from planner.problem.instance import Instance

    instance = task.instance() if plan.found else None
    if not isinstance(instance, Instance):
        return
    try:
        mixed = mixed_plan(instance, plan, shortlists)
    except PlannerError as error:  # The plan stands: this is said beside it.
        say(f"What several kinds of deployments would cost is not known: {error}", err=True)
        return
    if mixed is not None:
        say(more_kinds_line(mixed.dollars_per_hour, plan.dollars_per_hour or 0.0))


def _write(plans: list[Plan], csv: Path | None, json_: Path | None) -> None:
    from planner.io.output import write_json
    from planner.plans.plan import write_csv

    if csv is not None:
        write_csv(plans, csv)
    if json_ is not None:
        rows = [plan.to_row() for plan in plans]
        content: Any = rows[0] if len(rows) == 1 else rows
        write_json(content, json_)
