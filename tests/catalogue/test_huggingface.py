"""Importing config.json: shapes agree with published counts, and bad files are refused in full."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from planner.catalogue import transformer, transformer_names
from planner.catalogue.attention import GroupedQuery, Indexer, Latent
from planner.catalogue.feedforward import Experts
from planner.catalogue.huggingface import FAMILIES, MODEL_TYPES, REFUSED, from_config, read_config
from planner.catalogue.transformer import Transformer
from planner.errors import InputError

DATA = Path(__file__).parents[1] / "data"
CONFIGS = DATA / "huggingface"
TABLE = DATA / "transformers" / "transformers.csv"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.json"))

LLAMA: Mapping[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
}

REFUSED_FILES = {
    "MiniMaxAI--MiniMax-M3": "sparse attention",
    "deepseek-ai--DeepSeek-V4-Flash": "compressed",
    "deepseek-ai--DeepSeek-V4-Pro": "compressed",
    "nvidia--DeepSeek-V4-Flash-NVFP4": "compressed",
    "nvidia--DeepSeek-V4-Pro-NVFP4": "compressed",
    "nvidia--MiniMax-M3-NVFP4": "sparse attention",
    "sgl-project--DeepSeek-V4-Flash-FP8": "compressed",
    "sgl-project--DeepSeek-V4-Pro-FP8": "compressed",
}
"""Files of aiconfigurator-core that are refused, and a word of the reason."""

OTHER_PREDICTION = {"mimo-v2-flash": 0}
"""Extra prediction layers of configurations that do not state those of their makers' report."""


def _config(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def _published() -> dict[str, float]:
    with (CONFIGS / "published.csv").open(encoding="utf-8", newline="") as file:
        return {row["config"]: float(row["billion_parameters"]) for row in csv.DictReader(file)}


def _shape(llm: Transformer) -> tuple[Any, ...]:
    layers: Counter[Any] = Counter()
    for group in llm.layers:
        layers[group.attention, group.feedforward] += group.count
    return layers, llm.hidden, llm.vocabulary, llm.tied_embeddings, llm.parallel_attention


def _refusal(config: Mapping[str, Any]) -> str:
    with pytest.raises(InputError) as refused:
        from_config(config, name="some", source="config.json")
    return str(refused.value)


def _read(config: Mapping[str, Any]) -> Transformer:
    return from_config(config, name="some", source="config.json")


PUBLISHED = _published()


@pytest.mark.parametrize("name", NAMES)
def test_parameters_match_published_count(name: str) -> None:
    record = read_config(CONFIGS / f"{name}.json")
    assert record.language_parameters / 1e9 == pytest.approx(PUBLISHED[name], rel=0.01)
    assert record.active_parameters <= record.parameters + record.embedding_parameters


@pytest.mark.parametrize("name", sorted({*NAMES} & {*transformer_names()}))
def test_shape_is_that_of_the_catalogue(name: str) -> None:
    imported, known = read_config(CONFIGS / f"{name}.json"), transformer(name)
    assert _shape(imported) == _shape(known)
    assert imported.cache_elements_per_token == known.cache_elements_per_token
    assert imported.cache_elements_per_sequence == known.cache_elements_per_sequence
    prediction = OTHER_PREDICTION.get(name, known.prediction_layers)
    assert imported.prediction_layers in (0, prediction)


def test_enough_architectures_are_read_and_each_has_a_published_count() -> None:
    kinds = {(config.get("text_config") or config)["model_type"] for config in map(_config, NAMES)}
    assert len(kinds) >= 50
    assert kinds <= {*FAMILIES}
    assert sorted(PUBLISHED) == NAMES
    assert not {*MODEL_TYPES} & {*REFUSED}


def _wheel_files() -> list[tuple[str, Path, str]]:
    """Name, file and row of every configuration of aiconfigurator-core, where it is installed."""
    spec = find_spec("aiconfigurator_core")
    if spec is None or not spec.submodule_search_locations:
        return []
    root = Path(spec.submodule_search_locations[0]).parent
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (root / row["source"]).is_file()]
    files = [(root / row["source"], row["model"]) for row in rows]
    return [(path.stem.removesuffix("_config"), path, model) for path, model in files]


WHEEL = _wheel_files()


