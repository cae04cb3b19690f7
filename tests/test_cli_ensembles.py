"""`jevons ensemble` and `jevons sensitivity`: what they print, write and answer with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import jevons as jv
from jevons.cli import main

BASS = ("ensemble", "bass", "--to", "5", "--members", "64")


@pytest.fixture
def call(capsys):
    """Run the command in this process; returns exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.fixture
def twice(tmp_path):
    """A scenario file that doubles innovation."""
    path = tmp_path / "twice.toml"
    path.write_text('name = "twice"\n[changes.innovation]\nfactor = 2.0\n')
    return path


def test_an_ensemble_is_what_python_gives(call, tmp_path, twice):
    folder = tmp_path / "out"
    status, out, err = call(
        *BASS, "--from", "1", "--every", "2", "--output", "adopters", "--output", "adoption", "--seed", "3",
        "--vary", "imitation", "--vary", "innovation=0.01:0.02", "--scenario", str(twice), "--exceed", "adopters=2e8",
        "--out", str(folder),
    )  # fmt: skip
    assert status == 0 and "jevons:" not in err
    assert "64 members, 2 scenarios (as is, twice), 3 dates, 2 outputs" in out
    assert "Quantiles at 5 (yr)" in out and "adopters [person]" in out and "2e+08" in out
    assert f"wrote {folder / 'summary.csv'}" in out

    bass = jv.load("bass")
    design = jv.Design.latin_hypercube(bass, ["imitation", "innovation"], 64, 3, {"innovation": (0.01, 0.02)})
    outputs, scenarios = ["adopters", "adoption"], [None, str(twice)]
    study = jv.Ensemble(bass, design, outputs=outputs, times=[1.0, 3.0, 5.0], scenarios=scenarios)
    result = study.run(exceed={"adopters": [2e8]})
    written = pd.read_csv(folder / "summary.csv")
    assert written["scenario"].drop_duplicates().tolist() == ["as is", "twice"]
    assert written["date"].drop_duplicates().tolist() == [1.0, 3.0, 5.0]
    assert np.array_equal(written["mean"], result.mean()["mean"])
    assert np.array_equal(written["q0.95"], result.quantiles([0.95])["value"])
    assert jv.read_ensemble(folder).exceedance().equals(result.exceedance())
    shown = f"{result.quantiles([0.5])['value'].iloc[-2]:.5g}"
    assert shown in out


def test_the_same_command_goes_on_and_another_one_is_refused(call, tmp_path):
    arguments = (*BASS, "--design", "sobol", "--keep", "members", "--out", str(tmp_path))
    first, again = call(*arguments), call(*arguments)
    assert first[0] == again[0] == 0
    assert "64 members were stored already" in again[1] and "stored already" not in first[1]
    assert first[1].partition("Quantiles")[2] == again[1].partition("Quantiles")[2]
    assert sum(part.sizes["member"] for part in jv.read_ensemble(tmp_path).members()) == 64
    status, _, err = call(*arguments, "--seed", "1")
    assert status == 2 and "holds another ensemble" in err and "seed" in err


def test_defaults_are_all_priors_and_the_last_date(call, tmp_path):
    assert call("ensemble", "bass", "--to", "2.5", "--threads", "1", "--out", str(tmp_path))[0] == 0
    labels = jv.read_ensemble(tmp_path).labels
    assert labels.members == 1024 and labels.parameters == ("innovation", "imitation", "market")
    assert labels.dates.tolist() == [0.0, 1.0, 2.0, 2.5] and labels.outputs == ("adopters",)


def test_draws_of_the_shipped_fit(call, tmp_path):
    status, _, err = call(
        "ensemble", "world", "--from", "2006", "--to", "2007", "--draws", "main", "--members", "16",
        "--output", "conventional_capacity", "--out", str(tmp_path),
    )  # fmt: skip
    assert (status, "priors" in err) == (0, False)
    draws = jv.shipped_fit("world").draws(16)
    member = jv.Simulation(jv.load("world"), [2006.0, 2007.0], ["conventional_capacity"]).run(draws[3])
    result = jv.read_ensemble(tmp_path)
    low, high = result.summary.minimum[0, 1, 0], result.summary.maximum[0, 1, 0]
    assert result.labels.members == 16 and low <= member.values[1, 0] <= high < 2 * low


def test_all_priors_of_a_fitted_model_come_with_advice(call, tmp_path):
    arguments = ("ensemble", "world", "--to", "2005.5", "--members", "16", "--output", "conventional_capacity")
    status, _, err = call(*arguments, "--out", str(tmp_path))
    assert status == 0 and "--draws main" in err


def test_failures_are_told_and_nothing_but_failures_is_a_bad_answer(call, tmp_path):
    impossible = ("--vary", "innovation=-9:-5", "--vary", "imitation=8:9")
    status, out, err = call("ensemble", "bass", "--to", "400", "--members", "20", *impossible, "--out", str(tmp_path))
    assert status == 1
    assert "diverged" in out and "0, 1, 2, 3, 4" in out
    assert "every run failed (as is)" in err


