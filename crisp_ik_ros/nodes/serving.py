"""The estimator that a service answers with: found, read, described, warmed up."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from crisp_ik_ros.errors import CrispIKError, ModelFileError
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics, carrying
from crisp_ik_ros.estimators.model_archive import LARGEST_MODEL
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.estimators.model_file import load_model
from crisp_ik_ros.files import open_file
from crisp_ik_ros.nodes.collision_free import SelfCollisionCheck, self_collision_check
from crisp_ik_ros.nodes.description import robot_of, urdf_path
from crisp_ik_ros.resources import model_path
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import Body, parse_bodies, read_urdf

NOMINAL = "nominal"
SHIPPED_MODEL = "panda_residual.npz"
WARM_UP_SOLVES = 3
# Parameter value for the payload that a model has by itself.
OWN_PAYLOAD = -1.0


@dataclass(frozen=True)
class Served:
    """A model that is in use: what was read, and where from.

    Attributes
    ----------
    estimator : InverseKinematics
    name : str
        That it was asked for by.
    fingerprint : str
        SHA-256 of the file as it was when it was read; empty: there is no file.
    since : float
        When it was read, seconds since the epoch.
    bodies : tuple of Body
        All links of the URDF, where one was named or is the model.
    check : SelfCollisionCheck or None
    unchecked : str
        Why there is no check.
    """

    estimator: InverseKinematics
    name: str
    fingerprint: str = ""
    since: float = field(default_factory=time.time)
    bodies: tuple[Body, ...] = ()
    check: SelfCollisionCheck | None = None
    unchecked: str = "not asked for"

    def __str__(self) -> str:
        return describe(self.estimator, self.name)

    def carrying(self, payload: float) -> Served:
        """Return the same for a tip that carries a payload [kg]; ``OWN_PAYLOAD``: as the model has it.

        Raises
        ------
        CrispIKError
            When the mass cannot be, or the model knows of no load.
        """
        if payload == OWN_PAYLOAD:
            return self
        return replace(self, estimator=carrying(self.estimator, payload))

    def facts(self) -> dict[str, object]:
        """What is to be known of it, by name."""
        estimator = self.estimator
        return {
            "model": str(self),
            "model file": "" if self.name == NOMINAL else self.name or SHIPPED_MODEL,
            "model estimator": type(estimator).__name__,
            "model samples": getattr(estimator, "samples_", 0),
            "model sha256": self.fingerprint,
            "model loaded": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.since)),
            "payload [kg]": getattr(estimator, "payload_", ""),
            "model warnings": "; ".join(warnings_of(estimator)),
        }


def read_model(
    model: str, urdf: str = "", base_link: str = "", tip_link: str = "", robot: str = "", with_check: bool = False
) -> Served:
    """Read what ``load_estimator`` does, and keep in mind what it was.

    ``with_check``: get ready to tell whether the arm touches itself, where that is possible.

    Raises
    ------
    CrispIKError
        When model or URDF cannot be used.
    """
    fingerprint = "" if model == NOMINAL else _sha256(Path(model or model_path(SHIPPED_MODEL)))
    estimator = load_estimator(model, urdf, base_link, tip_link, robot)
    arm, named = estimator.robot, bool(urdf or robot)
    bodies: tuple[Body, ...] = ()
    if named or model == NOMINAL:
        bodies = parse_bodies(read_urdf(urdf_path(urdf, robot)), arm.base_link, arm.tip_link)[1]
    check, unchecked = _check_of(arm, urdf, robot) if with_check else (None, "not asked for")
    return Served(estimator, model, fingerprint, bodies=bodies, check=check, unchecked=unchecked)


def _check_of(arm: RobotModel, urdf: str, robot: str) -> tuple[SelfCollisionCheck | None, str]:
    """Check for self-collisions with a robot's URDF: the one that is named, or the Panda's, where it is that."""
    try:
        path = urdf_path(urdf, robot)
        if not (urdf or robot) and hashlib.sha256(read_urdf(path)).hexdigest() != arm.urdf_sha256:
            return None, f"the shapes of {arm.name} are not known; name it (parameter robot, or urdf)"
    except CrispIKError as error:
        return None, str(error)
    return self_collision_check(path, arm)


def _sha256(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read, which the loader has the words for."""
    try:
        digest = hashlib.sha256()
        # A pipe would have to be waited for, and a device might have no end.
        with open_file(path, LARGEST_MODEL, ModelFileError, "model") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    except (ModelFileError, OSError):
        return ""


def load_estimator(
    model: str, urdf: str = "", base_link: str = "", tip_link: str = "", robot: str = ""
) -> InverseKinematics:
    """Estimator that a model's name stands for.

    Parameters
    ----------
    model : str
        Path of a trained model; "": the one that ships; "nominal": model-based inverse kinematics of the URDF.
    urdf, base_link, tip_link, robot : str
        The robot, where the model is "nominal". With another model and a robot, a model of another robot is refused.

    Raises
    ------
    CrispIKError
        When model or URDF cannot be used.
    """
    if model == NOMINAL:
        return ModelBasedIK(robot_of(urdf, base_link, tip_link, robot))
    expected = robot_of(urdf, base_link, tip_link, robot) if urdf or robot else None
    return load_model(model or model_path(SHIPPED_MODEL), expected)


def describe(estimator: InverseKinematics, model: str) -> str:
    """One line that says which model it is."""
    robot = estimator.robot
    chain = f"{robot.base_link} -> {robot.tip_link}, chain {robot.fingerprint[:12]}"
    if not isinstance(estimator, (CRiSP, LearnedKinematics)):
        return f"the nominal model of {robot.name} ({chain})"
    validation = estimator.validation_
    error = f", {1e3 * validation['position_rms']:.3g} mm on held-out samples" if "position_rms" in validation else ""
    kind = f"CRiSP {estimator.loss_.name}" if isinstance(estimator, CRiSP) else "LearnedKinematics"
    payload = getattr(estimator, "payload_", 0.0)
    load = f", payload {payload:g} kg" if payload else ""
    return f"{model or SHIPPED_MODEL}: {kind}, {estimator.samples_} samples{error}{load} ({chain})"


def warnings_of(estimator: InverseKinematics) -> tuple[str, ...]:
    """What was found wrong with a model when it was trained, in sentences."""
    return estimator.warnings_ if isinstance(estimator, LearnedKinematics) else ()


def warm_up(estimator: InverseKinematics) -> None:
    """Solve a few poses, with and without a seed, each for itself and as a path, so that no request waits to compile.

    Nor for compiled code to be read from the disk.
    """
    robot = estimator.robot
    known = getattr(estimator, "center_configurations_", robot.rest[None])
    for configuration in known[:: max(1, len(known) // WARM_UP_SOLVES)][:WARM_UP_SOLVES]:
        pose = robot.forward_kinematics(configuration)
        for seed in (None, configuration):
            estimator.solve(pose, seed, timeout=0.2)
            estimator.solve_path(pose[None], seed, timeout=0.2)
    far = np.eye(4)
    far[0, 3] = 2.0 * robot.reach + 1.0
    estimator.solve(far, timeout=0.2)
