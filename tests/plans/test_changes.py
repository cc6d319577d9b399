"""How much of what runs changes: F and G against every number of replicas, the checker, messages.

The brute force knows prices, rates and labels alone: no bounds, no layouts of the program.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

import planner
from planner.candidates.fleet.gather import offers as offers_of
from planner.errors import InputError
from planner.io.fleet.fleet_file import read_fleet
from planner.problem.fleet import Fleet
from planner.verification.fleet.check_fleet_plan import check_fleet_plan

DEPLOYMENTS = (
    # pool, label, accelerators, requests/s
    ("a", "tp1 fp8 b8", 1, 1.0),
    ("a", "tp1 fp8 b32", 1, 1.7),
    ("a", "tp2 fp8 b16", 2, 3.9),
    ("b", "tp1 fp8 b8", 1, 2.3),
)
PRICE = {"a": 1.0, "b": 1.45}
MOST = 5


def drawn(seed: int, folder: Path, **more: object) -> Fleet:
    """One workload in one or two periods, with replicas that run already."""
    rng = random.Random(seed)
    rows = rng.sample(DEPLOYMENTS, 3)
    lines = [",".join(map(str, row)) for row in rows]
    header = "pool,label,gpus,requests_per_second"
    (folder / "measured.csv").write_text("\n".join([header, *lines]), encoding="utf-8")
    running = [
        {"workload": "x", "pool": pool, "label": label, "replicas": replicas}
        for pool, label, _, _ in rows
        if (replicas := rng.randint(0, 3))
    ]
    periods = rng.choice((1, 2))
    demand = [round(rng.uniform(1, 5), 2) for _ in range(periods)]
    if rng.random() < 0.6:  # Otherwise what runs seldom holds.
        pool, label, _, rate = rng.choice(rows)
        enough = min(math.ceil(demand[0] / rate) + rng.randint(0, 1), MOST)
        running = [{"workload": "x", "pool": pool, "label": label, "replicas": enough}]
    if rng.random() < 0.3:  # Of labels that are not on offer any more.
        label = rng.choice(("tp1 fp8 b64", "gone"))
        running.append({"workload": "x", "pool": "a", "label": label, "replicas": 2})
    return Fleet.model_validate(
        {
            "name": "drawn",
            "periods": [{"name": f"t{t}", "hours": 1 + t} for t in range(periods)],
            "pools": [
                {"name": name, "gpus": 9, "on_demand": {"dollars_per_gpu_hour": price}}
                for name, price in PRICE.items()
            ],
            "workloads": [
                {
                    "name": "x",
                    "requests_per_second": demand,
                    "max_deployments": rng.choice((1, "any")),
                    "startup_dollars": rng.choice((0.0, 0.6)),
                    "deployments": [str(folder / "measured.csv")],
                }
            ],
            "running": running,
            "solver": {"relative_gap": 0.0},
            **more,
        }
    )


def best_by_hand(fleet: Fleet, *, at_most: float = math.inf, kept: bool = False) -> float:
    """Dollars per hour of the cheapest plan; infinite where there is none."""
    (workload,) = fleet.workloads
    rows = list(dict.fromkeys((o[0], o[1]) for o in DEPLOYMENTS if stated(fleet, o)))
    facts = {(pool, label): (gpus, rate) for pool, label, gpus, rate in DEPLOYMENTS}
    ran = [sum(r.replicas for r in fleet.running if (r.pool, r.label) == row) for row in rows]
    layouts = [(pool, label.rsplit(" b", 1)[0]) for pool, label in rows]
    plans = [
        counts
        for counts in itertools.product(range(MOST + 1), repeat=len(rows))
        if all(gpus_in(pool, rows, counts, facts) <= 9 for pool in PRICE)
    ]

    def serves(counts, demand: float) -> bool:
        enough = sum(n * facts[row][1] for n, row in zip(counts, rows, strict=True))
        few = workload.max_deployments == "any" or sum(n > 0 for n in counts) <= 1
        return enough >= demand * (1 - 1e-9) and few

    ended = {
        (r.pool, r.label.rsplit(" b", 1)[0]): r.replicas
        for r in fleet.running
        if (r.pool, r.label) not in rows
    }
    if kept and ended:
        return math.inf

    def by_layout(values) -> dict:
        found = dict.fromkeys([*layouts, *ended], 0)
        for layout, value in zip(layouts, values, strict=True):
            found[layout] += value
        return found

    def starting(before, now, t: int) -> float:
        more = by_layout([n - b for n, b in zip(now, before, strict=True)])
        for layout, replicas in ended.items() if t == 0 else ():
            more[layout] -= replicas
        return workload.startup_dollars * sum(max(value, 0) for value in more.values())

    def changes(now) -> int:
        up = by_layout([max(n - r, 0) for n, r in zip(now, ran, strict=True)])
        down = by_layout([max(r - n, 0) for n, r in zip(now, ran, strict=True)])
        for layout, replicas in ended.items():
            down[layout] += replicas
        return sum(max(up[layout], down[layout]) for layout in up)

    def hourly(counts) -> float:
        pairs = zip(counts, rows, strict=True)
        return sum(n * facts[row][0] * PRICE[row[0]] for n, row in pairs)

    demand = workload.requests_per_second
    best = {tuple(ran): 0.0}
    for t, period in enumerate(fleet.periods):
        following: dict[tuple, float] = {}
        for now in plans:
            if not serves(now, demand[t]):
                continue
            if t == 0 and (changes(now) > at_most or (kept and list(now) != ran)):
                continue
            cost = min(paid + starting(before, now, t) for before, paid in best.items())
            following[now] = cost + hourly(now) * period.hours
        if not following:
            return math.inf
        best = following
    hours = sum(period.hours for period in fleet.periods)
    return min(best.values()) / hours


def stated(fleet: Fleet, deployment: tuple) -> bool:
    text = Path(fleet.workloads[0].deployments[0]).read_text(encoding="utf-8")
    return ",".join(map(str, deployment)) in text.splitlines()


def gpus_in(pool: str, rows, counts, facts) -> int:
    return sum(n * facts[row][0] for n, row in zip(counts, rows, strict=True) if row[0] == pool)


def by(fleet: Fleet, method: str) -> planner.FleetPlan:
    solver = fleet.solver.model_copy(update={"method": method})
    return planner.solve(fleet.model_copy(update={"solver": solver}))


@pytest.mark.parametrize("seed", range(60))
def test_no_plan_with_so_few_changes_is_cheaper(seed, tmp_path):
    most = seed % 6
    fleet = drawn(seed, tmp_path, changes={"at_most": most})
    plan, right = planner.solve(fleet), best_by_hand(fleet, at_most=most)
    if math.isinf(right):
        assert plan.status == "infeasible"
        unlimited = best_by_hand(fleet)
        if math.isfinite(unlimited):
            needed = next(n for n in range(20) if math.isfinite(best_by_hand(fleet, at_most=n)))
            assert f"with {needed} replicas started, stopped or changed" in plan.message
    else:
        assert plan.dollars_per_hour == pytest.approx(right)


@pytest.mark.parametrize("method", ["milp", "decomposition"])
@pytest.mark.parametrize("seed", range(40))
def test_what_saves_too_little_is_not_changed(seed, method, tmp_path):
    least = ("1%", "15%", "40%", "0.5 $/h")[seed % 4]
    fleet = drawn(seed, tmp_path, changes={"minimum_saving": least})
    plan = by(fleet, method)
    kept, changed = best_by_hand(fleet, kept=True), best_by_hand(fleet)
    if math.isinf(changed):
        assert plan.status == "infeasible"
        return
    said = plan.comparison
    assert said is not None
    if math.isinf(kept):
        assert math.isnan(said.dollars_per_hour_if_kept)
        assert not said.kept
        assert plan.message.startswith("What runs is changed: as it is, it does not meet")
    else:
        assert said.dollars_per_hour_if_kept == pytest.approx(kept)
        needed = 0.5 if "$" in least else float(least.strip("%")) / 100 * kept
        saved = kept - said.dollars_per_hour_if_changed
        assert said.kept == (saved < needed)
    if plan.status == "optimal" and not said.kept:
        assert plan.dollars_per_hour == pytest.approx(changed)
    elif not said.kept:  # G does not always prove plans with starts.
        assert method == "decomposition"
        assert plan.bound <= changed * sum(period.hours for period in fleet.periods) * (1 + 1e-9)


def test_both_kinds_of_answers_are_met(tmp_path):
    """The tests above see plans that keep what runs, and plans that change it."""
    answers = {
        planner.solve(drawn(seed, tmp_path, changes={"minimum_saving": "15%"})).comparison.kept
        for seed in range(1, 12)
    }
    assert answers == {True, False}


FILE = """\
name: next-hour
workload:
  name: chat
  deployments: measured.csv
  requests_per_second: 6
  startup_dollars: 1
