"""What an engine takes of a GPU: by hand, by release, and against reports of an engine."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from planner import catalogue
from planner.catalogue.engine_memory import EngineMemory, MemoryRelease, memory_at
from planner.catalogue.profile import Switches
from planner.problem.engine_support import engine_memory
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.terms.cache_layout import laid_layers, layer_bytes
from planner.terms.cache_pool import Beside, cache_pool
from planner.terms.engine_memory import activation_bytes, communication_bytes, engine_bytes
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.memory_capacity import resident_bytes
from planner.terms.pipeline_stages import fullest_stages

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "memory.py"
DATA = os.environ.get("PLANNER_DATA")
VLLM = catalogue.engine("vllm")
TAKEN = memory_at("vllm", VLLM.memory, "0.25")
SWITCHES = Switches(engine_memory=TAKEN)
LLAMA = catalogue.transformer("llama-3.1-8b")
GIB = 2**30

needs_data = pytest.mark.skipif(
    not DATA, reason="PLANNER_DATA is unset: it names the folder with the measurements"
)


def step(tp: int = 1, pp: int = 1, dp: int = 1, *, batch: int = 1, length: int = 100) -> Any:
    tps, pps, dps, batches, lengths = (np.asarray(float(n)) for n in (tp, pp, dp, batch, length))
    return ForwardPass(tps, pps, batches, np.asarray(1.0), lengths, dp=dps)


def test_sampling_of_llama_8b_by_hand() -> None:
    """8192 tokens of three hidden vectors of 4096, and 1024 x 128256 logits of 14 bytes."""
    found = activation_bytes(LLAMA, Precision(), TAKEN, step(), np.asarray(1.0))
    assert found == 8192 * 3 * 4096 * 2 + 1024 * 128256 * 14
    assert float(found) / GIB == pytest.approx(1.89, abs=0.01)


def test_a_wide_layer_outweighs_a_small_vocabulary_by_hand() -> None:
    """Four hidden vectors of 4096 and three of the block's 14336, which ranks split."""
    small = replace(LLAMA, vocabulary=1000)
    found = activation_bytes(small, Precision(), TAKEN, step(tp=2), np.asarray(1.0))
    assert found == 8192 * (4 * 4096 + 3 * 14336 // 2) * 2
    staged = activation_bytes(small, Precision(), TAKEN, step(pp=2), np.asarray(1.0))
    assert staged == 8192 * (6 * 4096 + 3 * 14336) * 2


def test_experts_keep_their_outputs_apart_by_hand() -> None:
    """Qwen3 30B: eight experts with outputs of 2048 words and 768 inside."""
    llm = replace(catalogue.transformer("qwen3-30b-a3b"), vocabulary=1000)
    found = activation_bytes(llm, Precision(), TAKEN, step(), np.asarray(1.0))
    assert found == 8192 * (4 * 2048 + 8 * (2048 + 768)) * 2


def test_more_sequences_than_the_default_have_more_logits() -> None:
    one, other = (
        float(activation_bytes(LLAMA, Precision(), TAKEN, step(), np.asarray(sequences)))
        for sequences in (1024.0, 2048.0)
    )
    assert other - one == 1024 * 128256 * 14


@pytest.mark.parametrize(
    ("degrees", "gib"), [((1, 1, 1), 0.25), ((1, 4, 1), 0.07), ((2, 1, 1), 2.1), ((1, 2, 8), 2.1)]
)
def test_memory_outside_of_the_framework(degrees: tuple[int, int, int], gib: float) -> None:
    found = communication_bytes(TAKEN, step(*degrees))
    assert float(found) == pytest.approx(gib * GIB, rel=1e-6)


def test_resident_bytes_are_weights_caches_and_the_engine() -> None:
    sizes = {"tp": np.asarray(1.0), "pp": np.asarray(1.0), "batch": np.asarray(8.0)}
    with_engine, without = (
        float(resident_bytes(LLAMA, Precision(), switches, **sizes, length=np.asarray(100.0)))
        for switches in (SWITCHES, Switches())
    )
    assert with_engine - without == float(engine_bytes(LLAMA, Precision(), SWITCHES, step(batch=8)))


def test_releases_state_what_changed() -> None:
    old, new = (memory_at("vllm", VLLM.memory, version) for version in ("0.11", "0.33.1"))
    assert (old.engine, TAKEN.engine, new.engine) == ("vllm 0.11", "vllm 0.17", "vllm 0.33")
    assert (old.utilisation, TAKEN.utilisation, new.utilisation) == (0.9, 0.9, 0.92)
    assert old.activation_factor == 2.5 * TAKEN.activation_factor
    assert memory_at("vllm", VLLM.memory, "0.2") == old


def test_what_is_not_known_of_an_engine_is_that_of_the_profiles() -> None:
    calibrated, paper = catalogue.profile("calibrated"), catalogue.profile("paper")
    for engine in (None, catalogue.engine("sglang"), VLLM):
        assert engine_memory(engine, calibrated) == TAKEN
        assert engine_memory(engine, paper) is None
    own = (MemoryRelease(**{**_stated(TAKEN), "utilisation": 0.8}, release="1", source="own"),)
    mine = replace(VLLM, name="mine", version="1.2", memory=own)
    found = engine_memory(mine, calibrated)
    assert found is not None and (found.engine, found.utilisation) == ("mine 1", 0.8)


def _stated(taken: EngineMemory) -> dict[str, Any]:
    return {name: getattr(taken, name) for name in taken.__slots__ if name != "engine"}


def test_an_engine_fills_what_its_release_does(tmp_path: Path) -> None:
    text = (catalogue.loader.ENGINES / "vllm.yaml").read_text(encoding="utf-8")
    path = tmp_path / "newer.yaml"
    path.write_text(text.replace('version: "0.25"', 'version: "0.33"'), encoding="utf-8")
    content = {
        "name": "some",
        "workload": {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 20},
        "pools": [{"accelerator": "h100-sxm"}],
    }
    whole = catalogue.accelerator("h100-sxm").memory_bytes
    for engine, fraction, expected in (
        (None, None, 0.9),
        (str(path), None, 0.92),
        (str(path), 0.5, 0.5),
    ):
        given = {"engine": engine, "usable_memory_fraction": fraction}
        stated = {name: value for name, value in given.items() if value is not None}
        resolved = resolve(Instance.model_validate({**content, **stated}))
        assert resolved.usable_memory_fraction == expected
        assert resolved.pools[0].rates.memory_bytes == pytest.approx(expected * whole)


@pytest.mark.parametrize(
    ("name", "laid"), [("gemma-3-27b", 70), ("gemma-3-12b", 48), ("gemma-3-4b", 35)]
)
def test_kinds_of_cache_lie_in_groups_of_the_rarest(name: str, laid: int) -> None:
    """Ten full layers of 62: six groups of ten windows, though there are only 52."""
    llm = catalogue.transformer(name)
    [stage] = fullest_stages(llm, np.asarray(1.0), SWITCHES)
    assert sum(map(float, laid_layers(llm, SWITCHES, stage))) == laid
    assert sum(map(float, laid_layers(llm, Switches(), stage))) == llm.layer_count


def test_nearly_equal_kinds_lie_in_groups_of_the_larger() -> None:
    llm = catalogue.transformer("gemma-2-9b")
    uneven = replace(
        llm,
        order=(),
        layers=tuple(
            replace(group, count=count) for group, count in zip(llm.layers, (22, 20), strict=True)
        ),
    )
    [stage] = fullest_stages(uneven, np.asarray(1.0), SWITCHES)
    assert [float(count) for count in laid_layers(uneven, SWITCHES, stage)] == [22, 22]


@pytest.mark.parametrize("name", ["llama-3.1-8b", "deepseek-v3", "qwen3.5-27b", "gemma-4-31b"])
def test_caches_of_one_kind_or_of_several_sizes_are_not_filled_up(name: str) -> None:
    llm = catalogue.transformer(name)
    [stage] = fullest_stages(llm, np.asarray(1.0), SWITCHES)
    assert laid_layers(llm, SWITCHES, stage) == list(stage.layers)


def test_windows_hold_a_chunk_of_prompts_besides() -> None:
    """Gemma 2 9B: 4096 - 1 + 8192 positions of 2 x 8 x 256 numbers, or the whole sequence."""
    llm, one = catalogue.transformer("gemma-2-9b"), 2 * 8 * 256 * 2
    window, whole = layer_bytes(llm, Precision(), SWITCHES, step(length=100_000))
    assert (window, whole) == ((4096 - 1 + 8192) * one, 100_000 * one)
    assert layer_bytes(llm, Precision(), SWITCHES, step(length=9000))[0] == 9000 * one
    assert layer_bytes(llm, Precision(), Switches(), step(length=9000))[0] == 4096 * one


def test_pool_of_llama_8b_by_hand() -> None:
    """What weights and engine leave, over 131072 bytes a token; each group has its own pool."""
    usable = 70e9
    for dp in (1, 2):
        found = cache_pool(LLAMA, Precision(), SWITCHES, step(dp=dp, length=1000), usable=usable)
        weights = LLAMA.parameters * 2
        left = usable - weights - float(engine_bytes(LLAMA, Precision(), SWITCHES, step(dp=dp)))
        assert (found.weights, found.pool) == (weights, left)
        assert found.sequences == left // (131072 * 1000) * dp


def test_a_draft_takes_of_the_pool() -> None:
    beside = Beside(np.asarray(1e9), np.asarray(131072.0 * 1000))
    sizes = {"usable": 70e9}
    args = (LLAMA, Precision(), SWITCHES, step(length=1000))
    alone, drafted = cache_pool(*args, **sizes), cache_pool(*args, **sizes, beside=beside)
    assert drafted.weights - alone.weights == alone.pool - drafted.pool == 1e9
    assert drafted.sequences == (float(alone.pool) - 1e9) // (2 * 131072 * 1000)


def test_nothing_is_left_where_weights_do_not_fit() -> None:
    found = cache_pool(LLAMA, Precision(), SWITCHES, step(), usable=10e9)
    assert (found.pool, found.sequences) == (0.0, 0.0)


@pytest.fixture(scope="module")
def benchmark_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("memory", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_data
def test_pools_and_sequences_are_those_that_an_engine_reported(
    benchmark_script: ModuleType,
) -> None:
    assert DATA is not None
    table = benchmark_script.compare(benchmark_script.load(Path(DATA)))
    errors = benchmark_script.summary(table)
    assert errors.loc["pool error", "runs"] == 40
    assert errors.loc["pool error", "mean"] <= 0.004
    assert errors.loc["pool error", "worst"] <= 0.032
    assert errors.loc["sequences error", "mean"] <= 0.012
    assert errors.loc["weights error", "mean"] <= 0.01


@needs_data
def test_the_script_prints_the_errors(
    benchmark_script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["memory.py"])
    benchmark_script.main()
    printed = capsys.readouterr().out
    assert "pool error" in printed and "worst" in printed


def test_the_script_says_what_it_needs(
    benchmark_script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["memory.py"])
    monkeypatch.delenv("PLANNER_DATA", raising=False)
    with pytest.raises(SystemExit) as stopped:
        benchmark_script.main()
    assert stopped.value.code == 2
    assert "PLANNER_DATA" in capsys.readouterr().err
