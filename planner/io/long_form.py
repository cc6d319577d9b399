"""The long form of a file: short forms written out, and which kind of instance it is.

A file may write one workload as `workload`, one entry for a list of one, a price alone for an
on-demand price, and fields of all workloads at the top. Behind this module there are two long
forms: that of one deployment of one workload in one period (formulation D), and that of a fleet
(F and G). Which one it is follows from what is asked, never from the file's shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planner.catalogue.own_files import is_own_file
from planner.errors import InputError, Problem
from planner.io.document import Location, dotted, shortened
from planner.io.own_catalogue import CATALOGUE
from planner.units import quantity

WORKLOAD, WORKLOADS, POOLS = "workload", "workloads", "pools"
OF_FLEETS = (
    *("periods", "demand", "demand_quantile", "round_trip_seconds", "watts_at_most"),
    *("carbon_kilograms_at_most", "scenarios", "robustness", "running", "changes"),
    *("deployments", "prediction"),
)
"""Keys of the top level that formulation D does not read."""
OF_FLEET_WORKLOADS = (
    *("deployments", "classes", "headroom", "n_plus_1", "min_replicas", "max_deployments"),
    *("priority", "regions", "users_in", "spot", "startup_seconds", "startup_dollars"),
    *("shed_at_most", "shed_dollars_per_1000_requests"),
)
"""Keys of a workload that it does not read."""
OF_FLEET_POOLS = (
    *("region", "gpus_per_node", "reserved", "spot", "owned", "watts_per_gpu"),
    *("watts_at_most", "carbon_grams_per_kilowatt_hour"),
)
"""Keys of a pool that it does not read."""
FOR_ALL = (
    *("search", "engine", "quality", "roles", "usable_memory_fraction", "collectives"),
    *("headroom", "n_plus_1", "min_replicas", "max_replicas", "max_deployments"),
    *("startup_seconds", "startup_dollars"),
)
"""Keys that may stand at the top and then hold for every workload; its own word wins."""
AT_THE_TOP = ("search", "engine", "quality", "usable_memory_fraction", "collectives")
"""Those that the long form of formulation D has at the top."""
MERGED = ("search",)
"""Those that are merged key by key."""
PRICE = "dollars_per_gpu_hour"
RESERVED, OWNED = "reserved", "owned"
WAYS = ("on_demand", RESERVED, "spot", OWNED)
REQUESTS, TOKENS = "requests_per_second", "tokens_per_second"


@dataclass(slots=True)
class LongForm:
    """What a file says, written out."""

    value: dict[str, Any]
    is_fleet: bool
    moved: dict[Location, Location] = field(default_factory=dict)
    """Location in `value` to the one in the file, where the two differ."""


def is_fleet(value: Mapping[str, Any]) -> bool:
    """Tell whether a file asks for a fleet: for anything that formulation D does not read.

    That is several workloads or periods, several deployments side by side, prices of several
    kinds, guarantees, regions, deployments from files, or lists in CSV tables.
    """
    workloads, pools = _entries(value, WORKLOAD, WORKLOADS), _listed(value.get(POOLS))
    if isinstance(workloads, str) or isinstance(pools, str) or len(workloads) > 1:
        return True
    if value.get("objective") == REQUESTS:
        return True
    if any(key in value for key in OF_FLEETS) or (WORKLOADS in value and not workloads):
        return True
    if any(_asks(key, value[key]) for key in OF_FLEET_WORKLOADS if key in value):
        return True
    return any(map(_fleet_workload, workloads)) or any(map(_fleet_pool, pools))


def _fleet_workload(workload: Any) -> bool:
    if not isinstance(workload, dict):
        return False
    several = any(isinstance(workload.get(key), list | dict) for key in (REQUESTS, TOKENS))
    return several or any(
        _asks(key, workload[key]) for key in OF_FLEET_WORKLOADS if key in workload
    )


def _asks(key: str, value: Any) -> bool:
    """Tell whether a key asks for more than its default, which D keeps too."""
    return not (key == "max_deployments" and value == 1 and not isinstance(value, bool))


def _fleet_pool(pool: Any) -> bool:
    if not isinstance(pool, dict):
        return False
    on_demand = pool.get("on_demand")
    limited = isinstance(on_demand, dict) and "gpus" in on_demand
    price = on_demand.get(PRICE) if isinstance(on_demand, dict) else pool.get(PRICE)
    by_period = isinstance(price, list)
    return limited or by_period or any(key in pool for key in OF_FLEET_POOLS)


def _entries(value: Mapping[str, Any], one: str, many: str) -> Any:
    """Return a list of entries, or the path of a table."""
    if one in value:
        return [value[one]]
    return _listed(value.get(many, []))


def _listed(value: Any) -> Any:
    """Let one entry stand for a list of one; text is the path of a table."""
    if isinstance(value, list | tuple):
        return list(value)
    return value if isinstance(value, str) else [] if value is None else [value]


def long_form(value: Mapping[str, Any], name: str = "", *, fleet: bool | None = None) -> LongForm:
    """Write a file's short forms out.

    Parameters
    ----------
    value : mapping
        What the file says; of lists in CSV tables the rows or the path.
    name : str
        Name of the instance where the file gives none.
    fleet : bool, optional
        Whether it is to be a fleet; left out, as `is_fleet` says.

    Raises
    ------
    InputError
        Where something is said twice, or asked of a fleet that fleets do not know; fields are
        named as in the file, lines are not known here.
    """
    problems = [*_said_twice(value)]
    if problems:
        raise InputError(problems)
    as_fleet = is_fleet(value) if fleet is None else fleet
    found = LongForm({key: said for key, said in value.items() if key != CATALOGUE}, as_fleet)
    if name:
        found.value.setdefault("name", name)
    (_fleet_form if as_fleet else _deployment_form)(found, problems)
    if problems:
        raise InputError(problems)
    return found


def name_of(path: Path) -> str:
    """Return what a file without a name is called: itself, or its folder."""
    return path.resolve().parent.name if path.stem == "instance" else path.stem


def _said_twice(value: Mapping[str, Any]) -> Iterator[Problem]:
    if WORKLOAD in value and WORKLOADS in value:
        fix = "`workload: {...}` is short for a list of one; keep one of the two."
        yield Problem("workload or workloads", "both", WORKLOADS, fix)
    for at, pool in enumerate(_parts(_listed(value.get(POOLS)))):
        way = next((way for way in WAYS if way in pool), None)
        if PRICE in pool and way is not None:
            fix = f"Write the price into `on_demand: {{{PRICE}: ...}}`."
            yield Problem(f"{PRICE} or {', '.join(WAYS)}", "both", f"{POOLS}[{at}].{PRICE}", fix)
        yield from _owned(pool, f"{POOLS}[{at}].{OWNED}")
    for at, workload in enumerate(_parts(_entries(value, WORKLOAD, WORKLOADS))):
        if REQUESTS in workload and TOKENS in workload:
            where = WORKLOAD if WORKLOAD in value else f"{WORKLOADS}[{at}]"
            found = f"{REQUESTS} and {TOKENS}"
            yield Problem(f"one of {found}", found, f"{where}.{TOKENS}", "Remove one of the two.")


def _owned(pool: Mapping[str, Any], field: str) -> Iterator[Problem]:
    """What is paid for already is reserved at $0: it says how many, and stands by itself.

    Where an hour of its use costs something, it is paid so, and alone in its pool.
    """
    owned = pool.get(OWNED)
    if owned is None:
        return
    if RESERVED in pool:
        fix = "Put the reserved accelerators into a pool of their own."
        yield Problem(f"{OWNED} or {RESERVED}", "both", field, fix)
    if not isinstance(owned, dict) or "gpus" not in owned:
        fix = f"Write `{OWNED}: {{gpus: 16}}`."
        yield Problem("how many accelerators are paid for", "none", field, fix)
    elif _costs_by_use(owned) and (others := [way for way in WAYS[:3] if way in pool]):
        fix = "Put the owned accelerators into a pool of their own, since their use has a price."
        found = f"a price of use beside {others[0]}"
        yield Problem("no other way of paying in the pool", found, f"{field}.{PRICE}", fix)


def _costs_by_use(owned: Mapping[str, Any]) -> bool:
    """Tell whether an hour of use of what is owned costs something."""
    return owned.get(PRICE) not in (None, 0)


def _parts(entries: Any) -> list[dict[str, Any]]:
    """Return entries, with nothing for those that are no mappings: the schema tells of them."""
    if isinstance(entries, str):
        return []
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def _deployment_form(found: LongForm, problems: list[Problem]) -> None:
    """Write out the form of one deployment of one workload."""
    value, moved = found.value, found.moved
    home: Location = (WORKLOAD,)
    if WORKLOADS in value:
        written = value.pop(WORKLOADS)
        home = (WORKLOADS, 0) if isinstance(written, list) else (WORKLOADS,)
        (value[WORKLOAD],) = _listed(written)
        moved[WORKLOAD,] = home
    if isinstance(value.get(WORKLOAD), dict):
        value[WORKLOAD] = workload = dict(value[WORKLOAD])
        workload.pop("name", None)
        workload.pop("max_deployments", None)
        _lift(found, workload, home)
        _push(found, workload)
        _in_tokens(workload, home, moved, problems)
    value.pop("max_deployments", None)
    _drop(value, "solver", "method")
    if POOLS in value:
        pools = _listed(value[POOLS])
        if isinstance(value[POOLS], dict):
            moved[POOLS, 0] = (POOLS,)
        value[POOLS] = [_short_price(pool, at, moved) for at, pool in enumerate(pools)]


def _lift(found: LongForm, workload: dict[str, Any], home: Location) -> None:
    """Put at the top what the long form has there, and a workload may say itself."""
    for key in AT_THE_TOP:
        if key not in workload:
            continue
        mine, shared = workload.pop(key), found.value.get(key)
        if key in MERGED and isinstance(mine, dict) and isinstance(shared, dict):
            found.moved.update({(key, inner): (*home, key, inner) for inner in mine})
            found.value[key] = shared | mine
        else:
            found.moved[key,] = (*home, key)
            found.value[key] = mine


def _push(found: LongForm, workload: dict[str, Any]) -> None:
    """Give the workload what the top says for all."""
    for key in ("roles", "max_replicas"):
        if key in found.value:
            shared = found.value.pop(key)
            if key not in workload:
                workload[key] = shared
                found.moved[WORKLOAD, key] = (key,)


def _in_tokens(
    workload: dict[str, Any],
    home: Location,
    moved: dict[Location, Location],
    problems: list[Problem],
) -> None:
    """State a demand in requests in output tokens."""
    if REQUESTS not in workload:
        return
    length = workload.get("output_tokens", 500)
    moved[WORKLOAD, TOKENS] = (*home, REQUESTS)
    stated = workload.pop(REQUESTS)
    try:
        requests = quantity(stated, "requests per second")
    except ValueError as error:
        place, fix = dotted((*home, REQUESTS)), "Check the number and its unit."
        problems.append(Problem(str(error), f"'{shortened(str(stated))}'", place, fix))
        return
    if isinstance(length, int) and not isinstance(length, bool):
        workload[TOKENS] = requests * length


def _short_price(pool: Any, at: int, moved: dict[Location, Location]) -> Any:
    """Write an on-demand price as the price."""
    on_demand = pool.get("on_demand") if isinstance(pool, dict) else None
    if not isinstance(on_demand, dict) or set(on_demand) != {PRICE}:
        return pool
    moved[POOLS, at, PRICE] = (POOLS, at, "on_demand", PRICE)
    rest = {key: value for key, value in pool.items() if key != "on_demand"}
    return rest | {PRICE: on_demand[PRICE]}


def _drop(value: dict[str, Any], part: str, key: str) -> None:
    """Leave out a key of a part that this form has no use for."""
    if isinstance(value.get(part), dict) and key in value[part]:
        value[part] = {name: inner for name, inner in value[part].items() if name != key}


def _fleet_form(found: LongForm, problems: list[Problem]) -> None:
    """Write out the form of a fleet."""
    value, moved = found.value, found.moved
    problems += _unknown_to_fleets(value)
    if isinstance(value.get("solver"), dict) and value["solver"].get("name") == "highs":
        _drop(value, "solver", "name")
    if WORKLOAD in value:
        value[WORKLOADS] = [value.pop(WORKLOAD)]
        moved[WORKLOADS, 0] = (WORKLOAD,)
    elif isinstance(value.get(WORKLOADS), dict):
        value[WORKLOADS] = [value[WORKLOADS]]
        moved[WORKLOADS, 0] = (WORKLOADS,)
    if isinstance(value.get(POOLS), dict):
        value[POOLS] = [value[POOLS]]
        moved[POOLS, 0] = (POOLS,)
    shared = {key: value.pop(key) for key in FOR_ALL if key in value}
    if isinstance(value.get(WORKLOADS), list):
        value[WORKLOADS] = [
            _with_shared(workload, shared, at, moved)
            for at, workload in enumerate(value[WORKLOADS])
        ]
    if isinstance(value.get(POOLS), list):
        value[POOLS] = [_long_price(pool, at, moved) for at, pool in enumerate(value[POOLS])]


OF_ONE_DEPLOYMENT: Mapping[str, str] = {
    "dollars_per_million_tokens_at_most": "a ceiling on the cost of one busy replica",
    "speed_exponent": "a preferred point of one workload's frontier",
}


def _unknown_to_fleets(value: Mapping[str, Any]) -> Iterator[Problem]:
    fix = "Remove it, or ask for one workload in one period with one price for each pool."
    for key, what in OF_ONE_DEPLOYMENT.items():
        if key in value:
            yield Problem("what fleets know", what, key, fix)
    aim = value.get("objective")
    if aim is not None and aim not in ("dollars_per_hour", REQUESTS):
        expected = f"dollars_per_hour or {REQUESTS}, the objectives of fleets"
        yield Problem(expected, str(aim), "objective", fix)
    solver = value.get("solver")
    if isinstance(solver, dict) and solver.get("name", "highs") != "highs":
        expected = "highs, which solves fleets"
        yield Problem(expected, str(solver["name"]), "solver.name", "Remove it.")


def _with_shared(
    workload: Any, shared: Mapping[str, Any], at: int, moved: dict[Location, Location]
) -> Any:
    """Return a workload with what holds for all, and a name."""
    if not isinstance(workload, dict):
        return workload
    mine = dict(workload)
    for key, value in shared.items():
        if key not in mine:
            mine[key] = value
            moved[WORKLOADS, at, key] = (key,)
        elif key in MERGED and isinstance(value, dict) and isinstance(mine[key], dict):
            inherited = [inner for inner in value if inner not in mine[key]]
            moved.update({(WORKLOADS, at, key, inner): (key, inner) for inner in inherited})
            mine[key] = value | mine[key]
    for key, dimension in ((REQUESTS, "requests per second"), (TOKENS, "tokens per second")):
        if key in mine:
            mine[key] = _plain(mine[key], dimension)
    return _named(mine, "transformer")


def _plain(value: Any, dimension: str) -> Any:
    """Return numbers for texts with a unit, wherever they are; what is none is left as it is."""
    if isinstance(value, dict):
        return {key: _plain(inner, dimension) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, dimension) for inner in value]
    try:
        return quantity(value, dimension) if isinstance(value, str) else value
    except ValueError:
        return value


def _long_price(pool: Any, at: int, moved: dict[Location, Location]) -> Any:
    """Write a price as an on-demand price."""
    if not isinstance(pool, dict):
        return pool
    mine = _named(dict(pool), "accelerator")
    if PRICE in mine:
        mine["on_demand"] = {PRICE: mine.pop(PRICE)}
        moved[POOLS, at, "on_demand"] = (POOLS, at, PRICE)
        moved[POOLS, at, "on_demand", PRICE] = (POOLS, at, PRICE)
    if isinstance(mine.get(OWNED), dict):
        owned = mine.pop(OWNED)
        way = "on_demand" if _costs_by_use(owned) else RESERVED
        mine[way] = {PRICE: 0.0, **owned}
        moved[POOLS, at, way] = (POOLS, at, OWNED)
    return mine


def _named(part: dict[str, Any], by: str) -> dict[str, Any]:
    """Let what an entry is stand for its name."""
    if "name" not in part and isinstance(part.get(by), str):
        part["name"] = stem(part[by])
    return part


def stem(name: str) -> str:
    """Return a name, or the stem of the path of a catalogue file."""
    return Path(name).stem if is_own_file(name) else name
