"""Natural experiments as likelihoods: density and simulation agree, known limits, weights that warn."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import kstest, norm

from jevons import CalibrationError
from jevons.inference.evidence import (
    EVIDENCE,
    ImportanceWeights,
    chosen,
    evidence_posterior,
    evidence_table,
    weights_for,
)
from jevons.inference.nuisances import BetaPrior, Setting, read_nuisances
from jevons.inference.price_events import FreeToPaidSwitches, PriceCuts, joint_log_likelihood, read_experiments
from jevons.inference.satiation import SHAPES, calibration_file, read_stances
from jevons.plot_evidence import plot_evidence

FAST = Setting(0.5, 1.0, 1.1)


@pytest.fixture(scope="module")
def experiments():
    return read_experiments()


@pytest.fixture(scope="module")
def cuts(experiments):
    return experiments[0]


@pytest.fixture(scope="module")
def switches(experiments):
    return experiments[1]


def power(eta, satiation, **more):
    columns = {"usage_price_elasticity": eta, "satiation": satiation, **more}
    return {n: np.atleast_1d(np.asarray(x, dtype=float)) for n, x in columns.items()}


# Density and simulation


@pytest.mark.parametrize("shape", SHAPES)
def test_price_cuts_simulated_have_a_uniform_pit(cuts, shape):
    drawn = read_stances()["central"].draw(shape, 4000, 11)
    setting = cuts.nuisances.draw(4000, np.random.default_rng(12))
    fixed = dataclasses.replace(cuts, nuisances=dataclasses.replace(cuts.nuisances, unrationed=(0.8, 0.8)))
    simulated = fixed.simulate(drawn, setting, np.random.default_rng(13))
    for k, event in enumerate(cuts.events):
        pit = cuts.cdf(event, simulated[:, k], 0.8 * cuts.expected(event, drawn, setting))
        assert kstest(pit, "uniform").pvalue > 0.01
        wrong = cuts.cdf(event, simulated[:, k] + 1.0 * event.se, 0.8 * cuts.expected(event, drawn, setting))
        assert kstest(wrong, "uniform").pvalue < 1e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_switches_simulated_have_a_uniform_pit(switches, shape):
    drawn = read_stances()["central"].draw(shape, 4000, 21)
    setting = switches.nuisances.draw(4000, np.random.default_rng(22))
    simulated = switches.simulate(drawn, setting, np.random.default_rng(23))
    for k, event in enumerate(switches.events):
        pit = switches.cdf(simulated[:, k], switches.expected(event, drawn, setting))
        assert kstest(pit, "uniform").pvalue > 0.01
        assert (
            kstest(switches.cdf(simulated[:, k] + 0.3, switches.expected(event, drawn, setting)), "uniform").pvalue
            < 1e-6
        )


def test_densities_are_the_derivatives_of_the_probabilities(cuts, switches):
    event = cuts.events[0]
    for low, high in ((-1.0, 0.5), (0.5, 3.0)):
        assert quad(lambda y: cuts.density(event, y, 0.6), low, high)[0] == pytest.approx(
            cuts.cdf(event, high, 0.6) - cuts.cdf(event, low, 0.6), rel=1e-7
        )
        assert quad(lambda y: switches.density(y, 1.2), low, high)[0] == pytest.approx(
            switches.cdf(high, 1.2) - switches.cdf(low, 1.2), rel=1e-7
        )


def test_the_likelihood_is_the_density_averaged_over_nuisances_drawn(cuts, switches):
    """Quadrature against plain Monte Carlo over everything shared."""
    rng = np.random.default_rng(5)
    n = 60_000
    for eta, satiation in ((0.6, 0.3), (1.5, 0.1)):
        many = power(np.full(n, eta), np.full(n, satiation), adoption_elasticity=np.full(n, 0.1))
        one = power(eta, satiation, adoption_elasticity=0.1)
        setting = cuts.nuisances.draw(n, rng)
        passed = rng.uniform(*cuts.nuisances.unrationed, n)
        product = np.ones(n)
        for event in cuts.events:
            product *= cuts.density(event, event.response, passed * cuts.expected(event, many, setting))
        assert np.exp(cuts.log_likelihood(one))[0] == pytest.approx(product.mean(), rel=0.03)
        product = np.ones(n)
        for event in switches.events:
            a = switches.expected(event, many, setting)
            if event.low == event.high:
                product *= switches.density(event.low, a)
            else:
                product *= switches.cdf(event.high, a) - switches.cdf(event.low, a)
        assert np.exp(switches.log_likelihood(one))[0] == pytest.approx(product.mean(), rel=0.05)


# Known limits


def test_a_price_cut_without_diversion_is_the_link_as_published(cuts):
    """D = 0, no immediate share: N(η (1 - exp(-h/τ)), se² + 0.35²), elasticity constant."""
    none = dataclasses.replace(cuts.nuisances, diversion=BetaPrior(1e-9, 1e-10), unrationed=(1.0, 1.0))
    event = dataclasses.replace(cuts.events[0], bias=0.0, weeks=13.0)
    experiment = PriceCuts((event,), none)
    found = experiment.given(power(0.9, 1e-7), Setting(0.6, 0.0, 1.1))[0]
    mean = 0.9 * (1 - math.exp(-13 / 52.178571 / 0.6))
    assert found == pytest.approx(norm.logpdf(event.response, mean, math.hypot(event.se, 0.35)), abs=1e-3)
    assert 1 - math.exp(-13 / 52.178571 / 0.6) == pytest.approx(0.34, abs=0.005)


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        (power(0.9, 0.3), lambda x: 0.9 * x**0.3 / 0.3),
        (
            {"usage_price_elasticity": np.array([0.9]), "nonmoney_cost_share": np.array([0.05])},
            lambda x: 0.9 * 1.05 * math.log((x + 0.05) / 0.05),
        ),
        (
            {n: np.array([x]) for n, x in zip(SHAPES["hump"], (1.2, 3.0, -1.5), strict=True)},
            lambda x: 4 * 3 * 1.2 / (1 + math.exp(-(math.log(x) + 1.5) / 3)),
        ),
    ],
)
def test_demand_at_price_zero(switches, given, limit):
    event = switches.events[0]
    assert switches.expected(event, given, FAST)[0] == pytest.approx(limit(event.price / 1.1))
    adopted = {**given, "adoption_elasticity": np.array([0.1])}
    extra = 0.1 / 0.64 * (event.price / 1.1) ** 0.64
    assert switches.expected(event, adopted, FAST)[0] == pytest.approx(limit(event.price / 1.1) + extra)


def test_demand_at_zero_is_at_least_what_was_seen(switches):
    """A cap hides demand: more demand than seen is less unlikely than less of it, by the cap's exponential."""
    event = dataclasses.replace(switches.events[0], low=2.2, high=2.2)
    bare = dataclasses.replace(switches.nuisances, elsewhere=BetaPrior(1e-9, 1e-10), cap_probability=1.0)
    capped = FreeToPaidSwitches((event,), bare)
    above, below = capped.density(2.2, 2.2 + 2.0), capped.density(2.2, 2.2 - 2.0)
    assert above > 10 * below
    open_route = FreeToPaidSwitches((event,), dataclasses.replace(bare, cap_probability=0.0))
    assert open_route.density(2.2, 4.2) == pytest.approx(norm.pdf(2.0, 0, 0.7))


