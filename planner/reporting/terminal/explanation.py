"""Explanations on the terminal: the answer in a sentence, then one short table per question."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.analysis.explanation.break_even import SpeedStep
from planner.analysis.explanation.explain import Explanation
from planner.analysis.explanation.runner_ups import RunnerUp
from planner.analysis.explanation.time_breakdown import TERMS, TimePart
from planner.plans.plan import Plan
from planner.problem.limits import DEMAND
from planner.reporting import number_format
from planner.reporting.explanation_text import (
    TERM_WORDS,
    end_value,
    ends_of,
    exposed_by,
    largest_term,
    listed_parts,
    loses,
    milliseconds,
    nearest_prices,
    negligible,
    noticeable,
    outcome,
    price_outcome,
    price_ratio,
    value,
)
from planner.reporting.terminal.plan import COLOURS
from planner.reporting.words import words_of

LEGEND = (
    "tp, pp, dp, ep: tensor, pipeline, data and expert parallel degrees; b: batch. Waited for: "
    "arithmetic and memory overlap, so that not all of them is. Each number is proved by another "
    "solve or exact: docs/explain.md."
)
BAR_WIDTH = 16
MOST_ROWS = 12


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
        ("Where the time of a token goes", time_table(found.plan, found.time)),
        ("What lies in the fullest GPU", _memory(found)),
        ("What is asked, and the room left", _requirements(found)),
        ("The best deployments that differ", deployment_table(found.plan, found.runner_ups)),
        ("What speed costs", _speed(found)),
        (f"More or fewer GPUs in {found.plan.pool}", _supplies(found)),
        ("Prices at which the choice changes", _prices(found)),
        (f"If an assumption is {100 * found.by:.3g} % off", _sensitivities(found)),
    ):
        console.print()
        console.print(Text(title, style="bold underline"))
        console.print(table)
    console.print(Text(_footnote(found), style="dim"))
    console.print()
    console.print(Text(LEGEND, style="dim"))


def sentence(found: Explanation) -> str:
    """Return the answer: what runs, what it waits for, what binds, what would take its place."""
    plan = found.plan
    largest, share = largest_term(found)
    told = (
        f"{plan.instance}: {plan.gpus} x {plan.accelerator} at "
        f"{value(plan, plan.objective or 0.0)}. A token waits {number_format.share(share)} of its "
        f"time for {TERM_WORDS[largest]}; "
    )
    binding = [one for one in found.requirements if one.binds and one.requirement != DEMAND]
    if binding:
        first, without = binding[0], value(plan, binding[0].objective_without)
        told += f"the {words_of(first.requirement)} binds (without it {without})"
    else:
        told += "nothing binds but the demand" if plan.utilisation != 1.0 else "nothing binds"
    return f"{told}. {_takeover(found)}".strip()


def _takeover(found: Explanation) -> str:
    others = [one for one in found.prices if not one.chosen and one.break_even is not None]
    others = [one for one in others if one.asked] or others
    if not others:
        return ""
    near = max(others, key=price_ratio)
    return f"{near.pool} becomes the choice below {_per_hour(near.break_even or 0.0)}."


def _per_hour(price: float) -> str:
    return f"{number_format.dollars(price)}/h"


def _table(*columns: str, left: int = 1) -> Table:
    """Return an empty table whose first columns are text and whose others are numbers."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < left else "right", overflow="fold")
    return table


def time_table(plan: Plan, time: Sequence[TimePart]) -> Table:
    """Return where the time of a token of a deployment goes, part by part."""
    table = _table("", "ms", "waited for", "share")
    table.add_column("")
    whole = plan.tpot_seconds or 1.0
    for term in TERMS:
        exposed = exposed_by(time, term)
        seconds = sum(part.seconds for part in time if part.term == term)
        bar = Text("█" * round(BAR_WIDTH * exposed / whole), style=COLOURS[term])
        name = "other users' prompts" if term == "stall" else term
        table.add_row(Text(name, style="bold"), *_times(seconds, exposed, exposed / whole), bar)
        for part in listed_parts(plan, time, term):
            cells = _times(part.seconds, part.exposed_seconds, part.share)
            table.add_row(f"  {part.part}", *(Text(cell, style="dim") for cell in cells))
    table.add_row(Text("in all", style="bold"), "", milliseconds(whole), number_format.share(1.0))
    return table


def _times(seconds: float, exposed: float, share: float) -> tuple[str, str, str]:
    return milliseconds(seconds), milliseconds(exposed), number_format.share(share)


