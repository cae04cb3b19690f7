"""Scenarios: the changes they make, the dates they take, and what they say of a mistake."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jevons.models.market import m0
from small import decay, driver, flow, parameter, stock, v

from jevons import Change, Model, Parameter, Scenario, ScenarioError, load, load_scenario, read_scenario
from jevons.integrate import break_points, compile_model, parameter_vector
from jevons.scenario import change_values, decimal_year, shipped_scenarios, wrap

SMALL = decay(2.0)


def driven():
    """A stock that a driver fills: x' = outside."""
    points = ((0, 1.0), (5, 1.0), (10, 3.0))
    given = [stock("x", 0), flow("inflow", v.outside / v.year, target="x")]
    return Model("driven", [*given, driver("outside", points), parameter("year", 1.0, "yr")])


def observed(change, name="tau", model=None, dates=(0.0, 1.0, 3.0, 8.0)):
    """Values of a changed quantity at dates: those of an element that equals it."""
    changed = Scenario("test", {name: change}).apply(model or SMALL)
    end = max(dates)
    run = changed.run(0, end, every=0.5)
    rate = run["x"] / run["outflow"]
    return [float(rate.loc[d]) for d in dates]


def mistakes(scenario, model=SMALL):
    with pytest.raises(ScenarioError) as raised:
        scenario.check(model)
    with pytest.raises(ScenarioError):
        scenario.apply(model)
    return raised.value.mistakes


def one_mistake(change, name="tau"):
    (mistake,) = mistakes(Scenario("test", {name: change}))
    return mistake


# What changes do


def test_a_change_can_end():
    change = Change(factor=3.0, at=2.0, until=4.0)
    assert observed(change, dates=(1.0, 2.0, 3.5, 4.0, 8.0)) == pytest.approx([2, 6, 6, 2, 2], rel=1e-12)
    slow = Change(value=5.0, at=2.0, until=4.0, adjustment_time=1.0)
    expected = [2, 2 + 3 * (1 - math.exp(-1)), 2, 2]
    assert observed(slow, dates=(2.0, 3.0, 4.0, 8.0)) == pytest.approx(expected, rel=1e-12)


def test_a_value_in_another_unit_is_converted():
    months = Change(value=18.0, unit="month", at=2.0)
    assert observed(months) == pytest.approx([2.0, 2.0, 1.5, 1.5], rel=1e-12)
    whole = Scenario("x", {"tau": Change(value=18.0, unit="month")})
    assert whole.apply(SMALL).values["tau"] == pytest.approx(1.5, rel=1e-12)
    assert whole.flat(SMALL).changes["tau"].unit is None


def test_a_background_holds_in_every_run():
    scenario = Scenario(
        "x", {"energy_intensity": Change(factor=2.0)}, background={"reference_demand": Change(factor=3)}
    )
    model = m0(0.5, 2.0)
    base, whole = scenario.apply_background(model), scenario.apply(model)
    assert (base.values["reference_demand"], base.values["energy_intensity"]) == (3e6, 8.0)
    assert (whole.values["reference_demand"], whole.values["energy_intensity"]) == (3e6, 16.0)
    both = Scenario("x", {"tau": Change(factor=2.0)}, background={"tau": Change(factor=3.0)})
    assert mistakes(both) == ("'tau' is in changes and in background",)


def test_no_change_is_the_model_itself():
    assert Scenario("nothing").apply(SMALL).hash == SMALL.hash


def test_undated_change_holds_from_the_start():
    model = m0(0.5, 2.0)
    changed = Scenario("x", {"reference_demand": Change(factor=3.0), "energy_intensity": Change(value=2.0)}).apply(
        model
    )
    assert isinstance(changed["reference_demand"], Parameter)
    assert changed.values["reference_demand"] == 3e6
    assert changed.values["energy_intensity"] == 2.0
    # the initial stock, which uses the parameter, changes with it
    assert changed.run(0, 1).at("capacity", 0.0) == pytest.approx(3 * model.run(0, 1).at("capacity", 0.0))
    assert changed.values["elasticity"] == model.values["elasticity"]


