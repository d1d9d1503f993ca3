"""Docstrings are plain text with ``code``: what else reStructuredText would take for marks is kept as it stands."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"(``.+?``)")
# "name : type" of a numpy section: the name is left alone, napoleon knows what to do with it.
FIELD = re.compile(r"^(\s*[\w*, ]+ : )(.*)$")


def plain(text: str) -> str:
    """Escape bars, stars, and underscores at the end of a word, outside of code."""
    parts = CODE.split(text)
    for k in range(0, len(parts), 2):
        parts[k] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", re.sub(r"([|*])", r"\\\1", parts[k]))
    return "".join(parts)


def escape(app: Sphinx, what: str, name: str, subject: Any, options: Any, lines: list[str]) -> None:
    """Change the lines of a docstring in place."""
    attributes = False
    for k, line in enumerate(lines):
        if set(line.strip()) == {"-"}:
            attributes = lines[k - 1].strip() == "Attributes"
        if field := FIELD.match(line):
            # Of "a, b : type" napoleon takes all but the last name for a type, where it lists attributes.
            names = re.sub(r"(?<=\w), (?=\w)", ",", field[1]) if attributes else field[1]
            lines[k] = names + plain(field[2])
        elif k + 1 == len(lines) or set(lines[k + 1].strip()) != {"-"}:
            lines[k] = line if re.fullmatch(r"\s*[\w*]+(, [\w*]+)*", line) else plain(line)


def setup(app: Sphinx) -> dict[str, Any]:
    """Come before napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", escape, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
