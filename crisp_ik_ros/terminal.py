"""What the command line shows: progress bars and summaries."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm


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
        print(f"Warning: {warning}")
    notes = summary.pop("notes", ())
    width = max(len(name) for name in summary)
    for name, value in summary.items():
        print(f"{name:<{width}}  {_text(value)}")
    for note in notes:
        print(f"Note: {note}")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, dict):
        return "  ".join(f"{name} {_text(item)}" for name, item in value.items())
    return str(value)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
