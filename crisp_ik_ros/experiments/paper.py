"""The paper's setting: its frame, trajectories, datasets, biases and error measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.robots.bias import random_bias
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.trajectories import circle, spiral
from crisp_ik_ros.transforms import Array, euler_from_matrix, make_pose, matrix_from_euler, pose_error

# The authors' Panda stands turned by -90 degrees about x, so that a tool that points down has the Euler angles
# (pi/2, 0, yaw), far from their wrap.
STANDING = make_pose(np.zeros(3), matrix_from_euler([-np.pi / 2.0, 0.0, 0.0]))

# Table 2's trajectories, each with the preset that its estimators are trained on.
TRAJECTORY_PRESETS = {"S": "panda-box", "C0": "panda-torus", "C-pi/4": "panda-torus", "C+pi/4": "panda-torus"}

# Values as printed: position and orientation errors of Tables 1 and 2, and the times of section 4.6.
PRINTED = Path(__file__).with_name("printed_tables.json")


def printed_tables() -> dict[str, Any]:
    """Return the paper's printed figures (Marconi et al., RA-L 2021, Tables 1 and 2, section 4.6)."""
    return json.loads(PRINTED.read_text())


def standing_panda() -> RobotModel:
    """Return the Panda in the authors' frame."""
    return RobotModel.panda().with_base(STANDING)


def standing(dataset: Dataset) -> Dataset:
    """Return a dataset of the Panda with its poses in the authors' frame."""
    return Dataset(dataset.configurations, STANDING @ dataset.poses, dataset.joint_names)


def panda_trajectories(points: int = 200) -> dict[str, Array]:
    """Table 2's four trajectories in the authors' frame, each (points, 4, 4)."""
    paths = {
        "S": spiral(points=points),
        "C0": circle(points=points),
        "C-pi/4": circle(yaw=-np.pi / 4.0, points=points),
        "C+pi/4": circle(yaw=np.pi / 4.0, points=points),
    }
    return {name: STANDING @ path for name, path in paths.items()}


def biased_model(
    robot: RobotModel, joint_bias_deg: float = 0.0, link_bias_mm: float = 0.0, seed: int = 0
) -> RobotModel:
    """Model g~ of section 4.4: every joint off by the same angle, every link by the same length with random signs."""
    joint_offsets, _ = random_bias(robot.joints, np.deg2rad(joint_bias_deg), 0.0)
    _, link_offsets = random_bias(robot.joints, 0.0, 1e-3 * link_bias_mm, seed)
    return robot.with_bias(joint_offsets, link_offsets)


def path_errors(targets: Array, poses: Array) -> dict[str, Array]:
    """Errors (n,) of poses (n, 4, 4) against targets (n, 4, 4), in both conventions.

    Returns
    -------
    dict
        ``position`` [m] and ``orientation`` [rad]: Euclidean distance and angle. ``position_l1`` and
        ``orientation_l1``: the sum of the absolute coordinate and Euler angle differences, whose mean the authors call
        RMSE.
    """
    error = pose_error(targets, poses)
    euler = euler_from_matrix(targets[:, :3, :3]) - euler_from_matrix(poses[:, :3, :3])
    euler -= 2.0 * np.pi * np.round(euler / (2.0 * np.pi))
    return {
        "position": np.linalg.norm(error[:, :3], axis=1),
        "orientation": np.linalg.norm(error[:, 3:], axis=1),
        "position_l1": np.abs(error[:, :3]).sum(axis=1),
        "orientation_l1": np.abs(euler).sum(axis=1),
    }
