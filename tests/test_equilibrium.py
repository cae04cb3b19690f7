"""Equilibria against analytic ones: values, eigenvalues, periods, conservation, and honesty where there is none."""

import math

import numpy as np
import pytest
import sympy as sp
from small import auxiliary, driver, flow, logistic, parameter, stock, v

import jevons as jv
from jevons import Model
from jevons.diagnostics.equilibrium import equilibria, equilibrium, jacobian
from jevons.diagnostics.modes import Mode, classify, modes_of
from jevons.diagnostics.state_path import conserved_totals
from jevons.errors import JevonsError, ModelError
from jevons.functions import TIME

RATES = {"a": 1.1, "b": 0.4, "c": 0.4, "d": 0.1}


def lotka_volterra():
    prey, pred = v.prey, v.pred
    return Model(
        "lotka volterra",
        [
            stock("prey", 3.0), stock("pred", 2.0),
            flow("births", v.a * prey, target="prey"), flow("eaten", v.b * prey * pred, source="prey"),
            flow("gains", v.d * prey * pred, target="pred"), flow("deaths", v.c * pred, source="pred"),
            *(parameter(n, x, "1/yr") for n, x in RATES.items()),
        ],
    )  # fmt: skip


def sir():
    return Model(
        "sir",
        [
            stock("S", 999.0), stock("I", 1.0), stock("R", 0.0),
            flow("infection", v.beta * v.S * v.I / 1000, source="S", target="I"),
            flow("recovery", v.I / v.T, source="I", target="R"),
            parameter("beta", 0.5, "1/yr"), parameter("T", 4.0, "yr"),
        ],
    )  # fmt: skip


def oscillator(stiffness=4.0, damping=0.5):
    return Model(
        "oscillator",
        [
            stock("x", 1.0), stock("u", 0.0), flow("move", v.u / v.year, target="x"),
            flow("force", -v.k * v.x - v.c * v.u, target="u"), parameter("year", 1.0, "yr"),
            parameter("k", stiffness, "1/yr"), parameter("c", damping, "1/yr"),
        ],
    )  # fmt: skip


def test_logistic_growth_rests_at_its_capacity_and_leaves_zero():
    full = equilibrium(logistic(), end=5)
    assert full.found
    assert full.stable
    assert full.kind == "stable node"
    assert full.values["x"] == pytest.approx(1.0, abs=1e-12)
    assert full.modes[0].time_constant == pytest.approx(1.0)
    empty = equilibrium(logistic(), start={"x": 0.0}, end=5)
    assert empty.values["x"] == 0.0
    assert empty.kind == "unstable node"
    assert empty.modes[0].doubling_time == pytest.approx(math.log(2))
    assert {round(e.values["x"]) for e in equilibria(logistic(), end=5)} >= {1}


def test_predator_and_prey_circle_around_a_centre_with_the_analytic_period():
    near = equilibrium(lotka_volterra(), start={"prey": 3.5, "pred": 2.5}, end=1)
    assert near.kind == "centre"
    assert not near.stable
    assert near.values["prey"] == pytest.approx(RATES["c"] / RATES["d"])
    assert near.values["pred"] == pytest.approx(RATES["a"] / RATES["b"])
    (mode,) = near.modes
    assert mode.period == pytest.approx(2 * math.pi / math.sqrt(RATES["a"] * RATES["c"]))
    assert mode.participation == pytest.approx({"prey": 0.5, "pred": 0.5})
    assert mode.damping_ratio == 0.0
    assert math.isinf(mode.time_constant)


def test_without_animals_predator_and_prey_are_a_saddle():
    none = equilibrium(lotka_volterra(), start={"prey": 0.0, "pred": 0.0}, end=1)
    assert none.kind == "saddle"
    assert [m.eigenvalue for m in none.modes] == pytest.approx([RATES["a"], -RATES["c"]])
    assert [m.carriers()[0] for m in none.modes] == [("prey", pytest.approx(1.0)), ("pred", pytest.approx(1.0))]
    kinds = {e.kind for e in equilibria(lotka_volterra(), end=5)}
    assert kinds == {"centre", "saddle"}


def test_an_epidemic_keeps_its_total_and_ends_on_a_line_of_equilibria():
    found = equilibrium(sir(), end=60)
    assert found.found
    assert found.conserved == ({"R": 1.0, "I": 1.0, "S": 1.0},)
    assert sum(found.values[n] for n in "SIR") == pytest.approx(1000.0, abs=1e-9)
    assert found.values["I"] == pytest.approx(0.0, abs=1e-8)
    assert found.kind == "stable node, with 1 direction in which nothing pulls it back"
    assert not found.stable
    eigenvalue = 0.5 * found.values["S"] / 1000 - 1 / 4
    assert sorted(m.eigenvalue.real for m in found.modes) == pytest.approx([eigenvalue, 0.0])
    assert "conserved: R + I + S = 1000" in found.summary()


