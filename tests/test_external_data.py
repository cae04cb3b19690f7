"""Numbers that a model takes from spreadsheets and text files, and what is refused."""

from __future__ import annotations

import itertools
import os
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from jevons.interchange.translation import external_data as ed
from jevons.interchange.translation import sheets
from jevons.interchange.translation.external_data import ExternalDataError

CELLS = {
    "A1": "year", "B1": "x", "C1": "y",
    "A2": 2000, "B2": 1.0, "C2": 10.0,
    "A3": 2001, "B3": 2.0,
    "A4": 2004, "B4": 5.0, "C4": 40.0,
    "A5": 2002, "B5": 3.0, "C5": 30.0,
    "E2": "north", "F2": "south", "E3": "north west", "F3": 7.0,
}  # fmt: skip


def data(file, tab, axis, cell):
    return SimpleNamespace(file=file, tab=tab, time_row_or_col=axis, x_row_or_col=axis, cell=cell)


@pytest.fixture
def folder(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    from openpyxl.workbook.defined_name import DefinedName

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Data"
    for cell, value in CELLS.items():
        sheet[cell] = value
    for name, where in (("dates", "$A$2:$A$5"), ("both", "$B$2:$C$5"), ("one", "$B$4"), ("square", "$A$2:$B$3")):
        book.defined_names[name] = DefinedName(name, attr_text=f"Data!{where}")
    sheet.defined_names["own"] = DefinedName("own", attr_text="Data!$B$2:$B$5")
    book.create_sheet("Other")["A1"] = 99
    book.save(tmp_path / "book.xlsx")
    frame = pd.DataFrame([[CELLS.get(f"{c}{r}") for c in "ABC"] for r in range(1, 6)])
    frame.to_csv(tmp_path / "rows.csv", header=False, index=False)
    frame.to_csv(tmp_path / "rows.txt", header=False, index=False, sep=";")
    frame.T.to_csv(tmp_path / "across.tab", header=False, index=False, sep="\t")
    return tmp_path


X, Y = [1.0, 2.0, 3.0, 5.0], [10.0, np.nan, 30.0, 40.0]
DATES = [2000.0, 2001.0, 2002.0, 2004.0]


@pytest.mark.parametrize(
    "where",
    [
        ("book.xlsx", "Data", "A", "B2"),
        ("book.xlsx", "data", "a", "$B$2"),
        ("book.xlsx", "Data", "dates", "both"),
        ("BOOK.XLSX", "Data", "DATES", "Both"),
        ("rows.csv", ",", "A", "B2"),
        ("rows.csv", "", "A", "B2"),
        ("rows.txt", ";", "A", "B2"),
        ("across.tab", "", "1", "B2"),
    ],
    ids=str,
)
def test_series_stand_in_columns_rows_and_named_ranges(folder, where):
    table = ed.read_data(data(*where), [["x", "y"]], folder)
    np.testing.assert_array_equal(table.times, DATES)
    np.testing.assert_array_equal(table.values, np.transpose([X, Y]))


@pytest.mark.parametrize(
    ("keyword", "filled"),
    [(None, np.nan), ("raw", np.nan), ("interpolate", 20.0), ("look_forward", 30.0), (":HOLD BACKWARD:", 10.0)],
)
def test_what_is_missing_is_filled_by_keyword(folder, keyword, filled):
    table = ed.read_data(data("book.xlsx", "Data", "A", "C2"), [], folder, keyword=keyword)
    np.testing.assert_array_equal(table.values, [10.0, filled, 30.0, 40.0])
    assert table.values.shape == (4,)


def test_lookups_are_interpolated_where_points_are_missing(folder):
    table = ed.read_lookup(data("book.xlsx", "Data", "A", "C2"), [["only"]], folder)
    np.testing.assert_array_equal(table.values, [[10.0], [20.0], [30.0], [40.0]])
    own = ed.read_lookup(data("book.xlsx", "Data", "dates", "own"), [], folder)
    np.testing.assert_array_equal(own.values, X)


def test_constants_run_across_and_down_or_the_other_way_round(folder):
    def read(cell, *labels, file="book.xlsx"):
        return ed.read_constants(SimpleNamespace(file=file, tab="Data", cell=cell), labels, folder)

    assert read("B4") == 5.0
    assert read("one").shape == ()
    np.testing.assert_array_equal(read("A2", ["p", "q"], ["k", "l"]), [[2000, 1], [2001, 2]])
    np.testing.assert_array_equal(read("A2*", ["p", "q"], ["k", "l"]), [[2000, 2001], [1, 2]])
    np.testing.assert_array_equal(read("square", ["p", "q"], ["k", "l"]), [[2000, 1], [2001, 2]])
    np.testing.assert_array_equal(read("B2*", ["p", "q", "r"]), [1, 2, 5])
    np.testing.assert_array_equal(read("A2", ["p", "q"], ["one"], ["k", "l"]), [[[2000, 1]], [[2001, 2]]])
    np.testing.assert_array_equal(read("B4*", ["one"]), [5.0])
    assert read("B4", file="rows.csv") == 5.0


def test_labels_are_read_across_and_then_down_with_their_prefix(folder):
    def read(first, last, prefix="", tab="Data"):
        given = {"file": "book.xlsx", "tab": tab, "firstcell": first, "lastcell": last, "prefix": prefix}
        return ed.read_subscript_labels(given, folder)

    assert read("E2", "F3") == ["north", "south", "north west", "7"]
    assert read("E2", "F", "r ") == ["r north", "r south", "r north west", "r 7"]
    assert read("E2", "2") == ["north", "south"]
    assert read("A2", "A3") == ["2000", "2001"]
    assert read("dates", "") == ["2000", "2001", "2004", "2002"]
    with pytest.raises(ExternalDataError, match="the cells are empty"):
        read("H1", "H4")
    with pytest.raises(ExternalDataError, match="there is no sheet 'None'"):
        read("A1", "", tab="None")


def test_a_data_file_gives_every_series_with_its_own_dates(tmp_path):
    (tmp_path / "run.tab").write_text("Time\tx\ty[A, B]\n0\t1\t4\n1\t\t5\n2\t3\t\n")
    series = ed.read_data_file(tmp_path / "run.tab")
    assert set(series) == {"x", "y[A,B]"}
    np.testing.assert_array_equal(series["x"], [[0, 2], [1, 3]])
    np.testing.assert_array_equal(series["y[A,B]"], [[0, 1], [4, 5]])
    frame = pd.DataFrame({"Time": [2.0, 1.0], "x": [7.0, 8.0]})
    both = ed.read_data_file([tmp_path / "run.tab", frame])
    np.testing.assert_array_equal(both["x"], [[1, 2], [8, 7]])
    assert "y[A,B]" in both
    with pytest.raises(ExternalDataError, match="the index holds 'a', expected dates"):
        ed.read_data_file(pd.DataFrame({"x": [1.0]}, index=["a"]))


def test_a_tag_stands_for_a_file_that_the_caller_names(folder):
    asked = data("?sales", "Data", "A", "B2")
    with pytest.raises(ExternalDataError, match=r"'\?sales' stands for a file.*give it: files="):
        ed.read_data(asked, [], folder)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    found = ed.read_data(asked, [], elsewhere, {"?Sales": folder / "book.xlsx"})
    np.testing.assert_array_equal(found.values, X)
    with pytest.raises(ExternalDataError, match="the file given for"):
        ed.read_data(asked, [], folder, {"sales": folder / "none.xlsx"})


@pytest.mark.parametrize(
    "name", ["../book.xlsx", "/etc/passwd", r"C:\data\book.xlsx", r"..\book.xlsx", "a/../../b.csv"]
)
def test_nothing_outside_of_the_models_folder_is_read(folder, name):
    inner = folder / "model"
    inner.mkdir()
    with pytest.raises(ExternalDataError, match="leads out of the model's folder"):
        ed.read_data(data(name, "Data", "A", "B2"), [], inner)


def test_links_out_of_the_models_folder_are_not_followed(folder):
    inner = folder / "model"
    inner.mkdir()
    (inner / "book.xlsx").symlink_to(folder / "book.xlsx")
    with pytest.raises(ExternalDataError, match="a link that leads out"):
        ed.read_data(data("book.xlsx", "Data", "A", "B2"), [], inner)
    (folder / "deep").mkdir()
    (folder / "deep" / "rows.csv").write_bytes((folder / "rows.csv").read_bytes())
    found = ed.read_data(data(r"Deep\rows.csv", ",", "A", "B2"), [], folder)
    np.testing.assert_array_equal(found.values, X)


@pytest.mark.parametrize(
    ("where", "labels", "message"),
    [
        (("bok.xlsx", "Data", "A", "B2"), [], "there is no file 'bok.xlsx'.*did you mean 'book.xlsx'"),
        (("book.xlsx", "Dato", "A", "B2"), [], "there is no sheet 'Dato'; did you mean 'Data'.*sheets: Data, Other"),
        (("book.xlsx", "Data", "dates", "bath"), [], "'bath' is neither a cell nor the name.*did you mean 'both'"),
        (("book.xlsx", "Data", "dates", "both"), [], "4 points of 2 series, expected 4 of 1"),
        (("book.xlsx", "Data", "both", "both"), [["x", "y"]], "4 rows and 2 columns, expected one line"),
        (("book.xlsx", "Data", "A:B", "B2"), [], "'A:B' is neither a row nor a column"),
        (("book.xlsx", "Data", "1", "both"), [], "'both' is not a cell"),
        (("book.xlsx", "Data", "E", "B2"), [], "column E from row 2 on holds no number"),
        (("book.xlsx", "Data", "A", "G2"), [], "series 1 of 1 holds no number"),
        (("book.xlsx", "Data", "A", "B2"), [["p", "q"], ["r", "s"]], r"at most one dimension.*found 2 with \[2, 2\]"),
    ],
)
def test_mistakes_say_what_was_asked_and_what_was_found(folder, where, labels, message):
    with pytest.raises(ExternalDataError, match=f"(?s)GET DATA.*{message}"):
        ed.read_data(data(*where), labels, folder)


def test_constants_that_are_no_numbers_are_listed_by_cell(folder):
    def read(cell, *labels):
        return ed.read_constants(SimpleNamespace(file="book.xlsx", tab="Data", cell=cell), labels, folder)

    with pytest.raises(ExternalDataError, match=r"(?s)2 mistakes.*cell B1 holds 'x'.*cell C1 holds 'y'"):
        read("B1", ["p", "q"])
    with pytest.raises(ExternalDataError, match="cell C3 is empty, expected a number"):
        read("C3")
    with pytest.raises(ExternalDataError, match="range 'square' has 2 rows and 2 columns, expected 1 and 2"):
        read("square", ["p", "q"])
    with pytest.raises(ExternalDataError, match="at most two dimensions"):
        read("A2", *[["p", "q"]] * 3)


def test_repeated_dates_and_unknown_keywords_are_refused(tmp_path):
    (tmp_path / "twice.csv").write_text("1,2\n1,3\n")
    with pytest.raises(ExternalDataError, match="1 stands more than once in column A from row 1 on"):
        ed.read_data(data("twice.csv", ",", "A", "B1"), [], tmp_path)
    with pytest.raises(ExternalDataError, match="keyword 'nearest', expected one of"):
        ed.read_data(data("twice.csv", ",", "A", "B1"), [], tmp_path, keyword="nearest")


def test_files_that_are_not_what_they_say_or_too_large_are_refused(tmp_path, monkeypatch):
    def refused(name, message):
        with pytest.raises(ExternalDataError, match=message):
            ed.read_data(data(name, "Data", "A", "B2"), [], tmp_path)

    for name in ("no.xlsx", "no.xls"):
        (tmp_path / name).write_bytes(b"garbage" * 100)
        refused(name, "not an Excel workbook")
    with zipfile.ZipFile(tmp_path / "empty.xlsx", "w") as archive:
        archive.writestr("hello", "world")
    refused("empty.xlsx", "not an Excel workbook")
    (tmp_path / "no.csv").write_bytes(b"\0\1\2" * 10)
    refused("no.csv", "a binary file")
    (tmp_path / "no.pdf").write_bytes(b"%PDF")
    refused("no.pdf", "files of type '.pdf' are not read")
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 20_000_000)
    monkeypatch.setattr(sheets, "LARGEST_UNPACKED", 10_000_000)
    refused("bomb.xlsx", "unpacks to 20,000,000 bytes; at most 10,000,000")
    (tmp_path / "many.csv").write_text("1,2\n" * 60)
    monkeypatch.setattr(sheets, "MOST_CELLS", 100)
    refused("many.csv", "more than 100 cells")
    monkeypatch.setattr(ed, "LARGEST_FILE", 10)
    refused("many.csv", "240 bytes; at most 10 are read")


