"""Loops that matter: scores of links and loops along a run, against closed forms, a published table, and themselves."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from jevons.models.market import m0
from jevons.models.textbook import bass, supply_line
from scipy.linalg import expm
from small import accumulate, auxiliary, decay, driver, flow, logistic, parameter, stock, table, v

import jevons as jv
from jevons.errors import IntegrationError, JevonsError, ModelError
from jevons.functions import TIME, delay3, lookup, step
from jevons.loop_scores import search
from jevons.loop_scores.links import link_scores
from jevons.loop_scores.scores import loop_scores
from jevons.loops import BALANCING, CHANGES, REINFORCING, feedback_loops
from jevons.model import Model
from jevons.plot_loops import dominance, write_loops

YEAR = parameter("year", 1.0, "yr")


def by_path(scores):
    """Relative scores of each loop, by its names."""
    return dict(zip([p.path for p in scores.paths], scores.relative, strict=True))


def growth_and_deaths(unit: str = "1", scale: float = 1.0, net: bool = False, chain: int = 0) -> Model:
    """Logistic growth: births r x, deaths r x²/K, as two flows or one, deaths through a `chain` of auxiliaries."""
    rate = f"{unit}/yr"
    steps = ["x", *(f"step_{i}" for i in range(chain))]
    births, deaths = v.r * v.x, v.r * (v[steps[-1]] / 3**chain) ** 2 / v.ceiling
    elements = [stock("x", 10.0 * scale, unit), parameter("r", 1.0, "1/yr"), parameter("ceiling", 1000.0 * scale, unit)]
    elements += [auxiliary(b, 3 * v[a], unit) for a, b in itertools.pairwise(steps)]
    if net:
        elements += [auxiliary("births", births, rate), auxiliary("deaths", deaths, rate)]
        elements += [flow("net", v.births - v.deaths, rate, target="x")]
    else:
        elements += [flow("births", births, rate, target="x"), flow("deaths", deaths, rate, source="x")]
    return Model("growth", elements)


def written_out_bass() -> Model:
    """Bass diffusion with its two factors as auxiliaries."""
    b = bass()
    return b.with_elements(
        [
            flow("adoption", v.hazard * v.remaining, "person/yr", target="adopters"),
            auxiliary("hazard", v.innovation + v.imitation * v.adopters / v.market, "1/yr"),
            auxiliary("remaining", v.market - v.adopters, "person"),
        ]
    )


def table_3_bass() -> Model:
    """The model of Schoenberg, Davidsen and Eberlein 2020, figure 2; one contact rate and fraction as there."""
    return Model(
        "published",
        [
            stock("potential_adopters", 999_999.0, "person"),
            stock("adopters", 1.0, "person"),
            flow("adopting", v.word_of_mouth, "person/yr", source="potential_adopters", target="adopters"),
            auxiliary("probability", v.potential_adopters / v.market, "1"),
            auxiliary("adopter_contacts", v.contact_rate * v.adopters, "person/yr"),
            auxiliary("potentials_contacts", v.adopter_contacts * v.probability, "person/yr"),
            auxiliary("word_of_mouth", v.potentials_contacts * v.fraction, "person/yr"),
            parameter("market", 1e6, "person"), parameter("contact_rate", 100.0, "1/yr"), parameter("fraction", 0.015),
        ],
    )  # fmt: skip


def oscillator(omega: float = 2.0, damping: float = 0.3) -> Model:
    """x' = y, y' = -ω² x - 2 d y."""
    return Model(
        "oscillator",
        [
            stock("x", 1.0),
            stock("y", 0.0, "1/yr"),
            flow("speed", v.y, target="x"),
            flow("pull", v.stiffness * v.x, "1/yr^2", source="y"),
            flow("friction", v.drag * v.y, "1/yr^2", source="y"),
            parameter("stiffness", omega**2, "1/yr^2"), parameter("drag", 2 * damping, "1/yr"),
        ],
    )  # fmt: skip


def linear(matrix: np.ndarray, start: np.ndarray) -> Model:
    """x' = A x, each entry of A a flow."""
    n = len(start)
    elements = [stock(f"x{i}", float(start[i])) for i in range(n)]
    elements += [flow(f"f{i}_{j}", v[f"a{i}_{j}"] * v[f"x{j}"], target=f"x{i}") for i in range(n) for j in range(n)]
    elements += [parameter(f"a{i}_{j}", float(matrix[i, j]), "1/yr") for i in range(n) for j in range(n)]
    return Model("linear", elements)


