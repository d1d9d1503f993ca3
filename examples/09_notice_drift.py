"""Notice when a served model is no longer the robot's: what `ik_service` does with `measured_pose_topic`."""

import numpy as np

from crisp_ik_ros import RobotModel, load_model
from crisp_ik_ros.estimators.drift import DriftMonitor, model_error, validation_error_of
from crisp_ik_ros.resources import model_path
from crisp_ik_ros.trajectories import spiral


def main() -> dict[str, object]:
    """Print the monitor's verdicts before and after the arm is knocked; return them."""
    model = load_model(model_path("panda_residual.npz"))
    stops = model.solve_path(spiral(points=40), seed=RobotModel.panda().rest).configurations
    rng = np.random.default_rng(0)
    monitor = DriftMonitor(threshold=1e-3, validation_error=validation_error_of(model))

    # As the arm is; then something hits it, and two joints are half a degree off.
    knocked = model.robot.with_bias(joint_offsets=np.deg2rad([0.0, 0.5, 0.0, -0.5, 0.0, 0.0, 0.0]))
    verdicts: dict[str, object] = {}
    for name, real in (("as trained", model.robot), ("knocked", knocked)):
        # At each stop, compare the measured pose with the one that the model expects there.
        for configuration in stops[::2]:
            pose = real.forward_kinematics(configuration)
            pose[:3, 3] += 5e-5 * rng.standard_normal(3)
            monitor.add(model_error(model, pose, configuration), configuration)
        report = monitor.report()
        verdict = "DRIFT: measure and train again" if report.drifted else "no drift"
        print(
            f"{name:11} median {1e3 * report.median:6.3f} mm of {report.readings} readings, "
            f"limit {1e3 * report.limit:.3f} mm: {verdict}"
        )
        verdicts[name] = report.drifted
    return verdicts


if __name__ == "__main__":
    main()
