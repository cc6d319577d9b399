"""The deployments on offer to an instance, as a table that it can read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from planner.candidates.fleet.gather import offers as offers_of
from planner.io.as_fleet import as_fleet
from planner.io.candidate_files.read_csv import looks_like_known
from planner.io.long_form import OF_ONE_DEPLOYMENT
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance
from planner.problem.offers import ROLES, Offers

if TYPE_CHECKING:
    import pandas as pd

READ_BACK = (
    *("workload", "pool", "label", "role", "request_class", "gpus_per_replica"),
    *("requests_per_second", "tpot_seconds", "ttft_seconds", "dollars_per_hour", "quality"),
)
"""Columns that `deployments` of an instance reads; the others say what a label stands for."""


def deployments_on_offer(instance: Instance | Fleet) -> pd.DataFrame:
    """List the deployments from which the plan of an instance is chosen.

    Of every number of accelerators in every pool, that is the one that serves most requests within
    the limits on speed and on the first token, unless fewer accelerators serve as many. Where none
    is within the limits, the fastest and the soonest.

    Parameters
    ----------
    instance : Instance or Fleet
        What is asked.

    Returns
    -------
    DataFrame
        One row per workload, pool and deployment, and per class of requests where there are any:
        what one replica takes and serves, before any deduction. The first columns are those that
        a file of `deployments` has; what is known of degrees, precisions, times and memory
        follows.

    Raises
    ------
    InputError
        With every problem of the workloads, the pools and the files.

    Examples
    --------
    >>> import planner
    >>> from planner.analysis.on_offer import deployments_on_offer
    >>> table = deployments_on_offer(planner.read_instance("instances/llama-8b-smallest"))
    >>> table[["pool", "label", "gpus_per_replica"]].iloc[0].tolist()
    ['h100-sxm', 'tp1 fp8 b143', 1]
    """
    import pandas as pd

    fleet = instance if isinstance(instance, Fleet) else _fleet_of(instance)
    offers = offers_of(fleet)
    known = dict.fromkeys(name for one in offers.deployment for name in one)
    more = [name for name in known if name not in READ_BACK and not looks_like_known(name)]
    rows = [row for at in range(len(offers)) for row in _rows(fleet, offers, at)]
    table = pd.DataFrame(rows, columns=[*READ_BACK, *more])
    return table.dropna(axis="columns", how="all")


def _fleet_of(instance: Instance) -> Fleet:
    """Return an instance as a fleet, without what decides among deployments."""
    left_out = dict.fromkeys(("objective", "solver", *OF_ONE_DEPLOYMENT))
    return as_fleet(instance, **left_out)


def _rows(fleet: Fleet, offers: Offers, at: int) -> list[dict[str, Any]]:
    """Return one offer as a row, or where its requests have classes, as one for each it serves."""
    workload = fleet.workloads[offers.workload[at]]
    one: dict[str, Any] = {
        **(offers.deployment[at] if offers.deployment else {}),
        "workload": workload.name,
        "pool": fleet.pools[offers.pool[at]].name,
        "label": offers.label[at],
        "role": ROLES[offers.role[at]],
        "gpus_per_replica": int(offers.gpus[at]),
        "tpot_seconds": _stated(offers.tpot_seconds[at]),
        "ttft_seconds": _stated(offers.ttft_seconds[at]),
        "dollars_per_hour": _stated(offers.dollars_per_hour[at]),
        "quality": _stated(offers.quality[at]),
    }
    rates = offers.rates[at].tolist()
    if not workload.classes:
        return [one | {"requests_per_second": rates[0]}]
    return [
        one | {"request_class": kind.name, "requests_per_second": rate}
        for kind, rate in zip(workload.classes, rates, strict=False)
        if rate > 0
    ]


def _stated(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
