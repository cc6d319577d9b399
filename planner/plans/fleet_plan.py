"""The answer for a fleet: which replicas run where and when, what is bought, what is served."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from planner.errors import OutputError
from planner.io.column_csv import Column, Named, frame, write_columns, write_constants
from planner.io.output import SIGNIFICANT_DIGITS, compact_json, write_json
from planner.plans.comparison import Comparison
from planner.problem.offers import ROLES

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MARKETS = ("reserved", "on-demand", "spot")
"""Ways of paying; a purchase's market is an index into these."""
CAPACITY_TYPES = ("steady", "spot")
"""What a replica runs on: accelerators that stay (reserved or on demand), or spot."""
PLAN_FILE, PURCHASES_FILE, SERVICE_FILE, SUMMARY_FILE = (
    "plan.csv",
    "purchases.csv",
    "service.csv",
    "summary.json",
)
FILES = (PLAN_FILE, PURCHASES_FILE, SERVICE_FILE, SUMMARY_FILE)
"""What a folder with a plan holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Replicas:
    """One row per workload, deployment and period in which it runs, or is added; N rows."""

    workload: Ints
    """(N,) index into the plan's workloads."""
    period: Ints
    """(N,) index into the plan's periods."""
    pool: Ints
    """(N,) index into the plan's pools."""
    spot: Bools
    """(N,) whether it runs on accelerators that can be taken away."""
    label: Ints
    """(N,) index into `labels`."""
    role: Ints
    """(N,) index into `offers.ROLES`."""
    replicas: Ints
    """(N,) replicas that run; at least 1, or 0 where there are extra ones only."""
    gpus: Ints
    """(N,) accelerators they occupy together."""
    requests_per_second: Floats
    """(N,) what they can serve together after every deduction."""
    tpot_seconds: Floats
    """(N,) time per output token that a user sees."""
    ttft_seconds: Floats
    """(N,) time to the first token that a user sees, round trip included."""
    starts: Ints
    """(N,) replicas that start with this period."""
    dollars: Floats
    """(N,) their own price over the period; NaN where the pool's price holds."""
    served: Floats | None
    """(N, K) requests per second served of each class, 0 where requests are alike; None where no
    workload has classes."""
    labels: tuple[str, ...]
    """Names of deployments."""
    extra: Ints | None = None
    """(N,) replicas that are added when the workload rises; None where no rise is planned for."""
    served_when_risen: Floats | None = None
    """(N, K) requests per second of each class that all of them then serve; None also where no
    workload has classes."""

    def __len__(self) -> int:
        return len(self.workload)


@dataclass(frozen=True, slots=True, eq=False)
class Purchases:
    """One row per pool, way of paying and period in which accelerators are bought; N rows."""

    pool: Ints
    """(N,) index into the plan's pools."""
    market: Ints
    """(N,) index into `MARKETS`."""
    period: Ints
    """(N,) index into the plan's periods; -1 for reserved ones, which are bought for all."""
    gpus: Floats
    """(N,) accelerators bought."""
    nodes: Floats
    """(N,) nodes these are; NaN where accelerators are bought one by one."""
    dollars: Floats
    """(N,) cost over the period, or over the horizon."""
    used_gpus: Floats
    """(N,) accelerators that replicas occupy; the mean over the horizon for reserved ones."""
    utilisation: Floats
    """(N,) used over bought."""
    shadow_price: Floats
    """(N,) dollars that one more accelerator of the pool would save in an hour; NaN unknown."""

    def __len__(self) -> int:
        return len(self.pool)


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """What each of W workloads gets in each of T periods."""

    demand: Floats
    """(W, T) requests per second asked for."""
    capacity: Floats
    """(W, T) requests per second that its replicas can serve, in the scarcer stage."""
    shed: Floats
    """(W, T) requests per second refused."""
    utilisation: Floats
    """(W, T) what is served over the capacity; NaN where there is none."""
    priority: Ints
    """(W,) 1 is served first."""


