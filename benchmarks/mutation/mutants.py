"""All mutants of one source file: one small change each, made in the text, so that it can be shown as it stands."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

ARITHMETIC = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
}  # fmt: skip
# What a comparison becomes at its boundary, and what is its opposite.
BOUNDARY = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
OPPOSITE = {
    ast.Lt: ("<", ">="), ast.LtE: ("<=", ">"), ast.Gt: (">", "<="), ast.GtE: (">=", "<"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}  # fmt: skip
# Functions whose arguments may stand in any order.
SYMMETRIC = {"min", "max", "minimum", "maximum", "hypot", "isinstance", "array_equal"}
# Functions of whose arguments a larger one makes no difference: memory that is written before it is read.
MEMORY = {"empty"}
# Constants below are multiplied by a thousand: twice a tolerance of 1e-10 is the same tolerance.
SMALL = 1e-3


class Mutant(NamedTuple):
    """One change: the bytes from ``start`` to ``end`` of the source become ``text``."""

    start: int
    end: int
    text: str
    line: int
    kind: str

    def apply(self, source: bytes) -> bytes:
        """Source with the change."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def change(self, source: bytes) -> str:
        """The changed lines before and after, on one line, blanks reduced: the same wherever in the file it stands."""
        first = source.rfind(b"\n", 0, self.start) + 1
        last = source.find(b"\n", self.end)
        last = len(source) if last < 0 else last
        before = source[first:last].decode()
        after = (source[first : self.start] + self.text.encode() + source[self.end : last]).decode()
        return " => ".join(" ".join(text.split()) for text in (before, after))

    def key(self, source: bytes) -> str:
        """Name of the change in this state of the file."""
        text = f"{hashlib.sha256(source).hexdigest()} {self.start} {self.end} {self.text}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def mutants_of(source: bytes) -> list[Mutant]:
    """Return every mutant of a source file that is another program, in the order of the text, none twice."""
    original = ast.dump(ast.parse(source))
    found: dict[str, Mutant] = {}
    for mutant in _Walk(source).mutants():
        try:
            changed = ast.dump(ast.parse(mutant.apply(source)))
        except SyntaxError:
            continue
        if changed != original:
            found.setdefault(changed, mutant)
    return sorted(found.values())


