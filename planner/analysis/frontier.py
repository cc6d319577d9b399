"""Frontiers: every deployment that no other beats in both cost per token and speed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.candidates.requirements import all_met, requirements
from planner.candidates.screening import Screening, all_shortlists
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import Candidates, Integers, sort_key
from planner.errors import CheckError, InputError, Problem
from planner.io.output import as_table, write_json, write_rows
from planner.plans import build
from planner.plans.plan import COLUMNS as PLAN_COLUMNS
from planner.plans.plan import Plan, Status
from planner.problem.instance import LARGEST_QUANTITY, Instance
from planner.problem.resolve import ResolvedInstance, resolve
from planner.problem.tolerances import ROUNDING
from planner.verification.check_many import verify
from solvers import Outcome
from solvers import Status as Proof

if TYPE_CHECKING:
    import pandas as pd

_OF_ONE_ANSWER = (
    *("objective_name", "objective", "bound", "gap", "formulation", "solver", "solve_seconds"),
    *("binding", "rows"),
)
"""Columns of a plan that a point of a frontier has no use for."""
COLUMNS: tuple[str, ...] = (
    *("instance", "status", "meets_target", "preferred"),
    *(name for name in PLAN_COLUMNS[2:] if name not in _OF_ONE_ANSWER),
)
"""Columns of a frontier's CSV, in order."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """All deployments of one instance that no other beats in both cost and speed."""

    instance: Instance
    """What was asked."""
    points: tuple[Plan, ...]
    """Deployments by rising speed, and so by rising cost; none where nothing is possible.

    Each is the plan of the fastest deployment at its cost per million tokens.
    """
    evaluated: int
    """Deployments that were evaluated."""
    nothing: Plan | None = None
    """The plan that says why there is no point."""

    @property
    def status(self) -> Status:
        """`optimal`, or why there is no point: `infeasible`, `input_error`, `error`."""
        return self.nothing.status if self.nothing is not None else "optimal"

    @property
    def message(self) -> str:
        """Why there is no point; empty where there is one."""
        return self.nothing.message if self.nothing is not None else ""

    def plans(self) -> tuple[Plan, ...]:
        """Return the points; where there is none, the plan that says why."""
        return self.points if self.nothing is None else (self.nothing,)

    def cheapest_at(self, tokens_per_second_per_request: float) -> Plan | None:
        """Return the cheapest point that is so fast, in tokens/s; None where none is."""
        least = tokens_per_second_per_request * (1.0 - ROUNDING)
        return next((point for point in self.points if speed_of(point) >= least), None)

    def fastest_at(self, dollars_per_million_tokens: float) -> Plan | None:
        """Return the fastest point that costs no more, in $/Mtok; None where each does."""
        most = dollars_per_million_tokens * (1.0 + ROUNDING)
        return next((point for point in reversed(self.points) if cost_of(point) <= most), None)

    def preferred(self, alpha: float | None = None) -> Plan | None:
        """Return the point of most speed^alpha per dollar, the slower one where two are equal.

        Parameters
        ----------
        alpha : float, optional
            Exponent of speed in what a token is worth; the instance's `speed_exponent` by default.

        Returns
        -------
        Plan or None
            None where there is no point, or neither says an exponent.

        Raises
        ------
        InputError
            Where `alpha` is negative or not finite.
        """
        alpha = self.instance.speed_exponent if alpha is None else alpha
        if alpha is None or not self.points:
            return None
        if not (math.isfinite(alpha) and alpha >= 0):
            raise InputError(Problem("a finite number of at least 0", str(alpha), "alpha"))
        # In logarithms no exponent is too large.
        worth = [alpha * math.log(speed_of(p)) - math.log(cost_of(p)) for p in self.points]
        return self.points[int(np.argmax(worth))]

    @property
    def knee(self) -> Plan | None:
        """The point farthest below the straight line from the cheapest to the fastest.

        Both are taken in logarithms of cost and speed; None of fewer than three points.
        """
        if len(self.points) < 3:
            return None
        x = np.log([speed_of(point) for point in self.points])
        y = np.log([cost_of(point) for point in self.points])
        below = (x - x[0]) / (x[-1] - x[0]) - (y - y[0]) / (y[-1] - y[0])
        return self.points[int(np.argmax(below))]

    def meets_target(self, point: Plan) -> bool:
        """Whether a point keeps the instance's target speed and its ceilings on cost."""
        asked = self.instance
        at_most = (
            (cost_of(point), asked.dollars_per_million_tokens_at_most),
            (point.dollars_per_hour or 0.0, asked.dollars_per_hour_at_most),
        )
        target = asked.workload.tokens_per_second_per_request or 0.0
        return speed_of(point) >= target * (1.0 - ROUNDING) and all(
            limit is None or attained <= limit * (1.0 + ROUNDING) for attained, limit in at_most
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping per point, column by column; one with the reason where none is."""
        if self.nothing is not None:
            return [_row(self.nothing)]
        preferred = self.preferred()
        return [
            {
                **_row(point),
                "meets_target": self.meets_target(point),
                "preferred": point is preferred,
            }
            for point in self.points
        ]

    def table(self) -> pd.DataFrame:
        """Return the points as a pandas table."""
        return as_table(self.rows(), COLUMNS)

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return the points as CSV with a header, and write it to `path` if one is given."""
        return write_rows(self.rows(), COLUMNS, path)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the points as a JSON list of objects, and write it to `path` if one is given."""
        return write_json(self.rows(), path)


def frontier(
    instance: Instance,
    *,
    shortlists: ShortlistCache | None = None,
    progress: Callable[[int], None] | None = None,
) -> Frontier:
    """Find every deployment that no other beats in both dollars per token and speed.

    One deployment beats another where it costs no more dollars per million tokens, gives each
    request no fewer tokens per second, and is better in one of the two. Of deployments equal in
    both, the one with fewer accelerators stays, then the first by label. All requirements of the
    instance hold but those on the two axes: the target speed and the ceilings on cost.

    The points come from shortlists (`planner.candidates.dominance.pareto_kept`), which lose none of
    them. What a shortlist drops is slower than another deployment of the same pool that takes no
    more accelerators, gives no fewer tokens per second in all, and meets what it meets. So that one
    costs no more per token and is faster: what was dropped was beaten.

    Parameters
    ----------
    instance : Instance
        What is asked; it needs no target speed.
    shortlists : ShortlistCache, optional
        Shortlists of earlier instances, from which this one is answered where it can be.
    progress : callable, optional
        Told how many deployments were evaluated so far.

    Returns
    -------
    Frontier
        Every point has passed the independent checker. Empty where nothing is possible; its
        `message` says why.

    Raises
    ------
    InputError
        Where the instance names what does not exist or contradicts itself.
    CheckError
        Where the checker disagrees with a point.

    Examples
    --------
    >>> import planner
    >>> instance = planner.read_instance("instances/llama-8b-smallest/instance.yaml")
    >>> found = planner.frontier(instance)
    >>> found.status, len(found.points) > 100
    ('optimal', True)
    >>> found.points[0].dollars_per_million_tokens < found.points[-1].dollars_per_million_tokens
    True
    """
    shortlists = shortlists or ShortlistCache()
    relaxed = _without_axes(instance)
    resolved = resolve(relaxed)
    evaluated, table = all_shortlists(resolved, progress, shortlists)
    possible = table.take(all_met(requirements(resolved, table)))
    if not len(possible):
        reason = replace(solved(relaxed, shortlists=shortlists), instance_digest=instance.digest)
        return Frontier(instance, (), evaluated, reason)
    chosen = possible.take(_unbeaten(resolved, possible))
    points = _checked(resolved, Screening(evaluated, chosen, {}))
    digest = instance.digest
    own = tuple(replace(point, instance_digest=digest) for point in points)
    return Frontier(instance, own, evaluated)


def solved(
    instance: Instance,
    progress: Callable[[int], None] | None = None,
    shortlists: ShortlistCache | None = None,
) -> Plan:
    """Return the best plan of an instance, as `planner.solve` does."""
    from planner.api import solve  # Importing a solver takes longer than most frontiers.

    return solve(instance, progress, shortlists)


def _without_axes(instance: Instance) -> Instance:
    """Return the instance without target speed and ceilings on cost, as the fastest at any cost."""
    workload = instance.workload.model_copy(update={"tokens_per_second_per_request": None})
    return instance.model_copy(
        update={
            "workload": workload,
            "objective": "tokens_per_second_per_request",
            "dollars_per_million_tokens_at_most": LARGEST_QUANTITY,
            "dollars_per_hour_at_most": None,
        }
    )


def _unbeaten(resolved: ResolvedInstance, table: Candidates) -> Integers:
    """Return the rows on the frontier, by rising speed."""
    cost, speed = table.dollars_per_million_tokens, table.tokens_per_second_per_request
    gpus = table.replicas_needed(resolved.instance.workload) * table.gpus_per_replica
    order = np.lexsort((gpus, -speed, cost))
    keys = np.stack((cost, speed, gpus))[:, order]
    best = np.maximum.accumulate(keys[1])
    first = np.flatnonzero(np.concatenate(([True], keys[1, 1:] > best[:-1])))
    # Rows that are equal in everything stand side by side.
    news = np.append(np.flatnonzero((np.diff(keys) != 0).any(axis=0)) + 1, len(order))
    last = news[np.searchsorted(news, first, side="right")]
    equals = (order[one:end] for one, end in zip(first, last, strict=True))
    return np.asarray(
        [min(rows, key=lambda row: sort_key(resolved, table, row)) for rows in equals],
        dtype=np.int64,
    )


def _checked(resolved: ResolvedInstance, found: Screening) -> list[Plan]:
    """Draw up the plan of every choice, and have all recomputed.

    Raises
    ------
    CheckError
        With everything that does not hold.
    """
    table, plans = found.choices, []
    assert table is not None
    needed = table.replicas_needed(resolved.instance.workload)
    for row in range(len(table)):
        chosen = table.take(np.asarray([row]))
        speed = float(chosen.tokens_per_second_per_request[0])
        outcome = Outcome(Proof.OPTIMAL, speed, speed, 0.0, "comparison of all deployments")
        replicas = int(needed[row])
        plans.append(build.plan(resolved, found, chosen=chosen, replicas=replicas, outcome=outcome))
    if findings := verify(resolved, plans):
        lead = f"Points of the frontier of {plans[0].instance} failed their check:"
        raise CheckError("\n".join([lead, *map(str, findings)]))
    return plans


def _row(plan: Plan) -> dict[str, Any]:
    """Return a plan's columns, in the order of a frontier's."""
    row = plan.to_row()
    return {name: row.get(name) for name in COLUMNS}


def speed_of(point: Plan) -> float:
    """Return the tokens per second of a request."""
    return point.tokens_per_second_per_request or 0.0


def cost_of(point: Plan) -> float:
    """Return the dollars per million output tokens."""
    return point.dollars_per_million_tokens or math.inf
