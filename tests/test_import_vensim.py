"""Vensim models as models of ours: against mathematics, against PySD on the same text, and what is refused."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vensim_texts import CONTROL, pysd_values, read, same, values, vensim, write

import jevons as jv
from jevons.elements import Auxiliary, Flow, Parameter, Range, Stock
from jevons.errors import ImportRefused

PATIENT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
STEPS = np.arange(9) * 0.5


def mistakes(folder, body, control=CONTROL, after="", **options):
    with pytest.raises(ImportRefused) as caught:
        read(folder, body, control, after, **options)
    return caught.value.mistakes


# Runs


def test_euler_with_the_step_of_the_file_and_adaptive_steps_on_request(tmp_path):
    model = read(tmp_path, "tank = INTEG(-leak, 100)\nleak = tank/residence time\nresidence time = 4")
    assert values(model)["tank"] == pytest.approx(100 * (1 - 0.5 / 4) ** np.arange(9), rel=1e-14)
    exact = model.run(method="LSODA", rtol=1e-10, atol=1e-12)["tank"]
    assert exact.iloc[-1] == pytest.approx(100 * math.exp(-4 / 4), rel=1e-8)


def test_the_method_of_the_file(tmp_path):
    after = "\\\\\\---/// Sketch\n///---\\\\\\\n:L<%^E!@\n15:0,0,0,1,0,0\n"
    model = read(tmp_path, "x = INTEG(x, 1)", after=after)
    assert model.settings.method == "RK4"
    growth = 1 + 0.5 + 0.5**2 / 2 + 0.5**3 / 6 + 0.5**4 / 24
    assert values(model)["x"] == pytest.approx(growth ** np.arange(9), rel=1e-14)


@pytest.mark.parametrize(
    ("control", "dates"),
    [
        ("INITIAL TIME = 10 ~~|\nFINAL TIME = 12 ~~|\nTIME STEP = 1/n ~~|\nn = 4 ~~|\nSAVEPER = 2*TIME STEP ~~|",
         [10, 10.5, 11, 11.5, 12]),
        ("INITIAL TIME = 0 ~~|\nFINAL TIME = 3 ~~|\nTIME STEP = 0.5 ~~|", [0, 0.5, 1, 1.5, 2, 2.5, 3]),
        ("INITIAL TIME = 0 ~~|\nFINAL TIME = 6 ~~|\nTIME STEP = IF THEN ELSE(Time < 2, 0.5, 2) ~~|\n"
         "SAVEPER = TIME STEP ~~|",
         [0, 0.5, 1, 1.5, 2, 4, 6]),
        ("INITIAL TIME = 0 ~~|\nFINAL TIME = last ~~|\nlast = first + 1 ~~|\nfirst = 1 ~~|\nTIME STEP = 1 ~~|\n"
         "SAVEPER = 1 ~~|",
         [0, 1, 2]),
    ],
)  # fmt: skip
def test_the_dates_are_those_of_the_file(tmp_path, control, dates):
    model = read(tmp_path, "x = INTEG(1, INITIAL TIME)", control)
    run = model.run()
    assert run.times == pytest.approx(dates)
    assert run["x"].to_numpy() == pytest.approx(dates)


# Arithmetic and logic

_OPERATORS = {
    "+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y, "=": lambda x, y: x == y,
    "<>": lambda x, y: x != y, "<": lambda x, y: x < y, ">": lambda x, y: x > y, "<=": lambda x, y: x <= y,
    ">=": lambda x, y: x >= y, ":AND:": lambda x, y: x and y, ":OR:": lambda x, y: x or y,
}  # fmt: skip
_FUNCTIONS = {"MAX": max, "MIN": min, "ABS": abs, "IF THEN ELSE": lambda c, x, y: x if c else y}
_AFTER = {"/4": lambda x: x / 4, "^2": lambda x: x**2}
_BEFORE = {"-": lambda x: -x, ":NOT:": lambda x: not x}

_LEAVES = st.sampled_from(["Time", "a", "b", "c"]) | st.sampled_from([0.0, 1.0, 2.0, 3.0, 0.5, 0.25, 1.5])


def _tuples(words, *parts):
    return st.tuples(st.sampled_from(words), *parts)


def _numbers(inner):
    comparisons = _tuples(("=", "<>", "<", ">", "<=", ">="), inner, inner)
    conditions = st.one_of(
        comparisons, _tuples((":AND:", ":OR:"), comparisons, comparisons), _tuples((":NOT:",), comparisons)
    )
    return st.one_of(
        _tuples(("+", "-", "*", "MAX", "MIN"), inner, inner),
        _tuples(("-", "/4", "^2", "ABS"), inner),
        _tuples(("IF THEN ELSE",), conditions, inner, inner),
    )


def _text(tree):
    if not isinstance(tree, tuple):
        return str(tree)
    word, *parts = tree
    texts = [_text(part) for part in parts]
    if word in _FUNCTIONS:
        return f"{word}({', '.join(texts)})"
    if len(parts) == 2:
        return f"({texts[0]}) {word} ({texts[1]})"
    return f"({texts[0]}){word}" if word in _AFTER else f"{word}({texts[0]})"


def _meaning(tree, names):
    if not isinstance(tree, tuple):
        return names.get(tree, tree)
    word, *parts = tree
    of = _FUNCTIONS.get(word) or _AFTER.get(word) or (_OPERATORS if len(parts) == 2 else _BEFORE)[word]
    return of(*(_meaning(part, names) for part in parts))


@PATIENT
@given(st.lists(st.recursive(_LEAVES, _numbers, max_leaves=8), min_size=1, max_size=5))
def test_equations_mean_what_they_say(tmp_path, trees):
    """Against Python, with numbers of which sums and products are exact."""
    text = "\n".join(["a = 3", "b = -0.5", "c = Time - 2", *(f"y{i} = {_text(tree)}" for i, tree in enumerate(trees))])
    found = values(read(tmp_path, text))
    for i, tree in enumerate(trees):
        expected = [float(_meaning(tree, {"Time": t, "a": 3.0, "b": -0.5, "c": t - 2})) for t in STEPS]
        assert found[f"y{i}"] == pytest.approx(expected, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2^2", -4), ("(-2)^2", 4), ("2^3^2", 512), ("2^-1", 0.5), ("10-4-3", 3), ("100/5/2", 10), ("2*-3", -6),
        ("2+3*4^2/8", 8), ("IF THEN ELSE(:NOT: 1=2 :AND: 3>2, 1, 0)", 1),
        ("IF THEN ELSE(1=1 :OR: 1=1 :AND: 1=2, 1, 0)", 1),
        ("(3>2) + (2>3)", 1), ("1e3 + .5", 1000.5), ("ZIDZ(1, 0) + XIDZ(1, 1e-9, 7)", 7),
    ],
)  # fmt: skip
def test_precedence(tmp_path, text, value):
    assert values(read(tmp_path, f"x = {text}"))["x"][0] == value


# Subscripts

ARRAYS = """
    region: north, east, south
    pair: east, south
    place <-> region
    age: young, old
    zone: z1, z2, z3 -> region
    area[region] = 1, 2, 3
    rate[region, age] = 1, 2; 3, 4; 5, 6;
    total = SUM(area[region!])
    by region[region] = SUM(rate[region, age!])
    by age[age] = SUM(rate[region!, age])
    part[pair] = area[pair] * 10
    rest[north] = -1
    rest[pair] = part[pair]
    product[region, place] = area[region] * area[place] + area[place]
    diagonal[region] = product[region, region]
    in zone[zone] = area[region] + 100
    first[region, age] :EXCEPT: [north, young], [pair, old] = rate[region, age]
    first[north, young] = 50
    first[pair, old] = 60
    largest = VMAX(rate[region!, age!])
    position[region] = region
    stock[region] = INTEG(inflow[region] - stock[region]/10, area[region])
    inflow[region] = by region[region]
    chosen = area[south] + rate[north, old]
