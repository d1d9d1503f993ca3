"""What the page shows, without a browser and without ROS."""

from __future__ import annotations

import builtins
import socket

import numpy as np
import pytest
from oracles import ROOT

from crisp_ik_ros import load_model
from crisp_ik_ros.errors import MissingDependencyError, ResourceError, URDFError
from crisp_ik_ros.estimators.model_based import ModelBasedIK
from crisp_ik_ros.nodes.description import description_of, urdf_path
from crisp_ik_ros.transforms import make_pose, matrix_from_quaternion
from crisp_ik_ros.viewer.errors import LONGEST, errors_of
from crisp_ik_ros.viewer.newest import Newest
from crisp_ik_ros.viewer.samples import colors_of, samples_of
from crisp_ik_ros.viewer.server import LOCAL, address, free_port, require
from crisp_ik_ros.viewer.shape import read_shape, way
from crisp_ik_ros.viewer.thinning import ENOUGH, thinned
from crisp_ik_ros.viewer.trail import PIECE, Trail
from crisp_ik_ros.viewer.words import Answer, answer_html, legend_html, status_html

BOXES = """<robot name="boxes">
  <material name="red"><color rgba="1 0 0 1"/></material>
  <link name="root"><visual><geometry><box size="2 4 6"/></geometry><material name="red"/></visual></link>
  <link name="slide"><visual><origin xyz="0 0 1"/><geometry><sphere radius="0.5"/></geometry></visual></link>
  <link name="finger"><visual><geometry><mesh filename="{mesh}"/></geometry></visual></link>
  <joint name="a" type="prismatic"><parent link="root"/><child link="slide"/><origin xyz="1 0 0"/><axis xyz="0 0 2"/>
    <limit lower="0" upper="1" effort="1" velocity="1"/></joint>
  <joint name="b" type="prismatic"><parent link="slide"/><child link="finger"/><axis xyz="1 0 0"/>
    <mimic joint="a" multiplier="-2" offset="0.1"/><limit lower="0" upper="1" effort="1" velocity="1"/></joint>
</robot>"""


def pose_of(shape, name, positions):
    """Pose of a link in the frame of the base link, link by link as the page composes it."""
    pose = shape.base
    links = {link.name: link for link in shape.links}
    for part in way(links, name):
        position, wxyz = links[part].pose(positions)
        pose = pose @ make_pose(position, matrix_from_quaternion(np.roll(wxyz, -1)))
    return pose


@pytest.fixture(scope="module")
def shape():
    return read_shape(description_of(urdf_path()), "panda_link0")


def test_the_links_stand_where_forward_kinematics_has_them(shape, panda):
    rng = np.random.default_rng(0)
    for configuration in rng.uniform(panda.lower, panda.upper, (5, 7)):
        positions = dict(zip(panda.joint_names, configuration, strict=True))
        drawn = pose_of(shape, "panda_grasptarget", positions)
        np.testing.assert_allclose(drawn, panda.forward_kinematics(configuration), atol=1e-9)


def test_another_base_link_is_where_the_page_begins(panda):
    shape = read_shape(description_of(urdf_path()), "panda_link2")
    np.testing.assert_allclose(pose_of(shape, "panda_link2", {}), np.eye(4), atol=1e-9)


def test_all_of_the_panda_has_meshes_with_the_colours_of_their_files(shape):
    assert not shape.refused
    parts = {link.name: link.parts for link in shape.links}
    assert len(parts["panda_link4"]) == 2 and {part.color for part in parts["panda_link4"]} == {
        (255, 255, 255),
        (64, 64, 64),
    }
    extent = np.concatenate([part.vertices for part in parts["panda_link4"]])
    assert np.ptp(extent, axis=0).min() > 0.05 and np.ptp(extent, axis=0).max() < 0.5


def test_simple_shapes_joints_that_slide_and_joints_that_imitate():
    shape = read_shape(BOXES.format(mesh="/no/such.stl"), "root")
    links = {link.name: link for link in shape.links}
    (box,) = links["root"].parts
    assert box.color == (255, 0, 0)
    np.testing.assert_allclose(np.ptp(box.vertices, axis=0), [2.0, 4.0, 6.0])
    (ball,) = links["slide"].parts
    np.testing.assert_allclose(np.linalg.norm(ball.vertices - [0, 0, 1], axis=1), 0.5, atol=1e-9)
    np.testing.assert_allclose(pose_of(shape, "finger", {"a": 0.25})[:3, 3], [1.0 - 0.5 + 0.1, 0.0, 0.25], atol=1e-12)
    assert len(shape.refused) == 1 and "finger" in shape.refused[0] and "/no/such.stl" in shape.refused[0]


