"""What a service keeps of the requests it has answered: nothing."""

from __future__ import annotations

import gc
import sys

import pytest
from crisp_ik.srv import ComputeIK, ComputeIKPath
from faulty import TARGETS, request_for, seeded
from rclpy.qos import QoSProfile

from crisp_ik_ros.nodes.conversions import duration_message, pose_stamped_message
from crisp_ik_ros.nodes.ik_service import IKService
from crisp_ik_ros.nodes.targets import ErrorCode

REQUESTS, AT_ONCE = 100, 20
# A request that is kept has 24 of them or more.
BLOCKS_A_REQUEST = 5

PATH = ComputeIKPath.Request(
    poses=[pose_stamped_message(pose, "panda_link0") for pose in TARGETS[:3]], timeout=duration_message(5.0)
)
KINDS = {
    "solved": (ComputeIK, "compute_ik", seeded(), ErrorCode.SUCCESS),
    "refused": (ComputeIK, "compute_ik", request_for(TARGETS[0], ik_link_name="elbow"), ErrorCode.INVALID_LINK_NAME),
    "path": (ComputeIKPath, "compute_ik_path", PATH, ErrorCode.SUCCESS),
}


@pytest.fixture(scope="module")
def service(ros, module_client):
    """The service in the test's own process, where its memory can be counted."""
    node = IKService()
    module_client.executor.add_node(node)
    yield node
    module_client.executor.remove_node(node)
    node.close()
    node.destroy_node()


@pytest.mark.parametrize("kind", KINDS)
def test_requests_that_were_answered_leave_nothing_behind(service, module_client, kind):
    service_type, name, request, code = KINDS[kind]
    asked = module_client.node.create_client(service_type, name, qos_profile=QoSProfile(depth=REQUESTS))
    assert asked.wait_for_service(30.0)

    def blocks_after_requests() -> int:
        for _ in range(REQUESTS // AT_ONCE):
            futures = [asked.call_async(request) for _ in range(AT_ONCE)]
            module_client.spin_until(lambda: all(future.done() for future in futures))  # noqa: B023
            assert {future.result().error_code for future in futures} == {code}
        del futures
        gc.collect()
        return sys.getallocatedblocks()

    # The first fill what is kept for the next ones. Something of ROS's own may come in between once, not every time.
    counts = [blocks_after_requests() for _ in range(4)]
    grown = min(after - before for before, after in zip(counts[:-1], counts[1:], strict=True))
    assert grown < BLOCKS_A_REQUEST * REQUESTS, counts
