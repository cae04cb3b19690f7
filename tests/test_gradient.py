"""Exact derivatives: against complex steps of the same discrete solution, and against differences of the fit."""

from __future__ import annotations

import math

import complex_step
import numpy as np
import pytest
import sympy as sp
from small import accumulate, auxiliary, decay, driver, flow, parameter, stock, table, v
from test_engine import RICH

import jevons as jv
from jevons import JevonsError, Model, Simulation, Status
from jevons.functions import TIME, lookup, pulse, ramp, smooth_max, step

IN_EQUILIBRIUM = ("m0", "two_inputs", "training_budget", "tied_training", "adoption_market")
"""Models that start in an equilibrium, where a comparison would be with zero."""
MODELS = {"rich": RICH, **{name: jv.load(name, None) for name in jv.list_models() if name != "laboratory_us"}}


def kinked():
    """Everything with a kink, a knot or a date, the dates being parameters; away from the kinks themselves."""
    given = [
        stock("a", v.a0),
        stock("b", 2.0, log=True),
        flow("in_a", (step(v.height, v.early) + pulse(1.5, v.early + v.gap, v.gap)) / v.year, target="a"),
        flow("in_b", v.b * (lookup("curve", v.a) - ramp(v.slope, v.early, v.late)) / v.year, target="b"),
        auxiliary("clipped", sp.Max(v.a, v.b, 0.3) - sp.Min(v.a, 2 * v.height) + sp.Abs(v.b - 9)),
        auxiliary("smooth", smooth_max(v.a, v.b, v.height) + sp.tanh(v.a) + sp.sign(v.b - 9)),
        auxiliary("pieces", sp.Piecewise((v.a**v.height, v.a < 1.2), (v.a + v.b, True))),
        auxiliary("after", sp.Piecewise((v.height, v.late > TIME), (v.height**2, True)) + v.outside),
        auxiliary("stairs", sp.floor(v.a * 3) + sp.log(v.b) / sp.sqrt(v.a + 1) ** 3 + v.b**-2),
        table("curve", ((0, 0.0), (0.7, 0.3), (2, 0.4), (8, 0.1)), outside="extrapolate"),
        driver("outside", ((0, 1.0), (1.7, 2.0), (3.1, 0.5))),
        parameter("a0", 0.4),
        parameter("height", 0.8),
        parameter("slope", 0.1, "1/yr"),
        parameter("early", 0.9, "yr"),
        parameter("gap", 0.35, "yr"),
        parameter("late", 2.6, "yr"),
        parameter("year", 1.0, "yr"),
    ]
    return Model("kinked", given)


MODELS["kinked"] = kinked()
NAMES = [pytest.param(n, marks=pytest.mark.slow) if n.startswith(("world_", "laboratory")) else n for n in MODELS]


def case(name):
    model = MODELS[name]
    times = model.start + np.array([0.0, 0.5, 1.3, 2.0, 4.2, 6.0])
    dt = 0.25 if name in ("world", "laboratory", "m0") else 0.1
    system = Simulation(model, times, []).system
    off_kinks = {name: value * (1.01 if i % 2 else 0.99) for i, (name, value) in enumerate(_values(model).items())}
    simulation = Simulation(model, times, system.outputs, dt=dt, params=off_kinks if name in IN_EQUILIBRIUM else None)
    return simulation, [*system.parameters, *system.stocks]


def _values(model):
    return {name: p.value for name, p in model.parameters.items()}


def disagreement(found, reference, values, p):
    """Largest error of the derivatives by each parameter: times the parameter, relative to the output's size."""
    scale = np.abs(p)
    size = np.abs(values).max(axis=0)[None, :, None] + np.abs(reference * scale).max(axis=0)[None]
    return np.abs((found - reference) * scale / np.where(size > 0, size, 1.0)).max(axis=(0, 1))


def scales(simulation, names):
    system = simulation.system
    starts = simulation.run_members(simulation.base[None, :1], system.parameters[:1]).values[0, 0, : len(system.stocks)]
    values = dict(zip((*system.parameters, *system.stocks), [*simulation.base, *starts], strict=True))
    return np.array([values[n] if values[n] else 1.0 for n in names])


@pytest.mark.parametrize("name", NAMES)
def test_all_outputs_by_all_parameters_and_initial_values(name):
    simulation, names = case(name)
    member, found = simulation.gradient({}, names)
    assert member.status.ok
    reference = complex_step.jacobian(simulation.system, simulation.base, names, simulation.times, simulation._steps[1])
    p = scales(simulation, names)
    assert disagreement(found, reference, member.values, p).max() < 1e-8
    # The comparison sees every derivative that is not negligible when it is off by one per cent.
    felt = np.abs(reference * p / (np.abs(member.values).max(axis=0)[None, :, None] + 1e-300)).max(axis=(0, 1)) > 1e-4
    assert felt.sum() > 0.3 * len(names)
    wrong = disagreement(found * 1.01, reference, member.values, p)
    assert (wrong[felt] > 1e-8).all()


