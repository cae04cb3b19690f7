"""Rebound of emissions, where the grid's carbon intensity depends on its load.

References
----------
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from jevons.rebound.closed_form import Derivation, Floats, closed_form, substituted
from jevons.rebound.definitions import rebound_of, rebound_ratio
from jevons.rebound.notation import LOAD, LOAD_POSITIVE, OMEGA, A, R

_a, _r, _w, _l = A.symbol, R.symbol, OMEGA.symbol, LOAD.symbol
_grid, _intensity, _emissions, _m = sp.symbols("G i M m", positive=True)
_ENERGY = 1 - (1 - _r) * (1 - 1 / _a)
_FINITE = (_ENERGY > 0, "an energy rebound that leaves energy above 0: (1 - R)(1 - 1/a) below 1")
_RISING = (_w > -1, "omega above -1: otherwise more load would lower the grid's emissions")


def emissions_rebound(
    energy: tuple[ArrayLike, ArrayLike, ArrayLike],
    intensity: tuple[ArrayLike, ArrayLike, ArrayLike],
    smallest_saving: float = 0.01,
) -> Floats:
    """Rebound of emissions along three runs, each at its own carbon intensity.

    Equation   R_CO2 = 1 - (E_B i_B - E_S i_S)/(E_B i_B - E_F i_F)
    Valid for  engineering savings of emissions of at least `smallest_saving` of the base; NaN below
    Source     [Sorrell2008]_, of emissions instead of energy

    Parameters
    ----------
    energy : triple of array_like
        Base, shocked and engineering run, in MWh.
    intensity : triple of array_like
        Carbon intensity in the same runs, in t/MWh.
    """
    base, shocked, held = (np.asarray(e, float) * np.asarray(i, float) for e, i in zip(energy, intensity, strict=True))
    return rebound_ratio(base, shocked, held, smallest_saving)


def _own(d: Derivation) -> sp.Expr:
    """Emissions accounted to computing whose energy is m times the base, over the base."""
    equations = [
        d.assume("emissions at the average intensity", _emissions, _m * _intensity),
        d.assume("average intensity of the grid", _intensity, _grid**_w),
        d.assume("load of the grid, computing a share l of it", _grid, 1 - _l + _l * _m),
    ]
    return substituted(_emissions, equations)


def _system(d: Derivation) -> sp.Expr:
    """Emissions of the whole grid where the energy of computing is m times the base, over the base."""
    equations = [
        d.assume("emissions of the grid", _emissions, _grid * _intensity),
        d.assume("average intensity of the grid", _intensity, _grid**_w),
        d.assume("load of the grid, computing a share l of it", _grid, 1 - _l + _l * _m),
    ]
    return substituted(_emissions, equations)


@closed_form(1 + _w, OMEGA)
def marginal_intensity(d: Derivation) -> sp.Expr:
    """Consequential over average carbon intensity.

    Equation   d(G i)/dG / i = 1 + ω, i ∝ G^ω
    Valid for  small changes of load; ω is the long-run elasticity of intensity if plants are built and closed
    Source     derived here
    """
    total = _grid * d.assume("average intensity of the grid", _intensity, _grid**_w).rhs
    return sp.simplify(sp.diff(total, _grid) / (total / _grid))


@closed_form(1 + _l * _w, OMEGA, LOAD)
def attributed_intensity(d: Derivation) -> sp.Expr:
    """What a small change of load adds to the emissions accounted to it at the average, over the average.

    Equation   dlnM/dlnE = 1 + l ω, M = E i(G)
    Valid for  small changes of load; the rest of the change, (1 - l) ω, is booked to the grid's other users
    Source     derived here
    """
    return sp.diff(_own(d), _m).subs(_m, 1)


def _small_gain(emissions: sp.Expr, potential: sp.Expr) -> sp.Expr:
    """Limit, as a goes to 1, of the rebound of emissions M(m) against a potential saving; l'Hôpital's rule."""
    actual = sp.diff(1 - emissions.subs(_m, _ENERGY), _a)
    return sp.simplify((1 - actual / sp.diff(potential, _a)).subs(_a, 1))


@closed_form(_r, R)
def emissions_rebound_small_gain(d: Derivation) -> sp.Expr:
    """Rebound of emissions of a small gain, both savings at the intensity of their own load.

    Equation   R_CO2 = R, for accounted and for consequential emissions alike
    Valid for  small gains; the same dependence of intensity on load in the shocked and the engineering run
    Source     derived here: the factor 1 + l ω, or 1 + ω, is in both savings
    """
    own, system = _own(d), _system(d)
    d.deduce("emissions of the grid", "R_CO2", _small_gain(system, 1 - system.subs(_m, 1 / _a)), _r)
    return d.deduce("emissions accounted", "R_CO2", _small_gain(own, 1 - own.subs(_m, 1 / _a)), _r)


@closed_form(1 - (1 - _r) * (1 + _l * _w), R, OMEGA, LOAD)
def emissions_rebound_at_average(d: Derivation) -> sp.Expr:
    """Rebound of accounted emissions of a small gain, the potential saving booked at the intensity before it.

    Equation   R_CO2 = 1 - (1 - R)(1 + l ω) = R - l ω (1 - R)
    Valid for  small gains; the usual way of booking, engineering saving times average intensity; ω > 0 lowers it
        where R < 1 and raises it in backfire
    Source     derived here
    """
    potential = d.assume("potential saving, at the intensity before", sp.Symbol("PES"), 1 - 1 / _a).rhs
    return _small_gain(_own(d), potential)


@closed_form(1 - (1 - _r) * (1 + _w), R, OMEGA)
def emissions_rebound_consequential(d: Derivation) -> sp.Expr:
    """Rebound of the grid's emissions of a small gain, the potential saving booked at the average intensity.

    Equation   R_CO2 = 1 - (1 - R)(1 + ω) = R - ω (1 - R)
    Valid for  small gains; marginal plants unlike the average (ω ≠ 0): a small saving avoids 1 + ω times the average
    Source     derived here; `marginal_intensity`
    """
    potential = d.assume("potential saving, at the intensity before", sp.Symbol("PES"), _l * (1 - 1 / _a)).rhs
    return _small_gain(_system(d), potential)


@closed_form(
    1
    - (1 - _ENERGY * (1 - _l * (1 - _ENERGY)) ** _w)
    / (1 - (1 - _l * (1 - 1 / _a)) ** _w / _a),
    R, OMEGA, LOAD, A, conditions=[_FINITE, _RISING],
)  # fmt: skip
def emissions_rebound_finite(d: Derivation) -> sp.Expr:
    """Rebound of accounted emissions of a finite gain, at an intensity that depends on load.

    Equation   M1/M0 = m (1 - l (1 - m))^ω, m = 1 - (1 - R)(1 - 1/a) after the gain and 1/a in the engineering run;
        R_CO2 = 1 - (1 - M1/M0)/(1 - M_F/M0)
    Valid for  ω constant over the change of load, ω > -1; equal to R if ω = 0, or in the limit of small gains
    Source     derived here
    """
    own = _own(d)
    return rebound_of(own.subs(_m, _ENERGY), 1 - own.subs(_m, 1 / _a))


@closed_form(
    1 - (1 - (1 - _l * (1 - _ENERGY)) ** (1 + _w)) / (1 - (1 - _l * (1 - 1 / _a)) ** (1 + _w)),
    R, OMEGA, LOAD_POSITIVE, A,
    conditions=[_FINITE, _RISING],
)  # fmt: skip
def emissions_rebound_finite_consequential(d: Derivation) -> sp.Expr:
    """Rebound of the grid's emissions of a finite gain, at an intensity that depends on load.

    Equation   M1/M0 = (1 - l (1 - m))^(1 + ω), m = 1 - (1 - R)(1 - 1/a) after the gain and 1/a in the engineering run;
        R_CO2 = 1 - (1 - M1/M0)/(1 - M_F/M0)
    Valid for  ω constant over the change of load, ω > -1; goes to R as l goes to 0
    Source     derived here
    """
    system = _system(d)
    return rebound_of(system.subs(_m, _ENERGY), 1 - system.subs(_m, 1 / _a))
