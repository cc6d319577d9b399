"""Why this plan: where time goes, what else could run, at what prices, and if we are wrong."""

from __future__ import annotations

from planner.analysis.explanation.break_even import BreakEven, SpeedStep
from planner.analysis.explanation.runner_ups import Miss, RunnerUp
from planner.analysis.explanation.sensitivity import Sensitivity
from planner.analysis.explanation.time_breakdown import TERMS
from planner.analysis.explanation.what_if import Choice, WhatIf
from planner.analysis.frontier import Frontier, cost_of, speed_of
from planner.plans.plan import Plan
from planner.problem.tolerances import TIE
from planner.reporting.html import number_format
from planner.reporting.html.plan_charts import TERM_WORDS, exposed_by
from planner.reporting.html.report_data import Findings
from planner.reporting.html.tables import Row, Table, table
from planner.reporting.words import words_of

LEAST_SHARE = 0.001
"""Parts of the time below this share of a token's are not listed."""
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
            _ms(seconds),
            _ms(noticeable),
            number_format.share(noticeable / whole),
        )
        rows.append(Row(cells, strong=True))
        rows += [
            Row(
                (
                    one.part,
                    _ms(one.seconds),
                    _ms(one.exposed_seconds),
                    number_format.share(one.share),
                ),
                part=True,
            )
            for one in sorted(parts, key=lambda one: -one.seconds)
            if one.term == term and one.seconds >= LEAST_SHARE * whole
        ]
    rows.append(Row(("in all", "", _ms(whole), "100 %"), strong=True))
    columns = "Part | Takes (ms) | Waited for (ms) | Share"
    return table("Time of one output token, part by part", columns, rows, (1, 2, 3), compact=True)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.3f}"


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
        best = "–" if one.misses else _value(found, one.choice.objective)
        rows.append(Row((name, f"{one.choice.gpus:,}", best, _loses(found, one), _each(one))))
    columns = "With | Accelerators | Then | Against the plan | One replica"
    return table("The best deployments that differ from the plan", columns, rows, (1, 2))


def _each(one: RunnerUp) -> str:
    return number_format.layout(one.choice)


def _value(found: Findings, objective: float) -> str:
    return number_format.objective(found.plan.objective_name, objective)


def _loses(found: Findings, one: RunnerUp) -> str:
    if one.misses:
        return "impossible: " + "; ".join(map(_missed, one.misses))
    plan, choice = found.plan, one.choice
    loses, objective = one.loses or 0.0, abs(plan.objective or 1.0)
    if loses > TIE * objective:
        word = "slower" if plan.objective_name.startswith("tokens") else "more"
        return f"{number_format.share(loses / objective)} {word}"
    if choice.gpus > (plan.gpus or 0):
        return "equal, but more accelerators"
    faster = (plan.tokens_per_second_per_request or 0.0) > choice.tokens_per_second_per_request
    return "equal, but slower for each user" if faster else "equal"


def _missed(miss: Miss) -> str:
    attained, limit = (number_format.quantity(v, miss.unit) for v in (miss.attained, miss.limit))
    return f"{words_of(miss.requirement)} {attained}, asked {limit}"


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
        told.append(f"{lead}: {_outcome(found, one.supposition)}.")
    for step in found.explanation.supply_steps:
        told.append(
            f"From {step.gpus:,} {step.pool} on, {step.missing:,} more than there are, a better "
            f"plan is possible: {_value(found, step.objective)}."
        )
    return told


def _outcome(found: Findings, supposed: WhatIf) -> str:
    if supposed.objective is None or supposed.plan is None:
        return "no deployment meets every requirement"
    if not supposed.differs_in:
        return "the same plan"
    plan = supposed.plan
    return f"{_value(found, supposed.objective)}, with {_copies(plan)}"


def _copies(one: Plan | Choice) -> str:
    lead = "" if one.replicas == 1 else f"{one.replicas:,} replicas of "
    return f"{lead}{number_format.layout(one)}"


def prices(found: Findings) -> list[str]:
    """Say at which prices the choice changes; the chosen pool first, then the nearest."""

    def distance(one: BreakEven) -> tuple[bool, float]:
        return not one.chosen, -(one.break_even or 0.0) / (one.dollars_per_gpu_hour or 1e18)

    near = sorted(found.explanation.prices, key=distance)
    told = [_price(one) for one in near[:MOST_PRICES]]
    more = len(near) - MOST_PRICES
    return [*told, f"{more} other pools are farther from being the choice."] if more > 0 else told


def _price(one: BreakEven) -> str:
    today = one.dollars_per_gpu_hour
    now = "no known price" if today is None else f"today {number_format.dollars(today)}"
    if one.never:
        return f"{one.pool} ({now}): no deployment of it would do at any price."
    if one.break_even is None:
        return f"{one.pool} ({now}): its price does not change the choice."
    limit = f"{number_format.dollars(one.break_even)} an hour"
    if one.chosen:
        then = f"{one.otherwise} is" if one.otherwise else "nothing is possible"
        return f"{one.pool} stays the choice up to {limit} ({now}); above it, {then}."
    how = f": {_copies(one.choice)}" if one.choice else ""
    return f"{one.pool} becomes the choice below {limit} ({now}){how}."


def noticeable(found: Findings) -> list[Sensitivity]:
    """Return the assumptions that matter, the widest swing first."""
    return [one for one in found.explanation.sensitivities if not one.negligible]


def negligible(found: Findings) -> str:
    """Name the assumptions that do not matter."""
    names = [one.assumption for one in found.explanation.sensitivities if one.negligible]
    return number_format.listed(names) if names else ""


def sensitivity_table(found: Findings) -> Table:
    """Return the values behind the tornado."""
    by = f"{100 * found.explanation.by:.3g} %"

    def end(one: WhatIf) -> str:
        value = "impossible" if one.objective is None else _value(found, one.objective)
        return f"{value} ◆" if one.moves else value

    rows = [Row((one.assumption, end(one.low), end(one.high))) for one in noticeable(found)]
    columns = f"Assumption | {by} lower | {by} higher"
    return table("The same in numbers", columns, rows, (1, 2), compact=True, told=False)
