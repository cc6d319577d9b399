"""What-if answers against cold solves: `pytest benchmarks/test_what_if.py --benchmark-only`.

Each instance is answered by a whole process, by `planner.solve`, and by a session under another
price, demand or target each time. The last test writes the ratios, and what is left in a re-solve.
"""

import cProfile
import itertools
import pstats
import statistics
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

import planner
from planner.io.output import write_text
from planner.io.overrides import changed

ROOT = Path(__file__).parent.parent
NAMES = ("llama-70b-chat", "qwen3-235b-vllm", "deepseek-v3")
MILLION = {
    "name": "deepseek-v3-a-million",
    "workload.drafts": [{"transformer": "mtp", "acceptance": 0.8}],
    "search.gamma": [0, 1, 2],
    "search.batch": {"from": 16, "to": 160},
}
"""What makes of the DeepSeek-V3 instance one of about a million deployments."""
LEAST_RATIO = 20.0
"""By which a re-solve must be faster than a cold solve, as a process."""
STAGES = {
    "survey": "choose among what was evaluated",
    "build": "write the model down (Pyomo)",
    "solve_in_turn": "hand it to HiGHS and solve it",
    "check_plan": "check the plan",
    "changed": "change the instance",
    "ask": "look names up",
}


@cache
def instance(name):
    if name != "deepseek-v3":
        return planner.read_instance(ROOT / "instances" / name / "instance.yaml")
    whole = planner.read_instance(ROOT / "instances" / "deepseek-v3-speculative" / "instance.yaml")
    fields = {path: value for path, value in MILLION.items() if path != "name"}
    return changed(whole, fields).model_copy(update={"name": MILLION["name"]})


@cache
def session(name):
    """A session that has answered its instance once."""
    found = planner.session(instance(name))
    assert found.solve().found
    return found


def changes(name):
    """Endless other prices, demands and targets."""
    workload = instance(name).workload
    speed, demand = workload.tokens_per_second_per_request, workload.tokens_per_second
    for number in itertools.count(1):
        factor = 1.0 + (number % 40) / 400.0
        yield {"pools[0].dollars_per_gpu_hour": 2.0 * factor}
        yield {"workload.tokens_per_second": demand * factor}
        yield {"workload.tokens_per_second_per_request": speed * factor}


@pytest.mark.parametrize("name", NAMES)
def test_what_if(benchmark, name) -> None:
    held, asked = session(name), changes(name)
    plan = benchmark.pedantic(lambda: held.solve(next(asked)), rounds=60, warmup_rounds=6)
    assert plan.found


@pytest.mark.parametrize("name", NAMES)
def test_cold_solve(benchmark, name) -> None:
    plan = benchmark.pedantic(planner.solve, (instance(name),), rounds=7, warmup_rounds=1)
    benchmark.extra_info["deployments"] = plan.candidates


@pytest.mark.parametrize("name", NAMES)
def test_cold_process(benchmark, name, tmp_path) -> None:
    benchmark.pedantic(whole_process, (name, tmp_path), rounds=5, warmup_rounds=1)


def whole_process(name, folder) -> None:
    path = folder / "instance.json"
    if not path.exists():
        content = instance(name).model_dump_json(by_alias=True, exclude_unset=True)
        write_text(path, content)
    command = [sys.executable, "-m", "planner.cli", "solve", str(path), "--quiet"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)


def median_seconds(call, rounds):
    """Median of several calls, alternating nothing else with them."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@pytest.mark.parametrize("name", NAMES)
def test_ratios(benchmark, name, tmp_path) -> None:
    """Re-solves, cold solves and whole processes measured side by side."""
    held, asked = session(name), changes(name)
    whole_process(name, tmp_path)
    planner.solve(instance(name))

    def measured():
        again = median_seconds(lambda: held.solve(next(asked)), 60)
        cold = median_seconds(lambda: planner.solve(instance(name)), 7)
        process = median_seconds(lambda: whole_process(name, tmp_path), 5)
        return again, cold, process

    again, cold, process = benchmark.pedantic(measured, rounds=1)
    profile = profiled(lambda: held.solve(next(asked)), 60)
    benchmark.extra_info |= {"process_ratio": process / again, "solve_ratio": cold / again}
    print(
        f"\n{name}: {planner.solve(instance(name)).candidates:,} deployments; "
        f"re-solve {1e3 * again:.1f} ms, planner.solve {1e3 * cold:.0f} ms "
        f"({cold / again:.1f} times), process {1e3 * process:.0f} ms ({process / again:.0f} times)"
    )
    print("; ".join(f"{what} {share:.0%}" for what, share in profile.items()))
    assert process / again >= LEAST_RATIO


def profiled(call, rounds):
    """Share of each stage in the time of a call, as a profiler sees it."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(rounds):
        call()
    profiler.disable()
    stats = pstats.Stats(profiler).stats
    whole = sum(entry[2] for entry in stats.values())
    taken = dict.fromkeys(STAGES, 0.0)
    for (file, _, name), entry in stats.items():
        if name in STAGES and ("planner" in file or "solvers" in file):
            taken[name] = max(taken[name], entry[3])
    return {STAGES[stage]: seconds / whole for stage, seconds in taken.items()}
