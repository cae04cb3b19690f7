"""Inputs of the rebound of one upgraded device, and what follows from them before anything is upgraded.

Source     Heun, Semieniuk and Brockway 2025, see `jevons.rebound.device`
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from jevons.errors import ModelError, nearest

SERVICE_PRICES = ("energy", "full")


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device that turns energy into a service. Checked by the upgrade it is part of.

    Parameters
    ----------
    efficiency : float
        Service per unit of energy as it is bought [service/energy unit], for example mile/gal.
    capital_cost, disposal_cost : float
        Paid at the beginning and at the end of life [$].
    life : float
        Life [yr].
    maintenance_cost : float
        Operation and maintenance without energy [$/yr].
    embodied_energy : float
        Energy to make it [MJ].
    """

    efficiency: float
    capital_cost: float
    life: float
    maintenance_cost: float = 0.0
    disposal_cost: float = 0.0
    embodied_energy: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DeviceUpgrade:
    """A device, its more efficient successor, and who pays for them.

    Parameters
    ----------
    name : str
        What is upgraded.
    original, upgraded : Device
    service : float
        Service used before the upgrade, q° [service/yr].
    energy_price : float
        Price of energy as it is bought [$/energy unit], before and after the upgrade.
    megajoules : float
        Energy in a unit as it is bought [MJ/energy unit].
    budget : float
        Everything spent, M [$/yr].
    price_elasticity : float
        Uncompensated own-price elasticity of the service [1], negative; of the price that `service_price` names.
    energy_intensity : float
        Energy per money spent on other goods and upkeep, I_E [MJ/$].
    discount_rate : float
        Rate r at which capital and disposal costs are spread over life [1/yr].
    macro_factor : float
        Macro effect per money saved, k [1].
    service_price : {'energy', 'full'}
        Whether the user decides by the cost of energy alone, with capital and upkeep fixed, as the papers have it; or
        by the full cost, with capital, upkeep and embodied energy in proportion to service, as one who rents
        computing does.
    service_unit, energy_unit, money_unit : str
        Names of the units, for tables and pictures.

    Raises
    ------
    ModelError
        With every mistake found.
    """

    name: str
    original: Device
    upgraded: Device
    service: float
    energy_price: float
    megajoules: float
    budget: float
    price_elasticity: float
    energy_intensity: float
    discount_rate: float
    macro_factor: float = 1.0
    service_price: str = "energy"
    service_unit: str = "service"
    energy_unit: str = "unit"
    money_unit: str = "$"

    def __post_init__(self) -> None:
        mistakes = _mistakes(self) or _contradictions(self)
        if mistakes:
            raise ModelError(f"device upgrade {self.name!r}", mistakes)

    def price_of_service(self, device: Device) -> float:
        """Price of the service from a device [$/service].

        Equation   p_s = p_E/η; with the full cost p_s = p_E/η + (τα C_cap/L + C_om + τω C_d/L)/q°
        Valid for  full cost: capital and upkeep in proportion to service
        Source     Part I; full cost: this module
        """
        price = self.energy_price / device.efficiency
        return price + self.fixed_cost(device) / self.service if self.service_price == "full" else price

    def fixed_cost(self, device: Device) -> float:
        """Capital, upkeep and disposal of a device that gives the service of before the upgrade [$/yr]."""
        tau_alpha, tau_omega = annuity_factors(self.discount_rate, device.life)
        return (tau_alpha * device.capital_cost + tau_omega * device.disposal_cost) / device.life + (
            device.maintenance_cost
        )

    def energy_cost(self, device: Device) -> float:
        """Cost of energy for the service of before the upgrade [$/yr]."""
        return self.energy_price / device.efficiency * self.service

    @property
    def energy_share(self) -> float:
        """Energy's share of the full cost of service before the upgrade, s_E [1]."""
        energy = self.energy_cost(self.original)
        return energy / (energy + self.fixed_cost(self.original))

    @property
    def service_share(self) -> float:
        """Share of the service in what is spent on service and other goods before the upgrade, f [1]."""
        cost = self.price_of_service(self.original) * self.service
        fixed = 0.0 if self.service_price == "full" else self.fixed_cost(self.original)
        return cost / (self.budget - fixed)

    @property
    def substitution_elasticity(self) -> float:
        """Elasticity of substitution between the service and other goods, σ [1].

        Equation   σ = (f + e)/(f - 1), e the uncompensated price elasticity
        Valid for  -e ≥ f: otherwise no preferences of constant elasticity of substitution have this elasticity
        Source     Part I (Slutsky's equation with an income elasticity of 1)
        """
        share = self.service_share
        return (share + self.price_elasticity) / (share - 1)


