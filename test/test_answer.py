"""From request to answer, without ROS."""

from __future__ import annotations

import numpy as np
import pytest
from measured import measured_poses, true_robot
from oracles import LIMITED
from scipy.spatial.transform import Rotation

from crisp_ik_ros import LearnedKinematics, ModelBasedIK, RobotModel
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.nodes.answer import Answerer, Options, Seed, check_seed
from crisp_ik_ros.nodes.serving import describe, warnings_of
from crisp_ik_ros.nodes.statistics import WINDOW, ServiceStatistics
from crisp_ik_ros.nodes.targets import ErrorCode, Target, pose_of, poses_of
from crisp_ik_ros.transforms import quaternion_from_matrix


@pytest.fixture
def answerer(panda):
    return Answerer(ModelBasedIK(panda), default_timeout=0.5)


def target_of(panda, configuration, scale=1.0) -> Target:
    pose = panda.forward_kinematics(configuration)
    return Target(pose[:3, 3], scale * quaternion_from_matrix(pose[:3, :3]))


def test_any_orientation_is_understood_also_a_little_longer_than_it_should_be(panda, answerer):
    for quaternion in Rotation.random(50, random_state=0).as_quat():
        pose = pose_of(Target((0.1, 0.2, 0.3), 1.005 * quaternion), panda.base_link)
        np.testing.assert_allclose(pose[:3, :3], Rotation.from_quat(quaternion).as_matrix(), atol=1e-14)
    assert answerer.answer(target_of(panda, panda.rest, 1.02), Seed()).code == ErrorCode.FAILURE


def bad_targets(panda) -> dict[int, Target]:
    """Targets that cannot be, by their place in a path."""
    good = target_of(panda, panda.rest)
    return {
        3: Target((0.0, 5.0, 0.0), good.quaternion),
        5: good._replace(frame_id="map"),
        6: good._replace(position=(np.nan, 0.0, 0.0)),
        9: good._replace(quaternion=(0.0, 0.0, 0.0, 0.0)),
        10: good._replace(quaternion=(1e200, np.inf, 0.0, np.nan)),
    }


def path_of(panda, count: int = 12) -> list[Target]:
    """Targets along a line of configurations, in frames that are all the base frame."""
    frames = ("", "panda_link0", "/panda_link0")
    return [target_of(panda, panda.rest + 0.02 * i)._replace(frame_id=frames[i % 3]) for i in range(count)]


def test_many_targets_are_read_as_one_is_to_the_last_bit(panda):
    targets = path_of(panda)
    for row, quaternion in enumerate(Rotation.random(12, random_state=1).as_quat()):
        targets[row] = targets[row]._replace(quaternion=0.995 * quaternion)
    bad = bad_targets(panda)
    for row, target in bad.items():
        targets[row] = target
    poses, faults = poses_of(targets, panda.base_link)
    # The first of the bad ones can be read, and only not be reached.
    assert sorted(faults) == sorted(bad)[1:]
    for row, target in enumerate(targets):
        if row in faults:
            with pytest.raises(type(faults[row])) as caught:
                pose_of(target, panda.base_link)
            assert str(caught.value) == str(faults[row])
        else:
            np.testing.assert_array_equal(poses[row], pose_of(target, panda.base_link))
    assert poses_of([], panda.base_link)[0].shape == (0, 4, 4)


