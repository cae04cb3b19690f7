"""Machine code over lanes: the numbers of plain Python, members that do not disturb each other, status, cache."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from small import accumulate, auxiliary, decay, flow, logistic, parameter, stock, v
from test_engine import RICH

import jevons as jv
from jevons import JevonsError, Model, Simulation, Status, compiled
from jevons.functions import TIME, pulse, step
from jevons.lanes import MEMBERS, over_lanes

MODELS = {"rich": RICH, **{name: jv.load(name) for name in jv.list_models() if name != "laboratory_us"}}
NAMES = [pytest.param(n, marks=pytest.mark.slow) if n.startswith(("world_", "laboratory")) else n for n in MODELS]
LANES = compiled.LANES


def everything(name, **options):
    model = MODELS[name]
    system = Simulation(model, [model.start], []).system
    return Simulation(model, model.start + np.array([0.0, 0.4, 1.0, 2.5, 6.0]), system.outputs, **options)


def spread(simulation, members, seed=0):
    """Rows of all parameters within two per cent of their values."""
    rng = np.random.default_rng(seed)
    return simulation.base * np.exp(0.02 * rng.standard_normal((members, simulation.base.size)))


@pytest.mark.parametrize("method", ["RK4", "Euler"])
@pytest.mark.parametrize("name", NAMES)
def test_lanes_have_the_numbers_of_plain_python(name, method):
    simulation = everything(name, method=method, dt=1 / 8)
    rows = spread(simulation, 3)
    members = simulation.run_members(rows, simulation.parameters)
    assert not members.failed.size
    for row, values in zip(rows, members.values, strict=True):
        plain = simulation.run(dict(zip(simulation.parameters, row, strict=True))).values
        # small differences of large numbers lose a digit more in the laboratory
        tolerance = 1e-9 if name == "laboratory" else 1e-10
        assert (np.abs(values - plain).max(axis=0) <= tolerance * np.abs(plain).max(axis=0)).all()


@pytest.mark.parametrize("name", NAMES)
def test_steps_of_their_own_agree_with_an_independent_adaptive_method(name):
    simulation = everything(name, method="DOPRI5", rtol=1e-10, atol=1e-12)
    rows = spread(simulation, 2, seed=1)
    members = simulation.run_members(rows, simulation.parameters)
    assert not members.failed.size
    for row, values in zip(rows, members.values, strict=True):
        params = dict(zip(simulation.parameters, row, strict=True))
        run = MODELS[name].with_values(params).run(end=simulation.times[-1], method="DOP853", every=0.1, rtol=1e-11)
        for j, output in enumerate(simulation.outputs):
            if output in run.names:
                reference = np.array([run.at(output, t) for t in simulation.times])
                assert np.abs(values[:, j] - reference).max() <= 2e-7 * np.abs(reference).max() + 1e-9


@pytest.mark.parametrize("method", ["RK4", "DOPRI5"])
@pytest.mark.parametrize("members", [0, 1, LANES - 1, LANES, LANES + 1, 3 * LANES + 5])
def test_any_number_of_members(members, method):
    simulation = everything("rich", method=method)
    rows = spread(simulation, 3 * LANES + 5)
    many = simulation.run_members(rows, simulation.parameters)
    some = simulation.run_members(rows[:members], simulation.parameters)
    assert len(some) == members and some.values.shape == (members, 5, len(simulation.outputs))
    assert np.array_equal(some.values, many.values[:members])


def test_threads_change_nothing():
    simulation = everything("rich")
    rows = spread(simulation, 900)
    one, three = (simulation.run_members(rows, simulation.parameters, threads=n) for n in (1, 3))
    assert np.array_equal(one.values, three.values) and np.array_equal(one.reached, three.reached)


@pytest.mark.parametrize("method", ["RK4", "Euler", "DOPRI5"])
@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 19), min_size=1, max_size=19))
def test_a_member_that_diverges_disturbs_no_neighbour(method, explosive):
    growth = flow("growth", v.x**2 / v.tau, target="x")  # x = 1/(1 - t/tau): infinite at tau
    model = Model("explosive", [stock("other", 1.0), stock("x", 1.0), growth, parameter("tau", 50.0, "yr")])
    simulation = Simulation(model, [0.5, 1.0, 2.0, 3.0, 4.0], ["x", "growth"], method=method)
    rows = np.linspace(20.0, 60.0, 20)[:, None]
    calm = simulation.run_members(rows, ["tau"])
    rows[list(explosive)] = 1.5
    mixed = simulation.run_members(rows, ["tau"])
    assert set(mixed.failed.tolist()) == explosive
    for i in range(20):
        if i in explosive:
            status = mixed.status(i)
            assert status.kind in (Status.DIVERGED, Status.STEP_BUDGET)
            assert 1.0 < status.time <= 4.0
            if status.kind is Status.DIVERGED:
                assert status.element == "x"
            assert np.isfinite(mixed.values[i, :2]).all()
            late = simulation.times > status.time + 1e-9
            assert np.isnan(mixed.values[i, late]).all() and late.any() | (status.time == 4.0)
        else:
            assert np.array_equal(mixed.values[i], calm.values[i])
            assert mixed.status(i).ok


def test_bad_members_are_named():
    simulation = everything("rich")
    rows = np.array([[2.0], [math.nan], [math.inf], [2.5]])
    members = simulation.run_members(rows, ["tau"])
    assert members.codes.tolist() == [0, 3, 3, 0]
    assert str(members.status(1)).startswith("non-finite input at 0 in 'tau'")
    assert np.isnan(members.values[1:3]).all() and np.isfinite(members.values[[0, 3]]).all()
    model = Model("m", [stock("x", v.zero, log=True), parameter("zero", 1.0)])
    members = Simulation(model, [1.0], ["x"]).run_members(np.array([[1.0], [0.0], [-1.0]]), ["zero"])
    assert [members.status(i).element for i in range(3)] == [None, "x", "x"]


def test_an_output_that_is_no_number_stops_its_member_there():
    model = accumulate(1 / v.year, auxiliary("y", sp.sqrt(v.limit - v.x)), parameter("limit", 10.0))
    members = Simulation(model, [1.0, 2.0, 3.0, 4.0], ["x", "y"]).run_members(np.array([[10.0], [2.5]]), ["limit"])
    status = members.status(1)
    assert (status.kind, status.time, status.element) == (Status.DIVERGED, 3.0, "y")
    assert np.isfinite(members.values[1, :2]).all() and np.isnan(members.values[1, 2:]).all()


@pytest.mark.parametrize("method", ["RK4", "Euler", "DOPRI5"])
def test_every_member_has_its_own_break_points(method):
    """x rises with slope 1 from tau to tau + year: exact for every method that restarts at both dates."""
    simulation = Simulation(accumulate(pulse(1, v.tau, v.year) / v.year), [1.0, 2.0, 3.3, 5.0], ["x"], method=method)
    tau = np.array([-3.0, 0.0, 0.013, 0.5, 1.0, 1.7, 2.0, 2.31, 3.3, 4.5, 5.0, 9.0])
    values = simulation.run_members(tau[:, None], ["tau"]).values[:, :, 0]
    begin, end = np.clip(tau, 0, None)[:, None], np.clip(tau + 1, 0, None)[:, None]
    exact = np.clip(simulation.times, begin, end) - begin
    assert np.abs(values - exact).max() < 1e-12


def test_outputs_at_a_break_are_those_just_after_it():
    model = accumulate(step(1, v.tau) / v.year, auxiliary("y", step(1, v.tau)))
    for method in ("RK4", "DOPRI5"):
        values = Simulation(model, [1.9, 2.0, 2.1], ["y"], method=method).run_members(np.array([[2.0]]), ["tau"]).values
        assert values[0, :, 0].tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("method, order", [("Euler", 1), ("RK4", 4)])
def test_order_of_convergence(method, order):
    exact = 1 / (1 + 9 * math.exp(-5.0))
    errors = []
    for dt in (0.25, 0.125):
        simulation = Simulation(logistic(), [5.0], ["x"], method=method, dt=dt)
        errors.append(abs(simulation.run_members(np.array([[1.0]]), ["year"]).values[0, 0, 0] - exact))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_error_of_each_member_follows_the_tolerance():
    times = np.linspace(0.37, 5.0, 9)
    tau = np.array([[0.05], [0.5], [5.0]])
    exact = np.exp(-times[None, :] / tau)
    last = np.inf
    for rtol in (1e-4, 1e-7, 1e-10):
        simulation = Simulation(decay(), times, ["x"], method="DOPRI5", rtol=rtol, atol=rtol / 100)
        error = np.abs(simulation.run_members(tau, ["tau"]).values[:, :, 0] - exact).max()
        assert error < 20 * rtol and error < last
        last = error


def test_step_budget():
    simulation = Simulation(decay(), [100.0], ["x"], method="DOPRI5", max_steps=200)
    members = simulation.run_members(np.array([[2.0], [1e-4]]), ["tau"])
    assert members.codes.tolist() == [0, 2]
    assert "step budget used up" in str(members.status(1))


def test_a_model_without_stocks_and_one_with_time():
    model = Model("m", [auxiliary("y", v.a * TIME / v.year), parameter("a", 2.0), parameter("year", 1.0, "yr")])
    for method in ("RK4", "DOPRI5"):
        simulation = Simulation(model, [0.0, 1.0, 3.0], ["y"], method=method)
        values = simulation.run_members(np.array([[1.0], [4.0]]), ["a"]).values
        assert values[:, :, 0].tolist() == [[0.0, 1.0, 3.0], [0.0, 4.0, 12.0]]


def test_wrong_input_is_told():
    with pytest.raises(JevonsError, match="method 'RK5', expected one of Euler, RK2, RK4, DOPRI5; did you mean 'RK4'"):
        Simulation(decay(), [1.0], ["x"], method="RK5")
    with pytest.raises(JevonsError, match="dt -1, expected a number more than 0"):
        Simulation(decay(), [1.0], ["x"], dt=-1)
    with pytest.raises(JevonsError, match="expected rising dates from the model's start, 0"):
        Simulation(decay(), [1.0, 0.5], ["x"])
    simulation = Simulation(decay(), [1.0], ["x"])
    with pytest.raises(JevonsError, match=r"rows of shape \(2,\), expected \(members, 1\)"):
        simulation.run_members(np.zeros(2), ["tau"])
    with pytest.raises(JevonsError, match="parameter 'tao' is not in the model; did you mean 'tau'"):
        simulation.run_members(np.zeros((2, 1)), ["tao"])


def test_a_simulation_is_sent_without_code():
    simulation = everything("rich")
    sent = pickle.loads(pickle.dumps(simulation))
    rows = spread(simulation, 3)
    here, there = (s.run_members(rows, s.parameters).values for s in (simulation, sent))
    assert np.array_equal(here, there)
    assert sent.fingerprint == simulation.fingerprint != everything("rich", dt=1 / 16).fingerprint
    assert len(pickle.dumps(simulation)) < 50_000


def test_lane_source_computes_once_what_lanes_share():
    source = "def f(t, x, tab, out):\n    a = 2.0*tab[0]\n    b = a*x[1]\n    out[0] = b + t\n"
    text = over_lanes(source, {"f": ("t", "x", "out")}, 4)
    assert "a = 2.0 * tab[0]\n    for lane in range(4):\n        b = a * x[4 + lane]" in text
    assert "out[lane] = b + t[lane]" in text
    assert set(MEMBERS) == {"constants", "rhs", "observe", "switches", "unknowns", "initial"}


# ---- the cache ---------------------------------------------------------------------------------------------

PROGRAM = """
import sys, resource
from small import decay
import numpy as np, jevons as jv
simulation = jv.Simulation(decay(), [1.0, 2.0], ["x"])
print(repr(simulation.run({"tau": 4.0}).values.tolist()), "numba" in sys.modules)
if sys.argv[1:] == ["full"]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from numba.core import event
compiled = []
class Listener(event.Listener):
    def on_start(self, e): compiled.append(e)
    def on_end(self, e): pass
