"""Why nothing qualifies: every explanation is applied, and the instance solved again."""

import json
from collections import Counter
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from infeasible_instances import WAYS, attempts
from oracle import answer, rows_of, scored, step_time
from rich.console import Console

import planner
from planner.candidates.requirements import fits_memory
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import tabulate
from planner.infeasibility.bottleneck import first_token_limit
from planner.infeasibility.diagnosis import LONGEST_MESSAGE, Diagnosis, diagnose
from planner.infeasibility.relaxations import (
    MEMORY,
    Change,
    RelaxableParameter,
    figure,
    relaxable_parameters,
)
from planner.infeasibility.wording import change_words
from planner.io.overrides import changed
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.reporting.terminal.plan import show_plan

SEEDS = range(84)
BASE: dict[str, Any] = {
    "name": "base",
    "workload": {
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": 20,
        "tokens_per_second": 5000,
        "time_to_first_token_seconds": 5,
    },
    "pools": [{"accelerator": "h100-sxm", "gpus": 64, "dollars_per_gpu_hour": 2.0}],
    "search": {"batch": [1, 16, 64], "tensor_parallel": [1, 2], "pipeline_parallel": 1},
    "dollars_per_hour_at_most": 100,
    "dollars_per_million_tokens_at_most": 100,
}
SPEED, FIRST = "workload.tokens_per_second_per_request", "workload.time_to_first_token_seconds"
DEMAND = "workload.tokens_per_second"
HOURLY, PER_MILLION = "dollars_per_hour_at_most", "dollars_per_million_tokens_at_most"


def base(**changes: Any) -> Instance:
    """The base with other values; `__` stands for the dot of a path."""
    paths = {path.replace("__", "."): value for path, value in changes.items()}
    return changed(Instance.model_validate(BASE), paths)


def found(instance: Instance) -> Diagnosis:
    diagnosis = planner.diagnose(instance)
    assert diagnosis is not None
    return diagnosis


def test_a_feasible_instance_has_no_diagnosis():
    assert planner.solve(base()).found
    assert diagnose(base()) is None


IMPOSSIBLE = {SPEED: 1e5, FIRST: 1e-6, HOURLY: 1e-3, PER_MILLION: 1e-6}


@pytest.mark.parametrize("field", IMPOSSIBLE)
def test_one_field_is_named_with_the_least_change(field):
    instance = changed(base(), {field: IMPOSSIBLE[field]})
    diagnosis = found(instance)
    (relaxation,) = diagnosis.relaxations
    (change,) = relaxation.changes
    assert (change.field, change.asked) == (field, IMPOSSIBLE[field])
    assert diagnosis.together is None
    message = planner.solve(instance).message
    assert message == diagnosis.message()
    assert change_words(change) in message
    assert f"${relaxation.plan.dollars_per_hour:,.2f}/h" in message


# --- Kinds, as constructed ------------------------------------------------------------------