@pytest.mark.parametrize("seeded", [True, False])
def test_a_path_is_answered_as_its_poses_are_one_by_one(panda, seeded):
    targets = path_of(panda)
    for row, target in bad_targets(panda).items():
        targets[row] = target
    seed = Seed(panda.joint_names, panda.rest - 0.01) if seeded else Seed()
    single, whole = (Answerer(ModelBasedIK(panda), default_timeout=0.5) for _ in range(2))
    path = whole.answer_path(targets, seed)
    answers = []
    for target in targets:
        # The seed is for the first; then the last solution is the start.
        answers.append(single.answer(target, Seed() if answers else seed))
    assert path.codes.tolist() == [answer.code for answer in answers]
    assert path.solved == 3 and path.fraction == 3 / 12
    assert path.code == ErrorCode.NO_IK_SOLUTION and path.message == f"poses[3]: {answers[3].message}"
    for row, answer in enumerate(answers):
        if answer.configuration is not None:
            np.testing.assert_array_equal(path.configurations[row], answer.configuration)
        assert path.position_errors[row] == answer.position_error
        assert path.orientation_errors[row] == answer.orientation_error
        assert path.supports[row] == answer.support
    np.testing.assert_array_equal(whole.last, single.last)


def test_a_pose_that_cannot_be_solved_leaves_time_for_those_behind_it(panda):
    # Inside the reach, but the hand would have to be in the base: the search ends with its time.
    targets = path_of(panda, 4)
    targets[1] = targets[1]._replace(position=(0.0, 0.0, 0.05))
    path = Answerer(ModelBasedIK(panda), default_timeout=0.05).answer_path(targets, Seed())
    assert (path.codes == ErrorCode.SUCCESS).tolist() == [True, False, True, True]


def test_an_estimator_that_gives_up_is_a_failure_of_its_poses(panda, answerer, monkeypatch):
    def refuse(*_):
        raise CrispIKError("out of order")

    monkeypatch.setattr(answerer.estimator, "solve_path", refuse)
    path = answerer.answer_path(path_of(panda, 2), Seed())
    assert path.codes.tolist() == [ErrorCode.FAILURE] * 2 and path.message == "poses[0]: out of order"


def test_the_seed_is_the_requests_then_the_last_solution_then_none(panda, answerer, monkeypatch):
    seen = []
    solve = answerer.estimator.solve
    monkeypatch.setattr(answerer.estimator, "solve", lambda pose, seed, timeout: seen.append(seed) or solve(pose, seed))
    target = target_of(panda, panda.rest + 0.02)
    first = answerer.answer(target, Seed())
    answerer.answer(target, Seed())
    answerer.answer(target, Seed(panda.joint_names, panda.rest))
    answerer.reset()
    answerer.answer(target, Seed())
    assert seen[0] is None and seen[3] is None
    np.testing.assert_array_equal(seen[1], first.configuration)
    np.testing.assert_array_equal(seen[2], panda.rest)


def test_a_failure_neither_carries_nor_becomes_a_solution(panda, answerer):
    good = answerer.answer(target_of(panda, panda.rest), Seed())
    far = answerer.answer(Target((0.0, 5.0, 0.0), (0.0, 0.0, 0.0, 1.0)), Seed())
    assert far.code == ErrorCode.NO_IK_SOLUTION and far.configuration is None and "mm" in far.message
    np.testing.assert_array_equal(answerer.last, good.configuration)


def test_a_seed_measured_just_beyond_a_limit_is_taken_to_it(panda, answerer):
    seed = panda.upper + 5e-4
    assert answerer.answer(target_of(panda, panda.rest), Seed(panda.joint_names, seed)).code == ErrorCode.SUCCESS
    outside = answerer.answer(target_of(panda, panda.rest), Seed(panda.joint_names, panda.upper + 5e-3))
    assert outside.code == ErrorCode.INVALID_ROBOT_STATE and "panda_joint1" in outside.message


def test_the_time_of_a_path_is_for_the_whole_of_it(panda, answerer):
    targets = [target_of(panda, panda.rest)] * 400
    path = answerer.answer_path(targets, Seed(), timeout=1e-3)
    assert path.code == ErrorCode.TIMED_OUT and len(path.codes) == 400
    assert path.codes[-1] == ErrorCode.TIMED_OUT and path.solved < 400


