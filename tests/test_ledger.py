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

from planner.batches import ledger as ledger_module
from planner.batches.ledger import Ledger, refuse_unfinished
from planner.batches.resuming import Earlier, Marker
from planner.errors import OutputError
from planner.plan import TIME_COLUMNS, Plan, header, write_csv
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


def batch(path: Path, plans: list[Plan], resume: bool = False, **options: bool) -> Ledger:
    """Solve a batch as a caller would: what is kept is not solved again."""
    with Ledger(path, resume=resume, **options) as ledger:
        for order, answer in enumerate(plans):
            if ledger.kept(answer.instance_digest):
                ledger.keep(order, answer.instance_digest, source=answer.source)
            else:
                ledger.append(order, answer)
    return ledger


def interrupt(path: Path, plans: list[Plan]) -> None:
    """Leave the CSV as Ctrl-C does, with these rows in this order."""
    with pytest.raises(KeyboardInterrupt), Ledger(path) as ledger:
        for order, answer in enumerate(plans):
            ledger.append(order, answer)
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
    ledger = batch(path, PLANS)
    assert path.read_bytes() == WHOLE
    assert listing(path.parent) == ["plans.csv"]
    assert (ledger.rows_written, ledger.rows_kept) == (8, 0)
    assert ledger.statuses == {"optimal": 4, "infeasible": 4}


def test_a_batch_of_nothing_is_a_header(path):
    batch(path, [])
    assert path.read_text() == header()


@settings(deadline=None)  # A disk may be slow.
@given(order=st.permutations(range(len(PLANS))), times=st.booleans())
def test_the_order_of_completion_does_not_show(order, times, tmp_path_factory):
    path = tmp_path_factory.mktemp("batch") / "plans.csv"
    with Ledger(path, times=times) as ledger:
        for number in order:
            ledger.append(number, PLANS[number])
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
    with Ledger(path) as ledger:
        for number, answer in enumerate(PLANS, start=1):
            ledger.append(-number, answer)
            assert path.read_bytes() == write_csv(PLANS[:number]).encode()
    assert path.read_bytes() == write_csv(PLANS[::-1]).encode()


def test_a_file_in_order_is_not_written_again(path):
    with Ledger(path) as ledger:
        ledger.append(3, PLANS[0])
        ledger.append(5, PLANS[1])
        before = path.stat().st_ino
    assert path.stat().st_ino == before


def test_an_ordered_file_keeps_mode_and_link(path, tmp_path):
    path.touch(mode=0o600)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with Ledger(link) as ledger:
        ledger.append(1, PLANS[1])
        assert marker(path).exists()
        ledger.append(0, PLANS[0])
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
        with Ledger(path, resume=True) as ledger:
            held = path.read_bytes()
            assert held == write_csv(PLANS[:whole]).encode()
            kept = [ledger.kept(each.instance_digest) for each in PLANS]
            assert kept == [number < whole for number in range(len(PLANS))]
            for number, each in enumerate(PLANS):
                if kept[number]:
                    ledger.keep(number, each.instance_digest)
                else:
                    ledger.append(number, each)
        assert path.read_bytes() == WHOLE
        assert (ledger.rows_kept, ledger.rows_written) == (whole, len(PLANS) - whole)


def test_a_finished_batch_can_be_gone_on_from(path):
    batch(path, PLANS[:4])
    ledger = batch(path, PLANS[::-1], resume=True)
    assert path.read_bytes() == write_csv(PLANS[::-1]).encode()
    assert (ledger.rows_kept, ledger.rows_written) == (4, 4)
    assert ledger.statuses == {"optimal": 4, "infeasible": 4}


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
    again = ("time_limit", "no_solution_in_time", "input_error", "error")
    old = [plan(number, status=status) for number, status in enumerate(again)]
    old += [plan(4, planner_version="0.0.9"), plan(5, instance_digest="edited"), plan(6)]
    interrupt(path, old)
    ledger = batch(path, PLANS[:7], resume=True)
    assert path.read_bytes() == write_csv(PLANS[:7]).encode()
    assert (ledger.rows_kept, ledger.rows_written) == (1, 6)


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
        path.write_bytes(header().encode() + row + WHOLE[ends()[2] : ends()[3]])
        ledger = batch(path, PLANS[:3], resume=True)
        assert path.read_bytes() == WHOLE[: ends()[3]]
        assert ledger.rows_kept == 1


def test_digests_that_look_alike_are_told_apart(path, monkeypatch):
    from planner.batches import resuming

    interrupt(path, PLANS)
    monkeypatch.setattr(resuming, "hash", lambda digest: 0, raising=False)
    assert batch(path, PLANS, resume=True).rows_kept == 1
    assert path.read_bytes() == WHOLE


