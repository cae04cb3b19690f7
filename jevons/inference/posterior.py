"""The posterior of a calibration, sampled until it has converged, or saying that it has not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import FitError
from jevons.inference.convergence import (
    FEWEST_DRAWS,
    LARGEST_K_HAT,
    effective_weights,
    has_converged,
    k_hat,
    smoothed_weights,
    weighted_table,
)
from jevons.inference.problem import Calibration
from jevons.inference.records import code_versions, digest, open_records
from jevons.inference.rto import Chain, Proposer
from jevons.inference.threads import parallel, progress_counter

if TYPE_CHECKING:
    import pandas as pd

    from jevons.inference.fit import Fit

Floats = NDArray[np.float64]
Quantities = Callable[[Floats], Mapping[str, Floats]]

BATCH = 50
"""Steps of each chain after which convergence is checked."""
NEAR = 9.2
"""Total chi-square by which another optimum is worse whose density is a hundredth."""
CHECKED = 16
METHOD = "randomize-then-optimize"
SAME = 1e-4


@dataclass(frozen=True, repr=False)
class Posterior:
    """Draws of all that is free, in independent chains.

    Attributes
    ----------
    names : tuple of str
    u : array of shape (chains, draws, parameters)
        Search coordinates.
    quantities : mapping of str to array of shape (chains, draws)
        Whatever else was to be reported.
    table : pandas.DataFrame
        R-hat and effective sample sizes of all of them, see `convergence_table`.
    method : str
    statistics : mapping
        Failures, tail of the weights, log evidence, as far as the method has them.
    """

    calibration: Calibration
    names: tuple[str, ...]
    u: Floats
    quantities: Mapping[str, Floats]
    table: pd.DataFrame
    method: str
    seed: int
    statistics: Mapping[str, float] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """R-hat below 1.01, effective sizes above 400, weights without a heavy tail, and no other optimum left out."""
        k, others = self.statistics.get("k_hat", 0.0), self.statistics.get("optima_left_out", 0.0)
        return has_converged(self.table) and not k > LARGEST_K_HAT and not others

    @property
    def natural(self) -> Floats:
        """All draws, natural values; shape (chains·draws, parameters)."""
        flat = self.u.reshape(-1, self.u.shape[2])
        return np.array([self.calibration.natural(u) for u in flat])

    def thinned(self, n: int) -> Floats:
        """`n` draws spread evenly over all chains (all, if there are fewer), natural values."""
        every = self.natural
        chosen: Floats = every[np.unique(np.linspace(0, len(every) - 1, min(n, len(every))).astype(int))]
        return chosen

    def summary(self) -> dict[str, float]:
        """Largest R-hat and smallest effective sample sizes."""
        return {
            "largest_r_hat": float(self.table["r_hat"].max()),
            "smallest_ess_bulk": float(self.table["ess_bulk"].min()),
            "smallest_ess_tail": float(self.table["ess_tail"].min()),
        }

    def to_frame(self) -> pd.DataFrame:
        """Natural values, one row a draw, with chain and draw."""
        import pandas as pd

        chains, draws, _ = self.u.shape
        frame = pd.DataFrame(self.natural, columns=list(self.names))
        frame.insert(0, "draw", np.tile(np.arange(draws), chains))
        frame.insert(0, "chain", np.repeat(np.arange(chains), draws))
        return frame

    def __repr__(self) -> str:
        chains, draws, parameters = self.u.shape
        moving = self.table[self.table["sd"] != 0] if (self.table["sd"] != 0).any() else self.table
        worst = moving.loc[moving["r_hat"].fillna(math.inf).idxmax()]
        ess = moving[["ess_bulk", "ess_tail"]].min(axis=1, skipna=False).fillna(0.0)
        said = "converged" if self.converged else "NOT CONVERGED"
        extra = "".join(f", {k.replace('_', ' ')} {v:.3g}" for k, v in self.statistics.items())
        return (
            f"Posterior of {self.calibration.model.name!r} ({self.method}): {said}; {chains} chains of {draws} draws, "
            f"{parameters} parameters; largest R-hat {worst['r_hat']:.3f} ({worst['quantity']}), smallest effective "
            f"sample {ess.min():.0f} ({moving.loc[ess.idxmin(), 'quantity']}){extra}"
        )


def sample(
    fit: Fit,
    *,
    chains: int = 4,
    steps: int = 2500,
    at_least: int = 0,
    seed: int = 0,
    quantities: Quantities | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Posterior:
    """Sample the posterior from the best fit until it has converged.

    Independent proposals by randomize-then-optimize (see `Proposer`), weighted by posterior over proposal density, the
    largest weights smoothed by a Pareto tail. Convergence is judged on the weighted proposals (`weighted_table`) of
    independent chains. The draws of the result are drawn from the proposals by their weights, chain by chain, as many
    as all of them are worth.

    Each proposal leads to one solution, so that an optimum apart from the best may never be drawn. The other ends of
    the fit's starts whose total chi-square is within 9.2 of the best (a hundredth of its density) are solved for:
    where that leads elsewhere they are counted as ``optima_left_out``, and nothing is called converged.

    A step depends on the seed, its chain and its number alone, so that neither threads nor an interruption change it.

    Parameters
    ----------
    fit : Fit
    chains : int
        At least four.
    steps : int
        Proposals of each chain, at most: then it says that it has not converged.
    at_least : int
        Proposals of each chain to make even if fewer converge: more draws to weight by something else later.
    quantities : callable, optional
        From natural values of shape (n, parameters) to further quantities to be reported, each of shape (n,); they
        must converge too. Called once for every proposal, and not before the parameters have converged.
    folder : path, optional
        Finished steps are appended to ``steps.jsonl`` there.
    resume : bool
        Go on from the folder.

    Raises
    ------
    FitError
        If no proposal of a chain is solved, or the model does not run at the best fit; for fewer than four chains, or
        no steps.
    CalibrationError
        If the folder belongs to another job, with the difference.
    """
    if chains < 4:
        raise FitError("sampling", [f"found {chains} chains, expected at least 4: R-hat compares independent chains"])
    if steps < 1:
        raise FitError("sampling", [f"found {steps} steps, expected at least 1"])
    calibration = fit.calibration
    proposer = Proposer(calibration, fit.u)
    header = {"job": "sample", "problem": calibration.hash, "centre": digest(fit.u), "seed": seed, **code_versions()}
    records = open_records(folder, "steps.jsonl", header, resume)
    made = [Chain(proposer, seed, number, records) for number in range(chains)]
    reported = Reported(calibration, quantities)
    left_out = _left_out(proposer, fit)
    done = 0
    with progress_counter("sample", "step", progress, chains * steps) as count:
        for record in sorted(records.read() if records else [], key=lambda r: int(r["step"])):
            if int(record["chain"]) < chains and int(record["step"]) < steps:
                made[int(record["chain"])].replay(record)
                count()
        while True:
            done = min(done + BATCH, steps)
            parallel(partial(_extend, until=done, count=count), made, calibration.threads, "", False)
            if done < min(at_least, steps):
                continue
            result = _collected(proposer, made, done, steps, seed, reported, left_out)
            if result is not None and (result.converged or done >= steps):
                return result


class Reported:
    """Quantities of draws, each computed once."""

    def __init__(self, calibration: Calibration, quantities: Quantities | None) -> None:
        self._calibration, self._quantities = calibration, quantities
        self._known: dict[bytes, dict[str, float]] = {}

    def __call__(self, u: Floats) -> dict[str, Floats]:
        """The quantities of draws of shape (chains, draws, parameters); NaN where those are."""
        if self._quantities is None:
            return {}
        flat = u.reshape(-1, u.shape[2])
        keys = [row.tobytes() for row in flat]
        found_at = np.isfinite(flat[:, 0])
        new = {key: row for key, row, good in zip(keys, flat, found_at, strict=True) if good and key not in self._known}
        if new:
            found = self._quantities(np.array([self._calibration.natural(row) for row in new.values()]))
            for name, x in found.items():
                if np.shape(x) != (len(new),):
                    mistake = f"quantity {name!r} has shape {np.shape(x)}, expected ({len(new)},): one a draw"
                    raise FitError("sampling", [mistake])
            for i, key in enumerate(new):
                self._known[key] = {name: float(x[i]) for name, x in found.items()}
        names = next(iter(self._known.values()))
        nothing = dict.fromkeys(names, math.nan)
        return {
            name: np.array([self._known.get(key, nothing)[name] for key in keys]).reshape(u.shape[:2]) for name in names
        }


def _left_out(proposer: Proposer, fit: Fit) -> int:
    """How many of the fit's other optima proposals do not lead to."""
    near = [np.array(other.u) for other in fit.optima[1:] if other.chi2 < fit.optima[0].chi2 + NEAR]
    found = [(u, proposer.propose(proposer.basis.T @ fit.calibration.residuals(u))) for u in near]
    return sum(proposal is None or float(np.abs(proposal.u - u).max()) > SAME for u, proposal in found)


