"""Node ``trainer``: samples the simulated robot (or reads data), fits, saves the model and what goes with it, ends."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import rclpy
from rclpy.logging import get_logger
from rclpy.node import Node

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.nodes.beginning import begin_ros
from crisp_ik_ros.nodes.description import robot_file_of, robot_of, urdf_path
from crisp_ik_ros.nodes.lifetime import USER_ERRORS, ignore_signals
from crisp_ik_ros.nodes.parameters import declare, declare_bias, declare_robot
from crisp_ik_ros.nodes.serving import describe
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.training.request import TrainingRequest
from crisp_ik_ros.training.samples import load_samples
from crisp_ik_ros.training.train import readable, train

BETWEEN_REPORTS = 1.0


class Trainer(Node):
    """Makes one model file."""

    def __init__(self) -> None:
        super().__init__("trainer")
        self._outputs: dict[Path, tuple[int, int] | None] = {}
        self._place = declare_robot(self)
        self._bias = declare_bias(self)
        self._dataset = declare(
            self,
            "dataset",
            "",
            "Samples: .npz, .csv, a rosbag2 recording, or a folder of points. Empty: sample the simulated robot.",
        )
        self._distance = declare(
            self, "distance", 0.0, "Folder of points: distance of hole_0 and hole_1 [m]. 0: not known.", 0.0, 100.0
        )
        self._estimator = declare(
            self,
            "estimator",
            "auto",
            "'crisp', 'learned_kinematics', or 'auto': by the data and by errors on held-out stops.",
        )
        self._frame = declare(
            self, "frame", "auto", "Whether data is in the base frame: 'known', 'unknown', or 'auto': as it shows."
        )
        self._tool = declare(
            self, "tool", "auto", "Whether the tip link was measured: 'known', 'unknown', or 'auto': as the data shows."
        )
        self._harmonics = declare(
            self, "harmonics", -1, "Periodic errors of up to so many periods a turn. -1: the estimator's own.", -1, 100
        )
        self._position_noise = declare(
            self, "position_noise", 0.0, "Device noise along each axis [m]. 0: found with the rest.", 0.0, 0.1
        )
        self._payload_center = declare(
            self,
            "payload_center",
            [0.0, 0.0, 0.0],
            "Center of mass of what the tip carries where the data has payloads, in the tip's frame, x y z [m]. All 0: "
            "found where the data tells it.",
        )
        self._force = declare(
            self, "force", False, "Whether data of which a model would be worse than none is trained on all the same."
        )
        self._region = declare(
            self, "region", "demo", "Where to sample: 'demo' (around spiral and circle) or 'workspace' (everywhere)."
        )
        self._samples = declare(self, "samples", 5000, "Number of samples to draw.", 8, 10_000_000)
        self._seed = declare(self, "seed", 0, "Seed of samples, splits and centers.", 0, 2_147_483_647)
        self._loss = declare(self, "loss", "residual", "'residual', 'forward_kinematics' or 'radians'.")
        self._kernel = declare(self, "kernel", "gaussian", "'gaussian', 'laplacian' or 'linear'.")
        self._centers = declare(
            self, "centers", 1000, "Nystrom centers; not fewer than the samples: exact.", 1, 100_000
        )
        self._output = declare(self, "output", "", "Path of the model file to write (.npz).")
        self._report = declare(self, "report", "", "Path of a page with pictures to write (.html). Empty: none.")
        self._corrected_urdf = declare(
            self, "corrected_urdf", "", "Path of a URDF to write, with the geometry that was identified. Empty: none."
        )
        self._reuse = declare(
            self, "reuse", False, "Whether an output that is there and can be read is kept and nothing is trained."
        )

    def run(self) -> None:
        """Train.

        Raises
        ------
        CrispIKError
            When a parameter or the data cannot be used; then no file is written.
        """
        if not self._output:
            raise InvalidInputError("output", "nothing", "the path of the model file to write")
        if self._region not in ("demo", "workspace"):
            raise InvalidInputError("region", repr(self._region), "'demo' or 'workspace'")
        output = Path(self._output).expanduser()
        robot = robot_of(**self._place)
        if self._reuse and output.exists() and self._keeps(output, robot):
            return
        request = TrainingRequest(
            output,
            self._estimator,
            self._frame,
            self._tool,
            self._loss,
            self._kernel,
            centers=self._centers,
            seed=self._seed,
            report=_path(self._report),
            corrected_urdf=_path(self._corrected_urdf),
            urdf=urdf_path(self._place["urdf"], self._place["robot"]),
            harmonics=None if self._harmonics < 0 else self._harmonics,
            position_noise=self._position_noise or None,
            payload_center=self._center(),
            force=self._force,
        )
        self._outputs = {path: _state(path) for path in (output, request.report, request.corrected_urdf) if path}
        log = self.get_logger()
        trained = train(
            request,
            robot,
            lambda: self._gather(robot),
            {
                "data": self._dataset or f"PyBullet, region {self._region}, seed {self._seed}",
                "joint_bias_rad": self._bias["joint_bias"],
                "link_bias_m": self._bias["link_bias"],
            },
            lambda label: _Throttled(self, label),
            log.info,
            None if self._dataset else self._samples,
        )
        for warning in trained.warnings:
            log.warning(warning)
        for note in trained.notes:
            log.info(note)
        log.info(
            f"wrote {output} ({output.stat().st_size / 1e6:.2f} MB) after {trained.seconds:.1f} s; "
            f"validation error: {readable(trained.model.validation_)}"
        )

    def _center(self) -> tuple[float, float, float] | None:
        """Center of the payload; None for the default: found, and CRiSP can do with it."""
        center = [float(value) for value in self._payload_center]
        if len(center) != 3:
            raise InvalidInputError("payload_center", center, "three numbers: x y z")
        return (center[0], center[1], center[2]) if any(center) else None

    def written(self) -> list[Path]:
        """Return the files that this run has written: each is whole."""
        return [path for path, before in self._outputs.items() if _state(path) != before]

    def _keeps(self, output: Path, robot: RobotModel) -> bool:
        try:
            estimator = load_model(output, robot)
        except CrispIKError as error:
            self.get_logger().warning(f"training again: {error}")
            return False
        self.get_logger().info(f"reusing {describe(estimator, str(output))}; delete the file to train again")
        return True

    def _gather(self, robot: RobotModel) -> Dataset:
        if self._dataset:
            return load_samples(self._dataset, robot, self._distance or None)
        if self._distance:
            raise InvalidInputError("distance", f"{self._distance} m without a dataset", "a folder of points")
        # PyBullet is only needed here.
        from crisp_ik_ros.simulation.demo_regions import demo_region_of
        from crisp_ik_ros.simulation.regions import Workspace
        from crisp_ik_ros.simulation.sampling import sample_biased

        urdf, name = self._place["urdf"], self._place["robot"]
        demo = self._region == "demo"
        region = demo_region_of(robot, robot_file_of(urdf, name).placement()) if demo else Workspace()
        return sample_biased(
            robot, urdf_path(urdf, name), region, self._samples, self._seed, self._bias["joint_bias"],
            self._bias["link_bias"], self._bias["seed"], _Throttled(self, "sampling"),
        )  # fmt: skip


def _state(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


class _Throttled:
    """Log lines with a percentage, at most one a second, and the last."""

    def __init__(self, node: Node, what: str):
        self._node, self._what, self._last = node, what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - self._last >= BETWEEN_REPORTS:
            self._last = now
            self._node.get_logger().info(f"{self._what}: {100 * done // max(total, 1)} % ({done} of {total})")


def _interrupt(*_: object) -> None:
    # Once is enough: a second signal must not disturb the clearing up.
    ignore_signals()
    raise KeyboardInterrupt


def main(args: list[str] | None = None) -> int:
    """Train; return the exit code: 0 also when interrupted, which leaves whole files and no others."""
    # There is nothing to spin: both signals interrupt the work itself.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    node = None
    try:
        begin_ros("trainer", args)
        node = Trainer()
        node.run()
        return 0
    except KeyboardInterrupt:
        written = ", ".join(map(str, node.written())) if node is not None else ""
        get_logger("trainer").info(
            f"interrupted; written: {written}" if written else "interrupted; no model was written"
        )
        return 0
    except USER_ERRORS as error:
        get_logger("trainer").fatal(str(error))
        return 1
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
