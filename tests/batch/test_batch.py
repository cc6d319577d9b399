"""Batches with real processes and files: whatever dies, nothing is lost or comes twice."""

import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from batches import (
    CHAT,
    ENDLESS,
    HOPELESS,
    SECONDS,
    WRONG,
    alive,
    chat,
    column,
    descendants,
    ended,
    finished,
    lines,
    many,
    rows,
    started,
    wait_until,
    workers_of,
    write,
)

import planner
from planner.batch import executors
from planner.batch.executors import NOBODY, RESUME, WorkerPool, executed, run
from planner.batch.machine_limits import cores, memory_bytes
from planner.batch.process_pool import Processes
from planner.batch.results_csv import ResultsFile
from planner.batch.run import solve_many, write_plans
from planner.batch.tasks import Task, Tasks, find_instances
from planner.batch.worker import NO_MEMORY, Settings, answer
from planner.errors import InputError, WorkersError
from planner.plans.plan import COLUMNS, Plan
from planner.problem.instance import Instance
from planner.version import __version__

linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def solved(task: Task) -> Future[Plan]:
    done: Future[Plan] = Future()
    done.set_result(
        Plan(
            instance=task.source, status="optimal", source=task.source, planner_version=__version__
        )
    )
    return done


AT_ONCE = WorkerPool(solved, 4)
"""A crew that has every answer ready."""


# The same bytes, however it is run


def test_jobs_and_runs_do_not_show(here):
    many(here / "jobs", 12)
    write(here / "jobs" / "hopeless.json", HOPELESS)
    write(here / "jobs" / "wrong.json", WRONG)
    for name, jobs in (("one", 1), ("two", 2), ("again", 2)):
        ran = finished("jobs", "--csv", f"{name}.csv", "--jobs", jobs, "--no-times")
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "12 of 14 solved" in ran.stderr
    assert (here / "one.csv").read_bytes() == (here / "two.csv").read_bytes()
    assert (here / "one.csv").read_bytes() == (here / "again.csv").read_bytes()
    assert tuple(rows(here / "one.csv")[0]) == COLUMNS
    assert column(here / "one.csv", "instance")[:2] == ["chat0", "chat1"]
    assert set(column(here / "one.csv", "solve_seconds")) == {""}
    assert sorted(each.name for each in here.iterdir()) == [
        "again.csv",
        "jobs",
        "one.csv",
        "two.csv",
    ]


def test_solve_many_gives_what_solve_gives_in_order(here):
    files = sorted(many(here / "jobs", 6).iterdir())
    asked = [planner.read_instance(files[0]), str(files[1]), *files[2:]]
    found = list(solve_many(asked, jobs=2))
    expected = [planner.solve(planner.read_instance(file)) for file in files]
    assert [plan.source for plan in found] == ["", *map(str, files[1:])]
    for plan, other in zip(found, expected, strict=True):
        assert replace(plan, solve_seconds=None, source="") == replace(other, solve_seconds=None)


# What is asked


def test_folders_patterns_lines_and_files_in_their_order(here):
    many(here / "jobs", 3)
    write(here / "deep" / "er" / "a.json", chat(10))
    write(here / "deep" / "b.json", chat(11))
    lines_file = here / "some.jsonl"
    texts = [json.dumps(chat(20)), "", json.dumps(WRONG), '{"name": ', json.dumps(chat(21))]
    lines_file.write_text("\n".join(texts), encoding="utf-8-sig")
    ran = finished("deep/**/*.json", "some.jsonl", "jobs", "jobs/00*.json", "--csv", "plans.csv")
    assert ran.returncode == 2
    found = [(row["source"], row["instance"], row["status"]) for row in rows(here / "plans.csv")]
    assert found[:6] == [
        ("deep/b.json", "chat11", "optimal"),
        ("deep/er/a.json", "chat10", "optimal"),
        ("some.jsonl:1", "chat20", "optimal"),
        ("some.jsonl:3", "some.jsonl:3", "input_error"),
        ("some.jsonl:4", "some.jsonl:4", "input_error"),
        ("some.jsonl:5", "chat21", "optimal"),
    ]
    assert found[6:9] == found[9:]
    messages = column(here / "plans.csv", "message")
    assert messages[3].startswith("some.jsonl:3: pools[0].accelerator: found 'h100sxm5000'")
    assert messages[4].startswith("some.jsonl:4: ")
    for line in (messages[3], messages[4]):
        assert line in ran.stderr  # Whole, on a line of its own.


