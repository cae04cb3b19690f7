"""Vensim's text models read: what every entry means, what is repaired, what is refused, and what no file can do."""

from __future__ import annotations

import math
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jevons.errors import JevonsError
from jevons.interchange.pysd_classes import syntax
from jevons.interchange.source import SourceModel
from jevons.interchange.vensim_reader.entries import read_units
from jevons.interchange.vensim_reader.expressions import DEPTH_LIMIT, LENGTH_LIMIT, read_expression
from jevons.interchange.vensim_reader.literals import Unreadable
from jevons.interchange.vensim_reader.repairs import BRACE_LIMIT, ENTRY_LIMIT, MACRO_LIMIT, SIZE_LIMIT
from jevons.interchange.vensim_reader.source import read_vensim_source

CONTROL = """INITIAL TIME = 0 ~ yr ~ |
FINAL TIME = 10 ~ yr ~ |
TIME STEP = 0.5 ~ yr [0,?] ~ |
SAVEPER = TIME STEP ~ yr ~ |
"""
SUITE = os.environ.get("SD_TEST_MODELS", "")


def read(tmp_path: Path, text: str, name: str = "model.mdl", **options: Any) -> SourceModel:
    path = tmp_path / name
    path.write_text("{UTF-8}\n" + text, encoding="utf-8", newline="")
    return read_vensim_source(path, **options)


def element(source: SourceModel, name: str, section: int = 0) -> Any:
    return next(e for e in source.abstract.sections[section].elements if e.name == name)


def ast(source: SourceModel, name: str, section: int = 0) -> Any:
    return element(source, name, section).components[0].ast


def shape(node: Any) -> Any:
    """Nested tuples that say the same as PySD's syntax."""
    kind = type(node).__name__
    if isinstance(node, tuple | list):
        return tuple(shape(x) for x in node)
    if isinstance(node, np.ndarray):
        return ("array", node.shape, tuple(float(x) for x in node.ravel()))
    if isinstance(node, int | float | np.number):
        return "nan" if math.isnan(node) else float(node)
    if isinstance(node, str) or node is None:
        return node
    if isinstance(node, dict):
        return tuple(sorted(node.items()))
    fields = {k: v for k, v in vars(node).items() if k not in ("path", "original_path", "split", "views_dict")}
    return (kind, *((k, shape(v)) for k, v in fields.items()))


def arithmetic(text: str) -> Any:
    """A tree of arithmetic as nested tuples: operators, then operands."""

    def short(node: Any) -> Any:
        kind = type(node).__name__
        if kind in ("ArithmeticStructure", "LogicStructure"):
            return (" ".join(node.operators), *(short(a) for a in node.arguments))
        if kind == "ReferenceStructure":
            return node.reference if node.subscripts is None else (node.reference, *node.subscripts.subscripts)
        if kind == "CallStructure":
            return (node.function.reference + "()", *(short(a) for a in node.arguments))
        return node

    return short(read_expression(text))


