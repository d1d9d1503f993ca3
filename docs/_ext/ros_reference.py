"""Directives ``ros-nodes`` and ``ros-services``: the ROS interface, from the nodes' sources, the policy and .srv files.

No ROS 2 is needed.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from declared import ROOT, Parameter, nodes, parameters_of
from docutils import nodes as elements
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

KINDS = (
    ("topics", "publish", "publishes"),
    ("topics", "subscribe", "subscribes to"),
    ("services", "reply", "serves"),
    ("services", "request", "calls"),
    ("actions", "execute", "serves the action"),
    ("actions", "call", "calls the action"),
)
# What every node of ROS 2 has.
COMMON = re.compile(
    r"(~/|/?)(get_|set_|list_|describe_)?(parameters?|parameter_types|parameters_atomically|parameter_events)$|"
    r"/?(rosout|clock)$|.*/get_type_description$"
)
FIELD = re.compile(r"^(\S+)\s+(\w+)\s*(?:=\s*(\S+))?\s*(?:#.*)?$")


def cell(text: str) -> str:
    """Text that may stand in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<").replace("~/", "\\~/")


def number(value: Any) -> str:
    """A number, or a list of them, as one would write it."""
    if isinstance(value, list):
        return "[" + ", ".join(map(number, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.1f}" if value == round(value) and abs(value) < 1e6 else f"{value:.6g}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def parameter_row(parameter: Parameter) -> str:
    """A row of a node's table."""
    limits = "" if parameter.minimum is None else f"{number(parameter.minimum)} to {number(parameter.maximum)}"
    default = f"`{number(parameter.default)}`" if parameter.known else "depends"
    change = "" if parameter.read_only else "yes"
    return (
        f"| `{parameter.name}` | {parameter.kind} | {default} | {limits} | {change} | {cell(parameter.description)} |"
    )


def interface(node: str) -> list[str]:
    """What a node may publish, subscribe to, serve and call, from the policy, which the tests hold to what it does."""
    tree = ElementTree.parse(ROOT / "config" / "security" / "policy.xml")
    lines = []
    for profile in tree.iter("profile"):
        if profile.get("node") != node:
            continue
        for tag, right, words in KINDS:
            names = [
                item.text.strip()
                for group in profile.findall(tag)
                if group.get(right) == "ALLOW"
                for item in group
                if item.text and not COMMON.match(item.text.strip())
            ]
            if names:
                lines.append(
                    f"- {words} " + ", ".join(f"`{name if name[0] in '~/' else '/' + name}`" for name in names)
                )
    return lines


class RosNodes(SphinxDirective):
    """Interface and parameters of every node."""

    def run(self) -> list[elements.Node]:
        """Return the sections."""
        lines = []
        for node in nodes():
            for file in ("setup.cfg", "config/security/policy.xml"):
                self.env.note_dependency(str(ROOT / file))
            lines += [f"## {node}", "", *interface(node), ""]
            lines += ["| parameter | type | default | range | may change | meaning |", "|---|---|---|---|---|---|"]
            lines += [*map(parameter_row, parameters_of(node)), ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def described(text: str) -> list[str]:
    """Markdown of a .srv file: its summary, and a table each for request and response."""
    lines: list[str] = []
    for part, title in zip(text.split("\n---\n"), ("request", "response"), strict=True):
        rows, constants, words = [], [], []
        for line in part.splitlines():
            if line.startswith("#"):
                words.append(line.strip("# "))
            elif not line.strip():
                if not rows and words and title == "request" and not lines:
                    lines += [" ".join(words[:1]), ""]
                words = []
            elif field := FIELD.match(line):
                kind, name, value = field.groups()
                if value is not None:
                    constants.append(f"`{name}` = {value}")
                else:
                    rows.append(f"| `{name}` | `{kind}` | {cell(' '.join(words))} |")
                    words = []
        lines += [f"| {title} | type | meaning |", "|---|---|---|", *rows, ""]
        if constants:
            lines += ["Codes: " + ", ".join(constants) + ".", ""]
    return lines


class RosServices(SphinxDirective):
    """Every .srv file of the package."""

    def run(self) -> list[elements.Node]:
        """Return the sections."""
        lines = []
        for file in sorted((ROOT / "srv").glob("*.srv")):
            self.env.note_dependency(str(file))
            lines += [f"## crisp_ik/srv/{file.stem}", "", *described(file.read_text(encoding="utf-8"))]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directives."""
    app.add_directive("ros-nodes", RosNodes)
    app.add_directive("ros-services", RosServices)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
