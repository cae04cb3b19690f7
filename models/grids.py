"""Regional grids: what data centres take, who generates it, and with what carbon.

Regions are weights of the world's electricity. Each grid is a balance of generation: what all else and data centres
take, and clean supply does not give, fossil plants make.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from jevons.elements import Auxiliary, Driver, Element, Flow, LogNormal, Parameter, Range, Sector, Stock
from jevons.functions import TIME, Names

from .levers import lever

v = Names()

REGIONS = {"us": "the United States", "cn": "China", "rw": "the rest of the world"}

EMBER = "Ember, Yearly electricity data, release of autumn 2026"
IEA = "IEA 2025, Energy and AI, annex"


def _region(code: str, place: str) -> Iterator[Element]:
    def of(name: str) -> sp.Symbol:
        return v[f"{name}_{code}"]

    yield Auxiliary(
        f"dc_electricity_{code}",
        "TWh/yr",
        equation=v.dc_electricity * of("dc_share"),
        doc=f"Electricity of data centres in {place}.",
    )
    yield Auxiliary(
        f"dc_supply_{code}",
        "TWh/yr",
        equation=of("dc_electricity") * (1 + v.delivery_losses),
        doc=f"Generation that data centres in {place} take, losses on the way included.",
    )
    yield Auxiliary(
        f"other_demand_{code}",
        "TWh/yr",
        equation=of("other_demand_2024") * sp.exp(of("demand_growth") * (TIME - v.grid_year)),
        doc=f"Generation for all else in {place}.",
    )
    yield Auxiliary(
        f"fossil_trend_{code}",
        "1",
        equation=1
        / (
            1
            + (1 / of("fossil_share_2024") - 1)
            * sp.exp(of("fossil_decline") / (1 - of("fossil_share_2024")) * (TIME - v.grid_year))
        ),
        doc=f"Share of fossil plants in the generation for all else in {place}: logistic, between all and none.",
    )
    yield Auxiliary(
        f"clean_match_{code}",
        "1",
        equation=1
        - (1 - of("renewable_siting") * (1 - v.renewable_region_ratio))
        / (1 + v.clean_odds_ratio * (1 - of("fossil_trend")) / of("fossil_trend")),
        doc=f"Share of the load of data centres in {place} for which clean generation is built in the end.",
    )
    yield Stock(
        f"clean_supply_{code}",
        "TWh/yr",
        initial=of("clean_match") * v.electricity_at_start * of("dc_share") * (1 + v.delivery_losses),
        doc=f"Clean generation in {place} that was built for data centres.",
    )
    yield Flow(
        f"clean_supply_growth_{code}",
        "TWh/yr**2",
        target=f"clean_supply_{code}",
        equation=(of("clean_match") * of("dc_supply") - of("clean_supply")) / v.clean_supply_time,
        doc=f"Clean generation built for data centres in {place}; the delay keeps fossil plants on.",
    )
    yield Auxiliary(
        f"dc_fossil_{code}",
        "TWh/yr",
        equation=of("dc_supply") - of("clean_supply"),
        doc=f"Fossil generation in {place} that would not be without data centres.",
    )
    yield Auxiliary(
        f"grid_emissions_{code}",
        "Mt/yr",
        equation=of("fossil_emission_factor") * (of("other_demand") * of("fossil_trend") + of("dc_fossil"))
        + of("clean_emission_factor") * (of("other_demand") * (1 - of("fossil_trend")) + of("clean_supply")),
        doc=f"Emissions of all generation in {place}, life-cycle, as CO2.",
    )
    yield Auxiliary(
        f"carbon_intensity_{code}",
        "t/MWh",
        equation=of("grid_emissions") / (of("other_demand") + of("dc_supply")),
        doc=f"Mean carbon intensity of generation in {place}.",
    )
    yield Auxiliary(
        f"dc_emissions_consequential_{code}",
        "Mt/yr",
        equation=of("fossil_emission_factor") * of("dc_fossil") + of("clean_emission_factor") * of("clean_supply"),
        doc=f"Emissions in {place} that would not be without data centres.",
    )
    data = _GRID_DATA[code]
    yield Parameter(
        f"other_demand_2024_{code}",
        "TWh/yr",
        value=data["generation"] - 1.1 * data["use"],
        status="measured",
        source=f"{EMBER}: {data['generation']:g} TWh generated in 2024, less 1.1 times the {data['use']:g} TWh that "
        f"data centres used ({IEA})",
        doc=f"Generation for all else in {place} in 2024.",
    )
    yield Parameter(
        f"demand_growth_{code}",
        "1/yr",
        value=data["growth"][0],
        status="assumed",
        prior=Range(*data["growth"][1:]),
        source=f"{EMBER}: growth from 2019 to 2024 less that of data centres, China lower; assumed to go on",
        doc=f"Growth of that generation in {place}.",
    )
    yield Parameter(
        f"fossil_share_2024_{code}",
        "1",
        value=data["fossil"],
        status="measured",
        source=f"{EMBER}: 2024",
        doc=f"Share of fossil plants in generation in {place} in 2024.",
    )
    yield Parameter(
        f"fossil_decline_{code}",
        "1/yr",
        value=data["decline"][0],
        status="assumed",
        prior=Range(*data["decline"][1:]),
        source=f"{EMBER}: decline of the fossil share from 2019 to 2024, up to that of 2025; assumed to go on",
        doc=f"Decline of that share in {place}.",
    )
    yield Parameter(
        f"fossil_emission_factor_{code}",
        "t/MWh",
        value=data["factor"],
        status="measured",
        prior=LogNormal(data["factor"], 0.05),
        source=f"{EMBER}: life-cycle emissions of fossil generation over that generation, 2024",
        doc=f"Life-cycle emissions of fossil plants in {place}.",
    )
    yield Parameter(
        f"clean_emission_factor_{code}",
        "t/MWh",
        value=data["clean"],
        status="measured",
        source=f"{EMBER}: life-cycle emissions of clean generation over that generation, 2024",
        doc=f"Life-cycle emissions of clean plants in {place}.",
    )
    yield lever(
        f"renewable_siting_{code}",
        "1",
        0.0,
        1.0,
        f"Share of the load in {place} that is put where renewables are rich.",
    )
    yield Parameter(
        f"water_per_generation_{code}",
        "L/kWh",
        value=data["water"][0],
        status="literature",
        prior=LogNormal(*data["water"]),
        source=data["water_source"],
        doc=f"Water that power plants in {place} consume.",
    )


_GRID_DATA: dict[str, dict[str, Any]] = {
    "us": {
        "generation": 4391.0,
        "use": 183.0,
        "growth": (0.0056, 0.0, 0.02),
        "fossil": 0.5813,
        "decline": (0.0136, 0.0, 0.025),
        "factor": 0.6447,
        "clean": 0.0216,
        "water": (1.8, 0.2),
        "water_source": "United States without evaporation from reservoirs: Gaster 2026, ITIF, from USGS and NREL; "
        "Shehabi et al. 2024, LBNL-2001637, p. 57: 4.35 with it",
    },
    "cn": {
        "generation": 10025.0,
        "use": 102.0,
        "growth": (0.05, 0.03, 0.0607),
        "fossil": 0.6235,
        "decline": (0.0197, 0.0197, 0.0571),
        "factor": 0.8782,
        "clean": 0.0304,
        "water": (1.9, 0.5),
        "water_source": "without evaporation from reservoirs, assumed from a mix of coal plants with towers (2.6) and "
        "plants without water (Macknick et al. 2012); Reig et al. 2020, WRI: 6.0 with all reservoirs",
    },
    "rw": {
        "generation": 16654.0,
        "use": 131.0,
        "growth": (0.0174, 0.01, 0.03),
        "fossil": 0.5788,
        "decline": (0.0129, 0.008, 0.03),
        "factor": 0.7437,
        "clean": 0.0342,
        "water": (1.3, 0.5),
        "water_source": "without evaporation from reservoirs, assumed; with the other regions the world's data centres "
        "take 656 billion litres at power plants in 2023, where IEA 2025 has 373: not reconciled",
    },
}


def _regional() -> list[Element]:
    return [element for code, place in REGIONS.items() for element in _region(code, place)]


def _total(name: str) -> sp.Expr:
    return sp.Add(*(v[f"{name}_{code}"] for code in REGIONS))


def _share(code: str, points: tuple[tuple[float, float], ...], place: str) -> Driver:
    return Driver(
        f"dc_share_{code}",
        "1",
        x_unit="yr",
        points=points,
        outside="clamp",
        status="literature",
        source=f"{IEA}: use by region, of the world's 269 (2020), 416 (2024) and 946 TWh (2030, projected)",
        doc=f"Share of {place} in the electricity of data centres.",
    )


SECTOR = Sector(
    "grids",
    [
        *_regional(),
        _share("us", ((2020.5, 0.401), (2024.5, 0.440), (2030.5, 0.450)), REGIONS["us"]),
        _share("cn", ((2020.5, 0.230), (2024.5, 0.245), (2030.5, 0.293)), REGIONS["cn"]),
        Auxiliary(
            "dc_share_rw",
            "1",
            equation=1 - v.dc_share_us - v.dc_share_cn,
            doc="Share of the rest of the world in the electricity of data centres.",
        ),
        Auxiliary(
            "dc_emissions",
            "Mt/yr",
            equation=sp.Add(*(v[f"dc_supply_{c}"] * v[f"carbon_intensity_{c}"] for c in REGIONS)),
            doc="Emissions of data centres at the mean intensity of their grids (location-based).",
        ),
        Auxiliary(
            "dc_emissions_consequential",
            "Mt/yr",
            equation=_total("dc_emissions_consequential"),
            doc="Emissions that would not be without data centres.",
        ),
        Stock("cumulative_dc_emissions", "Mt", initial=0, doc="Location-based emissions since the start."),
        Flow(
            "dc_emission",
            "Mt/yr",
            target="cumulative_dc_emissions",
            equation=v.dc_emissions,
            doc="Location-based emissions, counted.",
        ),
        Stock("cumulative_dc_emissions_consequential", "Mt", initial=0, doc="Consequential emissions since the start."),
        Flow(
            "dc_emission_consequential",
            "Mt/yr",
            target="cumulative_dc_emissions_consequential",
            equation=v.dc_emissions_consequential,
            doc="Consequential emissions, counted.",
        ),
        Auxiliary(
            "grid_carbon_intensity",
            "t/MWh",
            equation=v.dc_emissions / _total("dc_supply"),
            doc="Mean carbon intensity of generation where data centres are.",
        ),
        Stock(
            "priced_carbon_intensity",
            "t/MWh",
            initial=v.initial_carbon_intensity,
            doc="Carbon intensity that contracts for power reckon with.",
        ),
        Flow(
            "priced_carbon_intensity_change",
            "t/MWh/yr",
            target="priced_carbon_intensity",
            equation=(v.grid_carbon_intensity - v.priced_carbon_intensity) / v.tariff_time,
            doc="Contracts follow the grid.",
        ),
        Auxiliary(
            "claimed_enabled_savings",
            "Mt/yr",
            equation=v.enabled_savings_claim * v.energy_emissions_2024 * v.users / v.adopter_ceiling,
            doc="Savings elsewhere that are claimed for AI, by its adoption. A claim: added to nothing.",
        ),
        lever(
            "enabled_savings_claim",
            "1",
            0.0,
            0.1,
            "Share of the world's energy-related emissions that full adoption is claimed to save.",
        ),
        Parameter(
            "energy_emissions_2024",
            "Mt/yr",
            value=37800.0,
            status="measured",
            source="IEA 2025, Global Energy Review: energy-related CO2 in 2024",
            doc="The world's energy-related emissions.",
        ),
        Parameter(
            "grid_year",
            "yr",
            value=2024.5,
            status="assumed",
            prior=Range(2024.5, 2024.5),
            source="definition: middle of the year of the grid data",
            doc="Date at which the grid data hold.",
        ),
        Parameter(
            "delivery_losses",
            "1",
            value=0.1,
            status="literature",
            prior=Range(0.06, 0.11),
            source="IEA 2025, Energy and AI: 460 TWh generated for the 416 TWh that data centres used in 2024",
            doc="Generation beyond use, over use.",
        ),
        Parameter(
            "clean_odds_ratio",
            "1",
            value=1.65,
            status="assumed",
            prior=Range(0.84, 3.4),
            source="chosen so that clean supply is about 0.42 of generation for data centres in 2024; of its growth to "
            "2030 it is then 0.44 at the fit, and 0.57 in IEA 2025, Energy and AI (renewables nearly half, nuclear)",
            doc="Odds of clean against fossil generation built for data centres, over those of the grid.",
        ),
        Parameter(
            "clean_supply_time",
            "yr",
            value=2.0,
            status="assumed",
            prior=Range(1.0, 5.0),
            source="assumed: contracts are signed ahead of the load; Rand et al., Queued Up (LBNL): 5 years from "
            "request to operation for plants built in 2022",
            doc="Time in which clean supply follows the load.",
        ),
        Parameter(
            "renewable_region_ratio",
            "1",
            value=0.56,
            status="assumed",
            prior=Range(0.32, 0.8),
            source="assumed between what China's western hubs claim (half clean, press reports 2024) and what is "
            "aimed at in hubs (over 80 %, NDRC and others 2024), against 38 % in China's grid (Ember)",
            doc="Fossil share of supply where renewables are rich, over that elsewhere.",
        ),
        Parameter(
            "initial_carbon_intensity",
            "t/MWh",
            value=0.55,
            status="assumed",
            prior=Range(0.5, 0.6),
            source=f"{EMBER}: world 2010; without a price of carbon nothing depends on it",
            doc="Priced carbon intensity at the start.",
        ),
        Parameter(
            "tariff_time",
            "yr",
            value=1.0,
            status="assumed",
            prior=Range(0.5, 3.0),
            source="assumed: contracts for power of one to several years",
            doc="Time in which contracts follow the grid.",
        ),
    ],
    doc="Regional grids: who generates for data centres, and with what carbon.",
)
