"""Makes the batches that docs/performance.md reports: `python benchmarks/many.py mixed 1000 FILE`.

`mixed` instances differ in transformer, lengths, pools, targets and objective, and keep the default
search. `alike` ones come in twenty families that differ in targets, demand and price alone.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEED = 20260
FAMILIES = 20
DENSE = (
    "llama-3.1-8b",
    "llama-3.1-70b",
    "llama-3.1-405b",
    "qwen2.5-14b",
    "qwen3-32b",
    "gemma-2-27b",
    "mistral-7b",
    "phi-4",
)
MIXTURES = ("mixtral-8x7b", "gpt-oss-20b", "qwen3-30b-a3b", "deepseek-v3")
POOLS = ("h100-sxm", "h200-sxm", "a100-80gb-sxm", "b200-sxm", "l40s", "mi300x", "gb200-nvl72")


def family(rng: random.Random) -> dict[str, Any]:
    """Draw what decides the numbers of deployments."""
    pools = rng.sample(POOLS, rng.randint(1, 3))
    return {
        "workload": {
            "transformer": rng.choice(DENSE if rng.random() < 0.75 else MIXTURES),
            "input_tokens": rng.choice((200, 500, 1000, 1500, 3000)),
            "output_tokens": rng.choice((50, 100, 300, 500)),
        },
        "pools": [{"accelerator": name} for name in pools],
    }


def asked(rng: random.Random, content: dict[str, Any], number: int) -> dict[str, Any]:
    """Draw targets, demand and price for a family."""
    workload = {
        **content["workload"],
        "tokens_per_second_per_request": rng.choice((15, 20, 30, 40, 60)) * rng.uniform(0.8, 1.2),
    }
    if rng.random() < 0.7:
        workload["tokens_per_second"] = 10 ** rng.uniform(3, 5)
    pools = [
        {**pool, "dollars_per_gpu_hour": round(rng.uniform(1, 6), 2)} for pool in content["pools"]
    ]
    if rng.random() < 0.3:
        pools[0]["gpus"] = rng.choice((8, 16, 64, 256))
    return {"name": f"{number:05d}", "workload": workload, "pools": pools}


def mixed(count: int) -> list[dict[str, Any]]:
    """Draw instances of which nearly every one has numbers of its own."""
    rng = random.Random(SEED)
    return [asked(rng, family(rng), number) for number in range(count)]


def alike(count: int) -> list[dict[str, Any]]:
    """Draw instances of twenty families."""
    rng = random.Random(SEED)
    families = [family(rng) for _ in range(FAMILIES)]
    return [asked(rng, rng.choice(families), number) for number in range(count)]


KINDS: dict[str, Callable[[int], list[dict[str, Any]]]] = {"mixed": mixed, "alike": alike}


def main() -> None:
    """Write one instance per line."""
    kind, count, file = sys.argv[1:]
    lines = [json.dumps(content) + "\n" for content in KINDS[kind](int(count))]
    Path(file).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
