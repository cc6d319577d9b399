"""What `solve` and `check` do with fleets: plans on the screen, in files and as pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from planner.cli.app import say
from planner.cli.fleet_options import AS_ASKED, How, at_work, offered
from planner.cli.outputs import check_apart, check_places, make_folder

if TYPE_CHECKING:
    from planner.plans.fleet_plan import FleetPlan
    from planner.problem.fleet import Fleet
    from planner.problem.offers import Offers


@dataclass(frozen=True, slots=True)
class Results:
    """Where the answers go."""

    csv: Path | None
    purchases: Path | None
    service: Path | None
    plot: Path | None
    stack: Path | None
    folder: Path | None

    def single(self) -> dict[str, Path]:
        """Return the results that hold one fleet's answer, by option."""
        named = {
            "--csv": self.csv,
            "--purchases": self.purchases,
            "--service": self.service,
            "--plot": self.plot,
            "--stack": self.stack,
        }
        return {name: path for name, path in named.items() if path is not None}


def homes(fleets: Sequence[Path], results: Results, inputs: Sequence[Path]) -> list[Path | None]:
    """Refuse results that could not be written, and return the folder of each fleet's answer."""
    from planner.plans.fleet_plan import FILES

    found = _homes(fleets, results)
    known = [home for home in found if home is not None]
    inside = [home / name for home in known for name in FILES]
    check_apart([*results.single().values(), *inside], inputs)
    for home in known:
        make_folder(home)
    _insist(fleets, results)
    return found


def _homes(fleets: Sequence[Path], results: Results) -> list[Path | None]:
    """Return the folder of each fleet's answer: that named, or of several fleets one within it."""
    from planner.errors import InputError, Problem
    from planner.io.instance_file import INSTANCE_FILES

    if results.folder is None or len(fleets) == 1:
        return [results.folder] * len(fleets)
    names = [
        path.resolve().parent.name
        if path.name in INSTANCE_FILES
        else (path.resolve().name if path.is_dir() else path.stem)
        for path in fleets
    ]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        fix = "Each fleet's answer has a folder of the fleet's name; plan these one by one."
        raise InputError(Problem("names that differ", f"{', '.join(twice)} twice", "--folder", fix))
    return [results.folder / name for name in names]


def _insist(fleets: Sequence[Path], results: Results) -> None:
    """Refuse results that could not be written, before anything is solved."""
    from planner.errors import InputError, Problem

    single = results.single()
    if len(fleets) > 1 and single:
        fix = "With several fleets use --folder."
        raise InputError(
            Problem("one fleet beside it", f"{len(fleets)}", option, fix) for option in single
        )
    check_places(single.values(), (results.plot, results.stack))


def answer(path: Path, home: Path | None, results: Results, how: How, quiet: bool) -> str:
    """Plan one fleet, show and write it; return its status. A failure is told at once."""
    from planner.errors import InputError, PlannerError

    try:
        asked, offers, plan = fleet_plan(path, how, quiet)
    except PlannerError as error:
        say(str(error), err=True)
        return "input_error" if isinstance(error, InputError) else "error"
    _show(plan, quiet)
    if not quiet:
        _show_more_kinds(asked, plan, offers)
    _write(plan, home, results, [pool.accelerator or pool.name for pool in asked.pools])
    return plan.status


def fleet_plan(
    path: Path, how: How = AS_ASKED, quiet: bool = False
) -> tuple[Fleet, Offers, FleetPlan]:
    """Read and plan a fleet, showing how far the work is.

    Raises
    ------
    PlannerError
        As `planner.solve` does.
    """
    from planner.api import solve_fleet
    from planner.io.fleet.fleet_file import open_fleet

    asked, offers = open_fleet(path)
    asked = how.applied(asked)
    with at_work(path, asked, offers, quiet) as (offers, tell):
        tell("solving", math.nan, math.nan)
        return asked, offers, solve_fleet(asked, offers, tell)


def _show_more_kinds(asked: Fleet, plan: FleetPlan, offers: Offers) -> None:
    """Say beside the plan of a small fleet what any number of kinds of deployments would save."""
    from planner.analysis.more_kinds import mixed_fleet_plan
    from planner.errors import PlannerError

    try:
        mixed = mixed_fleet_plan(asked, plan, offers)
    except PlannerError:  # The plan stands, and this was not asked.
        return
    if mixed is not None:
        say(more_kinds_line(mixed.dollars_per_hour, plan.dollars_per_hour))


def more_kinds_line(mixed: float, one: float) -> str:
    """Return what is said of a plan with more kinds of deployments, by both costs in $/h."""
    less = 1.0 - mixed / (one or 1.0)
    return (
        f"  Several kinds of deployments side by side: ${mixed:,.2f}/h, {less:.1%} less "
        "(`max_deployments: any`)."
    )


def _show(plan: FleetPlan, quiet: bool) -> None:
    from planner.reporting.terminal.console import PlainConsole
    from planner.reporting.terminal.fleet_plan import show_fleet_plan

    if not (quiet and plan.found):
        show_fleet_plan(plan, PlainConsole(stderr=quiet))


def _write(
    plan: FleetPlan, home: Path | None, results: Results, accelerators: Sequence[str]
) -> None:
    """Write whatever is asked for; pictures only of plans that were found."""
    if home is not None:
        plan.write(home)
    for path, write in (
        (results.csv, plan.to_csv),
        (results.purchases, plan.purchases_csv),
        (results.service, plan.service_csv),
    ):
        if path is not None:
            write(path)
    if results.plot or results.stack:
        _draw(plan, results, accelerators)


def _draw(plan: FleetPlan, results: Results, accelerators: Sequence[str]) -> None:
    from planner.reporting.plots.fleet_plan import plot_use, plot_workloads

    for path, draw in ((results.plot, plot_use), (results.stack, plot_workloads)):
        if path is None:
            continue
        if plan.found:
            draw(path, plan, accelerators=accelerators)
        else:
            say(f"{path}: not drawn, since there is no plan to draw.", err=True)


def check_folder(folder: Path, fleets: Sequence[Path]) -> int:
    """Recompute the plan in a folder and tell what does not hold.

    Returns
    -------
    int
        Findings.
    """
    from planner.errors import InputError, Problem
    from planner.io.fleet.fleet_file import located, open_fleet
    from planner.plans.read_fleet import read_fleet_plan
    from planner.verification.fleet.check_fleet_plan import check_fleet_plan

    if len(fleets) != 1:
        fix = "The folder holds the plan of one fleet; name that fleet behind it."
        raise InputError(Problem("one fleet", str(len(fleets)), fix=fix, file=str(folder)))
    plan = read_fleet_plan(folder)
    asked, offers = open_fleet(fleets[0])
    try:
        offers = offered(asked) if offers is None else offers
        findings = check_fleet_plan(plan, _with_gap_of(plan, asked), offers)
    except InputError as error:
        raise InputError(located(error.problems, fleets[0])) from None
    proved = f" (gap {plan.gap:.2g})" if plan.found and not math.isnan(plan.gap) else ""
    say(f"{plan.fleet}: {'does not hold' if findings else f'holds{proved}'}")
    for finding in findings:
        say(f"  {finding}", err=True)
    return len(findings)


def _with_gap_of(plan: FleetPlan, asked: Fleet) -> Fleet:
    """Return a fleet that may be solved as roughly as its plan was: the gap is told instead.

    It is no part of the fleet, and the command line may have asked for another.
    """
    if not plan.gap > asked.solver.relative_gap:
        return asked
    solver = asked.solver.model_copy(update={"relative_gap": plan.gap})
    return asked.model_copy(update={"solver": solver})
