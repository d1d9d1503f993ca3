"""A client of the soak: sends the same round of requests again and again, on a clock of its own.

It is a process of its own, started by ``benchmarks.soak``, and writes one line of JSON for each window of time. An
answer that differs from the first one to the same request counts as changed.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from crisp_ik.srv import ComputeIK
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from benchmarks.empty_service import QUEUE
from crisp_ik_ros import RobotModel
from crisp_ik_ros.nodes.conversions import pose_stamped_message
from crisp_ik_ros.nodes.lifetime import make_executor

PATIENCE = 60.0
# An answer that has not come this long after its request is lost [s].
LOST_AFTER = 10.0
# Requests before anything counts: until then DDS finds its peers and makes its buffers.
WARM_UP_SECONDS = 3.0
ROUND = 500
# Size of the steps between the requests of a round, as a follower makes them [rad].
STEP = 0.02


def requests(seed: int) -> list[ComputeIK.Request]:
    """Requests along a smooth way of the Panda's joints and back, each from the configuration before."""
    robot = RobotModel.panda()
    rng = np.random.default_rng(seed)
    phase, speed = rng.uniform(0.0, 2.0 * np.pi, robot.dof), rng.integers(1, 4, robot.dof)
    turn = 2.0 * np.pi * np.arange(ROUND) / ROUND
    swing = np.minimum(STEP * ROUND / (2.0 * np.pi * speed), 0.15 * (robot.upper - robot.lower))
    ways = robot.rest + swing * (np.sin(turn[:, None] * speed + phase) - np.sin(phase))
    ways = np.clip(ways, robot.lower + 0.02, robot.upper - 0.02)
    poses = robot.forward_kinematics(ways)
    names = list(robot.joint_names)
    return [
        ComputeIK.Request(
            pose=pose_stamped_message(pose, robot.base_link),
            seed=JointState(name=names, position=ways[row - 1].tolist()),
        )
        for row, pose in enumerate(poses)
    ]


class Asking:
    """Sends, and notes when each request was sent, when its answer came and what it was."""

    def __init__(self, client, executor, rate: float):
        self.client, self.executor, self.rate = client, executor, rate
        self.first: dict[int, tuple] = {}

    def send(self, round_of: list[ComputeIK.Request], count: int, on_pause) -> None:
        """Send ``count`` requests; ``on_pause`` is called between them with how many there were."""
        self.sent, self.received = np.full(count, np.nan), np.full(count, np.nan)
        self.wrong, self.changed = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        self.messages: list[str] = []
        clock, begin = time.perf_counter, time.perf_counter() + 0.05
        for row in range(count):
            due = begin + row / self.rate
            while (rest := due - clock()) > 0.0:
                self.executor.spin_once(timeout_sec=rest)
            self.sent[row] = clock()
            which = row % len(round_of)
            future = self.client.call_async(round_of[which])
            future.add_done_callback(lambda future, row=row, which=which: self._answered(row, which, future.result()))
            on_pause(row + 1)
        end = clock() + LOST_AFTER
        while clock() < end and np.isnan(self.received).any():
            self.executor.spin_once(timeout_sec=0.05)

    def _answered(self, row: int, which: int, answer: ComputeIK.Response) -> None:
        self.received[row] = time.perf_counter()
        if answer.error_code != ComputeIK.Response.SUCCESS:
            self.wrong[row] = True
            if len(self.messages) < 5:
                self.messages.append(f"{answer.error_code}: {answer.message}")
        told = (answer.error_code, *answer.solution.position)
        self.changed[row] = self.first.setdefault(which, told) != told

    def window(self, part: slice) -> dict:
        """Row of what became of these requests."""
        latency = 1e3 * (self.received[part] - self.sent[part])
        answered = latency[np.isfinite(latency)]
        median, late, most = np.percentile(answered, [50, 99, 100]).tolist() if len(answered) else [float("nan")] * 3
        return {
            "sent": len(latency),
            "answered": len(answered),
            "errors": int(self.wrong[part].sum()),
            "changed": int(self.changed[part].sum()),
            "p50_ms": round(median, 4),
            "p99_ms": round(late, 4),
            "max_ms": round(most, 4),
            "messages": self.messages,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="file to write, without its ending")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--window", type=float, required=True, help="seconds that one line is about")
    options = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node(f"soak_client_{options.seed}")
    executor = make_executor()
    executor.add_node(node)
    client = node.create_client(ComputeIK, "compute_ik", qos_profile=QoSProfile(depth=QUEUE))
    if not client.wait_for_service(PATIENCE):
        sys.exit(f"no service {client.srv_name} within {PATIENCE:g} s")
    asking = Asking(client, executor, options.rate)
    round_of = requests(options.seed)
    gc.collect()
    gc.freeze()
    gc.disable()
    asking.send(round_of, round(options.rate * WARM_UP_SECONDS), lambda count: None)
    print("begins", flush=True)
    count, size = round(options.rate * options.seconds), round(options.rate * options.window)
    # A window is told when its last requests can no longer be answered in time.
    behind = round(options.rate * LOST_AFTER)
    with options.output.with_suffix(".jsonl").open("w") as stream:
        told = 0

        def tell(sent: int) -> None:
            nonlocal told
            while told < count // size and (told + 1) * size + behind <= sent:
                row = {"window": told + 1, **asking.window(slice(told * size, (told + 1) * size))}
                stream.write(json.dumps(row) + "\n")
                stream.flush()
                told += 1

        asking.send(round_of, count, tell)
        tell(count + behind)
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
