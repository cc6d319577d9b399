"""The command that starts vLLM."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator
from typing import Any

from planner.catalogue.launcher import Launcher
from planner.launch.by_flags import by_flags
from planner.launch.checkpoints import draft_of
from planner.launch.command import Command
from planner.launch.job import Job
from planner.terms.speculation import MTP


def command(job: Job, launcher: Launcher, prompt_tokens: int | None) -> Command:
    """Return how vLLM runs a job.

    Parameters
    ----------
    job : Job
        What is to be started.
    launcher : Launcher
        Its flags.
    prompt_tokens : int, optional
        Tokens of a pass for which memory was kept.
    """
    return by_flags(job, launcher, _said(job, launcher, prompt_tokens))


def _said(
    job: Job, launcher: Launcher, prompt_tokens: int | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what is set, and to what."""
    if job.tensor_parallel > 1:
        yield "tensor_parallel", (str(job.tensor_parallel),)
    if job.pipeline_parallel > 1:
        yield "pipeline_parallel", (str(job.pipeline_parallel),)
    if job.data_parallel > 1:
        yield "data_parallel", (str(job.data_parallel),)
    if job.expert_parallel > 1:
        yield "expert_parallel", ()
    yield "sequences", (str(job.sequences_per_rank),)
    if prompt_tokens:
        yield "prompt_tokens", (str(max(prompt_tokens, job.sequences_per_rank)),)
    if job.longest:
        yield "longest", (str(job.longest),)
    if not math.isnan(part := job.usable_bytes / job.memory_bytes):
        yield "memory", (f"{min(part, 1.0):.2f}",)
    if job.kv != "bf16":
        yield "kv", (launcher.kv[job.kv],)
    if job.gamma and job.draft:
        yield "speculation", (shlex.quote(json.dumps(_speculation(job), separators=(",", ":"))),)


def _speculation(job: Job) -> dict[str, Any]:
    """Return how tokens are drafted."""
    if job.draft == MTP:
        return {"method": "mtp", "num_speculative_tokens": job.gamma}
    draft = draft_of(job.draft)
    return {
        "method": "draft_model",
        "model": shlex.split(draft.word)[0] if not draft.note else job.draft,
        "num_speculative_tokens": job.gamma,
        "draft_tensor_parallel_size": job.draft_tensor_parallel,
    }
