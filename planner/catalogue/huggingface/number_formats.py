"""Number formats of published weights under the names that quantisers give them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.catalogue.huggingface.fields import MISSING


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """Integers or floats of so many bits, and where a configuration says so."""

    kind: str
    """`int`, `float`, or nothing where the quantisation is not known."""
    bits: object
    field: str
    """Field of the section that says so."""
    found: object = MISSING
    group: int | None = None
    """Weights that share a scale by the definition of the format."""

    @property
    def precision(self) -> str | None:
        """The planner's name of the format; None where it has none."""
        return BITS.get((self.kind, self.bits)) if type(self.bits) is int else None


BITS: Mapping[tuple[str, int], str] = {
    ("float", 8): "fp8",
    ("float", 4): "fp4",
    ("int", 8): "int8",
    ("int", 4): "int4",
}
METHODS: Mapping[str, tuple[str, int, int | None]] = {
    "blockwise_int8": ("int", 8, None),
    "eetq": ("int", 8, None),
    "experts_int8": ("int", 8, None),
    "fbgemm_fp8": ("float", 8, None),
    "fp8": ("float", 8, None),
    "mxfp4": ("float", 4, 32),
    "mxfp8": ("float", 8, 32),
    "nvfp4": ("float", 4, 16),
    "petit_nvfp4": ("float", 4, 16),
    "ptpc_fp8": ("float", 8, None),
    "qqq": ("int", 4, None),
    "tpu_int8": ("int", 8, None),
    "w8a8_fp8": ("float", 8, None),
    "w8a8_int8": ("int", 8, None),
}
"""Methods that have one format: kind, bits, and weights that share a scale by definition."""
ALGORITHMS: Mapping[str, tuple[str, int, int | None]] = {
    "FP8": ("float", 8, None),
    "FP8_PB_WO": ("float", 8, None),
    "FP8_PER_CHANNEL_PER_TOKEN": ("float", 8, None),
    "INT8_SQ": ("int", 8, None),
    "MXFP4": ("float", 4, 32),
    "MXFP8": ("float", 8, 32),
    "NVFP4": ("float", 4, 16),
    "NVFP4_AWQ": ("float", 4, 16),
    "W4A16": ("int", 4, None),
    "W4A16_AWQ": ("int", 4, None),
    "W4A16_GPTQ": ("int", 4, None),
    "W4A16_MXFP4": ("float", 4, 32),
    "W4A16_NVFP4": ("float", 4, 16),
    "W4A8_AWQ": ("int", 4, None),
    "W4A8_MXFP4_FP8": ("float", 4, 32),
    "W4A8_NVFP4_FP8": ("float", 4, 16),
    "W8A16": ("int", 8, None),
    "W8A8_SQ_PER_CHANNEL": ("int", 8, None),
}
"""The same by ModelOpt's `quant_algo`."""
INTEGERS = (
    *("auto-round", "auto_round", "autoround", "intel/auto-round", "inc"),
    *("awq", "awq_marlin", "gptq", "gptq_marlin", "gptqmodel", "marlin", "moe_wna16"),
    *("hqq", "rtn"),
)
"""Methods of integers that state their bits."""
BIT_FIELDS = ("bits", "w_bit", "wbits", "nbits", "num_bits", "w_bits", "weight_bits")
KNOWN = sorted({*METHODS, *INTEGERS, "bitsandbytes", "compressed-tensors", "modelopt"})
KNOWN_METHODS = ", ".join(sorted({*KNOWN, "quanto", "quark", "torchao"}))
WORD = re.compile(r"(?:torch\.)?(nvfp|mxfp|float|fp|u?int)_?(\d+)")
BEFORE_WEIGHT = re.compile(r"(nvfp|mxfp|float|u?int)(\d+)(?=weight)")
SCALED: Mapping[str, int] = {"nvfp": 16, "mxfp": 32}


