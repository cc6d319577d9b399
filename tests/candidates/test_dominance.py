"""Dominance: what is dropped is never missed, whatever is asked of the same deployments."""

import random
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from random_instances import random_instance

from planner.candidates.dominance import (
    MOST_CHOICES,
    NO_FRONT,
    has_ties,
    pareto_kept,
    prefiltered,
    undominated,
)
from planner.candidates.requirements import all_met, objective_values, requirements, violations
from planner.candidates.screening import all_shortlists
from planner.candidates.shortlist import shortlist
from planner.candidates.table import Candidates, blocks_of, tabulate
from planner.problem.instance import Instance
from planner.problem.resolve import ResolvedInstance, resolve

SEEDS = range(60)
OBJECTIVES = (
    "dollars_per_hour",
    "dollars_per_million_tokens",
    "tokens_per_second_per_request",
)


def asked_otherwise(instance: Instance, seed: int, table: Candidates) -> Instance:
    """The same deployments with other targets, demand, prices, supplies and objective."""
    rng = random.Random(seed)
    content = instance.model_dump(by_alias=True, exclude_unset=True)
    workload = content["workload"]

    def some(values: np.ndarray) -> float:
        return float(np.quantile(values, rng.random()))

    content["objective"] = rng.choice(OBJECTIVES)
    workload["tokens_per_second_per_request"] = some(table.tokens_per_second_per_request)
    workload["tokens_per_second"] = some(table.replica_tokens_per_second) * rng.uniform(0.5, 9)
    if "time_to_first_token_seconds" in workload:
        workload["time_to_first_token_seconds"] = some(table.time_to_first_token_seconds)
    content["dollars_per_million_tokens_at_most"] = some(table.dollars_per_million_tokens)
    if rng.random() < 0.5:
        content["dollars_per_hour_at_most"] = rng.uniform(5, 200)
    for pool in content["pools"]:
        pool["gpus"] = rng.choice((None, 4, 8, 16, 64, 256))
        pool["dollars_per_gpu_hour"] = rng.uniform(0.5, 5.0)
    content["workload"]["max_replicas"] = rng.randint(1, 20)
    return Instance.model_validate(content)


def best_by_missed(resolved: ResolvedInstance, table: Candidates) -> dict[int, float]:
    """The best score of the candidates that miss each set of requirements, or fewer."""
    missed = violations(requirements(resolved, table))
    scores = objective_values(resolved, table)
    return {
        allowed: float(scores[missed & ~allowed == 0].min(initial=np.inf))
        for allowed in range(1 << len(requirements(resolved, table)))
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_the_shortlist_answers_every_question_about_its_deployments(seed: int) -> None:
    instance = random_instance(seed)
    table = tabulate(resolve(instance))
    for variant in range(4):
        asked = asked_otherwise(instance, 100 * seed + variant, table)
        resolved = resolve(asked)
        whole = tabulate(resolved)
        evaluated, short = all_shortlists(resolved)
        assert evaluated == len(whole)
        assert len(short) <= len(whole)
        assert best_by_missed(resolved, short) == best_by_missed(resolved, whole)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_not_promising_does_not_last(seed: int) -> None:
    resolved = resolve(random_instance(seed))
    rng = np.random.default_rng(seed)
    for pool, supply in enumerate(resolved.pools):
        for found in blocks_of(resolved, pool):
            filled = rng.uniform(0.5, 1.5, found.admissible.shape) * supply.rates.memory_bytes
            block = replace(found, timing=replace(found.timing, resident=filled))
            table = block.table(block.admissible)
            assert len(table) == len(block)
            kept = pareto_kept(table, first_token=False)
            promised = prefiltered(block, first_token=False)[block.admissible]
            assert promised[kept].all()
            # Delays give rows another way to last, and never less.
            also = prefiltered(block, first_token=True)[block.admissible]
            assert also[promised].all()


def test_dominance_drops_most_of_a_real_search() -> None:
    content = {
        "name": "real",
        "workload": {"transformer": "llama-3.1-70b", "tokens_per_second_per_request": 40},
        "pools": [{"accelerator": "h100-sxm", "dollars_per_gpu_hour": 2.0}],
    }
    resolved = resolve(Instance.model_validate(content))
    found = shortlist(resolved, 0)
    assert found.evaluated > 20_000
    assert len(found.table) < found.evaluated / 4


Rows = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=40)


@given(first=Rows, second=Rows)
def test_a_front_beats_what_a_loop_finds_beaten(first, second) -> None:
    front = NO_FRONT
    for rows in (first, second):
        rates, speeds = np.asarray(rows, dtype=float).T
        front = front.joined(rates, speeds)
    known = [*first, *second]
    rates, speeds = np.asarray(known, dtype=float).T
    expected = [any(r >= rate and s > speed for r, s in known) for rate, speed in known]
    assert front.beats(rates, speeds).tolist() == expected