CONSTRUCTED: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "too fast": ("physical", ("tokens_per_second_per_request",), {SPEED: 1e5}),
    "too soon": ("physical", ("time_to_first_token_seconds",), {FIRST: 1e-5}),
    "too fast and too dear": (
        "physical",
        ("tokens_per_second_per_request",),
        {SPEED: 1e5, HOURLY: 1e-3, "pools[0].gpus": 1},
    ),
    "too large": (
        "memory",
        ("memory_capacity",),
        {"workload.transformer": "llama-3.1-405b", "search.tensor_parallel": 1},
    ),
    "too few accelerators": ("supply", ("gpus",), {DEMAND: 1e6, HOURLY: None}),
    "too few accelerators at this speed": (
        "supply",
        ("gpus", "tokens_per_second_per_request"),
        {DEMAND: 15e3, SPEED: 200, "pools[0].gpus": 3, PER_MILLION: None, HOURLY: None},
    ),
    "too few replicas": (
        "supply",
        ("max_replicas",),
        {DEMAND: 1e5, "workload.max_replicas": 1, HOURLY: None},
    ),
    "too few accelerators, and too dear": (
        "supply",
        ("gpus",),
        {DEMAND: 1e6, HOURLY: 1e-3, "pools[0].gpus": 1},
    ),
    "too dear by the hour": ("budget", (HOURLY,), {HOURLY: 1e-3}),
    "too dear by the token": ("budget", (PER_MILLION,), {PER_MILLION: 1e-6}),
    "too dear at this speed": (
        "budget",
        ("tokens_per_second_per_request", PER_MILLION),
        {SPEED: 250, PER_MILLION: 0.2},
    ),
    "supply against budget": (
        "contradiction",
        ("gpus", HOURLY),
        {
            "pools": [
                {"accelerator": "h100-sxm", "name": "few", "gpus": 1, "dollars_per_gpu_hour": 1.0},
                {"accelerator": "h100-sxm", "name": "dear", "dollars_per_gpu_hour": 50.0},
            ],
            DEMAND: 20e3,
            HOURLY: 30,
        },
    ),
    "one pool is fast, the other answers soon": (
        "contradiction",
        ("tokens_per_second_per_request", "time_to_first_token_seconds"),
        {"search.batch": [1, 64], "search.tensor_parallel": [1, 2]},
    ),
}


def constructed(name: str) -> Instance:
    instance = changed(base(), CONSTRUCTED[name][2])
    if name.startswith("one pool"):
        return between_two_pools(instance)
    return instance


def between_two_pools(instance: Instance) -> Instance:
    """Ask for the speed of one accelerator and the first token of another, neither having both."""
    pools = [{"accelerator": name, "dollars_per_gpu_hour": 2.0} for name in ("h20", "l40s")]
    instance = changed(
        instance,
        {"pools": pools, "search.tensor_parallel": 1, HOURLY: None, PER_MILLION: None},
    )
    table = tabulate(resolve(instance))
    table = table.take(fits_memory(table))
    speed, first = table.tokens_per_second_per_request, table.time_to_first_token_seconds
    return changed(instance, {SPEED: float(speed.max()), FIRST: float(first.min())})


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_kinds_are_as_constructed(name):
    kind, conflict, _ = CONSTRUCTED[name]
    diagnosis = found(constructed(name))
    assert (diagnosis.kind, diagnosis.conflict) == (kind, conflict)


class Rows:
    """Every deployment of an instance, for the oracle; pools may have other numbers of GPUs."""

    def __init__(self, instance: Instance) -> None:
        table = tabulate(resolve(instance))
        self.pools = table.pool.tolist()
        self.rows = rows_of(resolve(instance), table)

    def of(self, instance: Instance) -> list[dict[str, Any]]:
        gpus = [pool.gpus for pool in instance.pools]
        pairs = zip(self.rows, self.pools, strict=True)
        return [{**row, "available": gpus[pool]} for row, pool in pairs]


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_the_conflict_is_one_and_no_part_of_it_is(name):
    """By the oracle: without all other requirements nothing qualifies; without one more, some."""
    instance = constructed(name)
    if name == "too large":
        return
    _, conflict, _ = CONSTRUCTED[name]
    rows = Rows(instance)
    free = relaxable_parameters(resolve(instance), memory=False)

    def without(kept: tuple[str, ...]) -> bool:
        lax = {x.field: x.loosest for x in free if x.requirement not in (*kept, DEMAND[9:])}
        relaxed = changed(instance, lax)
        return answer(relaxed, rows.of(relaxed)) is not None

    assert not without(conflict)
    for size in range(len(conflict)):
        for part in combinations(conflict, size):
            assert without(part)


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_the_sentence_says_what_was_asked(name):
    kind, conflict, _ = CONSTRUCTED[name]
    diagnosis = found(constructed(name))
    start = {
        "physical": "No deployment ",
        "memory": "Nothing fits into memory: llama-3.1-405b takes at least ",
        "supply": "Supply is too short: ",
        "budget": "The budget is too small: ",
        "contradiction": "Requirements exclude each other: ",
    }
    assert diagnosis.sentence.startswith(start[kind])
    told = {
        "gpus": " of ",
        "max_replicas": "1 replica",
        "tokens_per_second_per_request": "tok/s per request",
        "time_to_first_token_seconds": " ms",
        HOURLY: "/h",
        PER_MILLION: "/Mtok",
        "memory_capacity": "GB",
    }
    for one in conflict:
        assert told[one] in diagnosis.sentence


