"""What is asked of the nodes, under test: bytes -> None, the bytes being the request as JSON.

Numbers and texts have the types that ROS holds them to; what they are is up to whoever asks.
"""

from __future__ import annotations

import math
from array import array
from functools import cache
from typing import Any

import numpy as np

from crisp_ik_ros import ModelBasedIK
from crisp_ik_ros.errors import InvalidInputError
from crisp_ik_ros.nodes.answer import Answerer, PathAnswer, Seed
from crisp_ik_ros.nodes.joint_order import indices_of
from crisp_ik_ros.nodes.paths import requested_paths
from crisp_ik_ros.nodes.targets import ErrorCode
from crisp_ik_ros.nodes.targets import Target as Wanted
from crisp_ik_ros.trajectories import TRAJECTORIES

from . import mutators, seeds
from .promises import (
    LONGEST_MESSAGE,
    require,
    require_answer,
    require_reached,
    require_within,
    require_words,
)

# Time for one search in a fuzzed request [s].
BRIEFLY = 3e-4


@cache
def answerer() -> Answerer:
    """Answers for two links in the plane; no search takes long."""

    class Brief(ModelBasedIK):
        def solve(self, pose: Any, seed: Any = None, timeout: Any = None, **options: Any) -> Any:
            return super().solve(pose, seed, BRIEFLY if timeout is None else min(timeout, BRIEFLY), **options)

        def solve_path(self, poses: Any, seed: Any = None, timeout: Any = None, **options: Any) -> Any:
            return super().solve_path(poses, seed, BRIEFLY if timeout is None else min(timeout, BRIEFLY), **options)

    return Answerer(Brief(seeds.robot(), position_tolerance=1e-5, orientation_tolerance=1e-4), BRIEFLY)


def _doubles(value: Any) -> array:
    """As messages hold numbers: a double each, whatever it is."""
    numbers = array("d")
    for item in value if isinstance(value, list) else ():
        try:
            numbers.append(float(item))
        except (TypeError, ValueError, OverflowError):
            numbers.append(math.nan)
    return numbers


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _wanted(value: dict[str, Any]) -> Wanted:
    position, quaternion = ([*_doubles(value.get(name)), 0.0, 0.0, 0.0, 0.0] for name in ("position", "quaternion"))
    return Wanted(tuple(position[:3]), tuple(quaternion[:4]), str(value.get("frame", "")))


def _arguments(value: dict[str, Any]) -> tuple[Seed, str, float]:
    seed = Seed(_texts(value.get("names")), _doubles(value.get("positions")))
    return seed, str(value.get("link", "")), (*_doubles([value.get("timeout")]), 0.0)[0]


def request(data: bytes) -> None:
    """Requests of single poses."""
    value = mutators.json_object(data)
    if value is not None:
        wanted = _wanted(value)
        require_answer(answerer().answer(wanted, *_arguments(value)), wanted, seeds.robot())


def path_request(data: bytes) -> None:
    """Requests of whole paths."""
    value = mutators.json_object(data)
    if value is None:
        return
    poses = value.get("poses")
    wanted = [_wanted(pose) for pose in (poses if isinstance(poses, list) else [])[:50] if isinstance(pose, dict)]
    answer: PathAnswer = answerer().answer_path(wanted, *_arguments(value))
    require(answer.configurations.shape == (len(wanted), 2) and len(answer.codes) == len(wanted), "shapes")
    require((answer.code == ErrorCode.SUCCESS) == (answer.fraction == 1.0), f"{answer.code}, {answer.fraction}")
    require(len(answer.message) <= LONGEST_MESSAGE, f"message of {len(answer.message)} characters")
    require(answer.code == ErrorCode.SUCCESS or answer.message.strip(), "an error without words")
    figures = (answer.codes.tolist(), answer.configurations, answer.position_errors, answer.orientation_errors)
    for pose, code, configuration, distance, turned in zip(wanted, *figures, strict=True):
        require(code in tuple(ErrorCode), f"code {code}")
        if code == ErrorCode.SUCCESS:
            require_within(configuration, answerer().estimator.robot)
            require_reached(pose, configuration, distance, turned)
    for values in (answer.position_errors, answer.orientation_errors, answer.supports):
        require(len(values) == len(wanted) and not np.isnan(values).any(), "errors that are no numbers")


def joint_order(data: bytes) -> None:
    """Joint names in any order."""
    value = mutators.json_object(data)
    if value is None:
        return
    names, wanted = _texts(value.get("names")), list(dict.fromkeys(_texts(value.get("wanted"))))
    wanted = [name for name in wanted[:20] if len(name) <= 50]  # a robot's
    allowed = bool(value.get("others_allowed", True))
    fits = len(set(names)) == len(names) and set(wanted) <= set(names) and (allowed or set(names) == set(wanted))
    try:
        places = indices_of(names, wanted, "seed", allowed)
    except InvalidInputError as error:
        require(not fits, f"refused: {error}")
        require_words(error)
        return
    require(fits, "taken, but it does not fit")
    require([names[place] for place in places] == wanted, f"places {places}")


def trajectory(data: bytes) -> None:
    """Trajectories that a follower is asked for, by parameters of the types that ROS holds them to."""
    value = mutators.json_object(data)
    if value is None:
        return
    points = value.get("points")
    points = min(points, 1000) if isinstance(points, int) and not isinstance(points, bool) else 20
    radius, yaw = _doubles([value.get("radius"), value.get("yaw")])
    try:
        paths = requested_paths(str(value.get("trajectory")), points, radius, yaw, _doubles(value.get("offset")))
    except InvalidInputError as error:
        require_words(error)
        return
    require(set(paths) <= set(TRAJECTORIES) and paths, f"paths {list(paths)}")
    for path in paths.values():
        require(path.shape == (points, 4, 4) and np.isfinite(path).all(), f"path of shape {path.shape}, or not finite")