pools: {name: h100, dollars_per_gpu_hour: 2}
running: [{workload: chat, pool: h100, label: tp2 fp8 b8, replicas: 4}]
changes: CHANGES
"""
MEASURED = (
    "pool,label,gpus,requests_per_second\nh100,tp2 fp8 b8,2,2\nh100,tp2 fp8 b32,2,3\nh100,tp4,4,7\n"
)


def asked(folder: Path, changes: str, text: str = FILE) -> Fleet:
    (folder / "measured.csv").write_text(MEASURED, encoding="utf-8")
    (folder / "instance.yaml").write_text(text.replace("CHANGES", changes), encoding="utf-8")
    return read_fleet(folder)


@pytest.mark.parametrize(
    ("changes", "runs", "words"),
    [
        # Four replicas of batch 8 cost $16/h; two of batch 32 suffice, at $8/h and no start.
        ("{}", {"tp2 fp8 b32": 2}, ""),
        (
            "{minimum_saving: 3%}",
            {"tp2 fp8 b32": 2},
            "What runs is changed: that saves $8.00/h (50.0%) against keeping it; "
            "the least saving for a change is 3%.",
        ),
        (
            "{minimum_saving: 60 %}",
            {"tp2 fp8 b8": 4},
            "What runs is kept: changing it would save $8.00/h (50.0%); "
            "the least saving for a change is 60%.",
        ),
        (
            "{minimum_saving: 216 $/day}",
            {"tp2 fp8 b8": 4},
            "What runs is kept: changing it would save $8.00/h (50.0%); "
            "the least saving for a change is $9.00/h.",
        ),
        # One kind alone: three of batch 8 take one change, two of batch 32 four.
        ("{at_most: 3}", {"tp2 fp8 b8": 3}, ""),
        ("{at_most: 4}", {"tp2 fp8 b32": 2}, ""),
        ("{at_most: 0}", {"tp2 fp8 b8": 4}, ""),
    ],
)
def test_of_one_workload(tmp_path, changes, runs, words):
    plan = planner.solve(asked(tmp_path, changes))
    rows = plan.table()
    assert dict(zip(rows["label"], rows["replicas"], strict=True)) == runs
    assert not rows["starts"].any()
    assert plan.message == words


def test_only_the_first_period_is_kept(tmp_path):
    more = FILE.replace("6\n", "[7, 14]\n") + "periods: [{name: now}, {name: next}]\n"
    plan = planner.solve(asked(tmp_path, "{minimum_saving: 70%}", more))
    rows = plan.table()
    now = rows[rows["period"] == "now"]
    assert dict(zip(now["label"], now["replicas"], strict=True)) == {"tp2 fp8 b8": 4}
    assert plan.comparison.kept
    assert rows[rows["period"] == "next"]["requests_per_second"].sum() >= 14


def test_a_plan_that_changes_too_much_does_not_hold(tmp_path):
    free = asked(tmp_path, "{}")
    plan, offers = planner.solve(free), offers_of(free)
    assert not check_fleet_plan(plan, free, offers)
    for most in range(6):
        strict = free.model_copy(
            update={"changes": free.changes.model_copy(update={"at_most": most})}
        )
        found = {finding.column for finding in check_fleet_plan(plan, strict, offers)}
        assert ("changes" in found) is (most < 4)


def test_what_is_said_of_what_runs_is_checked(tmp_path):
    fleet = asked(tmp_path, "{minimum_saving: 60%}")
    plan, offers = planner.solve(fleet), offers_of(fleet)
    assert not check_fleet_plan(plan, fleet, offers)
    said = plan.comparison
    wrong = (
        None,
        replace(said, kept=False),
        replace(said, dollars_per_hour_if_kept=15.0),
        replace(said, dollars_per_hour_if_changed=1.0),
    )
    for comparison in wrong:
        found = check_fleet_plan(replace(plan, comparison=comparison), fleet, offers)
        assert {finding.column for finding in found} == {"what_runs"}
    other = planner.solve(fleet.model_copy(update={"changes": None}))
    claimed = replace(
        other, fleet_digest=fleet.digest, comparison=replace(said, dollars_per_hour_if_kept=8.0)
    )
    texts = [str(finding) for finding in check_fleet_plan(claimed, fleet, offers)]
    assert any("other replicas" in text for text in texts)


def test_a_start_that_only_changes_the_batch_is_no_start(tmp_path):
    fleet = asked(tmp_path, "{}")
    plan = planner.solve(fleet)
    rows = replace(plan.replicas, starts=plan.replicas.starts + 1)
    found = check_fleet_plan(replace(plan, replicas=rows), fleet, offers_of(fleet))
    assert "starts" in {finding.column for finding in found}


def test_a_written_plan_says_what_was_compared(tmp_path):
    fleet = asked(tmp_path, "{minimum_saving: 60%}")
    plan = planner.solve(fleet)
    plan.write(tmp_path / "plan")
    again = planner.read_fleet_plan(tmp_path / "plan")
    assert again.comparison == plan.comparison
    assert not check_fleet_plan(again, fleet, offers_of(fleet))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            "{minimum_saving: 3}",
            "instance.yaml:9: changes.minimum_saving: found 3, expected a part of the cost, such "
            "as 3%, or an amount with its unit, such as 2 $/h.",
        ),
        ("{minimum_saving: 100%}", "found '100%', expected a part of the cost, such as 3%"),
        ("{minimum_saving: -2 $/h}", "found '-2 $/h', expected a part of the cost, such as 3%"),
        ("{at_most: -1}", "changes.at_most: found -1, expected"),
        ("{atmost: 1}", "at_most"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path, changes, told):
    with pytest.raises(InputError) as refused:
        asked(tmp_path, changes)
    assert told in str(refused.value)


def test_the_most_traffic_has_no_least_saving(tmp_path):
    text = FILE + "objective: requests_per_second\n"
    text = text.replace("dollars_per_gpu_hour: 2}", "gpus: 8, dollars_per_gpu_hour: 2}")
    with pytest.raises(InputError) as refused:
        asked(tmp_path, "{minimum_saving: 3%}", text)
    assert "changes.minimum_saving: found one, expected no least saving" in str(refused.value)
    for most, traffic in ((0, 8.0), (4, 12.0)):
        plan = planner.solve(asked(tmp_path, f"{{at_most: {most}}}", text))
        assert plan.traffic.requests_per_second == pytest.approx(traffic)


def test_changes_of_nothing_are_told(tmp_path):
    lines = [line for line in FILE.splitlines() if not line.startswith("running")]
    with pytest.raises(InputError) as refused:
        asked(tmp_path, "{at_most: 4}", "\n".join(lines))
    assert str(refused.value).endswith(
        "instance.yaml:8: changes: found `changes` alone, expected `running` beside it, against "
        "which changes are counted. Say what runs, such as `running: last/plan.csv`, or remove "
        "`changes`."
    )


def test_both_spellings_of_a_saving_are_one_question(tmp_path):
    digests = {asked(tmp_path, f"{{minimum_saving: {said}}}").digest for said in ("3%", "3.0 %")}
    assert len(digests) == 1
    assert len({asked(tmp_path, said).digest for said in ("{minimum_saving: 0}", "{}")}) == 1
