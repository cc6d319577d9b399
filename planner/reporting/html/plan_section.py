"""The answer: a sentence, key figures, what was asked, what to launch, and the proof."""

from __future__ import annotations

from dataclasses import dataclass

from planner.analysis.explanation.slacks import Slack
from planner.io.output import cell
from planner.plans.plan import Plan
from planner.problem.limits import DEMAND
from planner.reporting import number_format
from planner.reporting.explanation_text import TERM_WORDS, largest_term, value
from planner.reporting.html.report_data import Findings
from planner.reporting.html.tables import Row, Table, table
from planner.reporting.words import words_of

AIMS = {
    "dollars_per_hour": "the least cost",
    "dollars_per_million_tokens": "the least cost per token",
    "tokens_per_second_per_request": "the fastest",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One key figure."""

    name: str
    value: str
    exact: str
    """The same as the plan's CSV has it."""
    note: str
    column: str
    """Column of the plan."""


def headline(found: Findings) -> str:
    """Return the answer in a sentence that needs no glossary."""
    plan = found.plan
    cost = f"{number_format.dollars(plan.dollars_per_hour or 0.0)} an hour"
    if found.instance.workload.tokens_per_second is None:
        price = number_format.per_million(plan.dollars_per_million_tokens or 0.0)
        cost = f"{price} per million tokens ({cost} when busy)"
    copies = "one copy" if plan.replicas == 1 else f"{plan.replicas} replicas"
    return (
        f"Run {copies} of {found.resolved.llm.title} on {plan.gpus:,} × "
        f"{found.supply.accelerator.title}: {cost}, "
        f"{number_format.speed(plan.tokens_per_second_per_request or 0.0)} tokens a second for "
        f"each user, {_proved(plan)}."
    )


def _proved(plan: Plan) -> str:
    aim = AIMS[plan.objective_name]
    if plan.status == "optimal":
        return f"proved {aim} of {plan.candidates:,} ways to run it"
    gap = number_format.share(plan.gap or 0.0)
    return f"the best found in the time allowed; {aim} possible is within {gap} of it"


def reasons(found: Findings) -> str:
    """Return what a user waits for and what makes the plan cost what it does."""
    plan, explanation = found.plan, found.explanation
    whole = plan.tpot_seconds or 1.0
    largest, part = largest_term(explanation)
    told = [
        f"A user waits {number_format.seconds(whole)} for each token, the largest part of it for "
        f"{TERM_WORDS[largest]} ({number_format.share(part)})."
    ]
    binding = [one for one in explanation.requirements if one.binds]
    limits = [one for one in binding if one.requirement != DEMAND]
    if limits:
        one = limits[0]
        told.append(
            f"What decides is the {words_of(one.requirement)}: without that requirement, "
            f"{value(plan, one.objective_without)} would do."
        )
    elif binding:
        told.append("Nothing but the demand decides how much is needed.")
    else:
        told.append("No requirement stands in the way of a better plan.")
    return " ".join(told)


def figures(found: Findings) -> list[Figure]:
    """Return the five numbers that people ask for."""
    plan = found.plan
    demand = found.instance.workload.tokens_per_second
    used = (
        "when busy" if demand is None else f"{number_format.share(plan.utilisation or 0.0)} in use"
    )
    rows = (
        (
            "Cost per hour",
            "dollars_per_hour",
            number_format.dollars,
            f"{plan.gpus:,} × {number_format.dollars(plan.dollars_per_gpu_hour or 0.0)}",
        ),
        (
            "Cost per million tokens",
            "dollars_per_million_tokens",
            number_format.per_million,
            "output, replicas busy",
        ),
        (
            "Speed for each user",
            "tokens_per_second_per_request",
            lambda value: f"{number_format.speed(value)}/s",
            "output tokens",
        ),
        (
            "Capacity, all users",
            "tokens_per_second",
            lambda value: f"{number_format.speed(value)}/s",
            f"output tokens, {used}",
        ),
        (
            "First token after",
            "time_to_first_token_seconds",
            number_format.seconds,
            "on an idle replica",
        ),
    )
    return [
        Figure(name, write(value), cell(value), note, column)
        for name, column, write, note in rows
        if (value := getattr(plan, column)) is not None
    ]


def requirements(found: Findings) -> Table:
    """Return what was asked, what the plan attains, and what would be without it."""
    plan = found.plan

    def row(one: Slack) -> Row:
        without = "no better"
        if one.binds:
            without = f"● {number_format.objective(plan.objective_name, one.objective_without)}"
        side = "at most" if one.at_most else "at least"
        cells = (
            words_of(one.requirement),
            f"{side} {number_format.quantity(one.limit, one.unit)}",
            number_format.quantity(one.attained, one.unit),
            number_format.share(one.room_share),
            without,
        )
        return Row(cells, strong=one.binds and one.requirement != DEMAND)

    columns = "Requirement | Asked | The plan | Room left | Without it"
    caption = "What was asked, and how much room the plan leaves"
    rows = [row(one) for one in found.explanation.requirements]
    return table(caption, columns, rows, (1, 2, 3, 4), told=False)


def launch(found: Findings) -> Table:
    """Return every decision as an engineer enters it."""
    plan = found.plan
    each = f"{plan.gpus_per_replica} × {plan.accelerator}"
    rows = [
        ("Pool", plan.pool, f"{plan.gpus:,} × {found.supply.accelerator.title} in all"),
        ("Replicas", f"{plan.replicas:,}", "copies that run side by side"),
        ("Accelerators of one replica", f"{plan.gpus_per_replica}", each),
        ("Tensor parallel", f"{plan.tensor_parallel}", "ranks that share every layer"),
        ("Pipeline parallel", f"{plan.pipeline_parallel}", "stages that follow one another"),
        ("Data parallel", f"{plan.data_parallel}", "attention groups that share out the requests"),
        ("Expert parallel", f"{plan.expert_parallel}", "groups that share out the experts"),
        ("Batch", f"{plan.batch:,}", "requests in flight on one replica, at most"),
        ("Weights", plan.weight_precision, "precision of the weights"),
        ("Cache", plan.kv_precision, "precision of keys and values"),
        *_drafting(plan),
        (
            "Memory of one accelerator",
            number_format.gigabytes(plan.memory_bytes_per_gpu or 0.0),
            f"of {number_format.gigabytes(plan.usable_memory_bytes_per_gpu or 0.0)} "
            "that may be filled",
        ),
    ]
    engine = found.resolved.engine
    if engine is not None:
        rows.insert(0, ("Engine", engine.name, f"{engine.title} {engine.version}"))
    return table(
        "What to launch", "Setting | Value | Meaning", [Row(row) for row in rows], told=False
    )


def _drafting(plan: Plan) -> list[tuple[str, str, str]]:
    if not plan.gamma:
        return [("Draft", "none", "no speculative decoding")]
    gained = f"{plan.tokens_per_round:.2f} tokens gained a round"
    return [
        ("Draft", plan.draft, "proposes tokens, which the transformer verifies"),
        ("Tokens drafted", f"{plan.gamma}", f"in each round; {gained}"),
        ("Draft, tensor parallel", f"{plan.draft_tensor_parallel}", "ranks that run the draft"),
    ]


def proof(plan: Plan) -> Table:
    """Return how the answer is known."""
    rows = [
        ("Optimised", plan.objective_name),
        ("Value of the plan", cell(plan.objective)),
        ("Bound: nothing is better than", cell(plan.bound)),
        ("Gap between the two", number_format.share(plan.gap or 0.0) if plan.gap else "0: proved"),
        ("Deployments evaluated", f"{plan.candidates:,}"),
        ("Solver", plan.solver),
        ("Checked", "recomputed by a checker that shares nothing with the solver"),
        *origin(plan),
    ]
    told = [Row(row) for row in rows if row[1]]
    return table("How the answer is known", "What | Value", told, told=False)


def origin(plan: Plan) -> list[tuple[str, str]]:
    """Return what an answer can be found again by."""
    return [("Instance digest", plan.instance_digest), ("Planner version", plan.planner_version)]
