"""The policy that ships, the enclaves of the nodes, and files that are read without the network."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree

import bags
import numpy as np
import pytest
from oracles import ROOT
from policies import PARENT, POLICY, Rights, allowed, read_policy

from crisp_ik_ros import Dataset, RobotModel, load_model
from crisp_ik_ros.nodes.runner import command_of
from crisp_ik_ros.nodes.system import SystemArguments, panda_sim_system
from crisp_ik_ros.resources import config_path

NODES = {"ik_service", "panda_sim", "recorder", "target_marker", "trainer", "trajectory_follower", "viewer"}
CHILDREN = {
    "policy": {"enclaves"},
    "enclaves": {"enclave"},
    "enclave": {"profiles"},
    "profiles": {"profile"},
    "profile": {"topics", "services", "actions"},
    "topics": {"topic"},
    "services": {"service"},
    "actions": {"action"},
}
ATTRIBUTES = {
    "policy": {"version"},
    "enclave": {"path"},
    "profile": {"ns", "node"},
    "topics": {"publish", "subscribe"},
    "services": {"request", "reply"},
    "actions": {"call", "execute"},
}
COMMAND = "/panda_arm_controller/joint_trajectory"


# -- the policy --------------------------------------------------------------------------------------------------------


def test_the_policy_has_the_structure_that_ros2_security_reads():
    root = read_policy()
    assert root.tag == "policy" and root.get("version") == "0.2.0"
    for element in root.iter():
        if element.tag is ElementTree.Comment:
            continue
        assert set(element.attrib) <= ATTRIBUTES.get(element.tag, set()), element.tag
        children = [child.tag for child in element if child.tag is not ElementTree.Comment]
        assert set(children) <= CHILDREN.get(element.tag, set()), element.tag
        assert children or element.text.strip()
        # One direction for each list, and lists that say what may be done: all else is denied.
        if element.tag in ("topics", "services", "actions"):
            assert list(element.attrib.values()) == ["ALLOW"]


def test_no_comment_stands_where_ros2_security_expects_an_enclave():
    for enclaves in read_policy().iter("enclaves"):
        assert [child.tag for child in enclaves if child.tag != "enclave"] == []


def test_the_policy_includes_no_other_file_and_declares_no_entity():
    text = POLICY.read_text()
    assert "<!DOCTYPE" not in text and "<!ENTITY" not in text and "include" not in text


def test_every_node_has_an_enclave_of_its_own_name():
    enclaves = list(read_policy().iter("enclave"))
    for enclave in enclaves:
        (profile,) = enclave.iter("profile")
        assert enclave.get("path") == PARENT + profile.get("node") and profile.get("ns") == "/"
    names = [enclave.get("path").removeprefix(PARENT) for enclave in enclaves]
    assert len(names) == len(set(names)) and set(names) == {*NODES, "client", "operator"}


def test_no_node_may_use_what_it_does_not_name():
    for name, rights in allowed().items():
        wildcards = {text for part in vars(rights).values() for text in part if "*" in text}
        assert wildcards == ({"/_ros2cli*", *(f"/{node}/*" for node in NODES)} if name == "operator" else set())


@pytest.mark.parametrize(
    ("kind", "name", "holders"),
    [
        ("publish", COMMAND, {"trajectory_follower"}),
        ("subscribe", COMMAND, {"panda_sim"}),
        ("publish", "/joint_states", {"panda_sim"}),
        ("publish", "/panda_sim/tip_pose", {"panda_sim"}),
        ("publish", "/clock", set()),
        ("reply", "/compute_ik", {"ik_service"}),
        ("reply", "/compute_ik_path", {"ik_service"}),
        ("request", "/compute_ik", {"client", "target_marker", "trajectory_follower", "viewer"}),
        ("request", "/compute_ik_path", {"client"}),
        ("request", "/ik_service/*", {"operator"}),
    ],
)
def test_only_who_needs_it_may(kind, name, holders):
    assert {node for node, rights in allowed().items() if name in getattr(rights, kind)} == holders


def test_a_client_has_no_right_beyond_those_of_any_node_but_to_ask_for_joint_angles():
    rights, trainer = allowed()["client"], allowed()["trainer"]
    own = {name.replace("/trainer/", "/client/") for name in trainer.reply}
    asked = {"/compute_ik", "/compute_ik_path", "/solve_ik"}
    assert rights == Rights(trainer.publish, trainer.subscribe, own, asked)


def test_the_policy_is_installed_with_the_configuration():
    assert config_path("security/policy.xml").is_file()
    # colcon installs the whole folder, with what is in its folders.
    assert re.search(r"foreach\(folder [^)]*\bconfig\b", (ROOT / "CMakeLists.txt").read_text())


# -- the nodes in their enclaves ---------------------------------------------------------------------------------------


def test_with_security_every_node_is_started_in_its_enclave():
    bare = {"rviz": False, "robot_state_publisher": False}
    for spec in panda_sim_system(SystemArguments(security=True, joint_bias_deg=1.0, **bare)):
        command = command_of(spec)
        enclave = command[command.index("--enclave") + 1]
        assert command.index("--enclave") > command.index("--ros-args")
        assert enclave == PARENT + spec.name and spec.name in allowed()
    for spec in panda_sim_system(SystemArguments(**bare)):
        assert "--enclave" not in command_of(spec)


# -- no network --------------------------------------------------------------------------------------------------------

FORBIDDEN = (
    "socket.",
    "urllib.",
    "http.",
    "ftplib.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
)


class Watch:
    """Records what the interpreter is asked to do while it is on. An audit hook cannot be taken away again."""

    def __init__(self):
        self.on = False
        self.events: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if self.on and event.startswith(FORBIDDEN):
            self.events.append(f"{event} {arguments}")
        # Flags of os.open: anything but reading. Python keeps the modules that it compiles.
        if self.on and event == "open" and arguments[2] & 3 and "__pycache__" not in str(arguments[0]):
            self.events.append(f"writes {arguments[0]}")


@pytest.fixture(scope="module")
def hook():
    return Watch()


@pytest.fixture
def watch(hook):
    hook.events.clear()
    hook.on = True
    yield hook
    hook.on = False


def test_the_watch_sees_a_socket_a_fetch_and_a_file_that_is_written(watch, tmp_path):
    import socket
    import urllib.request

    socket.socket().close()
    with pytest.raises(OSError):
        urllib.request.urlopen("http://127.0.0.1:9", timeout=1.0)
    (tmp_path / "new").write_text("")
    assert any(event.startswith("socket.__new__") for event in watch.events)
    assert any(event.startswith("urllib.") for event in watch.events)
    assert any(event == f"writes {tmp_path / 'new'}" for event in watch.events)


def test_a_model_is_loaded_without_network_children_or_files_written(watch):
    assert load_model(ROOT / "models" / "panda_residual.npz").robot.dof == 7
    assert watch.events == []


@pytest.mark.parametrize("address", ["http://example.invalid/arm.stl", "package://nowhere/arm.stl", "file:///dev/zero"])
def test_a_urdf_is_read_without_fetching_what_it_names(watch, tmp_path, address):
    watch.on = False
    text = (ROOT / "models" / "planar5.urdf").read_text()
    mesh = f'<visual><geometry><mesh filename="{address}"/></geometry></visual>'
    assert "<link " in text
    path = tmp_path / "arm.urdf"
    root = ElementTree.fromstring(text)
    for link in root.iter("link"):
        link.append(ElementTree.fromstring(mesh))
    path.write_text(ElementTree.tostring(root, encoding="unicode"))
    watch.on = True
    assert RobotModel.from_urdf(path).dof == 5
    assert watch.events == []


def write_data(folder, panda, kind):
    """Data of ``kind``; return its path and the names of its joints."""
    rng = np.random.default_rng(0)
    if kind in ("npz", "csv"):
        configurations = panda.rest + 0.1 * rng.standard_normal((20, 7))
        path = folder / f"data.{kind}"
        Dataset(configurations, panda.forward_kinematics(configurations), panda.joint_names).save(path)
        return path, panda.joint_names
    if kind == "points":
        for name in ("hole_0", "hole_1"):
            (folder / "points" / "front").mkdir(parents=True, exist_ok=True)
            np.savetxt(folder / "points" / "front" / f"{name}.csv", rng.uniform(-1, 1, (5, 3)), delimiter=",")
        return folder / "points", bags.NAMES
    arm = bags.Arm.random(3)
    steps = np.arange(0.0, arm.duration, 0.02)
    messages = [("/joint_states", time, bags.joint_state(time, arm.at(time))) for time in steps]
    messages += [("/pose", time, bags.pose_stamped(time, bags.true_pose(arm.at(time)))) for time in steps]
    bags.write_bag(folder / "bag", messages, kind)
    return folder / "bag", bags.NAMES


@pytest.mark.parametrize("kind", ["npz", "csv", "points", "sqlite3", "mcap"])
def test_data_is_read_without_network_children_or_files_written(watch, tmp_path, panda, kind):
    watch.on = False
    path, names = write_data(tmp_path, panda, kind)
    watch.on = True
    samples = Dataset.load(path, joint_names=names)
    watch.on = False
    assert len(samples) and watch.events == []
