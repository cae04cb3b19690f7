"""History: what is shipped, what a file may say, and every mistake it can hold."""

from __future__ import annotations

import csv
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jevons import HistoryError, Observation, read_history
from jevons.inference.history import COLUMNS, DEFAULTS, KEY, NEEDED, ROLES, STATISTICS, History
from jevons.units import convert

GOOD = {
    "series": "electricity",
    "variable": "x",
    "statistic": "annual",
    "date": "2020",
    "reference_date": "",
    "value": "100",
    "low": "90",
    "high": "110",
    "unit": "TWh/yr",
    "sigma": "0.1",
    "sigma_kind": "log",
    "family": "ours",
    "definition": "All of it.",
    "source": "Somebody 2021",
    "url": "https://example.org",
    "verified": "yes",
    "role": "fit",
    "variants": "main;other",
    "known": "2021-03",
    "note": "",
}


def write(path, *rows, columns=COLUMNS):
    """A history file; each row is the good one with changes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows({**GOOD, **row} for row in rows)
    return path


def read(tmp_path, *rows, **options):
    return read_history(write(tmp_path / "rows.csv", *rows, **options))


def mistakes_of(source):
    with pytest.raises(HistoryError) as raised:
        read_history(source)
    return raised.value.mistakes


def mistakes(tmp_path, *rows, **options):
    return mistakes_of(write(tmp_path / "rows.csv", *rows, **options))


# What is shipped


def test_the_shipped_history_loads(history):
    assert len(history) > 300
    assert {r.role for r in history} == set(ROLES)
    assert len({r.statistic for r in history.select("fit")} & set(STATISTICS)) >= 5
    assert repr(history).startswith(f"History 'history': {len(history)} rows (")


@pytest.mark.parametrize("variant", ["main", "no_bias"])
def test_enough_rows_to_fit(history, variant):
    assert len(history.select("fit", variant)) >= 55
    assert len({r.family for r in history.select("fit", variant)}) >= 8


def test_only_rows_of_role_fit_name_a_variant(history):
    for row in history:
        assert bool(row.variants) == (row.role == "fit"), row.label
        if row.role == "fit":
            assert row.verified in ("yes", "secondary"), row.label
            assert row.sigma > 0
    for variant in ("main", "no_bias"):
        assert {r.role for r in history.select(variant=variant)} == {"fit"}


def test_what_is_held_out_is_not_fitted_under_another_name(history):
    """No benchmark or hold-out repeats a fitted figure of the same variable, statistic, dates and family."""

    def what(row):
        return row.variable, row.statistic, row.date, repr(row.reference_date), row.family

    fitted = {what(r) for r in history.select("fit")}
    assert len(fitted) > 55
    assert not [r.label for r in history.select("benchmark") if what(r) in fitted]


def test_figures_were_known_after_what_they_measure(history):
    for row in history:
        assert re.fullmatch(r"\d{4}-\d{2}", row.known), row.label
        year, month = map(int, row.known.split("-"))
        if row.role == "fit" and row.statistic not in ("annual", "ratio"):
            assert year + month / 12 >= row.date - 1e-9, row.label
        if row.role == "fit" and row.statistic in ("annual", "ratio"):
            assert year >= row.date, row.label


def test_benchmarks_are_about_the_future(history):
    for row in history.select("benchmark"):
        assert row.date + 1 > int(row.known[:4]), row.label


def test_every_row_says_where_it_is_from(history):
    for row in history:
        assert row.source.strip(), row.label
        assert row.definition.strip(), row.label
        if row.role == "fit":
            assert row.url.startswith("http"), row.label


def test_rows_are_unique(history):
    keys = [tuple(repr(getattr(r, k)) for k in KEY) for r in history]
    assert len(set(keys)) == len(keys)


def test_units_of_fitted_rows_convert_to_the_models(history, world):
    for row in history.select("fit"):
        if row.statistic in ("annual", "at", "since"):
            assert convert(1.0, row.unit, world.unit(row.variable)) > 0, row.label
    vacancy = history.select("fit", series="vacancy")
    assert {r.unit for r in vacancy} == {"percent"}
    assert convert(1.0, "percent", world.unit("vacancy")) == pytest.approx(0.01)
    assert convert(2.0, "USD/H100e/hour", "kUSD/H100e/yr") == pytest.approx(2 * 8765.82 / 1000, rel=1e-3)


def test_the_hash_follows_what_is_fitted(history):
    rows = list(history)
    fitted = next(i for i, r in enumerate(rows) if r.role == "fit")
    other = next(i for i, r in enumerate(rows) if r.role == "benchmark")

    def changed(place, **changes):
        new = [*rows]
        new[place] = Observation(**{**vars(rows[place]), **changes})
        return History(new).hash

    assert History(reversed(rows)).hash == history.hash
    for change in ({"value": 1.0}, {"sigma": 0.5}, {"known": "1999-01"}, {"variants": ()}, {"role": "hold-out"}):
        assert changed(fitted, **change) != history.hash
    for change in ({"note": "x"}, {"source": "x"}, {"low": 1.0}):
        assert changed(fitted, **change) == history.hash
    assert changed(other, value=1.0) == history.hash


# What a file gives


def test_a_row_as_read(tmp_path):
    history = read(tmp_path, {"low": "", "note": "Two, with a comma."})
    (row,) = history
    assert row == history[0]
    assert (row.series, row.date, row.value, row.high, row.sigma) == ("electricity", 2020.0, 100.0, 110.0, 0.1)
    assert math.isnan(row.low)
    assert math.isnan(row.reference_date)
    assert row.variants == ("main", "other")
    assert row.note == "Two, with a comma."
    assert row.label == "electricity annual 2020"
    assert history.name == "rows.csv"


def test_labels_name_the_reference(tmp_path):
    (row,) = read(tmp_path, {"statistic": "ratio", "reference_date": "2015"})
    assert row.label == "electricity ratio 2020 from 2015"


def test_a_folder_is_read_in_order(tmp_path):
    write(tmp_path / "b.csv", {"date": "2022"})
    write(tmp_path / "a.csv", {"date": "2021"})
    (tmp_path / "README.md").write_text("not data", encoding="utf-8")
    assert [r.date for r in read_history(tmp_path)] == [2021.0, 2022.0]


def test_the_table_has_every_column(tmp_path, history):
    frame = read(tmp_path, {}, {"date": "2021"}).to_frame()
    assert list(frame.columns) == list(COLUMNS)
    assert frame["date"].tolist() == [2020.0, 2021.0]
    assert len(history.to_frame()) == len(history)


def test_spaces_around_cells_and_variants_do_not_count(tmp_path):
    (row,) = read(tmp_path, {"variants": " main ; other ", "unit": " TWh/yr ", "role": "fit "})
    assert row.variants == ("main", "other")


def test_a_byte_order_mark_is_no_column(tmp_path):
    path = write(tmp_path / "rows.csv", {})
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert len(read_history(path)) == 1


def test_selection(tmp_path):
    history = read(
        tmp_path,
        {"date": "2018", "known": "2019-05", "variants": "main"},
        {"date": "2019", "known": "2023-12", "variants": "main;other"},
        {"date": "2020", "known": "2024-01", "variants": "other", "series": "power"},
        {"date": "2021", "known": "2018-01", "role": "hold-out", "variants": ""},
        {"date": "2030", "known": "2025-04", "role": "benchmark", "variants": ""},
    )
    assert [r.date for r in history.select("fit")] == [2018, 2019, 2020]
    assert [r.date for r in history.select("fit", "main")] == [2018, 2019]
    assert [r.date for r in history.select("fit", "other", "2023-12")] == [2019]
    assert [r.date for r in history.select(known_until="2023-11")] == [2018, 2021]
    assert [r.date for r in history.select(series="power")] == [2020]
    assert [r.date for r in history.select("benchmark")] == [2030]
    assert history.select("fit", "main").name == history.name


@given(st.integers(2015, 2027), st.integers(1, 12))
def test_what_is_known_only_grows(history, year, month):
    now = {id(r) for r in history.select(known_until=f"{year}-{month:02d}")}
    later = {id(r) for r in history.select(known_until=f"{year + month // 12}-{month % 12 + 1:02d}")}
    assert now <= later
    assert all((r.known <= f"{year}-{month:02d}") == (id(r) in now) for r in history)


@pytest.mark.parametrize("month", ["2023", "2023-13", "2023-1", "12-2023", "soon"])
def test_a_month_is_a_month(history, month):
    with pytest.raises(HistoryError, match=rf"known_until '{month}', expected a month such as '2023-12'"):
        history.select(known_until=month)


# Thin files, ratios, indices, and files written


def test_a_thin_file_takes_the_defaults(tmp_path):
    columns = [*NEEDED, "sigma"]
    (row,) = read(tmp_path, {}, columns=columns)
    assert (row.variable, row.date, row.value, row.unit, row.source) == ("x", 2020.0, 100.0, "TWh/yr", "Somebody 2021")
    assert (row.series, row.statistic, row.role) == ("x", "annual", "fit")
    assert (row.sigma, row.sigma_kind, row.known, row.definition) == (0.1, "log", "0000-01", "as the source")
    assert (row.family, row.url, row.verified, row.note, row.variants) == ("", "", "", "", ())
    assert math.isnan(row.low)
    assert [r.date for r in read_history(tmp_path / "rows.csv").select("fit", known_until="1990-01")] == [2020.0]


@pytest.mark.parametrize("column", NEEDED)
def test_what_a_thin_file_cannot_lack(tmp_path, column):
    columns = [c for c in (*NEEDED, "sigma") if c != column]
    (mistake,) = mistakes(tmp_path, {}, columns=columns)
    assert mistake.startswith(f"rows.csv: column {column!r} is missing")


def test_a_thin_file_to_fit_needs_an_error(tmp_path):
    (mistake,) = mistakes(tmp_path, {}, columns=NEEDED)
    assert mistake == "rows.csv line 2: a row to fit needs sigma > 0 of kind 'log' or 'absolute', found nan, 'log'"


def test_defaults_are_for_columns_that_are_left_out_not_for_empty_cells(tmp_path):
    assert "rows.csv line 2: column 'role' is empty" in mistakes(tmp_path, {"role": ""})
    assert all(c in COLUMNS for c in (*NEEDED, *DEFAULTS))


def test_a_ratio_names_two_variables(tmp_path):
    assert [r.variables for r in read(tmp_path, {"variable": " a  /b "}, {"date": "2021"})] == [("a", "b"), ("x",)]


def test_an_index_needs_no_reference(tmp_path):
    (row,) = read(tmp_path, {"statistic": "index", "unit": "1"})
    assert row.label == "electricity index 2020"
    assert math.isnan(row.reference_date)


def test_the_error_of_a_row(tmp_path):
    log, absolute = (r.noise for r in read(tmp_path, {}, {"sigma_kind": "absolute", "sigma": "3", "date": "2021"}))
    assert float(log.residual(100 * math.exp(0.1), 100.0)) == pytest.approx(1.0)
    assert float(absolute.residual(103.0, 100.0)) == pytest.approx(1.0)


def test_families_can_be_left_out(tmp_path):
    found = read(tmp_path, {}, {"family": "theirs", "date": "2021"})
    assert [r.date for r in found.select(without_families=["theirs"])] == [2020.0]
    assert len(found.select(without_families=["nobody"])) == 2


def test_what_is_written_is_read_back(tmp_path, history):
    odd = {"note": 'Two, with "quotes"\nand lines.', "low": "", "value": "0.1", "sigma": repr(1 / 3), "variants": "b;a"}
    for written in (history, read(tmp_path, odd, {"date": "2021.5", "series": "η"})):
        path = written.to_csv(tmp_path / "written.csv")
        again = read_history(path)
        assert [{k: repr(x) for k, x in vars(r).items()} for r in again] == [
            {k: repr(x) for k, x in vars(r).items()} for r in written
        ]
        assert again.hash == written.hash
        assert again.to_csv(tmp_path / "twice.csv").read_bytes() == path.read_bytes()


# Mistakes of a file


def test_a_file_that_is_empty(tmp_path):
    (tmp_path / "rows.csv").write_text("", encoding="utf-8")
    assert mistakes_of(tmp_path / "rows.csv") == ("rows.csv: is empty, expected a header and at least one row",)


def test_a_header_without_rows(tmp_path):
    assert mistakes(tmp_path) == ("rows.csv: has a header and no row",)


def test_a_file_that_is_missing(tmp_path):
    (mistake,) = mistakes_of(tmp_path / "none.csv")
    assert mistake == "none.csv: cannot be read (No such file or directory)"


def test_a_folder_without_files(tmp_path):
    (mistake,) = mistakes_of(tmp_path)
    assert mistake == f"folder {tmp_path} holds no CSV file"


def test_a_model_without_history():
    (mistake,) = mistakes_of("wordl")
    assert mistake.startswith("wordl: cannot be read")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00a", b'series,"variable\nx,y'])
def test_a_file_that_is_no_csv(tmp_path, content):
    (tmp_path / "rows.csv").write_bytes(content)
    (mistake,) = mistakes_of(tmp_path / "rows.csv")
    assert mistake.startswith("rows.csv: is not a CSV file (")


def test_a_missing_column_with_the_nearest(tmp_path):
    columns = ["vlaue" if c == "value" else c for c in COLUMNS]
    found = mistakes(tmp_path, {}, columns=columns)
    assert found == (
        "rows.csv: column 'value' is missing; did you mean 'vlaue'?",
        "rows.csv: unknown column 'vlaue'; did you mean 'value'?",
    )


def test_an_unknown_column(tmp_path):
    assert mistakes(tmp_path, {}, columns=[*COLUMNS, "zzz"]) == ("rows.csv: unknown column 'zzz'",)


def test_a_column_twice(tmp_path):
    path = write(tmp_path / "rows.csv", {})
    path.write_text(path.read_text(encoding="utf-8").replace("note", "note,date"), encoding="utf-8")
    assert "rows.csv: column 'date' appears more than once" in mistakes_of(path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"value": "many"}, "column 'value' holds 'many', expected a number"),
        ({"date": "2020-01-01"}, "column 'date' holds '2020-01-01', expected a number"),
        ({"low": "inf"}, "column 'low' holds 'inf', expected a number"),
        ({"high": "nan"}, "column 'high' holds 'nan', expected a number"),
        ({"statistic": "anual"}, "statistic 'anual', expected one of annual, at, index, ratio, since, slope, "
         "log_growth_rate, log_decline_rate; did you mean 'annual'?"),
        ({"role": "hold_out", "variants": ""}, "role 'hold_out', expected one of fit, hold-out, benchmark; "
         "did you mean 'hold-out'?"),
        ({"verified": "Yes"}, "verified 'Yes', expected one of yes, secondary, no; did you mean 'yes'?"),
        ({"unit": "TWhh"}, "unit 'TWhh' is not known"),
        ({"known": "March 2021"}, "known 'March 2021', expected a month such as 2023-12"),
        ({"known": "2021-00"}, "known '2021-00', expected a month such as 2023-12"),
        ({"statistic": "ratio"}, "statistic ratio needs a reference_date"),
        ({"statistic": "since"}, "statistic since needs a reference_date"),
        ({"statistic": "log_growth_rate", "reference_date": "2020"}, "reference_date is the date itself, 2020"),
        ({"sigma": ""}, "a row to fit needs sigma > 0 of kind 'log' or 'absolute', found nan, 'log'"),
        ({"sigma": "-0.1"}, "a row to fit needs sigma > 0 of kind 'log' or 'absolute', found -0.1, 'log'"),
        ({"sigma_kind": "relative"}, "a row to fit needs sigma > 0 of kind 'log' or 'absolute', found 0.1, 'relative'"),
        ({"value": "-3"}, "value -3.0 with a log error, expected more than 0"),
        ({"verified": "no"}, "an unverified row must not have role 'fit'"),
        ({"variable": ""}, "a row to fit needs a model variable"),
        *(({c: ""}, f"column {c!r} is empty") for c in ("series", "date", "unit", "definition", "source", "known")),
    ],
    ids=lambda x: " ".join(f"{k}={v}" for k, v in x.items()) if isinstance(x, dict) else "",
)  # fmt: skip
def test_mistakes_of_a_row(tmp_path, change, expected):
    (mistake,) = mistakes(tmp_path, {"date": "2019"}, change)
    assert mistake.startswith(f"rows.csv line 3: {expected}")


@pytest.mark.parametrize("column", ["value", "statistic", "role"])
def test_what_cannot_be_empty(tmp_path, column):
    assert f"rows.csv line 2: column {column!r} is empty" in mistakes(tmp_path, {column: ""})


def test_rows_that_are_not_fitted_may_lack_errors(tmp_path):
    change = {"role": "hold-out", "sigma": "", "sigma_kind": "", "variable": "", "verified": "no", "unit": "pages"}
    (row,) = read(tmp_path, {**change, "value": "-1", "variants": ""})
    assert math.isnan(row.sigma)
    assert row.variants == ()


def test_the_unit_of_a_model_variable_must_be_known(tmp_path):
    (mistake,) = mistakes(tmp_path, {"role": "benchmark", "unit": "pages", "variants": ""})
    assert mistake.startswith("rows.csv line 2: unit 'pages' is not known")


def test_duplicates(tmp_path):
    found = mistakes(tmp_path, {}, {"value": "101"}, {"date": "2021"})
    assert found == ("rows.csv line 3: duplicate of rows.csv line 2 (electricity annual 2020, Somebody 2021)",)


def test_duplicates_across_files(tmp_path):
    write(tmp_path / "a.csv", {})
    write(tmp_path / "b.csv", {"date": "2021"}, {})
    (mistake,) = mistakes_of(tmp_path)
    assert mistake.startswith("b.csv line 3: duplicate of a.csv line 2")


def test_the_same_figure_from_another_source_is_another_row(tmp_path):
    assert len(read(tmp_path, {}, {"source": "Somebody else"}, {"statistic": "at"})) == 3


def test_cells_missing_or_too_many(tmp_path):
    path = write(tmp_path / "rows.csv", {}, {"date": "2021"}, {"date": "2022"})
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2].rsplit(",", 2)[0]
    lines[3] = lines[3] + ",so it is"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert mistakes_of(path) == (
        f"rows.csv line 3: {len(COLUMNS) - 2} cells, expected {len(COLUMNS)}",
        f"rows.csv line 4: {len(COLUMNS) + 1} cells, expected {len(COLUMNS)}; a text with a comma needs quotes",
    )


def test_lines_are_those_of_the_file(tmp_path):
    """Blank lines and texts over several lines included."""
    path = write(tmp_path / "rows.csv", {"note": "one\ntwo\nthree"}, {"date": "2021", "value": "x"})
    (mistake,) = mistakes_of(path)
    assert mistake.startswith("rows.csv line 5: column 'value' holds 'x'")
    lines = path.read_text(encoding="utf-8").split("\n")
    path.write_text("\n".join([lines[0], "", "", *lines[1:]]), encoding="utf-8")
    (mistake,) = mistakes_of(path)
    assert mistake.startswith("rows.csv line 7: column 'value' holds 'x'")


def test_all_mistakes_in_one_message(tmp_path):
    write(tmp_path / "a.csv", {"value": "x", "role": "fitt"}, {"unit": "TWhh", "known": "x"})
    (tmp_path / "b.csv").write_text("", encoding="utf-8")
    write(tmp_path / "c.csv", {"sigma": ""}, columns=[c for c in COLUMNS if c != "source"])
    with pytest.raises(HistoryError) as raised:
        read_history(tmp_path)
    places = [m.split(":")[0] for m in raised.value.mistakes]
    assert places == ["a.csv line 2", "a.csv line 2", "a.csv line 3", "a.csv line 3", "b.csv", "c.csv"]
    head, *bullets = str(raised.value).splitlines()
    assert head == f"history {tmp_path.name!r}: 6 mistakes"
    assert len(bullets) >= 6


def test_a_range_upside_down_is_refused(tmp_path):
    found = mistakes(tmp_path, {"low": "500", "high": "1"})
    assert any("low 500 and high 1, expected low ≤ high" in m for m in found)