def cycle_shares(matrix: np.ndarray, rates: np.ndarray, accelerations: np.ndarray) -> dict[frozenset, float]:
    """Relative scores of all circles of stocks, from gains and |x'/x''| alone; edges of a circle as the key."""
    n = len(rates)
    scores = {}
    for size in range(1, n + 1):
        for first, *rest in itertools.permutations(range(n), size):
            if rest and min(rest) < first:
                continue
            edges = list(itertools.pairwise([first, *rest, first]))
            gain = math.prod(matrix[b, a] for a, b in edges)
            scores[frozenset(edges)] = gain * math.prod(abs(rates[a] / accelerations[a]) for a, _ in edges)
    total = sum(map(abs, scores.values()))
    return {edges: score / total for edges, score in scores.items()}


def complete_graph(n: int) -> Model:
    """n stocks that all drive each other, with many loops of unlike strength."""
    rng = np.random.default_rng(5)
    return linear(rng.normal(size=(n, n)), rng.normal(size=n))


# one loop


@pytest.mark.parametrize(("model", "sign"), [(jv.load("wright"), 1), (decay(), -1)])
def test_the_only_loop_of_a_stock_has_score_one_at_every_date(model, sign):
    scores = loop_scores(model, model.run(0, 10))
    assert scores.paths[0].polarity == (REINFORCING if sign > 0 else BALANCING)
    assert scores.scores[0] == pytest.approx(sign, rel=1e-12)
    assert scores.relative[0] == pytest.approx(sign, rel=1e-12)
    assert scores.labels == ("R1" if sign > 0 else "B1",)
    assert scores.shifts().empty


# logistic growth and Bass


def test_logistic_growth_passes_from_growth_to_saturation_at_half_the_ceiling():
    model = growth_and_deaths()
    run = model.run(0, 12, every=1 / 16)
    scores = loop_scores(model, run)
    x = run["x"].to_numpy()
    found = by_path(scores)
    assert found["x", "births"] == pytest.approx(1000 / (1000 + 2 * x), rel=1e-10)
    assert found["x", "deaths"] == pytest.approx(-2 * x / (1000 + 2 * x), rel=1e-10)
    shifts = scores.shifts()
    assert shifts["time"].to_list() == pytest.approx([math.log(99)] * 2, abs=1e-6)  # x = 1000/(1 + 99 e^-t)
    assert shifts[["what", "before", "after"]].to_numpy().tolist() == [
        ["polarity", REINFORCING, BALANCING], ["strongest", "R1", "B1"],
    ]  # fmt: skip


@pytest.mark.parametrize("written_out", [True, False])
def test_bass_shifts_when_imitation_gives_as_much_as_saturation_takes(written_out):
    model = written_out_bass() if written_out else bass()
    p, q, market = (model.parameters[n].value for n in ("innovation", "imitation", "market"))
    run = model.run(0, 25)
    scores = loop_scores(model, run, parts=not written_out)
    n = run["adopters"].to_numpy()
    gained, lost = q * (market - n) / market, p + q * n / market  # derivatives of adoption along its two factors
    assert sorted(scores.labels) == ["B1", "R1"]
    assert scores.relative[scores.labels.index("R1")] == pytest.approx(gained / (gained + lost), rel=1e-9)
    assert scores.relative[scores.labels.index("B1")] == pytest.approx(-lost / (gained + lost), rel=1e-9)
    # gained = lost at N = M (q - p)/2q, which the closed form of N reaches at ln(q/p)/(p + q)
    at = math.log(q / p) / (p + q)
    e = math.exp(-(p + q) * at)
    assert market * (1 - e) / (1 + q / p * e) == pytest.approx(market * (q - p) / (2 * q), rel=1e-12)
    assert scores.shifts()["time"].to_list() == pytest.approx([at, at], abs=1e-6)


def test_bass_in_one_equation_is_one_loop_that_changes_sign():
    model = bass()
    scores = loop_scores(model, model.run(0, 25))
    assert scores.labels == ("±1",) and scores.paths[0].polarity == CHANGES
    at = math.log(0.38 / 0.03) / 0.41
    assert scores.relative[0].tolist() == [1.0 if t < at else -1.0 for t in scores.times]
    (shift,) = scores.shifts()["time"]
    assert abs(shift - at) <= 0.125  # only the step in which it jumps is known


