"""Fleet files: what is read, and one message with file, line and field for every mistake."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

from planner.errors import InputError, Problem, few
from planner.io.fleet.fleet_file import open_fleet, read_fleet
from planner.io.llm_inferno.convert import read_inferno
from planner.io.llm_inferno.queue_model import Replicas, busiest
from planner.io.opened_fleet import opened
from planner.io.schema_errors import model_in
from planner.problem.fleet import Fleet, FleetPool, FleetWorkload, OnDemand
from planner.problem.validate_fleet import validate_fleet

DATA = Path(__file__).parents[1] / "data" / "fleets"
DAY, TABLES = DATA / "day.yaml", DATA / "tables"
WRONG = YAML(typ="safe").load((DATA / "wrong.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Run in an empty folder, so that messages have bare names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(path):
    with pytest.raises(InputError) as refused:
        read_fleet(path)
    return refused.value


@pytest.mark.parametrize("kind", WRONG)
def test_message_of_every_mistake(kind, here):
    wrong = WRONG[kind]
    if wrong["of"] == "tables":
        shutil.copytree(TABLES, here, dirs_exist_ok=True)
    else:
        shutil.copy(DAY, here / "instance.yaml")
        shutil.copy(TABLES / "own.csv", here)
    path = here / wrong["file"]
    text = path.read_text(encoding="utf-8")
    old = wrong.get("replace", text)
    assert old in text
    # What Latin-1 can write and ASCII cannot is no UTF-8.
    path.write_text(text.replace(old, wrong["by"], 1), encoding="latin-1")
    assert str(refusal("instance.yaml")) == wrong["says"]


def test_mistakes_are_of_many_kinds_and_no_two_read_the_same():
    said = [wrong["says"].split(": ", 1)[1] for wrong in WRONG.values()]
    assert len(said) >= 80
    assert len(set(said)) == len(said)


def test_day_is_read():
    fleet = read_fleet(DAY)
    chat, batch = fleet.workloads
    assert chat.requests_per_second == {"p50": (2, 8), "p95": (4, 16)}
    assert (batch.tokens_per_second, batch.tokens_per_second_per_request) == ((5000,), 20)
    assert [period.hours for period in fleet.periods] == [16, 8]
    assert fleet.pools[0].gpus_per_node == 8
    assert fleet.pools[1].spot.interruptions_per_hour == 0.05
    assert fleet.running[0].label == "tp8"


def test_tables_say_what_a_file_would():
    fleet = read_fleet(TABLES / "instance.yaml")
    own, everyones = (str(TABLES / name) for name in ("own.csv", "candidates.csv"))
    classes = [{"name": "short", "share": 0.75}, {"name": "long", "share": 0.25}]
    chat = {
        "name": "chat",
        "transformer": "llama-3.1-70b",
        "input_tokens": 1500,
        "tokens_per_second_per_request": 40,
        "time_to_first_token_seconds": 2,
        "regions": ["eu-west", "us-east"],
        "spot": False,
        "min_replicas": 2,
        "classes": classes,
        "deployments": own,
        "requests_per_second": [2, 8],
    }
    batch = {
        "name": "batch",
        "tokens_per_second_per_request": 20,
        "requests_per_second": [30, 0],
    }
    eu = {"name": "eu", "accelerator": "h100-sxm", "region": "eu-west", "gpus": 64}
    eu["on_demand"] = {"dollars_per_gpu_hour": 2.5, "gpus": 32}
    us = {"name": "us", "accelerator": "h200-sxm", "region": "us-east"}
    us["spot"] = {"dollars_per_gpu_hour": 1.2}
    asked = {
        "name": "tables",
        "periods": [{"name": "night", "hours": 16}, {"name": "day", "hours": 8}],
        "workloads": [chat, batch],
        "pools": [eu, us],
        "deployments": everyones,
        "running": [{"workload": "chat", "pool": "eu", "label": "tp8", "replicas": 2}],
    }
    assert fleet == Fleet.model_validate(asked)


def test_folder_is_read_as_its_file():
    assert read_fleet(TABLES) == read_fleet(TABLES / "instance.yaml")
    assert open_fleet(TABLES)[1] is None


def test_folder_with_neither_is_refused(here):
    assert str(refusal(here)) == (
        f"{here}: found a directory with neither, expected a file, or a directory with "
        "instance.yaml or llm-inferno's files. "
        "Name the file itself; `planner batch` solves all files of a directory."
    )


def in_folder(here, **files):
    shutil.copytree(TABLES, here, dirs_exist_ok=True)
    for name, text in files.items():
        (here / name.replace("_", ".")).write_text(text, encoding="utf-8")


def test_wide_demand_is_long_demand(here):
    in_folder(here)
    long = read_fleet(here)
    (here / "demand.csv").write_text((here / "wide.csv").read_text())
    assert read_fleet(here) == long


def test_demand_by_quantile_and_in_tokens(here):
    rows = [
        f"{name},{period},{q},{value}"
        for name in ("chat", "batch")
        for period in ("night", "day")
        for q, value in (("p50", 1), ("p95", 3))
    ]
    text = "\n".join(["workload,period,quantile,tokens_per_second", *rows])
    in_folder(here, demand_csv=text)
    with (here / "instance.yaml").open("a") as file:
        file.write("demand_quantile: p95\n")
    demand = [workload.tokens_per_second for workload in read_fleet(here).workloads]
    assert demand == [{"p50": (1, 1), "p95": (3, 3)}] * 2


def test_quantiles_and_deep_fields_as_columns(here):
    in_folder(
        here,
        workloads_csv="name,requests_per_second.p50,requests_per_second.p95,search.batch,"
        "search.weights,drafts.transformer,drafts.acceptance,quality.at_least\n"
        '"a, b",1;2,3;4,1;2;4,fp8,llama-3.2-1b,0.7,0.9\n',
        instance_yaml="name: a\nperiods: 2\nworkloads: workloads.csv\npools: pools.csv\n"
        "deployments: candidates.csv\ndemand_quantile: p50",
    )
    (workload,) = read_fleet(here).workloads
    assert workload.name == "a, b"
    assert workload.requests_per_second == {"p50": (1, 2), "p95": (3, 4)}
    assert workload.search.batch.sizes() == (1, 2, 4)
    assert workload.search.weights == ("fp8",)
    assert workload.drafts[0].acceptance == 0.7
    assert workload.quality.at_least == 0.9


def test_lines_are_those_of_the_file_whatever_is_quoted_or_blank(here):
    text = 'name,on_demand.dollars_per_gpu_hour\n\n"e\nu",2\nus,-1\n'
    in_folder(here, pools_csv=text)
    name, price = refusal("instance.yaml").problems
    assert (name.file, name.line, name.found) == ("pools.csv", 3, "'e\\nu'")
    assert (price.file, price.line, price.found) == ("pools.csv", 5, "-1")


def test_json_fleet_knows_lines(here):
    fleet = {"name": "a", "workloads": [{"name": "w", "headroom": 2}], "pools": [{"name": "p"}]}
    (here / "instance.json").write_text(json.dumps(fleet, indent=1))
    (problem,) = refusal("instance.json").problems
    assert (problem.line, problem.field) == (6, "workloads[0].headroom")


def test_all_problems_are_told_together_and_of_each_kind_a_few(here):
    rows = "".join(f"w{at},-1,maybe\n" for at in range(50))
    in_folder(here, workloads_csv=f"name,headroom,max_deployments\n{rows}")
    problems = refusal("instance.yaml").problems
    assert len(problems) == 12
    assert problems[-1].found == "others like it from here on"
    assert problems[-1].line == 7


def test_few_keeps_what_is_of_another_kind():
    alike = [Problem("x", str(at), f"workloads[{at}].name") for at in range(9)]
    other = Problem("y", "9", "workloads[9].name")
    assert few([*alike, other]) == [
        *alike[:5],
        Problem("x", "others like it from here on", "workloads[5].name"),
        other,
    ]


def test_later_problems_get_their_lines():
    price = Problem("a price", "nothing", "pools[1].on_demand")
    (problem,) = opened(TABLES).located([price])
    assert (Path(problem.file).name, problem.line) == ("pools.csv", 3)
    (problem,) = opened(DAY).located([price])
    assert (Path(problem.file).name, problem.line) == ("day.yaml", 5)
    (problem,) = opened(TABLES).located([Problem("x", "y", "workloads[1].requests_per_second")])
    assert (Path(problem.file).name, problem.line) == ("demand.csv", 4)


@pytest.mark.usefixtures("here")
def test_thousands_of_workloads_are_read():
    count = 3000
    header = "name,requests_per_second,deployments\n"
    rows = "".join(f"w{at},{at % 7},c.csv\n" for at in range(count))
    Path("workloads.csv").write_text(header + rows)
    Path("c.csv").write_text("gpus\n1\n")
    pools = "pools: [{name: p, on_demand: {dollars_per_gpu_hour: 2}}]"
    Path("instance.yaml").write_text(f"name: big\nworkloads: workloads.csv\n{pools}\n")
    fleet = read_fleet("instance.yaml")
    assert len(fleet.workloads) == count
    assert fleet.workloads[2999].requests_per_second == (2999 % 7,)


def simple(**changes):
    workload = FleetWorkload(name="w", requests_per_second=(1,), deployments=("c.csv",))
    pools = (FleetPool(name="p", on_demand=OnDemand(dollars_per_gpu_hour=1)),)
    return Fleet(name="f", workloads=(workload.model_copy(update=changes),), pools=pools)


def test_fleets_of_the_api_are_checked_too():
    assert validate_fleet(simple()) == ()
    (problem,) = validate_fleet(simple(requests_per_second=(1, 2)))
    assert (problem.field, problem.file) == ("workloads[0].requests_per_second", "")


def test_names_count_only_where_the_catalogue_is_asked():
    assert validate_fleet(simple(transformer="my-own")) == ()
    (problem,) = validate_fleet(simple(transformer="my-own", deployments=()))[-1:]
    assert problem.field == "workloads[0].transformer"
    assert validate_fleet(simple(deployments=()), has_offers=True) == ()


def test_one_quantile_needs_no_choice():
    assert validate_fleet(simple(requests_per_second={"p95": (1,)})) == ()


PAGE = Path(__file__).parents[2] / "docs" / "instance.md"


def test_defaults_on_the_page_are_those_of_the_schema():
    rows = re.findall(r"^\| `([^`]+)`(?: ↓)? \| `?([^|`]+)`? \|", PAGE.read_text("utf-8"), re.M)
    stated = {name.replace("workload.", "workloads."): value for name, value in rows}
    for name in ("workloads.input_tokens", "workloads.headroom"):
        assert float(stated[name]) == default(name)
    for name in (
        "solver.time_limit_seconds",
        "prediction.decode_rate",
        "workloads.max_deployments",
    ):
        assert float(stated[name]) == default(name)
    for name in ("classes.name", "classes.share", "drafts.acceptance", "quality.at_least"):
        assert stated[f"workloads.{name}"].strip() == "required"
        assert default(f"workloads.{name}") is PydanticUndefined


def default(name):
    part, field = Fleet, None
    for step in name.split("."):
        part = part if field is None else model_in(field.annotation)
        field = part.model_fields[step]
    return field.get_default(call_default_factory=True)


def test_the_day_of_the_tests_is_that_on_the_page():
    assert DAY.read_text("utf-8") in PAGE.read_text("utf-8")


# llm-inferno


def inferno(**changes):
    """Two of the accelerators, models, classes and servers of llm-inferno's own sample."""
    load = {"arrivalRate": 60, "AvgInTokens": 128, "AvgOutTokens": 1024}
    values = {
        "accelerator-data": {
            "accelerators": [
                {"name": "G2", "type": "G2", "multiplicity": 1, "cost": 23.0},
                {"name": "4xA100", "type": "A100", "multiplicity": 4, "cost": 160.0},
                {"name": "A100", "type": "A100", "cost": 40.0, "power": {"full": 400}},
            ]
        },
        "model-data": {
            "models": [
                model("granite_13b", "A100", 64, 1, (20.58, 0.041, 0.00128125)),
                model("granite_13b", "G2", 76, 1, (17.15, 0.034, 0.0010625)),
                model("llama_70b", "4xA100", 10, 1, (13.71, 0.354, 0.0110625)),
                model("llama_70b", "G2", 12, 4, (22.84, 0.589, 0.01840625)),
            ]
        },
        "serviceclass-data": {
            "serviceClasses": [
                {
                    "name": "Premium",
                    "priority": 1,
                    "modelTargets": [
                        {"model": "granite_13b", "slo-itl": 40, "slo-ttft": 1000},
                        {"model": "llama_70b", "slo-itl": 80, "slo-ttft": 1000},
                    ],
                }
            ]
        },
        "server-data": {
            "servers": [
                {"name": name, "class": "Premium", "model": name, "currentAlloc": {"load": load}}
                for name in ("llama_70b", "granite_13b")
            ]
        },
        "capacity-data": {"count": [{"type": "A100", "count": 768}]},
    }
    return {**values, **changes}