@pytest.mark.parametrize(
    "mesh", ["http://example.com/a.stl", "file://example.com/a.stl", "package://a/b.stl", "a.stl", "/etc/passwd"]
)
def test_a_mesh_is_a_file_of_this_machine_or_is_left_out(mesh):
    shape = read_shape(BOXES.format(mesh=mesh), "root")
    assert not shape.links[-1].parts and "finger" in shape.refused[0]


def test_a_mesh_that_is_none_is_left_out(tmp_path):
    for name in ("a.stl", "a.obj", "a.dae", "a.glb", "a.ply"):
        (tmp_path / name).write_bytes(b"\x00\xff not a mesh" * 9)
        shape = read_shape(BOXES.format(mesh=tmp_path / name), "root")
        assert not shape.links[-1].parts


def test_a_mesh_reads_nothing_beside_itself_but_colours(tmp_path, monkeypatch):
    (tmp_path / "secret.mtl").write_text("newmtl m\nKd 0 1 0\nmap_Kd ../picture.png\n")
    (tmp_path / "below").mkdir()
    mesh = tmp_path / "below" / "a.obj"
    triangle = "v 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl m\nf 1 2 3\n"
    mesh.write_text(f"mtllib ../secret.mtl\n{triangle}")
    (part,) = read_shape(BOXES.format(mesh=mesh), "root").links[-1].parts
    assert part.color != (0, 255, 0)
    (tmp_path / "below" / "own.mtl").write_text("newmtl m\nKd 0 1 0\n")
    mesh.write_text(f"mtllib own.mtl\n{triangle}")
    (part,) = read_shape(BOXES.format(mesh=mesh), "root").links[-1].parts
    assert part.color == (0, 255, 0)


def test_a_description_of_another_robot_is_refused():
    with pytest.raises(URDFError, match="panda_link0"):
        read_shape(BOXES.format(mesh="a.stl"), "panda_link0")
    with pytest.raises(URDFError):
        read_shape("<html/>", "root")


def test_a_trail_sends_only_what_is_new():
    trail = Trail(step=0.01, longest=2 * PIECE, gap=1.0)
    for x in np.arange(0.0, 3 * PIECE + 2.5) * 0.1:
        trail.add(np.array([x, 0.0, 0.0]))
        trail.add(np.array([x + 0.001, 0.0, 0.0]))  # too near
    pieces = {number: segments for number, segments in trail.changes() if len(segments)}
    assert sorted(pieces) == [2, 3] and len(pieces[2]) == PIECE and len(pieces[3]) == 2
    np.testing.assert_allclose(pieces[3][0, 0], pieces[2][-1, 1])
    assert not list(trail.changes())
    trail.add(np.array([9e9, 0.0, 0.0]))  # no line across the gap
    assert not list(trail.changes())
    trail.clear()
    assert {number for number, segments in trail.changes() if not len(segments)} == {2, 3}


def test_errors_are_those_of_the_pairs_and_their_lines_are_scaled():
    targets = np.arange(12.0).reshape(4, 3)
    errors = errors_of(targets, targets[:3] + np.array([0.003, 0.0, 0.004]))
    np.testing.assert_allclose(errors.distances, 0.005)
    lines = errors.lines(10.0)
    np.testing.assert_allclose(lines[:, 0], targets[:3])
    np.testing.assert_allclose(lines[:, 1] - lines[:, 0], np.tile([0.03, 0.0, 0.04], (3, 1)))
    many = np.zeros((LONGEST + 5, 3))
    assert len(errors_of(many, many).targets) == LONGEST


def test_of_many_questions_the_newest_is_asked():
    asked = []
    newest = Newest(asked.append, patience=1.0)
    for number in range(5):
        newest.put(number, 0.0)
    assert asked == [0] and newest.left_out == 3
    newest.answered(0.1)
    assert asked == [0, 4] and newest.busy
    newest.answered(0.2)
    assert not newest.busy
    newest.put(5, 0.3)
    newest.put(6, 0.4)
    assert asked[-1] == 5 and not newest.overdue(1.2) and newest.overdue(1.4)
    newest.put(7, 1.4)  # nobody waits for 5 any longer
    assert asked[-1] == 7
    newest.drop()
    assert not newest.busy


