"""Electricity of data centres."""

from __future__ import annotations

from jevons.elements import Auxiliary, Flow, Parameter, Range, Sector, Stock
from jevons.functions import Names

v = Names()

SECTOR = Sector(
    "energy",
    [
        Auxiliary(
            "ai_it_electricity",
            "TWh/yr",
            equation=v.hours_per_year
            * v.ai_power
            * v.cluster_overhead
            * (v.idle_share + (1 - v.idle_share) * v.utilisation),
            doc="Electricity of AI servers and their network, without the site's overhead.",
        ),
        Auxiliary(
            "ai_electricity",
            "TWh/yr",
            equation=v.ai_it_electricity * v.pue_ai,
            doc="Electricity of AI sites.",
        ),
        Auxiliary(
            "conventional_electricity",
            "TWh/yr",
            equation=v.hours_per_year * v.conventional_power * v.pue_conventional,
            doc="Electricity of conventional sites.",
        ),
        Auxiliary(
            "dc_electricity",
            "TWh/yr",
            equation=v.ai_electricity + v.conventional_electricity,
            doc="Electricity of all data centres, without cryptocurrency and transmission networks.",
        ),
        Stock("cumulative_dc_electricity", "TWh", initial=0, doc="Electricity used since the start."),
        Flow(
            "dc_electricity_use",
            "TWh/yr",
            target="cumulative_dc_electricity",
            equation=v.dc_electricity,
            doc="Use of electricity, counted.",
        ),
        Stock("cumulative_ai_electricity", "TWh", initial=0, doc="Electricity of AI sites since the start."),
        Flow(
            "ai_electricity_use",
            "TWh/yr",
            target="cumulative_ai_electricity",
            equation=v.ai_electricity,
            doc="Use of electricity by AI, counted.",
        ),
        Parameter(
            "hours_per_year",
            "TWh/GW/yr",
            value=8.76,
            status="literature",
            source="exact: 8760 hours of a common year",
            doc="Energy of one gigawatt over a year.",
        ),
        Parameter(
            "idle_share",
            "1",
            value=0.35,
            status="assumed",
            prior=Range(0.1, 0.5),
            source="Google 2025: 10 % of AI inference energy in idle machines; older servers half of peak",
            doc="Share of power that idle AI machines draw.",
        ),
    ],
    doc="Electricity, integrated as a stock so that annual totals are exact.",
)
