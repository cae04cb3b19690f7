"""Claims: what is computed for them, how they are judged, what a table of them may say, and the page made of it."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import jevons as jv
from jevons.claims.file import Claim, read_claims
from jevons.claims.judgement import (
    INSIDE,
    NOT_TESTABLE,
    OUTSIDE,
    alike,
    corners,
    evaluate,
    from_priors,
    judge,
    to_frame,
)
from jevons.claims.statistic import Statistic, calculate
from jevons.claims.text import agreement, claimed, interval, number, page, summary, write_page
from jevons.cli_claims import claims as command
from jevons.errors import CalibrationError, JevonsError
from jevons.inference.config import shipped_folder
from jevons.plot_claims import drawable, plot_claims
from jevons.scenario import Change, Scenario, load_scenario
from jevons.simulation import Simulation, run_samples

PAGE = Path(__file__).parents[1] / "docs" / "claims.md"
DRAWS = 20
AGAIN = ["12", "13b", "14a", "15a", "16a", "16c", "17a", "17b", "20a", "40", "46", "68", "70a"]

SMALL = """
headline = ["2"]
[sources]
paper = { text = "A paper", url = "https://example.org", seen = "original" }
[references]
whole = { value = 30000.0, unit = "TWh/yr", source = "test" }
[models.world]
fit = "world"
[models.world.variables]
dc = { unit = "TWh/yr", source = "cumulative_dc_electricity", kind = "total" }
ai = { unit = "TWh/yr", source = "cumulative_ai_electricity", kind = "total" }
users = { unit = "Mperson", source = "users", kind = "start" }
[models.nowhere]
fit = "world"
sampled = []
[[claims]]
number = "1"
claim = "Twice two is four."
sources = ["paper"]
words = "Twice two"
statistic = { kind = "arithmetic", unit = "1", expression = "2 * x", inputs = { x = 2.0 } }
value = 4.0
[[claims]]
number = "2"
claim = "Half of it is three or more."
sources = ["paper"]
words = "Half"
statistic = { kind = "arithmetic", unit = "kW", expression = "x / 2", inputs = { x = [4.0, 5.0] } }
at_least = 3.0
[[claims]]
number = "3"
claim = "Something else."
sources = ["paper"]
statistic = { kind = "value", unit = "TWh/yr", variable = "dc", year = 2030 }
model = "world"
at_most = 1.0
"""


@pytest.fixture(scope="module")
def file():
    return read_claims()


@pytest.fixture(scope="module")
def judged(file):
    return {v.claim.number: v for v in evaluate(file, draws=DRAWS, numbers=AGAIN)}


@pytest.fixture
def write(tmp_path):
    def made(text=SMALL, *changes):
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "claims.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return made


def claim(low, high, **changes):
    return Claim("1", "It is so.", ("paper",), Statistic("value", "1"), "It", low, high, **changes)


# Arithmetic


numbers = st.floats(0.1, 1e3)


@given(numbers, numbers, numbers)
def test_an_expression_has_the_value_it_has_in_python(a, b, c):
    assert calculate("a * b / (c + 1) - -a ** 2", {"a": a, "b": b, "c": c}) == a * b / (c + 1) - -(a**2)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("hours * prise", "'prise' is no input; did you mean 'price'?"),
        ("__import__('os')", "expected numbers, inputs"),
        ("hours.real", "expected numbers, inputs"),
        ("'a' * 2", "expected numbers, inputs"),
        ("hours if price else 1", "expected numbers, inputs"),
        ("hours *", "is no expression"),
        ("hours / (price - 2)", "divides by zero"),
    ],
)
def test_text_never_becomes_code(expression, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        calculate(expression, {"hours": 1.0, "price": 2.0})


@given(numbers, numbers, numbers, numbers, st.floats(0, 1), st.floats(0, 1))
def test_the_corners_hold_every_value_between_the_ends(a, b, c, d, s, t):
    x, y = sorted((a, b)), sorted((c, d))
    ends = corners(Statistic("arithmetic", "1", {"expression": "x / y", "inputs": {"x": x, "y": y}}))
    inner = (x[0] + s * (x[1] - x[0])) / (y[0] + t * (y[1] - y[0]))
    assert min(ends) * (1 - 1e-12) <= inner <= max(ends) * (1 + 1e-12)
    assert ends[0] == pytest.approx((x[0] + x[1]) / (y[0] + y[1]))


# Verdicts


@pytest.mark.parametrize(
    ("low", "high", "verdict", "share"),
    [
        (50.0, 50.0, INSIDE, 50),
        (5.0, 5.0, INSIDE, 5),
        (4.9, 4.9, OUTSIDE, 5),
        (95.1, 95.1, OUTSIDE, 96),
        (90.0, 200.0, INSIDE, 11),
        (96.0, 200.0, OUTSIDE, 5),
        (-math.inf, 4.0, OUTSIDE, 5),
        (95.0, math.inf, INSIDE, 6),
    ],
)
def test_a_claim_is_inside_if_it_meets_the_interval(low, high, verdict, share):
    found = judge(claim(low, high), np.arange(101.0))
    assert (found.low, found.median, found.high) == (5.0, 50.0, 95.0)
    assert found.verdict == verdict
    assert found.share == share / 101


@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=30), st.floats(0.01, 100), st.floats(0.1, 10))
def test_the_verdict_does_not_depend_on_the_unit(draws, value, scale):
    values = np.array(draws)
    here, there = judge(claim(value, value), values), judge(claim(scale * value, scale * value), scale * values)
    if min(abs(value / x - 1) for x in (here.low, here.high, *draws)) > 1e-9:
        assert (here.verdict, here.share) == (there.verdict, there.share)


def test_draws_without_a_value_have_no_say_unless_they_are_most():
    values = np.array([1.0, 2.0, 3.0, math.nan])
    assert judge(claim(2.0, 2.0), values).median == 2.0
    found = judge(claim(2.0, 2.0, why="Because."), np.array([1.0, math.nan, math.nan]))
    assert (found.verdict, found.why) == (NOT_TESTABLE, "undefined in 2 of 3 draws. Because.")
    assert math.isnan(found.median)


# The shipped claims


def test_every_claim_is_there_and_every_source_is_used(file):
    assert {c.order[0] for c in file.claims} == set(range(1, 84))
    assert {s for c in file.claims for s in c.sources} == set(file.sources)
    assert all(c.why for c in file.claims if c.statistic.kind == "none")
    assert all(c.words for c in file.claims if c.statistic.kind != "none")
    assert all(source.seen == "none" for source in file.sources.values() if "no original" in source.text)
    used = {n for c in file.claims for n in c.statistic.variables}
    assert set(file.references) <= used
    assert set(file.models["world"].variables) <= used


def test_identities_hold(file):
    arithmetic = [c.number for c in file.claims if c.statistic.kind == "arithmetic"]
    found = {v.claim.number: v for v in evaluate(file, numbers=arithmetic)}
    assert found["3a"].median == 2.788 * 2
    assert found["3b"].median == 5.576 / 60
    assert found["18a"].median == pytest.approx(85.41)
    assert found["18b"].median == pytest.approx(134.028)
    assert found["43a"].median == pytest.approx((100**1.5 - 1) / 99)
    assert found["23"].low == pytest.approx(2 / 3)
    assert found["67a"].median == pytest.approx(1287 / 10.715)
    assert {n for n, v in found.items() if v.verdict == OUTSIDE} == {"1", "2", "13a", "22"}


def test_the_draws_are_recomputed_without_the_projection(judged, stored, world, file):
    """Straight from the generated code: annual totals, ratios, shares, contributions, growth and scenarios."""
    draws = stored.draws(DRAWS)
    names = ["cumulative_dc_electricity", "cumulative_ai_electricity", "service_price", "service_demand",
             "inference_share", "chip_power"]  # fmt: skip
    times = np.arange(2010.0, 2032.0)

    def run(scenario):
        model = load_scenario(scenario).apply(world)
        names_here = set(Simulation(model, times, names).parameters)
        samples = [{(n if n in names_here else f"{n}_reference"): x for n, x in d.items()} for d in draws]
        values = run_samples(Simulation(model, times, names), samples).values
        paths = dict(zip(names, np.moveaxis(values, 2, 0), strict=True))
        totals = {k: np.diff(paths[f"cumulative_{k}"], axis=1) for k in ("dc_electricity", "ai_electricity")}
        return lambda name, year: {**paths, **totals}[name][:, year - 2010]

    base = run("baseline")
    dc, ai = (lambda y, n=n: base(n, y) for n in ("dc_electricity", "ai_electricity"))
    expected = {
        "12": base("service_price", 2025) / base("service_price", 2023),
        "13b": base("service_demand", 2025) / base("service_demand", 2024),
        "14a": ai(2024) / file.references["world_electricity_2024"][0],
        "15a": dc(2026) / file.references["world_electricity_2026"][0],
        "16a": dc(2030) / dc(2024),
        "16c": ai(2030) / ai(2025),
        "17a": dc(2026),
        "17b": dc(2026),
        "20a": (ai(2023) - ai(2019)) / (dc(2023) - dc(2019)),
        "40": base("inference_share", 2030) - base("inference_share", 2024),
        "46": run("deepseek")("dc_electricity", 2027) / dc(2027),
        "68": (base("chip_power", 2027) / base("chip_power", 2024)) ** (1 / 3) - 1,
    }
    for name, values in expected.items():
        verdict = judged[name]
        found = (verdict.low, verdict.median, verdict.high)
        assert found == pytest.approx(np.quantile(values, (0.05, 0.5, 0.95)), rel=1e-4), name
        if not verdict.single:
            met = (values >= verdict.claim.low) & (values <= verdict.claim.high)
            assert verdict.share == met.mean(), name


def test_a_scenario_that_replaces_a_value_is_compared_too(judged):
    assert judged["70a"].low > 1.2


def test_what_fails_and_what_does_not(judged):
    """1,000 TWh by 2026 and tenfold by 2030 fail for data centres; for AI alone it depends on the first year."""
    assert all(judged[n].verdict == OUTSIDE for n in ("17a", "17b", "16a", "13b"))
    assert judged["17a"].high < 840
    assert judged["16a"].high < 9 < judged["16c"].high


def test_a_rebound_is_that_of_three_runs(file, stored, world):
    verdict = evaluate(file, draws=1, numbers=["69"])[0]
    shock = jv.shock(world, "hardware", 2.0, 2025.07)
    rebound = jv.measure_rebound(world.with_values(stored.draws(1)[0]), shock, at=2025.07, until=5.0, every=1.0)
    assert verdict.low == verdict.median == verdict.high == pytest.approx(rebound.at(5.0)[0], rel=1e-4)


def test_the_united_states_are_read_from_their_table(file):
    with (shipped_folder() / "country" / "us_numbers.csv").open(encoding="utf-8") as table:
        known = {r["quantity"]: float(r["value"]) for r in csv.DictReader(table)}
    share, level = evaluate(file, numbers=["21b", "21c"])
    assert level.median == known["carried_2028_q50"]
    assert share.high == pytest.approx(known["carried_2028_q95"] / file.references["us_electricity_2028"][0])
    assert math.isnan(level.share)


# Tables of one's own


def test_a_statistic_needs_no_code(write, stored, world):
    extra = """
