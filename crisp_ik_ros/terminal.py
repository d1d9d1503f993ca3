"""What the command line shows: progress bars and summaries."""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

# Longer lines are broken, and longer tables cut.
WIDTH, ROWS = 100, 24


def progress_bar(label: str, quiet: bool) -> Callable[[int, int], None]:
    """Progress callback with a bar and the time left on stderr."""
    bar = tqdm(desc=label, unit="", leave=False, disable=quiet or None, file=sys.stderr)

    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return progress


def show(summary: dict[str, Any], as_json: bool) -> None:
    """Print a summary, for people or as one JSON object; what is under "warnings" and "notes" a line each."""
    if as_json:
        print(json.dumps(summary, default=_plain))
        return
    summary = dict(summary)
    for warning in summary.pop("warnings", ()):
        print(_wrapped("Warning: ", warning))
    notes = summary.pop("notes", ())
    # Tables and lists of findings stand by themselves, below their names.
    width = max((len(name) for name, value in summary.items() if not _is_block(value)), default=0)
    for name, value in summary.items():
        if _is_table(value):
            print("\n".join([name, *_table(value)]))
        elif _is_block(value):
            print("\n".join([name, *(line for one in value for line in _paragraph(one))]))
        else:
            print(_wrapped(f"{name:<{width}}  ", _text(value)))
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
    """Lines with a header, indented: names to the left, everything else to the right of its column."""
    header = ["", *next(iter(rows.values()))]
    lines = [header, *([name, *(_cell(cell) for cell in row.values())] for name, row in rows.items())]
    lines[1 + ROWS :] = [[f"... {len(lines) - 1 - ROWS} more", *[""] * (len(header) - 1)]] * (len(lines) > 1 + ROWS)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  " + "  ".join(f"{cell:{'<' if i == 0 else '>'}{widths[i]}}" for i, cell in enumerate(line)).rstrip()
        for line in lines
    ]


def _cell(value: Any) -> str:
    return " to ".join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)


def _paragraph(finding: dict[str, Any]) -> list[str]:
    """Lines of the texts of a finding, the first of which is its name."""
    name, *texts = [value for value in finding.values() if isinstance(value, str)]
    text = " ".join(f"{text[:1].upper()}{text[1:]}." for text in texts)
    return _wrapped("  ", f"{name}: {text}").splitlines()


def _wrapped(begin: str, text: str) -> str:
    if len(begin) + len(text) <= WIDTH:
        return begin + text
    indent = " " * min(len(begin) if begin.strip() else len(begin) + 2, WIDTH // 2)
    return textwrap.fill(text, WIDTH, initial_indent=begin, subsequent_indent=indent, break_long_words=False)


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
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
