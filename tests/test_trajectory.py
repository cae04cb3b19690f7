"""Trajectories: reading, writing, dates between dates, means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small import accumulate, auxiliary, decay, v

from jevons.errors import JevonsError
from jevons.functions import TIME
from jevons.trajectory import RunStatus, Status, Trajectory

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
NAMES = st.lists(TEXT.filter(lambda n: n.strip() and n != "time"), max_size=4, unique=True)
FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)
FINISHED = RunStatus(Status.FINISHED, 1.0)


@st.composite
def trajectories(draw):
    names = draw(NAMES)
    n = draw(st.integers(0, 4))
    times = sorted(draw(st.lists(st.floats(-1e6, 1e6), min_size=n, max_size=n)))
    rows = draw(st.lists(st.lists(FLOATS, min_size=len(names), max_size=len(names)), min_size=n, max_size=n))
    element = draw(st.none() | TEXT)
    status = RunStatus(draw(st.sampled_from(Status)), draw(st.floats(-1e6, 1e6)), element, draw(TEXT))
    values = np.array(rows, dtype=float).reshape(n, len(names))
    units = {name: draw(st.sampled_from(["1", "kUSD/H100e/yr", "TWh/yr"])) for name in names}
    return Trajectory(np.array(times), values, names, units, status, draw(TEXT), "yr")


def simple(names, values=None):
    values = np.arange(3.0 * len(names)).reshape(3, -1) if values is None else values
    return Trajectory(np.arange(3.0), values, names, dict.fromkeys(names, "1"), FINISHED, "m")


@settings(max_examples=200, deadline=None)
@given(trajectories())
@example(simple(["a", "a.1", "nan", "NA", "Unnamed: 0", '"', "a,b", "a\nb", "a\rb", "a\r\nb", " a ", "#"]))
@example(simple(["1", "1.0", "True", "\u2028", "名前", "x'y`z"]))
def test_csv_reads_back_equal(tmp_path_factory, trajectory):
    path = tmp_path_factory.mktemp("csv") / "run.csv"
    assert trajectory.to_csv(path) == path
    assert Trajectory.read_csv(path) == trajectory


def test_csv_of_a_run_reads_back_equal(tmp_path):
    run = decay().run(0, 3, every=0.1)
    again = Trajectory.read_csv(run.to_csv(tmp_path / "run.csv"))
    assert again == run
    assert again.status == run.status
    assert again["x"].attrs["unit"] == "1"


@pytest.mark.parametrize("text", ["", "time,x\n0,1\n", "# {}\ntime,x\n0,1\n", "# []\n", '# {"model": 1'])
def test_csv_that_is_no_trajectory(tmp_path, text):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(JevonsError, match="not a trajectory written by to_csv"):
        Trajectory.read_csv(path)


def test_equality_sees_every_part():
    a = simple(["x", "y"])
    assert a == simple(["x", "y"])
    assert a != simple(["y", "x"])
    changed = a.values.copy()
    changed[1, 1] = np.nextafter(changed[1, 1], 9)
    assert a != simple(["x", "y"], changed)
    assert a != "x"
    assert a != Trajectory(a.times, a.values, a.names, a.units, RunStatus(Status.DIVERGED, 1.0), "m")
    assert a != Trajectory(a.times, a.values, a.names, a.units, FINISHED, "other")
    assert a != Trajectory(a.times, a.values, a.names, {"x": "1", "y": "kW"}, FINISHED, "m")


def test_to_frame():
    run = decay().run(0, 1)
    frame = run.to_frame()
    assert list(frame.columns) == list(run.names) == ["x", "outflow"]
    assert frame.index.name == "time"
    assert np.array_equal(frame["x"], run["x"])
    assert frame.attrs["units"] == {"x": "1", "outflow": "1/yr"}
    assert list(run.to_frame(units=True).columns) == ["x [1]", "outflow [1/yr]"]


def test_to_xarray(tmp_path):
    run = decay().run(0, 1)
    data = run.to_xarray()
    assert set(data.data_vars) == {"x", "outflow"}
    assert data["outflow"].attrs["units"] == "1/yr"
    assert data["time"].attrs["units"] == "yr"
    assert np.array_equal(data["x"].values, run["x"].to_numpy())
    assert "finished" in data.attrs["status"]


def test_at_is_exact_at_dates_and_of_fourth_order_between():
    errors = []
    for every in (0.25, 0.125):
        run = decay().run(0, 4, every=every)
        assert run.at("x", 8 * 0.25) == run["x"].loc[2.0]
        middles = run.times[:-1] + every / 2
        errors.append(max(abs(run.at("x", t) - math.exp(-t / 2)) for t in middles))
    assert errors[0] < 2e-5
    assert 12 < errors[0] / errors[1] < 20


def test_at_reproduces_a_cubic():
    run = accumulate(0 / v.year, auxiliary("y", (TIME / v.year) ** 3 - 2 * TIME / v.year)).run(0, 2, every=0.5)
    for t in (0.0, 0.1, 0.77, 1.0, 1.9, 2.0):
        assert run.at("y", t) == pytest.approx(t**3 - 2 * t, abs=1e-13)


def test_at_with_few_dates_is_linear():
    assert simple(["x"]).at("x", 0.5) == 0.5


def test_annual_mean():
    run = decay().run(0, 3, every=0.125)
    for year in (0.0, 1.0, 2.0):
        expected = 2 * (math.exp(-year / 2) - math.exp(-(year + 1) / 2))
        assert run.annual_mean("x", year) == pytest.approx(expected, rel=1e-7)
    rough = decay().run(0, 3, every=0.5).annual_mean("x", 1.0)
    exact = 2 * (math.exp(-0.5) - math.exp(-1))
    assert 1e-6 < abs(rough / exact - 1) < 1e-4


def test_errors_name_what_is_wrong():
    run = decay().run(0, 2.5)
    with pytest.raises(JevonsError, match=r"'outflw' is not in this trajectory; did you mean 'outflow'\?"):
        run["outflw"]
    with pytest.raises(JevonsError, match=r"3 is outside of the trajectory, 0 to 2\.5"):
        run.at("x", 3.0)
    with pytest.raises(JevonsError, match="nan is outside"):
        run.at("x", math.nan)
    for year in (-1.0, 2.0, 0.05):
        with pytest.raises(JevonsError, match="does not cover the year"):
            run.annual_mean("x", year)
    with pytest.raises(JevonsError, match="does not cover the year"):
        decay().run(0, 2, every=1.0).annual_mean("x", 0.0)


def test_empty_trajectory():
    run = decay().run(0, 1, params={"tau": math.nan}, on_failure="return")
    assert run.times.size == 0
    assert "empty" in repr(run)
    with pytest.raises(JevonsError, match="the trajectory is empty: non-finite input"):
        run.at("x", 0.0)


def test_repr_says_what_it_is():
    assert repr(decay().run(0, 1)) == (
        "Trajectory of 'decay': 2 variables, 0 to 1, 9 dates; finished at 1: the run reached its end"
    )
