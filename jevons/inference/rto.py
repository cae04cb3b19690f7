"""Independent proposals for the posterior of a nonlinear least-squares problem: randomize, then optimize."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import FitError
from jevons.inference.problem import REACH, Calibration
from jevons.inference.records import Records

Floats = NDArray[np.float64]

SOLVED = 1e-6
FAR = 1e6


@dataclass(frozen=True)
class Proposal:
    """A point of the map and its weight.

    Attributes
    ----------
    u : array of shape (parameters,)
        Search coordinates.
    log_weight : float
        Of posterior over proposal density, unnormalised by a constant common to all; -inf outside the bounds.
    folded : bool
        Whether the map turned over here (its determinant has not the sign it has at the best fit): proposals are then
        not unique.
    """

    u: Floats
    log_weight: float
    folded: bool


class Proposer:
    """Makes proposals by randomize-then-optimize.

    Equation   draw ε ~ N(0, I) in the space of the residuals r and solve Qᵀ r(u) = Qᵀ ε for u, with Q R = ∂r/∂u at the
               best fit; such u have the density |det Qᵀ ∂r/∂u| exp(−½|Qᵀ r|²) up to a constant, so that a draw has the
               weight w(u) = exp(−½|r|² + ½|Qᵀ r|²)/|det Qᵀ ∂r/∂u|
    Valid for  problems where that equation has one solution; `Proposal.folded` and `uniqueness` show where it has not.
               Exact where r is linear (all weights equal)
    Source     Bardsley, Solonen, Haario and Laine 2014, SIAM J. Sci. Comput. 36, A1895, doi:10.1137/140964023

    Parameters
    ----------
    calibration : Calibration
    centre : array of shape (parameters,)
        Search coordinates of the best fit.
    """

    def __init__(self, calibration: Calibration, centre: Floats) -> None:
        self.calibration, self.centre = calibration, np.asarray(centre, dtype=float)
        jacobian = calibration.jacobian(self.centre)
        if not np.isfinite(jacobian).all():
            mistake = "the model, or its derivatives, do not run at the best fit; expected a point where they do"
            raise FitError(f"sampling of {calibration.model.name!r}", [mistake])
        self.basis, _ = np.linalg.qr(jacobian)
        self._slopes: Floats = self.basis.T @ jacobian
        self._sign = float(np.linalg.slogdet(self._slopes)[0])

    def slopes(self, u: Floats) -> Floats:
        """Qᵀ ∂r/∂u."""
        found: Floats = self.basis.T @ self.calibration.jacobian(u)
        return found

    def propose(self, target: Floats, start: Floats | None = None) -> Proposal | None:
        """The point that a target Qᵀ ε leads to; None where none is found.

        Parameters
        ----------
        start : array, optional
            Where to search from; the best fit by default. It does not change the answer where it is unique.
        """
        u, solved = self._solve(target, self.centre if start is None else start)
        return self._weighed(u) if solved else None

    def _solve(self, target: Floats, start: Floats) -> tuple[Floats, bool]:
        """Powell's hybrid method; where it stalls, a trust region, which is slower and surer."""
        from scipy.optimize import least_squares, root

        def equations(u: Floats) -> Floats:
            if not np.abs(u).max() < REACH:
                return np.full(u.size, FAR)
            found: Floats = self.basis.T @ self.calibration.residuals(u) - target
            return found if np.isfinite(found).all() else np.full(u.size, FAR)

        def slopes(u: Floats) -> Floats:
            result = self._slopes if np.array_equal(u, self.centre) else self.slopes(u)
            return result if np.isfinite(result).all() else np.eye(u.size)

        quick = root(equations, start, jac=slopes, method="hybr", tol=1e-10, options={"factor": 1.0})
        if np.abs(quick.fun).max() < SOLVED:
            return np.asarray(quick.x), True
        edge = REACH * (1 - 1e-9)
        try:
            sure = least_squares(
                equations, start, jac=slopes, method="trf", bounds=(-edge, edge),
                xtol=1e-12, ftol=1e-14, gtol=1e-12, max_nfev=100,
            )  # fmt: skip
        except (ValueError, np.linalg.LinAlgError):
            return start, False
        return np.asarray(sure.x), bool(np.abs(sure.fun).max() < SOLVED)

    def _weighed(self, u: Floats) -> Proposal | None:
        residuals, slopes = self.calibration.residuals(u), self.slopes(u)
        if not (np.isfinite(residuals).all() and np.isfinite(slopes).all()):
            return None
        sign, log_determinant = np.linalg.slogdet(slopes)
        if sign == 0:
            return None
        inside = float(np.sum((self.basis.T @ residuals) ** 2))
        log_weight = -0.5 * float(residuals @ residuals) + 0.5 * inside - float(log_determinant)
        if self.calibration.log_prior(u) == -math.inf:
            log_weight = -math.inf
        return Proposal(u, log_weight, bool(sign != self._sign))

    def log_constant(self) -> float:
        """What to add to the logarithm of the mean weight to get the log marginal likelihood."""
        residuals = self.calibration.residuals(self.centre)
        normalised = self.calibration.log_density(self.centre) + 0.5 * float(residuals @ residuals)
        return normalised + 0.5 * self.centre.size * math.log(2 * math.pi)


class Chain:
    """One of the independent sequences of proposals.

    Attributes
    ----------
    proposals : list of Proposal or None
        One a step; None where none was found.
    """

    def __init__(self, proposer: Proposer, seed: int, number: int, records: Records | None = None) -> None:
        self._proposer, self._seed, self.number, self._records = proposer, seed, number, records
        self.proposals: list[Proposal | None] = []

    def extend(self, until: int, count: Callable[[], None]) -> None:
        """Propose until there are so many."""
        while len(self.proposals) < until:
            self._propose()
            count()

    def _propose(self) -> None:
        step = len(self.proposals)
        target = np.random.default_rng([self._seed, self.number, step]).standard_normal(self._proposer.centre.size)
        proposal = self._proposer.propose(target)
        record: dict[str, Any] = {"chain": self.number, "step": step}
        if proposal is not None:
            record |= {"u": proposal.u.tolist(), "weight": _finite(proposal.log_weight), "folded": proposal.folded}
        if self._records is not None:
            self._records.append(record)
        self.proposals.append(proposal)

    def replay(self, record: Mapping[str, Any]) -> None:
        """Take a proposal from a record; records come in the order of their steps."""
        if "u" not in record:
            self.proposals.append(None)
            return
        weight = -math.inf if record["weight"] is None else float(record["weight"])
        self.proposals.append(Proposal(np.array(record["u"]), weight, bool(record["folded"])))


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None
