"""The plain-Python oracle: loops over a table's rows; shares neither model nor solver."""

import math
from typing import Any

from planner.candidates.table import Candidates, label_of, sort_key
from planner.problem.instance import Instance
from planner.problem.resolve import ResolvedInstance

TIE = 1e-7
ROUNDING = 1e-9


def rows_of(resolved: ResolvedInstance, table: Candidates) -> list[dict[str, Any]]:
    """The table as plain dictionaries of the numbers the oracle needs."""
    rows = []
    for i in range(len(table)):
        pool = resolved.pools[int(table.pool[i])]
        rows.append(
            {
                "label": sort_key(resolved, table, i),
                "name": label_of(resolved, table, i),
                "available": pool.gpus,
                "gpus": int(table.gpus_per_replica[i]),
                "price": float(table.dollars_per_gpu_hour[i]),
                "batch": int(table.batch[i]),
                "arithmetic": float(table.arithmetic_seconds[i]),
                "memory": float(table.memory_seconds[i]),
                "network": float(table.network_seconds[i]),
                "latency": float(table.latency_seconds[i]),
                "stall": float(table.stall_seconds[i]),
                "round": float(table.step_seconds[i]) if table.draft[i] else None,
                "tokens": float(table.tokens_per_round[i]),
                "prefill": float(table.prefill_seconds[i]),
                "power": pool.rates.combine_power,
                "resident": float(table.memory_bytes_per_gpu[i]),
                "usable": float(table.usable_bytes_per_gpu[i]),
            }
        )
    return rows


def step_time(row: dict[str, Any]) -> float:
    """Seconds of a step; a round of several passes overlaps within each, and is given."""
    if row["round"] is not None:
        return row["round"]
    x, y, p = row["arithmetic"], row["memory"], row["power"]
    together = max(x, y) if math.isinf(p) else (x**p + y**p) ** (1.0 / p)
    return row["network"] + row["latency"] + together


def answer(instance: Instance, rows: list[dict[str, Any]]) -> tuple[str, int, float] | None:
    """Best (label, replicas, objective), or None where no row qualifies."""
    best: tuple[float, int, float, str] | None = None
    replicas_of_best = 0
    for row in rows:
        score = scored(instance, row)
        if score is None:
            continue
        marks, replicas = score
        if best is None or precedes(marks, best):
            best, replicas_of_best = marks, replicas
    if best is None:
        return None
    value = -best[0] if instance.aim == "tokens_per_second_per_request" else best[0]
    return best[3], replicas_of_best, value


def precedes(one: tuple[float, int, float, str], other: tuple[float, int, float, str]) -> bool:
    for mine, theirs in zip(one[:3], other[:3], strict=True):
        if abs(mine - theirs) > TIE * abs(theirs):
            return mine < theirs
    return one[3] < other[3]


def scored(
    instance: Instance, row: dict[str, Any]
) -> tuple[tuple[float, int, float, str], int] | None:
    """What one row scores, or None where it violates a requirement."""
    workload = instance.workload
    step = step_time(row)
    tpot = step / row["tokens"] + row["stall"]
    speed, rate = 1.0 / tpot, row["batch"] / tpot
    if row["resident"] > row["usable"] * (1 + ROUNDING):
        return None
    wanted = workload.tokens_per_second_per_request
    if wanted is not None and speed < wanted * (1 - ROUNDING):
        return None
    replicas = 1
    if workload.tokens_per_second is not None:
        while replicas * rate < workload.tokens_per_second * (1 - ROUNDING):
            replicas += 1
    if replicas > (workload.max_replicas or replicas):
        return None
    gpus = replicas * row["gpus"]
    if row["available"] is not None and gpus > row["available"]:
        return None
    first_token = row["prefill"] + step
    per_hour = gpus * row["price"]
    per_million = row["gpus"] * row["price"] / 3600.0 / rate * 1e6
    for attained, ceiling in (
        (first_token, workload.time_to_first_token_seconds),
        (per_hour, instance.dollars_per_hour_at_most),
        (per_million, instance.dollars_per_million_tokens_at_most),
    ):
        if ceiling is not None and attained > ceiling * (1 + ROUNDING):
            return None
    objective = {
        "dollars_per_hour": per_hour,
        "dollars_per_million_tokens": per_million,
        "tokens_per_second_per_request": -speed,
    }[instance.aim]
    return (objective, gpus, -speed, row["label"]), replicas
