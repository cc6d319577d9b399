"""The independent checker: a plan that holds has no findings, one that is tampered with has."""

import csv
import io
import subprocess
import sys

import pytest

import planner
from planner import cli
from planner.errors import InputError
from planner.plans.plan import COLUMNS
from planner.problem.instance import Instance
from planner.problem.resolve import resolve
from planner.verification.check_plan import check_file, check_plan

CHAT = {
    "name": "chat",
    "workload": {
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": 40,
        "tokens_per_second": 9000,
        "time_to_first_token_seconds": 2,
        "max_replicas": 64,
    },
    "pools": [{"accelerator": "h100-sxm", "gpus": 64}, {"accelerator": "l40s", "gpus": 64}],
    "search": {"batch": [1, 8, 32, 64], "kv": ["bf16", "fp8"]},
    "dollars_per_hour_at_most": 500,
    "dollars_per_million_tokens_at_most": 10,
}
QUESTIONS = {
    "dollars_per_hour": CHAT,
    "dollars_per_million_tokens": {
        "name": "saturated",
        "workload": {"transformer": "gemma-2-9b", "tokens_per_second_per_request": 30},
        "pools": [{"accelerator": "a100-80gb-sxm"}, {"accelerator": "mi300x"}],
        "search": {"batch": {"from": 1, "to": 64}, "pipeline_parallel": [1, 2]},
    },
    "fastest": {
        "name": "fastest",
        "workload": {"transformer": "llama-3.1-70b"},
        "pools": [
            {"accelerator": "h100-sxm", "name": "here", "dollars_per_gpu_hour": 2.0},
            {"accelerator": "h100-sxm", "name": "there", "dollars_per_gpu_hour": 2.5},
        ],
        "search": {"batch": [1, 2, 4, 8, 16]},
        "objective": "tokens_per_second_per_request",
        "dollars_per_million_tokens_at_most": 30,
    },
    "paper": {
        "name": "paper",
        "workload": {"transformer": "llama-3-8b", "tokens_per_second_per_request": 50},
        "pools": [{"accelerator": "h100-sxm"}, {"accelerator": "h20"}],
        "search": {"batch": [1, 4, 64, 256]},
        "profile": "paper",
    },
    "elsewhere": {
        "name": "elsewhere",
        "workload": {
            "transformer": "qwen2.5-14b",
            "tokens_per_second_per_request": 20,
            "roles": "decode",
        },
        "pools": [{"accelerator": "b200-sxm"}],
        "search": {"batch": [8, 64], "tensor_parallel": 8, "pipeline_parallel": 2},
        "usable_memory_fraction": 0.5,
    },
}
NUMBERS = [
    "gpus_per_replica",
    "replicas",
    "gpus",
    "tensor_parallel",
    "pipeline_parallel",
    "batch",
    "expert_parallel",
    "data_parallel",
    "dollars_per_hour",
    "dollars_per_million_tokens",
    "tokens_per_second",
    "tokens_per_second_per_request",
    "arithmetic_seconds",
    "memory_seconds",
    "network_seconds",
    "latency_seconds",
    "step_seconds",
    "memory_bytes_per_gpu",
    "objective",
    "stall_seconds",
    "tpot_seconds",
    "prefill_seconds",
    "time_to_first_token_seconds",
    "usable_memory_bytes_per_gpu",
    "dollars_per_gpu_hour",
    "utilisation",
]


def resolved(content: dict, **changes: object) -> Instance:
    """An instance with some fields changed; `part__field` changes a field of a part."""
    content = {**content, **{key: value for key, value in changes.items() if "__" not in key}}
    for key, value in changes.items():
        part, _, field = key.partition("__")
        if field:
            content[part] = {**content.get(part, {}), field: value}
    return Instance.model_validate(content)