@pytest.mark.skipif(not WHEEL, reason="aiconfigurator-core is not installed")
def test_every_file_of_the_wheel_is_read_or_refused_for_a_reason() -> None:
    assert len(WHEEL) > 80
    for name, path, model in WHEEL:
        if name in REFUSED_FILES:
            with pytest.raises(InputError, match=REFUSED_FILES[name]):
                read_config(path)
            continue
        imported, known = read_config(path), transformer(model)
        assert _shape(imported) == _shape(known), name
        assert imported.language_parameters == known.language_parameters, name
        # Files of the wheel leave out some towers.
        assert imported.tower_parameters in (0, known.tower_parameters), name
        assert imported.cache_elements_per_token == known.cache_elements_per_token, name
        assert imported.cache_elements_per_sequence == known.cache_elements_per_sequence, name
        prediction = OTHER_PREDICTION.get(known.name, known.prediction_layers)
        assert imported.prediction_layers == prediction, name


@pytest.mark.skipif(not WHEEL, reason="aiconfigurator-core is not installed")
def test_parameters_of_the_wheel_agree_with_the_table() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        counts = {row["model"]: row["calc_total_params_B"] for row in csv.DictReader(file)}
    for name, path, model in WHEEL:
        if name not in REFUSED_FILES and counts[model]:
            stated = pytest.approx(float(counts[model]), rel=0.005, abs=0.005)
            assert read_config(path).language_parameters / 1e9 == stated, name


def test_name_source_and_defaults(tmp_path: Path) -> None:
    folder = tmp_path / "Some Model-8B"
    folder.mkdir()
    path = folder / "config.json"
    path.write_text(json.dumps({**LLAMA, "max_position_embeddings": 8192}), encoding="utf-8")
    record = read_config(path)
    assert (record.name, record.title) == ("some-model-8b", "Some Model-8B")
    assert record.source == str(path)
    assert (record.context, record.weight_precision) == (8192, "bf16")
    assert not record.tied_embeddings and not record.prediction_layers
    other = tmp_path / "tiny_config.json"
    other.write_text(json.dumps(LLAMA), encoding="utf-8")
    assert read_config(other).name == "tiny"


@pytest.mark.parametrize(
    ("rope", "context"),
    [
        (None, 40960),
        ({"rope_type": "default"}, 40960),
        ({"type": "mrope", "mrope_section": [16, 24, 24]}, 40960),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}, 131072),
        ({"type": "yarn", "factor": 2, "original_max_position_embeddings": 32768}, 65536),
        ({"type": "yarn", "factor": 1.0, "original_max_position_embeddings": 32768}, 40960),
        ({"rope_type": "yarn", "factor": 2.5}, 102400),
        ({"type": "linear", "factor": 4.0}, 163840),
        ({"type": "dynamic", "factor": 2.0}, 81920),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}, 40960),
        ({"rope_type": "longrope", "long_factor": [1.0], "short_factor": [1.0]}, 40960),
        (
            {
                "full_attention": {"rope_type": "linear", "factor": 8.0},
                "sliding_attention": {"rope_type": "default"},
            },
            327680,
        ),
    ],
)
def test_contexts_that_engines_derive(rope: Mapping[str, Any] | None, context: int) -> None:
    stated = {**LLAMA, "max_position_embeddings": 40960}
    assert _read({**stated, "rope_scaling": rope}).context == context
    assert _read({**stated, "rope_parameters": rope}).context == context


def test_contexts_stated_in_other_ways() -> None:
    assert _read(LLAMA).context is None
    command = {**LLAMA, "max_position_embeddings": 8192, "model_max_length": 131072}
    assert _read(command).context == 131072
    gemma = {**_config("gemma-3-27b")["text_config"], "rope_scaling": None}
    linear = {"rope_type": "linear", "factor": 8.0}
    assert _read({**gemma, "rope_scaling": linear}).context == _read(gemma).context == 131072
    assert _refusal({**command, "rope_scaling": {"type": "yarn", "factor": "4"}}) == (
        "config.json: rope_scaling.factor: found '4', expected a number from 1 to 1,000,000."
    )


def test_windows_by_layer_and_none_as_long_as_the_context() -> None:
    windowed = {**LLAMA, "model_type": "mistral", "sliding_window": 4096}
    assert _read(windowed).cache_elements_per_token == 0
    assert _read({**windowed, "max_position_embeddings": 4096}).cache_elements_per_sequence == 0
    gemma = _read(_config("gemma-2-9b"))
    windows = {g.attention.window: g.count for g in gemma.layers}  # type: ignore[union-attr]
    assert windows == {4096: 21, None: 21}


GEMMA4: Mapping[str, Any] = {
    "model_type": "gemma4_text",
    "num_hidden_layers": 6,
    "hidden_size": 1024,
    "vocab_size": 4096,
    "intermediate_size": 2048,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "attention_k_eq_v": True,
    "sliding_window": 512,
    "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
    "max_position_embeddings": 65536,
}


