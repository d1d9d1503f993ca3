"""The commands ``crisp-ik train`` and ``crisp-ik evaluate``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from crisp_ik_ros.cli_options import (
    BaseLink,
    BiasSeed,
    JointBias,
    Json,
    LinkBias,
    LossName,
    PointDistance,
    Robot,
    TipLink,
)

DATA = "A .csv or .npz, a rosbag2 recording, or a folder of points (LOCATION/POINT.csv)."


class KernelName(str, Enum):
    """Kernels by name."""

    gaussian = "gaussian"
    laplacian = "laplacian"
    linear = "linear"


class CenterSelectionName(str, Enum):
    """Ways to choose Nystrom centers, by name."""

    uniform = "uniform"
    plus_plus = "kmeans++"
    leverage = "leverage"


class ValidationName(str, Enum):
    """Ways to judge hyperparameters, by name."""

    held_out = "held_out"
    leave_one_out = "leave_one_out"


class EstimatorName(str, Enum):
    """Estimators by name."""

    auto = "auto"
    crisp = "crisp"
    learned_kinematics = "learned_kinematics"


class PlaceName(str, Enum):
    """Whether something is known."""

    known = "known"
    unknown = "unknown"


def train(
    output: Annotated[Path, typer.Argument(help="Model file to write (.npz).")],
    data: Annotated[
        Path | None, typer.Option(help=f"Samples. {DATA} Default: sample the demo region in PyBullet.")
    ] = None,
    robot: Robot = "panda",
    base_link: BaseLink = "",
    tip_link: TipLink = "",
    estimator: Annotated[
        EstimatorName,
        typer.Option(
            help="crisp: kernel regression on full poses, near the data. learned_kinematics: identifies the arm's "
            "errors, from any data, and extrapolates. auto: crisp for full poses, else learned_kinematics; also where "
            "frame, tool, report or corrected URDF ask for it."
        ),
    ] = EstimatorName.auto,
    frame: Annotated[
        PlaceName, typer.Option(help="Whether measurements are in the base frame; else the frame is found too.")
    ] = PlaceName.known,
    tool: Annotated[
        PlaceName,
        typer.Option(help="Whether the tip link is what was measured; else where the marker sits is found too."),
    ] = PlaceName.known,
    distance: PointDistance = None,
    report: Annotated[Path | None, typer.Option(help="Page with pictures to write (.html).")] = None,
    corrected_urdf: Annotated[
        Path | None, typer.Option(help="URDF to write, with the geometry that was identified.")
    ] = None,
    loss: Annotated[LossName, typer.Option(help="What the estimator compares.")] = LossName.residual,
    kernel: Annotated[KernelName, typer.Option(help="Its length scales are chosen on held-out samples.")] = (
        KernelName.gaussian
    ),
    penalty: Annotated[float | None, typer.Option(help="Default: chosen on held-out samples.")] = None,
    centers: Annotated[int, typer.Option(min=0, help="Nystrom centers; 0: exact regression on all samples.")] = 2000,
    center_selection: Annotated[
        CenterSelectionName,
        typer.Option(help="Centers by chance, spread out, or where samples matter most (ridge leverage scores)."),
    ] = CenterSelectionName.uniform,
    validation: Annotated[
        ValidationName, typer.Option(help="Samples that length scales and penalty are judged on.")
    ] = ValidationName.held_out,
    memory_map: Annotated[bool, typer.Option(help="Leave the numbers of a large --data .npz in the file.")] = False,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler: its cluster sums over the samples (extra 'dask').")
    ] = None,
    count: Annotated[int, typer.Option(min=8, help="Samples to draw where no --data is given.")] = 5000,
    seed: Annotated[int, typer.Option(help="Seed of samples, splits and centers.")] = 0,
    joint_bias_deg: JointBias = 0.0,
    link_bias_mm: LinkBias = 0.0,
    bias_seed: BiasSeed = -1,
    as_json: Json = False,
) -> None:
    """Train a model from samples and save it for the ik_service node.

    Measured data of your own robot: crisp-ik train model.npz --data measured.csv --robot my_robot.urdf
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.terminal import progress_bar, show
    from crisp_ik_ros.training.request import TrainingRequest

    request = TrainingRequest(
        output,
        estimator.value,
        frame.value,
        tool.value,
        loss.value,
        kernel.value,
        penalty,
        centers or None,
        center_selection.value,
        validation.value,
        scheduler,
        seed,
        report,
        corrected_urdf,
    )
    summary = commands.train_model(
        commands.SimulatedRobot(robot, base_link, tip_link, joint_bias_deg, link_bias_mm, bias_seed),
        request,
        data,
        distance,
        count,
        lambda label: progress_bar(label, as_json),
        memory_map,
    )
    show(summary, as_json)


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    data: Annotated[Path, typer.Argument(help=f"Samples that the model was not trained on. {DATA}")],
    distance: PointDistance = None,
    as_json: Json = False,
) -> None:
    """Compare a model with the plain URDF on samples: how far each misplaces the tool."""
    from crisp_ik_ros import commands
    from crisp_ik_ros.terminal import show

    show(commands.evaluate_model(model, data, distance), as_json)
