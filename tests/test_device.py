"""Rebound of one device: published constants, an independent recomputation at 50 digits, limits, budget, messages."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from dataclasses import fields, replace
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jevons.errors import JevonsError, ModelError
from jevons.plot_device import plot_device, plot_service_price
from jevons.rebound.device import (
    BUDGET_TOLERANCE,
    STAGES,
    TERMS,
    Device,
    DeviceUpgrade,
    annuity_factors,
    calibrate_macro_factor,
    device_rebound,
)
from jevons.rebound.device_cases import SERVER_INPUTS, SERVER_UPGRADES, car, lamp, server, with_energy_share
from jevons.rebound.device_paths import consumption_path, energy_path, expenditure_path, indifference_curve

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "device-rebound.md"
CASES = {"car": car(), "lamp": lamp(), "car_r0": car(discount_rate=0.0)}
RESULTS = {name: device_rebound(upgrade) for name, upgrade in CASES.items()}


def rows(name):
    with (ROOT / "tests" / "data" / name).open(encoding="utf-8") as file:
        return [dict(r) for r in csv.DictReader(file)]


def reported(case, name):
    """A quantity of the reference table, by its name there."""
    result = RESULTS[case]
    stages = result.stages
    if name.startswith("k_"):
        return calibrate_macro_factor(CASES[case], float(name[2:]))
    if name in TERMS:
        return result[name]
    return {
        "tau_alpha": stages["star"].tau_alpha,
        "share": stages["orig"].service_share,
        "sigma": result.substitution_elasticity,
        "rho": result.rho,
        "saving": result.expected_saving,
        "gross": result.gross_savings,
        "hat_spending": result.hat_spending,
        **{f"energy_{s}": stages[s].energy for s in STAGES},
        **{f"service_{s}": stages[s].service for s in STAGES},
        **{f"goods_{s}": stages[s].other_goods for s in STAGES},
        **{f"net_{s}": stages[s].net_savings for s in STAGES},
    }[name]


@pytest.mark.parametrize("row", rows("device_reference.csv"), ids=lambda r: f"{r['case']} {r['name']}")
def test_the_reference_table_is_reproduced_to_1e_9(row):
    assert reported(row["case"], row["name"]) == pytest.approx(float(row["value"]), rel=1e-9)


def test_all_constants_of_the_r_packages_tests_are_reproduced():
    """192 constants, to the tolerance of R's expect_equal."""
    compared, names = 0, {"efficiency_ratio": lambda r: r.stages["star"].efficiency / r.stages["orig"].efficiency}
    for row in rows("device_r_tests.csv"):
        result, variable = RESULTS[row["case"]], row["variable"]
        if row["stage"] and hasattr(result.stages[row["stage"]], variable):
            found = getattr(result.stages[row["stage"]], variable)
        else:
            found = names[variable](result) if variable in names else getattr(result, variable)
        assert found == pytest.approx(float(row["value"]), rel=1.5e-8, abs=1e-9), row
        compared += 1
    assert compared == 192


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("emb", -0.002712225), ("dsub", 0.17364943), ("isub", -0.070197801), ("sub", 0.10345163),
        ("dinc", 0.0001275146), ("iinc", 0.19036445), ("inc", 0.1904920), ("micro", 0.2912314),
        ("macro", 0.14233554), ("dir", 0.17377694), ("indir", 0.2597900), ("tot", 0.4335669),
    ],
)  # fmt: skip
def test_the_lamps_terms_are_those_the_r_package_prints(term, value):
    digits = len(f"{value:.10f}".rstrip("0").partition(".")[2])
    assert RESULTS["lamp"][term] == pytest.approx(value, abs=0.51 * 10.0**-digits)


def test_the_macro_factor_for_a_rebound_of_one():
    assert calibrate_macro_factor(CASES["car_r0"], 1.0) == pytest.approx(11.327695, rel=1e-7)


