"""URDFs without meshes: a dozen arms with very different chains, and random serial chains.

``python benchmarks/arms.py FOLDER`` writes the dozen; ``--generated 65`` writes as many random chains instead.

Lengths are in meters, angles in degrees. Dimensions and limits are those that the manufacturers publish; each arm's
comment names the source. Arms that are "like" a product have its proportions, rounded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    # Python puts the script's own folder first, and its modules have everyday names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from scipy.spatial.transform import Rotation

from crisp_ik_ros.transforms import Array

# Kinds of joints in the tables: revolute, continuous, prismatic.
KINDS = {"R": "revolute", "C": "continuous", "P": "prismatic"}
Z = (0.0, 0.0, 1.0)
# Links need masses in simulators, which neither forward nor inverse kinematics depend on.
INERTIAL = '<inertial><mass value="1"/><inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>'

# (kind, a, alpha, d, theta, lower, upper, speed): Denavit-Hartenberg parameters of one joint. ``theta`` is the joint
# angle where the encoder shows zero; limits are in degrees, those of a prismatic joint in meters and counted from d.
DHRow = tuple[str, float, float, float, float, float, float, float]
# (kind, xyz, rpy, axis, lower, upper, speed): one joint as in a URDF, angles in degrees.
FrameRow = tuple[str, tuple[float, ...], tuple[float, ...], tuple[float, ...], float, float, float]


@dataclass(frozen=True)
class Joint:
    """One movable joint of a URDF.

    Attributes
    ----------
    kind : str
        revolute, continuous or prismatic.
    origin : (4, 4)
        Pose of the joint frame in the parent link's frame [m].
    axis : (3,)
        Unit axis in the joint frame.
    lower, upper, velocity : float
        [rad or m, and per second]; a continuous joint has no limits, and these are -pi and pi.
    """

    kind: str
    origin: Array
    axis: Array
    lower: float
    upper: float
    velocity: float


@dataclass(frozen=True)
class Arm:
    """A serial arm from base_link to tool0.

    Attributes
    ----------
    name : str
    joints : tuple of Joint
    tool : (4, 4)
        Pose of tool0 in the last joint's link [m].
    behind : str
        Elements of the URDF behind tool0 or beside the arm.
    """

    name: str
    joints: tuple[Joint, ...]
    tool: Array
    behind: str = ""

    def urdf(self) -> str:
        """Text of the URDF."""
        parts = [f'<robot name="{self.name}">', '<link name="base_link"/>']
        parent = "base_link"
        for number, joint in enumerate(self.joints, 1):
            child = f"link_{number}"
            limits = f'lower="{joint.lower!r}" upper="{joint.upper!r}" ' if joint.kind != "continuous" else ""
            parts += [
                f'<link name="{child}">{INERTIAL}</link>',
                f'<joint name="joint_{number}" type="{joint.kind}"><parent link="{parent}"/><child link="{child}"/>',
                f'  {_origin(joint.origin)}<axis xyz="{_numbers(joint.axis)}"/>',
                f'  <limit {limits}effort="100" velocity="{joint.velocity!r}"/></joint>',
            ]
            parent = child
        parts += [
            f'<link name="tool0"/><joint name="flange" type="fixed"><parent link="{parent}"/><child link="tool0"/>',
            f"  {_origin(self.tool)}</joint>",
            *([self.behind] if self.behind else []),
            "</robot>",
        ]
        return "\n".join(parts) + "\n"


def standard_dh(name: str, rows: Sequence[DHRow]) -> Arm:
    """Arm of classic Denavit-Hartenberg parameters: each row is Rz(q + theta) Tz(d) Tx(a) Rx(alpha)."""
    joints, after = [], np.eye(4)
    for kind, a, alpha, d, theta, *limits in rows:
        joints.append(_joint(kind, after @ _turn("z", theta), Z, *limits))
        after = _move(0.0, 0.0, d) @ _move(a, 0.0, 0.0) @ _turn("x", alpha)
    return Arm(name, tuple(joints), after)


def modified_dh(name: str, rows: Sequence[DHRow], flange: float = 0.0) -> Arm:
    """Arm of modified parameters (Craig): each row is Rx(alpha) Tx(a) Rz(q + theta) Tz(d)."""
    joints = [
        _joint(kind, _turn("x", alpha) @ _move(a, 0.0, 0.0) @ _turn("z", theta) @ _move(0.0, 0.0, d), Z, *limits)
        for kind, a, alpha, d, theta, *limits in rows
    ]
    return Arm(name, tuple(joints), _move(0.0, 0.0, flange))


def frames(name: str, rows: Sequence[FrameRow], tool: Sequence[float], behind: str = "") -> Arm:
    """Arm of joint frames as a URDF has them, with tool0 at ``tool`` (3,) [m] in the last link."""
    joints = [
        _joint(kind, _move(*xyz) @ _pose(Rotation.from_euler("xyz", rpy, degrees=True)), axis, *limits)
        for kind, xyz, rpy, axis, *limits in rows
    ]
    return Arm(name, tuple(joints), _move(*tool), behind)


def _joint(kind: str, origin: Array, axis: Sequence[float], lower: float, upper: float, speed: float) -> Joint:
    lower, upper, speed = (lower, upper, speed) if kind == "P" else np.deg2rad([lower, upper, speed]).tolist()
    return Joint(KINDS[kind], origin, np.asarray(axis) / np.linalg.norm(axis), lower, upper, speed)


def _pose(rotation: Rotation) -> Array:
    pose = np.eye(4)
    pose[:3, :3] = rotation.as_matrix()
    return pose


def _turn(axis: str, angle: float) -> Array:
    return _pose(Rotation.from_euler(axis, angle, degrees=True))


def _move(x: float, y: float, z: float) -> Array:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose


def _origin(pose: Array) -> str:
    return f'<origin xyz="{_numbers(pose[:3, 3])}" rpy="{_numbers(_roll_pitch_yaw(pose[:3, :3]))}"/>'


def _roll_pitch_yaw(rotation: Array) -> Array:
    """Fixed-axis angles [rad], exact to all digits in gimbal lock too, where scipy's are not."""
    cosine = np.hypot(rotation[0, 0], rotation[1, 0])
    pitch = np.arctan2(-rotation[2, 0], cosine)
    if cosine < 1e-9:
        return np.array([0.0, pitch, np.arctan2(-rotation[0, 1], rotation[1, 1])])
    return np.array([
        np.arctan2(rotation[2, 1], rotation[2, 2]), pitch, np.arctan2(rotation[1, 0], rotation[0, 0])
    ])  # fmt: skip


