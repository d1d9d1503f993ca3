"""A service of the type of /compute_ik that answers nothing, run as ``ik_service`` is: what ROS 2 itself takes."""

from __future__ import annotations

import sys

from crisp_ik.srv import ComputeIK
from rclpy.qos import QoSProfile

from crisp_ik_ros.nodes.lifetime import ManagedNode, run_node

# As many requests as may wait for ik_service.
QUEUE = 1000


class EmptyService(ManagedNode):
    """Returns every response as it was made. The executor is ``ik_service``'s: ``run_node`` chooses it for both."""

    def __init__(self) -> None:
        super().__init__("empty_service")
        self.create_service(
            ComputeIK, "empty_ik", lambda request, response: response, qos_profile=QoSProfile(depth=QUEUE)
        )
        self.get_logger().info("serving /empty_ik")


if __name__ == "__main__":
    sys.exit(run_node(EmptyService, "empty_service"))