@pytest.fixture(scope="module")
def solved() -> dict[str, tuple[Instance, dict]]:
    """Each question with its plan as the CSV holds it: text in every cell."""
    found = {}
    for name, content in QUESTIONS.items():
        instance = resolved(content)
        plan = planner.solve(instance)
        assert plan.found
        found[name] = (instance, next(csv.DictReader(io.StringIO(plan.to_csv()))))
    return found


def columns(findings) -> set[str]:
    return {finding.column for finding in findings}


@pytest.mark.parametrize("name", QUESTIONS)
def test_plans_hold(solved, name):
    instance, row = solved[name]
    assert check_plan(row, instance) == []
    assert check_plan(planner.solve(instance).to_row(), instance) == []


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("column", NUMBERS)
def test_a_number_that_is_one_percent_off_is_found(solved, name, column):
    instance, row = solved[name]
    found = float(row[column])
    tampered = {**row, column: repr(found * 1.01 if found else 0.01)}
    findings = check_plan(tampered, instance)
    assert columns(findings) & {column, "row"}
    assert any(column in str(finding) for finding in findings)


@pytest.mark.parametrize("column", NUMBERS)
@pytest.mark.parametrize("cell", ["", None, "nan", "inf", "-inf", "much", "-1", "1e400"])
def test_a_cell_that_is_no_sensible_number_is_found(solved, column, cell):
    instance, row = solved["dollars_per_hour"]
    findings = check_plan({**row, column: cell}, instance)
    assert columns(findings) & {column, "row"}


@pytest.mark.parametrize("column", [*NUMBERS, "bound", "gap", "accelerator", "pool", "draft"])
def test_a_column_that_is_missing_is_found(solved, column):
    instance, row = solved["dollars_per_hour"]
    assert check_plan({key: row[key] for key in row if key != column}, instance)


DECISIONS = {
    "transformer": "llama-3-8b",
    "accelerator": "h200-sxm",
    "pool": "cellar",
    "tensor_parallel": "16",
    "pipeline_parallel": "3",
    "expert_parallel": "2",
    "data_parallel": "2",
    "batch": "33",
    "weight_precision": "int4",
    "kv_precision": "fp4",
    "draft": "llama-3.2-1b",
    "gamma": "3",
    "replicas": "65",
    "profile": "paper",
    "objective_name": "dollars_per_million_tokens",
}


@pytest.mark.parametrize("column", DECISIONS)
def test_a_decision_the_instance_does_not_allow_is_found(solved, column):
    instance, row = solved["dollars_per_hour"]
    findings = check_plan({**row, column: DECISIONS[column]}, instance)
    assert columns(findings) & {column, "row"}


OTHERS = {
    "tensor_parallel": "2",
    "pipeline_parallel": "2",
    "batch": "8",
    "kv_precision": "bf16",
    "weight_precision": "bf16",
    "replicas": "7",
}


@pytest.mark.parametrize("column", OTHERS)
def test_another_allowed_decision_does_not_fit_the_numbers(solved, column):
    instance, row = solved["dollars_per_hour"]
    assert row[column] != OTHERS[column]
    found = columns(check_plan({**row, column: OTHERS[column]}, instance))
    consequences = {"step_seconds", "gpus_per_replica", "memory_bytes_per_gpu", "gpus"}
    assert found & consequences
    assert column not in found - {"replicas"}


def test_the_other_pool_has_other_numbers(solved):
    instance, row = solved["fastest"]
    other = "there" if row["pool"] == "here" else "here"
    assert "dollars_per_gpu_hour" in columns(check_plan({**row, "pool": other}, instance))


