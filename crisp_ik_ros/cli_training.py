"""The commands ``crisp-ik train`` and ``crisp-ik evaluate``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from crisp_ik_ros.cli_completion import files
from crisp_ik_ros.cli_help import argument, option
from crisp_ik_ros.cli_options import (
    DATA_KINDS,
    BaseLink,
    BiasSeed,
    JointBias,
    Json,
    LinkBias,
    LossName,
    Model,
    PointDistance,
    PoseFiles,
    Robot,
    TipLink,
    complete_data,
)

TRAIN_EXAMPLES = (
    "# measured data of your own robot\n"
    "crisp-ik train my_robot.npz --data measured.csv --robot my_robot.urdf \\\n"
    "  --base-link base_link --tip-link tool0",
    "# the device has its own frame, its marker is not the tip link; a page\n"
    "crisp-ik train my_robot.npz --data measured.csv --robot my_robot.urdf \\\n"
    "  --estimator learned_kinematics --frame unknown --tool unknown \\\n  --report report.html",
    "# no data: a simulated Panda, one degree off\ncrisp-ik train model.npz --joint-bias-deg 1",
)
EVALUATE_EXAMPLES = (
    "crisp-ik evaluate my_robot.npz held_out.csv",
    "# another device, or its marker elsewhere; and a table of what is left\n"
    "crisp-ik evaluate my_robot.npz other.csv --frame unknown \\\n  --tool unknown --residuals residuals.csv",
    "# for a script: how often poses are solved from nothing, 0 to 1\n"
    "crisp-ik evaluate my_robot.npz held_out.csv --json \\\n  | jq '.\"solved without a seed\"'",
)
MEASURED = "What was measured"
REGISTER_EXAMPLES = (
    "# the tracker was set up again\ncrisp-ik register my_robot.npz rows.csv registered.npz --frame unknown",
    "# the tool was mounted again; the model file itself\n"
    "crisp-ik register my_robot.npz rows.csv --in-place --tool unknown \\\n  --frame known",
)
CRISP = "CRiSP (kernel regression) only"
LEARNED = "LearnedKinematics only"
LARGE = "Many samples"
WRITTEN = "What else is written"


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

    auto = "auto"

    known = "known"
    unknown = "unknown"


class SetUpName(str, Enum):
    """State of a part of the measuring set-up: known, unknown, or left to the data."""

    known = "known"
    unknown = "unknown"


def train(
    output: Annotated[Path, argument("Model file to write (.npz).", files(".npz"), metavar="MODEL")],
    data: Annotated[
        Path | None,
        option(
            help=f"Samples: {DATA_KINDS}. Default: drawn from the simulated robot around the demo's paths.",
            metavar="DATA", complete=complete_data,
        ),
    ] = None,
    estimator: Annotated[
        EstimatorName,
        option(
            help="crisp: kernel regression on full poses, near the data. learned_kinematics: identifies the arm's "
            "errors, from any data, and extrapolates. auto: the better of the two on held-out stops, said with its "
            "figures; crisp for samples drawn here; learned_kinematics where the data or another option asks for it.",
            metavar="NAME",
        ),
    ] = EstimatorName.auto,
    seed: Annotated[int, option(help="Seed of samples, splits and centers.", metavar="N")] = 0,
    as_json: Json = False,
    robot: Robot = "panda",
    base_link: BaseLink = "",
    tip_link: TipLink = "",
    frame: Annotated[
        PlaceName,
        option(
            help="known: measurements are in the base frame; unknown: the frame is found too; auto: as the data shows.",
            panel=MEASURED, metavar="WHETHER",
        ),
    ] = PlaceName.auto,
    tool: Annotated[
        PlaceName,
        option(
            help="known: the tip link is what was measured; unknown: where the marker sits is found too; auto: as the "
            "data shows.",
            panel=MEASURED, metavar="WHETHER",
        ),
    ] = PlaceName.auto,
    position_noise: Annotated[
        float | None,
        option(
            help="Standard deviation of the device's positions along each axis [m]; default: found.",
            panel=MEASURED, metavar="M",
        ),
    ] = None,
    force: Annotated[
        bool,
        option(
            "--force", help="Train on data even where a model of it would be worse than none.",
            panel=MEASURED, metavar="",
        ),
    ] = False,
    payload_center: Annotated[
        tuple[float, float, float] | None,
        option(
            help="Center of mass of what the tip carries where the data has payloads, in the tip's frame [m]; default: "
            "found where the data tells it, otherwise its origin.",
            panel=LEARNED, metavar="X Y Z",
        ),
    ] = None,
    harmonics: Annotated[
        int | None,
        option(
            min=0, max=100, help="Periodic errors of up to so many periods a turn; default: the estimator's.",
            panel=LEARNED, metavar="N",
        ),
    ] = None,
    distance: PointDistance = None,
    pose_files: PoseFiles = None,
    report: Annotated[
        Path | None,
        option(help="Page with pictures (.html).", panel=WRITTEN, metavar="FILE", complete=files(".html")),
    ] = None,
    corrected_urdf: Annotated[
        Path | None,
        option(
            help="URDF with the geometry that was identified.", panel=WRITTEN, metavar="URDF", complete=files(".urdf")
        ),
    ] = None,
    loss: Annotated[
        LossName,
        option(
            help="What is compared: residual (errors of the model), forward_kinematics or radians (the paper's).",
            panel=CRISP, metavar="NAME",
        ),
    ] = LossName.residual,
    kernel: Annotated[
        KernelName,
        option(
            help="gaussian, laplacian or linear; its length scales are chosen on held-out samples.",
            panel=CRISP, metavar="NAME",
        ),
    ] = KernelName.gaussian,
    penalty: Annotated[
        float | None, option(help="Default: chosen on held-out samples.", panel=CRISP, metavar="X")
    ] = None,
    centers: Annotated[
        int,
        option(min=0, help="Nystrom centers; 0: exact regression on all samples.", panel=CRISP, metavar="N"),
    ] = 2000,
    center_selection: Annotated[
        CenterSelectionName,
        option(
            help="uniform: by chance; kmeans++: spread out; leverage: where samples matter most.",
            panel=CRISP, metavar="NAME",
        ),
    ] = CenterSelectionName.uniform,
    validation: Annotated[
        ValidationName,
        option(
            help="What length scales and penalty are judged on: held_out samples, or leave_one_out (few samples).",
            panel=CRISP, metavar="NAME",
        ),
    ] = ValidationName.held_out,
    memory_map: Annotated[
        bool,
        option("--memory-map", help="Leave the numbers of a large --data .npz in the file.", panel=LARGE, metavar=""),
    ] = False,
    scheduler: Annotated[
        str | None,
        option(
            help="Address of a Dask scheduler, whose cluster sums over the samples (extra 'dask').",
            panel=LARGE, metavar="tcp://HOST:PORT",
        ),
    ] = None,
    count: Annotated[
        int, option(min=8, help="Samples to draw where no --data is given.", panel="The simulated robot", metavar="N")
    ] = 5000,
    joint_bias_deg: JointBias = 0.0,
    link_bias_mm: LinkBias = 0.0,
    bias_seed: BiasSeed = -1,
) -> None:  # fmt: skip
    """Learn a model from samples and save it.

    The file is what 'ros2 run crisp_ik ik_service --ros-args -p model:=FILE' serves, what 'crisp-ik ik' and load_model
    read. Data of which a model would be worse than none is refused, and what is wrong with it is said (crisp-ik
    inspect). 'crisp-ik evaluate' says how good the model is on samples that it has not seen.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.cli_progress import progress_bars
    from crisp_ik_ros.terminal import show
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
        harmonics=harmonics,
        position_noise=position_noise,
        payload_center=payload_center,
        force=force,
    )
    with progress_bars(as_json) as bar:
        summary = commands.train_model(
            commands.SimulatedRobot(robot, base_link, tip_link, joint_bias_deg, link_bias_mm, bias_seed),
            request,
            data,
            distance,
            count,
            bar,
            memory_map,
            pose_files and pose_files.value,
        )
    show(summary, as_json)