[[claims]]
number = "4"
claim = "Users grow."
sources = ["paper"]
words = "Users"
statistic = { kind = "growth_per_year", unit = "1/yr", variable = "users", years = [2012, 2014] }
model = "world"
at_least = 0.0
"""
    verdict = evaluate(read_claims(write(SMALL + extra)), draws=3, numbers=["4"])[0]
    values = run_samples(Simulation(world, [2012.0, 2014.0], ["users"]), stored.draws(3)).values[:, :, 0]
    assert verdict.median == pytest.approx(np.median(np.sqrt(values[:, 1] / values[:, 0]) - 1), rel=1e-6)
    assert verdict.share == 1.0


def test_what_a_model_that_is_not_shipped_would_say_is_not_testable(write):
    changes = (
        ('model = "world"\nat_most', 'why = "It rains."\nmodel = "nowhere"\nat_most'),
        ('[models.nowhere]\nfit = "world"\nsampled = []\n', ""),
        ("[models.world.variables]", '[models.nowhere]\nfit = "world"\n[models.nowhere.variables]'),
    )
    path = write(SMALL, *changes)
    verdict = evaluate(read_claims(path), numbers=["3"])[0]
    assert (verdict.verdict, verdict.why) == (NOT_TESTABLE, "Model 'nowhere' is not shipped. It rains.")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("headline = [\"2\"]", "headline = [\"9\"]", "headline: '9' is no claim"),
        ("headline", "headlin", "unknown entry 'headlin', expected headline, sources, references, models, claims; did"),
        ('seen = "original"', 'seen = "orignal"', "sources.paper.seen: found 'orignal', expected one of original"),
        ('seen = "original"', 'sean = "original"', "sources.paper: entry 'seen' is missing"),
        ("value = 30000.0", "value = 0.0", "references.whole.value: found 0, expected more than 0"),
        ("value = 30000.0", 'value = "much"', "references.whole.value: found 'much', expected a number"),
        ('kind = "total" }\nai', 'kind = "totl" }\nai', "models.world.variables.dc.kind: found 'totl', expected"),
        ('claim = "Twice two is four."', "claim = 4", "claim 1: claim: found 4, expected text"),
        ('number = "2"\nclaim', 'number = "1"\nclaim', "claim '1' is given 2 times"),
        ('number = "2"\nclaim', 'number = "two"\nclaim', "claim two: number 'two', expected digits"),
        ('sources = ["paper"]', "sources = []", "claim 1: sources [], expected a list of keys"),
        ('sources = ["paper"]', 'sources = ["papr"]', "source 'papr' is not in [sources]; did you mean 'paper'?"),
        ("value = 4.0", "", "claim 1: found none of value, range, at_least, at_most, expected one of them"),
        ("value = 4.0", "value = 4.0\nat_least = 1.0", "claim 1: found value and at_least of value, range"),
        ("value = 4.0", "range = [5.0, 4.0]", "claim 1: range: found [5.0, 4.0], expected [low, high]"),
        ("value = 4.0", "value = true", "claim 1: value: found True, expected a number"),
        ("value = 4.0", "valu = 4.0", "claim 1: unknown entry 'valu', expected number, claim"),
        ('"2 * x"', '"2 * y"', "claim 1: statistic.expression: 'y' is no input"),
        ("{ x = 2.0 }", '{ x = "two" }', "claim 1: statistic.inputs.x: found 'two', expected a number"),
        ('kind = "arithmetic"', 'kind = "arithmetics"', "kind 'arithmetics', expected one of value"),
        ('kind = "arithmetic", unit = "1"', 'kind = "arithmetic"', "claim 1: statistic: entry 'unit' is missing"),
        ('kind = "arithmetic", unit = "1"', 'kind = "none", unit = "1"', "unknown entry 'expression', expected kind"),
        ("year = 2030", "year = 2030.5", "claim 3: statistic.year: found 2030.5, expected a whole number"),
        ("year = 2030", 'year = 2030, per = "whoel"', "claim 3: per 'whoel' is no reference; did you mean 'whole'?"),
        ("year = 2030", 'year = 2030, per = "whole"', "claim 3: unit 'TWh/yr', expected '1'"),
        ('variable = "dc"', 'variable = "dcc"', "claim 3: variable 'dcc' is no variable of the model"),
        ('variable = "dc"', 'variable = "users"', "claim 3: unit 'TWh/yr', expected 'Mperson'"),
        ('model = "world"', 'model = "word"', "claim 3: model 'word' is not in [models]; did you mean 'world'?"),
        ('model = "world"', "", "claim 3: a statistic of kind 'value' needs a model"),
        ('kind = "value", unit = "TWh/yr", variable = "dc", year', 'kind = "ratio", unit = "1", variable = "dc", year',
         "claim 3: statistic: expected years, or scenarios and year"),
        ('kind = "value", unit = "TWh/yr", variable = "dc", year = 2030',
         'kind = "ratio", unit = "1", variable = "dc", years = [2030, 2030]', "expected two different years"),
        ('kind = "value", unit = "TWh/yr", variable = "dc", year = 2030',
         'kind = "share", unit = "1", numerator = "dc", denominator = "users", year = 2030',
         "claim 3: units differ ('TWh/yr' and 'Mperson')"),
        ('kind = "value", unit = "TWh/yr", variable = "dc", year = 2030',
         'kind = "ratio", unit = "1", variable = "dc", year = 2030, scenarios = ["deepseek"]',
         "found ['deepseek'], expected two scenarios"),
        ('kind = "value", unit = "TWh/yr", variable = "dc", year = 2030',
         'kind = "rebound", unit = "1", at = 2025.07, horizon = 5.0', "statistic: expected shocks, or a scenario"),
        ("sampled = []", "sampled = [1]", "models.nowhere.sampled: found [1], expected a list of parameters"),
        (SMALL[SMALL.rindex("statistic") :],
         'statistic = { kind = "none" }', "claim 3: has no statistic and does not say why"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(write, old, new, message):
    with pytest.raises(CalibrationError, match=re.escape(message)):
        read_claims(write(SMALL, (old, new)))


def test_all_mistakes_are_reported_at_once(write):
    path = write(
        SMALL, ("value = 4.0", "valu = 4.0"), ('seen = "original"', 'seen = "hearsay"'), ("year = 2030", "year = 1.5")
    )
    with pytest.raises(CalibrationError) as error:
        read_claims(path)
    assert len(error.value.mistakes) == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"cumulative_dc_electricity"', '"cumulative_dc_elctricity"',
         "models.world: 'dc' reads 'cumulative_dc_elctricity', which is not in the model; did you mean 'cumulative"),
        ('dc = { unit = "TWh/yr"', 'dc = { unit = "TWh"', "models.world: unit"),
        ('unit = "Mperson"', 'unit = "person"', "models.world: 'users' has unit 'person', expected 'Mperson'"),
        ("year = 2030", 'year = 2030, scenario = "deepsek"',
         "claim 3: scenario 'deepsek' is not shipped; did you mean 'deepseek'?"),
        ('[models.world]\n', '[models.world]\nsampled = ["queue_tim"]\n',
         "models.world: sampled 'queue_tim' is no parameter of the model with a prior; did you mean 'queue_time'?"),
        ('[models.world]\n', '[models.world]\nsampled = ["queue_time"]\n', "sampled 'queue_time' has draws already"),
    ],
)  # fmt: skip
def test_what_the_model_does_not_have_is_named(write, old, new, message):
    changes = [(old, new)]
    if message.endswith("unit"):
        changes.append(('kind = "value", unit = "TWh/yr"', 'kind = "value", unit = "TWh"'))
        message = "models.world: 'dc' has unit 'TWh', expected 'TWh/yr'"
    with pytest.raises(CalibrationError, match=re.escape(message)):
        evaluate(read_claims(write(SMALL, *changes)))


def test_other_mistakes_of_evaluation_are_named(write, tmp_path):
    with pytest.raises(CalibrationError, match=r"claim '33', expected a number such as 1; did you mean '3'\?"):
        evaluate(read_claims(write()), numbers=["33"])
    with pytest.raises(CalibrationError, match="cannot be read"):
        read_claims(tmp_path / "none.toml")
    with pytest.raises(CalibrationError, match="is not TOML"):
        read_claims(write("claims = "))
    with pytest.raises(CalibrationError, match=r"no \[\[claims\]\]"):
        read_claims(write(""))
    value = 'kind = "value", unit = "TWh/yr", variable = "dc", year = 2030'
    table = 'kind = "table", unit = "1", file = "country/us_numbers.csv", low = "fre", median = "rows", high = "rows"'
    with pytest.raises(CalibrationError, match=r"has no 'fre'; did you mean 'free'\?"):
        evaluate(read_claims(write(SMALL, (value, table))))
    with pytest.raises(CalibrationError, match=r"table 'country/us.toml' cannot be read"):
        evaluate(read_claims(write(SMALL, (value, table.replace("us_numbers.csv", "us.toml")))))
    shock = 'kind = "rebound", unit = "1", shocks = { hardwar = 2.0 }, at = 2025.07, horizon = 5.0'
    with pytest.raises(
        CalibrationError, match=r"shock 'hardwar', expected one of inference, .*did you mean 'hardware'\?"
    ):
        evaluate(read_claims(write(SMALL, (value, shock))), draws=2)


def test_draws_of_another_model_need_its_parameters(write):
    changes = (
        ("[models.world]", "[models.m0]"),
        ("[models.world.variables]", "[models.m0.variables]"),
        ('"TWh/yr", source = "cumulative_dc_electricity"', '"MWh/yr", source = "cumulative_energy"'),
        ('ai = { unit = "TWh/yr", source = "cumulative_ai_electricity", kind = "total" }\n', ""),
        ('users = { unit = "Mperson", source = "users", kind = "start" }\n', ""),
        ('kind = "value", unit = "TWh/yr"', 'kind = "value", unit = "MWh/yr"'),
        ('model = "world"', 'model = "m0"'),
    )
    path = write(SMALL, *changes)
    with pytest.raises(CalibrationError, match="'conventional_growth' of the fit of 'world' is not in it"):
        evaluate(read_claims(path))


def test_what_is_drawn_from_priors_is_independent_and_repeatable(world):
    names = ["idle_share", "queue_time", "older_family_bias"]
    values = from_priors(world, names, 4000)
    assert np.array_equal(values, from_priors(world, names, 4000))
    assert np.array_equal(values[:, 1:2], from_priors(world, names[1:2], 4000))
    assert np.abs(np.corrcoef(values.T)[np.triu_indices(3, 1)]).max() < 0.06
    prior = world.parameters["queue_time"].prior
    assert np.median(values[:, 1]) == pytest.approx(prior.median, rel=0.03)
    assert np.log(values[:, 1]).std() == pytest.approx(prior.sd_log, rel=0.05)
    low = world.parameters["idle_share"].prior
    assert {type(world.parameters[n].prior).__name__ for n in names} == {"Range", "LogNormal", "Normal"}
    assert low.low <= values[:, 0].min() < values[:, 0].max() <= low.high


def test_what_is_sampled_moves_the_answer(write):
    plain = evaluate(read_claims(write()), draws=20, numbers=["3"])[0]
    text = ("[models.world]\n", '[models.world]\nsampled = ["idle_share"]\n')
    assert evaluate(read_claims(write(SMALL, text)), draws=20, numbers=["3"])[0].median != plain.median


def test_scenarios_that_share_a_system_give_what_they_give_alone(world):
    """A change that is another scenario's comes after the end of every run."""
    dated = [
        Scenario("slow", {"queue_time": Change(factor=2.0, at=2026.0)}),
        Scenario("dear", {"electricity_price": Change(value=0.14, at=2027.0, adjustment_time=1.0)}),
    ]
    times, name = [2029.0, 2030.0], ["dc_electricity"]
    together = alike(world, dated)
    for alone, shared in zip(dated, together, strict=True):
        values = [Simulation(s.apply(world), times, name).run().values for s in (alone, shared)]
        assert np.allclose(*values, rtol=1e-12)
    assert Simulation(together[0].apply(world), times, name).system.source == (
        Simulation(together[1].apply(world), times, name).system.source
    )


