"""Time and memory by stage and by size, as Markdown: `python benchmarks/performance.py [--quick]`.

docs/performance.md holds what it prints. Stages run in this process, after one run that is not
counted; whole processes are started anew each time. Figures are medians; memory is peak resident,
as Linux counts it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import many

import planner
from planner.api import solve
from planner.candidates.screening import screen
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import count
from planner.formulations import deployment
from planner.plans.plan import write_csv
from planner.problem.resolve import resolve
from planner.verification.check_plan import check_plan
from solvers import solve_in_turn

ROOT = Path(__file__).parent.parent
INSTANCES = {
    "one pool": {
        "name": "one-pool",
        "workload": {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 60},
        "pools": [{"accelerator": "h100-sxm"}],
    },
    "chat, two pools": ROOT / "instances/llama-70b-chat/instance.yaml",
    "every accelerator": ROOT / "instances/llama-70b-every-accelerator/instance.yaml",
    "mixture, drafts": ROOT / "instances/deepseek-v3-speculative/instance.yaml",
}
RUNS = 5
PROGRAM = (
    "import re, sys; from planner.cli import main\n"
    "try: main()\n"
    "finally:\n"
    "    status = open('/proc/self/status').read()\n"
    "    print(re.search('VmHWM: *([0-9]+)', status.replace('\\t', ' '))[1], file=sys.stderr)"
)
"""What getrusage tells of a child is at least what its parent had; Linux's own count is not."""


def median(act: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median of milliseconds, after one run that is not counted."""
    act()
    spent = []
    for _ in range(runs):
        started = time.perf_counter()
        act()
        spent.append(time.perf_counter() - started)
    return 1e3 * statistics.median(spent)


def files(folder: Path) -> dict[str, Path]:
    """Return every instance as a file."""
    found = {}
    for name, instance in INSTANCES.items():
        if isinstance(instance, dict):
            found[name] = folder / f"{instance['name']}.json"
            found[name].write_text(json.dumps(instance), encoding="utf-8")
        else:
            found[name] = instance
    return found


def stages(path: Path) -> Iterator[tuple[str, float]]:
    """Yield the milliseconds of each stage of one solve, and of a solve that evaluated before."""
    instance = planner.read_instance(path)
    resolved, shortlists = resolve(instance), ShortlistCache()
    found = screen(resolved, shortlists=shortlists)
    assert found.choices is not None
    choices = found.choices
    runs = 3 if count(resolved) > 2_000_000 else RUNS
    plan = solve(instance, shortlists=shortlists)

    def proved() -> None:
        model = deployment.build(resolved, choices)
        solve_in_turn(model, deployment.objectives(model)[:2])

    yield "deployments", count(resolved)
    yield "read", median(lambda: planner.read_instance(path))
    yield "evaluate and shortlist", median(lambda: screen(resolved), runs)
    yield "screen a shortlist", median(lambda: screen(resolved, shortlists=shortlists))
    yield "build", median(lambda: deployment.build(resolved, choices))
    yield "build and solve", median(proved)
    yield "check", median(lambda: check_plan(plan.to_row(), instance))
    yield "write", median(lambda: write_csv([plan]))
    yield "whole solve", median(lambda: solve(instance), runs)
    yield "solve again", median(lambda: solve(instance, shortlists=shortlists))


def process(arguments: list[str], runs: int) -> tuple[float, float]:
    """Return median seconds and MB of whole processes that run `planner`."""
    seconds, peaks = [], []
    for _ in range(runs):
        started = time.perf_counter()
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False
        )
        seconds.append(time.perf_counter() - started)
        if ran.returncode not in (0, 3):
            raise SystemExit(ran.stderr)
        peaks.append(int(ran.stderr.split()[-1]) / 1024)
    return statistics.median(seconds), statistics.median(peaks)


def table(rows: list[list[str]]) -> str:
    """Return rows, the first of which is the header, as Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]) + "\n"


def by_stage(paths: dict[str, Path]) -> str:
    """Return the table of stages, in milliseconds."""
    columns = {name: dict(stages(path)) for name, path in paths.items()}
    names = list(next(iter(columns.values())))
    rows = [["milliseconds", *columns]]
    for name in names:
        spec = ",.0f" if name == "deployments" else ".3g"
        shown = [
            f"{value:,.0f}" if value >= 100 else f"{value:{spec}}"
            for value in (column[name] for column in columns.values())
        ]
        rows.append([name, *shown])
    return table(rows)


def by_process(paths: dict[str, Path], folder: Path, runs: int) -> str:
    """Return the table of cold processes, from start to CSV."""
    csv = str(folder / "plan.csv")
    rows = [["`planner solve`, process start to CSV", "seconds", "MB"]]
    for name, path in paths.items():
        seconds, peak = process(["solve", str(path), "--csv", csv, "--quiet"], runs)
        rows.append([name, f"{seconds:.2f}", f"{peak:,.0f}"])
    seconds, peak = process(["--help"], runs)
    rows.append(["`planner --help`", f"{seconds:.2f}", f"{peak:,.0f}"])
    return table(rows)


def by_batch(folder: Path, runs: int, sizes: dict[str, list[int]]) -> str:
    """Return the table of batches; memory is the parent's alone."""
    rows = [["`planner batch`, whole process", "instances", "seconds", "instances/s", "parent MB"]]
    for kind, numbers in sizes.items():
        for number in numbers:
            lines = [json.dumps(content) + "\n" for content in many.KINDS[kind](number)]
            file = folder / f"{kind}-{number}.jsonl"
            file.write_text("".join(lines), encoding="utf-8")
            csv = str(folder / "plans.csv")
            seconds, peak = process(["batch", str(file), "--csv", csv, "--quiet"], runs)
            rate = f"{number / seconds:,.0f}"
            rows.append([kind, f"{number:,}", f"{seconds:.1f}", rate, f"{peak:,.0f}"])
    return table(rows)


def main() -> None:
    """Print every table."""
    quick = "--quick" in sys.argv
    runs = 1 if quick else 3
    sizes = {"mixed": [100], "alike": [100, 1000]} if quick else {}
    sizes = sizes or {"mixed": [100, 1000], "alike": [100, 1000, 10_000]}
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, Python {sys.version.split()[0]}, planner {planner.__version__}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = files(folder)
        print(by_stage(paths), by_process(paths, folder, 1 if quick else RUNS), sep="\n")
        print(by_batch(folder, runs, sizes))


if __name__ == "__main__":
    main()
