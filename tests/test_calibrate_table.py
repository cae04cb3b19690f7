"""Calibration of imported models to tables over time: recovery, what is compared with what, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from small import decay, observation

import jevons as jv
from jevons import table_fits
from jevons.cli_inference import calibrate as command
from jevons.elements import LogNormal, Normal
from jevons.errors import CalibrationError
from jevons.inference import observable
from jevons.inference.history import quoted
from jevons.inference.noise import LogNormalNoise, NormalNoise
from jevons.inference.table_history import table_calibration
from jevons.table_fits import calibrate, fitted_parameters, read_table, write_table_fit

TEACUP = """{UTF-8}
Characteristic Time= 10 ~ Minutes [1,50] ~ Time to cool by a factor e. |
"Heat/Loss"= (Teacup Temperature - Room Temperature)/Characteristic Time ~ Degrees/Minute ~ |
Room Temperature= 70 ~ Degrees Fahrenheit ~ |
Offset= -3 ~ Dmnl ~ |
Zero= 0 ~ Dmnl ~ |
Side: Left, Right ~~|
Share[Left]= 0.25 ~ Dmnl ~ |
Share[Right]= 0.75 ~ Dmnl ~ |
Heat[Side]= Share[Side]*Teacup Temperature + Offset*Zero ~ Degrees Fahrenheit ~ |
Teacup Temperature= INTEG (-"Heat/Loss", 180) ~ Degrees Fahrenheit ~ |
FINAL TIME = 30 ~ Minute ~ |
INITIAL TIME = 0 ~ Minute ~ |
SAVEPER = TIME STEP ~ Minute ~ |
TIME STEP = 0.5 ~ Minute ~ |
"""
TRUE = {"Room Temperature": 62.0, "Characteristic Time": 14.0}
FREE = list(TRUE)


@pytest.fixture(scope="module")
def teacup(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacup") / "teacup.mdl"
    path.write_text(TEACUP, encoding="utf-8")
    return jv.read_vensim(path)


def euler(date: float, room: float = 62.0, tau: float = 14.0, step: float = 0.5) -> float:
    """The teacup's temperature as Euler's method steps it, straight between steps."""

    def at(n: int) -> float:
        return room + (180 - room) * (1 - step / tau) ** n

    n = math.floor(date / step)
    return at(n) + (at(n + 1) - at(n)) * (date / step - n)


@pytest.fixture
def table():
    dates = np.arange(0, 31, 3.0)
    return pd.DataFrame({"Teacup Temperature": [euler(t) for t in dates]}, index=dates)


def test_what_made_the_data_is_recovered(teacup, table):
    fit = calibrate(teacup, table, FREE, sigma=0.01, starts=4, progress=False)
    assert fit.values == pytest.approx(TRUE, rel=1e-5)
    assert fit.chi2_data < 1e-3 and fit.failed_starts == 0
    again = teacup.with_values(fit.values).run()["Teacup Temperature"]
    assert np.allclose(again.loc[table.index], table["Teacup Temperature"], rtol=1e-5)
    found = jv.identifiability(fit)
    assert found.held == 2


def test_noise_as_large_as_its_sigma_leaves_the_truth_inside_the_interval(teacup, table):
    rng = np.random.default_rng(3)
    noisy = table + rng.normal(0, 1.5, table.shape)
    fit = calibrate(teacup, noisy, {"Room Temperature": (40, 100), "Characteristic Time": None}, sigma=1.5, starts=3)
    told = fitted_parameters(fit).set_index("name")
    for name, value in TRUE.items():
        assert told.loc[name, "low90"] < told.loc[name, "fitted"] < told.loc[name, "high90"]
        width = told.loc[name, "high90"] - told.loc[name, "low90"]
        assert abs(told.loc[name, "fitted"] - value) < width
    assert told.loc["Room Temperature", "model"] == 70 and told.loc["Room Temperature", "unit"] == "Degrees Fahrenheit"


def test_runs_are_those_of_the_file_and_dates_between_steps_lie_on_the_straight_line(teacup):
    dates = [0.0, 0.3, 1.0, 7.77, 29.9, 30.0]
    table = pd.DataFrame({"Teacup Temperature": np.full(6, 100.0)}, index=dates)
    problem = table_calibration(teacup.with_values(TRUE), table, FREE, sigma=1.0)
    modelled = problem.modelled(problem.coordinates(TRUE))
    assert modelled == pytest.approx([euler(t) for t in dates], rel=1e-12)
    fine = table_calibration(teacup, table, FREE, sigma=1.0, method="RK4", dt=0.125)
    exact = [62 + 118 * math.exp(-t / 14) for t in dates]
    on_steps = [i for i, t in enumerate(dates) if t % 0.125 == 0]
    assert fine.modelled(fine.coordinates(TRUE))[on_steps] == pytest.approx(np.array(exact)[on_steps], rel=1e-9)
    assert fine.hash != problem.hash


def test_derivatives_are_those_of_the_residuals(teacup, table):
    table["Heat/Loss"] = table["Teacup Temperature"] / 14
    problem = table_calibration(teacup, table, {"Room Temperature": (40, 100), "Characteristic Time": None})
    u, h = np.array([0.3, -0.2]), 1e-5
    found = problem.jacobian(u)
    for k in range(2):
        step = h * np.eye(2)[k]
        difference = (problem.residuals(u + step) - problem.residuals(u - step)) / (2 * h)
        assert found[:, k] == pytest.approx(difference, rel=1e-7, abs=1e-7)


def test_many_points_over_lanes_have_the_densities_of_single_ones(teacup, table):
    problem = table_calibration(teacup, table, FREE, sigma=5.0)
    points = np.random.default_rng(0).normal(0, 0.3, (5, 2))
    assert problem.log_densities(points) == pytest.approx([problem.log_density(u) for u in points], rel=1e-12)


def test_cells_without_a_number_are_no_observations(teacup, table):
    gaps = table.copy()
    gaps.iloc[[2, 5]] = math.nan
    gaps["Heat/Loss"] = math.nan
    gaps.loc[9.0, "Heat/Loss"] = 4.0
    problem = table_calibration(teacup, gaps, FREE, sigma=1.0)
    dates = [row.date for row in problem.rows if row.series == "Teacup Temperature"]
    assert dates == [t for t in table.index if t not in (6.0, 15.0)]
    assert [(row.variables, row.date, row.value) for row in problem.rows if row.series == "Heat/Loss"] == [
        (("Heat/Loss",), 9.0, 4.0)
    ]


def test_units_are_text_that_nothing_computes_with(teacup, table, monkeypatch):
    def refuse(*_: object) -> float:
        raise AssertionError("a unit was computed with")

    monkeypatch.setattr(observable, "convert", refuse)
    problem = table_calibration(teacup, table, FREE)
    assert {row.unit for row in problem.rows} == {"Degrees Fahrenheit"}
    assert problem.observed.tolist() == table["Teacup Temperature"].tolist()


def test_a_row_in_another_unit_is_refused(teacup):
    row = observation("Teacup Temperature", 3.0, 20.0, unit="Degrees Celsius")
    with pytest.raises(CalibrationError, match="unit 'Degrees Celsius', expected the model's own as it is written"):
        jv.Calibration(teacup, jv.History([row]), FREE, priors=dict.fromkeys(FREE, LogNormal(10, 1)))


def test_means_over_years_need_steps_that_meet_them(teacup):
    row = observation("Teacup Temperature", 3.0, 20.0, unit="Degrees Fahrenheit", statistic="annual")
    with pytest.raises(CalibrationError, match=r"steps of which 0\.125 is a multiple, found 0\.5"):
        jv.Calibration(teacup, jv.History([row]), FREE, priors=dict.fromkeys(FREE, LogNormal(10, 1)))


def test_what_is_assumed_is_said(teacup, table):
    problem = table_calibration(teacup, table, [*FREE, "Offset", "Zero"])
    assert problem.priors == [LogNormal(70, 1), LogNormal(math.sqrt(50), math.log(50) / 2), Normal(-3, 3), Normal(0, 1)]
    assert problem.bounds(math.inf)[0][1] == pytest.approx(-1) and problem.bounds(math.inf)[1][1] == pytest.approx(1)
    size = 0.1 * math.sqrt((table["Teacup Temperature"] ** 2).mean())
    assert [row.sigma for row in problem.rows] == pytest.approx([size] * len(table))
    notes = "\n".join(problem.notes)
    assert "'Room Temperature' LogNormal(median 70, sd of ln 1), about the model's value" in notes
    assert "within the model's limits, 1 to 50" in notes and "0.1 of the root mean square of its 11 values" in notes
    told = table_calibration(teacup, table, dict.fromkeys(FREE, (10, 90)), sigma=2.0)
    assert told.notes == () and told.priors == [Normal(50, 40)] * 2


def test_errors_and_priors_given_are_those_used(teacup, table):
    table["Heat/Loss"] = 5.0
    problem = table_calibration(
        teacup, table, {"Room Temperature": Normal(60, 5)}, relative=0.2,
        sigma={"Teacup Temperature": LogNormalNoise(0.05), "Heat/Loss": NormalNoise(0.5)},
    )  # fmt: skip
    kinds = {(row.series, row.sigma, row.sigma_kind) for row in problem.rows}
    assert kinds == {("Teacup Temperature", 0.05, "log"), ("Heat/Loss", 0.5, "absolute")}
    assert problem.priors == [Normal(60, 5)] and problem.notes == ()


def test_columns_as_programs_write_them(teacup, table, tmp_path):
    renamed = table.rename(columns={"Teacup Temperature": "teacup_temperature"})
    renamed['"Heat/Loss"'], renamed["Heat[ left ]"], renamed["Heat[Right] {Degrees}"] = 1.0, 2.0, 3.0
    found = table_calibration(teacup, renamed.rename_axis("Time (Minute)"), FREE)
    assert {row.variables for row in found.rows} == {
        ("Teacup Temperature",), ("Heat/Loss",), ("Heat[Left]",), ("Heat[Right]",)
    }  # fmt: skip
    flat = table.rename_axis("Time").reset_index()
    other = table_calibration(teacup, flat, FREE)
    assert [row.date for row in other.rows] == table.index.tolist()
    path = tmp_path / "export.tab"
    path.write_text("Time (Minute)\tTeacup Temperature\n0\t180\n3\t\n6\t140\n", encoding="utf-8")
    read = table_calibration(teacup, read_table(path), FREE)
    assert [(row.date, row.value) for row in read.rows] == [(0, 180), (6, 140)]
    ours = teacup.run().to_csv(tmp_path / "run.csv")
    assert read_table(ours)["Teacup Temperature"].equals(teacup.run().to_frame()["Teacup Temperature"])


def test_every_mistake_of_a_table_is_told_at_once(teacup, table):
    table["Teacup Temprature"], table["Offset"] = 1.0, 1.0
    table["Heat/Loss"] = ["x", *[1.0] * 9, math.inf]
    table["Heat[Left]"], table["Heat[Right]"] = 0.0, math.nan
    table.index = [*table.index[:-1], 31.0]
    with pytest.raises(CalibrationError) as error:
        table_calibration(
            teacup, table, {"Room Temperature": (3, 1), "Characteristic Time": "wide"},
            sigma={"Teacup Temperature": -1.0, "Roomy": 1.0}, relative=0.0,
        )  # fmt: skip
    expected = [
        "'Room Temperature': found (3, 1), expected (low, high)",
        "'Characteristic Time': found 'wide', expected (low, high)",
        "relative 0.0, expected a share above 0",
        "sigma of 'Roomy', which is no column to fit",
        "column 'Teacup Temprature' is no variable of the model; did you mean 'Teacup Temperature'?",
        "column 'Offset' is a parameter of the model: only what a run computes can be compared",
        "dates outside of the run, which goes from 0 to 30: 31",
        "sigma of 'Teacup Temperature': found -1.0, expected a number above 0",
        "column 'Heat/Loss' at 0: found 'x', expected a number",
        "column 'Heat/Loss' at 31: found inf, expected a number",
        "column 'Heat[Left]' is 0 throughout: give its error",
        "column 'Heat[Right]' holds no number",
    ]
    for text in expected:
        assert text in str(error.value)
    assert len(error.value.mistakes) == len(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.set_axis(["a", *t.index[1:]]), "date 'a', expected numbers in the model's unit of time"),
        (lambda t: t.set_axis([0.0, 0.0, *t.index[2:]]), "dates that stand there more than once: 0"),
        (lambda t: t.iloc[:0], "the table has no rows"),
        (lambda t: t[[]], "no column to fit"),
        (lambda t: pd.concat([t, t], axis=1), "column 'Teacup Temperature' stands there more than once"),
        (lambda t: t.assign(**{"TEACUP temperature": 1.0}), "are all 'Teacup Temperature'"),
    ],
)
def test_tables_that_are_none_are_refused(teacup, table, change, message):
    with pytest.raises(CalibrationError, match=message):
        table_calibration(teacup, change(table), FREE)


def test_a_logarithmic_error_needs_positive_values(teacup, table):
    table.iloc[0] = -1.0
    with pytest.raises(CalibrationError, match="a logarithmic error needs values above 0, found -1"):
        table_calibration(teacup, table, FREE, sigma=LogNormalNoise(0.1))


@pytest.mark.parametrize(
    ("free", "message"),
    [
        (["Room Temprature"], "is not in the model; did you mean 'Room Temperature'"),
        (["Heat/Loss"], "is not in the model: it is a flow"),
        (["Share"], r"it is an array, name its elements, such as 'Share\[Left\]'"),
        (["TIME STEP"], "holds the step or the end of a run"),
        ([], "no free parameter"),
    ],
)
def test_free_parameters_that_are_none_are_refused(teacup, table, free, message):
    with pytest.raises(CalibrationError, match=message):
        table_calibration(teacup, table, free)


def test_columns_may_be_chosen(teacup, table):
    table["notes"] = "text"
    problem = table_calibration(teacup, table, "Room Temperature", columns=["Teacup Temperature"])
    assert problem.free == ("Room Temperature",) and len(problem.rows) == len(table)
    with pytest.raises(CalibrationError, match="column 'note' is not in the table; did you mean 'notes'"):
        table_calibration(teacup, table, FREE, columns=["note"])


def test_models_that_are_built_are_calibrated_likewise():
    truth = decay(3.0).run(0, 6, every=1.0).to_frame()[["x"]]
    fit = calibrate(decay(2.0), truth, {"tau": (1, 20)}, sigma=0.001, starts=2, progress=False)
    assert fit.values["tau"] == pytest.approx(3.0, rel=1e-4)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=2)
)
def test_any_name_stands_for_itself_in_an_observation(names):
    names = [f"x{name.strip()}x" for name in names]
    row = observation(" / ".join(map(quoted, names)), 0.0, 1.0)
    assert row.variables == tuple(names)


def test_one_command_fits_and_writes(teacup, table, tmp_path):
    model, data, out = tmp_path / "teacup.mdl", tmp_path / "data.csv", tmp_path / "out"
    model.write_text(TEACUP, encoding="utf-8")
    table.assign(**{"Heat/Loss": [(euler(t) - 62) / 14 for t in table.index]}).rename_axis("time").to_csv(data)
    arguments = [str(model), str(data), "--free", "Room Temperature=40:100", "--free", "Characteristic Time"]
    options = ["--sigma", "Teacup Temperature=0.1", "--starts", "2", "--profile", "--out", str(out)]
    result = CliRunner().invoke(command, [*arguments, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "sigma of 'Heat/Loss'" in result.output and "22 rows" in result.output
    told = pd.read_csv(out / "parameters.csv").set_index("name")
    assert told["fitted"].to_dict() == pytest.approx(TRUE, rel=1e-3)
    rows = pd.read_csv(out / "rows.csv")
    assert np.allclose(rows["modelled"], rows["observed"], rtol=1e-3)
    ends = pd.read_csv(out / "intervals.csv").set_index("parameter")
    assert (ends["low"] < ends["best"]).all() and (ends["best"] < ends["high"]).all()
    run = jv.Trajectory.read_csv(out / "run.csv")
    assert run.at("Teacup Temperature", 3.0) == pytest.approx(euler(3.0), rel=1e-3)
    assert {"fit.png", "identifiability.csv", "profiles.csv", "Room Temperature.png"} <= {p.name for p in out.iterdir()}
    wrong = CliRunner().invoke(command, [str(model), str(data), "--free", "Room Temperature=4", "--out", str(out)])
    assert wrong.exit_code == 2 and "expected NAME, or NAME=LOW:HIGH" in wrong.output
    both = CliRunner().invoke(command, [*arguments, "--sigma", "1", "--sigma", "Heat/Loss=1", "--out", str(out)])
    assert both.exit_code == 2 and "give one number for all columns" in both.output


def test_a_figure_has_a_panel_for_each_of_the_columns_that_fit_worst(teacup, table, tmp_path, monkeypatch):
    table["Heat/Loss"], table["Heat[Left]"] = 5.0, table["Teacup Temperature"] / 4
    fit = calibrate(teacup, table, FREE, starts=2, progress=False)
    drawn = []
    whole = table_fits._panel
    monkeypatch.setattr(
        table_fits, "_panel", lambda ax, f, rows, name, *a: (drawn.append(name), whole(ax, f, rows, name, *a))
    )
    monkeypatch.setattr(table_fits, "MOST_PANELS", 1)
    written = write_table_fit(fit, tmp_path / "few")
    assert drawn == ["Heat/Loss"] and all(path.stat().st_size > 0 for path in written)
