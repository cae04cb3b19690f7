"""Other beliefs in the place of a fit's priors: weights, Bayes factors, and the table of P(R > 1)."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from jevons.models.market import m0
from scipy import stats

import jevons as jv
from jevons import CalibrationError, LogNormal, Normal, ReboundMeter
from jevons.inference import backfire
from jevons.inference.backfire import (
    AS_FITTED,
    backfire_table,
    distinct_draws,
    fitted_priors,
    log_density,
    rebounds_by_limit,
    reweight,
    verdict,
    weighted_quantiles,
)
from jevons.inference.config import CalibrationConfig, Variant

N = 40_000
BASE = LogNormal(0.8, 0.5)
POSTERIOR = LogNormal(0.7, 0.4)
NEW = LogNormal(1.1, 0.35)


def drawn(prior=POSTERIOR, n=N, seed=1):
    return prior.median * np.exp(prior.sd_log * np.random.default_rng(seed).standard_normal(n))


def moments(*terms):
    """Product of normal densities with exponents ±1: mean, sd and logarithm of its integral."""
    a = sum(sign / p.sd_log**2 for p, sign in terms)
    b = sum(sign * math.log(p.median) / p.sd_log**2 for p, sign in terms)
    c = sum(sign * (math.log(p.median) ** 2 / p.sd_log**2 + math.log(2 * math.pi * p.sd_log**2)) for p, sign in terms)
    return b / a, a**-0.5, 0.5 * (b * b / a - c + math.log(2 * math.pi / a))


def test_densities_are_those_of_scipy():
    x = np.array([0.1, 0.7, 3.0])
    assert log_density(BASE, x) == pytest.approx(stats.lognorm(0.5, scale=0.8).logpdf(x))
    assert log_density(Normal(-0.2, 0.3), x) == pytest.approx(stats.norm(-0.2, 0.3).logpdf(x))


def test_log_normal_reweighting_is_exact():
    """posterior × new/base is normal in the logarithm: its quantiles, tail and mass are known."""
    x = drawn()
    w = reweight({"eta": x}, {"eta": BASE}, {"eta": NEW})
    mean, sd, mass = moments((POSTERIOR, 1), (NEW, 1), (BASE, -1))
    assert w.weights.sum() == pytest.approx(1)
    assert w.reliable and w.k_hat < 0.5
    assert w.log_bayes_factor == pytest.approx(mass, abs=0.02)
    wanted = np.exp(mean + sd * stats.norm.ppf([0.5, 0.05, 0.95]))
    assert w.quantiles(x, (0.5, 0.05, 0.95)) == pytest.approx(wanted, rel=0.01)
    assert w.probability_above_one(x) == pytest.approx(stats.norm.sf(-mean / sd), abs=0.01)
    second = moments((POSTERIOR, 1), (NEW, 2), (BASE, -2))[2]
    assert w.ess == pytest.approx(N * math.exp(2 * mass - second), rel=0.05)


def test_two_parameters_are_weighed_together():
    a, b = drawn(seed=1), drawn(LogNormal(0.05, 0.8), seed=2)
    base = {"eta": BASE, "sat": LogNormal(0.05, 1.0)}
    both = reweight({"eta": a, "sat": b}, base, {"eta": NEW, "sat": LogNormal(0.1, 0.7)})
    one = reweight({"eta": a, "sat": b}, base, {"eta": NEW})
    other = reweight({"eta": a, "sat": b}, base, {"sat": LogNormal(0.1, 0.7)})
    product = one.weights * other.weights
    assert both.weights == pytest.approx(product / product.sum())
    assert both.log_bayes_factor == pytest.approx(one.log_bayes_factor + other.log_bayes_factor, abs=0.05)


def test_the_fits_own_prior_changes_nothing():
    x = drawn(n=500)
    w = reweight({"eta": x}, {"eta": BASE}, {"eta": BASE})
    assert w.weights == pytest.approx(np.full(500, 1 / 500))
    assert (w.ess, w.log_bayes_factor) == (pytest.approx(500), pytest.approx(0))
    assert w.verdict == "none"
    assert w.probability_above_one(x) == pytest.approx(np.mean(x > 1))


def test_a_draw_that_occurs_twice_counts_once():
    x = np.repeat(drawn(n=300), 2)
    w = reweight({"eta": x}, {"eta": BASE}, {"eta": BASE})
    assert w.ess == pytest.approx(300)
    assert reweight({"eta": x[:10]}, {"eta": BASE}, {}).reliable  # nothing is weighed
    assert distinct_draws({"eta": x, "other": np.arange(600.0)}, w.weights) == pytest.approx(600)


@pytest.mark.parametrize(
    ("sample", "new"),
    [(drawn(n=2000), LogNormal(40.0, 0.1)), (drawn(n=60), BASE)],
    ids=["a prior far from all draws", "too few draws"],
)
def test_unreliable_weights_give_no_figure(sample, new):
    w = reweight({"eta": sample}, {"eta": BASE}, {"eta": new})
    assert not w.reliable
    assert math.isnan(w.probability_above_one(sample))
    assert np.isnan(w.quantiles(sample, (0.5, 0.05))).all()
    assert math.isnan(w.log_bayes_factor) and w.verdict == "not reliable"


def test_a_heavy_tail_is_unreliable_whatever_the_sample_size(monkeypatch):
    monkeypatch.setattr(backfire, "SMALLEST_ESS", 0.0)
    x = drawn(LogNormal(0.8, 0.3), n=4000)
    w = reweight({"eta": x}, {"eta": LogNormal(0.8, 0.3)}, {"eta": LogNormal(0.8, 0.9)})
    assert w.k_hat > 0.7 and not w.reliable


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1, "none"), (2.99, "none"), (3.01, "for, positive"), (19.9, "for, positive"), (20.1, "for, strong"),
        (151, "for, very strong"), (1 / 2.99, "none"), (1 / 3.01, "against, positive"),
        (1 / 151, "against, very strong"),
        (math.nan, "not reliable"),
    ],
)  # fmt: skip
def test_verdicts(factor, said):
    assert verdict(math.log(factor)) == said


def test_weighted_quantiles():
    assert weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0]), (0.25, 0.625, 0.875)) == [1, 2, 3]
    x = np.random.default_rng(0).standard_normal(20_001)
    assert weighted_quantiles(x, np.ones(x.size), (0.05, 0.5)) == pytest.approx(np.quantile(x, (0.05, 0.5)), abs=1e-3)


def test_mistakes():
    x = {"eta": drawn(n=50)}
    with pytest.raises(CalibrationError, match="'etta' has no draws; did you mean 'eta'"):
        reweight(x, {"etta": BASE}, {"etta": NEW})
    with pytest.raises(CalibrationError, match="'eta' has no prior in the fit"):
        reweight(x, {}, {"eta": NEW})
    with pytest.raises(CalibrationError, match="found a draw of -1, expected more than 0"):
        reweight({"eta": np.array([1.0, -1.0])}, {"eta": Normal(0.0, 1.0)}, {"eta": NEW})


# The table

STANCES = {"low": {"eta": LogNormal(0.5, 0.4)}, "high": {"eta": NEW}}
SPEEDS = {"weak": {"sat": LogNormal(0.03, 0.8)}, "strong": {"sat": LogNormal(0.12, 0.8)}}


def tabulated(rebound, limit="as fitted"):
    sample = {"eta": drawn(n=8000, seed=3), "sat": drawn(LogNormal(0.06, 0.7), n=8000, seed=4)}
    base = {"eta": BASE, "sat": LogNormal(0.05, 1.0)}
    paths = {("gain", limit): rebound(sample)}
    return backfire_table(paths, (1.0, 5.0), sample, base, STANCES, SPEEDS)


def test_backfire_by_belief():
    """R = eta/(20 sat)^0.3 after 5 years: each cell is a normal tail that is known."""
    table = tabulated(lambda s: np.column_stack([np.full(len(s["eta"]), 0.5), s["eta"] * (20 * s["sat"]) ** -0.3]))
    table = table.set_index(["horizon_years", "stance", "satiation"]).sort_index()
    assert len(table) == 2 * 5
    assert (table.loc[1.0, "probability_backfire"] == 0).all() and (table.loc[1.0, "rebound"] == 0.5).all()
    for stance, eta in STANCES.items():
        for speed, sat in SPEEDS.items():
            m1, s1, z1 = moments((POSTERIOR, 1), (eta["eta"], 1), (BASE, -1))
            m2, s2, z2 = moments((LogNormal(0.06, 0.7), 1), (sat["sat"], 1), (LogNormal(0.05, 1.0), -1))
            mean, sd = m1 - 0.3 * (m2 + math.log(20)), math.hypot(s1, 0.3 * s2)
            row = table.loc[5.0, stance, speed]
            assert row["probability_backfire"] == pytest.approx(stats.norm.sf(-mean / sd), abs=0.03)
            assert math.log(row["rebound"]) == pytest.approx(mean, abs=0.03)
            assert math.log(row["p05"]) == pytest.approx(mean - 1.645 * sd, abs=0.06)
            assert math.log(row["p95"]) == pytest.approx(mean + 1.645 * sd, abs=0.06)
            assert row["log_bayes_factor"] == pytest.approx(z1 + z2, abs=0.05)
            assert row["reliable"] and row["undefined_share"] == 0
    chance = table["probability_backfire"].loc[5.0]
    assert chance["low", "strong"] < chance["low", "weak"] < chance["high", "weak"]
    assert chance["low", "strong"] < chance[AS_FITTED, AS_FITTED] < chance["high", "weak"]


def test_undefined_rebounds():
    def rebound(sample):
        n = len(sample["eta"])
        some, most = np.arange(n) % 4 == 0, np.arange(n) % 4 != 0
        return np.column_stack([np.where(some, np.nan, 2.0), np.where(most, np.nan, 2.0)])

    table = tabulated(rebound, "lifted")
    few, many = table[table["horizon_years"] == 1], table[table["horizon_years"] == 5]
    assert few["undefined_share"].to_numpy() == pytest.approx(0.25, abs=0.05)
    assert few["probability_backfire"].to_numpy() == pytest.approx(1.0)
    assert many[["probability_backfire", "rebound", "p05", "p95"]].isna().all(axis=None)
    assert set(table["power_limit"]) == {"lifted"}


def test_a_lifted_limit_replaces_the_draws_value():
    model = m0()
    gain = jv.shock(model, "algorithm", 10.0, 1.0)
    meter = ReboundMeter(model, [gain], 1.0, [5.0, 120.0])
    samples = [{"elasticity": 0.5, "energy_intensity": 8.0}, {"elasticity": 1.5, "energy_intensity": 8.0}]
    low, high = 0.24025307, 3.40253073
    own = rebounds_by_limit(meter, samples, ["algorithm"], [120.0, 5.0], {})["algorithm"]
    assert own.shape == (2, 2)
    assert own[:, 0] == pytest.approx([low, high], abs=1e-5)
    lifted = rebounds_by_limit(meter, samples, ["algorithm"], [120.0], {"elasticity": 1.5})["algorithm"]
    assert lifted[:, 0] == pytest.approx([high, high], abs=1e-5)
    failed = rebounds_by_limit(meter, samples, ["algorithm"], [120.0], {"elasticity": math.nan})["algorithm"]
    assert np.isnan(failed).all()


def test_priors_of_a_fit(world, stored):
    """The variant's priors come before the calibration's, and those before the model's."""
    config = jv.read_config("world")
    found = fitted_priors(config, world, stored)
    assert list(found) == list(stored.names)
    assert found["satiation"] == world.parameters["satiation"].prior
    assert found["older_family_bias"] == world.parameters["older_family_bias"].prior
    wide = dataclasses.replace(stored, meta={**stored.meta, "variant": "wide_bias"})
    assert fitted_priors(config, world, wide)["older_family_bias"] == Normal(0.0, 0.2)
    own = CalibrationConfig(
        "world", stored.names, 1, 1, 1.0, 1, {"main": Variant("main", "")}, priors={"satiation": NEW}
    )  # fmt: skip
    assert fitted_priors(own, world, stored)["satiation"] == NEW
    nameless = dataclasses.replace(stored, names=("unknown",))
    with pytest.raises(CalibrationError, match="found no prior of its parameter 'unknown'"):
        fitted_priors(config, world, nameless)
