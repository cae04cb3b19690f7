"""Small models with known answers: diffusion, vintages, a supply line, experience.

Each is small enough to solve by hand; the tests compare runs with the solutions given here.

References
----------
.. [Bass1969] Bass, F. M. (1969). A new product growth for model consumer durables. Management Science 15(5),
   215-227.
.. [Nagy2013] Nagy, B., Farmer, J. D., Bui, Q. M., Trancik, J. E. (2013). Statistical basis for predicting
   technological progress. PLoS ONE 8(2), e52669.
.. [Nordhaus2014] Nordhaus, W. D. (2014). The perils of the learning model for modeling endogenous technological
   change. The Energy Journal 35(1), 1-13.
.. [Sterman2000] Sterman, J. D. (2000). Business Dynamics: Systems Thinking and Modeling for a Complex World.
   McGraw-Hill.
.. [Sultan1990] Sultan, F., Farley, J. U., Lehmann, D. R. (1990). A meta-analysis of applications of diffusion
   models. Journal of Marketing Research 27(1), 70-77.
.. [Wright1936] Wright, T. P. (1936). Factors affecting the cost of airplanes. Journal of the Aeronautical Sciences
   3(4), 122-128.
"""

from __future__ import annotations

import sympy as sp

from jevons.elements import Auxiliary, Flow, LogNormal, Normal, Parameter, Range, Stock
from jevons.functions import TIME, Names
from jevons.model import Model

v = Names()

SCALE = "Sets the scale only: the result does not depend on it."


def bass() -> Model:
    """Diffusion of an innovation in a market of fixed size.

    Equation   N' = (p + q N/M)(M - N), N(0) = 0;
               N = M (1 - e^(-(p+q)t)) / (1 + (q/p) e^(-(p+q)t)); adoption peaks at ln(q/p)/(p+q)
    Valid for  p > 0, q > 0; one adoption per adopter, no replacement
    Source     [Bass1969]_; values of p and q: [Sultan1990]_; as a stock-and-flow model: [Sterman2000]_, ch. 9

    Returns
    -------
    Model
    """
    return Model(
        "bass",
        [
            Stock("adopters", "person", initial=0, doc="Those who have adopted, N."),
            Flow(
                "adoption",
                "person/yr",
                equation=(v.innovation + v.imitation * v.adopters / v.market) * (v.market - v.adopters),
                target="adopters",
                doc="Adoption by innovators and imitators.",
            ),
            Parameter(
                "innovation",
                "1/yr",
                value=0.03,
                source="Sultan, Farley and Lehmann 1990: mean of 213 applications.",
                status="literature",
                prior=LogNormal(0.03, 0.7),
                doc="Coefficient of innovation, p.",
            ),
            Parameter(
                "imitation",
                "1/yr",
                value=0.38,
                source="Sultan, Farley and Lehmann 1990: mean of 213 applications.",
                status="literature",
                prior=LogNormal(0.38, 0.5),
                doc="Coefficient of imitation, q.",
            ),
            Parameter(
                "market",
                "person",
                value=1e6,
                source=SCALE,
                status="assumed",
                prior=Range(1.0, 1e10),
                doc="Size of the market, M.",
            ),
        ],
        doc="Bass diffusion.",
    )


