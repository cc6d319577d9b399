"""What lies in the fullest GPU of a plan, part by part, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

from planner.candidates.forward_passes import Degrees, drafted, full_sequences
from planner.plans.plan import Plan
from planner.problem.resolve import ResolvedInstance, Supply
from planner.terms.forward_pass import Precision
from planner.terms.memory_parts import memory_parts

WORDS: Mapping[str, str] = {
    "attention": "attention weights",
    "recurrent": "recurrent layers' weights",
    "dense": "feed-forward weights",
    "experts": "routed experts",
    "shared": "shared experts",
    "router": "routers",
    "embeddings": "look-ups",
    "head": "output projection",
    "towers": "image towers",
    "cache": "cache of the batch",
    "states": "recurrent states",
    "activations": "activations and logits",
    "communication": "contexts and collectives",
}
"""What the parts of `planner.terms.memory_parts` are called in front of people."""
DRAFT, FREE = "the draft", "free"


@dataclass(frozen=True, slots=True)
class MemoryPart:
    """One part of what lies in the fullest GPU."""

    part: str
    """What it is, in words; `free` is what is left of what may be filled."""
    bytes: float
    """All but what is free sum to the plan's `memory_bytes_per_gpu`."""
    share: float
    """Its part of what may be filled."""


def memory_breakdown(resolved: ResolvedInstance, plan: Plan) -> tuple[MemoryPart, ...]:
    """Divide the memory of the fullest GPU of a plan among everything that lies in it.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    plan : Plan
        Its plan, with a deployment.

    Returns
    -------
    tuple of MemoryPart
        Weights, caches, the engine's own, and last what is free.
    """
    supply = next(pool for pool in resolved.pools if pool.label == plan.pool)
    usable = supply.rates.memory_bytes
    found = dict(_parts(resolved, supply, plan))
    found[FREE] = max(usable - sum(found.values()), 0.0)
    return tuple(MemoryPart(part, size, size / usable) for part, size in found.items())


def _parts(resolved: ResolvedInstance, supply: Supply, plan: Plan) -> Iterator[tuple[str, float]]:
    degrees = Degrees(
        *(np.asarray(float(getattr(plan, field.name) or 1)) for field in fields(Degrees))
    )
    precision = Precision(plan.weight_precision, plan.kv_precision)
    full = full_sequences(resolved, degrees)
    for part, size in memory_parts(resolved.llm, precision, resolved.switches, full).items():
        yield WORDS[part], size
    if plan.gamma:
        [draft] = [draft for draft in resolved.drafts if draft.name == plan.draft]
        beside = drafted(resolved, supply.rates, draft, precision, degrees)
        yield DRAFT, float(beside.resident)
