"""From samples to a model file, for the command line and the node alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.training.checks import Checked, check_samples
from crisp_ik_ros.training.comparison import choose_estimator
from crisp_ik_ros.training.findings import arm, kernel_term
from crisp_ik_ros.training.findings import loads as loads_of
from crisp_ik_ros.training.geometry import write_corrected_urdf
from crisp_ik_ros.training.report import write_report
from crisp_ik_ros.training.request import AUTO, CRISP, KNOWN, LEARNED_KINEMATICS, TrainingRequest
from crisp_ik_ros.training.resources import check_outputs, check_training_memory
from crisp_ik_ros.training.samples import counts, payload_range

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Trained:
    """A model that was made.

    Attributes
    ----------
    model : CRiSP or LearnedKinematics
    choice : str
        Which estimator, and why.
    dataset : Dataset
        What it was fitted to.
    notes : tuple of str
        What else there is to say, in sentences.
    checked : Checked
        What a look into the samples showed.
    seconds : float
        For fitting and writing.
    """

    request: TrainingRequest
    model: CRiSP | LearnedKinematics
    choice: str
    dataset: Dataset
    notes: tuple[str, ...]
    seconds: float
    checked: Checked
    figures: dict[str, Any]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before trusting the model."""
        return (*self.checked.warnings, *self.model.warnings_)

    def summary(self) -> dict[str, Any]:
        """What is shown of it, warnings first."""
        output = self.request.output
        shown: dict[str, Any] = {
            "warnings": list(self.warnings),
            "estimator": self.choice,
            **({"comparison, held out [mm]": self.figures} if self.figures else {}),
            **({"frame and tool": self.checked.placement} if self.checked.placement else {}),
            "file": str(output),
            "kilobytes": output.stat().st_size // 1000,
            "samples": len(self.dataset),
            "kinds": counts(self.dataset),
        }
        if isinstance(self.model, LearnedKinematics):
            loads = payload_range(self.dataset)
            shown |= {"payload [kg]": {**loads, "the model's own": self.model.payload_}} if loads else {}
            shown |= (
                {"payload center [m]": self.model.payload_center_.tolist(), **loads_of(self.model)} if loads else {}
            )
            shown |= _learned(self.model)
        else:
            shown |= _crisp(self.model)
        shown["validation"] = self.model.validation_
        if self.request.report is not None:
            shown["report"] = str(self.request.report)
        if self.request.corrected_urdf is not None:
            shown["corrected URDF"] = str(self.request.corrected_urdf)
        return shown | {"notes": list(self.notes), "seconds": self.seconds}


