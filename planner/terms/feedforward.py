"""Feed-forward blocks: the arithmetic, the weights and the activations of one layer."""

from __future__ import annotations

from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Dense
from planner.terms.matrix import per_rank_words, shared_split_words
from planner.terms.passes import Floats, Pass


def block_flop(block: Dense, hidden: int, step: Pass) -> Floats:
    """FLOP of one layer's block, all ranks together (T12)."""
    return 2.0 * block.active_parameters(hidden) * step.tokens


def weights_per_rank(block: Dense, hidden: int, tp: Floats) -> Floats:
    """Weights of one layer's block that one rank holds and reads (T13)."""
    return block.parameters(hidden) / tp


def activation_words(block: Dense, hidden: int, step: Pass, switches: Switches) -> Floats:
    """Matrix inputs and outputs one rank reads and writes in one layer's block (T14)."""
    if switches.activation_traffic == "shared-split":
        matrices = block.matrices_in + 1
        return matrices * shared_split_words(hidden, block.width, step.tokens, step.tp)
    width = block.width / step.tp
    into = per_rank_words(block.matrices_in * width, hidden, step.tokens)
    return into + per_rank_words(hidden, width, step.tokens)
