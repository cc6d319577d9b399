"""Why this plan: where time goes, what else could run, at what prices, and if we are wrong."""

from __future__ import annotations

from planner.analysis.explanation.break_even import BreakEven, SpeedStep
from planner.analysis.explanation.time_breakdown import TERMS
from planner.analysis.explanation.what_if import WhatIf
from planner.analysis.frontier import Frontier, cost_of, speed_of
from planner.plans.plan import Plan
from planner.reporting import number_format
from planner.reporting.explanation_text import (
    TERM_WORDS,
    copies,
    end_value,
    exposed_by,
    listed_parts,
    loses,
    milliseconds,
    nearest_prices,
    noticeable,
    outcome,
    price_outcome,
    value,
)
from planner.reporting.html.report_data import Findings
from planner.reporting.html.tables import Row, Table, table
from planner.reporting.words import words_of

PLACES = {"2": "second best", "3": "third best"}
MOST_RUNNERS, MOST_PRICES = 20, 12


def frontier_table(found: Frontier, plan: Plan | None) -> Table:
    """Return the points that answer the usual questions, by rising speed."""
    asked = found.instance
    target = asked.workload.tokens_per_second_per_request
    ceiling = asked.dollars_per_million_tokens_at_most
    named: list[tuple[str, Plan | None]] = [
        ("cheapest", found.points[0]),
        ("knee: best of both, roughly", found.knee),
        ("fastest", found.points[-1]),
    ]
    if target is not None:
        named.append(
            (f"cheapest per token at {number_format.plain(target)}", found.cheapest_at(target))
        )
    if ceiling is not None:
        name = f"fastest at {number_format.per_million(ceiling)}"
        named.append((name, found.fastest_at(ceiling)))
    if asked.speed_exponent is not None:
        power = f"speed^{asked.speed_exponent:g} per dollar"
        named.append((f"preferred: most {power}", found.preferred()))
    if plan is not None:
        named.append(("the plan", plan))
    known = sorted(
        ((name, point) for name, point in named if point is not None),
        key=lambda pair: (speed_of(pair[1]), cost_of(pair[1])),
    )
    merged: list[tuple[str, Plan]] = []
    for name, point in known:  # One deployment may answer several questions.
        if merged and merged[-1][1] is point:
            merged[-1] = f"{merged[-1][0]}; {name}", point
        else:
            merged.append((name, point))
    rows = [_point(name, point, strong=point is plan) for name, point in merged]
    columns = "Point | Tokens/s for each user | $ per million tokens | One replica"
    return table("Points of the frontier", columns, rows, (1, 2))


def _point(name: str, point: Plan, *, strong: bool) -> Row:
    speed, cost = number_format.speed(speed_of(point)), number_format.per_million(cost_of(point))
    return Row((name, speed, cost, number_format.layout(point)), strong)


def time_table(found: Findings) -> Table:
    """Return every part of the time of a token."""
    whole, parts = found.plan.tpot_seconds or 1.0, found.explanation.time
    rows = []
    for term in TERMS:
        noticeable = exposed_by(parts, term)
        seconds = sum(part.seconds for part in parts if part.term == term)
        cells = (
            TERM_WORDS[term],
            milliseconds(seconds),
            milliseconds(noticeable),
            number_format.share(noticeable / whole),
        )
        rows.append(Row(cells, strong=True))
        rows += [
            Row(
                (
                    one.part,
                    milliseconds(one.seconds),
                    milliseconds(one.exposed_seconds),
                    number_format.share(one.share),
                ),
                part=True,
            )
            for one in listed_parts(found.plan, found.explanation.time, term)
        ]
    rows.append(Row(("in all", "", milliseconds(whole), "100 %"), strong=True))
    columns = "Part | Takes (ms) | Waited for (ms) | Share"
    return table("Time of one output token, part by part", columns, rows, (1, 2, 3), compact=True)


def legend(found: Findings) -> list[tuple[str, str, str]]:
    """Return term, its words, and its milliseconds and share."""
    whole = found.plan.tpot_seconds or 1.0
    return [
        (
            term,
            TERM_WORDS[term],
            f"{number_format.seconds(noticeable)}, {number_format.share(noticeable / whole)}",
        )
        for term in TERMS
        for noticeable in [exposed_by(found.explanation.time, term)]
    ]


