"""Every claim of the paper: what it says, what its own program gives, and how to measure it."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from paper import claims
from paper.lab import Lab

BF16, FP8, FP4 = "Llama_3_70B", "Llama_3_70B_8_bit", "Llama_3_70B_4_bit"
LARGE, MISTRAL = "Llama_3_405B", "Mistral_Large_2"
TABLE = Path(__file__).with_name("claims.csv")


@dataclass(frozen=True)
class Claim:
    """One number of the paper, and how to find it again; a row of `claims.csv`."""

    title: str
    printed: str
    """What the paper says; empty where it says nothing of the kind."""
    band: tuple[float, float] | None
    """Between which numbers the paper may be said to be right."""
    computed: float
    """What the paper's own program, version F, gives."""
    tolerance: float
    """How far from it we may be."""
    style: str
    """Format of the number."""
    figure: str
    """Figure of `docs/paper/` that shows it; empty for none."""
    needs: str
    """`every point` of the grid; the `real` search alone; `nothing`: no deployment is searched."""
    measure: Callable[[Lab], float] = field(repr=False)

    def verdict(self, found: float) -> str:
        """Return whether the paper's claim holds for a number found."""
        if self.band is None or math.isnan(found):
            return "-"
        return "yes" if self.band[0] <= found <= self.band[1] else "no"


MEASURES: dict[str, Callable[[Lab], float]] = {
    "size": claims.size_exponent,
    "size-small": partial(claims.size_exponent, names=claims.DENSE[:2]),
    "size-large": partial(claims.size_exponent, names=(BF16, LARGE)),
    "size-closed-form": claims.closed_form_exponent,
    "family-1/4": partial(claims.family_exponent, depth=1 / 4),
    "family-1/3": partial(claims.family_exponent, depth=1 / 3),
    "family-1/2": partial(claims.family_exponent, depth=1 / 2),
    "pope": claims.pope,
    "bandwidth": claims.bandwidth_exponent,
    "bandwidth-today": partial(claims.bandwidth_exponent, low=0, high=1),
    "bandwidth-no-latency": claims.bandwidth_exponent_without_latency,
    "bandwidth-doubled": claims.latency_cut,
    "draft-70b": partial(claims.drafted_gain, llm=BF16, low=0.3, high=30.0),
    "draft-405b": partial(claims.drafted_gain, llm=LARGE, low=2.0, high=20.0),
    "draft-speed-70b": partial(claims.drafted_speed, llm=BF16),
    "draft-speed-405b": partial(claims.drafted_speed, llm=LARGE),
    "bits-16-8": partial(claims.narrower_speed, one=FP8, other=BF16),
    "bits-8-4": partial(claims.narrower_speed, one=FP4, other=FP8),
    "bits-16-8-cost": partial(claims.narrower_gain, one=FP8, other=BF16),
    "bits-8-4-cost": partial(claims.narrower_gain, one=FP4, other=FP8),
    "v100-a100": partial(claims.generation_gain, new="A100", old="V100"),
    "a100-h100": partial(claims.generation_gain, new="H100", old="A100"),
    "v100-a100-speed": partial(claims.generation_speed, new="A100", old="V100"),
    "a100-h100-speed": partial(claims.generation_speed, new="H100", old="A100"),
    "all-memory": claims.reading_all_memory,
    "stages-boundless-70b": partial(claims.without_stages, llm=BF16, memory=math.inf),
    "stages-boundless-405b": partial(claims.without_stages, llm=LARGE, memory=math.inf),
    "stages-70b": partial(claims.without_stages, llm=BF16, part=100.0),
    "stages-405b": partial(claims.without_stages, llm=LARGE, part=100.0),
    "memory-30": partial(claims.want_of_memory, speed=30.0),
    "memory-10": partial(claims.want_of_memory, speed=10.0),
    "messages-70b": partial(claims.message_share, llm=BF16),
    "messages-405b": partial(claims.message_share, llm=LARGE),
    "launches-70b": partial(claims.launch_share, llm=BF16),
    "memory-share-70b": partial(claims.memory_share, llm=BF16),
    "crossover-ll": partial(claims.crossover_megabytes, protocol="LL", ranks=8.0, nodes=1.0),
    "crossover-ll-nodes": partial(claims.crossover_megabytes, protocol="LL", ranks=16.0, nodes=2.0),
    "crossover-ll128-nodes": partial(
        claims.crossover_megabytes, protocol="LL128", ranks=16.0, nodes=2.0
    ),
    "utilisation": claims.utilisation,
    "cache": claims.cache_gigabytes,
    "cache-cost": claims.cache_cost,
    "short": partial(claims.least_cost, llm=MISTRAL, context=0.0),
    "long": partial(claims.least_cost, llm=MISTRAL, context=100000.0),
    "long-speed": claims.long_context_speed,
    "latent-20": partial(claims.latent_saving, speed=20.0),
    "latent-60": partial(claims.latent_saving, speed=60.0),
    "latent-crossover": claims.latent_crossover,
    "groq-8b": partial(claims.special_hardware, llm="Llama_3_8B"),
    "groq-70b": partial(claims.special_hardware, llm=FP8),
    "groq-405b": partial(claims.special_hardware, llm="Llama_3_405B_8_bit"),
    "haste-70b": partial(claims.price_of_haste, llm=BF16),
    "haste-405b": partial(claims.price_of_haste, llm=LARGE),
    "haste-gpt4": partial(claims.price_of_haste, llm="GPT_4"),
}


def _band(row: dict[str, str]) -> tuple[float, float] | None:
    return (float(row["holds_from"]), float(row["holds_to"])) if row["holds_from"] else None


def _read() -> Iterator[Claim]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Claim(
                title=row["claim"],
                printed=row["printed"],
                band=_band(row),
                computed=float(row["computed"]),
                tolerance=float(row["tolerance"]),
                style=row["style"],
                figure=row["figure"],
                needs=row["needs"],
                measure=MEASURES[row["key"]],
            )


CLAIMS = tuple(_read())
