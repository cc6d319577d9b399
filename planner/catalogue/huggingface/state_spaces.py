"""Readers of the architectures that mix attention with Mamba layers or short convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from planner.catalogue.attention import Recurrent
from planner.catalogue.feedforward import Dense, FeedForward
from planner.catalogue.huggingface.blocks import (
    INTERMEDIATE,
    Family,
    Layer,
    dense,
    heads,
    mixed,
    mixture,
)
from planner.catalogue.huggingface.fields import Fields
from planner.catalogue.huggingface.hybrid import state_bytes
from planner.catalogue.huggingface.moe import COUNT, LOCAL

ATTENTION = ("full_attention", "attention")
STATES = ("linear_attention", "mamba")
CONVOLUTIONS = ("conv", "short_conv")


def granite_hybrid(f: Fields) -> list[Layer]:
    """Granite 4: Mamba 2 or attention, and a mixture beside a shared block, or that block alone."""
    whole = heads(f, bias=f.flag("attention_bias", False))
    common = f.count("shared_intermediate_size")
    block: FeedForward = Dense(common)
    if f.number(*LOCAL):
        block = mixture(f, count=LOCAL, width=INTERMEDIATE, shared_width=common)
    kinds = _kinds(f, STATES, "mamba")
    state = mamba2(f) if any(kind in STATES for kind in kinds) else None
    return [(state if kind in STATES else whole, block) for kind in kinds]


def _kinds(f: Fields, others: tuple[str, ...], otherwise: str) -> list[str]:
    """Return the kind of every layer by layer_types; all are alike where it is missing."""
    name = "layer_types" if f.has("layer_types") else "layers_block_type"
    if not f.has(name):
        return [otherwise] * f.layers
    return f.per_layer(name, (*ATTENTION, *others), f.layers)


def mamba2(f: Fields, width: int = 0) -> Recurrent:
    """Read a Mamba 2 layer in the words of Granite and Falcon.

    Parameters
    ----------
    f : Fields
        The configuration.
    width : int
        Numbers of all heads where the size of a head is not stated; else that of `mamba_expand`.
    """
    count = f.count("mamba_n_heads")
    whole = width or f.count("mamba_expand", default=2) * f.hidden
    stated = f.has("mamba_d_head") and f.values["mamba_d_head"] != "auto"
    return Recurrent(
        key_heads=f.count("mamba_n_groups"),
        value_heads=count,
        key_dim=f.count("mamba_d_state"),
        value_dim=f.count("mamba_d_head") if stated else max(whole // count, 1),
        convolution=f.count("mamba_d_conv"),
        gates_per_head=1,
        state_number_bytes=state_bytes(f),
    )


def falcon_h1(f: Fields) -> list[Layer]:
    """Falcon-H1: Mamba 2 beside attention in every layer, read as two layers in a row."""
    whole, block = heads(f, bias=f.flag("attention_bias", False)), dense(f)
    state = mamba2(f, f.number("mamba_d_ssm"))
    return [(state, None), (whole, block)] * f.layers


def jamba(f: Fields) -> list[Layer]:
    """Jamba: Mamba, attention every few layers, and a mixture every few layers."""
    layers, whole, state = f.layers, heads(f), mamba1(f)
    attends = _every(f, "attn_layer", 8, 4)
    sparse = _every(f, "expert_layer", 2, 1) if f.number(*COUNT) > 1 else [False] * layers
    if any(sparse):
        experts = mixture(f, count=COUNT, width=INTERMEDIATE)
        blocks = mixed(sparse, partial(dense, f), experts)
    else:
        blocks = [dense(f)] * layers
    return [(whole if attends[layer] else state, blocks[layer]) for layer in range(layers)]


def _every(f: Fields, name: str, period: int, offset: int) -> list[bool]:
    """Tell which layers stand at the offset of a period."""
    length = f.count(f"{name}_period", default=period)
    first = f.number(f"{name}_offset") if f.has(f"{name}_offset") else offset
    return [layer % length == first for layer in range(f.layers)]


def mamba1(f: Fields) -> Recurrent:
    """Read a Mamba layer: a state for every channel, no keys in the convolution.

    Input, output and step size of the state are projected from the channels, the last through a
    bottleneck; they are counted as one bottleneck with as many weights.
    """
    width = f.count("mamba_expand", default=2) * f.hidden
    state, rank = f.count("mamba_d_state"), -(-f.hidden // 16)
    if f.has("mamba_dt_rank") and f.values["mamba_dt_rank"] != "auto":
        rank = f.count("mamba_dt_rank")
    return Recurrent(
        key_heads=0,
        value_heads=width,
        key_dim=state,
        value_dim=1,
        convolution=f.count("mamba_d_conv"),
        gates_per_head=0,
        low_rank_gates=round(width * 2 * (rank + state) / (f.hidden + width)),
        state_number_bytes=state_bytes(f),
    )


def lfm2(f: Fields) -> list[Layer]:
    """LFM2: gated short convolutions, attention in some layers."""
    f = _lfm2_fields(f)
    return _with_convolutions(f, [Dense(_lfm2_width(f))] * f.layers)


def lfm2_moe(f: Fields) -> list[Layer]:
    """LFM2 with experts: some dense blocks first."""
    first, f = f.number("num_dense_layers"), _lfm2_fields(f)
    experts = mixture(f, count=COUNT)
    blocks = mixed([layer >= first for layer in range(f.layers)], partial(dense, f), experts)
    return _with_convolutions(f, blocks)


def _lfm2_fields(f: Fields) -> Fields:
    """Return the fields under the names that other families use."""
    changes = {}
    if f.has("block_ff_dim"):
        changes[INTERMEDIATE] = f.values["block_ff_dim"]
    if not f.has("layer_types") and f.has("full_attn_idxs"):
        whole = f.numbers("full_attn_idxs")
        kinds = [ATTENTION[0] if layer in whole else "conv" for layer in range(f.layers)]
        changes["layer_types"] = kinds
    return Fields({**f.values, **changes}, f.file, f.prefix, f.problems)


def _lfm2_width(f: Fields) -> int:
    """Two thirds of the stated width, times a factor, rounded up; or the stated one."""
    width = f.count(INTERMEDIATE)
    if not f.flag("block_auto_adjust_ff_dim", True):
        return width
    factor = f.values.get("block_ffn_dim_multiplier")
    width = int(2 * width / 3)
    if isinstance(factor, int | float) and not isinstance(factor, bool) and 0 < factor < 1e3:
        width = int(factor * width)
    multiple = f.count("block_multiple_of", default=256)
    return -(-width // multiple) * multiple


def _with_convolutions(f: Fields, blocks: list[FeedForward]) -> list[Layer]:
    whole = heads(f)
    kinds = _kinds(f, CONVOLUTIONS, ATTENTION[0])
    short = _convolution(f, whole.query_heads)
    return [
        (short if kind in CONVOLUTIONS else whole, block)
        for kind, block in zip(kinds, blocks, strict=True)
    ]


def _convolution(f: Fields, parts: int) -> Recurrent:
    """Read a short convolution between two gates, each as wide as the hidden size: no state."""
    size = max(f.hidden // parts, 1)
    return Recurrent(
        key_heads=0,
        value_heads=parts,
        key_dim=0,
        value_dim=size,
        convolution=f.count("conv_L_cache", default=3),
        gates_per_head=size,
    )


STATE_SPACES: Mapping[str, Family] = {
    "falcon_h1": Family(falcon_h1),
    "granitemoehybrid": Family(granite_hybrid),
    "jamba": Family(jamba),
    "lfm2": Family(lfm2, tied=True),
    "lfm2_moe": Family(lfm2_moe, tied=True),
}
