"""Rebound of one upgraded device: emplacement, substitution, income and macro effects.

The framework of Heun, Semieniuk and Brockway as a static module: a household or firm replaces one energy conversion
device by a more efficient one, and the energy use of the device, of what else is bought, and of the economy follow
through five stages: original (°), after emplacement (*), substitution (^), income (‾) and macro effect (~). Static:
one device, no adoption, no supply side, no time. The price of the service may be its energy alone, as in the papers,
or its full cost (`DeviceUpgrade.service_price`).

Two defects of the R package ReboundTools (0.1.44) are not copied, and tested not to be:

- Its capital rebound reads the price of the device where the cost per year is meant: Re_cap of the car is printed as
  -0.0955; per year it is -0.0068. No total contains Re_cap.
- Its macro rebound is k N* I_E / S, its graphs end at k N^ I_E: table (0.07588) and graph (0.07649) of the car
  disagree. Here both use N*, as the package's own change log says was intended.

It also lets the income elasticities differ from 1. Preferences of constant elasticity of substitution are homothetic,
so both are 1; with any other values its budget does not close. Here they are not inputs.

References
----------
.. [HSB1] Heun, M. K., Semieniuk, G., Brockway, P. E. (2025). Energetic and economic aspects of rebound, Part I:
   Foundations of a rigorous analytical framework. The Energy Journal. doi:10.1177/01956574251331969.
.. [HSB2] Heun, M. K., Semieniuk, G., Brockway, P. E. (2025). Energetic and economic aspects of rebound, Part II:
   Applications of the framework. The Energy Journal. doi:10.1177/01956574251331966.
.. [ReboundTools] Heun, M. K. (2025). ReboundTools: Analyze and display energy rebound estimates. R package 0.1.44.
   https://github.com/MatthewHeun/ReboundTools
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from jevons.errors import JevonsError, ModelError, nearest
from jevons.rebound.device_inputs import Device, DeviceUpgrade, annuity_factors

__all__ = [
    "BUDGET_TOLERANCE",
    "STAGES",
    "TERMS",
    "Device",
    "DeviceRebound",
    "DeviceStage",
    "DeviceUpgrade",
    "annuity_factors",
    "calibrate_macro_factor",
    "device_rebound",
]

STAGES = ("orig", "star", "hat", "bar", "tilde")
"""Original, and after the emplacement, substitution, income and macro effects."""

TERMS = MappingProxyType(
    {
        "dempl": "direct emplacement (0 by definition)",
        "emb": "embodied energy of the device",
        "cap": "cost of capital; in no total, its energy is the embodied energy",
        "om": "operation and maintenance",
        "d": "disposal",
        "omd": "om + d",
        "empl": "dempl + emb + omd",
        "dsub": "direct substitution: more service because it is cheaper, at the same utility",
        "isub": "indirect substitution: fewer other goods",
        "sub": "dsub + isub",
        "dinc": "direct income: more service from the money saved",
        "iinc": "indirect income: more other goods from the money saved",
        "inc": "dinc + iinc",
        "micro": "empl + sub + inc",
        "macro": "growth of the economy",
        "dir": "dsub + dinc",
        "indir": "emb + omd + isub + iinc + macro",
        "tot": "dir + indir = micro + macro",
    }
)
"""Rebound terms, and what each is."""

BUDGET_TOLERANCE = 1e-11
"""Largest part of the budget that may be left over after the income effect."""


@dataclass(frozen=True)
class DeviceStage:
    """Everything at one stage, per year where it is a rate.

    Attributes
    ----------
    name : str
    energy_price, efficiency, service_price : float
        p_E [$/MJ], η [service/MJ], p_s [$/service].
    service, energy, embodied_energy : float
        q [service/yr], E_s [MJ/yr], E_emb [MJ/yr].
    tau_alpha, tau_omega : float
        Discount factors [1].
    capital, discounted_capital : float
        C_cap and τα C_cap [$/yr].
    maintenance, disposal, discounted_disposal, upkeep : float
        C_om, C_d, τω C_d and C_omd = C_om + τω C_d [$/yr].
    service_cost, other_goods, budget, net_savings : float
        C_s = p_s q, C_g, M and N [$/yr].
    service_share : float
        C_s/(C_s + C_g) [1].
    compensated_service, compensated_goods, uncompensated_service, uncompensated_goods : float
        Elasticities of the service and of other goods to the price of the service [1].
    """

    name: str
    energy_price: float
    efficiency: float
    service_price: float
    service: float
    energy: float
    embodied_energy: float
    tau_alpha: float
    tau_omega: float
    capital: float
    discounted_capital: float
    maintenance: float
    disposal: float
    discounted_disposal: float
    upkeep: float
    service_cost: float
    other_goods: float
    budget: float
    net_savings: float
    service_share: float
    compensated_service: float
    compensated_goods: float
    uncompensated_service: float
    uncompensated_goods: float

    @property
    def spending(self) -> float:
        """Energy, capital, upkeep and other goods [$/yr]."""
        return self.energy_price * self.energy + self.discounted_capital + self.upkeep + self.other_goods


@dataclass(frozen=True)
class DeviceRebound:
    """Stages and rebound terms of an upgrade.

    Attributes
    ----------
    upgrade : DeviceUpgrade
    stages : mapping
        A `DeviceStage` for each of `STAGES`.
    substitution_elasticity, rho : float
        σ and ρ = (σ - 1)/σ [1]; ρ = -inf where σ = 0.
    expected_saving : float
        S, energy saved if nothing but the device changed [MJ/yr].
    gross_savings : float
        G, its cost [$/yr].
    hat_spending : float
        M^', spent on service and other goods after substitution [$/yr].
    energy_changes : mapping
        For each of `TERMS` the energy it adds [MJ/yr].
    """

    upgrade: DeviceUpgrade
    stages: Mapping[str, DeviceStage]
    substitution_elasticity: float
    rho: float
    expected_saving: float
    gross_savings: float
    hat_spending: float
    energy_changes: Mapping[str, float]

    @property
    def terms(self) -> dict[str, float]:
        """Rebound of each of `TERMS` [1]; NaN where nothing was to be saved."""
        saving = self.expected_saving
        return {name: change / saving if saving else math.nan for name, change in self.energy_changes.items()}

    def __getitem__(self, name: str) -> float:
        terms = self.terms
        if name not in terms:
            raise JevonsError(f"rebound term {name!r}, expected one of {', '.join(terms)}{nearest(name, terms)}")
        return terms[name]

    @property
    def budget_residual(self) -> float:
        """Part of the budget left over after the income effect [1]; rounding, below `BUDGET_TOLERANCE`."""
        return abs(self.stages["bar"].net_savings) / self.upgrade.budget

    def indirect_energy(self, stage: str) -> float:
        """Energy embodied in the device, its upkeep and other goods at a stage, E_emb + (C_omd + C_g) I_E [MJ/yr]."""
        at, intensity = self.stages[stage], self.upgrade.energy_intensity
        growth = self.energy_changes["macro"] if stage == "tilde" else 0.0
        return at.embodied_energy + (at.upkeep + at.other_goods) * intensity + growth

    def total_energy(self, stage: str) -> float:
        """All energy at a stage, of the device and indirect [MJ/yr]."""
        return self.stages[stage].energy + self.indirect_energy(stage)

    def stages_table(self) -> Any:
        """Every variable at every stage, a pandas.DataFrame with a column a stage."""
        import pandas as pd

        names = [f.name for f in fields(DeviceStage) if f.name != "name"]
        return pd.DataFrame({k: [getattr(s, n) for n in names] for k, s in self.stages.items()}, index=names)


def device_rebound(upgrade: DeviceUpgrade) -> DeviceRebound:
    """Stages and rebound terms of an upgrade.

    Equation   S = (1 - η°/η*) E°;  N* = p_E S - Δ(τα C_cap) - ΔC_omd;  π = p_s*/p_s°;
               q^ = q° [f + (1-f) π^(σ-1)]^(σ/(1-σ));  C_g^ = C_g° [1-f + f π^(1-σ)]^(σ/(1-σ));
               N^ = N* - p_s*(q^ - q*) - (C_g^ - C_g*);  q‾/q^ = C_g‾/C_g^ = 1 + N^/M^';
               Re_emb = ΔE_emb/S;  Re_om = ΔC_om I_E/S;  Re_d = Δ(τω C_d) I_E/S;  Re_cap = Δ(τα C_cap) I_E/S;
               Re_dsub = (E^ - E*)/S;  Re_isub = [(C_g + C_omd)^ - (C_g + C_omd)*] I_E/S + (E_emb^ - E_emb*)/S;
               Re_dinc and Re_iinc likewise from ^ to ‾;  Re_macro = k N* I_E/S
    Valid for  one user with preferences of constant elasticity of substitution; given prices; small in its economy
    Source     [HSB1]_; checked against [ReboundTools]_

    With the price of energy alone, capital, upkeep and embodied energy do not change from * to ‾, and the terms are
    the papers'. With the full cost they follow service, and what they add is indirect.
    """
    before, after = upgrade.original, upgrade.upgraded
    service, sigma, share = upgrade.service, upgrade.substitution_elasticity, upgrade.service_share
    price = upgrade.price_of_service(after)
    fixed_before, fixed_after = (
        0.0 if upgrade.service_price == "full" else upgrade.fixed_cost(d) for d in (before, after)
    )
    goods = upgrade.budget - fixed_before - upgrade.price_of_service(before) * service
    ratio = math.log(price / upgrade.price_of_service(before))
    more = math.expm1(_log_demand(sigma, share, ratio))
    fewer = math.expm1(_log_goods(sigma, share, ratio))

    energy_before, energy_after = (service / d.efficiency * upgrade.megajoules for d in (before, after))
    saving = energy_before - energy_after
    gross = upgrade.energy_price / upgrade.megajoules * saving
    net = gross - (upgrade.fixed_cost(after) - upgrade.fixed_cost(before))
    net_hat = net - price * service * more - goods * fewer
    hat_spending = upgrade.budget - fixed_after - net_hat
    growth = net_hat / hat_spending
    held = (share, upgrade.price_elasticity)
    orig = _stage("orig", upgrade, before, service, goods, 0.0, held)
    star = _stage("star", upgrade, after, service, goods, net, held)
    service, goods = service * (1 + more), goods * (1 + fewer)
    hat = _stage("hat", upgrade, after, service, goods, net_hat)
    bar, tilde = (_stage(n, upgrade, after, service * (1 + growth), goods * (1 + growth)) for n in STAGES[3:])

    intensity = upgrade.energy_intensity
    device_after = star.upkeep * intensity + star.embodied_energy if upgrade.service_price == "full" else 0.0
    changes = {
        "dempl": 0.0,
        "emb": star.embodied_energy - orig.embodied_energy,
        "cap": (star.discounted_capital - orig.discounted_capital) * intensity,
        "om": (star.maintenance - orig.maintenance) * intensity,
        "d": (star.discounted_disposal - orig.discounted_disposal) * intensity,
        "dsub": star.energy * more,
        "isub": star.other_goods * intensity * fewer + device_after * more,
        "dinc": hat.energy * growth,
        "iinc": (hat.other_goods * intensity + device_after * (1 + more)) * growth,
        "macro": upgrade.macro_factor * net * intensity,
    }
    return DeviceRebound(
        upgrade,
        MappingProxyType({s.name: s for s in (orig, star, hat, bar, tilde)}),
        sigma,
        (sigma - 1) / sigma if sigma else -math.inf,
        saving,
        gross,
        hat_spending,
        MappingProxyType(_with_sums(changes)),
    )


def calibrate_macro_factor(upgrade: DeviceUpgrade, target: float) -> float:
    """Macro factor k for which the total rebound is a target [1]; negative where the micro effects exceed it.

    Equation   k = S/(N* I_E) · (R_target - Re_micro)
    Valid for  S > 0, N* ≠ 0
    Source     [HSB2]_
    """
    result = device_rebound(upgrade)
    net = result.stages["star"].net_savings
    reasons = []
    if not result.expected_saving:
        reasons.append("nothing is saved (both devices are equally efficient), expected a saving above 0 MJ/yr")
    if not net:
        reasons.append(f"net savings of 0 {upgrade.money_unit}/yr drive no macro effect, expected another value")
    if not math.isfinite(target):
        reasons.append(f"target {target}, expected a finite total rebound")
    if reasons:
        raise ModelError(f"macro factor of {upgrade.name!r}", reasons)
    return result.expected_saving / (net * upgrade.energy_intensity) * (target - result["micro"])


def _log_mean(weight: float, z: float) -> float:
    """ln(1 - weight + weight e^z), without overflow and exact for small z."""
    if z > 0:
        return z + math.log1p((1 - weight) * math.expm1(-z))
    return math.log1p(weight * math.expm1(z))


def _log_demand(sigma: float, share: float, ratio: float) -> float:
    """ln(q^/q°) of compensated demand; ratio = ln(p_s*/p_s°)."""
    if sigma == 1:
        return -(1 - share) * ratio
    return sigma / (1 - sigma) * _log_mean(1 - share, (sigma - 1) * ratio)


def _log_goods(sigma: float, share: float, ratio: float) -> float:
    """ln(C_g^/C_g°) of compensated demand; ratio = ln(p_s*/p_s°)."""
    if sigma == 1:
        return share * ratio
    return sigma / (1 - sigma) * _log_mean(share, (1 - sigma) * ratio)


def _stage(
    name: str,
    upgrade: DeviceUpgrade,
    device: Device,
    service: float,
    goods: float,
    net: float | None = None,
    held: tuple[float, float] | None = None,
) -> DeviceStage:
    """A stage; net savings are what is left of the budget unless given, elasticities follow the share unless held."""
    energy_price, efficiency = upgrade.energy_price / upgrade.megajoules, device.efficiency / upgrade.megajoules
    scale = service / upgrade.service if upgrade.service_price == "full" else 1.0
    tau_alpha, tau_omega = annuity_factors(upgrade.discount_rate, device.life)
    capital, disposal = (c / device.life * scale for c in (device.capital_cost, device.disposal_cost))
    maintenance = device.maintenance_cost * scale
    price, energy = upgrade.price_of_service(device), service / efficiency
    upkeep = maintenance + tau_omega * disposal
    if net is None:
        net = upgrade.budget - (energy_price * energy + tau_alpha * capital + upkeep + goods)
    own = price * service / (price * service + goods)
    sigma = upgrade.substitution_elasticity
    share, elasticity = held or (own, -sigma * (1 - own) - own)
    return DeviceStage(
        name, energy_price, efficiency, price, service, energy, device.embodied_energy / device.life * scale,
        tau_alpha, tau_omega, capital, tau_alpha * capital, maintenance, disposal, tau_omega * disposal, upkeep,
        price * service, goods, upgrade.budget, net, own,
        elasticity + share, sigma * share, elasticity, share * (sigma - 1),
    )  # fmt: skip


def _with_sums(c: Mapping[str, float]) -> dict[str, float]:
    """The terms with their sums, in the order of `TERMS`."""
    omd = c["om"] + c["d"]
    sums = {
        "omd": omd,
        "empl": c["dempl"] + c["emb"] + omd,
        "sub": c["dsub"] + c["isub"],
        "inc": c["dinc"] + c["iinc"],
        "dir": c["dsub"] + c["dinc"],
        "indir": c["emb"] + omd + c["isub"] + c["iinc"] + c["macro"],
    }
    sums |= {"micro": sums["empl"] + sums["sub"] + sums["inc"], "tot": sums["dir"] + sums["indir"]}
    return {name: {**c, **sums}[name] for name in TERMS}
