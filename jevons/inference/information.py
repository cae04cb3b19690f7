"""Parts of the residual vector, and the Fisher information of the data in prior standard deviations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal
from jevons.errors import CalibrationError
from jevons.inference.problem import Calibration

Floats = NDArray[np.float64]


class Parts(NamedTuple):
    """Residuals, or the rows of their derivatives, by where they come from."""

    data: Floats
    prior: Floats
    noise: Floats


def split(calibration: Calibration, residuals: Floats) -> Parts:
    """Rows of the data, of the priors, and what belongs to estimated scales of noise, which comes last."""
    rows, parameters = len(calibration.rows), len(calibration.free)
    return Parts(residuals[:rows], residuals[rows : rows + parameters], residuals[rows + parameters :])


def data_jacobian(calibration: Calibration, u: Floats) -> Floats:
    """A square root of the Fisher information: its rows are those of the data, and of the scales of noise.

    Equation   J = ∂z/∂u for what moves the model; for an estimated scale s of noise √2 ∂ln s/∂u a row it applies to,
               which is its expected information, 2 a row, and not correlated with the rest

    Raises
    ------
    CalibrationError
        If the model does not run at `u`.
    """
    slopes = split(calibration, calibration.jacobian(u)).data
    if not np.isfinite(slopes).all():
        mistake = "the model, or its derivatives, do not run at this point; expected one where they do"
        raise CalibrationError(f"information of {calibration.model.name!r}", [mistake])
    scales = {n.name: n for n in calibration.nuisance if n.kind == "noise_scale" and n.name in calibration.free}
    if not scales:
        return slopes
    widths = np.zeros_like(slopes)
    for k, (name, prior) in enumerate(zip(calibration.free, calibration.priors, strict=True)):
        if name in scales and isinstance(prior, LogNormal):
            widths[:, k] = [prior.sd_log * scales[name].applies(row) for row in calibration.rows]
    moves = np.where([name in scales for name in calibration.free], 0.0, slopes)
    return np.vstack([moves, np.sqrt(2.0) * widths])


def fisher_information(calibration: Calibration, u: Floats) -> Floats:
    """Information of the data about what is free, in prior standard deviations: JᵀJ of `data_jacobian`."""
    slopes = data_jacobian(calibration, u)
    information: Floats = slopes.T @ slopes
    return information
