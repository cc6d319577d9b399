"""What a checkpoint holds of each part: bits with scales, and modules that are left out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner import catalogue
from planner.catalogue.checkpoint import PartBits
from planner.catalogue.huggingface import from_config
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.memory_capacity import weight_bytes

CONFIGS = Path(__file__).parents[1] / "data" / "huggingface"
KIMI = json.loads((CONFIGS / "kimi-k2.json").read_text(encoding="utf-8"))
LLAMA = json.loads((CONFIGS / "llama-3.1-8b.json").read_text(encoding="utf-8"))
MAMBA = json.loads((CONFIGS / "nemotron-3-nano-30b-a3b.json").read_text(encoding="utf-8"))
ONE = np.asarray(1.0)


def parts(config: Mapping[str, Any], **said: Any) -> PartBits:
    name = "quantization" if "quant_method" not in said and "quant_algo" not in said else ""
    section = {name or "quantization_config": said}
    found = from_config({**config, **section}, name="some", source="config.json").checkpoint
    assert found is not None and found.parts is not None
    return found.parts


def linear(**weights: Any) -> dict[str, Any]:
    return {"quant_method": "compressed-tensors", "config_groups": group(["Linear"], **weights)}


def group(targets: list[str], **weights: Any) -> dict[str, Any]:
    return {"group_0": {"targets": targets, "weights": weights}}


@pytest.mark.parametrize(
    ("said", "bits"),
    [
        ({"quant_method": "mxfp8"}, 8 + 8 / 32),
        ({"quant_method": "nvfp4"}, 4.5),
        ({"quant_method": "modelopt", "quant_algo": "MXFP4"}, 4.25),
        ({"quant_method": "fp8"}, 8.0),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 8 + 32 / 128**2),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 4 + 20 / 128),
        ({"quant_method": "awq", "bits": 4}, 4 + 20 / 128),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32}, 4 + 20 / 32),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, 8 + 24 / 128),
        ({"quant_method": "hqq", "nbits": 4, "group_size": 64}, 4.5),
        (linear(type="int", num_bits=4, group_size=32), 4.5),
        (linear(type="int", num_bits=4, group_size=128, symmetric=False), 4 + 20 / 128),
        (linear(type="float", num_bits=4, group_size=16), 4.5),
        (linear(type="float", num_bits=8, strategy="channel"), 8.0),
        ({"bits": 4, "group_size": 64}, 4.5),
    ],
)
def test_scales_count(said: dict[str, Any], bits: float) -> None:
    assert parts(LLAMA, **said).dense == parts(LLAMA, **said).attention == bits


@pytest.mark.parametrize(
    ("said", "narrow"),
    [
        ({"quant_method": "fp8"}, {"attention", "dense", "experts", "shared"}),
        ({"quant_method": "mxfp4"}, {"experts"}),
        ({"quant_method": "gptq", "bits": 8, "lm_head": True}, None),
        (linear(type="float", num_bits=8), None),
        ({**linear(type="float", num_bits=8), "ignore": ["lm_head"]}, "not the head"),
    ],
)
def test_parts_that_are_narrow(said: dict[str, Any], narrow: object) -> None:
    usual = {"attention", "dense", "experts", "shared"}
    wanted = {None: usual | {"head"}, "not the head": usual}.get(str(narrow) if narrow else None)
    found = parts(KIMI, **said)
    names = {"attention", "dense", "experts", "shared", "router", "embeddings", "head"}
    assert {part for part in names if getattr(found, part) < 16} == (wanted or narrow)


@pytest.mark.parametrize(
    "ignored",
    [
        ["re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"],
        ["*self_attn*", "*.shared_experts*", "*layers.0.mlp*", "["],
        ["self_attn", "shared_experts", "model.layers.0.mlp"],
        [
            *(f"language_model.model.layers.{n}.self_attn.q_b_proj.weight" for n in range(61)),
            *(f"language_model.model.layers.{n}.self_attn.o_proj" for n in range(61)),
            *(f"model.layers.{n}.mlp.shared_experts" for n in range(61)),
            "model.layers.0.mlp.down_proj",
        ],
    ],
)
def test_kimi_in_int4_is_594_gigabytes_however_its_experts_are_told_apart(
    ignored: list[str],
) -> None:
    said = linear(type="int", num_bits=4, group_size=32)
    config = {**KIMI, "quantization_config": {**said, "ignore": [*ignored, "lm_head"]}}
    llm = from_config(config, name="some", source="config.json")
    assert llm.checkpoint is not None and llm.checkpoint.parts == PartBits(experts=4.5)
    assert bytes_of(llm, "int4") == pytest.approx(594.2e9, rel=1e-3)


def bytes_of(llm: Any, weights: str, profile: str = "calibrated") -> float:
    step = ForwardPass(ONE, ONE, ONE, ONE, ONE)
    switches = catalogue.profile(profile).switches
    return float(weight_bytes(llm, Precision(weights), switches, step))


@pytest.mark.parametrize(
    ("name", "weights", "gigabytes", "within"),
    [
        ("gpt-oss-120b", "fp4", 65.3, 0.003),
        ("kimi-k2.5", "int4", 594.2 + 2 * 0.471, 1e-3),
        ("llama-3.1-70b", "int4", 39.77, 1e-3),
        ("deepseek-v3", "bf16", 2 * 671.0, 1e-3),
        ("gpt-oss-120b", "bf16", 2 * 116.8, 1e-3),
    ],
)
def test_published_sizes(name: str, weights: str, gigabytes: float, within: float) -> None:
    """Sizes of the files: gpt-oss also stores biases of its experts, which are not counted."""
    found = bytes_of(catalogue.transformer(name), weights)
    assert found == pytest.approx(gigabytes * 1e9, rel=within)


def test_layers_left_out_count_by_their_share() -> None:
    ignored = [f"model.layers.{n}.self_attn" for n in range(8)]
    found = parts(LLAMA, quant_method="fp8", modules_to_not_convert=ignored)
    assert (found.attention, found.dense) == (8 + 8 * 8 / 32, 8.0)
    queries = [f"model.layers.{n}.self_attn.q_proj" for n in range(32)]
    assert parts(LLAMA, quant_method="fp8", ignored_layers=queries).attention == 12.0


def test_layers_that_are_listed_have_their_own_format() -> None:
    kinds = MAMBA["hybrid_override_pattern"]
    listed = {
        f"backbone.layers.{n}.mixer.{module}": {"quant_algo": algorithm, "group_size": 16}
        for n, kind in enumerate(kinds)
        for module, algorithm in {
            "M": (("in_proj", "FP8"), ("out_proj", "FP8")),
            "E": (("experts.0.down_proj", "NVFP4"), ("shared_experts.down_proj", "NVFP4")),
        }.get(kind, ())
    }
    found = parts(MAMBA, quant_algo="MIXED_PRECISION", quantized_layers=listed)
    assert (found.experts, found.shared, found.attention, found.head) == (4.5, 4.5, 16.0, 16.0)
    assert found.recurrent == pytest.approx(8.0, abs=2.0)


def test_targets_by_name_have_their_own_format() -> None:
    groups = group([r"re:.*experts\.\d+\..*"], type="float", num_bits=4, group_size=16)
    other = group(["Linear"], type="float", num_bits=8)["group_0"]
    said = {"config_groups": {**groups, "group_1": other}, "quant_method": "compressed-tensors"}
    found = parts(KIMI, **said, ignore=["lm_head"])
    assert (found.experts, found.attention) == (4.5, 8.0)


def test_long_lists_are_read_at_once() -> None:
    names = [f"model.layers.{n}.mlp.experts.{e}.up_proj" for n in range(61) for e in range(384)]
    began = time.perf_counter()
    parts(KIMI, quant_method="fp8", ignored_layers=[*names, *(f"re:x{n}" for n in range(50))])
    assert time.perf_counter() - began < 5.0


def test_the_papers_profile_gives_every_part_the_bits_of_the_precision() -> None:
    llm = catalogue.transformer("kimi-k2.5")
    plain = llm.language_parameters / 2 + 2 * llm.tower_parameters
    assert bytes_of(llm, "int4", "paper") == pytest.approx(plain, rel=1e-12)


def test_tied_projections_have_the_bits_of_the_look_up() -> None:
    tied = {
        **LLAMA,
        "tie_word_embeddings": True,
        "quantization_config": linear(type="float", num_bits=8),
    }
    llm = from_config(tied, name="some", source="config.json")
    blocks = llm.layer_parameters
    assert bytes_of(llm, "fp8") == blocks + 2 * llm.embedding_parameters
