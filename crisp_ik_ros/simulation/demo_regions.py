"""Where to draw samples for the demonstration's trajectories of a robot."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.errors import SimulationError
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.robots.catalog import PANDA, find_robot_file
from crisp_ik_ros.robots.conditioning import directions_of
from crisp_ik_ros.robots.placement import Placement
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.simulation.regions import DEMO_MARGIN, Neighborhood, Region, demo_region
from crisp_ik_ros.trajectories import PAPER, place_trajectory, placed_trajectories

# Targets of each trajectory, and the time to search for one [s].
POINTS, PATIENCE = 50, 1.0
# Time for a first search, of which a machine that compiles takes most [s].
COMPILING = 120.0
# Of joints that hardly move the tool's position [rad or m].
LARGEST_SPREAD = 0.1
ALL_DIRECTIONS = 6


def placement_of(robot: str) -> Placement:
    """Where the trajectories lie for a robot that is given as ``find_robot`` takes it; a URDF's: as the paper has them.

    Raises
    ------
    RobotFileError
        When its file does not say.
    """
    file = find_robot_file(robot or PANDA)
    return PAPER if file is None else file.placement()


def demo_region_of(robot: RobotModel, placement: Placement = PAPER) -> Region | Neighborhood:
    """Region around a robot's spiral and circle.

    A box of poses where the arm can move its tool in all directions. Of others, such as a planar arm, configurations
    around those that reach the trajectories, so far that the tool leaves them by about their radius.

    Raises
    ------
    SimulationError
        When hardly any target of the trajectories is reached.
    """
    if directions_of(robot) == ALL_DIRECTIONS:
        return demo_region(placement)
    solver = ModelBasedIK(robot, timeout=PATIENCE)
    solver.solve_path(robot.forward_kinematics(robot.rest)[None], robot.rest, timeout=COMPILING)
    solved = [
        solver.solve_path(place_trajectory(name, placement, POINTS), robot.rest)
        for name in placed_trajectories(placement)
    ]
    reached = np.concatenate([path.configurations[path.success] for path in solved])
    if len(reached) < POINTS // 2:
        raise SimulationError(
            f"the arm reaches only {len(reached)} of {POINTS * len(solved)} targets of its trajectories; place them "
            "elsewhere (demo in the robot file), with the tool as the arm can hold it"
        )
    moves = np.linalg.norm(robot.jacobian(reached)[:, :3, :], axis=1).mean(axis=0) * np.sqrt(robot.dof)
    margin = max(placement.radius, DEMO_MARGIN)
    return Neighborhood(reached, np.minimum(LARGEST_SPREAD, margin / np.maximum(moves, 1e-9)))
