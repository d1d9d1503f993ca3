"""Files that only maintainers and their machines read: workflows, hooks, and what packages ask for."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
import yaml
from oracles import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DISTRIBUTIONS = ["humble", "jazzy", "kilted", "rolling"]


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"]


def steps(path):
    return [step for job in jobs(path).values() for step in job["steps"]]


def test_the_four_distributions_and_three_pythons_are_tried():
    ros = jobs(ROOT / ".github" / "workflows" / "ros.yml")["colcon"]["strategy"]["matrix"]
    assert ros["distribution"] == DISTRIBUTIONS
    wheels = jobs(ROOT / ".github" / "workflows" / "wheels.yml")["test"]["strategy"]["matrix"]
    assert wheels["python"] == ["3.11", "3.12", "3.13"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_can_only_read_ends_in_time_and_pins_its_actions(path):
    content = yaml.safe_load(path.read_text())
    assert content["permissions"] == {"contents": "read"} and content["concurrency"]["group"]
    assert all(job["timeout-minutes"] <= 90 for job in content["jobs"].values())
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+(\.\d+)*", action) for action in used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_runs_is_there(path):
    scripts = "\n".join(step.get("run", "") for step in steps(path))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", scripts)) <= targets
    named = re.findall(r"(?:src/crisp_ik/|\s|=)((?:requirements|\.ci)/[\w./-]+|[\w.]+\.launch\.py)", scripts)
    for name in named:
        assert (ROOT / name).is_file() or (ROOT / "launch" / name).is_file(), name
    assert named or "make " in scripts


def test_workflows_fit_their_schema():
    main = pytest.importorskip("check_jsonschema").main
    with pytest.raises(SystemExit) as ended:
        main(["--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)])
    assert ended.value.code == 0


def test_hooks_are_programs_of_the_environment():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = {hook["id"]: hook for hook in repositories[0]["hooks"]}
    assert {"ruff", "ruff-format", "mypy", "check-yaml", "end-of-file-fixer", "large-files"} <= set(hooks)
    assert all(hook["language"] == "system" for hook in hooks.values())


def test_package_xml_asks_for_every_library_that_pip_installs():
    keys = {element.text for element in ElementTree.parse(ROOT / "package.xml").getroot()}
    # Names that rosdep has otherwise; threadpoolctl has no key, and comes with python3-sklearn.
    names = {"pyyaml": "yaml", "scikit-learn": "sklearn", "threadpoolctl": "sklearn"}
    for file in ("python.txt", "experiments.txt"):
        for line in (ROOT / "requirements" / file).read_text().splitlines():
            library = re.match(r"[\w-]*", line).group()
            if library:
                key = f"python3-{names.get(library, library)}"
                assert key in keys or f"{key}-pip" in keys, library
