"""Extend it: a kernel and a loss of your choice for CRiSP, and an estimator of your own in a few lines."""

import numpy as np

from crisp_ik_ros import CRiSP, Dataset, ModelBasedIK, RobotModel
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.losses.residual import ResidualLoss
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.regression.kernels import LaplacianKernel
from crisp_ik_ros.trajectories import spiral


class ShiftedTool(InverseKinematics):
    """An arm whose tool is not mounted where the URDF says, and that is right otherwise.

    `solve`, `solve_path` and `solve_many` come from the base class. It wants to know which robot is to be believed
    (`_kinematics`), what an error is (`_loss`), and the attributes that are set in `__init__`.
    """

    def __init__(self, robot: RobotModel):
        self.robot = robot
        self.position_tolerance, self.orientation_tolerance = 1e-6, 1e-5
        self.timeout = 0.05
        self.random_state = 0

    def fit(self, dataset: Dataset) -> "ShiftedTool":
        """Learn the shift: the mean of what was measured, seen from the tip link of the URDF."""
        model = self.robot.forward_kinematics(dataset.configurations)
        world = dataset.poses[:, :3, 3] - model[:, :3, 3]
        self.shift_ = np.einsum("nji,nj->ni", model[:, :3, :3], world).mean(axis=0)
        self.robot_ = _with_shifted_tool(self.robot, self.shift_)
        return self

    @property
    def _kinematics(self) -> RobotModel:
        return self.robot_

    @property
    def _loss(self) -> ResidualLoss:
        return ResidualLoss()


def main() -> dict[str, float]:
    """Print mean errors of each on a spiral [mm] and return them."""
    urdf = RobotModel.panda()
    real = _with_shifted_tool(urdf, np.array([0.004, -0.002, 0.003]))
    dataset = _measure(urdf, real)

    # A rougher kernel, with length scales of 0.2 m and 1 rad, and a loss to which a millimetre is worth more.
    own_kernel = CRiSP(urdf, loss=ResidualLoss(position_weight=10.0), kernel=LaplacianKernel(0.2, 1.0), penalty=1e-6)
    own_estimator = ShiftedTool(urdf).fit(dataset)
    print(f"ShiftedTool found {np.round(1e3 * own_estimator.shift_, 3)} mm; in truth [4, -2, 3]")

    targets = spiral(points=100)
    means = {}
    for name, estimator in (
        ("urdf", ModelBasedIK(urdf)),
        ("own kernel", own_kernel.fit(dataset)),
        ("own estimator", own_estimator),
    ):
        path = estimator.solve_path(targets, seed=urdf.rest)
        distances, _ = tool_errors(targets, real.forward_kinematics(path.configurations))
        means[name] = 1e3 * float(distances.mean())
        print(f"{name:14} mean error of the tool {means[name]:7.3f} mm")
    return means


def _with_shifted_tool(robot: RobotModel, shift: np.ndarray) -> RobotModel:
    """Shift the last frame of the chain by ``shift`` [m] in its own axes."""
    offsets = np.zeros((len(robot.joints), 3))
    offsets[-1] = robot.joints[-1].origin[:3, :3] @ shift
    return robot.with_bias(link_offsets=offsets)


def _measure(urdf: RobotModel, real: RobotModel) -> Dataset:
    rng = np.random.default_rng(0)
    near = ModelBasedIK(urdf).solve_path(spiral(points=100), seed=urdf.rest).configurations
    configurations = near[rng.integers(len(near), size=300)] + 0.05 * rng.standard_normal((300, urdf.dof))
    configurations = np.clip(configurations, urdf.lower, urdf.upper)
    return Dataset(configurations, real.forward_kinematics(configurations), urdf.joint_names)


if __name__ == "__main__":
    main()