# Expressions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-2^2", ("negative", ("^", 2, 2))),
        ("(-2)^2", ("^", -2, 2)),
        ("-(-2)^2", ("negative", ("^", -2, 2))),
        ("2^-2", ("^", 2, -2)),
        ("2^3^2", ("^ ^", 2, 3, 2)),
        ("2^-3^2", ("^", 2, ("negative", ("^", 3, 2)))),
        ("-x^y^2", ("negative", ("^", "x", ("^", "y", 2)))),
        ("x - -2*y", ("-", "x", ("*", -2, "y"))),
        ("- -3", 3),
        ("+x", "x"),
        ("-(x+1)/2", ("/", ("negative", ("+", "x", 1)), 2)),
        ("a - b + c", ("- +", "a", "b", "c")),
        ("a / b * c", ("/ *", "a", "b", "c")),
        ("Room Temperature_2", "room_temperature_2"),
        ('"a-b ~|" * 2', ("*", '"a-b_~|"', 2)),
        ("x[a, dim!] ", ("x", "a", "dim!")),
        ("a = b :AND: :NOT: c > 2", (":AND:", ("=", "a", "b"), (":NOT:", (">", "c", 2)))),
        ("a > 1 :and: b > 1 :OR: c > 1", (":OR:", (":AND:", (">", "a", 1), (">", "b", 1)), (">", "c", 1))),
        ("a > 1 :OR: b > 1 :OR: c > 1", (":OR: :OR:", (">", "a", 1), (">", "b", 1), (">", "c", 1))),
        ("a <> b", ("<>", "a", "b")),
        ("DELAY MATERIAL(x, 2, 0, 1)", ("delay_material()", "x", 2, 0, 1)),
        ("TIME SHIFT( x , -2 )", ("time_shift()", "x", -2)),
        ("GET DATA BETWEEN TIMES(x, Time, 1)", ("get_data_between_times()", "x", "time", 1)),
        ("NPV(x, 0.1, 0, 1)", ("npv()", "x", 0.1, 0, 1)),
        ("SHIFT IF TRUE(x, a = 1, 3, 0, 0)", ("shift_if_true()", "x", ("=", "a", 1), 3, 0, 0)),
        ("RANDOM POISSON(0, 10, 3, 0, 1, 5)", ("random_poisson()", 0, 10, 3, 0, 1, 5)),
        ("PULSE TRAIN(1, 2, 3, 4)", ("pulse_train()", 1, 3, 2, 4)),
        ("table(Time/5)", ("table()", ("/", "time", 5))),
        ("f(a \\ \t+ 1)", ("f()", ("+", "a", 1))),
        ("1e3 + 1.5E-2 + .5", ("+ +", 1000.0, 0.015, 0.5)),
    ],
)
def test_expressions_mean_what_mathematics_means(text: str, expected: Any) -> None:
    assert arithmetic(text) == expected