def _extend(chain: Chain, until: int, count: Callable[[], None]) -> None:
    chain.extend(until, count)


def _collected(
    proposer: Proposer, made: list[Chain], done: int, steps: int, seed: int, reported: Reported, left_out: int
) -> Posterior | None:
    """The posterior so far; None if the parameters have not converged and there is a next step."""
    calibration = proposer.calibration
    proposals = [chain.proposals[:done] for chain in made]
    nothing = np.full(proposer.centre.size, math.nan)
    u = np.array([[nothing if p is None else p.u for p in chain] for chain in proposals])
    logs = np.array([[-math.inf if p is None else p.log_weight for p in chain] for chain in proposals])
    if not np.isfinite(logs).any(axis=1).all():
        if done < steps:
            return None
        mistake = f"a chain without a solution among its {done} proposals"
        raise FitError(f"sampling of {calibration.model.name!r}", [mistake])
    weights = smoothed_weights(logs)
    values = {n: u[:, :, k] for k, n in enumerate(calibration.free)}
    table = weighted_table(values, weights)
    if done < steps and not has_converged(table):
        return None
    quantities = reported(u)
    if quantities:
        table = weighted_table({**values, **quantities}, weights)
    places = _resampled(weights, seed)
    rows = np.arange(len(made))[:, None]
    solved = np.isfinite(u[:, :, 0])
    top = logs.max()
    statistics = {
        "proposals": float(logs.size),
        "unsolved": float((~solved).sum()),
        "folded": float(sum(p is not None and p.folded for chain in proposals for p in chain)),
        "importance_ess": effective_weights(np.log(np.maximum(weights, 1e-300))),
        "k_hat": k_hat(logs.ravel()),
        "optima_left_out": float(left_out),
        "log_evidence": float(top + math.log(np.mean(np.exp(logs - top))) + proposer.log_constant()),
    }
    drawn = {name: x[rows, places] for name, x in quantities.items()}
    return Posterior(calibration, calibration.free, u[rows, places], drawn, table, METHOD, seed, statistics)