def test_table_3_of_schoenberg_davidsen_eberlein_2020():
    model = table_3_bass()
    run = model.run(0, 15, method="Euler", dt=1 / 16, every=1 / 16)
    found = by_path(loop_scores(model, run))
    published = {0.0: (1.000, 0.000), 9.5: (0.535, 0.465), 9.5625: (0.512, 0.488), 9.625: (0.488, 0.512), 15: (0, 1)}
    (reinforcing,) = (r for path, r in found.items() if "adopter_contacts" in path)
    (balancing,) = (r for path, r in found.items() if "probability" in path)
    for time, (r, b) in published.items():
        k = int(np.argmin(np.abs(run.times - time)))
        assert (reinforcing[k], balancing[k]) == pytest.approx((r, -b), abs=5e-4)


# several stocks


def test_damped_oscillator_has_the_shares_of_its_closed_solution():
    omega, d = 2.0, 0.3
    model = oscillator(omega, d)
    scores = loop_scores(model, model.run(0, 10, every=1 / 8))
    w = math.sqrt(omega**2 - d**2)
    t = scores.times
    x = np.exp(-d * t) * (np.cos(w * t) + d / w * np.sin(w * t))
    y = -np.exp(-d * t) * omega**2 / w * np.sin(w * t)  # x'
    speed_of_y = -(omega**2) * x - 2 * d * y
    # major: gain -ω², |x'/x''| |y'/y''| with x'' = y'; minor: gain -2d, |y'/y''|: y'' is common
    major, minor = omega**2 * np.abs(y), 2 * d * np.abs(speed_of_y)
    found = by_path(scores)
    moving = (np.abs(y) > 1e-6) & (np.abs(speed_of_y) > 1e-6)  # the score is 0 at a standstill
    assert moving.sum() > 75
    share = (major / (major + minor))[moving]
    assert found["x", "pull", "y", "speed"][moving] == pytest.approx(-share, rel=1e-6)
    assert found["y", "friction"][moving] == pytest.approx(share - 1, rel=1e-5, abs=1e-9)
    assert found["x", "pull", "y", "speed"][0] == 0.0  # starts at rest: y = 0 and x stands still


def test_supply_line_has_the_shares_of_its_matrix_exponential():
    model = supply_line()
    scores = loop_scores(model, model.run(0, 8, every=0.5))
    names = [
        "growth",
        "expected_growth",
        "lead_time",
        "life",
        "capacity_adjustment_time",
        "supply_line_adjustment_time",
    ]
    g, G, tau, life, t_k, t_sl = (model.parameters[n].value for n in names)
    wanted = tau * (G + 1 / life)
    A = np.array(
        [
            [-1 / t_sl - 1 / tau, G + 1 / life - 1 / t_k + wanted * (G + 1 / t_sl), 1 / t_k],
            [1 / tau, -1 / life, 0],
            [0, 0, g],
        ]
    )  # on_order, capacity, target
    state = np.array([expm(A * t) @ [wanted * 800, 800, 1000] for t in scores.times]).T
    speed, acceleration = A @ state, A @ A @ state
    sl, k = (np.abs(speed[i] / acceleration[i]) for i in (0, 1))
    expected = {
        ("on_order", "orders"): -sl / t_sl,
        ("on_order", "deliveries"): -sl / tau,
        ("capacity", "discards"): -k / life,
        ("on_order", "deliveries", "capacity", "desired_deliveries", "orders"): (G + 1 / life - 1 / t_k) * k * sl / tau,
        ("on_order", "deliveries", "capacity", "desired_on_order", "orders"): wanted * (G + 1 / t_sl) * k * sl / tau,
    }
    found = by_path(scores)
    assert found.keys() == expected.keys()
    total = sum(map(np.abs, expected.values()))
    for path, score in expected.items():
        assert found[path] == pytest.approx(score / total, rel=1e-5)
    assert scores.complete and (scores.coverage == 1).all()


