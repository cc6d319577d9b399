"""Records of explanations as plain mappings, and as rows of item, quantity and value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

from planner.analysis.explanation.break_even import SpeedPrice
from planner.plans.plan import Plan


def plain(value: Any) -> Any:
    """Return records as mappings, and what is not finite as None."""
    if isinstance(value, Plan):
        return {name: cell for name, cell in value.to_row().items() if cell not in (None, "")}
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value


CSV_COLUMNS = ("section", "item", "quantity", "value")

NAMED_BY = {
    "TimePart": ("term", "part"),
    "MemoryPart": ("part",),
    "Slack": ("requirement",),
    "RunnerUp": ("differs_in", "value"),
    "SupplyChange": ("said",),
    "SupplyStep": ("pool",),
    "BreakEven": ("pool",),
    "Sensitivity": ("assumption",),
    "FullPool": ("pool",),
    "RefusedRequests": ("workload",),
    "WorkloadDetail": ("workload", "label"),
    "Guarantee": ("name",),
    "PoolPrice": ("pool", "market"),
}
"""Fields that name a record within its section."""


def items(section: Any) -> Iterable[tuple[str, Any]]:
    """Yield the records of a section, each with its name."""
    if isinstance(section, SpeedPrice):
        yield "plan", {"cost": section.cost, "free_up_to": section.free_up_to}
        for side in ("faster", "slower"):
            for number, step in enumerate(getattr(section, side), start=1):
                yield f"{side} {number}", step
        return
    for record in section or ():
        named = NAMED_BY[type(record).__name__]
        yield ": ".join(str(getattr(record, name)) for name in named), record


LEFT_TO_JSON = ("changes", "plan", "misses", "tightest")
"""Fields that are no numbers of a record's own."""


def _numbers(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield the numbers and words of a record, each with its name."""
    for name, value in record.items():
        if isinstance(value, dict) and name not in LEFT_TO_JSON:
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float | str) and name not in LEFT_TO_JSON:
            yield f"{prefix}{name}", value


def rows_of(records: Iterable[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    """Return every number of some records, each with its section and item, as a row."""
    return [
        dict(zip(CSV_COLUMNS, (section, item, quantity, value), strict=True))
        for section, item, record in records
        for quantity, value in _numbers(plain(record))
    ]
