"""Rebound where chips and power are supplied at rising prices, down to hard limits of capacity.

References
----------
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from jevons.rebound.closed_form import ClosedForm, Derivation, closed_form, log_derivatives
from jevons.rebound.definitions import rebound_of
from jevons.rebound.notation import ETA, F_IDLE, PSI, PSI_E, PSI_K, S_E, A, H

_a, _eta, _s, _h, _f = A.symbol, ETA.symbol, S_E.symbol, H.symbol, F_IDLE.symbol
_psi_k, _psi_e, _psi = PSI_K.symbol, PSI_E.symbol, PSI.symbol
_MARKET = (ETA, S_E, PSI_K, PSI_E)

_delta = 1 + _eta * ((1 - _s) / _psi_k + _s / _psi_e)


def _market(d: Derivation, by: str) -> sp.Expr:
    """Elasticity of energy to algorithms (A), energy efficiency (ε) or price-performance (κ) in one market."""
    s, c, e, p, r_k, r_e, a, eff, k = sp.symbols("S C E p r_K r_E A epsilon kappa", positive=True)
    equations = [
        d.assume("demand for the service", s, p**-_eta),
        d.assume("compute the service needs", c, s / a),
        d.assume("energy the compute needs", e, c / eff),
        d.assume("price of the service: capital and energy", p, ((1 - _s) * r_k / k + _s * r_e / eff) / a),
        d.assume("supply of chips", r_k, c ** (1 / _psi_k)),
        d.assume("supply of power", r_e, e ** (1 / _psi_e)),
    ]
    unknowns, known = [s, c, e, p, r_k, r_e], {"A": a, "epsilon": eff, "kappa": k}
    base = dict.fromkeys([*unknowns, *known.values()], 1)
    return log_derivatives(equations, unknowns, known[by], at=base)[e]


@closed_form(1 + (_eta - 1) / _delta, *_MARKET)
def algorithmic_rebound(d: Derivation) -> sp.Expr:
    """Rebound of algorithmic efficiency with finite supply of chips and power.

    Equation   R_A = 1 + (η - 1)/Δ, Δ = 1 + η (s_K/ψ_K + s_E/ψ_E), s_K = 1 - s_E
    Valid for  small gains in service per compute (algorithms, utilisation, consolidation), full pass-through, long
        run; backfire if and only if η > 1, whatever the supply
    Source     derived here by implicit differentiation; definition: [Sorrell2008]_
    """
    slope = _market(d, "A")
    return 1 + d.deduce("elasticity of energy", "x", slope, (_eta - 1) / _delta)


@closed_form(_eta * _s * (1 + 1 / _psi_e) / _delta, *_MARKET)
def energy_rebound(d: Derivation) -> sp.Expr:
    """Rebound of energy efficiency with finite supply of chips and power.

    Equation   R_ε = η s_E (1 + 1/ψ_E)/Δ, Δ = 1 + η (s_K/ψ_K + s_E/ψ_E), s_K = 1 - s_E
    Valid for  small gains in compute per energy (hardware, PUE), no capital premium, full pass-through, long run
    Source     derived here by implicit differentiation; definition: [Sorrell2008]_
    """
    slope = _market(d, "epsilon")
    return 1 + d.deduce("elasticity of energy", "x", slope, _eta * _s * (1 + 1 / _psi_e) / _delta - 1)


@closed_form(_eta * (1 - _s) / _delta, *_MARKET)
def induced_growth(d: Derivation) -> sp.Expr:
    """Growth of energy that cheaper hardware induces, with finite supply of chips and power.

    Equation   G_κ = dlnE/dlnκ = η s_K/Δ, Δ = 1 + η (s_K/ψ_K + s_E/ψ_E), s_K = 1 - s_E
    Valid for  small gains in compute per dollar, full pass-through, long run; it saves no energy by itself, so a
        rebound is not defined
    Source     derived here by implicit differentiation
    """
    return d.deduce("elasticity of energy", "G", _market(d, "kappa"), _eta * (1 - _s) / _delta)


def _one_input(d: Derivation, elasticity: sp.Symbol) -> sp.Expr:
    """Elasticity of the energy of one input whose price rises with its use."""
    e, r, eff = sp.symbols("E r epsilon", positive=True)
    equations = [
        d.assume("demand for the input", e, (r / eff) ** -elasticity / eff),
        d.assume("its supply", r, e ** (1 / _psi)),
    ]
    return log_derivatives(equations, [e, r], eff)[e]


@closed_form(_h * (1 + 1 / _psi) / (1 + _h / _psi), H, PSI)
def one_input_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a small gain where one input is supplied at a rising price.

    Equation   R = h (1 + ψ)/(h + ψ)
    Valid for  small gains; h is the rebound at a given price of the input; R = 1 at h = 1 for every ψ, and the
        supply pulls R to 1 from both sides: ∂R/∂ψ = h (h - 1)/(h + ψ)²
    Source     derived here by implicit differentiation
    """
    return 1 + d.deduce("elasticity of energy", "x", _one_input(d, _h), (_h - 1) / (1 + _h / _psi))


