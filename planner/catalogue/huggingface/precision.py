"""The precision of published weights, from what a configuration says of its quantisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.catalogue.huggingface.fields import Fields

METHODS: Mapping[str, str] = {
    "fp8": "fp8",
    "fbgemm_fp8": "fp8",
    "mxfp4": "fp4",
}
ALGORITHMS: Mapping[str, str] = {
    "FP8": "fp8",
    "FP8_PB_WO": "fp8",
    "NVFP4": "fp4",
    "W4A16_NVFP4": "fp4",
    "MXFP4": "fp4",
    "INT8_SQ": "int8",
    "W8A16": "int8",
    "W4A16": "int4",
    "W4A16_AWQ": "int4",
    "W4A8_AWQ": "int4",
}
BITS: Mapping[tuple[str, int], str] = {
    ("float", 8): "fp8",
    ("float", 4): "fp4",
    ("int", 8): "int8",
    ("int", 4): "int4",
}
WIDEST_FIRST = ("fp8", "int8", "fp4", "int4")
BLOCKS = ("experts", "mlp", "ffn")
"""Parts of a layer's name that tell the blocks, which hold most of the weights."""
SECTION = "quantization_config"
EXPECTED = "a quantisation the planner knows: " + ", ".join(sorted({*METHODS, "awq", "gptq"}))


def weight_precision(f: Fields) -> str:
    """Return the precision of most weights; 16 or 32 bits are served as bf16.

    Where parts differ, that of the blocks counts, and the widest where blocks differ too.
    """
    if not f.has(SECTION):
        dtype = f.values.get("dtype") or f.values.get("torch_dtype") or ""
        return "fp8" if "float8" in str(dtype) else "bf16"
    part = f.section(SECTION)
    method = str(part.values.get("quant_method", "")).lower()
    found = (
        _listed(part.values)
        or ALGORITHMS.get(str(part.values.get("quant_algo")))
        or METHODS.get(method)
        or _by_bits(part.values, method)
    )
    if found is None:
        field = "quant_algo" if part.has("quant_algo") else "quant_method"
        part.complain(field, EXPECTED)
    return found or "bf16"


def _by_bits(values: Mapping[str, Any], method: str) -> str | None:
    """Integer methods state their bits, in one of two ways."""
    if method in ("awq", "gptq", "auto-round"):
        return BITS.get(("int", _bits(values.get("bits"))))
    if method == "bitsandbytes":
        return "int4" if values.get("load_in_4bit") else "int8"
    return None


def _listed(values: Mapping[str, Any]) -> str | None:
    """Return what groups of layers, listed one by one, come to."""
    targets = {**_groups(values), **_layers(values)}
    names = set(targets)
    blocks = {name for name in names if any(part in targets[name] for part in BLOCKS)}
    return next((name for name in WIDEST_FIRST if name in (blocks or names)), None)


def _groups(values: Mapping[str, Any]) -> dict[str, str]:
    """Names of the layers of each precision, by config_groups."""
    found: dict[str, str] = {}
    for group in _mappings(values.get("config_groups")).values():
        weights = group.get("weights")
        told = weights if isinstance(weights, Mapping) else {}
        name = BITS.get((str(told.get("type")), _bits(told.get("num_bits"))))
        if name:
            found[name] = f"{found.get(name, '')} {group.get('targets')}"
    return found


def _layers(values: Mapping[str, Any]) -> dict[str, str]:
    """Names of the layers of each precision, by quantized_layers."""
    found: dict[str, list[str]] = {}
    for layer, told in _mappings(values.get("quantized_layers")).items():
        name = ALGORITHMS.get(str(told.get("quant_algo")))
        if name:
            found.setdefault(name, []).append(layer)
    return {name: " ".join(layers) for name, layers in found.items()}


def _mappings(value: object) -> dict[str, Mapping[str, Any]]:
    """Return the entries of a mapping that are mappings themselves."""
    if not isinstance(value, Mapping):
        return {}
    return {str(name): entry for name, entry in value.items() if isinstance(entry, Mapping)}


def _bits(value: object) -> int:
    return value if isinstance(value, int) else 0
