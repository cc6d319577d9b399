"""Commands of engines that are told everything by flags."""

from __future__ import annotations

from collections.abc import Iterable

from planner.catalogue.launcher import Launcher
from planner.launch.checkpoints import checkpoint_of
from planner.launch.command import Command
from planner.launch.job import Job


def by_flags(job: Job, launcher: Launcher, said: Iterable[tuple[str, tuple[str, ...]]]) -> Command:
    """Return a command; weights in 16 bits are narrowed while they are loaded where need be.

    Parameters
    ----------
    job : Job
        What is to be started.
    launcher : Launcher
        Its flags.
    said : iterable
        What is set, and to what.
    """
    model = checkpoint_of(job, launcher.weights)
    options = [(launcher.flags[name], *value) for name, value in said]
    if model.precision != job.weights:
        options.append((launcher.flags["weights"], launcher.weights[job.weights]))
    notes = (model.note,) if model.note else ()
    return Command((*launcher.program, model.word), tuple(options), notes=notes)
