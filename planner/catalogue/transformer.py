"""Transformers: the shapes of language models, and what follows from the shape alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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
    latent: int | None = None
    """Size tokens are projected to before the routed experts and back from after; None is none."""
    router: bool = True
    """Whether the router's weights count (the source paper leaves them out)."""
    kind: Literal["experts"] = "experts"

    @property
    def matrices_in(self) -> int:
        """Matrices from the hidden size to the width."""
        return 2 if self.gated else 1

    def expert_parameters(self, hidden: int) -> int:
        """Weights of one routed expert."""
        return (self.matrices_in + 1) * (self.latent or hidden) * self.width

    def common_parameters(self, hidden: int) -> int:
        """Weights every token meets: the router, the shared experts and the way to the latent."""
        router = hidden * self.count if self.router else 0
        shared = (self.matrices_in + 1) * hidden * self.shared_width
        return router + shared + 2 * hidden * (self.latent or 0)

    def parameters(self, hidden: int) -> int:
        """Weights of one layer, all experts and the router."""
        return self.count * self.expert_parameters(hidden) + self.common_parameters(hidden)

    def active_parameters(self, hidden: int) -> int:
        """Weights one token meets."""
        return self.active * self.expert_parameters(hidden) + self.common_parameters(hidden)


Attention = GroupedQuery | Latent | Recurrent
FeedForward = Dense | Experts


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Layers of one kind, in any place of the stack; a part that is None is left out of them."""

    count: int
    attention: Attention | None
    feedforward: FeedForward | None

    def parameters(self, hidden: int) -> int:
        """Weights of one layer."""
        attention = self.attention.parameters(hidden) if self.attention else 0
        return attention + (self.feedforward.parameters(hidden) if self.feedforward else 0)

    def active_parameters(self, hidden: int) -> int:
        """Weights of one layer that one token meets."""
        attention = self.attention.parameters(hidden) if self.attention else 0
        return attention + (self.feedforward.active_parameters(hidden) if self.feedforward else 0)


@dataclass(frozen=True, slots=True)
class Published:
    """Parameter counts the makers state, to compare with: of the language model alone."""

    total_parameters: float
    source: str
    active_parameters: float | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How published weights are quantised, as their configuration says."""

    method: str
    """Name of the quantiser or of its method, as the configuration has it."""
    bits: float | None = None
    """Bits of one quantised weight, scales not counted; None where nothing is said."""
    group: int | None = None
    """Weights of one row that share a scale; None where a row or a block has one."""
    block: tuple[int, ...] = ()
    """Rows and columns of a block of weights that shares a scale; empty where none is said."""
    ignored: tuple[str, ...] = ()
    """What stays in 16 bits, as the configuration names it: modules, parts of names, patterns
    (`re:`)."""


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
    order: tuple[int, ...] = ()
    """Group of every layer, from the first to the last; empty where there is one group, or where
    layers of all groups alternate evenly."""
    tied_embeddings: bool = False
    parallel_attention: bool = False
    """Attention and feed-forward read the same input, so one all-reduce serves both."""
    context: int | None = None
    """Longest context the makers support, in tokens."""
    learned_positions: int = 0
    """Positions that have an embedding of their own, beside the words."""
    tower_parameters: int = 0
    """Weights of what turns images into vectors of the hidden size; in 16 bits, used by prompts
    alone."""
    look_up_parameters: int = 0
    """Weights of embeddings that layers have of their own, a vector for every word; looked up on
    the first stage, so that no product reads them."""
    prediction_layers: int = 0
    """Extra layers that predict further tokens (multi-token prediction), not counted elsewhere."""
    weight_precision: str = "bf16"
    """Precision of the published weights: of the blocks, where parts differ."""
    checkpoint: Checkpoint | None = None
    """How the published weights are quantised; None where they are not, or it is not known."""
    published: Published | None = None
    aliases: tuple[str, ...] = ()
    unverified: bool = False
    notes: str = ""

    def __post_init__(self) -> None:
        """Check that the order has the layers of every group.

        Raises
        ------
        ValueError
            Where it has not.
        """
        counts = Counter(self.order)
        if counts and counts != {index: group.count for index, group in enumerate(self.layers)}:
            raise ValueError("order: expected the number of every layer's group, as often as count")

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
        return sum(group.count * group.parameters(self.hidden) for group in self.layers)

    @property
    def parameters(self) -> int:
        """All weights: those of the language model and of the towers."""
        return self.language_parameters + self.tower_parameters

    @property
    def language_parameters(self) -> int:
        """Weights of layers and embeddings, and of the output projection unless it is tied."""
        words = self.embedding_parameters * (1 if self.tied_embeddings else 2)
        words += self.look_up_parameters
        return self.layer_parameters + words + self.learned_positions * self.hidden

    @property
    def active_parameters(self) -> int:
        """Weights one token meets: its layers and the output projection (a look-up is no work)."""
        layers = sum(group.count * group.active_parameters(self.hidden) for group in self.layers)
        return layers + self.embedding_parameters

    @property
    def cache_elements_per_token(self) -> int:
        """Cached numbers that each further position adds (layers with a window not counted)."""
        return sum(
            group.count * group.attention.cache_elements()
            for group in self.layers
            if group.attention is not None and getattr(group.attention, "window", None) is None
        )

    @property
    def cache_elements_per_sequence(self) -> int:
        """Cached numbers of one long sequence that do not grow: full windows and states."""
        return sum(group.count * _fixed_elements(group.attention) for group in self.layers)

    @property
    def kinds(self) -> Mapping[str, int]:
        """Layers by kind of attention and of feed-forward block."""
        counts: dict[str, int] = {}
        for group in self.layers:
            for part in (group.attention, group.feedforward):
                if part is not None:
                    counts[part.kind] = counts.get(part.kind, 0) + group.count
        return counts


def _fixed_elements(attention: Attention | None) -> int:
    if isinstance(attention, Recurrent):
        return attention.state_elements()
    window = getattr(attention, "window", None)
    return 0 if attention is None or window is None else window * attention.cache_elements()