def test_conservation_takes_a_zero_away_from_the_modes():
    closed = Model(
        "closed",
        [
            stock("x", 8.0), stock("y", 2.0), flow("there", v.x / v.tau, source="x", target="y"),
            flow("back", v.y / v.sigma, source="y", target="x"), parameter("tau", 2.0, "yr"),
            parameter("sigma", 3.0, "yr"),
        ],
    )  # fmt: skip
    found = equilibrium(closed, start={"x": 10.0, "y": 0.0}, end=1)
    assert (found.values["x"], found.values["y"]) == pytest.approx((4.0, 6.0))
    (mode,) = found.modes
    assert mode.eigenvalue == pytest.approx(-1 / 2 - 1 / 3)
    assert found.stable
    assert mode.participation == pytest.approx({"x": 0.6, "y": 0.4})


@pytest.mark.parametrize("damping", [0.5, -0.5])
def test_a_damped_oscillator(damping):
    found = equilibrium(oscillator(4.0, damping), start={"x": 0.3, "u": 0.2}, end=1)
    (mode,) = found.modes
    assert mode.eigenvalue == pytest.approx(complex(-damping / 2, math.sqrt(4 - damping**2 / 4)))
    assert found.kind == ("stable spiral" if damping > 0 else "unstable spiral")
    assert mode.damping_ratio == pytest.approx(damping / 2 / math.sqrt(4.0))
    assert mode.what == ("damped oscillation" if damping > 0 else "growing oscillation")


def test_two_competitors_meet_in_a_saddle():
    x, y = v.x, v.y
    rivals = Model(
        "rivals",
        [
            stock("x", 0.4), stock("y", 0.6), flow("of x", v.r * x * (1 - x - 2 * y), target="x"),
            flow("of y", v.r * y * (1 - y - 2 * x), target="y"), parameter("r", 1.0, "1/yr"),
        ],
    )  # fmt: skip
    both = equilibrium(rivals, start={"x": 0.33, "y": 0.34}, end=1)
    assert (both.values["x"], both.values["y"]) == pytest.approx((1 / 3, 1 / 3))
    assert both.kind == "saddle"
    assert [m.eigenvalue.real for m in both.modes] == pytest.approx([1 / 3, -1.0])
    kinds = sorted(e.kind for e in equilibria(rivals, end=20, starts=24))
    assert kinds == ["saddle", "stable node", "stable node", "unstable node"]


def test_no_equilibrium_is_said_to_be_none():
    away = Model(
        "away", [stock("x", 3.0), flow("rise", (1 + v.x**2) / v.year, target="x"), parameter("year", 1.0, "yr")]
    )
    found = equilibrium(away, end=0.1)
    assert found.status == "not found"
    assert found.moving == ("x",)
    assert found.values["x"] == pytest.approx(0.0, abs=1e-4)
    assert found.rates["x"] == pytest.approx(1.0)
    assert found.kind == ""
    assert not found.stable
    assert "no equilibrium found" in repr(found)
    assert equilibria(away, end=0.1, starts=4) == []


def test_what_only_counts_and_what_never_changes_need_not_rest():
    model = Model(
        "counting",
        [
            stock("x", 3.0), stock("count", 0.0), stock("fixed", 7.0),
            flow("in", v.fixed / v.tau, target="x"), flow("out", v.x / v.tau, source="x"),
            flow("counted", v.x / v.tau, target="count"), parameter("tau", 2.0, "yr"),
        ],
    )  # fmt: skip
    found = equilibrium(model, end=1)
    assert found.found
    assert (found.accumulating, found.constant) == (("count",), ("fixed",))
    assert found.values["x"] == pytest.approx(7.0)
    assert found.rates["count"] == pytest.approx(3.5)
    assert found.stocks == ("x",)
    assert found.to_frame()["what"].to_dict() == {"x": "at rest", "count": "accumulating", "fixed": "constant"}


def test_stocks_that_are_held_stay_and_time_is_held_at_a_date():
    model = Model(
        "two",
        [
            stock("x", 1.0), stock("y", 5.0), driver("d", [(0.0, 0.0), (10.0, 20.0)]),
            flow("of x", (v.d + v.y - v.x) / v.tau, target="x"), flow("of y", (v.x - v.y) / v.tau, target="y"),
            parameter("tau", 2.0, "yr"),
        ],
    )  # fmt: skip
    found = equilibrium(model, start={"x": 1.0, "y": 5.0}, free=["x"], at=3.0, end=10)
    assert found.values["x"] == pytest.approx(2 * 3.0 + 5.0)
    assert (found.values["y"], found.held, found.time) == (5.0, ("y",), 3.0)
    assert found.rates["y"] != 0.0


def test_a_stock_kept_as_a_logarithm_has_the_same_equilibrium():
    plain = logistic()
    log = Model(
        "log",
        [stock("x", 0.1, log=True), flow("growth", v.x * (1 - v.x) / v.year, target="x"), parameter("year", 1.0, "yr")],
    )
    a, b = equilibrium(plain, end=3), equilibrium(log, end=3)
    assert b.values["x"] == pytest.approx(a.values["x"])
    assert b.modes[0].eigenvalue == pytest.approx(a.modes[0].eigenvalue)
    for x in (0.1, 0.7):
        assert jacobian(log, {"x": x}).to_numpy() == pytest.approx(np.array([[1 - 2 * x]]))


