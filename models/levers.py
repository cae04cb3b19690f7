"""Levers on the world: what policies and claims move, neutral unless a scenario moves them.

Each lever enters the world's equations so that its neutral value changes no number: a price of carbon of 0, a cap that
nothing reaches, one token per task.

References
----------
.. [Becker1965] Becker, G. S. (1965). A theory of the allocation of time. The Economic Journal 75(299), 493-517.
.. [Sutton1991] Sutton, J. (1991). Sunk Costs and Market Structure. MIT Press.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import sympy as sp

from jevons.elements import Auxiliary, Element, Flow, Parameter, Range, Sector, Stock
from jevons.functions import Names, smooth_positive, soft_limit, symbol

v = Names()

_READING = ("equation", "initial")
LEVER = "lever: neutral unless a scenario moves it"


def rewired(sector: Sector, symbols: Mapping[str, sp.Expr], replaced: Iterable[Element] = ()) -> Sector:
    """A sector in whose equations some names stand for other things, and some of whose elements are others.

    Parameters
    ----------
    symbols : mapping of str to sympy.Expr
        What each name is replaced by, wherever it is read.
    replaced : iterable of Element
        Instead of the elements of the same names, as they are.
    """
    given = {e.name: e for e in replaced}
    swap = {symbol(name): expression for name, expression in symbols.items()}
    return Sector(sector.name, [given.get(e.name) or _rewired(e, swap) for e in sector.elements], sector.doc)


def _rewired(element: Element, swap: Mapping[sp.Symbol, sp.Expr]) -> Element:
    fields = {key: sp.sympify(getattr(element, key)).xreplace(swap) for key in _READING if hasattr(element, key)}
    return replace(element, **fields)


def without(sector: Sector, *names: str) -> Sector:
    """A sector without some of its elements."""
    return Sector(sector.name, [e for e in sector.elements if e.name not in names], sector.doc)


TOKENS_PER_TASK = (
    Auxiliary(
        "inference_compute",
        "MH100e",
        equation=v.service_demand * v.tokens_per_task / v.algorithmic_efficiency,
        doc="Compute wanted for AI service; longer answers need more of it.",
    ),
    Auxiliary(
        "ai_revenue",
        "bnUSD/yr",
        equation=v.service_price * v.tokens_per_task * v.service_demand * v.served_share,
        doc="Value of AI service at its price, internal transfers included.",
    ),
)

COMPUTE_CAP = (
    Flow(
        "ai_orders",
        "MH100e/yr",
        target="ai_on_order",
        equation=soft_limit(
            soft_limit(v.wanted_orders, v.financed_orders, v.finance_limit_order),
            v.permitted_orders,
            v.finance_limit_order,
        ),
        doc="Orders: what is wanted, as far as chips can be made and paid and the cap permits.",
    ),
)

EXPECTED_GROWTH = (
    Flow(
        "expected_growth_change",
        "1/yr**2",
        target="expected_growth",
        equation=(v.ai_completion / v.ai_capacity - 1 / v.ai_life - v.expected_growth) / v.growth_perception_time
        - v.order_expectation_loss * v.expected_growth,
        doc="Perception of the growth of capacity; a loss of confidence takes from it.",
    ),
)

POWER_EXPECTATION = (
    Flow(
        "power_growth_perception",
        "1/yr**2",
        target="perceived_power_growth",
        equation=(v.allocated_power_growth - v.perceived_power_growth) / v.power_perception_time
        - v.power_expectation_loss * v.perceived_power_growth,
        doc="Perception of the growth of allocated power; a loss of confidence takes from it.",
    ),
)

PUE_STANDARD = (
    Flow(
        "traditional_pue_improvement",
        "1/yr",
        equation=(v.pue_traditional - 1 - v.traditional_overhead_floor) / v.traditional_pue_time,
        source="pue_traditional",
        doc="Decline of the PUE of traditional sites towards its floor, or a standard below it.",
    ),
)


def _conventional_cost(dearer: sp.Expr) -> sp.Expr:
    """Cost of a workload relative to the reference year; `dearer` multiplies what is energy and its infrastructure."""
    energy = v.conventional_energy_share * v.pue_conventional / v.reference_pue
    return v.conventional_relative_intensity * (1 - v.conventional_energy_share + energy * dearer)


CONVENTIONAL_COST = (
    Auxiliary(
        "conventional_relative_cost",
        "1",
        equation=_conventional_cost(
            1 + v.electricity_in_energy_cost * (v.electricity_tariff / v.reference_electricity_price - 1)
        ),
        doc="Cost of a workload relative to the reference year: hardware, and energy at its price.",
    ),
    Auxiliary(
        "conventional_revenue",
        "bnUSD/yr",
        equation=v.revenue_per_workload * v.conventional_demand * _conventional_cost(sp.S.One),
        doc="What users pay for conventional computing, without what dearer power adds: power companies get that.",
    ),
)


def lever(
    name: str, unit: str, value: float, largest: float, doc: str, *, lowest: float | None = None, why: str = ""
) -> Parameter:
    """A lever at its neutral value, with the range over which it is meant."""
    return Parameter(
        name,
        unit,
        value=value,
        status="assumed",
        prior=Range(value if lowest is None else lowest, largest),
        source=f"{LEVER}{'; ' if why else ''}{why}",
        doc=doc,
    )


SECTOR = Sector(
    "levers",
    [
        Auxiliary(
            "felt_price",
            "kUSD/service",
            equation=v.service_price * v.tokens_per_task**v.task_price_weight,
            doc="Price that use and adoption respond to: of a token, or of a task with all its tokens.",
        ),
        Stock(
            "rival_suppliers",
            "1",
            initial=1,
            log=True,
            doc="Suppliers of AI service at the frontier, relative to those without a gain in training.",
        ),
        Flow(
            "entry",
            "1/yr",
            target="rival_suppliers",
            equation=v.rival_suppliers
            * (v.entry_response * sp.log(v.training_efficiency) - sp.log(v.rival_suppliers))
            / v.entry_time,
            doc="Entry of suppliers as training gets cheaper, and exit.",
        ),
        Auxiliary(
            "margin",
            "1",
            equation=v.supplier_margin * v.rival_suppliers ** (-v.margin_response),
            doc="Margin over cost; rivals compete it down.",
        ),
        Auxiliary(
            "electricity_tariff",
            "kUSD/MWh",
            equation=v.electricity_price + v.carbon_price * v.priced_carbon_intensity * (1 + v.delivery_losses),
            doc="Price of electricity with the price of its carbon, losses on the way included.",
        ),
        Auxiliary(
            "permitted_orders",
            "MH100e/yr",
            equation=smooth_positive(
                v.ai_capacity / v.ai_life
                + (v.compute_cap - v.ai_capacity - (v.ai_on_order - v.construction_time * v.ai_capacity / v.ai_life))
                / v.capacity_correction_time,
                v.cap_width * v.ai_capacity / v.capacity_correction_time,
            ),
            doc="Orders that a cap on installed compute permits: replacement, and the room that is not on order.",
        ),
        Auxiliary(
            "traditional_overhead_floor",
            "1",
            equation=(1 - v.standard_coverage) * v.lowest_traditional_overhead
            + v.standard_coverage * v.standard_overhead,
            doc="Floor of traditional PUE, less one; sites under a standard go to the standard's.",
        ),
        lever(
            "tokens_per_task",
            "1",
            1.0,
            100.0,
            "Compute that a task takes over that of a plain answer at the same efficiency.",
            why="reasoning models answer at length; tokens of constant quality",
        ),
        lever(
            "task_price_weight",
            "1",
            0.0,
            1.0,
            "Whether users weigh the price of a token (0: longer answers are worth their price) or of a task (1).",
        ),
        lever(
            "entry_response",
            "1",
            0.0,
            1.0,
            "Elasticity of the number of suppliers to training efficiency.",
            why="with sunk cost a fraction k of the market, free entry gives suppliers as k^(-1/2) (Sutton 1991)",
        ),
        Parameter(
            "entry_time",
            "yr",
            value=0.35,
            status="literature",
            prior=Range(0.25, 1.0),
            source="Emberson 2025, Epoch AI: open models 3.5 months (1.1 to 5.3) behind closed ones; Cottier et al. "
            "2024, Epoch AI: about a year",
            doc="Time in which suppliers enter or leave.",
        ),
        Parameter(
            "margin_response",
            "1",
            value=1.0,
            status="assumed",
            prior=Range(0.5, 1.5),
            source="Cournot: the margin over price is one over suppliers times elasticity",
            doc="Elasticity of the margin to the number of suppliers, as a positive number.",
        ),
        Parameter(
            "supplier_margin",
            "1",
            value=0.5,
            status="assumed",
            prior=Range(0.0, 1.5),
            source="as the margin of the world model",
            doc="Margin over cost with the suppliers there are.",
        ),
        lever("carbon_price", "kUSD/t", 0.0, 0.5, "Price of carbon in the price of electricity, passed on in full."),
        Parameter(
            "reference_electricity_price",
            "kUSD/MWh",
            value=0.07,
            status="assumed",
            prior=Range(0.07, 0.07),
            source="definition: price at which the energy share of conventional cost holds",
            doc="Price of electricity of reference.",
        ),
        Parameter(
            "electricity_in_energy_cost",
            "1",
            value=0.3,
            status="assumed",
            prior=Range(0.15, 0.6),
            source="assumed: the model's own bill is 5.8 % of conventional revenue in 2010, where energy and its "
            "infrastructure are 18.5 %; the rest is infrastructure",
            doc="Share of electricity in the cost of energy and its infrastructure.",
        ),
        lever("compute_cap", "MH100e", 1e9, 1e9, "Largest installed AI compute, with what is on order.", lowest=1.0),
        Parameter(
            "cap_width",
            "1",
            value=0.02,
            status="assumed",
            prior=Range(0.005, 0.05),
            source="numerical: width of the bend where the cap is reached, over installed compute",
            doc="Width of the bend at the cap.",
        ),
        lever("order_expectation_loss", "1/yr", 0.0, 20.0, "Rate at which those who order lose expected growth."),
        lever("power_expectation_loss", "1/yr", 0.0, 20.0, "Rate at which those who plan power lose expected growth."),
        lever("standard_coverage", "1", 0.0, 1.0, "Share of traditional sites under a standard of PUE."),
        Parameter(
            "standard_overhead",
            "1",
            value=0.5,
            status="literature",
            prior=Range(0.2, 0.5),
            source="NDRC and others 2024, action plan for data centres: average PUE below 1.5 by the end of 2025",
            doc="PUE that the standard asks for, less one.",
        ),
    ],
    doc="What policies and claims move; neutral unless a scenario moves it.",
)