@given(n=st.integers(2, 3), seed=st.integers(0, 10_000))
@settings(max_examples=12, deadline=None)
def test_linear_models_have_the_shares_of_gains_and_ratios(n, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.choice([-1, 1], (n, n)) * rng.uniform(0.2, 1.5, (n, n))
    start = rng.choice([-1, 1], n) * rng.uniform(0.5, 2.0, n)
    model = linear(matrix, start)
    scores = loop_scores(model, model.run(0, 1, every=0.5))
    for k, t in enumerate(scores.times):
        state = expm(matrix * t) @ start
        rates, accelerations = matrix @ state, matrix @ matrix @ state
        if min(*np.abs(rates), *np.abs(accelerations)) < 1e-3:
            continue
        expected = cycle_shares(matrix, rates, accelerations)
        found = {}
        for loop, share in zip(scores.paths, scores.relative[:, k], strict=True):
            flows = [name for name in loop.path if name.startswith("f")]
            found[frozenset((int(f[3]), int(f[1])) for f in flows)] = share
        assert found.keys() == expected.keys()
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-9)


# what must not change scores


@pytest.mark.parametrize(
    "other", [{"unit": "person", "scale": 1e3}, {"net": True}, {"chain": 1}, {"chain": 3}], ids=str
)
def test_scores_do_not_depend_on_units_on_how_flows_are_summed_or_on_names_in_between(other):
    shares = []
    for options in ({}, other):
        model = growth_and_deaths(**options)
        scores = loop_scores(model, model.run(0, 12, every=0.5))
        shares.append(dict(zip(scores.labels, scores.relative, strict=True)))
    plain, changed = shares
    assert plain.keys() == changed.keys() == {"R1", "B1"}
    for label, share in plain.items():
        assert changed[label] == pytest.approx(share, rel=1e-7)


def test_sizes_add_up_to_one_in_every_partition_that_moves(fitted):
    scores = loop_scores(fitted, fitted.run(2010, 2035, every=0.25))
    assert scores.complete and len(scores.coverage) == 3
    for p in range(3):
        sizes = np.abs(scores.relative[scores.partition == p]).sum(axis=0)
        assert sizes == pytest.approx(1.0, rel=1e-12)
    shares = scores.to_frame(most=5, partition=0).groupby("time")["relative"].agg(lambda r: r.abs().sum())
    assert shares.to_numpy() == pytest.approx(1.0, rel=1e-12)
    grouped = scores.grouped(fitted.sectors)
    total = (grouped[REINFORCING] - grouped[BALANCING]).groupby(grouped["time"]).sum()
    assert total.to_numpy() == pytest.approx(1.0, rel=1e-12)
    assert grouped.groupby("group")["loops"].first().sum() == (scores.partition == 0).sum()


# zeros, break points, hidden stocks


def test_nothing_is_said_where_nothing_moves():
    model = m0()  # starts in its equilibrium
    scores = loop_scores(model, model.run(0, 5))
    assert not scores.paths and scores.complete and scores.to_frame().empty and scores.loops.empty


def test_m0_after_a_gain_has_the_shares_of_its_equations():
    model = m0(0.5).with_values({"algorithmic_efficiency": 10.0})
    run = model.run(0, 5)
    scores = loop_scores(model, run)
    eta, response, tau_k, tau_p = 0.5, 1.0, 1.0, 0.5
    K, p, C = run["capacity"].to_numpy() / 1e3, run["price"].to_numpy() / 10, run["compute"].to_numpy() / 1e3
    assert pytest.approx(p**-eta / 10) == C
    gap = np.log(1 / 10) + response * np.log(C / K) - np.log(p)
    K1, p1 = (C - K) / tau_k, p * gap / tau_p
    C1 = -eta * C * p1 / p
    K2, p2 = (C1 - K1) / tau_k, (p1 * gap - p1 + p * response * (C1 / C - K1 / K)) / tau_p
    k, q = np.abs(K1 / K2), np.abs(p1 / p2)
    expected = {
        ("capacity", "capacity_growth"): -k / tau_k,
        ("price", "price_change"): (gap - 1) / tau_p * q,
        ("price", "service_demand", "compute", "price_change"): -response * eta / tau_p * q,
        ("capacity", "price_change", "price", "service_demand", "compute", "capacity_growth"): (
            response * eta * C / K / tau_p / tau_k * k * q
        ),
    }
    total = sum(map(np.abs, expected.values()))
    found = by_path(scores)
    assert found.keys() == expected.keys()
    for path, score in expected.items():
        assert found[path] == pytest.approx(score / total, rel=2e-5)


