"""The command `frontier`: every deployment worth considering, as CSV, JSON and a picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.cli.app import EXIT_CODES, app, exit_code, say
from planner.cli.solve import search_progress

if TYPE_CHECKING:
    from rich.table import Table

    from planner.analysis.frontier import Frontier
    from planner.analysis.parameter_sweep import Over
    from planner.batch.tasks import Task
    from planner.candidates.shortlist_cache import ShortlistCache
    from planner.plans.plan import Plan
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

    field, values = _field_and_values(over, best)
    files = find_instances(instances)
    results = [path for path in (csv, json_, plot) if path is not None]
    check_places(results, (plot,), map(Path, files))
    tasks = list(Tasks(files))
    found = _answered(tasks, field, values, best, speed_exponent)
    if not quiet:
        _show(found)
    _write(found, field, best, csv, json_)
    if plot is not None:
        _draw(found, plot, field, best, width)
    raise typer.Exit(exit_code(plan.status for one in found for plan in _plans(one)))


def _field_and_values(over: str | None, best: bool) -> tuple[str, tuple[Any, ...]]:
    """Return what `--over` varies and its values; no field where nothing is varied."""
    from planner.errors import InputError, Problem
    from planner.io.sweep_axes import is_whole, located, values

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
    whole = is_whole(located(field))
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


def _answered(
    tasks: Sequence[Task],
    field: str,
    values: tuple[Any, ...],
    best: bool,
    exponent: float | None,
) -> list[Answer]:
    """Answer every instance; a failure is told at once and kept as an answer without points."""
    from planner.batch.tasks import failure
    from planner.candidates.shortlist_cache import ShortlistCache
    from planner.errors import PlannerError

    shortlists = ShortlistCache()
    found: list[Answer] = []
    for task in tasks:
        try:
            instance = _instance(task, exponent)
            with search_progress(instance, max(1, len(values))) as advance:
                one = _answer(instance, field, values, best, shortlists, advance)
            found.append(_sourced(one, task.source))
        except PlannerError as error:
            say(str(error), err=True)
            found.append(failure(task, error))
    return found


def _instance(task: Task, exponent: float | None) -> Instance:
    from planner.io.overrides import changed

    instance = task.one_deployment()
    return instance if exponent is None else changed(instance, {"speed_exponent": exponent})


def _answer(
    instance: Instance,
    field: str,
    values: tuple[Any, ...],
    best: bool,
    shortlists: ShortlistCache,
    advance: Callable[[int], None] | None,
) -> Frontier | Over:
    from planner.analysis.frontier import frontier as find
    from planner.analysis.parameter_sweep import over

    if not field:
        return find(instance, shortlists=shortlists, progress=advance)
    return over(instance, field, values, best=best, shortlists=shortlists, progress=advance)


def _sourced(one: Frontier | Over, source: str) -> Frontier | Over:
    """Note in every plan which file it answers."""
    from planner.analysis.parameter_sweep import Over
    from planner.plans.plan import Plan

    if isinstance(one, Over):
        answers = (
            replace(a, source=source) if isinstance(a, Plan) else _sourced(a, source)
            for a in one.answers
        )
        return replace(one, answers=tuple(answers))  # type: ignore[arg-type]
    nothing = one.nothing and replace(one.nothing, source=source)
    points = tuple(replace(point, source=source) for point in one.points)
    return replace(one, points=points, nothing=nothing)


def _plans(one: Answer) -> Iterator[Plan]:
    from planner.analysis.parameter_sweep import Over
    from planner.plans.plan import Plan

    for answer in one.answers if isinstance(one, Over) else (one,):
        yield from (answer,) if isinstance(answer, Plan) else answer.plans()


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

    if not any(plan.found for one in found for plan in _plans(one)):
        say(f"{path}: not drawn, since there is no point to draw.", err=True)
        return
    overs = [one for one in found if isinstance(one, Over) and any(p.found for p in _plans(one))]
    if best:
        plot_best(path, overs, width)
        return
    single = frontier_lines([one for one in found if isinstance(one, Frontier)])
    plot_frontiers(path, over_lines(overs) if field else single, field, width)


def _show(found: Sequence[Answer]) -> None:
    """Print a few points of every frontier, or the best plan at every value."""
    from planner.analysis.frontier import Frontier
    from planner.analysis.parameter_sweep import Over
    from planner.reporting.terminal.console import PlainConsole
    from planner.reporting.terminal.plan import show_plan

    console = PlainConsole()
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
    title = f"{first.instance}: {len(found.points):,} points of {found.evaluated:,} deployments"
    table = _table(title, "")
    for name, point in names.items():
        table.add_row(name, *_cells(point))
    return table


def _values_table(found: Over) -> Table:
    """Tell the best plan at every value, or how far its frontier reaches."""
    from planner.plans.plan import Plan

    name = next(_plans(found)).instance
    table = _table(f"{name} over {found.field}", found.field.rpartition(".")[2])
    for value, one in zip(found.values, found.answers, strict=True):
        text = f"{value:,.6g}" if isinstance(value, int | float) else str(value)
        if isinstance(one, Plan):
            table.add_row(text, *_cells(one))
        elif one.points:
            table.add_row(f"{text}: cheapest", *_cells(one.points[0]))
            table.add_row(f"{text}: fastest", *_cells(one.points[-1]))
        else:
            table.add_row(text, *_cells(one.nothing))
    return table


def _table(title: str, first: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(first)
    for name in ("tok/s", "$/Mtok", "GPUs"):
        table.add_column(name, justify="right")
    table.add_column("deployment")
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