def model(name, accelerator, batch, count, parameters):
    return {
        "name": name,
        "acc": accelerator,
        "accCount": count,
        "maxBatchSize": batch,
        "atTokens": 512,
        "perfParms": dict(zip(("alpha", "beta", "gamma"), parameters, strict=True)),
    }


def written(folder, values):
    for name, value in values.items():
        (folder / f"{name}.json").write_text(json.dumps(value, indent=1))
    return folder


PUBLISHED = {
    ("granite_13b", "A100"): 31.705788,
    ("granite_13b", "G2"): 45.895996,
    ("llama_70b", "4xA100"): 4.472993,
    ("llama_70b", "G2"): 2.907380,
}
"""Requests per minute of one replica, for the class Premium, by llm-inferno's own analysis."""


def test_rates_are_those_of_the_other_tool(tmp_path):
    fleet, offers = open_fleet(written(tmp_path, inferno()))
    named = [fleet.workloads[at].name for at in offers.workload]
    found = dict(zip(zip(named, offers.label, strict=True), offers.rates[:, 0] * 60, strict=True))
    assert found == pytest.approx(PUBLISHED, rel=1e-6)
    assert np.all(np.diff(offers.workload) >= 0)
    tpot = [1 / fleet.workloads[at].tokens_per_second_per_request for at in offers.workload]
    assert np.all(offers.tpot_seconds <= tpot)
    assert np.all(offers.ttft_seconds <= 1)


