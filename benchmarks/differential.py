"""The planner against second opinions: `python benchmarks/differential.py --fleets 1000`.

Random fleets of every feature against a model written by hand into HiGHS, and random single
instances by three solvers against plain Python. Prints every seed that disagrees, and ends with 1
where there is one. The tests run the first seeds of both.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))


def fleet(seed: int) -> tuple[int, str, str]:
    """Return the seed, what came out, and what is contradicted, if anything is."""
    from differential import compared

    found = compared(seed)
    kind = found.outcome if found.agrees else "contradicted"
    if found.retold:
        kind += " (without presolve)"
    return seed, kind, "" if found.agrees else f"{found.size}: {found.outcome}"


def instance(seed: int) -> tuple[int, str, str]:
    """Return the same of a single instance."""
    from three_solvers import disagreement

    wrong = disagreement(seed)
    return seed, "contradicted" if wrong else "equal", wrong


def run(what: str, task: Callable[[int], tuple[int, str, str]], seeds: range, jobs: int) -> int:
    """Run a task for every seed and print a summary; return how many disagree."""
    started, counts = time.perf_counter(), Counter()
    with ProcessPoolExecutor(jobs) as pool:
        for seed, kind, words in pool.map(task, seeds):
            counts[kind] += 1
            if words:
                print(f"{what} {seed}: {words}", flush=True)
    seconds = time.perf_counter() - started
    parts = ", ".join(f"{number:,} {kind}" for kind, number in counts.most_common())
    print(f"{what}s {seeds.start} to {seeds.stop - 1}: {parts}; {seconds:,.0f} s", flush=True)
    return counts["contradicted"]


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fleets", type=int, default=1000)
    parser.add_argument("--instances", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="first seed of both")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    seeds = [range(given.first, given.first + n) for n in (given.fleets, given.instances)]
    wrong = run("fleet", fleet, seeds[0], given.jobs) if seeds[0] else 0
    return int(wrong + (run("instance", instance, seeds[1], given.jobs) if seeds[1] else 0) > 0)


if __name__ == "__main__":
    sys.exit(main())
