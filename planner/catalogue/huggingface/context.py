"""The longest context that engines derive from a configuration: positions, stretched or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from planner.catalogue.huggingface.fields import Fields

POSITIONS = (
    "model_max_length",
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "max_sequence_length",
)
"""Fields that state how many positions there are, the one that overrides the others first."""
SECTIONS = ("rope_scaling", "rope_parameters")
ORIGINAL = "original_max_position_embeddings"
STRETCHED = ("yarn", "deepseek_yarn", "linear", "dynamic", "ntk")
"""Ways that multiply the positions. With others (llama3, longrope) they are stated stretched."""
FROM_ORIGINAL = ("yarn", "deepseek_yarn")
"""Ways whose factor multiplies the positions of the training, where they are stated."""
STATED_STRETCHED = ("gemma3_text", "gemma3")
"""Families that state the stretched positions whatever the way."""
MOST_STRETCH = 1e6


def longest_context(f: Fields, kind: str) -> int | None:
    """Return the positions that an engine allows: what is stated, or more by a stretch.

    As vLLM derives it: the factor times the original positions under YaRN, times the stated ones
    under linear and dynamic stretches; never fewer than are stated, which SGLang allows.

    Parameters
    ----------
    f : Fields
        The configuration of the language model.
    kind : str
        Its `model_type`.
    """
    stated = f.number(*POSITIONS)
    if not stated or kind in STATED_STRETCHED:
        return stated or None
    return max([stated, *(_stretched(part, stated) for part in _sections(f))])


def _sections(f: Fields) -> Iterator[Fields]:
    """Yield what is said of the positions: once, or by type of layer."""
    for name in SECTIONS:
        if not f.has(name):
            continue
        part = f.section(name)
        nested = [key for key, value in part.values.items() if isinstance(value, Mapping)]
        yield from map(part.section, nested)
        yield part


def _stretched(part: Fields, stated: int) -> int:
    kind = part.values.get("rope_type") or part.values.get("type")
    if kind not in STRETCHED or not part.has("factor"):
        return stated
    factor = part.values["factor"]
    sound = isinstance(factor, int | float) and not isinstance(factor, bool)
    if not sound or not 1 <= factor <= MOST_STRETCH:
        part.complain("factor", f"a number from 1 to {MOST_STRETCH:,.0f}")
        return stated
    base = part.number(ORIGINAL) if kind in FROM_ORIGINAL else 0
    return int(factor * (base or stated))
