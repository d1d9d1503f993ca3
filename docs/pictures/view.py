"""Photograph docs/view.png: the page of ``crisp-ik sim --view``, in a browser without a display.

PYTHONPATH=.:test python docs/pictures/view.py [FILE] [--target 150]

The arm is one degree off and has the learned model. The handle is hidden, so that it does not cover the path.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from browser import open_browser

from benchmarks.page import ADDRESS
from benchmarks.page_client import PageClient
from benchmarks.soak import Running

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 1400, 900
PATIENCE = 300.0
COMMAND = ["-m", "crisp_ik_ros.cli", "sim", "--view", "--no-open", "--trajectory", "spiral", "--joint-bias-deg", "1"]


def main() -> None:
    """Start the system, and photograph its page."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("file", nargs="?", type=Path, default=ROOT / "docs" / "view.png")
    arguments.add_argument("--target", type=int, default=150, help="number of the target at which to photograph")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        system = Running("system", [sys.executable, *COMMAND], folder, dict(os.environ))
        stack.callback(system.stop)
        system.wait_for("targets")
        found = ADDRESS.search(system.text)
        assert found is not None
        page = stack.enter_context(PageClient(found[1]))
        page.hear_for(5.0)
        page.set("Target", False)
        browser = open_browser(folder, WIDTH, HEIGHT)
        stack.callback(browser.quit)
        browser.get(f"http://{found[1]}")
        # It takes its time to load, and a path ends meanwhile: that of the next round, from its beginning.
        page.says(r">\d of \d+<", PATIENCE)
        page.says(rf"<b>following</b>.*>{given.target} of \d+<|>{given.target}\d? of \d+<", PATIENCE)
        browser.save_screenshot(str(given.file))


if __name__ == "__main__":
    main()
