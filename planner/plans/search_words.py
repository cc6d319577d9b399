"""What is said of a search that ended without a proof: whether more time would help."""

from __future__ import annotations

IN_TIME = 0.9
"""Part of the time limit up to which a search ended by itself."""


def search_words(status: str, method: str, seconds: float, limit: float) -> str:
    """Say what would help; nothing where a plan is proved, or it is proved that there is none.

    Parameters
    ----------
    status, method : str
        Of the plan.
    seconds, limit : float
        Time that the search took, and that it had.

    Examples
    --------
    >>> search_words("feasible", "decomposition", 2.0, 300.0)
    'The search ended before its time: more would not close the gap; `solver.method: milp` may.'
    """
    helps = "`solver.method: milp` may" if method == "decomposition" else "a larger gap may do"
    if status == "feasible":
        return f"The search ended before its time: more would not close the gap; {helps}."
    if status != "no_solution_in_time":
        return ""
    if seconds < IN_TIME * limit and method == "decomposition":
        return "The search ended before its time with no plan; `solver.method: milp` may find one."
    return f"No plan within {limit:g} s; raise solver.time_limit_seconds."