def test_dated_change_leaves_the_past_alone():
    change = Change(factor=3.0, at=2.0)
    assert observed(change) == pytest.approx([2.0, 2.0, 6.0, 6.0], rel=1e-12)
    system = compile_model(Scenario("test", {"tau": change}).apply(SMALL))
    model = Scenario("test", {"tau": change}).apply(SMALL)
    assert break_points(system, parameter_vector(model, system, None), 10.0).tolist() == [2.0]


def test_dated_change_by_value():
    assert observed(Change(value=5.0, at=2.0)) == pytest.approx([2.0, 2.0, 5.0, 5.0], rel=1e-12)


def test_dated_change_is_solved_exactly():
    run = Scenario("x", {"tau": Change(factor=4.0, at=1.3)}).apply(decay(2.0)).run(0, 6)
    assert run.at("x", 6.0) == pytest.approx(math.exp(-1.3 / 2 - 4.7 / 8), rel=1e-8)


@settings(max_examples=20, deadline=None)
@given(
    factor=st.floats(0.05, 50.0),
    at=st.floats(0.0, 4.0),
    time=st.floats(0.05, 5.0),
    by_value=st.booleans(),
)
def test_a_change_spreads_by_the_formula(factor, at, time, by_value):
    change = Change(value=2 * factor, at=at, adjustment_time=time)
    if not by_value:
        change = Change(factor=factor, at=at, adjustment_time=time)
    dates = (0.0, 1.0, 3.0, 8.0)
    share = [1 - math.exp(-(t - at) / time) if t >= at else 0.0 for t in dates]
    if by_value:
        expected = [2 + (2 * factor - 2) * s for s in share]
    else:
        expected = [2 * factor**s for s in share]
    # dates closer than a nanoyear are one date
    assert observed(change, dates=dates) == pytest.approx(expected, rel=1e-6)


def test_a_tenth_of_the_logarithm_after_one_time_is_e():
    """The definition in the shipped scenario: after one adjustment time e^-1 of the logarithm is missing."""
    (_, value, _, _) = observed(Change(factor=10.0, at=0.0, adjustment_time=1.0))
    assert value == pytest.approx(2 * 10 ** (1 - math.exp(-1)), rel=1e-9)


def test_several_changes_at_their_own_dates():
    changes = {"tau": Change(factor=2.0, at=1.0), "initial": Change(value=7.0)}
    given = [stock("x", v.initial), flow("outflow", v.x / v.tau, source="x"), parameter("initial", 1.0)]
    model = Model("two", [*given, parameter("tau", 2.0, "yr")])
    run = Scenario("x", changes).apply(model).run(0, 3)
    assert run.at("x", 3.0) == pytest.approx(7 * math.exp(-1 / 2 - 2 / 4), rel=1e-8)


def test_change_of_a_driver():
    base = driven().run(0, 10).at("x", 10.0)
    assert base == pytest.approx(5 + 10)
    whole = Scenario("x", {"outside": Change(factor=2.0)}).apply(driven())
    assert whole.run(0, 10).at("x", 10.0) == pytest.approx(30.0, rel=1e-9)
    later = Scenario("x", {"outside": Change(factor=2.0, at=5.0)}).apply(driven())
    assert later.run(0, 10).at("x", 10.0) == pytest.approx(5 + 20, rel=1e-9)
    fixed = Scenario("x", {"outside": Change(value=1.0, at=6.0)}).apply(driven())
    assert fixed.run(0, 10).at("x", 10.0) == pytest.approx(5 + 1.2 + 4, rel=1e-9)


def test_factor_one_changes_no_number():
    for change in (Change(factor=1.0), Change(factor=1.0, at=2.0), Change(factor=1.0, at=2.0, adjustment_time=1.0)):
        run = Scenario("x", {"tau": change}).apply(SMALL).run(0, 8, method="RK4")
        base = SMALL.run(0, 8, method="RK4")
        assert np.array_equal(run["x"], base["x"])


