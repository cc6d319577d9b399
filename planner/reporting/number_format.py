"""Numbers in front of people: no digit that says nothing, and a unit on each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from planner.plans.plan import Plan

if TYPE_CHECKING:
    from planner.analysis.explanation.what_if import Choice


NOT_KNOWN = "–"
SPACE = "\u00a0"
"""Keeps a number and its unit on one line."""
TRIM = re.compile(r"(\.\d*?)0+$")


def dollars(value: float) -> str:
    """Write an amount: `$80.00`, `$12,345`, `$0.0579`."""
    sign, size = ("−" if value < 0 else ""), abs(value)
    if size >= 1e12 or not math.isfinite(size):
        return f"{sign}${size:.3g}"
    if size >= 10_000:
        return f"{sign}${size:,.0f}"
    return f"{sign}${size:,.2f}" if size >= 1 or size == 0 else f"{sign}${size:.3g}"


def per_million(value: float) -> str:
    """Write a price of a million tokens, to a tenth of a cent where it is a few dollars."""
    return f"${value:.3f}" if 0.1 <= value < 10 else dollars(value)


def plain(value: float, digits: int = 3) -> str:
    """Write a number with separators, to so many significant digits at least."""
    if not math.isfinite(value):
        return NOT_KNOWN
    if value == 0 or (float(value).is_integer() and abs(value) < 1e12):
        return f"{value:,.0f}"
    if not 1e-3 <= abs(value) < 1e12:
        return f"{value:.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return TRIM.sub(r"\1", f"{value:,.{decimals}f}").removesuffix(".")


def speed(value: float) -> str:
    """Write tokens per second: one decimal where it tells."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 1 else plain(value)


def seconds(value: float) -> str:
    """Write a time in the unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if value >= scale:
            return f"{plain(value / scale)}{SPACE}{unit}"
    return f"{plain(value * 1e6)}{SPACE}µs" if value else f"0{SPACE}ms"


def share(value: float) -> str:
    """Write a part as per cent: `34 %`, `6.6 %`."""
    per_cent = 100.0 * value
    small = 0 < abs(per_cent) < 10
    return f"{per_cent:,.1f}{SPACE}%" if small else f"{per_cent:,.0f}{SPACE}%"


def per_cent(part: float) -> str:
    """Write a part so that it is told from all and from nothing: `0.0044 %`, `99.9 %`."""
    value = 100.0 * part
    if abs(value) < 10:
        return f"{value:.2g} %"
    nearly = min(value, 99.9) if part < 1 else value
    return f"{nearly:,.1f}".removesuffix(".0") + " %"


def gigabytes(value: float) -> str:
    """Write bytes as gigabytes."""
    return f"{value / 1e9:,.1f}{SPACE}GB"


def quantity(value: float, unit: str) -> str:
    """Write a number of a requirement in its unit."""
    written = {
        "B": lambda: gigabytes(value),
        "s": lambda: seconds(value),
        "tok/s": lambda: f"{_round_or(value, speed)} tokens/s",
        "$/h": lambda: f"{dollars(value)} an hour",
        "$/Mtok": lambda: f"{per_million(value)} per million tokens",
    }
    return written[unit]() if unit in written else plain(value)


def _round_or(value: float, write: Callable[[float], str]) -> str:
    """Write a round number without decimals, any other as `write` does."""
    return f"{value:,.0f}" if value.is_integer() and value < 1e12 else write(value)


def objective(name: str, value: float) -> str:
    """Write the value of what was optimised."""
    if name == "dollars_per_hour":
        return f"{dollars(value)}/h"
    if name == "dollars_per_million_tokens":
        return f"{per_million(value)}/Mtok"
    return f"{speed(value)} tokens/s"


def layout(one: Plan | Choice) -> str:
    """Describe one replica: `4 × h100-sxm tp4 fp8 b47`."""
    name = f"{one.pool} {one.label}" if isinstance(one, Plan) else one.label
    return f"{(one.gpus or 0) // (one.replicas or 1)} × {name}"


def listed(parts: list[str], last: str = "and") -> str:
    """Join parts as a sentence does."""
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