def test_use_that_went_elsewhere_lowers_the_fall_of_demand(switches):
    a = np.linspace(0, 6, 601)
    most = a[np.argmax(switches.density(2.2, a))]
    none = dataclasses.replace(switches.nuisances, elsewhere=BetaPrior(1e-9, 1e-10), cap_probability=0.0)
    assert a[np.argmax(FreeToPaidSwitches(switches.events, none).density(2.2, a))] == pytest.approx(2.2)
    assert 0.9 < most < 2.0


def test_a_bound_is_a_probability(switches):
    event = dataclasses.replace(switches.events[0], low=2.4, high=math.inf)
    bound = FreeToPaidSwitches((event,), switches.nuisances)
    given = power([0.5, 2.0], [0.5, 0.1])
    found = np.exp(bound.given(given, FAST))
    assert found == pytest.approx(1 - switches.cdf(2.4, switches.expected(event, given, FAST)), rel=1e-3)
    assert found[0] < found[1] < 1


def test_a_slow_response_makes_free_offers_say_little(switches):
    """If nothing is immediate, two weeks of zero price do not bound the demand of years."""
    given = power([0.8, 0.8], [0.05, 0.3])
    fast = np.diff(switches.given(given, Setting(0.5, 1.0, 1.1)))[0]
    slow = np.diff(switches.given(given, Setting(1.0, 0.0, 1.1)))[0]
    assert fast > 10 * slow
    assert 0 < slow < 1


