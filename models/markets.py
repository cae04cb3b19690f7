"""Markets for compute made of chips and power, at rest and growing; long-run rebound has a closed form.

They add to `jevons.models.market.m0` power as a second cost, and growth.

References
----------
.. [Cottier2024] Cottier, B., Rahman, R., Fattorini, L., Maslej, N., Owen, D. (2024). The rising costs of training
   frontier AI models. arXiv:2405.21015.
.. [Saunders2008] Saunders, H. D. (2008). Fuel conserving (and using) production functions. Energy Economics 30(5),
   2184-2235.
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
.. [Sterman2000] Sterman, J. D. (2000). Business Dynamics: Systems Thinking and Modeling for a Complex World.
   McGraw-Hill.
"""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from jevons.elements import Auxiliary, Element, Flow, Parameter, Range, Roles, Stock
from jevons.functions import TIME, Names
from jevons.model import Model

v = Names()

SCALE = "Sets the scale only: the result does not depend on it."
TEXTBOOK = "Textbook value, to be varied."
RELATIVE = "Definition: relative to the start."
COST_OF_COMPUTE = 1e4
"""Cost of compute at the start, USD/H100e/yr; a scale."""
INTENSITY = 8.0
"""Energy per compute at the start, MWh/H100e/yr; a scale."""


def given(name: str, unit: str, value: float, low: float, high: float, doc: str, source: str = TEXTBOOK) -> Parameter:
    return Parameter(name, unit, value=value, source=source, status="assumed", prior=Range(low, high), doc=doc)


def efficiency(name: str, doc: str) -> Parameter:
    return given(name, "1", 1.0, 1.0, 100.0, doc, RELATIVE)


def scales() -> list[Element]:
    return [
        given("reference_demand", "service/yr", 1e6, 1.0, 1e12, "Demand at the start.", SCALE),
        given("compute_per_service", "H100e*yr/service", 1e-3, 1e-9, 1e3, "Compute in a service at the start.", SCALE),
        given("energy_intensity", "MWh/H100e/yr", INTENSITY, 1.0, 20.0, "Energy per compute at the start.", SCALE),
    ]


def energy_flow(compute: sp.Expr) -> list[Element]:
    return [
        Stock("cumulative_energy", "MWh", initial=0, doc="Energy used since the start."),
        Flow("energy_use", "MWh/yr", equation=compute, target="cumulative_energy", doc="Energy use, E."),
    ]


def price_stock(scarcity: sp.Expr) -> list[Element]:
    """A price that follows its indicated value, in logarithms."""
    gap = sp.log(v.indicated_price / v.price) + scarcity
    return [
        Stock("price", "USD/service", initial=v.reference_price, log=True, doc="Price of the service, p."),
        Flow(
            "price_change",
            "USD/service/yr",
            equation=v.price * gap / v.price_adjustment_time,
            target="price",
            doc="Price follows the cost of a service.",
        ),
        given("price_adjustment_time", "yr", 0.5, 0.1, 20.0, "Time to adjust the price, τ_p."),
    ]


