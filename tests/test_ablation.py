"""Ablation: what is cut, what a refit makes of it, interruption, mistakes; the shipped cuts of the world."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from small import observation
from small_calibrations import history

import calibration as shipped
from jevons import Calibration, CalibrationError
from jevons.inference.ablation import Cut, ablate, read_cuts

ROWS = history(
    observation("p", 1.0, 3.0, sigma=0.2), observation("q", 1.0, 1.0, sigma=0.3),
    observation("s", 2.0, 4.0, sigma=0.1), observation("w", 2.0, 6.0, sigma=0.4),
    observation("p", 2.0, 2.5, sigma=0.2),
)  # fmt: skip


def problem(model):
    return Calibration(model, ROWS, ["a", "b", "c"])


def outcomes(model):
    return {"product": model.values["a"] * model.values["b"]}


def ablated(fit, *cuts, **options):
    return ablate(fit, cuts, problem, outcomes, **{"starts": 2, "progress": False, **options}).table.set_index("cut")


NO_B = Cut("no b", "b", "b at one", values={"b": 1.0})


def test_a_cut_costs_what_its_coordinates_say(linear_fit):
    """Of a linear problem: holding u_b costs (Δu)²/C_bb in all, b's own prior included."""
    found = ablated(linear_fit, NO_B).loc["no b"]
    covariance = linear_fit.covariance[1, 1]
    moved = 0.0 - linear_fit.u[1]  # b's prior median is 1
    total = found["d_data"] + found["d_prior"] - linear_fit.u[1] ** 2
    assert total == pytest.approx(moved**2 / covariance, rel=1e-4)
    calibration = linear_fit.calibration
    z = calibration.data_residuals(calibration.coordinates({**linear_fit.values, "b": 1.0}))
    assert found["d_data_held"] == pytest.approx(float(z @ z) - linear_fit.chi2_data)
    assert found["d_data"] < found["d_data_held"]
    assert found["status"] == "refitted"
    assert found["product_held"] == pytest.approx(linear_fit.values["a"])
    assert found["product"] != pytest.approx(found["product_held"], rel=1e-3)


def test_the_uncut_model_stands_first(linear_fit):
    table = ablated(linear_fit, NO_B, Cut("gone", "nothing", "not in the model"))
    assert table.index.tolist() == ["none", "no b", "gone"]
    assert table.loc["none", "d_data"] == 0.0
    assert table.loc["none", "product"] == pytest.approx(linear_fit.values["a"] * linear_fit.values["b"])
    assert table.loc["gone", "status"] == "not in the model"
    assert math.isnan(table.loc["gone", "chi2_data"])


def test_a_cut_that_changes_nothing_costs_nothing(linear_fit):
    """A factor of one holds a parameter where it was."""
    found = ablated(linear_fit, Cut("same", "b", "as it was", factors={"b": 1.0})).loc["same"]
    assert found["d_data"] == pytest.approx(0.0, abs=1e-6)
    assert found["d_prior"] == pytest.approx(0.0, abs=1e-6)
    assert found["product"] == pytest.approx(found["product_held"], rel=1e-5)


def test_an_edit_is_made_of_the_fitted_model(linear_fit):
    """Before the values of the cut, and with what is free refitted: here it holds nothing."""
    seen = []

    def edited(model):
        seen.append(model.values["a"])
        return model.with_values({"b": 3.0})

    found = ablated(linear_fit, Cut("edit", "b", "b at three at first", edit="edited"), edits={"edited": edited})
    assert seen == [pytest.approx(linear_fit.values["a"])]
    assert found.loc["edit", "product_held"] == pytest.approx(3 * linear_fit.values["a"])
    assert found.loc["edit", "d_data"] == pytest.approx(0.0, abs=1e-6)  # b is free, so the refit finds it again
    assert found.loc["edit", "product"] == pytest.approx(found.loc["none", "product"], rel=1e-4)