# What people see


def test_numbers_are_written_shortly(write):
    shown = [number(x) for x in (0.0384, 0.0, 17.06, 576.77, 1270.98, 2.5e7, math.nan, -0.163)]
    assert shown == ["0.0384", "0", "17.1", "577", "1,271", "2.5e+07", "", "-0.163"]
    assert number(0.0142, percent=True) == "1.42 %"
    single, half = evaluate(read_claims(write()), numbers=["1", "2"])
    assert (interval(single), claimed(single), agreement(single)) == ("4", "4", "")
    assert (interval(half), claimed(half), half.verdict) == ("2.25 (2 to 2.5) kW", "3 or more", OUTSIDE)
    narrow = judge(claim(1.0, math.inf), np.linspace(1.002, 1.003, 11))
    assert (interval(narrow), claimed(narrow)) == ("1.002 (1.002 to 1.003)", "1 or more")
    drawn = judge(claim(4.5, 4.5), np.arange(101.0))
    assert agreement(drawn) == "5 % of draws below"
    assert agreement(judge(claim(-math.inf, 4.5), np.arange(101.0))) == "5 % of draws"


def test_the_table_and_the_text_hold_every_claim(write):
    file = read_claims(write())
    verdicts = evaluate(file, numbers=["1", "2"])
    frame = to_frame(file, verdicts)
    assert frame["verdict"].tolist() == [INSIDE, OUTSIDE]
    assert frame.loc[1, ["p05", "median", "p95", "claimed_low"]].tolist() == [2.0, 2.25, 2.5, 3.0]
    assert frame.loc[0, "source"] == "A paper"
    assert frame.loc[0, "expression"] == "2 * x with x = 2"
    text = summary(file, verdicts)
    assert text.index("Half of it") < text.index("Twice two is four.")
    assert text.endswith("2 claims: 1 outside, 1 inside, 0 not testable.")


