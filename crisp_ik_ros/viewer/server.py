"""The web server of the page. Everything that it serves lies in viser's wheel; nothing is fetched from anywhere."""

from __future__ import annotations

import contextlib
import io
import socket
from typing import Any

from crisp_ik_ros.errors import MissingDependencyError, ResourceError

MISSING = "the browser view needs viser: pip install 'crisp_ik[view]' (or: pip install viser)"
# Ports above the wanted one that are tried where it is taken.
NEXT_PORTS = 20
LOCAL = "127.0.0.1"
ANYWHERE = ("0.0.0.0", "::")


def require() -> None:
    """Raise what says how to get viser where it is not installed.

    Raises
    ------
    MissingDependencyError
    """
    try:
        import viser  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(f"{MISSING} ({error})") from error


def free_port(host: str, port: int) -> int:
    """Return the first port from ``port`` on that nobody listens on.

    Raises
    ------
    ResourceError
        When this machine has no such address, or the ports behind this one are taken, too.
    """
    reason: OSError | None = None
    for candidate in range(port, min(port + NEXT_PORTS, 65535) + 1):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            # As the server does: a port whose last connection has just ended is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError as error:
                reason = error
                continue
        return candidate
    raise ResourceError(
        f"no page at {host}, port {port} or one of the {NEXT_PORTS} behind it ({reason}): "
        "set the parameters host and port"
    )


def serve(host: str, port: int, label: str) -> Any:
    """Start the server, on the next free port where that one is taken; return it as viser has it.

    Raises
    ------
    MissingDependencyError
        When viser is not installed.
    ResourceError
        When neither the port nor one of those behind it can be used.
    """
    require()
    import viser

    # It frames its address and prints it, whatever it is told; the node's log has it.
    with contextlib.redirect_stdout(io.StringIO()):
        server: Any = viser.ViserServer(host=host, port=free_port(host, port), label=label, verbose=False)
    # viser would open a tunnel to a server of its own for whoever asks; nothing of a robot leaves its network here.
    server.request_share_url = lambda verbose=True: None
    server.gui.configure_theme(show_logo=False, show_share_button=False, brand_color=(26, 108, 219))
    return server


def address(host: str, port: int) -> str:
    """Address to open in a browser of this machine."""
    shown = LOCAL if host in ANYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def address_of(server: Any) -> str:
    """Address of a server's page."""
    return address(server.get_host(), server.get_port())
