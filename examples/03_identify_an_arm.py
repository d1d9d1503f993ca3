"""60 noisy positions, seen by a device that stands somewhere: which joints are off, and where the device is."""

import numpy as np

from crisp_ik_ros import Dataset, LearnedKinematics, RobotModel
from crisp_ik_ros.transforms import make_pose, rotation_exponential

NOISE = 1e-4  # of the device, standard deviation [m]


def main() -> dict[str, float]:
    """Print what was identified; return median errors anywhere in the workspace [mm]."""
    urdf = RobotModel.panda()
    rng = np.random.default_rng(1)
    # What nobody knows: offsets of the joints, and where the tracker stands.
    # That of the first joint is none: from outside, a turned first joint and a turned tracker look the same.
    offsets = np.deg2rad([0.0, -1.2, 0.5, 1.5, -0.7, 1.0, 0.0])
    real = urdf.with_bias(joint_offsets=offsets)
    tracker = make_pose([1.5, -0.4, 0.8], rotation_exponential(np.array([0.1, 0.2, 2.0])))

    # 60 configurations anywhere, and for each the position of the tool as the tracker reports it, in its own frame.
    configurations = urdf.random_configurations(60, rng)
    positions = (tracker @ real.forward_kinematics(configurations))[:, :3, 3] + NOISE * rng.standard_normal((60, 3))

    dataset = Dataset.from_positions(configurations, positions, urdf.joint_names, noise=NOISE)
    arm = LearnedKinematics(urdf, frame="unknown").fit(dataset)

    # Each parameter has its standard deviation, and `told`: how much of it the data has told. Parameters of one joint
    # can stand in for each other, so the whole is known better than its parts.
    largest = sorted(arm.identified_, key=lambda found: -abs(found.value) / found.deviation)[:8]
    print("what stands out most from its uncertainty:")
    for found in largest:
        print(f"  {found.name:44} {found.value:10.5f} ± {found.deviation:.5f} {found.unit}, told {found.told:.2f}")
    for warning in arm.warnings_:
        print("warning:", warning)
    base = arm.frame_[:3, 3]
    print(f"the base is at {np.round(base, 3)} m in the tracker's frame; in truth {tracker[:3, 3]}")

    # What matters: is the tool where the model says, in places that were not measured?
    elsewhere = urdf.random_configurations(500, rng)
    truth = real.forward_kinematics(elsewhere)[:, :3, 3]
    errors = {}
    for name, model in (("urdf", urdf), ("learned", arm)):
        distances = np.linalg.norm(model.forward_kinematics(elsewhere)[:, :3, 3] - truth, axis=1)
        errors[name] = 1e3 * float(np.median(distances))
        print(f"{name:8} median error anywhere in the workspace {errors[name]:8.3f} mm")
    errors["predicted"] = 1e3 * float(np.median(arm.predicted_error(elsewhere)))
    print(f"the model itself says: within {errors['predicted']:.3f} mm with 95 % probability (median)")
    errors["frame"] = 1e3 * float(np.linalg.norm(base - tracker[:3, 3]))
    return errors


if __name__ == "__main__":
    main()
