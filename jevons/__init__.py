"""Does computing use less energy when it gets more efficient, or more?

Symbolic stock-and-flow models, their compilation and calibration, and the rebound of efficiency gains.

>>> import jevons as jv
>>> world = jv.load("world")
>>> run = world.run(2010, 2035)
"""

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
from jevons.errors import (
    CalibrationError,
    FitError,
    HistoryError,
    IntegrationError,
    JevonsError,
    ModelError,
    ScenarioError,
    UnitError,
)
from jevons.functions import (
    TIME,
    Names,
    delay1,
    delay3,
    lookup,
    pulse,
    ramp,
    smooth1,
    smooth3,
    smooth_max,
    smooth_min,
    smooth_positive,
    soft_limit,
    step,
    symbol,
    trend,
)
from jevons.inference.config import read_config, shipped_fit
from jevons.inference.fit import Fit, fit, load_fit, save_fit, summarise
from jevons.inference.hindcast import Backtest, backtest, break_year, counterfactuals
from jevons.inference.history import History, Observation, read_history
from jevons.inference.problem import Calibration
from jevons.inference.profile import Held, profile, refit
from jevons.inference.projection import Projection, ReboundEnsemble, project, project_rebound
from jevons.inference.sampling import Draws, randomised_draws
from jevons.library import list_models, load
from jevons.model import Model
from jevons.rebound import Rebound, ReboundMeter, rebound, shock
from jevons.scenario import Change, Scenario, load_scenario, read_scenario
from jevons.trajectory import RunStatus, Status, Trajectory

__all__ = [
    "TIME",
    "Auxiliary",
    "Backtest",
    "Calibration",
    "CalibrationError",
    "Change",
    "Draws",
    "Driver",
    "Fit",
    "FitError",
    "Flow",
    "Held",
    "History",
    "HistoryError",
    "InitialUnknown",
    "IntegrationError",
    "JevonsError",
    "LogNormal",
    "Model",
    "ModelError",
    "Names",
    "Normal",
    "Observation",
    "Parameter",
    "Projection",
    "Range",
    "Rebound",
    "ReboundEnsemble",
    "ReboundMeter",
    "Roles",
    "RunStatus",
    "Scenario",
    "ScenarioError",
    "Sector",
    "Status",
    "Stock",
    "Table",
    "Trajectory",
    "UnitError",
    "backtest",
    "break_year",
    "counterfactuals",
    "delay1",
    "delay3",
    "fit",
    "list_models",
    "load",
    "load_fit",
    "load_scenario",
    "lookup",
    "profile",
    "project",
    "project_rebound",
    "pulse",
    "ramp",
    "randomised_draws",
    "read_config",
    "read_history",
    "read_scenario",
    "rebound",
    "refit",
    "save_fit",
    "shipped_fit",
    "shock",
    "smooth1",
    "smooth3",
    "smooth_max",
    "smooth_min",
    "smooth_positive",
    "soft_limit",
    "step",
    "summarise",
    "symbol",
    "trend",
]
