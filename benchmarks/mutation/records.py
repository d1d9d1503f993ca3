"""What came of each mutant, one line of JSON each, so that a run goes on where it was ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.mutation.mutants import Mutant
from benchmarks.mutation.trial import KILLED, SURVIVED, Verdict


class Record(NamedTuple):
    """A mutant and its outcome; ``change`` names it wherever in the module it stands."""

    module: str
    key: str
    line: int
    kind: str
    change: str
    outcome: str
    test: str
    seconds: float
    tests_digest: str


class Records:
    """File of records."""

    def __init__(self, path: Path):
        """Read what is there."""
        self.path = path
        self.by_key: dict[str, Record] = {}
        # Mutants that tests let pass at first, and were killed by tests written since.
        self.killed_since: set[str] = set()
        if path.exists():
            for line in path.read_text().splitlines():
                self._take(Record(**json.loads(line)))

    def known(self, key: str, digest: str) -> bool:
        """Whether a mutant has been tried: one that was killed stays so; others may be killed by other tests."""
        record = self.by_key.get(key)
        return record is not None and (record.outcome == KILLED or record.tests_digest == digest)

    def add(self, module: str, source: bytes, mutant: Mutant, verdict: Verdict, digest: str) -> Record:
        """Write one record."""
        record = Record(
            module, mutant.key(source), mutant.line, mutant.kind, mutant.change(source), verdict.outcome, verdict.test,
            round(verdict.seconds, 2), digest,
        )  # fmt: skip
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(record._asdict()) + "\n")
        self._take(record)
        return record

    def _take(self, record: Record) -> None:
        before = self.by_key.get(record.key)
        if before is not None and before.outcome == SURVIVED and record.outcome == KILLED:
            self.killed_since.add(record.key)
        self.by_key[record.key] = record


def digest_of(paths: Iterable[Path]) -> str:
    """Name of the state of files."""
    state = hashlib.sha256()
    for path in sorted(paths):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]
