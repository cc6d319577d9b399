"""Of the plans that cost the same, one that a person would run: against all optimal plans."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import crafted_fleets
import numpy as np
import pytest
from crafted_fleets import offered, pools, row, wanted

from planner.candidates.fleet.model_data import Described, ModelData
from planner.formulations.column_generation.integer_master import distinct_in_use
from planner.formulations.column_generation.patterns import Patterns
from planner.formulations.column_generation.subproblems import Subproblems, decompose
from planner.formulations.fleet import milp

MOST = 4


def tied(seed: int) -> ModelData:
    """A small fleet of round numbers, in which many plans cost the same."""
    rng = random.Random(seed)
    workloads = rng.choice((1, 1, 2))
    rows = []
    for w in range(workloads):
        for _ in range(rng.choice((2, 3))):
            pool = rng.randrange(2)
            gpus = rng.choice((1, 2, 2, 4))
            # Two accelerators of the cheap pool are worth one of the other.
            rows.append(row(w, pool, gpus, float(gpus * (pool + 1) * rng.choice((1, 1, 1.5)))))
    hours = (1.0,) if workloads == 2 else rng.choice(((1.0,), (1.0, 2.0)))
    asked = [
        {
            "demand": tuple(float(rng.randint(1, 6)) for _ in hours),
            "kinds": rng.choice((1.0, np.inf, np.inf)),
        }
        for _ in range(workloads)
    ]
    prices = {"on_demand_dollars": (1.0, 2.0)}
    data = crafted_fleets.fleet(offered(*rows), wanted(*asked), pools(2, **prices), hours=hours)
    labels = rng.sample("abcdefgh", len(rows))
    tpot = np.array([rng.choice((0.01, 0.02, 0.03)) for _ in rows])
    stages = np.array([rng.choice((1, 1, 2)) for _ in rows])
    return replace(data, described=Described(tuple(labels), tpot, stages))


def plans(data: ModelData):
    """Every number of replicas that serves all, with its cost."""
    choices, hours = data.choices, data.horizon.hours
    shape = len(choices), len(hours)
    columns = [[] for _ in hours]
    for t in range(len(hours)):
        for counts in itertools.product(range(MOST + 3), repeat=len(choices)):
            n = np.array(counts)
            if all(serves(data, w, t, n) for w in range(len(data.wanted.least))):
                columns[t].append(n)
    price = np.array([1.0, 2.0])[choices.pool] * choices.gpus
    cheapest = [min(float(price @ n) for n in column) for column in columns]
    best = [
        [n for n in column if price @ n <= least + 1e-9]
        for column, least in zip(columns, cheapest, strict=True)
    ]
    for each in itertools.product(*best):
        yield np.stack(each, axis=1).reshape(shape)


def serves(data: ModelData, w: int, t: int, n: np.ndarray) -> bool:
    mine = data.choices.workload == w
    enough = (n * data.choices.rates[:, 0])[mine].sum() >= data.wanted.demand[w, t] - 1e-9
    return enough and (n[mine] > 0).sum() <= data.wanted.kinds[w]


def rule(data: ModelData, replicas: np.ndarray) -> tuple[float, ...]:
    """What is compared, one after the other."""
    choices, hours, said = data.choices, data.horizon.hours, data.described
    slowest = 0.0
    for w in range(len(data.wanted.least)):
        for t, hour in enumerate(hours):
            runs = (choices.workload == w) & (replicas[:, t] > 0)
            slowest += hour * said.tpot_seconds[runs].max(initial=0.0)
    return tuple(
        round(float(value), 9)
        for value in (
            choices.gpus @ replicas @ hours,
            slowest,
            (replicas > 0).any(axis=1).sum(),
            said.stages @ replicas @ hours,
            replicas.sum(axis=0) @ hours,
        )
    )


@pytest.mark.parametrize("seed", range(120))
def test_the_best_of_all_optimal_plans_is_chosen(seed: int) -> None:
    data = tied(seed)
    found = milp.solve(data).decisions.replicas
    assert rule(data, found) == min(rule(data, each) for each in plans(data))


def test_the_random_fleets_have_ties_that_every_part_of_the_rule_breaks() -> None:
    decided = set()
    for seed in range(120):
        keys = sorted({rule(data, each) for data in [tied(seed)] for each in plans(data)})
        if len(keys) > 1:
            pairs = zip(keys[0], keys[1], strict=True)
            decided.add(next(at for at, (one, other) in enumerate(pairs) if one != other))
    assert decided >= {0, 1, 2, 3}


@pytest.mark.parametrize("seed", range(60))
def test_of_patterns_that_take_the_same_the_decomposition_keeps_the_best(seed: int) -> None:
    data = tied(seed)
    parts = decompose(data)
    choices = parts.choice
    found = [
        (block, [each[c, parts.period[block]] if c >= 0 else 0 for c in choices[w]])
        for each in plans(data)
        for block, w in enumerate(parts.workload)
    ]
    random.Random(seed).shuffle(found)
    block, counts = (np.array(part) for part in zip(*found, strict=True))
    kept = distinct_in_use(parts, Patterns(block, counts, np.zeros(len(block))))
    best: dict[tuple, tuple] = {}
    for place, n in zip(block.tolist(), counts, strict=True):
        key = place, used(data, parts, place, n)
        best[key] = min(best.get(key, (np.inf,)), rule_of(data, parts, place, n))
    again = zip(kept.block.tolist(), kept.counts, strict=True)
    assert {
        (place, used(data, parts, place, n)): rule_of(data, parts, place, n) for place, n in again
    } == best
    assert len(kept) == len(best)


def used(data: ModelData, parts: Subproblems, block: int, n: np.ndarray) -> tuple:
    """Accelerators of each pool that a block's replicas occupy."""
    choice = parts.choice[parts.workload[block]]
    gpus = data.choices.gpus[choice] * n
    return tuple(int(gpus[data.choices.pool[choice] == pool].sum()) for pool in range(2))


def rule_of(data: ModelData, parts: Subproblems, block: int, n: np.ndarray) -> tuple:
    """The rule for one workload in one period, its accelerators given."""
    said, choice = data.described, parts.choice[parts.workload[block]]
    slowest = said.tpot_seconds[choice][n > 0].max(initial=0.0)
    return slowest, int((n > 0).sum()), int(said.stages[choice] @ n), int(n.sum())
