"""The panel beside the scene: what is going on, and the controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from crisp_ik_ros.transforms import Array
from crisp_ik_ros.viewer import colors
from crisp_ik_ros.viewer.words import Answer, answer_html, legend_html, note_html, status_html

SCALES = (1.0, 200.0)
# Points of the curve of errors.
PLOTTED = 300

Act = Callable[..., None]


class Panel:
    """Status and errors, start and stop, the target to drag and its answer, what is shown, the legend.

    Parameters
    ----------
    server
        As ``server.serve`` returns it.
    act : callable
        Called with the name of what is wanted ("start", "stop", "trajectory", "scale", "layer", "to_tool") and its
        values, in a thread of the server's.
    trajectories : sequence of str
    controls : bool
        Whether the arm may be started and stopped from here.
    error_scale : float
    samples : str
        What the legend says of the model's samples; empty: there are none.
    """

    def __init__(
        self, server: Any, act: Act, trajectories: Sequence[str], controls: bool, error_scale: float, samples: str
    ):
        gui = self._gui = server.gui
        gui.set_panel_label("crisp_ik")
        self._status = gui.add_html("")
        self._plot = gui.add_uplot(
            (np.zeros(1), np.zeros(1)),
            ({"label": "target"}, {"label": "error [mm]", "stroke": colors.css(colors.ERROR), "width": 1.5}),
            scales={"x": {"time": False}},
            axes=({"size": 24}, {"size": 44, "label": "mm", "labelSize": 16}),
            legend={"show": False},
            height=110,
            visible=False,
        )
        self._note = gui.add_html("", visible=False)
        if controls:
            self._trajectory = gui.add_dropdown("Trajectory", tuple(trajectories))
            self._trajectory.on_update(lambda event: act("trajectory", event.target.value) if event.client else None)
            buttons = gui.add_button_group("Follower", ("Start", "Stop"))
            buttons.on_click(lambda event: act(event.target.value.lower()))
        with gui.add_folder("Ask /compute_ik"):
            self._answer = gui.add_html(answer_html(None, "Drag the target: the green arm shows the answer."))
            gui.add_button("Target to the tool").on_click(lambda _: act("to_tool"))
        with gui.add_folder("Show"):
            scale = gui.add_slider("Errors ×", *SCALES, step=1.0, initial_value=float(np.clip(error_scale, *SCALES)))
            scale.on_update(lambda event: act("scale", event.target.value))
            layers = [("Error lines", "errors", True), ("URDF's path", "nominal", True), ("Target", "target", True)]
            if samples:
                layers.append(("Samples", "samples", False))
            for label, name, shown in layers:
                self._add_layer(label, name, shown, act)
        with gui.add_folder("Legend"):
            gui.add_html(legend_html(samples or "(this model keeps no samples to show)"))

    def _add_layer(self, label: str, name: str, shown: bool, act: Act) -> None:
        box = self._gui.add_checkbox(label, shown)
        box.on_update(lambda event: act("layer", name, event.target.value))

    def show_status(self, state: str, errors: Array, target: int, targets: int) -> None:
        """Say what the follower does, and errors (n,) [m] at the targets that it has passed."""
        _set(self._status, status_html(state, errors, target, targets))

    def plot_errors(self, errors: Array) -> None:
        """Draw the curve of errors (n,) [m] over the targets."""
        shown = len(errors) > 1
        if shown:
            step = max(1, len(errors) // PLOTTED)
            places = np.arange(1, len(errors) + 1, dtype=float)[::step]
            self._plot.data = (places, 1e3 * errors[::step])
        if self._plot.visible != shown:
            self._plot.visible = shown

    def show_answer(self, answer: Answer | None, reason: str = "") -> None:
        """Say what was answered to the target that was dragged, or why there is no answer."""
        _set(self._answer, answer_html(answer, reason))

    def say(self, text: str) -> None:
        """Say what came of a control."""
        _set(self._note, note_html(text))
        if not self._note.visible:
            self._note.visible = True

    def choose(self, trajectory: str) -> None:
        """Show which trajectory is next."""
        if trajectory in self._trajectory.options and trajectory != self._trajectory.value:
            self._trajectory.value = trajectory


def _set(handle: Any, content: str) -> None:
    if handle.content != content:
        handle.content = content