def test_units_prices_and_supply(tmp_path):
    fleet, offers = read_inferno(written(tmp_path, inferno()))
    pools = {pool.name: pool for pool in fleet.pools}
    assert {name: pool.gpus for name, pool in pools.items()} == {"G2": 0, "A100": 768}
    assert pools["A100"].on_demand.dollars_per_gpu_hour == pytest.approx((0.4,))
    assert pools["A100"].watts_per_gpu == 400
    assert dict(zip(offers.label, offers.gpus, strict=True))["4xA100"] == 4
    assert np.isnan(offers.dollars_per_hour).all()
    assert [workload.requests_per_second for workload in fleet.workloads] == [(1,), (1,)]
    assert all(workload.max_deployments == 1 for workload in fleet.workloads)


def test_machines_with_a_price_of_their_own_and_other_options(tmp_path):
    values = inferno(
        **{"optimizer-data": {"optimizer": {"unlimited": True, "heterogeneous": True}}}
    )
    values["accelerator-data"]["accelerators"][1]["cost"] = 150.0
    server = values["server-data"]["servers"][0]
    server |= {"keepAccelerator": True, "minNumReplicas": 3, "maxBatchSize": 2}
    server["currentAlloc"] |= {"accelerator": "4xA100", "numReplicas": 5}
    fleet, offers = read_inferno(written(tmp_path, values))
    assert [pool.gpus for pool in fleet.pools] == [None, None]
    assert [offers.label[at] for at in np.flatnonzero(offers.workload == 0)] == ["4xA100"]
    assert offers.dollars_per_hour[0] == pytest.approx(1.5)
    assert fleet.workloads[0].min_replicas == 3
    assert fleet.workloads[0].max_deployments == "any"
    assert (fleet.running[0].pool, fleet.running[0].replicas) == ("A100", 5)
    # A smaller batch serves less.
    assert offers.rates[0, 0] * 60 < PUBLISHED["llama_70b", "4xA100"]


