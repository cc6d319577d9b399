"""Weights quantised in blocks: every rank holds whole ones, where an engine is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import planner
from planner import catalogue
from planner.problem.engine_support import launchable, whole_blocks

CONFIG = {
    "model_type": "qwen3_moe",
    "num_hidden_layers": 4,
    "hidden_size": 4096,
    "vocab_size": 32000,
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 1536,
    "intermediate_size": 12288,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}


def asked(folder: Path, degrees: str, weights: str = "fp8", engine: str = "engine: vllm\n") -> Path:
    (folder / "config.json").write_text(json.dumps(CONFIG))
    path = folder / "blocks.yaml"
    path.write_text(
        "workload: {transformer: config.json, tokens_per_second_per_request: 40}\n"
        "pools: [{accelerator: h100-sxm, gpus: 8, dollars_per_gpu_hour: 2}]\n"
        f"{engine}search: {{{degrees}, pipeline_parallel: 1, data_parallel: 1, "
        f"weights: {weights}}}\n"
    )
    return path


@pytest.mark.parametrize(
    ("degrees", "weights", "engine", "status"),
    [
        # 1536 / 8 = 192 is no multiple of 128.
        ("tensor_parallel: 8, expert_parallel: 1", "fp8", "engine: vllm\n", "infeasible"),
        ("tensor_parallel: 8, expert_parallel: 8", "fp8", "engine: vllm\n", "optimal"),
        ("tensor_parallel: 4, expert_parallel: 1", "fp8", "engine: sglang\n", "optimal"),
        ("tensor_parallel: 8, expert_parallel: 1", "bf16", "engine: vllm\n", "optimal"),
        ("tensor_parallel: 8, expert_parallel: 1", "fp8", "", "optimal"),
    ],
)
def test_shards_of_whole_blocks_alone_are_planned(
    tmp_path: Path, degrees: str, weights: str, engine: str, status: str
) -> None:
    instance = planner.read_instance(asked(tmp_path, degrees, weights, engine))
    plan = planner.solve(instance)
    assert plan.status == status
    assert not planner.check_plan(plan.to_row(), instance)


def test_the_checker_sees_a_plan_that_no_engine_loads(tmp_path: Path) -> None:
    free = planner.read_instance(
        asked(tmp_path, "tensor_parallel: 8, expert_parallel: 1", engine="")
    )
    row = planner.solve(free).to_row()
    bound = planner.read_instance(asked(tmp_path, "tensor_parallel: 8, expert_parallel: [1, 8]"))
    findings = planner.check_plan(row | {"instance_digest": bound.digest}, bound)
    assert "engine" in {finding.column for finding in findings}


def test_every_width_is_divided_as_a_loop_divides_it() -> None:
    llm = catalogue.transformer("deepseek-v3")
    tp, dp, ep = (axis.ravel() for axis in np.meshgrid([1, 2, 8, 16, 32], [1, 4], [1, 4, 8]))
    ones = np.ones_like(tp)
    kept = (tp * dp) % ep == 0
    tp, dp, ep, ones = tp[kept], dp[kept], ep[kept], ones[kept]
    found = whole_blocks(llm, 128, (tp, ones, dp, ep))
    for at, (t, d, e) in enumerate(zip(tp.tolist(), dp.tolist(), ep.tolist(), strict=True)):
        split = t * d // e
        widths = [(18432, t), (2048, split), (2048, t)]
        right = all(ranks == 1 or width % (ranks * 128) == 0 for width, ranks in widths)
        assert found[at] == right, (t, d, e)


def test_checkpoints_without_blocks_are_not_asked() -> None:
    degrees = tuple(np.asarray([value]) for value in (8, 1, 1, 1))
    engine, llm = catalogue.engine("vllm"), catalogue.transformer("llama-3.1-70b")
    assert launchable(engine, llm, degrees, weights="fp8").all()
