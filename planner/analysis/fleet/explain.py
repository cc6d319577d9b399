"""Explanations of fleets: what is scarce, what guarantees cost, and where prices would change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from planner.analysis.explanation.plain_records import CSV_COLUMNS, items, plain, rows_of
from planner.analysis.fleet.break_even import PoolPrice, break_even_prices
from planner.analysis.fleet.changes import within
from planner.analysis.fleet.guarantees import Guarantee, guarantees
from planner.analysis.fleet.scarcity import FullPool, RefusedRequests, full_pools, refused_requests
from planner.analysis.fleet.workload_detail import WorkloadDetail, workload_details
from planner.analysis.fleet.workload_instance import numbers_of
from planner.api import solve_fleet
from planner.candidates.fleet.gather import offers as offers_of
from planner.candidates.shortlist_cache import ShortlistCache
from planner.formulations.column_generation.pricing_loop import Progress
from planner.io.output import write_json, write_rows
from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import Fleet
from planner.problem.most_traffic import asks_most_traffic
from planner.problem.offers import Offers

SECTIONS = ("full_pools", "refused", "workloads", "guarantees", "prices")
"""Fields of an explanation besides the plan, in the order in which they are told."""

LEAST_SECONDS, TIMES = 10.0, 3.0
"""Time for each plan that the answer is compared with: at least, and times that of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetExplanation:
    """Why a fleet's plan costs what it does, or why there is none: the plan's message says that."""

    plan: FleetPlan
    full_pools: tuple[FullPool, ...] = ()
    """Pools that are used up, and what one more accelerator would save."""
    refused: tuple[RefusedRequests, ...] = ()
    """Requests that are refused."""
    workloads: tuple[WorkloadDetail, ...] = ()
    """What runs for the workloads that were asked about."""
    guarantees: tuple[Guarantee, ...] = ()
    """What each guarantee costs."""
    prices: tuple[PoolPrice, ...] = ()
    """Prices at which pools would not be used any more, or would be."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain mappings, lists and numbers; what is not finite is None."""
        return {"plan": self.plan.summary()} | {
            name: plain(getattr(self, name)) for name in SECTIONS
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """Return `to_dict` as a JSON object, and write it to `path` if one is given."""
        return write_json(self.to_dict(), path)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return every number as a row with section, item, quantity and value."""
        return rows_of(self._records())

    def _records(self) -> Iterator[tuple[str, str, Any]]:
        """Yield every record with its section and its name."""
        for section in SECTIONS:
            for item, record in items(getattr(self, section)):
                yield section, item, record
        for detail in self.workloads:
            for section in ("time", "runner_ups"):
                for item, record in items(getattr(detail, section)):
                    yield section, f"{detail.workload}: {detail.label}: {item}", record

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return `to_rows` as CSV with a header, and write it to `path` if one is given."""
        return write_rows(self.to_rows(), CSV_COLUMNS, path)


def explain_fleet(
    fleet: Fleet,
    offers: Offers | None = None,
    names: Iterable[str] = (),
    progress: Progress | None = None,
    told: Callable[[FleetExplanation, Iterable[str]], None] = lambda *_: None,
) -> FleetExplanation:
    """Solve a fleet and explain the plan; every number is of another solve or exact.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    offers : Offers, optional
        Deployments on offer. Left out: from the fleet's files, or tabulated.
    names : iterable of str
        Workloads whose deployments are looked at. Where some are named, what guarantees cost and
        where prices would change is left out.
    progress : callable, optional
        Told what is worked out and how far the solver is.
    told : callable, optional
        Told the explanation so far and which sections are new, as often as there is more of it.

    Raises
    ------
    InputError, SolverError, CheckError
        As `planner.solve` does, and where there is no such workload.

    Examples
    --------
    >>> import planner
    >>> found = planner.explain(planner.read_instance("instances/melange"))
    >>> [(price.pool, round(price.break_even, 2)) for price in found.prices]
    [('a10g', 1.56), ('a100-80gb', 6.55)]
    """
    names = tuple(names)
    list(numbers_of(fleet, names))
    offers = offers_of(fleet) if offers is None else offers
    plan = solve_fleet(fleet, offers, within(progress, "as it is"))
    found = FleetExplanation(plan=plan)
    told(found, ())
    if plan.found:
        for part in _parts(fleet, plan, offers, names, progress):
            found = replace(found, **part)
            told(found, part)
    return found


def _parts(
    fleet: Fleet,
    plan: FleetPlan,
    offers: Offers,
    names: tuple[str, ...],
    progress: Progress | None,
) -> Iterator[dict[str, Any]]:
    """Yield the sections of an explanation, as each is worked out."""
    yield {"full_pools": tuple(full_pools(plan)), "refused": tuple(refused_requests(plan))}
    if names:
        known = ShortlistCache()
        details = (one for name in names for one in workload_details(fleet, plan, name, known))
        yield {"workloads": tuple(details)}
    elif not asks_most_traffic(fleet):
        fleet = _in_time(fleet, plan)
        yield {"guarantees": guarantees(fleet, offers, plan, progress).rows}
        prices: tuple[PoolPrice, ...] = ()
        for price in break_even_prices(fleet, plan, offers, progress):
            prices = (*prices, price)
        yield {"prices": prices}


def _in_time(fleet: Fleet, plan: FleetPlan) -> Fleet:
    """Return the fleet with as much time for each other plan as befits the time of its own."""
    seconds = min(max(LEAST_SECONDS, TIMES * plan.seconds), fleet.solver.time_limit_seconds)
    solver = fleet.solver.model_copy(update={"time_limit_seconds": seconds})
    return fleet.model_copy(update={"solver": solver})