@dataclass(frozen=True, slots=True, eq=False)
class ShadowPrices:
    """What a little more of what is scarce would save."""

    pools: Floats
    """(P, T) dollars per hour that one more accelerator of a pool would save in a period."""
    budget: float = 0.0
    """Dollars that one more dollar of the budget would save."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The most traffic that was found, where that is what is asked."""

    factor: float
    """What the mix of demands is multiplied by."""
    requests_per_second: float
    """Requests per second of all workloads together, in the mean of the horizon."""
    bound: float
    """Requests per second that no plan is above."""

    @property
    def gap(self) -> float:
        """Distance of the two as a part of the traffic."""
        return (self.bound - self.requests_per_second) / self.requests_per_second


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FleetPlan:
    """A fleet's plan with its proof: a head, and three tables held by column."""

    fleet: str
    """Name of the fleet."""
    status: str
    """`optimal`, `time_limit`, `infeasible` or `no_solution_in_time`."""
    objective: float = math.nan
    """Dollars over the horizon, those for refused requests included; NaN where there is no plan."""
    bound: float = math.nan
    """Proven lower bound on it."""
    gap: float = math.nan
    """Distance of the two as a part of the objective."""
    dollars: float = math.nan
    """Cost over the horizon; under scenarios the expected one."""
    dollars_per_hour: float = math.nan
    """Its mean over the hours."""
    solver: str = ""
    method: str = ""
    """`milp` or `decomposition`."""
    seconds: float = math.nan
    """Wall time of solving."""
    planner_version: str = ""
    fleet_digest: str = ""
    message: str = ""
    """Why there is no plan, or what else to know."""
    prices: ShadowPrices | None = None
    traffic: Traffic | None = None
    """Where the most traffic is asked for; the rest of the plan is what costs least for it."""
    comparison: Comparison | None = None
    """What keeping and changing what runs costs; None where changes need save nothing."""
    workloads: tuple[str, ...]
    pools: tuple[str, ...]
    periods: tuple[str, ...]
    hours: Floats
    """(T,) hours, times the probability of the scenario."""
    supply: Floats
    """(P,) accelerators there are; infinity for no limit."""
    classes: tuple[tuple[str, ...], ...]
    """Names of the request classes of each workload; empty where its requests are alike."""
    replicas: Replicas
    purchases: Purchases
    service: Service

    @property
    def found(self) -> bool:
        """Whether there is a plan."""
        return self.status in ("optimal", "time_limit")

    def to_csv(self, path: str | Path) -> None:
        """Write the replicas, one row per workload, deployment and period.

        Where there is no plan, one row says so.

        Raises
        ------
        OutputError
            Where the path cannot be written.
        """
        columns = replica_columns(self)
        if len(self.replicas):
            write_columns(path, columns, len(self.replicas))
        else:
            write_constants(path, columns)

    def purchases_csv(self, path: str | Path) -> None:
        """Write what is bought, one row per pool, way of paying and period.

        Raises
        ------
        OutputError
            Where the path cannot be written.
        """
        write_columns(path, purchase_columns(self), len(self.purchases))

    def service_csv(self, path: str | Path) -> None:
        """Write what is served, one row per workload and period.

        Raises
        ------
        OutputError
            Where the path cannot be written.
        """
        write_columns(path, service_columns(self), self.service.demand.size)

    def table(self) -> pd.DataFrame:
        """Return the replicas as a table with the columns of the CSV."""
        return frame(replica_columns(self), len(self.replicas))

    def purchases_table(self) -> pd.DataFrame:
        """Return what is bought as a table with the columns of the CSV."""
        return frame(purchase_columns(self), len(self.purchases))

    def service_table(self) -> pd.DataFrame:
        """Return what is served as a table with the columns of the CSV."""
        return frame(service_columns(self), self.service.demand.size)

    def summary(self) -> dict[str, Any]:
        """Return the head of the plan as a mapping that JSON can hold."""
        return _summary(self)

    def write(self, folder: str | Path) -> None:
        """Write plan.csv, purchases.csv, service.csv and summary.json into a folder.

        Raises
        ------
        OutputError
            Where they cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError.at(folder, error, "folder") from error
        self.to_csv(folder / PLAN_FILE)
        self.purchases_csv(folder / PURCHASES_FILE)
        self.service_csv(folder / SERVICE_FILE)
        write_json(self.summary(), folder / SUMMARY_FILE)


def replica_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return the columns of plan.csv."""
    rows = plan.replicas
    return {
        "fleet": plan.fleet,
        "status": plan.status,
        "period": Named(plan.periods, rows.period),
        "workload": Named(plan.workloads, rows.workload),
        "pool": Named(plan.pools, rows.pool),
        "market": Named(CAPACITY_TYPES, rows.spot.astype(np.int64)),
        "label": Named(rows.labels, rows.label),
        "role": Named(ROLES, rows.role),
        "replicas": rows.replicas,
        "gpus": rows.gpus,
        "requests_per_second": rows.requests_per_second,
        "tpot_seconds": rows.tpot_seconds,
        "ttft_seconds": rows.ttft_seconds,
        "starts": rows.starts,
        "dollars": rows.dollars,
        "served": _served_texts(plan, rows.served),
        **_rise_columns(plan),
        "objective": plan.objective,
        "bound": plan.bound,
        "gap": plan.gap,
        "solver": plan.solver,
        "planner_version": plan.planner_version,
        "fleet_digest": plan.fleet_digest,
    }


