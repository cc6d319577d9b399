"""Random fleets as people write them, of every feature, from one workload to 20 in 24 periods."""

import random
from typing import Any

from fleet_plans import offers_of

from planner.problem.fleet import Fleet
from planner.problem.offers import Offers

NAN = float("nan")
FEATURES = (
    *("classes", "roles", "n_plus_1", "kinds", "max_replicas", "min_replicas", "shed", "headroom"),
    *("spot", "reserved", "nodes", "starts", "own_price", "budget", "power", "carbon", "limits"),
    *("scenarios", "robust", "running", "changes", "prices", "regions", "prediction", "scarce"),
    *("quantiles", "idle"),
)
SIZES = (
    (0.66, (1, 3), (1, 2), 5.0),
    (0.22, (2, 5), (1, 4), 3.0),
    (0.09, (4, 10), (2, 8), 2.0),
    (0.03, (10, 20), (8, 24), 2.0),
)
"""Part of the fleets, workloads and periods from and to, and seconds for each model."""


def mixed_fleet(seed: int) -> tuple[Fleet, Offers]:
    """A fleet with its offers that follows from the seed."""
    draw = _Draw(random.Random(f"mixed {seed}"))
    return Fleet.model_validate({"name": f"mixed-{seed}"} | draw.document()), offers_of(draw.rows)


