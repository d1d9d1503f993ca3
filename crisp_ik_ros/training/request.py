"""What a model is to be made of, and by which estimator."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.errors import InvalidInputError, MissingDependencyError
from crisp_ik_ros.estimators.hyperparameters import LARGEST_SEED, check_positive, check_whole
from crisp_ik_ros.estimators.identification.parameters import MOST_HARMONICS
from crisp_ik_ros.losses.evaluate import make_loss
from crisp_ik_ros.regression.centers import check_center_selection
from crisp_ik_ros.regression.kernels import KERNELS
from crisp_ik_ros.regression.selection import check_validation

AUTO, CRISP, LEARNED_KINEMATICS = "auto", "crisp", "learned_kinematics"
ESTIMATORS = (AUTO, CRISP, LEARNED_KINEMATICS)
KNOWN, UNKNOWN = "known", "unknown"
PLACES = (KNOWN, UNKNOWN, AUTO)
# Noise of a device that is none [m], and the farthest from the tip that what it carries has its centre of mass [m].
LARGEST_NOISE, LARGEST_CENTER = 0.1, 10.0


@dataclass(frozen=True)
class TrainingRequest:
    """A model that is to be made, and what is to be written.

    Attributes
    ----------
    output : Path
        Model file.
    estimator : str
        "crisp", "learned_kinematics", or "auto": by what is asked for, the data, and errors on held-out stops.
    frame, tool : "known", "unknown" or "auto"
        As in ``LearnedKinematics``; "auto": as the data shows.
    harmonics, position_noise, payload_center
        As in ``LearnedKinematics``; None: its defaults.
    loss, kernel, penalty, centers, center_selection, validation, scheduler
        As in ``CRiSP``; LearnedKinematics has no use for them.
    seed : int
        Of subsets, folds and centers.
    report, corrected_urdf : Path, optional
        Page with pictures, and URDF with the geometry that was identified: of LearnedKinematics.
    force : bool
        Whether samples of which a model would be worse than none are trained on all the same.
    urdf : str or Path
        The nominal robot's URDF, where a corrected one is asked for.
    """

    output: Path
    estimator: str = AUTO
    frame: str = "known"
    tool: str = "known"
    loss: str = "residual"
    kernel: str = "gaussian"
    penalty: float | None = None
    centers: int | None = 2000
    center_selection: str = "uniform"
    validation: str = "held_out"
    scheduler: str | None = None
    seed: int = 0
    report: Path | None = None
    corrected_urdf: Path | None = None
    urdf: str | Path = ""
    harmonics: int | None = None
    position_noise: float | None = None
    force: bool = False
    payload_center: tuple[float, float, float] | None = None

    def wishes(self) -> list[str]:
        """List what is asked for that only LearnedKinematics can do."""
        asked = {
            "an unknown measuring frame": self.frame == UNKNOWN,
            "an unknown tool": self.tool == UNKNOWN,
            "periodic errors": self.harmonics is not None,
            "the noise of the device": self.position_noise is not None,
            "a centre of the payload": self.payload_center is not None,
            "a report": self.report is not None,
            "a corrected URDF": self.corrected_urdf is not None,
        }
        return [name for name, there in asked.items() if there]

    def unused(self) -> list[str]:
        """List the options of CRiSP that are not at their defaults."""
        names = ("loss", "kernel", "penalty", "center_selection", "validation", "scheduler")
        return [name for name in names if getattr(self, name) != getattr(TrainingRequest, name)]

    def learns(self) -> bool:
        """Whether it is LearnedKinematics that full poses would be fitted with."""
        return self.estimator == LEARNED_KINEMATICS or (self.estimator == AUTO and bool(self.wishes()))

    def check(self) -> None:
        """Refuse what cannot be done, before any work.

        Raises
        ------
        InvalidInputError
            When a word is none of those expected, a number is out of range, the estimator cannot do what is asked for,
            or two outputs are one.
        MissingDependencyError
            When a report is asked for and matplotlib, which draws it, is not installed.
        """
        if self.estimator not in ESTIMATORS:
            raise InvalidInputError("estimator", repr(self.estimator), " or ".join(map(repr, ESTIMATORS)))
        for name in ("frame", "tool"):
            if getattr(self, name) not in PLACES:
                raise InvalidInputError(name, repr(getattr(self, name)), "'known', 'unknown' or 'auto'")
        make_loss(self.loss)
        if self.kernel not in KERNELS:
            raise InvalidInputError("kernel", repr(self.kernel), " or ".join(map(repr, KERNELS)))
        check_positive(optional=True, penalty=self.penalty)
        check_whole(1, optional=True, centers=self.centers)
        check_whole(0, most=LARGEST_SEED, seed=self.seed)
        check_whole(0, optional=True, most=MOST_HARMONICS, harmonics=self.harmonics)
        check_positive(optional=True, most=LARGEST_NOISE, position_noise=self.position_noise)
        if self.payload_center is not None and not (np.abs(self.payload_center) <= LARGEST_CENTER).all():
            raise InvalidInputError("payload_center", self.payload_center, f"numbers up to {LARGEST_CENTER:g} m")
        check_center_selection(self.center_selection)
        check_validation(self.validation)
        wishes = self.wishes()
        if self.estimator == CRISP and wishes:
            raise InvalidInputError("estimator", f"'crisp' with {' and '.join(wishes)}", "'learned_kinematics'")
        outputs = [path.resolve() for path in (self.output, self.report, self.corrected_urdf) if path is not None]
        if len(set(outputs)) < len(outputs):
            raise InvalidInputError("output", f"{outputs[0]} twice", "a file of its own for each output")
        if self.report is not None and find_spec("matplotlib") is None:
            raise MissingDependencyError(
                "the report's pictures need matplotlib, which is not installed: pip install matplotlib"
            )

    def options(self) -> dict[str, Any]:
        """Return the options of LearnedKinematics that are given."""
        given = {
            "harmonics": self.harmonics,
            "position_noise": self.position_noise,
            "payload_center": self.payload_center,
        }
        return {name: value for name, value in given.items() if value is not None}
