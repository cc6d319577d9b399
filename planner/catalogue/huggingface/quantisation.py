"""The precision of published weights, from what a configuration says of its quantisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from planner.catalogue.checkpoint import (
    GROUP_BITS,
    USUAL_BITS,
    Checkpoint,
    PartBits,
    stored_bits,
)
from planner.catalogue.huggingface.blocks import Layer
from planner.catalogue.huggingface.fields import LONGEST_FOUND, MISSING, Fields
from planner.catalogue.huggingface.number_formats import (
    ALGORITHMS,
    KNOWN_METHODS,
    NumberFormat,
    whole_format,
)
from planner.catalogue.huggingface.part_bits import Scheme, part_bits

SECTION = "quantization_config"
SECTIONS = (SECTION, "compression_config", "quantization")
"""Names of the section; the last is MLX's."""
WIDEST_FIRST = ("fp8", "int8", "fp4", "int4")
BLOCKS = ("experts", "mlp", "ffn")
"""Parts of a layer's name that tell the blocks, which hold most of the weights."""
GROUPS = ("group_size", "q_group_size", "groupsize")
INNER = (
    *("quant_config", "weight_quant_params"),
    *("global_quant_config", "weight"),
    *("quant_type", "default", "_data", "quant_type_kwargs"),
)
"""Parts of a section in which hqq, quark and torchao state the group."""
IGNORED = (
    "ignore",
    "modules_to_not_convert",
    "exclude_modules",
    "ignored_layers",
    "exclude",
    "llm_int8_skip_modules",
    "skip_modules",
)
"""Lists of what stays unquantised, as each quantiser calls them."""
EVERY_MODULE = "Linear"
"""Target of a group of compressed-tensors that holds for every module not named by another."""
SCALE_AND_BIAS = ("mlx", "hqq", "torchao")
"""Methods with two numbers of 16 bits beside a group: a scale, and a bias or zero point."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """What is known of published weights."""

    precision: str = "bf16"
    checkpoint: Checkpoint | None = None
    note: str = ""
    """What could not be understood; empty where all was."""


def read_quantisation(whole: Fields, f: Fields, layers: Sequence[Layer]) -> Quantised:
    """Return the precision of most weights; 16 or 32 bits are served as bf16.

    Where parts differ, that of the blocks counts, and the widest where blocks differ too. What is
    not known stops nothing: a note names the field and its value.

    Parameters
    ----------
    whole, f : Fields
        The configuration, and its part that describes the language model.
    layers : sequence of Layer
        Attention and block of every layer.
    """
    part = _section(whole, f)
    if part is None:
        dtype = f.values.get("dtype") or f.values.get("torch_dtype") or ""
        return Quantised("fp8" if "float8" in str(dtype) else "bf16")
    if _only_caches(part.values):
        return Quantised()
    chosen, group = _listed(part.values) or (whole_format(part.values), part.values)
    note = "" if chosen.precision else _note(part, chosen)
    checkpoint = _checkpoint(part.values, chosen, group, layers)
    return Quantised(chosen.precision or "bf16", checkpoint, note)


def _section(whole: Fields, f: Fields) -> Fields | None:
    """Return what is said of the quantisation, in whichever place."""
    found = ((place, name) for place in (f, whole) for name in SECTIONS if place.has(name))
    place, name = next(found, (None, ""))
    return place.section(name) if place is not None else None


def _only_caches(values: Mapping[str, Any]) -> bool:
    """Tell whether caches or activations are quantised, and weights are not."""
    if values.get("quant_algo"):
        return False
    if isinstance(values.get("config_groups"), Mapping):
        groups = _mappings(values["config_groups"]).values()
        return not any(isinstance(group.get("weights"), Mapping) for group in groups)
    return "quant_algo" in values and "quantized_layers" not in values


def _note(part: Fields, chosen: NumberFormat) -> str:
    found = MISSING if chosen.found == MISSING else repr(chosen.found)
    said = found if len(found) <= LONGEST_FOUND else f"{found[:LONGEST_FOUND]}..."
    expected = "4 or 8 bits" if chosen.kind else f"one of {KNOWN_METHODS}"
    if not chosen.kind and chosen.field == "quant_algo":
        expected = f"one of {', '.join(sorted(ALGORITHMS))}"
    return (
        "The precision of the published weights is not known "
        f"({part.prefix}{chosen.field}: found {said}, expected {expected}); bf16 stands for it."
    )


def _checkpoint(
    values: Mapping[str, Any],
    chosen: NumberFormat,
    group: Mapping[str, Any],
    layers: Sequence[Layer],
) -> Checkpoint:
    """Keep what the memory of weights depends on."""
    bits = chosen.bits
    stated = bits if isinstance(bits, int | float) and not isinstance(bits, bool) else None
    return Checkpoint(
        method=_method(values),
        bits=stated if stated is not None and 0 < stated <= 32 else None,
        group=_group(group) or _group(values) or chosen.group,
        block=_block(values.get("weight_block_size") or group.get("block_structure")),
        parts=_parts(values, chosen, group, layers) if chosen.precision else None,
    )


def _method(values: Mapping[str, Any]) -> str:
    return str(values.get("quant_method") or values.get("quant_algo") or "mlx")


def _parts(
    values: Mapping[str, Any],
    chosen: NumberFormat,
    group: Mapping[str, Any],
    layers: Sequence[Layer],
) -> PartBits:
    """Return the bits of every part of the weights."""
    listed = [(name, _stored(values, one, said)) for name, one, said in _layers(values)]
    targets = {
        name: _stored(values, one, said)
        for names, one, said in _groups(values)
        for name in names
        if one.precision
    }
    scheme = Scheme(
        method=_method(values).lower(),
        bits=targets.pop(EVERY_MODULE, 0.0) or _stored(values, chosen, group),
        ignored=tuple(dict.fromkeys(_ignored(values))),
        named=[*listed, *targets.items()],
        only_named=bool(listed),
        head=values.get("lm_head") is True,
    )
    return part_bits(scheme, layers)


def _stored(values: Mapping[str, Any], one: NumberFormat, said: Mapping[str, Any]) -> float:
    """Return the bits of one weight of a format, with what its group or block has beside it."""
    assert isinstance(one.bits, int)
    group = _group(said) or _group(values) or one.group
    block = _block(values.get("weight_block_size") or said.get("block_structure"))
    if one.kind == "int" and one.bits == 4 and group is None:
        return USUAL_BITS["int4"]
    return stored_bits(one.bits, group=group, block=block, beside=_beside(values, one, said))


def _beside(values: Mapping[str, Any], one: NumberFormat, said: Mapping[str, Any]) -> float:
    """Return the bits that a group of weights has beside them."""
    method = _method(values).lower()
    if one.kind == "float":
        return GROUP_BITS["mxfp" if one.group or one.bits == 4 else "float"]
    if method in SCALE_AND_BIAS:
        return GROUP_BITS["biased"]
    symmetric = method == "compressed-tensors" and said.get("symmetric", True) is True
    return GROUP_BITS["symmetric"] + (0.0 if symmetric else float(str(one.bits)))


def _group(values: Mapping[str, Any]) -> int | None:
    """Return how many weights share a scale; -1 stands for a whole row."""
    for name in GROUPS:
        if type(values.get(name)) is int and values[name] > 0:
            return int(values[name])
    inner = (_group(values[name]) for name in INNER if isinstance(values.get(name), Mapping))
    return next(filter(None, inner), None)


def _block(value: object) -> tuple[int, ...]:
    """Return rows and columns, or nothing where they are not stated."""
    if not isinstance(value, list) or not all(type(one) is int and one > 0 for one in value):
        return ()
    return tuple(value)


def _ignored(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not quantised, as the file names it: names, parts of names, patterns."""
    for name in IGNORED:
        listed = values.get(name)
        if isinstance(listed, list):
            yield from (entry for entry in listed if isinstance(entry, str))
    yield from (key for key, value in values.items() if "." in key and value is False)
    for pattern in _mappings(values.get("dynamic")):
        if pattern.startswith("-:"):
            yield f"re:{pattern.removeprefix('-:')}"


