"""mink: differential inverse kinematics on MuJoCo."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.base import Peer, Setting
from benchmarks.peers.differential import DifferentialSolver
from crisp_ik_ros.transforms import Array

TIME_STEP = 1.0
DAMPING = 1e-2


class MinkStepper:
    """Steps of mink."""

    def __init__(self, setting: Setting):
        import mink
        import mujoco

        self.mink = mink
        self.model = mujoco.MjModel.from_xml_path(str(setting.urdf))
        self.tip = setting.robot.tip_link
        self.state = mink.Configuration(self.model)
        self.limits = [mink.ConfigurationLimit(self.model, gain=1.0)]
        self.task = mink.FrameTask(self.tip, "body", position_cost=1.0, orientation_cost=1.0, lm_damping=DAMPING)

    def aim(self, pose: Array) -> None:
        """Take a tool pose for the target."""
        self.task.set_target(self.mink.SE3.from_matrix(pose))

    def stand(self, configuration: Array) -> None:
        """Go to a configuration."""
        self.state.update(configuration)

    def error(self) -> Array:
        """Twist to the target."""
        return self.task.compute_error(self.state)

    def step(self) -> None:
        """Take one step."""
        velocity = self.mink.solve_ik(
            self.state, [self.task], TIME_STEP, solver="daqp", limits=self.limits, safety_break=False
        )
        self.state.integrate_inplace(velocity, TIME_STEP)

    def configuration(self) -> Array:
        """Where it stands."""
        return np.array(self.state.q)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        self.stand(configuration)
        return self.state.get_transform_frame_to_world(self.tip, "body").as_matrix()


class Mink(DifferentialSolver):
    """Solver made of mink's steps."""

    stepper: MinkStepper

    def __init__(self, setting: Setting):
        super().__init__(MinkStepper(setting), setting)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        return self.stepper.forward_kinematics(configuration)


PEER = Peer(
    "mink",
    "mink",
    "mink",
    "mink",
    "one frame task, costs 1, lm_damping 1e-2, the best of six; configuration limits with gain 1; quadratic "
    "programs by DAQP; full steps until its error is within the tolerances; restarts, by us, from random "
    "configurations after 10 steps, until 5 ms are up; without a seed first from the middle of the joint ranges",
    Mink,
)
