"""Attribution of rebound to loops: the axioms of Shapley values, closed forms of one market, and the world."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jevons.models.market import m0
from small import auxiliary, flow, parameter, stock, v

import jevons as jv
from jevons import Change, Model, Roles, Scenario
from jevons.errors import IntegrationError, JevonsError, ScenarioError
from jevons.plot_attribution import interaction_table, loops, write_attribution
from jevons.rebound.attribution import attribute, shipped_attribution
from jevons.rebound.loop_switches import Link, Loop, read_loops, switch, with_loop_switches
from jevons.rebound.meter import measure_rebound, shock
from jevons.rebound.shapley_values import alone, coalitions, interactions, last, shapley

GAIN = 10.0
DEMAND = Loop("demand", "cheaper service is wanted more", "test", (Link("service_demand", "price"),))
SUPPLY = Loop("supply", "capacity makes rent dearer", "test", (Link("rent", "capacity"),))
MARKET = (DEMAND, SUPPLY)
HELD = {"learning", "rationing", "power and space"}
"""Loops of the world that carry nothing while services are held."""


def games(players: int):
    return arrays(float, 2**players, elements=st.floats(-10, 10, allow_nan=False))


def unanimity(players: int, team: set[int]) -> np.ndarray:
    """Worth 1 for every coalition that holds the whole team."""
    return coalitions(players)[:, sorted(team)].all(axis=1).astype(float)


# Shapley values


def test_every_coalition_is_there_once_in_binary_order():
    assert coalitions(2).tolist() == [[False, False], [True, False], [False, True], [True, True]]
    assert len({tuple(row) for row in coalitions(5)}) == 32


@settings(max_examples=30, deadline=None)
@given(games(4))
def test_shapley_is_the_mean_over_all_orders_of_joining(worth):
    expected = np.zeros(4)
    for order in itertools.permutations(range(4)):
        coalition = 0
        for i in order:
            expected[i] += (worth[coalition | 1 << i] - worth[coalition]) / 24
            coalition |= 1 << i
    assert shapley(worth) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(games(5))
def test_efficiency(worth):
    assert shapley(worth).sum() == pytest.approx(worth[-1] - worth[0], abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(games(4), st.permutations(range(4)))
def test_symmetry(worth, names):
    """Who is called what does not matter: renaming players renames their values."""
    renamed = np.empty_like(worth)
    for c in range(16):
        renamed[sum(1 << names[i] for i in range(4) if c >> i & 1)] = worth[c]
    assert shapley(renamed)[list(names)] == pytest.approx(shapley(worth), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(games(3), st.floats(-5, 5))
def test_a_dummy_gets_what_it_adds_and_changes_nobody(worth, extra):
    extended = np.concatenate([worth, worth + extra])  # player 3 adds `extra` to every coalition
    assert shapley(extended)[3] == pytest.approx(extra, abs=1e-12)
    assert shapley(extended)[:3] == pytest.approx(shapley(worth), abs=1e-12)
    assert interactions(extended)[3, :3] == pytest.approx(0, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(games(4), games(4), st.floats(-3, 3))
def test_additivity(first, second, weight):
    together = shapley(first + weight * second)
    assert together == pytest.approx(shapley(first) + weight * shapley(second), abs=1e-11)


@pytest.mark.parametrize("team", [{0}, {1, 3}, {0, 2, 4}, {0, 1, 2, 3, 4}])
def test_unanimity_games_have_their_known_values(team):
    worth = unanimity(5, team)
    assert shapley(worth) == pytest.approx([1 / len(team) if i in team else 0 for i in range(5)], abs=1e-14)
    pairs = interactions(worth)
    for i, j in itertools.combinations(range(5), 2):
        assert pairs[i, j] == pytest.approx(1 / (len(team) - 1) if {i, j} <= team else 0, abs=1e-14)
    assert np.isnan(np.diag(pairs)).all() and np.allclose(pairs, pairs.T, equal_nan=True)


def test_alone_last_and_games_side_by_side():
    worth = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [5.0, 4.0]])
    assert alone(worth).tolist() == [[1.0, 0.0], [2.0, 0.0]]
    assert last(worth).tolist() == [[3.0, 3.0], [4.0, 3.0]]
    assert shapley(worth).tolist() == [[2.0, 1.5], [3.0, 1.5]]
    assert interactions(worth)[0, 1].tolist() == [2.0, 3.0]


@pytest.mark.parametrize("worth", [[], [1.0], [1.0, 2.0, 3.0], 4.0])
def test_worth_of_a_wrong_number_of_coalitions(worth):
    with pytest.raises(JevonsError, match="coalitions, expected 2\\^k for 1 to 16 players"):
        shapley(worth)


def test_too_many_players():
    with pytest.raises(JevonsError, match="17 players, expected 1 to 16"):
        coalitions(17)


# One market


def closed_worth(eta: float, psi: float, a: float = GAIN) -> list[float]:
    """Long-run v of nobody, demand, supply, both.

    With demand alone the rent stays that of the engineering run, whose capacity is 1/a: r = a^(-1/ψ), p = r/a.
    """
    alone = -1 + eta * (1 + 1 / psi)
    both = psi * (eta - 1) / (psi + eta) if math.isfinite(psi) else eta - 1
    return [0.0, *(1 - (1 - a**x) / (1 - 1 / a) for x in (alone, -1.0, both))]


@pytest.mark.parametrize(("eta", "psi"), [(0.5, 0.25), (0.5, math.inf), (1.0, 1.0), (1.5, 4.0)])
def test_one_market_in_the_long_run(eta, psi):
    model = m0(eta, psi)
    found = attribute(model, shock(model, "algorithm", GAIN, 1.0), MARKET, horizons=(150.0,))
    expected = closed_worth(eta, psi)
    assert expected[2] == pytest.approx(0, abs=1e-15)
    assert found.worth[:, 0] == pytest.approx(expected, abs=2e-6 * max(1, *expected))
    _, demand, _, both = expected
    assert found.table["shapley"].to_numpy() == pytest.approx([(both + demand) / 2, (both - demand) / 2], rel=1e-5,
                                                              abs=1e-5)  # fmt: skip
    if math.isinf(psi):  # supply is a dummy
        assert found.table["shapley"][1] == pytest.approx(0, abs=1e-12)


def test_one_market_over_time_is_what_is_measured():
    model = m0(0.8, 2.0)
    scenario = shock(model, "algorithm", GAIN, 3.0, adjustment_time=0.7)
    found = attribute(model, scenario, MARKET, horizons=(1, 3, 5, 10))
    measured = measure_rebound(model, scenario, until=10, every=1.0)
    for h, horizon in enumerate(found.horizons):
        assert found.rebound[h] == pytest.approx(measured.at(horizon)[0], abs=1e-12)
        part = found.table[found.table["horizon_years"] == horizon]
        assert part["shapley"].sum() == pytest.approx(found.rebound[h], abs=1e-12)
        assert part["energy"].sum() == pytest.approx(found.energy[-1, h] - found.engineering[h], rel=1e-9)
    assert found.energy[0] == pytest.approx(found.engineering, rel=1e-13)
    assert found.at == 3.0 and found.unit == "MWh/yr"
    later = attribute(model, scenario, MARKET, at=4.0, horizons=(2,))
    assert later.rebound[0] == pytest.approx(found.rebound[1], abs=1e-12)


def test_table_pairs_and_text(tmp_path):
    model = m0(1.2, 1.0)
    found = attribute(model, shock(model, "algorithm", 4.0, 1.0), MARKET, horizons=(5, 2), params={"elasticity": 0.6})
    assert found.horizons == (2.0, 5.0)
    same = attribute(m0(0.6, 1.0), found.scenario, MARKET, horizons=(2, 5))
    assert found.worth == pytest.approx(same.worth, rel=1e-12)
    table = found.table
    assert list(table.columns) == [
        "loop", "what", "horizon_years", "shapley", "alone", "without", "energy", "unit"
    ]  # fmt: skip
    row = table.iloc[0]
    assert (row["alone"], row["without"]) == pytest.approx(
        (found.worth[1, 0], found.worth[3, 0] - found.worth[2, 0]), abs=1e-14
    )
    pair = found.interactions(5).to_numpy()
    assert pair[0, 1] == pytest.approx(found.worth[3, 1] - found.worth[1, 1] - found.worth[2, 1], abs=1e-13)
    assert interaction_table(found)["interaction"].tolist()[1] == pytest.approx(pair[0, 1])
    with pytest.raises(JevonsError, match="horizon 3, expected one of 2, 5"):
        found.interactions(3)
    again = pd.read_csv(found.to_csv(tmp_path / "a.csv"))
    assert again["shapley"].to_numpy() == pytest.approx(table["shapley"].to_numpy(), rel=1e-5)
    assert "R " in repr(found) and f"{found.rebound[1]:.3f}" in repr(found) and "engineering run" in repr(found)


def test_where_next_to_nothing_is_saved_rebound_is_undefined_and_energy_is_not():
    model = m0(0.8, 2.0)
    scenario = shock(model, "algorithm", 1.005, 1.0)
    found = attribute(model, scenario, MARKET, horizons=(20,))
    assert np.isnan(found.rebound).all() and found.table["shapley"].isna().all()
    assert found.table["energy"].sum() == pytest.approx(float(found.energy[-1, 0] - found.engineering[0]), rel=1e-9)
    assert found.table["energy"].abs().min() > 0


def test_the_base_run_is_the_models_own():
    model = m0(0.8, 2.0)
    switched = with_loop_switches(model, MARKET)
    assert all(switched.elements[name] is element for name, element in model.elements.items())
    assert [switched.parameters[switch(i)].value for i in range(2)] == [1.0, 1.0]


# Budgets


def budget_model(reinvestment: float) -> Model:
    """Compute that a budget rents at a price of 1; the budget may grow with efficiency."""
    return Model(
        "budget",
        [
            auxiliary("budget", v.start_budget * v.efficiency**v.reinvestment),
            auxiliary("compute", v.budget / v.rent),
            flow("energy_use", v.compute / v.year, target="energy"),
            stock("energy", 0.0),
            parameter("start_budget", 3.0),
            parameter("rent", 1.0),
            parameter("year", 1.0, "yr"),
            parameter("efficiency", 1.0),
            parameter("reinvestment", reinvestment),
        ],
        roles=Roles("energy_use", "energy", {"training": "efficiency"}, {"compute": "efficiency"}),
    )


@pytest.mark.parametrize("phi", [0.0, 0.25, 0.5])
def test_a_budget_that_is_spent_takes_everything_back(phi):
    """R = 1 + (a^φ - 1)/(1 - 1/a): spending carries 1, and what is reinvested works on what is spent."""
    model = budget_model(phi)
    spent = Loop("spent", "savings buy more", "test", (Link("compute", "efficiency"),))
    more = Loop("more", "budgets grow", "test", (Link("budget", "efficiency"),))
    found = attribute(model, shock(model, "training", GAIN, 1.0), (spent, more), horizons=(1,))
    grown = GAIN**phi
    saving = 1 - 1 / GAIN
    expected = [0.0, 1.0, (grown / GAIN - 1 / GAIN) / saving, 1 + (grown - 1) / saving]
    assert found.worth[:, 0] == pytest.approx(expected, abs=1e-12)
    assert expected[-1] == pytest.approx({0.0: 1.0, 0.25: 1.8647, 0.5: 3.4025}[phi], abs=1e-4)


# Mistakes


def refused(model: Model, *of: Loop) -> str:
    with pytest.raises(ScenarioError) as error:
        with_loop_switches(model, of)
    return str(error.value)


def test_links_that_the_model_lacks_are_all_named():
    links = (
        Link("service_demnd", "price"), Link("service_demand", "rent"), Link("price", "rent"),
        Link("reference_price", "reference_rent"), Link("rent", "capacity", "price"),
        Link("rent", "capacity", "nothing"),
    )  # fmt: skip
    message = refused(m0(), Loop("wrong", "x", "x", links))
    for text in (
        "6 mistakes",
        "'service_demnd' is not in the model; did you mean 'service_demand'?",
        "the equation of 'service_demand' does not read 'rent', it reads elasticity, price, reference_demand",
        "link price ← rent: 'price' is a Stock, expected an auxiliary or a flow",
        "link reference_price ← reference_rent: carries nothing, no efficiency reaches energy through it",
        "'capacity' is nowhere multiplied by 'price' in the equation",
        "'nothing' is not in the model",
    ):
        assert text in message


def test_an_efficiency_beyond_the_services_is_no_link():
    link = Link("indicated_price", "algorithmic_efficiency")
    message = refused(m0(), DEMAND, Loop("price", "x", "x", (link,)))
    assert f"link {link}: carries nothing, the engineering run has the same efficiency" in message


def test_a_service_that_still_moves_is_named_with_its_way():
    message = refused(m0(), SUPPLY)
    assert "service 'compute' still moves: compute → " in message
    assert "→ price → service_demand → compute; put one of these links into a loop" in message


def test_energy_that_follows_what_the_engineering_run_leaves_free_is_named():
    model = m0()
    use = flow("energy_use", v.compute * v.energy_intensity + v.service_demand * v.overhead, "MWh/yr",
               target="cumulative_energy")  # fmt: skip
    extended = model.with_elements([use, parameter("overhead", 1e-3, "MWh/service")])
    message = refused(extended, DEMAND)
    assert "'service_demand' runs freely in the engineering run and is held here" in message
    assert "service_demand → energy_use" in message
    further = Loop("overhead", "x", "x", (Link("energy_use", "service_demand"),))
    scenario = shock(extended, "algorithm", GAIN, 1.0)
    found = attribute(extended, scenario, (DEMAND, further), horizons=(2.0,))
    assert found.energy[0] == pytest.approx(found.engineering, rel=1e-12)
    assert found.rebound[0] == pytest.approx(measure_rebound(extended, scenario, until=2).at(2)[0], abs=1e-12)


def test_a_service_that_falls_faster_than_its_efficiency_rises_is_refused():
    compute = auxiliary("compute", v.service_demand * v.compute_per_service / v.algorithmic_efficiency**2, "H100e")
    model = m0().with_elements([compute])
    with pytest.raises(ScenarioError, match=r"energy differs from the engineering run's by 0[.]9 of it"):
        attribute(model, shock(model, "algorithm", GAIN, 1.0), MARKET, horizons=(1,))


def test_scenarios_and_horizons_that_cannot_be_attributed():
    model = m0()
    with pytest.raises(ScenarioError, match="'elasticity' is not an efficiency"):
        attribute(model, Scenario("x", {"elasticity": Change(factor=2.0, at=1.0)}), MARKET)
    with pytest.raises(ScenarioError, match="2 mistakes") as error:
        attribute(model, Scenario("x"), MARKET, horizons=(0, 1))
    assert "changes nothing" in str(error.value) and "horizons [0, 1], expected one or more, above 0" in str(
        error.value
    )


def test_a_run_that_fails_says_so():
    model = m0()
    with pytest.raises(IntegrationError):
        attribute(model, shock(model, "algorithm", GAIN, 1.0), MARKET, params={"capacity_adjustment_time": 1e-4})


def write(tmp_path, text: str):
    path = tmp_path / "loops.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_loops_are_read_and_used_by_path(tmp_path):
    path = write(
        tmp_path,
        """
        sector = "left to another reader"
        [[loop]]
        name = "demand"
        what = "w"
        why = "y"
        links = [{ into = "service_demand", from = "price", within = "" }, { into = "rent", from = "capacity" }]
    """,
    )
    (loop,) = read_loops(path)
    assert loop == Loop("demand", "w", "y", (Link("service_demand", "price"), Link("rent", "capacity")))
    model = m0(0.5)
    found = attribute(model, shock(model, "algorithm", GAIN, 1.0), path, horizons=(2,))
    assert found.table["shapley"].tolist() == pytest.approx(found.rebound.tolist(), abs=1e-14)


def test_every_mistake_of_a_file_is_listed(tmp_path):
    path = write(
        tmp_path,
        """
        [[loops]]
        [[loop]]
        name = "a"
        what = 3
        why = "y"
        reason = "y"
        links = [{ into = "x", from = "y" }, { into = "x", fro = "z" }, "x"]
        [[loop]]
        name = "a"
        what = "w"
        why = "y"
        links = [{ into = "x", from = "y" }]
        [[loop]]
        name = "b"
        what = "w"
        why = "y"
    """,
    )
    with pytest.raises(ScenarioError) as error:
        read_loops(path)
    for text in (
        "unknown table 'loops', expected one of loop, sector; did you mean 'loop'?",
        "loop 1 (a): what is 3, expected text",
        "loop 1 (a): unknown key 'reason', expected one of name, what, why, links",
        "loop 1 (a): link: unknown key 'fro', expected one of into, from, within; did you mean 'from'?",
        "loop 1 (a): link {'into': 'x', 'fro': 'z'}, expected names under into and from",
        "loop 1 (a): link 'x', expected a table",
        "loop 'a' is given more than once",
        "link x ← y is given more than once (a, a), expected in one loop",
        "loop 3 (b): links None, expected a list of tables",
    ):
        assert text in str(error.value)
    assert "9 mistakes" in str(error.value)


def test_files_without_loops(tmp_path):
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_loops(tmp_path / "nothing.toml")
    with pytest.raises(ScenarioError, match="is not TOML"):
        read_loops(write(tmp_path, "loop ="))
    with pytest.raises(ScenarioError, match=r"no \[\[loop\]\] table"):
        read_loops(write(tmp_path, ""))
    entry = "[[loop]]\nname = 'n{0}'\nwhat = 'w'\nwhy = 'y'\nlinks = [{{ into = 'x', from = 'y{0}' }}]\n"
    with pytest.raises(ScenarioError, match="17 loops, expected at most 16"):
        read_loops(write(tmp_path, "".join(entry.format(i) for i in range(17))))


# Pictures


def test_pictures_and_tables_are_written(tmp_path, monkeypatch, world):
    market = m0(0.8, 2.0)
    found = attribute(market, shock(market, "algorithm", GAIN, 1.0), MARKET, horizons=(1, 5))
    assert loops(found, tmp_path / "l.png").stat().st_size > 10_000
    monkeypatch.setattr("jevons.rebound.attribution.attribute", lambda *a, **k: found)
    written = write_attribution(world, tmp_path / "out")
    assert [p.name for p in written] == [
        "attribution_loops.csv", "attribution_interactions.csv", "attribution_history.csv", "attribution_loops.png",
        "attribution_history.png",
    ]  # fmt: skip
    assert len(pd.read_csv(written[0])) == 4 and len(pd.read_csv(written[1])) == 2


# The world


@pytest.mark.parametrize("name", ["world", "world_full_price", "world_hump"])
def test_the_shipped_loops_cut_every_way_of_all_shapes(name):
    shipped = tuple(read_loops(shipped_attribution()))
    assert len(shipped) == 12
    model = jv.load(name, fit=None)
    switched = with_loop_switches(model, shipped)
    assert set(model.elements) < set(switched.elements)
    for i in range(12):  # each loop on its own is needed somewhere, and each is there
        assert any(v[switch(i)] in e.free_symbols for x in switched.elements.values() for _, e in x.expressions())


def test_word_of_mouth_is_cut_in_imitation_alone(world):
    switched = with_loop_switches(world, tuple(read_loops(shipped_attribution())))
    adoption = next(e for _, e in switched["shocked_adoption"].expressions())
    off = adoption.subs({v[switch(1)]: 0})
    imitated = v.external_adoption + v.imitation * v.users / v.adopter_ceiling
    expected = imitated * (v.shocked_potential_users - v.shocked_users)
    assert (off - expected).expand() == 0


def test_a_service_of_the_world_left_uncut_is_named(world):
    shipped = tuple(loop for loop in read_loops(shipped_attribution()) if loop.name != "rent")
    message = refused(world, *shipped)
    assert "service 'training_compute' still moves" in message and "service 'embedded_compute' still moves" in message


@pytest.fixture(scope="module")
def attributed(fitted):
    return attribute(fitted, "deepseek")


@pytest.mark.slow
def test_the_loops_add_up_to_the_rebound_that_is_measured(fitted, attributed):
    measured = measure_rebound(fitted, jv.load_scenario("deepseek"), until=10, every=1.0)
    assert attributed.horizons == (1.0, 3.0, 5.0, 10.0)
    for h, horizon in enumerate(attributed.horizons):
        part = attributed.table[attributed.table["horizon_years"] == horizon]
        assert part["shapley"].sum() == pytest.approx(measured.at(horizon)[0], abs=1e-9)
        place = int(horizon)
        assert attributed.engineering[h] == pytest.approx(measured.engineering[place], rel=1e-9)
        assert attributed.energy[0, h] == pytest.approx(measured.engineering[place], rel=1e-9)
        assert attributed.energy[-1, h] == pytest.approx(measured.shocked[place], rel=1e-9)


@pytest.mark.slow
def test_with_services_held_supply_carries_nothing(attributed):
    """The engineering run is the copy with demand off and supply on: any part of supply gives the same run."""
    names = [loop.name for loop in attributed.loops]
    held = {i for i, name in enumerate(names) if name in HELD}
    assert len(held) == 3
    found = coalitions(len(names))
    outside = [i for i in range(len(names)) if i not in held]
    rows = ~found[:, outside].any(axis=1)
    assert rows.sum() == 8
    assert np.abs(attributed.worth[rows]).max() < 1e-9
    assert np.abs(attributed.worth[-1]).min() > 0.1
