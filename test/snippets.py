"""The blocks of shell and Python in README and docs, what is to be done with each, and doing it.

    python test/snippets.py docs/guide.md      runs a page's blocks and writes their outputs anew

The comments, each on the line before its block:

    <!-- run -->                     run, in the page's folder, after those before it
    <!-- run in the background -->   begun, and interrupted after the last block
    <!-- output -->                  of a block of text: what the block before it printed
    <!-- not run: REASON -->
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from untraced import untraced

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
COMMENT = re.compile(r"^\s*<!-- (.+?) -->\s*$")
RUN, BEGIN, OUTPUT = "run", "run in the background", "output"
CODE = ("sh", "bash", "python")
PATIENCE = 280.0


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line and the line behind it, from 0; language, text, and the comment before it."""

    begin: int
    end: int
    language: str
    text: str
    mark: str
    indent: str


def blocks_of(page: Path) -> list[Block]:
    lines = page.read_text(encoding="utf-8").splitlines()
    found, begin, mark, shown, indent = [], None, "", "", ""
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if begin is None:
            if fence:
                begin, indent, language, shown, mark = number + 1, fence[1], fence[2], mark, ""
                kept = shown
            elif comment := COMMENT.match(line):
                mark = comment[1]
            elif line.lstrip().startswith("```"):
                begin, indent, language, kept = number + 1, "", "directive", ""
            elif line.strip():
                mark = ""
        elif fence and not fence[2]:
            text = textwrap.dedent("\n".join(lines[begin:number]))
            found.append(Block(begin, number, language, text, kept, indent))
            begin, mark = None, ""
    assert begin is None, f"{page}: a block that begins on line {begin} does not end"
    return found


def run_page(page: Path, folder: Path, environment: dict[str, str] | None = None) -> dict[Block, str]:
    """Run all blocks of a page that are to be run, in order, in one folder; what each block of output should hold."""
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        # What these run is covered by tests of its own.
        **untraced(),
        "CRISP_IK": str(ROOT),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PATH": bin_folder + os.pathsep + os.environ["PATH"],
        **(environment or {}),
    }
    printed, outputs, background = "", {}, []
    try:
        for block in blocks_of(page):
            place = f"{page.name}, line {block.begin}"
            if block.mark == OUTPUT:
                outputs[block] = printed
            elif block.mark in (RUN, BEGIN):
                command = [sys.executable, "-c"] if block.language == "python" else ["bash", "-ec"]
                log = folder / f"block_{block.begin}.log"
                if block.mark == BEGIN:
                    with log.open("wb") as stream:
                        process = subprocess.Popen(
                            [*command, f"exec {block.text}"], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                            stdout=stream, stderr=subprocess.STDOUT,
                        )  # fmt: skip
                    background.append((place, process, log))
                    continue
                done = subprocess.run(
                    [*command, block.text], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                    capture_output=True, text=True, timeout=PATIENCE,
                )  # fmt: skip
                # How far it has got, on stderr, depends on the machine.
                printed = done.stdout
                for where, process, log in background:
                    assert process.poll() is None, f"{where} ended:\n{log.read_text()}"
                assert done.returncode == 0, f"{place} ended with {done.returncode}:\n{printed}{done.stderr}"
        for place, process, log in background:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, f"{place} ended with {process.returncode}:\n{log.read_text()}"
    finally:
        for _, process, _ in background:
            if process.poll() is None:
                process.kill()
                process.wait()
    return outputs


def masked(line: str) -> str:
    """A line without what differs from run to run and machine to machine: digits and the width of tables."""
    return re.sub(r"[─━-]{2,}", "-", " ".join(re.sub(r"[-+]?\d[\d.]*(?:e[-+]?\d+)?", "0", line).split()))


def missing_lines(shown: str, printed: str) -> list[str]:
    """Lines of a shown output that were not printed, in this order, numbers aside; '...' stands for lines left out."""
    rest = iter([masked(line) for line in printed.splitlines()])
    return [line for line in shown.splitlines() if line.strip() not in ("", "...") and masked(line) not in rest]


def write_outputs(page: Path, outputs: dict[Block, str]) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    for block, printed in sorted(outputs.items(), key=lambda item: -item[0].begin):
        fresh = [f"{block.indent}{line}".rstrip() for line in printed.strip("\n").splitlines()]
        lines[block.begin : block.end] = fresh
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    global PATIENCE
    PATIENCE = 3600.0
    for name in sys.argv[1:]:
        page = Path(name).resolve()
        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            write_outputs(page, run_page(page, Path(folder)))
            print(f"{page}: {time.monotonic() - begin:.1f} s")


if __name__ == "__main__":
    main()
