"""The bound that trusts no solver: below every plan whatever its prices, and high at good ones."""

import contextlib
import itertools
import json
import math
import random
from dataclasses import replace

import fleet_plans
import numpy as np
import pytest
import second_model
from safe_bounds import bounded, drawn, near

from planner.api import solve_fleet
from planner.errors import InputError
from planner.plans.multipliers import Multipliers, StartValues
from planner.plans.read_fleet import read_fleet_plan
from planner.problem.fleet import Fleet
from planner.verification.fleet.cheapest_cover import Block, least_cost
from planner.verification.fleet.check_fleet_plan import check_fleet_plan, with_safe_bound

BLOCK = 25
NAN = float("nan")


def fleet_of(*workloads: dict, **changed) -> Fleet:
    """A fleet of one pool of ten accelerators at $2."""
    pool = {"name": "p", "gpus": 10, "on_demand": {"dollars_per_gpu_hour": 2.0}}
    return Fleet.model_validate(
        {"name": "one", "pools": [pool | changed], "workloads": list(workloads)}
    )


def offers_of(*rows: tuple[int, str, int, float]):
    """What is on offer in the one pool: workload, label, accelerators and requests per second."""
    return fleet_plans.offers_of(
        [(w, 0, label, gpus, 0, rate, 0.02, 0.2, NAN, NAN) for w, label, gpus, rate in rows]
    )


def free(pools: int = 1, periods: int = 1, **changed) -> Multipliers:
    """Prices of nothing."""
    nothing = np.zeros((pools, periods))
    prices = Multipliers(np.zeros((2, pools, periods)), nothing, nothing, nothing[0], 0.0, 0.0)
    return replace(prices, **changed)


def check(seeds: range, kind: str) -> None:
    found = [one for seed in seeds if (one := bounded(kind, seed)) is not None]
    assert [one for one in found if not one.valid] == []
    assert [one for one in found if not one.follows] == []


@pytest.mark.parametrize("kind", ["small", "mixed"])
def test_bounds_are_below_plans_and_the_solvers_where_the_relaxation_is_tight(kind: str) -> None:
    check(range(1000, 1012), kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["small", "mixed"])
@pytest.mark.parametrize("first", range(0, 200, BLOCK))
def test_so_they_are_of_two_hundred_fleets_of_each_kind(kind: str, first: int) -> None:
    check(range(first, first + BLOCK), kind)


def test_a_bound_is_what_the_arithmetic_on_paper_says() -> None:
    """Ten requests a second take four replicas of three, at 2 accelerators and $4 each."""
    fleet = fleet_of({"name": "w", "requests_per_second": 10.0, "max_deployments": "any"})
    offers = offers_of((0, "two", 2, 3.0))
    plan = solve_fleet(fleet, offers)
    assert plan.objective == 16.0
    # Whatever is said of the price, an accelerator is worth what it costs.
    for price in (0.0, 1.0, 2.0, 2.000001):
        prices = free(occupied=np.full((2, 1, 1), price))
        safe = with_safe_bound(replace(plan, multipliers=prices), fleet, offers).safe_bound
        assert 16.0 * (1 - 1e-11) <= safe <= 16.0


def test_what_is_scarce_is_worth_what_it_keeps_away() -> None:
    """A supply price of $3 makes replicas dearer, and is paid back for all ten accelerators."""
    fleet = fleet_of({"name": "w", "requests_per_second": 10.0, "max_deployments": "any"})
    offers = offers_of((0, "two", 2, 3.0))
    plan = solve_fleet(fleet, offers)
    prices = free(supply=np.array([[3.0]]))
    safe = with_safe_bound(replace(plan, multipliers=prices), fleet, offers).safe_bound
    assert safe == pytest.approx(4 * 2 * (2 + 3) - 10 * 3, rel=1e-8)


