"""The handle in RViz over DDS, where interactive_markers is installed; RViz is played by the test."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
from processes import NodeProcess
from rclpy.qos import DurabilityPolicy, QoSProfile
from visualization_msgs.msg import InteractiveMarkerFeedback, MarkerArray
from visualization_msgs.srv import GetInteractiveMarkers

from crisp_ik_ros.nodes.conversions import pose_from_message, pose_message
from crisp_ik_ros.transforms import make_pose

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope="module")
def marker(ros, tmp_path_factory):
    process = NodeProcess("target_marker", tmp_path_factory.mktemp("marker"))
    yield process
    process.stop()


def test_without_interactive_markers_it_says_what_to_install(marker):
    try:
        import interactive_markers  # noqa: F401
    except ImportError:
        assert marker.wait() == 1
        assert "interactive_markers" in marker.text and "Traceback" not in marker.text
    else:
        pytest.skip("it is installed")


def test_wherever_it_is_dragged_the_answer_is_drawn(ros, marker, module_client, panda, tmp_path):
    pytest.importorskip("interactive_markers")
    marker.wait_for("drag the target")
    response = module_client.call(
        GetInteractiveMarkers, "target_marker/get_interactive_markers", GetInteractiveMarkers.Request()
    )
    (one,) = response.markers
    assert one.header.frame_id == "panda_link0" and len(one.controls) == 6
    start = panda.forward_kinematics(panda.rest)
    np.testing.assert_allclose(pose_from_message(one.pose), start, atol=1e-9)
    answers = module_client.collect(MarkerArray, "target_marker/answer", LATCHED)
    feedback = module_client.node.create_publisher(InteractiveMarkerFeedback, "target_marker/feedback", 10)
    module_client.spin_until(feedback.get_subscription_count)

    def drag(pose, until):
        message = InteractiveMarkerFeedback(client_id="test", marker_name="target")
        message.header.frame_id = "panda_link0"
        message.event_type = InteractiveMarkerFeedback.POSE_UPDATE
        message.pose = pose_message(pose)
        published = 0.0

        def answered():
            # As RViz does while it is dragged: the first message may be gone before both ends know of each other.
            nonlocal published
            if time.monotonic() - published > 0.5:
                feedback.publish(message)
                published = time.monotonic()
            return answers and until(answers[-1].markers)

        module_client.spin_until(answered)

    def text_of(markers):
        return next(marker.text for marker in markers if marker.ns == "answer")

    drag(start, lambda markers: "no service" in text_of(markers))
    service = NodeProcess("ik_service", tmp_path, {"model": "nominal"})
    try:
        service.wait_for("serving /compute_ik")
        near = make_pose(start[:3, 3] + [0.0, 0.05, 0.05], start[:3, :3])
        drag(near, lambda markers: "support" in text_of(markers))
        tip = answers[-1].markers[0].points[-1]
        np.testing.assert_allclose([tip.x, tip.y, tip.z], near[:3, 3], atol=1e-3)
        far = make_pose([0.0, 5.0, 0.0], np.eye(3))
        drag(far, lambda markers: "NO_IK_SOLUTION" in text_of(markers) or "TIMED_OUT" in text_of(markers))
        assert answers[-1].markers[0].color.r > answers[-1].markers[0].color.g
        # An answer that does not come is given up, and the next question is answered.
        service.process.send_signal(signal.SIGSTOP)
        drag(near, lambda markers: "no answer from" in text_of(markers))
        service.process.send_signal(signal.SIGCONT)
        drag(near, lambda markers: "support" in text_of(markers))
        assert marker.stopped_cleanly()
    finally:
        assert service.stopped_cleanly()
