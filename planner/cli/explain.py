"""The command `explain`: why a plan is the answer, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.app import EXIT_CODES, app, exit_code, say

if TYPE_CHECKING:
    from planner.analysis.explanation.explain import Explanation
    from planner.analysis.fleet.explain import FleetExplanation
    from planner.problem.instance import Instance


EXAMPLES = (
    "Example: planner explain instances/llama-70b-chat --plot tornado.svg",
    "planner explain instances/day --workload chat",
)
DEFAULT_CHANGE = "10%"


def _part(text: str) -> float:
    """Read `10%` or `0.1`."""
    try:
        number = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        number = 0.0
    if not 0.0 < number < 1.0:
        raise typer.BadParameter("a part between 0 and 1, such as 10% or 0.1")
    return number


@app.command(epilog="\n\n".join([*EXAMPLES, EXIT_CODES]))
def explain(
    instance: Annotated[
        Path, typer.Argument(help="Instance file (YAML or JSON), or a folder with one.")
    ],
    json_: Annotated[
        Path | None, typer.Option("--json", help="Write everything as JSON; - prints only that.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every number as CSV.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the sensitivities of one deployment (.svg, .png or .pdf)."),
    ] = None,
    with_: Annotated[
        str,
        typer.Option(
            "--with", help="Of one deployment: other accelerators to compare, h200-sxm,b200-sxm."
        ),
    ] = "",
    by: Annotated[
        str | None,
        typer.Option(
            help="Of one deployment: how far assumptions are lowered and raised. Default: 10%."
        ),
    ] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of a fleet: where the time of this workload's deployments goes, and which come "
            "near, in place of what guarantees cost and where prices would change.",
        ),
    ] = None,
) -> None:
    """Explain a plan: what binds, what it costs, and what would change the choice.

    Of one deployment: where its time goes, the room under every requirement, runner-ups, prices
    and assumptions at which another is chosen. Of a fleet: pools that are full, requests that are
    refused, what guarantees cost, and prices at which a pool would be used or left. Where there is
    no plan, why, and the smallest changes that help.
    """
    from planner.cli.outputs import check_places
    from planner.io.instance_file import asks_fleet, read_instance
    from planner.problem.instance import Instance

    part = _part(by or DEFAULT_CHANGE)
    check_places([path for path in (json_, csv, plot) if path is not None], (plot,), [instance])
    if asks_fleet(instance):
        of_one = {"--plot": plot, "--with": with_, "--by": by}
        _insist("one deployment of one workload", "a fleet", of_one)
        raise typer.Exit(_explain_fleet(instance, json_, csv, tuple(workload or ())))
    _insist("a fleet", "one deployment of one workload", {"--workload": workload})
    asked = read_instance(instance)
    assert isinstance(asked, Instance)  # As `asks_fleet` said.
    added = [name.strip() for name in with_.split(",") if name.strip()]
    found = _explained(asked, added, part)
    if not {"-"} & {str(json_), str(csv)}:
        _show(found)
    _write(found, json_, csv, plot)
    raise typer.Exit(exit_code([found.plan.status]))


def _insist(expected: str, kind: str, options: Mapping[str, object]) -> None:
    """Refuse options that have no meaning for an instance."""
    from planner.errors import InputError, Problem

    wrong = [
        Problem(expected, kind, name, "Leave it out.") for name, value in options.items() if value
    ]
    if wrong:
        raise InputError(wrong)


def _explain_fleet(path: Path, json_: Path | None, csv: Path | None, names: tuple[str, ...]) -> int:
    """Explain a fleet, each part as soon as it is known; return the exit code."""
    from planner.analysis.fleet.explain import explain_fleet
    from planner.cli.fleet_options import at_work
    from planner.io.opened_fleet import opened

    asked = opened(path)
    quiet = bool({"-"} & {str(json_), str(csv)})
    with at_work(asked, asked.fleet, quiet=False) as (offers, tell):
        told = (lambda *_: None) if quiet else _tell
        found = explain_fleet(asked.fleet, offers, names, tell, told)
    if json_ is not None:
        found.to_json(json_)
    if csv is not None:
        found.to_csv(csv)
    return exit_code([found.plan.status])


def _tell(found: FleetExplanation, sections: Iterable[str]) -> None:
    """Print the plan, and then every section once it is known."""
    from planner.reporting.terminal.console import PlainConsole
    from planner.reporting.terminal.fleet_explanation import show_section
    from planner.reporting.terminal.fleet_plan import show_fleet_plan

    console = PlainConsole()
    if not sections:
        show_fleet_plan(found.plan, console)
    for section in sections:
        console.print()
        show_section(found, section, console)


def _explained(instance: Instance, added: list[str], by: float) -> Explanation:
    from planner.analysis.explain import explain as explained

    with _progress(instance) as tell:
        return explained(instance, added=added, by=by, progress=tell)


@contextmanager
def _progress(instance: Instance) -> Iterator[Callable[[float], None]]:
    """Show how far the work is; only a terminal sees it."""
    from planner.reporting.terminal.console import progress_bar

    with progress_bar() as bar:
        task = bar.add_task(f"Explaining {instance.name}", total=1.0)
        yield lambda done: bar.update(task, completed=done)


def _show(found: Explanation) -> None:
    from planner.reporting.terminal.console import PlainConsole
    from planner.reporting.terminal.explanation import show_explanation
    from planner.reporting.terminal.plan import show_plan

    if found.found:
        show_explanation(found, PlainConsole())
    elif found.diagnosis is not None:
        say(found.diagnosis.text())
    else:
        show_plan(found.plan, PlainConsole())


def _write(found: Explanation, json_: Path | None, csv: Path | None, plot: Path | None) -> None:
    if json_ is not None:
        found.to_json(json_)
    if csv is not None:
        found.to_csv(csv)
    if plot is not None and found.found:
        from planner.reporting.plots.tornado import plot_tornado

        plot_tornado(plot, found)
    elif plot is not None:
        say(f"{plot}: not drawn, since there is no plan.", err=True)
