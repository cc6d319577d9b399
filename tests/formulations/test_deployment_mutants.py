"""Mutants of formulation D: every flipped inequality and every dropped term changes an answer."""

import re
import types
from pathlib import Path

import oracle
import pytest
from crafted_instances import CONTENT, crafted
from random_instances import random_instance

from planner.candidates.table import tabulate
from planner.formulations import deployment
from planner.problem.resolve import resolve
from solvers import Status, solve_in_turn
from solvers.outcome import SolverFailedError

SOURCE = Path(deployment.__file__).read_text(encoding="utf-8")
GOLDEN = Path(__file__).parents[1] / "data" / "lp"
SEEDS = range(80)
GOLDEN_MODELS = ("memory", "arithmetic", "fastest", "combined")

MUTANTS = {
    "D1 at most one value": (") == 1", ") <= 1"),
    "D1 two values": (") == 1", ") == 2"),
    "D2 dropped": ("chosen == m.decide[family, value]", "pyo.Constraint.Skip"),
    "D2 at least": ("chosen == m.decide[family, value]", "chosen >= m.decide[family, value]"),
    "D2 at most": ("chosen == m.decide[family, value]", "chosen <= m.decide[family, value]"),
    "D3 milliseconds in seconds": ("causes[cause] / MILLI", "causes[cause]"),
    "D3 per round instead of per token": (
        "table.step_seconds / table.tokens_per_round",
        "table.step_seconds",
    ),
    "D4 ceilings of several passes": ("if roofline and not resolved.drafts:", "if roofline:"),
    "D4 flipped": ('t["stall"] <= allowed', 't["stall"] >= allowed'),
    "D4 without network": ('t["network"] + t["latency"]', 't["latency"]'),
    "D4 without latency": ('t["network"] + t["latency"]', 't["network"]'),
    "D4 without ceilings": ('+ t[ceiling] + t["stall"]', '+ t["stall"]'),
    "D4 without arithmetic": ('Constraint(["arithmetic", "memory"]', 'Constraint(["memory"]'),
    "D4 without memory": ('Constraint(["arithmetic", "memory"]', 'Constraint(["arithmetic"]'),
    "D4 both ceilings added": ("t[ceiling]", 't["arithmetic"] + t["memory"]'),
    "D4 combined flipped": (
        '.milliseconds["stall"] <= allowed',
        '.milliseconds["stall"] >= allowed',
    ),
    "D4 combined without step": ('m.milliseconds["step"] + m', "m"),
    "D4 combined without stall": (' + m.milliseconds["stall"] <= allowed', " <= allowed"),
    "D5 flipped": ("spare / GIGA) >= 0.0", "spare / GIGA) <= 0.0"),
    "D5 dropped": ("return _weighted(m, spare / GIGA) >= 0.0", "return pyo.Constraint.Skip"),
    "D5 forgets what is usable": (
        "table.usable_bytes_per_gpu - table.memory_bytes_per_gpu",
        "-table.memory_bytes_per_gpu",
    ),
    "D6 throughput and valid cut dropped": (
        (
            "return _weighted(m, parts, m.replicas) >= 1.0",
            "return pyo.Constraint.Skip",
        ),
        (
            "return m.replicas[name] >= needed[name] * m.choose[name]",
            "return pyo.Constraint.Skip",
        ),
    ),
    "D6 throughput flipped": ("m.replicas) >= 1.0", "m.replicas) <= 1.0"),
    "D6 only the chosen, flipped": (
        "m.replicas[name] <= most[name] * m.choose[name]",
        "m.replicas[name] >= most[name] * m.choose[name]",
    ),
    "D6 valid cut flipped": (
        "m.replicas[name] >= needed[name] * m.choose[name]",
        "m.replicas[name] <= needed[name] * m.choose[name] - m.choose[name]",
    ),
    "D6 one replica too many": (
        "m.replicas[name] >= needed[name] * m.choose[name]",
        "m.replicas[name] >= (needed[name] + 1) * m.choose[name]",
    ),
    "D6 most replicas forgotten": (
        "np.minimum(resolved.instance.workload.max_replicas or np.inf, supply)",
        "supply",
    ),
    "D7 supply flipped": ("return used <= _weighted", "return used >= _weighted"),
    "D7 supply dropped": ("return used <= _weighted(m, supply)", "return pyo.Constraint.Skip"),
    "D7 ceilings flipped": ("return attained <= limit", "return attained >= limit"),
    "D7 first token dropped": (
        "if one.at_most and",
        'if one.name != "time_to_first_token_seconds" and one.at_most and',
    ),
    "D7 dollars per million dropped": (
        "if one.at_most and",
        'if one.name != "dollars_per_million_tokens_at_most" and one.at_most and',
    ),
    "D7 dollars per hour dropped": (
        "if one.at_most and",
        'if one.name != "dollars_per_hour_at_most" and one.at_most and',
    ),
    "D7 dollars per hour of one replica": (
        "_weighted(m, table.dollars_per_hour(np.ones(len(table))), m.running)",
        "_weighted(m, table.dollars_per_hour(np.ones(len(table))))",
    ),
    "D8 sense flipped": ("pyo.maximize if aim ==", "pyo.minimize if aim =="),
    "D8 price forgotten": (
        "per_replica = table.dollars_per_hour(np.ones(len(table)))",
        "per_replica = table.gpus_per_replica",
    ),
    "D8 one replica's price": (
        "lambda: _weighted(m, per_replica, m.running)",
        "lambda: _weighted(m, per_replica)",
    ),
    "D9 more accelerators": ("pyo.Objective(expr=gpus,", "pyo.Objective(expr=-gpus,"),
    "D9 slower requests": (
        'expr=speed, sense=pyo.maximize, doc="(D9)',
        'expr=speed, sense=pyo.minimize, doc="(D9)',
    ),
    "D9 last label": ("_weighted(m, ranks)", "_weighted(m, -ranks)"),
}
"""What is changed in the source, by name: pairs of old and new text."""

