"""The demonstration as `make demo` runs it: the real nodes, both robots, both methods."""

import json
import os

import pytest
from untraced import untraced

from crisp_ik_ros.demo import METHODS, run_demo

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        # Its times count, and eight nodes on two cores have none left to note their lines.
        for name in os.environ.keys() - untraced().keys():
            patch.delenv(name)
        return out, run_demo(out, quiet=True)


def runs(demo, **wanted):
    found = [run for run in demo[1]["runs"] if all(run[name] == value for name, value in wanted.items())]
    assert found
    return found


def test_the_summary_file_holds_every_run(demo):
    out, summary = demo
    assert json.loads((out / "summary.json").read_text()) == summary
    expected = {(path, bias, method) for path in ("spiral", "circle") for bias in (0.0, 1.0) for method in METHODS}
    assert {(run["trajectory"], run["joint_bias_deg"], run["method"]) for run in summary["runs"]} == expected
    assert 0.0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]


def test_with_a_true_model_the_tool_is_within_a_hundredth_of_a_millimetre(demo):
    for run in runs(demo, joint_bias_deg=0.0, method="crisp"):
        assert run["position_mm"]["mean"] < 0.01


def test_one_degree_off_the_learned_tool_is_within_half_a_millimetre_and_the_nominal_one_19_off(demo):
    for run in runs(demo, joint_bias_deg=1.0, method="crisp"):
        assert run["position_mm"]["mean"] < 0.5
    for run in runs(demo, joint_bias_deg=1.0, method="nominal"):
        # The spiral 19.1, the circle 22.6: the postures that it is drawn to decide.
        assert run["position_mm"]["mean"] >= 19.0


def test_the_simulated_arm_follows_the_commands(demo):
    for run in runs(demo, joint_bias_deg=0.0):
        assert run["tracking_mm"]["mean"] < 20.0


def test_the_picture_shows_the_arm_and_both_paths(demo):
    from matplotlib.image import imread

    picture = imread(demo[0] / "demo.png")[..., :3]
    assert picture.shape[0] > 500 and picture.shape[1] > 1000
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    assert ((red > 0.7) & (green < 0.5) & (blue < 0.4)).sum() > 500  # the tool's path
    assert ((blue > 0.6) & (red < 0.3)).sum() > 500  # the target path
    assert (picture.max(axis=-1) < 0.3).sum() > 5000  # the arm's dark links