def train(
    request: TrainingRequest,
    robot: RobotModel,
    gather: Callable[[], Dataset],
    source: dict[str, Any],
    progress: Callable[[str], Progress],
    tell: Callable[[str], object] = lambda text: None,
    count: int | None = None,
) -> Trained:
    """Fit a model and write it, with what else was asked for.

    Parameters
    ----------
    request : TrainingRequest
    robot : RobotModel
        The nominal robot.
    gather : callable
        Returns the samples; called once the request is known to be good.
    source : dict
        Where they come from, for the model file.
    progress : callable
        Makes a progress callback for work with a name.
    tell : callable
        Told in a sentence what is being done.
    count : int, optional
        Samples that there will be, where that is known.

    Raises
    ------
    CrispIKError
        When the request or the data cannot be used, a model of the data would be worse than none, or the training does
        not fit into memory or on the disk; then no model is written. What is known without the data is refused before
        it is gathered.
    """
    request.check()
    check_outputs(request, count, robot.dof)
    if count is not None:
        check_training_memory(request, count, robot.dof, LEARNED_KINEMATICS if request.learns() else CRISP)
    dataset = gather()
    # Samples that were drawn here have no device that could fail.
    simulated = count is not None
    checked = Checked(KNOWN, KNOWN, {}) if simulated else check_samples(request, robot, dataset, tell)
    request = replace(request, frame=_decided(request.frame, checked.frame), tool=_decided(request.tool, checked.tool))
    choice = choose_estimator(request, robot, dataset, simulated, progress)
    name, why = choice.name, choice.why
    check_outputs(request, len(dataset), robot.dof)
    check_training_memory(request, len(dataset), robot.dof, name)
    notes = dataset.notes
    begin = time.perf_counter()
    model: CRiSP | LearnedKinematics
    if name == LEARNED_KINEMATICS:
        tell(f"fitting {counts(dataset)} with learned_kinematics ({why})")
        learned = LearnedKinematics(
            robot, frame=request.frame, tool=request.tool, random_state=request.seed, **request.options()
        )
        model = learned.fit(dataset, progress("identifying"))
        if request.unused():
            notes += (f"Options of CRiSP that LearnedKinematics has no use for: {', '.join(request.unused())}.",)
    else:
        tell(f"fitting {counts(dataset)} with crisp, loss {request.loss} ({why})")
        crisp = CRiSP(
            robot, request.loss, request.kernel, request.penalty, request.centers, random_state=request.seed,
            center_selection=request.center_selection, validation=request.validation, scheduler=request.scheduler,
        )  # fmt: skip
        model = crisp.fit(dataset, progress("choosing length scales, fitting"))
    own = {"warnings": list(model.warnings_)} if isinstance(model, CRiSP) and model.warnings_ else {}
    found = {
        "chosen": f"{name} ({why})" if request.estimator == AUTO else "",
        "payloads": payload_range(dataset) if name == LEARNED_KINEMATICS else {},
        "comparison": choice.figures, "placement": checked.placement, "data_warnings": list(checked.warnings),
    }  # fmt: skip
    model.training_summary = {**source, **own, **{key: value for key, value in found.items() if value}}
    if isinstance(model, CRiSP) and len(model.center_configurations_) < len(dataset):
        model.training_summary["center_selection"] = request.center_selection
    model.save(request.output)
    if isinstance(model, LearnedKinematics):
        if request.corrected_urdf is not None:
            notes += write_corrected_urdf(model, request.urdf, request.corrected_urdf)
        if request.report is not None:
            tell(f"writing {request.report}")
            write_report(model, dataset, request.report, source)
    seconds = time.perf_counter() - begin
    return Trained(request, model, f"{name} ({why})", dataset, notes, seconds, checked, choice.figures)


def _decided(asked: str, found: str) -> str:
    return found if asked == AUTO else asked


def readable(validation: dict[str, Any]) -> str:
    """Errors on held-out samples, in words."""
    known: dict[str, Callable[[float], str]] = {
        "nominal_position_rms": lambda value: f"nominal model {1e3 * value:.4g} mm rms",
        "position_rms": lambda value: f"position {1e3 * value:.4g} mm rms",
        "orientation_rms": lambda value: f"orientation {1e3 * value:.4g} mrad rms",
        "support_mean": lambda value: f"mean support {value:.2f}",
        "embedding_rms": lambda value: f"embedding {value:.4g} rms",
    }
    shown = [show(validation[key]) for key, show in known.items() if np.isfinite(validation.get(key, np.nan))]
    return ", ".join(shown) or "nothing could be held out"


def _crisp(model: CRiSP) -> dict[str, Any]:
    return {
        "centers": len(model.center_configurations_),
        "kernel": repr(model.kernel_),
        "penalty": model.penalty_,
    }


def _learned(model: LearnedKinematics) -> dict[str, Any]:
    undetermined = sum(parameter.undetermined for parameter in model.identified_)
    shown: dict[str, Any] = {}
    validation = model.validation_
    for label, prefix in (("nominal", "nominal_"), ("learned", "")):
        for unit, quantity in (("mm", "position"), ("mrad", "orientation")):
            figures = {
                kind: 1e3 * validation[f"{prefix}{quantity}_{kind}"]
                for kind in ("median", "mean", "max")
                if f"{prefix}{quantity}_{kind}" in validation
            }
            if figures:
                shown[f"{label}, held out [{unit}]"] = figures
    position, orientation = model.noise_
    return shown | {
        "noise": {"mm": 1e3 * position, "mrad": 1e3 * orientation},
        "parameters": {"from the data": len(model.identified_) - undetermined, "fixed by the prior": undetermined},
        "kernel term": kernel_term(model),
        **arm(model),
        "outliers": len(model.outliers_),
    }
