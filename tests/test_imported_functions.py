"""Functions of Vensim and XMILE models: PySD's numbers where PySD knows them, else their definitions computed again."""

from __future__ import annotations

import datetime
import math
import shutil
import textwrap
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import jevons as jv
from jevons.errors import ImportRefused
from jevons.interchange.translation.refused_functions import WITHOUT_MEANING

SETTINGS = "\\\\\\---/// Sketch information\n///---\\\\\\\n"


def vensim(folder, text, *, start=0.0, end=10.0, step=0.5, settings="", name="model"):
    """A Vensim file with one equation a line."""
    lines = [line for line in textwrap.dedent(text).strip().splitlines() if line.strip()]
    lines += [f"INITIAL TIME = {start}", f"FINAL TIME = {end}", f"TIME STEP = {step}", "SAVEPER = TIME STEP"]
    path = folder / f"{name}.mdl"
    path.write_text(
        "{UTF-8}\n" + "\n".join(f"{line} ~~|" for line in lines) + "\n" + (settings and SETTINGS + settings)
    )
    return path


def xmile(folder, variables, *, start=0.0, end=10.0, step=0.5, extra=""):
    """An XMILE file with auxiliaries by name."""
    body = "".join(f'<aux name="{name}"><eqn>{eqn}</eqn></aux>' for name, eqn in variables.items())
    path = folder / "model.xmile"
    path.write_text(
        '<?xml version="1.0"?><xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">'
        "<header><vendor>t</vendor><product>t</product><name>t</name></header>"
        f'<sim_specs method="euler"><start>{start}</start><stop>{end}</stop><dt>{step}</dt></sim_specs>'
        f"<model><variables>{body}{extra}</variables></model></xmile>"
    )
    return path


def pysds(path, folder):
    """PySD's run of a copy of a file, since it writes a module beside it."""
    pysd = pytest.importorskip("pysd")
    folder.mkdir()
    copy = shutil.copy(path, folder)
    read = pysd.read_vensim if path.suffix == ".mdl" else pysd.read_xmile
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(str(copy)).run()


def columns(run, names):
    return {name: run.values[:, run.names.index(name)] for name in names}


KNOWN_TO_PYSD = """
    x = 4*SIN(Time) - 1
    half = 0.5
    kind: one, two, three
    v[kind] = 3, 1, 2
    w[kind] = v[kind]*x
    table((-3,1),(0,2),(1,5),(4,-2))
    f01 = ABS(x) + MIN(x, half) + MAX(x, half) + EXP(x/4) + SQRT(ABS(x)) + POWER(ABS(x), 1.5)
    f02 = LN(ABS(x)+1) + LOG(ABS(x)+1, 3)
    f03 = SIN(x) + COS(x) + TAN(x/8) + ARCSIN(x/6) + ARCCOS(x/6) + ARCTAN(x) + SINH(x/3) + COSH(x/3) + TANH(x)
    f04 = INTEGER(x)
    f05 = QUANTUM(x, 0.7)
    f06 = MODULO(x, 0.7)
    f07 = QUANTUM(x, half - 0.5)
    f08 = ZIDZ(x, x*0) + ZIDZ(x, half) + XIDZ(1, x*0, x) + XIDZ(1, half, x)
    f09 = IF THEN ELSE(x > 0 :AND: :NOT: (x > 2 :OR: half = 0), x, -1)
    f10 = STEP(2, 3) + RAMP(0.3, 2, 7)
    f11 = PULSE(3, 2) + PULSE(5, 0.5)
    f12 = PULSE TRAIN(1, 1, 3, 9)
    f13 = DELAY1(x, 2) + DELAY1I(x, 2, 5)
    f14 = DELAY3(x, 3) + DELAY3I(x, 3, 5)
    f15 = DELAY N(x, 4, 2, 3)
    f16 = DELAY N(x, 4 + x/5, 2, 3)
    f17 = DELAY FIXED(x, 2, 7)
    f18 = SMOOTH(x, 2) + SMOOTHI(x, 2, 5) + SMOOTH3(x, 3) + SMOOTH3I(x, 3, 5)
    f19 = SMOOTH N(x, 4, 1, 4)
    f20 = TREND(x + 9, 2, 0.1)
    f21 = FORECAST(x + 9, 2, 3)
    f22 = SAMPLE IF TRUE(x > 1, x, 4)
    f23 = INITIAL(x + Time) + ACTIVE INITIAL(x, 3)
    f24 = SUM(w[kind!]) + PROD(w[kind!]) + VMIN(w[kind!]) + VMAX(w[kind!]) + ELMCOUNT(kind)
    f25 = VECTOR SELECT(v[kind!], w[kind!], 0, 0, 0) + VECTOR SELECT(v[kind!], w[kind!], 0, 3, 0)
    f26[kind] = VECTOR SORT ORDER(w[kind], 1)
    f27[kind] = VECTOR RANK(w[kind], 0)
    f28 = table(x) + WITH LOOKUP(x, ((-9,0),(0,1),(9,7)))
    f31 = GET TIME VALUE(0, 3, 0)
    f32 = IF THEN ELSE(IF THEN ELSE(x>half,1,0)=1 :AND: x<2, 5, 7) + (x>0)*3 + ((x>0)=(half>0))
    f33 = IF THEN ELSE(IF THEN ELSE(IF THEN ELSE(x>1,x,half)>0, x, 1) > IF THEN ELSE(x<-2,1,2), 5, 7)
    f34 = ZIDZ(IF THEN ELSE(x>0, 1, 2), IF THEN ELSE(x>1, 0, MAX(x, IF THEN ELSE(x<0, 3, 4))))
"""


