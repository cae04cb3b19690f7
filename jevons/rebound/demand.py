"""Elasticities of demand that add up, and that fall as wants are met.

References
----------
.. [Lovins1988] Lovins, A. B. (1988). Energy saving from the adoption of more efficient appliances: another view. The
   Energy Journal 9(2), 155-162.
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
"""

from __future__ import annotations

import sympy as sp

from jevons.rebound.closed_form import Derivation, closed_form, log_derivatives, substituted
from jevons.rebound.definitions import rebound_of
from jevons.rebound.notation import (
    ADOPTED,
    ANY_GAIN,
    ETA_0,
    ETA_0_POSITIVE,
    ETA_N,
    ETA_U,
    ETA_Z,
    FILLED,
    PRICE,
    SATIATION,
    SLOPE,
    A,
    Z,
)

_a, _p, _z = A.symbol, PRICE.symbol, Z.symbol
_eta_n, _eta_u, _eta_z, _eta_0 = ETA_N.symbol, ETA_U.symbol, ETA_Z.symbol, ETA_0.symbol
_k, _n, _q, _lam = SLOPE.symbol, ADOPTED.symbol, FILLED.symbol, SATIATION.symbol
_service, _price = sp.symbols("S p", positive=True)


@closed_form(_eta_n + _eta_u + _eta_z, ETA_N, ETA_U, ETA_Z)
def total_elasticity(d: Derivation) -> sp.Expr:
    """Price elasticity of a service made of adopters, tasks per adopter and compute per task.

    Equation   S = N u z gives η = η_N + η_u + η_z
    Valid for  small changes of one price that all three see; totals alone identify only the sum
    Source     derived here; the split after the factors of energy service in [Sorrell2008]_
    """
    adopters, tasks, compute = sp.symbols("N u z_c", positive=True)
    equations = [
        d.assume("service", _service, adopters * tasks * compute),
        d.assume("adopters", adopters, _price**-_eta_n),
        d.assume("tasks per adopter", tasks, _price**-_eta_u),
        d.assume("compute per task", compute, _price**-_eta_z),
    ]
    return -log_derivatives(equations, [_service, adopters, tasks, compute], _price)[_service]


@closed_form(_k * (1 - _n), SLOPE, ADOPTED)
def adoption_elasticity(d: Derivation) -> sp.Expr:
    """Price elasticity of adoption that is logistic in the logarithm of the price.

    Equation   N = M/(1 + (p/p_r)^k) gives η_N = k (1 - N/M), 0 in a full market
    Valid for  adoption that has settled at its price
    Source     derived here
    """
    adopters, market, reservation, odds = sp.symbols("N M p_r y", positive=True)
    equation = d.assume("adopters", adopters, market / (1 + (_price / reservation) ** _k))
    slope = -log_derivatives([equation], [adopters], _price)[adopters]
    in_odds = sp.simplify(slope.subs(reservation, _price / odds ** (1 / _k)))
    d.deduce("in the odds y = (p/p_r)^k of not adopting", "η_N", in_odds, _k * odds / (1 + odds))
    return sp.simplify(in_odds.subs(odds, sp.solve(1 / (1 + odds) - _n, odds)[0]))


@closed_form(_eta_u * (1 - _q), ETA_U, FILLED)
def saturating_elasticity(d: Derivation) -> sp.Expr:
    """Price elasticity of a use that has a most.

    Equation   u = x/(1 + x/u_max), x = p^(-η_u) gives η = η_u (1 - u/u_max)
    Valid for  use that has settled at its price; the formal content of the argument of satiation
    Source     derived here; that service demand satiates: [Lovins1988]_
    """
    use, most, wish = sp.symbols("u u_max x", positive=True)
    equations = [
        d.assume("use", use, wish / (1 + wish / most)),
        d.assume("what would be used without a most", wish, _price**-_eta_u),
    ]
    slope = -log_derivatives(equations, [use, wish], _price)[use]
    filled = sp.solve(wish / (1 + wish / most) - _q * most, wish)[0]
    return sp.simplify(slope.subs(wish, filled))


def _box_cox(d: Derivation) -> sp.Eq:
    use = sp.Symbol("u", positive=True)
    return d.assume("use at a price", use, sp.exp(_eta_0 / _lam * (1 - _price**_lam)))


