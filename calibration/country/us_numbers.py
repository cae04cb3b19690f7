"""The numbers of docs/your-own-data.md: fit and posterior of the United States, and what they say of 2028.

Usage: python calibration/country/us_numbers.py [FILE]

FILE is us_numbers.csv beside this script by default. About five minutes on two cores.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares

import jevons as jv
from jevons.inference.fit import Fit
from jevons.inference.identifiability import identifiability
from jevons.inference.problem import Calibration

Floats = NDArray[np.float64]
HERE = Path(__file__).parent
YEARS = np.arange(2005.0, 2032.0)
LBNL_2028 = (325.0, 580.0)
AI_SHARE = dict.fromkeys(("training_finance_limit", "adopter_ceiling"), 0.6)
MONEY = jv.LogNormal(180.0, 0.35)


def annual(calibration: Calibration) -> Callable[[Mapping[str, float]], Floats]:
    """TWh of each calendar year from 2005 on, from values of what is free."""
    simulation = jv.Simulation(calibration.model, YEARS, ["cumulative_dc_electricity"])

    def compute(values: Mapping[str, float]) -> Floats:
        known = {n: x for n, x in values.items() if n in calibration.model.parameters}
        return np.diff(np.asarray(simulation.run(known).values)[:, 0])

    return compute


def best(starts: int | None = None) -> Fit:
    """The fit of us.toml."""
    problem = jv.open_problem(str(HERE.parent / "us.toml"))
    return jv.fit(problem.calibration, starts=starts or problem.config.starts, seed=problem.config.seed, progress=False)


def of_fit(fit: Fit) -> dict[str, float]:
    """What the best fit says."""
    path = annual(fit.calibration)(fit.values)
    told = identifiability(fit)
    numbers = {
        "rows": len(fit.z), "free": len(fit.names), "chi2_data": fit.chi2_data, "chi2_prior": fit.chi2_prior,
        "effective_parameters": fit.effective_parameters, "directions_held": told.held,
        "largest_z": float(np.abs(fit.z).max()), "largest_move_sd": float(np.abs(fit.u).max()),
    }  # fmt: skip
    numbers |= {f"best_{y}": float(path[y - 2005]) for y in (2014, 2018, 2023, 2024, 2028)}
    model = fit.calibration.model
    here = model.with_values({n: x for n, x in fit.values.items() if n in model.parameters})
    relative = service_price(here) / service_price(world())
    numbers |= {f"price_{y}": float(relative[y - 2005]) for y in (2023, 2028)}
    return numbers | {f"width_{n}": x for n, x in told.posterior_sd.items()}


def world() -> jv.Model:
    """The world at its fit, as base.toml has it."""
    return jv.load("world", fit=None).with_values(jv.read_config(HERE / "base.toml").values)


def service_price(model: jv.Model) -> Floats:
    """Price of AI service on 1 January of each year from 2005 on."""
    return np.asarray(jv.Simulation(model, YEARS, ["service_price"]).run({}).values)[:, 0]


def quantiles(name: str, paths: Floats) -> dict[str, float]:
    """Bands of 2024 and 2028, and where 2028 lies relative to LBNL's range."""
    found = {}
    for year in (2024, 2028):
        for label, q in (("q05", 0.05), ("q50", 0.5), ("q95", 0.95)):
            found[f"{name}_{year}_{label}"] = float(np.quantile(paths[:, year - 2005], q))
    in_2028 = paths[:, 2028 - 2005]
    low, high = LBNL_2028
    return found | {
        f"{name}_inside": float(np.mean((in_2028 >= low) & (in_2028 <= high))),
        f"{name}_below": float(np.mean(in_2028 < low)),
        f"{name}_above": float(np.mean(in_2028 > high)),
    }


def of_posterior(name: str, fit: Fit, seed: int, folder: Path | None = None) -> dict[str, float]:
    """What the posterior says, the world held at its best fit; kept in a folder, if one is given."""
    begin = time.perf_counter()
    posterior = jv.sample(fit, seed=seed, progress=False)
    seconds = time.perf_counter() - begin
    if folder is not None:
        problem = jv.open_problem(str(HERE.parent / "us.toml"))
        jv.save_fit(fit, posterior, folder, fixed=problem.fixed, command="python calibration/country/us_numbers.py")
    compute = annual(fit.calibration)
    paths = np.array([compute(dict(zip(posterior.names, row, strict=True))) for row in posterior.thinned(1000)])
    table = posterior.table
    return {
        f"{name}_converged": float(posterior.converged),
        f"{name}_r_hat": float(table["r_hat"].max()),
        f"{name}_ess": float(table[["ess_bulk", "ess_tail"]].min(axis=None)),
        f"{name}_seconds": seconds,
    } | quantiles(name, paths)


def carried(n: int, seed: int) -> dict[str, float]:
    """The same with the world's posterior carried: one perturbed fit (randomised maximum likelihood) for each draw."""
    problem = jv.open_problem(str(HERE.parent / "us.toml"))
    own, base = problem.config, problem.model.parameters
    world = jv.shipped_fit("world", "main")
    held = [name for name in world.names if name in base and name not in own.free]
    opened = dataclasses.replace(
        own, free=(*own.free, *held), values={k: x for k, x in own.values.items() if k not in held}
    )
    calibration = opened.calibration(problem.model, problem.history, "main")
    compute, rng, paths = annual(calibration), np.random.default_rng(seed), []
    for place in np.linspace(0, len(world.sample) - 1, n).astype(int):
        row = dict(zip(world.names, world.sample[place].tolist(), strict=True))
        values = {k: row[k] * AI_SHARE.get(k, 1.0) for k in held}
        part = calibration.hold(values)
        shift = rng.standard_normal(len(part.rows) + len(part.free))

        def residuals(u: Floats, part: Calibration = part, shift: Floats = shift) -> Floats:
            return part.residuals(u) - shift

        end = least_squares(residuals, np.zeros(len(part.free)), jac=part.jacobian, bounds=(-5, 5), max_nfev=40)
        paths.append(compute({**values, **part.values(end.x)}))
    return quantiles("carried", np.array(paths))


def money() -> Fit:
    """The reading that was tried first: the share of AI as money, with the world's references left behind."""
    problem = jv.open_problem(str(HERE.parent / "us.toml"))
    config = problem.config
    free = tuple("revenue_per_workload" if n == "cluster_overhead" else n for n in config.free)
    priors = {n: p for n, p in config.priors.items() if n != "cluster_overhead"} | {"revenue_per_workload": MONEY}
    changed = dataclasses.replace(config, free=free, priors=priors)
    calibration = changed.calibration(problem.model, problem.history, "main")
    return jv.fit(calibration, starts=config.starts, seed=config.seed, progress=False)


def main() -> None:
    """Compute everything and write it."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "us_numbers.csv"
    begin = time.perf_counter()
    fit = best()
    numbers = {"fit_seconds": time.perf_counter() - begin} | of_fit(fit)
    numbers |= of_posterior("held", fit, fit.seed, HERE / "us") | carried(200, fit.seed)
    other = money()
    numbers |= {f"money_{k}": x for k, x in of_fit(other).items() if k.startswith("price")}
    numbers |= {"money_chi2_data": other.chi2_data, "money_chi2_prior": other.chi2_prior}
    numbers |= {"money_revenue_per_workload": other.values["revenue_per_workload"]}
    numbers |= of_posterior("money", other, fit.seed)
    pd.DataFrame({"quantity": numbers.keys(), "value": numbers.values()}).to_csv(file, index=False, float_format="%.4g")
    print(pd.read_csv(file).to_string())


if __name__ == "__main__":
    main()
