"""A client that plays the page of the node ``viewer`` through its socket: what a browser would, but for drawing it."""

from __future__ import annotations

import re
import time
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
import viser
import zstandard
from websockets.sync.client import connect

TARGET = "/target"
CAMERA = {
    "wxyz": (1.0, 0.0, 0.0, 0.0), "position": (2.0, 0.0, 1.0), "fov": 0.65, "near": 0.01, "far": 100.0,
    "image_height": 600, "image_width": 900, "look_at": (0.0, 0.0, 0.0), "up_direction": (0.0, 0.0, 1.0),
}  # fmt: skip
# Of a packet of the server's: the length of its packed text is at this place, then comes the text.
LENGTH, TEXT = 8, 16


def messages_in(data: bytes) -> list[dict[str, Any]]:
    """Messages of a packet of the server's, without the arrays behind them."""
    size = int.from_bytes(data[LENGTH:TEXT], "little")
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data[TEXT : TEXT + size]))["messages"]


class PageClient:
    """What the page was told, and what one can do on it.

    Parameters
    ----------
    address : str
        Host and port.

    Attributes
    ----------
    texts : dict of str
        HTML that is shown, by the element's id.
    controls : dict of dict
        Messages that made buttons, boxes and sliders, by their label.
    scene : dict of int
        How often each node of the scene was made or changed, by its name.
    visible : dict of bool
        Of nodes of the scene, by their name, where that was told.
    """

    def __init__(self, address: str):
        self._socket = connect(
            f"ws://{address}", subprotocols=[f"viser-v{viser.__version__}"], max_size=None, compression=None
        )
        self.texts: dict[str, str] = {}
        self.controls: dict[str, dict[str, Any]] = {}
        self.scene: dict[str, int] = {}
        self.visible: dict[str, bool] = {}
        # Only who has told its camera counts as one who looks.
        self._send("ViewerCameraMessage", **CAMERA)

    def __enter__(self) -> PageClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def hear(self, timeout: float) -> bool:
        """Take in what the server sends next; return whether there was anything within a time [s]."""
        try:
            data = self._socket.recv(timeout=timeout)
        except TimeoutError:
            return False
        assert isinstance(data, bytes)
        for message in messages_in(data):
            self._note(message)
        return True

    def _note(self, message: dict[str, Any]) -> None:
        changes = message.get("props") or message.get("updates") or {}
        if "content" in changes:
            self.texts[message["uuid"]] = changes["content"]
        if "container_uuid" in message and "label" in changes:
            self.controls[changes["label"]] = message
        if "name" in message:
            self.scene[message["name"]] = self.scene.get(message["name"], 0) + 1
        if message["type"] == "SetSceneNodeVisibilityMessage":
            self.visible[message["name"]] = message["visible"]

    def hear_for(self, duration: float) -> None:
        """Take in what comes within a time [s]."""
        end = time.perf_counter() + duration
        while (left := end - time.perf_counter()) > 0.0:
            self.hear(left)

    def says(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait until the page says something.

        Raises
        ------
        TimeoutError
            When it does not within a time [s]; with what it says.
        """
        end = time.perf_counter() + timeout
        while True:
            for text in self.texts.values():
                if found := re.search(pattern, text):
                    return found
            left = end - time.perf_counter()
            if left <= 0.0:
                raise TimeoutError(f"the page never said {pattern!r}: {list(self.texts.values())}")
            self.hear(left)

    def set(self, label: str, value: Any) -> None:
        """Press a button of a row, or change a box, list or slider."""
        self._send("GuiUpdateMessage", uuid=self.controls[label]["uuid"], updates={"value": value})

    def drag(self, position: np.ndarray, wxyz: np.ndarray) -> None:
        """Drag the target (3,) [m], (4,)."""
        self._send(
            "TransformControlsUpdateMessage", name=TARGET, wxyz=wxyz.tolist(), position=position.tolist(), owner=""
        )

    def _send(self, kind: str, **fields: Any) -> None:
        self._socket.send(msgspec.msgpack.encode({"type": kind, **fields}))
