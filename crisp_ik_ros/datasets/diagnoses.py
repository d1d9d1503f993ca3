"""Faults of a set of samples, each with a finding and a sentence of advice."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from crisp_ik_ros.datasets.averages import nearest_rotation
from crisp_ik_ros.datasets.dataset import POSE
from crisp_ik_ros.datasets.diagnosis import Diagnosis, counted, listed, millimeters
from crisp_ik_ros.datasets.measurements import Fit, Measurements, predict
from crisp_ik_ros.datasets.remedies import BAD_OF_REACH, Undone, most_freedom, some_rows
from crisp_ik_ros.datasets.rough_fit import Freedom, fit_robot, unknowns
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.transforms import Array, rotation_logarithm

# Samples that frame and tool are judged by.
JUDGED = 150
# Errors below this are no reason to doubt frame or tool [m].
SMALL = 5e-4
# Frame or tool alone remove the nominal error but for this share, and joint offsets leave more than twice as much. The
# second share is for frames and tools that are farther off than any robot's links and joints [m], [rad].
MOST, MUCH, TWICE = 0.1, 0.3, 2.0
FAR, FAR_TURNED = 0.05, 0.1
# Without frame or tool the best fit is this many times worse, and by this much [m].
WORSE, WORSE_BY = 3.0, 1e-3
# Outliers are so many (robust) standard deviations from the median, and at least these lengths and angles [m, rad].
DEVIATIONS, LEAST_POSITION, LEAST_ORIENTATION = 10.0, 3e-4, 1e-3
# Poses that orientations are judged by, at least; below the first angle orientations are the same, above the second the
# tool turns, and orientations that are off by the third are of another convention [rad].
FEWEST_TURNS, SAME_TURN, TURNS, WRONG_TURN = 8, 1e-3, 0.1, 0.25
# A joint may be outside its limits by this much: the encoder's zero is not the model's [rad or m].
OUTSIDE = 0.05
# Numbers measured for each number that is to be learned, and those of a joint that matter.
NUMBERS, OF_A_JOINT = 2, 4
# A joint that moves less holds still [rad], [m]; joints move together whose correlations have a smaller eigenvalue.
STILL, STILL_SLIDING, TOGETHER = 0.05, 0.01, 1e-3


def diagnose_mistakes(robot: RobotModel, undone: Undone) -> tuple[Diagnosis, ...]:
    """Mistakes that can be undone; or, where none explains the error, that this is another robot."""
    found = tuple(Diagnosis(remedy.name, remedy.finding, remedy.advice) for remedy in undone.remedies)
    if undone.explained:
        return found
    return (
        *found,
        Diagnosis(
            "wrong robot",
            f"the samples and {robot.name!r} are {millimeters(undone.size)} apart even with its geometry, the "
            "measurement frame and the tool fitted; neither units nor order and sense of the joints explain it",
            "check the URDF, base link and tip link, and that positions and poses were recorded at the same time",
        ),
    )


def diagnose_orientations(robot: RobotModel, data: Measurements, lever: float) -> tuple[Diagnosis, ...]:
    """Orientations that stay the same while the tool turns, or that do not go with positions that are explained."""
    posed = data.kinds == POSE
    if posed.sum() < FEWEST_TURNS:
        return ()
    tips = robot.forward_kinematics(data.configurations[posed])
    turned = np.linalg.norm(rotation_logarithm(tips[:, :3, :3] @ tips[0, :3, :3].T), axis=1)
    shown = np.linalg.norm(rotation_logarithm(data.poses[posed, :3, :3] @ data.poses[posed][0, :3, :3].T), axis=1)
    advice = "leave the orientation columns out, so that positions alone are learned from, or record the orientation"
    if shown.max() < SAME_TURN and np.median(turned) > TURNS:
        count, most = int(posed.sum()), float(turned.max())
        finding = f"one and the same orientation in all {count} poses, while the tool turns by {most:.2g} rad"
        return (Diagnosis("constant orientation", finding, advice),)
    positions = data.as_positions()
    few = positions.taken(some_rows(positions, JUDGED))
    free = most_freedom(robot, few)
    if not (free.joints and free.links):
        return ()
    fit = fit_robot(robot, few, free, lever)
    if fit.size > BAD_OF_REACH[free] * robot.reach:
        return ()
    tips = predict(robot, data.taken(posed), fit)[:, :3, :3]
    relative = np.swapaxes(tips, -1, -2) @ data.poses[posed, :3, :3]
    mean = nearest_rotation(relative.sum(axis=0))
    off = float(np.median(np.linalg.norm(rotation_logarithm(relative @ mean.T), axis=1)))
    if off < WRONG_TURN:
        return ()
    finding = f"the robot explains the positions to {millimeters(fit.size)}, and the orientations only to {off:.2g} rad"
    return (
        Diagnosis(
            "orientation convention",
            finding,
            "check the order of the quaternion or of the Euler angles, and whose orientation in whose frame it is; or "
            + advice,
        ),
    )


def diagnose_placement(robot: RobotModel, data: Measurements, lever: float) -> tuple[Diagnosis, ...]:
    """Measurements in another frame than the base link's, or of another point than the tip link."""
    free = _misplaced(robot, data, lever)
    if free is None:
        return ()
    few = data.taken(some_rows(data, JUDGED))
    # Link offsets would take a part of both upon themselves.
    fit = fit_robot(robot, few, free._replace(joints=_geometry(robot, few).joints), lever)
    found = []
    if free.frame:
        found.append(
            Diagnosis(
                "measurement frame",
                f"measured in a frame that is {_apart(fit.frame)} from the base link",
                'learn it along (LearnedKinematics with frame="unknown"), or give the measurements in the base link',
            )
        )
    if free.tool:
        turned = np.any(data.kinds == POSE)
        found.append(
            Diagnosis(
                "tool",
                f"what was measured is {_apart(fit.tool) if turned else _length_of(fit.tool)} from the tip link",
                'learn it along (LearnedKinematics with tool="unknown"), or use the link that was measured as tip link',
            )
        )
    return tuple(found)


