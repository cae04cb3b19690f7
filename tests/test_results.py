"""Result files of other programs, in all the ways in which they come, and the comparison of runs."""

from __future__ import annotations

import io
import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jevons.errors import JevonsError
from jevons.interchange import results
from jevons.interchange.results import ResultFileError, canonical_name, compare_runs, plain_name, read_results
from jevons.trajectory import RunStatus, Status, Trajectory

DOWN = "Time\tStock A\tRate\n0\t1\t0.5\n1\t1.5\t\n2\t2\t\n"


def written(folder, content, name="run.tab", encoding="utf-8"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def assert_is_down(frame):
    assert list(frame.columns) == ["Stock A", "Rate"]
    assert frame.index.name == "time"
    assert np.array_equal(frame.index, [0, 1, 2])
    assert np.array_equal(frame["Stock A"], [1, 1.5, 2])
    assert np.array_equal(frame["Rate"], [0.5, 0.5, 0.5])


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_separators_and_line_ends(tmp_path, line_end, separator):
    path = written(tmp_path, DOWN.replace("\t", separator).replace("\n", line_end))
    assert_is_down(read_results(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path, encoding):
    frame = read_results(written(tmp_path, "Time\tTempérature\n0\t1\n1\t2\n", encoding=encoding))
    assert list(frame.columns) == ["Température"]


@pytest.mark.parametrize(
    "word", ["Time", "time", "TIME", "Months", "Years", "Time (Month)", '"Time (Year)"', "Hour", ""]
)
def test_the_first_column_is_time_whatever_its_name(tmp_path, word):
    assert_is_down(read_results(written(tmp_path, DOWN.replace("Time", word, 1))))


def test_one_variable_a_row(tmp_path):
    across = "Time\t0\t1\t2\nStock A\t1\t1.5\t2\nRate\t0.5\t\t\n"
    assert_is_down(read_results(written(tmp_path, across)))
    assert_is_down(read_results(written(tmp_path, across.replace("\t", ","), "run.csv")))


def test_rows_and_columns_of_blanks_at_the_ends_are_nothing(tmp_path):
    assert_is_down(read_results(written(tmp_path, "\n" + DOWN.replace("\n", "\t\t\n") + "\t\t\t\n\n")))


def test_decimal_commas_where_the_separator_is_another(tmp_path):
    assert_is_down(read_results(written(tmp_path, "Time;Stock A;Rate\n0;1;0,5\n1;1,5;\n2;2,0;\n", "run.csv")))


def test_names_with_commas_quotes_and_subscripts(tmp_path):
    text = 'Time,"Flow[A 1, B]","""odd, name""","""x y""[ P , Q]","[a, b] (kg)"\n0,1,2,3,4\n1,1,2,3,4\n'
    frame = read_results(written(tmp_path, text, "run.csv"))
    assert list(frame.columns) == ["Flow[A 1,B]", "odd, name", "x y[P,Q]", "[a, b] (kg)"]


def test_a_blank_inside_a_series_is_missing_and_not_a_constant(tmp_path):
    frame = read_results(written(tmp_path, "Time\ta\tb\n0\t1\t\n1\t\t5\n2\t3\t\n"))
    assert np.array_equal(frame["a"], [1, np.nan, 3], equal_nan=True)
    assert np.array_equal(frame["b"], [np.nan, 5, np.nan], equal_nan=True)


def test_a_single_date_and_words_for_what_is_no_number(tmp_path):
    frame = read_results(written(tmp_path, "Time\ta\tb\tc\td\n0\t1.#INF\t-1.#IND\t∞\t\n"))
    assert frame["a"].iloc[0] == np.inf
    assert frame["c"].iloc[0] == np.inf
    assert np.isnan(frame["b"].iloc[0])
    assert np.isnan(frame["d"].iloc[0])


def test_dat_files(tmp_path):
    text = 'Stock A\n0\t1\n1\t1.5\n2\t2\n"Rate"\n0\t0.5\nsparse[A, B]\n1\t7\n2\t8\n'
    frame = read_results(written(tmp_path, text, "run.dat"))
    assert_is_down(frame[["Stock A", "Rate"]])
    assert np.array_equal(frame["sparse[A,B]"], [np.nan, 7, 8], equal_nan=True)


def test_equal_columns_of_one_name_are_one(tmp_path):
    frame = read_results(written(tmp_path, "Time\ta\ta\n0\t1\t1\n1\t2\t2\n"))
    assert list(frame.columns) == ["a"]


@given(
    values=st.lists(st.lists(st.floats(allow_nan=False, width=64), min_size=3, max_size=3), min_size=2, max_size=6),
    separator=st.sampled_from(["\t", ",", ";"]),
    across=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory, values, separator, across):
    frame = pd.DataFrame(
        values, index=pd.Index(np.arange(len(values)) * 0.25, name="Time"), columns=["a", "b[X,Y]", "c d"]
    )
    text = io.StringIO()
    (frame.T.rename_axis("Time") if across else frame).to_csv(text, sep=separator)
    found = read_results(written(tmp_path_factory.mktemp("results"), text.getvalue()))
    assert np.array_equal(found.to_numpy(), frame.to_numpy())
    assert list(found.columns) == list(frame.columns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Time\ta\n0\tx1\n", "row 2, 'a': found 'x1', expected a number"),
        ("Time\ta\n0\t1\n0\t2\n", "dates must rise; 0 is followed by 0 (row 3)"),
        ("Time\ta\n1\t1\n0\t2\n", "dates must rise; 1 is followed by 0 (row 3)"),
        ("Time\ta\n", "found 1 rows"),
        ("0\t1\n1\t2\n", "the first row has no names"),
        ("Time\ta\n0\t1\t7\n", "row 2 has 3 cells, 2 have names"),
        ("Time\t\ta\n0\t1\t7\n", "column 2 has no name"),
        ("Time\ta\n0\t1\n\t2\n", "row 3 has no date"),
        ("name\ta\nfirst\t1\n", "the first column, 'name', holds 'first'; expected dates"),
        ("Time\ta\ta\n0\t1\t2\n1\t1\t2\n", "'a' stands there 2 times, with different values"),
        ("\0\1\2", "a binary file"),
    ],
)
def test_every_mistake_is_said(tmp_path, text, message):
    with pytest.raises(ResultFileError) as caught:
        read_results(written(tmp_path, text))
    assert message in str(caught.value)


def test_all_mistakes_at_once(tmp_path):
    with pytest.raises(ResultFileError) as caught:
        read_results(written(tmp_path, "Time\ta\tb\n0\tx\ty\n1\tz\t1\n"))
    assert len(caught.value.mistakes) == 3


@pytest.mark.parametrize("text", ["1\t2\nname\n", "name\n1\t2\t3\n", "name\nx\ty\n", ""])
def test_mistakes_of_dat_files(tmp_path, text):
    with pytest.raises(ResultFileError):
        read_results(written(tmp_path, text, "run.dat"))


@pytest.mark.parametrize("name", ["run.vdf", "run.vdfx", "RUN.VDF"])
def test_binary_files_of_vensim_say_how_to_export(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "simlin", None)
    with pytest.raises(ResultFileError, match="Export Dataset") as caught:
        read_results(written(tmp_path, b"\x7f\x00", name))
    assert "pysimlin" in str(caught.value)


def test_binary_files_that_pysimlin_reads_or_not(tmp_path, monkeypatch):
    pretended = ModuleType("simlin")
    pretended.SimlinError = type("SimlinError", (Exception,), {})

    def load_vdf(path):
        if path.stem == "broken":
            raise pretended.SimlinError("bad magic")
        return pd.DataFrame({"stock_a[x, y_z]": [1.0, 2.0]}, index=[0.0, 1.0])

    pretended.load_vdf = load_vdf
    monkeypatch.setitem(sys.modules, "simlin", pretended)
    frame = read_results(written(tmp_path, b"\x7f", "run.vdf"))
    assert (list(frame.columns), frame.index.name) == (["stock a[x,y z]"], "time")
    with pytest.raises(ResultFileError, match=r"bad magic.*Export Dataset"):
        read_results(written(tmp_path, b"\x7f", "broken.vdf"))


def test_files_that_are_not_there_or_too_large_or_wrongly_marked(tmp_path, monkeypatch):
    with pytest.raises(ResultFileError, match="cannot be opened"):
        read_results(tmp_path / "nothing.tab")
    with pytest.raises(ResultFileError, match="announces utf-16"):
        read_results(written(tmp_path, b"\xff\xfea"))
    monkeypatch.setattr(results, "LARGEST_FILE", 5)
    with pytest.raises(ResultFileError, match="at most 5"):
        read_results(written(tmp_path, DOWN))


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a", "a"),
        (' "a b" ', "a b"),
        ('"a b"[X, Y]', "a b[X,Y]"),
        ("a [ X ]", "a[X]"),
        ('a["x, y",Z]', "a[x, y,Z]"),
        ('"with \\"marks\\""', 'with "marks"'),
        ("[no array", "[no array"),
        ('"open', '"open'),
    ],
)
def test_plain_names(name, plain):
    assert plain_name(name) == plain


