"""From a formulation's decisions to the plan a user gets."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from planner.candidates.fleet.feasibility import round_trips
from planner.candidates.fleet.model_data import HOURLY, Decisions, ModelData, SolveResult
from planner.plans.comparison import Comparison
from planner.plans.fleet_columns import MARKETS
from planner.plans.fleet_multipliers import multipliers_of
from planner.plans.fleet_plan import (
    Bools,
    FleetPlan,
    Floats,
    Ints,
    Purchases,
    Replicas,
    Service,
    ShadowPrices,
)
from planner.plans.fleet_prices import (
    hourly_cost,
    own_dollars,
    paid,
    sources_of,
    tokens_of,
    used_gpus,
)
from planner.plans.fleet_rows import (
    Runs,
    by_place,
    exactly_served,
    rate_of,
    refused,
    runs_of,
    stages_of,
    starts_of,
)
from planner.plans.plan import swept_text
from planner.problem.fleet import Fleet
from planner.problem.offers import Deployment, Offers
from planner.problem.tolerances import INTEGRAL, RELAXED
from planner.version import __version__

RESERVED, ON_DEMAND, SPOT = range(len(MARKETS))


def build_fleet_plan(
    fleet: Fleet,
    offers: Offers,
    data: ModelData,
    result: SolveResult,
    prices: ShadowPrices | None = None,
    *,
    comparison: Comparison | None = None,
    method: str = "milp",
    message: str = "",
) -> FleetPlan:
    """Build the plan of what a formulation decided.

    What a solver leaves behind of rounding is taken out: purchases become whole, requests refused
    are those that the replicas leave, and the objective is the cost of what then stands there.

    Parameters
    ----------
    fleet : Fleet
        What was asked.
    offers : Offers
        Deployments on offer.
    data : ModelData
        What the formulation was built from.
    result : SolveResult
        What it found and proved.
    prices : ShadowPrices, optional
        Shadow prices, where they are known.
    comparison : Comparison, optional
        What keeping and changing what runs costs, where that was asked.
    method : str
        `milp` or `decomposition`.
    message : str
        Why there is no plan, or what else to know.

    Returns
    -------
    FleetPlan
        Without rows where the verdict has no decisions.
    """
    decisions = result.decisions or _nothing(data)
    decisions = _all_that_is_paid_for(data, _whole_purchases(decisions))
    runs = runs_of(data, decisions, _classed(fleet))
    shed = refused(data, decisions, runs) if result.decisions else decisions.shed
    runs = exactly_served(data, runs, shed)
    plan = FleetPlan(
        **_asked(fleet, data),
        status=result.status,
        prices=prices,
        multipliers=multipliers_of(fleet, offers, data, result.multipliers),
        comparison=comparison,
        solver=result.solver,
        method=method,
        seconds=result.seconds,
        planner_version=__version__,
        message=message,
        replicas=_replicas(fleet, offers, data, runs, decisions.reserved),
        purchases=_purchases(fleet, data, decisions, runs, prices),
        service=_service(fleet, data, runs, shed, bool(result.decisions)),
    )
    if result.decisions is None:
        return replace(plan, bound=result.bound)
    return _priced(plan, data, runs, shed, result)


def _asked(fleet: Fleet, data: ModelData) -> dict[str, Any]:
    """Return what a plan says of its fleet."""
    return {
        "fleet": fleet.name,
        "fleet_digest": fleet.digest,
        "sweep": swept_text(fleet.swept),
        "objective_name": fleet.objective,
        "profile": fleet.profile,
        "workloads": tuple(workload.name for workload in fleet.workloads),
        "pools": tuple(pool.name for pool in fleet.pools),
        "periods": data.horizon.names,
        "hours": data.horizon.hours,
        "supply": _there(data),
        "classes": tuple(tuple(one.name for one in each.classes) for each in fleet.workloads),
    }


def _there(data: ModelData) -> Floats:
    """Return the accelerators of every pool: those that can be had in its ways of paying.

    Replicas with a price of their own need no way of paying.
    """
    supply, own = data.pool_supply, np.isfinite(data.choices.dollars_per_hour)
    ways = ("reserved", "on_demand", "spot")
    had = sum(
        np.where(np.isnan(getattr(supply, f"{way}_dollars")), 0.0, getattr(supply, f"{way}_gpus"))
        for way in ways
    )
    unlimited = np.isin(np.arange(len(supply.gpus)), data.choices.pool[own]) | (had == 0)
    return np.where(unlimited, supply.gpus, np.minimum(supply.gpus, had))


def _nothing(data: ModelData) -> Decisions:
    choices, periods = len(data.choices), len(data.horizon)
    pools, workloads = len(data.pool_supply.gpus), len(data.wanted.least)
    none = np.zeros((pools, periods))
    idle, kept = np.zeros((choices, periods), dtype=np.int64), np.zeros((workloads, periods))
    return Decisions(idle, kept, None, np.zeros(pools), none, none)


def _classed(fleet: Fleet) -> Bools:
    return np.array([bool(workload.classes) for workload in fleet.workloads])


def _whole_purchases(decisions: Decisions) -> Decisions:
    return replace(
        decisions,
        reserved=_near_whole(decisions.reserved),
        on_demand=_near_whole(decisions.on_demand),
        spot=_near_whole(decisions.spot),
    )


def _all_that_is_paid_for(data: ModelData, decisions: Decisions) -> Decisions:
    """Count all accelerators that are paid for already: a solver takes any number of them at $0."""
    supply = data.pool_supply
    hourly = (decisions.on_demand + decisions.spot).max(axis=1)
    there = np.minimum(supply.reserved_gpus, supply.gpus - hourly)
    whole = np.floor(there / supply.increment) * supply.increment
    free = (supply.reserved_dollars == 0) & np.isfinite(whole)
    most = np.maximum(decisions.reserved, np.where(free, whole, 0.0))
    return replace(decisions, reserved=most)


def _near_whole(bought: Floats) -> Floats:
    """Round what is whole but for rounding; what is not is left for the checker to find."""
    whole = np.rint(bought)
    return np.where(np.abs(bought - whole) <= INTEGRAL, whole, bought)


def _replicas(
    fleet: Fleet, offers: Offers, data: ModelData, runs: Runs, reserved: Floats
) -> Replicas:
    choices = data.choices
    offer, workload = choices.offer[runs.choice], choices.workload[runs.choice]
    pool = choices.pool[runs.choice]
    rows, label = np.unique(offer, return_inverse=True)
    names = [offers.label[row] for row in rows.tolist()]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    known, deployment = _known(offers, rows)
    price = paid(data, runs, reserved)
    sources, source = sources_of(fleet, data, runs)
    requests, starts = rate_of(data, runs) * runs.count, starts_of(data, runs)
    waits = fleet.prediction.time_to_first_token
    return Replicas(
        workload=workload,
        period=runs.period,
        pool=pool,
        spot=choices.spot[runs.choice],
        label=np.array([places[name] for name in names], dtype=np.int64)[label],
        role=choices.role[runs.choice],
        replicas=runs.count,
        gpus=choices.gpus[runs.choice] * runs.count,
        requests_per_second=requests,
        tpot_seconds=offers.tpot_seconds[offer],
        ttft_seconds=offers.ttft_seconds[offer] * waits + _round_trips(fleet, workload, pool),
        starts=starts,
        dollars_per_gpu_hour=price,
        price_source=source,
        dollars_per_hour=hourly_cost(data, runs, price, starts),
        gpus_per_replica=offers.gpus[offer],
        quality=offers.quality[offer],
        tokens_per_second=requests * tokens_of(fleet, offers)[offer],
        served=runs.served,
        labels=tuple(places),
        price_sources=sources,
        deployment=deployment[label],
        deployments=known,
        extra=runs.extra,
        served_when_risen=runs.served_when_risen,
    )


def _known(offers: Offers, rows: Ints) -> tuple[tuple[Deployment, ...], Ints]:
    """Return what is known of deployments, each once, and the place of each row of the offers."""
    nothing: Deployment = {}
    each = [offers.deployment[row] if offers.deployment else nothing for row in rows.tolist()]
    once = {id(one): one for one in each}
    places = {key: place for place, key in enumerate(once)}
    return tuple(once.values()), np.array([places[id(one)] for one in each], dtype=np.int64)


def _round_trips(fleet: Fleet, workload: Ints, pool: Ints) -> Floats:
    """Return the round trip from a workload's users to a pool; 0 where it is not stated."""
    row_of, trips = round_trips(fleet)
    return np.nan_to_num(trips[row_of[workload], pool])