def test_functions_that_pysd_knows_have_its_numbers(tmp_path):
    path = vensim(tmp_path, KNOWN_TO_PYSD)
    run, expected = jv.read_vensim(path).run(), pysds(path, tmp_path / "pysd")
    names = [n for n in run.names if n.startswith("f") and n in expected.columns]
    assert len(names) == 32 + 2 * 2  # two of them are arrays of three
    for name, found in columns(run, names).items():
        np.testing.assert_allclose(found, expected[name].to_numpy(float), rtol=1e-9, atol=1e-9, err_msg=name)


XMILE_KNOWN_TO_PYSD = {
    "x": "4*SIN(TIME) - 1",
    "g01": "IF x &gt; 0 AND NOT (x &gt; 2) THEN ABS(x) ELSE MIN(x, 3) + MAX(x, 0.5)",
    "g02": "STEP(2, 3) + RAMP(0.3, 2) + RAMP(0.3, 2, 7)",
    "g03": "PULSE(3, 2) + PULSE(1, 1, 3)",
    "g04": "DELAY(x, 2) + DELAY(x, 2, 5)",
    "g05": "DELAY1(x, 2) + DELAY1(x, 2, 5) + DELAY3(x, 3) + DELAY3(x, 3, 5) + DELAYN(x, 4, 3) + DELAYN(x, 4, 3, 1)",
    "g06": "SMTH1(x, 2) + SMTH1(x, 2, 5) + SMTH3(x, 3) + SMTH3(x, 3, 5) + SMTHN(x, 4, 3) + SMTHN(x, 4, 3, 1)",
    "g07": "TREND(x + 9, 2) + TREND(x + 9, 2, 0.1)",
    "g08": "FORCST(x + 9, 2, 3) + FORCST(x + 9, 2, 3, 0.1)",
    "g09": "SAFEDIV(x, x - x) + SAFEDIV(x, 2) + SAFEDIV(x, x - x, 7)",
    "g10": "INIT(x + TIME) + EXP(x/4) + LN(ABS(x) + 1) + SQRT(ABS(x)) + ARCTAN(x)",
}


def test_xmile_functions_that_pysd_knows_have_its_numbers(tmp_path):
    path = xmile(tmp_path, XMILE_KNOWN_TO_PYSD)
    run, expected = jv.read_xmile(path).run(), pysds(path, tmp_path / "pysd")
    for name, found in columns(run, XMILE_KNOWN_TO_PYSD).items():
        np.testing.assert_allclose(found, expected[name].to_numpy(float), rtol=1e-9, atol=1e-9, err_msg=name)


def test_delays_shorter_than_their_steps_are_as_in_vensim(tmp_path):
    """Vensim's smooths and delays oscillate; DELAY N takes fewer stages (Vensim Help)."""
    text = """
        x = 3 + PULSE(2, 5)
        smooth = SMOOTH3(x, 2)
        delay = DELAY3(x, 2)
        fewer = DELAY N(x, 2, 3, 3)
        train = PULSE TRAIN(2, 1, 4, 10)
    """
    model = jv.read_vensim(vensim(tmp_path, text, end=12, step=1))
    run = model.run()
    found = columns(run, ["smooth", "delay", "fewer", "train"])
    smooth, delay, fewer = np.full(3, 3.0), np.full(3, 3 * 2 / 3), np.full(2, 3.0)
    for i, t in enumerate(run.times):
        x = 3 + float(2 <= t < 7)
        assert found["smooth"][i] == pytest.approx(smooth[-1], abs=1e-12)
        assert found["delay"][i] == pytest.approx(delay[-1] / (2 / 3), abs=1e-12)
        assert found["fewer"][i] == pytest.approx(fewer[-1], abs=1e-12)
        assert found["train"][i] == float(t in (2, 6, 10))  # and still at its end
        smooth = smooth + (np.array([x, *smooth[:2]]) - smooth) / (2 / 3)
        out = delay / (2 / 3)
        delay = delay + np.array([x, *out[:2]]) - out
        out = fewer / 1.0
        fewer = fewer + np.array([x, out[0]]) - out
    assert "fewer: delay of 3 stages taken with 2" in model.doc


def test_elements_are_counted_with_the_last_subscript_first(tmp_path):
    text = """
        row: r1, r2, r3
        column: c1, c2
        d[row,c1] = 1, 2, 3
        d[row,c2] = 4, 5, 6
        next[row] = VECTOR ELM MAP(d[row,c1], 1)
        after[row] = VECTOR ELM MAP(d[r1,c1], 2*row - 2 + 0*Time)
    """
    run = jv.read_vensim(vensim(tmp_path, text)).run()
    for name, expected in (("next", [4, 5, 6]), ("after", [1, 2, 3])):
        found = [run[f"{name}[r{k}]"].iloc[-1] if f"{name}[r{k}]" in run.names else None for k in (1, 2, 3)]
        assert found == expected


# Conditions within conditions

NUMBERS = {"p": lambda t: t - 3, "q": lambda t: 4 - t / 2, "r": lambda t: abs(t - 5)}


def _number_tree(children):
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(lambda k: (f"({k[0][0]} + {k[1][0]})", lambda t: k[0][1](t) + k[1][1](t))),
        pairs.map(lambda k: (f"MAX({k[0][0]}, {k[1][0]})", lambda t: max(k[0][1](t), k[1][1](t)))),
        pairs.map(lambda k: (f"({k[0][0]} > {k[1][0]})", lambda t: float(k[0][1](t) > k[1][1](t)))),
        pairs.map(lambda k: (f"(({k[0][0]}) = ({k[1][0]}))", lambda t: float(k[0][1](t) == k[1][1](t)))),
        pairs.map(lambda k: (f"(({k[0][0]}) :AND: ({k[1][0]}))", lambda t: float(bool(k[0][1](t) and k[1][1](t))))),
        pairs.map(lambda k: (f"(({k[0][0]}) :OR: ({k[1][0]}))", lambda t: float(bool(k[0][1](t) or k[1][1](t))))),
        children.map(lambda k: (f"(:NOT: ({k[0]}))", lambda t: float(not k[1](t)))),
        st.tuples(children, children, children).map(
            lambda k: (
                f"IF THEN ELSE({k[0][0]}, {k[1][0]}, {k[2][0]})",
                lambda t: k[1][1](t) if k[0][1](t) else k[2][1](t),
            )
        ),
    )


