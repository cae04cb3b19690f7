"""The commands that calibrate, on a country's six values: what they write, refuse, and go on with."""

from __future__ import annotations

import pandas as pd
import pytest

import jevons as jv
from jevons.cli import main


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with a quick fit of the United States."""
    folder = tmp_path_factory.mktemp("us") / "fit"
    with pytest.raises(SystemExit) as stop:
        main(["fit", "us", "--starts", "2", "--draws", "6", "--out", str(folder)])
    assert not stop.value.code
    return folder


@pytest.fixture
def call(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def test_a_fit_leaves_a_folder_that_is_a_problem_again(fitted):
    stored = jv.load_fit(fitted)
    problem = jv.open_problem(str(fitted))
    assert problem.calibration.hash == stored.meta["problem_hash"]
    assert stored.meta["posterior"]["method"] == "randomised maximum likelihood"
    assert not (fitted / "unfinished").exists()
    assert {f.name for f in fitted.glob("*.png")} == {"waterfall.png", "identifiability.png"}


def test_what_the_data_tell_is_said_before_and_after_the_fit(call, tmp_path):
    status, out, _ = call("fit", "us", "--starts", "1", "--draws", "2", "--out", tmp_path / "f")
    assert status == 0
    before, _, after = out.partition("Fit of")
    assert "before the fit" in before
    assert before.count("held best") == after.count("held best") == 1


def test_sampling_too_little_says_so_keeps_its_steps_and_goes_on(call, fitted, tmp_path):
    status, out, err = call("sample", fitted, "--steps", "50", "--out", tmp_path / "s")
    assert status == 1
    assert "NOT CONVERGED" in out
    assert "--resume" in err
    steps = tmp_path / "s" / "unfinished" / "steps.jsonl"
    before = len(steps.read_text(encoding="utf-8").splitlines())
    assert not jv.load_fit(tmp_path / "s").meta["posterior"]["converged"]
    status, _, err = call("sample", fitted, "--steps", "50", "--out", tmp_path / "s")
    assert status == 2
    assert "resume" in err
    call("sample", fitted, "--steps", "60", "--resume", "--out", tmp_path / "s")
    assert len(steps.read_text(encoding="utf-8").splitlines()) == before + 4 * 10


def test_a_profile_writes_points_interval_and_picture(call, fitted, tmp_path):
    status, out, _ = call("profile", fitted, "--parameter", "conventional_growth", "--out", tmp_path)
    assert status == 0
    assert "90% profile interval" in out
    ends = pd.read_csv(tmp_path / "intervals.csv").iloc[0]
    assert ends["low"] < ends["best"] < ends["high"]
    assert set(pd.read_csv(tmp_path / "profiles.csv")["parameter"]) == {"conventional_growth"}
    assert (tmp_path / "conventional_growth.png").stat().st_size > 1000


def test_a_backtest_without_a_plan_says_what_is_missing(call, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('model = "bass"\nfree = ["imitation"]\nhistory = "h.csv"\n[variants.main]\nrows = ""\n')
    (tmp_path / "h.csv").write_text("variable,date,value,unit,sigma,source\nadopters,1,2,person,0.1,here\n")
    status, _, err = call("backtest", path, "--out", tmp_path / "b")
    assert status == 2
    assert "[backtest]" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["fit", "wrld"], "did you mean 'world'?"),
        (["fit", "world", "--variant", "iae"], "did you mean 'iea'?"),
        (["profile", "world", "--parameter", "satition"], "did you mean 'satiation'?"),
        (["backtest", "world", "--origin", "2023"], "expected a month such as '2023-12'"),
    ],
    ids=lambda x: "_".join(x) if isinstance(x, list) else "",
)
def test_wrong_input_names_the_nearest(call, tmp_path, arguments, expected):
    status, _, err = call(*arguments, "--out", tmp_path / "x")
    assert status == 2
    assert expected in err


def test_a_page_of_another_fit_is_refused(call, tmp_path):
    (tmp_path / "projection.csv").write_text("x\n")
    stored = jv.shipped_fit("world")
    other = stored.parameters.assign(value=2 * stored.parameters["value"])
    other.to_csv(tmp_path / "parameters.csv", index=False)
    status, _, err = call("report", "--source", tmp_path, "--out", tmp_path / "r.html")
    assert status == 2
    assert "of another fit" in err
