"""Every folder of instances/ is an example, documentation, and a regression test."""

import csv
import io
from pathlib import Path

import pytest

import planner
from planner.io.instance_file import asks_fleet
from planner.plans.plan import COLUMNS, write_csv
from planner.verification.check_plan import check_plan

INSTANCES = Path(__file__).parents[2] / "instances"
FOLDERS = sorted(path.parent for path in INSTANCES.glob("**/instance.*") if not asks_fleet(path))
VOLATILE = ("solve_seconds", "solver", "planner_version")
"""Columns that change with the run, the solver's release or the program's."""
RELATIVE = 1e-6


def expected_text(folder: Path) -> str:
    """The plan of one folder as CSV, without what changes from run to run."""
    plan = planner.solve(planner.read_instance(instance_file(folder)))
    rows = read(write_csv([plan]))
    kept = [name for name in COLUMNS if name not in VOLATILE]
    text = io.StringIO()
    writer = csv.DictWriter(text, kept, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def instance_file(folder: Path) -> Path:
    return next(folder.glob("instance.*"))


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def same(found: str, expected: str) -> bool:
    try:
        return float(found) == pytest.approx(float(expected), rel=RELATIVE, abs=1e-12)
    except ValueError:
        return found == expected


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_plan_is_the_expected_one(folder: Path) -> None:
    [found] = read(expected_text(folder))
    [expected] = read((folder / "expected.csv").read_text(encoding="utf-8"))
    assert list(found) == list(expected)
    different = {
        name: (found[name], expected[name])
        for name in found
        if not same(found[name], expected[name])
    }
    assert not different


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_expected_plan_passes_the_checker(folder: Path) -> None:
    [expected] = read((folder / "expected.csv").read_text(encoding="utf-8"))
    assert not check_plan(expected, planner.read_instance(instance_file(folder)))


def test_there_are_at_least_eight_of_several_kinds() -> None:
    rows = [read((folder / "expected.csv").read_text(encoding="utf-8"))[0] for folder in FOLDERS]
    assert len(rows) >= 8
    assert {row["status"] for row in rows} == {"optimal", "infeasible"}
    assert {row["profile"] for row in rows} == {"paper", "calibrated"}
    assert len({row["objective_name"] for row in rows}) == 3
    assert len({row["transformer"] for row in rows}) >= 4


def test_every_instance_says_what_it_shows() -> None:
    for folder in FOLDERS:
        assert instance_file(folder).read_text(encoding="utf-8").startswith(("#", "{")), folder
