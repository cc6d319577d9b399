"""The work of one process of a batch: one task in, one plan out, whatever goes wrong."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import parent_process
from pathlib import Path
from typing import TypeVar

from planner import catalogue
from planner.api import solve
from planner.batch.tasks import Task, failure
from planner.candidates.shortlist_cache import ShortlistCache
from planner.errors import PlannerError
from planner.plans.plan import Plan
from planner.plans.summary_row import summary_row
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance

SOLVER_SHARE = 0.8
"""Part of an instance's time that the solver may take, so that its plan is there in time."""


NO_MEMORY = (
    "It takes more memory than a process may. Run fewer jobs at a time, raise --memory-per-job, "
    "or narrow `search`."
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for all tasks of a batch."""

    seconds: float | None = None
    """Wall time of one instance; None for no limit."""
    cache: str | None = None
    """Folder of shortlists that processes share; None for memory alone."""
    memory_bytes: int | None = None
    """Memory of one process of this machine; None for its share."""


_one_at_a_time = threading.Lock()
"""Pyomo is not made for several threads of one process."""
_tables: dict[str | None, ShortlistCache] = {}
"""Shortlists of this process, by the folder they are also kept in."""


def answer(task: Task, settings: Settings) -> Plan:
    """Solve one task; what goes wrong is a plan that says so.

    Parameters
    ----------
    task : Task
        What to solve.
    settings : Settings
        Limits, and where shortlists are kept.
    """
    try:
        with _one_at_a_time:
            shortlists = _tables.setdefault(settings.cache, ShortlistCache(settings.cache))
            instance = task.instance()
            if isinstance(instance, Fleet):
                solved = solve(_limited(instance, settings))
                return summary_row(instance, solved, task.source)
            plan = solve(_limited(instance, settings), shortlists=shortlists)
    except PlannerError as error:
        return failure(task, error)
    except MemoryError:
        return failure(task, NO_MEMORY)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return failure(task, f"{reason}. This is a mistake in the planner: please report it.")
    return replace(plan, source=task.source)


Asked = TypeVar("Asked", Instance, Fleet)


def _limited(instance: Asked, settings: Settings) -> Asked:
    """Let the solver end before the instance's time does."""
    if settings.seconds is None:
        return instance
    seconds = min(instance.solver.time_limit_seconds, SOLVER_SHARE * settings.seconds)
    solver = instance.solver.model_copy(update={"time_limit_seconds": seconds})
    return instance.model_copy(update={"solver": solver})


def work(connection: Connection, settings: Settings, memory_bytes: int | None) -> None:
    """Be a process of a batch: say so, then answer one task after another.

    Parameters
    ----------
    connection : Connection
        Where tasks come from and plans go; the process ends when it does.
    settings : Settings
        Of the batch.
    memory_bytes : int or None
        Memory it may use, where the system can limit that; what asks for more fails alone.
    """
    prepare(memory_bytes)
    # Reading it takes longer than most instances, whose time does not begin yet.
    catalogue.profile(Instance.model_fields["profile"].default)
    with suppress(EOFError, OSError):
        connection.send(None)
        while True:
            connection.send(answer(connection.recv(), settings))


def prepare(memory_bytes: int | None) -> None:
    """Make this process a worker: it leaves Ctrl-C to its parent and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    with suppress(OSError):  # Linux: should memory run out, it is not the parent that goes.
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    if memory_bytes is not None:
        with suppress(ImportError, OSError, ValueError):
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def _follow_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
