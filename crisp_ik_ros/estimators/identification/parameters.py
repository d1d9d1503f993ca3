"""The parameters of a robot's errors: their order, their units, and the robot that has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from crisp_ik_ros.estimators.identification.priors import LARGEST_SCALES, Priors
from crisp_ik_ros.robots.corrections import Corrections
from crisp_ik_ros.robots.gravity import Bodies
from crisp_ik_ros.robots.robot_model import RobotModel, rotation_z_to
from crisp_ik_ros.robots.urdf import ChainJoint
from crisp_ik_ros.transforms import Array, cross_matrices, make_pose, rotation_exponential

# A prismatic joint's error of so many metres is as likely as a revolute one's of a radian.
METRES_PER_RADIAN = 0.2
# Up to so many periods a turn all joints share the scale of a period. With more of them each joint has scales of its
# own, one for each band of periods: these are the first periods of the bands.
SMOOTH_HARMONICS, MOST_HARMONICS = 6, 100
BANDS = (1, 2, 3, 4, 6, 8, 11, 14, 18, 23, 29, 36, 44, 53, 64, 78, 94)


class Group(NamedTuple):
    """Parameters of one kind, whose sizes are alike.

    Attributes
    ----------
    name, unit : str
    prior : str
        Field of ``Priors`` with their standard deviation, but for ``factor``.
    columns : (k,)
        Where they stand.
    family : str
        Groups of one family, those of one band of periods, have alike scales; "" for a group by itself.
    """

    name: str
    prior: str
    columns: np.ndarray
    unit: str
    factor: float = 1.0
    family: str = ""

    def prior_scale(self, priors: Priors) -> float:
        """Standard deviation before there is data."""
        return float(self.factor * getattr(priors, self.prior))

    def largest_scale(self, priors: Priors) -> float:
        """Largest standard deviation that data may ask for: of finer periods a smaller one, 1 over their number."""
        return max(LARGEST_SCALES[self.prior] * self.factor**0.5, self.prior_scale(priors))


class KernelTerm(NamedTuple):
    """Centers of the kernel term, as features (2 J, m), its length scale, and ``basis`` (m, m).

    The joints' errors are kernel row @ basis @ v; with v of independent parts of variance s^2 these have the
    covariance s^2 k on the centers (Nystrom).
    """

    features: Array
    length_scale: float
    basis: Array


def named_session(name: str) -> str:
    """Return a session's name for people; data without sessions has one without a name."""
    return f"session {name}" if name else "the samples that state none"


def bands(harmonics: int) -> Iterator[tuple[int, int]]:
    """First number of periods of each band, and the first one beyond it."""
    for first, beyond in pairwise((*BANDS, MOST_HARMONICS + 1)):
        if first <= harmonics:
            yield first, min(beyond, harmonics + 1)


