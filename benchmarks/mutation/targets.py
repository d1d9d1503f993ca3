"""Which modules are changed, and the tests that concern each: the quick ones first, for a mutant ends at its first."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = "crisp_ik_ros"

# Arguments for pytest; a file without its folder test/.
TESTS: dict[str, tuple[str, ...]] = {
    "robots/bias.py": ("test_bias.py", "test_robot_model.py"),
    "robots/catalog.py": ("test_robot_model.py",),
    "robots/chain.py": (
        "test_robot_model.py",
        "test_corrections.py::test_forward_kinematics_is_the_plain_model",
        "test_corrections.py::test_jacobian_is_the_derivative",
    ),
    "robots/chain_report.py": ("test_new_robot.py", "test_urdfs_as_found.py"),
    "robots/conditioning.py": ("test_robot_files.py", "test_watch.py"),
    "robots/corrected_chain.py": ("test_corrections.py",),
    "robots/corrected_urdf.py": ("test_corrected_urdf.py",),
    "robots/corrections.py": ("test_corrections.py",),
    "robots/ends.py": ("test_urdfs_as_found.py",),
    "robots/fixed_links.py": ("test_target_frames.py", "test_answer_properties.py"),
    "robots/gravity.py": (
        "test_corrections.py::test_two_link_moments_by_hand",
        "test_corrections.py::test_gravity_moments_are_slopes_of_the_potential_energy",
        "test_corrections.py::test_motions_and_their_derivative",
        "test_masses.py",
    ),
    "robots/guarded_xml.py": ("test_hostile_urdf.py", "test_urdf.py"),
    "robots/limits.py": ("test_limits.py",),
    "robots/masses.py": ("test_masses.py",),
    "robots/rigid_motion.py": ("test_corrections.py",),
    "robots/mesh_files.py": ("test_urdfs_as_found.py",),
    "robots/robot_file.py": ("test_robot_files.py", "test_new_robot.py"),
    "robots/robot_model.py": (
        "test_robot_model.py",
        "test_bias.py",
        "test_corrections.py::test_fingerprint_names_the_corrections",
        "test_corrections.py::test_base_moves_a_corrected_robot_rigidly",
        "test_corrections.py::test_bias_of_a_corrected_robot",
        "test_corrections.py::test_limits_of_a_corrected_robot",
    ),
    "robots/sources.py": ("test_robot_files.py",),
    "robots/urdf.py": ("test_urdf.py", "test_hostile_urdf.py", "test_robot_model.py", "test_masses.py"),
    "robots/xacro_files.py": ("test_urdfs_as_found.py",),
    "solvers/lbfgsb.py": ("test_solvers.py",),
    "solvers/levenberg_marquardt.py": ("test_solvers.py",),
    "solvers/result.py": ("test_result.py",),
    "solvers/sdls.py": ("test_sdls.py",),
    "regression/blas.py": ("test_blas.py", "test_regression.py"),
    "regression/centers.py": ("test_regression.py", "test_centers.py"),
    "regression/cholesky.py": ("test_regression.py", "test_centers.py"),
    "regression/cluster.py": ("test_sums.py",),
    "regression/conjugate_gradients.py": ("test_centers.py",),
    "regression/kernel_ridge.py": ("test_regression.py", "test_selection.py"),
    "regression/kernels.py": ("test_kernels.py", "test_regression.py"),
    "regression/leave_one_out.py": ("test_centers.py",),
    "regression/leverage.py": ("test_centers.py",),
    "regression/nystrom.py": ("test_regression.py", "test_centers.py", "test_sums.py"),
    "regression/selection.py": ("test_selection.py",),
    "regression/sums.py": ("test_sums.py", "test_regression.py"),
    "regression/threads.py": ("test_sums.py",),
    "losses/evaluate.py": ("test_losses.py",),
    "losses/forward_kinematics.py": ("test_losses.py",),
    "losses/loss.py": ("test_losses.py",),
    "losses/radians.py": ("test_losses.py",),
    "losses/residual.py": ("test_losses.py",),
}
ESSENTIAL = ("robots", "regression", "solvers")


def find_modules(wanted: list[str]) -> list[str]:
    """Modules whose path begins with one of the names, such as "robots" or "robots/chain"; without any, the essential.

    Raises
    ------
    ValueError
        When a name fits none.
    """
    found = []
    for name in wanted or ESSENTIAL:
        matching = [module for module in TESTS if module.startswith(name)]
        if not matching:
            raise ValueError(f"module: got {name!r}, expected the beginning of one of {', '.join(TESTS)}")
        found += [module for module in matching if module not in found]
    return found


def tests_of(module: str) -> list[str]:
    """Arguments for pytest."""
    return [f"test/{name}" for name in TESTS[module]]


def is_compiled(source: Path) -> bool:
    """Whether a module has compiled functions.

    Its mutants run as plain Python, for compiling takes longer than the tests; those of the others run beside the
    compiled functions of all other modules, which stay as they are.
    """
    return bool(re.search(r"crisp_ik_ros\.compiled|from numba", source.read_text()))
