"""Before a service is offered, all that its requests run is compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

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


def test_the_cache_is_filled_by_another_process_where_it_is_empty(tmp_path, monkeypatch):
    from crisp_ik_ros.nodes import compiling

    # What the tests run on is compiled by now; an empty folder is not, nor one with other functions.
    late("nominal", warm=True)
    assert compiling.is_compiled()
    function = SimpleNamespace(stats=SimpleNamespace(cache_path=str(tmp_path)), py_func=compiling.search.py_func)
    monkeypatch.setattr(compiling, "search", function)
    assert not compiling.is_compiled()
    (tmp_path / "search._look-1.py3.nbi").touch()
    assert not compiling.is_compiled()
    (tmp_path / "search.search-1.py3.nbi").touch()
    assert compiling.is_compiled()


def test_compiling_aside_warms_up_and_ends(monkeypatch):
    from crisp_ik_ros.nodes import compiling

    seen = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        compiling.subprocess, "Popen", lambda *args, **named: seen.append(popen(*args, **named)) or seen[-1]
    )
    compiling.compile_aside()
    assert [process.returncode for process in seen] == [0, 0]