def coflow() -> Model:
    """Power embodied in growing capital whose newest vintage improves steadily.

    Equation   K' = (g + 1/L) K - K/L;  W' = (g + 1/L) K i - W/L;  i = i_0 e^(-γt);
               W/(K i) → (g + 1/L)/(g + 1/L - γ), the gap closing as e^(-(g + 1/L - γ)t)
    Valid for  g + 1/L > γ; discards independent of age
    Source     [Sterman2000]_, ch. 12 (coflows and aging chains)

    Returns
    -------
    Model
    """
    textbook = "Textbook value, to be varied."
    return Model(
        "coflow",
        [
            Stock("capital", "H100e", initial=v.initial_capital, log=True, doc="Installed capital, K."),
            Flow(
                "additions",
                "H100e/yr",
                equation=(v.growth + 1 / v.life) * v.capital,
                target="capital",
                doc="New capital: growth and replacement.",
            ),
            Flow("discards", "H100e/yr", equation=v.capital / v.life, source="capital", doc="Capital at its end."),
            Stock(
                "embodied_power",
                "kW",
                initial=v.initial_capital * v.initial_intensity,
                log=True,
                doc="Power of all capital, W; at the start all of it is new.",
            ),
            Flow(
                "power_of_additions",
                "kW/yr",
                equation=v.additions * v.new_intensity,
                target="embodied_power",
                doc="Power that comes with new capital.",
            ),
            Flow(
                "power_of_discards",
                "kW/yr",
                equation=v.discards * v.embodied_power / v.capital,
                source="embodied_power",
                doc="Power that leaves with discards, at the mean intensity.",
            ),
            Auxiliary(
                "new_intensity",
                "kW/H100e",
                equation=v.initial_intensity * sp.exp(-v.improvement * TIME),
                doc="Power per capital of the newest vintage, i.",
            ),
            Auxiliary(
                "intensity_ratio",
                "1",
                equation=v.embodied_power / (v.capital * v.new_intensity),
                doc="Mean intensity over that of the newest vintage.",
            ),
            Parameter(
                "growth",
                "1/yr",
                value=1.1,
                source=textbook,
                status="assumed",
                prior=Range(0.0, 2.0),
                doc="Growth of capital, g.",
            ),
            Parameter(
                "life",
                "yr",
                value=5.0,
                source=textbook,
                status="assumed",
                prior=Range(1.0, 20.0),
                doc="Mean life of capital, L.",
            ),
            Parameter(
                "improvement",
                "1/yr",
                value=0.25,
                source=textbook,
                status="assumed",
                prior=Range(0.0, 0.5),
                doc="Rate at which new intensity falls, γ.",
            ),
            Parameter(
                "initial_capital",
                "H100e",
                value=1000.0,
                source=SCALE,
                status="assumed",
                prior=Range(1.0, 1e9),
                doc="Capital at the start.",
            ),
            Parameter(
                "initial_intensity",
                "kW/H100e",
                value=0.7,
                source="NVIDIA H100 SXM data sheet: 700 W.",
                status="literature",
                doc="Power per capital of the newest vintage at the start, i_0.",
            ),
        ],
        doc="Vintages as a coflow.",
    )


def supply_line() -> Model:
    """Orders that keep capacity on a growing target, supply line and growth included.

    The one who orders wants deliveries (G + 1/L) K + (K* - K)/τ_K, a supply line SL* = τ (G + 1/L) K, and its
    growth, G SL*. If the growth they expect, G, is the target's, g, the steady error is zero.

    Equation   SL' = O - SL/τ;  K' = SL/τ - K/L;  K* = K*_0 e^(gt);
               O = (G + 1/L) K + (K* - K)/τ_K + G SL* + (SL* - SL)/τ_SL
    Valid for  G = g: K/K* → 1 for every positive τ, τ_K, τ_SL (the determinant is 1/(τ τ_K)); while O ≥ 0
    Source     [Sterman2000]_, ch. 17 (supply lines and the origin of oscillations)

    Returns
    -------
    Model
    """
    textbook = "Textbook value, to be varied."
    return Model(
        "supply line",
        [
            Stock(
                "on_order",
                "H100e",
                initial=v.lead_time * (v.expected_growth + 1 / v.life) * v.initial_target * v.initial_coverage,
                doc="Supply line: ordered and not delivered, SL.",
            ),
            Stock(
                "capacity",
                "H100e",
                initial=v.initial_target * v.initial_coverage,
                doc="Installed capacity, K.",
            ),
            Flow(
                "orders",
                "H100e/yr",
                equation=v.desired_deliveries
                + v.expected_growth * v.desired_on_order
                + (v.desired_on_order - v.on_order) / v.supply_line_adjustment_time,
                target="on_order",
                doc="Orders, O.",
            ),
            Flow(
                "deliveries",
                "H100e/yr",
                equation=v.on_order / v.lead_time,
                source="on_order",
                target="capacity",
                doc="Deliveries after the lead time.",
            ),
            Flow("discards", "H100e/yr", equation=v.capacity / v.life, source="capacity", doc="Capacity at its end."),
            Auxiliary(
                "target_capacity",
                "H100e",
                equation=v.initial_target * sp.exp(v.growth * TIME),
                doc="Capacity wanted, K*.",
            ),
            Auxiliary(
                "desired_deliveries",
                "H100e/yr",
                equation=(v.expected_growth + 1 / v.life) * v.capacity
                + (v.target_capacity - v.capacity) / v.capacity_adjustment_time,
                doc="Replacement, expected growth, and part of the gap.",
            ),
            Auxiliary(
                "desired_on_order",
                "H100e",
                equation=v.lead_time * (v.expected_growth + 1 / v.life) * v.capacity,
                doc="Supply line that delivers what steady growth needs, SL*.",
            ),
            Auxiliary("coverage", "1", equation=v.capacity / v.target_capacity, doc="Capacity over its target."),
            Parameter(
                "growth",
                "1/yr",
                value=0.3,
                source=textbook,
                status="assumed",
                prior=Range(0.0, 1.0),
                doc="Growth of the target, g.",
            ),
            Parameter(
                "expected_growth",
                "1/yr",
                value=0.3,
                source=textbook,
                status="assumed",
                prior=Normal(0.3, 0.1),
                doc="Growth that the one who orders expects, G.",
            ),
            Parameter(
                "lead_time",
                "yr",
                value=1.0,
                source=textbook,
                status="assumed",
                prior=Range(0.1, 5.0),
                doc="From order to delivery, τ.",
            ),
            Parameter(
                "life",
                "yr",
                value=5.0,
                source=textbook,
                status="assumed",
                prior=Range(1.0, 20.0),
                doc="Mean life of capacity, L.",
            ),
            Parameter(
                "capacity_adjustment_time",
                "yr",
                value=1.5,
                source=textbook,
                status="assumed",
                prior=Range(0.1, 5.0),
                doc="Time in which a gap of capacity is to be closed, τ_K.",
            ),
            Parameter(
                "supply_line_adjustment_time",
                "yr",
                value=0.5,
                source=textbook,
                status="assumed",
                prior=Range(0.1, 100.0),
                doc="Time in which a gap of the supply line is to be closed, τ_SL; long where it is neglected.",
            ),
            Parameter(
                "initial_target",
                "H100e",
                value=1000.0,
                source=SCALE,
                status="assumed",
                prior=Range(1.0, 1e9),
                doc="Target at the start, K*_0.",
            ),
            Parameter(
                "initial_coverage",
                "1",
                value=0.8,
                source=textbook,
                status="assumed",
                prior=Range(0.1, 2.0),
                doc="Capacity over its target at the start.",
            ),
        ],
        doc="A supply line under growth.",
    )


