"""The launch file, as launch runs it. Without launch there is nothing to test here."""

import json
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import pytest

launch_testing = pytest.importorskip("launch_testing")

from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from launch_testing.actions import ReadyToTest  # noqa: E402
from launch_testing.asserts import assertExitCodes  # noqa: E402
from processes import ENVIRONMENT  # noqa: E402

from crisp_ik_ros import RobotModel  # noqa: E402
from launch import LaunchDescription  # noqa: E402

LAUNCH_FILE = Path(__file__).resolve().parents[2] / "launch" / "panda_sim.launch.py"
# The first start compiles; the machine may be slow.
PATIENCE = 300.0
POINTS = 40


@pytest.mark.launch_test
def generate_test_description():
    report = Path(tempfile.mkdtemp(prefix="crisp_ik_launch_")) / "report.json"
    arguments = {
        "rviz": "false",
        "robot_state_publisher": "false",
        "trajectory": "spiral",
        "points": str(POINTS),
        "report": str(report),
    }
    system = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH_FILE)), launch_arguments=list(arguments.items())
    )
    environment = [SetEnvironmentVariable(name, value) for name, value in ENVIRONMENT.items()]
    return LaunchDescription([*environment, system, ReadyToTest()]), {"report": report}


class TestSystem(unittest.TestCase):
    def test_the_spiral_is_followed_to_its_end(self, report):
        deadline = time.monotonic() + PATIENCE
        while not report.exists():
            self.assertLess(time.monotonic(), deadline, "the follower never wrote its report")
            time.sleep(0.2)
        content = json.loads(report.read_text())
        (run,) = content["runs"]
        self.assertTrue(content["complete"])
        self.assertEqual((run["trajectory"], run["error_codes"]), ("spiral", [1] * POINTS))
        targets = np.array(run["targets"])[:, :3, 3]
        commanded = RobotModel.panda().forward_kinematics(run["configurations"])[:, :3, 3]
        self.assertLess(np.abs(commanded - targets).max(), 1e-4)
        # The simulated arm, which its motors let lag behind, until it stands still.
        measured = np.array([pose for pose in run["measured"] if pose is not None])
        self.assertGreater(len(measured), POINTS // 2)
        self.assertLess(np.abs(np.array(run["at_rest"])[:3, 3] - targets[-1]).max(), 5e-4)


@launch_testing.post_shutdown_test()
class TestShutdown(unittest.TestCase):
    def test_every_process_ends_with_0_after_ctrl_c(self, proc_info):
        self.assertEqual(len(list(proc_info.process_names())), 3)
        assertExitCodes(proc_info)
