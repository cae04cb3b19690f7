"""The commands that look at one model, and Vensim and XMILE files as the model of every command."""

from __future__ import annotations

import pandas as pd
import pytest
from click.testing import CliRunner

from jevons.cli import cli, main

CUP = """{UTF-8}
Temperature = INTEG(-Heat Loss, 180) ~ Degrees ~ What is in the cup. |
Heat Loss = (Temperature - Room Temperature) / Characteristic Time ~ Degrees/Minute ~ |
Room Temperature = 70 ~ Degrees [50, 90] ~ |
Characteristic Time = 10 ~ Minute ~ |
FINAL TIME = 30 ~ Minute ~ |
INITIAL TIME = 0 ~ Minute ~ |
SAVEPER = 1 ~ Minute ~ |
TIME STEP = 0.125 ~ Minute ~ |
"""


@pytest.fixture
def cup(tmp_path):
    path = tmp_path / "cup.mdl"
    path.write_text(CUP, encoding="utf-8")
    return path


def call(*arguments):
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    return result.exit_code, result.output


def euler(temperature, steps, dt=0.125):
    for _ in range(steps):
        temperature -= dt * (temperature - 70) / 10
    return temperature


def test_import_says_what_is_in_a_file_and_runs_it_as_it_says(cup, tmp_path):
    status, said = call("import", cup, "--csv", tmp_path / "run.csv")
    assert status == 0
    assert "1 stock" in said and "Euler, step 0.125" in said and "finished at 30" in said
    table = pd.read_csv(tmp_path / "run.csv", comment="#", index_col="time")
    assert len(table) == 31  # every SAVEPER
    assert table["Temperature"].iloc[-1] == pytest.approx(euler(180, 240), rel=1e-12)


def test_import_compares_with_an_export(cup, tmp_path):
    export = tmp_path / "vensim.csv"
    export.write_text(f"Time,Temperature,Room Temperature\n0,180,70\n30,{euler(180, 240)},\n", encoding="utf-8")
    status, said = call("import", cup, "--compare", export)
    assert status == 0 and "2 of 2 variables agree" in said
    export.write_text("Time,Temperature\n0,180\n30,80\n", encoding="utf-8")
    status, said = call("import", cup, "--compare", export)
    assert status == 1 and "0 of 1 variables agree" in said


def test_import_compares_with_a_run_that_it_wrote(cup, tmp_path):
    assert call("import", cup, "--csv", tmp_path / "run.csv")[0] == 0
    status, said = call("import", cup, "--compare", tmp_path / "run.csv")
    assert status == 0 and "2 of 2 variables agree" in said


def test_export_never_writes_over_the_model(cup):
    status, said = call("export", cup, cup)
    assert status == 2 and "is the model itself" in said
    assert cup.read_text(encoding="utf-8") == CUP


def test_a_file_is_the_model_of_run_show_and_sources(cup):
    status, said = call("run", cup, "--set", "Room Temperature=60", "--to", "10")
    assert status == 0 and "Temperature [Degrees]" in said
    assert call("show", cup)[0] == 0
    status, said = call("sources", cup)
    assert status == 0 and "imported" in said and "cup.mdl, line" in said


def test_check_of_a_file_reports_units_and_step(cup):
    status, said = call("check", cup)
    assert status == 0
    assert "consistent" in said and "observed order of convergence: 1.00" in said
    cup.write_text(
        CUP.replace("Characteristic Time = 10 ~ Minute", "Characteristic Time = 10 ~ Degrees"), encoding="utf-8"
    )
    status, said = call("check", cup)
    assert status == 1 and "Heat Loss" in said


def test_equilibrium_of_a_file(cup):
    status, said = call("equilibrium", cup)
    assert status == 0 and "stable node" in said and "time constant 10 Minute" in said


def test_page_of_a_file(cup, tmp_path):
    status, _ = call("page", cup, tmp_path / "cup.html")
    assert status == 0
    assert "Room Temperature" in (tmp_path / "cup.html").read_text(encoding="utf-8")


def test_export_of_a_file_reads_back(cup, tmp_path):
    assert call("export", cup, tmp_path / "cup.xmile")[0] == 0
    status, said = call("import", tmp_path / "cup.xmile")
    assert status == 0 and "finished at 30" in said


@pytest.mark.parametrize("ending", ["xmile", "mdl"])
def test_an_exported_equation_keeps_its_saving_interval_and_step(ending, cup, tmp_path):
    cup.write_text(CUP + "saved = 3 * SAVEPER ~~|\nstepped = 2 * TIME STEP ~~|\n", encoding="utf-8")
    assert call("export", cup, tmp_path / f"back.{ending}")[0] == 0
    assert call("import", tmp_path / f"back.{ending}", "--csv", tmp_path / "run.csv")[0] == 0
    table = pd.read_csv(tmp_path / "run.csv", comment="#", index_col="time")
    assert (table["saved"].iloc[-1], table["stepped"].iloc[-1]) == (3.0, 0.25)


def test_a_model_that_cannot_be_translated_is_refused_with_line_and_reason(cup, capsys):
    cup.write_text(CUP + "x = FROBNICATE(Temperature) ~~|\ny = Temprature ~~|\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main(["import", str(cup)])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert "line 10" in said and "FROBNICATE" in said
    assert "line 11" in said and "'temprature'" in said and "did you mean 'Temperature'" in said


def test_an_option_that_names_a_file_needs_both_parts(cup):
    status, said = call("import", cup, "--file", "history.xlsx")
    assert status == 2 and "expected ?NAME=PATH" in said
