"""Sensitivities: what the objective would be if an assumption were a little off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from planner.analysis.explanation.what_if import WhatIf, answered
from planner.candidates.shortlist_cache import ShortlistCache
from planner.catalogue.profile import Collectives, Measured, MeasuredCurve, NcclTree, Rates, Ring
from planner.io.overrides import changed
from planner.plans.plan import Plan
from planner.problem.instance import Instance
from planner.problem.resolve import ResolvedInstance, resolve

DEFAULT_CHANGE = 0.1
"""Part by which each assumption is lowered and raised."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """An instance with one assumption scaled."""

    resolved: ResolvedInstance
    factor: float
    """By how much it was really multiplied: what cannot exceed 1, or be less, stops there."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the instance that say the same, if any do."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something that an answer rests on, and the instance in which it is scaled."""

    name: str
    kind: str
    """`hardware`: of every accelerator's rates. `instance`: a field. `price`: of one pool."""
    scaled: Callable[[float], Scaled]
    """What becomes of the plan when the assumption is multiplied by a factor."""
    evaluates: bool
    """Whether deployments must be evaluated anew."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What an assumption lowered and raised by the same part would make of the plan."""

    assumption: str
    kind: str
    low: WhatIf
    high: WhatIf
    low_factor: float
    """By how much it was really multiplied: what cannot exceed 1, or be less, stops there."""
    high_factor: float

    def swing(self, objective: float) -> float:
        """Return how far the objective moves at most; infinite where nothing is possible."""
        ends = (self.low.objective, self.high.objective)
        if None in ends:
            return float("inf")
        return max(abs(end - objective) for end in ends if end is not None)

    @property
    def negligible(self) -> bool:
        """Whether neither change moves the objective or asks for another layout."""
        ends = (self.low, self.high)
        same = self.low.objective == self.high.objective
        return same and all(end.possible and not end.moves for end in ends)


def sensitivities(
    instance: Instance,
    resolved: ResolvedInstance,
    plan: Plan,
    *,
    by: float = DEFAULT_CHANGE,
    shortlists: ShortlistCache | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Sensitivity, ...]:
    """Plan the instance anew with each assumption scaled, the widest swing first.

    Parameters
    ----------
    instance, resolved : Instance, ResolvedInstance
        What was asked.
    plan : Plan
        Its answer.
    by : float
        Part by which assumptions are lowered and raised, between 0 and 1.
    shortlists : ShortlistCache, optional
        Shortlists of deployments, for assumptions that change no deployment's numbers.
    progress : callable, optional
        Told how many assumptions are done, and how many there are.
    """
    every = list(assumptions(instance, resolved))
    found = []
    for done, assumption in enumerate(every):
        if progress is not None:
            progress(done, len(every))
        kept = None if assumption.evaluates else shortlists
        low, high = (assumption.scaled(factor) for factor in (1.0 - by, 1.0 + by))
        found.append(
            Sensitivity(
                assumption.name,
                assumption.kind,
                _supposed(low, plan, kept),
                _supposed(high, plan, kept),
                low.factor,
                high.factor,
            )
        )
    objective = plan.objective or 0.0
    return tuple(sorted(found, key=lambda one: -one.swing(objective)))


def _supposed(scaled: Scaled, plan: Plan, shortlists: ShortlistCache | None) -> WhatIf:
    if scaled.factor == 1.0:
        return WhatIf(plan.objective, (), plan, scaled.changes)
    return answered(scaled.resolved, plan, shortlists, scaled.changes)


def assumptions(instance: Instance, resolved: ResolvedInstance) -> Iterator[Assumption]:
    """Yield whatever the answer may rest on; what nothing of the instance uses is left out."""
    for name, scale in HARDWARE.items():
        scaled = partial(_hardware, resolved, scale)
        if scaled(0.5).resolved.pools != resolved.pools:
            yield Assumption(name, "hardware", scaled, True)
    workload = resolved.instance.workload
    for index, draft in enumerate(resolved.drafts):
        if draft.acceptance:
            path, told = f"workload.drafts[{index}].acceptance", f"acceptance of {draft.name}"
            yield _field(instance, told, path, draft.acceptance, most=1.0)
    if any(ep > 1 for ep in resolved.expert_parallel):
        path = "workload.expert_imbalance"
        yield _field(instance, "imbalance of experts", path, workload.expert_imbalance, least=1.0)
    fraction = resolved.usable_memory_fraction
    yield _field(instance, "usable memory", "usable_memory_fraction", fraction, most=1.0)
    for name, path, value in (
        ("demand", "workload.tokens_per_second", workload.tokens_per_second),
        (
            "speed asked for",
            "workload.tokens_per_second_per_request",
            workload.tokens_per_second_per_request,
        ),
    ):
        if value is not None:
            yield _field(instance, name, path, value, evaluates=False)
    for index, pool in enumerate(resolved.pools):
        path, price = f"pools[{index}].dollars_per_gpu_hour", pool.dollars_per_gpu_hour
        found = _field(instance, f"price of {pool.label}", path, price, evaluates=False)
        yield replace(found, kind="price")


