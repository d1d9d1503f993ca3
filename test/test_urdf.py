"""Which URDFs are read, as what, and which are refused."""

import re

import numpy as np
import pytest
from oracles import GANTRY, ROOT, TWO_LINK

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import CrispIKError, URDFError
from crisp_ik_ros.robots.urdf import parse_chain

LIMIT = '<limit lower="-1" upper="1" effort="1" velocity="1"/>'


def one_joint(kind="revolute", inside=LIMIT, after=""):
    """A URDF of one joint "hinge" between links "a" and "b"."""
    return (
        f'<robot name="one"><link name="a"/><link name="b"/><joint name="hinge" type="{kind}">'
        f'<parent link="a"/><child link="b"/>{inside}</joint>{after}</robot>'
    )


def joint(name, parent, child, inside=LIMIT):
    return f'<joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>{inside}</joint>'


def test_chain_has_its_joints_in_order_and_nothing_beside_it(gantry):
    assert [item.name for item in gantry.joints] == ["turn", "slide", "swing", "mount", "nod"]
    assert [item.kind for item in gantry.joints] == ["revolute", "prismatic", "revolute", "fixed", "revolute"]
    assert [item.child_link for item in gantry.joints] == ["column", "arm", "plate", "wrist", "tool"]
    assert [item.movable for item in gantry.joints] == [True, True, True, False, True]


def test_default_axis_is_x(gantry):
    np.testing.assert_array_equal(gantry.joints[2].axis, [1.0, 0.0, 0.0])


def test_axes_are_made_unit_length(gantry):
    np.testing.assert_allclose(gantry.joints[0].axis, np.array([0.3, -0.5, 0.8]) / np.sqrt(0.98))
    assert np.linalg.norm(gantry.joints[1].axis) == pytest.approx(1.0)


def test_mimic_finger_is_read_as_any_joint_when_the_chain_goes_through_it(gantry):
    finger = RobotModel.from_urdf(GANTRY, "floor", "finger_right")
    assert finger.joint_names == ("turn", "slide", "swing", "nod", "finger_mimic")
    q = np.array([0.1, 0.2, 0.3, 0.4])
    tip = gantry.forward_kinematics(q) @ np.array([0.0, -0.03 - 0.01, 0.1, 1.0])
    np.testing.assert_allclose(finger.forward_kinematics([*q, 0.01])[:, 3], tip, atol=1e-14)


def test_chain_may_begin_above_the_root_and_end_before_the_leaf(gantry):
    part = RobotModel.from_urdf(GANTRY, "column", "plate")
    assert part.joint_names == ("slide", "swing")


def test_continuous_joint_turns_once_around_whatever_its_limit_says(endless):
    turning = [name for name, endlessly in zip(endless.joint_names, endless.continuous, strict=True) if endlessly]
    assert turning == ["j1", "j4", "j6"]
    np.testing.assert_allclose(endless.lower[[0, 3, 5]], -np.pi)
    np.testing.assert_allclose(endless.upper[[0, 3, 5]], np.pi)


def test_velocity_is_infinite_where_the_urdf_names_none(endless):
    np.testing.assert_array_equal(endless.velocity[[0, 3]], [np.inf, 4.0])


def test_base_and_tip_default_to_the_root_and_the_only_leaf(two_link):
    assert (two_link.base_link, two_link.tip_link) == ("base", "tip")


def test_declaration_comments_and_foreign_elements_do_no_harm(two_link):
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<!-- an arm -->\n' + TWO_LINK.replace(
        "</robot>", '<transmission name="t"/><gazebo><plugin/></gazebo></robot>'
    )
    assert RobotModel.from_urdf(text).fingerprint == two_link.fingerprint


def test_missing_meshes_do_no_harm():
    mesh = '<link name="b"><visual><geometry><mesh filename="package://no/such.stl"/></geometry></visual></link>'
    assert RobotModel.from_urdf(one_joint().replace('<link name="b"/>', mesh)).dof == 1


def test_limits_may_be_one_value_and_axes_short():
    still = one_joint(inside='<limit lower="0.3" upper="0.3" effort="1" velocity="1"/><axis xyz="0 0 2e-9"/>')
    hinge = parse_chain(still.encode()).joints[0]
    assert (hinge.lower, hinge.upper) == (0.3, 0.3)
    np.testing.assert_allclose(hinge.axis, [0.0, 0.0, 1.0])
    with pytest.raises(URDFError, match="axis"):
        parse_chain(still.replace("2e-9", "1e-9").encode())


