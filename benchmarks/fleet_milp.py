"""A fleet as one mixed-integer program, for what HiGHS makes of it by itself.

It knows what the fleets of `benchmarks/fleets.py` need: demand, lanes, ways of paying, supply and
nodes. Starts, refusals and guarantees are left out.
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
    from planner.fleets.candidates.offering import offers
    from planner.fleets.figuring.arrays import figures
    from planner.fleets.reading import read_fleet

    fleet = read_fleet(Path(folder))
    program = covering(figures(fleet, offers(fleet)))
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


def covering(numbers: Any) -> Any:
    """Return the fleet as one program: whole replicas cover demand with what is bought.

    Columns: replicas by choice and period, then what is bought by pool, in granules: reserved, on
    demand by period, spot by period. Rows: demand by workload and period, accelerators by pool,
    lane and period, supply by pool and period.
    """
    highspy = load_highspy()
    market, kinds = numbers.market, highspy.HighsVarType
    periods, pools = len(numbers.horizon), len(market.gpus)
    rows, columns, values = _entries(numbers)
    cost, upper = _columns(numbers)
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(cost), numbers.wanted.demand.size + 3 * pools * periods
    program.col_cost_, program.col_lower_, program.col_upper_ = cost, np.zeros(len(cost)), upper
    # Single accelerators come out whole where replicas are.
    nodes = market.granule > 1
    nodes = np.concatenate([nodes, np.repeat(nodes, periods), np.repeat(nodes, periods)])
    whole = [True] * (len(cost) - len(nodes)) + nodes.tolist()
    program.integrality_ = [kinds.kInteger if it else kinds.kContinuous for it in whole]
    demand, lanes = numbers.wanted.demand.ravel(), np.zeros(2 * pools * periods)
    supply = np.repeat(market.gpus, periods)
    free = np.full(len(lanes) + len(supply), -math.inf)
    program.row_lower_ = np.concatenate([demand, free])
    program.row_upper_ = np.concatenate([np.full(len(demand), math.inf), lanes, supply])
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(program.num_row_ + 1))
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_ = starts.astype(np.int32)
    program.a_matrix_.index_ = columns[order].astype(np.int32)
    program.a_matrix_.value_ = values[order]
    return program


def _entries(numbers: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and values of the program's matrix."""
    choices, granule = numbers.choices, numbers.market.granule.astype(float)
    periods, pools, size = len(numbers.horizon), len(granule), len(choices)
    lanes = numbers.wanted.demand.size
    supply = lanes + 2 * pools * periods
    reserved = size * periods
    on_demand = reserved + pools
    spot = on_demand + pools * periods
    # One row per entry of the matrix and period: first row, first column, column's step, value.
    replica, pool = np.arange(size) * periods, np.arange(pools)
    step = pool * periods
    steady, cheap = lanes + 2 * step, lanes + 2 * step + periods
    parts = [
        (choices.workload * periods, replica, 1, choices.rates[:, 0]),
        (lanes + (2 * choices.pool + choices.spot) * periods, replica, 1, choices.gpus),
        (steady, reserved + pool, 0, -granule),
        (steady, on_demand + step, 1, -granule),
        (cheap, spot + step, 1, -granule),
        (supply + step, reserved + pool, 0, granule),
        (supply + step, on_demand + step, 1, granule),
        (supply + step, spot + step, 1, granule),
    ]
    turn = np.arange(periods)
    rows = [(row[:, None] + turn).ravel() for row, *_ in parts]
    columns = [(column[:, None] + by * turn).ravel() for _, column, by, _ in parts]
    values = [np.repeat(value.astype(float), periods) for *_, value in parts]
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _columns(numbers: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return cost and upper bound of the program's columns."""
    choices, market, hours = numbers.choices, numbers.market, numbers.horizon.hours
    most = np.floor(market.gpus[choices.pool] / choices.gpus)
    costs, uppers = [np.zeros(most.size * len(hours))], [np.repeat(most, len(hours))]
    for way, paid in (
        ("reserved", hours.sum(keepdims=True)),
        ("on_demand", hours),
        ("spot", hours),
    ):
        price, limit = getattr(market, f"{way}_dollars"), getattr(market, f"{way}_gpus")
        amount = np.where(np.isnan(price), 0.0, np.minimum(limit, market.gpus)) / market.granule
        costs.append(np.outer(np.nan_to_num(price) * market.granule, paid).ravel())
        uppers.append(np.repeat(amount, len(paid)))
    return np.concatenate(costs), np.concatenate(uppers)
