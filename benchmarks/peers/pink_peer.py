"""Pink: differential inverse kinematics on Pinocchio."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.base import Peer, Setting
from benchmarks.peers.differential import DifferentialSolver
from crisp_ik_ros.transforms import Array

TIME_STEP = 1.0
DAMPING = 1e-2


class PinkStepper:
    """Steps of pink."""

    def __init__(self, setting: Setting):
        import pink
        import pinocchio

        self.pink, self.pinocchio = pink, pinocchio
        self.model = pinocchio.buildModelFromUrdf(str(setting.urdf))
        self.tip = setting.robot.tip_link
        self.state = pink.Configuration(self.model, self.model.createData(), pinocchio.neutral(self.model))
        # Positions are bounded; speeds are not, as a step is not a motion here.
        self.limits = [self.state.model.configuration_limit]
        self.limits[0].config_limit_gain = 1.0
        self.task = pink.FrameTask(self.tip, position_cost=1.0, orientation_cost=1.0, lm_damping=DAMPING)

    def aim(self, pose: Array) -> None:
        """Take a tool pose for the target."""
        self.task.set_target(self.pinocchio.SE3(pose))

    def stand(self, configuration: Array) -> None:
        """Go to a configuration."""
        self.state.update(configuration)

    def error(self) -> Array:
        """Twist to the target."""
        return self.task.compute_error(self.state)

    def step(self) -> None:
        """Take one step."""
        velocity = self.pink.solve_ik(
            self.state, [self.task], TIME_STEP, solver="daqp", limits=self.limits, safety_break=False
        )
        self.state.integrate_inplace(velocity, TIME_STEP)

    def configuration(self) -> Array:
        """Where it stands."""
        return np.array(self.state.q)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        self.stand(configuration)
        return self.state.get_transform_frame_to_world(self.tip).homogeneous


class Pink(DifferentialSolver):
    """Solver made of pink's steps."""

    stepper: PinkStepper

    def __init__(self, setting: Setting):
        super().__init__(PinkStepper(setting), setting)

    def forward_kinematics(self, configuration: Array) -> Array:
        """Tool pose of a configuration."""
        return self.stepper.forward_kinematics(configuration)


PEER = Peer(
    "pink",
    "Pink",
    "pin-pink",
    "pink",
    "one frame task, costs 1, lm_damping 1e-2, the best of six; configuration limits with gain 1, no velocity "
    "limits; quadratic programs by DAQP; full steps until its error is within the tolerances; restarts, by us, from "
    "random configurations after 10 steps, until 5 ms are up; without a seed first from the middle of the joint "
    "ranges",
    Pink,
)