def test_the_page_in_the_repository_is_of_the_shipped_claims(file):
    """Claims, sources, kinds of verdict; and the numbers of some of them, computed again."""
    text = PAGE.read_text(encoding="utf-8")
    rows = {}
    for line in text.splitlines():
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and re.fullmatch(r"\d+[a-j]?", cells[0]):
            rows.setdefault(cells[0], []).append(cells)
    assert set(rows) == {c.number for c in file.claims}
    for c in file.claims:
        last = rows[c.number][-1]
        assert last[1].startswith(c.claim)
        assert ", ".join(c.sources) in last
        assert c.why in "".join(last)
        assert len(rows[c.number]) == 1 + (c.number in file.headline)
    assert all(f"| {key} | " in text and source.text in text for key, source in file.sources.items())
    draws = int(re.search(r"--draws (\d+)", text).group(1))
    some = [c.number for c in file.claims if c.statistic.kind in ("arithmetic", "table")] + ["16a", "16c", "17a"]
    for verdict in evaluate(file, draws=draws, numbers=some):
        shown = [
            float(x.replace(",", ""))
            for x in re.findall(r"-?[\d,]*\.?\d+(?:e[+-]\d+)?", rows[verdict.claim.number][-1][3])
        ]
        expected = [float(x.replace(",", "")) for x in re.findall(r"-?[\d,]*\.?\d+(?:e[+-]\d+)?", interval(verdict))]
        assert shown == pytest.approx(expected, rel=0.02), verdict.claim.number


