"""What the page shows in three dimensions, in the frame of the robot's base link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crisp_ik_ros.transforms import Array, make_pose, matrix_from_quaternion, quaternion_from_matrix
from crisp_ik_ros.viewer import colors
from crisp_ik_ros.viewer.arm import Arm
from crisp_ik_ros.viewer.errors import Errors
from crisp_ik_ros.viewer.samples import Samples, colors_of
from crisp_ik_ros.viewer.shape import Shape
from crisp_ik_ros.viewer.trail import Trail

# Thickness of lines, and points of a path that are drawn.
PATH_WIDTH, TRAIL_WIDTH, ERROR_WIDTH = 2.5, 2.5, 2.0
MOST_POINTS = 4000
FIELD_OF_VIEW = 0.65
HIDDEN = np.zeros((1, 2, 3))


class Scene:
    """The arm, its paths and errors, the model's samples, the target to drag, and the arm of its answer.

    Parameters
    ----------
    server
        As ``server.serve`` returns it.
    reach : float
        Of the robot [m].
    error_scale : float
        Error lines are drawn this many times as long as the errors.
    samples : Samples, optional
    on_drag : callable
        Called with the pose (4, 4) of the target each time that it is dragged, in a thread of the server's.
    """

    def __init__(
        self,
        server: Any,
        reach: float,
        error_scale: float,
        samples: Samples | None,
        on_drag: Callable[[Array], None],
    ):
        self._scene, self._reach, self._scale = server.scene, reach, error_scale
        self._camera = server.initial_camera
        self._samples = samples
        self._arm: Arm | None = None
        self._ghost: Arm | None = None
        self._shape: Shape | None = None
        self._errors: Errors | None = None
        self._ghost_wanted = True
        scene = self._scene
        # Neither reflections nor shadows: a computer without a graphics card would draw a picture a second.
        scene.configure_environment_map(None)
        scene.configure_default_lights(cast_shadow=False)
        scene.add_light_ambient("/light", intensity=0.9)
        scene.add_grid(
            "/floor", infinite_grid=True, cell_size=0.1, section_size=0.5, fade_distance=6.0 * reach,
            cell_color=(226, 229, 234), section_color=(205, 210, 218), plane_color=(246, 247, 249), plane_opacity=1.0,
            position=(0.0, 0.0, -0.002),
        )  # fmt: skip
        self._target_path = self._lines("/paths/target", colors.TARGET, PATH_WIDTH)
        self._error_lines = self._lines("/paths/errors", colors.ERROR, ERROR_WIDTH)
        self._trails: dict[str, tuple[Any, Trail, tuple[int, int, int], dict[int, Any]]] = {
            name: (scene.add_frame(f"/trails/{name}", show_axes=False), Trail(step=0.0005), color, {})
            for name, color in (("tool", colors.TOOL), ("nominal", colors.NOMINAL))
        }
        if samples is not None:
            self._cloud = scene.add_point_cloud(
                "/samples", samples.positions.astype(np.float32), colors.FAR, point_size=0.0012 * max(1.0, reach),
                point_shape="circle", point_shading="flat", precision="float32", visible=False,
            )  # fmt: skip
        self._handle = scene.add_transform_controls("/target", scale=0.1 * reach, depth_test=False, opacity=0.9)
        self._handle.visible = False
        self._handle.on_update(lambda event: on_drag(_pose_of(event.target)))
        self.look_at(np.array([0.45, 0.0, 0.3]) * reach)

    def look_at(self, center: Array) -> None:
        """Let who opens the page see the robot and, before it, a point (3,) where its tool works [m]."""
        along = np.array([*center[:2], 0.0])
        length = float(np.linalg.norm(along))
        along = along / length if length > 1e-6 else np.array([1.0, 0.0, 0.0])
        aside = np.array([-along[1], along[0], 0.0])
        middle = 0.8 * np.array([*center[:2], 0.0]) + np.array([0.0, 0.0, 0.27 * self._reach])
        self._camera.look_at = middle
        self._camera.position = middle + self._reach * (0.72 * along - 0.74 * aside + np.array([0.0, 0.0, 0.06]))
        self._camera.fov = FIELD_OF_VIEW

    def show_arm(self, shape: Shape, positions: Mapping[str, float]) -> None:
        """Show the arm; another description takes the place of the one before."""
        for arm in (self._arm, self._ghost):
            if arm is not None:
                arm.remove()
        self._arm, self._ghost, self._shape = Arm(self._scene, "/arm", shape), None, shape
        self._arm.move(positions)

    def lengthen(self, tool: Array | None, nominal: Array | None) -> None:
        """Note where both tools are (3,) [m], the true one and the one that the URDF believes in."""
        for name, point in (("tool", tool), ("nominal", nominal)):
            if point is not None:
                self._trails[name][1].add(point)

    def move(self, positions: Mapping[str, float]) -> None:
        """Let the arm stand as its joints do [rad or m], and draw the paths of both tools."""
        if self._arm is not None:
            self._arm.move(positions)
        for name in self._trails:
            self._draw_trail(name)

    def _draw_trail(self, name: str) -> None:
        _, trail, color, drawn = self._trails[name]
        for number, segments in trail.changes():
            if not len(segments):
                if number in drawn:
                    drawn.pop(number).remove()
            elif number in drawn:
                drawn[number].points = segments.astype(np.float32)
            else:
                drawn[number] = self._lines(f"/trails/{name}/{number}", color, TRAIL_WIDTH, segments)

    def forget_trails(self) -> None:
        """Take away the paths of both tools."""
        for _, trail, _, _ in self._trails.values():
            trail.clear()

    def show_target_path(self, points: Array) -> None:
        """Show where the tool is to go (n, 3) [m]."""
        step = max(1, len(points) // MOST_POINTS)
        points = points[::step]
        self._set_lines(self._target_path, np.stack([points[:-1], points[1:]], axis=1))
        if len(points):
            self.look_at(points.mean(axis=0))

    def show_errors(self, errors: Errors) -> None:
        """Show lines from the targets towards where the tool was."""
        self._errors = errors
        self._set_lines(self._error_lines, errors.lines(self._scale))

    def scale_errors(self, scale: float) -> None:
        """Draw errors so many times as long as they are."""
        self._scale = scale
        if self._errors is not None:
            self.show_errors(self._errors)

    def place_target(self, pose: Array) -> None:
        """Put the target to drag at a pose (4, 4)."""
        self._handle.position = pose[:3, 3]
        self._handle.wxyz = np.roll(quaternion_from_matrix(pose[:3, :3]), 1)
        self._handle.visible = True

    def score_samples(self, target: Array) -> None:
        """Colour the model's samples by their scores for a target (4, 4)."""
        if self._samples is not None and self._cloud.visible:
            self._cloud.colors = colors_of(self._samples.scores(target))

    def show_answer(self, positions: Mapping[str, float] | None) -> None:
        """Let the other arm stand as an answer has it [rad or m]; None: there is none."""
        if self._ghost is None and self._shape is not None and positions is not None:
            # Not before: most who look on never ask, and it is as large as the arm itself.
            self._ghost = Arm(self._scene, "/answer", self._shape, colors.ANSWER, 0.3)
        if self._ghost is not None:
            self._ghost.visible = positions is not None and self._ghost_wanted
            if positions is not None:
                self._ghost.move(positions)

    def show_layer(self, name: str, visible: bool) -> None:
        """Show or hide "samples", "nominal" (its path), "errors" or "target" (to drag, with the arm of its answer)."""
        if name == "samples" and self._samples is not None:
            self._cloud.visible = visible
        elif name == "nominal":
            self._trails["nominal"][0].visible = visible
        elif name == "errors":
            self._error_lines.visible = visible
        elif name == "target":
            self._handle.visible = self._ghost_wanted = visible
            if self._ghost is not None and not visible:
                self._ghost.visible = False

    def _lines(self, name: str, color: tuple[int, int, int], width: float, segments: Array = HIDDEN) -> Any:
        return self._scene.add_line_segments(
            name, segments.astype(np.float32), color, thickness=width, thickness_units="screen"
        )

    def _set_lines(self, handle: Any, segments: Array) -> None:
        handle.points = (segments if len(segments) else HIDDEN).astype(np.float32)


def _pose_of(handle: Any) -> Array:
    w, x, y, z = (float(value) for value in handle.wxyz)
    return make_pose(np.asarray(handle.position, dtype=float), matrix_from_quaternion([x, y, z, w]))
