"""Fleets at scale beside plain HiGHS, as Markdown: `python benchmarks/fleets.py`.

docs/performance.md holds what it prints. Every figure is of a whole process that starts anew: it
reads the tables of a random fleet, plans and writes the plan's folder, as `planner solve` does.
Drawing the fleet is not counted. HiGHS gets the same fleet as one mixed-integer program, with its
own defaults, and time to stop at.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np

DOC = Path(__file__).parent.parent / "docs/performance.md"
FIRST, LAST = "<!-- begin: benchmarks/fleets.py -->", "<!-- end: benchmarks/fleets.py -->"
"""Lines of the document between which the tables stand."""
RESERVED, SPOT = 0.6, 0.45
"""Prices relative to those on demand."""
SPOT_SUPPLY = 0.2
"""Part of a pool that can be had as spot accelerators."""


@dataclass(frozen=True)
class Case:
    """A fleet and how well it is to be planned."""

    name: str
    workloads: int
    gap: float
    highs_seconds: float
    """0 where it is not asked: its program knows no starts."""
    periods: int = 1
    """With more than one, accelerators may be reserved, on demand or spot."""
    node: int = 1
    """Accelerators bought together."""
    interruptions: float = 0.0
    """Per hour, of a spot replica."""
    startup_seconds: float = 0.0
    most_seconds: float = 600.0
    """Time limit of the planner."""


CASES = (
    Case("100, proved", 100, 0.0, 60),
    Case("1,000", 1000, 1e-5, 60),
    Case("1,000, proved", 1000, 0.0, 120),
    Case("5,000", 5000, 1e-5, 120),
    Case("50,000", 50_000, 1e-4, 300),
    Case("300 x 24", 300, 1e-3, 120, periods=24),
    Case("1,000 x 24", 1000, 1e-3, 300, periods=24),
    Case("300 x 24, nodes of 8", 300, 3e-3, 300, periods=24, node=8),
    Case(
        "300 x 24, starts",
        workloads=300,
        gap=1e-2,
        highs_seconds=0,
        periods=24,
        interruptions=0.5,
        startup_seconds=360.0,
        most_seconds=150.0,
    ),
)
STAGES = {
    "read": ("read_fleet", "offers_of"),
    "model data": ("build_model_data", "feasible_offers", "unservable"),
    "solve": ("decide",),
    "answer, check": ("build_fleet_plan", "with_safe_bound", "check_fleet_plan"),
    "write": ("write",),
}
"""Columns of the table, and the functions whose time they hold."""


def store(case: Case, seed: int, folder: Path) -> int:
    """Write the tables of a fleet; return how many candidates it has."""
    import pandas as pd
    from fleet_generator import random_fleet

    fleet = random_fleet(case.workloads, case.periods, seed)
    names, periods = fleet.workloads["name"].to_numpy(), [str(at) for at in range(case.periods)]
    startup = case.startup_seconds
    fleet.workloads[["name"]].assign(startup_seconds=startup, max_deployments="any").to_csv(
        folder / "workloads.csv", index=False
    )
    _pools(case, fleet.pools).to_csv(folder / "pools.csv", index=False)
    demand = {
        "workload": np.repeat(names, case.periods),
        "period": np.tile(periods, len(names)),
        "requests_per_second": fleet.demand.ravel(),
    }
    pd.DataFrame(demand).to_csv(folder / "demand.csv", index=False)
    fleet.candidates.to_csv(folder / "candidates.csv", index=False)
    text = (
        f"name: random-{case.workloads}\nperiods: {case.periods}\nworkloads: workloads.csv\n"
        "pools: pools.csv\ndemand: demand.csv\ndeployments: candidates.csv\n"
        f"solver: {{relative_gap: {case.gap:f}, time_limit_seconds: {case.most_seconds}}}\n"
    )
    (folder / "instance.yaml").write_text(text, encoding="utf-8")
    return len(fleet.candidates)


def _pools(case: Case, pools: Any) -> Any:
    """Return the table of pools."""
    price = pools["dollars_per_gpu_hour"]
    table = pools[["name", "gpus"]].assign(**{"on_demand.dollars_per_gpu_hour": price})
    if case.node > 1:
        table["gpus_per_node"] = case.node
    if case.periods > 1:
        table["reserved.dollars_per_gpu_hour"] = (RESERVED * price).round(6)
        table["spot.dollars_per_gpu_hour"] = (SPOT * price).round(6)
        table["spot.gpus"] = (SPOT_SUPPLY * pools["gpus"]).astype(int)
        table["spot.interruptions_per_hour"] = case.interruptions
    return table


def plan(folder: Path) -> dict[str, Any]:
    """Plan a stored fleet; return what came out and the seconds of each stage."""
    from planner import api
    from planner.formulations import fleet_method
    from planner.io.fleet.fleet_file import read_fleet

    spent: dict[str, float] = {}

    def timed(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return act(*args, **options)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - started

        return run

    for module, name in product((api, fleet_method), chain(*STAGES.values())):
        if hasattr(module, name):
            setattr(module, name, timed(name, getattr(module, name)))
    fleet = timed("read_fleet", read_fleet)(folder)
    found = api.solve_fleet(fleet)
    target = folder / "plan"
    target.mkdir(exist_ok=True)
    timed("write", found.write)(target)
    stages = {stage: sum(spent.get(name, 0.0) for name in STAGES[stage]) for stage in STAGES}
    return {
        "status": found.status,
        "objective": found.objective,
        "bound": found.bound,
        "gap": found.gap,
        "method": found.method,
        "stages": stages,
    }


def measured(arguments: list[str], most_seconds: float) -> dict[str, Any]:
    """Run this file anew; return what it prints, with the seconds of the whole process."""
    started = time.perf_counter()
    command = [sys.executable, __file__, *arguments]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=most_seconds
        )
    except subprocess.TimeoutExpired:
        return {"status": f"stopped after {most_seconds:.0f} s"}
    seconds = time.perf_counter() - started
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return {**json.loads(ran.stdout), "seconds": seconds}


def peak_megabytes() -> float:
    """Return the most memory that this process had, as Linux counts it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(case: Case, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Draw a fleet, plan it some times, and give it to HiGHS once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        candidates = store(case, seed, folder)
        runs = [
            measured(["--plan", name], 2 * case.most_seconds + 600) for _ in range(options.runs)
        ]
        highs = None
        if options.highs and case.highs_seconds:
            seconds = options.highs_seconds or case.highs_seconds
            highs = measured(["--direct", name, str(seconds)], 3 * seconds + 600)
    middle = sorted(runs, key=lambda run: run.get("seconds", math.inf))[len(runs) // 2]
    middle |= {
        name: statistics.median(run[name] for run in runs)
        for name in ("seconds", "megabytes")
        if all(name in run for run in runs)
    }
    return {
        "case": case.name,
        "seed": seed,
        "candidates": candidates,
        "plan": middle,
        "highs": highs,
    }


def table(rows: list[list[str]]) -> str:
    """Return rows, the first of which is the header, as Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]) + "\n"


def by_case(found: list[dict[str, Any]]) -> str:
    """Return the table of what is planned, in what time, beside HiGHS."""
    several = len({one["seed"] for one in found}) > 1
    rows = [
        [
            *("fleet", *(["seed"] if several else []), "candidates", "gap asked", "gap proved"),
            *("seconds", "MB", "HiGHS: gap", "seconds", "its cost", "its bound"),
        ]
    ]
    cases = {case.name: case for case in CASES}
    for one in found:
        mine, highs = one["plan"], one["highs"] or {}
        cost = mine.get("objective", math.nan)
        rows.append(
            [
                one["case"],
                *([str(one["seed"])] if several else []),
                f"{one['candidates']:,}",
                _gap(cases[one["case"]].gap),
                _outcome(mine),
                f"{mine.get('seconds', math.nan):.1f}",
                f"{mine.get('megabytes', math.nan):,.0f}",
                _outcome(highs) if highs else "",
                f"{highs.get('solve', math.nan):.1f}" if highs else "",
                *(_beside(highs.get(name, math.inf), cost) for name in ("objective", "bound")),
            ]
        )
    return table(rows)


def _gap(gap: float) -> str:
    return "0" if gap == 0 else f"{gap:.0e}".replace("e-0", "e-")


def _beside(value: float, cost: float) -> str:
    """Return how far a value lies above the cost of our plan."""
    more = value / cost - 1
    return f"{more:+.2%}" if math.isfinite(more) else ""


def _outcome(run: dict[str, Any]) -> str:
    """Return the gap that was proved, or why there is none."""
    gap = run.get("gap", math.nan)
    if not math.isfinite(gap):
        return "no plan" if "gap" in run else run["status"]
    return "0" if gap <= 1e-9 else f"{gap:.1e}".replace("e-0", "e-")


def by_stage(found: list[dict[str, Any]]) -> str:
    """Return the table of stages, in seconds."""
    rows = [["seconds", "start", *STAGES]]
    for one in found:
        if stages := one["plan"].get("stages"):
            rest = one["plan"]["seconds"] - sum(stages.values())
            name = one["case"] if one["seed"] == 1 else f"{one['case']}, seed {one['seed']}"
            rows.append([name, f"{rest:.2f}", *(f"{stages[stage]:.2f}" for stage in STAGES)])
    return table(rows)


def shown(found: list[dict[str, Any]]) -> str:
    """Return both tables."""
    return f"{by_case(found)}\n{by_stage(found)}"


def write(text: str) -> None:
    """Put the tables into the document."""
    before, _, rest = DOC.read_text(encoding="utf-8").partition(FIRST)
    _, mark, after = rest.partition(LAST)
    if not mark:
        raise SystemExit(f"{DOC} has no lines {FIRST} and {LAST}")
    DOC.write_text(f"{before}{FIRST}\n{text}{LAST}{after}", encoding="utf-8")


def options() -> argparse.Namespace:
    """Return what is asked for."""
    names = [case.name for case in CASES]
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--only", action="append", metavar="NAME", help=f"one of {names}")
    asked.add_argument("--runs", type=int, default=1, help="runs of which the median counts")
    asked.add_argument("--seed", type=int, action="append", help="seed of the fleet; 1")
    asked.add_argument("--highs-seconds", type=float, help="time limit of HiGHS")
    asked.add_argument("--no-highs", dest="highs", action="store_false", help="leave HiGHS out")
    asked.add_argument(
        "--keep",
        type=Path,
        help="JSON file of measurements to add to; without HiGHS, what it did before stays",
    )
    asked.add_argument("--write", action="store_true", help=f"put the tables into {DOC.name}")
    asked.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    asked.add_argument("--direct", nargs=2, help=argparse.SUPPRESS)
    found = asked.parse_args()
    if unknown := set(found.only or ()).difference(names):
        asked.error(f"no fleet {sorted(unknown)}; there are {names}")
    return found


def chosen(asked: argparse.Namespace) -> Iterator[tuple[Case, int]]:
    """Yield the cases and seeds that are asked for."""
    for case in CASES:
        if not asked.only or case.name in asked.only:
            yield from ((case, seed) for seed in asked.seed or [1])


def main() -> None:
    """Print the tables, or be one of the processes that are measured."""
    asked = options()
    if asked.plan or asked.direct:
        from fleet_milp import direct

        result = plan(asked.plan) if asked.plan else direct(*asked.direct)
        print(json.dumps({**result, "megabytes": peak_megabytes()}))
        return
    found: dict[str, dict[str, Any]] = {}
    if asked.keep and asked.keep.is_file():
        found = json.loads(asked.keep.read_text(encoding="utf-8"))
    for case, seed in chosen(asked):
        one = measure(case, seed, asked)
        print(json.dumps(one), file=sys.stderr)
        key = f"{case.name}, {seed}"
        one["highs"] = one["highs"] or found.get(key, {}).get("highs")
        found[key] = one
        if asked.keep:
            asked.keep.write_text(json.dumps(found, indent=1), encoding="utf-8")
    cores = len(os.sched_getaffinity(0))
    place = {case.name: at for at, case in enumerate(CASES)}
    rows = sorted(found.values(), key=lambda one: (place[one["case"]], one["seed"]))
    text = f"{cores} cores, Python {sys.version.split()[0]}.\n\n{shown(rows)}"
    print(text)
    if asked.write:
        write(text)


if __name__ == "__main__":
    main()
