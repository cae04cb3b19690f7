"""Our own models: beside PySD's recorded runs, and beside sums done here by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from jevons.interchange.importer import read_vensim
from jevons.interchange.results import canonical_name, compare_runs

from .judge import run_ours
from .own_models import FOLDER, JUDGED_BY_PYSD, own_case

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def run(file):
    ours = run_ours(own_case(file))
    assert ours.status == "ran", ours.reason
    return ours.run


def column(frame, name):
    (found,) = [c for c in frame.columns if canonical_name(c) == canonical_name(name)]
    return frame[found].to_numpy()


@pytest.mark.parametrize("stem", JUDGED_BY_PYSD)
def test_models_that_pysd_runs_too(stem):
    case = own_case(f"{stem}.mdl")
    table = compare_runs(run(case.name), case.reference, rtol=1e-9, atol=1e-9)
    assert table.agrees.all(), table[~table.agrees]


def test_an_element_as_a_number_is_its_place():
    frame = run("arrays.mdl")
    assert [column(frame, f"own place[{e}]")[0] for e in ("north", "south", "east")] == [0, 0, 1]


def test_a_mapping_in_another_order():
    frame = run("mapping.mdl")
    assert [column(frame, f"mapped[{e}]")[0] for e in ("c1", "c2")] == [22, 14]


def test_what_is_not_available_is_a_number():
    frame = run("starts.mdl")
    times = frame.index.to_numpy()
    assert np.array_equal(column(frame, "fallback"), np.where(times < 4, 5, times))


def test_data_with_gaps():
    frame = run("data.mdl")
    times = frame.index.to_numpy()
    sun = np.interp(times, [0, 2, 3, 6, 8], [1, 5, 4, 10, 2])
    price = np.select([times < 3, times < 6], [0.30, 0.25], 0.40)
    ahead = np.select([times <= 0, times <= 3, times <= 6], [0.30, 0.25, 0.40], 0.35)
    assert column(frame, "bet") == pytest.approx(sun * ahead)
    earned = np.concatenate([[0], np.cumsum(0.5 * sun * price)[:-1]])
    assert column(frame, "earned") == pytest.approx(earned)


def test_macros_see_the_names_of_the_model():
    frame = run("outer_names.mdl")
    times = frame.index.to_numpy()
    assert column(frame, "steps") == pytest.approx(times / 0.25)
    copy, expected = 1.0, []
    for t in times:
        expected.append(copy)
        copy += 0.25 * (0 if t < 2 else (1 + (4 if t >= 1 else 0) - copy) / 3)
    assert column(frame, "copy") == pytest.approx(expected)


def test_draws_repeat_themselves_and_have_their_moments():
    first, again = run("random.mdl"), run("random.mdl")
    assert np.array_equal(first.to_numpy(), again.to_numpy())
    even, bell = column(first, "even"), column(first, "bell")
    n = even.size
    assert even.min() >= 2
    assert even.max() <= 4
    assert even.mean() == pytest.approx(3, abs=5 * (2 / math.sqrt(12)) / math.sqrt(n))
    assert bell.mean() == pytest.approx(3, abs=5 * 0.5 / math.sqrt(n))
    assert bell.std() == pytest.approx(0.5, rel=0.15)
    assert abs(np.corrcoef(even, bell)[0, 1]) < 5 / math.sqrt(n)
    assert abs(np.corrcoef(bell[1:], bell[:-1])[0, 1]) < 5 / math.sqrt(n)
    assert column(first, "walk") == pytest.approx(np.concatenate([[0], np.cumsum(0.5 * (bell - 3))[:-1]]))


def test_another_seed_draws_otherwise():
    model = read_vensim(FOLDER / "random.mdl")
    assert not np.array_equal(model.run()["even"], model.run(params={"seed": 8.0})["even"])


def test_adaptive_steps_meet_the_limit_of_small_steps():
    model = read_vensim(FOLDER / "lookups.mdl")
    smooth = model.run(method="LSODA", rtol=1e-9)
    coarse, fine = (model.run(method="Euler", dt=dt)["animals"].iloc[-1] for dt in (1 / 128, 1 / 256))
    assert smooth["animals"].iloc[-1] == pytest.approx(2 * fine - coarse, rel=1e-4)
    assert smooth["animals"].iloc[-1] != pytest.approx(model.run()["animals"].iloc[-1], rel=1e-3)


def test_graphical_functions():
    frame = run("tables.xmile")
    t = frame.index.to_numpy()
    kept = ([0, 1, 2, 3, 4], [0, 1, 4, 9, 16])
    assert column(frame, "a") == pytest.approx(np.interp(t, *kept))
    assert column(frame, "looked up") == pytest.approx(np.interp(t - 1, *kept))
    assert column(frame, "b") == pytest.approx(np.where(t <= 1, 1 + t, 2 + 3 * (t - 1)))
    assert column(frame, "c") == pytest.approx(np.select([t < 2, t < 4], [5, 7], 9))
    assert column(frame, "inline") == pytest.approx(np.interp(t / 2, [0, 1, 2], [3, 1, 2]))


def test_words_and_operators_of_xmile():
    frame = run("words.xmile")
    t = frame.index.to_numpy()
    mixed = np.where((t >= 2) & (t != 3), 1, 0)
    assert np.array_equal(column(frame, "mixed case"), mixed)
    assert np.array_equal(column(frame, '"odd" name'), 7 % 3 + 2 + np.maximum(1, mixed))
    assert np.array_equal(column(frame, "safe"), [0 if x == 2 else 1 / (x - 2) for x in t])
    assert np.array_equal(column(frame, "powers"), np.full(t.size, -4 + 512 + 4))
    assert np.array_equal(column(frame, "late"), np.where(t < 1, -1, t - 1))
    assert np.array_equal(column(frame, "before"), 4 + t / 0.5)
    assert np.array_equal(column(frame, "first"), np.full(t.size, 5))
    smooth, smoother, expected = 0.0, np.ones(3), []
    for x in t:
        expected.append((smooth, smoother[2]))
        inputs = np.array([2.0 if x >= 1 else 0.0, smoother[0], smoother[1]])
        smooth += 0.5 * (inputs[0] - smooth) / 2
        smoother = smoother + 0.5 * (inputs - smoother) * 3 / 2
    assert np.column_stack([column(frame, "smooth"), column(frame, "smoother")]) == pytest.approx(np.array(expected))


def test_arrays_of_xmile():
    frame = run("rooms.xmile")
    steps = np.arange(len(frame))
    warmth = {
        room: 5 + (start - 5) * (1 - 0.25 / slow) ** steps
        for room, start, slow in (("hall", 20, 4), ("attic", 30, 2), ("cellar", 10, 8))
    }
    for room, expected in warmth.items():
        assert column(frame, f"warmth[{room}]") == pytest.approx(expected)
        assert column(frame, f"walls[{room},1]") == pytest.approx(2 * expected)
    assert column(frame, "mean warmth") == pytest.approx(np.mean(list(warmth.values()), axis=0))
    assert column(frame, "coldest") == pytest.approx(np.min(list(warmth.values()), axis=0))
    assert column(frame, "north wall") == pytest.approx(2 * warmth["attic"])


def test_modules_of_xmile():
    frame = run("farm.xmile")
    hares, lynxes, expected = 50.0, 10.0, []
    for _ in frame.index:
        expected.append((hares, lynxes, hares + lynxes))
        change = 0.5 * hares - 0.04 * lynxes * hares, 0.01 * hares * lynxes - 0.4 * lynxes
        hares, lynxes = hares + 0.125 * change[0], lynxes + 0.125 * change[1]
    found = np.column_stack([column(frame, name) for name in ("hares.stock", "lynxes.stock", "animals")])
    assert found == pytest.approx(np.array(expected))


def test_macros_of_xmile():
    frame = run("macro.xmile")
    steps = np.arange(len(frame))
    assert column(frame, "cup") == pytest.approx(8 - 6 * (1 - 0.25 / 2) ** steps)
    assert column(frame, "mug") == pytest.approx(20 - 15 * (1 - 0.25 / 4) ** steps)


def test_a_stock_that_must_not_fall_below_zero():
    frame = run("tank.xmile")
    tank, t = column(frame, "tank"), frame.index.to_numpy()
    assert tank.min() >= -1e-12
    expected = 8.0
    for k, now in enumerate(t):
        assert tank[k] == pytest.approx(expected, abs=1e-9)
        expected = max(0.0, expected + 0.5 * ((6 if now > 7 else 0) - 3 - expected / 20))
    assert tank[t == 6.0] == pytest.approx(0)