def test_canonical_names():
    assert canonical_name('"Room   Temperature"[A, b]') == canonical_name("room_temperature[a,B]")
    assert canonical_name("ab") != canonical_name("a b")


def frame_of(**columns):
    return pd.DataFrame(columns, index=pd.Index([0.0, 1.0, 2.0], name="time"))


def test_runs_that_agree_and_runs_that_do_not():
    reference = frame_of(a=[1.0, 100.0, 3.0], b=[0.0, 0.0, 0.0], c=[np.nan, np.inf, 1.0])
    ours = frame_of(A=[1.0, 100.0009, 3.0], b=[0.9e-5, 0, 0], c=[np.nan, np.inf, 1.0])
    table = compare_runs(ours, reference)
    assert table.agrees.all()
    assert table.index[0] == "b"
    wrong = compare_runs(frame_of(a=[1.0, 100.2, 3.0], b=[0.0, 0.0, 1.0]), reference)
    assert not wrong.agrees.any()
    assert wrong.index[0] == "c"
    assert wrong.reason["c"] == "missing"
    row = wrong.loc["a"]
    assert (row.time, row.ours, row.reference) == (1.0, 100.2, 100.0)
    assert row.difference == pytest.approx(0.2)
    assert row.relative == pytest.approx(0.2 / 101)
    assert row.of_maximum == pytest.approx(0.002)