@pytest.mark.parametrize("kind", ["small", "mixed"])
@pytest.mark.parametrize("seed", range(2000, 2008))
def test_any_prices_prove_a_bound(kind: str, seed: int) -> None:
    fleet, offers = drawn(kind, seed)
    plan = solve_fleet(fleet, offers)
    if not plan.found:
        return
    rng = random.Random(seed)
    shape = len(plan.pools), len(plan.periods)

    def some(*size: int) -> np.ndarray:
        scale = 10.0 ** rng.uniform(-3, 4)
        values = [rng.random() * scale * (rng.random() < 0.7) for _ in range(math.prod(size))]
        return np.array(values).reshape(size)

    for _ in range(20):
        rows = plan.replicas
        starts = tuple(
            StartValues(
                *(plan.workloads[rows.workload[row]], plan.pools[rows.pool[row]]),
                *(bool(rows.spot[row]), rows.labels[rows.label[row]], tuple(some(shape[1]))),
            )
            for row in range(len(rows))
        )
        prices = Multipliers(
            *(some(2, *shape), some(*shape), some(*shape) / 1000, some(shape[1]) / 1000),
            *(float(some(1)[0]), float(some(1)[0]) / 10, starts),
        )
        safe = with_safe_bound(replace(plan, multipliers=prices), fleet, offers).safe_bound
        assert safe <= plan.objective * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("price", [1e200, 1e308])
def test_prices_beyond_all_numbers_prove_nothing_wrong(price: float) -> None:
    fleet, offers = drawn("small", 3)
    plan = solve_fleet(fleet, offers)
    prices = free(*plan.multipliers.supply.shape, dollar=price)
    prices = replace(prices, supply=np.full_like(prices.supply, price))
    safe = with_safe_bound(replace(plan, multipliers=prices), fleet, offers).safe_bound
    assert not safe > plan.objective


def random_block(rng: random.Random) -> Block:
    count = rng.randint(1, 4)
    single = rng.random() < 0.3
    demand = rng.choice((0.0, rng.uniform(0.1, 5)))
    shed = rng.random() < 0.4
    return Block(
        price=np.array([rng.choice((0.0, rng.uniform(0.5, 5))) for _ in range(count)]),
        rate=np.array([rng.uniform(0.3, 3) for _ in range(count)]),
        most=np.array([float(rng.choice((1, 2, 4, 50))) for _ in range(count)]),
        offer=np.arange(count) // (2 if single else 1),
        demand=demand,
        least=rng.choice((0, 0, 1, 3)),
        survives=rng.random() < 0.4,
        single=single,
        shed_most=demand * rng.uniform(0.1, 1) if shed else 0.0,
        shed_price=rng.uniform(0.1, 3),
    )


def by_enumeration(block: Block) -> float:
    """The least cost of all numbers of replicas up to the most, or twice what suffices."""
    best = math.inf
    largest = max(block.rate)
    enough = [
        min(int(most), math.ceil((block.demand + largest) / rate) + block.least)
        for most, rate in zip(block.most, block.rate, strict=True)
    ]
    for counts in itertools.product(*(range(number + 1) for number in enough)):
        used = [at for at, number in enumerate(counts) if number]
        if block.single and len({int(block.offer[at]) for at in used}) > 1:
            continue
        served = float(np.dot(counts, block.rate))
        if block.survives and used and block.demand > 0:
            served -= max(block.rate[at] for at in used)
        refused = max(block.demand - served, 0.0)
        if refused <= block.shed_most + 1e-12 and sum(counts) >= block.least:
            cost = float(np.dot(counts, block.price)) + refused * block.shed_price
            best = min(best, cost)
    return best


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_the_cheapest_cover_is_that_of_an_enumeration(first: int) -> None:
    for seed in range(first, first + 100):
        block = random_block(random.Random(f"cover {seed}"))
        right, found = by_enumeration(block), least_cost(block, 10_000)
        # The least number of replicas may count those that there are too few of.
        assert found <= right * (1 + 1e-12)
        if block.least == 0:
            assert math.isinf(right) == math.isinf(found)
            assert math.isinf(right) or found == pytest.approx(right, rel=2e-8, abs=1e-12)


