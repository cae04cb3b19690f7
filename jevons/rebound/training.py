"""Rebound of efficiency in training, and of inference where its revenue pays for training.

References
----------
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
"""

from __future__ import annotations

import sympy as sp

from jevons.rebound.closed_form import Derivation, closed_form, log_derivatives, substituted
from jevons.rebound.definitions import rebound_of
from jevons.rebound.notation import ETA, F_INF, PHI, A

_a, _eta, _phi, _f = A.symbol, ETA.symbol, PHI.symbol, F_INF.symbol


def _budgeted(d: Derivation) -> tuple[list[sp.Eq], sp.Symbol, sp.Symbol, list[sp.Symbol]]:
    energy, compute, budget, eff = sp.symbols("E C_tr B A_tr", positive=True)
    equations = [
        d.assume("energy, in proportion to compute", energy, compute),
        d.assume("compute that the budget rents, at a given rent", compute, budget),
        d.assume("budget", budget, eff**_phi),
    ]
    return equations, energy, eff, [energy, compute, budget]


@closed_form(1 + _phi, PHI)
def training_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a small gain in training efficiency, where a budget decides how much is trained.

    Equation   C_tr = B/r_K, in which A_tr does not appear: R_tr = 1 + φ, φ = dlnB/dlnA_tr
    Valid for  training limited by money alone, the rent of compute given; 1 without reinvestment
    Source     derived here; definition: [Sorrell2008]_
    """
    equations, energy, eff, unknowns = _budgeted(d)
    return 1 + d.deduce("elasticity of energy", "x", log_derivatives(equations, unknowns, eff)[energy], _phi)


@closed_form(1 + (_a**_phi - 1) / (1 - 1 / _a), PHI, A)
def training_finite_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a finite gain in training efficiency, where a budget decides how much is trained.

    Equation   E1/E0 = a^φ, R_tr = 1 + (a^φ - 1)/(1 - 1/a)
    Valid for  training limited by money alone, the rent of compute given, φ constant
    Source     derived here
    """
    equations, energy, eff, _ = _budgeted(d)
    return rebound_of(substituted(energy, equations).subs(eff, _a), 1 - 1 / _a)


def _revenue_tied(d: Derivation) -> tuple[sp.Expr, sp.Expr]:
    """Energy after a gain in inference over before, and the same at an unchanged service and training."""
    energy, inference, training, service, price, revenue = sp.symbols("E C_inf C_tr S p Rev", positive=True)
    equations = [
        d.assume("energy of AI", energy, _f * inference + (1 - _f) * training),
        d.assume("compute of inference", inference, service / _a),
        d.assume("training, a share of revenue at a given rent", training, revenue),
        d.assume("revenue", revenue, price * service),
        d.assume("demand for the service", service, price**-_eta),
        d.assume("price of the service", price, 1 / _a),
    ]
    held = _f / _a + 1 - _f
    return sp.simplify(substituted(energy, equations)), held


@closed_form(1 - (1 - _a ** (_eta - 1)) / (_f * (1 - 1 / _a)), ETA, F_INF, A)
def revenue_tied_finite_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a finite gain in inference, on the energy of AI, where revenue pays for training.

    Equation   E1/E0 = a^(η - 1), R_inf = 1 - (1 - a^(η - 1))/(f_inf (1 - 1/a))
    Valid for  training a fixed share of revenue, which is spent at once; supply unlimited, full pass-through
    Source     derived here
    """
    energy, held = _revenue_tied(d)
    d.deduce("energy after over before", "E_1/E_0", energy, _a ** (_eta - 1))
    return rebound_of(energy, d.deduce("engineering saving over E0", "PES", 1 - held, _f * (1 - 1 / _a)))


@closed_form(1 + (_eta - 1) / _f, ETA, F_INF)
def revenue_tied_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a small gain in inference, on the energy of AI, where revenue pays for training.

    Equation   R_inf = 1 + (η - 1)/f_inf
    Valid for  training a fixed share of revenue, which is spent at once; supply unlimited, full pass-through; negative
        (super-conservation through training) where η < 1 - f_inf
    Source     derived here
    """
    energy, held = _revenue_tied(d)
    # l'Hôpital at a = 1: both savings vanish together
    return sp.simplify(1 - (sp.diff(1 - energy, _a) / sp.diff(1 - held, _a)).subs(_a, 1))
