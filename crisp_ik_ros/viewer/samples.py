"""The samples that a model was trained on, as far as its file keeps them, and how much each is worth for a target."""

from __future__ import annotations

import numpy as np

from crisp_ik_ros.estimators.crisp import CRiSP
from crisp_ik_ros.estimators.inverse_kinematics import InverseKinematics
from crisp_ik_ros.transforms import Array
from crisp_ik_ros.viewer.colors import FAR, NEAR


class Samples:
    """Samples of a CRiSP model: those that its regression keeps, which with Nystrom centers is a part of them.

    They are scored as ``support`` is: exp(-d^2 / 2), d the distance of target and sample, position and orientation, in
    units of the data's spread. (The scores a(x) themselves belong to all samples, which no model file holds; and those
    of a kernel that is far wider than the data are large numbers of both signs that cancel, whatever the target is.)

    Parameters
    ----------
    model : CRiSP

    Attributes
    ----------
    positions : (n, 3)
        Base frame [m].
    """

    def __init__(self, model: CRiSP):
        self._kernel, self._weights = model.kernel_, model.nearness_
        self._features = np.asarray(model.regression_.centers_, dtype=float)
        self.positions = self._features[:, :3] * model.kernel_.position_length_scale

    def scores(self, pose: Array) -> Array:
        """Scores (n,), 0 to 1, for a target (4, 4)."""
        squares = (self._features - self._kernel.features(pose[None])) ** 2
        distances = self._weights[0] * squares[:, :3].sum(axis=1) + self._weights[1] * squares[:, 3:].sum(axis=1)
        return np.exp(-0.5 * distances)


def samples_of(model: InverseKinematics) -> Samples | None:
    """Samples of a model; None where it keeps none, as a nominal one and ``LearnedKinematics``."""
    return Samples(model) if isinstance(model, CRiSP) else None


def colors_of(scores: Array) -> np.ndarray:
    """Colours (n, 3) uint8 of scores (n,), 0 to 1."""
    share = np.clip(scores, 0.0, 1.0)[:, None]
    return np.round((1.0 - share) * np.array(FAR) + share * np.array(NEAR)).astype(np.uint8)
