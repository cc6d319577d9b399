"""Fleets' plans on the terminal: what they cost, what runs for whom, what is bought where."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from planner.plans.fleet_columns import CAPACITY_TYPES, MARKETS, market_word
from planner.plans.fleet_plan import FleetPlan, Floats, Ints, Traffic
from planner.problem.tolerances import PROVED, ROUNDING
from planner.reporting.number_format import per_cent

MOST_ROWS = 20
"""Rows of a table that are shown; files have all."""
WHOLE_DOLLARS = 100.0
"""Amount from which cents are left out of tables."""
LEAST_WORTH = 0.005
"""Dollars per hour from which one more accelerator is worth naming."""
HOURS_PER_DAY = 24.0
BORDER = 6
"""Columns of a panel's border beside its title."""
SHORTEST_NAME = 8
"""Columns that a name has in a title, however much stands behind it."""


def show_fleet_plan(plan: FleetPlan, console: Console) -> None:
    """Print the plan of a fleet.

    Parameters
    ----------
    plan : FleetPlan
        The plan, found or not.
    console : Console
        Where to.
    """
    console.print(_found(plan, console.width) if plan.found else _not_found(plan))


def _not_found(plan: FleetPlan) -> RenderableType:
    title = Text(f"{plan.fleet}: {plan.status}")
    return Panel(Text(plan.message), title=title, title_align="left", style="red")


def _found(plan: FleetPlan, width: int) -> RenderableType:
    title = _title(plan, width - BORDER)
    # A panel is as wide as what it holds, of which the title is no part.
    wide = Text(" " * title.cell_len, no_wrap=True, overflow="crop")
    parts: list[RenderableType] = [_cost(plan), wide]
    for number, table in enumerate((_workloads, _deployments, _pools)):
        parts += [*([Text()] if number else []), *table(plan)]
    if (plan.service.shed > 0).any():
        parts += [Text(), *_shed(plan)]
    if plan.message:
        parts += [Text(), Text(plan.message)]
    return Panel(Group(*parts), title=title, title_align="left", expand=False, padding=(1, 2))


def _title(plan: FleetPlan, width: int) -> Text:
    """Return name, cost and proof; of names that are too long only the beginning."""
    said = f"${plan.dollars_per_hour:,.2f}/h ({_proof(plan)})"
    if plan.traffic is not None:
        most = f"{plan.traffic.requests_per_second:,.4g} requests/s"
        said = f"{most} at ${plan.dollars_per_hour:,.2f}/h ({_proof_of_most(plan, plan.traffic)})"
    name = Text(plan.fleet)
    name.truncate(max(width - len(said) - 2, SHORTEST_NAME), overflow="ellipsis")
    return name.append(f": {said}")


def _proof(plan: FleetPlan) -> str:
    if plan.status == "optimal":
        return "proved optimal" if plan.gap <= PROVED else f"proved within {per_cent(plan.gap)}"
    if math.isnan(plan.gap):
        return "nothing proved in time"
    return f"not proved; at most {per_cent(plan.gap)} too dear"


def _proof_of_most(plan: FleetPlan, traffic: Traffic) -> str:
    if plan.status == "optimal":
        near = "most" if traffic.gap <= PROVED else f"most within {per_cent(traffic.gap)}"
        return f"proved {near}"
    return f"not proved; at most {per_cent(traffic.gap)} more"


def _cost(plan: FleetPlan) -> Table:
    table = Table.grid(padding=(0, 2))
    refused = plan.objective - plan.dollars
    if plan.traffic is not None:
        bound = f"no plan serves more than {plan.traffic.bound:,.6g} requests/s"
        table.add_row("Most", f"{bound}; this one {plan.traffic.requests_per_second:,.6g}")
        if len(plan.workloads) > 1 or len(plan.periods) > 1:
            table.add_row("Mix", f"{plan.traffic.factor:,.6g} times what is stated")
    table.add_row("Cost", f"${plan.dollars_per_hour * HOURS_PER_DAY:,.2f} a day")
    several = f"{len(plan.periods):,} periods" if len(plan.periods) > 1 else "one period"
    hours = float(plan.hours.sum())
    span = f"{hours:,.6g} hour{'s' if hours != 1 else ''} in {several}"
    table.add_row("Horizon", f"${plan.dollars:,.2f} over {span}")
    if refused > ROUNDING * abs(plan.objective):
        table.add_row("Refused", f"requests worth ${refused:,.2f} in that time")
    if not math.isnan(plan.bound):
        bound = f"no plan is below ${plan.bound:,.2f}; this one has ${plan.objective:,.2f}"
        table.add_row("Proof", f"{bound}, gap {plan.gap:.3g}")
    if not math.isnan(plan.safe_bound):
        table.add_row("Recomputed", f"no plan is below ${plan.safe_bound:,.2f}, no solver trusted")
    solved = f"{plan.method}, {plan.solver}, {plan.seconds:,.2f} s"
    table.add_row("Solved", solved)
    if plan.prices is not None and plan.prices.budget > 0:
        table.add_row("Budget", f"one more dollar would save ${plan.prices.budget:,.3g}")
    table.add_row("Origin", f"planner {plan.planner_version}, fleet {plan.fleet_digest}")
    return table