event.register("numba:compile", Listener())
print(repr(simulation.run_members(np.array([[2.0], [3.0]]), ["tau"]).values.tolist()), bool(compiled))
"""


def in_a_new_process(folder, *arguments):
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "JEVONS_CACHE_DIR": str(folder), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_the_second_process_loads_what_the_first_compiled(tmp_path):
    first, second = in_a_new_process(tmp_path), in_a_new_process(tmp_path)
    assert first[0].endswith("False")  # a single run needs no compiler
    assert first[1].endswith("True") and second[1].endswith("False")
    assert first[1].rsplit(" ", 1)[0] == second[1].rsplit(" ", 1)[0]
    for kept in (tmp_path / "__pycache__").glob("*.nbc"):
        kept.write_bytes(kept.read_bytes()[:100])
    damaged = in_a_new_process(tmp_path)
    assert damaged[1] == first[1]
    assert in_a_new_process(tmp_path)[1] == second[1]  # and the damage is mended


TWO_MODELS = """
import sys
import numpy as np, jevons as jv
for name in sys.argv[1:]:
    model = jv.load(name, None)
    simulation = jv.Simulation(model, [model.start + 1.0, model.start + 2.0], model.structure.order[:3])
    rows = simulation.base[None] * np.linspace(0.99, 1.0, 3)[:, None]
    members = simulation.run_members(rows, simulation.parameters)
    print(name, members.codes.tolist(), repr(members.values.sum()))
"""


def test_compiled_functions_of_two_models_share_no_name():
    """numba names machine code by it, so that code of two models loaded into one process would be mixed up."""
    sources = [Simulation(MODELS[name], [MODELS[name].start], []).system.source for name in ("bass", "wright")]
    names = [
        compiled.member_kernel(source, adaptive, lanes)._unkept.py_func.__qualname__
        for source in sources
        for adaptive in (False, True)
        for lanes in (1, LANES)
    ]
    assert len(set(names)) == len(names)


def test_kept_code_of_several_models_lives_in_one_process(tmp_path):
    environment = {**os.environ, "JEVONS_CACHE_DIR": str(tmp_path)}

    def told(*names):
        command = [sys.executable, "-c", TWO_MODELS, *names]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    names = ["bass", "wright"]
    alone = [line for name in names for line in told(name)]
    assert told(*names) == alone


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path):
    expected = in_a_new_process(tmp_path / "good")
    (tmp_path / "file").write_text("in the way")
    assert in_a_new_process(tmp_path / "file" / "folder") == expected
    if sys.platform != "win32":
        assert in_a_new_process(tmp_path / "full", "full") == expected