def test_models_that_differ_in_the_change_share_their_code():
    first, second = (
        Scenario("x", {"tau": Change(factor=f, at=t, adjustment_time=a)}).apply(SMALL)
        for f, t, a in ((2.0, 1.0, 0.0), (30.0, 5.0, 2.0))
    )
    assert compile_model(first).source == compile_model(second).source
    new = change_values(SMALL, "tau", Change(factor=30.0, at=5.0, adjustment_time=2.0))
    as_second = first.run(0, 9, params=new)
    assert as_second.at("x", 9.0) == pytest.approx(second.run(0, 9).at("x", 9.0), rel=1e-12)


def test_the_unit_of_a_changed_value_is_that_of_the_parameter():
    units = {e.name: e.unit for e in wrap(SMALL, "tau", Change(value=3.0, at=1.0))}
    assert units["tau"] == units["tau_reference"] == units["tau_changed_value"] == "yr"
    assert {e.name: e.unit for e in wrap(SMALL, "tau", Change(factor=3.0, at=1.0))}["tau_factor"] == "1"


# Mistakes in a scenario


def test_unknown_name_with_the_nearest():
    assert one_mistake(Change(factor=2.0), "tua") == (
        "'tua' is no parameter or driver of the model; did you mean 'tau'?"
    )


def test_a_stock_or_flow_cannot_be_changed():
    assert "'x' (Stock) is no parameter or driver" in one_mistake(Change(factor=2.0), "x")
    assert "'outflow' (Flow) is no parameter or driver" in one_mistake(Change(factor=2.0), "outflow")


def test_text_that_looks_like_code_is_a_name(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("os.system", calls.append)
    code = "__import__('os').system('x')"
    assert one_mistake(Change(factor=2.0), code).startswith(f"{code!r} is no parameter or driver of the model")
    file = tmp_path / "evil.toml"
    file.write_text(f'[changes."{code}"]\nfactor = 2.0\n', encoding="utf-8")
    scenario = read_scenario(file)
    assert list(scenario.changes) == [code]
    mistakes(scenario)
    assert calls == []


def test_code_as_a_number_is_no_number(tmp_path):
    file = tmp_path / "evil.toml"
    file.write_text("[changes.tau]\nfactor = \"__import__('os')\"\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"changes.tau.factor: found .*, expected a number"):
        read_scenario(file)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(factor=2.0, at=-1.0), "'tau': date -1 is impossible, the model begins at 0 (expected up to 500)"),
        (Change(factor=2.0, at=1e6), "'tau': date 1e+06 is impossible, the model begins at 0 (expected up to 500)"),
        (Change(factor=2.0, at="soon"), "'tau': date 'soon', expected a decimal year such as 2025.07"),
        (Change(factor=2.0, at=math.nan), "'tau': date nan, expected a decimal year such as 2025.07"),
        (Change(factor=2.0, value=1.0), "'tau': found factor and value, expected one of the two"),
        (Change(), "'tau': found neither factor nor value, expected one of the two"),
        (Change(factor=0.0), "'tau': factor 0, expected more than 0"),
        (Change(factor=-2.0), "'tau': factor -2, expected more than 0"),
        (Change(factor=math.inf), "'tau': factor inf, expected a finite number"),
        (Change(value="big"), "'tau': value 'big', expected a finite number"),
        (Change(value=True), "'tau': value True, expected a finite number"),
        (Change(factor=2.0, at=1.0, adjustment_time=-1.0), "'tau': adjustment_time -1.0, expected 0 or more"),
        (Change(factor=2.0, until=3.0), "'tau': until 3.0 without a date; without one the whole run changes"),
        (Change(factor=2.0, at=1.0, until="later"), "'tau': until 'later', expected a decimal year such as 2026.5"),
        (Change(factor=2.0, at=1.0, until=1.0), "'tau': until 1, expected a date after 1"),
        (Change(factor=2.0, unit="yr"), "'tau': unit 'yr' beside a factor, expected none (a factor is a ratio)"),
        (Change(value=2.0, unit="kg"), "'tau': unit 'kg' is no unit of it, expected one like 'yr'"),
        (
            Change(factor=2.0, adjustment_time=1.0),
            "'tau': adjustment_time 1 without a date; without one the whole run changes",
        ),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_messages(change, expected):
    assert one_mistake(change) == expected


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("dry_cooling", Change(value=3.0), "'dry_cooling': value 3, expected 0 to 1: it is a share"),
        ("clean_odds_ratio", Change(value=-4.0), "'clean_odds_ratio': value -4, expected 0 or more"),
        ("queue_time", Change(value=-1.0, at=2027.0), "'queue_time': value -1, expected 0 or more"),
        (
            "carbon_price",
            Change(value=100.0),
            "'carbon_price': value 100 kUSD/t, far beyond its range of 0 to 0.5: is it in another unit? "
            "Give it as unit = ...",
        ),
        (
            "dry_cooling",
            Change(value=-50.0, unit="percent"),
            "'dry_cooling': value -0.5, expected 0 to 1: it is a share",
        ),
        ("carbon_price", Change(factor=2.0), "'carbon_price': factor on a parameter that is 0, expected a value"),
    ],
)
def test_values_that_a_parameter_cannot_have(name, change, expected):
    (mistake,) = mistakes(Scenario("x", {name: change}), load("laboratory", None))
    assert mistake == expected


