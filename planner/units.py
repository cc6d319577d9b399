"""Quantities with units at the border of the program; plain SI numbers inside it."""

from __future__ import annotations

import math
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pint

DIMENSIONS = {
    "seconds": ("second", "500 ms, 2 s, 1 min"),
    "bytes": ("byte", "80 GB, 80 GiB"),
    "bytes per second": ("byte / second", "3.35 TB/s, 400 Gbit/s"),
    "tokens per second": ("token / second", "40 tok/s, 1.2 Mtok/min"),
    "requests per second": ("request / second", "25 req/s, 1500 req/min"),
    "dollars per hour": ("dollar / hour", "2.5 $/h, 60 $/day"),
    "FLOP per second": ("FLOP / second", "989 TFLOP/s"),
    "watts": ("watt", "700 W, 20 kW"),
}
"""What a quantity may measure: the unit of the bare number, and examples."""


def quantity(value: Any, dimension: str) -> float:
    """Return `value` in the unit that plain numbers of `dimension` have.

    Parameters
    ----------
    value : number or str
        A number is taken as it stands; a string must be a number and a unit.
    dimension : str
        A key of `DIMENSIONS`.

    Raises
    ------
    ValueError
        With the expectation as message, where the value is neither or its unit does not fit.
    """
    unit, examples = DIMENSIONS[dimension]
    wanted = f"a number of {dimension}, or one with its unit, such as {examples}"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(wanted)
    try:
        number = _parse(value, unit, wanted) if isinstance(value, str) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"a finite number of {dimension}")
    return number


NUMBER = r"[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?"
WORD = r"[A-Za-zµμ$]+"
NUMBER_AND_UNIT = re.compile(
    rf"\s*(?P<number>{NUMBER})\s*(?P<unit>{WORD}((\s*/\s*|\s+per\s+){WORD})?)\s*"
)
"""One unit, or one unit per another; nothing else that pint would take for arithmetic."""


def _parse(text: str, unit: str, wanted: str) -> float:
    import pint

    match = NUMBER_AND_UNIT.fullmatch(text)
    if match is None:
        raise ValueError(wanted)
    try:
        return float(match["number"]) * _factor(match["unit"], unit)
    except (pint.PintError, ValueError, TypeError, AttributeError, SyntaxError):
        raise ValueError(wanted) from None


@lru_cache(maxsize=256)  # Asking pint takes longer than reading the rest of the field.
def _factor(written: str, unit: str) -> float:
    """Return how many of `unit` one of a written unit is."""
    # Keyboards have two signs that look like a Greek mu; the registry knows one of them.
    name = written.replace("$", "dollar").replace("\u03bc", "\u00b5").strip()
    parsed = _registry().parse_units(name)
    return float(_registry().Quantity(1.0, parsed).to(unit).magnitude)


@cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    return pint.UnitRegistry(str(Path(__file__).with_name("units.txt")), cache_folder=None)
