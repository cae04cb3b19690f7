"""What ensembles, sensitivity, loops, scenarios and displays make of models that come from files."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
import sympy as sp
from click.testing import CliRunner

import jevons as jv
from jevons import display
from jevons.cli_attribution import loops as loops_command
from jevons.cli_ensembles import ensemble as ensemble_command
from jevons.cli_ensembles import sensitivity as sensitivity_command
from jevons.errors import EnsembleError, JevonsError, ModelError, ScenarioError
from jevons.loop_scores import loop_scores
from jevons.loop_scores.links import link_scores
from jevons.loops import BALANCING, REINFORCING, feedback_loops, links
from jevons.scenario import Change, Scenario, read_scenario

MODEL = """{UTF-8}
Region: North, South ~~|
"GDP/capita"[Region]= INTEG ("growth <b>"[Region] - losses[Region], 100) ~ Dollar ~ A slash in its name. |
"growth <b>"[Region]= "GDP/capita"[Region]*Growth Rate[Region] + Noise Size*RANDOM NORMAL(-5, 5, 0, 1, NOISE SEED)
 + STEP(2, 4.6) ~ Dollar/Year ~ |
losses[Region]= "GDP/capita"[Region]*"GDP/capita"[Region]/Limit*Growth Rate[Region] ~ Dollar/Year ~ |
Growth Rate[North]= 0.2 ~ 1/Year [0,1] ~ Limits. |
Growth Rate[South]= 0.3 ~ 1/Year ~ |
Limit= 500 ~ Dollar ~ |
Noise Size= 0 ~ Dollar/Year ~ |
Memory= SMOOTH3I("GDP/capita"[North], Delay Time, 90) ~ Dollar ~ |
Delay Time= 4 ~ Year [1,20] ~ |
Late= DELAY FIXED("GDP/capita"[South], 1, 100) ~ Dollar ~ |
status= 2*Limit ~ Dollar ~ |
Steps( (0,1),(150,2),(300,4) ) ~ Dmnl ~ |
Level= Steps("GDP/capita"[North]) + MAX(0, MAX(Memory - 95, Late - 120)) ~ Dmnl ~ |
NOISE SEED= 7 ~ Dmnl ~ |
FINAL TIME  = 12 ~ Year ~ |
INITIAL TIME  = 0 ~ Year ~ |
SAVEPER  = 0.5 ~ Year ~ |
TIME STEP  = 0.25 ~ Year ~ |
"""
NORTH, SOUTH = "GDP/capita[North]", "GDP/capita[South]"
OUTPUTS = [NORTH, "Memory", "Late"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("imported") / "regions.mdl"
    file.write_text(MODEL, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def model(path):
    return jv.read_vensim(path)


def stepped(
    step: float = 0.25, rate: float = 0.2, at: float = 4.6, end: float = 12.0, change: float = math.inf
) -> list:
    """North's stock by Euler's method, written out; from `change` on with twice the rate."""
    x, found = 100.0, [100.0]
    for k in range(round(end / step)):
        t = k * step
        r = rate * (2 if t >= change - 1e-9 else 1)
        x += step * (x * r + (2 if t + step / 2 > at else 0) - x * x / 500 * r)
        found.append(x)
    return found


# Ensembles


def test_members_are_the_single_runs_of_the_file(model):
    rng = np.random.default_rng(1)
    rows = [{"Growth Rate[North]": r, "NOISE SEED": s, "Noise Size": 3.0}
            for r, s in zip(rng.uniform(0.1, 0.3, 5), range(5), strict=True)]  # fmt: skip
    times = np.arange(0, 12.5, 0.5)
    study = jv.Ensemble(model, jv.Design.rows(rows), outputs=OUTPUTS, times=times)
    paths, failures = study.collect(progress=False)
    assert not failures
    for row, found in zip(rows, paths.values[:, 0], strict=True):
        run = model.run(params=row)
        assert run.times.tolist() == times.tolist()
        for j, name in enumerate(OUTPUTS):
            assert found[:, j] == pytest.approx(run[name].to_numpy(), rel=1e-12)
    assert len({paths.values[i, 0, -1, 0] for i in range(5)}) == 5


def test_another_seed_is_another_noise_and_the_same_one_the_same(model):
    rows = [{"NOISE SEED": s, "Noise Size": 3.0} for s in (1, 2, 1)]
    study = jv.Ensemble(model, jv.Design.rows(rows), outputs=[NORTH], times=[6.0, 12.0])
    first, second, third = study.collect(progress=False)[0].values[:, 0, :, 0]
    assert first.tolist() == third.tolist() and (first != second).all()


def test_the_step_is_the_same_for_all_members(model):
    design = jv.Design.rows([{"TIME STEP": 0.5}])
    with pytest.raises(EnsembleError, match="'TIME STEP' holds the step"):
        jv.Ensemble(model, design, outputs=[NORTH], times=[1.0])


def test_one_command_runs_an_ensemble_of_a_file(path, model, tmp_path):
    out = tmp_path / "out"
    arguments = [str(path), "--vary", "Growth Rate[North]=0.1:0.3", "--vary", "Delay Time", "--members", "32"]
    chosen = ["--output", NORTH, "--output", "Memory", "--keep", "members", "--out", str(out)]
    result = CliRunner().invoke(ensemble_command, [*arguments, *chosen], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "32 members" in result.output and f"{NORTH} [Dollar]" in result.output
    written = pd.read_csv(out / "summary.csv")
    assert written["output"].unique().tolist() == [NORTH, "Memory"]
    assert written["date"].unique().tolist() == np.arange(0, 12.5, 0.5).tolist()
    stored = jv.read_ensemble(out)
    assert stored.labels.parameters == ("Growth Rate[North]", "Delay Time")
    (part,) = stored.members()
    last = dict(zip(stored.labels.parameters, part["parameters"].to_numpy()[-1].tolist(), strict=True))
    run = model.run(params=last)[NORTH].to_numpy()
    assert part[NORTH].to_numpy()[-1, 0] == pytest.approx(run, rel=1e-12)
    default = CliRunner().invoke(
        ensemble_command, [str(path), "--vary", "Limit=400:600", "--members", "4", "--out", str(tmp_path / "default")]
    )
    assert default.exit_code == 0 and SOUTH in default.output


def test_outputs_that_are_called_as_what_datasets_hold(model, tmp_path):
    study = jv.Ensemble(model, jv.Design.rows([{"Limit": 400.0}, {"Limit": 450.0}]), outputs=["status"], times=[1.0])
    (part,) = study.run(tmp_path, keep="members", progress=False).members()
    assert part["output status"].to_numpy().ravel().tolist() == [800.0, 900.0]
    assert part["status"].to_numpy().tolist() == [[0], [0]]


def test_one_command_ranks_parameters_of_a_file(path, tmp_path):
    pytest.importorskip("SALib")
    table = tmp_path / "table.csv"
    options = ["--vary", "Growth Rate[North]=0.1:0.3", "--vary", "Growth Rate[South]=0.1:0.3", "--csv", str(table)]
    result = CliRunner().invoke(sensitivity_command, [str(path), *options, "--output", NORTH], catch_exceptions=False)
    assert result.exit_code == 0 and f"{NORTH} [Dollar] at 12:" in result.output
    found = pd.read_csv(table).set_index("parameter")["mu_star"]
    assert found["Growth Rate[North]"] > 10 and found["Growth Rate[South]"] == 0


def test_a_shipped_model_still_needs_its_last_date(tmp_path):
    for command, option in ((ensemble_command, "--to"), (loops_command, "--to"), (sensitivity_command, "--at")):
        out = [] if command is sensitivity_command else ["--out", str(tmp_path)]
        result = CliRunner().invoke(command, ["bass", *out])
        expected = f"Missing option '{option}': bass does not say when a run ends"
        assert result.exit_code == 2 and expected in result.output


# Loops


def test_loops_of_a_file(model):
    found = {frozenset(loop.path): loop.polarity for loop in model.loops()}
    assert found[frozenset({NORTH, "growth <b>[North]"})] == REINFORCING
    assert found[frozenset({NORTH, "losses[North]"})] == BALANCING
    assert model.loops().complete


@pytest.mark.parametrize("method", [None, "LSODA"])
def test_scores_are_those_of_the_run_however_it_was_made(model, method):
    quiet = model.with_values({"Limit": 700.0})
    run = quiet.run(method=method)
    scores = loop_scores(quiet, run)
    x = run[NORTH].to_numpy()
    share = dict(zip([frozenset(p.path) for p in scores.paths], scores.relative, strict=True))
    grows, shrinks = share[frozenset({NORTH, "growth <b>[North]"})], share[frozenset({NORTH, "losses[North]"})]
    expected = 1 / (1 + 2 * x / 700)  # |r x'| against |2 r x x'/limit|
    assert grows == pytest.approx(expected, rel=1e-6) and shrinks == pytest.approx(expected - 1, rel=1e-6)


def test_scores_of_a_noisy_run_are_those_of_its_own_noise(model):
    noisy = model.with_values({"Noise Size": 3.0, "NOISE SEED": 4.0})
    assert loop_scores(noisy, noisy.run()).complete
    with pytest.raises(JevonsError, match="not one of this model with these parameter values"):
        loop_scores(noisy.with_values({"NOISE SEED": 5.0}), noisy.run())


def test_a_table_of_steps_has_no_slope(model):
    held = model.with_elements([sp_table(model, "hold")])
    assert (NORTH, "Level") not in {(a, b) for a, b in links(held)[["source", "target"]].to_numpy().tolist()}
    assert (NORTH, "Level") in {(a, b) for a, b in links(model)[["source", "target"]].to_numpy().tolist()}
    run = held.run()
    scored = link_scores(held, run)
    number = {(scored.names[a], scored.names[b]): i for i, (a, b) in enumerate(scored.links)}
    assert not scored.scores[number[NORTH, "Level"]].any()
    assert feedback_loops(held, run=run).complete


def sp_table(model, between):
    old = model.elements["Steps"]
    return jv.Table(
        old.name, old.unit, x_unit=old.x_unit, points=old.points, outside="clamp", between=between, source="test",
        status="imported", doc="",
    )  # fmt: skip


def test_one_command_scores_the_loops_of_a_file(path, tmp_path):
    result = CliRunner().invoke(loops_command, [str(path), "--out", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 0 and "all there are" in result.output
    table = pd.read_csv(tmp_path / "loops.csv")
    assert f"{NORTH} → losses[North] → {NORTH}" in set(table["path"])
    assert pd.read_csv(tmp_path / "loop_scores.csv")["time"].max() == 12.0
    assert (tmp_path / "loops.png").stat().st_size > 0


# Scenarios


def test_a_dated_change_acts_on_the_steps_of_the_file(model, tmp_path):
    file = tmp_path / "twice.toml"
    file.write_text('[changes."Growth Rate[North]"]\nfactor = 2\nat = 6\n', encoding="utf-8")
    changed = read_scenario(file).apply(model)
    assert changed.run()[NORTH].to_numpy() == pytest.approx(stepped(change=6.0)[::2], rel=1e-12)
    assert model.run()[NORTH].to_numpy() == pytest.approx(stepped()[::2], rel=1e-12)
    whole = Scenario("whole", {"Growth Rate[North]": Change(value=0.1, unit="1/Year")}).apply(model)
    assert whole.run()[NORTH].to_numpy() == pytest.approx(stepped(rate=0.1)[::2], rel=1e-12)
    design = jv.Design.rows([{"Growth Rate[North]": 0.15}])
    study = jv.Ensemble(model, design, outputs=[NORTH], times=[12.0], scenarios=[read_scenario(file)])
    (variant,) = study.variants.values()
    (target,) = variant.names
    assert variant.simulation.run({target: 0.15}).values[-1, 0] == pytest.approx(stepped(rate=0.15, change=6.0)[-1])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("Growth rate[North]", Change(factor=2), r"did you mean 'Growth Rate\[North\]'"),
        ("Late", Change(value=2), r"'Late' \(Auxiliary\) is no parameter or driver"),
        (
            "Limit",
            jv.step(3.0, 5.0),
            r"expected Change\(factor=...\) or Change\(value=...\), with at=... for a dated one",
        ),
        ("Limit", Change(value=3, unit="Euro"), "unit 'Euro', expected the model's own as it is written, 'Dollar'"),
        ("TIME STEP", Change(value=0.5, at=3.0), "holds the step or the end of a run, and cannot change during it"),
        ("Limit", Change(value=3, at=-1.0), "date -1 is impossible, the model begins at 0"),
    ],
)
def test_changes_that_a_file_cannot_take_are_refused(model, name, change, message):
    with pytest.raises(ScenarioError, match=message):
        Scenario("s", {name: change}).apply(model)


def test_a_late_date_is_possible_where_the_file_ends_later(model):
    settings = jv.Model(
        "long", [*model.elements.values()], check_units=False,
        settings=type(model.settings)(end=5000.0, dt=0.25, every=1.0), time_unit="Minute",
    )  # fmt: skip
    assert Scenario("late", {"Limit": Change(value=300, at=4000.0)}).check(settings) is None


def test_a_changed_driver_keeps_how_it_is_read():
    data = jv.Driver(
        "d",
        "",
        x_unit="",
        points=((0, 1), (2, 5)),
        outside="clamp",
        between="hold",
        source="",
        status="imported",
        doc="",
    )
    flow = jv.Flow("f", "", equation=jv.symbol("d"), target="x", doc="")
    model = jv.Model("m", [data, flow, jv.Stock("x", "", initial=0.0, doc="")], check_units=False)
    changed = Scenario("s", {"d": Change(factor=3, at=1.0)}).apply(model)
    assert changed.elements["d_reference"].between == "hold"
    assert changed.run(0, 2, every=0.5)["x"].iloc[-1] == pytest.approx(1 + 3)


# Display


def test_equations_of_names_that_are_more_than_words(model):
    text = display.equations(model)
    assert "d/dt GDP/capita[North] = growth <b>[North] − losses[North]" in text
    assert '"GDP/capita[North]"*Growth Rate[North]' in text
    assert "  Growth Rate[North]  [1/Year]  = 0.2  imported" in re.sub(r" {2,}", "  ", text)
    assert "<b>" not in display.latex(model) and "<b>" not in display.mermaid(model, information=True)
    table = model.sources().set_index("name")
    assert table.loc["Growth Rate[North]", "prior"] == "0 to 1"
    assert table.loc["Growth Rate[North]", "source"].startswith("regions.mdl, line ")


def test_control_characters_of_a_name_do_not_reach_the_terminal():
    name = "red\x1b[31m\u202eevil"
    model = jv.Model(
        "m\x07", [jv.Auxiliary(name, "", equation=sp.Integer(1), doc="")], doc="a\x1b]b", check_units=False
    )
    for text in (display.equations(model), display.brief(model), display.latex(model)):
        assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert r"red\x1b[31m\u202eevil" in display.equations(model)


def test_a_large_model_shows_its_beginning_and_says_how_much_more_there_is():
    count = 1200
    elements = [jv.Auxiliary(f"a {i}", "", equation=jv.symbol(f"a {i - 1}") if i else sp.Integer(1), doc="")
                for i in range(count)]  # fmt: skip
    model = jv.Model("large", elements, check_units=False)
    text = display.brief(model)
    assert f"... and {count - display.SHOWN:,} more elements" in text and "1200 auxiliaries" in text
    assert text.count("\n  a ") == display.SHOWN
    assert display.equations(model).count("\n  a ") == count
    assert f"and {count - display.SHOWN:,} more equations" in display.latex(model)
    few = jv.Model("few", elements[:5], check_units=False)
    assert display.brief(few) == display.equations(few)


def test_parameters_of_a_file_are_asked_for_by_name(model):
    with pytest.raises(ModelError, match=r"did you mean 'Growth Rate\[North\]'"):
        model.with_values({"Growth Rate[Nord]": 1.0})
