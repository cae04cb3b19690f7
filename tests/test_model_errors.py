"""Every mistake a model can make is found when it is built, and named."""

from __future__ import annotations

import pickle

import pytest
import sympy as sp
from small import accumulate, auxiliary, driver, flow, parameter, stock, table, v

from jevons import InitialUnknown, LogNormal, Model, Normal, Range, Roles, Sector
from jevons.errors import JevonsError, ModelError, UnitError, nearest
from jevons.functions import TIME, lookup, smooth1, step
from jevons.integrate import compile_model


def unknown(name, equation, guess=1.0):
    return InitialUnknown(name, "1", equation=equation, guess=guess, doc="Test.")


def roles(**changes):
    given = {
        "energy": "inflow",
        "cumulative_energy": "x",
        "efficiencies": {"kind": "eff"},
        "services": {"s": "eff"},
    }
    return Roles(**{**given, **changes})


def with_roles(**changes):
    return [auxiliary("s", 1), parameter("eff", 1.0)], roles(**changes)


BASE = [stock("x", 1), flow("inflow", v.x / v.tau, target="x"), parameter("tau", 2.0, "yr")]

MISTAKES = {
    "misspelt name": (
        [auxiliary("a", v.tua * v.x / v.tau)],
        "'a': equation uses 'tua', which is not defined; did you mean 'tau'?",
    ),
    "unknown name": ([auxiliary("a", v.zzzzzz)], "'a': equation uses 'zzzzzz', which is not defined"),
    "misspelt in initial": ([stock("b", v.y_0)], "'b': initial value uses 'y_0', which is not defined"),
    "duplicate": ([auxiliary("x", 1)], "'x': defined 2 times, expected once"),
    "empty name": ([auxiliary(" ", 1)], "an element of kind Auxiliary: found name ' ', expected text"),
    "name that is no text": ([stock(5, v.missing)], "an element of kind Stock: found name 5, expected text"),
    "reserved name": ([auxiliary("time", 1)], "'time': reserved for the model's time"),
    "no documentation": ([auxiliary("a", 1, doc=" ")], "'a': documentation is missing"),
    "unknown unit": ([auxiliary("a", 1, "kWq")], "'a': unit 'kWq' is not known"),
    "unknown unit of argument": (
        [table("c", ((0, 0), (1, 1)), x_unit="kWq")],
        "'c': unit 'kWq' is not known",
    ),
    "no source": ([parameter("a", 1.0, source="")], "'a': source is missing"),
    "bad status": (
        [parameter("a", 1.0, status="mesured")],
        "'a': status 'mesured', expected one of measured, literature, fitted, assumed, imported; "
        "did you mean 'measured'?",
    ),
    "value is not finite": ([parameter("a", float("nan"))], "'a': value nan, expected a finite number"),
    "value is no number": ([parameter("a", True)], "'a': value True, expected a finite number"),
    "no prior": (
        [parameter("a", 1.0, status="assumed")],
        "'a': status assumed without a prior or plausible range, expected for example prior=Range(low, high)",
    ),
    "prior LogNormal": (
        [parameter("a", 1.0, prior=LogNormal(-1, 1))],
        "'a': prior LogNormal(median -1, sd of ln 1), expected positive median and sd",
    ),
    "prior Normal": ([parameter("a", 1.0, prior=Normal(1, 0))], "'a': prior Normal(1, 0), expected a positive sd"),
    "prior Range": ([parameter("a", 1.0, prior=Range(2, 1))], "'a': range 2 to 1, expected low ≤ high"),
    "table outside": (
        [table("c", ((0, 0), (1, 1)), outside="wrap")],
        "'c': outside 'wrap', expected 'clamp' or 'extrapolate'",
    ),
    "table with one point": ([table("c", ((0, 0),))], "'c': expected at least two points of finite numbers"),
    "table with nan": (
        [table("c", ((0, 0), (1, float("nan"))))],
        "'c': expected at least two points of finite numbers",
    ),
    "table that falls back": (
        [table("c", ((0, 0), (1, 1), (1, 2)))],
        "'c': the points' arguments must rise strictly",
    ),
    "table without argument": (
        [auxiliary("a", 2 * v.c), table("c", ((0, 0), (1, 1)))],
        "'a': table 'c' needs an argument: lookup('c', x)",
    ),
    "lookup in a parameter": (
        [auxiliary("a", lookup("tau", v.x))],
        "'a': looks up in 'tau', which is a Parameter, expected a Table",
    ),
    "lookup in a misspelt table": (
        [auxiliary("a", lookup("curv", v.x)), table("curve", ((0, 0), (1, 1)))],
        "'a': equation uses 'curv', which is not defined; did you mean 'curve'?",
    ),
    "text for an equation": (
        [auxiliary("a", "__import__('os').abort()")],
        "'a': equation is str, expected an expression",
    ),
    "truth for an equation": ([auxiliary("a", sp.true)], "'a': equation is BooleanTrue, expected an expression"),
    "infinite equation": ([auxiliary("a", sp.oo * v.x)], "is not finite"),
    "foreign symbol": (
        [auxiliary("a", sp.Symbol("x"))],
        "'a': equation uses a foreign symbol 'x', take it from Names()",
    ),
    "smooth at the start": (
        [stock("b", smooth1(v.x, v.tau))],
        "'b': initial value `smooth1(x, tau, x)` needs a past, which a start does not have",
    ),
    "flow without ends": (
        [flow("f", v.x / v.tau)],
        "'f': neither leaves nor enters a stock; make it an auxiliary",
    ),
    "flow into an auxiliary": (
        [flow("f", v.x / v.tau, target="a"), auxiliary("a", 1)],
        "'f': target 'a' is Auxiliary, expected a stock",
    ),
    "flow out of nothing": (
        [flow("f", v.x / v.tau, source="xx")],
        "'f': source 'xx' is not defined, expected a stock; did you mean 'x'?",
    ),
    "unknown in an equation": (
        [unknown("u", sp.sqrt(v.u)), auxiliary("a", v.u)],
        "'a': equation uses 'u', which exists only at the start of a run",
    ),
    "guess": ([unknown("u", sp.sqrt(v.u), -1.0)], "'u': guess -1.0, expected a positive number"),
}


