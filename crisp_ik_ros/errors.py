"""Every error that crisp_ik raises on purpose, under one root."""

from __future__ import annotations

# What was given is quoted up to this many characters: a caller's megabyte is not sent back to him.
LONGEST_QUOTE = 300


def quoted(value: object, longest: int = LONGEST_QUOTE) -> str:
    """Return a value as text of at most ``longest`` characters, and how many there were where that is not all."""
    text = str(value)
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


class CrispIKError(Exception):
    """Root of all errors of this package: ``except CrispIKError`` catches every one of them."""


class InvalidInputError(CrispIKError, ValueError):
    """A value given by the caller cannot be used.

    Parameters
    ----------
    name : str
        What the value is called where it entered.
    got : object
        What was given (or the part of it that is wrong); quoted at bearable length.
    expected : str
        What would have been accepted.
    """

    def __init__(self, name: str, got: object, expected: str):
        super().__init__(f"{name}: got {quoted(got)}, expected {expected}")
        self.name = name
        self.got = got
        self.expected = expected

    def __reduce__(self) -> tuple[type[InvalidInputError], tuple[str, object, str]]:
        """Arguments of the constructor, for errors that cross from one process to another."""
        return type(self), (self.name, quoted(self.got), self.expected)


class URDFError(CrispIKError, ValueError):
    """A robot description cannot be read, or does not describe a serial chain between the two links."""


class RobotFileError(CrispIKError, ValueError):
    """A robot file is missing or cannot be used; the message names file and field."""


class DatasetError(CrispIKError, ValueError):
    """A data file or a set of samples cannot be used; the message names the row, column or field."""


class ResourceError(CrispIKError, RuntimeError):
    """Something would not fit into memory or on the disk, or could not be written: refused before any work."""


class RegressionError(CrispIKError, ArithmeticError):
    """The kernel system cannot be solved, even with the largest permitted jitter."""


class NotFittedError(CrispIKError, RuntimeError):
    """An estimator was asked for something that only exists after ``fit``."""


class ModelFileError(CrispIKError, ValueError):
    """A model file is missing, damaged, of another version, or made for another robot."""


class SimulationError(CrispIKError, RuntimeError):
    """The simulator could not do what was asked (load a robot, sample a region)."""


class SimulatorCrashError(SimulationError):
    """The simulator's process has crashed, or has been ended because it did not answer."""


class MissingDependencyError(CrispIKError, ImportError):
    """A library that this use needs is not installed; the message says which and how to get it."""
