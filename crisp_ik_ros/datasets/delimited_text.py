"""Tables of text as instruments and spreadsheets write them: separators, decimal commas, headers, units, encodings."""

from __future__ import annotations

import csv
import fnmatch
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crisp_ik_ros.errors import DatasetError
from crisp_ik_ros.files import read_file, shortened
from crisp_ik_ros.memory import check_memory
from crisp_ik_ros.transforms import Array

AUTOMATIC = "auto"
# In the order of preference where several fit as well.
SEPARATORS = {"semicolon": ";", "tab": "\t", "comma": ",", "space": " "}
DECIMALS = {"point": ".", "comma": ","}
HEADERS = ("auto", "yes", "no")
# Bytes that a table may have, of a line, and memory as a multiple of the file's size.
LARGEST, LONGEST_LINE, MEMORY_FACTOR = 1 << 33, 1 << 20, 12.0
# Lines from which separator and decimal are told.
LINES_TO_TELL = 400
# Cells that say that there is no value.
MISSING = {"", "nan", "na", "n/a", "null", "none", "-", "--", "---", "inf", "-inf", "+inf", "#n/a", "#nan", "?"}
# Spellings of units, in lower case.
UNITS = {
    "mm": "mm", "millimeter": "mm", "millimeters": "mm", "millimetre": "mm", "millimetres": "mm",
    "m": "m", "meter": "m", "meters": "m", "metre": "m", "metres": "m", "cm": "cm", "um": "um", "µm": "um",
    "inch": "inch", "in": "inch",
    "rad": "rad", "radian": "rad", "radians": "rad",
    "deg": "deg", "degree": "deg", "degrees": "deg", "°": "deg", "gon": "gon", "mrad": "mrad",
    "kg": "kg", "g": "g", "n": "N", "s": "s", "ms": "ms", "c": "C", "°c": "C", "degc": "C", "k": "K",
}  # fmt: skip
# Units that stand at the end of a name without brackets: single letters there mean other things too often.
SUFFIXES = ("mm", "deg", "degrees", "rad", "radians", "kg")
# Beginnings of files that are no text.
BINARY = {
    b"PK\x03\x04": "a zip archive or a spreadsheet (.xlsx); export the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls); export the sheet as CSV",
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"\x89HDF": "an HDF5 file; export the table as CSV",
    b"MATLAB": "a MATLAB file; write the table as CSV (writematrix)",
    b"\x93NUMPY": "a NumPy array; write it with numpy.savetxt",
}

