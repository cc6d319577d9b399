"""Our times and answers beside those of peers that answer the same question, as Markdown.

The peers are not dependencies of this project. Set them up outside it:

    python -m venv aic && aic/bin/pip install aiconfigurator
    python benchmarks/peers.py --aiconfigurator aic/bin/aiconfigurator

AIConfigurator is asked through its command line, `aiconfigurator cli default`, for the most tokens
per second and GPU within limits on the time to the first token and per output token. On one kind
of GPU that is the same as the least dollars per token, which is what we are asked for. Both tools
run as whole processes in turn, after one run that is not counted.

The paper's notebook (arXiv 2506.04645, `inference_economics_notebook`, as .py or .ipynb) is timed
where `--notebook` names a copy of its version of 2025-05-27 or later. Only its definitions are run,
in this interpreter. Without a copy, our times alone are shown. Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import ast
import csv
import json
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
INPUT, OUTPUT = 4000, 500
TTFT_MS, TPOT_MS = 1000, 30
GPUS = 8
MEBIBYTE = 1024 if sys.platform == "linux" else 1024**2
"""In the units of ru_maxrss."""
NOTEBOOK_MODULES = {"numpy", "math", "dataclasses", "typing", "copy"}
NOTEBOOK_CLASSES = {"Model", "GPU"}
NOTEBOOK_NEEDS = {"pareto_fronts", "final_token_latency_seconds", "Llama_3_70B", "H100"}
ACCEPTANCE = 0.8
DOLLARS = 2.0
"""Of one GPU for an hour; it moves no choice, since every question has one kind of GPU."""
DEGREES = {f"{kind}_parallel": f"{kind[0]}p" for kind in ("tensor", "pipeline", "data")}
DEGREES |= {"expert_parallel": "moe_ep", "batch": "concurrency"}
"""Decisions by our names and by AIConfigurator's."""


@dataclass(frozen=True, slots=True)
class ResolvedInstance:
    """A transformer on eight GPUs of one kind, by the names both tools know."""

    transformer: str
    peer_transformer: str
    accelerator: str

    def __str__(self) -> str:
        return f"{self.transformer} on {GPUS} x {self.accelerator}"

    def instance(self) -> dict[str, Any]:
        """Return the instance that asks us."""
        return {
            "name": f"{self.transformer}-{self.accelerator}",
            "workload": {
                "transformer": self.transformer,
                "input_tokens": INPUT,
                "output_tokens": OUTPUT,
                "tokens_per_second_per_request": 1e3 / TPOT_MS,
                "time_to_first_token_seconds": TTFT_MS / 1e3,
            },
            "pools": [
                {"accelerator": self.accelerator, "gpus": GPUS, "dollars_per_gpu_hour": DOLLARS}
            ],
            "search": {"weights": "fp8", "kv": "fp8"},
            "objective": "dollars_per_million_tokens",
            "engine": "tensorrt-llm",
        }

    def arguments(self, *extra: str) -> list[str]:
        """Return the arguments that ask AIConfigurator."""
        system = self.accelerator.replace("-", "_")
        stated = (
            f"--model-path {self.peer_transformer} --system {system} --backend trtllm "
            f"--total-gpus {GPUS} --isl {INPUT} --osl {OUTPUT} --ttft {TTFT_MS} --tpot {TPOT_MS}"
        )
        return ["cli", "default", *stated.split(), "--no-color", *extra]


LLAMA = ("llama-3.1-70b", "nvidia/Llama-3.1-70B-Instruct-FP8")
QUESTIONS = (
    ResolvedInstance(*LLAMA, "h100-sxm"),
    ResolvedInstance(*LLAMA, "h200-sxm"),
    ResolvedInstance("qwen3-32b", "Qwen/Qwen3-32B-FP8", "h200-sxm"),
    ResolvedInstance("deepseek-v3", "deepseek-ai/DeepSeek-V3", "h200-sxm"),
)
STATED = (
    f"Each question: which deployment on {GPUS} GPUs of one kind gives the most tokens per second "
    f"and GPU, for prompts of {INPUT} and answers of {OUTPUT} tokens, with the first token within "
    f"{TTFT_MS} ms and each further one within {TPOT_MS} ms; weights and cache in 8 bits; engine "
    "TensorRT-LLM; no drafts."
)


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took."""

    wall: float
    cpu: float
    mebibytes: float
    output: str


def run(command: list[str]) -> Run:
    """Run a process to its end, or exit with its last words."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}\nfailed with {process.returncode}:\n{text[-2000:]}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / MEBIBYTE, text)


