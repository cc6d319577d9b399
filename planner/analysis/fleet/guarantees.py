"""What each guarantee of a fleet costs: its plan beside the one without."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.analysis.fleet.changes import plan_each, with_workloads, within
from planner.api import solve_fleet
from planner.candidates.fleet.gather import offers as offers_of
from planner.formulations.column_generation.pricing_loop import Progress
from planner.io.column_csv import records
from planner.plans.fleet_plan import FleetPlan
from planner.problem.fleet import ANY, Demand, Fleet, FleetWorkload
from planner.problem.offers import Offers

if TYPE_CHECKING:
    import pandas as pd

MEDIAN = "p50"
"""Quantile of demand beside which others are set; where there is none, the lowest."""
ALL = "all of them"
UNKNOWN = "unknown"
"""Status of a fleet that lacks what only the guarantee made needless."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a plan costs more because of one guarantee."""

    name: str
    detail: str
    """What is guaranteed, and to how many."""
    dollars: float
    """Cost over the horizon, that of refused requests included; NaN where one of the plans is
    missing."""
    least: float
    """Least that it may cost, by the bounds of both plans."""
    most: float
    """Most that it may cost."""
    part: float
    """The cost as a part of that of the plan."""
    status: str
    """Of the plan without it."""
    without: float
    """Objective of the plan without it."""
    gap: float
    """Gap of the plan without it."""


@dataclass(frozen=True, slots=True)
class Guarantees:
    """What every guarantee of a fleet costs, each alone, and all together."""

    fleet: str
    status: str
    """Of the plan with all of them."""
    objective: float
    """Of the plan with all of them."""
    gap: float
    rows: tuple[Guarantee, ...]

    def table(self) -> pd.DataFrame:
        """Return one row per guarantee."""
        names = {"name": "guarantee", "without": "dollars_without"}
        return records(Guarantee, self.rows).rename(columns=names)

    @property
    def text(self) -> str:
        """One line per guarantee."""
        if not self.rows:
            return f"{self.fleet} asks for no guarantee."
        return "\n".join(_line(row) for row in self.rows)


def guarantees(
    fleet: Fleet,
    offers: Offers | None = None,
    plan: FleetPlan | None = None,
    progress: Progress | None = None,
) -> Guarantees:
    """Say what each guarantee costs: the plan with it, less the plan without it.

    Only what the fleet asks for is looked at: head-room, N+1, fewest replicas, one deployment at
    a time, residency, a quantile of demand, robustness, and no spot. Costs of single guarantees
    do not add up to that of all, which is told too where there are several.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    offers : Offers, optional
        Deployments on offer. Left out: from the fleet's files, or tabulated.
    plan : FleetPlan, optional
        The answer to `fleet`, where it is known.
    progress : callable, optional
        Told which plan is sought and how far it is, as by `solve_fleet`.

    Raises
    ------
    InputError, SolverError, CheckError
        As `planner.api.solve_fleet` does.
    """
    offers = offers_of(fleet) if offers is None else offers
    found = list(_loosened(fleet))
    if len(found) > 1:
        found.append((ALL, "the plan that guarantees nothing", _without_all(fleet)))
    if plan is None:
        plan = solve_fleet(fleet, offers, within(progress, "as it is"))
    changes = [(f"without {name}", without) for name, _, without in found]
    plans = plan_each(changes, offers, progress, may_lack=True)
    rows = tuple(
        _cost(plan, name, detail, without)
        for (name, detail, _), without in zip(found, plans, strict=True)
    )
    return Guarantees(fleet.name, plan.status, plan.objective, plan.gap, rows)


def _cost(plan: FleetPlan, name: str, detail: str, without: FleetPlan | None) -> Guarantee:
    nan = math.nan
    if without is None:
        return Guarantee(name, detail, nan, nan, nan, nan, UNKNOWN, nan, nan)
    dollars = plan.objective - without.objective
    return Guarantee(
        name=name,
        detail=detail,
        dollars=dollars,
        # Nothing that is guaranteed makes a plan cheaper.
        least=max(plan.bound - without.objective, 0.0) if plan.found and without.found else nan,
        most=plan.objective - without.bound,
        part=dollars / plan.objective if plan.objective > 0 else nan,
        status=without.status,
        without=without.objective,
        gap=without.gap,
    )