def _numbers(values: Array) -> str:
    return " ".join(repr(float(value)) for value in values)


# ------------------------------------------------------------------------------------------------------------ the dozen

# Universal Robots, "DH parameters for calculations of kinematics and dynamics"; user manuals: all joints +-360 degrees,
# the UR3's last joint endless.
UR3 = (
    ("R", 0.0, 90, 0.1519, 0, -360, 360, 180),
    ("R", -0.24365, 0, 0.0, 0, -360, 360, 180),
    ("R", -0.21325, 0, 0.0, 0, -360, 360, 180),
    ("R", 0.0, 90, 0.11235, 0, -360, 360, 360),
    ("R", 0.0, -90, 0.08535, 0, -360, 360, 360),
    ("C", 0.0, 0, 0.0819, 0, -180, 180, 360),
)
UR10E = (
    ("R", 0.0, 90, 0.1807, 0, -360, 360, 120),
    ("R", -0.6127, 0, 0.0, 0, -360, 360, 120),
    ("R", -0.57155, 0, 0.0, 0, -360, 360, 180),
    ("R", 0.0, 90, 0.17415, 0, -360, 360, 180),
    ("R", 0.0, -90, 0.11985, 0, -360, 360, 180),
    ("R", 0.0, 0, 0.11655, 0, -360, 360, 180),
)
# ABB, IRB 120 product specification: 290, 270, 70, 302 and 72 mm; working ranges and axis speeds.
IRB120 = (
    ("R", 0.0, -90, 0.29, 0, -165, 165, 250),
    ("R", 0.27, 0, 0.0, -90, -110, 110, 250),
    ("R", 0.07, -90, 0.0, 0, -110, 70, 250),
    ("R", 0.0, 90, 0.302, 0, -160, 160, 320),
    ("R", 0.0, -90, 0.0, 0, -120, 120, 320),
    ("R", 0.0, 0, 0.072, 180, -400, 400, 420),
)
# UFACTORY, Lite 6 user manual: modified DH parameters, joint ranges and speed.
LITE6 = (
    ("R", 0.0, 0, 0.2433, 0, -360, 360, 180),
    ("R", 0.0, -90, 0.0, -90, -150, 150, 180),
    ("R", 0.2, 180, 0.0, -90, -3.5, 300, 180),
    ("R", 0.087, 90, 0.2276, 0, -360, 360, 180),
    ("R", 0.0, 90, 0.0, 0, -124, 124, 180),
    ("R", 0.0, -90, 0.0615, 0, -360, 360, 180),
)
# Doosan, M1013 data sheet (elbow +-160 degrees, all others +-360) and the dimensions of Doosan's robot description.
M1013 = (
    ("R", 0.0, 0, 0.1525, 0, -360, 360, 120),
    ("R", 0.0, -90, 0.0345, -90, -360, 360, 120),
    ("R", 0.62, 0, 0.0, 90, -160, 160, 180),
    ("R", 0.0, 90, 0.559, 0, -360, 360, 225),
    ("R", 0.0, -90, 0.0, 0, -360, 360, 225),
    ("R", 0.0, 90, 0.121, 0, -360, 360, 225),
)
# KUKA, LBR iiwa 14 R820 data sheet: 360, 420, 400 and 126 mm, axis data.
IIWA14 = (
    ("R", 0.0, -90, 0.36, 0, -170, 170, 85),
    ("R", 0.0, 90, 0.0, 0, -120, 120, 85),
    ("R", 0.0, 90, 0.42, 0, -170, 170, 100),
    ("R", 0.0, -90, 0.0, 0, -120, 120, 75),
    ("R", 0.0, -90, 0.4, 0, -170, 170, 130),
    ("R", 0.0, 90, 0.0, 0, -120, 120, 135),
    ("R", 0.0, 0, 0.126, 0, -175, 175, 135),
)
# Franka Robotics, control interface documentation: modified DH parameters, and limits [rad] in degrees.
PANDA = (
    ("R", 0.0, 0, 0.333, 0, -166.0031, 166.0031, 124.6),
    ("R", 0.0, -90, 0.0, 0, -101.0010, 101.0010, 124.6),
    ("R", 0.0, 90, 0.316, 0, -166.0031, 166.0031, 124.6),
    ("R", 0.0825, 90, 0.0, 0, -176.0012, -3.9992, 124.6),
    ("R", -0.0825, -90, 0.384, 0, -166.0031, 166.0031, 149.5),
    ("R", 0.0, 90, 0.0, 0, -1.0027, 215.0024, 149.5),
    ("R", 0.088, 90, 0.0, 0, -166.0031, 166.0031, 149.5),
)
# UFACTORY, xArm 7 user manual: modified DH parameters, joint ranges and speed.
XARM7 = (
    ("R", 0.0, 0, 0.267, 0, -360, 360, 180),
    ("R", 0.0, -90, 0.0, 0, -118, 120, 180),
    ("R", 0.0, 90, 0.293, 0, -360, 360, 180),
    ("R", 0.0525, 90, 0.0, 0, -11, 225, 180),
    ("R", 0.0775, 90, 0.3425, 0, -360, 360, 180),
    ("R", 0.0, 90, 0.0, 0, -97, 180, 180),
    ("R", 0.076, -90, 0.097, 0, -360, 360, 180),
)
# Like an Epson LS6-602 (data sheet: arms of 325 and 275 mm, 200 mm of stroke, +-132, +-150 and +-360 degrees).
SCARA = (
    ("R", 0.325, 0, 0.2, 0, -132, 132, 450),
    ("R", 0.275, 180, 0.0, 0, -150, 150, 720),
    ("P", 0.0, 0, 0.0, 0, 0.0, 0.2, 1.1),
    ("R", 0.0, 0, 0.05, 0, -360, 360, 1800),
)
# Five links of 0.2 m in a plane, no product.
PLANAR = (("R", 0.2, 0, 0.0, 0, -120, 120, 100),) * 5

