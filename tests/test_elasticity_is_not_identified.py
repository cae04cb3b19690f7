"""The price elasticity of AI service: history does not tell it, and the test would notice if it did."""

from __future__ import annotations

import pytest

import jevons as jv


@pytest.fixture(scope="module")
def best(stored):
    problem = jv.open_problem("world")
    return jv.summarise(problem.calibration, stored.centre, (), 0)


def rise(best, name, values):
    """By how much the data's chi-square differs between refits with a parameter held."""
    held = [jv.refit(best, {name: x}) for x in values]
    assert all(h.converged for h in held)
    found = [h.chi2_data for h in held]
    return max(found) - min(found)


def test_the_profile_of_the_elasticity_is_flat(best):
    assert rise(best, "usage_price_elasticity", (0.5, 0.8, 1.2, 1.6)) < 2


def test_a_parameter_that_the_data_know_has_no_flat_profile(best):
    value = best.values["openai_share"]
    assert rise(best, "openai_share", (value / 2, value, 2 * value)) > 4


def test_the_data_alone_would_choose_no_stance(best):
    """Over the stances' medians, 0.5 to 1.3 for use, the likelihood ratio stays below three."""
    assert rise(best, "usage_price_elasticity", (0.5, 0.8, 1.3)) < 2 * 1.0986