def test_statistics_count_and_begin_anew():
    statistics = ServiceStatistics()
    for code in (1, 1, -31, 99999):
        statistics.add(0.002, code, 0.5)
    values = statistics.report(2.0)
    assert values["rate [1/s]"] == "2.0" and values["failures"] == "2" and values["failures NO_IK_SOLUTION"] == "1"
    assert values["latency p50 [ms]"] == "2.000" and values["support min"] == "0.500"
    assert statistics.report(1.0)["rate [1/s]"] == "0.0"
    statistics.clear()
    assert statistics.report(1.0)["requests"] == "0"


def test_statistics_of_a_path_are_those_of_its_poses():
    one, many = ServiceStatistics(), ServiceStatistics()
    codes, supports = np.array([1, -31, 1]), np.array([0.25, 0.0, 0.75])
    many.add_path(0.006, codes, supports)
    for code, support in zip(codes.tolist(), supports.tolist(), strict=True):
        one.add(0.002, code, support)
    values = many.report(1.0)
    assert values == one.report(1.0)
    assert values["support min"] == "0.250" and values["failures"] == "1"


def test_statistics_are_of_the_last_requests_only():
    for lengths in ([WINDOW - 1, 3], [3, WINDOW + 5]):
        statistics = ServiceStatistics()
        for latency, count in zip((1.0, 0.002), lengths, strict=True):
            statistics.add_path(latency * count, np.ones(count, int), np.full(count, latency))
        values = statistics.report(1.0)
        assert values["requests"] == str(sum(lengths)) and values["support min"] == "0.002"
        assert values["latency p99 [ms]"] == ("1000.000" if lengths[1] == 3 else "2.000")


def test_a_continuous_joint_of_a_seed_may_have_turned_more_than_once(endless):
    estimator = ModelBasedIK(endless)
    configuration = 0.5 * endless.rest + 0.3
    turned = configuration + 2.0 * np.pi * endless.continuous
    assert endless.continuous.any()
    np.testing.assert_allclose(check_seed(estimator, Seed((), turned.tolist())), configuration, atol=1e-12)