def build(elements, roles=None, **options):
    with pytest.raises(ModelError) as caught:
        Model("m", [*BASE, *elements], roles=roles, **options)
    return caught.value


@pytest.mark.parametrize(("elements", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_named(elements, message):
    error = build(elements)
    assert type(error) is ModelError
    assert any(message in m for m in error.mistakes), error.mistakes
    assert str(error).startswith(f"model 'm': {len(error.mistakes)} mistake")


UNIT_MISTAKES = {
    "equation": ([auxiliary("a", v.tau)], "'a': equation `tau`: found yr, expected 1"),
    "inside": ([auxiliary("a", v.tau + v.x)], "'a': equation: terms of a sum differ: `tau` is yr, `x` is 1"),
    "initial value": ([stock("b", v.tau)], "'b': initial value `tau`: found yr, expected 1"),
    "number in a sum": (
        [stock("b", v.tau + 3, "yr")],
        "'b': initial value: terms of a sum differ: `tau` is yr, `3` is 1",
    ),
    "fixed point": ([unknown("u", v.tau * v.u)], "'u': fixed-point equation `tau*u`: found yr, expected 1"),
    "flow": (
        [flow("f", v.x, "1", target="x")],
        "'f': flow of stock 'x': found 1, expected 1 / yr",
    ),
    "scale": (
        [parameter("p", 1.0, "kW"), auxiliary("a", v.p, "GW")],
        "'a': equation `p`: found kW, expected GW (same dimension, 1e-06 times too large)",
    ),
    "driver over tau": (
        [driver("d", ((0, 0), (1, 1)), x_unit="hour")],
        "'d': driver over 'hour', expected 'yr'",
    ),
}


@pytest.mark.parametrize(("elements", "message"), UNIT_MISTAKES.values(), ids=UNIT_MISTAKES)
def test_unit_mistake_is_named(elements, message):
    error = build(elements)
    assert type(error) is UnitError
    assert error.mistakes == (message,)


def test_time_unit_that_is_none():
    assert "time: unit 'yrs_' is not known" in str(build([], time_unit="yrs_"))


ROLE_MISTAKES = {
    "misspelt": ({"energy": "inflw"}, "role energy: 'inflw' is not defined; did you mean 'inflow'?"),
    "efficiency": ({"efficiencies": {"k": "x"}}, "role efficiency 'k': 'x' is a Stock, expected a Parameter"),
    "price performance": (
        {"price_performance": {"k": "x"}},
        "role efficiency 'k': 'x' is a Stock, expected a Parameter",
    ),
    "service": ({"services": {"inflow": None}}, "role service: 'inflow' is a Flow, expected an Auxiliary"),
    "efficiency of a service": (
        {"services": {"s": "x"}},
        "role efficiency of service 's': 'x' is a Stock, expected a Parameter",
    ),
    "cumulative": ({"cumulative_energy": "s"}, "role cumulative_energy: 's' is a Auxiliary, expected a Stock"),
}


@pytest.mark.parametrize(("changes", "message"), ROLE_MISTAKES.values(), ids=ROLE_MISTAKES)
def test_role_mistake_is_named(changes, message):
    elements, given = with_roles(**changes)
    assert build(elements, given).mistakes == (message,)


def test_roles_that_fit():
    elements, given = with_roles()
    assert Model("m", [*BASE, *elements], roles=given).roles == given


def test_algebraic_loop_with_its_path():
    loop = [auxiliary("a", v.b), auxiliary("b", 2 * v.c), auxiliary("c", v.a + v.x), auxiliary("d", v.a)]
    (mistake,) = build(loop).mistakes
    assert mistake.startswith("algebraic loop: ")
    path = mistake.removeprefix("algebraic loop: ").split(" (")[0].split(" → ")
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}
    assert path in [["a", "b", "c", "a"], ["b", "c", "a", "b"], ["c", "a", "b", "c"]]


def test_algebraic_loop_of_one_and_of_initial_values():
    assert "a → a" in str(build([auxiliary("a", v.a + 1)]))
    assert "b → c → b" in str(build([stock("b", v.c), stock("c", v.b)]))


def test_delay_breaks_a_loop():
    Model("m", [*BASE, auxiliary("a", v.b), auxiliary("b", smooth1(v.a, v.tau, 1))])


@pytest.mark.parametrize(
    "equation",
    [step(1, v.when), sp.Piecewise((1, sp.Lt(TIME, v.when)), (2, True)), smooth1(step(1, v.when), v.tau)],
    ids=str,
)
def test_date_that_depends_on_a_stock(equation):
    (mistake,) = build([stock("when", v.tau, "yr"), auxiliary("a", equation)]).mistakes
    assert mistake == "'a': date `when` may use parameters only, found ['when']"


def test_date_of_an_initial_value_that_depends_on_a_stock():
    (mistake,) = build([stock("when", v.tau, "yr"), stock("b", step(1, v.when))]).mistakes
    assert mistake == "'b': date `when` may use parameters only, found ['when']"


def test_all_mistakes_come_in_one_message():
    error = build(
        [
            auxiliary("a", v.tua, doc=""),
            parameter("p", 1.0, "kW", source="", status="guess"),
            auxiliary("g", v.p, "GW"),
            flow("f", v.x / v.tau),
        ]
    )
    assert len(error.mistakes) == 6
    text = str(error)
    for part in (
        "'tua'",
        "'a': documentation",
        "source is missing",
        "status 'guess'",
        "expected GW",
        "'f': neither",
    ):
        assert text.count(part) == 1
    assert text.count("\n  - ") == 6


def test_function_without_code():
    model = accumulate(sp.gamma(v.x) / v.year, auxiliary("b", sp.Mod(v.x, 2)))
    with pytest.raises(ModelError) as caught:
        compile_model(model)
    assert sorted(caught.value.mistakes) == [
        "'b': function Mod cannot be used in an equation",
        "'inflow': function gamma cannot be used in an equation",
    ]


def test_errors_pickle():
    error = build([auxiliary("a", v.tau)])
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is UnitError
    assert (str(again), again.mistakes) == (str(error), error.mistakes)


def test_names_a_model_lacks():
    model = Model("m", BASE)
    with pytest.raises(ModelError, match=r"parameter 'tua' is not in the model; did you mean 'tau'\?"):
        model.run(0, 1, params={"tua": 1.0})
    with pytest.raises(ModelError, match="parameter 'x' is not in the model"):
        model.with_values({"x": 1.0})
    with pytest.raises(ModelError, match="name 'inflo' is not in the model; did you mean 'inflow'"):
        model["inflo"]
    with pytest.raises(ModelError, match="expected a finite number"):
        model.with_values({"tau": float("inf")})


def test_nearest():
    assert nearest("Efficiency", ["efficiency"]) == "; did you mean 'efficiency'?"
    assert nearest("TAU", ["tau"]) == "; did you mean 'tau'?"
    assert nearest("tau", []) == ""
    assert nearest("qqq", ["tau"]) == ""


def test_models_never_change_and_give_new_ones():
    model = Model("m", BASE)
    other = model.with_values({"tau": 3.0})
    assert (model.values, other.values) == ({"tau": 2.0}, {"tau": 3.0})
    assert model.hash != other.hash
    assert model.hash == other.with_values({"tau": 2.0}).hash
    with pytest.raises(TypeError):
        model.elements["tau"] = None
    extended = model.with_elements([auxiliary("a", v.x)]).with_elements([auxiliary("b", v.a)])
    assert list(extended.elements) == ["x", "inflow", "tau", "a", "b"]


@pytest.mark.parametrize(
    "parts",
    [
        (BASE[:1], BASE[1:]),
        (Sector("s", BASE[:1]), Sector("s", BASE[1:])),
        (Sector("s", BASE[:1]) + Sector("s", BASE[1:]),),
        (Sector("s", BASE[:1]) + Sector("t", BASE[1:]),),
    ],
    ids=["two lists", "same name", "same name added", "added"],
)
def test_parts_of_a_model_survive_new_values_and_pickling(parts):
    model = Model("m", *parts)
    for other in (model.with_values({"tau": 2.0}), pickle.loads(pickle.dumps(model))):
        assert list(other.elements) == list(model.elements)
        assert other.sectors == model.sectors
        assert other.hash == model.hash
        assert other.run(0, 1) == model.run(0, 1)


def test_everything_raised_on_purpose_has_one_root():
    assert issubclass(ModelError, JevonsError)
    assert issubclass(UnitError, ModelError)


def test_a_number_alone_is_an_initial_value_in_the_stocks_unit():
    model = Model("m", [stock("b", 3, "yr")])
    assert model.run(0, 1)["b"].iloc[0] == 3


def test_a_value_that_is_text_and_an_unknown_unit_name_are_named():
    model = Model("m", [stock("b", v.tau, "yr"), parameter("tau", 1.0, unit="yr")])
    with pytest.raises(ModelError, match="'tau': value '3', expected a number"):
        model.with_values({"tau": "3"})
    with pytest.raises(ModelError, match="did you mean 'tau'"):
        model.unit("taw")