def plain_table(title: str, *columns: tuple[str, bool]) -> Table:
    """Start a table; numbers stand to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    for name, number in columns:
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    return table


def _more(shown: int, all_of_them: int, what: str, file: str) -> list[RenderableType]:
    if shown >= all_of_them:
        return []
    text = f"{shown} of {all_of_them:,} {what}, the largest first; all are in {file}."
    return [Text(text, style="italic")]


def _workloads(plan: FleetPlan) -> list[RenderableType]:
    """Say what runs for each workload, those first that take most accelerators."""
    rows, periods, count = plan.replicas, len(plan.periods), len(plan.workloads)
    cell = rows.workload * periods + rows.period
    size = count, periods
    gpus = np.bincount(cell, rows.gpus, count * periods).reshape(size)
    replicas = np.bincount(cell, rows.replicas, count * periods).reshape(size)
    order = np.argsort(-(gpus @ plan.hours), kind="stable")[:MOST_ROWS]
    table = plain_table(
        "Workloads",
        ("workload", False),
        ("requests/s\nat peak", True),
        ("replicas", True),
        ("GPUs", True),
        ("GPU-hours", True),
        ("used", True),
    )
    for w in order.tolist():
        table.add_row(
            Text(plan.workloads[w]),
            f"{plan.service.demand[w].max():,.4g}",
            _span(replicas[w]),
            _span(gpus[w]),
            f"{gpus[w] @ plan.hours:,.0f}",
            _busiest(plan.service.utilisation[w]),
        )
    text = "Replicas and GPUs: least to most over the periods; `used` is in the busiest one."
    note: list[RenderableType] = [Text(text, style="dim")] if periods > 1 else []
    return [
        table,
        *note,
        *_more(len(order), count, "workloads", "plan.csv"),
    ]


def _span(values: Floats) -> str:
    low, high = values.min(), values.max()
    return f"{high:,.0f}" if low == high else f"{low:,.0f}–{high:,.0f}"


def _busiest(utilisation: Floats) -> str:
    known = utilisation[~np.isnan(utilisation)]
    return f"{known.max():.0%}" if len(known) else ""


def _deployments(plan: FleetPlan) -> list[RenderableType]:
    """Name the deployments that run, those with most GPU-hours first."""
    rows = plan.replicas
    capacity_type = rows.pool * len(CAPACITY_TYPES) + rows.spot
    key = (rows.workload * len(rows.labels) + rows.label) * len(plan.pools) * len(
        CAPACITY_TYPES
    ) + capacity_type
    known, first, place = np.unique(key, return_index=True, return_inverse=True)
    weight = np.bincount(place, rows.gpus * plan.hours[rows.period], len(known))
    order = np.argsort(-weight, kind="stable")[:MOST_ROWS]
    table = plain_table(
        "Deployments",
        ("workload", False),
        ("deployment", False),
        ("in", False),
        ("replicas", True),
        *((("when\nrisen", True),) if rows.extra is not None else ()),
        ("GPU-hours", True),
    )
    for at in order.tolist():
        row, mine = int(first[at]), place == at
        counts = np.zeros((2, len(plan.periods)))
        counts[:, rows.period[mine]] = rows.replicas[mine]
        if rows.extra is not None:
            counts[1, rows.period[mine]] += rows.extra[mine]
        spot = ", spot" if rows.spot[row] else ""
        table.add_row(
            Text(plan.workloads[rows.workload[row]]),
            Text(rows.labels[rows.label[row]]),
            Text(f"{plan.pools[rows.pool[row]]}{spot}"),
            *(_span(count) for count in counts[: 1 if rows.extra is None else 2]),
            f"{weight[at]:,.0f}",
        )
    return [table, *_more(len(order), len(known), "deployments", "plan.csv")]


@dataclass(frozen=True, slots=True)
class _Bought:
    """What is bought, and used, in pools over the periods."""

    gpus: Floats
    """(3, P, T) bought by way of paying."""
    used: Floats
    """(P, T) occupied, those at their own price included."""
    part: Floats
    """(P,) occupied GPU-hours over bought ones, at the pool's price; NaN where none is bought."""
    dollars: Floats
    """(P,) those of replicas at their own price included."""


