"""Exact attribution of a change to the factors of a product, over sectors: the additive LMDI-I method.

References
----------
.. [Ang2005] Ang, B. W. (2005). The LMDI approach to decomposition analysis: a practical guide. Energy Policy 33(7),
   867-871. doi:10.1016/j.enpol.2003.10.010
.. [Ang2007] Ang, B. W., Liu, N. (2007). Handling zero values in the logarithmic mean Divisia index decomposition
   approach. Energy Policy 35(1), 238-246. doi:10.1016/j.enpol.2005.11.001
.. [Wood2006] Wood, R., Lenzen, M. (2006). Zero-value problems of the logarithmic mean Divisia index decomposition
   method. Energy Policy 34, 1326-1331.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jevons.errors import DecompositionError, nearest

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Decomposition:
    """What each factor contributed to a change.

    Attributes
    ----------
    factors, sectors : tuple of str
    terms : array of shape (factors, sectors)
        Contributions, in the unit of the product.
    before, after : array of shape (sectors,)
        The product of the factors at both dates.
    """

    factors: tuple[str, ...]
    sectors: tuple[str, ...]
    terms: Floats
    before: Floats
    after: Floats

    @property
    def change(self) -> float:
        """Change of the sum over sectors."""
        return float(np.sum(self.after - self.before))

    @property
    def totals(self) -> dict[str, float]:
        """Contribution of each factor, summed over sectors."""
        return dict(zip(self.factors, self.terms.sum(axis=1).tolist(), strict=True))

    @property
    def residual(self) -> float:
        """Change less all contributions: 0 up to rounding."""
        return self.change - float(self.terms.sum())

    def of(self, factor: str, sector: str | None = None) -> float:
        """Contribution of a factor, in one sector or in all."""
        mistakes = [
            f"{name!r} is no {kind}{nearest(name, known)}"
            for kind, name, known in (("factor", factor, self.factors), ("sector", sector, self.sectors))
            if name is not None and name not in known
        ]
        if mistakes:
            raise DecompositionError("decomposition", mistakes)
        row = self.terms[self.factors.index(factor)]
        return float(row.sum() if sector is None else row[self.sectors.index(sector)])

    def to_frame(self) -> pd.DataFrame:
        """Contributions with a row for each factor and a column for each sector and the total."""
        import pandas as pd

        frame = pd.DataFrame(self.terms, index=pd.Index(self.factors, name="factor"), columns=list(self.sectors))
        if "total" not in self.sectors:
            frame["total"] = frame.sum(axis=1)
        return frame

    def __repr__(self) -> str:
        width = max(map(len, self.factors))
        rows = [f"  {name:<{width}} {value:+.6g}" for name, value in self.totals.items()]
        return "\n".join([f"change of {self.before.sum():.6g} to {self.after.sum():.6g}: {self.change:+.6g}", *rows])


def log_mean(x: ArrayLike, y: ArrayLike) -> Floats:
    """Logarithmic mean of two positive numbers.

    Equation   L(x, y) = (x - y)/ln(x/y), L(x, x) = x, and its limit 0 where either is 0
    Valid for  x, y ≥ 0
    Source     [Ang2005]_
    """
    a, b = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    if not (np.all(a >= 0) and np.all(b >= 0)):
        raise DecompositionError("decomposition", ["logarithmic mean of a negative number or NaN, expected at least 0"])
    positive = (a > 0) & (b > 0)
    log_ratio = np.log(np.where(positive, a, 1.0)) - np.log(np.where(positive, b, 1.0))
    # sinh(r/2)/(r/2) has no cancellation where x and y are close
    half = np.clip(log_ratio / 2, -1, 1)
    near = a * np.exp(-half) * np.where(half == 0, 1.0, np.sinh(half) / np.where(half == 0, 1.0, half))
    far = (a - b) / np.where(log_ratio == 0, 1.0, log_ratio)
    mean: Floats = np.where(positive, np.where(np.abs(half) < 1, near, far), 0.0)
    return mean


def lmdi(factors: Mapping[str, tuple[ArrayLike, ArrayLike]], sectors: Sequence[str] | None = None) -> Decomposition:
    """Decompose the change of a sum of products into contributions of the factors, without a residual.

    Equation   E = Σ_i Π_x x_i;  ΔE_x = Σ_i L(E1_i, E0_i) ln(x1_i/x0_i);  Σ_x ΔE_x = E1 - E0
    Valid for  factors ≥ 0. A factor that alone takes a sector to or from 0 gets the whole change of that sector,
        which is the analytical limit of [Wood2006]_ and [Ang2007]_; two factors that do so at once are refused,
        because the limit depends on how they go to 0
    Source     [Ang2005]_

    Parameters
    ----------
    factors : mapping of str to (before, after)
        Numbers, or arrays with an entry for each sector; a number is the same in all sectors. Units must multiply to
        that of the product.
    sectors : sequence of str, optional
        Names of the sectors; numbered from 1 by default.

    Raises
    ------
    DecompositionError

    Examples
    --------
    >>> lmdi({"demand": (1, 6.5), "algorithms": (1, 1 / 5), "power": (1, 0.8)})
    change of 1 to 1.04: +0.04
      demand     +1.90899
      algorithms -1.64142
      power      -0.227577
    """
    values, names = _checked(factors, sectors)
    before, after = values.prod(axis=1)
    with_zero = (before == 0) | (after == 0)
    logs = np.log(np.where(values > 0, values, 1.0))
    change_of_log = logs[1] - logs[0]
    total = change_of_log.sum(axis=0)
    # the change over the sum of the same logarithms leaves no residual; where that sum vanishes, so does the change
    usable = np.abs(total) > 1e-6
    weight = np.where(usable, (after - before) / np.where(usable, total, 1.0), log_mean(after, before))
    terms = np.where(with_zero, 0.0, weight * change_of_log)
    crossing = (values[0] == 0) != (values[1] == 0)
    terms = np.where(with_zero & crossing & (before != after), after - before, terms)
    return Decomposition(tuple(factors), names, terms, before, after)


def _checked(
    factors: Mapping[str, tuple[ArrayLike, ArrayLike]], sectors: Sequence[str] | None
) -> tuple[Floats, tuple[str, ...]]:
    """Factors as an array (date, factor, sector), and the names of the sectors."""
    mistakes: list[str] = []
    arrays: dict[str, list[Floats]] = {}
    for name, pair in factors.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            mistakes.append(f"factor {name!r}: expected a pair (before, after)")
            continue
        arrays[name] = [np.atleast_1d(np.asarray(p, dtype=np.float64)) for p in pair]
        if any(a.ndim != 1 for a in arrays[name]):
            mistakes.append(f"factor {name!r}: expected numbers or arrays with one entry for each sector")
        bad = [f"{v:g}" for a in arrays[name] for v in a.ravel() if not (np.isfinite(v) and v >= 0)]
        if bad:
            mistakes.append(f"factor {name!r}: found {', '.join(bad)}, expected finite numbers of at least 0")
    if not factors:
        mistakes.append("no factors, expected one or more")
    sizes = {a.size for pair in arrays.values() for a in pair} | ({len(sectors)} if sectors is not None else set())
    if len(sizes - {1}) > 1 or (sectors is not None and not len(sectors)):
        mistakes.append(f"found {', '.join(map(str, sorted(sizes)))} sectors, expected one number of them (or 1)")
    if mistakes:
        raise DecompositionError("decomposition", mistakes)
    count = max(sizes)
    if sectors is not None and len(sectors) != count:
        raise DecompositionError("decomposition", [f"{len(sectors)} names of sectors, expected {count}"])
    names = tuple(sectors) if sectors is not None else tuple(f"sector {i}" for i in range(1, count + 1))
    values = np.array([[np.broadcast_to(pair[i], count) for pair in arrays.values()] for i in (0, 1)])
    with np.errstate(over="ignore", under="ignore"):
        both = values.prod(axis=1)
    lost = np.isinf(both) | ((both == 0) & np.all(values > 0, axis=1))
    mistakes += [f"{names[i]}: the product of the factors is too large or too small" for i in np.where(lost.any(0))[0]]
    for i, sector in enumerate(names):
        for date, zero in enumerate(values[:, :, i] == 0):
            if zero.sum() > 1 and both[1 - date, i] > 0:
                listed = " and ".join(repr(n) for n, z in zip(arrays, zero, strict=True) if z)
                when = ("before", "after")[date]
                mistakes.append(f"{sector}: {listed} are 0 {when} it, so what each contributed is undetermined")
    if mistakes:
        raise DecompositionError("decomposition", mistakes)
    return values, names
