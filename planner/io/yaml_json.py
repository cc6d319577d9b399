"""YAML and JSON text into a document, or one sentence on why it is neither.

Of YAML only what says its value in place is read: no anchors, no tags, no second document. That
keeps files readable, and harmless whatever they hold. Plain JSON has a fast way, which knows no
lines; they are looked for only where a message needs them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NoReturn

from planner.errors import InputError, Problem
from planner.io.document import Document, document, shortened

DEEPEST = 20
MOST_VALUES = 100_000
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Source:
    """Text that holds one mapping; it is parsed only as thoroughly as it must be."""

    text: str
    file: str
    line: int = 1
    """Line of `file` on which the text starts."""

    @cached_property
    def value(self) -> dict[str, Any]:
        """The mapping, as plain dicts, lists, numbers and text.

        Raises
        ------
        InputError
            As `parse` does.
        """
        found = quick(self.text, self.file)
        return self.document.value if found is None else found

    @cached_property
    def document(self) -> Document:
        """The mapping with the places of everything in it.

        Raises
        ------
        InputError
            As `parse` does.
        """
        return parse(self.text, self.file, self.line)


def parse(text: str, file: str, first: int = 1) -> Document:
    """Return the mapping that `text` holds.

    Parameters
    ----------
    text : str
        YAML 1.2, or JSON where `file` ends in `.json`, `.jsonl` or `.ndjson`.
    file : str
        Name of the file, for messages.
    first : int
        Line of the file on which the text starts.

    Raises
    ------
    InputError
        Where the text is malformed, names a key twice, or is no mapping.
    """
    from ruamel.yaml import YAML

    # Tabs are white space in JSON and forbidden in YAML; inside JSON's quotes there are none.
    is_json = _named_json(file)
    content = text.replace("\t", " ") if is_json else text
    if failure := _failure(content, text if is_json else None):
        raise InputError(failure.at(file, failure.line + first - 1))
    root = YAML(typ="safe", pure=True).compose(content)
    if root is None or root.id != "mapping":
        problem = _no_mapping(root, text)
        raise InputError(problem.at(file, problem.line + first - 1))
    return document(root, file, first)


def _named_json(file: str) -> bool:
    return file.lower().endswith(JSON_SUFFIXES)


def quick(text: str, file: str) -> dict[str, Any] | None:
    """Return what `parse` finds in plain JSON, many times faster; None where that is not certain.

    Parameters
    ----------
    text : str
        Any text.
    file : str
        Name of the file: tabs are white space only where it is one of JSON.
    """
    unusual = _UNUSUAL.search(text) or ("\t" in text and not _named_json(file))
    if unusual or not text.translate(_WITHOUT_SPACE).isprintable():
        return None
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _ordinary(value, text) else None


_UNUSUAL = re.compile(r"[\r\n]\s*:|\\u[dD][89a-fA-F]")
"""A key whose colon is on the next line, which YAML refuses, and halves of characters."""
_WITHOUT_SPACE = dict.fromkeys(map(ord, "\t\n\r"))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs) or "" in found:
        raise ValueError("a key comes twice or is empty")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _ordinary(value: Any, text: str) -> bool:
    """Tell whether `value` is within the limits on depth and number of values."""
    signs = sum(text.count(sign) for sign in ",:")
    opened = sum(text.count(sign) for sign in "{[")
    # A key has a colon, an entry a comma or a bracket; brackets are two events themselves.
    return signs + 3 * opened + 4 < MOST_VALUES and (opened <= DEEPEST or _depth(value) <= DEEPEST)


def _depth(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    children = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, children), default=0)


def _failure(content: str, as_json: str | None) -> Problem | None:
    """Say what keeps `content` from being built; what is wrong in JSON in terms of JSON."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        if problem := next(_beyond(YAML(typ="safe", pure=True).parse(content)), None):
            return problem
    except YAMLError as error:
        return (as_json and _json_problem(as_json)) or _malformed(error, content)
    return _json_problem(as_json) if as_json else None