def _purchases(
    fleet: Fleet,
    data: ModelData,
    decisions: Decisions,
    runs: Runs,
    prices: ShadowPrices | None,
) -> Purchases:
    """List what is bought; replicas use what is reserved first, since it is paid anyway."""
    hours = data.horizon.hours
    reserved, by_period = decisions.reserved, (decisions.on_demand, decisions.spot)
    steady = used_gpus(data, runs, spot=False)
    rest = np.maximum(steady - reserved[:, None], 0.0)
    used = np.minimum(rest, decisions.on_demand), used_gpus(data, runs, spot=True)
    worth = np.full(steady.shape, math.nan) if prices is None else prices.pools
    (pools,) = np.nonzero(reserved)
    mean = hours / hours.sum()
    parts = [
        _bought(pools, RESERVED, np.full(len(pools), -1), reserved[pools])
        | {
            "dollars": reserved[pools] * data.pool_supply.reserved_dollars[pools] * hours.sum(),
            "used_gpus": (np.minimum(steady, reserved[:, None]) @ mean)[pools],
            "shadow_price": (worth @ mean)[pools],
        }
    ]
    dollars = (data.pool_supply.hourly(way, len(hours)) for way in HOURLY)
    for capacity_type, bought, use, price in zip(
        (ON_DEMAND, SPOT), by_period, used, dollars, strict=True
    ):
        pool, period = np.nonzero(bought)
        gpus = bought[pool, period]
        parts.append(
            _bought(pool, capacity_type, period, gpus)
            | {
                "dollars": gpus * price[pool, period] * hours[period],
                "used_gpus": use[pool, period],
                "shadow_price": worth[pool, period],
            }
        )
    return _joined(fleet, parts)