def test_constants_are_arrays_tables_and_missing_values() -> None:
    assert read_expression("1, 2; 3, 4;").tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert read_expression("- 1.5, 2").tolist() == [-1.5, 2.0]
    assert read_expression("TABBED ARRAY(1 2 \\ 3 -4)").tolist() == [1.0, 2.0, 3.0, -4.0]
    assert math.isnan(read_expression(":NA:"))
    table = read_expression("WITH LOOKUP(Time, ([(0,0)-(10,5),(1,2)],(4,1),(2,3),(2,4)))")
    assert (table.lookups.x, table.lookups.y) == ((2.0, 2.0, 4.0), (3.0, 4.0, 1.0)), "sorted, a jump kept as drawn"
    assert table.lookups.x_limits == (0.0, 10.0, 1.0)
    assert table.lookups.y_limits == (0.0, 5.0, 2.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a b c (", "never closed"),
        ("(a + 1", "parenthesis is never closed"),
        ("a + 1)", "never opened"),
        ("(a)(b)", "without an operator"),
        ("2 x", "without an operator"),
        ("a +", "value is missing"),
        ("a, b", "comma stands outside"),
        ("MAX(a,)", "value is missing"),
        ("()", "value is missing"),
        ("a * / b", "value is missing"),
        (":NOT: :NOT: a", ":NOT: cannot stand here"),
        ("2" + "^2" * DEPTH_LIMIT + "^2", "powers are chained"),
        ("a ? b", "'?' belongs to no name"),
        ('"a + 1', "quote is never closed"),
        ("a :IMPLIES: b", "keyword between colons"),
        ("a < b < c", "comparison of a comparison"),
        ("x[]", "subscript is missing"),
        ("x[a,]", "subscript is missing"),
        ("x[a+1]", "neither the name of an element"),
        ("[a]", "bracket stands"),
        ("DELAY3(x)", "DELAY3 takes 2 arguments, 1 given"),
        ("INTEG(a, b, c)", "INTEG takes 2 arguments, 3 given"),
        ("GET XLS DATA('f', tab, 'A', 'B2')", "texts in single quotes"),
        ("WITH LOOKUP(Time, x)", "needs a list of points"),
        ("1, 2; 3", "differ in length"),
        ("1, 2e, 3", "is not a number"),
        ("9" * 400, "too large"),
        ("1e999", "too large"),
        ("(" * (DEPTH_LIMIT + 1) + "1" + ")" * (DEPTH_LIMIT + 1), "nested more than"),
        ("a+" * LENGTH_LIMIT + "a", "characters, at most"),
        ("M(1 : out)", "keyword between colons"),
    ],
)
def test_what_is_no_equation_is_refused_in_plain_words(text: str, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_expression(text)
    assert reason in caught.value.reason


def test_nesting_up_to_the_limit_is_read() -> None:
    text = "ABS(" * DEPTH_LIMIT + "x" + ")" * DEPTH_LIMIT
    node = read_expression(text)
    for _ in range(DEPTH_LIMIT):
        assert node.function.reference == "abs"
        (node,) = node.arguments
    assert node.reference == "x"


NAMES = st.sampled_from(["x", "Room Temperature", "y 2", '"odd-name"', "z[a]", "w[a,dim!]", "12", "0.5", "3e2"])


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from([" + ", "-", "*", " / ", "^"])
    chains = st.lists(st.tuples(operators, inner), min_size=1, max_size=3)
    return st.one_of(
        st.tuples(inner, chains).map(lambda t: t[0] + "".join(o + x for o, x in t[1])),
        inner.map(lambda x: f"({x})"),
        st.tuples(inner, inner).map(lambda t: f"MAX({t[0]}, {t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"IF THEN ELSE( ({t[0]}) > {t[1]},{t[2]}, :NA:)"),
        st.tuples(inner, inner).map(lambda t: f"SMOOTH( {t[0]},{t[1]})"),
        inner.map(lambda x: f"WITH LOOKUP({x}, ([(0,0)-(1,2)],(0,1),(1,2.5)))"),
        inner.map(lambda x: f"-({x}+1)"),
    )


@given(st.recursive(NAMES, combined, max_leaves=8))
@settings(max_examples=150, deadline=None)
def test_trees_are_those_of_pysd_s_grammar(text: str) -> None:
    syntax()
    from pysd.translators.vensim.vensim_element import Component

    component = Component("x", ([], []), text)
    component.parse()
    assert shape(read_expression(text)) == shape(component.ast)


# Entries


def test_entries_of_every_kind(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        """
DimA: A1, (B1-B3), "C, x" -> DimB, (DimC: C1, C2, C3, C4, C5) ~~|
DimX <-> DimA ~~|
DimF: GET XLS SUBSCRIPT('f.xlsx', 'tab', 'A1', 'A5', 'p') ~~|
k == 3 ~~|
Flow Rate[DimA] :EXCEPT: [A1], [B2] = k * 2 ~ Person/Month [0,10,?] ~ What it is. ~ :SUPPLEMENTARY |
Flow Rate[A1] = 1 ~~|
curve( [(0,0)-(2,2)],(0,0),(1,2) ) ~~|
xls table( GET DIRECT LOOKUPS('f.csv', ',', '1', 'B2') ) ~~|
as component = GET XLS LOOKUPS('f.xlsx','t','1','B2') ~~|
raw[DimA] :RAW: ~~|
data := GET XLS DATA('f.xlsx','t','A','B2') ~~|
forward :LOOK FORWARD: := GET DIRECT DATA('?data', ',', 'A', 'B2') ~~|
held:HOLD BACKWARD: ~~|
constant = GET DIRECT CONSTANTS('f.csv', ',', 'B2') ~~|
check :THE CONDITION: k = 3 :IMPLIES: Flow Rate > 0 ~~|
test input :TEST INPUT: k = RC STEP(k, 2) ~~|
"""
        + CONTROL,
    )
    assert source.refused == ()
    main = source.abstract.sections[0]
    ranges = {r.name: (r.subscripts, r.mapping) for r in main.subscripts}
    assert ranges["DimA"] == (["A1", "B1", "B2", "B3", '"C, x"'], ["DimB"])
    assert source.mappings == {"dima": {"dimc": ("c1", "c2", "c3", "c4", "c5")}}
    assert ranges["DimX"] == ("DimA", [])
    assert ranges["DimF"][0] == {"file": "f.xlsx", "tab": "tab", "firstcell": "A1", "lastcell": "A5", "prefix": "p"}
    kinds = {e.name: type(e.components[0]).__name__ for e in main.elements}
    assert kinds["k"] == "AbstractUnchangeableConstant"
    assert kinds["curve"] == kinds["xls table"] == kinds["as component"] == "AbstractLookup"
    keywords = {n: element(source, n).components[0].keyword for n in ("raw", "data", "forward", "held")}
    assert keywords == {"raw": "raw", "data": None, "forward": "look_forward", "held": "hold_backward"}
    assert type(ast(source, "raw")).__name__ == "DataStructure"
    assert ast(source, "forward").file == "?data"
    assert type(ast(source, "constant")).__name__ == "GetConstantsStructure"
    rate = element(source, "Flow Rate")
    assert (rate.units, rate.limits, rate.documentation) == ("Person/Month", (0.0, 10.0, None), "What it is.")
    assert [c.subscripts for c in rate.components] == [(["DimA"], [["A1"], ["B2"]]), (["A1"], [])]
    assert main.constraints[0].expression == "k = 3 :IMPLIES: Flow Rate > 0"
    assert main.test_inputs[0].expression == "k = RC STEP(k, 2)"
    assert type(element(source, "TIME STEP")).__name__ == "AbstractControlElement"
    assert source.time_unit == "yr"
    assert source.lines["flow_rate"] == 7
    assert source.names["flow_rate"] == "Flow Rate"


def test_units_keep_limits_that_are_no_numbers() -> None:
    assert read_units("Month [0,?]") == ("Month", (0.0, None))
    assert read_units("yr [1900-2000]") == ("yr [1900-2000]", None)
    assert read_units("1/yr") == ("1/yr", None)


def test_names_with_any_character(tmp_path: Path) -> None:
    text = '"~ x | = \\"y\\" {z}"  =  1 ~~|\n"Two   blanks" = 2 ~~|\nÄrger_café\'s $ 2 = "~ x | = \\"y\\" {z}" ~~|\n'
    source = read(tmp_path, text + CONTROL)
    assert source.refused == ()
    assert source.repairs == ()
    shown = set(source.names.values())
    assert {'~ x | = "y" {z}', "Two blanks", "Ärger_café's $ 2"} <= shown
    assert ast(source, "Ärger_café's $ 2").reference == '"~_x_|_=_\\"y\\"_{z}"'


def test_lines_continue_and_comments_stand_anywhere(tmp_path: Path) -> None:
    text = (
        "{a comment ~ with | marks}\nx[A, {inside} B] = 1 {one {within} another} + \\\n\t\t2 ~ {kept} ~ {kept too} |\n"
        "long name \\\n\t\tcontinued = 3 ~~ see \\\n\t\tbelow |\n"
    )
    source = read(tmp_path, text + CONTROL)
    assert source.refused == ()
    entry = element(source, "x")
    assert entry.components[0].subscripts == (["A", "B"], [])
    assert arithmetic("1 + 2") == ("+", *entry.components[0].ast.arguments)
    assert entry.units == "{kept}"
    assert element(source, "long name continued").documentation == "see below"
    assert source.repairs == ("line 3: 2 comments in braces left out",)


def test_what_has_no_equation_is_data(tmp_path: Path) -> None:
    source = read(tmp_path, "World Population ~ Person ~ |\nregional[R] ~~|\n" + CONTROL)
    assert source.refused == ()
    assert type(element(source, "World Population").components[0]).__name__ == "AbstractData"
    assert element(source, "regional").components[0].subscripts == (["R"], [])
    assert source.repairs[0] == "line 2: 'World Population' has no equation, taken as data"


def test_a_power_taken_otherwise_than_by_pysd_is_noted(tmp_path: Path) -> None:
    source = read(tmp_path, "x = -2^2 ~~|\ny = (-2)^2 ~~|\nz = IF THEN ELSE(x=1:AND:y=1:OR:y=2,1,0) ~~|\n" + CONTROL)
    assert source.repairs == (
        "line 2: 'x': a power binds before the sign in front of it",
        "line 4: 'z': :AND: binds before :OR:",
    )


def test_an_entry_with_units_only_is_not_lost(tmp_path: Path) -> None:
    source = read(tmp_path, "x = 3 ~ kg |\ny = 4|\n" + CONTROL)
    assert (ast(source, "x"), element(source, "x").units, ast(source, "y")) == (3, "kg", 4)


def test_several_macros_their_locals_and_outputs(tmp_path: Path) -> None:
    text = """:MACRO: POS(input)
POS = MAX(input, limit$) ~~|
limit$ = 0 ~~|
:END OF MACRO:
:MACRO: STATS(a, b : sum,
\t\tdiff)
STATS = a * b ~~|
sum = a + b ~~|
diff = a - b ~~|
:END OF MACRO:
x = POS(3) ~~|
:MACRO: LAST(a)
LAST = a ~~|
:END OF MACRO:
y = STATS(x, 2 : the sum, the difference) * 2 ~~|
"""
    source = read(tmp_path, text + CONTROL)
    assert source.refused == ()
    sections = {s.name: s for s in source.abstract.sections}
    assert list(sections) == ["__main__", "pos", "stats", "last", "stats:1", "stats:2"]
    assert (sections["stats"].params, sections["stats"].returns) == (["a", "b"], ["sum", "diff"])
    assert arithmetic("POS(3)") == ("pos()", 3)
    assert [e.name for e in sections["pos"].elements] == ["POS", "limit$"]
    assert shape(ast(source, "y").arguments[0].arguments) == shape(ast(source, "the difference").arguments)
    assert ast(source, "the difference").function.reference == "stats:2"
    assert sections["stats:2"].elements[-1].components[0].ast.reference == "diff"
    assert {e.name for e in source.abstract.sections[0].elements} >= {"x", "y", "the sum", "the difference"}
    assert source.names["the_sum"] == "the sum"


def test_outputs_that_a_macro_does_not_have_are_refused(tmp_path: Path) -> None:
    text = ":MACRO: M(a : b)\nM = a ~~|\nb = a ~~|\n:END OF MACRO:\nx = M(1 : p, q) ~~|\n"
    source = read(tmp_path, text + CONTROL)
    assert [r.reason for r in source.refused] == ["macro 'm' returns 1 outputs, 2 asked for"]


def test_a_macro_of_the_file_comes_before_a_function_of_vensim(tmp_path: Path) -> None:
    text = ":MACRO: TREND(a)\nTREND = a ~~|\n:END OF MACRO:\nx = TREND(1) ~~|\n"
    text += "smooth((0,0),(1,1)) ~~|\ny = smooth(0.5) ~~|\n"
    source = read(tmp_path, text + CONTROL)
    assert source.refused == ()
    assert type(ast(source, "x")).__name__ == type(ast(source, "y")).__name__ == "CallStructure"


def test_every_mistake_is_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    text = """a = 1 ~~|
b = a + ~~|
c = 5" pipe ~~|
d[ = 2 ~~|
% = 3 ~~|
e = ~~|
F: (A1-B3) ~~|
G: (A5-A1) ~~|
h ? 4 ~~|
:MACRO: OPEN(x)
OPEN = x ~~|
"""
    source = read(tmp_path, text + "i = 6 ~~")
    reasons = {r.line: r.reason for r in source.refused}
    assert reasons == {
        3: "a value is missing beside an operator",
        4: "a quote is never closed",
        5: "after the name an equals sign, a list of points, a colon or nothing is expected",
        6: "an entry must begin with a name",
        7: "nothing stands after the equals sign",
        8: "the ends of a numbered range must be the same name with different numbers",
        9: "the first number of a numbered range must be lower than its last",
        10: "after the name an equals sign, a list of points, a colon or nothing is expected",
        13: reasons[13],
    }
    assert {r.reason for r in source.refused if r.line == 13} == {
        "the entry does not end with |",
        "the macro has no :END OF MACRO:",
    }
    assert ast(source, "a") == 1
    assert str(source.refused[0]) == "line 3: 'b': a value is missing beside an operator in `a +`"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_counts_the_same(tmp_path: Path, ending: str) -> None:
    source = read(tmp_path, ("a = 1\n\t~\n\t~ |\nb = a + \\\n\t1 ~~|\n" + CONTROL).replace("\n", ending))
    # The header is line 1, ended by a line feed.
    assert (source.lines["a"], source.lines["b"]) == (2, 5)
    assert source.refused == ()


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        ("\ufeff{UTF-8}\ncafé = 1 ~~|".encode(), None),
        ("{UTF-8}\ncafé = 1 ~~|".encode("cp1252"), "read as cp1252"),
        ("café = 1 ~~|".encode(), None),
        ("{windows-1252}\ncafé = 1 ~~|".encode("cp1252"), None),
        ("{UTF-7000}\ncafé = 1 ~~|".encode(), "encoding 'UTF-7000' is unknown"),
        ("{UTF-8}\ncafé = 1 ~~|".encode("utf-16"), None),
        (b"caf\xe9 = 1 ~ \x81 ~|", "read as Latin-1"),
    ],
)
def test_text_of_any_encoding(tmp_path: Path, raw: bytes, note: str | None) -> None:
    path = tmp_path / "UPPER.MDL"
    path.write_bytes(raw)
    source = read_vensim_source(path)
    assert source.names == {"café": "café"}
    assert (note is None and not source.repairs) or (note is not None and note in source.repairs[0])