def recomputed(u):
    """The papers' equations as printed, at 50 digits: every term, price of energy alone."""
    mp = mpmath.mpf
    one = mp(1)
    with mpmath.workdps(50):
        r, per = mp(u.discount_rate), mp(u.megajoules)
        q, money, intensity, k = mp(u.service), mp(u.budget), mp(u.energy_intensity), mp(u.macro_factor)

        def side(d):
            life = mp(d.life)
            big = (1 + r) ** life
            alpha = one if r == 0 else big / (big - 1) * r / (1 + r) * life
            omega = one if r == 0 else 1 / (big - 1) * r / (1 + r) * life
            eta = mp(d.efficiency) / per
            capital = alpha * mp(d.capital_cost) / life
            disposal = omega * mp(d.disposal_cost) / life
            return eta, capital, mp(d.maintenance_cost), disposal, mp(d.embodied_energy) / life

        p_e = mp(u.energy_price) / per
        (eta0, cap0, om0, dis0, emb0), (eta1, cap1, om1, dis1, emb1) = side(u.original), side(u.upgraded)
        cost = p_e / eta0 * q
        goods = money - cost - cap0 - om0 - dis0
        a = cost / (cost + goods)
        sigma = (a + mp(u.price_elasticity)) / (a - 1)
        rho = (sigma - 1) / sigma
        x = p_e / eta1 * q / goods
        ratio = (1 - a) / a
        q_hat = q * (a + (1 - a) * (ratio * x) ** (rho / (1 - rho))) ** (-1 / rho)
        g_hat = goods * (1 + a * ((x * ratio) ** (rho / (rho - 1)) - 1)) ** (-1 / rho)
        saving = (1 - eta0 / eta1) * q / eta0
        net = p_e * saving - (cap1 - cap0) - (om1 + dis1 - om0 - dis0)
        net_hat = net - p_e * (q_hat - q) / eta1 - (g_hat - goods)
        grown = 1 + net_hat / (money - cap1 - om1 - dis1 - net_hat)
        terms = {
            "emb": emb1 - emb0, "cap": (cap1 - cap0) * intensity, "om": (om1 - om0) * intensity,
            "d": (dis1 - dis0) * intensity, "dsub": (q_hat - q) / eta1, "isub": (g_hat - goods) * intensity,
            "dinc": q_hat * (grown - 1) / eta1, "iinc": g_hat * (grown - 1) * intensity, "macro": k * net * intensity,
        }  # fmt: skip
        terms["tot"] = sum(v for name, v in terms.items() if name != "cap")
        return {name: float(v / saving) for name, v in terms.items()}


@pytest.mark.parametrize("case", CASES)
def test_every_term_agrees_with_the_papers_equations_at_50_digits(case):
    for name, value in recomputed(CASES[case]).items():
        assert RESULTS[case][name] == pytest.approx(value, rel=1e-9, abs=1e-15), name


def test_annuities():
    """Discounted payments in advance are worth the capital; discounted contributions grow to the disposal cost."""
    rate, life = 0.07, 9
    tau_alpha, tau_omega = annuity_factors(rate, life)
    assert sum(tau_alpha / life / (1 + rate) ** t for t in range(life)) == pytest.approx(1, rel=1e-13)
    assert sum(tau_omega / life * (1 + rate) ** (life - t) for t in range(life)) == pytest.approx(1, rel=1e-13)
    assert annuity_factors(0.0, life) == (1, 1)
    assert annuity_factors(5e-324, 0.5) == (1, 1)  # the smallest number there is, times half, is nothing
    assert annuity_factors(1e-12, life) == pytest.approx((1, 1), rel=1e-10)
    assert annuity_factors(0.9, 1e5) == pytest.approx((0.9 / 1.9 * 1e5, 0))


# What the R package does otherwise


def test_capital_rebound_is_a_rate_and_not_the_packages_price():
    upgrade, result = CASES["car"], RESULTS["car"]
    scale = upgrade.energy_intensity / result.expected_saving
    before, after = result.stages["orig"], result.stages["star"]
    as_price = (
        after.tau_alpha * upgrade.upgraded.capital_cost - before.tau_alpha * upgrade.original.capital_cost
    ) * scale
    assert as_price == pytest.approx(-0.0955300875844661, rel=1e-12)
    assert result["cap"] == pytest.approx(-0.00682357768460466, rel=1e-12)
    assert as_price / result["cap"] == pytest.approx(upgrade.original.life)


