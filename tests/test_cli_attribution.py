"""The commands loops and attribution: what they write and what they refuse."""

from __future__ import annotations

import pandas as pd
import pytest
from click.testing import CliRunner

from jevons.cli import cli


def ask(*arguments):
    return CliRunner().invoke(cli, list(arguments))


def test_loops_writes_scores_and_a_figure(tmp_path):
    done = ask("loops", "bass", "--to", "25", "--parts", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    shifts = pd.read_csv(tmp_path / "loop_shifts.csv")
    assert any(abs(shifts.select_dtypes("number") - 6.19262).min() < 1e-3)
    assert (tmp_path / "loops.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("loops", "bas", "--to", "25", "--out", "x"), "did you mean 'bass'?"),
        (("loops", "bass", "--out", "x"), "Missing option '--to'"),
        (("attribution", "bass", "--out", "x"), "declares no roles"),
        (
            ("attribution", "world", "--scenario", "grid_cap", "--out", "x"),
            "'largest_power_growth' is not an efficiency",
        ),
        (("attribution", "world", "--scenario", "depseek", "--out", "x"), "did you mean 'deepseek'?"),
    ],
)
def test_what_is_refused(arguments, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = ask(*arguments)
    assert done.exit_code != 0
    assert expected in done.output + str(done.exception)
