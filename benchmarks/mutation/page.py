"""The page of results: a table of the modules, and every mutant that no test killed, with the reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.mutation.mutants import mutants_of
from benchmarks.mutation.records import Record, Records
from benchmarks.mutation.trial import KILLED, SURVIVED, TIMEOUT

REASONS = Path(__file__).with_name("survivors.yaml")
COLUMNS = ("mutants", "tried", KILLED, "since", TIMEOUT, SURVIVED)
NO_REASON = "not looked at"
INTRODUCTION = """# Mutation run

Small mistakes made on purpose in the kinematics, the regression and the solvers, one at a time, and whether a test of
the module notices: another sign, operator, comparison, constant or index, arguments or operands swapped, a matrix not
transposed, a condition negated, a statement left out. `make mutation` goes on where this run was ended;
`python -m benchmarks.mutation --module robots/chain` tries all mutants of one module. Those that were tried were drawn
at random, seed {seed}. Mutants of compiled modules run as plain Python. *Since*: of those killed, how many survived at
first, until tests for them were written. *Timeout*: the tests did not come to an end; that would be noticed, too. The
same numbers with every survivor are in `mutation.json`. All are of the modules as they were at the time of the run.
"""


def write_page(folder: Path, records: Records, sources: Mapping[str, bytes], seed: int) -> None:
    """Write mutation.md and mutation.json about the mutants of sources as they are now, by module."""
    reasons = _reasons()
    rows: list[dict[str, Any]] = []
    survivors: list[Record] = []
    for module, source in sources.items():
        keys = [mutant.key(source) for mutant in mutants_of(source)]
        tried = [records.by_key[key] for key in keys if key in records.by_key]
        rows.append({"module": module, "mutants": len(keys), "tried": len(tried), **_count(tried)})
        rows[-1]["since"] = sum(record.key in records.killed_since for record in tried)
        survivors += [record for record in tried if record.outcome == SURVIVED]
    listed = [
        {
            "module": record.module, "line": record.line, "kind": record.kind, "change": record.change,
            "reason": reasons.get((record.module, record.change), NO_REASON),
        } for record in survivors
    ]  # fmt: skip
    total = {name: sum(int(row[name]) for row in rows) for name in COLUMNS}
    folder.mkdir(parents=True, exist_ok=True)
    data = {"seed": seed, "modules": rows, "total": total, "survivors": listed}
    (folder / "mutation.json").write_text(json.dumps(data, indent=1) + "\n")
    lines = [INTRODUCTION.format(seed=seed), f"| module | {' | '.join(COLUMNS)} |"]
    lines.append("|---" * (1 + len(COLUMNS)) + "|")
    for row in [*rows, {"module": "**all**", **total}]:
        lines.append("| " + " | ".join(str(row[name]) for name in ("module", *COLUMNS)) + " |")
    (folder / "mutation.md").write_text("\n".join([*lines, "", *_survivor_lines(listed)]))


def _count(tried: list[Record]) -> dict[str, int]:
    counted = Counter(record.outcome for record in tried)
    return {outcome: counted[outcome] for outcome in (KILLED, TIMEOUT, SURVIVED)}


def _reasons() -> dict[tuple[str, str], str]:
    """Why a change may survive, by module and change, from the file in which it is written down."""
    found = {}
    for entry in yaml.safe_load(REASONS.read_text()) or []:
        for change in entry["changes"]:
            found[entry["module"], change] = entry["reason"]
    return found


def _survivor_lines(listed: list[dict[str, Any]]) -> list[str]:
    """Survivors by module and reason, each with its line before and after."""
    lines = ["## Survivors", ""]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for survivor in listed:
        groups.setdefault((survivor["module"], survivor["reason"]), []).append(survivor)
    for (module, reason), members in groups.items():
        lines += [f"**{module}**: {reason}", "", "```diff"]
        for member in members:
            before, _, after = member["change"].partition(" => ")
            lines += [f"@@ line {member['line']}: {member['kind']}", f"- {before}", f"+ {after}"]
        lines += ["```", ""]
    return lines
