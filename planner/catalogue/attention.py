"""Kinds of attention: what one layer projects, caches and keeps as state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class GroupedQuery:
    """Attention whose query heads share key/value heads (multi-head and multi-query included)."""

    query_heads: int
    kv_heads: int
    head_dim: int
    value_dim: int | None = None
    """Size of a value head; None where it is the key head's."""
    window: int | None = None
    """Positions a sliding-window layer keeps; None keeps all."""
    bias: bool = False
    """Whether the query, key and value projections add a bias."""
    gated: bool = False
    """Whether the output is multiplied by a gate as wide, projected from the layer's input."""
    values_from_keys: bool = False
    """Whether one projection serves keys and values; both are cached all the same."""
    shares_cache: bool = False
    """Whether keys and values are those of an earlier layer: none are projected or cached."""
    kind: Literal["grouped-query"] = "grouped-query"

    @property
    def value_size(self) -> int:
        """Size of a value head."""
        return self.head_dim if self.value_dim is None else self.value_dim

    @property
    def query_width(self) -> int:
        """Numbers of all queries of one token."""
        return self.query_heads * self.head_dim

    @property
    def output_width(self) -> int:
        """Numbers that the output projection takes from one token."""
        return self.query_heads * self.value_size

    @property
    def gate_width(self) -> int:
        """Numbers of the output gate of one token."""
        return self.output_width if self.gated else 0

    @property
    def input_width(self) -> int:
        """Numbers of one token that the projections from the hidden state yield."""
        values = self.kv_heads * self.value_size
        shared = values if self.values_from_keys and not self.shares_cache else 0
        return self.query_width + self.cache_elements() - shared + self.gate_width

    def parameters(self, hidden: int) -> int:
        """Weights of the projections of one layer."""
        return hidden * (self.input_width + self.output_width) + self.bias * self.input_width

    def cache_elements(self) -> int:
        """Numbers one layer caches for one position."""
        return 0 if self.shares_cache else self.read_elements()

    def read_elements(self) -> int:
        """Numbers of one position that one layer attends to, cached by itself or by another."""
        return self.kv_heads * (self.head_dim + self.value_size)


@dataclass(frozen=True, slots=True)
class Indexer:
    """A light scorer that picks the positions which latent attention then attends to.

    Layers that take over the choice of an earlier layer have no heads of their own: zero of both.
    """

    heads: int
    head_dim: int
    kept: int
    """Positions kept for each new one."""


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
    indexer: Indexer | None = None
    down_projections: int = 1
    """Matrices from the hidden size to the cached vector (the source paper counts two)."""
    gated: bool = False
    """Whether the output is multiplied by a gate as wide, projected from the layer's input."""
    kind: Literal["latent"] = "latent"

    @property
    def query_width(self) -> int:
        """Numbers of all expanded queries of one token."""
        return self.query_heads * (self.nope_dim + self.rotary_dim)

    @property
    def output_width(self) -> int:
        """Numbers that the output projection takes from one token."""
        return self.query_heads * self.value_dim

    @property
    def gate_width(self) -> int:
        """Numbers of the output gate of one token."""
        return self.output_width if self.gated else 0

    def shared_parameters(self, hidden: int) -> int:
        """Weights every tensor-parallel rank holds whole: the way down to the latent vectors."""
        down = hidden * (self.down_projections * self.kv_latent + self.rotary_dim)
        query = hidden * self.query_latent if self.query_latent is not None else 0
        return down + query + self._indexer_parameters(hidden)

    def split_parameters(self, hidden: int) -> int:
        """Weights split by heads: the way up from the latent vectors, the gate and the output."""
        source = self.query_latent if self.query_latent is not None else hidden
        up = self.kv_latent * self.query_heads * (self.nope_dim + self.value_dim)
        return source * self.query_width + up + (self.gate_width + self.output_width) * hidden

    def _indexer_parameters(self, hidden: int) -> int:
        if self.indexer is None:
            return 0
        source = self.query_latent if self.query_latent is not None else hidden
        heads, size = self.indexer.heads, self.indexer.head_dim
        return source * heads * size + hidden * (size + heads)

    def parameters(self, hidden: int) -> int:
        """Weights of all projections of one layer."""
        return self.shared_parameters(hidden) + self.split_parameters(hidden)

    def cache_elements(self) -> int:
        """Numbers one layer caches for one position."""
        keys = self.indexer.head_dim if self.indexer is not None else 0
        return self.kv_latent + self.rotary_dim + keys


@dataclass(frozen=True, slots=True)
class Recurrent:
    """Linear attention or a state space: a state of fixed size instead of a growing cache."""

    key_heads: int
    value_heads: int
    key_dim: int
    """Size of a key head, or of the state per channel."""
    value_dim: int
    """Size of a value head."""
    convolution: int = 4
    """Positions of the short convolution before the recurrence."""
    gated: bool = True
    """Whether the output is multiplied by a gate as wide as the values."""
    gates_per_head: int = 2
    """Scalars computed per value head and token, such as decay and step."""
    low_rank_gates: int = 0
    """Rank of gates as wide as the values that are computed through a bottleneck."""
    state_number_bytes: int = 2
    """Bytes of one number of the state, whatever the precision of caches: 4 in 32 bits."""
    kind: Literal["recurrent"] = "recurrent"

    @property
    def query_heads(self) -> int:
        """Heads that tensor parallelism can split."""
        return self.value_heads

    @property
    def value_width(self) -> int:
        """Numbers of all values of one token."""
        return self.value_heads * self.value_dim

    @property
    def convolved_width(self) -> int:
        """Numbers of one token that pass the convolution: queries, keys and values."""
        return 2 * self.key_heads * self.key_dim + self.value_width

    def parameters(self, hidden: int) -> int:
        """Weights of one layer."""
        into = self.convolved_width + self.value_heads * self.gates_per_head
        into += self.value_width if self.gated else 0
        bottleneck = self.low_rank_gates * (hidden + self.value_width)
        convolution = self.convolution * self.convolved_width
        return hidden * (into + self.value_width) + bottleneck + convolution

    def cache_elements(self) -> int:
        """Numbers one layer caches for one more position: none."""
        return 0

    def state_elements(self) -> int:
        """Numbers of the recurrence that one layer keeps for one sequence, however long."""
        return self.value_heads * self.key_dim * self.value_dim

    def convolution_elements(self) -> int:
        """Numbers of earlier positions that one layer keeps for the convolution of a sequence."""
        return (self.convolution - 1) * self.convolved_width


Attention = GroupedQuery | Latent | Recurrent
