"""Deployments on offer to a fleet: what each takes and serves, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROLES = ("colocated", "prefill", "decode")
"""What a replica does; an offer's role is an index into these."""


Deployment = Mapping[str, str | int | float | None]
"""What is known of a deployment, by column of a plan: degrees, precisions, times, memory."""


@dataclass(frozen=True, slots=True)
class Offers:
    """One row per workload, pool and deployment, as a file or the planner's tables state them.

    Nothing is left out and nothing derated yet: rows may be too slow or in the wrong region. Rows
    are sorted by workload. NaN stands for what is not stated.
    """

    workload: Ints
    """Index into the fleet's workloads."""
    pool: Ints
    """Index into the fleet's pools."""
    label: tuple[str, ...]
    """Name of the deployment, unique within workload and pool."""
    gpus: Ints
    """Accelerators of one replica."""
    role: Ints
    """Index into `ROLES`."""
    rates: Floats
    """(rows, classes) requests per second that one replica serves of each request class, if it
    serves no other; 0 where it cannot. One column where requests are alike."""
    tpot_seconds: Floats
    """Time per output token that one user sees."""
    ttft_seconds: Floats
    """Time to the first token on an idle replica."""
    dollars_per_hour: Floats
    """Own price of one replica, in place of the pool's; NaN where the pool's price holds."""
    quality: Floats
    """Quality of its answers, as the file states it."""
    deployment: tuple[Deployment, ...] = ()
    """What else is known of each row's deployment; empty where that is so of none."""

    def __len__(self) -> int:
        return len(self.workload)

    def take(self, rows: Ints) -> Offers:
        """Return some rows, in their order."""
        columns = {field.name: getattr(self, field.name) for field in fields(Offers)}
        taken: dict[str, Any] = {
            name: tuple(values[row] for row in rows if values)
            if isinstance(values, tuple)
            else values[rows]
            for name, values in columns.items()
        }
        return Offers(**taken)
