"""Readers of the architectures with mixtures of experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from planner.catalogue.attention import Attention, GroupedQuery, Indexer
from planner.catalogue.feedforward import Experts, FeedForward
from planner.catalogue.huggingface.blocks import (
    BLOCK_TYPES,
    FULL,
    INTERMEDIATE,
    SLIDING,
    Family,
    Layer,
    after_dense,
    by_block_types,
    by_types,
    dense,
    heads,
    latent,
    mixed,
    mixture,
    shared,
    sliding,
)
from planner.catalogue.huggingface.dense import all_but_every, everywhere, upper_layers
from planner.catalogue.huggingface.fields import Fields

LOCAL = ("num_local_experts",)
ROUTED = ("n_routed_experts", "num_local_experts")
COUNT = ("num_experts", "num_local_experts")


def mixtral(f: Fields, *, own_heads: bool = False, shared_field: str = "") -> list[Layer]:
    """Mixtral and its kin: a mixture in every layer, as wide as intermediate_size says."""
    whole = heads(f, own_heads=own_heads, bias=f.flag("attention_bias", False))
    common = f.number(shared_field) if shared_field else 0
    experts = mixture(f, count=LOCAL, width=INTERMEDIATE, shared_width=common)
    return [(attention, experts) for attention in sliding(f, whole, everywhere(f))]


def olmoe(f: Fields) -> list[Layer]:
    """OLMoE: a mixture in every layer."""
    attention = heads(f, bias=f.flag("attention_bias", False))
    return [(attention, mixture(f, count=COUNT, width=INTERMEDIATE))] * f.layers


def qwen_moe(f: Fields, *, bias: bool | None = None, head_dim: bool = True) -> list[Layer]:
    """Qwen 2 and 3 mixtures; some layers can be dense."""
    biased = f.flag("attention_bias", False) if bias is None else f.flag("qkv_bias", bias)
    whole = heads(f, own_heads=False, head_dim=head_dim, bias=biased)
    return list(zip(sliding(f, whole, upper_layers(f)), qwen_blocks(f), strict=True))


def qwen_blocks(f: Fields) -> list[FeedForward]:
    """Return Qwen's blocks: a mixture each decoder_sparse_step layers, but for mlp_only_layers."""
    common = f.number("shared_expert_intermediate_size")
    experts = mixture(f, count=COUNT, shared_width=common)
    if f.has(BLOCK_TYPES):
        return by_block_types(f, partial(dense, f), experts)
    step = f.count("decoder_sparse_step", default=1)
    only = f.numbers("mlp_only_layers") if f.has("mlp_only_layers") else []
    sparse = [layer not in only and (layer + 1) % step == 0 for layer in range(f.layers)]
    return mixed(sparse, partial(dense, f), experts)


def dbrx(f: Fields) -> list[Layer]:
    """DBRX: attention and experts in sections of their own."""
    attention, experts = f.section("attn_config"), f.section("ffn_config")
    queries = f.count("n_heads")
    whole = GroupedQuery(queries, attention.count("kv_n_heads"), f.head_size(queries))
    count, active = experts.count("moe_num_experts"), experts.count("moe_top_k")
    return [(whole, Experts(count, active, experts.count("ffn_hidden_size")))] * f.layers


def gpt_oss(f: Fields) -> list[Layer]:
    """gpt-oss: every second layer slides, starting with the first."""
    bias = f.flag("attention_bias", True)
    whole = heads(f, own_heads=False, head_dim=True, bias=bias)
    active = ("num_experts_per_tok", "experts_per_token")
    experts = mixture(f, count=LOCAL, active=active, width=INTERMEDIATE)
    windowed = by_types(f, lambda layer: layer % 2 == 0)
    return [(attention, experts) for attention in sliding(f, whole, windowed)]


def llama4(f: Fields) -> list[Layer]:
    """Llama 4: three of four layers attend within chunks, described as windows."""
    whole = heads(f, own_heads=False, head_dim=True, bias=f.flag("attention_bias", False))
    layers = f.layers
    every = f.count("no_rope_layer_interval", default=4)
    chunked = [(layer + 1) % every != 0 for layer in range(layers)]
    if f.values.get("no_rope_layers"):
        chunked = [bool(entry) for entry in f.per_layer("no_rope_layers", (1, 0), layers)]
    chunk = replace(whole, window=f.count("attention_chunk_size"))
    width = f.count(INTERMEDIATE)
    experts = mixture(f, count=LOCAL, width=INTERMEDIATE, shared_width=width)
    step = f.count("interleave_moe_layer_step")
    block = experts if step == 1 else dense(f, field="intermediate_size_mlp")
    return [
        (chunk if chunked[layer] else whole, experts if (layer + 1) % step == 0 else block)
        for layer in range(layers)
    ]


