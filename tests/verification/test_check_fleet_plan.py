"""The checker of fleets: plans worked out by hand hold, and one change of any kind is found."""

import copy
import itertools
import subprocess
import sys
import time
from dataclasses import fields, replace

import fleet_plans
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.candidates.fleet.model_data import (
    Choices,
    Decisions,
    Horizon,
    Limits,
    ModelData,
    SolveResult,
    Wanted,
)
from planner.plans.build_fleet import build_fleet_plan
from planner.plans.read_fleet import read_fleet_plan
from planner.problem.fleet import Fleet
from planner.verification.fleet.check_fleet_plan import check_fleet_plan
from planner.verification.fleet.node_packing import nodes_needed

CHAT_DAY, CHAT_NIGHT, A1_DAY, A1_NIGHT, TP3_DAY, RENTED_DAY, P_DAY, P_NIGHT, D_DAY, D_NIGHT = range(
    10
)
RESERVED, ON_DEMAND_EU, ON_DEMAND_DAY, ON_DEMAND_NIGHT, SPOT_DAY, SPOT_NIGHT = range(6)


def put(plan, table, column, place, value):
    """Return the plan with one number of a table changed."""
    rows = getattr(plan, table)
    changed = getattr(rows, column).copy()
    changed[place] = value
    return replace(plan, **{table: replace(rows, **{column: changed})})


def edited(plan, table, change):
    """Return the plan with the rows of a table changed, in all columns alike."""
    return replace(plan, **{table: columnwise(getattr(plan, table), change)})


def columnwise(rows, change):
    """Return rows with every array of them changed."""
    columns = {field.name: getattr(rows, field.name) for field in fields(rows)}
    arrays = {name: column for name, column in columns.items() if isinstance(column, np.ndarray)}
    return replace(rows, **{name: change(column) for name, column in arrays.items()})


def without(plan, table, row):
    """Return the plan without a row of a table."""
    return edited(plan, table, lambda column: np.delete(column, row, axis=0))


def twice(plan, table, row):
    """Return the plan with a row of a table a second time."""
    return edited(plan, table, lambda column: np.concatenate([column, column[row : row + 1]]))


def asking(resolved, path, value):
    """Return the fleet with one field changed."""
    resolved = copy.deepcopy(resolved)
    *way, last = path
    part = resolved
    for key in way:
        part = part[key]
    part[last] = value
    return Fleet.model_validate(resolved)


def told(findings):
    return {finding.column for finding in findings}


def found_in(made):
    """What the checker finds in a fleet, its offers and its plan."""
    fleet, offers, plan = made
    return check_fleet_plan(plan, fleet, offers)


def test_plans_worked_out_by_hand_hold():
    for make in (fleet_plans.shop, fleet_plans.classy):
        assert found_in(make()) == []


def test_a_written_plan_holds(tmp_path):
    for make in (fleet_plans.shop, fleet_plans.classy):
        fleet, offers, plan = make()
        plan.write(tmp_path)
        assert check_fleet_plan(read_fleet_plan(tmp_path), fleet, offers) == []


