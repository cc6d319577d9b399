"""What is said of what runs already: whether it is changed, and what of it may not go on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from planner.candidates.fleet.what_runs import Ended
from planner.plans.comparison import Comparison
from planner.problem.changes import DOLLARS, PER_CENT
from planner.problem.fleet import Fleet

MOST_NAMED = 5
"""Deployments that are named; of others it is said how many there are."""


def comparison_words(fleet: Fleet, comparison: Comparison | None) -> str:
    """Say whether what runs is changed, and why; nothing where changes need save nothing."""
    if fleet.changes is None or comparison is None:
        return ""
    least = f"the least saving for a change is {_in_words(fleet.changes.minimum_saving)}"
    kept, changed = comparison.dollars_per_hour_if_kept, comparison.dollars_per_hour_if_changed
    if math.isnan(kept):
        return "What runs is changed: as it is, it does not meet what is asked."
    if math.isnan(changed):
        return f"What runs is kept, at ${kept:,.2f}/h: nothing else was found."
    less = f"${kept - changed:,.2f}/h ({(kept - changed) / kept if kept else 0.0:.1%})"
    if comparison.kept:
        return f"What runs is kept: changing it would save {less}; {least}."
    return f"What runs is changed: that saves {less} against keeping it; {least}."


def ended_words(ended: Sequence[Ended]) -> str:
    """Say which replicas that run may not go on, and why; nothing where all may."""
    if not ended:
        return ""
    told = [
        f"{one.entry.replicas} of {one.entry.label} of {one.entry.workload} in {one.entry.pool} "
        f"({one.reason})"
        for one in ended[:MOST_NAMED]
    ]
    more = len(ended) - len(told)
    told += [f"and those of {more} more deployments"] if more else []
    return f"Replicas that run and may not go on are stopped: {'; '.join(told)}."


def _in_words(saving: str) -> str:
    """Return a least saving as it is read: 3%, or $2.00/h."""
    return saving if saving.endswith(PER_CENT) else f"${float(saving.removesuffix(DOLLARS)):,.2f}/h"
