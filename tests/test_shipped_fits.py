"""The shipped fits belong to the model and history of today, and meet what is asked of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import least_squares

import jevons as jv
from jevons import Calibration, LogNormal
from jevons.inference.config import shipped_fits
from jevons.inference.convergence import LARGEST_K_HAT, has_converged
from jevons.inference.fit import OUTSIDE, summarise

FITS = shipped_fits()
LARGEST_Z = {"world-main": 2.5}
ONE_FAMILY = ("world-older", "world-iea")
"""Readings with one family of estimates: the years that the other covers are free, and there is a second optimum."""
READINGS = ("world-main", "world-no_bias")
"""Fits of both families of sources, held against the record."""


def as_it_is_now(name):
    """A shipped fit with its calibration as it is now."""
    model, _, variant = name.rpartition("-")
    config = jv.read_config(model)
    calibration = config.calibration(jv.load(config.model, fit=None), config.read_history(), variant)
    return jv.shipped_fit(model, variant), calibration


@pytest.fixture(scope="module", params=FITS)
def shipped(request):
    return as_it_is_now(request.param)


@pytest.fixture(scope="module", params=READINGS)
def reading(request):
    stored, calibration = as_it_is_now(request.param)
    return calibration, calibration.model.with_values(stored.values).run(2005, 2036)


@pytest.fixture(scope="module")
def shipped_rows():
    return {name.rpartition("-")[2]: jv.shipped_fit(*name.split("-")).rows["modelled"] for name in READINGS}


def annual(run, variable, year):
    return run.annual_mean(variable, year)


def test_there_are_shipped_fits():
    assert set(READINGS) <= set(FITS)


def test_shipped_fits_belong_to_this_model_and_history(shipped):
    stored, calibration = shipped
    meta = stored.meta
    assert meta["model"] == calibration.model.name
    assert meta["model_hash"] == calibration.model.hash
    assert meta["history_hash"] == calibration.history.hash
    assert meta["problem_hash"] == calibration.hash
    assert meta["variant"] == calibration.label
    assert meta["known_until"] == ""
    assert stored.names == calibration.free
    assert calibration.model.with_values(stored.fixed).hash == calibration.model.hash
    stored.require(calibration.model)


def test_shipped_fits_are_good(shipped):
    stored, calibration = shipped
    meta = stored.meta
    name = f"{meta['model']}-{meta['variant']}"
    assert meta["free_parameters"] == len(stored.names) <= 45
    assert meta["rows"] == len(stored.rows) == len(calibration.rows) >= 45
    assert 0.5 <= meta["reduced_chi2"] <= 1.5
    assert meta["largest_z"] == stored.rows["z"].abs().max() <= LARGEST_Z.get(name, 2.8)
    one_family = name in ONE_FAMILY
    assert meta["largest_move_sd"] == np.abs(stored.centre).max() <= (2.5 if one_family else 2)
    assert meta["starts"] == len(stored.starts) >= 16
    best = stored.starts.loc[stored.starts["converged"], "final"].min()
    share = (stored.starts["final"] < best + 0.1).mean()
    assert share >= (0.25 if one_family or calibration.model.name == "world_hump" else 0.7)
    assert meta["share_of_starts_at_best"] == pytest.approx(share)
    assert best == pytest.approx(meta["chi2_data"] + meta["chi2_prior"] + meta["chi2_noise"], abs=1e-6)


def test_a_shipped_posterior_has_converged_if_it_says_so(shipped):
    stored, _ = shipped
    said = stored.meta["posterior"]
    table = stored.convergence
    assert set(stored.names) <= set(table["quantity"])
    if said["converged"]:
        moving = table[table["sd"] != 0]
        assert (moving["r_hat"] < 1.01).all()
        assert (moving[["ess_bulk", "ess_tail"]] > 400).all(axis=None)
        assert said["chains"] >= 4
    assert said["converged"] == (has_converged(table) and not said.get("k_hat", 0.0) > LARGEST_K_HAT)
    assert said["largest_r_hat"] == pytest.approx(table["r_hat"].max(), rel=1e-5)
    assert said["smallest_ess_bulk"] == pytest.approx(table["ess_bulk"].min(), rel=1e-5)


def test_shipped_rows_come_back(shipped):
    stored, calibration = shipped
    z = calibration.data_residuals(stored.centre)
    assert z == pytest.approx(stored.rows["z"].to_numpy(), abs=1e-5)
    assert stored.rows["variable"].tolist() == [r.variable for r in calibration.rows]
    assert float(z @ z) == pytest.approx(stored.meta["chi2_data"], rel=1e-6)
    assert stored.meta["chi2_prior"] == pytest.approx(float(stored.centre @ stored.centre), rel=1e-9)


def test_the_adaptive_run_has_the_shipped_rows(reading, shipped_rows):
    """The same figures by another method and another way to read them."""
    calibration, run = reading
    for row, modelled in zip(calibration.rows, shipped_rows[calibration.label], strict=True):
        if row.statistic == "annual":
            assert annual(run, row.variable, row.date) == pytest.approx(modelled, rel=1e-5), row.label
        if row.statistic == "at":
            assert run.at(row.variable, row.date) == pytest.approx(modelled, rel=1e-5), row.label


def test_the_shipped_point_is_an_optimum(shipped):
    stored, calibration = shipped
    u = stored.centre
    gradient = calibration.jacobian(u).T @ calibration.residuals(u)
    step = stored.covariance @ gradient
    assert gradient @ step < 0.02  # what one more step could gain
    fit = summarise(calibration, u, (), 0)
    assert fit.covariance == pytest.approx(stored.covariance, abs=1e-3)
    assert fit.effective_parameters == pytest.approx(stored.meta["effective_parameters"], rel=1e-3)


def test_shipped_draws_are_near_the_fit(shipped):
    stored, calibration = shipped
    positive = [isinstance(prior, LogNormal) for prior in calibration.priors]
    assert (stored.sample[:, positive] > 0).all()
    assert stored.meta["draws"] == len(stored.sample) >= 100
    if not stored.meta["posterior"]["converged"]:
        return  # few effective draws, or a second optimum: their spread is not claimed to be right
    assert len(stored.sample) >= 400
    u = np.array([calibration.coordinates(dict(zip(stored.names, x, strict=True))) for x in stored.sample])
    assert np.abs(np.median(u, axis=0) - stored.centre).max() < 1
    ratio = u.std(axis=0) / np.sqrt(np.diag(stored.covariance))
    assert 0.8 < np.median(ratio) < 1.25
    assert ((ratio > 0.5) & (ratio < 2.5)).all()


def test_world_electricity_is_that_of_the_record(reading):
    calibration, run = reading
    tolerance = 0.10 if calibration.label == "main" else 0.12
    measured = {
        2010: (annual(run, "dc_electricity_older_family", 2010), 194),
        2018: (annual(run, "dc_electricity_older_family", 2018), 205),
        2024: (annual(run, "dc_electricity", 2024), 415),
        2025: (annual(run, "dc_electricity", 2025), 485),
    }
    for year, (found, published) in measured.items():
        assert found == pytest.approx(published, rel=tolerance), year
    bias = math.exp(jv.shipped_fit("world", calibration.label).values["older_family_bias"])
    whole = run.at("cumulative_dc_electricity", 2011) - run.at("cumulative_dc_electricity", 2010)
    assert measured[2010][0] == pytest.approx(bias * whole, rel=1e-6)


def test_growth_is_that_of_the_record(reading):
    calibration, run = reading
    last = annual(run, "dc_electricity", 2025) / annual(run, "dc_electricity", 2024)
    assert last == pytest.approx(1.168, abs=0.03 if calibration.label == "main" else 0.05)
    flat = annual(run, "dc_electricity", 2019) / annual(run, "dc_electricity", 2015)
    assert flat <= 1.08
    assert annual(run, "conventional_demand", 2019) / annual(run, "conventional_demand", 2015) >= 2.3


def test_shipments_are_those_of_the_record(reading):
    run = reading[1]
    for date, published in ((2025.0, 6.6), (2026.0, 19.8)):
        since = run.at("cumulative_shipments", date) - run.at("cumulative_shipments", 2022.0)
        assert since == pytest.approx(published, rel=0.15)


@pytest.mark.parametrize("elasticity", [0.5, 1.5])
def test_history_does_not_tell_the_elasticity_of_use(world, history, stored, elasticity):
    """Fixed at half or at one and a half, the rest fits about as well: what the model says of backfire is a prior."""
    config = jv.read_config("world")
    names = [n for n in config.free if n != "usage_price_elasticity"]
    model = world.with_values({"usage_price_elasticity": elasticity})
    calibration = Calibration(model, history, names, variant="main")
    begin = calibration.coordinates(stored.values)
    before = float(np.sum(calibration.data_residuals(begin) ** 2))
    result = least_squares(
        calibration.residuals, begin, jac=calibration.jacobian, bounds=(-4, 4), xtol=1e-6, ftol=1e-6, max_nfev=60
    )
    data = result.fun[: len(calibration.rows)]
    assert result.status > 0
    assert abs(float(data @ data) - stored.meta["chi2_data"]) < 4
    assert before > float(data @ data)


def test_shipped_sources_are_those_of_the_model(shipped):
    stored, calibration = shipped
    told = {name: (p.status, p.source, p.unit) for name, p in calibration.model.parameters.items()}
    rows = [row for row in stored.parameters.itertuples() if row.status != OUTSIDE]
    assert {row.name: (row.status, row.source, row.unit) for row in rows} == told
