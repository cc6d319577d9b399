"""Plans that are ready for workloads that rise: what is written of them, and what is checked."""

import io
import itertools
from dataclasses import replace

import fleet_plans
import fleets_by_hand
import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from stated_fleets import solved

from planner.api import solve_fleet
from planner.errors import CheckError, InputError
from planner.plans.folder import PLAN_FILE
from planner.plans.plan import COLUMNS
from planner.plans.read_fleet import read_fleet_plan
from planner.problem.fleet import Fleet
from planner.reporting.terminal.fleet_plan import show_fleet_plan
from planner.verification.fleet.check_fleet_plan import check_fleet_plan

NAN = float("nan")
SEEDS = range(200)
EXTRA, SPLIT = "extra_replicas", "served_when_risen"
NO_CLASSES = frozenset({"classes"})


def rising_fleet(*workloads, busy, rows=None, rise=0.5, **pool):
    """Workloads on single accelerators of one request a second each, and what is on offer.

    There is power for so many busy accelerators that nothing runs before it must.
    """
    power = {"watts_per_gpu": 1.0, "watts_at_most": float(busy)}
    price = {"dollars_per_gpu_hour": 1.0}
    document = {
        "name": "rising",
        "pools": [{"name": "pool", "on_demand": price, **power, **pool}],
        "workloads": [{"name": f"w{w}"} | one for w, one in enumerate(workloads)],
        "robustness": {"workloads": 1, "rise": rise},
        "solver": {"relative_gap": 0.0},
    }
    plain = [(w, 0, "one", 1, 0, 1.0, *[NAN] * 4) for w in range(len(workloads))]
    return Fleet.model_validate(document), fleet_plans.offers_of(rows or plain)


def by_rate(*rates):
    return [{"requests_per_second": rate, "max_deployments": "any"} for rate in rates]


def put(plan, table, column, place, value):
    """Return the plan with one number of a table changed."""
    rows = getattr(plan, table)
    changed = getattr(rows, column).copy()
    changed[place] = value
    return replace(plan, **{table: replace(rows, **{column: changed})})


def told(findings):
    return {finding.column for finding in findings}


def test_extra_replicas_worked_out_by_hand():
    fleet, offers = rising_fleet(*by_rate(2.0, 4.0, 6.0), busy=12)
    plan = solve_fleet(fleet, offers)
    # 12 run; they need 1, 2 and 3 more, one of them at a time.
    assert plan.replicas.replicas.tolist() == [2, 4, 6]
    assert plan.replicas.extra.tolist() == [1, 2, 3]
    assert plan.purchases.gpus.tolist() == [15.0]
    table = plan.table()
    assert table[EXTRA].tolist() == [1, 2, 3]
    assert tuple(table.columns) == (*COLUMNS, EXTRA, SPLIT)


def test_replicas_that_are_not_needed_are_not_added():
    """In nodes of 8 there is room for more, which nobody needs."""
    for rates in ((2.0, 4.0), (3.0,), (1.0, 1.0, 1.0)):
        fleet, offers = rising_fleet(*by_rate(*rates), busy=sum(rates), gpus_per_node=8)
        plan = solve_fleet(fleet, offers)
        assert plan.replicas.extra.tolist() == [int(np.ceil(rate / 2)) for rate in rates]


def test_a_deployment_may_be_there_for_a_rise_alone(tmp_path):
    """2 run on two accelerators; half a request more needs only a small replica."""
    rows = [(0, 0, "large", 2, 0, 2.0, *[NAN] * 4), (0, 0, "small", 1, 0, 0.6, *[NAN] * 4)]
    fleet, offers = rising_fleet(*by_rate(2.0), busy=2, rows=rows, rise=0.25)
    plan = solve_fleet(fleet, offers)
    assert plan.replicas.replicas.tolist() == [1, 0]
    assert plan.replicas.extra.tolist() == [0, 1]
    assert plan.replicas.gpus.tolist() == [2, 0]
    assert plan.purchases.gpus.tolist() == [3.0]
    plan.write(tmp_path)
    assert check_fleet_plan(read_fleet_plan(tmp_path), fleet, offers) == []
    console = Console(file=io.StringIO(), width=100)
    show_fleet_plan(plan, console)
    (line,) = [line for line in console.file.getvalue().splitlines() if " small " in line]
    assert line.split()[1:-1] == ["w0", "small", "pool", "0", "1", "0"]


def classy_fleet():
    """2 short and 2 long requests a second, on deployments that serve 1 or 2 of either."""
    classes = [{"name": "short", "share": 0.5}, {"name": "long", "share": 0.5}]
    rows = [(0, 0, f"d{k}", 1, 0, [2.0 - k, 1.0 + k], *[NAN] * 4) for k in (0, 1)]
    workload = {"requests_per_second": 4.0, "classes": classes, "max_deployments": "any"}
    return rising_fleet(workload, busy=2, rows=rows, rise=0.25)