@pytest.mark.parametrize(("case", "graph"), [("car", 87261.7193574737), ("lamp", None)])
def test_the_energy_path_ends_where_the_total_rebound_says_and_not_where_the_package_draws_it(case, graph):
    upgrade, result = CASES[case], RESULTS[case]
    path, stages = energy_path(result), RESULTS[case].stages
    x, y = path.points["tilde"]
    spent = sum(path.points["orig"]) - (x + y)
    assert 1 - spent / result.expected_saving == pytest.approx(result["tot"], rel=1e-9)
    drawn = path.points["bar"][1] + upgrade.macro_factor * stages["hat"].net_savings * upgrade.energy_intensity
    if graph:
        assert drawn == pytest.approx(graph, rel=1e-12)
        assert upgrade.energy_intensity * stages["hat"].net_savings / result.expected_saving == pytest.approx(
            0.0764859141, rel=1e-9
        )
    by_graph = 1 - (sum(path.points["orig"]) - x - drawn) / result.expected_saving
    assert abs(by_graph - result["tot"]) > 5e-4


def test_income_elasticities_other_than_one_leave_the_packages_budget_open():
    hat, upgrade = RESULTS["car"].stages["hat"], CASES["car"]
    growth = 1 + hat.net_savings / RESULTS["car"].hat_spending
    fixed = upgrade.fixed_cost(upgrade.upgraded)

    def left_over(of_service, of_goods):
        spent = hat.service_cost * growth**of_service + hat.other_goods * growth**of_goods
        return upgrade.budget - fixed - spent

    assert abs(left_over(1, 1)) < 1e-9
    assert left_over(0.5, 1) == pytest.approx(12.0869, abs=1e-3)


# Paths


def test_paths_of_the_car_go_through_the_published_points():
    energy, money = energy_path(RESULTS["car"]), expenditure_path(RESULTS["car"])
    goods = consumption_path(RESULTS["lamp"])
    for found, expected in (
        (energy.points["orig"], (73060.68051, 82759.27316660393)),
        (energy.points["star"], (43488.50030357, 82894.97413082645)),
        (energy.points["hat"], (44466.05999731, 82819.32309970720)),
        (energy.points["bar"], (45840.63067017, 84999.86412194537)),
        (money.points["orig"], (1275.17, 26126.1076930294584599)),
        (money.points["star"], (759.02976190476181273, 25980.1622670666984050)),
        (money.points["hat"], (776.0916724422514790, 25957.8419769712781999)),
        (money.points["bar"], (800.0828435163911081, 26601.1948495130709489)),
        (goods.points["star"], (1, 1)),
        (goods.points["hat"], (2.4344098152813411495, 0.99984047291445865557)),
        (goods.points["bar"], (2.4354631373868929, 1.0002730832628564)),
    ):
        # the R tests' lamp has 53/6 lm per W, the package's own data 8.8333333
        assert found == pytest.approx(expected, rel=1e-9 if expected[0] > 100 else 1.5e-8)


def test_indexed_paths_and_iso_expenditure_lines():
    plain, indexed = (expenditure_path(RESULTS["car"], indexed=i) for i in (False, True))
    line, scaled = plain.lines[0], indexed.lines[0]
    assert (line.slope, line.intercept) == (-1, pytest.approx(27401.277693029457))
    assert scaled.slope == pytest.approx(-0.0488082654707965, rel=1e-12)
    assert scaled.intercept == pytest.approx(1.04880826547079641919, rel=1e-12)
    assert indexed.segments[0].end == pytest.approx((0.59523809523809512179, 1), rel=1e-12)
    assert indexed.x_label == "energy, over before [1]"
    assert scaled.at(1.0) == pytest.approx(1)


