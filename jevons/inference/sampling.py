"""Draws of the parameters by randomised maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.inference.problem import BOUND
from jevons.inference.threads import parallel

if TYPE_CHECKING:
    from jevons.inference.fit import Fit

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Draws:
    """Parameter draws in search coordinates (prior standard deviations).

    Attributes
    ----------
    u : array of shape (draws, parameters)
    failed : int
        Draws whose search did not converge or whose last run failed; they are left out.
    """

    u: Floats
    failed: int


def randomised_draws(fit: Fit, n: int, seed: int = 0, progress: bool = True) -> Draws:
    """Draw parameters: perturb data and priors by their errors, fit again from the best fit.

    Equation   u_k = argmin |z(u) − ε_k|² + |u − δ_k|², with ε_k and δ_k standard normal
    Valid for  exact where the model is linear in u: there the draws are those of the Gauss-Newton covariance.
               Approximate otherwise, but every draw agrees with its perturbed data, while draws of the covariance
               leave the data behind where the model bends within a standard deviation
    Source     Oliver 2015, arXiv 1507.08563; Ba, de Wiljes, Oliver and Reich 2021, arXiv 2101.03612

    Parameters
    ----------
    n : int
    seed : int
    """
    from scipy.optimize import least_squares

    calibration = fit.calibration
    rows, parameters = len(fit.z), fit.u.size
    shifts = np.random.default_rng(seed).standard_normal((n, rows + parameters))

    def draw(shift: Floats) -> Floats | None:
        def residuals(u: Floats) -> Floats:
            result: Floats = calibration.residuals(u) - shift
            return result

        try:
            result = least_squares(
                residuals, fit.u, jac=calibration.jacobian, bounds=(-BOUND - 1, BOUND + 1), method="trf",
                xtol=1e-7, ftol=1e-7, gtol=1e-6, max_nfev=60,
            )  # fmt: skip
        except (ValueError, np.linalg.LinAlgError):
            return None
        return np.asarray(result.x) if result.status > 0 and np.isfinite(result.fun).all() else None

    drawn = parallel(draw, shifts, calibration.threads, "draws", progress, unit="draw")
    done = [u for u in drawn if u is not None]
    return Draws(np.array(done).reshape(len(done), parameters), n - len(done))
