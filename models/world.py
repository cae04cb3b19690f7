"""The world: conventional and AI computing, their price, adoption, power and electricity, from 2005."""

from __future__ import annotations

from jevons.elements import Roles
from jevons.model import Model

from . import adoption, capacity, conventional, energy, measurement, power, price, training

ROLES = Roles(
    energy="dc_electricity",
    cumulative_energy="cumulative_dc_electricity",
    efficiencies={
        "inference": "inference_efficiency",
        "training": "training_efficiency",
        "hardware": "hardware_energy_efficiency",
        "facility": "facility_efficiency",
    },
    services={
        "inference_compute": "inference_efficiency",
        "training_compute": "training_efficiency",
        "embedded_compute": None,
        "conventional_demand": None,
    },
    price_performance={"hardware_price": "hardware_price_performance"},
)


def build() -> Model:
    """World data centres as a stock-and-flow model, parameters at their prior medians.

    Equation   see ``print(model)``; eight sectors, of which one holds the observation equations
    Valid for  2005 to 2035; the future beyond 2030 hangs on limits for which there are no data
    Source     structure after Sterman 2000 (supply line, price), Bass 1969, Wright 1936; evidence for each
               parameter in ``model.sources()``

    Returns
    -------
    Model
        Without a date between 2011 and 2030 in any equation: the flat decade and the growth after it come out of
        consolidation, site efficiency and the take-off of AI.
    """
    sectors = (
        conventional.SECTOR
        + capacity.SECTOR
        + price.SECTOR
        + adoption.SECTOR
        + training.SECTOR
        + power.SECTOR
        + energy.SECTOR
        + measurement.SECTOR
    )
    return Model("world", sectors, start=2005.0, roles=ROLES, doc="World data centres, 2005 to 2035.")
