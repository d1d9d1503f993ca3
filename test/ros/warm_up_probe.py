"""Run by test_warm_up in a fresh process: what requests compile, or load from the cache, after the warm-up.

Arguments: the model, and whether to warm up. Writes one line for each specialisation that came late.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
from numba.core.dispatcher import Dispatcher

from crisp_ik_ros.nodes import moveit
from crisp_ik_ros.nodes.answer import Answerer, Seed
from crisp_ik_ros.nodes.conversions import joint_state_message, pose_stamped_message, target_from_message
from crisp_ik_ros.nodes.serving import load_estimator, warm_up
from crisp_ik_ros.trajectories import circle


def specialisations() -> set[str]:
    """All compiled functions of the package with the types they exist for."""
    modules = [module for name, module in sys.modules.items() if name.startswith("crisp_ik_ros")]
    functions = {value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}
    return {
        f"{function.py_func.__qualname__}{types}" for function in functions for types in function.nopython_signatures
    }


def requests(estimator) -> None:
    """Everything a service may be asked, with and without seeds."""
    robot, answerer = estimator.robot, Answerer(estimator, 0.05)
    messages = [pose_stamped_message(pose, robot.base_link) for pose in circle(points=6)]
    targets = [target_from_message(message) for message in messages]
    far = targets[0]._replace(position=(0.0, 9.0, 0.0))
    hard = targets[0]._replace(position=(0.0, 0.0, 0.05))
    seeds = [Seed(), Seed(robot.joint_names, robot.rest.tolist()), Seed((), tuple(robot.rest))]
    for seed in seeds:
        for target in (targets[0], far, hard):
            answerer.reset()
            assert answerer.answer(target, seed, "", 0.02).message == "" or target is not targets[0]
        answerer.reset()
        assert answerer.answer_path(targets, seed).fraction == 1.0
        answerer.answer_path([far, *targets, hard], seed, "", 0.1)
    for state in (joint_state_message((), ()), joint_state_message(robot.joint_names, robot.rest)):
        wanted = SimpleNamespace(
            pose_stamped=messages[0], pose_stamped_vector=[], ik_link_name="", group_name="", avoid_collisions=False,
            robot_state=SimpleNamespace(attached_collision_objects=[]), timeout=SimpleNamespace(sec=0, nanosec=0),
            constraints=SimpleNamespace(**dict.fromkeys(moveit.CONSTRAINTS, ())),
        )  # fmt: skip
        wanted.robot_state.joint_state = state
        response = SimpleNamespace(error_code=SimpleNamespace(val=0), solution=SimpleNamespace())
        assert moveit.solve(answerer, wanted, response).message == ""
    answerer.answer(targets[0], Seed((), np.full(robot.dof, np.nan)))
    poses = circle(points=100)
    for seed in (None, robot.rest):
        estimator.solve(poses[0], seed)
        estimator.solve_path(poses, seed, timeout=0.1)
        estimator.solve_many(poses, seed)


if __name__ == "__main__":
    chosen = load_estimator(sys.argv[1])
    if sys.argv[2] == "warm":
        warm_up(chosen)
    before = specialisations()
    requests(chosen)
    print("\n".join(sorted(specialisations() - before)))
