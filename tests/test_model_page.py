"""The page of a model: it parses, loads nothing, escapes everything, and says what a reader asks for."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import sympy as sp
from small import auxiliary, decay, driver, flow, logistic, parameter, stock, table, v

import jevons as jv
import jevons.functions as fn
from jevons import Model
from jevons.html.equation import EquationPrinter, length
from jevons.html.small_chart import panel, spark
from jevons.model_page import model_page, write_model_page
from jevons.run_settings import RunSettings

VOID = {"meta", "br", "img", "link", "input", "hr"}
EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.targets, self.loads, self.scripts, self.text = [], [], [], [], 0, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.scripts += tag == "script"
        self.ids += [given["id"]] if given.get("id") else []
        for name, value in given.items():
            assert not name.startswith("on"), f"{tag} has {name}"
            if name in ("src", "srcset", "data", "poster", "action") or (tag == "link" and name == "href"):
                self.loads.append((tag, value))
            if name == "href" and str(value).startswith("#"):
                self.targets.append(value[1:])
            if name in ("aria-labelledby", "for"):
                self.targets += str(value).split()
            self.targets += re.findall(r"url\(#([^)]+)\)", str(value))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text):
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.targets) <= set(page.ids)
    assert page.loads == []
    assert page.scripts == 1
    return page


def words(text):
    return " ".join("".join(read(text).text).split())


def show(e):
    return re.sub(r"<[^>]+>", "", EquationPrinter(lambda name: name).html(e))


def evil():
    names = {"stock": f"{EVIL} stock", "p": f'p" onclick="{EVIL}', "table": f"</style>{EVIL}"}
    return Model(
        f"model {EVIL}",
        [
            stock(names["stock"], 1.0, f"unit {EVIL}", doc=f"doc {EVIL}"),
            flow("flow", fn.lookup(names["table"], v[names["stock"]]) / v[names["p"]], EVIL, target=names["stock"]),
            parameter(names["p"], 2.0, "", source=f"https://example.org/{EVIL}", doc="d"),
            table(names["table"], [(0.0, 1.0), (1.0, 2.0)], EVIL, EVIL),
            auxiliary("wrong", v[names["stock"]] + v[names["p"]] * 3 + v.q, ""),
            parameter("q", 1.0, f"other {EVIL}"),
        ],
        check_units=False,
        time_unit=f"year {EVIL}",
        doc=EVIL,
        settings=RunSettings(end=3.0, dt=0.5, every=0.5),
    )


@pytest.mark.parametrize("name", ["m0", "bass", "coflow", "supply_line"])
def test_a_page_of_a_shipped_model_parses_and_loads_nothing(name):
    model = jv.load(name)
    text = words(model_page(model))
    for element in model.elements:
        assert element in text
    assert "Feedback loops" in text


def test_names_and_documentation_cannot_run():
    text = model_page(evil())
    read(text)
    assert EVIL not in text
    assert "&lt;script&gt;" in text
    assert 'onclick="' not in text


def test_what_an_entry_says():
    text = words(model_page(decay()))
    assert "x [1] stock" in text
    assert "d/dt x = −outflow" in text
    assert "x(0) = 1" in text
    assert "outflow = (x) / (tau)" in text
    assert "x → outside" in text
    assert "Used by: outflow" in text
    assert "Uses: x, tau" in text
    assert "measured; test" in text
    assert "There is 1 loop of up to" in text
    assert "B x → outflow → x" in text


def test_settings_dimensions_and_units_of_an_imported_model_are_told():
    model = Model(
        "imported",
        [stock("s[A]", 1.0, "widget"), flow("in", v.p, "widget/Month", target="s[A]"), parameter("p", 1.0, "widget")],
        time_unit="Month", check_units=False, settings=RunSettings(end=12, dt=0.25, every=1.0, method="RK4"),
        dimensions={"Letters": ("A", "B")}, subscripts={"s": ("Letters",)},
    )  # fmt: skip
    text = words(model_page(model))
    assert "RK4, steps of 0.25 Month" in text
    assert "LettersA, B" in text
    assert "unit does not agree" in text
    assert "From 0 to 12 Month" in text


def test_the_behaviour_is_that_of_the_run():
    text = model_page(logistic(), end=10)
    drawn = re.search(r'class="line" points="([^"]+)"', text[text.index('id="behaviour"') :])[1]
    points = np.array([[float(a) for a in pair.split(",")] for pair in drawn.split()])
    t = (points[:, 0] - 44) / (254 - 44) * 10
    x = (102 - points[:, 1]) / (102 - 8) * (1 / (1 + 9 * np.exp(-10)))
    assert x == pytest.approx(1 / (1 + 9 * np.exp(-t)), abs=0.02)


def test_a_model_that_does_not_run_says_why():
    model = Model("up", [stock("x", 1.0), flow("f", v.x**2 / v.y, target="x"), parameter("y", 1.0, "yr")])
    text = words(model_page(model, end=5))
    assert "diverged" in text
    assert "Feedback loops" in text


def test_a_run_may_be_given():
    model = logistic()
    assert "From 0 to 3 yr" in words(model_page(model, run=model.run(0, 3)))


def test_long_equations_are_folded():
    long = sum(v[f"p{i}"] ** 2 for i in range(60))
    model = Model("long", [auxiliary("y", long), *(parameter(f"p{i}", 1.0) for i in range(60))])
    text = model_page(model, end=1)
    assert "an expression of" in text
    assert "Uses 60 elements" in text
    read(text)


def test_tables_and_drivers_have_their_points():
    model = Model(
        "tables",
        [
            table("f", [(0.0, 5.0), (2.0, 7.5)]),
            driver("d", [(0.0, 1.0), (1.0, 3.0)]),
            auxiliary("y", jv.lookup("f", v.d)),
        ],
    )
    text = words(model_page(model, end=1))
    assert "2 points, linear between points, constant beyond them" in text
    assert "7.5" in text
    assert "y = f(d)" in text


def test_the_page_is_written_into_a_folder_or_a_file(tmp_path):
    assert write_model_page(decay(), tmp_path / "pages").name == "decay.html"
    path = write_model_page(decay(), tmp_path / "deep" / "page.htm")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_large_model_has_a_page_of_reasonable_size():
    elements = []
    for i in range(120):
        x, other = v[f"stock {i}"], v[f"stock {(i + 7) % 120}"]
        elements += [
            stock(f"stock {i}", 1.0 + i), flow(f"fill {i}", v[f"want {i}"] / v[f"time {i}"], target=f"stock {i}"),
            flow(f"drain {i}", x / v[f"time {i}"], source=f"stock {i}"), parameter(f"time {i}", 2.0 + i % 5, "yr"),
            auxiliary(f"want {i}", v[f"share {i}"] * other + (1 - v[f"share {i}"]) * x), parameter(f"share {i}", 0.3),
            auxiliary(f"ratio {i}", x / other),
        ]  # fmt: skip
    text = model_page(Model("large", elements), end=5)
    assert len(text.encode()) < 3_000_000
    page = read(text)
    assert sum(i.startswith("e") and "-stock-" in i for i in page.ids) >= 120


X, Y, Z = v.x, v.y, v.z


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (X + Y, "x + y"),
        (X - Y, "x − y"),
        (-X - Y, "−x − y"),
        (X * (Y + Z), "x · (y + z)"),
        (X / Y, "(x) / (y)"),
        ((X + Y) / (X * Z), "(x + y) / (x · z)"),
        (X**2, "x2"),
        ((X + Y) ** Z, "(x + y)z"),
        (sp.sqrt(X + Y), "√(x + y)"),
        (1 / X, "(1) / (x)"),
        (X / 3, "(x) / (3)"),
        (-X / Y, "−(x) / (y)"),
        (X - (Y - Z) * Z, "x − z · (y − z)"),
        (sp.exp(-X), "exp(−x)"),
        (sp.log(X), "ln(x)"),
        (sp.Max(X, Y), "max(x, y)"),
        (sp.Abs(X), "|x|"),
        (sp.floor(X), "⌊x⌋"),
        (sp.Piecewise((X, X > Y), (Z, True)), "x; if x &gt; yz; otherwise"),
        (sp.Piecewise((X, sp.And(X > 1, Y <= 2)), (0, True)), "x; if y ≤ 2 and x &gt; 10; otherwise"),
        (jv.smooth3(X, Y), "smooth3(x, y, x)"),
        (jv.lookup("f", X), "f(x)"),
        (sp.Float(1.5e-9), "1.5 · 10-9".replace("-", "−")),
        (fn.TIME * 2, "2 · time"),
    ],
)
def test_equations_read_as_mathematics(expression, text):
    assert show(expression) == text


def test_equations_link_names_and_are_measured():
    shown = EquationPrinter(lambda name: f"[{name}]").html(X * jv.lookup("f", Y))
    assert "[x]" in shown
    assert "[f](" in shown
    assert length(X + Y, 100) == 3
    assert length(sum(v[f"p{i}"] for i in range(60)), 10) == 10


def test_charts_bear_what_is_not_finite_and_what_does_not_move():
    times = np.linspace(0, 1, 1001)
    for values in (np.full(1001, np.nan), np.full(1001, 3.0), np.zeros(1001), 1000 + 1e-9 * times, -times):
        for drawn in (spark(times, values), panel(times, values, "c", "a chart")):
            points = re.search(r'points="([^"]+)"', drawn)[1].split()
            assert 2 <= len(points) <= 130
            assert all(np.isfinite(float(x)) for p in points for x in p.split(","))
    wave = np.zeros(1001)
    wave[333] = 5.0
    assert ">5<" in panel(times, wave, "c", "a peak that thinning keeps")