def test_layers_that_differ_by_per_layer_config() -> None:
    whole = {"head_dim": 256, "num_key_value_heads": 1}
    record = _read({**GEMMA4, "per_layer_config": {"05": whole}})
    assert record.order == (0, 0, 0, 0, 0, 1)
    window, last = (group.attention for group in record.layers)
    assert window == GroupedQuery(8, 4, 128, window=512)
    assert last == GroupedQuery(8, 1, 256, values_from_keys=True)
    assert record.cache_elements_per_token == 1 * (256 + 256)
    assert record.cache_elements_per_sequence == 5 * 512 * 4 * (128 + 128)
    fields = {"global_head_dim": 256, "num_global_key_value_heads": 1}
    assert _read({**GEMMA4, **fields}).layers == record.layers


def test_per_layer_config_changes_layers_of_every_family() -> None:
    wide, narrow = {"intermediate_size": 28672}, {"intermediate_size": 1024}
    changes = {"1": wide, "2": narrow, "3": wide}
    record = _read({**LLAMA, "num_hidden_layers": 5, "per_layer_config": changes})
    assert record.order == (0, 1, 2, 1, 0)
    widths = [group.feedforward.width for group in record.layers]  # type: ignore[union-attr]
    assert widths == [14336, 28672, 1024]
    assert "per_layer_config.9: found 9, expected the number of a layer, from 0 to 4." in _refusal(
        {**LLAMA, "num_hidden_layers": 5, "per_layer_config": {"9": wide}}
    )
    assert "per_layer_config.1: found 7, expected a mapping." in _refusal(
        {**LLAMA, "per_layer_config": {"1": 7}}
    )


def test_layers_that_take_over_an_index_cache_no_keys() -> None:
    config = _config("glm-5")
    config["indexer_types"] = ["full", "shared"] * 39
    record = _read(config)
    indexers = [group.attention.indexer for group in record.layers]  # type: ignore[union-attr]
    assert Indexer(0, 0, 2048) in indexers
    assert record.cache_elements_per_token == 78 * 576 + 39 * 128
    every_fourth = _refusal({**_config("glm-5"), "index_topk_freq": 4})
    assert "index_topk_freq: found 4, expected 1, or a list indexer_types." in every_fourth


