"""Adoption and use of AI service."""

from __future__ import annotations

import sympy as sp

from jevons.elements import Auxiliary, Flow, LogNormal, Normal, Parameter, Range, Sector, Stock
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