_NUMBER = {
    "point": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?"),
    "comma": re.compile(r"[+-]?(\d+,?\d*|,\d+)([eEdD][+-]?\d+)?"),
}
_FRACTION = {
    "point": re.compile(r"[+-]?\d*\.\d+([eEdD][+-]?\d+)?"),
    "comma": re.compile(r"[+-]?\d*,\d+([eEdD][+-]?\d+)?"),
}
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        As in the header; its number, counted from 1, where there is none.
    bare : str
        Name without its unit.
    unit : str
        "mm", "m", "deg", "rad" or another of ``UNITS``; empty where none is said.
    cells : tuple of str
    """

    name: str
    bare: str
    unit: str
    cells: tuple[str, ...]


class TextTable:
    """A table of text, its columns found by name, pattern or number.

    Attributes
    ----------
    path : Path
    columns : tuple of Column
    lines : tuple of int
        Line of each row, counted from 1.
    named : bool
        False where the columns are called by their numbers.
    decimal : str
        "point" or "comma".
    reading : str
        Separator, decimal sign, header and encoding, as text for people.
    notes : tuple of str
        Lines that were left out.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[Column],
        lines: Sequence[int],
        named: bool,
        decimal: str,
        reading: str,
        notes: Sequence[str],
    ):
        self.path, self.columns, self.lines, self.named = path, tuple(columns), tuple(lines), named
        self.decimal, self.reading, self.notes = decimal, reading, tuple(notes)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(column.name for column in self.columns)

    def select(self, wanted: str, option: str) -> list[Column]:
        """Columns of a list: names, patterns (``*_joint``), numbers from 1, or ranges of these (``3-8``).

        Separated by commas or, where there is none, by blanks. Case counts only where it decides.

        Raises
        ------
        DatasetError
            When one of them is not there, or stands twice in the header.
        """
        whole = self._find(wanted)
        if len(whole) == 1:
            return whole
        words = [word.strip() for word in (wanted.split(",") if "," in wanted else wanted.split())]
        found: list[Column] = []
        for word in words:
            matches = self._find(word)
            if not matches:
                raise DatasetError(
                    f"{option}: {self.path} has no column {word!r}; expected some of {shortened(', '.join(self.names))}"
                )
            if len(matches) > 1 and not any(sign in word for sign in "*?[-:"):
                raise DatasetError(f"{option}: {self.path} has {len(matches)} columns {word!r}, expected one")
            found += [column for column in matches if column not in found]
        return found

    def one(self, wanted: str, option: str) -> Column:
        """Return the only column of this name; DatasetError where there is none, or several."""
        found = self.select(wanted, option)
        if len(found) != 1:
            raise DatasetError(
                f"{option}: {wanted!r} are {len(found)} columns, {', '.join(one.name for one in found)}; expected one"
            )
        return found[0]

    def _find(self, word: str) -> list[Column]:
        for same in (
            lambda column: word in (column.name, column.bare),
            lambda column: word.lower() in (column.name.lower(), column.bare.lower()),
            lambda column: (
                any(sign in word for sign in "*?")
                and (fnmatch.fnmatchcase(column.name, word) or fnmatch.fnmatchcase(column.bare, word))
            ),
        ):
            found = [column for column in self.columns if same(column)]
            if found:
                return found
        match = re.fullmatch(r"(\d+)(?:[-:](\d+))?", word)
        if match is None:
            return []
        first, last = int(match[1]), int(match[2] or match[1])
        return list(self.columns[first - 1 : last]) if 1 <= first <= last <= len(self.columns) else []

    def numbers(self, column: Column) -> Array:
        """Numbers (n,) of a column, NaN where a cell is empty or says that there is no value.

        Raises
        ------
        DatasetError
            When a cell is something else; it names line and column.
        """
        fast = _floats(column.cells, self.decimal)
        if fast is not None:
            return fast
        values = [number_of(cell, self.decimal) for cell in column.cells]
        if None in values:
            row = values.index(None)
            raise DatasetError(
                f"{self.path}: line {self.lines[row]}, column {column.name} holds {shortened(column.cells[row])!r}; "
                "expected a number, or nothing"
            )
        return np.array(values, dtype=float)


def _floats(cells: Sequence[str], decimal: str) -> Array | None:
    """Numbers of cells of which each is a plain finite number; None where one is not."""
    text = "\n".join(cells)
    # What Python takes for numbers beyond those of tables; and points among decimal commas.
    if "_" in text or (decimal == "comma" and "." in text):
        return None
    try:
        values = np.array([float(cell) for cell in text.replace(",", "." if decimal == "comma" else ",").split("\n")])
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def number_of(cell: str, decimal: str) -> float | None:
    """Return the number that a cell holds: NaN where it says that there is none, None where it is text."""
    if cell.lower() in MISSING:
        return np.nan
    if _NUMBER[decimal].fullmatch(cell) is None:
        return None
    value = float(cell.replace(",", ".").replace("d", "e").replace("D", "e"))
    return value if np.isfinite(value) else np.nan


