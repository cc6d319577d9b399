"""Fleet files: YAML or JSON with CSV tables in, a fleet or every problem with its line out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from planner.catalogue.own_files import is_file
from planner.errors import InputError, Problem
from planner.io.document import Said
from planner.io.fleet.csv_tables import Listing, read_listing
from planner.io.fleet.demand_csv import DemandTable, read_demand
from planner.io.fleet.running_plan import FIELD, PERIOD, PLAN, is_plan, running_of
from planner.io.fleet.source_locations import TABLES, Origin
from planner.io.llm_inferno.convert import read_inferno
from planner.io.llm_inferno.json_files import is_inferno
from planner.io.long_form import LongForm, long_form, name_of
from planner.io.own_catalogue import OwnCatalogue, own_catalogue
from planner.io.published_precision import with_published
from planner.io.schema_errors import DEMAND, placed
from planner.io.text_file import INSTANCE_FILES, file_of, read_text
from planner.io.yaml_json import Source
from planner.problem.fleet import Fleet, FleetPool, FleetWorkload
from planner.problem.offers import Offers
from planner.problem.validate_fleet import validate_fleet


def read_fleet(path: str | Path) -> Fleet:
    """Read a fleet and check that it makes sense.

    Parameters
    ----------
    path : str or Path
        A YAML or JSON file, or a folder with `instance.yaml` or llm-inferno's files.

    Returns
    -------
    Fleet
        One that `validate_fleet` has no objection to.

    Raises
    ------
    InputError
        With every problem found, each with file, line and field.

    Examples
    --------
    >>> import planner
    >>> fleet = planner.read_instance("instances/melange")
    >>> fleet.name, [pool.name for pool in fleet.pools]
    ('melange', ['a10g', 'a100-80gb'])
    """
    return open_fleet(path)[0]


def open_fleet(path: str | Path) -> tuple[Fleet, Offers | None]:
    """Read a fleet, and its offers where they come with it.

    Parameters
    ----------
    path : str or Path
        As `read_fleet` takes it.

    Returns
    -------
    tuple of Fleet and Offers or None
        Offers of a folder with llm-inferno's files. All other fleets name candidate files, or
        transformers that the planner tabulates (`planner.candidates.fleet.gather.offers`).

    Raises
    ------
    InputError
        As `read_fleet` does.
    """
    path = file_of(path)
    if not path.is_dir():
        return fleet_of(Source(read_text(path), str(path)), path.parent), None
    if is_inferno(path):
        return read_inferno(path)
    fix = "Name the file itself; `planner batch` solves all files of a directory."
    expected = f"a file, or a directory with {INSTANCE_FILES[0]} or llm-inferno's files"
    raise InputError(Problem(expected, "a directory with neither", "", fix, str(path)))


@dataclass(slots=True)
class _Draft:
    """A fleet file while its tables are read."""

    source: Said
    folder: Path
    listings: dict[str, Listing] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, key: str, error: InputError, path: Path) -> None:
        """Note why a table cannot be read; that there is none is told where it is named."""
        for problem in error.problems:
            if problem.file == str(path) and not is_file(path):
                found = f"{path}, where no file is"
                named = replace(problem, field=key, file="", found=found)
                self.problems += placed([named], self.source.document)
            else:
                self.problems.append(problem)


def fleet_of(source: Said, folder: Path) -> Fleet:
    """Return the fleet of a text whose relative paths start at a folder.

    Raises
    ------
    InputError
        As `read_fleet` does.
    """
    return fleet_with_origin(source, folder)[0]


def fleet_with_origin(source: Said, folder: Path) -> tuple[Fleet, Origin]:
    """Return the fleet of a text, and where everything in it was said.

    Raises
    ------
    InputError
        As `read_fleet` does.
    """
    draft = _Draft(source, folder)
    value = dict(draft.source.value)
    table = value.pop(DEMAND, None)
    _put_running_plan(draft, value)
    for key, model in TABLES.items():
        if isinstance(value.get(key), str):
            value[key] = _rows(draft, key, draft.folder / value[key], model)
    if draft.problems:
        raise InputError(draft.problems)
    origin = Origin(draft.source, draft.listings)
    try:
        own = own_catalogue(value, folder)
    except InputError as error:
        raise InputError(origin.placed(error.problems)) from None
    form = _long_form(value, Path(source.file), origin)
    origin = replace(origin, moved=form.moved)
    try:
        fleet = Fleet.model_validate(form.value)
    except ValidationError as error:
        raise InputError(origin.schema_problems(error)) from None
    demand = None if table is None else _demand(draft, fleet, table)
    problems = list(draft.problems)
    if demand is not None:
        fleet, more = _filled(fleet, demand, set(draft.listings))
        problems += more
        origin = replace(origin, demand=demand)
    fleet = _beside(fleet, draft.folder, own)
    problems += [*_missing_candidates(fleet), *validate_fleet(fleet)]
    if problems:
        raise InputError(origin.placed(_unless_demand_failed(problems, draft)))
    return fleet, origin


def _put_running_plan(draft: _Draft, value: dict[str, Any]) -> None:
    """Put what a plan says to run in the place of its path, or of its path and a period."""
    said = value.get(FIELD)
    plan = said.get(PLAN) if isinstance(said, dict) else said
    if not isinstance(plan, str) or not (isinstance(said, dict) or is_plan(draft.folder / plan)):
        return
    period = said.get(PERIOD) if isinstance(said, dict) else None
    try:
        value[FIELD] = running_of(draft.folder / plan, None if period is None else str(period))
    except InputError as error:
        draft.complain(FIELD, error, draft.folder / plan)
        del value[FIELD]


def _long_form(value: dict[str, Any], path: Path, origin: Origin) -> LongForm:
    """Return what a file and its tables say, written out."""
    try:
        return long_form(value, name_of(path), fleet=True)
    except InputError as error:
        raise InputError(origin.placed(error.problems)) from None


def _unless_demand_failed(problems: Iterable[Problem], draft: _Draft) -> Iterator[Problem]:
    """Leave out that demand is missing where its table could not be read."""
    for problem in problems:
        if not (draft.problems and problem.found == "no demand"):
            yield problem


def _rows(draft: _Draft, key: str, path: Path, model: type[BaseModel]) -> Any:
    """Return the rows of a table as the file would say them."""
    try:
        draft.listings[key] = read_listing(path, model)
    except InputError as error:
        draft.complain(key, error, path)
        return []
    return draft.listings[key].values


def _demand(draft: _Draft, fleet: Fleet, table: Any) -> DemandTable | None:
    """Read the table of demand."""
    if not isinstance(table, str):
        fix = "Name the file; demand of a single workload is its `requests_per_second`."
        found = draft.source.document.places[(DEMAND,)].text
        draft.problems.append(Problem("the path of a CSV file", found, DEMAND, fix))
        return None
    path = draft.folder / table
    workloads = [workload.name for workload in fleet.workloads]
    try:
        return read_demand(path, workloads, [period.name for period in fleet.periods])
    except InputError as error:
        draft.complain(DEMAND, error, path)
        return None


def _filled(fleet: Fleet, demand: DemandTable, tables: set[str]) -> tuple[Fleet, list[Problem]]:
    """Return a fleet with the demand of a table, and the workloads that had some of their own."""
    problems = []
    workloads = list(fleet.workloads)
    for at, series in demand.series.items():
        workload = workloads[at]
        for name in ("requests_per_second", "tokens_per_second"):
            if getattr(workload, name) is not None:
                field = f"workloads[{at}]" if name == demand.field else f"workloads[{at}].{name}"
                found = f"demand of {workload.name} here and in {demand.table.file}"
                problems.append(Problem("demand in one place", found, field, "Remove one."))
        by_quantile = isinstance(series, dict)
        values = _by_quantile(series) if by_quantile else tuple(series)
        workloads[at] = workload.model_copy(update={demand.field: values})
    return fleet.model_copy(update={"workloads": tuple(workloads)}), problems


def _by_quantile(series: Any) -> dict[str, tuple[float, ...]]:
    return {quantile: tuple(values) for quantile, values in series.items()}


def _beside(fleet: Fleet, folder: Path, own: OwnCatalogue) -> Fleet:
    """Let paths start at the instance file's folder, and names stand for files of its catalogue."""
    workloads = tuple(
        workload.model_copy(update=changes)
        if (changes := _paths_beside(workload, folder, own))
        else workload
        for workload in fleet.workloads
    )
    deployments = tuple(str(folder / name) for name in fleet.deployments)
    changes = {"workloads": workloads, "deployments": deployments, "pools": _pools(fleet, own)}
    return fleet.model_copy(update=changes | {"profile": own.profile(fleet.profile)})