def timed_in_turn(commands: Mapping[str, list[str]], runs: int) -> dict[str, list[Run]]:
    """Run every command once uncounted, then all of them in turn, `runs` times."""
    for command in commands.values():
        run(command)
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(run(command))
    return found


def median(runs: list[Run], field: str) -> float:
    """Return the median of a field."""
    return statistics.median(getattr(one, field) for one in runs)


def searching(runs: list[Run]) -> str:
    """Return the median seconds that AIConfigurator says its search took, empty for others."""
    found = [re.search(r"completed in ([\d.]+) seconds", one.output) for one in runs]
    return f"{statistics.median(float(hit[1]) for hit in found if hit):.2f}" if all(found) else ""


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def first_row(path: Path) -> dict[str, str]:
    """Read the first row of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.DictReader(file))


def ours(resolved: ResolvedInstance, folder: Path) -> list[str]:
    """Return the command that answers the question with this planner."""
    file = folder / f"{resolved.transformer}-{resolved.accelerator}.json"
    file.write_text(json.dumps(resolved.instance()), encoding="utf-8")
    csv_file = str(file.with_suffix(".csv"))
    return [sys.executable, "-m", "planner.cli", "solve", str(file), "--csv", csv_file]


def commands_for(
    resolved: ResolvedInstance, peer: str | None, folder: Path
) -> dict[str, list[str]]:
    """Return every process to time for a question."""
    commands = {"planner": ours(resolved, folder)}
    if peer:
        alone = resolved.arguments("--serving-mode", "agg")
        commands["AIConfigurator, co-located alone"] = [peer, *alone]
        commands["AIConfigurator, as it comes"] = [peer, *resolved.arguments()]
    return commands


def time_row(resolved: ResolvedInstance, name: str, runs: list[Run]) -> list[str]:
    """Return a row of the table of times."""
    wall, cpu, peak = (median(runs, field) for field in ("wall", "cpu", "mebibytes"))
    return [str(resolved), name, f"{wall:.2f}", f"{cpu:.2f}", searching(runs), f"{peak:.0f}"]


def our_answer(row: Mapping[str, str]) -> list[str]:
    """Return the cells of a plan or an estimate of ours."""
    per_gpu = float(row["tokens_per_second"]) / float(row.get("gpus") or row["gpus_per_replica"])
    milliseconds = [
        f"{1e3 * float(row[key]):.1f}" for key in ("tpot_seconds", "time_to_first_token_seconds")
    ]
    return [*(row[key] for key in DEGREES), f"{per_gpu:.0f}", *milliseconds]


def peer_answer(row: Mapping[str, str]) -> list[str]:
    """Return the cells of AIConfigurator's first choice."""
    rounded = [f"{float(row[key]):.1f}" for key in ("tpot", "ttft")]
    per_gpu = float(row["tokens/s/gpu"])
    return [*(row[key] for key in DEGREES.values()), f"{per_gpu:.0f}", *rounded]


def peer_choice(resolved: ResolvedInstance, peer: str, folder: Path) -> dict[str, str]:
    """Ask AIConfigurator once more, uncounted, and read its first co-located choice."""
    saved = folder / "saved" / f"{resolved.transformer}-{resolved.accelerator}"
    extra = ("--serving-mode", "agg", "--save-dir", str(saved))
    run([peer, *resolved.arguments(*extra)])
    files = sorted(saved.rglob("best_config_topn.csv"))
    if not files:
        sys.exit(f"AIConfigurator wrote no best_config_topn.csv for {resolved}: another version?")
    return first_row(files[0])