def test_every_mistake_in_one_message():
    scenario = Scenario("bad", {"tua": Change(factor=0.0), "tau": Change(at="x", adjustment_time=-1)})
    found = mistakes(scenario)
    assert len(found) == 5
    with pytest.raises(ScenarioError, match=r"scenario 'bad' for model 'decay': 5 mistakes"):
        scenario.check(SMALL)


# Files


def written(tmp_path, text, name="case.toml"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def file_mistakes(tmp_path, text):
    with pytest.raises(ScenarioError) as raised:
        read_scenario(written(tmp_path, text))
    return raised.value.mistakes


def test_a_file_with_everything(tmp_path):
    text = """
    name = "both"
    doc = "Words."
    source = "Somebody"
    [changes.tau]
    factor = 10
    at = 2025-01-27
    adjustment_time = 1.5
    [changes.x]
    value = -3.5
    unit = "kg"
    until = 2030-01-01
    at = 2026
    [background.y]
    factor = 2
    """
    scenario = read_scenario(written(tmp_path, 'title = "Both"\nclaim = "Much"\n' + text))
    assert (scenario.title, scenario.claim) == ("Both", "Much")
    assert scenario.background == {"y": Change(factor=2)}
    assert (scenario.name, scenario.doc, scenario.source) == ("both", "Words.", "Somebody")
    assert scenario.changes["tau"] == Change(factor=10, at=2025 + 26 / 365, adjustment_time=1.5)
    assert scenario.changes["x"] == Change(value=-3.5, unit="kg", until=2030.0, at=2026)


def test_a_file_without_a_name_has_that_of_the_file(tmp_path):
    assert read_scenario(written(tmp_path, "[changes]\n", "quiet.toml")).name == "quiet"
    assert load_scenario(tmp_path / "quiet.toml").changes == {}


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2025-01-01", 2025.0),
        ("'2025-01-27'", 2025 + 26 / 365),
        ("2024-12-31", 2024 + 365 / 366),
        ("2025-07-02T12:00:00", 2025 + 182 / 365),
        ("2025.07", 2025.07),
        ("2025", 2025),
    ],
)
def test_dates_in_files(tmp_path, date, expected):
    scenario = read_scenario(written(tmp_path, f"[changes.tau]\nfactor = 2\nat = {date}\n"))
    assert scenario.changes["tau"].at == pytest.approx(expected, abs=1e-12)


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2200, 12, 31)))
def test_decimal_years_rise_with_dates(date):
    year = decimal_year(date)
    assert int(year) == date.year
    assert decimal_year(date.isoformat()) == year
    if date < datetime.date(2200, 12, 31):
        assert 1 / 367 < decimal_year(date + datetime.timedelta(days=1)) - year < 1 / 364


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[changes.tau]\nfactor = 2\nat = 'soon'", "changes.tau.at: found 'soon', expected a date such as 2025.07 or"),
        ("[changes.tau]\nfactor = 2\nat = '2025-02-30'", "changes.tau.at: found '2025-02-30', expected a date"),
        ("[changes.tau]\nfactor = 'two'", "changes.tau.factor: found 'two', expected a number"),
        ("[changes.tau]\nfactor = nan", "changes.tau.factor: found nan, expected a number"),
        (
            "[changes.tau]\nfactr = 2",
            "changes.tau.factr: unknown key, expected one of factor, value, at, until, adjustment_time, unit",
        ),
        ("[changes]\ntau = 2", "changes.tau: found 2, expected a table such as {factor = 10, at = 2025.07}"),
        ("changes = 3", "changes: found 3, expected a [changes.<parameter>] table"),
        ("[[changes]]\nfactor = 2", "changes: found [{'factor': 2}], expected a [changes.<parameter>] table"),
        (
            "[changes]\n[chages.tau]\nfactor = 2",
            "chages: unknown key, expected one of name, title, doc, source, claim, changes, background; did",
        ),
        ("name = 'x'", "no [changes.<parameter>] table"),
        ("", "no [changes.<parameter>] table"),
    ],
)
def test_messages_of_files(tmp_path, text, expected):
    (mistake,) = file_mistakes(tmp_path, text)
    assert mistake.startswith(expected)


