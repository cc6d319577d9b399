"""Rewrites what tests compare with: instances/*/expected.csv and the golden LP files.

Run `python tests/regenerate_expected.py` after a change that is meant to alter plans or the model,
and read the difference before committing it.
"""

import sys

import test_mutants
from test_instances import FOLDERS, expected_text

from planner.formulations import deployment


def main() -> None:
    """Rewrite every golden file."""
    for folder in FOLDERS:
        (folder / "expected.csv").write_text(expected_text(folder), encoding="utf-8")
    test_mutants.GOLDEN.mkdir(exist_ok=True)
    for name in test_mutants.GOLDEN_MODELS:
        path = test_mutants.GOLDEN / f"{name}.lp"
        path.write_text(test_mutants.lp_text(deployment, name, path), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
