"""Asks /compute_ik for ever and says what came of each request: a client that outlives a cut of the network."""

import sys
import time

import rclpy
from crisp_ik.srv import ComputeIK
from rclpy.executors import SingleThreadedExecutor

PATIENCE, PAUSE = 0.5, 0.05


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("client")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    client = node.create_client(ComputeIK, "/compute_ik")
    request = ComputeIK.Request()
    request.pose.header.frame_id = "panda_link0"
    request.pose.pose.position.y, request.pose.pose.position.z = 0.5, 0.05
    request.pose.pose.orientation.x, request.pose.pose.orientation.w = 1.0, 0.0
    while rclpy.ok():
        if not client.service_is_ready():
            outcome = "unknown"
            executor.spin_once(timeout_sec=PAUSE)
        else:
            future = client.call_async(request)
            executor.spin_until_future_complete(future, PATIENCE)
            if future.done():
                outcome = f"answered {future.result().error_code}"
            else:
                client.remove_pending_request(future)
                outcome = "lost"
        print(outcome, flush=True)
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main())
