"""Generated code: derivatives, precision, names, pickling, and the same numbers on every path."""

from __future__ import annotations

import concurrent.futures
import math
import multiprocessing
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
from small import accumulate, auxiliary, decay, driver, flow, parameter, stock, table, v

import jevons as jv
from jevons import Model, codegen, compiled, integrate, kernels, printer, system
from jevons.codegen import generate
from jevons.functions import TIME, delay3, lookup, pulse, smooth1, smooth_max, trend
from jevons.integrate import compile_model
from jevons.trajectory import Trajectory


def rich() -> Model:
    """A model with a little of everything."""
    given = [
        stock("a", 1.2, log=True),
        stock("b", v.beta / 2),
        stock("c", 3),
        flow("f", v.a * sp.tanh(v.b) / v.year - v.a**2 / v.tau, target="a"),
        flow("g", (v.aux - v.b) / v.tau, target="b"),
        flow("h", v.c * v.a * v.push / v.year, source="c", target="b"),
        auxiliary("aux", smooth_max(v.a, v.b, 0.1) + lookup("curve", v.c * v.a) + v.wave, "1"),
        auxiliary("wave", sp.sin(TIME / v.year) * sp.exp(-v.b / 5) + sp.log(1 + v.c**2) / 7),
        auxiliary("push", sp.Piecewise((v.b**2, v.b < 1), (2 * v.b - 1, True)) / (1 + v.b**2) + v.outside / 9),
        auxiliary("past", delay3(v.a * v.c, v.tau) + smooth1(v.b, v.year) + v.year * trend(v.a * v.c, v.tau)),
        flow("k", (v.past + sp.sqrt(v.a) * v.kick - v.c) / (3 * v.tau), target="c"),
        auxiliary("kick", pulse(1.5, 2 * v.year, v.year / 3) + v.a**v.beta / (v.c + 1) ** sp.Rational(3, 2)),
        table("curve", ((0, 0.0), (2, 1.0), (5, 1.5), (20, 1.7)), outside="extrapolate"),
        driver("outside", ((0, 1.0), (1.5, 2.0), (4, 0.5))),
        parameter("tau", 2.0, "yr"),
        parameter("year", 1.0, "yr"),
        parameter("beta", 0.8),
    ]
    return Model("rich", given)


RICH = rich()
STATES = st.lists(st.floats(-0.9, 0.9), min_size=20, max_size=20)


class Evaluated:
    """The generated functions at one point, in plain Python."""

    def __init__(self, model, t, offsets, source=None):
        self.system = compile_model(model)
        self.functions = kernels.python_functions(source or self.system.source)
        self.parameters = np.array(self.system.defaults)
        self.p = np.array(kernels.vector(self.system, self.parameters))
        x, _, solved = kernels.start_state(self.system, self.parameters)
        assert solved
        x[list(self.system.log)] = np.log(x[list(self.system.log)])
        self.x = x * (1 + 0.3 * np.array(offsets[: x.size]))
        self.t = t
        self.switches = kernels.switch_row(self.system, self.parameters, t)

    def rhs(self, x):
        dx = [0.0] * len(x)
        self.functions.rhs(self.t, list(map(float, x)), self.p.tolist(), self.switches, self.system.tables, dx)
        return np.array(dx)

    def jacobian(self):
        n = self.x.size
        flat = [0.0] * (n * n)
        self.functions.jacobian(self.t, self.x.tolist(), self.p.tolist(), self.switches, self.system.tables, flat)
        return np.array(flat).reshape(n, n)

    def differences(self):
        """Central differences of order six."""
        columns = []
        for j in range(self.x.size):
            h = 2e-3 * max(1.0, abs(self.x[j]))
            total = np.zeros(self.x.size)
            for k, weight in ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60)):
                e = np.zeros(self.x.size)
                e[j] = k * h
                total += weight * (self.rhs(self.x + e) - self.rhs(self.x - e)) / h
            columns.append(total)
        return np.array(columns).T