def whole_format(values: Mapping[str, Any]) -> NumberFormat:
    """Return the one format that a section states for its weights."""
    algorithm, method = values.get("quant_algo"), str(values.get("quant_method") or "").lower()
    if algorithm:
        return _fixed(ALGORITHMS.get(str(algorithm)), "quant_algo", algorithm)
    if method in METHODS:
        return _fixed(METHODS[method], "quant_method", method)
    if method in INTEGERS:
        return _by_bits(values)
    if method in OWN_READERS:
        return OWN_READERS[method](values)
    if not method and any(field in values for field in BIT_FIELDS):
        return _mlx(values)
    return NumberFormat("", None, "quant_method", values.get("quant_method", MISSING))


def _fixed(known: tuple[str, int, int | None] | None, field: str, found: object) -> NumberFormat:
    kind, bits, group = known or ("", None, None)
    return NumberFormat(kind, bits, field, found, group)


def named(word: object, field: str) -> NumberFormat:
    """Return the format that a word such as `fp8_e4m3`, `uint4` or `mxfp4` names."""
    match = WORD.match(str(word).lower())
    return _matched(match, field, word)


def _matched(match: re.Match[str] | None, field: str, found: object) -> NumberFormat:
    if match is None:
        return NumberFormat("", None, field, found)
    family, bits = match.groups()
    kind = "int" if family.endswith("int") else "float"
    return NumberFormat(kind, int(bits), field, found, SCALED.get(family))


def _by_bits(values: Mapping[str, Any], kind: str = "int") -> NumberFormat:
    """Read bits under any of their names, here or in a part of the section."""
    for place, part in _parts(values):
        field = next((name for name in BIT_FIELDS if part.get(name) is not None), None)
        if field:
            return NumberFormat(kind, part[field], f"{place}{field}", part[field])
    return NumberFormat(kind, None, BIT_FIELDS[0])


def _parts(
    values: Mapping[str, Any], place: str = "", deep: int = 3
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a section and the sections in it: hqq states its bits two below."""
    yield place, values
    for name, value in values.items():
        if isinstance(value, Mapping) and deep > 1:
            yield from _parts(value, f"{place}{name}.", deep - 1)


def _mlx(values: Mapping[str, Any]) -> NumberFormat:
    """MLX: bits in groups, integers unless a mode says else."""
    mode = values.get("mode", "affine")
    return _by_bits(values) if mode == "affine" else named(mode, "mode")


def _bitsandbytes(values: Mapping[str, Any]) -> NumberFormat:
    for bits, names in ((4, ("load_in_4bit", "_load_in_4bit")), (8, ("load_in_8bit",))):
        if any(values.get(name) is True for name in names):
            return NumberFormat("int", bits, names[0], True)
    return NumberFormat("int", 8, "load_in_8bit", True)


def _quanto(values: Mapping[str, Any]) -> NumberFormat:
    return named(values.get("weights", MISSING), "weights")


def _fp_quant(values: Mapping[str, Any]) -> NumberFormat:
    return named(values.get("forward_dtype", MISSING), "forward_dtype")


def _quark(values: Mapping[str, Any]) -> NumberFormat:
    """Quark: the weight of the global configuration, or the first of several."""
    whole = values.get("global_quant_config")
    weight = whole.get("weight") if isinstance(whole, Mapping) else None
    first = weight[0] if isinstance(weight, list) and weight else weight
    field = "global_quant_config.weight.dtype"
    if not isinstance(first, Mapping):
        return NumberFormat("", None, field)
    return named(first.get("dtype", MISSING), field)


def _torchao(values: Mapping[str, Any]) -> NumberFormat:
    """Torchao: a word, or a class with its data under `default`."""
    said = values.get("quant_type")
    if isinstance(said, Mapping):
        said = said.get("default")
    name = said.get("_type") if isinstance(said, Mapping) else said
    data = said.get("_data") if isinstance(said, Mapping) else None
    stated = data.get("weight_dtype") if isinstance(data, Mapping) else None
    if stated is not None:
        word = stated.get("_data") if isinstance(stated, Mapping) else stated
        return named(word, "quant_type.default._data.weight_dtype")
    flat = str(name).lower().replace("_", "")
    return _matched(BEFORE_WEIGHT.search(flat), "quant_type", name)


OWN_READERS = {
    "bitsandbytes": _bitsandbytes,
    "fp_quant": _fp_quant,
    "quanto": _quanto,
    "quark": _quark,
    "torchao": _torchao,
}
"""Methods whose sections are like no other."""
