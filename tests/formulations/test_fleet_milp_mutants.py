"""Mutants of formulation F: every dropped constraint and changed term changes an answer."""

import ast
import importlib
import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import fleets_by_hand
import pytest
from crafted_fleets import CRAFTED, names
from fleet_mutants import COVERED, FILES, FLEET, MUTANTS, REDUNDANT, ROOT, SKIP
from random_fleets import random_figures

from planner.formulations.fleet import milp

GOLDEN = Path(__file__).parents[1] / "data" / "lp"
SEEDS = range(60)


def mutant(folder: Path, changes: tuple[str, str, str]):
    """The formulation, copied as a package of its own, with one text changed in one file."""
    package = f"mutant_{folder.name}"
    root = folder / package
    for file in FILES:
        source = (ROOT / file).read_text(encoding="utf-8")
        if file == changes[0]:
            assert changes[1] in source, changes[1]
            source = source.replace(changes[1], changes[2])
        target = root / Path(file).relative_to("planner/formulations")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.replace("planner.formulations", package), encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        return importlib.import_module(f"{package}.fleet.milp")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.startswith(package)]:
            del sys.modules[name]


@cache
def by_hand(seed: int, features: str) -> float | None:
    return fleets_by_hand.cheapest(random_figures(seed, features=frozenset(features.split())))


def differs(module, seed: int, features: str) -> bool:
    """Whether a mutant's answer is not that of brute force; a crash is no answer."""
    data = random_figures(seed, features=frozenset(features.split()))
    result = module.solve(data, time_limit_seconds=10.0)
    found = result.objective if result.decisions else None
    expected = by_hand(seed, features)
    if found is None or expected is None:
        return found != expected
    return found != pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_answers_wrongly_somewhere(name: str, tmp_path: Path) -> None:
    *changes, features = MUTANTS[name]
    module = mutant(tmp_path, tuple(changes))
    assert any(differs(module, seed, features) for seed in SEEDS)


def test_a_copy_that_changes_nothing_answers_rightly(tmp_path: Path) -> None:
    module = mutant(tmp_path, (FLEET, COVERED, COVERED))
    for features in {features for *_, features in MUTANTS.values()}:
        assert not any(differs(module, seed, features) for seed in range(8))


def lp_text(module, name: str, path: Path) -> str:
    """The LP file of a crafted fleet, its numbers rounded so that machines agree."""
    model = module.build(CRAFTED[name], names(CRAFTED[name]))
    model.write(str(path), io_options={"symbolic_solver_labels": True})
    text = path.read_text(encoding="utf-8")
    return re.sub(r"[+-]\d\S*", lambda number: f"{float(number[0]):+.8g}", text)


def golden(name: str) -> Path:
    return GOLDEN / f"fleet_{name}.lp"


@pytest.mark.parametrize("name", CRAFTED)
def test_the_model_is_the_golden_one(name: str, tmp_path: Path) -> None:
    found = lp_text(milp, name, tmp_path / "model.lp")
    assert found == golden(name).read_text(encoding="utf-8")


def test_every_constraint_stands_in_a_golden_model() -> None:
    text = "".join(golden(name).read_text(encoding="utf-8") for name in CRAFTED)
    for name in declared():
        assert re.search(rf"^c_._{name}[(_]", text, flags=re.MULTILINE), name


@pytest.mark.parametrize("name", REDUNDANT)
def test_what_no_answer_shows_a_golden_model_does(name: str, tmp_path: Path) -> None:
    *changes, features, crafted = REDUNDANT[name]
    module = mutant(tmp_path, tuple(changes))
    assert not any(differs(module, seed, features) for seed in range(20))
    found = lp_text(module, crafted, tmp_path / "model.lp")
    assert found != golden(crafted).read_text(encoding="utf-8")


def declared() -> list[str]:
    """Names of all constraints."""
    found = []
    for file in FILES:
        source = (ROOT / file).read_text(encoding="utf-8")
        found += re.findall(r"@m\.Constraint\([^\n]*\n +def (\w+)\(m: Any", source)
    return found


def test_every_constraint_is_mutated() -> None:
    heads = "".join(new for _, _, new, *_ in (*MUTANTS.values(), *REDUNDANT.values()))
    dropped_ones = set(re.findall(rf"def (\w+)\(m: Any.*\n +return {re.escape(SKIP)}\n", heads))
    made = sum((ROOT / file).read_text("utf-8").count("@m.Constraint(") for file in FILES)
    assert len(declared()) == len(set(declared())) == made
    assert dropped_ones == set(declared())


def tags() -> list[tuple[str, str, str]]:
    """Every tag in a `doc=` of the formulation, as (tag, file, component)."""
    found = []
    for file in FILES:
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            calls, name = [], ""
            if isinstance(node, ast.FunctionDef):
                calls, name = node.decorator_list, node.name
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
                calls, name = [node.value], node.targets[0].attr
            for call in (call for call in calls if isinstance(call, ast.Call)):
                docs = [key.value.value for key in call.keywords if key.arg == "doc"]
                found += [(t, file, name) for doc in docs for t in re.findall(r"\((F\d+)\)", doc)]
    return found


def test_every_rule_of_the_fleet_has_its_components_and_one_row() -> None:
    text = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in text.splitlines()
        if re.match(r"\| F\d+ \|", line)
    ]
    assert {len(cells) for cells in rows} == {5}
    assert [cells[0] for cells in rows] == [f"F{number}" for number in range(1, len(rows) + 1)]
    homes = Counter()
    for tag, _, _, home, _ in rows:
        for part in home.split("; "):
            file, components = part.strip("`").split(": ")
            homes.update((tag, file, component) for component in components.split(", "))
    assert homes == Counter(tags())


def test_every_constraint_and_objective_has_a_tag() -> None:
    source = "".join((ROOT / file).read_text(encoding="utf-8") for file in FILES)
    made = len(re.findall(r"@m\.Constraint\(|pyo\.Objective\(|pyo\.Expression\(|@m\.Expr", source))
    variables = sum(
        name in {"reserved", "on_demand", "spot", "shed", "part"} for _, _, name in tags()
    )
    assert made == len(tags()) - variables
