"""Readers of the architectures that mix attention with recurrent layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from planner.catalogue.attention import GroupedQuery, Recurrent
from planner.catalogue.feedforward import Experts, FeedForward
from planner.catalogue.huggingface.blocks import (
    FULL,
    Family,
    Layer,
    after_dense,
    dense,
    heads,
    latent,
    mixture,
    shared,
)
from planner.catalogue.huggingface.fields import PLACEHOLDER, Fields
from planner.catalogue.huggingface.moe import ROUTED, qwen_blocks

LINEAR = "linear_attention"
STATE_PRECISION = ("mamba_ssm_dtype", "mamba_ssm_cache_dtype")
"""Fields that state the number format of recurrent states."""
PATTERN = {"M": "mamba", "*": "attention", "E": "moe", "-": "mlp"}
"""Letters of Nemotron's hybrid_override_pattern, in the words of layers_block_type."""
RENAMED = {LINEAR: "mamba", FULL: "attention"}
"""Words of transformers 5 for the same layers."""


def qwen_next(f: Fields, *, experts: bool = True) -> list[Layer]:
    """Qwen3-Next and Qwen 3.5: gated delta nets, and gated attention every few layers."""
    gated = f.flag("attn_output_gate", True)
    bias = f.flag("attention_bias", False)
    whole = heads(f, own_heads=False, head_dim=True, bias=bias, gated=gated)
    delta = Recurrent(
        key_heads=f.count("linear_num_key_heads"),
        value_heads=f.count("linear_num_value_heads"),
        key_dim=f.count("linear_key_head_dim"),
        value_dim=f.count("linear_value_head_dim"),
        convolution=f.count("linear_conv_kernel_dim"),
        state_number_bytes=state_bytes(f),
    )
    layers = f.layers
    blocks: list[FeedForward] = qwen_blocks(f) if experts else [dense(f)] * layers
    if f.has("layer_types"):
        linear = [kind == LINEAR for kind in f.per_layer("layer_types", (FULL, LINEAR), layers)]
    else:
        every = f.count("full_attention_interval", default=4)
        linear = [(layer + 1) % every != 0 for layer in range(layers)]
    return [(delta if linear[layer] else whole, block) for layer, block in enumerate(blocks)]


def state_bytes(f: Fields) -> int:
    """Bytes of one number of a recurrent state: engines keep it in 16 bits unless told."""
    stated = {str(f.values.get(name)) for name in STATE_PRECISION}
    return 4 if "float32" in stated else 2


def nemotron_h(f: Fields) -> list[Layer]:
    """Nemotron-H and Nemotron 3: each layer is a Mamba 2, an attention or a block alone."""
    kinds = _nemotron_kinds(f)
    layers = {kind: _nemotron_layer(f, kind) for kind in dict.fromkeys(kinds)}
    return [layers[kind] for kind in kinds]


def _nemotron_layer(f: Fields, kind: str) -> Layer:
    if kind == "mamba":
        return _mamba(f), None
    if kind == "attention":
        return _nemotron_attention(f), None
    return None, dense(f, gated=False) if kind == "mlp" else _nemotron_experts(f)


def _nemotron_kinds(f: Fields) -> list[str]:
    if f.has("layers_block_type"):
        listed = f.values["layers_block_type"]
        stated = len(listed) if isinstance(listed, list) else PLACEHOLDER
        layers = f.layers if f.has("num_hidden_layers") else stated
        kinds = f.per_layer("layers_block_type", (*PATTERN.values(), *RENAMED), layers)
        return [RENAMED.get(kind, kind) for kind in kinds]
    pattern, layers = f.values.get("hybrid_override_pattern"), f.layers
    if not isinstance(pattern, str) or len(pattern) != layers or set(pattern) - set(PATTERN):
        expected = f"{layers} letters out of {' '.join(PATTERN)} (or layers_block_type)"
        f.complain("hybrid_override_pattern", expected)
        return []
    return [PATTERN[letter] for letter in pattern]


