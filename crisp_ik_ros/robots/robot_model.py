"""A serial robot: its chain, its limits, and compiled forward kinematics and Jacobian."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.robots.bias import bias_joints
from crisp_ik_ros.robots.chain import Chain, forward_kinematics_batch, jacobian_batch
from crisp_ik_ros.robots.conditioning import condition_of, directions_of, manipulability_of
from crisp_ik_ros.robots.corrections import Corrections, arrays_of, no_corrections
from crisp_ik_ros.robots.gravity import GRAVITY, Bodies
from crisp_ik_ros.robots.limits import wrap_all
from crisp_ik_ros.robots.masses import link_masses
from crisp_ik_ros.robots.sources import pybullet_data_path
from crisp_ik_ros.robots.urdf import ChainJoint, parse_bodies, read_urdf
from crisp_ik_ros.transforms import Array, check_pose

# Mass of a link where the URDF names none [kg].
UNKNOWN_MASS = 2.5


class RobotModel:
    """Kinematic model of a serial chain. Immutable; ``with_bias`` and ``with_limits`` return new models.

    Attributes
    ----------
    joint_names : tuple of str
        Movable joints, base to tip.
    lower, upper, velocity : (J,)
        Joint limits [rad or m] and largest speeds [rad/s or m/s].
    continuous : (J,) bool
        Joints that turn without end. Their limits are -pi and pi, and solutions are wrapped into them.
    rest : (J,)
        Configuration that redundancy is resolved towards when nothing better is known.
    dof : int
        Number of movable joints J.
    chain : Chain
        The numbers the compiled functions take.
    reach : float
        No tip position is farther than this from ``anchor`` [m].
    masses, mass_centers : (J,), (J, 3)
        What moves rigidly with each joint [kg], and where its centre is in the joint's child link [m]; zeros where
        nothing is known. They do not count for the fingerprint.
    urdf_sha256 : str
        Hash of the URDF text the model was read from; empty when it was not read from one.
    fingerprint : str
        Hash of the chain itself (kinematics, names and limits); equal for robots that behave the same.
    """

    def __init__(
        self,
        joints: Sequence[ChainJoint],
        base_link: str,
        tip_link: str,
        name: str = "robot",
        urdf_sha256: str = "",
        rest: ArrayLike | None = None,
        corrections: Corrections | None = None,
        masses: ArrayLike | None = None,
        mass_centers: ArrayLike | None = None,
    ):
        self.joints = tuple(joints)
        self.base_link = base_link
        self.tip_link = tip_link
        self.name = name
        self.urdf_sha256 = urdf_sha256
        movable = [joint for joint in self.joints if joint.movable]
        self.joint_names = tuple(joint.name for joint in movable)
        self.dof = len(movable)
        self.lower = np.array([joint.lower for joint in movable])
        self.upper = np.array([joint.upper for joint in movable])
        self.velocity = np.array([joint.velocity for joint in movable])
        self.continuous = np.array([joint.kind == "continuous" for joint in movable])
        self.rest = 0.5 * (self.lower + self.upper) if rest is None else self._check_rest(rest)
        self.chain = _compile(self.joints, corrections or no_corrections(self.dof))
        self.anchor = self.chain.translations[0].copy()
        # A sliding joint reaches as far as its longer limit.
        slide = np.maximum(np.abs(self.lower), np.abs(self.upper))[self.chain.prismatic].sum()
        self.reach = float(np.linalg.norm(self.chain.translations[1:], axis=1).sum() + slide)
        self.masses = np.zeros(self.dof) if masses is None else np.array(masses, dtype=float)
        self.mass_centers = np.zeros((self.dof, 3)) if mass_centers is None else np.array(mass_centers, dtype=float)
        for array in (self.lower, self.upper, self.velocity, self.rest, self.masses, self.mass_centers):
            array.setflags(write=False)
        kinds = (f"{joint.name}:{joint.kind}" for joint in movable)
        digest = hashlib.sha256("|".join((base_link, tip_link, *kinds)).encode())
        for array in (*self.chain[:3], self.lower, self.upper):
            digest.update(np.ascontiguousarray(array).tobytes())
        if self.chain.corrections.active:
            for array in (*arrays_of(self.chain.corrections).values(), self.chain.corrections.length_scale):
                digest.update(np.ascontiguousarray(array).tobytes())
        self.fingerprint = digest.hexdigest()

    @classmethod
    def from_urdf(
        cls,
        path_or_xml: str | Path,
        base_link: str | None = None,
        tip_link: str | None = None,
        rest: ArrayLike | None = None,
    ) -> RobotModel:
        """Read the chain between two links of a URDF, given as a path or as XML text.

        ``base_link`` defaults to the root link, ``tip_link`` to the tip of the only arm, before a gripper.

        Raises
        ------
        URDFError
            When the URDF cannot be read or has no such chain.
        """
        xml = read_urdf(path_or_xml)
        parsed, bodies = parse_bodies(xml, base_link, tip_link)
        sha256 = hashlib.sha256(xml).hexdigest()
        masses, centers = link_masses(parsed, bodies)
        return cls(
            parsed.joints, parsed.base_link, parsed.tip_link, parsed.name, sha256, rest, masses=masses,
            mass_centers=centers,
        )  # fmt: skip

    @classmethod
    def panda(cls) -> RobotModel:
        """Franka Emika Panda: pybullet_data's URDF, panda_link0 to panda_grasptarget, Franka's published limits.

        Raises
        ------
        MissingDependencyError
            When pybullet, whose data the URDF is, is not installed.
        """
        from crisp_ik_ros.robots.catalog import find_robot

        return find_robot("panda")

    @classmethod
    def planar5(cls) -> RobotModel:
        """Return the paper's planar arm: five 2 m links in the x-y plane, limits of its section 4.2."""
        from crisp_ik_ros.robots.catalog import find_robot

        return find_robot("planar5")

    def with_bias(self, joint_offsets: ArrayLike | None = None, link_offsets: ArrayLike | None = None) -> RobotModel:
        """Return the same robot with encoders and links off by the given amounts.

        Parameters
        ----------
        joint_offsets : (J,), optional
            Added to every configuration [rad; m for prismatic joints].
        link_offsets : (number of joints in the chain, 3), optional
            Added to the origin of each joint of the chain, fixed ones included, in its parent link's frame [m];
            (J, 3) is taken as the movable joints only.

        Raises
        ------
        InvalidInputError
            When a shape is wrong or a value is not finite.
        """
        return self._replaced(bias_joints(self.joints, joint_offsets, link_offsets))

    def with_limits(self, lower: ArrayLike, upper: ArrayLike) -> RobotModel:
        """Return the same robot with other joint limits, each (J,) [rad or m]."""
        bounds = self.check_configuration(lower, "lower"), self.check_configuration(upper, "upper")
        if np.any(bounds[0] > bounds[1]):
            raise InvalidInputError("lower", bounds[0].tolist(), f"at most upper, {bounds[1].tolist()}")
        pairs = iter(zip(*bounds, strict=True))
        joints = []
        for joint in self.joints:
            if joint.movable:
                low, high = next(pairs)
                joint = replace(joint, lower=float(low), upper=float(high))
            joints.append(joint)
        return self._replaced(joints)

    def with_rest(self, rest: ArrayLike) -> RobotModel:
        """Return the same robot with another configuration (J,) that redundancy is resolved towards [rad or m]."""
        return RobotModel(
            self.joints, self.base_link, self.tip_link, self.name, self.urdf_sha256, rest, self.chain.corrections,
            self.masses, self.mass_centers,
        )  # fmt: skip

    def with_base(self, pose: ArrayLike) -> RobotModel:
        """Return the same robot standing at a pose (4, 4) [m] of another frame, in which its tool poses then are.

        Raises
        ------
        InvalidInputError
            When the pose is none.
        """
        first, *others = self.joints
        placed = replace(first, origin=check_pose(pose, "base") @ first.origin)
        return self._replaced([placed, *others])

    def corrected(self, joints: Sequence[ChainJoint], corrections: Corrections) -> RobotModel:
        """Return the same robot with other joints of the chain, and joints that do other than they are told."""
        return RobotModel(
            joints, self.base_link, self.tip_link, self.name, self.urdf_sha256, self.rest, corrections, self.masses,
            self.mass_centers,
        )  # fmt: skip

    def bodies(self, gravity: ArrayLike = GRAVITY) -> Bodies:
        """What gravity [m/s^2, base frame] acts on, in the form of the compiled functions.

        Where no masses are known, each link is taken to weigh as much as a Panda's, halfway to the next joint.
        """
        chain = self.chain
        movable = [joint for joint in self.joints if joint.movable]
        aligned = [rotation_z_to(joint.axis).T @ c for joint, c in zip(movable, self.mass_centers, strict=True)]
        masses, centers = self.masses, np.array(aligned)
        halfway = 0.5 * chain.translations[1:]
        if not masses.any():
            masses, centers = np.full(self.dof, UNKNOWN_MASS), halfway
        wrong = self._incredible_masses()
        centers[wrong] = halfway[wrong]
        return Bodies(
            chain.rotations, chain.translations, chain.prismatic, masses.copy(), centers, np.array(gravity, dtype=float)
        )

    def _incredible_masses(self) -> np.ndarray:
        """Joints (J,) that carry a mass whose centre is farther off than the arm reaches."""
        return np.asarray(np.linalg.norm(self.mass_centers, axis=1) > max(self.reach, 1.0))

    def mass_warnings(self) -> tuple[str, ...]:
        """Sentences on masses of the URDF that cannot be, and by which gravity would bend the arm."""
        return tuple(
            f"{name} carries {mass:.3g} kg at {np.linalg.norm(center):.3g} m from it, in an arm that reaches "
            f"{self.reach:.3g} m: check <inertial> in the URDF. It is taken to be halfway to the next joint."
            for name, mass, center, wrong in zip(
                self.joint_names, self.masses, self.mass_centers, self._incredible_masses(), strict=True
            )
            if wrong
        )

    def forward_kinematics(self, q: ArrayLike) -> Array:
        """Tip poses (..., 4, 4) [m], base frame, of configurations (..., J) [rad or m]."""
        q = self.check_configuration(q)
        return forward_kinematics_batch(self.chain, q.reshape(-1, self.dof)).reshape(*q.shape[:-1], 4, 4)

    def jacobian(self, q: ArrayLike) -> Array:
        """Geometric Jacobians (..., 6, J) at configurations (..., J); rows linear then angular, base frame."""
        q = self.check_configuration(q)
        return jacobian_batch(self.chain, q.reshape(-1, self.dof)).reshape(*q.shape[:-1], 6, self.dof)

    @cached_property
    def directions(self) -> int:
        """Number of directions, of the six, in which the robot can move its tool: 3 for a planar arm."""
        return directions_of(self)

    def manipulability(self, q: ArrayLike) -> Array:
        """Yoshikawa's manipulability measure, sqrt(det(J J^T)): 0 at a singularity.

        The product of the Jacobian's singular values. An arm that has fewer than six ``directions`` counts only as
        many of them, so a planar arm away from its singularities is not at 0. Source: Yoshikawa, IJRR 4(2), 1985.

        Parameters
        ----------
        q : (..., J)
            Configurations [rad or m].

        Returns
        -------
        (...)
            In units of the Jacobian: m and rad per unit of the joints, one factor for each direction. Values compare
            configurations of one robot, not robots.

        Raises
        ------
        InvalidInputError
            When the shape is wrong or a value is not finite.
        """
        return manipulability_of(np.linalg.svd(self.jacobian(q), compute_uv=False), self.directions)

    def condition_number(self, q: ArrayLike) -> Array:
        """Condition number of the Jacobian: 1 at best, infinite at a singularity.

        The largest singular value over the smallest; of an arm that has fewer than six ``directions``, over the
        smallest of as many. Rows are in m and rad per unit of the joints.

        Parameters
        ----------
        q : (..., J)
            Configurations [rad or m].

        Returns
        -------
        (...)

        Raises
        ------
        InvalidInputError
            When the shape is wrong or a value is not finite.
        """
        return condition_of(np.linalg.svd(self.jacobian(q), compute_uv=False), self.directions)

    def within_limits(self, q: ArrayLike, tolerance: float = 0.0) -> np.ndarray:
        """Whether configurations (..., J) lie in the limits: bool (...)."""
        q = np.asarray(q, dtype=float)
        return np.all((q >= self.lower - tolerance) & (q <= self.upper + tolerance), axis=-1)

    def wrapped(self, q: Array) -> Array:
        """Configurations (..., J) with the continuous joints turned into [-pi, pi]."""
        q = np.array(q, dtype=float, order="C")
        wrap_all(q.reshape(-1, self.dof), self.continuous)
        return q

    def confined(self, q: Array) -> Array:
        """Configurations (..., J) moved into the limits: continuous joints turned, all others clipped."""
        return np.clip(self.wrapped(q), self.lower, self.upper)

    def random_configurations(self, count: int, rng: np.random.Generator) -> Array:
        """Configurations (count, J) drawn uniformly within the limits."""
        return rng.uniform(self.lower, self.upper, (count, self.dof))

    def check_configuration(self, q: ArrayLike, name: str = "configuration") -> Array:
        """Configurations (..., J) as contiguous float64; InvalidInputError when the shape or a value is wrong."""
        q = np.ascontiguousarray(q, dtype=float)
        if q.ndim == 0 or q.shape[-1] != self.dof:
            names = ", ".join(self.joint_names)
            raise InvalidInputError(name, f"shape {q.shape}", f"(..., {self.dof}), one value for each of {names}")
        if not np.isfinite(q).all():
            raise InvalidInputError(name, "a value that is not finite", "finite numbers")
        # Read-only arrays are another type to compiled code, which would be compiled anew.
        return q if q.flags.writeable else q.copy()

    def _check_rest(self, rest: ArrayLike) -> Array:
        return np.clip(self.check_configuration(rest, "rest"), self.lower, self.upper)

    def _replaced(self, joints: Sequence[ChainJoint]) -> RobotModel:
        return self.corrected(joints, self.chain.corrections)

    def __repr__(self) -> str:
        return f"RobotModel({self.name!r}, {self.base_link!r} -> {self.tip_link!r}, {self.dof} joints)"