REDUNDANT = {
    "D6 only the chosen, dropped": (
        "return m.replicas[name] <= most[name] * m.choose[name]",
        "return pyo.Constraint.Skip",
    ),
    "D6 valid cut dropped": (
        "return m.replicas[name] >= needed[name] * m.choose[name]",
        "return pyo.Constraint.Skip",
    ),
    "D6 throughput dropped": (
        "return _weighted(m, parts, m.replicas) >= 1.0",
        "return pyo.Constraint.Skip",
    ),
}
"""What only the golden LP sees: the valid inequality and the throughput imply one another at
integers, and no objective gains by running replicas of a deployment that was not chosen."""

CRAFTED = {
    "D4 ceilings of several passes": "rounds",
    "D4 without network": "network",
    "D4 without arithmetic": "arithmetic",
    "D5 dropped": "memory",
    "D7 dollars per hour of one replica": "budget",
    "D8 price forgotten": "price",
    "D9 more accelerators": "accelerators",
}
TIED = ("D9 slower requests", "D9 last label")


def mutated(changes: tuple) -> types.ModuleType:
    """The formulation with its source changed; the text to change must stand there."""
    source = SOURCE
    for old, new in changes if isinstance(changes[0], tuple) else (changes,):
        assert old in source, old
        source = source.replace(old, new)
    module = types.ModuleType("mutant")
    exec(compile(source, "mutant", "exec"), module.__dict__)
    return module


def answer_of(module: types.ModuleType, instance, resolved, table):
    """What a formulation answers; models it makes impossible count as no answer."""
    try:
        model = module.build(resolved, table)
        outcome = solve_in_turn(model, module.objectives(model))
        if outcome.status is Status.INFEASIBLE:
            return None
        row, replicas = module.chosen_row(model)
    except (SolverFailedError, ValueError):
        return "failed"
    return list(model.CANDIDATES)[row], replicas


def tied_instances():
    """Instances in which several deployments cost the same, so that ties are broken."""
    for seed in SEEDS:
        content = random_instance(seed).model_dump(by_alias=True, exclude_unset=True)
        content["pools"] = [{**pool, "dollars_per_gpu_hour": 2.0} for pool in content["pools"]]
        content["pools"].append({**content["pools"][0], "name": "twin"})
        content["workload"]["tokens_per_second"] = 100.0
        content["objective"] = "dollars_per_hour"
        yield random_instance(seed).model_validate(content)


def differing(module: types.ModuleType, instances) -> str:
    """Name the first instance on which a mutant's answer differs from the oracle's."""
    for instance in instances:
        resolved = resolve(instance)
        table = tabulate(resolved)
        expected = oracle.answer(instance, oracle.rows_of(resolved, table))
        found = answer_of(module, instance, resolved, table)
        if found != (expected[:2] if expected else None):
            return instance.name
    return ""


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_answers_wrongly_somewhere(name: str) -> None:
    instances = map(random_instance, SEEDS)
    if name in CRAFTED:
        instances = [crafted(CRAFTED[name])]
    elif name in TIED:
        instances = tied_instances()
    assert differing(mutated(MUTANTS[name]), instances)


@pytest.mark.parametrize(
    "instances",
    [
        lambda: map(random_instance, SEEDS),
        tied_instances,
        lambda: map(crafted, CONTENT),
    ],
    ids=["random", "tied", "crafted"],
)
def test_the_formulation_itself_answers_rightly_everywhere(instances) -> None:
    assert not differing(deployment, instances())


def lp_text(module: types.ModuleType, name: str, path: Path) -> str:
    """The LP file of one instance, its numbers rounded so that machines agree."""
    resolved = resolve(crafted(name))
    model = module.build(resolved, tabulate(resolved))
    for objective in module.objectives(model)[1:]:
        objective.deactivate()
    model.write(str(path), io_options={"symbolic_solver_labels": True})
    text = path.read_text(encoding="utf-8")
    return re.sub(r"[+-]\d\S*", lambda number: f"{float(number[0]):+.8g}", text)


@pytest.mark.parametrize("name", GOLDEN_MODELS)
def test_the_model_is_the_golden_one(name: str, tmp_path: Path) -> None:
    found = lp_text(deployment, name, tmp_path / "model.lp")
    assert found == (GOLDEN / f"{name}.lp").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", REDUNDANT)
def test_what_no_answer_shows_the_golden_model_does(name: str, tmp_path: Path) -> None:
    module = mutated(REDUNDANT[name])
    found = lp_text(module, "memory", tmp_path / "model.lp")
    assert found != (GOLDEN / "memory.lp").read_text(encoding="utf-8")


def test_every_constraint_of_the_formulation_is_mutated() -> None:
    declared = set(re.findall(r"    def (\w+)\(m: Any", SOURCE))
    assert declared == {
        "one_value",
        "tuple_is_deployment",
        "milliseconds",
        "fast_enough",
        "fast_enough_combined",
        "throughput",
        "only_the_chosen_runs",
        "whole_replicas",
        "memory_capacity",
        "gpu_supply",
        "at_most",
    }


def test_the_number_of_mutants_that_the_readme_states_is_the_number_killed() -> None:
    page = Path(__file__).parents[2] / "README.md"
    stated = re.search(r"<!-- mutants -->(\d+) mutants", page.read_text(encoding="utf-8"))
    assert stated
    assert int(stated[1]) == len(MUTANTS) + len(REDUNDANT)
