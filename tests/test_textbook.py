"""Models with closed solutions: runs must give them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from jevons.models.market import m0
from jevons.models.textbook import bass, coflow, supply_line, wright
from scipy.integrate import quad
from scipy.linalg import expm

import jevons as jv
from jevons import Flow, Model

GAIN = 10.0
M0_TABLE = {
    (0.5, 0.25): 0.64588008,
    (0.5, 1.0): 0.40462098,
    (0.5, 4.0): 0.28820152,
    (0.5, math.inf): 0.24025307,
    (1.0, 0.25): 1.0,
    (1.0, 1.0): 1.0,
    (1.0, 4.0): 1.0,
    (1.0, math.inf): 1.0,
    (1.5, 0.25): 1.19863182,
    (1.5, 1.0): 1.64988132,
    (1.5, 4.0): 2.45569967,
    (1.5, math.inf): 3.40253073,
}

MODELS = {"m0": m0, "bass": bass, "coflow": coflow, "supply_line": supply_line, "wright": wright}


def rebound(energy_ratio: float) -> float:
    return 1 - (1 - energy_ratio) / (1 - 1 / GAIN)


def energy_ratio(model: Model, time: float, **options) -> float:
    base = model.run(0, time, every=time, **options)
    shocked = model.run(0, time, every=time, params={"algorithmic_efficiency": GAIN}, **options)
    return shocked.at("energy_use", time) / base.at("energy_use", time)


@pytest.mark.parametrize(("case", "expected"), M0_TABLE.items(), ids=str)
def test_m0_long_run_rebound(case, expected):
    eta, psi = case
    ratio = energy_ratio(m0(*case), 199.0)
    exponent = eta - 1 if math.isinf(psi) else psi * (eta - 1) / (psi + eta)
    assert ratio == pytest.approx(GAIN**exponent, rel=1e-6)
    assert rebound(ratio) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("method", ["Radau", "DOP853", "RK4"])
def test_m0_long_run_rebound_by_other_methods(method):
    ratio = energy_ratio(m0(1.5, 4.0), 120.0, method=method)
    assert rebound(ratio) == pytest.approx(M0_TABLE[1.5, 4.0], abs=1e-6)


def test_m0_without_elasticity_has_no_rebound_at_any_time():
    model = m0(0.0, 4.0)
    base, shocked = (model.run(0, 30, params=p) for p in ({}, {"algorithmic_efficiency": GAIN}))
    ratio = (shocked["energy_use"] / base["energy_use"]).to_numpy()
    assert np.abs([rebound(r) for r in ratio]).max() < 1e-12


def test_m0_rebound_is_zero_at_once_and_not_monotone_under_elastic_supply():
    model = m0(0.5, math.inf)
    base, shocked = (model.run(0, 30, params=p) for p in ({}, {"algorithmic_efficiency": GAIN}))
    path = [rebound(shocked.at("energy_use", t) / base.at("energy_use", t)) for t in (0.0, 1.0, 3.0, 30.0)]
    assert path[0] == pytest.approx(0.0, abs=1e-12)
    assert path[1] == pytest.approx(0.302, abs=5e-4)
    assert path[1] > path[2] > path[3]
    assert path[3] == pytest.approx(M0_TABLE[0.5, math.inf], abs=1e-6)


def test_m0_roles_name_what_a_shock_needs():
    model = m0()
    assert model.roles is not None
    assert model.roles.efficiencies == {"algorithm": "algorithmic_efficiency"}
    assert model.roles.services == {"compute": "algorithmic_efficiency"}
    halved = model.run(0, 1, params={"algorithmic_efficiency": 2.0}, every=1.0)
    assert halved.at("compute", 0.0) == 0.5 * model.run(0, 1, every=1.0).at("compute", 0.0)


@pytest.mark.parametrize("method", ["LSODA", "Radau", "RK4"])
def test_m0_equilibrium_stays_put_for_a_century(method):
    run = m0(0.8, 2.0).run(0, 100, method=method)
    for name in ("capacity", "price", "compute", "energy_use"):
        series = run[name].to_numpy()
        assert np.abs(series / series[0] - 1).max() < 1e-8
    assert run.at("cumulative_energy", 100.0) == pytest.approx(100 * run.at("energy_use", 0.0), rel=1e-8)


def test_bass_follows_the_closed_form():
    run = bass().run(0, 40)
    p, q, market = 0.03, 0.38, 1e6
    t = run.times
    decay = np.exp(-(p + q) * t)
    expected = market * (1 - decay) / (1 + q / p * decay)
    assert np.allclose(run["adopters"], expected, rtol=1e-6, atol=1e-3)
    precise = bass().run(0, 10, rtol=1e-10, atol=1e-6)
    for date, share in ((5.0, 0.33119864), (10.0, 0.81280322)):
        assert precise.at("adopters", date) / market == pytest.approx(share, abs=1e-8)


def test_bass_peak_of_adoption():
    run = bass().run(0, 12, every=0.01)
    k = int(run["adoption"].to_numpy().argmax())
    near = slice(k - 20, k + 21)
    curvature, slope, _ = np.polyfit(run.times[near] - run.times[k], run["adoption"].to_numpy()[near], 2)
    assert curvature < 0
    assert run.times[k] - slope / (2 * curvature) == pytest.approx(6.19262, abs=2e-5)
    # adoption is largest where q (1 - 2 N/M) = p
    adopters_at_peak = run.at("adopters", math.log(0.38 / 0.03) / 0.41)
    assert 0.38 * (1 - 2 * adopters_at_peak / 1e6) == pytest.approx(0.03, abs=1e-6)


def test_coflow_ratio():
    run = coflow().run(0, 30)
    steady = (1.1 + 0.2) / (1.1 + 0.2 - 0.25)
    assert steady == pytest.approx(1.2380952, abs=1e-7)
    assert run.at("intensity_ratio", 12.0) == pytest.approx(1.2380944, abs=5e-8)
    assert run.at("intensity_ratio", 30.0) == pytest.approx(steady, abs=1e-7)
    path = steady + (1 - steady) * np.exp(-(1.1 + 0.2 - 0.25) * run.times)
    assert np.allclose(run["intensity_ratio"], path, rtol=1e-6)
    assert run["intensity_ratio"].between(1 - 1e-9, steady + 1e-7).all()


def test_supply_line_error_vanishes_under_growth():
    run = supply_line().run(0, 120)
    assert run.at("coverage", 0.0) == pytest.approx(0.8, abs=1e-14)
    assert run.at("coverage", 120.0) == pytest.approx(1.0, abs=1e-8)
    in_steady_state = run.at("on_order", 120.0) / run.at("capacity", 120.0)
    assert in_steady_state == pytest.approx(1.0 * (0.3 + 0.2), abs=1e-8)
    assert (run["orders"] > 0).all()


def test_supply_line_stays_on_target_from_the_start():
    run = supply_line().run(0, 30, params={"initial_coverage": 1.0})
    assert np.abs(run["coverage"] - 1).max() < 1e-7


def test_supply_line_that_expects_no_growth_lags():
    run = supply_line().run(0, 60, params={"expected_growth": 0.0})
    g, life, tau, tau_k, tau_s = 0.3, 5.0, 1.0, 1.5, 0.5
    steady = _supply_line_matrix(g, 0.0, life, tau, tau_k, tau_s)
    expected = np.linalg.solve(steady, [-1 / tau_k, 0.0])[1]
    assert expected < 0.9
    assert run.at("coverage", 60.0) == pytest.approx(expected, abs=1e-8)


def test_supply_line_transient():
    run = supply_line().run(0, 5)
    g, life, tau, tau_k, tau_s = 0.3, 5.0, 1.0, 1.5, 0.5
    matrix = _supply_line_matrix(g, g, life, tau, tau_k, tau_s)
    rest = np.array([tau * (g + 1 / life), 1.0])
    for t in (0.5, 1.0, 3.0, 5.0):
        state = rest + expm(matrix * t) @ (0.8 * rest - rest)
        assert run.at("coverage", t) == pytest.approx(state[1], abs=1e-6)


def _supply_line_matrix(g, expected, life, tau, tau_k, tau_s):
    """Linear system of (supply line, capacity) over the target."""
    a = expected + 1 / life
    line = [-1 / tau_s - 1 / tau - g, a * (1 + expected * tau) - 1 / tau_k + tau * a / tau_s]
    return np.array([line, [1 / tau, -1 / life - g]])


def test_wright_falls_exponentially_when_experience_grows_exponentially():
    run = wright().run(0, 30)
    exponent = -math.log2(0.8)
    assert np.allclose(run["price"], 30 * np.exp(-exponent * 0.4 * run.times), rtol=1e-6)
    doubling = math.log(2) / 0.4
    assert run.at("price", doubling) / run.at("price", 0.0) == pytest.approx(0.8, rel=1e-6)


def test_models_by_name():
    assert set(MODELS) <= set(jv.list_models())
    for name, make in MODELS.items():
        model = jv.load(name)
        assert isinstance(model, Model)
        assert model.hash == make().hash
        assert model.doc


@pytest.mark.parametrize("name", MODELS)
def test_stock_change_is_the_integral_of_flows(name):
    """Gauss quadrature of the reported flows, by a separate run for each node's date, against the stocks."""
    model = MODELS[name]()
    params = {"algorithmic_efficiency": 2.0} if name == "m0" else {}
    nodes, weights = np.polynomial.legendre.leggauss(16)
    edges = np.arange(0.0, 4.1, 0.5)
    dates = np.concatenate([0.5 * (a + b) + 0.5 * (b - a) * nodes for a, b in itertools.pairwise(edges)])
    run = _at_dates(model, dates, params)
    end = model.run(0, 4, every=4.0, params=params, rtol=1e-12, atol=1e-13)
    flows = [e for e in model.elements.values() if isinstance(e, Flow)]
    for stock in model.stocks:
        net = sum(((f.target == stock) - (f.source == stock)) * run[f.name] for f in flows)
        integral = float(np.dot(net, np.tile(weights * 0.25, edges.size - 1)))
        change = end.at(stock, 4.0) - end.at(stock, 0.0)
        assert change == pytest.approx(integral, rel=1e-9, abs=1e-9 * abs(end.at(stock, 4.0)))


def _at_dates(model, dates, params):
    """Outputs at given dates: the engine's own observe on a dense run."""
    columns = {name: [] for name in model.elements}
    for date in dates:
        run = model.run(0, date, every=date, params=params, rtol=1e-12, atol=1e-13)
        for name in run.names:
            columns[name].append(run.values[-1, run.names.index(name)])
    return {name: np.array(values) for name, values in columns.items()}


def test_bass_total_adoption_by_quadrature():
    p, q, market = 0.03, 0.38, 1e6

    def adoption(t):
        decay = math.exp(-(p + q) * t)
        return market * (p + q) ** 2 / p * decay / (1 + q / p * decay) ** 2

    total, _ = quad(adoption, 0, 15, epsrel=1e-12)
    assert bass().run(0, 15).at("adopters", 15.0) == pytest.approx(total, rel=1e-7)
