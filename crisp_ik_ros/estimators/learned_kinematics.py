"""Robot model that learns from measurements where its tool really is."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crisp_ik_ros.datasets.checks import HEAVIEST_PAYLOAD
from crisp_ik_ros.datasets.dataset import Dataset
from crisp_ik_ros.errors import DatasetError, InvalidInputError, NotFittedError
from crisp_ik_ros.estimators.hyperparameters import check_answering, check_positive, check_whole
from crisp_ik_ros.estimators.identification.findings import (
    Identified,
    findings,
    load_masses_of,
    load_warnings,
    warnings_of,
)
from crisp_ik_ros.estimators.identification.measurements import first_pose, read_measurements, usual_payload
from crisp_ik_ros.estimators.identification.parameters import MOST_HARMONICS, Layout
from crisp_ik_ros.estimators.identification.priors import Priors
from crisp_ik_ros.estimators.identification.registration import read_registration, register
from crisp_ik_ros.estimators.identification.spread import nearness_of
from crisp_ik_ros.estimators.identification.stages import KernelChoice, Progress, calibrated_uncertainty, learn
from crisp_ik_ros.estimators.identification.uncertainty import Uncertainty, joint_ranges
from crisp_ik_ros.estimators.identification.validation import OUTLIER, summary
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.estimators.requests import Wanted
from crisp_ik_ros.losses.loss import Loss
from crisp_ik_ros.losses.residual import ResidualLoss
from crisp_ik_ros.regression.threads import limit_threads
from crisp_ik_ros.robots.corrections import all_periodic_terms
from crisp_ik_ros.robots.gravity import GRAVITY
from crisp_ik_ros.robots.robot_model import RobotModel
from crisp_ik_ros.robots.urdf import LARGEST_LENGTH
from crisp_ik_ros.solvers.result import (
    BLENDED,
    CORRECTED,
    LEARNED,
    NOMINAL,
    SOURCE,
    STATUS,
    SUCCESS,
    SUPPORT,
    Answers,
)
from crisp_ik_ros.transforms import Array

# Fewer samples say nothing of an arm.
FEWEST = 8
# Gravity beyond that of any place [m/s^2].
STRONGEST_GRAVITY = 1e3
# Support from which the data decides, and below which it says nothing.
FULL_SUPPORT, LEAST_SUPPORT = 0.5, 0.05
# A kernel term's centers are near from this coverage, and no sample is where the tool's position is known so many times
# less well than at the samples.
NEAR, FAR = 0.5, 3.0


class LearnedKinematics(InverseKinematics, RobotModel):
    """A robot whose forward kinematics carries learned corrections, and inverse kinematics through it.

    Fitted to a few dozen to a few thousand measurements of any kind: full poses, positions only, or configurations in
    which the tool was at the same unknown point. What is identified, by Gauss-Newton with priors in physical units:
    a correction of each joint's frame; each joint's zero, scale and periodic error; deflection and bending under
    gravity; and, where the evidence asks for it, a kernel term in configuration space, with K(q, q') = sum over j of
    J_j(q) J_j(q')^T k_j(q, q') on Nystrom centers (DESIGN 2). Scales of the priors and of the noise are fitted too
    (MacKay 1992); gross errors in the data count little (Student's distribution).

    It is a RobotModel: whatever takes one takes it. Before ``fit`` it is the nominal robot.

    Parameters
    ----------
    robot : RobotModel
        The nominal model, from a URDF.
    frame : "known" or "unknown"
        Whether measurements are in the base frame. An unknown measuring frame is found with the rest.
    tool : "known" or "unknown"
        Whether what was measured is the tip link. Otherwise it is a marker somewhere on it, whose offset is found too.
    priors : Priors
        What is believed before there is data. The defaults serve all arms.
    harmonics : int
        Periodic errors of up to so many periods a turn. More than 6 are learned where held-out samples ask for them.
    kernel : "auto" or "none"
        Whether there may be a kernel term.
    length_scales : sequence of float
        Of the kernel term, among which the evidence chooses [rad].
    centers : int
        Nystrom centers of the kernel term, at most.
    gravity : (3,)
        Base frame [m/s^2].
    position_noise, orientation_noise : float, optional
        Standard deviations of the measuring device [m, rad], where the data does not say them. Without them all that
        no parameter explains is taken for the arm's own, and is in the bound.
    payload_center : (3,), optional
        Centre of mass of what the tip carries where the data has payloads, in the tip's frame [m]. Default: fitted
        where the evidence asks for it, the tip's origin otherwise.
    largest : int
        Of more samples, so many are drawn.
    null_space_weight, position_tolerance, orientation_tolerance, timeout, random_state
        As in ``ModelBasedIK``.

    Attributes
    ----------
    robot_ : RobotModel
        The corrected robot.
    geometric_robot_ : RobotModel
        With its frames corrected, and joints that do what they are told: what a URDF can say.
    frame_, tool_ : (4, 4)
        The base in the measuring frame; what was measured, in the tip link's frame [m]: of the first session.
    frames_, tools_ : dict
        The same of each session, by its name, and of each marker, as "session/marker". One entry "" where the data
        names none.
    payload_ : float
        Mass that the robot carries [kg]: the data's usual one, until ``with_payload``.
    payload_center_ : (3,)
        Its center of mass, as it was given or found, in the tip's frame [m].
    payload_center_source_ : str
        "given", "fitted", or "assumed": at the tip's origin, as no load was measured or none says otherwise.
    fitted_payloads_ : dict
        Mass and its standard deviation [kg] of each load that the data calls unknown (payload NaN), by session.
    identified_ : tuple of Identified
        Each parameter with its standard deviation, and how much of it the data has told.
    noise_ : (float, float)
        Standard deviations of a measured position along each axis and of a measured orientation, with what no
        parameter explains but for errors of the joints [m, rad].
    outliers_ : (k,)
        Rows of the data that fit nothing else.
    evidence_ : dict
        Logarithm of the marginal likelihood without a kernel term, and with one of each length scale.
    validation_ : dict
        Errors on held-out samples, of this model and of the nominal one [m, rad].
    held_out_, rows_ : Validation, (n,)
        Residuals on held-out samples, and the data's rows that they are of; a file does not keep them.
    warnings_ : tuple of str
        What is wrong with the data or the model, in sentences.
    """

    def __init__(
        self,
        robot: RobotModel,
        frame: str = "known",
        tool: str = "known",
        priors: Priors | None = None,
        harmonics: int = 52,
        kernel: str = "auto",
        length_scales: Sequence[float] = (1.0, 2.0, 4.0),
        centers: int = 200,
        gravity: ArrayLike = GRAVITY,
        position_noise: float | None = None,
        orientation_noise: float | None = None,
        payload_center: ArrayLike | None = None,
        largest: int = 5000,
        null_space_weight: float = 0.03,
        position_tolerance: float = 1e-6,
        orientation_tolerance: float = 1e-5,
        timeout: float = 0.05,
        random_state: int = 0,
    ):
        RobotModel.__init__(
            self, robot.joints, robot.base_link, robot.tip_link, robot.name, robot.urdf_sha256, robot.rest,
            robot.chain.corrections, robot.masses, robot.mass_centers,
        )  # fmt: skip
        self.robot = robot
        self.frame = frame
        self.tool = tool
        self.priors = priors
        self.harmonics = harmonics
        self.kernel = kernel
        self.length_scales = length_scales
        self.centers = centers
        self.gravity = gravity
        self.position_noise = position_noise
        self.orientation_noise = orientation_noise
        self.payload_center = payload_center
        self.largest = largest
        self.null_space_weight = null_space_weight
        self.position_tolerance = position_tolerance
        self.orientation_tolerance = orientation_tolerance
        self.timeout = timeout
        self.random_state = random_state
        self._residual_loss = ResidualLoss()

    def fit(self, dataset: Dataset, progress: Progress | None = None) -> LearnedKinematics:
        """Learn from measurements of the real robot.

        Parameters
        ----------
        dataset : Dataset
            Samples of any kind, mixed.
        progress : callable, optional
            Called as progress(done, total).

        Raises
        ------
        InvalidInputError
            When a hyperparameter is out of range.
        DatasetError
            When the samples are not this robot's, or too few.
        RegressionError
            When nothing can be identified.
        """
        priors = self._check_hyperparameters()
        with limit_threads(0.0):
            return self._fit(dataset, priors, progress)

    def _fit(self, dataset: Dataset, priors: Priors, progress: Progress | None) -> LearnedKinematics:
        if len(dataset) < FEWEST:
            raise DatasetError(f"got {len(dataset)} samples, expected at least {FEWEST}; 50 or more identify an arm")
        rows = np.arange(len(dataset))
        if len(dataset) > self.largest:
            rows = np.sort(np.random.default_rng(self.random_state).choice(rows, self.largest, replace=False))
            dataset = dataset.subset(rows)
        # Of several markers no more than one can be the tip link.
        unknown = self.frame == "unknown", self.tool == "unknown" or len(dataset.marker_names) > 1
        data = read_measurements(self.robot, dataset, priors, unknown, (self.position_noise, self.orientation_noise))
        bodies = self.robot.bodies(self.gravity)
        free = self.payload_center is None
        center = (0.0, 0.0, 0.0) if self.payload_center is None else tuple(np.asarray(self.payload_center, dtype=float))
        layout = Layout(self.robot, self.harmonics, bodies, payload_center=tuple(map(float, center)))
        kernel = KernelChoice(tuple(self.length_scales) if self.kernel == "auto" else (), self.centers)
        learnt = learn(data, layout, priors, unknown, kernel, dataset.locations, self.random_state, progress, free)
        fit, data, validation = learnt.fit, learnt.data, learnt.validation
        uncertainty = calibrated_uncertainty(fit, data, validation, self.random_state)
        # Only now, that nothing can fail, does the estimator change.
        masses = fit.layout.load_masses(fit.parameters, data.payloads, data.load_of)
        self.payload_ = 0.0 if masses is None else usual_payload(np.maximum(masses, 0.0))
        self.payload_center_source_ = "fitted" if fit.layout.center_fitted else "assumed" if free else "given"
        self.fitted_payloads_ = {
            name: (max(mass, 0.0), deviation) for name, (mass, deviation) in load_masses_of(fit, data).items()
        }
        self._take_parameters(fit.layout, fit.parameters, first_pose(fit.frame), first_pose(fit.tool))
        self.frames_ = dict(zip(data.frame_names, fit.frame.reshape(-1, 4, 4), strict=True))
        self.tools_ = dict(zip(data.tool_names, fit.tool.reshape(-1, 4, 4), strict=True))
        self._uncertainty = uncertainty.carrying(fit.layout, self.payload_)
        self.outliers_ = rows[fit.weights < OUTLIER]
        typical = np.sqrt(np.median(data.noise**2, axis=0) + np.array([fit.excess**2, 0.0]))
        self.noise_ = tuple((fit.factors * typical).tolist())
        self.evidence_ = learnt.evidence
        self.validation_: dict[str, Any] = summary(validation)
        self.identified_: tuple[Identified, ...] = findings(fit)
        self.residuals_ = (fit.position, fit.orientation)
        self.held_out_, self.rows_ = validation, rows
        self.samples_ = len(dataset)
        self.training_summary: dict[str, object] = {}
        self.warnings_ = (
            *self.robot.mass_warnings(),
            *warnings_of(fit, data, priors, self.validation_, self.outliers_),
            *load_warnings(fit, data, learnt.center_deviation),
        )
        return self

    @property
    def directions(self) -> int:  # type: ignore[override]
        """Number of directions in which the nominal robot can move its tool.

        Learned tilts of joints give a planar arm a little of the other three, which no one moves it in.
        """
        return self.robot.directions

    @property
    def harmonics_(self) -> int:
        """Largest number of periods a turn that was learned."""
        self._fitted()
        return self._layout.harmonics

    @property
    def misfit_(self) -> tuple[float, float]:
        """Standard deviations of what no parameter explains of the arm: of positions [m], and of each joint [rad]."""
        uncertainty = self._fitted()
        return uncertainty.misfit, uncertainty.joint_misfit

    def periodic_errors(self, positions: ArrayLike) -> tuple[Array, Array]:
        """Periodic error of each joint at positions of its own, and the standard deviation of it.

        Parameters
        ----------
        positions : (n, J)
            Of the joints [rad or m].

        Returns
        -------
        errors, deviations : (n, J)
            [rad or m].
        """
        uncertainty, layout = self._fitted(), self._layout
        q = np.ascontiguousarray(positions, dtype=float)
        terms = all_periodic_terms(layout.rates, q, layout.harmonics) * layout.units[:, None]
        own = layout.slices()["harmonics"]
        values = self._parameters[own].reshape(self.dof, -1)
        samples = uncertainty.samples[own].reshape(*values.shape, uncertainty.samples.shape[1])
        spread = np.einsum("njk,jks->njs", terms, samples)
        return np.einsum("njk,jk->nj", terms, values), uncertainty.factor * np.sqrt((spread**2).mean(axis=2))

    def measured_nearness(self, positions: ArrayLike) -> Array:
        """Nearness (n, J) of the data to positions (n, J) of each joint by itself: 1 near, 0 far from all."""
        uncertainty = self._fitted()
        q = np.asarray(positions, dtype=float)
        if uncertainty.nearness is None:
            return np.ones(q.shape)
        return np.asarray(nearness_of(uncertainty.nearness, *joint_ranges(self.robot), np.ascontiguousarray(q)))

    def predicted_error(self, configurations: ArrayLike) -> Array:
        """Bound (...) [m] that the position of the real tool is within of this model's, with 95 % probability.

        Where frame or tool are unknown, of what the measuring device shows: where its frame's base is, nobody can tell.

        Parameters
        ----------
        configurations : (..., J)

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        q = self.robot.check_configuration(configurations)
        bounds = self._fitted().bounds(q.reshape(-1, self.dof))
        return bounds.reshape(q.shape[:-1])

    def support(self, configurations: ArrayLike) -> Array:
        """How much of what was unknown of the tool's position the data has told: 0 (nothing) to 1, shape (...)."""
        q = self.robot.check_configuration(configurations)
        return self._fitted().supports(q.reshape(-1, self.dof))[:, 0].reshape(q.shape[:-1])

    def measured_poses(
        self,
        configurations: ArrayLike,
        session: str | None = None,
        marker: str | None = None,
        payloads: ArrayLike | None = None,
    ) -> Array:
        """Poses (..., 4, 4) that the measuring device would show, in its own frame and of its own marker [m].

        Parameters
        ----------
        configurations : (..., J)
        session, marker : str, optional
            As the data named them. Default: the first.
        payloads : (...), optional
            What the tip carries at each configuration [kg]. Default: ``payload_``.

        Raises
        ------
        InvalidInputError
            When there was no such session or marker, or a payload is below 0.
        NotFittedError
            Before ``fit``.
        """
        self._fitted()
        frame, tool = self._mounting(session, marker)
        return frame @ self.poses_with_payload(configurations, payloads) @ tool

    def poses_with_payload(self, configurations: ArrayLike, payloads: ArrayLike | None = None) -> Array:
        """Tip poses (..., 4, 4) [m], base frame, of configurations (..., J) with what the tip carries there [kg].

        Raises
        ------
        InvalidInputError
            When a payload is below 0, or more than an arm can carry.
        NotFittedError
            Before ``fit``.
        """
        self._fitted()
        if payloads is None:
            return self.robot_.forward_kinematics(configurations)
        q = self.robot.check_configuration(configurations)
        masses = np.broadcast_to(check_payloads(payloads), q.shape[:-1]).ravel()
        poses = self._layout.forward_kinematics(self._parameters, q.reshape(-1, self.dof), masses)
        return poses.reshape(*q.shape[:-1], 4, 4)

    def mountings(self, dataset: Dataset) -> tuple[Array, Array]:
        """Measuring frame and tool of samples, (4, 4) or of each one (n, 4, 4).

        Of sessions and markers that the model does not know, those of the first.
        """
        self._fitted()
        if len(self.frames_) == len(self.tools_) == 1:
            return self.frame_, self.tool_
        count = len(dataset)
        sessions = np.zeros(count, dtype=int) if dataset.sessions is None else dataset.sessions
        markers = np.zeros(count, dtype=int) if dataset.markers is None else dataset.markers
        session_names, marker_names = dataset.session_names or ("",), dataset.marker_names or ("",)
        frames, tools = np.empty((2, count, 4, 4))
        for session, marker in {*zip(sessions.tolist(), markers.tolist(), strict=True)}:
            try:
                place = self._mounting(session_names[session], marker_names[marker])
            except InvalidInputError:
                place = self.frame_, self.tool_
            own = (sessions == session) & (markers == marker)
            frames[own], tools[own] = place
        return frames, tools

    def _mounting(self, session: str | None, marker: str | None) -> tuple[Array, Array]:
        """Measuring frame and tool (4, 4) of a session and a marker, as the data named them."""
        frame, tool = self.frame_, self.tool_
        if session and len(self.frames_) > 1:
            frame = _named(self.frames_, session, "session")
        name = "/".join(filter(None, (session, marker)))
        if name and len(self.tools_) > 1:
            # A session that was measured at one marker only needs no marker's name.
            matching = [key for key in self.tools_ if key == name or key.split("/")[0] == name]
            tool = _named(self.tools_, matching[0] if len(matching) == 1 else name, "marker")
        return frame, tool

    def with_payload(self, mass: float) -> LearnedKinematics:
        """Return this model of the robot when its tip carries a mass [kg], centred at ``payload_center_``.

        Raises
        ------
        InvalidInputError
            When it is below 0, or more than an arm can carry.
        NotFittedError
            Before ``fit``.
        """
        uncertainty = self._fitted()
        model = copy(self)
        model.payload_ = float(check_payloads(mass))
        model._take_parameters(self._layout, self._parameters, self.frame_, self.tool_)
        model._uncertainty = uncertainty.carrying(self._layout, model.payload_)
        return model

    def payloads_of(self, dataset: Dataset) -> Array | None:
        """Mass (n,) that the tip carried at each sample [kg]; None where the data has no payloads.

        Where the data does not state it: that of the sample's session, if it was fitted, or ``payload_``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        self._fitted()
        if dataset.payloads is None:
            return None
        masses = np.array(dataset.payloads)
        for row in np.flatnonzero(np.isnan(masses)):
            session = "" if dataset.sessions is None else dataset.session_names[dataset.sessions[row]]
            masses[row] = self.fitted_payloads_.get(session, (self.payload_, 0.0))[0]
        return masses

    def register(self, dataset: Dataset, frame: str | None = None, tool: str | None = None) -> LearnedKinematics:
        """Return this model with measuring frame and tool found anew, from a few samples; the arm stays as it is.

        For a device that was set up again, or a tool that was mounted again. 3 full poses or 5 positions suffice, 10
        are better: the bound has what they leave unknown.

        Parameters
        ----------
        dataset : Dataset
            Poses or positions of one session, and of one marker.
        frame, tool : "known" or "unknown", optional
            Parts that are found; a known one stays as it is. Default: as the constructor says.

        Raises
        ------
        DatasetError
            When the samples are too few, or do not tell it.
        InvalidInputError
            When frame and tool are both known.
        NotFittedError
            Before ``fit``.
        """
        uncertainty = self._fitted()
        places = frame or self.frame, tool or self.tool
        for name, place in zip(("frame", "tool"), places, strict=True):
            if place not in ("known", "unknown"):
                raise InvalidInputError(name, repr(place), "'known' or 'unknown'")
        if places == ("known", "known"):
            raise InvalidInputError("frame, tool", "'known' both: nothing to register", "one of them 'unknown'")
        data = read_registration(self._layout, dataset, places)
        with limit_threads(0.0):
            found = register(
                uncertainty, self._layout, data, places, self.payload_, self.noise_, self.random_state
            )  # fmt: skip
        model = copy(self)
        # A part that the training found and the registration kept is still no part of the base frame.
        model.frame = "unknown" if "unknown" in (self.frame, places[0]) else "known"
        model.tool = "unknown" if "unknown" in (self.tool, places[1]) else "known"
        model.frame_, model.tool_ = found.frame, found.tool
        model.frames_, model.tools_ = {"": found.frame}, {"": found.tool}
        there = uncertainty.at(found.frame, found.tool, found.measuring)
        # Nearness to the data is by the spread of the tool, which has grown everywhere.
        spreads = [one.supports(data.configurations)[:, 2] for one in (uncertainty, there)]
        growth = np.median(spreads[1]) / max(float(np.median(spreads[0])), 1e-12)
        model._uncertainty = replace(there, amid=float(uncertainty.amid * max(growth, 1.0)))
        model.warnings_ = (*self.warnings_, *found.warnings)
        model.training_summary = {
            **self.training_summary,
            "registered": {"samples": len(dataset), "frame": places[0], "tool": places[1]},
        }
        return model

    def tip_poses(self, measured: ArrayLike) -> Array:
        """Targets (..., 4, 4) for ``solve`` of poses that the measuring device would show."""
        self._fitted()
        return np.linalg.inv(self.frame_) @ np.asarray(measured, dtype=float) @ np.linalg.inv(self.tool_)

    def save(self, path: str | Path) -> None:
        """Write the fitted model to ``path`` (.npz), replacing it only when it is complete."""
        from crisp_ik_ros.estimators.model_file import save_model

        self._fitted()
        save_model(self, path)

    @property
    def _loss(self) -> Loss:
        return self._residual_loss

    @property
    def _kinematics(self) -> RobotModel:
        return getattr(self, "robot_", self.robot)

    def _answers(self, *arguments: Any) -> Answers | None:
        answers = super()._answers(*arguments)
        if answers is not None and hasattr(self, "robot_"):
            known = self._uncertainty
            for row, (support, coverage, spread) in zip(answers.rows, known.supports(answers.rows), strict=True):
                near = coverage >= NEAR and spread <= FAR * known.amid
                row[self.dof + SUPPORT], row[self.dof + SOURCE] = support, _source(support, near)
            poses, _, _, wanted, *_ = arguments
            self._answer_nominally(answers.rows, poses, wanted)
        return answers

    def _answer_nominally(self, rows: Array, poses: Array, wanted: Wanted) -> None:
        """Replace answers of which the data says nothing by the URDF's, which is all that is known; poses (n, 4, 4)."""
        for row, pose in zip(rows, poses, strict=True):
            if row[self.dof + SOURCE] != NOMINAL or row[self.dof + STATUS] != SUCCESS:
                continue
            # An answer within a bound on the joints' steps is not moved out of it.
            bounded = wanted.max_joint_step is not None and np.isfinite(wanted.max_joint_step).any()
            found = (
                None
                if bounded
                else self._nominal.solve(pose, row[: self.dof], wanted.timeout, task=wanted.task, nearest=True)
            )
            if found is not None and found.success:
                row[: self.dof + 2] = *found.configuration, found.position_error, found.orientation_error
            else:
                # The URDF's robot was not asked, or cannot reach it: the answer stays the learned one's, and says so.
                row[self.dof + SOURCE] = BLENDED

    @cached_property
    def _nominal(self) -> ModelBasedIK:
        return ModelBasedIK(
            self.robot, self.null_space_weight, self.position_tolerance, self.orientation_tolerance, self.timeout,
            self.random_state,
        )  # fmt: skip

    def _take_parameters(self, layout: Layout, parameters: Array, frame: Array, tool: Array) -> None:
        """Become the robot that has these parameters (P,) and carries ``payload_``."""
        self._layout, self._parameters = layout, parameters
        self.payload_center_ = layout.load_center(parameters)
        self.robot_ = layout.with_payload(self.payload_, parameters).robot_with(parameters)
        self.geometric_robot_ = layout.geometric_robot(parameters)
        self.frame_, self.tool_ = frame, tool
        robot = self.robot_
        self.joints, self.chain, self.reach, self.anchor = robot.joints, robot.chain, robot.reach, robot.anchor
        self.fingerprint = robot.fingerprint
        self._forget_compiled()

    def _fitted(self) -> Uncertainty:
        if not hasattr(self, "robot_"):
            raise NotFittedError("call fit first, or load a trained model with load_model")
        return self._uncertainty

    def _check_hyperparameters(self) -> Priors:
        for name in ("frame", "tool"):
            if getattr(self, name) not in ("known", "unknown"):
                raise InvalidInputError(name, repr(getattr(self, name)), "'known' or 'unknown'")
        if self.kernel not in ("auto", "none"):
            raise InvalidInputError("kernel", repr(self.kernel), "'auto' or 'none'")
        check_whole(0, most=MOST_HARMONICS, harmonics=self.harmonics)
        check_whole(1, centers=self.centers)
        check_whole(FEWEST, largest=self.largest)
        check_answering(self)
        if not len(self.length_scales):
            raise InvalidInputError("length_scales", "none", "at least one")
        for scale in self.length_scales:
            check_positive(length_scales=scale)
        check_positive(
            optional=True, position_noise=self.position_noise, orientation_noise=self.orientation_noise
        )  # fmt: skip
        center = np.zeros(3) if self.payload_center is None else np.asarray(self.payload_center, dtype=float)
        if center.shape != (3,) or not (np.abs(center) <= LARGEST_LENGTH).all():
            raise InvalidInputError("payload_center", self.payload_center, "three numbers [m], or None to fit it")
        gravity = np.asarray(self.gravity, dtype=float)
        if gravity.shape != (3,) or not (np.abs(gravity) <= STRONGEST_GRAVITY).all():
            raise InvalidInputError("gravity", self.gravity, f"three numbers up to {STRONGEST_GRAVITY:g} [m/s^2]")
        priors = Priors() if self.priors is None else self.priors
        priors.check()
        return priors


def check_payloads(masses: ArrayLike) -> Array:
    """Payloads [kg] as an array; InvalidInputError where one is below 0 or more than any arm carries."""
    array = np.asarray(masses, dtype=float)
    if not ((array >= 0.0) & (array <= HEAVIEST_PAYLOAD)).all():
        raise InvalidInputError("payload", masses, f"0 to {HEAVIEST_PAYLOAD:g} kg")
    return array


def carrying(estimator: InverseKinematics, mass: float | None) -> InverseKinematics:
    """Return an estimator for a tip that carries a mass [kg]; None: what the model has.

    Raises
    ------
    InvalidInputError
        When the mass cannot be, or the estimator knows of no load.
    """
    if mass is None:
        return estimator
    if not isinstance(estimator, LearnedKinematics):
        raise InvalidInputError(
            "payload", f"{mass:g} kg with {type(estimator).__name__}", "a LearnedKinematics model, which knows of loads"
        )
    return estimator.with_payload(mass)


def _named(poses: dict[str, Array], name: str, what: str) -> Array:
    if name not in poses:
        raise InvalidInputError(what, repr(name), " or ".join(map(repr, poses)))
    return poses[name]


def _source(support: float, near: bool) -> int:
    """What an answer rests on, as its code."""
    if support < LEAST_SUPPORT:
        return NOMINAL
    if support < FULL_SUPPORT:
        return BLENDED
    return LEARNED if near else CORRECTED