def test_an_interrupted_ablation_goes_on_where_it_was(linear_fit, tmp_path):
    seen = []

    def dying(model):
        seen.append(model.values["b"])
        if len(seen) == 4:
            raise KeyboardInterrupt
        return outcomes(model)

    cuts = [NO_B, Cut("b twice", "b", "twice", factors={"b": 2.0})]
    with pytest.raises(KeyboardInterrupt):
        ablate(linear_fit, cuts, problem, dying, starts=1, folder=tmp_path, progress=False)
    lines = (tmp_path / "ablation.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"]["cut"] for line in lines[1:]] == ["none", "no b"]
    again = ablate(linear_fit, cuts, problem, dying, starts=1, folder=tmp_path, resume=True, progress=False).table
    assert len(seen) == 6
    whole = ablate(linear_fit, cuts, problem, outcomes, starts=1, progress=False).table
    assert again.to_dict() == whole.to_dict()
    changed = [Cut("no b", "b", "b at two", values={"b": 2.0})]
    other = ablate(linear_fit, changed, problem, dying, starts=1, folder=tmp_path, resume=True, progress=False).table
    assert other.loc[1, "product_held"] == pytest.approx(2 * linear_fit.values["a"])
    with pytest.raises(CalibrationError, match="starts: found 1, expected 3"):
        ablate(linear_fit, cuts, problem, dying, starts=3, folder=tmp_path, resume=True, progress=False)


def test_cuts_of_what_is_not_there(linear_fit):
    with pytest.raises(CalibrationError) as raised:
        ablated(linear_fit, Cut("x", "x", "x", values={"aa": 1.0}, factors={"bb": 1.0}), Cut("y", "y", "y", edit="z"))
    assert raised.value.mistakes == (
        "x: 'aa' is no parameter of the model; did you mean 'a'?",
        "x: 'bb' is no parameter of the model; did you mean 'b'?",
        "y: edit 'z', expected one of none",
    )


def test_cuts_are_read_with_every_mistake(tmp_path):
    file = tmp_path / "cuts.toml"
    file.write_text(
        """
        [[cut]]
        name = "a"
        what = "w"
        how = "h"
        values = { b = "one" }
        [[cut]]
        name = "c"
        how = "h"
        value = { b = 1.0 }
        """
    )
    with pytest.raises(CalibrationError) as raised:
        read_cuts(file)
    assert raised.value.mistakes == (
        "cut 1 (a): values {'b': 'one'}, expected a table of numbers",
        "cut 2 (c): unknown key 'value', expected one of name, what, how, values, factors, edit; "
        "did you mean 'values'?",
        "cut 2 (c): what is missing",
    )
    file.write_text('[[cut]]\nname = "a"\nwhat = "w"\nhow = "h"\n' * 2)
    with pytest.raises(CalibrationError, match="cut 'a' is given more than once"):
        read_cuts(file)
    file.write_text("x = 1")
    with pytest.raises(CalibrationError, match=r"no \[\[cut\]\] table"):
        read_cuts(file)
    file.write_text("x = ")
    with pytest.raises(CalibrationError, match="is not TOML"):
        read_cuts(file)
    with pytest.raises(CalibrationError, match="cannot be read"):
        read_cuts(tmp_path / "none.toml")


def test_every_loop_of_the_world_has_its_cut(world):
    cuts = read_cuts(Path(shipped.__file__).parent / "ablation.toml")
    loops = {cut.name.split()[0] for cut in cuts}
    assert loops == {*(f"R{k}" for k in range(1, 9)), *(f"B{k}" for k in range(1, 10))}
    assert {cut.name for cut in cuts if cut.absent} == {"R6", "R8", "B9"}
    for cut in cuts:
        world.require([*cut.values, *cut.factors], world.parameters)


def test_edits_of_the_world(world):
    """What they replace, read from runs; the equations keep their units."""
    from calibration.ablation_world import frozen_need, no_ceiling

    rate = world.run(2005, 2028).at("algorithmic_efficiency", 2024.0)
    frozen = frozen_need(world).run(2005, 2028)
    for date in (2015.0, 2027.0):
        assert frozen.at("inference_compute", date) == pytest.approx(frozen.at("service_demand", date) / rate, rel=1e-6)
    assert frozen.at("algorithmic_efficiency", 2027.0) > 1.5 * rate
    free = no_ceiling(world).run(2005, 2028)
    price = free.at("service_price", 2027.0) / world.values["reservation_price"]
    expected = world.values["adopter_ceiling"] * price ** -world.values["adoption_slope"]
    assert free.at("potential_users", 2027.0) == pytest.approx(expected, rel=1e-6)