def diagnose_outliers(
    kinds: np.ndarray, position: Array, orientation: Array, numbers: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[Diagnosis, ...]]:
    """Rows whose error (n,) [m], (n,) [rad] after a fit is far from that of all others of their kind; what to say."""
    far = np.zeros(len(position), dtype=bool)
    for kind in np.unique(kinds):
        for errors, least in ((position, LEAST_POSITION), (orientation, LEAST_ORIENTATION)):
            known = np.isfinite(errors) & (kinds == kind)
            if known.any():
                middle = np.median(errors[known])
                deviation = 1.4826 * np.median(np.abs(errors[known] - middle))
                far[known] |= errors[known] > middle + max(DEVIATIONS * deviation, least)
    rows = np.flatnonzero(far)
    if not len(rows):
        return rows, ()
    named = rows if numbers is None else numbers[rows]
    finding = (
        f"{counted(len(rows), 'sample')} of {len(position)} fit far worse than the others: {listed(named)}; up to "
        f"{millimeters(float(position[rows].max()))}, where the median is {millimeters(float(np.nanmedian(position)))}"
    )
    turned = orientation[rows]
    if np.isfinite(turned).any():
        finding += (
            f", and up to {1e3 * float(np.nanmax(turned)):.3g} mrad, where the median is "
            f"{1e3 * float(np.nanmedian(orientation)):.3g} mrad"
        )
    advice = "measure these again or leave them out; training gives them little weight"
    return rows, (Diagnosis("outliers", finding, advice, tuple(named.tolist())),)


def diagnose_duplicates(rows: np.ndarray, numbers: np.ndarray) -> tuple[Diagnosis, ...]:
    """Samples that are there already, by their ``numbers`` (n,) in the whole recording."""
    if not len(rows):
        return ()
    rows = numbers[rows]
    finding = f"{counted(len(rows), 'sample')} repeat an earlier one in every digit: {listed(rows)}"
    advice = "leave them out: they count twice, and a validation on copies of training samples says nothing"
    return (Diagnosis("duplicates", finding, advice, tuple(rows.tolist())),)


def diagnose_limits(robot: RobotModel, data: Measurements, numbers: np.ndarray) -> tuple[Diagnosis, ...]:
    """Configurations outside of the joint limits."""
    configurations = robot.wrapped(data.configurations)
    beyond = np.maximum(robot.lower - configurations, configurations - robot.upper)
    rows = numbers[beyond.max(axis=1) > OUTSIDE]
    if not len(rows):
        return ()
    worst = int(beyond.max(axis=0).argmax())
    unit = "m" if robot.chain.prismatic[worst] else "rad"
    finding = (
        f"{counted(len(rows), 'sample')} of {len(data)} are outside the joint limits: {listed(rows)}; "
        f"{robot.joint_names[worst]} by up to {beyond[:, worst].max():.3g} {unit}"
    )
    return (Diagnosis("outside limits", finding, "check the limits in the URDF", tuple(rows.tolist())),)


def diagnose_number(robot: RobotModel, data: Measurements) -> tuple[Diagnosis, ...]:
    """Too few samples for what is to be learned."""
    free = Freedom(frame=True, tool=True)
    wanted = NUMBERS * (OF_A_JOINT * robot.dof + unknowns(robot, free, data))
    if data.numbers >= wanted:
        return ()
    per_sample = data.numbers / len(data)
    enough = f"about {int(np.ceil(wanted / per_sample))} such samples" if per_sample > 0.0 else "more samples a point"
    finding = (
        f"{counted(len(data), 'sample')} give {data.numbers} numbers; to learn the geometry of {robot.dof} joints, "
        f"frame and tool takes {wanted}"
    )
    return (Diagnosis("too few samples", finding, f"measure on: {enough} at different configurations"),)


