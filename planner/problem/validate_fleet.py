"""The sense of a fleet: what its schema cannot say, all of it told at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from planner import catalogue
from planner.catalogue.huggingface import read_config
from planner.errors import InputError, Problem, few, hint
from planner.problem.fleet import Demand, Fleet, FleetWorkload
from planner.problem.most_traffic import asks_most_traffic
from planner.problem.resolve import is_config
from planner.problem.tolerances import ROUNDING

Checks = Iterator[Problem]


def validate_fleet(fleet: Fleet, *, has_offers: bool = False) -> tuple[Problem, ...]:
    """Return what makes no sense in a fleet.

    Parameters
    ----------
    fleet : Fleet
        As the schema allows it.
    has_offers : bool
        Whether deployments are given, so that neither candidate files nor the catalogue is needed.

    Returns
    -------
    tuple of Problem
        Fields are named, files and lines are not known here. Of many problems of one kind only
        the first few.
    """
    known = _Known(fleet, has_offers=has_offers)
    problems: list[Problem] = [*_doubled(fleet), *_pool_problems(known), *_catalogue_names(known)]
    problems += _price_problems(fleet)
    for at, workload in enumerate(fleet.workloads):
        for check in _CHECKS:
            problems += check(known, f"workloads[{at}]", workload)
    for of_all in (_running, _changes, _scenarios, _quantile, _traffic):
        problems += of_all(known)
    return tuple(few(problems))


class _Known:
    """A fleet with its names looked up once."""

    def __init__(self, fleet: Fleet, *, has_offers: bool) -> None:
        self.fleet = fleet
        self.workloads = {workload.name for workload in fleet.workloads}
        self.pools = {pool.name: pool for pool in fleet.pools}
        self.pool_regions = {pool.region for pool in fleet.pools if pool.region is not None}
        trips = fleet.round_trip_seconds
        self.regions = self.pool_regions.union(trips, *trips.values())
        self.has_offers = has_offers
        self.refusals = cache(_transformer)
        """Why a transformer cannot be had: looked up once for the many workloads that have it."""
        self.engine_refusals = cache(lambda name: _refused(catalogue.engine, name))
        """The same of engines."""
        self.has_classes = any(workload.classes for workload in fleet.workloads)

    def tabulates(self, workload: FleetWorkload) -> bool:
        """Tell whether the planner must draw up a workload's deployments itself."""
        return not (self.has_offers or workload.deployments or self.fleet.deployments)


def _doubled(fleet: Fleet) -> Checks:
    """Names must tell entries apart."""
    for key in ("workloads", "pools", "periods", "scenarios"):
        names = [entry.name for entry in getattr(fleet, key)]
        yield from _twice(names, key, "name")


def _twice(names: Sequence[str], field: str, inner: str) -> Checks:
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for at, name in enumerate(names):
        if name in seen:
            found, fix = f"'{name}' a second time", "Rename or remove one of the two."
            yield Problem("a name of its own", found, f"{field}[{at}].{inner}", fix)
        seen.add(name)


def _demand(known: _Known, field: str, workload: FleetWorkload) -> Checks:
    """Demand is given once, for every period, and of one quantile."""
    given = [
        (f"{field}.{name}", demand)
        for name in ("requests_per_second", "tokens_per_second")
        if (demand := getattr(workload, name)) is not None
    ]
    if not given and asks_most_traffic(known.fleet) and len(known.workloads) == 1:
        return  # One workload is a mix by itself.
    if len(given) != 1:
        both = "requests_per_second and tokens_per_second"
        yield Problem(
            f"one of {both}" if given else f"one of {both}, or a row in the table `demand`",
            both if given else "no demand",
            given[1][0] if given else field,
            "Remove one of the two." if given else "Add it; 0 where there is none.",
        )
    for name, demand in given:
        yield from _series(known, name, demand)


