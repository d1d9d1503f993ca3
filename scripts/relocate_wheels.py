"""Make the CMake files of the ROS 2 wheels name this environment.

The wheels were built elsewhere, and their CMake files name the Python headers of that place and its NumPy. CMake
refuses include folders that do not exist, so both are replaced by the ones of the interpreter that runs this script.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

BUILD_PYTHON = r"/opt/python/cp\d+-cp\d+"
REPLACEMENTS = [
    (re.compile(BUILD_PYTHON + r"/lib/python3\.\d+/site-packages/numpy/_?core/include"), numpy.get_include()),
    (re.compile(BUILD_PYTHON + r"/include/python3\.\d+"), sysconfig.get_path("include")),
]


def relocate(share: Path) -> int:
    """Rewrite the CMake files below a folder and return how many changed."""
    changed = 0
    for file in share.rglob("*.cmake"):
        text = old = file.read_text(encoding="utf-8")
        for pattern, replacement in REPLACEMENTS:
            text = pattern.sub(lambda _, new=replacement: new, text)
        if text != old:
            file.write_text(text, encoding="utf-8")
            changed += 1
    return changed


if __name__ == "__main__":
    print(f"    {relocate(Path(sys.prefix) / 'share')} CMake files now name this environment")
