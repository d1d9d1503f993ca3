"""The benchmark on logs of real arms, on arms made here; and on real ones where CRISP_IK_REAL_ROBOTS says where."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import ROOT, TWO_LINK
from scipy.optimize import least_squares

from benchmarks import real_robots
from crisp_ik_ros import Dataset, LearnedKinematics, RobotModel

SCRIPT = ROOT / "benchmarks" / "real_robots.py"


def arm_urdf(joints):
    """Return an arm of so many turning joints, axes z, y, z, y, ... and links of 0.25 m."""
    parts = [f'<robot name="arm{joints}"> <link name="base"/>']
    for j in range(joints):
        parent, axis = ("base" if j == 0 else f"link{j}"), ("0 0 1", "0 1 0")[j % 2]
        parts.append(
            f'<link name="link{j + 1}"/> <joint name="joint{j + 1}" type="revolute"> <origin xyz="0.03 0 0.25"/> '
            f'<parent link="{parent}"/> <child link="link{j + 1}"/> <axis xyz="{axis}"/> '
            '<limit lower="-2.8" upper="2.8" effort="1" velocity="1"/> </joint>'
        )
    parts.append(
        f'<link name="ball"/> <joint name="stick" type="fixed"> <origin xyz="0.08 0.02 0.15"/> '
        f'<parent link="link{joints}"/> <child link="ball"/> </joint> </robot>'
    )
    return "\n".join(parts)


def at_one_point(robot, point, count, rng):
    """Configurations (count, J) that put the tool of a robot on a point (3,)."""
    found = []
    while len(found) < count:
        solved = least_squares(
            lambda q: robot.forward_kinematics(q)[:3, 3] - point,
            rng.uniform(robot.lower, robot.upper),
            lambda q: robot.jacobian(q)[:3],
            bounds=(robot.lower, robot.upper),
            xtol=1e-12, ftol=1e-12,
        )  # fmt: skip
        if np.linalg.norm(solved.fun) < 1e-7:
            found.append(solved.x)
    return np.array(found)


def make_logs(folder, joints, points, rows=25, seed=0):
    """Write the logs of an arm that is not as its URDF says; ``points``: location -> file -> (3,). Return the URDF."""
    urdf = folder / "arm.urdf"
    urdf.write_text(arm_urdf(joints))
    rng = np.random.default_rng(seed)
    nominal = RobotModel.from_urdf(urdf, "base", "ball")
    true = nominal.with_bias(0.01 * rng.normal(size=joints), 2e-3 * rng.normal(size=(len(nominal.joints), 3)))
    for location, files in points.items():
        (folder / "logs" / location).mkdir(parents=True)
        for name, point in files.items():
            q = at_one_point(true, np.array(point), rows, rng) + 5e-5 * rng.normal(size=(rows, joints))
            lines = [",".join(f"{angle:.9f}" for angle in row) for row in q]
            (folder / "logs" / location / name).write_text("\n".join(lines) + "\n")
    return urdf


def scatter_by_hand(urdf, files):
    """Mean of the files' mean distances, and largest distance [mm]."""
    robot, means, largest = RobotModel.from_urdf(urdf, "base", "ball"), [], 0.0
    for file in files:
        lines = [line for line in file.read_text().splitlines() if line.strip()]
        tips = [robot.forward_kinematics([float(cell) for cell in line.split(",")])[:3, 3] for line in lines]
        middle = sum(tips) / len(tips)
        distances = [1e3 * float(np.sqrt(((tip - middle) ** 2).sum())) for tip in tips]
        means.append(sum(distances) / len(distances))
        largest = max(largest, *distances)
    return {"mean_mm": sum(means) / len(means), "max_mm": largest}


def script(*arguments, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def small_arm(tmp_path_factory):
    """Four joints; one file a location, with names and blank lines of its own."""
    folder = tmp_path_factory.mktemp("small")
    points = {
        "near": {"socket.csv": (0.4, 0.1, 0.5)},
        "far": {"b.csv": (-0.3, 0.4, 0.6)},
        "up": {"c.csv": (0, 0.3, 0.8)},
    }
    urdf = make_logs(folder, 4, points, 30)
    file = folder / "logs" / "near" / "socket.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n" + "\n\n".join(lines[:3]) + "\n   \n" + "\n".join(lines[3:]) + "\n\n\n")
    (folder / "logs" / "README.md").write_text("not a log\n")
    return folder, urdf


