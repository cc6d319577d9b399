"""Small fleets, candidate files and a plain exact answer, for the tests of candidates."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from planner.candidates.fleet.model_data import ModelData
from planner.problem.fleet import Fleet
from solvers.quiet_highspy import load_highspy


def fleet(**changes: object) -> Fleet:
    """Return a fleet of one workload `chat` and one pool `h100`, with other fields."""
    base = {
        "name": "test",
        "workloads": [{"name": "chat", "requests_per_second": 10.0}],
        "pools": [{"name": "h100", "on_demand": {"dollars_per_gpu_hour": 2.0}}],
    }
    return Fleet.model_validate({**base, **changes})


def write(path: Path, *lines: str) -> str:
    """Write lines into a file and return its path."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def inferno(columns: Path, capacity: Path, folder: Path, *, most: int | str) -> Fleet:
    """Return llm-inferno's servers as a fleet, with their columns as its candidate file."""
    rows = pd.read_csv(columns)
    pd.DataFrame(
        {
            "workload": rows["server"],
            "pool": rows["type"],
            "label": rows["accelerator"],
            "gpus": rows["units_per_replica"],
            "requests_per_second": rows["max_rpm_per_replica"] / 60,
        }
    ).to_csv(folder / "inferno.csv", index=False)
    cents = rows["cost_cents_per_h_per_replica"] / rows["units_per_replica"]
    price = (cents / 100).groupby(rows["type"]).first()
    supply = {entry["type"]: entry["count"] for entry in json.loads(capacity.read_text())["count"]}
    demand = rows.groupby("server")["arrival_rate_rpm"].first() / 60
    return fleet(
        workloads=[
            {"name": name, "requests_per_second": rate, "max_deployments": most}
            for name, rate in demand.items()
        ],
        pools=[
            {"name": name, "gpus": supply[name], "on_demand": {"dollars_per_gpu_hour": dollars}}
            for name, dollars in price.items()
        ],
        deployments=str(folder / "inferno.csv"),
    )


def least_cost(data: ModelData, weights: Sequence[float] | None = None) -> float:
    """Return the least dollars per hour of one period without extras, by a plain MILP.

    `weights` replaces the dollars of one replica of every choice.
    """
    choices, pool_supply, wanted = data.choices, data.pool_supply, data.wanted
    steady = np.where(
        np.isnan(pool_supply.on_demand_dollars),
        pool_supply.reserved_dollars,
        pool_supply.on_demand_dollars,
    )
    capacity_type = np.where(
        choices.spot, pool_supply.spot_dollars[choices.pool], steady[choices.pool]
    )
    own = choices.dollars_per_hour
    cost = (
        np.where(np.isnan(own), capacity_type * choices.gpus, own) if weights is None else weights
    )
    highspy = load_highspy()
    solver = highspy.Highs()
    solver.silent()
    replicas = [solver.addIntegral(lb=0, obj=float(each)) for each in cost]
    if not all(wanted.mixes):
        used = [solver.addBinary() for _ in cost]
        for c, each in enumerate(replicas):
            most = np.ceil(wanted.demand[choices.workload[c], 0] / choices.rates[c, 0])
            solver.addConstr(each <= float(most) * used[c])
    for w, demand in enumerate(wanted.demand[:, 0]):
        mine = np.flatnonzero(choices.workload == w)
        for other in (2, 1):
            rows = mine[choices.role[mine] != other]
            solver.addConstr(
                sum(float(choices.rates[c, 0]) * replicas[c] for c in rows) >= float(demand)
            )
        if not wanted.mixes[w]:
            solver.addConstr(sum(1 * used[c] for c in mine) <= 1)
    for p, gpus in enumerate(pool_supply.gpus):
        rows = np.flatnonzero(choices.pool == p)
        if np.isfinite(gpus) and len(rows):
            solver.addConstr(sum(int(choices.gpus[c]) * replicas[c] for c in rows) <= float(gpus))
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(solver.getInfo().objective_function_value)
