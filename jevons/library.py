"""Models by name."""

from __future__ import annotations

import importlib

from jevons.errors import ModelError, nearest
from jevons.inference.config import shipped_fit, shipped_fits
from jevons.model import Model


def list_models() -> list[str]:
    """Names of the shipped models."""
    return list(_registry())


def _registry() -> dict[str, tuple[str, str]]:
    """Module and function of each shipped model."""
    found: dict[str, tuple[str, str]] = importlib.import_module("jevons.models").MODELS
    return found


def load(name: str, fit: str | None = "main") -> Model:
    """A shipped model.

    Parameters
    ----------
    name : str
        One of ``jevons list``.
    fit : str or None
        Variant of the shipped fit whose values the model takes, ``"main"`` by default; None leaves the prior
        medians. Models without a shipped fit keep their own values.

    Raises
    ------
    ModelError
        If there is no such model.

    Examples
    --------
    >>> import jevons as jv
    >>> jv.load("bass").name
    'bass'
    """
    known = _registry()
    if name not in known:
        raise ModelError(f"model {name!r}", [f"unknown, expected one of {', '.join(known)}{nearest(name, known)}"])
    module, function = known[name]
    model: Model = getattr(importlib.import_module(f"jevons.models.{module}"), function)()
    fitted = [f for f in shipped_fits() if f.startswith(f"{name}-")]
    if fit is None or not fitted:
        return model
    return model.with_values(shipped_fit(name, fit).values)
