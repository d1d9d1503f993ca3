"""The node viewer with real nodes, and its page in a real browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
from browser import open_browser, wait_for
from nav_msgs.msg import Path
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

pytest.importorskip("pybullet")
pytest.importorskip("viser")
# A browser that draws on the processor leaves nothing to other tests.
pytestmark = pytest.mark.alone

# Pieces of the page.
STATUS, ANSWER, NOTE = (
    f"(document.getElementById('{name}') || {{}}).innerText || ''" for name in ("status", "answer", "note")
)


@pytest.fixture(scope="module")
def nodes(ros, tmp_path_factory):
    from processes import NodeProcess

    folder = tmp_path_factory.mktemp("viewer")
    running = {
        "panda_sim": NodeProcess("panda_sim", folder, {"joint_bias_deg": 1.0}),
        "ik_service": NodeProcess("ik_service", folder, {"model": "nominal"}),
        "trajectory_follower": NodeProcess(
            "trajectory_follower", folder, {"autostart": False, "loop": True, "trajectory": "circle", "points": 60}
        ),
        "viewer": NodeProcess("viewer", folder, {"port": 8700, "rate": 5.0}),
    }
    yield running
    for process in running.values():
        process.stop()


@pytest.fixture(scope="module")
def page(nodes, tmp_path_factory):
    nodes["viewer"].wait_for("to be seen at")
    nodes["ik_service"].wait_for("serving")
    browser = open_browser(tmp_path_factory.mktemp("browser"), 900, 600)
    browser.get(re.search(r"to be seen at (http://\S+)", nodes["viewer"].text)[1])
    yield browser
    browser.quit()


def says(page, where: str, pattern: str) -> str:
    """What a piece of the page says, once a pattern is in it."""
    return wait_for(lambda: (found := re.search(pattern, page.execute_script(f"return {where}"))) and found[0])


def press(page, label: str) -> None:
    page.execute_script(
        "[...document.querySelectorAll('button')].find(b => b.innerText.trim() === arguments[0]).click()", label
    )


def picture(page) -> np.ndarray:
    """What the canvas shows (height, width, 3)."""
    import io

    from matplotlib.image import imread

    return imread(io.BytesIO(page.find_element("css selector", "canvas").screenshot_as_png))[..., :3]


def test_a_second_page_has_the_next_port(nodes, start):
    nodes["viewer"].wait_for("to be seen at")
    second = start("viewer", port=8700, controls=False)
    second.wait_for("port 8700 is taken")
    assert second.stopped_cleanly()


def test_an_address_that_is_not_this_machines_is_fatal_in_words(ros, start):
    viewer = start("viewer", host="192.0.2.1")
    assert viewer.wait() == 1
    assert "set the parameters host and port" in viewer.text and "Traceback" not in viewer.text


def test_another_trajectory_holds_from_the_next_start_on_and_nonsense_is_refused(nodes, module_client):
    def choose(text: str):
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=text)
        request = SetParameters.Request(parameters=[Parameter(name="trajectory", value=value)])
        return module_client.call(SetParameters, "trajectory_follower/set_parameters", request).results[0]

    refused = choose("square")
    assert not refused.successful and "'spiral'" in refused.reason and "square" in refused.reason
    got = module_client.call(
        GetParameters, "trajectory_follower/get_parameters", GetParameters.Request(names=["trajectory"])
    )
    assert got.values[0].string_value == "circle"
    assert choose("spiral").successful
    assert module_client.call(Trigger, "trajectory_follower/start", Trigger.Request()).success
    nodes["trajectory_follower"].wait_for("spiral: 60 targets")
    # Of what is followed, nothing changes.
    assert choose("circle").successful
    module_client.call(Trigger, "trajectory_follower/stop", Trigger.Request())


def test_the_page_shows_the_arm_with_all_of_its_meshes(page, nodes):
    says(page, STATUS, "at rest")
    # The Panda has black parts; the page's own colours are lighter.
    wait_for(lambda: (picture(page).max(axis=2) < 0.45).sum() > 200)
    assert picture(page).std() > 0.02
    assert "ignored" not in nodes["viewer"].text and "not shown" not in nodes["viewer"].text


def test_start_and_stop_work_the_arm_moves_and_its_error_is_told(page):
    before = picture(page)
    press(page, "Start")
    says(page, NOTE, "start: started")
    says(page, STATUS, "following")
    # The arm is one degree off, and served by its URDF: the page must see that, and the follower does not say it.
    found = says(page, STATUS, r"mean, worst\s+[\d.]+ mm")
    assert 10.0 < float(found.split()[-2]) < 40.0
    assert (np.abs(picture(page) - before).max(axis=2) > 0.1).mean() > 0.005
    press(page, "Stop")
    says(page, NOTE, "slowing down to a stop")
    says(page, STATUS, "at rest")


def test_who_opens_the_page_late_sees_the_arm_and_what_was_followed(page, module_client):
    # In the middle of a round: at its beginning there are no errors yet that one could see.
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    passed = module_client.collect(Path, "trajectory_follower/actual_path", latched)
    module_client.spin_until(lambda: passed)
    assert module_client.call(Trigger, "trajectory_follower/start", Trigger.Request()).success
    passed.clear()
    module_client.spin_until(lambda: passed and 10 <= len(passed[-1].poses) < 40)
    assert module_client.call(Trigger, "trajectory_follower/stop", Trigger.Request()).success
    says(page, STATUS, r"at rest[\s\S]*mean, worst")
    first = page.current_window_handle
    address = page.current_url
    page.switch_to.new_window("tab")
    try:
        page.get(address)
        assert says(page, STATUS, r"mean, worst\s+[\d.]+ mm")
        wait_for(lambda: (picture(page).max(axis=2) < 0.45).sum() > 200)
        # Blue are the path that was to be followed, and an axis of the handle.
        assert len(handle_pixels(picture(page))) > 100
    finally:
        page.close()
        page.switch_to.window(first)


def test_a_target_that_is_dragged_with_the_mouse_is_answered(page, nodes):
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = page.find_element("css selector", "canvas")
    without = picture_without_target(page)
    press(page, "Target to the tool")
    # Of the target to drag, blue is z. The tool points down: so does the arrow, which is the last of it.
    wait_for(lambda: len(handle_pixels(picture(page), without)) > 30)
    pixels = handle_pixels(picture(page), without)
    y, x = pixels[-12]
    height, width = without.shape[:2]
    actions = ActionChains(page, duration=20)
    actions.move_to_element_with_offset(canvas, int(x - width // 2), int(y - height // 2)).click_and_hold()
    for _ in range(10):
        actions.move_by_offset(0, -4)
    actions.release().perform()
    found = says(page, ANSWER, r"solved[\s\S]*answer \d+")
    assert "predicted error" in found and "support" in found and "round trip" in found
    assert page.execute_script("return Number(document.getElementById('answer').dataset.number)") >= 1


def picture_without_target(page) -> np.ndarray:
    """Picture of the canvas with the target hidden; it is shown again afterwards."""
    from benchmarks.page_client import PageClient

    shown = len(handle_pixels(picture(page)))
    with PageClient(page.current_url.split("//")[1].strip("/")) as client:
        wait_for(lambda: client.hear(0.1) and "Target" in client.controls)
        client.set("Target", False)
        wait_for(lambda: len(handle_pixels(picture(page))) < shown - 30)
        without = picture(page)
        client.set("Target", True)
    return without


def handle_pixels(image: np.ndarray, without: np.ndarray | None = None) -> np.ndarray:
    """Rows and columns of the pixels of the handle's blue axis, left of the panel, and of the blue path.

    Where a picture without the handle is given, those that are blue there too, the path's, are left out.
    """
    red, green, blue = np.moveaxis(image[:, : int(0.6 * image.shape[1])], 2, 0)
    found = np.argwhere((blue > 0.75) & (red < 0.4) & (green < 0.65) & (blue - red > 0.4))
    if without is None:
        return found
    path = {tuple(pixel) for pixel in handle_pixels(without)}
    return np.array([pixel for pixel in found if tuple(pixel) not in path]).reshape(-1, 2)


def test_the_page_fetches_nothing_from_anywhere_else(page):
    import json

    for entry in page.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            assert url.startswith(("http://127.0.0.1:", "data:", "blob:", "chrome:")), url


def test_with_its_page_open_the_viewer_ends_cleanly(page, nodes):
    assert nodes["viewer"].stopped_cleanly()
