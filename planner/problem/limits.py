"""The limits that an instance may state: one row each, read by all who ask whether they are met.

A new limit is one row here, the term that it limits, and a test. The checker has a copy of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planner.problem.instance import LARGEST_COUNT, LARGEST_QUANTITY, Instance

LITTLE = 1e-9
"""A least speed or demand that everything meets, in tokens per second."""

Group = Literal["memory", "supply", "latency", "budget", "demand"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One number of an instance that a deployment must keep to."""

    name: str
    """As in the column `binding` of a plan."""
    field: str
    """Path of the field, as sweeps write it; of pools, that of the first one."""
    column: str
    """The column of a plan that it limits."""
    at_most: bool
    """Whether the column may be no more, rather than no less."""
    unit: str
    words: str
    """What it is called in front of people."""
    group: Group
    loosest: float | int | None
    """The value of the field at which it asks nothing."""

    def stated(self, instance: Instance) -> float | None:
        """Return what an instance says; None where it says nothing, or a record does."""
        holder, _, name = self.field.rpartition(".")
        if holder.startswith("pools"):
            return None
        value: float | None = getattr(getattr(instance, holder) if holder else instance, name)
        return value


DEMAND = "tokens_per_second"
MEMORY = "memory_capacity"
GPUS = "gpus"
SPEED = "tokens_per_second_per_request"
FIRST_TOKEN = "time_to_first_token_seconds"
PER_TOKEN = "dollars_per_million_tokens"
PER_HOUR = "dollars_per_hour"

LIMITS: tuple[Limit, ...] = (
    Limit(
        MEMORY,
        "usable_memory_fraction",
        "memory_bytes_per_gpu",
        at_most=True,
        unit="B",
        words="memory of a GPU",
        group="memory",
        loosest=1.0,
    ),
    Limit(
        GPUS,
        "pools[0].gpus",
        "gpus",
        at_most=True,
        unit="GPUs",
        words="GPUs of the pool",
        group="supply",
        loosest=None,
    ),
    Limit(
        "max_replicas",
        "workload.max_replicas",
        "replicas",
        at_most=True,
        unit="replicas",
        words="replicas",
        group="supply",
        loosest=LARGEST_COUNT,
    ),
    Limit(
        SPEED,
        f"workload.{SPEED}",
        SPEED,
        at_most=False,
        unit="tok/s",
        words="speed of a request",
        group="latency",
        loosest=LITTLE,
    ),
    Limit(
        FIRST_TOKEN,
        f"workload.{FIRST_TOKEN}",
        FIRST_TOKEN,
        at_most=True,
        unit="s",
        words="time to first token",
        group="latency",
        loosest=LARGEST_QUANTITY,
    ),
    Limit(
        f"{PER_TOKEN}_at_most",
        f"{PER_TOKEN}_at_most",
        PER_TOKEN,
        at_most=True,
        unit="$/Mtok",
        words="cost per million tokens",
        group="budget",
        loosest=LARGEST_QUANTITY,
    ),
    Limit(
        f"{PER_HOUR}_at_most",
        f"{PER_HOUR}_at_most",
        PER_HOUR,
        at_most=True,
        unit="$/h",
        words="cost per hour",
        group="budget",
        loosest=LARGEST_QUANTITY,
    ),
    Limit(
        DEMAND,
        f"workload.{DEMAND}",
        DEMAND,
        at_most=False,
        unit="tok/s",
        words="demand",
        group="demand",
        loosest=LITTLE,
    ),
)
"""All of them; the demand, which replicas meet together, comes last."""

BY_NAME = {limit.name: limit for limit in LIMITS}


def names_of(*groups: Group) -> tuple[str, ...]:
    """Return the names of the limits of some groups, in order."""
    return tuple(limit.name for limit in LIMITS if limit.group in groups)
