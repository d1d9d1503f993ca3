"""How well a model learned at some places of a real robot's workspace holds at its other places.

``python benchmarks/real_robots.py FOLDER --urdf U --base-link B --tip-link T (--train LOCATION | --leave-one-out)``

FOLDER holds LOCATION/NAME.csv files without header, one row a configuration and one column a joint in chain order
[rad]: in all rows of a file the tool was at the same, unknown point. The scatter of a file is the mean over its rows of
the distance between the predicted tool position and the file's mean prediction.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Python puts the script's own folder first, and its modules have everyday names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from crisp_ik_ros.cli_progress import progress_bars
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.datasets.point_folder import PAIR, read_point_folder
from crisp_ik_ros.errors import CrispIKError, DatasetError, InvalidInputError
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.robots.robot_model import RobotModel

# Between the points hole_0 and hole_1 of one location [m].
DISTANCE = 0.05

Scatters = dict[str, dict[str, float]]


def read_logs(folder: Path, joint_names: Sequence[str], distance: float | None = DISTANCE) -> Dataset:
    """Read the files of a folder, one same-point group each.

    Parameters
    ----------
    folder : Path
    joint_names : sequence of str
        The columns, in order.
    distance : float, optional
        Between the points ``hole_0`` and ``hole_1`` of each location that has both [m]. Where the folder has a
        ``distances.csv``, that is believed instead.

    Raises
    ------
    DatasetError
        When a file cannot be read.
    """
    dataset = read_point_folder(folder, joint_names)
    if distance is None or dataset.distances:
        return dataset
    names = set(dataset.group_names)
    if not any({f"{location}/{point}" for point in PAIR} <= names for location in set(dataset.locations)):
        return dataset
    return read_point_folder(folder, joint_names, distance)


def scatters(robot: RobotModel, dataset: Dataset) -> Scatters:
    """How far apart a robot's predictions are that should all be at one point.

    Parameters
    ----------
    robot : RobotModel
    dataset : Dataset
        Same-point samples.

    Returns
    -------
    dict
        By location ``mean_mm``, the mean of its files' means, and ``max_mm``, the largest distance in any of them.
    """
    files: dict[str, list[np.ndarray]] = {}
    points = robot.forward_kinematics(dataset.configurations)[:, :3, 3]
    for group in np.unique(dataset.groups):
        own = points[dataset.groups == group]
        location = dataset.group_names[group].rsplit("/", 1)[0]
        files.setdefault(location, []).append(1e3 * np.linalg.norm(own - own.mean(axis=0), axis=1))
    return {
        location: {
            "mean_mm": float(np.mean([distances.mean() for distances in found])),
            "max_mm": float(max(distances.max() for distances in found)),
        }
        for location, found in sorted(files.items())
    }


def run(
    robot: RobotModel, dataset: Dataset, train: Sequence[str] = (), leave_one_out: bool = False, quiet: bool = True
) -> dict[str, Any]:
    """Learn at some locations, and look at the others.

    Parameters
    ----------
    robot : RobotModel
        The nominal one.
    dataset : Dataset
        Same-point samples of two locations or more.
    train : sequence of str
        The locations to learn from.
    leave_one_out : bool
        Instead: each location in turn is left out, and tested on.
    quiet : bool
        Whether there is no progress to be seen.

    Returns
    -------
    dict
        ``nominal`` and ``test``: as ``scatters``, of the URDF at all locations and of the learned model at those that
        it was not fitted to; ``mean_test_mm``, the mean over these; ``warnings`` of the fits, by what was left out.

    Raises
    ------
    InvalidInputError
        When there is no such location, or none to test on.
    """
    locations = sorted(set(dataset.locations))
    if bool(train) == leave_one_out:
        raise InvalidInputError("train", "both or neither of two", "--train LOCATION or --leave-one-out")
    for name in train:
        if name not in locations:
            raise InvalidInputError("train", repr(name), "one of " + ", ".join(locations))
    splits = [[name] for name in locations] if leave_one_out else [[name for name in locations if name not in train]]
    if len(locations) < 2 or not splits[0]:
        raise InvalidInputError("train", f"{len(locations)} location(s), none left to test on", "at least one more")
    test: Scatters = {}
    warnings: dict[str, list[str]] = {}
    with progress_bars(quiet) as begin:
        tell = begin("learning")
        for k, held in enumerate(splits):
            try:
                model = LearnedKinematics(robot).fit(dataset.without_locations(held))
            except DatasetError as error:
                raise DatasetError(f"without {', '.join(held)}: {error}") from error
            test |= scatters(model, dataset.select_locations(held))
            warnings[", ".join(held)] = list(model.warnings_)
            tell(k + 1, len(splits))
    return {
        "nominal": scatters(robot, dataset),
        "test": dict(sorted(test.items())),
        "mean_test_mm": float(np.mean([row["mean_mm"] for row in test.values()])),
        "warnings": warnings,
    }


def settings() -> dict[str, Any]:
    """Return what the model is fitted with: the defaults of ``LearnedKinematics``, the same for every arm."""
    parameters = inspect.signature(LearnedKinematics.__init__).parameters.values()
    defaults = {entry.name: entry.default for entry in parameters if entry.default is not inspect.Parameter.empty}
    defaults["priors"] = asdict(Priors())
    return {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}


def text(result: dict[str, Any]) -> str:
    """Table of the scatters, nominal and learned."""
    width = max(map(len, (*result["nominal"], "LOCATION")))
    lines = [f"{'LOCATION':<{width}}  {'nominal mean':>12} {'max':>8}  {'learned mean':>12} {'max':>8}   [mm]"]
    for location, nominal in result["nominal"].items():
        line = f"{location:<{width}}  {nominal['mean_mm']:>12.3f} {nominal['max_mm']:>8.3f}"
        tested = result["test"].get(location)
        if tested is None:
            lines.append(f"{line}  {'trained on':>12}")
        else:
            lines.append(f"{line}  {tested['mean_mm']:>12.3f} {tested['max_mm']:>8.3f}")
    nominal_mean = np.mean([result["nominal"][location]["mean_mm"] for location in result["test"]])
    lines.append(f"{'mean':<{width}}  {nominal_mean:>12.3f} {'':>8}  {result['mean_test_mm']:>12.3f}")
    return "\n".join([*lines, "", "Each mean is of locations that the model was not fitted to."])


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="real_robots.py",
        description="How well a model learned at some places of a real robot's workspace holds at its other places.",
    )
    parser.add_argument("folder", type=Path, help="with LOCATION/NAME.csv: a column a joint [rad], no header")
    parser.add_argument("--urdf", type=Path, required=True)
    parser.add_argument("--base-link", required=True)
    parser.add_argument("--tip-link", required=True)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--train", action="append", default=[], metavar="LOCATION", help="learn here; may be repeated")
    how.add_argument("--leave-one-out", action="store_true", help="learn at all locations but one, each in turn")
    parser.add_argument(
        "--distance", type=float, default=DISTANCE, metavar="METRES",
        help=f"between {PAIR[0]} and {PAIR[1]} of one location; 0: not known (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for machines: one JSON object and nothing else")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; expected errors become one line and exit code 1."""
    given = _arguments(arguments)
    try:
        if not (math.isfinite(given.distance) and given.distance >= 0.0):
            raise InvalidInputError("distance", given.distance, "a length [m], 0 where it is not known")
        robot = RobotModel.from_urdf(given.urdf, given.base_link, given.tip_link)
        dataset = read_logs(given.folder, robot.joint_names, given.distance or None)
        result = run(robot, dataset, given.train, given.leave_one_out, given.json)
    except CrispIKError as error:
        print(f"real_robots: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    for held, sentences in result.pop("warnings").items():
        for sentence in sentences:
            print(f"warning, without {held}: {sentence}", file=sys.stderr)
    result["settings"] = {
        "robot": robot.name,
        "base_link": given.base_link,
        "tip_link": given.tip_link,
        "joints": list(robot.joint_names),
        "train": "leave one out" if given.leave_one_out else given.train,
        "distance_m": given.distance,
        "samples": len(dataset),
        "learned_kinematics": settings(),
    }
    print(json.dumps(result, allow_nan=False) if given.json else text(result))


if __name__ == "__main__":
    main()
