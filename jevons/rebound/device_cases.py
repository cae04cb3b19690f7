"""Upgrades worked out: car and lamp of the papers, and a server of a data centre. Static: one device, given prices.

References
----------
.. [HSB2] Heun, M. K., Semieniuk, G., Brockway, P. E. (2025). Energetic and economic aspects of rebound, Part II:
   Applications of the framework. The Energy Journal. doi:10.1177/01956574251331966. Inputs as in the R package
   ReboundTools 0.1.44.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from jevons.errors import JevonsError, nearest
from jevons.rebound.device_inputs import Device, DeviceUpgrade, annuity_factors


def car(discount_rate: float = 0.03) -> DeviceUpgrade:
    """Ford Fusion to Ford Fusion hybrid, United States [HSB2]_."""
    return DeviceUpgrade(
        name="car",
        original=Device(
            efficiency=25.0, capital_cost=28216.1, life=14.0, maintenance_cost=2861.13425677328, disposal_cost=100.0,
            embodied_energy=34000.0,
        ),
        upgraded=Device(
            efficiency=42.0, capital_cost=27523.4, life=14.0, maintenance_cost=2774.6681207909455, disposal_cost=101.0,
            embodied_energy=40000.0,
        ),
        service=14425.0,
        energy_price=2.21,
        megajoules=126.62163,
        budget=27401.277693029457,
        price_elasticity=-0.1,
        energy_intensity=3.3893390630606466,
        discount_rate=discount_rate,
        service_unit="mile",
        energy_unit="gal",
    )  # fmt: skip


def lamp() -> DeviceUpgrade:
    """Incandescent lamp to LED, United States [HSB2]_."""
    return DeviceUpgrade(
        name="lamp",
        original=Device(efficiency=8.8333333, capital_cost=1.88, life=1.8, embodied_energy=2.2),
        upgraded=Device(efficiency=81.8, capital_cost=1.21, life=10.0, embodied_energy=6.5),
        service=580350.0,
        energy_price=0.0001355,
        megajoules=0.0036,
        budget=27401.277693029457,
        price_elasticity=-0.4,
        energy_intensity=3.3893390630606466,
        discount_rate=0.03,
        service_unit="lm·h",
        energy_unit="W·h",
    )


@dataclass(frozen=True)
class Input:
    """A value with its unit, where it is from, and whether it was measured, is from literature, or is assumed."""

    value: float
    unit: str
    status: str
    source: str


SERVER_INPUTS = MappingProxyType(
    {
        "rated_power": Input(10.2, "kW", "literature", "NVIDIA DGX H100, 8 accelerators: rated, see mean_power"),
        "mean_power": Input(
            0.76, "1", "measured",
            "Newkirk et al. 2025, arXiv:2506.14551: share of rated power drawn in heavy training, 8 H100",
        ),
        "server_price": Input(
            270.0, "kUSD", "literature", "DGX H100: SemiAnalysis 2023, as cited in Epoch AI's training-cost-trends"
        ),
        "peak": Input(7.912, "PFLOP/s", "literature", "NVIDIA H100 SXM: 989 TFLOP/s, dense 16 bit; times 8"),
        "next_rated_power": Input(14.3, "kW", "literature", "NVIDIA DGX B200 user guide"),
        "next_server_price": Input(515.0, "kUSD", "literature", "DGX B200: trade press (vengineer 2025)"),
        "next_throughput": Input(
            2.3, "1", "literature", "NVIDIA 2025: 16-bit throughput of an HGX B200 over that of an HGX H100"
        ),
        "next_embodied": Input(
            0.7576, "1", "literature",
            "NVIDIA 2025, product carbon footprints: 0.50 g CO2e per EFLOP (HGX B200) over 0.66 (HGX H100)",
        ),
        "embodied_energy": Input(
            18.3, "GJ", "assumed",
            "the A100's 318 kg CO2 an accelerator (Chien et al. 2023), times 8, at 0.5 kg CO2/kWh",
        ),
        "utilisation": Input(0.75, "1", "assumed", "share of hours at work; as in the world model"),
        "idle_share": Input(0.35, "1", "assumed", "power of an idle server over that at work; as in the world model"),
        "pue": Input(1.17, "1", "literature", "Shehabi et al. 2024, LBNL-2001637: 1.14 to 1.2 for AI sites"),
        "electricity_price": Input(
            0.0806, "USD/kWh", "literature", "EIA, via Statista: US industrial price, 2023 (0.083 in 2022)"
        ),
        "life": Input(
            5.0, "yr", "literature", "Amazon 10-K for 2024: five years for some servers; others hold six"
        ),
        "discount_rate": Input(0.12, "1/yr", "assumed", "required return on equipment; as in the world model"),
        "maintenance_share": Input(
            0.35, "1", "assumed", "operation, maintenance and staff over the annuity; as in the world model"
        ),
        "facility_cost": Input(
            11.7, "kUSD/kW", "literature", "Cushman & Wakefield 2025: mean of 19 US markets, per kW of critical load"
        ),
        "facility_charge": Input(0.10, "1/yr", "assumed", "annuity of 15 to 20 years; as in the world model"),
        "price_elasticity": Input(
            -0.85, "1", "assumed", "central stance of the shipped elasticity priors: adoption, tasks, compute"
        ),
        "service_share": Input(0.02, "1", "assumed", "share of AI service in what its user spends; textbook value"),
        "energy_intensity": Input(3.3893390630606466, "MJ/USD", "literature", "Heun et al. 2025, Part II: as the car"),
    }
)  # fmt: skip
"""Inputs of the data-centre example, per server of 8 accelerators."""

SERVER_UPGRADES = MappingProxyType(
    {
        "chip": "twice the FLOP per joule, at the same price per FLOP",
        "generation": "DGX H100 to DGX B200: less energy and less capital per FLOP",
        "algorithm": "half the computing for the same service",
    }
)

HOURS = 8766.0
"""Hours of a year [h/yr]."""


def server(kind: str, service_price: str = "full", elasticity: float | None = None) -> DeviceUpgrade:
    """A server of a data centre and its successor, for the service of one DGX H100.

    Equation   E° = rated power · mean · [idle + (1 - idle) u] · PUE · 8766 h;
               C_om = maintenance share · annuity + facility charge · facility cost · rated power
    Valid for  one user, given prices; no adoption, no supply side; site electricity, 3.6 MJ/kWh
    Source     `SERVER_INPUTS`, one source an input

    Parameters
    ----------
    kind : str
        One of `SERVER_UPGRADES`.
    service_price : {'full', 'energy'}
        See `DeviceUpgrade`.
    elasticity : float, optional
        Price elasticity [1]; that of `SERVER_INPUTS` if not given.
    """
    if kind not in SERVER_UPGRADES:
        expected = ", ".join(SERVER_UPGRADES)
        raise JevonsError(f"server upgrade {kind!r}, expected one of {expected}{nearest(kind, SERVER_UPGRADES)}")
    v = {name: given.value for name, given in SERVER_INPUTS.items()}
    service = v["peak"] * v["utilisation"] * HOURS * 3600 / 1e6  # ZFLOP/yr
    original = _server(service, v["rated_power"], 1e3 * v["server_price"], 1e3 * v["embodied_energy"])
    if kind == "chip":
        upgraded = replace(original, efficiency=2 * original.efficiency)
    elif kind == "generation":
        upgraded = _server(
            service,
            v["next_rated_power"] / v["next_throughput"],
            1e3 * v["next_server_price"] / v["next_throughput"],
            1e3 * v["embodied_energy"] * v["next_embodied"],
        )
    else:
        upgraded = replace(
            original,
            efficiency=2 * original.efficiency,
            capital_cost=original.capital_cost / 2,
            maintenance_cost=original.maintenance_cost / 2,
            embodied_energy=original.embodied_energy / 2,
        )
    tau = annuity_factors(v["discount_rate"], v["life"])[0]
    fixed = tau * original.capital_cost / original.life + original.maintenance_cost
    return DeviceUpgrade(
        name=f"server, {kind}",
        original=original,
        upgraded=upgraded,
        service=service,
        energy_price=v["electricity_price"],
        megajoules=3.6,
        budget=(fixed + v["electricity_price"] * service / original.efficiency) / v["service_share"],
        price_elasticity=v["price_elasticity"] if elasticity is None else elasticity,
        energy_intensity=v["energy_intensity"],
        discount_rate=v["discount_rate"],
        service_price=service_price,
        service_unit="ZFLOP",
        energy_unit="kWh",
        money_unit="USD",
    )


def with_energy_share(upgrade: DeviceUpgrade, share: float) -> DeviceUpgrade:
    """The upgrade with capital and upkeep of both devices scaled so that energy is a share of the first's cost.

    Parameters
    ----------
    share : float
        s_E, above 0 and at most 1 [1]. The share of the service in all spending is kept.
    """
    if not 0 < share <= 1:
        raise JevonsError(f"energy share {share:g}, expected above 0 and at most 1")
    energy, fixed = upgrade.energy_cost(upgrade.original), upgrade.fixed_cost(upgrade.original)
    if not fixed:
        raise JevonsError(
            f"energy share of {upgrade.name!r}: energy is its only cost, expected capital or upkeep to scale"
        )
    factor = energy * (1 - share) / share / fixed

    def scaled(device: Device) -> Device:
        return replace(
            device,
            capital_cost=device.capital_cost * factor,
            maintenance_cost=device.maintenance_cost * factor,
            disposal_cost=device.disposal_cost * factor,
        )

    return replace(
        upgrade,
        original=scaled(upgrade.original),
        upgraded=scaled(upgrade.upgraded),
        budget=upgrade.budget * (energy + factor * fixed) / (energy + fixed),
    )


def _server(service: float, rated_power: float, price: float, embodied: float) -> Device:
    """The server, or part of one, that gives a service [ZFLOP/yr] at a rated power [kW], price [USD], energy [MJ]."""
    v = {name: given.value for name, given in SERVER_INPUTS.items()}
    load = v["idle_share"] + (1 - v["idle_share"]) * v["utilisation"]
    electricity = rated_power * v["mean_power"] * load * v["pue"] * HOURS
    annuity = annuity_factors(v["discount_rate"], v["life"])[0] * price / v["life"]
    facility = v["facility_charge"] * 1e3 * v["facility_cost"] * rated_power
    return Device(
        efficiency=service / electricity,
        capital_cost=price,
        life=v["life"],
        maintenance_cost=v["maintenance_share"] * annuity + facility,
        embodied_energy=embodied,
    )
