"""Machine types of clouds: which accelerators are in them, for hints alone.

Sources: the providers' lists of GPU machine types (AWS EC2 accelerated computing, Google Cloud GPU
machine types, Azure GPU-accelerated sizes), read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

ACCELERATORS_OF: Mapping[str, str] = {
    r"p4d\.": "a100-40gb-sxm",
    r"p4de\.": "a100-80gb-sxm",
    r"p5\.": "h100-sxm",
    r"p5en?\.": "h200-sxm",
    r"p6-b200\.": "b200-sxm",
    r"p6-b300\.": "b300-sxm",
    r"g4dn\.": "t4",
    r"g5\.": "a10g",
    r"g6\.": "l4",
    r"g6e\.": "l40s",
    r"p3\.": "v100-sxm",
    r"trn1n?\.": "trainium1",
    r"trn2u?\.": "trainium2",
    r"inf2\.": "inferentia2",
    r"a2-highgpu-|a2-megagpu-": "a100-40gb-sxm",
    r"a2-ultragpu-": "a100-80gb-sxm",
    r"a3-(high|mega|edge)gpu-": "h100-sxm",
    r"a3-ultragpu-": "h200-sxm",
    r"a4-highgpu-": "b200-sxm",
    r"a4x-": "gb200-nvl72",
    r"g2-standard-": "l4",
    r"(standard_)?nd\d+\w*_a100_v4": "a100-80gb-sxm",
    r"(standard_)?nd\d+asr_v4": "a100-40gb-sxm",
    r"(standard_)?nd\d+\w*_h100_v5": "h100-sxm",
    r"(standard_)?nd\d+\w*_h200_v5": "h200-sxm",
    r"(standard_)?nd\d+\w*_mi300x_v5": "mi300x",
    r"(standard_)?nc\d+\w*_a100_v4": "a100-80gb-pcie",
    r"(standard_)?nc\d+\w*_h100_v5": "h100-nvl",
}
"""Accelerators by how the names of machine types begin; the first that fits counts."""


def accelerator_of(machine_type: str) -> str | None:
    """Return the accelerator in machines of a type; None where the type is not known.

    Examples
    --------
    >>> accelerator_of("p5.48xlarge"), accelerator_of("Standard_ND96isr_H100_v5")
    ('h100-sxm', 'h100-sxm')
    """
    found = (
        name for begins, name in ACCELERATORS_OF.items() if re.match(begins, machine_type.lower())
    )
    return next(found, None)
