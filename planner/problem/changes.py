"""For what, and how much, what runs may change."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from planner.problem.instance import LARGEST_COUNT, LARGEST_QUANTITY
from planner.problem.part import Part
from planner.units import quantity

HUNDRED = 100.0
PER_CENT = "%"
DOLLARS = "$/h"


def _as_saving(value: Any) -> str:
    """Return a part of the cost, or dollars per hour, in one spelling."""
    text = str(value).strip()
    if text == "0":
        return f"0{PER_CENT}"
    with suppress(ValueError):
        if text.endswith(PER_CENT):
            part = float(text.removesuffix(PER_CENT))
            if 0 <= part < HUNDRED:
                return f"{part:.12g}{PER_CENT}"
        elif isinstance(value, str):
            dollars = quantity(value, "dollars per hour")
            if 0 <= dollars <= LARGEST_QUANTITY:
                return f"{dollars:.12g} {DOLLARS}"
    raise ValueError("a part of the cost, such as 3%, or an amount with its unit, such as 2 $/h")


Replicas = Annotated[int, Field(ge=0, le=LARGEST_COUNT, strict=True)]
Saving = Annotated[
    str,
    BeforeValidator(_as_saving),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"const": 0}]}),
]


class Changes(Part):
    """How much of what runs may change, and for what."""

    minimum_saving: Saving = f"0{PER_CENT}"
    """Least saving for which what runs is changed at all: a part of its cost, as 3%, or an amount
    such as 2 $/h. Below it the answer keeps what runs, if that still holds."""
    at_most: Replicas | None = None
    """Most replicas started, stopped or changed against what runs. Left out: no limit."""

    def least_saving(self, cost: float) -> float:
        """Return the least saving, where keeping what runs costs so much; both in $/h."""
        if self.minimum_saving.endswith(PER_CENT):
            return float(self.minimum_saving.removesuffix(PER_CENT)) / HUNDRED * cost
        return float(self.minimum_saving.removesuffix(DOLLARS))