LEAVES = st.one_of(
    st.sampled_from(list(NUMBERS.items())),
    st.integers(0, 3).map(lambda n: (str(n), lambda t: float(n))),
)


@settings(deadline=None, max_examples=12)
@given(st.lists(st.recursive(LEAVES, _number_tree, max_leaves=14), min_size=12, max_size=12))
def test_conditions_within_conditions_mean_what_they_say(tmp_path_factory, trees):
    text = "\n".join(["p = Time - 3", "q = 4 - Time/2", "r = ABS(Time - 5)"])
    text += "\n" + "\n".join(f"y{i} = {tree[0]}" for i, tree in enumerate(trees))
    run = jv.read_vensim(vensim(tmp_path_factory.mktemp("trees"), text)).run()
    for i, (written, value) in enumerate(trees):
        found = columns(run, [f"y{i}"])[f"y{i}"] if f"y{i}" in run.names else np.full(run.times.size, value(0.0))
        np.testing.assert_array_equal(found, [value(t) for t in run.times], err_msg=written)


def test_conditions_do_not_grow_when_nested(tmp_path):
    text = ["c0 = SIN(Time)", *(f"a{k} = COS({k}*Time)" for k in range(12))]
    nested = "c0"
    for k in range(12):
        nested = f"IF THEN ELSE({nested} > 0.1, a{k}, c0 - {k})"
    model = jv.read_vensim(vensim(tmp_path, "\n".join([*text, f"deep = {nested}"])))
    for name, element in model.elements.items():
        if hasattr(element, "equation") and name.startswith("deep"):
            assert len(str(element.equation)) < 200


def test_a_sample_may_ask_for_itself_inside_of_a_condition(tmp_path):
    text = """
        x = 5*SIN(Time)
        peak = SAMPLE IF TRUE(IF THEN ELSE(x > peak, 1, 0) = 1 :AND: Time > 1, x, 0)
    """
    run = jv.read_vensim(vensim(tmp_path, text)).run()
    highest, expected = 0.0, []
    for t in run.times:
        highest = max(highest, 5 * math.sin(t)) if t > 1 else highest
        expected.append(highest)
    np.testing.assert_allclose(columns(run, ["peak"])["peak"], expected, rtol=1e-12)


def test_a_branch_that_is_not_taken_may_be_impossible(tmp_path):
    text = """
        p = Time - 3
        y = IF THEN ELSE(p <= 0, 1, IF THEN ELSE(IF THEN ELSE(p < 9, LN(p) + 1/p, 2) > 1, 2, 3))
    """
    run = jv.read_vensim(vensim(tmp_path, text)).run()
    expected = [1 if t <= 3 else 2 if math.log(t - 3) + 1 / (t - 3) > 1 else 3 for t in run.times]
    np.testing.assert_array_equal(columns(run, ["y"])["y"], expected)


# Lookups and vectors

TABLE = [(-3.0, 1.0), (0.0, 2.0), (1.0, 5.0), (4.0, -2.0)]
RISING = [(-2.0, -4.0), (0.0, 1.0), (3.0, 2.5), (5.0, 8.0)]
FALLING = [(x, -y) for x, y in RISING]
VECTOR = [1.0, 4.0, 2.0, 7.0]
MONOTONE = [1.0, 4.0, 5.0, 7.0]
LOW, HIGH = -1.0, 5.0


def written(points):
    return "(" + ",".join(f"({x},{y})" for x, y in points) + ")"


def value_at(points, x, extrapolate=False):
    xs, ys = zip(*points, strict=True)
    if extrapolate and x < xs[0]:
        return ys[0] + (x - xs[0]) * (ys[1] - ys[0]) / (xs[1] - xs[0])
    if extrapolate and x > xs[-1]:
        return ys[-1] + (x - xs[-1]) * (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    return float(np.interp(x, xs, ys))


def area_to(points, start, end, extrapolate=False):
    """Trapezoids between all kinks, which is exact."""
    cuts = sorted({start, end, *(x for x, _ in points if min(start, end) < x < max(start, end))})
    total = sum(
        (b - a) * (value_at(points, a, extrapolate) + value_at(points, b, extrapolate)) / 2 for a, b in pairwise(cuts)
    )
    return total if end >= start else -total


def slope_at(points, x, beyond):
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]
    ends = (0.0, 0.0) if beyond == 0 else (slopes[0], slopes[-1])
    padded = [ends[0], *slopes, ends[1]]
    place = sum(px < x for px, _ in points)
    at_point = any(px == x for px, _ in points)
    return (padded[place] + padded[place + 1]) / 2 if at_point else padded[place]


def inverse_at(points, y, extrapolate=False):
    turned = sorted((b, a) for a, b in points)
    return value_at(turned, y, extrapolate)


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    text = f"""
        x = Time
        table{written(TABLE)}
        rising{written(RISING)}
        falling{written(FALLING)}
        step: s1, s2, s3, s4
        vec[step] = {", ".join(map(str, VECTOR))}
        mono[step] = {", ".join(map(str, MONOTONE))}
        beyond = LOOKUP EXTRAPOLATE(table, x)
        ahead = LOOKUP FORWARD(table, x)
        back = LOOKUP BACKWARD(table, x)
        area = LOOKUP AREA(table, 0.5, x)
        slope0 = LOOKUP SLOPE(table, x, 0)
        slope1 = LOOKUP SLOPE(table, x, 1)
        slopena = LOOKUP SLOPE(table, x, -1)
        up = LOOKUP INVERT(rising, x)
        down = LOOKUP INVERT(falling, x)
    """
    for mode in range(10):
        text += f"\nv{mode} = VECTOR LOOKUP({'mono' if mode in (5, 8) else 'vec'}[s1], x, {LOW}, {HIGH}, {mode})"
    path = vensim(tmp_path_factory.mktemp("curves"), text, start=-6, end=10, step=0.25)
    return jv.read_vensim(path).run()


