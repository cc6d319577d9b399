"""Quantisations of published weights, under all the names that their quantisers use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from planner.catalogue.checkpoint import Checkpoint
from planner.catalogue.huggingface import from_config, read_config
from planner.catalogue.transformer import Transformer
from planner.cli import app
from planner.errors import InputError

LLAMA: Mapping[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
}
SHAPE = from_config(LLAMA, name="some", source="config.json")


def packed(**weights: Any) -> dict[str, Any]:
    groups = {"group_0": {"targets": ["Linear"], "weights": weights}}
    return {"quant_method": "compressed-tensors", "config_groups": groups}


def torchao(name: str, **data: Any) -> dict[str, Any]:
    default = {"_type": name, "_data": data, "_version": 1}
    return {"quant_method": "torchao", "quant_type": {"default": default}}


def quark(**weight: Any) -> dict[str, Any]:
    return {"quant_method": "quark", "global_quant_config": {"weight": weight}}


MIXED = {
    "quant_algo": "MIXED_PRECISION",
    "quantized_layers": {
        "layers.0.mixer.in_proj": {"quant_algo": "FP8"},
        "layers.1.mlp.experts.0": {"quant_algo": "NVFP4", "group_size": 16},
    },
}
CASES: list[tuple[dict[str, Any], str, float, int | None]] = [
    ({"quant_method": "fp8"}, "fp8", 8, None),
    ({"quant_method": "fbgemm_fp8"}, "fp8", 8, None),
    ({"quant_method": "mxfp4"}, "fp4", 4, 32),
    ({"quant_method": "mxfp8"}, "fp8", 8, 32),
    ({"quant_method": "experts_int8"}, "int8", 8, None),
    ({"quant_method": "eetq", "weights": "int8"}, "int8", 8, None),
    ({"quant_method": "awq", "bits": 4, "group_size": 128}, "int4", 4, 128),
    ({"quant_method": "awq", "w_bit": 4, "q_group_size": 128}, "int4", 4, 128),
    ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "int8", 8, None),
    ({"quant_method": "gptq", "wbits": 4, "groupsize": 64}, "int4", 4, 64),
    ({"quant_method": "GPTQ", "bits": 4}, "int4", 4, None),
    ({"quant_method": "auto-round", "bits": 4, "group_size": 128}, "int4", 4, 128),
    ({"quant_method": "intel/auto-round", "bits": 4}, "int4", 4, None),
    ({"quant_method": "moe_wna16", "weight_bits": 8}, "int8", 8, None),
    (
        {
            "quant_method": "hqq",
            "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}},
        },
        "int4",
        4,
        64,
    ),
    ({"quant_method": "hqq", "nbits": 8}, "int8", 8, None),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8", 8, None),
    ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4", 4, None),
    ({"quant_method": "bitsandbytes", "_load_in_4bit": True}, "int4", 4, None),
    ({"quant_method": "quanto", "weights": "float8"}, "fp8", 8, None),
    ({"quant_method": "quanto", "weights": "int4"}, "int4", 4, None),
    ({"quant_method": "fp_quant", "forward_dtype": "mxfp4"}, "fp4", 4, 32),
    (quark(dtype="fp4", qscheme="per_group", group_size=32), "fp4", 4, 32),
    (quark(dtype="fp8_e4m3", qscheme="per_tensor"), "fp8", 8, None),
    (quark(dtype="uint4", group_size=128), "int4", 4, 128),
    (
        {"quant_method": "quark", "global_quant_config": {"weight": [{"dtype": "fp8_e4m3"}]}},
        "fp8",
        8,
        None,
    ),
    (torchao("Int4WeightOnlyConfig", group_size=128), "int4", 4, 128),
    (torchao("Int8DynamicActivationInt4WeightConfig", group_size=32), "int4", 4, 32),
    (torchao("Float8DynamicActivationFloat8WeightConfig"), "fp8", 8, None),
    (
        torchao("IntxWeightOnlyConfig", weight_dtype={"_type": "torch.dtype", "_data": "int8"}),
        "int8",
        8,
        None,
    ),
    (
        {
            "quant_method": "torchao",
            "quant_type": "int4_weight_only",
            "quant_type_kwargs": {"group_size": 64},
        },
        "int4",
        4,
        64,
    ),
    ({"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16}, "fp4", 4, 16),
    ({"quant_method": "modelopt", "quant_algo": "W4A8_MXFP4_FP8"}, "fp4", 4, 32),
    ({"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}, "fp8", 8, None),
    (MIXED, "fp4", 4, 16),
    (packed(type="int", num_bits=4, group_size=32), "int4", 4, 32),
    (packed(type="float", num_bits=8, strategy="channel"), "fp8", 8, None),
]


def _read(config: Mapping[str, Any]) -> Transformer:
    return from_config(config, name="some", source="config.json")


def checkpoint_of(said: Mapping[str, Any]) -> Checkpoint:
    found = _read({**LLAMA, "quantization_config": said}).checkpoint
    assert found is not None
    return found


def same_shape(llm: Transformer) -> bool:
    return (llm.layers, llm.parameters) == (SHAPE.layers, SHAPE.parameters)


@pytest.mark.parametrize(("said", "precision", "bits", "group"), CASES)
def test_precision_bits_and_group(
    said: dict[str, Any], precision: str, bits: float, group: int | None, tmp_path: Path
) -> None:
    for name in ("quantization_config", "compression_config"):
        record = _read({**LLAMA, name: said})
        assert record.weight_precision == precision
        assert record.notes == ""
        assert record.checkpoint is not None
        assert (record.checkpoint.bits, record.checkpoint.group) == (bits, group)
    whole = {"model_type": "llava", "text_config": LLAMA, "quantization_config": said}
    assert _read(whole).weight_precision == precision
    (tmp_path / "config.json").write_text(json.dumps(LLAMA), encoding="utf-8")
    beside = json.dumps({"quantization": said})
    (tmp_path / "hf_quant_config.json").write_text(beside, encoding="utf-8")
    assert read_config(tmp_path / "config.json").weight_precision == precision


@pytest.mark.parametrize(
    ("said", "precision", "bits", "group"),
    [
        ({"group_size": 64, "bits": 4}, "int4", 4, 64),
        ({"group_size": 32, "bits": 8, "mode": "affine"}, "int8", 8, 32),
        ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, "fp4", 4, 32),
        ({"group_size": 16, "bits": 4, "mode": "nvfp4"}, "fp4", 4, 16),
    ],
)
def test_mlx(said: dict[str, Any], precision: str, bits: int, group: int) -> None:
    for extra in ({}, {"quantization_config": said}):
        record = _read({**LLAMA, "quantization": said, **extra})
        assert record.weight_precision == precision
        assert record.checkpoint is not None
        assert (record.checkpoint.method, record.checkpoint.bits) == ("mlx", bits)
        assert record.checkpoint.group == group


@pytest.mark.parametrize(
    "said",
    [
        {
            "quant_method": "compressed-tensors",
            "config_groups": {},
            "kv_cache_scheme": {"num_bits": 8, "type": "float"},
        },
        {"quant_algo": None, "kv_cache_quant_algo": "FP8"},
        {
            "quant_method": "compressed-tensors",
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": None}},
        },
    ],
)
def test_where_caches_alone_are_quantised_weights_are_not(said: dict[str, Any]) -> None:
    record = _read({**LLAMA, "quantization_config": said})
    assert (record.weight_precision, record.checkpoint, record.notes) == ("bf16", None, "")


def test_groups_and_blocks_are_kept() -> None:
    said = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    kept = checkpoint_of(said)
    assert (kept.method, kept.bits, kept.group, kept.block) == ("fp8", 8, None, (128, 128))
    kept = checkpoint_of(packed(type="float", num_bits=8, block_structure=[128, 64]))
    assert (kept.method, kept.bits, kept.block) == ("compressed-tensors", 8, (128, 64))


@pytest.mark.parametrize(
    ("said", "field", "found"),
    [
        ({"quant_method": "gptq", "bits": 3}, "bits", "3, expected 4 or 8 bits"),
        ({"quant_method": "awq"}, "bits", "nothing, expected 4 or 8 bits"),
        ({"quant_method": "magic"}, "quant_method", "'magic', expected one of "),
        ({"quant_method": "magic", "bits": 4}, "quant_method", "'magic', expected one of "),
        ({"quant_method": "exl2", "bits": 4.25}, "quant_method", "'exl2', expected one of "),
        ({}, "quant_method", "nothing, expected one of auto-round, "),
        ({"quant_algo": "W2A16"}, "quant_algo", "'W2A16', expected one of FP8, "),
        (quark(dtype="mx6"), "global_quant_config.weight.dtype", "'mx6', expected one of "),
        (
            packed(type="int", num_bits=2),
            "config_groups.group_0.weights.num_bits",
            "2, expected 4 or 8 bits",
        ),
        (torchao("UIntXWeightOnlyConfig"), "quant_type", "'UIntXWeightOnlyConfig', expected"),
    ],
)
def test_what_is_not_known_is_a_note_and_the_shape_is_read(
    said: dict[str, Any], field: str, found: str
) -> None:
    record = _read({**LLAMA, "quantization_config": said})
    assert same_shape(record)
    assert record.weight_precision == "bf16"
    assert record.notes.startswith(
        "The precision of the published weights is not known "
        f"(quantization_config.{field}: found {found}"
    )
    assert record.notes.endswith("; bf16 stands for it.")


def test_odd_bits_are_kept() -> None:
    said = {"quant_method": "gptq", "bits": 3, "group_size": 128}
    assert checkpoint_of(said) == Checkpoint("gptq", 3, 128)


def test_the_command_prints_what_is_not_known(tmp_path: Path) -> None:
    config = {**LLAMA, "quantization_config": {"quant_method": "gptq", "bits": 3}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    result = CliRunner().invoke(app, ["import-model", str(tmp_path / "config.json")])
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "(quantization_config.bits: found 3, expected 4 or 8 bits)" in text


JUNK = (None, "x", -1, 0, [], {}, 1.5, True, [None], [{}], {"a": 1}, {"a": {}}, 10**30, 1e999)


@pytest.mark.parametrize("said", [case[0] for case in CASES])
def test_senseless_values_never_crash(said: dict[str, Any]) -> None:
    places = [said, *(value for value in said.values() if isinstance(value, dict))]
    for part in places:
        for field in (*part, "ignore", "group_size", "weight_block_size", "bits", "dynamic"):
            kept = part.get(field)
            for junk in JUNK:
                part[field] = junk
                try:
                    assert same_shape(_read({**LLAMA, "quantization_config": said}))
                except InputError as refused:
                    assert "config.json" in str(refused)
            part.pop(field)
            if kept is not None:
                part[field] = kept
