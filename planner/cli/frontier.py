"""The command `frontier`: every deployment worth considering, as CSV, JSON and a picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.cli.app import EXIT_CODES, app, exit_code, say
from planner.cli.solve import search_progress

if TYPE_CHECKING:
    from planner.analysis.frontier import Frontier
    from planner.analysis.parameter_sweep import Over
    from planner.batch.tasks import Task
    from planner.candidates.shortlist_cache import ShortlistCache
    from planner.plans.plan import Plan
    from planner.problem.fleet import Fleet
    from planner.problem.instance import Instance

    Answer = Frontier | Over | Plan
    """What one instance is answered with: a plan where it could not be asked."""

EXAMPLES = (
    "Example: planner frontier instances/llama-70b-chat --csv frontier.csv --plot frontier.svg",
    "planner frontier h100.yaml b200.yaml --plot both.svg --speed-exponent 3",
    "planner frontier chat.yaml --over workload.input_tokens=1k:64k:log:7 --csv lengths.csv",
    "planner frontier chat.yaml --over pools[0].gpus=8,16,32 --best --plot supply.svg",
)
NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)([kM]?)")
SCALES = {"": 1.0, "k": 1e3, "M": 1e6}


@app.command(epilog="\n\n".join([*EXAMPLES, EXIT_CODES]))
def frontier(
    instances: Annotated[
        list[str],
        typer.Argument(help="Instance files, folders of them, patterns, or files that sweep."),
    ],
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per point.")
    ] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the same as JSON.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw all in one picture (.svg, .png or .pdf)."),
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD=VALUES",
            help="Do so for each value of a field: a range from:to:steps or from:to:log:steps, or "
            "a list with commas.",
        ),
    ] = None,
    best: Annotated[
        bool, typer.Option("--best", help="With --over: the best plan for each value, alone.")
    ] = False,
    workload: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Of a fleet: this workload alone. May come again."),
    ] = None,
    speed_exponent: Annotated[
        float | None,
        typer.Option(
            metavar="A",
            help="Prefer the point of most speed^A per dollar, whatever the instance says.",
        ),
    ] = None,
    width: Annotated[
        float, typer.Option(min=2.0, max=20.0, metavar="INCHES", help="Width of the picture.")
    ] = 3.4,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no tables.")] = False,
) -> None:
    """Find every deployment that no other beats in both cost per token and speed.

    The target speed and the ceilings on cost do not limit the frontier; all other requirements do.
    """
    from planner.batch.tasks import Tasks, find_instances
    from planner.cli.outputs import check_places
    from planner.reporting.terminal.console import PlainConsole
    from planner.reporting.terminal.frontier import plans_of, show_frontiers

    field, values = _field_and_values(over, best)
    files = find_instances(instances)
    results = [path for path in (csv, json_, plot) if path is not None]
    check_places(results, (plot,), map(Path, files))
    tasks = list(Tasks(files))
    asked = Asked(field, values, best, speed_exponent, tuple(workload or ()))
    found = _answered(tasks, asked)
    if not quiet:
        show_frontiers(found, PlainConsole())
    _write(found, field, best, csv, json_)
    if plot is not None:
        _draw(found, plot, field, best, width)
    raise typer.Exit(exit_code(plan.status for one in found for plan in plans_of(one)))


def _field_and_values(over: str | None, best: bool) -> tuple[str, tuple[Any, ...]]:
    """Return what `--over` varies and its values; no field where nothing is varied."""
    from planner.errors import InputError, Problem
    from planner.io.field_path import located
    from planner.io.sweep_axes import is_whole, values

    if over is None:
        if best:
            raise InputError(
                Problem("--over beside it", field="--best", fix="`planner solve` finds one plan.")
            )
        return "", ()
    field, sign, text = over.partition("=")
    field, items = field.strip(), text.split(",")
    if not sign or not all(item.strip() for item in items):
        example = "FIELD=VALUES, such as workload.input_tokens=1k:64k:log:7 or pools[0].gpus=8,16"
        raise InputError(Problem(example, f"'{over}'", "--over"))
    located(field, {})
    whole = is_whole(field)
    if ":" in text and len(items) == 1:
        try:
            return field, values(text, whole=whole)
        except InputError as error:
            raise InputError(
                replace(one, field=f"--over {field}") for one in error.problems
            ) from None
    return field, tuple(dict.fromkeys(_value(item.strip()) for item in items))


def _value(text: str) -> Any:
    """Return a value as a file would hold it: a number, text, or nothing."""
    match = NUMBER.fullmatch(text)
    if match is None:
        return None if text == "null" else text
    # Rounded, since 1.1 times 1e3 is not 1100.
    number = float(f"{float(match[1]) * SCALES[match[2]]:.15g}")
    return int(number) if number.is_integer() else number


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of every instance."""

    field: str
    """Field that is varied; empty where none is."""
    values: tuple[Any, ...]
    best: bool
    exponent: float | None
    workloads: tuple[str, ...]