def test_a_delay_has_equal_modes_that_do_not_oscillate():
    model = Model(
        "delayed",
        [
            stock("x", 1.0), flow("in", v.late / v.year, target="x"), flow("out", v.x / v.tau, source="x"),
            auxiliary("late", jv.smooth3(v.level, v.tau)), parameter("level", 2.0), parameter("tau", 3.0, "yr"),
            parameter("year", 1.0, "yr"),
        ],
    )  # fmt: skip
    found = equilibrium(model, end=1)
    assert found.kind == "stable node"
    assert sorted(m.eigenvalue.real for m in found.modes) == pytest.approx([-1.0, -1.0, -1.0, -1 / 3])


@pytest.mark.parametrize("build", [lotka_volterra, sir, oscillator, logistic])
def test_the_jacobian_is_that_of_differences_and_of_symbols(build):
    model = build()
    names = [s.name for s in model.structure.stocks]
    x = {n: 0.3 + 0.2 * i for i, n in enumerate(names)}
    exact = jacobian(model, x).to_numpy()
    derived = jacobian(model, symbolic=True)
    numbers = {v[n]: value for n, value in {**model.values, **x}.items()}
    for name in model.structure.order:
        numbers[v[name]] = model.structure.equation(name).subs(numbers)
    assert np.array(derived.map(lambda e: float(e.subs(numbers))), dtype=float) == pytest.approx(exact)

    def rates(point):
        known = {**numbers, **{v[n]: value for n, value in point.items()}}
        for name in model.structure.order:
            known[v[name]] = model.structure.equation(name).subs({**known, TIME: 0})
        return np.array([float(sp.sympify(model.structure.net_flow(n)).subs(known)) for n in names])

    for j, name in enumerate(names):
        h = 1e-5
        slope = (rates({**x, name: x[name] + h}) - rates({**x, name: x[name] - h})) / (2 * h)
        assert exact[:, j] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_the_jacobian_at_a_date_is_that_of_the_run():
    model = logistic()
    x = 1 / (1 + 9 * math.exp(-2.0))
    assert jacobian(model, 2.0).to_numpy() == pytest.approx(np.array([[1 - 2 * x]]), rel=1e-6)
    assert jacobian(model, 0.0).to_numpy() == pytest.approx(np.array([[0.8]]))
    assert jacobian(model).to_numpy() == pytest.approx(np.array([[0.8]]))


def test_a_search_begins_at_the_last_date_of_a_run():
    run = lotka_volterra().run(0, 0.5, every=0.25)
    assert equilibrium(lotka_volterra(), start=run, end=1).kind == "centre"


def test_tables_of_an_equilibrium():
    found = equilibrium(oscillator(), start={"x": 0.3, "u": 0.2}, end=1)
    assert found.jacobian.loc["u", "x"] == -4.0
    assert list(found.modes_frame()["what"]) == ["damped oscillation"]
    assert found.participation().sum().tolist() == pytest.approx([1.0])
    assert found._repr_html_().startswith("<pre>oscillator: stable spiral")


def test_modes_that_conservation_and_rounding_leave():
    assert modes_of(np.empty((0, 0)), ()) == ()
    assert classify(()) == "at rest, with nothing that moves"
    neutral = Mode(0j, True, {"x": 1.0})
    assert classify([neutral]) == "neutral: 1 direction in which nothing pulls it back"
    assert classify([Mode(1j, True, {}), Mode(-1 + 0j, False, {})]) == "centre with modes that decay"
    matrix = np.array([[-1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, -3.0]])
    modes = modes_of(matrix, ("a", "b", "c"), [np.array([1.0, 1.0, 0.0])])
    assert [m.eigenvalue for m in modes] == pytest.approx([-2.0, -3.0])


def test_conserved_totals_with_weights():
    chain = Model(
        "chain",
        [
            stock("a", 1.0), stock("b", 1.0), stock("c", 1.0), stock("open", 1.0),
            flow("ab", v.a / v.t, source="a", target="b"), flow("bc", v.b / v.t, source="b", target="c"),
            flow("leak", v.open / v.t, source="open"), parameter("t", 1.0, "yr"),
        ],
    )  # fmt: skip
    assert [{n: int(w) for n, w in t.items()} for t in conserved_totals(chain, chain.stocks)] == [
        {"a": 1, "b": 1, "c": 1}
    ]


def test_messages():
    with pytest.raises(ModelError, match="stock 'pray' is not in the model; did you mean 'prey'"):
        equilibrium(lotka_volterra(), start={"pray": 1.0}, end=1)
    with pytest.raises(ModelError, match="stock 'pray'"):
        equilibrium(lotka_volterra(), free=["pray"], end=1)
    with pytest.raises(ModelError, match="parameter 'e' is not"):
        equilibrium(lotka_volterra(), params={"e": 1.0}, end=1)
    with pytest.raises(JevonsError, match="expected a finite date"):
        equilibrium(lotka_volterra(), at=math.nan, end=1)
    with pytest.raises(JevonsError, match="has no stocks"):
        equilibrium(Model("none", [parameter("a", 1.0)]), end=1)
