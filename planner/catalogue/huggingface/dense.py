"""Readers of the architectures whose every layer has a dense block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from planner.catalogue.attention import Attention, GroupedQuery
from planner.catalogue.feedforward import Dense, Experts, FeedForward
from planner.catalogue.huggingface.blocks import (
    FULL,
    SLIDING,
    Family,
    Layer,
    by_types,
    dense,
    heads,
    sliding,
)
from planner.catalogue.huggingface.fields import PLACEHOLDER, Fields


def plain(
    f: Fields,
    *,
    bias: bool | str = False,
    otherwise: bool = False,
    gated: bool = True,
    own_heads: bool = True,
    head_dim: bool = False,
    slides: Callable[[Fields], list[bool]] | None = None,
) -> list[Layer]:
    """Read attention and a block that are the same in every layer, but for windows.

    Parameters
    ----------
    f : Fields
        The configuration.
    bias : bool or str
        Whether queries, keys and values add a bias; as text, the field that says so.
    otherwise : bool
        The bias where that field is missing.
    gated : bool
        Whether the block is gated.
    own_heads, head_dim : bool
        As `planner.catalogue.huggingface.blocks.heads` takes them.
    slides : callable, optional
        Tells which layers slide over a window; none by default.
    """
    biased = f.flag(bias, otherwise) if isinstance(bias, str) else bias
    whole = heads(f, own_heads=own_heads, head_dim=head_dim, bias=biased)
    block = dense(f, gated=gated)
    windowed = [False] * f.layers if slides is None else slides(f)
    return [(attention, block) for attention in sliding(f, whole, windowed)]


def everywhere(f: Fields) -> list[bool]:
    """Every layer slides where a window is stated."""
    return by_types(f, lambda _: f.has("sliding_window"))


def upper_layers(f: Fields) -> list[bool]:
    """Qwen: layers from max_window_layers on, only where use_sliding_window says so."""
    if not f.flag("use_sliding_window", False):
        return [False] * f.layers
    first = f.number("max_window_layers")
    return by_types(f, lambda layer: layer >= first)


def all_but_every(pattern: int, field: str = "sliding_window_pattern") -> Callable[..., list[bool]]:
    """Return a rule: each `pattern`-th layer attends to everything, the others slide."""

    def slides(f: Fields) -> list[bool]:
        return by_types(f, lambda layer: (layer + 1) % f.count(field, default=pattern) != 0)

    return slides


LAYER_EMBEDDING = "hidden_size_per_layer_input"
"""Field with the size of the embedding that every layer has of its own."""
GEMMA3: Mapping[str, int] = {
    "vocab_size": 262208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "sliding_window": 4096,
    "max_position_embeddings": 131072,
}
"""Values of transformers' Gemma3TextConfig, which the makers' own files leave out."""


def gemma3(f: Fields) -> list[Layer]:
    """Gemma 3; its files state only what differs from the defaults."""
    f.values = {**GEMMA3, **f.values}
    return plain(f, head_dim=True, slides=all_but_every(6))


def gemma4(f: Fields) -> list[Layer]:
    """Gemma 4: windowed layers have heads of their own, a mixture stands beside the block.

    Others have their heads by fields of their own, or by per_layer_config.
    """
    types = f.per_layer("layer_types", (FULL, SLIDING), f.layers)
    window = replace(heads(f, own_heads=False, head_dim=True), window=f.count("sliding_window"))
    same = f.flag("attention_k_eq_v", False)
    pairs, size = window.kv_heads, window.head_dim
    if not f.has("per_layer_config"):
        pairs = f.count("num_global_key_value_heads") if same else pairs
        size = f.count("global_head_dim")
    whole = GroupedQuery(window.query_heads, pairs, size, values_from_keys=same)
    wider = 2 if f.flag("use_double_wide_mlp", False) else 1
    own, late = _gemma4_block(f, 1), _gemma4_block(f, wider)
    attentions = [window if kind == SLIDING else whole for kind in types]
    return _sharing(f, [(one, own) for one in attentions], [(one, late) for one in attentions])


def _sharing(f: Fields, layers: list[Layer], late: list[Layer]) -> list[Layer]:
    """Return the layers, the last `num_kv_shared_layers` of them with the caches of earlier ones.

    Parameters
    ----------
    f : Fields
        The configuration.
    layers, late : list of Layer
        What every layer is where it has a cache of its own, and where it shares one.
    """
    number = f.number("num_kv_shared_layers")
    if number >= len(layers) and number:
        f.complain("num_kv_shared_layers", f"fewer than the {len(layers)} layers")
        return layers
    first = len(layers) - number
    shared = [(_shared(attention), block) for attention, block in late[first:]]
    return [*layers[:first], *shared]


def _shared(attention: Attention | None) -> Attention | None:
    if isinstance(attention, GroupedQuery):
        return replace(attention, shares_cache=True)
    return attention


def _gemma4_block(f: Fields, times: int) -> FeedForward:
    """Read a block; what gates the embedding of a layer has the size of a wider block.

    Gate, projection and way to the embedding are three matrices, as a gated block has.
    """
    width = times * f.count("intermediate_size") + f.number(LAYER_EMBEDDING)
    if not f.flag("enable_moe_block", False):
        return Dense(width)
    count, active = f.count("num_experts"), f.count("top_k_experts")
    return Experts(count, active, f.count("moe_intermediate_size"), shared_width=width)


def look_ups(f: Fields) -> int:
    """Return the weights of embeddings that layers have of their own."""
    size = f.number(LAYER_EMBEDDING)
    if not size:
        return 0
    return f.count("vocab_size_per_layer_input", default=262144) * size * f.layers


GEMMA3N: Mapping[str, int] = {
    "vocab_size": 262400,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "sliding_window": 512,
    "hidden_size_per_layer_input": 256,
    "num_kv_shared_layers": 15,
    "laurel_rank": 64,
    "altup_num_inputs": 4,
    "max_position_embeddings": 32768,
}
"""Values of transformers' Gemma3nTextConfig, which files may leave out."""