def _answered(tasks: Sequence[Task], asked: Asked) -> list[Answer]:
    """Answer every instance; a failure is told at once and kept as an answer without points."""
    from planner.batch.tasks import failure
    from planner.candidates.shortlist_cache import ShortlistCache
    from planner.errors import PlannerError
    from planner.plans.plan import Plan

    shortlists = ShortlistCache()
    found: list[Answer] = []
    for task in tasks:
        try:
            for one in _of_task(task, asked, shortlists):
                if isinstance(one, Plan):  # A workload that has no frontier.
                    say(f"{one.instance}, {one.workload}: {one.message}", err=True)
                found.append(_sourced(one, task.source))
        except PlannerError as error:
            say(str(error), err=True)
            found.append(failure(task, error))
    return found


def _of_task(task: Task, asked: Asked, shortlists: ShortlistCache) -> Iterator[Answer]:
    from planner.errors import InputError, Problem
    from planner.io.overrides import changed
    from planner.problem.fleet import Fleet

    instance = task.instance()
    if isinstance(instance, Fleet):
        yield from _of_fleet(instance, asked, shortlists)
        return
    if asked.workloads:
        raise InputError(
            Problem("a fleet of several workloads", "one workload", "--workload", "Leave it out.")
        )
    if asked.exponent is not None:
        instance = changed(instance, {"speed_exponent": asked.exponent})
    with search_progress(instance, max(1, len(asked.values))) as advance:
        yield _answer(instance, asked, shortlists, advance)


def _of_fleet(fleet: Fleet, asked: Asked, shortlists: ShortlistCache) -> Iterator[Answer]:
    """Answer for each workload of a fleet, or where only the best is asked for, for the whole."""
    from planner.analysis.fleet.frontiers import best_over, frontiers, frontiers_over
    from planner.cli.fleet_options import progress_line

    with progress_line(fleet.name) as tell:
        if asked.best:
            yield best_over(fleet, asked.field, asked.values, tell)
        elif asked.field:
            yield from frontiers_over(
                fleet, asked.field, asked.values, asked.workloads, shortlists=shortlists
            )
        else:
            yield from frontiers(
                fleet, asked.workloads, speed_exponent=asked.exponent, shortlists=shortlists
            )


def _answer(
    instance: Instance,
    asked: Asked,
    shortlists: ShortlistCache,
    advance: Callable[[int], None] | None,
) -> Frontier | Over:
    from planner.analysis.frontier import frontier as find
    from planner.analysis.parameter_sweep import over

    if not asked.field:
        return find(instance, shortlists=shortlists, progress=advance)
    return over(
        *(instance, asked.field, asked.values),
        best=asked.best,
        shortlists=shortlists,
        progress=advance,
    )


def _sourced(one: Answer, source: str) -> Answer:
    """Note in every plan which file it answers."""
    from planner.analysis.parameter_sweep import Over
    from planner.plans.plan import Plan

    if isinstance(one, Plan):
        return replace(one, source=source)
    if isinstance(one, Over):
        answers = tuple(_sourced(answer, source) for answer in one.answers)
        return replace(one, answers=answers)  # type: ignore[arg-type]
    nothing = one.nothing and replace(one.nothing, source=source)
    points = tuple(replace(point, source=source) for point in one.points)
    return replace(one, points=points, nothing=nothing)


def _rows(one: Answer) -> list[dict[str, Any]]:
    from planner.plans.plan import Plan

    return [one.to_row()] if isinstance(one, Plan) else one.rows()


def _write(
    found: Sequence[Answer], field: str, best: bool, csv: Path | None, json_: Path | None
) -> None:
    """Write the rows of all instances, in their order."""
    from planner.analysis.frontier import COLUMNS
    from planner.analysis.parameter_sweep import columns
    from planner.io.output import write_json, write_rows

    names = columns(field, best) if field else COLUMNS
    rows = [{name: row.get(name) for name in names} for one in found for row in _rows(one)]
    if csv is not None:
        write_rows(rows, names, csv)
    if json_ is not None:
        write_json(rows, json_)


def _draw(found: Sequence[Answer], path: Path, field: str, best: bool, width: float) -> None:
    from planner.analysis.frontier import Frontier
    from planner.analysis.parameter_sweep import Over
    from planner.reporting.plots.frontier import (
        frontier_lines,
        over_lines,
        plot_best,
        plot_frontiers,
    )
    from planner.reporting.terminal.frontier import plans_of

    if not any(plan.found for one in found for plan in plans_of(one)):
        say(f"{path}: not drawn, since there is no point to draw.", err=True)
        return
    overs = [one for one in found if isinstance(one, Over) and any(p.found for p in plans_of(one))]
    if best:
        plot_best(path, overs, width)
        return
    single = frontier_lines([one for one in found if isinstance(one, Frontier)])
    plot_frontiers(path, over_lines(overs) if field else single, field, width)
