"""What holds a deployment back: the largest of its causes of time, and the largest part of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from planner.candidates.forward_passes import Degrees, drafted, prompt_pass, verifying_pass
from planner.candidates.table import Candidates
from planner.problem.resolve import ResolvedInstance
from planner.terms.forward import Terms, forward
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.speculation import Drafted

CAUSES = ("arithmetic", "memory", "network", "latency")
STALL, DRAFT = "stall", "draft"
PARTS: Mapping[tuple[str, str], str] = {
    ("arithmetic", "feedforward"): "feed-forward products",
    ("arithmetic", "projections"): "projections of attention and output",
    ("arithmetic", "attention"): "attention scores",
    ("memory", "weights"): "reading weights",
    ("memory", "activations"): "reading and writing activations",
    ("memory", "cache"): "reading the cache",
    ("memory", "states"): "reading and writing recurrent states",
    ("network", "all_reduce"): "all-reduce payload",
    ("network", "experts"): "payload to experts and back",
    ("network", "stage_hops"): "payload between stages",
    ("latency", "launches"): "launches and overheads",
    ("latency", "all_reduce"): "all-reduce latency",
    ("latency", "experts"): "latency of messages to experts and back",
    ("latency", "stage_hops"): "latency between stages",
}
"""What the parts of the terms are called; drafting is a part of each."""
MEMORY_PARTS: Mapping[str, str] = {
    "feedforward_weights": "weights",
    "attention_weights": "weights",
    "output_projection": "weights",
    "feedforward_activations": "activations",
    "attention_activations": "activations",
    "cache": "cache",
    "states": "states",
}

Seconds = dict[str, dict[str, float]]
"""Cause to part to seconds."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest part of the largest cause of a time."""

    cause: str
    """`arithmetic`, `memory`, `network`, `latency`, or `stall`: reading other users' prompts."""
    part: str
    """What of it takes longest, in words."""
    share: float
    """Seconds of the part over the whole time, from 0 to 1; arithmetic and memory overlap."""


def speed_limit(resolved: ResolvedInstance, table: Candidates, row: int) -> Limit:
    """Return what takes longest of the time per output token of one deployment."""
    one = table.take(np.asarray([row]))
    verify, beside = _passes(resolved, one)
    found = _of_pass(resolved, one, verify)
    _add_draft(found, beside, int(one.gamma[0]))
    stall = float(one.stall_seconds[0] * one.tokens_per_round[0])
    found[STALL] = {STALL: stall}
    return _largest(found, float(one.tpot_seconds[0] * one.tokens_per_round[0]))


def first_token_limit(resolved: ResolvedInstance, table: Candidates, row: int) -> Limit:
    """Return what takes longest of the time to the first token of one deployment.

    The prompt and the first step count together; what the draft takes to read it counts as
    arithmetic of drafting.
    """
    one = table.take(np.asarray([row]))
    verify, beside = _passes(resolved, one)
    prompt = prompt_pass(resolved, verify)
    found, reading = _of_pass(resolved, one, verify), _of_pass(resolved, one, prompt)
    for cause, parts in reading.items():
        for part, seconds in parts.items():
            found[cause][part] += seconds
    _add_draft(found, beside, int(one.gamma[0]))
    if beside is not None:
        found["arithmetic"][DRAFT] += float(beside.prefill)
    return _largest(found, float(one.time_to_first_token_seconds[0]))


def _largest(found: Seconds, whole: float) -> Limit:
    cause = max(found, key=lambda name: sum(found[name].values()))
    part = max(found[cause], key=found[cause].__getitem__)
    words = {STALL: "reading other users' prompts", DRAFT: f"{cause} of drafting"}
    return Limit(cause, words.get(part) or PARTS[cause, part], found[cause][part] / whole)


def _add_draft(found: Seconds, beside: Drafted | None, gamma: int) -> None:
    if beside is not None:
        for cause in CAUSES:
            found[cause][DRAFT] = gamma * float(getattr(beside.sums, cause))


def _of_pass(resolved: ResolvedInstance, one: Candidates, step: ForwardPass) -> Seconds:
    """Return the seconds of a pass by cause and part."""
    rates = resolved.pools[one.pool[0]].rates
    timed = forward(resolved.llm, _precision(resolved, one), rates, resolved.switches, step)
    return {cause: _parts(timed, cause) for cause in CAUSES}


def _parts(timed: Terms, cause: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, seconds in getattr(timed, f"{cause}_parts").items():
        part = MEMORY_PARTS[name] if cause == "memory" else name
        found[part] = found.get(part, 0.0) + float(np.max(seconds))
    return found


def _precision(resolved: ResolvedInstance, one: Candidates) -> Precision:
    search = resolved.instance.search
    return Precision(search.weights[one.weights[0]], search.kv[one.kv[0]])


def _passes(resolved: ResolvedInstance, one: Candidates) -> tuple[ForwardPass, Drafted | None]:
    """Return the pass that decodes or verifies, and the draft where there is one."""
    degrees = Degrees(
        *(np.asarray(float(getattr(one, field.name)[0])) for field in fields(Degrees))
    )
    verify = verifying_pass(resolved, degrees, int(one.gamma[0]))
    if not one.draft[0]:
        return verify, None
    rates, draft = resolved.pools[one.pool[0]].rates, resolved.drafts[one.draft[0] - 1]
    return verify, drafted(resolved, rates, draft, _precision(resolved, one), degrees)
