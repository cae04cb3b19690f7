"""One market for compute, in which rebound has a closed form.

References
----------
.. [Saunders2008] Saunders, H. D. (2008). Fuel conserving (and using) production functions. Energy Economics 30(5),
   2184-2235.
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
.. [Sterman2000] Sterman, J. D. (2000). Business Dynamics: Systems Thinking and Modeling for a Complex World.
   McGraw-Hill.
"""

from __future__ import annotations

import math

import sympy as sp

from jevons.elements import Auxiliary, Flow, Parameter, Range, Roles, Stock
from jevons.functions import Names
from jevons.model import Model

v = Names()

SCALE = "Sets the scale only: the result does not depend on it."


def m0(elasticity: float = 0.5, supply_elasticity: float = math.inf) -> Model:
    """Rebound in one market for compute, with finite supply elasticity.

    Demand for a service falls with its price; the compute it needs falls with algorithmic efficiency A; capacity K
    follows compute, rent rises with capacity, and the price of the service follows rent and scarcity. The model
    starts in the equilibrium of A = 1. In reference units (C = compute, p = price, r = rent):

    Equation   C = p^(-η)/A;  r = K^(1/ψ);  K' = (C - K)/τ_K;  p' = p (ln(r/A) + λ ln(C/K) - ln p)/τ_p;
               long run after A: 1 → a: E1/E0 = a^x with x = ψ(η-1)/(ψ+η), and x = η-1 for ψ = ∞;
               rebound R = 1 - (1 - E1/E0)/(1 - 1/a)
    Valid for  η ≥ 0, ψ > 0 (infinite allowed), energy in proportion to compute, price passed on in full
    Source     definitions of rebound: [Sorrell2008]_, [Saunders2008]_; adjustment of price: [Sterman2000]_, ch. 20

    Parameters
    ----------
    elasticity : float
        Price elasticity of demand for the service, η, as a positive number.
    supply_elasticity : float
        Elasticity of the supply of capacity, ψ; ``math.inf`` for a constant rent.

    Returns
    -------
    Model
        With roles: algorithmic efficiency, the compute it divides, energy.
    """
    textbook = "Textbook value, to be varied."
    return Model(
        "m0",
        [
            Stock("capacity", "H100e", initial=v.reference_compute, doc="Installed compute, K."),
            Flow(
                "capacity_growth",
                "H100e/yr",
                equation=(v.compute - v.capacity) / v.capacity_adjustment_time,
                target="capacity",
                doc="Capacity follows the compute in use.",
            ),
            Stock("price", "USD/service", initial=v.reference_price, log=True, doc="Price of the service, p."),
            Flow(
                "price_change",
                "USD/service/yr",
                equation=v.price
                * (sp.log(v.indicated_price / v.price) + v.scarcity_response * sp.log(v.compute / v.capacity))
                / v.price_adjustment_time,
                target="price",
                doc="Price follows the cost of the compute in a service, and scarcity of capacity.",
            ),
            Stock("cumulative_energy", "MWh", initial=0, doc="Energy used since the start."),
            Flow(
                "energy_use",
                "MWh/yr",
                equation=v.compute * v.energy_intensity,
                target="cumulative_energy",
                doc="Energy use; in proportion to compute.",
            ),
            Auxiliary(
                "service_demand",
                "service/yr",
                equation=v.reference_demand * (v.price / v.reference_price) ** (-v.elasticity),
                doc="Demand for the service at its price.",
            ),
            Auxiliary(
                "compute",
                "H100e",
                equation=v.service_demand * v.compute_per_service / v.algorithmic_efficiency,
                doc="Compute that the service needs, C.",
            ),
            Auxiliary(
                "rent",
                "USD/H100e/yr",
                equation=v.reference_rent * (v.capacity / v.reference_compute) ** v.inverse_supply_elasticity,
                doc="Rent of capacity, r.",
            ),
            Auxiliary(
                "indicated_price",
                "USD/service",
                equation=v.rent * v.compute_per_service / v.algorithmic_efficiency,
                doc="Cost of the compute in a service.",
            ),
            Auxiliary(
                "reference_compute",
                "H100e",
                equation=v.reference_demand * v.compute_per_service,
                doc="Compute in the equilibrium of A = 1.",
            ),
            Auxiliary(
                "reference_price",
                "USD/service",
                equation=v.reference_rent * v.compute_per_service,
                doc="Price in the equilibrium of A = 1.",
            ),
            Parameter(
                "algorithmic_efficiency",
                "1",
                value=1.0,
                source="Definition: relative to the start.",
                status="assumed",
                prior=Range(1.0, 100.0),
                doc="Service per unit of compute, A, relative to the start.",
            ),
            Parameter(
                "elasticity",
                "1",
                value=elasticity,
                source=textbook,
                status="assumed",
                prior=Range(0.0, 2.0),
                doc="Price elasticity of demand for the service, η.",
            ),
            Parameter(
                "inverse_supply_elasticity",
                "1",
                value=0.0 if math.isinf(supply_elasticity) else 1.0 / supply_elasticity,
                source=textbook,
                status="assumed",
                prior=Range(0.0, 50.0),
                doc="Elasticity of rent to capacity, 1/ψ; 0 where supply is unlimited at a constant rent.",
            ),
            Parameter(
                "capacity_adjustment_time",
                "yr",
                value=1.0,
                source=textbook,
                status="assumed",
                prior=Range(0.25, 4.0),
                doc="Time to build capacity, τ_K.",
            ),
            Parameter(
                "price_adjustment_time",
                "yr",
                value=0.5,
                source=textbook,
                status="assumed",
                prior=Range(0.1, 2.0),
                doc="Time to adjust the price, τ_p.",
            ),
            Parameter(
                "scarcity_response",
                "1",
                value=1.0,
                source=textbook,
                status="assumed",
                prior=Range(0.0, 3.0),
                doc="Response of the price to compute over capacity, λ.",
            ),
            Parameter(
                "reference_demand",
                "service/yr",
                value=1e6,
                source=SCALE,
                status="assumed",
                prior=Range(1.0, 1e12),
                doc="Demand in the equilibrium of A = 1.",
            ),
            Parameter(
                "compute_per_service",
                "H100e*yr/service",
                value=1e-3,
                source=SCALE,
                status="assumed",
                prior=Range(1e-9, 1e3),
                doc="Compute that a service needs at A = 1.",
            ),
            Parameter(
                "reference_rent",
                "USD/H100e/yr",
                value=1e4,
                source=SCALE,
                status="assumed",
                prior=Range(1e2, 1e6),
                doc="Rent in the equilibrium of A = 1.",
            ),
            Parameter(
                "energy_intensity",
                "MWh/H100e/yr",
                value=8.0,
                source=SCALE,
                status="assumed",
                prior=Range(1.0, 20.0),
                doc="Energy per compute in use.",
            ),
        ],
        roles=Roles(
            energy="energy_use",
            cumulative_energy="cumulative_energy",
            efficiencies={"algorithm": "algorithmic_efficiency"},
            services={"compute": "algorithmic_efficiency"},
        ),
        doc="Rebound in one market for compute; long-run rebound has a closed form.",
    )
