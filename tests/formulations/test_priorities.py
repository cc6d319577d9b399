"""Priorities: requests of the first are refused only where they cannot be served."""

import itertools

import numpy as np
import pytest

from planner.api import solve_fleet
from planner.problem.fleet import Fleet

HEADER = "workload,pool,label,gpus,requests_per_second"


def fleet(tmp_path, workloads, gpus, periods=1, **more):
    """Workloads by name, each with requests/s, priority and price, on accelerators at $1/h."""
    rows = [f"{name},a,x,1,{rate}" for name, (_, _, _, rate) in workloads.items()]
    (tmp_path / "rates.csv").write_text("\n".join([HEADER, *rows, ""]))
    asked = [
        {
            "name": name,
            "requests_per_second": demand,
            "priority": priority,
            "shed_at_most": 1.0,
            "shed_dollars_per_1000_requests": price,
        }
        for name, (demand, priority, price, _) in workloads.items()
    ]
    return Fleet.model_validate(
        {
            "name": "shop",
            "workloads": asked,
            "periods": [{"name": f"t{t}"} for t in range(periods)],
            "pools": [{"name": "a", "gpus": gpus, "on_demand": {"dollars_per_gpu_hour": 1.0}}],
            "deployments": [str(tmp_path / "rates.csv")],
            "solver": {"relative_gap": 0.0, **more},
        }
    )


def refused(plan):
    return {
        name: round(float(row.sum()), 6)
        for name, row in zip(plan.workloads, plan.service.shed, strict=True)
    }


@pytest.mark.parametrize("method", ["milp", "decomposition"])
@pytest.mark.parametrize("gold", [4, 6])
def test_the_first_is_served_first_whatever_refusing_it_costs(tmp_path, method, gold):
    asked = {"gold": (gold, 1, 0.01, 1.0), "bronze": (4, 3, 1.1, 1.0)}
    plan = solve_fleet(fleet(tmp_path, asked, 4, method=method))
    assert plan.status == "optimal"
    assert refused(plan) == {"gold": max(gold - 4, 0), "bronze": 4}


def test_the_last_is_refused_where_that_is_cheaper(tmp_path):
    asked = {"gold": (3, 1, 0.01, 1.0), "bronze": (3, 2, 0.01, 1.0)}
    assert refused(solve_fleet(fleet(tmp_path, asked, 9))) == {"gold": 0, "bronze": 3}


def test_of_one_priority_only_the_price_decides(tmp_path):
    asked = {"gold": (4, 2, 0.9, 1.0), "bronze": (4, 2, 1.1, 1.0)}
    assert refused(solve_fleet(fleet(tmp_path, asked, 4))) == {"gold": 4, "bronze": 0}


@pytest.mark.parametrize("seed", range(12))
def test_the_fewest_are_refused_priority_by_priority_as_by_enumeration(tmp_path, seed):
    rng = np.random.default_rng(seed)
    names, gpus = "abc", int(rng.integers(2, 6))
    rates = rng.choice([0.7, 1.0, 1.9], 3)
    asked = {
        name: (float(rng.integers(1, 5)), int(rng.integers(1, 4)), float(rng.uniform(0.1, 2)), rate)
        for name, rate in zip(names, rates.tolist(), strict=True)
    }
    plan = solve_fleet(fleet(tmp_path, asked, gpus))
    demand, priority, price, rate = map(np.array, zip(*asked.values(), strict=True))
    levels = sorted(set(priority.tolist()))

    def value(replicas):
        shed = np.maximum(demand - replicas * rate, 0.0)
        first = [round(shed[priority == level].sum(), 9) for level in levels[:-1]]
        return (*first, round(float(sum(replicas) + 3.6 * shed @ price), 6))

    every = itertools.product(range(gpus + 1), repeat=3)
    best = min(value(np.array(one)) for one in every if sum(one) <= gpus)
    shed = plan.service.shed[:, 0]
    found = [round(shed[priority == level].sum(), 6) for level in levels[:-1]]
    assert (*found, plan.objective) == pytest.approx(best, abs=1e-5)
