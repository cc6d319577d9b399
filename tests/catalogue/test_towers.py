"""Towers that encode images: counted as transformers builds them, and held by the first stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.catalogue import profile, transformer
from planner.catalogue.huggingface import from_config
from planner.catalogue.huggingface.fields import Fields
from planner.catalogue.huggingface.towers import TOWERS, towers
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.memory_capacity import resident_bytes, weight_bytes

FOUND = json.loads(
    (Path(__file__).parents[1] / "data" / "meta_device" / "towers.json").read_text("utf-8")
)["towers"]
TEXT: Mapping[str, Any] = {
    "model_type": "qwen3_vl_text",
    "num_hidden_layers": 28,
    "hidden_size": 2048,
    "vocab_size": 151936,
    "intermediate_size": 6144,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
}
VISION = next(row for row in FOUND if row["name"] == "qwen3_vl")["vision_config"]


def _read(**whole: Any) -> Any:
    config = {"model_type": "qwen3_vl", "text_config": TEXT, "tie_word_embeddings": True, **whole}
    return from_config(config, name="some", source="config.json")


@pytest.mark.parametrize("row", FOUND, ids=[row["name"] for row in FOUND])
def test_towers_have_the_parameters_that_transformers_gives_them(row: dict[str, Any]) -> None:
    counted, note = towers(Fields(row, "config.json"), row["hidden_size"])
    assert counted == row["tower_parameters"]
    assert note == ""


def test_every_kind_of_tower_is_compared() -> None:
    like = {"glm4v": "glm4v_moe", "qwen3_5_moe": "qwen3_5", "qwen3_vl_moe": "qwen3_vl"}
    assert {like.get(kind, kind) for kind in TOWERS} == {row["model_type"] for row in FOUND}


def test_a_tower_counts_among_the_parameters_and_not_among_the_active_ones() -> None:
    whole, text = _read(vision_config=VISION), _read()
    assert whole.tower_parameters == 406957056
    assert whole.parameters == text.parameters + 406957056
    assert whole.parameters == pytest.approx(2127532032, rel=1e-4)
    assert whole.active_parameters == text.active_parameters
    assert (whole.notes, text.notes) == ("", "")


@pytest.mark.parametrize(
    ("change", "uncounted"),
    [
        ({"vision_config": {"depth": "many"}}, "vision_config"),
        ({"vision_config": {"hidden_size": 1024}}, "vision_config"),
        ({"model_type": "llava", "vision_config": VISION}, "vision_config"),
        ({"audio_config": {"depth": 2}}, "audio_config"),
        ({"model_type": "omni", "vision_config": {"a": 1}, "audio_config": {}}, "vision_config"),
    ],
)
def test_what_is_not_counted_is_said_and_stops_nothing(
    change: dict[str, Any], uncounted: str
) -> None:
    record = _read(**change)
    assert record.tower_parameters == 0
    assert record.layers == _read().layers
    assert record.notes.startswith(f"Weights of {uncounted}")
    assert record.notes.endswith("are not counted.")


JUNK = (None, "x", -1, 0, [], {}, 1.5, True, [None], 10**30, float("inf"))


@pytest.mark.parametrize("row", FOUND, ids=[row["name"] for row in FOUND])
def test_senseless_values_never_crash(row: dict[str, Any]) -> None:
    for field in row["vision_config"]:
        for junk in JUNK:
            config = {**row, "vision_config": {**row["vision_config"], field: junk}}
            counted, note = towers(Fields(config, "config.json"), row["hidden_size"])
            assert counted > 0 or "vision_config" in note


@pytest.mark.parametrize(("tp", "pp"), [(1, 1), (4, 1), (1, 2), (2, 4)])
def test_the_first_stage_holds_the_towers(tp: int, pp: int) -> None:
    """Of equal layers the first stage holds most once the tower outweighs the projection."""
    plain = transformer("llama-3.1-8b")
    seeing = replace(plain, tower_parameters=10**9)
    switches, precision = profile("calibrated").switches, Precision(weights="fp8")
    one = np.asarray(1.0)
    step = ForwardPass(np.asarray(float(tp)), np.asarray(float(pp)), one, one, one)

    def held(llm: Any) -> float:
        return float(weight_bytes(llm, precision, switches, step))

    assert held(seeing) - held(plain) == pytest.approx(2 * 10**9 / tp)
    sizes = {"tp": step.tp, "pp": step.pp, "batch": 8 * one, "length": 4096 * one}
    whole, text = (
        float(resident_bytes(llm, precision, switches, **sizes)) for llm in (seeing, plain)
    )
    assert whole - text == pytest.approx(2 * 10**9 / tp)


def test_a_fuller_last_stage_is_not_charged_with_the_towers() -> None:
    """Sixteen layers without blocks come first: the last stage is the fullest."""
    plain = transformer("llama-3.1-8b")
    whole = plain.layers[0]
    bare = replace(whole, feedforward=None)
    uneven = replace(plain, layers=(replace(bare, count=16), replace(whole, count=16)))
    uneven = replace(uneven, order=(0,) * 16 + (1,) * 16)
    seeing = replace(uneven, tower_parameters=10**6)
    switches, one = profile("calibrated").switches, np.asarray(1.0)
    step = ForwardPass(one, 2 * one, one, one, one)
    held = [weight_bytes(llm, Precision(), switches, step) for llm in (uneven, seeing)]
    assert held[0] == held[1]
