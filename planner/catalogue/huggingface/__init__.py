"""Transformers from the config.json that stands beside published weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.catalogue.huggingface.blocks import Family, grouped, order
from planner.catalogue.huggingface.context import longest_context
from planner.catalogue.huggingface.dense import DENSE, look_ups
from planner.catalogue.huggingface.fields import Fields
from planner.catalogue.huggingface.hybrid import HYBRIDS
from planner.catalogue.huggingface.layer_overrides import read_layers
from planner.catalogue.huggingface.moe import MIXTURES
from planner.catalogue.huggingface.quantisation import SECTION, read_quantisation
from planner.catalogue.huggingface.state_spaces import STATE_SPACES
from planner.catalogue.huggingface.towers import towers
from planner.catalogue.spellings import slug
from planner.catalogue.transformer import Transformer
from planner.errors import InputError, Problem, did_you_mean

FAMILIES: Mapping[str, Family] = {**DENSE, **MIXTURES, **HYBRIDS, **STATE_SPACES}
ALIASES: Mapping[str, str] = {
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "glm4v": "glm4v_text",
    "glm4v_moe": "glm4v_moe_text",
    "kimi_k25": "deepseek_v3",
    "kimi_k3": "kimi_linear",
    "llama4": "llama4_text",
    "mistral3": "mistral",
    "qwen2_5_vl": "qwen2_5_vl_text",
    "qwen2_vl": "qwen2_vl_text",
    "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text",
    "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text",
}
"""Types of whole multimodal models, and the type of their text part."""
MODEL_TYPES = tuple(sorted({*FAMILIES, *ALIASES}))
"""Every `model_type` that can be read."""

_COMPRESSED = "its cache is compressed by another ratio in every layer"
_SPARSE_BLOCKS = "its sparse attention picks blocks by keys that it caches beside the others"
REFUSED: Mapping[str, str] = {
    "deepseek_ref": _COMPRESSED,
    "deepseek_v4": _COMPRESSED,
    "minimax_m3": _SPARSE_BLOCKS,
    "minimax_m3_vl": _SPARSE_BLOCKS,
}
"""Architectures a `Transformer` cannot describe exactly, and why."""

USUAL = (
    "num_hidden_layers",
    "hidden_size",
    "vocab_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
)
"""Fields that most configurations state."""
PREDICTION = ("num_nextn_predict_layers", "mtp_num_hidden_layers")


def read_config(path: Path) -> Transformer:
    """Read one config.json.

    The transformer is named after the file's folder, or the file itself where it has another name.
    Quantisation is also looked for in a hf_quant_config.json beside it.

    Raises
    ------
    InputError
        Where the file cannot be read, or does not describe a transformer exactly; every missing
        or senseless field is named.
    """
    path = Path(path)
    config = _load(path)
    beside = path.with_name("hf_quant_config.json")
    if SECTION not in config and path.name == "config.json" and beside.is_file():
        config = {**config, SECTION: _load(beside).get("quantization")}
    title = path.resolve().parent.name if path.stem == "config" else path.stem
    return from_config(config, name=title.removesuffix("_config"), source=str(path))


def from_config(config: Mapping[str, Any], *, name: str, source: str) -> Transformer:
    """Return the transformer that a configuration describes.

    Parameters
    ----------
    config : mapping
        The content of config.json; of multimodal models the text part is described.
    name : str
        What to call the transformer; its slug becomes the name, the text itself the title.
    source : str
        Where the configuration is from; also the file that messages name.

    Raises
    ------
    InputError
        As `read_config` does.
    """
    whole = Fields(config, source)
    f, kind = _text_part(whole)
    record = _record(whole, f, kind, name)
    if f.problems:
        raise InputError(f.problems)
    return record


def _record(whole: Fields, f: Fields, kind: str, name: str) -> Transformer:
    """Return what the fields say; where some could not be read, placeholders stand in for them."""
    family = _family(f, kind)
    layers = read_layers(family.read, f)
    quantised = read_quantisation(whole, f, layers)
    encoded, uncounted = towers(whole, f.hidden)
    parallel, learned = family.parallel, family.positions
    return Transformer(
        name=slug(name),
        title=name,
        hidden=f.hidden,
        vocabulary=f.count("vocab_size"),
        layers=grouped(layers),
        order=order(layers),
        source=f.file,
        date="",
        tied_embeddings=_tied(whole, f, family.tied),
        parallel_attention=f.flag(parallel, True) if isinstance(parallel, str) else parallel,
        context=longest_context(f, kind),
        learned_positions=f.count(learned) + family.extra_positions if learned else 0,
        prediction_layers=f.number(*PREDICTION),
        weight_precision=quantised.precision,
        checkpoint=quantised.checkpoint,
        tower_parameters=encoded,
        look_up_parameters=look_ups(f),
        notes=" ".join(filter(None, (quantised.note, uncounted))),
    )


def _load(path: Path) -> Mapping[str, Any]:
    """Return the mapping a JSON file holds."""
    expected = "a config.json, as it stands beside published weights"
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
    except UnicodeDecodeError:
        reason = "bytes that are not text"
    except json.JSONDecodeError as error:
        raise InputError(
            Problem(expected, f"no JSON ({error.msg})", file=str(path), line=error.lineno)
        ) from error
    except RecursionError:
        reason = "values nested too deep"
    else:
        if isinstance(loaded, dict):
            return loaded
        reason = f"a {type(loaded).__name__}"
    raise InputError(Problem(expected, reason, file=str(path)))


def _text_part(whole: Fields) -> tuple[Fields, str]:
    """Return the fields of the language model and its type."""
    kind = whole.values.get("model_type")
    text = whole.values.get("text_config")
    if not isinstance(kind, str):
        _unknown(whole, "a model_type")
    if kind in REFUSED or not isinstance(text, Mapping):
        return whole, str(kind)
    f = whole.section("text_config")
    return f, str(text.get("model_type") or kind)


def _family(f: Fields, kind: str) -> Family:
    """Return how configurations of this type are read, or refuse it."""
    known = ALIASES.get(kind, kind)
    if known in FAMILIES:
        return FAMILIES[known]
    if kind in REFUSED:
        f.complain(
            "model_type",
            "an architecture that can be described exactly",
            f"This one cannot: {REFUSED[kind]}.",
            repr(kind),
        )
        raise InputError(f.problems)
    return _unknown(f, f"one of the {len(MODEL_TYPES)} architectures the planner reads")


def _unknown(f: Fields, expected: str) -> Family:
    """Refuse an architecture, with the names like it and the usual fields it lacks."""
    kind = f.values.get("model_type")
    near = did_you_mean(kind, MODEL_TYPES) if isinstance(kind, str) else ""
    lacking = [field for field in USUAL if not f.has(field)]
    names = ", ".join(lacking)
    lacks = f"Of the fields such architectures state it lacks {names}." if lacking else ""
    advice = "Describe it in a catalogue file instead of letting its shape be guessed."
    f.complain("model_type", expected, " ".join(filter(None, (near, lacks, advice))))
    raise InputError(f.problems)


def _tied(whole: Fields, f: Fields, default: bool) -> bool:
    """Tell whether the output projection is the embedding: by the file, else by the family."""
    return whole.flag("tie_word_embeddings", f.flag("tie_word_embeddings", default))
