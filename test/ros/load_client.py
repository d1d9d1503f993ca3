"""Run by tests: sends many requests at once for each line that it reads, and says what became of them as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter

import rclpy
from crisp_ik.srv import ComputeIK
from faulty import seeded
from rclpy.qos import QoSProfile

from crisp_ik_ros.nodes.lifetime import make_executor

PATIENCE = 60.0


def main(count: int) -> None:
    rclpy.init()
    node = rclpy.create_node("load_client")
    executor = make_executor()
    executor.add_node(node)
    client = node.create_client(ComputeIK, "compute_ik", qos_profile=QoSProfile(depth=5000))
    assert client.wait_for_service(PATIENCE)
    print("ready", flush=True)
    for _ in sys.stdin:
        # Another service may have taken the place of the one before.
        assert client.wait_for_service(PATIENCE)
        futures = [client.call_async(seeded(index)) for index in range(count)]
        print("sent", flush=True)
        deadline = time.monotonic() + PATIENCE
        while not all(future.done() for future in futures) and time.monotonic() < deadline:
            executor.spin_once(0.05)
        answers = [future.result() for future in futures if future.done()]
        codes = Counter(str(answer.error_code) for answer in answers)
        told = sum("busy" in answer.message and "later" in answer.message for answer in answers)
        solved = sum(len(answer.solution.position) == 7 for answer in answers)
        print(json.dumps({"codes": codes, "busy": told, "solved": solved}), flush=True)
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
