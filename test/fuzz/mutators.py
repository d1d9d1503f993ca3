"""Changes to inputs: blind ones, and ones that keep a format whole so that its reader is reached.

A mutator takes the input, a generator of random numbers, and ``scramble``, which changes bytes blindly: Atheris' own
mutation, or ``scrambled`` below.
"""

from __future__ import annotations

import ast
import copy
import io
import json
import random
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

Scramble = Callable[[bytes], bytes]
Mutator = Callable[[bytes, random.Random, Scramble], bytes]

LARGEST = 1 << 16
NUMBERS = (
    "nan", "inf", "-inf", "1e308", "-1e308", "1e400", "1e-320", "0", "-0.0", "-1", "1", "0.5", "3.2", "1e9", "1e-9",
    "4294967296", "-9223372036854775809", "9" * 400, "0x10", "1_000", "１", "", "abc",
)  # fmt: skip
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
# What JSON can hold in place of what is expected.
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 0.5, 1e9, 1e-9, 1e308, -1e308, 5e-324, 10**30, 10**400, -(2**63), 2**31, 2**53 + 1,
    float("nan"), float("inf"), float("-inf"), "", "a", "x" * 5000, "\x00", "\ud800", "ü", [], {}, [[]], [1, 2],
    {"a": 1}, [None], [[[[[]]]]],
)  # fmt: skip
WORDS = (
    b"NaN",
    b"inf",
    b"-1",
    b"1e400",
    b"\xff",
    b"\x00",
    b'"',
    b",",
    b"\n",
    b"#",
    b"<",
    b">",
    b"&a;",
    b"\xef\xbb\xbf",
)


def scrambled(data: bytes, rng: random.Random) -> bytes:
    """Change bytes without knowing what they mean."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        size = len(result)
        at = rng.randrange(size + 1)
        kind = rng.randrange(8)
        if kind == 0 and size:
            result[at % size] ^= 1 << rng.randrange(8)
        elif kind == 1 and size:
            result[at % size] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del result[at : at + rng.choice((1, 2, 8, 64, max(1, size // 4)))]
        elif kind == 3:
            end = at + rng.choice((1, 8, 64, max(1, size // 4)))
            result[at:at] = result[at:end]
        elif kind == 4:
            result[at:at] = rng.randbytes(rng.choice((1, 2, 8, 32)))
        elif kind == 5:
            width = rng.choice((2, 4, 8))
            value = rng.choice((0, 1, 0x7F, 0xFF, -1, 1 << 15, 1 << 31, (1 << 31) - 1, -2))
            mask = (1 << (8 * width)) - 1
            result[at : at + width] = (value & mask).to_bytes(width, rng.choice(("little", "big")))
        elif kind == 6:
            result[at:at] = rng.choice(WORDS)
        else:
            del result[at:]
    return bytes(result[:LARGEST])


def bytes_mutator(data: bytes, rng: random.Random, scramble: Scramble) -> bytes:
    """For formats of which nothing is known."""
    return scramble(data)


def text_mutator(data: bytes, rng: random.Random, scramble: Scramble) -> bytes:
    """For lines of numbers and words."""
    if rng.random() < 0.2:
        return scramble(data)
    text = data.decode("utf-8", "surrogateescape")
    kind = rng.randrange(4)
    lines = text.split("\n")
    row = rng.randrange(len(lines))
    if kind == 0:
        text = _with_strange_number(text, rng)
    elif kind == 1:
        lines.insert(row, rng.choice(lines))
        text = "\n".join(lines)
    elif kind == 2:
        del lines[row]
        text = "\n".join(lines)
    else:
        cells = lines[row].split(",")
        cells[rng.randrange(len(cells))] = rng.choice((*NUMBERS, rng.choice(cells), '"', "group", "x", "#"))
        lines[row] = ",".join(cells)
        text = "\n".join(lines)
    return text.encode("utf-8", "surrogateescape")[:LARGEST]


def _with_strange_number(text: str, rng: random.Random) -> str:
    found = list(NUMBER.finditer(text))
    if not found:
        return text + rng.choice(NUMBERS)
    match = rng.choice(found)
    return text[: match.start()] + rng.choice(NUMBERS) + text[match.end() :]


def xml_mutator(data: bytes, rng: random.Random, scramble: Scramble) -> bytes:
    """For robot descriptions: the result is XML most of the time."""
    if rng.random() < 0.2:
        return scramble(data)
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):
        return scramble(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        elements = list(root.iter())
        element, other = rng.choice(elements), rng.choice(elements)
        kind = rng.randrange(7)
        if kind == 0 and element.attrib:
            name = rng.choice(sorted(element.attrib))
            element.attrib[name] = _with_strange_number(element.attrib[name], rng)
        elif kind == 1 and element.attrib:
            del element.attrib[rng.choice(sorted(element.attrib))]
        elif kind == 2 and other.attrib:
            name = rng.choice(sorted(other.attrib))
            element.attrib[rng.choice((name, *element.attrib))] = other.attrib[name]
        elif kind == 3 and len(element):
            element.remove(rng.choice(list(element)))
        elif kind == 4 and len(elements) < 400:
            element.append(copy.deepcopy(other))
        elif kind == 5:
            element.tag = rng.choice((other.tag, "link", "joint", "limit", "axis", "inertial", "mimic", "visual"))
        elif element.attrib:
            name = rng.choice(sorted(element.attrib))
            strange = (" ", "continuous", "prismatic", "floating", "planar", "fixed", "1 2", "a b c", "0 0 0")
            element.attrib[name] = rng.choice((*NUMBERS, *strange))
    return ElementTree.tostring(root)[:LARGEST]


def strange_json(value: Any, rng: random.Random) -> Any:
    """JSON value with something in it that does not belong there."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places: list[tuple[Any, Any]] = []
        waiting = [value]
        while waiting:
            node = waiting.pop()
            if isinstance(node, (dict, list)):
                for key in list(node) if isinstance(node, dict) else range(len(node)):
                    places.append((node, key))
                    waiting.append(node[key])
        if not places:
            return rng.choice(STRANGE)
        node, key = rng.choice(places)
        kind = rng.randrange(6)
        if kind <= 1:
            node[key] = copy.deepcopy(rng.choice(STRANGE))
        elif kind == 2:
            del node[key]
        elif kind == 3:
            other, place = rng.choice(places)
            if isinstance(other, dict) or place < len(other):
                node[key] = copy.deepcopy(other.get(place) if isinstance(other, dict) else other[place])
        elif kind == 4 and isinstance(node, list):
            node.insert(key, copy.deepcopy(node[key]))
        elif isinstance(node[key], (int, float)) and not isinstance(node[key], bool):
            node[key] = rng.choice((-1, 2, 1e-3, 1e6, 1 + 1e-9)) * float(min(max(node[key], -1e300), 1e300))
        if len(json.dumps(value)) > LARGEST:
            return value
    return value


