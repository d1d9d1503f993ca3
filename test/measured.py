"""A Panda that is not what its URDF says, and what devices measure of it."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros import Dataset, ModelBasedIK
from crisp_ik_ros.datasets.dataset import Distance
from crisp_ik_ros.robots.corrections import no_corrections
from crisp_ik_ros.transforms import make_pose, rotation_exponential

# Of a device's readings [m, rad].
NOISE = 1e-4, 5e-4


def true_robot(robot, seed=0):
    """Return the robot with joints 2 degrees off, links 10 mm, gears 0.2 degrees twice a turn, and deflection."""
    rng = np.random.default_rng(seed)
    joints = robot.dof
    biased = robot.with_bias(
        np.deg2rad(2.0) * rng.choice([-1.0, 1.0], joints), 0.01 * rng.choice([-1.0, 1.0], (len(robot.joints), 3))
    )
    harmonics = np.zeros((joints, 4))
    harmonics[:, 2:] = np.deg2rad(0.2) * rng.choice([-1.0, 1.0], (joints, 2)) / np.sqrt(2.0)
    compliances = np.zeros((joints, 3))
    compliances[:, 2] = 1e-4
    corrections = no_corrections(joints)._replace(
        active=True, harmonics=harmonics, compliances=compliances, bodies=biased.bodies()
    )
    return biased.corrected(biased.joints, corrections)


def measured_poses(true, count, seed, frame=None, tool=None):
    """Full poses with noise, in a device's own frame and of its own marker where these (4, 4) are given."""
    rng = np.random.default_rng(seed)
    q = true.random_configurations(count, rng)
    poses = np.array(true.forward_kinematics(q))
    poses = poses if frame is None else frame @ poses
    poses = poses if tool is None else poses @ tool
    poses[:, :3, 3] += rng.normal(0.0, NOISE[0], (count, 3))
    poses[:, :3, :3] = rotation_exponential(rng.normal(0.0, NOISE[1], (count, 3))) @ poses[:, :3, :3]
    return Dataset(q, poses, true.joint_names)


def measured_positions(true, count, seed, frame=None, tool=None):
    """As ``measured_poses``, but a device that shows no orientations."""
    full = measured_poses(true, count, seed, frame, tool)
    return Dataset.from_positions(full.configurations, full.poses[:, :3, 3], full.joint_names)


def touched_points(true, locations, count, seed, distance=0.05):
    """Two points of each location (x, y, z), ``distance`` apart, each touched in ``count`` configurations."""
    rng = np.random.default_rng(seed)
    arm = ModelBasedIK(true)
    groups, distances = {}, []
    for name, place in locations.items():
        for k in range(2):
            rows = []
            while len(rows) < count:
                turn = rotation_exponential([np.pi, 0.0, 0.0]) @ rotation_exponential(rng.uniform(-0.7, 0.7, 3))
                found = arm.solve(make_pose(np.add(place, [k * distance, 0.0, 0.0]), turn), timeout=0.5)
                if found.success:
                    rows.append(found.configuration)
            groups[f"{name}/hole_{k}"] = np.array(rows)
        distances.append(Distance(f"{name}/hole_0", f"{name}/hole_1", distance))
    return Dataset.from_same_points(groups, true.joint_names, distances=distances)


def write_points(dataset, folder):
    """Write same-point groups as a folder of LOCATION/hole_H.csv."""
    for k, name in enumerate(dataset.group_names):
        path = folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, dataset.configurations[dataset.groups == k], delimiter=",")
    return folder
