"""Demand for compute in other ways than a price alone: training on a budget, training from revenue, adoption.

Long-run rebound has a closed form in each.

References
----------
.. [Bass1969] Bass, F. M. (1969). A new product growth for model consumer durables. Management Science 15(5), 215-227.
.. [Sorrell2008] Sorrell, S., Dimitropoulos, J. (2008). The rebound effect: microeconomic definitions, limitations
   and extensions. Ecological Economics 65(3), 636-649.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from jevons.elements import Auxiliary, Element, Flow, Roles, Stock
from jevons.functions import Names
from jevons.model import Model

from .markets import COST_OF_COMPUTE, INTENSITY, SCALE, efficiency, energy_flow, given, price_stock, scales

v = Names()


def training_budget(reinvestment: float = 0.25) -> Model:
    """Training on a budget, which grows with the efficiency of training.

    Equation   B' = B ln(B_0 A^φ/B)/τ_B;  C = B/r;  E ∝ C;  small gains: R = 1 + φ;
               A: 1 → a:  R = 1 + (a^φ - 1)/(1 - 1/a)
    Valid for  any φ; φ = 0 is a budget fixed by finance: everything saved is spent on more training, R = 1
    Source     definition of rebound: [Sorrell2008]_, with the effective training of a budget as the service

    Parameters
    ----------
    reinvestment : float
        Elasticity of the budget to the efficiency of training, φ.

    Returns
    -------
    Model
    """
    target = v.reference_budget * v.training_efficiency**v.reinvestment
    elements: list[Element] = [
        Stock("budget", "USD/yr", initial=v.reference_budget, log=True, doc="Budget of training, B."),
        Flow(
            "budget_change",
            "USD/yr**2",
            equation=v.budget * sp.log(target / v.budget) / v.budget_adjustment_time,
            target="budget",
            doc="Budget follows what training is worth.",
        ),
        Auxiliary("training_compute", "H100e", equation=v.budget / v.rent, doc="Compute the budget pays for, C."),
        *energy_flow(v.training_compute * v.energy_intensity),
        efficiency("training_efficiency", "Effective training per unit of compute, A."),
        given("reinvestment", "1", reinvestment, -1.0, 1.0, "Elasticity of the budget to efficiency, φ."),
        given("budget_adjustment_time", "yr", 1.0, 0.25, 4.0, "Time to adjust the budget, τ_B."),
        given("reference_budget", "USD/yr", 1e9, 1e3, 1e12, "Budget at the start, B_0.", SCALE),
        given("rent", "USD/H100e/yr", COST_OF_COMPUTE, 1e2, 1e6, "Rent of compute, r.", SCALE),
        given("energy_intensity", "MWh/H100e/yr", INTENSITY, 1.0, 20.0, "Energy per compute.", SCALE),
    ]
    roles = Roles(
        energy="energy_use",
        cumulative_energy="cumulative_energy",
        efficiencies={"training": "training_efficiency"},
        services={"training_compute": "training_efficiency"},
    )
    return Model("training_budget", elements, roles=roles, doc="Rebound of training on a budget.")


def tied_training(elasticity: float = 0.8, inference_share: float = 0.4) -> Model:
    """Inference on a market with unlimited supply, and training paid for from its revenue.

    Equation   S = p^(-η);  p → r/A;  C_inf = S/A;  B → ρ p S;  C_tr = B/r;  E ∝ C_inf + C_tr;  f = 1/(1 + ρ);
               inference gains, small: R = 1 + (η - 1)/f;  A: 1 → a:  R = 1 + (a^(η-1) - 1)/(f (1 - 1/a));
               training gains: R = 1
    Valid for  η ≥ 0, 0 < f ≤ 1. An inference gain could save a share f (1 - 1/a) of energy and not 1 - 1/a: the
               rebound of small gains is 1 - (dlnE/dlnA)/(-f), not 1 + dlnE/dlnA = η
    Source     definition of rebound: [Sorrell2008]_, with inference served and effective training as the services

    Parameters
    ----------
    elasticity : float
        Price elasticity of demand for inference, η.
    inference_share : float
        Share of inference in energy at the start, f.

    Returns
    -------
    Model
    """
    elements: list[Element] = [
        *price_stock(sp.S.Zero),
        Stock("budget", "USD/yr", initial=v.training_share * v.reference_revenue, doc="Training budget, B."),
        Flow(
            "budget_change",
            "USD/yr**2",
            equation=(v.training_share * v.price * v.service_demand - v.budget) / v.budget_adjustment_time,
            target="budget",
            doc="Budget follows revenue.",
        ),
        *energy_flow((v.inference_compute + v.training_compute) * v.energy_intensity),
        *_service("inference_compute", "inference_efficiency"),
        Auxiliary("training_compute", "H100e", equation=v.budget / v.rent, doc="Compute of training, C_tr."),
        Auxiliary(
            "effective_training",
            "H100e",
            equation=v.training_compute * v.training_efficiency,
            doc="Training compute times its efficiency.",
        ),
        Auxiliary("reference_revenue", "USD/yr", equation=v.reference_price * v.reference_demand, doc="At the start."),
        efficiency("inference_efficiency", "Service per unit of compute, A."),
        efficiency("training_efficiency", "Effective training per unit of compute."),
        given("elasticity", "1", elasticity, 0.0, 2.0, "Price elasticity of demand, η."),
        given("training_share", "1", 1 / inference_share - 1, 0.0, 10.0, "Training budget over revenue, ρ."),
        given("budget_adjustment_time", "yr", 1.0, 0.25, 4.0, "Time to adjust the budget, τ_B."),
        *scales(),
    ]
    roles = Roles(
        energy="energy_use",
        cumulative_energy="cumulative_energy",
        efficiencies={"inference": "inference_efficiency", "training": "training_efficiency"},
        services={"inference_compute": "inference_efficiency", "training_compute": "training_efficiency"},
    )
    return Model("tied_training", elements, roles=roles, doc="Rebound with training paid from revenue.")


def adoption_market(
    adoption_steepness: float = 1.2, use_elasticity: float = 0.4, length_elasticity: float = 0.2, adopted: float = 0.3
) -> Model:
    """Adopters, use per adopter and compute per use, each responding to price: their elasticities add up.

    Equation   N* = M/(1 + (p/p_r)^k);  N' = (N* - N)/τ_N;  S = N p^(-η_u - η_z);  C = S/A;  p → r/A;
               η = k (1 - N*/M) + η_u + η_z;  small gains: R = η;
               A: 1 → a:  E1/E0 = a^(η_u + η_z - 1) (1 + x)/(1 + x a^(-k)), x = M/N*_0 - 1
    Valid for  supply unlimited; k, η_u, η_z ≥ 0. η falls as adoption fills up: saturation comes out of the model
    Source     logistic adoption by reservation price after [Bass1969]_ (a market of fixed size); [Sorrell2008]_

    Parameters
    ----------
    adoption_steepness : float
        Steepness of the distribution of reservation prices, k.
    use_elasticity, length_elasticity : float
        Elasticities of use per adopter and of compute per use, η_u and η_z.
    adopted : float
        Share of the market that has adopted at the start, N*/M.

    Returns
    -------
    Model
    """
    elements: list[Element] = [
        *price_stock(sp.S.Zero),
        Stock("adopters", "person", initial=v.market * v.adopted_at_start, doc="Those who have adopted, N."),
        Flow(
            "adoption",
            "person/yr",
            equation=(v.potential_adopters - v.adopters) / v.adoption_time,
            target="adopters",
            doc="Adoption, and loss where price rises.",
        ),
        *energy_flow(v.compute * v.energy_intensity),
        Auxiliary(
            "potential_adopters",
            "person",
            equation=v.market / (1 + v.reluctance * (v.price / v.reference_price) ** v.adoption_steepness),
            doc="Those whose reservation price lies above the price, N*.",
        ),
        Auxiliary("reluctance", "1", equation=1 / v.adopted_at_start - 1, doc="x: others over adopters at the start."),
        *_service("compute", "algorithmic_efficiency", v.adopters / (v.market * v.adopted_at_start)),
        efficiency("algorithmic_efficiency", "Service per unit of compute, A."),
        Auxiliary("elasticity", "1", equation=v.use_elasticity + v.length_elasticity, doc="At given adoption."),
        given("adoption_steepness", "1", adoption_steepness, 0.0, 5.0, "Steepness of reservation prices, k."),
        given("use_elasticity", "1", use_elasticity, 0.0, 2.0, "Elasticity of use per adopter, η_u."),
        given("length_elasticity", "1", length_elasticity, 0.0, 2.0, "Elasticity of compute per use, η_z."),
        given("adopted_at_start", "1", adopted, 0.0, 1.0, "Share of the market that has adopted at the start."),
        given("adoption_time", "yr", 2.0, 0.25, 10.0, "Time of adoption, τ_N."),
        given("market", "person", 1e9, 1.0, 1e10, "Size of the market, M.", SCALE),
        *scales(),
    ]
    roles = Roles(
        energy="energy_use",
        cumulative_energy="cumulative_energy",
        efficiencies={"algorithm": "algorithmic_efficiency"},
        services={"compute": "algorithmic_efficiency"},
    )
    return Model("adoption_market", elements, roles=roles, doc="Rebound with adoption that fills up.")


def _service(compute: str, gain: str, adopters: Any = 1) -> list[Element]:
    """A service at constant rent: its demand, its compute, its cost."""
    return [
        Auxiliary(
            "service_demand",
            "service/yr",
            equation=v.reference_demand * adopters * (v.price / v.reference_price) ** (-v.elasticity),
            doc="Demand for the service at its price, S.",
        ),
        Auxiliary(
            compute,
            "H100e",
            equation=v.service_demand * v.compute_per_service / v[gain],
            doc="Compute that the service needs, C.",
        ),
        Auxiliary(
            "indicated_price",
            "USD/service",
            equation=v.rent * v.compute_per_service / v[gain],
            doc="Cost of the compute in a service.",
        ),
        Auxiliary("reference_price", "USD/service", equation=v.rent * v.compute_per_service, doc="Price at the start."),
        given("rent", "USD/H100e/yr", COST_OF_COMPUTE, 1e2, 1e6, "Rent of compute, r.", SCALE),
    ]
