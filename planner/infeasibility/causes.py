"""Causes: physics, memory, supply, budget, or requirements that exclude others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from planner.candidates.requirements import Requirement, fits_memory, requirements, violations
from planner.candidates.table import Candidates
from planner.infeasibility.bottleneck import Limit, first_token_limit, speed_limit
from planner.infeasibility.relaxed_plan import words
from planner.infeasibility.search_extension import Fullness, leanest
from planner.infeasibility.wording import (
    BUDGET,
    SUPPLY,
    attained,
    listed,
    number,
    requirement_words,
    seconds,
)
from planner.problem.limits import FIRST_TOKEN, GPUS, MEMORY, SPEED, names_of
from planner.problem.resolve import ResolvedInstance
from planner.terms.forward_pass import ONE, ForwardPass, Precision
from planner.terms.memory_capacity import weight_bytes

Kind = Literal["physical", "memory", "supply", "budget", "contradiction", "search"]
PHYSICS = names_of("memory", "latency")
EXPLAINED = (SPEED, FIRST_TOKEN)
"""Limits whose best is told, with what holds it back."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best that can be had of something that cannot be had as asked."""

    requirement: str
    """`tokens_per_second_per_request` or `time_to_first_token_seconds`."""
    asked: float
    attained: float
    """In tokens per second, or in seconds."""
    deployment: str
    """Where, in words."""
    held_back_by: Limit


@dataclass(frozen=True, slots=True)
class Cause:
    """What stands in the way."""

    kind: Kind
    conflict: tuple[str, ...]
    """The fewest requirements of this kind that no deployment meets together."""
    best: tuple[Best, ...] = ()
    """Where physics stands in the way, the best there is."""
    fullness: Fullness | None = None
    """Where nothing fits into memory, what comes nearest."""


def main_cause(resolved: ResolvedInstance, table: Candidates) -> Cause:
    """Return why none of the deployments that are shortlisted is possible.

    The first of these that holds:

    - `search`: nothing is admissible;
    - `memory`: nothing fits;
    - `physical`: nothing that fits is fast enough, or answers soon enough, whatever it costs;
    - `contradiction`: speed and first token can be met, but not together;
    - `supply`: nothing that is fast enough keeps within accelerators and replicas;
    - `budget`: nothing that is fast enough keeps within the ceilings on cost;
    - `contradiction`: supply and budget can be kept, but not together.
    """
    if not len(table):
        return Cause("search", ())
    found = requirements(resolved, table)
    named = {one.name: one for one in found}
    impossible = tuple(name for name in EXPLAINED if name in named and _apart(named, name))
    if not fits_memory(table).any():
        return Cause("memory", PHYSICS[:1], fullness=leanest(resolved))
    if impossible:
        best = tuple(_best(resolved, table, named[name]) for name in impossible)
        return Cause("physical", impossible[:1], best)
    kinds: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("contradiction", PHYSICS),
        ("supply", (*PHYSICS, *SUPPLY)),
        ("budget", (*PHYSICS, *BUDGET)),
    )
    for kind, names in kinds:
        if conflict := smallest_conflict(one for one in found if one.name in names):
            return Cause(kind, conflict)
    return Cause("contradiction", smallest_conflict(found))


def _apart(named: dict[str, Requirement], name: str) -> bool:
    """Whether nothing that fits meets one requirement."""
    return not (named[MEMORY].met & named[name].met).any()


def smallest_conflict(found: Iterable[Requirement]) -> tuple[str, ...]:
    """Return the fewest requirements that no candidate meets together; none where some meets all.

    A set excludes itself where every candidate misses something of it.
    """
    listed_ = list(found)
    patterns = np.unique(violations(listed_))
    if (patterns == 0).any():
        return ()
    for size in range(1, len(listed_) + 1):
        for chosen in combinations(range(len(listed_)), size):
            if (patterns & sum(1 << bit for bit in chosen)).all():
                return tuple(listed_[bit].name for bit in chosen)
    return ()


