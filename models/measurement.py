"""What observers report, as functions of the model, with their biases and scales."""

from __future__ import annotations

import sympy as sp

from jevons.elements import Auxiliary, LogNormal, Normal, Parameter, Sector
from jevons.functions import Names

v = Names()

SECTOR = Sector(
    "measurement",
    [
        Auxiliary(
            "dc_electricity_older_family",
            "TWh/yr",
            equation=v.dc_electricity * sp.exp(v.older_family_bias),
            doc="World electricity as the older bottom-up family of estimates reads it.",
        ),
        Auxiliary(
            "pue_fleet",
            "1",
            equation=v.dc_electricity / (v.conventional_electricity / v.pue_conventional + v.ai_electricity / v.pue_ai),
            doc="PUE of all sites, weighted by energy.",
        ),
        Auxiliary(
            "inference_share",
            "1",
            equation=(v.inference_compute + v.embedded_compute) / v.compute_demand,
            doc="Share of inference in the demand for AI compute.",
        ),
        Auxiliary(
            "openai_revenue",
            "bnUSD/yr",
            equation=v.openai_share * v.ai_revenue,
            doc="Annualised revenue of OpenAI.",
        ),
        Auxiliary(
            "big4_capex",
            "bnUSD/yr",
            equation=v.big4_conventional_capex_share * v.conventional_revenue
            + v.big4_ai_share * v.ai_completion * v.capacity_outlay,
            doc="Capital spending of Amazon, Alphabet, Meta and Microsoft.",
        ),
        Parameter(
            "older_family_bias",
            "1",
            value=0.0,
            prior=Normal(0.0, 0.12),
            status="fitted",
            source="assumed: scatter between model families of world estimates",
            doc="Logarithm of the older family's estimates over the newer family's.",
        ),
        Parameter(
            "openai_share",
            "1",
            value=0.15,
            prior=LogNormal(0.15, 0.7),
            status="fitted",
            source="assumed; most of the modelled revenue is internal transfer",
            doc="OpenAI in modelled AI revenue.",
        ),
        Parameter(
            "big4_conventional_capex_share",
            "1",
            value=0.16,
            prior=LogNormal(0.16, 0.3),
            status="fitted",
            source="annual reports: about 110 bn USD outside AI in 2022, over the modelled conventional revenue",
            doc="Capital spending of the four outside AI over conventional revenue.",
        ),
        Parameter(
            "big4_ai_share",
            "1",
            value=0.65,
            prior=LogNormal(0.65, 0.2),
            status="fitted",
            source="assumed: share of the four in AI capacity",
            doc="Share of the four in AI capital spending.",
        ),
    ],
    doc="Observation equations.",
)
