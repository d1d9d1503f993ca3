"""Robots for the tests, and what the package is compared with: plain formulas that share no code with it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from crisp_ik_ros import Dataset, RobotModel
from crisp_ik_ros.robots.urdf import ChainJoint

ROOT = Path(__file__).resolve().parents[1]

# Skewed axes, a slide, a mimic finger and a branch beside the chain; no axis on joint "swing": x is the default.
GANTRY = """<?xml version="1.0"?>
<robot name="gantry">
  <link name="floor"/> <link name="column"/> <link name="arm"/> <link name="plate"/> <link name="wrist"/>
  <link name="tool"/> <link name="finger_left"/> <link name="finger_right"/> <link name="camera"/>
  <joint name="turn" type="revolute">
    <origin xyz="0.1 -0.2 0.3" rpy="0.3 -0.4 0.5"/> <parent link="floor"/> <child link="column"/>
    <axis xyz="0.3 -0.5 0.8"/> <limit lower="-2.0" upper="2.5" effort="10" velocity="1.5"/>
  </joint>
  <joint name="slide" type="prismatic">
    <origin xyz="0 0.1 0.4" rpy="0.2 0 -0.7"/> <parent link="column"/> <child link="arm"/>
    <axis xyz="1 1 -0.5"/> <limit lower="-0.3" upper="0.5" effort="10" velocity="0.4"/>
  </joint>
  <joint name="swing" type="revolute">
    <origin xyz="0.3 0 0"/> <parent link="arm"/> <child link="plate"/>
    <limit lower="-1.7" upper="1.7" effort="10" velocity="2"/>
  </joint>
  <joint name="mount" type="fixed">
    <origin xyz="0.05 0.02 0.2" rpy="0 0.9 0.1"/> <parent link="plate"/> <child link="wrist"/>
  </joint>
  <joint name="nod" type="revolute">
    <origin xyz="0.2 0 0.1" rpy="-0.5 0 0"/> <parent link="wrist"/> <child link="tool"/>
    <axis xyz="0 -1 0"/> <limit lower="-2.2" upper="2.2" effort="10" velocity="2"/>
  </joint>
  <joint name="finger" type="prismatic">
    <origin xyz="0 0.03 0.1"/> <parent link="tool"/> <child link="finger_left"/>
    <axis xyz="0 1 0"/> <limit lower="0" upper="0.04" effort="10" velocity="0.1"/>
  </joint>
  <joint name="finger_mimic" type="prismatic">
    <origin xyz="0 -0.03 0.1"/> <parent link="tool"/> <child link="finger_right"/>
    <axis xyz="0 -1 0"/> <limit lower="0" upper="0.04" effort="10" velocity="0.1"/> <mimic joint="finger"/>
  </joint>
  <joint name="bracket" type="floating">
    <parent link="column"/> <child link="camera"/>
  </joint>
</robot>
"""

# Two links of 1 and 0.5 m in the x-y plane.
TWO_LINK = """<robot name="two_link">
  <link name="base"/> <link name="upper"/> <link name="lower"/> <link name="tip"/>
  <joint name="shoulder" type="revolute">
    <parent link="base"/> <child link="upper"/> <axis xyz="0 0 1"/>
    <limit lower="-3" upper="3" effort="1" velocity="2"/>
  </joint>
  <joint name="elbow" type="revolute">
    <origin xyz="1 0 0"/> <parent link="upper"/> <child link="lower"/> <axis xyz="0 0 1"/>
    <limit lower="-2.5" upper="2.5" effort="1" velocity="3"/>
  </joint>
  <joint name="end" type="fixed"> <origin xyz="0.5 0 0"/> <parent link="lower"/> <child link="tip"/> </joint>
