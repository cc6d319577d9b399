"""What a fleet lacks, as data and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.formulations.fleet.relaxed_limits import Kind

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMED = 3
"""Pools or workloads that a sentence names."""
UNITS: dict[Kind, tuple[str, float]] = {
    "gpus": ("GPUs", 1.0),
    "dollars": ("$", 0.01),
    "watts": ("W", 1.0),
    "kilograms": ("kg", 0.001),
}
"""Unit, and the least amount that is told; amounts are rounded up to it."""


@dataclass(frozen=True, slots=True)
class Deficit:
    """Something of which there is too little."""

    what: Kind
    pool: str
    """Name of the pool; empty where it is of the whole fleet."""
    amount: float
    """How much must be added: accelerators, dollars, watts or kilograms."""
    period: str
    """The period that lacks most; empty where there is but one, or it is of the horizon."""
    periods: int
    """How many periods lack some."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """Additions that, all together, let the fleet be had with nothing else changed."""

    deficits: tuple[Deficit, ...]
    proved: bool
    """Whether it is proved that nothing of less worth would do."""
    value: float
    """Its worth in dollars over the horizon: accelerators at their pool's price."""
    bound: float
    """Proven least worth of any such addition."""

    @property
    def text(self) -> str:
        """The additions in words."""
        return _remedy_text(self)


@dataclass(frozen=True, slots=True)
class Refused:
    """Requests of one workload that would have to be refused."""

    workload: str
    priority: int
    share: float
    """Part of its requests over the horizon."""
    at_most: float
    """Part of its demand in the period where that is largest."""
    period: str
    """That period; empty where there is but one."""
    requests: float
    """Requests refused over the horizon."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """What a fleet lacks, and how it could be had."""

    fleet: str
    remedies: tuple[Remedy, ...]
    """Each is enough by itself; empty where nothing is lacking, or nothing that is added helps."""
    refused: tuple[Refused, ...]
    """What would have to be refused instead, lowest priority first; empty where that helps not."""
    exact: bool
    """Whether refusals are proved least, priority by priority; otherwise weighed."""
    reasons: tuple[str, ...] = ()
    """What no addition can help against."""
    lacking: bool = True
    """Whether anything is lacking at all."""
    complete: bool = True
    """Whether everything was looked at; otherwise time ran out, and there may be other remedies."""

    @property
    def text(self) -> str:
        """All of it in one sentence."""
        return _text(self)

    def table(self) -> pd.DataFrame:
        """Return a row per addition and refusal; rows of one remedy belong together."""
        import pandas as pd

        rows: list[dict[str, Any]] = [
            {
                "remedy": number,
                "what": deficit.what,
                "of": deficit.pool,
                "amount": deficit.amount,
                "unit": UNITS[deficit.what][0],
                "period": deficit.period,
                "periods": deficit.periods,
                "proved": remedy.proved,
            }
            for number, remedy in enumerate(self.remedies, 1)
            for deficit in remedy.deficits
        ]
        rows += [
            {
                "remedy": len(self.remedies) + 1,
                "what": "refusals",
                "of": one.workload,
                "amount": one.share,
                "unit": "of its requests",
                "period": one.period,
                "periods": None,
                "proved": self.exact,
            }
            for one in self.refused
        ]
        columns = ("remedy", "what", "of", "amount", "unit", "period", "periods", "proved")
        return pd.DataFrame(rows, columns=list(columns))


def _text(found: Shortage) -> str:
    if found.reasons:
        return " ".join(found.reasons)
    if not found.lacking:
        return "Nothing is lacking."
    parts = [remedy.text for remedy in found.remedies]
    if found.refused:
        parts.append(f"refuse {_refused_text(found.refused)}")
    if not parts and not found.complete:
        return "No plan exists; what is missing was not found in time."
    if not parts:
        limits = "accelerators, budget, power or carbon"
        return f"No more of {limits} helps, and no refusal: the guarantees exclude each other."
    sentence = "; or ".join(parts) + "."
    return sentence[0].upper() + sentence[1:]


def _remedy_text(remedy: Remedy) -> str:
    gpus = [deficit for deficit in remedy.deficits if deficit.what == "gpus"]
    caps = [deficit for deficit in remedy.deficits if deficit.what != "gpus"]
    parts = [_gpus_text(gpus)] if gpus else []
    parts += [_cap_text(deficit) for deficit in caps]
    least = ""
    if not remedy.proved and remedy.value > 0:
        least = f" (proved: at least {math.floor(100 * remedy.bound / remedy.value)} % of that)"
    return _joined(parts) + least


def _gpus_text(deficits: Sequence[Deficit]) -> str:
    """Say what is short: the period once where all lack most in the same one."""
    shown, left = deficits[:MOST_NAMED], deficits[MOST_NAMED:]
    one = len({deficit.period for deficit in deficits}) == 1
    names = [
        f"{deficit.amount:,.0f} {deficit.pool}" + ("" if one else _when(deficit))
        for deficit in shown
    ]
    if left:
        others = "1 other pool" if len(left) == 1 else f"{len(left)} other pools"
        names.append(f"{sum(deficit.amount for deficit in left):,.0f} in {others}")
    longest = max(deficits, key=lambda deficit: deficit.periods)
    return f"{_joined(names)} short{_when(longest) if one else ''}"


def _when(deficit: Deficit) -> str:
    if not deficit.period:
        return ""
    more = deficit.periods - 1
    others = f" and {more} other{'s' if more > 1 else ''}" if more > 0 else ""
    return f" in period {deficit.period}{others}"


def _cap_text(deficit: Deficit) -> str:
    where = f" of {deficit.pool}" if deficit.pool else ""
    if deficit.what == "dollars":
        return f"budget short by ${deficit.amount:,.2f}"
    if deficit.what == "watts":
        return f"power{where} short by {deficit.amount:,.0f} W"
    return f"carbon short by {deficit.amount:,.3f} kg"


def _refused_text(refused: Sequence[Refused]) -> str:
    shown, left = refused[:MOST_NAMED], refused[MOST_NAMED:]
    names = [f"{percent(one.share)} of {one.workload}" for one in shown]
    if left:
        names.append(f"some of {len(left)} other workload{'s' if len(left) > 1 else ''}")
    return _joined(names)


def percent(part: float) -> str:
    """Write a part as a percentage, rounded up to two digits so that it is enough."""
    value = part * 100.0
    if value >= 100.0 - 1e-9:
        return "all"
    digits = max(1 - math.floor(math.log10(value)), 0) if value > 0 else 0
    up = math.ceil(value * 10.0**digits - 1e-6) / 10.0**digits
    return f"{up:.{digits}f} %"


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
