"""Processes of this machine that solve tasks: one that hangs or dies takes nobody else along."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from threading import Lock, Thread

from planner.batch.tasks import Task
from planner.batch.worker import Settings, work
from planner.plans.plan import Plan

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Numerical libraries start a thread per core unless they are told not to."""

EXIT_SECONDS = 1.0
"""Time that a process has to exit once its connection has ended."""

GUARD = "a script that solves on processes does so under `if __name__ == '__main__':`"

Job = tuple["Future[Plan]", Task]


class ProcessEndedError(Exception):
    """A process ended before its task was done."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


@dataclass(eq=False, slots=True)
class _Worker:
    """One process, and what it works on."""

    process: BaseProcess
    connection: Connection
    ready: bool = False
    """Whether it has started."""
    job: Job | None = None
    deadline: float | None = None


class Processes:
    """Solves tasks on as many processes as are needed, and no more than may be.

    Every process has a connection of its own and no lock is shared, so that it can be killed at any
    moment. One that takes too long is; another takes its place.

    Parameters
    ----------
    count : int
        Most processes at a time.
    settings : Settings
        Of the batch.
    memory_bytes : int or None
        What each may use.
    """

    def __init__(self, count: int, settings: Settings, memory_bytes: int | None) -> None:
        self._count, self._settings, self._memory = count, settings, memory_bytes
        self._context = _context()
        self._workers: list[_Worker] = []
        self._jobs: deque[Job] = deque()
        self._wake_pipe, self._button = self._context.Pipe(duplex=False)
        self._lock = Lock()  # Of the threads of this process; processes share none.
        self._stopped: str | None = None
        """Why no task is taken any more."""
        self._keeper = Thread(target=self._keep, name="processes", daemon=True)
        self._keeper.start()
        atexit.register(self.stop)

    def submit(self, task: Task) -> Future[Plan]:
        """Hand a task out.

        Its future fails with TimeoutError, ProcessEndedError or, where no process can start,
        BrokenExecutor.

        Raises
        ------
        BrokenExecutor
            Where no process could start, or all were stopped.
        """
        future: Future[Plan] = Future()
        with self._lock:
            if self._stopped is not None:
                raise BrokenExecutor(self._stopped)
            self._jobs.append((future, task))
            self._button.send_bytes(b"!")
        return future

    def stop(self) -> None:
        """End all processes, whatever they are at."""
        with self._lock:
            if self._stopped is None:
                self._stopped = "they were stopped"
                self._button.send_bytes(b"!")
        self._keeper.join()
        atexit.unregister(self.stop)

    def _keep(self) -> None:
        """Look after the processes until they are stopped; runs in a thread of its own."""
        if hasattr(signal, "pthread_sigmask"):  # Ctrl-C is for this process alone to act on.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while self._stopped is None:
                self._start()
                self._hand_out()
                self._listen()
                self._end_the_late()
        except Exception as error:
            with self._lock:
                self._stopped = str(error)
        finally:
            self._close()

    def _start(self) -> None:
        """Start processes, as far as there is work for more and there may be more."""
        starting = sum(not worker.ready for worker in self._workers)
        idle = sum(worker.ready and worker.job is None for worker in self._workers)
        wanted = len(self._jobs) - starting - idle
        for _ in range(min(wanted, self._count - len(self._workers))):
            ours, theirs = self._context.Pipe()
            arguments = (theirs, self._settings, self._memory)
            process = self._context.Process(target=work, args=arguments, daemon=True)
            with _environment(ONE_THREAD):
                process.start()
            theirs.close()  # So that the connection ends when the process does.
            self._workers.append(_Worker(process, ours))

    def _hand_out(self) -> None:
        for worker in self._workers:
            if not self._jobs:
                return
            if worker.ready and worker.job is None:
                worker.job = self._jobs.popleft()
                if self._settings.seconds is not None:
                    worker.deadline = time.monotonic() + self._settings.seconds
                with suppress(OSError):  # It is dead, which is seen to in a moment.
                    worker.connection.send(worker.job[1])

    def _listen(self) -> None:
        """Wait until a process says something or dies, a task comes, or somebody's time is up."""
        deadlines = [each.deadline for each in self._workers if each.deadline is not None]
        seconds = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        heard = wait([self._wake_pipe, *(each.connection for each in self._workers)], seconds)
        if self._wake_pipe in heard:
            self._wake_pipe.recv_bytes()
        for worker in tuple(self._workers):
            if worker.connection in heard:
                self._hear(worker)

    def _hear(self, worker: _Worker) -> None:
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            self._reap(worker)
            return
        if worker.job is None:
            worker.ready = True
            return
        future, worker.job, worker.deadline = worker.job[0], None, None
        with suppress(InvalidStateError):  # Nobody waits for it any more.
            future.set_result(said)

    def _reap(self, worker: _Worker) -> None:
        """Tell that a process is dead."""
        worker.process.join(EXIT_SECONDS)
        exit_code = self._end(worker)
        if worker.job is not None:
            _fail(worker.job, ProcessEndedError(exit_code))
        elif not worker.ready and exit_code >= 0:  # Nobody killed it: the next would go that way.
            raise BrokenExecutor(f"one ended with exit code {exit_code} while it started; {GUARD}")

    def _end_the_late(self) -> None:
        now = time.monotonic()
        for worker in tuple(self._workers):
            if worker.job is not None and worker.deadline is not None and worker.deadline <= now:
                self._end(worker)
                _fail(worker.job, TimeoutError())

    def _end(self, worker: _Worker) -> int:
        """Kill a process unless it is dead; return its exit code, negative for a signal."""
        self._workers.remove(worker)
        worker.process.kill()
        worker.process.join()
        exit_code = worker.process.exitcode
        worker.process.close()
        worker.connection.close()
        return 0 if exit_code is None else exit_code

    def _close(self) -> None:
        """End all processes, and let nobody wait for what will not be solved."""
        jobs = [worker.job for worker in self._workers if worker.job is not None]
        for worker in self._workers:
            worker.process.kill()
        for worker in tuple(self._workers):
            self._end(worker)
        for job in (*jobs, *self._jobs):
            _fail(job, BrokenExecutor(self._stopped))
        self._jobs.clear()


def _fail(job: Job, error: Exception) -> None:
    with suppress(InvalidStateError):
        job[0].set_exception(error)


def _context() -> ForkServerContext | SpawnContext:
    """Fork processes from one that has loaded the planner and nothing of the user's."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # Pyomo makes a semaphore when it is imported: once here, not once in every process.
    context.set_forkserver_preload(
        ["planner.batch.worker", "planner.formulations.deployment", "solvers.mip"]
    )
    return context


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
