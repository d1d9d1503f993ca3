"""Faults that the order of the samples shows: a frozen device, readings before standstill, drift."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.datasets.dataset import POSE, POSITION
from crisp_ik_ros.datasets.diagnosis import Diagnosis, counted, listed, millimeters
from crisp_ik_ros.datasets.measurements import Fit, Measurements, Walk, walk
from crisp_ik_ros.datasets.stops import first_readings, stops_of
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, rotation_logarithm

# A device is frozen that shows less motion than this [m], [rad] over at least so many stops between which the model's
# tool moves or turns by far more.
STANDS, STANDS_TURNED, FEWEST_STOPS = 2e-4, 2e-3, 3
MOVES, TURNS = 0.01, 0.05
# A tool offset that explains a constant position leaves less than this share of the arm's reach, whose model may be
# wrong: the tool was held in a socket.
SOCKET = 0.08
# Standard deviations from zero, and the share of the squared residual that is explained, from which a common cause of
# the residuals is named; and its least typical effect [m]. Of 300 good sets none was named.
SIGNIFICANT, EXPLAINED, LEAST_EFFECT = 7.0, 0.05, 3e-5
# A cause that the configurations themselves nearly determine cannot be told from what the model lacks: a common cause
# must vary this share of its own variance at equal configurations.
INDEPENDENT = 0.3
# Samples that a trend needs.
FEWEST_ROWS = 30


def diagnose_frozen(
    robot: RobotModel, data: Measurements, rows: np.ndarray
) -> tuple[np.ndarray, tuple[Diagnosis, ...]]:
    """Samples (k,) whose measurement stands still while the joints move, and a finding that names their rows.

    Runs of samples that follow each other, or equal measurements anywhere.

    Parameters
    ----------
    robot : RobotModel
    data : Measurements
        In the order of the recording.
    rows : (n,)
        Their rows in the whole recording.
    """
    tips = robot.forward_kinematics(data.configurations)
    stops = stops_of(robot, data.configurations)
    frozen = np.zeros(len(data), dtype=bool)
    for kind in (POSE, POSITION):
        own = np.flatnonzero(data.kinds == kind)
        for members in (*_runs(data, own), *_equal(data, own)):
            if len(np.unique(stops[members])) >= FEWEST_STOPS and _moves(tips[members], kind, SOCKET * robot.reach):
                frozen[members] = True
    found = np.flatnonzero(frozen)
    if not len(found):
        return found, ()
    finding = (
        f"the measurement stands still at {counted(len(found), 'sample')} of {len(data)} while the joints move: "
        f"{listed(rows[found])}"
    )
    advice = (
        "measure again: the device had lost its target, or repeated its last reading"
        if len(found) > 0.5 * len(data)
        else "leave these samples out: the device had lost its target, or repeated its last reading"
    )
    return found, (Diagnosis("frozen measurement", finding, advice, tuple(rows[found].tolist())),)


def _runs(data: Measurements, own: np.ndarray) -> list[np.ndarray]:
    """Longest stretches of consecutive samples whose measurement stays where the stretch began."""
    stretches, start = [], 0
    for end in range(1, len(own) + 1):
        if end < len(own) and _same(data, own[start], own[end : end + 1])[0]:
            continue
        if end - start >= FEWEST_STOPS:
            stretches.append(own[start:end])
        start = end
    return stretches


def _equal(data: Measurements, own: np.ndarray) -> list[np.ndarray]:
    """Samples that share one measurement to the last digit."""
    if not len(own):
        return []
    _, place, sizes = np.unique(data.poses[own].reshape(len(own), -1), axis=0, return_inverse=True, return_counts=True)
    return [own[place.ravel() == one] for one in np.flatnonzero(sizes >= FEWEST_STOPS)]


def _same(data: Measurements, first: int, others: np.ndarray) -> np.ndarray:
    moved = np.linalg.norm(data.poses[others, :3, 3] - data.poses[first, :3, 3], axis=1)
    turn = rotation_logarithm(data.poses[others, :3, :3] @ data.poses[first, :3, :3].T)
    return (moved < STANDS) & (np.linalg.norm(turn, axis=1) < STANDS_TURNED)


def _moves(tips: Array, kind: int, socket: float) -> bool:
    """Tell if the model's tool moves, or turns, far more than a standing device can have missed."""
    if kind == POSITION:
        # A tool held in a socket shows one position at many configurations: then an offset of the tool explains it.
        count = len(tips)
        matrix = np.zeros((3 * count, 6))
        matrix[:, :3] = tips[:, :3, :3].reshape(-1, 3)
        matrix[:, 3:] = -np.tile(np.eye(3), (count, 1))
        right = -tips[:, :3, 3].ravel()
        left = (matrix @ np.linalg.lstsq(matrix, right, rcond=None)[0] - right).reshape(-1, 3)
        return bool(np.sqrt(np.mean(np.sum(left**2, axis=1))) > socket)
    moved = np.linalg.norm(tips[:, :3, 3] - tips[:, :3, 3].mean(axis=0), axis=1)
    turned = np.linalg.norm(rotation_logarithm(tips[:, :3, :3] @ tips[0, :3, :3].T), axis=1)
    return bool(np.median(moved) > MOVES or np.median(turned) > TURNS)


