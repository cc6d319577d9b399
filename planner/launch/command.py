"""Commands: words for the shell, and files that they read, as text that can be pasted."""

from __future__ import annotations

from dataclasses import dataclass, field

WIDTH = 80
"""Columns of a terminal."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    program: tuple[str, ...]
    """Words as they stand: the program and what it serves."""
    options: tuple[tuple[str, ...], ...]
    """Flags, each with its value where it has one, quoted."""
    options_file: str = ""
    """Name of a file that the command reads; empty where it reads none."""
    options_text: str = ""
    """Text of that file."""
    notes: tuple[str, ...] = field(default=())
    """What the reader is to know."""

    def text(self, width: int = WIDTH) -> str:
        """Return the command for a shell, broken between options so that it fits."""
        lines = [f"# {note}" for note in self.notes]
        if self.options_file:
            lines += [f"cat > {self.options_file} <<'YAML'", self.options_text.rstrip("\n"), "YAML"]
        lines += _broken([self.program, *self.options], width)
        return "\n".join(lines)


def _broken(parts: list[tuple[str, ...]], width: int) -> list[str]:
    """Return the words of a command, with a backslash wherever a line ends too early."""
    lines, line = [], ""
    for part in parts:
        words = " ".join(part)
        if line and len(line) + len(words) + 3 > width:
            lines.append(f"{line} \\")
            line = f"  {words}"
        else:
            line = f"{line} {words}" if line else words
    return [*lines, line]