def test_an_encoding_given_is_the_one_used(tmp_path: Path) -> None:
    path = tmp_path / "m.mdl"
    path.write_bytes("ж = 1 ~~|".encode("koi8-r"))
    assert read_vensim_source(path, encoding="koi8-r").names == {"ж": "ж"}
    with pytest.raises(JevonsError, match="cannot be read as 'ascii'"):
        read_vensim_source(path, encoding="ascii")
    with pytest.raises(JevonsError, match="cannot be read as 'nonsense'"):
        read_vensim_source(path, encoding="nonsense")


# What follows the equations


SKETCH = r"""\\\---/// Sketch information - do not modify anything except names
V300  Do not put anything below this section - it will be ignored
*Cooling
$192-192-192,0,Times New Roman|12||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|72,72,100,0
10,1,Tea,307,235,40,20,3,3,0,0,0,0,0,0
12,2,48,479,235,10,8,0,3,0,0,-1,0,0,0
1,3,5,2,4,0,0,22,0,0,0,-1--1--1,,1|(441,235)|
11,5,48,408,235,6,8,34,3,0,0,1,0,0,0
10,6,"Heat, lost",408,251,49,8,40,3,0,0,-1,0,0,0
10,7,Room,469,304,49,8,8,2,0,0,0,0,0,0
10,8,Unknown,469,304,49,8,8,3,0,0,0,0,0,0
\\\---/// Sketch information - do not modify anything except names
V300  Do not put anything below this section - it will be ignored
*Room: 2
$192-192-192,0,Times New Roman|12||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|72,72,100,0
10,1,Room,307,235,40,20,8,3,0,0,0,0,0,0
///---\\\
"""
TEA = 'Tea = INTEG(-"Heat, lost", 80) ~~|\n"Heat, lost" = (Tea - Room) / 10 ~~|\nRoom = 20 ~~|\n'