def possible_choices() -> list[tuple[ResolvedInstance, Candidates]]:
    """What qualifies in every instance in which something does."""
    found = []
    for seed in SEEDS:
        resolved = resolve(random_instance(seed))
        table = tabulate(resolved)
        possible = table.take(all_met(requirements(resolved, table)))
        if len(possible):
            found.append((resolved, possible))
    return found


def test_the_choices_hold_the_first_in_the_order_of_objectives() -> None:
    cases = possible_choices()
    assert len(cases) > 30
    for resolved, possible in cases:
        kept = undominated(resolved, possible)
        scores = objective_values(resolved, possible)
        gpus = possible.replicas_needed(resolved.instance.workload) * possible.gpus_per_replica
        speed = possible.tokens_per_second_per_request
        marks = np.column_stack([scores, gpus, -speed])
        first = marks[np.lexsort((-speed, gpus, scores))[0]]
        ties = np.flatnonzero((marks == first).all(axis=1))
        assert set(ties) & set(kept.tolist())
        near = np.count_nonzero(scores <= first[0] + 1e-6 * abs(first[0]))
        assert len(kept) <= max(MOST_CHOICES, near)
        assert has_ties(resolved, possible) == (near > 1)


def made_up(rows: list[tuple[float, float, float, bool, int]]) -> Candidates:
    """Candidates of these tokens/s, tokens/s per request, delays, memory and accelerators."""
    rate, speed, delay, fits, gpus = (
        np.asarray(column, dtype=float) for column in zip(*rows, strict=True)
    )
    none, one = np.zeros(len(rows), dtype=np.int64), np.ones(len(rows))
    columns = {field.name: none for field in fields(Candidates)} | {
        "batch": (rate / speed).astype(np.int64),
        "step_seconds": 1.0 / speed,
        "tokens_per_round": one,
        "prefill_seconds": delay - 1.0 / speed,
        "memory_bytes_per_gpu": np.where(fits, 1.0, 3.0),
        "usable_bytes_per_gpu": 2.0 * one,
        "gpus_per_replica": gpus.astype(np.int64),
    }
    return Candidates(**columns)


Made = st.lists(
    st.tuples(
        st.sampled_from((8.0, 16.0, 32.0, 64.0)),
        st.sampled_from((1.0, 2.0, 4.0)),
        st.sampled_from((2.0, 4.0, 8.0)),
        st.booleans(),
        st.sampled_from((1, 2, 4)),
    ),
    min_size=1,
    max_size=30,
)


@given(rows=Made, first_token=st.booleans())
def test_what_lasts_is_what_no_other_row_beats(rows, first_token) -> None:
    def beaten(row) -> bool:
        rate, speed, delay, fits, gpus = row
        return any(
            other[0] >= rate
            and other[1] > speed
            and (not first_token or other[2] <= delay)
            and other[3] >= fits
            and other[4] <= gpus
            for other in rows
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("planner.candidates.dominance.DELAY_CLASSES", 3)
        kept = pareto_kept(made_up(rows), first_token=first_token).tolist()
    expected = [number for number, row in enumerate(rows) if not beaten(row)]
    assert set(expected) <= set(kept)
    if not first_token:
        assert kept == expected


TRADED = [(64.0, speed, 2.0, True, int(speed)) for speed in (1.0, 2.0, 4.0)]
"""Rows of which each is faster, and larger, than the one before."""


@example(rows=TRADED, tied=True)
@given(rows=Made, tied=st.booleans())
def test_choices_are_the_best_of_those_that_no_other_row_equals(rows, tied) -> None:
    resolved = resolve(random_instance(3))
    table = made_up([(rate, speed, 9.0, True, gpus) for rate, speed, _, _, gpus in rows])
    table = replace(table, tensor_parallel=np.arange(len(rows)))
    scores = np.asarray([7.0 if tied else 100.0 * row[2] for row in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("planner.candidates.dominance.objective_values", lambda *_: scores)
        patch.setattr("planner.candidates.dominance.MOST_CHOICES", 2)
        kept = undominated(resolved, table).tolist()
    needed = table.replicas_needed(resolved.instance.workload) * table.gpus_per_replica
    speed = table.tokens_per_second_per_request
    order = sorted(range(len(rows)), key=lambda row: (scores[row], needed[row], -speed[row], row))
    sky: list[int] = []
    for row in order:
        if not any(needed[one] <= needed[row] and speed[one] >= speed[row] for one in sky):
            sky.append(row)
    expected = [row for place, row in enumerate(sky) if place < 2 or scores[row] == scores[sky[0]]]
    assert kept == sorted(expected)
