"""Price of compute and of AI service: learning, cost of a machine-year, rent, service price."""

from __future__ import annotations

from typing import Any

import sympy as sp

from jevons.elements import Auxiliary, Flow, LogNormal, Parameter, Range, Sector, Stock
from jevons.functions import Names

v = Names()

EPOCH_CHIPS = "Epoch AI, ai-chip-counts (2026-04)"


def energy_cost(mean_chip_power: Any) -> sp.Expr:
    """Yearly cost of electricity per H100-equivalent."""
    return mean_chip_power * v.cluster_overhead * v.pue_ai * v.hours_per_year * v.electricity_price


def compute_cost_with(mean_chip_power: Any) -> sp.Expr:
    """Yearly cost of an H100-equivalent: capital and maintenance, facility, electricity of a mean chip power."""
    annuity = v.cost_of_capital / (1 - sp.exp(-v.cost_of_capital * v.ai_life))
    capital = v.chip_price * annuity * (1 + v.maintenance_share)
    facility = v.chip_power * v.cluster_overhead * v.pue_ai * v.facility_cost * v.facility_charge
    return capital + facility + energy_cost(mean_chip_power)


SECTOR = Sector(
    "price",
    [
        Auxiliary(
            "chip_power",
            "kW/H100e",
            equation=v.chip_power_at_reference
            * (v.cumulative_shipments / v.reference_shipments) ** (-v.chip_power_learning)
            / v.hardware_energy_efficiency,
            doc="Chip power of new kit per H100-equivalent (Wright's law).",
        ),
        Auxiliary(
            "chip_price",
            "kUSD/H100e",
            equation=v.chip_price_at_reference
            * (v.cumulative_shipments / v.reference_shipments) ** (-v.chip_price_learning)
            / v.hardware_price_performance,
            doc="Price of new chips per H100-equivalent (Wright's law).",
        ),
        Auxiliary(
            "pue_ai",
            "1",
            equation=1 + (v.ai_site_pue - 1) / v.facility_efficiency,
            doc="PUE of AI sites.",
        ),
        Auxiliary(
            "compute_cost",
            "kUSD/H100e/yr",
            equation=compute_cost_with(v.ai_power / v.ai_capacity),
            doc="Yearly cost of an installed H100-equivalent.",
        ),
        Auxiliary(
            "energy_cost_share",
            "1",
            equation=energy_cost(v.ai_power / v.ai_capacity) / v.compute_cost,
            doc="Share of electricity in the cost of compute.",
        ),
        Stock(
            "rental_price",
            "kUSD/H100e/yr",
            log=True,
            initial=(1 + v.margin) * compute_cost_with(v.chip_power),
            doc="What all users pay for an H100-equivalent and year.",
        ),
        Flow(
            "rental_price_change",
            "kUSD/H100e/yr**2",
            target="rental_price",
            equation=v.rental_price
            * sp.log((1 + v.margin) * v.compute_cost * v.capacity_pressure**v.price_response / v.rental_price)
            / v.price_adjustment_time,
            doc="Adjustment to cost plus margin, raised by scarcity.",
        ),
        Auxiliary(
            "service_price",
            "kUSD/service",
            equation=v.rental_price / (v.target_utilisation * v.algorithmic_efficiency),
            doc="Price of AI service. Algorithmic gains pass through at once, hardware gains with the rent's lag.",
        ),
        Parameter(
            "hardware_energy_efficiency",
            "1",
            value=1.0,
            status="assumed",
            prior=Range(1, 1e6),
            source="multiplier for shocks; 1 by definition",
            doc="Gain in FLOP per joule of new chips.",
        ),
        Parameter(
            "hardware_price_performance",
            "1",
            value=1.0,
            status="assumed",
            prior=Range(1, 1e6),
            source="multiplier for shocks; 1 by definition",
            doc="Gain in FLOP per dollar of new chips.",
        ),
        Parameter(
            "facility_efficiency",
            "1",
            value=1.0,
            status="assumed",
            prior=Range(1, 1e6),
            source="multiplier for shocks; 1 by definition",
            doc="Divides the overhead, PUE less one, of all sites.",
        ),
        Parameter(
            "reference_shipments",
            "MH100e",
            value=0.6,
            status="assumed",
            prior=Range(0.3, 1.2),
            source="definition: shipments at which the chip's reference values hold",
            doc="Cumulative shipments of reference.",
        ),
        Parameter(
            "chip_power_at_reference",
            "kW/H100e",
            value=1.0,
            prior=LogNormal(1.0, 0.15),
            status="fitted",
            source=f"{EPOCH_CHIPS}: 0.85 kW per H100-equivalent added in 2023",
            doc="Chip power at the reference shipments.",
        ),
        Parameter(
            "chip_power_learning",
            "1",
            value=0.18,
            prior=LogNormal(0.18, 0.2),
            status="literature",
            source=f"{EPOCH_CHIPS}: slope of power on cumulative shipments",
            doc="Wright exponent of power.",
        ),
        Parameter(
            "chip_price_at_reference",
            "kUSD/H100e",
            value=43.0,
            prior=LogNormal(43.0, 0.15),
            status="fitted",
            source="NVIDIA data-centre revenue over H100-equivalents shipped (annual reports; Epoch AI)",
            doc="Chip price at the reference shipments.",
        ),
        Parameter(
            "chip_price_learning",
            "1",
            value=0.27,
            prior=LogNormal(0.27, 0.2),
            status="fitted",
            source="as the chip price; confounded with a trend in time (Nagy et al. 2013)",
            doc="Wright exponent of price.",
        ),
        Parameter(
            "cluster_overhead",
            "1",
            value=1.45,
            prior=LogNormal(1.45, 0.12),
            status="fitted",
            source="Google 2025, energy of AI inference: 58 % of IT energy in accelerators (1.7 with idle hosts)",
            doc="Power of servers and network over that of chips.",
        ),
        Parameter(
            "ai_site_pue",
            "1",
            value=1.17,
            prior=LogNormal(1.17, 0.03),
            status="literature",
            source="Shehabi et al. 2024, LBNL-2001637: 1.14 to 1.2 for AI sites; Google 1.09",
            doc="PUE of AI sites.",
        ),
        Parameter(
            "maintenance_share",
            "1",
            value=0.35,
            status="assumed",
            prior=Range(0.1, 0.5),
            source="assumed: operation, maintenance and staff over the annuity",
            doc="Other cost over the annuity.",
        ),
        Parameter(
            "cost_of_capital",
            "1/yr",
            value=0.12,
            status="assumed",
            prior=Range(0.08, 0.16),
            source="assumed: required return on data-centre equipment, continuous",
            doc="Cost of capital.",
        ),
        Parameter(
            "facility_cost",
            "kUSD/kW",
            value=12.0,
            status="assumed",
            prior=Range(9, 15),
            source="assumed: construction cost of large sites, 9 to 15 million USD per MW",
            doc="Cost of a facility.",
        ),
        Parameter(
            "facility_charge",
            "1/yr",
            value=0.10,
            status="assumed",
            prior=Range(0.08, 0.13),
            source="assumed: annuity of a 15 to 20 year facility",
            doc="Yearly charge on facility cost.",
        ),
        Parameter(
            "electricity_price",
            "kUSD/MWh",
            value=0.07,
            status="assumed",
            prior=Range(0.05, 0.1),
            source="EIA: US industrial price 8.3 cents (2022), 8.1 cents (2023) per kWh; world lower",
            doc="Price of electricity.",
        ),
        Parameter(
            "margin",
            "1",
            value=0.5,
            prior=LogNormal(0.5, 0.4),
            status="assumed",
            source="assumed: gross margin of compute providers; wide",
            doc="Margin over cost.",
        ),
        Parameter(
            "price_response",
            "1",
            value=1.0,
            prior=LogNormal(1.0, 0.4),
            status="assumed",
            source="assumed: elasticity of price to pressure (Sterman 2000, ch. 20)",
            doc="Response of the target rent to capacity pressure.",
        ),
        Parameter(
            "price_adjustment_time",
            "yr",
            value=0.5,
            status="assumed",
            prior=Range(0.2, 1.0),
            source="assumed: rental contracts of months",
            doc="Adjustment time of the rent.",
        ),
    ],
    doc="What compute and AI service cost.",
)
