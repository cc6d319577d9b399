"""The answer for a fleet: which replicas run where and when, what is bought, what is served."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from planner.io.column_csv import frame, write_columns, write_constants
from planner.io.output import make_folder, write_json
from planner.plans.comparison import Comparison
from planner.plans.fleet_columns import purchase_columns, replica_columns, service_columns
from planner.plans.folder import (
    PLAN_FILE,
    PURCHASES_FILE,
    SERVICE_FILE,
    SUMMARY_FILE,
)
from planner.plans.multipliers import Multipliers
from planner.plans.plan import FOUND
from planner.problem.offers import Deployment

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

OWN_PRICE = "deployments"
"""Source of the price of replicas that have one of their own."""


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
    dollars_per_gpu_hour: Floats
    """(N,) mean price of the accelerators that they occupy; NaN where they occupy none."""
    dollars_per_hour: Floats
    """(N,) what they cost in an hour of the period, their starts included."""
    price_source: Ints
    """(N,) index into `price_sources`."""
    gpus_per_replica: Ints
    """(N,) accelerators that one takes, as its deployment says."""
    quality: Floats
    """(N,) quality of its answers; NaN where none is stated."""
    tokens_per_second: Floats
    """(N,) output tokens that they can give together; NaN where the tokens of a request are not
    known, and of what only reads prompts."""
    served: Floats | None
    """(N, K) requests per second served of each class, 0 where requests are alike; None where no
    workload has classes."""
    labels: tuple[str, ...]
    """Names of deployments."""
    price_sources: tuple[str, ...]
    """Where prices come from; `deployments` where replicas have a price of their own."""
    deployment: Ints
    """(N,) index into `deployments`."""
    deployments: tuple[Deployment, ...]
    """What is known of deployments, by column of plan.csv."""
    extra: Ints | None = None
    """(N,) replicas that are added when the workload rises; None where no rise is planned for."""
    served_when_risen: Floats | None = None
    """(N, K) requests per second of each class that all of them then serve; None also where no
    workload has classes."""

    def __len__(self) -> int:
        return len(self.workload)

    @property
    def has_own_price(self) -> Bools:
        """(N,) whether their own price holds in place of the pool's."""
        return np.array([name == OWN_PRICE for name in self.price_sources], dtype=bool)[
            self.price_source
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Purchases:
    """One row per pool, way of paying and period in which accelerators are bought; N rows."""

    pool: Ints
    """(N,) index into the plan's pools."""
    market: Ints
    """(N,) index into `fleet_columns.MARKETS`."""
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
    """`optimal`, `feasible`, `time_limit`, `infeasible` or `no_solution_in_time`."""
    objective: float = math.nan
    """Dollars over the horizon, those for refused requests included; NaN where there is no plan."""
    bound: float = math.nan
    """Proven lower bound on it."""
    safe_bound: float = math.nan
    """Lower bound that trusts no solver, evaluated from `multipliers`; NaN where there are none."""
    gap: float = math.nan
    """Distance of objective and bound as a part of the objective."""
    dollars: float = math.nan
    """Cost over the horizon; under scenarios the expected one."""
    dollars_per_hour: float = math.nan
    """Its mean over the hours."""
    solver: str = ""
    method: str = ""
    """`milp` or `decomposition`; empty where nothing was formulated."""
    seconds: float = math.nan
    """Wall time of solving."""
    planner_version: str = ""
    fleet_digest: str = ""
    objective_name: str = "dollars_per_hour"
    """What is sought."""
    profile: str = ""
    """How times were predicted where the planner tabulated."""
    sweep: str = ""
    """Swept fields and their values as a JSON object; empty without a sweep."""
    message: str = ""
    """Why there is no plan, or what else to know."""
    prices: ShadowPrices | None = None
    multipliers: Multipliers | None = None
    """Prices from which the safe bound follows; None where they are not known."""
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
        return self.status in FOUND

    @property
    def own_dollars(self) -> Floats:
        """What rows at their own price cost over their period, starts left out; 0 of others."""
        rows = self.replicas
        paid = rows.dollars_per_gpu_hour * rows.gpus * self.hours[rows.period]
        return np.where(rows.has_own_price & (rows.gpus > 0), paid, 0.0)

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
        make_folder(folder)
        self.to_csv(folder / PLAN_FILE)
        self.purchases_csv(folder / PURCHASES_FILE)
        self.service_csv(folder / SERVICE_FILE)
        write_json(self.summary(), folder / SUMMARY_FILE)


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
        "instance": plan.fleet,
        "status": plan.status,
        "objective_name": plan.objective_name,
        "objective": _finite(plan.objective),
        "bound": _finite(plan.bound),
        "safe_bound": _finite(plan.safe_bound),
        "gap": _finite(plan.gap),
        "dollars": _finite(plan.dollars),
        "dollars_per_hour": _finite(plan.dollars_per_hour),
        "solver": plan.solver,
        "method": plan.method,
        "seconds": _finite(plan.seconds),
        "planner_version": plan.planner_version,
        "instance_digest": plan.fleet_digest,
        "profile": plan.profile,
        "sweep": plan.sweep,
        "message": plan.message,
        "budget_shadow_price": plan.prices.budget if plan.prices else None,
        "traffic": None if plan.traffic is None else asdict(plan.traffic),
        "what_runs": plan.comparison and plan.comparison.summary(),
        "periods": [
            {"name": name, "hours": hours}
            for name, hours in zip(plan.periods, plan.hours.tolist(), strict=True)
        ],
        "pools": pools,
        "multipliers": plan.multipliers and plan.multipliers.summary(),
    }
