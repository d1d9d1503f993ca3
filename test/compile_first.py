"""Fills the cache of compiled functions before the tests: ``python test/compile_first.py``.

Otherwise every worker of pytest, and every node that a test starts meanwhile, would compile the same.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from crisp_ik_ros.nodes.compiling import compile_aside

ROBOT = """
from crisp_ik_ros import Dataset, RobotModel
import numpy as np
robot = RobotModel.panda()
configurations = robot.random_configurations(60, np.random.default_rng(0))
poses = robot.forward_kinematics(configurations)
samples = Dataset(configurations, poses, robot.joint_names)
"""
PARTS = {
    "learned kinematics": ROBOT
    + "from crisp_ik_ros import LearnedKinematics; LearnedKinematics(robot, kernel='none').fit(samples)",
    "baselines": ROBOT
    + "from crisp_ik_ros.estimators.baselines.sdls_ik import SDLSIK; SDLSIK(robot).fit(samples).solve(poses[0])",
}


def compile_part(name: str) -> int:
    return subprocess.run([sys.executable, "-c", PARTS[name]], stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    compile_aside()
    with ThreadPoolExecutor(2) as workers:
        codes = list(workers.map(compile_part, PARTS))
    sys.exit(max(codes))
