"""The geometry that was identified, as a URDF for other tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.files import replacing
from crisp_ik_ros.robots.corrected_urdf import urdf_with_joints
from crisp_ik_ros.robots.urdf import read_urdf


def write_corrected_urdf(model: LearnedKinematics, urdf: str | Path, path: Path) -> tuple[str, ...]:
    """Write a URDF whose joints stand where they were found to stand, and say in sentences what it lacks.

    Parameters
    ----------
    model : LearnedKinematics
        Fitted.
    urdf : str or Path
        The nominal robot's URDF, path or text.
    path : Path
        File to write.

    Raises
    ------
    URDFError
        When the URDF cannot be used, or is not the robot's.
    CrispIKError
        When the file cannot be written.
    """
    names = {joint.name for joint in model.robot.joints}
    # Where no fixed joint stands behind the last one that moves, the model has one that the URDF has not.
    written = [joint for joint in model.geometric_robot_.joints if joint.name in names]
    text = urdf_with_joints(read_urdf(urdf), written)
    with replacing(path, CrispIKError, "corrected URDF") as stream:
        stream.write(text)
    return _lacks(model, [joint.name for joint in model.geometric_robot_.joints if joint.name not in names])


def _lacks(model: LearnedKinematics, left_out: list[str]) -> tuple[str, ...]:
    robot = model.robot
    q = robot.random_configurations(500, np.random.default_rng(0))
    off = np.linalg.norm(
        model.geometric_robot_.forward_kinematics(q)[:, :3, 3] - model.forward_kinematics(q)[:, :3, 3], axis=1
    )
    notes = [
        "A URDF says where joints stand and nothing of scale, periodic errors and deflection: its tool position is "
        f"{1e3 * np.median(off):.3g} mm (median) from the model's."
    ]
    for name in left_out:
        origin = next(joint.origin for joint in model.geometric_robot_.joints if joint.name == name)
        notes.append(
            f"The correction of the tip link ({1e3 * np.linalg.norm(origin[:3, 3]):.3g} mm) is left out of the URDF: "
            f"no fixed joint stands behind the last joint that moves ({name.removesuffix('_tip_correction')})."
        )
    return tuple(notes)
