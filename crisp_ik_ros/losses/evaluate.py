"""The losses by name, and by code in compiled code."""

from __future__ import annotations

from crisp_ik_ros.compiled import inlined, innermost
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.losses.forward_kinematics import ForwardKinematicsLoss, embed_pose, forward_kinematics_residual
from crisp_ik_ros.losses.loss import FORWARD_KINEMATICS, RADIANS, Loss
from crisp_ik_ros.losses.radians import RadiansLoss, radians_residual
from crisp_ik_ros.losses.residual import ResidualLoss, residual_residual
from crisp_ik_ros.robots.chain import forward_kinematics_jacobian

LOSSES: dict[str, type[Loss]] = {kind.name: kind for kind in (RadiansLoss, ForwardKinematicsLoss, ResidualLoss)}


def make_loss(name: str, position_weight: float = 1.0, orientation_weight: float = 1.0) -> Loss:
    """Loss of a name: "radians", "forward_kinematics" or "residual".

    Raises
    ------
    InvalidInputError
        When there is no loss of that name or a weight is negative.
    """
    if name not in LOSSES:
        raise InvalidInputError("loss", repr(name), " or ".join(map(repr, LOSSES)))
    return LOSSES[name](position_weight, orientation_weight)


@innermost
def evaluate(code, chain, weights, goal, q, target, work):
    """Write phi(q; goal) - target and its Jacobian to ``work``, for the loss of this code."""
    if code == RADIANS:
        radians_residual(q, target, work)
        return
    forward_kinematics_jacobian(chain, q, work.rotation, work.position, work.geometric, work.axes, work.origins)
    if code == FORWARD_KINEMATICS:
        forward_kinematics_residual(weights, q, target, work)
    else:
        residual_residual(weights, goal, q, target, work)


@inlined
def fallback_target(code, weights, pose, out):
    """Write the target of plain model-based IK (D,) to ``out``, and return whether the loss of this code has one."""
    if code == FORWARD_KINEMATICS:
        embed_pose(weights, pose, out)
    else:
        for d in range(out.shape[0]):
            out[d] = 0.0
    return code != RADIANS
