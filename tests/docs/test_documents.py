"""The documents against the code: equations, links, fields of the instance, columns, words."""

import ast
import re
import runpy
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from pydantic import BaseModel

from planner.catalogue import loader
from planner.errors import InputError
from planner.io.instance_file import read_instance
from planner.io.long_form import AT_THE_TOP, FOR_ALL
from planner.plans.plan import COLUMNS
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FORMULATION = "planner/formulations/deployment.py"
PAGES = sorted(DOCS.glob("*.md")) + [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
]

# Words that no reader should have to guess.
CORE_WORDS = (
    "acceptance",
    "accelerator",
    "batch",
    "bound",
    "candidate",
    "ceiling",
    "deployment",
    "dispatch",
    "dominance",
    "draft",
    "engine",
    "etp",
    "expert parallelism",
    "family",
    "gamma",
    "gap",
    "imbalance",
    "implementation",
    "instance",
    "micro-batch",
    "MLA",
    "node",
    "objective",
    "outcome",
    "plan",
    "pool",
    "prefill",
    "profile",
    "quality",
    "rates",
    "relaxation",
    "replica",
    "requirement",
    "round",
    "stall",
    "step",
    "screening",
    "switch",
    "term",
    "TPOT",
    "transformer",
    "TTFT",
    "workload",
)


