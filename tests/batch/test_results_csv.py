"""The CSV of a batch: whatever ends the batch, no plan is lost and no row is damaged."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.batch import results_csv as ledger_module
from planner.batch.results_csv import ResultsFile, refuse_unfinished
from planner.batch.resume import Earlier, LockFile
from planner.errors import OutputError
from planner.io.output import header
from planner.plans.plan import COLUMNS, TIME_COLUMNS, Plan, write_csv
from planner.version import __version__

NAMES = ('a "quoted", name', "plain", "two\nlines", '"', 'ends with "\n', ",\r", "schön\n\n", "")


def plan(number: int, **changed: object) -> Plan:
    """As an instance would be answered, with what is awkward in a CSV in every second cell."""
    name = NAMES[number % len(NAMES)]
    known: dict = {
        "instance": f"{name}{number}",
        "status": ("optimal", "infeasible")[number % 2],
        "accelerator": name,
        "batch": number,
        "objective": 1 / (number + 1),
        "solve_seconds": 0.25,
        "planner_version": __version__,
        "instance_digest": f"{number:012x}",
        "source": f"{number}.yaml",
        "message": name,
    }
    return Plan(**{**known, **changed})


def batch(path: Path, plans: list[Plan], resume: bool = False, **options: bool) -> ResultsFile:
    """Solve a batch as a caller would: what is kept is not solved again."""
    with ResultsFile(path, resume=resume, **options) as results_file:
        for order, answer in enumerate(plans):
            if results_file.kept(answer.instance_digest):
                results_file.keep(order, answer.instance_digest, source=answer.source)
            else:
                results_file.append(order, answer)
    return results_file


def interrupt(path: Path, plans: list[Plan]) -> None:
    """Leave the CSV as Ctrl-C does, with these rows in this order."""
    with pytest.raises(KeyboardInterrupt), ResultsFile(path) as results_file:
        for order, answer in enumerate(plans):
            results_file.append(order, answer)
        raise KeyboardInterrupt


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def marker(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def listing(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def python(script: str, *arguments: object, **options: object) -> subprocess.Popen:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options)


PLANS = [plan(number) for number in range(8)]
WHOLE = write_csv(PLANS).encode()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "plans.csv"


def test_a_batch_is_the_csv_of_its_plans_and_nothing_else_stays(path):
    results_file = batch(path, PLANS)
    assert path.read_bytes() == WHOLE
    assert listing(path.parent) == ["plans.csv"]
    assert (results_file.rows_written, results_file.rows_kept) == (8, 0)
    assert results_file.statuses == {"optimal": 4, "infeasible": 4}


def test_a_batch_of_nothing_is_a_header(path):
    batch(path, [])
    assert path.read_text() == header(COLUMNS)


@settings(deadline=None)  # A disk may be slow.
@given(order=st.permutations(range(len(PLANS))), times=st.booleans())
def test_the_order_of_completion_does_not_show(order, times, tmp_path_factory):
    path = tmp_path_factory.mktemp("batch") / "plans.csv"
    with ResultsFile(path, times=times) as results_file:
        for number in order:
            results_file.append(number, PLANS[number])
    left_out = {} if times else dict.fromkeys(TIME_COLUMNS)
    assert path.read_bytes() == write_csv([replace(each, **left_out) for each in PLANS]).encode()


@settings(deadline=None)
@given(
    names=st.lists(st.text(st.characters(codec="utf-8")), max_size=4),
    data=st.data(),
)
def test_rows_come_back_wherever_the_file_breaks_off(names, data, tmp_path_factory):
    plans = [plan(number, instance=name, message=name) for number, name in enumerate(names)]
    path = tmp_path_factory.mktemp("batch") / "plans.csv"
    batch(path, plans)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    batch(path, plans, resume=True)
    assert path.read_bytes() == whole == write_csv(plans).encode()


def test_every_row_is_on_disk_whole_before_the_next_is_solved(path):
    with ResultsFile(path) as results_file:
        for number, answer in enumerate(PLANS, start=1):
            results_file.append(-number, answer)
            assert path.read_bytes() == write_csv(PLANS[:number]).encode()
    assert path.read_bytes() == write_csv(PLANS[::-1]).encode()


def test_a_file_in_order_is_not_written_again(path):
    with ResultsFile(path) as results_file:
        results_file.append(3, PLANS[0])
        results_file.append(5, PLANS[1])
        before = path.stat().st_ino
    assert path.stat().st_ino == before


def test_an_ordered_file_keeps_mode_and_link(path, tmp_path):
    path.touch(mode=0o600)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with ResultsFile(link) as results_file:
        results_file.append(1, PLANS[1])
        assert marker(path).exists()
        results_file.append(0, PLANS[0])
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == write_csv(PLANS[:2]).encode()


def ends() -> list[int]:
    """Where rows end, with the header; the CSV of one plan more begins with that of one less."""
    return [len(write_csv(PLANS[:number]).encode()) for number in range(len(PLANS) + 1)]


def test_a_batch_cut_off_at_any_byte_goes_on_to_the_same_bytes(path):
    for cut in range(len(WHOLE) + 1):
        path.write_bytes(WHOLE[:cut])
        whole = max(sum(end <= cut for end in ends()) - 1, 0)
        with ResultsFile(path, resume=True) as results_file:
            held = path.read_bytes()
            assert held == write_csv(PLANS[:whole]).encode()
            kept = [results_file.kept(each.instance_digest) for each in PLANS]
            assert kept == [number < whole for number in range(len(PLANS))]
            for number, each in enumerate(PLANS):
                if kept[number]:
                    results_file.keep(number, each.instance_digest)
                else:
                    results_file.append(number, each)
        assert path.read_bytes() == WHOLE
        assert (results_file.rows_kept, results_file.rows_written) == (whole, len(PLANS) - whole)


def test_a_finished_batch_can_be_gone_on_from(path):
    batch(path, PLANS[:4])
    results_file = batch(path, PLANS[::-1], resume=True)
    assert path.read_bytes() == write_csv(PLANS[::-1]).encode()
    assert (results_file.rows_kept, results_file.rows_written) == (4, 4)
    assert results_file.statuses == {"optimal": 4, "infeasible": 4}


def test_resume_without_a_file_starts_anew(path):
    batch(path, PLANS, resume=True)
    assert path.read_bytes() == WHOLE


def test_rows_of_instances_that_are_not_asked_any_more_are_left_out(path):
    interrupt(path, PLANS)
    batch(path, PLANS[2:5], resume=True)
    assert path.read_bytes() == write_csv(PLANS[2:5]).encode()
    batch(path, PLANS[2:4], resume=True)  # In order, but not alone.
    assert path.read_bytes() == write_csv(PLANS[2:4]).encode()


def test_what_another_run_could_better_is_tried_again(path):
    again = ("feasible", "time_limit", "no_solution_in_time", "input_error", "error")
    old = [plan(number, status=status) for number, status in enumerate(again)]
    old += [plan(5, planner_version="0.0.9"), plan(6, instance_digest="edited"), plan(7)]
    interrupt(path, old)
    results_file = batch(path, PLANS[:8], resume=True)
    assert path.read_bytes() == write_csv(PLANS[:8]).encode()
    assert (results_file.rows_kept, results_file.rows_written) == (1, 7)


def test_rows_damaged_by_others_are_not_kept(path):
    (whole,) = write_csv([plan(1, accelerator="?", message="")]).encode().splitlines()[1:]
    for damaged in (
        whole.removesuffix(b","),
        whole + b",more",
        whole.replace(b"?", b"\xff"),
        whole.replace(b"?", b'"x"y'),
        b"",
    ):
        row = damaged + b"\n"
        path.write_bytes(header(COLUMNS).encode() + row + WHOLE[ends()[2] : ends()[3]])
        results_file = batch(path, PLANS[:3], resume=True)
        assert path.read_bytes() == WHOLE[: ends()[3]]
        assert results_file.rows_kept == 1


def test_digests_that_look_alike_are_told_apart(path, monkeypatch):
    from planner.batch import resume

    interrupt(path, PLANS)
    monkeypatch.setattr(resume, "hash", lambda digest: 0, raising=False)
    assert batch(path, PLANS, resume=True).rows_kept == 1
    assert path.read_bytes() == WHOLE


def test_a_kept_row_says_where_its_question_came_from_now(path):
    interrupt(path, PLANS)
    moved = [replace(each, source=f"moved, {each.source}") for each in PLANS]
    with ResultsFile(path, resume=True) as results_file:
        results_file.keep(1, PLANS[1].instance_digest, source=moved[1].source)
        row = results_file.keep(0, PLANS[0].instance_digest, source=moved[0].source)
    assert row["source"] == moved[0].source
    assert row["instance"] == PLANS[0].instance
    assert path.read_bytes() == write_csv(moved[:2]).encode()
    with ResultsFile(path, resume=True) as results_file:
        with pytest.raises(KeyError, match="sauce"):
            results_file.keep(0, PLANS[0].instance_digest, sauce="")
        with pytest.raises(KeyError, match="nowhere"):
            results_file.keep(0, "nowhere")


def test_a_kept_row_is_not_written_again_unless_it_changed(path):
    interrupt(path, PLANS)
    with ResultsFile(path, resume=True) as results_file:
        for order, each in enumerate(PLANS):
            results_file.keep(order, each.instance_digest, source=each.source)
        assert path.read_bytes() == WHOLE
        results_file.keep(8, PLANS[3].instance_digest)
        assert path.read_bytes() == WHOLE
    assert path.read_bytes() == write_csv([*PLANS, PLANS[3]]).encode()


def test_the_same_question_from_two_files_is_two_rows(path):
    twice = [PLANS[0], replace(PLANS[0], source="copy.yaml")]
    interrupt(path, twice)
    results_file = batch(path, twice, resume=True)
    assert path.read_bytes() == write_csv(twice).encode()
    assert results_file.rows_kept == 2


def test_times_are_left_out_of_kept_rows_too(path):
    interrupt(path, PLANS[:4])
    batch(path, PLANS, resume=True, times=False)
    timeless = [replace(each, **dict.fromkeys(TIME_COLUMNS)) for each in PLANS]
    assert path.read_bytes() == write_csv(timeless).encode() != WHOLE


def test_a_name_that_is_no_text_is_written_readably(path):
    batch(path, [plan(1, source="\udcff.yaml")])
    assert rows(path)[0]["source"] == "\\udcff.yaml"
    assert batch(path, [plan(1, source="\udcff.yaml")], resume=True).rows_kept == 1
    assert len(rows(path)) == 1


def test_an_unfinished_batch_is_not_overwritten(path):
    interrupt(path, PLANS)
    with pytest.raises(OutputError) as told:
        ResultsFile(path)
    assert str(told.value) == (
        f"{path}: holds 8 whole plans of a batch that did not finish. "
        "Go on from them with `planner batch --resume`, or delete the file to start again."
    )
    assert path.read_bytes() == WHOLE
    with pytest.raises(OutputError):  # Asking did not change the answer.
        ResultsFile(path)
    path.unlink()
    batch(path, PLANS[:1])
    assert len(rows(path)) == 1


def test_a_batch_that_ended_before_its_first_plan_is_overwritten(path):
    interrupt(path, [])
    assert path.read_text() == header(COLUMNS)
    batch(path, PLANS)
    assert path.read_bytes() == WHOLE


def test_a_finished_batch_is_overwritten(path):
    batch(path, PLANS)
    batch(path, PLANS[:1])
    assert path.read_bytes() == write_csv(PLANS[:1]).encode()


def test_a_marker_that_was_never_signed_says_nothing(path):
    batch(path, PLANS)
    marker(path).touch()
    batch(path, PLANS[:1])
    assert len(rows(path)) == 1


def test_the_marker_says_who_writes_and_goes_with_the_end(path):
    with ResultsFile(path):
        pid, day, clock = marker(path).read_text().split()
        assert int(pid) == os.getpid()
        assert (len(day), len(clock)) == (10, 8)
    assert not marker(path).exists()
    interrupt(path, [])
    assert marker(path).exists()


def test_a_batch_that_goes_on_signs_over_the_old_name(path):
    interrupt(path, PLANS[:1])
    marker(path).write_text("123456789 2025-01-01 00:00:00 and more\n")
    leftover = path.with_name(f".{path.name}.ordered")
    leftover.touch()
    with ResultsFile(path, resume=True) as results_file:
        assert not leftover.exists()
        pid, *since = marker(path).read_text().split()
        assert (int(pid), len(since)) == (os.getpid(), 2)
        results_file.close()  # Once more at the end does no harm.
        assert not marker(path).exists()


def test_two_batches_do_not_write_one_file(path):
    with ResultsFile(path) as results_file:
        results_file.append(0, PLANS[0])
        for resume in (False, True):
            with pytest.raises(OutputError) as told:
                ResultsFile(path, resume=resume)
            assert f"{path}: process {os.getpid()} (since 20" in str(told.value)
            assert "Wait until that is done, or name another file." in str(told.value)
        results_file.append(1, PLANS[1])
    assert path.read_bytes() == write_csv(PLANS[:2]).encode()


def test_a_marker_removed_before_it_was_locked_is_made_again(path, monkeypatch):
    """The batch before finishes between the opening and the locking of its marker."""
    from planner.batch import resume

    lock = resume.fcntl.flock
    calls = []

    def late(file, how):
        calls.append(how)
        if len(calls) == 1:
            marker(path).unlink()
        lock(file, how)

    monkeypatch.setattr(resume.fcntl, "flock", late)
    with ResultsFile(path), pytest.raises(OutputError, match="is writing it"):
        ResultsFile(path)
    assert len(calls) == 3


def test_file_systems_without_locks_will_do(path, monkeypatch):
    from planner.batch import resume

    def refuse(file, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(resume.fcntl, "flock", refuse)
    batch(path, PLANS)
    assert path.read_bytes() == WHOLE
    monkeypatch.setattr(resume, "fcntl", None)
    interrupt(path, PLANS[:2])
    batch(path, PLANS, resume=True)
    assert path.read_bytes() == WHOLE
    assert not marker(path).exists()


WRITE = """
import json, os, sys, time
from planner.batch.results_csv import ResultsFile, refuse_unfinished
from planner.plans.plan import Plan
path, plans = sys.argv[1], json.load(open(sys.argv[2]))
with ResultsFile(path) as ledger:
    for order, row in reversed(list(enumerate(plans))):
        ledger.append(order, Plan(**row))
        print(order, flush=True)
        if sys.argv[3:] and order == int(sys.argv[3]):
            if os.fork() == 0:
                print("forked", flush=True)
            time.sleep(60)
