"""Formulation G against F and brute force, and each of its parts against plain Python."""

from __future__ import annotations

import itertools
import math
import random
import time
from dataclasses import fields, replace

import numpy as np
import pytest
from fleets_by_hand import cheapest as cheapest_by_hand
from random_fleets import ASKED, FEATURES, random_figures

from planner.candidates.fleet.model_data import Choices, ModelData
from planner.formulations.column_generation import algorithm
from planner.formulations.column_generation.by_period import choose_by_period
from planner.formulations.column_generation.covering_items import Task, ranked
from planner.formulations.column_generation.covering_search import TooManyError, cheapest, within
from planner.formulations.column_generation.integer_master import (
    Chosen,
    Goal,
    choose,
    distinct_in_use,
)
from planner.formulations.column_generation.linking_constraints import (
    linking_constraints,
    spans_periods,
)
from planner.formulations.column_generation.pattern_neighbours import covering
from planner.formulations.column_generation.patterns import Patterns, joined
from planner.formulations.column_generation.pricing_loop import generate
from planner.formulations.column_generation.startup_costs import starts, valued
from planner.formulations.column_generation.subproblems import (
    decompose,
    symmetric_columns,
    unsupported,
)
from planner.formulations.fleet import milp
from planner.formulations.fleet_method import decide
from planner.problem.fleet import FleetSolver

UNKNOWN = {"classes", "roles", "starts", "robust", "few_kinds", "max_replicas"}
KNOWN = frozenset(FEATURES) - UNKNOWN - ASKED
SEEDS = range(200)


def _figures(seed: int) -> ModelData:
    return random_figures(seed, features=KNOWN)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_formulations_and_brute_force_agree(seed: int) -> None:
    data = _figures(seed)
    by_hand = cheapest_by_hand(data)
    plain = milp.solve(data)
    result, _ = algorithm.solve(data, relative_gap=0.0, time_limit_seconds=60)
    assert result.status == plain.status == ("infeasible" if by_hand is None else "optimal")
    if by_hand is not None:
        assert result.objective == pytest.approx(by_hand, rel=1e-7, abs=1e-9)
        assert plain.objective == pytest.approx(by_hand, rel=1e-7, abs=1e-9)
        assert result.bound <= by_hand * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("seed", range(60))
def test_they_agree_where_prices_change_from_period_to_period(seed: int) -> None:
    data = _figures(seed)
    chance = np.random.default_rng(seed)
    shape = 2, len(data.pool_supply.gpus), len(data.horizon)
    factors = chance.uniform(0.3, 1.7, shape)
    pool_supply = replace(data.pool_supply, price_factors=factors)
    data = replace(data, pool_supply=pool_supply)
    by_hand = cheapest_by_hand(data)
    plain = milp.solve(data)
    result, _ = algorithm.solve(data, relative_gap=0.0, time_limit_seconds=60)
    assert result.status == plain.status == ("infeasible" if by_hand is None else "optimal")
    if by_hand is not None:
        assert result.objective == pytest.approx(by_hand, rel=1e-7, abs=1e-9)
        assert plain.objective == pytest.approx(by_hand, rel=1e-7, abs=1e-9)
        assert result.bound <= by_hand * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("seed", range(80))
def test_one_kind_may_run_on_steady_and_spot_accelerators_at_once(seed: int) -> None:
    features = frozenset(("both_lanes", "spot", "no_mixing", "reserved", "n_plus_1"))
    data = random_figures(seed, features=features)
    by_hand = cheapest_by_hand(data)
    result, _ = algorithm.solve(data, relative_gap=0.0, time_limit_seconds=60)
    if by_hand is None:
        assert result.status == "infeasible"
    else:
        assert result.objective == pytest.approx(by_hand, rel=1e-7, abs=1e-9)
        assert result.bound <= by_hand * (1 + 1e-9) + 1e-9