def two_inputs(
    elasticity: float = 1.0,
    energy_share: float = 0.09,
    chip_supply: float = math.inf,
    power_supply: float = math.inf,
    capital_premium: float = 0.0,
) -> Model:
    """Market for compute that costs chips and power, each with a finite elasticity of supply.

    Three improvements, three rebounds: algorithms (A) save chips and power, energy efficiency (ε) saves power only,
    price-performance (κ) makes chips cheaper and saves no energy. In reference units (C = compute, E = energy):

    Equation   S = p^(-η);  C = S/A;  E = C/ε;  r_K = K^(1/ψ_K) ε^k/κ;  r_E = E^(1/ψ_E);
               p → (s_K r_K + s_E r_E/ε)/A;  K' = (C - K)/τ_K;  with Δ = 1 + η (s_K/ψ_K + s_E/ψ_E), small gains and
               k = 0:  R_A = 1 + (η - 1)/Δ;  R_ε = η s_E (1 + 1/ψ_E)/Δ;  dlnE/dlnκ = η s_K/Δ;
               supply unlimited, k = 0, ε: 1 → a:  E1/E0 = (s_E/a + s_K)^(-η)/a;
               supply unlimited:  R_ε = η (s_E - s_K k)
    Valid for  η ≥ 0; 0 ≤ s_E = 1 - s_K ≤ 1; ψ > 0 (infinite allowed); new efficiency reaches all chips at once;
               shares are those at the equilibrium, and drift after large gains
    Source     definitions of rebound: [Sorrell2008]_, [Saunders2008]_; energy is 2 to 6 % of what it costs to
               develop frontier models: [Cottier2024]_; adjustment of price: [Sterman2000]_, ch. 20

    Parameters
    ----------
    elasticity : float
        Price elasticity of demand for the service, η, as a positive number.
    energy_share : float
        Share of power in the cost of compute at the start, s_E.
    chip_supply, power_supply : float
        Elasticities of supply, ψ_K and ψ_E; ``math.inf`` for a constant price.
    capital_premium : float
        Elasticity of the rent of chips to their energy efficiency, k.

    Returns
    -------
    Model
        In equilibrium at the start. Roles: kinds ``algorithm``, ``hardware`` and ``hardware_price``.
    """
    progress = (v.algorithmic_efficiency, v.energy_efficiency, v.price_performance)
    elements = _two_inputs(v.reference_demand, *progress)
    elements += _two_input_numbers(elasticity, energy_share, chip_supply, power_supply, capital_premium)
    return Model("two_inputs", elements, roles=_ROLES, doc="Rebound in a market for compute made of chips and power.")


def growing_market(
    elasticity: float = 0.8,
    demand_growth: float = 0.2,
    algorithm_growth: float = 0.3,
    hardware_growth: float = 0.25,
    cheapening: float = 0.0,
    energy_share: float = 0.09,
) -> Model:
    """`two_inputs` with unlimited supply, demand and efficiencies that grow exponentially.

    Equation   dlnE/dt = g + (η - 1) γ_A + (η s_E - 1) γ_ε + η s_K γ_κ at constant shares of cost;
               γ_ε = γ_κ = γ:  dlnE/dt = g + (η - 1)(γ_A + γ), and R_A = η, R_ε = η s_E, dlnE/dlnκ = η s_K
    Valid for  supply unlimited, a long time after the start; if γ_κ ≠ γ_ε, the input that gets cheaper more slowly
               takes all cost in the end (s_E → 1 or 0)
    Source     growth accounting of the equations of `two_inputs`; coverage under growth: [Sterman2000]_, ch. 17

    Parameters
    ----------
    elasticity : float
        Price elasticity of demand, η.
    demand_growth, algorithm_growth, hardware_growth : float
        g, γ_A and γ = γ_ε, 1/yr.
    cheapening : float
        Growth of price-performance beyond that of energy efficiency, γ_κ - γ_ε, 1/yr.
    energy_share : float
        Share of power in the cost of compute at the start, s_E.

    Returns
    -------
    Model
    """
    both = v.hardware_growth + v.cheapening
    levels = {
        "algorithm_level": ("algorithmic_efficiency", v.algorithm_growth),
        "energy_efficiency_level": ("energy_efficiency", v.hardware_growth),
        "price_performance_level": ("price_performance", both),
        "demand_at_start_price": ("reference_demand", v.demand_growth),
    }
    elements = _two_inputs(v.demand_at_start_price, *(v[level] for level in list(levels)[:3]))
    elements += _two_input_numbers(elasticity, energy_share, math.inf, math.inf, 0.0)
    for level, (base, rate) in levels.items():
        unit = "service/yr" if base == "reference_demand" else "1"
        doc = f"{base.replace('_', ' ').capitalize()} times its growth since the start."
        elements.append(Auxiliary(level, unit, equation=v[base] * sp.exp(rate * TIME), doc=doc))
    elements += [
        given("demand_growth", "1/yr", demand_growth, -1.0, 1.0, "Growth of demand at a given price, g."),
        given("algorithm_growth", "1/yr", algorithm_growth, 0.0, 2.0, "Growth of algorithmic efficiency, γ_A."),
        given("hardware_growth", "1/yr", hardware_growth, 0.0, 1.0, "Growth of energy efficiency, γ_ε."),
        given("cheapening", "1/yr", cheapening, -1.0, 1.0, "Growth of price-performance beyond it, γ_κ - γ_ε."),
    ]
    return Model("growing_market", elements, roles=_ROLES, doc="Rebound on a path of balanced growth.")


