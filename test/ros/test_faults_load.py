"""More than the service can do at once, clients that vanish, models that are bad: none is lost, and it lives."""

from __future__ import annotations

import json

import pytest
import rclpy
from crisp_ik.srv import ComputeIK
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from faulty import level_of, load_client, request_for, seeded, status_of, values_of
from processes import NodeProcess
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import QoSProfile
from std_srvs.srv import Trigger

from crisp_ik_ros.nodes.intake import Intake
from crisp_ik_ros.nodes.lifetime import Patiently, make_executor
from crisp_ik_ros.nodes.replies import refusal
from crisp_ik_ros.nodes.targets import ErrorCode

CLIENTS, REQUESTS = 4, 200


@pytest.fixture(scope="module")
def model_copy(small_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "model.npz"
    path.write_bytes(small_model.read_bytes())
    return path


@pytest.fixture(scope="module")
def service(ros, model_copy, tmp_path_factory):
    parameters = {"model": str(model_copy), "diagnostics_period": 0.2}
    process = NodeProcess("ik_service", tmp_path_factory.mktemp("load"), parameters)
    process.wait_for("serving /compute_ik")
    yield process
    assert process.stopped_cleanly()


@pytest.fixture(scope="module")
def clients(ros):
    """Processes that send many requests at once, again and again; one that was killed has another in its place."""
    running: list = []
    yield running
    for client in running:
        client.kill()
        client.communicate()


def burst(clients, *, kill_first: bool = False) -> list[dict]:
    """What became of the requests of several clients that all ask at once; the first may be killed meanwhile."""
    clients[:] = [client for client in clients if client.poll() is None]
    clients += [load_client(str(REQUESTS)) for _ in range(CLIENTS - len(clients))]
    for client in clients:
        client.stdin.write("go\n")
        client.stdin.flush()
    for client in clients:
        assert client.stdout.readline() == "sent\n"
        if kill_first and client is clients[0]:
            client.kill()
            client.communicate()
    return [json.loads(client.stdout.readline()) for client in clients[kill_first:]]


# First, while no other service runs.
def test_9_with_8_places_every_one_is_answered_or_told_busy(ros, start, client, clients, small_model):
    process = start("ik_service", model=str(small_model), queue=8, diagnostics_period=0.2)
    process.wait_for("serving /compute_ik")
    messages = client.collect(DiagnosticArray, "/diagnostics")
    results = burst(clients)
    for result in results:
        assert sum(result["codes"].values()) == REQUESTS
        assert result["codes"].get("99999", 0) == result["busy"] == REQUESTS - result["solved"]
    busy = sum(result["busy"] for result in results)
    assert busy > 0 and sum(result["solved"] for result in results) >= 8
    client.spin_until(lambda: values_of(status_of(messages, "inverse kinematics")).get("busy") == str(busy))
    assert client.call(ComputeIK, "compute_ik", seeded()).error_code == ErrorCode.SUCCESS
    assert process.stopped_cleanly()


def test_9_of_200_requests_at_once_from_each_of_4_clients_all_are_answered(service, clients):
    results = burst(clients)
    assert [result["codes"] for result in results] == [{"1": REQUESTS}] * CLIENTS
    assert [result["solved"] for result in results] == [REQUESTS] * CLIENTS


def test_10_a_client_that_is_killed_before_its_replies_holds_up_no_one(service, clients, module_client):
    results = burst(clients, kill_first=True)
    assert [result["codes"] for result in results] == [{"1": REQUESTS}] * (CLIENTS - 1)
    assert module_client.call(ComputeIK, "compute_ik", seeded()).error_code == ErrorCode.SUCCESS


def test_11_a_call_from_inside_a_callback_is_answered(service, client):
    caller = rclpy.create_node("caller")
    asked = caller.create_client(ComputeIK, "compute_ik", callback_group=ReentrantCallbackGroup())
    answers = []

    async def ask(request, response):
        answers.append(await Patiently(asked.call_async(seeded())))
        response.success = True
        return response

    caller.create_service(Trigger, "ask_inside", ask, callback_group=ReentrantCallbackGroup())
    executor = make_executor()
    executor.add_node(caller)
    try:
        assert asked.wait_for_service(30.0)
        outer = client.node.create_client(Trigger, "ask_inside")
        assert outer.wait_for_service(30.0)
        done = outer.call_async(Trigger.Request())

        def step() -> bool:
            executor.spin_once(0.01)
            return done.done()

        client.spin_until(step)
        assert answers[0].error_code == ErrorCode.SUCCESS
    finally:
        executor.shutdown()
        caller.destroy_node()


def test_21_reloads_of_a_bad_model_under_load_fail_no_request(service, module_client, model_copy):
    content = model_copy.read_bytes()
    requests = module_client.node.create_client(ComputeIK, "compute_ik", qos_profile=QoSProfile(depth=1000))
    reloads = module_client.node.create_client(Trigger, "ik_service/reload")
    assert requests.wait_for_service(30.0) and reloads.wait_for_service(30.0)
    before = list(module_client.call(ComputeIK, "compute_ik", seeded()).solution.position)
    answers = []
    try:
        for damaged in (content[: len(content) // 2], b"not a model", content):
            model_copy.write_bytes(damaged)
            # Two at once: the second waits for the first.
            pending = [reloads.call_async(Trigger.Request()) for _ in range(2)]
            waiting = []
            while not all(future.done() for future in pending):
                waiting.append(requests.call_async(seeded()))
                module_client.executor.spin_once(0.01)
            module_client.spin_until(lambda: all(future.done() for future in waiting))  # noqa: B023
            answers += [future.result() for future in waiting]
            assert [future.result().success for future in pending] == [damaged is content] * 2
            assert damaged is content or "stays" in pending[0].result().message
    finally:
        model_copy.write_bytes(content)
    assert {answer.error_code for answer in answers} == {ErrorCode.SUCCESS}
    assert all(list(answer.solution.position) == before for answer in answers)


def test_23_two_services_of_one_name_are_warned_of_and_the_warning_ends_with_the_second(service, client, start):
    name = "/ik_service: inverse kinematics"
    messages = client.collect(DiagnosticArray, "/diagnostics")
    second = start("ik_service", model="nominal")
    second.wait_for("serving /compute_ik")
    client.spin_until(lambda: "2 nodes serve /compute_ik" in service.text)
    client.spin_until(lambda: level_of(messages, name) == DiagnosticStatus.WARN)
    assert "another node serves" in status_of(messages, name).message
    # Neither refuses to answer: the second may be what is to take the first one's place.
    assert client.call(ComputeIK, "compute_ik", seeded()).error_code == ErrorCode.SUCCESS
    assert second.stopped_cleanly()
    client.spin_until(lambda: "has one server again" in service.text)
    assert client.call(ComputeIK, "compute_ik", seeded()).error_code == ErrorCode.SUCCESS


# -- what should never happen, in a node of the test's own -------------------------------------------------------------


@pytest.fixture
def served(ros, client):
    """Serve /faulty with a function; it runs on the client's executor."""
    node = rclpy.create_node("faulty")
    client.executor.add_node(node)
    yield lambda answer, queue=10: Intake(node, ComputeIK, "faulty", answer, refusal, queue)
    client.executor.remove_node(node)
    node.destroy_node()


def test_an_error_in_the_program_is_answered_in_words_and_ends_nothing(served, client):
    answers = iter([ArithmeticError("overflow"), AssertionError("impossible"), None])

    def answer(call):
        error = next(answers)
        if error is not None:
            raise error
        return ComputeIK.Response(error_code=1)

    intake = served(answer)
    for words in ("ArithmeticError: overflow", "AssertionError: impossible"):
        response = client.call(ComputeIK, "faulty", request_for(seeded_pose()))
        assert response.error_code == ErrorCode.FAILURE and words in response.message
        assert not response.solution.position
    assert client.call(ComputeIK, "faulty", request_for(seeded_pose())).error_code == ErrorCode.SUCCESS
    assert intake.faults == 2


def test_an_answer_that_cannot_be_sent_ends_nothing(served, client):
    # What is no response of this service cannot be sent.
    answers = iter([Trigger.Response(), ComputeIK.Response(error_code=1)])
    intake = served(lambda call: next(answers))
    lost = client.node.create_client(ComputeIK, "faulty")
    assert lost.wait_for_service(30.0)
    future = lost.call_async(seeded())
    client.spin_until(lambda: intake.undelivered == 1)
    assert not future.done()
    assert client.call(ComputeIK, "faulty", seeded()).error_code == ErrorCode.SUCCESS


def test_requests_are_answered_in_the_order_they_came_and_the_rest_is_told_busy_at_once(served, client):
    order = []

    def answer(call):
        order.append(call.request.ik_link_name)
        return ComputeIK.Response(error_code=1)

    served(answer, queue=5)
    many = client.node.create_client(ComputeIK, "faulty", qos_profile=QoSProfile(depth=100))
    assert many.wait_for_service(30.0)
    futures = [many.call_async(request_for(seeded_pose(), ik_link_name=str(index))) for index in range(30)]
    client.spin_until(lambda: all(future.done() for future in futures))
    answers = [future.result() for future in futures]
    solved = [str(index) for index, response in enumerate(answers) if response.error_code == 1]
    assert order == solved and len(solved) >= 5
    told = [response.message for response in answers if response.error_code != 1]
    assert all("busy" in words and "5 wait" in words and "later" in words for words in told)


def seeded_pose():
    from faulty import TARGETS

    return TARGETS[0]