def test_views_flows_groups_and_settings(tmp_path: Path) -> None:
    group = "***\n\t.Control\n***~\n\tParameters |\n"
    marks = ":L<%^E!@\n1:a.vdf\n22:$,Dollar,Dollars\n22:Hour,Hours\n22:alone\n15:0,0,0,5,0,0\n30:?data=data.xlsx\n"
    source = read(tmp_path, TEA + group + CONTROL + SKETCH + marks)
    assert source.refused == ()
    assert source.views == {"Cooling": ("tea", "heat,_lost"), "Room: 2": ("room",)}
    assert source.valves == {"heat,_lost"}
    assert source.groups == {"Control": ("initial_time", "final_time", "time_step", "saveper")}
    assert source.method == "RK4"
    assert source.unit_synonyms == (("$", "Dollar", "Dollars"), ("Hour", "Hours"))
    assert source.files == {"?data": "data.xlsx"}


@pytest.mark.parametrize(
    ("code", "method"), [(0, "Euler"), (1, "RK4"), (2, "Euler"), (3, "RK2"), (4, "RK2"), (5, "RK4")]
)
def test_the_method_of_integration(tmp_path: Path, code: int, method: str) -> None:
    assert read(tmp_path, TEA + SKETCH + f"15:0,0,0,{code},0,0\n").method == method


