"""Conventional computing: demand, capacity with its embodied power, consolidation, site efficiency."""

from __future__ import annotations

import sympy as sp

from jevons.elements import Auxiliary, Flow, LogNormal, Parameter, Range, Sector, Stock
from jevons.functions import TIME, Names, smooth_positive

v = Names()

MASANET = "Masanet et al. 2020, Recalibrating global data center energy-use estimates, Science 367:984"
UPTIME = "Uptime Institute, Global Data Center Surveys 2007-2025"


SECTOR = Sector(
    "conventional",
    [
        Stock(
            "conventional_capacity",
            "workload",
            initial=v.conventional_demand / (1 + v.conventional_adjustment_time * v.conventional_trend_growth),
            doc="Installed conventional capacity; at the start it lags demand by one adjustment time.",
        ),
        Flow(
            "conventional_investment",
            "workload/yr",
            equation=smooth_positive(
                v.conventional_capacity / v.conventional_life
                + (v.conventional_demand - v.conventional_capacity) / v.conventional_adjustment_time,
                v.conventional_investment_width * v.conventional_capacity,
            )
            * v.space_availability,
            target="conventional_capacity",
            doc="Replacement and adjustment to demand, as far as power and space are there.",
        ),
        Flow(
            "conventional_retirement",
            "workload/yr",
            equation=v.conventional_capacity / v.conventional_life,
            source="conventional_capacity",
            doc="Capacity that reaches its age.",
        ),
        Stock(
            "conventional_power",
            "GW",
            initial=v.electricity_at_start / (v.hours_per_year * v.pue_conventional),
            doc="Mean IT power of the installed kit: a co-flow of capacity with the intensity of its vintage.",
        ),
        Flow(
            "conventional_power_installation",
            "GW/yr",
            equation=v.new_power_per_workload * v.conventional_investment * v.conventional_relative_intensity,
            target="conventional_power",
            doc="Power of new kit.",
        ),
        Flow(
            "conventional_power_retirement",
            "GW/yr",
            equation=v.conventional_power / v.conventional_life,
            source="conventional_power",
            doc="Power of kit that retires.",
        ),
        Stock(
            "new_power_per_workload",
            "GW/workload",
            initial=v.conventional_power
            / (v.conventional_capacity * v.conventional_relative_intensity * v.fleet_over_new_intensity),
            doc="Power of new kit per workload at relative intensity 1; set at the start such that the fleet, older "
            "and less efficient than new kit, uses the electricity of the start. It has no flows.",
        ),
        Stock(
            "hyperscale_share",
            "1",
            initial=v.initial_hyperscale_share,
            doc="Share of conventional workloads on hyperscale, cloud and colocation sites.",
        ),
        Flow(
            "consolidation",
            "1/yr",
            equation=v.consolidation_rate * v.hyperscale_share * (1 - v.hyperscale_share / v.largest_hyperscale_share),
            target="hyperscale_share",
            doc="Logistic move of workloads to hyperscale sites; it runs out.",
        ),
        Stock(
            "pue_traditional",
            "1",
            initial=v.initial_traditional_pue,
            doc="PUE of traditional sites, as site-weighted surveys see it.",
        ),
        Flow(
            "traditional_pue_improvement",
            "1/yr",
            equation=(v.pue_traditional - 1 - v.lowest_traditional_overhead) / v.traditional_pue_time,
            source="pue_traditional",
            doc="Decline of the PUE of traditional sites towards its floor.",
        ),
        Auxiliary(
            "conventional_trend_growth",
            "1/yr",
            equation=v.conventional_growth * sp.exp(-(TIME - v.reference_year) / v.conventional_growth_decay_time)
            + v.conventional_price_elasticity * v.conventional_intensity_decline,
            doc="Growth of demand from its own trend and from the falling cost of kit.",
        ),
        Auxiliary(
            "fleet_over_new_intensity",
            "1",
            equation=(v.conventional_trend_growth + 1 / v.conventional_life)
            / (
                v.conventional_trend_growth
                + 1 / v.conventional_life
                - v.conventional_intensity_decline
                - v.initial_consolidation_rate
            ),
            doc="Power per workload of the fleet over that of new kit in steady growth (used at the start only).",
        ),
        Auxiliary(
            "new_kit_intensity",
            "1",
            equation=v.conventional_intensity_floor
            + (1 - v.conventional_intensity_floor)
            * sp.exp(-v.conventional_intensity_decline * (TIME - v.reference_year)),
            doc="Power and cost of new kit per unit of its performance, relative to the reference year.",
        ),
        Auxiliary(
            "servers_per_workload",
            "1",
            equation=1 - v.hyperscale_share + v.hyperscale_share / v.hyperscale_density,
            doc="Servers needed per workload, relative to all workloads on traditional sites.",
        ),
        Auxiliary(
            "conventional_relative_intensity",
            "1",
            equation=v.new_kit_intensity
            * v.servers_per_workload
            / (1 - v.reference_hyperscale_share + v.reference_hyperscale_share / v.hyperscale_density),
            doc="Power and cost of new kit per workload, relative to the reference year and share.",
        ),
        Auxiliary(
            "hyperscale_server_share",
            "1",
            equation=v.hyperscale_share / v.hyperscale_density / v.servers_per_workload,
            doc="Share of servers on hyperscale sites.",
        ),
        Auxiliary(
            "pue_conventional",
            "1",
            equation=1
            + (
                v.hyperscale_server_share * (v.hyperscale_pue - 1)
                + (1 - v.hyperscale_server_share) * (v.pue_traditional - 1)
            )
            / v.facility_efficiency,
            doc="PUE of conventional computing, sites weighted by their servers.",
        ),
        Auxiliary(
            "conventional_relative_cost",
            "1",
            equation=v.conventional_relative_intensity
            * (1 - v.conventional_energy_share + v.conventional_energy_share * v.pue_conventional / v.reference_pue),
            doc="Cost of a workload relative to the reference year: hardware, and energy with the site's overhead.",
        ),
        Auxiliary(
            "autonomous_demand",
            "workload",
            equation=v.reference_workload
            * sp.exp(
                v.conventional_growth
                * v.conventional_growth_decay_time
                * (1 - sp.exp(-(TIME - v.reference_year) / v.conventional_growth_decay_time))
            ),
            doc="Workloads wanted at the cost of the reference year: growth that slows down.",
        ),
        Auxiliary(
            "conventional_demand",
            "workload",
            equation=v.autonomous_demand * v.conventional_relative_cost ** (-v.conventional_price_elasticity),
            doc="Workloads wanted (compute instances, about 1 in the reference year).",
        ),
        Auxiliary(
            "conventional_revenue",
            "bnUSD/yr",
            equation=v.revenue_per_workload * v.conventional_demand * v.conventional_relative_cost,
            doc="What users pay for conventional computing.",
        ),
        Parameter(
            "reference_year",
            "yr",
            value=2010.0,
            status="assumed",
            prior=Range(2010, 2010),
            source="definition: where relative intensity and demand are 1",
            doc="Year of reference.",
        ),
        Parameter(
            "reference_workload",
            "workload",
            value=1.0,
            status="assumed",
            prior=Range(1, 1),
            source="definition of the unit: demand of the reference year at the reference cost",
            doc="Demand in the reference year.",
        ),
        Parameter(
            "conventional_growth",
            "1/yr",
            value=0.15,
            prior=LogNormal(0.15, 0.25),
            status="fitted",
            source=f"{MASANET}: compute instances x6.5 in 2010-2018, less the response to falling cost",
            doc="Growth of demand at constant cost in the reference year.",
        ),
        Parameter(
            "conventional_growth_decay_time",
            "yr",
            value=50.0,
            prior=LogNormal(50.0, 0.5),
            status="fitted",
            source="assumed: autonomous growth fades over decades; history would rather not see it fade at all",
            doc="Time over which that growth fades.",
        ),
        Parameter(
            "conventional_price_elasticity",
            "1",
            value=0.5,
            prior=LogNormal(0.5, 0.3),
            status="fitted",
            source="Van Reenen 2004 (servers, micro 0.3-0.6); Jiang et al. (servers about 0.7)",
            doc="Price elasticity of conventional demand.",
        ),
        Parameter(
            "conventional_intensity_decline",
            "1/yr",
            value=0.16,
            prior=LogNormal(0.16, 0.2),
            status="fitted",
            source=f"{MASANET}: server energy intensity down to a quarter in 2010-2018",
            doc="Decline rate of power per workload of new kit.",
        ),
        Parameter(
            "conventional_intensity_floor",
            "1",
            value=0.05,
            prior=LogNormal(0.05, 0.8),
            status="fitted",
            source="assumed: memory, storage and network power does not fall with the rest; wide",
            doc="Share of the intensity of the reference year that does not fall.",
        ),
        Parameter(
            "consolidation_rate",
            "1/yr",
            value=0.44,
            prior=LogNormal(0.44, 0.2),
            status="fitted",
            source=f"{MASANET}: servers per workload down to a fifth in 2010-2018",
            doc="Logistic rate of the move to hyperscale sites.",
        ),
        Parameter(
            "hyperscale_density",
            "1",
            value=4.7,
            prior=LogNormal(4.7, 0.2),
            status="fitted",
            source="Cisco Global Cloud Index 2012-2018: workloads per cloud against traditional server",
            doc="Workloads per server on hyperscale sites over traditional ones.",
        ),
        Parameter(
            "initial_hyperscale_share",
            "1",
            value=0.02,
            prior=LogNormal(0.02, 0.5),
            status="fitted",
            source="assumed: cloud computing began in 2006",
            doc="Hyperscale share at the start.",
        ),
        Parameter(
            "largest_hyperscale_share",
            "1",
            value=0.9,
            prior=LogNormal(0.9, 0.03),
            status="literature",
            source="Cisco Global Cloud Index 2016-2021 (2018), a forecast: 94 % of workloads in cloud sites by 2021",
            doc="Ceiling of the hyperscale share.",
        ),
        Parameter(
            "reference_hyperscale_share",
            "1",
            value=0.15,
            status="assumed",
            prior=Range(0.1, 0.2),
            source="definition: share at which relative intensity is 1",
            doc="Hyperscale share of reference.",
        ),
        Parameter(
            "electricity_at_start",
            "TWh/yr",
            value=160.0,
            prior=LogNormal(160.0, 0.25),
            status="fitted",
            source="Koomey 2008, 2011: about 1 % of world electricity in 2005 (153 TWh), later revised down",
            doc="World data-centre electricity at the start.",
        ),
        Parameter(
            "initial_consolidation_rate",
            "1/yr",
            value=0.01,
            status="assumed",
            prior=Range(0.0, 0.03),
            source="assumed: decline of servers per workload before the start",
            doc="Decline of intensity by consolidation before the start.",
        ),
        Parameter(
            "conventional_life",
            "yr",
            value=4.5,
            status="assumed",
            prior=Range(3.0, 6.0),
            source="annual reports: servers depreciated over 4 years before 2022, over 5 or 6 since (Amazon, Alphabet, "
            "Meta, Microsoft)",
            doc="Life of conventional servers.",
        ),
        Parameter(
            "conventional_adjustment_time",
            "yr",
            value=0.8,
            status="assumed",
            prior=Range(0.4, 1.5),
            source="assumed: lead time of servers plus planning",
            doc="Time to adjust capacity to demand.",
        ),
        Parameter(
            "conventional_investment_width",
            "1/yr",
            value=0.001,
            status="assumed",
            prior=Range(1e-4, 1e-2),
            source="numerical: width of the bend at zero investment",
            doc="Width of the bend at zero investment.",
        ),
        Parameter(
            "conventional_energy_share",
            "1",
            value=0.18,
            status="assumed",
            prior=Range(0.1, 0.25),
            source="assumed: energy and its infrastructure in the yearly cost of a server; no source verified",
            doc="Share of energy in the cost of a workload in the reference year.",
        ),
        Parameter(
            "reference_pue",
            "1",
            value=1.85,
            status="assumed",
            prior=Range(1.8, 1.98),
            source=f"{UPTIME}: 2011",
            doc="PUE at which the energy share holds.",
        ),
        Parameter(
            "revenue_per_workload",
            "bnUSD/yr/workload",
            value=300.0,
            status="assumed",
            prior=Range(200, 450),
            source="assumed: spending on data-centre systems and hosting about 2010",
            doc="Revenue per workload at the cost of the reference year.",
        ),
        Parameter(
            "initial_traditional_pue",
            "1",
            value=2.8,
            prior=LogNormal(2.8, 0.12),
            status="fitted",
            source=f"{UPTIME}: 2.5 in 2007 and falling",
            doc="PUE of traditional sites at the start.",
        ),
        Parameter(
            "lowest_traditional_overhead",
            "1",
            value=0.54,
            prior=LogNormal(0.54, 0.08),
            status="fitted",
            source=f"{UPTIME}: flat at 1.54-1.59 since 2018",
            doc="Floor of traditional PUE, less one.",
        ),
        Parameter(
            "traditional_pue_time",
            "yr",
            value=4.0,
            prior=LogNormal(4.0, 0.3),
            status="fitted",
            source=f"{UPTIME}: most of the fall between 2007 and 2013",
            doc="Time constant of that fall.",
        ),
        Parameter(
            "hyperscale_pue",
            "1",
            value=1.2,
            prior=LogNormal(1.2, 0.05),
            status="fitted",
            source="operators' reports: about 1.1 for hyperscale; colocation, counted here too, 1.3 to 1.5",
            doc="PUE of hyperscale and colocation sites.",
        ),
    ],
    doc="Conventional computing; its efficiency gains come from consolidation and site efficiency, which run out.",
)