def table_homes(text):
    """Tag to `file: names` of every row of the tables of equations; a tag may not come twice."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in text.splitlines()
        if re.match(r"\| [TD]\d+ \|", line)
    ]
    assert [row[0] for row in rows if len(row) != 5] == []
    counts = Counter(row[0] for row in rows)
    assert [tag for tag, count in counts.items() if count > 1] == []
    homes = {}
    for tag, _, _, home, _ in rows:
        file, names = home.strip("`").split(": ")
        homes[tag] = {(file, name) for name in names.split(", ")}
    return homes


def tags_of_terms():
    """Every tag in a docstring of terms, and of the paper's own, as (tag, file, function)."""
    rooms = ROOT / "planner" / "terms", ROOT / "examples" / "paper"
    for path in sorted(path for room in rooms for path in room.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                name = getattr(node, "name", "")
                for tag in re.findall(r"\((T\d+)\)", ast.get_docstring(node) or ""):
                    yield tag, path.relative_to(ROOT).as_posix(), name


def doc_of(call):
    """Text of the `doc=` of a call, up to what is filled in when it runs; empty without one."""
    for keyword in call.keywords:
        if keyword.arg == "doc":
            value = keyword.value
            value = value.values[0] if isinstance(value, ast.JoinedStr) else value
            return value.value if isinstance(value, ast.Constant) else ""
    return ""


def tags_of_components():
    """Every tag in a `doc=` of the formulation, as (tag, file, component)."""
    tree = ast.parse((ROOT / FORMULATION).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        named = []
        if isinstance(node, ast.FunctionDef):
            named = [(node.name, call) for call in node.decorator_list]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            named = [(node.targets[0].attr, node.value)]
        for name, call in named:
            if isinstance(call, ast.Call):
                for tag in re.findall(r"\((D\d+)\)", doc_of(call)):
                    yield tag, FORMULATION, name


def homes_in_code(found):
    homes = {}
    for tag, file, name in found:
        homes.setdefault(tag, set()).add((file, name))
    return homes


@pytest.fixture(scope="module")
def homes():
    return table_homes((DOCS / "equations.md").read_text(encoding="utf-8"))


def test_every_term_has_one_home_and_one_row(homes):
    tags = list(tags_of_terms())
    doubled = [tag for tag, count in Counter(tag for tag, _, _ in tags).items() if count > 1]
    assert doubled == []
    assert homes_in_code(tags) == {t: home for t, home in homes.items() if t[0] == "T"}


def test_every_rule_of_the_choice_has_its_components_and_one_row(homes):
    found = homes_in_code(tags_of_components())
    assert found == {t: home for t, home in homes.items() if t[0] == "D"}


def test_every_constraint_and_objective_has_a_tag():
    source = (ROOT / FORMULATION).read_text(encoding="utf-8")
    made = len(re.findall(r"@m\.Constraint\(|pyo\.Objective\(\n?|@m\.Expression\(", source))
    assert made == len(list(tags_of_components()))


@pytest.mark.parametrize("letter", ["T", "D"])
def test_tags_are_numbered_without_gaps(homes, letter):
    numbers = [int(tag[1:]) for tag in homes if tag[0] == letter]
    assert numbers == list(range(1, len(numbers) + 1))


def test_table_with_a_doubled_tag_is_refused():
    row = "| T1 | `x` | s | `planner/a.py: f` | us |\n"
    assert table_homes(row) == {"T1": {("planner/a.py", "f")}}
    with pytest.raises(AssertionError):
        table_homes(row * 2)


def anchors(text):
    """Anchors of the headings of a page, as GitHub forms them."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def broken_links(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        page = path.parent / file if file else path
        if not page.exists() or (anchor and anchor not in anchors(page.read_text("utf-8"))):
            yield target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_resolve(path):
    assert list(broken_links(path)) == []


def test_broken_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Some `title`\n[a](page.md#some-title) [b](no.md) [c](#no) [d](https://x.y)", "utf-8"
    )
    assert list(broken_links(page)) == ["no.md", "#no"]


def fields_of(model, prefix=""):
    """Dotted names of all fields, as they are written in a file."""
    for name, field in model.model_fields.items():
        written = f"{prefix}{field.alias or name}"
        yield written
        for part in parts_of(field.annotation):
            yield from fields_of(part, f"{written}.")


def parts_of(annotation):
    """Models that an annotation holds, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for inner in getattr(annotation, "__args__", ()) for part in parts_of(inner)]


def documented(path):
    """First cells of the tables of a page, without back-ticks, in order."""
    cells = re.findall(r"^\| `([^`]+)`( ↓)? \|", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for name, _ in cells]


def file_fields():
    """Every field that a file may have, as the page writes it: with `workload.` before it."""
    one = {
        f"workload.{name}" if name.partition(".")[0] in AT_THE_TOP else name
        for name in fields_of(Instance)
    }
    many = {re.sub(r"^workloads\b", "workload", name) for name in fields_of(Fleet)}
    files = {"catalogue", "demand", "pools.owned"}
    return one | {name for name in many if name != "deployments"} | files


def test_instance_page_documents_every_field_once():
    fields = file_fields()
    assert {"workload.input_tokens", "pools.gpus", "workload.search.batch.from"} <= fields
    assert sorted(documented(DOCS / "instance.md")) == sorted(fields)


def test_fields_for_all_workloads_are_marked_on_the_page():
    page = (DOCS / "instance.md").read_text(encoding="utf-8")
    marked = re.findall(r"^\| `workload\.([^`]+)` ↓ \|", page, re.MULTILINE)
    assert sorted(marked) == sorted(FOR_ALL)


def yaml_blocks(path):
    return re.findall(r"^```yaml\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_instances_on_the_page_can_be_asked(tmp_path):
    blocks = yaml_blocks(DOCS / "instance.md")
    assert len(blocks) == 5
    for number, block in enumerate(blocks):
        path = tmp_path / f"block-{number}.yaml"
        path.write_text(block, encoding="utf-8")
        if "workloads.csv" in block:
            with pytest.raises(InputError, match=r"workloads\.csv, where no file is"):
                read_instance(path)
        else:
            assert read_instance(path).name in {path.stem, *re.findall(r"name: (\S+)", block)}


def test_examples_of_catalogue_files_are_the_files():
    files = (loader.ACCELERATORS / "l40s.yaml", loader.TRANSFORMERS / "gemma-2-9b.yaml")
    assert yaml_blocks(DOCS / "adding.md") == [path.read_text("utf-8") for path in files]


def test_plan_page_documents_every_column_in_order():
    where_they_apply = ["served", "extra_replicas", "served_when_risen"]
    assert documented(DOCS / "plan.md") == [*COLUMNS, *where_they_apply]


def glossary():
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    return re.findall(r"^\*\*(.+?)\*\*", text, flags=re.MULTILINE)


def test_glossary_defines_core_words():
    assert set(CORE_WORDS) - set(glossary()) == set()


def test_glossary_is_alphabetical_and_defines_each_word_once():
    words = [word.lower() for word in glossary()]
    assert words == sorted(set(words))


FITTED = (
    "achieved arithmetic",
    "achieved bandwidth",
    "usable memory",
    "overhead",
    "collectives",
    "combine",
    "everything",
)
"""Rows of the tables of switches that change when constants are fitted again."""


def rows_of_switches(text):
    rows = [line for line in text.splitlines() if re.match(r"\|.*\| tp \d", line)]
    return [row for row in rows if row.split(" | ")[0].removeprefix("| ") not in FITTED]


@pytest.mark.slow
def test_figures_of_the_switches_come_from_the_example(capsys):
    runpy.run_path(str(ROOT / "examples" / "switches.py"), run_name="__main__")
    printed = rows_of_switches(capsys.readouterr().out)
    assert len(printed) == 54
    assert rows_of_switches((DOCS / "paper.md").read_text(encoding="utf-8")) == printed


def test_ten_questions_of_a_newcomer_are_answered_by_three_files_at_most():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("## Ten questions of a newcomer")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "?" in line]
    assert len(rows) >= 10
    for row in rows:
        files = re.findall(r"`([^`]+)`", row.split("|")[2])
        assert 1 <= len(files) <= 3, row
        for file in files:
            assert (ROOT / file).is_file(), file


def test_the_stair_of_the_page_is_the_one_that_is_checked():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    page = re.findall(
        r"^    ([a-z_]+(?: \| [a-z_]+)*)$", text.split("## The tree")[1], re.MULTILINE
    )
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (layers,) = [one["layers"] for one in contracts if one["type"] == "layers"]
    assert page == [layer.replace("planner.", "") for layer in layers]
    assert len(layers) <= 14


def test_every_path_that_a_page_names_is_there():
    for page in PAGES:
        for path in re.findall(
            r"`((?:planner|solvers|tests|benchmarks|examples)/[a-z0-9_./-]+)`",
            page.read_text("utf-8"),
        ):
            assert (ROOT / path.rstrip("/")).exists(), f"{page.name}: {path}"


def test_every_import_that_a_page_shows_works():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
            for node in ast.parse(block).body:
                if isinstance(node, ast.Import | ast.ImportFrom):
                    exec(ast.unparse(node), {})


def test_small_numbers_stand_in_the_table_of_tolerances():
    """Constants that say what counts as equal are named there, and nowhere a second time."""
    found = []
    for path in sorted((ROOT / "planner").rglob("*.py")):
        if path.name != "tolerances.py":
            names = re.findall(
                r"^(?:TOLERANCE|TIE|SLACK|EXACT|PROVED|NEGLIGIBLE|ROUNDING|SAME|EQUAL) = [0-9].*",
                path.read_text(encoding="utf-8"),
                flags=re.MULTILINE,
            )
            found += [f"{path.relative_to(ROOT)}: {name}" for name in names]
    assert found == ["planner/formulations/column_generation/covering_search.py: TIE = 1e-12"]
