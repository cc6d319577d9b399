"""Random fleets of any size: workloads, scarce pools and candidates, the same for the same seed.

Transformers of 8 to 671 billion parameters are served in 20 to 120 ms a token on ten kinds of
accelerators with tensor parallelism 1 to 16 in three precisions. Throughput comes from a plain
roofline: what is measured with these fleets is the optimisation, not the physics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

POOLS = pd.DataFrame(
    [
        ("h100-eu", 989e12, 3.35e12, 80e9, 2.49),
        ("h100-us", 989e12, 3.35e12, 80e9, 2.29),
        ("h200-eu", 989e12, 4.8e12, 141e9, 3.29),
        ("h200-us", 989e12, 4.8e12, 141e9, 3.09),
        ("b200-us", 2250e12, 8.0e12, 180e9, 4.99),
        ("a100-eu", 312e12, 2.04e12, 80e9, 1.39),
        ("a100-us", 312e12, 2.04e12, 80e9, 1.29),
        ("l40s-us", 362e12, 0.864e12, 48e9, 0.79),
        ("mi300x-us", 1307e12, 5.3e12, 192e9, 2.69),
        ("a10g-us", 125e12, 0.6e12, 24e9, 0.45),
    ],
    columns=["name", "flop", "bandwidth", "memory", "dollars_per_gpu_hour"],
)
"""Ten pools: FLOP/s in bf16, byte/s and byte of one accelerator, and its price."""
DEGREES = np.array([1, 2, 4, 8, 16])
BYTES = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.5}
"""Precisions and the bytes of a weight."""
CONTEXT_TOKENS = 2000
OUTPUT_TOKENS = 300
LARGEST_BATCH = 512
SCARCITY = 0.7
"""Part of the supply that workloads would take if there were no limits."""


@dataclass(frozen=True)
class RandomFleet:
    """A fleet as tables."""

    workloads: pd.DataFrame
    """name, requests_per_second (at the peak), one row each."""
    pools: pd.DataFrame
    """name, gpus, dollars_per_gpu_hour."""
    candidates: pd.DataFrame
    """Columns of a candidates file, sorted by workload and pool; names are categories."""
    demand: np.ndarray
    """(workloads, periods) requests per second."""


@dataclass(frozen=True)
class _Deployments:
    """Everything that could be deployed: W workloads x P pools x D deployments."""

    rate: np.ndarray
    """(W, P, D) requests per second of a replica; minus infinity where there is none, or where
    another deployment in the pool serves as many with no more accelerators."""
    batch: np.ndarray
    """(W, P, D)"""
    precision: np.ndarray
    """(W, P, D) index into `BYTES`."""
    gpus: np.ndarray
    """(D,)"""

    @property
    def kept(self) -> np.ndarray:
        """Which of them are candidates."""
        return self.rate > 0


def random_fleet(workloads: int, periods: int = 1, seed: int = 1) -> RandomFleet:
    """Return a fleet of so many workloads and periods."""
    chance = np.random.default_rng(seed)
    parameters = np.exp(chance.uniform(np.log(8e9), np.log(671e9), workloads))
    active = parameters * np.where(parameters > 150e9, chance.uniform(0.05, 0.3, workloads), 1.0)
    tpot = chance.uniform(0.020, 0.120, workloads)
    peak = np.exp(chance.normal(np.log(100.0), 1.2, workloads))
    names = np.array([f"w{index:05d}" for index in range(workloads)])
    # Kernels suit some transformers better than others.
    suits = np.exp(chance.normal(0, 0.3, (workloads, len(POOLS))))
    deployments = _deployments(parameters, active, tpot, suits)
    served = deployments.kept.any(axis=(1, 2))
    demand = peak[served, None] * _day(chance, int(served.sum()), periods)
    pools = POOLS.assign(gpus=_supply(peak[served], deployments, served))
    tables = pd.DataFrame({"name": names[served], "requests_per_second": peak[served]})
    columns = ["name", "gpus", "dollars_per_gpu_hour"]
    candidates = _candidates(names, tpot, deployments)
    return RandomFleet(tables, pools[columns], candidates, demand)


def _deployments(
    parameters: np.ndarray, active: np.ndarray, tpot: np.ndarray, suits: np.ndarray
) -> _Deployments:
    """Return what no other deployment in the same pool beats in accelerators and throughput."""
    shape = len(parameters), len(POOLS), len(DEGREES), len(BYTES)
    rate, batch = np.empty(shape), np.empty(shape, dtype=np.int16)
    for place, pool in enumerate(POOLS.itertuples()):
        for row, degree in enumerate(DEGREES):
            for column, width in enumerate(BYTES.values()):
                at = np.s_[:, place, row, column]
                found, batch[at] = _throughput(
                    parameters, active, tpot, pool, degree=degree, width=width
                )
                rate[at] = np.where(batch[at] >= 1, found * suits[:, place], -np.inf)
    # The best precision first, then only what serves more than all with fewer accelerators.
    order = np.argsort(-rate, axis=3, kind="stable")
    flat = *shape[:2], len(DEGREES) * len(BYTES)
    rate = np.take_along_axis(rate, order, axis=3).reshape(flat)
    batch = np.take_along_axis(batch, order, axis=3).reshape(flat)
    before = np.maximum.accumulate(rate, axis=2)[:, :, :-1]
    rate[:, :, 1:] = np.where(rate[:, :, 1:] > before, rate[:, :, 1:], -np.inf)
    return _Deployments(rate, batch, order.reshape(flat), np.repeat(DEGREES, len(BYTES)))


def _throughput(
    parameters: np.ndarray,
    active: np.ndarray,
    tpot: np.ndarray,
    pool: tuple,
    *,
    degree: int,
    width: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return requests per second and batch of one replica; batch 0 where there is none."""
    efficiency = 0.75 * degree**-0.12
    cache = 2 * CONTEXT_TOKENS * 1000 * np.sqrt(active / 8e9) * 32
    weights = parameters * width
    room = 0.9 * degree * pool.memory - weights
    step = weights * np.clip(3 * active / parameters, 0, 1) / (degree * pool.bandwidth * efficiency)
    per_sequence = cache / (degree * pool.bandwidth * efficiency)
    speedup = min(2.0 / width, 2.0)
    per_sequence = per_sequence + 2 * active / (degree * pool.flop * speedup * 0.6 * efficiency)
    latency = 0.004 + 0.001 * np.log2(degree)
    batch = np.floor(np.minimum(room / cache, (tpot - latency - step) / per_sequence))
    batch = np.clip(batch, 0, LARGEST_BATCH)
    return batch / tpot / OUTPUT_TOKENS, batch