def _memory(found: Explanation) -> Table:
    table = _table("", "GB", "of usable")
    table.add_column("")
    for one in found.memory:
        bar = Text("█" * round(BAR_WIDTH * one.share))
        gigabytes = f"{one.bytes / 1e9:.2f}"
        table.add_row(one.part, gigabytes, number_format.share(one.share), bar)
    return table


def _requirements(found: Explanation) -> Table:
    table = _table("requirement", "attained", "asked", "room", "without it")
    for one in found.requirements:
        without = value(found.plan, one.objective_without) if one.binds else "no better"
        limit = number_format.quantity(one.limit, one.unit)
        table.add_row(
            Text(words_of(one.requirement), style="bold" if one.binds else ""),
            number_format.quantity(one.attained, one.unit),
            f"{'at most' if one.at_most else 'at least'} {limit}",
            number_format.share(one.room_share),
            without,
        )
    return table


def deployment_table(plan: Plan, runner_ups: Sequence[RunnerUp]) -> Table:
    """Return the best deployments that differ from a plan's, and what they lose."""
    table = _table("with", "deployment", "loses", "objective", left=3)
    for one in runner_ups[: MOST_ROWS + 2]:
        said = f"{words_of(one.differs_in)} {one.value}"
        if one.differs_in == "anything":
            said = f"next best, {one.value}"
        best = "none" if one.misses else value(plan, one.choice.objective)
        table.add_row(said, one.choice.label, loses(plan, one), best)
    return table


def _speed(found: Explanation) -> Table:
    table = _table("", "deployment", "tok/s", "cost", "more", "per tok/s", left=2)
    price = found.speed
    if price is None:
        return table
    for step in reversed(price.faster):
        table.add_row("faster", *_step(step, price.cost_name))
    here = number_format.speed(price.tokens_per_second_per_request)
    cost = number_format.objective(price.cost_name, price.cost)
    table.add_row(Text("the plan", style="bold"), "", here, cost, "", "")
    for step in price.slower:
        table.add_row("slower", *_step(step, price.cost_name))
    return table


def _step(step: SpeedStep, aim: str) -> tuple[str, str, str, str, str]:
    more = number_format.objective(aim, abs(step.extra_cost)).partition("/")[0]
    return (
        step.choice.label,
        number_format.speed(step.tokens_per_second_per_request),
        number_format.objective(aim, step.cost),
        f"{'+' if step.extra_cost > 0 else '-'}{more}",
        number_format.dollars(step.price),
    )


def _supplies(found: Explanation) -> Table:
    table = _table("", "GPUs", "then", left=1)
    table.columns[2].justify = "left"
    for one in found.supplies:
        table.add_row(one.said, f"{one.gpus:,}", outcome(found.plan, one.supposition))
    for step in found.supply_steps:
        reached = value(found.plan, step.objective)
        told = f"{reached}: the fewest in {step.pool} that do better, {step.missing:,} more"
        table.add_row("enough", f"{step.gpus:,}", told)
    return table


def _prices(found: Explanation) -> Table:
    table = _table("pool", "today", "changes at", "", left=1)
    table.columns[3].justify = "left"
    for one in nearest_prices(found.prices)[:MOST_ROWS]:
        today = _per_hour(one.dollars_per_gpu_hour) if one.dollars_per_gpu_hour else "unknown"
        limit = "never" if one.never else "any price"
        limit = limit if one.break_even is None else _per_hour(one.break_even)
        name = Text(one.pool if one.asked else f"{one.pool} (added)")
        name.stylize("bold" if one.chosen else "")
        table.add_row(name, today, limit, price_outcome(one))
    return table


def _sensitivities(found: Explanation) -> Table:
    lower, higher = f"-{100 * found.by:.3g} %", f"+{100 * found.by:.3g} %"
    table = _table("assumption", lower, higher)
    for one in noticeable(found)[:MOST_ROWS]:
        ends = (f"{end_value(found.plan, end)}{_mark(end.moves)}" for end in (one.low, one.high))
        table.add_row(one.assumption, *ends)
    return table


def _mark(moves: bool) -> str:
    return " *" if moves else "  "


def _footnote(found: Explanation) -> str:
    marked = any(end.moves for end in ends_of(found.sensitivities))
    names = negligible(found, most=4)
    parts = (
        "* another layout is best then." if marked else "",
        f"No effect: {names}." if names else "",
    )
    return " ".join(part for part in parts if part)
