"""Compiled functions are kept for one state of the sources."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import crisp_ik_ros
from crisp_ik_ros.compilation_cache import PREFIX

CALLEE = """
from numba import njit

@njit(cache=True)
def callee(x):
    return x + {added}
"""
CALLER = """
from numba import njit
from package.callee import callee

@njit(cache=True)
def caller(x):
    return 10 * callee(x)
"""
PROGRAM = """
import sys
from pathlib import Path
from crisp_ik_ros.compilation_cache import use_cache
use_cache(Path("package").resolve())
from package.caller import caller
print(caller(1), sum(caller.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "callee.py").write_text(CALLEE.format(added=1))
    (folder / "caller.py").write_text(CALLER)
    return folder


def run(package, **environment):
    paths = os.pathsep.join([str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=package.parent,
        env={**variables, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_a_change_in_a_called_file_is_compiled_and_an_unchanged_package_is_not(package):
    assert run(package) == ["20", "0"]
    assert run(package) == ["20", "1"]
    (package / "callee.py").write_text(CALLEE.format(added=22))
    assert run(package) == ["230", "0"]
    assert len(list((package / "__pycache__").glob(f"{PREFIX}*"))) == 1


def test_a_cache_that_the_user_chose_is_left_alone(package, tmp_path):
    run(package, NUMBA_CACHE_DIR=str(tmp_path / "mine"))
    assert not list(package.rglob(f"{PREFIX}*"))
    assert any((tmp_path / "mine").rglob("*.nbi"))


def test_who_comes_through_a_link_finds_what_was_compiled(tmp_path):
    """A clone is on the path of Python as it is, and through the link of its environment."""
    (tmp_path / "crisp_ik_ros").symlink_to(Path(crisp_ik_ros.__file__).resolve().parent)
    program = "from crisp_ik_ros.robots import chain; print(chain.frames.stats.cache_path)"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", program]
    through = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    from crisp_ik_ros.robots import chain

    assert through.stdout.strip() == chain.frames.stats.cache_path
