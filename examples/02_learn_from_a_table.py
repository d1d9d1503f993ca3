"""Learn from a CSV table of measurements what is wrong with the model, and compare with the URDF alone."""

from pathlib import Path

import numpy as np

from crisp_ik_ros import CRiSP, Dataset, ModelBasedIK, RobotModel
from crisp_ik_ros.metrics import Summary, tool_errors
from crisp_ik_ros.trajectories import circle

OUT = Path("out/examples")


def main() -> dict[str, float]:
    """Print mean errors on a circle [mm] and return them."""
    urdf = RobotModel.panda()
    # The robot in the room: every joint is one degree off, which the URDF does not know. A real one is used from here
    # on only as you would use yours: to measure it, and to see where its tool ends up.
    real = urdf.with_bias(joint_offsets=np.deg2rad(np.full(urdf.dof, 1.0)))

    # 1. Measure around the task, and write what `crisp-ik train` and Dataset.load read.
    OUT.mkdir(parents=True, exist_ok=True)
    table = OUT / "measured.csv"
    _measure(urdf, real).save(table)

    # 2. Learn. Everything that is not said is chosen on samples that are held back.
    dataset = Dataset.load(table)
    learned = CRiSP(urdf).fit(dataset)
    print(f"learned from {len(dataset)} rows of {table}")
    print(f"on held-out rows the tool is {1e3 * learned.validation_['position_rms']:.3f} mm off (rms)")

    # 3. Follow a circle with both. The robot does what it does: its own kinematics say where the tool is.
    targets = circle()
    means = {}
    for name, estimator in (("urdf", ModelBasedIK(urdf)), ("learned", learned)):
        path = estimator.solve_path(targets, seed=urdf.rest)
        distances, _ = tool_errors(targets, real.forward_kinematics(path.configurations))
        means[name] = Summary.of(distances, scale=1e3).mean
        print(f"{name:8} mean error of the tool {means[name]:8.3f} mm")

    learned.save(OUT / "learned.npz")
    print(f"serve it: ros2 run crisp_ik ik_service --ros-args -p model:=$PWD/{OUT / 'learned.npz'}")
    return means


def _measure(urdf: RobotModel, real: RobotModel) -> Dataset:
    """500 configurations near the circle, with the poses that a tracker sees there, to a twentieth of a millimetre."""
    rng = np.random.default_rng(0)
    near = ModelBasedIK(urdf).solve_path(circle(), seed=urdf.rest).configurations
    chosen = near[rng.integers(len(near), size=500)] + 0.05 * rng.standard_normal((500, urdf.dof))
    configurations = np.clip(chosen, urdf.lower, urdf.upper)
    poses = real.forward_kinematics(configurations)
    poses[:, :3, 3] += 5e-5 * rng.standard_normal((500, 3))
    return Dataset(configurations, poses, urdf.joint_names)


if __name__ == "__main__":
    main()