def _series(known: _Known, field: str, demand: Demand) -> Checks:
    periods = len(known.fleet.periods)
    by_quantile = demand if isinstance(demand, dict) else {"": demand}
    for quantile, series in by_quantile.items():
        if len(series) not in (1, periods):
            yield Problem(
                f"one value, or one for each of the {periods} periods",
                f"{len(series)} values",
                f"{field}.{quantile}" if quantile else field,
                "Give as many as there are periods.",
            )
    if not isinstance(demand, dict) or known.fleet.demand_quantile in demand:
        return
    names = ", ".join(demand)
    if known.fleet.demand_quantile is not None:
        fix = hint(known.fleet.demand_quantile, list(demand))
        expected = f"the quantile {known.fleet.demand_quantile}, which is planned for"
        yield Problem(expected, names or "none", field, fix)
    elif len(demand) != 1:
        found, fix = f"the quantiles {names}" if names else "none", "Name one as `demand_quantile`."
        yield Problem("a quantile to plan for", found, field, fix)


def _quantile(known: _Known) -> Checks:
    """A quantile that is planned for must be one of some demand."""
    demands = ((one.requests_per_second, one.tokens_per_second) for one in known.fleet.workloads)
    some = any(isinstance(demand, dict) for pair in demands for demand in pair)
    if known.fleet.demand_quantile is not None and not some:
        found, fix = "a quantile, while no demand has several", "Remove it, or give quantiles."
        yield Problem("demand by quantile", found, "demand_quantile", fix)


def _deployments(known: _Known, field: str, workload: FleetWorkload) -> Checks:
    """There must be something to choose from."""
    if not known.tabulates(workload):
        return
    if workload.transformer is None:
        yield Problem(
            "what is served",
            "nothing, nor `deployments`",
            f"{field}.transformer",
            "Name a transformer of the catalogue, or a file of `deployments`.",
        )
    else:
        for problem in known.refusals(workload.transformer):
            yield _of_field(problem, f"{field}.transformer")
    if workload.classes:
        yield Problem(
            "files of deployments that state a rate for every class",
            "classes without `deployments`",
            f"{field}.classes",
            "Name files with the column `request_class`, or leave `classes` out.",
        )


def _transformer(name: str) -> tuple[Problem, ...]:
    """Return why a transformer cannot be had, once for the many workloads that have it."""
    if not is_config(name):
        return _refused(catalogue.transformer, name)
    if Path(name).is_file():
        return _refused(lambda path: read_config(Path(path)), name)
    fix = "Paths start at the folder of the instance file."
    return (Problem("the path of a config.json", f"{name}, where no file is", fix=fix),)


def _of_field(problem: Problem, field: str) -> Problem:
    """Return a problem that knows its field, where it knows no file of its own."""
    return problem if problem.file else replace(problem, field=field)


def _refused(look_up: Callable[[str], object], name: str | None) -> tuple[Problem, ...]:
    """Return why a name, if there is one, cannot be looked up."""
    try:
        if name is not None:
            look_up(name)
    except InputError as error:
        return error.problems
    return ()


def _classes(known: _Known, field: str, workload: FleetWorkload) -> Checks:
    """Classes share out the requests."""
    if not workload.classes:
        return
    yield from _twice([kind.name for kind in workload.classes], f"{field}.classes", "name")
    shares = [kind.share for kind in workload.classes]
    if abs(math.fsum(shares) - 1) > ROUNDING:
        found = f"shares that sum to {math.fsum(shares):.10g}"
        yield Problem("shares that sum to 1", found, f"{field}.classes", "Correct the shares.")


def _guarantees(known: _Known, field: str, workload: FleetWorkload) -> Checks:
    """N+1 knows no classes; what may be refused has its price."""
    if workload.n_plus_1 and known.has_classes:
        where = "requests of several classes"
        found = where if workload.classes else f"{where} in another workload"
        fix = "Leave `n_plus_1` or `classes` out; `headroom` guards classes too."
        yield Problem("requests that are all alike", found, f"{field}.n_plus_1", fix)
    part, price = workload.shed_at_most, workload.shed_dollars_per_1000_requests
    if part is not None and price is None:
        fix = "Say what refusing a thousand requests costs."
        yield Problem(
            "shed_dollars_per_1000_requests beside it",
            f"{part:g} alone",
            f"{field}.shed_at_most",
            fix,
        )
    if price is not None and part is None:
        fix = "Say which part of the demand may be refused, or remove it."
        name = f"{field}.shed_dollars_per_1000_requests"
        yield Problem("shed_at_most beside it", f"{price:g} alone", name, fix)


