"""Rebound theory: every derivation, every published value, limits, and recomputation without the formulas."""

from __future__ import annotations

import dataclasses
import doctest
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jevons.models.market import m0
from scipy.optimize import brentq

from jevons.errors import JevonsError
from jevons.rebound import closed_form as closed_form_module
from jevons.rebound import cost, definitions, demand, effects, emissions, growth, production, supply, training
from jevons.rebound.catalogue import closed_forms
from jevons.rebound.closed_form import (
    Derivation,
    DerivationError,
    DomainError,
    Quantity,
    closed_form,
    equal,
    log_derivatives,
)
from jevons.rebound.meter import ratio

INF = math.inf
FORMS = closed_forms()
elasticities = st.floats(0.0, 3.0)
shares = st.floats(0.02, 0.9)
supplies = st.floats(0.02, 50.0) | st.just(INF)
gains = st.floats(1.05, 50.0)
SMALL = 1e-4


def near(value, **kinds):
    return pytest.approx(value, **({"rel": 1e-12, "abs": 1e-14} | kinds))


# Derivations


@pytest.mark.parametrize("name", FORMS)
def test_every_form_follows_from_its_first_principles(name):
    derivation = FORMS[name].check()
    assert derivation.steps
    assert any(step.found is None for step in derivation.steps)
    assert all(step.holds for step in derivation.steps)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_says_what_it_is(name):
    form = FORMS[name]
    assert form.title
    assert form.equation
    assert form.valid_for
    assert form.source
    assert "]_" not in form.source
    assert all(q.meaning and q.unit for q in form.quantities)
    assert form.expression.free_symbols == {q.symbol for q in form.quantities}
    assert form.latex()
    for part in (name, form.equation, *(q.meaning for q in form.quantities), *form.references):
        assert part in repr(form)


@pytest.mark.parametrize(
    "name", ["isoelastic_rebound", "direct_rebound", "algorithmic_rebound", "training_rebound", "flat_growth"]
)
def test_a_formula_that_is_one_per_cent_off_is_seen(name):
    form = FORMS[name]
    wrong = dataclasses.replace(form, expression=form.expression * sp.Rational(101, 100))
    with pytest.raises(DerivationError, match=r"(?s)derivation of .*1 mistake\n  - derived .*expected "):
        wrong.check()


def test_a_wrong_step_is_seen():
    eta = Quantity("eta", "elasticity", low=0)

    @closed_form(eta.symbol, eta)
    def wrong(d):
        """A step that does not hold.

        Equation   R = η
        Valid for  nothing
        Source     test
        """
        d.assume("demand", sp.Symbol("S"), sp.Symbol("p") ** -eta.symbol)
        d.deduce("elasticity", "x", eta.symbol - 1, eta.symbol - 2)
        return eta.symbol

    derivation = wrong.derive()
    assert [step.holds for step in derivation.steps] == [True, False]
    assert str(derivation).splitlines()[1] == "2. deduce  elasticity: Eq(x, eta - 2)"
    with pytest.raises(DerivationError, match="found eta - 1, stated deduce  elasticity"):
        wrong.check()


def test_a_source_must_be_listed():
    def unlisted(d):
        """Title.

        Source     [Nobody1900]_
        """

    with pytest.raises(DerivationError, match=r"\[Nobody1900\]_ is not listed"):
        closed_form(sp.Integer(1))(unlisted)


def test_implicit_differentiation_of_a_system_solved_by_hand():
    q, p, t = sp.symbols("q p t", positive=True)
    system = [sp.Eq(q, p**-2), sp.Eq(p, t * q**3)]  # p = t p^-6: p = t^(1/7), q = t^(-2/7)
    assert log_derivatives(system, [q, p], t) == {q: -sp.Rational(2, 7), p: sp.Rational(1, 7)}


def test_equality_is_of_functions():
    x, y = sp.symbols("x y", positive=True)
    assert equal((x**y - 1) ** 2, x ** (2 * y) - 2 * x**y + 1)
    assert not equal(x**y, x ** (y + sp.Rational(1, 1000)))


# Published values


