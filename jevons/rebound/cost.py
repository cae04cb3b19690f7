"""Rebound where energy is only a part of the cost of a service.

References
----------
.. [Besen1981] Besen, S. M., Johnson, L. L. (1981). Economic implications of mandated efficiency standards for
   household appliances: comment. RAND Paper P-6651.
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
"""

from __future__ import annotations

import sympy as sp

from jevons.rebound.closed_form import Derivation, closed_form, log_derivatives, substituted
from jevons.rebound.definitions import rebound_of
from jevons.rebound.notation import ETA, KAPPA, S_E, S_E_BELOW_1, S_E_POSITIVE, S_K, S_K_POSITIVE, THETA, A

_a, _eta, _theta, _kappa = A.symbol, ETA.symbol, THETA.symbol, KAPPA.symbol
_s_e, _s_k = S_E.symbol, S_K.symbol
_SHARES = (_s_e + _s_k <= 1 + sp.Rational(1, 10**12), "s_E + s_K of at most 1, the rest being other costs")


@closed_form(_theta * _eta * (_s_e - _s_k * _kappa), ETA, THETA, S_E, S_K, KAPPA, conditions=[_SHARES])
def direct_rebound(d: Derivation) -> sp.Expr:
    """Direct rebound of a small gain in energy efficiency, with mixed cost.

    Equation   R = θ η (s_E - s_K κ), for a cost c = r_E/ε + k(ε) + o with κ = dlnk/dlnε and a price p ∝ c^θ
    Valid for  small gains, given prices of inputs; negative (super-conservation) if κ > s_E/s_K
    Source     derived here; after [Sorrell2008]_, who add the cost of capital to the definition by prices; that dearer
        efficient appliances lower the use of the service is the point of [Besen1981]_
    """
    s, p, c, e, eff = sp.symbols("S p c E epsilon", positive=True)
    equations = [
        d.assume("demand for the service", s, p**-_eta),
        d.assume("the price passes on a share of the cost", p, c**_theta),
        d.assume("energy, capital and other cost", c, _s_e / eff + _s_k * eff**_kappa + 1 - _s_e - _s_k),
        d.assume("energy the service needs", e, s / eff),
    ]
    slopes = log_derivatives(equations, [s, p, c, e], eff, at=dict.fromkeys((s, p, c, e, eff), 1))
    d.deduce("elasticity of the cost", "dlnc/dlnε", slopes[c], _s_k * _kappa - _s_e)
    return 1 + d.deduce("elasticity of energy", "x", slopes[e], _theta * _eta * (_s_e - _s_k * _kappa) - 1)


@closed_form(_s_e / _s_k, S_E, S_K_POSITIVE, conditions=[_SHARES])
def super_conservation_premium(d: Derivation) -> sp.Expr:
    """Capital premium above which a gain in energy efficiency saves more than the engineering saving.

    Equation   κ* = s_E/s_K
    Valid for  small gains, positive pass-through and elasticity
    Source     `direct_rebound` = 0, solved for κ; [Besen1981]_
    """
    form = d.assume("direct rebound", sp.Symbol("R"), direct_rebound.derive().result)
    return sp.solve(form.rhs, _kappa)[0]


@closed_form(
    1 / (_theta * (_s_e - _s_k * _kappa)),
    THETA, S_E, S_K, KAPPA,
    conditions=[
        _SHARES,
        (_theta * (_s_e - _s_k * _kappa) > 0, "θ (s_E - s_K κ) above 0: otherwise no elasticity makes it backfire"),
    ],
)  # fmt: skip
def backfire_elasticity(d: Derivation) -> sp.Expr:
    """Price elasticity above which a small gain in energy efficiency backfires.

    Equation   η* = 1/(θ (s_E - s_K κ)); 1/s_E without premium and with full pass-through
    Valid for  small gains, given prices of inputs
    Source     `direct_rebound` = 1, solved for η
    """
    form = d.assume("direct rebound", sp.Symbol("R"), direct_rebound.derive().result)
    return sp.solve(form.rhs - 1, _eta)[0]


def _energy_only_gain(d: Derivation) -> tuple[sp.Expr, sp.Expr]:
    """Service and energy after a gain of a that divides energy alone, over before."""
    s, p, e = sp.symbols("S p E", positive=True)
    equations = [
        d.assume("demand for the service", s, p**-_eta),
        d.assume("the gain divides energy alone", p, _s_e / _a + 1 - _s_e),
        d.assume("energy the service needs", e, s / _a),
    ]
    return substituted(s, equations), substituted(e, equations)


@closed_form((_a**_eta - (_s_e + _a * (1 - _s_e)) ** _eta) / ((_a - 1) * (_s_e + _a * (1 - _s_e)) ** _eta), ETA, S_E, A)
def energy_gain_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a finite gain in energy efficiency, with mixed cost.

    Equation   E1/E0 = (s_E/a + 1 - s_E)^(-η)/a, R = (a^η - (s_E + a(1 - s_E))^η)/((a - 1)(s_E + a(1 - s_E))^η)
    Valid for  no capital premium, full pass-through, given prices of inputs; goes to η s_E as a goes to 1, to 0 as a
        grows without limit (if s_E < 1), and is `isoelastic_rebound` at s_E = 1
    Source     derived here from the definitions of [Sorrell2008]_
    """
    _, energy = _energy_only_gain(d)
    ratio = d.deduce("energy after over before", "E_1/E_0", energy, (_s_e / _a + 1 - _s_e) ** -_eta / _a)
    return rebound_of(ratio, 1 - 1 / _a)


@closed_form((1 - _s_e) ** -_eta, ETA, S_E_BELOW_1)
def most_service(d: Derivation) -> sp.Expr:
    """Most by which the service grows, however large the gain in energy efficiency.

    Equation   S1/S0 → (1 - s_E)^(-η) as a → ∞
    Valid for  no capital premium, full pass-through, given prices of inputs, s_E < 1
    Source     limit of the demand in `energy_gain_rebound`
    """
    service, _ = _energy_only_gain(d)
    return sp.limit(service.subs(_a, 1 / sp.Symbol("y", positive=True)), sp.Symbol("y", positive=True), 0)


@closed_form(_eta * _s_e, ETA, S_E_POSITIVE)
def energy_share_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a small gain in energy efficiency, without a capital premium.

    Equation   R = η s_E
    Valid for  small gains, no capital premium, full pass-through, given prices of inputs
    Source     limit of `energy_gain_rebound` as a goes to 1
    """
    _, energy = _energy_only_gain(d)
    # l'Hôpital at a = 1, where (1 - E1/E0) and (1 - 1/a) vanish together
    slope = (sp.diff(1 - energy, _a) / sp.diff(1 - 1 / _a, _a)).subs(_a, 1)
    return sp.simplify(1 - slope)
