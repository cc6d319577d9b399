"""Small random fleets with offers, for questions that are asked through `solve_fleet`."""

import random

import fleet_plans
import numpy as np

from planner.problem.fleet import Fleet
from planner.problem.offers import Offers

EVERYTHING = frozenset(("limits", "nodes", "starts", "guarantees", "spot", "shed"))
NAN = float("nan")


def small_fleet(
    seed: int, features: frozenset[str] = EVERYTHING, *, scarce: float = 1.0
) -> tuple[Fleet, Offers]:
    """A fleet of up to three workloads over two pools, the same for the same seed.

    `scarce` is about how much of what is wanted there is.
    """
    rng = random.Random(seed)
    periods = rng.choice((1, 1, 2))
    rows = [row for w in range(rng.choice((1, 2, 3))) for row in _rows(rng, w)]
    workloads = [_workload(rng, w, periods, features) for w in range(rows[-1][0] + 1)]
    pools = [_pool(rng, name, len(workloads) * scarce, features) for name in ("h100", "l40s")]
    document = {
        "name": f"small-{seed}",
        "periods": [{"name": f"t{t}", "hours": rng.uniform(0.5, 4)} for t in range(periods)],
        "workloads": workloads,
        "pools": pools,
        "solver": {"relative_gap": 0.0},
    }
    if "limits" in features and rng.random() < 0.5:
        total = rng.uniform(15, 60) * len(workloads) * periods
        hours = sum(period["hours"] for period in document["periods"])
        document["dollars_per_hour_at_most"] = total / hours
    return Fleet.model_validate(document), fleet_plans.offers_of(rows)


def _rows(rng: random.Random, w: int) -> list[tuple]:
    found = []
    for pool in (0, 1):
        for gpus in rng.sample((1, 2, 4), rng.choice((1, 2))):
            rate = rng.uniform(0.4, 0.9) * gpus**0.85 * (2.0 if pool == 0 else 1.0)
            tpot, ttft = rng.choice((0.02, 0.04, 0.08)), rng.uniform(0.2, 1.0)
            found.append((w, pool, f"tp{gpus}", gpus, 0, rate, tpot, ttft, NAN, NAN))
    # One that meets every limit there is.
    found.append((w, 1, "sure", 1, 0, rng.uniform(0.3, 0.5), 0.01, 0.1, NAN, NAN))
    return found


def _workload(rng: random.Random, w: int, periods: int, features: frozenset[str]) -> dict:
    one = {
        "name": f"w{w}",
        "requests_per_second": [rng.uniform(0.3, 4) for _ in range(periods)],
        "tokens_per_second_per_request": rng.choice((10.0, 20.0, 30.0)),
        "time_to_first_token_seconds": rng.uniform(0.4, 1.2),
        "priority": rng.choice((1, 2, 3)),
    }
    if "guarantees" in features:
        one["headroom"] = rng.choice((0.0, 0.1, 0.25))
        one["n_plus_1"] = rng.random() < 0.3
        one["max_deployments"] = "any" if rng.random() < 0.7 else 1
        one["min_replicas"] = rng.choice((0, 0, 2))
        one["spot"] = rng.random() < 0.7
    if "starts" in features and rng.random() < 0.3:
        one["startup_dollars"] = rng.uniform(0.2, 2)
    if "shed" in features and rng.random() < 0.3:
        one["shed_at_most"] = rng.uniform(0.05, 0.3)
        one["shed_dollars_per_1000_requests"] = rng.uniform(0.2, 2)
    return one


def _pool(rng: random.Random, name: str, wanted: float, features: frozenset[str]) -> dict:
    price = rng.uniform(1, 4)
    pool = {
        "name": name,
        "gpus": max(round(wanted * rng.uniform(3, 9)), 4),
        "on_demand": {"dollars_per_gpu_hour": price},
    }
    if "nodes" in features and rng.random() < 0.3:
        pool["gpus_per_node"] = 4
    if rng.random() < 0.3:
        pool["reserved"] = {"dollars_per_gpu_hour": price * rng.uniform(0.5, 1.0)}
    if "spot" in features and rng.random() < 0.4:
        pool["spot"] = {"dollars_per_gpu_hour": price * rng.uniform(0.3, 0.8)}
    return pool


def for_all(fleet: Fleet, **changed) -> Fleet:
    """The fleet with the same changes to every workload."""
    workloads = tuple(one.model_copy(update=changed) for one in fleet.workloads)
    return fleet.model_copy(update={"workloads": workloads})


def by(fleet: Fleet, method: str) -> Fleet:
    """The fleet solved by one formulation."""
    solver = fleet.solver.model_copy(update={"method": method})
    return fleet.model_copy(update={"solver": solver})


def shuffled(fleet: Fleet, offers: Offers, seed: int) -> tuple[Fleet, Offers]:
    """The same question with workloads, pools and offers in another order."""
    rng = random.Random(seed)
    workloads, pools = list(range(len(fleet.workloads))), list(range(len(fleet.pools)))
    rng.shuffle(workloads)
    rng.shuffle(pools)
    update = {
        "workloads": tuple(fleet.workloads[w] for w in workloads),
        "pools": tuple(fleet.pools[p] for p in pools),
    }
    rows = list(range(len(offers)))
    rng.shuffle(rows)
    rows.sort(key=lambda row: workloads.index(int(offers.workload[row])))
    columns = {name: getattr(offers, name) for name in Offers.__slots__}
    taken = {
        name: tuple(values[row] for row in rows if values)
        if isinstance(values, tuple)
        else values[np.array(rows)]
        for name, values in columns.items()
    }
    taken["workload"] = np.array([workloads.index(int(w)) for w in taken["workload"]])
    taken["pool"] = np.array([pools.index(int(p)) for p in taken["pool"]])
    return fleet.model_copy(update=update), Offers(**taken)
