"""Ensembles: the numbers of the single runs, whatever runs them; failures counted; results as tables."""

from __future__ import annotations

import concurrent.futures
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from small_ensembles import contents, fragile, relaxation

from jevons import Change, JevonsError, ModelError, Scenario
from jevons.ensemble.design import BLOCK, Design
from jevons.ensemble.result import read_ensemble
from jevons.ensemble.run import AS_IS, Ensemble
from jevons.ensemble.sketch import ACCURACY
from jevons.errors import EnsembleError
from jevons.simulation import Simulation

TIMES = [0.0, 1.0, 3.0]
NAMES = ["tau", "size", "shift"]


@pytest.fixture(scope="module")
def model():
    return relaxation()


@pytest.fixture(scope="module")
def ensemble(model):
    design = Design.latin_hypercube(model, NAMES, 2 * BLOCK + 300, seed=7)
    return Ensemble(model, design, outputs=["x", "level"], times=TIMES)


@pytest.fixture(scope="module")
def result(ensemble):
    options = {"exceed": {"level": [0.5, 1.0], "x": [0.2]}, "trajectories": [2000, 3]}
    return ensemble.run(progress=False, **options)


@pytest.fixture(scope="module")
def exact(ensemble):
    """The analytic outputs of every member; shape (members, dates, outputs)."""
    rows = np.concatenate(list(ensemble.design.iterate(0, ensemble.design.blocks)))
    tau, size, shift = rows.T
    x = size[:, None] * np.exp(-np.array(TIMES) / tau[:, None])
    return np.stack([x, x + shift[:, None]], axis=2)


def same(a, b):
    for name in ("count", "mean", "sd", "minimum", "maximum", "exceedances"):
        assert np.array_equal(getattr(a.summary, name), getattr(b.summary, name), equal_nan=True), name
    assert all(np.array_equal(x, y) for x, y in zip(a.summary.sketch.arrays(), b.summary.sketch.arrays(), strict=True))
    assert a.summary.failures == b.summary.failures
    assert a.trajectories().equals(b.trajectories())


def test_statistics_are_those_of_the_analytic_members(result, exact):
    cube = (len(TIMES), 2)
    assert np.allclose(result.mean()["mean"], exact.mean(axis=0).ravel(), rtol=1e-6)
    assert np.allclose(result.sd()["sd"], exact.std(axis=0, ddof=1).ravel(), rtol=1e-6)
    levels = [0.0, 0.05, 0.5, 0.95, 1.0]
    found = result.quantiles(levels)["value"].to_numpy().reshape(*cube, len(levels))
    expected = np.moveaxis(np.quantile(exact, levels, axis=0), 0, -1)
    assert np.allclose(found, expected, rtol=1.01 * ACCURACY + 1e-6)
    table = result.statistics()
    assert np.allclose(table["maximum"], exact.max(axis=0).ravel(), rtol=1e-6)
    assert (table["count"] == len(exact)).all()


def test_exceedances_are_counts(result, exact):
    table = result.exceedance().set_index(["output", "threshold", "date"])
    for (output, threshold), j in {("level", 0.5): 1, ("level", 1.0): 1, ("x", 0.2): 0}.items():
        for t, date in enumerate(TIMES):
            row = table.loc[(output, threshold, date)]
            assert row["count"] == (exact[:, t, j] > threshold).sum()
            assert row["share"] == row["count"] / len(exact)


def test_chosen_members_are_kept_whole(result, exact):
    table = result.trajectories()
    assert table["member"].unique().tolist() == [3, 2000]
    values = table.pivot_table(index=["member", "date"], columns="output", values="value")
    assert np.allclose(values.loc[2000][["x", "level"]], exact[2000], rtol=1e-6)


def test_a_member_is_the_run_with_its_parameters(model, ensemble, result):
    row = dict(zip(NAMES, ensemble.design.frame([2000]).loc[2000], strict=True))
    run = Simulation(model, TIMES, ["x", "level"]).run(row)
    path = result.trajectories().query("member == 2000")["value"].to_numpy().reshape(3, 2)
    assert np.allclose(path, run.values, rtol=1e-13)


@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 3}, {"chunk": 2 * BLOCK}, {"chunk": 16 * BLOCK}])
def test_threads_and_chunks_leave_no_trace(ensemble, result, options):
    settings = {"exceed": {"level": [0.5, 1.0], "x": [0.2]}, "trajectories": [2000, 3]}
    same(ensemble.run(progress=False, **settings, **options), result)


def test_an_executor_leaves_no_trace(ensemble, result):
    settings = {"exceed": {"level": [0.5, 1.0], "x": [0.2]}, "trajectories": [2000, 3]}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        same(ensemble.run(progress=False, executor=pool, **settings), result)


