"""Units as people type them: parsing, findings, inference of what is missing, contradictions."""

from fractions import Fraction

import hypothesis.strategies as st
import pytest
import sympy as sp
from hypothesis import given, settings
from small import auxiliary, flow, parameter, stock, table, v

import jevons as jv
from jevons import Model
from jevons.diagnostics.unit_report import unit_report
from jevons.diagnostics.unit_text import ONE, Unit, UnitTextError, Vocabulary


def model(*elements, time_unit="Month"):
    return Model("typed", elements, time_unit=time_unit, check_units=False)


def powers(text, *others, synonyms=()):
    unit = Vocabulary([text, *others], synonyms).parse(text)
    return None if unit is None else dict(unit.powers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Widgets/Month", {"Widgets": 1, "Month": -1}),
        ("Dmnl", {}),
        ("1", {}),
        ("fraction", {}),
        ("degrees Fahrenheit/Minute", {"degrees Fahrenheit": 1, "Minute": -1}),
        ("$/(person*year)", {"$": 1, "Person": -1, "Year": -1}),
        ("people*people", {"Person": 2}),
        ("1/Year", {"Year": -1}),
        ("/year", {"Year": -1}),
        ("people per year", {"Person": 1, "Year": -1}),
        ("person/year/year", {"Person": 1, "Year": -2}),
        ("a/b*c", {"a": 1, "b": -1, "c": 1}),
        ("metre^2", {"metre": 2}),
        ("metre**(1/2)", {"metre": Fraction(1, 2)}),
        ("m²·kg", {"m": 2, "kg": 1}),
        ("1987 $", {"1987 $": 1}),
        ("years [0,10,1]", {"Year": 1}),
        ("[0,10]", None),
        ("", None),
        ("{no idea}", None),
    ],
)
def test_texts_of_units(text, expected):
    assert powers(text) == expected


@pytest.mark.parametrize("text", ["widget/", "(widget", "widget)", "3*widget", "widget^many", "widget^", "*"])
def test_texts_that_are_no_units(text):
    with pytest.raises(UnitTextError):
        Vocabulary([text]).parse(text)
    report = unit_report(model(parameter("a", 1.0, text)))
    assert report.verdicts == {"a": "mismatch"}
    assert report.errors[0].what == "unit"


def test_plurals_merge_only_where_both_are_used():
    words = Vocabulary(["Boxes", "box", "gas", "factories", "factory", "widgets per box"])
    assert words.parse("Boxes") == words.parse("box")
    assert words.parse("factories/factory") == ONE
    assert words.parse("gas") != ONE
    assert str(words.parse("widgets")) == "widgets"


def test_short_units_with_an_s_are_no_plurals():
    words = Vocabulary(["ms", "m"])
    assert words.parse("ms") != words.parse("m")


def test_synonyms_of_the_file_join_the_default_ones():
    words = Vocabulary(["Hare", "rabbits", "a"], [("Hare", "rabbits"), ("a", "Year"), ("pure", "Dmnl")])
    assert words.parse("rabbits") == words.parse("Hare")
    assert words.parse("a") == words.parse("years")
    assert words.parse("pure") == ONE


def test_a_model_without_mistakes():
    report = unit_report(
        model(
            stock("Room", 70.0, "degrees Fahrenheit"),
            stock("Teacup", 180.0, "Degrees fahrenheit"),
            flow("loss", (v.Teacup - v.Room) / v.tau, "degrees Fahrenheit/minute", source="Teacup"),
            parameter("tau", 10.0, "Minutes"),
            time_unit="Minute",
        )
    )
    assert set(report.verdicts.values()) == {"consistent"}
    assert report.findings == ()
    assert report.summary() == "units of 'typed': 4 elements: 4 consistent"


def test_the_smallest_expression_that_does_not_agree_is_named():
    report = unit_report(
        model(
            parameter("people", 1.0, "person"),
            parameter("widgets", 1.0, "widget"),
            auxiliary("wrong", 2 * (v.people + v.widgets) ** 2 / v.people, "person"),
        )
    )
    (finding,) = report.errors
    assert (finding.name, finding.what) == ("wrong", "equation")
    assert finding.where == "people + widgets"
    assert {finding.found, finding.expected} == {"Person", "widget"}
    assert report.verdicts == {"people": "consistent", "widgets": "consistent", "wrong": "mismatch"}