_ROLES = Roles(
    energy="energy_use",
    cumulative_energy="cumulative_energy",
    efficiencies={"algorithm": "algorithmic_efficiency", "hardware": "energy_efficiency"},
    services={"compute": "algorithmic_efficiency"},
    price_performance={"hardware_price": "price_performance"},
)


def _two_inputs(demand: Any, algorithm: Any, efficiency: Any, cheapness: Any) -> list[Element]:
    rent = v.reference_rent * (v.capacity / v.reference_compute) ** v.inverse_chip_supply
    power = v.energy_price * (v.energy_use / v.reference_energy) ** v.inverse_power_supply
    return [
        Stock("capacity", "H100e", initial=v.reference_compute, doc="Installed compute, K."),
        Flow(
            "capacity_growth",
            "H100e/yr",
            equation=(v.compute - v.capacity) / v.capacity_adjustment_time,
            target="capacity",
            doc="Capacity follows the compute in use.",
        ),
        *price_stock(v.scarcity_response * sp.log(v.compute / v.capacity)),
        *energy_flow(v.compute * v.energy_intensity / efficiency),
        Auxiliary(
            "service_demand",
            "service/yr",
            equation=demand * (v.price / v.reference_price) ** (-v.elasticity),
            doc="Demand for the service at its price, S.",
        ),
        Auxiliary(
            "compute",
            "H100e",
            equation=v.service_demand * v.compute_per_service / algorithm,
            doc="Compute that the service needs, C.",
        ),
        Auxiliary(
            "rent",
            "USD/H100e/yr",
            equation=rent * efficiency**v.capital_premium / cheapness,
            doc="Rent of chips, r_K.",
        ),
        Auxiliary("power_price", "USD/MWh", equation=power, doc="Price of power, r_E."),
        Auxiliary(
            "power_cost",
            "USD/H100e/yr",
            equation=v.power_price * v.energy_intensity / efficiency,
            doc="Cost of the power of compute.",
        ),
        Auxiliary(
            "indicated_price",
            "USD/service",
            equation=(v.rent + v.power_cost) * v.compute_per_service / algorithm,
            doc="Cost of the compute in a service.",
        ),
        Auxiliary(
            "energy_share", "1", equation=v.power_cost / (v.rent + v.power_cost), doc="Share of power in cost, s_E."
        ),
        Auxiliary(
            "reference_compute", "H100e", equation=v.reference_demand * v.compute_per_service, doc="C at the start."
        ),
        Auxiliary(
            "reference_energy", "MWh/yr", equation=v.reference_compute * v.energy_intensity, doc="E at the start."
        ),
        Auxiliary(
            "reference_price",
            "USD/service",
            equation=(v.reference_rent + v.energy_price * v.energy_intensity) * v.compute_per_service,
            doc="Price at the start.",
        ),
    ]


def _two_input_numbers(
    elasticity: float, energy_share: float, chip_supply: float, power_supply: float, capital_premium: float
) -> list[Element]:
    return [
        efficiency("algorithmic_efficiency", "Service per unit of compute, A."),
        efficiency("energy_efficiency", "Compute per unit of energy, ε."),
        efficiency("price_performance", "Compute per unit of rent, κ."),
        given("elasticity", "1", elasticity, 0.0, 2.0, "Price elasticity of demand, η."),
        given("inverse_chip_supply", "1", 1 / chip_supply, 0.0, 50.0, "1/ψ_K; 0 for a constant rent."),
        given("inverse_power_supply", "1", 1 / power_supply, 0.0, 50.0, "1/ψ_E; 0 for a constant price."),
        given("capital_premium", "1", capital_premium, -1.0, 1.0, "Elasticity of rent to energy efficiency, k."),
        given("capacity_adjustment_time", "yr", 1.0, 0.25, 4.0, "Time to build capacity, τ_K."),
        given("scarcity_response", "1", 1.0, 0.0, 3.0, "Response of the price to compute over capacity, λ."),
        given(
            "reference_rent",
            "USD/H100e/yr",
            COST_OF_COMPUTE * (1 - energy_share),
            0.0,
            1e6,
            "Rent of chips at the start; its size beside the price of power is the cost share.",
        ),
        given(
            "energy_price",
            "USD/MWh",
            COST_OF_COMPUTE * energy_share / INTENSITY,
            0.0,
            1e6,
            "Price of power at the start.",
        ),
        *scales(),
    ]