</robot>
"""

# A six-jointed arm whose first and last joints turn without end.
ENDLESS = """<robot name="endless">
  <link name="l0"/> <link name="l1"/> <link name="l2"/> <link name="l3"/> <link name="l4"/> <link name="l5"/>
  <link name="l6"/> <link name="tip"/>
  <joint name="j1" type="continuous">
    <origin xyz="0 0 0.2"/> <parent link="l0"/> <child link="l1"/> <axis xyz="0 0 1"/>
  </joint>
  <joint name="j2" type="revolute"> <origin xyz="0 0 0.2"/> <parent link="l1"/> <child link="l2"/> <axis xyz="0 1 0"/>
    <limit lower="-2" upper="2" effort="1" velocity="1"/> </joint>
  <joint name="j3" type="revolute"> <origin xyz="0 0 0.4"/> <parent link="l2"/> <child link="l3"/> <axis xyz="0 1 0"/>
    <limit lower="-2.5" upper="2.5" effort="1" velocity="1"/> </joint>
  <joint name="j4" type="continuous"> <origin xyz="0.3 0 0"/> <parent link="l3"/> <child link="l4"/> <axis xyz="1 0 0"/>
    <limit effort="1" velocity="4"/> </joint>
  <joint name="j5" type="revolute"> <origin xyz="0.1 0 0"/> <parent link="l4"/> <child link="l5"/> <axis xyz="0 1 0"/>
    <limit lower="-2" upper="2" effort="1" velocity="1"/> </joint>
  <joint name="j6" type="continuous"> <parent link="l5"/> <child link="l6"/> <axis xyz="1 0 0"/> </joint>
  <joint name="end" type="fixed"> <origin xyz="0.1 0 0"/> <parent link="l6"/> <child link="tip"/> </joint>
</robot>
"""

# Three links in a plane whose last joint has a limit at -0.7, where the branch of a positive elbow ends.
LIMITED = """<robot name="limited"><link name="base"/><link name="a"/><link name="b"/><link name="c"/><link name="tip"/>
<joint name="one" type="revolute"><parent link="base"/><child link="a"/><axis xyz="0 0 1"/>
  <limit lower="-3" upper="3" effort="1" velocity="1"/></joint>
<joint name="two" type="revolute"><parent link="a"/><child link="b"/><origin xyz="1 0 0"/><axis xyz="0 0 1"/>
  <limit lower="-2.5" upper="2.5" effort="1" velocity="1"/></joint>
<joint name="three" type="revolute"><parent link="b"/><child link="c"/><origin xyz="1 0 0"/><axis xyz="0 0 1"/>
  <limit lower="-0.7" upper="3" effort="1" velocity="1"/></joint>
<joint name="end" type="fixed"><parent link="c"/><child link="tip"/><origin xyz="0.3 0 0"/></joint></robot>"""


def rodrigues(vector):
    """Rotation matrix of a rotation vector, by Rodrigues' formula."""
    angle = np.sqrt(np.dot(vector, vector))
    if angle == 0.0:
        return np.eye(3)
    x, y, z = np.asarray(vector) / angle
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew


def rotation_vector(rotation):
    """Rotation vector of a rotation matrix whose angle is not close to pi."""
    antisymmetric = 0.5 * np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    sine = np.sqrt(antisymmetric @ antisymmetric)
    if sine < 1e-12:
        return antisymmetric
    return antisymmetric / sine * np.arctan2(sine, 0.5 * (np.trace(rotation) - 1.0))


def roll_pitch_yaw(roll, pitch, yaw):
    """Rotation matrix of URDF's rpy: about the fixed x, then y, then z axis."""
    x = np.array([[1, 0, 0], [0, np.cos(roll), -np.sin(roll)], [0, np.sin(roll), np.cos(roll)]])
    y = np.array([[np.cos(pitch), 0, np.sin(pitch)], [0, 1, 0], [-np.sin(pitch), 0, np.cos(pitch)]])
    z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    return z @ y @ x


def homogeneous(rotation, position):
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = position
    return pose


def forward_kinematics(joints, q):
    """Tip pose of a list of ``ChainJoint`` at one configuration: the product of its homogeneous transforms."""
    values = iter(q)
    pose = np.eye(4)
    for joint in joints:
        pose = pose @ joint.origin
        if joint.kind == "prismatic":
            pose = pose @ homogeneous(np.eye(3), joint.axis * next(values))
        elif joint.kind != "fixed":
            pose = pose @ homogeneous(rodrigues(joint.axis * next(values)), np.zeros(3))
    return pose


