"""The command that starts SGLang."""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.catalogue.launcher import Launcher
from planner.launch.by_flags import by_flags
from planner.launch.checkpoints import draft_of
from planner.launch.command import Command
from planner.launch.job import Job
from planner.terms.speculation import MTP


def command(job: Job, launcher: Launcher, prompt_tokens: int | None) -> Command:
    """Return how SGLang runs a job; parameters as of `planner.launch.vllm.command`."""
    return by_flags(job, launcher, _said(job, launcher, prompt_tokens))


def _said(
    job: Job, launcher: Launcher, prompt_tokens: int | None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what is set, and to what."""
    if job.width > 1:
        yield "tensor_parallel", (str(job.width),)
    if job.pipeline_parallel > 1:
        yield "pipeline_parallel", (str(job.pipeline_parallel),)
    if job.data_parallel > 1:
        yield "data_parallel", (str(job.data_parallel),)
        yield "data_parallel_attention", ()
    if job.expert_parallel > 1:
        yield "expert_parallel", (str(job.expert_parallel),)
    yield "sequences", (str(job.batch),)
    if prompt_tokens:
        yield "prompt_tokens", (str(prompt_tokens),)
    if job.longest:
        yield "longest", (str(job.longest),)
    if not math.isnan(part := (job.weight_bytes + job.pool_bytes) / job.memory_bytes):
        yield "memory", (f"{min(part, 1.0):.2f}",)
    if job.kv != "bf16":
        yield "kv", (launcher.kv[job.kv],)
    if job.gamma and job.draft:
        yield from _speculation(job)


def _speculation(job: Job) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield how tokens are drafted: one after the other, and no tree of them."""
    if job.draft == MTP:
        yield "speculation", ("EAGLE",)
    else:
        yield "speculation", ("STANDALONE",)
        yield "draft_model", (draft_of(job.draft).word,)
    yield "draft_steps", (str(job.gamma),)
    yield "draft_width", ("1",)
    yield "draft_tokens", (str(job.gamma + 1),)