def test_searched_layers_can_lack_a_part() -> None:
    plain = {"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 5.25}}
    bare = {"attention": {"no_op": True}, "ffn": {"ffn_mult": 0.5}}
    last = {"attention": {"n_heads_in_group": 4}, "ffn": {"no_op": True}}
    config = {**LLAMA, "model_type": "nemotron-nas", "hidden_size": 8192, "num_hidden_layers": 3}
    record = _read({**config, "num_attention_heads": 64, "block_configs": [plain, bare, last]})
    first, second, third = record.layers
    assert first.attention == GroupedQuery(64, 8, 128)
    assert (first.feedforward.width, second.feedforward.width) == (28672, 2816)  # type: ignore
    assert second.attention is None and third.feedforward is None
    assert third.attention == GroupedQuery(64, 16, 128)
    linear = {"attention": {"replace_with_linear": True}, "ffn": {"no_op": True}}
    text = _refusal({**config, "block_configs": [plain, bare, linear]})
    assert "block_configs[2].attention.replace_with_linear: found True, expected false" in text


def test_latent_attention_and_experts_of_the_file() -> None:
    record = _read(_config("deepseek-v3"))
    assert record.prediction_layers == 1
    assert record.weight_precision == "fp8"
    dense, sparse = record.layers
    assert (dense.count, sparse.count) == (3, 58)
    assert isinstance(sparse.attention, Latent) and sparse.attention.cache_elements() == 576
    assert sparse.feedforward == Experts(256, 8, 2048, 2048)


ADVICE = "Describe it in a catalogue file instead of letting its shape be guessed."


def test_unknown_architecture_is_refused_with_what_it_lacks() -> None:
    count = len(MODEL_TYPES)
    assert _refusal({**LLAMA, "model_type": "lama"}) == (
        f"config.json: model_type: found 'lama', expected one of the {count} architectures the "
        "planner reads. Did you mean llama, llama4, jamba? Of the fields such architectures state "
        f"it lacks head_dim. {ADVICE}"
    )
    assert _refusal({"model_type": "rwkv7", "hidden_size": 64}) == (
        f"config.json: model_type: found 'rwkv7', expected one of the {count} architectures the "
        "planner reads. Of the fields such architectures state it lacks num_hidden_layers, "
        "vocab_size, num_attention_heads, num_key_value_heads, head_dim, intermediate_size. "
        f"{ADVICE}"
    )
    assert _refusal({"hidden_size": 64}).startswith(
        "config.json: model_type: found nothing, expected a model_type. Of the fields"
    )


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_described_is_refused_with_the_reason(kind: str) -> None:
    assert _refusal({**LLAMA, "model_type": kind}) == (
        f"config.json: model_type: found {kind!r}, expected an architecture that can be described "
        f"exactly. This one cannot: {REFUSED[kind]}."
    )


def test_all_missing_fields_are_named_at_once() -> None:
    whole = "found nothing, expected a whole number of 1 or more"
    assert _refusal({"model_type": "qwen3_moe"}).splitlines() == [
        f"config.json: num_attention_heads: {whole} (or n_head).",
        f"config.json: num_key_value_heads: {whole}.",
        f"config.json: head_dim: {whole}.",
        f"config.json: num_hidden_layers: {whole} (or n_layer, n_layers).",
        f"config.json: num_experts: {whole} (or num_local_experts).",
        f"config.json: num_experts_per_tok: {whole}.",
        f"config.json: moe_intermediate_size: {whole}.",
        f"config.json: hidden_size: {whole} (or n_embd, n_embed, d_model).",
        f"config.json: vocab_size: {whole}.",
    ]


def test_fields_of_the_text_part_are_named_in_full() -> None:
    config = _config("qwen3-vl-4b")
    del config["text_config"]["head_dim"]
    assert _refusal(config) == (
        "config.json: text_config.head_dim: found nothing, expected a whole number of 1 or more."
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"hidden_size": "4096"},
            "hidden_size: found '4096', expected a whole number of 1 or more",
        ),
        ({"vocab_size": -1}, "vocab_size: found -1, expected a whole number of 1 or more"),
        ({"num_hidden_layers": True}, "num_hidden_layers: found True, expected a whole number"),
        ({"num_hidden_layers": 10**9}, "expected at most 10000 layers"),
        ({"intermediate_size": 1.5}, "intermediate_size: found 1.5, expected a whole number"),
        ({"num_key_value_heads": 5}, "num_key_value_heads: found 5, expected a divisor of the 32"),
        ({"num_attention_heads": 24}, "hidden_size: found 4096, expected a multiple of the 24"),
        ({"tie_word_embeddings": "no"}, "tie_word_embeddings: found 'no', expected true or false"),
        ({"text_config": {}}, "text_config.hidden_size: found nothing"),
        (
            {"model_type": "olmo3", "sliding_window": 128, "layer_types": ["full_attention"]},
            "layer_types: found ['full_attention'], expected a list of 32 entries, one for each "
            "layer: full_attention, sliding_attention.",
        ),
        (
            {"model_type": "olmo3", "sliding_window": 128, "layer_types": ["chunked"] * 32},
            "layer_types: found the entry 'chunked', expected entries out of full_attention, ",
        ),
        (
            {"model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 4},
            "num_experts_per_tok: found 4, expected at most the 2 experts.",
        ),
    ],
)
def test_senseless_values_are_refused(change: dict[str, Any], message: str) -> None:
    assert message in _refusal({**LLAMA, **change})


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"{\n  nothing", "config.json:2: found no JSON (Expecting property name"),
        (b"[1, 2]", "config.json: found a list, expected a config.json, as it stands beside"),
        (b"\xff\xfe\x00", "config.json: found bytes that are not text, expected a config.json"),
        (b"[" * 100_000, "config.json"),
        (None, "config.json: found No such file or directory, expected a config.json"),
    ],
)
def test_files_that_hold_no_configuration(
    content: bytes | None, found: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_config(path)
    assert found in str(refused.value)


JUNK = (None, "x", -1, 0, [], {}, 1.5, True, [None], [{}], {"a": 1}, 10**30, float("inf"))
ALSO = (
    "block_configs",
    "indexer_types",
    "layer_types",
    "layers_block_type",
    "mlp_only_layers",
    "no_rope_layers",
    "per_layer_config",
    "quantization_config",
    "rope_parameters",
    "rope_scaling",
    "text_config",
    "tie_word_embeddings",
)


@pytest.mark.parametrize("name", NAMES)
def test_senseless_values_never_crash(name: str) -> None:
    config = _config(name)
    for junk in JUNK:
        for part in (config, config.get("text_config"), config.get("linear_attn_config")):
            for field in (*part, *ALSO) if part else ():
                kept = part.get(field)
                part[field] = junk
                try:
                    assert _read(config).parameters > 0
                except InputError as refused:
                    assert "config.json" in str(refused)
                if kept is None:
                    del part[field]
                else:
                    part[field] = kept


def test_importing_the_importer_loads_nothing_heavy() -> None:
    code = (
        "import sys, planner.catalogue.huggingface; "
        "assert not {'pydantic', 'pandas', 'ruamel.yaml', 'pyomo'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