def same_jacobian(jacobian, differences):
    scale = np.abs(differences) + 1e-3
    return np.abs(jacobian - differences).max(initial=0.0) == 0 or (np.abs(jacobian - differences) / scale).max() < 1e-4


LARGE = ("world", "laboratory")
JACOBIAN_MODELS = {"rich": RICH, **{n: jv.load(n) for n in jv.list_models() if not n.startswith(LARGE)}}


@pytest.mark.parametrize("name", JACOBIAN_MODELS)
@pytest.mark.parametrize("t", [0.3, 2.1, 3.5])
def test_jacobian_equals_differences(name, t):
    rng = np.random.default_rng(7)
    for _ in range(5):
        point = Evaluated(JACOBIAN_MODELS[name], t, 0.1 * rng.uniform(-1, 1, 20))
        jacobian, differences = point.jacobian(), point.differences()
        assert same_jacobian(jacobian, differences)


def test_comparison_of_jacobians_sees_one_entry_wrong_by_one_percent():
    point = Evaluated(RICH, 2.1, np.zeros(20))
    jacobian, differences = point.jacobian(), point.differences()
    entries = np.argwhere(np.abs(jacobian) > 1e-3)
    assert len(entries) > 20
    for i, j in entries:
        wrong = jacobian.copy()
        wrong[i, j] *= 1.01
        assert not same_jacobian(wrong, differences)


def test_jacobian_of_a_source_with_a_mistake_is_told_apart():
    """A mutation in the generated source itself: one partial derivative 1 % off."""
    source = compile_model(RICH).source
    head, body = source.split("def jacobian")
    lines = body.split("\n")
    places = [i for i, line in enumerate(lines) if line.strip().startswith("q")]
    caught = 0
    for i in places:
        changed = list(lines)
        changed[i] = changed[i] + "*1.01"
        point = Evaluated(RICH, 2.1, np.zeros(20), head + "def jacobian" + "\n".join(changed))
        caught += not same_jacobian(point.jacobian(), point.differences())
    assert caught > 0.7 * len(places)  # the rest multiply zeros or small terms at this point


