"""The world: conventional and AI computing, their price, adoption, power and electricity, from 2005."""

from __future__ import annotations

from jevons.elements import Roles, Sector
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
    return _world("world", adoption.SECTOR, "World data centres, 2005 to 2035.")


def full_price() -> Model:
    """The world with use that responds to a full price: money and what is not money (`adoption.full_price`)."""
    return _world("world_full_price", adoption.full_price(), "World data centres, 2005 to 2035; use at a full price.")


def hump() -> Model:
    """The world with an elasticity of use that rises before it falls (`adoption.hump`)."""
    return _world("world_hump", adoption.hump(), "World data centres, 2005 to 2035; a hump of elasticity.")


def _world(name: str, use: Sector, doc: str) -> Model:
    sectors = (
        conventional.SECTOR
        + capacity.SECTOR
        + price.SECTOR
        + use
        + training.SECTOR
        + power.SECTOR
        + energy.SECTOR
        + measurement.SECTOR
    )
    return Model(name, sectors, start=2005.0, roles=ROLES, doc=doc)
