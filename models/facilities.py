"""Sites by vintage: their overhead and their cooling change as sites are built."""

from __future__ import annotations

from jevons.elements import Auxiliary, Flow, Parameter, Range, Sector, Stock
from jevons.functions import Names

from .levers import lever

v = Names()

PUE_AI = Auxiliary(
    "pue_ai",
    "1",
    equation=1 + (v.ai_site_pue - 1) * v.facility_overhead + v.dry_cooling_overhead * v.dry_cooled_share,
    doc="PUE of AI sites.",
)

PUE_CONVENTIONAL = Auxiliary(
    "pue_conventional",
    "1",
    equation=1
    + (v.hyperscale_server_share * (v.hyperscale_pue - 1) + (1 - v.hyperscale_server_share) * (v.pue_traditional - 1))
    * v.facility_overhead
    + v.dry_cooling_overhead * v.dry_cooled_share,
    doc="PUE of conventional computing, sites weighted by their servers.",
)

SECTOR = Sector(
    "facilities",
    [
        Stock(
            "facility_overhead",
            "1",
            initial=1,
            doc="Overhead of the sites that stand, over that without a gain: a co-flow of connected power.",
        ),
        Flow(
            "facility_overhead_change",
            "1/yr",
            target="facility_overhead",
            equation=(1 / v.facility_efficiency - v.facility_overhead) * (v.site_turnover + v.retrofit_rate),
            doc="New sites, and old ones rebuilt, bring the overhead that can be had.",
        ),
        Stock(
            "dry_cooled_share",
            "1",
            initial=0,
            doc="Share of sites cooled without water beyond those that are today: a co-flow of connected power.",
        ),
        Flow(
            "dry_cooling_change",
            "1/yr",
            target="dry_cooled_share",
            equation=(v.dry_cooling - v.dry_cooled_share) * v.site_turnover,
            doc="New sites bring the cooling that is chosen for them.",
        ),
        Auxiliary(
            "site_turnover",
            "1/yr",
            equation=v.power_connection / v.connected_power,
            doc="New sites over those that stand.",
        ),
        lever("dry_cooling", "1", 0.0, 1.0, "Share of new sites cooled without water, beyond today's share."),
        lever("retrofit_rate", "1/yr", 0.0, 1.0, "Share of standing sites that are brought to the newest overhead."),
        Parameter(
            "dry_cooling_overhead",
            "1",
            value=0.05,
            status="literature",
            prior=Range(0.0, 0.12),
            source="Google 2022: water-cooled sites use about 10 % less energy, 0.12 of PUE for 1.15 L/kWh, half of it "
            "for the 0.5 L/kWh of the mean site; Uptime Institute 2026: none with good design",
            doc="What dry cooling adds to PUE.",
        ),
    ],
    doc="Site vintages: overhead and cooling change as sites are built.",
)
