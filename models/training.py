"""Training: budget, capability, algorithmic progress."""

from __future__ import annotations

import sympy as sp

from jevons.elements import Auxiliary, Flow, InitialUnknown, LogNormal, Parameter, Range, Sector, Stock
from jevons.functions import Names

v = Names()


SECTOR = Sector(
    "training",
    [
        Stock(
            "effective_training_compute",
            "MH100e*yr",
            initial=v.initial_training_years
            * v.training_budget
            / v.rental_price
            * sp.exp(v.log_algorithmic_efficiency),
            doc="Cumulative training compute times algorithmic efficiency.",
        ),
        Flow(
            "effective_training",
            "MH100e",
            target="effective_training_compute",
            equation=v.training_compute * v.served_share * v.training_efficiency * sp.exp(v.log_algorithmic_efficiency),
            doc="Training done, in compute of the reference efficiency.",
        ),
        Auxiliary(
            "capability",
            "1",
            equation=sp.log(v.effective_training_compute / v.unit_training_compute),
            doc="Logarithm of effective training compute.",
        ),
        Stock(
            "training_budget",
            "bnUSD/yr",
            initial=v.initial_training_budget,
            doc="Spending on training compute.",
        ),
        Flow(
            "training_budget_change",
            "bnUSD/yr**2",
            target="training_budget",
            equation=(v.desired_training_budget - v.training_budget) / v.budget_adjustment_time,
            doc="Adjustment of the budget.",
        ),
        Auxiliary(
            "strategic_release",
            "1",
            equation=1
            / (1 + sp.exp(-v.release_steepness * (v.capability - v.reference_capability - v.release_threshold))),
            doc="Share of the strategic budget that capability has released.",
        ),
        Auxiliary(
            "unlimited_training_budget",
            "bnUSD/yr",
            equation=v.strategic_budget_share * v.conventional_revenue * v.strategic_release
            + v.training_revenue_share * v.ai_revenue * sp.exp(v.expectation_horizon * v.planned_growth),
            doc="Budget wanted: strategic spending of conventional computing, and AI revenue expected.",
        ),
        Auxiliary(
            "desired_training_budget",
            "bnUSD/yr",
            equation=v.unlimited_training_budget
            / (1 + v.unlimited_training_budget / v.training_finance_limit)
            * v.training_efficiency**v.reinvestment,
            doc="Budget wanted within the limit of finance; reinvestment of training efficiency on top.",
        ),
        Auxiliary(
            "training_compute",
            "MH100e",
            equation=v.training_budget / v.rental_price,
            doc="Compute that the training budget rents.",
        ),
        Stock(
            "log_algorithmic_efficiency",
            "1",
            initial=-v.initial_algorithmic_gap,
            doc="Logarithm of algorithmic efficiency.",
        ),
        Flow(
            "algorithmic_progress",
            "1/yr",
            target="log_algorithmic_efficiency",
            equation=v.algorithmic_progress_rate
            * (v.training_budget / v.progress_reference_budget) ** v.progress_budget_elasticity
            * sp.exp(-v.fishing_out * v.log_algorithmic_efficiency),
            doc="Semi-endogenous progress: more with the budget, harder as ideas are found.",
        ),
        Auxiliary(
            "algorithmic_efficiency",
            "service/H100e/yr",
            equation=v.unit_service_rate * v.inference_efficiency * sp.exp(v.log_algorithmic_efficiency),
            doc="Service per H100-equivalent and year.",
        ),
        InitialUnknown(
            "initial_training_budget",
            "bnUSD/yr",
            guess=0.05,
            equation=v.strategic_budget_share * v.conventional_revenue * v.strategic_release,
            doc="Training budget at the start: what the capability it has bought releases.",
        ),
        Parameter(
            "inference_efficiency",
            "1",
            value=1.0,
            status="assumed",
            prior=Range(1, 1e6),
            source="multiplier for shocks; 1 by definition",
            doc="Gain in service per compute.",
        ),
        Parameter(
            "training_efficiency",
            "1",
            value=1.0,
            status="assumed",
            prior=Range(1, 1e6),
            source="multiplier for shocks; 1 by definition",
            doc="Gain in capability per training compute.",
        ),
        Parameter(
            "unit_training_compute",
            "MH100e*yr",
            value=1.0,
            status="assumed",
            prior=Range(1, 1),
            source="definition: capability is 0 there",
            doc="Unit of effective training compute.",
        ),
        Parameter(
            "unit_service_rate",
            "service/H100e/yr",
            value=1.0,
            status="assumed",
            prior=Range(1, 1),
            source="definition of the unit of service: an H100-equivalent and year at log efficiency 0",
            doc="Service rate at log algorithmic efficiency 0.",
        ),
        Parameter(
            "initial_training_years",
            "yr",
            value=2.0,
            status="assumed",
            prior=Range(1, 5),
            source="assumed: years of training at the initial rate behind the initial capability",
            doc="Effective training compute at the start over its yearly rate.",
        ),
        Parameter(
            "initial_algorithmic_gap",
            "1",
            value=6.0,
            status="assumed",
            prior=Range(4, 9),
            source="assumed: about 18 years of progress to the unit of efficiency",
            doc="Minus the logarithm of algorithmic efficiency at the start.",
        ),
        Parameter(
            "algorithmic_progress_rate",
            "1/yr",
            value=1.5,
            prior=LogNormal(1.5, 0.5),
            status="fitted",
            source="Ho et al. 2024, halving every 8 months (5 to 14), ln 2.8 a year",
            doc="Progress at the reference budget and log efficiency 0.",
        ),
        Parameter(
            "progress_reference_budget",
            "bnUSD/yr",
            value=5.0,
            status="assumed",
            prior=Range(5, 5),
            source="definition: budget at which the progress rate holds",
            doc="Budget of reference.",
        ),
        Parameter(
            "progress_budget_elasticity",
            "1",
            value=0.2,
            prior=LogNormal(0.2, 0.3),
            status="assumed",
            source="assumed: returns to research spending well below one",
            doc="Elasticity of progress to the budget.",
        ),
        Parameter(
            "fishing_out",
            "1",
            value=0.08,
            prior=LogNormal(0.08, 0.4),
            status="fitted",
            source="assumed; ideas get harder to find (Bloom et al. 2020)",
            doc="Slowing of progress per unit of it.",
        ),
        Parameter(
            "strategic_budget_share",
            "1",
            value=0.3,
            prior=LogNormal(0.3, 0.7),
            status="fitted",
            source="assumed: hyperscale cash flow that can go to AI; wide",
            doc="Strategic AI budget over conventional revenue when released.",
        ),
        Parameter(
            "release_steepness",
            "1",
            value=0.31,
            prior=LogNormal(0.31, 0.3),
            status="fitted",
            source="assumed; fitted threshold, a date in disguise",
            doc="Steepness of budget release in capability.",
        ),
        Parameter(
            "release_threshold",
            "1",
            value=3.0,
            prior=LogNormal(3.0, 1.5),
            status="fitted",
            source="assumed; fitted threshold, a date in disguise",
            doc="Capability above the reference at which half of the strategic budget is released.",
        ),
        Parameter(
            "reference_capability",
            "1",
            value=8.0,
            status="assumed",
            prior=Range(8, 8),
            source="definition: capability from which usage and budget release are measured",
            doc="Capability of reference.",
        ),
        Parameter(
            "training_revenue_share",
            "1",
            value=0.5,
            prior=LogNormal(0.5, 0.5),
            status="assumed",
            source="Epoch AI 2024: training and inference compute of similar size",
            doc="Training budget over AI revenue.",
        ),
        Parameter(
            "expectation_horizon",
            "yr",
            value=1.0,
            prior=LogNormal(1.0, 0.3),
            status="assumed",
            source="assumed",
            doc="How far ahead revenue is expected when budgets are made.",
        ),
        Parameter(
            "training_finance_limit",
            "bnUSD/yr",
            value=1000.0,
            prior=LogNormal(1000.0, 0.5),
            status="fitted",
            source="assumed; no data",
            doc="Limit of finance for training.",
        ),
        Parameter(
            "budget_adjustment_time",
            "yr",
            value=0.75,
            status="assumed",
            prior=Range(0.4, 1.5),
            source="assumed: budget cycles",
            doc="Adjustment time of the budget.",
        ),
        Parameter(
            "reinvestment",
            "1",
            value=0.0,
            status="assumed",
            prior=Range(0.0, 0.5),
            source="assumed 0: budgets do not rise with training efficiency; Amodei 2025 argues for more",
            doc="Elasticity of the training budget to training efficiency.",
        ),
    ],
    doc="Training compute, the capability it buys, and the algorithms found on the way.",
)