@closed_form(_eta_0 * _p**_lam, ETA_0, SATIATION, PRICE)
def box_cox_elasticity(d: Derivation) -> sp.Expr:
    """Price elasticity under Box-Cox satiation: a power of the price.

    Equation   ln u = (η_0/λ)(1 - p^λ) gives η = η_0 p^λ
    Valid for  λ > 0, prices over the reference price; isoelastic as λ goes to 0
    Source     derived here; the shape of demand in the world model
    """
    equation = _box_cox(d)
    return -log_derivatives([equation], [equation.lhs], _price)[equation.lhs].subs(_price, _p)


@closed_form(_eta_0 ** (-1 / _lam), ETA_0_POSITIVE, SATIATION)
def satiation_price(d: Derivation) -> sp.Expr:
    """Price, over the reference price, below which Box-Cox demand has an elasticity below 1.

    Equation   η_0 p^λ = 1 gives p = η_0^(-1/λ)
    Valid for  λ > 0, η_0 > 0; small gains in algorithms backfire only above this price
    Source     `box_cox_elasticity` = 1, solved for the price
    """
    found = box_cox_elasticity.derive().result
    d.assume("elasticity at the price", 1, found)
    y = sp.Symbol("y", real=True)  # the logarithm of the price: the equation is linear in it
    return sp.exp(sp.solve(sp.expand_log(sp.log(found.subs(_p, sp.exp(y)))), y)[0])


def _box_cox_service(d: Derivation) -> sp.Expr:
    """Use after the price fell by a from p, over before."""
    use = _box_cox(d).rhs
    return sp.exp(sp.simplify(sp.log(use.subs(_price, _p / _a)) - sp.log(use.subs(_price, _p))))


@closed_form(
    1 - (1 - sp.exp(_eta_0 * _p**_lam / _lam * (1 - _a**-_lam)) / _a) / (1 - 1 / _a), ETA_0, SATIATION, PRICE, A
)
def satiating_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a finite gain in algorithms under Box-Cox satiation.

    Equation   E1/E0 = exp((η_0 p^λ/λ)(1 - a^(-λ)))/a, R = 1 - (1 - E1/E0)/(1 - 1/a)
    Valid for  supply unlimited, full pass-through; `isoelastic_rebound` as λ goes to 0
    Source     derived here
    """
    return rebound_of(_box_cox_service(d) / _a, 1 - 1 / _a)


@closed_form(sp.exp(_eta_0 * _p**_lam / _lam), ETA_0, SATIATION, PRICE)
def most_use(d: Derivation) -> sp.Expr:
    """Most by which use grows under Box-Cox satiation, however cheap the service gets.

    Equation   u1/u0 → exp(η_0 p^λ/λ) as a → ∞
    Valid for  λ > 0
    Source     limit of the demand in `satiating_rebound`
    """
    y = sp.Symbol("y", positive=True)  # the price after the gain; p^λ goes to 0 with it
    log_use = sp.log(_box_cox(d).rhs).subs(_price, y ** (1 / _lam))
    return sp.exp(sp.limit(sp.simplify(log_use), y, 0) - sp.log(_box_cox(Derivation()).rhs).subs(_price, _p))


def _task(d: Derivation) -> sp.Expr:
    """Energy after a gain of a and compute per task times z, over before."""
    tasks, price, energy = sp.symbols("u p_task E", positive=True)
    equations = [
        d.assume("energy", energy, tasks * _z / _a),
        d.assume("tasks", tasks, price**-_eta_u),
        d.assume("price of a task", price, _z / _a),
    ]
    return substituted(energy, equations)


@closed_form(1 - (1 - (_z / _a) ** (1 - _eta_u)) / (1 - 1 / _a), Z, ETA_U, A)
def compute_per_task_rebound(d: Derivation) -> sp.Expr:
    """Rebound of a gain in algorithms that comes with more compute per task (tokens, test-time compute).

    Equation   E1/E0 = (z/a)^(1 - η_u), R = 1 - (1 - (z/a)^(1 - η_u))/(1 - 1/a); (z - 1)/(a - 1) at η_u = 0
    Valid for  supply unlimited; z caused by the gain; the price of a task follows its compute
    Source     derived here
    """
    return rebound_of(sp.simplify(_task(d)), 1 - 1 / _a)


@closed_form(_a, ANY_GAIN)
def break_even_compute_per_task(d: Derivation) -> sp.Expr:
    """Growth of compute per task at which a gain saves nothing.

    Equation   z = a
    Valid for  any elasticity of tasks but 1, where energy is the same for every z
    Source     `compute_per_task_rebound` = 1, solved for z
    """
    y = sp.Symbol("y", real=True)  # ln z
    log_energy = sp.expand_log(sp.log(_task(d).subs(_z, sp.exp(y))), force=True)
    return sp.exp(sp.solve(log_energy, y)[0])
