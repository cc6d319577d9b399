"""What `solve` and `check` do with fleets: plans on the screen, in files and as pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from planner.cli.app import say
from planner.cli.fleet_options import AS_ASKED, How, at_work, offered
from planner.cli.outputs import check_apart, check_places

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A fleet, or a file of single deployments, and where its answer goes."""

    path: Path
    point: int | None
    """Number of the point of a sweep, from 0; None of a file that does not sweep."""
    home: Path | None
    """Folder of the answer."""


def wanted(paths: Sequence[Path], fleets: Sequence[Path], results: Results) -> list[Wanted]:
    """Refuse results that could not be written, and return what is asked with its folders."""
    from planner.io.output import make_folder
    from planner.plans.folder import FILES

    counts = [_points(path) if path in fleets else None for path in paths]
    single = sum(count or 1 for count in counts) == 1
    found = list(_with_homes(paths, counts, None if results.folder is None else results, single))
    known = [one.home for one in found if one.home is not None]
    inside = [home / name for home in known for name in FILES]
    check_apart([*results.single().values(), *inside], paths)
    for home in known:
        make_folder(home)
    if fleets:
        _insist(len(found), results)
    return found


def _points(path: Path) -> int | None:
    """Return how many points a file has, None where it does not sweep."""
    from planner.io.opened_fleet import points_of

    count = points_of(path)
    return None if count == 1 else count


def _with_homes(
    paths: Sequence[Path], counts: Sequence[int | None], results: Results | None, single: bool
) -> Iterator[Wanted]:
    """Yield fleets with the folder of the answer: that named, or of several fleets one within."""
    names = [] if results is None or single else _names(paths)
    for at, (path, count) in enumerate(zip(paths, counts, strict=True)):
        for point in (None,) if count is None else range(count):
            home = None if results is None else results.folder
            if home is not None and not single:
                home /= names[at] if point is None else f"{names[at]}-{point + 1}"
            yield Wanted(path, point, home)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return what the folders of several answers are called."""
    from planner.errors import InputError, Problem
    from planner.io.text_file import INSTANCE_FILES

    names = [
        path.resolve().parent.name
        if path.name in INSTANCE_FILES
        else (path.resolve().name if path.is_dir() else path.stem)
        for path in paths
    ]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        fix = "Each answer has a folder of the instance's name; plan these one by one."
        raise InputError(Problem("names that differ", f"{', '.join(twice)} twice", "--folder", fix))
    return names


def _insist(count: int, results: Results) -> None:
    """Refuse results that could not be written, before anything is solved."""
    from planner.errors import InputError, Problem

    single = results.single()
    if count > 1 and single:
        fix = "With several fleets use --folder."
        raise InputError(
            Problem("one fleet beside it", f"{count}", option, fix) for option in single
        )
    check_places(single.values(), (results.plot, results.stack))


def answer(asked: Wanted, results: Results, how: How, quiet: bool) -> str:
    """Plan one fleet, show and write it; return its status. A failure is told at once."""
    from planner.errors import InputError, PlannerError

    try:
        fleet, offers, plan = fleet_plan(asked.path, how, quiet, asked.point)
    except PlannerError as error:
        say(str(error), err=True)
        return "input_error" if isinstance(error, InputError) else "error"
    _show(plan, quiet)
    if not quiet:
        _show_more_kinds(fleet, plan, offers)
    _write(plan, asked.home, results, [pool.accelerator or pool.name for pool in fleet.pools])
    return plan.status


def fleet_plan(
    path: Path, how: How = AS_ASKED, quiet: bool = False, point: int | None = None
) -> tuple[Fleet, Offers, FleetPlan]:
    """Read and plan a fleet, showing how far the work is.

    Raises
    ------
    PlannerError
        As `planner.solve` does.
    """
    from planner.api import solve_fleet
    from planner.io.opened_fleet import opened

    found = opened(path, point)
    asked = how.applied(found.fleet)
    with at_work(found, asked, quiet) as (offers, tell):
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
        f"  Several kinds of deployments: ${mixed:,.2f}/h, {less:.1%} less "
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


def folder_of(plan: Path) -> Path | None:
    """Return the folder that holds the plan of a fleet: named itself, or by its plan.csv."""
    from planner.plans.folder import FILES, PLAN_FILE

    if plan.is_dir():
        return plan
    home = plan.parent
    whole = plan.name == PLAN_FILE and all((home / name).is_file() for name in FILES)
    return home if whole else None


def check_folder(folder: Path, fleets: Sequence[Path]) -> int:
    """Recompute the plan in a folder and tell what does not hold.

    Returns
    -------
    int
        Findings.
    """
    from planner.errors import InputError, Problem
    from planner.io.opened_fleet import opened
    from planner.plans.read_fleet import read_fleet_plan
    from planner.verification.fleet.check_fleet_plan import check_fleet_plan

    if len(fleets) != 1:
        fix = "The folder holds the plan of one fleet; name that fleet behind it."
        raise InputError(Problem("one fleet", str(len(fleets)), fix=fix, file=str(folder)))
    plan = read_fleet_plan(folder)
    found = opened(fleets[0])
    try:
        offers = offered(found.fleet) if found.offers is None else found.offers
        findings = check_fleet_plan(plan, _with_gap_of(plan, found.fleet), offers)
    except InputError as error:
        raise InputError(found.located(error.problems)) from None
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