def diagnose_standstill(
    robot: RobotModel, data: Measurements, fit: Fit, residual: Array, rows: np.ndarray
) -> tuple[Diagnosis, ...]:
    """Joints or poses that were read before the arm stood still: what is left of each move explains the residual.

    If the pose belongs to the configuration q_i - s (q_i - q_(i-1)), the residual has the part s J(q_i) q_(i-1), which
    no function of q_i alone can have. One share s for all samples is fitted beside the errors of joints and gears.

    Parameters
    ----------
    robot, data
        In the order of the recording.
    fit : Fit
    residual : (n, 6)
        Of the fit [m, rad].
    rows : (n,)
        Their rows in the whole recording.
    """
    first = first_readings(stops_of(robot, data.configurations))
    kept = first[(first > 0) & data.measured[first]]
    kept = kept[rows[kept] - rows[kept - 1] == 1]
    if len(kept) < FEWEST_ROWS:
        return ()
    walked = walk(robot, data.configurations[kept], fit)
    columns = _columns(robot, walked, fit)
    before = robot.wrapped(data.configurations)[kept - 1]
    effect = np.einsum("kij,kj->ki", columns, before - before.mean(axis=0))
    found = _common_cause(effect, residual[kept, :3], _nuisance(robot, data.configurations[kept], columns))
    if found is None:
        return ()
    share, deviations, typical = found
    move = np.abs(np.diff(robot.wrapped(data.configurations), axis=0)).max(axis=1)
    finding = (
        f"{100.0 * abs(share):.2g} % of the move to each configuration is missing, or still to come, in what was "
        f"measured there: {millimeters(typical)} typically, {deviations:.0f} standard deviations from none; the moves "
        f"are {np.median(move):.2g} rad in the median"
    )
    advice = "wait longer before each reading, and read joints and pose at the same time"
    return (Diagnosis("read before the arm stood still", finding, advice),)


