"""Calibration: what a profile makes of an accelerator's data sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping

from planner.catalogue.accelerator import Accelerator
from planner.catalogue.profile import (
    Family,
    Measured,
    MeasuredCurve,
    PaperAccelerator,
    Profile,
    Rates,
)
from planner.errors import InputError, Problem, near_misses

FALLBACK_FAMILY = "other"


def rates(accelerator: Accelerator, profile: Profile) -> Rates:
    """Return the rates at which `accelerator` works under `profile`.

    Raises
    ------
    InputError
        Where the profile has constants for named accelerators only and this is none of them.
    """
    if profile.accelerators:
        return _paper_rates(accelerator.name, profile)
    family = profile.families.get(accelerator.family)
    return _family_rates(accelerator, profile, family or profile.families[FALLBACK_FAMILY])


def _paper_rates(name: str, profile: Profile) -> Rates:
    constants = profile.accelerators.get(name)
    if constants is None:
        known = sorted(profile.accelerators)
        raise InputError(
            Problem(
                expected=f"one of {', '.join(known)}",
                found=repr(name),
                fix=f"The profile `{profile.name}` has constants for these only. "
                f"{near_misses(name, known)} Or use `profile: calibrated`.".replace("  ", " "),
            )
        )
    return _capped(constants, profile.usable_memory_fraction)


def _capped(constants: PaperAccelerator, usable: float) -> Rates:
    """Peak times the paper's caps on arithmetic and bandwidth (T29)."""
    return Rates(
        flop_per_second={
            precision: peak * constants.arithmetic_efficiency
            for precision, peak in constants.flop_per_second.items()
        },
        memory_bytes=constants.memory_bytes * usable,
        memory_bytes_per_second=constants.memory_bytes_per_second * constants.memory_efficiency,
        layer_seconds=constants.layer_seconds,
        step_seconds=0.0,
        collectives=constants.collectives,
    )


def _family_rates(accelerator: Accelerator, profile: Profile, family: Family) -> Rates:
    """Data sheet times the family's fitted efficiencies, with its fitted overheads (T30)."""
    efficiency = family.arithmetic_efficiency_by_precision
    return Rates(
        flop_per_second={
            precision: peak * efficiency.get(precision, family.arithmetic_efficiency)
            for precision, peak in accelerator.flop_per_second.items()
        },
        memory_bytes=accelerator.memory_bytes * profile.usable_memory_fraction,
        memory_bytes_per_second=accelerator.memory_bytes_per_second * family.memory_efficiency,
        layer_seconds=family.layer_seconds,
        step_seconds=family.step_seconds,
        collectives=_collectives(accelerator, profile),
        combine_power=family.combine_power,
        estimated=family.samples == 0 or accelerator.name not in profile.collectives,
    )


def _collectives(accelerator: Accelerator, profile: Profile) -> Measured:
    link, node = accelerator.link, accelerator.node
    network = node.network_bytes_per_second or profile.default_network_bytes_per_second
    curves = _curves(accelerator, profile)
    return Measured(
        payload_bytes=profile.payload_bytes,
        curves=curves,
        node_gpus=max(link.gpus, node.gpus),
        send_seconds=profile.link_seconds,
        send_bytes_per_second=link.bytes_per_second * profile.link_efficiency,
        network_seconds=profile.network_seconds,
        network_bytes_per_second=network * profile.network_efficiency,
    )


def _curves(accelerator: Accelerator, profile: Profile) -> Mapping[int, MeasuredCurve]:
    if accelerator.name in profile.collectives:
        return profile.collectives[accelerator.name].curves
    for technology, stand_in in profile.stand_ins.items():
        if accelerator.link.technology.startswith(technology):
            return profile.collectives[stand_in].curves
    return _from_data_sheet(accelerator.link.bytes_per_second, profile)


def _from_data_sheet(link_bytes_per_second: float, profile: Profile) -> Mapping[int, MeasuredCurve]:
    """Estimate all-reduces nobody measured: a ring over the links at the usual efficiency (T31).

    A payload X over R ranks takes 2 (R-1)/R X / (link bandwidth x efficiency) beside a latency
    that grows by the same amount with every doubling of R.
    """
    curves = {}
    for ranks in (2, 4, 8):
        bandwidth = link_bytes_per_second * profile.link_efficiency / (2 * (ranks - 1) / ranks)
        doublings = math.log2(ranks) - 1
        latency = profile.link_seconds + doublings * profile.link_seconds_per_doubling
        seconds = tuple(latency + payload / bandwidth for payload in profile.payload_bytes)
        curves[ranks] = MeasuredCurve((latency, *seconds[1:]), bandwidth)
    return curves
