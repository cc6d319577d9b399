"""Published weights: how many bits a checkpoint holds of one weight of each part."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class PartBits:
    """Bits of one weight by part, with its share of scales and zero points."""

    attention: float = 16.0
    """Projections of attention over a cache, grouped-query or latent."""
    recurrent: float = 16.0
    """Projections of linear attention and state spaces."""
    dense: float = 16.0
    """Blocks that every token passes, in layers without experts."""
    experts: float = 16.0
    """Routed experts."""
    shared: float = 16.0
    """Experts that every token passes, and the way to the latent size and back."""
    router: float = 16.0
    embeddings: float = 16.0
    """Look-ups: of words, of positions, and of layers that have their own."""
    head: float = 16.0
    """The output projection, where it is not the look-up."""

    def bytes_of(self, part: str) -> float:
        """Return the bytes of one weight of a part."""
        return float(getattr(self, part)) / 8.0


PARTS = tuple(field.name for field in fields(PartBits))
"""Names of the parts, in order."""


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
    parts: PartBits | None = None
    """Bits of each part; None where they are not known."""


BLOCK_SCALE_BITS = 32.0
"""Bits of the scale of a block of rows and columns: a float."""
GROUP_BITS = {"mxfp": 8.0, "float": 32.0, "symmetric": 16.0, "zero points": 20.0, "biased": 32.0}
"""Bits that a group of weights has beside them, by format: those of MXFP and NVFP a scale of 8;
other floats one of 32; integers one of 16, and a zero point as wide as a weight or a bias of 16."""


def stored_bits(
    bits: float, *, group: int | None = None, block: tuple[int, ...] = (), beside: float = 0.0
) -> float:
    """Return the bits of one weight with its share of what its group or block has beside it.

    Parameters
    ----------
    bits : float
        Bits of the weight itself.
    group : int, optional
        Weights that share a scale.
    block : tuple of int
        Rows and columns of a block that shares one, where there are no groups.
    beside : float
        Bits of scale and zero point of a group.
    """
    if group:
        return bits + beside / group
    if len(block) == 2 and min(block) > 1:
        return bits + BLOCK_SCALE_BITS / (block[0] * block[1])
    return bits


LINEAR = ("attention", "recurrent", "dense", "experts", "shared")
"""Parts that quantisers narrow; they leave router, look-ups and output projection in 16 bits."""
USUAL_BITS = {
    "bf16": 16.0,
    "fp8": 8.0,
    "int8": 8.0,
    "fp4": stored_bits(4, group=16, beside=GROUP_BITS["mxfp"]),
    "int4": stored_bits(4, group=128, beside=GROUP_BITS["zero points"]),
}
"""Bits of a quantised weight where no checkpoint says: NVFP4, and int4 in groups of 128."""
