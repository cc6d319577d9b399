"""Plans on the terminal: the answer first, then why, then what it rests on."""

from __future__ import annotations

import re

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from planner.plans.plan import Plan

BAR_WIDTH = 28
TERMS = ("arithmetic", "memory", "network", "latency", "stall")
COLOURS = {
    "arithmetic": "cyan",
    "memory": "blue",
    "network": "magenta",
    "latency": "yellow",
    "stall": "white",
}


def show_plan(plan: Plan, console: Console, command: str = "") -> None:
    """Print one plan, with the command that runs it where one is given."""
    console.print(_found(plan, command) if plan.found else _not_found(plan))


INSIDE = 74
"""Columns within the frame of a plan."""
WAY_OUT = re.compile(
    r"(?P<why>.*?) (?P<opening>(?:It becomes feasible with|No single change suffices)[^:]*:) "
    r"(?P<ways>.*)\."
)
"""A message that says what would make an instance feasible."""


def _not_found(plan: Plan) -> RenderableType:
    """Show why, then each way out on a line of its own."""
    found = WAY_OUT.fullmatch(plan.message)
    body = Text(plan.message)
    if found is not None:
        ways = "\n".join(f"  - {way}" for way in found["ways"].split("; "))
        body = Text(f"{found['why']}\n\n{found['opening']}\n{ways}")
    return Panel(
        body, title=Text(f"{plan.instance}: {plan.status}"), title_align="left", style="red"
    )


def _found(plan: Plan, command: str) -> RenderableType:
    proved = "proved optimal" if plan.status == "optimal" else "not proved: time ran out"
    title = Text(f"{plan.instance}: {_money(plan)} ({proved})")
    run = [Text(), Text(command)] if command else []
    body = Group(_answer(plan), Text(), _time(plan), Text(), _basis(plan), *_notes(plan), *run)
    return Panel(body, title=title, title_align="left", expand=False, padding=(1, 2))


BUSY = 0.9
"""Use of the replicas from which waits, which are not counted, grow fast."""


def _notes(plan: Plan) -> list[Text]:
    """Say in plain words what the numbers above leave out."""
    told = ["The first token is that of an idle replica: waiting in queues is not counted."]
    busy = plan.utilisation is not None and plan.utilisation >= BUSY
    if busy and plan.objective_name == "dollars_per_hour":
        told.append(
            f"Replicas are {plan.utilisation:.0%} used at the stated demand, which leaves little "
            "room for bursts. `headroom: 10%` in the workload keeps some."
        )
    if plan.binding.startswith("tokens_per_second_per_request"):
        told.append(
            "The speed target decides, even where the speed is above it: deployments come in steps."
        )
    return [Text(), *(Text(f"Note: {one}", style="dim") for one in told)]


def _money(plan: Plan) -> str:
    return f"${plan.dollars_per_hour:,.2f}/h, ${plan.dollars_per_million_tokens:,.3f}/Mtok"


def _answer(plan: Plan) -> Table:
    table = Table.grid(padding=(0, 2))
    copies = f"{plan.replicas} replica{'s' if plan.replicas != 1 else ''}"
    table.add_row("Run", Text(f"{copies} of {plan.transformer} on {plan.pool}", "bold"))
    table.add_row(
        "Each",
        f"{plan.gpus_per_replica} x {plan.accelerator}: tensor parallel {plan.tensor_parallel}, "
        f"pipeline parallel {plan.pipeline_parallel}{_experts(plan)}, batch {plan.batch}, "
        f"weights {plan.weight_precision}, cache {plan.kv_precision}",
    )
    if plan.gamma:
        table.add_row(
            "Draft",
            f"{plan.gamma} tokens by {plan.draft} on {plan.draft_tensor_parallel} of them, "
            f"{plan.tokens_per_round:.2f} tokens a round of {_ms(plan.step_seconds)}",
        )
    table.add_row("GPUs", f"{plan.gpus} at ${plan.dollars_per_gpu_hour:g}/h ({plan.price_source})")
    table.add_row(
        "Speed",
        f"{plan.tokens_per_second_per_request:.1f} tok/s per request, "
        f"{plan.tokens_per_second:,.0f} tok/s in all ({plan.utilisation:.0%} used), "
        f"first token after {_ms(plan.time_to_first_token_seconds)}",
    )
    share = (plan.memory_bytes_per_gpu or 0) / (plan.usable_memory_bytes_per_gpu or 1)
    table.add_row(
        "Memory", f"{(plan.memory_bytes_per_gpu or 0) / 1e9:.1f} GB per GPU, {share:.0%} of usable"
    )
    return table


def _experts(plan: Plan) -> str:
    if plan.data_parallel == 1 and plan.expert_parallel == 1:
        return ""
    return f", data parallel {plan.data_parallel}, expert parallel {plan.expert_parallel}"


def _ms(seconds: float | None) -> str:
    return f"{(seconds or 0.0) * 1e3:,.2f} ms"


def _time(plan: Plan) -> Table:
    table = Table.grid(padding=(0, 2))
    total = plan.tpot_seconds or 1.0
    for term in TERMS:
        seconds = getattr(plan, f"{term}_seconds") or 0.0
        if term != "stall":
            seconds /= plan.tokens_per_round or 1.0
        bar = "█" * round(BAR_WIDTH * min(1.0, seconds / total))
        name = "prompts of others" if term == "stall" else term
        table.add_row(name, _ms(seconds), Text(bar, style=COLOURS[term]))
    table.add_row(Text("per token", "bold"), Text(_ms(plan.tpot_seconds), "bold"), "")
    return table


def _basis(plan: Plan) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("Binds", plan.binding or "nothing: every requirement has room")
    table.add_row(
        "Proof",
        f"{plan.objective_name} {plan.objective:.6g}, bound {plan.bound:.6g}, "
        f"gap {plan.gap:.3g}, over {plan.candidates:,} deployments, "
        f"{plan.solver}, {plan.solve_seconds:.2f} s",
    )
    accuracy = "no measurements of this kind; constants carried over"
    if plan.profile == "paper":
        accuracy = "the source paper's constants, not calibrated"
    elif plan.profile_error is not None:
        accuracy = f"off by {plan.profile_error:.0%} in the median on measurements of this family"
    table.add_row("Profile", f"{plan.profile}: {accuracy}")
    table.add_row("Origin", f"planner {plan.planner_version}, instance {plan.instance_digest}")
    return table
