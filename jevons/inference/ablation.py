"""Ablation: parts of a model switched off one at a time, with and without fitting again.

References
----------
.. [Barlas1996] Barlas, Y. (1996). Formal aspects of model validity and validation in system dynamics. System Dynamics
   Review 12(3), 183-210.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.errors import CalibrationError, FitError, nearest
from jevons.inference.fit import Fit, fit
from jevons.inference.problem import Calibration
from jevons.inference.records import code_versions, open_records
from jevons.inference.threads import progress_bar
from jevons.model import Model
from jevons.toml_file import read_toml

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Edit = Callable[[Model], Model]
Outcomes = Callable[[Model], Mapping[str, float]]
Problem = Callable[[Model], Calibration]

_KEYS = ("name", "what", "how", "values", "factors", "edit")


@dataclass(frozen=True)
class Cut:
    """How one part of a model is switched off.

    Attributes
    ----------
    name, what, how : str
    values : mapping
        Parameters held at these values.
    factors : mapping
        Parameters held at these multiples of their fitted values.
    edit : str
        Name of a change of the model's equations; empty if none.
    """

    name: str
    what: str
    how: str
    values: Mapping[str, float] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    edit: str = ""

    @property
    def absent(self) -> bool:
        """Whether the model has nothing to switch off."""
        return not (self.values or self.factors or self.edit)


def read_cuts(path: str | Path) -> list[Cut]:
    """Cuts from a TOML file of ``[[cut]]`` tables.

    Raises
    ------
    CalibrationError
        With every mistake found.
    """
    path = Path(path)
    data = read_toml(path, f"cuts {path}", CalibrationError)
    mistakes: list[str] = []
    found: list[Cut] = []
    entries = data.get("cut", [])
    if not isinstance(entries, list) or not entries:
        mistakes.append("no [[cut]] table")
        entries = []
    for number, entry in enumerate(entries, start=1):
        place = f"cut {number} ({entry.get('name', 'no name')})"
        unknown = [k for k in entry if k not in _KEYS]
        mistakes += [
            f"{place}: unknown key {k!r}, expected one of {', '.join(_KEYS)}{nearest(k, _KEYS)}" for k in unknown
        ]
        mistakes += [f"{place}: {k} is missing" for k in ("name", "what", "how") if not isinstance(entry.get(k), str)]
        numbers = {k: entry.get(k, {}) for k in ("values", "factors")}
        for key, table in numbers.items():
            if not isinstance(table, dict) or not all(isinstance(x, int | float) for x in table.values()):
                mistakes.append(f"{place}: {key} {table!r}, expected a table of numbers")
        if not mistakes:
            found.append(Cut(**entry))
    names = [cut.name for cut in found]
    mistakes += [f"cut {n!r} is given more than once" for n in sorted({n for n in names if names.count(n) > 1})]
    if mistakes:
        raise CalibrationError(f"cuts {path.name!r}", mistakes)
    return found


@dataclass(frozen=True)
class Ablation:
    """What each cut changes.

    Attributes
    ----------
    table : pandas.DataFrame
        One line a cut, the uncut model first: chi2_data, chi2_prior at the refit; d_data, d_prior against the uncut
        fit (priors of the parameters that stay free); d_data_held without fitting again; every outcome at the
        refit, and with the suffix ``_held`` without. `status` says "refitted", "not in the model", or what failed.
    """

    table: pd.DataFrame


def ablate(
    fitted: Fit,
    cuts: Sequence[Cut],
    problem: Problem,
    outcomes: Outcomes,
    *,
    edits: Mapping[str, Edit] | None = None,
    label: str = "",
    starts: int = 4,
    seed: int = 0,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Ablation:
    """Switch off each part, measure, fit again and measure again.

    Parameters
    ----------
    fitted : Fit
        Of the uncut model; the refit starts from it, and from `starts` draws of the priors.
    problem : callable
        From a model to its calibration, the same rows and free parameters as in `fitted`.
    outcomes : callable
        From a model at fitted values to numbers by name; NaN where there is none.
    edits : mapping of str to callable
        Changes of the model's equations, by the names that the cuts use.
    label : str
        What `outcomes` and `edits` are, in words: an interrupted ablation is only gone on with under the same.
    folder : path, optional
        Where each cut is written when it is done.
    resume : bool
        Keep the cuts that the folder holds.

    Raises
    ------
    CalibrationError
        If a cut names what the model or `edits` lack; if the folder holds another ablation.

    Notes
    -----
    What a cut fixes has no prior any more, so a cut may lower chi-square; a fall of the total says that the data
    would rather have the model without this part, a rise how much they need it [Barlas1996]_.
    """
    import pandas as pd

    model = fitted.calibration.model
    given = dict(edits or {})
    _check(model, cuts, given)
    header = {
        "job": "ablation",
        "problem": fitted.calibration.hash,
        "values": dict(fitted.values),
        "label": label,
        "starts": starts,
        "seed": seed,
        **code_versions(),
    }
    records = open_records(folder, "ablation.jsonl", header, resume)
    done = {_key(r["cut"]): r for r in records.read()} if records is not None else {}
    whole = model.with_values(_of_model(model, fitted.values))
    for cut in progress_bar([None, *cuts], "ablation", "cut", progress):
        if _key(_plain(cut)) in done:
            continue
        line = (
            _base(fitted, whole, outcomes)
            if cut is None
            else _line(fitted, cut, problem, outcomes, given, starts, seed)
        )
        record = {"cut": _plain(cut), "line": line}
        if records is not None:
            records.append(record)
        done[_key(_plain(cut))] = record
    return Ablation(pd.DataFrame([done[_key(_plain(cut))]["line"] for cut in (None, *cuts)]))


def _plain(cut: Cut | None) -> dict[str, Any]:
    return {} if cut is None else {k: dict(x) if isinstance(x, Mapping) else x for k, x in vars(cut).items()}


def _key(cut: Mapping[str, Any]) -> str:
    return repr(sorted((k, sorted(x.items()) if isinstance(x, Mapping) else x) for k, x in cut.items()))


def _of_model(model: Model, values: Mapping[str, float]) -> dict[str, float]:
    return {n: x for n, x in values.items() if n in model.parameters}


def _check(model: Model, cuts: Iterable[Cut], edits: Mapping[str, Edit]) -> None:
    mistakes = []
    for cut in cuts:
        mistakes += [
            f"{cut.name}: {name!r} is no parameter of the model{nearest(name, model.parameters)}"
            for name in (*cut.values, *cut.factors)
            if name not in model.parameters
        ]
        if cut.edit and cut.edit not in edits:
            mistakes.append(
                f"{cut.name}: edit {cut.edit!r}, expected one of {', '.join(edits) or 'none'}{nearest(cut.edit, edits)}"
            )
    if mistakes:
        raise CalibrationError("ablation", mistakes)


def _base(fitted: Fit, whole: Model, outcomes: Outcomes) -> dict[str, Any]:
    found = outcomes(whole)
    return {
        "cut": "none",
        "what": "the model as it is",
        "how": "",
        "status": "fitted",
        "chi2_data": fitted.chi2_data,
        "chi2_prior": fitted.chi2_prior,
        "d_data": 0.0,
        "d_prior": 0.0,
        "d_data_held": 0.0,
        **found,
        **{f"{k}_held": x for k, x in found.items()},
    }


def _line(
    fitted: Fit,
    cut: Cut,
    problem: Problem,
    outcomes: Outcomes,
    edits: Mapping[str, Edit],
    starts: int,
    seed: int,
) -> dict[str, Any]:
    line: dict[str, Any] = {"cut": cut.name, "what": cut.what, "how": cut.how}
    if cut.absent:
        return {**line, "status": "not in the model"}
    model = fitted.calibration.model
    values = _of_model(model, fitted.values)
    held = {**cut.values, **{n: f * values.get(n, model.values[n]) for n, f in cut.factors.items()}}
    changed = model.with_values(values)
    if cut.edit:
        changed = edits[cut.edit](changed)
    changed = changed.with_values(held)
    calibration = problem(changed)
    reduced = calibration.hold({n: x for n, x in held.items() if n in calibration.free})
    start = reduced.coordinates(fitted.values)
    z = reduced.data_residuals(start)
    line["d_data_held"] = float(z @ z) - fitted.chi2_data
    line |= {f"{k}_held": x for k, x in outcomes(changed).items()}
    best = _refit(reduced, start, starts, seed)
    if best is None:
        return {**line, "status": "the refit failed"}
    u, z = best
    stays = [k for k, name in enumerate(fitted.names) if name in reduced.free]
    line |= {
        "status": "refitted",
        "chi2_data": float(z @ z),
        "chi2_prior": float(u @ u),
        "d_data": float(z @ z) - fitted.chi2_data,
        "d_prior": float(u @ u) - float(fitted.u[stays] @ fitted.u[stays]),
    }
    refitted = changed.with_values(_of_model(changed, reduced.values(u)))
    return {**line, **outcomes(refitted)}


def _refit(calibration: Calibration, start: Floats, starts: int, seed: int) -> tuple[Floats, Floats] | None:
    """The best of a search from the uncut fit and of searches from the priors: coordinates and data residuals."""
    from scipy.optimize import least_squares

    ends = []
    low, high = calibration.bounds()
    with contextlib.suppress(ValueError, np.linalg.LinAlgError):
        result = least_squares(
            calibration.residuals, np.clip(start, 0.99 * low, 0.99 * high), jac=calibration.jacobian,
            bounds=(low, high), method="trf", xtol=1e-9, ftol=1e-9, gtol=1e-7, max_nfev=200,
        )  # fmt: skip
        ends.append(np.asarray(result.x, dtype=np.float64))
    if starts:
        with contextlib.suppress(FitError):
            ends.append(np.asarray(fit(calibration, starts=starts, seed=seed, progress=False).u, dtype=np.float64))
    costs = [float(np.sum(calibration.residuals(u) ** 2)) for u in ends]
    finite = [k for k, cost in enumerate(costs) if math.isfinite(cost)]
    if not finite:
        return None
    u = ends[min(finite, key=costs.__getitem__)]
    return u, calibration.data_residuals(u)