def test_throughput_as_a_target(tmp_path):
    values = inferno()
    values["serviceclass-data"]["serviceClasses"][0]["modelTargets"][0]["slo-tps"] = 2048
    fleet, _ = read_inferno(written(tmp_path, values))
    assert fleet.workloads[1].requests_per_second == (2,)


def test_one_file_for_all_reads_the_same(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    keys = {
        "accelerator-data": "acceleratorData",
        "model-data": "modelData",
        "serviceclass-data": "serviceClassData",
        "server-data": "serverData",
        "capacity-data": "capacityData",
    }
    system = {keys[name]: value for name, value in inferno().items()}
    whole = open_fleet(written(tmp_path / "whole", {"system-data": {"system": system}}))
    parts = open_fleet(written(tmp_path / "parts", inferno()))
    assert whole[0].workloads == parts[0].workloads
    assert whole[0].pools == parts[0].pools
    np.testing.assert_array_equal(whole[1].rates, parts[1].rates)


def spoiled(part, *path, value):
    values = inferno()
    node = values[part]
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return values


INFERNO_WRONG = {
    "class": (
        spoiled("server-data", "servers", 0, "class", value="Premum"),
        "server-data.json:5: servers[0].class: found 'Premum', expected a service class. "
        "Did you mean Premium?",
    ),
    "model": (
        spoiled("server-data", "servers", 1, "model", value="granite_31b"),
        "server-data.json:18: servers[1].model: found 'granite_31b', expected a model with targets "
        "in the class Premium. Did you mean granite_13b?",
    ),
    "accelerator": (
        spoiled("model-data", "models", 1, "acc", value="G3"),
        "model-data.json:17: models[1].acc: found 'G3', expected an accelerator. "
        "There are G2, 4xA100, A100.",
    ),
    "twice": (
        spoiled("accelerator-data", "accelerators", 1, "name", value="G2"),
        "accelerator-data.json:9: accelerators[1]: found G2 a second time, expected every name "
        "once. Remove one.\n"
        "model-data.json:29: models[2].acc: found '4xA100', expected an accelerator. "
        "Did you mean A100?",
    ),
    "cost": (
        spoiled("accelerator-data", "accelerators", 0, "cost", value=0),
        "accelerator-data.json:7: accelerators[0].cost: found 0, expected a number above 0. "
        "Write a larger number.",
    ),
    "alpha": (
        spoiled("model-data", "models", 0, "perfParms", value={"beta": 1, "gamma": 1}),
        "model-data.json:9: models[0].perfParms.alpha: found nothing, expected a value, since this "
        "field has no default. Add it.",
    ),
    "load": (
        spoiled("server-data", "servers", 0, "currentAlloc", value={"load": 3}),
        "server-data.json:8: servers[0].currentAlloc.load: found 3, expected a mapping with "
        "arrivalRate, avgInTokens, avgOutTokens. Give its keys, or remove it.",
    ),
    "batch": (
        spoiled("model-data", "models", 0, "maxBatchSize", value=1_000_000),
        "model-data.json:7: models[0].maxBatchSize: found a batch of 500,000 requests for "
        "granite_13b, expected at most 65,536. It is maxBatchSize x atTokens / avgOutTokens, or "
        "the server's maxBatchSize.",
    ),
}


@pytest.mark.parametrize("kind", INFERNO_WRONG)
def test_messages_on_the_other_tools_files(kind, here):
    values, message = INFERNO_WRONG[kind]
    written(here, values)
    assert str(refusal(".")) == message


def test_missing_files_of_the_other_tool(here):
    values = inferno()
    del values["model-data"]
    written(here, values)
    assert str(refusal(".")).startswith("model-data.json: found nothing, expected a YAML or JSON")


def test_system_without_a_part(here):
    written(here, {"system-data": {"system": {"modelData": {"models": []}}}})
    problems = refusal(".").problems
    assert [problem.field for problem in problems] == [
        "system.acceleratorData",
        "system.serviceClassData",
        "system.serverData",
    ]


def replicas(batch=1, *, tpot=math.inf, ttft=math.inf, prompt=128.0, answer=1024.0, tps=False):
    one = [np.array([value]) for value in (20.0, 0.1, 0.001)]
    tokens = [np.array([value]) for value in (prompt, answer)]
    limits = [np.array([tpot]), np.array([ttft])]
    return Replicas(*one, np.array([batch]), *tokens, *limits, np.array([tps]))


def test_queue_of_one_by_hand():
    # One request at a time: it leaves after (1 + O) alpha + W, and half of those that come find
    # the replica busy where they come as fast as it works.
    prefill = (0.1 + 0.001) * 128
    decode = 1024 * (0.1 + 0.001 * (128 + 1025 / 2))
    service = 1025 * 20 + prefill + decode
    arrivals = 0.999 / service
    load = busiest(replicas())
    assert load.rate[0] == pytest.approx(arrivals / (1 + arrivals * service), rel=1e-12)
    limited = busiest(replicas(tps=True))
    assert limited.rate[0] == pytest.approx(0.9 * arrivals / (1 + 0.9 * arrivals * service))


def test_tighter_limits_never_serve_more():
    free = busiest(replicas(32))
    limits = np.linspace(free.tpot[0] * 1.05, 20.0, 12)
    rates = [busiest(replicas(32, tpot=limit)).rate[0] for limit in limits]
    assert rates[0] == free.rate[0]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0
    at = busiest(replicas(32, tpot=limits[5]))
    assert limits[5] * (1 - 1e-6) < at.tpot[0] <= limits[5]


def parts_of_a_prompt(batch, prompt, answer):
    """Fewest parts of a prompt whose batches have at most 8192 tokens, by trying them."""
    parts = 1
    while (parts + answer) * (8192 - prompt / parts) < batch * (prompt + answer):
        parts += 1
    return parts


@pytest.mark.parametrize(("batch", "prompt", "answer"), [(8, 30000, 20), (200, 5000, 50)])
def test_long_prompts_are_read_in_parts(batch, prompt, answer):
    from planner.io.llm_inferno.queue_model import _chunks

    found = _chunks(replicas(batch, prompt=float(prompt), answer=float(answer)), batch)[0, 1:]
    expected = [parts_of_a_prompt(n, prompt, answer) for n in range(1, batch + 1)]
    assert found.tolist() == expected
    assert expected[-1] > expected[0]


@pytest.fixture(scope="module")
def published():
    if "PLANNER_DATA" not in os.environ:
        pytest.skip("PLANNER_DATA is not set: the other planner's sample lies there")
    folder = Path(os.environ["PLANNER_DATA"]) / "fleet"
    with (folder / "inferno_small_columns.csv").open(newline="") as file:
        return folder / "inferno_small", list(csv.DictReader(file))


def test_whole_sample_of_the_other_tool(published):
    folder, rows = published
    fleet, offers = open_fleet(folder)
    price = [pool.on_demand.dollars_per_gpu_hour[0] for pool in fleet.pools]
    found = {
        (fleet.workloads[offers.workload[at]].name, offers.label[at]): (
            offers.gpus[at],
            offers.gpus[at] * price[offers.pool[at]] * 100,
            offers.rates[at, 0] * 60,
        )
        for at in range(len(offers))
    }
    for row in rows:
        gpus, cents, rate = found.pop((row["server"], row["accelerator"]))
        assert gpus == int(row["units_per_replica"])
        assert cents == pytest.approx(float(row["cost_cents_per_h_per_replica"]))
        # Single precision and six decimals: four millionths of a request per minute at most.
        assert rate == pytest.approx(float(row["max_rpm_per_replica"]), abs=4e-6, rel=1e-6)
    # With one request at a time the time per token falls with load, which its search for the
    # highest rate takes for a target out of reach.
    assert list(found) == [("Free-llama_70b", "L4")]
