"""Where the tip link has to be, for targets of other links that are fixed to it, and in other frames."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from crisp_ik_ros.errors import CrispIKError, quoted
from crisp_ik_ros.nodes.targets import ErrorCode, RequestError, Target, pose_of, poses_of
from crisp_ik_ros.robots.fixed_links import fixed_to_base, fixed_to_tip
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import Body
from crisp_ik_ros.transforms import Array

# Of the names that are told, no more than these characters.
LONGEST_LIST = 150


class Transforms(Protocol):
    """Frames that others tell of, such as tf2's."""

    def pose_of(self, frame: str, stamp: int, patience: float) -> Array:
        """Pose (4, 4) of a frame in the robot's base frame [m], at a time [ns]; 0: the latest.

        ``patience``: longest wait for it [s].

        Raises
        ------
        NotYetKnown
            Where a longer wait may help.
        RequestError
            Where the frame is not known.
        """


class TargetFrames:
    """Turns targets into poses of a robot's tip link in its base frame.

    Parameters
    ----------
    robot : RobotModel
    bodies : sequence of Body, optional
        All links of its URDF: with them also links and frames beside the chain are known.
    transforms : Transforms, optional
        Asked for frames that are not fixed to the base.
    """

    def __init__(self, robot: RobotModel, bodies: Sequence[Body] = (), transforms: Transforms | None = None):
        self._base, self._tip = robot.base_link, robot.tip_link
        self._tips = fixed_to_tip(robot, bodies)
        self._frames = fixed_to_base(robot, bodies)
        self._transforms = transforms

    def check_link(self, link: str) -> None:
        """Refuse a link that is not fixed to the tip; nothing stands for the tip.

        Raises
        ------
        RequestError
        """
        if link and link not in self._tips:
            raise RequestError(
                ErrorCode.INVALID_LINK_NAME,
                f"ik_link_name: got {link!r}, expected {self._tip!r}, the tool link, "
                + _or_fixed(self._tips, self._tip, "a link fixed to it"),
            )

    def pose_of(self, target: Target, link: str = "", patience: float = 0.0) -> Array:
        """Pose (4, 4) of the tip in the base frame [m] that puts a link on a target.

        Parameters
        ----------
        target : Target
        link : str
            That ``check_link`` takes.
        patience : float
            Longest wait for the transform of its frame [s].

        Raises
        ------
        RequestError
            When its frame is not known.
        InvalidInputError
            When a position is not finite, or the quaternion not of unit length within 1 %.
        """
        frame = self._frame(target.frame_id, target.stamp, patience)
        pose = pose_of(target if frame is None else target._replace(frame_id=""), self._base)
        return self._of_tip(pose if frame is None else frame @ pose, link)

    def poses_of(
        self, targets: Sequence[Target], link: str = "", patience: float = 0.0
    ) -> tuple[Array, dict[int, CrispIKError]]:
        """Poses (n, 4, 4) of n targets, and by index what ``pose_of`` raises, where the pose is none.

        ``patience`` is for all of them together.
        """
        foreign = [index for index, target in enumerate(targets) if not self._is_base(target.frame_id)]
        if not foreign:
            poses, faults = poses_of(targets, self._base)
            return self._of_tip(poses, link), faults
        plain = list(targets)
        for index in foreign:
            plain[index] = targets[index]._replace(frame_id="")
        poses, faults = poses_of(plain, self._base)
        here = Target((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
        known: dict[tuple[str, int], Array | CrispIKError] = {}
        deadline = time.monotonic() + patience
        for index in foreign:
            key = frame, stamp = targets[index].frame_id, targets[index].stamp
            if key not in known:
                try:
                    known[key] = self.pose_of(
                        here._replace(frame_id=frame, stamp=stamp), "", deadline - time.monotonic()
                    )
                except CrispIKError as error:
                    known[key] = error
            found = known[key]
            if isinstance(found, CrispIKError):
                faults[index], poses[index] = found, np.eye(4)
            elif index not in faults:
                poses[index] = found @ poses[index]
        return self._of_tip(poses, link), faults

    def _is_base(self, frame: str) -> bool:
        return not frame or frame.lstrip("/") == self._base

    def _frame(self, frame: str, stamp: int, patience: float) -> Array | None:
        """Pose of a frame in the base frame; None for the base frame itself, and where nobody knows."""
        if self._is_base(frame):
            return None
        frame = frame.lstrip("/")
        fixed = self._frames.get(frame)
        if fixed is not None or self._transforms is None:
            return fixed
        return self._transforms.pose_of(frame, stamp, patience)

    def _of_tip(self, poses: Array, link: str) -> Array:
        return poses @ self._tips[link] if link and link != self._tip else poses


def _or_fixed(names: Iterable[str], name: str, what: str) -> str:
    others = ", ".join(sorted(set(names) - {name}))
    return f"{what} ({quoted(others, LONGEST_LIST)}), or nothing" if others else "or nothing"
