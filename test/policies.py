"""What config/security/policy.xml allows, with names resolved as `ros2 security` resolves them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

from oracles import ROOT

POLICY = ROOT / "config" / "security" / "policy.xml"
PARENT = "/crisp_ik/"


@dataclass
class Rights:
    """Names of topics, services and actions, by what may be done with them."""

    publish: set[str] = field(default_factory=set)
    subscribe: set[str] = field(default_factory=set)
    reply: set[str] = field(default_factory=set)
    request: set[str] = field(default_factory=set)
    call: set[str] = field(default_factory=set)
    execute: set[str] = field(default_factory=set)


def read_policy() -> ElementTree.Element:
    """Root of the policy, with its comments."""
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    return ElementTree.parse(POLICY, parser).getroot()


def allowed() -> dict[str, Rights]:
    """Rights by the name of the node, which is that of the enclave."""
    found = {}
    for enclave in read_policy().iter("enclave"):
        rights = found[enclave.get("path").removeprefix(PARENT)] = Rights()
        for profile in enclave.iter("profile"):
            for names in profile:
                for kind, rule in names.items():
                    assert rule == "ALLOW"
                    getattr(rights, kind).update(resolve(profile, name.text) for name in names)
    return found


def resolve(profile: ElementTree.Element, name: str) -> str:
    namespace = profile.get("ns").rstrip("/") + "/"
    if name.startswith("~"):
        return namespace + profile.get("node") + name[1:]
    return name if name.startswith("/") else namespace + name