def test_an_unknown_method_is_noted(tmp_path: Path) -> None:
    source = read(tmp_path, TEA + SKETCH + "15:0,0,0,77,0,0\n")
    assert source.method == "Euler"
    assert source.repairs == ("settings: the method of integration '15:0,0,0,77,0,0' is unknown, Euler taken",)


# Files that should not be read


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "teacup.mdl").write_text("x = 1 ~~|")
    with pytest.raises(JevonsError, match=r"teacpu\.mdl does not exist; did you mean 'teacup\.mdl'\?"):
        read_vensim_source(tmp_path / "teacpu.mdl")
    with pytest.raises(JevonsError, match="does not exist"):
        read_vensim_source(tmp_path / "no" / "where.mdl")


def test_what_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "folder.mdl").mkdir()
    with pytest.raises(JevonsError, match="is a directory"):
        read_vensim_source(tmp_path / "folder.mdl")
    (tmp_path / "model.txt").write_text("x = 1 ~~|")
    with pytest.raises(JevonsError, match=r"ends with '\.txt', expected \.mdl"):
        read_vensim_source(tmp_path / "model.txt")
    with pytest.raises(JevonsError, match="holds no equation"):
        read(tmp_path, "  ")
    with pytest.raises(JevonsError, match="no ordinary file"):
        os.mkfifo(tmp_path / "pipe.mdl")
        read_vensim_source(tmp_path / "pipe.mdl")


