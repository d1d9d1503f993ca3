"""The client of the service benchmark: sends requests on a clock of its own, whether or not the last is answered.

It is a process of its own, started by ``benchmarks.service``, and writes what it measured as JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from crisp_ik.srv import ComputeIK, ComputeIKPath
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from benchmarks.empty_service import QUEUE
from crisp_ik_ros.nodes.conversions import pose_stamped_message
from crisp_ik_ros.nodes.lifetime import make_executor
from crisp_ik_ros.trajectories import spiral

PATIENCE = 30.0
# A service that starts may have to compile first [s].
FIRST_PATIENCE = 600.0
# An answer that has not come this long after the last request of a block is lost [s].
LOST_AFTER = 1.0
WARM_UP = 500
PATH_POSES = 1000
PATH_CALLS = 20


class Load:
    """One service under load: when each request was sent, and when its answer came."""

    def __init__(self, name: str, client, process: int):
        self.name, self.client, self.process = name, client, process
        self.sent: list[float] = []
        self.received: list[float] = []
        self.late: list[float] = []
        self.failed = 0
        self.cpu = self.elapsed = 0.0

    def block(self, executor, requests, rate: float, count: int) -> None:
        """Send ``count`` requests at ``rate`` [1/s] and wait for the answers."""
        first = len(self.sent)
        self.received += [np.nan] * count
        clock, cpu, begin = time.perf_counter, cpu_time(self.process), time.perf_counter() + 0.05
        for i in range(count):
            due = begin + i / rate
            while (rest := due - clock()) > 0.0:
                executor.spin_once(timeout_sec=rest)
            row = first + i
            now = clock()
            self.sent.append(now)
            self.late.append(now - due)
            future = self.client.call_async(requests[i])
            future.add_done_callback(lambda future, row=row: self.answered(row, future))
        end = clock() + LOST_AFTER
        while clock() < end and np.isnan(self.received[first:]).any():
            executor.spin_once(timeout_sec=0.05)
        self.cpu += cpu_time(self.process) - cpu
        self.elapsed += clock() - begin

    def answered(self, row: int, future) -> None:
        """Note when an answer came, and whether it was one."""
        self.received[row] = time.perf_counter()
        # The empty service leaves the code at 0.
        if future.result().error_code not in (0, ComputeIK.Response.SUCCESS):
            self.failed += 1

    def forget(self) -> None:
        """Begin anew."""
        self.__init__(self.name, self.client, self.process)

    def summary(self) -> dict:
        """Counts, latencies [ms] and the service's share of one core."""
        latency = 1e3 * (np.array(self.received) - np.array(self.sent))
        answered = latency[np.isfinite(latency)]
        p = np.percentile(answered, [50, 90, 99, 99.9]).tolist() if len(answered) else [None] * 4
        return {
            "requests": len(latency),
            "lost": int(len(latency) - len(answered)),
            "failed": self.failed,
            **dict(zip(("median_ms", "p90_ms", "p99_ms", "p999_ms"), p, strict=True)),
            "max_ms": float(answered.max()) if len(answered) else None,
            "cpu_share": self.cpu / self.elapsed if self.elapsed else None,
            "sender_late_p99_ms": 1e3 * float(np.percentile(self.late, 99)),
            "quantiles_ms": np.quantile(answered, np.linspace(0.0, 1.0, 1001)).round(4).tolist(),
        }


