"""The plan that a changed instance would have, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.candidates.dominance import undominated
from planner.candidates.requirements import all_met, objective_values, requirements
from planner.candidates.table import Candidates, label_of
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
    """Describe one replica: `8 x h200-sxm tp8 fp8 b1`, by the name of its pool."""
    return f"{table.gpus_per_replica[row]} x {label_of(resolved, table, row)}"
