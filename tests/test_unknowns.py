"""What is unknown besides the model's parameters: nuisances, conditions, bounds; the density of all of it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import lognorm, norm
from small import observation
from small_calibrations import GROWS, TRUTH, explodes, history, linear, logistic_at

import jevons as jv
from jevons import Calibration, CalibrationError, JevonsError, LogNormal, Normal
from jevons.inference.unknowns import Condition, Nuisance, log_mass, naturals

BIAS = Nuisance("theirs_bias", "bias", Normal(0.1, 0.3), "test", family="theirs")
BASE = Nuisance("index_base", "base", LogNormal(50.0, 0.5), "test", series="index")
SCALE = Nuisance("scale", "noise_scale", LogNormal(1.3, 0.4), "test", family="test")
ROWS = [
    observation("x", 1.0, 0.4),
    observation("x", 4.0, 2.0, family="theirs"),
    observation("x", 2.0, 90.0, statistic="index", series="index", unit="points"),
    observation("x", 6.0, 1.5, statistic="ratio", reference_date=4.0, family="theirs"),
    observation("growth / x", 3.0, 0.6, unit="1/yr"),
    observation("log_x", 5.0, 1.2, sigma_kind="absolute", sigma=0.2),
    observation("x", 5.0, 0.5, statistic="log_growth_rate", reference_date=4.0, unit="1/yr", sigma=0.3),
]
ELSEWHERE = [observation("x", 3.0, 1.1, series="there"), observation("x", 5.0, 4.0, family="theirs", series="there")]
BOUNDS = {"rate": (0.4, 2.0), "there.ceiling": (0.0, 12.0), "scale": (0.5, math.inf)}


def condition(**changes):
    model = GROWS.with_values({"start_value": 0.3})
    given = {"name": "there", "model": model, "history": history(*ELSEWHERE), "own": {"ceiling": LogNormal(6.0, 0.4)}}
    return Condition(**{**given, **changes})


@pytest.fixture(scope="module")
def everything():
    """Bias, base, scale of noise, ratios, an index, two conditions with a parameter of their own and a shared one."""
    return Calibration(
        GROWS,
        history(*ROWS),
        ["rate", "ceiling"],
        nuisance=[BIAS, BASE, SCALE],
        conditions=[condition()],
        bounds=BOUNDS,
    )


def points(problem, n, seed=0, width=0.5):
    low, high = problem.bounds(math.inf)
    drawn = width * np.random.default_rng(seed).standard_normal((n, len(problem.free)))
    return np.clip(drawn, low + 1e-3, high - 1e-3)


def mistakes_of(call):
    with pytest.raises(CalibrationError) as raised:
        call()
    return raised.value.mistakes


# The density


def test_the_density_is_half_the_squared_residuals_but_for_a_constant(everything):
    rest = [
        everything.log_density(u) + 0.5 * everything.residuals(u) @ everything.residuals(u)
        for u in points(everything, 12)
    ]
    assert np.ptp(rest) < 1e-9
    log_densities = [everything.log_density(u) for u in points(everything, 12)]
    assert np.ptp(log_densities) > 1


def test_derivatives_are_those_of_the_residuals(everything):
    for u in points(everything, 3, seed=1):
        jacobian, h = everything.jacobian(u), 1e-5
        assert jacobian.shape == (len(everything.rows) + u.size + 1, u.size)
        for j, step in enumerate(h * np.eye(u.size)):
            central = (everything.residuals(u + step) - everything.residuals(u - step)) / (2 * h)
            assert jacobian[:, j] == pytest.approx(central, rel=1e-5, abs=1e-6), everything.free[j]
    assert (np.abs(jacobian).max(axis=0) > 0.1).all()


def test_differences_are_near_the_exact_derivatives(everything):
    rough = Calibration(
        GROWS, history(*ROWS), ["rate"], nuisance=[BIAS, BASE, SCALE], derivatives="differences"
    )  # fmt: skip
    u = np.array([0.1, 0.2, -0.3, 0.2])
    exact = Calibration(GROWS, history(*ROWS), ["rate"], nuisance=[BIAS, BASE, SCALE])
    assert rough.jacobian(u) == pytest.approx(exact.jacobian(u), abs=1e-3)


def test_the_density_by_hand():
    """One biased row with an unknown scale, one index with an unknown base: all densities from scipy."""
    there = Nuisance("there_bias", "bias", Normal(0.1, 0.3), "test", series="theirs")
    scale = Nuisance("scale", "noise_scale", LogNormal(1.3, 0.4), "test")
    rows = [observation("p", 1.0, 3.0, series="theirs", sigma=0.2),
            observation("p", 1.0, 90.0, statistic="index", series="index", sigma=0.3)]  # fmt: skip
    problem = Calibration(linear(), history(*rows), ["a"], nuisance=[there, BASE, scale])
    at = {"a": 2.5, "there_bias": -0.2, "index_base": 40.0, "scale": 1.7}
    u = problem.coordinates(at)
    expected = (
        lognorm.logpdf(3.0, 1.7 * 0.2, scale=2.5 * math.exp(-0.2))
        + lognorm.logpdf(90.0, 1.7 * 0.3, scale=2.5 * 40.0)
        + norm.logpdf(u).sum()
    )
    assert problem.log_density(u) == pytest.approx(expected, abs=1e-12)
    assert problem.log_density(u) == pytest.approx(problem.log_prior(u) + problem.log_likelihood(u))


def test_many_densities_at_once_are_the_densities(everything):
    us = points(everything, 40, width=1.0)
    us[3, 0] = -7.0
    one = np.array([everything.log_density(u) for u in us])
    assert everything.log_densities(us) == pytest.approx(one, rel=1e-11)
    assert one[3] == -math.inf
    assert np.isfinite(np.delete(one, 3)).all()
    assert everything.log_densities(us, threads=2).tolist() == everything.log_densities(us).tolist()
    assert everything.log_densities(np.empty((0, us.shape[1]))).shape == (0,)


def test_held_values_count_in_many_densities_too(everything):
    held = everything.hold({"rate": 0.9, "scale": 1.1, "theirs_bias": 0.2})
    us = points(held, 5)
    assert held.log_densities(us) == pytest.approx([held.log_density(u) for u in us], rel=1e-11)
    only = everything.hold({n: everything.values(np.zeros(6))[n] for n in everything.free[1:]})
    assert only.log_densities(np.array([[0.2]])) == pytest.approx([only.log_density(np.array([0.2]))], rel=1e-11)


def test_a_run_that_fails_has_no_density_and_is_counted():
    problem = Calibration(explodes(), history(observation("x", 4.0, 2.0)), ["k"])
    us = np.array([[0.0], [3.0], [0.1]])
    assert np.isfinite(problem.log_densities(us)).tolist() == [True, False, True]
    assert problem.log_densities(us)[1] == -math.inf
    assert (problem.evaluations, problem.failures) == (6, 2)
    assert problem.log_density(us[1]) == -math.inf
    assert np.isnan(problem.jacobian(us[1])[0]).all()


def test_a_model_whose_output_turns_negative_has_no_density_in_logarithms():
    with_log = Calibration(GROWS, history(observation("log_x", 1.0, 1.0)), ["rate"])
    u = np.zeros(1)
    assert math.isnan(with_log.residuals(u)[0])
    assert np.isnan(with_log.jacobian(u)[0]).all()
    assert with_log.log_density(u) == -math.inf == with_log.log_densities(u[None])[0]


def test_points_have_the_shape_of_what_is_free(everything):
    with pytest.raises(JevonsError, match=r"points of shape \(6,\), expected \(n, 6\)"):
        everything.log_densities(np.zeros(6))


# Nuisances


def test_what_each_nuisance_applies_to(everything):
    applied = {n.name: [n.applies(row) for row in everything.rows] for n in everything.nuisance}
    assert applied["theirs_bias"] == [False, True, False, False, False, False, False, False, True]
    assert applied["index_base"] == [False, False, True, False, False, False, False, False, False]
    assert applied["scale"] == [True, False, True, False, True, True, True, True, False]


def test_a_bias_multiplies_levels_and_drops_out_of_growth(everything):
    u = np.zeros(6)
    held = everything.values(u)
    there = {**held, "theirs_bias": 0.5}
    ratio = everything.modelled(everything.coordinates(there)) / everything.modelled(u)
    expected = np.where([BIAS.applies(row) for row in everything.rows], math.exp(0.4), 1.0)
    assert ratio == pytest.approx(expected)
    assert ratio[3] == 1.0


def test_a_known_scale_of_noise_comes_back():
    rng = np.random.default_rng(4)
    data = 2.0 * np.exp(1.8 * 0.1 * rng.standard_normal(300))
    rows = [observation("p", 1.0, y, note=str(i)) for i, y in enumerate(data)]
    scale = Nuisance("scale", "noise_scale", LogNormal(1.0, 1.0), "test")
    fit = jv.fit(Calibration(linear(), history(*rows), ["a"], nuisance=[scale]), starts=3, progress=False)
    assert fit.values["scale"] == pytest.approx(1.8, rel=4 / math.sqrt(600))
    assert fit.values["scale"] == pytest.approx(np.std(np.log(data)) / 0.1, rel=0.01)


# Conditions


def test_conditions_share_what_is_not_their_own(everything):
    assert everything.free == ("rate", "ceiling", "there.ceiling", "theirs_bias", "index_base", "scale")
    at = {"rate": 0.7, "ceiling": 14.0, "there.ceiling": 5.0, "theirs_bias": 0.0, "index_base": 1.0, "scale": 1.0}
    modelled = everything.modelled(everything.coordinates(at))

    def logistic(t, ceiling, start):
        return ceiling / (1 + (ceiling / start - 1) * math.exp(-0.7 * t))

    assert modelled[0] == pytest.approx(logistic(1.0, 14.0, 0.1), rel=1e-6)
    assert modelled[-2:] == pytest.approx([logistic(3.0, 5.0, 0.3), logistic(5.0, 5.0, 0.3)], rel=1e-6)


def test_one_condition_that_fails_does_not_take_the_others_along():
    there = Condition("there", explodes(5.0), history(observation("x", 4.0, 2.0)))
    problem = Calibration(explodes(), history(observation("x", 1.0, 1.1)), ["k"], conditions=[
        dataclasses.replace(there, own={"k": LogNormal(5.0, 1.0)})])  # fmt: skip
    modelled = problem.modelled(np.zeros(2))
    assert np.isfinite(modelled[0])
    assert math.isnan(modelled[1])
    assert problem.failures == 1


# Bounds


def test_bounds_are_in_natural_values(everything):
    low, high = everything.bounds()
    assert everything.natural(low)[0] == pytest.approx(0.4)
    assert everything.natural(high)[0] == pytest.approx(2.0)
    assert low[1:3].tolist() == [-4.0, -4.0]
    assert everything.natural(high)[2] == pytest.approx(12.0)
    assert high[5] == 4.0
    wide = everything.bounds(8.0)
    assert wide[0][1] == -8.0
    assert wide[0][0] == low[0]


def test_the_prior_within_bounds_integrates_to_one():
    problem = Calibration(GROWS, history(ROWS[0]), ["rate"], bounds={"rate": (0.9, 2.0)})
    grid = np.linspace(-1.0, 2.0, 3001)
    density = np.exp([problem.log_prior(np.array([u])) for u in grid])
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=2e-3)
    assert problem.log_prior(np.array([-0.3])) == -math.inf


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 2.0), (3.0, 4.0), (-math.inf, -5.0), (20.0, math.inf), (-math.inf, 1)]
)
def test_the_mass_between_bounds(low, high):
    exact = norm.cdf(high) - norm.cdf(low) if high < 3 else norm.sf(low) - norm.sf(high)
    assert log_mass(low, high) == pytest.approx(math.log(exact), rel=1e-10)


def test_many_natural_values_are_the_natural_values(everything):
    us = points(everything, 4)
    for k, prior in enumerate(everything.priors):
        assert naturals(prior, us[:, k]) == pytest.approx([everything.natural(u)[k] for u in us], rel=1e-14)


# Variations of a problem


def test_what_is_held_stays(everything):
    held = everything.hold({"ceiling": 9.0})
    assert held.free == ("rate", "there.ceiling", "theirs_bias", "index_base", "scale")
    u = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    whole = everything.coordinates({**held.values(u), "ceiling": 9.0})
    assert held.modelled(u).tolist() == everything.modelled(whole).tolist()
    assert held.hash != everything.hash
    assert held.jacobian(u)[:9] == pytest.approx(np.delete(everything.jacobian(whole)[:9], 1, axis=1))
    assert everything.evaluations != held.evaluations


def test_what_cannot_be_held(everything):
    assert mistakes_of(lambda: everything.hold({"rat": 1.0, "scale": -1.0, "ceiling": math.nan})) == (
        "'rat' is not free; did you mean 'rate'?",
        "'scale' is held at -1, expected more than 0",
        "'ceiling' is held at nan, expected a number",
    )


def test_other_data_in_the_same_problem(everything):
    other = everything.with_data(everything.observed * 1.1)
    u = np.full(6, 0.1)
    assert other.runner is everything.runner
    assert other.modelled(u).tolist() == everything.modelled(u).tolist()
    log = np.array([row.sigma_kind == "log" for row in everything.rows])
    moved = (everything.data_residuals(u) - other.data_residuals(u)) * everything.scales(u)
    assert moved[log] == pytest.approx(math.log(1.1) / np.array([row.sigma for row in everything.rows])[log])
    assert other.hash != everything.hash == everything.with_data(everything.observed).hash
    percent = Calibration(linear(), history(observation("p", 3.0, 300.0, unit="percent")), ["a"])
    assert percent.with_data(np.array([2.0])).rows[0].value == pytest.approx(200.0)


def test_data_that_cannot_be(everything):
    bad = everything.observed.copy()
    bad[[0, 5]] = -1.0, math.nan
    assert mistakes_of(lambda: everything.with_data(bad)) == (
        "x at 1: value -1, expected a number above 0, for its error is logarithmic",
        "log_x at 5: value nan, expected a number",
    )
    assert mistakes_of(lambda: everything.with_data(bad[:3])) == (
        "data of shape (3,), expected (9,): one figure a row",
    )


def test_the_hash_follows_all_that_decides_the_density():
    def problem(rows=ROWS, there=None, **changes):
        given = {"nuisance": [BIAS, BASE, SCALE], "conditions": [there or condition()], "bounds": BOUNDS}
        return Calibration(GROWS, history(*rows), ["rate", "ceiling"], **{**given, **changes}).hash

    renamed = [dataclasses.replace(ROWS[0], family="theirs"), *ROWS[1:]]
    known = [dataclasses.replace(ROWS[0], note="x", known="2001-01"), *ROWS[1:]]
    elsewhere = [dataclasses.replace(ELSEWHERE[0], value=1.2), ELSEWHERE[1]]
    others = [
        problem(renamed),
        problem(ROWS[::-1]),
        problem(bounds={}),
        problem(priors={"rate": LogNormal(1.0, 0.6)}),
        problem(nuisance=[BIAS, BASE, dataclasses.replace(SCALE, series="x")]),
        problem(there=condition(history=history(*elsewhere))),
        problem(there=condition(own={"ceiling": LogNormal(6.0, 0.5)})),
    ]
    assert len({problem(), *others}) == len(others) + 1
    assert problem(known) == problem()


# Mistakes


INDEX = ROWS[2]
CASES = [
    ({"rows": []}, "no row to fit: expected history rows of role 'fit' for this variant and date"),
    ({"free": ["rat"]}, "free parameter 'rat' is not in the model; did you mean 'rate'?"),
    ({"free": ["rate", "rate"]}, "free parameter 'rate' is listed more than once"),
    ({"priors": {"rat": LogNormal(1.0, 1.0)}}, "prior of 'rat', which is not free; did you mean 'rate'?"),
    ({"priors": {"rate": 1.0}}, "free parameter 'rate': needs a LogNormal or Normal prior"),
    ({"bounds": {"rat": (0, 1)}}, "bounds of 'rat', which is not free; did you mean 'rate'?"),
    ({"bounds": {"rate": (2, 1)}}, "bounds of 'rate': 2 and 1, expected low < high"),
    ({"bounds": {"rate": (-2, 0)}},
     "bounds of 'rate': -2 and 0, expected some within 4 prior standard deviations of 1"),
    ({"bounds": {"rate": (50, 60)}},
     "bounds of 'rate': 50 and 60, expected some within 4 prior standard deviations of 1"),
    ({"nuisance": [dataclasses.replace(BIAS, kind="bis", family="")]},
     "nuisance 'theirs_bias': kind 'bis', expected bias, base, noise_scale; did you mean 'bias'?"),
    ({"nuisance": [dataclasses.replace(SCALE, name="rate")]}, "noise_scale 'rate': the name is taken"),
    ({"nuisance": [dataclasses.replace(SCALE, prior=Normal(1.0, 1.0))]},
     "noise_scale 'scale': prior Normal(1, 1), expected a LogNormal"),
    ({"nuisance": [dataclasses.replace(SCALE, family="tst")]},
     "noise_scale 'scale': no fitted row of family 'tst' and series ''; did you mean 'test'?"),
    ({"nuisance": [dataclasses.replace(BASE, series="x")]},
     "base 'index_base': no fitted index row of family '' and series 'x'; did you mean 'x'?"),
    ({"rows": [observation("x", 1.0, 1.0, sigma_kind="absolute")],
      "nuisance": [dataclasses.replace(BIAS, family="test")]},
     "bias 'theirs_bias': multiplies, but x at 1 has an absolute error, expected sigma_kind 'log'"),
    ({"rows": [INDEX]}, "index index 2: an index needs a free base: a nuisance of kind 'base' for series 'index'"),
    ({"rows": [observation("xx", 1.0, 1.0)]}, "xx at 1: variable 'xx' is not in the model; did you mean 'x'?"),
    ({"rows": [observation("x / x / x", 1.0, 1.0)]},
     "x / x / x at 1: variable 'x / x / x', expected one name or a ratio of two"),
    ({"rows": [observation("x", -1.0, 1.0)]}, "x at -1: before the model's start, 0"),
    ({"rows": [observation("x", 1.05, 1.0, statistic="annual")]},
     "x annual 1.05: a year must begin a multiple of 0.125 after the model's start"),
    ({"rows": [observation("x", 1.0, 1.0, sigma=math.nan)]}, "x at 1: sigma nan, expected a number above 0"),
    ({"rows": [observation("x", 1.0, -1.0)]},
     "x at 1: value -1, expected a number above 0, for its error is logarithmic"),
    ({"rows": [observation("x", 1.0, 1.0, sigma_kind="logs")]},
     "x at 1: sigma_kind 'logs', expected 'log' or 'absolute'; did you mean 'log'?"),
    ({"conditions": [condition(name="u s")]}, "condition 'u s', expected a plain name such as 'us'"),
    ({"conditions": [condition(own={"ceilin": LogNormal(1.0, 1.0)})]},
     "there: its own 'ceilin' is not in the model; did you mean 'ceiling'?"),
    ({"conditions": [condition(own={"ceiling": 3.0})]},
     "there: its own 'ceiling': needs a LogNormal or Normal prior, found 3.0"),
    ({"conditions": [condition(model=explodes(), history=history(observation("x", 1.0, 1.0)), own={})]},
     "there: shared 'rate' is not in the model"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), CASES, ids=[case[1][:40] for case in CASES])
def test_mistakes_of_a_problem(changes, expected):
    given = {"rows": [ROWS[0]], "free": ["rate"], **changes}
    rows, names = given.pop("rows"), given.pop("free")
    assert mistakes_of(lambda: Calibration(GROWS, history(*rows), names, **given)) == (expected,)


def test_conditions_of_one_name():
    found = mistakes_of(lambda: Calibration(GROWS, history(*ROWS[:2]), ["rate"], conditions=[condition(), condition()]))
    assert set(found) == {"condition 'there': the name is taken"}


def test_all_mistakes_in_one_message():
    rows = [observation("xx", 1.0, 1.0), observation("x", 1.0, 1.0, unit="kg")]
    found = mistakes_of(lambda: Calibration(GROWS, history(*rows), ["rat"], bounds={"z": (1, 0)}))
    assert len(found) == 4


def test_derivatives_are_exact_or_differences():
    with pytest.raises(JevonsError, match="derivatives 'exat', expected 'exact' or 'differences'"):
        Calibration(GROWS, history(ROWS[0]), ["rate"], derivatives="exat")


def test_truth_has_the_highest_density_of_data_without_noise():
    rows = [observation("x", t, float(logistic_at(t)), sigma=1e-3) for t in (1.0, 4.0, 8.0)]
    problem = Calibration(GROWS, history(*rows), list(TRUTH))
    at = problem.coordinates(TRUTH)
    assert (problem.log_density(at) > problem.log_densities(at + 0.02 * np.vstack([np.eye(3), -np.eye(3)]))).all()
