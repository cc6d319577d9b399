"""A written plan of a fleet, read back: for the checker, for pictures, for tables."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.errors import InputError, Problem, reason_of
from planner.io.column_csv import is_value
from planner.plans.agreement import (
    EXPECTED,
    insist_on_columns,
    insist_on_summary,
    insist_on_whole_rows,
)
from planner.plans.comparison import Comparison
from planner.plans.fleet_columns import (
    CAPACITY_TYPES,
    MARKETS,
    purchase_columns,
    replica_columns,
    service_columns,
)
from planner.plans.fleet_plan import (
    Bools,
    FleetPlan,
    Floats,
    Ints,
    Purchases,
    Replicas,
    Service,
    ShadowPrices,
    Traffic,
)
from planner.plans.folder import PLAN_FILE, PURCHASES_FILE, SERVICE_FILE, SUMMARY_FILE
from planner.plans.multipliers import read_multipliers
from planner.plans.plan import COLUMNS, Plan
from planner.problem.offers import ROLES, Deployment

if TYPE_CHECKING:
    import pandas as pd

FIRST_TOKEN = "time_to_first_token_seconds"
KNOWN = COLUMNS[COLUMNS.index("transformer") : COLUMNS.index("replicas")]
"""Columns of the deployment."""
NUMBERS = {
    PLAN_FILE: (
        ("replicas", "gpus", "starts", "gpus_per_replica"),
        (
            *("requests_per_second", "tpot_seconds", FIRST_TOKEN, "quality", "tokens_per_second"),
            *("dollars_per_gpu_hour", "dollars_per_hour"),
        ),
    ),
    PURCHASES_FILE: (
        (),
        (
            "gpus",
            "nodes",
            "dollars",
            "used_gpus",
            "utilisation",
            "shadow_price_dollars_per_gpu_hour",
        ),
    ),
    SERVICE_FILE: (("priority",), ("demand", "capacity", "shed", "utilisation")),
}
"""Columns of whole numbers, and of numbers, that are read, by file."""
WORDS = {
    PLAN_FILE: (
        "instance",
        "status",
        "period",
        "workload",
        "pool",
        "market",
        "label",
        "role",
        "price_source",
    ),
    PURCHASES_FILE: ("instance", "pool", "market", "period"),
    SERVICE_FILE: ("instance", "workload", "period"),
}
DESCRIBING = tuple(
    name
    for name in KNOWN
    if name not in (*NUMBERS[PLAN_FILE][0], *NUMBERS[PLAN_FILE][1], "tokens_per_second_per_request")
)
"""Columns of what is known of the deployment."""
SERVED, EXTRA, RISEN = "served", "extra_replicas", "served_when_risen"
"""Columns of plan.csv; the last two are there where a rise is planned for."""


def read_fleet_plan(folder: str | Path) -> FleetPlan:
    """Read what `FleetPlan.write` wrote.

    Parameters
    ----------
    folder : str or Path
        Holds plan.csv, purchases.csv, service.csv and summary.json.

    Returns
    -------
    FleetPlan
        Its tables have twelve significant digits, the head of the plan has all.

    Raises
    ------
    InputError
        Where a file cannot be read or is not what it should be.

    Examples
    --------
    >>> import planner
    >>> fleet = planner.read_instance("instances/melange")
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> planner.solve(fleet).write(folder)
    >>> planner.read_fleet_plan(folder).status
    'optimal'
    """
    folder = Path(folder)
    head = _head(folder / SUMMARY_FILE)
    for name in (PLAN_FILE, PURCHASES_FILE, SERVICE_FILE):
        insist_on_whole_rows(folder / name)
    rows, purchases, service = (
        _table(folder / name) for name in (PLAN_FILE, PURCHASES_FILE, SERVICE_FILE)
    )
    try:
        plan = _plan(folder, head, rows, purchases, service)
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(folder, str(error)) from None
    insist_on_summary(folder / SUMMARY_FILE, head, plan.summary())
    # Without a plan one row says so, with nothing but what is the same in all rows.
    there = len(plan.replicas)
    said = replica_columns(plan)
    if SERVED in rows:  # Also where no row serves any class.
        said = {name: said.get(name, "") for name in (*COLUMNS, SERVED, *said)}
    columns = {name: of if there or is_value(of) else None for name, of in said.items()}
    insist_on_columns(folder / PLAN_FILE, columns, max(there, 1))
    insist_on_columns(folder / PURCHASES_FILE, purchase_columns(plan), len(plan.purchases))
    insist_on_columns(folder / SERVICE_FILE, service_columns(plan), plan.service.demand.size)
    return plan


def _plan(
    folder: Path, head: dict[str, Any], rows: pd.DataFrame, bought: pd.DataFrame, got: pd.DataFrame
) -> FleetPlan:
    for name, table in ((PLAN_FILE, rows), (PURCHASES_FILE, bought), (SERVICE_FILE, got)):
        if set(table["instance"]) - {head["instance"]}:
            raise ValueError(f"{name} is of another instance than {SUMMARY_FILE}")
    if list(rows["status"].unique()) != [head["status"]]:
        raise ValueError(f"{PLAN_FILE} has another status than {SUMMARY_FILE}")
    periods = tuple(str(period["name"]) for period in head["periods"])
    pools = tuple(str(pool["name"]) for pool in head["pools"])
    workloads = tuple(str(name) for name in got["workload"].unique())
    kept = rows[rows["period"] != ""]
    classes, served = _served(kept, SERVED, workloads)
    named, risen = _served(kept, RISEN, workloads)
    if risen is not None and named != classes:
        raise ValueError(f"`{RISEN}` has other classes than `{SERVED}`")
    numbers = (
        *("objective", "bound", "safe_bound", "gap", "dollars", "dollars_per_hour", "seconds"),
    )
    texts = (
        "status",
        "solver",
        "method",
        "planner_version",
        "message",
        "objective_name",
        "profile",
        "sweep",
    )
    stated: dict[str, Any] = {name: _number(head[name]) for name in numbers}
    stated |= {name: str(head[name]) for name in texts}
    stated |= {"fleet": str(head["instance"]), "fleet_digest": str(head["instance_digest"])}
    return FleetPlan(
        **stated,
        prices=_prices(head),
        multipliers=read_multipliers(head["multipliers"], len(periods)),
        traffic=_traffic(head.get("traffic")),
        comparison=_comparison(head.get("what_runs")),
        workloads=workloads,
        pools=pools,
        periods=periods,
        hours=np.array([period["hours"] for period in head["periods"]], dtype=float),
        supply=np.array([_number(pool["gpus"], math.inf) for pool in head["pools"]]),
        classes=classes,
        replicas=_replicas(folder / PLAN_FILE, kept, (workloads, pools, periods), served, risen),
        purchases=_purchases(folder / PURCHASES_FILE, bought, pools, periods),
        service=_service(folder / SERVICE_FILE, got, workloads, periods),
    )


def _traffic(stated: dict[str, Any] | None) -> Traffic | None:
    if stated is None:
        return None
    return Traffic(**{field.name: float(stated[field.name]) for field in fields(Traffic)})


def _unusable(path: Path, found: str) -> InputError:
    return InputError(Problem(file=str(path), found=found, expected=EXPECTED))


def _number(value: Any, missing: float = math.nan) -> float:
    return missing if value is None else float(value)


def _head(path: Path) -> dict[str, Any]:
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(path, reason_of(error)) from None
    if not isinstance(head, dict):
        raise _unusable(path, "no mapping")
    return head


def _table(path: Path) -> pd.DataFrame:
    """Read the columns that are needed; empty names stay empty, empty numbers are NaN."""
    import pandas as pd

    wholes, numbers = NUMBERS[path.name]
    words = WORDS[path.name]
    try:
        if path.name == PLAN_FILE:
            there = pd.read_csv(path, nrows=0).columns
            words += (*DESCRIBING, *(name for name in (SERVED, RISEN) if name in there))
            wholes += tuple(name for name in (EXTRA,) if name in there)
        table = pd.read_csv(
            path,
            usecols=[*words, *wholes, *numbers],
            dtype=dict.fromkeys(words, "str") | dict.fromkeys((*wholes, *numbers), "float64"),
            keep_default_na=False,
            na_values=dict.fromkeys((*wholes, *numbers), ""),
        )
    except OSError as error:
        raise _unusable(path, reason_of(error)) from None
    except ValueError as error:
        raise _unusable(path, str(error)) from None
    return table


def _whole(path: Path, table: pd.DataFrame, name: str) -> Ints:
    values = table[name].to_numpy()
    if not (np.isfinite(values) & (values == np.rint(values))).all():
        raise _unusable(path, f"a number in {name} that is not whole")
    return values.astype(np.int64)


def _codes(path: Path, table: pd.DataFrame, name: str, known: Sequence[str]) -> Ints:
    """Return the places of names among those known, -1 for an empty one."""
    import pandas as pd

    values = pd.Index(table[name])
    codes = pd.Index(known, dtype=values.dtype).get_indexer(values).astype(np.int64)
    unknown = (codes < 0) & (values != "")
    if unknown.any():
        raise _unusable(path, f"{name} {values[unknown][0]!r}, which the plan does not name")
    return codes


def _named(path: Path, table: pd.DataFrame, name: str, known: Sequence[str]) -> Ints:
    codes = _codes(path, table, name, known)
    if (codes < 0).any():
        raise _unusable(path, f"a row without a {name}")
    return codes


def _served(
    table: pd.DataFrame, column: str, workloads: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], ...], Floats | None]:
    """Read what is served by class: the classes of each workload, and a column per class."""
    texts = table[column].to_numpy() if column in table else np.array([])
    if not (texts != "").any():
        return ((),) * len(workloads), None
    split = [json.loads(text) if text else {} for text in texts]
    found: dict[str, tuple[str, ...]] = {}
    for name, row in zip(table["workload"], split, strict=True):
        if tuple(row) != found.setdefault(name, tuple(row)):
            raise ValueError(f"rows of {name} with different classes in `{column}`")
    served = np.zeros((len(split), max(map(len, split))))
    for at, row in enumerate(split):
        served[at, : len(row)] = list(row.values())
    return tuple(found.get(name, ()) for name in workloads), served


def _prices(head: dict[str, Any]) -> ShadowPrices | None:
    name = "shadow_prices_dollars_per_gpu_hour"
    if head["budget_shadow_price"] is None:
        return None
    prices = [[_number(price) for price in pool[name]] for pool in head["pools"]]
    return ShadowPrices(np.array(prices), float(head["budget_shadow_price"]))


def _comparison(said: dict[str, Any] | None) -> Comparison | None:
    if said is None:
        return None
    numbers = ("dollars_per_hour_if_kept", "dollars_per_hour_if_changed")
    return Comparison(bool(said["kept"]), *(_number(said[name]) for name in numbers))


def _replicas(
    path: Path,
    table: pd.DataFrame,
    known: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    served: Floats | None,
    risen: Floats | None,
) -> Replicas:
    wholes, numbers = NUMBERS[PLAN_FILE]
    columns: dict[str, Any] = {name: _whole(path, table, name) for name in wholes}
    columns |= {name: table[name].to_numpy() for name in numbers}
    columns["ttft_seconds"] = columns.pop(FIRST_TOKEN)
    deployments, deployment = _deployments(table)
    workloads, pools, periods = known
    sources = tuple(str(name) for name in table["price_source"].unique())
    labels = tuple(str(label) for label in table["label"].unique())
    spot: Bools = _named(path, table, "market", CAPACITY_TYPES) == CAPACITY_TYPES.index("spot")
    return Replicas(
        workload=_named(path, table, "workload", workloads),
        period=_named(path, table, "period", periods),
        pool=_named(path, table, "pool", pools),
        spot=spot,
        label=_named(path, table, "label", labels),
        role=_named(path, table, "role", ROLES),
        **columns,
        served=served,
        labels=labels,
        price_source=_named(path, table, "price_source", sources),
        price_sources=sources,
        deployment=deployment,
        deployments=deployments,
        extra=_whole(path, table, EXTRA) if EXTRA in table else None,
        served_when_risen=risen,
    )


def _deployments(table: pd.DataFrame) -> tuple[tuple[Deployment, ...], Ints]:
    """Read what is known of deployments, each once, and which of them each row has."""
    known = table[list(DESCRIBING)]
    codes = known.groupby(list(DESCRIBING), sort=False).ngroup().to_numpy()
    once = known[~known.duplicated()].to_dict("records")
    deployments = tuple(
        {str(name): _described(str(name), text) for name, text in one.items() if text}
        for one in once
    )
    return deployments, codes.astype(np.int64)


def _described(name: str, text: str) -> str | float:
    kind = str(Plan.__annotations__[name])
    return text if kind.startswith("str") else float(text)


def _purchases(
    path: Path, table: pd.DataFrame, pools: tuple[str, ...], periods: tuple[str, ...]
) -> Purchases:
    *numbers, shadow = NUMBERS[PURCHASES_FILE][1]
    return Purchases(
        pool=_named(path, table, "pool", pools),
        market=_named(path, table, "market", MARKETS),
        period=_codes(path, table, "period", periods),
        **{name: table[name].to_numpy() for name in numbers},
        shadow_price=table[shadow].to_numpy(),
    )


def _service(
    path: Path, table: pd.DataFrame, workloads: tuple[str, ...], periods: tuple[str, ...]
) -> Service:
    """Put each number in the place of its workload and period; each must be there once."""
    shape = len(workloads), len(periods) if len(table) else 0
    at = _named(path, table, "workload", workloads) * len(periods)
    at += _named(path, table, "period", periods)
    if not np.array_equal(np.sort(at), np.arange(shape[0] * shape[1])):
        raise _unusable(path, "workloads and periods that do not stand there exactly once")
    order = np.argsort(at)
    numbers = {
        name: table[name].to_numpy()[order].reshape(shape) for name in NUMBERS[SERVICE_FILE][1]
    }
    priority = _whole(path, table, "priority")[order].reshape(shape)
    if (priority != priority[:, :1]).any():
        raise _unusable(path, "a workload with several priorities")
    return Service(**numbers, priority=priority[:, 0] if shape[1] else np.zeros(0, dtype=np.int64))
