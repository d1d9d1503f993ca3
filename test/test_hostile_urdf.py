"""Descriptions of robots made to harm: nothing is fetched, read, run or expanded, and every refusal comes in time."""

import http.server
import json
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from crisp_ik_ros import RobotModel
from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.nodes.description import description_of, other_joints
from crisp_ik_ros.robots.corrected_urdf import urdf_with_joints
from crisp_ik_ros.robots.guarded_xml import DEEPEST, LARGEST, MOST_ELEMENTS
from crisp_ik_ros.simulation.loading import portable_urdf

LIMIT = '<limit lower="-1" upper="1" effort="1" velocity="1"/>'
SECRET = "b-and-what-only-the-file-says"


def joint(name, parent, child, inside=LIMIT, kind="revolute"):
    return f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>{inside}</joint>'


def arm(inside=LIMIT, after="", before="", kind="revolute", name="r"):
    links = '<link name="a"/><link name="b"/>'
    return f'{before}<robot name="{name}">{links}{joint("hinge", "a", "b", inside, kind)}{after}</robot>'


def chain(count, kind="revolute"):
    parts = ['<robot name="r"><link name="l0"/>']
    parts += [f'<link name="l{i}"/>{joint(f"j{i}", f"l{i - 1}", f"l{i}", kind=kind)}' for i in range(1, count + 1)]
    return "".join([*parts, "</robot>"])


READERS = {
    "robot model": lambda xml: RobotModel.from_urdf(xml.decode()),
    "corrected URDF": lambda xml: urdf_with_joints(xml, ()),
    "simulator": lambda xml: portable_urdf(xml, None),
    "description": lambda xml: other_joints(xml.decode(), RobotModel.from_urdf(arm())),
}


@pytest.fixture(params=READERS)
def read(request):
    """Each place where a description is parsed."""
    return READERS[request.param]


def refused(read, xml, words, seconds=5.0):
    began = time.process_time()
    with pytest.raises(URDFError, match=words) as caught:
        read(xml if isinstance(xml, bytes) else xml.encode())
    assert time.process_time() - began < seconds
    assert len(str(caught.value)) < 2000