def test_a_file_that_changed_is_read_again(tmp_path):
    path = tmp_path / "a.csv"
    for value in (1.0, 2.0):
        path.write_text(f"{value}\n")
        os.utime(path, ns=(int(value), int(value)))
        assert ed.read_constants(SimpleNamespace(file="a.csv", tab=",", cell="A1"), [], tmp_path) == value


def test_addresses_of_cells_and_their_names_agree():
    for row, column in itertools.product((0, 9, 1_048_575), (0, 25, 26, 701, 702, 16_383)):
        assert sheets.address(sheets.cell_name(row, column)) == (row, column)
    assert [sheets.address(text) for text in ("A0", "AAAA1", "1A", "value 1", "")] == [None] * 5


@pytest.mark.public_suite
def test_every_file_of_the_public_suite_gives_the_numbers_that_pysd_reads():
    external = pytest.importorskip("pysd.py_backend.external")
    from pysd.translators.vensim.vensim_file import VensimFile

    compared = 0
    for path in sorted(Path(os.environ["SD_TEST_MODELS"], "tests").glob("get_*/*.mdl")):
        if path.parent.name in ("get_constants", "get_data"):  # they name files that are not there
            continue
        file = VensimFile(path)
        file.parse()
        section = file.get_abstract_model().sections[0]
        ranges = {}
        for r in section.subscripts:
            if isinstance(r.subscripts, dict):
                ranges[r.name.lower()] = ed.read_subscript_labels(r.subscripts, path.parent)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    theirs = external.ExtSubscript(*r.subscripts.values(), root=path.parent).subscript
                assert ranges[r.name.lower()] == list(theirs)
            else:
                ranges[r.name.lower()] = r.subscripts
        for element, component in ((e, c) for e in section.elements for c in e.components):
            ast, kind = component.ast, type(component.ast).__name__
            if kind not in ("GetDataStructure", "GetLookupsStructure", "GetConstantsStructure"):
                continue
            labels = [_labels(s, ranges) for s in component.subscripts[0]]
            coordinates = {f"d{i}": names for i, names in enumerate(labels)}
            keyword = getattr(component, "keyword", None)
            rest = (coordinates, path.parent, coordinates, element.name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if kind == "GetConstantsStructure":
                    theirs = external.ExtConstant(*vars(ast).values(), *rest)
                    ours = ed.read_constants(ast, labels, path.parent)
                elif kind == "GetDataStructure":
                    theirs = external.ExtData(*vars(ast).values(), keyword, *rest)
                    ours = ed.read_data(ast, labels, path.parent, keyword=keyword or "interpolate").values
                else:
                    theirs = external.ExtLookup(*vars(ast).values(), *rest)
                    ours = ed.read_lookup(ast, labels, path.parent).values
                theirs.initialize()
            np.testing.assert_array_equal(ours, np.asarray(theirs.data), err_msg=f"{path.name}: {element.name}")
            compared += 1
    assert compared > 40


def _labels(name, ranges):
    inside = ranges.get(name.lower(), [name])
    if isinstance(inside, str):
        return _labels(inside, ranges)
    parts = [_labels(e, ranges) if e.lower() in ranges and e.lower() != name.lower() else [e] for e in inside]
    return list(itertools.chain.from_iterable(parts))
