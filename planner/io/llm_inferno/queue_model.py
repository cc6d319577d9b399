"""The queue that llm-inferno sizes replicas by: an M/M/1/K queue whose rate depends on its state.

A replica serves up to N requests at once; one that finds it full is turned away. With I input and
O output tokens a request and a model's own alpha, beta and gamma in milliseconds, an iteration
over n requests takes

    iteration(n) = alpha + n delta
    delta = (W_prefill + W_decode) / (c + O)
    W_prefill = (beta + gamma (c + 1) / 2) I
    W_decode = beta O + gamma O (I + (O + 1) / 2)

where c is the number of iterations over which a prompt is spread, such that a batch stays within
8192 tokens. A request takes c + O iterations, so n of them leave at

    mu(n) = n / ((c + O) iteration(n))

per millisecond. With arrivals at rate x the stationary probability of n requests is proportional
to x^n / (mu(1) ... mu(n)), n = 0..N. With L the mean number of requests and T the rate at which
they leave, one request stays R = L / T, and its user sees

    prefill = c max(0, alpha + (L - 1) delta) + W_prefill
    time per output token = (R - prefill) / O
    time to the first token = prefill + time per output token

The highest rate is T at the largest x <= 0.999 mu(N) at which both are within their limits; where
throughput is a target too, x <= 0.9 x 0.999 mu(N).

Source: the equations in the public repositories llm-inferno/queue-analysis (pkg/analyzer and
pkg/queue) and llm-inferno/optimizer (pkg/core). That nobody waits (K = N) they do not say: it
follows from the rates which that tool gives for its own sample.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from planner.problem.tolerances import ROUNDING

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TOKENS_OF_A_BATCH = 8192
MARGIN = 1e-3
"""How far rates stay from 0 and from the highest that a full replica serves."""
STABLE = 0.9
"""Part of the highest rate that is used where throughput is a target."""
HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Replicas:
    """Replicas of R deployments, each with the requests it serves; times in milliseconds."""

    alpha: Floats
    beta: Floats
    gamma: Floats
    batch: Ints
    """Most requests at once."""
    input_tokens: Floats
    output_tokens: Floats
    tpot: Floats
    """Limit on the time per output token; infinity is none."""
    ttft: Floats
    """Limit on the time to the first token; infinity is none."""
    throughput: NDArray[np.bool_]
    """Whether throughput is a target."""

    def __len__(self) -> int:
        return len(self.batch)

    def some(self, rows: NDArray[np.bool_]) -> Replicas:
        """Return some of the rows."""
        return Replicas(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Loads:
    """What R replicas do under load."""

    rate: Floats
    """Requests served per millisecond; 0 where a limit holds at no rate."""
    tpot: Floats
    """Milliseconds per output token."""
    ttft: Floats
    """Milliseconds to the first token."""


def busiest(replicas: Replicas) -> Loads:
    """Return each replica at the highest rate at which its limits hold.

    Parameters
    ----------
    replicas : Replicas
        R deployments.

    Returns
    -------
    Loads
        One row for each of them.
    """
    found = Loads(*(np.zeros(len(replicas)) for _ in range(3)))
    for batch in np.unique(replicas.batch):
        rows = replicas.batch == batch
        loads = _busiest(replicas.some(rows), int(batch))
        for field in fields(Loads):
            getattr(found, field.name)[rows] = getattr(loads, field.name)
    return found


def _busiest(replicas: Replicas, batch: int) -> Loads:
    """Return replicas of one batch at their highest rates."""
    service = _Service(replicas, batch)
    low = MARGIN * service.rates[:, 0]
    high = (1 - MARGIN) * service.rates[:, -1]
    top = np.where(replicas.throughput, STABLE, 1.0) * high
    possible = np.ones(len(replicas), dtype=bool)
    for limit, measure in ((replicas.ttft, "ttft"), (replicas.tpot, "tpot")):
        bound = limit * (1 - ROUNDING)
        within = getattr(service.at(high), measure) <= bound
        possible &= within | (getattr(service.at(low), measure) <= bound)
        top = np.where(within, top, np.minimum(top, _crossing(service, measure, bound, low, high)))
    loads = service.at(top)
    return Loads(np.where(possible, loads.rate, 0.0), loads.tpot, loads.ttft)


def _crossing(service: _Service, measure: str, bound: Floats, low: Floats, high: Floats) -> Floats:
    """Return the highest arrival rates at which a time is still within its bound, by bisection."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        within = getattr(service.at(middle), measure) <= bound
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    return low


class _Service:
    """Replicas of one batch with their rates by state."""

    def __init__(self, replicas: Replicas, batch: int) -> None:
        self._replicas = replicas
        self._chunks = _chunks(replicas, batch)
        states = np.arange(1, batch + 1)
        chunks = self._chunks[:, states]
        delta = self._work(chunks)[1]
        iteration = replicas.alpha[:, None] + states * delta
        self.rates = states / ((chunks + replicas.output_tokens[:, None]) * iteration)
        self._weights = -np.cumsum(np.log(self.rates), axis=1)
        self._states = states

    def _work(self, chunks: Floats) -> tuple[Floats, Floats]:
        """Return (rows, columns) milliseconds of a prompt, and of a request in one iteration."""
        beta, gamma, prompt, answer = (
            column[:, None]
            for column in (
                self._replicas.beta,
                self._replicas.gamma,
                self._replicas.input_tokens,
                self._replicas.output_tokens,
            )
        )
        prefill = (beta + gamma * (chunks + 1) / 2) * prompt
        decode = answer * (beta + gamma * (prompt + (answer + 1) / 2))
        return prefill, (prefill + decode) / (chunks + answer)

    def at(self, arrivals: Floats) -> Loads:
        """Return what happens at (rows,) arrivals per millisecond."""
        weights = np.log(arrivals)[:, None] * self._states + self._weights
        peak = np.maximum(weights.max(axis=1, keepdims=True), 0.0)
        shares = np.exp(weights - peak)
        total = shares.sum(axis=1) + np.exp(-peak[:, 0])
        mean = (shares * self._states).sum(axis=1) / total
        rate = arrivals * (1 - shares[:, -1] / total)
        return self._seen(mean, rate)

    def _seen(self, mean: Floats, rate: Floats) -> Loads:
        """Return what users see where a mean number of requests leaves at some rate."""
        rows = np.arange(len(mean))
        nearest = np.clip((mean + 0.5).astype(np.int64), 1, len(self._states))
        chunks = self._chunks[rows, nearest]
        prompt, delta = (work[:, 0] for work in self._work(chunks[:, None]))
        others = np.maximum(self._replicas.alpha + (mean - 1) * delta, 0.0)
        prefill = chunks * others + prompt
        tpot = (mean / rate - prefill) / self._replicas.output_tokens
        return Loads(rate, tpot, prefill + tpot)


def _chunks(replicas: Replicas, batch: int) -> Floats:
    """Return (R, batch + 1) iterations over which a prompt is spread, by requests at once.

    They are the fewest m for which (m + O) (8192 - I / m) >= n (I + O).
    """
    prompt, answer = replicas.input_tokens[:, None], replicas.output_tokens[:, None]
    states = np.arange(batch + 1)
    half = (states * (prompt + answer) + prompt - TOKENS_OF_A_BATCH * answer) / 2
    root = half + np.sqrt(half**2 + TOKENS_OF_A_BATCH * prompt * answer)
    parts: Floats = np.maximum(1.0, np.ceil(root / TOKENS_OF_A_BATCH - 1e-9))
    return parts
