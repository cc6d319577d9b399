"""The transformer files: they load, resolve, count what was published and agree with the facts."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from planner.catalogue import spellings, transformer, transformer_names
from planner.catalogue.attention import GroupedQuery, Latent, Recurrent
from planner.catalogue.feedforward import Experts
from planner.errors import UnknownNameError

FACTS = Path(__file__).parents[1] / "data" / "transformers" / "transformers.csv"
NAMES = transformer_names()

REQUIRED = [
    "codellama-13b",
    "dbrx",
    "deepseek-r1",
    "deepseek-v3",
    "deepseek-v3.1",
    "falcon-180b",
    "gemma-2-27b",
    "gemma-3-27b",
    "glm-4.5",
    "gpt-3-175b",
    "gpt-j-6b",
    "gpt-oss-120b",
    "gpt-oss-20b",
    "grok-1",
    "kimi-k2",
    "llama-2-70b",
    "llama-2-7b",
    "llama-3-70b",
    "llama-3-8b",
    "llama-3.1-405b",
    "llama-3.1-70b",
    "llama-3.1-8b",
    "llama-3.3-70b",
    "llama-4-scout",
    "mistral-7b",
    "mistral-large-2",
    "mistral-nemo-12b",
    "mixtral-8x7b",
    "nemotron-4-340b",
    "palm-540b",
    "phi-3.5-moe",
    "phi-4",
    "qwen2.5-0.5b",
    "qwen2.5-72b",
    "qwen3-235b-a22b",
    "qwen3-30b-a3b",
    "qwen3-32b",
    "qwen3-8b",
    "qwen3-next-80b-a3b",
    "qwen3.5-397b-a17b",
    "deepseek-v3.2",
    "glm-5",
    "glm-5.2",
    "kimi-k3",
    "kimi-linear-48b-a3b",
    "llama-3.3-nemotron-super-49b",
    "mimo-v2-flash",
    "nemotron-3-nano-30b-a3b",
    "nemotron-3-super-120b-a12b",
    "nemotron-3-ultra-550b-a55b",
    "nemotron-h-56b",
]

OTHER_NAMES = {"PaLM-540B (paper)": "palm-540b"}
"""Rows of the facts table whose name is no alias of the file that describes them."""

COMPRESSED = "its cache is compressed by another ratio in every layer"
SPARSE_BLOCKS = "its sparse attention caches keys of blocks beside the others"
LEFT_OUT = {
    "MiniMaxAI/MiniMax-M3": SPARSE_BLOCKS,
    "deepseek-ai/DeepSeek-V4-Flash": COMPRESSED,
    "deepseek-ai/DeepSeek-V4-Pro": COMPRESSED,
    "mistralai/Mistral-Large-3-675B-Instruct-2512": "the table has no shape for it",
    "nvidia/DeepSeek-V4-Flash-NVFP4": COMPRESSED,
    "nvidia/DeepSeek-V4-Pro-NVFP4": COMPRESSED,
    "nvidia/MiniMax-M3-NVFP4": SPARSE_BLOCKS,
    "openai/GPT-4": "its makers published nothing",
    "sgl-project/DeepSeek-V4-Flash-FP8": COMPRESSED,
    "sgl-project/DeepSeek-V4-Pro-FP8": COMPRESSED,
}
"""Rows without a file, and why."""

SHARED_INDEXERS = (47616, "only 21 of 78 layers have an indexer and cache its keys of 128")
CACHE_CORRECTIONS = {
    "google/gemma-3-4B": (10240, "8 query and 4 key/value heads of 256, not 16 and 4 of 160"),
    "mistralai/Mistral-NeMo-12B-Instruct": (81920, "the configuration states head_dim 128"),
    "deepseek-ai/deepseek-moe-16b-base": (114688, "16 key/value heads, not 2"),
    "nvidia/GLM-5.2-NVFP4": SHARED_INDEXERS,
    "nvidia/GLM-5.3-NVFP4": SHARED_INDEXERS,
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1": (100352, "49 layers have 8 key/value heads of 128"),
    "zai-org/GLM-5.2": SHARED_INDEXERS,
    "zai-org/GLM-5.2-FP8": SHARED_INDEXERS,
    "zai-org/GLM-5.3": SHARED_INDEXERS,
    "zai-org/GLM-5.3-FP8": SHARED_INDEXERS,
}
"""Rows whose cached elements per token are wrong: what is right, and why."""

FIXED_CORRECTIONS = {
    "google/gemma-3-4B": (60817408, "8 query and 4 key/value heads of 256, not 16 and 4 of 160"),
}
"""Rows whose cached elements per sequence are wrong: what is right, and why."""

PARAMETER_CORRECTIONS = {
    "mistralai/Mistral-NeMo-12B-Instruct": (12.25, "the configuration states head_dim 128"),
    "deepseek-ai/deepseek-moe-16b-base": (16.38, "16 key/value heads, not 2"),
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1": (49.87, "the table does not count it"),
}
"""Rows whose parameter count is wrong by more than a hundredth: billions, and why."""

BACKBONES = {
    "Qwen/Qwen3-VL-235B-A22B-Instruct": "qwen3-235b-a22b",
    "Qwen/Qwen3-VL-2B-Instruct": "qwen3-1.7b",
    "Qwen/Qwen3-VL-30B-A3B-Instruct": "qwen3-30b-a3b",
    "Qwen/Qwen3-VL-32B-Instruct": "qwen3-32b",
    "Qwen/Qwen3-VL-32B-Thinking": "qwen3-32b",
    "Qwen/Qwen3-VL-4B-Instruct": "qwen3-4b",
    "Qwen/Qwen3-VL-8B-Instruct": "qwen3-8b",
    "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4": "nemotron-3-nano-30b-a3b",
}
"""Rows whose makers publish no count for the text part: whose shape and count it has."""

UNRESOLVED = {
    "Llama-70B (3.x)": "which Llama 3 is not stated",
    "Qwen3.5 (file name qwen35; variant not stated)": "which Qwen3.5 is not stated",
}
"""Models of the measurements without a file."""


def _rows() -> list[dict[str, str]]:
    with FACTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _slug(row: dict[str, str]) -> str | None:
    try:
        return transformer(OTHER_NAMES.get(row["model"], row["model"])).name
    except UnknownNameError:
        return None


ROWS = _rows()
COVERED = {row["model"]: (row, slug) for row in ROWS if (slug := _slug(row)) is not None}


@pytest.mark.parametrize("name", NAMES)
def test_file_loads_under_its_slug_and_aliases(name: str) -> None:
    record = transformer(name)
    assert record.name == name == spellings.slug(name)
    assert record.source and record.date
    for alias in record.aliases:
        assert transformer(alias) == record, alias
        assert spellings.slug(alias) not in NAMES, f"{alias} is the name of a file"
    assert len({spellings.slug(alias) for alias in record.aliases}) == len(record.aliases)


@pytest.mark.parametrize("name", [n for n in NAMES if transformer(n).published is not None])
def test_parameters_match_published_count(name: str) -> None:
    record = transformer(name)
    assert record.published is not None
    assert record.language_parameters == pytest.approx(record.published.total_parameters, rel=0.01)
    if record.published.active_parameters is not None:
        # Makers differ in whether they count the embedding looked up, so this is coarse.
        active = pytest.approx(record.published.active_parameters, rel=0.08)
        without = record.active_parameters
        assert active in (without, without + record.embedding_parameters)


@pytest.mark.parametrize("model", COVERED)
def test_file_agrees_with_facts(model: str) -> None:
    row, slug = COVERED[model]
    record = transformer(slug)
    cache, _ = CACHE_CORRECTIONS.get(model, (int(row["kv_elems_per_token_growing"]), ""))
    fixed, _ = FIXED_CORRECTIONS.get(model, (int(row["kv_elems_fixed_per_seq"]), ""))
    total, _ = PARAMETER_CORRECTIONS.get(model, (float(row["calc_total_params_B"] or 0), ""))
    assert record.layer_count == int(row["layers"])
    assert record.hidden == int(row["hidden"])
    assert record.cache_elements_per_token == cache
    assert record.cache_elements_per_sequence == fixed
    assert record.language_parameters / 1e9 == pytest.approx(total, rel=0.01)
    assert record.unverified or "UNVERIFIED" not in row["notes"]


@pytest.mark.parametrize("model", COVERED)
def test_layers_agree_with_facts(model: str) -> None:
    row, slug = COVERED[model]
    record = transformer(slug)
    windowed = [
        group
        for group in record.layers
        if isinstance(group.attention, GroupedQuery) and group.attention.window is not None
    ]
    assert sum(group.count for group in windowed) == int(row["n_sliding_layers"])
    for group in windowed:
        assert group.attention.window == int(row["sliding_window"])  # type: ignore[union-attr]
    with_experts = [g for g in record.layers if isinstance(g.feedforward, Experts)]
    assert sum(group.count for group in with_experts) == int(row["n_moe_layers"] or 0)
    for group in with_experts:
        assert group.feedforward.count == int(row["n_experts"])  # type: ignore[union-attr]
        assert group.feedforward.active == int(row["top_k"])  # type: ignore[union-attr]
    recurrent = [group for group in record.layers if isinstance(group.attention, Recurrent)]
    assert sum(group.count for group in recurrent) == int(row["n_linear_or_mamba_layers"])
    stated = int(row["mtp_layers"] or record.prediction_layers)
    assert record.prediction_layers == stated
    latent = any(isinstance(group.attention, Latent) for group in record.layers)
    assert latent == bool(row["mla_kv_lora_rank"])


def test_required_names_exist() -> None:
    assert set(REQUIRED) <= set(NAMES)


@pytest.mark.parametrize("model", [row["model"] for row in ROWS if row["published_total_B"]])
def test_parameters_are_within_a_hundredth_of_published(model: str) -> None:
    if model in LEFT_OUT:
        assert model not in COVERED
        return
    record = transformer(COVERED[model][1])
    published = transformer(BACKBONES.get(model, record.name)).published
    assert published is not None
    assert record.language_parameters == pytest.approx(published.total_parameters, rel=0.01)


def test_every_row_has_a_file_or_a_reason() -> None:
    assert {row["model"] for row in ROWS} - set(COVERED) == set(LEFT_OUT)
    assert len(COVERED) == len(ROWS) - len(LEFT_OUT) == 122


def test_corrections_are_of_covered_rows_and_still_needed() -> None:
    corrected = {*CACHE_CORRECTIONS, *FIXED_CORRECTIONS, *PARAMETER_CORRECTIONS}
    assert corrected <= set(COVERED)
    for model, (cache, _) in CACHE_CORRECTIONS.items():
        assert int(COVERED[model][0]["kv_elems_per_token_growing"]) != cache
    for model, (fixed, _) in FIXED_CORRECTIONS.items():
        assert int(COVERED[model][0]["kv_elems_fixed_per_seq"]) != fixed
    for model, (total, _) in PARAMETER_CORRECTIONS.items():
        stated = float(COVERED[model][0]["calc_total_params_B"] or 0)
        assert stated != pytest.approx(total, rel=0.01)


def test_measured_models_resolve() -> None:
    root = os.environ.get("PLANNER_DATA")
    if not root:
        pytest.skip("PLANNER_DATA is not set: the measurements are no part of the project")
    path = Path(root) / "measured" / "serving_measurements.csv"
    with path.open(encoding="utf-8", newline="") as file:
        models = {row["model"] for row in csv.DictReader(file)}
    unresolved = set()
    for model in models:
        try:
            transformer(model)
        except UnknownNameError:
            unresolved.add(model)
    assert unresolved == set(UNRESOLVED)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("llama3.1-8b", "llama-3.1-8b"),
        ("Llama-3.1-70B-Instruct", "llama-3.1-70b"),
        ("unsloth/Llama-3.3-70B-Instruct", "llama-3.3-70b"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen3-235b-a22b"),
        ("gemma2-9b-it", "gemma-2-9b"),
    ],
)
def test_checkpoints_of_one_shape_are_found(typed, name):
    assert transformer(typed).name == name


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("Qwen2.5-72B-Instruct-AWQ", r"Did you mean qwen2\.5-72b\?"),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", r"Did you mean llama-3\.3-70b\?"),
        ("Qwen3-Coder-480B", r"Did you mean qwen3-coder-480b-a35b\?"),
        ("DeepSeek-R1-Distill-Llama-70B", r"catalogue\. `planner catalogue"),
    ],
)
def test_another_precision_or_another_shape_is_not_taken_for_it(typed, hint):
    with pytest.raises(UnknownNameError, match=hint):
        transformer(typed)
