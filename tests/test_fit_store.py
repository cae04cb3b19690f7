"""Starts of a fit on disk: killed and resumed, refused, told apart; ends that are no optimum."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small import observation, parameter, stock, v
from small_calibrations import GROWS, TRUTH, history, logistic_at

import jevons as jv
from jevons import Calibration, CalibrationError, FitError, JevonsError, Model, Normal
from jevons.inference.descent import descend, promised_gain
from jevons.inference.fit import summarise
from jevons.inference.records import Records
from jevons.inference.starts import Start, cluster
from jevons.inference.stored import load_fit, save_fit
from jevons.plot_inference import waterfall as draw_waterfall

WIDE = (np.full(1, -4.0), np.full(1, 4.0))


def problem() -> Calibration:
    rows = [observation("x", t, float(logistic_at(t)) * f, sigma=0.15) for t, f in ((1.0, 1.1), (3.0, 0.9), (5.0, 1.0))]
    return Calibration(GROWS, history(*rows), list(TRUTH))


def two_wells(upper: float = 1.0) -> Calibration:
    """y = a²: two values of `a` fit one observation; a second, vague one may prefer one of them."""
    a = parameter("a", 0.0, prior=Normal(0.0, 1.0), status="fitted")
    model = Model("wells", [stock("y", v.a**2), stock("z", v.a), a])
    rows = [observation("y", 1.0, 1.0, sigma=0.1, sigma_kind="absolute")]
    rows += [observation("z", 1.0, upper, sigma=2.0, sigma_kind="absolute")] if upper != 1.0 else []
    return Calibration(model, history(*rows), ["a"])


# Killed and resumed


CHILD = """
import sys, time
sys.path.insert(0, {tests!r})
from test_fit_store import problem
import jevons as jv
from jevons import Calibration
residuals = Calibration.residuals

def slow(self, u):
    time.sleep(0.004)
    return residuals(self, u)