Change = tuple[str, str, Fleet]
"""Name of a guarantee, what it says, and the fleet without it."""
MIXED: dict[str, Any] = {"max_deployments": ANY}
OF_WORKLOADS: tuple[tuple[str, str, Callable[[FleetWorkload], bool], dict[str, Any]], ...] = (
    ("head-room", "kept free", lambda one: one.headroom > 0, {"headroom": 0.0}),
    ("N+1", "survive the loss of a replica", lambda one: one.n_plus_1, {"n_plus_1": False}),
    ("replicas", "have a least number", lambda one: one.min_replicas > 0, {"min_replicas": 0}),
    ("few kinds", "limit kinds of deployments", lambda one: one.max_deployments != ANY, MIXED),
    ("residency", "stay in regions", lambda one: one.regions is not None, {"regions": None}),
    ("no spot", "run on what stays", lambda one: not one.spot, {"spot": True}),
)


def _loosened(fleet: Fleet) -> Iterator[Change]:
    """Yield the fleet without each of its guarantees."""
    for name, what, has, update in OF_WORKLOADS:
        count = sum(map(has, fleet.workloads))
        if not count or (name == "no spot" and not any(pool.spot for pool in fleet.pools)):
            continue
        detail = f"{count} of {len(fleet.workloads)} workloads {_said(fleet, name, what)}"
        yield name, detail, with_workloads(fleet, **update)
    if (lower := _lower(fleet)) is not None:
        detail = f"demand of {fleet.demand_quantile} in place of {lower}"
        yield "confidence", detail, fleet.model_copy(update={"demand_quantile": lower})
    if (rises := fleet.robustness) is not None and rises.workloads:
        detail = f"{rises.workloads} workloads may rise by {rises.rise:.0%}"
        yield "robustness", detail, fleet.model_copy(update={"robustness": None})


def _said(fleet: Fleet, name: str, what: str) -> str:
    if name != "head-room":
        return what
    parts = sorted({one.headroom for one in fleet.workloads if one.headroom > 0})
    span = f"{parts[0]:.0%}" if len(parts) == 1 else f"{parts[0]:.0%} to {parts[-1]:.0%}"
    return f"have {span} {what}"


def _without_all(fleet: Fleet) -> Fleet:
    for _, _, has, update in OF_WORKLOADS:
        if any(map(has, fleet.workloads)):
            fleet = with_workloads(fleet, **update)
    lower = _lower(fleet) or fleet.demand_quantile
    return fleet.model_copy(update={"robustness": None, "demand_quantile": lower})


def _lower(fleet: Fleet) -> str | None:
    """Return the median of demand, or its lowest quantile; none where that is planned for."""
    stated: list[Demand | None] = [
        one.requests_per_second if one.requests_per_second is not None else one.tokens_per_second
        for one in fleet.workloads
    ]
    several = [each for each in stated if isinstance(each, dict)]
    common = set.intersection(*(set(each) for each in several)) if several else set()
    if not common or fleet.demand_quantile is None:
        return None

    def total(name: str) -> float:
        return sum(sum(each[name]) / len(each[name]) for each in several)

    lowest = MEDIAN if MEDIAN in common else min(sorted(common), key=total)
    planned = fleet.demand_quantile
    return lowest if planned in common and total(lowest) < total(planned) else None


def _line(row: Guarantee) -> str:
    if math.isnan(row.dollars):
        return f"{row.name}: not known, {row.detail} (without it: {row.status})"
    cost = f"${row.dollars:,.2f} ({row.part:.1%} of the plan)"
    if row.most - row.least > 0.01:
        cost += f", between ${row.least:,.2f} and ${row.most:,.2f}"
    return f"{row.name}: {cost}; {row.detail}"
