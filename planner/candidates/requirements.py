"""Requirements: what a deployment must satisfy, and what it scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planner.candidates.table import Candidates, Integers, available_gpus
from planner.problem.limits import DEMAND, GPUS, LIMITS, MEMORY
from planner.problem.resolve import ResolvedInstance
from planner.problem.tolerances import ROUNDING
from planner.terms.forward_pass import Floats

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing every deployment must satisfy: `attained` at most, or at least, `limit`."""

    name: str
    attained: Floats
    limit: Floats | float
    at_most: bool
    unit: str

    @property
    def met(self) -> Mask:
        """Which candidates satisfy it."""
        if self.at_most:
            return self.attained <= np.asarray(self.limit) * (1.0 + ROUNDING)
        return self.attained >= np.asarray(self.limit) * (1.0 - ROUNDING)


def fits_memory(table: Candidates) -> Mask:
    """Which candidates fit into the memory of their accelerators, whatever is asked."""
    return fits_in(table.memory_bytes_per_gpu, table.usable_bytes_per_gpu)


def fits_in(resident: Floats, usable: Floats | float) -> Mask:
    """Where so many resident bytes fit into the usable ones."""
    fits: Mask = np.asarray(resident <= np.asarray(usable) * (1.0 + ROUNDING))
    return fits


def requirements(resolved: ResolvedInstance, table: Candidates) -> list[Requirement]:
    """List the requirements of an instance with what every candidate attains."""
    needed = table.replicas_needed(resolved.instance.workload)
    limits = {MEMORY: table.usable_bytes_per_gpu, GPUS: available_gpus(resolved, table)}
    attained = {
        "gpus": needed * table.gpus_per_replica,
        "replicas": needed,
        "dollars_per_hour": table.dollars_per_hour(needed),
    }
    found = []
    for one in LIMITS:
        limit = limits.get(one.name, one.stated(resolved.instance))
        if limit is not None and one.name != DEMAND:
            reached = attained.get(one.column)
            reached = getattr(table, one.column) if reached is None else reached
            found.append(Requirement(one.name, reached, limit, one.at_most, one.unit))
    return found


def all_met(found: list[Requirement]) -> Mask:
    """Which candidates satisfy every requirement."""
    met: Mask = np.logical_and.reduce([requirement.met for requirement in found])
    return met


def violations(found: list[Requirement]) -> Integers:
    """Which requirements every candidate misses: bit i for the i-th."""
    missed = np.zeros(len(found[0].attained), dtype=np.int64)
    for bit, requirement in enumerate(found):
        missed |= (~requirement.met).astype(np.int64) << bit
    return missed


def objective_values(resolved: ResolvedInstance, table: Candidates) -> Floats:
    """What every candidate scores, to be minimised (speed counts negative)."""
    aim = resolved.instance.aim
    if aim == "tokens_per_second_per_request":
        return -table.tokens_per_second_per_request
    if aim == "dollars_per_million_tokens":
        return table.dollars_per_million_tokens
    return table.dollars_per_hour(table.replicas_needed(resolved.instance.workload))
