"""The command that starts TensorRT-LLM, with the file of what has no flag."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator

from planner.catalogue.launcher import Launcher
from planner.launch.checkpoints import checkpoint_of, draft_of
from planner.launch.command import Command
from planner.launch.job import Job
from planner.terms.speculation import MTP

OPTIONS = "options.yaml"
"""File of options that have no flag."""


def command(job: Job, launcher: Launcher, prompt_tokens: int | None) -> Command:
    """Return how TensorRT-LLM runs a job; parameters as of `planner.launch.vllm.command`."""
    model = checkpoint_of(job, {})
    text = "\n".join(_options(job, launcher))
    options = [(launcher.flags[name], *value) for name, value in _said(job, prompt_tokens)]
    if text:
        options.append((launcher.flags["options"], OPTIONS))
    notes = (model.note,) if model.note else ()
    name = OPTIONS if text else ""
    return Command((*launcher.program, model.word), tuple(options), name, text, notes)


def _said(job: Job, prompt_tokens: int | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what is set by flags, and to what."""
    if job.width > 1:
        yield "tensor_parallel", (str(job.width),)
    if job.pipeline_parallel > 1:
        yield "pipeline_parallel", (str(job.pipeline_parallel),)
    if job.expert_parallel > 1:
        yield "expert_parallel", (str(job.expert_parallel),)
    yield "sequences", (str(job.sequences_per_rank),)
    if prompt_tokens:
        yield "prompt_tokens", (str(max(prompt_tokens, job.sequences_per_rank)),)
    if job.longest:
        yield "longest", (str(job.longest),)
    free = job.memory_bytes - (job.usable_bytes - job.pool_bytes)
    if not math.isnan(free) and job.pool_bytes > 0:
        yield "memory", (f"{min(job.pool_bytes / free, 1.0):.2f}",)


def _options(job: Job, launcher: Launcher) -> Iterator[str]:
    """Yield the lines of the file."""
    if job.data_parallel > 1:
        yield "enable_attention_dp: true"
    if job.kv != "bf16":
        yield f"kv_cache_config: {{dtype: {launcher.kv[job.kv]}}}"
    if job.gamma and job.draft == MTP:
        yield f"speculative_config: {{decoding_type: MTP, num_nextn_predict_layers: {job.gamma}}}"
    elif job.gamma and job.draft:
        draft = draft_of(job.draft)
        name = job.draft if draft.note else shlex.split(draft.word)[0]
        yield "speculative_config:"
        yield "  decoding_type: Draft_Target"
        yield f"  max_draft_len: {job.gamma}"
        yield f"  speculative_model: {_quoted(name)}"


def _quoted(text: str) -> str:
    """Return text as YAML in single quotes."""
    return "'" + text.replace("'", "''") + "'"
