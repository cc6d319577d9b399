"""What requirements, decisions and times are called in front of people, on every page."""

from __future__ import annotations

from planner.problem.limits import LIMITS

WORDS = {limit.name: limit.words for limit in LIMITS} | {
    "tensor_parallel": "tensor parallel",
    "weight_precision": "weights",
    "kv_precision": "cache",
}


def words_of(name: str) -> str:
    """Return what a requirement or a decision is called; its name where it has no words."""
    return WORDS.get(name, name)
