"""What the data can tell of the parameters: spectrum of the Fisher information, directions, confounded pairs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jevons.errors import CalibrationError
from jevons.inference.information import data_jacobian
from jevons.inference.problem import Calibration

if TYPE_CHECKING:
    import pandas as pd

    from jevons.inference.fit import Fit

Floats = NDArray[np.float64]

AS_THE_PRIOR = 0.9
"""A posterior sd of more than this share of the prior's says that the data add nothing."""
CORRELATED = 0.9
LOADING = 0.3
MOST_LOADINGS = 4


@dataclass(frozen=True)
class Hint:
    """Parameters known to be confounded.

    Attributes
    ----------
    parameters : tuple of str
    why : str
    unless_observed : str
        A variable that, among the rows, tells them apart; empty if none does.
    """

    parameters: tuple[str, ...]
    why: str
    unless_observed: str = ""


@dataclass(frozen=True)
class Confounded:
    """Two parameters whose posterior is correlated, and why, where a hint knows."""

    first: str
    second: str
    correlation: float
    why: str = ""

    def __str__(self) -> str:
        because = f": {self.why}" if self.why else ""
        return f"{self.first} with {self.second}, r = {self.correlation:+.2f}{because}"


@dataclass(frozen=True)
class Identifiability:
    """Which directions of the parameters the data hold, at one point.

    Attributes
    ----------
    names : tuple of str
        Free parameters.
    u : array
        The point, in prior standard deviations from the prior's centre.
    rows : int
        Rows of data.
    eigenvalues : array
        Of the Fisher information in prior standard deviations, falling.
    directions : array of shape (parameters, directions)
        The eigenvectors; the largest loading of each is positive.
    covariance : array
        Of the posterior in prior standard deviations, Gauss-Newton.
    hinted : tuple of Confounded
        Pairs of the hints that apply, with their correlation at this point.
    """

    names: tuple[str, ...]
    u: Floats
    rows: int
    eigenvalues: Floats
    directions: Floats
    covariance: Floats
    hinted: tuple[Confounded, ...] = ()

    @property
    def held(self) -> int:
        """Directions that the data hold more firmly than the prior does: eigenvalue above 1."""
        return int(np.count_nonzero(self.eigenvalues > 1))

    @property
    def variance_share(self) -> Floats:
        """Posterior over prior variance along each direction, 1 / (1 + λ)."""
        share: Floats = 1 / (1 + self.eigenvalues)
        return share

    @property
    def effective_parameters(self) -> float:
        """Sum of λ / (1 + λ): parameters that the data pay for."""
        return float(np.sum(1 - self.variance_share))

    @property
    def condition(self) -> float:
        """Largest over smallest eigenvalue; infinite where the data say nothing at all of a direction."""
        smallest = float(self.eigenvalues[-1])
        return float(self.eigenvalues[0]) / smallest if smallest > 0 else math.inf

    @property
    def posterior_sd(self) -> dict[str, float]:
        """Posterior over prior standard deviation of each parameter."""
        return dict(zip(self.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def as_the_prior(self) -> tuple[str, ...]:
        """Parameters whose posterior is their prior: its sd is above 0.9 of the prior's; least told first."""
        sd = self.posterior_sd
        return tuple(sorted((n for n in self.names if sd[n] > AS_THE_PRIOR), key=lambda n: -sd[n]))

    @property
    def confounded(self) -> tuple[Confounded, ...]:
        """Pairs whose posterior correlation is above 0.9 in size, closest first."""
        why = {frozenset((pair.first, pair.second)): pair.why for pair in self.hinted}
        pairs = [
            Confounded(a, b, self.correlation(a, b), why.get(frozenset((a, b)), ""))
            for a, b in itertools.combinations(self.names, 2)
        ]
        close = [pair for pair in pairs if abs(pair.correlation) > CORRELATED]
        return tuple(sorted(close, key=lambda pair: -abs(pair.correlation)))

    def correlation(self, first: str, second: str) -> float:
        """Posterior correlation of two parameters."""
        a, b = self.names.index(first), self.names.index(second)
        return float(self.covariance[a, b] / math.sqrt(self.covariance[a, a] * self.covariance[b, b]))

    def direction(self, place: int) -> str:
        """A direction by its largest loadings, ``0.83 learning − 0.55 elasticity``."""
        loadings = self.directions[:, place]
        order = np.argsort(-np.abs(loadings), kind="stable")[:MOST_LOADINGS]
        named = [i for i in order if abs(loadings[i]) >= LOADING] or [order[0]]
        text = f"{loadings[named[0]]:.2f} {self.names[named[0]]}"
        for i in named[1:]:
            text += f" {'+' if loadings[i] > 0 else '−'} {abs(loadings[i]):.2f} {self.names[i]}"
        return text

    def to_frame(self) -> pd.DataFrame:
        """One row a direction: eigenvalue, variance_share, held, direction."""
        import pandas as pd

        return pd.DataFrame(
            {
                "eigenvalue": self.eigenvalues,
                "variance_share": self.variance_share,
                "held": self.eigenvalues > 1,
                "direction": [self.direction(j) for j in range(self.eigenvalues.size)],
            }
        )

    def __repr__(self) -> str:
        n = len(self.names)
        condition = f"{self.condition:.2g}" if math.isfinite(self.condition) else "infinite"
        lines = [
            f"{self.rows} rows hold {self.held} of {n} directions ({self.effective_parameters:.1f} effective "
            f"parameters), condition number {condition}",
            f"  held best:  {self.direction(0)} (variance to {self.variance_share[0]:.2g} of the prior's)",
            f"  held least: {self.direction(n - 1)} (variance to {self.variance_share[-1]:.2g} of the prior's)",
            f"  posterior as the prior ({len(self.as_the_prior)}): {', '.join(self.as_the_prior) or 'none'}",
            f"  correlated above {CORRELATED:g} ({len(self.confounded)}):",
            *(f"    {pair}" for pair in self.confounded),
        ]
        if self.hinted:
            lines += ["  known to be confounded, and nothing observed tells them apart:"]
            lines += [f"    {pair}" for pair in self.hinted]
        return "\n".join(lines)


def identifiability(
    problem: Fit | Calibration, u: ArrayLike | None = None, *, hints: Sequence[Hint] = ()
) -> Identifiability:
    """Spectrum of what the data tell of the free parameters, at one point.

    Equation   F = JᵀJ = V Λ Vᵀ with J = ∂z/∂u, u in prior standard deviations; the posterior covariance is
               (F + 1)⁻¹, so that along a direction of eigenvalue λ its variance is 1 / (1 + λ) of the prior's
    Valid for  as far as the model is linear over the posterior: a local answer
    Source     Gutenkunst et al. 2007, doi 10.1371/journal.pcbi.0030189 (spectra of sloppy models); Spantini et al.
               2015, arXiv 1407.3463 (eigenvalues relative to the prior)

    Parameters
    ----------
    problem : Fit or Calibration
    u : array, optional
        Where, in prior standard deviations; at the best of a fit, at the prior's centre of a calibration by default.
    hints : sequence of Hint
        Parameters known to be confounded; those that apply are reported.

    Raises
    ------
    CalibrationError
        If the model does not run there.

    Examples
    --------
    >>> before = identifiability(calibration)  # doctest: +SKIP
    >>> after = identifiability(jv.fit(calibration))  # doctest: +SKIP
    """
    calibration = problem if isinstance(problem, Calibration) else problem.calibration
    names = calibration.free
    if u is None:
        u = np.zeros(len(names)) if isinstance(problem, Calibration) else problem.u
    point = np.asarray(u, dtype=np.float64)
    if point.shape != (len(names),):
        mistake = f"a point of shape {point.shape}, expected one number for each of {len(names)} free parameters"
        raise CalibrationError("identifiability", [mistake])
    slopes = data_jacobian(calibration, point)
    # singular values, because small eigenvalues of JᵀJ would drown in rounding
    padded = np.vstack([slopes, np.zeros((max(0, len(names) - len(slopes)), len(names)))])
    _, sizes, vectors = np.linalg.svd(padded, full_matrices=False)
    directions = vectors.T * np.where(vectors[np.arange(len(names)), np.abs(vectors).argmax(axis=1)] < 0, -1.0, 1.0)
    eigenvalues = sizes**2
    covariance = (directions / (1 + eigenvalues)) @ directions.T
    found = Identifiability(names, point, len(calibration.rows), eigenvalues, directions, covariance)
    hinted = [
        Confounded(a, b, found.correlation(a, b), hint.why)
        for hint in applicable(hints, calibration)
        for a, b in itertools.combinations(hint.parameters, 2)
    ]
    return Identifiability(names, point, len(calibration.rows), eigenvalues, directions, covariance, tuple(hinted))


def applicable(hints: Sequence[Hint], calibration: Calibration) -> tuple[Hint, ...]:
    """Hints all of whose parameters are free while what would tell them apart is not among the rows."""
    observed = {row.variable for row in calibration.rows}
    free = set(calibration.free)
    return tuple(h for h in hints if set(h.parameters) <= free and h.unless_observed not in observed)
