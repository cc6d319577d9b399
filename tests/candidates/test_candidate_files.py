"""Candidate files and the planner's own tables as offers to a fleet."""

import os
from pathlib import Path

import numpy as np
import pytest
from fleet_candidates import fleet, write

import planner
from planner.candidates.fleet.build_model_data import build_model_data
from planner.candidates.fleet.gather import offers, read_offers
from planner.candidates.requirements import fits_memory
from planner.candidates.shortlist_cache import ShortlistCache
from planner.candidates.table import label_of, tabulate
from planner.errors import InputError
from planner.problem.instance import Instance
from planner.problem.resolve import resolve

HEADER = "workload,pool,label,gpus,requests_per_second,tpot_seconds,ttft_seconds"
TWO = {
    "workloads": [
        {"name": "chat", "requests_per_second": 1.0, "output_tokens": 200},
        {"name": "code", "requests_per_second": 1.0, "output_tokens": 50},
    ],
    "pools": [
        {"name": "eu", "accelerator": "h100-sxm"},
        {"name": "us", "accelerator": "h100-sxm"},
        {"name": "big", "accelerator": "h200-sxm"},
    ],
}
CLASSES = [{"name": "short", "share": 0.75}, {"name": "long", "share": 0.25}]


def rows(found, wanted):
    """Return offers as tuples of workload, pool, label, gpus and the rates."""
    return [
        (
            wanted.workloads[found.workload[at]].name,
            wanted.pools[found.pool[at]].name,
            found.label[at],
            int(found.gpus[at]),
            *found.rates[at].tolist(),
        )
        for at in range(len(found))
    ]


def test_every_column_is_read(tmp_path):
    path = write(
        tmp_path / "c.csv",
        "role,quality,dollars_per_hour,ttft_seconds,tpot_seconds,requests_per_second,gpus,label,"
        "pool,workload,remark",
        "decode,0.9,12.5,,0.02,3.5,4,tp4,us,code,whatever",
        "prefill,,,0.3,,7,2,tp2,eu,chat,",
        ",,,0.4,0.01,1,1,tp1,eu,chat,",
    )
    found = read_offers([path], wanted := fleet(**TWO))
    assert rows(found, wanted) == [
        ("chat", "eu", "tp2", 2, 7.0),
        ("chat", "eu", "tp1", 1, 1.0),
        ("code", "us", "tp4", 4, 3.5),
    ]
    assert found.role.tolist() == [1, 0, 2]
    nan = np.nan
    np.testing.assert_array_equal(found.tpot_seconds, [nan, 0.01, 0.02])
    np.testing.assert_array_equal(found.ttft_seconds, [0.3, 0.4, nan])
    np.testing.assert_array_equal(found.dollars_per_hour, [nan, nan, 12.5])
    np.testing.assert_array_equal(found.quality, [nan, nan, 0.9])
    assert found.workload.dtype == found.gpus.dtype == np.int64


@pytest.mark.parametrize("cell", ["*", "", None])
def test_rows_without_a_workload_hold_for_all(tmp_path, cell):
    lines = ["workload,pool,label,gpus,tokens_per_second", f"{cell},eu,a,1,100"]
    if cell is None:
        lines = ["pool,label,gpus,tokens_per_second", "eu,a,1,100"]
    found = read_offers([write(tmp_path / "c.csv", *lines)], wanted := fleet(**TWO))
    assert rows(found, wanted) == [("chat", "eu", "a", 1, 0.5), ("code", "eu", "a", 1, 2.0)]


def test_a_workload_takes_its_own_file_then_the_fleets(tmp_path):
    shared = write(tmp_path / "shared.csv", HEADER, "*,eu,shared,1,1,,", "chat,us,gone,1,1,,")
    own = write(tmp_path / "own.csv", HEADER, "*,big,own,2,5,,", "code,big,no,2,5,,")
    wanted = fleet(**TWO, deployments=shared)
    chat = wanted.workloads[0].model_copy(update={"deployments": (own,)})
    wanted = wanted.model_copy(update={"workloads": (chat, wanted.workloads[1])})
    assert rows(offers(wanted), wanted) == [
        ("chat", "big", "own", 2, 5.0),
        ("code", "eu", "shared", 1, 1.0),
    ]


def test_several_files_are_one_table(tmp_path):
    one = write(tmp_path / "1.csv", HEADER, "code,eu,a,1,1,,", "chat,eu,a,1,2,,")
    two = write(tmp_path / "2.csv", HEADER, "chat,eu,b,1,3,,")
    found = read_offers([one, two], wanted := fleet(**TWO))
    assert [row[2:] for row in rows(found, wanted)] == [("a", 1, 2.0), ("b", 1, 3.0), ("a", 1, 1.0)]


