"""What lies in the fullest GPU: parts against the plan, the page and the picture."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import planner
from planner.analysis.explanation.memory_breakdown import (
    DRAFT,
    FREE,
    WORDS,
    MemoryPart,
    memory_breakdown,
)
from planner.catalogue.checkpoint import PARTS
from planner.plans.plan import Plan
from planner.problem.resolve import resolve
from planner.reporting.plots.memory import GROUPS, grouped, plot_memory

ROOT = Path(__file__).parents[2]
NAMES = (
    *("llama-70b-chat", "gemma-27b-consumer-cards", "deepseek-v3-speculative"),
    *("qwen3-235b-vllm", "llama-8b-smallest", "llama-70b-paper"),
)


@cache
def answer(name: str) -> tuple[Plan, Sequence[MemoryPart]]:
    instance = planner.read_instance(ROOT / "instances" / name / "instance.yaml")
    plan = planner.solve(instance)
    return plan, memory_breakdown(resolve(instance), plan)


@pytest.mark.parametrize("name", NAMES)
def test_parts_sum_to_what_the_plan_states(name: str) -> None:
    plan, parts = answer(name)
    sizes = {one.part: one.bytes for one in parts}
    free = sizes.pop(FREE)
    assert sum(sizes.values()) == pytest.approx(plan.memory_bytes_per_gpu, rel=1e-12)
    assert sum(sizes.values()) + free == pytest.approx(plan.usable_memory_bytes_per_gpu)
    assert sum(one.share for one in parts) == pytest.approx(1.0)
    assert all(size > 0 for size in sizes.values())


@pytest.mark.parametrize("name", ["llama-70b-chat", "qwen3-235b-vllm", "deepseek-v3-speculative"])
def test_weights_and_pool_are_those_of_the_plan(name: str) -> None:
    """One stage is the fullest, and has the smallest pool."""
    plan, parts = answer(name)
    sizes = {one.part: one.bytes for one in parts}
    held = sum(sizes.get(WORDS[part], 0.0) for part in (*PARTS, "towers"))
    if DRAFT not in sizes:
        assert held == pytest.approx(plan.weight_bytes_per_gpu, rel=1e-12)
    else:
        assert 0 < plan.weight_bytes_per_gpu - held < sizes[DRAFT]
    engine = sizes[WORDS["activations"]] + sizes[WORDS["communication"]]
    left = plan.usable_memory_bytes_per_gpu - engine - plan.weight_bytes_per_gpu
    assert plan.cache_pool_bytes_per_gpu == pytest.approx(left, rel=1e-12)
    assert plan.max_concurrency >= plan.batch


def test_the_papers_profile_counts_no_engine() -> None:
    _, parts = answer("llama-70b-paper")
    assert not {WORDS["activations"], WORDS["communication"]} & {one.part for one in parts}


@pytest.fixture(scope="module")
def example() -> ModuleType:
    path = ROOT / "examples" / "memory.py"
    spec = importlib.util.spec_from_file_location("memory_example", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_table_and_the_picture_of_the_command(
    example: ModuleType, tmp_path: Path
) -> None:
    plans = {name: answer(name)[1] for name in example.PLANS}
    page = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8")
    assert example.table(plans) in page
    plot_memory(tmp_path / "memory.svg", plans, width=6.0)
    drawn = re.sub(r"\d+\.\d+", "", (tmp_path / "memory.svg").read_text(encoding="utf-8"))
    kept = re.sub(r"\d+\.\d+", "", (ROOT / "docs" / "memory.svg").read_text(encoding="utf-8"))
    assert drawn.count("<path") == kept.count("<path")
    for name in (*example.PLANS, *GROUPS, FREE, DRAFT):
        assert f">{name}<" in drawn and f">{name}<" in kept


def test_the_command_prints_and_draws(
    example: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(example, "breakdowns", lambda: {"one": answer("llama-8b-smallest")[1]})
    monkeypatch.setattr("sys.argv", ["memory.py", "--plot", str(tmp_path / "one.svg")])
    example.main()
    assert "| may be filled | " in capsys.readouterr().out
    assert (tmp_path / "one.svg").is_file()


def test_every_part_has_one_colour() -> None:
    members = [part for group in GROUPS.values() for part in group]
    assert sorted(members) == sorted(WORDS)
    parts = answer("deepseek-v3-speculative")[1]
    assert sum(grouped(parts).values()) == pytest.approx(sum(one.bytes for one in parts) / 1e9)