def test_what_does_not_change_passes_nothing_on():
    people = auxiliary("people", v.susceptible + v.infected)
    model = Model(
        "si",
        [
            stock("susceptible", 990.0), stock("infected", 10.0), people, YEAR,
            flow("infection", v.susceptible * v.infected / v.people / v.year, source="susceptible", target="infected"),
        ],
    )  # fmt: skip
    scores = loop_scores(model, model.run(0, 20))
    assert {p.path for p in scores.paths} == {("susceptible", "infection"), ("infected", "infection")}
    links = scores.links.set_index(["source", "target"])["score"]
    assert (links["susceptible", "people"] == 0).all() and (links["people", "infection"] == 0).all()
    named = loop_scores(model, model.run(0, 20), [("susceptible", "people", "infection")])
    assert (named.relative == 0).all() and named.labels == ("01",)
    assert named.dominant()["loops"].eq("").all()


def test_a_derivative_that_is_not_finite_leaves_its_date_open():
    model = accumulate((1 + sp.sqrt(v.x)) / v.year)  # slope of the root is infinite at x = 0
    scores = loop_scores(model, model.run(0, 1))
    assert np.isnan(scores.relative[0, 0]) and (scores.relative[0, 1:] == 1).all()
    dominant = scores.dominant()
    assert dominant["polarity"].to_list() == ["", *[REINFORCING] * 8]
    assert scores.shifts().empty and scores.loops["mean_share"][0] == pytest.approx(8 / 9)


def test_hidden_stocks_of_delays_are_on_loops_and_their_product_is_the_path():
    model = Model(
        "delayed",
        [
            stock("x", 1.0), YEAR, parameter("lag", 2.0, "yr"),
            flow("growth", delay3(v.x / v.year, v.lag) - v.x / v.year / 4, target="x"),
        ],
    )  # fmt: skip
    run = model.run(0, 10)
    scores = loop_scores(model, run)
    assert scores.complete
    (through,) = (i for i, p in enumerate(scores.paths) if len([n for n in p.path if "__" in n]) > 4)
    path = scores.paths[through].path
    assert path[0] == "x" and path[-1] == "growth" and scores.paths[through].polarity == REINFORCING
    # a delay of three stages of lag/3: gain 1/year (3/lag)^3 with |s'/s''| of x and of each stage
    hidden = list(scores.link_scores.names[1:4])
    A = np.array([[-0.25, 0, 0, 1.5], [1, -1.5, 0, 0], [0, 1.5, -1.5, 0], [0, 0, 1.5, -1.5]])
    start = np.array([1.0, 2 / 3, 2 / 3, 2 / 3])
    assert len(hidden) == 3
    for k in (8, 40, 80):
        state = expm(A * scores.times[k]) @ start
        expected = cycle_shares(A, A @ state, A @ A @ state)
        assert scores.relative[through, k] == pytest.approx(
            expected[frozenset({(0, 1), (1, 2), (2, 3), (3, 0)})], rel=1e-5
        )
    with pytest.raises(JevonsError, match="not evenly spaced"):
        model_run = model.run(0, 1, every=0.3)
        model_run.times[1] = 0.25
        link_scores(model, model_run)


def test_derivatives_are_those_of_the_run_with_tables_drivers_and_steps():
    rate = (lookup("slope", v.x) + v.push + step(0.5, 2.0) + v.year * 0) / v.year
    model = accumulate(
        rate - v.x / v.tau,
        table("slope", [(0.0, 1.0), (1.0, 0.5), (5.0, 0.0)]),
        driver("push", [(0.0, 0.0), (1.5, 0.4), (6.0, 0.1)]),
        auxiliary("late", v.x * (TIME / v.year) ** 2 + v.inflow * v.year),
        start=0.0,
    )
    fine = model.run(0, 5, every=1 / 512)
    links = link_scores(model, fine)
    for name in ("x", "inflow", "late"):
        y, rates = fine[name].to_numpy(), links.rates[links.names.index(name)]
        between = (y[2:] - y[:-2]) * 256
        smooth = np.abs(y[2:] - 2 * y[1:-1] + y[:-2]) < 1e-4  # not across a bend or a jump
        assert smooth.mean() > 0.98
        assert rates[1:-1][smooth] == pytest.approx(between[smooth], abs=2e-3)


