"""The plan that a changed instance would have, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.candidates.dominance import undominated
from planner.candidates.requirements import all_met, objective_values, requirements
from planner.candidates.table import Candidates, draft_name
from planner.problem.resolve import ResolvedInstance
from planner.problem.tolerances import TIE


@dataclass(frozen=True, slots=True)
class RelaxedPlan:
    """The best plan of an instance, without its proof."""

    deployment: str
    """One replica in words."""
    pool: str
    replicas: int
    gpus: int
    dollars_per_hour: float
    dollars_per_million_tokens: float
    tokens_per_second_per_request: float
    objective: float
    """Value of what the instance optimises."""


def relaxed_plan(resolved: ResolvedInstance, table: Candidates) -> RelaxedPlan | None:
    """Return the best plan among the deployments of a table; None where none qualifies."""
    qualified = np.flatnonzero(all_met(requirements(resolved, table)))
    if not len(qualified):
        return None
    possible = table.take(qualified)
    choices = possible.take(undominated(resolved, possible))
    row = _best(resolved, choices)
    one = choices.take(np.asarray([row]))
    replicas = one.replicas_needed(resolved.instance.workload)
    score = float(objective_values(resolved, one)[0])
    return RelaxedPlan(
        words(resolved, one, 0),
        resolved.pools[one.pool[0]].label,
        int(replicas[0]),
        int(replicas[0] * one.gpus_per_replica[0]),
        float(one.dollars_per_hour(replicas)[0]),
        float(one.dollars_per_million_tokens[0]),
        float(one.tokens_per_second_per_request[0]),
        -score if resolved.instance.aim == "tokens_per_second_per_request" else score,
    )


def _best(resolved: ResolvedInstance, choices: Candidates) -> int:
    """Return the row that scores best; of equals that of fewest accelerators, then the fastest."""
    scores = objective_values(resolved, choices)
    equal = np.flatnonzero(scores <= scores.min() + TIE * abs(scores.min()))
    gpus = choices.replicas_needed(resolved.instance.workload) * choices.gpus_per_replica
    speed = choices.tokens_per_second_per_request
    return int(equal[np.lexsort((-speed[equal], gpus[equal]))[0]])


def words(resolved: ResolvedInstance, table: Candidates, row: int) -> str:
    """Describe one replica: `8 x h200-sxm (tp 8, fp8, batch 1)`, by the name of its pool."""
    search = resolved.instance.search
    parts = [f"tp {table.tensor_parallel[row]}"]
    if table.pipeline_parallel[row] > 1:
        parts.append(f"pp {table.pipeline_parallel[row]}")
    if table.data_parallel[row] * table.expert_parallel[row] > 1:
        parts += [f"dp {table.data_parallel[row]}", f"ep {table.expert_parallel[row]}"]
    parts.append(search.weights[table.weights[row]])
    if search.kv[table.kv[row]] != "bf16":
        parts.append(f"{search.kv[table.kv[row]]} cache")
    if table.draft[row]:
        drafted = draft_name(resolved, int(table.draft[row]))
        parts.append(f"{table.gamma[row]} tokens drafted by {drafted}")
    parts.append(f"batch {table.batch[row]}")
    pool = resolved.pools[table.pool[row]].label
    return f"{table.gpus_per_replica[row]} x {pool} ({', '.join(parts)})"
