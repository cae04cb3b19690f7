"""Rebound: definitions and closed forms that can be checked, and its measurement from three runs of a model.

Closed forms live in modules by subject: `definitions`, `cost`, `supply`, `demand`, `training`, `production`, `growth`,
`emissions`, `effects`; all of them by name in `closed_forms()`.

>>> from jevons.rebound import closed_forms
>>> round(float(closed_forms()["isoelastic_rebound"](eta=1.5, a=100)), 4)
10.0909
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jevons.rebound.attribution import Attribution, attribute
    from jevons.rebound.catalogue import closed_forms
    from jevons.rebound.closed_form import ClosedForm
    from jevons.rebound.definitions import (
        classify,
        crossing_time,
        cumulative_rebound,
        engineering_saving,
        rebound_ratio,
    )
    from jevons.rebound.device import calibrate_macro_factor, device_rebound
    from jevons.rebound.device_inputs import Device, DeviceUpgrade
    from jevons.rebound.emissions import emissions_rebound
    from jevons.rebound.index_decomposition import lmdi, log_mean
    from jevons.rebound.longrun import LongRun, long_run_elasticity
    from jevons.rebound.meter import Rebound, ReboundMeter, measure_rebound, shock
    from jevons.rebound.shapley_values import shapley
    from jevons.rebound.supply import hard_limits

__all__ = [
    "Attribution",
    "ClosedForm",
    "Device",
    "DeviceUpgrade",
    "LongRun",
    "Rebound",
    "ReboundMeter",
    "attribute",
    "calibrate_macro_factor",
    "classify",
    "closed_forms",
    "crossing_time",
    "cumulative_rebound",
    "device_rebound",
    "emissions_rebound",
    "engineering_saving",
    "hard_limits",
    "lmdi",
    "log_mean",
    "long_run_elasticity",
    "measure_rebound",
    "rebound_ratio",
    "shapley",
    "shock",
]

_PLACES = {
    "attribution": "Attribution attribute",
    "catalogue": "closed_forms",
    "closed_form": "ClosedForm",
    "definitions": "classify crossing_time cumulative_rebound engineering_saving rebound_ratio",
    "device": "calibrate_macro_factor device_rebound",
    "device_inputs": "Device DeviceUpgrade",
    "emissions": "emissions_rebound",
    "index_decomposition": "lmdi log_mean",
    "longrun": "LongRun long_run_elasticity",
    "meter": "Rebound ReboundMeter measure_rebound shock",
    "shapley_values": "shapley",
    "supply": "hard_limits",
}
"""Where each public name lives: a name loads what it needs when it is first used."""

_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'jevons.rebound' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"jevons.rebound.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