def test_classes_that_rise_are_split_anew(tmp_path):
    fleet, offers = classy_fleet()
    plan = solve_fleet(fleet, offers)
    # One of each; of 2.5 requests of each class a third one takes a half of each.
    assert plan.purchases.gpus.tolist() == [3.0]
    assert plan.replicas.served_when_risen.sum(axis=0) == pytest.approx([2.5, 2.5])
    plan.write(tmp_path)
    again = read_fleet_plan(tmp_path)
    assert again.replicas.served_when_risen == pytest.approx(plan.replicas.served_when_risen)
    assert check_fleet_plan(again, fleet, offers) == []
    busiest = plan.replicas.served_when_risen[:, 0].argmax()
    for value, column in ((0.0, "capacity"), (-1.0, SPLIT), (9.0, SPLIT)):
        edited = put(plan, "replicas", SPLIT, (busiest, 0), value)
        assert column in told(check_fleet_plan(edited, fleet, offers))
    edited = put(plan, "replicas", "extra", plan.replicas.extra.argmax(), 0)
    assert told(check_fleet_plan(edited, fleet, offers)) == {SPLIT}


@pytest.mark.parametrize("seed", SEEDS)
def test_random_plans_that_are_ready_hold(seed, tmp_path):
    _, fleet, offers, plan = solved(seed)
    if plan is not None:
        assert check_fleet_plan(plan, fleet, offers) == []
        plan.write(tmp_path)
        assert check_fleet_plan(read_fleet_plan(tmp_path), fleet, offers) == []


def test_the_random_fleets_need_extra_replicas():
    plans = [plan for plan in (solved(seed)[-1] for seed in SEEDS) if plan is not None]
    assert len(plans) > 80
    assert sum(bool(plan.replicas.extra.any()) for plan in plans) > 20
    assert sum(plan.replicas.served_when_risen is not None for plan in plans) > 15


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_can_be_left_out_of_a_cheapest_plan(seed):
    """Every increment is needed, and every extra replica where requests are alike."""
    data, fleet, offers, plan = solved(seed, NO_CLASSES)
    if plan is None:
        return
    for row, gpus in enumerate(plan.purchases.gpus):
        fewer = gpus - data.pool_supply.increment[plan.purchases.pool[row]]
        edited = put(plan, "purchases", "gpus", row, fewer)
        suspects = {
            name for name in told(check_fleet_plan(edited, fleet, offers)) if " of " in name
        }
        assert suspects & {
            f"gpus of {capacity_type} replicas in a rise" for capacity_type in ("steady", "spot")
        }
    for row in np.flatnonzero(plan.replicas.extra):
        edited = put(plan, "replicas", "extra", row, plan.replicas.extra[row] - 1)
        assert "capacity" in told(check_fleet_plan(edited, fleet, offers))


def covers(data, plan):
    """Whether every workload, all its replicas taken together, serves its risen demand."""
    both = np.zeros((len(data.choices), len(data.horizon)), dtype=np.int64)
    rows = plan.replicas
    choice = [int(rows.labels[label][1:]) for label in rows.label]
    both[choice, rows.period] = rows.replicas + rows.extra
    risen = data.wanted.demand * (1 + data.limits.rise)
    return all(
        fleets_by_hand.serves(data, w, mine, both[mine, t]) + plan.service.shed[w, t]
        >= risen[w, t] * (1 - 1e-9)
        for w, t in np.ndindex(risen.shape)
        for mine in [np.flatnonzero(data.choices.workload == w)]
    )


def suffices(data, plan):
    """Whether what is bought is enough, set by set of workloads that rise."""
    rows, bought = plan.replicas, plan.purchases
    each = data.choices.gpus[[int(rows.labels[label][1:]) for label in rows.label]]
    sets = itertools.combinations(range(len(plan.workloads)), data.limits.rising)
    sets = list(sets) or [range(len(plan.workloads))]
    for spot, pool, period, rising in itertools.product(
        (False, True), range(len(plan.pools)), range(len(plan.periods)), sets
    ):
        mine = (rows.spot == spot) & (rows.pool == pool) & (rows.period == period)
        mine &= ~rows.has_own_price
        count = rows.replicas + np.where(np.isin(rows.workload, rising), rows.extra, 0)
        here = (bought.pool == pool) & ((bought.market == 2) == spot)
        here &= (bought.period < 0) | (bought.period == period)
        if (each * count)[mine].sum() > bought.gpus[here].sum() + 1e-9:
            return False
    return True