def gemma3n(f: Fields) -> list[Layer]:
    """Gemma 3n: the last layers share caches; small projections beside the block widen it.

    These are the embedding of the layer, as in Gemma 4, a low-rank way past the block, and the
    matrices that spread the first input over several and gather the last.
    """
    f.values = {**GEMMA3N, **f.values}
    layers, sides = f.layers, f.count("altup_num_inputs") - 1
    past = 2 * f.count("laurel_rank") + 2 * sides * f.hidden / layers
    beside = f.number(LAYER_EMBEDDING) + round(past / 3)
    blocks = [Dense(width + beside) for width in _widths(f, layers)]
    attentions = sliding(f, heads(f, head_dim=True), all_but_every(5)(f))
    found: list[Layer] = list(zip(attentions, blocks, strict=True))
    return _sharing(f, found, found)


def _widths(f: Fields, layers: int) -> list[int]:
    """Return the width of every block: one for all, or a list."""
    listed = f.values.get("intermediate_size")
    if not isinstance(listed, list):
        return [f.count("intermediate_size")] * layers
    if len(listed) < layers or not all(type(one) is int and one > 0 for one in listed):
        expected = f"a whole number of 1 or more, or a list of {layers} of them"
        f.complain("intermediate_size", expected)
        return [PLACEHOLDER] * layers
    return listed[:layers]


def falcon(f: Fields) -> list[Layer]:
    """Falcon: one key/value head, or as many as stated in its newer design."""
    queries = f.count("num_attention_heads", "n_head")
    pairs = 1 if f.flag("multi_query", True) else queries
    if f.flag("new_decoder_architecture", False):
        pairs = f.count("num_kv_heads", "n_head_kv")
    attention = GroupedQuery(queries, pairs, f.head_size(queries), bias=f.flag("bias", False))
    width = f.count("ffn_hidden_size", default=4 * f.hidden)
    return [(attention, Dense(width, gated=False))] * f.layers


def older(f: Fields, *, bias: bool = True, multi_query: bool = False) -> list[Layer]:
    """GPT-2, GPT-J, Bloom and StarCoder: four times the hidden size unless n_inner says else."""
    queries = f.count("n_head", "num_attention_heads")
    pairs = 1 if multi_query and f.flag("multi_query", True) else queries
    attention = GroupedQuery(queries, pairs, f.head_size(queries), bias=bias)
    block = Dense(f.count("n_inner", default=4 * f.hidden), gated=False)
    return [(attention, block)] * f.layers


def opt(f: Fields) -> list[Layer]:
    """OPT; the smallest of the family embeds words in a size of their own."""
    hidden = f.hidden
    f.refuse_if(
        f.count("word_embed_proj_dim", default=hidden) != hidden,
        "word_embed_proj_dim",
        f"the hidden size, {hidden}",
    )
    attention = heads(f, bias=f.flag("enable_bias", True))
    return [(attention, dense(f, gated=False, field="ffn_dim"))] * f.layers


def nas(f: Fields) -> list[Layer]:
    """Nemotron from a search over layers: each has its own attention and block, or none."""
    blocks, layers = f.values.get("block_configs"), f.layers
    if not isinstance(blocks, list) or len(blocks) != layers:
        f.complain("block_configs", f"a list of {layers} mappings, one for each layer")
        return []
    parts = [_nas_part(f, index) for index in range(layers)]
    return [(_nas_attention(f, part), _nas_block(f, part)) for part in parts]


def _nas_part(f: Fields, index: int) -> Fields:
    """Return the fields of one layer."""
    place = f"{f.prefix}block_configs[{index}]."
    value = f.values["block_configs"][index]
    return Fields(value if isinstance(value, Mapping) else {}, f.file, place, f.problems)