@pytest.mark.parametrize("name", ["rich", "kinked", "m0"])
def test_a_mistake_of_one_per_cent_in_the_generated_tangents_is_seen(name):
    simulation, names = case(name)
    source = simulation._tangent_source()
    lines = source.split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("def rhs_tangent"))
    places = [i for i, line in enumerate(lines) if i > first and line.strip().startswith("dxd[") and "0.0" not in line]
    reference = complex_step.jacobian(simulation.system, simulation.base, names, simulation.times, simulation._steps[1])
    place = places[len(places) // 2]
    target, expression = lines[place].split(" = ")
    simulation._tangents = "\n".join([*lines[:place], f"{target} = 1.01*({expression})", *lines[place + 1 :]])
    member, found = simulation.gradient({}, names)
    assert disagreement(found, reference, member.values, scales(simulation, names)).max() > 1e-6


def test_values_of_a_gradient_are_those_of_a_run():
    for name in (n for n in MODELS if not n.startswith("world_")):
        simulation, names = case(name)
        with_gradient = simulation.gradient({}, names[:3])[0].values
        plain = simulation.run_vector(simulation.base).values
        assert np.abs(with_gradient - plain).max() <= 1e-11 * np.abs(plain).max(axis=0).max()


def test_known_derivatives():
    simulation = Simulation(decay(2.0, 3.0), [0.0, 1.0, 5.0], ["x", "outflow"], dt=1 / 64)
    member, found = simulation.gradient({"tau": 2.0}, ["tau", "x"])
    t = simulation.times
    x = 3 * np.exp(-t / 2)
    assert member.values[:, 0] == pytest.approx(x, rel=1e-9)
    assert found[:, 0, 0] == pytest.approx(x * t / 4, rel=1e-7, abs=1e-12)
    assert found[:, 0, 1] == pytest.approx(x / 3, rel=1e-8)
    assert found[:, 1, 0] == pytest.approx(x * t / 8 - x / 4, rel=1e-7)


@pytest.mark.parametrize("report", [[1.0, 2.0, 4.0], [1.0, 1.999, 4.0]])
def test_a_date_moves_what_comes_after_it(report):
    """x rises with slope 1 from tau on: dx/dtau = -1 after tau, 0 before, also where a report falls on the date."""
    simulation = Simulation(accumulate(step(1, v.tau) / v.year), report, ["x"])
    _, found = simulation.gradient({}, ["tau"])
    assert found[:, 0, 0].tolist() == pytest.approx([0.0, 0.0, -1.0], abs=1e-13)


def test_a_date_outside_the_run_has_no_effect():
    simulation = Simulation(accumulate(step(1, v.tau) / v.year), [1.0, 4.0], ["x"], params={"tau": 9.0})
    assert not simulation.gradient({}, ["tau"])[1].any()


def test_derivative_through_initial_unknowns():
    from jevons import InitialUnknown

    given = [
        stock("x", v.u),
        parameter("target", 3.0),
        InitialUnknown("u", "1", equation=sp.sqrt(v.u * v.target), guess=1.0, doc="Test."),
    ]
    simulation = Simulation(Model("m", given), [0.0, 1.0], ["x"])
    member, found = simulation.gradient({"target": 5.0}, ["target"])
    assert member.values[:, 0] == pytest.approx(5.0, rel=1e-13)
    assert found[:, 0, 0] == pytest.approx(1.0, rel=1e-12)


def test_more_directions_than_a_block_has_lanes():
    simulation, names = case("rich")
    together = simulation.gradient({}, names)[1]
    alone = [simulation.gradient({}, [name])[1][:, :, 0] for name in names]
    assert np.array_equal(together, np.stack(alone, axis=2))
    assert simulation.gradient({}, [])[1].shape == (6, len(simulation.outputs), 0)


def test_failures_are_named():
    simulation = Simulation(decay(), [1.0, 400.0], ["x"], dt=0.5)
    member, found = simulation.gradient({"tau": 1e-3}, ["tau"])
    assert member.status.kind is Status.DIVERGED and member.status.element == "x"
    assert np.isnan(member.values[1]).all() and np.isnan(found[1]).all()
    member, _ = simulation.gradient({"tau": math.nan}, ["tau"])
    assert (member.status.kind, member.status.element) == (Status.NON_FINITE_INPUT, "tau")
    with pytest.raises(JevonsError, match="'tao' is neither a parameter nor a stock; did you mean 'tau'"):
        simulation.gradient({}, ["tao"])
    with pytest.raises(JevonsError, match="gradients need a method of fixed steps, Euler, RK2, RK4"):
        Simulation(decay(), [1.0], ["x"], method="DOPRI5").gradient({}, ["tau"])


def test_the_residuals_of_the_world_have_their_exact_derivative(world, history):
    from jevons.inference.config import read_config

    config = read_config("world")
    exact = config.calibration(world, history, "main")
    differences = config.calibration(world, history, "main", derivatives="differences")
    u = np.random.default_rng(3).standard_normal(len(exact.free)) * 0.1
    a, b = exact.jacobian(u), differences.jacobian(u)
    assert np.abs(a - b).max() < 2e-4 * np.abs(b).max()
    assert np.abs(1.01 * a - b)[: len(exact.rows)].max() > 2e-3 * np.abs(b).max()
    assert (exact.gradients, exact.evaluations) == (1, 0)
