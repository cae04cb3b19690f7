"""Growth accounting of energy: what efficiency adds and takes away, and what a series of energy cannot tell."""

from __future__ import annotations

import sympy as sp

from jevons.rebound.closed_form import Derivation, closed_form, substituted
from jevons.rebound.notation import ETA, GAMMA, GAMMA_A, GAMMA_E, GAMMA_F, GAMMA_K, GAMMA_NOT_0, S_E, G

_eta, _s, _g, _gamma = ETA.symbol, S_E.symbol, G.symbol, GAMMA.symbol
_g_a, _g_e, _g_f, _g_k = GAMMA_A.symbol, GAMMA_E.symbol, GAMMA_F.symbol, GAMMA_K.symbol
_RATE = _g + (_eta - 1) * _g_a + (_eta * _s - 1) * (_g_e + _g_f) + _eta * (1 - _s) * _g_k


@closed_form(_RATE, G, ETA, S_E, GAMMA_A, GAMMA_E, GAMMA_F, GAMMA_K)
def energy_growth(d: Derivation) -> sp.Expr:
    """Growth of energy use under steady gains.

    Equation   dlnE/dt = g + (η - 1) γ_A + (η s_E - 1)(γ_ε + γ_F) + η s_K γ_κ, s_K = 1 - s_E, in 1/yr
    Valid for  unlimited supply, full pass-through, current cost shares; gains of the fleet, not of the newest
    Source     derived here by differentiation in time
    """
    t = sp.Symbol("t", real=True)
    e, c, s, p = sp.symbols("E C S p", positive=True)
    algorithm, hardware, facility, price = (sp.exp(rate * t) for rate in (_g_a, _g_e, _g_f, _g_k))
    equations = [
        d.assume("energy", e, c / (hardware * facility)),
        d.assume("compute", c, s / algorithm),
        d.assume("demand, growing at constant prices", s, sp.exp(_g * t) * p**-_eta),
        d.assume("price: capital and energy", p, ((1 - _s) / price + _s / (hardware * facility)) / algorithm),
    ]
    return sp.simplify(sp.diff(sp.log(substituted(e, equations)), t).subs(t, 0))


@closed_form((1 - _eta) * _gamma, ETA, GAMMA)
def flat_growth(d: Derivation) -> sp.Expr:
    """Growth of demand that holds energy flat, where prices follow all gains.

    Equation   g = (1 - η) γ, γ = γ_A + γ_ε for hardware with γ_κ = γ_ε; in 1/yr
    Valid for  unlimited supply, full pass-through; one flat series fixes this combination and neither g nor η
    Source     `energy_growth` = 0 with γ_κ = γ_ε, γ_F = 0
    """
    rate = d.assume("growth of energy", sp.Symbol("growth"), energy_growth.derive().result).rhs
    joint = rate.subs({_g_f: 0, _g_k: _g_e}).subs(_g_e, _gamma - _g_a)
    d.deduce("growth where prices follow all gains", "dlnE/dt", joint, _g + (_eta - 1) * _gamma)
    return sp.simplify(sp.solve(joint, _g)[0])


@closed_form(1 - _g / _gamma, G, GAMMA_NOT_0)
def ridge_elasticity(d: Derivation) -> sp.Expr:
    """Elasticity that a flat series implies for a growth of demand that someone assumes.

    Equation   η = 1 - g/γ
    Valid for  as `flat_growth`; every g has its η, and all of them fit equally well
    Source     `flat_growth`, solved for η
    """
    line = d.assume("flat energy", _g, flat_growth.derive().result)
    return sp.expand(sp.solve(line.rhs - _g, _eta)[0])