def _field(
    instance: Instance,
    name: str,
    path: str,
    value: float,
    *,
    least: float = 0.0,
    most: float = float("inf"),
    evaluates: bool = True,
) -> Assumption:
    def scaled(factor: float) -> Scaled:
        limited = max(least, min(most, value * factor))
        changes = {path: limited}
        applied = factor if limited == value * factor else limited / value
        return Scaled(resolve(changed(instance, changes)), applied, changes)

    return Assumption(name, "instance", scaled, evaluates)


def _hardware(
    resolved: ResolvedInstance, scale: Callable[[Rates, float], Rates], factor: float
) -> Scaled:
    pools = tuple(replace(pool, rates=scale(pool.rates, factor)) for pool in resolved.pools)
    return Scaled(replace(resolved, pools=pools), factor)


def _memory_bandwidth(rates: Rates, factor: float) -> Rates:
    return replace(rates, memory_bytes_per_second=rates.memory_bytes_per_second * factor)


def _arithmetic_rate(rates: Rates, factor: float) -> Rates:
    scaled = {name: rate * factor for name, rate in rates.flop_per_second.items()}
    return replace(rates, flop_per_second=scaled)


def _launches(rates: Rates, factor: float) -> Rates:
    layer, step = rates.layer_seconds * factor, rates.step_seconds * factor
    return replace(rates, layer_seconds=layer, step_seconds=step)


def _link_bandwidth(rates: Rates, factor: float) -> Rates:
    return replace(rates, collectives=_faster_links(rates.collectives, factor))


def _faster_links(net: Collectives, factor: float) -> Collectives:
    if isinstance(net, Ring):
        return replace(net, bytes_per_second=net.bytes_per_second * factor)
    if isinstance(net, NcclTree):
        inside, outside = net.intra_bytes_per_second, net.inter_bytes_per_second
        return replace(
            net, intra_bytes_per_second=inside * factor, inter_bytes_per_second=outside * factor
        )
    curves = {
        ranks: MeasuredCurve(
            tuple(curve.seconds[0] + (s - curve.seconds[0]) / factor for s in curve.seconds),
            curve.bytes_per_second * factor,
        )
        for ranks, curve in net.curves.items()
    }
    return replace(
        net,
        curves=curves,
        send_bytes_per_second=net.send_bytes_per_second * factor,
        network_bytes_per_second=net.network_bytes_per_second * factor,
    )


def _collective_latency(rates: Rates, factor: float) -> Rates:
    """Scale fixed latencies; those of NCCL's formula are constants of its source, not rates."""
    net = rates.collectives
    if isinstance(net, Ring):
        net = replace(net, hop_seconds=net.hop_seconds * factor)
    elif isinstance(net, Measured):
        net = _slower_messages(net, factor)
    return replace(rates, collectives=net)


def _slower_messages(net: Measured, factor: float) -> Measured:
    curves = {
        ranks: replace(
            curve, seconds=tuple(s + (factor - 1.0) * curve.seconds[0] for s in curve.seconds)
        )
        for ranks, curve in net.curves.items()
    }
    return replace(
        net,
        curves=curves,
        send_seconds=net.send_seconds * factor,
        dispatch_seconds=net.dispatch_seconds * factor,
        network_seconds=net.network_seconds * factor,
    )


HARDWARE: Mapping[str, Callable[[Rates, float], Rates]] = {
    "memory bandwidth": _memory_bandwidth,
    "arithmetic rate": _arithmetic_rate,
    "link bandwidth": _link_bandwidth,
    "collective latency": _collective_latency,
    "launch overhead": _launches,
}
"""Rates of every accelerator of the instance that are scaled together."""