def estimate(resolved: ResolvedInstance, choice: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Time the peer's choice with our terms."""
    asked, found = folder / "deployment.csv", folder / "estimate.csv"
    row = {"transformer": resolved.transformer, "accelerator": resolved.accelerator}
    row |= {ours: choice[theirs] for ours, theirs in DEGREES.items()}
    row |= {"weight_precision": "fp8", "kv_precision": "fp8"}
    row |= {"input_tokens": str(INPUT), "output_tokens": str(OUTPUT)}
    asked.write_text(f"{','.join(row)}\n{','.join(row.values())}\n", encoding="utf-8")
    run([sys.executable, "-m", "planner.cli", "estimate", str(asked), "--csv", str(found)])
    return {**first_row(asked), **first_row(found)}


def answers(resolved: ResolvedInstance, peer: str | None, folder: Path) -> Iterator[list[str]]:
    """Yield who recommends what, in whose numbers."""
    plan = first_row(folder / f"{resolved.transformer}-{resolved.accelerator}.csv")
    yield [str(resolved), "planner", *our_answer(plan)]
    if peer:
        choice = peer_choice(resolved, peer, folder)
        yield [str(resolved), "AIConfigurator", *peer_answer(choice)]
        again = estimate(resolved, choice, folder)
        yield [str(resolved), "AIConfigurator's choice in our times", *our_answer(again)]


def ask_all(peer: str | None, runs: int) -> None:
    """Print the tables of whole processes."""
    times, found = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for resolved in QUESTIONS:
            print(f"asking: {resolved}", file=sys.stderr)
            timed = timed_in_turn(commands_for(resolved, peer, folder), runs)
            times += [time_row(resolved, who, many) for who, many in timed.items()]
            found += answers(resolved, peer, folder)
    head = ["question", "who", "wall s", "CPU s", "of it search s, as it says", "peak MiB"]
    print(f"\n### Whole processes, median of {runs}\n\n{STATED}\n")
    print(table(head, times))
    degrees = ["tp", "pp", "dp", "ep", "batch"]
    print("### Answers\n")
    print(table(["question", "who", *degrees, "tok/s/GPU", "TPOT ms", "TTFT ms"], found))


def notebook_source(path: Path) -> str:
    """Return the Python of a notebook, or of its export."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in "".join(cell["source"]).splitlines()]
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def defines(node: ast.stmt) -> bool:
    """Whether a statement of the notebook defines something rather than computes it."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return True
        case ast.Import(names=[ast.alias(name=name)]) | ast.ImportFrom(module=name):
            return name in NOTEBOOK_MODULES
        case ast.Assign(value=ast.Call(func=ast.Name(id=name))):
            return name in NOTEBOOK_CLASSES
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name()):
            return name.endswith("_default")
    return False


def notebook(path: Path) -> dict[str, Any]:
    """Run the definitions of the paper's notebook, and nothing else of it."""
    tree = ast.parse(notebook_source(path), filename=str(path))
    tree.body = [node for node in tree.body if defines(node)]
    names: dict[str, Any] = {"__name__": "notebook"}
    sys.modules["notebook"] = type(sys)("notebook")
    exec(compile(tree, str(path), "exec"), names)
    if missing := NOTEBOOK_NEEDS - set(names):
        sys.exit(f"{path} does not define {', '.join(sorted(missing))}: not the paper's notebook?")
    return names