"""


@pytest.fixture
def asked(tmp_path) -> Path:
    file = tmp_path / "asked.json"
    file.write_text(json.dumps([each.to_row() for each in PLANS]))
    return file


@pytest.mark.parametrize("last", [6, 1])
def test_a_killed_batch_loses_nothing_and_its_workers_do_not_hold_the_file(path, asked, last):
    writer = python(WRITE, path, asked, last, process_group=0)
    try:
        for line in writer.stdout:
            if line == "forked\n":
                break
        with pytest.raises(OutputError, match=f"process {writer.pid} "):
            ResultsFile(path, resume=True)
        writer.kill()
        writer.wait()
        assert path.read_bytes() == write_csv(PLANS[last:][::-1]).encode()
        with pytest.raises(OutputError, match=f"holds {8 - last} whole plans of a batch"):
            ResultsFile(path)
        results_file = batch(path, PLANS, resume=True)
    finally:
        os.killpg(writer.pid, signal.SIGKILL)
        writer.communicate()
    assert path.read_bytes() == WHOLE
    assert (results_file.rows_kept, results_file.rows_written) == (8 - last, last)


LIMITED = f"""
import resource, sys
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from planner.errors import OutputError
try:
    exec({WRITE!r})
except OutputError as error:
    print(error, file=sys.stderr)
