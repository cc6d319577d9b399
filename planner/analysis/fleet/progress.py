"""Progress through several plans: which one is sought, and how far it is."""

from __future__ import annotations

import math

from planner.formulations.column_generation.pricing_loop import Progress


def within(progress: Progress | None, part: str) -> Progress | None:
    """Tell that a part of some work begins; return whom to tell how far that part is."""
    if progress is None:
        return None
    progress(part, math.nan, math.nan)
    return lambda stage, cost, bound: progress(f"{part}, {stage}", cost, bound)