def urdf_forward_kinematics(xml, base_link, tip_link, q):
    """Tip pose at one configuration straight from the URDF's elements, with ElementTree: shares not even the parser."""
    root = ElementTree.fromstring(xml)
    above = {joint.find("child").get("link"): joint for joint in root.findall("joint")}
    chain, link = [], tip_link
    while link != base_link:
        chain.insert(0, above[link])
        link = above[link].find("parent").get("link")
    values = iter(q)
    pose = np.eye(4)
    for joint in chain:
        origin = joint.find("origin")
        xyz, rpy = np.zeros(3), np.zeros(3)
        if origin is not None:
            xyz = np.array(origin.get("xyz", "0 0 0").split(), dtype=float)
            rpy = np.array(origin.get("rpy", "0 0 0").split(), dtype=float)
        pose = pose @ homogeneous(roll_pitch_yaw(*rpy), xyz)
        if joint.get("type") == "fixed":
            continue
        element = joint.find("axis")
        axis = np.array([1.0, 0.0, 0.0] if element is None else element.get("xyz").split(), dtype=float)
        axis = axis / np.sqrt(axis @ axis)
        value = next(values)
        if joint.get("type") == "prismatic":
            pose = pose @ homogeneous(np.eye(3), axis * value)
        else:
            pose = pose @ homogeneous(rodrigues(axis * value), np.zeros(3))
    return pose


def shifted_urdf(xml, joint_names, offsets):
    """The URDF with ``offsets`` (n, 3) added to the origins of the named joints, as text."""
    root = ElementTree.fromstring(xml)
    for joint in root.findall("joint"):
        if joint.get("name") in joint_names:
            origin = joint.find("origin")
            if origin is None:
                origin = ElementTree.SubElement(joint, "origin")
            xyz = np.array(origin.get("xyz", "0 0 0").split(), dtype=float)
            xyz = xyz + offsets[joint_names.index(joint.get("name"))]
            origin.set("xyz", " ".join(f"{value:.17g}" for value in xyz))
    return ElementTree.tostring(root, encoding="unicode")


def numeric_jacobian(robot, q, step=1e-6):
    """Geometric Jacobian by central differences of the forward kinematics."""
    columns = []
    for j in range(len(q)):
        shift = np.zeros(len(q))
        shift[j] = step
        ahead, behind = robot.forward_kinematics(q + shift), robot.forward_kinematics(q - shift)
        linear = (ahead[:3, 3] - behind[:3, 3]) / (2.0 * step)
        angular = rotation_vector(ahead[:3, :3] @ behind[:3, :3].T) / (2.0 * step)
        columns.append(np.concatenate([linear, angular]))
    return np.array(columns).T


def kernel(name, pose, other, position_scale, orientation_scale):
    """Kernel of two poses with chordal orientation, from its definition."""
    if name == "linear":
        position = np.sum(pose[:3, 3] * other[:3, 3]) / position_scale**2
        return position + np.sum(pose[:3, :3] * other[:3, :3]) / (2.0 * orientation_scale**2)
    squared = np.sum((pose[:3, 3] - other[:3, 3]) ** 2) / position_scale**2
    squared += np.sum((pose[:3, :3] - other[:3, :3]) ** 2) / (2.0 * orientation_scale**2)
    return np.exp(-0.5 * squared) if name == "gaussian" else np.exp(-np.sqrt(squared))


def radians_loss(joints, weights, y, x, y_i, x_i):
    return sum((2.0 * np.sin(0.5 * (a - b))) ** 2 for a, b in zip(y, y_i, strict=True))


def forward_kinematics_loss(joints, weights, y, x, y_i, x_i):
    pose, other = forward_kinematics(joints, y), forward_kinematics(joints, y_i)
    position = np.sum((pose[:3, 3] - other[:3, 3]) ** 2)
    cosine = 0.5 * (np.trace(pose[:3, :3].T @ other[:3, :3]) - 1.0)
    # |R - R'|_F^2 / 2 = 2 (1 - cos angle)
    return weights[0] ** 2 * position + weights[1] ** 2 * 2.0 * (1.0 - cosine)


