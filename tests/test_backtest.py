"""Rolling backtests: what is held out, calibrated bands, other predictors, interruption; predictive checks."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from small import flow, observation, parameter, stock, v

import jevons as jv
from jevons import CalibrationError, HistoryError, LogNormal, Model, Roles
from jevons.inference.baselines import (
    COLUMNS,
    Extrapolation,
    Forecast,
    compare,
    extrapolations,
    known_levels,
    read_forecasts,
)
from jevons.inference.config import CalibrationConfig, Variant
from jevons.inference.history import History
from jevons.inference.predictive import predict, predictive_checks
from jevons.inference.rolling import rolling_backtest
from jevons.plot_backtest import origins_figure


def growing():
    """x = x0 exp(g t) from 2000, with its own total, and y that x empties."""
    given = [stock("x", v.x0, log=True), flow("growth", v.g * v.x, target="x")]
    given += [stock("y", 4.0), flow("sink", v.g * v.x, source="y")]
    total = [stock("total", 0.0, unit="yr"), flow("use", v.x, unit="1", target="total")]
    rates = [
        parameter("g", 0.1, "1/yr", prior=LogNormal(0.1, 0.5), status="fitted"),
        parameter("x0", 100.0, prior=LogNormal(100.0, 0.5), status="fitted"),
    ]
    roles = Roles(energy="use", cumulative_energy="total", efficiencies={}, services={})
    return Model("growing", [*given, *total, *rates], start=2000.0, roles=roles)


GROWING = growing()
CONFIG = CalibrationConfig("growing", ("g", "x0"), 4, 1, 1.0, 20, {"main": Variant("main", "")})


def level(year, rate=0.08, noise=0.0, **changes):
    """The mean over a year of 90 exp(rate t), known in the March after."""
    value = 90 * math.exp(rate * (year - 2000) + noise) * math.expm1(rate) / rate
    given = {"known": f"{year + 1}-03", "series": "energy", "statistic": "annual", "sigma": 0.05, "family": "ours"}
    return observation("x", float(year), value, **{**given, **changes})


STEADY = History([level(year) for year in range(2002, 2015)], "test")


def laplace(n=200, seed=0):
    """Draws of the Gauss-Newton covariance, quick and exact for what is nearly linear."""

    def draw(fit):
        rng = np.random.default_rng(seed)
        u = rng.multivariate_normal(fit.u, fit.covariance, n)
        return np.array([fit.calibration.natural(row) for row in u])

    return draw


def backtested(rows=STEADY, origins=("2006-12", "2010-12"), **options):
    given = {"level": "energy", "sample": laplace(), "sampler": "laplace", "starts": 2, "progress": False}
    return rolling_backtest(GROWING, History(rows, "test"), CONFIG, origins, **{**given, **options})


# What is held out, and what is said of it


def test_steady_growth_is_predicted_from_every_origin():
    result = backtested()
    early, late = result.origins
    assert (int(early.fit["rows"]), int(late.fit["rows"])) == (4, 8)  # 2002-2005, known by March 2006
    assert early.held_out["date"].tolist() == [float(y) for y in range(2006, 2015)]
    assert np.abs(early.held_out["error"]).max() < 0.06
    assert np.abs(late.held_out["error"]).max() < np.abs(early.held_out["error"]).max()
    assert (late.held_out["p95"] / late.held_out["p05"]).max() < (early.held_out["p95"] / early.held_out["p05"]).max()
    summary = result.summary({"energy": ["energy"], "none": ["other"]}, (2012, 2013)).set_index("origin")
    assert summary["coverage_90"].tolist() == [1.0, 1.0]
    assert summary["energy_rows"].tolist() == [9, 5]
    assert summary["none_rows"].tolist() == [0, 0]
    assert math.isnan(summary.loc["2010-12", "none_coverage_90"])
    assert summary.loc["2010-12", "growth_2012_2013_error"] == pytest.approx(0.0, abs=0.01)
    assert summary.loc["2010-12", "crps_log"] < summary.loc["2006-12", "crps_log"]
    assert summary.loc["2010-12", "log_score"] > summary.loc["2006-12", "log_score"]


def test_the_path_is_that_of_the_model():
    origin = backtested(origins=("2010-12",)).origins[0]
    assert origin.years.tolist() == list(range(2000, 2015))
    truth = np.log(90 * np.exp(0.08 * (origin.years - 2000)) * math.expm1(0.08) / 0.08)
    assert np.log(origin.path[2]) == pytest.approx(truth, abs=0.03)
    assert (np.diff(origin.path, axis=0) > 0).all()
    assert origin.growth[2] == pytest.approx(0.08, abs=5e-3)
    # about the fitted years the band is hardly more than the error of a published figure
    assert math.log(origin.path[4, 5] / origin.path[0, 5]) == pytest.approx(2 * 1.645 * 0.05, rel=0.25)


def test_a_break_is_missed_and_shown():
    rows = [level(year) for year in range(2002, 2010)]
    rows += [level(year, 0.16, sigma=0.02) for year in range(2010, 2015)]
    result = backtested(rows, origins=("2010-12",))
    summary = result.summary(growth=(2012, 2013)).iloc[0]
    assert summary["coverage_90"] == 0.0
    assert summary["in_sample_90"] == 1.0
    assert summary["growth_2012_2013_error"] == pytest.approx(-0.08, abs=0.01)
    assert summary["log_score"] < -5
    table = compare(result, History(rows), "1").set_index("predictor")
    assert table.loc["12 %/yr", "rms_log_error"] < table.loc["model", "rms_log_error"]
    assert table.loc["12 %/yr", "skill_of_model"] < 0 < table.loc["flat", "skill_of_model"]


def test_bands_of_a_true_model_cover_their_share():
    """Noise of the stated size, over many histories: 50 and 90 % of the held-out rows are inside."""
    rng = np.random.default_rng(7)
    inside = []
    for k in range(25):
        rows = [level(year, noise=0.05 * rng.standard_normal()) for year in range(2002, 2015)]
        origin = backtested(rows, origins=("2008-12",), sample=laplace(120, k), starts=1).origins[0]
        inside.append(origin.held_out[["inside_50", "inside_90"]].mean())
    found = pd.DataFrame(inside).mean()
    assert found["inside_50"] == pytest.approx(0.5, abs=0.13)
    assert found["inside_90"] == pytest.approx(0.9, abs=0.07)


def test_later_knowledge_of_the_past_is_held_out():
    rows = [*STEADY, level(2003, known="2013-01", source="later")]
    origin = backtested(rows, origins=("2010-12",)).origins[0]
    assert 2003.0 in origin.held_out["date"].tolist()
    assert (origin.rows["date"] == 2003.0).sum() == 2


def test_origins_together_count_every_row_at_each():
    result = backtested()
    pooled = result.pooled(["2006-12", "2010-12"])
    assert pooled["held_out"] == 9 + 5
    assert pooled["coverage_90"] == 1.0
    with pytest.raises(CalibrationError, match="origin '2011-12', expected one of 2006-12, 2010-12"):
        result.pooled(["2011-12"])


def test_a_value_without_a_logarithm_scores_as_impossible():
    rows = [level(2003), observation("y", 2005.0, 3.0, known="2010-01")]
    calibration = jv.Calibration(GROWING, History(rows), ["g"])
    values = np.array([[1e-6], [2e-6], [0.5]])
    table = predict(calibration, values).table().set_index("variable")
    assert table["undefined"].tolist() == [0.0, pytest.approx(1 / 3)]
    assert table.loc["y", "log_score"] == pytest.approx(
        math.log(2 / 3) - math.log(0.1 * math.sqrt(2 * math.pi)) - (math.log(4 / 3) / 0.1) ** 2 / 2, abs=0.02
    )


def test_backtests_that_cannot_be():
    with pytest.raises(CalibrationError) as raised:
        backtested(origins=("2010", "1999-12", "2030-12", "2010-12", "2010-12"))
    assert raised.value.mistakes == (
        "origin '2010', expected a month such as '2023-12'",
        "origin 1999-12: no row to fit, the first became known 2003-03",
        "origin 2030-12: no row to predict, all 13 were known by then",
        "origin 2010-12 is given more than once",
    )
    with pytest.raises(CalibrationError, match=r"sample gave draws of shape \(3, 1\), expected \(draws, 2\)"):
        backtested(sample=lambda fit: np.ones((3, 1)))
    with pytest.raises(CalibrationError, match="1 of 1 draws ran, expected at least 2"):
        backtested(sample=lambda fit: np.array([[0.1, 100.0]]))


# Interruption


def test_an_interrupted_backtest_goes_on_where_it_was(tmp_path):
    calls = []

    def dying(fit):
        calls.append(fit.calibration.until)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return laplace()(fit)

    origins = ("2006-12", "2008-12", "2010-12")
    with pytest.raises(KeyboardInterrupt):
        backtested(origins=origins, folder=tmp_path, sample=dying)
    file = tmp_path / "backtest-main.jsonl"
    assert [json.loads(line).get("origin") for line in file.read_text().splitlines()[1:]] == ["2006-12"]
    with file.open("a") as stream:
        stream.write('{"origin": "2008-12", "fit"')  # torn by the kill
    again = backtested(origins=origins, folder=tmp_path, sample=dying, resume=True)
    assert calls == ["2006-12", "2008-12", "2008-12", "2010-12"]
    whole = backtested(origins=origins)
    for found, expected in zip(again.origins, whole.origins, strict=True):
        pd.testing.assert_frame_equal(found.rows, expected.rows, check_dtype=False)
        assert found.path.tolist() == expected.path.tolist()


def test_another_backtest_is_not_gone_on_with(tmp_path):
    backtested(origins=("2010-12",), folder=tmp_path)
    with pytest.raises(CalibrationError, match="sampler: found 'laplace', expected 'other'"):
        backtested(origins=("2010-12",), folder=tmp_path, sampler="other", resume=True)
    with pytest.raises(CalibrationError, match="holds 1 finished records"):
        backtested(origins=("2010-12",), folder=tmp_path)


# Other predictors


def test_extrapolations_of_known_levels():
    levels = known_levels(backtested(origins=("2010-12",)).origins[0], STEADY, "energy", "1")
    assert [date for date, _, _ in levels] == [float(y) for y in range(2002, 2010)]
    flat, last, twelve = extrapolations(levels)
    assert flat.centre(2014) == pytest.approx(math.log(levels[-1][1]))
    assert last.rate == pytest.approx(0.08)
    assert math.exp(twelve.centre(2011) - twelve.centre(2010)) == pytest.approx(1.12)
    assert twelve.error(2012.0) == pytest.approx(math.hypot(0.05, 3 * 0.07))
    assert extrapolations([]) == []
    assert [e.name for e in extrapolations(levels[:1])] == ["flat", "12 %/yr"]


def test_where_too_little_is_fitted_others_levels_are_taken():
    others = [level(2000, role="hold-out", known="2001-01", source="other", unit="percent")]
    fitted = [level(2002), level(2003, known="2003-06"), level(2003, rate=0.09, source="revised"), level(2006)]
    rows = History([*others, *fitted])
    early, late = backtested(rows, origins=("2003-05", "2004-12")).origins
    found = known_levels(early, rows, "energy", "1")
    assert [d for d, _, _ in found] == [2000.0, 2002.0]
    assert found[0][1:] == pytest.approx((others[0].value / 100, 0.05))
    found = known_levels(late, rows, "energy", "1")
    assert [d for d, _, _ in found] == [2002.0, 2003.0]
    assert found[1][1] == level(2003, rate=0.09).value  # the newer of two


def test_the_table_beside_other_predictors():
    forecasts = [
        forecast(published="2010-05", year=2014, value=200.0, base_year=2009, base_value=150.0),
        forecast(published="2011-01", year=2014, value=200.0),
        forecast(published="2010-01", use="growth", base_year=2000, base_value=1.0, year=2013, value=2.0, region="US"),
        forecast(published="2010-01", use="listed", year=2013),
    ]
    table = compare(backtested(origins=("2010-12",)), STEADY, "1", forecasts, (2012, 2013)).set_index("predictor")
    assert table["rows"].tolist() == [4, 4, 4, 4, 4, 3]
    last = level(2009).value
    errors = [math.log(last / level(y).value) for y in range(2011, 2015)]
    assert table.loc["flat", "rms_log_error"] == pytest.approx(math.sqrt(np.mean(np.square(errors))))
    assert table.loc["flat", "growth_error"] == pytest.approx(-0.08, abs=1e-6)
    assert table.loc["last growth (8.3 %/yr)", "rms_log_error"] == pytest.approx(0.0, abs=1e-9)
    own = [math.log(150 * (200 / 150) ** ((y - 2009) / 5) / level(y).value) for y in range(2011, 2015)]
    (name,) = [n for n in table.index if n.startswith("someone (2010-05)")]
    assert table.loc[name, "mean_log_error"] == pytest.approx(np.mean(own))
    assert math.isnan(table.loc[name, "log_score"])
    grown = [math.log(last * 2 ** ((y - 2009) / 13) / level(y).value) for y in range(2011, 2014)]
    assert table.loc["someone (2010-01, US, growth only), to 2013", "crps_log"] == pytest.approx(np.mean(np.abs(grown)))
    model = table.loc["model"]
    assert table.loc["flat", "skill_of_model"] == pytest.approx(1 - model["crps_log"] / table.loc["flat", "crps_log"])


def test_extrapolations_are_scored_as_normal():
    """One level, one year on: the closed forms."""
    rows = [level(2002), level(2003, rate=0.1)]
    table = compare(backtested(rows, origins=("2003-12",), sample=laplace(50)), History(rows), "1")
    flat = table[table["predictor"] == "flat"].iloc[0]
    assert flat["rows"] == 0  # 2003 is no year after the origin
    result = backtested([*rows, level(2004)], origins=("2003-12",))
    flat = compare(result, History(rows), "1").set_index("predictor").loc["flat"]
    sd = math.sqrt(2 * 0.05**2 + (2 * 0.07) ** 2)
    z = math.log(level(2002).value / level(2004).value) / sd
    assert flat["log_score"] == pytest.approx(-(z**2) / 2 - math.log(sd * math.sqrt(2 * math.pi)))
    assert Extrapolation("flat", 2002.0, 1.0, 0.05, 0.0).error(2004.0) == pytest.approx(math.hypot(0.05, 0.14))


def forecast(**changes):
    given = dict.fromkeys(("base_year", "base_value", "low", "high"), math.nan)
    given |= {"published": "2010-01", "region": "World", "scope": "all", "use": "level", "year": 2014.0, "value": 9.0}
    given |= {"unit": "1", "source": "someone: a report", "url": "", "status": "yes", "note": ""}
    return Forecast(**{**given, **changes})


def test_a_forecast_speaks_only_of_its_years():
    bound = forecast(base_year=2010.0, base_value=8.0, year=2012.0, value=32.0)
    assert bound.at(2011, None, "1") == pytest.approx(16.0)
    assert math.isnan(bound.at(2013, None, "1"))
    assert math.isnan(bound.at(2009, None, "1"))
    point = forecast(unit="percent")
    assert point.at(2014, None, "1") == pytest.approx(0.09)
    assert math.isnan(point.at(2013, None, "1"))


def test_forecasts_are_read_with_every_mistake(tmp_path):
    file = tmp_path / "forecasts.csv"
    line = ["2024-01", "World", "all", "level", "", "", "2030", "945", "", "", "TWh/yr", "IEA", "", "yes", ""]
    bad = [
        {"published": "2024"},
        {"use": "levels"},
        {"value": "much"},
        {"value": "-1"},
        {"use": "growth"},
    ]
    rows = [",".join({**dict(zip(COLUMNS, line, strict=True)), **change}.values()) for change in [{}, *bad]]
    file.write_text("\n".join([",".join(COLUMNS), *rows]))
    with pytest.raises(HistoryError) as raised:
        read_forecasts(file)
    assert raised.value.mistakes == (
        "line 3: published '2024', expected a month such as 2024-01",
        "line 4: use 'levels', expected one of level, growth, listed; did you mean 'level'?",
        "line 5: value 'much', expected a number",
        "line 6: needs a year, a value above 0 and a source",
        "line 7: a forecast used for its growth needs base_year before year, and base_value",
    )
    file.write_text("\n".join([",".join(COLUMNS), rows[0]]))
    assert read_forecasts(file)[0].at(2030, None, "TWh/yr") == 945
    file.write_text("published,value\n2024-01,3")
    with pytest.raises(HistoryError, match="missing region, scope, use"):
        read_forecasts(file)
    with pytest.raises(HistoryError, match="cannot be read"):
        read_forecasts(tmp_path / "none.csv")


def test_shipped_forecasts_can_be_read():
    from pathlib import Path

    import calibration

    found = read_forecasts(Path(calibration.__file__).parent / "forecasts.csv")
    assert {"LBNL 2016", "IEA 2019", "IEA 2024", "IEA 2025"} <= {f.source.split(":")[0] for f in found}
    assert all(f.use != "level" or f.region == "World" for f in found)


def test_the_figure_is_drawn(tmp_path):
    forecasts = [forecast(published="2009-01", base_year=2008.0, base_value=150.0, value=200.0)]
    path = origins_figure(backtested(), STEADY, tmp_path / "figure.png", "1", forecasts, "Energy")
    assert path.read_bytes()[:4] == b"\x89PNG"


# Predictive checks


def checked(noise_sd, sigma, seed=3):
    rng = np.random.default_rng(seed)
    rows = [level(year, noise=noise_sd * rng.standard_normal(), sigma=sigma) for year in range(2001, 2041)]
    calibration = jv.Calibration(GROWING, History(rows), ["g", "x0"], variant="main")
    fit = jv.fit(calibration, starts=2, progress=False)
    return predictive_checks(calibration, laplace(100)(fit), lags=(1, 2))


def test_checks_of_a_true_model():
    found = checked(0.05, 0.05)
    assert found.coverage_90 == pytest.approx(0.9, abs=0.1)
    assert found.coverage_50 == pytest.approx(0.5, abs=0.2)
    assert 0.05 < found.p_discrepancy < 0.95
    assert found.discrepancy == pytest.approx(40, abs=20)
    assert found.failed == 0
    (line,) = found.theil.to_dict("records")
    assert (line["n"], line["scale"], line["weak"]) == (40, "ln", False)
    assert line["bias"] + line["variance"] + line["covariance"] == pytest.approx(1.0)
    assert found.autocorrelation["lag"].tolist() == [1, 2]
    assert found.autocorrelation["white"].tolist() == [True, True]


def test_checks_see_errors_that_are_stated_wrong():
    assert checked(0.05, 0.015).p_discrepancy < 1e-3
    wide = checked(0.05, 0.25)
    assert wide.p_discrepancy > 0.99
    assert wide.coverage_90 == 1.0


def test_checks_see_residuals_that_hang_together():
    rows = [level(year, noise=0.1 * math.sin(year / 3)) for year in range(2001, 2041)]
    calibration = jv.Calibration(GROWING, History(rows), ["g", "x0"], variant="main")
    found = predictive_checks(calibration, laplace(50)(jv.fit(calibration, starts=2, progress=False)))
    assert found.autocorrelation.iloc[0]["autocorrelation"] > 0.7
    assert found.autocorrelation["white"].tolist() == [False]