def routed_blocks(f: Fields) -> list[FeedForward]:
    """Return DeepSeek's blocks: some dense ones first, then mixtures with shared experts."""
    experts = mixture(f, count=ROUTED, shared_width=shared(f, "n_shared_experts"))
    return after_dense(f, partial(dense, f), experts)


def deepseek(f: Fields) -> list[Layer]:
    """DeepSeek V2 and V3, Kimi K2: latent attention."""
    attention = latent(f)
    return [(attention, block) for block in routed_blocks(f)]


def deepseek_sparse(f: Fields) -> list[Layer]:
    """DeepSeek V3.2 and GLM 5: an indexer, which later layers may take over from earlier ones."""
    attention = latent(f)
    kept = f.count("index_topk")
    own = replace(
        attention, indexer=Indexer(f.count("index_n_heads"), f.count("index_head_dim"), kept)
    )
    taken = replace(attention, indexer=Indexer(0, 0, kept))
    kinds = _indexers(f)
    blocks = routed_blocks(f)
    return [
        (own if kind == "full" else taken, block) for kind, block in zip(kinds, blocks, strict=True)
    ]


def _indexers(f: Fields) -> list[str]:
    """Tell which layers have an indexer of their own."""
    if f.has("indexer_types"):
        return f.per_layer("indexer_types", ("full", "shared"), f.layers)
    every = f.count("index_topk_freq", default=1)
    f.refuse_if(every > 1, "index_topk_freq", "1, or a list indexer_types")
    return ["full"] * f.layers


def glm4_moe(f: Fields, *, bias: bool = False) -> list[Layer]:
    """GLM 4.5 and kin: grouped queries, some dense blocks first."""
    attention: Attention = heads(f, own_heads=False, bias=f.flag("attention_bias", bias))
    return [(attention, block) for block in routed_blocks(f)]


def few_shared(f: Fields, *, bias: str = "attention_bias", windows: bool = False) -> list[Layer]:
    """EXAONE, Hunyuan 3 and Ling: as GLM 4.5, with other names; EXAONE slides in most layers."""
    whole = heads(f, own_heads=False, bias=f.flag(bias, False))
    width = "moe_shared_expert_intermediate_size"
    width = width if f.has(width) else "moe_intermediate_size"
    experts = mixture(f, count=COUNT, shared_width=shared(f, "num_shared_experts", width=width))
    blocks = after_dense(f, partial(dense, f), experts)
    windowed = all_but_every(4)(f) if windows else [False] * f.layers
    return list(zip(sliding(f, whole, windowed), blocks, strict=True))


def ernie(f: Fields) -> list[Layer]:
    """Ernie 4.5: mixtures between two layers, every few layers."""
    attention = heads(f, own_heads=False, bias=f.flag("use_bias", False))
    common = shared(f, "moe_num_shared_experts")
    experts = mixture(f, count=("moe_num_experts",), active=("moe_k",), shared_width=common)
    layers, every = f.layers, f.count("moe_layer_interval", default=1)
    first, last = f.number("moe_layer_start_index"), f.values.get("moe_layer_end_index", -1)
    end = f.number("moe_layer_end_index") if last not in (-1, None) else layers - 1
    sparse = [first <= layer <= end and (layer + 1) % every == 0 for layer in range(layers)]
    blocks = mixed(sparse, partial(dense, f), experts)
    return [(attention, block) for block in blocks]


def hunyuan(f: Fields) -> list[Layer]:
    """Hunyuan: a mixture in every layer; what may differ by layer is listed, and does not."""
    for name in ("moe_topk", "moe_intermediate_size", "num_shared_expert"):
        listed = f.values.get(name)
        if isinstance(listed, list) and listed:
            f.refuse_if(any(one != listed[0] for one in listed), name, "the same in every layer")
            f = Fields({**f.values, name: listed[0]}, f.file, f.prefix, f.problems)
    attention = heads(f, bias=f.flag("attention_bias", False))
    width = "moe_intermediate_size" if f.has("moe_intermediate_size") else INTERMEDIATE
    common = f.count("num_shared_expert", default=1) * f.count(INTERMEDIATE)
    active = ("moe_topk",)
    experts = mixture(f, count=COUNT, active=active, width=width, shared_width=common)
    return [(attention, experts)] * f.layers


