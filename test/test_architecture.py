"""The direction of imports and a few rules of the source, read from the source itself."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "crisp_ik_ros"

# A part of the package may import parts of lower layers, and of its own. The longest matching prefix decides.
LAYERS = {
    "errors": 0,
    "compiled": 0,
    "transforms": 0,
    "resources": 0,
    "compilation_cache": 0,
    "files": 0,
    "memory": 0,
    "archives": 0,
    "early_end": 0,
    "robots": 1,
    "regression": 1,
    "solvers": 1,
    "datasets": 2,
    "losses": 2,
    "estimators": 3,
    "trajectories": 3,
    "metrics": 3,
    "simulation": 4,
    "training": 4,
    "viewer": 4,
    "experiments": 5,
    "nodes": 5,
    "commands": 6,
    "cli": 6,
    "cli_completion": 6,
    "cli_data": 6,
    "cli_help": 6,
    "cli_options": 6,
    "cli_outcome": 6,
    "cli_paper": 6,
    "cli_progress": 6,
    "cli_robots": 6,
    "cli_simulation": 6,
    "cli_solving": 6,
    "cli_training": 6,
    "planning_cli": 6,
    "terminal": 6,
    "demo": 6,
}
MESSAGES = re.compile(
    r"(\w+_msgs|\w*_interfaces|std_srvs|crisp_ik|rclpy|rcl_\w+|tf2_\w+|launch\w*|ament_index_python)(\.|$)"
)
SOURCES = sorted((ROOT / PACKAGE).rglob("*.py"))


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


def part_of(module):
    """First name below the package: "robots" for crisp_ik_ros.robots.urdf."""
    return module.split(".")[1] if "." in module else ""


def imports_of(module):
    """Imported module names, each with whether it happens when the module is imported (and not in a function)."""
    tree = ast.parse(MODULES[module].read_text(), str(MODULES[module]))
    found = []

    def visit(node, on_import):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            on_import = False
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            on_import = False
        if isinstance(node, ast.Import):
            found.extend((alias.name, on_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = (module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]).split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.append((inner if inner in MODULES else base, on_import))
        for child in ast.iter_child_nodes(node):
            visit(child, on_import)

    visit(tree, True)
    return found


IMPORTS = {module: imports_of(module) for module in MODULES}
INNER = {module: [(name, now) for name, now in found if name in MODULES] for module, found in IMPORTS.items()}


def importers_of(pattern):
    return {module for module, found in IMPORTS.items() for name, _ in found if re.match(pattern, name)}


def test_the_source_was_found():
    assert f"{PACKAGE}.estimators.crisp" in MODULES
    assert (f"{PACKAGE}.transforms", True) in INNER[f"{PACKAGE}.robots.urdf"]
    assert (f"{PACKAGE}.estimators.model_file", False) in INNER[f"{PACKAGE}.estimators.crisp"]


@pytest.mark.parametrize("module", [module for module in MODULES if module != PACKAGE])
def test_module_imports_only_lower_layers_and_its_own_part(module):
    part = part_of(module)
    assert part in LAYERS, f"{part} has no place in the layers"
    for name, _ in INNER[module]:
        assert name != PACKAGE, f"{module} imports the package that gathers everything"
        other = part_of(name)
        same_layer_single_modules = LAYERS[other] == LAYERS[part] and LAYERS[part] in (0, 3, 6)
        assert LAYERS[other] < LAYERS[part] or other == part or same_layer_single_modules, f"{module} imports {name}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: {name for name, _ in found} - {module} for module, found in INNER.items()}
    # A function may import a sibling that imports its module: then neither waits for the other to be imported.
    for module, found in INNER.items():
        for name, now in found:
            if not now and module.rpartition(".")[0] == name.rpartition(".")[0]:
                graph[module].discard(name)
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for name in sorted(graph[module]):
            visit(name)
        path.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_solvers_know_callables_and_bounds_only():
    for module in MODULES:
        if part_of(module) == "solvers":
            allowed = {f"{PACKAGE}.transforms", f"{PACKAGE}.errors", f"{PACKAGE}.compiled"}
            inner = {name for name, _ in INNER[module] if part_of(name) != "solvers"}
            assert inner <= allowed, module


def test_regression_knows_poses_but_no_robots_or_losses():
    for module in MODULES:
        if part_of(module) == "regression":
            assert not {part_of(name) for name, _ in INNER[module]} & {"robots", "solvers"}, module


def test_only_nodes_import_ros():
    importers = importers_of(MESSAGES)
    assert importers, "the nodes are gone"
    assert {part_of(module) for module in importers} == {"nodes"}


def test_pybullet_is_imported_in_one_place():
    assert importers_of(r"pybullet(\.|$)") == {f"{PACKAGE}.simulation.pybullet_arm"}
    for module in importers_of(r"pybullet_data(\.|$)"):
        assert module == f"{PACKAGE}.robots.sources" or part_of(module) == "simulation", module


@pytest.mark.parametrize("library", ["sklearn", "viser", "rosbags", "yourdfpy", "lxml", "distributed"])
def test_heavy_libraries_are_imported_in_one_file_at_most(library):
    assert len(importers_of(rf"{library}(\.|$)")) <= 1


@pytest.mark.parametrize(
    "library", ["pybullet", "pybullet_data", "sklearn", "viser", "rosbags", "yourdfpy", "matplotlib", "distributed"]
)
def test_serving_does_not_import(library):
    # What is imported at once by all that the package gathers, and so by everyone who serves a model.
    reached, waiting = set(), [PACKAGE, *(name for name, _ in INNER[PACKAGE])]
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting += [name for name, now in INNER[module] if now and name not in reached]
    names = {name.split(".")[0] for module in reached for name, now in IMPORTS[module] if now}
    assert library not in names


@pytest.mark.parametrize("module", [module for module in MODULES if MODULES[module].read_text().strip()])
def test_module_says_what_it_is_for(module):
    assert ast.get_docstring(ast.parse(MODULES[module].read_text()))


def test_modules_of_the_package_raise_no_bare_exceptions():
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and node.exc is not None:
                name = ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
                assert name not in ("Exception", "BaseException"), f"{module}:{node.lineno}"


def repository_files():
    """Files that belong to the repository: tracked, or new and not ignored."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_hand_written_python_package_has_the_name_of_the_generated_one():
    for path in repository_files():
        if path.suffix == ".py":
            assert "crisp_ik" not in path.relative_to(ROOT).parts[:-1], path
            assert path.stem != "crisp_ik", path


def test_no_file_names_a_folder_of_one_machine():
    homes = "|".join(["work", "root", "home", "Users"])
    folder = re.compile(rf"(?<![\w.~<$}}/\-])/({homes})(/|(?=[\s'\"`:;,)]))")
    offenders = []
    for path in repository_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if folder.search(line):
                offenders.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not offenders


def test_the_rule_about_folders_finds_one():
    homes = "|".join(["work", "root", "home", "Users"])
    folder = re.compile(rf"(?<![\w.~<$}}/\-])/({homes})(/|(?=[\s'\"`:;,)]))")
    assert folder.search("cd /" + "work/main")
    assert folder.search("HOME=/" + "root ")
    assert not folder.search("</" + "root>")
    assert not folder.search("docs/" + "work/plan")


def test_every_module_of_the_core_has_a_test_file():
    tests = {path.stem for path in (ROOT / "test").rglob("test_*.py")}
    for name in (
        "transforms", "robot_model", "urdf", "bias", "kernels", "regression", "selection", "losses", "solvers", "crisp",
        "model_based", "model_file", "dataset", "trajectories", "metrics", "architecture",
    ):  # fmt: skip
        assert f"test_{name}" in tests