RATES = ("requests_per_second", "tokens_per_second")
# What is asked is tightened beyond what the plan gives: field, value, columns that are then wrong.
TIGHTER = [
    (("workloads", 0, "tokens_per_second_per_request"), 26.0, {"tpot_seconds"}),
    (("workloads", 0, "time_to_first_token_seconds"), 0.5, {"time_to_first_token_seconds"}),
    (("prediction", "time_to_first_token"), 3.0, {"time_to_first_token_seconds"}),
    (("workloads", 0, "users_in"), "asia", {"time_to_first_token_seconds"}),
    (("workloads", 0, "users_in"), "moon", {"time_to_first_token_seconds"}),
    (("workloads", 2, "time_to_first_token_seconds"), 0.4, {"time_to_first_token_seconds"}),
    (("workloads", 2, "tokens_per_second_per_request"), 51.0, {"tpot_seconds"}),
    (("workloads", 1, "time_to_first_token_seconds"), 9.0, {"time_to_first_token_seconds"}),
    (("workloads", 0, "regions"), ["us"], {"pool"}),
    (("workloads", 0, "quality"), {"at_least": 0.96}, {"quality"}),
    (("workloads", 2, "quality"), {"at_least": 0.1}, {"quality"}),
    (("workloads", 1, "spot"), False, {"market"}),
    (("workloads", 0, "headroom"), 0.2, {"capacity", *RATES, "utilisation"}),
    (("workloads", 1, "n_plus_1"), True, {"capacity"}),
    (("workloads", 2, "min_replicas"), 4, {"replicas"}),
    (("workloads", 1, "max_deployments"), 1, {"label"}),
    (("workloads", 1, "shed_at_most"), 0.055, {"shed"}),
    (("workloads", 1, "shed_dollars_per_1000_requests"), 2.1, {"objective"}),
    (("workloads", 1, "priority"), 3, {"priority"}),
    (("workloads", 0, "startup_dollars"), 6.0, {"dollars", "dollars_per_hour", "objective"}),
    (("workloads", 2, "startup_seconds"), 36.0, {"dollars", "dollars_per_hour", "objective"}),
    (("workloads", 2, "requests_per_second"), 4.55, {"capacity", "demand", "utilisation"}),
    (("workloads", 2, "requests_per_second"), 4.65, {"capacity", "demand", "utilisation"}),
    (("pools", 0, "gpus"), 23, {"gpus", "pools.gpus"}),
    (("pools", 1, "gpus"), 12, {"gpus", "pools.gpus"}),
    (("pools", 0, "reserved", "gpus"), 7, {"gpus of reserved"}),
    (("pools", 0, "on_demand", "gpus"), 15, {"gpus of on-demand"}),
    (("pools", 1, "spot", "gpus"), 5, {"gpus of spot"}),
    (("pools", 0, "gpus_per_node"), 16, {"gpus", "nodes"}),
    (
        ("pools", 0, "gpus_per_node"),
        None,
        {
            *("gpus", "nodes", "used_gpus", "utilisation", "dollars", "dollars_per_hour"),
            *("dollars_per_gpu_hour", "objective"),
        },
    ),
    (("pools", 0, "watts_at_most"), 11.8e3, {"watts"}),
    (("pools", 1, "watts_per_gpu"), 480.0, {"watts", "carbon"}),
    (("watts_at_most",), 17.0e3, {"watts"}),
    (("carbon_kilograms_at_most",), 117.7, {"carbon"}),
    (("dollars_per_hour_at_most",), 1109.2 / 24, {"dollars_per_hour"}),
    (("running",), None, {"starts", "dollars", "dollars_per_hour", "objective"}),
    (("running", 0, "replicas"), 6, {"starts", "dollars", "dollars_per_hour", "objective"}),
    (("running", 0, "spot"), True, {"starts", "dollars", "dollars_per_hour", "objective"}),
    (("robustness",), {"workloads": 1, "rise": 0.5}, {"extra_replicas"}),
    (("prediction", "decode_rate"), 0.7, {"capacity", *RATES, "utilisation"}),
    (("name",), "shed", {"instance"}),
    (("solver",), {"relative_gap": 1e-5}, {"status"}),
    (("workloads", 0, "name"), "talk", {"workload"}),
    (("pools", 1, "name"), "l4-us", {"pool"}),
    (("periods", 1, "name"), "dark", {"period"}),
    (("workloads", 2, "requests_per_second"), None, {"fleet"}),
]


def names_of(cases):
    return ["-".join(map(str, (*path, value))) for path, value, *_ in cases]


@pytest.mark.parametrize(("path", "value", "wrong"), TIGHTER, ids=names_of(TIGHTER))
def test_what_is_asked_beyond_the_plan_is_found(path, value, wrong):
    _, offers, plan = fleet_plans.shop()
    fleet = asking(fleet_plans.SHOP, path, value)
    findings = check_fleet_plan(replace(plan, fleet_digest=fleet.digest), fleet, offers)
    assert told(findings) == wrong