def annuity_factors(rate: float, life: float) -> tuple[float, float]:
    """Discount factors (τα, τω) of costs at the beginning and at the end of life [1].

    Equation   τα = (1+r)^L/((1+r)^L - 1) · r/(1+r) · L;  τω = τα/(1+r)^L
    Valid for  r ≥ 0 per year, L > 0 years; r = 0: both 1. Yearly payments in advance
    Source     Heun, Semieniuk and Brockway 2025, Part I
    """
    shrink = -life * math.log1p(rate)
    if shrink == 0:  # no rate, or one that is nothing in floating point
        return 1.0, 1.0
    tau_alpha = rate / (1 + rate) * life / -math.expm1(shrink)
    return tau_alpha, tau_alpha * math.exp(shrink)


_POSITIVE = ("service", "energy_price", "megajoules", "budget", "energy_intensity", "efficiency", "life")
_NOT_NEGATIVE = ("discount_rate", "capital_cost", "disposal_cost", "maintenance_cost", "embodied_energy")


def _mistakes(upgrade: DeviceUpgrade) -> list[str]:
    """Values that cannot be, each by itself."""
    found = []
    numbers = {k: getattr(upgrade, k) for k in (*_POSITIVE[:5], "price_elasticity", "discount_rate", "macro_factor")}
    for which in ("original", "upgraded"):
        device = getattr(upgrade, which)
        if isinstance(device, Device):
            numbers |= {f"{which}.{f.name}": getattr(device, f.name) for f in fields(Device)}
        else:
            found.append(f"{which}: {device!r}, expected a Device")
    for key, value in numbers.items():
        name = key.rpartition(".")[2]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            found.append(f"{key}: {value!r}, expected a finite number")
        elif name in _POSITIVE and value <= 0:
            found.append(f"{key}: {value:g}, expected above 0")
        elif name in _NOT_NEGATIVE and value < 0:
            found.append(f"{key}: {value:g}, expected 0 or above")
        elif name == "discount_rate" and value >= 1:
            found.append(f"{key}: {value:g}, expected below 1 (0.03 is 3 % a year)")
        elif name == "price_elasticity" and value >= 0:
            found.append(f"{key}: {value:g}, expected below 0: demand falls as the price rises")
    if upgrade.service_price not in SERVICE_PRICES:
        hint = nearest(str(upgrade.service_price), SERVICE_PRICES)
        found.append(f"service_price: {upgrade.service_price!r}, expected one of {', '.join(SERVICE_PRICES)}{hint}")
    return found


def _contradictions(upgrade: DeviceUpgrade) -> list[str]:
    """Values that cannot be together."""
    found = []
    before, after = upgrade.original, upgrade.upgraded
    if after.efficiency < before.efficiency:
        found.append(
            f"upgraded.efficiency: {after.efficiency:g}, expected at least the original's, {before.efficiency:g}"
        )
    money = f"{upgrade.money_unit}/yr"
    for which, device in (("original", before), ("upgraded", after)):
        needed = upgrade.fixed_cost(device) + upgrade.energy_cost(device)
        if needed >= upgrade.budget:
            found.append(f"budget: {upgrade.budget:g} {money}, expected more than the {which} device's {needed:g}")
    if not found and upgrade.substitution_elasticity < 0:
        found.append(
            f"price_elasticity: {upgrade.price_elasticity:g}, expected at most {-upgrade.service_share:.3g}, minus the "
            "share of the service in spending: goods so hard to substitute contradict the preferences assumed"
        )
    return found
