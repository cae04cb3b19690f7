"""What rebound is: savings, the ratio, its classes, and the forms that need no more than the definition.

References
----------
.. [Saunders2008] Saunders, H. D. (2008). Fuel conserving (and using) production functions. Energy Economics 30(5),
   2184-2235.
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
"""

from __future__ import annotations

import math

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from jevons.errors import JevonsError
from jevons.rebound.closed_form import Derivation, Floats, closed_form, log_derivatives, substituted
from jevons.rebound.notation import ETA, SERVICE, A, X

_a, _eta, _x, _m = A.symbol, ETA.symbol, X.symbol, SERVICE.symbol

CLASSES = ("super-conservation", "full saving", "partial rebound", "no saving", "backfire")
"""Classes of rebound after [Saunders2008]_, in rising order: R < 0, R = 0, 0 < R < 1, R = 1, R > 1."""


def engineering_saving(energy: ArrayLike, gain: ArrayLike) -> Floats:
    """Energy saved if the service stayed the same.

    Equation   PES = E0 (1 - 1/a)
    Valid for  an efficiency that divides the energy of the service
    Source     [Sorrell2008]_

    Parameters
    ----------
    energy : array_like
        Energy before the gain, in any unit; the saving has the same.
    gain : array_like
        Factor of the efficiency, above 0.
    """
    gains = np.asarray(gain, dtype=np.float64)
    if not np.all(gains > 0):
        raise JevonsError(f"engineering saving: gain {gains.min():g}, expected above 0")
    saving: Floats = np.asarray(energy, dtype=np.float64) * (1 - 1 / gains)
    return saving


def rebound_ratio(base: ArrayLike, actual: ArrayLike, engineering: ArrayLike, smallest_saving: float = 0.01) -> Floats:
    """Share of the engineering saving that is not saved.

    Equation   R = 1 - (E_base - E_actual)/(E_base - E_engineering)
    Valid for  engineering savings of at least `smallest_saving` of the base; NaN below
    Source     [Sorrell2008]_, [Saunders2008]_

    Parameters
    ----------
    base, actual, engineering : array_like
        Energy without the gain, with it, and with it at an unchanged service; all in one unit.
    """
    before, after, held = (np.asarray(e, dtype=np.float64) for e in (base, actual, engineering))
    saving = before - held
    defined = (np.abs(saving) >= smallest_saving * np.abs(before)) & (saving != 0) & (before != 0)
    result: Floats = np.where(defined, 1 - (before - after) / np.where(defined, saving, 1.0), math.nan)
    return result


def classify(rebound: float, tolerance: float = 1e-9) -> str:
    """Class of a rebound: one of `CLASSES`.

    Equation   R < 0 super-conservation; 0 full saving; between partial rebound; 1 no saving; R > 1 backfire
    Valid for  R that is not NaN; `tolerance` around 0 and 1 counts as equal
    Source     [Saunders2008]_
    """
    if math.isnan(rebound):
        raise JevonsError("rebound is NaN: the engineering saving is too small, so it has no class")
    for place, threshold in ((0, 0.0), (2, 1.0)):
        if rebound < threshold - tolerance:
            return CLASSES[place]
        if rebound <= threshold + tolerance:
            return CLASSES[place + 1]
    return CLASSES[4]


def cumulative_rebound(
    times: ArrayLike, base: ArrayLike, actual: ArrayLike, engineering: ArrayLike, smallest_saving: float = 0.01
) -> Floats:
    """Rebound of the energy used since the first date.

    Equation   R_cum(T) = 1 - ∫(E_base - E_actual) dt / ∫(E_base - E_engineering) dt
    Valid for  paths sampled finely enough for the trapezoidal rule; NaN where `rebound_ratio` would be
    Source     definition; the trapezoidal rule

    Parameters
    ----------
    times : array_like of shape (n,)
        Rising dates.
    base, actual, engineering : array_like of shape (n,)
        Rates of energy use.

    Returns
    -------
    array of shape (n,)
        NaN at the first date.
    """
    dates = np.asarray(times, dtype=np.float64)
    _check_dates("cumulative rebound", dates)

    def used(path: ArrayLike) -> Floats:
        rate = np.asarray(path, dtype=np.float64)
        return np.concatenate([[0.0], np.cumsum(np.diff(dates) * (rate[1:] + rate[:-1]) / 2)])

    return rebound_ratio(used(base), used(actual), used(engineering), smallest_saving)


def crossing_time(times: ArrayLike, rebound: ArrayLike, level: float = 1.0) -> float:
    """Date at which a path of rebound first rises through a level, on straight lines between its points.

    Equation   min {t: R(t) = level, R below it just before}
    Valid for  one path; gaps (NaN) are not bridged; NaN if it never crosses
    Source     definition
    """
    dates, values = np.asarray(times, dtype=np.float64), np.asarray(rebound, dtype=np.float64)
    _check_dates("crossing time", dates)
    up = np.flatnonzero((values[:-1] < level) & (values[1:] >= level))
    if not up.size:
        return math.nan
    i = int(up[0])
    share = (level - values[i]) / (values[i + 1] - values[i])
    return float(dates[i] + share * (dates[i + 1] - dates[i]))


def _check_dates(what: str, dates: Floats) -> None:
    if dates.ndim != 1 or dates.size < 2 or not np.all(np.diff(dates) > 0):
        raise JevonsError(f"{what}: found dates of shape {dates.shape}, expected two or more, rising")