def diagnose_drift(
    robot: RobotModel, data: Measurements, fit: Fit, residual: Array, rows: np.ndarray, temperatures: Array | None
) -> tuple[Diagnosis, ...]:
    """Residuals that grow along the recording, or with the temperature (n,) [degrees C]."""
    # Readings of one stop share what no model has, and count once.
    first = first_readings(stops_of(robot, data.configurations))
    kept = first[data.measured[first]]
    found: tuple[Diagnosis, ...] = ()
    if len(kept) < FEWEST_ROWS:
        return found
    columns = _columns(robot, walk(robot, data.configurations[kept], fit), fit)
    nuisance = _nuisance(robot, data.configurations[kept], columns)
    causes = [("row", 100.0, "100 rows", rows.astype(float))]
    if temperatures is not None:
        causes.append(("temperature", 1.0, "degree C", np.asarray(temperatures, dtype=float)))
    for name, unit, said, values in causes:
        cause = values[kept]
        if not np.isfinite(cause).all() or np.ptp(cause) <= 0.0:
            continue
        sizes = []
        deviations = 0.0
        for axis in range(3):
            effect = np.zeros((len(kept), 3))
            effect[:, axis] = (cause - cause.mean()) / np.ptp(cause)
            outcome = _common_cause(effect, residual[kept, :3], nuisance)
            sizes.append(0.0 if outcome is None else outcome[0])
            deviations = max(deviations, 0.0 if outcome is None else outcome[1])
        size = float(np.linalg.norm(sizes))
        if size * 0.3 > LEAST_EFFECT:
            finding = (
                f"the residuals move by {1e3 * size * unit / np.ptp(cause):.2g} mm per {said}, {millimeters(size)} in "
                f"all, {deviations:.0f} standard deviations from none"
            )
            advice = (
                "let arm and device warm up, and see that neither the device nor the base can move"
                if name == "row"
                else "measure at the temperature of the arm's work, and let it warm up"
            )
            found += (Diagnosis("drift" if name == "row" else "drift with temperature", finding, advice),)
    return found


def _columns(robot: RobotModel, walked: Walk, fit: Fit) -> Array:
    """Derivative (k, 3, J) of the measured position by the joints, measurement frame."""
    turn = fit.frame[:3, :3]
    tips = fit.frame @ walked.tips @ fit.tool
    axes = walked.axes @ turn.T
    origins = walked.origins @ turn.T + fit.frame[:3, 3]
    arms = np.cross(axes, tips[:, None, :3, 3] - origins)
    return np.swapaxes(np.where(robot.chain.prismatic[:, None], axes, arms), 1, 2)


def _nuisance(robot: RobotModel, configurations: Array, columns: Array) -> Array:
    """Effects (k, 3, P) of errors that depend on the configuration alone: zeros, scales, once and twice a turn."""
    q = robot.wrapped(configurations)[:, None, :]
    parts = [columns, columns * (q - q.mean(axis=0))]
    for periods in (1, 2):
        parts += [columns * np.sin(periods * q), columns * np.cos(periods * q)]
    constant = np.broadcast_to(np.eye(3), (len(q), 3, 3))
    return np.concatenate([*parts, constant], axis=2)


def _common_cause(effect: Array, residual: Array, nuisance: Array) -> tuple[float, float, float] | None:
    """Size of a common cause, its standard deviations from none and typical effect [m]; None where it is not shown.

    Large residuals count little, so that outliers explain nothing.
    """
    count = len(effect)
    length = np.linalg.norm(residual, axis=1)
    weight = 1.0 / np.sqrt(1.0 + (length / (3.0 * max(float(np.median(length)), 1e-9))) ** 2)
    target, cause = (weight[:, None] * residual).ravel(), (weight[:, None] * effect).ravel()
    basis = (weight[:, None, None] * nuisance).reshape(3 * count, -1)
    if 3 * count < 2 * basis.shape[1]:
        return None
    scale = np.linalg.norm(basis, axis=0)
    basis = basis[:, scale > 1e-12] / scale[scale > 1e-12]
    left, values, _ = np.linalg.svd(basis, full_matrices=False)
    left = left[:, values > 1e-9 * values[0]]
    own = cause - left @ (left.T @ cause)
    rest = target - left @ (left.T @ target)
    if own @ own < INDEPENDENT * (cause @ cause) or own @ own == 0.0:
        return None
    size = float(own @ rest / (own @ own))
    after = rest - size * own
    # Errors of one sample's three coordinates belong together.
    spread = np.sqrt(np.sum(np.sum((own * after).reshape(-1, 3), axis=1) ** 2)) / (own @ own)
    deviations = abs(size) / max(float(spread), 1e-300)
    explained = 1.0 - float(after @ after) / max(float(rest @ rest), 1e-300)
    typical = abs(size) * float(np.median(np.linalg.norm(effect, axis=1)))
    if deviations < SIGNIFICANT or explained < EXPLAINED or typical < LEAST_EFFECT:
        return None
    return size, deviations, typical