def test_degrees_beyond_the_links_are_allowed_only_where_they_are_named():
    wide = {
        "name": "wide",
        "workload": {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 1},
        "pools": [{"accelerator": "rtx-3090"}],
        "search": {"batch": [1], "tensor_parallel": [8], "pipeline_parallel": [1]},
    }
    named = resolved(wide)
    row = planner.solve(named).to_row()
    assert check_plan(row, named) == []
    unnamed = resolved({**wide, "search": {"batch": [1], "pipeline_parallel": [1]}})
    findings = check_plan({**row, "instance_digest": unnamed.digest}, unnamed)
    assert resolve(unnamed).pools[0].reach < 8
    assert columns(findings) == {"tensor_parallel"}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_bound_on_the_wrong_side_is_found(solved, name):
    instance, row = solved[name]
    better = 0.9 if instance.aim == "tokens_per_second_per_request" else 1.1
    tampered = {**row, "bound": repr(float(row["objective"]) * better), "gap": "0.1"}
    assert "bound" in columns(check_plan(tampered, instance))


def test_a_gap_that_is_not_the_distance_is_found(solved):
    instance, row = solved["paper"]
    assert columns(check_plan({**row, "gap": "0.001"}, instance)) == {"gap", "status"}


def test_a_gap_that_proves_nothing_is_found(solved):
    instance, row = solved["paper"]
    apart = {**row, "bound": repr(float(row["objective"]) * 0.9), "gap": "0.1"}
    assert columns(check_plan(apart, instance)) == {"status"}
    assert check_plan({**apart, "status": "time_limit"}, instance) == []
    lenient = resolved(QUESTIONS["paper"], solver__relative_gap=0.2)
    assert check_plan({**apart, "instance_digest": lenient.digest}, lenient) == []


def test_a_plan_whose_time_ran_out_before_a_bound_holds(solved):
    instance, row = solved["paper"]
    unbounded = {**row, "bound": "", "gap": "", "status": "time_limit"}
    assert check_plan(unbounded, instance) == []
    assert columns(check_plan({**unbounded, "status": "optimal"}, instance)) == {"bound", "gap"}


@pytest.mark.parametrize("status", ["infeasible", "input_error", "error", "no_solution_in_time"])
def test_a_deployment_beside_a_status_that_has_none_is_found(solved, status):
    instance, row = solved["paper"]
    assert "accelerator" in columns(check_plan({**row, "status": status}, instance))


def test_an_unknown_status_is_found(solved):
    instance, row = solved["paper"]
    for status in ("best", "", None, "OPTIMAL"):
        assert "status" in columns(check_plan({**row, "status": status}, instance))


def test_a_plan_without_a_deployment_holds():
    instance = resolved(CHAT, workload__tokens_per_second_per_request=1e6)
    row = planner.solve(instance).to_row()
    assert row["status"] == "infeasible"
    assert check_plan(row, instance) == []
    assert columns(check_plan({**row, "replicas": 1}, instance)) == {"replicas"}


def test_another_name_and_another_digest_are_found(solved):
    instance, row = solved["paper"]
    assert columns(check_plan({**row, "instance": "other"}, instance)) == {"instance"}
    digest = check_plan({**row, "instance_digest": "0" * 12}, instance)
    assert columns(digest) == {"instance_digest"}
    changed = resolved(QUESTIONS["paper"], workload__tokens_per_second_per_request=49)
    assert columns(check_plan(row, changed)) == {"instance_digest"}


STRICTER = {
    "tokens_per_second_per_request": {"workload__tokens_per_second_per_request": 1000},
    "tokens_per_second": {"workload__tokens_per_second": 1e6},
    "time_to_first_token_seconds": {"workload__time_to_first_token_seconds": 1e-3},
    "dollars_per_million_tokens": {"dollars_per_million_tokens_at_most": 1e-3},
    "dollars_per_hour": {"dollars_per_hour_at_most": 0.1},
    "memory_bytes_per_gpu": {"usable_memory_fraction": 0.05},
    "gpus": {"pools": [{"accelerator": name, "gpus": 1} for name in ("h100-sxm", "l40s")]},
    "replicas": {"workload__max_replicas": 1},
}


