"""How much memory is left, and a refusal of what does not fit."""

from __future__ import annotations

import resource
from pathlib import Path

from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.files import readable

# Of the memory that is free, so much may be taken: the rest is for what is not counted.
SHARE = 0.9


def available_memory() -> float:
    """Return the bytes that this process can still get: of the machine, its control group and its own limit."""
    found = [_of_machine(), _of_control_group(), _of_limit()]
    return max(min(found), 0.0)


def check_memory(size: float, error: type[CrispIKError], what: str, remedy: str) -> None:
    """Refuse what takes more memory than there is.

    Parameters
    ----------
    size : float
        Bytes, about.
    error : type
        What is raised.
    what : str
        What takes it.
    remedy : str
        What would fit.

    Raises
    ------
    CrispIKError
        Of the type ``error``.
    """
    available = available_memory()
    if size > SHARE * available:
        raise error(f"{what} takes about {readable(size)} of memory, and {readable(available)} are free; {remedy}")


def _of_machine() -> float:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return float("inf")


def _of_control_group() -> float:
    """What a container may still take, by either version of control groups; pages of files that it holds are free."""
    for folder, most, used, dropped in (
        ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit = float((Path(folder) / most).read_text())
            taken = float((Path(folder) / used).read_text())
            figures = dict(line.split() for line in (Path(folder) / "memory.stat").read_text().splitlines())
            return limit - taken + float(figures.get(dropped, 0))
        except (OSError, ValueError):
            continue
    return float("inf")


def _of_limit() -> float:
    """What is left of this process's limit of address space."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        pages = 0
    return float(limit - pages * resource.getpagesize())