def test_a_model_that_knows_its_errors_tells_them_and_others_say_nothing(panda, answerer):
    model = LearnedKinematics(panda, kernel="none").fit(measured_poses(true_robot(panda), 60, 0))
    learned = Answerer(model, default_timeout=0.5)
    answer = learned.answer(target_of(model, panda.rest), Seed())
    assert answer.code == ErrorCode.SUCCESS and answer.source == "learned" and answer.support > 0.5
    bound = 1e3 * float(model.predicted_error(answer.configuration))
    assert answer.message == f"within {bound:.2g} mm (95 %) of the target, as far as the model knows"
    assert 0.01 < bound < 5.0
    far = Target((5.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    failed = learned.answer(far, Seed(), timeout=0.02)
    assert failed.code != ErrorCode.SUCCESS and "as far as" not in failed.message
    assert answerer.answer(target_of(panda, panda.rest), Seed()).message == ""


def test_a_learned_kinematics_is_described_with_its_error_and_its_warnings(panda):
    model = LearnedKinematics(panda, kernel="none").fit(measured_poses(true_robot(panda), 12, 0))
    text = describe(model, "mine.npz")
    assert text.startswith("mine.npz: LearnedKinematics, 12 samples, ") and "on held-out samples" in text
    assert warnings_of(model) == model.warnings_ and any("few" in warning for warning in model.warnings_)
    assert warnings_of(ModelBasedIK(panda)) == ()


def broken(answerer, monkeypatch, configuration):
    """Let the estimator call any configuration a success."""
    solve, solve_path = answerer.estimator.solve, answerer.estimator.solve_path

    def path(*arguments):
        result = solve_path(*arguments)
        # Of the second pose; those behind it may come in another go.
        result.configurations[1:2] = configuration
        return result

    monkeypatch.setattr(
        answerer.estimator, "solve", lambda *arguments: solve(*arguments)._replace(configuration=configuration)
    )
    monkeypatch.setattr(answerer.estimator, "solve_path", path)


@pytest.mark.parametrize("fault", ["NaN", "outside"])
def test_nothing_leaves_that_is_not_within_the_limits_whatever_the_estimator_says(panda, answerer, monkeypatch, fault):
    configuration = panda.rest.copy()
    configuration[2] = np.nan if fault == "NaN" else panda.upper[2] + 1e-6
    broken(answerer, monkeypatch, configuration)
    answer = answerer.answer(target_of(panda, panda.rest), Seed())
    assert answer.code == ErrorCode.FAILURE and answer.configuration is None and "not passed on" in answer.message
    path = answerer.answer_path(path_of(panda, 3), Seed(), timeout=60.0)
    assert path.codes.tolist() == [ErrorCode.SUCCESS, ErrorCode.FAILURE, ErrorCode.SUCCESS]
    assert path.solved == 1 and path.message.startswith("poses[1]: the solution found is not within")


def test_a_timeout_is_held_to_the_longest_and_the_time_waited_comes_off_it(panda, monkeypatch):
    answerer = Answerer(ModelBasedIK(panda), default_timeout=0.5, longest_timeout=2.0)
    limits = []
    solve = answerer.estimator.solve
    monkeypatch.setattr(
        answerer.estimator, "solve", lambda pose, seed, limit: limits.append(limit) or solve(pose, seed, limit)
    )
    target = target_of(panda, panda.rest)
    for timeout, waited, at_most in ((0.0, 0.0, np.inf), (1e9, 0.5, np.inf), (1.0, 7.0, np.inf), (1.0, 0.0, 0.01)):
        answerer.answer(target, Seed(), "", timeout, waited=waited, at_most=at_most)
    assert limits == [0.5, 1.5, 0.005, 0.01]


def test_a_search_that_was_cut_short_is_unfinished_and_one_that_is_over_is_not(panda, answerer):
    hard = Target((0.0, 0.0, 0.05), (1.0, 0.0, 0.0, 0.0))
    assert answerer.answer(hard, Seed(), timeout=0.3, at_most=0.01).unfinished
    assert not answerer.answer(hard, Seed(), timeout=0.02).unfinished
    # Out of reach: more time would not help.
    assert not answerer.answer(Target((0.0, 9.0, 0.0), (0.0, 0.0, 0.0, 1.0)), Seed(), at_most=0.01).unfinished


def test_a_path_too_long_is_refused_and_its_answer_is_short(panda):
    answerer = Answerer(ModelBasedIK(panda), 0.5, longest_path=10)
    path = answerer.answer_path(path_of(panda, 11), Seed())
    assert path.code == ErrorCode.FAILURE and "got 11" in path.message and "longest_path" in path.message
    assert len(path.codes) == 0 and answerer.answer_path(path_of(panda, 10), Seed()).fraction == 1.0


def test_a_throttle_lets_one_line_through_and_counts_the_others(monkeypatch):
    from crisp_ik_ros.nodes import statistics

    clock, said = [10.0], []
    monkeypatch.setattr(statistics.time, "monotonic", lambda: clock[0])
    throttle = statistics.Throttle(said.append)
    for step in (0.0, 0.4, 0.4, 0.4):
        clock[0] += step
        throttle("ill")
    assert said == ["ill", "ill (2 more since the last of these)"]


def test_a_worker_takes_jobs_in_turn_refuses_too_many_and_hands_back_what_they_raise():
    import threading

    from crisp_ik_ros.nodes.worker import Worker

    worker, order, results, gate = Worker(most=2), [], [], threading.Event()

    def steps(name, count):
        gate.wait(10.0)
        for _ in range(count):
            order.append(name)
            yield
        return name

    def failing():
        raise ArithmeticError("no")
        yield

    over = threading.Event()
    assert worker.submit(steps("long", 5), lambda result, error: (results.append((result, error)), over.set()))
    assert worker.submit(steps("short", 1), lambda result, error: results.append((result, error)))
    assert not worker.submit(steps("third", 1), print) and len(worker) == 2
    gate.set()
    assert over.wait(10.0) and results == [("short", None), ("long", None)]
    assert order[:3] == ["long", "short", "long"]
    over.clear()
    worker.submit(failing(), lambda result, error: (results.append((result, error)), over.set()))
    assert over.wait(10.0) and isinstance(results[-1][1], ArithmeticError)
    assert worker.stop(10.0) and not worker.submit(failing(), print)


# -- options of a request ----------------------------------------------------------------------------------------------


def test_options_reach_the_search(panda, answerer):
    pose, seed = panda.forward_kinematics(panda.rest), Seed((), panda.rest.tolist())
    turned = pose.copy()
    turned[:3, :3] = turned[:3, :3] @ Rotation.from_rotvec([0.0, 0.0, 1.0]).as_matrix()
    target = Target(turned[:3, 3], quaternion_from_matrix(turned[:3, :3]))
    free = answerer.answer(target, seed, options=Options(task="free_z"))
    wide = answerer.answer(target, seed, options=Options(orientation_tolerances=(0.0, 0.0, 4.0)))
    for answer in (free, wide):
        assert answer.code == ErrorCode.SUCCESS
        # Nothing moves: the tool is there already, but for its rotation.
        np.testing.assert_allclose(answer.configuration, panda.rest, atol=1e-6)
    band = answerer.answer(target, seed, options=Options(orientation_tolerances=(0.0, 0.0, 0.4)))
    reached = panda.forward_kinematics(band.configuration)
    angle = Rotation.from_matrix(turned[:3, :3].T @ reached[:3, :3]).magnitude()
    assert band.code == ErrorCode.SUCCESS and 0.3 < angle <= 0.4 + 1e-5


def test_the_default_task_is_of_requests_that_name_none(panda):
    pose = panda.forward_kinematics(panda.rest)
    target = Target(pose[:3, 3], (1.0, 0.0, 0.0, 0.0))
    positioned = Answerer(ModelBasedIK(panda), 0.5, task="position").answer(target, Seed((), panda.rest.tolist()))
    np.testing.assert_allclose(positioned.configuration, panda.rest, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (Options(max_joint_step=-1.0), ErrorCode.FAILURE, "max_joint_step"),
        (Options(max_joint_step=np.nan), ErrorCode.FAILURE, "max_joint_step"),
        (Options(max_joint_step=0.1), ErrorCode.INVALID_ROBOT_STATE, "seed"),
        (Options(task="upside_down"), ErrorCode.FAILURE, "free_z"),
        (Options(position_tolerances=(0.0, -1.0, 0.0)), ErrorCode.FAILURE, "position_tolerances"),
        (Options(orientation_tolerances=(np.nan, 0.0, 0.0)), ErrorCode.FAILURE, "orientation_tolerances"),
    ],
)
def test_options_that_cannot_be_used_are_refused(panda, options, code, words):
    answerer = Answerer(ModelBasedIK(panda), default_timeout=0.5)
    target = target_of(panda, panda.rest)
    for answer in (
        answerer.answer(target, Seed(), options=options),
        answerer.answer_path([target] * 3, Seed(), options=options),
    ):
        assert answer.code == code and words in answer.message


def test_an_approximate_answer_is_apart_from_a_solution(panda, answerer):
    far = Target((0.0, 2.0, 0.5), target_of(panda, panda.rest).quaternion)
    plain = answerer.answer(far, Seed(), timeout=0.05)
    assert plain.code == ErrorCode.NO_IK_SOLUTION and plain.nearest is None
    answer = answerer.answer(far, Seed(), timeout=0.05, options=Options(approximate=True, task="position"))
    assert answer.code == ErrorCode.NO_IK_SOLUTION and answer.configuration is None
    assert panda.within_limits(answer.nearest)
    reached = panda.forward_kinematics(answer.nearest)[:3, 3]
    assert np.linalg.norm(reached - far.position) == pytest.approx(answer.position_error, abs=1e-6)
    # Nearer than half the reach nothing may be left: the arm is stretched out towards the target.
    assert answer.position_error < np.linalg.norm(np.subtract(far.position, panda.anchor)) - 0.5 * panda.reach
    path = answerer.answer_path([far] * 3, Seed(), timeout=0.2, options=Options(approximate=True, task="position"))
    assert path.approximate and path.solved == 0 and np.isfinite(path.configurations).all()


def test_a_path_never_jumps_where_its_parts_meet_and_says_why_it_ends():
    robot = RobotModel.from_urdf(LIMITED)
    # The last joint meets its limit in pose 20; 60 poses behind it only the other elbow reaches.
    last = np.concatenate([np.linspace(-0.5, -0.7, 20), np.linspace(-0.71, -1.3, 60)])
    path = np.column_stack([np.zeros(80), np.full(80, 1.2), last])
    answerer = Answerer(ModelBasedIK(robot), default_timeout=0.05)
    answer = answerer.answer_path([target_of(robot, q) for q in path], Seed((), path[0].tolist()))
    assert answer.solved == 20 and answer.code == ErrorCode.CONTINUATION_LOST
    assert "another branch" in answer.message and "max_joint_step" in answer.message
    assert set(answer.codes[20:].tolist()) == {int(ErrorCode.CONTINUATION_LOST)}
    anywhere = answerer.answer(target_of(robot, path[-1]), Seed((), path[19].tolist()), options=Options(np.inf))
    assert anywhere.code == ErrorCode.SUCCESS


def test_what_an_arm_cannot_avoid_is_said():
    robot = RobotModel.from_urdf(LIMITED)
    pose = robot.forward_kinematics([0.1, 0.5, 0.5])
    target = Target(pose[:3, 3] + [0.0, 0.0, 1e-3], quaternion_from_matrix(pose[:3, :3]))
    answer = Answerer(ModelBasedIK(robot), default_timeout=0.05).answer(target, Seed())
    assert answer.code == ErrorCode.SUCCESS and "1 mm and 0 mrad off" in answer.message
    full = Answerer(ModelBasedIK(robot), default_timeout=0.05).answer(target, Seed(), options=Options(task="full"))
    assert full.code != ErrorCode.SUCCESS


def test_a_path_stays_on_its_branch_where_a_part_of_it_ends(two_link):
    # There and back beyond the limits of the elbow's branch, for long enough to have many parts' ends in between.
    elbow = np.concatenate([np.linspace(0.5, -0.6, 80), np.linspace(-0.6, 0.5, 80)])
    first = np.concatenate([np.linspace(0.0, 1.2, 80), np.linspace(1.2, 0.0, 80)])
    path = np.column_stack([first, elbow])
    answerer = Answerer(ModelBasedIK(two_link), default_timeout=0.05)
    targets = [target_of(two_link, q) for q in path]
    answer = answerer.answer_path(targets, Seed((), path[0].tolist()), options=Options(task="position"))
    solved = answer.configurations[answer.codes == ErrorCode.SUCCESS]
    assert len(solved) >= 40 and np.abs(np.diff(solved, axis=0)).max() < 0.5


def test_a_task_in_the_axes_of_another_link_is_refused(panda, answerer):
    target = target_of(panda, panda.rest)
    for options in (Options(task="free_x"), Options(position_tolerances=(0.0, 0.0, 0.1))):
        answer = answerer.answer(target, Seed(), "panda_link8", options=options)
        assert answer.code == ErrorCode.INVALID_LINK_NAME and "panda_link8" in answer.message
    assert answerer.answer(target, Seed(), "panda_link8").code != ErrorCode.INVALID_LINK_NAME