@pytest.mark.parametrize("price", ["energy", "full"])
@pytest.mark.parametrize("make", [energy_path, expenditure_path, consumption_path])
def test_segments_run_tip_to_tail_through_every_stage(make, price):
    path = make(device_rebound(server("generation", price)))
    ends = [path.segments[0].start, *(s.end for s in path.segments)]
    for before, after in zip(path.segments, path.segments[1:], strict=False):
        assert before.end == after.start
    for name, point in path.points.items():
        assert min(math.dist(point, e) / math.hypot(*point) for e in ends) < 1e-12, name
    for name, line in ((n.name, n) for n in path.lines):
        assert any(line.at(x) == pytest.approx(y, rel=1e-12) for x, y in ends), name


def test_iso_energy_lines_read_off_the_rebound():
    """The line through the end of an effect cuts the share of the way from 0 to 100 % that the terms sum to."""
    for result in RESULTS.values():
        at = {line.name: line.intercept for line in energy_path(result).lines}
        share = {n: (v - at["0 %"]) / (at["100 %"] - at["0 %"]) for n, v in at.items()}
        assert share["empl"] == pytest.approx(result["empl"], abs=1e-9)
        assert share["sub"] == pytest.approx(result["empl"] + result["sub"], abs=1e-9)
        assert share["inc"] == pytest.approx(result["micro"], abs=1e-9)
        assert share["tot"] == pytest.approx(result["tot"], abs=1e-9)


def test_indifference_curves():
    assert indifference_curve(0.5, (1, 1), 0.01, 0.3) == pytest.approx(1.01801496409513, rel=1e-13)
    assert indifference_curve(1.0, (20, 1.1), 0.01, 0.3) == pytest.approx(1.10599647717356, rel=1e-13)
    assert indifference_curve([1.0, 0.5], (1, 1), 0.01, 0.3) == pytest.approx([1, 1.01801496409513])
    near, exact = (indifference_curve(0.5, (1, 1), 0.2, s) for s in (1 + 1e-9, 1.0))
    assert exact == pytest.approx(2**0.25, rel=1e-14)
    assert near == pytest.approx(exact, rel=1e-8)
    assert np.isnan(indifference_curve(1e-3, (1, 1), 0.3, 0.3))


@pytest.mark.parametrize("case", CASES)
def test_substitution_stays_on_the_indifference_curve_and_touches_the_budget(case):
    path, result = consumption_path(RESULTS[case]), RESULTS[case]
    (x, y), share, sigma = path.points["hat"], result.stages["orig"].service_share, result.substitution_elasticity
    assert indifference_curve(x, (1, 1), share, sigma) == pytest.approx(y, rel=1e-11)
    budget = next(line for line in path.lines if line.name == "hat")
    for grid in np.array([0.999, 1.001]) * x:
        assert indifference_curve(grid, (1, 1), share, sigma) > budget.at(grid)


# Properties

positive = st.floats(0.01, 100)


