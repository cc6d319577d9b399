"""Requirements: what a deployment must satisfy, and which deployments nobody could prefer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planner.candidates import Candidates, Integers, available_gpus, label
from planner.question import Question
from planner.terms.passes import Floats

Mask = npt.NDArray[np.bool_]

SLACK = 1e-9
"""Relative excess that counts as rounding."""


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
            return self.attained <= np.asarray(self.limit) * (1.0 + SLACK)
        return self.attained >= np.asarray(self.limit) * (1.0 - SLACK)


def requirements(question: Question, table: Candidates) -> list[Requirement]:
    """List the requirements of an instance with what every candidate attains."""
    instance, workload = question.instance, question.instance.workload
    needed = table.replicas_needed(workload)
    gpus = needed * table.gpus_per_replica
    supply = available_gpus(question, table)
    found = [
        Requirement(
            "memory_capacity", table.memory_bytes_per_gpu, table.usable_bytes_per_gpu, True, "B"
        ),
        Requirement("gpus", gpus, supply, True, "GPUs"),
        Requirement("max_replicas", needed, float(instance.search.max_replicas), True, "replicas"),
    ]
    if workload.tokens_per_second_per_request is not None:
        found.append(
            Requirement(
                "tokens_per_second_per_request",
                table.tokens_per_second_per_request,
                workload.tokens_per_second_per_request,
                False,
                "tok/s",
            )
        )
    ceilings = (
        (
            "time_to_first_token_seconds",
            table.time_to_first_token_seconds,
            workload.time_to_first_token_seconds,
            "s",
        ),
        (
            "dollars_per_million_tokens_at_most",
            table.dollars_per_million_tokens,
            instance.dollars_per_million_tokens_at_most,
            "$/Mtok",
        ),
        (
            "dollars_per_hour_at_most",
            table.dollars_per_hour(needed),
            instance.dollars_per_hour_at_most,
            "$/h",
        ),
    )
    found += [
        Requirement(name, attained, limit, True, unit)
        for name, attained, limit, unit in ceilings
        if limit is not None
    ]
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


def objective_values(question: Question, table: Candidates) -> Floats:
    """What every candidate scores, to be minimised (speed counts negative)."""
    aim = question.instance.aim
    if aim == "tokens_per_second_per_request":
        return -table.tokens_per_second_per_request
    if aim == "dollars_per_million_tokens":
        return table.dollars_per_million_tokens
    return table.dollars_per_hour(table.replicas_needed(question.instance.workload))


def undominated(question: Question, table: Candidates) -> Integers:
    """Return the rows that some price, demand or taste could still make the best.

    A row goes where another one costs no more per replica, uses no more accelerators, needs no
    more replicas (or costs no more per token), is no slower, and sorts before it in case all are
    equal. The requirements of single deployments must have been applied before.
    """
    values = objective_values(question, table)
    needed = table.replicas_needed(question.instance.workload)
    hourly = question.instance.aim == "dollars_per_hour"
    first = needed if hourly else values
    speed = table.tokens_per_second_per_request
    rows = _fastest_of_each(table, first, needed, speed)
    price, gpus = table.dollars_per_hour(np.ones(len(table))), table.gpus_per_replica.astype(float)
    # The first key is sorted by, so it need not be compared again.
    compared = (price, gpus) if hourly else (price, gpus, needed)
    keys = [key[rows] for key in (*reversed(compared), -speed, first)]
    rows = rows[_in_order(question, table, rows, keys)]
    return np.sort(rows[_skyline([key[rows] for key in compared], speed[rows])])


def _in_order(
    question: Question, table: Candidates, rows: Integers, keys: list[Floats]
) -> Integers:
    """Sort by the last key, then the one before it, and by label where all are equal."""
    order = np.lexsort(keys)
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    if not same.any():
        return order
    tied = order[np.append(same, False) | np.append(False, same)]
    names = [label(question, table, row) for row in rows[tied]]
    ranks = np.zeros(len(rows))
    ranks[tied] = np.argsort(np.argsort(names))
    return np.lexsort([ranks, *keys])


def _fastest_of_each(table: Candidates, first: Floats, needed: Floats, speed: Floats) -> Integers:
    """Keep, of rows that differ in batch alone and score the same, the fastest."""
    keys = _choices_but_batch(table)
    order = np.lexsort((table.batch, -speed, needed, first, *keys))
    same = np.ones(len(order) - 1, dtype=bool)
    for key in (first, needed, *keys):
        same &= key[order][1:] == key[order][:-1]
    return order[np.concatenate(([True], ~same))]


def _choices_but_batch(table: Candidates) -> tuple[Integers, Integers]:
    """Two whole numbers that tell apart rows which differ in more than their batch."""
    kinds = ((table.pool * 8 + table.weights) * 8 + table.kv) * 64 + table.draft
    layout = ((table.tensor_parallel << 12) + table.pipeline_parallel << 12) + table.data_parallel
    return kinds * 128 + table.gamma, (layout << 17) + table.expert_parallel


def _skyline(compared: list[Floats], speed: Floats) -> Mask:
    """Mark rows, sorted by score and then speed, that no earlier row dominates.

    An earlier row dominates where it is no more in everything compared, and no slower.
    """
    kept = np.ones(len(speed), dtype=bool)
    kinds = np.unique(np.column_stack(compared), axis=0)
    for kind in kinds:
        rivals = np.logical_and.reduce(
            [key <= most for key, most in zip(compared, kind, strict=True)]
        )
        here = np.logical_and.reduce(
            [key == most for key, most in zip(compared, kind, strict=True)]
        )
        best = np.maximum.accumulate(np.where(rivals, speed, -np.inf))
        earlier = np.concatenate(([-np.inf], best[:-1]))
        kept &= ~(here & (earlier >= speed))
    return kept
