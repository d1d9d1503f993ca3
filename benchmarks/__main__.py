"""Measure crisp_ik beside other libraries: ``python -m benchmarks``, or ``make bench``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated, Optional

import typer

from benchmarks.peers.registry import PEERS, find_peers
from benchmarks.run import BENCHMARKS, find_benchmarks, run_benchmarks
from crisp_ik_ros.cli_progress import progress_bars
from crisp_ik_ros.errors import CrispIKError

FOLDER = "benchmarks"


def bench(
    names: Annotated[
        Optional[list[str]],  # noqa: UP045  (typer reads it on Python 3.10, too)
        typer.Argument(help=f"Which: {', '.join(benchmark.name for benchmark in BENCHMARKS)}. Default: all."),
    ] = None,
    quick: Annotated[bool, typer.Option(help="Smaller sizes: two minutes instead of half an hour.")] = False,
    out: Annotated[Path, typer.Option(help=f"Folder; JSON and PNG go to its folder {FOLDER}.")] = Path("out"),
    peers: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help=f"Libraries to compare with, of {','.join(peer.name for peer in PEERS)}; '': none."),
    ] = None,
) -> None:
    """Measure speed, accuracy and memory, all in one run, beside other libraries."""
    # Other libraries' deprecations are not ours to read.
    warnings.simplefilter("ignore")
    chosen = None if peers is None else [name for name in peers.split(",") if name]
    arguments = [*(names or ()), *(["--quick"] if quick else []), *(["--peers", peers] if peers is not None else [])]
    with progress_bars(measuring=True) as bar:
        run_benchmarks(
            find_benchmarks(names or ()),
            out / FOLDER,
            quick,
            find_peers(chosen),
            " ".join(["python -m benchmarks", *arguments]),
            bar,
            print,
        )
    print(f"\nWritten to {out / FOLDER}")


def main() -> None:
    """Run the command line; expected errors become one line and exit code 1."""
    try:
        typer.run(bench)
    except CrispIKError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
