"""The fifteen rules of CONTRIBUTING.md: that each names tests which are there, and the tests no other file has."""

from __future__ import annotations

import ast
import functools
import inspect
import json
import math
import pickle
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import accumulate, decay, observation, v
from small_calibrations import GROWS, TRUTH, explodes, history, linear, logistic_at

import jevons as jv
from jevons import Calibration, Condition, FitError, Hint, LogNormal, Normal, Nuisance, Simulation, Status, integrate
from jevons.codegen import generate
from jevons.errors import IntegrationError
from jevons.functions import pulse
from jevons.inference import starts as starts_module
from jevons.inference.convergence import convergence_table, has_converged
from jevons.inference.identifiability import identifiability
from jevons.inference.observable import Measurement
from jevons.integrate import ADAPTIVE, FIXED

ROOT = Path(__file__).parents[1]
RULES = 15
RUNS = [*ADAPTIVE, *FIXED]


# The list itself


def rules() -> dict[int, str]:
    """Text of each rule of CONTRIBUTING.md by its number."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(r"^## The fifteen rules.*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    parts = re.split(r"^(\d+)\. ", section.group(1), flags=re.MULTILINE)[1:]
    return {int(number): body for number, body in zip(parts[::2], parts[1::2], strict=True)}


def named_tests(text: str) -> list[str]:
    return re.findall(r"`(tests/\w+\.py::\w+)`", text)


def test_there_are_fifteen_rules_each_with_its_place_in_the_code_and_its_tests():
    found = rules()
    assert list(found) == list(range(1, RULES + 1))
    for number, text in found.items():
        assert named_tests(text), f"rule {number} names no test"
        places = re.findall(r"`((?:jevons|models|calibration)/[\w/]+(?:\.py)?)`", text)
        assert places, f"rule {number} names no place in the code"
        assert not [p for p in places if not (ROOT / p).exists()], f"rule {number} names a place that is not there"


def test_every_test_that_a_rule_names_is_there_and_collected():
    wanted = sorted({name for text in rules().values() for name in named_tests(text)})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:randomly", *wanted]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    collected = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
    assert done.returncode == 0, done.stdout[-2000:]
    assert collected == set(wanted)


def test_every_test_of_this_file_is_named_by_a_rule():
    named = {name for text in rules().values() for name in named_tests(text)}
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    here = [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_rule_")]
    assert here and not [name for name in here if f"tests/test_rules.py::{name}" not in named]


def test_every_module_of_inference_is_listed():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"^  inference/(.*?)(?=^  \w)", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    listed = set(re.findall(r"\w+", block.group(1)))
    modules = {p.stem for p in (ROOT / "jevons/inference").glob("*.py")} - {"__init__"}
    assert modules <= listed, f"not listed: {sorted(modules - listed)}"


@functools.cache
def every_call() -> dict[str, list[tuple[str, ast.Call]]]:
    """Calls in the package by the name of the function or method, with their places."""
    found = defaultdict(list)
    for path in sorted((ROOT / "jevons").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                found[called].append((f"{path.relative_to(ROOT)}:{node.lineno}", node))
    return dict(found)


def calls(name: str) -> list[tuple[str, ast.Call]]:
    return every_call().get(name, [])


# 1, 2, 3: runs and starts


def exploding() -> Calibration:
    """Infinite at 1/k: of k above 0.25 nothing can be observed at 4."""
    return Calibration(explodes(), history(observation("x", 4.0, 2.0)), ["k"])


def test_rule_1_a_run_that_failed_has_a_status_and_no_likelihood():
    problem = exploding()
    good, bad = problem.coordinates({"k": 0.1}), problem.coordinates({"k": 0.5})
    assert math.isfinite(problem.log_density(good))
    assert np.isnan(problem.modelled(bad)).all()
    assert problem.log_density(bad) == -math.inf
    both = problem.log_densities(np.array([bad, good]))
    assert both[0] == -math.inf and both[1] == pytest.approx(problem.log_density(good))
    assert problem.failures == 3
    member = Simulation(explodes(), [4.0], ["x"], params={"k": 0.5}).run()
    assert member.status.kind is Status.DIVERGED and np.isnan(member.values).all()


def test_rule_1_a_flat_penalty_is_no_optimum():
    """Where nothing runs, a penalty is flat and a search ends at once; a fit must not call that an optimum."""
    problem = exploding()
    problem.modelled = lambda u: np.full(1, math.nan)
    with pytest.raises(FitError, match="no start converged"):
        jv.fit(problem, starts=3, progress=False)
    problem.modelled = lambda u: np.full(1, 7.0)
    problem._exact = lambda u: np.zeros((1, 1))
    flat = jv.fit(problem, starts=3, progress=False)
    assert flat.covariance == pytest.approx(np.eye(1))


@pytest.mark.parametrize("method", RUNS)
def test_rule_2_no_run_goes_on_for_ever(method):
    """A decay far faster than the window: explicit methods would need 10⁹ steps."""
    model = decay(tau=1e-9)
    run = model.run(0, 1000, method=method, max_calls=300, every=1000.0, dt=1e-9, on_failure="return")
    assert run.status.kind is Status.STEP_BUDGET
    with pytest.raises(IntegrationError, match="step budget used up"):
        model.run(0, 1000, method=method, max_calls=300, every=1000.0, dt=1e-9)


def test_rule_2_every_budget_has_a_finite_default():
    assert inspect.signature(integrate.run).parameters["max_calls"].default <= 10**6
    assert inspect.signature(Simulation.__init__).parameters["max_steps"].default <= 10**6
    assert calls("least_squares")
    for place, call in calls("least_squares"):
        assert any(k.arg == "max_nfev" for k in call.keywords), f"{place}: a search without a limit"


def test_rule_3_every_start_begins_where_the_model_runs():
    """The prior lies half where the run explodes: starts there are drawn again, and never more than so often."""
    fit = jv.fit(exploding(), starts=8, seed=2, progress=False)
    assert any(start.redrawn for start in fit.starts)
    assert all(math.isfinite(start.initial) for start in fit.starts)
    assert fit.failed_starts == 0


def test_rule_3_a_start_that_finds_no_place_says_so(monkeypatch):
    monkeypatch.setattr(starts_module, "REDRAWS", 0)
    fit = jv.fit(exploding(), starts=8, seed=2, progress=False)
    nowhere = [start for start in fit.starts if math.isnan(start.initial)]
    assert nowhere and all((s.converged, s.message, s.u) == (False, "no start ran", ()) for s in nowhere)


# 4, 5: scales


def test_rule_4_the_search_is_in_logarithms_and_all_that_is_said_is_natural(tmp_path, linear_fit):
    problem = linear_fit.calibration
    factors = problem.natural(np.ones(3)) / problem.natural(np.zeros(3))
    assert problem.natural(np.full(3, 2.0)) == pytest.approx(problem.natural(np.zeros(3)) * factors**2)
    draws = jv.randomised_draws(linear_fit, 20, seed=1, progress=False)
    stored = jv.load_fit(jv.save_fit(linear_fit, draws, tmp_path))
    natural = np.array([problem.natural(u) for u in draws.u])
    for said in (stored.sample, np.array([list(d.values()) for d in stored.draws()])):
        assert said == pytest.approx(natural, rel=1e-7)
    assert linear_fit.values == pytest.approx(dict(zip("abc", problem.natural(linear_fit.u), strict=True)))
    assert linear_fit.optima[0].values == pytest.approx(linear_fit.values)


def test_rule_5_the_modelled_value_is_the_median_of_what_is_observed():
    """Of ln 2 and a sigma in natural logarithms: one sigma is a factor of e^sigma, and half of all draws lie below."""
    problem = Calibration(linear(), history(observation("w", 1.0, 5.0, sigma=0.8)), ["c"])
    noise = problem.noises[0]
    drawn = noise.sample(np.full(200_000, 5.0), np.random.default_rng(1))
    assert np.median(drawn) == pytest.approx(5.0, rel=0.01)
    assert np.mean(drawn) == pytest.approx(5.0 * math.exp(0.32), rel=0.02)
    assert problem.standardised(np.array([5.0 * math.exp(0.8)])) == pytest.approx([1.0])
    below = np.mean(drawn < 5.0 * math.exp(0.8))
    assert below == pytest.approx(0.8413, abs=0.005)


# 6, 7: derivatives


def test_rule_6_nothing_searches_with_differences_it_chose_itself():
    for name in ("least_squares", "root", "minimize", "fsolve"):
        for place, call in calls(name):
            given_slopes = [k.value for k in call.keywords if k.arg in ("jac", "fprime")]
            assert given_slopes, f"{place}: {name} without derivatives"
            assert not isinstance(given_slopes[0], ast.Constant), f"{place}: {name} by differences"
    assert not [place for name in ("approx_fprime", "check_grad", "approx_derivative") for place, _ in calls(name)]
    assert inspect.signature(Calibration).parameters["derivatives"].default == "exact"


def test_rule_6_a_gradient_costs_runs_that_do_not_grow_with_what_is_free():
    for names in (["rate"], list(TRUTH)):
        problem = Calibration(GROWS, history(observation("x", 2.0, 1.0)), names)
        problem.jacobian(np.zeros(len(names)))
        assert (problem.gradients, problem.evaluations) == (1, 0)


def everything() -> Calibration:
    """All that can be free, and every statistic."""
    rows = [observation("x", t, float(logistic_at(t)), family="old" if t < 3 else "new") for t in (1.0, 2.5, 4.0)]
    rows += [
        observation("x", 5.0, 2.0, statistic="annual", sigma=0.2, sigma_kind="absolute", series="level"),
        observation("x", 5.0, 3.0, statistic="ratio", reference_date=2.0),
        observation("x", 6.0, 3.0, statistic="since", reference_date=2.0),
        observation("x", 6.0, 0.4, statistic="log_growth_rate", reference_date=3.0, unit="1/yr"),
        observation("x", 6.0, 0.4, statistic="slope", reference_date=3.0, unit="1/yr"),
        observation("x", 3.0, 40.0, statistic="index", series="index"),
    ]
    nuisance = [
        Nuisance("bias", "bias", Normal(0.0, 0.1), "test", family="old"),
        Nuisance("hundred", "base", LogNormal(100.0, 1.0), "test", series="index"),
        Nuisance("scale", "noise_scale", LogNormal(1.0, 0.5), "test", family="new"),
    ]
    there = Condition("there", GROWS, history(observation("x", 2.0, 1.0)), {"rate": LogNormal(0.9, 0.4)})
    return Calibration(GROWS, history(*rows), list(TRUTH), nuisance=nuisance, conditions=[there])


def central(problem: Calibration, u: np.ndarray) -> np.ndarray:
    """Differences of fourth order."""
    steps = 1e-3 * np.eye(u.size)
    r = problem.residuals
    return np.column_stack([(8 * (r(u + e) - r(u - e)) - (r(u + 2 * e) - r(u - 2 * e))) / 12e-3 for e in steps])


def worst(problem: Calibration, u: np.ndarray) -> float:
    reference = central(problem, u)
    return float(np.abs(problem.jacobian(u) - reference).max() / np.abs(reference).max())


def test_rule_7_residuals_of_every_kind_have_their_derivatives():
    problem = everything()
    assert len(problem.free) == 7
    rng = np.random.default_rng(4)
    for u in 0.5 * rng.standard_normal((3, 7)):
        assert worst(problem, u) < 1e-8
        assert (np.abs(problem.jacobian(u)).max(axis=0) > 1e-3).all()


@pytest.mark.parametrize("part", ["model", "nuisance"])
def test_rule_7_one_per_cent_in_one_derivative_is_seen(part, monkeypatch):
    if part == "model":
        right = Measurement.derivative
        monkeypatch.setattr(
            Measurement, "derivative",
            lambda self, *a: right(self, *a) * (1.01 if self.statistic == "slope" else 1.0),
        )  # fmt: skip
    else:
        original = Calibration._nuisance_slopes

        def wrong(self, i, value, scale, into):
            original(self, i, value, scale, into)
            into[self.free.index("bias")] *= 1.01

        monkeypatch.setattr(Calibration, "_nuisance_slopes", wrong)
    assert worst(everything(), np.full(7, 0.3)) > 1e-6


# 8: break points


@pytest.mark.parametrize("method", ["LSODA", "RK45", "DOP853", "Radau", "RK4"])
def test_rule_8_a_pulse_shorter_than_any_step_has_its_whole_area(method):
    """A hundredth of a day in fifty years."""
    width = 3e-5
    model = accumulate(pulse(1 / width, 30.1 * v.year, width * v.year) / v.year)
    run = model.run(0, 50, method=method, every=50.0)
    assert run.at("x", 50.0) == pytest.approx(1.0, rel=1e-6)


# 9, 10: processes


def test_rule_9_what_is_pickled_is_a_recipe_in_words_and_numbers():
    simulation = Simulation(GROWS, [1.0, 2.0], ["x"])
    before = simulation.run_members(np.array([[0.5], [0.7]]), ["rate"]).values
    sent = pickle.dumps(simulation)
    for code in (b"numba", b"lambdify", b"marshal", b"CodeType", b"sympy"):
        assert code not in sent
    assert b"def rhs" in sent
    again = pickle.loads(sent).run_members(np.array([[0.5], [0.7]]), ["rate"]).values
    assert again.tobytes() == before.tobytes()


def test_rule_10_workers_call_no_linear_algebra_that_could_start_threads_of_its_own():
    """What a worker process runs is compiled loops: threads times threads cannot happen."""
    paths = [*(ROOT / "jevons/ensemble").glob("*.py"), *(ROOT / "jevons/drivers").glob("*.py")]
    paths += [ROOT / "jevons" / f"{n}.py" for n in ("simulation", "kernels", "compiled", "lanes", "vector_math")]
    found = []
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            product = isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
            named = isinstance(node, ast.Attribute) and node.attr in ("linalg", "dot", "matmul", "einsum", "tensordot")
            if product or named:
                found.append(f"{path.name}:{node.lineno}")
    assert not found


def test_rule_10_fits_and_chains_hold_linear_algebra_to_one_thread():
    """They run on threads of their own."""
    from threadpoolctl import threadpool_info

    from jevons.inference.threads import parallel

    def threads_of_blas(_):
        np.linalg.qr(np.eye(3))
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads_of_blas(None)
    found = parallel(threads_of_blas, range(4), 2, "", False)
    assert before
    assert {n for pools in found for n in pools} == {1}
    assert threads_of_blas(None) == before


# 11: digits


def test_rule_11_the_models_source_holds_every_constant_at_full_length():
    third = 0.1 + 0.2
    model = accumulate(third * math.pi * v.x / v.year, initial=math.nextafter(1, 2))
    literals = {node.value for node in ast.walk(ast.parse(generate(model).source)) if isinstance(node, ast.Constant)}
    assert third * math.pi in literals
    assert math.nextafter(1, 2) in literals


# 12, 13: chains and records


def test_rule_12_r_hat_is_computed_in_one_place_and_only_of_independent_chains(linear_fit):
    assert {place.partition(":")[0] for place, _ in calls("rhat")} == {"jevons/inference/convergence.py"}
    with pytest.raises(FitError, match="found 3 chains, expected at least 4"):
        jv.sample(linear_fit, chains=3, progress=False)


def test_rule_12_chains_stuck_apart_are_seen_only_across_ensembles():
    """Ensembles stuck at four places: within each all agree, and only across them is it seen."""
    rng = np.random.default_rng(3)
    stuck = rng.standard_normal((4, 4, 1000)) + 0.3 * np.arange(4)[:, None, None]
    assert all(has_converged(convergence_table({"x": ensemble})) for ensemble in stuck)
    assert not has_converged(convergence_table({"x": stuck.reshape(4, -1)}))


def test_rule_13_a_start_is_on_the_disk_as_soon_as_it_has_ended(tmp_path, monkeypatch):
    """Power fails in the third start: two are on the disk, and only the others are run again."""
    rows = history(observation("x", 2.0, 1.0))
    problem = Calibration(GROWS, rows, list(TRUTH), threads=1)
    search, begun = starts_module._search, []

    def failing(calibration, k, *rest):
        begun.append(k)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return search(calibration, k, *rest)

    monkeypatch.setattr(starts_module, "_search", failing)
    with pytest.raises(KeyboardInterrupt):
        jv.fit(problem, starts=5, folder=tmp_path, progress=False)
    kept = [json.loads(line) for line in (tmp_path / "starts.jsonl").read_text().splitlines()][1:]
    assert {0, 1} <= {record["index"] for record in kept} <= {0, 1, 3, 4}
    stored = len(kept)
    begun.clear()
    begun.extend([-1] * 3)
    resumed = jv.fit(problem, starts=5, folder=tmp_path, resume=True, progress=False)
    assert len(begun) - 3 == 5 - stored
    monkeypatch.undo()
    assert resumed.u.tobytes() == jv.fit(problem, starts=5, progress=False).u.tobytes()


# 14, 15: what may be concluded


@given(st.integers(2010, 2026), st.integers(1, 12))
def test_rule_14_what_is_held_out_is_what_was_not_yet_known(history, world, year, month):
    until = f"{year}-{month:02d}"
    fitted = {row.label + row.source for row in history.select("fit", "main", until)}
    every = list(history.select("fit", "main"))
    assert fitted == {row.label + row.source for row in every if row.known <= until}


def test_rule_14_nothing_in_the_package_holds_out_points_at_random():
    """Random numbers move parameters and errors; no row of history is ever drawn, shuffled or left out by them."""
    for name in ("choice", "shuffle", "permuted", "KFold", "train_test_split"):
        assert not [place for place, _ in calls(name) if place.startswith("jevons/inference")]
    shuffled = {place.partition(":")[0] for place, _ in calls("permutation") if "inference" in place}
    assert shuffled <= {"jevons/inference/affine.py", "jevons/inference/posterior.py"}  # of walkers, of draws


def test_rule_15_a_fit_says_which_parameters_the_data_cannot_tell_apart():
    """p = a·b: one figure says nothing of the ratio, and c is what it was before."""
    problem = Calibration(linear(), history(observation("p", 1.0, 2.0, sigma=0.01)), ["a", "b", "c"])
    found = identifiability(jv.fit(problem, starts=2, progress=False), hints=[Hint(("a", "b"), "only their product")])
    assert found.held == 1
    assert found.as_the_prior == ("c",)
    assert [(pair.first, pair.second, pair.why) for pair in found.confounded] == [("a", "b", "only their product")]
    assert "a with b, r = -" in repr(found)
    told = Calibration(linear(), history(observation("p", 1.0, 2.0), observation("q", 1.0, 2.0)), ["a", "b", "c"])
    assert not identifiability(jv.fit(told, starts=2, progress=False)).confounded


def test_rule_15_every_model_that_is_fitted_lists_what_is_known_to_be_confounded():
    for name in ("world", "world_hump", "world_full_price"):
        config = jv.read_config(name)
        assert config.hints
        assert all(len(hint.parameters) >= 2 and hint.why for hint in config.hints)
