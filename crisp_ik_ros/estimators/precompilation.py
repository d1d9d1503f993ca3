"""A part of the search that can be compiled beside the rest of it, in another process."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.estimators.descent import SEED, Run, descend
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.task import make_task
from crisp_ik_ros.losses.loss import make_workspace
from crisp_ik_ros.solvers.levenberg_marquardt import make_state


def compile_descent(estimator: InverseKinematics) -> None:
    """Compile ``descend`` for an estimator, with the types that the search calls it with: the last thing it would do.

    It is called with memory made here, since ``make_run`` is another function to be compiled.
    """
    robot, loss = estimator.robot, estimator._loss
    task, rows = make_task(robot, loss), loss.dimension(robot.dof)
    vectors = np.zeros((7, robot.dof))
    run = Run(
        np.eye(4), np.eye(4), np.zeros(rows), np.zeros(rows), vectors[5], np.ones(2), vectors[6], vectors[0],
        vectors[1], vectors[2], vectors[3], vectors[4],
        np.zeros(2), np.zeros(4), np.zeros(2, np.int64), np.zeros(1), np.zeros(1), make_state(robot.lower, robot.upper),
        make_workspace(robot.dof, rows),
    )  # fmt: skip
    descend(task, estimator._wish(estimator.timeout), run, run.posture, 0.0, SEED)