def test_lookups_give_area_slope_and_inverse(curves):
    for name, at in (
        ("beyond", lambda x: value_at(TABLE, x, extrapolate=True)),
        ("ahead", lambda x: next((y for px, y in TABLE if px >= x), TABLE[-1][1])),
        ("back", lambda x: next((y for px, y in reversed(TABLE) if px <= x), TABLE[0][1])),
        ("area", lambda x: area_to(TABLE, 0.5, x)),
        ("slope0", lambda x: slope_at(TABLE, x, 0)),
        ("slope1", lambda x: slope_at(TABLE, x, 1)),
        ("up", lambda x: inverse_at(RISING, x)),
        ("down", lambda x: inverse_at(FALLING, x)),
    ):
        expected = [at(x) for x in curves.times]
        np.testing.assert_allclose(columns(curves, [name])[name], expected, rtol=1e-12, atol=1e-12, err_msg=name)
    missing = columns(curves, ["slopena"])["slopena"]
    outside = (curves.times < -3) | (curves.times > 4)
    assert np.isnan(missing[outside]).all()
    assert (np.abs(missing[~outside]) < 10).all()


def test_vectors_are_looked_up_in_every_mode(curves):
    xs = np.linspace(LOW, HIGH, 4)
    points, monotone = list(zip(xs, VECTOR, strict=True)), list(zip(xs, MONOTONE, strict=True))

    def held(x, forward):
        if forward:
            return next((y for px, y in points if px >= x), VECTOR[-1])
        return next((y for px, y in reversed(points) if px <= x), VECTOR[0])

    modes = (
        lambda x: value_at(points, x),
        lambda x: area_to(points, LOW, x),
        lambda x: held(x, forward=False),
        lambda x: value_at(points, x, extrapolate=True),
        lambda x: held(x, forward=True),
        lambda x: inverse_at(monotone, x),
        lambda x: slope_at(points, x, 0),
        lambda x: area_to(points, LOW, x, extrapolate=True),
        lambda x: inverse_at(monotone, x, extrapolate=True),
        lambda x: slope_at(points, x, 1),
    )
    for mode, at in enumerate(modes):
        found, expected = columns(curves, [f"v{mode}"])[f"v{mode}"], [at(x) for x in curves.times]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12, err_msg=f"mode {mode}")


def test_data_are_summed_up_between_dates(tmp_path):
    series = {0.0: 0.0, 1.0: 10.0, 2.0: 20.0, 9.0: 70.0, 10.0: 80.0}
    text = """
        d
        mean = GET DATA MEAN(d, 1, 9)
        median = GET DATA MEDIAN(d, 0, 10)
        low = GET DATA MINIMUM(d, 1, 10)
        high = GET DATA MAXIMUM(d, INITIAL TIME, 5)
        points = GET DATA TOTAL POINTS(d, 0, 9)
        none = GET DATA MEAN(d, 3, 8)
        first = GET DATA FIRST TIME(d)
        last = GET DATA LAST TIME(d)
        back = GET DATA BETWEEN TIMES(d, MIN(FINAL TIME, Time + 0.5), -1)
        ahead = GET DATA BETWEEN TIMES(d, MIN(FINAL TIME, Time + 0.5), 1)
        known = X IF MISSING(d, 5)
        unknown = X IF MISSING(:NA:, 5)
    """
    import pandas as pd

    data = pd.DataFrame({"d": series.values()}, index=list(series))
    run = jv.read_vensim(vensim(tmp_path, text, step=1), data=data).run()
    found = columns(run, [n for n in run.names if n != "d"])
    numbers = {"mean": 100 / 3, "median": 20, "low": 10, "high": 20, "points": 4, "none": math.nan}
    for name, number in (numbers | {"first": 0, "last": 10, "unknown": 5}).items():
        np.testing.assert_allclose(found[name], number)
    # as Vensim computes them: dates are cut to whole numbers, and "backward" is before the date
    np.testing.assert_array_equal(found["back"], [0, 0, 10, 20, 20, 20, 20, 20, 20, 20, 70])
    np.testing.assert_array_equal(found["ahead"], [0, 10, 20, 70, 70, 70, 70, 70, 70, 70, 80])
    np.testing.assert_allclose(found["known"], np.interp(run.times, list(series), list(series.values())))


# Calendar