def test_worker_processes_change_nothing(call, tmp_path):
    for name, where in (("a", ("--workers", "1")), ("b", ("--threads", "1"))):
        assert call(*BASS, *where, "--out", str(tmp_path / name))[0] == 0
    assert (tmp_path / "a" / "summary.nc").read_bytes() == (tmp_path / "b" / "summary.nc").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vary", "inovation"), "parameter 'inovation' is not in the model; did you mean 'innovation'?"),
        (("--vary", "innovation=1"), "found 'innovation=1', expected NAME, or NAME=LOW:HIGH with LOW < HIGH such as"),
        (("--vary", "innovation=a:b"), "such as satiation=0.1:0.5"),
        (("--vary", "innovation=2:1"), "such as satiation=0.1:0.5"),
        (("--vary", "innovation=0:inf"), "such as satiation=0.1:0.5"),
        (("--vary", "innovation", "--vary", "innovation=0:1"), "named more than once"),
        (("--output", "adopter"), "did you mean 'adopters'?"),
        (("--exceed", "adopter=1"), "did you mean 'adopters'?"),
        (("--exceed", "adopters"), "expected NAME=NUMBER such as dc_electricity=1000"),
        (("--exceed", "adopters=many"), "expected NAME=NUMBER"),
        (("--scenario", "deepsek"), "did you mean 'deepseek'?"),
        (("--draws", "main"), "no shipped fit 'main'"),
        (("--draws", "main", "--vary", "innovation", "--seed", "1"), "give --draws or --vary and --seed, not both"),
        (("--workers", "2", "--threads", "2"), "give --workers or --threads, not both"),
        (("--from", "-1"), "the model's start, 0"),
        (("--from", "9"), "dates 9 to 5, expected --from before --to"),
        (("--from", "nan"), "expected --from before --to"),
        (("--every", "0"), "expected more than 0"),
        (("--every", "1e-9"), "raise --every"),
        (("--design", "lattice"), "is not one of"),
        (("--members", "0"), "0 is not in the range"),
    ],
)
def test_a_malformed_ensemble_gets_a_clear_error(call, tmp_path, arguments, message):
    folder = tmp_path / "out"
    status, out, err = call(*BASS, "--out", str(folder), *arguments)
    assert (status, out) == (2, "")
    assert message in err and "Traceback" not in err
    assert not folder.exists()


def test_a_parameter_without_a_prior_needs_a_range(call, tmp_path):
    exact = next(n for n, p in jv.load("world").parameters.items() if str(p.prior) == "exact")
    status, _, err = call("ensemble", "world", "--to", "2006", "--vary", exact, "--out", str(tmp_path))
    assert status == 2 and f"give its range, {exact}=LOW:HIGH" in err


def test_an_interrupted_ensemble_says_how_to_go_on(call, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(jv.Ensemble, "run", interrupted)
    status, _, err = call(*BASS, "--out", str(tmp_path))
    assert status == 130 and f"goes on from what is stored in {tmp_path}" in err


@pytest.mark.parametrize(("method", "column"), [("morris", "mu_star"), ("sobol", "total")])
def test_sensitivity_ranks_parameters(call, tmp_path, method, column):
    pytest.importorskip("SALib", reason="SALib is not installed: pip install 'jevons[sensitivity]'")
    path = tmp_path / "table.csv"
    vary = ("--vary", "market=1e9:2e9", "--vary", "innovation")
    status, out, err = call(
        "sensitivity", "bass", "--output", "adopters", "--at", "10", *vary,
        "--method", method, "--samples", "16", "--seed", "2", "--csv", str(path),
    )  # fmt: skip
    assert status == 0 and "jevons:" not in err
    assert "adopters [person] at 10: " in out and column in out and f"wrote {path}" in out
    names, ranges = ["market", "innovation"], {"market": (1e9, 2e9)}
    options = {"at": 10.0, "seed": 2, "ranges": ranges}
    bass = jv.load("bass")
    if method == "morris":
        expected = jv.morris(bass, names, "adopters", trajectories=16, **options)
    else:
        expected = jv.sobol_indices(bass, names, "adopters", samples=16, **options)
    written = pd.read_csv(path)
    assert written["parameter"].tolist() == expected["parameter"].tolist()
    assert written[column].to_numpy() == pytest.approx(expected[column].to_numpy(), rel=1e-9)


def test_sensitivity_says_which_trajectories_it_dropped(call):
    pytest.importorskip("SALib", reason="SALib is not installed: pip install 'jevons[sensitivity]'")
    # everyone adopts long before the end, or the number of adopters runs away
    status, out, err = call("sensitivity", "bass", "--at", "400", "--vary", "innovation=-1:4", "--vary", "market=1:2")
    assert status == 0 and "trajectories are dropped" in err and "Traceback" not in err
    assert "failed" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--at", "10", "--output", "adopter"), "did you mean 'adopters'?"),
        (("--at", "10", "--vary", "inovation"), "did you mean 'innovation'?"),
        (("--at", "10", "--vary", "innovation=1"), "expected NAME, or NAME=LOW:HIGH"),
        (("--at", "10", "--method", "sobol", "--samples", "65"), "expected a power of two such as 128"),
        (("--at", "10", "--method", "moris"), "is not one of"),
        (("--at", "-1"), "the model's start, 0"),
        (("--at", "0"), "does not vary with"),
        ((), "Missing option '--at'"),
    ],
)
def test_a_malformed_sensitivity_gets_a_clear_error(call, arguments, message):
    pytest.importorskip("SALib", reason="SALib is not installed: pip install 'jevons[sensitivity]'")
    status, _, err = call("sensitivity", "bass", *arguments)
    assert status == 2
    assert message in err and "Traceback" not in err
