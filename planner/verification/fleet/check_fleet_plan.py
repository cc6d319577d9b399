"""The independent checker of fleets: recomputes a plan from the fleet and the offers alone.

It knows neither what builds the figures nor the formulations nor any solver, so that a mistake
there cannot hide here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from planner.errors import InputError
from planner.plans.fleet_columns import MARKETS
from planner.plans.fleet_plan import FleetPlan
from planner.plans.plan import FOUND, swept_text
from planner.problem.fleet import Fleet
from planner.problem.most_traffic import asks_most_traffic, grown
from planner.problem.offers import Offers
from planner.problem.tolerances import CHECKED_FLEET
from planner.verification.check_plan import Finding
from planner.verification.fleet.changes import change_findings
from planner.verification.fleet.demand import coverage_findings, refusal_dollars
from planner.verification.fleet.deployments import deployment_findings
from planner.verification.fleet.inputs import (
    Floats,
    Ints,
    differs,
    periods_of,
    served_of,
    sold_of,
    told,
)
from planner.verification.fleet.purchases import (
    Bought,
    bought_of,
    dollars_of,
    limit_findings,
    packing_findings,
    price_findings,
    purchase_findings,
)
from planner.verification.fleet.replicas import Asked, Rows, find_offers, row_findings, rows_of
from planner.verification.fleet.robustness import rise_findings
from planner.verification.fleet.safe_bound import safe_bound

NOT_FOUND = ("infeasible", "no_solution_in_time")
METHODS = ("milp", "decomposition")


def with_safe_bound(plan: FleetPlan, fleet: Fleet, offers: Offers) -> FleetPlan:
    """Return a plan with the bound that its multipliers prove, whatever they are.

    Parameters
    ----------
    plan : FleetPlan
        A plan; without multipliers, or one that was not found, it stays as it is.
    fleet, offers : Fleet, Offers
        What was asked, and what is on offer.
    """
    if plan.multipliers is None or plan.status not in FOUND:
        return plan
    if plan.traffic is not None:
        fleet = grown(fleet, plan.traffic.factor)
    found = safe_bound(_asked(fleet, offers), offers, plan.multipliers)
    return replace(plan, safe_bound=found if math.isfinite(found) else math.nan)


def check_fleet_plan(
    plan: FleetPlan, fleet: Fleet, offers: Offers, *, bounded: bool = False
) -> list[Finding]:
    """Recompute a fleet's plan and list everything in it that does not hold.

    Parameters
    ----------
    plan : FleetPlan
        The plan, as it was answered or as `planner.plans.read_fleet.read_fleet_plan` reads it.
    fleet : Fleet
        What was asked.
    offers : Offers
        Deployments on offer, as files or tables state them.
    bounded : bool
        Whether the plan comes from `with_safe_bound`, whose number need not be found twice.

    Returns
    -------
    list of Finding
        Empty where the plan holds. A plan that was not found has nothing to recompute: its name,
        digest and status are looked at, and that no rows stand beside them.

    Examples
    --------
    >>> import planner
    >>> fleet = planner.read_instance("instances/melange")
    >>> from planner.candidates.fleet.gather import offers
    >>> planner.check_fleet_plan(planner.solve(fleet), fleet, offers(fleet))
    []
    """
    findings = [*_identity(plan, fleet), *_traffic(plan, fleet)]
    if plan.traffic is not None and asks_most_traffic(fleet):
        fleet = grown(fleet, plan.traffic.factor)
    if plan.status not in FOUND:
        return [*findings, *_nothing_found(plan)]
    try:
        asked = _asked(fleet, offers)
    except (InputError, KeyError, ValueError) as error:
        return [*findings, Finding("fleet", error, "a fleet that can be planned")]
    if wrong := list(_shape(plan, asked)):
        return [*findings, *wrong]
    findings += [*_head(plan, asked), *_shadow_prices(plan, asked)]
    offer = find_offers(plan, offers)
    if unknown := list(_unknown(plan, offer)):
        return [*findings, *unknown]
    rows = rows_of(plan, asked, offers, offer)
    bought = bought_of(plan, rows)
    return [
        *findings,
        *row_findings(plan, asked, offers, rows),
        *deployment_findings(plan, fleet, offers, rows),
        *coverage_findings(plan, asked, rows),
        *purchase_findings(plan, asked, bought),
        *price_findings(plan, asked, rows, bought),
        *packing_findings(plan, asked, offers, rows, bought),
        *limit_findings(plan, asked, rows),
        *change_findings(plan, asked),
        *rise_findings(plan, asked, offers, rows, bought),
        *_cost(plan, asked, rows, bought),
        *_proof(plan, fleet),
        *_safe_proof(plan, asked, offers, bounded),
    ]


def _asked(fleet: Fleet, offers: Offers) -> Asked:
    return Asked(fleet, periods_of(fleet), served_of(fleet, offers.rates.shape[1]), sold_of(fleet))


def _identity(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    if plan.fleet != fleet.name:
        yield Finding("instance", plan.fleet, repr(fleet.name))
    if plan.fleet_digest != fleet.digest:
        expected = f"{fleet.digest}, the instance as it is now"
        yield Finding("instance_digest", plan.fleet_digest, expected)


def _traffic(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    """The traffic is that of the mix, grown by the factor, and no more than the bound."""
    asked, found = asks_most_traffic(fleet) and plan.status in FOUND, plan.traffic
    if found is None or not asked:
        if (found is not None) != asked:
            yield Finding("traffic", found, "the most traffic" if asked else "none")
        return
    hours = plan.hours / plan.hours.sum()
    total = float((plan.service.demand @ hours).sum())
    if not math.isclose(found.requests_per_second, total, rel_tol=CHECKED_FLEET):
        yield Finding("traffic", f"{found.requests_per_second:.12g}", f"{total:.12g} requests/s")
    if not found.bound >= found.requests_per_second * (1.0 - CHECKED_FLEET):
        yield Finding("traffic bound", found.bound, f"at least {found.requests_per_second:.12g}")
    most = fleet.solver.relative_gap
    if plan.status == "optimal" and not found.gap <= most * (1.0 + CHECKED_FLEET) + CHECKED_FLEET:
        yield Finding("status", plan.status, f"a gap of at most {most:g}, not {found.gap:.3g}")


def _nothing_found(plan: FleetPlan) -> Iterator[Finding]:
    if plan.status not in NOT_FOUND:
        yield Finding("status", plan.status, f"one of {', '.join((*FOUND, *NOT_FOUND))}")
    rows = {
        "plan": len(plan.replicas),
        "purchases": len(plan.purchases),
        "service": plan.service.demand.size,
    }
    for table, count in rows.items():
        if count:
            yield Finding(table, f"{count} rows", f"none beside the status {plan.status}")
    for name in ("objective", "dollars"):
        if not math.isnan(getattr(plan, name)):
            expected = f"nothing beside the status {plan.status}"
            yield Finding(name, getattr(plan, name), expected)


def _shape(plan: FleetPlan, asked: Asked) -> Iterator[Finding]:
    """The plan is about the workloads, pools and periods of the fleet, in their order."""
    known = {
        "workload": (plan.workloads, tuple(one.name for one in asked.fleet.workloads)),
        "pool": (plan.pools, tuple(one.name for one in asked.fleet.pools)),
        "period": (plan.periods, asked.periods.names),
    }
    for column, (found, expected) in known.items():
        if found != expected:
            pairs = zip((*found, "nothing"), (*expected, "nothing"), strict=False)
            mine, theirs = next(pair for pair in pairs if pair[0] != pair[1])
            yield Finding(column, mine, f"{theirs}, as in the fleet")
            return
    expected_shape = len(plan.workloads), len(plan.periods)
    if any(
        part.shape != expected_shape
        for part in (plan.service.demand, plan.service.capacity, plan.service.shed)
    ):
        yield Finding("service", plan.service.demand.shape, "a row per workload and period")
    reserved = plan.purchases.market == MARKETS.index("reserved")
    yield from told(
        "period",
        (plan.purchases.period < 0) != reserved,
        lambda row: f"a purchase in {plan.pools[plan.purchases.pool[row]]}",
        lambda _: "no period where reserved, and one elsewhere",
    )


def _head(plan: FleetPlan, asked: Asked) -> Iterator[Finding]:
    """What the plan says of its question is so."""
    fleet, periods, sold = asked.fleet, asked.periods, asked.sold
    named = {
        "objective_name": (plan.objective_name, fleet.objective),
        "profile": (plan.profile, fleet.profile),
        "sweep": (plan.sweep, swept_text(fleet.swept)),
    }
    for name, (found, right) in named.items():
        if found != right:
            yield Finding(name, repr(found), repr(right))
    if plan.method not in METHODS:
        yield Finding("method", repr(plan.method), f"one of {', '.join(METHODS)}")
    yield from told(
        "hours",
        differs(plan.hours, periods.hours),
        lambda t: f"{plan.hours[t]:.12g} of {periods.names[t]}",
        lambda t: f"{periods.hours[t]:.12g}",
    )
    # There is what the pool has, or what its ways of paying have; beyond whole nodes or not.
    there = [sold.gpus, _whole(sold.gpus, sold.increment)]
    had = [sold.most.sum(axis=0), _whole(sold.most, sold.increment).sum(axis=0)]
    may_be = [*there, *(np.minimum(one, other) for one in there for other in had)]
    yield from told(
        "pools.gpus",
        ~np.any([plan.supply == gpus for gpus in may_be], axis=0),
        lambda p: f"{plan.supply[p]:.12g} in {plan.pools[p]}",
        lambda p: f"{may_be[-1][p]:.12g}",
    )


def _whole(gpus: Floats, increment: Ints) -> Floats:
    """Leave out accelerators beyond whole nodes; no limit stays none."""
    there = np.where(np.isinf(gpus), 0.0, gpus)
    return np.where(np.isinf(gpus), gpus, there - there % increment)


def _shadow_prices(plan: FleetPlan, asked: Asked) -> Iterator[Finding]:
    """Shadow prices are those of the multipliers, and the same wherever they stand."""
    table, hours = plan.purchases, asked.periods.hours
    mean = hours / hours.sum()
    worth = np.full((len(plan.pools), len(hours)), np.nan)
    if plan.prices is not None:
        worth = plan.prices.pools
    mine = np.where(
        table.period < 0,
        (worth @ mean)[table.pool],
        worth[table.pool, np.maximum(table.period, 0)],
    )
    yield from told(
        "shadow_price_dollars_per_gpu_hour",
        differs(table.shadow_price, mine),
        lambda row: f"{table.shadow_price[row]:.12g} in {plan.pools[table.pool[row]]}",
        lambda row: f"{mine[row]:.12g}, as in the summary",
    )
    if plan.prices is None:
        return
    if not (plan.prices.budget >= 0 and not (worth < 0).any()):
        yield Finding("shadow prices", "a negative one", "none below 0")
    if plan.multipliers is None:
        return
    right = plan.multipliers.supply / hours
    if right.shape == worth.shape and differs(worth, right).any():
        yield Finding("shadow_prices_dollars_per_gpu_hour", worth.tolist(), f"{right.tolist()}")
    dollar = plan.multipliers.dollar
    if not math.isclose(plan.prices.budget, dollar, rel_tol=CHECKED_FLEET, abs_tol=CHECKED_FLEET):
        yield Finding("budget_shadow_price", plan.prices.budget, f"{dollar:.12g}")


def _unknown(plan: FleetPlan, offer: Ints) -> Iterator[Finding]:
    rows = plan.replicas
    yield from told(
        "label",
        offer < 0,
        lambda row: f"{rows.labels[rows.label[row]]} of {plan.workloads[rows.workload[row]]}",
        lambda row: f"a deployment on offer in {plan.pools[rows.pool[row]]}",
    )


def _cost(plan: FleetPlan, asked: Asked, rows: Rows, bought: Bought) -> Iterator[Finding]:
    """The plan costs what it says, and no more than it may."""
    dollars = dollars_of(asked, rows, bought)
    expected = {
        "dollars": dollars,
        "dollars_per_hour": dollars / float(asked.periods.hours.sum()),
        "objective": dollars + refusal_dollars(plan, asked),
    }
    for name, right in expected.items():
        if not math.isclose(
            getattr(plan, name), right, rel_tol=CHECKED_FLEET, abs_tol=CHECKED_FLEET
        ):
            yield Finding(name, f"{getattr(plan, name):.12g}", f"{right:.12g}")
    most, mean = asked.fleet.dollars_per_hour_at_most, expected["dollars_per_hour"]
    if most is not None and not mean <= most * (1.0 + CHECKED_FLEET):
        yield Finding("dollars_per_hour", f"{mean:.12g}", f"at most {most:.12g}")


def _proof(plan: FleetPlan, fleet: Fleet) -> Iterator[Finding]:
    """The bound is no higher than the objective, and the gap is between the two."""
    if plan.status == "time_limit" and math.isnan(plan.bound) and math.isnan(plan.gap):
        return  # Time ran out before there was a bound.
    gap = (plan.objective - plan.bound) / max(abs(plan.objective), 1e-12)
    if not gap >= -CHECKED_FLEET:
        yield Finding("bound", plan.bound, f"at most the objective {plan.objective:.12g}")
    if not math.isclose(plan.gap, gap, rel_tol=CHECKED_FLEET, abs_tol=CHECKED_FLEET):
        yield Finding("gap", plan.gap, f"{gap:.9g}")
    most = fleet.solver.relative_gap
    if plan.status == "optimal" and not plan.gap <= most * (1.0 + CHECKED_FLEET) + CHECKED_FLEET:
        yield Finding("status", plan.status, f"a gap of at most {most:g}, not {plan.gap:.3g}")


def _safe_proof(plan: FleetPlan, asked: Asked, offers: Offers, bounded: bool) -> Iterator[Finding]:
    """The safe bound is the one that the multipliers prove, and no more than the objective."""
    if plan.multipliers is None:
        if not math.isnan(plan.safe_bound):
            yield Finding("safe_bound", plan.safe_bound, "nothing without multipliers")
        return
    periods = len(plan.pools), len(plan.periods)
    if plan.multipliers.supply.shape != periods:
        yield Finding("multipliers", plan.multipliers.supply.shape, f"{periods} pools and periods")
        return
    if not bounded:
        right = safe_bound(asked, offers, plan.multipliers)
        right = right if math.isfinite(right) else math.nan
        same = math.isclose(plan.safe_bound, right, rel_tol=CHECKED_FLEET, abs_tol=CHECKED_FLEET)
        if not same and not (math.isnan(plan.safe_bound) and math.isnan(right)):
            yield Finding("safe_bound", f"{plan.safe_bound:.12g}", f"{right:.12g}")
    room = CHECKED_FLEET * max(abs(plan.objective), 1.0)
    if plan.safe_bound > plan.objective + room:
        expected = f"no less than the safe bound {plan.safe_bound:.12g}"
        yield Finding("objective", f"{plan.objective:.12g}", expected)