def test_an_empty_search_is_told_with_what_would_fill_it():
    instance = base(search={"batch": 1, "tensor_parallel": 1, "pipeline_parallel": 4})
    assert planner.solve(instance).candidates == 0
    diagnosis = found(instance)
    assert (diagnosis.kind, diagnosis.relaxations, diagnosis.together) == ("search", (), None)
    assert diagnosis.message().startswith("No deployment of the search space is admissible")
    assert {one.field for one in diagnosis.widenings} == {
        "search.batch",
        "search.pipeline_parallel",
    }
    confirm_widenings(instance, diagnosis)


# --- What physics allows --------------------------------------------------------------------


@pytest.mark.parametrize("way", ["fast", "soon", "fast, soon and dear"])
def test_the_best_equals_brute_force(way):
    checked = 0
    for made, instance in attempts(SEEDS):
        diagnosis = diagnose(instance) if made == way else None
        if diagnosis is None or diagnosis.kind != "physical":
            continue
        table = tabulate(resolve(instance))
        table = table.take(fits_memory(table))
        for best in diagnosis.best:
            values = getattr(table, best.requirement)
            first = best.requirement.startswith("time")
            assert best.attained == (values.min() if first else values.max())
            assert (best.attained > best.asked) is first
            checked += 1
    assert checked >= 4


def test_the_best_is_one_that_fits():
    """Of two accelerators the faster has no room for the weights."""
    pools = [{"accelerator": name, "dollars_per_gpu_hour": 1.0} for name in ("rtx-4090", "l40s")]
    search = {"tensor_parallel": 1, "batch": 1, "weights": ["bf16"]}
    lax = {"workload.transformer": "qwen2.5-14b", "pools": pools, "search": search}
    instance = changed(base(), {SPEED: 1e5, **lax})
    table = tabulate(resolve(instance))
    assert table.pool[np.argmax(table.tokens_per_second_per_request)] == 0
    (best,) = found(instance).best
    assert "1 x l40s tp" in best.deployment


def test_what_holds_back_is_the_largest_part_of_the_largest_term():
    """By the plan that one gets at the best speed, and by what `estimate` knows of its terms."""
    diagnosis = found(base(workload__tokens_per_second_per_request=1e5))
    (best,) = diagnosis.best
    lax = {SPEED: best.attained, HOURLY: None, PER_MILLION: None, "pools[0].gpus": None}
    plan = planner.solve(changed(base(), {**lax, DEMAND: None, "objective": PER_MILLION[:-8]}))
    terms = {name: getattr(plan, f"{name}_seconds") for name in ("arithmetic", "memory", "network")}
    terms |= {"latency": plan.latency_seconds, "stall": plan.stall_seconds}
    limit = best.held_back_by
    assert limit.cause == max(terms, key=terms.__getitem__)
    assert 0 < limit.share <= terms[limit.cause] / plan.tpot_seconds * (1 + 1e-9)
    assert f"held back by {limit.part} ({limit.share:.0%}".replace("%", " %") in diagnosis.sentence


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        # One accelerator and 70 B weights: reading them is all there is.
        ({"workload.transformer": "llama-3.1-70b", "search.tensor_parallel": 1}, "reading weights"),
        # Launches of a small transformer split many times.
        ({"search.tensor_parallel": 8}, "launches and overheads"),
    ],
)
def test_the_part_that_holds_back_is_named(changes, part):
    instance = changed(base(), {SPEED: 1e5, "search.batch": 1, **changes})
    (best,) = found(instance).best
    assert best.held_back_by.part == part


