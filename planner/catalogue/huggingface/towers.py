"""Weights of the towers that encode images, from the vision_config of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.catalogue.huggingface.fields import Fields

SECTION = "vision_config"
OTHERS = ("audio_config", "speech_config")
"""Sections of towers that are not counted."""


def towers(whole: Fields, hidden: int) -> tuple[int, str]:
    """Return the weights of what encodes images, and what is not counted, in words.

    Projections into the hidden size belong to the tower. What cannot be read is not counted, and
    stops nothing.

    Parameters
    ----------
    whole : Fields
        The configuration of the whole model.
    hidden : int
        Hidden size of the language model.
    """
    stated = whole.values.get(SECTION)
    missing = [name for name in OTHERS if isinstance(whole.values.get(name), Mapping)]
    found = 0
    if isinstance(stated, Mapping) and stated:
        kind = str(whole.values.get("model_type"))
        part = Fields(stated, whole.file, f"{SECTION}.")
        reader = TOWERS.get(kind)
        found = reader(part, whole, hidden) if reader else 0
        if part.problems or not reader:
            found, missing = 0, [SECTION, *missing]
    return found, f"Weights of {' and '.join(missing)} are not counted." if missing else ""


def _linear(inputs: int, outputs: int, *, bias: bool = True) -> int:
    return inputs * outputs + (outputs if bias else 0)


def _patches(
    part: Fields, width: int, *, frames: int = 1, bias: bool = True, size: int = 14
) -> int:
    """Weights that turn patches of so many frames into vectors."""
    channels = part.count("in_channels", "in_chans", "num_channels", default=3)
    patch = part.count("patch_size", default=size)
    return _linear(channels * frames * patch * patch, width, bias=bias)


def _frames(part: Fields) -> int:
    return part.count("temporal_patch_size", default=2)


def _block(width: int, inner: int) -> int:
    """Weights of one layer: attention, a plain block and two norms, all with biases."""
    attention, norms = 4 * _linear(width, width), 4 * width
    return attention + _linear(width, inner) + _linear(inner, width) + norms


def _qwen3(part: Fields, whole: Fields, hidden: int) -> int:
    """Qwen3-VL and Qwen 3.5: merged patches, some also from layers inside the tower."""
    width, out = part.count("hidden_size"), part.count("out_hidden_size", default=hidden)
    layers, inner = part.count("depth"), part.count("intermediate_size")
    merged = width * part.count("spatial_merge_size", default=2) ** 2
    inside = part.values.get("deepstack_visual_indexes")
    usual = 3 if str(whole.values.get("model_type")).startswith("qwen3_vl") else 0
    merger = _linear(merged, merged) + _linear(merged, out)
    deep = len(inside) if isinstance(inside, list) else usual
    positions = part.count("num_position_embeddings", default=2304)
    patches = _patches(part, width, frames=_frames(part), size=16) + positions * width
    ends = 2 * width + merger + deep * (2 * merged + merger)
    return patches + layers * _block(width, inner) + ends


def _qwen2(part: Fields, whole: Fields, hidden: int) -> int:
    """Qwen2-VL: `hidden_size` is that of the language model."""
    width, out = part.count("embed_dim", default=1280), part.count("hidden_size", default=hidden)
    layers, inner = part.count("depth", default=32), width * part.count("mlp_ratio", default=4)
    merged = width * part.count("spatial_merge_size", default=2) ** 2
    patches = _patches(part, width, frames=_frames(part), bias=False)
    ends = 2 * width + _linear(merged, merged) + _linear(merged, out)
    return patches + layers * _block(width, inner) + ends


def _qwen2_5(part: Fields, whole: Fields, hidden: int) -> int:
    """Qwen2.5-VL: gated blocks."""
    width, out = part.count("hidden_size"), part.count("out_hidden_size", default=hidden)
    layers, inner = part.count("depth", default=32), part.count("intermediate_size")
    merged = width * part.count("spatial_merge_size", default=2) ** 2
    gated = 2 * _linear(width, inner) + _linear(inner, width)
    block = 4 * _linear(width, width) + gated + 2 * width
    patches = _patches(part, width, frames=_frames(part), bias=False)
    return patches + layers * block + width + _linear(merged, merged) + _linear(merged, out)


def _glm4v(part: Fields, whole: Fields, hidden: int) -> int:
    """GLM-4.1V to 4.6V: blocks as wide as the language model, a gated merger."""
    width, out = part.count("hidden_size"), part.count("out_hidden_size", default=hidden)
    layers, inner = part.count("depth"), part.count("intermediate_size")
    bias, merge = part.flag("attention_bias", False), part.count("spatial_merge_size", default=2)
    patch = part.count("patch_size", default=14)
    positions = (part.count("image_size", default=336) // patch) ** 2
    block = _linear(width, 3 * width, bias=bias) + width * width + 3 * width * out + 2 * width
    merger = out * out + 2 * out + 3 * out * inner
    down = _linear(width * merge * merge, out)
    patches = _patches(part, width, frames=_frames(part)) + positions * width
    return patches + layers * block + 2 * width + down + merger


def _siglip(part: Fields, whole: Fields, hidden: int) -> int:
    """Gemma 3: SigLIP, with its pooling head where the file keeps it."""
    width, inner = part.count("hidden_size"), part.count("intermediate_size")
    layers, patch = part.count("num_hidden_layers"), part.count("patch_size")
    positions = (part.count("image_size") // patch) ** 2
    tower = _patches(part, width) + positions * width + layers * _block(width, inner) + 2 * width
    if part.flag("vision_use_head", True):
        tower += _block(width, inner) - width
    return tower + width * hidden + width


def _gemma4(part: Fields, whole: Fields, hidden: int) -> int:
    """Gemma 4: gated blocks with norms before and after, positions by row and by column."""
    width, inner = part.count("hidden_size"), part.count("intermediate_size")
    layers, size = part.count("num_hidden_layers"), part.count("head_dim")
    heads = part.count("num_attention_heads") * size
    pairs = part.count("num_key_value_heads") * size
    block = 2 * width * (heads + pairs) + 3 * width * inner + 4 * width + 2 * size
    positions = 2 * part.count("position_embedding_size") * width
    patches = _patches(part, width, bias=False, size=16) + positions
    return patches + layers * block + width * hidden


def _pixtral(part: Fields, whole: Fields, hidden: int) -> int:
    """Mistral 3: Pixtral, gated and without biases."""
    width, inner = part.count("hidden_size"), part.count("intermediate_size")
    layers, merge = part.count("num_hidden_layers"), whole.count("spatial_merge_size", default=2)
    block = 4 * width * width + 3 * width * inner + 2 * width
    bias = whole.flag("multimodal_projector_bias", False)
    merger = width + width * width * merge * merge
    into = _linear(width, hidden, bias=bias) + _linear(hidden, hidden, bias=bias)
    return _patches(part, width, bias=False) + width + layers * block + merger + into


def _llama4(part: Fields, whole: Fields, hidden: int) -> int:
    """Llama 4: patches of several pixels, shuffled, an adapter and a projector."""
    width, inner = part.count("hidden_size"), part.count("intermediate_size")
    layers, patch = part.count("num_hidden_layers"), part.count("patch_size")
    positions = (part.count("image_size") // patch) ** 2 + 1
    middle, out = part.count("projector_input_dim"), part.count("projector_output_dim")
    tower = _patches(part, width, bias=False) + (positions + 1) * width + 4 * width
    adapter = inner * middle + middle * out + part.count("vision_output_dim") * hidden
    return tower + layers * _block(width, inner) + adapter


def _kimi(part: Fields, whole: Fields, hidden: int) -> int:
    """Kimi K2.5 and K3: MoonViT, merged patches."""
    width, inner = part.count("vt_hidden_size"), part.count("vt_intermediate_size")
    layers = part.count("vt_num_hidden_layers")
    rows, columns = part.count("init_pos_emb_height"), part.count("init_pos_emb_width")
    merge = part.values.get("merge_kernel_size") or [2, 2]
    if not isinstance(merge, list) or len(merge) != 2 or not all(type(n) is int for n in merge):
        part.complain("merge_kernel_size", "two whole numbers")
        return 0
    merged, out = width * merge[0] * merge[1], part.count("text_hidden_size", default=hidden)
    patches = _patches(part, width) + rows * columns * width
    into = 2 * width + _linear(merged, merged) + _linear(merged, out)
    return patches + layers * _block(width, inner) + 2 * width + into


TOWERS: Mapping[str, Callable[[Fields, Fields, int], int]] = {
    "gemma3": _siglip,
    "gemma4": _gemma4,
    "glm4v": _glm4v,
    "glm4v_moe": _glm4v,
    "kimi_k25": _kimi,
    "llama4": _llama4,
    "mistral3": _pixtral,
    "qwen2_5_vl": _qwen2_5,
    "qwen2_vl": _qwen2,
    "qwen3_5": _qwen3,
    "qwen3_5_moe": _qwen3,
    "qwen3_vl": _qwen3,
    "qwen3_vl_moe": _qwen3,
}
"""Readers of towers by the type of the whole model."""
