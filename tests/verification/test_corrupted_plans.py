"""Plans with one thing in their files corrupted: whatever changes the meaning is refused."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import corrupted
import fleet_plans
import numpy as np
import pytest
from mixed_fleets import mixed_fleet
from small_fleets import small_fleet

import planner
from planner.api import solve_fleet
from planner.errors import InputError
from planner.plans.read_fleet import read_fleet_plan
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.terms.forward_pass import Precision
from planner.verification import rules
from planner.verification.check_plan import check_file
from planner.verification.fleet.check_fleet_plan import check_fleet_plan
from planner.verification.recompute import Decisions

INSTANCES = Path(__file__).parents[2] / "instances"
PARTS = 8
QUICK = 60
"""One of so many corruptions is tried in the quick tests."""
DESCRIBING = {
    *("solve_seconds", "price_source", "binding", "candidates", "profile_error", "calibration"),
    *("solver", "planner_version", "source", "sweep", "message"),
}
"""Columns of which docs/plan.md says that they only describe."""
FLEETS = {
    "shop": fleet_plans.shop,
    "classy": fleet_plans.classy,
    "small": lambda: _solved(*small_fleet(3)),
    "mixed": lambda: _solved(*mixed_fleet(2003)),
}
SINGLE = (
    *("llama-8b-smallest", "deepseek-v3-speculative", "llama-70b-short-supply"),
    "mistral-large-infeasible-speed",
)


def _solved(fleet, offers):
    return fleet, offers, solve_fleet(fleet, offers)


@cache
def _fleet(name: str):
    return FLEETS[name]()


@cache
def _plan(name: str):
    instance = planner.read_instance(INSTANCES / name)
    return instance, planner.solve(instance)


def _refused(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except InputError as error:
        assert "found" in str(error)
        assert "expected" in str(error)
        return True


def _lives(folder: Path, some: Iterator[corrupted.Corruption], check: Callable) -> list[str]:
    """Corruptions that nobody sees, each put in place of what stands there for a moment."""
    living = []
    for what, file, text in some:
        path = folder / file
        before = path.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        if not _refused(check):
            living.append(f"{file}: {what}")
        path.write_text(before, encoding="utf-8")
    return living


def _of_fleet(name: str, folder: Path, part: int, parts: int) -> tuple[int, list[str]]:
    fleet, offers, plan = _fleet(name)
    plan.write(folder)
    assert check_fleet_plan(read_fleet_plan(folder), fleet, offers) == []
    some = list(corrupted.of_folder(folder))[part::parts]
    living = _lives(
        folder, iter(some), lambda: bool(check_fleet_plan(read_fleet_plan(folder), fleet, offers))
    )
    # Another price of something that there is enough of may prove the same bound; without
    # multipliers the budget's price stands alone.
    alone = "" if plan.multipliers else "|summary.json: budget_shadow_price"
    harmless = re.compile(rf"plan.csv: price_source of|summary.json: multipliers\.{alone}")
    return len(some), [one for one in living if not harmless.match(one)]


def _of_single(name: str, folder: Path, part: int, parts: int) -> tuple[int, list[str]]:
    instance, plan = _plan(name)
    path = folder / "plan.csv"
    plan.to_csv(path)

    def check() -> bool:
        return any(findings for _, findings in check_file(path, [instance]))

    assert not check()
    some = list(corrupted.of_table("plan.csv", path.read_text(encoding="utf-8")))[part::parts]
    living = _lives(folder, iter(some), check)
    column = re.compile(r"plan.csv: (\w+) of row")
    living = [one for one in living if "an extra empty row" not in one]  # It says nothing.
    told = [one for one in living if not (found := column.match(one)) or found[1] not in DESCRIBING]
    return len(some), told


@pytest.mark.parametrize("name", FLEETS)
def test_some_corruptions_of_a_fleets_plan_are_refused(name: str, tmp_path: Path) -> None:
    tried, living = _of_fleet(name, tmp_path, 7, QUICK)
    assert tried > 10
    assert living == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FLEETS)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_corruption_of_a_fleets_plan_is_refused(name: str, part: int, tmp_path: Path) -> None:
    tried, living = _of_fleet(name, tmp_path, part, PARTS)
    assert tried > 50
    assert living == []


@pytest.mark.parametrize("name", SINGLE)
def test_every_corruption_of_one_deployments_plan_is_refused(name: str, tmp_path: Path) -> None:
    tried, living = _of_single(name, tmp_path, 0, 1)
    assert tried > 200
    assert living == []


@pytest.mark.parametrize(("batch", "allowed"), [(1, False), (3, False), (4, True), (8, True)])
def test_a_batch_has_a_sequence_for_every_stage_and_attention_group(
    batch: int, allowed: bool
) -> None:
    """Two stages of two groups each hold four sequences at least."""
    resolved = resolve(
        Instance.model_validate(
            {
                "name": "stages",
                "workload": {"transformer": "deepseek-v3", "tokens_per_second_per_request": 10},
                "pools": [{"accelerator": "h200-sxm"}],
                "search": {
                    "batch": [1, 3, 4, 8],
                    "pipeline_parallel": [2],
                    "data_parallel": [2],
                    "expert_parallel": [2],
                },
            }
        )
    )
    decided = Decisions(Precision("fp8", "bf16"), 8, 2, 2, 2, batch, None, 0)
    found = rules.allowed(resolved, resolved.pools[0], decided, 1)["batch"]
    assert bool(np.all(found)) == allowed
