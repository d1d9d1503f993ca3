"""Importing the package so that Atheris sees the branches that are taken."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def instrumented(engine: str) -> Iterator[None]:
    """Import with marks at branches; modules with compiled functions stay as they are, or could not be compiled."""
    if engine != "atheris":
        yield
        return
    import atheris

    seen = ["crisp_ik_ros", "rosbags", "yourdfpy"]
    # It names every module that it marks.
    with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(seen, compiled_modules()):
        yield


def compiled_modules() -> list[str]:
    """Names of the package's modules with compiled functions."""
    spec = importlib.util.find_spec("crisp_ik_ros")
    assert spec is not None and spec.submodule_search_locations
    root = Path(spec.submodule_search_locations[0])
    return [
        ".".join(["crisp_ik_ros", *path.relative_to(root).with_suffix("").parts])
        for path in sorted(root.rglob("*.py"))
        if "numba" in (text := path.read_text(encoding="utf-8")) or "crisp_ik_ros.compiled import" in text
    ]
