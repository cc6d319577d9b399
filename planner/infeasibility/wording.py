"""Words for what cannot be had and what could be: requirements, changes and costs."""

from __future__ import annotations

from collections.abc import Iterable

from planner.infeasibility.relaxations import MEMORY, Change, figure
from planner.infeasibility.relaxed_plan import RelaxedPlan
from planner.problem.limits import BY_NAME, GPUS, names_of
from planner.problem.limits import MEMORY as MEMORY_CAPACITY
from planner.problem.resolve import ResolvedInstance

SUPPLY, BUDGET = names_of("supply"), names_of("budget")


def number(value: float) -> str:
    """Write a number with separators and no digit that says nothing."""
    return f"{value:,.10g}"


def seconds(value: float) -> str:
    """Write a time in seconds, or in milliseconds where it is short."""
    return f"{number(value)} s" if value >= 1.0 else f"{number(value * 1e3)} ms"


def attained(value: float, *, at_most: bool) -> float:
    """Round what can be had to three digits or so, to the side that is not too good to be true."""
    return figure(value, value * 2.0, raised=at_most)


def money(plan: RelaxedPlan, aim: str) -> str:
    """Write the cost of a plan: per million tokens where that is the objective, else per hour."""
    if aim == "dollars_per_million_tokens":
        return f"${plan.dollars_per_million_tokens:,.4g}/Mtok"
    return f"${plan.dollars_per_hour:,.2f}/h"


def running(plan: RelaxedPlan) -> str:
    """Say what runs: replicas and one of them."""
    return (
        plan.deployment if plan.replicas == 1 else f"{plan.replicas} replicas of {plan.deployment}"
    )


def valued(field: str, value: float, unit: str, pool: str = "") -> str:
    """Say what a field asks when it has a value."""
    before, middle, after = _around(field, value, unit, pool)
    return f"{before}{middle}{after}"


def change_words(change: Change, *, brief: bool = False) -> str:
    """Say what would be asked, and unless in brief, instead of what."""
    wanted = valued(change.field, change.needed, change.unit, change.pool)
    if brief:
        return wanted
    return f"{wanted} instead of {_around(change.field, change.asked, change.unit)[1]}"


def _around(field: str, value: float, unit: str, pool: str = "") -> tuple[str, str, str]:
    """Return what is said before a value, the value, and what is said after it."""
    name = field.rpartition(".")[2]
    if name == "time_to_first_token_seconds":
        return "first token within ", seconds(value), ""
    if name == MEMORY:
        return "", f"{number(value * 100.0)} %", " of memory filled"
    after = {
        "gpus": f" GPU{'' if value == 1 else 's'} of {pool}",
        "max_replicas": f" replica{'' if value == 1 else 's'}",
        "tokens_per_second": " tok/s in all",
        "tokens_per_second_per_request": " tok/s per request",
    }
    if name in after:
        return "", number(value), after[name]
    if unit.startswith("$"):
        return "", f"${number(value)}{unit.removeprefix('$')}", ""
    return f"{BY_NAME[name].words} ", f"{number(value)} {unit}", ""


def requirement_words(resolved: ResolvedInstance, names: Iterable[str]) -> list[str]:
    """Say what requirements ask, one after another; the demand where it decides."""
    found = []
    for limit in map(BY_NAME.__getitem__, names):
        if limit.name == GPUS:
            limited = [pool for pool in resolved.pools if pool.gpus is not None]
            words = [valued(GPUS, pool.gpus or 0, limit.unit, pool.label) for pool in limited]
            found.append(" or ".join(words))
        elif limit.name == MEMORY_CAPACITY:
            found.append("what memory holds")
        else:
            asked = limit.stated(resolved.instance)
            found.append(valued(limit.name, 0.0 if asked is None else asked, limit.unit))
    return found


def listed(parts: Iterable[str], last: str = "and") -> str:
    """Join parts as a sentence does."""
    found = list(parts)
    return f" {last} ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