def test_many_prompts_of_others_hold_back():
    prompts = {"workload.input_tokens": 100_000, "workload.output_tokens": 5}
    instance = changed(base(), {SPEED: 1e5, FIRST: None, "search.batch": 4, **prompts})
    (best,) = found(instance).best
    assert best.held_back_by.cause == "stall"
    assert "reading other users' prompts" in planner.solve(instance).message


def test_a_long_prompt_is_held_back_by_arithmetic():
    instance = changed(base(), {FIRST: 1e-3, "workload.input_tokens": 30_000})
    (best,) = found(instance).best
    assert best.held_back_by.cause == "arithmetic"
    assert 0.3 < best.held_back_by.share < 1


def test_parts_of_the_first_token_sum_to_no_more_than_it():
    """Every part is a share of a whole that the plan knows, drafts included."""
    drafts = [{"transformer": "llama-3.2-1b", "acceptance": 0.7}]
    lax = {"workload.drafts": drafts, "search.gamma": [2], "workload.transformer": "llama-3.1-70b"}
    resolved = resolve(changed(base(), lax))
    table = tabulate(resolved)
    for row in range(len(table)):
        assert 0 < first_token_limit(resolved, table, row).share <= 1


# --- Every relaxation is applied ------------------------------------------------------------


@cache
def infeasible() -> tuple[tuple[str, Instance, Diagnosis], ...]:
    """Random infeasible instances with their diagnoses."""
    diagnosed = ((way, one, diagnose(one)) for way, one in attempts(SEEDS))
    return tuple((way, one, diagnosis) for way, one, diagnosis in diagnosed if diagnosis)


def test_there_are_enough_of_every_kind():
    kinds = Counter(diagnosis.kind for _, _, diagnosis in infeasible())
    assert len(infeasible()) >= 100
    assert {way for way, _, _ in infeasible()} == set(WAYS)
    assert min(kinds[kind] for kind in ("physical", "memory", "supply", "budget")) >= 3, kinds
    sizes = Counter(
        len(diagnosis.together.changes) for _, _, diagnosis in infeasible() if diagnosis.together
    )
    assert sizes[2] >= 10, sizes
    assert sizes[3] >= 1, sizes
    alone = Counter(x.changes[0].field[:12] for _, _, d in infeasible() for x in d.relaxations)
    assert len(alone) >= 7, alone


def solved(instance: Instance, values: dict[str, Any], shortlists: ShortlistCache) -> planner.Plan:
    return planner.solve(changed(instance, values), shortlists=shortlists)


def smaller(change: Change) -> float | int:
    """The value of a change that is smaller by one per cent, or by one."""
    if isinstance(change.needed, int):
        return change.needed - 1
    return change.asked + 0.99 * (change.needed - change.asked)


SHARES = 4


@pytest.mark.parametrize("share", range(SHARES))
def test_every_stated_change_makes_it_feasible_at_the_stated_cost(share):
    for _, instance, diagnosis in infeasible()[share::SHARES]:
        shortlists = ShortlistCache()
        assert not planner.solve(instance, shortlists=shortlists).found
        for relaxation in (*diagnosis.relaxations, diagnosis.together):
            if relaxation is not None:
                plan = solved(instance, relaxation.values, shortlists)
                assert plan.found, (instance.name, relaxation)
                same_plan(plan, relaxation.plan, instance)


def same_plan(plan: planner.Plan, stated: Any, instance: Instance) -> None:
    assert plan.objective == pytest.approx(stated.objective, rel=1e-6)
    if instance.aim != "tokens_per_second_per_request":
        assert getattr(plan, instance.aim) == pytest.approx(getattr(stated, instance.aim))
    assert plan.dollars_per_hour == pytest.approx(stated.dollars_per_hour)
    assert (plan.pool, plan.replicas, plan.gpus) == (stated.pool, stated.replicas, stated.gpus)
    assert f"{plan.gpus_per_replica} x {plan.pool} tp{plan.tensor_parallel}" in stated.deployment
    assert stated.deployment.endswith(f" b{plan.batch}")