def _no_mapping(root: Any, text: str) -> Problem:
    nothing = "nothing but comments" if text.strip() else "an empty file"
    kinds = {"sequence": "a list", "scalar": "one text without keys"}
    return Problem(
        line=root.start_mark.line + 1 if root else 1,
        found=kinds[root.id] if root else nothing,
        expected="a mapping of fields, `key: value`",
        fix="Start with `workload:` and `pools:`.",
    )


def _json_problem(text: str) -> Problem | None:
    """Say why `text` is no JSON, of which YAML accepts more: trailing commas for example."""
    try:
        json.loads(text)
    except RecursionError:
        return _TOO_DEEP
    except json.JSONDecodeError as error:
        return _json_failure(error, text) if text.strip() else _no_mapping(None, text)
    except ValueError:
        # A number too long for Python; `document` says which.
        return None
    return None


def _json_failure(error: json.JSONDecodeError, text: str) -> Problem:
    """Translate what Python says of malformed JSON; its versions differ on trailing commas."""
    before, after = text[: error.pos].rstrip(), text[error.pos :].lstrip(", \t\r\n")
    if after[:1] in ("}", "]") and (before.endswith(",") or text[error.pos] == ","):
        line = before.rstrip(",").rstrip().count("\n") + 1
        expected = f"{after[0]} right after the last entry"
        return Problem(expected, "a trailing comma", fix="Remove the comma.", line=line)
    rest = text[error.pos :].split("\n", 1)[0].strip()
    end = "the end of the line" if "\n" in text[error.pos :] else "the end of the file"
    fix = "Look at this line and the one above it."
    if rest.startswith(("//", "/*", "#")):
        fix = "Remove it, since JSON has no comments."
    known = (words for start, words in _EXPECTATIONS.items() if error.msg.startswith(start))
    found = f"{shortened(rest)} in column {error.colno}" if rest else end
    return Problem(next(known, "JSON"), found, fix=fix, line=error.lineno)


_EXPECTATIONS = {
    "Expecting value": "a value, with text in double quotes",
    "Expecting ',' delimiter": "a comma or a closing bracket",
    "Expecting ':' delimiter": "a colon after the key",
    "Expecting property name": "a key in double quotes",
    "Unterminated string": "a closing double quote",
    "Invalid control character": "a closing double quote",
    "Invalid \\": "one of JSON's escapes, such as two backslashes for one",
    "Extra data": "the end of the file",
}
"""What JSON requires, by how Python's complaint starts."""

_TOO_DEEP = Problem(
    found=f"values nested more than {DEEPEST} deep",
    expected="an instance, which is four deep at most",
    fix="Close brackets where they end.",
)


def _beyond(events: Iterator[Any]) -> Iterator[Problem]:
    """Yield where YAML is used that instances do not need, before anything is built from it."""
    depth = documents = 0
    for count, event in enumerate(events):
        kind, line = type(event).__name__, event.start_mark.line + 1
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        documents += kind == "DocumentStartEvent"
        if documents > 1:
            yield replace(_SECOND, line=line)
        # The stream and its document are levels too.
        if depth > DEEPEST + 2:
            yield replace(_TOO_DEEP, line=line)
        if count > MOST_VALUES:
            yield replace(_TOO_MANY, line=line)
        yield from _decorations(event, kind, line)


def _decorations(event: Any, kind: str, line: int) -> Iterator[Problem]:
    """Yield directives, anchors, aliases and tags: what stands beside values or for them."""
    if kind == "DocumentStartEvent":
        # The event stands where the directives end.
        if event.version or event.tags:
            yield replace(_DIRECTIVE, line=max(1, line - 1))
    elif kind == "AliasEvent":
        yield replace(_ANCHOR, found=f"*{shortened(event.anchor)}", line=line)
    elif getattr(event, "anchor", None):
        yield replace(_ANCHOR, found=f"&{shortened(event.anchor)}", line=line)
    elif getattr(event, "tag", None):
        name = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        yield replace(_TAG, found=f"the tag {shortened(name)}", line=line)