@pytest.mark.parametrize("column", STRICTER)
def test_a_plan_that_violates_a_requirement_is_found(solved, column):
    _, row = solved["dollars_per_hour"]
    assert int(row["replicas"]) > 1
    findings = check_plan(row, resolved(CHAT, **STRICTER[column]))
    assert column in columns(findings)
    if column != "replicas":
        wanted = "at least" if column.startswith("tokens") else "at most"
        assert any(f.column == column and f.expected.startswith(wanted) for f in findings)


def test_an_instance_that_cannot_be_asked_is_a_finding(solved):
    _, row = solved["dollars_per_hour"]
    findings = check_plan(row, resolved(CHAT, profile="wrong"))
    assert "row" in columns(findings)


def test_checking_loads_neither_the_table_nor_the_formulations_nor_a_solver():
    code = (
        "import sys, planner.verification.check_plan\n"
        "print([name for name in sys.modules if name.startswith("
        "('planner.candidates', 'planner.formulations', 'planner.api', 'planner.infeasibility',"
        " 'solvers', 'pyomo', 'highspy'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.fixture
def files(tmp_path, solved):
    """A CSV of two plans, and the files of their instances."""
    rows = [solved[name][1] for name in ("paper", "dollars_per_hour")]
    plans = tmp_path / "plans.csv"
    written(plans, rows)
    for name in ("paper", "dollars_per_hour"):
        text = solved[name][0].model_dump_json(by_alias=True, exclude_unset=True)
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    return plans, [str(tmp_path / "paper.json"), str(tmp_path / "dollars_per_hour.json")], rows


def written(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def run(monkeypatch, *words) -> int:
    monkeypatch.setattr("sys.argv", ["planner", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code or 0


def test_command_says_that_plans_hold(files, monkeypatch, capsys):
    plans, instances, _ = files
    assert run(monkeypatch, "check", plans, *instances) == 0
    told = capsys.readouterr()
    assert told.out == "paper: holds\nchat: holds\n"
    assert told.err == ""


def test_command_names_what_does_not_hold(files, monkeypatch, capsys):
    plans, instances, rows = files
    rows[1]["step_seconds"] = "1"
    written(plans, rows)
    assert run(monkeypatch, "check", plans, *instances) == 1
    told = capsys.readouterr()
    assert told.out == "paper: holds\nchat: does not hold\n"
    assert told.err.startswith("  step_seconds: found 1, expected 0.0")


def test_a_row_of_no_given_instance_does_not_hold(files, monkeypatch, capsys):
    plans, instances, _ = files
    assert run(monkeypatch, "check", plans, instances[0]) == 1
    told = capsys.readouterr()
    assert told.out == "paper: holds\nchat: does not hold\n"
    assert told.err == "  instance: found chat, expected one of paper.\n"


def test_a_cut_row_does_not_hold(files):
    plans, _, _ = files
    lines = plans.read_text().splitlines()
    plans.write_text("\n".join([lines[0], lines[1][:90]]) + "\n")
    ((name, findings),) = check_file(plans, [resolved(QUESTIONS["paper"])])
    assert name == "paper"
    assert "row" in columns(findings)


NO_PLANS = {
    "empty": b"",
    "header alone": b"instance,status\n",
    "another table": b"name,price\nx,1\n",
    "binary": b"\xff\xfe\x00\x01",
}


@pytest.mark.parametrize("kind", NO_PLANS)
def test_what_is_no_csv_of_plans_is_refused(files, kind, monkeypatch, capsys):
    plans, instances, _ = files
    plans.write_bytes(NO_PLANS[kind])
    assert run(monkeypatch, "check", plans, *instances) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert str(plans) in told.err
    assert told.err.count("\n") == 1
    assert "expected" in told.err


def test_a_csv_that_cannot_be_read_is_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="expected a CSV of plans"):
            list(check_file(path, []))


def test_an_instance_that_cannot_be_read_is_refused(files, monkeypatch, capsys):
    plans, _, _ = files
    assert run(monkeypatch, "check", plans, plans.parent / "none.yaml") == 2
    assert "none.yaml" in capsys.readouterr().err
