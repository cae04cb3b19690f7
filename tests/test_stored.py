"""Fits on disk: what comes back, what belongs together, and which model they are of."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w
import xarray as xr
from small import flow, observation, parameter, stock, v
from small_calibrations import free, history, linear

import jevons as jv
from jevons import Calibration, CalibrationError, Condition, LogNormal, Model, Normal, Nuisance
from jevons.inference.convergence import convergence_table
from jevons.inference.fit import OUTSIDE, parameter_table, summarise
from jevons.inference.posterior import Posterior
from jevons.inference.stored import FORMAT, StoredFit

COMMAND = 'jevons fit "linear" \\ now'
FILES = (
    "fit.toml", "parameters.csv", "rows.csv", "starts.csv", "covariance.csv", "convergence.csv", "posterior.csv",
)  # fmt: skip


def posterior_of(fit, chains=4, draws=50):
    """Draws of the Gauss-Newton normal, as a sampler gives them."""
    rng = np.random.default_rng(7)
    root = np.linalg.cholesky(fit.covariance)
    u = fit.u + rng.standard_normal((chains, draws, fit.u.size)) @ root.T
    table = convergence_table({n: u[:, :, k] for k, n in enumerate(fit.names)})
    return Posterior(fit.calibration, fit.names, u, {}, table, "normal", 7, {"k_hat": 0.1})


@pytest.fixture(scope="module")
def posterior(linear_fit):
    return posterior_of(linear_fit)


@pytest.fixture(scope="module")
def kept(tmp_path_factory, linear_fit, posterior):
    folder = tmp_path_factory.mktemp("kept") / "deep" / "fit"
    return jv.save_fit(linear_fit, posterior, folder, fixed={"d": 0.25}, draws=40, command=COMMAND)


@pytest.fixture
def folder(kept, tmp_path):
    """A copy that a test may spoil."""
    return Path(shutil.copytree(kept, tmp_path / "copy"))


def refused(folder: Path) -> str:
    with pytest.raises(CalibrationError) as raised:
        jv.load_fit(folder)
    (mistake,) = raised.value.mistakes
    assert str(folder) in str(raised.value)
    return mistake


# What comes back


def test_a_fit_is_read_as_it_was_written(kept, linear_fit):
    stored = jv.load_fit(kept)
    assert isinstance(stored, StoredFit)
    assert stored.names == linear_fit.names
    assert stored.centre.tolist() == linear_fit.u.tolist()
    assert stored.covariance.tolist() == linear_fit.covariance.tolist()
    assert stored.values == {**linear_fit.values, "d": 0.25}
    assert stored.rows["z"].tolist() == linear_fit.z.tolist()
    assert stored.rows["observed"].tolist() == linear_fit.calibration.observed.tolist()
    assert stored.parameters["unit"].tolist() == ["1"] * len(linear_fit.calibration.model.parameters)
    assert len(stored.starts) == len(linear_fit.starts)
    assert stored.waterfall().equals(linear_fit.waterfall())


def test_the_record_of_a_fit_says_where_it_comes_from(kept, linear_fit, posterior):
    meta = jv.load_fit(kept).meta
    calibration = linear_fit.calibration
    assert meta["format"] == FORMAT
    assert (meta["model"], meta["model_hash"]) == ("linear", calibration.model.hash)
    assert (meta["history_hash"], meta["problem_hash"]) == (calibration.history.hash, calibration.hash)
    assert (meta["seed"], meta["command"], meta["known_until"]) == (linear_fit.seed, COMMAND, "")
    assert (meta["rows"], meta["free_parameters"], meta["draws"]) == (5, 3, 40)
    assert meta["chi2_data"] == linear_fit.chi2_data
    assert meta["posterior"]["method"] == "normal"
    assert meta["posterior"]["converged"] is posterior.converged
    assert meta["posterior"]["largest_r_hat"] == posterior.summary()["largest_r_hat"]
    assert meta["posterior"]["k_hat"] == 0.1
    assert "fixed" not in meta


def test_draws_come_back_to_eight_digits_and_evenly_from_every_chain(kept, linear_fit, posterior):
    stored = jv.load_fit(kept)
    every = np.linspace(0, 49, 10).astype(int)
    natural = np.array([linear_fit.calibration.natural(u) for u in posterior.u[:, every].reshape(-1, 3)])
    assert stored.sample.tolist() == [[float(f"{x:.8g}") for x in row] for row in natural]
    assert stored.sample.tolist() != natural.tolist()
    table = pd.read_csv(kept / "posterior.csv", comment="#")
    assert table["chain"].tolist() == np.repeat(range(4), 10).tolist()


def test_the_netcdf_holds_the_same_draws_with_units_and_origin(kept, linear_fit):
    stored = jv.load_fit(kept)
    with xr.open_dataset(kept / "posterior.nc", engine="h5netcdf") as data:
        drawn = np.column_stack([data[n] for n in stored.names])
        assert drawn == pytest.approx(stored.sample, rel=1e-7)
        assert [data[n].attrs["units"] for n in stored.names] == ["1"] * 3
        assert data["chain"].to_numpy().tolist() == np.repeat(range(4), 10).tolist()
        for key in ("model", "model_hash", "history_hash", "problem_hash", "seed", "code_version", "numpy"):
            assert data.attrs[key] == stored.meta[key]
        assert data.attrs["method"] == "normal"


def test_the_table_of_convergence_comes_back(kept, posterior):
    stored = jv.load_fit(kept).convergence
    assert stored["quantity"].tolist() == ["a", "b", "c"]
    for column in ("r_hat", "ess_bulk", "ess_tail"):
        assert stored[column].to_numpy() == pytest.approx(posterior.table[column].to_numpy(), rel=1e-5)


def test_draws_hold_what_is_fixed_and_no_more_are_given_than_stored(kept):
    stored = jv.load_fit(kept)
    assert [list(d) for d in stored.draws(2)] == [["d", "a", "b", "c"]] * 2
    assert len(stored.draws()) == 40
    assert stored.draws(1)[0]["d"] == 0.25
    with pytest.raises(CalibrationError, match="asked for 41, stored are 40"):
        stored.draws(41)


def test_a_fitted_value_is_never_hidden_by_one_that_is_held(tmp_path, linear_fit, posterior):
    """A calibration file may give a value to what is free: the fit and its draws speak."""
    stored = jv.load_fit(jv.save_fit(linear_fit, posterior, tmp_path, fixed={"a": 99.0}))
    assert stored.values["a"] == linear_fit.values["a"]
    assert all(d["a"] != 99.0 for d in stored.draws())


def test_draws_without_chains_and_none_at_all_can_be_saved(tmp_path, linear_fit):
    draws = jv.randomised_draws(linear_fit, 5, seed=1, progress=False)
    stored = jv.load_fit(jv.save_fit(linear_fit, draws, tmp_path / "some", draws=3))
    assert stored.sample == pytest.approx(np.array([linear_fit.calibration.natural(u) for u in draws.u[:3]]), rel=1e-7)
    assert stored.meta["posterior"] == {"method": "randomised maximum likelihood", "converged": False, "failed": 0}
    none = jv.load_fit(jv.save_fit(linear_fit, jv.randomised_draws(linear_fit, 0, progress=False), tmp_path / "none"))
    assert none.sample.shape == (0, 3)
    assert none.draws() == []
    assert none.fixed == {}
    assert none.convergence.empty


# What belongs together


@pytest.mark.parametrize("name", FILES)
def test_a_fit_with_a_file_missing_or_spoilt_is_refused(folder, name):
    content = (folder / name).read_text(encoding="utf-8")
    (folder / name).write_text("", encoding="utf-8")
    assert refused(folder).startswith("cannot be read: ")
    (folder / name).unlink()
    assert name in refused(folder)
    (folder / name).write_text(content, encoding="utf-8")
    jv.load_fit(folder)


@pytest.mark.parametrize(
    ("key", "found"),
    [("seed", "seed = 3"), ("model_hash", "model_hash"), ("problem_hash", "problem_hash"), ("variant", "variant")],
)  # fmt: skip
def test_draws_of_another_fit_are_refused_with_the_difference(folder, key, found):
    path = folder / "posterior.csv"
    text = path.read_text(encoding="utf-8")
    line = next(x for x in text.splitlines() if x.startswith(f"# {found}"))
    path.write_text(text.replace(line, f"# {key} = 'other'"), encoding="utf-8")
    assert f"{key}: 'other' in posterior.csv, " in refused(folder)


def test_draws_that_were_cut_off_are_refused(folder):
    path = folder / "posterior.csv"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    assert refused(folder) == "cannot be read: 39 draws in posterior.csv, 40 in fit.toml"


@pytest.mark.parametrize(
    ("name", "old", "new"), [("covariance.csv", "\nb,", None), ("posterior.csv", ",a,", ",e,")]
)  # fmt: skip
def test_tables_of_other_parameters_are_refused(folder, name, old, new):
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    lines = text.splitlines(keepends=True)
    path.write_text("".join(x for x in lines if not x.startswith("b,")) if new is None else text.replace(old, new, 1))
    assert refused(folder).startswith("cannot be read: ")


@pytest.mark.parametrize("found", [None, 0, FORMAT + 1])
def test_another_format_is_refused_and_says_what_to_do(folder, found):
    meta = dict(jv.load_fit(folder).meta)
    del meta["format"]
    (folder / "fit.toml").write_text(tomli_w.dumps({**meta, **({} if found is None else {"format": found})}))
    assert refused(folder) == f"cannot be read: format {found!r}, expected {FORMAT}: make it again"


# Which model it is of


@pytest.fixture(scope="module")
def stored(tmp_path_factory, linear_fit, posterior):
    return jv.load_fit(jv.save_fit(linear_fit, posterior, tmp_path_factory.mktemp("stored")))


def differences(stored, model):
    with pytest.raises(CalibrationError) as raised:
        stored.require(model)
    assert f"the fit is of 'linear' {stored.meta['model_hash']}, not of {model.hash}" in str(raised.value)
    return raised.value.mistakes


def test_the_model_that_was_fitted_is_accepted(stored):
    stored.require(linear())
    reworded = linear().parameters["a"]
    stored.require(linear().with_elements([type(reworded)(**{**vars(reworded), "source": "elsewhere"})]))


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("c", {"prior": LogNormal(4.0, 1.0)}, "'c': centre of the prior 5 in the fit, 4 in the model"),
        ("c", {"prior": LogNormal(5.0, 2.0)}, "'c': width of the prior 1 in the fit, 2 in the model"),
        ("c", {"prior": Normal(5.0, 1.0)}, "'c': prior LogNormal in the fit, Normal in the model"),
        ("c", {"prior": None, "status": "measured"}, "'c': prior LogNormal in the fit, none in the model"),
    ],
)  # fmt: skip
def test_another_prior_is_named(stored, name, changes, expected):
    model = linear()
    old = model.parameters[name]
    assert expected in differences(stored, model.with_elements([type(old)(**{**vars(old), **changes})]))


def scaled(value=2.0, unit="yr", **more):
    """x = a, and a parameter that is not free."""
    growth = flow("growth", v.x / v.tau, target="x")
    return Model("scaled", [stock("x", v.a), growth, free("a", 1.0), parameter("tau", value, unit), *more.values()])


@pytest.fixture(scope="module")
def of_scaled(tmp_path_factory):
    fit = jv.fit(Calibration(scaled(), history(observation("x", 1.0, 2.0)), ["a"]), starts=2, progress=False)
    return jv.load_fit(jv.save_fit(fit, posterior_of(fit), tmp_path_factory.mktemp("scaled")))


def test_another_value_is_named_and_the_value_of_what_is_free_does_not_matter(of_scaled):
    with pytest.raises(CalibrationError) as raised:
        of_scaled.require(scaled(3.0))
    assert raised.value.mistakes == ("'tau': 2 in the fit, 3 in the model",)


def test_another_unit_and_parameters_that_came_or_went_are_named(of_scaled):
    model = scaled(2.0, "yr", extra=parameter("extra", 1.0))
    with pytest.raises(CalibrationError) as raised:
        of_scaled.require(model)
    assert raised.value.mistakes == ("'extra' is in the model and not in the fit",)
    growth = flow("growth", v.x / v.year, target="x")
    given = [parameter("year", 1.0, "yr"), parameter("a", 1.0, "1*yr/yr", prior=LogNormal(1.0, 0.5), status="fitted")]
    other = Model("scaled", [stock("x", v.a), growth, *given])
    with pytest.raises(CalibrationError) as raised:
        of_scaled.require(other)
    assert set(raised.value.mistakes) == {
        "'year' is in the model and not in the fit",
        "'tau' is in the fit and not in the model",
        "'a': unit '1' in the fit, '1*yr/yr' in the model",
    }


def test_another_equation_is_told_from_another_parameter(of_scaled):
    growth = flow("growth", 2 * v.x / v.tau, target="x")
    other = Model("scaled", [stock("x", v.a), growth, free("a", 1.0), parameter("tau", 2.0, "yr")])
    with pytest.raises(CalibrationError, match="no parameter differs, so equations, initial values, tables"):
        of_scaled.require(other)


# What is free outside the model


@pytest.fixture(scope="module")
def two_places(tmp_path_factory):
    """A fit with a bias, a scale of noise, a condition with its own parameter, and a prior of the calibration's."""
    rows = [observation("x", t, 1.1 * math.exp(t / 2), family="old" if t < 2 else "new") for t in (1.0, 2.0, 3.0)]
    nuisance = [
        Nuisance("old_bias", "bias", Normal(0.0, 0.1), "a guess", family="old"),
        Nuisance("new_scale", "noise_scale", LogNormal(1.0, 0.3), "another", family="new"),
    ]
    there = Condition("there", scaled(), history(observation("x", 1.0, 3.0)), {"tau": LogNormal(2.0, 0.4)})
    calibration = Calibration(
        scaled(), history(*rows), ["a"], priors={"a": LogNormal(1.2, 0.3)}, nuisance=nuisance, conditions=[there]
    )
    fit = jv.fit(calibration, starts=2, progress=False)
    return fit, jv.save_fit(fit, posterior_of(fit), tmp_path_factory.mktemp("two_places"))


