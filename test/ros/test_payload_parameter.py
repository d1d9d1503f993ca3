"""Parameter payload of ik_service: the loaded arm's solutions, refusals and reasons, and what outlives a reload."""

from __future__ import annotations

import numpy as np
import pytest
from crisp_ik.srv import ComputeIK
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from crisp_ik_ros import Dataset, LearnedKinematics, load_model
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.nodes.answer import ErrorCode
from crisp_ik_ros.nodes.conversions import joint_state_message, pose_stamped_message


@pytest.fixture(scope="module")
def learned_model(panda, tmp_path_factory):
    """Model of a Panda whose joints give way under gravity, measured without a load and with 2 kg."""
    layout = Layout(panda, 1, panda.bodies())
    values = np.zeros(layout.size)
    values[layout.slices()["compliance"]] = np.tile([0.0, 0.0, 2e-4], panda.dof)
    q = panda.random_configurations(40, np.random.default_rng(0))
    payloads = np.repeat([0.0, 2.0], 20)
    poses = np.concatenate(
        [layout.with_payload(mass).robot_with(values).forward_kinematics(q[payloads == mass]) for mass in (0.0, 2.0)]
    )
    data = Dataset(q, poses, panda.joint_names, noise=(1e-5, 1e-5), payloads=payloads)
    path = tmp_path_factory.mktemp("model") / "learned.npz"
    LearnedKinematics(panda, kernel="none", harmonics=0).fit(data).save(path)
    return path


@pytest.fixture
def ask(client, panda, learned_model):
    """Ask for a pose that the arm has with a payload; return how far the loaded arm's tool is from it [m]."""
    q = 0.5 * (panda.lower + panda.upper)

    def check(mass: float) -> float:
        pose = load_model(learned_model).with_payload(mass).forward_kinematics(q)
        request = ComputeIK.Request(
            pose=pose_stamped_message(pose, "panda_link0"), seed=joint_state_message(panda.joint_names, q)
        )
        answer = client.call(ComputeIK, "compute_ik", request)
        assert answer.error_code == ErrorCode.SUCCESS, answer.message
        there = load_model(learned_model).with_payload(mass).forward_kinematics(np.array(answer.solution.position))
        return float(np.linalg.norm((there - pose)[:3, 3]))

    return check


def set_parameter(client, name, value) -> str:
    """Reason of a refusal; nothing where the value was taken."""
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    result = client.call(SetParameters, "ik_service/set_parameters", request).results[0]
    return "" if result.successful else result.reason or "refused"


def payload_of(client) -> float:
    request = GetParameters.Request(names=["payload"])
    return client.call(GetParameters, "ik_service/get_parameters", request).values[0].double_value


def facts(client, messages) -> dict[str, str]:
    """Values of the next diagnostics of the model."""
    messages.clear()
    client.spin_until(lambda: messages)
    return {item.key: item.value for item in messages[-1].status[0].values}


def test_a_payload_that_changes_while_the_node_runs_is_served_at_once_and_outlives_a_reload(
    ros, start, client, ask, learned_model, small_model
):
    service = start("ik_service", model=str(learned_model), diagnostics_period=0.1)
    service.wait_for("serving /compute_ik", 180.0)
    messages = client.collect(DiagnosticArray, "/diagnostics")
    description = client.call(
        DescribeParameters, "ik_service/describe_parameters", DescribeParameters.Request(names=["payload"])
    ).descriptors[0]
    limits = description.floating_point_range[0]
    assert (limits.from_value, limits.to_value) == (-1.0, 1000.0) and "[kg]" in description.description
    own = load_model(learned_model).payload_
    assert payload_of(client) == -1.0 and float(facts(client, messages)["payload [kg]"]) == own

    assert ask(own) < 1e-5 < 2e-4 < ask(5.0)
    assert not set_parameter(client, "payload", 5.0)
    assert ask(5.0) < 1e-5 < 2e-4 < ask(own)
    assert float(facts(client, messages)["payload [kg]"]) == 5.0
    assert "payload 5 kg" in facts(client, messages)["model"] and "payload 5 kg" in service.text

    for wrong in (-0.5, 1001.0, float("nan"), 3):
        assert set_parameter(client, "payload", wrong), wrong
        assert payload_of(client) == 5.0
    assert "0 to 1000 kg" in set_parameter(client, "payload", -0.5)
    assert ask(5.0) < 1e-5

    assert client.call(Trigger, "ik_service/reload", Trigger.Request()).success
    assert payload_of(client) == 5.0 and ask(5.0) < 1e-5

    # A model that knows of no load cannot take the place of one that carries it.
    assert not set_parameter(client, "model", str(small_model))
    answer = client.call(Trigger, "ik_service/reload", Trigger.Request())
    assert not answer.success and "stays" in answer.message and "payload" in answer.message
    assert ask(5.0) < 1e-5
    assert not set_parameter(client, "payload", -1.0)
    assert ask(own) < 1e-5
    answer = client.call(Trigger, "ik_service/reload", Trigger.Request())
    assert answer.success, answer.message
    reason = set_parameter(client, "payload", 1.0)
    assert "CRiSP" in reason and "LearnedKinematics" in reason
    assert service.stopped_cleanly()


def test_a_payload_at_the_start_is_served_or_fatal(ros, start, client, ask, learned_model):
    service = start("ik_service", model=str(learned_model), payload=3.0)
    service.wait_for("serving /compute_ik", 180.0)
    assert "payload 3 kg" in service.text and ask(3.0) < 1e-5
    assert service.stopped_cleanly()
    for parameters in ({"model": "nominal", "payload": 1.0}, {"model": str(learned_model), "payload": 2000.0}):
        process = start("ik_service", **parameters)
        assert process.wait() == 1
        assert "FATAL" in process.text and "payload" in process.text and "Traceback" not in process.text