def test_discrete_scores_of_the_method_approach_these():
    """Δ_x z / Δz with all other inputs as before, over a short step, as the method is defined."""
    model = written_out_bass()
    run = model.run(0, 10, every=1 / 1024)
    links = link_scores(model, run)
    place = {(links.names[a], links.names[b]): i for i, (a, b) in enumerate(links.links)}
    hazard, remaining, adoption = (run[n].to_numpy() for n in ("hazard", "remaining", "adoption"))
    change = np.diff(adoption)
    partial = {
        "hazard": (hazard[1:] * remaining[:-1] - adoption[:-1]) / change,
        "remaining": (hazard[:-1] * remaining[1:] - adoption[:-1]) / change,
    }
    far = np.abs(change) > 0.01 * np.abs(change).max()
    for name, share in partial.items():
        assert links.scores[place[name, "adoption"]][:-1][far] == pytest.approx(np.abs(share[far]), rel=0.08)


# finding loops


def test_strongest_loops_are_found_where_there_are_too_many(fitted):
    run = fitted.run(2010, 2035)
    every, some = loop_scores(fitted, run), loop_scores(fitted, run, most=100, progress=False)
    assert every.complete and not some.complete
    assert "the strongest found, not all" in repr(some) and "all there are" in repr(every)
    whole = by_path(every)
    assert {p.path for p in some.paths} <= whole.keys()
    main = [p.path for p, part in zip(some.paths, some.partition, strict=True) if part == 0]
    shares = sum(np.abs(whole[path]) for path in main)
    assert shares.mean() > 0.9 and shares.min() > 0.6
    strongest = {p.path for p in every.paths[:40]}
    assert len(strongest & {p.path for p in some.paths}) >= 39
    assert 0.5 < some.coverage[0].min() <= some.coverage[0].max() <= 1


def test_search_follows_the_published_pseudo_code_and_misses_what_it_misses(monkeypatch):
    """Figure 7 of Eberlein and Schoenberg 2020: from a, one way finds a → d → c → a and not a → b → c → a."""
    a, b, c, d = range(4)
    onward = {a: [(100.0, 0, d), (10.0, 1, b)], d: [(10.0, 2, c)], c: [(100.0, 3, b), (0.1, 4, a)], b: [(1000.0, 5, c)]}
    monkeypatch.setattr(search, "WAYS", 1)
    assert search._from(a, onward) == [(0, 2, 4)]
    monkeypatch.setattr(search, "WAYS", 2)
    assert set(search._from(a, onward)) == {(0, 2, 4), (1, 5, 4)}
    monkeypatch.setattr(search, "MOST_STEPS", 3)
    assert len(search._from(a, onward)) <= 1


def test_a_path_goes_on_while_it_is_among_the_strongest(monkeypatch):
    monkeypatch.setattr(search, "WAYS", 2)
    kept: list[float] = []
    arriving = {10.0: True, 5.0: True, 7.0: True, 6.0: False, 7.5: True, 7.4: False, 11.0: True}
    assert [search._among_best(kept, score) for score in arriving] == list(arriving.values())
    assert sorted(kept) == [10.0, 11.0]
    assert not search._among_best(kept, 10.0)  # as strong as the weakest is not stronger


def test_search_finds_no_loop_twice_and_only_loops(monkeypatch):
    model = complete_graph(6)
    run = model.run(0, 1, every=0.5)
    every, some = loop_scores(model, run), loop_scores(model, run, most=50)
    n = sum(math.comb(6, k) * math.factorial(k - 1) for k in range(1, 7))
    assert len(every.paths) == n and 50 < len(some.paths) < n
    assert len({p.path for p in some.paths}) == len(some.paths)
    whole = by_path(every)
    assert {p.path for p in some.paths} <= whole.keys()
    strong = sum(np.abs(whole[p.path]) for p in some.paths)
    assert strong.min() > 0.5
    # every path between stocks is on some loop here, so that the measure of coverage is one where all are found
    found = search.find_loops(every.link_scores, 10_000)
    known = search.Found(found.loops, found.partitions, complete=False)
    assert search.coverage(every.link_scores, known) == pytest.approx(np.ones((1, 3)), rel=1e-12)


def test_loops_may_be_given_as_names_or_as_the_model_lists_them(fitted):
    model = supply_line()
    run = model.run(0, 5)
    listed = loop_scores(model, run, feedback_loops(model))
    assert listed.relative == pytest.approx(loop_scores(model, run).relative, rel=1e-12)
    one = loop_scores(model, run, [("orders", "on_order")])
    assert one.paths[0].path == ("on_order", "orders") and not one.complete
    assert (one.relative == -1).all() and (one.coverage < 1).all()