def _candidates(names: np.ndarray, tpot: np.ndarray, deployments: _Deployments) -> pd.DataFrame:
    """Return the rows of a candidates file: by workload, pool, accelerators, best first."""
    by_name = np.argsort(POOLS["name"].to_numpy(), kind="stable")
    workload, turn, deployment = np.nonzero(deployments.kept[:, by_name])
    at = workload, by_name[turn], deployment
    degree = np.searchsorted(DEGREES, deployments.gpus)[deployment]
    kind = degree * len(BYTES) + deployments.precision[at]
    label = kind * (LARGEST_BATCH + 1) + deployments.batch[at]
    used, codes = np.unique(label, return_inverse=True)
    kinds = [f"tp{degree} {precision}" for degree in DEGREES for precision in BYTES]
    pairs = zip(*np.divmod(used, LARGEST_BATCH + 1), strict=True)
    return pd.DataFrame(
        {
            "workload": _named(names, workload),
            "pool": _named(POOLS["name"], at[1]),
            "label": _named([f"{kinds[kind]} batch{batch}" for kind, batch in pairs], codes),
            "gpus": deployments.gpus[deployment],
            "requests_per_second": deployments.rate[at],
            "tpot_seconds": tpot[workload],
        }
    )


def _named(names: Sequence[str] | np.ndarray | pd.Series, codes: np.ndarray) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=list(names))


def _day(chance: np.random.Generator, workloads: int, periods: int) -> np.ndarray:
    """Return demand in every period relative to the peak: a wave of its own for each workload."""
    if periods == 1:
        return np.ones((workloads, 1))
    hours = np.arange(periods)[None, :] * 2 * np.pi / 24
    swing = chance.uniform(0.2, 0.8, workloads)[:, None]
    wave = 1 - swing * (1 + np.cos(hours - chance.normal(4.0, 0.7, workloads)[:, None])) / 2
    return wave * np.exp(chance.normal(0, 0.05, (workloads, periods)))


def _supply(peak: np.ndarray, deployments: _Deployments, served: np.ndarray) -> np.ndarray:
    """Return accelerators of every pool: part of what is wanted most, and some of everything."""
    rate = deployments.rate[served]
    count = np.maximum(peak[:, None, None] / np.where(rate > 0, rate, np.nan), 1.0)
    # The least that each workload takes in each pool, which is also what costs least there.
    taken = np.where(rate > 0, count * deployments.gpus, np.inf).min(axis=2)
    cheapest = (taken * POOLS["dollars_per_gpu_hour"].to_numpy()).argmin(axis=1)
    wanted = np.bincount(
        cheapest, weights=taken[np.arange(len(taken)), cheapest], minlength=len(POOLS)
    )
    anywhere = np.where(np.isfinite(taken), taken, 0.0).sum(axis=0)
    supply = SCARCITY * wanted + 0.02 * anywhere
    return (np.ceil(supply / 8) * 8).astype(int)