def test_a_kept_row_says_where_its_question_came_from_now(path):
    interrupt(path, PLANS)
    moved = [replace(each, source=f"moved, {each.source}") for each in PLANS]
    with Ledger(path, resume=True) as ledger:
        ledger.keep(1, PLANS[1].instance_digest, source=moved[1].source)
        row = ledger.keep(0, PLANS[0].instance_digest, source=moved[0].source)
    assert row["source"] == moved[0].source
    assert row["instance"] == PLANS[0].instance
    assert path.read_bytes() == write_csv(moved[:2]).encode()
    with Ledger(path, resume=True) as ledger:
        with pytest.raises(KeyError, match="sauce"):
            ledger.keep(0, PLANS[0].instance_digest, sauce="")
        with pytest.raises(KeyError, match="nowhere"):
            ledger.keep(0, "nowhere")


def test_a_kept_row_is_not_written_again_unless_it_changed(path):
    interrupt(path, PLANS)
    with Ledger(path, resume=True) as ledger:
        for order, each in enumerate(PLANS):
            ledger.keep(order, each.instance_digest, source=each.source)
        assert path.read_bytes() == WHOLE
        ledger.keep(8, PLANS[3].instance_digest)
        assert path.read_bytes() == WHOLE
    assert path.read_bytes() == write_csv([*PLANS, PLANS[3]]).encode()


def test_the_same_question_from_two_files_is_two_rows(path):
    twice = [PLANS[0], replace(PLANS[0], source="copy.yaml")]
    interrupt(path, twice)
    ledger = batch(path, twice, resume=True)
    assert path.read_bytes() == write_csv(twice).encode()
    assert ledger.rows_kept == 2


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
        Ledger(path)
    assert str(told.value) == (
        f"{path}: holds 8 whole plans of a batch that did not finish. "
        "Go on from them with `planner batch --resume`, or delete the file to start again."
    )
    assert path.read_bytes() == WHOLE
    with pytest.raises(OutputError):  # Asking did not change the answer.
        Ledger(path)
    path.unlink()
    batch(path, PLANS[:1])
    assert len(rows(path)) == 1


def test_a_batch_that_ended_before_its_first_plan_is_overwritten(path):
    interrupt(path, [])
    assert path.read_text() == header()
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
    with Ledger(path):
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
    with Ledger(path, resume=True) as ledger:
        assert not leftover.exists()
        pid, *since = marker(path).read_text().split()
        assert (int(pid), len(since)) == (os.getpid(), 2)
        ledger.close()  # Once more at the end does no harm.
        assert not marker(path).exists()


def test_two_batches_do_not_write_one_file(path):
    with Ledger(path) as ledger:
        ledger.append(0, PLANS[0])
        for resume in (False, True):
            with pytest.raises(OutputError) as told:
                Ledger(path, resume=resume)
            assert f"{path}: process {os.getpid()} (since 20" in str(told.value)
            assert "Wait until that is done, or name another file." in str(told.value)
        ledger.append(1, PLANS[1])
    assert path.read_bytes() == write_csv(PLANS[:2]).encode()


def test_a_marker_removed_before_it_was_locked_is_made_again(path, monkeypatch):
    """The batch before finishes between the opening and the locking of its marker."""
    from planner.batches import resuming

    lock = resuming.fcntl.flock
    calls = []

    def late(file, how):
        calls.append(how)
        if len(calls) == 1:
            marker(path).unlink()
        lock(file, how)

    monkeypatch.setattr(resuming.fcntl, "flock", late)
    with Ledger(path), pytest.raises(OutputError, match="is writing it"):
        Ledger(path)
    assert len(calls) == 3


