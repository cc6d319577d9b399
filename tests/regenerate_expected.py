"""Rewrites what tests compare with: expected.csv of instances and fleets, and the golden LP files.

Run `python tests/regenerate_expected.py` after a change that is meant to alter plans or a model,
and read the difference before committing it.
"""

import sys
from pathlib import Path

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS / room) for room in ("instances", "formulations", "support")]
sys.path.insert(0, str(TESTS.parent / "examples"))

import test_deployment_mutants
import test_fleet_milp_mutants
import test_fleets
import test_instances

from planner.formulations import deployment
from planner.formulations.fleet import milp


def main() -> None:
    """Rewrite every golden file."""
    for tests in (test_instances, test_fleets):
        for folder in tests.FOLDERS:
            write(folder / "expected.csv", tests.expected_text(folder))
    for name in test_deployment_mutants.GOLDEN_MODELS:
        path = test_deployment_mutants.GOLDEN / f"{name}.lp"
        write(path, test_deployment_mutants.lp_text(deployment, name, path))
    for name in test_fleet_milp_mutants.CRAFTED:
        path = test_fleet_milp_mutants.golden(name)
        write(path, test_fleet_milp_mutants.lp_text(milp, name, path))


def write(path: Path, text: str) -> None:
    """Write a golden file."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
