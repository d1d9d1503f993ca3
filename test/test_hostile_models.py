"""Model files made to harm: each is refused with a word, before it takes memory, time or anything else."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
from measured import measured_positions, true_robot
from oracles import ROOT, biased, sample_around
from test_model_file import npy_claiming, rewrite

from crisp_ik_ros import CRiSP, LearnedKinematics, load_model
from crisp_ik_ros.errors import CrispIKError, InvalidInputError, ModelFileError
from crisp_ik_ros.nodes.serving import read_model
from crisp_ik_ros.regression.kernels import GaussianKernel

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def content(two_link, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.npz"
    CRiSP(two_link, kernel=GaussianKernel(0.5, 1.0), penalty=1e-7).fit(
        sample_around(two_link, biased(two_link), 30)
    ).save(path)
    return path.read_bytes()


@pytest.fixture
def saved(content, tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def learned_content(two_link, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.npz"
    LearnedKinematics(two_link, harmonics=1, kernel="none").fit(measured_positions(true_robot(two_link), 30, 0)).save(
        path
    )
    return path.read_bytes()


@pytest.fixture
def learned(learned_content, tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(learned_content)
    return path


def arrays_of(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def packed(arrays, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, array in arrays.items():
            archive.writestr(name if name.endswith(".npy") else f"{name}.npy", npy(array))
    return buffer.getvalue()


def npy(array):
    if isinstance(array, bytes):
        return array
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=True)
    return buffer.getvalue()


def refused(path, words, robot=None):
    with pytest.raises(ModelFileError, match=words or None) as caught:
        load_model(path, robot)
    assert path.name in str(caught.value)
    assert len(str(caught.value)) < 2000
    return str(caught.value)


# ---- what is no plain archive ---------------------------------------------------------------------------------------


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


def test_pickles_are_refused_and_not_run(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for harm in (pickle.dumps(Harm()), packed({"header": pickle.dumps(Harm())})):
        saved.write_bytes(harm)
        refused(saved, "damaged|no array")
    saved.write_bytes(packed({"header": np.array([Harm()], dtype=object)}))
    refused(saved, "header.*object")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("name", ["header", "centers", "coefficients", "configurations"])
def test_object_arrays_are_refused_by_name(saved, name):
    saved.write_bytes(packed({**arrays_of(saved.read_bytes()), name: np.array([Harm()] * 3, dtype=object)}))
    refused(saved, f"{name}.*object")


@pytest.mark.parametrize("dtype", ["f8,i4", "(2,2)f8", "V8"])
def test_structures_are_refused(saved, dtype):
    saved.write_bytes(packed({**arrays_of(saved.read_bytes()), "centers": np.zeros(3, dtype)}))
    refused(saved, "centers")


def bomb(size, claims_of=None):
    """Archive with a header that calls for ``size`` zeros, packed a thousandfold."""
    arrays = arrays_of(claims_of)
    header = json.loads(bytes(arrays["header"]))
    header["centers"] = size // (8 * 12)
    rows = header["centers"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", npy(np.frombuffer(json.dumps(header).encode(), np.uint8)))
        for name, columns in (("centers", 12), ("coefficients", 10), ("configurations", 2)):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                stream.write(npy_claiming((rows, columns), b""))
                left, chunk = rows * columns * 8, bytes(1 << 22)
                while left:
                    left -= stream.write(chunk[: min(left, len(chunk))])
    return buffer.getvalue()


def test_bomb_is_refused_with_what_it_would_unpack_to(saved, content):
    made = bomb(300 << 20, content)
    assert len(made) < 2 * MEGABYTE
    saved.write_bytes(made)
    refused(saved, "would unpack to 6")


def test_archive_of_an_archive_is_no_array(saved, content):
    saved.write_bytes(packed({"header": content}))
    refused(saved, "header.*no array")


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 32) - 2])
def test_sizes_in_the_directory_that_lie_are_refused(saved, content, size):
    start = content.index(b"PK\x01\x02")
    for fields in ((24,), (20,), (20, 24)):
        lying = bytearray(content)
        for field in fields:
            lying[start + field : start + field + 4] = struct.pack("<I", size)
        saved.write_bytes(lying)
        with pytest.raises(ModelFileError):
            load_model(saved)


def test_entries_in_the_same_place_are_refused(saved, content):
    # Fifield's bomb: many names for one and the same bytes.
    arrays = arrays_of(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", npy(array))
        info = archive.getinfo("coefficients.npy")
        for k in range(40):
            other = zipfile.ZipInfo(f"copy{k}.npy")
            other.header_offset, other.CRC = info.header_offset, info.CRC
            other.compress_size = other.file_size = info.file_size
            archive.filelist.append(other)
    saved.write_bytes(buffer.getvalue())
    refused(saved, "overlap|unpack")


def test_many_entries_are_refused_without_a_look_at_each(saved):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for k in range(65):
            archive.writestr(f"a{k}.npy", b"")
    saved.write_bytes(buffer.getvalue())
    refused(saved, "65 entries, expected at most 64")
    entry = b"PK\x01\x02" + struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * 50_000
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 50_000, 50_000, len(directory), 0, 0)
    saved.write_bytes(directory + end)
    refused(saved, "directory has")


def test_two_entries_of_one_name_are_refused(saved, content):
    buffer = io.BytesIO()
    with pytest.warns(UserWarning), zipfile.ZipFile(buffer, "w") as archive:
        for name, array in [*arrays_of(content).items(), ("centers", np.zeros((30, 12)))]:
            archive.writestr(f"{name}.npy", npy(array))
    saved.write_bytes(buffer.getvalue())
    refused(saved, r"two entries 'centers\.npy'")


@pytest.mark.parametrize(
    "name", ["../centers.npy", "/etc/centers.npy", "a/b.npy", "..\\centers.npy", "run.sh", "x\n.npy"]
)
def test_names_of_entries_that_are_paths_are_refused(saved, content, name):
    saved.write_bytes(packed({**arrays_of(content), name if name.endswith(".npy") else f"{name}": np.zeros(1)}))
    if not name.endswith(".npy"):
        buffer = io.BytesIO(content)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(name, b"#!/bin/sh")
        saved.write_bytes(buffer.getvalue())
    refused(saved, "entry")


def test_array_with_a_huge_header_is_refused(saved, content):
    harm = b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + b"{" * 1000
    saved.write_bytes(packed({**arrays_of(content), "centers": harm}))
    refused(saved, "centers.*header of 2.15 GB")
    for text in (b"[" * 9000, b"{'descr': __import__('os').mkdir('harmed')}", b"{'descr':'<f8'}", b"\0" * 100):
        harm = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
        saved.write_bytes(packed({**arrays_of(content), "centers": harm}))
        refused(saved, "")
    assert not os.path.exists("harmed")


# ---- special files --------------------------------------------------------------------------------------------------


def test_pipes_folders_devices_and_loops_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "loop.npz").symlink_to(tmp_path / "loop.npz")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    refused(tmp_path / "pipe.npz", "named pipe")
    refused(tmp_path / "folder.npz", "folder")
    refused(tmp_path / "zero.npz", "device")
    refused(tmp_path / "loop.npz", "symbolic links|no model file")
    refused(tmp_path / ("x" * 300 + ".npz"), "name too long|no model file")


def test_file_above_the_limit_is_refused_with_the_limit(saved):
    os.truncate(saved, 3 << 30)
    refused(saved, r"3\.22 GB, expected a model file of at most 2\.15 GB")


# ---- headers --------------------------------------------------------------------------------------------------------


def changed(path, keys, value):
    def alter(header):
        place = header
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    rewrite(path, alter)


def raw_header(path, text):
    with np.load(path) as archive:
        header = bytes(archive["header"])
    old, new = text
    assert old in header
    rewrite(path, header=np.frombuffer(header.replace(old, new, 1), np.uint8))


HOSTILE = {
    "deep": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "1e400": "1e400",
    "-1e400": "-1e400",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "huge whole number": "1" + "0" * 4000,
    "hugest whole number": "1" + "0" * 100_000,
    "a truth": "true",
    "nothing": "null",
    "text": '"0.05"',
    "a list": "[0.05]",
    "an object": '{"value": 0.05}',
    "negative": "-1",
    "zero": "0",
    "1e300": "1e300",
}


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["timeout", "position_tolerance"])
def test_hyperparameters_that_cannot_be_are_refused(saved, name, value):
    was = {"timeout": b'"timeout": 0.05', "position_tolerance": b'"position_tolerance": 1e-06'}[name]
    raw_header(saved, (was, f'"{name}": {HOSTILE[value]}'.encode()))
    refused(saved, "")


@pytest.mark.parametrize("value", [0.0, 1e300, -1.0, "fast", True, None, [1.0]], ids=repr)
@pytest.mark.parametrize(
    "keys",
    [
        ("kernel", "position_length_scale"),
        ("loss", "position_weight"),
        ("hyperparameters", "random_state"),
        ("hyperparameters", "solver"),
        ("hyperparameters", "orientation_tolerance"),
        ("training", "samples"),
        ("robot", "joints", 0, "upper"),
        ("robot", "joints", 0, "velocity"),
        ("robot", "joints", 0, "name"),
        ("robot", "joints", 0, "axis", 2),
        ("robot", "joints", 0, "origin", 0),
        ("robot", "rest", 0),
        ("robot", "name"),
        ("robot", "urdf_sha256"),
        ("robot", "base_link"),
        ("nearness", 0),
        ("centers",),
    ],
    ids=lambda keys: ".".join(map(str, keys)),
)
def test_every_field_has_its_type_and_range(saved, keys, value):
    with np.load(saved) as archive:
        header = json.loads(bytes(archive["header"]))
    for key in keys[:-1]:
        header = header[key]
    known = header[keys[-1]]
    # What is as good as what was there, or is allowed to be, does no harm.
    harmless = {
        ("kernel", "position_length_scale"): [None, 1e300],
        ("loss", "position_weight"): [0.0],
        ("robot", "joints", 0, "velocity"): [None, 1e300],
        ("robot", "name"): ["fast"],
        ("nearness", 0): [0.0],
        ("robot", "rest", 0): [0.0, -1.0],
        ("robot", "joints", 0, "axis", 2): [known],
    }
    changed(saved, keys, value)
    if any(value is fine or (value == fine and type(value) is type(fine)) for fine in harmless.get(keys, [])):
        pytest.skip("a value that may be")
    refused(saved, "")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("warnings", "the arm is bent", "warnings.*list of texts"),
        ("warnings", [1, 2], "warnings"),
        ("warnings", {"a": "b"}, "warnings"),
        ("evidence", "none", "evidence"),
        ("validation", [1.0], "validation"),
        ("validation", {"position_rms": "small"}, "position_rms"),
        ("validation", {"position_rms": -1.0}, "position_rms"),
        ("validation", {"position_rms": [1.0]}, "position_rms"),
        ("validation", {"method": 3.0}, "method"),
        ("outliers", "none", "outliers"),
        ("outliers", [1.5], "outliers"),
        ("outliers", [-1], "outliers"),
        ("outliers", [10**30], "outliers"),
        ("noise", [1.0], "noise"),
        ("noise", "ab", "noise"),
        ("masses", [1e300, 1.0], "masses"),
        ("masses", ["1.0", "1.0"], "masses"),
        ("masses", [-1.0, 1.0], "masses"),
        ("gravity", [0.0, 0.0, -1e9], "gravity"),
        ("tool", "known", "tool"),
        ("frame", [[1.0]], "frame"),
        ("kernel_centers", 10**9, "kernel_centers"),
        ("kernel_centers", True, "kernel_centers"),
        ("priors", {"adapt": 1.0}, ""),
        ("length_scales", "long", "length_scales"),
        ("error_factor", 0.0, "error_factor"),
        ("misfit", "1.0", "misfit"),
        ("training", {"samples": 2.5}, "samples"),
    ],
)
def test_fields_of_learned_kinematics_have_their_types(learned, field, value, words):
    load_model(learned)
    changed(learned, (field,), value)
    refused(learned, words)


def test_harmonics_without_end_are_refused_before_they_take_memory(learned):
    changed(learned, ("hyperparameters", "harmonics"), 10**12)
    refused(learned, "harmonics")


def test_learned_model_of_another_robot_is_refused_before_its_arrays_are_read(learned, panda):
    with np.load(learned) as archive:
        spoilt = np.full_like(archive["parameters"], np.nan)
    rewrite(learned, parameters=spoilt)
    refused(learned, "was trained for two_link.*the robot here is panda", panda)
    refused(learned, "'parameters' holds values that are not finite")


def test_what_cannot_be_loaded_cannot_be_fitted_either(two_link):
    samples = sample_around(two_link, biased(two_link), 10)
    for name, value in (("timeout", 1e300), ("position_tolerance", 1e300), ("random_state", 1 << 64)):
        with pytest.raises(InvalidInputError, match=f"{name}.*at most"):
            CRiSP(two_link, kernel=GaussianKernel(0.5, 1.0), penalty=1e-7, **{name: value}).fit(samples)


def test_weights_too_large_for_their_squares_are_refused_by_name(saved):
    with np.load(saved) as archive:
        array = archive["coefficients"].copy()
    array[5, 0] = -1e200
    rewrite(saved, coefficients=array)
    refused(saved, r"'coefficients' holds 1e\+200, above 1e\+100")


def test_every_byte_of_a_sample_flipped_is_refused_or_leaves_the_same_model(content, saved):
    rng = np.random.default_rng(1)
    wanted = arrays_of(content)
    refusals = 0
    for offset in rng.integers(0, len(content), 300):
        damaged = bytearray(content)
        damaged[offset] ^= int(rng.integers(1, 256))
        saved.write_bytes(damaged)
        try:
            load_model(saved).save(saved)
        except ModelFileError:
            refusals += 1
            continue
        found = arrays_of(saved.read_bytes())
        assert all(np.array_equal(found[name], array) for name, array in wanted.items()), offset
    assert refusals > 250


def test_shipped_model_of_version_1_loads_and_is_saved_to_the_same_bytes(tmp_path):
    shipped = ROOT / "models" / "panda_residual.npz"
    load_model(shipped).save(tmp_path / "again.npz")
    assert arrays_of((tmp_path / "again.npz").read_bytes()).keys() == arrays_of(shipped.read_bytes()).keys()
    with np.load(shipped) as first, np.load(tmp_path / "again.npz") as second:
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_refusals_take_less_than_100_mb(saved, content, tmp_path):
    """In a process that may not have more: what allocated before it looked would end in a MemoryError."""
    harm = {
        "bomb.npz": bomb(1500 << 20, content),
        "header.npz": packed({**arrays_of(content), "header": np.frombuffer(b"[" * MEGABYTE, np.uint8)}),
        "lists.npz": packed({**arrays_of(content), "header": np.frombuffer(b"[" + b"[]," * 300_000 + b"0]", np.uint8)}),
        "claims.npz": packed({**arrays_of(content), "centers": npy_claiming((1 << 30, 12), bytes(100))}),
    }
    for name, data in harm.items():
        (tmp_path / name).write_bytes(data)
    os.truncate(saved, 2 << 30)
    program = textwrap.dedent("""
        import resource, sys, tracemalloc
        from crisp_ik_ros import load_model
        from crisp_ik_ros.errors import ModelFileError
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + (100 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for path in sys.argv[1:]:
            try:
                load_model(path)
            except ModelFileError as error:
                assert "MemoryError" not in str(error), error
            else:
                raise SystemExit(f"{path} was loaded")
        print("refused", len(sys.argv) - 1)
    """)
    paths = [*(str(tmp_path / name) for name in harm), str(saved)]
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, timeout=120)
    assert done.stdout == "refused 5\n", done.stdout + done.stderr


def test_refusals_are_errors_of_the_package(saved):
    saved.write_bytes(b"")
    with pytest.raises(CrispIKError):
        load_model(saved)


def test_a_pipe_in_the_place_of_a_model_holds_up_no_service(tmp_path):
    os.mkfifo(tmp_path / "model.npz")
    with pytest.raises(ModelFileError, match="named pipe"):
        read_model(str(tmp_path / "model.npz"))
