"""Why no deployment satisfies an instance: the fewest requirements in the way, and the nearest."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from planner.question import Question
from planner.survey import Miss, nearest_misses

FIXED = "memory_capacity"


def diagnose(question: Question) -> list[Miss]:
    """Return every smallest set of requirements whose relaxation leaves a deployment.

    A set suffices where some deployment misses nothing else. The memory of an accelerator is
    relaxed only where nothing fits at all.
    """
    misses = list(nearest_misses(question).values())
    movable = [miss for miss in misses if FIXED not in miss.requirements]
    if not movable:
        fewest = sorted(misses, key=lambda miss: (len(miss.requirements), miss.worst))[:1]
        return [_memory_alone(miss) for miss in fewest]
    sizes = [len(miss.requirements) for miss in movable]
    return [miss for miss in movable if len(miss.requirements) == min(sizes)]


def _memory_alone(miss: Miss) -> Miss:
    """Leave of a miss what it says about memory: nothing else matters where nothing fits."""
    at = miss.requirements.index(FIXED)
    kept = slice(at, at + 1)
    return Miss(
        miss.requirements[kept],
        miss.attained[kept],
        miss.limits[kept],
        miss.at_most[kept],
        miss.units[kept],
        miss.deployment,
        miss.worst,
    )


def show(value: float, unit: str, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return a value with its unit, short."""
    exact = Decimal(repr(float(value)))
    if unit == "B":
        return f"{(exact / 10**9).quantize(Decimal('0.1'), rounding)} GB"
    if unit in ("GPUs", "replicas"):
        return f"{value:,.0f} {unit}"
    return f"{float(Context(prec=4, rounding=rounding).plus(exact)):,.4g} {unit}"


def sentence(miss: Miss) -> str:
    """Say what was asked and what is nearest to it, for each requirement of a set."""
    parts = []
    for name, attained, limit, at_most, unit in zip(
        miss.requirements, miss.attained, miss.limits, miss.at_most, miss.units, strict=True
    ):
        safe = ROUND_CEILING if at_most else ROUND_FLOOR  # What is shown can be met.
        asked, nearest = show(limit, unit), show(attained, unit, safe)
        if at_most:
            parts.append(f"{name}: at most {asked} asked, at least {nearest} needed")
        else:
            parts.append(f"{name}: at least {asked} asked, at most {nearest} possible")
    return f"{' and '.join(parts)} ({miss.deployment})"


def explain(question: Question, misses: list[Miss]) -> str:
    """Say in one paragraph what cannot be met and what could."""
    if not misses:
        return "No deployment of the search space is admissible: widen `search`."
    text = "; or ".join(map(sentence, misses))
    lead = "No single change suffices: " if len(misses[0].requirements) > 1 else ""
    pools = ", ".join(pool.label for pool in question.pools)
    return f"{lead}{text}. Searched: {pools}."
