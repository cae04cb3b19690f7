"""Models by name."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.resources
import json
import sys
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jevons.errors import ModelError, nearest
from jevons.system import RunnableModel, System

if TYPE_CHECKING:
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
        Variant of the shipped fit whose values the model takes, ``"main"`` by default, or a folder with a fit; None
        leaves the prior medians. Models without a shipped fit keep their own values.

    Raises
    ------
    ModelError
        If there is no such model.
    CalibrationError
        If there is no such fit, or it is of another model.

    Examples
    --------
    >>> import jevons as jv
    >>> jv.load("bass").name
    'bass'
    """
    from jevons.inference.config import shipped_fit, shipped_fits

    module, function = _place(name)
    model: Model = getattr(importlib.import_module(f"jevons.models.{module}"), function)()
    owner, variant = fitted_as(name)
    fitted = [f for f in shipped_fits() if f.startswith(f"{owner}-")]
    if fit is None or (fit == "main" and not fitted):
        return model
    stored = shipped_fit(owner, variant if fit == "main" else fit)
    stored.require(model if owner == name else load(owner, None))
    return model.with_values({n: x for n, x in stored.values.items() if n in model.parameters})


def fitted_as(name: str) -> tuple[str, str]:
    """Model and variant of the fit that a model takes: its own, or that of the model it extends."""
    extended: dict[str, tuple[str, str]] = importlib.import_module("jevons.models").FITTED_AS
    return extended.get(name, (name, "main"))


def _place(name: str) -> tuple[str, str]:
    known = _registry()
    if name not in known:
        raise ModelError(f"model {name!r}", [f"unknown, expected one of {', '.join(known)}{nearest(name, known)}"])
    return known[name]


def load_runnable(name: str, fit: str | None = "main") -> RunnableModel:
    """What a run needs of a shipped model, kept on disk between processes.

    The same as ``runnable(load(name, fit))`` without the symbols, whose making and checking takes longer than a run.
    It is made anew when any file of the package, or the version of Python or sympy, has changed.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    from jevons.cache import read_kept, write_kept

    _place(name)
    key = f"model_{name}_{_state(name, fit)}.json"
    kept = read_kept(key)
    if kept is not None:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return _from_json(json.loads(kept))
    from jevons.integrate import runnable

    made = runnable(load(name, fit))
    write_kept(key, json.dumps(dataclasses.asdict(made)))
    return made


def _from_json(fields: dict[str, Any]) -> RunnableModel:
    def tuples(given: dict[str, Any]) -> dict[str, Any]:
        return {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}

    return RunnableModel(**{**tuples(fields), "system": System(**tuples(fields["system"]))})


@functools.cache
def _state(name: str, fit: str | None) -> str:
    """Hash of every file that a model can depend on."""
    digest = hashlib.sha256(repr((fit, sys.version, importlib.metadata.version("sympy"))).encode())
    for folder in ("jevons", "jevons.models"):
        for file in _files(importlib.resources.files(folder), ".py"):
            digest.update(file.read_bytes())
    if fit is not None and Path(fit).is_dir():
        digest.update(b"".join(file.read_bytes() for file in _files(Path(fit), "parameters.csv", "fit.toml")))
    fits = importlib.resources.files("jevons.calibration").joinpath("fits")
    country = importlib.resources.files("jevons.calibration").joinpath("country", fitted_as(name)[1])
    owned = [f for f in fits.iterdir() if f.name.startswith(f"{fitted_as(name)[0]}-")]
    for kept in sorted([*owned, *([country] if country.is_dir() else [])], key=lambda f: f.name):
        digest.update(
            kept.name.encode() + b"".join(file.read_bytes() for file in _files(kept, "parameters.csv", "fit.toml"))
        )
    return digest.hexdigest()[:24]


def _files(folder: Traversable, *endings: str) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            yield from _files(entry, *endings)
        elif entry.name.endswith(endings):
            yield entry
