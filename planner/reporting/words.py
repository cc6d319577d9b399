"""What requirements, decisions and times are called in front of people, on every page."""

from __future__ import annotations

from planner.problem.limits import LIMITS

WORDS = {limit.name: limit.words for limit in LIMITS} | {
    "tensor_parallel": "tensor parallel",
    "weight_precision": "weights",
    "kv_precision": "cache",
}

UNITS = {
    "tokens_per_second_per_request": "tokens/s per request",
    "dollars_per_million_tokens": "$ per million output tokens",
    "dollars_per_hour": "$ per hour",
    "tokens_per_second": "tokens/s in all",
    "input_tokens": "prompt (tokens)",
    "output_tokens": "answer (tokens)",
    "dollars_per_gpu_hour": "$ per GPU and hour",
    "gpus": "GPUs available",
    "time_to_first_token_seconds": "first token within (s)",
    "acceptance": "acceptance of drafted tokens",
}
"""What an axis is called, by the last key of a field or by an objective."""


def words_of(name: str) -> str:
    """Return what a requirement or a decision is called; its name where it has no words."""
    return WORDS.get(name, name)
