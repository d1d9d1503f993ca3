"""Where to measure: 15 configurations that tell most, beside 15 that chance has chosen."""

import numpy as np

from crisp_ik_ros import Dataset, LearnedKinematics, RobotModel
from crisp_ik_ros.estimators.measurement_plan import expected_errors, plan_measurements

COUNT = 15


def main() -> dict[str, float]:
    """Print and return expected and true median errors of the tool, in places that were not measured [mm]."""
    urdf = RobotModel.panda()
    rng = np.random.default_rng(5)
    # Candidates should be what the arm can be driven to in your cell: `crisp-ik plan-measurements` draws such ones, in
    # reach and free of self-collision. Here any configuration within the limits will do.
    candidates = urdf.random_configurations(150, rng)

    # Nothing is known yet, so the priors of an unfitted model say what may be wrong.
    untaught = LearnedKinematics(urdf, kernel="none")
    plan = plan_measurements(untaught, COUNT, candidates)
    by_chance = candidates[:COUNT]
    expected = {"planned": plan.errors[-1], "by chance": expected_errors(untaught, by_chance)[-1]}
    print(f"before any measurement the tool is expected {1e3 * plan.errors[0]:.1f} mm off (median)")

    # Measure both on a robot whose joints are off by about a degree, with a device that is good to a tenth of a mm.
    real = urdf.with_bias(joint_offsets=np.deg2rad(rng.standard_normal(urdf.dof)))
    elsewhere = urdf.random_configurations(500, rng)
    truth = real.forward_kinematics(elsewhere)[:, :3, 3]
    figures: dict[str, float] = {"before_mm": 1e3 * float(plan.errors[0])}
    for name, configurations in (("planned", plan.configurations), ("by chance", by_chance)):
        poses = real.forward_kinematics(configurations)
        poses[:, :3, 3] += 1e-4 * rng.standard_normal((COUNT, 3))
        arm = LearnedKinematics(urdf, kernel="none").fit(Dataset(configurations, poses, urdf.joint_names))
        distances = np.linalg.norm(arm.forward_kinematics(elsewhere)[:, :3, 3] - truth, axis=1)
        figures[name] = 1e3 * float(np.median(distances))
        figures[f"expected {name}"] = 1e3 * float(expected[name])
        print(f"{name:10} expected {figures[f'expected {name}']:6.3f} mm, in truth {figures[name]:6.3f} mm")
    return figures


if __name__ == "__main__":
    main()