@pytest.mark.parametrize("share", range(SHARES))
def test_a_smaller_change_does_not(share):
    for _, instance, diagnosis in infeasible()[share::SHARES]:
        shortlists = ShortlistCache()
        for relaxation in diagnosis.relaxations:
            (change,) = relaxation.changes
            less = smaller(change)
            if less != change.asked:
                assert not solved(instance, {change.field: less}, shortlists).found, (
                    instance.name,
                    change,
                )


def fields_of(instance: Instance, diagnosis: Diagnosis) -> tuple[RelaxableParameter, ...]:
    memory = diagnosis.kind == "memory" or instance.usable_memory_fraction is not None
    return relaxable_parameters(resolve(instance), memory=memory)


@pytest.mark.parametrize("share", range(SHARES))
def test_nothing_smaller_suffices_by_brute_force(share):
    """The oracle, over every row, with each field not limiting at all."""
    for _, instance, diagnosis in infeasible()[share::SHARES]:
        free = fields_of(instance, diagnosis)
        enough = {one.changes[0].field for one in diagnosis.relaxations}
        most = len(diagnosis.together.changes) - 1 if diagnosis.together else 1
        if not enough and diagnosis.together is None:
            most = min(len(free), 2)
        rows = {False: Rows(instance)}
        if any(x.field == MEMORY for x in free):
            rows[True] = Rows(changed(instance, {MEMORY: 1.0}))
        for size in range(1, most + 1):
            for chosen in combinations(free, size):
                lax = {x.field: 1.0 if x.field == MEMORY else x.loosest for x in chosen}
                relaxed = changed(instance, lax)
                won = answer(relaxed, rows[MEMORY in lax].of(relaxed)) is not None
                assert won is (size == 1 and chosen[0].field in enough), (instance.name, lax)


def test_the_cheapest_together_is_the_cheapest_by_brute_force():
    """Least cost for each token asked, over all sets of as many fields that do not limit at all."""
    checked = 0
    for _, instance, diagnosis in infeasible():
        together = diagnosis.together
        if together is None or instance.aim == "tokens_per_second_per_request":
            continue
        free, best = fields_of(instance, diagnosis), np.inf
        whole, rows = Rows(changed(instance, {MEMORY: 1.0})), Rows(instance)
        for chosen in combinations(free, len(together.changes)):
            best = min(best, cheapest(instance, chosen, rows, whole))
        plan, demand = together.plan, together.values.get(DEMAND)
        stated = getattr(plan, instance.aim)
        if instance.aim == "dollars_per_hour":
            stated /= demand or instance.workload.tokens_per_second or 1.0
        assert stated == pytest.approx(best, rel=0.011 if demand else 1e-6), instance.name
        checked += 1
    assert checked >= 10


def cheapest(
    instance: Instance, chosen: tuple[RelaxableParameter, ...], rows: Rows, whole: Rows
) -> float:
    """The least cost where some fields do not limit; per token asked where hours are paid."""
    fields = {x.field for x in chosen}
    lax = {x.field: 1.0 if x.field == MEMORY else x.loosest for x in chosen}
    relaxed, best = changed(instance, lax), np.inf
    demand = instance.workload.tokens_per_second or 1.0
    for row in (whole if MEMORY in fields else rows).of(relaxed):
        score = scored(relaxed, row)
        if score is not None:
            cost = score[0][0]
            if instance.aim == "dollars_per_hour" and DEMAND in fields:
                # It serves all that whole replicas can: no token is paid and not asked.
                speed = -score[0][2]
                cost = row["gpus"] * row["price"] / (row["batch"] * speed)
            elif instance.aim == "dollars_per_hour":
                cost /= demand
            best = min(best, cost)
    return best