def test_a_response_time_given_is_not_integrated_over(cuts):
    given = power([0.9, 0.9], [0.05, 0.05])
    fixed = cuts.log_likelihood({**given, "usage_adjustment_time": np.array([0.05, 2.0])})
    free = cuts.log_likelihood(given)
    assert fixed[0] > free[0] > fixed[1]


# Weights


def test_no_evidence_is_the_prior():
    posterior = evidence_posterior("central", [], n=500)
    assert posterior.importance.weights == pytest.approx(np.full(500, 1 / 500))
    assert posterior.importance.log_evidence == 0
    assert posterior.importance.reliable


def test_importance_sampling_recovers_a_normal_posterior():
    """A likelihood of ln η alone: the posterior is normal in closed form, and so is the evidence."""

    class Measured:
        name = "measured"
        nuisances = read_nuisances()

        def given(self, parameters, setting):
            return norm.logpdf(np.log(parameters["usage_price_elasticity"]), 0.3, 0.4)

    z = np.random.default_rng(3).standard_normal(20_000)
    draws = pd.DataFrame({"usage_price_elasticity": np.exp(0.5 * z - 0.2), "satiation": 0.1})
    found = weights_for(draws, [Measured()])
    precision = 1 / 0.5**2 + 1 / 0.4**2
    mean = (-0.2 / 0.5**2 + 0.3 / 0.4**2) / precision
    logs = np.log(draws["usage_price_elasticity"])
    assert found.mean(logs) == pytest.approx(mean, abs=0.01)
    assert found.quantiles(logs, (0.5, 0.05)) == pytest.approx([mean, mean - 1.645 / math.sqrt(precision)], abs=0.02)
    assert found.log_evidence == pytest.approx(norm.logpdf(0.3, -0.2, math.hypot(0.5, 0.4)), abs=0.02)
    assert found.k_hat < 0.5 and found.reliable and 5_000 < found.ess < 20_000


def test_weights_with_a_long_tail_are_flagged_and_say_nothing(experiments):
    """The enthusiast's power shape does not reach the free offers."""
    posterior = evidence_posterior("enthusiast", chosen("free to paid", experiments), "power", 2000, 0)
    assert posterior.importance.k_hat > 0.7
    assert not posterior.importance.reliable
    assert np.isnan(posterior.importance.quantiles(posterior.parameters["satiation"])).all()


def test_draws_of_a_fitted_model_are_reweighted_by_their_total_elasticity(experiments):
    drawn = read_stances()["central"].draw("power", 1000, 2)
    own = weights_for(drawn, experiments)
    table = pd.DataFrame({n: drawn[n] for n in SHAPES["power"]})
    given = weights_for(table, experiments, total_elasticity=drawn["total_elasticity"])
    assert given.weights == pytest.approx(own.weights)
    assert weights_for(table, experiments).weights != pytest.approx(own.weights)


def test_draws_that_cannot_be_weighed(experiments):
    table = pd.DataFrame({"usage_price_elasticity": [1.0, np.nan], "satiation": [0.1, 0.1]})
    with pytest.raises(CalibrationError, match="usage_price_elasticity: not all values are finite"):
        weights_for(table, experiments)
    with pytest.raises(CalibrationError, match=r"total_elasticity has shape \(3,\), expected \(2,\)"):
        weights_for(table.fillna(1.0), experiments, total_elasticity=np.ones(3))
    with pytest.raises(CalibrationError, match="no shape"):
        weights_for({"satiation": [0.1]}, experiments)
    with pytest.raises(CalibrationError, match="did you mean 'central'"):
        evidence_posterior("centrall", experiments)
    with pytest.raises(CalibrationError, match="did you mean 'both'"):
        chosen("bothh", experiments)


def test_shared_nuisances_make_the_experiments_dependent(experiments):
    given = power([0.9], [0.2])
    joint = joint_log_likelihood(experiments, given)
    assert joint != pytest.approx(sum(e.log_likelihood(given) for e in experiments), abs=0.05)


