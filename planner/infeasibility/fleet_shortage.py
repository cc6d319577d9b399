"""What a fleet that cannot be had lacks: accelerators, money, power, carbon, or modest demand."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from planner.candidates.fleet.build_model_data import build_model_data, feasible_offers
from planner.candidates.fleet.gather import offers as offers_of
from planner.candidates.fleet.model_data import Floats, Ints, ModelData
from planner.candidates.fleet.supply import pool_supply
from planner.formulations.column_generation import elastic as elastic_blocks
from planner.formulations.column_generation import elastic_linking
from planner.formulations.column_generation.subproblems import unsupported
from planner.formulations.fleet import elastic, relaxed_limits
from planner.formulations.fleet.relaxed_limits import WAYS, Kind, Missing
from planner.infeasibility.fleet_deficits import UNITS, Deficit, Refused, Remedy, Shortage
from planner.infeasibility.fleet_unservable import unservable
from planner.problem.fleet import Fleet, FleetPool
from planner.problem.offers import Offers
from planner.problem.tolerances import NEGLIGIBLE
from solvers.outcome import SolverFailedError

LONGEST_SECONDS = 60.0
"""Seconds that the whole answer may take."""
LARGEST_MILP = 600
"""Choices x periods up to which the plain formulation answers."""
PRIORITY_FACTOR, LARGEST_FACTOR = 100.0, 1e6
"""How many requests of a priority weigh as much as one of the priority before it, where the
decomposition weighs them; and the largest such weight."""
REFUSAL_FACTOR = 1e3
"""How many times what serving a request costs at most one of the last priority weighs."""


def shortage(
    fleet: Fleet, offers: Offers | None = None, *, seconds: float = LONGEST_SECONDS
) -> Shortage:
    """Say what must be added to a fleet, or refused, so that it can be had.

    For each kind of limit alone (accelerators, budget, power, carbon) the least is sought that
    must be added to it; where none is enough alone, to all of them. Then what must be refused if
    nothing is added: the fewest requests of priority 1, of those plans the fewest of priority 2,
    and so on.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    offers : Offers, optional
        Deployments on offer. Left out: from the fleet's files, or tabulated.
    seconds : float
        Most that the answer may take; then it is what is known.

    Returns
    -------
    Shortage
        Without remedies where nothing is lacking.

    Raises
    ------
    InputError
        As `planner.candidates.fleet.build_model_data.data` does.
    """
    offers = offers_of(fleet) if offers is None else offers
    boundless = _boundless(fleet)
    known = feasible_offers(boundless, offers)
    if refused := unservable(boundless, offers, known):
        reasons = tuple(f"{refusal.workload}: {refusal.reason}" for refusal in refused)
        return Shortage(fleet.name, (), (), True, reasons)
    # Deployments for which no pool has room today may be what is worth making room for.
    data = replace(
        build_model_data(boundless, offers, known), pool_supply=pool_supply(fleet, offers)
    )
    priority = np.array([one.priority for one in fleet.workloads], dtype=np.int64)
    return _shortage(fleet, data, priority, time.perf_counter() + seconds)


def _boundless(fleet: Fleet) -> Fleet:
    """Return the fleet with pools of any size."""
    return fleet.model_copy(update={"pools": tuple(_sized(pool, None) for pool in fleet.pools)})


def _sized(pool: FleetPool, more: float | None) -> FleetPool:
    """Return a pool with more accelerators in every way of paying; None is no limit."""

    def size(gpus: int | None) -> int | None:
        return None if gpus is None or more is None else gpus + round(more)

    ways = {way: getattr(pool, way) for way in WAYS}
    larger = {
        way: sold.model_copy(update={"gpus": size(sold.gpus)})
        for way, sold in ways.items()
        if sold is not None
    }
    return pool.model_copy(update={"gpus": size(pool.gpus), **larger})


def _shortage(fleet: Fleet, data: ModelData, priority: Ints, until: float) -> Shortage:
    limited = relaxed_limits.limited(data)
    tried = [_least_missing(fleet, data, (kind,), until) for kind in limited]
    if not any(missing.found for missing in tried) and len(limited) > 1:
        tried.append(_least_missing(fleet, data, limited, until))
    found = [_remedy(fleet, data, missing) for missing in tried if missing.found]
    if any(not remedy.deficits for remedy in found):
        return Shortage(fleet.name, (), (), True, lacking=False)
    refused, exact = _least_refused(fleet, data, priority, until)
    in_time = all(missing.status != "no_solution_in_time" for missing in tried)
    complete = in_time and (exact or bool(refused))
    return Shortage(fleet.name, tuple(found), refused, exact, complete=complete)


def _by_milp(fleet: Fleet, data: ModelData) -> bool:
    """Tell whether the plain formulation answers: it proves more, and takes longer."""
    if fleet.solver.method != "auto" or unsupported(data):
        return fleet.solver.method != "decomposition"
    return len(data.choices) * len(data.horizon) <= LARGEST_MILP


def _least_missing(fleet: Fleet, data: ModelData, kinds: tuple[Kind, ...], until: float) -> Missing:
    left = max(until - time.perf_counter(), 1.0) / 2
    if _by_milp(fleet, data):
        try:
            found = elastic.least_missing(data, kinds, time_limit_seconds=left)
        except SolverFailedError:
            # That there is no plan is known; this only says why.
            shape = len(fleet.pools), len(data.horizon)
            found = relaxed_limits.without("no_solution_in_time", *shape)
        if found.status != "no_solution_in_time" or unsupported(data):
            return found
    return elastic_blocks.least_missing(data, kinds, time_limit_seconds=left)


def _remedy(fleet: Fleet, data: ModelData, missing: Missing) -> Remedy:
    names, periods = [pool.name for pool in fleet.pools], data.horizon.names
    deficits = []
    for p in np.argsort(-missing.gpus, kind="stable").tolist():
        short = missing.short[p]
        # A single period needs no name.
        worst = periods[int(short.argmax())] if short.any() and len(periods) > 1 else ""
        many = int((short > 0).sum())
        deficits.append(Deficit("gpus", names[p], float(missing.gpus[p]), worst, many))
    amounts: list[tuple[Kind, str, float]] = [
        ("dollars", "", missing.dollars),
        *(("watts", name, more) for name, more in zip(names, missing.pool_watts, strict=True)),
        ("watts", "", missing.watts),
        ("kilograms", "", missing.kilograms),
    ]
    deficits += [Deficit(kind, pool, _up(kind, amount), "", 0) for kind, pool, amount in amounts]
    some = tuple(deficit for deficit in deficits if deficit.amount > 0)
    proved = missing.status == "optimal"
    return Remedy(some, proved, missing.value, missing.bound)


def _up(kind: Kind, amount: float) -> float:
    """Round an amount up to what is told, apart from a solver's rounding."""
    step = UNITS[kind][1]
    steps = math.ceil(amount / step - 1e-6) if amount > step * 1e-3 else 0
    return round(steps * step, 3)


