"""Parts that many families share: attention with or without windows, blocks, mixtures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from planner.catalogue.attention import Attention, GroupedQuery, Latent
from planner.catalogue.feedforward import Dense, Experts, FeedForward
from planner.catalogue.huggingface.fields import Fields
from planner.catalogue.transformer import LayerGroup

Layer = tuple[Attention | None, FeedForward | None]
Reader = Callable[[Fields], list[Layer]]

SLIDING, FULL = "sliding_attention", "full_attention"
INTERMEDIATE = "intermediate_size"
BLOCK_TYPES = "mlp_layer_types"


@dataclass(frozen=True, slots=True)
class Family:
    """How the configurations of one architecture are read; defaults are those of transformers."""

    read: Reader
    tied: bool = False
    """Whether embeddings are tied where the configuration does not say."""
    parallel: bool | str = False
    """Whether attention and block run side by side; as text, the field that says so."""
    positions: str = ""
    """Field that counts learned position embeddings."""
    extra_positions: int = 0


def grouped(layers: Iterable[Layer]) -> tuple[LayerGroup, ...]:
    """Return equal layers as groups, in the order of their first appearance."""
    return tuple(LayerGroup(count, *layer) for layer, count in Counter(layers).items())


def order(layers: Sequence[Layer]) -> tuple[int, ...]:
    """Return the group of every layer; nothing where all are alike."""
    groups = {layer: index for index, layer in enumerate(dict.fromkeys(layers))}
    return tuple(groups[layer] for layer in layers) if len(groups) > 1 else ()


def heads(
    f: Fields,
    *,
    own_heads: bool = True,
    head_dim: bool = False,
    bias: bool = False,
    gated: bool = False,
) -> GroupedQuery:
    """Read grouped-query attention.

    Parameters
    ----------
    f : Fields
        The configuration.
    own_heads : bool
        Whether every query head has its own key and value where their number is not stated.
    head_dim : bool
        Whether the size of a head must be stated; else it follows from the hidden size.
    bias, gated : bool
        As the record takes them.
    """
    queries = f.count("num_attention_heads", "n_head")
    pairs = f.count("num_key_value_heads", default=queries if own_heads else None)
    if queries % pairs and not f.problems:
        f.complain("num_key_value_heads", f"a divisor of the {queries} query heads")
    size = f.count("head_dim") if head_dim else f.head_size(queries)
    return GroupedQuery(queries, pairs, size, bias=bias, gated=gated)


def sliding(f: Fields, whole: GroupedQuery, windowed: Sequence[bool]) -> list[Attention]:
    """Return the attention of each layer, where `windowed` tells which slide over a window.

    A window as long as the context is none.
    """
    if not any(windowed):
        return [whole] * len(windowed)
    size, context = f.count("sliding_window"), f.number("max_position_embeddings")
    window = whole if 0 < context <= size else replace(whole, window=size)
    return [window if slides else whole for slides in windowed]


def by_types(f: Fields, otherwise: Callable[[int], bool]) -> list[bool]:
    """Tell which layers slide: by layer_types, else by the rule of the family."""
    layers = f.layers
    if f.has("layer_types"):
        return [kind == SLIDING for kind in f.per_layer("layer_types", (FULL, SLIDING), layers)]
    return [otherwise(layer) for layer in range(layers)]


def dense(f: Fields, *, gated: bool = True, field: str = INTERMEDIATE) -> Dense:
    """Read a block that every token passes."""
    return Dense(f.count(field), gated)


def mixture(
    f: Fields,
    *,
    count: Sequence[str],
    active: Sequence[str] = ("num_experts_per_tok",),
    width: str = "moe_intermediate_size",
    shared_width: int = 0,
) -> Experts:
    """Read a mixture of experts from the fields named."""
    experts, chosen = f.count(*count), f.count(*active)
    if chosen > experts:
        f.complain(active[0], f"at most the {experts} experts")
    return Experts(experts, chosen, f.count(width), shared_width)


def shared(f: Fields, *names: str, width: str = "moe_intermediate_size") -> int:
    """Return the width of the shared experts together: their number times that of one."""
    number = f.number(*names)
    return number * f.count(width) if number else 0


def after_dense(f: Fields, dense_block: Callable[[], Dense], experts: Experts) -> list[FeedForward]:
    """Return the blocks of layers whose first few are dense and whose others are mixtures."""
    if f.has(BLOCK_TYPES):
        return by_block_types(f, dense_block, experts)
    first, layers = f.number("first_k_dense_replace"), f.layers
    if not f.has("first_k_dense_replace"):
        f.count("first_k_dense_replace")
    every = f.count("moe_layer_freq", default=1)
    sparse = [layer >= first and layer % every == 0 for layer in range(layers)]
    return mixed(sparse, dense_block, experts)


def by_block_types(
    f: Fields, dense_block: Callable[[], Dense], experts: Experts
) -> list[FeedForward]:
    """Return the blocks of layers whose kinds are listed, as transformers 5 lists them."""
    kinds = f.per_layer(BLOCK_TYPES, ("sparse", "dense"), f.layers)
    return mixed([kind == "sparse" for kind in kinds], dense_block, experts)


def mixed(
    sparse: Sequence[bool], dense_block: Callable[[], Dense], experts: Experts
) -> list[FeedForward]:
    """Return the block of every layer; a dense one is read only where there is some."""
    if all(sparse):
        return [experts] * len(sparse)
    block = dense_block()
    return [experts if chosen else block for chosen in sparse]


def latent(f: Fields, *, gated: bool = False) -> Latent:
    """Read multi-head latent attention."""
    query = f.number("q_lora_rank")
    return Latent(
        query_heads=f.count("num_attention_heads"),
        kv_latent=f.count("kv_lora_rank"),
        rotary_dim=f.count("qk_rope_head_dim"),
        nope_dim=f.count("qk_nope_head_dim"),
        value_dim=f.count("v_head_dim"),
        query_latent=query or None,
        gated=gated,
    )