@pytest.mark.parametrize(
    ("eta", "a", "expected", "digits"),
    [
        (0.5, 10, 0.240253, 6), (0.8, 10, 0.589953, 6), (1, 10, 1, 12), (1.1, 10, 1.287695, 6), (1.5, 10, 3.402531, 6),
        (1.5, 100, 10.0909, 4),
    ],
)  # fmt: skip
def test_isoelastic(eta, a, expected, digits):
    assert definitions.isoelastic_rebound(eta=eta, a=a) == pytest.approx(expected, abs=0.5 * 10**-digits)


def test_a_hundredfold_gain_and_a_thousandfold_use():
    eta = definitions.implied_elasticity(m=1000, a=100)
    assert eta == near(1.5)
    assert definitions.service_rebound(m=1000, a=100) == near(999 / 99)
    assert definitions.isoelastic_rebound(eta=eta, a=100) == near(999 / 99)
    assert 100 ** (eta - 1) == near(10.0)


@pytest.mark.parametrize(
    ("eta", "a", "expected"), [(1, 2, 0.0526), (1, 10, 0.0110), (1.5, 2, 0.0800), (1.5, 10, 0.0169)]
)
def test_mixed_cost(eta, a, expected):
    assert cost.energy_gain_rebound(eta=eta, s_E=0.1, a=a) == pytest.approx(expected, abs=5e-5)


SUPPLY = {
    0.5: [(0.5000, 0.0450), (0.8227, 0.0160), (0.5763, 0.1907), (0.8462, 0.7062)],
    1.0: [(1.0000, 0.0900), (1.0000, 0.0194), (1.0000, 0.3309), (1.0000, 0.8345)],
    1.1: [(1.1000, 0.0990), (1.0200, 0.0198), (1.0716, 0.3546), (1.0168, 0.8486)],
    1.5: [(1.5000, 0.1350), (1.0774, 0.0209), (1.3247, 0.4383), (1.0645, 0.8884)],
}
LIMITS = {"psi_K": np.array([INF, 0.25, INF, INF]), "psi_E": np.array([INF, INF, 0.25, 0.02])}


@pytest.mark.parametrize("eta", SUPPLY)
def test_finite_supply(eta):
    algorithms = supply.algorithmic_rebound(eta=eta, s_E=0.09, **LIMITS)
    energy = supply.energy_rebound(eta=eta, s_E=0.09, **LIMITS)
    assert np.column_stack([algorithms, energy]) == pytest.approx(np.array(SUPPLY[eta]), abs=5.1e-5)


@pytest.mark.parametrize(
    ("eta", "expected"),
    [
        (0.5, [0.64588008, 0.40462098, 0.28820152, 0.24025307]),
        (1.0, [1, 1, 1, 1]),
        (1.5, [1.19863182, 1.64988132, 2.45569967, 3.40253073]),
    ],
)
def test_long_run_of_one_market(eta, expected):
    found = supply.one_input_finite_rebound(eta=eta, psi=[0.25, 1, 4, INF], a=10)
    assert found == pytest.approx(np.array(expected), abs=5.1e-9)


def test_training():
    assert training.training_finite_rebound(phi=[0.25, 0.5], a=10) == pytest.approx([1.864755, 3.402531], abs=5e-7)
    assert training.training_rebound(phi=0) == 1
    assert training.training_finite_rebound(phi=0, a=10) == 1
    assert training.revenue_tied_rebound(eta=0.4, f_inf=0.4) == near(-0.5)
    assert definitions.classify(training.revenue_tied_rebound(eta=0.4, f_inf=0.4)) == "super-conservation"


def test_a_flat_decade():
    """Masanet et al. 2020: 194 TWh in 2010, 205 in 2018, workloads times 6.5."""
    intensity = 6.5 * 194 / 205
    assert definitions.implied_elasticity(m=6.5, a=intensity) == pytest.approx(1.03, abs=0.005)


def test_terms_of_the_car():
    """Car of Heun, Semieniuk and Brockway: terms of the emplacement and macro effects."""
    saving = 29572.1802064286
    embodied = effects.embodied_rebound(E_emb0=34000, L_0=14, E_emb1=40000, L_1=14, S_dev=saving)
    assert embodied == near(0.0144923852614108)
    freed = effects.macro_rebound(k_macro=1, N=662.085664057999, I_E=3.3893390630606466, S_dev=saving)
    assert freed == near(0.0758832385241722)
    # all money saved, none spent on the device: I_E p_E of the engineering saving
    assert effects.indirect_rebound(I_E=0.001, p_E=70, R_direct=0, c=0) == near(0.07)
    assert effects.indirect_rebound(I_E=0.001, p_E=70, R_direct=0.1, c=10) == near(0.053)