def test_file_systems_without_locks_will_do(path, monkeypatch):
    from planner.batches import resuming

    def refuse(file, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(resuming.fcntl, "flock", refuse)
    batch(path, PLANS)
    assert path.read_bytes() == WHOLE
    monkeypatch.setattr(resuming, "fcntl", None)
    interrupt(path, PLANS[:2])
    batch(path, PLANS, resume=True)
    assert path.read_bytes() == WHOLE
    assert not marker(path).exists()


WRITE = """
import json, os, sys, time
from planner.batches.ledger import Ledger, refuse_unfinished
from planner.plan import Plan
path, plans = sys.argv[1], json.load(open(sys.argv[2]))
with Ledger(path) as ledger:
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
            Ledger(path, resume=True)
        writer.kill()
        writer.wait()
        assert path.read_bytes() == write_csv(PLANS[last:][::-1]).encode()
        with pytest.raises(OutputError, match=f"holds {8 - last} whole plans of a batch"):
            Ledger(path)
        ledger = batch(path, PLANS, resume=True)
    finally:
        os.killpg(writer.pid, signal.SIGKILL)
        writer.communicate()
    assert path.read_bytes() == WHOLE
    assert (ledger.rows_kept, ledger.rows_written) == (8 - last, last)


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
    assert "it holds 0 whole plans. Make room" in limited(path, asked, len(header()) - 1)
    assert path.read_bytes() == b""
    batch(path, PLANS)
    assert path.read_bytes() == WHOLE


def test_a_disk_without_room_for_the_ordered_file_leaves_the_other(path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    backwards = write_csv(PLANS[::-1]).encode()
    with monkeypatch.context() as patched, pytest.raises(OutputError) as told:
        patched.setattr(ledger_module.os, "fsync", full)
        with Ledger(path) as ledger:
            for number in reversed(range(8)):
                ledger.append(number, PLANS[number])
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
    with pytest.raises(OutputError) as told, Ledger(path) as ledger:
        ledger.append(0, PLANS[0])
        ledger._file.left = 10
        with pytest.raises(OutputError):
            ledger.append(1, PLANS[1])
        assert path.read_bytes() == write_csv(PLANS[:1]).encode()
        ledger._file.left = 10**9
        ledger.append(2, PLANS[2])
        assert path.read_bytes() == write_csv([PLANS[0], PLANS[2]]).encode()
        ledger._file.left = 10
        ledger.append(1, PLANS[1])
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
                Ledger(tmp_path / name, resume=resume)
            assert str(told.value) == (
                f"{tmp_path / name}: cannot write here ({why}). Name another file."
            )
    assert listing(tmp_path) == ["file", "folder", "loop"]


@pytest.mark.parametrize("first", ["a,b\n", header()[:-1] + ",more\n", "\ufeff" + header(), "\n"])
def test_a_file_of_another_version_is_refused_and_left_alone(path, first):
    path.write_text(first + "1,2\n")
    with pytest.raises(OutputError) as told:
        Ledger(path, resume=True)
    assert str(told.value) == (
        f"{path}: its columns are not those of planner {__version__}: another version wrote it, "
        "or it is no CSV of plans. Name another file, or delete it."
    )
    assert path.read_text() == first + "1,2\n"
    assert not marker(path).exists()


def test_what_goes_on_too_long_is_not_cut_away(path, monkeypatch):
    from planner.batches import resuming

    monkeypatch.setattr(resuming, "LONGEST_ROW", 3000)
    damaged = WHOLE[: ends()[2]] + b'"' + b"lost\n" * 1000
    path.write_bytes(damaged)
    with pytest.raises(OutputError, match=rf"{path}: damaged after byte {ends()[2]:,}, where"):
        Ledger(path, resume=True)
    assert path.read_bytes() == damaged


def test_what_is_no_file_gets_rows_as_they_come(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    with Ledger(pipe) as ledger:
        for number in reversed(range(8)):
            ledger.append(number, PLANS[number])
            assert not ledger.kept(PLANS[number].instance_digest)
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
    with pytest.raises(OutputError, match=r"cannot write here \(input"), Ledger(path) as ledger:
        ledger._file.left = 10
        ledger.append(0, PLANS[0])
    assert path.read_bytes() == b"before\n" + WHOLE[: len(header()) + 10]


def test_what_is_no_file_cannot_be_gone_on_from():
    for place in ("/dev/stdout", "/dev/null"):
        with pytest.raises(OutputError) as told:
            Ledger(place, resume=True)
        assert str(told.value) == (
            f"{place}: not a file, so it holds no rows to go on from. "
            "Name a file, or leave out --resume."
        )


def test_a_full_device_is_told():
    with pytest.raises(OutputError) as told:
        Ledger("/dev/full")
    assert str(told.value) == (
        "/dev/full: cannot write here (no space left on device). Name another file."
    )


def test_memory_is_a_few_bytes_a_row(path, monkeypatch):
    """200,000 rows of 60 columns would take 300 MB; their order takes 40 bytes each at most."""
    line = write_csv([plan(1)]).splitlines(keepends=True)[-1]
    monkeypatch.setattr(ledger_module, "csv_lines", lambda rows, columns: line)
    monkeypatch.setattr(Plan, "to_row", lambda self: {})
    answer, number = plan(1), 200_000
    tracemalloc.start()
    try:
        with Ledger(path) as ledger:
            for order in range(number, 0, -1):
                ledger.append(order, answer)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 8 * number < peak < 40 * number + 1_000_000
    assert path.stat().st_size == len(header()) + number * len(line)


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
    held = Marker(path, "plans.csv")
    held.leave()
    Marker(path, "plans.csv").remove()
    assert not marker(path).exists()


def test_other_commands_leave_an_unfinished_batch_alone(path):
    refuse_unfinished(path)
    batch(path, PLANS[:1])
    refuse_unfinished(path)
    interrupt(path, PLANS[:2])
    with pytest.raises(OutputError) as told:
        refuse_unfinished(path)
    assert "holds 2 whole plans of a batch that did not finish" in str(told.value)
    with Ledger(path, resume=True), pytest.raises(OutputError, match="is writing it"):
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
    with Ledger(path, resume=True) as ledger:
        for gap, expected in ((0.0, [1, 0, 1, 1]), (0.04, [1, 0, 1, 1]), (0.05, [1, 1, 1, 1])):
            assert [ledger.kept(each.instance_digest, gap) for each in plans] == expected
