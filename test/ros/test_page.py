"""The page of the node viewer through its socket, as a browser has it: also where there is no browser."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("pybullet")
pytest.importorskip("viser")
PATIENCE = 60.0
SAMPLES = "/samples"


@pytest.fixture(scope="module")
def nodes(ros, small_model, tmp_path_factory):
    from processes import NodeProcess

    folder = tmp_path_factory.mktemp("page")
    follower = {"autostart": False, "loop": True, "trajectory": "circle", "points": 60}
    running = {
        "panda_sim": NodeProcess("panda_sim", folder, {"joint_bias_deg": 1.0}),
        "ik_service": NodeProcess("ik_service", folder, {"model": "nominal"}),
        "trajectory_follower": NodeProcess("trajectory_follower", folder, follower),
        "viewer": NodeProcess("viewer", folder, {"port": 8750, "model": str(small_model)}),
    }
    yield running
    for process in running.values():
        process.stop()


@pytest.fixture(scope="module")
def page(nodes):
    from benchmarks.page_client import PageClient

    nodes["viewer"].wait_for("to be seen at")
    nodes["ik_service"].wait_for("serving")
    with PageClient(re.search(r"to be seen at http://(\S+)", nodes["viewer"].text)[1]) as client:
        client.says("<b>at rest</b>", PATIENCE)
        yield client


def hear_until(page, condition) -> None:
    for _ in range(int(10 * PATIENCE)):
        if condition():
            return
        page.hear(0.1)
    pytest.fail(f"it never happened: {page.texts} {page.visible}")


def target_of(panda, *offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Target beside the tool at rest, as the page sends it."""
    from crisp_ik_ros.transforms import quaternion_from_matrix

    pose = panda.forward_kinematics(panda.rest)
    return pose[:3, 3] + (offset or 0.0), np.roll(quaternion_from_matrix(pose[:3, :3]), 1)


def test_the_arm_is_drawn_link_by_link_with_nothing_left_out(page, nodes):
    drawn = {name.split("/")[-2] for name in page.scene if name.startswith("/arm/") and "part" in name.split("/")[-1]}
    assert drawn == {*(f"panda_link{k}" for k in range(8)), "panda_hand", "panda_leftfinger", "panda_rightfinger"}
    assert "not shown" not in nodes["viewer"].text and "ignored" not in nodes["viewer"].text


def test_a_start_moves_the_arm_and_a_stop_ends_that_with_the_error_told_between(page):
    page.set("Follower", "Start")
    page.says("start: started", PATIENCE)
    page.says("<b>following</b>", PATIENCE)
    # One degree off, and served by its URDF.
    found = page.says(r"mean, worst.*?([\d.]+) mm", PATIENCE)
    assert 10.0 < float(found[1]) < 40.0
    hear_until(page, lambda: page.scene.get("/paths/target", 0) > 1 and page.scene.get("/paths/errors", 0) > 1)
    page.set("Errors ×", 50.0)
    page.set("Follower", "Stop")
    page.says("slowing down to a stop", PATIENCE)
    page.says("<b>at rest</b>", PATIENCE)


def test_another_trajectory_is_chosen_for_the_next_start(page):
    page.set("Trajectory", "spiral")
    page.says("spiral: from the next start on", PATIENCE)


def test_a_dragged_target_is_answered_or_refused_in_words_and_a_second_arm_shows_the_answer(page, panda):
    page.drag(*target_of(panda, 0.02, 0.0, 0.0))
    answer = page.says(r'id="answer" data-number="(\d+)">(.*solved.*)</div>', PATIENCE)
    assert int(answer[1]) >= 1 and "predicted error" in answer[2] and "support" in answer[2]
    hear_until(page, lambda: any(name.startswith("/answer") for name in page.scene))
    page.drag(*target_of(panda, 5.0, 0.0, 0.0))
    refused = page.says(r'id="answer" data-number="(\d+)">(.*code.*)</div>', PATIENCE)
    assert int(refused[1]) > int(answer[1]) and "misses it by" in refused[2] and "support" not in refused[2]


def test_of_many_drags_at_once_the_last_one_is_answered_and_most_are_left_out(page, panda):
    before = int(page.says(r'id="answer" data-number="(\d+)"', PATIENCE)[1])
    for step in np.linspace(0.0, 0.05, 100):
        page.drag(*target_of(panda, 0.0, step, 0.0))
    page.drag(*target_of(panda, 0.0, 6.0, 0.0))
    page.says(r'id="answer".*misses it by [56]\d\d\d mm', PATIENCE)
    page.hear_for(0.5)
    last = page.says(r'id="answer" data-number="(\d+)">.*misses it by [56]\d\d\d mm', PATIENCE)
    assert before < int(last[1]) < before + 100


def test_samples_are_shown_when_they_are_wanted_and_the_target_is_hidden_when_it_is_not(page):
    assert page.visible.get(SAMPLES) is False
    page.set("Samples", True)
    hear_until(page, lambda: page.visible[SAMPLES])
    page.set("Target", False)
    hear_until(page, lambda: page.visible.get("/target") is False)
    page.set("URDF's path", False)
    hear_until(page, lambda: page.visible.get("/trails/nominal") is False)


def test_a_lost_service_is_said_and_the_node_ends_cleanly(page, nodes, panda):
    assert nodes["ik_service"].stopped_cleanly()
    page.drag(*target_of(panda))
    page.says("no (service|answer from) /?compute_ik", PATIENCE)
    assert nodes["viewer"].stopped_cleanly()