def _pools(fleet: Fleet, own: OwnCatalogue) -> tuple[FleetPool, ...]:
    """Return pools with the paths of their accelerators."""
    return tuple(
        pool
        if pool.accelerator is None
        else pool.model_copy(update={"accelerator": own.accelerator(pool.accelerator)})
        for pool in fleet.pools
    )


def _paths_beside(workload: FleetWorkload, folder: Path, own: OwnCatalogue) -> dict[str, Any]:
    """Return the fields of a workload that hold paths, changed."""
    changes: dict[str, Any] = {}
    if workload.deployments:
        changes["deployments"] = tuple(str(folder / name) for name in workload.deployments)
    if workload.transformer is not None:
        changes["transformer"] = own.transformer(workload.transformer)
        changes["search"] = with_published(workload.search, changes["transformer"])
    if workload.engine is not None:
        changes["engine"] = own.engine(workload.engine)
    if workload.drafts:
        changes["drafts"] = tuple(
            draft.model_copy(update={"transformer": own.transformer(draft.transformer)})
            for draft in workload.drafts
        )
    # Of large fleets nearly all are as they were, and copies take their time.
    return {key: new for key, new in changes.items() if new != getattr(workload, key)}


def _missing_candidates(fleet: Fleet) -> Iterator[Problem]:
    """Yield paths of candidates at which no file is."""
    there: dict[str, bool] = {}
    named = [("deployments", fleet.deployments)]
    named += [
        (f"workloads[{at}].deployments", w.deployments) for at, w in enumerate(fleet.workloads)
    ]
    for key, paths in named:
        for at, path in enumerate(paths):
            if not there.setdefault(path, is_file(Path(path))):
                fix = "Paths start at the folder of the instance file."
                found = f"{path}, where no file is"
                yield Problem("the path of a CSV file", found, f"{key}[{at}]", fix)
