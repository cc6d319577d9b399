"""The command `batch`: many instances into one CSV, whatever happens on the way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from planner.cli.app import EXIT_CODES, app, exit_code, say

INTERRUPTED = 130
EXAMPLES = (
    "Example: planner batch instances --csv plans.csv",
    "planner batch 'jobs/*.yaml' more.jsonl --csv plans.csv --jobs 4 --resume",
    "find jobs -name '*.yaml' | planner batch - --csv plans.csv",
    "planner batch jobs --csv plans.csv --cluster tcp://scheduler:8786",
)
STOPPED = "Stopped. What is solved is in {csv}; go on with the same command and --resume."


@app.command(epilog="\n\n".join([*EXAMPLES, f"{EXIT_CODES} 130: stopped."]))
def batch(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Instance files, folders of them, patterns, files with an instance per line "
            "(.jsonl), or - for such lines, or paths, from standard input."
        ),
    ],
    csv: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Write the rows of every plan: one, or those of a fleet's plan."
        ),
    ],
    summary: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="In the end write one row per instance here."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes. Default: one per core."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the rows that the CSV holds.")
    ] = False,
    time_limit_per_instance: Annotated[
        float,
        typer.Option(min=0.1, metavar="S", help="Seconds after which an instance has failed."),
    ] = 600.0,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Solve on the Dask cluster of this scheduler."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep there what is evaluated, for later batches."),
    ] = None,
    memory_per_job: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Of one process, such as '4 GB'. Default: its share of all."
        ),
    ] = None,
    no_times: Annotated[
        bool, typer.Option("--no-times", help="Leave out solve_seconds, so that runs compare.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Solve many instances into one CSV; a failure becomes a row and stops nothing.

    Rows are written as they come and put in order in the end. What is solved stays, whatever
    happens: `--resume` goes on from there.
    """
    from planner.batch.results_csv import ResultsFile
    from planner.batch.run import workers, write_plans
    from planner.batch.summary_csv import write_summary
    from planner.batch.tasks import Tasks, find_instances
    from planner.batch.worker import Settings
    from planner.cli.outputs import check_apart, check_places
    from planner.cli.progress import Progress

    memory = None if memory_per_job is None else _bytes(memory_per_job)
    files = find_instances(paths)
    inside = [] if _holds_plans(csv) else [csv]
    check_places([] if summary is None else [summary], (), map(Path, files), inside)
    if summary is not None:
        _insist_on_file(csv)
        check_apart([csv, summary], ())
    tasks = Tasks(files)
    folder = None if cache is None else str(cache)
    settings = Settings(time_limit_per_instance, folder, memory)
    with (
        _stopped_kindly(csv),
        workers(settings, jobs=jobs, cluster=cluster) as worker_pool,
        ResultsFile(
            csv, resume, times=not no_times
        ) as results_file,  # Not touched where nobody can work.
        Progress(tasks, quiet) as shown,
    ):
        write_plans(tasks, results_file, worker_pool, shown.tell)
    if summary is not None:
        write_summary(csv, summary)
    shown.sum_up(csv)
    raise typer.Exit(exit_code(results_file.statuses))


def _holds_plans(csv: Path) -> bool:
    """Tell whether a file is of an earlier batch, which no instance reads."""
    from planner.io.output import header
    from planner.plans.plan import COLUMNS

    try:
        with csv.open("rb") as stream:
            return stream.readline() == header(COLUMNS).encode()
    except OSError:
        return False


def _insist_on_file(csv: Path) -> None:
    """Refuse a summary of plans that go into a pipe, where they cannot be read again."""
    from planner.batch.results_csv import passes_on
    from planner.errors import InputError, Problem

    if passes_on(csv):
        fix = "Name a file, or leave --summary out."
        raise InputError(
            Problem("--csv with a file, of which it is made", str(csv), "--summary", fix)
        )


def _bytes(text: str) -> int:
    from planner.units import quantity

    try:
        return int(quantity(text, "bytes"))
    except ValueError as error:
        raise typer.BadParameter(
            f"found {text!r}, expected {error}.", param_hint="--memory-per-job"
        ) from None


@contextmanager
def _stopped_kindly(csv: Path) -> Iterator[None]:
    """Let Ctrl-C, and the signal by which schedulers end a job, keep what is solved."""

    def stop(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        say(STOPPED.format(csv=csv), err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
