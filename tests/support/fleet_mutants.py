"""Mutants of formulation F, as changes of its text; what they change is never imported."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = tuple(
    f"planner/formulations/fleet/{name}.py"
    for name in (
        *("milp", "purchases", "costs", "extract_solution", "index_sets", "robust"),
        *("variable_bounds", "ties", "growth", "changes", "places", "refusals", "priorities"),
        "lagrangian_prices",
    )
)
FLEET, BUYING, _, _, DESCRIBED, ROBUST, SIZING, _, _, CHANGING, PLACES, *_ = FILES
SKIP = "pyo.Constraint.Skip"
COVERED = "total([*by_all, refused(of, m.shed, w, t, demand)]) >= m.part"


def dropped(file: str, name: str, features: str) -> tuple[str, str, str, str]:
    """The mutant without one constraint."""
    source = (ROOT / file).read_text(encoding="utf-8")
    head = re.search(rf"^ *def {name}\(m: Any.*\n", source, flags=re.MULTILINE)
    assert head, name
    body = f"{' ' * (len(head[0]) - len(head[0].lstrip()) + 4)}return {SKIP}\n"
    return file, head[0], head[0] + body, features


MUTANTS = {
    "F1 dropped": dropped(FLEET, "covered", ""),
    "F1 flipped": (FLEET, COVERED, COVERED.replace(">=", "<="), ""),
    "F1 of classes dropped": dropped(FLEET, "class_covered", "classes"),
    "F1 without what is refused": (
        FLEET,
        "[*by_all, refused(of, m.shed, w, t, demand)]",
        "by_all",
        "shed",
    ),
    "F1 rates above the demand": (
        DESCRIBED,
        "min(of.rate[c] / demand, 1.0)",
        "max(of.rate[c] / demand, 1.0)",
        "",
    ),
    "F1 decode forgotten": (
        SIZING,
        '"prefill"), "decode": ("colocated", "decode")}',
        '"prefill")}',
        "roles",
    ),
    "F1 colocated serve no prefill": (
        SIZING,
        '"prefill": ("colocated", "prefill")',
        '"prefill": ("prefill",)',
        "roles",
    ),
    "F1 shares forgotten": (
        DESCRIBED,
        "demand[w, t] * self.data.wanted.shares[w, k]",
        "demand[w, t]",
        "classes",
    ),
    "F2 capacity dropped": dropped(FLEET, "within_capacity", "classes"),
    "F2 capacity by the first class": (
        DESCRIBED,
        "of.data.choices.rates[c, k])",
        "of.data.choices.rates[c].max())",
        "classes",
    ),
    "F2 loss dropped": dropped(FLEET, "survives_a_loss", "n_plus_1"),
    "F2 loss of what is not used": (
        FLEET,
        "m.used[of.choice(c, t)]\n        left",
        "m.used[of.choice(rows[0], t)]\n        left",
        "n_plus_1",
    ),
    "F2 use dropped": dropped(FLEET, "replicas_are_used", "n_plus_1"),
    "F3 dropped": dropped(BUYING, "gpu_supply", "spot reserved own_price"),
    "F3 own price not counted": (
        BUYING,
        "for amount in amounts), *busy]",
        "for amount in amounts)]",
        "own_price",
    ),
    "F3 spot not counted": (
        BUYING,
        "for capacity_type in CAPACITY_TYPES\n            for amount",
        "for capacity_type in CAPACITY_TYPES[:1]\n            for amount",
        "spot",
    ),
    "F4 one accelerator a node": (
        BUYING,
        "at[0], at[2], float(pool_supply.increment[p])",
        "at[0], at[2], 1.0",
        "nodes",
    ),
    "F5 dropped": dropped(BUYING, "bought", ""),
    "F5 flipped": (BUYING, "+ spare <= 0.0", "+ spare >= 0.0", ""),
    "F5 spot pays for all": (
        BUYING,
        'if capacity_type == "spot":',
        "if (pool, period) in m.spot:",
        "spot",
    ),
    "F5 own price buys, too": (
        DESCRIBED,
        "& capacity_types & ~self.own",
        "& capacity_types",
        "own_price",
    ),
    "F5 reserved for one period": (
        BUYING,
        "hours = float(horizon.hours.sum())",
        "hours = float(horizon.hours[0])",
        "reserved scenarios",
    ),
    "F6 dropped": dropped(BUYING, "started", "starts"),
    "F6 what runs forgotten": (
        BUYING,
        ">= -float(of.data.by_layout.running[layout])",
        ">= 0.0",
        "starts",
    ),
    "F6 the period before forgotten": (
        BUYING,
        "(1.0, m.replicas[of.choice(c, before)])",
        "(0.0, m.replicas[of.choice(c, before)])",
        "starts",
    ),
    "F6 stops counted": (
        BUYING,
        "((-1.0, m.replicas[of.choice(c, t)]) for c in rows)",
        "((1.0, m.replicas[of.choice(c, t)]) for c in rows)",
        "starts",
    ),
    "F6 other batches start for free": (
        BUYING,
        "((-1.0, m.replicas[of.choice(c, t)]) for c in rows)",
        "((-1.0, m.replicas[of.choice(c, t)]) for c in rows[:1])",
        "starts changes",
    ),
    "F15 dropped": dropped(CHANGING, "few_changes", "changes"),
    "F15 growing is free": dropped(CHANGING, "beyond_running", "changes"),
    "F15 stopping is free": dropped(CHANGING, "changed_down", "changes"),
    "F15 starting is free": dropped(CHANGING, "changed_up", "changes"),
    "F15 batches count twice": (
        *(CHANGING, "total([(1.0, m.changes[at]), *more(m, rows, t), *kept])"),
        "total([(1.0, m.changes[at]), *more(m, rows, t), *more(m, rows, t), *kept])",
        "changes",
    ),
    "most: nothing superfluous goes on": (
        *(SIZING, "np.where(data.first, np.maximum(most, runs), most)", "most"),
        "changes",
    ),
    "F16 both stages dropped": dropped(PLACES, "stage_in_place", "regions roles"),
    "F16 demand dropped": dropped(PLACES, "met_in_places", "regions roles"),
    "F16 nothing lost": (
        PLACES,
        "yield -min(of.rate[c] / demand, 1.0)",
        "yield 0.0 * min(of.rate[c] / demand, 1.0)",
        "regions roles n_plus_1",
    ),
    "F16 no rise": (
        PLACES,
        "demand: float = demand * risen",
        "demand: float = demand",
        "regions roles robust",
    ),
    "F7 budget dropped": dropped(BUYING, "budget", "budget"),
    "F7 budget flipped": (
        BUYING,
        "within(paid, most.dollars)",
        "within(paid, 2 * most.dollars)",
        "budget",
    ),
    "F7 power of a pool dropped": dropped(BUYING, "power_of_pool", "power"),
    "F7 power dropped": dropped(BUYING, "power", "power"),
    "F7 carbon dropped": dropped(BUYING, "carbon", "carbon"),
    "F7 carbon without hours": (
        BUYING,
        "horizon.hours[t] * kilograms[c]",
        "kilograms[c]",
        "carbon",
    ),
    "F8 all may be refused": (FLEET, "float(of.data.wanted.shed_at_most[w])", "1.0", "shed"),
    "F8 none may be refused": (FLEET, "(0.0, most_refused[at])", "(0.0, 0.0)", "shed"),
    "F9 coverage dropped": dropped(ROBUST, "covered_when_risen", "robust"),
    "F9 coverage of classes dropped": dropped(ROBUST, "class_covered_when_risen", "robust classes"),
    "F9 capacity dropped": dropped(ROBUST, "within_capacity_when_risen", "robust classes"),
    "F9 extra are no use": (ROBUST, ", t, demand), *more]", ", t, demand)]", "robust"),
    "F9 use dropped": dropped(ROBUST, "extra_are_used", "robust no_mixing"),
    "F9 duals dropped": dropped(ROBUST, "rise_counted", "robust"),
    "F9 all rise": (
        ROBUST,
        "(float(rising), m.above_all[at]), *duals",
        "(1e3, m.above_all[at]), *duals",
        "robust",
    ),
    "F9 one rises": (
        ROBUST,
        "(float(rising), m.above_all[at])",
        "(1.0, m.above_all[at])",
        "robust",
    ),
    "F9 own price is extra, too": (
        ROBUST,
        "if not of.own[c]}\n    m.extra",
        "}\n    m.extra",
        "robust own_price classes",
    ),
    "F10 dropped": dropped(FLEET, "fewest_replicas", "min_replicas"),
    "F10 most dropped": dropped(FLEET, "most_replicas", "max_replicas"),
    "F11 dropped": dropped(FLEET, "few_deployments", "no_mixing shed"),
    "F11 kinds dropped": dropped(FLEET, "kind_is_used", "no_mixing both_lanes spot shed reserved"),
    "F11 spot is another kind": (
        *(
            DESCRIBED,
            "self.data.choices.offer, return_index",
            "np.arange(len(self.data.choices)), return_index",
        ),
        "no_mixing both_lanes spot",
    ),
    "F11 one role in all": (
        FLEET,
        "firsts, t, most = few[at]",
        "t, firsts, most = few[at][1], sum(of.stages[0].values(), []), few[at][2]",
        "no_mixing roles",
    ),
    "F11 one replica too many": (
        FLEET,
        "(-least, used(m, c, t))",
        "(-least - 1, used(m, c, t))",
        "no_mixing",
    ),
    "F11 what is refused needs replicas": (
        FLEET,
        "wanted.demand * (1 - wanted.shed_at_most[:, None])",
        "wanted.demand",
        "no_mixing shed",
    ),
    "F12 on demand per period": (
        BUYING,
        "yield hourly * on_demand[p, t]",
        "yield increment * on_demand[p, t]",
        "reserved",
    ),
    "F12 spot at the price on demand": (
        BUYING,
        "yield hourly * spot[p, t]",
        "yield hourly * on_demand[p, t]",
        "spot",
    ),
    "F12 own price forgotten": (
        BUYING,
        "horizon.hours[t] * choices.dollars_per_hour[c]",
        "1e-9",
        "own_price",
    ),
    "F12 starts in every scenario": (
        BUYING,
        "horizon.weight[t] * choices.startup",
        "choices.startup",
        "starts scenarios",
    ),
    "F12 refusing for free": (BUYING, "m.dollars + refusing", "m.dollars", "shed"),
    "F12 requests per hour": (BUYING, "3600.0 * horizon", "60.0 * horizon", "shed"),
    "most: none to spare": (
        SIZING,
        "    most += (most > 0) & wanted.survives",
        "    most += 0 * wanted.survives",
        "n_plus_1",
    ),
    "most: no fewer than wanted": (
        SIZING,
        "np.maximum(most, wanted.least[choices.workload][:, None])",
        "most",
        "min_replicas",
    ),
    "most: without the rise": (
        SIZING,
        "data.limits.rise if data.limits.rising else 0.0",
        "0.0",
        "robust own_price",
    ),
    "most: rounded down": (SIZING, "np.ceil(wanted * (1.0 - ROUNDING))", "np.floor(wanted)", ""),
    "most: none waits": (
        SIZING,
        "waits = choices.startup_dollars > 0",
        "waits = choices.startup_dollars < 0",
        "starts",
    ),
    "most: own price limited by the pool": (
        SIZING,
        "return np.where(has_own_price(data), pool_supply.gpus[choices.pool], capacity_types)",
        "return capacity_types",
        "own_price",
    ),
    "most: accelerators for one of each": (
        SIZING,
        "choices.gpus * most.max(axis=1, initial=0) * times",
        "choices.gpus * times",
        "",
    ),
}
"""File, old text, new text, and the features of the fleets on which it must show."""

REDUNDANT = {
    "F11 valid cut": (*dropped(FLEET, "whole_replicas", ""), "deployments"),
    "F1 rates not capped": (
        DESCRIBED,
        "min(of.rate[c] / demand, 1.0)",
        "of.rate[c] / demand",
        "",
        "coverage",
    ),
}
"""What only a golden LP sees: it tightens the relaxation and forbids no plan."""
