"""Formats of weights: the bits of one weight of each part, in a precision that a plan chooses."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from planner.catalogue.accelerator import PRECISIONS
from planner.catalogue.checkpoint import LINEAR, PARTS, USUAL_BITS, PartBits
from planner.catalogue.profile import Switches
from planner.catalogue.transformer import Transformer

TOWER_BYTES = 2.0
"""Bytes of one weight of what encodes images: quantisers leave it in 16 bits."""


@lru_cache(maxsize=256)
def weight_bits(llm: Transformer, weights: str, switches: Switches) -> PartBits:
    """Return the bits of one weight of every part, scales included (T75).

    In the published precision they are those of the checkpoint. In another one they are those of
    the checkpoints that people make: linear layers of the blocks in that precision with its usual
    scales, router, look-ups and output projection in 16 bits. The source paper's program gives
    every part the bits of the precision, without scales.

    Parameters
    ----------
    llm : Transformer
        What is served.
    weights : str
        Precision of the weights.
    switches : Switches
        Whether parts differ.
    """
    if not switches.weights_by_part:
        return PartBits(**dict.fromkeys(PARTS, 8.0 * PRECISIONS[weights]))
    published = llm.checkpoint.parts if llm.checkpoint is not None else None
    if weights == llm.weight_precision and published is not None:
        return replace(published, head=published.embeddings) if llm.tied_embeddings else published
    return PartBits(**dict.fromkeys(LINEAR, USUAL_BITS[weights]))
