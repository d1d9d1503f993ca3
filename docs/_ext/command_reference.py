"""Directive ``crisp-ik-commands``: every command of crisp-ik with its help, read from the command line itself."""

from __future__ import annotations

import re
import textwrap
from enum import EnumMeta
from typing import Any

import typer.main
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

# Begins a paragraph whose lines are to stay as they are, and so do those behind it that are indented.
VERBATIM, INDENT = "\b", "  "


def plain(text: str) -> str:
    """Take the marks of a terminal out of a help text: bold becomes Markdown's."""
    text = re.sub(r"\[/?bold\]", "**", text)
    return text.replace("\\[", "[").replace("\f", "")


def cell(text: str) -> str:
    """Text that may stand in a cell of a Markdown table."""
    return " ".join(plain(text).split()).replace("|", "\\|").replace("<", "\\<")


def default_of(parameter: Any) -> str:
    """What a parameter is where it is not given, or nothing."""
    value = parameter.default
    if parameter.required:
        return "required"
    if value is None or value == "" or callable(value) or parameter.is_eager:
        return ""
    value = getattr(value, "value", value)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return " ".join(f"{number:g}" for number in value)
    return f"`{value:.7g}`" if isinstance(value, float) else f"`{value}`"


def choices_of(parameter: Any) -> list[str]:
    """What may be given, where that is one of a few words: by click's type, or by the annotation that typer keeps."""
    if choices := getattr(getattr(parameter, "type", None), "choices", None):
        return [str(getattr(choice, "value", choice)) for choice in choices]
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    return [choice.value for choice in annotation] if isinstance(annotation, EnumMeta) else []


def row(parameter: Any) -> str:
    """A row of the table: what is typed, what it is if not, what it means."""
    if parameter.param_type_name == "argument":
        typed = f"`{parameter.name.upper()}`"
    else:
        typed = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    help_text = cell(getattr(parameter, "help", None) or "")
    if choices := choices_of(parameter):
        help_text = f"{help_text} One of {', '.join(f'`{choice}`' for choice in choices)}."
    return f"| {typed} | {cell(default_of(parameter))} | {help_text} |"


def describe(command: Any, name: str) -> list[str]:
    """Markdown of a command, and of those below it."""
    below = getattr(command, "commands", None)
    if below:
        lines = []
        for word, child in below.items():
            if not child.hidden:
                lines += describe(child, f"{name} {word}")
        return lines
    arguments = " ".join(
        parameter.name.upper() for parameter in command.params if parameter.param_type_name == "argument"
    )
    lines = [f"## {name}", "", "```text", " ".join(f"{name} {arguments} [OPTIONS]".split()), "```", ""]
    for paragraph in plain(command.help or "").strip("\n").split("\n\n"):
        if paragraph.startswith((VERBATIM, INDENT)):
            lines += ["```text", textwrap.dedent(paragraph.strip(VERBATIM + "\n")), "```", ""]
        else:
            lines += [paragraph.strip(), ""]
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    shown = [parameter for parameter in shown if parameter.name != "help"]
    if shown:
        lines += ["| | default | |", "|---|---|---|", *map(row, shown), ""]
    return lines


class Commands(SphinxDirective):
    """Describes all commands."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        from crisp_ik_ros.cli import app

        text = "\n".join(describe(typer.main.get_command(app), "crisp-ik"))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("crisp-ik-commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
