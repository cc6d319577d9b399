"""Checkpoints: under which name the weights of a transformer are published, in which precision."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from planner import catalogue
from planner.catalogue.transformer import Transformer
from planner.errors import InputError
from planner.launch.job import Job
from planner.problem.engine_support import whole_blocks

SUFFIXES = {
    "fp8": re.compile(r"fp8", re.IGNORECASE),
    "int4": re.compile(r"awq|gptq|int4|w4a16", re.IGNORECASE),
    "int8": re.compile(r"int8|w8a8", re.IGNORECASE),
    "fp4": re.compile(r"fp4", re.IGNORECASE),
}
"""What names of checkpoints say of another precision than the one first published."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights that an engine is given."""

    word: str
    """Its name as a word of the shell: in quotes where it must be, or a variable to be set."""
    precision: str
    """Precision in which the weights are held."""
    note: str = ""
    """What the reader is to do."""


BLOCK = 128
"""Rows and columns of weights that share a scale in checkpoints in fp8 that others make."""


def checkpoint_of(job: Job, loaded: Mapping[str, str]) -> Checkpoint:
    """Return the checkpoint of a job's transformer in the precision of its plan.

    Parameters
    ----------
    job : Job
        What is to be started.
    loaded : mapping
        Precisions to which an engine brings weights in 16 bits while it loads them.
    """
    record = record_of(job.transformer)
    if record is None:
        return _to_be_set(job.transformer, job.weights)
    names = [alias for alias in record.aliases if "/" in alias]
    for name in names:
        told = _precision(name, record.weight_precision)
        if told == job.weights and (told == record.weight_precision or _fits(record, job)):
            return Checkpoint(shlex.quote(name), told)
    published = record.weight_precision
    if names and published == "bf16" and job.weights in loaded:
        return Checkpoint(shlex.quote(names[0]), published)
    return _to_be_set(record.name, job.weights)


def draft_of(transformer: str) -> Checkpoint:
    """Return the checkpoint of a draft, as it is published."""
    record = record_of(transformer)
    names = [] if record is None else [alias for alias in record.aliases if "/" in alias]
    if names:
        return Checkpoint(shlex.quote(names[0]), "")
    return _to_be_set(transformer, "bf16")


def _fits(record: Transformer, job: Job) -> bool:
    """Tell whether every rank holds whole blocks of such a checkpoint."""
    return job.weights != "fp8" or bool(whole_blocks(record, BLOCK, job.degrees).all())


def _to_be_set(transformer: str, weights: str) -> Checkpoint:
    """Let the shell ask for a name that is not known."""
    what = f"{transformer} in {weights}"
    asked = re.sub(r"[^\w ./:@-]", "", f"a checkpoint of {what}")
    return Checkpoint(f'"${{MODEL:?{asked}}}"', weights, f"MODEL: {asked}, its name or folder.")


def record_of(transformer: str) -> Transformer | None:
    """Return the catalogue's record; of what it has not, nothing is known."""
    try:
        return catalogue.transformer(transformer)
    except InputError:
        return None


def _precision(name: str, published: str) -> str:
    """Return the precision that the name of a checkpoint tells, or that of the first one."""
    told = (
        precision
        for precision, said in SUFFIXES.items()
        if said.search(name.rsplit("/", maxsplit=1)[-1])
    )
    return next(told, published)