Calibration.residuals = slow
jv.fit(problem(), starts=12, seed=5, folder=sys.argv[1], progress=False)
"""


def test_a_killed_fit_goes_on_and_is_the_same(tmp_path):
    """Killed from outside while it runs; then resumed, and compared with one that was left alone, bit by bit."""
    child = subprocess.Popen([sys.executable, "-c", CHILD.format(tests=str(Path(__file__).parent)), str(tmp_path)])
    stored = tmp_path / "starts.jsonl"
    deadline = time.monotonic() + 60
    while not (stored.exists() and stored.read_bytes().count(b"\n") >= 4):
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    finished = stored.read_bytes()
    done = finished.count(b"\n") - 1
    assert 3 <= done < 12
    alone = jv.fit(problem(), starts=12, seed=5, progress=False)
    calibration = problem()
    resumed = jv.fit(calibration, starts=12, seed=5, folder=tmp_path, resume=True, progress=False)
    assert stored.read_bytes().startswith(finished[: finished.rindex(b"\n") + 1])
    assert resumed.starts == alone.starts
    assert resumed.u.tobytes() == alone.u.tobytes()
    assert resumed.covariance.tobytes() == alone.covariance.tobytes()
    assert (resumed.chi2, resumed.values) == (alone.chi2, alone.values)
    whole = problem()
    jv.fit(whole, starts=12, seed=5, progress=False)
    assert 0 < calibration.evaluations < whole.evaluations


def test_what_is_finished_is_not_run_again(tmp_path):
    first = jv.fit(problem(), starts=4, seed=1, folder=tmp_path, progress=False)
    calibration = problem()
    again = jv.fit(calibration, starts=4, seed=1, folder=tmp_path, resume=True, progress=False)
    assert again.starts == first.starts
    assert calibration.evaluations <= 2  # of the summary


def test_a_torn_line_is_dropped_and_its_start_run_again(tmp_path):
    first = jv.fit(problem(), starts=4, seed=1, folder=tmp_path, progress=False)
    stored = tmp_path / "starts.jsonl"
    stored.write_bytes(stored.read_bytes()[:-25])
    assert jv.fit(problem(), starts=4, seed=1, folder=tmp_path, resume=True, progress=False).starts == first.starts
    assert [json.loads(line) for line in stored.read_text().splitlines()][-1]["u"]


def test_a_folder_with_starts_is_refused_without_resume(tmp_path):
    jv.fit(problem(), starts=3, seed=1, folder=tmp_path, progress=False)
    with pytest.raises(CalibrationError) as raised:
        jv.fit(problem(), starts=3, seed=1, folder=tmp_path, progress=False)
    assert raised.value.mistakes == ("holds 3 finished records: resume to go on from them, or give another folder",)


def test_another_fit_is_refused_with_every_difference(tmp_path):
    jv.fit(problem(), starts=3, seed=1, folder=tmp_path, progress=False)
    with pytest.raises(CalibrationError) as raised:
        jv.fit(two_wells(), starts=5, seed=2, spread=0.5, folder=tmp_path, resume=True, progress=False)
    assert raised.value.mistakes == (
        f"problem: found {problem().hash!r}, expected {two_wells().hash!r}",
        "starts: found 3, expected 5",
        "seed: found 1, expected 2",
        "spread: found 1.0, expected 0.5",
        "give another folder",
    )


def test_resume_needs_a_folder():
    with pytest.raises(CalibrationError, match="resume needs the folder to go on from, found none"):
        jv.fit(problem(), starts=1, resume=True, progress=False)


# Records


def test_records_come_back_bit_for_bit(tmp_path):
    records = Records(tmp_path / "deep" / "r.jsonl", {"job": "test", "seed": 1})
    pieces = [{"x": 0.1 + 0.2, "u": np.array([1 / 3, -1e-300]), "n": np.int64(3)}, {"x": math.inf}]
    for piece in pieces:
        records.append(piece)
    found = Records(records.path, {"job": "test", "seed": 1}, resume=True).read()
    assert found == [{"x": 0.1 + 0.2, "u": [1 / 3, -1e-300], "n": 3}, {"x": math.inf}]


@pytest.mark.parametrize("cut", [1, 10, 0])
def test_a_kill_while_the_header_is_written_loses_nothing(tmp_path, cut):
    path = tmp_path / "r.jsonl"
    Records(path, {"job": "test"})
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    Records(path, {"job": "test"}, resume=bool(cut)).append({"a": 1})
    assert path.read_bytes() == whole + b'{"a": 1}\n'


def test_files_that_are_no_records_are_refused(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text("Dear diary")
    with pytest.raises(CalibrationError, match="is no file of records"):
        Records(path, {"job": "test"}, resume=True)
    assert path.read_text() == "Dear diary"
    path.write_text('{"job": "test"}\n{"a": 1\n{"a": 2}\n')
    with pytest.raises(CalibrationError, match="line 2 is damaged"):
        Records(path, {"job": "test"}, resume=True).read()
    with pytest.raises(TypeError, match="set cannot be written"):
        Records(tmp_path / "other", {"job": "test"}).append({"a": {1}})


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationError, match="cannot be read or written"):
        Records(tmp_path / "file" / "r.jsonl", {"job": "test"})


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    records = Records(tmp_path / "r.jsonl", {"job": "test"})
    records.append({"a": 1})
    before = records.path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    opened = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, line):
            return self.file.write(line[:3])

    monkeypatch.setattr(Path, "open", lambda self, *args, **more: Full(opened(self, *args, **more)))
    with pytest.raises(CalibrationError, match="No space left"):
        records.append({"a": 2})
    monkeypatch.undo()
    assert records.path.read_bytes() == before


# Optima


def test_two_optima_that_fit_equally_well_are_told_apart():
    fit = jv.fit(two_wells(), starts=12, seed=0, progress=False)
    assert [o.values["a"] for o in fit.optima] == pytest.approx([fit.values["a"], -fit.values["a"]], abs=1e-6)
    assert abs(fit.values["a"]) == pytest.approx(1.0, abs=0.01)
    assert fit.optima[0].chi2 == pytest.approx(fit.optima[1].chi2, abs=1e-6)
    assert sorted(fit.optima[0].starts + fit.optima[1].starts) == [s.index for s in fit.starts if s.converged]
    assert "distinct optima 2" in repr(fit)
    assert fit.share_at_best == 1.0  # which alone would not tell


def test_the_waterfall_ranks_every_start(tmp_path):
    fit = jv.fit(two_wells(upper=-3.0), starts=12, seed=0, progress=False)
    table = fit.waterfall()
    assert table["rank"].tolist() == list(range(1, 13))
    assert sorted(table["start"]) == list(range(12))
    assert table["chi2"].is_monotonic_increasing
    assert set(table["optimum"]) == {1, 2}
    assert table.loc[0, "chi2"] == fit.optima[0].chi2 == pytest.approx(fit.chi2)
    assert fit.values["a"] < 0 < fit.optima[1].values["a"]
    assert fit.optima[1].chi2 > fit.chi2 + 1
    assert draw_waterfall(fit, tmp_path / "waterfall.png").stat().st_size > 10_000


def test_a_summary_without_starts_has_no_waterfall_to_draw(linear_fit, tmp_path):
    bare = summarise(linear_fit.calibration, linear_fit.u, (), 0)
    assert bare.waterfall().empty
    assert (bare.optima, bare.failed_starts) == ((), 0)
    assert "no starts" in repr(bare)
    with pytest.raises(JevonsError, match="found no start that converged"):
        draw_waterfall(bare, tmp_path / "waterfall.png")


def ended(index: int, final: float, *u: float, converged: bool = True) -> Start:
    return Start(index, 0, 9.0, final, 1, converged, "", u)


def test_distance_is_in_posterior_standard_deviations():
    """One sd apart along the flat direction is one place, along the stiff one it is not; chi-square counts too."""
    starts = [
        ended(0, 1.0, 0.0, 0.0),
        ended(1, 1.05, 0.9, 0.0),
        ended(2, 1.05, 0.0, 0.9),
        ended(3, 1.2, 0.01, 0.01),
        ended(4, 0.5, 0.0, 0.0, converged=False),
    ]
    optima = cluster(starts, lambda u: {"a": float(u[0])}, lambda u: np.diag([1.0, 100.0]))
    assert [o.starts for o in optima] == [(0, 1), (2,), (3,)]
    assert [o.number for o in optima] == [1, 2, 3]


# Ends that are no optimum


def test_failed_starts_are_counted_and_shown():
    """Starts between zero and where runs fail go uphill from the only optimum left, and end at nothing."""
    calibration = two_wells()
    residuals = calibration.residuals
    calibration.residuals = lambda u: residuals(u) * (math.nan if u[0] > 0.6 else 1.0)
    fit = jv.fit(calibration, starts=12, seed=0, progress=False)
    assert fit.values["a"] == pytest.approx(-1.0, abs=0.01)
    stuck = [s.index for s in fit.starts if not s.converged]
    assert 1 < fit.failed_starts == len(stuck) < 8
    assert all("fail" in fit.starts[k].message and 0 < fit.starts[k].u[0] <= 0.6 for k in stuck)
    assert f"failed starts {fit.failed_starts}" in repr(fit)
    table = fit.waterfall()
    assert sorted(table.loc[table["optimum"] == 0, "start"]) == stuck


def test_a_descent_that_ends_beside_failing_runs_has_not_converged():
    """Least squares stops there with success: its step became small. The optimum, at 2, is out of reach."""

    def residuals(u):
        return u - 2.0 if u[0] < 1.0 else np.array([math.nan])

    end = descend(residuals, lambda u: np.eye(1), np.zeros(1), WIDE)
    assert end.moved
    assert not end.converged
    assert "fail" in end.message
    assert descend(lambda u: u - 2.0, lambda u: np.eye(1), np.zeros(1), WIDE).converged


def test_a_descent_among_failing_runs_is_given_up():
    """The trust region would shrink for ever; what was reached last is kept."""
    calls = []

    def residuals(u):
        calls.append(u[0])
        return u - 2.0 if len(calls) < 3 else np.array([math.nan])

    end = descend(residuals, lambda u: np.eye(1) * 3, np.zeros(1), WIDE)
    assert not end.converged
    assert end.message == "the last 20 evaluations failed"
    assert end.evaluations == len(calls) == 22
    assert end.u.tolist() == [calls[1]]
    assert end.chi2 == pytest.approx((calls[1] - 2.0) ** 2)


def test_an_optimum_at_a_bound_is_one():
    end = descend(lambda u: u - 9.0, lambda u: np.eye(1), np.zeros(1), WIDE)
    assert end.converged
    assert end.u == pytest.approx([4.0], abs=1e-3)
    assert promised_gain(end.residuals, end.jacobian, end.u, WIDE) == 0
    assert promised_gain(np.array([-7.0]), np.eye(1), np.array([2.0]), WIDE) == pytest.approx(49.0)


def test_a_fit_that_never_moves_has_not_converged():
    calibration = problem()
    calibration.residuals = lambda u: np.full(6, 3.0)
    calibration.jacobian = lambda u: np.zeros((6, 3))
    with pytest.raises(FitError) as raised:
        jv.fit(calibration, starts=2, progress=False)
    assert raised.value.mistakes == ("start 0: nothing moved", "start 1: nothing moved")


# Stored


def test_stored_starts_say_where_they_ended(tmp_path):
    fit = jv.fit(problem(), starts=3, seed=1, progress=False)
    stored = load_fit(save_fit(fit, jv.randomised_draws(fit, 3, progress=False), tmp_path))
    for start, row in zip(fit.starts, stored.starts.to_dict("records"), strict=True):
        natural = fit.calibration.values(np.array(start.u))
        assert {n: row[f"end.{n}"] for n in fit.names} == pytest.approx(natural)
        assert row["optimum"] == 1
    assert stored.waterfall().equals(fit.waterfall())
    assert (stored.meta["failed_starts"], stored.meta["optima"]) == (0, 1)