def evaluate(
    model: Model,
    data: Annotated[
        Path, argument(f"Samples that the model was not trained on: {DATA_KINDS}.", complete_data, metavar="DATA")
    ],
    residuals: Annotated[
        Path | None,
        option(
            help="Table to write (.csv): errors, bound and support of each row.", metavar="FILE",
            complete=files(".csv"),
        ),
    ] = None,
    frame: Annotated[
        SetUpName,
        option(
            help="known: as the model has it; unknown: fitted to these samples first, for URDF and model alike.",
            panel=MEASURED, metavar="WHETHER",
        ),
    ] = SetUpName.known,
    tool: Annotated[
        SetUpName, option(help="As --frame: where the marker sits on the tip link.", panel=MEASURED, metavar="WHETHER")
    ] = SetUpName.known,
    payload: Annotated[
        float | None,
        option(
            min=0.0, max=1000.0, help="Mass that the tip carried where the samples do not say it [kg]; default: the "
            "model's own.", panel=MEASURED, metavar="KG",
        ),
    ] = None,
    distance: PointDistance = None,
    pose_files: PoseFiles = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Compare a model with the plain URDF, on samples.

    How far each misplaces the tool (mm and mrad): mean, median, 95 % and largest; the share of the samples within the
    model's bound of 95 %; and how often and how fast poses are solved from nothing.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.cli_progress import progress_bars
    from crisp_ik_ros.terminal import show

    with progress_bars(as_json) as bar:
        bar("evaluating")
        summary = commands.evaluate_model(
            model, data, distance, frame is SetUpName.unknown, tool is SetUpName.unknown, residuals, payload,
            pose_files and pose_files.value,
        )  # fmt: skip
    show(summary, as_json)


def register(
    model: Model,
    rows: Annotated[
        Path, argument(f"3 to 10 rows of the new set-up: {DATA_KINDS}.", complete_data, metavar="ROWS")
    ],
    output: Annotated[
        Path | None, argument("Model file to write (.npz), not MODEL itself.", files(".npz"), metavar="OUT")
    ] = None,
    frame: Annotated[
        SetUpName | None,
        option(
            help="unknown: the measuring frame is found; known: it stays. Default: as in the training.",
            panel=MEASURED, metavar="WHETHER",
        ),
    ] = None,
    tool: Annotated[
        SetUpName | None,
        option(help="As --frame: where the marker sits on the tip link.", panel=MEASURED, metavar="WHETHER"),
    ] = None,
    payload: Annotated[
        float | None,
        option(
            min=0.0, max=1000.0, help="Mass that the tip carried where the rows do not say it [kg]; default: the "
            "model's own.", panel=MEASURED, metavar="KG",
        ),
    ] = None,
    pose_files: PoseFiles = None,
    in_place: Annotated[bool, option("--in-place", help="Replace MODEL.", panel=WRITTEN, metavar="")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Find a model's measuring frame and tool anew.

    For a device that was set up, or a tool that was mounted, again: 3 poses or 5 positions suffice, 10 are better. What
    the model knows of the arm stays. Printed are the errors on these rows before and after, and how far frame and tool
    moved; the bound of the model has what the rows leave unknown.
    """
    from crisp_ik_ros import commands
    from crisp_ik_ros.terminal import show

    summary = commands.register(
        model, rows, output, frame and frame.value, tool and tool.value, in_place, payload,
        pose_files and pose_files.value,
    )  # fmt: skip
    show(summary, as_json)
