"""The public door: what `jevons` exports, and that importing it stays light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import jevons as jv


def test_every_public_name_is_listed_sorted_and_there():
    assert jv.__all__ == sorted(jv.__all__, key=lambda name: (not name.isupper(), name))
    assert set(jv.__all__) == {*jv._MODULES, *jv._PACKAGES}
    for name, module in jv._MODULES.items():
        value = getattr(jv, name)
        assert value is getattr(sys.modules[f"jevons.{module}"], name)
    assert set(jv.__all__) <= set(dir(jv))


def test_the_door_of_rebound_is_listed_sorted_and_there():
    door = jv.rebound
    assert door.__all__ == sorted(door.__all__, key=lambda name: (not name[0].isupper(), name))
    assert set(door.__all__) == set(door._MODULES)
    for name, module in door._MODULES.items():
        assert getattr(door, name) is getattr(sys.modules[f"jevons.rebound.{module}"], name)
        assert (getattr(door, name).__doc__ or "").strip()
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        door.nonsense  # noqa: B018


def test_what_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        jv.nonsense  # noqa: B018


def test_public_things_are_documented():
    undocumented = [n for n in jv.__all__ if n != "TIME" and not (getattr(jv, n).__doc__ or "").strip()]
    assert not undocumented


def test_import_does_not_pull_heavy_libraries():
    heavy = (
        "sympy",
        "scipy",
        "numpy",
        "pint",
        "pysd",
        "matplotlib",
        "numba",
        "xarray",
        "networkx",
        "scipy.integrate",
        "pandas",
    )
    code = f"import sys, jevons; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_errors_pickle_with_their_mistakes():
    import pickle

    error = jv.ModelError("model 'x'", ["first", "second"])
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is jv.ModelError and str(again) == str(error) and again.mistakes == error.mistakes
    run = jv.IntegrationError(jv.RunStatus(jv.Status.DIVERGED, 3.0, "stock"))
    assert str(pickle.loads(pickle.dumps(run))) == str(run)
