"""Refusals: workloads that no deployment can serve at any price, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planner.candidates.fleet.build_model_data import FeasibleOffers, feasible_offers
from planner.candidates.fleet.demand import wanted
from planner.candidates.fleet.feasibility import DECODE, PREFILL, Asked, Feasibility, asked
from planner.candidates.fleet.model_data import Bools, PoolSupply
from planner.problem.fleet import Fleet
from planner.problem.offers import Ints, Offers


@dataclass(frozen=True, slots=True)
class Refusal:
    """A workload that cannot be served, whatever is bought."""

    workload: str
    reason: str


def unservable(
    fleet: Fleet, offers: Offers, known: FeasibleOffers | None = None
) -> tuple[Refusal, ...]:
    """Say which workloads no deployment can serve, and why.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    offers : Offers
        Deployments as files or tables state them.
    known : FeasibleOffers, optional
        What `planner.candidates.fleet.build_model_data.feasible_offers` returned for them.

    Returns
    -------
    tuple of Refusal
        One per workload and stage; empty where every workload has a choice. That there are too
        few accelerators for all of them is another matter; that there are too few for a single
        replica is told here.

    Raises
    ------
    InputError
        As `planner.candidates.fleet.build_model_data.data` does.
    """
    known = feasible_offers(fleet, offers) if known is None else known
    bought, feasibility = known.pool_supply, known.feasibility
    needs, limits = wanted(fleet), asked(fleet)
    served = ((needs.demand > 0).any(axis=1) & (needs.shed_at_most < 1)) | (needs.least > 0)
    usable = feasibility.admitted & feasibility.room
    found: list[tuple[int, Refusal]] = []
    for stage, other in (("", None), ("prefill", DECODE), ("decode", PREFILL)):
        rows = _stage(fleet, offers, other)
        missing = served & ~_has(fleet, offers, rows & usable)
        if stage:
            # A workload with nothing at all is told once.
            missing &= _has(fleet, offers, usable)
        case = _Case(fleet, offers, bought, feasibility, limits, stage)
        found += [(w, case.refusal(w, rows)) for w in np.flatnonzero(missing).tolist()]
    return tuple(refusal for _, refusal in sorted(found, key=lambda pair: pair[0]))


def _stage(fleet: Fleet, offers: Offers, other: int | None) -> Bools:
    """Return the offers that serve a stage: all but those of the other one."""
    return np.ones(len(offers), dtype=bool) if other is None else offers.role != other


def _has(fleet: Fleet, offers: Offers, rows: Bools) -> Bools:
    """Tell which workloads have some of the rows."""
    return np.bincount(offers.workload[rows], minlength=len(fleet.workloads)) > 0


@dataclass(frozen=True, slots=True)
class _Case:
    """What is needed to say why."""

    fleet: Fleet
    offers: Offers
    pool_supply: PoolSupply
    feasibility: Feasibility
    asked: Asked
    stage: str

    def refusal(self, w: int, stage: Bools) -> Refusal:
        """Say why a workload has no choice."""
        first, last = np.searchsorted(self.offers.workload, [w, w + 1])
        rows = np.arange(first, last)[stage[first:last]]
        name = self.fleet.workloads[w].name
        which = f"{self.stage} deployment" if self.stage else "deployment"
        if not len(rows):
            return Refusal(name, f"no {which} of `{name}` is on offer{self._why_none(w)}.")
        met = {limit: holds[rows] for limit, holds in self.feasibility.met.items()}
        met["room"] = self.feasibility.room[rows] | ~met["price"]
        missed = {limit: ~holds for limit, holds in met.items() if not holds.all()}
        every = [limit for limit, misses in missed.items() if misses.all()]
        if every:
            said = [self._said(limit, w, rows) for limit in every]
            return Refusal(name, f"no {which} of `{name}` " + ", and none ".join(said) + ".")
        parts = []
        for limit, misses in missed.items():
            others = np.logical_and.reduce(
                [np.ones(len(rows), dtype=bool)]
                + [holds for other, holds in met.items() if other != limit]
            )
            near = rows[others] if others.any() else rows[misses]
            parts.append(
                f"{np.count_nonzero(misses)} of {len(rows)} {_MISSED[limit]} "
                f"({self._nearest(limit, w, near)})"
            )
        return Refusal(name, f"no {which} of `{name}` meets every limit: {'; '.join(parts)}.")

    def _why_none(self, w: int) -> str:
        one = self.fleet.workloads[w]
        if files := one.deployments or self.fleet.deployments:
            return f": {', '.join(files)} has no row for it"
        if one.transformer is None:
            return ": no accelerator of its model meets its targets, even for one request alone"
        return ": none fits into the memory of the pools' accelerators"

    def _said(self, limit: str, w: int, rows: Ints) -> str:
        return f"{_MET[limit]}: {self._nearest(limit, w, rows)}"

    def _nearest(self, limit: str, w: int, rows: Ints) -> str:
        """Return how near some offers come to a limit, and what is asked."""
        return dict(self._all_nearest(w, rows))[limit]

    def _all_nearest(self, w: int, rows: Ints) -> Iterator[tuple[str, str]]:
        offers, workload = self.offers, self.fleet.workloads[w]
        tpot, ttft = offers.tpot_seconds[rows], self.feasibility.first_token_seconds[rows]
        yield (
            "speed",
            f"the fastest gives {_least(tpot) * 1e3:.4g} ms per token, "
            f"asked {self.asked.tpot_seconds[w] * 1e3:.4g} ms",
        )
        yield (
            "first token",
            f"the soonest gives the first token after {_least(ttft):.4g} s, "
            f"asked {self.asked.ttft_seconds[w]:.4g} s",
        )
        regions = {self.fleet.pools[p].region or "no region" for p in offers.pool[rows]}
        allowed = ", ".join(workload.regions or ()) or "none"
        yield "region", f"they stand in {', '.join(sorted(regions))}, allowed {allowed}"
        quality = -_least(-offers.quality[rows])
        yield "quality", f"the best has {quality:.4g}, asked {self.asked.quality[w]:.4g}"
        yield "rate", "rates are 0, or head-room leaves nothing"
        yield "price", "their pools are sold as spot alone, which it may not use or cannot hold"
        gpus = int(self.feasibility.gpus[rows].min())
        most = self.pool_supply.gpus[offers.pool[rows]].max()
        yield "room", f"the smallest takes {gpus} accelerators, the largest pool has {most:g}"


def _least(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    known = values[~np.isnan(values)]
    return float(known.min()) if len(known) else float("nan")


_MET = {
    "speed": "is fast enough",
    "first token": "answers soon enough",
    "region": "stands where it may be served",
    "quality": "is good enough",
    "rate": "serves any request",
    "price": "can be bought",
    "room": "finds accelerators for a replica",
}
_MISSED = {
    "speed": "are too slow",
    "first token": "answer too late",
    "region": "stand in other regions",
    "quality": "are not good enough",
    "rate": "serve no request",
    "price": "cannot be bought",
    "room": "find no accelerators for a replica",
}