@pytest.mark.parametrize("nodes", [1, 2, 5, 20])
def test_a_search_that_stops_early_has_a_lower_bound(nodes: int) -> None:
    for seed in range(200):
        block = random_block(random.Random(f"cover {seed}"))
        full = least_cost(block, 10_000)
        assert least_cost(block, nodes) <= full
        assert least_cost(block, nodes) >= 0.0


def test_the_bound_is_written_and_checked(tmp_path) -> None:
    fleet, offers = drawn("small", 3)
    plan = solve_fleet(fleet, offers)
    plan.write(tmp_path)
    read = read_fleet_plan(tmp_path)
    assert check_fleet_plan(read, fleet, offers) == []
    assert read.safe_bound == plan.safe_bound
    head = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert head["safe_bound"] == plan.safe_bound
    assert float(plan.table()["safe_bound"][0]) == pytest.approx(
        plan.safe_bound / plan.hours.sum(), rel=1e-11
    )


@pytest.mark.parametrize("factor", [0.9, 1.000001, 1.1])
def test_another_bound_is_refused(factor: float) -> None:
    fleet, offers = drawn("small", 3)
    plan = solve_fleet(fleet, offers)
    wrong = replace(plan, safe_bound=plan.safe_bound * factor)
    columns = [finding.column for finding in check_fleet_plan(wrong, fleet, offers)]
    assert columns == ["safe_bound"]
    alone = replace(plan, multipliers=None)
    columns = [finding.column for finding in check_fleet_plan(alone, fleet, offers)]
    assert columns == ["safe_bound"]


def test_a_plan_below_its_safe_bound_is_refused() -> None:
    """As it would be where a solver lost the optimum and everybody believed it."""
    fleet, offers = drawn("small", 0)
    plan = solve_fleet(fleet, offers)
    cheaper = replace(plan, objective=plan.objective * 0.9, bound=plan.objective * 0.9)
    told = [str(finding) for finding in check_fleet_plan(cheaper, fleet, offers)]
    assert any("no less than the safe bound" in text for text in told)


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["pools"].pop(),
        lambda said: said["pools"][0].update(steady=[1.0] * 99),
        lambda said: said.update(carbon_kilogram=-1.0),
        lambda said: said.update(budget_dollar="much"),
        lambda said: said.pop("watts"),
    ],
)
def test_multipliers_that_are_none_are_refused(change, tmp_path) -> None:
    fleet, offers = drawn("small", 3)
    plan = solve_fleet(fleet, offers)
    plan.write(tmp_path)
    path = tmp_path / "summary.json"
    head = json.loads(path.read_text(encoding="utf-8"))
    change(head["multipliers"])
    path.write_text(json.dumps(head), encoding="utf-8")
    with contextlib.suppress(InputError):
        assert check_fleet_plan(read_fleet_plan(tmp_path), fleet, offers)


def test_it_is_below_what_a_second_model_finds() -> None:
    for seed in range(40, 60):
        fleet, offers = drawn("small", seed)
        plan, other = solve_fleet(fleet, offers), second_model.solve(fleet, offers, 5.0)
        if plan.found:
            assert plan.safe_bound <= other.objective * (1 + 1e-6)


def test_starts_and_budgets_count() -> None:
    """A night without a replica would save what a start costs, and the bound knows it."""
    fleet = fleet_of(
        {
            "name": "w",
            "requests_per_second": [3.0, 1.0, 3.0],
            "max_deployments": "any",
            "startup_dollars": 50.0,
        },
    ).model_copy(update={"dollars_per_hour_at_most": 100.0})
    fleet = Fleet.model_validate(fleet.model_dump(mode="json", exclude_unset=True) | {"periods": 3})
    plan = solve_fleet(fleet, offers_of((0, "one", 1, 1.0)))
    assert plan.objective == 3 * 3 * 2.0
    assert near(plan.safe_bound, plan.objective)
