"""Does computing use less energy when it gets more efficient, or more?

Symbolic stock-and-flow models, their compilation and calibration, and the rebound of efficiency gains.

>>> import jevons as jv
>>> world = jv.load("world")
>>> run = world.run(2010, 2035)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jevons.diagnostics.equilibrium import equilibria, equilibrium, jacobian
    from jevons.diagnostics.step_adequacy import step_adequacy
    from jevons.diagnostics.unit_report import unit_report
    from jevons.elements import (
        Auxiliary,
        Driver,
        Flow,
        InitialUnknown,
        LogNormal,
        Normal,
        Parameter,
        Range,
        Roles,
        Sector,
        Stock,
        Table,
    )
    from jevons.ensemble.design import Design
    from jevons.ensemble.result import EnsembleResult, read_ensemble
    from jevons.ensemble.run import Ensemble
    from jevons.ensemble.sensitivity import morris, sobol_indices
    from jevons.errors import (
        CalibrationError,
        EnsembleError,
        FitError,
        HistoryError,
        ImportRefused,
        IntegrationError,
        JevonsError,
        ModelError,
        ScenarioError,
        UnitError,
    )
    from jevons.functions import (
        TIME,
        Names,
        active_initial,
        delay1,
        delay3,
        delay_n,
        initial,
        lookup,
        noise,
        normal_quantile,
        pipeline_delay,
        pulse,
        pulse_train,
        ramp,
        sample_if_true,
        smooth1,
        smooth3,
        smooth_max,
        smooth_min,
        smooth_n,
        smooth_positive,
        soft_limit,
        step,
        symbol,
        trend,
    )
    from jevons.inference.config import read_config, shipped_fit
    from jevons.inference.fit import Fit, fit, summarise
    from jevons.inference.hindcast import break_year, counterfactuals
    from jevons.inference.history import History, Observation, read_history
    from jevons.inference.identifiability import Hint, Identifiability, identifiability
    from jevons.inference.posterior import Posterior, sample
    from jevons.inference.problem import Calibration
    from jevons.inference.profile import Held, profile, refit
    from jevons.inference.profiles import Profile, profile_likelihood, profiles
    from jevons.inference.projection import Projection, ReboundEnsemble, project, project_rebound, reported_quantities
    from jevons.inference.sampling import Draws, randomised_draws
    from jevons.inference.stored import StoredFit, load_fit, save_fit
    from jevons.inference.unknowns import Condition, Nuisance
    from jevons.interchange.importer import read_model, read_vensim, read_xmile
    from jevons.interchange.results import read_results
    from jevons.library import list_models, load
    from jevons.model import Model
    from jevons.model_page import write_model_page
    from jevons.problems import Problem, open_problem
    from jevons.rebound.meter import Rebound, ReboundMeter, measure_rebound, shock
    from jevons.run_settings import RunSettings
    from jevons.scenario import Change, Scenario, load_scenario, read_scenario
    from jevons.simulation import Member, Members, Simulation
    from jevons.table_fits import calibrate
    from jevons.trajectory import RunStatus, Status, Trajectory

__all__ = [
    "TIME",
    "Auxiliary",
    "Calibration",
    "CalibrationError",
    "Change",
    "Condition",
    "Design",
    "Draws",
    "Driver",
    "Ensemble",
    "EnsembleError",
    "EnsembleResult",
    "Fit",
    "FitError",
    "Flow",
    "Held",
    "Hint",
    "History",
    "HistoryError",
    "Identifiability",
    "ImportRefused",
    "InitialUnknown",
    "IntegrationError",
    "JevonsError",
    "LogNormal",
    "Member",
    "Members",
    "Model",
    "ModelError",
    "Names",
    "Normal",
    "Nuisance",
    "Observation",
    "Parameter",
    "Posterior",
    "Problem",
    "Profile",
    "Projection",
    "Range",
    "Rebound",
    "ReboundEnsemble",
    "ReboundMeter",
    "Roles",
    "RunSettings",
    "RunStatus",
    "Scenario",
    "ScenarioError",
    "Sector",
    "Simulation",
    "Status",
    "Stock",
    "StoredFit",
    "Table",
    "Trajectory",
    "UnitError",
    "active_initial",
    "break_year",
    "calibrate",
    "counterfactuals",
    "delay1",
    "delay3",
    "delay_n",
    "equilibria",
    "equilibrium",
    "fit",
    "identifiability",
    "initial",
    "jacobian",
    "list_models",
    "load",
    "load_fit",
    "load_scenario",
    "lookup",
    "measure_rebound",
    "morris",
    "noise",
    "normal_quantile",
    "open_problem",
    "pipeline_delay",
    "profile",
    "profile_likelihood",
    "profiles",
    "project",
    "project_rebound",
    "pulse",
    "pulse_train",
    "ramp",
    "randomised_draws",
    "read_config",
    "read_ensemble",
    "read_history",
    "read_model",
    "read_results",
    "read_scenario",
    "read_vensim",
    "read_xmile",
    "rebound",
    "refit",
    "reported_quantities",
    "sample",
    "sample_if_true",
    "save_fit",
    "shipped_fit",
    "shock",
    "smooth1",
    "smooth3",
    "smooth_max",
    "smooth_min",
    "smooth_n",
    "smooth_positive",
    "sobol_indices",
    "soft_limit",
    "step",
    "step_adequacy",
    "summarise",
    "symbol",
    "trend",
    "unit_report",
    "write_model_page",
]

_PLACES = {
    "problems": "Problem open_problem",
    "elements": ("Auxiliary Driver Flow InitialUnknown LogNormal Normal Parameter Range Roles Sector Stock Table"),
    "diagnostics.equilibrium": "equilibria equilibrium jacobian",
    "diagnostics.step_adequacy": "step_adequacy",
    "diagnostics.unit_report": "unit_report",
    "ensemble.design": "Design",
    "ensemble.result": "EnsembleResult read_ensemble",
    "ensemble.run": "Ensemble",
    "ensemble.sensitivity": "morris sobol_indices",
    "errors": (
        "CalibrationError EnsembleError FitError HistoryError ImportRefused IntegrationError JevonsError "
        "ModelError ScenarioError UnitError"
    ),
    "functions": (
        "TIME Names active_initial delay1 delay3 delay_n initial lookup noise normal_quantile pipeline_delay pulse "
        "pulse_train ramp sample_if_true smooth1 smooth3 smooth_max smooth_min smooth_n smooth_positive soft_limit "
        "step symbol trend"
    ),
    "inference.config": "read_config shipped_fit",
    "inference.fit": "Fit fit summarise",
    "inference.stored": "StoredFit load_fit save_fit",
    "inference.posterior": "Posterior sample",
    "inference.identifiability": "Hint Identifiability identifiability",
    "inference.profiles": "Profile profile_likelihood profiles",
    "inference.unknowns": "Condition Nuisance",
    "inference.hindcast": "break_year counterfactuals",
    "inference.history": "History Observation read_history",
    "inference.problem": "Calibration",
    "inference.profile": "Held profile refit",
    "inference.projection": "Projection ReboundEnsemble project project_rebound reported_quantities",
    "inference.sampling": "Draws randomised_draws",
    "interchange.importer": "read_model read_vensim read_xmile",
    "interchange.results": "read_results",
    "library": "list_models load",
    "model": "Model",
    "model_page": "write_model_page",
    "rebound.meter": "Rebound ReboundMeter measure_rebound shock",
    "run_settings": "RunSettings",
    "scenario": "Change Scenario load_scenario read_scenario",
    "simulation": "Member Members Simulation",
    "table_fits": "calibrate",
    "trajectory": "RunStatus Status Trajectory",
}
"""Where each public name lives: `import jevons` loads nothing, a name loads what it needs when it is first used."""

_PACKAGES = ("rebound",)
"""Packages with names of their own, loaded likewise."""

_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"jevons.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'jevons' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"jevons.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
