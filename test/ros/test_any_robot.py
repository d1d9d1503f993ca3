"""Arms other than the Panda, biased, follow the circle with a learned model: the launch file's system, over DDS."""

from __future__ import annotations

import json

import numpy as np
import pytest

from crisp_ik_ros import CRiSP, ModelBasedIK
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.nodes.description import bias_of
from crisp_ik_ros.nodes.runner import run_system
from crisp_ik_ros.nodes.system import SystemArguments, panda_sim_system
from crisp_ik_ros.regression.kernels import make_kernel
from crisp_ik_ros.robots.catalog import find_robot, find_robot_file, find_urdf
from crisp_ik_ros.trajectories import place_trajectory

pytest.importorskip("pybullet")
BIAS_DEG, POINTS = 1.0, 40


def learned(name: str, robot, true, path) -> str:
    """Path of a model that is fitted to a few hundred samples around the circle."""
    from crisp_ik_ros.simulation.demo_regions import demo_region_of
    from crisp_ik_ros.simulation.sampling import sample

    # On a redundant arm the pull of the samples' rest decides on the posture: they are drawn as the trainer draws them.
    samples = sample(true, demo_region_of(robot, find_robot_file(name).placement()), 400)
    CRiSP(robot, kernel=make_kernel("gaussian", 0.2, 0.6), penalty=1e-9, centers=None).fit(samples).save(path)
    return str(path)


@pytest.mark.parametrize(("name", "trained"), [("ur", True), ("kuka_iiwa", False), ("xarm6", False)])
def test_an_arm_that_is_a_degree_off_draws_the_circle(ros, tmp_path, name, trained):
    from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm

    robot, placement = find_robot(name), find_robot_file(name).placement()
    report = tmp_path / "report.json"
    with PyBulletArm(find_urdf(name), robot, *bias_of(robot, np.deg2rad(BIAS_DEG), 0.0, -1)) as true:
        model = "auto" if trained else learned(name, robot, true, tmp_path / "model.npz")
        arguments = SystemArguments(
            robot=name, trajectory="circle", joint_bias_deg=BIAS_DEG, model=model, samples=600, points=POINTS,
            rviz=False, robot_state_publisher=False, exit_when_done=True, report=str(report),
        )  # fmt: skip
        with (tmp_path / "log").open("w") as output:
            code = run_system(panda_sim_system(arguments, tmp_path), timeout=240.0, output=output)
        text = (tmp_path / "log").read_text()
        assert code == 0 and "Traceback" not in text, text
        content = json.loads(report.read_text())
        (run,) = content["runs"]
        assert content["complete"] and content["joint_names"] == list(robot.joint_names)
        targets, commanded = np.array(run["targets"]), np.array(run["configurations"])
        np.testing.assert_allclose(targets, place_trajectory("circle", placement, POINTS), atol=1e-12)
        # PyBullet says where the biased arm's tool is, the model had no part in that.
        errors = tool_errors(targets, true.forward_kinematics(commanded))[0]
        nominal = ModelBasedIK(robot, timeout=30.0).solve_path(targets, robot.rest)
        without = tool_errors(targets, true.forward_kinematics(nominal.configurations))[0]
        assert errors.max() < 0.5e-3 and without.min() > 5e-3
        # The simulated arm itself comes to rest there.
        assert tool_errors(targets[-1:], np.array(run["at_rest"])[None])[0][0] < 1.5e-3
    if trained:
        (made,) = tmp_path.glob("*.npz")
        assert made.name.startswith(f"{name}_1deg")
