"""Leading an arm to a path and along it, where the controller drops a command on the way."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from crisp_ik_ros.nodes.joint_path import JointPath
from crisp_ik_ros.nodes.lead import Lead
from crisp_ik_ros.nodes.time_scaling import GRID, Limits

ROBOT = SimpleNamespace(lower=np.full(2, -2.0), upper=np.full(2, 2.0), joint_names=("a", "b"))
# Commands that reach to the end of the path, as goals of an action do.
LIMITS = Limits(np.array([1.0, 1.0]), 14.0, 0.04, 3600.0)
BEGIN = 1_700_000_000_000_000_000 // GRID * GRID
TICK = 10_000_000
WHOLE = 3_600_000_000_000


def a_lead():
    points = np.linspace([0.0, 0.0], [1.0, -0.5], 21)
    path = JointPath(points[0], ROBOT.lower, ROBOT.upper)
    for point in points[1:]:
        path.add(point, 0.1)
    path.close()
    return Lead(ROBOT, path, LIMITS, 0.1, 0.1), points


def drive(lead, begin, done):
    """Go on until something is so; return the time, and all that was commanded."""
    plans = []
    for now in range(begin, begin + 20_000_000_000, TICK):
        if done(now):
            return now, plans
        plan = lead.run(now, now + WHOLE)
        if plan is not None:
            plans.append(plan)
    raise AssertionError("it never was")


def test_what_a_controller_drops_is_not_passed_and_is_driven_again_from_where_the_arm_is_measured():
    lead, points = a_lead()
    lead.begin(BEGIN, points[0])
    now, _ = drive(lead, BEGIN, lambda now: lead.passed(now, 8) is not None)
    lead.let_go(now)
    now += 1_000_000_000
    assert lead.rests(now)
    # The first command would have been over by then.
    assert lead.passed(now + 5_000_000_000, 12) is None
    # Nearer than the tolerance, and led over nevertheless: the controller has stopped it somewhere.
    measured = points[8] + [0.03, -0.02]
    plan = lead.resume(now, measured)
    assert plan is not None
    np.testing.assert_allclose(plan.positions, np.broadcast_to(measured, plan.positions.shape), atol=1e-12)
    now, plans = drive(lead, now, lead.arrived)
    np.testing.assert_allclose(plans[-1].positions[-1], points[-1], atol=1e-9)
    assert lead.passed(now, 20) is not None
    at = np.array([position for plan in plans for position in plan.positions])
    assert np.min(np.abs(at - points[12]).max(axis=1)) < 0.02


def test_without_that_an_arm_within_the_tolerance_goes_on_at_once():
    lead, points = a_lead()
    lead.begin(BEGIN, points[0])
    now, _ = drive(lead, BEGIN, lambda now: lead.passed(now, 8) is not None)
    lead.brake(now)
    now += 1_000_000_000
    assert lead.rests(now) and lead.resume(now, points[8] + 0.05) is None