@pytest.fixture(scope="module")
def long_arm(tmp_path_factory):
    """Ten joints; three files a location."""
    folder = tmp_path_factory.mktemp("long")
    places = {"left": (0.5, 0.6, 1.0), "right": (0.5, -0.6, 1.2)}
    points = {
        name: {f"hole_{k}.csv": np.add(place, (0.05 * (k == 1), 0.0, 0.03 * (k == 2))) for k in range(3)}
        for name, place in places.items()
    }
    return folder, make_logs(folder, 10, points, 20, seed=3)


def test_scatter_of_two_rows_by_hand():
    robot = RobotModel.from_urdf(TWO_LINK)
    # Links of 1 and 0.5 m: stretched along x and along y the tool is at (1.5, 0) and (0, 1.5).
    q = np.array([[0.0, 0.0], [0.5 * np.pi, 0.0]])
    still = np.zeros((3, 2))
    dataset = Dataset.from_same_points({"here/a": q, "here/b": still, "there/a": q}, robot.joint_names)
    apart = 1e3 * 0.75 * np.sqrt(2.0)
    found = real_robots.scatters(robot, dataset)
    assert found["here"] == pytest.approx({"mean_mm": 0.5 * apart, "max_mm": apart})
    assert found["there"] == pytest.approx({"mean_mm": apart, "max_mm": apart})


@pytest.mark.long
def test_leave_one_out_as_a_plain_script_prints_one_json_object(small_arm):
    folder, urdf = small_arm
    done = script(
        "logs", "--urdf", urdf, "--base-link", "base", "--tip-link", "ball", "--leave-one-out", "--json", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"nominal", "test", "mean_test_mm", "settings"}
    assert set(found["nominal"]) == set(found["test"]) == {"near", "far", "up"}
    for location, row in found["nominal"].items():
        assert row == pytest.approx(scatter_by_hand(urdf, (folder / "logs" / location).glob("*.csv")))
    means = {location: row["mean_mm"] for location, row in found["test"].items()}
    assert found["mean_test_mm"] == pytest.approx(sum(means.values()) / 3)
    assert found["mean_test_mm"] < 0.6 * np.mean([row["mean_mm"] for row in found["nominal"].values()])
    assert found["settings"]["learned_kinematics"]["harmonics"] == LearnedKinematics(RobotModel.panda()).harmonics


