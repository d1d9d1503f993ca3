"""The example that calls the service, with the real service."""

import os
import subprocess
import sys
from pathlib import Path

from processes import ENVIRONMENT

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "08_call_the_service.py"


def test_the_example_gets_a_pose_a_path_and_a_reason(start):
    service = start("ik_service")
    run = subprocess.run(
        [sys.executable, EXAMPLE], env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, timeout=90
    )
    assert run.returncode == 0, run.stdout + run.stderr + service.text
    assert "/compute_ik: learned" in run.stdout and run.stdout.count(" rad\n") == 7
    assert "21 of 21 poses" in run.stdout
    assert "error -21: " in run.stdout and "panda_link0" in run.stdout