def read_delimited(
    path: Path, separator: str = AUTOMATIC, decimal: str = AUTOMATIC, header: str = AUTOMATIC
) -> TextTable:
    """Read a table of text.

    Lines that begin with # or % are comments, but the last before the numbers may be the header. Lines before the
    header, such as a title, are left out and named. A line of units may follow the header.

    Parameters
    ----------
    path : Path
    separator : str
        "auto", "semicolon", "tab", "comma" or "space".
    decimal : str
        "auto", "point" or "comma".
    header : str
        "auto", "yes" or "no".

    Raises
    ------
    DatasetError
        When it is no text, rows have different numbers of cells, or separator or decimal sign cannot be told.
    """
    text, encoding = _text(path)
    lines, comments, declared = _lines(path, text)
    if not lines:
        raise DatasetError(f"{path} holds no lines, expected a table")
    if separator == AUTOMATIC:
        separator = declared or _separator(path, lines)
    rows = [(number, _cells(line, SEPARATORS[separator])) for number, line in lines]
    width = Counter(len(cells) for _, cells in rows[-LINES_TO_TELL:]).most_common(1)[0][0]
    if width < 2:
        raise DatasetError(
            f"{path}: line {rows[0][0]} is {shortened(lines[0][1])!r}, one cell when separated by {separator}; "
            "expected several columns. Give --separator"
        )
    if decimal == AUTOMATIC:
        decimal = _decimal(path, [cells for _, cells in rows])
    top = _top(rows, width, decimal, header)
    names, units, above, body = top
    notes = []
    if names is None and header != "no" and comments and not above:
        for _, comment in comments[::-1]:
            cells = _cells(comment, SEPARATORS[separator])
            if len(cells) == width and all(number_of(cell, decimal) is None for cell in cells):
                names = cells
                break
    if above:
        first = ", ".join(f"{number} ({shortened(SEPARATORS[separator].join(cells), 60)})" for number, cells in above)
        notes.append(f"lines above the table left out: {shortened(first)}")
    body = _rectangular(path, body, width, names)
    if not body:
        raise DatasetError(f"{path} has a header and no rows of numbers below it")
    titles = names or [str(i + 1) for i in range(width)]
    columns = [
        _column(title, unit, cells)
        for title, unit, cells in zip(
            titles, units or [""] * width, zip(*(cells for _, cells in body), strict=True), strict=False
        )
    ]
    reading = f"{separator}s" if separator != "space" else "blanks"
    reading += f" between the cells, decimal {decimal}s, "
    reading += "a header" if names else "no header: the columns are called by their numbers"
    reading += "" if encoding == "UTF-8" else f", {encoding}"
    return TextTable(path, columns, [number for number, _ in body], names is not None, decimal, reading, notes)


def _text(path: Path) -> tuple[str, str]:
    content = read_file(path, LARGEST, DatasetError, "table")
    check_memory(MEMORY_FACTOR * len(content), DatasetError, f"{path}, read as text,", "split it")
    for begin, kind in BINARY.items():
        if content.startswith(begin):
            raise DatasetError(f"{path} is {kind}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding, name = "utf-16", "UTF-16"
    else:
        encoding, name = "utf-8-sig", "UTF-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16":
            raise DatasetError(f"{path} is no text in UTF-16: {error.reason}") from error
        # Instruments on Windows write their degree and micro signs so; every byte is a character in it.
        text, name = content.decode("latin-1"), "read as Latin-1"
    if "\x00" in text:
        raise DatasetError(f"{path} is no text: it holds zero bytes")
    return text, name


def _lines(path: Path, text: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]], str | None]:
    """Lines that are not blank, comments, and the separator that Excel's first line ``sep=;`` declares."""
    lines, comments, declared = [], [], None
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if len(line) > LONGEST_LINE:
            raise DatasetError(f"{path}: line {number} has more than {LONGEST_LINE} characters; no table's has")
        line = line.rstrip("\r\n")
        stripped = line.strip()
        if number == 1 and re.fullmatch(r'"?sep=(.)"?', stripped):
            sign = stripped.strip('"')[-1]
            declared = next((name for name, one in SEPARATORS.items() if one == sign), None)
        elif stripped.startswith(("#", "%")):
            comments.append((number, stripped.lstrip("#%").strip()))
        elif stripped.strip(";,\t "):
            lines.append((number, line))
    return lines, comments, declared


def _cells(line: str, sign: str) -> list[str]:
    if sign == " " and '"' not in line:
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(sign)]
    try:
        return [
            cell.strip() for cell in next(csv.reader([line.strip() if sign == " " else line], delimiter=sign,
                                                     skipinitialspace=True))
        ]  # fmt: skip
    except (csv.Error, StopIteration):
        return [line]


def _separator(path: Path, lines: Sequence[tuple[int, str]]) -> str:
    """Separator that makes the most cells numbers, in rows of one length."""
    scores = {}
    # Not the header: its words say nothing.
    chosen = [line for _, line in lines[1 : LINES_TO_TELL + 1]] or [lines[0][1]]
    for name, sign in SEPARATORS.items():
        rows = [_cells(line, sign) for line in chosen]
        width, count = Counter(map(len, rows)).most_common(1)[0]
        if width < 2:
            continue
        cells = [cell for row in rows if len(row) == width for cell in row if cell]
        kinds = ("point", "comma") if sign != "," else ("point",)
        share = max(sum(number_of(cell, kind) is not None for cell in cells) for kind in kinds) / max(len(cells), 1)
        scores[name] = share * count / len(rows)
    if not scores:
        raise DatasetError(
            f"{path}: line {lines[0][0]} is {shortened(lines[0][1])!r}; no separator makes several columns of it. Give "
            "--separator"
        )
    # The first of those that do as well.
    best = max(scores.values())
    return next(name for name, score in scores.items() if score >= best - 1e-9)


