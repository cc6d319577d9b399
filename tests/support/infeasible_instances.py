"""Random instances made infeasible in every way that there is."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from random_instances import random_instance

from planner.problem.instance import Instance


def _dear(content: dict[str, Any], rng: random.Random) -> None:
    content[rng.choice(("dollars_per_hour_at_most", "dollars_per_million_tokens_at_most"))] = 1e-4


def _many(content: dict[str, Any], rng: random.Random) -> None:
    content["workload"]["tokens_per_second"] = rng.choice((1e5, 3e6))
    content["workload"]["max_replicas"] = rng.choice((2, 5))


def _fast(content: dict[str, Any], rng: random.Random) -> None:
    content["workload"]["tokens_per_second_per_request"] = rng.choice((2e3, 1e5))


def _soon(content: dict[str, Any], rng: random.Random) -> None:
    content["workload"]["roles"] = "colocated"
    content["workload"]["time_to_first_token_seconds"] = rng.choice((1e-4, 1e-3))


def _full(content: dict[str, Any], rng: random.Random) -> None:
    content["usable_memory_fraction"] = rng.choice((0.01, 0.1, 0.2))


def _scarce(content: dict[str, Any], rng: random.Random) -> None:
    content["workload"]["tokens_per_second"] = 1e5
    content["pools"] = [{**pool, "gpus": rng.choice((1, 3))} for pool in content["pools"]]


WAYS: dict[str, tuple[Callable[[dict[str, Any], random.Random], None], ...]] = {
    "as drawn": (),
    "dear": (_dear,),
    "many": (_many,),
    "fast": (_fast,),
    "soon": (_soon,),
    "full": (_full,),
    "scarce": (_scarce,),
    "fast and dear": (_fast, _dear),
    "soon and scarce": (_soon, _scarce),
    "many and dear": (_many, _dear),
    "full and dear": (_full, _dear),
    "fast, soon and dear": (_fast, _soon, _dear),
}


def attempts(seeds: range) -> Iterator[tuple[str, Instance]]:
    """Instances by how they were made worse, two for every seed; most are infeasible."""
    names = list(WAYS)
    for seed in seeds:
        for way in (names[seed % len(names)], names[(5 * seed + 3) % len(names)]):
            rng = random.Random(f"{seed} {way}")
            content = random_instance(seed).model_dump(by_alias=True, exclude_unset=True)
            for worsen in WAYS[way]:
                worsen(content, rng)
            yield way, Instance.model_validate(content)
