"""Speculative decoding: tokens per round, and what drafting takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.catalogue.profile import Rates, Switches
from planner.catalogue.transformer import LayerGroup, Transformer
from planner.terms.cache_pool import Beside
from planner.terms.forward import Sums, forward
from planner.terms.forward_pass import Floats, ForwardPass, Precision
from planner.terms.memory_capacity import cache_bytes, embedding_bytes, weight_bytes
from planner.terms.weight_formats import weight_bits

MTP = "mtp"
"""Name of the draft that is the target's own multi-token-prediction layer."""
DRAFT_RANKS = (1, 2, 4, 8)
"""Tensor-parallel degrees that a draft may have."""


def tokens_per_round(acceptance: float, gamma: int, switches: Switches) -> float:
    """Expected tokens of one round of `gamma` drafted tokens (T60).

    Each token is accepted with probability a, until one is not: (1 - a^(gamma+1)) / (1 - a), the
    verified pass giving one token of its own. The source paper's program leaves that one out, and
    has gamma in the exponent.
    """
    if gamma == 0:
        return 1.0
    powers = gamma + 1 if switches.bonus_token else gamma
    if acceptance >= 1.0:
        return float(powers)
    return (1.0 - acceptance**powers) / (1.0 - acceptance)


def verified_positions(gamma: int, switches: Switches) -> int:
    """Positions of each sequence in the pass that verifies a draft (T61)."""
    return gamma + 1 if switches.bonus_token else max(gamma, 1)


def mtp_draft(llm: Transformer) -> Transformer:
    """Return the draft that `llm`'s first multi-token-prediction layer makes.

    One more layer with the last attention and the last feed-forward block of the stack; it shares
    embeddings and output projection with the target.
    """
    attention = next(group.attention for group in reversed(llm.layers) if group.attention)
    block = next(group.feedforward for group in reversed(llm.layers) if group.feedforward)
    layer = LayerGroup(1, attention, block)
    return replace(
        llm, name=f"{llm.name}-{MTP}", layers=(layer,), order=(), aliases=(), published=None
    )


@dataclass(frozen=True, slots=True)
class Drafted:
    """What one drafting step takes on the accelerators of the target; arrays broadcast."""

    sums: Sums
    """Seconds of one step, times the stages that wait for it."""
    resident: Floats
    """Bytes of the draft on one accelerator."""
    beside: Beside
    """What of it are weights, and what one sequence adds."""
    tensor_parallel: Floats
    """Ranks of the draft."""
    prefill: Floats
    """Seconds of reading that one prompt costs, all groups of the draft reading side by side."""


def drafting(
    draft: Transformer,
    precision: Precision,
    rates: Rates,
    switches: Switches,
    *,
    target: ForwardPass,
    batch: Floats,
    prompt: float,
    longest: float,
    own: bool,
) -> Drafted:
    """Time a draft on the target's stage, at the degree that makes its step fastest (T62).

    A draft of its own weights runs on groups of `r` ranks, which share out the sequences, `r`
    dividing its heads and the stage's width; the target's own layer keeps the target's layout.
    While it drafts, the other stages wait, so a round has `pp` times its step.

    Parameters
    ----------
    target : ForwardPass
        The target's decoding pass: degrees, micro-batch, context.
    batch : array of float
        Sequences of the replica; the draft keeps all their caches.
    prompt, longest : float
        Positions of the prompt, and of prompt and answer.
    own : bool
        Whether the draft is the target's multi-token-prediction layer.
    """
    heads = min(group.attention.query_heads for group in draft.layers if group.attention)
    options = [_own_layout(target)] if own else _layouts(target, heads)
    best: Drafted | None = None
    for option, fits in options:
        one = replace(option, pp=np.asarray(1.0), positions=np.asarray(1.0))
        step = forward(draft, precision, rates, switches, one).sums()
        reading = replace(
            one,
            sequences=one.dp,
            positions=np.asarray(prompt),
            context=np.asarray(0.0),
            prefill=True,
        )
        prefill = forward(draft, precision, rates, switches, reading).step / one.dp
        held = replace(one, sequences=batch, context=np.asarray(longest))
        beside = _beside(draft, precision, switches, held, own=own)
        resident = beside.weights + beside.cache * held.group_sequences(switches)
        groups = target.dp / one.dp
        beside = beside._replace(cache=beside.cache * groups)
        stages = target.pp
        waited = Sums(*(stages * term for term in step))
        found = Drafted(waited, resident, beside, one.tp, stages * prefill)
        best = found if best is None else _faster(best, found, fits)
    assert best is not None
    return best


def _own_layout(target: ForwardPass) -> tuple[ForwardPass, Floats]:
    return target, np.asarray(True)


def _layouts(target: ForwardPass, heads: int) -> Sequence[tuple[ForwardPass, Floats]]:
    """Layouts of a draft, the first fitting everywhere, each with where it divides the stage."""
    found = []
    for ranks in DRAFT_RANKS:
        if heads % ranks == 0:
            tp = np.asarray(float(ranks))
            groups = np.maximum(target.width / tp, 1.0)
            layout = replace(target, tp=tp, dp=groups, ep=np.asarray(1.0))
            found.append((layout, target.width % tp == 0.0))
    return found


def _beside(
    draft: Transformer, precision: Precision, switches: Switches, held: ForwardPass, *, own: bool
) -> Beside:
    """Weights and cache of the draft; embeddings are the target's where it is its own layer."""
    weights = weight_bytes(draft, precision, switches, held)
    if own:
        bits = weight_bits(draft, precision.weights, switches)
        shared = ("embeddings",) if draft.tied_embeddings else ("embeddings", "head")
        for part in shared:
            weights = weights - embedding_bytes(draft, bits, part, held.tp)
    return Beside(weights, cache_bytes(draft, precision, switches, held))


def _faster(one: Drafted, other: Drafted, fits: Floats) -> Drafted:
    """Take the other where it fits and its step is shorter."""
    better = np.logical_and(fits, other.sums.step < one.sums.step)
    return Drafted(
        Sums(
            *(
                np.where(better, theirs, ours)
                for ours, theirs in zip(one.sums, other.sums, strict=True)
            )
        ),
        np.where(better, other.resident, one.resident),
        Beside(
            *(
                np.where(better, theirs, ours)
                for ours, theirs in zip(one.beside, other.beside, strict=True)
            )
        ),
        np.where(better, other.tensor_parallel, one.tensor_parallel),
        np.where(better, other.prefill, one.prefill),
    )
