"""The public door: what `jevons` exports, and that importing it stays light."""

from __future__ import annotations

import subprocess
import sys

import jevons as jv


def test_every_public_name_is_listed_and_sorted():
    public = sorted(n for n, x in vars(jv).items() if not n.startswith("_") and type(x).__name__ != "module")
    assert sorted(jv.__all__) == public
    assert len(set(jv.__all__)) == len(jv.__all__)


def test_public_things_are_documented():
    undocumented = [n for n in jv.__all__ if n != "TIME" and not (getattr(jv, n).__doc__ or "").strip()]
    assert not undocumented


def test_import_does_not_pull_heavy_libraries():
    heavy = ("pysd", "matplotlib", "numba", "xarray", "networkx", "scipy.integrate", "pandas")
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
