"""The README's commands and code, run as they stand there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def block(language: str, containing: str) -> str:
    return next(text for kind, text in BLOCKS if kind == language and containing in text)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what the commands of the README read."""
    for folder in ("instances",):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_command_prints_what_the_readme_shows(clone: Path) -> None:
    command = block("bash", "planner solve").split("planner solve ")[1].split()
    printed = run(["-m", "planner.cli", "solve", *command], clone)
    for line in block("text", "proved optimal").splitlines():
        assert line in printed
    assert (clone / "plan.csv").read_text(encoding="utf-8").count("\n") == 2


def test_the_second_command_runs_the_tests() -> None:
    assert ".venv/bin/python -m pytest" in block("bash", "pytest -q")
    assert '".[test]"' in block("bash", "pytest -q")


def test_the_smallest_instance_is_solved(clone: Path) -> None:
    (clone / "mine.yaml").write_text(block("yaml", "my-service"), encoding="utf-8")
    assert "proved optimal" in run(["-m", "planner.cli", "solve", "mine.yaml"], clone)


def test_the_fleet_is_planned_and_drawn(clone: Path) -> None:
    command = block("bash", "planner solve instances/day").split("planner ")[1].split()
    assert "proved" in run(["-m", "planner.cli", *command], clone)
    written = {path.name for path in (clone / "plan").iterdir()}
    assert written == {"plan.csv", "purchases.csv", "service.csv", "summary.json"}
    assert all((clone / name).read_text(encoding="utf-8") for name in ("use.svg", "areas.svg"))
    assert "4.68" in run(
        ["-c", block("python", "instances/melange").replace("folder", "'out'")], clone
    )


def test_the_code_runs(clone: Path) -> None:
    assert "h100-sxm" in run(["-c", block("python", "planner.session")], clone)


def test_the_script_of_many_instances_runs(clone: Path) -> None:
    (clone / "many.py").write_text(block("python", "planner.solve_many"), encoding="utf-8")
    assert run(["many.py"], clone).count("optimal") == 3


def test_the_commands_of_the_table_exist() -> None:
    from typer.testing import CliRunner

    from planner.cli import app

    commands = set(re.findall(r"\| `planner ([a-z][\w-]+)", README))
    assert len(commands) == 12
    for command in commands:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