def _least_refused(
    fleet: Fleet, data: ModelData, priority: Ints, until: float
) -> tuple[tuple[Refused, ...], bool]:
    left = max(until - time.perf_counter(), 1.0)
    if _by_milp(fleet, data):
        try:
            result = elastic.least_refused(data, priority, time_limit_seconds=left)
        except SolverFailedError:
            return (), False
        if result.decisions is not None:
            exact = result.status == "optimal"
            return _refusals(fleet, data, result.decisions.shed), exact
        if result.status == "infeasible" or unsupported(data):
            return (), result.status == "infeasible"
    weighed = _weighed(data, priority)
    shed, _ = elastic_blocks.least_refused(weighed, time_limit_seconds=left)
    return (() if np.isnan(shed).any() else _refusals(fleet, data, shed)), False


def _weighed(data: ModelData, priority: Ints) -> ModelData:
    """Return a fleet that may refuse all, at prices far above those of serving.

    A request of a priority weighs as much as a hundred of the next one.
    """
    cheap = elastic_linking.cheap(data, 1.0 / REFUSAL_FACTOR)
    wanted, choices = data.wanted, data.choices
    prices = relaxed_limits.worth(data)["gpus"] / data.horizon.hours.sum()
    own = choices.dollars_per_hour
    hourly = np.where(np.isnan(own), prices[choices.pool] * choices.gpus, own)
    each = np.full(len(wanted.least), np.inf)
    np.minimum.at(each, choices.workload, hourly / choices.rates[:, 0] / 3600.0)
    dearest = float(each[np.isfinite(each)].max(initial=1e-6))
    _, rank = np.unique(priority, return_inverse=True)
    factor = np.minimum(PRIORITY_FACTOR ** (rank.max() - rank).astype(float), LARGEST_FACTOR)
    shedding = replace(
        wanted, shed_at_most=np.ones(len(wanted.least)), shed_dollars=dearest * factor
    )
    return replace(cheap, wanted=shedding)