def deep(opening: str, closing: str) -> str:
    return "x = " + opening * 10_000 + "1" + closing * 10_000 + " ~~|\n"


HOSTILE = {
    "python": (
        "\"__import__('os').system('touch owned')\" = 1 ~~|\nimport os = 2 ~~|\n"
        "y = GET XLS DATA('__import__(\"pathlib\").Path(\"owned\").touch()', 'b', 'c', 'd') ~~|\n"
        "z = __import__(\"os\") ~~|\nt(([(0,0)-(__import__('os').mkdir('owned'),1)],(0,0),(1,1)))~~|\n"
        "u = 1,2,__import__('os').mkdir('owned') ~~|\n"
    ),
    "parentheses": deep("(", ")"),
    "calls": deep("ABS(", ")"),
    "brackets": "x = a" + "[" * 100_000 + " ~~|\n",
    "quotes": "x = " + '\\"' * 200_000 + " ~~|\n" + '"' * 200_000 + "\n",
    "braces": "{" * 200_000 + "x = 1 ~~|",
    "unfinished table": "x(" + "(1,1)  " * 50_000 + "x ~~|",
    "unfinished array": "x[A] = " + "1  ,  " * 50_000 + "x ~~|",
    "unfinished tabbed array": "x[A] = TABBED ARRAY(" + "1  " * 50_000 + "x ~~|",
    "digits": "x = " + "9" * 300_000 + "x ~~|",
    "range": "A: " + "(" * 200_000 + " ~~|\nB: (a1-a999999999) ~~|\n",
    "signs": "x = " + "-" * 150_000 + "1 ~~|\ny = " + ":NOT:" * 30_000 + "1 ~~|\nz = " + "2^" * 90_000 + "1 ~~|\n",
    "macros": ":MACRO: A(a)" * 1_500 + "x = 1 ~~|",
    "macro of itself": ":MACRO: M(a)\nM = M(a) + 1 ~~|\n:END OF MACRO:\nx = M(1) ~~|\n",
    "no end": "x = 1 ~ ~",
    "sketch": "x = 1 ~~|\n\\\\\\---///\n*v\n"
    + "11,1,48,1,1,6,8,34,3\n10,2,x,1,1,4,4,40,3\n" * 20_000
    + '10,1,"' * 50_000,
    "names": "a " * 500_000 + "= 1 ~~|",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_file_takes_for_ever_or_does_anything(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.eval", lambda *_: pytest.fail("text was evaluated"))
    monkeypatch.setattr("builtins.exec", lambda *_: pytest.fail("text was executed"))
    began = time.monotonic()
    source = read(tmp_path, HOSTILE[kind])
    assert time.monotonic() - began < 20
    assert [p.name for p in tmp_path.iterdir()] == ["model.mdl"]
    if kind in ("macro of itself", "sketch", "signs"):
        assert source.refused == () or kind == "signs"
    else:
        assert source.refused


def test_names_that_are_code_are_names(tmp_path: Path) -> None:
    source = read(tmp_path, HOSTILE["python"])
    assert "__import__('os').system('touch owned')" in source.names.values()
    assert {r.name for r in source.refused} == {"t", "u"}
    assert ast(source, "z").function.reference == "__import__", "no function of Vensim, which the importer refuses"


def test_too_much_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.mdl"
    with path.open("wb") as stream:
        stream.truncate(50_000_000)
    with pytest.raises(JevonsError, match=rf"50,000,000 bytes, at most {SIZE_LIMIT:,}"):
        read_vensim_source(path)
    with pytest.raises(JevonsError, match=f"more than {ENTRY_LIMIT:,} entries"):
        read(tmp_path, "x=1~~|" * (ENTRY_LIMIT + 1))
    with pytest.raises(JevonsError, match=f"more than {MACRO_LIMIT:,} macros"):
        read(tmp_path, ":MACRO: A(a)" * (MACRO_LIMIT + 1))
    with pytest.raises(JevonsError, match=f"more than {BRACE_LIMIT:,} opening braces"):
        read(tmp_path, "{" * (BRACE_LIMIT + 1))
    source = read(tmp_path, "x[A] = " + "1," * 600_000 + "1 ~~|")
    assert "at most 1,000,000 are read" in source.refused[0].reason


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "garbage.mdl"
    path.write_bytes(b"x = 1\0 ~~|")
    with pytest.raises(JevonsError, match="NUL bytes"):
        read_vensim_source(path)
    path.write_bytes(np.random.default_rng(1).integers(1, 256, 200_000, dtype=np.uint8).tobytes())
    with pytest.raises(JevonsError, match="is no text"):
        read_vensim_source(path)


@pytest.mark.slow
def test_a_hundred_thousand_entries_are_read(tmp_path: Path) -> None:
    began = time.monotonic()
    source = read(tmp_path, "".join(f"x{i} = y{i} + {i} * (z - 1) ~ m ~ doc |\n" for i in range(100_000)))
    assert time.monotonic() - began < 120
    assert len(source.names) == 100_000
    assert source.lines["x99999"] == 100_001


# The public suite


def models() -> list[Path]:
    return sorted(p for p in Path(SUITE).rglob("*") if p.suffix.lower() == ".mdl") if SUITE else []


@pytest.mark.public_suite
def test_every_model_of_the_public_suite_is_read_as_pysd_reads_it() -> None:
    syntax()
    from pysd.translators.vensim.vensim_file import VensimFile

    otherwise = {"test_arithmetics_exp.mdl", "exponentiation.mdl"}
    assert len(models()) == 155
    for path in models():
        source = read_vensim_source(path)
        assert source.refused == (), path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = VensimFile(path)
            file.parse()
        same = shape(source.abstract) == shape(file.get_abstract_model())
        assert same != (path.name in otherwise), path
        assert any("a power binds" in r for r in source.repairs) == (path.name in otherwise), path
