"""The network between service and client is cut and restored, and what the nodes open towards the network."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from namespaces import LEFT, RIGHT, Link, Placed, unavailable

pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(unavailable()), reason=unavailable())]

PROBE = Path(__file__).with_name("discovery_probe.py")
DOMAIN = {"ROS_DOMAIN_ID": "42"}
# Two machines share no memory, whatever two namespaces do.
NETWORK = {**DOMAIN, "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}
# The middleware's own times are 20 s and 3 s.
LEASE, ANNOUNCEMENT = 3, 1
PROFILE = f"""<?xml version="1.0" encoding="UTF-8"?>
<dds xmlns="http://www.eprosima.com">
  <profiles>
    <participant profile_name="lease" is_default_profile="true">
      <rtps><builtin><discovery_config>
        <leaseDuration><sec>{LEASE}</sec></leaseDuration>
        <leaseAnnouncement><sec>{ANNOUNCEMENT}</sec></leaseAnnouncement>
      </discovery_config></builtin></rtps>
    </participant>
  </profiles>
</dds>
"""
# Longest time until both have found each other again: an announcement is heard, and its sender asked for the rest.
BOUND = 10.0


HALTED, RESUMED = "halted: ", "are back, going on"


@contextmanager
def placed(folder: Path, environment: dict) -> Iterator:
    """Two namespaces, and what starts nodes in them; all are gone in the end, the nodes first."""
    running = []
    with Link() as link:

        def begin(side, command, **parameters):
            running.append(Placed(link, side, command, folder, environment, **parameters))
            return running[-1]

        try:
            yield link, begin
        finally:
            for process in running:
                process.stop()


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """A service and a client of it on two machines."""
    folder = tmp_path_factory.mktemp("apart")
    (folder / "profile.xml").write_text(PROFILE)
    with placed(folder, {**NETWORK, "FASTDDS_DEFAULT_PROFILES_FILE": str(folder / "profile.xml")}) as (link, begin):
        service = begin(LEFT, "ik_service", model="nominal")
        service.wait_for("serving", 120.0)
        yield link, service, begin


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A service of one machine only, a client of it there, and one on another machine."""
    environment = {**NETWORK, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    with placed(tmp_path_factory.mktemp("local"), environment) as (_, begin):
        service = begin(LEFT, "ik_service", model="nominal")
        service.wait_for("serving", 120.0)
        near, far = (begin(side, [sys.executable, str(PROBE)]) for side in (LEFT, RIGHT))
        wait_for(near, "answered 1", 0, 20.0)
        yield service, near, far


def outcomes(probe: Placed) -> list[str]:
    return probe.text.splitlines()


def halted(follower: Placed) -> bool:
    """Whether the last that it said of this is that it has halted."""
    return follower.text.rfind(HALTED) > follower.text.rfind(RESUMED)


def wait_for(probe: Placed, wanted: str, after: int, timeout: float) -> None:
    """Wait until the probe says so, having said ``after`` lines before."""
    deadline = time.monotonic() + timeout
    while not any(line.startswith(wanted) for line in outcomes(probe)[after:]):
        assert probe.process.poll() is None, probe.text
        assert time.monotonic() < deadline, f"never {wanted!r} after line {after}: {outcomes(probe)[after:]}"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("seconds", "meanwhile"),
    [
        pytest.param(1.5, "lost", id="shorter than the lease"),
        pytest.param(2.5 * LEASE, "unknown", id="longer than the lease"),
    ],
)
def test_after_a_cut_requests_are_answered_again_and_no_process_was_restarted(apart, seconds, meanwhile):
    link, service, begin = apart
    probe = begin(RIGHT, [sys.executable, str(PROBE)])
    wait_for(probe, "answered 1", 0, 20.0)
    link.cut()
    cut = len(outcomes(probe)) + 1
    time.sleep(seconds)
    during = outcomes(probe)[cut:]
    assert during and not any(line.startswith("answered") for line in during)
    assert any(line.startswith(meanwhile) for line in during), during
    # A cut that is shorter than the lease must not be taken for the end of the other.
    assert meanwhile == "unknown" or "unknown" not in during
    link.restore()
    wait_for(probe, "answered 1", len(outcomes(probe)), BOUND)
    again = len(outcomes(probe))
    wait_for(probe, "answered 1", again, 2.0)
    assert service.process.poll() is None and "Traceback" not in service.text


def test_a_follower_halts_at_a_cut_and_completes_its_path_after_it(apart, tmp_path):
    link, service, begin = apart
    begin(RIGHT, "panda_sim").wait_for("simulating")
    report = tmp_path / "report.json"
    follower = begin(
        RIGHT, "trajectory_follower", trajectory="circle", points=100, exit_when_done=True, report=str(report)
    )
    follower.wait_for("circle: ")
    time.sleep(1.0)
    link.cut()
    # On a machine that is busy it may have halted before, too.
    deadline = time.monotonic() + 5.0
    while not halted(follower):
        assert time.monotonic() < deadline, follower.text
        time.sleep(0.02)
    time.sleep(1.0)
    assert halted(follower) and follower.process.poll() is None
    before = follower.text.count(RESUMED)
    link.restore()
    deadline = time.monotonic() + BOUND
    while follower.text.count(RESUMED) == before:
        assert time.monotonic() < deadline, follower.text
        time.sleep(0.02)
    assert follower.wait(60.0) == 0, follower.text
    assert json.loads(report.read_text())["complete"]
    assert service.process.poll() is None


def test_nodes_of_one_machine_join_no_multicast_group_and_open_no_tcp_socket(local):
    service, _, _ = local
    network = Path(f"/proc/{service.process.pid}/net")
    assert len(network.joinpath("udp").read_text().splitlines()) > 1
    # Every host is in 224.0.0.1; DDS discovery would be in 239.255.0.1. Addresses are written from the last byte on.
    groups = {line.split()[0] for line in network.joinpath("igmp").read_text().splitlines() if line.startswith("\t\t")}
    assert groups == {"010000E0"}
    for table in ("tcp", "tcp6", "raw", "packet"):
        assert len(network.joinpath(table).read_text().splitlines()) <= 1, table


def test_nodes_of_one_machine_are_not_found_from_another(local):
    _, near, far = local
    deadline = time.monotonic() + BOUND / 2.0
    while time.monotonic() < deadline:
        wait_for(near, "answered 1", len(outcomes(near)), 2.0)
    assert set(outcomes(far)) == {"unknown"}
