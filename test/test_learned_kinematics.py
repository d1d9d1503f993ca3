"""LearnedKinematics: what every estimator promises, what it recovers of known errors, and what it says of bad data."""

import copy
import inspect
import io
import json
import pickle
import re
import zipfile

import numpy as np
import pytest
from oracles import homogeneous, numeric_jacobian, random_arm, rodrigues

from crisp_ik_ros import CRiSP, Dataset, ModelBasedIK, RobotModel, load_model
from crisp_ik_ros.datasets.dataset import Distance
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError, ModelFileError, NotFittedError
from crisp_ik_ros.estimators.identification.parameters import Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.regression.kernels import GaussianKernel

FRAME = homogeneous(rodrigues([0.3, -0.8, 1.9]), [2.0, -1.0, 0.7])
TOOL = homogeneous(rodrigues([-0.5, 0.2, 0.4]), [0.03, -0.05, 0.12])
NOISE = (1e-4, 5e-4)


def plain(robot, **options):
    """Without a kernel term, and with two harmonics: fast."""
    return LearnedKinematics(robot, **{"kernel": "none", "harmonics": 2, **options})


def known_errors(robot, rng, size=1.0, **fixed):
    """The robot with random errors of the size that the priors expect; some by name at a value instead."""
    layout = Layout(robot, 2, robot.bodies())
    values = size * layout.prior_scales(Priors()) * rng.normal(size=layout.size)
    names = [name for name, _ in layout.names()]
    for name, value in fixed.items():
        values[names.index(name)] = value
    return layout.robot_with(values), dict(zip(names, values, strict=True))


def shown(real, q, rng, frame=None, tool=None, noise=NOISE):
    """What a device shows of the tool at configurations: (n, 4, 4)."""
    poses = (np.eye(4) if frame is None else frame) @ real.forward_kinematics(q) @ (np.eye(4) if tool is None else tool)
    poses[:, :3, 3] += noise[0] * rng.normal(size=(len(q), 3))
    poses[:, :3, :3] = [rodrigues(noise[1] * rng.normal(size=3)) @ pose[:3, :3] for pose in poses]
    return poses


def measured(real, count, seed=0, frame=None, tool=None, noise=NOISE):
    rng = np.random.default_rng(seed)
    q = real.random_configurations(count, rng)
    return Dataset(q, shown(real, q, rng, frame, tool, noise), real.joint_names, noise=noise)


def off(model, real, count=200, seed=99):
    """Distances (n,) [m] between the tool of a model and the real one."""
    q = real.random_configurations(count, np.random.default_rng(seed))
    return np.linalg.norm(model.forward_kinematics(q)[:, :3, 3] - real.forward_kinematics(q)[:, :3, 3], axis=1)


def touching(real, point, count, rng, tool=None, start=None):
    """Configurations (count, J) of the real robot whose marker is at one point."""
    tool = np.eye(4) if tool is None else tool
    ik = ModelBasedIK(real, position_tolerance=1e-9, timeout=0.2)
    found = []
    while len(found) < count:
        pose = homogeneous(rodrigues(rng.uniform(-0.6, 0.6, 3)) @ start[:3, :3], point)
        result = ik.solve(pose @ np.linalg.inv(tool), seed=real.random_configurations(1, rng)[0])
        if result.success:
            found.append(result.configuration)
    return np.array(found)


@pytest.fixture(scope="module")
def arm():
    return random_arm(np.random.default_rng(7), 5, prismatic=0.0)


@pytest.fixture(scope="module")
def real(arm):
    return known_errors(arm, np.random.default_rng(1))[0]


@pytest.fixture(scope="module")
def data(real):
    return measured(real, 80)


@pytest.fixture(scope="module")
def model(arm, data):
    return plain(arm).fit(data)


@pytest.fixture(scope="module")
def kernel_model(arm):
    """With a kernel term, as the data asks for it."""
    layout = Layout(arm, 2, arm.bodies())
    truth = layout.robot_with(np.zeros(layout.size))
    corrections = truth.chain.corrections
    rng = np.random.default_rng(3)
    angles = arm.random_configurations(30, rng)
    bumpy = corrections._replace(
        centers=np.ascontiguousarray(np.hstack([np.cos(angles), np.sin(angles)]).T / 1.5),
        weights=0.01 * rng.normal(size=(arm.dof, 30)),
        length_scale=1.5,
    )
    real = arm.corrected(arm.joints, bumpy)
    found = LearnedKinematics(arm, harmonics=1, centers=60, length_scales=(1.5,)).fit(measured(real, 150))
    return found, real


# ---- the contract of estimators ------------------------------------------------------------------------------------


def test_constructor_stores_what_it_is_given(arm):
    values = {
        "robot": arm, "frame": "unknown", "tool": "unknown", "priors": Priors(scale=1e-3), "harmonics": 3,
        "kernel": "none", "length_scales": [1.0], "centers": 7, "gravity": [0.0, 0.0, -1.0], "largest": 99,
        "position_noise": 1e-5, "orientation_noise": 1e-4, "payload_center": [0.0, 0.0, 0.1],
        "null_space_weight": 0.1,
        "position_tolerance": 1e-4, "orientation_tolerance": 1e-3, "timeout": 0.2, "random_state": 3,
    }  # fmt: skip
    assert set(values) == set(inspect.signature(LearnedKinematics).parameters)
    found = LearnedKinematics(**values)
    for name, value in values.items():
        assert getattr(found, name) is value or getattr(found, name) == value, name
    # Nor does it look at them: that is for fit.
    LearnedKinematics(arm, frame="nowhere", harmonics=-3, gravity="down")


