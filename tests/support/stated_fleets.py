"""Random fleets in figures, stated as the fleet and the offers that they could have come from."""

import math
from functools import cache

import fleet_plans
import numpy as np
from random_fleets import ASKED, FEATURES, NEWER, random_figures

from planner.candidates.fleet.model_data import ModelData
from planner.formulations.fleet import milp as formulation
from planner.plans.build_fleet import build_fleet_plan
from planner.problem.fleet import Fleet
from planner.problem.offers import Offers

NAN = math.nan
STATED = FEATURES - {"starts", "scenarios"} - ASKED
"""Random fleets start replicas at prices of their own, and scenarios have demand of their own."""
WAYS = ("on_demand", "reserved", "spot")


def stated(data: ModelData) -> tuple[Fleet, Offers]:
    """Return a fleet and offers; every choice is an offer, of either capacity type."""
    limits = data.limits
    hours = data.horizon.hours.tolist()
    document = {
        "name": "stated",
        "periods": [
            {"name": name, "hours": hour}
            for name, hour in zip(data.horizon.names, hours, strict=True)
        ],
        "pools": [_pool(data, p) for p in range(len(data.pool_supply.gpus))],
        "workloads": [_workload(data, w) for w in range(len(data.wanted.least))],
        "dollars_per_hour_at_most": _limit(max(limits.dollars / sum(hours), 1e-9)),
        "watts_at_most": _limit(limits.watts),
        "carbon_kilograms_at_most": _limit(limits.kilograms),
        "solver": {"relative_gap": 0.0},
    }
    if limits.rising:
        document["robustness"] = {"workloads": limits.rising, "rise": limits.rise}
    c = data.choices
    rows = zip(c.workload, c.pool, c.gpus, c.role, c.rates, c.dollars_per_hour, strict=True)
    offers = [
        (workload, pool, f"c{at}", gpus, role, rates, NAN, NAN, own, NAN)
        for at, (workload, pool, gpus, role, rates, own) in enumerate(rows)
    ]
    return Fleet.model_validate(document), fleet_plans.offers_of(offers)


def _limit(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _count(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None


def _pool(data: ModelData, p: int) -> dict:
    pool_supply = data.pool_supply
    watts = float(pool_supply.watts[p]) or 1000.0
    pool = {
        "name": f"p{p}",
        "gpus": _count(pool_supply.gpus[p]),
        "gpus_per_node": int(pool_supply.increment[p]) if pool_supply.increment[p] > 1 else None,
        "watts_per_gpu": watts,
        "watts_at_most": _limit(pool_supply.watts_at_most[p]),
        "carbon_grams_per_kilowatt_hour": float(pool_supply.kilograms_per_hour[p] / watts * 1e6),
    }
    for way in WAYS:
        dollars = float(getattr(pool_supply, f"{way}_dollars")[p])
        if not math.isnan(dollars):
            most = _count(getattr(pool_supply, f"{way}_gpus")[p])
            pool[way] = {"dollars_per_gpu_hour": dollars, "gpus": most}
    return pool


def _workload(data: ModelData, w: int) -> dict:
    wanted = data.wanted
    shares = wanted.shares[w]
    several = (shares > 0).sum() > 1
    return {
        "name": f"w{w}",
        "requests_per_second": wanted.demand[w].tolist(),
        "classes": [{"name": f"k{k}", "share": float(part)} for k, part in enumerate(shares)]
        if several
        else [],
        "n_plus_1": bool(wanted.survives[w]),
        "min_replicas": int(wanted.least[w]),
        "max_replicas": int(wanted.most[w]) if np.isfinite(wanted.most[w]) else None,
        "max_deployments": "any" if wanted.mixes[w] else int(wanted.kinds[w]),
        "shed_at_most": float(wanted.shed_at_most[w]) or None,
        "shed_dollars_per_1000_requests": float(wanted.shed_dollars[w] * 1000.0),
    }


@cache
def solved(seed: int, without: frozenset[str] = frozenset()):
    """Return a robust random fleet in figures and stated, and the plan for it, if there is one."""
    rng = np.random.default_rng(seed)
    drawn = [*sorted(STATED - NEWER), *sorted(STATED & NEWER)]
    some = {name for name in drawn if rng.random() < 0.3} | {"robust"}
    data = random_figures(seed, features=frozenset(some) - without)
    fleet, offers = stated(data)
    result = formulation.solve(data)
    plan = build_fleet_plan(fleet, offers, data, result) if result.decisions else None
    return data, fleet, offers, plan
