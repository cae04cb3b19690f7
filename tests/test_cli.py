"""The `jevons` command: what it prints, writes and answers with."""

from __future__ import annotations

import csv
import re
import subprocess
import sys

import pytest

from jevons.cli import cli, main
from jevons.trajectory import Trajectory


@pytest.fixture
def call(capsys):
    """Run the command in this process; returns exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help_with_an_example(call, name):
    status, out, _ = call(name, "--help")
    assert status == 0
    assert f"Example: jevons {name}" in out


def test_help_and_version(call):
    assert call("--help")[0] == 0
    assert re.search(r"\d+\.\d+\.\d+", call("--version")[1])


def test_list_names_models_scenarios_and_fits(call):
    status, out, _ = call("list")
    assert status == 0
    for name in ("world", "m0", "deepseek", "no_ai", "world-main", "world-no_bias"):
        assert name in out


def test_show_prints_equations_diagram_and_loops(call):
    assert "d/dt" in call("show", "bass")[1]
    assert "flowchart" in call("show", "bass", "--diagram")[1]
    assert re.search(r"\d+ loops", call("show", "bass", "--loops")[1])


def test_run_writes_a_csv_that_reads_back(call, tmp_path):
    path = tmp_path / "run.csv"
    status, out, _ = call(
        "run", "bass", "--from", "2", "--to", "10", "--set", "innovation=0.05", "--csv", str(path), "--every", "0.5"
    )
    assert status == 0
    assert "finished" in out and f"wrote {path}" in out
    run = Trajectory.read_csv(path)
    assert run.times[0] == 2 and run.times[-1] == 10


def test_run_with_a_scenario_file(call, tmp_path):
    path = tmp_path / "more.toml"
    path.write_text('name = "more"\n[changes.innovation]\nfactor = 2.0\nat = 1.0\n')
    assert call("run", "bass", "--to", "5", "--scenario", str(path))[1] != call("run", "bass", "--to", "5")[1]


def test_a_diverging_run_is_a_bad_answer(call):
    status, out, err = call("run", "bass", "--to", "400", "--set", "innovation=-5", "--set", "imitation=9")
    assert status == 1
    assert "diverged" in err and "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "wrld", "--to", "5"), "did you mean 'world'?"),
        (("run", "bass", "--to", "5", "--set", "inovation=1"), "did you mean 'innovation'?"),
        (("run", "bass", "--to", "5", "--set", "innovation"), "expected NAME=NUMBER"),
        (("run", "bass", "--to", "5", "--set", "innovation=much"), "expected NAME=NUMBER"),
        (("run", "bass", "--to", "-5"), "expected model start"),
        (("run", "bass", "--to", "5", "--method", "LSOD"), "did you mean 'LSODA'?"),
        (("run", "bass", "--to", "5", "--scenario", "deepsek"), "did you mean 'deepseek'?"),
        (("run", "bass", "--to", "5", "--scenario", "deepseek"), "'inference_efficiency' is no parameter"),
        (("run", "bass", "--to", "5", "--variable", "adopter"), "did you mean"),
        (("run", "bass", "--to", "5", "--csv", "/nonexistent/folder/x.csv"), "No such file"),
        (("rebound", "m0", "--shock", "algoritm", "--factor", "2", "--at", "1"), "did you mean 'algorithm'?"),
        (("rebound", "m0", "--shock", "algorithm"), "--factor, --at missing"),
        (("rebound", "m0", "--shock", "algorithm", "--factor", "-2", "--at", "1"), "expected more than 0"),
        (("rebound", "m0", "--shock", "algorithm", "--factor", "2", "--at", "-9"), "impossible"),
        (("rebound", "bass", "--shock", "algorithm", "--factor", "2", "--at", "1"), "declares no roles"),
        (("project", "--variant", "mian"), "did you mean 'main'?"),
        (("fit", "bass", "--out", "x"), "no calibration is shipped"),
        (("fit", "world", "--variant", "nobias", "--out", "x"), "did you mean 'no_bias'?"),
        (("sources",), "Missing argument"),
        (("rebuond",), "rebound"),
    ],
)
def test_a_malformed_question_gets_a_clear_error(call, arguments, message):
    status, _, err = call(*arguments)
    assert status == 2
    assert message in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback():
    with pytest.raises(Exception, match="did you mean"):
        main(["run", "wrld", "--to", "5", "--debug"])


def test_rebound_writes_a_csv(call, tmp_path):
    path = tmp_path / "rebound.csv"
    status, out, _ = call("rebound", "m0", "--shock", "algorithm", "--factor", "10", "--at", "1", "--csv", str(path))
    assert status == 0
    assert "Counterfactual: engineering run" in out
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:3] == ["time", "rebound", "cumulative"]
    assert float(rows[1][0]) == 1.0 and len(rows) > 30


def test_check_agrees(call):
    status, out, _ = call("check", "wright")
    assert status == 0
    assert out.count("agrees with LSODA") == 3


def test_sources_as_text_and_table(call, tmp_path):
    assert "Sultan" in call("sources", "bass")[1]
    path = tmp_path / "sources.csv"
    assert call("sources", "world", "--csv", str(path))[0] == 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100
    assert all(r["source"] and r["status"] for r in rows)


def test_the_installed_command_answers():
    done = subprocess.run(
        [sys.executable, "-c", "from jevons.cli import main; main(['list'])"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "world" in done.stdout
