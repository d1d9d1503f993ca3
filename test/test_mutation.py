"""The mutation run: which changes it makes, that it tells what the tests notice, and what it writes down."""

import ast
import json
import subprocess
import sys
import textwrap

import pytest
import yaml
from oracles import ROOT

from benchmarks.mutation import targets
from benchmarks.mutation.__main__ import draw
from benchmarks.mutation.mutants import mutants_of
from benchmarks.mutation.page import REASONS
from benchmarks.mutation.targets import ESSENTIAL, PACKAGE, TESTS, find_modules

pytestmark = pytest.mark.long

SOURCE = b'''"""A module, 1 + 1."""


@decorated(3)
def area(sides: tuple[int, int], scale: float = 2.0) -> float:
    """Not 2 * 2."""
    total = scale * sides[0]
    if total < 1e-9 and not sides:
        raise ValueError(f"got {total + 1}, expected {2 * 2}")
    for i in range(3):
        total += work(total, i)
    table[total, i] = -total
    return table.T @ sides
'''
EXPECTED = {
    ("constant", "def area(sides: tuple[int, int], scale: float = 4.0) -> float:"),
    ("arithmetic", "total = scale / sides[0]"),
    ("constant", "total = scale * sides[1]"),
    ("negated condition", "if not (total < 1e-9 and not sides):"),
    ("and, or", "if total < 1e-9 or not sides:"),
    ("negated condition", "if total >= 1e-9 and not sides:"),
    ("boundary", "if total <= 1e-9 and not sides:"),
    ("constant", "if total < 1e-06 and not sides:"),
    ("negated condition", "if total < 1e-9 and sides:"),
    ("removed statement", "pass"),
    ("boundary", "for i in range(3 - 1):"),
    ("constant", "for i in range(4):"),
    ("arithmetic", "total -= work(total, i)"),
    ("arithmetic", "total = work(total, i)"),
    ("swapped arguments", "total += work(i, total)"),
    ("swapped index", "table[i, total] = -total"),
    ("sign", "table[total, i] = total"),
    ("swapped operands", "return sides @ table.T"),
    ("not transposed", "return table @ sides"),
}


def test_every_kind_of_mistake_is_made_where_it_means_something():
    found = mutants_of(SOURCE)
    made = {(mutant.kind, mutant.change(SOURCE).split(" => ")[1].replace("1.0000000000000002e-06", "1e-06"))
            for mutant in found}  # fmt: skip
    assert made == EXPECTED
    # The sum, the assignment to an element, and the error are left out once each.
    assert sum(mutant.kind == "removed statement" for mutant in found) == 3


@pytest.mark.parametrize("module", ["robots/limits.py", "solvers/result.py", "regression/threads.py"])
def test_mutants_are_programs_and_no_two_are_alike(module):
    source = (ROOT / PACKAGE / module).read_bytes()
    found = mutants_of(source)
    programs = {ast.dump(ast.parse(mutant.apply(source))) for mutant in found}
    assert len(programs) == len(found) > 5
    assert ast.dump(ast.parse(source)) not in programs
    assert len({mutant.key(source) for mutant in found}) == len(found)


def test_a_larger_sample_contains_the_smaller_one_and_depends_on_the_seed():
    found = mutants_of(SOURCE)
    small, large = draw(found, "area.py", 5, 0), draw(found, "area.py", 9, 0)
    assert large[:5] == small != draw(found, "area.py", 5, 1)
    assert sorted(draw(found, "area.py", 0, 0)) == found


def test_every_module_with_functions_has_its_tests():
    for part in ESSENTIAL:
        for path in sorted((ROOT / PACKAGE / part).glob("*.py")):
            if "def " in path.read_text():
                assert f"{part}/{path.name}" in TESTS
    for module in TESTS:
        assert (ROOT / PACKAGE / module).is_file()
        for test in targets.tests_of(module):
            assert (ROOT / test.partition("::")[0]).is_file()


def test_each_reason_is_of_changes_that_a_run_makes():
    for entry in yaml.safe_load(REASONS.read_text()):
        source = (ROOT / PACKAGE / entry["module"]).read_bytes()
        assert entry["reason"] and set(entry["changes"]) <= {mutant.change(source) for mutant in mutants_of(source)}


def test_modules_are_named_by_the_beginning_of_their_path():
    assert find_modules(["robots/cha", "solvers/lb"]) == [
        "robots/chain.py", "robots/chain_report.py", "solvers/lbfgsb.py",
    ]  # fmt: skip
    assert {module.split("/")[0] for module in find_modules([])} == set(ESSENTIAL)
    with pytest.raises(ValueError, match="'nonsense'"):
        find_modules(["nonsense"])


def test_what_the_tests_notice_is_killed_and_written_down_and_not_tried_again(tmp_path):
    project = tmp_path / "project"
    (project / PACKAGE).mkdir(parents=True)
    (project / "test").mkdir()
    (project / PACKAGE / "__init__.py").write_text("")
    (project / PACKAGE / "sums.py").write_text("def total(n):\n    while n:\n        n //= 2\n    return n + 0.0\n")
    (project / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    (project / "test" / "test_sums.py").write_text(
        f"from {PACKAGE}.sums import total\n\n\ndef test_total():\n    assert total(2) == 0\n"
    )
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=project, check=True)
    script = """
    import json, sys
    from pathlib import Path
    from benchmarks.mutation.mutants import mutants_of
    from benchmarks.mutation.page import write_page
    from benchmarks.mutation.records import Records
    from benchmarks.mutation.trial import Tree, attempt

    project, folder = Path(sys.argv[1]), Path(sys.argv[2])
    tree, records = Tree(project, folder / "tree"), Records(folder / "results.jsonl")
    source = tree.path("sums.py").read_bytes()
    assert attempt(tree, ["test/test_sums.py"], True, 20.0, changed=False).outcome == "survived"
    for mutant in mutants_of(source):
        tree.write("sums.py", mutant.apply(source))
        verdict = attempt(tree, ["test/test_sums.py"], True, 2.0)
        records.add("sums.py", source, mutant, verdict, "now")
    again = Records(folder / "results.jsonl")
    known = [[again.known(mutant.key(source), tests) for tests in ("now", "other")] for mutant in mutants_of(source)]
    write_page(folder, again, {"sums.py": source}, 0)
    print(json.dumps([[record.change, record.outcome, record.test] for record in again.by_key.values()]))
    print(json.dumps(known))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(project), str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    records, known = map(json.loads, ran.stdout.splitlines())
    outcomes = {change.split(" => ")[1]: outcome for change, outcome, _ in records}
    assert outcomes == {
        "while not (n):": "killed",
        "pass": "timeout",
        "n = 2": "timeout",
        "n /= 2": "survived",
        "n //= 3": "survived",
        "return n - 0.0": "survived",
        "return n + 1.0": "killed",
    }
    assert {test for _, outcome, test in records if outcome == "killed"} == {"test/test_sums.py::test_total"}
    # One that was killed stays killed; others are tried again when the tests have changed.
    assert known == [[True, outcome == "killed"] for _, outcome, _ in records]
    assert (project / PACKAGE / "sums.py").read_text().endswith("n //= 2\n    return n + 0.0\n")
    page = json.loads((tmp_path / "mutation.json").read_text())
    assert page["total"] == {"mutants": 7, "tried": 7, "killed": 2, "since": 0, "timeout": 2, "survived": 3}
    text = (tmp_path / "mutation.md").read_text()
    assert "| sums.py | 7 | 7 | 2 | 0 | 2 | 3 |" in text
    assert "- n //= 2\n+ n //= 3" in text
