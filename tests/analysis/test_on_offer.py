"""The deployments on offer as a table: fed back, it gives the same plan."""

import shutil
from pathlib import Path

import pytest

import planner
from planner.analysis.on_offer import deployments_on_offer

INSTANCES = Path(__file__).parents[2] / "instances"


@pytest.mark.parametrize("name", ["day-and-night", "melange", "qwen-service"])
def test_what_is_on_offer_fed_back_gives_the_same_plan(name, tmp_path):
    folder = tmp_path / name
    shutil.copytree(INSTANCES / name, folder)
    instance = planner.read_instance(folder)
    deployments_on_offer(instance).to_csv(folder / "on-offer.csv", index=False)
    file = folder / "instance.yaml"
    text = file.read_text(encoding="utf-8")
    if "deployments: " in text:
        text = text.replace("throughput.csv", "on-offer.csv")
    else:
        text += "deployments: on-offer.csv\n"
    file.write_text(text, encoding="utf-8")
    again = planner.solve(planner.read_instance(folder))
    assert again.dollars_per_hour == pytest.approx(planner.solve(instance).dollars_per_hour)


def test_an_instance_without_demand_has_its_deployments_too():
    table = deployments_on_offer(planner.read_instance(INSTANCES / "llama-8b-smallest"))
    assert set(table["workload"]) == {"llama-3.1-8b"}
    assert (
        table["gpus_per_replica"] == table["tensor_parallel"] * table["pipeline_parallel"]
    ).all()
    assert (1.0 / table["tpot_seconds"] >= 40.0 * (1 - 1e-9)).all()


def test_columns_that_say_nothing_are_left_out():
    table = deployments_on_offer(planner.read_instance(INSTANCES / "melange"))
    assert "tpot_seconds" not in table and set(table["request_class"]) >= {"short-short"}