def test_nuisances_and_a_conditions_own_parameter_survive(two_places):
    fit, folder = two_places
    stored = jv.load_fit(folder)
    assert stored.names == fit.names == ("a", "there.tau", "old_bias", "new_scale")
    assert stored.centre.tolist() == fit.u.tolist()
    table = stored.parameters.set_index("name")
    outside = table[table["status"] == OUTSIDE]
    assert outside["value"].to_dict() == {n: fit.values[n] for n in fit.names[1:]}
    assert outside["unit"].to_dict() == {"there.tau": "yr", "old_bias": "1", "new_scale": "1"}
    assert (outside.loc["old_bias", "source"], outside.loc["old_bias", "prior"]) == ("a guess", "Normal")
    assert stored.sample.shape == (200, 4)
    with xr.open_dataset(folder / "posterior.nc", engine="h5netcdf") as data:
        assert data["there.tau"].attrs["units"] == "yr"


def test_they_are_no_values_of_the_model(two_places):
    stored = jv.load_fit(two_places[1])
    assert list(stored.values) == ["a"]
    assert all(list(d) == ["a"] for d in stored.draws())
    scaled().with_values(stored.values)
    stored.require(scaled())


def test_the_table_shows_the_prior_that_was_used(two_places):
    fit, folder = two_places
    row = jv.load_fit(folder).parameters.set_index("name").loc["a"]
    assert (row["prior_median"], row["prior_sd_log"], row["prior_of"]) == (1.2, 0.3, "calibration")
    assert row["value"] == pytest.approx(1.2 * math.exp(0.3 * row["moved_sd"]))
    assert parameter_table(fit).set_index("name").loc["tau", "prior_of"] == "model"


# A fit in a folder, by the name of its model


def test_a_model_takes_the_values_of_a_fit_in_a_folder(tmp_path):
    bass = jv.load("bass")
    adopters = bass.with_values({"imitation": 0.6}).run(0, 6).at("adopters", 5.0)
    unit = bass.unit("adopters")
    calibration = Calibration(bass, history(observation("adopters", 5.0, adopters, unit=unit)), ["imitation"])
    fit = summarise(calibration, np.array([0.9]), (), 0)
    jv.save_fit(fit, posterior_of(fit), tmp_path / "mine")
    loaded = jv.load("bass", fit=str(tmp_path / "mine"))
    assert loaded.values["imitation"] == pytest.approx(fit.values["imitation"], rel=1e-15)
    assert loaded.values["imitation"] != bass.values["imitation"]
    with pytest.raises(CalibrationError, match="the fit is of 'bass'"):
        jv.load("wright", fit=str(tmp_path / "mine"))