def test_samples_near_the_target_count_most(panda):
    model = load_model(ROOT / "models" / "panda_residual.npz")
    samples = samples_of(model)
    assert len(samples.positions) == len(model.center_configurations_)
    poses = panda.forward_kinematics(model.center_configurations_[:50])
    # The shipped model's robot is its URDF, so its samples lie where forward kinematics has them.
    np.testing.assert_allclose(samples.positions[:50], poses[:, :3, 3], atol=1e-5)
    scores = samples.scores(poses[7])
    assert scores[7] == pytest.approx(1.0) and scores.argmax() == 7 and (scores >= 0.0).all()
    assert scores.min() < 0.5
    colors = colors_of(scores)
    assert colors[7].sum() == colors.sum(axis=1).min() and colors.dtype == np.uint8
    assert samples_of(ModelBasedIK(panda)) is None


def test_the_score_of_the_nearest_sample_is_a_bound_on_support():
    model = load_model(ROOT / "models" / "panda_residual.npz")
    samples = samples_of(model)
    for configuration in model.center_configurations_[:200:20]:
        pose = model.robot.forward_kinematics(configuration)
        pose[0, 3] += 0.03
        assert model.solve(pose, configuration, timeout=1.0).support <= samples.scores(pose).max() + 1e-6


def test_what_comes_from_elsewhere_is_text_and_no_page():
    bad = "<script>alert(1)</script>"
    answer = Answer(3, 99999, bad, bad, 0.0, 0.0, 0.0, 0.0042)
    for html in (answer_html(answer), answer_html(None, bad), status_html(bad, np.zeros(1), 0, 0), legend_html(bad)):
        assert "<script" not in html and "&lt;script" in html


def test_an_answer_says_error_support_source_and_time():
    html = answer_html(Answer(12, 1, "", "learned", 2.5e-4, 1e-3, 0.93, 0.0042))
    for text in ("solved", "0.25 mm", "1 mrad", "0.93", "learned", "4.2 ms", 'data-number="12"'):
        assert text in html
    assert "predicted" not in answer_html(Answer(12, -31, "too far", "", 0.0, 0.0, 0.0, 0.0042))


def test_a_status_has_the_latest_the_mean_and_the_worst_error():
    html = status_html("following", np.array([0.02, 0.0001, 0.0003]), 3, 200)
    for text in ("following", "3 of 200", "0.30 mm", "6.80 mm, 20.0 mm"):
        assert text in html


def test_a_port_that_is_taken_is_passed_over():
    with socket.socket() as taken:
        taken.bind((LOCAL, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port(LOCAL, port) <= port + 20
    with pytest.raises(ResourceError, match="host and port"):
        free_port("192.0.2.1", 8080)
    assert address("0.0.0.0", 80) == "http://127.0.0.1:80" and address("::1", 80) == "http://[::1]:80"


def test_without_viser_it_says_how_to_get_it(monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == "viser":
            raise ImportError("no viser")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"crisp_ik\[view\]"):
        require()


def test_a_mesh_is_drawn_with_few_triangles_where_its_own_were(shape):
    import trimesh

    assert max(len(part.faces) for link in shape.links for part in link.parts) <= ENOUGH
    ball = trimesh.creation.icosphere(6, 0.1)
    assert len(ball.faces) > 5 * ENOUGH
    vertices, faces = thinned(ball.vertices, ball.faces)
    assert 1000 < len(faces) <= ENOUGH and len(vertices) <= ENOUGH
    thin = trimesh.Trimesh(vertices, faces, process=False)
    assert thin.volume == pytest.approx(ball.volume, rel=0.02) and thin.area == pytest.approx(ball.area, rel=0.03)
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 0.1, atol=0.005)
    # One that is small enough stays as it is, and one of a single point comes to nothing.
    assert thinned(vertices, faces)[1] is faces
    point, none = thinned(np.ones((30000, 3)), np.arange(30000).reshape(-1, 3))
    np.testing.assert_allclose(point, 1.0)
    assert len(point) == 1 and not len(none)
