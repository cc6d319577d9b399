"""Quantities: every documented unit has its factor, and everything else is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.units import DIMENSIONS, quantity

PREFIXES = {"": 1.0, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6}
PREFIXES |= {"G": 1e9, "T": 1e12, "P": 1e15}
BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
TIMES = {"s": 1, "sec": 1, "second": 1, "seconds": 1, "min": 60, "minute": 60, "minutes": 60}
TIMES |= {
    "h": 3600,
    "hr": 3600,
    "hour": 3600,
    "hours": 3600,
    "d": 86400,
    "day": 86400,
    "days": 86400,
}
PER_TIME = [f"{joint}{time}" for joint in ("/", " / ", " per ") for time in TIMES]


def time_of(unit: str) -> float:
    return TIMES[unit.replace(" per ", "/").replace(" ", "").removeprefix("/")]


UNITS = {
    "seconds": {
        **TIMES,
        **{f"{prefix}s": factor for prefix, factor in PREFIXES.items()},
    },
    "bytes": {
        f"{prefix}{unit}": factor * size
        for prefix, factor in (PREFIXES | BINARY).items()
        for unit, size in (("B", 1), ("byte", 1), ("bytes", 1), ("bit", 0.125), ("b", 0.125))
    },
    "bytes per second": {
        f"{unit}{per}": size / time_of(per)
        for unit, size in (("TB", 1e12), ("GiB", 2**30), ("Gbit", 1e9 / 8), ("Gb", 1e9 / 8))
        for per in PER_TIME
    },
    "requests per second": {
        f"{unit}{per}": 1 / time_of(per)
        for unit in ("req", "request", "requests")
        for per in PER_TIME
    },
    "tokens per second": {
        f"{prefix}{unit}{per}": factor / time_of(per)
        for prefix, factor in (("", 1), ("k", 1e3), ("M", 1e6), ("G", 1e9))
        for unit in ("tok", "token", "tokens")
        for per in PER_TIME
    },
    "dollars per hour": {
        f"{unit}{per}": 3600 / time_of(per)
        for unit in ("$", "usd", "USD", "dollar", "dollars")
        for per in PER_TIME
    },
    "FLOP per second": {
        f"{prefix}{unit}{per}": factor / time_of(per)
        for prefix, factor in (("", 1), ("G", 1e9), ("T", 1e12), ("P", 1e15))
        for unit in ("FLOP", "flop", "FLOPs")
        for per in PER_TIME
    },
    "watts": {
        f"{prefix}{unit}": factor
        for prefix, factor in (("", 1), ("k", 1e3), ("M", 1e6))
        for unit in ("W", "watt", "watts")
    },
}
"""The units the documentation promises, spelt out here once more, with their factors."""


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_quantity_is_number_times_factor(data):
    dimension = data.draw(st.sampled_from(sorted(DIMENSIONS)))
    unit = data.draw(st.sampled_from(sorted(UNITS[dimension])))
    number = data.draw(st.floats(-1e15, 1e15).map(lambda x: float(f"{x:.6g}")))
    space = data.draw(st.sampled_from(["", " ", "  "]))
    wanted = number * UNITS[dimension][unit]
    assert quantity(f"{number}{space}{unit}", dimension) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_unit_of_a_dimension_has_its_factor_and_fits_no_other(dimension):
    assert set(UNITS) == set(DIMENSIONS)
    for unit, factor in UNITS[dimension].items():
        assert quantity(f"1 {unit}", dimension) == pytest.approx(factor, rel=1e-12), unit
    sample = next(iter(UNITS[dimension]))
    for other in set(DIMENSIONS) - {dimension}:
        with pytest.raises(ValueError, match=f"a number of {other}"):
            quantity(f"1 {sample}", other)


def test_a_unit_is_asked_of_pint_once(monkeypatch):
    from planner import units

    quantity("3 Mtok/min", "tokens per second")
    monkeypatch.setattr(units, "_registry", lambda: pytest.fail("asked again"))
    assert quantity("5 Mtok/min", "tokens per second") == pytest.approx(5e6 / 60, rel=1e-12)


def test_examples_in_messages_are_quantities():
    for dimension, (_, examples) in DIMENSIONS.items():
        for example in examples.split(", "):
            assert quantity(example, dimension) > 0


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="0123456789.eE+-_ /$µstokminhdBGKi", max_size=16))
def test_any_text_is_a_quantity_or_a_value_error(text):
    for dimension in DIMENSIONS:
        try:
            number = quantity(text, dimension)
        except ValueError as error:
            assert str(error).startswith(("a number of", "a finite number of"))
        else:
            assert math.isfinite(number)


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), "1e999 s"])
def test_numbers_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="a finite number of seconds"):
        quantity(value, "seconds")


@pytest.mark.parametrize(
    "value", [True, None, [], {}, "", "5", "s", "5 s s", "5 s/", "1__0 s", "5 s²"]
)
def test_what_is_no_quantity_is_refused(value):
    with pytest.raises(ValueError, match="a number of seconds, or one with its unit"):
        quantity(value, "seconds")