def test_partitions_are_scored_each_for_itself():
    scores = loop_scores(jv.load("coflow"), jv.load("coflow").run(0, 10))
    assert len(scores.coverage) == 2
    g, life = 1.1, 5.0
    found = by_path(scores)
    assert found["capital", "additions"] == pytest.approx((g + 1 / life) / (g + 2 / life), rel=1e-9)
    alone = found["embodied_power", "power_of_discards"]
    assert (alone[1:] == -1).all()
    assert scores.stocks(0) == ("capital",) and scores.stocks(1) == ("embodied_power",)


# results


def test_dominant_loops_are_the_fewest_that_explain_half_on_one_side(fitted):
    scores = loop_scores(fitted, fitted.run(2015, 2035, every=0.5))
    place = {label: i for i, label in enumerate(scores.labels)}
    for k, row in enumerate(scores.dominant().itertuples()):
        sign = 1 if row.polarity == REINFORCING else -1
        shares = [sign * scores.relative[place[label], k] for label in row.loops.split()]
        assert shares == sorted(shares, reverse=True) and min(shares) > 0
        assert row.share == pytest.approx(sum(shares)) and row.share >= 0.5 > row.share - shares[-1]
        assert row.side >= 0.5
        assert abs(scores.relative[place[row.strongest], k]) == np.abs(scores.relative[scores.partition == 0, k]).max()


def test_tables_and_text():
    model = growth_and_deaths()
    scores = loop_scores(model, model.run(0, 12), every=1.0)
    assert scores.times.tolist() == list(range(13))
    frame = scores.to_frame()
    assert list(frame.columns) == ["time", "partition", "loop", "polarity", "score", "relative"] and len(frame) == 26
    assert set(scores.links.columns) == {"source", "target", "time", "score"} and len(scores.links) == 4 * 13
    loops = scores.loops.set_index("loop")
    assert loops.loc["R1", "path"] == "x → births → x" and loops.loc["B1", "at"] == 12.0
    assert repr(scores).startswith("Loops of 'growth', 0 to 12: 2 loops in 1 partitions, all there are\n")
    only = scores.to_frame(most=1)
    assert set(only["loop"]) in ({"B1", "other R", "other B"}, {"R1", "other R", "other B"})


def test_csv_reads_back(tmp_path):
    import pandas as pd

    model = growth_and_deaths()
    scores = loop_scores(model, model.run(0, 12))
    read = pd.read_csv(scores.to_csv(tmp_path / "scores.csv"))
    pd.testing.assert_frame_equal(read, scores.to_frame())


# figures and files


def test_files_and_figures(tmp_path):
    written = write_loops(bass(), 0, 25, tmp_path, parts=True, every=0.5)
    names = {"loops.csv", "loop_scores.csv", "dominant_loops.csv", "loop_shifts.csv", "loops.png"}
    assert {p.name for p in written} == names == {p.name for p in tmp_path.iterdir()}
    assert (tmp_path / "loops.png").read_bytes().startswith(b"\x89PNG")
    assert "6.19" in (tmp_path / "loop_shifts.csv").read_text()
    still = write_loops(m0(), 0, 2, tmp_path)
    assert {p.name for p in still} == names - {"loops.png"} == {p.name for p in tmp_path.iterdir()}


def test_figure_by_groups_draws_every_group(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: drawn.append(self))
    model = supply_line()
    run = model.run(0, 8)
    groups = {"order book": ["on_order"], "capital": ["capacity"]}
    scores = loop_scores(model, run)
    dominance(scores, run, "capacity", tmp_path / "a.png", groups=groups, most=2)
    dominance(scores, run, "capacity", tmp_path / "b.png", most=2)
    by_group, by_loop = (" ".join(t.get_text() for t in f.axes[2].texts) for f in drawn)
    assert "order book + capital (2 loops)" in by_group and "all other groups" in by_group
    assert "all other loops" in by_loop and "on order → deliveries → capacity" in by_loop
    for figure in drawn:
        above, below = 0.0, 0.0
        for area in figure.axes[0].collections:
            low, high = area.get_datalim(figure.axes[0].transData).intervaly
            above, below = max(above, high), min(below, low)
        assert above == pytest.approx(scores.relative.clip(0).sum(axis=0).max(), abs=1e-9)
        assert below == pytest.approx(scores.relative.clip(None, 0).sum(axis=0).min(), abs=1e-9)


