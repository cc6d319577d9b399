"""Commands that take fleets as they take one deployment: explain, frontier, estimate, sweeps."""

import csv
import json

import pytest

SHOP = """\
name: shop
workloads:
  - {name: chat, transformer: llama-3.1-8b, requests_per_second: 30, headroom: 10%,
     tokens_per_second_per_request: 40}
  - {name: code, transformer: llama-3.1-8b, requests_per_second: 5, input_tokens: 4000,
     tokens_per_second_per_request: 30}
pools:
  - {name: eu, accelerator: h100-sxm, dollars_per_gpu_hour: 2.5}
  - {name: us, accelerator: l40s, dollars_per_gpu_hour: 0.9}
search: {tensor_parallel: [1, 2], pipeline_parallel: 1, batch: [8, 32]}
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A fleet of two workloads in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP, encoding="utf-8")
    return path


def rows(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


COMMANDS = [
    ("explain",),
    ("explain", "--workload", "chat"),
    ("frontier",),
    ("frontier", "--workload", "code"),
    ("frontier", "--over", "pools[us].dollars_per_gpu_hour=0.5,0.9", "--best"),
    ("frontier", "--over", "workloads[chat].input_tokens=500,2000"),
    ("solve",),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_what_is_printed_is_no_wider_than_the_terminal_and_plain_in_a_pipe(run, shop, arguments):
    command, *options = arguments
    ran = run(command, shop, *options)
    assert ran.code == 0, ran.err
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "\x1b" not in ran.out


def test_explain_tells_every_part_and_writes_it(run, shop):
    ran = run("explain", shop, "--csv", "why.csv")
    told = " ".join(ran.out.split())
    for part in ("No pool is full", "No request is refused", "what guarantees cost", "head-room"):
        assert part in told
    prices = [row for row in rows(shop.parent / "why.csv") if row["section"] == "prices"]
    assert {row["item"] for row in prices} == {"eu: on-demand", "us: on-demand"}


def test_json_on_standard_output_is_all_of_it(run, shop):
    said = json.loads(run("explain", shop, "--json", "-").out)
    assert said["plan"]["instance"] == "shop" and said["prices"]


@pytest.mark.parametrize(
    "options", [("--plot", "t.svg"), ("--with", "h200-sxm"), ("--by", "20%")], ids=" ".join
)
def test_what_is_asked_of_one_deployment_is_refused_of_a_fleet(run, shop, options):
    ran = run("explain", shop, *options)
    assert ran.code == 2
    told = f"{options[0]}: found a fleet, expected one deployment of one workload. Leave it out."
    assert told in " ".join(ran.err.split())


def test_what_is_asked_of_a_fleet_is_refused_of_one_deployment(run, shop):
    shop.write_text(
        "workload: {transformer: llama-3.1-8b, tokens_per_second_per_request: 40}\n"
        "pools: {accelerator: h100-sxm}\n",
        encoding="utf-8",
    )
    for command in ("explain", "frontier"):
        ran = run(command, shop, "--workload", "chat")
        assert ran.code == 2 and "--workload: found one" in ran.err


def test_an_unknown_workload_is_told(run, shop):
    for command in ("explain", "frontier"):
        ran = run(command, shop, "--workload", "chats")
        assert ran.code == 2 and "Did you mean chat?" in ran.err


def test_the_frontier_has_a_row_per_point_of_each_workload(run, shop):
    assert run("frontier", shop, "--csv", "f.csv", "--plot", "f.svg").code == 0
    found = rows(shop.parent / "f.csv")
    assert {row["workload"] for row in found} == {"chat", "code"}
    assert {row["instance"] for row in found} == {"shop"}
    assert (shop.parent / "f.svg").stat().st_size > 1000


def test_estimate_of_an_instance_is_a_table_that_it_reads_back(run, shop):
    assert run("estimate", shop, "--csv", "offer.csv").code == 0
    first = run("solve", shop, "--csv", "first.csv")
    shop.write_text(SHOP + "deployments: offer.csv\n", encoding="utf-8")
    again = run("solve", shop, "--csv", "again.csv")
    assert first.code == again.code == 0
    costs = [rows(shop.parent / name)[0]["objective"] for name in ("first.csv", "again.csv")]
    assert float(costs[0]) == pytest.approx(float(costs[1]))


def test_a_sweep_of_a_fleet_is_solved_point_by_point_into_folders(run, shop):
    shop.write_text(f'{SHOP}sweep: {{"pools[us].gpus": [1, 2]}}\n', encoding="utf-8")
    ran = run("solve", shop, "--folder", "plans")
    assert ran.code == 0
    folders = sorted(path.name for path in (shop.parent / "plans").iterdir())
    assert folders == ["shop-1", "shop-2"]
    swept = [rows(shop.parent / "plans" / name / "plan.csv")[0]["sweep"] for name in folders]
    assert [json.loads(one) for one in swept] == [{"pools[us].gpus": 1}, {"pools[us].gpus": 2}]
    refused = run("solve", shop, "--csv", "one.csv")
    assert refused.code == 2 and "--csv: found 2, expected one" in refused.err


def test_a_plan_is_checked_by_its_folder_or_by_the_plan_in_it(run, shop):
    run("solve", shop, "--folder", "plan")
    for what in ("plan", "plan/plan.csv"):
        ran = run("check", what, shop)
        assert ran.code == 0 and "shop: holds" in ran.out


def test_rows_of_a_fleet_alone_are_not_checked_and_the_folder_is_named(run, shop):
    run("solve", shop, "--csv", "alone.csv")
    ran = run("check", "alone.csv", shop)
    assert ran.code == 2
    assert ran.out.startswith("shop: not checked; rows of a fleet alone")
    assert ran.out.count("not checked") == 1


def test_a_batch_writes_the_rows_of_fleets_and_a_summary(run, shop):
    ran = run("batch", shop, "--csv", "plans.csv", "--summary", "all.csv", "-j", "1")
    assert ran.code == 0, ran.err
    assert len(rows(shop.parent / "plans.csv")) > 1
    (row,) = rows(shop.parent / "all.csv")
    assert row["instance"] == "shop" and float(row["objective"]) > 0


@pytest.mark.parametrize("place", ["plans.csv", "shop.yaml"])
def test_a_summary_overwrites_nothing_that_is_read_or_written(run, shop, place):
    ran = run("batch", shop, "--csv", "plans.csv", "--summary", place, "-j", "1")
    assert ran.code == 2 and place in ran.err
    assert shop.read_text(encoding="utf-8") == SHOP


def test_a_summary_of_a_pipe_is_refused_at_once(run, shop):
    ran = run("batch", shop, "--csv", "/dev/stdout", "--summary", "all.csv", "-j", "1")
    assert ran.code == 2 and "--summary" in ran.err
