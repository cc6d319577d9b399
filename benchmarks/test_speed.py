"""Speed of the stages: `pytest benchmarks --benchmark-only`.

Figures in README.md and docs come from this command; nothing here is run by the tests.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import planner
from planner import catalogue
from planner.candidates.dominance import undominated
from planner.candidates.requirements import all_met, requirements
from planner.candidates.table import tabulate
from planner.formulations import deployment
from planner.problem.resolve import resolve
from planner.terms.calibration import rates
from planner.terms.forward import forward
from planner.terms.forward_pass import ForwardPass, Precision
from solvers import solve_in_turn

ROOT = Path(__file__).parent.parent
EVERY = ROOT / "instances" / "llama-70b-every-accelerator" / "instance.yaml"
CHAT = ROOT / "instances" / "llama-70b-chat" / "instance.yaml"
GIGABYTE = 1024**2
"""In the kilobytes that getrusage counts."""


@pytest.fixture(scope="module")
def every():
    return planner.read_instance(EVERY)


def test_read_an_instance(benchmark) -> None:
    benchmark(planner.read_instance, CHAT)


def test_tabulate_a_million_deployments(benchmark, every) -> None:
    table = benchmark(tabulate, resolve(every))
    benchmark.extra_info["deployments"] = len(table)
    assert len(table) > 1_000_000


def test_screen_a_million_deployments(benchmark, every) -> None:
    resolved = resolve(every)
    table = tabulate(resolved)

    def screen():
        possible = table.take(all_met(requirements(resolved, table)))
        return possible.take(undominated(resolved, possible))

    benchmark.extra_info["kept"] = len(benchmark(screen))


def test_formulate_and_solve(benchmark, every) -> None:
    resolved = resolve(every)
    table = tabulate(resolved)
    possible = table.take(all_met(requirements(resolved, table)))
    choices = possible.take(undominated(resolved, possible))

    def formulate_and_solve():
        model = deployment.build(resolved, choices)
        return solve_in_turn(model, deployment.objectives(model))

    assert benchmark(formulate_and_solve).has_solution


@pytest.mark.parametrize("instance", ["chat", "every accelerator"])
def test_solve(benchmark, instance) -> None:
    asked = planner.read_instance(CHAT if instance == "chat" else EVERY)
    assert benchmark(planner.solve, asked).found


def test_the_papers_grid_of_160000_points(benchmark) -> None:
    """Both tensor-parallel layouts over 400 x 400 real-valued sizes and batches."""
    llm, profile = catalogue.transformer("llama-3-70b"), catalogue.profile("paper")
    found = rates(catalogue.accelerator("h100-sxm"), profile)
    gpus = np.geomspace(2.0, 2.0**18, 400)[:, None]
    batch = np.geomspace(1.0, 2.0**18, 400)[None, :]
    one, none = np.asarray(1.0), np.asarray(0.0)

    def grid():
        steps = [
            forward(
                llm,
                Precision(),
                found,
                profile.switches,
                ForwardPass(gpus, one, batch, one, none, layout),
            ).step
            for layout in ("1d", "2d")
        ]
        return np.minimum(*steps)

    assert benchmark(grid).shape == (400, 400)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["solve", str(CHAT), "--quiet"], ["solve", str(EVERY), "--quiet"]],
    ids=["planner --help", "planner solve chat", "planner solve every accelerator"],
)
def test_whole_process(benchmark, arguments) -> None:
    command = [sys.executable, "-m", "planner.cli", *arguments]
    benchmark.pedantic(
        subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=5
    )


def test_memory_of_a_million_deployments(benchmark) -> None:
    """Peak memory of a process that reads, tabulates and solves over a million deployments."""
    program = (
        "import resource, planner;"
        f"planner.solve(planner.read_instance({str(EVERY)!r}));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def run() -> int:
        return int(subprocess.check_output([sys.executable, "-c", program]))

    peak = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["peak_gigabytes"] = round(peak / GIGABYTE, 3)
    assert peak < GIGABYTE


def test_mixture_with_drafts(benchmark) -> None:
    """DeepSeek-V3 over five accelerators with four drafts: whole process, one core, peak memory."""
    instance = ROOT / "instances" / "deepseek-v3-speculative" / "instance.yaml"
    program = (
        "import resource, planner;"
        f"plan = planner.solve(planner.read_instance({str(instance)!r}));"
        "print(plan.candidates, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def run() -> list[int]:
        printed = subprocess.check_output([sys.executable, "-c", program])
        return [int(word) for word in printed.split()]

    deployments, peak = benchmark.pedantic(run, rounds=3)
    benchmark.extra_info["deployments"] = deployments
    benchmark.extra_info["peak_gigabytes"] = round(peak / GIGABYTE, 3)
    assert deployments > 10_000_000
