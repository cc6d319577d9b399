"""The market of a fleet: what accelerators of every pool cost, weigh on power, and how many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner import catalogue
from planner.candidates.fleet.demand import horizon
from planner.candidates.fleet.model_data import Bools, Floats, Horizon, Ints, PoolSupply
from planner.catalogue.accelerator import Accelerator
from planner.errors import InputError, Problem, UnknownNameError
from planner.problem.fleet import Fleet, FleetPool, OnDemand, Reserved, Spot
from planner.problem.offers import Offers

NAN = float("nan")
GRAMS_PER_KILOGRAM = WATTS_PER_KILOWATT = 1000.0


def pool_supply(fleet: Fleet, offers: Offers) -> PoolSupply:
    """Return what can be bought in every pool.

    Parameters
    ----------
    fleet : Fleet
        What is asked.
    offers : Offers
        Deployments on offer; pools in which there are none need no price and no power.

    Raises
    ------
    InputError
        Where a price, a power or a carbon intensity is needed and not to be had.
    """
    problems: list[Problem] = []
    used, priced = _needs(fleet, offers)
    bought = [
        _bought(pool, f"pools[{at}]", bool(priced[at]), problems)
        for at, pool in enumerate(fleet.pools)
    ]
    watts = _watts(fleet, used, problems)
    carbon = _carbon(fleet, used, problems)
    if problems:
        raise InputError(problems)
    increment = np.asarray([pool.gpus_per_node or 1 for pool in fleet.pools], dtype=np.int64)

    def whole(gpus: list[float]) -> Floats:
        """Leave out what does not fill a node."""
        found: Floats = np.floor(np.asarray(gpus, dtype=np.float64) / increment) * increment
        return found

    reserved, spot = ([getattr(pool, way) for pool in fleet.pools] for way in ("reserved", "spot"))
    when = horizon(fleet)
    return PoolSupply(
        gpus=whole([np.inf if pool.gpus is None else pool.gpus for pool in fleet.pools]),
        increment=increment,
        on_demand_dollars=_mean_prices(bought, when),
        reserved_dollars=np.asarray(
            [NAN if way is None else way.dollars_per_gpu_hour for way in reserved]
        ),
        spot_dollars=_mean_prices(spot, when),
        price_factors=_price_factors((bought, spot), when),
        place=_places(fleet),
        on_demand_gpus=whole([_gpus(way) for way in bought]),
        reserved_gpus=whole([_gpus(way) for way in reserved]),
        spot_gpus=whole([_gpus(way) for way in spot]),
        watts=watts,
        watts_at_most=np.asarray(
            [np.inf if it.watts_at_most is None else it.watts_at_most for it in fleet.pools]
        ),
        kilograms_per_hour=watts / WATTS_PER_KILOWATT * carbon / GRAMS_PER_KILOGRAM,
    )


def _places(fleet: Fleet) -> Ints:
    """(P,) number of each pool's region; pools without one are in one together."""
    known: dict[str | None, int] = {}
    found = [known.setdefault(pool.region, len(known)) for pool in fleet.pools]
    return np.asarray(found, dtype=np.int64)


def _needs(fleet: Fleet, offers: Offers) -> tuple[Bools, Bools]:
    """Tell in which pools there are offers, and in which some have no price of their own."""
    count = len(fleet.pools)
    used = np.bincount(offers.pool, minlength=count) > 0
    without = offers.pool[np.isnan(offers.dollars_per_hour)]
    return used, np.bincount(without, minlength=count) > 0


def _mean_prices(ways: Sequence[OnDemand | Spot | None], when: Horizon) -> Floats:
    """(P,) prices in the mean of the horizon's hours; NaN where not on offer."""
    return np.asarray([NAN if way is None else mean_price(way, when) for way in ways])


def mean_price(way: OnDemand | Spot, when: Horizon) -> float:
    """Return what an accelerator costs in $/h in the mean of the horizon's hours."""
    prices = way.dollars_per_gpu_hour
    if len(prices) == 1:
        return prices[0]
    return float(_by_period(prices, when) @ when.hours / when.hours.sum())


