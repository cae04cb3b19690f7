"""A made model of World3's size: ten sectors of four stocks that grow, trade, pollute and learn from each other.

The structure is fixed, the indicators of each sector are drawn with a seed. Every loop that grows is bounded by one
that balances, and every indicator is a bounded function of bounded ones, so that all trajectories stay moderate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

import jevons as jv
from jevons import Auxiliary, Flow, Model, Names, Parameter, Range, Stock, Table
from jevons.elements import Element

SECTORS = 10
INDICATORS = 14
SECTORS_WITH_TABLES = 2
SOURCE = "Drawn by the generator; stands for nothing."

v = Names()


def large_model(seed: int = 3, sectors: int = SECTORS, indicators: int = INDICATORS) -> Model:
    """Build the model; the same seed gives the same model.

    Equation   per sector: L' = L (growth f - (L/L*)^2 growth);  K' = saving Y - K/life;  E' = Y (log stock);
               S: first-order smooth of pollution;  Y = Y_0 (L/L_0)^a (K/K_0)^(1-a) h(E, S)
    """
    rng = np.random.default_rng(seed)
    elements: list[Element] = [
        _number("initial_capital", 100.0, "bnUSD"),
        _number("initial_labour", 10.0, "person"),
        _number("initial_experience", 200.0, "bnUSD"),
        _number("reference_output", 30.0, "bnUSD/yr"),
        _number("width", 0.05),
        _number("order", 4.0),
        _table("abatement", [(0.0, 1.0), (0.5, 0.95), (1.0, 0.8), (1.5, 0.55), (2.0, 0.4), (4.0, 0.3)]),
        _table("congestion", [(0.0, 0.6), (0.7, 0.8), (1.2, 1.0), (2.0, 1.1), (3.0, 1.15)]),
        Auxiliary(
            "total_output", "bnUSD/yr", equation=sum(_of("output", i) for i in range(sectors)), doc="Of all sectors."
        ),
    ]
    for i in range(sectors):
        elements += _sector(i, sectors)
        elements += _indicators(i, indicators, rng)
        elements += _parameters(i, rng)
    return Model("large", elements, start=0.0, doc="Made for timing; stands for nothing.")


def _of(name: str, i: int) -> Any:
    return getattr(v, f"{name}_{i}")


def _turn(x: Any) -> Any:
    """The hyperbolic tangent, by exp: XMILE has no tanh."""
    return 2 / (1 + sp.exp(-2 * x)) - 1


def _number(name: str, value: float, unit: str = "1") -> Parameter:
    prior = Range(value / 2, value * 2)
    return Parameter(name, unit, value=float(value), source=SOURCE, status="assumed", prior=prior, doc="Made.")


def _table(name: str, points: list[tuple[float, float]]) -> Table:
    return Table(
        name, "1", x_unit="1", points=tuple(points), outside="clamp", source=SOURCE, status="assumed", doc="Made."
    )


def _sector(i: int, sectors: int) -> Iterator[Element]:
    def of(name: str) -> Any:
        return _of(name, i)

    labour, capital, experience = of("labour"), of("capital"), of("experience")
    ratio = labour / v.initial_labour
    damage = sp.exp(-of("aversion") * of("perceived_pollution") ** 2)
    pull = 1 + sp.log(0.5 + of("trade"))
    if i < SECTORS_WITH_TABLES:
        damage, pull = jv.lookup("abatement", of("perceived_pollution")), jv.lookup("congestion", of("trade") * 2)
    yield Stock(f"labour_{i}", "person", initial=v.initial_labour, log=True, doc="People at work.")
    yield Stock(f"capital_{i}", "bnUSD", initial=v.initial_capital, doc="Capital.")
    yield Stock(f"experience_{i}", "bnUSD", initial=v.initial_experience, log=True, doc="Cumulative output.")
    yield Flow(
        f"entry_{i}",
        "person/yr",
        equation=labour * of("growth") * of("attraction") * of("indicator_3"),
        target=f"labour_{i}",
        doc="People who come.",
    )
    yield Flow(
        f"exit_{i}",
        "person/yr",
        equation=labour * of("growth") * ratio ** of("crowding") / of("room"),
        source=f"labour_{i}",
        doc="People who leave, more the more there are.",
    )
    yield Flow(
        f"investment_{i}",
        "bnUSD/yr",
        equation=jv.soft_limit(of("saving") * of("output"), of("growth_limit") * capital, v.order),
        target=f"capital_{i}",
        doc="New capital.",
    )
    yield Flow(
        f"discard_{i}",
        "bnUSD/yr",
        equation=capital / of("life") * of("indicator_5"),
        source=f"capital_{i}",
        doc="Capital at its end.",
    )
    yield Flow(f"learning_{i}", "bnUSD/yr", equation=of("output"), target=f"experience_{i}", doc="Output adds.")
    yield Auxiliary(
        f"output_{i}",
        "bnUSD/yr",
        equation=v.reference_output
        * ratio ** of("labour_share")
        * (capital / v.initial_capital) ** (1 - of("labour_share"))
        * of("productivity")
        * damage,
        doc="Output.",
    )
    yield Auxiliary(
        f"productivity_{i}",
        "1",
        equation=1 + of("learning_gain") * sp.log(experience / v.initial_experience + of("half")),
        doc="Output for the same labour and capital.",
    )
    yield Auxiliary(
        f"pollution_{i}",
        "1",
        equation=of("dirt") * of("output") / (v.reference_output * of("productivity")) * of("indicator_7"),
        doc="Pollution, relative.",
    )
    yield Auxiliary(
        f"perceived_pollution_{i}",
        "1",
        equation=jv.smooth1(of("pollution"), of("perception_time"), of("dirt")),
        doc="Pollution as perceived: a hidden stock.",
    )
    others = [(i + step) % sectors for step in (1, 3, 4)]
    trade = sum(_of("output", j) for j in others) / (len(others) * v.reference_output)
    yield Auxiliary(f"trade_{i}", "1", equation=trade / (trade + of("half")), doc="Pull of other sectors, below 1.")
    yield Auxiliary(
        f"attraction_{i}",
        "1",
        equation=jv.smooth_max(
            pull * sp.exp(-of("aversion") * of("perceived_pollution")),
            of("least_attraction"),
            v.width,
        ),
        doc="What draws people.",
    )


def _indicators(i: int, count: int, rng: np.random.Generator) -> Iterator[Element]:
    """Bounded positive functions of bounded positive arguments, each about one, each of earlier ones."""
    capital = _of("capital", i) / v.initial_capital
    known = [_of("trade", i), _of("perceived_pollution", i), capital / (capital + 1)]
    for k in range(count):
        a, b = (known[j] for j in rng.choice(len(known), 2, replace=False))
        one, two = (round(float(x), 4) for x in rng.uniform(0.2, 0.8, 2))
        share, bend = _of(f"share_{k}", i), _of(f"bend_{k}", i)
        forms = (
            sp.exp(-share * (a - b) ** 2),
            1 + share * _turn(bend * (a - b)),
            (1 + share * a) ** bend / (1 + share * b) ** bend,
            sp.log(1 + share * a + bend * b) + share,
            2 / (1 + sp.exp(-share * (a - b))),
            jv.smooth_min(share + a, bend + b, v.width),
            jv.soft_limit(share + b, 1 + bend, v.order) + bend * sp.sqrt(a + 1) / 2,
        )
        form = forms[(k + int(rng.integers(2))) % len(forms)]
        if k in (3, 5, 7):  # those that act on flows stay near one
            form = 1 + share * _turn(a - b) / 2
        yield Auxiliary(f"indicator_{k}_{i}", "1", equation=form, doc="Made indicator.")
        yield _number(f"share_{k}_{i}", one)
        yield _number(f"bend_{k}_{i}", two)
        known.append(_of(f"indicator_{k}", i))


def _parameters(i: int, rng: np.random.Generator) -> Iterator[Element]:
    ranges = {
        "growth": (0.03, 0.08, "1/yr"), "life": (10.0, 25.0, "yr"), "saving": (0.2, 0.3, "1"),
        "labour_share": (0.5, 0.7, "1"), "half": (0.8, 1.5, "1"), "crowding": (0.8, 1.6, "1"),
        "room": (2.0, 4.0, "1"), "growth_limit": (0.1, 0.2, "1/yr"), "learning_gain": (0.1, 0.3, "1"),
        "dirt": (0.3, 0.6, "1"), "perception_time": (3.0, 8.0, "yr"), "aversion": (0.1, 0.4, "1"),
        "least_attraction": (0.2, 0.4, "1"),
    }  # fmt: skip
    for name, (low, high, unit) in ranges.items():
        yield _number(f"{name}_{i}", round(float(rng.uniform(low, high)), 4), unit)
