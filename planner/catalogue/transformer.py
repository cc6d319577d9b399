"""Transformers: the shapes of language models, and what follows from the shape alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from planner.catalogue.attention import Attention, Recurrent
from planner.catalogue.checkpoint import Checkpoint
from planner.catalogue.feedforward import FeedForward


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