class _Walk:
    """Walk over the syntax tree of a file."""

    def __init__(self, source: bytes):
        self.source = source
        self.lines = [0]
        for line in source.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))

    def mutants(self) -> Iterator[Mutant]:
        yield from self._visit(ast.parse(self.source), set())

    def _start(self, node: ast.AST) -> int:
        return self.lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def _end(self, node: ast.AST) -> int:
        return self.lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def _text(self, node: ast.AST) -> str:
        return self.source[self._start(node) : self._end(node)].decode()

    def _replace(self, node: ast.AST, text: str, kind: str) -> Mutant:
        return Mutant(self._start(node), self._end(node), text, node.lineno, kind)  # type: ignore[attr-defined]

    def _between(self, left: ast.AST, right: ast.AST, old: str, new: str, kind: str) -> Iterator[Mutant]:
        """Replace an operator between two expressions, where there is only white space and parentheses beside it."""
        begin = self._end(left)
        pattern = r"\s+".join(map(re.escape, old.split()))
        match = re.search(pattern, self.source[begin : self._start(right)].decode())
        if match:
            line = right.lineno  # type: ignore[attr-defined]
            yield Mutant(begin + match.start(), begin + match.end(), new, line, kind)

    def _swap(self, left: ast.AST, right: ast.AST, kind: str) -> Mutant:
        gap = self.source[self._end(left) : self._start(right)].decode()
        text = self._text(right) + gap + self._text(left)
        return Mutant(self._start(left), self._end(right), text, left.lineno, kind)  # type: ignore[attr-defined]

    def _visit(self, node: ast.AST, known: set[str]) -> Iterator[Mutant]:
        """Mutants of a node and what is below it; ``known`` are names that already have a value in this function."""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name == "__repr__":
                return
            known = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
        if isinstance(node, ast.stmt):
            yield from self._statement(node, known)
        if isinstance(node, ast.expr):
            yield from self._expression(node)
        if isinstance(node, ast.Assign):
            known |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        for child in self._below(node):
            yield from self._visit(child, known)

    @staticmethod
    def _below(node: ast.AST) -> Iterator[ast.AST]:
        """Parts of a node that have a meaning to get wrong: no types, no messages, no texts, no imports."""
        if isinstance(node, (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom)):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Call) and _name(node) in MEMORY:
            return
        skipped = {"annotation", "returns", "decorator_list", "bases", "type_comment", "msg"}
        for name, value in ast.iter_fields(node):
            if name not in skipped:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield child

    def _statement(self, node: ast.stmt, known: set[str]) -> Iterator[Mutant]:
        removable = isinstance(node, (ast.AugAssign, ast.Raise, ast.Continue, ast.Break))
        if isinstance(node, ast.Expr):
            removable = not isinstance(node.value, (ast.Constant, ast.Yield))
        if isinstance(node, ast.Assign):
            removable = all(self._has_value(target, known) for target in node.targets)
        if removable:
            yield self._replace(node, "pass", "removed statement")
        if isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
            old, new = ARITHMETIC[type(node.op)]
            yield from self._between(node.target, node.value, f"{old}=", f"{new}=", "arithmetic")
            yield from self._between(node.target, node.value, f"{old}=", "=", "arithmetic")
        if isinstance(node, (ast.If, ast.While)):
            yield from self._negation(node.test)

    @staticmethod
    def _has_value(target: ast.expr, known: set[str]) -> bool:
        """Whether a target has a value already, so that the program still runs without the assignment."""
        if isinstance(target, (ast.Tuple, ast.List)):
            return all(_Walk._has_value(part, known) for part in target.elts)
        return isinstance(target, (ast.Subscript, ast.Attribute)) or (
            isinstance(target, ast.Name) and target.id in known
        )

    def _expression(self, node: ast.expr) -> Iterator[Mutant]:
        if isinstance(node, ast.BinOp):
            if type(node.op) in ARITHMETIC:
                yield from self._between(node.left, node.right, *ARITHMETIC[type(node.op)], "arithmetic")
            elif isinstance(node.op, ast.MatMult):
                yield self._swap(node.left, node.right, "swapped operands")
        elif isinstance(node, ast.UnaryOp):
            if isinstance(node.op, (ast.USub, ast.Not)):
                kind = "sign" if isinstance(node.op, ast.USub) else "negated condition"
                yield self._replace(node, self._text(node.operand), kind)
        elif isinstance(node, ast.Compare):
            yield from self._comparison(node)
        elif isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in pairwise(node.values):
                yield from self._between(left, right, old, new, "and, or")
        elif isinstance(node, ast.IfExp):
            yield from self._negation(node.test)
        elif isinstance(node, ast.Constant):
            yield from self._constant(node)
        elif isinstance(node, ast.Attribute) and node.attr == "T":
            yield self._replace(node, self._text(node.value), "not transposed")
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) and len(node.slice.elts) == 2:
            first, second = node.slice.elts
            yield self._swap(first, second, "swapped index")
        elif isinstance(node, ast.Call):
            yield from self._call(node)

    def _negation(self, test: ast.expr) -> Iterator[Mutant]:
        """Opposite of a condition; that of a comparison, or of one that has a ``not``, comes with the expression."""
        if not isinstance(test, (ast.Compare, ast.UnaryOp)):
            yield self._replace(test, f"not ({self._text(test)})", "negated condition")

    def _comparison(self, node: ast.Compare) -> Iterator[Mutant]:
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            old, new = OPPOSITE[type(operator)]
            yield from self._between(left, right, old, new, "negated condition")
            if type(operator) in BOUNDARY:
                yield from self._between(left, right, old, BOUNDARY[type(operator)], "boundary")

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        value = node.value
        if isinstance(value, bool):
            yield self._replace(node, str(not value), "constant")
        elif isinstance(value, int):
            yield self._replace(node, str(value + 1), "constant")
        elif isinstance(value, float):
            changed = 1.0 if value == 0.0 else value * (1000.0 if abs(value) < SMALL else 2.0)
            yield self._replace(node, repr(changed), "constant")

    def _call(self, node: ast.Call) -> Iterator[Mutant]:
        name = _name(node)
        arguments = [argument for argument in node.args if not isinstance(argument, (ast.Starred, ast.GeneratorExp))]
        if name == "range":
            last = node.args[1] if len(node.args) > 1 else node.args[0]
            yield self._replace(last, f"{self._text(last)} - 1", "boundary")
        elif name not in SYMMETRIC and len(arguments) == len(node.args):
            for left, right in pairwise(arguments):
                yield self._swap(left, right, "swapped arguments")


def _name(call: ast.Call) -> str:
    """Name of the function or method that is called; empty where it has none."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