class _Draw:
    """One fleet drawn from a generator of random numbers."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        _, workloads, periods, self.seconds = rng.choices(SIZES, [size[0] for size in SIZES])[0]
        self.workloads, self.periods = rng.randint(*workloads), rng.randint(*periods)
        self.pools = rng.choice((1, 2, 2, 3))
        self.has = {name for name in FEATURES if rng.random() < 0.27}
        if "classes" in self.has:
            self.has -= {"roles", "n_plus_1"}
        self.rows: list[tuple] = []

    def some(self, feature: str, part: float = 0.7) -> bool:
        return feature in self.has and self.rng.random() < part

    def document(self) -> dict[str, Any]:
        rng = self.rng
        hours = [rng.uniform(0.5, 6) for _ in range(self.periods)]
        workloads = [self.workload(w) for w in range(self.workloads)]
        self.classes = max(len(one.get("classes", ())) or 1 for one in workloads)
        for w, one in enumerate(workloads):
            self.offer(w, len(one.get("classes", ())) or 1)
        peak = sum(max(_series(one)) for one in workloads) / 0.45 + 1
        pools = [self.pool(p, peak) for p in range(self.pools)]
        return {
            "periods": [{"name": f"t{t}", "hours": part} for t, part in enumerate(hours)],
            "workloads": workloads,
            "pools": pools,
            "solver": {
                "relative_gap": 0.0 if self.workloads * self.periods <= 20 else 1e-3,
                "time_limit_seconds": self.seconds,
            },
            **self.whole(peak, hours),
        }

    def workload(self, w: int) -> dict[str, Any]:
        rng = self.rng
        largest = rng.choice((1.5, 4.0, 12.0))
        demand = [rng.uniform(0.1, 1) * largest for _ in range(self.periods)]
        if self.some("idle", 0.5):
            demand[rng.randrange(self.periods)] = 0.0
        one: dict[str, Any] = {"name": f"w{w}", "requests_per_second": demand}
        if "quantiles" in self.has:
            one["requests_per_second"] = {"p50": [0.6 * part for part in demand], "p95": demand}
        if self.some("classes"):
            part = rng.uniform(0.2, 0.8)
            shares = part, 1 - part
            one["classes"] = [{"name": f"k{k}", "share": share} for k, share in enumerate(shares)]
        one["max_deployments"] = self.kinds()
        one["n_plus_1"] = self.some("n_plus_1", 0.5)
        one["spot"] = rng.random() < 0.8
        if self.some("min_replicas"):
            one["min_replicas"] = rng.randint(1, 3)
        if self.some("max_replicas"):
            one["max_replicas"] = rng.randint(3, 12)
        if self.some("shed"):
            one["shed_at_most"] = rng.uniform(0.05, 1.0)
            one["shed_dollars_per_1000_requests"] = rng.uniform(0.2, 4)
        if self.some("headroom"):
            one["headroom"] = rng.uniform(0.05, 0.4)
        if self.some("starts"):
            one["startup_dollars"] = rng.choice((0.0, rng.uniform(0.2, 5)))
            one["startup_seconds"] = rng.uniform(60, 900)
        return one | self.limits()

    def kinds(self) -> int | str:
        return self.rng.choice((1, 2) if "kinds" in self.has else (1, "any", "any"))

    def limits(self) -> dict[str, Any]:
        rng, one = self.rng, {}
        if self.some("limits"):
            one["tokens_per_second_per_request"] = rng.choice((10.0, 20.0, 30.0))
            one["time_to_first_token_seconds"] = rng.uniform(0.6, 1.5)
            one["quality"] = {"at_least": rng.choice((0.5, 0.9))}
        if self.some("regions"):
            one["users_in"] = rng.choice(("east", "west"))
            if rng.random() < 0.3:
                one["regions"] = ["east", "west"][: rng.randint(1, 2)]
        return one

    def offer(self, w: int, classes: int) -> None:
        """Draw deployments of a workload; one at least meets every limit, in the first pool."""
        rng, roles = self.rng, self.some("roles")
        for p in range(self.pools):
            for gpus in rng.sample((1, 2, 4, 8), rng.choice((1, 1, 2))):
                own = self.row((w, p, f"tp{gpus}", gpus, 0), classes)
                if rng.random() < 0.25:
                    self.row((w, p, f"tp{gpus} b{rng.randint(2, 9)}", gpus, 0), classes, own)
            if roles:
                self.row((w, p, f"p{p}", rng.choice((1, 2)), 1), classes)
                self.row((w, p, f"d{p}", rng.choice((1, 2, 4)), 2), classes)
        rates = [rng.uniform(0.3, 0.5) * (k < classes) for k in range(self.classes)]
        self.rows.append((w, 0, "sure", 1, 0, rates, 0.01, 0.1, NAN, 0.99))

    def row(self, named: tuple, classes: int, own: float | None = None) -> float:
        """Draw a deployment; those that differ in their batch alone have one price."""
        rng, (_, _, _, gpus, role) = self.rng, named
        whole = (2.0 if role else 1.0) * rng.uniform(0.35, 0.9) * gpus**0.85
        rates = [whole * rng.uniform(0.5, 1.5) * (k < classes) for k in range(self.classes)]
        if classes > 1 and rng.random() < 0.15:
            rates[rng.randrange(classes)] = 0.0
        if own is None:
            own = rng.uniform(0.5, 3.5) * gpus if self.some("own_price", 0.3) else NAN
        times = rng.choice((0.02, 0.04, 0.08)), rng.uniform(0.2, 1.0)
        self.rows.append((*named, rates, *times, own, rng.choice((0.8, 0.95))))
        return own

    def pool(self, p: int, peak: float) -> dict[str, Any]:
        rng, price = self.rng, self.rng.uniform(1, 4)
        one: dict[str, Any] = {"name": f"p{p}", "on_demand": {"dollars_per_gpu_hour": price}}
        if "regions" in self.has:
            one["region"] = ("east", "west", "west")[p]
        if self.some("prices"):
            several = [price * rng.uniform(0.5, 1.5) for _ in range(self.periods)]
            one["on_demand"]["dollars_per_gpu_hour"] = several
        if self.some("nodes"):
            one["gpus_per_node"] = rng.choice((4, 8))
        if self.some("reserved"):
            one["reserved"] = {"dollars_per_gpu_hour": price * rng.uniform(0.3, 1.0)}
            if rng.random() < 0.2:
                one["reserved"]["gpus"] = max(round(peak * rng.uniform(0.2, 1.0)), 8)
            elif p and rng.random() < 0.2:
                del one["on_demand"]
        if self.some("spot"):
            one["spot"] = {"dollars_per_gpu_hour": price * rng.uniform(0.2, 0.9)}
            one["spot"]["interruptions_per_hour"] = rng.choice((0.0, 0.05, 0.3))
            if rng.random() < 0.5:
                one["spot"]["gpus"] = max(round(peak * rng.uniform(0.1, 0.6)), 2)
        if (p and rng.random() < 0.4) or self.some("scarce", 0.5):
            one["gpus"] = max(round(peak * rng.uniform(0.4, 1.5)), 4)
        watts = rng.uniform(300, 1000)
        if self.has & {"power", "carbon"}:
            one |= {"watts_per_gpu": watts, "carbon_grams_per_kilowatt_hour": rng.uniform(30, 600)}
        if self.some("power", 0.4):
            one["watts_at_most"] = watts * (16 + peak * rng.uniform(1.0, 3.0))
        return one

    def whole(self, peak: float, hours: list[float]) -> dict[str, Any]:
        """Draw what is asked of all workloads together."""
        rng, one = self.rng, {}
        if "budget" in self.has:
            one["dollars_per_hour_at_most"] = peak * rng.uniform(1.5, 6.0)
        if self.some("power"):
            one["watts_at_most"] = 700 * (16 + peak * rng.uniform(1.0, 3.0))
        if self.some("carbon"):
            one["carbon_kilograms_at_most"] = 0.2 * (16 + peak) * sum(hours) * rng.uniform(0.7, 2.0)
        if "scenarios" in self.has:
            chance = rng.uniform(0.2, 0.8)
            factors = {"w0": rng.uniform(0.5, 2.0)}
            one["scenarios"] = [
                {"name": "low", "probability": chance, "factor": rng.uniform(0.4, 1.0)},
                {"name": "high", "probability": 1 - chance, "factor": 1.2, "factors": factors},
            ]
        if "robust" in self.has:
            most = 2 if self.workloads <= 6 else 1
            one["robustness"] = {"workloads": rng.randint(1, most), "rise": rng.uniform(0.2, 0.8)}
        if "running" in self.has:
            one["running"] = self.running()
        if self.some("changes") and one.get("running"):
            one["changes"] = {"at_most": rng.randint(2, 4 + 6 * self.workloads)}
        if "quantiles" in self.has:
            one["demand_quantile"] = "p95"
        if "prediction" in self.has:
            names = ("prefill_rate", "decode_rate", "colocated_rate")
            one["prediction"] = {name: rng.uniform(0.8, 1.0) for name in names}
            one["prediction"]["time_to_first_token"] = rng.uniform(1.0, 1.5)
        trips = {"east": {"west": rng.uniform(0.05, 0.3)}, "west": {"east": rng.uniform(0.05, 0.3)}}
        return one | ({"round_trip_seconds": trips} if "regions" in self.has else {})

    def running(self) -> list[dict[str, Any]]:
        """Draw what runs: some of what is on offer, and now and then what is not any more."""
        rng, found = self.rng, []
        for w, p, label, *_ in self.rows:
            if rng.random() < 0.3:
                entry = {"workload": f"w{w}", "pool": f"p{p}", "replicas": rng.randint(1, 3)}
                found.append(entry | {"label": label})
                if rng.random() < 0.2:
                    found.append(entry | {"label": f"{label} b64"})
        if rng.random() < 0.2:
            found.append({"workload": "w0", "pool": "p0", "label": "old", "replicas": 1})
        return found


def _series(one: dict[str, Any]) -> list[float]:
    demand = one["requests_per_second"]
    return demand["p95"] if isinstance(demand, dict) else demand