def _with_twins(seed: int) -> ModelData:
    """A random fleet in which most choices are there twice, on steady and on spot accelerators.

    Pools offer few of the latter, of a number that replicas often cannot fill.
    """
    features = KNOWN & {"no_mixing", "n_plus_1", "reserved", "nodes", "budget", "min_replicas"}
    data = random_figures(seed, features=features)
    chance = np.random.default_rng(seed)
    bought, choices = data.pool_supply, data.choices
    limit = chance.integers(1, 6, len(bought.gpus)) * bought.increment
    spot = 0.4 * np.nan_to_num(bought.on_demand_dollars, nan=1.0)
    bought = replace(bought, spot_dollars=spot, spot_gpus=limit.astype(float))
    names = [field.name for field in fields(choices)]
    order = np.argsort(np.tile(choices.workload, 2), kind="stable")
    both = {name: np.tile(getattr(choices, name), 2)[order] for name in names if name != "rates"}
    twice = Choices(**both, rates=np.tile(choices.rates, (2, 1))[order])
    twice = replace(twice, spot=np.repeat([False, True], len(choices))[order])
    ways = chance.choice(["both", "steady", "spot"], len(choices), p=[0.7, 0.15, 0.15])
    without = np.where(twice.spot, "steady", "spot")
    kept = np.tile(ways, 2)[order] != without
    left = Choices(**{name: getattr(twice, name)[kept] for name in names})
    return replace(data, pool_supply=bought, choices=left)


def test_only_choices_that_differ_in_nothing_but_their_lane_are_twins() -> None:
    data = _large(0, 2, 3)
    one = data.choices
    names = [field.name for field in fields(one)]
    rows = np.array([0, 0, 1, 6, 6])
    two = Choices(**{name: getattr(one, name)[rows] for name in names})
    two = replace(two, spot=np.array([False, True, False, False, True]))
    data = replace(data, choices=two)
    assert symmetric_columns(data).tolist() == [1, -1, -1, 4, -1]

    def changed(**columns: np.ndarray) -> list[int]:
        return symmetric_columns(replace(data, choices=replace(two, **columns))).tolist()

    second = np.array([0.0, 1.0, 0.0, 0.0, 0.0])
    assert changed(rates=two.rates + second[:, None]) == [-1, -1, -1, 4, -1]
    assert changed(startup_dollars=second) == [-1, -1, -1, 4, -1]
    assert changed(startup_dollars=1.0 - second) == [-1, -1, -1, -1, -1]
    assert changed(dollars_per_hour=np.where(second, np.nan, 2.0)) == [-1, -1, -1, -1, -1]
    assert changed(dollars_per_hour=np.full(5, 2.0)) == [-1, -1, -1, -1, -1]


@pytest.mark.parametrize("seed", range(120))
def test_replicas_that_may_run_either_way_are_told_apart_at_the_end(seed: int) -> None:
    data = _with_twins(seed)
    plain = milp.solve(data)
    result, _ = algorithm.solve(data, relative_gap=0.0, time_limit_seconds=60)
    assert result.status == plain.status
    if plain.decisions is not None:
        assert result.objective == pytest.approx(plain.objective, rel=1e-7, abs=1e-9)
        assert result.bound <= plain.objective * (1 + 1e-9) + 1e-9


def test_twins_that_do_not_fill_their_lanes_are_planned_apart() -> None:
    """Three accelerators of each kind are enough for six, but not for three replicas of two."""
    missed = 0
    for seed in range(80, 110):
        data = _with_twins(seed)
        assert (symmetric_columns(data) >= 0).sum() <= len(data.choices) / 2
        goal = Goal(0.0, time.perf_counter() + 60)
        missed += algorithm.solve_once(data, symmetric_columns(data), goal).missed
    assert missed > 0


def test_the_random_fleets_have_every_feature_and_both_answers() -> None:
    fleets = [_figures(seed) for seed in SEEDS]
    assert not any(unsupported(data) for data in fleets)
    answers = [cheapest_by_hand(data) is None for data in fleets]
    assert 20 < sum(answers) < 180
    assert any(data.wanted.survives.any() for data in fleets)
    assert any((~data.wanted.mixes).any() for data in fleets)
    assert any((data.wanted.least > 1).any() for data in fleets)
    assert any((data.pool_supply.increment > 1).any() for data in fleets)
    assert any(math.isfinite(data.limits.dollars) for data in fleets)


