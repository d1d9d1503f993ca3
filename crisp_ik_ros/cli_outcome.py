"""How a run of ``crisp-ik`` ends: exit codes, and errors in words."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from crisp_ik_ros.errors import CrispIKError

PROGRAM = "crisp-ik"
DONE, FAILED, WRONG_USAGE, BUG, INTERRUPTED, OUTPUT_CLOSED = 0, 1, 2, 70, 130, 141
DEBUG = "--debug"
# What the parser raises for wrong usage: click's, or that of the click that comes with newer typer.
ParserError = typer.BadParameter.__mro__[2]
# What the system says of a file in few words is said with what to do about it.
REMEDIES = {
    errno.ENOENT: "no such file or folder",
    errno.EACCES: "no permission; choose another place, or change its rights",
    errno.EPERM: "no permission; choose another place, or change its rights",
    errno.EROFS: "it is on a file system that cannot be written to; choose another place",
    errno.ENOSPC: "the disk is full; make room, or choose another place",
    errno.EDQUOT: "your quota on the disk is used up; make room, or choose another place",
    errno.EISDIR: "it is a folder, and a file is expected",
    errno.ENOTDIR: "it is a file, and a folder is expected",
}


@dataclass(frozen=True)
class Failure:
    """Why a run was no success.

    Attributes
    ----------
    message : str
    kind : str
        Name of the error's class, "UsageError" or "Interrupted".
    code : int
        Exit code of the process.
    command : str
        What the message is of, such as "crisp-ik train".
    """

    message: str
    kind: str
    code: int
    command: str = PROGRAM


def failure_of(error: BaseException) -> Failure:
    """Tell in words what an exception means for the one who typed the command."""
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return Failure("interrupted", "Interrupted", INTERRUPTED)
    if isinstance(error, ParserError):
        context = getattr(error, "ctx", None)
        command = PROGRAM if context is None else str(context.command_path)
        message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
        return Failure(f"{message.rstrip('.')}. See: {command} --help", "UsageError", WRONG_USAGE, command)
    kind = type(error).__name__
    if isinstance(error, CrispIKError):
        return Failure(str(error), kind, FAILED)
    if isinstance(error, MemoryError):
        return Failure(
            "there is not enough memory for this; take fewer samples (--count) or centers (--centers)", kind, FAILED
        )
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("crisp_ik"):
        return Failure(
            f"this needs the library {error.name}, which is not installed: pip install {error.name}",
            kind,
            FAILED,
        )
    if isinstance(error, OSError) and error.errno is not None:
        reason = REMEDIES.get(error.errno, error.strerror)
        return Failure(f"{error.filename}: {reason}" if error.filename else str(reason), kind, FAILED)
    return Failure(
        f"unexpected {kind}: {error}. That is a fault in crisp-ik; the same command with {DEBUG} says where", kind, BUG
    )


def run(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; whatever goes wrong becomes one line, or one JSON object.

    Parameters
    ----------
    app : typer.Typer
    arguments : sequence of str
        Without the program's name. ``--debug`` may stand anywhere before ``--`` and shows the traceback as well.
    """
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    debug = DEBUG in arguments[:end]
    words = [word for word in arguments[:end] if word != DEBUG] + list(arguments[end:])
    try:
        code = app(words, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        return _end(None, words) if code == INTERRUPTED else code if isinstance(code, int) else DONE
    except BrokenPipeError:
        return _give_up_output()
    except SystemExit as ended:
        # The parser has heard of it first.
        if isinstance(ended.__context__, BrokenPipeError):
            return _give_up_output()
        raise
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        return _end(error, words)


def _end(error: BaseException | None, words: Sequence[str]) -> int:
    failure = failure_of(error or KeyboardInterrupt())
    try:
        if "--json" in words:
            print(json.dumps({"error": failure.message, "kind": failure.kind, "exit_code": failure.code}), flush=True)
        else:
            # The terminal has written ^C.
            begin = "\n" if failure.code == INTERRUPTED and sys.stderr.isatty() else ""
            print(f"{begin}{failure.command}: {failure.message}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _give_up_output()
    return failure.code


def _give_up_output() -> int:
    """Let nothing more be written to a stdout that nobody reads, such as what is left when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
    return OUTPUT_CLOSED
