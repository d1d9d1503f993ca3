"""Draw docs/spiral.gif: an arm that is not what its URDF says follows a spiral, with and without learning.

python docs/pictures/spiral.py [FILE] [--width 900] [--seconds 8]

Everything in it is at true scale: the simulated Panda's joints are all one degree off, and both halves show the path of
its true tool. Left, the joint angles come from the URDF alone; right, from a model that learned from 400 samples around
the spiral.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from crisp_ik_ros import CRiSP, Dataset, ModelBasedIK, RobotModel
from crisp_ik_ros.metrics import tool_errors
from crisp_ik_ros.regression.kernels import GaussianKernel
from crisp_ik_ros.robots.bias import random_bias
from crisp_ik_ros.robots.robot_model import panda_urdf_path
from crisp_ik_ros.simulation.camera import Camera
from crisp_ik_ros.simulation.pybullet_arm import PyBulletArm
from crisp_ik_ros.simulation.rendering import TARGET_COLOR, TOOL_COLOR, render_scene
from crisp_ik_ros.trajectories import spiral
from crisp_ik_ros.transforms import Array

BIAS_DEG = 1.0
SAMPLES = 400
# Of the samples' joints around those of the path [rad].
SPREAD = 0.05
# Of the way there and back, of which one half, with two turns, shows all of it.
TURNS = 4.0
FRAMES_A_SECOND = 8.0
# Share of the loop in which the finished paths stand still.
REST = 0.18
# Wider than the paper's, so that it shows beside the arm: middle, radius and height [m].
CENTER, RADIUS, HEIGHT = (0.0, 0.45, 0.19), 0.075, 0.14
# Close enough that 20 mm show, far enough that the forearm tells that this is an arm.
CAMERA = Camera(eye=(0.62, 1.25, 0.42), target=(-0.01, 0.44, 0.215), field_of_view=23.0)
# Lines are drawn larger by this factor and averaged.
SMOOTHING = 3
TITLE = "Joints 1° off: the same spiral, followed twice"
INK, GREY, GOOD, BAD = (28, 34, 44), (96, 104, 116), (20, 125, 70), (196, 50, 20)
COLORS = 128


@dataclass(frozen=True)
class Followed:
    """One half of the picture: who solved, the configurations, the true tool's path, and how far off it was [mm]."""

    title: str
    color: tuple[int, int, int]
    configurations: Array
    tool: Array
    errors: Array


def follow(targets: Array) -> tuple[RobotModel, list[Followed]]:
    """Solve the targets with the URDF alone and with a model that learned; the true robot, and both outcomes."""
    nominal = RobotModel.panda()
    true = nominal.with_bias(*random_bias(nominal.joints, np.deg2rad(BIAS_DEG), 0.0))
    alone = ModelBasedIK(nominal)
    rng = np.random.default_rng(0)
    # Where the arm was measured: not on the spiral, but around it.
    around = alone.solve_path(targets, nominal.rest).configurations[rng.integers(len(targets), size=SAMPLES)]
    around = np.clip(around + rng.normal(0.0, SPREAD, around.shape), nominal.lower, nominal.upper)
    dataset = Dataset(around, true.forward_kinematics(around), nominal.joint_names)
    learned = CRiSP(nominal, kernel=GaussianKernel(0.1, 0.3), penalty=1e-8, centers=None).fit(dataset)
    halves = []
    for title, color, solver in (("URDF alone", BAD, alone), ("learned by crisp_ik", GOOD, learned)):
        path = solver.solve_path(targets, nominal.rest)
        if not np.all(path.success):
            raise SystemExit(f"{title}: the spiral could not be followed")
        tool = true.forward_kinematics(path.configurations)
        halves.append(Followed(title, color, path.configurations, tool, 1e3 * tool_errors(targets, tool)[0]))
    return nominal, halves


