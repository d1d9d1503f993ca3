"""Change the sources a little and see whether a test fails: ``python -m benchmarks.mutation``, or ``make mutation``."""

from __future__ import annotations

import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Optional

import typer
from tqdm import tqdm

from benchmarks.mutation.mutants import Mutant, mutants_of
from benchmarks.mutation.page import write_page
from benchmarks.mutation.records import Records, digest_of
from benchmarks.mutation.targets import find_modules, is_compiled, tests_of
from benchmarks.mutation.trial import SURVIVED, Tree, attempt

PROJECT = Path(__file__).resolve().parents[2]
# A mutant may take this many times as much of the processor's time as the unchanged module, and so much more [s].
PATIENCE, GRACE = 3.0, 5.0


def mutation(
    module: Annotated[
        Optional[list[str]],  # noqa: UP045  (typer reads it on Python 3.10, too)
        typer.Option(help="Beginning of a module's path, such as robots or robots/chain; may be given again."),
    ] = None,
    sample: Annotated[int, typer.Option(help="Mutants of each module, drawn at random; 0: all.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the draw. A larger sample contains the smaller one.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the results; a run goes on where the last one ended.")] = Path(
        "out/mutation"
    ),
    page: Annotated[bool, typer.Option(help="Only write the page of what was tried so far.")] = False,
    publish: Annotated[bool, typer.Option(help="Write the page to docs/results, too.")] = False,
) -> None:
    """Run the tests of each module against small mistakes in it, one at a time."""
    # Ended politely, it takes its copy of the project and the running tests with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        modules = find_modules(module or [])
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    records = Records(out / "results.jsonl")
    if not page:
        with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
            tree = Tree(PROJECT, Path(folder) / "tree")
            for name in modules:
                _try_module(tree, name, sample, seed, records)
    folders = [out, *([PROJECT / "docs" / "results"] if publish else [])]
    for written in folders:
        write_page(written, records, {name: tree_source(name) for name in find_modules([])}, seed)
    print(f"written: {', '.join(str(written / 'mutation.md') for written in folders)}")


def tree_source(module: str) -> bytes:
    """Source of a module as it stands in the project."""
    return (PROJECT / "crisp_ik_ros" / module).read_bytes()


def draw(mutants: list[Mutant], module: str, sample: int, seed: int) -> list[Mutant]:
    """``sample`` of the mutants, or all for 0: each has a random rank of its own, whatever others there are."""
    ranks = {mutant: random.Random(f"{seed} {module} {mutant.start} {mutant.end} {mutant.text}") for mutant in mutants}
    return sorted(mutants, key=lambda mutant: ranks[mutant].random())[: sample or None]


def _try_module(tree: Tree, module: str, sample: int, seed: int, records: Records) -> None:
    source = tree.path(module).read_bytes()
    tests = tests_of(module)
    files = [tree.folder / test.partition("::")[0] for test in tests]
    digest = digest_of([*files, tree.folder / "test" / "conftest.py", tree.folder / "test" / "oracles.py"])
    mutants = mutants_of(source)
    chosen = draw(mutants, module, sample, seed)
    # What no test killed is tried again when there are other tests, whether it is of this sample or not.
    chosen += [mutant for mutant in mutants if mutant.key(source) in records.by_key and mutant not in chosen]
    waiting = [mutant for mutant in chosen if not records.known(mutant.key(source), digest)]
    if not waiting:
        return
    plain = is_compiled(tree.path(module))
    unchanged = attempt(tree, tests, plain, limit=600.0, changed=False)
    if unchanged.outcome != SURVIVED:
        log = (tree.folder / "log.txt").read_text()
        raise SystemExit(f"{module}: its tests fail without any change, {unchanged}\n{log}")
    limit = GRACE + PATIENCE * unchanged.seconds
    survived = 0
    with tqdm(waiting, desc=f"{module} ({unchanged.seconds:.0f} s)", mininterval=5.0) as bar:
        for mutant in bar:
            tree.write(module, mutant.apply(source))
            verdict = attempt(tree, tests, plain, limit)
            record = records.add(module, source, mutant, verdict, digest)
            if record.outcome == SURVIVED:
                survived += 1
                tqdm.write(f"{module}:{record.line}: {record.kind}: {record.change}")
            bar.set_postfix(survived=survived)
    tree.write(module, source)


if __name__ == "__main__":
    typer.run(mutation)
