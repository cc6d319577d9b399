"""Explanations on the terminal: the answer in a sentence, then one short table per question."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.analysis.explanation.break_even import BreakEven, SpeedStep
from planner.analysis.explanation.explain import Explanation
from planner.analysis.explanation.runner_ups import Miss, RunnerUp
from planner.analysis.explanation.sensitivity import Sensitivity
from planner.analysis.explanation.slacks import Slack
from planner.analysis.explanation.time_breakdown import TERMS, TimePart
from planner.analysis.explanation.what_if import WhatIf
from planner.problem.limits import DEMAND
from planner.problem.tolerances import TIE
from planner.reporting.terminal.plan import COLOURS
from planner.reporting.words import words_of

LEGEND = (
    "tp, pp, dp, ep: tensor, pipeline, data and expert parallel degrees; b: batch. Waited for: "
    "arithmetic and memory overlap, so that not all of them is. Each number is proved by another "
    "solve or exact: docs/explain.md."
)
BAR_WIDTH = 16
LEAST_SHARE = 0.001
"""Parts of the time below this share of a token's are not listed."""
MOST_ROWS = 12
UNITS: dict[str, Callable[[float], str]] = {
    "dollars_per_hour": lambda value: f"${value:,.2f}/h",
    "dollars_per_million_tokens": lambda value: f"${value:,.4g}/Mtok",
    "tokens_per_second_per_request": lambda value: f"{value:,.1f} tok/s",
}


def show_explanation(found: Explanation, console: Console) -> None:
    """Print an explanation; nothing is wider than 80 columns.

    Parameters
    ----------
    found : Explanation
        One with a plan.
    console : Console
        Where it goes.
    """
    console.print(Text(sentence(found), style="bold"))
    for title, table in (
        ("Where the time of a token goes", _time(found)),
        ("What is asked, and the room left", _requirements(found)),
        ("The best deployments that differ", _runner_ups(found)),
        ("What speed costs", _speed(found)),
        (f"More or fewer GPUs in {found.plan.pool}", _supplies(found)),
        ("Prices at which the choice changes", _prices(found)),
        (f"If an assumption is {100 * found.by:.3g} % off", _sensitivities(found)),
    ):
        console.print()
        console.print(Text(title, style="bold underline"))
        console.print(table)
    console.print(Text(_negligible(found.sensitivities), style="dim"))
    console.print()
    console.print(Text(LEGEND, style="dim"))


def sentence(found: Explanation) -> str:
    """Return the answer: what runs, what it waits for, what binds, what would take its place."""
    plan = found.plan
    value = _shower(found)
    largest = max(TERMS, key=lambda term: _felt(found.time, term))
    share = _felt(found.time, largest) / (plan.tpot_seconds or 1.0)
    word = "other users' prompts" if largest == "stall" else largest
    told = (
        f"{plan.instance}: {plan.gpus} x {plan.accelerator} at {value(plan.objective or 0.0)}. "
        f"A token waits {share:.0%} of its time for {word}; "
    )
    binding = [one for one in found.requirements if one.binds and one.requirement != DEMAND]
    if binding:
        first, without = binding[0], value(binding[0].objective_without)
        told += f"the {words_of(first.requirement)} binds (without it {without})"
    else:
        told += "nothing binds but the demand" if plan.utilisation != 1.0 else "nothing binds"
    return f"{told}. {_takeover(found)}".strip()


def _takeover(found: Explanation) -> str:
    others = [one for one in found.prices if not one.chosen and one.break_even is not None]
    others = [one for one in others if one.asked] or others
    if not others:
        return ""
    near = max(others, key=lambda one: (one.break_even or 0.0) / (one.dollars_per_gpu_hour or 1e18))
    return f"{near.pool} becomes the choice below {_cents(near.break_even or 0.0)}."


def _felt(parts: Iterable[TimePart], term: str) -> float:
    return sum(part.exposed_seconds for part in parts if part.term == term)


def _shower(found: Explanation) -> Callable[[float], str]:
    return UNITS[found.plan.objective_name]