def test_a_number_for_a_missing_value_is_a_difference_without_bound():
    for x, y in ((np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0), (np.inf, -np.inf)):
        row = compare_runs(frame_of(a=[x, 0, 0]), frame_of(a=[y, 0, 0])).loc["a"]
        assert not row.agrees
        assert row.difference == np.inf


def test_a_trajectory_with_more_dates_and_units_in_the_names_of_the_reference():
    status = RunStatus(Status.FINISHED, 2.0)
    run = Trajectory(np.arange(9) / 4, np.arange(9.0)[:, None], ["Stock A"], {"Stock A": "kg"}, status)
    reference = pd.DataFrame({"stock_a (kg)": [0.0, 4.0, 8.0]}, index=[0.0, 1.001, 2.0])
    assert compare_runs(run, reference).agrees.all()
    missing = pd.DataFrame({"stock_a": [0.0, 4.0]}, index=[0.0, 1.125])
    with pytest.raises(JevonsError, match=r"lacks: 1.125. Ours has 9 dates from 0 to 2"):
        compare_runs(run, missing.set_axis([0.0, 1.125]).rename_axis("time").iloc[[0, 1]].set_axis([1.0, 1.125]))
    with pytest.raises(JevonsError, match="without dates"):
        compare_runs(run, missing.iloc[:0])
    with pytest.raises(JevonsError, match="rtol must be positive"):
        compare_runs(run, reference, rtol=0)


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e-2), st.floats(0, 3))
@settings(deadline=None)
def test_agreement_is_the_criterion_of_numpy(y, tolerance, factor):
    x = y + factor * (tolerance + tolerance * abs(y))
    agrees = bool(compare_runs(frame_of(a=[x] * 3), frame_of(a=[y] * 3), tolerance, tolerance).agrees["a"])
    assert agrees == np.allclose([x], [y], rtol=tolerance, atol=tolerance)