def test_worker_processes_leave_no_trace(ensemble, result, tmp_path):
    settings = {"exceed": {"level": [0.5, 1.0], "x": [0.2]}, "trajectories": [2000, 3]}
    same(ensemble.run(tmp_path / "a", progress=False, workers=2, **settings), result)
    same(ensemble.run(tmp_path / "b", progress=False, **settings), result)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_what_travels_is_small_and_holds_no_compiled_code(ensemble):
    ensemble.run(progress=False)
    assert b"numba" not in pickle.dumps(ensemble._task(_labels(ensemble), _settings()))


def _settings():
    return {"keep": "summary", "quantiles": [], "exceed": {}, "trajectories": [], "chunk": BLOCK}


def _labels(ensemble):
    from jevons.ensemble.store import Labels

    return Labels.of(ensemble._manifest(_settings()))


def test_scenarios_change_every_member_from_its_own_value(model):
    scenarios = [
        None,
        Scenario("double", {"size": Change(factor=2.0)}),
        Scenario("fixed", {"size": Change(value=1.0)}),
        Scenario("later", {"tau": Change(factor=0.5, at=1.0)}),
    ]
    design = Design.random(model, ["tau", "size"], 50, seed=2)
    result = Ensemble(model, design, outputs="x", times=TIMES, scenarios=scenarios).run(
        trajectories=range(50), progress=False
    )
    assert result.labels.scenarios == (AS_IS, "double", "fixed", "later")
    tau, size = design.block(0).T[:, :, None]
    t = np.array(TIMES)
    expected = {
        AS_IS: size * np.exp(-t / tau),
        "double": 2 * size * np.exp(-t / tau),
        "fixed": np.exp(-t / tau),
        "later": size * np.exp(-np.minimum(t, 1) / tau - np.maximum(t - 1, 0) / (tau / 2)),
    }
    table = result.trajectories().pivot_table(index=["scenario", "member"], columns="date", values="value")
    for name, values in expected.items():
        assert np.allclose(table.loc[name], values, rtol=1e-6), name


def test_a_shipped_scenario_is_found_by_name(world):
    design = Design.grid({"satiation": [0.1, 0.2]})
    ensemble = Ensemble(world, design, outputs="dc_electricity", times=[2010.0], scenarios=["deepseek", None])
    assert list(ensemble.variants) == ["deepseek", AS_IS]


def test_values_for_all_members_and_methods_reach_the_runs(model):
    design = Design.grid({"size": [1.0]})
    ensemble = Ensemble(
        model, design, outputs="x", times=[1.0], params={"tau": 4.0}, method="DOPRI5", rtol=1e-10, atol=1e-12
    )
    assert ensemble.run(progress=False).mean()["mean"][0] == pytest.approx(math.exp(-0.25), rel=1e-9)


def test_members_that_fail_are_counted_and_named_and_left_out():
    model = fragile()
    design = Design.latin_hypercube(model, ["p"], 2000, seed=1)
    p = np.concatenate(list(design.iterate(0, 2)))[:, 0]
    result = Ensemble(model, design, outputs="x", times=TIMES).run(progress=False, trajectories=[0, 1, 2, 3])
    good = p <= 1
    assert result.failed == 400 == (~good).sum()
    assert (result.statistics()["count"] == 1600).all()
    assert result.mean()["mean"][2] == pytest.approx(3 * np.sqrt(1 - p[good]).mean(), rel=1e-9)
    (failure,) = result.failures().to_dict("records")
    assert failure["status"] == "diverged" and failure["variable"] in ("x", "inflow") and failure["count"] == 400
    assert failure["members"] == np.flatnonzero(~good)[:5].tolist()
    assert [row["p"] for row in failure["parameters"]] == p[~good][:5].tolist()
    assert "400 of 2,000 runs failed (20.00%)" in repr(result)
    paths = result.trajectories().query("date == 3.0").set_index("member")["value"]
    assert np.isnan(paths[~good[:4]]).all() and np.isfinite(paths[good[:4]]).all()


def test_tables_have_their_units_and_dates(result):
    quantiles = result.quantiles()
    assert quantiles.columns.tolist() == ["scenario", "date", "output", "unit", "quantile", "value"]
    assert len(quantiles) == 3 * 2 * 5 and set(quantiles["unit"]) == {"1"}
    assert quantiles["date"].unique().tolist() == TIMES
    text = repr(result)
    assert "2,348 members" in text and "members/s" in text and "0 of 2,348 runs failed (0.00%)" in text
    assert result.failures().empty


def test_a_result_becomes_a_dataset_a_file_and_a_picture(result, tmp_path):
    import matplotlib.pyplot as plt
    import pandas as pd

    data = result.to_xarray()
    assert data["mean"].sel(output="level", date=1.0, scenario=AS_IS).item() == result.summary.mean[0, 1, 1]
    assert data["quantiles"].sizes["quantile"] == 5
    table = pd.read_csv(result.to_csv(tmp_path / "r.csv"))
    assert np.allclose(table["mean"], result.mean()["mean"], rtol=1e-14)
    assert {"q0.05", "q0.5", "q0.95", "unit"} <= set(table.columns)
    axes = result.plot("level")
    assert axes.get_ylabel() == "level [1]" and len(axes.lines) == 1
    plt.close(axes.figure)
    with pytest.raises(JevonsError, match="did you mean 'level'"):
        result.plot("levle")