def test_an_accelerator_stands_for_all_its_pools_or_for_a_pool_of_that_name(tmp_path):
    path = write(
        tmp_path / "c.csv",
        "accelerator,tp,pp,batch,gpus,requests_per_second,tpot_ms,ttft_ms,memory_gib",
        "h100_sxm,4,1,16,4,2.5,20,300,70",
        "big,2,1,8,2,1.5,10,200,70",
    )
    wanted = fleet(**{**TWO, "workloads": TWO["workloads"][:1]})
    found = read_offers([path], wanted)
    assert rows(found, wanted) == [
        ("chat", "eu", "tp4 pp1 batch16", 4, 2.5),
        ("chat", "us", "tp4 pp1 batch16", 4, 2.5),
        ("chat", "big", "tp2 pp1 batch8", 2, 1.5),
    ]
    np.testing.assert_allclose(found.tpot_seconds, [0.02, 0.02, 0.01])
    np.testing.assert_allclose(found.ttft_seconds, [0.3, 0.3, 0.2])


def test_made_labels_tell_rows_apart(tmp_path):
    path = write(
        tmp_path / "c.csv",
        "pool,role,tp,gpus,requests_per_second,ttft_ms",
        "eu,colocated,4,4,1,1",
        "eu,colocated,4,4,1,1",
        "eu,colocated,4,4,2,1",
        "us,colocated,4,4,2,1",
        "eu,decode,4,4,1,1",
    )
    wanted = fleet(**{**TWO, "workloads": TWO["workloads"][:1]})
    labels = [row[1:3] for row in rows(read_offers([path], wanted), wanted)]
    assert labels == [("eu", "tp4"), ("eu", "tp4 (2)"), ("us", "tp4"), ("eu", "decode tp4")]


def test_one_label_in_several_roles_is_told_apart(tmp_path):
    path = write(
        tmp_path / "c.csv",
        "pool,label,role,gpus,requests_per_second",
        "eu,a,prefill,4,1",
        "eu,a,decode,4,1",
        "eu,a,,4,1",
        "us,a,decode,4,1",
    )
    wanted = fleet(**{**TWO, "workloads": TWO["workloads"][:1]})
    found = read_offers([path], wanted)
    assert found.label == ("a (prefill)", "a (decode)", "a", "a")


def test_classes_stand_side_by_side(tmp_path):
    wanted = fleet(
        workloads=[
            {"name": "chat", "requests_per_second": 1.0, "classes": CLASSES},
            {"name": "code", "requests_per_second": 1.0},
        ],
    )
    path = write(
        tmp_path / "c.csv",
        "workload,pool,label,request_class,gpus,requests_per_second,tpot_seconds,quality",
        "chat,h100,b,long,2,2,0.03,0.9",
        "chat,h100,a,long,1,0,9,0.1",
        "chat,h100,b,short,2,8,0.02,0.95",
        "chat,h100,a,short,1,5,0.01,0.8",
        "chat,h100,c,,4,6,0.01,1",
        "chat,h100,d,long,4,1,0.01,1",
        "code,h100,a,,1,3,0.01,1",
    )
    found = read_offers([path], wanted)
    assert rows(found, wanted) == [
        ("chat", "h100", "b", 2, 8.0, 2.0),
        ("chat", "h100", "a", 1, 5.0, 0.0),
        ("chat", "h100", "c", 4, 6.0, 6.0),
        ("chat", "h100", "d", 4, 0.0, 1.0),
        ("code", "h100", "a", 1, 3.0, 0.0),
    ]
    # Of the slowest class that it serves at all.
    assert found.tpot_seconds.tolist() == [0.03, 0.01, 0.01, 0.01, 0.01]
    assert found.quality.tolist() == [0.9, 0.8, 1.0, 1.0, 1.0]


