"""Workers of a batch: processes of this machine, or whatever executor the user has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from planner.batch.machine_limits import cores, memory_bytes
from planner.batch.process_pool import ProcessEndedError, Processes
from planner.batch.tasks import Task, failure
from planner.batch.worker import Settings, answer
from planner.errors import InputError, MissingExtraError, Problem, WorkersError
from planner.plans.plan import Plan
from planner.version import __version__


class WorkerPool(NamedTuple):
    """Who works on a batch."""

    submit: Callable[[Task], Future[Plan]]
    """Hands a task out."""
    in_flight: int
    """Tasks handed out at a time."""
    patience: float | None = None
    """Seconds without any answer after which all that is handed out counts as failed."""


PER_WORKER = 4
"""Tasks handed out per worker, so that none waits for the next."""
MEMORY_SHARE = 0.9
"""Part of the machine's memory that all workers together may fill."""
SLACK_SECONDS = 60.0
"""What an executor may take beside working."""
ANSWER_SECONDS = 10
"""Time a scheduler has to answer."""
NOBODY = "The workers of this batch are gone or cannot start"
RESUME = "What was solved is kept; a CSV is gone on from with --resume."
OUT_OF_TIME = (
    "It took longer than an instance may. Raise --time-limit-per-instance, or narrow `search`."
)
NO_ANSWER = "No worker answered for {seconds:,.0f} s. See whether any is alive, then --resume."


@contextmanager
def processes(jobs: int | None, settings: Settings) -> Iterator[WorkerPool]:
    """Solve on this machine; a task that hangs or crashes takes nobody else down.

    Parameters
    ----------
    jobs : int or None
        Processes; None for one per core. Each solver takes one thread.
    settings : Settings
        Of the batch.

    Yields
    ------
    WorkerPool
        Who works.
    """
    count = jobs or cores()
    memory = memory_bytes()
    share = None if memory is None else int(MEMORY_SHARE * memory / count)
    started = Processes(count, settings, settings.memory_bytes or share)
    try:
        yield WorkerPool(started.submit, PER_WORKER * count)
    finally:
        started.stop()


@contextmanager
def executed(executor: Executor, jobs: int | None, settings: Settings) -> Iterator[WorkerPool]:
    """Solve on an executor that the user has and keeps.

    Parameters
    ----------
    executor : Executor
        Its processes need the same version of the planner.
    jobs : int or None
        How many workers it has; as many as this machine has cores where that is left out.
    settings : Settings
        Of the batch.

    Yields
    ------
    WorkerPool
        Who works.
    """
    # Nobody here can stop a task that hangs, only stop waiting for it.
    patience = None if settings.seconds is None else PER_WORKER * settings.seconds + SLACK_SECONDS
    yield WorkerPool(
        lambda task: executor.submit(answer, task, settings),
        PER_WORKER * (jobs or cores()),
        patience,
    )


@contextmanager
def dask_cluster(address: str, jobs: int | None, settings: Settings) -> Iterator[WorkerPool]:
    """Solve on a Dask cluster that is running.

    Parameters
    ----------
    address : str
        Of its scheduler: `tcp://host:8786`.
    jobs : int or None
        How many workers to keep busy; all of them where that is left out.
    settings : Settings
        Of the batch.

    Yields
    ------
    WorkerPool
        Who works.

    Raises
    ------
    MissingExtraError
        Where the extra `cluster` is not installed.
    InputError
        Where no scheduler answers there, or it has no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("dask.distributed", "cluster") from None
    # What matters is told in one message; these tell the rest, with tracebacks.
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        found = f"{address}, where none answers ({type(error).__name__})"
        raise _no_cluster(found, "Start one with `dask scheduler`.") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            found = f"the scheduler {address} without workers"
            raise _no_cluster(found, f"Start some with `dask worker {address} --nthreads 1`.")
        # Every task is its own, also where two instances are equal.
        executor = client.get_executor(pure=False)
        with executed(executor, jobs or threads, settings) as worker_pool:
            yield worker_pool


def _no_cluster(found: str, fix: str) -> InputError:
    expected = "a Dask scheduler with workers, such as tcp://host:8786"
    return InputError(Problem(field="--cluster", found=found, expected=expected, fix=fix))


def run(
    numbered: Iterable[tuple[int, Task]], worker_pool: WorkerPool, *, window: int | None = None
) -> Iterator[tuple[int, Plan]]:
    """Yield every task's number and plan, as they come.

    Parameters
    ----------
    numbered : iterable of (int, Task)
        Read only as far ahead as workers need; the numbers rise.
    worker_pool : WorkerPool
        Who works.
    window : int, optional
        How far the numbers of tasks handed out may run ahead of one that is not done.

    Raises
    ------
    WorkersError
        Where there is nobody left to work.
    """
    numbered = iter(numbered)
    waiting: dict[Future[Plan], tuple[int, Task]] = {}
    last = -1
    while True:
        room = worker_pool.in_flight - len(waiting)
        if window is not None and waiting:
            first = min(number for number, _ in waiting.values())
            room = min(room, first + window - last)
        for last, task in islice(numbered, max(0, room)):
            waiting[_handed_out(worker_pool, task)] = (last, task)
        if not waiting:
            return
        done, hung = wait(waiting, timeout=worker_pool.patience, return_when=FIRST_COMPLETED)
        for future in done or hung:
            number, task = waiting.pop(future)
            if done:
                yield number, _outcome(future, task)
            else:
                yield number, _given_up(future, task, worker_pool.patience or 0.0)


def _handed_out(worker_pool: WorkerPool, task: Task) -> Future[Plan]:
    if task.problem is not None:
        done: Future[Plan] = Future()
        done.set_result(failure(task, task.problem))
        return done
    try:
        return worker_pool.submit(task)
    except (BrokenExecutor, RuntimeError) as error:
        raise _nobody(error) from None


def _nobody(error: BaseException) -> WorkersError:
    return WorkersError(f"{NOBODY} ({str(error) or type(error).__name__}). {RESUME}")


def _outcome(future: Future[Plan], task: Task) -> Plan:
    """Return the plan of a task that is done, or the one that says how it failed."""
    try:
        plan = future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise _nobody(error) from None
    except ProcessEndedError as error:
        return failure(task, _ended(error.exit_code))
    except TimeoutError:
        return failure(task, OUT_OF_TIME)
    except Exception as error:
        return failure(task, f"Its worker failed: {type(error).__name__}: {error}.")
    if plan.planner_version != __version__:
        return failure(
            task, f"Its worker runs planner {plan.planner_version}, this is {__version__}."
        )
    return plan


def _given_up(future: Future[Plan], task: Task, seconds: float) -> Plan:
    future.cancel()
    return failure(task, NO_ANSWER.format(seconds=seconds))


def _ended(exit_code: int) -> str:
    if exit_code < 0:
        reason = f"Its process was killed (signal {-exit_code})"
        return f"{reason}, perhaps for want of memory. Run fewer jobs, or narrow `search`."
    return f"Its process ended on its own (exit code {exit_code}). Please report this."
