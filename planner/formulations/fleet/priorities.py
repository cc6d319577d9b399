"""Priorities: whose requests are refused only where they cannot be served, whatever that costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.candidates.fleet.model_data import Bools, ModelData


def _before_the_last(data: ModelData) -> Bools:
    """(W,) whether requests may be refused, and those of a later priority too."""
    wanted = data.wanted
    refusing = (wanted.shed_at_most > 0) & (wanted.demand > 0).any(axis=1)
    if wanted.priority is None or not refusing.any():
        return np.zeros(len(refusing), dtype=bool)
    return np.asarray(refusing & (wanted.priority < wanted.priority[refusing].max()))


def unrefused(data: ModelData) -> ModelData | None:
    """Return a fleet in which requests of the last priority alone may be refused.

    A plan of it refuses none of the others, so it is one that keeps priorities.

    Returns
    -------
    ModelData or None
        None where all requests that may be refused are of one priority.
    """
    first = _before_the_last(data)
    if not first.any():
        return None
    served = replace(data.wanted, shed_at_most=np.where(first, 0.0, data.wanted.shed_at_most))
    return replace(data, wanted=served)
