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
from crisp_ik_ros.simulation.links import joints_and_links, link_pose, link_poses, null_space_inverse_kinematics
from crisp_ik_ros.simulation.loading import load_body, portable_urdf, quiet
from crisp_ik_ros.simulation.meshes import add_visual_mesh
from crisp_ik_ros.simulation.motors import hold, hold_others
from crisp_ik_ros.simulation.self_collision import RANDOM_CONFIGURATIONS, SelfCollision
from crisp_ik_ros.transforms import Array, check_pose, invert_pose


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
    meshes : bool
        Whether the meshes of the URDF are loaded; else its boxes, cylinders and spheres alone.

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
        meshes: bool = True,
    ):
        if not (np.isfinite(time_step) and time_step > 0.0):
            raise InvalidInputError("time_step", time_step, "a positive number of seconds")
        self._client = -1
        self._watched: dict[float, SelfCollision] = {}
        self.robot = robot
        self.true_robot = robot.with_bias(joint_offsets, link_offsets)
        self.time_step = float(time_step)
        # The chain is written from the model, so that model and simulation cannot disagree on anything but the offsets.
        xml = bias_urdf(read_urdf(urdf), robot.joints, joint_offsets, link_offsets)
        folder = None if str(urdf).lstrip().startswith("<") else Path(urdf).resolve().parent
        self._bullet = _import_pybullet()
        try:
            self._connect(gui, gravity)
            self._body = load_body(self._bullet, self._client, portable_urdf(xml, folder, meshes), robot.name)
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
        for joint, value, speed in zip(self._infos, target, moving, strict=True):
            hold(self._bullet, self._client, self._body, joint, value, speed)

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
        configurations = self._many(configurations)
        positions, velocities, _ = self._raw_state()
        poses = link_poses(
            self._bullet, self._client, self._body, self._tip_index, self._joints, configurations, progress
        )
        self._place(positions, velocities)
        return invert_pose(self._link_pose(self._base_index)) @ poses

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

    def collision_free(
        self, configurations: ArrayLike, clearance: float = 0.0, floor: float | None = None
    ) -> np.ndarray:
        """Whether the true arm touches neither itself nor the floor: bool (n,), of configurations (n, J) [rad or m].

        Which links are watched says ``SelfCollision``. The simulation is left as it was.

        Parameters
        ----------
        configurations : (n, J)
        clearance : float
            Smallest distance that is kept [m].
        floor : float, optional
            Height of a floor, along the base link's z axis [m]. Default: none.
        """
        configurations = self._many(configurations)
        for name, value in (("clearance", clearance), ("floor", 0.0 if floor is None else floor)):
            if not (np.isfinite(value) and (value >= 0.0 or name == "floor")):
                raise InvalidInputError(name, value, "a length in metres")
        positions, velocities, _ = self._raw_state()
        try:
            if clearance not in self._watched:
                random = self.robot.random_configurations(RANDOM_CONFIGURATIONS, np.random.default_rng(0))
                self._watched[clearance] = SelfCollision(
                    self._bullet, self._client, self._body, self._base_index, self._joints, self.robot.rest, random,
                    clearance,
                )  # fmt: skip
            return self._watched[clearance].free(configurations, floor)
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
        infos, links = joints_and_links(bullet, client, body)
        joints = {info[1].decode(): info for info in infos}
        missing = [name for name in self.robot.joint_names if name not in joints]
        missing += [name for name in (self.robot.base_link, self.robot.tip_link) if name not in links]
        if missing:
            raise SimulationError(f"PyBullet's robot lacks {', '.join(missing)}; does the model belong to this URDF?")
        self._base_index, self._tip_index = links[self.robot.base_link], links[self.robot.tip_link]
        self._infos = [joints[name] for name in self.robot.joint_names]
        self._joints = [info[0] for info in self._infos]
        hold_others(bullet, client, body, infos, self._joints)

    def _one(self, configuration: ArrayLike, name: str = "configuration") -> Array:
        configuration = self.robot.check_configuration(configuration, name)
        if configuration.shape != (self.robot.dof,):
            raise InvalidInputError(name, f"shape {configuration.shape}", f"({self.robot.dof},)")
        return configuration

    def _many(self, configurations: ArrayLike) -> Array:
        configurations = self.robot.check_configuration(configurations, "configurations")
        if configurations.ndim != 2:
            raise InvalidInputError("configurations", f"shape {configurations.shape}", f"(n, {self.robot.dof})")
        return configurations

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