def _bought(plan: FleetPlan) -> _Bought:
    table, rows, size = plan.purchases, plan.replicas, (len(plan.pools), len(plan.periods))
    gpus = np.zeros((len(MARKETS), *size))
    always = table.period < 0
    for_all = np.zeros((len(MARKETS), size[0]))
    np.add.at(for_all, (table.market[always], table.pool[always]), table.gpus[always])
    gpus += for_all[:, :, None]
    one = ~always
    np.add.at(gpus, (table.market[one], table.pool[one], table.period[one]), table.gpus[one])
    used = np.zeros(size)
    np.add.at(used, (rows.pool, rows.period), rows.gpus)
    hours = np.where(always, plan.hours.sum(), plan.hours[table.period])
    part, dollars = np.zeros(size[0]), np.zeros(size[0])
    np.add.at(part, table.pool, table.used_gpus * hours)
    np.add.at(dollars, table.pool, table.dollars)
    np.add.at(dollars, rows.pool, plan.own_dollars)
    whole = gpus.sum(axis=0) @ plan.hours
    part = np.divide(part, whole, out=np.full(size[0], math.nan), where=whole > 0)
    return _Bought(gpus, used, part, dollars)


def _pools(plan: FleetPlan) -> list[RenderableType]:
    """Say what is bought in each pool, those first that cost most."""
    bought = _bought(plan)
    worth = _peak_prices(plan)
    markets = [m for m in range(len(MARKETS)) if bought.gpus[m].any()]
    paid = plan.purchases
    names = [market_word(m, paid.dollars[paid.market == m]).replace("-", "\n") for m in markets]
    table = plain_table(
        "Pools",
        ("pool", False),
        ("there\nare", True),
        *((name, True) for name in names),
        ("in use", True),
        ("of\nbought", True),
        ("dollars", True),
        *((("one\nmore", True),) if worth is not None else ()),
    )
    order = np.lexsort((-(bought.used @ plan.hours), -bought.dollars))[:MOST_ROWS]
    for p in order.tolist():
        supply, part = plan.supply[p], bought.part[p]
        cells: list[RenderableType] = [
            Text(plan.pools[p]),
            f"{supply:,.0f}" if math.isfinite(supply) else "no limit",
            *(_span(bought.gpus[market, p]) for market in markets),
            _span(bought.used[p]),
            "" if math.isnan(part) else f"{part:.0%}",
            _dollars(bought.dollars[p]),
        ]
        table.add_row(*cells, *([_worth(worth[p])] if worth is not None else []))
    notes = []
    if len(plan.periods) > 1:
        notes.append(
            "GPUs: least to most over the periods; `of bought` is the mean use of what is paid for."
        )
    if worth is not None:
        notes.append("`one more` GPU of the pool would save so much per hour where it saves most.")
    note = [Text(" ".join(notes), style="dim")] if notes else []
    return [table, *note, *_more(len(order), len(plan.pools), "pools", "purchases.csv")]


def _dollars(amount: float) -> str:
    return f"${amount:,.0f}" if amount >= WHOLE_DOLLARS else f"${amount:,.2f}"


def _worth(dollars_per_hour: float) -> str:
    return f"${dollars_per_hour:,.2f}" if dollars_per_hour >= LEAST_WORTH else ""


def _peak_prices(plan: FleetPlan) -> Floats | None:
    """Return the shadow price of each pool in the period where it is highest."""
    if plan.prices is None or not plan.prices.pools.size or plan.traffic is not None:
        return None  # What one more would save says nothing of the traffic that it would bring.
    highest: Floats = np.nan_to_num(plan.prices.pools).max(axis=1)
    return highest


def _shed(plan: FleetPlan) -> list[RenderableType]:
    """Say whose requests are refused, most first."""
    seconds = plan.hours * 3600.0
    refused, asked = plan.service.shed @ seconds, plan.service.demand @ seconds
    some = int((refused > 0).sum())
    order: Ints = np.argsort(-refused, kind="stable")[: min(some, MOST_ROWS)]
    table = plain_table(
        "Refused requests",
        ("workload", False),
        ("priority", True),
        ("requests", True),
        ("of all", True),
        ("most in", False),
    )
    for w in order.tolist():
        worst = int(plan.service.shed[w].argmax())
        table.add_row(
            Text(plan.workloads[w]),
            str(plan.service.priority[w]),
            f"{refused[w]:,.0f}",
            per_cent(refused[w] / asked[w]),
            Text(f"{plan.periods[worst]}: {plan.service.shed[w, worst]:,.4g} requests/s"),
        )
    return [table, *_more(len(order), some, "workloads", "service.csv")]
