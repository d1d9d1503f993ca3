"""Commands write below the paths that they are given, in temporary folders and in caches, and nowhere else."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from measured import measured_positions, true_robot
from oracles import ROOT

pytestmark = pytest.mark.long

# Reports every file that is opened for writing, made, renamed or removed, and every connection.
WATCHED = textwrap.dedent("""
    import json, os, sys
    touched, writing = [], os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    def hook(event, arguments):
        if event == "open":
            path, mode, flags = arguments
            if isinstance(flags, int) and flags & writing and not isinstance(path, int):
                touched.append(os.fsdecode(path))
        elif event in ("os.rename", "os.link", "os.symlink"):
            touched.extend(os.fsdecode(path) for path in arguments[:2])
        elif event in ("os.truncate", "shutil.rmtree"):
            touched.append(os.fsdecode(arguments[0]))
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.chmod"):
            # Relative to a folder that is open: within one that shutil.rmtree was told to remove.
            if arguments[-1] == -1:
                touched.append(os.fsdecode(arguments[0]))
        elif event == "socket.connect":
            touched.append(f"connection to {arguments[1]}")
    sys.addaudithook(hook)
    arguments, channel = json.loads(sys.argv[1]), int(sys.argv[2])
    from crisp_ik_ros.cli import main
    try:
        sys.argv[1:] = arguments
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    with os.fdopen(channel, "w") as stream:
        json.dump([code, sorted({os.path.abspath(path) for path in touched})], stream)
""")


def run(folder, cache, *arguments):
    """Exit code and paths that a command touched, but those of its temporary folder and caches."""
    reading, writing = os.pipe()
    temporary = cache / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "TMPDIR": str(temporary),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "XDG_CACHE_HOME": str(cache / "home"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps([str(word) for word in arguments]), str(writing)],
        env=environment, cwd=folder, pass_fds=[writing], capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    assert said, done.stdout + done.stderr
    code, touched = json.loads(said)
    known = (str(cache), str(ROOT / "crisp_ik_ros" / "__pycache__"), "/dev/null", "/dev/tty", "/dev/shm", "/proc/self")
    if os.environ.get("NUMBA_CACHE_DIR"):
        known += (os.environ["NUMBA_CACHE_DIR"],)
    return code, [path for path in touched if not path.startswith(known)], done.stdout + done.stderr


def within(folder, paths):
    return all(path == str(folder) or path.startswith(f"{folder}{os.sep}") for path in paths)


@pytest.fixture
def folders(tmp_path):
    for name in ("cache", "elsewhere", "out"):
        (tmp_path / name).mkdir()
    return tmp_path / "elsewhere", tmp_path / "cache", tmp_path / "out"


def test_training_evaluation_and_inspection_write_only_what_they_are_told_to(folders, planar5):
    pytest.importorskip("matplotlib")
    elsewhere, cache, out = folders
    measured_positions(true_robot(planar5), 40, 0).save(out / "data.csv")
    data = out / "data.csv"
    before = sorted(out.iterdir())
    code, touched, said = run(
        elsewhere, cache, "train", out / "model.npz", "--data", data, "--robot", "planar5",
        "--corrected-urdf", out / "corrected.urdf", "--report", out / "report.html",
    )  # fmt: skip
    assert code == 0, said
    assert touched and within(out, touched), touched
    written = {path.name for path in set(out.iterdir()) - set(before)}
    assert written == {"model.npz", "corrected.urdf", "report.html"}
    code, touched, said = run(elsewhere, cache, "evaluate", out / "model.npz", data)
    assert (code, touched) == (0, []), said
    code, touched, said = run(elsewhere, cache, "inspect", data, "--robot", "planar5", "--picture", out / "picture.png")
    assert code == 0, said
    assert touched and within(out, touched), touched
    assert not list(elsewhere.iterdir())


def test_sampling_writes_only_what_it_is_told_to(folders):
    pytest.importorskip("pybullet")
    elsewhere, cache, out = folders
    code, touched, said = run(elsewhere, cache, "sample", out / "data.npz", "--count", "8", "--region", "workspace")
    assert code == 0, said
    assert touched and within(out, touched), touched
    assert [path.name for path in out.iterdir()] == ["data.npz"] and not list(elsewhere.iterdir())
    with np.load(out / "data.npz") as archive:
        assert len(archive["poses"]) == 8


def test_what_is_refused_writes_nothing_at_all(folders):
    elsewhere, cache, out = folders
    (out / "data.csv").write_text("no,table\n1,2\n")
    code, touched, said = run(elsewhere, cache, "train", out / "new" / "model.npz", "--data", out / "data.csv")
    assert code == 1 and "Traceback" not in said, said
    assert touched == [] and not (out / "new").exists()