def test_the_calendar_of_days_is_the_real_one(tmp_path):
    text = "\n".join(f"m{k} = GET TIME VALUE(0, 0, {k})\ns{k} = GET TIME VALUE(1, 40, {k})" for k in range(1, 11))
    settings = "37:1999\n38:11\n39:23\n40:4\n"
    path = vensim(tmp_path, text, start=-30, end=1500, step=0.25, settings=settings)
    run = jv.read_vensim(path).run()
    base = datetime.datetime(1999, 11, 23)
    for prefix, moments in (("m", run.times), ("s", [10.0] * run.times.size)):
        found = columns(run, [f"{prefix}{k}" for k in range(1, 11)])
        for i in range(0, run.times.size, 7):
            at = base + datetime.timedelta(days=float(moments[i]))
            days = at.date().toordinal() + 365
            expected = [at.year, (at.month - 1) // 3 + 1, at.month, at.day, at.isoweekday() % 7, days, at.hour]
            expected += [at.minute, at.second, (days * 86400 + at.hour * 3600) % 500_000]
            assert [found[f"{prefix}{k}"][i] for k in range(1, 11)] == expected


def test_years_of_months_have_360_days(tmp_path):
    text = "\n".join(f"m{k} = GET TIME VALUE(0, 1, {k})" for k in (0, 1, 2, 3, 4, 6, 7))
    run = jv.read_vensim(vensim(tmp_path, text, step=0.1, settings="37:2003\n38:10\n39:1\n40:2\n")).run()
    found = columns(run, [n for n in run.names if n.startswith("m")])
    for i, t in enumerate(run.times):
        days = round(30 * (t + 1))  # every step is three days
        months = 9 + days // 30
        expected = [t + 1, 2003 + months // 12, months % 12 // 3 + 1, months % 12 + 1, days % 30 + 1]
        expected += [2003 * 360 + 270 + days, 0]
        np.testing.assert_allclose([found[f"m{k}"][i] for k in (0, 1, 2, 3, 4, 6, 7)], expected, err_msg=str(t))


# Money and stocks of their own

OWN_STOCKS = """
    x = 3*SIN(Time)
    npv = NPV(x, 0.1, 2, 1.5)
    npve = NPVE(x, 0.1, 2, 1.5)
    worth = DEPRECIATE STRAIGHTLINE(x, 2, 0.5, 0)
    kept = SINTEG(x, 1, 0, 2, :NA:, :NA:, :NA:)
    free = SINTEG(x, 1, :NA:, :NA:, :NA:, :NA:, :NA:)
    caught = SINTEG(x, 1, :NA:, :NA:, :NA:, 6, 0.5)
    late = DELAY MATERIAL(x, 2, 7, 0)
    informed = DELAY INFORMATION(x, 2, 7)
    age: a1, a2, a3, a4
    start[age] = 10, 20, 30, 40
    People[age] = INTEG(-0.1*People[age], start[age])
    shifted = SHIFT IF TRUE(People[a1], MODULO(Time, 2) = 0, 4, 1, 5)
    Crew[age] = INTEG(-0.1*Crew[age], start[age])
    left = SHIFT IF TRUE(Crew[a1], MODULO(Time, 2) = 0, 4, 0, 5)
"""


def test_stocks_with_rules_of_their_own_follow_them_step_by_step(tmp_path):
    run = jv.read_vensim(vensim(tmp_path, OWN_STOCKS)).run()
    found, h = columns(run, run.names), 0.5
    x = 3 * np.sin(run.times)
    kept, caught, free = 1.0, 1.0, 1.0
    people, crew = np.array([10.0, 20, 30, 40]), np.array([10.0, 20, 30, 40])
    for i, t in enumerate(run.times):
        assert found["kept"][i] == pytest.approx(kept, abs=1e-12)
        assert found["caught"][i] == pytest.approx(caught, abs=1e-12)
        assert found["free"][i] == pytest.approx(free, abs=1e-12)
        kept, caught, free = min(max(kept + h * x[i], 0), 2), caught + h * x[i], free + h * x[i]
        caught = 6.0 if abs(caught - 6) < 0.5 else caught
        np.testing.assert_allclose([found[f"People[a{k}]"][i] for k in range(1, 5)], people)
        np.testing.assert_allclose([found[f"Crew[a{k}]"][i] for k in range(1, 5)], crew)
        shift = t % 2 == 0
        assert found["left"][i] == pytest.approx(crew[-1] if shift else 0)
        moved = np.array([5, people[0], people[1], people[2] + people[3]]) if shift else people
        people, crew = moved - h * 0.1 * people, (np.array([5, *crew[:3]]) if shift else crew) - h * 0.1 * crew
    assert not np.any(found["shifted"])
    assert np.any(found["caught"] == 6)


def test_present_values_depreciation_and_delays_are_their_sums(tmp_path):
    run = jv.read_vensim(vensim(tmp_path, OWN_STOCKS)).run()
    found, h, n = columns(run, run.names), 0.5, np.arange(run.times.size)
    x = 3 * np.sin(run.times)
    factors = (1 + 0.1 * h) ** -n
    for name, discount in (("npv", factors), ("npve", factors / (1 + 0.1 * h))):
        np.testing.assert_allclose(found[name], 1.5 * (2 + np.cumsum(x * discount * h)), rtol=1e-12)
    lasting = 4  # steps
    np.testing.assert_allclose(found["worth"], [x[max(i - lasting + 1, 0) : i + 1].sum() / 2 for i in n], atol=1e-12)
    delayed = np.concatenate([np.full(lasting, 7.0), x[:-lasting]])
    np.testing.assert_allclose(found["late"], delayed, atol=1e-12)
    np.testing.assert_allclose(found["informed"], delayed, atol=1e-12)


def test_stellas_own_functions_are_their_definitions(tmp_path):
    variables = {
        "x": "3*SIN(TIME)",
        "counted": "COUNTER(2, 5)",
        "growth": "CGROWTH(10)",
        "before": "PREVIOUS(x, 9)",
        "walk": "PREVIOUS(SELF, 1)*1.1",
        "lagged": "HISTORY(x, TIME - 2)",
        "once": "HISTORY(x, 4)",
        "ahead": "HISTORY(x, TIME + 1)",
        "waves": "SINWAVE(-2, 5) + COSWAVE(3, 4)",
        "chosen": "SWITCH(x, 1)",
        "ways": "COMBINATIONS(5, 3) + PERMUTATIONS(5, 2) + FACTORIAL(5)",
        "root": "ROOTN(ABS(x), 3) + LOG10(100) + PERCENT(0.25)",
        "within": "NORMALCDF(-1, x, 0.5, 2)",
        "inverse": "INVNORM(0.975) + INVNORM(0.3, 1, 2)",
        "rounded": "ROUND(x) + INT(x)",
        "smoothed": "SMOOTH3I(x, 3, 5) + SMOOTHI(x, 2, 5) - SMTH3(x, 3, 5) - SMTH1(x, 2, 5)",
        "fixed": "DELAY_FIXED(x, 2, 5) - DELAY(x, 2, 5)",
    }
    run = jv.read_xmile(xmile(tmp_path, variables)).run()
    found, t, n = columns(run, run.names), run.times, np.arange(run.times.size)
    x = 3 * np.sin(t)
    expected = {
        "counted": 2 + t % 3,
        "growth": np.full(t.size, (1.1**0.5 - 1) / 0.5),
        "before": np.concatenate([[9.0], x[:-1]]),
        "walk": 1.1 ** (n + 1),
        "lagged": np.concatenate([np.zeros(4), x[:-4]]),
        "once": np.where(t < 4, 0, 3 * math.sin(4)),
        "ahead": np.zeros(t.size),
        "waves": 2 * np.sin(2 * np.pi * t / 5) + 3 * np.cos(2 * np.pi * t / 4),
        "chosen": (x > 1).astype(float),
        "ways": np.full(t.size, 10.0 + 20 + 120),
        "root": np.cbrt(np.abs(x)) + 2 + 25,
        "within": stats.norm.cdf(x, 0.5, 2) - stats.norm.cdf(-1, 0.5, 2),
        "inverse": np.full(t.size, stats.norm.ppf(0.975) + stats.norm.ppf(0.3, 1, 2)),
        "rounded": np.floor(x + 0.5) + np.trunc(x) * 0 + np.floor(x),
        "smoothed": np.zeros(t.size),
        "fixed": np.zeros(t.size),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found.get(name, values), values, rtol=1e-9, atol=1e-9, err_msg=name)
    assert len(set(expected) - set(found)) == 0


# Chance

DENSITY = [(0.0, 0.0), (1.0, 2.0), (3.0, 1.0), (4.0, 0.0)]
WEIBULL = stats.weibull_min(1.7, 1, 2 / math.gamma(1 + 1 / 1.7))


def cut(distribution, low, high):
    """Distribution function between two ends."""
    below, above = distribution.cdf([low, high])
    return lambda y: (distribution.cdf(y) - below) / (above - below)


CONTINUOUS = {
    "RANDOM UNIFORM(2, 5, 0)": stats.uniform(2, 3).cdf,
    "RANDOM NORMAL(0, 3, 1, 2, 0)": stats.truncnorm(-0.5, 1, 1, 2).cdf,
    "RANDOM EXPONENTIAL(1, 6, 0.5, 2, 0)": stats.truncexpon(2.5, 1, 2).cdf,
    "RANDOM WEIBULL(0, 99, 1.7, 1, 2, 0)": WEIBULL.cdf,
    "RANDOM WEIBULL(1.5, 3, 1.7, 1, 2, 0)": cut(WEIBULL, 1.5, 3),
    "RANDOM TRIANGULAR(0, 9, 1, 2, 6, 0)": stats.triang(0.2, 1, 5).cdf,
    "RANDOM TRIANGULAR(1.5, 5, 1, 2, 6, 0)": cut(stats.triang(0.2, 1, 5), 1.5, 5),
    "RANDOM LOOKUP(density, 0, 99, 1, 2, 0)": lambda y: (
        np.array([area_to(DENSITY, 0, min(max((v - 1) / 2, 0), 4)) for v in y]) / 4.5
    ),
    "NORMAL(3, 2)": stats.norm(3, 2).cdf,
    "NORMAL(3, 2, 0, 2, 4)": stats.truncnorm(-0.5, 0.5, 3, 2).cdf,
    "LOGNORMAL(10, 5)": stats.lognorm(math.sqrt(math.log(1.25)), scale=10 / math.sqrt(1.25)).cdf,
    "EXPRND(4)": stats.expon(0, 4).cdf,
    "WEIBULL(1.5, 3)": stats.weibull_min(1.5, 0, 3).cdf,
    "TRIANGULAR(1, 4, 6)": stats.triang(0.6, 1, 5).cdf,
    "LOGISTIC(2, 3)": stats.logistic(2, 3).cdf,
    "PARETO(3, 2)": stats.pareto(3, 0, 2).cdf,
    "UNIFORM(1, 3)": stats.uniform(1, 2).cdf,
    "RANDOM 0 1()": stats.uniform().cdf,
}
COUNTS = {
    "RANDOM POISSON(0, 99, 3, 0, 1, 0)": stats.poisson(3).pmf,
    "RANDOM POISSON(0, 99, three, 0, 1, 0)": stats.poisson(3).pmf,
    "RANDOM POISSON(0, 999, three*12, 0, 1, 0)": stats.poisson(36).pmf,
    "RANDOM BINOMIAL(0, 99, 0.3, 10, 0, 1, 0)": stats.binom(10, 0.3).pmf,
    "RANDOM BINOMIAL(0, 99, three/10, 10, 0, 1, 0)": stats.binom(10, 0.3).pmf,
    "RANDOM BINOMIAL(2, 4, 0.3, 10, 0, 1, 0)": lambda k: (
        stats.binom.pmf(k, 10, 0.3) * ((k >= 2) & (k <= 4)) / stats.binom.pmf([2, 3, 4], 10, 0.3).sum()
    ),
    "RANDOM NEGATIVE BINOMIAL(0, 999, 0.3, 3, 0, 1, 0)": lambda k: stats.nbinom.pmf(k - 3, 3, 0.3),
    "POISSON(2.5)": stats.poisson(2.5).pmf,
    "BINOMIAL(6, 0.4)": stats.binom(6, 0.4).pmf,
    "GEOMETRIC(0.2)": stats.geom(0.2).pmf,
    "MONTECARLO(30)": stats.bernoulli(0.3).pmf,
}
DRAWS = 3000


@pytest.fixture(scope="module")
def chances(tmp_path_factory):
    text = [f"density{written(DENSITY)}", "three = 3 + 0*Time", "NOISE SEED = 0"]
    text += [f"c{i} = {call}" for i, call in enumerate(CONTINUOUS)]
    text += [f"n{i} = {call}" for i, call in enumerate(COUNTS)]
    text += ["other = RANDOM UNIFORM(2, 5, 0)", "own = RANDOM UNIFORM(2, 5, 7)"]
    text += ["pair = RANDOM UNIFORM(0, 1, 0) - RANDOM UNIFORM(0, 1, 0)"]
    text += ["pink = RANDOM PINK NOISE(5, 2, 10, 0)", "still = RANDOM NORMAL(0, 9, 4, 0, 0)"]
    path = vensim(tmp_path_factory.mktemp("chances"), "\n".join(text), end=DRAWS - 1, step=1)
    return jv.read_vensim(path)


@pytest.fixture(scope="module")
def draws(chances):
    run = chances.run()
    return columns(run, run.names)


@pytest.mark.parametrize(("name", "call"), [(f"c{i}", call) for i, call in enumerate(CONTINUOUS)])
def test_random_numbers_follow_their_distribution(draws, name, call):
    assert stats.kstest(draws[name], CONTINUOUS[call]).pvalue > 1e-3


@pytest.mark.parametrize(("name", "call"), [(f"n{i}", call) for i, call in enumerate(COUNTS)])
def test_random_counts_follow_their_distribution(draws, name, call):
    found = draws[name]
    assert (found == np.round(found)).all()
    values = np.arange(found.max() + 1)
    expected = DRAWS * COUNTS[call](values)
    likely = expected > 5
    seen = np.array([(found == k).sum() for k in values[likely]])
    rest = (DRAWS - seen.sum(), DRAWS - expected[likely].sum())
    if rest[1] > 1:
        seen, wanted = np.append(seen, rest[0]), np.append(expected[likely], rest[1])
    else:
        assert rest[0] <= 8
        wanted = expected[likely] * seen.sum() / expected[likely].sum()
    assert stats.chisquare(seen, wanted * seen.sum() / wanted.sum()).pvalue > 1e-3


def test_every_call_has_a_stream_of_its_own(draws):
    first, other, own = draws["c0"], draws["other"], draws["own"]
    for a, b in ((first, other), (other, own), (first[1:], first[:-1])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(DRAWS)
    assert stats.kstest(draws["pair"], stats.triang(0.5, -1, 2).cdf).pvalue > 1e-3


def test_pink_noise_keeps_its_spread_and_remembers(draws):
    pink = draws["pink"]
    effective = DRAWS / 20  # independent numbers in a series with this memory
    assert pink.mean() == pytest.approx(5, abs=4 * 2 / math.sqrt(effective))
    assert pink.std() == pytest.approx(2, rel=4 / math.sqrt(2 * effective))
    assert np.corrcoef(pink[1:], pink[:-1])[0, 1] == pytest.approx(1 - 1 / 10, abs=0.03)
    assert (draws["still"] == 4).all()


def test_seeds_repeat_and_differ_and_lanes_draw_the_same(chances, draws):
    some = ["c0", "c1", "n1", "pink"]
    again = columns(chances.run(), some)
    other = columns(chances.run(params={"NOISE SEED": 1}), some)
    for name in some:
        np.testing.assert_array_equal(again[name], draws[name])
        assert abs(np.corrcoef(other[name][::10], draws[name][::10])[0, 1]) < 0.25
        assert (other[name] != draws[name]).any()


def test_lanes_of_an_ensemble_draw_what_a_run_draws(tmp_path):
    text = """
        NOISE SEED = 0
        a = RANDOM NORMAL(-5, 5, 0, 1, 0)
        b = RANDOM POISSON(0, 99, 2, 0, 1, 0)
        Walk = INTEG(a + b, 0)
    """
    model = jv.read_vensim(vensim(tmp_path, text, end=8, step=0.25))
    outputs, times = ["a", "b", "Walk"], [0.0, 1.0, 5.25, 8.0]
    simulation = jv.Simulation(model, times, outputs, method="Euler", dt=0.25, break_points=False)
    seeds = np.array([0.0, 1.0, 1.0, 2.0])
    members = simulation.run_members(seeds[:, None], ["NOISE SEED"])
    assert not members.failed.size
    for seed, found in zip(seeds, members.values, strict=True):
        whole = model.run(params={"NOISE SEED": seed})
        expected = [[whole[name].iloc[round(4 * t)] for name in outputs] for t in times]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(members.values[1], members.values[2])
    assert (members.values[0] != members.values[3]).any(axis=0).all()


def test_runs_with_adaptive_steps_pass_over_jumps(tmp_path):
    text = """
        x = SIN(Time)
        fixed = DELAY FIXED(x, 2, 0)
        sample = SAMPLE IF TRUE(Time < 3, 2, 0)
        noise = RANDOM NORMAL(-5, 5, 0, 1, 0)
        Sum = INTEG(noise + PULSE(2, 1), 1)
        kept = SINTEG(x, 0, 0, 1, :NA:, :NA:, :NA:)
    """
    model = jv.read_vensim(vensim(tmp_path, text, end=8, step=0.25))
    euler, adaptive = model.run(), model.run(method="LSODA")
    exact, close = columns(euler, euler.names), columns(adaptive, adaptive.names)
    np.testing.assert_allclose(adaptive.times, euler.times)
    np.testing.assert_array_equal(close["noise"], exact["noise"])
    # noise and pulses are constant within a step, so that Euler's sum is exact
    np.testing.assert_allclose(close["Sum"], exact["Sum"], rtol=1e-5, atol=1e-5)
    assert np.abs(close["sample"] - exact["sample"]).max() < 1e-3
    assert np.abs(close["fixed"] - exact["fixed"]).max() < 0.5  # a row of stocks spreads what it delays
    assert (close["kept"] > -0.05).all()
    assert (close["kept"] < 1.05).all()


# Mistakes


def refused(path, **options):
    with pytest.raises(ImportRefused) as caught:
        jv.read_model(path, **options)
    return str(caught.value)


MISTAKES = {
    "SMOTH(x, 2)": "function SMOTH is not known; did you mean 'smooth'?",
    "SQRT(x, 2)": "function SQRT takes 1 argument, found 2",
    "RANDOM NORMAL(0, 1)": "function RANDOM NORMAL takes 4 to 5 arguments, found 2",
    "table(x, 2)": "lookup 'table' needs one argument, found 2",
    "A FUNCTION OF(x)": "function A FUNCTION OF stands for an equation that is still to be written",
    "RANDOM GAMMA(0, 9, 2, 0, 1, 0)": "whose inverse has no closed form",
    "INTERNAL RATE OF RETURN(x, 1, 0, 0)": "searches for a rate over a whole stream of payments",
    "DELAY CONVEYOR(x, 2, 0, table, 1, 2)": "keeps every parcel on a conveyor",
    "DELAY MATERIAL(x, 2 + x, 0, 0)": "DELAY MATERIAL with a delay time that changes during the run adds up inputs",
    "DELAY INFORMATION(x, 2 + x, 0)": "DELAY INFORMATION with a delay time that changes during the run drops inputs",
    "DELAY N(x, 2, 0, x)": "the order of a delay must be a number of at least 1",
    "LOOKUP INVERT(table, x)": "the inverse of a lookup that neither rises nor falls all the way",
    "LOOKUP SLOPE(table, x, 3)": "the mode of LOOKUP SLOPE must be one of -1, 0, 1, known before the run; found 3",
    "LOOKUP AREA(x, 1, 2)": "'x' is neither a lookup nor data",
    "VECTOR LOOKUP(x, 1, 0, 2, 0)": "VECTOR LOOKUP needs the first element of an array",
    "SINTEG(x, 0, 0, 9, 1, :NA:, :NA:)": "SINTEG with a quantum: how Vensim rounds",
    "SINTEG(x, 0, 0, 9, :NA:, 1, :NA:)": "SINTEG needs both a special value and its threshold",
    "SINTEG(x, 0, x, 9, :NA:, :NA:, :NA:)": "SINTEG needs limits that are numbers or :NA:",
    "SHIFT IF TRUE(x, 1, 1, 0, 0)": "SHIFT IF TRUE needs an element of an array",
    "SHIFT IF TRUE(v[k1], 1, 2, 0, 0)": "SHIFT IF TRUE needs stocks (INTEG) as its first argument",
    "DEPRECIATE STRAIGHTLINE(x, 2, 3, 0)": "for a fiscal period of one step and an initial value of 0",
    "DEPRECIATE STRAIGHTLINE(x, 0.7, 0.5, 0)": "over 0.7, expected a multiple of the step 0.5",
    "GET TIME VALUE(2, 0, 1)": "reads the clock of the computer: no run could be repeated",
    "GET TIME VALUE(0, 0, 5)": "years of 360 days, which have no days of the week",
    "GET TIME VALUE(0, 0, 11)": "needs a measure from 0 to 10",
    "GET TIME VALUE(3, 0, 1)": "needs 0 (current time) or 1 (initial time)",
    "PULSE TRAIN(0, 0.5, 0.0001, 9)": "a train of 90,001 pulses, at most 10,000",
    "RANDOM POISSON(1, 9, ABS(x), 0, 1, 0)": "needs numbers as ends, the least not above shift",
    "RANDOM POISSON(7, 6, 3, 0, 1, 0)": "a random number that has no value between its ends",
    "RANDOM BINOMIAL(0, 99, ABS(x)/9, 50, 0, 1, 0)": "RANDOM BINOMIAL of 50 trials",
    "RANDOM BINOMIAL(0, 99, 0.5, x, 0, 1, 0)": "RANDOM BINOMIAL needs a whole number of trials",
    "RANDOM NEGATIVE BINOMIAL(0, 99, x, 2, 0, 1, 0)": "RANDOM NEGATIVE BINOMIAL needs numbers",
    "RANDOM LOOKUP(table, x, 9, 0, 1, 0)": "RANDOM LOOKUP needs numbers for its ends",
    "RANDOM LOOKUP(table, 0, 9, 0, 1, 0)": "the density must not be negative",
    "VECTOR ELM MAP(x, 1)": "the first argument of VECTOR ELM MAP must be an element of an array",
}


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    text = ["x = SIN(Time)", "Level = INTEG(x, 0)", "kind: k1, k2", "v[kind] = 1, 2", f"table{written(TABLE)}"]
    text += [f"wrong{i} = {call}" for i, call in enumerate(MISTAKES)]
    return refused(vensim(tmp_path_factory.mktemp("mistakes"), "\n".join(text)))


@pytest.mark.parametrize(("place", "call"), list(enumerate(MISTAKES)))
def test_what_cannot_be_translated_is_told_with_its_reason(mistakes, place, call):
    told = [line for line in mistakes.splitlines() if f"'wrong{place}'" in line]
    assert len(told) == 1
    assert MISTAKES[call] in told[0]


def test_functions_without_meaning_say_why(tmp_path):
    text = [f"y{i} = {name.replace('_', ' ').upper()}(1)" for i, name in enumerate(WITHOUT_MEANING)]
    skipped = ("get_", "with_lookup", "tabbed_array")  # the reader refuses these before
    kept = [line for line, name in zip(text, WITHOUT_MEANING, strict=True) if not name.startswith(skipped)]
    told = refused(vensim(tmp_path, "\n".join(kept[:45])))
    for line in kept[:45]:
        name, call = line.split(" = ")
        assert any(f"'{name}'" in row and call.removesuffix("(1)") in row for row in told.splitlines()), line


def test_history_and_xmile_counts_are_refused_where_they_cannot_be_known(tmp_path):
    told = refused(xmile(tmp_path, {"x": "SIN(TIME)", "y": "HISTORY(x, TIME/2)", "z": "COUNTER(1)", "w": "ENDVAL(x)"}))
    assert "HISTORY is translated for a moment a fixed time ago" in told
    assert "function COUNTER takes 2 arguments, found 1" in told
    assert "function ENDVAL depends on earlier runs" in told
