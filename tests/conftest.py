"""Fixtures that several test files share; compiling the world takes seconds, so it is done once."""

from __future__ import annotations

import pytest

import jevons as jv


@pytest.fixture(scope="session")
def world():
    """The world at its prior medians."""
    return jv.load("world", fit=None)


@pytest.fixture(scope="session")
def fitted():
    """The world at the shipped fit."""
    return jv.load("world")


@pytest.fixture(scope="session")
def history():
    """The shipped history."""
    return jv.read_history("world")


@pytest.fixture(scope="session")
def stored():
    """The shipped main fit."""
    return jv.shipped_fit("world")