REFUSED = {
    "empty text": ("", "URDF"),
    "no such file": ("/no/such/robot.urdf", r"/no/such/robot\.urdf"),
    "text that is no XML": ("this is not a robot", "URDF"),
    "very long text that is no XML": ("not a robot " * 1000, "URDF"),
    "an open tag": ("<robot", "URDF"),
    "HTML": ("<html><body/></html>", "URDF"),
    "another root element": ('<machine name="m"><link name="a"/></machine>', ""),
    "no links": ('<robot name="r"/>', "link"),
    "document type": ("<!DOCTYPE robot>" + one_joint(), "document type"),
    "entity": ('<!DOCTYPE r [<!ENTITY e "b">]>' + one_joint().replace('link="b"', 'link="&e;"'), "entity"),
    "external entity": ('<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + one_joint(), "entity"),
    "two parents": (
        one_joint(after='<link name="c"/>' + joint("other", "c", "b")),
        "'b' has two parent joints: 'hinge', 'other'",
    ),
    "zero axis": (one_joint(inside=LIMIT + '<axis xyz="0 0 0"/>'), "hinge.*axis"),
    "axis of two numbers": (one_joint(inside=LIMIT + '<axis xyz="0 1"/>'), "hinge.*axis"),
    "axis that is not finite": (one_joint(inside=LIMIT + '<axis xyz="nan 0 1"/>'), "hinge.*axis"),
    "axis of words": (one_joint(inside=LIMIT + '<axis xyz="up up up"/>'), "URDF"),
    "origin of two numbers": (one_joint(inside=LIMIT + '<origin xyz="0 1"/>'), ""),
    "origin that is not finite": (one_joint(inside=LIMIT + '<origin xyz="0 nan 1"/>'), "hinge"),
    "fixed origin that is not finite": (
        one_joint(
            after='<link name="c"/><joint name="end" type="fixed"><origin xyz="inf 0 0"/>'
            '<parent link="b"/><child link="c"/></joint>'
        ),
        "end",
    ),
    "no limits": (one_joint(inside=""), "hinge.*limit"),
    "limits without numbers": (one_joint(inside='<limit effort="1" velocity="1"/>'), "hinge.*limit"),
    "prismatic without limits": (one_joint("prismatic", ""), "hinge.*limit"),
    "limits upside down": (one_joint(inside='<limit lower="1" upper="-1" effort="1" velocity="1"/>'), "hinge.*limits"),
    "limits that are not finite": (
        one_joint(inside='<limit lower="-inf" upper="1" effort="1" velocity="1"/>'),
        "hinge.*limits",
    ),
    "floating joint": (one_joint("floating"), "hinge.*floating"),
    "planar joint": (one_joint("planar"), "hinge.*planar"),
    "joint of no known type": (one_joint("spherical"), "hinge"),
    "nothing that moves": (one_joint("fixed"), "moves"),
    "joint without a child": (one_joint().replace('<child link="b"/>', ""), "URDF"),
    "joint to a link that is not there": (one_joint().replace('child link="b"', 'child link="z"'), ""),
    "two roots": (one_joint(after='<link name="c"/>'), "base_link.*2 root"),
    "two tips": (one_joint(after='<link name="c"/>' + joint("other", "a", "c")), "tip_link.*2 leaf"),
    "two joints of one name": (one_joint(after='<link name="c"/>' + joint("hinge", "b", "c")), "hinge"),
}


@pytest.mark.parametrize("source", REFUSED, ids=str)
def test_what_is_no_serial_chain_is_refused_with_its_reason(source):
    text, reason = REFUSED[source]
    with pytest.raises(URDFError) as refusal:
        RobotModel.from_urdf(text)
    assert re.search(reason, str(refusal.value))


def test_file_that_is_no_xml_is_refused(tmp_path):
    path = tmp_path / "robot.urdf"
    for content in (b"", b"\x00\xff\xfe", b"solid cube", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(URDFError):
            RobotModel.from_urdf(path)


def test_folder_in_place_of_a_file_is_refused(tmp_path):
    with pytest.raises(URDFError, match="no URDF file"):
        RobotModel.from_urdf(tmp_path)


def test_entities_are_refused_in_any_encoding(tmp_path):
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE r [<!ENTITY e "b">]>' + one_joint().replace(
        'child link="b"', 'child link="&e;"'
    )
    path = tmp_path / "robot.urdf"
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(URDFError):
        RobotModel.from_urdf(path)


@pytest.mark.parametrize("sixteenths", range(1, 16))
def test_truncated_description_is_refused_rather_than_read_as_a_shorter_arm(sixteenths):
    # Links and joints in turn: every beginning of it describes an arm of its own.
    text = (ROOT / "models" / "planar5.urdf").read_text().strip()
    with pytest.raises(URDFError):
        RobotModel.from_urdf(text[: len(text) * sixteenths // 16])


@pytest.mark.parametrize(
    ("base", "tip", "reason"),
    [
        ("ground", "tool", "base_link 'ground' is not in the URDF; it has arm, camera"),
        ("floor", "hand", "tip_link 'hand' is not in the URDF"),
        ("tool", "floor", "'floor' does not hang below 'tool'"),
        ("arm", "camera", "does not hang below|floating"),
        ("floor", "floor", "moves"),
        ("floor", None, "tip_link is needed.*camera.*finger_left.*finger_right"),
        ("floor", "camera", "bracket.*floating"),
        ("plate", "wrist", "moves"),
    ],
)
def test_links_that_make_no_chain_are_refused_with_the_reason(base, tip, reason):
    with pytest.raises(URDFError, match=reason):
        RobotModel.from_urdf(GANTRY, base, tip)


def test_links_in_a_cycle_are_refused():
    text = '<robot name="r"><link name="o"/><link name="a"/><link name="b"/>' + (
        joint("j", "a", "b") + joint("k", "b", "a") + "</robot>"
    )
    with pytest.raises(URDFError, match="cycle"):
        RobotModel.from_urdf(text, "o", "b")
    with pytest.raises(URDFError):
        RobotModel.from_urdf(text)


def test_refusals_are_errors_of_the_package_and_value_errors():
    with pytest.raises(CrispIKError):
        RobotModel.from_urdf("<robot")
    with pytest.raises(ValueError, match="URDF"):
        RobotModel.from_urdf("<robot")


def test_parsed_chain_carries_the_names():
    parsed = parse_chain(TWO_LINK.encode())
    assert (parsed.name, parsed.base_link, parsed.tip_link) == ("two_link", "base", "tip")
    assert len(parsed.joints) == 3