WRONG = {
    "unknown workload": (
        [HEADER, "chta,eu,a,1,1,,"],
        ":2: workload: found 'chta', expected a workload of the fleet. Did you mean chat?",
    ),
    "unknown pool": (
        [HEADER, "chat,eu,a,1,1,,", "chat,EU-1,a,1,1,,"],
        ":3: pool: found 'EU-1', expected a pool of the fleet. Did you mean eu?",
    ),
    "unknown accelerator": (
        ["accelerator,label,gpus,requests_per_second", "tpu,a,1,1"],
        ":2: accelerator: found 'tpu', expected an accelerator of the fleet. "
        "There are h100-sxm, h200-sxm.",
    ),
    "negative rate": (
        [HEADER, "chat,eu,a,1,-1,,"],
        ":2: requests_per_second: found '-1', expected a number from 0 to 1e+18. "
        "Write a plain number without a unit.",
    ),
    "a rate missing": ([HEADER, "chat,eu,a,1,,,"], ":2: requests_per_second: found nothing,"),
    "a rate that is none": ([HEADER, "chat,eu,a,1,nan,,"], "requests_per_second: found 'nan',"),
    "endless": ([HEADER, "chat,eu,a,1,1,inf,"], ":2: tpot_seconds: found 'inf',"),
    "a unit": ([HEADER, "chat,eu,a,1,1,20 ms,"], ":2: tpot_seconds: found '20 ms',"),
    "truth": ([HEADER, "chat,eu,a,1,1,True,"], ":2: tpot_seconds: found 'True',"),
    "half an accelerator": (
        [HEADER, "chat,eu,a,1.5,1,,"],
        ":2: gpus: found '1.5', expected a whole number from 1 to 10,000,000.",
    ),
    "no accelerator": ([HEADER, "chat,eu,a,0,1,,"], ":2: gpus: found '0',"),
    "no label": ([HEADER, "chat,eu,,1,1,,"], ":2: label: found nothing, expected a name in every"),
    "no pool": ([HEADER, "chat, ,a,1,1,,"], ":2: pool: found nothing, expected a name in every"),
    "a degree missing": (
        ["pool,tp,gpus,requests_per_second", "eu,,1,1"],
        ":2: tp: found nothing, expected a number in every row.",
    ),
    "long label": ([HEADER, f"chat,eu,{'a' * 201},1,1,,"], ":2: label: found 'aaaa"),
    "unknown role": (
        [HEADER + ",role", "chat,eu,a,1,1,,,both"],
        ":2: role: found 'both', expected one of colocated, prefill, decode.",
    ),
    "twice": (
        [HEADER, "chat,eu,a,1,1,,", "code,eu,a,1,1,,", "chat,eu,a,1,1,,"],
        ":4: label: found a of chat in eu a second time, expected every deployment once.",
    ),
    "twice, once for all": (
        [HEADER, "chat,eu,a,1,1,,", "*,eu,a,1,1,,"],
        ":3: label: found a of chat in eu a second time,",
    ),
    "class without classes": (
        [HEADER + ",request_class", "chat,eu,a,1,1,,,short"],
        ":2: request_class: found 'short', expected nothing, since the workload chat has no "
        "classes.",
    ),
    "no rates": (
        ["pool,label,gpus", "eu,a,1"],
        ":1: found the columns pool, label, gpus, expected the column requests_per_second or "
        "tokens_per_second.",
    ),
    "no gpus": (
        ["pool,label,requests_per_second", "eu,a,1"],
        "expected the column gpus_per_replica.",
    ),
    "no labels": (["pool,gpus,requests_per_second", "eu,1,1"], "expected the column label, or"),
    "no pools": (
        ["workload,label,gpus,requests_per_second", "chat,a,1,1"],
        "expected the column pool or accelerator.",
    ),
    "both rates": (
        ["pool,label,gpus,requests_per_second,tokens_per_second", "eu,a,1,1,1"],
        "found requests_per_second and tokens_per_second, expected one of the two.",
    ),
    "both units": (
        [HEADER + ",tpot_ms", "chat,eu,a,1,1,,,1"],
        "found tpot_ms and tpot_seconds, expected one of the two.",
    ),
    "a column twice": (
        [HEADER + ",gpus", "chat,eu,a,1,1,,,1"],
        ":1: gpus: found the column twice, expected every column once.",
    ),
    "a slip in a column": (
        ["pool,label,gpus,requests_per_second,tpot_second", "eu,a,1,1,1"],
        ":1: tpot_second: found an unknown column, expected tpot_seconds. "
        "Did you mean tpot_seconds?",
    ),
    "too many cells": (
        [HEADER, "chat,eu,a,1,1,,", "chat,eu,b,1,1,,,,"],
        ":3: found 9 cells, expected as many cells in every row as in the header.",
    ),
    "too many cells everywhere": (
        [HEADER, "chat,eu,a,1,1,,,5", "chat,eu,b,1,1,,,5"],
        ":2: found 8 cells, expected as many cells in every row as in the header.",
    ),
    "open quotes": ([HEADER, 'chat,eu,"a,1,1,,'], ": found quotes that do not close, expected"),
    "semicolons": (
        [HEADER.replace(",", ";"), "chat;eu;a;1;1;;"],
        "expected the column gpus_per_replica.",
    ),
    "no rows": ([HEADER], "expected at least one row under the header."),
    "empty": ([], "a CSV file with a header."),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_files_say_where_and_what(tmp_path, kind):
    lines, message = WRONG[kind]
    path = write(tmp_path / "c.csv", *lines)
    with pytest.raises(InputError) as caught:
        read_offers([path], fleet(**TWO))
    assert message in str(caught.value)
    assert str(caught.value).startswith(path)


def test_paths_that_are_no_file(tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00pool\x80\n")
    for name, found in (
        ("none.csv", "found nothing"),
        ("binary.csv", "not UTF-8"),
        ("", "no read"),
    ):
        with pytest.raises(InputError, match=found):
            read_offers([tmp_path / name], fleet())


def test_all_problems_of_all_files_come_at_once(tmp_path):
    one = write(tmp_path / "1.csv", HEADER, "chat,h100,a,-1,x,,", "chat,h100,,1,1,,")
    two = write(tmp_path / "2.csv", HEADER, "chat,h200,a,1,1,,")
    with pytest.raises(InputError) as caught:
        read_offers([one, two], fleet())
    places = [(problem.file, problem.line, problem.field) for problem in caught.value.problems]
    assert places == [
        (one, 2, "gpus"),
        (one, 2, "requests_per_second"),
        (one, 3, "label"),
        (two, 2, "pool"),
    ]


def test_lines_count_blank_and_broken_ones(tmp_path):
    path = write(
        tmp_path / "c.csv", HEADER, "", 'chat,h100,"a', 'b",1,1,,', ",,,,,,", "chat,h100,c,1,x,,"
    )
    with pytest.raises(InputError, match=r"c\.csv:6: requests_per_second: found 'x'"):
        read_offers([path], fleet())


def test_many_problems_of_a_kind_are_counted(tmp_path):
    path = write(tmp_path / "c.csv", HEADER, *(f"chat,h100,{at},1,x,," for at in range(1000)))
    with pytest.raises(InputError, match="found 995 more such") as caught:
        read_offers([path], fleet())
    assert len(caught.value.problems) == 6


def test_rows_of_one_deployment_must_agree(tmp_path):
    wanted = fleet(workloads=[{"name": "chat", "requests_per_second": 1.0, "classes": CLASSES}])
    header = "pool,label,request_class,gpus,requests_per_second"
    for lines, message in (
        (["h100,a,short,1,1", "h100,a,long,2,1"], ":3: gpus: found 2, and 1 for another class"),
        (["h100,a,short,1,1", "h100,a,short,1,2"], ":3: label: found a of chat in the same role"),
        (["h100,a,short,1,1", "h100,a,,1,2"], ": label: found a of chat in the same role"),
        (["h100,a,shrt,1,1"], "expected a class of the workload chat. Did you mean short?"),
    ):
        with pytest.raises(InputError) as caught:
            read_offers([write(tmp_path / "c.csv", header, *lines)], wanted)
        assert message in str(caught.value)


def test_files_of_another_tool_are_read_as_they_are():
    if "PLANNER_DATA" not in os.environ:
        pytest.skip("PLANNER_DATA is not set: the candidate files lie there")
    path = Path(os.environ["PLANNER_DATA"], "fleet", "cand_llama70_h100_50rps.csv")
    wanted = fleet(pools=[{"name": "x", "accelerator": "h100-sxm"}])
    found = read_offers([path], wanted)
    assert len(found) == len(set(found.label)) == 370
    at = found.label.index("tp1 pp1 dp1 moe_tp1 ep1 batch2")
    assert found.rates[at, 0] == 0.131
    assert found.ttft_seconds[at] == pytest.approx(0.89021)
    assert found.tpot_seconds[at] == pytest.approx(0.029751)
    at = found.label.index("prefill tp2 pp1 dp1 moe_tp1 ep1 batch1")
    assert (found.gpus[at], found.role[at], found.rates[at, 0]) == (2, 1, 3.214)


# The planner's own tables.

SEARCH = {"batch": {"from": 1, "to": 64}, "tensor_parallel": [1, 2, 4, 8], "weights": ["fp8"]}
CHAT = {
    "name": "chat",
    "transformer": "llama-3.1-8b",
    "requests_per_second": 10.0,
    "tokens_per_second_per_request": 80,
    "search": SEARCH,
}


def by_enumeration(accelerator, tokens, *, first_token=np.inf, **workload):
    """Return gpus to the most requests per second, over every deployment of the search."""
    instance = Instance.model_validate(
        {
            "name": "x",
            "workload": {
                "transformer": CHAT["transformer"],
                "tokens_per_second_per_request": tokens,
                **workload,
            },
            "pools": [{"accelerator": accelerator}],
            "search": SEARCH,
        }
    )
    resolved = resolve(instance)
    table = tabulate(resolved)
    good = fits_memory(table) & (table.tokens_per_second_per_request >= tokens)
    good &= table.time_to_first_token_seconds <= first_token
    table = table.take(good)
    rate = table.replica_tokens_per_second / instance.workload.output_tokens
    best = {}
    for at in np.lexsort((-rate, table.gpus_per_replica)):
        gpus = int(table.gpus_per_replica[at])
        if rate[at] > max(best.values(), default=0):
            best[gpus] = float(rate[at])
    return best, {label_of(resolved, table, row, pool=False) for row in range(len(table))}


def test_tables_hold_the_best_of_every_number_of_accelerators():
    wanted = fleet(workloads=[CHAT], pools=[{"name": "p", "accelerator": "h100-sxm"}])
    told = []
    found = offers(wanted, told.append)
    best, names = by_enumeration("h100-sxm", 80)
    assert dict(zip(found.gpus.tolist(), found.rates[:, 0].tolist(), strict=True)) == (
        pytest.approx(best)
    )
    assert told[-1] == told[0] > 64
    assert {*found.label} <= names


def test_tables_respect_the_first_token_less_the_round_trip():
    best, _ = by_enumeration(
        "h100-sxm", 80, first_token=(0.2 - 0.17) / 1.5, time_to_first_token_seconds=1
    )
    near, _ = by_enumeration("h100-sxm", 80)
    assert best != near
    wanted = fleet(
        workloads=[{**CHAT, "time_to_first_token_seconds": 0.2, "users_in": "eu"}],
        pools=[
            {"name": "near", "accelerator": "h100-sxm", "region": "eu"},
            {"name": "far", "accelerator": "h100", "region": "us"},
        ],
        round_trip_seconds={"eu": {"us": 0.17}},
        prediction={"time_to_first_token": 1.5},
    )
    found = offers(wanted)
    for pool, table in enumerate((near, best)):
        mine = found.pool == pool
        rates = dict(zip(found.gpus[mine].tolist(), found.rates[mine, 0].tolist(), strict=True))
        assert rates == pytest.approx(table)
    assert len(build_model_data(wanted, found).choices) == len(found)


def test_workloads_of_the_same_physics_share_tables(tmp_path):
    other = {**CHAT, "name": "fast", "tokens_per_second_per_request": 150}
    pools = [{"name": "a", "accelerator": "h100-sxm"}, {"name": "b", "accelerator": "h100"}]
    one, all_of_them = [], []
    offers(fleet(workloads=[CHAT], pools=pools[:1]), one.append)
    shortlists = ShortlistCache(tmp_path)
    found = offers(fleet(workloads=[CHAT, other], pools=pools), all_of_them.append, shortlists)
    assert all_of_them[-1] == one[-1]
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    assert set(found.workload.tolist()) == {0, 1}
    assert (found.tpot_seconds[found.workload == 1] <= 1 / 150 * (1 + 1e-9)).all()


def test_tables_and_files_side_by_side(tmp_path):
    path = write(tmp_path / "c.csv", HEADER, "mine,p,a,1,1,0.01,0.1")
    mine = {"name": "mine", "requests_per_second": 1.0, "deployments": path}
    wanted = fleet(
        workloads=[CHAT, mine, {**CHAT, "name": "again"}],
        pools=[{"name": "p", "accelerator": "h100-sxm"}],
    )
    found = offers(wanted)
    assert (np.diff(found.workload) >= 0).all()
    assert [found.label[at] for at in np.flatnonzero(found.workload == 1)] == ["a"]
    first, last = (np.flatnonzero(found.workload == w) for w in (0, 2))
    assert len(first) > 1
    assert [found.label[at] for at in first] == [found.label[at] for at in last]
    np.testing.assert_array_equal(found.rates[first], found.rates[last])


def test_what_runs_stays_on_offer():
    pools = [{"name": "p", "accelerator": "h100-sxm"}]
    label = "tp1 fp8 b4"
    plain = offers(fleet(workloads=[CHAT], pools=pools))
    assert label not in plain.label
    running = [{"workload": "chat", "pool": "p", "label": label, "replicas": 3}]
    wanted = fleet(workloads=[CHAT], pools=pools, running=running)
    found = offers(wanted)
    assert set(found.label) == {*plain.label, label}
    choices = build_model_data(wanted, found).choices
    assert choices.running.tolist() == [3 * (found.label[at] == label) for at in choices.offer]


def test_drafts_and_experts_are_part_of_the_label():
    search = {
        "batch": [64],
        "tensor_parallel": [1],
        "pipeline_parallel": [1],
        "data_parallel": [16],
        "expert_parallel": [16],
        "gamma": [2],
        "weights": ["fp8"],
    }
    moe = {
        "transformer": "deepseek-v3",
        "drafts": [{"transformer": "mtp", "acceptance": 0.9}],
        "quality": {"at_least": 0.5, "weights": {"fp8": 0.9}},
        "search": search,
        "tokens_per_second_per_request": 20,
    }
    wanted = fleet(workloads=[{**CHAT, **moe}], pools=[{"name": "p", "accelerator": "h200-sxm"}])
    found = offers(wanted)
    assert found.label == ("tp1 dp16 ep16 fp8 mtp-x2 b64",)
    assert found.quality.tolist() == [0.9]


def test_pools_the_engine_cannot_use_offer_nothing():
    pools = [{"name": "p", "accelerator": "h100-sxm"}, {"name": "t", "accelerator": "tpu-v5e"}]
    found = offers(fleet(workloads=[CHAT | {"engine": "tensorrt-llm"}], pools=pools))
    assert set(found.pool.tolist()) == {0}
    with pytest.raises(InputError, match="no pool with an accelerator on which the engine runs"):
        offers(fleet(workloads=[CHAT | {"engine": "tensorrt-llm"}], pools=pools[1:]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transformer": None}, "workloads[0].transformer: found nothing, nor `deployments`"),
        ({"transformer": "llama-3.1-8"}, "workloads[0].transformer: found 'llama-3.1-8'"),
        ({"classes": CLASSES}, "workloads[0].classes: found classes without `deployments`"),
        ({"tokens_per_second_per_request": None}, "workloads[0].tokens_per_second_per_request:"),
        ({"search": {"tensor_parallel": [7]}}, "workloads[0].search.tensor_parallel[0]: found 7"),
    ],
)
def test_what_cannot_be_tabulated(changes, message):
    pools = [{"name": "p", "accelerator": "h100-sxm"}]
    with pytest.raises(InputError) as caught:
        offers(fleet(workloads=[{**CHAT, **changes}], pools=pools))
    assert message in str(caught.value)


def test_pools_that_cannot_be_tabulated():
    with pytest.raises(InputError, match=r"^pools\[1\]\.accelerator: found 'h10o'"):
        offers(
            fleet(
                workloads=[CHAT],
                pools=[{"name": "a"}, {"name": "b", "accelerator": "h10o"}],
            )
        )
    with pytest.raises(InputError, match=r"^workloads\[0\].engine: found 'vlm'"):
        offers(
            fleet(
                workloads=[CHAT | {"engine": "vlm"}],
                pools=[{"name": "a", "accelerator": "h100-sxm"}],
            )
        )


AICONFIGURATOR = """\
isl,osl,bs,ttft,tpot,seq/s,tokens/s,num_total_gpus,tp,pp,dp,moe_tp,moe_ep,system
4000,500,56,850.1,29.4,3.61,1804,2,2,1,1,2,1,h200_sxm
"""


def test_the_tables_of_aiconfigurator_are_read_as_they_are(tmp_path):
    (tmp_path / "rows.csv").write_text(AICONFIGURATOR)
    (tmp_path / "instance.yaml").write_text(
        "workload: {name: w, output_tokens: 500, requests_per_second: 20,\n"
        "           tokens_per_second_per_request: 30}\n"
        "pools: {name: h200_sxm, dollars_per_gpu_hour: 3}\n"
        "deployments: rows.csv\n"
    )
    plan = planner.solve(planner.read_instance(tmp_path))
    (row,) = plan.table().to_dict("records")
    assert (row["replicas"], row["gpus"]) == (6, 12)
    assert row["tpot_seconds"] == pytest.approx(0.0294)
    assert row["time_to_first_token_seconds"] == pytest.approx(0.8501)
