"""Selectively damped least squares: every singular direction of the Jacobian is damped as much as it needs.

Source: S. R. Buss, J.-S. Kim, "Selectively Damped Least Squares for Inverse Kinematics", Journal of Graphics Tools
10(3), 2005; the letters are the paper's. An "end effector" is any block of three rows of the error.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from crisp_ik_ros.solvers.result import SolverResult
from crisp_ik_ros.transforms import Array

# The paper's gamma_max [rad].
LARGEST_ANGLE = 0.25 * np.pi
# Singular values below this share of the largest are 0: the motion allowed along them is too (gamma goes with sigma).
NEGLIGIBLE = 1e-12


def clamped_error(error: Array, largest: Array) -> Array:
    """Error (3 k,) with each block of three shortened to at most its length in ``largest`` (k,), the paper's D_max."""
    blocks = error.reshape(-1, 3)
    norms = np.linalg.norm(blocks, axis=1)
    scale = np.minimum(1.0, largest / np.maximum(norms, 1e-300))
    return (blocks * scale[:, None]).ravel()


@njit(cache=True)
def selectively_damped_components(jacobian, error, largest_angle):
    """Motion along every singular direction, and how far it may go.

    Parameters
    ----------
    jacobian : (3 k, J)
        Of k end effectors, C-contiguous.
    error : (3 k,)
        From the end effectors to their targets.
    largest_angle : float
        The paper's gamma_max [rad].

    Returns
    -------
    components : (r, J)
        phi_i: the pseudo-inverse's motion along v_i, shortened so that no joint turns farther than gamma_i.
    limits : (r,)
        gamma_i = min(1, N_i / M_i) gamma_max. N_i is how far a unit step along u_i moves the end effectors, M_i how
        far the joints' motions would move them if they did not cancel.
    """
    rows, joints = jacobian.shape
    effectors = rows // 3
    left, sigma, right = np.linalg.svd(jacobian, full_matrices=False)
    count = sigma.shape[0]
    components, limits = np.zeros((count, joints)), np.zeros(count)
    # rho_j, summed over the end effectors: how fast joint j moves them
    speed = np.zeros(joints)
    for j in range(joints):
        for e in range(effectors):
            total = 0.0
            for row in range(3 * e, 3 * e + 3):
                total += jacobian[row, j] ** 2
            speed[j] += np.sqrt(total)
    for i in range(count):
        if not sigma[i] > NEGLIGIBLE * sigma[0]:
            continue
        moved, alpha = 0.0, 0.0
        for e in range(effectors):
            total = 0.0
            for row in range(3 * e, 3 * e + 3):
                total += left[row, i] ** 2
                alpha += left[row, i] * error[row]
            moved += np.sqrt(total)
        effort, longest = 0.0, 0.0
        for j in range(joints):
            effort += abs(right[i, j]) * speed[j]
            longest = max(longest, abs(right[i, j]))
        effort /= sigma[i]
        limits[i] = min(1.0, moved / effort) * largest_angle
        length = alpha / sigma[i]
        if abs(length) * longest > limits[i]:
            length = np.sign(length) * limits[i] / longest
        for j in range(joints):
            components[i, j] = length * right[i, j]
    return components, limits


@njit(cache=True)
def selectively_damped_step(jacobian, error, largest_angle):
    """Step (J,) of all joints: the sum of the components, shortened so that none turns farther than gamma_max [rad]."""
    components, _ = selectively_damped_components(jacobian, error, largest_angle)
    step = components.sum(axis=0)
    longest = np.abs(step).max()
    return step * (largest_angle / longest) if longest > largest_angle else step


def selectively_damped_least_squares(
    error_and_jacobian: Callable[[Array], tuple[Array, Array]],
    initial: Array,
    lower: Array,
    upper: Array,
    largest_errors: Array,
    largest_angle: float = LARGEST_ANGLE,
    limit: int = 200,
    tolerance: float = 1e-10,
    smallest_step: float = 1e-10,
) -> SolverResult:
    """Bring end effectors to their targets, within the box [lower, upper].

    Joints are held to their limits by clamping after every step.

    Parameters
    ----------
    error_and_jacobian : callable
        y (J,) -> target minus end effectors (3 k,), derivative of the end effectors (3 k, J).
    initial, lower, upper : (J,)
    largest_errors : (k,)
        An end effector's error longer than this is shortened to it, the paper's D_max.
    largest_angle : float
        The paper's gamma_max [rad].
    limit : int
        Largest number of evaluations.
    tolerance : float
        Length of the error at which the targets are reached.
    smallest_step : float
        Stop where no joint moves farther than this.

    Returns
    -------
    SolverResult
        The best configuration met, with half the squared error; ``converged`` where the targets were reached.
    """
    y = np.clip(np.asarray(initial, dtype=float), lower, upper)
    best, cost, count = y, np.inf, 0
    while count < limit:
        error, jacobian = error_and_jacobian(y)
        count += 1
        current = 0.5 * float(error @ error)
        # The paper's method may step uphill on its way out of a bad posture.
        if current < cost:
            best, cost = y, current
        if 2.0 * current <= tolerance * tolerance:
            break
        step = selectively_damped_step(
            np.ascontiguousarray(jacobian), clamped_error(error, largest_errors), largest_angle
        )
        following = np.clip(y + step, lower, upper)
        if np.abs(following - y).max() < smallest_step:
            break
        y = following
    return SolverResult(best.copy(), cost, count, 2.0 * cost <= tolerance * tolerance)