def _best(resolved: ResolvedInstance, table: Candidates, missed: Requirement) -> Best:
    """Return the best that anything that fits attains; of equals that of fewest accelerators."""
    rows = np.flatnonzero(fits_memory(table))
    value = missed.attained[rows] * (1.0 if missed.at_most else -1.0)
    row = int(rows[np.lexsort((table.gpus_per_replica[rows], value))[0]])
    limit = first_token_limit if missed.name == FIRST_TOKEN else speed_limit
    return Best(
        missed.name,
        float(np.asarray(missed.limit)),
        float(missed.attained[row]),
        words(resolved, table, row),
        limit(resolved, table, row),
    )


def lead(resolved: ResolvedInstance, found: Cause) -> str:
    """Say in a sentence or two what stands in the way."""
    if found.kind == "search":
        return "No deployment of the search space is admissible: widen `search`."
    if found.fullness is not None:
        full = found.fullness
        return (
            f"Nothing fits into memory: {resolved.llm.name} takes at least "
            f"{number(attained(full.resident_bytes / 1e9, at_most=True))} GB on every accelerator "
            f"of {full.deployment}, of which {number(round(full.usable_bytes / 1e9, 1))} GB may "
            f"be filled."
        )
    if found.kind == "physical":
        return " ".join(map(_told, found.best))
    return _excluded(resolved, found)


def _told(best: Best) -> str:
    limit = best.held_back_by
    where = (
        f"on {best.deployment}, held back by {limit.part} ({min(limit.share, 1.0):.0%} of the time)"
    ).replace("%", " %")
    if best.requirement == FIRST_TOKEN:
        value = seconds(attained(best.attained, at_most=True))
        return (
            f"No deployment answers within {seconds(best.asked)} at any price: the first token "
            f"comes after {value} at best, {where}."
        )
    value = number(attained(best.attained, at_most=False))
    return (
        f"No deployment reaches {number(best.asked)} tok/s per request at any price: the best is "
        f"{value} tok/s {where}."
    )


def _excluded(resolved: ResolvedInstance, found: Cause) -> str:
    workload = resolved.instance.workload
    wanted = requirement_words(resolved, [one for one in found.conflict if one in PHYSICS])
    limits = requirement_words(resolved, [one for one in found.conflict if one not in PHYSICS])
    counted = {*SUPPLY, BUDGET[1]} & set(found.conflict)
    if workload.tokens_per_second is not None and counted:
        wanted.append(f"{number(workload.tokens_per_second)} tok/s in all")
    if found.kind == "contradiction":
        if len(parts := [*wanted, *limits]) == 1:
            return f"No deployment meets {parts[0]}."
        together = listed(parts)
        return f"Requirements exclude each other: no deployment meets {together} together."
    what = f"gives {listed(wanted)}" if wanted else "runs"
    short = "Supply is too short" if found.kind == "supply" else "The budget is too small"
    lacking = f"{short}: no deployment {what} with at most {listed(limits)}."
    memory = {GPUS, MEMORY} <= set(found.conflict)
    return " ".join([lacking, *_too_heavy(resolved)]) if memory else lacking


def _too_heavy(resolved: ResolvedInstance) -> Iterator[str]:
    """Yield how many accelerators the weights alone take, in pools that have fewer."""
    ones = (ONE, ONE, ONE, ONE, ONE)
    search = resolved.instance.search
    held = {
        name: float(
            weight_bytes(
                resolved.llm,
                Precision(name, search.kv[0]),
                resolved.switches,
                ForwardPass(*ones),
            )
        )
        for name in search.weights
    }
    name = min(held, key=held.__getitem__)
    for pool in resolved.pools:
        usable = pool.rates.memory_bytes
        needed = math.ceil(held[name] / usable)
        if pool.gpus is not None and pool.gpus < needed:
            yield (
                f"Weights of {number(round(held[name] / 1e9))} GB in {name} need at least "
                f"{needed} {pool.label} by memory; {pool.gpus} hold "
                f"{number(round(pool.gpus * usable / 1e9))} GB."
            )
