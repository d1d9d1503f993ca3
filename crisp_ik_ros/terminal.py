"""What the command line shows: summaries, for people and for machines."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import textwrap
from typing import Any

import numpy as np

# Lines are broken there also on wider terminals; tables with more rows are cut.
WIDEST, ROWS = 120, 24


def width() -> int:
    """Columns that lines may take: the terminal's, up to what can be read; 80 where there is none."""
    return min(shutil.get_terminal_size((80, 24)).columns, WIDEST)


def print_json(value: Any) -> None:
    """Print a value as one JSON object; what is no finite number is null."""
    print(json.dumps(_plain(value), allow_nan=False))


def show(summary: dict[str, Any], as_json: bool) -> None:
    """Print a summary, for people or as one JSON object; what is under "warnings" and "notes" a line each."""
    if as_json:
        print_json(summary)
        return
    summary = dict(summary)
    for warning in summary.pop("warnings", ()):
        print(_wrapped("Warning: ", warning))
    notes = summary.pop("notes", ())
    # Tables and lists of findings stand by themselves, below their names.
    longest = max((len(name) for name, value in summary.items() if not _is_block(value)), default=0)
    for name, value in summary.items():
        if _is_table(value):
            print("\n".join([name, *_table(value)]))
        elif _is_block(value):
            print("\n".join([name, *(line for one in value for line in _paragraph(one))]))
        else:
            print(_wrapped(f"{name:<{longest}}  ", _text(value)))
    for note in notes:
        print(_wrapped("Note: ", note))


def _is_table(value: Any) -> bool:
    """Whether a value has rows with the same columns each."""
    rows = list(value.values()) if isinstance(value, dict) else []
    return bool(rows) and all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows)


def _is_block(value: Any) -> bool:
    findings = isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)
    return _is_table(value) or findings


def _table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Lines with a header, indented: names and other texts to the left of their column, numbers to the right."""
    header = ["", *next(iter(rows.values()))]
    lines = [header, *([name, *(_cell(cell) for cell in row.values())] for name, row in rows.items())]
    lines[1 + ROWS :] = [[f"... {len(lines) - 1 - ROWS} more", *[""] * (len(header) - 1)]] * (len(lines) > 1 + ROWS)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    values = zip(*(row.values() for row in rows.values()), strict=True)
    sides = ["<", *("<" if all(isinstance(one, str) for one in column) else ">" for column in values)]
    return [line for chosen in _side_by_side(widths) for line in _columns(lines, widths, sides, chosen)]


def _side_by_side(widths: list[int]) -> list[list[int]]:
    """Columns that stand beside the first of a table: all, or where they do not fit, several times some."""
    parts: list[list[int]] = [[0]]
    for i, size in enumerate(widths[1:], 1):
        if len(parts[-1]) > 1 and 2 + sum(widths[j] + 2 for j in parts[-1]) + size > width():
            parts.append([0])
        parts[-1].append(i)
    return parts


def _columns(lines: list[list[str]], widths: list[int], sides: list[str], chosen: list[int]) -> list[str]:
    return ["  " + "  ".join(f"{line[i]:{sides[i]}{widths[i]}}" for i in chosen).rstrip() for line in lines]


def _cell(value: Any) -> str:
    return " to ".join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)


def _paragraph(finding: dict[str, Any]) -> list[str]:
    """Lines of the texts of a finding, the first of which is its name."""
    name, *texts = [value for value in finding.values() if isinstance(value, str)]
    text = " ".join(f"{text[:1].upper()}{text[1:]}." for text in texts)
    return _wrapped("  ", f"{name}: {text}").splitlines()


def _wrapped(begin: str, text: str) -> str:
    columns = width()
    if len(begin) + len(text) <= columns:
        return begin + text
    indent = " " * min(len(begin) if begin.strip() else len(begin) + 2, columns // 2)
    return textwrap.fill(text, columns, initial_indent=begin, subsequent_indent=indent, break_long_words=False)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return "none" if not value else ", ".join(_text(item) for item in value)
    if isinstance(value, dict):
        return "  ".join(f"{name} {_text(item)}" for name, item in value.items())
    return str(value)


def _plain(value: Any) -> Any:
    """Return a value as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