def residual_loss(joints, weights, y, x, y_i, x_i):
    pose, other = forward_kinematics(joints, y), forward_kinematics(joints, y_i)
    linear = (x[:3, 3] - pose[:3, 3]) - (x_i[:3, 3] - other[:3, 3])
    angular = rotation_vector(x[:3, :3] @ pose[:3, :3].T) - rotation_vector(x_i[:3, :3] @ other[:3, :3].T)
    return weights[0] ** 2 * np.sum(linear**2) + weights[1] ** 2 * np.sum(angular**2)


LOSSES = {"radians": radians_loss, "forward_kinematics": forward_kinematics_loss, "residual": residual_loss}


def objective(name, robot, weights, scores, y, x, dataset):
    """sum_i a_i(x) loss(y, y_i), term by term; and sum_i |a_i| loss, the size that its rounding errors have."""
    loss = LOSSES[name]
    terms = [
        score * loss(robot.joints, weights, y, x, y_i, x_i)
        for score, y_i, x_i in zip(scores, dataset.configurations, dataset.poses, strict=True)
    ]
    return sum(terms), sum(abs(term) for term in terms)


def numeric_gradient(function, y, step=1e-6):
    """Derivative of a vector function by central differences, (R, J)."""
    columns = []
    for j in range(len(y)):
        shift = np.zeros(len(y))
        shift[j] = step
        columns.append((function(y + shift) - function(y - shift)) / (2.0 * step))
    return np.array(columns).T


def words(message):
    """The words of an error message, for tests that want it to name something."""
    return re.findall(r"[\w.\-]+", str(message))


def sample_around(model, real, count, spread=0.35, seed=0, center=None):
    """Dataset of random configurations around ``center`` (the rest pose), with the real robot's tool poses."""
    rng = np.random.default_rng(seed)
    center = model.rest if center is None else center
    configurations = center + rng.uniform(-spread, spread, (count, model.dof))
    configurations = np.clip(configurations, model.lower, model.upper)
    return Dataset(configurations, real.forward_kinematics(configurations), model.joint_names)


def biased(model, degrees=1.0):
    """The robot with every encoder off by so many degrees (centimetres where it slides)."""
    size = np.where(model.chain.prismatic, 0.01 * degrees, np.deg2rad(degrees))
    return model.with_bias(joint_offsets=size * np.where(np.arange(model.dof) % 2, -1.0, 1.0))


def random_arm(rng, joints, prismatic=0.2, continuous=0.2, end=True):
    """Random serial robot with joints of every kind, skewed origins and axes, masses, and perhaps a fixed tip."""
    chain = []
    for j in range(joints):
        kind = str(
            rng.choice(["prismatic", "continuous", "revolute"], p=[prismatic, continuous, 1 - prismatic - continuous])
        )
        reach = {"prismatic": 0.3, "continuous": np.pi, "revolute": rng.uniform(1.0, 2.8)}[kind]
        middle = 0.0 if kind == "continuous" else 0.3 * reach * rng.uniform(-1.0, 1.0)
        axis = rng.normal(size=3)
        axis = np.array([0.0, 0.0, 1.0]) if rng.random() < 0.3 else axis / np.sqrt(axis @ axis)
        origin = homogeneous(rodrigues(rng.uniform(-1.5, 1.5, 3)), rng.uniform(-0.3, 0.3, 3))
        chain.append(ChainJoint(f"joint_{j}", kind, f"link_{j}", origin, axis, middle - reach, middle + reach, 1.0))
    if end:
        origin = homogeneous(rodrigues(rng.uniform(-1.0, 1.0, 3)), rng.uniform(-0.2, 0.2, 3))
        chain.append(ChainJoint("end", "fixed", "tip", origin, np.array([1.0, 0.0, 0.0])))
    return RobotModel(
        chain, "base", chain[-1].child_link, f"arm_{joints}", masses=rng.uniform(0.5, 4.0, joints),
        mass_centers=rng.uniform(-0.15, 0.15, (joints, 3)),
    )  # fmt: skip