LOOSER = [
    (("robustness",), {"workloads": 0, "rise": 9.0}),
    (("dollars_per_hour_at_most",), 1109.25 / 24),
    (("watts_at_most",), 17.8e3),
    (("carbon_kilograms_at_most",), 120.0),
    (("workloads", 1, "shed_at_most"), 0.056),
    (("workloads", 2, "requests_per_second"), [4.0, 4.0]),
    (("workloads", 2, "requests_per_second"), {"p95": 4.0}),
    (("workloads", 2, "time_to_first_token_seconds"), 0.45),
    (("workloads", 2, "tokens_per_second_per_request"), 50.0),
    (("pools", 0, "gpus"), 24),
    (("pools", 1, "gpus"), 13),
    (("running", 0, "spot"), False),
]


@pytest.mark.parametrize(("path", "value"), LOOSER, ids=names_of(LOOSER))
def test_what_just_holds_is_not_found(path, value):
    _, offers, plan = fleet_plans.shop()
    fleet = asking(fleet_plans.SHOP, path, value)
    # The plan states what there is of its own fleet.
    there = replace(plan, fleet_digest=fleet.digest)
    assert told(check_fleet_plan(there, fleet, offers)) <= {"pools.gpus"}


def head(**changes):
    return lambda plan: replace(plan, **changes)


def at(*change):
    return lambda plan: put(plan, *change)