"""


def test_arrays(tmp_path):
    found = values(read(tmp_path, ARRAYS))
    area, rate = np.array([1.0, 2, 3]), np.array([[1.0, 2], [3, 4], [5, 6]])
    regions, ages = ["north", "east", "south"], ["young", "old"]
    expected = {"total": 6.0, "largest": 6.0, "chosen": 5.0, "rest[north]": -1.0}
    for i, r in enumerate(regions):
        expected[f"by region[{r}]"] = rate[i].sum()
        expected[f"in zone[z{i + 1}]"] = area[i] + 100
        expected[f"position[{r}]"] = i + 1
        expected[f"diagonal[{r}]"] = area[i] ** 2 + area[i]
        if r != "north":
            expected[f"rest[{r}]"] = expected[f"part[{r}]"] = area[i] * 10
        for j, p in enumerate(regions):
            expected[f"product[{r},{p}]"] = area[i] * area[j] + area[j]
        for j, a in enumerate(ages):
            expected[f"first[{r},{a}]"] = 50 if (i, j) == (0, 0) else 60 if i and j else rate[i, j]
    for j, a in enumerate(ages):
        expected[f"by age[{a}]"] = rate[:, j].sum()
    assert {name: found[name][0] for name in expected} == expected
    stock = area.copy()
    for _ in range(8):
        stock = stock + 0.5 * (rate.sum(axis=1) - stock / 10)
    assert [found[f"stock[{r}]"][-1] for r in regions] == pytest.approx(stock, rel=1e-13)


@PATIENT
@given(
    data=st.lists(st.integers(-9, 9), min_size=24, max_size=24),
    rows=st.integers(1, 4), columns=st.integers(2, 3), first=st.integers(0, 3), excepted=st.integers(0, 3),
)  # fmt: skip
def test_arrays_of_any_size(tmp_path, data, rows, columns, first, excepted):
    """Against numpy: literals, sub-ranges, exceptions, sums over one range and both."""
    first, excepted = min(first, rows - 1), min(excepted, rows - 1)
    x = np.array(data[: rows * columns], dtype=float).reshape(rows, columns)
    v = np.array(data[12 : 12 + columns], dtype=float)
    literal = "; ".join(", ".join(map(repr, row)) for row in x.tolist())
    lines = [
        "r: " + ", ".join(f"r{i}" for i in range(rows)),
        "s: " + ", ".join(f"r{i}" for i in range(first, rows)),
        "c: " + ", ".join(f"c{j}" for j in range(columns)),
        f"x[r, c] = {literal};" if rows > 1 else f"x[r0, c] = {literal}",
        "v[c] = " + ", ".join(map(repr, v.tolist())),
        "y[r, c] = x[r, c] * v[c] - v[c]",
        "dot[r] = SUM(x[r, c!] * v[c!])",
        "turned[c, r] = x[r, c]",
        "some[s] = SUM(x[s, c!]) + x[s, c0]",
        "all = SUM(turned[c!, r!]^2)",
        f"e[r] :EXCEPT: [r{excepted}] = dot[r]",
        f"e[r{excepted}] = 77",
        "sub = SUM(some[s!])",
    ]
    found = {name: series[-1] for name, series in values(read(tmp_path, "\n".join(lines))).items()}
    for i in range(rows):
        assert found[f"dot[r{i}]"] == pytest.approx(x[i] @ v)
        assert found[f"e[r{i}]"] == (77 if i == excepted else pytest.approx(x[i] @ v))
        for j in range(columns):
            assert found[f"y[r{i},c{j}]"] == pytest.approx(x[i, j] * v[j] - v[j])
            assert found[f"turned[c{j},r{i}]"] == x[i, j]
    some = x.sum(axis=1) + x[:, 0]
    assert [found[f"some[r{i}]"] for i in range(first, rows)] == pytest.approx(some[first:])
    assert found["all"] == pytest.approx((x**2).sum())
    assert found["sub"] == pytest.approx(some[first:].sum())


@pytest.mark.parametrize(
    ("left", "numbers", "expected"),
    [
        ("x[a1, B]", "1, 2", {"a1,b1": 1, "a1,b2": 2}),
        ("x[S, b2]", "3, 4", {"a2,b2": 3, "a3,b2": 4}),
        ("x[B, a1]", "7, 8", {"b1,a1": 7, "b2,a1": 8}),
        ("x[B, S]", "1, 2; 3, 4;", {"b1,a2": 1, "b1,a3": 2, "b2,a2": 3, "b2,a3": 4}),
        ("x[a1, B, S]", "1, 2; 3, 4;", {"a1,b1,a2": 1, "a1,b1,a3": 2, "a1,b2,a2": 3, "a1,b2,a3": 4}),
        ("x[S]", "6", {"a2": 6, "a3": 6}),
    ],
)  # fmt: skip
def test_numbers_fall_into_place(tmp_path, left, numbers, expected):
    found = values(read(tmp_path, f"A: a1, a2, a3\nS: a2, a3\nB: b1, b2\n{left} = {numbers}"))
    assert {k: found[f"x[{k}]"][0] for k in expected} == expected
    assert sum(name.startswith("x[") for name in found) == len(expected)


def test_mapping_by_list(tmp_path):
    text = "warm: w1, w2 -> (cold: c2, c1)\ncold: c1, c2\nheat[warm] = 14, 22\nmapped[cold] = heat[warm]"
    found = values(read(tmp_path, text))
    assert (found["mapped[c1]"][0], found["mapped[c2]"][0]) == (22, 14)


# Macros

MACROS = """
    :MACRO: LAG(input, tau)
    LAG = INTEG((input - LAG)/tau, input)
    :END OF MACRO:
    :MACRO: READ(points, x)
    READ = points(x) + level$
    :END OF MACRO:
    :MACRO: TWICE(points, x)
    TWICE = 2 * READ(points, x)
    :END OF MACRO:
    level = 7
    line((0, 0), (10, 20))
    side: left, right
    v[side] = 1, 2
    once = LAG(Time, 2)
    both = LAG(2*Time, 4) + LAG(once, 1)
    each[side] = LAG(v[side]*Time, 2)
    of sum = LAG(SUM(v[side!]), 2)
    deep = TWICE(line, 3)
    flat = READ(line, Time)
