"""Rebound in production: energy beside value added, the Khazzoom-Brookes postulate after Saunders.

References
----------
.. [Saunders1992] Saunders, H. D. (1992). The Khazzoom-Brookes postulate and neoclassical growth. The Energy Journal
   13(4), 131-148.
.. [Saunders2008] Saunders, H. D. (2008). Fuel conserving (and using) production functions. Energy Economics 30(5),
   2184-2235.
"""

from __future__ import annotations

import sympy as sp

from jevons.rebound.closed_form import Derivation, closed_form, log_derivatives
from jevons.rebound.definitions import rebound_of
from jevons.rebound.notation import ALPHA, SHARE_OUTPUT, SHARE_OUTPUT_POSITIVE, SIGMA, SIGMA_NOT_1, A

_a, _sigma, _alpha, _s = A.symbol, SIGMA.symbol, ALPHA.symbol, SHARE_OUTPUT.symbol
_rho = (_sigma - 1) / _sigma
_e, _k, _eff = sp.symbols("E K epsilon", positive=True)
_x = sp.Symbol("x", real=True)


def _output(value_added: sp.Expr) -> sp.Expr:
    """CES output of value added and effective energy, in units of the base, where s_E is the share of energy."""
    return ((1 - _s) * value_added**_rho + _s * (_eff * _e) ** _rho) ** (1 / _rho)


@closed_form(_sigma / (1 - _s), SIGMA, SHARE_OUTPUT)
def production_rebound_short_run(d: Derivation) -> sp.Expr:
    """Rebound of energy-augmenting progress in production, capital and labour fixed.

    Equation   Y = CES(V, εE) with ∂Y/∂E = p_E given: R = σ/(1 - s_E); backfire if and only if σ > 1 - s_E
    Valid for  small gains, constant returns, price of energy fixed in units of output, value added fixed
    Source     derived here by implicit differentiation; the setting of [Saunders1992]_, [Saunders2008]_
    """
    product = sp.diff(_output(sp.Integer(1)), _e)
    equations = [d.assume("energy earns its marginal product", _s, product)]
    slope = log_derivatives(equations, [_e], _eff, at={_e: 1, _eff: 1})[_e]
    return 1 + d.deduce("elasticity of energy", "x", slope, _sigma / (1 - _s) - 1)


@closed_form(_sigma / (1 - _s) + _alpha * _s / ((1 - _alpha) * (1 - _s)), SIGMA, ALPHA, SHARE_OUTPUT)
def production_rebound_long_run(d: Derivation) -> sp.Expr:
    """Rebound of energy-augmenting progress in production, once capital has adjusted to a given return.

    Equation   V = K^α L^(1 - α), ∂Y/∂K = r given: R = σ/(1 - s_E) + α s_E/((1 - α)(1 - s_E)); Cobb-Douglas (σ = 1)
        always backfires
    Valid for  small gains, constant returns, prices of energy and capital fixed in units of output, labour fixed
    Source     derived here by implicit differentiation; the setting of [Saunders1992]_, [Saunders2008]_
    """
    output = _output(_k**_alpha)
    equations = [
        d.assume("energy earns its marginal product", _s, sp.diff(output, _e)),
        d.assume("capital earns its marginal product", _alpha * (1 - _s), sp.diff(output, _k)),
    ]
    slope = log_derivatives(equations, [_e, _k], _eff, at={_e: 1, _k: 1, _eff: 1})
    growth = _alpha * _s / ((1 - _alpha) * (1 - _s))
    d.deduce("elasticity of capital", "dlnK/dlnε", slope[_k], growth / _alpha)
    return 1 + d.deduce("elasticity of energy", "x", slope[_e], _sigma / (1 - _s) + growth - 1)


_share_after = _s * _a ** (_sigma - 1)
_RATIO = _a ** (_sigma - 1) * ((1 - _s) / (1 - _share_after)) ** (_sigma / (_sigma - 1))


@closed_form(
    1 - (1 - _RATIO) / (1 - 1 / _a),
    SIGMA_NOT_1,
    SHARE_OUTPUT_POSITIVE,
    A,
    conditions=[(_share_after < 1, "s_E a^(σ-1) below 1, without which there is no equilibrium")],
)
def production_finite_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a finite energy-augmenting gain in production, capital and labour fixed.

    Equation   E1/E0 = a^(σ-1) ((1 - s_E)/(1 - s_E a^(σ-1)))^(σ/(σ-1)), R = 1 - (1 - E1/E0)/(1 - 1/a)
    Valid for  constant returns, price of energy fixed in units of output, value added fixed, s_E a^(σ-1) < 1, σ not 1
    Source     derived here
    """
    y, y_rho, e, share = sp.symbols("Y Y_rho E s_1", positive=True)
    demand = d.assume("energy earns its marginal product", _s, _s * _a**_rho * (y / e) ** (1 - _rho))
    ratio = sp.exp(sp.solve(sp.expand_log(sp.log((demand.rhs / _s).subs(e, y / sp.exp(_x))), force=True), _x)[0])
    d.deduce("so output per energy falls", "Y/E", ratio, _a ** (1 - _sigma))
    after = sp.simplify(sp.powsimp(sp.expand_power_base(_s * (_a / ratio) ** _rho), force=True))
    d.deduce("share of energy after the gain", "s_1", after, _share_after)
    # Y^ρ = (1 - s_E) + s_1 Y^ρ, for s_1 = s_E (εE/Y)^ρ
    balance = d.assume("production function", y_rho, (1 - _s) + share * y_rho)
    output = sp.solve(balance.lhs - balance.rhs, y_rho)[0] ** (1 / _rho)
    return rebound_of((output / ratio).subs(share, _share_after), 1 - 1 / _a)
