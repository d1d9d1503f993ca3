"""Ask `/compute_ik` and `/compute_ik_path` from a ROS 2 node.

Start the service first, in another shell: ros2 run crisp_ik ik_service      (or: crisp-ik sim)
"""

import sys

import rclpy
from crisp_ik.srv import ComputeIK, ComputeIKPath
from geometry_msgs.msg import PoseStamped

PATIENCE = 120.0  # [s]; the service is offered when all is compiled, which takes about a minute on the very first start


def main() -> int:
    """Print what the service answers; return 0 when both requests were answered with a solution."""
    rclpy.init()
    node = rclpy.create_node("crisp_ik_example")
    try:
        # One pose. In a callback of a node of yours, add a done callback to the future instead of spinning.
        request = ComputeIK.Request()
        request.pose = target(0.0, 0.5, 0.05)
        answer = ask(node, ComputeIK, "/compute_ik", request)
        if answer is None or answer.error_code != ComputeIK.Response.SUCCESS:
            print("no solution:", "no answer, is ik_service running?" if answer is None else answer.message)
            return 1
        print(f"/compute_ik: {answer.source}, support {answer.support:.2f}")
        for name, position in zip(answer.solution.name, answer.solution.position, strict=True):
            print(f"  {name:14} {position:7.4f} rad")

        # A line of 20 cm in one call, from there: each pose is started from the solution before it.
        path = ComputeIKPath.Request()
        path.poses = [target(0.01 * step, 0.5, 0.05) for step in range(21)]
        path.seed = answer.solution
        answers = ask(node, ComputeIKPath, "/compute_ik_path", path)
        if answers is None:
            print("no answer to the path")
            return 1
        print(f"/compute_ik_path: {len(answers.trajectory.points)} of {len(path.poses)} poses")

        # An error carries no solution, and says what was wrong.
        request.pose.header.frame_id = "somewhere"
        refused = ask(node, ComputeIK, "/compute_ik", request)
        if refused is not None:
            print(f"another frame: error {refused.error_code}: {refused.message}")
        return 0 if answers.fraction == 1.0 else 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def target(x: float, y: float, z: float) -> PoseStamped:
    """Tool at (x, y, z) in the base frame [m], pointing straight down."""
    pose = PoseStamped()
    pose.header.frame_id = "panda_link0"
    pose.pose.position.x, pose.pose.position.y, pose.pose.position.z = x, y, z
    pose.pose.orientation.x, pose.pose.orientation.w = 1.0, 0.0
    return pose


def ask(node, kind, name, request):
    """Answer of a service, or None where there was none in time."""
    client = node.create_client(kind, name)
    if not client.wait_for_service(timeout_sec=PATIENCE):
        return None
    future = client.call_async(request)
    rclpy.spin_until_future_complete(node, future, timeout_sec=PATIENCE)
    return future.result() if future.done() else None


if __name__ == "__main__":
    sys.exit(main())