CHANGED = {
    "unknown label": (
        lambda p: replace(p, replicas=replace(p.replicas, labels=("?",) * 6)),
        "label",
    ),
    "other label": (at("replicas", "pool", CHAT_DAY, 1), "pool"),
    "lane": (at("replicas", "spot", P_DAY, True), "gpus of spot replicas"),
    "lane without spot": (at("replicas", "spot", TP3_DAY, True), "market"),
    "no replicas": (at("replicas", "replicas", RENTED_DAY, 0), "replicas"),
    "too few replicas": (at("replicas", "replicas", CHAT_DAY, 6), "capacity"),
    "too many replicas": (at("replicas", "replicas", CHAT_NIGHT, 5), "gpus of steady replicas"),
    "period": (at("replicas", "period", TP3_DAY, 1), "capacity"),
    "role": (at("replicas", "role", P_DAY, 0), "role"),
    "gpus": (at("replicas", "gpus", TP3_DAY, 3), "gpus"),
    "rate": (at("replicas", "requests_per_second", P_DAY, 5.0), "requests_per_second"),
    "tpot": (at("replicas", "tpot_seconds", CHAT_DAY, 0.039), "tpot_seconds"),
    "tpot left out": (at("replicas", "tpot_seconds", CHAT_DAY, np.nan), "tpot_seconds"),
    "ttft": (
        at("replicas", "ttft_seconds", RENTED_DAY, 3.0),
        "time_to_first_token_seconds",
    ),
    "starts": (at("replicas", "starts", D_NIGHT, 1), "starts"),
    "own price": (
        at("replicas", "dollars_per_gpu_hour", RENTED_DAY, 1.2),
        "dollars_per_gpu_hour",
    ),
    "no price": (
        at("replicas", "dollars_per_gpu_hour", RENTED_DAY, np.nan),
        "dollars_per_gpu_hour",
    ),
    "pool's price": (at("replicas", "price_source", RENTED_DAY, 0), "price_source"),
    "mean price": (at("replicas", "dollars_per_gpu_hour", CHAT_DAY, 2.0), "dollars_per_gpu_hour"),
    "cost": (at("replicas", "dollars_per_hour", CHAT_DAY, 28.0), "dollars_per_hour"),
    "cost without the start": (
        at("replicas", "dollars_per_hour", RENTED_DAY, 2.5),
        "dollars_per_hour",
    ),
    "tokens": (at("replicas", "tokens_per_second", RENTED_DAY, 700.0), "tokens_per_second"),
    "accelerators of one": (at("replicas", "gpus_per_replica", TP3_DAY, 4), "gpus_per_replica"),
    "quality": (at("replicas", "quality", CHAT_DAY, 0.99), "quality"),
    "a row twice": (lambda p: twice(p, "replicas", P_DAY), "label"),
    "a row missing": (lambda p: without(p, "replicas", D_NIGHT), "capacity"),
    "bought less": (at("purchases", "gpus", ON_DEMAND_DAY, 4.0), "gpus of steady replicas"),
    "bought spot less": (at("purchases", "gpus", SPOT_NIGHT, 4.0), "gpus of spot replicas"),
    "bought a part": (at("purchases", "gpus", SPOT_NIGHT, 5.5), "gpus"),
    "half a node": (at("purchases", "gpus", ON_DEMAND_EU, 12.0), "gpus"),
    "bought nothing": (at("purchases", "gpus", ON_DEMAND_EU, 0.0), "gpus"),
    "not sold so": (at("purchases", "pool", RESERVED, 1), "market"),
    "nodes": (at("purchases", "nodes", ON_DEMAND_EU, 3.0), "nodes"),
    "no nodes": (at("purchases", "nodes", RESERVED, np.nan), "nodes"),
    "price": (at("purchases", "dollars", RESERVED, 300.0), "dollars"),
    "used": (at("purchases", "used_gpus", RESERVED, 8.0), "used_gpus"),
    "use": (at("purchases", "utilisation", ON_DEMAND_EU, 1.0), "utilisation"),
    "reserved in a period": (at("purchases", "period", RESERVED, 0), "period"),
    "on demand in none": (at("purchases", "period", SPOT_DAY, -1), "period"),
    "bought twice": (lambda p: twice(p, "purchases", SPOT_DAY), "market"),
    "not bought": (lambda p: without(p, "purchases", RESERVED), "gpus of steady replicas"),
    "demand": (at("service", "demand", (0, 0), 19.0), "demand"),
    "capacity": (at("service", "capacity", (0, 0), 26.0), "capacity"),
    "service used": (at("service", "utilisation", (2, 1), 1.0), "utilisation"),
    "shed less": (at("service", "shed", (1, 0), 0.5), "capacity"),
    "shed below nothing": (at("service", "shed", (0, 0), -0.1), "shed"),
    "shed what may not be": (at("service", "shed", (0, 0), 0.1), "shed"),
    "priority": (at("service", "priority", 1, 1), "priority"),
    "service cut": (
        lambda p: replace(p, service=replace(p.service, demand=p.service.demand[:, :1])),
        "service",
    ),
    "fleet": (head(fleet="shed"), "instance"),
    "digest": (head(fleet_digest="0" * 12), "instance_digest"),
    "dollars": (head(dollars=1109.0), "dollars"),
    "dollars an hour": (head(dollars_per_hour=46.0), "dollars_per_hour"),
    "objective": (head(objective=1147.2), "objective"),
    "bound": (head(bound=1148.0), "bound"),
    "no bound": (head(bound=np.nan), "bound"),
    "gap": (head(gap=0.0), "gap"),
    "status": (head(status="infeasible"), "plan"),
    "unknown status": (head(status="fine"), "status"),
}


@pytest.mark.parametrize(("change", "column"), CHANGED.values(), ids=CHANGED)
def test_every_change_of_a_plan_is_found(change, column):
    fleet, offers, plan = fleet_plans.shop()
    findings = check_fleet_plan(change(plan), fleet, offers)
    assert column in told(findings), findings


def test_a_finding_says_what_and_where():
    fleet, offers, plan = fleet_plans.shop()
    (finding,) = check_fleet_plan(put(plan, "replicas", "starts", D_NIGHT, 1), fleet, offers)
    assert str(finding) == ("starts: found 1 for d of split in l40s-us in night, expected 0.")


def test_an_unproved_plan_needs_no_bound_and_a_proved_one_does():
    fleet, offers, plan = fleet_plans.shop()
    unknown = replace(plan, bound=np.nan, gap=np.nan)
    assert told(check_fleet_plan(unknown, fleet, offers)) == {"bound", "gap", "status"}
    assert not check_fleet_plan(replace(unknown, status="time_limit"), fleet, offers)