def test_fit_returns_itself_and_leaves_its_parameters(arm, data):
    priors, scales = Priors(), (1.0, 2.0)
    found = plain(arm, priors=priors, length_scales=scales)
    given = {name: getattr(found, name) for name in inspect.signature(LearnedKinematics).parameters}
    before = set(vars(found))
    fingerprint, joints = arm.fingerprint, arm.joints
    assert found.fit(data) is found
    for name, value in given.items():
        assert getattr(found, name) is value, name
    assert arm.fingerprint == fingerprint and arm.joints is joints
    for name in set(vars(found)) - before:
        assert name.endswith("_") or name.startswith("_") or name == "training_summary", name
    for name in ("robot_", "geometric_robot_", "frame_", "tool_", "identified_", "noise_", "outliers_", "evidence_",
                 "validation_", "warnings_"):  # fmt: skip
        assert hasattr(found, name), name


def test_before_fit_it_is_the_nominal_robot_and_says_so(arm, tmp_path):
    blank = plain(arm)
    q = arm.random_configurations(5, np.random.default_rng(0))
    np.testing.assert_array_equal(blank.forward_kinematics(q), arm.forward_kinematics(q))
    assert blank.fingerprint == arm.fingerprint
    for call in (blank.predicted_error, blank.support, blank.measured_poses):
        with pytest.raises(NotFittedError):
            call(q)
    with pytest.raises(NotFittedError):
        blank.tip_poses(np.eye(4))
    with pytest.raises(NotFittedError):
        blank.save(tmp_path / "model.npz")
    assert not (tmp_path / "model.npz").exists()


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"frame": "here"}, "frame"), ({"tool": "mine"}, "tool"), ({"kernel": "yes"}, "kernel"),
        ({"harmonics": -1}, "harmonics"), ({"harmonics": 1.5}, "harmonics"), ({"centers": 0}, "centers"),
        ({"largest": 3}, "largest"), ({"timeout": 0.0}, "timeout"),
        ({"position_tolerance": -1.0}, "position_tolerance"),
        ({"null_space_weight": -0.1}, "null_space_weight"), ({"length_scales": ()}, "length_scales"),
        ({"length_scales": (1.0, -1.0)}, "length_scales"), ({"gravity": (0.0, np.nan, 0.0)}, "gravity"),
        ({"gravity": (0.0, -9.8)}, "gravity"), ({"priors": Priors(scale=0.0)}, "scale"),
        ({"random_state": -1}, "random_state"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_hyperparameters_are_named(arm, data, values, name):
    with pytest.raises(InvalidInputError, match=name):
        plain(arm, **values).fit(data)


def test_equal_fits_are_equal_to_the_bit(arm, data, model):
    again = plain(arm).fit(data)
    q = arm.random_configurations(20, np.random.default_rng(0))
    for _ in range(2):
        np.testing.assert_array_equal(again.forward_kinematics(q), model.forward_kinematics(q))
        np.testing.assert_array_equal(again.predicted_error(q), model.predicted_error(q))
        assert again.identified_ == model.identified_
        assert again.fingerprint == model.fingerprint
        assert again.validation_ == model.validation_
        # And one that has learned something else before.
        again.fit(measured(arm, 40, seed=8)).fit(data)


def test_a_fit_that_fails_leaves_the_model_as_it_was(arm, data):
    found = plain(arm).fit(data)
    before = found.fingerprint
    with pytest.raises(DatasetError):
        found.fit(data.subset(np.arange(5)))
    assert found.fingerprint == before
    assert found.samples_ == len(data)


def test_progress_is_told(arm, data):
    told = []
    plain(arm).fit(data, progress=lambda done, total: told.append((done, total)))
    assert told and all(0 <= done <= total for done, total in told)
    assert [done / total for done, total in told] == sorted(done / total for done, total in told)


def test_copies_and_pickles_answer_alike(arm, model):
    q = arm.random_configurations(5, np.random.default_rng(0))
    model.solve(arm.forward_kinematics(arm.rest), seed=arm.rest)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.forward_kinematics(q), model.forward_kinematics(q))
        np.testing.assert_array_equal(other.predicted_error(q), model.predicted_error(q))


# ---- files ---------------------------------------------------------------------------------------------------------


def answers_of(model, q):
    results = [model.solve(pose, seed=model.robot.rest, timeout=1e-9) for pose in model.robot.forward_kinematics(q)]
    return np.array([[*r.configuration, r.position_error, r.orientation_error, r.support] for r in results])


@pytest.mark.parametrize("which", ["model", "kernel_model"])
def test_loaded_model_is_the_model(request, arm, tmp_path, which):
    model = request.getfixturevalue(which)
    model = model[0] if which == "kernel_model" else model
    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz", arm)
    assert isinstance(loaded, LearnedKinematics)
    q = arm.random_configurations(10, np.random.default_rng(0))
    for name in ("forward_kinematics", "jacobian", "predicted_error", "support", "measured_poses"):
        np.testing.assert_array_equal(getattr(loaded, name)(q), getattr(model, name)(q), err_msg=name)
    np.testing.assert_array_equal(answers_of(loaded, q[:4]), answers_of(model, q[:4]))
    assert loaded.fingerprint == model.fingerprint
    assert loaded.geometric_robot_.fingerprint == model.geometric_robot_.fingerprint
    assert loaded.identified_ == model.identified_
    for name in ("noise_", "evidence_", "validation_", "warnings_", "samples_"):
        assert getattr(loaded, name) == getattr(model, name), name
    np.testing.assert_array_equal(loaded.outliers_, model.outliers_)
    loaded.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "model.npz").read_bytes()
    with pytest.raises(ModelFileError, match="trained for"):
        load_model(tmp_path / "model.npz", random_arm(np.random.default_rng(8), 5))