X_AXIS, Y_AXIS, NO_TURN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)
# Like the hobby arm SO-101 (TheRobotStudio; links of 113 and 135 mm): five joints, then a gripper with one jaw.
SO101 = (
    ("R", (0.04, 0.0, 0.062), NO_TURN, Z, -110, 110, 300),
    ("R", (0.03, 0.0, 0.054), NO_TURN, Y_AXIS, -100, 100, 300),
    ("R", (0.028, 0.0, 0.113), NO_TURN, Y_AXIS, -97, 97, 300),
    ("R", (0.135, 0.0, 0.005), NO_TURN, Y_AXIS, -95, 95, 300),
    ("R", (0.061, 0.0, 0.0), NO_TURN, X_AXIS, -157, 163, 300),
)
SO101_JAW = """<link name="jaw"/>
<joint name="gripper" type="revolute"><parent link="link_5"/><child link="jaw"/><origin xyz="0.03 0.02 0"/>
  <axis xyz="0 0 1"/><limit lower="-0.17" upper="1.75" effort="3" velocity="5"/></joint>"""
# Like Hello Robot's Stretch (hardware guide: 1.1 m of lift, 0.52 m of arm; wrist with yaw, pitch and roll).
STRETCH = (
    ("P", (-0.037, 0.166, 0.17), NO_TURN, Z, 0.0, 1.1, 0.13),
    ("P", (0.0, -0.34, 0.0), NO_TURN, (0.0, -1.0, 0.0), 0.0, 0.52, 0.13),
    ("R", (0.083, -0.03, 0.0), NO_TURN, (0.0, 0.0, -1.0), -75, 228, 170),
    ("R", (0.0, -0.02, -0.03), NO_TURN, X_AXIS, -90, 32, 170),
    ("R", (0.0, -0.02, 0.0), NO_TURN, (0.0, -1.0, 0.0), -165, 165, 170),
)
# Like the arm of the Fetch mobile manipulator (Fetch Robotics' documentation: a torso lift, then seven joints of which
# upper arm, forearm and wrist roll are endless).
FETCH = (
    ("P", (-0.087, 0.0, 0.377), NO_TURN, Z, 0.0, 0.386, 0.1),
    ("R", (0.12, 0.0, 0.349), NO_TURN, Z, -92, 92, 72),
    ("R", (0.117, 0.0, 0.06), NO_TURN, Y_AXIS, -70, 87, 83),
    ("C", (0.219, 0.0, 0.0), NO_TURN, X_AXIS, -180, 180, 90),
    ("R", (0.133, 0.0, 0.0), NO_TURN, Y_AXIS, -129, 129, 87),
    ("C", (0.197, 0.0, 0.0), NO_TURN, X_AXIS, -180, 180, 90),
    ("R", (0.1245, 0.0, 0.0), NO_TURN, Y_AXIS, -125, 125, 130),
    ("C", (0.1385, 0.0, 0.0), NO_TURN, X_AXIS, -180, 180, 129),
)

ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        standard_dh("ur3", UR3),
        standard_dh("ur10e", UR10E),
        standard_dh("irb120", IRB120),
        modified_dh("lite6", LITE6),
        modified_dh("m1013", M1013),
        standard_dh("iiwa14", IIWA14),
        modified_dh("panda", PANDA, 0.107),
        modified_dh("xarm7", XARM7),
        standard_dh("scara", SCARA),
        standard_dh("planar5", PLANAR),
        frames("so101", SO101, (0.098, 0.0, 0.0), SO101_JAW),
        frames("stretch", STRETCH, (0.0, -0.23, 0.0)),
        frames("fetch", FETCH, (0.166, 0.0, 0.0)),
    )
}