def _by_period(prices: tuple[float, ...], when: Horizon) -> Floats:
    """(T,) prices of all periods; every scenario has the same."""
    return np.tile(np.asarray(prices), len(when) // len(prices))


def _price_factors(
    both: tuple[Sequence[OnDemand | Spot | None], Sequence[OnDemand | Spot | None]], when: Horizon
) -> Floats | None:
    """(2, P, T) prices over their mean; None where all prices stay the same."""
    if all(way is None or len(way.dollars_per_gpu_hour) == 1 for ways in both for way in ways):
        return None
    found = np.ones((2, len(both[0]), len(when)))
    for market, ways in enumerate(both):
        for row, way in zip(found[market], ways, strict=True):
            if way is not None:
                row[:] = _by_period(way.dollars_per_gpu_hour, when) / mean_price(way, when)
    return found


def _gpus(way: OnDemand | Reserved | Spot | None) -> float:
    if way is None:
        return 0.0
    return np.inf if way.gpus is None else float(way.gpus)


def _record(pool: FleetPool) -> Accelerator | None:
    """Return the catalogue's record of a pool's accelerator, if it has one."""
    try:
        return None if pool.accelerator is None else catalogue.accelerator(pool.accelerator)
    except UnknownNameError:
        return None


def on_demand(pool: FleetPool) -> OnDemand | None:
    """Return how accelerators are paid by the hour: as stated, else at the catalogue's price."""
    if pool.on_demand or pool.reserved or pool.spot:
        return pool.on_demand
    record = _record(pool)
    if record is None or record.price is None:
        return None
    return OnDemand(dollars_per_gpu_hour=(record.price.dollars_per_gpu_hour,))


def _bought(pool: FleetPool, field: str, needed: bool, problems: list[Problem]) -> OnDemand | None:
    """Return how accelerators are paid by the hour; say where they can be paid in no way."""
    found = on_demand(pool)
    if found is None and needed and not (pool.reserved or pool.spot):
        problems.append(
            Problem(
                field=f"{field}.on_demand",
                found="no way of paying",
                expected=f"a price, since {_unknown(pool)}",
                fix="Give `on_demand`, `reserved` or `spot`.",
            )
        )
    return found


def price_sources(fleet: Fleet) -> list[str]:
    """Return where every pool's prices come from: `instance`, or the catalogue's quote."""
    return [_price_source(pool) for pool in fleet.pools]


def _price_source(pool: FleetPool) -> str:
    record = None if pool.on_demand or pool.reserved or pool.spot else _record(pool)
    return "instance" if record is None or record.price is None else record.price.quote


def _unknown(pool: FleetPool) -> str:
    if pool.accelerator is None:
        return "the pool names no `accelerator` whose price the catalogue could have"
    if _record(pool) is None:
        return f"the catalogue has no accelerator {pool.accelerator}"
    return f"the catalogue does not say it for {pool.accelerator}"


def _watts(fleet: Fleet, used: Bools, problems: list[Problem]) -> Floats:
    """Return the power of a busy accelerator; 0 where it is unknown and not needed."""
    found = []
    everywhere = fleet.watts_at_most is not None or fleet.carbon_kilograms_at_most is not None
    for at, pool in enumerate(fleet.pools):
        record = _record(pool)
        watts = pool.watts_per_gpu
        if watts is None and record is not None:
            watts = record.power_watts
        if watts is None and used[at] and (everywhere or pool.watts_at_most is not None):
            problems.append(
                Problem(
                    field=f"pools[{at}].watts_per_gpu",
                    found="nothing",
                    expected=f"the power of an accelerator, since it is limited and "
                    f"{_unknown(pool)}",
                    fix="Write the watts of a busy accelerator.",
                )
            )
        found.append(watts or 0.0)
    return np.asarray(found, dtype=np.float64)


def _carbon(fleet: Fleet, used: Bools, problems: list[Problem]) -> Floats:
    """Return grams per kilowatt-hour; 0 where it is not stated and not needed."""
    for at, pool in enumerate(fleet.pools):
        stated = pool.carbon_grams_per_kilowatt_hour is not None
        if fleet.carbon_kilograms_at_most is not None and used[at] and not stated:
            problems.append(
                Problem(
                    field=f"pools[{at}].carbon_grams_per_kilowatt_hour",
                    found="nothing",
                    expected="the carbon of the region's electricity, since carbon is limited",
                    fix="Write grams per kilowatt-hour.",
                )
            )
    return np.asarray([it.carbon_grams_per_kilowatt_hour or 0.0 for it in fleet.pools])
