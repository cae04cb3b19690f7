"""Adoption and use of AI service."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from jevons.elements import Auxiliary, Element, Flow, LogNormal, Normal, Parameter, Range, Sector, Stock
from jevons.functions import Names

v = Names()

SECTOR = Sector(
    "adoption",
    [
        Stock("users", "Mperson", log=True, initial=v.potential_users, doc="People who use AI service weekly."),
        Flow(
            "adoption",
            "Mperson/yr",
            target="users",
            equation=(v.external_adoption + v.imitation * v.users / v.adopter_ceiling) * (v.potential_users - v.users),
            doc="Bass diffusion towards those willing to pay the going price.",
        ),
        Stock(
            "usage",
            "1",
            log=True,
            initial=v.desired_usage,
            doc="Service per user, relative to the reference use.",
        ),
        Flow(
            "usage_change",
            "1/yr",
            target="usage",
            equation=v.usage * sp.log(v.desired_usage / v.usage) / v.usage_adjustment_time,
            doc="Adjustment of use to what is wanted at the going price.",
        ),
        Auxiliary(
            "potential_users",
            "Mperson",
            equation=v.adopter_ceiling / (1 + (v.service_price / v.reservation_price) ** v.adoption_slope),
            doc="Users at the going price: a logistic distribution of log reservation prices.",
        ),
        Auxiliary(
            "desired_usage",
            "1",
            equation=sp.exp(
                v.usage_price_elasticity / v.satiation * (1 - (v.service_price / v.reference_price) ** v.satiation)
                + v.capability_usage * (v.capability - v.reference_capability)
            ),
            doc="Use wanted: Box-Cox response to price, so that the elasticity falls with price, and capability.",
        ),
        Auxiliary(
            "service_demand",
            "Mservice/yr",
            equation=v.reference_usage * v.users * v.usage,
            doc="AI service wanted.",
        ),
        Auxiliary(
            "inference_compute",
            "MH100e",
            equation=v.service_demand / v.algorithmic_efficiency,
            doc="Compute wanted for AI service.",
        ),
        Auxiliary(
            "embedded_compute",
            "MH100e",
            equation=v.embedded_spending_share * v.conventional_revenue / v.rental_price,
            doc="Compute wanted for AI inside conventional products (ranking, advertising, translation).",
        ),
        Auxiliary(
            "ai_revenue",
            "bnUSD/yr",
            equation=v.service_price * v.service_demand * v.served_share,
            doc="Value of AI service at its price, internal transfers included.",
        ),
        Auxiliary(
            "usage_elasticity",
            "1",
            equation=v.usage_price_elasticity * (v.service_price / v.reference_price) ** v.satiation,
            doc="Price elasticity of use per user at the going price.",
        ),
        Auxiliary(
            "adoption_elasticity",
            "1",
            equation=v.adoption_slope * (1 - v.potential_users / v.adopter_ceiling),
            doc="Price elasticity of the number of users at the going price.",
        ),
        Auxiliary(
            "demand_elasticity",
            "1",
            equation=v.usage_elasticity + v.adoption_elasticity,
            doc="Total price elasticity of AI service at the going price, long run.",
        ),
        Parameter(
            "usage_price_elasticity",
            "1",
            value=0.8,
            prior=LogNormal(0.80, 0.48),
            status="fitted",
            source="prior from the literature on AI service, servers and data traffic (Demirer et al. 2025; Borri, "
            "Liu, Tsyvinski 2026; Van Reenen 2004; TRAI): tasks per adopter LN(0.42, 0.5) and compute per task "
            "LN(0.30, 0.7) with a common factor LN(1, 0.22). Energy data do not identify it",
            doc="Price elasticity of use (tasks and compute per task) at the reference price, long run.",
        ),
        Parameter(
            "satiation",
            "1",
            value=0.05,
            prior=LogNormal(0.05, 1.0),
            status="fitted",
            source="Box-Cox exponent: computing history 0.01-0.02, light and transport 0.2-0.4 (Fouquet and Pearson "
            "2012); data do not identify it",
            doc="Rate at which the elasticity of use falls with the price.",
        ),
        Parameter(
            "reference_price",
            "kUSD/service",
            value=5e-4,
            status="assumed",
            prior=Range(5e-4, 1e-2),
            source="definition: about the modelled price of 2025, so that elasticity is anchored there",
            doc="Price at which the elasticity of use holds.",
        ),
        Parameter(
            "reference_usage",
            "service/person/yr",
            value=500.0,
            prior=LogNormal(500.0, 1.5),
            status="fitted",
            source="unit of service: no prior knowledge; wide",
            doc="Use per user at reference price and capability.",
        ),
        Parameter(
            "capability_usage",
            "1",
            value=0.4,
            prior=Normal(0.4, 0.4),
            status="fitted",
            source="use at constant price: Claude Opus x5.8 in five months at one price, OpenRouter +6 % a week at "
            "constant same-model prices (2025-2026); traded against elasticity by all data on use, so left wide",
            doc="Growth of use per unit of capability.",
        ),
        Parameter(
            "usage_adjustment_time",
            "yr",
            value=0.6,
            status="assumed",
            prior=Range(0.1, 2.0),
            source="assumed: redesign of products and habits",
            doc="Adjustment time of use.",
        ),
        Parameter(
            "adoption_slope",
            "1",
            value=0.64,
            prior=LogNormal(0.64, 0.3),
            status="assumed",
            source="assumed: spread of reservation prices",
            doc="Slope of adoption in log price.",
        ),
        Parameter(
            "reservation_price",
            "kUSD/service",
            value=0.01,
            prior=LogNormal(0.01, 1.5),
            status="fitted",
            source="unit of service: no prior knowledge; wide",
            doc="Price at which half of the ceiling adopts.",
        ),
        Parameter(
            "adopter_ceiling",
            "Mperson",
            value=3000.0,
            prior=LogNormal(3000.0, 0.4),
            status="fitted",
            source="assumed: half of the people online (ITU, Facts and Figures 2024: 5.5 billion)",
            doc="Largest number of users.",
        ),
        Parameter(
            "external_adoption",
            "1/yr",
            value=0.05,
            prior=LogNormal(0.05, 0.7),
            status="literature",
            source="Bass 1969; Sultan, Farley, Lehmann 1990: mean 0.03",
            doc="Bass coefficient of external influence.",
        ),
        Parameter(
            "imitation",
            "1/yr",
            value=1.5,
            prior=LogNormal(1.5, 0.5),
            status="fitted",
            source="Bass 1969; Sultan et al. 1990: mean 0.38, too slow for AI; wide",
            doc="Bass coefficient of imitation.",
        ),
        Parameter(
            "embedded_spending_share",
            "1",
            value=0.004,
            prior=LogNormal(0.004, 0.8),
            status="fitted",
            source="assumed: AI in products before 2020; wide",
            doc="Spending on embedded AI over conventional revenue.",
        ),
    ],
    doc="Users, use per user, and the compute they want.",
)


def _reshaped(replaced: dict[str, Sequence[Element]], doc: str) -> Sector:
    """The sector with elements replaced where they stand."""
    elements = [new for old in SECTOR.elements for new in replaced.get(old.name, (old,))]
    return Sector(SECTOR.name, elements, doc)


def _desired_usage(log_response: sp.Expr, doc: str) -> Auxiliary:
    growth = v.capability_usage * (v.capability - v.reference_capability)
    return Auxiliary("desired_usage", "1", equation=sp.exp(log_response + growth), doc=doc)


def _usage_elasticity(equation: sp.Expr) -> Auxiliary:
    return Auxiliary(
        "usage_elasticity", "1", equation=equation, doc="Price elasticity of use per user at the going price."
    )


def full_price() -> Sector:
    r"""Adoption and use where a unit of service costs time and review besides money.

    Equation   x = p/p0, cost c = c0 x^f with c0 = s p0. The elasticity at a given cost, with the cost of the going
               price put in:

               η(x) = η0 (1 + s) x / (x + s x^f) = η0 (1 + s) x^(1-f) / (x^(1-f) + s),    η(1) = η0

               d ln z = -η d ln x, and x^(1-f)/(x^(1-f) + s) is the derivative of ln(x^(1-f) + s)/(1-f) by ln x, so

               ln z = -η0 (1 + s)/(1 - f) ln[(x^(1-f) + s)/(1 + s)],    ln z(1) = 0

    Units      x, s, f, η are ratios; ln z is that of use over the reference use
    Valid for  0 <= f < 1. s = 0 is constant elasticity, and f towards 1 too. Use at price zero is finite,
               z(0) = ((1 + s)/s)^(η0 (1 + s)/(1 - f)). What the fall of c adds to use by itself is no response to
               the price and stays in the growth by capability; if c fell because of the price, demand would be a
               function of p + c and the elasticity would not fall below f η0
    Source     full price after Becker 1965; c0 over the price from free offers of models that became paid
    """
    ratio = v.service_price / v.reference_price
    share, rest = v.nonmoney_cost_share, 1 - v.full_price_following
    scale = v.usage_price_elasticity * (1 + share)
    cost = Parameter(
        "nonmoney_cost_share",
        "1",
        value=0.015,
        prior=LogNormal(0.015, 1.0),
        status="fitted",
        source="0.005 to 0.03 USD over 1.0 to 1.2 USD paid per million tokens, from Grok 4.1 Fast free and paid "
        "(calibration/elasticity/events.csv) if its use lost was demand; no other data identify it",
        doc="Cost besides money (review, latency, integration) over the price, at the reference price.",
    )
    following = Parameter(
        "full_price_following",
        "1",
        value=0.5,
        prior=Range(0.0, 0.99),
        status="assumed",
        source="assumed: tools cut review and integration half as fast as compute gets cheaper; between a cost that "
        "stays and one that keeps up",
        doc="Rate at which the cost besides money falls, over that of the price, in logarithms.",
    )
    return _reshaped(
        {
            "desired_usage": [
                _desired_usage(
                    -scale / rest * sp.log((ratio**rest + share) / (1 + share)),
                    "Use wanted: response to price beside a cost that is not money, and capability.",
                )
            ],
            "usage_elasticity": [_usage_elasticity(scale * ratio**rest / (ratio**rest + share))],
            "satiation": [cost, following],
        },
        "Users, use per user at a full price, and the compute they want.",
    )


def hump() -> Sector:
    r"""Adoption and use where the elasticity first rises as the price falls, then sinks.

    Equation   u = (ln(p/p0) - m)/w, s(u) = 1/(1 + e^u), Λ = 4 w η_peak:

               ln z = Λ [s(u) - s(u0)],    u0 = -m/w,    ln z(p0) = 0
               η = Λ/w s(u) (1 - s(u)) = 4 η_peak s(u) (1 - s(u)),    η = η_peak where ln(p/p0) = m

    Units      m and w are logarithms of price ratios; η, Λ and ln z are ratios
    Valid for  w > 0. Use at price zero is z(0) = exp(Λ (1 - s(u0))); w towards infinity is constant elasticity
    Source     light in the United Kingdom rose to 1.7 in the 1890s and sank to 0.6 (Fouquet and Pearson 2012)
    """
    position = (sp.log(v.service_price / v.reference_price) - v.peak_price) / v.elasticity_width
    reached = 1 / (1 + sp.exp(position))
    at_reference = 1 / (1 + sp.exp(-v.peak_price / v.elasticity_width))
    peak = Parameter(
        "peak_elasticity",
        "1",
        value=1.15,
        prior=LogNormal(1.15, 0.35),
        status="fitted",
        source="assumed between light (1.7) and land transport (1.5) at their peaks (Fouquet and Pearson 2012; Fouquet "
        "2012) and the elasticities of computing; data do not identify it",
        doc="Largest price elasticity of use, long run.",
    )
    width = Parameter(
        "elasticity_width",
        "1",
        value=5.0,
        prior=LogNormal(5.0, 0.5),
        status="fitted",
        source="assumed: light stayed above one while its price fell by several powers of e (Fouquet and Pearson 2012)",
        doc="Width of the hump in the logarithm of the price.",
    )
    offset = Parameter(
        "peak_price",
        "1",
        value=-2.3,
        prior=Normal(-2.3, 2.3),
        status="fitted",
        source="assumed: a tenth of the price of 2025, give or take a factor of ten",
        doc="Logarithm of the price of the peak over the reference price.",
    )
    return _reshaped(
        {
            "desired_usage": [
                _desired_usage(
                    4 * v.elasticity_width * v.peak_elasticity * (reached - at_reference),
                    "Use wanted: logistic response to the logarithm of the price, and capability.",
                )
            ],
            "usage_elasticity": [_usage_elasticity(4 * v.peak_elasticity * reached * (1 - reached))],
            "usage_price_elasticity": [peak],
            "satiation": [width, offset],
        },
        "Users, use per user with a hump of elasticity, and the compute they want.",
    )
