"""Calibration files: written and read, extended, read as variants, and every mistake in them at once."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import observation
from small_calibrations import GROWS, history

import jevons as jv
from jevons import Calibration, CalibrationError, Hint, LogNormal, Normal, Nuisance
from jevons.inference.config import (
    BacktestConfig,
    CalibrationConfig,
    ConditionConfig,
    ProjectedVariable,
    ProjectionConfig,
    Variant,
    shipped_calibrations,
)

CONFIGURATIONS = shipped_calibrations()

SMALL = """
model = "grows"
free = ["rate", "ceiling"]
[variants.main]
doc = "All."
"""


def write(folder: Path, text: str, name: str = "x.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(path: Path) -> tuple[str, ...]:
    with pytest.raises(CalibrationError) as raised:
        jv.read_config(path)
    return raised.value.mistakes


def problem_mistakes(config: CalibrationConfig, variant: str = "main") -> tuple[str, ...]:
    with pytest.raises(CalibrationError) as raised:
        config.calibration(GROWS, history(observation("x", 1.0, 1.0)), variant)
    return raised.value.mistakes


# Written and read


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_shipped_configuration_is_read_as_it_was_written(tmp_path, name):
    config = jv.read_config(name)
    again = jv.read_config(config.write(tmp_path / "again.toml"))
    assert again == config
    assert list(again.variants) == list(config.variants)


NAMES = st.text("abcdefghijklmnop_", min_size=1, max_size=6)
WORDS = st.text(max_size=12)
NUMBERS = st.floats(-1e9, 1e9)
SIZES = st.floats(1e-6, 1e6)
PRIORS = st.builds(LogNormal, SIZES, SIZES) | st.builds(Normal, NUMBERS, SIZES)
ENDS = st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False))
LISTS = st.lists(NAMES, max_size=3, unique=True).map(tuple)
VARIANTS = st.builds(
    Variant, st.just(""), WORDS, st.dictionaries(NAMES, NUMBERS, max_size=2), NAMES, LISTS,
    st.dictionaries(NAMES, PRIORS, max_size=2),
)  # fmt: skip
CONDITIONS = st.builds(
    ConditionConfig, st.just(""), st.text(min_size=1, max_size=8), st.dictionaries(NAMES, NUMBERS, max_size=2),
    st.dictionaries(NAMES, PRIORS, max_size=2),
)  # fmt: skip
YEARS = st.integers(1990, 2100)
PLANS = st.builds(
    ProjectionConfig,
    YEARS, YEARS, LISTS, LISTS, st.lists(YEARS, max_size=3).map(tuple), st.tuples(YEARS, YEARS), NUMBERS, NAMES,
    st.dictionaries(NAMES, NUMBERS, max_size=2), st.dictionaries(NAMES, NUMBERS, max_size=2),
    st.lists(st.builds(ProjectedVariable, NAMES, WORDS, NAMES, st.just("since"), NUMBERS), max_size=2,
             unique_by=lambda v: v.name).map(tuple),
    st.lists(YEARS, max_size=2).map(tuple), LISTS, st.dictionaries(NAMES, NUMBERS, max_size=2),
)  # fmt: skip
BACKTESTS = st.builds(
    BacktestConfig, NAMES, LISTS, LISTS, st.tuples(YEARS, YEARS), st.dictionaries(NAMES, LISTS, max_size=2), WORDS
)  # fmt: skip


@st.composite
def configurations(draw):
    """Any configuration at all; sources are of what is there."""
    values, priors = draw(st.dictionaries(NAMES, NUMBERS, max_size=3)), draw(st.dictionaries(NAMES, PRIORS, max_size=3))
    variants = {n: replace(x, name=n) for n, x in draw(st.dictionaries(NAMES, VARIANTS, max_size=3)).items()}
    conditions = {n: replace(x, name=n) for n, x in draw(st.dictionaries(NAMES, CONDITIONS, max_size=2)).items()}
    nuisance = [
        Nuisance(n, kind, draw(PRIORS), draw(WORDS), draw(NAMES | st.just("")), draw(NAMES | st.just("")))
        for kind in ("bias", "base", "noise_scale")
        for n in draw(LISTS)
    ]
    places = [*(f"values.{n}" for n in values), *(f"priors.{n}" for n in priors)]
    places += [f"variants.{v.name}.priors.{n}" for v in variants.values() for n in v.priors]
    places += [f"conditions.{c.name}.{kind}.{n}" for c in conditions.values()
               for kind, of in (("values", c.values), ("priors", c.priors)) for n in of]  # fmt: skip
    sources = {place: draw(WORDS) for place in places if draw(st.booleans())}
    hints = [Hint(draw(LISTS), draw(WORDS), draw(WORDS)) for _ in range(draw(st.integers(0, 2)))]
    return CalibrationConfig(
        draw(NAMES), draw(LISTS), draw(st.integers(1, 99)), draw(st.integers(0, 2**40)), draw(SIZES),
        draw(st.integers(1, 10**6)), variants, draw(st.none() | PLANS), draw(st.none() | BACKTESTS), draw(WORDS),
        values, priors, sources, draw(st.dictionaries(NAMES, ENDS, max_size=2)), tuple(nuisance),
        tuple(conditions.values()), tuple(hints),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(configurations())
def test_any_configuration_is_read_as_it_was_written(config):
    with tempfile.TemporaryDirectory() as folder:
        assert jv.read_config(config.write(Path(folder) / "x.toml")) == config


def test_what_is_left_out_has_its_default(tmp_path):
    config = jv.read_config(write(tmp_path, SMALL))
    assert (config.starts, config.seed, config.spread, config.draws) == (16, 1, 1.0, 1000)
    assert (config.projection, config.backtest, config.conditions, config.hints, config.nuisance) == (
        None,
        None,
        (),
        (),
        (),
    )
    assert config.variants == {"main": Variant("main", "All.", {}, "main", (), {})}


# Mistakes


WRONG = """
model = 3
free = ["a", 4]
strats = 4
starts = 2.5
seed = inf
spread = "wide"
draws = true
add_free = "b"
[values]
tau = "long"
pue = { valeu = 1.2, source = "x" }
rate = nan
[priors]
a = { median = 1.0 }
b = { median = -1.0, sd_log = 0.1 }
c = { mean = 0.0, sd = 1.0, medain = 2.0 }
d = 7
[bounds]
a = [1.0]
b = [0.0, nan]
[bias]
old = { mean = 0.0, sd = 0.1, famly = "old" }
[conditions.us]
values = { tau = "x" }
priros = {}
[[hints]]
parameters = "a"
whi = "x"
[variants]
main = 3
[variants.other]
fixd = {}
fixed = { a = "x" }
rows = 1
[variants.other.priors]
a = { mean = 0.0, sd = 0.0 }
[projection]
start = 2010
shoks = {}
[backtest]
level = 3
origins = 4
"""
EXPECTED = (
    ("unknown entry 'strats', expected extends, model", "; did you mean 'starts'?"),
    ("model: found 3, expected text", ""),
    ("free: found ['a', 4], expected a list of names", ""),
    ("add_free: found 'b', expected a list of names", ""),
    ("starts: found 2.5, expected a whole number", ""),
    ("seed: found inf, expected a whole number", ""),
    ("spread: found 'wide', expected a number", ""),
    ("draws: found True, expected a whole number", ""),
    ("values.tau: found 'long', expected a number", ""),
    ("values.pue: unknown entry 'valeu', expected value, source", "; did you mean 'value'?"),
    ("values.pue: entry 'value' is missing", ""),
    ("values.rate: found nan, expected a number", ""),
    ("priors.a: found {'median': 1.0}, expected median and sd_log, or mean and sd, with widths above 0", ""),
    ("priors.b: found {'median': -1.0, 'sd_log': 0.1}, expected median and sd_log", ""),
    ("priors.c: unknown entry 'medain', expected median", "; did you mean 'median'?"),
    ("priors.d: found 7, expected a table", ""),
    ("priors.d: found {}, expected median and sd_log", ""),
    ("bounds.a: found [1.0], expected [low, high]", ""),
    ("bounds.b: found nan, expected a number", ""),
    ("bias.old: unknown entry 'famly', expected median", "; did you mean 'family'?"),
    ("conditions.us: unknown entry 'priros', expected history, values, priors", "; did you mean 'priors'?"),
    ("conditions.us: entry 'history' is missing", ""),
    ("conditions.us.values.tau: found 'x', expected a number", ""),
    ("hints[0]: unknown entry 'whi', expected parameters, why, unless_observed", "; did you mean 'why'?"),
    ("hints[0].parameters: found 'a', expected a list of names", ""),
    ("variants.main: found 3, expected a table", ""),
    ("variants.other: unknown entry 'fixd', expected doc, fixed", "; did you mean 'fixed'?"),
    ("variants.other.fixed.a: found 'x', expected a number", ""),
    ("variants.other.rows: found 1, expected text", ""),
    ("variants.other.priors.a: found {'mean': 0.0, 'sd': 0.0}, expected median", ""),
    ("projection: unknown entry 'shoks', expected start", "; did you mean 'shocks'?"),
    ("projection: entry 'end' is missing", ""),
    ("projection: entry 'variables' is missing", ""),
    ("backtest: malformed: ", ""),
)


def test_every_mistake_comes_at_once_with_its_place_and_the_nearest_name(tmp_path):
    found = list(mistakes(write(tmp_path, WRONG)))
    for begin, end in EXPECTED:
        fitting = [m for m in found if m.startswith(begin) and m.endswith(end)]
        assert len(fitting) == 1, (begin, end, found)
        found.remove(fitting[0])
    assert all(m.startswith("projection: entry ") for m in found)  # the others that it needs


def test_what_must_be_there(tmp_path):
    assert mistakes(write(tmp_path, "starts = 3")) == (
        "entry 'model' is missing", "entry 'free' is missing", "entry 'variants' is missing"
    )  # fmt: skip


@pytest.mark.parametrize("text", ["model = ", "\x00", "model = 'a'\nmodel = 'b'", "é\udcff"])
def test_what_is_no_toml_is_told(tmp_path, text):
    (tmp_path / "x.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    (mistake,) = mistakes(tmp_path / "x.toml")
    assert mistake.startswith("is not TOML: ")


def test_a_file_that_is_not_there_is_told(tmp_path):
    assert mistakes(tmp_path / "none.toml") == ("cannot be read (No such file or directory)",)
    assert mistakes(Path("wrld"))[0].endswith("did you mean 'world'?")


# Extended


def test_tables_are_merged_one_level_deep_and_all_else_is_replaced(tmp_path):
    write(
        tmp_path,
        """
        model = "grows"
        starts = 3
        seed = 7
        free = ["rate", "ceiling"]
        [values]
        a = 1.0
        b = 2.0
        [variants.main]
        doc = "Base."
        fixed = { rate = 1.0 }
        [variants.other]
        doc = "Only in the base."
        [[hints]]
        parameters = ["rate", "ceiling"]
        why = "base"
        """,
        "base.toml",
    )
    config = jv.read_config(
        write(
            tmp_path,
            """
            extends = "base.toml"
            starts = 4
            [values]
            b = 3.0
            [variants.main]
            doc = "Mine."
            """,
        )
    )
    assert (config.model, config.starts, config.seed, config.free) == ("grows", 4, 7, ("rate", "ceiling"))
    assert config.values == {"a": 1.0, "b": 3.0}
    assert {n: (v.doc, dict(v.fixed)) for n, v in config.variants.items()} == {
        "main": ("Mine.", {}), "other": ("Only in the base.", {})
    }  # fmt: skip
    assert [h.why for h in config.hints] == ["base"]


def test_what_is_free_changes_file_by_file(tmp_path):
    write(tmp_path, SMALL.replace('"ceiling"', '"ceiling", "start_value"'), "one.toml")
    write(tmp_path, 'extends = "one.toml"\ndrop_free = ["ceiling"]\nadd_free = ["tau"]', "two.toml")
    config = jv.read_config(write(tmp_path, 'extends = "two.toml"\ndrop_free = ["rate"]\nadd_free = ["pue"]'))
    assert config.free == ("start_value", "tau", "pue")
    wrong = write(tmp_path, 'extends = "two.toml"\ndrop_free = ["ceiling", "raet"]\nadd_free = ["tau"]')
    assert mistakes(wrong) == (
        "drop_free: 'ceiling' is not free",
        "drop_free: 'raet' is not free; did you mean 'rate'?",
        "add_free: 'tau' is free already",
    )


def test_hints_on_what_is_no_longer_free_are_not_inherited(tmp_path):
    hints = '\n[[hints]]\nparameters = ["rate", "ceiling"]\n[[hints]]\nparameters = ["rate", "start_value"]'
    write(tmp_path, SMALL + hints, "base.toml")
    config = jv.read_config(write(tmp_path, 'extends = "base.toml"\ndrop_free = ["ceiling"]'))
    assert [h.parameters for h in config.hints] == [("rate", "start_value")]


def test_files_that_extend_each_other_are_refused(tmp_path):
    write(tmp_path, 'extends = "b.toml"', "a.toml")
    write(tmp_path, 'extends = "c/c.toml"', "b.toml")
    write(tmp_path, 'extends = "../a.toml"', "c/c.toml")
    assert mistakes(tmp_path / "a.toml") == ("extends: goes round in a circle: a.toml, b.toml, c.toml, a.toml",)
    assert mistakes(write(tmp_path, 'extends = "x.toml"')) == ("extends: goes round in a circle: x.toml, x.toml",)


def test_a_long_chain_is_no_circle(tmp_path):
    write(tmp_path, SMALL, "0.toml")
    for k in range(1, 9):
        write(tmp_path, f'extends = "{k - 1}.toml"\nseed = {k}', f"{k}.toml")
    assert jv.read_config(tmp_path / "8.toml").seed == 8
    assert jv.read_config(tmp_path / "8.toml").free == ("rate", "ceiling")


def test_what_is_extended_must_be_there(tmp_path):
    (mistake,) = mistakes(write(tmp_path, 'extends = "wrld"'))
    assert mistake == "extends: 'wrld' is neither a path that ends in .toml nor shipped; did you mean 'world'?"
    assert mistakes(write(tmp_path, 'extends = "none.toml"')) == ("cannot be read (No such file or directory)",)


def test_a_mistake_in_what_is_extended_counts(tmp_path):
    write(tmp_path, SMALL + "[bouns]\na = [0, 1]", "base.toml")
    (mistake,) = mistakes(write(tmp_path, 'extends = "base.toml"'))
    assert mistake.startswith("unknown entry 'bouns'") and mistake.endswith("did you mean 'bounds'?")


HISTORY = (
    "series,variable,statistic,date,reference_date,value,low,high,unit,sigma,sigma_kind,family,definition,source,url,"
    "verified,role,variants,known,note\n"
    "x,x,at,1.0,,2.0,,,1,0.1,log,test,Test.,test,,yes,fit,main,2000-01,\n"
)


@pytest.mark.parametrize("relative", [False, True])
def test_paths_are_relative_to_the_file_that_names_them(tmp_path, relative, monkeypatch):
    write(tmp_path, HISTORY, "base/data/main.csv")
    write(tmp_path, HISTORY.replace(",2.0,", ",3.0,"), "base/data/there.csv")
    write(
        tmp_path,
        f"""
        history = "data/main.csv"
        {SMALL}
        [conditions.there]
        history = "data/there.csv"
        [backtest]
        level = "x"
        origins = []
        forecasts = "data/forecasts.csv"
        """,
        "base/first.toml",
    )
    write(tmp_path, 'extends = "first.toml"', "base/second.toml")
    path = write(tmp_path, 'extends = "../base/second.toml"', "mine/own.toml")
    monkeypatch.chdir(tmp_path)
    config = jv.read_config(Path("mine/own.toml") if relative else path)
    assert [row.value for row in config.read_history()] == [2.0]
    assert [row.value for row in config.calibration(GROWS, config.read_history(), "main").rows] == [2.0, 3.0]
    assert config.backtest.forecasts == str(tmp_path / "base/data/forecasts.csv")
    assert jv.read_config(tmp_path / "base/second.toml").history == "data/main.csv"
    own = write(tmp_path, 'extends = "../base/second.toml"\nhistory = "mine.csv"', "mine/own.toml")
    write(tmp_path, HISTORY.replace(",2.0,", ",4.0,"), "mine/mine.csv")
    assert [row.value for row in jv.read_config(own).read_history()] == [4.0]


def test_a_configuration_without_history_says_so(tmp_path):
    with pytest.raises(CalibrationError, match="names no history, expected entry 'history'"):
        jv.read_config(write(tmp_path, SMALL)).read_history()


def test_a_file_may_be_laid_over_another_from_outside(tmp_path):
    path = write(tmp_path, "seed = 99")
    assert mistakes(path) == ("entry 'model' is missing", "entry 'free' is missing", "entry 'variants' is missing")
    config = jv.read_config(path, extends="world")
    assert (config.seed, config.free) == (99, jv.read_config("world").free)
    assert config.read_history().hash == jv.read_config("world").read_history().hash
    other = jv.read_config(write(tmp_path, SMALL), extends="world")
    assert other.model == "grows" and other.history == ""


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_shipped_variant_is_a_problem_of_its_model(name):
    config = jv.read_config(name)
    model, rows = jv.load(config.model, fit=None), config.read_history()
    for variant in config.variants if name == "world" else ["main"]:
        calibration = config.calibration(model, rows, variant)
        assert len(calibration.rows) > 0
        assert calibration.label == variant


# Variants


ROWS = [
    observation("x", 1.0, 1.0, family="iea", variants=("main",)),
    observation("x", 2.0, 2.0, family="older", variants=("main", "older")),
    observation("x", 3.0, 3.0, family="older", variants=("older",)),
]


def variants(tmp_path: Path, text: str) -> CalibrationConfig:
    return jv.read_config(write(tmp_path, SMALL + text))


def test_a_variant_fits_the_rows_of_its_tag_less_families(tmp_path):
    config = variants(
        tmp_path,
        """
        [variants.older]
        [variants.tagged]
        rows = "main"
        [variants.all]
        rows = ""
        [variants.newer]
        rows = ""
        without_families = ["older"]
        """,
    )
    fitted = {n: [r.date for r in config.calibration(GROWS, history(*ROWS), n).rows] for n in config.variants}
    assert fitted == {
        "main": [1.0, 2.0], "older": [2.0, 3.0], "tagged": [1.0, 2.0], "all": [1.0, 2.0, 3.0], "newer": [1.0]
    }  # fmt: skip
    assert config.calibration(GROWS, history(*ROWS), "tagged").label == "tagged"


def test_a_variant_holds_what_it_fixes_whatever_else_is_said_of_it(tmp_path):
    config = variants(
        tmp_path,
        """
        fixed = { rate = 0.25 }
        [variants.free]
        rows = "main"
        [values]
        rate = 0.5
        start_value = 0.125
        [priors]
        rate = { median = 2.0, sd_log = 0.1 }
        [bounds]
        rate = [1.0, inf]
        """,
    )
    held = config.calibration(GROWS, history(*ROWS), "main")
    assert held.free == ("ceiling",)
    assert (held.model.values["rate"], held.model.values["start_value"]) == (0.25, 0.125)
    free = config.calibration(GROWS, history(*ROWS), "free")
    assert free.free == ("rate", "ceiling")
    assert free.priors[0] == LogNormal(2.0, 0.1)
    assert free.bounds()[0][0] == -4.0 and free.log_prior(free.coordinates({"rate": 0.9, "ceiling": 10.0})) == -math.inf


def test_the_priors_of_a_variant_override_those_of_the_file_and_these_the_models(tmp_path):
    config = variants(
        tmp_path,
        """
        [variants.wide]
        rows = "main"
        priors.rate = { median = 1.0, sd_log = 3.0, source = "a guess" }
        [priors]
        rate = { median = 1.0, sd_log = 2.0 }
        """,
    )
    used = {n: config.calibration(GROWS, history(*ROWS), n).priors for n in config.variants}
    assert used == {
        "main": [LogNormal(1.0, 2.0), LogNormal(10.0, 0.5)], "wide": [LogNormal(1.0, 3.0), LogNormal(10.0, 0.5)]
    }  # fmt: skip
    assert config.sources == {"variants.wide.priors.rate": "a guess"}


def test_a_variant_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CalibrationError, match="variant 'mian', expected one of main; did you mean 'main'"):
        variants(tmp_path, "").variant("mian")


# What reaches the problem


def test_bounds_nuisances_and_conditions_reach_the_problem(tmp_path):
    write(tmp_path, HISTORY, "there.csv")
    config = variants(
        tmp_path,
        """
        [bounds]
        ceiling = [5.0, 20.0]
        [bias]
        old = { mean = 0.0, sd = 0.1, family = "older", source = "spread" }
        [base]
        index = { median = 3.0, sd_log = 1.0, series = "index" }
        [noise_scale]
        scale = { median = 1.0, sd_log = 0.5 }
        [conditions.there]
        history = "there.csv"
        values = { start_value = { value = 0.5, source = "counted" } }
        priors = { rate = { median = 0.3, sd_log = 0.2 } }
        """,
    )
    assert config.nuisance == (
        Nuisance("old", "bias", Normal(0.0, 0.1), "spread", "older", ""),
        Nuisance("index", "base", LogNormal(3.0, 1.0), "", "", "index"),
        Nuisance("scale", "noise_scale", LogNormal(1.0, 0.5), "", "", ""),
    )
    assert config.sources == {"conditions.there.values.start_value": "counted"}
    indexed = observation("x", 2.0, 5.0, statistic="index", series="index")
    found = config.calibration(GROWS, history(*ROWS, indexed), "main")
    by_hand = Calibration(
        GROWS, history(*ROWS, indexed), ["rate", "ceiling"], variant="main",
        bounds={"ceiling": (5.0, 20.0)}, nuisance=config.nuisance,
        conditions=[
            jv.Condition("there", GROWS.with_values({"start_value": 0.5}), config.read_history("there.csv"),
                         {"rate": LogNormal(0.3, 0.2)})
        ],
    )  # fmt: skip
    assert found.free == ("rate", "ceiling", "there.rate", "old", "index", "scale")
    assert found.hash == by_hand.hash


def test_what_the_model_lacks_is_told_at_once(tmp_path):
    config = variants(
        tmp_path,
        """
        fixed = { ceilng = 3.0 }
        [values]
        raet = 1.0
        [[hints]]
        parameters = ["rate", "cieling"]
        unless_observed = "xx"
        [[hints]]
        parameters = ["rate", "start_value"]
        unless_observed = "log_x"
        """,
    )
    assert problem_mistakes(config) == (
        "value of 'raet', which is not in the model; did you mean 'rate'?",
        "value of 'ceilng', which is not in the model; did you mean 'ceiling'?",
        "hint on 'cieling', which is neither free nor in the model; did you mean 'ceiling'?",
        "hint unless 'xx' is observed, which is not in the model; did you mean 'x'?",
    )


def test_hints_may_name_whatever_is_free(tmp_path):
    write(tmp_path, HISTORY, "there.csv")
    config = variants(
        tmp_path,
        """
        [bias]
        offset = { mean = 0.0, sd = 0.1 }
        [conditions.there]
        history = "there.csv"
        priors = { rate = { median = 0.3, sd_log = 0.2 } }
        [[hints]]
        parameters = ["offset", "there.rate", "start_value"]
        """,
    )
    assert config.calibration(GROWS, history(*ROWS), "main").free == ("rate", "ceiling", "there.rate", "offset")