def _resampled(weights: Floats, seed: int) -> NDArray[np.int64]:
    """Places in each chain drawn by its weights: equally spaced in their sum, in random order."""
    size = 1.0 / float((weights**2).sum())
    n = max(FEWEST_DRAWS, round(size / len(weights)))
    rng = np.random.default_rng([seed, len(weights)])
    places = []
    for chain in weights:
        shares = np.cumsum(chain) / chain.sum()
        at = np.searchsorted(shares, (np.arange(n) + rng.random()) / n)
        places.append(rng.permutation(np.minimum(at, chain.size - 1)))
    return np.array(places)


def uniqueness(fit: Fit, posterior: Posterior, n: int = CHECKED) -> tuple[int, int]:
    """Solve for some draws again, from other draws.

    Returns
    -------
    (int, int)
        How many were solved again, and how many of those ended elsewhere: more than none means that proposals are
        not unique and the weights not exact.
    """
    proposer = Proposer(fit.calibration, fit.u)
    draws = posterior.u.reshape(-1, posterior.u.shape[2])
    rng = np.random.default_rng(posterior.seed)
    solved = elsewhere = 0
    for first, second in rng.integers(len(draws), size=(n, 2)):
        target = proposer.basis.T @ fit.calibration.residuals(draws[first])
        again = proposer.propose(target, draws[second])
        if again is not None:
            solved += 1
            elsewhere += int(np.abs(again.u - draws[first]).max() > SAME)
    return solved, elsewhere
