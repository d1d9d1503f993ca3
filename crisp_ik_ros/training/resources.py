"""What a training takes of memory and disk, known before it begins."""

from __future__ import annotations

from collections.abc import Callable

from crisp_ik_ros.errors import ResourceError
from crisp_ik_ros.files import check_writable
from crisp_ik_ros.memory import SHARE, available_memory, check_memory
from crisp_ik_ros.regression.nystrom import MANY_CENTERS
from crisp_ik_ros.regression.sums import CHUNK, LARGE
from crisp_ik_ros.regression.threads import available_threads
from crisp_ik_ros.training.request import CRISP, LEARNED_KINEMATICS, TrainingRequest

# Numbers that a sample takes beside its joints: pose, features and targets, some of them twice while they are made.
NUMBERS_OF_A_SAMPLE = 60
# Numbers of a center in the model file, beside three for each joint: features, embedding, weights.
NUMBERS_OF_A_CENTER = 26
# Rows and columns of the kernel matrix that exact regression holds beside it.
BESIDE = 4096
# Most that a learned_kinematics model, a page with pictures and a URDF come to [bytes].
LEARNED_FILE, REPORT_FILE, URDF_FILE = 1 << 23, 1 << 23, 1 << 20


def training_memory(samples: int, centers: int | None, dof: int) -> float:
    """Bytes that CRiSP takes, about, to be fitted to so many samples with so many centers; None: exact."""
    data = 8.0 * samples * (NUMBERS_OF_A_SAMPLE + 4 * dof)
    if centers is None or centers >= samples:
        return data + 8.0 * samples * (samples + 2 * BESIDE)
    matrix, threads = 8.0 * centers**2, available_threads()
    chunks = 8.0 * threads * CHUNK * centers
    if centers >= MANY_CENTERS or centers**2 > LARGE:
        return data + 3.0 * matrix + chunks
    # Each thread has sums of its own.
    return data + (2.0 + threads) * matrix + chunks


def check_training_memory(request: TrainingRequest, samples: int, dof: int, estimator: str = CRISP) -> None:
    """Refuse a training that does not fit into memory, with what would.

    Raises
    ------
    ResourceError
        Naming samples and centers.
    """
    if estimator == LEARNED_KINEMATICS:
        check_memory(
            8.0 * samples * (NUMBERS_OF_A_SAMPLE + 4 * dof), ResourceError, f"{samples} samples", "use fewer samples"
        )
        return
    centers = request.centers
    exact = centers is None or centers >= samples
    room = SHARE * available_memory()
    fewer = _largest(lambda n: training_memory(n, None if exact else min(centers or n, n), dof) <= room, samples)
    fitting = _largest(lambda m: training_memory(samples, m, dof) <= room, samples - 1)
    ways = [f"at most {fewer} samples"] if fewer > 1 else []
    ways += [f"Nystrom regression with at most {fitting} centers"] if fitting else []
    check_memory(
        training_memory(samples, centers, dof),
        ResourceError,
        f"exact regression on {samples} samples"
        if exact
        else f"regression on {samples} samples with {centers} centers",
        f"this fits: {' or '.join(ways) or 'nothing'}",
    )


def check_outputs(request: TrainingRequest, samples: int | None, dof: int) -> None:
    """Refuse files that could not be written later, for want of a folder or of space; nothing is written.

    Raises
    ------
    ResourceError
        Naming the file.
    """
    size = LEARNED_FILE
    centers = min(request.centers or samples or 0, samples or request.centers or 0)
    if not request.wishes():
        size = max(size, 8 * centers * (NUMBERS_OF_A_CENTER + 3 * dof))
    check_writable(request.output, size, ResourceError, "model")
    if request.report is not None:
        check_writable(request.report, REPORT_FILE, ResourceError, "report")
    if request.corrected_urdf is not None:
        check_writable(request.corrected_urdf, URDF_FILE, ResourceError, "corrected URDF")


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """Largest whole number up to ``most`` that fits, where all smaller ones do; 0 where none does."""
    low, high = 0, max(most, 0)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