# -------------------------------------------------------------------------------------------------------- random chains

# Numbers of joints, both included, and the probabilities of their kinds.
FEWEST_JOINTS, MOST_JOINTS = 3, 10
KIND_SHARES = {"R": 0.65, "C": 0.2, "P": 0.15}
# Shares of axes and of offsets that follow a coordinate axis, as most do in real arms.
ALONG_AXES = 0.6
# Longest offset between joints, width of a slide [m], and width of a revolute joint's range [degrees].
LONGEST_OFFSET, SLIDE_WIDTHS, RANGE_WIDTHS = 0.4, (0.1, 0.6), (90.0, 350.0)


def random_arm(seed: int) -> Arm:
    """Random serial arm, the same for the same seed: 3 to 10 joints of all kinds, random axes, offsets and limits."""
    rng = np.random.default_rng([seed, 65])
    count = int(rng.integers(FEWEST_JOINTS, MOST_JOINTS + 1))
    rows = [_random_row(rng) for _ in range(count)]
    return frames(f"random_{seed:03d}_{count}", rows, tuple(_direction(rng) * rng.uniform(0.05, 0.2)))


def _random_row(rng: np.random.Generator) -> FrameRow:
    kind = str(rng.choice(list(KIND_SHARES), p=list(KIND_SHARES.values())))
    xyz = tuple(_direction(rng) * rng.uniform(0.0, LONGEST_OFFSET))
    square = rng.random() < ALONG_AXES
    rpy = 90.0 * rng.integers(-1, 3, 3) if square else rng.uniform(-180.0, 180.0, 3)
    if kind == "C":
        lower, upper = -180.0, 180.0
    else:
        # The zero of a joint is somewhere in its range, or a little outside.
        width = rng.uniform(*(SLIDE_WIDTHS if kind == "P" else RANGE_WIDTHS))
        lower = -width * rng.uniform(-0.1, 1.1)
        upper = lower + width
    speed = 0.5 if kind == "P" else 120.0
    return kind, xyz, tuple(rpy), tuple(_direction(rng)), lower, upper, speed


def _direction(rng: np.random.Generator) -> Array:
    """Unit vector (3,), often along a coordinate axis."""
    if rng.random() < ALONG_AXES:
        return np.eye(3)[rng.integers(3)] * rng.choice([-1.0, 1.0])
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def write_urdfs(arms: Sequence[Arm], folder: Path) -> list[Path]:
    """Write NAME.urdf of each arm."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{arm.name}.urdf" for arm in arms]
    for arm, path in zip(arms, paths, strict=True):
        path.write_text(arm.urdf())
    return paths


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="arms.py", description="Write URDFs of very different arms.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--generated", type=int, default=0, metavar="N", help="so many random chains instead")
    given = parser.parse_args(arguments)
    arms = [random_arm(seed) for seed in range(given.generated)] if given.generated else list(ARMS.values())
    for path in write_urdfs(arms, given.folder):
        print(path)


if __name__ == "__main__":
    main()
