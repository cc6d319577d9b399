"""Families of transformers: parameters and caches as the package `transformers` builds them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.catalogue import profile
from planner.catalogue.attention import GroupedQuery, Recurrent
from planner.catalogue.feedforward import Dense, Experts
from planner.catalogue.huggingface import from_config
from planner.catalogue.transformer import Transformer
from planner.errors import InputError
from planner.terms.attention import cache_elements_moved, cache_elements_per_rank, score_flop
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.memory_capacity import weight_bytes

FOUND = json.loads(
    (Path(__file__).parents[1] / "data" / "meta_device" / "families.json").read_text("utf-8")
)["families"]
BY_NAME = {row["name"]: row for row in FOUND}


def _read(config: dict[str, Any]) -> Transformer:
    return from_config(config, name="some", source="config.json")


def cached(llm: Transformer) -> list[int]:
    """Return the numbers that every layer with an attention or a block beside it caches."""
    groups = [llm.layers[index] for index in llm.order or (0,) * llm.layer_count]
    return [group.attention.cache_elements() if group.attention else 0 for group in groups]


@pytest.mark.parametrize("row", FOUND, ids=BY_NAME)
def test_parameters_are_those_of_the_package(row: dict[str, Any]) -> None:
    """Norms and biases are left out, which are less than half a hundredth."""
    assert _read(row["config"]).parameters == pytest.approx(row["parameters"], rel=0.005)


@pytest.mark.parametrize("row", [row for row in FOUND if "cached" in row], ids=lambda r: r["name"])
def test_caches_of_every_layer_are_those_of_the_package(row: dict[str, Any]) -> None:
    found = cached(_read(row["config"]))
    if row["config"]["model_type"] == "falcon_h1":
        assert found[::2] == [0] * len(row["cached"])
        found = found[1::2]
    assert found == row["cached"]


def test_enough_families_are_compared() -> None:
    assert len({row["config"]["model_type"] for row in FOUND}) == 71


def test_layers_of_granite_4() -> None:
    small = _read(BY_NAME["granite-4.0-h-small"]["config"])
    state, whole = small.layers
    assert (state.count, whole.count) == (36, 4)
    assert state.feedforward == whole.feedforward == Experts(72, 10, 768, shared_width=1536)
    assert isinstance(state.attention, Recurrent)
    assert state.attention.state_elements() == 128 * 64 * 128
    assert state.attention.convolution_elements() == 3 * (8192 + 2 * 128)
    micro = _read(BY_NAME["granite-4.0-h-micro"]["config"])
    assert {group.feedforward for group in micro.layers} == {Dense(8192)}
    older = {**BY_NAME["granite-4.0-h-small"]["config"]}
    names = {"linear_attention": "mamba", "full_attention": "attention"}
    older["layer_types"] = [names[kind] for kind in older["layer_types"]]
    assert _read(older).layers == small.layers


def test_short_convolutions_keep_a_few_positions_and_no_state() -> None:
    record = _read(BY_NAME["lfm2-1.2b"]["config"])
    short = next(g for g in record.layers if isinstance(g.attention, Recurrent))
    assert isinstance(short.attention, Recurrent)
    assert short.count == 10
    assert short.attention.state_elements() == 0
    assert short.attention.convolution_elements() == 2 * 2048
    assert short.attention.parameters(2048) == 4 * 2048**2 + 3 * 2048


def test_states_of_mamba_are_kept_for_every_channel() -> None:
    record = _read(BY_NAME["jamba-v0.1"]["config"])
    states = [g for g in record.layers if isinstance(g.attention, Recurrent)]
    assert sum(group.count for group in states) == 28
    assert {g.attention.state_elements() for g in states} == {8192 * 16}  # type: ignore[union-attr]
    mixtures = [g for g in record.layers if isinstance(g.feedforward, Experts)]
    assert sum(group.count for group in mixtures) == 16


LING: dict[str, Any] = {
    "model_type": "bailing_moe",
    "hidden_size": 2048,
    "intermediate_size": 5120,
    "num_hidden_layers": 20,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 256,
    "num_experts_per_tok": 8,
    "num_shared_experts": 1,
    "moe_intermediate_size": 512,
    "first_k_dense_replace": 1,
    "vocab_size": 157184,
}


def test_ling_mini_has_the_published_parameters() -> None:
    """The model card of Ling-mini-2.0 states 16 billion, 1.4 of them active."""
    record = _read(LING)
    assert round(record.parameters / 1e9) == 16
    looked_up = record.embedding_parameters
    assert round((record.active_parameters + looked_up) / 1e9, 1) == 1.4


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("hunyuan-a13b", {"moe_topk": [8, 4] * 16}, "moe_topk: found [8, 4, 8"),
        ("granite-4.0-h-small", {"mamba_n_heads": 0}, "mamba_n_heads: found 0, expected a whole"),
        ("lfm2-8b-a1b", {"layer_types": ["conv"]}, "layer_types: found ['conv'], expected a list"),
        ("jamba-v0.1", {"mamba_dt_rank": "many"}, "mamba_dt_rank: found 'many', expected a whole"),
        ("ernie-4.5-300b-a47b", {"moe_k": 65}, "moe_k: found 65, expected at most the 64 experts"),
    ],
)
def test_senseless_values_are_refused(name: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        _read({**BY_NAME[name]["config"], **change})
    assert f"config.json: {message}" in str(refused.value)


JUNK = (None, "x", -1, 0, [], {}, 1.5, True, [None], [{}], {"a": 1}, 10**30, float("inf"))
NEW = ("granite-4.0-h-small", "falcon-h1-7b", "jamba-v0.1", "lfm2-1.2b", "lfm2-8b-a1b")
MORE = (
    *("gemma3n_text (defaults)", "gemma 4 with shared caches (sizes of our own)"),
    *("ernie-4.5-300b-a47b", "hunyuan-a13b", "k-exaone-236b-a23b", "bailing_hybrid (defaults)"),
)


@pytest.mark.parametrize("name", [*NEW, *MORE])
def test_senseless_values_never_crash(name: str) -> None:
    config = BY_NAME[name]["config"]
    for field in config:
        for junk in JUNK:
            try:
                assert _read({**config, field: junk}).parameters > 0
            except InputError as refused:
                assert "config.json" in str(refused)


def test_layers_that_share_caches_project_and_cache_nothing() -> None:
    """Gemma 3n E4B: 20 layers of 35 have caches; four of five slide over 512 positions."""
    record = _read(BY_NAME["gemma3n_text (defaults)"]["config"])
    assert record.cache_elements_per_token == 4 * 2 * 2 * 256
    assert record.cache_elements_per_sequence == 16 * 512 * 2 * 2 * 256
    assert record.look_up_parameters == 262144 * 35 * 256
    attention = [group.attention for group in record.layers]
    sharing = [one for one in attention if isinstance(one, GroupedQuery) and one.shares_cache]
    assert {one.parameters(2048) for one in sharing} == {2 * 2048 * 2048}
    for name in ("gemma3n_text (defaults)", "gemma 4 with shared caches (sizes of our own)"):
        with pytest.raises(InputError, match=r"num_kv_shared_layers: found 35, expected fewer"):
            _read({**BY_NAME[name]["config"], "num_kv_shared_layers": 35})


def test_a_shared_cache_is_read_again_and_held_once() -> None:
    own = GroupedQuery(8, 2, 256)
    late = GroupedQuery(8, 2, 256, shares_cache=True)
    one, length = np.asarray(1.0), np.asarray(1000.0)
    switches = profile("calibrated").switches
    held = [cache_elements_per_rank(attention, length, one, switches) for attention in (own, late)]
    assert [float(number) for number in held] == [1000 * 2 * 2 * 256, 0]
    moved = [cache_elements_moved(attention, length, one, switches) for attention in (own, late)]
    assert float(moved[0]) == float(moved[1]) == 1000 * 2 * 2 * 256
    step = ForwardPass(one, one, one, one, length)
    assert float(score_flop(own, step, switches)) == float(score_flop(late, step, switches)) > 0


def test_embeddings_of_layers_lie_on_the_first_stage() -> None:
    record = _read(BY_NAME["gemma3n_text (defaults)"]["config"])
    without = replace(record, look_up_parameters=0)
    switches, one = profile("calibrated").switches, np.asarray(1.0)
    step = ForwardPass(np.asarray(2.0), one, one, one, one)
    precision = Precision(weights="fp8")
    held = [weight_bytes(llm, precision, switches, step) for llm in (record, without)]
    assert float(held[0] - held[1]) == pytest.approx(record.look_up_parameters * 2.0 / 2)


def test_widths_of_gemma_3n_are_one_or_a_list() -> None:
    config = BY_NAME["gemma3n_text (defaults)"]["config"]
    assert _read({**config, "intermediate_size": 16384}).layers == _read(config).layers
    with pytest.raises(InputError, match="or a list of 35 of them"):
        _read({**config, "intermediate_size": [16384] * 3})
