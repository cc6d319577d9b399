"""The command `what-if`: what guarantees of a fleet cost, and what higher demand would do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.app import EXIT_CODES, app, exit_code, say
from planner.cli.fleet_options import (
    Gap,
    How,
    Method,
    Tell,
    TimeLimit,
    at_work,
)
from planner.cli.outputs import check_places
from planner.plans.plan import FOUND

if TYPE_CHECKING:
    import pandas as pd

    from planner.errors import Problem
    from planner.plans.fleet_plan import FleetPlan
    from planner.problem.fleet import Fleet
    from planner.problem.offers import Offers
    from planner.reporting.terminal.fleet_what_if import Answer

EXAMPLES = (
    "Example: planner what-if instances/day --guarantees --csv guarantees.csv",
    "planner what-if instances/day --stress 1:2:11 --plot stress.svg",
    "planner what-if day.yaml --guarantees --stress 1.2,1.5 --headrooms 0,0.1,0.2 --folder out",
    "planner what-if instances/melange --robustness 1 --rise 0.3",
)
MOST_NUMBERS = 1000
"""Factors or head-rooms of one question."""
LARGEST = 1e6
"""Factor on demand, or rise of it."""
CELLS = "stress-cells"
"""Table of stress cell by cell."""
FACTOR = "a factor above 0, such as 1.5"
FACTORS = "factors above 0, such as 1.5, or 1,1.2,1.5, or 1:2:11"
PARTS = "parts from 0 to below 1, such as 0,0.1,0.2 or 10%"
RISE = "a part such as 0.5 or 50%"

AskGuarantees = Annotated[
    bool,
    typer.Option(
        "--guarantees", help="What each guarantee costs: the plan beside the one without."
    ),
]
AskStress = Annotated[
    str | None,
    typer.Option(
        metavar="FACTORS",
        help="What the plan serves at so many times the demand: 1.5, a list with commas, or a "
        "range from:to:steps.",
    ),
]
AskHeadrooms = Annotated[
    str | None,
    typer.Option(
        metavar="PARTS",
        help="What plans with these head-rooms cost, and serve of higher demand: 0,0.1,0.2.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(metavar="FACTOR", help="With --headrooms: times the demand, in place of 1.5."),
]
AskRobustness = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="What plans cost for which 0, 1, ... N workloads may rise at once.",
    ),
]
Rise = Annotated[
    str | None,
    typer.Option(
        metavar="PART",
        help="With --robustness: by how much workloads rise, in place of what the fleet says, or "
        "of 50%.",
    ),
]


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of a fleet; nothing, or None, where a question is not asked."""

    guarantees: bool
    stress: tuple[float, ...]
    headrooms: tuple[float, ...]
    at: float | None
    """Factor on demand at which plans with head-rooms are compared."""
    robustness: int | None
    """Most workloads that rise at once."""
    rise: float | None

    @property
    def names(self) -> list[str]:
        """Names of the questions that are asked, which are also those of options and files."""
        asked = {
            "guarantees": self.guarantees,
            "stress": bool(self.stress),
            "headrooms": bool(self.headrooms),
            "robustness": self.robustness is not None,
        }
        return [name for name, is_asked in asked.items() if is_asked]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the questions are answered with."""

    answers: Mapping[str, Answer]
    """By name of the question; a plan that is not found cannot be stressed."""
    statuses: tuple[str, ...]
    """Of the plans that the questions are about."""
    plan: FleetPlan | None
    """Of the fleet as it is; None where no question is about it."""

    def having(self, name: str, answer: Answer, *statuses: str) -> Answers:
        """Return these answers and another one."""
        answers = {**self.answers, name: answer}
        return replace(self, answers=answers, statuses=(*self.statuses, *statuses))

    def newest(self) -> dict[str, pd.DataFrame]:
        """Return the tables of the newest answer by name; stress has one more, cell by cell."""
        from planner.analysis.fleet.stress_test import Stress

        if not self.answers:
            return {}
        name, answer = list(self.answers.items())[-1]
        more = {CELLS: answer.cells()} if isinstance(answer, Stress) else {}
        return {name: answer.table()} | more


@app.command(epilog="\n\n".join([*EXAMPLES, EXIT_CODES]))
def what_if(
    fleet: Annotated[
        Path,
        typer.Argument(
            help="Instance file (YAML or JSON), or folder with instance.yaml or llm-inferno's "
            "files."
        ),
    ],
    guarantees: AskGuarantees = False,
    stress: AskStress = None,
    headrooms: AskHeadrooms = None,
    at: At = None,
    robustness: AskRobustness = None,
    rise: Rise = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the answer to one question as CSV.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write the answers here, one CSV for each question."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the answer to one question (.svg, .png or .pdf)."),
    ] = None,
    method: Method = None,
    gap: Gap = None,
    time_limit: TimeLimit = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no tables.")] = False,
) -> None:
    """Ask of a fleet what guarantees cost, and what happens when demand is higher than planned.

    Each question takes several plans; gap and time limit are those of each of them.
    """
    asked = Questions(
        guarantees=guarantees,
        stress=_numbers("--stress", stress, FACTORS, _is_factor),
        headrooms=_numbers("--headrooms", headrooms, PARTS, lambda part: 0 <= part < 1),
        at=_number("--at", at, FACTOR, _is_factor),
        robustness=robustness,
        rise=_number("--rise", rise, RISE, lambda part: 0 <= part <= LARGEST),
    )
    _insist(asked, csv, plot, folder, fleet)
    if folder is not None:
        from planner.io.output import make_folder

        make_folder(folder)
    found = Answers({}, (), None)
    try:
        for found in _answered(fleet, asked, How(method, gap, time_limit), quiet):
            _keep(found, folder)
    finally:
        # Answers that are there are told, whatever becomes of the questions after them.
        _show(found, quiet)
    _write(found, csv, plot)
    raise typer.Exit(exit_code(found.statuses))


def _is_factor(number: float) -> bool:
    return 0 < number <= LARGEST


def _number(
    option: str, text: str | None, expected: str, holds: Callable[[float], bool]
) -> float | None:
    numbers = _numbers(option, text, expected, holds, most=1)
    return numbers[0] if numbers else None


def _numbers(
    option: str,
    text: str | None,
    expected: str,
    holds: Callable[[float], bool],
    most: int = MOST_NUMBERS,
) -> tuple[float, ...]:
    """Read a number, several with commas, or a range; nothing where the option is not given."""
    from planner.errors import InputError, Problem
    from planner.io.document import shortened
    from planner.io.sweep_axes import values

    if text is None:
        return ()
    try:
        found = values(text) if ":" in text else tuple(map(_read, text.split(",")))
    except InputError as error:
        raise InputError(replace(one, field=option) for one in error.problems) from None
    except ValueError:
        found = ()
    if not 0 < len(found) <= most or not all(map(holds, found)):
        raise InputError(Problem(expected, f"'{shortened(text)}'", option))
    return tuple(dict.fromkeys(found))


def _read(text: str) -> float:
    """Read `0.1` or `10%`."""
    text = text.strip()
    return float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)


def _insist(
    asked: Questions, csv: Path | None, plot: Path | None, folder: Path | None, fleet: Path
) -> None:
    """Refuse what cannot be answered or written, before anything is solved."""
    from planner.errors import InputError

    if problems := list(_objections(asked, csv, plot)):
        raise InputError(problems)
    files = [path for path in (csv, plot) if path is not None]
    names = (*asked.names, *([CELLS] if asked.stress else []))
    inside = [] if folder is None else [folder / f"{name}.csv" for name in names]
    check_places(files, [plot], [fleet], inside)


def _objections(asked: Questions, csv: Path | None, plot: Path | None) -> Iterator[Problem]:
    from planner.errors import Problem

    names = asked.names
    if not names:
        yield Problem("--guarantees, --stress, --headrooms or --robustness", "no question")
    if asked.at is not None and not asked.headrooms:
        yield Problem("--headrooms beside it", field="--at")
    if asked.rise is not None and asked.robustness is None:
        yield Problem("--robustness beside it", field="--rise")
    for option, path in (("--csv", csv), ("--plot", plot)):
        if path is not None and len(names) > 1:
            fix = "Write several answers by --folder, and draw one at a time."
            yield Problem("one question beside it", f"{len(names)}", option, fix)
    if plot is not None and names == ["guarantees"]:
        yield Problem("--stress, --headrooms or --robustness beside it", "--guarantees", "--plot")
    if plot is not None and len(asked.stress) == 1:
        yield Problem("several factors, such as --stress 1:2:11", "one", "--plot")


def _answered(path: Path, asked: Questions, how: How, quiet: bool) -> Iterator[Answers]:
    """Read and plan a fleet, and yield the answers so far, as often as there is another one."""
    from planner.errors import InputError, Problem
    from planner.io.opened_fleet import opened

    found = opened(path)
    fleet = found.fleet
    if (asked.robustness or 0) > len(fleet.workloads):
        expected = f"at most {len(fleet.workloads)}, the workloads there are"
        raise InputError(Problem(expected, str(asked.robustness), "--robustness"))
    fleet = how.applied(fleet)
    with at_work(found, fleet, quiet) as (offers, tell):
        yield from _asked_of(fleet, offers, asked, tell)


def _asked_of(fleet: Fleet, offers: Offers, asked: Questions, tell: Tell) -> Iterator[Answers]:
    from planner.analysis.fleet.changes import within
    from planner.analysis.fleet.guarantees import guarantees
    from planner.analysis.fleet.robustness import price_of_robustness
    from planner.analysis.fleet.stress_test import INFLATION, compare_headrooms, stress
    from planner.api import solve_fleet

    found = Answers({}, (), None)
    if asked.guarantees or asked.stress:
        plan = solve_fleet(fleet, offers, within(tell, "as it is"))
        yield (found := Answers({}, (plan.status,), plan))
        if asked.guarantees:
            yield (found := found.having("guarantees", guarantees(fleet, offers, plan, tell)))
        if asked.stress and plan.found:
            yield (found := found.having("stress", stress(plan, fleet, asked.stress)))
    if asked.headrooms:
        at = INFLATION if asked.at is None else asked.at
        rooms = compare_headrooms(fleet, offers, asked.headrooms, at, tell)
        yield (found := found.having("headrooms", rooms, _best(row.status for row in rooms.rows)))
    if asked.robustness is not None:
        price = price_of_robustness(fleet, offers, asked.robustness, asked.rise, tell)
        yield found.having("robustness", price, _best(row.status for row in price.rows))


def _best(statuses: Iterable[str]) -> str:
    """Return the status of a question that takes several plans: one of them is an answer."""
    return min(statuses, key=lambda status: status not in FOUND)


def _show(found: Answers, quiet: bool) -> None:
    from planner.reporting.terminal.console import PlainConsole
    from planner.reporting.terminal.fleet_plan import show_fleet_plan
    from planner.reporting.terminal.fleet_what_if import show_answer

    if found.plan is not None and not found.plan.found:
        show_fleet_plan(found.plan, PlainConsole(stderr=quiet))
    if quiet:
        return
    console = PlainConsole()
    for number, answer in enumerate(found.answers.values()):
        if number:
            console.print()
        show_answer(answer, console)


def _keep(found: Answers, folder: Path | None) -> None:
    """Write the newest answer."""
    from planner.io.column_csv import write_frame

    if folder is not None:
        for name, table in found.newest().items():
            write_frame(folder / f"{name}.csv", table)


def _write(found: Answers, csv: Path | None, plot: Path | None) -> None:
    """Write and draw the one answer; where a plan is missing, say what is not written."""
    from planner.io.column_csv import write_frame

    if csv is not None and not found.answers:
        say(f"{csv}: not written, since there is no plan.", err=True)
    elif csv is not None:
        write_frame(csv, next(iter(found.newest().values())))
    if plot is not None and not set(found.statuses) & set(FOUND):
        say(f"{plot}: not drawn, since there is no plan to draw.", err=True)
    elif plot is not None:
        _draw(plot, found.answers)


def _draw(path: Path, answers: Mapping[str, Answer]) -> None:
    from planner.analysis.fleet.robustness import PriceOfRobustness
    from planner.analysis.fleet.stress_test import Headrooms, Stress
    from planner.reporting.plots.fleet_what_if import plot_headrooms, plot_robustness, plot_stress

    (answer,) = answers.values()
    if isinstance(answer, Stress):
        plot_stress(path, [("all requests", answer)])
    elif isinstance(answer, Headrooms):
        plot_headrooms(path, answer)
    elif isinstance(answer, PriceOfRobustness):
        plot_robustness(path, answer)