def fonts(width: int) -> dict[str, ImageFont.FreeTypeFont]:
    """Fonts that are there wherever matplotlib is, for a picture of so many pixels."""
    from matplotlib import get_data_path

    folder = Path(get_data_path()) / "fonts" / "ttf"
    sizes = {"title": ("DejaVuSans.ttf", 24), "half": ("DejaVuSans-Bold.ttf", 21), "small": ("DejaVuSans.ttf", 17),
             "number": ("DejaVuSansMono-Bold.ttf", 28)}  # fmt: skip
    return {name: ImageFont.truetype(str(folder / file), size * width // 900) for name, (file, size) in sizes.items()}


def project(positions: Array, width: int, height: int) -> list[tuple[float, float]]:
    """Where points (n, 3) of the base link frame [m] are in a picture by CAMERA [pixels]."""
    eye = np.array(CAMERA.eye)
    forward = np.array(CAMERA.target) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, CAMERA.up)
    right /= np.linalg.norm(right)
    seen = (positions - eye) @ np.column_stack([right, np.cross(right, forward), forward])
    scale = 0.5 * height / np.tan(np.radians(0.5 * CAMERA.field_of_view))
    flat = scale * seen[:, :2] / seen[:, 2:]
    return [(0.5 * width + x, 0.5 * height - y) for x, y in flat]


def draw_paths(scene: np.ndarray, targets: Array, tool: Array) -> Image.Image:
    """Draw the target and the path of the tool over a scene, in front of the arm so that all of both shows."""
    height, width = scene.shape[:2]
    large = SMOOTHING * width, SMOOTHING * height
    layer = Image.new("RGBA", large, (255, 255, 255, 0))
    pen = ImageDraw.Draw(layer)
    unit = SMOOTHING * width / 446
    for path, color, thickness in ((targets, TARGET_COLOR, 4.5), (tool, TOOL_COLOR, 2.6)):
        ink = tuple(round(255 * value) for value in color[:3])
        pen.line(project(path[:, :3, 3], *large), (*ink, 255), round(thickness * unit), joint="curve")
    (x, y), size = project(tool[-1:, :3, 3], *large)[0], 5.5 * unit
    pen.ellipse([x - size, y - size, x + size, y + size], (*ink, 255), (255, 255, 255, 255), round(1.5 * unit))
    picture = Image.fromarray(scene).convert("RGBA")
    return Image.alpha_composite(picture, layer.resize((width, height), Image.Resampling.LANCZOS)).convert("RGB")


def draw_frame(scenes: list[Image.Image], halves: list[Followed], at: int, width: int) -> Image.Image:
    """Put two scenes side by side, with what they show and the error at a target."""
    unit = width / 900
    top, bottom, gap = round(50 * unit), round(78 * unit), round(8 * unit)
    half, height = scenes[0].size
    frame = Image.new("RGB", (width, top + height + bottom), (255, 255, 255))
    pen, font = ImageDraw.Draw(frame), fonts(width)
    pen.text((gap, top // 2), TITLE, INK, font["title"], anchor="lm")
    x = width - gap
    for label, color in (("true tool", TOOL_COLOR), ("target", TARGET_COLOR)):
        ink = tuple(round(255 * value) for value in color[:3])
        x -= round(pen.textlength(label, font["small"]))
        pen.text((x, top // 2), label, INK, font["small"], anchor="lm")
        pen.line([(x - 34 * unit, top // 2), (x - 8 * unit, top // 2)], ink, round(5 * unit))
        x -= round(58 * unit)
    for k, (scene, run) in enumerate(zip(scenes, halves, strict=True)):
        left = k * (width - half)
        frame.paste(scene, (left, top))
        line = top + height + round(26 * unit)
        pen.text((left + gap, line), run.title, INK, font["half"], anchor="lm")
        mean = f"mean {run.errors[: at + 1].mean():.2f} mm"
        pen.text((left + gap, line + round(30 * unit)), mean, GREY, font["small"], anchor="lm")
        number = f"{run.errors[at]:.2f} mm off"
        pen.text((left + half - gap, line + round(14 * unit)), number, run.color, font["number"], anchor="rm")
    return frame


def make(file: Path, width: int, seconds: float) -> None:
    """Draw the frames and write the GIF."""
    count = round(seconds * FRAMES_A_SECOND)
    moving = round(count * (1.0 - REST))
    # Half of the way there and back, six targets a frame.
    targets = spiral(CENTER, RADIUS, HEIGHT, TURNS, points=12 * moving)[: 6 * moving]
    nominal, halves = follow(targets)
    half = (width - round(8 * width / 900)) // 2
    height = round(0.86 * half)
    frames = []
    with PyBulletArm(panda_urdf_path(), nominal, *random_bias(nominal.joints, np.deg2rad(BIAS_DEG), 0.0)) as arm:
        for k in range(moving):
            at = 6 * k + 5
            scenes = []
            for run in halves:
                arm.reset(run.configurations[at])
                scene = render_scene(arm, width=half, height=height, camera=CAMERA)
                scenes.append(draw_paths(scene, targets, run.tool[: at + 1]))
            frames.append(draw_frame(scenes, halves, at, width))
            print(f"\rframe {k + 1} of {moving}", end="", flush=True)
    print()
    write(frames, file, 1000.0 / FRAMES_A_SECOND, (count - moving) / FRAMES_A_SECOND)
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB, {len(frames)} frames; "
          + "; ".join(f"{run.title} {run.errors.mean():.3f} mm" for run in halves))  # fmt: skip


def write(frames: list[Image.Image], file: Path, milliseconds: float, rest: float) -> None:
    """Write frames as a loop in one palette; the last one stays for ``rest`` seconds."""
    # One palette for all: colours do not flicker, and what stands still costs nothing.
    sheet = Image.new("RGB", (frames[0].width, 3 * frames[0].height))
    for k, frame in enumerate((frames[0], frames[len(frames) // 2], frames[-1])):
        sheet.paste(frame, (0, k * frame.height))
    palette = sheet.quantize(COLORS, method=Image.Quantize.MEDIANCUT)
    flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [milliseconds] * (len(flat) - 1) + [milliseconds + 1000.0 * rest]
    flat[0].save(file, save_all=True, append_images=flat[1:], duration=times, loop=0, optimize=True, disposal=1)


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=Path(__file__).parents[1] / "spiral.gif")
    parser.add_argument("--width", type=int, default=900)
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    make(arguments.file, arguments.width, arguments.seconds)


if __name__ == "__main__":
    main()