def test_no_plan_has_nothing_beside_its_status():
    fleet, offers, _ = fleet_plans.shop()
    result = SolveResult("infeasible", None, np.nan, np.nan, 0.1, "highs")
    plan = build_fleet_plan(fleet, offers, fleet_plans.shop_figures(), result, message="too little")
    assert check_fleet_plan(plan, fleet, offers) == []
    assert told(check_fleet_plan(replace(plan, dollars=3.0), fleet, offers)) == {"dollars"}


CLASSES = {
    "class short of requests": (at("replicas", "served", (0, 1), 1.9), "capacity"),
    "more than replicas can": (at("replicas", "served", (0, 0), 5.1), "served"),
    "a class it cannot serve": (at("replicas", "served", (1, 1), 0.1), "served"),
    "below nothing": (at("replicas", "served", (0, 0), -1.0), "served"),
    "left out": (lambda p: replace(p, replicas=replace(p.replicas, served=None)), "capacity"),
    "alike ones": (at("replicas", "replicas", 2, 0), "capacity"),
    "other names": (head(classes=(("short", "wide"), ())), "served"),
}


@pytest.mark.parametrize(("change", "column"), CLASSES.values(), ids=CLASSES)
def test_every_change_of_classes_is_found(change, column):
    fleet, offers, plan = fleet_plans.classy()
    assert column in told(check_fleet_plan(change(plan), fleet, offers))


def test_a_workload_with_classes_runs_colocated_deployments():
    fleet, offers, plan = fleet_plans.classy()
    offers = replace(offers, role=np.array([0, 2, 0]))
    assert "role" in told(check_fleet_plan(plan, fleet, offers))


def answered(fleet, offers, gpus, replicas, bought, **supply):
    """Return a fleet of one pool and period with the plan that runs so many of each offer."""
    count, workloads = len(offers), len(fleet.workloads)
    zeros, nothing = np.zeros(count, dtype=np.int64), np.zeros(workloads)
    demand = np.array([one.requests_per_second for one in fleet.workloads]).reshape(workloads, 1)
    data = ModelData(
        Horizon(("0",), np.ones(1), np.ones(1), np.array([-1])),
        fleet_plans.pool_supply(gpus=[np.inf], on_demand_dollars=[1.0], **supply),
        Choices(
            workload=offers.workload,
            pool=zeros,
            spot=zeros > 0,
            offer=np.arange(count),
            gpus=np.asarray(gpus),
            rates=np.ones((count, 1)),
            role=zeros,
            dollars_per_hour=np.full(count, np.nan),
            startup_dollars=np.zeros(count),
            running=zeros,
            working=np.asarray(gpus),
        ),
        Wanted(
            demand=demand,
            shares=np.ones((workloads, 1)),
            least=nothing.astype(np.int64),
            survives=nothing > 0,
            most=nothing + np.inf,
            kinds=np.where(nothing == 0, np.inf, 1.0),
            shed_at_most=nothing,
            shed_dollars=nothing,
        ),
        Limits(np.inf, np.inf, np.inf, 0, 0.0),
        False,
    )
    decisions = Decisions(
        replicas=np.full((count, 1), replicas),
        shed=nothing[:, None],
        served=None,
        reserved=np.zeros(1),
        on_demand=np.array([[bought]]),
        spot=np.zeros((1, 1)),
    )
    result = SolveResult("optimal", decisions, bought, bought, 0.0, "")
    return fleet, offers, build_fleet_plan(fleet, offers, data, result)


