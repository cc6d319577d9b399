"""Checkpoints: under which name the weights of a transformer are published, in which precision."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from planner import catalogue
from planner.catalogue.transformer import Transformer
from planner.errors import InputError

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


def checkpoint_of(transformer: str, weights: str, loaded: dict[str, str]) -> Checkpoint:
    """Return the checkpoint of a transformer for weights in some precision.

    Parameters
    ----------
    transformer : str
        Name in the catalogue, or path of a config.json.
    weights : str
        Precision of the plan.
    loaded : dict
        Precisions to which an engine brings weights in 16 bits while it loads them.
    """
    record = _record(transformer)
    if record is None:
        return _to_be_set(transformer, weights)
    names = [alias for alias in record.aliases if "/" in alias]
    for name in names:
        if _precision(name, record.weight_precision) == weights:
            return Checkpoint(shlex.quote(name), weights)
    published = record.weight_precision
    if names and published == "bf16" and weights in loaded:
        return Checkpoint(shlex.quote(names[0]), published)
    return _to_be_set(record.name, weights)


def _to_be_set(transformer: str, weights: str) -> Checkpoint:
    """Let the shell ask for a name that is not known."""
    what = f"{transformer} in {weights}"
    asked = re.sub(r"[^\w ./:@-]", "", f"a checkpoint of {what}")
    return Checkpoint(f'"${{MODEL:?{asked}}}"', weights, f"MODEL: {asked}, its name or folder.")


def _record(transformer: str) -> Transformer | None:
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
