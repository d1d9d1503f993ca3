"""Colours of what the page shows, red green blue, 0 to 255; the legend has the same."""

from __future__ import annotations

TARGET = (26, 108, 219)
TOOL = (240, 110, 20)
NOMINAL = (128, 134, 145)
ERROR = (205, 30, 60)
ANSWER = (30, 160, 110)
# Of a sample that is far from the target, and of one that is near.
FAR, NEAR = (214, 220, 230), (110, 40, 150)


def css(color: tuple[int, int, int]) -> str:
    """Colour as a page writes it."""
    return "#{:02x}{:02x}{:02x}".format(*color)
