"""Training samples from a simulated arm: target poses of a region, and configurations that reach them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import InvalidInputError, SimulationError
from crisp_ik_ros.estimators.decoding import Decoder, Problem
from crisp_ik_ros.losses.residual import ResidualLoss
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.robots.bias import random_bias
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.simulation.regions import Neighborhood, Region, Workspace
from crisp_ik_ros.transforms import Array

# Decimals of a configuration: finer than any encoder, and coarse enough that machines that round differently record the
# same one.
DIGITS = 9
# Targets drawn at a time. A constant: the random numbers a sample gets would depend on it.
BLOCK = 1000
# When to give up: so many draws, and not this share of them reached.
DRAWS_FOR_A_VERDICT = 3000
LEAST_SHARE = 0.01
# Pull towards the rest pose among the configurations that reach a target.
REST_WEIGHT = 0.03


def sample(
    arm: PyBulletArm,
    region: Region | Workspace | Neighborhood,
    count: int,
    seed: int = 0,
    rest: ArrayLike | None = None,
    position_tolerance: float = 1e-4,
    orientation_tolerance: float = 1e-3,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Draw samples as the paper does: poses uniform in a region, configurations by inverse kinematics of the true arm.

    Every search starts from the rest pose and is drawn to it, so that a configuration is a function of its target.
    The recorded pose is the simulator's, of the recorded configuration. Targets that were missed by more than the
    tolerances are thrown away and others drawn, so the poses are uniform over the part of the region that is reached.
    Of a ``Workspace`` or a ``Neighborhood``, configurations are drawn instead.

    Parameters
    ----------
    arm : PyBulletArm
        Its true kinematics make the samples. Its state is left as it was.
    region : Region, Workspace or Neighborhood
    count : int
        Number of samples.
    seed : int
        The same seed gives the same samples, and fewer samples are the first ones of more.
    rest : (J,), optional
        Configuration to start from and to stay near; default: the robot's.
    position_tolerance, orientation_tolerance : float
        Largest miss of a target [m, rad].
    progress : callable, optional
        Called now and then with the number done and ``count``.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidInputError
        When ``count``, ``rest`` or a tolerance cannot be used.
    SimulationError
        When hardly any target of the region is reached.
    """
    if count < 1:
        raise InvalidInputError("count", count, "at least 1 sample")
    for name, value in (("position_tolerance", position_tolerance), ("orientation_tolerance", orientation_tolerance)):
        if not value > 0.0:
            raise InvalidInputError(name, value, "a number above 0")
    rng = np.random.default_rng(seed)
    if isinstance(region, (Workspace, Neighborhood)):
        configurations = np.round(region.draw_configurations(arm.robot, rng, count), DIGITS)
        configurations = np.clip(configurations, arm.robot.lower, arm.robot.upper)
        return Dataset(configurations, arm.forward_kinematics(configurations, progress), arm.robot.joint_names)
    solve = _solver(arm, rest)
    kept_configurations: list[Array] = []
    kept_poses: list[Array] = []
    drawn = done = 0
    while done < count:
        targets = region.draw(rng, BLOCK)
        configurations = np.round([solve(target) for target in targets], DIGITS)
        configurations = np.clip(configurations, arm.robot.lower, arm.robot.upper)
        poses = arm.forward_kinematics(configurations)
        position_error, orientation_error = tool_errors(targets, poses)
        reached = (position_error <= position_tolerance) & (orientation_error <= orientation_tolerance)
        kept_configurations.append(configurations[reached])
        kept_poses.append(poses[reached])
        drawn += BLOCK
        done += int(reached.sum())
        if done < count and drawn >= DRAWS_FOR_A_VERDICT and done < LEAST_SHARE * drawn:
            raise SimulationError(
                f"the arm reaches only {done} of {drawn} target poses of the region; move it into the workspace, "
                "allow other tool orientations, or start from a rest pose in its midst"
            )
        if progress is not None:
            progress(min(done, count), count)
    return Dataset(
        np.concatenate(kept_configurations)[:count], np.concatenate(kept_poses)[:count], arm.robot.joint_names
    )


def sample_biased(
    robot: RobotModel,
    urdf: str | Path,
    region: Region | Workspace | Neighborhood,
    count: int,
    seed: int,
    joint_bias: float,
    link_bias: float,
    bias_seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Draw samples of a simulated robot that is not what its URDF says.

    Parameters
    ----------
    robot : RobotModel
        The nominal robot.
    urdf : str or Path
        Its URDF.
    region, count, seed, progress
        As for ``sample``.
    joint_bias, link_bias, bias_seed
        Offsets of the true robot [rad, m], and the seed of their signs, as for ``random_bias``.
    """
    offsets = random_bias(robot.joints, joint_bias, link_bias, bias_seed)
    with PyBulletArm(urdf, robot, *offsets) as arm:
        return sample(arm, region, count, seed, progress=progress)


def _solver(arm: PyBulletArm, rest: ArrayLike | None) -> Callable[[Array], Array]:
    """Inverse kinematics of the true arm from the rest pose, in one start: no clock decides on the outcome."""
    robot = arm.true_robot
    begin = robot.rest if rest is None else robot.check_configuration(rest, "rest")
    if begin.shape != (robot.dof,) or not robot.within_limits(begin, 1e-6):
        raise InvalidInputError("rest", begin.tolist(), f"({robot.dof},), within the joint limits")
    begin = np.clip(begin, robot.lower, robot.upper)
    loss = ResidualLoss()
    decoder = Decoder(robot, loss)
    no_error = np.zeros(loss.dimension(robot.dof))

    def solve(target: Array) -> Array:
        problem = Problem(target, no_error, begin, REST_WEIGHT, 0.0, "nominal")
        return decoder.decode(problem, begin)[0]

    return solve
