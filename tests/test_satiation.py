"""Three shapes of satiation: elasticity is the derivative of use, limits agree, models run."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import jevons as jv
from jevons import CalibrationError, ModelError
from jevons.functions import symbol
from jevons.inference.satiation import SHAPES, log_usage, read_stances, shape_of, usage_elasticity

VARIANTS = {"world": "power", "world_full_price": "full_price", "world_hump": "hump"}
VALUES = {
    "usage_price_elasticity": 0.9, "satiation": 0.2, "nonmoney_cost_share": 0.3, "full_price_following": 0.5,
    "peak_elasticity": 1.2, "elasticity_width": 3.0, "peak_price": -1.5, "reference_price": 5e-4,
}  # fmt: skip
PRICES = 5e-4 * np.exp(np.linspace(-9, 9, 7))


@pytest.fixture(scope="module", params=VARIANTS)
def model(request):
    return jv.load(request.param, fit=None)


def response(model):
    """ln of wanted use as a function of the price, at the reference capability."""
    wanted = sp.log(model.elements["desired_usage"].equation)
    return wanted.subs(symbol("capability"), symbol("reference_capability"))


def numbers(expression, price, **values):
    chosen = {symbol(n): x for n, x in {**VALUES, **values}.items()}
    return complex(sp.N(expression.subs(chosen).subs(symbol("service_price"), price), 30))


def test_the_world_itself_is_unchanged():
    assert jv.load("world", fit=None).hash == "60b71e8b38aefe4b"


def test_elasticity_is_the_derivative_of_use(model):
    wanted, elasticity = response(model), model.elements["usage_elasticity"].equation
    for price in PRICES:
        step = numbers(wanted, price * (1 + sp.I * sp.Float("1e-25", 40)))
        assert -step.imag / 1e-25 == pytest.approx(numbers(elasticity, price).real, rel=1e-9)


def test_use_is_the_reference_use_at_the_reference_price(model):
    assert numbers(response(model), 5e-4).real == pytest.approx(0, abs=1e-15)


def test_elasticity_at_the_reference_price(model):
    at = numbers(model.elements["usage_elasticity"].equation, 5e-4).real
    if "peak_elasticity" in model.parameters:
        s = 1 / (1 + np.exp(1.5 / 3.0))
        assert at == pytest.approx(4 * 1.2 * s * (1 - s))
    else:
        assert at == pytest.approx(0.9)


def test_small_costs_and_small_exponents_are_constant_elasticity():
    power, full, hump = (response(jv.load(n, fit=None)) for n in VARIANTS)
    constant = -0.9 * np.log(PRICES / 5e-4)
    wide = {"elasticity_width": 1e6, "peak_price": 0.0, "peak_elasticity": 0.9}
    for price, expected in zip(PRICES, constant, strict=True):
        assert numbers(power, price, satiation=1e-9).real == pytest.approx(expected, rel=1e-6, abs=1e-12)
        small = {"nonmoney_cost_share": 1e-12, "full_price_following": 0.0}
        assert numbers(full, price, **small).real == pytest.approx(expected, rel=1e-6, abs=1e-12)
        assert numbers(full, price, full_price_following=1 - 1e-7).real == pytest.approx(expected, rel=1e-5, abs=1e-12)
        assert numbers(hump, price, **wide).real == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_cost_besides_money_follows_the_price():
    elasticity = jv.load("world_full_price", fit=None).elements["usage_elasticity"].equation
    for ratio in (0.01, 0.3, 5.0):
        cost = 0.3 * ratio**0.5
        assert numbers(elasticity, 5e-4 * ratio).real == pytest.approx(0.9 * 1.3 * ratio / (ratio + cost))


def test_the_hump_has_its_peak_where_it_says():
    elasticity = jv.load("world_hump", fit=None).elements["usage_elasticity"].equation
    at, left, right = (numbers(elasticity, 5e-4 * np.exp(-1.5 + d)).real for d in (0.0, -0.1, 0.1))
    assert at == pytest.approx(1.2)
    assert left < at > right


@pytest.mark.parametrize("name", [n for n in VARIANTS if n != "world"])
def test_variants_run_and_stay_positive(name):
    run = jv.load(name, fit=None).run(2005, 2036)
    for output in ("usage", "desired_usage", "usage_elasticity", "users", "dc_electricity", "service_price"):
        values = run[output].to_numpy()
        assert (values > 0).all() and np.isfinite(values).all(), output


def test_variants_differ_from_the_world_only_in_use():
    world = jv.load("world", fit=None)
    for name in ("world_full_price", "world_hump"):
        variant = jv.load(name, fit=None)
        changed = {n for n, e in variant.elements.items() if world.elements.get(n) != e}
        assert changed <= {"desired_usage", "usage_elasticity", *VALUES}
        assert variant.hash != world.hash


def test_no_hint_is_lost_for_a_misspelt_variant():
    with pytest.raises(ModelError, match="did you mean 'world_hump'"):
        jv.load("world_humb", fit=None)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_inference_uses_the_same_shapes(name):
    """`log_usage` without a cost that follows is the model's equation."""
    given = {n: np.array([VALUES[n]]) for n in SHAPES[VARIANTS[name]]}
    wanted = response(jv.load(name, fit=None))
    for price in PRICES:
        own = numbers(wanted, price, full_price_following=0.0).real
        assert log_usage(given, price / 5e-4)[0] == pytest.approx(own, rel=1e-10, abs=1e-12)
    elasticity = numbers(jv.load(name, fit=None).elements["usage_elasticity"].equation, 5e-4).real
    assert usage_elasticity(given)[0] == pytest.approx(elasticity)


