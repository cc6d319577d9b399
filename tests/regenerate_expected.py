"""Rewrites what tests compare with: expected.csv of instances and fleets, and the golden LP files.

Run `python tests/regenerate_expected.py` after a change that is meant to alter plans or a model,
and read the difference before committing it.
"""

import sys
from pathlib import Path

import conftest  # noqa: F401, makes examples importable
import test_fleet_examples
import test_fleet_mutants
import test_instances
import test_mutants

from planner.formulations import deployment, fleet


def main() -> None:
    """Rewrite every golden file."""
    for tests in (test_instances, test_fleet_examples):
        for folder in tests.FOLDERS:
            write(folder / "expected.csv", tests.expected_text(folder))
    for name in test_mutants.GOLDEN_MODELS:
        path = test_mutants.GOLDEN / f"{name}.lp"
        write(path, test_mutants.lp_text(deployment, name, path))
    for name in test_fleet_mutants.CRAFTED:
        path = test_fleet_mutants.golden(name)
        write(path, test_fleet_mutants.lp_text(fleet, name, path))


def write(path: Path, text: str) -> None:
    """Write a golden file."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