def cpu_time(process: int) -> float:
    """Seconds of processor time a process has had; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def call(executor, client, request):
    """Answer to one request."""
    future = client.call_async(request)
    executor.spin_until_future_complete(future, timeout_sec=PATIENCE)
    if not future.done():
        sys.exit(f"no answer from {client.srv_name} within {PATIENCE:g} s")
    return future.result()


def path_calls(executor, client, request) -> tuple[dict, ComputeIKPath.Response]:
    """Times of calls of /compute_ik_path, and the last answer."""
    times = []
    for _ in range(PATH_CALLS + 1):
        begin = time.perf_counter()
        answer = call(executor, client, request)
        times.append(1e3 * (time.perf_counter() - begin))
    # The first finds the peers' buffers small.
    times = times[1:]
    figures = {
        "poses": len(request.poses),
        "calls": len(times),
        "fraction": answer.fraction,
        "median_ms": float(np.median(times)),
        "max_ms": max(times),
        "times_ms": [round(value, 3) for value in times],
    }
    return figures, answer


def measure(node, executor, options: argparse.Namespace) -> dict:
    """Load on both services in turn, then whole paths."""
    clients = {
        name: node.create_client(kind, name, qos_profile=QoSProfile(depth=QUEUE))
        for name, kind in (("compute_ik", ComputeIK), ("empty_ik", ComputeIK), ("compute_ik_path", ComputeIKPath))
    }
    for client in clients.values():
        if not client.wait_for_service(PATIENCE):
            sys.exit(f"no service {client.srv_name} within {PATIENCE:g} s")
    poses = [pose_stamped_message(pose, "panda_link0") for pose in spiral(points=PATH_POSES)]
    paths, answer = path_calls(executor, clients["compute_ik_path"], ComputeIKPath.Request(poses=poses))
    points = [point.positions for point in answer.trajectory.points]
    if len(points) != len(poses):
        sys.exit(f"/compute_ik_path: {answer.message}")
    names = list(answer.trajectory.joint_names)
    # As a follower asks: the next pose, from where the joints are. To the end of the spiral and back again.
    there = [
        ComputeIK.Request(pose=pose, seed=JointState(name=names, position=points[max(row - 1, 0)]))
        for row, pose in enumerate(poses)
    ]
    there += there[::-1]
    loads = [
        Load("compute_ik", clients["compute_ik"], options.processes[0]),
        Load("empty_ik", clients["empty_ik"], options.processes[1]),
    ]
    gc.collect()
    gc.freeze()
    gc.disable()
    for load in loads:
        load.block(executor, there, options.rate, WARM_UP)
        load.forget()
    count = round(options.rate * options.block)
    for number in range(max(1, round(options.seconds / options.block))):
        begin = number * count % len(there)
        requests = [there[(begin + i) % len(there)] for i in range(count)]
        # Which is first changes, so that neither has the better times of a busy machine.
        for load in loads if number % 2 == 0 else loads[::-1]:
            load.block(executor, requests, options.rate, count)
    return {"path": paths, **{load.name: load.summary() for load in loads}}


def first_answer(node, executor) -> dict:
    """When /compute_ik was there and when it first answered, on the clock that all processes of a machine share [s]."""
    client = node.create_client(ComputeIK, "compute_ik")
    deadline = time.monotonic() + FIRST_PATIENCE
    while not client.service_is_ready():
        if time.monotonic() > deadline:
            sys.exit(f"no service {client.srv_name} within {FIRST_PATIENCE:g} s")
        time.sleep(0.002)
    there = time.monotonic()
    answer = call(executor, client, ComputeIK.Request(pose=pose_stamped_message(spiral(points=2)[0], "panda_link0")))
    return {"there": there, "answered": time.monotonic(), "code": answer.error_code}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="JSON file to write")
    parser.add_argument("--seconds", type=float, default=60.0, help="load on each service")
    parser.add_argument("--block", type=float, default=5.0, help="seconds until it is the other's turn")
    parser.add_argument("--rate", type=float, default=500.0, help="requests per second")
    parser.add_argument("--first-answer", action="store_true", help="wait for a service that starts, and nothing else")
    parser.add_argument("--processes", type=int, nargs=2, default=(0, 0), help="process ids of service and empty one")
    options = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node("benchmark_client")
    executor = make_executor()
    executor.add_node(node)
    print("ready", flush=True)
    result = first_answer(node, executor) if options.first_answer else measure(node, executor, options)
    options.output.write_text(json.dumps(result))
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