def rebound_of(energy_ratio: sp.Expr, saved_share: sp.Expr) -> sp.Expr:
    """Rebound of a finite gain from E1/E0 and the engineering saving as a share of E0, as expressions."""
    return 1 - (1 - energy_ratio) / saved_share


def marginal(finite: sp.Expr, gain: sp.Symbol) -> sp.Expr:
    """Limit of a finite rebound as the gain goes to 1."""
    return sp.simplify(sp.limit(finite, gain, 1))


@closed_form(1 + _x, X)
def marginal_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a small gain in an efficiency.

    Equation   R = 1 + dlnE/dln(efficiency)
    Valid for  small gains; any demand and supply
    Source     [Sorrell2008]_, definition 1: dlnE/dlnε = R - 1
    """
    energy = sp.Function("E", positive=True)
    finite = rebound_of(energy(_a) / energy(1), 1 - 1 / _a)
    d.assume("rebound of a gain by a factor a", sp.Symbol("R"), finite)
    # l'Hôpital: numerator and denominator of (1 - E/E0)/(1 - 1/a) vanish together
    above, below = sp.diff(1 - energy(_a) / energy(1), _a), sp.diff(1 - 1 / _a, _a)
    slope = sp.Symbol("slope")
    limit = 1 - (above / below).subs(sp.diff(energy(_a), _a), slope).subs(_a, 1)
    return d.deduce("limit as a goes to 1", "R", limit.subs(slope, _x * energy(1)), 1 + _x)


@closed_form(1 - (1 - _a**_x) / (1 - 1 / _a), X, A)
def constant_elasticity_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a finite gain where the elasticity of energy is constant.

    Equation   E1/E0 = a^x, R = 1 - (1 - a^x)/(1 - 1/a)
    Valid for  an elasticity x that is the same all the way
    Source     definition of [Sorrell2008]_, integrated
    """
    efficiency = sp.Symbol("efficiency", positive=True)
    energy = sp.Function("E")
    slope = sp.Eq(efficiency * energy(efficiency).diff(efficiency), _x * energy(efficiency))
    d.assume("constant elasticity", slope.lhs, slope.rhs)
    e0 = sp.Symbol("E_0", positive=True)
    path = sp.dsolve(slope, energy(efficiency), ics={energy(1): e0}).rhs
    ratio = d.deduce("integrate from 1 to a", "E_1/E_0", sp.simplify(path.subs(efficiency, _a) / e0), _a**_x)
    return rebound_of(ratio, 1 - 1 / _a)


def _energy_only(d: Derivation) -> tuple[list[sp.Eq], dict[str, sp.Symbol]]:
    s, p, e, eff = sp.symbols("S p E epsilon", positive=True)
    equations = [
        d.assume("demand for the service", s, p**-_eta),
        d.assume("energy is the whole cost, at a given price", p, 1 / eff),
        d.assume("energy the service needs", e, s / eff),
    ]
    return equations, {"S": s, "p": p, "E": e, "epsilon": eff}


@closed_form(_eta, ETA)
def energy_only_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a small gain where energy is the whole cost of the service.

    Equation   R = η
    Valid for  energy as the whole marginal cost, its price given and passed on; small gains
    Source     [Sorrell2008]_, definition 2; the same for algorithms, which divide all of the cost
    """
    equations, v = _energy_only(d)
    slope = log_derivatives(equations, [v["S"], v["p"], v["E"]], v["epsilon"])[v["E"]]
    return 1 + d.deduce("elasticity of energy", "x", slope, _eta - 1)


@closed_form((_a**_eta - 1) / (_a - 1), ETA, A)
def isoelastic_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a finite gain where the efficiency divides the whole cost and demand is isoelastic.

    Equation   E1/E0 = a^(η-1), R = (a^η - 1)/(a - 1)
    Valid for  energy as the whole cost, or a gain that divides all of it (algorithms); supply unlimited
    Source     derived here from the definitions of [Sorrell2008]_
    """
    equations, v = _energy_only(d)
    energy = substituted(v["E"], equations)
    ratio = sp.simplify(energy.subs(v["epsilon"], _a) / energy.subs(v["epsilon"], 1))
    return rebound_of(d.deduce("energy after over before", "E_1/E_0", ratio, _a ** (_eta - 1)), 1 - 1 / _a)


@closed_form(sp.log(_m) / sp.log(_a), SERVICE, A)
def implied_elasticity(d: Derivation) -> sp.Expr:
    """Elasticity that a growth of the service implies if all of it is charged to the gain.

    Equation   η = ln m / ln a
    Valid for  an upper bound: growth that has other causes is charged to the price too
    Source     isoelastic demand, solved for η
    """
    demand = d.assume("demand after the price fell by a", _m, _a**_eta)
    return sp.simplify(sp.solve(sp.log(demand.lhs) - sp.expand_log(sp.log(demand.rhs)), _eta)[0])


@closed_form((_m - 1) / (_a - 1), SERVICE, A)
def service_rebound(d: Derivation) -> sp.Expr:
    """Rebound from the growth of the service that a gain caused.

    Equation   E1/E0 = m/a, R = (m - 1)/(a - 1)
    Valid for  a growth m caused by the gain alone; break-even at m = a
    Source     definition of [Sorrell2008]_
    """
    ratio = d.assume("energy after over before", sp.Symbol("E_1") / sp.Symbol("E_0"), _m / _a).rhs
    return rebound_of(ratio, 1 - 1 / _a)
