"""A robot of your own: any serial chain that a URDF describes. Here a small arm with six joints, written inline."""

import numpy as np

from crisp_ik_ros import ModelBasedIK, RobotModel

# RobotModel.from_urdf takes a path as well; then `urdf` is the only line that changes.
LINKS = "".join(f'<link name="link{number}"/>' for number in range(7))
# Each joint: parent's frame to its own [m], axis, and limits [rad].
JOINTS = (
    ("0 0 0.15", "0 0 1", 3.0),
    ("0 0 0.05", "0 1 0", 2.0),
    ("0 0 0.30", "0 1 0", 2.6),
    ("0.05 0 0.25", "1 0 0", 3.0),
    ("0 0 0.05", "0 1 0", 2.0),
    ("0.08 0 0", "1 0 0", 3.0),
)
URDF = f"""
<robot name="my_arm">
  {LINKS} <link name="tool"/>
  {
    "".join(
        f'''<joint name="joint{number}" type="revolute">
    <origin xyz="{origin}"/> <parent link="link{number - 1}"/> <child link="link{number}"/> <axis xyz="{axis}"/>
    <limit lower="{-limit}" upper="{limit}" effort="50" velocity="2"/>
  </joint>'''
        for number, (origin, axis, limit) in enumerate(JOINTS, start=1)
    )
}
  <joint name="mount" type="fixed"> <origin xyz="0.1 0 0"/> <parent link="link6"/> <child link="tool"/> </joint>
</robot>
"""


def main() -> dict[str, float]:
    """Print what the robot is and how well it is solved; return the share that is solved and the worst error [mm]."""
    urdf = URDF
    # Base and tip link may be left out where the tree has one root and one end.
    robot = RobotModel.from_urdf(urdf, base_link="link0", tip_link="tool")
    print(f"{robot.name}: {robot.dof} joints from {robot.base_link} to {robot.tip_link}")
    for name, lower, upper in zip(robot.joint_names, robot.lower, robot.upper, strict=True):
        print(f"  {name}: {lower:5.2f} to {upper:5.2f} rad")

    # Kinematics work on one configuration or on many.
    rng = np.random.default_rng(0)
    poses = robot.forward_kinematics(robot.random_configurations(500, rng))
    print(f"500 random poses, tool between {poses[:, 2, 3].min():.2f} and {poses[:, 2, 3].max():.2f} m high")

    # Until something is measured there is nothing to learn from: the URDF answers alone.
    answers = ModelBasedIK(robot, timeout=0.2).solve_many(poses)
    reached = robot.forward_kinematics(answers.configurations[answers.success])
    worst = 1e3 * float(np.abs(reached[:, :3, 3] - poses[answers.success, :3, 3]).max())
    solved = float(answers.success.mean())
    inside = bool(robot.within_limits(answers.configurations).all())
    print(f"{100 * solved:.1f} % solved, to {worst:.5f} mm, all within the limits: {inside}")
    return {"solved": solved, "worst_mm": worst, "inside": inside}


if __name__ == "__main__":
    main()