def _regions(known: _Known, field: str, workload: FleetWorkload) -> Checks:
    """Regions are those of pools or round trips, and some pool stands where it may serve."""
    for at, region in enumerate(workload.regions or ()):
        if region not in known.regions:
            yield _no_region(known, region, f"{field}.regions[{at}]")
    if workload.users_in is not None and workload.users_in not in known.regions:
        yield _no_region(known, workload.users_in, f"{field}.users_in")
    if workload.regions is None:
        return
    if not known.pool_regions.intersection(workload.regions):
        where = ", ".join(workload.regions) or "none"
        fix = "Add a region of the pools, or give pools their `region`."
        yield Problem("a region in which a pool stands", where, f"{field}.regions", fix)


def _no_region(known: _Known, region: str, field: str) -> Problem:
    names = sorted(known.regions)
    fix = hint(region, names) if names else "Give pools their `region`."
    return Problem("a region of `pools` or `round_trip_seconds`", f"'{region}'", field, fix)


def _round_trips(known: _Known, field: str, workload: FleetWorkload) -> Checks:
    """Round trips that count to a first token with a limit must be known."""
    users, allowed = workload.users_in, workload.regions
    if users is None or workload.time_to_first_token_seconds is None:
        return
    trips = known.fleet.round_trip_seconds.get(users, {})
    for region in sorted(known.pool_regions.difference(trips, [users])):
        if (allowed is None or region in allowed) and users in known.regions:
            yield Problem(
                "the round trip of every pool that it may use, since its first token has a limit",
                f"none from {users} to {region}",
                f"{field}.users_in",
                f"Add `{users}: {{{region}: ...}}` to `round_trip_seconds`, or leave {region} "
                "out of `regions`.",
            )


def _engine(known: _Known, field: str, workload: FleetWorkload) -> Checks:
    """The engine is looked up where deployments are tabulated."""
    if workload.engine is not None and known.tabulates(workload):
        for problem in known.engine_refusals(workload.engine):
            yield _of_field(problem, f"{field}.engine")


_CHECKS = (_engine, _demand, _deployments, _classes, _guarantees, _regions, _round_trips)


def _pool_problems(known: _Known) -> Checks:
    """Pools that only the planner's own deployments could use must have an accelerator."""
    fleet = known.fleet
    if known.has_offers or not all(map(known.tabulates, fleet.workloads)):
        return
    for at, pool in enumerate(fleet.pools):
        if pool.accelerator is None:
            yield Problem(
                "an accelerator of the catalogue, since no workload has `deployments`",
                "nothing",
                f"pools[{at}].accelerator",
                "Name one, or give `deployments`.",
            )


def _price_problems(fleet: Fleet) -> Checks:
    """A price is one for all periods, or one for each."""
    periods = len(fleet.periods)
    for at, pool in enumerate(fleet.pools):
        for name, way in (("on_demand", pool.on_demand), ("spot", pool.spot)):
            if way is not None and len(way.dollars_per_gpu_hour) not in (1, periods):
                yield Problem(
                    f"one price, or one for each of the {periods} periods",
                    f"{len(way.dollars_per_gpu_hour)} prices",
                    f"pools[{at}].{name}.dollars_per_gpu_hour",
                    "Give as many as there are periods.",
                )


def _catalogue_names(known: _Known) -> Checks:
    """Accelerators and the engine are looked up where deployments are tabulated."""
    fleet = known.fleet
    if not any(map(known.tabulates, fleet.workloads)):
        return
    for at, pool in enumerate(fleet.pools):
        for problem in _refused(catalogue.accelerator, pool.accelerator):
            yield _of_field(problem, f"pools[{at}].accelerator")
    for problem in _refused(catalogue.profile, fleet.profile):
        yield _of_field(problem, "profile")