def purchase_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return the columns of purchases.csv."""
    rows = plan.purchases
    return {
        "pool": Named(plan.pools, rows.pool),
        "market": Named(MARKETS, rows.market),
        "period": Named(plan.periods, rows.period),
        "gpus": rows.gpus,
        "nodes": rows.nodes,
        "dollars": rows.dollars,
        "used_gpus": rows.used_gpus,
        "utilisation": rows.utilisation,
        "shadow_price_dollars_per_gpu_hour": rows.shadow_price,
    }


def service_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return the columns of service.csv, workload by workload."""
    workloads, periods = plan.service.demand.shape
    return {
        "workload": Named(plan.workloads, np.repeat(np.arange(workloads), periods)),
        "period": Named(plan.periods, np.tile(np.arange(periods), workloads)),
        "demand": plan.service.demand.ravel(),
        "capacity": plan.service.capacity.ravel(),
        "shed": plan.service.shed.ravel(),
        "utilisation": plan.service.utilisation.ravel(),
        "priority": np.repeat(plan.service.priority, periods),
    }


def _rise_columns(plan: FleetPlan) -> dict[str, Column]:
    """Return the columns of plans that are ready for workloads that rise."""
    rows = plan.replicas
    if rows.extra is None:
        return {}
    return {
        "extra_replicas": rows.extra,
        "served_when_risen": _served_texts(plan, rows.served_when_risen),
    }


def _served_texts(plan: FleetPlan, served: Floats | None) -> Column:
    """Return the requests served by class as JSON, empty where requests are alike."""
    if served is None:
        return Named((), np.full(len(plan.replicas), -1))
    texts = []
    for workload, row in zip(plan.replicas.workload.tolist(), served.tolist(), strict=True):
        # Classes that a workload does not have stand behind those that it has.
        pairs = zip(plan.classes[workload], row, strict=False)
        by_class = {name: _rounded(value) for name, value in pairs}
        texts.append(compact_json(by_class) if by_class else "")
    return texts


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _summary(plan: FleetPlan) -> dict[str, Any]:
    pools: list[dict[str, Any]] = [
        {"name": name, "gpus": _finite(gpus)}
        for name, gpus in zip(plan.pools, plan.supply.tolist(), strict=True)
    ]
    if plan.prices is not None:
        for pool, prices in zip(pools, plan.prices.pools.tolist(), strict=True):
            pool["shadow_prices_dollars_per_gpu_hour"] = [_finite(price) for price in prices]
    return {
        "fleet": plan.fleet,
        "status": plan.status,
        "objective": _finite(plan.objective),
        "bound": _finite(plan.bound),
        "gap": _finite(plan.gap),
        "dollars": _finite(plan.dollars),
        "dollars_per_hour": _finite(plan.dollars_per_hour),
        "solver": plan.solver,
        "method": plan.method,
        "seconds": _finite(plan.seconds),
        "planner_version": plan.planner_version,
        "fleet_digest": plan.fleet_digest,
        "message": plan.message,
        "budget_shadow_price": plan.prices.budget if plan.prices else None,
        "traffic": None if plan.traffic is None else asdict(plan.traffic),
        "what_runs": plan.comparison and plan.comparison.summary(),
        "periods": [
            {"name": name, "hours": hours}
            for name, hours in zip(plan.periods, plan.hours.tolist(), strict=True)
        ],
        "pools": pools,
    }