"""


def test_macros(tmp_path):
    def lag(x, tau):
        out = [x[0]]
        for value in x[:-1]:
            out.append(out[-1] + 0.5 * (value - out[-1]) / tau)
        return np.array(out)

    found = values(read(tmp_path, MACROS))
    once = lag(STEPS, 2)
    assert found["once"] == pytest.approx(once)
    assert found["both"] == pytest.approx(lag(2 * STEPS, 4) + lag(once, 1))
    assert found["each[right]"] == pytest.approx(lag(2 * STEPS, 2))
    assert found["of sum"] == pytest.approx(3)
    assert found["deep"] == pytest.approx(2 * (6 + 7))
    assert found["flat"] == pytest.approx(2 * STEPS + 7)


def test_elements_of_macros_stand_with_their_callers(tmp_path):
    model = read(tmp_path, MACROS)
    assert isinstance(model["once.lag 1.LAG"], Stock)
    assert {"both.lag 1.LAG", "both.lag 2.LAG", "each[left].lag 1.LAG"} <= model.elements.keys()


def test_names_of_macros_do_not_take_those_of_the_model(tmp_path):
    body = ':MACRO: F(x)\nF = x*2\n:END OF MACRO:\ny = F(3)\n"y.f 1.F" = 5\nz = "y.f 1.F" + y'
    assert values(read(tmp_path, body))["z"][0] == 11


# Starts


def test_initial_values_follow_each_other(tmp_path):
    body = """
        a = INITIAL(b)
        b = c + 1
        c = INTEG(a, INITIAL(e)*2)
        e = Time + 3
        f = ACTIVE INITIAL(c*2, 5)
        h = INTEG(0, f)
    """
    found = values(read(tmp_path, body))
    assert found["a"] == pytest.approx(np.full(9, 7.0))
    assert found["c"] == pytest.approx(6 + 7 * STEPS)
    assert found["f"] == pytest.approx(2 * (6 + 7 * STEPS))
    assert found["h"] == pytest.approx(np.full(9, 5.0))


# Against PySD

# Left out is what PySD cannot: a range as a number, twice in a reference, or mapped; lookups in macros.
TEXTS = {
    "arrays": "\n".join(
        line for line in ARRAYS.splitlines() if not line.strip().startswith(("diagonal", "position", "in zone"))
    ),
    "macros": """
        :MACRO: LAG(input, tau)
        LAG = INTEG((input - LAG)/tau, input)
        :END OF MACRO:
        side: left, right
        v[side] = 1, 2
        once = LAG(Time, 2)
        both = LAG(2*Time, 4) + LAG(once, 1)
        of sum = LAG(SUM(v[side!])*Time, 2)
    """,
    "starts": """
        a = INITIAL(b)
        b = c + 1
        c = INTEG(a - c/8, INITIAL(e)*2)
        e = Time + 3
        g = ACTIVE INITIAL(c*2, 5)
        h = INTEG(g, g)
    """,
    "lookups": """
        curve([(0,0)-(10,10)], (0, 1), (1, 3), (3, 2), (10, 9))
        side: left, right
        curves[left]((0, 0), (1, 1))
        curves[right]((0, 0), (2, 5))
        read = curve(Time)
        beyond = curve(Time*4 - 2)
        inline = WITH LOOKUP(Time, ([(0,0)-(10,10)], (0, 1), (4, 5)))
        of side[side] = curves[side](Time/3)
        stock = INTEG(read - stock*inline/9, 2)
    """,
    "flows": """
        one = INTEG(f - 2*g + 3, 1)
        two = INTEG(g - f, 5)
        three = INTEG(f, 0)
        four = INTEG(-f - one, 0)
        f = 0.1*two
        g = IF THEN ELSE(Time > 2, 0.2*one, 0.1*two)
        one net flow = 4
    """,
    "names": """
        "a, b [c]" = 3 ~ "unit, x" ~ doc |
        größe der Wäsche = "a, b [c]" * Time ~ kg ~ über |
        Mixed   CASE name = größe der wäsche + mixed_case_other
        mixed case OTHER = 2
        _odd$name' = mixed case name
    """,
}  # fmt: skip


@pytest.mark.parametrize("which", TEXTS)
def test_pysd_says_the_same(tmp_path, which):
    body = TEXTS[which].replace("_odd$name' = mixed case name", "")
    file = write(tmp_path, vensim(body))
    ours = {same(name): series for name, series in values(jv.read_vensim(file)).items()}
    theirs = pysd_values(file)
    assert len(theirs) > 5
    for name, series in theirs.items():
        assert ours[same(name)] == pytest.approx(series, rel=1e-9, abs=1e-9), name


# What stays of the file


def test_flows_are_the_terms_of_stocks(tmp_path):
    model = read(tmp_path, TEXTS["flows"])
    f, g = model["f"], model["g"]
    assert (f.source, f.target) == ("two", "one")
    assert isinstance(g, Flow) and (g.source, g.target) == (None, "two")
    assert isinstance(model["one net flow"], Parameter)
    assert isinstance(model["one net flow 2"], Flow) and model["one net flow 2"].target == "one"
    assert isinstance(model["four net flow"], Flow)


def test_units_limits_and_documentation(tmp_path):
    body = """
        k = 3 ~ widgets/Month [0,10,1] ~ How many. |
        open = 3 ~ widgets [0,?] ~ ~ :SUPPLEMENTARY |
        beyond = 30 ~ [0,10] ~ |
        y = k ~ widgets/Month ~ The same. |
    """
    model = read(tmp_path, body)
    k = model["k"]
    assert (k.unit, k.doc, k.source, k.prior) == ("widgets/Month", "How many.", "m.mdl, line 2", Range(0, 10))
    assert (model["open"].unit, model["open"].prior, model["beyond"].prior) == ("widgets", None, None)
    assert isinstance(model["y"], Auxiliary) and model["y"].doc == "The same."
    assert model.time_unit == "Month"


def test_ranges_become_dimensions(tmp_path):
    model = read(tmp_path, ARRAYS)
    assert model.dimensions["region"] == ("north", "east", "south")
    assert model.dimensions["pair"] == ("east", "south")
    assert model.subscripts["rate"] == ("region", "age")
    assert model.subscripts["part"] == ("pair",)
    assert model.subscripts["rest"] == ("region",)


SKETCH = """
\\\\\\---/// Sketch information - do not modify anything except names
V300  Do not put anything below this section - it will be ignored
*First
$192-192-192,0,Times New Roman|12||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|96,96,100,0
10,1,x,100,100,40,20,8,3,0,0,0,0,0,0
10,2,each,100,100,40,20,8,3,0,0,0,0,0,0
*Second
$192-192-192,0,Times New Roman|12||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|96,96,100,0
10,1,y,100,100,40,20,8,3,0,0,0,0,0,0
10,2,x,100,100,40,20,8,2,0,0,0,0,0,0
"""


def test_views_become_sectors_with_all_that_belongs_to_their_variables(tmp_path):
    body = """
        :MACRO: LAG(input)
        y = input
        LAG = INTEG(y - LAG, 0)
        :END OF MACRO:
        side: left, right
        x = INTEG(2*y, 0)
        each[side] = LAG(y + 1)
        y = Time
        z = 1
    """
    sectors = read(tmp_path, body, after=SKETCH).sectors
    assert set(sectors) == {"First", "Second", "other"}
    assert {"x", "x net flow", "each[left]", "each[right].lag 1.LAG", "each[left].lag 1.y"} <= set(sectors["First"])
    assert sectors["Second"] == ("y",)
    assert {"z", "TIME STEP"} <= set(sectors["other"])


def test_what_is_left_out_is_noted(tmp_path):
    model = read(tmp_path, "k = 3\ncheck :THE CONDITION: k > 2 :IMPLIES: k > 1\nwhat if :TEST INPUT: k = 4")
    assert "reality checks are not read: check, what if" in model.doc


def test_data_from_a_table_and_missing_data(tmp_path):
    import pandas as pd

    body = "side: left, right\nd ~~|\ne[side] ~~|\nx = d + e[left]"
    table = pd.DataFrame({"d": [1.0, 3.0], "e[left]": [0.0, 4.0], "e[right]": [5.0, 5.0]}, index=[0.0, 4.0])
    assert values(read(tmp_path, body, data=table))["x"] == pytest.approx(1 + STEPS * 1.5)
    model = read(tmp_path, "d ~~|\nx = IF THEN ELSE(d = :NA:, 5, d)", missing="na")
    assert values(model)["x"][0] == 5
    assert "d: no data given" in model.doc


# What is refused


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("room temp = 1\ny = rom temp",
         "line 3: 'y': uses 'rom temp', which is not defined; did you mean 'room temp'?"),
        ("x = 1\nx = 2", "line 2: 'x': x is defined more than once, in lines 2 and 3"),
        ("A: a1, a2\nx[A] = 1\nx[a2] = 5", "line 3: 'x': x[a2] is defined more than once, in lines 3 and 4"),
        ("A: a1, a2\nx[A] = 1\nx = 5", "line 3: 'x': defined with 1 and with 0 subscripts"),
        ("A: a1, a2\nx[a1] = 1\ny[A] = x[A]", "line 4: 'y[a2]': uses x[a2], which is not defined"),
        ("A: a1, a2\nx[A] = 1\ny = x", "line 4: 'y': range 'A' is not among the subscripts of the left side (none)"),
        ("A: a1, a2\nx[A] = 1\ny = x[a1, a2]", "line 4: 'y': 'x' has 1 subscripts, found 2"),
        ("A: alpha, beta\nx[alhpa] = 1", "line 3: 'x': subscript 'alhpa' is not defined; did you mean 'alpha'?"),
        ("A: alpha, beta\nx[A] = 1\ny = x[alhpa]",
         "line 4: 'y': subscript 'alhpa' is not defined; did you mean 'alpha'?"),
        ("A: a1, a2\nx[A] :EXCEPT: [a3] = 1",
         "line 3: 'x': subscript 'a3' after :EXCEPT: is not defined; did you mean 'a2'?"),
        ("A: a1, a2\nx[A] :EXCEPT: [a1, a2] = 1", "line 3: 'x': :EXCEPT: with other than 1 subscripts"),
        ("A: a1, a2\nx[A, A] = 1", "line 3: 'x': range 'A' stands twice in one definition"),
        ("A: a1, a2\nx[A] = 1, 2, 3", "line 3: 'x[a1]', 'x[a2]': 3 numbers for 2 elements"),
        ("A: a1, a2\nx = A", "line 3: 'x': range 'a' used as a number, and not on the left side"),
        ("A: a1, a2\nx[A] = 1\ny = x[A!]", "line 4: 'y': `A!` outside of a function over a range, for example SUM"),
        ("x = SUM(y[B!])\ny = 1", "line 2: 'x': `b!` runs over what is no range"),
        ("A: a1, A\nx[A] = 1", "range 'A' contains itself"),
        ("A: B, a1\nB: A, b1\nx[A] = 1", "range 'A' contains itself"),
        ("A <-> B\nB <-> A\nx[A] = 1", "range 'A' copies itself"),
        ("A <-> Regon\nRegion: r1, r2\nx[A] = 1",
         "range 'A' copies 'regon', which is not defined; did you mean 'Region'?"),
        ("A: a1, a2, a1\nx[A] = 1", "range 'A' holds 'a1' twice"),
        ('A: a1, a2\nx[A] = 1\n"x[a1]" = 2', "line 4: 'x[a1]': 'x[a1]' is also the name of an element of 'x'"),
        ("f((0, 0), (1, 1))\nx = f", "line 3: 'x': lookup 'f' used without an argument"),
        ("f((0, 0), (1, 1))\nx = f(1, 2)", "line 3: 'x': lookup 'f' needs one argument, found 2"),
        ("x = 1 / 0", "line 2: 'x': division by the number zero"),
        ("x = (-8)^0.5", "line 2: 'x': -8^0.5 is not a real number"),
        ("x = 10^400", "line 2: 'x': 10^400 is too large for a number"),
        ("x = Time + 'text'", "line 2: 'x': text 'text' where a number is needed"),
        (":MACRO: F(x)\nF = G(x)\n:END OF MACRO:\n:MACRO: G(x)\nG = F(x)\n:END OF MACRO:\ny = F(1)",
         "line 6: 'G (macro G)': macro 'F' calls itself"),
        (":MACRO: F(x)\nF = x\n:END OF MACRO:\ny = F(1, 2)", "line 5: 'y': macro 'F' takes 1 arguments (x), found 2"),
        (":MACRO: F(x)\nG = x\n:END OF MACRO:\ny = F(1)", "'f': a macro that does not define its own name"),
        (":MACRO: F(x)\nF = x + outer\n:END OF MACRO:\nouter = 1\ny = F(1)\nz = F(2)",
         "line 3: 'F (macro F)': uses 'outer', which is not defined"),
        (":MACRO: F(x)\nF = x[a1]\n:END OF MACRO:\nA: a1, a2\nv[A] = 1\ny = F(v)",
         "line 7: 'y': range 'A' is not among the subscripts of the left side (none)"),
        (":MACRO: F(x)\nF = x[a1]\n:END OF MACRO:\nA: a1, a2\ny = F(1)",
         "line 3: 'F (macro F)': argument 'x' of a macro, which is one element, with subscripts"),
        ("d ~~|\nx = d", "line 2: 'd': data variable without values: give a file with them, data='...', "
                         "or run without them, missing='na'"),
    ],
)  # fmt: skip
def test_refused_with_line_variable_and_reason(tmp_path, body, message):
    assert mistakes(tmp_path, body) == (message,)


@pytest.mark.parametrize(
    ("control", "found"),
    [
        ("", ["the model does not say its FINAL TIME", "the model does not say its INITIAL TIME",
              "the model does not say its TIME STEP"]),
        (CONTROL.replace("= 4", "= -1"), ["FINAL TIME is -1, expected more than INITIAL TIME, 0"]),
        (CONTROL.replace("= 0.5", "= 0"), ["TIME STEP is 0, expected more than 0"]),
        (CONTROL.replace("= TIME STEP", "= -1"), ["SAVEPER is -1, expected more than 0"]),
        (CONTROL.replace("= 4", "= x*5 + 1"), ["FINAL TIME depends on stocks, so its steps are not known"]),
        (CONTROL.replace("= 0.5", "= 2 - Time"), ["TIME STEP is 0 at 2, expected more than 0"]),
        (CONTROL.replace("= 0.5", "= 1e-6 + Time*1e-9"), ["more than 50,000 steps"]),
        (CONTROL.replace("= 4", "= y"), ["line 5: 'FINAL TIME': uses 'y', which is not defined"]),
    ],
)  # fmt: skip
def test_refused_control_of_the_run(tmp_path, control, found):
    assert sorted(mistakes(tmp_path, "x = INTEG(1, 1)", control)) == found


def test_a_mistake_is_told_once_and_not_for_all_who_use_it(tmp_path):
    body = """
        A: (a1-a60)
        x[A] = lost * 2
        y[A] = x[A] + 1
        z = DELAY FIXED(Time, SUM(y[A!]), x[a1])
        w = NO SUCH FUNCTION(z)
    """
    first, second = mistakes(tmp_path, body)
    assert first == "line 3: 'x[a1]', 'x[a2]', 'x[a3]' and 57 more: uses 'lost', which is not defined"
    assert second.startswith("line 6: 'w': function NO SUCH FUNCTION is not known")


def test_numbers_needed_before_the_run_must_not_need_each_other(tmp_path):
    (only,) = mistakes(tmp_path, "x = DELAY FIXED(Time, y, 0)\ny = DELAY FIXED(Time, x, 0)")
    assert only.startswith("line 3: 'y': ")


def test_what_the_reader_could_not_read_is_not_missed_again(tmp_path):
    (only,) = mistakes(tmp_path, "x = 1 +\ny = x + 1")
    assert only.startswith("line 2: 'x': ")


def test_long_lists_are_cut(tmp_path):
    found = mistakes(tmp_path, "\n".join(f"x{i} = lost {i}" for i in range(70)))
    assert len(found) == 51
    assert found[0].startswith("line 2: 'x0': uses 'lost 0'")
    assert found[-1] == "... and 20 more"


def test_all_refusals_name_file_and_line(tmp_path):
    with pytest.raises(ImportRefused) as caught:
        read(tmp_path, "x = a\ny = b\nA: a1, a1")
    assert str(caught.value).startswith(f"{tmp_path / 'm.mdl'}: 1 mistake\n")
    with pytest.raises(ImportRefused, match=re.escape("line 3: 'y': uses 'b', which is not defined")):
        read(tmp_path, "x = a\ny = b")


def test_missing_is_one_of_two_words(tmp_path):
    with pytest.raises(jv.JevonsError, match="missing 'refused', expected 'refuse' or 'na'; did you mean 'refuse'"):
        read(tmp_path, "x = 1", missing="refused")


def test_endings_tell_the_language(tmp_path):
    assert "x" in jv.read_model(write(tmp_path, vensim("x = 1")))
    with pytest.raises(jv.JevonsError, match=r"ending '.mdx', expected one of .mdl, .xmile"):
        jv.read_model(tmp_path / "m.mdx")