def cpu_seconds(work: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """Return the median CPU seconds of some work, and what it returns."""
    taken, result = [], None
    for _ in range(runs):
        start = time.process_time()
        result = work()
        taken.append(time.process_time() - start)
    return statistics.median(taken), result


def our_grids() -> tuple[Callable[[], Any], Callable[[], Any], tuple[Any, Any]]:
    """Return our work on the paper's grid and on a curve with a draft, and the grid."""
    sys.path.insert(0, str(ROOT / "examples"))
    from paper import layout_search

    from planner import catalogue
    from planner.terms.calibration import rates
    from planner.terms.forward_pass import Precision

    profile = catalogue.profile("paper")
    gpu = rates(catalogue.accelerator("h100-sxm"), profile)
    target, draft = (
        layout_search.Model(catalogue.transformer(name), Precision(), gpu, profile.switches)
        for name in ("llama-3-70b", "llama-3-8b")
    )
    axes = layout_search.grid(target)
    plain = partial(layout_search.step_seconds, target, layout_search.Space(groups=False), *axes)

    def curve() -> float:
        drafted = layout_search.Draft(draft, ACCEPTANCE)
        every = layout_search.frontier_grid(target, layout_search.Space(), DOLLARS, draft=drafted)
        return float(layout_search.frontier(every).speed.max())

    return plain, curve, axes


def their_grids(names: Mapping[str, Any], axes: tuple[Any, Any]) -> tuple[Callable[[], Any], ...]:
    """Return the notebook's work on the same grid and the same curve."""
    import numpy as np

    gpus, batch = (np.array(array) for array in np.broadcast_arrays(*axes))
    latency = names["final_token_latency_seconds"]
    plain = partial(latency, gpus, names["Llama_3_70B"], names["H100"], batch)

    def curve() -> float:
        drafted = {"spec_dec": True, "approx_model": names["Llama_3_8B"]}
        setting = names["TokenEconSettings"](
            "", names["H100"], names["Llama_3_70B"], acceptance_prob=ACCEPTANCE, **drafted
        )
        fronts = names["pareto_fronts"]([setting], names["new_token_latency_seconds"])
        return float(np.max(fronts[0][0]))

    return plain, curve


def grid_rows(name: str, plain: Callable[[], Any], curve: Callable[[], Any], runs: int) -> Any:
    """Return a row of the table of grids, and the seconds of every point."""
    seconds, found = cpu_seconds(plain, runs)
    drafted, speed = cpu_seconds(curve, 1)
    rate = f"{found.size / seconds:.2g}"
    return [name, f"{seconds:.3f}", rate, f"{drafted:.2f}", f"{speed:.1f}"], found


def grids(path: Path | None, runs: int) -> None:
    """Print the table of the paper's grid."""
    import numpy as np

    plain, curve, axes = our_grids()
    note = ""
    with np.errstate(all="ignore"):
        row, mine = grid_rows("planner, profile `paper`", plain, curve, runs)
        rows = [row]
        if path:
            print("asking: the notebook", file=sys.stderr)
            work = their_grids(notebook(path), axes)
            row, theirs = grid_rows("the paper's notebook", *work, runs)
            rows.append(row)
            both = np.isfinite(mine) & np.isfinite(theirs)
            apart = np.max(np.abs(mine[both] / theirs[both] - 1.0))
            same = np.count_nonzero(np.isfinite(mine) == np.isfinite(theirs))
            note = f"Largest relative difference of a point: {apart:.1g}; {same:,} of "
            note += f"{math.prod(mine.shape):,} points agree on whether they are feasible.\n"
    points = math.prod(mine.shape)
    head = ["who", f"{points:,} points, CPU s", "points per CPU s"]
    print("### The paper's grid: Llama 3 70B on H100, one process, CPU seconds\n")
    print(table([*head, "one curve with a draft, CPU s", "its highest tok/s"], rows))
    print(note)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Time this planner beside its peers and print Markdown tables.",
        epilog="Example: python benchmarks/peers.py --aiconfigurator aic/bin/aiconfigurator",
    )
    parser.add_argument("--aiconfigurator", metavar="PATH", help="its executable")
    parser.add_argument("--notebook", type=Path, metavar="PATH", help="the paper's, .py or .ipynb")
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each (default 3)")
    asked = parser.parse_args()
    if asked.runs < 1:
        parser.error(f"--runs: expected at least 1, found {asked.runs}")
    if asked.aiconfigurator and not shutil.which(asked.aiconfigurator):
        parser.error(f"--aiconfigurator: {asked.aiconfigurator} is no executable file")
    if asked.notebook and not asked.notebook.is_file():
        parser.error(f"--notebook: {asked.notebook} is no file")
    return asked


def main() -> None:
    """Time every peer that is there."""
    asked = options()
    peer = shutil.which(asked.aiconfigurator or "aiconfigurator")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}.")
    if peer:
        peer = str(Path(peer).absolute())
        said = re.search(r"version: (\S+)", run([peer, *QUESTIONS[0].arguments()]).output)
        print(f"AIConfigurator {said[1] if said else 'of unknown version'}.")
    else:
        print("AIConfigurator is not timed: not installed; see the top of this script.")
    if not asked.notebook:
        print("The paper's notebook is not timed: --notebook names no copy of it.")
    ask_all(peer, asked.runs)
    grids(asked.notebook, asked.runs)


if __name__ == "__main__":
    main()
