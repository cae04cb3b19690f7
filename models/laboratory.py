"""The laboratory: the world with levers and an environment, for scenarios that the world alone cannot run."""

from __future__ import annotations

from dataclasses import replace

from jevons.elements import Driver, Sector
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
               price of carbon. Emissions hold from about 2019 on: the emission factors of fossil plants are those of
               2024 (the United States of 2010 come out 20 % too low)
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


def united_states() -> Model:
    """The laboratory for the United States: the same structure, all of its load on the grid of the United States.

    Takes the values of the fit to six annual values of LBNL (calibration/us.toml). Price, algorithms and learning are
    those of the world.

    Returns
    -------
    Model
    """
    laboratory = build()
    shares = [_constant(laboratory, "dc_share_us", 1.0), _constant(laboratory, "dc_share_cn", 0.0)]
    sectors = [Sector(label, [laboratory[n] for n in names]) for label, names in laboratory.sectors.items()]
    doc = "Data centres of the United States with levers, their grid and water, 2005 to 2035."
    model = Model("laboratory_us", *sectors, start=laboratory.start, roles=laboratory.roles, doc=doc)
    return model.with_elements(shares)


def _constant(model: Model, name: str, share: float) -> Driver:
    driver = model[name]
    assert isinstance(driver, Driver)
    return replace(
        driver, points=((2020.5, share), (2030.5, share)), source="definition: one country", status="assumed"
    )