"""


def limited(path: Path, asked: Path, limit: int) -> str:
    """Write a batch where a file has room for so many bytes, and return the message."""
    script = LIMITED.replace("sys.argv[3:] and", "False and")
    told = python(script, path, asked, limit).communicate(timeout=60)[1]
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("whole", [0, 1, 5])
def test_a_full_disk_leaves_whole_rows_and_says_what_to_do(path, asked, whole):
    expected = write_csv(PLANS[::-1][:whole]).encode()
    told = limited(path, asked, len(expected) + 20)
    plans = "1 whole plan" if whole == 1 else f"{whole} whole plans"
    assert told == (
        f"{path}: file too large; it holds {plans}. "
        "Make room, then run the same command with --resume.\n"
    )
    assert path.read_bytes() == expected
    assert batch(path, PLANS, resume=True).rows_kept == whole
    assert path.read_bytes() == WHOLE


def test_a_disk_without_room_for_the_header_is_told(path, asked):
    assert "it holds 0 whole plans. Make room" in limited(path, asked, len(header(COLUMNS)) - 1)
    assert path.read_bytes() == b""
    batch(path, PLANS)
    assert path.read_bytes() == WHOLE


def test_a_disk_without_room_for_the_ordered_file_leaves_the_other(path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    backwards = write_csv(PLANS[::-1]).encode()
    with monkeypatch.context() as patched, pytest.raises(OutputError) as told:
        patched.setattr(ledger_module.os, "fsync", full)
        with ResultsFile(path) as results_file:
            for number in reversed(range(8)):
                results_file.append(number, PLANS[number])
    assert str(told.value) == (
        f"{path}: no space left on device while its 8 whole plans were put in order; it holds "
        "them all, in the order they came. Make room, then run the same command with --resume."
    )
    assert path.read_bytes() == backwards
    assert listing(path.parent) == [marker(path).name, path.name]
    assert batch(path, PLANS, resume=True).rows_kept == 8
    assert path.read_bytes() == WHOLE


class Stuttering(io.FileIO):
    """A disk that takes seven bytes at a time, and fails in the end if it is told to."""

    left = 10**9

    def write(self, data):
        if self.left <= 0:
            raise OSError(5, "Input/output error")
        taken = super().write(memoryview(data)[: min(7, self.left)])
        self.left -= taken
        return taken


def test_a_row_written_in_parts_is_whole(path, monkeypatch):
    monkeypatch.setattr(ledger_module, "FileIO", Stuttering)
    batch(path, PLANS)
    assert path.read_bytes() == WHOLE


def test_a_failure_amid_a_row_cuts_it_off_and_the_next_may_come(path, monkeypatch):
    monkeypatch.setattr(ledger_module, "FileIO", Stuttering)
    with pytest.raises(OutputError) as told, ResultsFile(path) as results_file:
        results_file.append(0, PLANS[0])
        results_file._file.left = 10
        with pytest.raises(OutputError):
            results_file.append(1, PLANS[1])
        assert path.read_bytes() == write_csv(PLANS[:1]).encode()
        results_file._file.left = 10**9
        results_file.append(2, PLANS[2])
        assert path.read_bytes() == write_csv([PLANS[0], PLANS[2]]).encode()
        results_file._file.left = 10
        results_file.append(1, PLANS[1])
    assert str(told.value) == (
        f"{path}: input/output error; it holds 2 whole plans. "
        "Put that right, then run the same command with --resume."
    )


def test_places_that_cannot_be_written_are_told_at_once(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for name, why in {
        "none/plans.csv": "no such file or directory",
        "folder": "is a directory",
        "file/plans.csv": "not a directory",
        "x" * 300: "file name too long",
        "loop": "too many levels of symbolic links",
    }.items():
        for resume in (False, True):
            with pytest.raises(OutputError) as told:
                ResultsFile(tmp_path / name, resume=resume)
            assert str(told.value) == (
                f"{tmp_path / name}: cannot write here ({why}). Name another file."
            )
    assert listing(tmp_path) == ["file", "folder", "loop"]


@pytest.mark.parametrize(
    "first", ["a,b\n", header(COLUMNS)[:-1] + ",more\n", "\ufeff" + header(COLUMNS), "\n"]
)
def test_a_file_of_another_version_is_refused_and_left_alone(path, first):
    path.write_text(first + "1,2\n")
    with pytest.raises(OutputError) as told:
        ResultsFile(path, resume=True)
    assert str(told.value) == (
        f"{path}: its columns are not those of planner {__version__}: another version wrote it, "
        "or it is no CSV of plans. Name another file, or delete it."
    )
    assert path.read_text() == first + "1,2\n"
    assert not marker(path).exists()


def test_what_goes_on_too_long_is_not_cut_away(path, monkeypatch):
    from planner.batch import resume

    monkeypatch.setattr(resume, "LONGEST_ROW", 3000)
    damaged = WHOLE[: ends()[2]] + b'"' + b"lost\n" * 1000
    path.write_bytes(damaged)
    with pytest.raises(OutputError, match=rf"{path}: damaged after byte {ends()[2]:,}, where"):
        ResultsFile(path, resume=True)
    assert path.read_bytes() == damaged


def test_what_is_no_file_gets_rows_as_they_come(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    with ResultsFile(pipe) as results_file:
        for number in reversed(range(8)):
            results_file.append(number, PLANS[number])
            assert not results_file.kept(PLANS[number].instance_digest)
    assert reader.communicate()[0] == write_csv(PLANS[::-1]).encode()
    assert listing(tmp_path) == ["pipe"]
    batch(Path("/dev/null"), PLANS)


def test_standard_output_is_no_file_even_where_it_goes_to_one(path, asked):
    """What the shell redirected to may hold something already, which is not ours to cut."""
    path.write_text("before\n")
    command = [
        sys.executable,
        "-c",
        WRITE.replace("print(order, flush=True)", ""),
        "/dev/stdout",
        asked,
    ]
    with path.open("ab") as out:
        assert subprocess.run(command, stdout=out, timeout=60, check=True).returncode == 0
    assert path.read_bytes() == b"before\n" + write_csv(PLANS[::-1]).encode()
    assert listing(path.parent) == ["asked.json", "plans.csv"]


def test_what_is_no_file_is_never_cut(path, monkeypatch):
    monkeypatch.setattr(ledger_module, "FileIO", Stuttering)
    monkeypatch.setattr(ledger_module, "NO_FILES", (path.parent,))
    path.write_text("before\n")
    with (
        pytest.raises(OutputError, match=r"cannot write here \(input"),
        ResultsFile(path) as results_file,
    ):
        results_file._file.left = 10
        results_file.append(0, PLANS[0])
    assert path.read_bytes() == b"before\n" + WHOLE[: len(header(COLUMNS)) + 10]


def test_what_is_no_file_cannot_be_gone_on_from():
    for place in ("/dev/stdout", "/dev/null"):
        with pytest.raises(OutputError) as told:
            ResultsFile(place, resume=True)
        assert str(told.value) == (
            f"{place}: not a file, so it holds no rows to go on from. "
            "Name a file, or leave out --resume."
        )


def test_a_full_device_is_told():
    with pytest.raises(OutputError) as told:
        ResultsFile("/dev/full")
    assert str(told.value) == (
        "/dev/full: cannot write here (no space left on device). Name another file."
    )


def test_memory_is_a_few_bytes_a_row(path, monkeypatch):
    """200,000 rows of 60 columns would take 300 MB; their order takes 40 bytes each at most."""
    line = write_csv([plan(1)]).splitlines(keepends=True)[-1]
    monkeypatch.setattr(Plan, "to_lines", lambda self: line)
    answer, number = plan(1), 200_000
    tracemalloc.start()
    try:
        with ResultsFile(path) as results_file:
            for order in range(number, 0, -1):
                results_file.append(order, answer)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 8 * number < peak < 40 * number + 1_000_000
    assert path.stat().st_size == len(header(COLUMNS)) + number * len(line)


def test_memory_of_an_earlier_run_is_a_few_bytes_a_row(path):
    number = 20_000
    path.write_text(write_csv(plan(order) for order in range(number)), encoding="utf-8")
    tracemalloc.start()
    try:
        earlier = Earlier(path, str(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert earlier.total == number
    assert earlier.find(f"{number - 1:012x}")
    assert peak < 100 * number


def test_markers_are_closed_when_they_are_left(path):
    held = LockFile(path, "plans.csv")
    held.leave()
    LockFile(path, "plans.csv").remove()
    assert not marker(path).exists()


def test_other_commands_leave_an_unfinished_batch_alone(path):
    refuse_unfinished(path)
    batch(path, PLANS[:1])
    refuse_unfinished(path)
    interrupt(path, PLANS[:2])
    with pytest.raises(OutputError) as told:
        refuse_unfinished(path)
    assert "holds 2 whole plans of a batch that did not finish" in str(told.value)
    with ResultsFile(path, resume=True), pytest.raises(OutputError, match="is writing it"):
        refuse_unfinished(path)
    assert not marker(path).exists()


def test_a_marker_without_plans_is_taken_away_by_who_writes_there(path):
    interrupt(path, [])
    refuse_unfinished(path)
    assert not marker(path).exists()
    refuse_unfinished("/dev/stdout")
    refuse_unfinished(path / "none" / "plans.csv")


def test_rows_proved_less_exactly_than_is_asked_are_not_kept(path):
    plans = [plan(0, gap=0.0), plan(2, gap=0.05), plan(4, gap=1e-9), plan(1, gap=None)]
    interrupt(path, plans)
    with ResultsFile(path, resume=True) as results_file:
        for gap, expected in ((0.0, [1, 0, 1, 1]), (0.04, [1, 0, 1, 1]), (0.05, [1, 1, 1, 1])):
            assert [results_file.kept(each.instance_digest, gap) for each in plans] == expected