# Recomputation without the formulas


def market(eta, s, psi_k, psi_e, algorithm=1.0, efficiency=1.0, price_performance=1.0):
    """Energy of one market for computing, found by bisection on the logarithm of the price."""

    def power(exponent, x):
        return 0.0 if math.isinf(exponent) else x / exponent

    def gap(log_price):
        compute = -eta * log_price - math.log(algorithm)
        energy = compute - math.log(efficiency)
        chips = math.exp(power(psi_k, compute)) / price_performance
        electricity = math.exp(power(psi_e, energy)) / efficiency
        return log_price - math.log(((1 - s) * chips + s * electricity) / algorithm)

    log_price = brentq(gap, -2, 2, xtol=1e-15, rtol=1e-15)
    return math.exp(-eta * log_price) / algorithm / efficiency


@settings(max_examples=40, deadline=None)
@given(elasticities, shares, supplies, supplies)
def test_small_gains_in_a_market_with_rising_supply(eta, s, psi_k, psi_e):
    up, down = 1 + SMALL, 1 / (1 + SMALL)
    values = {"eta": eta, "s_E": s, "psi_K": psi_k, "psi_E": psi_e}
    for kind, form, added in (
        ("algorithm", supply.algorithmic_rebound, 1),
        ("efficiency", supply.energy_rebound, 1),
        ("price_performance", supply.induced_growth, 0),
    ):
        ratio_of_energy = market(eta, s, psi_k, psi_e, **{kind: up}) / market(eta, s, psi_k, psi_e, **{kind: down})
        slope = math.log(ratio_of_energy) / (2 * math.log(up))
        assert form(**values) == pytest.approx(added + slope, abs=2e-6)


def ces(s, sigma, value_added, effective_energy):
    rho = (sigma - 1) / sigma
    return ((1 - s) * value_added**rho + s * effective_energy**rho) ** (1 / rho)


def derivative(f, x, step=1e-5):
    return (f(x * (1 + step)) - f(x * (1 - step))) / (2 * x * step)


def short_run_energy(s, sigma, efficiency):
    def gap(log_energy):
        marginal = derivative(lambda e: ces(s, sigma, 1.0, efficiency * e), math.exp(log_energy))
        return math.log(marginal / s)

    return math.exp(brentq(gap, -1, 3, xtol=1e-14))


@pytest.mark.parametrize("sigma", [0.3, 0.7, 0.97, 1.4])
@pytest.mark.parametrize("s", [0.05, 0.3])
def test_production_with_capital_fixed(s, sigma):
    a = 1 + 1e-3
    slope = math.log(short_run_energy(s, sigma, a) / short_run_energy(s, sigma, 1 / a)) / (2 * math.log(a))
    assert production.production_rebound_short_run(sigma=sigma, s_E=s) == pytest.approx(1 + slope, abs=1e-5)
    ratio_of_energy = short_run_energy(s, sigma, 1.8)
    finite = production.production_finite_rebound(sigma=sigma, s_E=s, a=1.8)
    assert finite == pytest.approx(1 - (1 - ratio_of_energy) / (1 - 1 / 1.8), abs=1e-7)


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.4])
@pytest.mark.parametrize(("s", "alpha"), [(0.05, 0.3), (0.3, 0.4)])
def test_production_with_capital_adjusted(s, alpha, sigma):
    def energy(efficiency):
        def energy_of(k):
            def gap(log_e):
                return math.log(derivative(lambda x: ces(s, sigma, k**alpha, efficiency * x), math.exp(log_e)) / s)

            return math.exp(brentq(gap, -2, 2, xtol=1e-14))

        def gap_of_capital(log_k):
            k = math.exp(log_k)
            e = energy_of(k)
            return math.log(derivative(lambda x: ces(s, sigma, x**alpha, efficiency * e), k) / (alpha * (1 - s)))

        return energy_of(math.exp(brentq(gap_of_capital, -0.5, 0.5, xtol=1e-14)))

    a = 1 + 1e-3
    slope = math.log(energy(a) / energy(1 / a)) / (2 * math.log(a))
    found = production.production_rebound_long_run(sigma=sigma, alpha=alpha, s_E=s)
    assert found == pytest.approx(1 + slope, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.3), elasticities, shares, *[st.floats(-0.2, 0.4)] * 4)