def rewrite(path, alter=None, **arrays):
    with np.load(path, allow_pickle=False) as archive:
        contents = {name: archive[name] for name in archive.files}
    header = json.loads(bytes(contents["header"]))
    if alter is not None:
        alter(header)
    contents["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    for name, change in arrays.items():
        contents[name] = change(contents[name])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, content)
                archive.writestr(f"{name}.npy", buffer.getvalue())


def spoiled(array):
    array = array.copy()
    array.flat[0] = np.nan
    return array


@pytest.mark.parametrize("name", ["parameters", "samples", "kernel_features", "kernel_basis"])
@pytest.mark.parametrize("change", [spoiled, lambda a: a[:, :-1], lambda a: a.astype(np.float32), lambda a: None],
                         ids=["not a number", "shape", "type", "missing"])  # fmt: skip
def test_files_with_wrong_arrays_are_refused(kernel_model, tmp_path, name, change):
    path = tmp_path / "model.npz"
    kernel_model[0].save(path)
    rewrite(path, **{name: change})
    with pytest.raises(ModelFileError, match=name):
        load_model(path)


@pytest.mark.parametrize("field", [
    "masses", "mass_centers", "gravity", "gravity_acts_on", "priors", "length_scales", "hyperparameters",
    "kernel_centers", "length_scale", "frame", "tool", "noise", "evidence", "error_factor", "misfit", "outliers",
    "training",
    "validation", "robot",
])  # fmt: skip
@pytest.mark.parametrize("value", ["missing", "text"])
def test_files_with_wrong_headers_are_refused(kernel_model, tmp_path, field, value):
    path = tmp_path / "model.npz"
    kernel_model[0].save(path)

    def alter(header):
        if value == "missing":
            del header[field]
        else:
            header[field] = "nonsense"

    rewrite(path, alter)
    with pytest.raises(ModelFileError):
        load_model(path)


@pytest.mark.parametrize(("field", "value"), [
    ("error_factor", -1.0), ("error_factor", float("nan")), ("misfit", -1.0), ("kernel_centers", -1),
    ("kernel_centers", 10**9), ("length_scale", 0.0), ("length_scale", float("nan")), ("gravity", [0.0, 0.0]),
    ("frame", np.zeros((4, 4)).tolist()), ("noise", [float("nan"), 1.0]),
])  # fmt: skip
def test_files_with_impossible_values_are_refused(kernel_model, tmp_path, field, value):
    path = tmp_path / "model.npz"
    kernel_model[0].save(path)
    rewrite(path, lambda header: header.update({field: value}))
    with pytest.raises(ModelFileError):
        load_model(path)