def _listed(values: Mapping[str, Any]) -> tuple[NumberFormat, Mapping[str, Any]] | None:
    """Return the format of the blocks where layers are listed, and what is said of it."""
    targets: dict[str, str] = {}
    kept: dict[str, tuple[NumberFormat, Mapping[str, Any]]] = {}
    grouped = ((str(names), found, said) for names, found, said in _groups(values))
    for name, found, said in (*grouped, *_layers(values)):
        precision = found.precision or ""
        targets[precision] = f"{targets.get(precision, '')} {name}"
        kept.setdefault(precision, (found, said))
    blocks = [one for one in targets if any(part in targets[one] for part in BLOCKS)]
    among = blocks or list(targets)
    widest = next((one for one in WIDEST_FIRST if one in among), next(iter(among), None))
    return kept[widest] if widest is not None else None


def _groups(
    values: Mapping[str, Any],
) -> Iterator[tuple[list[str], NumberFormat, Mapping[str, Any]]]:
    """Yield modules, format and settings of every entry of config_groups."""
    for name, group in _mappings(values.get("config_groups")).items():
        told = group.get("weights")
        if isinstance(told, Mapping):
            field = f"config_groups.{name}.weights.num_bits"
            bits, kind = told.get("num_bits"), str(told.get("type"))
            found = NumberFormat(kind if kind in ("int", "float") else "", bits, field, bits)
            targets = group.get("targets")
            names = targets if isinstance(targets, list) else []
            yield [name for name in names if isinstance(name, str)], found, told


def _layers(
    values: Mapping[str, Any],
) -> Iterator[tuple[str, NumberFormat, Mapping[str, Any]]]:
    """Yield name, format and settings of every layer of quantized_layers that is understood."""
    for layer, told in _mappings(values.get("quantized_layers")).items():
        found = whole_format({"quant_algo": told.get("quant_algo")})
        if found.precision:
            yield layer, found, told


def _mappings(value: object) -> dict[str, Mapping[str, Any]]:
    """Return the entries of a mapping that are mappings themselves."""
    if not isinstance(value, Mapping):
        return {}
    return {str(name): entry for name, entry in value.items() if isinstance(entry, Mapping)}
