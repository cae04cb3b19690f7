"""AI capacity: orders, construction, installed base, its embodied power, cumulative shipments."""

from __future__ import annotations

import sympy as sp

from jevons.elements import Auxiliary, Flow, InitialUnknown, LogNormal, Parameter, Range, Sector, Stock
from jevons.functions import Names, smooth_positive, soft_limit

from .price import chip_power_of, chip_price_of, compute_cost_of

v = Names()

_start_power = chip_power_of(v.initial_shipments_ratio * v.initial_ai_capacity)
_start_price = chip_price_of(v.initial_shipments_ratio * v.initial_ai_capacity)
_start_rent = (1 + v.margin) * compute_cost_of(_start_price, _start_power, _start_power)

SECTOR = Sector(
    "capacity",
    [
        Stock(
            "ai_on_order",
            "MH100e",
            initial=v.desired_ai_on_order,
            doc="AI capacity ordered and in construction: the supply line.",
        ),
        Stock("ai_capacity", "MH100e", log=True, initial=v.initial_ai_capacity, doc="Installed AI capacity."),
        Stock(
            "ai_power",
            "GW",
            initial=v.initial_power_ratio * _start_power * v.initial_ai_capacity,
            doc="Chip power of the installed base: a co-flow of capacity with the power of its vintage.",
        ),
        Stock(
            "cumulative_shipments",
            "MH100e",
            log=True,
            initial=v.initial_shipments_ratio * v.initial_ai_capacity,
            doc="AI capacity shipped so far.",
        ),
        Stock(
            "cumulative_shipped_power",
            "GW",
            initial=_start_power * v.initial_shipments_ratio * v.initial_ai_capacity,
            doc="Chip power shipped so far (an observer: nothing depends on it).",
        ),
        Stock(
            "expected_growth",
            "1/yr",
            initial=v.initial_expected_growth,
            doc="Growth of capacity as perceived by those who order.",
        ),
        Flow(
            "ai_orders",
            "MH100e/yr",
            target="ai_on_order",
            equation=soft_limit(v.wanted_orders, v.financed_orders, v.finance_limit_order),
            doc="Orders: what is wanted, as far as chips can be made and paid.",
        ),
        Flow(
            "ai_completion",
            "MH100e/yr",
            source="ai_on_order",
            target="ai_capacity",
            equation=v.ai_on_order / v.construction_time * v.space_availability**v.ai_power_exponent,
            doc="Capacity that goes into service, slowed where power and space are short.",
        ),
        Flow(
            "ai_retirement",
            "MH100e/yr",
            source="ai_capacity",
            equation=v.ai_capacity / v.ai_life,
            doc="Capacity that reaches its age.",
        ),
        Flow(
            "ai_power_installation",
            "GW/yr",
            target="ai_power",
            equation=v.ai_completion * v.chip_power,
            doc="Chip power of new capacity.",
        ),
        Flow(
            "ai_power_retirement",
            "GW/yr",
            source="ai_power",
            equation=v.ai_power / v.ai_life,
            doc="Chip power of retired capacity.",
        ),
        Flow(
            "ai_shipment",
            "MH100e/yr",
            target="cumulative_shipments",
            equation=v.ai_completion,
            doc="Shipments counted.",
        ),
        Flow(
            "ai_power_shipment",
            "GW/yr",
            target="cumulative_shipped_power",
            equation=v.ai_completion * v.chip_power,
            doc="Chip power of shipments counted.",
        ),
        Flow(
            "expected_growth_change",
            "1/yr**2",
            target="expected_growth",
            equation=(v.ai_completion / v.ai_capacity - 1 / v.ai_life - v.expected_growth) / v.growth_perception_time,
            doc="Perception of the growth of capacity.",
        ),
        Auxiliary(
            "compute_demand",
            "MH100e",
            equation=v.inference_compute + v.training_compute + v.embedded_compute,
            doc="Compute wanted at full service.",
        ),
        Auxiliary(
            "utilisation",
            "1",
            equation=soft_limit(v.compute_demand / v.ai_capacity, v.largest_utilisation, v.utilisation_limit_order),
            doc="Share of AI capacity in use.",
        ),
        Auxiliary(
            "capacity_pressure",
            "1",
            equation=v.compute_demand / (v.target_utilisation * v.ai_capacity),
            doc="Demand over capacity at the target utilisation.",
        ),
        Auxiliary(
            "served_share",
            "1",
            equation=v.utilisation * v.ai_capacity / v.compute_demand,
            doc="Share of demand that is served.",
        ),
        Auxiliary(
            "planned_growth",
            "1/yr",
            equation=soft_limit(
                smooth_positive(v.expected_growth, v.growth_width), v.largest_chip_growth, v.chip_limit_order
            ),
            doc="Expected growth that enters plans: not negative, not above what chip makers can do.",
        ),
        Auxiliary(
            "desired_ai_capacity",
            "MH100e",
            equation=v.compute_demand / v.target_utilisation * sp.exp(v.planned_growth * v.construction_time),
            doc="Capacity wanted when what is ordered now is ready.",
        ),
        Auxiliary(
            "desired_ai_on_order",
            "MH100e",
            equation=v.construction_time * (v.ai_capacity / v.ai_life + v.planned_growth * v.ai_capacity),
            doc="Supply line that sustains replacement and planned growth.",
        ),
        Auxiliary(
            "wanted_orders",
            "MH100e/yr",
            equation=soft_limit(
                smooth_positive(
                    v.ai_capacity / v.ai_life
                    + (v.desired_ai_capacity - v.ai_capacity) / v.capacity_correction_time
                    + (v.desired_ai_on_order - v.ai_on_order) / v.supply_line_correction_time,
                    v.order_width * v.ai_capacity,
                ),
                v.ai_capacity / v.ai_life + v.largest_chip_growth * (v.ai_capacity + v.ai_on_order),
                v.chip_limit_order,
            ),
            doc="Replacement and corrections of capacity and supply line, within the growth of chip output.",
        ),
        Auxiliary(
            "capacity_outlay",
            "kUSD/H100e",
            equation=v.chip_price + v.facility_cost * v.chip_power * v.cluster_overhead * v.pue_ai,
            doc="Capital needed per H100-equivalent: chip and facility.",
        ),
        Auxiliary(
            "financed_orders",
            "MH100e/yr",
            equation=(v.order_finance_conventional * v.conventional_revenue + v.order_finance_ai * v.ai_revenue)
            / v.capacity_outlay,
            doc="Orders that can be financed from revenue.",
        ),
        InitialUnknown(
            "initial_ai_capacity",
            "MH100e",
            guess=3e-4,
            equation=(v.initial_training_budget + v.embedded_spending_share * v.conventional_revenue)
            / _start_rent
            / v.target_utilisation,
            doc="Capacity at the start that runs at the target utilisation.",
        ),
        Parameter(
            "initial_shipments_ratio",
            "1",
            value=1.6,
            status="assumed",
            prior=Range(1.2, 2.5),
            source="assumed: shipped over installed for a base that grew at 30 %/yr",
            doc="Cumulative shipments over installed capacity at the start.",
        ),
        Parameter(
            "initial_power_ratio",
            "1",
            value=1.3,
            status="assumed",
            prior=Range(1.0, 1.6),
            source="assumed: the installed base is older than new kit",
            doc="Power per capacity of the base over that of new kit at the start.",
        ),
        Parameter(
            "initial_expected_growth",
            "1/yr",
            value=0.3,
            status="assumed",
            prior=Range(0.1, 0.5),
            source="assumed; no influence on results after 2012",
            doc="Perceived growth at the start.",
        ),
        Parameter(
            "ai_life",
            "yr",
            value=5.0,
            prior=LogNormal(5.0, 0.15),
            status="fitted",
            source="depreciation lives of 5 to 6 years in annual reports; economic life 3 to 6",
            doc="Life of AI hardware.",
        ),
        Parameter(
            "construction_time",
            "yr",
            value=1.25,
            prior=LogNormal(1.25, 0.2),
            status="fitted",
            source="assumed: 1 to 2.5 years from order to service",
            doc="Build time of AI capacity.",
        ),
        Parameter(
            "capacity_correction_time",
            "yr",
            value=1.0,
            prior=LogNormal(1.0, 0.2),
            status="fitted",
            source="assumed; Sterman 2000, ch. 17",
            doc="Time to close a gap in capacity.",
        ),
        Parameter(
            "supply_line_correction_time",
            "yr",
            value=0.75,
            status="assumed",
            prior=Range(0.5, 2.0),
            source="assumed; Sterman 2000, ch. 17",
            doc="Time to close a gap in the supply line.",
        ),
        Parameter(
            "growth_perception_time",
            "yr",
            value=1.5,
            prior=LogNormal(1.5, 0.3),
            status="fitted",
            source="assumed; Sterman 2000, ch. 16",
            doc="Perception time of growth.",
        ),
        Parameter(
            "largest_chip_growth",
            "1/yr",
            value=1.6,
            prior=LogNormal(1.6, 0.15),
            status="fitted",
            source="Epoch AI, ai-chip-counts (2026-04): shipped base x3 to x5.5 a year from 2022 to 2025",
            doc="Largest growth rate of chip output.",
        ),
        Parameter(
            "target_utilisation",
            "1",
            value=0.75,
            status="assumed",
            prior=Range(0.6, 0.85),
            source="Goldman Sachs 2024: occupancy 85 % (2023); less for compute",
            doc="Utilisation planned for.",
        ),
        Parameter(
            "largest_utilisation",
            "1",
            value=0.95,
            status="assumed",
            prior=Range(0.9, 0.98),
            source="Goldman Sachs 2024: occupancy above 95 % expected",
            doc="Largest utilisation.",
        ),
        Parameter(
            "utilisation_limit_order",
            "1",
            value=8.0,
            status="assumed",
            prior=Range(4, 16),
            source="numerical: sharpness of the limit",
            doc="Sharpness of the limit on utilisation.",
        ),
        Parameter(
            "chip_limit_order",
            "1",
            value=8.0,
            status="assumed",
            prior=Range(4, 16),
            source="numerical: sharpness of the limit",
            doc="Sharpness of the limit of chip output.",
        ),
        Parameter(
            "finance_limit_order",
            "1",
            value=4.0,
            status="assumed",
            prior=Range(2, 8),
            source="assumed: finance binds gradually",
            doc="Sharpness of the limit of finance.",
        ),
        Parameter(
            "growth_width",
            "1/yr",
            value=0.02,
            status="assumed",
            prior=Range(0.005, 0.05),
            source="numerical: width of the bend at zero growth",
            doc="Width of the bend at zero growth.",
        ),
        Parameter(
            "order_width",
            "1/yr",
            value=0.02,
            status="assumed",
            prior=Range(0.005, 0.05),
            source="numerical: width of the bend at zero orders",
            doc="Width of the bend at zero orders.",
        ),
        Parameter(
            "order_finance_conventional",
            "1",
            value=1.5,
            prior=LogNormal(1.5, 0.4),
            status="fitted",
            source="assumed: capital that owners of conventional computing can raise a year, over its revenue",
            doc="Finance of orders over conventional revenue.",
        ),
        Parameter(
            "order_finance_ai",
            "1",
            value=0.8,
            status="assumed",
            prior=Range(0.4, 1.2),
            source="assumed",
            doc="Finance of orders over AI revenue.",
        ),
        Parameter(
            "ai_power_exponent",
            "1",
            value=0.5,
            status="assumed",
            prior=Range(0.25, 1.0),
            source="assumed: AI sites outbid others for scarce power",
            doc="Exponent of scarcity on completions.",
        ),
    ],
    doc="The supply line of AI capacity.",
)