def _mamba(f: Fields) -> Recurrent:
    """Mamba 2: groups share the state's input and output, each head has one step size."""
    return Recurrent(
        key_heads=f.count("n_groups"),
        value_heads=f.count("mamba_num_heads"),
        key_dim=f.count("ssm_state_size"),
        value_dim=f.count("mamba_head_dim"),
        convolution=f.count("conv_kernel"),
        gates_per_head=1,
        state_number_bytes=state_bytes(f),
    )


def _nemotron_attention(f: Fields) -> GroupedQuery:
    queries, pairs = f.count("num_attention_heads"), f.count("num_key_value_heads")
    size = f.count("head_dim", "attention_head_dim")
    return GroupedQuery(queries, pairs, size, bias=f.flag("attention_bias", False))


def _nemotron_experts(f: Fields) -> Experts:
    common = shared(f, "n_shared_experts", width="moe_shared_expert_intermediate_size")
    experts = mixture(f, count=ROUTED, shared_width=common)
    return replace(experts, gated=False, latent=f.number("moe_latent_size") or None)


def kimi_linear(f: Fields) -> list[Layer]:
    """Kimi Linear and K3: Kimi delta attention, and latent attention every few layers."""
    whole = latent(f, gated=f.flag("mla_use_output_gate", False))
    if f.has("layer_types"):
        delta = _flat_delta(f)
        linear = [kind == LINEAR for kind in f.per_layer("layer_types", (FULL, LINEAR), f.layers)]
    else:
        part = f.section("linear_attn_config")
        delta, listed = _kimi_delta(part), part.numbers("kda_layers")
        linear = [layer in listed for layer in range(1, f.layers + 1)]
    blocks = _kimi_blocks(f)
    return [(delta if linear[layer] else whole, block) for layer, block in enumerate(blocks)]


def _kimi_blocks(f: Fields) -> list[FeedForward]:
    experts = mixture(
        f,
        count=("num_experts",),
        active=("num_experts_per_token", "num_experts_per_tok"),
        shared_width=shared(f, "num_shared_experts"),
    )
    experts = replace(experts, latent=f.number("routed_expert_hidden_size") or None)
    return after_dense(f, partial(dense, f), experts)


def _kimi_delta(part: Fields) -> Recurrent:
    """Kimi delta attention: a decay per channel through a bottleneck, its gate too unless full."""
    return _delta(
        part.count("num_heads"),
        part.count("head_dim"),
        part.count("short_conv_kernel_size"),
        full=part.flag("use_full_rank_gate", False),
    )


def _flat_delta(f: Fields) -> Recurrent:
    """Read the same in the words of transformers 5."""
    count, size = f.count("linear_num_heads"), f.count("linear_head_dim")
    return _delta(count, size, f.count("linear_conv_kernel_dim"), full=False)


def _delta(count: int, size: int, convolution: int, *, full: bool) -> Recurrent:
    """Engines keep its state in 32 bits, whatever the configuration says."""
    return Recurrent(
        key_heads=count,
        value_heads=count,
        key_dim=size,
        value_dim=size,
        convolution=convolution,
        gated=full,
        gates_per_head=1,
        low_rank_gates=size if full else 2 * size,
        state_number_bytes=4,
    )


def bailing_hybrid(f: Fields) -> list[Layer]:
    """Ling with linear attention: decay and gate as wide as the values, latent attention."""
    count, size = f.count("linear_num_heads"), f.count("linear_head_dim")
    delta = replace(
        _delta(count, size, f.count("linear_conv_kernel_dim"), full=True),
        gates_per_head=1 + size,
        low_rank_gates=0,
    )
    whole, blocks = latent(f), _kimi_blocks(f)
    kinds = f.per_layer("layer_types", (FULL, LINEAR), f.layers)
    return [
        (delta if kind == LINEAR else whole, block)
        for kind, block in zip(kinds, blocks, strict=True)
    ]


HYBRIDS: Mapping[str, Family] = {
    "bailing_hybrid": Family(bailing_hybrid),
    "kimi_linear": Family(kimi_linear),
    "nemotron_h": Family(nemotron_h),
    "qwen3_5_moe_text": Family(qwen_next),
    "qwen3_5_text": Family(partial(qwen_next, experts=False)),
    "qwen3_next": Family(qwen_next),
}