def test_trained_on_one_location_tests_the_others(long_arm, capsys):
    folder, urdf = long_arm
    arguments = [str(folder / "logs"), "--urdf", str(urdf), "--base-link", "base", "--tip-link", "ball"]
    real_robots.main([*arguments, "--train", "left", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert set(found["nominal"]) == {"left", "right"} and set(found["test"]) == {"right"}
    assert found["nominal"]["right"] == pytest.approx(scatter_by_hand(urdf, (folder / "logs" / "right").glob("*.csv")))
    assert found["test"]["right"]["mean_mm"] < 0.5 * found["nominal"]["right"]["mean_mm"]
    # The table has the same figures.
    robot = RobotModel.from_urdf(urdf, "base", "ball")
    table = real_robots.text(found)
    assert "trained on" in table and f"{found['test']['right']['mean_mm']:.3f}" in table
    assert len(real_robots.read_logs(folder / "logs", robot.joint_names)) == 120


def test_the_distance_is_between_hole_0_and_hole_1_unless_the_folder_says_it(long_arm, small_arm, tmp_path):
    names = [f"joint{j + 1}" for j in range(10)]
    dataset = real_robots.read_logs(long_arm[0] / "logs", names)
    assert [(entry.first, entry.second, entry.length) for entry in dataset.distances] == [
        (f"{place}/hole_0", f"{place}/hole_1", 0.05) for place in ("left", "right")
    ]
    assert real_robots.read_logs(long_arm[0] / "logs", names, None).distances == ()
    assert real_robots.read_logs(small_arm[0] / "logs", names[:4]).distances == ()
    own = tmp_path / "own"
    for file in (long_arm[0] / "logs").rglob("*.csv"):
        copy = own / file.parent.name / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    (own / "distances.csv").write_text("first,second,length_m\nleft/hole_0,left/hole_2,0.03\n")
    assert [entry.length for entry in real_robots.read_logs(own, names).distances] == [0.03]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--train", "nowhere"], "near"),
        (["--train", "near", "--train", "far", "--train", "up"], "left to test on"),
        (["--leave-one-out", "--distance", "-1"], "distance"),
        (["--leave-one-out", "--base-link", "cellar"], "cellar"),
        (["--leave-one-out", "--tip-link", "link3"], "4 columns"),
        (["--leave-one-out", "--urdf", "missing.urdf"], "missing.urdf"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(small_arm, arguments, said, capsys):
    folder, urdf = small_arm
    with pytest.raises(SystemExit) as exit_:
        real_robots.main(
            [str(folder / "logs"), "--urdf", str(urdf), "--base-link", "base", "--tip-link", "ball", *arguments]
        )
    captured = capsys.readouterr()
    assert exit_.value.code == 1 and captured.out == ""
    assert said in captured.err and len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no folder"),
        ({"a/x.csv": "0.1,0.2,0.3,0.4\n" * 9}, "at least one more"),
        ({"a/x.csv": "0.1,0.2,0.3\n", "b/x.csv": "0.1,0.2,0.3\n"}, "3 columns"),
        ({"a/x.csv": "\n\n", "b/x.csv": "0.1,0.2,0.3,0.4\n"}, "empty"),
        ({"a/x.csv": "0.1,0.2,nan,0.4\n", "b/x.csv": "0.1,0.2,0.3,0.4\n"}, "joint3"),
        ({"a/x.csv": "10,-80,35,120\n" * 9, "b/x.csv": "15,-60,35,120\n" * 9}, "degrees"),
        ({"a/x.csv": "0.1,0.2,0.3,0.4\n" * 9, "b/x.csv": "0.1,0.2,0.3,0.4\n"}, "without a"),
    ],
)
def test_bad_folders_are_named(small_arm, tmp_path, files, said, capsys):
    for name, content in files.items():
        (tmp_path / "logs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "logs" / name).write_text(content)
    arguments = [str(tmp_path / "logs"), "--urdf", str(small_arm[1]), "--base-link", "base", "--tip-link", "ball"]
    with pytest.raises(SystemExit) as exit_:
        real_robots.main([*arguments, "--leave-one-out", "--json"])
    captured = capsys.readouterr()
    assert exit_.value.code == 1 and captured.out == "" and said in captured.err


@pytest.mark.parametrize("arguments", [[], ["--train", "near", "--leave-one-out"]])
def test_one_of_the_two_ways_has_to_be_chosen(small_arm, arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        real_robots.main(["logs", "--urdf", "u", "--base-link", "b", "--tip-link", "t", *arguments])
    assert exit_.value.code == 2 and "--leave-one-out" in capsys.readouterr().err


@pytest.mark.skipif("CRISP_IK_REAL_ROBOTS" not in os.environ, reason="CRISP_IK_REAL_ROBOTS names no folder of logs")
def test_a_real_panda_trained_at_one_place_is_right_at_the_others(capsys):
    folder = Path(os.environ["CRISP_IK_REAL_ROBOTS"])
    arguments = [str(folder / "panda_3"), "--urdf", str(folder / "panda.urdf"), "--base-link", "panda_link0"]
    real_robots.main([*arguments, "--tip-link", "ball_link", "--train", "frontcenter", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert min(row["mean_mm"] for row in found["nominal"].values()) > 3.0
    # The source's own calibration of this arm, trained at the same place: 0.239 mm.
    assert len(found["test"]) == 5 and found["mean_test_mm"] < 0.2