def test_truncated_files_are_refused(model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    whole = path.read_bytes()
    for part in (0.0, 0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(ModelFileError):
            load_model(path)


# ---- a robot model -------------------------------------------------------------------------------------------------


def test_it_is_a_robot_model(arm, real, model):
    assert isinstance(model, RobotModel)
    q = arm.random_configurations(6, np.random.default_rng(0))
    np.testing.assert_array_equal(model.forward_kinematics(q), model.robot_.forward_kinematics(q))
    for row in q:
        np.testing.assert_allclose(model.jacobian(row), numeric_jacobian(model, row), atol=1e-7)
    assert model.joint_names == arm.joint_names and model.dof == 5
    assert model.fingerprint == model.robot_.fingerprint != arm.fingerprint
    np.testing.assert_array_equal(model.upper, arm.upper)
    assert model.predicted_error(q).shape == (6,) and model.predicted_error(q[0]).shape == ()
    assert model.support(q.reshape(2, 3, 5)).shape == (2, 3)
    # The frames alone: most of the error, and nothing that a URDF cannot say.
    assert not model.geometric_robot_.chain.corrections.active
    assert np.median(off(model.geometric_robot_, real)) < 0.3 * np.median(off(arm, real))


def test_estimators_take_it(arm, real, model):
    rng = np.random.default_rng(4)
    q = np.clip(arm.rest + rng.uniform(-0.3, 0.3, (60, 5)), arm.lower, arm.upper)
    targets = model.forward_kinematics(q[:10])
    ik = ModelBasedIK(model)
    own = [model.solve(pose, seed=arm.rest, timeout=1.0) for pose in targets]
    for pose, result in zip(targets, own, strict=True):
        other = ik.solve(pose, seed=arm.rest, timeout=1.0)
        assert result.success and other.success
        np.testing.assert_allclose(other.configuration, result.configuration, atol=1e-12)
        np.testing.assert_allclose(model.forward_kinematics(result.configuration), pose, atol=2e-5)
        assert result.source in ("learned", "corrected", "blended")
        assert result.support == pytest.approx(float(model.support(result.configuration)))
    path = model.solve_path(targets, seed=arm.rest, timeout=1.0)
    many = model.solve_many(targets, arm.rest, timeout=1.0, threads=1)
    assert path.success.all() and many.success.all()
    np.testing.assert_array_equal(many.configurations, [r.configuration for r in own])
    # CRiSP learns what is left.
    samples = Dataset(q, real.forward_kinematics(q), arm.joint_names)
    top = CRiSP(model, kernel=GaussianKernel(0.3, 1.0), penalty=1e-6).fit(samples)
    assert top.solve(samples.poses[0], seed=q[0], timeout=1.0).success


def test_changed_copies_keep_what_was_learned(arm, model):
    q = 0.4 * arm.random_configurations(5, np.random.default_rng(0))
    moved = model.with_base(FRAME)
    np.testing.assert_allclose(moved.forward_kinematics(q), FRAME @ model.forward_kinematics(q), atol=1e-12)
    narrow = model.with_limits(0.5 * arm.lower, 0.5 * arm.upper)
    np.testing.assert_array_equal(narrow.forward_kinematics(q), model.forward_kinematics(q))
    assert type(narrow) is RobotModel


def test_answers_are_of_the_real_robot(panda):
    real, _ = known_errors(panda, np.random.default_rng(1))
    model = plain(panda).fit(measured(real, 80))
    q = 0.8 * panda.random_configurations(30, np.random.default_rng(5)) + 0.2 * panda.rest
    targets = real.forward_kinematics(q)
    errors = {}
    for name, solver in (("learned", model), ("nominal", ModelBasedIK(panda))):
        found = solver.solve_many(targets, q, timeout=1.0, threads=1)
        assert found.fraction > 0.9
        reached = real.forward_kinematics(found.configurations[found.success])[:, :3, 3]
        errors[name] = np.median(np.linalg.norm(reached - targets[found.success][:, :3, 3], axis=1))
    assert errors["learned"] < 0.05 * errors["nominal"]


def test_frames_and_tools_can_be_undone(arm, real):
    found = plain(arm, frame="unknown", tool="unknown").fit(measured(real, 80, frame=FRAME, tool=TOOL))
    q = arm.random_configurations(6, np.random.default_rng(0))
    np.testing.assert_allclose(found.tip_poses(found.measured_poses(q)), found.forward_kinematics(q), atol=1e-12)
    expected = FRAME @ real.forward_kinematics(q) @ TOOL
    assert np.abs(found.measured_poses(q)[:, :3, 3] - expected[:, :3, 3]).max() < 1.5e-3


# ---- known errors --------------------------------------------------------------------------------------------------


def test_known_errors_of_a_panda_are_found(panda):
    rng = np.random.default_rng(11)
    fixed = {
        "panda_joint2: frame rotation z": np.deg2rad(1.0), "panda_joint4: scale": 1e-3,
        "panda_joint4: compliance": 2e-4, "panda_joint3: sine of 2 a turn": np.deg2rad(0.1),
    }  # fmt: skip
    real, truth = known_errors(panda, rng, 0.0, **fixed)
    found = plain(panda).fit(measured(real, 200, seed=1))
    by_name = {item.name: item for item in found.identified_}
    assert set(by_name) == set(truth)
    for name in fixed:
        item = by_name[name]
        assert abs(item.value - truth[name]) < 3.0 * item.deviation, name
        if "frame" not in name:
            # A turn of one frame and the frames beside it are nearly the same; a gear's error is nothing else.
            assert abs(item.value) > 3.0 * item.deviation, name
            assert item.told > 0.5
    far = [abs(by_name[name].value - truth[name]) / by_name[name].deviation for name in truth]
    assert np.mean(np.array(far) < 3.0) > 0.98
    assert np.median(off(found, real)) < 2e-4
    np.testing.assert_allclose(found.noise_, NOISE, rtol=0.25)
    assert found.validation_["position_median"] < 0.1 * found.validation_["nominal_position_median"]
    assert not found.warnings_


def test_what_cannot_be_told_is_reported(panda):
    real, _ = known_errors(panda, np.random.default_rng(0))
    found = plain(panda).fit(measured(real, 60))
    items = {item.name: item for item in found.identified_}
    # Gravity has no moment about the vertical first axis.
    assert items["panda_joint1: compliance"].undetermined
    assert abs(items["panda_joint1: compliance"].value) < items["panda_joint1: compliance"].prior
    assert not items["panda_joint4: frame rotation z"].undetermined
    for item in found.identified_:
        assert item.deviation <= item.prior * (1.0 + 1e-9)
        assert 0.0 <= item.told <= 1.0


@pytest.mark.parametrize("joints", [4, 5, 6, 7, 8, 9, 10])
def test_arms_of_4_to_10_joints(joints):
    rng = np.random.default_rng(joints)
    arm = random_arm(rng, joints, end=bool(joints % 2))
    real, _ = known_errors(arm, rng)
    found = plain(arm, harmonics=1).fit(measured(real, 100))
    assert np.median(off(found, real)) < 0.1 * np.median(off(arm, real))
    assert found.validation_["position_median"] < 0.2 * found.validation_["nominal_position_median"]
    q = arm.random_configurations(3, rng)
    for row in q:
        np.testing.assert_allclose(found.jacobian(row), numeric_jacobian(found, row), atol=1e-6)


def test_joint_order_of_the_data_does_not_matter(arm, data, model):
    order = [3, 0, 4, 1, 2]
    turned = Dataset(data.configurations[:, order], data.poses, [data.joint_names[i] for i in order], noise=data.noise)
    found = plain(arm).fit(turned)
    assert found.identified_ == model.identified_


def test_a_kernel_term_learns_what_has_no_name(kernel_model, arm):
    model, real = kernel_model
    assert model._uncertainty.layout.centers > 0
    assert set(model.evidence_) == {"none", "1.5", "backlash"}
    without = plain(arm, harmonics=1).fit(measured(real, 150))
    assert np.median(off(model, real)) < 0.7 * np.median(off(without, real))


# ---- kinds of data -------------------------------------------------------------------------------------------------


def of_kind(real, kind, count=160, frame=None, tool=None, seed=0):
    rng = np.random.default_rng(seed)
    q = real.random_configurations(count, rng)
    poses, names = shown(real, q, rng, frame, tool), real.joint_names
    half = {"poses": count, "positions": 0, "both": count // 2}[kind]
    parts = [Dataset(q[:half], poses[:half], names, noise=NOISE)] if half else []
    if half < count:
        parts.append(Dataset.from_positions(q[half:], poses[half:, :3, 3], names, noise=NOISE[0]))
    return Dataset.concatenate(parts)


@pytest.mark.parametrize("kind", ["poses", "positions", "both"])
@pytest.mark.parametrize("unknown", [(), ("frame",), ("tool",), ("frame", "tool")], ids="+".join)
def test_kinds_of_measurements(arm, real, kind, unknown):
    frame, tool = FRAME if "frame" in unknown else None, TOOL if "tool" in unknown else None
    found = plain(arm, **{name: "unknown" for name in unknown}).fit(of_kind(real, kind, frame=frame, tool=tool))
    q = arm.random_configurations(200, np.random.default_rng(99))
    shown_there = (
        (np.eye(4) if frame is None else frame) @ real.forward_kinematics(q) @ (np.eye(4) if tool is None else tool)
    )
    errors = np.linalg.norm(found.measured_poses(q)[:, :3, 3] - shown_there[:, :3, 3], axis=1)
    assert np.median(errors) < 2.5e-4
    if not unknown:
        np.testing.assert_allclose(found.frame_, np.eye(4), atol=1e-9)
        np.testing.assert_allclose(found.tool_, np.eye(4), atol=1e-9)
    if "frame" in unknown:
        np.testing.assert_allclose(found.frame_[:3, :3], FRAME[:3, :3], atol=0.05)
        np.testing.assert_allclose(found.frame_[:3, 3], FRAME[:3, 3], atol=0.02)
    if "tool" in unknown:
        np.testing.assert_allclose(found.tool_[:3, 3], TOOL[:3, 3], atol=0.02)


@pytest.mark.parametrize("unknown", [(), ("frame",), ("tool",), ("frame", "tool")], ids="+".join)
def test_bounds_are_of_what_is_measured(arm, real, unknown):
    frame, tool = FRAME if "frame" in unknown else None, TOOL if "tool" in unknown else None
    data = measured(real, 150, seed=3, frame=frame, tool=tool)
    found = plain(arm, **{name: "unknown" for name in unknown}).fit(data)
    q = arm.random_configurations(300, np.random.default_rng(5))
    shows = real.forward_kinematics(q)
    shows = (np.eye(4) if frame is None else frame) @ shows @ (np.eye(4) if tool is None else tool)
    errors = np.linalg.norm(found.measured_poses(q)[:, :3, 3] - shows[:, :3, 3], axis=1)
    bounds = found.predicted_error(q)
    # Where the base is in an unknown frame nobody can tell to a millimetre; what the device shows, to a tenth of one.
    assert np.median(bounds) < 5e-4
    assert np.mean(errors <= bounds) > 0.85
    assert np.median(found.support(q)) > 0.9


@pytest.fixture(scope="module")
def points():
    """A Panda with errors, and configurations in which its tool touches four points, 50 mm apart two by two."""
    panda = RobotModel.panda()
    real, _ = known_errors(panda, np.random.default_rng(2), 0.5)
    rng = np.random.default_rng(3)
    start = real.forward_kinematics(real.rest)
    places = np.array([[0.4, 0.2, 0.3], [0.4, 0.25, 0.3], [0.5, -0.3, 0.4], [0.5, -0.3, 0.45]])
    down = homogeneous(np.diag([1.0, -1.0, -1.0]), start[:3, 3])
    groups = {
        f"place_{k // 2}/hole_{k % 2}": touching(real, place, 15, rng, start=down) for k, place in enumerate(places)
    }
    return panda, real, groups


def test_same_points(points):
    panda, real, groups = points
    known = [Distance(f"place_{k}/hole_0", f"place_{k}/hole_1", 0.05, 1e-5) for k in range(2)]
    data = Dataset.from_same_points(groups, panda.joint_names, distances=known, noise=5e-5)
    found = plain(panda, harmonics=1).fit(data)

    def scatter(robot):
        tips = [robot.forward_kinematics(q)[:, :3, 3] for q in groups.values()]
        return np.mean([np.linalg.norm(t - t.mean(axis=0), axis=1).mean() for t in tips])

    assert scatter(real) < 1e-6
    assert scatter(found) < 0.1 * scatter(panda)
    assert found.validation_["position_median"] < 0.5 * found.validation_["nominal_position_median"]
    assert found.validation_["method"] == "2 folds by location"
    assert not any("size of the arm" in text for text in found.warnings_)
    # Without a distance, nothing tells the size, and that is said.
    silent = plain(panda, harmonics=1).fit(Dataset.from_same_points(groups, panda.joint_names, noise=5e-5))
    assert any("size of the arm" in text for text in silent.warnings_)


def test_a_known_distance_fixes_the_size(points):
    panda, _, groups = points
    size = {}
    # 0.5196 m is true. Told that it is one percent more, the arm gets larger.
    for length in (0.5196, 0.5248):
        known = [Distance("place_0/hole_0", "place_1/hole_0", length, 1e-6)]
        data = Dataset.from_same_points(groups, panda.joint_names, distances=known, noise=5e-5)
        found = plain(panda, harmonics=1).fit(data)
        tips = [found.forward_kinematics(groups[name])[:, :3, 3].mean(axis=0) for name in known[0][:2]]
        size[length] = np.linalg.norm(tips[0] - tips[1])
        assert size[length] == pytest.approx(length, abs=2e-4)
    assert size[0.5248] - size[0.5196] == pytest.approx(0.0052, rel=0.1)


def test_points_beside_measurements_in_an_unknown_frame(points):
    panda, real, groups = points
    few = of_kind(real, "positions", 30, frame=FRAME)
    data = Dataset.concatenate([few, Dataset.from_same_points(groups, panda.joint_names, noise=5e-5)])
    both = plain(panda, frame="unknown", harmonics=1).fit(data)
    alone = plain(panda, frame="unknown", harmonics=1).fit(few)
    errors = []
    for found in (both, alone):
        tips = [found.forward_kinematics(q)[:, :3, 3] for q in groups.values()]
        errors.append(np.mean([np.linalg.norm(t - t.mean(axis=0), axis=1).mean() for t in tips]))
    assert errors[0] < 0.3 * errors[1]
    np.testing.assert_allclose(both.frame_[:3, :3], FRAME[:3, :3], atol=0.05)


# ---- bad data ------------------------------------------------------------------------------------------------------


def test_gross_errors_are_named_and_do_no_harm(arm, real):
    clean = measured(real, 150)
    rng = np.random.default_rng(6)
    bad = np.sort(rng.choice(150, 15, replace=False))
    poses = clean.poses.copy()
    poses[bad, :3, 3] += rng.choice([-1.0, 1.0], (15, 3)) * rng.uniform(0.02, 0.3, (15, 3))
    found = plain(arm).fit(Dataset(clean.configurations, poses, clean.joint_names, noise=NOISE))
    np.testing.assert_array_equal(found.outliers_, bad)
    [warning] = [text for text in found.warnings_ if "fit nothing else" in text]
    assert "15 of 150" in warning and f"row {bad[0]}." in warning
    assert np.median(off(found, real)) < 1.5 * np.median(off(plain(arm).fit(clean), real))
    assert not len(plain(arm).fit(clean).outliers_)


def test_rows_that_are_not_numbers_are_named(data):
    poses = data.poses.copy()
    poses[17, 0, 3] = np.nan
    with pytest.raises(DatasetError, match="17"):
        Dataset(data.configurations, poses, data.joint_names)


def test_degrees_are_refused(panda):
    data = measured(panda, 40)
    with pytest.raises(DatasetError, match=r"row \d+.*radians"):
        plain(panda).fit(Dataset(np.rad2deg(data.configurations), data.poses, data.joint_names))


def test_too_few_samples_are_refused_or_named(arm, data):
    with pytest.raises(DatasetError, match="got 7 samples, expected at least 8"):
        plain(arm).fit(data.subset(np.arange(7)))
    found = plain(arm).fit(data.subset(np.arange(9)))
    assert any("9 samples are few" in text for text in found.warnings_)
    assert any("held out" in text for text in found.warnings_)
    assert found.validation_["method"].startswith("none")


def test_other_joints_are_refused(arm, data):
    with pytest.raises(DatasetError, match="joint_x"):
        plain(arm).fit(Dataset(data.configurations, data.poses, ["joint_x", *data.joint_names[1:]]))


def test_repeated_rows_are_named_and_do_no_harm(arm, real, data, model):
    twice = data.subset(np.r_[np.arange(80), np.arange(40), np.arange(40)])
    found = plain(arm).fit(twice)
    assert any("80 of 160 samples repeat a configuration" in text for text in found.warnings_)
    assert np.median(off(found, real)) < 2.0 * np.median(off(model, real))


@pytest.mark.parametrize("wrong", ["swapped joints", "another arm", "poses of other rows", "inches"])
def test_data_of_another_arm_is_named(panda, wrong):
    # Nothing of this can be told from a robot that is right; what comes of it must not be trusted silently.
    data = measured(panda, 80)
    q, poses = data.configurations.copy(), data.poses.copy()
    if wrong == "swapped joints":
        q[:, [0, 2]] = q[:, [2, 0]]
    elif wrong == "another arm":
        other = random_arm(np.random.default_rng(5), 7, prismatic=0.0, continuous=0.0)
        poses = other.forward_kinematics(np.clip(q, other.lower, other.upper))
    elif wrong == "inches":
        poses[:, :3, 3] *= 39.37
    else:
        poses = np.roll(poses, 1, axis=0)
    try:
        found = plain(panda).fit(Dataset(q, poses, data.joint_names, noise=NOISE))
    except CrispIKError:
        return
    assert any("another arm" in text or "worse than the nominal" in text for text in found.warnings_), found.warnings_


def test_orientations_of_another_tool_are_named(arm, real):
    data = measured(real, 60)
    turned = data.poses @ homogeneous(np.diag([1.0, -1.0, -1.0]), np.zeros(3))
    found = plain(arm).fit(Dataset(data.configurations, turned, arm.joint_names, noise=NOISE))
    # Found as a tip that is turned by half a turn, or not found: either is said.
    [warning] = [text for text in found.warnings_ if "orientations are still off" in text or "tip: frame" in text]
    assert re.search(r"by 1[78]\d degrees.*tool is unknown|tip: frame rotation x -?3\.1\d rad", warning)
    told = plain(arm, tool="unknown").fit(Dataset(data.configurations, turned, arm.joint_names, noise=NOISE))
    assert not any("orientations" in text for text in told.warnings_)
    assert not any("orientations" in text for text in plain(arm).fit(data).warnings_)


@pytest.mark.parametrize("unknown", [(), ("frame", "tool")], ids=["known", "unknown"])
def test_a_frozen_tracker_is_named(arm, data, unknown):
    frozen = np.tile(data.poses[:1], (len(data), 1, 1))
    found = plain(arm, **{name: "unknown" for name in unknown}).fit(
        Dataset(data.configurations, frozen, arm.joint_names)
    )
    assert any("frozen" in text for text in found.warnings_)
    # A robot that stood still is not a tracker that did.
    still = np.tile(data.configurations[:1], (len(data), 1))
    found = plain(arm).fit(Dataset(still, frozen, arm.joint_names))
    assert not any("frozen" in text for text in found.warnings_)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("kind", [
    "planar line", "one joint still", "all equal", "two spots", "duplicate rows", "same points", "narrow", "few",
    "a session a row", "a marker a row", "positions beside poses",
])  # fmt: skip
def test_odd_data_gives_a_bound_or_a_reason(arm, real, planar5, kind):
    """No warning of NumPy, no bound of nothing or without end, nothing but errors of the package."""
    rng = np.random.default_rng(50)
    robot, options, q = arm, {}, real.random_configurations(30, rng)
    circumstances = {}
    if kind == "planar line":
        robot, q, options = planar5, np.zeros((20, 5)), {"frame": "unknown", "tool": "unknown"}
        q[:, 0] = rng.uniform(-1.0, 1.0, 20)
    elif kind == "one joint still":
        q[:, 1] = 0.5 * (arm.lower[1] + arm.upper[1])
    elif kind == "all equal":
        q = np.tile(q[:1], (30, 1))
    elif kind == "two spots":
        q = np.repeat(q[:2], 15, axis=0)
    elif kind == "duplicate rows":
        q = np.tile(q[:15], (2, 1))
    elif kind == "narrow":
        q = np.clip(arm.rest + rng.uniform(-0.02, 0.02, q.shape), arm.lower, arm.upper)
        options = {"frame": "unknown"}
    elif kind == "few":
        q = q[:8]
    elif kind == "a session a row":
        options, circumstances = {"frame": "unknown"}, {"sessions": [f"s{k}" for k in range(30)]}
    elif kind == "a marker a row":
        options, circumstances = {"frame": "unknown"}, {"markers": [f"m{k}" for k in range(30)]}
    poses = shown(real if robot is arm else robot, q, rng)
    if kind == "same points":
        data = Dataset.from_same_points({f"p{k}": q[6 * k : 6 * k + 6] for k in range(5)}, robot.joint_names)
    elif kind == "positions beside poses":
        first, second = (
            Dataset(q[:15], poses[:15], robot.joint_names),
            Dataset.from_positions(q[15:], poses[15:, :3, 3], robot.joint_names),
        )
        data = Dataset.concatenate([
            first.with_circumstances(sessions=["a"] * 15), second.with_circumstances(sessions=["b"] * 15)
        ])  # fmt: skip
        options = {"frame": "unknown", "tool": "unknown"}
    elif kind in ("planar line", "a marker a row"):
        data = Dataset.from_positions(q, poses[:, :3, 3], robot.joint_names).with_circumstances(**circumstances)
    else:
        data = Dataset(q, poses, robot.joint_names).with_circumstances(**circumstances)
    try:
        found = LearnedKinematics(robot, harmonics=6, **options).fit(data)
    except CrispIKError as error:
        assert str(error)
        return
    places = np.concatenate([robot.random_configurations(50, rng), q])
    bounds, support = found.predicted_error(places), found.support(places)
    assert np.isfinite(bounds).all() and (bounds > 0.0).all()
    assert ((support >= 0.0) & (support <= 1.0)).all()


def test_a_model_that_is_worse_than_nominal_says_so():
    # The model is right, and the measurements are of nothing at all.
    rng = np.random.default_rng(9)
    arm = random_arm(np.random.default_rng(10), 4, prismatic=0.0)
    worse = 0
    for seed in range(6):
        q = arm.random_configurations(30, rng)
        poses = shown(arm, q, np.random.default_rng(seed), noise=(1e-4, 5e-4))
        found = plain(arm).fit(Dataset(q, poses, arm.joint_names, noise=NOISE))
        figures = found.validation_
        says = any("worse than the nominal" in text for text in found.warnings_)
        assert says == (figures["position_median"] >= figures["nominal_position_median"])
        worse += says
    # Of a robot without errors there is nothing to learn: some fits are worse by chance.
    assert worse > 0


# ---- uncertainty ---------------------------------------------------------------------------------------------------


def test_predicted_error_holds_for_95_percent(panda):
    inside = []
    for seed in range(3):
        real, _ = known_errors(panda, np.random.default_rng(20 + seed))
        found = plain(panda).fit(measured(real, 150, seed=seed))
        q = panda.random_configurations(300, np.random.default_rng(98))
        inside.append(np.mean(off(found, real, 300, 98) <= found.predicted_error(q)))
    assert 0.90 <= np.mean(inside) <= 0.995, inside
    # And it is of the size of the error, not merely large.
    assert np.median(found.predicted_error(q)) < 6.0 * np.median(off(found, real, 300, 98))


def test_support_falls_far_from_the_data(panda):
    real, _ = known_errors(panda, np.random.default_rng(30))
    rng = np.random.default_rng(31)

    def box(center, count):
        return np.clip(center + rng.uniform(-0.1, 0.1, (count, 7)), panda.lower, panda.upper)

    q = box(panda.rest, 60)
    found = plain(panda).fit(Dataset(q, shown(real, q, rng), panda.joint_names, noise=NOISE))
    near, far = box(panda.rest, 50), panda.random_configurations(200, rng)
    assert np.median(found.support(near)) > 0.9
    assert 1.0 - np.median(found.support(far)) > 10.0 * (1.0 - np.median(found.support(near)))
    assert np.median(found.predicted_error(far)) > 5.0 * np.median(found.predicted_error(near))

    def sources(configurations):
        return [found.solve(found.forward_kinematics(q), seed=q, timeout=1.0).source for q in configurations[:40]]

    # The parts of the arm are known there, though nothing was seen.
    assert sources(near).count("learned") > 35
    assert sources(far).count("learned") < 5 and set(sources(far)) & {"corrected", "blended"}
    # The bound is honest there too.
    errors = np.linalg.norm(found.forward_kinematics(far)[:, :3, 3] - real.forward_kinematics(far)[:, :3, 3], axis=1)
    assert np.mean(errors <= found.predicted_error(far)) > 0.8
    # Never worse than not having measured, as far as anyone can know.
    nominal = np.linalg.norm(panda.forward_kinematics(far)[:, :3, 3] - real.forward_kinematics(far)[:, :3, 3], axis=1)
    assert np.median(errors) < 1.2 * np.median(nominal)


def test_source_says_what_an_answer_rests_on(panda, arm, model):
    q = arm.random_configurations(5, np.random.default_rng(1))
    for row in q:
        result = model.solve(model.forward_kinematics(row), seed=row, timeout=1.0)
        assert result.success and result.source == "learned"
    # Before fit nothing is learned.
    assert plain(arm).solve(arm.forward_kinematics(q[0]), seed=q[0], timeout=1.0).source == "nominal"
    # Ten samples of one small place say nothing of the other side.
    rng = np.random.default_rng(32)
    near = np.clip(panda.rest + rng.uniform(-0.02, 0.02, (10, 7)), panda.lower, panda.upper)
    positions = panda.forward_kinematics(near)[:, :3, 3] + 1e-3 * rng.normal(size=(10, 3))
    found = plain(panda).fit(Dataset.from_positions(near, positions, panda.joint_names, noise=1e-3))
    far = panda.random_configurations(30, rng)
    answers = [found.solve(found.forward_kinematics(row), seed=row, timeout=1.0) for row in far]
    supports = [answer.support for answer in answers]
    assert all(answer.success for answer in answers)
    for answer in answers:
        rich = {"learned", "corrected"}
        wanted = {"nominal"} if answer.support < 0.05 else {"blended"} if answer.support < 0.5 else rich
        assert answer.source in wanted
    assert min(supports) < 0.5
    assert "blended" in {a.source for a in answers} or "nominal" in {a.source for a in answers}


def test_source_is_corrected_far_from_the_centers(arm):
    # A kernel term that was seen in one half of the first joint's range, and an arm that moves on.
    layout = Layout(arm, 1, arm.bodies())
    rng = np.random.default_rng(40)
    center = arm.rest.copy()
    spots = np.clip(center + rng.uniform(-0.5, 0.5, (25, 5)), arm.lower, arm.upper)
    bumps = layout.robot_with(np.zeros(layout.size)).chain.corrections._replace(
        centers=np.ascontiguousarray(np.hstack([np.cos(spots), np.sin(spots)]).T / 0.4),
        weights=0.02 * rng.normal(size=(5, 25)), length_scale=0.4,
    )  # fmt: skip
    real = arm.corrected(arm.joints, bumps)
    q = np.clip(center + rng.uniform(-0.5, 0.5, (150, 5)), arm.lower, arm.upper)
    found = LearnedKinematics(arm, harmonics=1, length_scales=(0.4,), centers=80).fit(
        Dataset(q, shown(real, q, rng), arm.joint_names, noise=NOISE)
    )
    assert found._uncertainty.layout.centers > 0
    near = [found.solve(found.forward_kinematics(row), seed=row, timeout=1.0).source for row in q[:20]]
    assert set(near) <= {"learned", "blended"} and "learned" in near
    far = arm.random_configurations(60, rng)
    sources = [found.solve(found.forward_kinematics(row), seed=row, timeout=1.0).source for row in far]
    assert "learned" not in sources
