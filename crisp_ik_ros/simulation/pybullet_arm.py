"""A robot in the PyBullet simulator, whose true kinematics may differ from the model that is believed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.errors import InvalidInputError, MissingDependencyError, SimulationError
from crisp_ik_ros.robots.bias import bias_urdf
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import read_urdf
from crisp_ik_ros.simulation.camera import Camera, color_bare_meshes, take_picture
from crisp_ik_ros.simulation.links import link_pose, null_space_inverse_kinematics
from crisp_ik_ros.simulation.loading import load_body, portable_urdf, quiet
from crisp_ik_ros.simulation.meshes import add_visual_mesh
from crisp_ik_ros.transforms import Array, check_pose, invert_pose, make_pose, matrix_from_quaternion

# Share of the position error that a motor makes good in one time step. PyBullet's default of 0.1 trails a moving target
# by 40 ms, this by half of it; with more, a Panda still swings a second after a jump of 0.3 rad in all joints.
POSITION_GAIN = 0.2
# Of motors whose URDF names no effort or no velocity [N m or N], [rad/s or m/s].
DEFAULT_EFFORT, DEFAULT_VELOCITY = 1000.0, 10.0
PROGRESS_EVERY = 1000


class PyBulletArm:
    """A simulated robot arm with position-controlled joints, in a physics world of its own.

    Parameters
    ----------
    urdf : str or Path
        Path of a URDF, or its XML text. Mesh files are looked for beside it and in the environment's ROS packages.
    robot : RobotModel
        The nominal model of the arm: names base and tip link, joints and limits.
    joint_offsets, link_offsets : array, optional
        How the true arm differs, as in ``RobotModel.with_bias`` [rad; m].
    gui : bool
        Open PyBullet's window.
    time_step : float
        Of the simulation [s].
    gravity : bool
        Whether there is any.

    Attributes
    ----------
    robot, true_robot : RobotModel
        The nominal model, and the one with the offsets.

    Raises
    ------
    MissingDependencyError
        When pybullet is not installed.
    SimulationError
        When PyBullet cannot load the URDF, or it lacks a link or joint of the model.
    InvalidInputError
        When an offset or the time step cannot be used.
    """

    def __init__(
        self,
        urdf: str | Path,
        robot: RobotModel,
        joint_offsets: ArrayLike | None = None,
        link_offsets: ArrayLike | None = None,
        gui: bool = False,
        time_step: float = 1 / 240,
        gravity: bool = True,
    ):
        if not (np.isfinite(time_step) and time_step > 0.0):
            raise InvalidInputError("time_step", time_step, "a positive number of seconds")
        self._client = -1
        self.robot = robot
        self.true_robot = robot.with_bias(joint_offsets, link_offsets)
        self.time_step = float(time_step)
        # The chain is written from the model, so that model and simulation cannot disagree on anything but the offsets.
        xml = bias_urdf(read_urdf(urdf), robot.joints, joint_offsets, link_offsets)
        folder = None if str(urdf).lstrip().startswith("<") else Path(urdf).resolve().parent
        self._bullet = _import_pybullet()
        try:
            self._connect(gui, gravity)
            self._body = load_body(self._bullet, self._client, portable_urdf(xml, folder), robot.name)
            self._find_joints()
            color_bare_meshes(self._bullet, self._client, self._body)
        except BaseException:
            self.close()
            raise
        self.reset(robot.rest)

    def reset(self, configuration: ArrayLike) -> None:
        """Put the arm at a configuration (J,) at once, at rest, and command it to stay there."""
        configuration = self._one(configuration)
        self._place(configuration)
        self.command(configuration)

    def command(self, configuration: ArrayLike, velocity: ArrayLike | None = None) -> None:
        """Give the motors new targets; ``step`` lets them get there.

        Parameters
        ----------
        configuration : (J,)
            Positions [rad or m]; a continuous joint takes the shorter way round.
        velocity : (J,), optional
            Velocities that a moving target has [rad/s or m/s]: with them the arm does not trail it. Default: 0.
        """
        moving = np.zeros(self.robot.dof) if velocity is None else self._one(velocity, "velocity")
        target = self._one(configuration)
        turning = self.robot.continuous
        if turning.any():
            position = self._raw_state()[0]
            target = np.where(turning, position + self.robot.wrapped(target - position), target)
        limits = zip(self._effort, self._velocity, strict=True)
        for joint, value, speed, (effort, fastest) in zip(self._joints, target, moving, limits, strict=True):
            self._hold(joint, value, effort, fastest, speed)

    def step(self, count: int = 1) -> None:
        """Let ``count`` time steps pass."""
        for _ in range(count):
            self._bullet.stepSimulation(physicsClientId=self._client)

    def joint_state(self) -> tuple[Array, Array, Array]:
        """Position [rad or m], velocity and motor effort, each (J,); continuous joints between -pi and pi."""
        position, velocity, effort = self._raw_state()
        return self.robot.wrapped(position), velocity, effort

    def tip_pose(self) -> Array:
        """True pose (4, 4) of the tool in the base link frame [m], as the arm stands now."""
        return invert_pose(self._link_pose(self._base_index)) @ self._link_pose(self._tip_index)

    def forward_kinematics(
        self, configurations: ArrayLike, progress: Callable[[int, int], None] | None = None
    ) -> Array:
        """True tool poses (n, 4, 4) in the base link frame [m], by PyBullet, of configurations (n, J) [rad or m].

        The simulation is left as it was.

        Parameters
        ----------
        configurations : (n, J)
        progress : callable, optional
            Called now and then with the number done and n.
        """
        configurations = self.robot.check_configuration(configurations, "configurations")
        if configurations.ndim != 2:
            raise InvalidInputError("configurations", f"shape {configurations.shape}", f"(n, {self.robot.dof})")
        positions, velocities, _ = self._raw_state()
        # Column by column: converting one number at a time to what PyBullet takes would cost as much as the kinematics.
        rows = configurations[:, :, None].tolist()
        count = len(rows)
        frames = np.empty((count, 7))
        place, look = self._bullet.resetJointStatesMultiDof, self._bullet.getLinkState
        body, joints, tip, client = self._body, self._joints, self._tip_index, self._client
        for i, row in enumerate(rows):
            place(body, joints, row, physicsClientId=client)
            state = look(body, tip, computeForwardKinematics=1, physicsClientId=client)
            frames[i, :3], frames[i, 3:] = state[4], state[5]
            if progress is not None and ((i + 1) % PROGRESS_EVERY == 0 or i + 1 == count):
                progress(i + 1, count)
        self._place(positions, velocities)
        base = self._link_pose(self._base_index)
        return invert_pose(base) @ make_pose(frames[:, :3], matrix_from_quaternion(frames[:, 3:]))

    def inverse_kinematics(
        self,
        pose: ArrayLike,
        seed: ArrayLike | None = None,
        rest: ArrayLike | None = None,
        iterations: int = 20000,
        residual: float = 1e-5,
    ) -> Array:
        """Configuration (J,) by PyBullet's null-space damped least squares on the true arm; not always in the limits.

        The simulation is left as it was.

        Parameters
        ----------
        pose : (4, 4)
            Target of the tool in the base link frame [m].
        seed, rest : (J,), optional
            Where to start, and where redundancy is pulled to [rad or m]; default: the robot's rest pose.
        iterations, residual
            Largest number of iterations, and the residual at which PyBullet ends.
        """
        pose = check_pose(pose)
        if pose.shape != (4, 4):
            raise InvalidInputError("pose", f"shape {pose.shape}", "(4, 4)")
        seed, rest = (self.robot.rest if one is None else self._one(one, "seed or rest") for one in (seed, rest))
        positions, velocities, _ = self._raw_state()
        self._place(seed)
        try:
            target = self._link_pose(self._base_index) @ pose
            return null_space_inverse_kinematics(
                self._bullet, self._client, self._body, self._tip_index, target, self._joints, self.robot.lower,
                self.robot.upper, rest, iterations, residual,
            )  # fmt: skip
        finally:
            self._place(positions, velocities)

    def image(
        self,
        width: int = 640,
        height: int = 480,
        camera: Camera | None = None,
        background: tuple[int, int, int] = (255, 255, 255),
    ) -> np.ndarray:
        """Picture (height, width, 3) uint8 of the arm, drawn on the CPU; no display is needed."""
        base = self._link_pose(self._base_index)
        return take_picture(self._bullet, self._client, base, camera or Camera(), (width, height), background)

    def add_mesh(self, vertices: ArrayLike, triangles: ArrayLike, normals: ArrayLike, color: ArrayLike) -> int:
        """Add a mesh that shows in pictures and touches nothing; its number is for ``remove``.

        Parameters
        ----------
        vertices, normals : (n, 3)
            In the base link frame [m].
        triangles : (m, 3)
            Indices of vertices.
        color : (4,)
            Red, green, blue, opacity, 0 to 1.
        """
        base = self._link_pose(self._base_index)
        return add_visual_mesh(self._bullet, self._client, base, vertices, triangles, normals, color)

    def remove(self, body: int) -> None:
        """Take away what ``add_mesh`` has added."""
        self._bullet.removeBody(body, physicsClientId=self._client)

    def close(self) -> None:
        """End the simulation; a second call does nothing."""
        client, self._client = self._client, -1
        if client >= 0:
            with contextlib.suppress(self._bullet.error):  # its window may have been closed before
                self._bullet.disconnect(client)

    def __enter__(self) -> PyBulletArm:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _connect(self, gui: bool, gravity: bool) -> None:
        with quiet() as said, contextlib.suppress(self._bullet.error):
            self._client = self._bullet.connect(self._bullet.GUI if gui else self._bullet.DIRECT)
        if self._client < 0:
            hint = "is there a display?" if gui else "are too many simulations open?"
            raise SimulationError(f"PyBullet does not start; {hint} {' '.join(said)}")
        self._bullet.setTimeStep(self.time_step, physicsClientId=self._client)
        self._bullet.setGravity(0.0, 0.0, -9.81 if gravity else 0.0, physicsClientId=self._client)

    def _find_joints(self) -> None:
        bullet, client, body = self._bullet, self._client, self._body
        infos = [
            bullet.getJointInfo(body, index, physicsClientId=client)
            for index in range(bullet.getNumJoints(body, physicsClientId=client))
        ]
        joints = {info[1].decode(): info for info in infos}
        links = {info[12].decode(): info[0] for info in infos}
        links[bullet.getBodyInfo(body, physicsClientId=client)[0].decode()] = -1
        missing = [name for name in self.robot.joint_names if name not in joints]
        missing += [name for name in (self.robot.base_link, self.robot.tip_link) if name not in links]
        if missing:
            raise SimulationError(f"PyBullet's robot lacks {', '.join(missing)}; does the model belong to this URDF?")
        self._base_index, self._tip_index = links[self.robot.base_link], links[self.robot.tip_link]
        chosen = [joints[name] for name in self.robot.joint_names]
        self._joints = [info[0] for info in chosen]
        self._effort = [info[10] if info[10] > 0.0 else DEFAULT_EFFORT for info in chosen]
        self._velocity = [info[11] if info[11] > 0.0 else DEFAULT_VELOCITY for info in chosen]
        for info in infos:
            if info[0] in self._joints or info[2] not in (bullet.JOINT_REVOLUTE, bullet.JOINT_PRISMATIC):
                continue
            value = min(max(0.0, info[8]), info[9]) if info[8] <= info[9] else 0.0
            bullet.resetJointState(body, info[0], value, physicsClientId=client)
            self._hold(info[0], value, info[10] or DEFAULT_EFFORT, info[11] or DEFAULT_VELOCITY)

    def _hold(self, joint: int, value: float, effort: float, fastest: float, speed: float = 0.0) -> None:
        self._bullet.setJointMotorControl2(
            self._body,
            joint,
            self._bullet.POSITION_CONTROL,
            targetPosition=float(value),
            force=effort,
            targetVelocity=float(speed),
            maxVelocity=fastest,
            positionGain=POSITION_GAIN,
            physicsClientId=self._client,
        )

    def _one(self, configuration: ArrayLike, name: str = "configuration") -> Array:
        configuration = self.robot.check_configuration(configuration, name)
        if configuration.shape != (self.robot.dof,):
            raise InvalidInputError(name, f"shape {configuration.shape}", f"({self.robot.dof},)")
        return configuration

    def _place(self, positions: Array, velocities: Array | None = None) -> None:
        velocities = np.zeros(self.robot.dof) if velocities is None else velocities
        for joint, position, velocity in zip(self._joints, positions, velocities, strict=True):
            self._bullet.resetJointState(
                self._body, joint, float(position), float(velocity), physicsClientId=self._client
            )

    def _raw_state(self) -> tuple[Array, Array, Array]:
        states = self._bullet.getJointStates(self._body, self._joints, physicsClientId=self._client)
        position, velocity, effort = np.array([(state[0], state[1], state[3]) for state in states]).T.copy()
        return position, velocity, effort

    def _link_pose(self, link: int) -> Array:
        return link_pose(self._bullet, self._client, self._body, link)


def _import_pybullet() -> Any:
    try:
        with quiet():
            import pybullet
    except ImportError as error:
        raise MissingDependencyError("simulation needs pybullet: pip install pybullet") from error
    return pybullet
