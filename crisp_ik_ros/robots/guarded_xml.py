"""XML from anywhere: nothing is expanded, fetched or read beside it, and its size and depth are bounded."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.parsers import expat

from crisp_ik_ros.errors import URDFError
from crisp_ik_ros.files import readable, shortened

# More than any robot's description has: bytes, elements, and levels of them.
LARGEST, MOST_ELEMENTS, DEEPEST = 1 << 24, 500_000, 100


def plain_xml(xml: bytes) -> bytes:
    """XML in UTF-8 that any parser reads without harm.

    Raises
    ------
    URDFError
        When it is not well-formed, declares a document type (and with it entities), or is too large or too deep.
    """
    from lxml import etree

    _look_through(xml)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _unreadable(error) from error
    return etree.tostring(root, encoding="utf-8")


def parse_xml(xml: bytes, comments: bool = False) -> ElementTree.Element:
    """Root element of XML that ``plain_xml`` has nothing against; with its comments where they are to stay.

    Raises
    ------
    URDFError
        As ``plain_xml`` does.
    """
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=comments))
    return ElementTree.fromstring(plain_xml(xml), parser)


def _look_through(xml: bytes) -> None:
    """Refuse a document type where it begins, before what it declares is read; and more than there may be."""
    if len(xml) > LARGEST:
        raise URDFError(f"the URDF has {readable(len(xml))}, expected at most {readable(LARGEST)}")
    depth = elements = 0

    def begin(name: str, attributes: list[str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > DEEPEST or elements > MOST_ELEMENTS:
            raise URDFError(
                f"the URDF has {elements} elements, {depth} deep, or more; expected at most {MOST_ELEMENTS}, "
                f"{DEEPEST} deep"
            )

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise URDFError("the URDF declares a document type or an entity; plain XML is expected (expand it first)")

    parser = expat.ParserCreate()
    parser.ordered_attributes = True
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(xml, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, URDFError):
            raise
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> URDFError:
    return URDFError(f"cannot be read as a URDF: {shortened(str(error), 500)}")