def test_growth_of_energy_over_a_short_time(g, eta, s, gamma_a, gamma_e, gamma_f, gamma_k):
    def log_energy(t):
        energy_side = (gamma_e + gamma_f) * t
        price = ((1 - s) * math.exp(-gamma_k * t) + s * math.exp(-energy_side)) * math.exp(-gamma_a * t)
        return g * t - eta * math.log(price) - gamma_a * t - energy_side

    step = 1e-4
    found = growth.energy_growth(
        g=g, eta=eta, s_E=s, gamma_A=gamma_a, gamma_eps=gamma_e, gamma_F=gamma_f, gamma_kappa=gamma_k
    )
    assert found == pytest.approx((log_energy(step) - log_energy(-step)) / (2 * step), abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(elasticities, shares, st.floats(0, 0.3), st.floats(0.01, 0.4))
def test_every_point_of_the_ridge_is_flat(eta, s, gamma_a, gamma_e):
    gamma = gamma_a + gamma_e
    g = growth.flat_growth(eta=eta, gamma=gamma)
    flat = growth.energy_growth(g=g, eta=eta, s_E=s, gamma_A=gamma_a, gamma_eps=gamma_e, gamma_F=0, gamma_kappa=gamma_e)
    assert flat == pytest.approx(0, abs=1e-12)
    assert growth.ridge_elasticity(g=g, gamma=gamma) == pytest.approx(eta, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.floats(-0.5, 2.5), st.floats(-0.5, 1.5), st.floats(0.01, 1.0), st.floats(1.05, 3.0))
def test_emissions_from_three_runs(r, omega, load, a):
    e = 1 - (1 - r) * (1 - 1 / a)
    assume(e > 0.05)
    energy = np.array([1.0, e, 1 / a])
    grid = (1 - load) / load + energy
    grid_intensity = (grid / grid[0]) ** omega
    accounted = emissions.emissions_rebound(tuple(energy), tuple(grid_intensity), smallest_saving=0)
    system = emissions.emissions_rebound(tuple(grid), tuple(grid_intensity), smallest_saving=0)
    values = {"R": r, "omega": omega, "l": load, "a": a}
    assume(abs(energy[0] - energy[2] * grid_intensity[2]) > 1e-3)
    assert emissions.emissions_rebound_finite(**values) == pytest.approx(float(accounted), rel=1e-9, abs=1e-9)
    consequential = emissions.emissions_rebound_finite_consequential(**values)
    assert consequential == pytest.approx(float(system), rel=1e-7, abs=1e-7)


def test_emissions_without_load_dependence_rebound_as_energy_does():
    values = {"R": [-0.2, 0.4, 1.3], "omega": 0.0, "a": 2.0}
    for form in (emissions.emissions_rebound_finite, emissions.emissions_rebound_finite_consequential):
        assert form(l=0.3, **values) == near(np.array(values["R"]))
    assert emissions.emissions_rebound_at_average(R=0.4, omega=0.5, l=0.02) == near(0.4 - 0.01 * 0.6)
    assert emissions.emissions_rebound_consequential(R=0.4, omega=0.5) == near(0.1)
    assert emissions.emissions_rebound_consequential(R=1.3, omega=0.5) == near(1.45)


# Small gains, and limits


@settings(max_examples=60, deadline=None)
@given(elasticities, shares, st.floats(0.05, 20), st.floats(0.2, 1), st.floats(0.05, 1.5))
def test_finite_forms_meet_the_marginal_ones(eta, s, psi, f, lam):
    a = 1 + SMALL
    pairs = [
        (definitions.isoelastic_rebound(eta=eta, a=a), definitions.energy_only_rebound(eta=eta)),
        (
            definitions.constant_elasticity_rebound(x=eta - 1.5, a=a),
            definitions.marginal_rebound(x=eta - 1.5),
        ),
        (cost.energy_gain_rebound(eta=eta, s_E=s, a=a), cost.energy_share_rebound(eta=eta, s_E=s)),
        (
            cost.energy_share_rebound(eta=eta, s_E=s),
            cost.direct_rebound(eta=eta, theta=1, s_E=s, s_K=1 - s, kappa=0),
        ),
        (supply.one_input_finite_rebound(eta=eta, psi=psi, a=a), supply.one_input_rebound(h=eta, psi=psi)),
        (training.training_finite_rebound(phi=eta - 1, a=a), training.training_rebound(phi=eta - 1)),
        (
            training.revenue_tied_finite_rebound(eta=eta, f_inf=f, a=a),
            training.revenue_tied_rebound(eta=eta, f_inf=f),
        ),
        (
            demand.satiating_rebound(eta_0=eta, lamda=lam, p=s, a=a),
            demand.box_cox_elasticity(eta_0=eta, lamda=lam, p=s),
        ),
        (demand.compute_per_task_rebound(z=1, eta_u=eta, a=a), definitions.energy_only_rebound(eta=eta)),
        (
            emissions.emissions_rebound_finite(R=eta, omega=lam, l=f, a=a),
            emissions.emissions_rebound_small_gain(R=eta),
        ),
    ]
    for finite, small in pairs:
        assert finite == pytest.approx(small, abs=60 * SMALL)  # the next term of the series, times SMALL, over f


@settings(max_examples=40, deadline=None)
@given(st.floats(0.2, 2.0).filter(lambda x: abs(x - 1) > 0.05), st.floats(0.02, 0.6))
def test_finite_production_meets_the_marginal_form(sigma, s):
    finite = production.production_finite_rebound(sigma=sigma, s_E=s, a=1 + SMALL)
    assert finite == pytest.approx(production.production_rebound_short_run(sigma=sigma, s_E=s), abs=30 * SMALL)


def expression(name, **values):
    form = FORMS[name]
    return form.expression.subs({form.symbols[k].symbol: v for k, v in values.items()})


def symbol(name, of):
    return FORMS[name].symbols[of].symbol


def test_limits_of_a_gain_in_energy_alone():
    name = "energy_gain_rebound"
    eta, s, a = (symbol(name, of) for of in ("eta", "s_E", "a"))
    assert sp.simplify(sp.limit(expression(name, eta=sp.Rational(3, 2)), a, 1) - sp.Rational(3, 2) * s) == 0
    for value in (sp.Rational(1, 2), 1, sp.Rational(3, 2), 3):
        assert sp.limit(expression(name, eta=value, s_E=sp.Rational(1, 10)), a, sp.oo) == 0
    assert equal(expression(name, s_E=1), FORMS["isoelastic_rebound"].expression)
    assert expression(name, s_E=0) == 0 or equal(expression(name, s_E=0), 0)
    assert cost.most_service(eta=2, s_E=0.1) == near(0.9**-2)
    assert cost.energy_gain_rebound(eta=1.5, s_E=0.1, a=1e7) == pytest.approx(0, abs=1e-6)
    del eta


def test_limits_of_supply():
    form = supply.algorithmic_rebound.expression
    eta = symbol("algorithmic_rebound", "eta")
    psi_k, psi_e = (symbol("algorithmic_rebound", of) for of in ("psi_K", "psi_E"))
    assert equal(sp.limit(sp.limit(form, psi_k, sp.oo), psi_e, sp.oo), eta)
    energy = sp.limit(sp.limit(supply.energy_rebound.expression, psi_k, sp.oo), psi_e, sp.oo)
    assert equal(energy, cost.energy_share_rebound.expression)
    h, psi = symbol("one_input_rebound", "h"), symbol("one_input_rebound", "psi")
    one = supply.one_input_rebound.expression
    assert sp.limit(one, psi, sp.oo) == h
    assert sp.limit(one, psi, 0, "+") == 1
    assert sp.simplify(one.subs(h, 1)) == 1
    assert sp.simplify(sp.diff(one, psi) - h * (h - 1) / (h + psi) ** 2) == 0


def test_hard_limits():
    table = {(row.shock, row.regime): row for row in supply.hard_limits()}
    f = symbol("idle_rebound", "f_idle")
    assert {key: row.value for key, row in table.items()} == {
        ("algorithm", "slack"): f, ("algorithm", "chips rationed"): 1, ("algorithm", "power rationed"): 1,
        ("energy", "slack"): 0, ("energy", "chips rationed"): 0, ("energy", "power rationed"): 1,
        ("price-performance", "slack"): None, ("price-performance", "chips rationed"): 0,
        ("price-performance", "power rationed"): 0,
    }  # fmt: skip
    assert [key for key, row in table.items() if not row.derived] == [
        ("energy", "slack"), ("price-performance", "slack"),
    ]  # fmt: skip
    tight = {"eta": 1.3, "s_E": 0.09}
    assert supply.algorithmic_rebound(**tight, psi_K=1e-9, psi_E=1) == pytest.approx(1, abs=1e-8)
    assert supply.energy_rebound(**tight, psi_K=1e-9, psi_E=1) == pytest.approx(0, abs=1e-8)
    assert supply.energy_rebound(**tight, psi_K=1, psi_E=1e-9) == pytest.approx(1, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(elasticities, shares, supplies, supplies)
def test_supply_changes_the_size_of_backfire_and_not_its_threshold(eta, s, psi_k, psi_e):
    free = supply.algorithmic_rebound(eta=eta, s_E=s, psi_K=INF, psi_E=INF)
    held = supply.algorithmic_rebound(eta=eta, s_E=s, psi_K=psi_k, psi_E=psi_e)
    assert free == near(eta)
    assert (held > 1) == (eta > 1) or abs(eta - 1) < 1e-12
    assert min(1, free) - 1e-12 <= held <= max(1, free) + 1e-12


@settings(max_examples=60, deadline=None)
@given(elasticities, st.floats(0.02, 1), st.floats(0.02, 1), st.floats(-1, 2), st.floats(0.1, 2))
def test_thresholds_of_premium_and_elasticity(eta, s_e, s_k, kappa, theta):
    assume(s_e + s_k <= 1)
    shares_of_cost = {"s_E": s_e, "s_K": s_k}
    premium = cost.super_conservation_premium(**shares_of_cost)
    assert cost.direct_rebound(eta=eta, theta=theta, kappa=premium, **shares_of_cost) == pytest.approx(0, abs=1e-12)
    assert (cost.direct_rebound(eta=1, theta=theta, kappa=kappa, **shares_of_cost) < 0) == (kappa > premium)
    if s_e - s_k * kappa > 1e-3:
        threshold = cost.backfire_elasticity(theta=theta, kappa=kappa, **shares_of_cost)
        found = cost.direct_rebound(eta=threshold, theta=theta, kappa=kappa, **shares_of_cost)
        assert found == pytest.approx(1, rel=1e-9)


def test_satiation():
    assert demand.adoption_elasticity(k=0.64, n=[0, 0.5, 1]) == near(np.array([0.64, 0.32, 0.0]))
    assert demand.saturating_elasticity(eta_u=0.9, q=[0, 1]) == near(np.array([0.9, 0.0]))
    price = demand.satiation_price(eta_0=1.1, lamda=0.05)
    assert demand.box_cox_elasticity(eta_0=1.1, lamda=0.05, p=price) == near(1.0)
    # use is bounded, so that a gain large enough saves nearly all that it could
    assert demand.satiating_rebound(eta_0=1.5, lamda=0.5, p=1, a=1e8) == pytest.approx(0, abs=1e-5)
    assert demand.most_use(eta_0=1.5, lamda=0.5, p=1) == near(math.exp(3))
    weak = demand.satiating_rebound(eta_0=1.5, lamda=1e-7, p=1, a=10)
    assert weak == pytest.approx(definitions.isoelastic_rebound(eta=1.5, a=10), rel=1e-5)
    assert demand.total_elasticity(eta_N=0.14, eta_u=0.6, eta_z=0.3) == near(1.04)


@given(elasticities, gains)
def test_compute_per_task_breaks_even_at_the_gain(eta, a):
    z = demand.break_even_compute_per_task(a=a)
    assert z == a
    assert demand.compute_per_task_rebound(z=z, eta_u=eta, a=a) == near(1.0)
    found = demand.compute_per_task_rebound(z=3, eta_u=0, a=a)
    assert found == near(definitions.service_rebound(m=3, a=a))


def test_cobb_douglas_always_backfires():
    s, alpha = symbol("production_rebound_long_run", "s_E"), symbol("production_rebound_long_run", "alpha")
    excess = sp.simplify(expression("production_rebound_long_run", sigma=1) - 1)
    assert equal(excess, s / ((1 - s) * (1 - alpha)))
    assert production.production_rebound_short_run(sigma=0.91, s_E=0.09) == near(1.0)
    assert production.production_rebound_long_run(sigma=0.91, alpha=0, s_E=0.09) == near(1.0)


# Paths


@given(st.lists(st.tuples(*[st.just(0.0) | st.floats(1e-3, 1e3)] * 3), min_size=1, max_size=5))
def test_the_ratio_is_that_of_the_meter(rows):
    base, actual, engineering = np.array(rows).T
    np.testing.assert_array_equal(
        definitions.rebound_ratio(base, actual, engineering), ratio(base, actual, engineering)
    )


def test_the_ratio_is_the_closed_form_of_its_runs():
    saved = definitions.engineering_saving(100.0, 4)
    assert saved == near(75.0)
    assert definitions.rebound_ratio(100, 50, 100 - saved) == near(1 / 3)
    assert np.isnan(definitions.rebound_ratio(100, 100, 99.5))
    assert definitions.rebound_ratio(100, 100, 99.5, smallest_saving=0.001) == near(1.0)
    assert np.isnan(definitions.rebound_ratio(0, 0, 0, smallest_saving=0))


@pytest.mark.parametrize(
    ("rebound", "name"),
    [
        (-0.2, "super-conservation"), (0.0, "full saving"), (0.3, "partial rebound"), (1.0, "no saving"),
        (1.2, "backfire"), (-1e-12, "full saving"), (1 + 1e-12, "no saving"),
    ],
)  # fmt: skip
def test_classes(rebound, name):
    assert definitions.classify(rebound) == name


def test_cumulative_rebound_of_straight_lines():
    times = np.linspace(0, 10, 101)
    base, held = np.full(101, 10.0), np.full(101, 5.0)
    actual = 5 + times  # R(t) = t/5, its mean over time t/10
    assert definitions.rebound_ratio(base, actual, held) == near(times / 5)
    found = definitions.cumulative_rebound(times, base, actual, held)
    assert math.isnan(found[0])
    assert found[1:] == near(times[1:] / 10)
    assert definitions.crossing_time(times, times / 5) == near(5.0)
    assert definitions.crossing_time(times + 2025, times / 5, level=0.313) == near(2025 + 1.565)
    assert math.isnan(definitions.crossing_time(times, times / 100))
    assert math.isnan(definitions.crossing_time([0, 1, 2], [0.5, math.nan, 1.5]))
    assert math.isnan(definitions.crossing_time([0, 1, 2], [1.5, 1.2, 0.5]))


# Errors


def test_everything_wrong_with_a_call_is_said_at_once():
    with pytest.raises(DomainError) as caught:
        cost.direct_rebound(eta=-0.1, thta=1, s_E=[0.5, 1.5, 2], s_K=0.5, kappa=math.nan)
    assert str(caught.value).splitlines() == [
        "closed form 'direct_rebound': 5 mistakes",
        "  - 'thta' is not a symbol of it; did you mean 'theta'?",
        "  - theta (share of a change of cost passed on to the price) is missing",
        "  - eta = -0.1, expected at least 0 (price elasticity of demand for the service, as a positive number)",
        "  - s_E = 1.5 and 1 more, expected at least 0, at most 1 (share of energy in the cost of the service)",
        "  - kappa = nan, expected any finite number (capital premium: elasticity of the cost of capital to energy "
        "efficiency)",
    ]
    assert isinstance(caught.value, JevonsError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("isoelastic_rebound", {"eta": 1, "a": 1}, r"a = 1, expected above 0, not 1 \(no gain: use the marginal"),
        ("isoelastic_rebound", {"eta": 1, "a": 0}, "a = 0, expected above 0"),
        ("direct_rebound", {"eta": 1, "theta": 1, "s_E": 0.6, "s_K": 0.6, "kappa": 0}, r"s_E \+ s_K of at most 1"),
        ("backfire_elasticity", {"theta": 1, "s_E": 0.1, "s_K": 0.9, "kappa": 0.2}, "no elasticity makes it backfire"),
        ("production_finite_rebound", {"sigma": 2, "s_E": 0.6, "a": 2}, "without which there is no equilibrium"),
        ("production_finite_rebound", {"sigma": 1, "s_E": 0.6, "a": 2}, "Cobb-Douglas: use the marginal form"),
        ("satiation_price", {"eta_0": 0, "lamda": 0.1}, "eta_0 = 0, expected above 0"),
        ("compute_per_task_rebound", {"z": 0, "eta_u": 0.5, "a": 2}, "z = 0, expected above 0"),
        ("emissions_rebound_finite", {"R": -2, "omega": 0, "l": 1, "a": 5}, "leaves energy above 0"),
        ("emissions_rebound_finite", {"R": 0, "omega": -1, "l": 1, "a": 5}, "omega above -1"),
        ("emissions_rebound_finite_consequential", {"R": 0, "omega": -2, "l": 1, "a": 5}, "omega above -1"),
        ("ridge_elasticity", {"g": 0.1, "gamma": 0}, "no elasticity to infer"),
        ("one_input_rebound", {"h": 1, "psi": 0}, "psi = 0, expected above 0, infinite allowed"),
        ("total_elasticity", {"eta_N": INF, "eta_u": 0, "eta_z": 0}, "eta_N = inf, expected at least 0"),
    ],
)  # fmt: skip
def test_a_form_refuses_what_it_does_not_hold_for(name, values, message):
    with pytest.raises(DomainError, match=message):
        FORMS[name](**values)


def test_other_errors():
    with pytest.raises(
        JevonsError, match=r"'algoritmic_rebound' is no closed form; did you mean 'algorithmic_rebound'"
    ):
        closed_forms("algoritmic_rebound", "direct_rebound")
    assert list(closed_forms("direct_rebound")) == ["direct_rebound"]
    with pytest.raises(JevonsError, match="gain 0, expected above 0"):
        definitions.engineering_saving(1.0, [2, 0])
    with pytest.raises(JevonsError, match="rebound is NaN"):
        definitions.classify(math.nan)
    for function in (
        lambda: definitions.cumulative_rebound([0, 0], *[[1, 1]] * 3),
        lambda: definitions.crossing_time([1], [1]),
    ):
        with pytest.raises(JevonsError, match="expected two or more, rising"):
            function()


# Form


def test_arrays_are_broadcast_and_numbers_are_floats():
    found = definitions.isoelastic_rebound(eta=np.array([[0.5], [1.0], [1.5]]), a=[2.0, 10.0])
    assert found.shape == (3, 2)
    assert found[1] == near(np.array([1.0, 1.0]))
    assert type(definitions.isoelastic_rebound(eta=1, a=2)) is float
    # a form that is constant in some of its symbols keeps the shape
    assert definitions.energy_only_rebound(eta=[0.1, 0.2]).shape == (2,)


def test_a_form_is_pickled_by_its_place():
    assert pickle.loads(pickle.dumps(supply.algorithmic_rebound)) is supply.algorithmic_rebound


def test_names_are_unique_and_each_is_in_its_module():
    for name, form in FORMS.items():
        assert getattr(__import__(form.principle.__module__, fromlist=[name]), name) is form
    modules = (definitions, cost, supply, demand, training, production, growth, emissions, effects)
    assert len(FORMS) == sum(isinstance(f, closed_form_module.ClosedForm) for m in modules for f in vars(m).values())


def test_derivations_can_be_read():
    text = str(supply.one_input_rebound.derive())
    assert text.splitlines()[0].startswith("1. assume  demand for the input: Eq(E, ")
    assert len(text.splitlines()) == 3
    assert isinstance(supply.one_input_rebound.derive(), Derivation)


# Page

PAGE = Path(__file__).parents[1] / "docs" / "rebound.md"


def test_the_page_prints_what_it_says():
    examples = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S))
    parsed = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    assert len(parsed.examples) > 20
    output: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(parsed, out=output.append)
    assert results.failed == 0, "".join(output)


def test_the_page_names_every_closed_form_and_only_these():
    text = PAGE.read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert sorted(table) == sorted(FORMS)
    for form in FORMS.values():
        assert f"| `{form.name}` | {form.equation} | {form.valid_for} | {form.source} |" in text
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in link or (PAGE.parent / link).exists(), link


def test_the_long_run_of_the_model_is_the_closed_form():
    from jevons import measure_rebound, shock

    model = m0(1.5, 1.0)
    measured = measure_rebound(model, shock(model, "algorithm", 10, 1.0), until=100, every=100).at(100)[0]
    assert measured == pytest.approx(supply.one_input_finite_rebound(eta=1.5, psi=1, a=10), abs=2e-6)
