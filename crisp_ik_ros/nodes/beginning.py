"""How ROS is started: also where no log file can be written, and with words where it cannot be started at all."""

from __future__ import annotations

import sys

import rclpy
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from crisp_ik_ros.errors import CrispIKError

WITHOUT_FILES = ("--ros-args", "--disable-external-lib-logs")


def begin_ros(name: str, args: list[str] | None = None) -> None:
    """Initialise rclpy, without signal handlers of its own.

    ROS writes a log file for each process, and will not start where it cannot: with no home folder, or a read-only one.
    The messages come to the terminal all the same, and on ``/rosout``.

    Parameters
    ----------
    name : str
        For messages before there is a node.
    args : list of str, optional
        Command line; default: that of the process.

    Raises
    ------
    CrispIKError
        When ROS cannot be started, such as without the keys that its security wants.
    """
    try:
        _init(args)
    except RuntimeError as error:
        # Of ROS itself, or of its log library.
        rclpy.try_shutdown()
        try:
            _init([*(sys.argv if args is None else args), *WITHOUT_FILES])
        except RuntimeError as still:
            raise CrispIKError(f"ROS refuses to start: {still}") from still
        get_logger(name).warning(f"no log file is written: {error}; ROS_LOG_DIR can name another folder")


def _init(args: list[str] | None) -> None:
    # rclpy's own handlers would take the context away in the middle of a callback.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
