"""Batches: many instances, one plan each; a failure is a row, never an end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path

from planner.batch.executors import WorkerPool, dask_cluster, executed, processes, run
from planner.batch.results_csv import ResultsFile
from planner.batch.tasks import Task, Tasks
from planner.batch.worker import Settings
from planner.errors import InputError
from planner.plans.plan import Plan, swept_text
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance

SECONDS = 600.0
"""Wall time one instance may take where nobody says otherwise."""
WINDOW = 1000
"""Plans that may wait for one that comes before them."""


def solve_many(
    instances: Iterable[Instance | Fleet | str | Path],
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    time_limit_per_instance: float | None = SECONDS,
    cache: str | Path | None = None,
) -> Iterator[Plan]:
    """Solve instances side by side and yield a plan for each, in order.

    Parameters
    ----------
    instances : iterable of Instance, Fleet, str or Path
        Instances, or the files to read them from; a file that sweeps is as many as it has points.
    executor : Executor, optional
        Who works: any `concurrent.futures.Executor`. Left out: processes of this machine, which is
        why a script calls this under `if __name__ == "__main__":`.
    jobs : int, optional
        Processes, or workers of the executor; left out, one per core.
    time_limit_per_instance : float or None
        Seconds after which an instance has failed; an executor's tasks cannot be stopped, there it
        limits the solver.
    cache : str or Path, optional
        Folder in which what was evaluated is kept for other processes and later batches.

    Yields
    ------
    Plan
        A failed one has the status `input_error` or `error` and says why in `message`. Memory holds
        few instances and plans at a time, however many there are.

    Raises
    ------
    WorkersError
        Where there is nobody left to work.

    Examples
    --------
    >>> import planner
    >>> files = ["instances/llama-8b-smallest/instance.yaml"]
    >>> [plan.status for plan in planner.solve_many(files, jobs=1)]
    ['optimal']
    """
    settings = Settings(time_limit_per_instance, None if cache is None else str(cache))
    with workers(settings, executor=executor, jobs=jobs) as worker_pool:
        early: dict[int, Plan] = {}
        following = 0
        for number, plan in run(enumerate(Tasks(instances)), worker_pool, window=WINDOW):
            early[number] = plan
            while following in early:
                yield early.pop(following)
                following += 1


def workers(
    settings: Settings,
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
) -> AbstractContextManager[WorkerPool]:
    """Return who works: a Dask cluster, an executor, or processes of this machine."""
    if cluster is not None:
        return dask_cluster(cluster, jobs, settings)
    if executor is not None:
        return executed(executor, jobs, settings)
    return processes(jobs, settings)


def write_plans(
    tasks: Iterable[Task],
    results_file: ResultsFile,
    worker_pool: WorkerPool,
    told: Callable[[str, str, str, bool], None] = lambda *_: None,
) -> None:
    """Solve tasks and write their plans as they come; those that were kept are left out.

    Parameters
    ----------
    tasks : iterable of Task
        In the order that the file has in the end.
    results_file : ResultsFile
        Where plans go.
    worker_pool : WorkerPool
        Who works, from `workers`.
    told : callable, optional
        Told name, status and message of every plan, and whether it was kept.
    """

    def left() -> Iterator[tuple[int, Task]]:
        for number, task in enumerate(tasks):
            row = _kept(results_file, number, task)
            if row is None:
                yield number, task
            else:
                told(row["instance"], row["status"], row["message"], True)

    for number, plan in run(left(), worker_pool):
        results_file.append(number, plan)
        told(plan.instance, plan.status, plan.message, False)


def _kept(results_file: ResultsFile, number: int, task: Task) -> dict[str, str] | None:
    """Use the row of an earlier run, where there is one of this very instance."""
    if not results_file.resumes:
        return None
    try:
        instance = task.instance()
    except InputError:
        return None
    digest = instance.digest
    if not results_file.kept(digest, instance.solver.relative_gap):
        return None
    return results_file.keep(number, digest, source=task.source, sweep=swept_text(instance.swept))
