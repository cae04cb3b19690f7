"""The laboratory: the world with levers and an environment, for scenarios that the world alone cannot run."""

from __future__ import annotations

from jevons.functions import Names
from jevons.model import Model

from . import (
    adoption,
    capacity,
    conventional,
    energy,
    facilities,
    grids,
    levers,
    measurement,
    power,
    price,
    training,
    water,
)
from .levers import rewired, without
from .world import ROLES

v = Names()


def build() -> Model:
    """The world model with levers (`levers`), site vintages (`facilities`), regional grids (`grids`) and `water`.

    Equation   see ``print(model)``. With every lever at its neutral value each element that the world has takes the
               same path as there, so the laboratory takes the values and draws of the world's fit
    Valid for  as the world; regions are weights of its electricity and give nothing back to it except through a
               price of carbon
    Source     as the world; environment: see the parameters

    Returns
    -------
    Model
    """
    sectors = (
        rewired(
            conventional.SECTOR,
            {},
            [*levers.PUE_STANDARD, *levers.CONVENTIONAL_COST, facilities.PUE_CONVENTIONAL],
        )
        + rewired(capacity.SECTOR, {}, [*levers.COMPUTE_CAP, *levers.EXPECTED_GROWTH])
        + without(
            rewired(price.SECTOR, {"electricity_price": v.electricity_tariff}, [facilities.PUE_AI]),
            "margin",
        )
        + rewired(adoption.SECTOR, {"service_price": v.felt_price}, levers.TOKENS_PER_TASK)
        + training.SECTOR
        + rewired(power.SECTOR, {}, levers.POWER_EXPECTATION)
        + energy.SECTOR
        + measurement.SECTOR
        + levers.SECTOR
        + facilities.SECTOR
        + grids.SECTOR
        + water.SECTOR
    )
    doc = "World data centres with levers, regional grids and water, 2005 to 2035."
    return Model("laboratory", sectors, start=2005.0, roles=ROLES, doc=doc)
