"""Indirect, embodied and macro rebound, as terms beside the direct one; all of them lie outside the models.

References
----------
.. [Heun2025] Heun, M. K., Semieniuk, G., Brockway, P. E. (2025). Energetic and economic aspects of rebound, part I:
   foundations of a rigorous analytical framework. The Energy Journal. doi:10.1177/01956574251331969
"""

from __future__ import annotations

import sympy as sp

from jevons.rebound.closed_form import Derivation, closed_form
from jevons.rebound.notation import (
    EMBODIED_0,
    EMBODIED_1,
    EXTRA_COST,
    FREED,
    INTENSITY,
    LIFE_0,
    LIFE_1,
    MACRO,
    PRICE_ENERGY,
    R_DIRECT,
    SAVING,
)

_p, _i, _c, _r = PRICE_ENERGY.symbol, INTENSITY.symbol, EXTRA_COST.symbol, R_DIRECT.symbol
_e0, _e1, _l0, _l1, _s = EMBODIED_0.symbol, EMBODIED_1.symbol, LIFE_0.symbol, LIFE_1.symbol, SAVING.symbol
_n, _k = FREED.symbol, MACRO.symbol


@closed_form(_i * (_p * (1 - _r) - _c), INTENSITY, PRICE_ENERGY, R_DIRECT, EXTRA_COST)
def indirect_rebound(d: Derivation) -> sp.Expr:
    """Rebound through the money that a gain frees, spent on other things.

    Equation   R_ind = I_E (p_E (1 - R_direct) - c), for money p_E · (energy saved) - c · PES, spent at I_E
    Valid for  spending on other things at one energy intensity; first round only
    Source     definition; income effect of [Heun2025]_, written per engineering saving
    """
    saved, cost = sp.symbols("saved cost", positive=True)
    money = d.assume("money freed", sp.Symbol("N"), _p * saved - cost).rhs
    energy = d.assume("energy of what it buys", sp.Symbol("E_other"), _i * money).rhs
    return sp.expand(energy.subs({saved: _s * (1 - _r), cost: _c * _s}) / _s)


@closed_form((_e1 / _l1 - _e0 / _l0) / _s, EMBODIED_0, LIFE_0, EMBODIED_1, LIFE_1, SAVING)
def embodied_rebound(d: Derivation) -> sp.Expr:
    """Rebound through the energy to make the device, spread over its life.

    Equation   R_emb = (E_emb1/L_1 - E_emb0/L_0)/PES
    Valid for  steady replacement; short lives (chips) make it matter
    Source     definition; emplacement effect of [Heun2025]_
    """
    new = d.assume("energy to make it, a year", sp.Symbol("e_1", positive=True), _e1 / _l1)
    old = d.assume("the same of what it replaces", sp.Symbol("e_0", positive=True), _e0 / _l0)
    return (new.rhs - old.rhs) / _s


@closed_form(_k * _n * _i / _s, MACRO, FREED, INTENSITY, SAVING)
def macro_rebound(d: Derivation) -> sp.Expr:
    """Rebound through the growth of output that the money freed sets off.

    Equation   R_macro = k N I_E/PES
    Valid for  a macro factor k that stands for all rounds of spending; it is calibrated, not derived
    Source     [Heun2025]_
    """
    output = d.assume("output set off", sp.Symbol("Y"), _k * _n)
    return d.assume("its energy", sp.Symbol("E_macro"), output.rhs * _i).rhs / _s
