"""Velocities of an estimator: the joints' for a twist of the tool, and the tool's where data corrects the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.compiled import entry
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.estimators.prediction import expect, support_at
from crisp_ik_ros.robots.conditioning import condition_of, manipulability_of
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.solvers.velocities import MET, VelocityResult, solve_velocities
from crisp_ik_ros.transforms import Array, make_pose, pose_error, rotation_exponential

# Step of the differences that the derivative of a correction is taken by [m and rad].
DIFFERENCE = 1e-4
# Spectral norm of the correction of a Jacobian, relative to it, from which it is not believed.
LARGEST_DEVIATION = 0.3


def solve_twist(
    robot: RobotModel,
    jacobian: Array,
    q: Array,
    twist: ArrayLike,
    dt: float | None,
    max_velocities: ArrayLike | None,
    keep_direction: bool,
    singularity_threshold: float,
) -> VelocityResult:
    """Answer ``InverseKinematics.solve_velocity`` for a configuration (J,) within the limits and its Jacobian (6, J).

    Raises
    ------
    InvalidInputError
        When the twist or an option cannot be used.
    """
    wanted = np.array(twist, dtype=float)
    if wanted.shape != (6,) or not np.isfinite(wanted).all():
        raise InvalidInputError("twist", twist, "six finite numbers: linear [m/s], then angular [rad/s]")
    if not 0.0 < singularity_threshold < np.inf:
        raise InvalidInputError("singularity_threshold", singularity_threshold, "a finite number above 0")
    lower, upper = velocity_bounds(robot, q, dt, max_velocities)
    directions = robot.directions
    velocities, values, share, damped, limited = solve_velocities(
        jacobian, wanted, lower, upper, directions, float(singularity_threshold), bool(keep_direction)
    )
    given = jacobian @ velocities
    missed = given - wanted
    return VelocityResult(
        velocities,
        bool(np.linalg.norm(missed) <= MET * np.linalg.norm(wanted)),
        given,
        float(np.linalg.norm(missed[:3])),
        float(np.linalg.norm(missed[3:])),
        share,
        damped,
        limited,
        float(manipulability_of(values, directions)),
        float(condition_of(values, directions)),
    )


def velocity_bounds(
    robot: RobotModel, q: Array, dt: float | None, max_velocities: ArrayLike | None
) -> tuple[Array, Array]:
    """Smallest and largest velocities (J,) [rad/s or m/s] of the joints at a configuration (J,) within the limits.

    Raises
    ------
    InvalidInputError
        When the time step or a velocity is not a number above 0.
    """
    largest = np.asarray(robot.velocity if max_velocities is None else max_velocities, dtype=float)
    if largest.shape not in ((), (robot.dof,)) or not (largest > 0.0).all():
        raise InvalidInputError(
            "max_velocities", max_velocities, f"a number above 0, or one for each of {', '.join(robot.joint_names)}"
        )
    if dt is not None and not 0.0 < dt < np.inf:
        raise InvalidInputError("dt", dt, "a finite number of seconds above 0")
    if dt is None:
        below, above = np.where(q > robot.lower, -np.inf, 0.0), np.where(q < robot.upper, np.inf, 0.0)
    else:
        below, above = np.minimum((robot.lower - q) / dt, 0.0), np.maximum((robot.upper - q) / dt, 0.0)
    endless = robot.continuous
    lower = np.maximum(np.where(endless, -np.inf, below), -largest)
    upper = np.minimum(np.where(endless, np.inf, above), largest)
    return lower, upper


def corrected_jacobian(jacobian: Array, correction: Callable[[Array], Array], pose: Array) -> Array:
    """Jacobian (6, J) of the real tool, from the model's and from what was learned of the model's errors.

    The model is at m(x) when the tool is at x. So J dq = D dx with D = dm/dx, and the tool moves by D^-1 J dq: the
    implicit function theorem. D is found by central differences.

    Parameters
    ----------
    jacobian : (6, J)
        The model's.
    correction : callable
        Poses of the real tool (n, 4, 4) -> their errors against the model's poses (n, 6) [m, rad], as ``pose_error``.
    pose : (4, 4)
        Of the model [m].

    Returns
    -------
    (6, J)
        The model's where D is too far from the identity to be of an error that a robot has.
    """
    real = pose[None]
    # Corrections are small and change slowly: two steps find the tool to a thousandth of its correction.
    for _ in range(2):
        real = displaced(pose[None], correction(real))
    around = displaced(real, DIFFERENCE * np.vstack([np.eye(6), -np.eye(6)]))
    model = displaced(around, -correction(around))
    derivative = pose_error(model[:6], model[6:]).T / (2.0 * DIFFERENCE)
    if not np.linalg.norm(derivative - np.eye(6), 2) < LARGEST_DEVIATION:
        return jacobian
    return np.asarray(np.linalg.solve(derivative, jacobian))


def displaced(poses: Array, motions: Array) -> Array:
    """Poses (n, 4, 4) moved by (n, 6): shifted [m], and turned about their own origins [rad], along axes of the base.

    One pose (1, 4, 4) is moved by all.
    """
    rotations = rotation_exponential(motions[:, 3:]) @ poses[:, :3, :3]
    return make_pose(poses[:, :3, 3] + motions[:, :3], rotations)


@entry
def expected_targets(kept, null_space_weight, poses, targets):
    """Write the target embeddings (n, D) of poses (n, 4, 4) to ``targets``."""
    task, learned = kept.knowledge.task, kept.knowledge.learned
    posture = task.rest.copy()
    for i in range(poses.shape[0]):
        expect(task, learned, null_space_weight, 1.0, poses[i], targets[i], posture)


@entry
def supports_of(kept, null_space_weight, pose, configuration):
    """Support of a pose (4, 4), and what is left of it where a configuration (J,) reaches it."""
    task, learned = kept.knowledge.task, kept.knowledge.learned
    posture, target = task.rest.copy(), np.empty(task.dimension)
    found = expect(task, learned, null_space_weight, 1.0, pose, target, posture)
    return found.support, support_at(task, learned.scatter, found, posture, configuration)
