"""The libraries that crisp_ik is compared with."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chain_urdf import write_chain_urdf
from benchmarks.judge import Judge
from benchmarks.methods import Method
from benchmarks.names import by_name
from benchmarks.peers import (
    frankik_peer,
    ikpy_peer,
    mink_peer,
    optik_peer,
    pink_peer,
    pybullet_peer,
    roboticstoolbox_peer,
    trac_ik_peer,
)
from benchmarks.peers.base import Peer, PeerError, Setting, set_up

PEERS = tuple(
    module.PEER
    for module in (
        trac_ik_peer,
        optik_peer,
        roboticstoolbox_peer,
        pybullet_peer,
        pink_peer,
        mink_peer,
        ikpy_peer,
        frankik_peer,
    )
)


def find_peers(names: Sequence[str] | None) -> tuple[Peer, ...]:
    """Libraries by name; all of them where None is given.

    Raises
    ------
    InvalidInputError
        When there is none of that name.
    """
    return PEERS if names is None else by_name(PEERS, names, "--peers")


def make_methods(peers: Sequence[Peer], judge: Judge) -> tuple[list[Method], dict[str, dict[str, Any]]]:
    """Methods of all libraries that can take part, and of each library what it is, or why it does not take part."""
    methods, report = [], {}
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(judge.robot, write_chain_urdf(judge.robot, Path(folder) / "chain.urdf"), judge)
        for peer in peers:
            try:
                method, facts = set_up(peer, setting)
            except PeerError as error:
                report[peer.name] = {"distribution": peer.distribution, "takes_part": False, "reason": str(error)}
            else:
                methods.append(method)
                report[peer.name] = {"distribution": peer.distribution, "takes_part": True, "how": peer.how, **facts}
    return methods, report
