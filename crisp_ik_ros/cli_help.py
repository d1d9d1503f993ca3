"""How the help of ``crisp-ik`` is written: options and arguments with units, commands with examples."""

from __future__ import annotations

import inspect
import textwrap
import types
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer

# Longer ones would be broken on a terminal of 80 columns, where the first stands beside the name of its command.
LONGEST_SUMMARY, LONGEST_EXAMPLE = 55, 76
# Begins a paragraph whose lines are to stay as they are.
_VERBATIM = "\b"


def option(*names: str, help: str, panel: str | None = None, complete: Callable | None = None, **settings: Any) -> Any:
    """Option of a command; what stands in square brackets in its help is a unit, and no markup."""
    return typer.Option(*names, help=_plain(help), rich_help_panel=panel, autocompletion=complete, **settings)


def argument(help: str, complete: Callable | None = None, **settings: Any) -> Any:
    """Argument of a command, see ``option``."""
    return typer.Argument(help=_plain(help), autocompletion=complete, **settings)


def add_command(
    app: typer.Typer, function: Callable, panel: str, examples: Sequence[str] = (), name: str | None = None
) -> None:
    """Add a command to ``app`` under the heading ``panel``.

    Parameters
    ----------
    app : typer.Typer
    function : callable
        Its docstring is the help; the first paragraph also the summary in the list of commands.
    panel : str
    examples : sequence of str
        Each of them lines to paste: comments and commands.
    name : str, optional
        Default: that of the function.
    """
    text = inspect.cleandoc(function.__doc__ or "")
    summary = " ".join(text.split("\n\n")[0].split()).rstrip(".")
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    shown = [_VERBATIM + textwrap.indent(example.strip("\n"), "  ") for example in examples]
    if shown:
        paragraphs += ["[bold]Examples[/bold]", *(_plain(example) for example in shown)]
    function.__annotations__ = {
        key: _with_union(hint) for key, hint in get_type_hints(function, include_extras=True).items()
    }
    app.command(
        name,
        help="\n\n".join([_plain(paragraphs[0]), *paragraphs[1:]]),
        short_help=_plain(summary),
        rich_help_panel=panel,
    )(function)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _with_union(hint: Any) -> Any:
    """Annotation with ``Union`` for ``|``: the Typer of Ubuntu 24.04, 0.9, knows only the former."""
    if get_origin(hint) is Annotated:
        kind, *settings = get_args(hint)
        return Annotated[(_with_union(kind), *settings)]
    return Union[get_args(hint)] if isinstance(hint, types.UnionType) else hint  # noqa: UP007
