"""Small fleets by hand, each about one group of constraints, with names that can be read."""

import math
from dataclasses import replace

import numpy as np

from planner.candidates.fleet.model_data import (
    Choices,
    Horizon,
    Layouts,
    Limits,
    ModelData,
    PoolSupply,
    Wanted,
)
from planner.formulations.fleet.index_sets import Names

NONE = math.nan
FREE = math.inf
COLOCATED, PREFILL, DECODE = range(3)
LIMITLESS = Limits(FREE, FREE, FREE, 0, 0.0)


def periods(*hours: float) -> Horizon:
    """Periods one after the other."""
    count = len(hours)
    names = tuple(("night", "day", "evening")[:count])
    return Horizon(names, np.array(hours), np.ones(count), np.arange(count) - 1)


def pools(count: int, **columns: tuple) -> PoolSupply:
    """On demand at 1 and 3 dollars and without limit, but for what is said."""
    nothing = {
        "gpus": (FREE,) * count,
        "increment": (1,) * count,
        "on_demand_dollars": (1.0, 3.0)[:count],
        "reserved_dollars": (NONE,) * count,
        "spot_dollars": (NONE,) * count,
        "on_demand_gpus": (FREE,) * count,
        "reserved_gpus": (FREE,) * count,
        "spot_gpus": (FREE,) * count,
        "watts": (0.0,) * count,
        "watts_at_most": (FREE,) * count,
        "kilograms_per_hour": (0.0,) * count,
    }
    return PoolSupply(**{name: np.array(value) for name, value in (nothing | columns).items()})


def offered(*rows: dict) -> Choices:
    """One row each, with its workload, pool, gpus and rates; all else is nothing unless said."""
    nothing = {
        "spot": False,
        "role": COLOCATED,
        "dollars_per_hour": NONE,
        "startup_dollars": 0.0,
        "running": 0,
    }
    rows = [
        nothing | {"offer": index, "working": row["gpus"]} | row for index, row in enumerate(rows)
    ]
    return Choices(**{name: np.array([row[name] for row in rows]) for name in Choices.__slots__})


def wanted(*rows: dict) -> Wanted:
    """One row each, with its demand; all else is nothing unless said."""
    nothing = {
        "shares": (1.0,),
        "least": 0,
        "most": np.inf,
        "survives": False,
        "kinds": np.inf,
        "shed_at_most": 0.0,
        "shed_dollars": 0.0,
    }
    rows = [nothing | row for row in rows]
    names = [name for name in Wanted.__slots__ if name in rows[0]]
    return Wanted(**{name: np.array([row[name] for row in rows]) for name in names})


def fleet(
    choices: Choices, asked: Wanted, pool_supply: PoolSupply, *, hours=(1.0,), **more
) -> ModelData:
    """These choices for those who ask, in this market."""
    return ModelData(
        periods(*hours),
        pool_supply,
        choices,
        asked,
        more.get("limits", LIMITLESS),
        more.get("running", False),
    )


def row(workload: int, pool: int, gpus: int, *rates: float, **more) -> dict:
    return {"workload": workload, "pool": pool, "gpus": gpus, "rates": rates, **more}


SMALL, LARGE = row(0, 0, 1, 2.0), row(0, 1, 2, 5.0)