ATTAINED = {
    SPEED: lambda row, needed: 1.0 / (step_time(row) / row["tokens"] + row["stall"]),
    FIRST: lambda row, needed: row["prefill"] + step_time(row),
    HOURLY: lambda row, needed: needed * row["gpus"] * row["price"],
    PER_MILLION: lambda row, needed: per_million(row),
    "workload.max_replicas": lambda row, needed: needed,
}


def per_million(row: dict[str, Any]) -> float:
    tpot = step_time(row) / row["tokens"] + row["stall"]
    return row["gpus"] * row["price"] / 3600.0 * tpot / row["batch"] * 1e6


def test_the_cheapest_together_costs_least_where_speed_is_the_objective():
    """What is fastest with the values that a deployment needs may cost more than it does."""
    checked = 0
    for _, instance, diagnosis in infeasible():
        together, demand = diagnosis.together, instance.workload.tokens_per_second
        if together is None or instance.aim != "tokens_per_second_per_request":
            continue
        fields = [x.field for x in together.changes]
        if not set(fields) <= set(ATTAINED):
            continue
        rows = Rows(instance).of(instance)
        loosest = {x.field: x.loosest for x in fields_of(instance, diagnosis)}
        relaxed = changed(instance, {field: loosest[field] for field in fields})
        within = [(row, scored(relaxed, row)) for row in rows]
        possible = []
        for row, score in within:
            if score is not None:
                values = [ATTAINED[field](row, score[1]) for field in fields]
                signs = [-1.0 if field == SPEED else 1.0 for field in fields]
                wanted = [(x.asked, sign) for x, sign in zip(together.changes, signs, strict=True)]
                pairs = zip(values, wanted, strict=True)
                needs = [max(sign * value, sign * asked) for value, (asked, sign) in pairs]
                hourly = score[1] * row["gpus"] * row["price"]
                stated = instance.dollars_per_million_tokens_at_most is not None
                cost = per_million(row) if demand is None and stated else hourly
                possible.append((needs, ATTAINED[SPEED](row, 1), cost))
        costs = []
        for needs, _, _ in possible:
            inside = [x for x in possible if all(a <= b for a, b in zip(x[0], needs, strict=True))]
            costs.append(max(inside, key=lambda x: x[1])[2])
        per_token = demand is None and instance.dollars_per_million_tokens_at_most is not None
        plan = together.plan
        cost = plan.dollars_per_million_tokens if per_token else plan.dollars_per_hour
        assert cost <= min(costs) * (1 + 1e-6), (instance.name, cost, min(costs))
        checked += 1
    assert checked >= 5


def test_no_field_changes_more_than_the_fastest_needs():
    """Slower requests would not make the plan cheaper, as the fastest is chosen all the same."""
    lax = {"objective": "tokens_per_second_per_request", PER_MILLION: None}
    instance = changed(base(), {**lax, SPEED: 1e5, FIRST: 1e-6})
    together = found(instance).together
    assert together is not None
    assert set(together.values) == {SPEED, FIRST}
    fastest = together.plan.tokens_per_second_per_request
    assert together.values[SPEED] == pytest.approx(fastest, rel=0.005)
    assert planner.solve(changed(instance, {SPEED: 1.0, FIRST: 10.0})).objective == fastest


def test_of_equal_costs_the_plan_has_fewer_accelerators():
    """One large accelerator, or two at half the price that are faster."""
    prices = {"mi300x": 2.0, "h100-sxm": 1.0}
    pools = [{"accelerator": name, "dollars_per_gpu_hour": price} for name, price in prices.items()]
    search = {"tensor_parallel": [1, 2], "weights": ["bf16"], "batch": [1]}
    lax = {"workload.transformer": "llama-3.1-70b", "pools": pools, "search": search}
    targets = {SPEED: 5, DEMAND: 5, PER_MILLION: None}
    instance = changed(base(), {**lax, **targets, HOURLY: 0.5})
    relaxations = found(instance).relaxations
    (plan,) = [x.plan for x in relaxations if x.changes[0].field == HOURLY]
    assert plan.gpus == 1
    same_plan(planner.solve(changed(instance, {HOURLY: plan.dollars_per_hour})), plan, instance)


