"""An inspection as numbers with their units, for tables and for machines."""

from __future__ import annotations

from typing import Any

import numpy as np

from crisp_ik_ros.datasets.inspection import Inspection, Size
from crisp_ik_ros.transforms import Array


def summarize_inspection(inspection: Inspection) -> dict[str, Any]:
    """What an inspection found: numbers, and dictionaries and lists of them.

    Parameters
    ----------
    inspection : Inspection

    Returns
    -------
    dict
        Keys name the units. What there is nothing of is left out, but for ``diagnoses``: an empty list is good news.
    """
    result: dict[str, Any] = {"samples": inspection.samples, "kinds": inspection.kinds}
    if inspection.groups:
        result["groups"] = {
            name: {"samples": count, "scatter, nominal [mm]": _millimetres(inspection.scatter.get(name))}
            for name, count in inspection.groups.items()
        }
    result["joints"] = {
        joint.name: {
            "unit": joint.unit,
            "from": joint.smallest,
            "to": joint.largest,
            "limits": [joint.lower, joint.upper],
            "covered %": round(100.0 * joint.share),
            "largest gap": [joint.gap_from, joint.gap_from + joint.gap],
        }
        for joint in inspection.joints
    }
    workspace = inspection.workspace
    result["tool positions [m]"] = {
        axis: {"from": low, "to": high} for axis, low, high in zip("xyz", workspace.lower, workspace.upper, strict=True)
    }
    result["workspace"] = {
        "covered %": round(100.0 * workspace.share),
        "cubes": workspace.cubes,
        "edge of a cube [m]": workspace.edge,
    }
    errors = {
        "nominal [mm]": _scaled(inspection.nominal_position),
        "nominal [mrad]": _scaled(inspection.nominal_orientation),
        "after rigid alignment [mm]": _scaled(inspection.aligned_position),
        "scatter of groups [mm]": _of(np.array(list(inspection.scatter.values()))),
        "after a quick fit [mm]": _of(inspection.fitted_position),
        "after a quick fit [mrad]": _of(inspection.fitted_orientation),
    }
    result["errors"] = {name: size for name, size in errors.items() if size}
    result["duplicates"] = len(inspection.duplicates)
    result["near duplicates"] = len(inspection.near_duplicates)
    result["outliers"] = inspection.outliers.tolist()
    result["diagnoses"] = [
        {"name": one.name, "finding": one.finding, "advice": one.advice, "rows": list(one.rows)}
        for one in inspection.diagnoses
    ]
    return result


def _millimetres(length: float | None) -> float | None:
    return None if length is None else 1e3 * length


def _of(errors: Array) -> dict[str, float]:
    return _scaled(Size.of(errors))


def _scaled(size: Size | None) -> dict[str, float]:
    """Millimetres of metres, milliradians of radians."""
    return {} if size is None else {name: 1e3 * value for name, value in size._asdict().items()}