CRAFTED = {
    "coverage": fleet(
        offered(SMALL, row(0, 1, 2, 20.0)),
        wanted({"demand": (7.0,), "shed_at_most": 0.25, "shed_dollars": 0.001}),
        pools(2),
    ),
    "stages": fleet(
        offered(
            row(0, 0, 1, 2.0, role=PREFILL),
            row(0, 0, 1, 3.0, role=DECODE),
            row(0, 1, 2, 4.0),
        ),
        wanted({"demand": (7.0,)}),
        pools(2),
    ),
    "regions": fleet(
        offered(
            row(0, 0, 1, 2.0, role=PREFILL),
            row(0, 0, 1, 3.0, role=DECODE),
            row(0, 1, 1, 2.5, role=DECODE),
            row(0, 1, 2, 4.0),
        ),
        wanted({"demand": (7.0,), "survives": True, "shed_at_most": 0.25, "shed_dollars": 0.001}),
        pools(2, place=(0, 1)),
    ),
    "classes": fleet(
        offered(row(0, 0, 1, 2.0, 0.5), row(0, 1, 2, 3.0, 4.0)),
        wanted(
            {"demand": (8.0,), "shares": (0.75, 0.25), "shed_at_most": 0.5, "shed_dollars": 1.0}
        ),
        pools(2),
    ),
    "n_plus_1": fleet(
        offered(SMALL, LARGE), wanted({"demand": (8.0,), "survives": True}), pools(2)
    ),
    "deployments": fleet(
        offered(SMALL, LARGE),
        wanted({"demand": (8.0,), "kinds": 1.0, "least": 3, "most": 6.0}),
        pools(2),
    ),
    "kinds": fleet(
        offered(
            row(0, 0, 1, 2.0),
            row(0, 0, 1, 1.5, spot=True, offer=0),
            row(0, 1, 2, 5.0, offer=1),
        ),
        wanted({"demand": (8.0,), "kinds": 1.0}),
        pools(2, spot_dollars=(0.5, NONE), spot_gpus=(3.0, FREE)),
    ),
    "purchases": fleet(
        offered(
            SMALL,
            LARGE,
            row(0, 1, 4, 8.0, spot=True),
            row(0, 0, 1, 2.5, dollars_per_hour=1.25),
        ),
        wanted({"demand": (4.0, 16.0)}),
        pools(
            2,
            gpus=(6.0, 20.0),
            increment=(1, 4),
            reserved_dollars=(0.5, 2.0),
            reserved_gpus=(2.0, FREE),
            on_demand_gpus=(5.0, 9.0),
            spot_dollars=(NONE, 1.0),
        ),
        hours=(8.0, 16.0),
    ),
    "starts": fleet(
        offered(SMALL | {"startup_dollars": 0.75, "running": 2}, LARGE),
        wanted({"demand": (4.0, 16.0)}),
        pools(2),
        hours=(8.0, 16.0),
        running=True,
    ),
    "changes": replace(
        fleet(
            offered(
                SMALL | {"startup_dollars": 0.75, "running": 4},
                row(0, 0, 1, 3.0, startup_dollars=0.75),
                LARGE,
            ),
            wanted({"demand": (8.0, 16.0)}),
            pools(2),
            hours=(8.0, 16.0),
            running=True,
            limits=replace(LIMITLESS, changes=3.0),
        ),
        layouts=Layouts(np.array([0, 0, 1]), np.array([4, 0])),
    ),
    "limits": fleet(
        offered(SMALL, LARGE),
        wanted({"demand": (8.0,)}),
        pools(
            2, watts=(400.0, 800.0), watts_at_most=(1600.0, FREE), kilograms_per_hour=(0.25, 0.125)
        ),
        hours=(2.0,),
        limits=Limits(32.0, 4000.0, 4.0, 0, 0.0),
    ),
    "robust": fleet(
        offered(SMALL, row(1, 0, 1, 1.0), row(1, 0, 2, 2.5)),
        wanted({"demand": (4.0,)}, {"demand": (5.0,), "kinds": 1.0}),
        pools(1),
        limits=replace(LIMITLESS, rising=1, rise=0.5),
    ),
    "robust_classes": fleet(
        offered(row(0, 0, 1, 2.0, 0.5), row(0, 0, 2, 3.0, 4.0)),
        wanted({"demand": (8.0,), "shares": (0.75, 0.25)}),
        pools(1),
        limits=replace(LIMITLESS, rising=1, rise=0.5),
    ),
}


def names(data: ModelData) -> Names:
    """Readable names of a crafted fleet."""
    workloads, accelerators = ("chat", "code"), ("L4", "H100")
    choices = data.choices
    return Names(
        workloads[: len(data.wanted.demand)],
        accelerators[: len(data.pool_supply.gpus)],
        tuple(
            f"{workloads[w]}_{accelerators[p]}_{'spot' if spot else 'steady'}_{offer}"
            for w, p, spot, offer in zip(
                choices.workload, choices.pool, choices.spot, choices.offer, strict=True
            )
        ),
        ("short", "long")[: data.wanted.shares.shape[1]],
    )