def test_an_unknown_key_has_a_hint(tmp_path):
    (mistake,) = file_mistakes(tmp_path, "[changes.tau]\nfactr = 2")
    assert mistake.endswith("did you mean 'factor'?")


def test_all_mistakes_of_a_file(tmp_path):
    text = "nmae = 'x'\n[changes.tau]\nfactor = 'a'\nat = 'b'\n[changes.x]\nspeed = 1"
    assert len(file_mistakes(tmp_path, text)) == 4


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(ScenarioError, match=r"none\.toml.*\n.*cannot be read \(No such file"):
        read_scenario(tmp_path / "none.toml")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path / "none.toml")


@pytest.mark.parametrize("text", ["[changes.tau\nfactor = 2", "[changes.tau]\nfactor = 2\nat = 2025-02-30", "a = "])
def test_a_file_that_is_no_toml(tmp_path, text):
    (mistake,) = file_mistakes(tmp_path, text)
    assert mistake.startswith("is not TOML: ")


def test_a_file_that_is_no_text(tmp_path):
    file = tmp_path / "case.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="is not TOML"):
        read_scenario(file)


def test_unknown_shipped_name():
    with pytest.raises(ScenarioError) as raised:
        load_scenario("depseek")
    (mistake,) = raised.value.mistakes
    assert mistake.startswith("no shipped scenario and no file of that name; did you mean 'deepseek'? (shipped: base")


def test_shipped_scenarios_apply_to_the_laboratory():
    laboratory = load("laboratory")
    shipped = shipped_scenarios()
    assert {"baseline", "deepseek", "no_ai", "no_consolidation", "no_pue_gain"} <= set(shipped)
    for name in shipped:
        scenario = load_scenario(name)
        assert scenario.name == name
        assert scenario.doc.strip()
        assert scenario.source.strip()
        changed = scenario.apply(laboratory)
        assert (changed.hash == laboratory.hash) == (not scenario.changes)  # that they run: tests/test_laboratory.py


def test_deepseek_is_tenfold_and_spreads_over_a_year(fitted):
    scenario = load_scenario("deepseek")
    assert set(scenario.changes) == {"inference_efficiency", "training_efficiency"}
    run = scenario.apply(fitted).run(2005, 2031)
    for name in scenario.changes:
        assert run.at(name, 2025.0) == 1.0
        assert run.at(name, 2031.0) == pytest.approx(10 ** (1 - math.exp(-(2031 - 2025.07))), rel=1e-6)