@closed_form(1 - (1 - _a ** ((_eta - 1) / (1 + _eta / _psi))) / (1 - 1 / _a), ETA, PSI, A)
def one_input_finite_rebound(d: Derivation) -> sp.Expr:
    """Long-run rebound of a finite gain in one market for compute.

    Equation   E1/E0 = a^x, x = ψ (η - 1)/(ψ + η), R = 1 - (1 - a^x)/(1 - 1/a)
    Valid for  algorithms, energy in proportion to compute, isoelastic supply and demand, full pass-through
    Source     derived here; the long run of the model ``m0``
    """
    slope = d.deduce("elasticity of energy", "x", _one_input(d, _eta), (_eta - 1) / (1 + _eta / _psi))
    # the system is linear in logarithms, so its elasticity is the same all the way
    return rebound_of(_a**slope, 1 - 1 / _a)


@closed_form(_f, F_IDLE)
def idle_rebound(d: Derivation) -> sp.Expr:
    """Rebound at once, before demand and capacity respond, of a gain that leaves machines idle.

    Equation   E = E0 (f + (1 - f) u), u = 1/a: R(0+) = f
    Valid for  algorithms, slack capacity, demand unchanged; a draw of which the share f does not depend on load
    Source     derived here
    """
    load = sp.Symbol("u", positive=True)
    draw = d.assume("draw of the machines over that at full load", sp.Symbol("E"), _f + (1 - _f) * load)
    return rebound_of(draw.rhs.subs(load, 1 / _a), 1 - 1 / _a)


@dataclass(frozen=True)
class HardLimit:
    """What a gain does where capacity cannot grow.

    Attributes
    ----------
    shock : str
        ``algorithm``, ``energy`` or ``price-performance``.
    regime : str
        ``slack`` (at once, demand unchanged), ``chips rationed`` or ``power rationed``.
    value : sympy.Expr or None
        Rebound, or induced growth for price-performance; None where there is no engineering saving to compare with.
    why : str
    form : ClosedForm or None
        Of which it is a limit; None if stated.
    """

    shock: str
    regime: str
    value: sp.Expr | None
    why: str
    form: ClosedForm | None = None

    @property
    def derived(self) -> bool:
        return self.form is not None


def hard_limits() -> tuple[HardLimit, ...]:
    """Rebound under hard limits: what is a limit of the closed forms is derived as one, the rest is stated.

    Equation   limits ψ_K → 0 (chips rationed) and ψ_E → 0 (power rationed) of R_A, R_ε and G_κ
    Valid for  0 < s_E < 1, η > 0; the other input supplied with any finite elasticity
    Source     derived here
    """
    forms: Mapping[str, ClosedForm] = {
        "algorithm": algorithmic_rebound,
        "energy": energy_rebound,
        "price-performance": induced_growth,
    }
    regimes = {"chips rationed": _psi_k, "power rationed": _psi_e}
    odds = sp.Symbol("y", positive=True)
    inside = odds / (1 + odds)  # a share between 0 and 1, which tells sympy that 1 - s_E is positive
    derived = [
        HardLimit(shock, regime, sp.limit(form.expression.subs(_s, inside), psi, 0, "+"), f"{psi} → 0", form)
        for shock, form in forms.items()
        for regime, psi in regimes.items()
    ]
    return (
        HardLimit("algorithm", "slack", _f, "the idle draw goes on", idle_rebound),
        HardLimit("energy", "slack", sp.Integer(0), "new vintages only: the saving itself waits for turnover"),
        HardLimit("price-performance", "slack", None, "no engineering saving"),
        *derived,
    )
