"""Processes whose lines are not noted: that takes half as long again, and distorts what is about time."""

import os


def untraced() -> dict[str, str]:
    """Environment for a process that the coverage of the tests is not to see."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