@pytest.mark.parametrize(
    "features", [{"classes"}, {"roles"}, {"starts", "budget"}, {"starts", "carbon"}, {"robust"}]
)
def test_what_it_does_not_know_it_refuses(features: set[str]) -> None:
    found = [random_figures(seed, features=frozenset(features)) for seed in range(20)]
    refused = [data for data in found if unsupported(data)]
    assert refused
    with pytest.raises(ValueError, match="the decomposition knows no"):
        algorithm.solve(refused[0])


def _task(chance: random.Random) -> Task:
    items = chance.randint(1, 3)
    demand = chance.uniform(0.0, 6.0)
    price = [chance.choice([0.0, chance.uniform(0.1, 5)]) for _ in range(items)]
    return Task(
        np.array([price]),
        np.array([[chance.uniform(0.2, 3.0) for _ in range(items)]]),
        np.array([[float(chance.randint(0, 7)) for _ in range(items)]]),
        np.array([demand]),
        np.array([float(chance.randint(0, 4))]),
        np.array([demand * chance.choice([0.0, 0.1, 1.0])]),
        np.array([chance.uniform(0.1, 4.0)]),
    )


def _all_covers(task: Task) -> dict[tuple[int, ...], float]:
    found = {}
    for counts in itertools.product(*(range(int(most) + 1) for most in task.most[0])):
        covered = sum(n * rate for n, rate in zip(counts, task.rate[0], strict=True))
        rest = max(task.demand[0] - covered, 0.0)
        if sum(counts) >= task.least[0] and rest <= task.shed_most[0] + 1e-9:
            price = sum(n * price for n, price in zip(counts, task.price[0], strict=True))
            found[counts] = price + rest * task.shed_price[0]
    return found


@pytest.mark.parametrize("seed", range(300))
def test_pricing_is_exact(seed: int) -> None:
    task = _task(random.Random(seed))
    covers = _all_covers(task)
    found, bound = cheapest(task)
    if not covers:
        assert not len(found.price)
        assert np.isinf(bound[0])
        return
    best = min(covers.values())
    assert found.price[0] == pytest.approx(best, abs=1e-8)
    assert bound[0] == pytest.approx(best, abs=1e-8)
    assert covers[tuple(found.counts[0].tolist())] == pytest.approx(best, abs=1e-8)


@pytest.mark.parametrize("seed", range(300))
def test_every_useful_cover_within_a_limit_is_found(seed: int) -> None:
    task = _task(random.Random(seed))
    covers = _all_covers(task)
    limit = 1.3 * min(covers.values(), default=1.0) + 0.1
    found = within(task, np.array([limit]), 10**6)
    kept = {tuple(counts) for counts in found.counts.tolist()}
    for counts, price in zip(found.counts.tolist(), found.price, strict=True):
        assert covers[tuple(counts)] == pytest.approx(price, abs=1e-8)
    for counts, price in covers.items():
        smaller = (all(a <= b for a, b in zip(one, counts, strict=True)) for one in kept)
        assert price > limit - 1e-8 or any(smaller)


def test_too_many_covers_are_refused() -> None:
    ones = np.ones((1, 12))
    task = Task(ones, ones, 50 * ones, *(np.array([x]) for x in (40.0, 0.0, 0.0, 0.0)))
    with pytest.raises(TooManyError):
        within(task, np.array([60.0]), 10_000)
    with pytest.raises(TooManyError, match="time"):
        within(task, np.array([41.0]), 10**6, until=0.0)
    found, bound = cheapest(task)
    assert found.price[0] == bound[0] == 40.0


@pytest.mark.parametrize("least", [0.0, 1.0])
def test_who_wants_nothing_needs_no_item(least: float) -> None:
    """A workload without a usable deployment is served where it has no demand."""
    nothing = np.full((1, 1), np.inf), np.ones((1, 1)), np.zeros((1, 1))
    task = Task(*nothing, *(np.array([x]) for x in (0.0, least, 0.0, 0.0)))
    found, bound = cheapest(task)
    covers = 0 if least else 1
    assert len(found.price) == len(within(task, np.array([1.0]), 100).price) == covers
    assert bound[0] == (np.inf if least else 0.0)


