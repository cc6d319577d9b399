"""A fleet as one mixed-integer program, for what HiGHS makes of it by itself.

It knows what the fleets of `benchmarks/fleets.py` need: demand, capacity types, ways of paying,
supply and nodes. Starts, refusals and guarantees are left out.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from solvers.quiet_highspy import load_highspy


def direct(folder: str, seconds: str) -> dict[str, Any]:
    """Give a stored fleet to HiGHS with its defaults; return what it found and proved."""
    from planner.candidates.fleet.build_model_data import build_model_data
    from planner.candidates.fleet.gather import offers
    from planner.io.fleet.fleet_file import read_fleet

    fleet = read_fleet(Path(folder))
    program = covering(build_model_data(fleet, offers(fleet)))
    highspy = load_highspy()
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("time_limit", float(seconds))
    highs.setOptionValue("mip_rel_gap", fleet.solver.relative_gap)
    started = time.perf_counter()
    highs.passModel(program)
    highs.run()
    info = highs.getInfo()
    has_plan = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    value = info.objective_function_value if has_plan else math.inf
    return {
        "status": highs.modelStatusToString(highs.getModelStatus()).lower(),
        "objective": value,
        "bound": info.mip_dual_bound,
        "gap": (value - info.mip_dual_bound) / abs(value) if has_plan else math.inf,
        "solve": time.perf_counter() - started,
        "columns": program.num_col_,
        "rows": program.num_row_,
    }


def covering(data: Any) -> Any:
    """Return the fleet as one program: whole replicas cover demand with what is bought.

    Columns: replicas by choice and period, then what is bought by pool, in purchase increments:
    reserved, on demand by period, spot by period. Rows: demand by workload and period, accelerators
    by pool, capacity type and period, supply by pool and period.
    """
    highspy = load_highspy()
    pool_supply, kinds = data.pool_supply, highspy.HighsVarType
    periods, pools = len(data.horizon), len(pool_supply.gpus)
    rows, columns, values = _entries(data)
    cost, upper = _columns(data)
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(cost), data.wanted.demand.size + 3 * pools * periods
    program.col_cost_, program.col_lower_, program.col_upper_ = cost, np.zeros(len(cost)), upper
    # Single accelerators come out whole where replicas are.
    nodes = pool_supply.increment > 1
    nodes = np.concatenate([nodes, np.repeat(nodes, periods), np.repeat(nodes, periods)])
    whole = [True] * (len(cost) - len(nodes)) + nodes.tolist()
    program.integrality_ = [kinds.kInteger if it else kinds.kContinuous for it in whole]
    demand, capacity_types = data.wanted.demand.ravel(), np.zeros(2 * pools * periods)
    supply = np.repeat(pool_supply.gpus, periods)
    free = np.full(len(capacity_types) + len(supply), -math.inf)
    program.row_lower_ = np.concatenate([demand, free])
    program.row_upper_ = np.concatenate([np.full(len(demand), math.inf), capacity_types, supply])
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(program.num_row_ + 1))
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_ = starts.astype(np.int32)
    program.a_matrix_.index_ = columns[order].astype(np.int32)
    program.a_matrix_.value_ = values[order]
    return program


def _entries(data: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and values of the program's matrix."""
    choices, increment = data.choices, data.pool_supply.increment.astype(float)
    periods, pools, size = len(data.horizon), len(increment), len(choices)
    capacity_types = data.wanted.demand.size
    supply = capacity_types + 2 * pools * periods
    reserved = size * periods
    on_demand = reserved + pools
    spot = on_demand + pools * periods
    # One row per entry of the matrix and period: first row, first column, column's step, value.
    replica, pool = np.arange(size) * periods, np.arange(pools)
    step = pool * periods
    steady, cheap = capacity_types + 2 * step, capacity_types + 2 * step + periods
    parts = [
        (choices.workload * periods, replica, 1, choices.rates[:, 0]),
        (capacity_types + (2 * choices.pool + choices.spot) * periods, replica, 1, choices.gpus),
        (steady, reserved + pool, 0, -increment),
        (steady, on_demand + step, 1, -increment),
        (cheap, spot + step, 1, -increment),
        (supply + step, reserved + pool, 0, increment),
        (supply + step, on_demand + step, 1, increment),
        (supply + step, spot + step, 1, increment),
    ]
    turn = np.arange(periods)
    rows = [(row[:, None] + turn).ravel() for row, *_ in parts]
    columns = [(column[:, None] + by * turn).ravel() for _, column, by, _ in parts]
    values = [np.repeat(value.astype(float), periods) for *_, value in parts]
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _columns(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return cost and upper bound of the program's columns."""
    choices, pool_supply, hours = data.choices, data.pool_supply, data.horizon.hours
    most = np.floor(pool_supply.gpus[choices.pool] / choices.gpus)
    costs, uppers = [np.zeros(most.size * len(hours))], [np.repeat(most, len(hours))]
    for way, paid in (
        ("reserved", hours.sum(keepdims=True)),
        ("on_demand", hours),
        ("spot", hours),
    ):
        price, limit = getattr(pool_supply, f"{way}_dollars"), getattr(pool_supply, f"{way}_gpus")
        amount = (
            np.where(np.isnan(price), 0.0, np.minimum(limit, pool_supply.gpus))
            / pool_supply.increment
        )
        costs.append(np.outer(np.nan_to_num(price) * pool_supply.increment, paid).ravel())
        uppers.append(np.repeat(amount, len(paid)))
    return np.concatenate(costs), np.concatenate(uppers)