@pytest.fixture
def server():
    """Web server of this machine that counts what it is asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'<!ENTITY fetched "b">')

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/robot.dtd", asked
    running.shutdown()
    running.server_close()


def test_a_robot_without_harm_is_read_everywhere(read):
    read(arm(before='<?xml version="1.0"?><!-- an arm -->').encode())


def test_entities_that_grow_are_refused_before_they_do(read):
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 30))
    laughs = f'<!DOCTYPE r [<!ENTITY e0 "ha">{levels}]>'
    for place in (arm(before=laughs, name="&e29;"), arm(before=laughs, after="&e29;"), arm(before=laughs)):
        refused(read, place, "document type or an entity", 1.0)
    quadratic = f'<!DOCTYPE r [<!ENTITY a "{"x" * 100_000}">]>'
    refused(read, arm(before=quadratic, after="&a;" * 10_000), "document type", 1.0)
    refused(read, '<!DOCTYPE r [<!ENTITY a "&b;"><!ENTITY b "&a;">]>' + arm(name="&a;"), "document type")
    refused(read, arm(name="&undeclared;"), "cannot be read as a URDF")


def test_document_types_in_other_encodings_are_refused(read, tmp_path):
    if read in (READERS["description"], READERS["robot model"]):
        pytest.skip("these take text")
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        refused(read, ('<!DOCTYPE r [<!ENTITY e "b">]>' + arm()).encode(encoding), "")


def test_nothing_is_fetched_and_no_file_is_read(read, server, tmp_path):
    address, asked = server
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    for place in (address, secret.as_uri(), str(secret)):
        for declared in (
            f'<!DOCTYPE r SYSTEM "{place}">',
            f'<!DOCTYPE r PUBLIC "-//a//b" "{place}">',
            f'<!DOCTYPE r [<!ENTITY e SYSTEM "{place}">]>',
            f'<!DOCTYPE r [<!ENTITY % e SYSTEM "{place}"> %e;]>',
        ):
            with pytest.raises(URDFError) as caught:
                read(arm(before=declared, after="&e;").encode())
            assert SECRET not in str(caught.value)
        include = f'<include xmlns="http://www.w3.org/2001/XInclude" href="{place}" parse="text"/>'
        style = f'<?xml-stylesheet type="text/xsl" href="{place}"?>'
        schema = f'<x xmlns:s="http://www.w3.org/2001/XMLSchema-instance" s:schemaLocation="u {place}"/>'
        for harmless in (arm(after=include), arm(before=style), arm(after=schema)):
            found = read(harmless.encode())
            assert SECRET.encode() not in (found if isinstance(found, bytes) else b"")
    assert not asked


def test_deep_wide_and_huge_texts_are_refused_in_time(read):
    refused(read, "<robot>" + "<a>" * 100_000 + "</a>" * 100_000 + "</robot>", f"{DEEPEST} deep", 1.0)
    refused(read, "<robot>" + "<a/>" * (MOST_ELEMENTS + 1) + "</robot>", f"at most {MOST_ELEMENTS}")
    refused(read, arm(after="<!--" + "x" * LARGEST + "-->"), r"16\.8 MB")
    refused(read, arm(name="x" * 12_000_000), "cannot be read as a URDF")


@pytest.mark.parametrize(
    "xml",
    [
        arm().encode()[:-3],
        b"\xff\xfe" + arm().encode(),
        b'<?xml version="1.0" encoding="utf-8"?>' + arm(name="\xe9").encode("latin-1"),
        b'<?xml version="1.0" encoding="no-such-encoding"?>' + arm().encode(),
        arm(name="\0").encode(),
        arm(after="<x:y/>").encode(),
        b"",
        b"<",
    ],
    ids=range(8),
)
def test_bytes_that_are_no_text_are_refused(xml):
    for read in (READERS["corrected URDF"], READERS["simulator"]):
        refused(read, xml, "cannot be read as a URDF")


def test_other_encodings_are_read(tmp_path):
    path = tmp_path / "robot.urdf"
    for encoding, named in (("latin-1", "iso-8859-1"), ("utf-16", "utf-16"), ("utf-8-sig", "utf-8")):
        path.write_bytes((f'<?xml version="1.0" encoding="{named}"?>' + arm(name="René")).encode(encoding))
        assert RobotModel.from_urdf(path).name == "René"
        assert "René" in description_of(path)


def test_long_chains_are_read_and_longer_ones_refused_in_time():
    began = time.process_time()
    assert RobotModel.from_urdf(chain(200)).dof == 200
    with pytest.raises(URDFError, match="more than 1000 joints"):
        RobotModel.from_urdf(chain(10_000))
    assert time.process_time() - began < 15.0


def test_ten_thousand_links_beside_the_chain_are_read_in_time():
    leaves = "".join(f'<link name="x{i}"/>{joint(f"k{i}", "a", f"x{i}", kind="fixed")}' for i in range(10_000))
    began = time.process_time()
    assert RobotModel.from_urdf(arm(after=leaves), "a", "b").dof == 1
    assert time.process_time() - began < 15.0


REFUSED = {
    "two links of one name": (arm(after='<link name="b"/>'), "two links are named 'b'"),
    "two joints of one name": (
        arm(after='<link name="c"/>' + joint("hinge", "b", "c")),
        "two joints are named 'hinge'",
    ),
    "a parent that is no link": (arm(after='<link name="c"/>' + joint("k", "z", "c")), "'k' has the parent 'z'"),
    "a child that is no link": (arm(after=joint("k", "b", "z")), "'k' has the child 'z'"),
    "a cycle beside the chain": (
        arm(after='<link name="c"/><link name="d"/>' + joint("k", "c", "d") + joint("m", "d", "c")),
        "cycle",
    ),
    "a link that is its own parent": (arm(after='<link name="c"/>' + joint("k", "c", "c")), "cycle"),
    "an empty name": (arm(after='<link name=""/>'), "no name"),
    "no name": (arm(after="<link/>"), ""),
    "no limits": (arm(""), "no <limit"),
    "zero axis": (arm(LIMIT + '<axis xyz="0 0 0"/>'), "axis"),
    "axis of NaN": (arm(LIMIT + '<axis xyz="nan nan nan"/>'), "axis"),
    "axis of 1e400": (arm(LIMIT + '<axis xyz="1e400 0 0"/>'), "axis"),
    "limit of NaN": (arm('<limit lower="nan" upper="1" effort="1" velocity="1"/>'), "limits"),
    "limit of 1e300": (arm('<limit lower="-1e300" upper="1e300" effort="1" velocity="1"/>'), "beyond 1e.12"),
    "velocity of NaN": (arm('<limit lower="-1" upper="1" effort="1" velocity="nan"/>'), "velocity"),
    "negative velocity": (arm('<limit lower="-1" upper="1" effort="1" velocity="-1"/>'), "velocity"),
    "origin of NaN": (arm(LIMIT + '<origin xyz="nan 0 0"/>'), "origin"),
    "rotation of infinity": (arm(LIMIT + '<origin rpy="inf 0 0"/>'), "origin"),
    "origin of 1e300": (arm(LIMIT + '<origin xyz="1e300 0 0"/>'), "farther than"),
    "words for numbers": (arm(LIMIT + '<origin xyz="a b c"/>'), ""),
    "mass of NaN": (
        arm(after='<link name="c"><inertial><mass value="nan"/></inertial></link>' + joint("k", "b", "c")),
        "mass",
    ),
    "mass of 1e300": (
        arm(after='<link name="c"><inertial><mass value="1e300"/></inertial></link>' + joint("k", "b", "c")),
        "mass",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_robots_that_cannot_be_are_refused_by_name(what):
    xml, words = REFUSED[what]
    with pytest.raises(URDFError, match=words or None):
        RobotModel.from_urdf(xml)


def test_numbers_of_other_joints_that_mean_nothing_put_them_at_zero():
    xml = arm(
        after='<link name="c"/>'
        + joint("finger", "b", "c", '<limit lower="nan" upper="wide"/>')
        + '<link name="d"/>'
        + joint("thumb", "b", "d", '<limit lower="0.1" upper="0.2"/>')
    )
    assert other_joints(xml, RobotModel.from_urdf(arm())) == {"finger": 0.0, "thumb": 0.1}


def test_special_files_are_refused_at_once(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.urdf")
    (tmp_path / "loop.urdf").symlink_to(tmp_path / "loop.urdf")
    (tmp_path / "large.urdf").touch()
    os.truncate(tmp_path / "large.urdf", 1 << 40)
    for path, words in (
        (tmp_path / "pipe.urdf", "named pipe"),
        (tmp_path / "loop.urdf", "no URDF file"),
        (tmp_path, "folder"),
        ("/dev/zero", "device"),
        (tmp_path / "large.urdf", r"at most 16\.8 MB"),
        ("a\0b", "no URDF file"),
    ):
        with pytest.raises(URDFError, match=words):
            RobotModel.from_urdf(path)


def test_reading_hostile_files_reaches_no_network_and_runs_nothing(tmp_path):
    """Everything that Python does is reported to an audit hook; what a reader must never do is listed."""
    import numpy as np
    from test_hostile_models import Harm, packed

    files = {
        "dtd.urdf": arm(before='<!DOCTYPE r SYSTEM "http://127.0.0.1:9/r.dtd">').encode(),
        "entity.urdf": arm(before='<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]>', after="&e;").encode(),
        "good.urdf": arm().encode(),
        "object.npz": packed({"header": np.array([Harm()], dtype=object)}),
        "pickle.npz": __import__("pickle").dumps(Harm()),
        "header.npz": packed({"header": b"\x93NUMPY\x01\x00\x40\x00{'descr': __import__('os').system('x')}".ljust(74)}),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    program = textwrap.dedent("""
        import json, os, sys
        from crisp_ik_ros import RobotModel, load_model
        from crisp_ik_ros.errors import CrispIKError
        RobotModel.from_urdf(sys.argv[1] + "/good.urdf")
        found, watching = [], True
        never = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "pickle.", "exec",
                 "urllib.", "ctypes.dlopen", "import", "os.mkdir", "os.rename", "os.remove", "shutil.")
        def hook(event, arguments):
            if watching and event.startswith(never):
                found.append(event)
            if watching and event == "open" and not str(arguments[0]).startswith((sys.argv[1], "/proc/", "/sys/")):
                if not str(arguments[0]).endswith((".py", ".pyc", ".so")) and not isinstance(arguments[0], int):
                    found.append(f"open {arguments[0]}")
        def read_all():
            for name in sorted(os.listdir(sys.argv[1])):
                try:
                    (load_model if name.endswith(".npz") else RobotModel.from_urdf)(os.path.join(sys.argv[1], name))
                except CrispIKError:
                    pass
        # What is imported at the first time is there at the second.
        read_all()
        sys.addaudithook(hook)
        read_all()
        watching = False
        print(json.dumps(found))
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=200, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    assert not (tmp_path / "harmed").exists()