def panda_urdf_path() -> Path:
    """Path of the Panda's URDF in pybullet_data.

    Raises
    ------
    MissingDependencyError
        When pybullet is not installed.
    """
    return pybullet_data_path("franka_panda/panda.urdf")


def _compile(joints: Sequence[ChainJoint], corrections: Corrections) -> Chain:
    """Merge fixed joints, and turn every joint frame so that its axis is z."""
    frames, prismatic = [], []
    frame = np.eye(4)
    for joint in joints:
        frame = frame @ joint.origin
        if joint.movable:
            align = np.eye(4)
            align[:3, :3] = rotation_z_to(joint.axis)
            frames.append(frame @ align)
            prismatic.append(joint.kind == "prismatic")
            frame = align.T
    frames.append(frame)
    stack = np.array(frames)
    return Chain(
        np.ascontiguousarray(stack[:, :3, :3]),
        np.ascontiguousarray(stack[:, :3, 3]),
        np.array(prismatic, dtype=bool),
        corrections,
    )


def rotation_z_to(axis: Array) -> Array:
    """Rotation matrix whose third column is the unit ``axis``; the identity when that is z."""
    helper = np.eye(3)[0 if abs(axis[0]) < 0.9 else 1]
    x = helper - axis * (axis @ helper)
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(axis, x), axis])
