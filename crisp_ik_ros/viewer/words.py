"""What the panel says, as HTML. Whatever comes from elsewhere is escaped: it is text, never part of the page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from crisp_ik_ros.transforms import Array
from crisp_ik_ros.viewer import colors

SUCCESS = 1


@dataclass(frozen=True)
class Answer:
    """An answer of ``/compute_ik``, or the lack of one.

    Attributes
    ----------
    number : int
        Counts the answers.
    code : int
        1: there is a solution.
    message, source : str
    position_error, orientation_error : float
        Predicted [m, rad].
    support : float
    seconds : float
        From the question to the answer.
    """

    number: int
    code: int
    message: str
    source: str
    position_error: float
    orientation_error: float
    support: float
    seconds: float


def answer_html(answer: Answer | None, reason: str = "") -> str:
    """Table of an answer; without one, the reason."""
    if answer is None:
        return _block(f'<div id="answer" data-number="0">{escape(reason)}</div>')
    good = answer.code == SUCCESS
    rows = [
        (
            "/compute_ik",
            f'<b style="color:{"#1a7f37" if good else "#b42318"}">{"solved" if good else f"code {answer.code}"}</b>',
        )
    ]
    if answer.message:
        rows.append(("says", escape(answer.message)))
    if good:
        rows += [
            ("predicted error", f"{_small(answer.position_error)} mm, {_small(answer.orientation_error)} mrad"),
            ("support", f"{answer.support:.2f}"),
            ("rests on", escape(answer.source)),
        ]
    rows.append(("round trip", f"{1e3 * answer.seconds:.1f} ms, answer {answer.number}"))
    return _block(f'<div id="answer" data-number="{answer.number}">{_table(rows)}</div>')


def status_html(state: str, errors: Array, target: int, targets: int) -> str:
    """State of the follower in words, and errors (n,) [m] of the true tool at the targets that it has passed."""
    rows = []
    if targets:
        rows.append(("target", f"{target} of {targets}"))
    if len(errors):
        now, mean, worst = 1e3 * errors[-1], 1e3 * errors.mean(), 1e3 * errors.max()
        rows.append(("error of the true tool", f'<b style="font-size:1.25em">{_length(now)}</b>'))
        rows.append(("mean, worst", f"{_length(mean)}, {_length(worst)}"))
    return _block(f'<div id="status"><b>{escape(state)}</b>{_table(rows)}</div>')


def legend_html(samples: str) -> str:
    """Legend; ``samples`` says how the model's samples are coloured, or why there are none."""
    entries = [
        (colors.TARGET, "target path"),
        (colors.TOOL, "path of the true tool, as measured"),
        (colors.NOMINAL, "path as the URDF believes it: its forward kinematics of the joint states"),
        (colors.ERROR, "error of the true tool at each target, times the slider"),
        (colors.ANSWER, "answer to the dragged target, as the URDF draws it"),
        (colors.NEAR, samples),
    ]
    lines = (
        f'<div style="display:flex;gap:.5em;align-items:baseline"><span style="flex:none;width:.9em;height:.55em;'
        f'border-radius:2px;background:{colors.css(color)}"></span><span>{escape(text)}</span></div>'
        for color, text in entries
    )
    return _block("".join(lines), "0.8em")


def note_html(text: str) -> str:
    """One line of the panel."""
    return _block(f'<div id="note">{escape(text)}</div>', "0.8em")


def _small(value: float) -> str:
    """Thousandths of a value, as HTML; of one that is next to nothing, only that."""
    return f"{1e3 * value:.3g}" if value >= 1e-6 else "&lt; 0.001"


def _length(millimetres: float) -> str:
    return f"{millimetres:.1f} mm" if millimetres >= 10.0 else f"{millimetres:.2f} mm"


def _table(rows: list[tuple[str, str]]) -> str:
    """Table of texts and HTML."""
    cells = (f'<tr><td style="color:#667;padding-right:.8em">{name}</td><td>{value}</td></tr>' for name, value in rows)
    return f'<table style="border-spacing:0;line-height:1.5">{"".join(cells)}</table>' if rows else ""


def _block(content: str, size: str = "0.85em") -> str:
    return (
        f'<div style="font-size:{size};line-height:1.45;padding:0 .75em .25em;overflow-wrap:anywhere">{content}</div>'
    )