@dataclass(frozen=True)
class Layout:
    """Where the parameters of a robot with J joints stand in one vector w (P,), and what they do.

    First 6 for each of the J + 1 frames of the chain (translation, rotation, in the frame's own axes), then for each
    joint a scale, 2 ``harmonics`` coefficients, and compliances about x, y and z; then what is not known of the load;
    then, joint by joint, those of the kernel term.

    Attributes
    ----------
    robot : RobotModel
        The nominal robot.
    harmonics : int
        Periodic errors of 1 to so many periods a turn.
    bodies : Bodies
        What gravity acts on.
    kernel : KernelTerm, optional
    backlash : bool
        Whether each joint rests a little before where it was sent, on the side that it came from.
    payload_center : (3,)
        Centre of mass of what the tip carries, in the tip's frame [m]; where it is fitted, the prior's mean.
    center_fitted : bool
        Whether 3 parameters say how far the center of mass is from ``payload_center`` [m].
    unknown_loads : tuple of str
        Sessions whose load has a fitted mass: a parameter each, added to the payload of their samples [kg].
    """

    robot: RobotModel
    harmonics: int
    bodies: Bodies
    kernel: KernelTerm | None = None
    backlash: bool = False
    payload_center: tuple[float, ...] = (0.0, 0.0, 0.0)
    center_fitted: bool = False
    unknown_loads: tuple[str, ...] = ()

    @property
    def dof(self) -> int:
        """Number of joints J."""
        return self.robot.dof

    @cached_property
    def rates(self) -> Array:
        """Angle of the periodic functions a joint's position: a prismatic joint's range is half a turn."""
        span = np.where(self.robot.upper > self.robot.lower, self.robot.upper - self.robot.lower, 1.0)
        return np.where(self.robot.chain.prismatic, np.pi / span, 1.0)

    @cached_property
    def units(self) -> Array:
        """What a parameter of the size of a radian is to each joint [rad or m]."""
        return np.where(self.robot.chain.prismatic, METRES_PER_RADIAN, 1.0)

    @cached_property
    def middles(self) -> Array:
        """Positions (J,) at which a wrong scale does nothing."""
        return 0.5 * (self.robot.lower + self.robot.upper)

    def features(self, configurations: Array) -> Array:
        """Cosines, then sines (n, 2 J) of the angles at configurations (n, J)."""
        angles = self.rates * configurations
        return np.hstack([np.cos(angles), np.sin(angles)])

    @property
    def geometric(self) -> int:
        """Number of parameters of the frames."""
        return 6 * (self.dof + 1)

    @property
    def parametric(self) -> int:
        """Number of parameters without those of the kernel term."""
        return self.geometric + self.dof * (4 + 2 * self.harmonics + self.backlash) + self.load_parameters

    @property
    def load_parameters(self) -> int:
        """Number of parameters of the load."""
        return 3 * self.center_fitted + len(self.unknown_loads)

    @property
    def centers(self) -> int:
        """Number of centers of the kernel term."""
        return 0 if self.kernel is None else self.kernel.basis.shape[0]

    @property
    def size(self) -> int:
        """Number of parameters P."""
        return self.parametric + self.dof * self.centers

    def slices(self) -> dict[str, slice]:
        """Slices of the parameters of joints and load.

        scale (J,), harmonics (J, 2 H), compliance (J, 3), backlash (J,) or none, payload_center (3,) or none,
        unknown_loads (k,), kernel (J, m).
        """
        begin, joints = self.geometric, self.dof
        middle = begin + joints * (1 + 2 * self.harmonics)
        load = self.parametric - self.load_parameters
        masses = load + 3 * self.center_fitted
        return {
            "scale": slice(begin, begin + joints),
            "harmonics": slice(begin + joints, middle),
            "compliance": slice(middle, middle + 3 * joints),
            "backlash": slice(middle + 3 * joints, load),
            "payload_center": slice(load, masses),
            "unknown_loads": slice(masses, self.parametric),
            "kernel": slice(self.parametric, self.size),
        }

    def groups(self) -> Iterator[Group]:
        """Parameters whose prior scale is one."""
        joints = self.dof
        frames = np.arange(self.geometric).reshape(joints + 1, 6)
        yield Group("frame translation", "frame_translation", frames[:joints, :3].ravel(), "m")
        # A joint's zero is a rotation about its own axis.
        yield Group("frame rotation", "frame_rotation", frames[:joints, 3:5].ravel(), "rad")
        yield Group("joint offset", "joint_offset", frames[:joints, 5].copy(), "rad")
        yield Group("tip translation", "tip_translation", frames[joints, :3].copy(), "m")
        yield Group("tip rotation", "tip_rotation", frames[joints, 3:].copy(), "rad")
        where = self.slices()
        yield Group("scale", "scale", np.arange(where["scale"].start, where["scale"].stop), "rad/rad")
        yield from self._periodic_groups(where["harmonics"])
        bending = np.arange(where["compliance"].start, where["compliance"].stop).reshape(joints, 3)
        yield Group("compliance", "compliance", bending[:, 2].copy(), "rad/Nm")
        yield Group("bending", "compliance", bending[:, :2].ravel(), "rad/Nm")
        if self.backlash:
            yield Group("backlash", "backlash", np.arange(where["backlash"].start, where["backlash"].stop), "rad")
        if self.center_fitted:
            columns = np.arange(where["payload_center"].start, where["payload_center"].stop)
            yield Group("payload center", "payload_center", columns, "m")
        if self.unknown_loads:
            columns = np.arange(where["unknown_loads"].start, where["unknown_loads"].stop)
            yield Group("unknown payload", "payload", columns, "kg")
        if self.kernel is not None:
            terms = np.arange(where["kernel"].start, where["kernel"].stop).reshape(joints, self.centers)
            for j, name in enumerate(self.robot.joint_names):
                yield Group(f"kernel term of {name}", "kernel", terms[j], "rad")

    def _periodic_groups(self, where: slice) -> Iterator[Group]:
        periodic = np.arange(where.start, where.stop).reshape(self.dof, self.harmonics, 2)
        if self.harmonics <= SMOOTH_HARMONICS:
            for k in range(1, self.harmonics + 1):
                yield Group(f"periodic error, {k} a turn", "harmonic", periodic[:, k - 1].ravel(), "rad", k**-2.0)
            return
        for first, beyond in bands(self.harmonics):
            name = f"periodic error, {first} to {beyond - 1} a turn" if beyond > first + 1 else f"{first} a turn"
            for j, joint in enumerate(self.robot.joint_names):
                columns = periodic[j, first - 1 : beyond - 1].ravel()
                factor = float(first * (beyond - 1)) ** -1.0
                yield Group(f"{joint}: {name}", "harmonic", columns, "rad", factor, name)

    def prior_scales(self, priors: Priors) -> Array:
        """Standard deviation of each parameter (P,) before there is data."""
        scales = np.empty(self.size)
        for group in self.groups():
            scales[group.columns] = group.prior_scale(priors)
        return scales

    def largest_scales(self, priors: Priors) -> Array:
        """Largest standard deviation (P,) that data may ask for of each parameter."""
        scales = np.empty(self.size)
        for group in self.groups():
            scales[group.columns] = group.largest_scale(priors)
        return scales

    def widened(self, harmonics: int, parameters: Array) -> tuple[Layout, Array]:
        """Return the layout with so many harmonics, no fewer than now, and parameters (P,) in it."""
        wider = replace(self, harmonics=harmonics)
        values = np.zeros(wider.size)
        old, new = self.slices(), wider.slices()
        values[: self.geometric] = parameters[: self.geometric]
        for name in ("scale", "compliance", "backlash", "payload_center", "unknown_loads", "kernel"):
            values[new[name]] = parameters[old[name]]
        periodic = values[new["harmonics"]].reshape(self.dof, harmonics, 2)
        periodic[:, : self.harmonics] = parameters[old["harmonics"]].reshape(self.dof, self.harmonics, 2)
        return wider, values

    def names(self) -> list[tuple[str, str]]:
        """Name and unit of each parameter but those of the kernel term."""
        joints = self.robot.joint_names
        found = []
        for owner in (*joints, "tip"):
            found += [(f"{owner}: frame translation {axis}", "m") for axis in "xyz"]
            found += [(f"{owner}: frame rotation {axis}", "rad") for axis in "xyz"]
        units = ["m" if slides else "rad" for slides in self.robot.chain.prismatic]
        found += [(f"{joint}: scale", "1") for joint in joints]
        for joint, unit in zip(joints, units, strict=True):
            for k in range(1, self.harmonics + 1):
                found += [(f"{joint}: {wave} of {k} a turn", unit) for wave in ("cosine", "sine")]
        for joint, unit in zip(joints, units, strict=True):
            found += [(f"{joint}: bending about {axis}", "rad/Nm") for axis in "xy"]
            found.append((f"{joint}: compliance", "rad/Nm" if unit == "rad" else "m/N"))
        if self.backlash:
            found += [(f"{joint}: backlash", unit) for joint, unit in zip(joints, units, strict=True)]
        if self.center_fitted:
            found += [(f"payload: center {axis}", "m") for axis in "xyz"]
        found += [(f"payload of {named_session(name)}: mass", "kg") for name in self.unknown_loads]
        return found

    def load_center(self, parameters: Array | None = None) -> Array:
        """Centre of mass (3,) of what the tip carries, with parameters (P,), in the tip's frame [m]."""
        center = np.array(self.payload_center, dtype=float)
        if self.center_fitted and parameters is not None:
            center += parameters[self.slices()["payload_center"]]
        return center

    def load_masses(self, parameters: Array, payloads: Array | None, load_of: np.ndarray | None) -> Array | None:
        """Mass (n,) that the tip carried at each sample, with parameters (P,) [kg].

        Parameters
        ----------
        payloads : (n,), optional
            As the data has them; of an unknown load the prior's mean [kg].
        load_of : (n,), optional
            Number of each sample's unknown load, -1 where the load is known.
        """
        if payloads is None or load_of is None or not self.unknown_loads:
            return payloads
        return payloads + np.append(parameters[self.slices()["unknown_loads"]], 0.0)[load_of]

    def with_payload(self, mass: float, parameters: Array | None = None) -> Layout:
        """Return the layout of the robot whose tip carries a mass [kg], its center as parameters (P,) have it."""
        if mass == 0.0:
            return self
        bodies = self.bodies
        masses, centers = bodies.masses.copy(), bodies.centers.copy()
        place = bodies.translations[-1] + bodies.rotations[-1] @ self.load_center(parameters)
        # A fit may pass through masses below 0; only the first moments count.
        total = masses[-1] + mass or np.finfo(float).tiny
        centers[-1] = (masses[-1] * centers[-1] + mass * place) / total
        masses[-1] = total
        return replace(self, bodies=bodies._replace(masses=masses, centers=centers))

    def with_unit_load(self, shift: Array) -> Layout:
        """Return the layout of a robot without masses but 1 kg at a place (3,) in the tip's frame [m]."""
        bodies = self.bodies
        masses, centers = np.zeros_like(bodies.masses), np.zeros_like(bodies.centers)
        masses[-1] = 1.0
        centers[-1] = bodies.translations[-1] + bodies.rotations[-1] @ shift
        return replace(self, bodies=bodies._replace(masses=masses, centers=centers))

    def by_payload(
        self, payloads: Array | None, count: int, parameters: Array | None = None
    ) -> Iterator[tuple[np.ndarray, Layout]]:
        """Samples, of ``count``, with each payload (n,) [kg], and the layout of the robot that carries it.

        With parameters (P,) its center of mass is as these have it.
        """
        if payloads is None:
            yield np.arange(count), self
            return
        for mass in np.unique(payloads):
            yield np.flatnonzero(payloads == mass), self.with_payload(float(mass), parameters)

    def with_gravity_on(self, parameters: Array) -> Layout:
        """Return the layout whose masses sit on the frames that parameters (P,) correct: the better lever arms."""
        chain = self.geometric_robot(parameters).chain
        bodies = self.bodies._replace(rotations=chain.rotations, translations=chain.translations)
        return replace(self, bodies=bodies)

    def turns(self, parameters: Array) -> Array:
        """Rotation (J + 1, 3, 3) that each frame is corrected by."""
        return rotation_exponential(parameters[: self.geometric].reshape(-1, 6)[:, 3:])

    def turn_rates(self, parameters: Array) -> Array:
        """Rotation of each turned frame, in its own axes, with each of its rotation parameters: (J + 1, 3, 3).

        The right Jacobian of the exponential map (Barfoot 2017, eq. 7.78), which is the identity where there is no
        rotation yet.
        """
        vectors = parameters[: self.geometric].reshape(-1, 6)[:, 3:]
        angles = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)[:, None, None]
        crossed = cross_matrices(vectors)
        # By series: differences of nearly equal numbers would say nothing of small angles.
        first, second = 0.5 - angles**2 / 24.0 + angles**4 / 720.0, 1.0 / 6.0 - angles**2 / 120.0 + angles**4 / 5040.0
        return np.eye(3) - first * crossed + second * (crossed @ crossed)

    def corrections(self, parameters: Array) -> Corrections:
        """What the joints do beside what they are told, with parameters (P,)."""
        where, joints = self.slices(), self.dof
        kernel = self.kernel or KernelTerm(np.zeros((2 * joints, 0)), 1.0, np.zeros((0, 0)))
        weights = parameters[where["kernel"]].reshape(joints, self.centers) @ kernel.basis.T
        return Corrections(
            True,
            self.rates,
            parameters[where["scale"]].copy(),
            self.middles,
            parameters[where["harmonics"]].reshape(joints, -1) * self.units[:, None],
            parameters[where["compliance"]].reshape(joints, 3).copy(),
            self.bodies,
            np.ascontiguousarray(kernel.features),
            np.ascontiguousarray(weights * self.units[:, None]),
            float(kernel.length_scale),
        )

    def joints(self, parameters: Array) -> tuple[ChainJoint, ...]:
        """Joints of the chain with their frames corrected by parameters (P,).

        Where no fixed joint stands behind the last one that moves, the tip's correction is a fixed joint of its own.
        """
        frames = parameters[: self.geometric].reshape(-1, 6)
        shifts = make_pose(frames[:, :3], rotation_exponential(frames[:, 3:]))
        corrected, movable = [], 0
        for joint in self.robot.joints:
            if joint.movable:
                align = np.eye(4)
                align[:3, :3] = rotation_z_to(joint.axis)
                joint = replace(joint, origin=joint.origin @ align @ shifts[movable] @ align.T)
                movable += 1
            corrected.append(joint)
        last = corrected[-1]
        if last.movable:
            corrected.append(
                ChainJoint(f"{last.name}_tip_correction", "fixed", last.child_link, shifts[-1], np.array([1.0, 0, 0]))
            )
        else:
            corrected[-1] = replace(last, origin=last.origin @ shifts[-1])
        return tuple(corrected)

    def at_rest(self, parameters: Array, configurations: Array, approaches: Array | None) -> Array:
        """Positions (n, J) at which joints sent to configurations (n, J) come to rest, by the side they come from."""
        if approaches is None or not self.backlash:
            return configurations
        return configurations + self.units * parameters[self.slices()["backlash"]] * approaches

    def forward_kinematics(
        self,
        parameters: Array,
        configurations: Array,
        payloads: Array | None,
        approaches: Array | None = None,
        load_of: np.ndarray | None = None,
    ) -> Array:
        """Tip poses (n, 4, 4) at configurations (n, J), each with its payload and side of approach, base frame [m].

        ``payloads`` and ``load_of`` as in ``load_masses``.
        """
        masses = self.load_masses(parameters, payloads, load_of)
        at_rest = self.at_rest(parameters, configurations, approaches)
        found = np.empty((len(configurations), 4, 4))
        for rows, loaded in self.by_payload(masses, len(configurations), parameters):
            found[rows] = loaded.robot_with(parameters).forward_kinematics(at_rest[rows])
        return found

    def robot_with(self, parameters: Array) -> RobotModel:
        """Return the robot that has these errors."""
        return self.robot.corrected(self.joints(parameters), self.corrections(parameters))

    def geometric_robot(self, parameters: Array) -> RobotModel:
        """Return the robot with its frames corrected, and joints that do what they are told."""
        return RobotModel(
            self.joints(parameters), self.robot.base_link, self.robot.tip_link, self.robot.name,
            self.robot.urdf_sha256, self.robot.rest, masses=self.robot.masses, mass_centers=self.robot.mass_centers,
        )  # fmt: skip
