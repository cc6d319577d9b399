"""Shortlists: the deployments of one pool that some price, demand or target could choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from planner.candidates.dominance import pareto_kept, prefiltered
from planner.candidates.table import Candidates, blocks_of, concatenate
from planner.problem.resolve import ResolvedInstance

MANY_ROWS = 100_000
"""Rows of several blocks from which they are compared with one another."""


@dataclass(frozen=True, slots=True)
class Shortlist:
    """What is left of one pool's deployments, whatever is asked of them."""

    evaluated: int
    """Deployments that were evaluated."""
    table: Candidates
    """Those that last."""

    def in_pool(self, resolved: ResolvedInstance, pool: int) -> Candidates:
        """Return the deployments as those of a pool of `resolved`, at its price."""
        shape = self.table.pool.shape
        return replace(
            self.table,
            pool=np.full(shape, pool),
            dollars_per_gpu_hour=np.full(shape, resolved.pools[pool].dollars_per_gpu_hour),
        )


def shortlist(
    resolved: ResolvedInstance, pool: int, progress: Callable[[int], None] | None = None
) -> Shortlist:
    """Evaluate every deployment of one pool, in blocks that are forgotten again.

    Parameters
    ----------
    resolved : ResolvedInstance
        What is asked.
    pool : int
        Index into its pools.
    progress : callable, optional
        Told how many deployments of the pool were evaluated so far, after every block.
    """
    first_token = resolved.instance.workload.time_to_first_token_seconds is not None
    kept: list[Candidates] = []
    evaluated = 0
    for block in blocks_of(resolved, pool):
        kept.append(block.table(prefiltered(block, first_token=first_token)))
        if sum(map(len, kept)) > MANY_ROWS:
            kept = [_lasting_of(kept, first_token)]
        evaluated += len(block)
        if progress is not None:
            progress(evaluated)
    return Shortlist(evaluated, _lasting_of(kept, first_token))


def _lasting_of(tables: list[Candidates], first_token: bool) -> Candidates:
    together = concatenate(tables)
    return together.take(pareto_kept(together, first_token=first_token))