@pytest.mark.parametrize("method", ["LSODA", "Radau", "BDF", "DOP853", "RK4"])
def test_methods_agree_on_a_rich_model(method):
    reference = RICH.run(0, 6, method="DOP853", rtol=1e-12, atol=1e-13)
    run = RICH.run(0, 6, method=method, dt=1 / 128)
    assert np.allclose(run.values, reference.values, rtol=2e-6, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(STATES, st.floats(0, 6))
def test_plain_and_compiled_paths_agree(offsets, t):
    import numba

    system = compile_model(RICH)
    point = Evaluated(RICH, t, np.array(offsets) * 0.3)
    compiled = _compiled_pieces(system.source, numba)
    s, tab, n = np.array(point.switches), np.array(system.tables), len(system.stocks)
    for name, size in (("rhs", n), ("observe", len(system.outputs)), ("jacobian", n * n)):
        plain, fast = [0.0] * size, np.zeros(size)
        getattr(point.functions, name)(t, point.x.tolist(), point.p.tolist(), point.switches, system.tables, plain)
        compiled[name](t, point.x, point.p, s, tab, fast)
        assert np.allclose(plain, fast, rtol=1e-12, atol=1e-12)


_pieces: dict[str, dict] = {}


def _compiled_pieces(source, numba):
    if source not in _pieces:
        interval = numba.njit(system.interval)
        namespace = dict(system.PYTHON_NAMES)
        for function in (system.interpolate, system.interpolate_slope):
            namespace[function.__name__] = numba.njit(compiled._with_global(function, interval=interval))
        exec(compile(source, "<test>", "exec"), namespace)
        _pieces[source] = {n: numba.njit(namespace[n]) for n in ("rhs", "observe", "jacobian")}
    return _pieces[source]


def test_tolerant_path_equals_the_strict_one_where_both_are_defined():
    system = compile_model(RICH)
    point = Evaluated(RICH, 2.1, np.zeros(20))
    tolerant = kernels.outputs_at(system, point.parameters, 2.1, point.x, point.switches)
    assert np.allclose(
        tolerant, integrate._observe(system, np.array([2.1]), point.x[None], point.parameters)[0], rtol=1e-13
    )
    assert np.allclose(
        kernels.derivatives_at(system, point.parameters, 2.1, point.x, point.switches), point.rhs(point.x)
    )


# ---- numbers -----------------------------------------------------------------------------------------------

CONSTANTS = [0.1 + 0.2, math.nextafter(1, 2), math.pi, 1 / 3, 1e-300, 1e300, 5e-324, -0.1, 123456789.123456789]


@pytest.mark.parametrize("constant", CONSTANTS)
def test_constants_keep_full_precision(constant):
    model = accumulate(0 / v.year, auxiliary("y", constant), auxiliary("z", constant * v.one), parameter("one", 1.0))
    for method in ("LSODA", "RK4"):
        run = model.run(0, 1, method=method)
        assert run.at("y", 0.0) == constant
        assert run.at("z", 0.0) == constant


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_literals_of_generated_code_are_exact(number):
    python = printer.Printer({}, {})
    assert float(python.doprint(sp.Float(number, 17) if number else sp.Float(0))) == number
    assert float(python.doprint(sp.sympify(number))) == number


def test_exact_numbers_become_the_nearest_float():
    x = 1 + 2 ** sp.Integer(-52)
    model = accumulate(0 / v.year, auxiliary("y", sp.Rational(1, 3)), auxiliary("z", x), auxiliary("e", sp.E + sp.pi))
    run = model.run(0, 1)
    assert run.at("y", 0.0) == 1 / 3
    assert run.at("z", 0.0) == math.nextafter(1, 2)
    assert run.at("e", 0.0) == pytest.approx(math.e + math.pi, rel=1e-15)


def test_common_subexpressions_change_nothing(monkeypatch):
    shared = compile_model(RICH)
    monkeypatch.setattr(codegen.sp, "cse", lambda expressions, **_: ([], list(expressions)))
    written_out = generate(RICH)
    assert "c0 = " in shared.source
    assert "c0 = " not in written_out.source
    p = np.array(shared.defaults)
    for t in (0.0, 2.1, 5.0):
        point = Evaluated(RICH, t, np.full(20, 0.2))
        a, b = (kernels.outputs_at(s, p, t, point.x, point.switches) for s in (shared, written_out))
        assert np.allclose(a, b, rtol=1e-13, atol=1e-14)


def test_a_guarded_division_is_not_pulled_out_of_its_guard():
    guarded = sp.Piecewise((0, v.x <= 0), (sp.log(v.x) / v.x, True))
    model = accumulate(1 / v.year, auxiliary("y", guarded), auxiliary("z", 1 + guarded), initial=0)
    run = model.run(0, 1, every=0.5)
    assert run["z"].tolist() == pytest.approx([1.0, 1 + 2 * math.log(0.5), 1.0], abs=1e-7)


def test_dates_that_are_shared_expressions():
    """A date that other terms use too is no common subexpression to be taken away from its switch."""
    date = 2 * v.tau + v.year
    rate = pulse(1, date, v.year) / v.year
    model = accumulate(rate, auxiliary("y", date / v.year), auxiliary("z", date / v.year + pulse(1, date, v.year)))
    for method in ("LSODA", "RK4"):
        assert model.run(0, 10, method=method).at("x", 10.0) == pytest.approx(1.0, rel=1e-9)


# ---- names -------------------------------------------------------------------------------------------------

NAMES = [
    "two words",
    "ελαστικότητα",
    "名前",
    'it\'s "quoted"',
    "line\nbreak",
    "back\\slash",
    "x[0]",
    "v0",
    "c0",
    "common_0",
    "_common_0",
    "derivative_0",
    "dx",
    "t",
    "s",
    "p",
    "lambda",
    "1",
    "#",
    "exp",
    "switch_0",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["LSODA", "RK4"])
def test_any_text_is_a_name(name, method):
    model = _named(name)
    run = model.run(0, 2, method=method)
    assert np.allclose(run[name], np.exp(-run.times / 2), rtol=1e-6)
    assert np.allclose(run[name + " twice"], 2 * run[name] + np.exp(run[name]), rtol=1e-12)
    assert np.allclose(run[name + "!"], np.exp(run[name]) * 3, rtol=1e-12)


def _named(name):
    return Model(
        "named",
        [
            stock(name, 1),
            flow(name + " out", v[name] / v[name + " time"], source=name),
            auxiliary(name + " twice", 2 * v[name] + sp.exp(v[name])),
            auxiliary(name + "!", 3 * sp.exp(v[name])),
            parameter(name + " time", 2.0, "yr"),
        ],
    )


@pytest.mark.parametrize("name", NAMES)
def test_auxiliaries_and_parameters_of_any_name(name):
    given = [auxiliary(name, sp.exp(v.x) + 2), auxiliary("other", sp.exp(v.x) * 5 + v[name])]
    run = accumulate(1 / v.year, *given).run(0, 1)
    assert np.allclose(run["other"], 6 * np.exp(run.times) + 2, rtol=1e-8)
    given = [auxiliary("other", sp.exp(v.x) * v[name]), parameter(name, 3.0)]
    run = accumulate(1 / v.year, *given).run(0, 1)
    assert np.allclose(run["other"], 3 * np.exp(run.times), rtol=1e-8)


@pytest.mark.parametrize(
    "template",
    [
        "__import__('os').system('touch {}')",
        '"); __import__("os").system("touch {}"); ("',
        "x\n    __import__('os').system('touch {}')\n",
        "'''\n__import__('os').system('touch {}')\n'''",
    ],
)
def test_a_name_is_never_executed(template, tmp_path):
    target = tmp_path / "executed"
    name = template.format(target)
    model = _named(name)
    run = model.run(0, 1)
    model.run(0, 1, method="RK4")
    again = Trajectory.read_csv(run.to_csv(tmp_path / "run.csv"))
    assert pickle.loads(pickle.dumps(model)).run(0, 1) == run == again
    assert run.names[0] == name
    assert "import" not in compile_model(model).source
    assert not target.exists()


def test_text_for_an_equation_is_never_executed(tmp_path):
    target = tmp_path / "executed"
    text = f"__import__('os').system('touch {target}')"
    with pytest.raises(Exception, match="expected an expression"):
        accumulate(1 / v.year, auxiliary("y", text))
    with pytest.raises(Exception, match="expected an expression"):
        accumulate(1 / v.year, stock("y", text))
    assert not target.exists()


# ---- processes ---------------------------------------------------------------------------------------------


def test_system_pickles():
    system = compile_model(RICH)
    again = pickle.loads(pickle.dumps(system))
    assert again == system
    assert isinstance(system.source, str)


def test_model_pickles():
    again = pickle.loads(pickle.dumps(RICH))
    assert again.hash == RICH.hash
    assert again.run(0, 3) == RICH.run(0, 3)


@pytest.mark.parametrize("method", ["LSODA", "RK4"])
def test_a_run_in_a_spawned_process_is_identical(method):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        there = pool.submit(integrate.run, RICH, 0, 3, method=method).result()
    assert there == RICH.run(0, 3, method=method)


def test_generated_source_does_not_depend_on_the_hash_seed():
    code = "import test_engine as e; print(e.compile_model(e.RICH).source)"
    sources = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        sources.add(done.stdout)
    assert sources == {compile_model(RICH).source + "\n"}


def test_two_runs_are_identical():
    assert RICH.run(0, 3) == RICH.run(0, 3)
    assert decay().run(0, 3, method="RK4") == decay().run(0, 3, method="RK4")


def test_a_system_is_generated_once():
    assert compile_model(RICH) is compile_model(RICH)
