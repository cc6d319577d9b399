"""Bits of each part of published weights, from the modules that a configuration names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from planner.catalogue.attention import Recurrent
from planner.catalogue.checkpoint import LINEAR, PartBits
from planner.catalogue.feedforward import Dense, Experts
from planner.catalogue.huggingface.blocks import Layer

WIDE = 16.0
MODULES: Mapping[str, Sequence[Sequence[str]]] = {
    "attention": (
        ("self_attn.q_proj", "self_attn.q_b_proj", "self_attn.qkv_proj", "mixer.q_proj"),
        ("self_attn.o_proj", "attention.o_proj", "attn.out_proj", "mixer.o_proj"),
    ),
    "recurrent": (
        *(("linear_attn.in_proj_qkvz", "linear_attn.in_proj_qkv", "mixer.in_proj"),),
        *(("linear_attn.out_proj", "mixer.out_proj", "mamba.out_proj"),),
    ),
    "dense": (("mlp.down_proj", "feed_forward.down_proj", "mlp.fc2", "mixer.down_proj"),),
    "experts": (
        (
            *("mlp.experts.0.down_proj", "mixer.experts.0.down_proj"),
            *("block_sparse_moe.experts.0.w2", "feed_forward.experts.0.down_proj"),
        ),
    ),
    "shared": (
        (
            *("mlp.shared_experts.down_proj", "mlp.shared_expert.down_proj"),
            *("mixer.shared_experts.down_proj", "feed_forward.shared_expert.down_proj"),
        ),
    ),
}
"""Modules that stand for each part of a layer, each under the names that families give it; of a
part with several, each stands for as many weights."""
HEAD, EMBEDDINGS = "lm_head", "model.embed_tokens"
ONLY_EXPERTS = ("mxfp4", "experts_int8")
"""Methods that narrow routed experts and nothing else."""
HEAD_TOO = ("compressed-tensors", "quark", "mlx")
"""Methods that narrow the output projection unless it is left out by name."""
EVERYTHING = ("mlx",)
"""Methods that narrow look-ups and routers as well."""
PREFIXES = ("", "model.", "language_model.model.", "model.language_model.", "backbone.")
"""What stands before `layers` in the names of modules."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a configuration says of all modules, of some by name, and of those left out."""

    method: str
    bits: float
    """Of a quantised weight, with its share of the scales."""
    ignored: Sequence[str] = ()
    """Modules that stay in 16 bits: names, parts of names, patterns (`re:`, `*`)."""
    named: Sequence[tuple[str, float]] = ()
    """Names or patterns of modules with bits of their own; the first that fits counts."""
    only_named: bool = False
    """Whether modules without bits of their own stay in 16 bits."""
    head: bool = False
    """Whether the section itself says that the output projection is quantised."""


def part_bits(scheme: Scheme, layers: Sequence[Layer]) -> PartBits:
    """Return the bits of every part; where layers differ, their mean.

    Parameters
    ----------
    scheme : Scheme
        What is said of the modules.
    layers : sequence of Layer
        Attention and block of every layer, from the first to the last.
    """
    bits_of = _reader(scheme)
    narrow = ("experts",) if scheme.method in ONLY_EXPERTS else LINEAR
    found: dict[str, list[float]] = {part: [] for part in narrow}
    for index, layer in enumerate(layers):
        for part in _parts(layer):
            if part in found:
                for modules in MODULES[part]:
                    found[part].append(bits_of([f"layers.{index}.{name}" for name in modules]))
    mean = {part: sum(listed) / len(listed) for part, listed in found.items() if listed}
    if scheme.method in EVERYTHING:
        mean |= {"router": scheme.bits, "embeddings": bits_of((EMBEDDINGS,))}
    if scheme.head or scheme.method in HEAD_TOO:
        mean["head"] = bits_of((HEAD,))
    return PartBits(**mean)


def _parts(layer: Layer) -> Iterator[str]:
    """Yield the parts that a layer has."""
    attention, block = layer
    if attention is not None:
        yield "recurrent" if isinstance(attention, Recurrent) else "attention"
    if isinstance(block, Dense):
        yield "dense"
    elif isinstance(block, Experts):
        yield from ("experts", "shared")


def _reader(scheme: Scheme) -> Callable[[Sequence[str]], float]:
    """Return what tells the bits of a module, given under all its names."""
    left_out = _by_name([(name, WIDE) for name in scheme.ignored])
    named = _by_name(scheme.named)
    other = WIDE if scheme.only_named else scheme.bits

    def bits_of(names: Sequence[str]) -> float:
        said = (told(name) for told in (left_out, named) for name in names)
        return next((bits for bits in said if bits is not None), other)

    return bits_of


def _by_name(entries: Iterable[tuple[str, float]]) -> Callable[[str], float | None]:
    """Return what tells the bits of a module that is named by some entry, whole or in part."""
    exact: dict[str, float] = {}
    patterns: dict[re.Pattern[str], float] = {}
    for entry, bits in entries:
        plain = _from_layers(entry.removesuffix(".weight").strip("."))
        if entry.startswith("re:"):
            patterns |= dict.fromkeys(_compiled(entry.removeprefix("re:")), bits)
        elif "*" in plain:
            starred = ".*".join(map(re.escape, plain.split("*")))
            patterns |= dict.fromkeys(_compiled(rf"(.*\.)?{starred}($|\.)"), bits)
        else:
            exact.setdefault(plain, bits)

    def told(name: str) -> float | None:
        parts = name.split(".")
        runs = (".".join(parts[a:b]) for a, b in combinations(range(len(parts) + 1), 2))
        if known := next((run for run in runs if run in exact), None):
            return exact[known]
        full = [prefix + name for prefix in PREFIXES]
        fits = (bits for one, bits in patterns.items() if any(map(one.match, full)))
        return next(fits, None)

    return told


def _compiled(pattern: str) -> list[re.Pattern[str]]:
    """Return a pattern, or nothing where it is none."""
    try:
        return [re.compile(pattern)]
    except re.error:
        return []


def _from_layers(name: str) -> str:
    """Drop what stands before `layers` in the name of a module."""
    _, found, rest = name.partition("layers.")
    return found + rest if found else name
