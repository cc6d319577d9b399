"""Jobs: one deployment of a plan with everything that its engine is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner import catalogue
from planner.errors import InputError, Problem, UnknownNameError

Ints = NDArray[np.int64]
NUMBERS = (
    *("tensor_parallel", "pipeline_parallel", "data_parallel", "expert_parallel", "batch"),
    *("gamma", "gpus_per_replica"),
)
"""Columns of a plan that a command needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One deployment that is to be started."""

    workload: str
    pool: str
    label: str
    role: str
    replicas: int
    transformer: str
    accelerator: str
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    expert_parallel: int
    batch: int
    """Sequences of one replica."""
    weights: str
    kv: str
    draft: str
    """Draft transformer, `mtp` for the transformer's own layers, or nothing."""
    gamma: int
    draft_tensor_parallel: int
    gpus_per_replica: int
    memory_bytes: float
    """Memory of one accelerator; NaN where it is not known. So for the next three."""
    usable_bytes: float
    weight_bytes: float
    pool_bytes: float
    """What is left for caches."""
    longest: int | None = None
    """Tokens of the longest request, prompt and answer; None where they are not known."""

    @property
    def degrees(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Tensor-, pipeline-, data- and expert-parallel degrees, as arrays of one."""
        tp, pp, dp, ep = (
            np.asarray([degree])
            for degree in (
                *(self.tensor_parallel, self.pipeline_parallel),
                *(self.data_parallel, self.expert_parallel),
            )
        )
        return tp, pp, dp, ep

    @property
    def width(self) -> int:
        """Ranks of one pipeline stage."""
        return self.tensor_parallel * self.data_parallel

    @property
    def sequences_per_rank(self) -> int:
        """Sequences of one attention group."""
        return math.ceil(self.batch / self.data_parallel)


def job_of(row: Mapping[str, Any], where: str, longest: int | None = None) -> Job:
    """Return what a row of a plan says is to be started.

    Parameters
    ----------
    row : mapping
        Cells by column, as numbers or as text.
    where : str
        Plan and line, for messages.
    longest : int, optional
        Tokens of the longest request.

    Raises
    ------
    InputError
        Where the row does not say its degrees: deployments from a table of one's own.
    """
    numbers = {name: _whole(row, name) for name in NUMBERS}
    if lacking := [name for name, value in numbers.items() if value is None]:
        fix = "Its deployments come from a table, which says what they give and not how they run."
        expected = "the degrees, batch and precisions of a deployment"
        raise InputError(Problem(expected, f"no {', '.join(lacking)}", where, fix))
    draft = str(row.get("draft") or "none")
    return Job(
        workload=str(row.get("workload") or ""),
        pool=str(row.get("pool") or ""),
        label=str(row.get("label") or ""),
        role=str(row.get("role") or "colocated"),
        replicas=_whole(row, "replicas") or 0,
        transformer=str(row["transformer"]),
        accelerator=str(row["accelerator"]),
        weights=str(row["weight_precision"]),
        kv=str(row["kv_precision"]),
        draft="" if draft == "none" else draft,
        draft_tensor_parallel=_whole(row, "draft_tensor_parallel") or 0,
        memory_bytes=_memory(str(row["accelerator"])),
        usable_bytes=_number(row, "usable_memory_bytes_per_gpu"),
        weight_bytes=_number(row, "weight_bytes_per_gpu"),
        pool_bytes=_number(row, "cache_pool_bytes_per_gpu"),
        longest=longest,
        **{name: value or 0 for name, value in numbers.items()},
    )


def _number(row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    try:
        return math.nan if value in (None, "") else float(value)
    except (TypeError, ValueError):
        raise InputError(Problem("a number", repr(value), name)) from None


def _whole(row: Mapping[str, Any], name: str) -> int | None:
    value = _number(row, name)
    return None if math.isnan(value) else round(value)


def _memory(accelerator: str) -> float:
    """Return the memory of an accelerator; of one that the catalogue has not, nothing is known."""
    try:
        return catalogue.accelerator(accelerator).memory_bytes
    except UnknownNameError:
        return math.nan
