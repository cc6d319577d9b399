"""Spellings: the many ways in which people write one name, brought to one form."""

from __future__ import annotations

import re

MAKERS = ("nvidia", "amd", "intel", "google", "aws", "huawei")
"""Words that people, drivers and Kubernetes labels put before an accelerator's name."""
_LINES = ("tesla", "geforce", "instinct", "gpu", "hbm2", "hbm2e", "hbm3", "hbm3e")
"""Words in names of accelerators that tell none from another."""
_TUNINGS = ("instruct", "chat", "it", "base", "hf", "thinking", "think", "reasoning")
"""Words in names of checkpoints that leave the shape of the transformer as it is."""
_DATE = re.compile(r"2[3-9](0[1-9]|1[0-2])")
"""Year and month of a release, such as 2507."""


def slug(name: str) -> str:
    """Return `name` in the form catalogue names take: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")


def same_accelerator(name: str) -> str:
    """Return what all spellings of an accelerator have in common.

    Examples
    --------
    >>> same_accelerator("NVIDIA H100-SXM5-80GB") == same_accelerator("H100 80GB SXM")
    True
    """
    words = [word for word in slug(name).split("-") if word not in (*MAKERS, *_LINES)]
    plain = (re.sub(r"^(\d+)gb$", r"\1", re.sub(r"^sxm\d$", "sxm", word)) for word in words)
    return " ".join(sorted(plain))


def same_transformer(name: str) -> str:
    """Return what all checkpoints of one shape and precision have in common.

    Examples
    --------
    >>> same_transformer("Qwen/Qwen3-235B-A22B-Instruct-2507")
    'qwen3235ba22b'
    """
    words = slug(name.rpartition("/")[2]).split("-")
    kept = (word for word in words if word not in _TUNINGS and not _DATE.fullmatch(word))
    return re.sub(r"^meta(?=llama)", "", "".join(kept))


_PRECISION = re.compile(
    r"(fp8|fp4|nvfp4|mxfp4|int4|int8|w4a16|w8a8|w8a16|awq|gptq|gguf|mlx|bnb|[48]bit|dynamic"
    r"|quantized|quant|block|kv)+"
)
"""What names of checkpoints say of their precision, run together."""
_SIZE = re.compile(r"(a?\d+(\.\d+)?b)*(e|v\d+(\.\d+)?)?")
"""What is left out of names of transformers: experts' parameters, a version."""


def is_nearly(spelt: str, known: str) -> bool:
    """Tell whether two names, spelt alike, differ by a precision or by a size left out."""
    longer, shorter = (spelt, known) if spelt.startswith(known) else (known, spelt)
    if not longer.startswith(shorter):
        return False
    end = _PRECISION if longer == spelt else _SIZE
    return end.fullmatch(longer[len(shorter) :]) is not None