def _refusals(fleet: Fleet, data: ModelData, shed: Floats) -> tuple[Refused, ...]:
    demand, seconds = data.wanted.demand, data.horizon.hours * 3600.0
    shed = np.where(shed > NEGLIGIBLE * demand, np.minimum(shed, demand), 0.0)
    part = np.divide(shed, demand, out=np.zeros_like(shed), where=demand > 0)
    requests, asked = shed @ seconds, demand @ seconds
    rows = np.flatnonzero(requests > 0)
    share = requests[rows] / asked[rows]
    priority = np.array([fleet.workloads[w].priority for w in rows])
    order = np.lexsort((-share, -priority)) if len(rows) else np.zeros(0, dtype=np.int64)
    found = []
    for at in order.tolist():
        w = int(rows[at])
        worst = int(part[w].argmax())
        found.append(
            Refused(
                workload=fleet.workloads[w].name,
                priority=fleet.workloads[w].priority,
                share=float(share[at]),
                at_most=float(part[w, worst]),
                period=data.horizon.names[worst] if demand.shape[1] > 1 else "",
                requests=float(requests[w]),
            )
        )
    return tuple(found)


def supplied(fleet: Fleet, remedy: Remedy) -> Fleet:
    """Return the fleet with what a remedy adds.

    Accelerators are added to the pool and to each of its ways of paying that has a limit.
    """
    gpus = {deficit.pool: deficit.amount for deficit in remedy.deficits if deficit.what == "gpus"}
    watts = {deficit.pool: deficit.amount for deficit in remedy.deficits if deficit.what == "watts"}
    caps = {deficit.what: deficit.amount for deficit in remedy.deficits if not deficit.pool}
    pools = []
    for pool in fleet.pools:
        larger = _sized(pool, gpus.get(pool.name, 0.0))
        cap = _raised(pool.watts_at_most, watts.get(pool.name, 0.0))
        pools.append(larger.model_copy(update={"watts_at_most": cap}))
    hours = sum(period.hours for period in fleet.periods)
    caps["dollars"] = caps.get("dollars", 0.0) / hours
    fields: tuple[tuple[Kind, str], ...] = (
        ("dollars", "dollars_per_hour_at_most"),
        ("watts", "watts_at_most"),
        ("kilograms", "carbon_kilograms_at_most"),
    )
    changed = {name: _raised(getattr(fleet, name), caps.get(kind, 0.0)) for kind, name in fields}
    return fleet.model_copy(update={"pools": tuple(pools), **changed})


def _raised(cap: float | None, more: float) -> float | None:
    return None if cap is None else cap + more


def refusing(fleet: Fleet, found: Shortage) -> Fleet:
    """Return the fleet that may refuse what a shortage says, and no more in any period."""
    parts = {one.workload: one for one in found.refused}
    workloads = []
    for one in fleet.workloads:
        most = max(one.shed_at_most or 0.0, 0.0)
        if one.name in parts:
            most = min(max(most, parts[one.name].at_most * (1.0 + 1e-9)), 1.0)
            price = one.shed_dollars_per_1000_requests or 0.0
            update = {"shed_at_most": most, "shed_dollars_per_1000_requests": price}
            workloads.append(one.model_copy(update=update))
        else:
            workloads.append(one)
    return fleet.model_copy(update={"workloads": tuple(workloads)})
