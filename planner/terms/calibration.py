"""Calibration: what a profile makes of an accelerator's data sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping

from planner.catalogue.accelerator import Accelerator
from planner.catalogue.profile import (
    Collectives,
    Family,
    Measured,
    MeasuredCurve,
    NcclTree,
    PaperAccelerator,
    Profile,
    Rates,
    Ring,
)
from planner.errors import InputError, Problem, did_you_mean

FALLBACK_FAMILY = "other"
NCCL_TREE = "nccl-tree"
"""Implementation of collectives that is a formula, not a measurement."""


def implementations(profile: Profile) -> tuple[str, ...]:
    """Return the implementations of all-reduce that a profile knows, sorted; none of the paper's.

    Every profile with measurements also knows the formula of NCCL's three protocols.
    """
    names = {name for tables in profile.collectives.values() for name in tables}
    return tuple(sorted(names | {NCCL_TREE})) if names else ()


def rates(accelerator: Accelerator, profile: Profile, implementation: str | None = None) -> Rates:
    """Return the rates at which `accelerator` works under `profile`.

    Parameters
    ----------
    accelerator : Accelerator
        The data sheet.
    profile : Profile
        What was fitted.
    implementation : str or None
        Whose all-reduces; None for the profile's default. Profiles with constants for named
        accelerators have one only, and so have accelerators on a torus.

    Raises
    ------
    InputError
        Where the profile has constants for named accelerators only and this is none of them.
    """
    if profile.accelerators:
        return _paper_rates(accelerator.name, profile)
    family = profile.families.get(accelerator.family)
    family = family or profile.families[FALLBACK_FAMILY]
    chosen = implementation or profile.default_collectives
    return _family_rates(accelerator, profile, family, chosen)


def _paper_rates(name: str, profile: Profile) -> Rates:
    constants = profile.accelerators.get(name)
    if constants is None:
        known = sorted(profile.accelerators)
        raise InputError(
            Problem(
                expected=f"one of {', '.join(known)}",
                found=repr(name),
                fix=f"The profile `{profile.name}` has constants for these only. "
                f"{did_you_mean(name, known)} Or use `profile: calibrated`.".replace("  ", " "),
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


def _family_rates(
    accelerator: Accelerator, profile: Profile, family: Family, implementation: str
) -> Rates:
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
        collectives=_collectives(accelerator, profile, implementation),
        combine_power=family.combine_power,
        estimated=family.samples == 0
        or implementation not in profile.collectives.get(accelerator.name, ()),
    )


def _collectives(accelerator: Accelerator, profile: Profile, implementation: str) -> Collectives:
    """Return a ring on a torus, the formula of NCCL where it is asked for, else curves."""
    link, node = accelerator.link, accelerator.node
    reach = max(link.gpus, node.gpus)
    inside = link.bytes_per_second * profile.link_efficiency
    network = node.network_bytes_per_second or profile.default_network_bytes_per_second
    between = network * profile.network_efficiency
    for technology, seconds in profile.rings.items():
        if link.technology.startswith(technology):
            # The record counts an all-reduce's payload once; round a ring it travels twice.
            return Ring(bytes_per_second=inside / 2.0, hop_seconds=seconds)
    if implementation == NCCL_TREE:
        return NcclTree(inside / 2.0, between / 2.0, reach, overlapped=False)
    return Measured(
        payload_bytes=profile.payload_bytes,
        curves=_curves(accelerator, profile, implementation),
        node_gpus=reach,
        send_seconds=profile.link_seconds,
        send_bytes_per_second=inside,
        dispatch_seconds=profile.dispatch_seconds,
        network_seconds=profile.network_seconds,
        network_bytes_per_second=between,
    )


def _curves(
    accelerator: Accelerator, profile: Profile, implementation: str
) -> Mapping[int, MeasuredCurve]:
    """Return measured curves of the accelerator or its stand-in, else the data sheet's.

    Where another implementation was measured and this one was not, the profile's default stands
    in: it knows the links better than the data sheet does.
    """
    stand_ins = (
        profile.collectives[stand_in]
        for technology, stand_in in profile.stand_ins.items()
        if accelerator.link.technology.startswith(technology)
    )
    tables = profile.collectives.get(accelerator.name) or next(stand_ins, None)
    if tables is None:
        return _from_data_sheet(accelerator.link.bytes_per_second, profile)
    return (tables.get(implementation) or tables[profile.default_collectives]).curves


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
