"""Photograph docs/view.png: the page of ``crisp-ik sim --view``, in a browser without a display.

PYTHONPATH=.:test python docs/pictures/view.py [FILE] [--target 60]

The arm is one degree off and has the learned model. The handle is hidden, so that it does not cover the path.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from browser import open_browser, wait_for

from benchmarks.page import ADDRESS
from benchmarks.page_client import PageClient
from benchmarks.soak import Running

ROOT = Path(__file__).resolve().parents[2]
WIDTH, HEIGHT = 1400, 1050
PATIENCE = 300.0
# For the meshes to come, and for a picture [s].
SETTLE = 8.0
DRAWN = "return (document.getElementById('status') || {}).innerText || ''"
COMMAND = ["-m", "crisp_ik_ros.cli", "sim", "--view", "--no-open", "--trajectory", "spiral", "--joint-bias-deg", "1"]


def main() -> None:
    """Start the system, and photograph its page."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("file", nargs="?", type=Path, default=ROOT / "docs" / "view.png")
    arguments.add_argument("--target", type=int, default=60, help="number of the target at which to photograph")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        system = Running("system", [sys.executable, *COMMAND], folder, dict(os.environ))
        stack.callback(system.stop)
        for words in ("to be seen at", "targets"):
            system.wait_for(words)
        found = ADDRESS.search(system.text)
        assert found is not None
        # Without a graphics card the browser would hold up the arm: it comes when that stands.
        page = stack.enter_context(PageClient(found[1]))
        page.says(rf">{given.target // 10}\d of \d+<", PATIENCE)
        page.set("Follower", "Stop")
        page.says("<b>at rest</b>", PATIENCE)
        page.set("Target", False)
        browser = open_browser(folder, WIDTH, HEIGHT)
        stack.callback(browser.quit)
        browser.get(f"http://{found[1]}")
        wait_for(lambda: browser.execute_script(DRAWN))
        time.sleep(SETTLE)
        for button in browser.find_elements("css selector", ".mantine-Notification-closeButton"):
            button.click()
        time.sleep(SETTLE)
        browser.save_screenshot(str(given.file))


if __name__ == "__main__":
    main()
