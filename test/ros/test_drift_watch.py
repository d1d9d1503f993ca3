"""ik_service over DDS, with something that measures the tool: whether its model still is the robot's."""

from __future__ import annotations

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from crisp_ik_ros import ModelBasedIK
from crisp_ik_ros.trajectories import circle

pytest.importorskip("pybullet")


def drift_of(messages: list) -> DiagnosticStatus | None:
    """The last that was said of drift."""
    return next((s for message in messages[::-1] for s in message.status if s.name.endswith("drift")), None)


def test_a_model_of_another_robot_is_warned_of_and_the_right_one_is_not(
    ros, start, client, panda, biased_panda, small_model, train_small
):
    right_model = train_small(biased_panda)
    # Many times the same pose: the posture comes to where the data lies, a bounded motion at a time.
    place = ModelBasedIK(panda).solve_path(np.repeat(circle(points=4)[:1], 30, axis=0), panda.rest).configurations[-1]
    sim = start("panda_sim", joint_bias_deg=1.0, initial_configuration=place.tolist())
    service = start(
        "ik_service",
        model=str(small_model),
        measured_pose_topic="/panda_sim/tip_pose",
        diagnostics_period=0.2,
    )
    diagnostics = client.collect(DiagnosticArray, "/diagnostics")

    def judged() -> bool:
        status = drift_of(diagnostics)
        return status is not None and "median of" in status.message

    client.spin_until(judged)
    status = drift_of(diagnostics)
    values = {item.key: item.value for item in status.values}
    assert status.level == DiagnosticStatus.WARN, status.message
    assert "crisp-ik train" in status.message and "crisp-ik train" in values["advice"]
    assert float(values["median error [mm]"]) > 5.0 and float(values["limit [mm]"]) < 2.0
    assert int(values["measurements"]) >= 5 and values["stops"] == "1"

    request = SetParameters.Request(parameters=[Parameter("model", value=str(right_model)).to_parameter_msg()])
    assert client.call(SetParameters, "ik_service/set_parameters", request).results[0].successful
    assert client.call(Trigger, "ik_service/reload", Trigger.Request()).success
    diagnostics.clear()
    client.spin_until(judged)
    status = drift_of(diagnostics)
    values = {item.key: item.value for item in status.values}
    assert status.level == DiagnosticStatus.OK and not values["advice"], status.message
    assert float(values["median error [mm]"]) < 1.0

    # Where nothing measures it any more, the last word stands and this is said.
    assert sim.stopped_cleanly()
    client.spin_until(lambda: "received" in {item.key: item.value for item in drift_of(diagnostics).values}["state"])
    assert drift_of(diagnostics).level == DiagnosticStatus.OK
    assert service.stopped_cleanly()
