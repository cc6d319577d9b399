"""Launch commands of plans: one for every deployment, with how many replicas it is to have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from planner import catalogue
from planner.catalogue.launcher import Launcher
from planner.errors import InputError, Problem
from planner.launch import sglang, tensorrt_llm, vllm
from planner.launch.command import WIDTH, Command
from planner.launch.job import Job
from planner.launch.refusals import reasons

Writer = Callable[[Job, Launcher, int | None], Command]
WRITERS: Mapping[str, Writer] = {
    "vllm": vllm.command,
    "sglang": sglang.command,
    "tensorrt-llm": tensorrt_llm.command,
}
"""Who writes the command of which engine."""
DEFAULT_ENGINE = "vllm"
"""Engine of an instance that names none."""


def command_of(job: Job, engine: str = DEFAULT_ENGINE) -> Command:
    """Return the command that starts one replica of a deployment.

    Parameters
    ----------
    job : Job
        What is to be started.
    engine : str
        Name of the engine.

    Raises
    ------
    InputError
        Where the engine is not known, or cannot express the deployment, with the reason.
    """
    record = catalogue.engine(engine)
    if record.name not in WRITERS:
        fix = "Name another engine."
        raise InputError(Problem(f"one of {', '.join(WRITERS)}", record.name, "engine", fix))
    launcher = catalogue.launcher(record.name)
    if wrong := list(reasons(job, record, launcher)):
        fix = f"Plan with `engine: {record.name}`, which leaves such deployments out."
        expected = f"a deployment that {record.title} {launcher.release} starts"
        raise InputError(Problem(expected, f"{job.label}: {'; '.join(wrong)}", "engine", fix))
    memory = record.memory_taken
    return WRITERS[record.name](job, launcher, None if memory is None else memory.prompt_tokens)


def script(jobs: Iterable[tuple[Job, str]], width: int = WIDTH) -> str:
    """Return commands for a shell, each with what it starts.

    Parameters
    ----------
    jobs : iterable
        Jobs, each with its engine.
    width : int
        Columns within which lines end where they can.

    Raises
    ------
    InputError
        As `command_of` does.
    """
    return "\n\n".join(
        "\n".join([*_heading(job, engine), command_of(job, engine).text(width)])
        for job, engine in jobs
    )


def _heading(job: Job, engine: str) -> Iterable[str]:
    """Yield comments on what a command starts."""
    launcher = catalogue.launcher(catalogue.engine(engine).name)
    times = f"{job.replicas} replica{'s' if job.replicas != 1 else ''}"
    gpus = f"{job.gpus_per_replica} GPU{'s' if job.gpus_per_replica != 1 else ''}"
    what = job.workload or job.transformer
    yield f"# {_plain(what)}: {times} of {gpus} each, in {_plain(job.pool)} ({_plain(job.label)})"
    yield f"# {launcher.name} {launcher.release}"
    node = _node(job.accelerator)
    if node and job.gpus_per_replica > node:
        yield (
            f"# One replica spans {-(-job.gpus_per_replica // node)} nodes of {node}: "
            "add what the engine needs to find them."
        )
    if job.longest is None:
        yield "# The plan does not say how long requests are: name the instance, too."


def _plain(text: str) -> str:
    """Return text without line breaks, which would end a comment."""
    return " ".join(text.split())


def _node(accelerator: str) -> int | None:
    """Return how many accelerators a node, or what links them, has."""
    try:
        found = catalogue.accelerator(accelerator)
    except InputError:
        return None
    return max(found.node.gpus, found.link.gpus)