_SECOND = Problem(
    found="a second document after `---`",
    expected="one instance in a file",
    fix="Split the file; `planner batch` solves all files of a directory.",
)
_TOO_MANY = Problem(
    found=f"more than {MOST_VALUES:,} values",
    expected="an instance",
    fix="Give long lists as a range: `batch: {from: 1, to: 1024}`.",
)
_DIRECTIVE = Problem(
    found="a directive that starts with %", expected="YAML 1.2 without directives", fix="Remove it."
)
_ANCHOR = Problem(
    expected="values written out, since instances know no anchors and aliases",
    fix="Write the value itself, in quotes if it is text that starts with & or *.",
)
_TAG = Problem(
    expected="values without a tag", fix="Remove it; put the value in quotes if it is text."
)


def _malformed(error: Any, text: str) -> Problem:
    """Translate what the parser says into what to look for."""
    position = getattr(error, "position", None)
    if position is not None:
        return Problem(
            line=text.count("\n", 0, position) + 1,
            found=f"the control character 0x{error.character:02x}",
            expected="text",
            fix="Remove the character.",
        )
    mark, opening = error.problem_mark, error.context_mark
    said = f"{error.context or ''} {error.problem or ''}"
    unknown = (f"text that is no YAML ({error.problem})", "`key: value`", "")
    known = (words for pattern, words in _TRANSLATIONS.items() if pattern in said)
    found, expected, fix = next(known, unknown)
    # What is never closed is noticed far below the line where it opens and can be mended.
    opens = any(pattern in said for pattern in ("simple key", "flow", "quoted scalar found unexp"))
    place = opening if opening and opens else mark
    return Problem(
        line=min(place.line, text.rstrip("\n").count("\n")) + 1,
        found=found.replace("{character}", text[mark.index : mark.index + 1]),
        expected=expected,
        fix=fix or "Look at this line and the one above it.",
    )


_TRANSLATIONS = {
    "character '\\t' that cannot start": ("a tab", "spaces", "Indent with spaces."),
    "that cannot start any token": (
        "text that starts with {character}",
        "a value",
        "Put the text in quotes.",
    ),
    "mapping values are not allowed here": (
        "a colon where no key can stand",
        "one `key: value` a line, indented like its neighbours",
        "Check the indentation, and put text that holds a colon in quotes.",
    ),
    "sequence entries are not allowed here": (
        "a dash after a key",
        "each entry of a list on a line of its own",
        "Put `- ` on the next line, indented.",
    ),
    "could not find expected ':'": (
        "a line without a colon and a space",
        "`key: value`",
        "Put a colon and a space after the key.",
    ),
    "expected ',' or ']'": (
        "a list that lacks a comma or its ]",
        "one such as [1, 2]",
        "Add what is missing.",
    ),
    "expected ',' or '}'": (
        "a mapping that lacks a comma or its }",
        "one such as {from: 1, to: 64}",
        "Add what is missing.",
    ),
    "quoted scalar found unexpected end": (
        "a quote that is never closed",
        "the same quote at the end of the text",
        "Close it.",
    ),
    "undefined tag handle": ("text that starts with !", "a value", "Put the text in quotes."),
    "unknown escape character": (
        "a backslash before {character}, which is no escape",
        "text",
        "Use single quotes, in which a backslash is just that.",
    ),
    "expected <block end>, but found '<block mapping start>'": (
        "an indentation that no line above has",
        "keys of one mapping below one another",
        "Indent the line like its neighbours.",
    ),
    "expected <block end>, but found '<scalar>'": (
        "text after a closing quote",
        "the end of the value",
        "Double a single quote that belongs to the text.",
    ),
    "expected the node content": ("{character} where a value should be", "a value", ""),
}
"""What was found, expected and to be done, by what ruamel.yaml says."""