def json_mutator(data: bytes, rng: random.Random, scramble: Scramble) -> bytes:
    """For JSON text."""
    if rng.random() < 0.15:
        return scramble(data)
    try:
        return json.dumps(strange_json(json.loads(data), rng)).encode()[:LARGEST]
    except (ValueError, RecursionError):
        return scramble(data)


def array_mutator(data: bytes, rng: random.Random, scramble: Scramble) -> bytes:
    """For one .npy array: its header is changed as text, with its length put right, or its numbers are."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12 or rng.random() < 0.1:
        return scramble(data)
    length = int.from_bytes(data[8:10], "little")
    header, body = data[10 : 10 + length], data[10 + length :]
    kind = rng.randrange(4)
    if kind == 0:
        try:
            described = ast.literal_eval(header.decode("latin1"))
            name = rng.choice(("descr", "shape", "shape", "fortran_order"))
            strange: dict[str, Any] = {
                "descr": ("<f8", "<f4", ">f8", "|O", "<U3", "|V8", "<i8", "|u1", "<c16", "<M8[s]", [("a", "<f8")], 3),
                "shape": (
                    (), (0,), (1,), (-1,), (1 << 40,), (1 << 62, 4), (0, 1 << 62), (2, 3), (True, 2), (1.0,), 5, None,
                    tuple(reversed(described["shape"])), (*described["shape"], 1), (1,) * 70,
                ),
                "fortran_order": (True, False, 1, None),
            }  # fmt: skip
            described[name] = rng.choice(strange[name])
            header = repr(described).encode()
        except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
            header = scramble(header)
        header = header.rstrip() + b" " * (-(len(header.rstrip()) + 11) % 64) + b"\n"
    elif kind == 1:
        header = scramble(header)
    elif kind == 2 and len(body) >= 8:
        at = 8 * rng.randrange(len(body) // 8)
        value = rng.choice((float("nan"), float("inf"), -float("inf"), 1e308, -1.0, 0.0, 5e-324, 1e9, 7.0))
        body = body[:at] + struct.pack("<d", value) + body[at + 8 :]
    else:
        body = scramble(body)
    return data[:8] + (len(header) & 0xFFFF).to_bytes(2, "little") + header + body


def unpacked(data: bytes) -> list[tuple[str, bytes]]:
    """Return members of a zip archive; none where it is no whole one, or too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > 1 << 20:
                return []
            return [(member.filename, archive.read(member)) for member in members]
    except Exception:  # whatever damaged archives make the standard library raise
        return []


def packed(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive, the same bytes for the same members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name are meant
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            archive.writestr(info, content)
    return stream.getvalue()


def archive_mutator(of_member: Callable[[str], Mutator]) -> Mutator:
    """For archives: one member is changed as its name calls for, and the archive is whole again; or names change."""

    def mutate(data: bytes, rng: random.Random, scramble: Scramble) -> bytes:
        members = unpacked(data)
        if not members or rng.random() < 0.1:
            return scramble(data)
        at = rng.randrange(len(members))
        name, content = members[at]
        kind = rng.randrange(12)
        if kind == 0 and len(members) > 1:
            del members[at]
        elif kind == 1:
            members.append((name, rng.choice(members)[1]))
        elif kind == 2:
            members[at] = (rng.choice(("header.npy", f"../{name}", f"/{name}", name.upper(), "a" * 300, "x")), content)
        elif kind == 3:
            members[at] = (name, rng.choice(members)[1])
        elif kind == 4:
            members.append(("bomb.npy", bytes(1 << 16)))
        else:
            members[at] = (name, of_member(name)(content, rng, scramble))
        try:
            result = packed(members, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
        except (ValueError, UnicodeError, zipfile.LargeZipFile):
            return scramble(data)
        return result if len(result) <= 4 * LARGEST else data

    return mutate


def json_object(data: bytes) -> dict[str, Any] | None:
    """JSON object; None where these bytes are none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
