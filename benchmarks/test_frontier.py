"""Speed of frontiers: `pytest benchmarks/test_frontier.py --benchmark-only`.

Figures of docs/frontier.md come from this command; nothing here is run by the tests. The paper's
notebook is timed on this machine by `python benchmarks/peers.py --notebook PATH`.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import planner
from planner.analysis.frontier import frontier
from planner.candidates.table import count
from planner.problem.resolve import resolve

ROOT = Path(__file__).parent.parent
DEEPSEEK = ROOT / "instances" / "deepseek-v3-speculative" / "instance.yaml"
MILLION = 1_000_000


def narrowed(drafted: bool):
    """DeepSeek-V3 on one accelerator with its own draft, or on all five without drafts."""
    instance = planner.read_instance(DEEPSEEK)
    if drafted:
        workload = instance.workload.model_copy(update={"drafts": instance.workload.drafts[:1]})
        batch = instance.search.batch.model_copy(update={"last": 256})
        search = instance.search.model_copy(update={"batch": batch})
        changes = {"workload": workload, "search": search, "pools": instance.pools[:1]}
    else:
        workload = instance.workload.model_copy(update={"drafts": ()})
        batch = instance.search.batch.model_copy(update={"last": 520})
        search = instance.search.model_copy(update={"batch": batch})
        changes = {"workload": workload, "search": search}
    return instance.model_copy(update=changes)


@pytest.mark.parametrize("drafted", [True, False], ids=["own draft", "no draft"])
def test_frontier_of_a_million_deployments(benchmark, drafted) -> None:
    instance = narrowed(drafted)
    assert count(resolve(instance)) >= MILLION
    found = benchmark(frontier, instance)
    before = time.process_time()
    frontier(instance)
    seconds = time.process_time() - before
    benchmark.extra_info["deployments"] = found.evaluated
    benchmark.extra_info["points"] = len(found.points)
    benchmark.extra_info["deployments_per_cpu_second"] = round(found.evaluated / seconds)
    assert benchmark.stats["median"] < 2.0


def test_frontier_of_all_deployments(benchmark) -> None:
    """All five accelerators and four drafts, 14 million deployments."""
    instance = planner.read_instance(DEEPSEEK)
    before = time.process_time()
    found = benchmark.pedantic(frontier, (instance,), rounds=1)
    seconds = time.process_time() - before
    benchmark.extra_info["deployments"] = found.evaluated
    benchmark.extra_info["points"] = len(found.points)
    benchmark.extra_info["deployments_per_cpu_second"] = round(found.evaluated / seconds)


@pytest.mark.parametrize("drafted", [True, False], ids=["own draft", "no draft"])
def test_whole_process(benchmark, tmp_path, drafted) -> None:
    """From the file to the CSV, the start of Python and imports included."""
    file = tmp_path / "instance.json"
    file.write_text(narrowed(drafted).model_dump_json(by_alias=True, exclude_unset=True))
    words = ["frontier", str(file), "--quiet", "--csv", str(tmp_path / "frontier.csv")]
    command = [sys.executable, "-m", "planner.cli", *words]
    benchmark.pedantic(subprocess.run, (command,), {"check": True}, rounds=5)
