"""Our figures beside the printed ones: as lines of text, as CSV, and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

BIAS_KINDS = {"joint_bias_deg": "joint bias [deg]", "link_bias_mm": "link bias [mm]"}
QUANTITIES = {"position_mm": "position [mm]", "orientation_1e-4rad": "orientation [1e-4 rad]"}
# Line style of each method: told apart in grey too.
STYLES = {
    "crisp_fk": ("CRiSP-FK, as printed", "o-", "0.0"),
    "crisp_fk_chordal": ("CRiSP-FK, chordal", "s-", "#1f6fc4"),
    "residual": ("residual", "D-", "#d1495b"),
    "residual_exact": ("residual, exact", "*-", "#8a1c2c"),
    "sdls": ("SDLS", "^--", "0.45"),
    "pybullet": ("PyBullet DLS", "v:", "0.6"),
    "calibration": ("calibration", "x-.", "#2e8b57"),
    "learned_kinematics": ("learned kinematics", "P-", "#d08c1f"),
}
# Errors below this are drawn here: a logarithmic axis has no zero.
FLOOR = 1e-5


TABLE1_QUANTITIES = {"position_cm": "position [cm]", "orientation_rad": "orientation [rad]"}
TABLE1_METHODS = {
    "ocsvm": "OC-SVM",
    "nn": "neural network",
    "crisp_r": "CRiSP-R",
    "crisp_fk": "CRiSP-FK",
    "crisp_fk_chordal": "CRiSP-FK, chordal",
    "residual": "residual",
}


def table1_rows(table: dict[str, Any], printed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a trajectory, quantity and method of Table 1: ours in both conventions, and the printed one."""
    rows = []
    for trajectory in ("eight", "circle"):
        for quantity in TABLE1_QUANTITIES:
            for method, (mean, deviation) in table[trajectory][quantity].items():
                authors = table[trajectory][f"{quantity}_l1"][method]
                wanted = printed["table1"][trajectory][quantity].get(method, [None, None])
                rows.append(
                    {
                        "trajectory": trajectory,
                        "quantity": quantity,
                        "method": method,
                        "mean": mean,
                        "std": deviation,
                        "mean_l1": authors[0],
                        "std_l1": authors[1],
                        "printed_mean": wanted[0],
                        "printed_std": wanted[1],
                    }
                )
    return rows


def rows_text(rows: list[dict[str, Any]]) -> str:
    """Lines for the rows of Table 1."""
    lines = ["Means and deviations in the authors' convention (L1); in brackets the printed ones."]
    for row in rows:
        label = f"{row['trajectory']}, {TABLE1_QUANTITIES[row['quantity']]}, {TABLE1_METHODS[row['method']]}"
        text = f"{label:<48} {row['mean_l1']:.3g} +- {row['std_l1']:.3g}"
        if row["printed_mean"] is not None:
            text += f" ({row['printed_mean']:g} +- {row['printed_std']:g})"
        lines.append(text)
    return "\n".join(lines)


def cells(table: dict[str, Any]) -> Iterator[tuple[str, str, str, str, dict[str, Any]]]:
    """Each cell of Table 2: bias kind, quantity, bias, trajectory, and its methods."""
    for kind in BIAS_KINDS:
        for quantity, rows in table.get(kind, {}).items():
            for bias, trajectories in rows.items():
                for trajectory, methods in trajectories.items():
                    yield kind, quantity, bias, trajectory, methods


def printed_cell(printed: dict[str, Any], kind: str, quantity: str, bias: str, trajectory: str, method: str) -> Any:
    """Return the printed mean of a cell, or None where the paper has none."""
    found = printed["table2"][kind][quantity].get(bias, {}).get(trajectory, {}).get(method)
    return None if found is None else found["mean"]


def table2_rows(table: dict[str, Any], printed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row a cell and method: our means in both conventions, deviations, and the printed mean."""
    return [
        {
            "bias_kind": kind,
            "bias": float(bias),
            "quantity": quantity,
            "trajectory": trajectory,
            "method": method,
            **values,
            "printed_mean": printed_cell(printed, kind, quantity, bias, trajectory, method),
        }
        for kind, quantity, bias, trajectory, methods in cells(table)
        for method, values in methods.items()
    ]


def write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows with a header line."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def table2_text(table: dict[str, Any], printed: dict[str, Any]) -> str:
    """Lines that set ours beside the printed figures, in the authors' convention (mean L1), which those are in."""
    lines = ["Means in the authors' convention (L1); in brackets the printed figure."]
    for kind, quantity, bias, trajectory, methods in cells(table):
        texts = []
        for method, values in methods.items():
            wanted = printed_cell(printed, kind, quantity, bias, trajectory, method)
            texts.append(f"{method} {values['mean_l1']:.3g}" + (f" ({wanted:g})" if wanted is not None else ""))
        label = f"{QUANTITIES[quantity]}, {BIAS_KINDS[kind]} {bias}, {trajectory}"
        lines.append(f"{label:<62} {'  '.join(texts)}")
    return "\n".join(lines)


def draw_table2(table: dict[str, Any], printed: dict[str, Any], path: Path) -> None:
    """Error against bias, a panel for each quantity and trajectory: ours as lines, the printed CRiSP-FK as rings."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 12.0), dpi=120)
    names = list(next(iter(table["joint_bias_deg"]["position_mm"].values())))
    panels = figure.subplots(len(BIAS_KINDS) * len(QUANTITIES), len(names), sharey="row", squeeze=False)
    for line, (kind, quantity) in enumerate(product(BIAS_KINDS, QUANTITIES)):
        rows = table[kind][quantity]
        biases = sorted(rows, key=float)
        places = np.arange(len(biases))
        for column, name in enumerate(names):
            axes = panels[line, column]
            for method, (label, style, color) in STYLES.items():
                if method not in rows[biases[0]][name]:
                    continue
                values = [rows[bias][name][method]["mean_l1"] for bias in biases]
                axes.plot(places, np.maximum(values, FLOOR), style, color=color, label=label, markersize=5)
            known = [printed_cell(printed, kind, quantity, bias, name, "crisp_fk") for bias in biases]
            shown = [(place, value) for place, value in zip(places, known, strict=True) if value is not None]
            if shown:
                axes.plot(
                    *zip(*shown, strict=True), "o", mfc="none", mec="0.0", markersize=11, label="paper's CRiSP-FK"
                )
            axes.set_yscale("log")
            axes.set_xticks(places, biases)
            axes.grid(alpha=0.3)
            axes.set_xlabel(BIAS_KINDS[kind])
            if line == 0:
                axes.set_title(name)
            if column == 0:
                axes.set_ylabel(f"{QUANTITIES[quantity]}, mean L1")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=(len(labels) + 1) // 2, frameon=False)
    figure.tight_layout(rect=(0.0, 0.05, 1.0, 1.0))
    figure.savefig(path)