@pytest.mark.parametrize("seed", SEEDS)
def test_edited_plans_are_judged_as_by_hand(seed):
    data, fleet, offers, plan = solved(seed, NO_CLASSES)
    if plan is None or not len(plan.replicas):
        return
    rng = np.random.default_rng(seed)
    own = plan.replicas.has_own_price
    for _ in range(6):
        extra = plan.replicas.extra + rng.integers(-1, 2, len(own))
        edited = replace(
            plan, replicas=replace(plan.replicas, extra=np.where(own, 0, extra.clip(0)))
        )
        if len(plan.purchases):
            row = rng.integers(len(plan.purchases))
            step = data.pool_supply.increment[plan.purchases.pool[row]] * rng.integers(-1, 3)
            gpus = max(plan.purchases.gpus[row] + step, 0.0)
            edited = put(edited, "purchases", "gpus", row, gpus)
        findings = check_fleet_plan(edited, fleet, offers)
        short = any("when it rises" in str(one.found) for one in findings)
        scarce = any(one.column.endswith("in a rise") for one in findings)
        assert short == (not covers(data, edited))
        assert scarce == (not suffices(data, edited))


def test_extra_replicas_that_cannot_be_are_found():
    own = [(0, 0, "own", 2, 0, 2.0, NAN, NAN, 1.5, NAN), (0, 0, "one", 1, 0, 1.0, *[NAN] * 4)]
    fleet, offers = rising_fleet(*by_rate(2.0), busy=2, rows=own)
    plan = solve_fleet(fleet, offers)
    assert plan.replicas.extra.tolist() == [0, 1]
    assert told(check_fleet_plan(put(plan, "replicas", "extra", 0, 1), fleet, offers)) == {EXTRA}
    edited = put(plan, "replicas", "extra", 0, -1)
    assert told(check_fleet_plan(edited, fleet, offers)) == {EXTRA, "capacity"}
    edited = put(plan, "replicas", "extra", 1, 0)
    assert told(check_fleet_plan(edited, fleet, offers)) == {"capacity", "replicas"}
    calm = fleet.model_copy(update={"robustness": None})
    findings = check_fleet_plan(replace(plan, fleet_digest=calm.digest), calm, offers)
    assert told(findings) == {EXTRA}


def test_nodes_hold_the_replicas_of_whichever_workloads_rise():
    """One of 15, four of 6 and one of 10 fit into two nodes of 30; another of 10 does not."""
    rows = [(w, 0, "one", gpus, 0, 1.0, *[NAN] * 4) for w, gpus in enumerate((15, 6, 10))]
    size = {"gpus_per_node": 30}
    fleet, offers = rising_fleet(*by_rate(0.9, 3.5, 1.0), busy=49, rows=rows, rise=0.1, **size)
    with pytest.raises(CheckError, match="found 3 nodes full of steady replicas"):
        solve_fleet(fleet, offers)
    fleet, offers = rising_fleet(*by_rate(0.9, 3.5, 0.9), busy=49, rows=rows, rise=0.1, **size)
    assert solve_fleet(fleet, offers).purchases.nodes.tolist() == [2.0]


def test_a_plan_without_its_extra_replicas_is_not_ready(tmp_path):
    fleet, offers = rising_fleet(*by_rate(2.0, 4.0), busy=6)
    plan = solve_fleet(fleet, offers)
    plan.write(tmp_path)
    table = pd.read_csv(tmp_path / PLAN_FILE)
    table.drop(columns=[EXTRA, SPLIT]).to_csv(tmp_path / PLAN_FILE, index=False)
    again = read_fleet_plan(tmp_path)
    assert again.replicas.extra is None
    assert told(check_fleet_plan(again, fleet, offers)) == {EXTRA}
    table.assign(**{EXTRA: 0.5}).to_csv(tmp_path / PLAN_FILE, index=False)
    with pytest.raises(InputError, match=f"{EXTRA} that is not whole"):
        read_fleet_plan(tmp_path)


def test_classes_are_those_of_both_splits(tmp_path):
    fleet, offers = classy_fleet()
    solve_fleet(fleet, offers).write(tmp_path)
    path = tmp_path / PLAN_FILE
    table = pd.read_csv(path)
    table.drop(columns=[SPLIT]).to_csv(path, index=False)
    with pytest.raises(InputError, match=SPLIT):
        read_fleet_plan(tmp_path)
    table[SPLIT] = table[SPLIT].str.replace("short", "wide")
    table.to_csv(path, index=False)
    with pytest.raises(InputError, match="other classes than `served`"):
        read_fleet_plan(tmp_path)


def test_fleets_without_rises_have_no_column_for_them(tmp_path):
    _, _, plan = fleet_plans.shop()
    plan.write(tmp_path)
    header = (tmp_path / PLAN_FILE).read_text().splitlines()[0].split(",")
    assert EXTRA not in header and SPLIT not in header
    fleet, offers = rising_fleet(*by_rate(2.0), busy=2, gpus=2)
    plan = solve_fleet(fleet, offers)
    assert plan.status == "infeasible"
    plan.write(tmp_path)
    assert check_fleet_plan(read_fleet_plan(tmp_path), fleet, offers) == []