@pytest.mark.parametrize("shape", SHAPES)
def test_use_at_price_zero_is_the_limit(shape):
    given = {n: np.array([VALUES[n]]) for n in SHAPES[shape]}
    limit = log_usage(given, 0.0)
    assert np.isfinite(limit).all()
    assert log_usage(given, 1e-60) == pytest.approx(limit, rel=1e-8)


def test_a_shape_needs_all_of_its_parameters():
    with pytest.raises(CalibrationError, match="no shape"):
        shape_of({"usage_price_elasticity": 1.0})
    with pytest.raises(CalibrationError, match="power, full_price"):
        shape_of(dict.fromkeys(("usage_price_elasticity", "satiation", "nonmoney_cost_share"), 1.0))


# Stances


def test_totals_of_the_stances():
    """Medians, 5 and 95 % of two million draws of the paper's components, computed apart."""
    expected = {"central": (0.95, 0.47, 1.98), "sceptic": (0.60, 0.29, 1.26), "enthusiast": (1.54, 0.81, 2.95)}
    for name, (median, low, high) in expected.items():
        total = read_stances()[name].draw("power", 200_000, 1)["total_elasticity"]
        assert np.quantile(total, (0.5, 0.05, 0.95)) == pytest.approx([median, low, high], rel=0.02)


@pytest.mark.parametrize("name", ["central", "sceptic", "enthusiast"])
def test_the_log_normal_approximation_has_the_moments_of_the_draws(name):
    stance = read_stances()[name]
    drawn = stance.draw("power", 400_000, 7)
    for approximation, values in (
        (stance.total(), drawn["total_elasticity"]),
        (stance.usage(), drawn["usage_price_elasticity"]),
    ):
        logs = np.log(values)
        assert np.log(approximation.median) == pytest.approx(logs.mean(), abs=4 * logs.std() / np.sqrt(logs.size))
        assert approximation.sd_log == pytest.approx(logs.std(), rel=0.006)


def test_the_elasticity_at_the_reference_price_has_one_prior_in_all_shapes():
    draws = {shape: read_stances()["central"].draw(shape, 1000, 3) for shape in SHAPES}
    for shape, drawn in draws.items():
        assert usage_elasticity(drawn) == pytest.approx(draws["power"]["usage_price_elasticity"]), shape
        assert drawn["total_elasticity"] == pytest.approx(usage_elasticity(drawn) + drawn["adoption_elasticity"])


def test_a_shape_that_is_none():
    with pytest.raises(CalibrationError, match="did you mean 'hump'"):
        read_stances()["central"].draw("humb", 10)


def test_every_mistake_in_the_priors_at_once(tmp_path):
    file = tmp_path / "priors.toml"
    file.write_text(
        "[stances.own]\nadoption = { median = -0.1, sd_log = 0.7, reason = 'r', source = 's' }\n"
        "task = { median = 0.4, sd_log = 0.5, reason = 'r', source = 's' }\n"
        "compute = { median = 'much', sd_log = 0.5, source = 's' }\n"
    )
    with pytest.raises(CalibrationError) as error:
        read_stances(file)
    text = str(error.value)
    for mistake in (
        "stances.own.adoption: median = -0.1, expected a positive number",
        "entry 'tasks' is missing; did you mean 'task'",
        "stances.own.compute: median = 'much', expected a number",
        "stances.own.compute: reason is missing",
        "stances.own: entry 'common' is missing",
        "shapes: entry 'peak_price' is missing",
    ):
        assert mistake in text
