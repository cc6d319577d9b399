"""What an explanation says, in words: the same on a terminal, on a page and beside a chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner.analysis.explanation.break_even import BreakEven
from planner.analysis.explanation.explain import Explanation
from planner.analysis.explanation.runner_ups import Miss, RunnerUp
from planner.analysis.explanation.sensitivity import Sensitivity
from planner.analysis.explanation.time_breakdown import TERMS, TimePart
from planner.analysis.explanation.what_if import Choice, WhatIf
from planner.plans.plan import Plan
from planner.problem.tolerances import TIE
from planner.reporting import number_format
from planner.reporting.words import words_of

LEAST_SHARE = 0.001
"""Parts of the time below this share of a token's are not listed."""
TERM_WORDS = {
    "arithmetic": "arithmetic",
    "memory": "reading memory",
    "network": "sending data between accelerators",
    "latency": "launches and message latency",
    "stall": "other users’ prompts",
}
"""What the terms of a token's time are called in a sentence."""


def exposed_by(parts: Iterable[TimePart], term: str) -> float:
    """Return the seconds of a token that a user waits for one term."""
    return sum(part.exposed_seconds for part in parts if part.term == term)


def largest_term(found: Explanation) -> tuple[str, float]:
    """Return the term that a user waits for most, and its share of a token's time."""
    term = max(TERMS, key=lambda one: exposed_by(found.time, one))
    return term, exposed_by(found.time, term) / (found.plan.tpot_seconds or 1.0)


def listed_parts(plan: Plan, time: Iterable[TimePart], term: str) -> list[TimePart]:
    """Return the parts of a term that are worth a line, the longest first."""
    least = LEAST_SHARE * (plan.tpot_seconds or 1.0)
    parts = (one for one in time if one.term == term and one.seconds >= least)
    return sorted(parts, key=lambda one: -one.seconds)


def milliseconds(seconds: float) -> str:
    """Write a part of a token's time without its unit."""
    return f"{1e3 * seconds:,.3f}"


def value(plan: Plan, objective: float) -> str:
    """Write a value of the plan's objective."""
    return number_format.objective(plan.objective_name, objective)


def assumed(key: str, value: float) -> str:
    """Write the value that a field of an instance has, called by its last key, in its unit."""
    if key.startswith("tokens_per_second"):
        return number_format.quantity(value, "tok/s")
    if key == "dollars_per_gpu_hour":
        return f"{number_format.dollars(value)}/h each"
    if key in ("usable_memory_fraction", "acceptance"):
        return number_format.share(value)
    return number_format.plain(value)


WORSE = {"speed": ("slower", "faster"), "cost": ("dearer", "cheaper")}
"""Words for what is worse, and better, in an objective."""


def loses(plan: Plan, one: RunnerUp) -> str:
    """Say what a runner-up misses, or by how much it is worse than the plan."""
    if one.misses:
        return "; ".join(map(_miss, one.misses))
    difference, objective = one.loses or 0.0, abs(plan.objective or 1.0)
    if abs(difference) > TIE * objective:
        worse, better = WORSE["speed" if plan.objective_name.startswith("tokens") else "cost"]
        word = worse if difference > 0 else better
        return f"{number_format.share(abs(difference) / objective)} {word}"
    if one.choice.gpus > (plan.gpus or 0):
        return "as good, more GPUs"
    speed = plan.tokens_per_second_per_request or 0.0
    slower = speed > one.choice.tokens_per_second_per_request
    return "as good, slower request" if slower else "as good, later label"


def _miss(miss: Miss) -> str:
    attained, limit = (number_format.quantity(v, miss.unit) for v in (miss.attained, miss.limit))
    return f"{words_of(miss.requirement)}: {attained}, asked {limit}"


def outcome(plan: Plan, supposed: WhatIf) -> str:
    """Say what the plan would be if something were otherwise."""
    if supposed.objective is None or supposed.plan is None:
        return "no deployment meets every requirement"
    if not supposed.differs_in:
        return "the same plan"
    return f"{value(plan, supposed.objective)}: {copies(supposed.plan)}"


def copies(one: Plan | Choice) -> str:
    """Describe all replicas: `8 replicas of 4 × h100-sxm tp4 fp8 b59`."""
    lead = "" if one.replicas == 1 else f"{one.replicas:,} replicas of "
    return f"{lead}{number_format.layout(one)}"


def nearest_prices(prices: Iterable[BreakEven]) -> list[BreakEven]:
    """Return the chosen pool, then added ones, then those that need the least of a discount."""

    def distance(one: BreakEven) -> tuple[bool, bool, float]:
        return not one.chosen, one.asked, -price_ratio(one)

    return sorted(prices, key=distance)


def price_ratio(one: BreakEven) -> float:
    """Return a break-even price over today's; small where today's is not known."""
    return (one.break_even or 0.0) / (one.dollars_per_gpu_hour or 1e18)


def price_outcome(one: BreakEven) -> str:
    """Say what a pool's break-even price means."""
    if one.never:
        return "no deployment of it would do at any price"
    if one.break_even is None:
        return "no other pool would do at any price of this one"
    if one.chosen:
        return f"stays the choice up to it; then {one.otherwise or 'nothing is possible'}"
    now = one.dollars_per_gpu_hour
    word = "would be the choice today" if now and now < one.break_even else "is the choice below it"
    return f"{word}: {one.choice.label}" if one.choice else word


def noticeable(found: Explanation) -> list[Sensitivity]:
    """Return the assumptions that matter, the widest swing first."""
    return [one for one in found.sensitivities if not one.negligible]


def negligible(found: Explanation, most: int | None = None) -> str:
    """Name the assumptions that do not matter, so many at most; empty where there are none."""
    names = [one.assumption for one in found.sensitivities if one.negligible]
    if most is not None and len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    return number_format.listed(names) if names else ""


def end_value(plan: Plan, end: WhatIf) -> str:
    """Write the objective at one end of an assumption."""
    return "impossible" if end.objective is None else value(plan, end.objective)


def ends_of(rows: Sequence[Sensitivity]) -> list[WhatIf]:
    """Return both ends of every assumption."""
    return [end for row in rows for end in (row.low, row.high)]