def test_with_less_of_any_change_together_nothing_is_as_cheap():
    checked = 0
    for _, instance, diagnosis in infeasible():
        together = diagnosis.together
        if together is None or instance.aim == "tokens_per_second_per_request":
            continue
        shortlists = ShortlistCache()
        for change in together.changes:
            less = {**together.values, change.field: smaller(change)}
            if change.field != DEMAND and less[change.field] != change.asked:
                plan = solved(instance, less, shortlists)
                dearer = plan.found and plan.objective > together.plan.objective * (1 + 1e-9)
                assert dearer or not plan.found, (instance.name, change)
                checked += 1
    assert checked >= 20


# --- Memory ---------------------------------------------------------------------------------


def confirm_widenings(instance: Instance, diagnosis: Diagnosis) -> None:
    for widening in diagnosis.widenings:
        plan = planner.solve(changed(instance, {widening.field: widening.value}))
        assert plan.found
        same_plan(plan, widening.plan, instance)


def test_a_wider_search_is_advised_where_nothing_fits():
    instance = base(
        workload={"transformer": "llama-3.1-70b", "tokens_per_second_per_request": 10},
        search={"tensor_parallel": [1], "weights": ["bf16"], "batch": [8, 16]},
    )
    diagnosis = found(instance)
    assert diagnosis.kind == "memory"
    wider = {one.field: one.added for one in diagnosis.widenings}
    # Two GPUs hold the weights, but not what an engine takes beside them, nor do two stages.
    assert wider["search.tensor_parallel"] == 4
    assert "search.pipeline_parallel" not in wider
    assert wider["search.weights"] in ("fp8", "int4", "fp4", "int8")
    assert f"widen search.weights to {wider['search.weights']}" in diagnosis.message()
    confirm_widenings(instance, diagnosis)


def test_widenings_of_random_instances_hold():
    checked = 0
    for _, instance, diagnosis in infeasible():
        confirm_widenings(instance, diagnosis)
        checked += len(diagnosis.widenings)
    assert checked >= 3


def test_no_wider_search_is_advised_that_an_engine_refuses():
    instance = base(
        workload={"transformer": "llama-3.1-405b"},
        search={"tensor_parallel": [1], "weights": ["bf16"], "batch": [1]},
        engine="vllm",
    )
    diagnosis = found(instance)
    assert diagnosis.kind == "memory"
    confirm_widenings(instance, diagnosis)


def test_that_nothing_helps_is_told():
    diagnosis = found(constructed("too large"))
    assert (diagnosis.relaxations, diagnosis.together, diagnosis.widenings) == ((), None, ())
    assert diagnosis.message().endswith("nor any wider search that was tried, makes it feasible.")
    assert "nor any wider search" in diagnosis.text()


def test_the_fullest_deployment_is_the_one_that_comes_nearest():
    instance = changed(base(), CONSTRUCTED["too large"][2])
    table = tabulate(resolve(instance))
    full = found(instance).fullness
    assert full is not None
    filled = table.memory_bytes_per_gpu / table.usable_bytes_per_gpu
    assert full.resident_bytes / full.usable_bytes == filled.min()
    assert full.resident_bytes > 405e9  # in fp8


def test_memory_that_could_be_filled_further_is_found():
    instance = base(usable_memory_fraction=0.05)
    diagnosis = found(instance)
    (relaxation,) = [x for x in diagnosis.relaxations if x.changes[0].field == MEMORY]
    (change,) = relaxation.changes
    for value, wins in ((change.needed, True), (smaller(change), False)):
        assert planner.solve(changed(instance, {MEMORY: value})).found is wins


