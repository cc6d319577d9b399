"""Lines of code by room: those that are neither docstring, comment nor blank.

python benchmarks/code_lines.py            # of this checkout
python benchmarks/code_lines.py FOLDER     # of another one
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
LARGEST = 0.15
"""Part of all lines that a room may have."""


def code_lines(source: str) -> int:
    """Count the lines of a module that hold code."""
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT and token.string:
            held.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            held -= set(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    return len(held)


def by_room(root: Path) -> Counter[str]:
    """Count the lines of every room of the planner, and of the solvers."""
    rooms: Counter[str] = Counter()
    for path in sorted((*root.glob("planner/**/*.py"), *root.glob("solvers/**/*.py"))):
        parts = path.relative_to(root).parts[:-1]
        rooms["/".join(parts)] += code_lines(path.read_text(encoding="utf-8"))
    return rooms


def main() -> None:
    """Print a table."""
    rooms = by_room(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    total = sum(rooms.values())
    for room, lines in rooms.most_common():
        mark = "  too large" if lines > LARGEST * total else ""
        print(f"{lines:7,}  {lines / total:6.1%}  {room}{mark}")
    print(f"{total:7,}  in all")


if __name__ == "__main__":
    main()
