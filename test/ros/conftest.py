"""Real nodes as processes over real DDS. Without ROS 2 there is nothing to test here."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent

try:
    import crisp_ik.srv  # noqa: F401
    import rclpy
except ImportError:
    collect_ignore_glob = ["test_*.py"]
else:
    from processes import ENVIRONMENT, Client, NodeProcess

    def pytest_sessionfinish():
        if NodeProcess.nursery is not None:
            NodeProcess.nursery.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path, parent):
    """Keep launch_testing from all but its own module: it imports each, and where one skips, it leaves out all."""
    if module_path.name == "test_launch.py":
        return None
    return pytest.Module.from_parent(parent, path=module_path)


def pytest_collection_modifyitems(config, items):
    """On a shared machine that may stand still for a moment, a test of nodes that fails has a second try."""
    if config.pluginmanager.hasplugin("rerunfailures"):
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """With a test that failed goes what its nodes have said last."""
    report = yield
    if report.failed:
        report.sections += [process.last_words() for process in NodeProcess.known]
    if report.when == "teardown":
        NodeProcess.known[:] = [process for process in NodeProcess.known if process.process.poll() is None]
    return report


@pytest.fixture(scope="session")
def ros():
    os.environ.update(ENVIRONMENT)
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture
def client(ros):
    client = Client()
    yield client
    client.node.destroy_node()


@pytest.fixture(scope="module")
def module_client(ros):
    client = Client()
    yield client
    client.node.destroy_node()


@pytest.fixture
def start(tmp_path):
    """Start nodes that are gone after the test."""
    running = []

    def begin(executable: str, by_command: bool = False, **parameters) -> NodeProcess:
        running.append(NodeProcess(executable, tmp_path, parameters, by_command))
        return running[-1]

    yield begin
    for process in running:
        process.stop()


@pytest.fixture(scope="session")
def train_small(panda, tmp_path_factory):
    """Train a model of a true Panda on a few hundred samples around the trajectories."""
    from crisp_ik_ros import CRiSP, Dataset, ModelBasedIK
    from crisp_ik_ros.regression.kernels import make_kernel
    from crisp_ik_ros.trajectories import circle, spiral

    def train(true) -> Path:
        targets = np.concatenate([spiral(points=100), circle(points=100)])
        result = ModelBasedIK(panda).solve_path(targets, panda.rest)
        rng = np.random.default_rng(0)
        configurations = result.configurations[rng.integers(len(targets), size=300)]
        configurations = np.clip(configurations + 0.05 * rng.standard_normal((300, 7)), panda.lower, panda.upper)
        dataset = Dataset(configurations, true.forward_kinematics(configurations), panda.joint_names)
        path = tmp_path_factory.mktemp("model") / "small.npz"
        CRiSP(panda, kernel=make_kernel("gaussian", 0.1, 0.3), penalty=1e-8, centers=None).fit(dataset).save(path)
        return path

    return train


@pytest.fixture(scope="session")
def small_model(panda, train_small) -> Path:
    """A model of a Panda that is its URDF."""
    return train_small(panda)
