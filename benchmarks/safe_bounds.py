"""How far bounds that trust no solver are from plans: `python benchmarks/safe_bounds.py`.

Solves random fleets of both kinds, and prints how many safe bounds are the solver's where the
relaxation is tight, how many are above a plan, and what they take. Ends with 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))


def main() -> int:
    """Read the command line."""
    from safe_bounds import bounded, near

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fleets", type=int, default=200, help="of each kind")
    given = parser.parse_args()
    wrong = 0
    for kind in ("small", "mixed"):
        all_of_them = (bounded(kind, seed) for seed in range(given.fleets))
        found = [one for one in all_of_them if one is not None]
        bad = [one.seed for one in found if not (one.valid and one.follows)]
        tight = sum(one.tight for one in found)
        proved = sum(near(one.safe, one.objective) for one in found)
        within = sum(one.safe >= 0.95 * one.objective for one in found)
        part = sum(one.bounding for one in found) / sum(one.seconds for one in found)
        print(
            f"{kind}: {len(found)} plans, the relaxation tight for {tight}; the safe bound is the "
            f"optimum within 1e-6 for {proved}, within 5 % for {within}, takes {part:.1%} of the "
            f"time of solving; wrong: {', '.join(bad) or 'none'}"
        )
        wrong += len(bad)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
