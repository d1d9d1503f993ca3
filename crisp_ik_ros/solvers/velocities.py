"""Joint velocities for a twist of the tool: damped near singularities, and within bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

from crisp_ik_ros.transforms import Array

# Weights of what comes second to the twist where bounds hold joints back: its share, then short velocities. Squared
# they are what the twist is missed by for their sake, relative to it.
SHARE_WEIGHT, LENGTH_WEIGHT = 1e-4, 1e-8
# So much of the twist may be missing for the sake of the weights alone.
NEARLY_ALL = 1e-4
# A velocity beyond its bound by so much is rounding [rad/s or m/s], and a twist missed by this share of it is met.
BOUND_SLACK, MET = 1e-9, 1e-6
# Steps of the bounded least squares, each of which holds or frees a joint.
MAX_STEPS = 200


@dataclass(frozen=True)
class VelocityResult:
    """Joint velocities for a twist of the tool, and what the tool does then.

    Attributes
    ----------
    velocities : (J,)
        Within the limits [rad/s or m/s].
    success : bool
        Whether the tool gets the twist that was asked for, to a millionth of it.
    twist : (6,)
        Twist that the velocities give the tool: linear, then angular [m/s, rad/s], base frame.
    linear_error, angular_error : float
        Lengths of the differences from the twist that was asked for [m/s, rad/s].
    share : float
        Factor, 0 to 1, by which limits slow the tool down. Below 1, ``limited`` names the joints that do it.
    damped : bool
        Whether a direction was damped because a singularity is near.
    limited : (J,) bool
        Joints that a bound holds back: their largest velocity, or what their position limit leaves.
    manipulability : float
        Yoshikawa's measure, see ``RobotModel.manipulability``.
    condition_number : float
        Of the Jacobian, see ``RobotModel.condition_number``.
    """

    velocities: Array
    success: bool
    twist: Array
    linear_error: float
    angular_error: float
    share: float
    damped: bool
    limited: np.ndarray
    manipulability: float
    condition_number: float


def damped_inverse(singular_values: Array, threshold: float) -> Array:
    """Inverses (k,) of singular values (k,), those below a threshold damped: s / (s^2 + l^2), l^2 = t^2 - s^2.

    The damping l rises from 0 at the threshold t to t at a singularity, and only for the directions below it, so that
    all others stay exact. The inverse is then s / t^2: it never exceeds 1 / t, and goes to 0 with s. Sources: Nakamura
    and Hanafusa 1986 (damping that rises near singularities), Maciejewski and Klein 1988 (only where it is needed),
    Chiaverini, Siciliano and Egeland 1994 (the law by the smallest singular value).
    """
    damping = np.maximum(threshold**2 - singular_values**2, 0.0)
    return singular_values / (singular_values**2 + damping)


def bounded_velocities(
    jacobian: Array, twist: Array, lower: Array, upper: Array, keep_direction: bool
) -> tuple[Array, float]:
    """Velocities within bounds for a twist that can be given without them.

    Parameters
    ----------
    jacobian : (R, J)
    twist : (R,)
        In the range of the Jacobian.
    lower, upper : (J,)
        Bounds of the velocities, at most and at least 0 [rad/s or m/s].
    keep_direction : bool
        True: velocities for the largest share, 0 to 1, of the twist that the bounds allow, its direction kept (Flacco,
        De Luca, Khatib 2012). False: those that come nearest the twist, in the sum of squares of its R components.

    Returns
    -------
    velocities : (J,)
        Of all that do it, the shortest.
    share : float
        1 where the direction is not kept.
    """
    joints, length = len(lower), float(np.linalg.norm(twist))
    if length == 0.0:
        return np.zeros(joints), 1.0
    # In units of the twist: all weights below are relative to it.
    unit = twist / length
    bounds = np.append(lower / length, 0.0), np.append(upper / length, 1.0)
    # A joint that may not move has no interval, which the solver wants.
    free = bounds[0] < bounds[1]
    if not keep_direction:
        free[joints] = False
    matrix = np.zeros((len(twist) + joints + 1, joints + 1))
    matrix[: len(twist), :joints], matrix[: len(twist), joints] = jacobian, -unit
    matrix[len(twist) :] = np.diag(np.append(np.full(joints, LENGTH_WEIGHT), SHARE_WEIGHT))
    target = np.zeros(len(matrix))
    target[-1] = SHARE_WEIGHT
    if not keep_direction:
        target[: len(twist)] = unit
    solution = np.zeros(joints + 1)
    if free.any():
        solution[free] = lsq_linear(
            matrix[:, free], target, (bounds[0][free], bounds[1][free]), "bvls", tol=1e-15, max_iter=MAX_STEPS
        ).x
    velocities, share = _on_bounds(length * solution[:joints], lower, upper), float(solution[joints])
    if not keep_direction:
        return velocities, 1.0
    # So little is what the weights leave of a halt, and of the whole twist.
    if share < MET:
        return np.zeros(joints), 0.0
    if share > 1.0 - NEARLY_ALL:
        held = (velocities <= lower) | (velocities >= upper)
        exact = np.where(held, velocities, 0.0)
        exact[~held] = np.linalg.pinv(jacobian[:, ~held], 1e-9) @ (twist - jacobian @ exact)
        inside = np.all(exact >= lower - BOUND_SLACK) and np.all(exact <= upper + BOUND_SLACK)
        if inside and np.linalg.norm(jacobian @ exact - twist) <= MET * length:
            return _on_bounds(exact, lower, upper), 1.0
    return velocities, share


def _on_bounds(velocities: Array, lower: Array, upper: Array) -> Array:
    """Velocities (J,) within bounds, those that are off a bound by rounding on it."""
    velocities = np.where(velocities >= upper - BOUND_SLACK, upper, velocities)
    return np.where(velocities <= lower + BOUND_SLACK, lower, velocities)


def solve_velocities(
    jacobian: Array,
    twist: Array,
    lower: Array,
    upper: Array,
    directions: int,
    threshold: float,
    keep_direction: bool,
) -> tuple[Array, Array, float, bool, np.ndarray]:
    """Velocities for a twist: damped near singularities, then within bounds.

    Parameters
    ----------
    jacobian : (6, J)
    twist : (6,)
        Linear, then angular [m/s, rad/s].
    lower, upper : (J,)
        Bounds of the velocities, at most and at least 0 [rad/s or m/s].
    directions : int
        How many singular values of the Jacobian count as those of directions that the tool can move in.
    threshold : float
        Singular value below which a direction is damped.
    keep_direction : bool
        As ``bounded_velocities`` takes it.

    Returns
    -------
    velocities : (J,)
    singular_values : (k,)
        Of the Jacobian.
    share : float
        Of the twist that is left of damping, which the bounds allow.
    damped : bool
        Whether damping took anything from the twist.
    limited : (J,) bool
        Joints that a bound holds back.
    """
    left, values, right = np.linalg.svd(jacobian, full_matrices=False)
    inverse = damped_inverse(values, threshold)
    along = left.T @ twist
    velocities = right.T @ (inverse * along)
    near = (values < threshold) & (np.arange(len(values)) < directions)
    damped = bool(np.any(np.abs(along[near]) > MET * np.linalg.norm(twist)))
    share, limited = 1.0, np.zeros(len(lower), dtype=bool)
    if np.any(velocities < lower - BOUND_SLACK) or np.any(velocities > upper + BOUND_SLACK):
        velocities, share = bounded_velocities(jacobian, jacobian @ velocities, lower, upper, keep_direction)
        limited = (velocities <= lower) | (velocities >= upper)
    return np.clip(velocities, lower, upper), values, share, damped, limited
