"""Node ``trainer``: samples the simulated robot (or reads a file), fits, saves the model, ends."""

from __future__ import annotations

import math
import signal
import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import CrispIKError, InvalidInputError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.nodes.description import bias_of, robot_of, urdf_path
from crisp_ik_ros.nodes.lifetime import USER_ERRORS, ignore_signals
from crisp_ik_ros.nodes.parameters import declare, declare_bias, declare_robot
from crisp_ik_ros.nodes.serving import describe
from crisp_ik_ros.robots.robot_model import RobotModel

BETWEEN_REPORTS = 1.0


class Trainer(Node):
    """Makes one model file."""

    def __init__(self) -> None:
        super().__init__("trainer")
        self._place = declare_robot(self)
        self._bias = declare_bias(self)
        self._dataset = declare(self, "dataset", "", "Samples, .npz or .csv. Empty: sample the simulated robot.")
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
        estimator = CRiSP(robot, loss=self._loss, kernel=self._kernel, centers=self._centers, random_state=self._seed)
        dataset = self._sample(robot) if not self._dataset else Dataset.load(Path(self._dataset).expanduser())
        begin = time.monotonic()
        self.get_logger().info(f"fitting {len(dataset)} samples, loss {self._loss}")
        estimator.fit(dataset, progress=_Throttled(self, "fitting"))
        estimator.training_summary = {
            "data": self._dataset or f"PyBullet, region {self._region}, seed {self._seed}",
            "joint_bias_rad": self._bias["joint_bias"],
            "link_bias_m": self._bias["link_bias"],
        }
        estimator.save(output)
        self.get_logger().info(
            f"wrote {output} ({output.stat().st_size / 1e6:.2f} MB) after {time.monotonic() - begin:.1f} s; "
            f"validation error: {_readable(estimator.validation_)}"
        )

    def _keeps(self, output: Path, robot: RobotModel) -> bool:
        try:
            estimator = load_model(output, robot)
        except CrispIKError as error:
            self.get_logger().warning(f"training again: {error}")
            return False
        self.get_logger().info(f"reusing {describe(estimator, str(output))}; delete the file to train again")
        return True

    def _sample(self, robot: RobotModel) -> Dataset:
        # PyBullet is only needed here.
        from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
        from crisp_ik_ros.simulation.regions import Workspace, demo_region
        from crisp_ik_ros.simulation.sampling import sample

        region = demo_region() if self._region == "demo" else Workspace()
        joint_offsets, link_offsets = bias_of(robot, **self._bias)
        report = _Throttled(self, "sampling")
        with PyBulletArm(urdf_path(self._place["urdf"]), robot, joint_offsets, link_offsets) as arm:
            return sample(arm, region, self._samples, self._seed, progress=report)


class _Throttled:
    """Log lines with a percentage, at most one a second, and the last."""

    def __init__(self, node: Node, what: str):
        self._node, self._what, self._last = node, what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - self._last >= BETWEEN_REPORTS:
            self._last = now
            self._node.get_logger().info(f"{self._what}: {100 * done // max(total, 1)} % ({done} of {total})")


def _readable(validation: dict[str, Any]) -> str:
    known = {
        "position_rms": lambda value: f"position {1e3 * value:.4g} mm rms",
        "orientation_rms": lambda value: f"orientation {1e3 * value:.4g} mrad rms",
        "support_mean": lambda value: f"mean support {value:.2f}",
        "embedding_rms": lambda value: f"embedding {value:.4g} rms",
    }
    shown = {key: show(validation[key]) for key, show in known.items() if math.isfinite(validation.get(key, math.nan))}
    return ", ".join(shown.values())


def _interrupt(*_: object) -> None:
    # Once is enough: a second signal must not disturb the clearing up.
    ignore_signals()
    raise KeyboardInterrupt


def main(args: list[str] | None = None) -> int:
    """Train; return the exit code: 0 also when interrupted, which writes nothing."""
    # There is nothing to spin: both signals interrupt the work itself.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    node = None
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = Trainer()
        node.run()
        return 0
    except KeyboardInterrupt:
        get_logger("trainer").info("interrupted; no model was written")
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
