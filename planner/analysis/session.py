"""Sessions: one instance asked again and again, with everything that was evaluated kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.api import solve
from planner.candidates.shortlist_cache import ShortlistCache
from planner.io.overrides import changed
from planner.plans.plan import Plan
from planner.problem.instance import Instance


class Session:
    """Answers an instance and what becomes of it under other prices, demands and targets.

    Changing what is asked of deployments takes milliseconds, since their times are kept; changing
    what decides those times (prompt length, transformer, search) evaluates anew, once.

    Parameters
    ----------
    instance : Instance
        What is asked.

    Examples
    --------
    >>> session = planner.session(instance)  # doctest: +SKIP
    >>> session.solve().dollars_per_hour  # doctest: +SKIP
    >>> session.solve({"workload.tokens_per_second": 40_000}).dollars_per_hour  # doctest: +SKIP
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.shortlists = ShortlistCache()

    def changed(self, changes: Mapping[str, Any] | None = None) -> Instance:
        """Return the instance with other values in some fields.

        Parameters
        ----------
        changes : mapping of str to any, optional
            Path of a field, such as `pools[0].dollars_per_gpu_hour`, to its value; None leaves the
            field out.

        Raises
        ------
        InputError
            Where there is no such field, or it cannot have that value.
        """
        return changed(self.instance, changes) if changes else self.instance

    def solve(self, changes: Mapping[str, Any] | None = None) -> Plan:
        """Return the best plan with some fields changed, proved and checked as by `planner.solve`.

        Parameters
        ----------
        changes : mapping of str to any, optional
            As for `changed`; the session's own instance stays as it is.

        Raises
        ------
        InputError, SolverError, CheckError
            As `planner.solve` does, and where a field cannot be changed so.
        """
        return solve(self.changed(changes), shortlists=self.shortlists)


def session(instance: Instance) -> Session:
    """Return a session on an instance.

    Examples
    --------
    >>> import planner
    >>> instance = planner.read_instance("instances/llama-8b-smallest/instance.yaml")
    >>> session = planner.session(instance)
    >>> session.solve({"workload.tokens_per_second_per_request": 20}).status
    'optimal'
    """
    return Session(instance)
