"""Before a service is offered, all that its requests run is compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = Path(__file__).with_name("warm_up_probe.py")


def late(model: str, warm: bool) -> str:
    """Specialisations that requests add, in a process where nothing else has run."""
    command = [sys.executable, str(PROBE), model, "warm" if warm else "cold"]
    # From the folder that the tests run in, as they import it themselves.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("model", ["", "nominal"])
def test_no_request_waits_for_a_compiler(model):
    assert late(model, warm=True) == ""


def test_the_probe_sees_what_is_compiled_late():
    assert "search(" in late("nominal", warm=False)
