"""The long run by implicit differentiation, in closed form, and by simulation: three ways to the same number."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from jevons.models.market import m0
from jevons.models.markets import growing_market, two_inputs
from jevons.models.service_markets import adoption_market, tied_training, training_budget
from jevons.models.textbook import bass, coflow, supply_line, wright
from scipy.optimize import brentq
from small import accumulate, auxiliary, decay, flow, parameter, stock, v

import jevons as jv
from jevons import Model, ModelError
from jevons.rebound.longrun import long_run_elasticity
from jevons.rebound.longrun_rates import causes
from jevons.rebound.meter import ReboundMeter, shock

HORIZON = 60.0
MODELS = {
    "m0": m0,
    "two_inputs": two_inputs,
    "growing_market": growing_market,
    "training_budget": training_budget,
    "tied_training": tied_training,
    "adoption_market": adoption_market,
}


@functools.cache
def model_of(name: str) -> Model:
    return MODELS[name]()


@functools.cache
def meter_of(name: str, kind: str, gain: float) -> ReboundMeter:
    model = model_of(name)
    return ReboundMeter(model, [shock(model, kind, gain, 0.0)], 0.0, horizons=(HORIZON,))


def static_energy(eta, share, chips, power, *, algorithm=1.0, hardware=1.0, cheaper=1.0, premium=0.0):
    """Energy of the equilibrium of `two_inputs` over that of the start; 1/ψ are given. All in logarithms."""
    a, e, k = math.log(algorithm), math.log(hardware), math.log(cheaper)

    def excess(price):
        compute = -eta * price - a
        costs = [(1 - share, chips * compute + premium * e - k), (share, power * (compute - e) - e)]
        return price + a - np.logaddexp.reduce([math.log(w) + c for w, c in costs if w > 0])

    price = brentq(excess, -500.0, 500.0, xtol=1e-14, rtol=1e-15)
    return math.exp(-eta * price - a - e)


def two_input_params(eta, share, chips, power, premium=0.0):
    # a slow price keeps the compiled steps of the simulation stable where the price of power is steep
    return {
        "elasticity": eta, "reference_rent": 1e4 * (1 - share), "energy_price": 1e4 * share / 8.0,
        "inverse_chip_supply": chips, "inverse_power_supply": power, "capital_premium": premium,
        "price_adjustment_time": 2.0 if power > 10 else 0.5,
    }  # fmt: skip


def law(eta, share, chips, power):
    """R of algorithms and of energy efficiency, and induced growth."""
    delta = 1 + eta * ((1 - share) * chips + share * power)
    return 1 + (eta - 1) / delta, eta * share * (1 + power) / delta, eta * (1 - share) / delta


def cases():
    """(name, kind, gain, params, E1/E0 of the finite gain, E_F/E0, elasticity of small gains, of the engineering run).

    All of it by formulas that use nothing of the package.
    """
    for eta in (0.5, 1.0, 1.5):
        for psi in (0.25, 4.0, math.inf):
            x = (eta - 1) / (1 + eta / psi)
            params = {"elasticity": eta, "inverse_supply_elasticity": 1 / psi}
            yield "m0", "algorithm", 10.0, params, 10.0**x, 0.1, x, -1.0
    for eta in (0.5, 1.5):
        for chips, power in ((0.0, 0.0), (4.0, 0.0), (0.0, 4.0), (0.0, 50.0)):
            setting = (eta, 0.09, chips, power)
            r_a, r_e, growth = law(*setting)
            params = two_input_params(*setting)
            shocked = static_energy(*setting, algorithm=10.0)
            yield "two_inputs", "algorithm", 10.0, params, shocked, 0.1, r_a - 1, -1.0
            shocked = static_energy(*setting, hardware=2.0)
            yield "two_inputs", "hardware", 2.0, params, shocked, 0.5, r_e - 1, -1.0
            if power != 4.0:
                shocked = static_energy(*setting, cheaper=2.0)
                yield "two_inputs", "hardware_price", 2.0, params, shocked, 1.0, growth, 0.0
    for eta in (1.0, 1.5):  # one cost of two, supply unlimited
        for gain in (2.0, 10.0):
            shocked = (0.1 / gain + 0.9) ** (-eta) / gain
            params = two_input_params(eta, 0.1, 0.0, 0.0)
            yield "two_inputs", "hardware", gain, params, shocked, 1 / gain, eta * 0.1 - 1, -1.0
    for premium in (0.05, 0.3):  # efficient chips that are dearer; 0.3 is more than the power they save
        params = two_input_params(0.8, 0.1, 0.0, 0.0, premium)
        shocked = (0.05 + 0.9 * 2.0**premium) ** (-0.8) / 2.0
        yield "two_inputs", "hardware", 2.0, params, shocked, 0.5, 0.8 * (0.1 - 0.9 * premium) - 1, -1.0
    for phi in (0.0, 0.25, 0.5):
        yield "training_budget", "training", 10.0, {"reinvestment": phi}, 10.0**phi, 0.1, phi, -1.0
    for eta in (0.4, 1.3):
        params = {"elasticity": eta}
        yield "tied_training", "inference", 10.0, params, 10.0 ** (eta - 1), 1 - 0.4 * 0.9, eta - 1, -0.4
        yield "tied_training", "training", 10.0, params, 1.0, 1 - 0.6 * 0.9, 0.0, -0.6
    for adopted in (0.05, 0.3, 0.95):
        x = 1 / adopted - 1
        shocked = 10.0 ** (0.6 - 1) * (1 + x) / (1 + x * 10.0**-1.2)
        eta = 1.2 * (1 - adopted) + 0.6
        yield "adoption_market", "algorithm", 10.0, {"adopted_at_start": adopted}, shocked, 0.1, eta - 1, -1.0
    yield "growing_market", "algorithm", 10.0, {}, 10.0**-0.2, 0.1, -0.2, -1.0
    yield "growing_market", "hardware", 2.0, {}, (0.045 + 0.91) ** -0.8 / 2, 0.5, 0.8 * 0.09 - 1, -1.0
    yield "growing_market", "hardware_price", 2.0, {}, (0.09 + 0.455) ** -0.8, 1.0, 0.8 * 0.91, 0.0


CASES = list(cases())
IDS = [f"{c[0]}-{c[1]}-{c[2]:g}-{'-'.join(f'{x:g}' for x in list(c[3].values())[:5])}" for c in CASES]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_two_derivations_of_rebound_agree(case):
    """Closed form, implicit differentiation and simulation: small gains and finite ones."""
    name, kind, gain, params, shocked, engineering, elasticity, engineering_elasticity = case
    model = model_of(name)
    derived = long_run_elasticity(model, kind, params=params, formula=False)
    assert derived.stable
    assert derived.elasticity == pytest.approx(elasticity, abs=1e-9)
    assert derived.engineering == pytest.approx(engineering_elasticity, abs=1e-9)

    measured = meter_of(name, kind, gain).measure(kind, params)
    assert measured is not None
    assert measured.shocked[-1] / measured.base[-1] == pytest.approx(shocked, rel=1e-6)
    # the engineering run comes to E0 (1 - f (1 - 1/a)), with f the share of energy that the efficiency divides
    assert measured.engineering[-1] / measured.base[-1] == pytest.approx(engineering, rel=1e-6)
    if kind == "hardware_price":
        assert math.isnan(derived.rebound)
        assert math.isnan(measured.rebound[-1])
        return
    assert derived.rebound == pytest.approx(1 - elasticity / engineering_elasticity, abs=1e-9)
    assert measured.rebound[-1] == pytest.approx(1 - (1 - shocked) / (1 - engineering), abs=1e-6)


SMALL = [c for c in CASES if c[3] in ({}, {"elasticity": 0.4}, {"reinvestment": 0.25}, {"adopted_at_start": 0.3})
         or (c[0] == "m0" and c[3]["elasticity"] == 1.5)
         or (c[0] == "two_inputs" and c[3]["elasticity"] == 1.5 and c[3]["inverse_power_supply"] == 4.0)]  # fmt: skip


@pytest.mark.parametrize("case", SMALL, ids=[IDS[CASES.index(c)] for c in SMALL])
def test_small_gains_of_the_simulation_tend_to_the_derivative(case):
    """Rebound measured at two small gains, extrapolated to no gain at all (Richardson, in ln a)."""
    name, kind, _, params, *_ = case
    model = model_of(name)
    derived = long_run_elasticity(model, kind, params=params, formula=False)

    def slope(step):
        kinds = {**model.roles.efficiencies, **model.roles.price_performance}
        energies = [
            model.run(0, 80.0, every=80.0, params={**params, kinds[kind]: math.exp(sign * step)}, rtol=1e-12)
            .at("energy_use", 80.0)
            for sign in (1, -1)
        ]  # fmt: skip
        return math.log(energies[0] / energies[1]) / (2 * step)

    coarse, fine = slope(0.04), slope(0.02)
    assert (4 * fine - coarse) / 3 == pytest.approx(derived.elasticity, abs=1e-6)


TABLE = {  # (η): R_A/R_ε with elastic supply, ψ_K = .25, ψ_E = .25, ψ_E = .02
    0.5: (0.5000, 0.0450, 0.8227, 0.0160, 0.5763, 0.1907, 0.8462, 0.7062),
    1.0: (1.0000, 0.0900, 1.0000, 0.0194, 1.0000, 0.3309, 1.0000, 0.8345),
    1.1: (1.1000, 0.0990, 1.0200, 0.0198, 1.0716, 0.3546, 1.0168, 0.8486),
    1.5: (1.5000, 0.1350, 1.0774, 0.0209, 1.3247, 0.4383, 1.0645, 0.8884),
}


@pytest.mark.parametrize("eta", TABLE)
def test_table_of_rebound_under_finite_supply(eta):
    for place, (chips, power) in enumerate(((0.0, 0.0), (4.0, 0.0), (0.0, 4.0), (0.0, 50.0))):
        params = two_input_params(eta, 0.09, chips, power)
        r_a, r_e, growth = law(eta, 0.09, chips, power)
        derived = {k: long_run_elasticity(model_of("two_inputs"), k, params=params, formula=False)
                   for k in ("algorithm", "hardware", "hardware_price")}  # fmt: skip
        assert derived["algorithm"].rebound == pytest.approx(r_a, abs=1e-9)
        assert derived["hardware"].rebound == pytest.approx(r_e, abs=1e-9)
        assert derived["hardware_price"].elasticity == pytest.approx(growth, abs=1e-9)
        printed = TABLE[eta][2 * place : 2 * place + 2]
        assert (derived["algorithm"].rebound, derived["hardware"].rebound) == pytest.approx(printed, abs=6e-5)


@settings(max_examples=10, deadline=None)
@given(
    st.floats(0.05, 2.0), st.floats(0.0, 1.0), st.floats(0.0, 20.0), st.floats(0.0, 20.0),
    st.floats(0.5, 5.0), st.floats(0.5, 5.0),
)  # fmt: skip
def test_elasticities_at_any_state_follow_the_shares_of_cost_there(eta, share, chips, power, gain, hardware):
    """The law of small gains holds away from the start too, with the shares of the equilibrium there."""
    params = {
        **two_input_params(eta, share, chips, power),
        "algorithmic_efficiency": gain, "energy_efficiency": hardware,
    }  # fmt: skip
    model = model_of("two_inputs")
    derived = long_run_elasticity(model, "algorithm", params=params, formula=False)
    energy = static_energy(eta, share, chips, power, algorithm=gain, hardware=hardware)
    compute = energy * hardware
    cost = ((1 - share) * compute**chips, share * energy**power / hardware)
    assert derived.state["capacity"] == pytest.approx(1000 * compute, rel=1e-8)
    r_a, r_e, _ = law(eta, cost[1] / sum(cost), chips, power)
    assert derived.rebound == pytest.approx(r_a, abs=1e-7)
    assert long_run_elasticity(model, "hardware", params=params, formula=False).rebound == pytest.approx(r_e, abs=1e-7)


FORMULAS = {
    ("m0", "algorithm"): "(elasticity - 1)/(1 + elasticity*inverse_supply_elasticity)",
    ("two_inputs", "algorithm"): "(elasticity - 1)/(1 + elasticity*(k*inverse_chip_supply + s*inverse_power_supply))",
    ("two_inputs", "hardware"): "(elasticity*s*(1 + inverse_power_supply) - elasticity*k*capital_premium)"
    "/(1 + elasticity*(k*inverse_chip_supply + s*inverse_power_supply)) - 1",
    ("two_inputs", "hardware_price"): "elasticity*k/(1 + elasticity*(k*inverse_chip_supply + s*inverse_power_supply))",
    ("training_budget", "training"): "reinvestment",
    ("tied_training", "inference"): "elasticity - 1",
    ("tied_training", "training"): "0",
    ("growing_market", "algorithm"): "elasticity - 1",
}


@pytest.mark.parametrize("case", FORMULAS, ids="-".join)
def test_formulas_in_parameters(case):
    name, kind = case
    found = long_run_elasticity(model_of(name), kind)
    assert found.method == "symbolic"
    power = v.energy_price * v.energy_intensity
    share = power / (v.reference_rent + power)
    names = {str(s): s for s in map(jv.symbol, model_of(name).parameters)}
    expected = sp.sympify(FORMULAS[case], locals={**names, "s": share, "k": 1 - share})
    assert sp.simplify(found.expression - expected) == 0
    expected_conditions = {"two_inputs": 1.0, "growing_market": 0.0}
    assert set(found.conditions.values()) <= {expected_conditions.get(name)}
    assert set(found.conditions) <= set(model_of(name).parameters)


def test_formula_of_saturating_adoption():
    found = long_run_elasticity(adoption_market())
    a, n, k = v.algorithmic_efficiency, v.adopted_at_start, v.adoption_steepness
    adopted = n / (n + (1 - n) * a ** (-k))
    expected = k * (1 - adopted) + v.use_elasticity + v.length_elasticity - 1
    assert sp.simplify(found.expression - expected) == 0
    assert not found.conditions


def test_formula_that_does_not_hold_here_is_not_given():
    """Away from the start the formula of the start is wrong, and there is no other."""
    params = {**two_input_params(1.5, 0.09, 4.0, 1.0), "energy_efficiency": 3.0, "price_performance": 2.0}
    found = long_run_elasticity(model_of("two_inputs"), "hardware", params=params)
    assert found.method == "numerical"
    assert found.expression is None


# Extreme conditions


def two_input_rebounds(eta, share, chips=0.0, power=0.0, **more):
    params = {**two_input_params(eta, share, chips, power), **more}
    return [long_run_elasticity(model_of("two_inputs"), k, params=params, formula=False).rebound
            for k in ("algorithm", "hardware")]  # fmt: skip


@pytest.mark.parametrize("supply", [(0.0, 0.0), (4.0, 0.0), (0.0, 4.0), (7.0, 3.0)])
def test_without_elasticity_nothing_rebounds(supply):
    assert two_input_rebounds(0.0, 0.09, *supply) == pytest.approx([0.0, 0.0], abs=1e-12)


def test_bound_supply_pulls_rebound_to_its_limits():
    tight = 1e6
    assert two_input_rebounds(0.5, 0.09, power=tight) == pytest.approx([1.0, 1.0], abs=3e-5)
    assert two_input_rebounds(1.5, 0.09, power=tight) == pytest.approx([1.0, 1.0], abs=3e-5)
    assert two_input_rebounds(1.5, 0.09, chips=tight) == pytest.approx([1.0, 0.0], abs=2e-6)


def test_unlimited_supply():
    assert two_input_rebounds(1.5, 0.09) == pytest.approx([1.5, 1.5 * 0.09], abs=1e-10)
    assert two_input_rebounds(1.5, 0.09, 1e-9, 1e-9) == pytest.approx([1.5, 1.5 * 0.09], abs=1e-7)


def test_shares_of_cost_at_their_ends():
    assert two_input_rebounds(0.7, 1.0) == pytest.approx([0.7, 0.7], abs=1e-12)  # energy is all of the cost
    assert two_input_rebounds(0.7, 0.0) == pytest.approx([0.7, 0.0], abs=1e-12)  # energy is free


def test_dear_power_makes_energy_all_of_the_cost():
    share = 1000 * 0.09 / (0.91 + 1000 * 0.09)
    r_a, r_e = two_input_rebounds(0.7, 0.09, energy_price=1e4 * 0.09 / 8 * 1000)
    assert r_a == pytest.approx(0.7, abs=1e-10)
    assert r_e == pytest.approx(0.7 * share, abs=1e-10)
    assert r_e == pytest.approx(0.7, rel=0.011)


def test_revenue_can_save_more_than_the_engineer():
    """Training that follows revenue turns an inelastic demand for inference into super-conservation."""
    assert long_run_elasticity(tied_training(0.4, 0.4), "inference").rebound == pytest.approx(-0.5, abs=1e-10)
    assert long_run_elasticity(tied_training(1.0, 0.4), "inference").rebound == pytest.approx(1.0, abs=1e-10)
    alone = long_run_elasticity(tied_training(0.4, 1.0), "inference")
    assert alone.rebound == pytest.approx(0.4, abs=1e-10)


# Balanced growth


@pytest.mark.parametrize(("g", "gamma_a", "gamma", "eta"), [(0.2, 0.3, 0.25, 0.8), (0.1, 0.5, 0.0, 1.4)])
def test_growth_of_energy_on_the_balanced_path(g, gamma_a, gamma, eta):
    model = growing_market(eta, g, gamma_a, gamma)
    found = long_run_elasticity(model, "algorithm", formula=False)
    expected = g + (eta - 1) * (gamma_a + gamma)
    assert found.kind == "balanced growth"
    assert found.growth["energy_use"] == pytest.approx(expected, abs=1e-9)
    assert found.growth["price"] == pytest.approx(-gamma_a - gamma, abs=1e-9)
    assert found.growth["capacity"] == pytest.approx(expected + gamma, abs=1e-9)
    run = model.run(0, 60, every=1.0)
    simulated = math.log(run.at("energy_use", 60.0) / run.at("energy_use", 59.0))
    assert simulated == pytest.approx(expected, abs=1e-6)
    assert found.left_out == ("cumulative_energy",)


@pytest.mark.parametrize(("cheapening", "share"), [(0.15, 1.0), (-0.15, 0.0)])
def test_input_that_cheapens_more_slowly_takes_all_cost(cheapening, share):
    """Growth accounting with the share of energy where it goes to."""
    found = long_run_elasticity(growing_market(cheapening=cheapening), "hardware", formula=False)
    hardware = (0.8 * share - 1) * 0.25 + 0.8 * (1 - share) * (0.25 + cheapening)
    assert found.growth["energy_use"] == pytest.approx(0.2 - 0.2 * 0.3 + hardware, abs=1e-7)
    assert found.rebound == pytest.approx(0.8 * share, abs=1e-7)


def test_path_of_growing_capital_and_better_vintages():
    """A stock that grows by itself is exogenous; its growth and the decline of intensity give the ratio."""
    a, gamma = 1.1 + 0.2, 0.25
    life = long_run_elasticity(coflow(), "life", energy="embodied_power")
    assert life.growth["embodied_power"] == pytest.approx(1.1 - gamma, abs=1e-9)
    assert life.elasticity == pytest.approx(0.2 * gamma / (a * (a - gamma)), abs=1e-9)
    assert life.eigenvalues == pytest.approx([-(a - gamma)], abs=1e-9)
    ratio = long_run_elasticity(coflow(), "improvement", energy="intensity_ratio")
    assert ratio.elasticity == pytest.approx(gamma / (a - gamma), abs=1e-9)
    assert ratio.growth["intensity_ratio"] == 0.0


def test_supply_line_that_expects_no_growth_in_the_long_run():
    """Coverage of a two-stock chain under growth, against the linear system it satisfies."""
    g, life, tau, tau_k, tau_s = 0.3, 5.0, 1.0, 1.5, 0.5

    def coverage(life):
        a = 1 / life
        matrix = [[-1 / tau_s - 1 / tau - g, a - 1 / tau_k + tau * a / tau_s], [1 / tau, -1 / life - g]]
        return np.linalg.solve(np.array(matrix), [-1 / tau_k, 0.0])[1]

    found = long_run_elasticity(supply_line(), "life", energy="coverage", params={"expected_growth": 0.0})
    step = 1e-4
    slope = math.log(coverage(life * math.exp(step)) / coverage(life * math.exp(-step))) / (2 * step)
    assert found.elasticity == pytest.approx(slope, abs=1e-8)


# Structure


def test_stocks_that_energy_does_not_depend_on_are_left_out():
    model = model_of("two_inputs")
    assert causes(model.structure, "energy_use") == ("capacity", "price")
    assert causes(model.structure, "cumulative_energy") == ("capacity", "price", "cumulative_energy")
    found = long_run_elasticity(model, "algorithm", formula=False)
    assert set(found.state) == {"capacity", "price"}
    assert found.kind == "equilibrium"
    assert found.growth == {"capacity": 0.0, "price": 0.0, "energy_use": 0.0}


def test_eigenvalues_of_m0():
    """K' and (ln p)' by hand, η = 0.5, ψ = 0.25: rows (-1, -η) and (1/ψ - λ, -1 - λη)/τ_p in logarithms."""
    found = long_run_elasticity(m0(0.5, 0.25))
    expected = np.linalg.eigvals([[-1.0, -0.5], [(4.0 - 1.0) / 0.5, (-1.0 - 0.5) / 0.5]])
    assert sorted(found.eigenvalues, key=lambda z: z.imag) == pytest.approx(sorted(expected, key=lambda z: z.imag))


def test_hidden_stocks_of_delays_take_part():
    seen = auxiliary("seen", jv.smooth1(v.cause, v.tau, 1.0), "1")
    model = Model(
        "delayed",
        [parameter("cause", 2.0), parameter("tau", 3.0, "yr"), seen, auxiliary("effect", v.seen**3)],
    )
    found = long_run_elasticity(model, "cause", energy="effect")
    assert found.elasticity == pytest.approx(3.0, abs=1e-9)
    assert found.eigenvalues == pytest.approx([-1 / 3])


def test_totals_that_no_flow_changes_are_held():
    """Infection and recovery in a closed population: i = 1 - h/b, however the total is split at the start."""
    model = Model(
        "closed",
        [
            stock("well", 0.7), stock("ill", 0.3),
            flow("infection", v.b * v.well * v.ill, source="well", target="ill"),
            flow("recovery", v.h * v.ill, source="ill", target="well"),
            parameter("b", 3.0, "1/yr"), parameter("h", 1.0, "1/yr"),
        ],
    )  # fmt: skip
    found = long_run_elasticity(model, "b", energy="ill")
    assert found.state["ill"] == pytest.approx(2 / 3, abs=1e-10)
    assert found.elasticity == pytest.approx(0.5, abs=1e-9)  # (h/b)/(1 - h/b)
    assert found.eigenvalues == pytest.approx([-2.0])


def test_stocks_below_zero_need_no_logarithm():
    """A stock that rests at -a/b, and energy e^(-x)."""
    model = Model(
        "cold",
        [
            stock("x", 0.5), flow("cooling", -v.a - v.b * v.x, target="x"),
            parameter("a", 2.0, "1/yr"), parameter("b", 1.0, "1/yr"), auxiliary("warmth", sp.exp(v.x)),
        ],
    )  # fmt: skip
    found = long_run_elasticity(model, "a", energy="warmth")
    assert found.state["x"] == pytest.approx(-2.0)
    assert found.elasticity == pytest.approx(-2.0, abs=1e-9)


def test_energy_that_depends_on_no_stock():
    """Held demand that grows by itself: E = e^(gt)/A."""
    energy = auxiliary("power", sp.exp(v.g * jv.TIME) / v.a)
    model = Model("held", [energy, parameter("g", 0.05, "1/yr"), parameter("a", 2.0)])
    found = long_run_elasticity(model, "a", energy="power")
    assert found.elasticity == pytest.approx(-1.0, abs=1e-12)
    assert found.kind == "balanced growth"
    assert found.growth == {"power": pytest.approx(0.05)}
    assert found.state == {}
    assert "'g' changes a rate of growth itself" in refusal(model, "g", energy="power")


def test_rebound_needs_to_know_what_is_held():
    found = long_run_elasticity(model_of("m0"), "elasticity")
    assert math.isnan(found.rebound)
    assert math.isnan(found.engineering)
    assert "rebound" not in repr(found)
    induced = long_run_elasticity(model_of("two_inputs"), "hardware_price", formula=False)
    assert "induced growth 0.91" in repr(induced)
    assert "rebound 0.5, d ln energy_use/d ln algorithmic_efficiency = -0.5 (symbolic, equilibrium)" in repr(
        long_run_elasticity(m0(0.5))
    )


def brusselator():
    """Limit cycle around (1, 3)."""
    return Model(
        "brusselator",
        [
            stock("x", 3.0), stock("y", 2.0),
            flow("make", v.rate * (1 - (v.b + 1) * v.x + v.x**2 * v.y), target="x"),
            flow("turn", v.rate * (v.b * v.x - v.x**2 * v.y), target="y"),
            parameter("rate", 1.0, "1/yr"), parameter("b", 3.0),
        ],
    )  # fmt: skip


def test_unstable_equilibrium_is_marked():
    found = long_run_elasticity(brusselator(), "b", energy="y", around={"x": 1.1, "y": 2.8})
    assert found.state["y"] == pytest.approx(3.0)
    assert found.elasticity == pytest.approx(1.0, abs=1e-9)
    assert not found.stable
    assert found.eigenvalues.real == pytest.approx([0.5, 0.5])
    assert "UNSTABLE" in repr(found)


def test_dated_changes_have_happened_in_the_long_run():
    changed = jv.Scenario("dearer", {"energy_price": jv.Change(factor=9.0, at=3.0, adjustment_time=1.0)})
    model = changed.apply(two_inputs(1.0, 0.09))
    found = long_run_elasticity(model, "hardware", formula=False)
    assert found.rebound == pytest.approx(0.81 / (0.81 + 0.91), abs=1e-9)


# What is refused


def refusal(*args, **options) -> str:
    with pytest.raises(ModelError) as caught:
        long_run_elasticity(*args, **options)
    return str(caught.value)


def test_all_wrong_names_at_once():
    text = refusal(
        model_of("two_inputs"), "algoritm", energy="energy_usage",
        params={"elasticty": 1.0, "energy_price": math.nan}, around={"capacty": 1.0},
    )  # fmt: skip
    assert "5 mistakes" in text
    assert "'algoritm', expected one of algorithm, hardware, hardware_price or a parameter" in text
    for name in ("algorithm", "energy_use", "elasticity", "capacity"):
        assert f"did you mean '{name}'?" in text
    assert "'energy_price': value nan, expected a finite number" in text


def test_what_must_be_said():
    assert "efficiency not given, expected one of algorithm, hardware" in refusal(model_of("two_inputs"))
    assert "energy not given, and the model declares no roles" in refusal(bass(), "market")
    assert "'algorithmic_efficiency' is 0, expected more than 0" in refusal(m0(), params={"algorithmic_efficiency": 0})
    assert "expected a parameter" in refusal(bass(), "adopters", energy="adopters")
    applied = jv.Scenario("x", {"algorithmic_efficiency": jv.Change(factor=2.0, at=1.0)}).apply(m0())
    assert "changes over time already" in refusal(applied)


def test_energy_that_is_not_positive():
    cooling = flow("cooling", -v.a - v.a * v.x / 2, target="x")
    model = Model("cold", [stock("x", 0.5), cooling, parameter("a", 2.0, "1/yr")])
    assert "'x' is -2, expected more than 0" in refusal(model, "a", energy="x")


def test_cycles_are_no_long_run():
    text = refusal(brusselator(), "b", energy="y")
    assert "no equilibrium and no balanced growth" in text
    assert "nothing pulls runs towards it" in text
    assert "'x' moves by" in text


def test_linear_growth_is_not_balanced():
    assert "no balanced growth" in refusal(accumulate(v.tau / v.year**2), "year", energy="x")


def test_efficiency_that_changes_a_rate_of_growth():
    for model, name, output in (
        (growing_market(), "algorithm_growth", "energy_use"),
        (wright(), "growth", "price"),
        (coflow(), "improvement", "embodied_power"),
        (decay(), "tau", "x"),
    ):
        text = refusal(model, name, energy=output)
        assert f"{name!r} changes a rate of growth itself" in text


def test_long_run_that_depends_on_the_start():
    """Two stocks chase each other: they meet, but nothing says where."""
    model = Model(
        "chase",
        [
            stock("x", 1.0), stock("y", 3.0),
            flow("follow", (v.y - v.x) / v.tau, target="x"),
            flow("lead", (v.x - v.y) / (2 * v.tau), target="y"),
            parameter("tau", 2.0, "yr"),
        ],
    )  # fmt: skip
    text = refusal(model, "tau", energy="x")
    assert "nothing pulls 'x', 'y' back" in text.replace("'y', 'x'", "'x', 'y'")
    assert "1 mistake" in text  # both have come to rest


def test_world_has_no_long_run(world):
    """Limits, floors and learning: the world never comes to rest, and its motion is no balanced growth."""
    text = refusal(world, "inference", formula=False)
    assert "no equilibrium and no balanced growth" in text
    assert "of itself per yr at " in text
    assert "a rate that changes by" in text


def test_models_are_shipped():
    for name, make in MODELS.items():
        assert jv.load(name).hash == make().hash
        assert jv.load(name).doc