def _running(known: _Known) -> Checks:
    """Replicas that run belong to workloads and pools of the fleet."""
    there: set[tuple[str, str, str, bool]] = set()
    for at, entry in enumerate(known.fleet.running or ()):
        field = f"running[{at}]"
        if entry.workload not in known.workloads:
            names = [workload.name for workload in known.fleet.workloads]
            yield _unknown(entry.workload, f"{field}.workload", "a workload of the instance", names)
        pool = known.pools.get(entry.pool)
        if pool is None:
            yield _unknown(entry.pool, f"{field}.pool", "a pool of the instance", list(known.pools))
        elif entry.spot and pool.spot is None:
            fix = "Leave `spot` out here, or give the pool a spot price."
            yield Problem("a pool with spot accelerators", entry.pool, f"{field}.spot", fix)
        key = (entry.workload, entry.pool, entry.label, entry.spot)
        if key in there:
            found = f"{entry.label} of {entry.workload} in {entry.pool} a second time"
            yield Problem("every deployment once", found, field, "Add up their replicas.")
        there.add(key)


def _changes(known: _Known) -> Checks:
    """Changes are counted against what runs."""
    if known.fleet.changes is not None and known.fleet.running is None:
        fix = "Say what runs, such as `running: last/plan.csv`, or remove `changes`."
        expected = "`running` beside it, against which changes are counted"
        yield Problem(expected, "`changes` alone", "changes", fix)


def _unknown(name: str, field: str, expected: str, known: Sequence[str]) -> Problem:
    return Problem(
        expected,
        f"'{name}'",
        field,
        hint(name, known),
    )


def _scenarios(known: _Known) -> Checks:
    """Probabilities sum to 1, and factors are of workloads."""
    scenarios = known.fleet.scenarios
    total = math.fsum(scenario.probability for scenario in scenarios)
    if scenarios and abs(total - 1) > ROUNDING:
        found, fix = f"probabilities that sum to {total:.10g}", "Correct the probabilities."
        yield Problem("probabilities that sum to 1", found, "scenarios", fix)
    for at, scenario in enumerate(scenarios):
        for name in _absent(scenario.factors, known.workloads):
            field = f"scenarios[{at}].factors"
            names = [workload.name for workload in known.fleet.workloads]
            yield _unknown(name, field, "names of workloads", names)


def _traffic(known: _Known) -> Checks:
    """What has no sense, or no end, where the most traffic is sought."""
    fleet = known.fleet
    if not asks_most_traffic(fleet):
        return
    why = "requests_per_second as the objective"
    for field, value in (("scenarios", fleet.scenarios), ("robustness", fleet.robustness)):
        if value:
            yield Problem(f"no {field} beside {why}", "some", field, "Remove them.")
    if fleet.changes is not None and fleet.changes.least_saving(1.0) > 0:
        fix = "Remove it: what is sought is traffic, whatever it costs. `at_most` may stay."
        yield Problem(f"no least saving beside {why}", "one", "changes.minimum_saving", fix)
    for at, workload in enumerate(fleet.workloads):
        if workload.shed_at_most is not None:
            field = f"workloads[{at}].shed_at_most"
            fix = "Remove it: what is not served is what the traffic cannot grow to."
            yield Problem(f"nothing beside {why}", f"{workload.shed_at_most:g}", field, fix)
    if fleet.dollars_per_hour_at_most is not None:
        return
    for at, pool in enumerate(fleet.pools):
        ways = (pool.on_demand, pool.reserved, pool.spot)
        limited = [way.gpus is not None for way in ways if way is not None]
        if pool.gpus is None and not (limited and all(limited)):
            yield Problem(
                f"a number of accelerators, since {why} has no end without one",
                "no limit",
                f"pools[{at}].gpus",
                "Say how many there are, or what an hour may cost as `dollars_per_hour_at_most`.",
            )


def _absent(names: Iterable[str], known: set[str]) -> Iterator[str]:
    return (name for name in names if name not in known)
