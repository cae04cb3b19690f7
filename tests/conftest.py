"""Fixtures that several test files share; compiling the world takes seconds, so it is done once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small import observation
from small_calibrations import history as history_of
from small_calibrations import linear

import jevons as jv
from jevons import Calibration


def pytest_runtest_setup(item):
    """Tests against the public suite of models, which is not ours to ship, run where a clone of it is named."""
    if item.get_closest_marker("public_suite") is None:
        return
    named = os.environ.get("SD_TEST_MODELS", "")
    if not named:
        pytest.skip("the public suite is not here: SD_TEST_MODELS=<clone of github.com/SDXorg/test-models>")
    if not Path(named, "tests").is_dir():
        pytest.fail(f"SD_TEST_MODELS={named!r} is no clone of github.com/SDXorg/test-models", pytrace=False)


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


@pytest.fixture(scope="session")
def linear_fit():
    """A fit that is linear in its search coordinates."""
    rows = [
        observation("p", 1.0, 3.0, sigma=0.2), observation("q", 1.0, 1.0, sigma=0.3),
        observation("s", 2.0, 4.0, sigma=0.1), observation("w", 2.0, 6.0, sigma=0.4),
        observation("p", 2.0, 2.5, sigma=0.2),
    ]  # fmt: skip
    return jv.fit(Calibration(linear(), history_of(*rows), ["a", "b", "c"]), starts=4, seed=3, progress=False)
