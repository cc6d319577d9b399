"""What tests of batches share: small instances, and watching the processes of a command."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from planner import cli

CHAT = {
    "name": "chat",
    "workload": {
        "transformer": "llama-3.1-8b",
        "tokens_per_second_per_request": 40,
        "tokens_per_second": 9000,
    },
    "pools": [{"accelerator": "h100-sxm", "gpus": 16}],
    "search": {"batch": [1, 8, 32], "tensor_parallel": [1, 2], "pipeline_parallel": [1]},
}
HOPELESS = {
    **CHAT,
    "name": "hopeless",
    "workload": {"transformer": "llama-3.1-8b", "tokens_per_second_per_request": 1e6},
}
WRONG = {**CHAT, "name": "wrong", "pools": [{"accelerator": "h100sxm5000"}]}
ENDLESS = {
    "name": "endless",
    "workload": {
        "transformer": "deepseek-v3",
        "tokens_per_second_per_request": 20,
        "drafts": [{"transformer": "mtp", "acceptance": 0.7}],
    },
    "pools": [{"accelerator": "h100-sxm"}, {"accelerator": "h200-sxm"}],
    "search": {
        "batch": {"from": 1, "to": 65536},
        "weights": ["bf16", "fp8", "int8", "int4", "fp4"],
        "kv": ["bf16", "fp8"],
    },
}
"""Takes minutes, and gigabytes."""
PLANNER = (sys.executable, "-m", "planner.cli")
SECONDS = 60.0
"""After which a test gives up."""


def chat(number: int) -> dict:
    """One of many questions that differ in what is asked of the deployments."""
    workload = {**CHAT["workload"], "tokens_per_second_per_request": 20 + number / 10}
    return {**CHAT, "name": f"chat{number}", "workload": workload}


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def many(folder: Path, count: int) -> Path:
    for number in range(count):
        write(folder / f"{number:03}.json", chat(number))
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def column(path: Path, name: str) -> list[str]:
    return [row[name] for row in rows(path)]


def started(*words: object, **options: object) -> subprocess.Popen:
    pipe = subprocess.PIPE
    command = [*PLANNER, "batch", *map(str, words)]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options)


def finished(*words: object) -> subprocess.CompletedProcess:
    """Run a batch from this process, which is quicker: its fork server stays."""
    out, told = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["planner", "batch", *map(str, words)]),
        redirect_stdout(out),
        redirect_stderr(told),
        no_longer_than(SECONDS),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = stopped.code or 0
    return subprocess.CompletedProcess(words, code, out.getvalue(), told.getvalue())


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def wait_until(true: Callable[[], object], seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    return [each for child in children(pid) for each in (child, *descendants(child))]


def workers_of(pid: int) -> list[int]:
    """The processes that a planner's fork server started."""
    return [worker for child in children(pid) for worker in children(child)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ended(pids: list[int], seconds: float = 10) -> None:
    """Fail, and end them, where processes outlive the one that started them."""
    try:
        wait_until(lambda: not any(map(alive, pids)), seconds)
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, 9)
