"""The command `explain`: why a plan is the answer, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.app import EXIT_CODES, app, exit_code, say

if TYPE_CHECKING:
    from planner.analysis.explanation.explain import Explanation
    from planner.problem.instance import Instance


def _part(text: str) -> float:
    """Read `10%` or `0.1`."""
    try:
        number = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        number = 0.0
    if not 0.0 < number < 1.0:
        raise typer.BadParameter("a part between 0 and 1, such as 10% or 0.1")
    return number


@app.command(
    epilog=f"Example: planner explain instances/llama-70b-chat --plot tornado.svg. {EXIT_CODES}"
)
def explain(
    instance: Annotated[Path, typer.Argument(help="Instance file (YAML or JSON).")],
    json_: Annotated[
        Path | None, typer.Option("--json", help="Write everything as JSON; - prints only that.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every number as CSV.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the sensitivities (.svg, .png or .pdf).")
    ] = None,
    with_: Annotated[
        str, typer.Option("--with", help="Other accelerators to compare: h200-sxm,b200-sxm.")
    ] = "",
    by: Annotated[
        str, typer.Option(help="How far assumptions are lowered and raised, such as 10%.")
    ] = "10%",
) -> None:
    """Explain a plan: where its time goes, what binds, and what would change the choice."""
    from planner.cli.outputs import check_places
    from planner.io.instance_file import file_of, read_instance

    part = _part(by)
    check_places([path for path in (json_, csv, plot) if path is not None], (plot,), [instance])
    asked = read_instance(file_of(instance))
    added = [name.strip() for name in with_.split(",") if name.strip()]
    found = _explained(asked, added, part)
    if not {"-"} & {str(json_), str(csv)}:
        _show(found)
    _write(found, json_, csv, plot)
    raise typer.Exit(exit_code([found.plan.status]))


def _explained(instance: Instance, added: list[str], by: float) -> Explanation:
    from planner.analysis.explanation.explain import explain as explained

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