def _nas_attention(f: Fields, layer: Fields) -> Attention | None:
    part = layer.section("attention")
    for field in ("replace_with_linear", "sparsify", "window_length", "num_sink_tokens"):
        part.refuse_if(part.values.get(field), field, "false or null")
    if part.flag("no_op", False):
        return None
    queries = f.count("num_attention_heads")
    share = part.count("n_heads_in_group")
    return GroupedQuery(queries, max(queries // share, 1), f.head_size(queries))


def _nas_block(f: Fields, layer: Fields) -> FeedForward | None:
    """Two thirds of the factor times the hidden size, rounded up to 256."""
    part = layer.section("ffn")
    for field in ("replace_with_linear", "sparsify"):
        part.refuse_if(part.values.get(field), field, "false or null")
    if part.flag("no_op", False):
        return None
    if part.has("intermediate_size"):
        return Dense(part.count("intermediate_size"))
    factor = part.values.get("ffn_mult")
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 1e4:
        part.complain("ffn_mult", "a number above 0 (or intermediate_size)")
        return None
    width = int(2 * factor * f.hidden / 3)
    return Dense(-(-width // 256) * 256)


_llama = partial(plain, bias="attention_bias")
_qwen2 = partial(plain, bias=True, own_heads=False, slides=upper_layers)
_qwen3 = partial(plain, bias="attention_bias", own_heads=False, head_dim=True, slides=upper_layers)
_glm = partial(plain, bias="attention_bias", otherwise=True, own_heads=False, head_dim=True)
_windowed = partial(plain, bias="attention_bias", slides=everywhere)

DENSE: Mapping[str, Family] = {
    "apertus": Family(partial(_llama, gated=False)),
    "arcee": Family(partial(_llama, gated=False)),
    "bloom": Family(older, tied=True),
    "cohere": Family(_llama, tied=True, parallel=True),
    "cohere2": Family(partial(_llama, slides=all_but_every(4)), tied=True, parallel=True),
    "ernie4_5": Family(partial(plain, bias="use_bias", own_heads=False), tied=True),
    "exaone4": Family(partial(plain, own_heads=False, slides=all_but_every(4))),
    "falcon": Family(falcon, tied=True, parallel="parallel_attn"),
    "gemma": Family(partial(_llama, own_heads=False, head_dim=True), tied=True),
    "gemma2": Family(
        partial(_llama, own_heads=False, head_dim=True, slides=all_but_every(2)), tied=True
    ),
    "gemma3_text": Family(gemma3, tied=True),
    "gemma3n_text": Family(gemma3n, tied=True),
    "gemma4_text": Family(gemma4, tied=True),
    "glm": Family(_glm),
    "glm4": Family(_glm),
    "glm4v_text": Family(partial(plain, bias="attention_bias", otherwise=True, own_heads=False)),
    "gpt2": Family(older, tied=True, positions="n_positions"),
    "gpt_bigcode": Family(partial(older, multi_query=True), tied=True, positions="n_positions"),
    "gpt_neox": Family(
        partial(plain, bias="attention_bias", otherwise=True, gated=False),
        parallel="use_parallel_residual",
    ),
    "gptj": Family(partial(older, bias=False), parallel=True),
    "granite": Family(_llama),
    "hunyuan_v1_dense": Family(_llama),
    "internlm2": Family(partial(plain, bias="bias", otherwise=True)),
    "llama": Family(_llama),
    "mimo": Family(partial(plain, bias="attention_bias", otherwise=True, slides=upper_layers)),
    "ministral3": Family(partial(_windowed, own_heads=False)),
    "mistral": Family(partial(_windowed, own_heads=False)),
    "nemotron": Family(partial(_llama, gated=False)),
    "nemotron-nas": Family(nas),
    "olmo": Family(_llama),
    "olmo2": Family(_llama),
    "olmo3": Family(partial(_llama, slides=all_but_every(4))),
    "opt": Family(opt, tied=True, positions="max_position_embeddings", extra_positions=2),
    "phi": Family(partial(plain, bias=True, gated=False), parallel=True),
    "phi3": Family(_windowed),
    "qwen2": Family(_qwen2),
    "qwen2_5_vl_text": Family(_qwen2),
    "qwen2_vl_text": Family(_qwen2),
    "qwen3": Family(_qwen3),
    "qwen3_vl_text": Family(_qwen3),
    "seed_oss": Family(_glm),
    "smollm3": Family(partial(plain, bias="attention_bias", own_heads=False), tied=True),
    "stablelm": Family(
        partial(plain, bias="use_qkv_bias", own_heads=False), parallel="use_parallel_residual"
    ),
    "starcoder2": Family(
        partial(plain, bias="use_bias", otherwise=True, gated=False, slides=everywhere), tied=True
    ),
}
