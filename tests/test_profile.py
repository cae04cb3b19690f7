"""Profile likelihoods: of a problem whose intervals are known, beside iminuit and pyPESTO, and past every obstacle."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy.stats import chi2
from small import observation, parameter, stock, v
from small_calibrations import GROWS, TRUTH, config_mistake, history, logistic_at

import jevons as jv
from jevons import Calibration, CalibrationError, Model, Normal
from jevons.inference.fit import summarise
from jevons.inference.profile import refit
from jevons.inference.profiles import profile_likelihood, profiles
from jevons.inference.slices import Point, Slices
from jevons.inference.walk import Walk
from jevons.plot_inference import profile as draw_profile

THRESHOLD = float(chi2.ppf(0.9, 1))


@pytest.fixture(scope="module")
def skewed():
    """Logistic growth seen three times: nonlinear, and skewed in every parameter."""
    rows = [observation("x", t, float(logistic_at(t)) * f, sigma=0.15) for t, f in ((1, 1.1), (3, 0.9), (5, 1.05))]
    return jv.fit(Calibration(GROWS, history(*rows), list(TRUTH)), starts=4, progress=False)


def wells(place: float, sigma: float = 0.55) -> jv.Fit:
    """y = a² has two optima, of which that at +1 is the better; a summary at the lowest point near `place`."""
    a = parameter("a", 0.0, prior=Normal(0.0, 2.0), status="fitted")
    b = parameter("b", 0.0, prior=Normal(0.0, 1.0), status="fitted")
    model = Model("wells", [stock("y", v.a**2), stock("z", v.a + v.b), a, b])
    rows = [
        observation("y", 1.0, 1.0, sigma=sigma, sigma_kind="absolute"),
        observation("z", 1.0, 1.5, sigma=1.5, sigma_kind="absolute"),
    ]
    calibration = Calibration(model, history(*rows), ["a", "b"])
    lowest = Slices(calibration, 0, True, None).lowest(calibration.coordinates({"a": place, "b": 0.0}))
    return summarise(calibration, lowest.u, (), 0)


# Known answers


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_intervals_of_a_linear_problem_are_the_normal_ones(linear_fit, level):
    root = math.sqrt(chi2.ppf(level, 1))
    for k, name in enumerate("abc"):
        found = profile_likelihood(linear_fit, name, level=level)
        sd = math.sqrt(linear_fit.covariance[k, k])
        ends = [linear_fit.u + np.eye(3)[k] * side * root * sd for side in (-1, 1)]
        exact = [linear_fit.calibration.natural(u)[k] for u in ends]
        assert (found.low, found.high) == pytest.approx(exact, rel=2e-4)
        assert found.fisher == pytest.approx(exact, rel=1e-5)
        assert found.status == "closed"
        away = [linear_fit.calibration.coordinates({**linear_fit.values, name: x})[k] for x in found.values]
        assert found.chi2 - found.best_chi2 == pytest.approx(((away - linear_fit.u[k]) / sd) ** 2, abs=1e-5)


def test_others_follow_as_their_covariance_says(linear_fit):
    found = profile_likelihood(linear_fit, "b")
    u = np.array([linear_fit.calibration.coordinates(dict(zip("abc", row, strict=True))) for row in found.parameters])
    regression = linear_fit.covariance[:, 1] / linear_fit.covariance[1, 1]
    assert u - linear_fit.u == pytest.approx(np.outer(u[:, 1] - linear_fit.u[1], regression), abs=1e-5)
    assert found.chi2 == pytest.approx(found.chi2_data + found.chi2_prior)
    assert found.chi2_prior == pytest.approx((u**2).sum(axis=1))
    assert found.to_frame()["b"].tolist() == found.values.tolist() == sorted(found.values)


def test_the_data_alone(linear_fit):
    """Three parameters, five rows: without priors the normal interval of least squares."""
    matrix = linear_fit.calibration.jacobian(linear_fit.u)[:5]
    covariance = np.linalg.inv(matrix.T @ matrix)
    u = linear_fit.u - covariance @ matrix.T @ linear_fit.z
    found = profile_likelihood(linear_fit, "b", priors=False)
    ends = [u[1] + side * math.sqrt(THRESHOLD * covariance[1, 1]) for side in (-1, 1)]
    exact = [linear_fit.calibration.natural(np.array([0, end, 0]))[1] for end in ends]
    assert (found.low, found.high) == pytest.approx(exact, rel=2e-4)
    assert found.chi2 == pytest.approx(found.chi2_data)
    assert found.better_optimum is None


def test_one_parameter_alone():
    rows = [observation("x", t, float(logistic_at(t)), sigma=0.1) for t in (1.0, 2.0)]
    fit = jv.fit(Calibration(GROWS, history(*rows), ["rate"]), starts=2, progress=False)
    found = profile_likelihood(fit, "rate")
    sd = math.sqrt(fit.covariance[0, 0])
    assert found.low < fit.values["rate"] < found.high
    assert (math.log(found.high / found.low)) == pytest.approx(2 * math.sqrt(THRESHOLD) * sd * 0.5, rel=0.02)


# Beside other programs


def function_of(fit):
    """Total chi-square and its gradient."""
    calibration = fit.calibration

    def value(u):
        residuals = calibration.residuals(np.asarray(u, dtype=float))
        return float(residuals @ residuals)

    def gradient(u):
        u = np.asarray(u, dtype=float)
        return 2 * calibration.jacobian(u).T @ calibration.residuals(u)

    return value, gradient


def ends_in_sd(fit, found, k):
    return [fit.calibration.coordinates({**fit.values, found.name: end})[k] for end in (found.low, found.high)]


def test_intervals_agree_with_iminuit(skewed):
    """Both ends of each parameter to a hundredth of the width, where symmetric ends are off by more."""
    import iminuit

    value, gradient = function_of(skewed)
    minuit = iminuit.Minuit(value, skewed.u, grad=gradient)
    minuit.errordef, minuit.strategy = 1, 2
    minuit.migrad()
    minuit.minos(cl=0.9)
    asymmetry = []
    for k, name in enumerate(skewed.names):
        error = minuit.merrors[k]
        theirs = [minuit.values[k] + error.lower, minuit.values[k] + error.upper]
        found = profile_likelihood(skewed, name)
        width = theirs[1] - theirs[0]
        assert ends_in_sd(skewed, found, k) == pytest.approx(theirs, abs=0.01 * width)
        asymmetry.append(abs(error.upper + error.lower) / width)
    assert max(asymmetry) > 0.03


def test_intervals_agree_with_pypesto(skewed):
    import pypesto
    from pypesto import profile as theirs
    from pypesto.optimize import ScipyOptimizer

    value, gradient = function_of(skewed)
    objective = pypesto.Objective(fun=lambda u: value(u) / 2, grad=lambda u: gradient(u) / 2)
    problem = pypesto.Problem(objective, lb=np.full(3, -4.0), ub=np.full(3, 4.0), x_names=list(skewed.names))
    result = pypesto.Result(problem)
    start = pypesto.OptimizerResult(id="0", x=skewed.u, fval=skewed.chi2 / 2, grad=np.zeros(3), x0=skewed.u)
    result.optimize_result.append(start)
    k = 0
    steps = {"default_step_size_absolute": 0.02, "max_step_size_absolute": 0.05}
    result = theirs.parameter_profile(
        problem, result, ScipyOptimizer(), profile_index=[k], progress_bar=False,
        profile_options=theirs.ProfileOptions(ratio_min=0.2, **steps),
    )  # fmt: skip
    path = result.profile_result.list[0][k]
    low, high = theirs.calculate_approximate_ci(path.x_path[k], path.ratio_path, math.exp(-THRESHOLD / 2))
    found = profile_likelihood(skewed, skewed.names[k])
    assert ends_in_sd(skewed, found, k) == pytest.approx([low, high], abs=0.01 * (high - low))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_chi_square_has_risen_by_the_threshold_at_the_ends(skewed, level):
    for k, name in enumerate(skewed.names):
        found = profile_likelihood(skewed, name, level=level)
        for end in (found.low, found.high):
            held = refit(skewed, {name: end})
            own = float(skewed.calibration.coordinates(held.values)[k] ** 2)
            rise = held.chi2_data + held.chi2_prior + own - skewed.chi2
            assert rise == pytest.approx(found.threshold, rel=2e-5)


# Steps


@pytest.mark.parametrize("points", [6, 9])
def test_each_side_has_its_points_and_chi_square_rises_evenly(skewed, points):
    for name in skewed.names:
        found = profile_likelihood(skewed, name, points=points)
        inside = (found.values > found.low * (1 - 1e-9)) & (found.values < found.high * (1 + 1e-9))
        assert np.count_nonzero(inside & (found.values < found.best)) >= points - 1
        assert np.count_nonzero(found.values < found.best) >= points
        assert np.count_nonzero(found.values > found.best) >= points
        assert np.abs(np.diff(found.chi2)).max() <= 2 * THRESHOLD / points + 1e-6
        assert np.abs(found.chi2 - found.best_chi2 - THRESHOLD).min() < 0.005 * THRESHOLD
        assert found.refits <= 4 * points


class Curve:
    """A profile given by a function with its derivatives, in place of refits."""

    def __init__(self, value, slope, curvature):
        self.value, self.slope, self.curvature, self.asked = value, slope, curvature, []

    def refit(self, held, guesses):
        self.asked.append(held)
        chi = self.value(held)
        return Point(held, np.array([held]), chi, chi, 0.0, self.slope(held), self.curvature(held), np.ones(1), True)


@pytest.mark.parametrize("sd", [1e-3, 0.3])
def test_steps_know_the_scale_of_the_parameter(sd):
    """On a parabola the Fisher information says it all: six steps and at most two for the crossing."""
    curve = Curve(lambda x: (x / sd) ** 2, lambda x: 2 * x / sd**2, lambda x: 2 / sd**2)
    for sign in (-1, 1):
        curve.asked.clear()
        side = Walk(curve, curve.refit(0.0, []), THRESHOLD, 6, (-4.0, 4.0)).side(sign)
        assert side.edge == pytest.approx(sign * math.sqrt(THRESHOLD) * sd, rel=1e-4)
        assert len(curve.asked) <= 1 + 8


def test_steps_shorten_where_chi_square_is_steeper_than_its_curvature_says():
    curve = Curve(lambda x: x**2 / 100 + (2 * x) ** 8, lambda x: x / 50 + 16 * (2 * x) ** 7, lambda x: 0.02)
    side = Walk(curve, curve.refit(0.0, []), THRESHOLD, 6, (-4.0, 4.0)).side(1)
    inside = [0.0, *(p.chi2 for p in side.points if p.held <= side.edge + 1e-9)]
    assert curve.value(side.edge) == pytest.approx(THRESHOLD, rel=5e-3)
    assert np.diff(inside).max() <= 2 * THRESHOLD / 6
    assert len(inside) > 6
    assert len(curve.asked) < 30


def test_the_crossing_is_met_in_few_refits():
    """Beyond a threshold that lies far below the first step, where halving alone would take nine."""
    curve = Curve(lambda x: x**2, lambda x: 2 * x, lambda x: 2.0)
    walk = Walk(curve, curve.refit(0.0, []), THRESHOLD, 6, (-4.0, 4.0))
    below, above = curve.refit(0.1, []), curve.refit(4.0, [])
    curve.asked.clear()
    _, edge = walk._crossing(below, above)
    assert edge == pytest.approx(math.sqrt(THRESHOLD), rel=1e-4)
    assert len(curve.asked) <= 3


def test_a_flat_side_is_open_and_says_so(linear_fit):
    """Bounds before the crossing, above only: the other side is not cut with it."""
    whole = profile_likelihood(linear_fit, "a")
    bound = whole.best * 1.05
    found = profile_likelihood(linear_fit, "a", bounds=(0.0, bound))
    assert found.open_high
    assert not found.open_low
    assert found.low == pytest.approx(whole.low, rel=1e-6)
    assert found.searched[1] == pytest.approx(bound)
    assert found.values[-1] == pytest.approx(bound)
    assert np.count_nonzero(found.values > found.best) >= 6
    assert found.status.startswith("open above: chi2 rises by ")
    assert f"to above {bound:.4g}" in repr(found)


def test_what_no_data_hold_is_its_prior():
    rows = [observation("x", 0.0, 0.15)]
    fit = jv.fit(Calibration(GROWS, history(*rows), ["rate", "start_value"]), starts=2, progress=False)
    found = profile_likelihood(fit, "rate")
    assert math.log(found.high) == pytest.approx(0.5 * math.sqrt(THRESHOLD), rel=1e-3)
    alone = profile_likelihood(fit, "rate", priors=False)
    assert alone.open_low
    assert alone.open_high
    assert np.ptp(alone.chi2) < 1e-6
    assert alone.searched == pytest.approx((math.exp(-2), math.exp(2)))


# Obstacles


def test_a_better_optimum_is_reported_and_used():
    fit, best = wells(-1.0), wells(1.0)
    assert best.chi2 < fit.chi2 - 0.5
    found = profile_likelihood(fit, "a", level=0.99)
    assert found.better_optimum is not None
    assert found.best_chi2 == found.better_optimum.chi2 == pytest.approx(best.chi2, abs=1e-6)
    assert found.better_optimum.fit_chi2 == pytest.approx(fit.chi2)
    assert found.better_optimum.values == pytest.approx(best.values, abs=1e-5)
    assert found.best == pytest.approx(best.values["a"], abs=1e-5)
    assert "found a better optimum" in repr(found)
    direct = profile_likelihood(best, "a", level=0.99)
    assert direct.better_optimum is None
    assert (found.low, found.high) == pytest.approx((direct.low, direct.high), rel=1e-3, nan_ok=True)
    assert found.chi2.min() >= found.best_chi2 - 1e-3


def test_all_profiles_use_the_best_optimum_that_one_of_them_found():
    fit, best = wells(-1.0), wells(1.0)
    found = profiles(fit, level=0.99, progress=False)
    assert tuple(found) == ("a", "b")
    assert [p.best_chi2 for p in found.values()] == pytest.approx([best.chi2] * 2, abs=1e-6)
    assert found["b"].best == pytest.approx(best.values["b"], abs=1e-5)


def test_a_failed_search_is_tried_again_from_a_neighbour(skewed, monkeypatch):
    """The first guess of every other refit fails; the walk goes on, and ends where it would have."""
    expected = profile_likelihood(skewed, "rate")
    searched = Slices._descent
    calls = iter(range(10**6))
    failed = []

    def broken(self, held, guess):
        point = searched(self, held, guess)
        if next(calls) % 2:
            return point
        failed.append(held)
        return dataclasses.replace(point, chi2=math.inf, converged=False)

    monkeypatch.setattr(Slices, "_descent", broken)
    found = profile_likelihood(skewed, "rate")
    assert len(failed) > 5
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-3)
    assert found.failures == 0


def test_places_where_nothing_runs_do_not_end_the_walk(skewed):
    """A hole in which every run fails: the walk steps over or around it, and counts."""
    calibration = skewed.calibration
    expected = profile_likelihood(skewed, "rate")
    width = expected.high - expected.best
    hole = (expected.best + 0.40 * width, expected.best + 0.42 * width)
    residuals = calibration.residuals

    def with_hole(u):
        return residuals(u) * (math.nan if hole[0] < calibration.natural(u)[0] < hole[1] else 1.0)

    calibration.residuals = with_hole
    try:
        found = profile_likelihood(skewed, "rate", points=12)
    finally:
        del calibration.residuals
    assert found.status == "closed"
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-3)
    assert not ((found.values > hole[0]) & (found.values < hole[1])).any()


def test_where_nothing_runs_any_more_the_side_is_open(skewed):
    calibration = skewed.calibration
    wall = skewed.values["rate"] * 1.05
    residuals = calibration.residuals
    calibration.residuals = lambda u: residuals(u) * (math.nan if calibration.natural(u)[0] > wall else 1.0)
    try:
        found = profile_likelihood(skewed, "rate")
    finally:
        del calibration.residuals
    assert found.open_high
    assert not found.open_low
    assert found.failures > 0
    assert "refits fail" in found.status


# Stored


def test_a_walk_goes_on_from_any_point_and_is_the_same(skewed, tmp_path, monkeypatch):
    whole = profile_likelihood(skewed, "ceiling", folder=tmp_path)
    (stored,) = tmp_path.iterdir()
    assert stored.name == "profile-ceiling.jsonl"
    lines = stored.read_bytes().splitlines(keepends=True)
    stored.write_bytes(b"".join(lines[:6]) + lines[6][:40])
    searched, refits = Slices._descent, []
    monkeypatch.setattr(
        Slices, "_descent", lambda self, held, guess: refits.append(held) or searched(self, held, guess)
    )
    again = profile_likelihood(skewed, "ceiling", folder=tmp_path, resume=True)
    assert len(refits) == whole.refits - 5
    assert stored.read_bytes() == b"".join(lines)
    for field in dataclasses.fields(whole):
        a, b = getattr(whole, field.name), getattr(again, field.name)
        assert a.tobytes() == b.tobytes() if isinstance(a, np.ndarray) else a == b, field.name


def test_a_walk_past_a_better_optimum_is_resumed_too(tmp_path):
    fit = wells(-1.0)
    whole = profile_likelihood(fit, "a", level=0.99, folder=tmp_path)
    again = profile_likelihood(fit, "a", level=0.99, folder=tmp_path, resume=True)
    assert again.chi2.tobytes() == whole.chi2.tobytes()
    assert again.better_optimum.values == whole.better_optimum.values


def test_records_of_another_walk_are_refused(skewed, tmp_path):
    profile_likelihood(skewed, "rate", folder=tmp_path)
    with pytest.raises(CalibrationError, match="resume to go on from them"):
        profile_likelihood(skewed, "rate", folder=tmp_path)
    with pytest.raises(CalibrationError, match=r"level: found 0\.9, expected 0\.5"):
        profile_likelihood(skewed, "rate", level=0.5, folder=tmp_path, resume=True)
    stored = tmp_path / "profile-rate.jsonl"
    lines = stored.read_text().splitlines()
    moved = json.loads(lines[1])
    moved["asked"] += 0.1
    stored.write_text("\n".join([lines[0], json.dumps(moved), *lines[2:], ""]))
    with pytest.raises(CalibrationError, match="not the records of this walk"):
        profile_likelihood(skewed, "rate", folder=tmp_path, resume=True)


def test_names_and_settings_that_make_no_sense(skewed):
    assert config_mistake(lambda: profile_likelihood(skewed, "rates")) == (
        "'rates' is no free parameter of the fit; did you mean 'rate'?"
    )
    assert config_mistake(lambda: profiles(skewed, ["rate", "sealing"])).endswith("did you mean 'ceiling'?")
    with pytest.raises(CalibrationError) as raised:
        profile_likelihood(skewed, "rate", level=1.5, points=0, bounds=(2.0, 1.0))
    assert len(raised.value.mistakes) == 3


def test_the_picture_is_drawn(skewed, tmp_path):
    assert draw_profile(profile_likelihood(skewed, "ceiling"), tmp_path / "p.png").stat().st_size > 10_000
