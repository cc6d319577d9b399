"""Refusals: what an engine cannot express, with the reason."""

from __future__ import annotations

from collections.abc import Iterator

from planner.catalogue.engine import Engine
from planner.catalogue.launcher import Launcher
from planner.launch.checkpoints import record_of
from planner.launch.job import Job
from planner.problem.engine_support import launchable
from planner.terms.speculation import MTP


def reasons(job: Job, engine: Engine, launcher: Launcher) -> Iterator[str]:
    """Yield why an engine cannot start a job; nothing where it can.

    Parameters
    ----------
    job : Job
        What is to be started.
    engine : Engine
        What the engine can launch.
    launcher : Launcher
        How it is started.
    """
    if job.role != "colocated":
        yield f"it has no command for {job.role} workers alone yet"
    if job.weights not in engine.weights:
        yield f"it loads no weights in {job.weights}"
    if job.kv != "bf16" and job.kv not in launcher.kv:
        yield f"it keeps no cache in {job.kv}"
    record = record_of(job.transformer)
    if not engine.launches(*job.degrees).all():
        yield _of_degrees(job, engine)
    elif record and not launchable(engine, record, job.degrees, None, job.weights).all():
        yield (
            f"tp {job.tensor_parallel}: a rank would hold a part of a key/value head, or of a "
            "block of weights that share a scale"
        )
    if job.gamma and job.draft:
        yield from _of_drafts(job, engine)


def _of_degrees(job: Job, engine: Engine) -> str:
    """Return which degrees do not go together."""
    width = job.width
    said = f"tp {job.tensor_parallel}, dp {job.data_parallel}, ep {job.expert_parallel}"
    if engine.expert_parallel == "none-or-width" and job.expert_parallel not in (1, width):
        return f"{said}: its experts are spread over 1 or all {width} ranks of a stage"
    if engine.data_parallel == "none-or-width" and job.data_parallel not in (1, width):
        return f"{said}: its attention is data parallel over 1 or all {width} ranks of a stage"
    return f"it has no flags for {said}, pp {job.pipeline_parallel}"


def _of_drafts(job: Job, engine: Engine) -> Iterator[str]:
    """Yield why it cannot draft so."""
    own = job.draft == MTP
    _, pp, dp, _ = job.degrees
    if not engine.drafts(pp, dp, own=own).all():
        yield "it does not draft so with these degrees"
    if not own and job.draft_tensor_parallel != job.tensor_parallel:
        said = f"{job.tensor_parallel} ranks, as its target, and not on {job.draft_tensor_parallel}"
        yield f"its draft runs on {said}"
