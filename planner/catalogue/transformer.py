"""Transformers: the shapes of language models, and what follows from the shape alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class GroupedQuery:
    """Attention whose query heads share key/value heads (multi-head and multi-query included)."""

    query_heads: int
    kv_heads: int
    head_dim: int
    window: int | None = None
    """Positions a sliding-window layer keeps; None keeps all."""
    bias: bool = False
    """Whether the query, key and value projections add a bias."""
    kind: Literal["grouped-query"] = "grouped-query"

    def parameters(self, hidden: int) -> int:
        """Weights of the four projections of one layer."""
        width_in = (self.query_heads + 2 * self.kv_heads) * self.head_dim
        return hidden * (width_in + self.query_heads * self.head_dim) + self.bias * width_in

    def cache_elements(self) -> int:
        """Numbers one layer caches for one position."""
        return 2 * self.kv_heads * self.head_dim


@dataclass(frozen=True, slots=True)
class Latent:
    """Multi-head latent attention: keys and values are expanded from one small cached vector."""

    query_heads: int
    kv_latent: int
    rotary_dim: int
    nope_dim: int
    value_dim: int
    query_latent: int | None = None
    """Width of the compressed query; None where queries are projected directly."""
    kind: Literal["latent"] = "latent"

    def parameters(self, hidden: int) -> int:
        """Weights of all projections of one layer."""
        query_width = self.query_heads * (self.nope_dim + self.rotary_dim)
        query = hidden * query_width
        if self.query_latent is not None:
            query = self.query_latent * (hidden + query_width)
        down = hidden * (self.kv_latent + self.rotary_dim)
        up = self.kv_latent * self.query_heads * (self.nope_dim + self.value_dim)
        return query + down + up + self.query_heads * self.value_dim * hidden

    def cache_elements(self) -> int:
        """Numbers one layer caches for one position."""
        return self.kv_latent + self.rotary_dim


@dataclass(frozen=True, slots=True)
class Dense:
    """A feed-forward block that every token passes."""

    width: int
    gated: bool = True
    """Gated blocks have two matrices in and one out; plain ones one and one."""
    kind: Literal["dense"] = "dense"

    @property
    def matrices_in(self) -> int:
        """Matrices from the hidden size to the width."""
        return 2 if self.gated else 1

    def parameters(self, hidden: int) -> int:
        """Weights of one layer."""
        return (self.matrices_in + 1) * hidden * self.width

    def active_parameters(self, hidden: int) -> int:
        """Weights one token meets."""
        return self.parameters(hidden)


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts: a router sends each token to a few of many blocks."""

    count: int
    active: int
    width: int
    shared_width: int = 0
    """Width of the experts every token passes, taken together."""
    gated: bool = True
    kind: Literal["experts"] = "experts"

    @property
    def matrices_in(self) -> int:
        """Matrices from the hidden size to the width."""
        return 2 if self.gated else 1

    def parameters(self, hidden: int) -> int:
        """Weights of one layer, all experts and the router."""
        matrices = self.matrices_in + 1
        experts = matrices * hidden * (self.count * self.width + self.shared_width)
        return experts + hidden * self.count

    def active_parameters(self, hidden: int) -> int:
        """Weights one token meets."""
        matrices = self.matrices_in + 1
        experts = matrices * hidden * (self.active * self.width + self.shared_width)
        return experts + hidden * self.count


Attention = GroupedQuery | Latent
FeedForward = Dense | Experts


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Layers of one kind, in any place of the stack."""

    count: int
    attention: Attention
    feedforward: FeedForward


@dataclass(frozen=True, slots=True)
class Published:
    """Parameter counts the makers state, to compare with."""

    total_parameters: float
    source: str
    active_parameters: float | None = None


@dataclass(frozen=True, slots=True)
class Transformer:
    """One language model as its configuration file describes it."""

    name: str
    """Lower-case slug, also the name of its file."""
    title: str
    hidden: int
    vocabulary: int
    layers: tuple[LayerGroup, ...]
    source: str
    date: str
    tied_embeddings: bool = False
    parallel_attention: bool = False
    """Attention and feed-forward read the same input, so one all-reduce serves both."""
    context: int | None = None
    """Longest context the makers support, in tokens."""
    weight_precision: str = "bf16"
    """Precision of the published weights."""
    published: Published | None = None
    aliases: tuple[str, ...] = ()
    unverified: bool = False
    notes: str = ""

    @property
    def layer_count(self) -> int:
        """Layers of the whole stack."""
        return sum(group.count for group in self.layers)

    @property
    def embedding_parameters(self) -> int:
        """Weights of one embedding matrix."""
        return self.vocabulary * self.hidden

    @property
    def layer_parameters(self) -> int:
        """Weights of all layers, without embeddings."""
        return sum(
            group.count
            * (group.attention.parameters(self.hidden) + group.feedforward.parameters(self.hidden))
            for group in self.layers
        )

    @property
    def parameters(self) -> int:
        """All weights: layers, the embedding, and the output projection unless it is tied."""
        return self.layer_parameters + self.embedding_parameters * (
            1 if self.tied_embeddings else 2
        )

    @property
    def active_parameters(self) -> int:
        """Weights one token meets: its layers and the output projection (a look-up is no work)."""
        layers = sum(
            group.count
            * (
                group.attention.parameters(self.hidden)
                + group.feedforward.active_parameters(self.hidden)
            )
            for group in self.layers
        )
        return layers + self.embedding_parameters

    @property
    def cache_elements_per_token(self) -> int:
        """Cached numbers that each further position adds (layers with a window not counted)."""
        return sum(
            group.count * group.attention.cache_elements()
            for group in self.layers
            if getattr(group.attention, "window", None) is None
        )

    @property
    def kinds(self) -> Mapping[str, int]:
        """Layers by kind of attention and of feed-forward block."""
        counts: dict[str, int] = {}
        for group in self.layers:
            for kind in (group.attention.kind, group.feedforward.kind):
                counts[kind] = counts.get(kind, 0) + group.count
        return counts
