"""A second model of a fleet, written from docs/instance.md and formulation.md straight into HiGHS.

It reads the fleet and what is on offer, as a person would, and shares nothing with what makes model
data or formulates: no bounds from there, no dominance, no Pyomo, no scaling of theirs. Where the
documents leave a choice of words, another one is made: rises are listed set by set, changes are
counted up and down, demand is in requests.
"""

import itertools
import math
from collections import defaultdict
from typing import Any

from highs_program import Answer, Program
from second_choices import COLOCATED, DECODE, PREFILL, choices_of, horizon, price, without_batch

from planner.problem.fleet import Fleet
from planner.problem.offers import Offers


def solve(fleet: Fleet, offers: Offers, seconds: float, *, presolve: bool = True) -> Answer:
    """The least dollars over the horizon, refused requests included."""
    return _Second(fleet, offers).build().solve(seconds, presolve=presolve)


class _Second:
    """The model while it is written."""

    def __init__(self, fleet: Fleet, offers: Offers) -> None:
        self.fleet, self.program = fleet, Program()
        self.when = list(horizon(fleet))
        self.hours = sum(when.hours for when in self.when)
        self.choices = list(choices_of(fleet, offers))
        self.replicas: dict[tuple[int, int], int] = {}
        self.extra: dict[tuple[int, int], int] = {}
        self.used: dict[tuple[Any, ...], int] = {}
        self.shed: dict[tuple[int, int], int] = {}
        self.paid: list[tuple[float, int]] = []

    def build(self) -> Program:
        for c, choice in enumerate(self.choices):
            for t, when in enumerate(self.when):
                price = when.hours * choice.own if choice.has_own_price else 0.0
                self.replicas[c, t] = self.paying(price, whole=True)
                if self.fleet.robustness is not None:
                    upper = 0.0 if choice.has_own_price else math.inf
                    self.extra[c, t] = self.program.column(upper=upper, whole=True)
        for w, one in enumerate(self.fleet.workloads):
            for t, when in enumerate(self.when):
                per_second = (one.shed_dollars_per_1000_requests or 0.0) / 1000 * 3600 * when.hours
                most = (one.shed_at_most or 0.0) * self.demand(w, t)
                self.shed[w, t] = self.program.column(per_second, most)
                self.served_by(w, t)
        self.purchases()
        self.starts()
        self.changes()
        self.caps()
        return self.program

    def paying(self, price: float, upper: float = math.inf, *, whole: bool) -> int:
        """A column that costs money, which a budget knows."""
        column = self.program.column(price, upper, whole=whole)
        if price:
            self.paid.append((price, column))
        return column

    def demand(self, w: int, t: int) -> float:
        fleet, one, when = self.fleet, self.fleet.workloads[w], self.when[t]
        stated, per = one.requests_per_second, 1.0
        if stated is None:
            stated, per = one.tokens_per_second, float(one.output_tokens)
        if isinstance(stated, dict):
            stated = stated[fleet.demand_quantile or next(iter(stated))]
        demand = stated[when.period if len(stated) > 1 else 0] / per
        if fleet.scenarios:
            scenario = fleet.scenarios[when.scenario]
            demand *= scenario.factors.get(one.name, scenario.factor)
        return demand

    def of(self, w: int) -> list[int]:
        return [c for c, choice in enumerate(self.choices) if choice.workload == w]

    def served_by(self, w: int, t: int) -> None:
        """Demand, with what is lost or risen, kinds, and numbers of replicas (F1, F2, F8-F11)."""
        one, demand, rows, program = (
            self.fleet.workloads[w],
            self.demand(w, t),
            self.of(w),
            self.program,
        )
        every = [(1.0, self.replicas[c, t]) for c in rows]
        for stage in self.stages(rows) if one.min_replicas else ():
            program.at_least(one.min_replicas, [(1.0, self.replicas[c, t]) for c in stage])
        if one.max_replicas is not None:
            program.at_most(one.max_replicas, every)
        rise = self.fleet.robustness.rise if self.fleet.robustness else 0.0
        if one.n_plus_1 or one.max_deployments != "any":
            self.kinds(w, t, rows, demand * (1 + rise))
        if demand == 0:
            return
        if len(one.classes) > 1:
            self.classes(w, t, rows, demand, [self.replicas])
            if self.extra:
                self.classes(w, t, rows, demand * (1 + rise), [self.replicas, self.extra])
            return
        if len(self.stages(rows)) > 1 and len({self.region(c) for c in rows}) > 1:
            self.in_regions(w, t, rows, demand)
            return
        for stage in self.stages(rows):
            served = [(self.choices[c].rates[0] / demand, self.replicas[c, t]) for c in stage]
            refused = (1 / demand, self.shed[w, t])
            program.at_least(1.0, [*served, refused])
            if self.extra:
                more = [(self.choices[c].rates[0] / demand, self.extra[c, t]) for c in stage]
                program.at_least(1 + rise, [*served, *more, refused])
            if one.n_plus_1:
                for c in stage:
                    lost = (-self.choices[c].rates[0] / demand, self.used["choice", c, t])
                    program.at_least(1.0, [*served, lost, refused])

    def region(self, c: int) -> str | None:
        return self.fleet.pools[self.choices[c].pool].region

    def in_regions(self, w: int, t: int, rows: list[int], demand: float) -> None:
        """Prompts are answered in the region in which they are read (F16)."""
        one = self.fleet.workloads[w]
        now = {c: [(self.choices[c].rates[0], self.replicas[c, t])] for c in rows}
        self.met_in_regions(w, t, now, demand)
        for lost in rows if one.n_plus_1 else ():
            gone = (-self.choices[lost].rates[0], self.used["choice", lost, t])
            self.met_in_regions(w, t, now | {lost: [*now[lost], gone]}, demand)
        if self.extra:
            rise = 1 + self.fleet.robustness.rise
            more = {c: [(self.choices[c].rates[0], self.extra[c, t])] for c in rows}
            self.met_in_regions(w, t, {c: now[c] + more[c] for c in rows}, demand * rise)

    def met_in_regions(self, w: int, t: int, serves: dict[int, list[Any]], demand: float) -> None:
        parts = {
            region: self.program.column() for region in dict.fromkeys(map(self.region, serves))
        }
        for region, part in parts.items():
            for stage in self.stages(list(serves)):
                here = [term for c in stage if self.region(c) == region for term in serves[c]]
                self.program.at_least(0.0, [*here, (-1.0, part)])
        met = [(1.0, part) for part in parts.values()]
        self.program.at_least(demand, [*met, (1.0, self.shed[w, t])])

    def stages(self, rows: list[int]) -> list[list[int]]:
        """Those who read prompts, and those who answer; once where all do both."""
        if all(self.choices[c].role == COLOCATED for c in rows):
            return [rows]
        return [[c for c in rows if self.choices[c].role != role] for role in (DECODE, PREFILL)]

    def classes(self, w: int, t: int, rows: list[int], demand: float, replicas: list[Any]) -> None:
        program, one = self.program, self.fleet.workloads[w]
        busy: dict[int, list[tuple[float, int]]] = {c: [] for c in rows}
        for k, kind in enumerate(one.classes):
            parts = []
            for c in rows:
                if self.choices[c].rates[k] > 0:
                    part = program.column(upper=1.0)
                    parts.append((1.0, part))
                    busy[c].append((demand * kind.share / self.choices[c].rates[k], part))
            program.at_least(1.0, [*parts, (1 / demand, self.shed[w, t])])
        for c in rows:
            there = [(-1.0, each[c, t]) for each in replicas]
            program.at_most(0.0, [*busy[c], *there])

    def kinds(self, w: int, t: int, rows: list[int], demand: float) -> None:
        """What is used, choice by choice and kind by kind."""
        one, program = self.fleet.workloads[w], self.program
        kinds: dict[tuple[int, str, int], int] = {}
        for c in rows:
            choice = self.choices[c]
            used = self.used["choice", c, t] = program.column(upper=1.0, whole=True)
            shares = [kind.share for kind in one.classes] or [1.0]
            slowest = min(
                (r for r, s in zip(choice.rates, shares, strict=False) if r and s), default=1.0
            )
            runs = sum(entry.replicas for entry in self.fleet.running or ())
            most = 2.0 * (demand / slowest + 2) + one.min_replicas + runs
            more = [(1.0, self.extra[c, t])] if self.extra else []
            program.at_most(0.0, [(1.0, self.replicas[c, t]), *more, (-2 * most, used)])
            key = choice.pool, choice.label, choice.role
            if key not in kinds:
                kinds[key] = program.column(upper=1.0, whole=True)
            program.at_most(0.0, [(1.0, used), (-1.0, kinds[key])])
        if one.max_deployments == "any":
            return
        for stage in self.stages(rows):
            roles = {self.choices[c].role for c in stage}
            inside = [(1.0, column) for (_, _, role), column in kinds.items() if role in roles]
            program.at_most(one.max_deployments, inside)

    def purchases(self) -> None:
        """Whole nodes, each way within its limit and all within the pool (F3-F5, F12)."""
        program = self.program
        for p, pool in enumerate(self.fleet.pools):
            node = pool.gpus_per_node or 1
            reserved = None
            if pool.reserved is not None:
                each = node * pool.reserved.dollars_per_gpu_hour * self.hours
                reserved = self.paying(each, nodes(pool.reserved.gpus, node), whole=True)
            for t, when in enumerate(self.when):
                ways = {False: [] if reserved is None else [reserved], True: []}
                for spot, way in ((False, pool.on_demand), (True, pool.spot)):
                    if way is not None:
                        each = node * price(way, when) * when.hours
                        ways[spot].append(self.paying(each, nodes(way.gpus, node), whole=True))
                for spot, bought in ways.items():
                    self.hold(p, t, spot, [(-float(node), column) for column in bought])
                if pool.gpus is not None:
                    own = [c for c in self.inside(p) if self.choices[c].has_own_price]
                    taken = [(float(node), column) for both in ways.values() for column in both]
                    taken += [(self.choices[c].gpus, self.replicas[c, t]) for c in own]
                    program.at_most(pool.gpus // node * node, taken)

    def inside(self, p: int) -> list[int]:
        return [c for c, choice in enumerate(self.choices) if choice.pool == p]

    def hold(self, p: int, t: int, spot: bool, bought: list[tuple[float, int]]) -> None:
        """What runs, and what any few workloads add when they rise, is bought (F5, F9)."""
        rows = [
            c
            for c in self.inside(p)
            if self.choices[c].spot == spot and not self.choices[c].has_own_price
        ]
        taken = [(float(self.choices[c].gpus), self.replicas[c, t]) for c in rows]
        risen = self.fleet.robustness
        if risen is None:
            self.program.at_most(0.0, [*taken, *bought])
            return
        there = sorted({self.choices[c].workload for c in rows})
        for some in itertools.combinations(there, min(risen.workloads, len(there))):
            more = [
                (float(self.choices[c].gpus), self.extra[c, t])
                for c in rows
                if self.choices[c].workload in some
            ]
            self.program.at_most(0.0, [*taken, *more, *bought])

    def runs(self) -> dict[tuple[int, int, bool, str], float]:
        """Replicas that run before the first period, by workload, pool, spot and label."""
        names = [one.name for one in self.fleet.workloads], [pool.name for pool in self.fleet.pools]
        return {
            (names[0].index(one.workload), names[1].index(one.pool), one.spot, one.label): float(
                one.replicas
            )
            for one in self.fleet.running or ()
        }

    def starts(self) -> None:
        """Replicas of a layout beyond those of the period before (F6)."""
        layouts = defaultdict(list)
        for c, choice in enumerate(self.choices):
            layouts[choice.layout].append(c)
        before: dict[Any, float] = defaultdict(float)
        for (w, p, spot, label), count in self.runs().items():
            before[w, p, spot, without_batch(label)] += count
        for layout, rows in layouts.items():
            price = self.choices[rows[0]].start
            for t, when in enumerate(self.when):
                if not price or (when.before < 0 and self.fleet.running is None):
                    continue
                start = self.paying(price * when.weight, whole=False)
                terms = [(1.0, start), *((-1.0, self.replicas[c, t]) for c in rows)]
                if when.before < 0:
                    self.program.at_least(-before[layout], terms)
                else:
                    then = [(1.0, self.replicas[c, when.before]) for c in rows]
                    self.program.at_least(0.0, [*terms, *then])

    def changes(self) -> None:
        """Of each layout the greater of what is added and what is taken away (F15)."""
        if self.fleet.changes is None or self.fleet.changes.at_most is None:
            return
        runs, program = self.runs(), self.program
        kinds = {(c.workload, c.pool, c.spot, c.label): at for at, c in enumerate(self.choices)}
        for t in (t for t, when in enumerate(self.when) if when.before < 0):
            up, down = defaultdict(list), defaultdict(list)
            for key in {*runs, *kinds}:
                layout = (*key[:3], without_batch(key[3]))
                more, less = program.column(), program.column()
                up[layout].append((-1.0, more))
                down[layout].append((-1.0, less))
                now = [(1.0, self.replicas[kinds[key], t])] if key in kinds else []
                ran = runs.get(key, 0.0)
                program.at_most(ran, [*now, (-1.0, more)])
                program.at_least(ran, [*now, (1.0, less)])
            changed = {layout: program.column() for layout in up}
            for layout, column in changed.items():
                program.at_least(0.0, [(1.0, column), *up[layout]])
                program.at_least(0.0, [(1.0, column), *down[layout]])
            every = [(1.0, column) for column in changed.values()]
            program.at_most(self.fleet.changes.at_most, every)

    def caps(self) -> None:
        """Budget, power and carbon (F7)."""
        fleet, program = self.fleet, self.program
        if fleet.dollars_per_hour_at_most is not None:
            program.at_most(fleet.dollars_per_hour_at_most * self.hours, self.paid)
        for t in range(len(self.when)):
            for p, pool in enumerate(fleet.pools):
                if pool.watts_at_most is not None:
                    program.at_most(pool.watts_at_most / 1000, self.kilowatts(self.inside(p), t))
            if fleet.watts_at_most is not None:
                every = list(range(len(self.choices)))
                program.at_most(fleet.watts_at_most / 1000, self.kilowatts(every, t))
        if fleet.carbon_kilograms_at_most is not None:
            spent = [
                (kilowatts * when.hours * self.carbon(c), column)
                for t, when in enumerate(self.when)
                for c in range(len(self.choices))
                for kilowatts, column in self.kilowatts([c], t)
            ]
            program.at_most(fleet.carbon_kilograms_at_most, spent)

    def kilowatts(self, rows: list[int], t: int) -> list[tuple[float, int]]:
        pools = self.fleet.pools
        return [
            (
                self.choices[c].working * (pools[self.choices[c].pool].watts_per_gpu or 0.0) / 1000,
                self.replicas[c, t],
            )
            for c in rows
        ]

    def carbon(self, c: int) -> float:
        """Kilograms of a kilowatt-hour."""
        pool = self.fleet.pools[self.choices[c].pool]
        return (pool.carbon_grams_per_kilowatt_hour or 0.0) / 1000


def nodes(gpus: int | None, node: int) -> float:
    return math.inf if gpus is None else float(gpus // node)