def test_equation_flow_and_time_are_compared():
    report = unit_report(
        model(
            stock("s", 1.0, "widget"),
            flow("inflow", v.p, "widget/Month", target="s"),
            flow("outflow", v.s / v.p, "widget", source="s"),
            parameter("p", 1.0, "widget/Year"),
            auxiliary("late", jv.step(v.s, v.p), "widget"),
        )
    )
    found = {(f.name, f.what, f.found, f.expected) for f in report.errors}
    assert found == {
        ("inflow", "equation", "widget/Year", "widget/Month"),
        ("outflow", "flow of 's'", "widget", "widget/Month"),
        ("outflow", "equation", "Year", "widget"),
        ("late", "equation", "widget/Year", "Month"),
    }


def test_what_is_an_error_and_what_a_warning():
    x = v.x
    report = unit_report(
        model(
            parameter("x", 1.0, "widget"),
            parameter("n", 1.0, "Dmnl"),
            auxiliary("plus_one", x + 1, "widget"),
            auxiliary("plus_zero", sp.Max(x, 0), "widget"),
            auxiliary("at_most", sp.Min(x, 5), "widget"),
            auxiliary("branch", sp.Piecewise((x, x > 3), (0, True)), "widget"),
            auxiliary("power", x**v.n, "Dmnl"),
            auxiliary("exponential", sp.exp(x), "Dmnl"),
            auxiliary("root", sp.sqrt(x**2 * v.n), "widget"),
            auxiliary("number", sp.Float(3.0), "widget"),
        )
    )
    assert {f.name for f in report.errors} == {"exponential"}
    assert {f.name for f in report.warnings} == {"plus_one", "at_most", "branch", "power"}
    assert "number 1 has no unit" in next(str(f) for f in report.warnings if f.name == "plus_one")


def test_missing_units_follow_from_equations_stocks_and_time():
    report = unit_report(
        model(
            stock("s", v.start, ""),
            flow("growth", v.s * v.rate, "", target="s"),
            parameter("rate", 0.1, ""),
            parameter("start", 5.0, "[0,10]"),
            auxiliary("revenue", v.price * v.growth, "$/Month"),
            parameter("price", 5.0, "$/widget"),
            auxiliary("side", sp.sqrt(v.area), "mile"),
            parameter("area", 4.0, ""),
        )
    )
    assert report.inferred == {
        "s": "widget", "growth": "widget/Month", "rate": "1/Month", "start": "widget", "area": "mile^2",
    }  # fmt: skip
    assert report.free == {}
    assert set(report.verdicts.values()) == {"consistent"}


def test_what_nothing_decides_remains_free():
    report = unit_report(model(auxiliary("a", v.b * v.c, ""), parameter("b", 1.0, "widget"), parameter("c", 1.0, "")))
    (name, unit), (_, itself) = sorted(report.free.items(), key=lambda item: "widget" not in item[1])
    assert (name, unit, itself) in {("a", "widget*[c]", "[c]"), ("c", "[a]/widget", "[a]")}
    assert report.verdicts == {"a": "unknown", "b": "consistent", "c": "unknown"}


def test_a_contradiction_names_the_equations_that_make_it_and_no_others():
    report = unit_report(
        model(
            auxiliary("a", v.mile * v.unknown, "mile*hour"),
            auxiliary("b", v.mile / v.other, "mile"),
            auxiliary("c", v.unknown * v.other, "mile"),
            auxiliary("innocent", v.elsewhere, ""),
            parameter("elsewhere", 1.0, "mile"),
            parameter("mile", 1.0, "mile"),
            parameter("unknown", 1.0, ""),
            parameter("other", 1.0, ""),
        )
    )
    (finding,) = report.contradictions
    assert {finding.name, *finding.with_others} == {"a", "b", "c"}
    assert {finding.found, finding.expected} == {"Hour", "mile"}
    assert report.inferred["innocent"] == "mile"


def test_tables_check_values_and_infer_arguments():
    points = ((0.0, 0.0), (1.0, 1.0))
    report = unit_report(
        model(
            table("f", points, "", "widget"),
            parameter("x", 1.0, "Month"),
            parameter("z", 1.0, "widget"),
            auxiliary("y", jv.lookup("f", v.x), "Month"),
            auxiliary("again", jv.lookup("f", v.z), ""),
        )
    )
    assert report.inferred == {"again": "widget"}
    assert report.arguments == {"f": "Month"}
    assert [(f.name, f.severity) for f in report.findings] == [("y", "error"), ("again", "warning")]


