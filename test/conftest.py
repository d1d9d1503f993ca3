"""Robots and trained estimators that many tests share; each is made once."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from oracles import ENDLESS, GANTRY, LOSSES, ROOT, TWO_LINK, sample_around

from crisp_ik_ros import CRiSP, Dataset, ModelBasedIK, RobotModel
from crisp_ik_ros.regression.kernels import GaussianKernel
from crisp_ik_ros.trajectories import SPIRAL_CENTER, tool_orientation
from crisp_ik_ros.transforms import make_pose

# Who is started in the background by a shell ignores Ctrl-C, and so would all nodes and commands that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every run and machine.
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=30, database=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def panda():
    return RobotModel.panda()


@pytest.fixture(scope="session")
def planar5():
    return RobotModel.from_urdf(ROOT / "models" / "planar5.urdf")


@pytest.fixture(scope="session")
def iiwa_path():
    pybullet_data = pytest.importorskip("pybullet_data")
    return Path(pybullet_data.getDataPath()) / "kuka_iiwa" / "model.urdf"


@pytest.fixture(scope="session")
def iiwa(iiwa_path):
    return RobotModel.from_urdf(iiwa_path)


@pytest.fixture(scope="session")
def gantry():
    return RobotModel.from_urdf(GANTRY, "floor", "tool")


@pytest.fixture(scope="session")
def two_link():
    return RobotModel.from_urdf(TWO_LINK)


@pytest.fixture(scope="session")
def endless():
    return RobotModel.from_urdf(ENDLESS)


@pytest.fixture(scope="session", params=["panda", "planar5", "iiwa", "gantry"])
def robot(request):
    """Each of the four robots that the kinematics are held to."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def biased_panda(panda):
    """All joints off by one degree, the same way: the case of the demo."""
    return panda.with_bias(joint_offsets=np.full(panda.dof, np.deg2rad(1.0)))


@pytest.fixture(scope="session")
def panda_samples(panda, biased_panda):
    """200 samples of the biased Panda around its rest pose."""
    return sample_around(panda, biased_panda, 200)


@pytest.fixture(scope="session", params=LOSSES)
def trained(request, panda, panda_samples):
    """CRiSP with each loss, trained on the biased Panda."""
    return CRiSP(panda, loss=request.param, kernel=GaussianKernel(0.3, 1.0), penalty=1e-7).fit(panda_samples)


@pytest.fixture(scope="session")
def exact_panda(panda):
    """CRiSP with the residual loss, trained where the model is right."""
    samples = sample_around(panda, panda, 200)
    return CRiSP(panda, kernel=GaussianKernel(0.3, 1.0), penalty=1e-8).fit(samples)


@pytest.fixture(scope="session")
def spiral_samples(panda, biased_panda):
    """700 samples of the biased Panda around the spiral, drawn as the paper did: towards the rest pose."""
    rng = np.random.default_rng(0)
    draw = ModelBasedIK(biased_panda, timeout=0.5)
    configurations = []
    while len(configurations) < 700:
        position = np.array(SPIRAL_CENTER) + rng.uniform(-0.05, 0.05, 3)
        result = draw.solve(make_pose(position, tool_orientation(0.0)), seed=panda.rest)
        if result.success:
            configurations.append(result.configuration)
    configurations = np.array(configurations)
    return Dataset(configurations, biased_panda.forward_kinematics(configurations), panda.joint_names)


@pytest.fixture(scope="session")
def spiral_estimator(panda, spiral_samples):
    """CRiSP as it comes, with everything chosen from the data."""
    return CRiSP(panda).fit(spiral_samples)
