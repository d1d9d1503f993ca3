"""What is believed of a robot before it is measured, in physical units."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from crisp_ik_ros.estimators.hyperparameters import check_positive


@dataclass(frozen=True)
class Priors:
    """How far off the parts of a robot's model are thought to be: standard deviations.

    The data has the last word: each of these is the start of a scale that is fitted (``adapt``), as if
    ``pseudo_observations`` parameters of its size had been seen. The defaults are those of good industrial arms
    and are not specific to one.

    Attributes
    ----------
    frame_translation, frame_rotation : float
        Of each joint's frame, about and along axes square to the joint's [m, rad].
    joint_offset : float
        Zero of each joint's encoder [rad; for prismatic joints the frame's translation is that].
    tip_translation, tip_rotation : float
        Of the tip link on the last joint: how well the tool is known [m, rad].
    scale : float
        Gear ratio's error of each joint [rad/rad].
    harmonic : float
        Amplitude of each joint's periodic error of one period a turn; of k periods 1 / k^2 of it [rad].
    compliance : float
        Deflection of each joint under gravity [rad/Nm].
    kernel : float
        What else the joints do, as a smooth function of the configuration [rad].
    position_noise, orientation_noise : float
        Of a measurement, with what no part of the model explains [m, rad]; fitted, where the data does not say it.
    pseudo_observations : float
        Weight of these figures against the data when scales are fitted.
    adapt : bool
        Whether scales are fitted.
    """

    frame_translation: float = 3e-3
    frame_rotation: float = 9e-3
    joint_offset: float = 9e-3
    tip_translation: float = 5e-3
    tip_rotation: float = 9e-3
    scale: float = 3e-4
    harmonic: float = 2.5e-4
    compliance: float = 3e-5
    kernel: float = 5e-4
    position_noise: float = 1.5e-4
    orientation_noise: float = 5e-4
    pseudo_observations: float = 3.0
    adapt: bool = True

    def check(self) -> None:
        """Raise InvalidInputError where a figure is not above 0."""
        check_positive(**{name: value for name, value in asdict(self).items() if name != "adapt"})
