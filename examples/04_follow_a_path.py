"""Follow a path with bounded steps of the joints, solve many poses at once, and draw the joints."""

from pathlib import Path

import numpy as np

from crisp_ik_ros import RobotModel, load_model
from crisp_ik_ros.resources import model_path
from crisp_ik_ros.trajectories import spiral

OUT = Path("out/examples")


def main() -> dict[str, float]:
    """Print what the joints do on a spiral; return the largest steps [rad] and counts."""
    model = load_model(model_path("panda_residual.npz"))
    targets = spiral(points=200)

    # A path: each pose is started from the solution before it, so the joints move smoothly.
    # `nearest` asks for the solution nearest to that, and with `max_joint_step` a farther one is no answer.
    start = model.solve(targets[0], seed=RobotModel.panda().rest).configuration
    path = model.solve_path(targets, seed=start, nearest=True, max_joint_step=0.05)
    largest = float(np.abs(np.diff(path.configurations, axis=0)).max())
    print(f"path: {path.success.sum()} of {len(targets)} solved, largest step of a joint {largest:.4f} rad")

    # A bound that is too tight is told pose by pose.
    tight = model.solve_path(targets, seed=start, nearest=True, max_joint_step=0.5 * largest)
    refused = sum(status.value == "step too large" for status in tight.status)
    print(f"with half of that allowed: {refused} poses are 'step too large'")

    # Poses that have nothing to do with each other: each for itself, on all cores.
    many = model.solve_many(targets, seeds=start)
    print(f"each for itself: {many.success.sum()} of {len(targets)} solved")

    _draw(path.configurations, model.robot.joint_names)
    return {"solved": int(path.success.sum()), "largest": largest, "refused": refused, "many": int(many.success.sum())}


def _draw(configurations: np.ndarray, names: tuple[str, ...]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.rad2deg(configurations), label=names)
    axes.set(xlabel="target", ylabel="joint [degrees]", title="The joints along the spiral")
    axes.legend(fontsize="small", ncols=2)
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / "joints.png", dpi=120)
    print(f"picture: {OUT / 'joints.png'}")


if __name__ == "__main__":
    main()