def test_workloads_without_deployments_and_demand_stop_no_other() -> None:
    """G calls a fleet infeasible only where F does."""
    data = _large(1, 3, 2)
    kept = data.choices.workload != 1
    columns = {name: getattr(data.choices, name)[kept] for name in data.choices.__slots__}
    demand = data.wanted.demand.copy()
    demand[1] = 0.0
    alone = replace(data, choices=replace(data.choices, **columns))
    alone = replace(alone, wanted=replace(data.wanted, demand=demand))
    result, _ = algorithm.solve(alone, relative_gap=0.0, time_limit_seconds=30)
    assert result.status == "optimal"
    assert result.objective == pytest.approx(milp.solve(alone).objective)


def _large(seed: int, workloads: int, periods: int) -> ModelData:
    """Return a scarce fleet of one capacity type a pool, larger than brute force can do."""
    chance = np.random.default_rng(seed)
    base = random_figures(3, features=frozenset())
    pools, per = 3, 6
    number = workloads * per
    pool = np.tile(np.repeat(np.arange(pools), per // pools), workloads)
    gpus = np.tile(np.array([1, 4, 1, 4, 1, 4]), workloads)
    rates = gpus ** chance.uniform(0.8, 1.0, number) * chance.uniform(0.7, 1.3, number)
    demand = chance.uniform(2.0, 12.0, (workloads, 1)) * chance.uniform(
        0.4, 1.0, (workloads, periods)
    )
    supply = np.ceil(np.array([0.3, 0.3, 3.0]) * demand.sum(axis=0).max())
    price = np.array([2.0, 3.0, 4.5])
    limits = np.full(pools, np.inf)
    nothing = np.zeros(number, dtype=np.int64)
    return replace(
        base,
        horizon=replace(
            base.horizon,
            names=tuple(map(str, range(periods))),
            hours=np.ones(periods),
            weight=np.ones(periods),
            before=np.arange(periods) - 1,
        ),
        pool_supply=replace(
            base.pool_supply,
            gpus=supply,
            increment=np.ones(pools, dtype=np.int64),
            on_demand_dollars=price,
            reserved_dollars=0.6 * price if periods > 1 else np.full(pools, np.nan),
            spot_dollars=np.full(pools, np.nan),
            on_demand_gpus=limits,
            reserved_gpus=limits,
            spot_gpus=limits,
            watts=np.zeros(pools),
            watts_at_most=limits,
            kilograms_per_hour=np.zeros(pools),
        ),
        choices=replace(
            base.choices,
            workload=np.repeat(np.arange(workloads), per),
            pool=pool,
            spot=np.zeros(number, dtype=bool),
            offer=np.arange(number),
            gpus=gpus,
            rates=rates[:, None],
            role=nothing,
            dollars_per_hour=np.full(number, np.nan),
            startup_dollars=np.zeros(number),
            working=gpus,
            running=nothing,
        ),
        wanted=replace(
            base.wanted,
            demand=demand,
            shares=np.ones((workloads, 1)),
            least=np.zeros(workloads, dtype=np.int64),
            survives=np.zeros(workloads, dtype=bool),
            most=np.full(workloads, np.inf),
            kinds=np.full(workloads, np.inf),
            shed_at_most=np.zeros(workloads),
            shed_dollars=np.zeros(workloads),
        ),
        limits=replace(base.limits, dollars=math.inf, watts=math.inf, kilograms=math.inf, rising=0),
        has_running=False,
    )


def test_patterns_in_different_lanes_are_not_taken_for_the_same() -> None:
    subproblems = decompose(_large(0, 1, 24))
    one_of_each_pool = np.eye(6, dtype=np.int64)[[0, 2, 4]]
    counts = np.concatenate([number * one_of_each_pool for number in range(1, 9)])
    block = np.repeat(np.arange(subproblems.number), len(counts))
    every = Patterns(block, np.tile(counts, (subproblems.number, 1)), np.zeros(len(block)))
    assert len(distinct_in_use(subproblems, every)) == len(every)
    twice = joined([every, every])
    assert len(distinct_in_use(subproblems, twice)) == len(every)


def test_bounds_and_plans_of_scarce_fleets_enclose_the_optimum() -> None:
    scarce = 0
    for seed in range(4):
        data = _large(seed, 12, 1)
        plain = milp.solve(data, time_limit_seconds=60)
        result, shadow = algorithm.solve(data, relative_gap=1e-3, time_limit_seconds=20)
        assert plain.status == "optimal"
        assert result.bound <= plain.objective * (1 + 1e-9)
        assert plain.objective * (1 - 1e-9) <= result.objective <= plain.objective * 1.002
        assert shadow is not None
        scarce += int((shadow.gpu > 0).any())
    assert scarce >= 2


def test_a_shadow_price_is_what_the_relaxation_saves() -> None:
    data = _large(1, 30, 1)
    subproblems, shared = decompose(data), linking_constraints(data)
    before = generate(subproblems, shared, gap=0.0, seconds=60)
    _, shadow = algorithm.solve(data, relative_gap=1e-3)
    assert shadow is not None
    pool = int(shadow.gpu[:, 0].argmax())
    assert shadow.gpu[pool, 0] > 0
    more = data.pool_supply.gpus + 0.01 * (np.arange(3) == pool)
    wider = replace(data, pool_supply=replace(data.pool_supply, gpus=more))
    after = generate(subproblems, linking_constraints(wider), gap=0.0, seconds=60)
    exact = generate(subproblems, shared, gap=0.0, seconds=60).duals.linking[shared.supply[pool, 0]]
    assert before.objective - after.objective == pytest.approx(-0.01 * exact, rel=1e-3)
    assert shadow.gpu[pool, 0] == pytest.approx(-exact, rel=0.5)


def test_the_plain_formulation_tells_shadow_prices_too() -> None:
    data = _large(1, 30, 1)
    solver = FleetSolver(method="milp", relative_gap=0.2, time_limit_seconds=60)
    result, prices = decide(data, solver, "milp")
    _, known = decide(data, FleetSolver(relative_gap=1e-3), "decomposition")
    assert result.decisions is not None
    assert prices is not None and known is not None
    assert prices.gpu.max() > 0
    hours = data.horizon.hours[None, :]
    assert prices.gpu / hours == pytest.approx(known.gpu / hours, rel=0.5, abs=0.05)
    robust = next(
        found
        for seed in range(20)
        if unsupported(found := random_figures(seed, features=frozenset({"robust"})))
    )
    assert decide(robust, solver, "milp")[1] is None


def test_rows_are_ranked_from_the_cheapest_of_their_group_on() -> None:
    order, rank = ranked(np.array([1, 0, 1, 0, 1]), np.array([3.0, 9.0, 1.0, 4.0, 2.0]))
    assert order.tolist() == [3, 1, 2, 4, 0]
    assert rank.tolist() == [0, 1, 0, 1, 2]


def test_of_two_plans_the_cheaper_stays_with_the_higher_bound() -> None:
    found, _ = algorithm.solve(_large(0, 3, 1), relative_gap=0.0)
    value = found.objective
    one = replace(found, objective=1.1 * value, bound=0.9 * value)
    other = replace(found, objective=value, bound=0.5 * value)
    for pair in ((one, other), (other, one)):
        kept = algorithm.better(*pair, 0.01)
        assert (kept.objective, kept.bound, kept.status) == (value, 0.9 * value, "feasible")
    assert algorithm.better(one, replace(other, decisions=None), 0.0) is one


def test_a_relaxation_that_stops_early_has_a_bound_all_the_same() -> None:
    data = _large(2, 25, 6)
    subproblems, shared = decompose(data), linking_constraints(data)
    exact = generate(subproblems, shared, gap=0.0, seconds=60)
    early = [generate(subproblems, shared, gap=gap, seconds=60) for gap in (0.5, 0.1, 0.02)]
    assert any(found.objective > exact.objective * (1 + 1e-6) for found in early)
    assert all(found.bound <= exact.objective * (1 + 1e-9) for found in early)


def test_bounds_hold_and_plans_come_close_over_a_day() -> None:
    data = _large(2, 25, 6)
    subproblems, shared = decompose(data), linking_constraints(data)
    assert not spans_periods(shared)
    relaxed = generate(subproblems, shared, gap=0.0, seconds=60)
    assert relaxed.finished
    assert relaxed.bound <= relaxed.objective
    goal = Goal(5e-2, until=time.perf_counter() + 5)
    chosen = choose_by_period(subproblems, shared, relaxed, goal)
    assert chosen.patterns is not None
    assert relaxed.bound <= chosen.objective <= relaxed.objective * 1.1
    result, _ = algorithm.solve(data, relative_gap=1e-1, time_limit_seconds=30)
    assert result.status == "optimal"
    assert relaxed.bound * (1 - 2e-2) <= result.bound <= result.objective


def test_plans_and_bounds_enclose_the_optimum_where_starts_cost() -> None:
    known = (KNOWN | {"starts"}) - {"budget", "carbon"}
    best = counted = 0
    for seed in range(60):
        data = random_figures(seed, features=known)
        assert not unsupported(data)
        plain = milp.solve(data)
        result, _ = algorithm.solve(data, relative_gap=0.0, time_limit_seconds=10)
        if plain.decisions is None:
            assert result.decisions is None
            continue
        assert result.bound <= plain.objective * (1 + 1e-9) + 1e-9
        if result.decisions is not None:
            assert result.objective >= plain.objective * (1 - 1e-9) - 1e-9
            best += result.objective <= plain.objective * (1 + 1e-9) + 1e-9
            counted += bool(data.started(result.decisions.replicas).any())
    assert best >= 30
    assert counted >= 10


def _dip(reserved: float) -> ModelData:
    """A workload that needs two replicas, one and two, where starting one costs half an hour."""
    data = _large(0, 1, 3)
    unlimited = np.full(3, np.inf)
    return replace(
        data,
        pool_supply=replace(
            data.pool_supply,
            gpus=unlimited,
            on_demand_dollars=np.array([2.0, 9.0, 9.0]),
            reserved_dollars=np.array([reserved, 9.0, 9.0]),
        ),
        choices=replace(
            data.choices,
            rates=np.full((6, 1), 1.0),
            startup_dollars=np.full(6, 1.0),
        ),
        wanted=replace(data.wanted, demand=np.array([[2.0, 1.0, 2.0]])),
    )


@pytest.mark.parametrize(
    ("reserved", "replicas", "dollars"),
    [
        # Stopping one for an hour saves two dollars, starting it again costs one.
        (1.9, [2, 1, 2], 3 * 1.9 + 2 * 2.0 + 1.0),
        # What is reserved costs nothing more while it is idle.
        (1.2, [2, 2, 2], 6 * 1.2),
    ],
)
def test_replicas_keep_running_where_that_costs_less_than_their_start(
    reserved: float, replicas: list[int], dollars: float
) -> None:
    data = _dip(reserved)
    result, _ = algorithm.solve(data, relative_gap=0.0, time_limit_seconds=10)
    assert milp.solve(data).objective == pytest.approx(dollars)
    assert result.decisions is not None
    assert result.decisions.replicas.sum(axis=0).tolist() == replicas
    assert result.objective == pytest.approx(dollars)
    assert result.bound <= dollars + 1e-9


def _running(demand: float) -> ModelData:
    """Two replicas run that cost two dollars; others cost 1.9, and every start costs one."""
    data = _large(0, 1, 1)
    price = np.full(3, 9.0)
    price[:2] = 2.0, 1.9
    return replace(
        data,
        pool_supply=replace(data.pool_supply, gpus=np.full(3, np.inf), on_demand_dollars=price),
        choices=replace(
            data.choices,
            gpus=np.ones(6, dtype=np.int64),
            working=np.ones(6, dtype=np.int64),
            rates=np.full((6, 1), 1.0),
            startup_dollars=np.full(6, 1.0),
            running=np.array([2, 0, 0, 0, 0, 0]),
        ),
        wanted=replace(data.wanted, demand=np.array([[demand]])),
        has_running=True,
    )


@pytest.mark.parametrize(("demand", "dollars"), [(2.0, 4.0), (3.0, 4.0 + 1.9 + 1.0)])
def test_what_runs_already_is_kept_rather_than_started_elsewhere(
    demand: float, dollars: float
) -> None:
    data = _running(demand)
    assert milp.solve(data).objective == pytest.approx(dollars)
    result, _ = algorithm.solve(data, relative_gap=0.0, time_limit_seconds=10)
    assert result.objective == pytest.approx(dollars)
    assert result.bound <= dollars + 1e-9
    subproblems, shared = decompose(data), linking_constraints(data)
    costs = starts(data, subproblems)
    assert costs is not None
    relaxed = generate(subproblems, shared, gap=0.0, seconds=60)
    bound = valued(subproblems, shared, relaxed, costs, seconds=60).bound
    assert 1.9 * demand + 0.8 * (demand - 2.0) <= bound <= dollars + 1e-9


@pytest.mark.parametrize("seed", range(40))
def test_patterns_near_others_cover_what_they_say(seed: int) -> None:
    data = random_figures(seed, features=KNOWN)
    subproblems = decompose(data).at(0)
    chance = np.random.default_rng(seed)
    workloads, choices = subproblems.choice.shape
    block = np.repeat(np.arange(workloads), 40)
    counts = chance.integers(0, 4, (len(block), choices)) * (subproblems.choice[block] >= 0)
    counts *= chance.random(counts.shape) < 0.6
    found = covering(subproblems, block, counts)
    kept = {(int(b), *row) for b, row in zip(found.block, found.counts.tolist(), strict=True)}
    for b, row in zip(block.tolist(), counts.tolist(), strict=True):
        rates = [subproblems.rate[b, i] for i, n in enumerate(row) for _ in range(n)]
        lost = (
            max(rates, default=0.0)
            if subproblems.survives[b] and subproblems.demand[b] > 0
            else 0.0
        )
        enough = sum(rates) - lost >= subproblems.demand[b] * (1 - 1e-9)
        enough &= sum(row) >= subproblems.least[b]
        enough &= all(n <= most for n, most in zip(row, subproblems.most[b], strict=True))
        enough &= bool(subproblems.mixes[b]) or sum(n > 0 for n in row) <= 1
        assert ((b, *row) in kept) == enough


def test_values_of_running_replicas_raise_the_bound() -> None:
    data = _large(4, 20, 6)
    hour = np.array([2.0, 3.0, 4.5])[data.choices.pool] * data.choices.gpus
    data = replace(data, choices=replace(data.choices, startup_dollars=0.3 * hour))
    subproblems, shared = decompose(data), linking_constraints(data)
    relaxed = generate(subproblems, shared, gap=0.0, seconds=60)
    costs = starts(data, subproblems)
    assert costs is not None
    worth = valued(subproblems, shared, relaxed, costs, seconds=60)
    result, _ = algorithm.solve(data, relative_gap=1e-3, time_limit_seconds=20)
    assert relaxed.bound < worth.bound <= result.objective
    assert (worth.dollars >= 0).all()
    assert (worth.dollars <= costs.dollars[:, :, None] + 1e-12).all()
    # A replica is never worth more to the period after than it costs.
    capacity_type = relaxed.duals.prices(shared).capacity_type.reshape(-1, 6)[
        subproblems.capacity_type
    ]
    later = np.where(costs.after >= 0, worth.dollars[:, :, costs.after], 0.0)
    assert (subproblems.gpus[:, :, None] * capacity_type + worth.dollars - later >= -1e-12).all()


def test_a_known_choice_is_never_made_worse() -> None:
    data = _large(5, 20, 1)
    subproblems, shared = decompose(data), linking_constraints(data)
    relaxed = generate(subproblems, shared, gap=0.0, seconds=60)
    until = time.perf_counter() + 30
    rough = choose(subproblems, shared, relaxed, Goal(5e-2, until))
    best = choose(subproblems, shared, relaxed, Goal(1e-3, until), rough)
    assert rough.bound <= best.bound <= best.objective <= rough.objective
    assert best.objective - best.bound <= 1e-3 * best.objective
    assert choose(subproblems, shared, relaxed, Goal(0.0, until=0.0), rough) == Chosen(
        rough.patterns, rough.objective, rough.bound
    )
