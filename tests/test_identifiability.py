"""What the data hold: the spectrum of problems whose answer is known, confounded pairs, hints."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small import observation, parameter, stock, v
from small_calibrations import free, history, linear

import jevons as jv
from jevons import Calibration, CalibrationError, LogNormal, Model
from jevons.inference.identifiability import Hint, applicable, identifiability
from jevons.inference.information import fisher_information
from jevons.inference.problem import Nuisance
from jevons.plot_inference import spectrum


def analytic():
    """The matrix of the linear problem of `linear_fit`: residuals are matrix @ u less a constant."""
    powers = np.array([[1, 1, 0], [1, -2, 0], [0, 1, 1], [0, 0, 1], [1, 1, 0]], dtype=float)
    sd, sigma = np.array([0.5, 0.3, 1.0]), np.array([0.2, 0.3, 0.1, 0.4, 0.2])
    return powers * sd / sigma[:, None]


def test_the_spectrum_of_a_linear_problem(linear_fit):
    matrix = analytic()
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    found = identifiability(linear_fit)
    assert found.eigenvalues == pytest.approx(values[::-1], rel=1e-6)
    assert np.abs(np.sum(found.directions * vectors[:, ::-1], axis=0)) == pytest.approx(np.ones(3), abs=1e-6)
    assert found.covariance == pytest.approx(linear_fit.covariance, rel=1e-6)
    assert found.effective_parameters == pytest.approx(linear_fit.effective_parameters, rel=1e-9)
    assert found.condition == pytest.approx(values[-1] / values[0], rel=1e-6)
    assert found.held == np.count_nonzero(values > 1)
    assert found.variance_share == pytest.approx(1 / (1 + values[::-1]), rel=1e-6)
    assert found.posterior_sd == pytest.approx(dict(zip("abc", np.sqrt(np.diag(linear_fit.covariance)), strict=True)))
    assert found.rows == 5


def test_a_linear_problem_is_the_same_before_and_after(linear_fit):
    before, after = identifiability(linear_fit.calibration), identifiability(linear_fit)
    assert before.u.tolist() == [0, 0, 0]
    assert before.eigenvalues == pytest.approx(after.eigenvalues, rel=1e-6)
    elsewhere = identifiability(linear_fit.calibration, [1.0, 0.5, -1.0])
    assert elsewhere.u.tolist() == [1.0, 0.5, -1.0]


def product(*rows):
    """Only the product of a and b moves p; c moves nothing observed."""
    given = [stock("p", v.a * v.b), stock("q", v.b), stock("s", v.c)]
    model = Model("product", [*given, free("a", 1.0, 0.5), free("b", 1.0, 0.5), free("c", 1.0, 0.5)])
    return Calibration(model, history(*rows), ["a", "b", "c"])


def test_what_only_a_product_shows_is_confounded():
    """a·b known to one per cent: their sum of logarithms is held, their difference keeps the prior."""
    found = identifiability(product(observation("p", 1.0, 1.0, sigma=0.01)))
    assert found.held == 1
    assert found.eigenvalues == pytest.approx([2 * (0.5 / 0.01) ** 2, 0, 0], abs=1e-6)
    assert math.isinf(found.condition)
    assert found.direction(0) == "0.71 a + 0.71 b"
    assert found.as_the_prior == ("c",)
    (pair,) = found.confounded
    lam = 2 * 50.0**2
    assert (pair.first, pair.second) == ("a", "b")
    assert pair.correlation == pytest.approx((1 / (1 + lam) - 1) / (1 / (1 + lam) + 1), rel=1e-6)
    assert str(pair) == "a with b, r = -1.00"
    assert "hold 1 of 3 directions" in repr(found)
    assert "condition number infinite" in repr(found)


def test_observing_one_of_them_tells_them_apart():
    rows = [observation("p", 1.0, 1.0, sigma=0.01), observation("q", 1.0, 1.0, sigma=0.01)]
    found = identifiability(product(*rows))
    assert found.held == 2
    assert found.confounded == ()
    assert set(found.as_the_prior) == {"c"}


def test_directions_are_named_by_their_largest_loadings():
    found = identifiability(product(observation("p", 1.0, 1.0, sigma=0.01)))
    named = {found.direction(j) for j in (1, 2)}
    assert named <= {"1.00 c", "0.71 a − 0.71 b", "0.71 b − 0.71 a"}
    frame = found.to_frame()
    assert frame["held"].tolist() == [True, False, False]
    assert frame["direction"].tolist() == [found.direction(j) for j in range(3)]


HINTS = (
    Hint(("a", "b"), "only their product moves p", unless_observed="q"),
    Hint(("a", "c"), "never together"),
    Hint(("a", "other"), "not free here"),
)


def test_hints_apply_while_nothing_observed_tells_their_parameters_apart():
    row, other = observation("p", 1.0, 1.0, sigma=0.01), observation("q", 1.0, 1.0)
    assert applicable(HINTS, product(row)) == HINTS[:2]
    assert applicable(HINTS, product(row, other)) == HINTS[1:2]


def test_hints_come_with_the_correlation_and_explain_pairs():
    found = identifiability(product(observation("p", 1.0, 1.0, sigma=0.01)), hints=HINTS)
    assert [(p.first, p.second, p.why) for p in found.hinted] == [
        ("a", "b", "only their product moves p"),
        ("a", "c", "never together"),
    ]
    assert found.hinted[0].correlation == found.correlation("a", "b") < -0.99
    assert found.hinted[1].correlation == pytest.approx(0, abs=1e-9)
    assert found.confounded[0].why == "only their product moves p"
    assert "a with b, r = -1.00: only their product moves p" in repr(found)


def test_a_scale_of_noise_has_its_expected_information():
    """2 for each row and unit of its logarithm, whatever the residuals; uncorrelated with what moves the model."""
    rows = [observation("p", float(t), 2.0 + t, sigma=0.2) for t in range(1, 8)]
    scale = Nuisance("noise", "noise_scale", LogNormal(1.0, 0.6), "test")
    calibration = Calibration(linear(), history(*rows), ["a"], nuisance=[scale])
    for u in (np.zeros(2), np.array([0.3, -0.4])):
        found = fisher_information(calibration, u)
        size = 0.2 * calibration.scales(u)[0]
        assert found == pytest.approx(np.diag([7 * (0.5 / size) ** 2, 2 * 7 * 0.6**2]), rel=1e-6)
    fit = jv.fit(calibration, starts=3, progress=False)
    assert fit.chi2 == pytest.approx(min(s.final for s in fit.starts), rel=1e-9)
    assert fit.chi2 > fit.chi2_data + fit.chi2_prior


def test_points_that_do_not_run_or_fit_are_refused(linear_fit):
    with pytest.raises(CalibrationError, match=r"a point of shape \(2,\), expected one number for each of 3"):
        identifiability(linear_fit, [0.0, 0.0])
    calibration = product(observation("p", 1.0, 1.0))
    calibration.jacobian = lambda u: np.full((4, 3), math.nan)
    with pytest.raises(CalibrationError, match="do not run at this point"):
        identifiability(calibration)


def test_the_picture_is_drawn(linear_fit, tmp_path):
    assert spectrum(identifiability(linear_fit), tmp_path / "spectrum.png").stat().st_size > 10_000


def test_a_parameter_that_nothing_reads_keeps_its_prior():
    model = Model("one", [stock("p", v.a), free("a", 1.0), parameter("idle", 1.0), free("b", 1.0), stock("q", v.b)])
    found = identifiability(Calibration(model, history(observation("p", 1.0, 1.0)), ["a", "b"]))
    assert found.posterior_sd["b"] == pytest.approx(1.0, abs=1e-12)
    assert found.as_the_prior == ("b",)