def test_delays_need_times_and_trends_are_rates():
    report = unit_report(
        model(
            parameter("x", 1.0, "widget"),
            parameter("tau", 1.0, "Month"),
            auxiliary("smooth", jv.smooth3(v.x, v.tau), "widget"),
            auxiliary("late", jv.delay1(v.x, v.x), "widget"),
            auxiliary("rising", jv.trend(v.x, v.tau), ""),
        )
    )
    assert [f.name for f in report.findings] == ["late"]
    assert report.inferred == {"rising": "1/Month"}


def test_a_number_alone_in_a_function_of_time_has_the_unit_of_its_place():
    at = parameter("at", 1.0, "Month")
    report = unit_report(model(at, auxiliary("rise", jv.step(3, v.at), "widget"), stock("s", v.rise, "widget")))
    assert report.findings == ()
    assert report.verdicts["rise"] == "consistent"


def test_a_unit_used_once_that_looks_like_another_is_pointed_out():
    elements = [parameter(n, 1.0, "Widget") for n in "abc"]
    report = unit_report(model(*elements, parameter("d", 1.0, "Wigdet")))
    (finding,) = report.warnings
    assert finding.name == "d"
    assert "did you mean 'Widget'?" in finding.message


@pytest.mark.parametrize("name", jv.list_models())
def test_shipped_models_agree_with_the_check_when_they_were_built(name):
    report = unit_report(jv.load(name, fit=None) if name.startswith("world") else jv.load(name))
    assert report.findings == ()
    assert set(report.verdicts.values()) == {"consistent"}


def test_sizes_count_in_a_checked_model():
    checked = Model("sized", [parameter("power", 1.0, "kW"), auxiliary("same", v.power, "kW")])
    object.__setattr__(checked.elements["same"], "unit", "MW")
    (finding,) = unit_report(checked).errors
    assert "0.001 times too large" in finding.message


def test_the_report_as_table_and_html():
    report = unit_report(
        model(parameter("<b>", 1.0, "widget"), auxiliary("y", v["<b>"] + v.t, ""), parameter("t", 1.0, "Month"))
    )
    frame = report.to_frame()
    assert list(frame["name"]) == ["<b>", "y", "t"]
    assert frame.loc[1, "where"] == "<b> + t"
    page = report._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt; + t" in page
    assert "1 error" in repr(report)


EXPONENTS = st.lists(st.sampled_from([-2, -1, 0, 1, 2]), min_size=2, max_size=2)


@settings(max_examples=60, deadline=None)
@given(
    bases=st.lists(EXPONENTS, min_size=3, max_size=5),
    products=st.lists(st.lists(st.sampled_from([-2, -1, 1, 2, 0.5]), min_size=2, max_size=2), min_size=2, max_size=8),
    data=st.data(),
)
def test_inferred_units_are_the_true_ones(bases, products, data):
    names = ("mile", "$")
    truth = {
        f"p{i}": Unit({n: Fraction(e) for n, e in zip(names, b, strict=True) if e}, {}) for i, b in enumerate(bases)
    }
    elements = {}
    for i, exponents in enumerate(products):
        chosen = data.draw(st.lists(st.sampled_from(sorted(truth)), min_size=2, max_size=2, unique=True))
        expression = sp.Mul(*(v[n] ** sp.nsimplify(e) for n, e in zip(chosen, exponents, strict=True)))
        unit = ONE
        for n, e in zip(chosen, exponents, strict=True):
            unit = unit * truth[n] ** Fraction(e)
        truth[f"a{i}"] = unit
        elements[f"a{i}"] = expression
    hidden = data.draw(st.sets(st.sampled_from(sorted(truth))))

    def text(name):
        return "" if name in hidden else str(truth[name]) if not truth[name].one else "Dmnl"

    report = unit_report(
        model(
            *(parameter(n, 1.0, text(n)) for n in truth if n.startswith("p")),
            *(auxiliary(n, e, text(n)) for n, e in elements.items()),
        )
    )
    assert report.errors == ()
    assert report.inferred.keys() | report.free.keys() == hidden
    for name, found in report.inferred.items():
        assert dict(Vocabulary([]).parse(found).powers) == dict(truth[name].powers)


def test_many_equations_without_any_unit():
    chain = [auxiliary(f"x{i}", v[f"x{i - 1}"] * v[f"p{i}"] + v[f"q{i}"], "") for i in range(1, 400)]
    chain += [parameter("x0", 1.0, "widget")]
    chain += [parameter(f"{n}{i}", 1.0, "1/Month" if n == "p" else "") for n in "pq" for i in range(1, 400)]
    report = unit_report(model(*chain))
    assert report.inferred["x399"] == "widget/Month^399"
    assert len(report.inferred) == 2 * 399