def runner_ups(found: Findings) -> Table:
    """Return the best deployments that differ, and what they lose."""
    rows = []
    for one in found.explanation.runner_ups[:MOST_RUNNERS]:
        name = f"{words_of(one.differs_in)} {one.value}"
        if one.differs_in == "anything":
            name = PLACES.get(one.value, f"number {one.value}")
        best = "–" if one.misses else value(found.plan, one.choice.objective)
        against, each = loses(found.plan, one), number_format.layout(one.choice)
        rows.append(Row((name, f"{one.choice.gpus:,}", best, against, each)))
    columns = "With | Accelerators | Then | Against the plan | One replica"
    return table("The best deployments that differ from the plan", columns, rows, (1, 2))


def speed_table(found: Findings) -> Table | None:
    """Return what faster and slower requests would cost; None where there is no other step."""
    price = found.explanation.speed
    if price is None or not (price.faster or price.slower):
        return None

    def row(step: SpeedStep) -> Row:
        sign = "+" if step.extra_cost > 0 else ""
        cells = (
            "faster" if step.extra_speed > 0 else "slower",
            number_format.speed(step.tokens_per_second_per_request),
            number_format.objective(price.cost_name, step.cost),
            f"{sign}{number_format.dollars(step.extra_cost)}",
            number_format.layout(step.choice),
        )
        return Row(cells)

    here = number_format.speed(price.tokens_per_second_per_request)
    cost = number_format.objective(price.cost_name, price.cost)
    plan = Row(("the plan", here, cost, "", number_format.layout(found.plan)), strong=True)
    rows = [*map(row, reversed(price.faster)), plan, *map(row, price.slower)]
    columns = "Step | Tokens/s for each user | Cost | Against the plan | One replica"
    return table("What more speed costs, and less saves", columns, rows, (1, 2, 3))


def supplies(found: Findings) -> list[str]:
    """Say what one accelerator fewer and one more would do, and how many would help."""
    pool, told = found.plan.pool, []
    for one in found.explanation.supplies:
        fewer = one.gpus < (found.plan.gpus or 0)
        lead = f"With one {pool} fewer than the plan uses ({one.gpus:,})"
        if not fewer:
            lead = f"With {one.gpus:,} {pool}, one more than can be had"
            if found.supply.gpus is None:
                lead = f"With at most {one.gpus:,} {pool}, one more than the plan uses"
        told.append(f"{lead}: {outcome(found.plan, one.supposition)}.")
    for step in found.explanation.supply_steps:
        told.append(
            f"From {step.gpus:,} {step.pool} on, {step.missing:,} more than there are, a better "
            f"plan is possible: {value(found.plan, step.objective)}."
        )
    return told


def prices(found: Findings) -> list[str]:
    """Say at which prices the choice changes; the chosen pool first, then the nearest."""
    near = nearest_prices(found.explanation.prices)
    told = [_price(one) for one in near[:MOST_PRICES]]
    more = len(near) - MOST_PRICES
    return [*told, f"{more} other pools are farther from being the choice."] if more > 0 else told


def _price(one: BreakEven) -> str:
    today = one.dollars_per_gpu_hour
    now = "no known price" if today is None else f"today {number_format.dollars(today)}"
    if one.never or one.break_even is None:
        return f"{one.pool} ({now}): {price_outcome(one)}."
    limit = f"{number_format.dollars(one.break_even)} an hour"
    if one.chosen:
        then = f"{one.otherwise} is" if one.otherwise else "nothing is possible"
        return f"{one.pool} stays the choice up to {limit} ({now}); above it, {then}."
    how = f": {copies(one.choice)}" if one.choice else ""
    return f"{one.pool} becomes the choice below {limit} ({now}){how}."


def sensitivity_table(found: Findings) -> Table:
    """Return the values behind the tornado."""
    by = f"{100 * found.explanation.by:.3g} %"

    def end(one: WhatIf) -> str:
        return f"{end_value(found.plan, one)}{' ◆' if one.moves else ''}"

    rows = [
        Row((one.assumption, end(one.low), end(one.high))) for one in noticeable(found.explanation)
    ]
    columns = f"Assumption | {by} lower | {by} higher"
    return table("The same in numbers", columns, rows, (1, 2), compact=True, told=False)
