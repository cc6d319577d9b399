"""Feed-forward blocks, dense and of experts: arithmetic, weights and activations of one layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from planner.catalogue.feedforward import Dense, Experts, FeedForward
from planner.catalogue.profile import Switches
from planner.terms.forward_pass import Floats, ForwardPass
from planner.terms.matmul import per_rank_elements, shared_split_elements


def routed_width(block: Experts, hidden: int) -> int:
    """Numbers of one token that its experts work on."""
    return block.latent or hidden


def dense_ranks(step: ForwardPass, switches: Switches) -> Floats:
    """Ranks that split what every token passes: those of one attention group (T52).

    The source paper's program splits it over the whole stage.
    """
    return step.tp if switches.data_parallel_splits else step.width


def sparsity(block: Experts, switches: Switches) -> float:
    """Experts per active expert (T53)."""
    if switches.whole_sparsity:
        return float(block.count // block.active)
    return block.count / block.active


def touched(block: Experts, tokens: Floats, switches: Switches) -> Floats:
    """Expected part of the experts that some of `tokens` reach, routed evenly (T54)."""
    return 1.0 - (1.0 - 1.0 / sparsity(block, switches)) ** tokens


def busiest(step: ForwardPass) -> Floats:
    """Load of the busiest group of experts over the mean; alone, a group has all (T55)."""
    return np.where(step.ep > 1.0, step.imbalance, 1.0)


def block_flop(block: FeedForward, hidden: int, step: ForwardPass, switches: Switches) -> Floats:
    """FLOP of one rank for one layer's block (T12)."""
    everyones = step.group_tokens(switches) / dense_ranks(step, switches)
    if isinstance(block, Dense):
        return 2.0 * block.parameters(hidden) * everyones
    routed = block.expert_parameters(hidden) * block.count / sparsity(block, switches)
    common = block.common_parameters(hidden)
    return 2.0 * (routed * busiest(step) * step.tokens / step.width + common * everyones)


def weights_held(
    block: FeedForward, hidden: int, step: ForwardPass, switches: Switches
) -> Mapping[str, Floats]:
    """Weights of one layer's block that one rank holds, by part (T13).

    Whole experts are dealt out to the groups, so the fullest group counts.
    """
    if isinstance(block, Dense):
        return {"dense": block.parameters(hidden) / dense_ranks(step, switches)}
    copies = np.where(step.ep > 1.0, step.redundant, 0)
    experts = (block.count + copies) / step.ep
    experts = np.ceil(experts) if switches.whole_layers else experts
    routed = experts * block.expert_parameters(hidden) / step.expert_tp
    return {"experts": routed, **_common(block, hidden, step, switches)}


def weights_read(
    block: FeedForward, hidden: int, step: ForwardPass, switches: Switches
) -> Mapping[str, Floats]:
    """Weights of one layer's block that one rank reads: of experts, those touched (T56)."""
    if isinstance(block, Dense):
        return weights_held(block, hidden, step, switches)
    share = block.count / step.width * touched(block, step.tokens, switches)
    routed = share * block.expert_parameters(hidden)
    return {"experts": routed, **_common(block, hidden, step, switches)}


def _common(
    block: Experts, hidden: int, step: ForwardPass, switches: Switches
) -> Mapping[str, Floats]:
    """Weights that every token passes: shared experts with the way to the latent, and router."""
    ranks, router = dense_ranks(step, switches), block.router_parameters(hidden)
    return {
        "shared": (block.common_parameters(hidden) - router) / ranks,
        "router": router / ranks,
    }


def activation_elements(
    block: FeedForward, hidden: int, step: ForwardPass, switches: Switches
) -> Floats:
    """Matrix inputs and outputs one rank reads and writes in one layer's block (T14)."""
    if switches.activation_traffic == "shared-split":
        return _shared_split(block, hidden, step, switches)
    if isinstance(block, Dense):
        return _words(block.width, block.matrices_in, hidden, step.tp, step.group_tokens(switches))
    pairs = step.tokens * block.active / step.ep * busiest(step)
    words = _words(
        block.width, block.matrices_in, routed_width(block, hidden), step.expert_tp, pairs
    )
    if not block.shared_width:
        return words
    tokens = step.group_tokens(switches)
    return words + _words(block.shared_width, block.matrices_in, hidden, step.tp, tokens)


def _words(width: int, matrices_in: int, hidden: int, ranks: Floats, tokens: Floats) -> Floats:
    local = width / ranks
    into = per_rank_elements(matrices_in * local, hidden, tokens)
    return into + per_rank_elements(hidden, local, tokens)


def _shared_split(block: FeedForward, hidden: int, step: ForwardPass, switches: Switches) -> Floats:
    matrices = block.matrices_in + 1
    if isinstance(block, Dense):
        return matrices * shared_split_elements(hidden, block.width, step.tokens, step.width)
    each = step.tokens / sparsity(block, switches)
    words = shared_split_elements(hidden, block.width, each, step.expert_tp)
    groups = block.count / step.ep * touched(block, step.tokens, switches)
    return matrices * groups * words