def test_standard_input_has_instances_and_where_they_are(here):
    many(here / "jobs", 2)
    write(here / "one.json", chat(7))
    text = "\n".join(["jobs", "", json.dumps(chat(8)), "one.json", "none.json", "x*.json", '{"a":'])
    with subprocess.Popen(
        [sys.executable, "-m", "planner.cli", "batch", "-", "--csv", "plans.csv", "--jobs", "1"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as ran:
        told = ran.communicate(text, timeout=SECONDS)[1]
    assert ran.returncode == 2
    assert [(row["source"], row["instance"]) for row in rows(here / "plans.csv")] == [
        ("jobs/000.json", "chat0"),
        ("jobs/001.json", "chat1"),
        ("-:3", "chat8"),
        ("one.json", "chat7"),
        ("none.json", "none.json"),
        ("x*.json", "x*.json"),
        ("-:7", "-:7"),
    ]
    assert "x*.json: found a pattern that matches nothing" in told
    assert "-:7: input_error: -:7: " in told


def test_bytes_that_are_no_text_spoil_their_line_alone(here):
    good = json.dumps(chat(1)).encode()
    (here / "some.jsonl").write_bytes(good + b"\n{\xff}\n" + good)
    first, wrong, last = Tasks(["some.jsonl"])
    assert (first.instance().name, last.instance().name) == ("chat1", "chat1")
    with pytest.raises(InputError) as told:
        wrong.instance()
    assert str(told.value) == (
        "some.jsonl:2: found the byte 0xff, which is not UTF-8, expected an instance in JSON."
    )
    (path,) = Tasks(["-"], io.BytesIO(b"\xff.json\n"))
    assert path.file == "\udcff.json"


SWEPT = {
    **CHAT,
    "sweep": {
        "workload.tokens_per_second_per_request": [20, 30],
        "pools": [[{"accelerator": "h100-sxm"}], [{"accelerator": "h100sxm5000"}]],
    },
}


def test_a_sweep_is_a_row_per_point_and_a_wrong_point_fails_alone(here):
    write(here / "swept.json", SWEPT)
    assert finished("swept.json", "--csv", "plans.csv").returncode == 2
    found = rows(here / "plans.csv")
    assert [row["status"] for row in found] == ["optimal", "input_error"] * 2
    assert [row["instance"] for row in found] == [
        "chat[tokens_per_second_per_request=20,pools=#1]",
        "chat[tokens_per_second_per_request=20,pools=#2]",
        "chat[tokens_per_second_per_request=30,pools=#1]",
        "chat[tokens_per_second_per_request=30,pools=#2]",
    ]
    assert [json.loads(row["sweep"]) for row in found] == [
        {"workload.tokens_per_second_per_request": speed, "pools": [{"accelerator": name}]}
        for speed in (20, 30)
        for name in ("h100-sxm", "h100sxm5000")
    ]
    assert "h100sxm5000" in found[1]["message"]


def test_a_file_that_is_wrong_at_every_point_is_one_row(here):
    write(here / "swept.json", {**SWEPT, "objective": "cheapest"})
    (task,) = Tasks(["swept.json"])
    assert task.name() == ("swept.json", "")
    assert answer(task, Settings()).status == "input_error"


def test_what_is_to_do_is_known_as_far_as_it_can_be(here):
    many(here / "jobs", 2)
    write(here / "swept.json", SWEPT)
    (here / "some.jsonl").write_text("{}\n\n{}\n{}\n")
    tasks = Tasks([*find_instances(["jobs", "swept.json"]), "some.jsonl"])
    assert tasks.known == 4
    assert len(list(tasks)) == tasks.known == 2 + 4 + 3
    assert Tasks(["-"]).known is None
    assert Tasks(iter(["a.json"])).known is None


def test_files_that_vanish_or_cannot_be_read_are_rows(here):
    many(here / "jobs", 3)
    (here / "jobs" / "binary.json").write_bytes(b"\x00\x01")
    (here / "jobs" / "loop.json").symlink_to("loop.json")
    (here / "more.jsonl").write_text("{}\n")
    found = find_instances(["jobs", "loop.json", "more.jsonl"])
    (here / "jobs" / "001.json").unlink()
    (here / "more.jsonl").unlink()
    with ResultsFile("plans.csv") as results_file:
        write_plans(Tasks(found), results_file, AT_ONCE)
    assert [(row["source"], row["status"]) for row in rows(here / "plans.csv")] == [
        ("jobs/000.json", "optimal"),
        ("jobs/001.json", "input_error"),
        ("jobs/002.json", "optimal"),
        ("jobs/binary.json", "input_error"),
        ("loop.json", "input_error"),
        ("more.jsonl", "input_error"),
    ]


# What dies


@linux
@pytest.mark.parametrize("busy", [False, True])
def test_a_batch_whose_parent_is_killed_takes_its_workers_along_and_goes_on(here, busy):
    many(here / "jobs", 40)
    if busy:  # The first file, so that one worker is at it all the time.
        write(here / "jobs" / "0.json", ENDLESS)
    ran = started("jobs", "--csv", "plans.csv", "--jobs", 2, "--no-times")
    wait_until(lambda: lines(here / "plans.csv") > 5)
    family = descendants(ran.pid)
    assert len(workers_of(ran.pid)) == 2
    ran.kill()
    ran.communicate(timeout=SECONDS)
    ended(family)
    kept = lines(here / "plans.csv") - 1
    assert 5 <= kept < 40
    (here / "jobs" / "0.json").unlink(missing_ok=True)
    again = finished("jobs", "--csv", "plans.csv", "--resume", "--no-times")
    assert again.returncode == 0
    assert "40 of 40 solved in" in again.stderr
    assert f"{kept} kept from before; plans in plans.csv" in again.stderr
    finished("jobs", "--csv", "whole.csv", "--no-times")
    assert (here / "plans.csv").read_bytes() == (here / "whole.csv").read_bytes()


@linux
def test_a_worker_that_is_killed_loses_its_instance_alone(here):
    many(here / "jobs", 30)
    ran = started("jobs", "--csv", "plans.csv", "--jobs", 2)
    wait_until(lambda: lines(here / "plans.csv") > 5)
    victim = workers_of(ran.pid)[0]
    os.kill(victim, signal.SIGSTOP)  # So that it has a task when it dies.
    wait_until(lambda: lines(here / "plans.csv") == 30)
    os.kill(victim, signal.SIGKILL)
    told = ran.communicate(timeout=SECONDS)[1]
    assert ran.returncode == 1
    statuses = column(here / "plans.csv", "status")
    assert (statuses.count("optimal"), statuses.count("error")) == (29, 1)
    (failed,) = (row for row in rows(here / "plans.csv") if row["status"] == "error")
    assert failed["message"] == (
        "Its process was killed (signal 9), perhaps for want of memory. Run fewer jobs, or "
        "narrow `search`."
    )
    assert told.startswith(f"{failed['source']}: error: {failed['message']}\n")


@linux
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_batch_that_is_stopped_says_how_to_go_on(here, how):
    many(here / "jobs", 40)
    write(here / "jobs" / "0.json", ENDLESS)
    ran = started("jobs", "--csv", "plans.csv", "--jobs", 2, start_new_session=True)
    wait_until(lambda: lines(here / "plans.csv") > 5)
    family = descendants(ran.pid)
    os.killpg(ran.pid, how)  # As a terminal does, or the scheduler of a cluster.
    out, told = ran.communicate(timeout=SECONDS)
    assert ran.returncode == 130
    assert out == ""
    assert told.endswith(
        "Stopped. What is solved is in plans.csv; go on with the same command and --resume.\n"
    )
    assert "Traceback" not in told
    ended(family)
    held = column(here / "plans.csv", "status").count("optimal")
    assert held >= 5
    (here / "jobs" / "0.json").unlink()
    again = finished("jobs", "--csv", "plans.csv", "--resume")
    assert f"{held} kept from before" in again.stderr
    assert column(here / "plans.csv", "instance") == [f"chat{number}" for number in range(40)]


def test_an_instance_that_hangs_is_ended_and_the_others_go_on(here):
    many(here / "jobs", 6)
    write(here / "jobs" / "0.json", ENDLESS)
    before = time.monotonic()
    ran = finished("jobs", "--csv", "plans.csv", "--jobs", 2, "--time-limit-per-instance", 3)
    assert time.monotonic() - before < 30
    assert ran.returncode == 1
    assert column(here / "plans.csv", "status") == ["error"] + ["optimal"] * 6
    assert rows(here / "plans.csv")[0]["message"] == executors.OUT_OF_TIME


def test_an_instance_without_memory_fails_and_the_others_go_on(here):
    many(here / "jobs", 3)
    write(here / "jobs" / "0.json", ENDLESS)
    ran = finished("jobs", "--csv", "plans.csv", "--jobs", 1, "--memory-per-job", "700 MB")
    assert ran.returncode == 1
    assert column(here / "plans.csv", "status") == ["error"] + ["optimal"] * 3
    assert rows(here / "plans.csv")[0]["message"] == NO_MEMORY


def test_sizes_of_memory_are_read_and_refused(here):
    write(here / "chat.json", CHAT)
    ran = finished("chat.json", "--csv", "plans.csv", "--memory-per-job", "5 x")
    assert ran.returncode == 2
    assert "a number of bytes" in " ".join(ran.stderr.split())
    assert not (here / "plans.csv").exists()


def test_a_full_disk_keeps_whole_rows_and_says_what_to_do(here):
    many(here / "jobs", 20)
    limit = 4096

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    words = ("jobs", "--csv", "plans.csv", "--jobs", 2, "--no-times")
    ran = started(*words, preexec_fn=small)
    told = ran.communicate(timeout=SECONDS)[1]
    kept = lines(here / "plans.csv") - 1
    assert ran.returncode == 2
    assert told == (
        f"plans.csv: file too large; it holds {kept} whole plans. "
        "Make room, then run the same command with --resume.\n"
    )
    assert kept > 0
    again = finished("jobs", "--csv", "plans.csv", "--resume", "--no-times")
    assert "20 of 20 solved" in again.stderr
    assert f"{kept} kept from before" in again.stderr


def test_an_output_that_cannot_be_written_is_told_before_anything_is_solved(here):
    write(here / "endless.json", ENDLESS)
    ran = finished("endless.json", "--csv", "none/plans.csv")
    assert ran.returncode == 2
    assert ran.stderr == (
        "none/plans.csv: cannot write here (no such file or directory). Name another file.\n"
    )


# Time limits, and what --resume does


LARGE = {
    "name": "large",
    "workload": {
        "transformer": "llama-3.1-70b",
        "tokens_per_second_per_request": 20,
        "tokens_per_second": 90000,
    },
    "pools": [{"accelerator": "h100-sxm"}, {"accelerator": "h200-sxm"}],
}
"""Takes the solver longer than no time at all."""


def test_a_solver_out_of_time_leaves_a_row_that_is_tried_again(here):
    write(here / "large.json", {**LARGE, "solver": {"time_limit_seconds": 1e-9}})
    ran = finished("large.json", "--csv", "plans.csv")
    (status,) = column(here / "plans.csv", "status")
    assert (status, ran.returncode) == ("no_solution_in_time", 1)
    write(here / "large.json", LARGE)  # The solver is no part of the question.
    again = finished("large.json", "--csv", "plans.csv", "--resume")
    assert again.returncode == 0
    assert "kept" not in again.stderr
    assert column(here / "plans.csv", "status") == ["optimal"]


def test_an_instance_has_no_more_solver_time_than_time(here):
    from planner.batch.worker import SOLVER_SHARE, _limited

    instance = Instance.model_validate(CHAT)
    assert _limited(instance, Settings(10.0)).solver.time_limit_seconds == 10 * SOLVER_SHARE
    assert _limited(instance, Settings(1000.0)) == _limited(instance, Settings()) == instance


def test_resume_solves_what_is_new_or_edited_and_follows_names(here):
    many(here / "jobs", 4)
    write(here / "swept.json", {**CHAT, "sweep": {"workload.input_tokens": [1000, 2000]}})
    finished("jobs", "swept.json", "--csv", "plans.csv", "--no-times")
    first = rows(here / "plans.csv")
    write(here / "jobs" / "001.json", chat(100))
    (here / "jobs" / "002.json").rename(here / "jobs" / "renamed.json")
    write(here / "swept.json", {**CHAT, "sweep": {"workload.input_tokens": [500, 1000, 2000]}})
    again = finished("jobs", "swept.json", "--csv", "plans.csv", "--no-times", "--resume")
    assert "7 of 7 solved" in again.stderr
    assert "5 kept from before" in again.stderr
    found = rows(here / "plans.csv")
    assert [row["instance"] for row in found] == [
        "chat0",
        "chat100",
        "chat3",
        "chat2",
        "chat[input_tokens=500]",
        "chat[input_tokens=1000]",
        "chat[input_tokens=2000]",
    ]
    assert found[3] == {**first[2], "source": "jobs/renamed.json"}
    assert found[5:] == first[4:]


def test_resume_proves_again_what_was_proved_less_exactly(here):
    loose = {**CHAT, "solver": {"relative_gap": 0.5}}
    plan = planner.solve(Instance.model_validate(loose))
    with ResultsFile("plans.csv") as results_file:
        results_file.append(0, replace(plan, gap=0.25))
    for content, kept in ((loose, 1), (CHAT, 0)):
        write(here / "chat.json", content)
        with ResultsFile("plans.csv", resume=True) as results_file:
            write_plans(Tasks(["chat.json"]), results_file, AT_ONCE)
        assert results_file.rows_kept == kept


# Executors


def test_threads_of_this_process_will_do(here):
    files = sorted(many(here / "jobs", 5).iterdir())
    with ThreadPoolExecutor(3) as executor:
        found = list(solve_many(files, executor=executor))
    assert [plan.instance for plan in found] == [f"chat{number}" for number in range(5)]
    assert {plan.status for plan in found} == {"optimal"}


def test_processes_of_the_user_will_do(here):
    files = sorted(many(here / "jobs", 4).iterdir())
    import multiprocessing

    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        found = list(solve_many([*files, "none.json"], executor=executor))
    assert [plan.status for plan in found] == ["optimal"] * 4 + ["input_error"]


def test_the_executor_on_the_page_works_with_a_pool(here):
    page = Path(__file__).parents[2] / "docs" / "batches.md"
    (code,) = re.findall(
        r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    names: dict = {}
    exec(code, names)
    files = [*sorted(many(here / "jobs", 3).iterdir()), "none.json"]
    with ThreadPool(2) as pool:
        found = list(solve_many(files, executor=names["OnPool"](pool), jobs=2))
    assert [plan.status for plan in found] == ["optimal"] * 3 + ["input_error"]


def test_an_executor_that_is_broken_is_told(here):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(WorkersError) as told:
        list(solve_many([Instance.model_validate(CHAT)], executor=executor))
    assert str(told.value) == (f"{NOBODY} (cannot schedule new futures after shutdown). {RESUME}")


def test_a_worker_of_another_version_is_a_failure(here):
    def other(task: Task) -> Future[Plan]:
        done = solved(task)
        plan = replace(done.result(), planner_version="0.0.1")
        done = Future()
        done.set_result(plan)
        return done

    write(here / "chat.json", CHAT)
    ((_, plan),) = run(enumerate(Tasks(["chat.json"])), WorkerPool(other, 1))
    assert plan.status == "error"
    assert plan.message == f"Its worker runs planner 0.0.1, this is {__version__}."


def test_what_a_worker_raises_is_a_failure(here):
    def spoilt(task: Task) -> Future[Plan]:
        failed: Future[Plan] = Future()
        failed.set_exception(ValueError("no such thing"))
        return failed

    ((_, plan),) = run(enumerate([Task("a.json")]), WorkerPool(spoilt, 1))
    assert plan.message == "Its worker failed: ValueError: no such thing."


def test_nobody_waits_for_ever_for_an_executor():
    silent = WorkerPool(lambda task: Future(), 2, patience=0.05)
    found = list(run(enumerate([Task("a.json"), Task("b.json"), Task("c.json")]), silent))
    assert sorted(number for number, _ in found) == [0, 1, 2]
    assert {plan.message for _, plan in found} == {executors.NO_ANSWER.format(seconds=0.05)}
    with executed(ThreadPoolExecutor(1), 1, Settings(100.0)) as worker_pool:
        assert worker_pool.patience == executors.PER_WORKER * 100 + executors.SLACK_SECONDS


def test_what_is_a_mistake_of_the_planner_is_a_failure(monkeypatch):
    from planner.batch import worker

    def broken(*_, **__):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(worker, "solve", broken)
    plan = answer(Task(given=Instance.model_validate(CHAT)), Settings())
    assert (plan.instance, plan.status) == ("chat", "error")
    assert plan.message.startswith("ZeroDivisionError: oh. This is a mistake in the planner")


# Order and memory


def test_plans_that_wait_for_a_slow_one_are_bounded():
    """One task that is never done until all others stopped coming."""
    slow: Future[Plan] = Future()
    handed_out = []

    def submit(task: Task) -> Future[Plan]:
        handed_out.append(task)
        return solved(task) if task.file else slow

    tasks = [Task(), *(Task(f"{number}.json") for number in range(500))]
    coming = run(enumerate(tasks), WorkerPool(submit, 4), window=50)
    found = [next(coming)[0] for _ in range(50)]
    assert sorted(found) == list(range(1, 51))
    assert len(handed_out) == 51
    slow.set_result(solved(Task()).result())
    assert sorted([*found, *(number for number, _ in coming)]) == list(range(501))


def peak_of(count: int, folder: Path) -> int:
    tasks = (Task(f"{number}.json", text="x" * 1000) for number in range(count))
    tracemalloc.start()
    try:
        with ResultsFile(folder / f"{count}.csv") as results_file:
            write_plans(tasks, results_file, AT_ONCE)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_a_batch_does_not_grow_with_it(tmp_path):
    peak_of(100, tmp_path)
    few, more = peak_of(200, tmp_path), peak_of(2000, tmp_path)
    assert more - few < 1800 * 64  # 24 bytes a row, and arrays that grow by an eighth.


# Processes of this machine


def test_a_script_that_is_not_guarded_is_told_how(here):
    write(here / "chat.json", CHAT)
    (here / "script.py").write_text(
        "import planner\nprint([p.status for p in planner.solve_many(['chat.json'])])\n"
    )
    ran = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.rstrip().endswith(
        "while it started; a script that solves on processes does so under "
        f"`if __name__ == '__main__':`). {RESUME}"
    )


SCRIPT = """
    import sys, time, warnings
    warnings.simplefilter("error")
    import planner

    if __name__ == "__main__":
        plans = planner.solve_many(sys.argv[2:], jobs=2)
        for plan in plans:
            print(plan.instance, flush=True)
            break
        if sys.argv[1] == "close":
            plans.close()
            print("closed", flush=True)
            time.sleep(60)
"""


@linux
@pytest.mark.parametrize("how", ["close", "leave"])
def test_leaving_early_leaves_no_processes(here, how):
    files = sorted(many(here / "jobs", 10).iterdir())
    write(here / "endless.json", ENDLESS)
    (here / "script.py").write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, "script.py", how, *files, "endless.json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdout.readline() == "chat0\n"
        workers_then = workers_of(ran.pid)
        if how == "close":
            assert ran.stdout.readline() == "closed\n"
            wait_until(lambda: not workers_of(ran.pid), 10)
            ran.kill()
        ran.communicate(timeout=20)
    assert ran.returncode == (-9 if how == "close" else 0)
    ended(workers_then)


@linux
def test_no_more_processes_start_than_there_is_work(here):
    instance = Instance.model_validate(CHAT)
    processes = Processes(8, Settings(SECONDS), None)
    try:
        futures = [processes.submit(Task(given=instance)) for _ in range(2)]
        assert [future.result(SECONDS).status for future in futures] == ["optimal"] * 2
        assert len(processes._workers) <= 2
    finally:
        processes.stop()
    assert processes._workers == []
    with pytest.raises(RuntimeError, match="they were stopped"):
        processes.submit(Task(given=instance))


def test_a_process_that_hangs_is_killed_whatever_it_holds_and_replaced():
    processes = Processes(1, Settings(3.0), None)
    try:
        hung = processes.submit(Task(given=Instance.model_validate(ENDLESS)))
        following = processes.submit(Task(given=Instance.model_validate(CHAT)))
        with pytest.raises(TimeoutError):
            hung.result(SECONDS)
        # The new one has its own time, and starting does not count.
        assert following.result(SECONDS).status == "optimal"
    finally:
        processes.stop()


def test_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert [plan.status for plan in solve_many([Instance.model_validate(CHAT)], jobs=1)] == [
        "optimal"
    ]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_workers_take_one_thread_and_are_as_many_as_cores(monkeypatch):
    from planner.batch.process_pool import _environment

    asked = []

    class Counted:
        def __init__(self, count, settings, memory):
            asked.append((count, memory))

        submit = stop = lambda self: None

    monkeypatch.setattr(executors, "Processes", Counted)
    monkeypatch.setattr(executors, "cores", lambda: 3)
    monkeypatch.setattr(executors, "memory_bytes", lambda: 30_000)
    for jobs, settings in ((None, Settings()), (5, Settings(memory_bytes=77))):
        with executors.processes(jobs, settings) as worker_pool:
            assert worker_pool.in_flight == executors.PER_WORKER * (jobs or 3)
    assert asked == [(3, 9000), (5, 77)]
    with _environment({"PLANNER_TEST": "1"}):
        assert os.environ["PLANNER_TEST"] == "1"
    assert "PLANNER_TEST" not in os.environ


# The machine


def test_limits_of_every_control_group_above_hold(tmp_path, monkeypatch):
    from planner.batch import machine_limits

    monkeypatch.setattr(machine_limits, "CGROUP", tmp_path)
    monkeypatch.setattr(machine_limits, "OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    whole = memory_bytes()
    assert cores() == 64
    (tmp_path / "own").write_text("0::/slurm/job_7\n")
    job = tmp_path / "slurm" / "job_7"
    job.mkdir(parents=True)
    (job / "cpu.max").write_text("350000 100000\n")
    (job / "memory.max").write_text("max\n")
    (tmp_path / "slurm" / "cpu.max").write_text("max 100000\n")
    (tmp_path / "slurm" / "memory.max").write_text("1000000\n")
    assert (cores(), memory_bytes()) == (3, 1_000_000)
    (tmp_path / "slurm" / "cpu.max").write_text("20000 100000\n")
    (tmp_path / "slurm" / "memory.max").write_text("max\n")
    assert (cores(), memory_bytes()) == (1, whole)


def test_alive_tells_the_dead_from_the_living():
    """The other tests rest on it."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert alive(child.pid)
    child.kill()
    wait_until(lambda: not alive(child.pid), 10)
    child.communicate()
