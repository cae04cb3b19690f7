"""Modes of a linear system: eigenvalues, what they do, and which stocks carry them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NEUTRAL = 1e-7
"""Eigenvalues below this share of the largest one neither grow nor die."""
_TURNS = 1e-4  # below this share of the real part an imaginary one is rounding, or shows nowhere
_CARRIES = 0.05
_MOST_CARRIERS = 4


@dataclass(frozen=True)
class Mode:
    """One eigenvalue, or a pair of conjugate ones.

    Attributes
    ----------
    eigenvalue : complex
        Per unit of time; of a pair the one with the positive imaginary part.
    neutral : bool
        Neither grows nor dies, as far as numbers can tell.
    participation : mapping of str to float
        Share of each stock, summing to one.
    """

    eigenvalue: complex
    neutral: bool
    participation: Mapping[str, float]

    @property
    def oscillates(self) -> bool:
        return self.eigenvalue.imag != 0

    @property
    def what(self) -> str:
        """``decays``, ``grows``, ``damped oscillation``, ``growing oscillation``, ``oscillation``, ``neutral``."""
        if self.oscillates:
            return (
                "oscillation" if self.neutral else f"{'damped' if self.eigenvalue.real < 0 else 'growing'} oscillation"
            )
        return "neutral" if self.neutral else "decays" if self.eigenvalue.real < 0 else "grows"

    @property
    def time_constant(self) -> float:
        """Time in which it falls to 1/e, −1/Re λ, in the model's unit of time; infinite where it does not."""
        return -1.0 / self.eigenvalue.real if self.eigenvalue.real < 0 and not self.neutral else math.inf

    @property
    def doubling_time(self) -> float:
        """Time in which it doubles, ln 2/Re λ; infinite where it does not grow."""
        return math.log(2.0) / self.eigenvalue.real if self.eigenvalue.real > 0 and not self.neutral else math.inf

    @property
    def period(self) -> float:
        """Time of one oscillation, 2π/|Im λ|; infinite where there is none."""
        return 2.0 * math.pi / abs(self.eigenvalue.imag) if self.oscillates else math.inf

    @property
    def damping_ratio(self) -> float:
        """−Re λ/|λ|: 1 without oscillation, 0 for one that goes on, negative where it grows."""
        size = abs(self.eigenvalue)
        return 0.0 if self.neutral or size == 0 else -self.eigenvalue.real / size

    def carriers(self) -> list[tuple[str, float]]:
        """Stocks with a share that counts, largest first."""
        ordered = sorted(self.participation.items(), key=lambda item: -item[1])
        return [(n, share) for n, share in ordered[:_MOST_CARRIERS] if share >= _CARRIES]

    def describe(self, unit: str) -> str:
        """The mode in words."""
        times = []
        if math.isfinite(self.period):
            times.append(f"period {self.period:.4g} {unit}")
        if math.isfinite(self.time_constant):
            times.append(f"time constant {self.time_constant:.4g} {unit}")
        if math.isfinite(self.doubling_time):
            times.append(f"doubles in {self.doubling_time:.4g} {unit}")
        if self.oscillates and not self.neutral:
            times.append(f"damping ratio {self.damping_ratio:.3g}")
        shares = ", ".join(f"{n} {share:.0%}" for n, share in self.carriers())
        return f"{self.what}{': ' + ', '.join(times) if times else ''} ({shares})"


def modes_of(matrix: Floats, names: Sequence[str], conserved: Sequence[Floats] = ()) -> tuple[Mode, ...]:
    """Modes of x' = matrix·x, without those that conserved totals hold at zero.

    Equation   each total w gives one stock by the others, x = W z, and z' = P J W z, where P leaves these stocks out;
               participation of stock k in mode i is |l_ki r_ki| / Σ_k |l_ki r_ki|, l and r left and right eigenvectors
    Valid for  totals that are independent of each other

    Parameters
    ----------
    matrix : array of shape (n, n)
    names : sequence of str
    conserved : sequence of arrays of shape (n,)
        Weights w with wᵀ·matrix = 0.

    Returns
    -------
    tuple of Mode
        Largest real part first.
    """
    import scipy.linalg

    n = len(names)
    if not n:
        return ()
    basis, kept = _basis(conserved, n)
    if not kept:
        return ()
    reduced = (matrix @ basis)[kept]
    found: Any = scipy.linalg.eig(reduced, left=True, right=True)
    values, left, right = found
    largest = float(np.abs(values).max()) or 1.0
    modes = []
    for k in sorted(range(values.size), key=lambda k: (-values[k].real, abs(values[k].imag))):
        value = complex(values[k])
        if abs(value.imag) <= max(NEUTRAL * largest, _TURNS * abs(value.real)):
            value = complex(value.real, 0.0)
        if value.imag < 0:
            continue
        neutral = abs(value.real) <= NEUTRAL * largest
        if neutral:
            value = complex(0.0, value.imag)
        carried = basis @ right[:, k]
        by = np.zeros(n, dtype=complex)
        by[kept] = left[:, k].conj()
        if abs(value) > NEUTRAL * largest:
            by = by @ matrix / value  # left eigenvectors of the whole matrix
        share = np.abs(by * carried)
        total = float(share.sum()) or 1.0
        modes.append(Mode(value, neutral, dict(zip(names, (share / total).tolist(), strict=True))))
    return tuple(modes)


def _basis(conserved: Sequence[Floats], n: int) -> tuple[Floats, list[int]]:
    """All stocks as sums of those that are kept, one being left out for each total."""
    rows = np.array(conserved, dtype=float).reshape(-1, n)
    left_out: list[int] = []
    for i in range(len(rows)):
        pivot = int(np.argmax(np.abs(rows[i])))
        rows[i] /= rows[i, pivot]
        for j in range(len(rows)):
            if j != i:
                rows[j] -= rows[j, pivot] * rows[i]
        left_out.append(pivot)
    kept = [k for k in range(n) if k not in left_out]
    basis = np.zeros((n, len(kept)))
    basis[kept, range(len(kept))] = 1.0
    basis[left_out] = -rows[:, kept]
    return basis, kept


def classify(modes: Sequence[Mode]) -> str:
    """What a place of rest is called, from its modes."""
    if not modes:
        return "at rest, with nothing that moves"
    resting = [m for m in modes if m.neutral and not m.oscillates]
    circling = [m for m in modes if m.neutral and m.oscillates]
    moving = [m for m in modes if not m.neutral]
    growing = [m for m in moving if m.eigenvalue.real > 0]
    shrinking = [m for m in moving if m.eigenvalue.real < 0]
    if growing and shrinking:
        kind = "saddle"
    elif circling and not growing:
        kind = "centre" if not shrinking else "centre with modes that decay"
    elif growing or shrinking:
        turns = any(m.oscillates for m in moving)
        kind = f"{'unstable' if growing else 'stable'} {'spiral' if turns else 'node'}"
    else:
        kind = ""
    if resting:
        lines = f"{len(resting)} direction{'s' if len(resting) > 1 else ''} in which nothing pulls it back"
        kind = f"{kind}, with {lines}" if kind else f"neutral: {lines}"
    return kind