# --- Rounding, text, JSON -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exact", "asked", "raised", "shown"),
    [
        (119.3721, 400, False, 119),
        (119.3721, 1e5, False, 119),
        (399.5234, 400, False, 399.52),
        (0.0312345, 0.01, True, 0.0313),
        (83.3333, 0.001, True, 83.4),
        (80.0, 0.001, True, 80),
        (12345.6, 20000, False, 12300),
        (0.3, 0.1, True, 0.3),
    ],
)
def test_values_are_rounded_to_the_side_that_can_be_met(exact, asked, raised, shown):
    assert figure(exact, asked, raised=raised) == shown


def test_rounding_hardly_goes_farther_than_needed():
    rng = np.random.default_rng(1)
    for asked, exact in (10 ** rng.uniform(-6, 9, (1000, 2))).tolist():
        raised = exact > asked
        value = figure(exact, asked, raised=raised)
        assert (value >= exact) if raised else (value <= exact)
        assert abs(value - exact) <= 0.009 * abs(exact - asked) * (1 + 1e-9)
        assert abs(value / exact - 1) <= 0.005 * (1 + 1e-9)


def test_counts_are_whole():
    assert figure(40.0, 24, raised=True, whole=True) == 40
    assert figure(39.2, 24, raised=True, whole=True) == 40


def test_messages_fit_into_a_cell():
    for _, _, diagnosis in infeasible():
        message = diagnosis.message()
        assert "\n" not in message
        assert len(message) <= LONGEST_MESSAGE
        assert message.startswith(diagnosis.sentence)


def test_what_does_not_fit_into_a_message_is_counted():
    pools = [
        {"accelerator": "h100-sxm", "gpus": 1, "dollars_per_gpu_hour": 2.0, "name": f"{n}" * 40}
        for n in range(9)
    ]
    diagnosis = found(base(pools=pools, workload__tokens_per_second=1e5))
    assert len(diagnosis.relaxations) >= 9 or diagnosis.together
    lax = found(base(pools=pools, workload__tokens_per_second=1e5, dollars_per_hour_at_most=None))
    assert len(lax.relaxations) >= 9
    assert len(lax.message()) <= LONGEST_MESSAGE + 200
    assert "; and " in lax.message()
    assert all(change_words(one.changes[0]) in lax.text() for one in lax.relaxations)


def test_the_text_names_every_field_with_its_value():
    for _, _, diagnosis in infeasible():
        text = diagnosis.text()
        relaxations = [
            *diagnosis.relaxations,
            *([diagnosis.together] if diagnosis.together else []),
        ]
        for relaxation in relaxations:
            for change in relaxation.changes:
                assert f"{change.field}: " in text
            assert relaxation.plan.deployment in text
        assert text.startswith(diagnosis.sentence)


def test_json_has_everything_in_plain_types():
    for _, _, diagnosis in infeasible()[:30]:
        told = diagnosis.to_dict()
        assert json.loads(json.dumps(told, allow_nan=False)) == told
        assert told["kind"] == diagnosis.kind
        for one, relaxation in zip(told["relaxations"], diagnosis.relaxations, strict=True):
            assert {x["field"]: x["needed"] for x in one["changes"]} == relaxation.values
            assert one["plan"]["dollars_per_hour"] == relaxation.plan.dollars_per_hour


def test_the_terminal_shows_each_way_on_its_own_line():
    instance = constructed("too few accelerators at this speed")
    console = Console(width=400, record=True, file=None, quiet=False)
    with console.capture() as capture:
        show_plan(planner.solve(instance), console)
    lines = [line.strip("│ \n") for line in capture.get().splitlines()]
    for relaxation in found(instance).relaxations:
        (change,) = relaxation.changes
        assert any(line.startswith(f"- {change_words(change)} (") for line in lines), lines


def test_a_pair_is_told():
    instance = base(workload__tokens_per_second_per_request=1e5, dollars_per_hour_at_most=1e-3)
    diagnosis = found(instance)
    assert diagnosis.relaxations == ()
    assert diagnosis.together is not None
    assert {x.field for x in diagnosis.together.changes} == {SPEED, HOURLY}
    message = planner.solve(instance).message
    assert "No single change suffices; the cheapest together:" in message
    assert " and " in message