def mimo_v2(f: Fields) -> list[Layer]:
    """MiMo V2: windowed layers have key/value heads of their own, or by per_layer_config."""
    whole = replace(heads(f, own_heads=False, head_dim=True), value_dim=f.count("v_head_dim"))
    experts = mixture(f, count=ROUTED, shared_width=shared(f, "n_shared_experts"))
    if f.has("layer_types"):
        slides = by_types(f, lambda _: False)
        own = not f.has("per_layer_config")
        window = _mimo_window(f) if own else replace(whole, window=f.count("sliding_window"))
        blocks = by_block_types(f, partial(dense, f), experts)
    else:
        slides = [bool(one) for one in f.per_layer("hybrid_layer_pattern", (0, 1), f.layers)]
        window = _mimo_window(f)
        sparse = [bool(one) for one in f.per_layer("moe_layer_freq", (0, 1), f.layers)]
        blocks = mixed(sparse, partial(dense, f), experts)
    return [(window if slides[layer] else whole, block) for layer, block in enumerate(blocks)]


def _mimo_window(f: Fields) -> GroupedQuery:
    return GroupedQuery(
        f.count("swa_num_attention_heads"),
        f.count("swa_num_key_value_heads"),
        f.count("swa_head_dim"),
        f.count("swa_v_head_dim"),
        f.count("sliding_window", "sliding_window_size"),
    )


def step3(f: Fields) -> list[Layer]:
    """Step 3.7: some dense blocks first; windows by layer_types."""
    for field in ("attention_other_setting", "num_sliding_attention_heads", "moe_layers_enum"):
        f.refuse_if(f.has(field), field, "nothing: windowed layers like the others")
    whole = heads(f, own_heads=False, head_dim=True)
    types = f.per_layer("layer_types", (FULL, SLIDING), f.layers)
    attentions = sliding(f, whole, [kind == SLIDING for kind in types])
    common = f.number("share_expert_dim")
    experts = mixture(f, count=("num_experts", *ROUTED), shared_width=common)
    return list(zip(attentions, after_dense(f, partial(dense, f), experts), strict=True))


MIXTURES: Mapping[str, Family] = {
    "bailing_moe": Family(partial(few_shared, bias="use_qkv_bias")),
    "bailing_moe_v2": Family(partial(few_shared, bias="use_qkv_bias")),
    "dbrx": Family(dbrx),
    "deepseek": Family(glm4_moe),
    "deepseek_v2": Family(deepseek),
    "deepseek_v3": Family(deepseek),
    "deepseek_v32": Family(deepseek_sparse),
    "dots1": Family(glm4_moe),
    "ernie4_5_moe": Family(ernie, tied=True),
    "exaone_moe": Family(partial(few_shared, windows=True)),
    "glm4_moe": Family(glm4_moe),
    "glm4_moe_lite": Family(deepseek),
    "glm4v_moe_text": Family(partial(glm4_moe, bias=True)),
    "glm_moe_dsa": Family(deepseek_sparse),
    "gpt_oss": Family(gpt_oss),
    "granitemoe": Family(partial(mixtral, own_heads=True)),
    "granitemoeshared": Family(
        partial(mixtral, own_heads=True, shared_field="shared_intermediate_size")
    ),
    "hunyuan_v1_moe": Family(hunyuan),
    "hy_v3": Family(few_shared),
    "kimi_k2": Family(deepseek),
    "llama4_text": Family(llama4),
    "mimo_v2_flash": Family(mimo_v2),
    "minimax_m2": Family(partial(mixtral, shared_field="shared_intermediate_size")),
    "mistral4": Family(deepseek),
    "mixtral": Family(mixtral),
    "olmoe": Family(olmoe),
    "phimoe": Family(mixtral),
    "qwen2_moe": Family(partial(qwen_moe, bias=True, head_dim=False)),
    "qwen3_moe": Family(qwen_moe),
    "qwen3_vl_moe_text": Family(qwen_moe),
    "step3p7": Family(step3),
}
