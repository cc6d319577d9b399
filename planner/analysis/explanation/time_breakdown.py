"""Where the time of a token goes: every part of every term of one deployment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

from planner.candidates.forward_passes import Degrees, drafted, prompt_pass, verifying_pass
from planner.plans.plan import Plan
from planner.problem.resolve import ResolvedInstance, Supply
from planner.terms.forward import Terms, forward
from planner.terms.forward_pass import ForwardPass, Precision
from planner.terms.speculation import Drafted

TERMS = ("arithmetic", "memory", "network", "latency", "stall")

WORDS: Mapping[tuple[str, str], str] = {
    ("arithmetic", "feedforward"): "feed-forward products",
    ("arithmetic", "projections"): "attention projections and output",
    ("arithmetic", "attention"): "attention scores",
    ("memory", "feedforward_weights"): "feed-forward weights read",
    ("memory", "feedforward_activations"): "feed-forward activations",
    ("memory", "attention_weights"): "attention weights read",
    ("memory", "attention_activations"): "attention activations",
    ("memory", "cache"): "cache read",
    ("memory", "states"): "recurrent states read and written",
    ("memory", "output_projection"): "output projection read",
    ("network", "all_reduce"): "all-reduce payload",
    ("network", "experts"): "experts' dispatch and combine payload",
    ("network", "stage_hops"): "stage hops payload",
    ("latency", "launches"): "launches and overheads of layers",
    ("latency", "all_reduce"): "all-reduce latency",
    ("latency", "experts"): "experts' dispatch and combine latency",
    ("latency", "stage_hops"): "stage hops latency",
}
"""What the parts of `planner.terms` are called in front of people."""
STEP_OVERHEAD = "scheduling and sampling"
DRAFTED = "drafting"


@dataclass(frozen=True, slots=True)
class TimePart:
    """One part of the time of an output token."""

    term: str
    """`arithmetic`, `memory`, `network`, `latency` or `stall`."""
    part: str
    """What it is, in words."""
    seconds: float
    """Seconds per output token that it takes by itself; a term's parts sum to the plan's term."""
    exposed_seconds: float
    """Seconds per output token that a user waits for it, since arithmetic and memory overlap; all
    parts sum to the plan's `tpot_seconds`."""
    share: float
    """The latter as a part of `tpot_seconds`: what 1 % less of the part saves, in per cent."""


def breakdown(resolved: ResolvedInstance, plan: Plan) -> tuple[TimePart, ...]:
    """Return every part of the time per output token of a plan, term by term.

    Arithmetic x and memory y take f = (x^p + y^p)^(1/p) together (T23). As f is homogeneous, it is
    the sum of x df/dx and y df/dy (Euler), which is how much of it is exposed for the sake of each.

    Parameters
    ----------
    resolved : ResolvedInstance
        What was asked.
    plan : Plan
        One with a deployment.
    """
    [supply] = [pool for pool in resolved.pools if pool.label == plan.pool]
    tokens = plan.tokens_per_round or 1.0
    whole = plan.tpot_seconds or math.inf
    found = []
    for term, part, seconds, noticeable in _parts(resolved, supply, plan):
        scale = 1.0 if term == "stall" else 1.0 / tokens
        mine = noticeable * scale
        found.append(TimePart(term, part, seconds * scale, mine, mine / whole))
    return tuple(sorted(found, key=lambda one: TERMS.index(one.term)))


Row = tuple[str, str, float, float]
"""Term, part, seconds of a round, and how many of them are exposed."""


def _parts(resolved: ResolvedInstance, supply: Supply, plan: Plan) -> Iterator[Row]:
    degrees = Degrees(
        *(np.asarray(float(getattr(plan, field.name) or 1)) for field in fields(Degrees))
    )
    target = verifying_pass(resolved, degrees, plan.gamma or 0)
    precision = Precision(plan.weight_precision, plan.kv_precision)
    timed = forward(resolved.llm, precision, supply.rates, resolved.switches, target)
    yield from _round_parts(timed, supply.rates.step_seconds)
    beside = None
    if plan.gamma:
        [draft] = [draft for draft in resolved.drafts if draft.name == plan.draft]
        beside = drafted(resolved, supply.rates, draft, precision, degrees)
        yield from _drafting_parts(beside, plan.gamma, supply.rates.combine_power)
    if resolved.switches.prefill == "colocated":
        yield from _stall_parts(resolved, supply, plan, target, beside)


def _weights(arithmetic: float, memory: float, power: float) -> dict[str, float]:
    """Return df/dx and df/dy of their combination: the exposed part of a second of each (T23)."""
    if math.isinf(power):
        longer = arithmetic > memory
        return {"arithmetic": float(longer), "memory": float(not longer)}
    larger = max(arithmetic, memory)
    if power == 1.0 or larger == 0.0:
        return {"arithmetic": 1.0, "memory": 1.0}
    x, y = arithmetic / larger, memory / larger
    together = (x**power + y**power) ** (1.0 / power)
    return {
        "arithmetic": (x / together) ** (power - 1.0),
        "memory": (y / together) ** (power - 1.0),
    }


def _round_parts(timed: Terms, step_overhead: float) -> Iterator[Row]:
    weights = _weights(float(timed.arithmetic), float(timed.memory), timed.combine_power)
    for (term, name), words in WORDS.items():
        seconds = float(getattr(timed, f"{term}_parts")[name])
        if name == "launches":
            yield term, STEP_OVERHEAD, step_overhead, step_overhead
            seconds -= step_overhead
        yield term, words, seconds, seconds * weights.get(term, 1.0)


def _drafting_parts(beside: Drafted, gamma: int, power: float) -> Iterator[Row]:
    sums = beside.sums
    weights = _weights(float(sums.arithmetic), float(sums.memory), power)
    for term in TERMS[:4]:
        seconds = gamma * float(getattr(sums, term))
        yield term, DRAFTED, seconds, seconds * weights.get(term, 1.0)


def _stall_parts(
    resolved: ResolvedInstance,
    supply: Supply,
    plan: Plan,
    target: ForwardPass,
    beside: Drafted | None,
) -> Iterator[Row]:
    """Yield what of other users' prompts is waited for, by the term of reading them (T39)."""
    workload, groups = resolved.instance.workload, float(target.dp)
    precision = Precision(plan.weight_precision, plan.kv_precision)
    timed = forward(
        resolved.llm, precision, supply.rates, resolved.switches, prompt_pass(resolved, target)
    )
    prompts = (plan.batch or 1) / workload.output_tokens / float(target.pp)
    weights = _weights(float(timed.arithmetic), float(timed.memory), timed.combine_power)
    for term in TERMS[:4]:
        seconds = prompts / groups * float(getattr(timed, term)) * weights.get(term, 1.0)
        yield "stall", f"{term} of others' prompts", seconds, seconds
    if beside is not None:
        own = prompts * float(beside.prefill)
        yield "stall", "others' prompts read by the draft", own, own
