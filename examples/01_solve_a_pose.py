"""Solve one pose with the model that ships: joint angles for a Panda whose tool is to point straight down."""

import numpy as np

from crisp_ik_ros import load_model
from crisp_ik_ros.resources import model_path


def main() -> dict[str, float]:
    """Print the answer and where it puts the tool; return the errors [mm]."""
    model = load_model(model_path("panda_residual.npz"))

    # A pose is a 4 by 4 matrix: the tip link (panda_grasptarget) in the base frame (panda_link0), in metres.
    # This one stands half a metre in front of the robot's left side and looks down.
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = 0.0, 0.5, 0.05

    result = model.solve(pose)
    print(f"{result.status.value}; the answer is {result.source}, support {result.support:.2f}")
    for name, angle in zip(model.robot.joint_names, result.configuration, strict=True):
        print(f"  {name:14} {np.rad2deg(angle):8.2f} degrees")

    # The shipped model is of a Panda that is what its URDF says, so the URDF can check it.
    reached = model.robot.forward_kinematics(result.configuration)
    error = 1e3 * float(np.linalg.norm(reached[:3, 3] - pose[:3, 3]))
    print(f"the tool is {error:.4f} mm from the target")

    # What cannot be reached is said, not guessed: `success` is false, and the configuration is no answer.
    pose[:3, 3] = 0.0, 5.0, 0.0
    far = model.solve(pose)
    print(f"five metres away: {far.status.value}, the best is {far.position_error:.1f} m short")
    return {"error_mm": error, "short_m": far.position_error, "found": far.success}


if __name__ == "__main__":
    main()
