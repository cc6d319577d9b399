"""A week of Azure's requests on four pools: three models, three kinds of prices, one certificate.

Demand is the hourly rate of Azure's code and conversation services in a week of 2024 (CC-BY 4.0),
from the folder that PLANNER_DATA names; typical lengths are the means of Azure's traces of 2023.
Which model serves whom, pools and prices are made up. Writes the plan and two pictures:

    PLANNER_DATA=data python examples/azure_week.py week
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd
from rich.console import Console

import planner
from planner.reporting.plots.fleet_plan import plot_use, plot_workloads
from planner.reporting.terminal.fleet_plan import show_fleet_plan

DEMAND = "demand/azure2024_week_hourly_requests_digitised.csv"
SEARCH = {"pipeline_parallel": 1, "weights": "fp8"}

CODE = {
    "name": "code",
    "transformer": "llama-3.1-8b",
    "input_tokens": 2048,
    "output_tokens": 28,
    "tokens_per_second_per_request": 60,
    "time_to_first_token_seconds": 0.5,
    "users_in": "eu-west",
    "regions": "eu-west",  # Source text stays in Europe.
    "n_plus_1": True,
    "spot": False,
    "search": SEARCH,
}
CHAT = {
    "name": "chat",
    "transformer": "llama-3.1-70b",
    "input_tokens": 1155,
    "output_tokens": 211,
    "tokens_per_second_per_request": 30,
    "time_to_first_token_seconds": 1.0,
    "users_in": "eu-west",
    "headroom": 0.1,
    "search": SEARCH,
}
ASSISTANT = {
    **CHAT,
    "name": "assistant",
    "transformer": "qwen3-32b",
    "users_in": "us-east",
    "shed_at_most": 0.05,
    "shed_dollars_per_1000_requests": 2.0,
    "priority": 2,
}
PART_OF_CONVERSATIONS = {"chat": 0.4, "assistant": 0.6}

POOLS = [
    {
        "name": "eu-h100",
        "accelerator": "h100-sxm",
        "region": "eu-west",
        "gpus": 8,
        "reserved": {"dollars_per_gpu_hour": 2.0},
        "on_demand": {"dollars_per_gpu_hour": 3.2},
    },
    {
        "name": "us-h100",
        "accelerator": "h100-sxm",
        "region": "us-east",
        "gpus": 16,
        "on_demand": {"dollars_per_gpu_hour": 2.9},
        "spot": {"dollars_per_gpu_hour": 1.6, "interruptions_per_hour": 0.05},
    },
    {
        "name": "us-h200",
        "accelerator": "h200-sxm",
        "region": "us-east",
        "gpus": 16,
        "on_demand": {"dollars_per_gpu_hour": 3.6},
    },
    {
        "name": "eu-l40s",
        "accelerator": "l40s",
        "region": "eu-west",
        "gpus": 64,
        "on_demand": {"dollars_per_gpu_hour": 0.9},
        "spot": {"dollars_per_gpu_hour": 0.5, "interruptions_per_hour": 0.1, "gpus": 32},
    },
]


def azure_week(demand: Path, hours: int = 168) -> planner.Fleet:
    """Return the fleet with the demand of a file, or of its first hours."""
    table = pd.read_csv(demand).head(hours)
    code = table["code_req_per_min"] / 60.0
    conversations = table["conv_req_per_min"] / 60.0
    rates = {"code": code} | {
        name: part * conversations for name, part in PART_OF_CONVERSATIONS.items()
    }
    return planner.Fleet.model_validate(
        {
            "name": "azure-week",
            "periods": [{"name": f"d{hour // 24 + 1} {hour % 24:02}h"} for hour in table["hour"]],
            "pools": POOLS,
            "workloads": [
                {
                    **workload,
                    "requests_per_second": rates[workload["name"]].round(4).tolist(),
                    "max_deployments": "any",
                }
                for workload in (CODE, CHAT, ASSISTANT)
            ],
            "round_trip_seconds": {"eu-west": {"us-east": 0.09}, "us-east": {"eu-west": 0.09}},
            "solver": {"relative_gap": 0.01},
        }
    )


def main(folder: Path) -> None:
    """Plan the week, show the plan, and write it with its pictures."""
    plan = planner.solve(azure_week(Path(os.environ["PLANNER_DATA"]) / DEMAND))
    show_fleet_plan(plan, Console())
    folder.mkdir(parents=True, exist_ok=True)
    plan.write(folder)
    plot_use(folder / "use.svg", plan)
    plot_workloads(folder / "areas.svg", plan)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "azure-week"))