def _bought(pool: Ints, capacity_type: int, period: Ints, gpus: Floats) -> dict[str, Ints | Floats]:
    return {
        "pool": pool,
        "market": np.full(len(pool), capacity_type),
        "period": period,
        "gpus": gpus,
    }


def _joined(fleet: Fleet, parts: list[dict[str, Ints | Floats]]) -> Purchases:
    """Join the ways of paying, sorted by pool, way and period."""
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((columns["period"], columns["market"], columns["pool"]))
    columns = {name: values[order] for name, values in columns.items()}
    size = np.array([one.gpus_per_node or math.nan for one in fleet.pools])
    return Purchases(
        **columns,
        nodes=columns["gpus"] / size[columns["pool"]],
        utilisation=columns["used_gpus"] / columns["gpus"],
    )


def _service(fleet: Fleet, data: ModelData, runs: Runs, shed: Floats, found: bool) -> Service:
    demand = data.wanted.demand
    if not found:
        demand = demand[:, :0]
    serves = runs.count * rate_of(data, runs)
    stages = [by_place(data, runs, serves, rows) for rows in stages_of(data, runs)]
    capacity = np.minimum(*stages).sum(axis=0)[:, : demand.shape[1]]
    shed = shed[:, : demand.shape[1]]
    with np.errstate(divide="ignore", invalid="ignore"):
        utilisation = np.where(capacity > 0, (demand - shed) / capacity, math.nan)
    priority = np.array([workload.priority for workload in fleet.workloads], dtype=np.int64)
    return Service(demand, capacity, shed, utilisation, priority)


def _priced(
    plan: FleetPlan,
    data: ModelData,
    runs: Runs,
    shed: Floats,
    result: SolveResult,
) -> FleetPlan:
    """Fill in what the plan costs, and how far that is from the bound."""
    horizon = data.horizon
    starting = data.choices.startup_dollars[runs.choice] * horizon.weight[runs.period]
    starts = plan.replicas.starts
    dollars = float(
        plan.purchases.dollars.sum()
        + own_dollars(data, runs)
        # What is never started may have no price of starting.
        + (np.where(starts > 0, starting, 0.0) * starts).sum()
    )
    refused = data.wanted.shed_dollars @ shed @ (horizon.hours * 3600.0)
    objective = dollars + float(refused)
    if not math.isclose(objective, result.objective, rel_tol=RELAXED, abs_tol=RELAXED):
        objective = result.objective  # The checker will say that the plan does not cost this.
    bound = result.bound
    if objective < bound <= objective + RELAXED * abs(objective):
        bound = objective
    gap = (objective - bound) / max(abs(objective), 1e-12)
    return replace(
        plan,
        objective=objective,
        bound=bound,
        gap=gap,
        dollars=dollars,
        dollars_per_hour=dollars / float(horizon.hours.sum()),
    )