def _decimal(path: Path, rows: Sequence[list[str]]) -> str:
    cells = [cell for row in rows[:LINES_TO_TELL] for cell in row]
    if len(rows) > LINES_TO_TELL and not any(p.fullmatch(cell) for cell in cells for p in _FRACTION.values()):
        cells = [cell for row in rows for cell in row]
    found = {kind: [cell for cell in cells if pattern.fullmatch(cell)] for kind, pattern in _FRACTION.items()}
    if found["comma"] and found["point"]:
        raise DatasetError(
            f"{path}: cells have decimal points ({found['point'][0]}) and decimal commas ({found['comma'][0]}); give "
            "--decimal point or --decimal comma"
        )
    if found["comma"] and all(_THOUSANDS.fullmatch(cell) for cell in found["comma"]):
        raise DatasetError(
            f"{path}: the comma in {found['comma'][0]} may be a decimal comma, or one of thousands; give --decimal "
            "comma, or write the numbers without"
        )
    return "comma" if found["comma"] else "point"


Row = tuple[int, list[str]]


def _top(
    rows: Sequence[Row], width: int, decimal: str, header: str
) -> tuple[list[str] | None, list[str] | None, list[Row], list[Row]]:
    """Names, units, lines above the table, and its rows."""
    if header == "no":
        return None, None, [], list(rows)
    if header == "yes":
        first = next(i for i, (_, cells) in enumerate(rows) if len(cells) in (width, width - 1))
        return rows[first][1], None, list(rows[:first]), list(rows[first + 1 :])
    first = next(
        (i for i, (_, cells) in enumerate(rows) if len(cells) == width and _is_data(cells, decimal)), len(rows)
    )
    above = list(rows[:first])
    units = None
    if above and len(above) > 1 and all(_unit(cell) or not cell.strip("[]()- ") for cell in above[-1][1]):
        units = [_unit(cell) or "" for cell in above.pop()[1]]
    names = above.pop()[1] if above and len(above[-1][1]) in (width, width - 1) else None
    return names, units, above, list(rows[first:])


def _is_data(cells: Sequence[str], decimal: str) -> bool:
    numbers = sum(cell.lower() not in MISSING and number_of(cell, decimal) is not None for cell in cells)
    return 2 * numbers >= sum(bool(cell) for cell in cells) > 0 and numbers > 0


def _rectangular(path: Path, body: Sequence[Row], width: int, names: list[str] | None) -> list[Row]:
    """Rows of one length; a separator at the end of each, where the header has none, makes no cell."""
    for number, cells in body:
        if len(cells) != width:
            raise DatasetError(
                f"{path}: line {number} has {len(cells)} cells, {shortened(' | '.join(cells))}; expected {width}"
            )
    spare = all(not cells[-1] for _, cells in body)
    if names is not None and len(names) == width - 1:
        if not spare:
            raise DatasetError(
                f"{path}: the header has {len(names)} names, {shortened(', '.join(names))}, and the rows have {width} "
                "cells"
            )
        return [(number, cells[:-1]) for number, cells in body]
    if spare and (names is None or not names[-1]):
        if names is not None:
            names.pop()
        return [(number, cells[:-1]) for number, cells in body]
    return list(body)


def _column(title: str, unit: str, cells: tuple[str, ...]) -> Column:
    match = re.fullmatch(r"(.*?)\s*[\[({<]\s*([^\])}>]*?)\s*[\])}>]\s*", title)
    if match is not None and _unit(match[2]):
        return Column(title, match[1].strip() or title, _unit(match[2]) or unit, cells)
    match = re.fullmatch(rf"(.+?)[ _.-]({'|'.join(SUFFIXES)})", title, re.IGNORECASE)
    if match is not None:
        return Column(title, match[1], UNITS[match[2].lower()], cells)
    return Column(title, title, unit, cells)


def _unit(text: str) -> str | None:
    return UNITS.get(text.strip("[](){}<> ").lower())
