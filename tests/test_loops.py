"""Links, feedback loops and their polarity."""

from __future__ import annotations

import pytest
import sympy as sp
from jevons.models import world

from jevons import loops
from jevons.elements import Auxiliary, Driver, Element, Flow, InitialUnknown, Parameter, Stock, Table
from jevons.functions import TIME, Names, delay3, lookup, smooth1, smooth_positive, step
from jevons.loops import BALANCING, CHANGES, REINFORCING, UNKNOWN
from jevons.model import Model

v = Names()


def parameter(name: str, value: float, unit: str = "1") -> Parameter:
    return Parameter(name, unit, value=value, doc="Test.", source="test", status="measured")


def stock(name: str, initial: object, log: bool = False) -> Stock:
    return Stock(name, "1", initial=initial, log=log, doc="Test.")


def flow(name: str, equation: object, source: str | None = None, target: str | None = None) -> Flow:
    return Flow(name, "1/yr", equation=equation / v.year, source=source, target=target, doc="Test.")


def aux(name: str, equation: object) -> Auxiliary:
    return Auxiliary(name, "1", equation=equation, doc="Test.")


def model(*elements: Element) -> Model:
    return Model("test", [*elements, parameter("year", 1.0, "yr")])


def predator_prey(log: bool = False) -> Model:
    return model(
        stock("prey", 10.0, log),
        stock("predators", 2.0, log),
        flow("births", v.prey / 2, target="prey"),
        flow("eaten", v.prey * v.predators / 10, source="prey", target="predators"),
        flow("deaths", v.predators / 2, source="predators"),
    )


def sir() -> Model:
    return model(
        stock("susceptible", 990.0),
        stock("infected", 10.0),
        stock("recovered", 0.0),
        flow("infection", v.contacts * v.susceptible * v.prevalence, source="susceptible", target="infected"),
        flow("recovery", v.infected / 5, source="infected", target="recovered"),
        aux("prevalence", v.infected / v.people),
        aux("people", v.susceptible + v.infected + v.recovered),
        parameter("contacts", 0.5),
    )


def table(points: tuple[tuple[float, float], ...], kind: type[Table] = Table) -> Table:
    unit = "1" if kind is Table else "yr"
    return kind("t", "1", x_unit=unit, points=points, outside="clamp", source="test", status="measured", doc="Test.")


def sign_of(m: Model, source: str, target: str, **options: object) -> str:
    frame = loops.links(m, **options).set_index(["source", "target"])
    return str(frame.loc[(source, target), "sign"])


def as_text(m: Model, **options: object) -> list[str]:
    return [repr(loop) for loop in loops.feedback_loops(m, **options)]


@pytest.mark.parametrize("log", [False, True])
def test_predator_prey(log):
    assert as_text(predator_prey(log)) == [
        "R: prey → births → prey",
        "B: prey → eaten → prey",
        "R: predators → eaten → predators",
        "B: predators → deaths → predators",
        # eaten is on both of the ways between prey and predators, so no longer loop passes each name once
    ]


def test_predator_prey_with_separate_flows():
    m = model(
        stock("prey", 10.0),
        stock("predators", 2.0),
        flow("eaten", v.prey * v.predators / 10, source="prey"),
        flow("fed", v.prey * v.predators / 20, target="predators"),
    )
    found = loops.feedback_loops(m)
    assert repr(found[-1]) == "B: prey → fed → predators → eaten → prey"
    assert found[-1].links == (1, 1, 1, -1)
    assert found[-1].polarity == BALANCING


def test_sir():
    found = as_text(sir())
    assert found[:3] == [
        "B: susceptible → infection → susceptible",
        "B: infected → recovery → infected",
        "R: infected → prevalence → infection → infected",
    ]
    assert "R: susceptible → people → prevalence → infection → susceptible" in found
    assert "B: infected → people → prevalence → infection → infected" in found
    assert "B: infected → recovery → recovered → people → prevalence → infection → infected" in found


def test_links_have_source_target_and_sign():
    frame = loops.links(predator_prey())
    assert list(frame.columns) == ["source", "target", "sign"]
    assert set(frame.itertuples(index=False, name=None)) == {
        ("births", "prey", "+"),
        ("eaten", "prey", "-"),
        ("eaten", "predators", "+"),
        ("deaths", "predators", "-"),
        ("prey", "births", "+"),
        ("prey", "eaten", "+"),
        ("predators", "eaten", "+"),
        ("predators", "deaths", "+"),
    }


def test_logistic_growth_changes_sign_along_a_run():
    m = model(stock("x", 0.01), flow("growth", v.x * (1 - v.x), target="x"))
    assert as_text(m) == ["R: x → growth → x"]
    changing = loops.feedback_loops(m, run=m.run(0, 20))
    assert [(loop.polarity, loop.links) for loop in changing] == [(CHANGES, (0, 1))]
    assert repr(changing[0]) == "±: x → growth → x"
    assert as_text(m, run=m.run(0, 1)) == ["R: x → growth → x"]


def test_two_links_that_change_together_make_a_loop_of_one_sign():
    m = model(
        stock("x", -1.0),
        flow("f", v.square * v.x, target="x"),
        flow("g", sp.Integer(3), target="x"),
        aux("square", v.x**2),
    )
    run = m.run(0, 0.6)
    assert sign_of(m, "x", "square", run=run) == sign_of(m, "square", "f", run=run) == CHANGES
    (loop,) = (found for found in loops.feedback_loops(m, run=run) if "square" in found.path)
    assert loop.polarity == REINFORCING and loop.links == (0, 0, 1)


