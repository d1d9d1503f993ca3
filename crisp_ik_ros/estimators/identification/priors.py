"""Priors of a robot's errors, in physical units, and the largest that any arm's can be."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from crisp_ik_ros.estimators.hyperparameters import check_positive

# Largest standard deviation that a scale may grow to, by field of ``Priors``: beyond it the data is another arm's, or
# says nothing of the parameter. A gear ratio is not 1 % off, nor a joint's zero 20 degrees.
LARGEST_SCALES = {
    "frame_translation": 0.05,
    "frame_rotation": 0.1,
    "joint_offset": 0.15,
    "tip_translation": 0.3,
    "tip_rotation": 0.5,
    "scale": 2e-3,
    "harmonic": 1e-2,
    "compliance": 1e-3,
    "backlash": 5e-3,
    "payload_center": 0.3,
    "payload": 10.0,
    "kernel": 1e-2,
}


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
    ripple : float
        Amplitude of the finer periods where these are tried: the start of their scales [rad]. From the spectrum of a
        laser-tracked UR10, whose joints have errors of about this amplitude at 10 to 32 periods a turn.
    compliance : float
        Deflection of each joint under gravity [rad/Nm].
    backlash : float
        Half of each joint's play, where the data says from which side it came to rest [rad].
    payload_center : float
        Center of mass of what the tip carries, along each axis of the tip's frame, where it is not given [m].
    payload : float
        Mass of a load that the data calls unknown, about that of most other samples [kg].
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
    ripple: float = 1e-4
    compliance: float = 3e-5
    backlash: float = 1e-4
    payload_center: float = 0.1
    payload: float = 2.5
    kernel: float = 5e-4
    position_noise: float = 1.5e-4
    orientation_noise: float = 5e-4
    pseudo_observations: float = 3.0
    adapt: bool = True

    def check(self) -> None:
        """Raise InvalidInputError where a value is not above 0."""
        check_positive(**{name: value for name, value in asdict(self).items() if name != "adapt"})
