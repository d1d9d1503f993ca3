"""One page that says how good a LearnedKinematics model is, what was found, and what is wrong with the data."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from crisp_ik_ros.datasets.dataset import SAME_POINT, Dataset
from crisp_ik_ros.errors import CrispIKError
from crisp_ik_ros.estimators.learned_file import HYPERPARAMETERS
from crisp_ik_ros.estimators.learned_kinematics import LearnedKinematics
from crisp_ik_ros.files import replacing
from crisp_ik_ros.training import pictures
from crisp_ik_ros.training.findings import (
    HeldOut,
    backlash,
    bars,
    held_out,
    kernel_term,
    mountings,
    readable_unit,
    regions,
    verdict,
)
from crisp_ik_ros.training.samples import counts

# Parameters that stand out, shown first, and outliers named.
FOREMOST, NAMED = 15, 60
# Panels of a picture of parameters, and the most periods a turn whose coefficients are drawn.
PANELS, FEW_PERIODS = 6, 6

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1d2430; background: #fff;
       max-width: 1000px; margin: 0 auto; padding: 24px 20px 60px; box-sizing: border-box; }
h1 { font-size: 25px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 38px 0 6px; border-bottom: 1px solid #d9dde3; }
p { margin: 6px 0 10px; } .small, small { color: #5d6673; font-size: 13px; }
.verdict { font-size: 18px; padding: 12px 16px; border-left: 5px solid; margin: 14px 0; }
.good { border-color: #3c8d50; background: #eef7f0; } .bad { border-color: #b3261e; background: #fcefee; }
.unknown, .warning { border-color: #c9752d; background: #fdf5ec; }
.warning { border-left: 5px solid #c9752d; padding: 8px 16px; margin: 8px 0; }
img { width: 100%; height: auto; display: block; margin: 8px 0; }
table { border-collapse: collapse; font-size: 13px; margin: 8px 0; width: 100%; }
th { text-align: left; font-weight: 600; border-bottom: 2px solid #d9dde3; }
td { border-bottom: 1px solid #eceff3; } th, td { padding: 3px 10px 3px 0; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.prior td { color: #8a8f98; } code { font-size: 12px; overflow-wrap: anywhere; }
@media print { body { padding: 0; font-size: 12px; } h2 { break-after: avoid; }
  img, tr, .verdict { break-inside: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


def write_report(model: LearnedKinematics, dataset: Dataset, path: str | Path, source: dict[str, Any]) -> None:
    """Write the report on a model that was just fitted: one HTML file that needs nothing else.

    Parameters
    ----------
    model : LearnedKinematics
    dataset : Dataset
        What it was fitted to.
    path : str or Path
        File to write.
    source : dict
        Where the samples come from.

    Raises
    ------
    NotFittedError
        When the model was not fitted here.
    CrispIKError
        When the file cannot be written.
    """
    path = Path(path)
    text = report(model, dataset, source)
    with replacing(path, CrispIKError, "report") as stream:
        stream.write(text.encode())


def report(model: LearnedKinematics, dataset: Dataset, source: dict[str, Any]) -> str:
    """HTML of a report, as ``write_report`` writes it."""
    found = held_out(model, dataset)
    sentence, grade = verdict(model, found)
    parts = [
        f"<h1>What {escape(model.robot.name)} really does</h1>",
        f'<p class="small">{escape(counts(dataset))}; {escape(_words(source))}; chain {escape(model.robot.base_link)} '
        f"to {escape(model.robot.tip_link)}</p>",
        f'<div class="verdict {grade}">{escape(sentence)}</div>',
        *(
            f'<div class="warning"><b>Warning.</b> {escape(text)}</div>'
            for text in (*_data_warnings(model), *model.warnings_)
        ),
        *_errors(found),
        *_residuals(model, found),
        *_drift(model, found),
        *_parameters(model),
        *_joints(model),
        *_set_up(model),
        *_bounds(model, found),
        *_noise(model, found),
        *_settings(model, source),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Training report: {escape(model.robot.name)}</title><style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _errors(found: HeldOut) -> list[str]:
    if not found.known.any():
        return ["<h2>Errors</h2>", "<p>No sample could be held out, so that there is no error to show.</p>"]
    rows = []
    for name, unit, members, before, after in (
        ("position", "mm", found.known, found.before, found.after),
        ("orientation", "mrad", found.turned, found.turned_before, found.turned_after),
    ):
        for label, errors in (("nominal", before), ("learned", after)):
            values = 1e3 * errors[members]
            if len(values):
                figures = (np.median(values), values.mean(), np.quantile(values, 0.95), values.max())
                rows.append([f"{name}, {label} [{unit}]", *(f"{figure:.3g}" for figure in figures)])
    how, parts = regions(found)
    shown = [
        "<h2>Before and after</h2>",
        f"<p>Each sample is judged by a model that was fitted without it ({escape(found.method)}); the errors are "
        "those of the tool as it was measured, the measurement's own noise included. "
        "Of points that were touched, the error is the distance from the middle of all touches.</p>",
        table(["error, held out", "median", "mean", "95 %", "largest"], rows),
        pictures.as_html(pictures.before_and_after(found), "Histogram of errors before and after"),
    ]
    if parts:
        shown += [
            f"<h2>By {escape(how)}</h2>",
            pictures.as_html(pictures.by_region(found, parts), "Errors by region"),
            table(
                ["where", "samples", "nominal, median [mm]", "learned, median [mm]", "learned, largest [mm]"],
                [
                    [
                        part.name,
                        str(len(part.rows)),
                        *(
                            f"{1e3 * value:.3g}"
                            for value in (
                                np.median(found.before[part.rows]),
                                np.median(found.after[part.rows]),
                                found.after[part.rows].max(),
                            )
                        ),
                    ]
                    for part in parts
                ],
            ),
        ]
    return shown


def _residuals(model: LearnedKinematics, found: HeldOut) -> list[str]:
    if not found.known.any():
        return []
    return [
        "<h2>Residuals</h2>",
        "<p>Measured minus expected, of held-out samples. A trend along the rows: something moved or warmed up while "
        "it was measured. A wave along a joint: an error of that joint that the model does not know.</p>",
        pictures.as_html(pictures.along_the_data(found, model.outliers_), "Residuals along the data"),
        "<p>Against each joint; the black line is the median of the residuals' lengths.</p>",
        pictures.as_html(pictures.against_joints(found, model), "Residuals against each joint"),
    ]


def _drift(model: LearnedKinematics, found: HeldOut) -> list[str]:
    """Residuals over rows and temperature, where the look into the samples has found a trend."""
    trends = [text for text in _data_warnings(model) if text.startswith("drift")]
    temperatures = found.dataset.temperatures
    causes = []
    if any(not text.startswith("drift with temperature") for text in trends):
        causes.append(("row of the data", found.rows.astype(float)))
    if temperatures is not None and np.isfinite(temperatures).any() and trends:
        causes.append(("temperature [degrees C]", np.asarray(temperatures, dtype=float)))
    if not causes or not found.known.any():
        return []
    return [
        "<h2>Drift</h2>",
        *(f"<p>{escape(text)}</p>" for text in trends),
        pictures.as_html(pictures.drift(found, causes), "Residuals over what they drift with"),
    ]


def _data_warnings(model: LearnedKinematics) -> list[str]:
    """Faults of the data that were seen before the training."""
    listed = model.training_summary.get("data_warnings")
    return [str(text) for text in listed] if isinstance(listed, list) else []


def _joints(model: LearnedKinematics) -> list[str]:
    """Periodic errors and backlash, and what no parameter explains."""
    misfit, joint_misfit = model.misfit_
    shown = [
        "<h2>Joint by joint</h2>",
        f"<p>Periodic errors of up to {model.harmonics_} periods a turn were learned. What no parameter explains of "
        f"the arm itself: {1e3 * misfit:.3g} mm of the tool's position along each axis, {1e3 * joint_misfit:.3g} mrad "
        "of each joint (one standard deviation); it is in the bound.</p>",
    ]
    if model.harmonics_:
        shown += [
            "<p>Each joint's periodic error over its range, with its interval of 95 %. Green: the part that was "
            "measured; elsewhere (dotted) it is a guess. A constant and a slope are in the joint's zero and scale.</p>",
            pictures.as_html(pictures.periodic(model), "Periodic error of each joint over its range"),
        ]
    lash = backlash(model)
    if lash:
        rows = [[name, f"{value:+.3g}"] for name, value in lash.items()]
        shown += [
            "<p>Backlash: each joint rests so far before where it was sent, on the side that it came from.</p>",
            table(["joint", "backlash [mrad]"], rows),
        ]
    return shown


def _set_up(model: LearnedKinematics) -> list[str]:
    """Frames and tools that were found, of each session and marker, and payloads."""
    shown = []
    for title, poses in mountings(model).items():
        label = "session" if title == "measuring frames" else "session and marker"
        header = [label, *next(iter(poses.values()))]
        rows = [[name, *(f"{value:.5f}" for value in pose.values())] for name, pose in poses.items()]
        what = (
            "The base in the measuring frame" if title == "measuring frames" else "What was measured, at the tip link"
        )
        shown += [f"<p>{what}, as it was found:</p>", table(header, rows)]
    carried = model.training_summary.get("payloads")
    if isinstance(carried, dict):
        center = _numbers(model.payload_center_, ".3f")
        shown.append(
            f"<p>Payloads of {carried['from']:.3g} to {carried['to']:.3g} kg, centred at {center} m in the tip link's "
            f"frame ({model.payload_center_source_}); the model carries {model.payload_:.3g} kg unless another is "
            "given.</p>"
        )
    if model.fitted_payloads_:
        rows = [
            [name or "not stated", f"{mass:.3f}", f"{deviation:.3f}"]
            for name, (mass, deviation) in model.fitted_payloads_.items()
        ]
        shown += [
            "<p>Payloads that the data calls unknown, as they were found:</p>",
            table(["session", "mass [kg]", "standard deviation [kg]"], rows),
        ]
    return ["<h2>Set-up and payload</h2>", *shown] if shown else []


def _parameters(model: LearnedKinematics) -> list[str]:
    found = model.identified_
    undetermined = [parameter for parameter in found if parameter.undetermined]
    by_size = sorted(
        (parameter for parameter in found if not parameter.undetermined),
        key=lambda parameter: -abs(parameter.value) / parameter.deviation,
    )
    # Sums over dozens of periods are what matters, and these are drawn joint by joint.
    kinds = [kind for kind in bars(found) if not kind.title.startswith("periodic") or model.harmonics_ <= FEW_PERIODS]
    shown = [
        "<h2>What was identified</h2>",
        f"<p>{len(found) - len(undetermined)} of {len(found)} parameters come from the data; {len(undetermined)} are "
        "fixed by the prior: of these the data tells less than a tenth. Bars: the values, with intervals of 95 %; "
        "grey ones are fixed by the prior. The band is the same interval of what was expected before there was "
        "data, as it was fitted.</p>",
        *(
            pictures.as_html(pictures.identified(kinds[begin : begin + PANELS]), "Identified parameters, uncertainty")
            for begin in range(0, len(kinds), PANELS)
        ),
        "<p>Those that stand out most from their uncertainty:</p>",
        _table_of(by_size[:FOREMOST]),
    ]
    return shown


def _table_of(found: Sequence[Any]) -> str:
    rows, classes = [], []
    for parameter in found:
        unit, factor = readable_unit(parameter)
        numbers = [factor * value for value in (parameter.value, parameter.deviation, parameter.prior)]
        told = "fixed by the prior" if parameter.undetermined else f"{100 * parameter.told:.0f} %"
        rows.append([parameter.name, f"{numbers[0]:+.3g}", f"{numbers[1]:.2g}", f"{numbers[2]:.2g}", unit, told])
        classes.append("prior" if parameter.undetermined else "")
    header = ["parameter", "value", "standard deviation", "of the prior", "unit", "told by the data"]
    return table(header, rows, classes, text=(4, 5))


def _bounds(model: LearnedKinematics, found: HeldOut) -> list[str]:
    figure, bounds = pictures.workspace(model)
    measured = found.dataset.kinds != SAME_POINT
    # Where device and marker are found out with the rest, only their sum with the base's and tip's place is seen.
    placed = model.frame == model.tool == "known" and bool(measured.any())
    usable = found.known & measured & np.isfinite(found.bounds)
    words = (
        f"<p>Where the real tool is within 95 % probability of where the model says, at configurations drawn from the "
        f"whole range of the joints: {1e3 * np.median(bounds):.3g} mm in the middle, at most "
        f"{1e3 * np.quantile(bounds, 0.95):.3g} mm in 95 of 100. Large values are where to measure next.</p>"
    )
    shown = ["<h2>Predicted error over the workspace</h2>", words]
    if not placed:
        shown.append(
            "<p>The data does not say where the base stands, or where on the tool it was measured: the bound, which is "
            "of the tip link in the base frame, has what is believed of both. How far the model is off from one "
            "measurement to another is shown above, by held-out samples.</p>"
        )
    if placed and usable.any():
        share = 100 * float(np.mean(found.after[usable] <= found.bounds[usable]))
        shown.append(
            f"<p>Check: {share:.0f} % of the held-out samples lie within their bound (with the noise of the "
            "measurement); 90 to 99 % are as it should be.</p>"
        )
    return [*shown, pictures.as_html(figure, "Predicted error bound over the workspace")]


def _noise(model: LearnedKinematics, found: HeldOut) -> list[str]:
    position, orientation = model.noise_
    noise = f"{1e3 * position:.3g} mm along each axis"
    if found.turned.any():
        noise += f", {1e3 * orientation:.3g} mrad about each"
    shown = [
        "<h2>Noise and outliers</h2>",
        f"<p>Noise of a measurement, with what no parameter explains: {noise} (one standard deviation).</p>",
    ]
    if len(model.outliers_):
        place = {int(row): i for i, row in enumerate(found.rows)}
        names = (*found.dataset.group_names, "")
        worst = sorted(model.outliers_.tolist(), key=lambda row: -np.nan_to_num(found.after[place[row]]))[:NAMED]
        shown += [
            f"<p>{len(model.outliers_)} samples fit nothing else; they hardly count"
            + (f". The worst {NAMED}:" if len(model.outliers_) > NAMED else ":")
            + "</p>",
            table(
                ["row (from 0)", "off by, held out [mm]", "group"],
                [
                    [str(row), f"{1e3 * found.after[place[row]]:.3g}", names[found.dataset.groups[place[row]]]]
                    for row in worst
                ],
                text=(2,),
            ),
        ]
    else:
        shown.append("<p>No outliers.</p>")
    shown += ["<h2>Kernel term</h2>", f"<p>In the model: {escape(kernel_term(model))}.</p>"]
    terms = {name: value for name, value in model.evidence_.items() if name != "backlash"}
    if len(terms) > 1:
        shown += [
            "<p>What else the joints do, as a smooth function of the configuration, is learned where the evidence "
            "(the probability of the data) asks for it: a gain of 3 makes it 20 times as likely as none.</p>",
            pictures.as_html(pictures.evidence(terms), "Log evidence of the kernel terms"),
        ]
    return shown


def _settings(model: LearnedKinematics, source: dict[str, Any]) -> list[str]:
    values = {name: getattr(model, name) for name in HYPERPARAMETERS}
    values |= {
        "length_scales": list(model.length_scales),
        "priors": "the defaults" if model.priors is None else repr(model.priors),
        "samples used": model.samples_,
        "source": _words(source),
        "robot": f"{model.robot.name}, {model.robot.dof} joints, fingerprint {model.robot.fingerprint[:16]}",
    }
    return [
        "<h2>Settings</h2>",
        table(["setting", "value"], [[name, str(value)] for name, value in values.items()], text=(1,)),
        "<h2>All parameters</h2>",
        _table_of(model.identified_),
    ]


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] = (), text: Sequence[int] = ()
) -> str:
    """HTML table; all columns but the first and those of ``text`` hold numbers."""
    number = ["" if k == 0 or k in text else ' class="number"' for k in range(len(header))]
    lines = ["<table><thead><tr>"]
    lines += [f"<th{kind}>{escape(name)}</th>" for name, kind in zip(header, number, strict=True)]
    lines.append("</tr></thead><tbody>")
    for k, row in enumerate(rows):
        kind = f' class="{classes[k]}"' if classes and classes[k] else ""
        cells = "".join(f"<td{style}>{escape(cell)}</td>" for cell, style in zip(row, number, strict=True))
        lines.append(f"<tr{kind}>{cells}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _words(source: dict[str, Any]) -> str:
    """Where the samples come from, nested or not, in words."""
    inner = source.get("source")
    plain = {**inner, **{k: v for k, v in source.items() if k != "source"}} if isinstance(inner, dict) else source
    words = [f"{name} {value}" for name, value in plain.items() if not isinstance(value, bool)]
    return ", ".join(words) or "samples given"


def _numbers(values: Any, form: str) -> str:
    return " ".join(format(float(value), form) for value in values)
