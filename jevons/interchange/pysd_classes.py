"""PySD's classes for parsed models, loaded when a file is read."""

from __future__ import annotations

import functools
import importlib
import warnings
from typing import Any


@functools.cache
def syntax() -> Any:
    """Nodes of expressions (`abstract_expressions`)."""
    return _loaded("translators.structures.abstract_expressions")


@functools.cache
def structures() -> Any:
    """Parts of a model (`abstract_model`)."""
    return _loaded("translators.structures.abstract_model")


@functools.cache
def vensim_functions() -> Any:
    """Functions of Vensim that have a node of their own, by canonical name."""
    return _loaded("translators.vensim.vensim_structures").structures


@functools.cache
def xmile_functions() -> Any:
    """Functions of XMILE that have a node of their own, by canonical name."""
    return _loaded("translators.xmile.xmile_structures").structures


def _loaded(name: str) -> Any:
    with warnings.catch_warnings():
        # Loading PySD warns of what other packages will change.
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module(f"pysd.{name}")