def diagnose_coverage(robot: RobotModel, data: Measurements) -> tuple[Diagnosis, ...]:
    """Joints that hold still, and joints that only move together."""
    configurations = robot.wrapped(data.configurations)
    moved = np.ptp(configurations, axis=0)
    still = moved < np.where(robot.chain.prismatic, STILL_SLIDING, STILL)
    names = np.array(robot.joint_names)
    if len(data) < 2:
        return ()
    if still.any():
        finding = f"{', '.join(names[still])} hold{'s' if still.sum() == 1 else ''} still in all samples"
        advice = "move every joint: what a joint that holds still does when it moves cannot be learned"
        return (Diagnosis("coverage", finding, advice),)
    if len(data) <= robot.dof + 1 or robot.dof < 2:
        return ()
    values, vectors = np.linalg.eigh(np.corrcoef(configurations.T))
    if values[0] > TOGETHER:
        return ()
    joined = names[np.abs(vectors[:, 0]) > 0.3]
    finding = f"{', '.join(joined)} only move together: their errors cannot be told apart"
    return (Diagnosis("coverage", finding, "measure at configurations in which the joints move on their own"),)


def _misplaced(robot: RobotModel, data: Measurements, lever: float) -> Freedom | None:
    """Whether frame or tool must be fitted for the robot to explain the samples; None if neither must."""
    few = data.taken(some_rows(data, JUDGED))
    choices = [Freedom(tool=True)]
    if data.measured.any():
        choices = [Freedom(frame=True), *choices, Freedom(frame=True, tool=True)]
    choices = [free for free in choices if few.numbers >= 2 * unknowns(robot, free, few)]

    @functools.cache
    def fitted(free: Freedom) -> Fit:
        return fit_robot(robot, few, free, lever)

    geometry = _geometry(robot, few)
    if not choices or fitted(Freedom()).size < SMALL:
        return None
    free = _plainly(choices, fitted, geometry) or _beyond_geometry(choices, fitted, geometry)
    if free is None or free == choices[-1]:
        return free
    # Of two faults the larger hides the smaller one.
    for own in (Freedom(joints=True), geometry):
        if fitted(_with(own, free)).size > WORSE * fitted(_with(own, choices[-1])).size + WORSE_BY:
            return choices[-1]
    return free


def _plainly(choices: list[Freedom], fitted: Callable[[Freedom], Fit], geometry: Freedom) -> Freedom | None:
    """First choice that alone removes nearly all of the nominal error, where the robot's own offsets do not."""
    nominal, joints = fitted(Freedom()).size, fitted(Freedom(joints=True)).size
    for free in choices:
        alone = fitted(free)
        # Frame and tool together are as much to choose as a robot's geometry is: that must not do nearly as well.
        rival = min(joints, fitted(geometry).size) if free.frame and free.tool else joints
        share = MUCH if _far(alone.frame) or _far(alone.tool) else MOST
        if alone.size < share * nominal and TWICE * alone.size + SMALL < rival:
            return free
    return None


def _beyond_geometry(choices: list[Freedom], fitted: Callable[[Freedom], Fit], geometry: Freedom) -> Freedom | None:
    """First choice that explains what the robot's own geometry, fitted as far as is credible, leaves unexplained."""
    if not geometry.joints:
        return None
    best = fitted(_with(geometry, choices[-1])).size
    if fitted(geometry).size < WORSE * best + WORSE_BY:
        return None
    enough = TWICE * best + WORSE_BY
    return next(free for free in choices if free == choices[-1] or fitted(_with(geometry, free)).size <= enough)


def _geometry(robot: RobotModel, data: Measurements) -> Freedom:
    """Return what of the robot's own geometry may be fitted to as many samples."""
    free = most_freedom(robot, data)
    return Freedom(joints=free.joints, links=free.links)


def _with(geometry: Freedom, placement: Freedom) -> Freedom:
    return geometry._replace(frame=placement.frame, tool=placement.tool)


def _far(pose: Array) -> bool:
    return bool(np.linalg.norm(pose[:3, 3]) > FAR or np.linalg.norm(rotation_logarithm(pose[:3, :3])) > FAR_TURNED)


def _apart(pose: Array) -> str:
    angle = np.rad2deg(np.linalg.norm(rotation_logarithm(pose[:3, :3])))
    return f"{_length_of(pose)} and {angle:.2g} degrees"


def _length_of(pose: Array) -> str:
    return millimeters(float(np.linalg.norm(pose[:3, 3])))