def test_all_values_of_all_members_can_be_kept_and_streamed(model, exact, ensemble, tmp_path):
    result = ensemble.run(tmp_path, keep="members", progress=False)
    parts = list(result.members(["level"]))
    assert [part.sizes["member"] for part in parts] == [BLOCK, BLOCK, 300]
    level = np.concatenate([part["level"].to_numpy() for part in parts])
    assert np.allclose(level[:, 0], exact[:, :, 1], rtol=1e-6)
    rows = np.concatenate([part["parameters"].to_numpy() for part in parts])
    assert np.array_equal(rows, np.concatenate(list(ensemble.design.iterate(0, 3))))
    assert (parts[0]["status"] == 0).all() and (parts[0]["reached"] == 3.0).all()
    with pytest.raises(EnsembleError, match="did you mean 'level'"):
        result.members(["levle"])


def test_a_stored_result_is_read_as_it_was(ensemble, tmp_path):
    settings = {"exceed": {"x": [0.2]}, "trajectories": [5], "quantiles": [0.5, 0.9]}
    result = ensemble.run(tmp_path, progress=False, **settings)
    again = read_ensemble(tmp_path)
    same(result, again)
    assert again.quantiles().equals(result.quantiles()) and again.exceedance().equals(result.exceedance())
    assert again.quantiles([0.123]).equals(result.quantiles([0.123]))
    assert "members/s" not in repr(again)
    with pytest.raises(JevonsError, match="were not kept"):
        again.members()


def test_all_mistakes_of_a_run_come_at_once(ensemble):
    with pytest.raises(EnsembleError) as caught:
        ensemble.run(
            threads=0, workers=-1, chunk=1500, keep="all", quantiles=[0.5, 1.5],
            exceed={"levle": [1.0], "x": [math.nan]}, trajectories=[5000],
        )  # fmt: skip
    for part in (
        "threads 0",
        "workers -1",
        "chunk 1500, expected a multiple",
        "keep 'all'",
        "quantile 1.5",
        "'levle' is not among the outputs; did you mean 'level'?",
        "'x' above nan",
        "no member 5000",
    ):
        assert part in str(caught.value)
    with pytest.raises(EnsembleError, match="needs a folder"):
        ensemble.run(keep="members")


def test_what_the_model_lacks_is_told_at_once(model):
    design = Design.rows([{"tua": 1.0, "size": 1.0}])
    with pytest.raises(EnsembleError) as caught:
        Ensemble(model, design, outputs="x", times=TIMES, params={"siez": 1.0, "size": 1.0}, scenarios=[None, None])
    for part in ("'tua' is not in the model; did you mean 'tau'?", "'siez'", "in params and in the design", "'as is'"):
        assert part in str(caught.value)
    with pytest.raises(ModelError, match="did you mean 'level'"):
        Ensemble(model, Design.grid({"size": [1]}), outputs="levle", times=TIMES)


def test_a_bar_counts_members_and_failures(capfd):
    model = fragile()
    ensemble = Ensemble(model, Design.latin_hypercube(model, ["p"], 100), outputs="x", times=[1.0])
    ensemble.run(progress=False)
    ensemble.run()
    assert capfd.readouterr().err == ""
    ensemble.run(progress=True)
    shown = capfd.readouterr()
    assert "100/100" in shown.err and "failed=20" in shown.err and "member/s" in shown.err and shown.out == ""


MEMORY = """
import resource, sys
import jevons as jv
from jevons.ensemble.design import Design
from jevons.ensemble.run import Ensemble

bass = jv.load("bass")
design = Design.latin_hypercube(bass, ["innovation", "imitation"], int(sys.argv[1]), seed=1)
ensemble = Ensemble(bass, design, outputs="adopters", times=[2.0, 4.0, 6.0, 8.0], dt=1.0)
ensemble.run(sys.argv[2], keep="members", progress=False, chunk=8192)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_members(tmp_path):
    def peak(members, name):
        arguments = [sys.executable, "-c", MEMORY, str(members), str(tmp_path / name)]
        return int(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)

    peak(1024, "first")  # compiles
    assert peak(2**18, "many") < 1.1 * peak(2**14, "few")


def test_importing_stays_light():
    code = "import sys; sys.modules['dask'] = None; import jevons.ensemble.sensitivity; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = ("pandas", "xarray", "scipy.stats", "tqdm", "h5netcdf", "numba", "SALib")
    assert not [name for name in heavy if f"'{name}'" in done.stdout]