@st.composite
def upgrades(draw):
    """Random valid upgrades: costs below half the budget, elasticity beyond minus the share of the service."""
    price = draw(st.sampled_from(["energy", "full"]))
    gain = draw(st.floats(1.001, 50))
    efficiency, service = draw(positive), draw(positive)
    before, after = (
        Device(
            efficiency=efficiency * factor,
            capital_cost=draw(st.floats(0, 100)),
            life=draw(st.floats(0.5, 40)),
            maintenance_cost=draw(st.floats(0, 100)),
            disposal_cost=draw(st.floats(0, 10)),
            embodied_energy=draw(st.floats(0, 1000)),
        )
        for factor in (1, gain)
    )
    energy_price = draw(positive)
    most = energy_price * service / efficiency + 150 * max(2, 2 / before.life, 2 / after.life) * 20
    elasticity = -draw(st.floats(0.501, 3))
    return DeviceUpgrade(
        name="random", original=before, upgraded=after, service=service, energy_price=energy_price,
        megajoules=draw(positive), budget=2 * most, price_elasticity=elasticity, energy_intensity=draw(positive),
        discount_rate=draw(st.floats(0, 0.5)), macro_factor=draw(st.floats(-5, 5)), service_price=price,
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(upgrades())
def test_the_budget_closes_and_energy_adds_up(upgrade):
    result = device_rebound(upgrade)
    assert result.budget_residual < BUDGET_TOLERANCE
    for name in ("orig", "star", "hat"):
        stage = result.stages[name]
        assert stage.spending + stage.net_savings == pytest.approx(upgrade.budget, rel=1e-11)
    total = result.expected_saving * (result["tot"] - 1)
    scale = result.total_energy("orig")
    assert result.total_energy("tilde") - scale == pytest.approx(total, rel=1e-7, abs=1e-9 * scale)
    parts = [result[n] for n in ("empl", "sub", "inc", "macro")]
    assert sum(parts) == pytest.approx(result["tot"], rel=1e-9, abs=1e-9 * max(map(abs, parts)))


@settings(max_examples=100, deadline=None)
@given(upgrades())
def test_demand_is_that_of_preferences_of_constant_elasticity(upgrade):
    """Marshallian demand in closed form, by another route than compensated demand and income."""
    result = device_rebound(upgrade)
    orig, bar = result.stages["orig"], result.stages["bar"]
    share, sigma = orig.service_share, result.substitution_elasticity
    ratio = bar.service_price / orig.service_price
    fixed = (
        [0.0, 0.0]
        if upgrade.service_price == "full"
        else [upgrade.fixed_cost(d) for d in (upgrade.original, upgrade.upgraded)]
    )
    income = (upgrade.budget - fixed[1]) / (upgrade.budget - fixed[0])
    expected = income * ratio**-sigma / (share * ratio ** (1 - sigma) + 1 - share)
    assert bar.service / orig.service == pytest.approx(expected, rel=1e-9)
    assert bar.other_goods / orig.other_goods == pytest.approx(
        income / (share * ratio ** (1 - sigma) + 1 - share), rel=1e-9
    )


@settings(max_examples=60, deadline=None)
@given(upgrades(), st.floats(0.001, 1000))
def test_no_term_depends_on_the_unit_of_money(upgrade, factor):
    def scaled(d):
        costs = ("capital_cost", "maintenance_cost", "disposal_cost")
        return replace(d, **{n: getattr(d, n) * factor for n in costs})

    other = replace(
        upgrade, original=scaled(upgrade.original), upgraded=scaled(upgrade.upgraded),
        energy_price=upgrade.energy_price * factor, budget=upgrade.budget * factor,
        energy_intensity=upgrade.energy_intensity / factor,
    )  # fmt: skip
    mine, theirs = device_rebound(upgrade).terms, device_rebound(other).terms
    size = max(abs(v) for v in mine.values())
    for name, value in mine.items():
        assert theirs[name] == pytest.approx(value, rel=1e-8, abs=1e-9 * size), name


@settings(max_examples=40, deadline=None)
@given(upgrades())
def test_no_term_depends_on_the_unit_in_which_energy_is_bought(upgrade):
    def scaled(d):
        return replace(d, efficiency=d.efficiency * 7)

    other = replace(
        upgrade, original=scaled(upgrade.original), upgraded=scaled(upgrade.upgraded),
        energy_price=upgrade.energy_price * 7, megajoules=upgrade.megajoules * 7,
    )  # fmt: skip
    mine, theirs = device_rebound(upgrade).terms, device_rebound(other).terms
    size = max(abs(v) for v in mine.values())
    for name, value in mine.items():
        assert theirs[name] == pytest.approx(value, rel=1e-8, abs=1e-9 * size), name


@pytest.mark.parametrize("target", [0.63, 1.0, -0.2, 4.0])
@pytest.mark.parametrize("upgrade", [*CASES.values(), server("generation")], ids=lambda u: u.name)
def test_a_calibrated_macro_factor_meets_its_target(upgrade, target):
    k = calibrate_macro_factor(upgrade, target)
    assert device_rebound(replace(upgrade, macro_factor=k))["tot"] == pytest.approx(target, rel=1e-12)
    assert (k < 0) == (target < device_rebound(upgrade)["micro"])


# Limits


@pytest.mark.parametrize("price", ["energy", "full"])
def test_an_upgrade_to_the_same_device_changes_nothing_and_has_no_rebound(price):
    upgrade = server("chip", price)
    upgrade = replace(upgrade, upgraded=upgrade.original)
    result = device_rebound(upgrade)
    assert set(result.energy_changes.values()) == {0.0}
    assert all(math.isnan(v) for v in result.terms.values())
    assert result.stages["tilde"].service == result.stages["orig"].service


def test_cheaper_capital_alone_has_growth_and_no_rebound():
    before = server("chip").original
    cheaper = replace(server("chip"), upgraded=replace(before, capital_cost=before.capital_cost / 2))
    result = device_rebound(cheaper)
    assert math.isnan(result["dir"])
    assert result.energy_changes["dir"] > 0.2 * result.stages["orig"].energy
    assert device_rebound(replace(cheaper, service_price="energy")).energy_changes["dsub"] == 0


def with_sigma(upgrade, sigma):
    return replace(upgrade, price_elasticity=-sigma * (1 - upgrade.service_share) - upgrade.service_share)


def test_the_limits_of_substitution():
    """σ = 0: no substitution (Leontief); σ = 1: constant shares (Cobb-Douglas), also as the limit from both sides."""
    upgrade = lamp()
    rigid = device_rebound(replace(upgrade, price_elasticity=-upgrade.service_share))
    assert rigid.substitution_elasticity == 0
    assert rigid.rho == -math.inf
    assert rigid["dsub"] == rigid["isub"] == 0
    exact = replace(upgrade, price_elasticity=-1.0)
    cobb = device_rebound(exact)
    assert cobb.substitution_elasticity == 1
    for name in ("hat", "bar"):
        assert cobb.stages[name].service_share == pytest.approx(upgrade.service_share, rel=1e-13)
    for sigma in (1 - 1e-9, 1 + 1e-9):
        near = device_rebound(with_sigma(upgrade, sigma))
        assert near["dsub"] == pytest.approx(cobb["dsub"], rel=1e-7)
        assert near["isub"] == pytest.approx(cobb["isub"], rel=1e-7)


def finite_rebound(elasticity, share, gain):
    """Direct rebound of a gain in energy efficiency where energy is a share of the cost, at constant elasticity."""
    ratio = (share / gain + 1 - share) ** -elasticity / gain
    return 1 - (1 - ratio) / (1 - 1 / gain)


@pytest.mark.parametrize("gain", [1.01, 2.0, 10.0])
@pytest.mark.parametrize("elasticity", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("share", [0.05, 0.09, 0.5, 1.0])
def test_a_service_small_in_the_budget_has_the_rebound_of_constant_elasticity(elasticity, share, gain):
    upgrade = with_energy_share(server("chip", "full", -elasticity), share)
    upgrade = replace(
        upgrade,
        budget=upgrade.budget * 1e7,
        upgraded=replace(upgrade.upgraded, efficiency=gain * upgrade.original.efficiency),
    )
    assert upgrade.energy_share == pytest.approx(share)
    assert device_rebound(upgrade)["dir"] == pytest.approx(finite_rebound(elasticity, share, gain), rel=1e-6)
    only = device_rebound(replace(upgrade, service_price="energy"))["dir"]
    assert only == pytest.approx(finite_rebound(elasticity, 1, gain), rel=1e-6)
    if share == 1:
        assert only == pytest.approx((gain**elasticity - 1) / (gain - 1), rel=1e-6)


@pytest.mark.parametrize("share", [0.05, 0.09, 0.2])
def test_a_small_gain_at_full_cost_has_direct_rebound_eta_s_e(share):
    upgrade = with_energy_share(server("chip"), share)
    small = replace(
        upgrade,
        budget=upgrade.budget * 1e6,
        upgraded=replace(upgrade.original, efficiency=upgrade.original.efficiency * (1 + 1e-5)),
    )
    assert device_rebound(small)["dir"] == pytest.approx(0.85 * share, rel=1e-4)
    assert device_rebound(replace(small, service_price="energy"))["dir"] == pytest.approx(0.85, rel=1e-4)


def test_both_prices_agree_where_energy_is_the_whole_cost():
    upgrade = with_energy_share(server("chip"), 1.0)
    upgrade = replace(
        upgrade,
        original=replace(upgrade.original, embodied_energy=0.0),
        upgraded=replace(upgrade.upgraded, embodied_energy=0.0),
    )
    full, only = device_rebound(upgrade), device_rebound(replace(upgrade, service_price="energy"))
    for name in TERMS:
        assert full[name] == pytest.approx(only[name], rel=1e-12), name


def test_an_algorithm_saves_every_cost_so_its_direct_rebound_does_not_depend_on_the_share_of_energy():
    found = [device_rebound(with_energy_share(server("algorithm"), s))["dir"] for s in (0.03, 0.3, 1.0)]
    assert found == pytest.approx([found[0]] * 3, rel=1e-12)


# The data-centre example


def test_the_energy_only_price_overstates_the_direct_rebound_of_efficient_chips_many_times():
    upgrade = with_energy_share(server("chip"), 0.09)
    full, only = (device_rebound(replace(upgrade, service_price=p))["dir"] for p in ("full", "energy"))
    assert full == pytest.approx(finite_rebound(0.85, 0.09, 2.0), rel=1e-3)
    assert only == pytest.approx(finite_rebound(0.85, 1.0, 2.0), rel=1e-3)
    assert only / full > 20


def test_the_servers_energy_and_cost_follow_from_the_inputs():
    v = {n: i.value for n, i in SERVER_INPUTS.items()}
    upgrade = server("generation")
    load = 10.2 * 0.76 * (0.35 + 0.65 * 0.75) * 1.17 * 8766
    assert upgrade.service / upgrade.original.efficiency == pytest.approx(load)
    assert upgrade.service == pytest.approx(8 * 989e12 * 0.75 * 8766 * 3600 / 1e21)
    gain = upgrade.upgraded.efficiency / upgrade.original.efficiency
    assert gain == pytest.approx(v["next_throughput"] * v["rated_power"] / v["next_rated_power"])
    annuity = 270e3 * 0.12 / 1.12 / (1 - 1.12**-5)
    fixed = 1.35 * annuity + 0.1 * 11.7e3 * 10.2
    assert upgrade.fixed_cost(upgrade.original) == pytest.approx(fixed)
    assert upgrade.service_share == pytest.approx(0.02)


def test_every_input_has_unit_status_and_source():
    for name, given_input in SERVER_INPUTS.items():
        assert given_input.status in ("measured", "literature", "assumed"), name
        assert given_input.unit, name
        assert len(given_input.source) > 15, name
    assert {i.status for i in SERVER_INPUTS.values()} == {"measured", "literature", "assumed"}


@pytest.mark.parametrize("kind", SERVER_UPGRADES)
@pytest.mark.parametrize("price", ["energy", "full"])
def test_servers_close_their_budget(kind, price):
    assert device_rebound(server(kind, price)).budget_residual < BUDGET_TOLERANCE


def test_the_share_of_energy_marked_in_the_picture_is_the_world_models(fitted):
    share = fitted.run(2010, 2031)["energy_cost_share"]
    assert share[2025.0] < 0.09 < share[2030.0]


# Messages


def test_all_mistakes_are_listed_at_once():
    with pytest.raises(ModelError) as caught:
        DeviceUpgrade(
            name="toaster",
            original=Device(efficiency=-1.0, capital_cost=-5.0, life=0.0),
            upgraded=Device(efficiency=math.nan, capital_cost=1.0, life=1.0, embodied_energy=-1.0),
            service=0.0, energy_price=True, megajoules=1.0, budget=10.0, price_elasticity=0.3,
            energy_intensity=1.0, discount_rate=3.0, service_price="ful",
        )  # fmt: skip
    found = caught.value.mistakes
    assert len(found) == 10
    for part in (
        "original.efficiency: -1, expected above 0",
        "original.capital_cost: -5, expected 0 or above",
        "original.life: 0, expected above 0",
        "upgraded.efficiency: nan, expected a finite number",
        "upgraded.embodied_energy: -1, expected 0 or above",
        "service: 0, expected above 0",
        "energy_price: True, expected a finite number",
        "price_elasticity: 0.3, expected below 0: demand falls as the price rises",
        "discount_rate: 3, expected below 1 (0.03 is 3 % a year)",
        "service_price: 'ful', expected one of energy, full; did you mean 'full'?",
    ):
        assert part in found


def test_contradictions_are_listed():
    worse = replace(car().original, efficiency=20.0)
    with pytest.raises(ModelError, match=r"upgraded\.efficiency: 20, expected at least the original's, 25"):
        replace(car(), upgraded=worse)
    with pytest.raises(ModelError) as caught:
        replace(car(), budget=5000.0)
    assert "budget: 5000 $/yr, expected more than the original device's 6567.1" in str(caught.value)
    assert "expected more than the upgraded device's 5905.02" in str(caught.value)
    with pytest.raises(ModelError, match=r"price_elasticity: -0\.05, expected at most -0\.0577, minus the share"):
        replace(car(), price_elasticity=-0.05)
    with pytest.raises(ModelError, match="original: 'old', expected a Device"):
        replace(car(), original="old")


def test_messages_of_the_functions():
    with pytest.raises(JevonsError, match=r"rebound term 'macr', expected one of dempl.*did you mean 'macro'"):
        RESULTS["car"]["macr"]
    with pytest.raises(ModelError, match="nothing is saved") as caught:
        calibrate_macro_factor(replace(car(), upgraded=car().original), math.inf)
    assert len(caught.value.mistakes) == 3
    assert "net savings of 0 $/yr drive no macro effect" in str(caught.value)
    assert "target inf, expected a finite total rebound" in str(caught.value)
    with pytest.raises(JevonsError, match=r"share 1, .*; sigma 0, .*; through \(0, 1\), expected both above 0"):
        indifference_curve(1.0, (0, 1), 1.0, 0.0)
    with pytest.raises(JevonsError, match=r"server upgrade 'chips', expected one of .*did you mean 'chip'"):
        server("chips")
    with pytest.raises(JevonsError, match="energy share 0, expected above 0 and at most 1"):
        with_energy_share(server("chip"), 0.0)
    free = Device(efficiency=1.0, capital_cost=0.0, life=1.0)
    with pytest.raises(JevonsError, match="energy is its only cost, expected capital or upkeep to scale"):
        with_energy_share(replace(lamp(), original=free), 0.5)


def test_the_table_of_stages_has_every_variable():
    table = RESULTS["car"].stages_table()
    assert list(table.columns) == list(STAGES)
    assert len(table) == len(fields(RESULTS["car"].stages["orig"])) - 1
    assert table.loc["energy", "bar"] == RESULTS["car"].stages["bar"].energy


# Pictures and the page


def is_picture(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000


@pytest.mark.parametrize("upgrade", [car(), lamp(), server("generation")], ids=lambda u: u.name)
def test_the_paths_are_drawn(upgrade, tmp_path):
    assert is_picture(plot_device(device_rebound(upgrade), tmp_path / "paths.png"))


def test_prices_are_drawn(tmp_path):
    cases = [(text, server(kind)) for kind, text in SERVER_UPGRADES.items()]
    assert is_picture(plot_service_price(server("chip"), cases, tmp_path / "price.png"))


EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"example {i + 1}" for i in range(len(EXAMPLES))])
def test_the_page_prints_what_it_says(example):
    code, output = example
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(PAGE), "exec"), {})
    assert printed.getvalue() == output


def test_the_page_has_examples_and_its_links_exist():
    text = PAGE.read_text(encoding="utf-8")
    assert len(EXAMPLES) == 4
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert len(links) >= 2
    assert not [link for link in links if not (PAGE.parent / link).exists()]


def test_the_page_lists_every_input_of_the_server():
    text = PAGE.read_text(encoding="utf-8")
    for name, given_input in SERVER_INPUTS.items():
        row = (
            f"| `{name}` | {given_input.value:.4g} | {given_input.unit} | {given_input.status} | {given_input.source} |"
        )
        assert row in text, row