def nodes_fleet(size, gpus, bought):
    """Return a fleet of one workload with one replica of each deployment, and its plan."""
    price = {"dollars_per_gpu_hour": 1.0}
    fleet = Fleet.model_validate(
        {
            "name": "nodes",
            "pools": [{"name": "rack", "gpus_per_node": size, "on_demand": price}],
            "workloads": [
                {"name": "all", "requests_per_second": float(len(gpus)), "max_deployments": "any"}
            ],
        }
    )
    rows = [(0, 0, f"d{at}", one, 0, 1.0, *[np.nan] * 4) for at, one in enumerate(gpus)]
    divisors = [part for part in range(1, size + 1) if size % part == 0]
    taken = [
        next(part for part in divisors if part >= one) if one <= size else -(-one // size) * size
        for one in gpus
    ]
    offers = fleet_plans.offers_of(rows)
    return answered(fleet, offers, taken, 1, float(bought), increment=[size])


def test_replicas_fit_into_nodes_one_by_one():
    # 3 counts 4, and 12 takes two nodes of 8: 28 of 32.
    assert found_in(nodes_fleet(8, [3, 4, 1, 2, 1, 12], 32)) == []
    # Their sum fits into two nodes of 30, but no two subsets of at most 30 hold them all.
    findings = found_in(nodes_fleet(30, [15, 10, 10, 6, 6, 6, 6], 60))
    assert [finding.column for finding in findings] == ["nodes"]
    # Here the fullest nodes first would leave one over, and node by node does not.
    assert found_in(nodes_fleet(12, [6, 4, 4, 3, 3, 3], 24)) == []


def fits(items, nodes, size):
    """Whether items fit, by trying all ways; the truth of packing."""
    items = sorted(items, reverse=True)

    def place(at, room):
        if at == len(items):
            return True
        return any(
            place(at + 1, tuple(sorted((*room[:n], room[n] - items[at], *room[n + 1 :]))))
            for n in range(len(room))
            if room[n] >= items[at] and room[n] not in room[:n]
        )

    return place(0, (size,) * nodes)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([4, 6, 8, 12]).flatmap(
        lambda size: st.tuples(st.just(size), st.lists(st.integers(1, size), max_size=9))
    )
)
def test_packing_is_possible_and_nearly_best(drawn):
    size, items = drawn
    counts = np.bincount(np.array(items, dtype=np.int64), minlength=size + 1)[None, 1:]
    best = next(nodes for nodes in itertools.count() if fits(items, nodes, size))
    found = int(nodes_needed(counts, np.array([best]))[0])
    assert best <= found <= best + 1
    if all(other % one == 0 for one, other in itertools.pairwise(sorted(items))):
        assert found == best


def test_packing_counts_many_replicas_at_once():
    counts = np.array([[1_000_000, 0, 300_000, 0, 500_000, 0, 0, 1], [0] * 8])
    # Every 5 takes a 3; of the million ones none is left without room.
    assert nodes_needed(counts, np.array([0, 0])).tolist() == [
        300_000 + 200_000 + 1 + (1_000_000 - 600_000) // 8,
        0,
    ]


def test_the_checker_imports_no_builder_formulation_or_solver():
    code = (
        "import sys, planner.verification.fleet.check_fleet_plan\n"
        "bad = ('planner.formulations', 'solvers', 'pyomo', 'highspy', 'planner.candidates',"
        " 'planner.infeasibility',"
        " 'planner.plans.build_fleet')\n"
        "print([name for name in sys.modules if name.startswith(bad)])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_many_findings_of_a_kind_are_counted():
    fleet, offers, plan = large(60)
    plan = replace(plan, service=replace(plan.service, demand=plan.service.demand + 1.0))
    findings = [one for one in check_fleet_plan(plan, fleet, offers) if one.column == "demand"]
    assert len(findings) == 11
    assert findings[-1].found == "50 more rows like these"


def large(count):
    """Return a fleet of so many workloads on eight replicas each, and its plan."""
    fleet = Fleet.model_validate(
        {
            "name": "large",
            "pools": [{"name": "pool", "on_demand": {"dollars_per_gpu_hour": 1.0}}],
            "workloads": [{"name": f"w{w}", "requests_per_second": 8.0} for w in range(count)],
        }
    )
    offers = fleet_plans.offers_of([(0, 0, "one", 1, 0, 1.0, *[np.nan] * 4)])
    offers = columnwise(offers, lambda column: np.repeat(column, count, axis=0))
    offers = replace(offers, workload=np.arange(count), label=("one",) * count)
    return answered(fleet, offers, np.ones(count, dtype=np.int64), 8, 8.0 * count)


def test_fifty_thousand_workloads_are_checked_in_seconds():
    made = large(50_000)
    start = time.perf_counter()
    assert found_in(made) == []
    assert time.perf_counter() - start < 20.0  # About one; the rest is room for slow machines.
