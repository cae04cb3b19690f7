"""Water that data centres consume, on site and at power plants."""

from __future__ import annotations

import sympy as sp

from jevons.elements import Auxiliary, Flow, LogNormal, Parameter, Sector, Stock
from jevons.functions import Names

from .grids import REGIONS

v = Names()

SECTOR = Sector(
    "water",
    [
        Auxiliary(
            "direct_water",
            "GL/yr",
            equation=v.water_usage_effectiveness * v.dc_electricity * (1 - v.dry_cooled_share),
            doc="Water that sites evaporate.",
        ),
        Auxiliary(
            "indirect_water",
            "GL/yr",
            equation=sp.Add(*(v[f"water_per_generation_{c}"] * v[f"dc_supply_{c}"] for c in REGIONS)),
            doc="Water that power plants consume for data centres, without evaporation from reservoirs.",
        ),
        Auxiliary(
            "dc_water", "GL/yr", equation=v.direct_water + v.indirect_water, doc="Water consumed for data centres."
        ),
        Stock("cumulative_dc_water", "GL", initial=0, doc="Water consumed since the start."),
        Flow(
            "dc_water_use", "GL/yr", target="cumulative_dc_water", equation=v.dc_water, doc="Water consumed, counted."
        ),
        Parameter(
            "water_usage_effectiveness",
            "L/kWh",
            value=0.38,
            status="literature",
            prior=LogNormal(0.38, 0.3),
            source="Shehabi et al. 2024, LBNL-2001637: 66 billion litres and 176 TWh in 2023 (0.375); world: 140 "
            "billion litres and 361 TWh (IEA 2025). The report defines its 0.36 per IT electricity; its totals "
            "close per site",
            doc="Water evaporated on site per electricity of the site.",
        ),
    ],
    doc="Water on site and at power plants.",
)
