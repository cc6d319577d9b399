"""Serving: what users see and what it costs when passes follow one another."""

from __future__ import annotations

import numpy as np

from planner.terms.forward_pass import Floats

SECONDS_PER_HOUR = 3600.0


def micro_batch(batch: Floats, pp: Floats, *, whole: bool) -> Floats:
    """Sequences of the largest micro-batch, one micro-batch in flight per stage (T37)."""
    share = batch / pp
    return np.ceil(share) if whole else share


def context_while_decoding(input_tokens: float, output_tokens: float) -> float:
    """Mean number of cached positions during the answer (T38)."""
    return input_tokens + output_tokens / 2.0


def prefill_stall(batch: Floats, output_tokens: float, prefill: Floats, pp: Floats) -> Floats:
    """Seconds by which reading other prompts delays one output token (T39).

    While a sequence waits for a token, `batch / output_tokens` sequences end and as many prompts
    are read, each keeping every stage busy for `prefill / pp`.
    """
    return batch / output_tokens * prefill / pp


def seconds_per_output_token(step: Floats, stall: Floats) -> Floats:
    """Time per output token that a user sees, TPOT (T40)."""
    return step + stall


def tokens_per_second(batch: Floats, tpot: Floats) -> Floats:
    """Output tokens per second of one replica (T41)."""
    return batch / tpot


def time_to_first_token(prefill: Floats, step: Floats) -> Floats:
    """Seconds from a request to its first token on an idle replica (T42)."""
    return prefill + step


def dollars_per_million_tokens(
    gpus: Floats, dollars_per_gpu_hour: Floats | float, tokens_per_second: Floats
) -> Floats:
    """Dollars per million output tokens of a replica kept busy (T43)."""
    return 1e6 * gpus * dollars_per_gpu_hour / (SECONDS_PER_HOUR * tokens_per_second)


def replicas_for(tokens_per_second: Floats | float, replica: Floats) -> Floats:
    """Fewest whole replicas whose output reaches `tokens_per_second` (T44).

    A shortfall below one part in 10^9 counts as none, so that rounding buys no replica.
    """
    return np.maximum(1.0, np.ceil(tokens_per_second / replica * (1.0 - 1e-9)))


def dollars_per_hour(
    replicas: Floats, gpus: Floats, dollars_per_gpu_hour: Floats | float
) -> Floats:
    """Dollars per hour of all replicas (T45)."""
    return replicas * gpus * dollars_per_gpu_hour