def test_signs_that_follow_from_parameters_tables_and_logarithms():
    m = model(
        stock("x", 1.0, log=True),
        flow("f", v.k * v.x * lookup("t", v.x), target="x"),
        aux("falling", lookup("t", v.x)),
        aux("weighted", v.falling * v.x),
        aux("maximum", sp.Max(v.x, 2) + sp.floor(v.x)),
        aux("positive_part", smooth_positive(v.x - 3, 0.1)),
        aux("on", v.x * step(1, 3 * v.year)),
        aux("off", v.zero * v.x),
        table(((0.0, 3.0), (1.0, 2.0), (2.0, 2.0))),
        parameter("k", -1.0),
        parameter("zero", 0.0),
    )
    assert sign_of(m, "x", "falling") == "-"
    assert sign_of(m, "falling", "weighted") == "+"
    assert sign_of(m, "x", "maximum") == "+"
    assert sign_of(m, "x", "positive_part") == "+"
    assert sign_of(m, "x", "on") == "+"
    assert "off" not in set(loops.links(m)["target"])


def test_tables_and_drivers_at_points():
    m = model(
        stock("x", 1.5),
        flow("f", -v.x, target="x"),
        aux("rising", lookup("up", v.x)),
        aux("peaked", lookup("t", v.x)),
        aux("flat", lookup("t", v.x + 10)),
        aux("driven", v.d * v.x),
        aux("late", sp.Piecewise((v.x, 1 * v.year > TIME), (-v.x, True))),
        table(((0.0, 0.0), (1.0, 2.0), (2.0, -1.0))),
        Table(
            "up",
            "1",
            x_unit="1",
            points=((0, -1), (1, 1)),
            outside="extrapolate",
            source="s",
            status="measured",
            doc="T.",
        ),
        Driver(
            "d",
            "1",
            x_unit="yr",
            points=((0, -1), (3, 1)),
            outside="clamp",
            source="s",
            status="measured",
            doc="T.",
        ),
    )
    run = m.run(0, 3)
    assert sign_of(m, "x", "rising") == "+"
    assert sign_of(m, "x", "peaked") == "-"
    assert sign_of(m, "x", "peaked", run=run) == CHANGES
    assert sign_of(m, "x", "flat") == UNKNOWN
    assert sign_of(m, "x", "driven") == "-"
    assert sign_of(m, "x", "driven", run=run) == CHANGES
    assert sign_of(m, "x", "late") == "+"
    assert sign_of(m, "x", "late", run=run) == CHANGES


def test_unknowns_of_the_start_stand_at_their_guess():
    m = model(
        InitialUnknown("root", "1", equation=sp.sqrt(v.root), guess=2.0, doc="Test."),
        stock("x", v.root * v.a),
        flow("f", v.x * v.y, target="x"),
        stock("y", -v.x),
        aux("a", sp.Integer(3)),
    )
    assert as_text(m) == ["B: x → f → x"]


def test_what_cannot_be_computed_is_unknown():
    m = model(stock("x", -1.0), flow("f", sp.log(v.x), target="x"), flow("g", v.x ** sp.Rational(3, 2), target="x"))
    found = loops.feedback_loops(m)
    assert {loop.polarity for loop in found} == {BALANCING, UNKNOWN}
    assert repr(found[-1]) == "?: x → g → x"


def test_delays_appear_with_their_hidden_stocks():
    m = model(stock("x", 1.0), flow("f", 2 - delay3(v.x, 3 * v.year), target="x"), aux("s", smooth1(v.x, v.year)))
    found = loops.feedback_loops(m)
    longest = found[-1]
    assert len(longest.path) == 9 and longest.polarity == BALANCING
    assert longest.path[:3] == ("x", "f__delay3_1_1_inflow", "f__delay3_1_1")
    assert repr(found[0]).startswith("B: ")


def test_a_flow_from_a_stock_into_itself_is_no_link():
    m = model(stock("x", 1.0), flow("f", v.x, source="x", target="x"))
    assert as_text(m) == []


def test_limits_say_how_many_there_are():
    found = loops.feedback_loops(predator_prey(), limit=3)
    assert len(found) == 3 and found.total == 4 and found.complete
    assert repr(found).endswith("4 loops of up to 12 names, 3 shown")
    assert len(loops.feedback_loops(sir(), max_length=2)) == 2
    assert predator_prey().loops(2) == loops.feedback_loops(predator_prey(), 2)


def test_too_many_loops_are_not_all_counted(monkeypatch):
    n = 9
    everyone = sum(v[f"x{i}"] for i in range(n))
    stocks = [stock(f"x{i}", 1.0, log=True) for i in range(n)]
    m = model(*stocks, *(flow(f"f{i}", everyone, target=f"x{i}") for i in range(n)))
    monkeypatch.setattr(loops, "MOST_CYCLES", 1000)
    found = loops.feedback_loops(m, max_length=18, limit=50)
    assert not found.complete and len(found) == 50 and found.total > 50
    assert [len(loop.path) for loop in found] == sorted(len(loop.path) for loop in found)
    assert all(loop.polarity == REINFORCING for loop in found)
    assert "at least" in repr(found)
    assert found.length < 18


def test_the_world_has_loops_of_both_kinds():
    found = loops.feedback_loops(world.build())
    assert {REINFORCING, BALANCING} <= {loop.polarity for loop in found}
    assert UNKNOWN not in {loop.polarity for loop in found}
