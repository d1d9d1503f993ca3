"""Requests, good and bad, and clients in processes of their own, for the tests of faults."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from crisp_ik.srv import ComputeIK
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from processes import ENVIRONMENT

from crisp_ik_ros.nodes.conversions import joint_state_message, pose_stamped_message
from crisp_ik_ros.trajectories import circle

TARGETS = circle(points=40)
REST = [0.98, 0.458, 0.31, -2.24, -0.30, 2.66, 2.32]
JOINTS = [f"panda_joint{i}" for i in range(1, 8)]
CLIENT = Path(__file__).with_name("load_client.py")


def request_for(pose, **fields) -> ComputeIK.Request:
    request = ComputeIK.Request(pose=pose_stamped_message(pose, "panda_link0"))
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def seeded(index: int = 0) -> ComputeIK.Request:
    return request_for(TARGETS[index % len(TARGETS)], seed=joint_state_message(JOINTS, REST))


def hard_pose() -> np.ndarray:
    """Inside the reach, but the hand would have to be in the base: only the time ends the search."""
    pose = TARGETS[0].copy()
    pose[:3, 3] = [0.0, 0.0, 0.05]
    return pose


def carries_nothing(answer) -> bool:
    return not answer.solution.position and not answer.solution.name and bool(answer.message)


def load_client(*arguments: str) -> subprocess.Popen:
    """A client that says "ready", and then what became of its requests as one line of JSON."""
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(CLIENT), *arguments]
    running = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment)
    assert running.stdout.readline() == "ready\n"
    return running


def status_of(messages: list[DiagnosticArray], name: str) -> DiagnosticStatus | None:
    """The last of a name."""
    return next((s for message in messages[::-1] for s in message.status if s.name.endswith(name)), None)


def values_of(status: DiagnosticStatus | None) -> dict[str, str]:
    return {item.key: item.value for item in status.values} if status is not None else {}


def level_of(messages: list[DiagnosticArray], name: str) -> bytes | None:
    """Level of the last of a name."""
    status = status_of(messages, name)
    return None if status is None else status.level
