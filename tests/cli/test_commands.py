"""The command line: what each command prints, writes and returns, also when something is wrong."""

import csv
import json
import re
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from planner import catalogue, cli
from planner.batch.results_csv import ResultsFile
from planner.plans.plan import COLUMNS, Plan
from planner.version import __version__

PROMISED = [
    "instance",
    "status",
    "transformer",
    "accelerator",
    "tensor_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "data_parallel",
    "batch",
    "weight_precision",
    "kv_precision",
    "draft",
    "gamma",
    "gpus_per_replica",
    "replicas",
    "gpus",
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
    "bound",
    "gap",
    "solve_seconds",
]
COMMANDS = ("solve", "batch", "check", "estimate", "catalogue", "schema")

CHAT = {
    "name": "chat",
    "workload": {
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": 40,
        "tokens_per_second": 9000,
    },
    "pools": [{"accelerator": "h100-sxm", "gpus": 16}, {"accelerator": "l40s", "gpus": 16}],
    "search": {"batch": [1, 8, 32, 64], "tensor_parallel": [1, 2], "pipeline_parallel": [1]},
}
HOPELESS = {
    **CHAT,
    "name": "hopeless",
    "workload": {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 1e6},
}
WRONG = {**CHAT, "name": "wrong", "pools": [{"accelerator": "h100sxm5000"}]}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three instance files in the working directory: good, infeasible, wrong."""
    monkeypatch.chdir(tmp_path)
    for content in (CHAT, HOPELESS, WRONG):
        name = content["name"]
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def subprocess_output(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout


def test_help_loads_nothing_slow():
    code = (
        "import sys\n"
        "from planner.cli import main\n"
        "sys.argv = ['planner', '--help']\n"
        "try: main()\n"
        "except SystemExit as stopped: print('code', stopped.code)\n"
        "slow = ('pyomo', 'pandas', 'pydantic', 'numpy', 'pint', 'highspy', 'ruamel')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    *usage, code, loaded = subprocess_output(code).strip().splitlines()
    assert code == "code 0"
    assert loaded == "[]"
    for command in COMMANDS:
        assert any(command in line for line in usage)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_shows_an_example(command):
    told = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0
    assert f"Example: planner {command}" in " ".join(told.output.split())


def test_no_command_at_all_shows_the_help(run):
    ran = run()
    assert ran.code == 2
    assert "solve" in ran.out + ran.err


def test_version(run):
    ran = run("--version")
    assert (ran.code, ran.out) == (0, f"inference-planner {__version__}\n")


def test_the_console_script_and_the_function_are_one():
    told = subprocess_output(
        "from importlib.metadata import entry_points\n"
        "print(entry_points(group='console_scripts')['planner'].load().__module__)"
    )
    assert told.strip() == "planner.cli"


def test_solve_prints_the_plan_and_writes_it(run, files):
    ran = run("solve", "chat.json", "--csv", "plan.csv")
    assert (ran.code, ran.err) == (0, "")
    assert "chat: $" in ran.out
    assert "proved optimal" in ran.out
    for word in ("llama-3.1-8b", "Speed", "Memory", "network", "Binds", "Proof", "calibrated"):
        assert word in ran.out
    (row,) = rows(files / "plan.csv")
    assert tuple(row) == COLUMNS
    assert row["instance"] == "chat"
    assert row["status"] == "optimal"
    assert all(row[name] for name in PROMISED)


def test_solve_takes_a_folder_that_holds_an_instance(run, files):
    (files / "home").mkdir()
    (files / "chat.json").rename(files / "home" / "instance.json")
    assert run("solve", "home", "--csv", "plan.csv").code == 0
    assert rows(files / "plan.csv")[0]["instance"] == "chat"


def test_json_is_an_object_for_one_and_a_list_for_many(run, files):
    assert run("solve", "chat.json", "--json", "plan.json").code == 0
    one = json.loads((files / "plan.json").read_text())
    assert tuple(one) == COLUMNS
    assert one["gap"] <= 1e-9
    assert run("solve", "chat.json", "hopeless.json", "--json", "plans.json").code == 3
    many = json.loads((files / "plans.json").read_text())
    assert [plan["status"] for plan in many] == ["optimal", "infeasible"]
    assert {**many[0], "solve_seconds": 0} == {**one, "solve_seconds": 0}
    assert many[1]["objective"] is None


@pytest.mark.parametrize("solver", ["exhaustive", "scip"])
def test_solvers_agree(run, files, solver):
    if solver == "scip":
        pytest.importorskip("pyscipopt", reason="the extra `scip` is not installed")
    assert run("solve", "chat.json", "--csv", "highs.csv", "--solver", "highs").code == 0
    assert run("solve", "chat.json", "--csv", "other.csv", "--solver", solver).code == 0
    (one,), (other,) = rows(files / "highs.csv"), rows(files / "other.csv")
    assert one["solver"].startswith("highs")
    assert other["solver"].startswith(solver)
    for column in COLUMNS:
        if column in ("objective", "bound"):
            assert float(other[column]) == pytest.approx(float(one[column]), rel=1e-6)
        elif column == "gap":
            assert float(other[column]) <= 1e-6
        elif column not in ("solver", "solve_seconds"):
            assert other[column] == one[column], column


@pytest.mark.parametrize("solver", ["highs", "exhaustive"])
def test_what_solve_writes_holds_whichever_solver_was_named(run, files, solver):
    assert run("solve", "chat.json", "-q", "--csv", "plan.csv", "--solver", solver).code == 0
    ran = run("check", "plan.csv", "chat.json")
    assert (ran.code, ran.out, ran.err) == (0, "chat: holds\n", "")


def test_a_solver_that_is_none_is_refused(run, files):
    ran = run("solve", "chat.json", "--solver", "magic")
    assert ran.code == 2
    assert "magic" in ran.err


def test_quiet_prints_nothing_on_success(run, files):
    ran = run("solve", "chat.json", "--quiet", "--csv", "plan.csv")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert len(rows(files / "plan.csv")) == 1


def test_quiet_still_tells_why_there_is_no_plan(run, files):
    ran = run("solve", "hopeless.json", "-q")
    assert (ran.code, ran.out) == (3, "")
    assert "1,000,000 tok/s per request" in ran.err


def test_one_wrong_instance_does_not_stop_the_others(run, files):
    names = ("wrong.json", "chat.json", "hopeless.json", "none.yaml")
    ran = run("solve", *names, "--csv", "plans.csv")
    assert ran.code == 2
    assert "chat: $" in ran.out
    assert "wrong.json:1: pools[0].accelerator: found 'h100sxm5000'" in ran.err
    assert "none.yaml: found nothing" in ran.err
    found = rows(files / "plans.csv")
    assert [row["status"] for row in found] == [
        "input_error",
        "optimal",
        "infeasible",
        "input_error",
    ]
    assert [row["instance"] for row in found] == ["wrong.json", "chat", "hopeless", "none.yaml"]
    assert "h100sxm5000" in found[0]["message"]


def test_infeasible_names_the_requirement_and_the_nearest(run, files):
    ran = run("solve", "hopeless.json", "--csv", "plan.csv")
    assert (ran.code, ran.err) == (3, "")
    told = " ".join(ran.out.split())
    assert "hopeless: infeasible" in told
    (row,) = rows(files / "plan.csv")
    assert row["status"] == "infeasible"
    assert row["message"].startswith("No deployment reaches 1,000,000 tok/s per request")
    assert "tok/s per request instead of 1,000,000" in row["message"]
    assert "No deployment reaches 1,000,000 tok/s per request" in told


def test_a_result_that_cannot_be_written_is_told_before_anything_is_solved(run, files):
    for option in ("--csv", "--json"):
        ran = run("solve", "chat.json", option, "none/plan")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("none/plan: cannot write here (no such file")
        assert ran.err.count("\n") == 1


def test_batch_refuses_a_result_that_cannot_be_written(run, files):
    ran = run("batch", "chat.json", "--csv", "none/plans.csv", "-q")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("none/plans.csv: cannot write here")
    assert ran.err.count("\n") == 1


def test_batch_writes_a_row_for_each_file_of_a_folder(run, files):
    folder = files / "many"
    (folder / "deep" / "one").mkdir(parents=True)
    (files / "chat.json").rename(folder / "b.json")
    (files / "hopeless.json").rename(folder / "c.yaml")
    (files / "wrong.json").rename(folder / "a.yml")
    (folder / "d.json").write_text("{")
    (folder / "notes.txt").write_text("no instance")
    (folder / "deep" / "one" / "instance.json").write_text(json.dumps({**CHAT, "name": "deep"}))
    (folder / "deep" / "one" / "other.json").write_text("{}")
    ran = run("batch", "many", "--csv", "plans.csv")
    assert ran.code == 2
    found = rows(files / "plans.csv")
    assert tuple(found[0]) == COLUMNS
    assert [(row["instance"], row["status"]) for row in found] == [
        ("many/a.yml", "input_error"),
        ("chat", "optimal"),
        ("hopeless", "infeasible"),
        ("many/d.json", "input_error"),
        ("deep", "optimal"),
    ]
    assert "2 of 5 solved" in ran.err
    assert "hopeless: infeasible" in ran.err


def test_batch_is_quiet_when_asked(run, files):
    ran = run("batch", "chat.json", "--csv", "plans.csv", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_batch_counts_infeasible_as_three_and_all_solved_as_nothing(run, files):
    assert run("batch", "chat.json", "--csv", "plans.csv").code == 0
    assert run("batch", "chat.json", "hopeless.json", "--csv", "plans.csv").code == 3


def test_batch_refuses_a_folder_without_instances(run, files):
    (files / "empty").mkdir()
    ran = run("batch", "empty", "--csv", "plans.csv")
    assert ran.code == 2
    assert ran.err.startswith("empty: found a folder with none, expected instance files")
    assert not (files / "plans.csv").exists()


def test_batch_and_solve_write_the_same(run, files):
    run("batch", "chat.json", "hopeless.json", "--csv", "one.csv")
    run("solve", "chat.json", "hopeless.json", "--csv", "other.csv")
    one, other = rows(files / "one.csv"), rows(files / "other.csv")
    for row in (*one, *other):
        row.pop("solve_seconds")
    assert one == other


def test_catalogue_lists_everything(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    ran = run("catalogue")
    assert ran.code == 0
    for names in (
        catalogue.accelerator_names(),
        catalogue.transformer_names(),
        catalogue.profile_names(),
    ):
        assert all(name in ran.out for name in names)
    only = run("catalogue", "accelerators").out
    assert "h100-sxm" in only
    assert "llama-3.1-70b" not in only


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("h100-sxm", ["memory_bytes_per_second", "3.35 TB/s", "default"]),
        ("llama-3.1-70b", ["70,552,387,584", "80 layers", "meta-llama/Llama-3.1-70B"]),
        ("deepseek-v3", ["experts", "latent"]),
    ],
)
def test_catalogue_shows_an_entry_with_its_sources(run, monkeypatch, name, words):
    monkeypatch.setenv("COLUMNS", "250")
    ran = run("catalogue", name)
    assert ran.code == 0
    for word in words:
        assert word in ran.out


@pytest.mark.parametrize("kind", ["accelerator", "transformer"])
def test_catalogue_shows_every_entry(run, kind):
    for name in getattr(catalogue, f"{kind}_names")():
        ran = run("catalogue", name)
        assert (ran.code, ran.err) == (0, "")
        assert getattr(catalogue, kind)(name).title.split()[0] in ran.out


def test_catalogue_suggests_did_you_mean(run):
    ran = run("catalogue", "h100sxm")
    assert (ran.code, ran.out) == (2, "")
    assert "found 'h100sxm'" in ran.err
    assert "Did you mean h100-sxm" in ran.err


def test_estimate_needs_its_columns(run, files):
    (files / "asked.csv").write_text("transformer,accelerator,batch\nllama-3.1-8b,h100-sxm,4\n")
    ran = run("estimate", "asked.csv")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("tensor_parallel: found no such column")


def test_estimate_comes_back(run, files):
    (files / "asked.csv").write_text(
        "transformer,accelerator,tensor_parallel,batch,note\n"
        "llama-3.1-8b,h100-sxm,1,4,first\n"
        "llama-3.1-70b,h800-sxm,8,4,second\n"
    )
    assert run("estimate", "asked.csv", "--csv", "times.csv").code == 0
    first, second = rows(files / "times.csv")
    assert (first["note"], second["note"]) == ("first", "second")
    assert float(first["step_seconds"]) < float(second["step_seconds"])
    assert float(first["dollars_per_million_tokens"]) > 0
    assert second["dollars_per_million_tokens"] == ""
    assert (first["fits"], second["fits"]) == ("True", "True")
    ran = run("estimate", "asked.csv", "--csv", "none/times.csv")
    assert ran.code == 2
    assert ran.err.startswith("none/times.csv: cannot write here")


def test_check_of_what_solve_wrote(run, files):
    run("solve", "chat.json", "hopeless.json", "--csv", "plans.csv")
    ran = run("check", "plans.csv", "chat.json", "hopeless.json")
    assert (ran.code, ran.out) == (0, "chat: holds\nhopeless: holds\n")
    text = (files / "plans.csv").read_text().replace(",optimal,", ",infeasible,")
    (files / "plans.csv").write_text(text)
    assert run("check", "plans.csv", "chat.json", "hopeless.json").code == 1


SWEPT = {
    **CHAT,
    "sweep": {
        "workload.tokens_per_second_per_request": [20, 30],
        "pools": [[{"accelerator": "h100-sxm"}], [{"accelerator": "h100sxm5000"}]],
    },
}


def test_solve_and_check_take_sweeps_and_tell_wrong_points(run, files):
    (files / "swept.json").write_text(json.dumps(SWEPT))
    ran = run("solve", "swept.json", "chat.json", "-q", "--csv", "plans.csv")
    assert ran.code == 2
    assert ran.err.count("h100sxm5000") == 2
    found = rows(files / "plans.csv")
    assert [row["status"] for row in found] == ["optimal", "input_error"] * 2 + ["optimal"]
    assert found[1]["instance"] == "chat[tokens_per_second_per_request=20,pools=#2]"
    ran = run("check", "plans.csv", "swept.json", "chat.json")
    assert ran.code == 2
    assert ran.out == (
        "chat[tokens_per_second_per_request=20,pools=#1]: holds\n"
        "chat[tokens_per_second_per_request=20,pools=#2]: not checked\n"
        "chat[tokens_per_second_per_request=30,pools=#1]: holds\n"
        "chat[tokens_per_second_per_request=30,pools=#2]: not checked\n"
        "chat: holds\n"
    )
    assert ran.err.count("h100sxm5000") == 2
    text = (files / "plans.csv").read_text().replace(",llama-3.1-8b,h100-sxm,1,", ",x,l40s,2,", 1)
    (files / "plans.csv").write_text(text)
    assert "chat[tokens_per_second_per_request=20,pools=#1]: does not hold\n" in (
        run("check", "plans.csv", "swept.json", "chat.json").out
    )


def test_solve_leaves_an_unfinished_batch_alone(run, files):
    with pytest.raises(KeyboardInterrupt), ResultsFile(files / "plans.csv") as results_file:
        results_file.append(0, Plan(instance="a", status="error"))
        raise KeyboardInterrupt
    before = (files / "plans.csv").read_bytes()
    ran = run("solve", "chat.json", "--csv", "plans.csv")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "plans.csv: holds 1 whole plan of a batch that did not finish. Go on from them with "
        "`planner batch --resume`, or delete the file to start again.\n"
    )
    assert (files / "plans.csv").read_bytes() == before


def test_lines_of_a_batch_are_not_broken_and_not_marked_up(run, files, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    ran = run("batch", "chat.json", "wrong.json", "--csv", "[red].csv")
    failed, summary = ran.err.splitlines()
    assert failed.startswith("wrong.json: input_error: wrong.json:1: pools[0].accelerator: found")
    assert summary.startswith("1 of 2 solved in ")
    assert summary.endswith("/s); plans in [red].csv")


def test_failures_beyond_the_first_are_in_the_csv_alone(run, files):
    (files / "many.jsonl").write_text("{}\n" * 30)
    ran = run("batch", "many.jsonl", "--csv", "plans.csv")
    assert ran.err.count("input_error") == 20
    assert ran.err.count("Further ones are in the CSV alone.\n") == 1
    assert len(rows(files / "plans.csv")) == 30


def test_progress_in_a_log_is_a_line_now_and_then(capsys, monkeypatch):
    from planner.batch.tasks import Tasks
    from planner.cli import progress

    now = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    with progress.Progress(Tasks(["a.json"] * 10), quiet=False) as shown:
        shown.tell("a", "optimal", "", True)
        for _ in range(3):
            shown.tell("b", "optimal", "", False)
    logged = capsys.readouterr().err.splitlines()
    assert [line.split(", ")[0] for line in logged] == ["1 done", "2 done", "3 done", "4 done"]
    assert logged[0] == "1 done, 0 without a plan, 0.0/s"
    assert re.search(r", 8 to go, 0:\d\d:\d\d left$", logged[1])


@pytest.mark.skipif(
    shutil.which("script") is None, reason="there is no `script` to make a terminal"
)
def test_a_terminal_of_80_columns_has_room_for_the_bar(files):
    command = f"stty cols 80; {sys.executable} -m planner.cli batch chat.json --csv plans.csv"
    ran = subprocess.run(
        ["script", "-qec", command, "/dev/null"], capture_output=True, timeout=60, check=True
    )
    told = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", ran.stdout.decode())
    bars = [line.strip() for line in re.split(r"[\r\n]+", told) if "without a plan" in line]
    assert any(line.endswith("0 done, 0 without a plan,  -:--:--") for line in bars)
    assert any(re.search(r"100% 1 done, 0 without a plan, [0-9.]+/s, 0:00:00$", b) for b in bars)
    assert "1 of 1 solved in" in told


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_whole_on_80_columns(command):
    told = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "80"})
    assert max(map(len, told.output.splitlines())) <= 80
    assert not re.search(r"--[a-z-]+…", told.output)