def test_the_table(experiments):
    table = evidence_table({"central": read_stances()["central"]}, experiments, n=1000)
    assert table["evidence"].tolist() == list(EVIDENCE) * 3
    by = table.set_index(["shape", "evidence"])
    assert by.loc[("power", "none"), "median"] == pytest.approx(0.95, rel=0.04)
    assert by.loc[("power", "none"), "probability_above_one"] == pytest.approx(0.45, abs=0.04)
    assert (by["p05"] < by["median"]).all() and (by["median"] < by["p95"]).all()
    # free offers speak for satiation; price cuts of weeks hardly speak
    assert by.loc[("power", "free to paid"), "satiation_median"] > 2 * by.loc[("power", "none"), "satiation_median"]
    assert by.loc[("power", "price cuts"), "median"] == pytest.approx(by.loc[("power", "none"), "median"], rel=0.15)
    assert by.loc[("full_price", "both"), "log_evidence"] > by.loc[("power", "both"), "log_evidence"]
    assert evidence_table({"central": read_stances()["central"]}, experiments, n=1000).equals(table)


# Files


def test_events_are_read_as_they_stand(cuts, switches):
    luna = cuts.events[0]
    assert luna.name == "luna"
    assert luna.response == pytest.approx((math.log(13.8) - math.log(100.12 / 54.05)) / math.log(5), rel=1e-4)
    assert luna.se == pytest.approx(0.337 / math.log(5), rel=1e-4)
    grok = next(e for e in switches.events if e.name == "grok_41_fast")
    assert grok.low == grok.high == pytest.approx(math.log(1.783 / 0.2009))
    unused = pd.read_csv(calibration_file("events.csv", None)).query("use == 'no'")["event"]
    assert not set(unused) & {e.name for e in (*cuts.events, *switches.events)}


def test_diversion_is_what_the_events_say():
    """Share of the loss that others gained, from the control columns."""
    rows = pd.read_csv(calibration_file("events.csv", None)).set_index("event")
    grok = rows.loc["grok_41_fast"]
    gained = grok["control_after"] - grok["control_before"]
    lost = (grok["platform_before"] - grok["control_before"]) - (grok["platform_after"] - grok["control_after"])
    assert gained / lost == pytest.approx(0.29, abs=0.01)
    assert 1 - (grok["platform_before"] - grok["platform_after"]) / 1.6 == pytest.approx(0.12, abs=0.01)


def test_every_mistake_in_the_events_at_once(tmp_path):
    table = pd.read_csv(calibration_file("events.csv", None))
    table.loc[0, "status"] = "verifed"
    table.loc[1, "price_after"] = -1.0
    table.loc[3, "source"] = None
    file = tmp_path / "events.csv"
    table.to_csv(file, index=False)
    with pytest.raises(CalibrationError) as error:
        read_experiments(file)
    for mistake in (
        "luna: status 'verifed', expected one of verified, secondary; did you mean 'verified'",
        "gpt5_half_price: price_after -1.0, expected a positive number",
        "grok_41_fast: source is missing",
    ):
        assert mistake in str(error.value)
    table.rename(columns={"weeks": "week"}).to_csv(file, index=False)
    with pytest.raises(CalibrationError, match="column 'weeks' is missing; did you mean 'week'"):
        read_experiments(file)
    with pytest.raises(CalibrationError, match="cannot be read"):
        read_experiments(tmp_path / "none.csv")


def test_every_mistake_in_the_nuisances_at_once(tmp_path):
    text = calibration_file("priors.toml", None).read_text(encoding="utf-8")
    file = tmp_path / "priors.toml"
    file.write_text(text.replace("mean = 0.35, sd = 0.20", "mean = 1.35, sd = 0.20").replace("low = 0.7", "low = 1.7"))
    with pytest.raises(CalibrationError) as error:
        read_nuisances(file)
    assert "price_cut.diversion: mean 1.35, sd 0.2, expected those of a share" in str(error.value)
    assert "price_cut.unrationed: low 1.7 above high 1" in str(error.value)


def test_a_share_has_the_moments_given():
    points, weights = BetaPrior(0.35, 0.2).nodes(16)
    assert weights @ points == pytest.approx(0.35, abs=1e-3)
    assert math.sqrt(weights @ (points - 0.35) ** 2) == pytest.approx(0.2, abs=2e-3)


def test_picture(experiments, tmp_path):
    posteriors = {e: [evidence_posterior("central", chosen(e, experiments), s, 300) for s in SHAPES] for e in EVIDENCE}
    path = plot_evidence(posteriors, tmp_path / "evidence.png")
    assert path.stat().st_size > 20_000
    broken = ImportanceWeights(np.full(300, 1 / 300), 300.0, 0.9, 0.0)
    assert not broken.reliable