# mistakes


def test_a_run_of_other_values_or_another_model_is_not_scored():
    model = supply_line()
    other = model.run(0, 5, params={"life": 4.0})
    with pytest.raises(JevonsError, match=r"not one of this model with these parameter values \(.*discards") as caught:
        loop_scores(model, other)
    assert "model.with_values(values)" in str(caught.value)
    assert loop_scores(model.with_values({"life": 4.0}), other).paths
    with pytest.raises(JevonsError, match=r"lacks capacity, coverage.* of model 'supply line'"):
        loop_scores(model, bass().run(0, 5))


def test_a_run_that_failed_is_not_scored():
    blows_up = accumulate(v.x**2 / v.year, initial=1.0)
    run = blows_up.run(0, 2, on_failure="return")
    with pytest.raises(IntegrationError):
        loop_scores(blows_up, run)


def test_mistakes_in_arguments_are_all_named():
    model = logistic()
    run = model.run(0, 5)
    with pytest.raises(ModelError) as caught:
        loop_scores(model, run, [("x", "grwth"), ("growth", "growth"), ()])
    text = str(caught.value)
    assert "'grwth' is not a name on links; did you mean 'growth'?" in text
    assert "no link growth → growth" in text and "expected names, each once" in text
    for every in (0.3, 0.0, -1.0):
        expected = f"every {every:g}, expected a multiple of the run's distance of dates, 0.125"
        with pytest.raises(JevonsError, match=expected):
            loop_scores(model, run, every=every)
    with pytest.raises(JevonsError, match="most 0, expected 1 or more"):
        loop_scores(model, run, most=0)
    scores = loop_scores(model, run)
    with pytest.raises(JevonsError, match="partition 1, expected a number from 0 to 0"):
        scores.dominant(1)
    with pytest.raises(JevonsError, match="most 0, expected 1 or more"):
        dominance(scores, run, "x", "never.png", most=0)
    with pytest.raises(ModelError, match="'y' is not in the model"):
        write_loops(model, 0, 1, "never", variable="y")
    still = decay(initial=0.0)
    at_rest = still.run(0, 1)
    named = loop_scores(still, at_rest, [("x", "outflow")])
    with pytest.raises(JevonsError, match="no loop of model 'decay' acts from 0 to 1: nothing to draw"):
        dominance(named, at_rest, "x", "never.png")


def test_numbers_of_the_world_in_the_document(fitted):
    text = " ".join((Path(__file__).parents[1] / "docs" / "loops.md").read_text(encoding="utf-8").split())
    scores = loop_scores(fitted, fitted.run(2015, 2035))
    own = scores.partition == 0
    assert f"{len(scores.paths):,} loops act. {own.sum():,} of them share {len(scores.stocks())} stocks" in text
    dominant = scores.dominant()
    counts = dominant["loops"].str.split().str.len()
    assert f"takes {counts.median():.0f} loops (median over dates; {counts.min()} to {counts.max()})" in text
    assert f"the stronger side explains {dominant['side'].median():.0%}".replace("%", " %") in text
    assert (scores.shifts()["what"] == "polarity").sum() == 7 and "changes sides seven times" in text
    grouped = scores.grouped(fitted.sectors)
    size = (grouped[REINFORCING] - grouped[BALANCING]).groupby([grouped["time"], grouped["group"]]).sum().unstack()
    for start, end, share in ((2015, 2018, 19), (2018, 2021, 35), (2021, 2023.5, 31), (2023.5, 2025, 39),
                              (2025, 2028.5, 76), (2028.5, 2032, 43), (2032, 2035, 44)):  # fmt: skip
        largest = size[(size.index >= start) & (size.index < end)].mean().max()
        assert round(100 * largest) == share and f"| {share} % |" in text
    queued = [i for i in np.flatnonzero(own) if "power_queue" in scores.paths[i].path]
    through = np.abs(scores.relative[queued]).sum(axis=0)
    assert round(100 * through[(scores.times >= 2025) & (scores.times <= 2028.5)].mean()) == 91
    assert "through the queue for power: 91 %" in text and round(100 * through.mean()) == 45