def wright() -> Model:
    """Price that falls with experience, while experience grows exponentially.

    Under exponential growth experience and time cannot be told apart: the price falls exponentially.

    Equation   X' = g X;  p = p_0 (X/X_0)^(-b) = p_0 e^(-bgt)
    Valid for  X ≥ X_0 > 0; b from 0.1 to 0.6 in observed technologies
    Source     [Wright1936]_; equivalence with time: [Nagy2013]_; bias of estimates of b: [Nordhaus2014]_

    Returns
    -------
    Model
    """
    return Model(
        "wright",
        [
            Stock(
                "cumulative_output",
                "H100e",
                initial=v.initial_output,
                log=True,
                doc="Output since the first unit, X.",
            ),
            Flow(
                "output",
                "H100e/yr",
                equation=v.growth * v.cumulative_output,
                target="cumulative_output",
                doc="Output.",
            ),
            Auxiliary(
                "price",
                "kUSD/H100e",
                equation=v.initial_price * (v.cumulative_output / v.initial_output) ** (-v.learning_exponent),
                doc="Price after cumulative output, p.",
            ),
            Parameter(
                "learning_exponent",
                "1",
                value=0.3219280948873623,
                source="Wright 1936: each doubling costs 80 % of the one before; -log2(0.8).",
                status="literature",
                prior=LogNormal(0.32, 0.4),
                doc="Elasticity of price to experience, b.",
            ),
            Parameter(
                "growth",
                "1/yr",
                value=0.4,
                source="Textbook value, to be varied.",
                status="assumed",
                prior=Range(0.01, 2.0),
                doc="Growth of cumulative output, g.",
            ),
            Parameter(
                "initial_output",
                "H100e",
                value=100.0,
                source=SCALE,
                status="assumed",
                prior=Range(1.0, 1e9),
                doc="Cumulative output at the start, X_0.",
            ),
            Parameter(
                "initial_price",
                "kUSD/H100e",
                value=30.0,
                source=SCALE,
                status="assumed",
                prior=Range(1.0, 1e3),
                doc="Price at the start, p_0.",
            ),
        ],
        doc="Experience curve.",
    )
