"""Whether replicas serve what is asked of them: every workload in every period."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from planner.check import Finding
from planner.fleets.checking.counting import EXACT, Bools, Floats, differs, told
from planner.fleets.checking.judging import HOUR, Asked, Rows, deployed, forbidden
from planner.fleets.offers import Offers
from planner.fleets.telling.plan import FleetPlan


def coverage_findings(plan: FleetPlan, asked: Asked, rows: Rows) -> Iterator[Finding]:
    """Yield where demand is not met, or replicas are not what a workload wants.

    Parameters
    ----------
    plan : FleetPlan
        The plan; what it says of service is checked too.
    asked : Asked
        What is asked.
    rows : Rows
        Its rows with what their deployments are.
    """
    want, shed = asked.served, plan.service.shed
    name = _names(plan)
    stages = {"prompts": rows.prefill, "answers": rows.decode}
    serves = {
        stage: _sum(asked, rows, rows.rate * rows.count, mine) for stage, mine in stages.items()
    }
    capacity = np.minimum(*serves.values())
    yield from _service(plan, asked, capacity)
    alike = np.broadcast_to(~want.classed[:, None], capacity.shape)
    for stage, mine in stages.items():
        given = serves[stage] + shed
        yield from _short(want.demand, given, alike, name, f"of {stage}")
        lost = np.zeros(capacity.size)
        np.maximum.at(lost, rows.cell[mine], rows.rate[mine])
        safe = alike & want.survives[:, None] & ~_below(given, want.demand)
        left = given - lost.reshape(capacity.shape)
        yield from _short(want.demand, left, safe, name, f"of {stage} with one replica lost")
    yield from _classes(plan, asked, rows)
    yield from _counts(asked, rows, name)


def _names(plan: FleetPlan) -> Callable[[int], str]:
    periods = len(plan.periods)
    return lambda cell: f"{plan.workloads[cell // periods]} in {plan.periods[cell % periods]}"


def _sum(asked: Asked, rows: Rows, values: Floats, mine: Bools) -> Floats:
    """Add up values of some rows by workload and period."""
    shape = asked.served.demand.shape
    added = np.bincount(rows.cell[mine], values[mine], shape[0] * shape[1])
    return np.asarray(added, dtype=float).reshape(shape)


def _below(given: Floats, needed: Floats) -> Bools:
    below: Bools = ~(given >= needed * (1.0 - EXACT))
    return below


def _short(
    needed: Floats, given: Floats, concerned: Bools, name: Callable[[int], str], what: str
) -> Iterator[Finding]:
    yield from told(
        "capacity",
        (concerned & _below(given, needed)).ravel(),
        lambda cell: f"{given.flat[cell]:.9g} requests/s {what} for {name(cell)}",
        lambda cell: f"{needed.flat[cell]:.9g}, refused ones included",
    )


def _service(plan: FleetPlan, asked: Asked, capacity: Floats) -> Iterator[Finding]:
    """The table of service says what is asked, what can be served and what is refused."""
    want, table, name = asked.served, plan.service, _names(plan)
    with np.errstate(divide="ignore", invalid="ignore"):
        used = np.where(capacity > 0, (want.demand - table.shed) / capacity, np.nan)
    expected = {
        "demand": (table.demand, want.demand),
        "capacity": (table.capacity, capacity),
        "utilisation": (table.utilisation, used),
    }
    for column, (found, right) in expected.items():
        wrong = differs(found, right).ravel()
        yield from told(column, wrong, _numbers(found, name), _numbers(right))
    wrong = table.priority != want.priority
    yield from told(
        "priority",
        wrong,
        lambda row: f"{table.priority[row]} for {plan.workloads[row]}",
        lambda row: str(want.priority[row]),
    )
    most = want.shed_at_most[:, None] * want.demand
    over = ~((table.shed >= 0) & (table.shed <= most * (1.0 + EXACT)))
    yield from told(
        "shed", over.ravel(), _numbers(table.shed, name), lambda cell: f"0 to {most.flat[cell]:.9g}"
    )


def _numbers(values: Floats, name: Callable[[int], str] | None = None) -> Callable[[int], str]:
    """Return what tells a number of a workload and period, and of which."""
    return lambda cell: f"{values.flat[cell]:.9g}" + (f" for {name(cell)}" if name else "")


def _classes(plan: FleetPlan, asked: Asked, rows: Rows) -> Iterator[Finding]:
    """Every class of requests is served, as the plan splits it."""
    want, name = asked.served, _names(plan)
    if not want.classed.any():
        return
    given, shares = plan.replicas.served, want.shares
    mine = want.classed[rows.each.workload]
    classed = np.broadcast_to(want.classed[:, None], want.demand.shape)
    for index in range(shares.shape[1]):
        here = given is not None and index < given.shape[1]
        column = given[:, index] if given is not None and here else np.zeros(len(mine))
        total = _sum(asked, rows, column, mine) + plan.service.shed * shares[:, index, None]
        needed = want.demand * shares[:, index, None]
        yield from _short(needed, total, classed, name, f"of class {index + 1}")


def _counts(asked: Asked, rows: Rows, name: Callable[[int], str]) -> Iterator[Finding]:
    """There are as many replicas, and of as many deployments, as the workload wants."""
    want = asked.served
    every = np.ones(len(rows.count), dtype=bool)
    counts = _sum(asked, rows, rows.count.astype(float), every)
    least = np.broadcast_to(want.least[:, None], counts.shape)
    yield from told(
        "replicas",
        (counts < least).ravel(),
        lambda cell: f"{counts.flat[cell]:g} for {name(cell)}",
        lambda cell: f"at least {least.flat[cell]}",
    )
    one, prefill, decode = (
        _sum(asked, rows, np.ones(len(every)), mine)
        for mine in (
            rows.prefill & rows.decode,
            rows.prefill & ~rows.decode,
            rows.decode & ~rows.prefill,
        )
    )
    several = (np.maximum(np.maximum(one, prefill), decode) > 1) | (
        (one > 0) & (prefill + decode > 0)
    )
    yield from told(
        "label",
        (several & ~want.mixes[:, None]).ravel(),
        lambda cell: f"several deployments for {name(cell)}",
        lambda _: "one per role, since the workload does not mix them",
    )


def refusal_dollars(plan: FleetPlan, asked: Asked) -> float:
    """Return what refusing requests costs over the horizon."""
    seconds = asked.periods.hours * HOUR
    return float(asked.served.shed_dollars @ (plan.service.shed @ seconds))


def rise_findings(
    plan: FleetPlan, asked: Asked, offers: Offers, rows: Rows, spare: Floats
) -> Iterator[Finding]:
    """Yield periods whose spare accelerators cannot carry the rise that is planned for.

    Whether they can is a question of integers for each workload; what is looked at is a number
    of accelerators that no set of extra replicas can do without. So this finds plans that are
    certainly short, and not every one.

    Parameters
    ----------
    plan, asked, offers, rows
        As elsewhere; fleets with classes are not looked at.
    spare : array of float
        (T,) accelerators bought that replicas do not occupy, over all pools.
    """
    asking, want = asked.fleet.robustness, asked.served
    if asking is None or not asking.workloads or want.classed.any():
        return
    extra = np.zeros_like(want.demand)
    cheapest, fewest = _least_accelerators(asked, offers)
    for index, mine in enumerate((rows.prefill, rows.decode)):
        serves = _sum(asked, rows, rows.rate * rows.count, mine) + plan.service.shed
        missing = want.demand * (1.0 + asking.rise) * (1.0 - EXACT) - serves
        # Whatever is missing takes one replica at least, and accelerators by its best offer.
        with np.errstate(invalid="ignore"):
            needed = np.maximum(missing * cheapest[index][:, None], fewest[index][:, None])
        extra = np.where(missing > 0, np.maximum(extra, needed), extra)
    rising = min(asking.workloads, len(extra))
    worst = np.sort(extra, axis=0)[len(extra) - rising :].sum(axis=0)
    yield from told(
        "gpus",
        ~(worst <= spare * (1.0 + EXACT) + EXACT),
        lambda t: f"{spare[t]:g} spare accelerators in {plan.periods[t]}",
        lambda t: f"at least {worst[t]:.9g}, for {rising} workloads that rise",
    )


def _least_accelerators(asked: Asked, offers: Offers) -> tuple[list[Floats], list[Floats]]:
    """Return accelerators per request/s, and of one replica, of the best offer by workload.

    Both by stage; infinity where a workload has no offer that may be added.
    """
    everything = np.arange(len(offers))
    rates, fewest = [], []
    workloads = len(asked.served.least)
    lanes = []
    for spot in (False, True):
        each = deployed(asked, offers, everything, np.full(len(offers), spot))
        broken = np.logical_or.reduce(list(forbidden(asked, offers, each).values()))
        lanes.append((each, ~broken & np.isnan(each.own) & (each.rates[:, 0] > 0)))
    for other in (2, 1):  # Prefill is done by all but decode, and the other way round.
        per_rate, alone = np.full(workloads, np.inf), np.full(workloads, np.inf)
        for each, fine in lanes:
            row = np.flatnonzero(fine & (offers.role != other))
            gpus = each.gpus[row].astype(float)
            np.minimum.at(per_rate, each.workload[row], gpus / each.rates[row, 0])
            np.minimum.at(alone, each.workload[row], gpus)
        rates.append(per_rate)
        fewest.append(alone)
    return rates, fewest
