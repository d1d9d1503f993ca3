"""The parameters that a node declares, read from its sources: nothing is imported, and no ROS 2 is needed.

A node's class calls ``declare`` itself, or functions and classes of crisp_ik_ros.nodes that do. Beginning with the
node's module, every definition that is named in one that counts, counts too. The tests compare what comes out with what
the running nodes say of themselves.
"""

from __future__ import annotations

import ast
import math
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "crisp_ik_ros"
DECLARE = f"{PACKAGE}.nodes.parameters", "declare"
ARGUMENTS = ("node", "name", "default", "description", "minimum", "maximum", "read_only")
TYPES = {bool: "bool", int: "integer", float: "double", str: "string", list: "array"}


class UnknownError(Exception):
    """An expression whose value cannot be told without running the program."""


@dataclass(frozen=True)
class Parameter:
    """A parameter as its descriptor has it.

    Attributes
    ----------
    name, description : str
    default : object
        Or the expression's text, where only a running node knows.
    known : bool
        Whether ``default`` is the value.
    minimum, maximum : float or None
    read_only : bool
    """

    name: str
    default: Any
    known: bool
    description: str
    minimum: float | None
    maximum: float | None
    read_only: bool

    @property
    def kind(self) -> str:
        """The type's name, as `ros2 param describe` has it."""
        if not self.known:
            return ""
        return TYPES[type(self.default)]


@cache
def module_of(name: str) -> tuple[dict[str, ast.AST], dict[str, tuple[str, str]]]:
    """Top-level definitions of a module of ours by name, and what it imports: local name to (module, name there)."""
    path = ROOT / Path(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    definitions: dict[str, ast.AST] = {}
    imports: dict[str, tuple[str, str]] = {}
    for statement in ast.walk(tree):
        if isinstance(statement, ast.ImportFrom) and statement.module and statement.module.startswith(PACKAGE):
            for alias in statement.names:
                imports[alias.asname or alias.name] = (statement.module, alias.name)
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    definitions[target.id] = statement.value
                elif isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                    pairs = zip(target.elts, statement.value.elts, strict=True)
                    definitions.update({part.id: value for part, value in pairs if isinstance(part, ast.Name)})
    return definitions, imports


def value_of(expression: ast.AST, module: str) -> Any:
    """The value of an expression of literals, sums of them, and constants of our modules."""
    match expression:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [value_of(part, module) for part in parts]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value_of(operand, module)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return value_of(left, module) + value_of(right, module)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return value_of(left, module) * value_of(right, module)
        case ast.Attribute(value=ast.Name(id="math"), attr=attribute):
            return getattr(math, attribute)
        case ast.JoinedStr(values=parts):
            return "".join(
                format(value_of(part.value, module)) if isinstance(part, ast.FormattedValue) else part.value  # type: ignore[attr-defined]
                for part in parts
            )
        case ast.Name(id=name):
            definitions, imports = module_of(module)
            if name in definitions:
                return value_of(definitions[name], module)
            if name in imports:
                there, original = imports[name]
                return value_of(module_of(there)[0].get(original, expression), there)
    raise UnknownError(ast.unparse(expression))


def _declaration(call: ast.Call, module: str) -> Parameter:
    given = dict(zip(ARGUMENTS, call.args, strict=False))
    given.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
    known = True
    try:
        default = value_of(given["default"], module)
    except UnknownError as unknown:
        default, known = str(unknown), False
    limits = [value_of(given[name], module) if name in given else None for name in ("minimum", "maximum")]
    read_only = value_of(given["read_only"], module) if "read_only" in given else True
    return Parameter(
        value_of(given["name"], module), default, known, value_of(given["description"], module), *limits, read_only
    )


def _visit(module: str, name: str, seen: set[tuple[str, str]], found: dict[str, Parameter]) -> None:
    if (module, name) in seen or not module.startswith(f"{PACKAGE}.nodes"):
        return
    seen.add((module, name))
    try:
        definitions, imports = module_of(module)
    except (FileNotFoundError, IsADirectoryError):
        return
    definition = definitions.get(name)
    if not isinstance(definition, ast.FunctionDef | ast.ClassDef):
        return
    for part in _in_order(definition):
        if (
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Name)
            and imports_of(module, part.func.id) == DECLARE
        ):
            parameter = _declaration(part, module)
            found.setdefault(parameter.name, parameter)
        elif isinstance(part, ast.Name):
            _visit(*imports.get(part.id, (module, part.id)), seen, found)
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in imports:
            # A module of ours under its own name: moveit.question_of
            package, inner = imports[part.value.id]
            _visit(f"{package}.{inner}", part.attr, seen, found)


def imports_of(module: str, name: str) -> tuple[str, str]:
    """Where a name of a module is defined: (module, name there)."""
    return module_of(module)[1].get(name, (module, name))


def _in_order(node: ast.AST) -> list[ast.AST]:
    """Everything below a node, as it stands in the text."""
    parts = []
    for child in ast.iter_child_nodes(node):
        parts.append(child)
        parts += _in_order(child)
    return parts


@cache
def parameters_of(node: str) -> tuple[Parameter, ...]:
    """What a node declares, in the order of the sources, by the name of its executable."""
    found: dict[str, Parameter] = {}
    module = f"{PACKAGE}.nodes.{node}"
    seen: set[tuple[str, str]] = set()
    for name in module_of(module)[0]:
        _visit(module, name, seen, found)
    return tuple(found.values())


def nodes() -> list[str]:
    """Names of all nodes' executables, from setup.cfg."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parser["options.entry_points"]["console_scripts"].strip().splitlines()
    pairs = [line.split("=") for line in lines]
    return sorted(name.strip() for name, target in pairs if target.strip().startswith(f"{PACKAGE}.nodes."))