def _cents(price: float) -> str:
    return f"${price:,.2f}/h" if price >= 1.0 else f"${price:.3g}/h"


def _table(*columns: str, left: int = 1) -> Table:
    """Return an empty table whose first columns are text and whose others are numbers."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < left else "right", overflow="fold")
    return table


def _time(found: Explanation) -> Table:
    table = _table("", "ms", "waited for", "share")
    table.add_column("")
    whole = found.plan.tpot_seconds or 1.0
    for term in TERMS:
        noticeable, seconds = (
            sum(getattr(part, name) for part in found.time if part.term == term)
            for name in ("exposed_seconds", "seconds")
        )
        bar = Text("█" * round(BAR_WIDTH * noticeable / whole), style=COLOURS[term])
        name = "other users' prompts" if term == "stall" else term
        table.add_row(
            Text(name, style="bold"),
            _ms(seconds),
            _ms(noticeable),
            f"{noticeable / whole:.1%}",
            bar,
        )
        for part in sorted(found.time, key=lambda one: -one.seconds):
            if part.term == term and part.seconds >= LEAST_SHARE * whole:
                row = (_ms(part.seconds), _ms(part.exposed_seconds), f"{part.share:.1%}")
                table.add_row(f"  {part.part}", *(Text(cell, style="dim") for cell in row))
    table.add_row(Text("in all", style="bold"), "", _ms(whole), "100.0%")
    return table


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.3f}"


def _requirements(found: Explanation) -> Table:
    table = _table("requirement", "attained", "asked", "room", "without it")
    value = _shower(found)
    for one in found.requirements:
        name = Text(words_of(one.requirement), style="bold" if one.binds else "")
        without = value(one.objective_without) if one.binds else "no better"
        asked = f"{'at most' if one.at_most else 'at least'} {_quantity(one.limit, one.unit)}"
        attained = _quantity(one.attained, one.unit)
        table.add_row(name, attained, asked, _room(one), without)
    return table


def _room(one: Slack) -> str:
    return f"{one.room_share:.1%}"


def _quantity(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 1e9:,.1f} GB"
    whole = value >= 1000.0 or float(value).is_integer()
    return f"{value:,.0f} {unit}" if whole else f"{value:.4g} {unit}"


def _runner_ups(found: Explanation) -> Table:
    table = _table("with", "deployment", "loses", "objective", left=3)
    value = _shower(found)
    for one in found.runner_ups[: MOST_ROWS + 2]:
        said = f"{words_of(one.differs_in)} {one.value}"
        if one.differs_in == "anything":
            said = f"next best, {one.value}"
        best = "none" if one.misses else value(one.choice.objective)
        table.add_row(said, one.choice.label, _loses(found, one), best)
    return table


def _loses(found: Explanation, one: RunnerUp) -> str:
    if one.misses:
        return "; ".join(_missed(miss) for miss in one.misses)
    loses, objective = one.loses or 0.0, abs(found.plan.objective or 1.0)
    if loses <= TIE * objective:
        return _tie(found, one)
    better = "slower" if found.plan.objective_name.startswith("tokens") else "dearer"
    return f"{loses / objective:.1%} {better}"


def _tie(found: Explanation, one: RunnerUp) -> str:
    if one.choice.gpus > (found.plan.gpus or 0):
        return "as good, more GPUs"
    slower = found.plan.tokens_per_second_per_request or 0.0
    faster = slower > one.choice.tokens_per_second_per_request
    return "as good, slower request" if faster else "as good, later label"


def _missed(miss: Miss) -> str:
    attained, limit = _quantity(miss.attained, miss.unit), _quantity(miss.limit, miss.unit)
    return f"{words_of(miss.requirement)}: {attained}, asked {limit}"


def _speed(found: Explanation) -> Table:
    table = _table("", "deployment", "tok/s", "cost", "more", "per tok/s", left=2)
    price = found.speed
    if price is None:
        return table
    value = UNITS[price.cost_name]
    for step in reversed(price.faster):
        _step_row(table, "faster", step, value)
    plan = Text("the plan", style="bold")
    here = f"{price.tokens_per_second_per_request:,.1f}"
    table.add_row(plan, "", here, value(price.cost), "", "")
    for step in price.slower:
        _step_row(table, "slower", step, value)
    return table


def _step_row(table: Table, word: str, step: SpeedStep, value: Callable[[float], str]) -> None:
    sign = "+" if step.extra_cost > 0 else "-"
    table.add_row(
        word,
        step.choice.label,
        f"{step.tokens_per_second_per_request:,.1f}",
        value(step.cost),
        f"{sign}{value(abs(step.extra_cost)).partition('/')[0]}",
        _cents(step.price).removesuffix("/h"),
    )


def _supplies(found: Explanation) -> Table:
    table = _table("", "GPUs", "then", left=1)
    table.columns[2].justify = "left"
    for one in found.supplies:
        table.add_row(one.said, f"{one.gpus:,}", _outcome(found, one.supposition))
    for step in found.supply_steps:
        value = _shower(found)(step.objective)
        told = f"{value}: the fewest in {step.pool} that do better, {step.missing:,} more"
        table.add_row("enough", f"{step.gpus:,}", told)
    return table


def _outcome(found: Explanation, supposed: WhatIf) -> str:
    if supposed.objective is None or supposed.plan is None:
        return "no deployment meets every requirement"
    if not supposed.differs_in:
        return "the same plan"
    value = _shower(found)(supposed.objective)
    return f"{value}: {supposed.plan.gpus} x {supposed.plan.label}"


def _prices(found: Explanation) -> Table:
    table = _table("pool", "today", "changes at", "", left=1)
    table.columns[3].justify = "left"
    for one in _nearest(found.prices):
        today = _cents(one.dollars_per_gpu_hour) if one.dollars_per_gpu_hour else "unknown"
        limit = "never" if one.never else "any price"
        limit = limit if one.break_even is None else _cents(one.break_even)
        name = one.pool if one.asked else f"{one.pool} (added)"
        table.add_row(Text(name, style="bold" if one.chosen else ""), today, limit, _said(one))
    return table


def _nearest(prices: Iterable[BreakEven]) -> list[BreakEven]:
    """Return the chosen pool, then added ones, then those that need the least of a discount."""

    def distance(one: BreakEven) -> tuple[bool, bool, float]:
        ratio = (one.break_even or 0.0) / (one.dollars_per_gpu_hour or 1e18)
        return not one.chosen, one.asked, -ratio

    return sorted(prices, key=distance)[:MOST_ROWS]


def _said(one: BreakEven) -> str:
    if one.never:
        return "no deployment of it would do at any price"
    if one.break_even is None:
        return "no other pool would do at any price of this one"
    if one.chosen:
        return f"stays the choice up to it; then {one.otherwise or 'nothing is possible'}"
    now = one.dollars_per_gpu_hour
    word = "would be the choice today" if now and now < one.break_even else "is the choice below it"
    return f"{word}: {one.choice.label}" if one.choice else word


def _sensitivities(found: Explanation) -> Table:
    lower, higher = f"-{100 * found.by:.3g} %", f"+{100 * found.by:.3g} %"
    table = _table("assumption", lower, higher)
    for one in [one for one in found.sensitivities if not one.negligible][:MOST_ROWS]:
        table.add_row(one.assumption, _end(found, one.low), _end(found, one.high))
    return table


def _end(found: Explanation, end: WhatIf) -> str:
    if end.objective is None:
        return "impossible"
    mark = " *" if end.moves else "  "
    return _shower(found)(end.objective) + mark


def _negligible(every: Iterable[Sensitivity]) -> str:
    found = list(every)
    marked = any(end.moves for one in found for end in (one.low, one.high))
    names = [one.assumption for one in found if one.negligible]
    told = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    parts = ["* another layout is best then." if marked else ""]
    parts.append(f"No effect: {told}." if names else "")
    return " ".join(part for part in parts if part)