def test_the_page_escapes_and_links(write, tmp_path):
    file = read_claims(write(SMALL, ("Twice two is four.", "Twice | two is four.")))
    verdicts = evaluate(file, numbers=["1", "2"])
    text = page(file, verdicts, 30)
    assert "| 1 | Twice \\| two is four. |" in text
    assert "[A paper](https://example.org) | the original was read |" in text
    assert "--draws 30 " in text
    assert text.count("Half of it is three or more.") == 2
    assert write_page(file, verdicts, 30, tmp_path / "docs").read_text(encoding="utf-8") == text


def test_the_picture_holds_what_has_an_interval(tmp_path, write):
    values = np.linspace(1.0, 2.0, 50)
    shown = [judge(claim(0.0, 0.5), values), judge(claim(1.2, math.inf), values), judge(claim(90.0, 90.0), values)]
    path = plot_claims(shown, tmp_path / "claims.png")
    assert path.read_bytes()[:4] == b"\x89PNG"
    below = judge(claim(1.0, 1.0), values - 1.5)
    assert [drawable(v) for v in (*shown, below)] == [True, True, True, False]
    with pytest.raises(JevonsError, match="nothing to draw"):
        plot_claims([below, *evaluate(read_claims(write()), numbers=["1"])], tmp_path / "none.png")


def test_the_command_writes_what_it_says(write, tmp_path):
    path = write(SMALL[: SMALL.rindex("[[claims]]")])
    arguments = ["--claims", str(path), "--out", str(tmp_path / "out"), "--docs", str(tmp_path / "docs")]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    with (tmp_path / "out" / "claims.csv").open(encoding="utf-8") as table:
        assert [r["verdict"] for r in csv.DictReader(table)] == [INSIDE, OUTSIDE]
    assert (tmp_path / "docs" / "claims.md").exists()
    assert not (tmp_path / "out" / "claims.png").exists()
    assert "2 claims: 1 outside, 1 inside, 0 not testable." in result.output
    assert CliRunner().invoke(command, ["--draws", "3"]).exit_code == 2
