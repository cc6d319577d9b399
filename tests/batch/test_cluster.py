"""Batches on a Dask cluster of real processes: nothing is lost and nothing comes twice."""

import builtins
import os
import socket
import subprocess
import sys

import pytest
from batches import SECONDS, column, ended, finished, lines, many, started, wait_until

from planner.batch.executors import NOBODY, RESUME, dask_cluster
from planner.batch.worker import Settings
from planner.errors import InputError, MissingExtraError

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

HERE = "127.0.0.1"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory, and an environment in which tests meet no configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path))
    return tmp_path


@pytest.fixture
def dask(here):
    """Start parts of a cluster; they end with the test."""
    parts = []

    def start(*words: object) -> subprocess.Popen:
        quiet = subprocess.DEVNULL
        command = [sys.executable, "-m", "dask", *map(str, words), "--no-dashboard"]
        part = subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=here)
        parts.append(part)
        return part

    yield start
    for part in parts:
        part.kill()
    for part in parts:
        part.wait(timeout=SECONDS)
    ended([part.pid for part in parts])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return probe.getsockname()[1]


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) == 0


def scheduler(dask) -> tuple[subprocess.Popen, str]:
    port = free_port()
    process = dask("scheduler", "--host", HERE, "--port", port)
    wait_until(lambda: accepts(port))
    return process, f"tcp://{HERE}:{port}"


def worker(dask, address: str) -> subprocess.Popen:
    return dask("worker", address, "--nthreads", 1, "--no-nanny", "--memory-limit", 0)


def wait_for_workers(address: str, count: int) -> None:
    code = (
        "import sys; from distributed import Client\n"
        "with Client(sys.argv[1], timeout=30) as client:\n"
        "    client.wait_for_workers(int(sys.argv[2]), timeout=30)"
    )
    command = [sys.executable, "-c", code, address, str(count)]
    subprocess.run(command, check=True, timeout=SECONDS, capture_output=True)


# In the first case, warnings are errors; in the second, Dask has something to warn of.
@pytest.mark.parametrize("dies", ["nobody", "a worker"])
def test_every_instance_is_solved_once_whoever_dies(here, dask, dies):
    many(here / "jobs", 60)
    _, address = scheduler(dask)
    workers = [worker(dask, address) for _ in range(2)]
    wait_for_workers(address, 2)
    strict = {"PYTHONWARNINGS": "error"} if dies == "nobody" else {}
    words = ("jobs", "none.json", "--csv", "far.csv", "--cluster", address, "--no-times")
    ran = started(*words, env={**os.environ, **strict})
    wait_until(lambda: lines(here / "far.csv") > 10)
    if dies == "a worker":
        assert lines(here / "far.csv") < 50
        workers[0].kill()
    out, told = ran.communicate(timeout=SECONDS)
    assert (ran.returncode, out) == (2, "")
    assert told.splitlines()[0].startswith("none.json: input_error: none.json: found nothing")
    assert told.splitlines()[1].startswith("60 of 61 solved in")
    assert len(told.splitlines()) == 2
    finished("jobs", "none.json", "--csv", "near.csv", "--no-times")
    assert (here / "far.csv").read_bytes() == (here / "near.csv").read_bytes()
    assert column(here / "far.csv", "instance")[:60] == [f"chat{number}" for number in range(60)]


def test_a_scheduler_that_dies_ends_the_batch_which_can_be_gone_on_from(here, dask):
    many(here / "jobs", 60)
    process, address = scheduler(dask)
    worker(dask, address)
    wait_for_workers(address, 1)
    ran = started("jobs", "--csv", "plans.csv", "--cluster", address, "--no-times")
    wait_until(lambda: lines(here / "plans.csv") > 10)
    process.kill()
    told = ran.communicate(timeout=SECONDS)[1]
    assert ran.returncode == 1
    assert told.startswith(NOBODY)
    assert told.endswith(f"{RESUME}\n")
    kept = lines(here / "plans.csv") - 1
    assert 10 <= kept < 60
    again = finished("jobs", "--csv", "plans.csv", "--resume", "--no-times")
    assert f"{kept} kept from before" in again.stderr
    assert column(here / "plans.csv", "instance") == [f"chat{number}" for number in range(60)]


def test_no_scheduler_and_no_workers_are_one_message_each(here, dask, monkeypatch):
    many(here / "jobs", 1)
    (here / "plans.csv").write_text("of an earlier batch\n")
    _, address = scheduler(dask)
    ran = finished("jobs", "--csv", "plans.csv", "--cluster", address)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"--cluster: found the scheduler {address} without workers, expected a Dask scheduler "
        "with workers, such as tcp://host:8786. "
        f"Start some with `dask worker {address} --nthreads 1`.\n"
    )
    assert (here / "plans.csv").read_text() == "of an earlier batch\n"
    monkeypatch.setattr("planner.batch.executors.ANSWER_SECONDS", 1)
    for address in (f"tcp://{HERE}:{free_port()}", "nonsense"):
        with pytest.raises(InputError) as told, dask_cluster(address, None, Settings()):
            pass
        (problem,) = told.value.problems
        assert problem.field == "--cluster"
        assert problem.found.startswith(f"{address}, where none answers (")


def test_without_the_extra_it_is_named(monkeypatch):
    imported = builtins.__import__

    def without(name, *rest, **more):
        if name == "distributed":
            raise ImportError(name)
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError) as told, dask_cluster("tcp://a:1", None, Settings()):
        pass
    assert str(told.value) == (
        "dask.distributed is not installed. Install it with: "
        "pip install 'inference-planner[cluster]'"
    )
